//! Logs: to standard error, as text or JSON.
//!
//! Fields have dotted names: `tool.name`, `call.id`, `environment`, `status`,
//! `http.status`, `attempts`, `duration_ms`, `failure.code`, `cause`,
//! `auth.connector`, `variable.name`. Arguments, bodies, URLs, headers and
//! variables' values are never logged.

mod equal;
mod lines;
pub mod metrics;
mod recent;
#[cfg_attr(not(feature = "otlp"), path = "no_traces.rs")]
pub mod traces;

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::settings::{LogFormat, LogSettings};
use callgate_text::closest;

pub use self::lines::{Flush, LogMask};
pub use self::recent::RecentError;

use self::equal::Equal;
use self::lines::Lines;

/// Whether the settings can be used.
///
/// # Errors
///
/// Says what is wrong with the filter.
pub fn check(settings: &LogSettings) -> Result<(), String> {
    filter(settings).map(drop)
}

/// The levels, as they are written; capitals do not matter.
const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace", "off"];

fn filter(settings: &LogSettings) -> Result<EnvFilter, String> {
    let parts: Vec<&str> = settings.level.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return Err("`log.level` is empty".to_owned());
    }
    for part in &parts {
        check_directive(part)?;
    }
    // At finer levels it writes whole messages, with arguments and answers.
    let is_off = parts.iter().all(|part| part.eq_ignore_ascii_case("off"));
    let quiet = if settings.level.contains("rmcp") || is_off { "" } else { ",rmcp=error" };
    EnvFilter::try_new(format!("{}{quiet}", parts.join(",")))
        .map_err(|error| format!("invalid log.level `{}`: {error}", settings.level))
}

/// A part of a filter is a level, or `target=level`. The library takes any other word for a
/// target, which switches all others off.
fn check_directive(part: &str) -> Result<(), String> {
    let (target, level) = part.rsplit_once('=').map_or((None, part), |(target, level)| (Some(target), level));
    if LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level)) && target != Some("") {
        return Ok(());
    }
    let near = closest(&level.to_ascii_lowercase(), LEVELS).map(|near| format!(", did you mean `{near}`?"));
    let levels = LEVELS.join(", ");
    Err(format!("`{part}` is neither a level ({levels}) nor `target=level`{}", near.unwrap_or_default()))
}

/// Starts logging. Equal warnings and errors of a burst are counted instead of repeated. Lines reach standard error within a tenth of a second, and
/// at the latest when the value that comes back is dropped. Nobody waits for
/// standard error: what it does not take in time is lost, and counted.
///
/// # Errors
///
/// Says what is wrong with the filter.
pub fn start(settings: &LogSettings) -> Result<Flush, String> {
    let filter = filter(settings)?;
    let (lines, equal) = (Lines::default(), Equal::default());
    let writer = lines.clone();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || writer.clone());
    // Fails only where somebody has started it already.
    let _ = match settings.format {
        LogFormat::Text => {
            let builder = builder.with_ansi(io::stderr().is_terminal()).with_target(false);
            builder.finish().with(equal.clone()).try_init()
        }
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_target(false);
            builder.finish().with(equal.clone()).try_init()
        }
    };
    lines::start(&lines, equal)
        .map_err(|error| format!("cannot start the thread that writes the log: {error}"))?;
    Ok(Flush(lines))
}
