//! Logs: to standard error, as text or JSON.
//!
//! Fields have dotted names: `tool.name`, `call.id`, `environment`, `status`,
//! `http.status`, `attempts`, `duration_ms`, `failure.code`, `cause`,
//! `auth.connector`, `variable.name`. Arguments, bodies, URLs, headers and
//! variables' values are never logged.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::settings::{LogFormat, LogSettings};

/// Starts logging.
///
/// # Errors
///
/// Says what is wrong with the filter.
pub fn start(settings: &LogSettings) -> Result<(), String> {
    let filter = EnvFilter::try_new(&settings.level)
        .map_err(|error| format!("invalid log.level `{}`: {error}", settings.level))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Fails only where somebody has started it already.
    let _ = match settings.format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_target(false).try_init(),
    };
    Ok(())
}
