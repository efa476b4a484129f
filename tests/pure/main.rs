//! What needs neither a socket nor a process: importers, dialects.

#![expect(clippy::disallowed_methods, reason = "a test's settings are its own")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so and stops")]

mod dialect;
#[cfg(feature = "import")]
mod import;
