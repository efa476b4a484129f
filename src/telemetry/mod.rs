//! Logs: to standard error, as text or JSON.
//!
//! Fields have dotted names: `tool.name`, `call.id`, `environment`, `status`,
//! `http.status`, `attempts`, `duration_ms`, `failure.code`, `cause`,
//! `auth.connector`, `variable.name`. Arguments, bodies, URLs, headers and
//! variables' values are never logged.

pub mod metrics;
pub mod traces;

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use crate::definition::closest;
use crate::secrets::Redactor;
use crate::settings::{LogFormat, LogSettings};

/// How long a line may wait for others before it is written.
const FLUSH_EVERY: Duration = Duration::from_millis(100);
/// How many bytes of lines wait at most.
const FLUSH_AT: usize = 64 * 1024;

/// Lines on their way to standard error: written together, so that a call does
/// not pay for a system call of its own, nor for the look through them.
#[derive(Clone, Debug, Default)]
struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Vec<u8>>,
    /// The last net: what masks secrets in the lines, whoever wrote them.
    net: Mutex<Vec<Redactor>>,
}

/// Writes the lines that still wait when it is dropped.
#[derive(Debug)]
#[must_use = "lines that wait are written when it is dropped"]
pub struct Flush(Lines);

impl Drop for Flush {
    fn drop(&mut self) {
        self.0.flush_all();
    }
}

impl Flush {
    /// What the lines are masked by, to be changed by a reload.
    pub fn masks(&self) -> LogMask {
        LogMask(self.0.clone())
    }

    /// As [`LogMask::mask`].
    pub fn mask(&self, redactors: Vec<Redactor>) {
        self.masks().mask(redactors);
    }
}

/// What the lines of the log are masked by.
#[derive(Clone, Debug)]
pub struct LogMask(Lines);

impl LogMask {
    /// Masks by `redactors` from now on, and by no others. No line of ours holds
    /// a secret; at the level `trace`, lines of libraries come along.
    pub fn mask(&self, redactors: Vec<Redactor>) {
        *self.0.0.net.lock().unwrap_or_else(PoisonError::into_inner) = redactors;
    }
}

impl Lines {
    fn flush_all(&self) {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.is_empty() {
            return;
        }
        let lines = std::mem::replace(&mut *waiting, Vec::with_capacity(FLUSH_AT + FLUSH_AT / 8));
        drop(waiting);
        let net = self.0.net.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let text = String::from_utf8_lossy(&lines);
        let clean = net.iter().fold(text, |text, redactor| match redactor.redact(&text) {
            Cow::Owned(clean) => Cow::Owned(clean),
            Cow::Borrowed(_) => text,
        });
        // There is nowhere to report that standard error is gone.
        let _ = io::stderr().lock().write_all(clean.as_bytes());
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.extend_from_slice(line);
        let full = waiting.len() >= FLUSH_AT;
        drop(waiting);
        if full {
            self.flush_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

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

/// Starts logging. Lines reach standard error within a tenth of a second, and
/// at the latest when the value that comes back is dropped.
///
/// # Errors
///
/// Says what is wrong with the filter.
pub fn start(settings: &LogSettings) -> Result<Flush, String> {
    let filter = filter(settings)?;
    let lines = Lines::default();
    let writer = lines.clone();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || writer.clone());
    // Fails only where somebody has started it already.
    let _ = match settings.format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_target(false).try_init(),
    };
    let waiting = lines.clone();
    let flusher = move || {
        loop {
            std::thread::sleep(FLUSH_EVERY);
            waiting.flush_all();
        }
    };
    std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(flusher)
        .map_err(|error| format!("cannot start the thread that writes the log: {error}"))?;
    Ok(Flush(lines))
}
