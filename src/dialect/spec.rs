//! A tool with its schema brought down to what a provider accepts.

use std::time::Duration;

use serde_json::Value;

use crate::tool::ToolSpec;

use super::lower::{Fate, Profile, Report, count, description_limit, lower};
use super::name::Dialect;

/// What a list of specs is made for.
#[derive(Clone, Copy, Debug, Default)]
pub struct SpecOptions<'a> {
    /// OpenAI's strict mode.
    pub strict: bool,
    /// Where the gateway is reached from outside, such as `https://gate.example.com`.
    pub base_url: Option<&'a str>,
    /// The environment that tools which call back run in.
    pub environment: &'a str,
    /// The language that is said, of products that take one.
    pub language: Option<&'a str>,
}

/// Why there are no specs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSpecs {
    /// `strict` where the provider has no such thing.
    #[error("`{0}` has no strict mode; openai-chat, openai-responses and openai-realtime have")]
    NotStrict(Dialect),
    /// The tools call back, and nothing says where.
    #[error("the tools of `{0}` call this gateway: set `[server] public_url`, or name a `base_url`")]
    NoAddress(Dialect),
}

/// How much longer an orchestrator waits than the gateway does, so that it hears the gateway's answer.
const MARGIN: Duration = Duration::from_secs(2);

/// A tool, ready to be written in a provider's form.
#[derive(Debug)]
pub(super) struct Prepared<'a> {
    pub(super) tool: ToolSpec<'a>,
    pub(super) description: String,
    pub(super) schema: Value,
    pub(super) report: Report,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(tool: ToolSpec<'a>, profile: &Profile) -> Self {
        let mut lowered = lower(tool.parameters, profile);
        let mut description = tool.description.to_owned();
        let limit = description_limit(profile).unwrap_or(usize::MAX);
        for sentence in &lowered.sentences {
            if description.chars().count() + sentence.chars().count() < limit {
                description.push(' ');
                description.push_str(sentence);
            } else {
                let how = "a rule about the arguments as a whole does not fit into the description";
                lowered.report.note("", Fate::Lost, how);
            }
        }
        count(tool.name, &description, &mut lowered, profile);
        Self { tool, description, schema: lowered.schema, report: lowered.report }
    }

    /// How long an orchestrator should wait, within what it can be set to.
    pub(super) fn patience(&self, least: u64, most: u64) -> u64 {
        let wait = self.tool.timeout + MARGIN;
        wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).clamp(least, most)
    }
}
