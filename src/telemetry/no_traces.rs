//! In place of traces over OTLP, in a build without the feature `otlp`.

use crate::executor::{CallReport, Observer};
use crate::settings::{Feature, LacksFeature};

/// Traces, of which this build has none.
#[derive(Debug)]
pub enum Traces {}

impl Traces {
    /// Refuses.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn start(_: &str) -> Result<Self, String> {
        Err(LacksFeature(Feature::Otlp).to_string())
    }
}

impl Observer for Traces {
    fn call_ended(&self, _: &CallReport<'_>) {
        match *self {}
    }
}
