//! `agents/<name>.yaml`, as written.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

use super::connection::Headers;
use super::speech::SpeechTextDefinition;
use super::value::ValueDefinition;

/// An agent: instructions, a language model, and the actions that it may use.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Callgate agent")]
pub struct AgentDefinition {
    /// The name by which the agent is asked for; the file's name where it is left out.
    #[schemars(regex(pattern = r"^[a-zA-Z0-9_][a-zA-Z0-9_-]{0,63}$"))]
    pub name: Option<String>,
    /// What the agent is for; people read it in listings, and no model does.
    #[serde(default)]
    pub description: String,
    /// The system prompt: a template that reads `.variables` and `.static_variables`.
    #[schemars(length(min = 1, max = 65_536))]
    pub instructions: String,
    /// What is said first where the voice product lets the agent begin: a text, or texts by language; templates.
    pub greeting: Option<SpeechTextDefinition>,
    /// The language model that speaks for the agent, and those that take its place when it fails.
    #[schemars(required)]
    pub model: Option<AgentModelDefinition>,
    /// The actions that the agent may use: `all` (the default), a list of names, or a list for each state of the conversation.
    #[serde(default)]
    pub actions: OfferedDefinition,
    /// When a write of the model is done: `now` (the default) or `next_turn`.
    #[serde(default)]
    pub writes: Writes,
    /// How much the agent may do in one turn.
    #[serde(default)]
    pub limits: AgentLimitsDefinition,
    /// What the caller hears while actions run.
    #[serde(default)]
    pub fillers: FillersDefinition,
    /// What the caller hears when something fails.
    #[serde(default)]
    pub on_failure: OnFailureDefinition,
    /// What becomes of the system messages of a request: `keep` (the default) or `ignore`.
    #[serde(default)]
    pub system_messages: SystemMessages,
    /// What differs in an environment.
    #[serde(default)]
    pub environments: BTreeMap<String, AgentOverride>,
}

/// What an agent says otherwise in one environment.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentOverride {
    /// `false` leaves the agent out of this environment.
    pub enabled: Option<bool>,
    /// Replaces `instructions`.
    #[schemars(length(min = 1, max = 65_536))]
    pub instructions: Option<String>,
    /// Replaces `greeting`.
    pub greeting: Option<SpeechTextDefinition>,
    /// Replaces all of `model`, its fallbacks included.
    pub model: Option<AgentModelDefinition>,
    /// Replaces `actions`.
    pub actions: Option<OfferedDefinition>,
    /// Replaces `writes`.
    pub writes: Option<Writes>,
    /// Replaces all of `limits`.
    pub limits: Option<AgentLimitsDefinition>,
    /// Replaces all of `fillers`.
    pub fillers: Option<FillersDefinition>,
    /// Replaces all of `on_failure`.
    pub on_failure: Option<OnFailureDefinition>,
}

/// The wire form of a language model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
pub enum ModelProvider {
    /// OpenAI Chat Completions, and every server that is compatible with it.
    #[serde(rename = "openai")]
    OpenAi,
    /// OpenAI Responses.
    #[serde(rename = "openai-responses")]
    OpenAiResponses,
    /// Anthropic Messages.
    #[serde(rename = "anthropic")]
    Anthropic,
    /// Gemini `streamGenerateContent`.
    #[serde(rename = "gemini")]
    Gemini,
}

impl ModelProvider {
    /// The word as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::OpenAiResponses => "openai-responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }
}

/// A language model, and the models that are asked in turn when it fails before it has said anything.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentModelDefinition {
    /// The wire form: `openai`, `openai-responses`, `anthropic` or `gemini`.
    pub provider: ModelProvider,
    /// Name of the connection that gives base URL, auth connector, headers, certificates and limits.
    pub connection: Option<String>,
    /// Base URL, such as `http://localhost:11434/v1`, in place of a connection. With neither, the provider's public address.
    pub base_url: Option<String>,
    /// Name of the auth connector; replaces the connection's. `none` sends no credentials.
    pub auth: Option<String>,
    /// Request headers: templates, or `{secret: name}`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, ValueDefinition>")]
    pub headers: Headers,
    /// The model's name at the provider.
    #[schemars(length(min = 1, max = 200))]
    pub model: String,
    /// Sampling temperature; the provider's own where left out.
    #[schemars(range(min = 0, max = 2))]
    pub temperature: Option<f64>,
    /// The most tokens of one answer; the provider's own limit where left out.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_tokens: Option<u32>,
    /// The longest wait for the first token in milliseconds; 8000 where left out. After it the next model is asked.
    #[schemars(range(min = 1, max = 300_000))]
    pub first_token_timeout_ms: Option<u64>,
    /// Time to connect in milliseconds, at most three quarters of `first_token_timeout_ms`; that of the connection where
    /// left out, else 2000.
    #[schemars(range(min = 1, max = 60_000))]
    pub connect_timeout_ms: Option<u64>,
    /// Models that are asked in turn when this one fails before it has said anything.
    #[schemars(with = "Option<Vec<FallbackModelDefinition>>", length(min = 1, max = 8))]
    pub fallback: Option<Vec<FallbackModelDefinition>>,
}

/// A language model that takes the place of one that fails.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FallbackModelDefinition {
    /// The wire form: `openai`, `openai-responses`, `anthropic` or `gemini`.
    pub provider: ModelProvider,
    /// As `connection` of the first model; nothing is taken over from that one.
    pub connection: Option<String>,
    /// As `base_url` of the first model.
    pub base_url: Option<String>,
    /// As `auth` of the first model.
    pub auth: Option<String>,
    /// As `headers` of the first model.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, ValueDefinition>")]
    pub headers: Headers,
    /// The model's name at the provider.
    #[schemars(length(min = 1, max = 200))]
    pub model: String,
    /// As `temperature` of the first model.
    #[schemars(range(min = 0, max = 2))]
    pub temperature: Option<f64>,
    /// As `max_tokens` of the first model.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_tokens: Option<u32>,
    /// As `first_token_timeout_ms` of the first model.
    #[schemars(range(min = 1, max = 300_000))]
    pub first_token_timeout_ms: Option<u64>,
    /// As `connect_timeout_ms` of the first model.
    #[schemars(range(min = 1, max = 60_000))]
    pub connect_timeout_ms: Option<u64>,
}

impl AgentModelDefinition {
    /// All models in the order in which they are asked, each with its place below the first one.
    pub fn all(&self) -> Vec<(String, FallbackModelDefinition)> {
        let first = FallbackModelDefinition {
            provider: self.provider,
            connection: self.connection.clone(),
            base_url: self.base_url.clone(),
            auth: self.auth.clone(),
            headers: self.headers.clone(),
            model: self.model.clone(),
            temperature: self.temperature,
            max_tokens: self.max_tokens,
            first_token_timeout_ms: self.first_token_timeout_ms,
            connect_timeout_ms: self.connect_timeout_ms,
        };
        let fallbacks = self.fallback.iter().flatten().enumerate();
        let fallbacks = fallbacks.map(|(index, model)| (format!("/fallback/{index}"), model.clone()));
        std::iter::once((String::new(), first)).chain(fallbacks).collect()
    }
}

/// What stands in the place of a state for any state, and for none.
pub const ANY_STATE: &str = "*";

/// The actions that an agent may use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub enum OfferedDefinition {
    /// Every action that a model can be offered.
    #[default]
    All,
    /// Those of these names.
    Named(Vec<String>),
    /// Those of these names by the state of the conversation; `*` is for any state.
    ByState(BTreeMap<String, Vec<String>>),
}

impl TryFrom<Value> for OfferedDefinition {
    type Error = serde_json::Error;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        match value {
            Value::String(word) if word == "all" => Ok(Self::All),
            Value::Array(_) => serde_json::from_value(value).map(Self::Named),
            value => serde_json::from_value(value).map(Self::ByState),
        }
    }
}

impl JsonSchema for OfferedDefinition {
    fn schema_name() -> Cow<'static, str> {
        "Offered".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`all`, a list of names of actions, or a list for each state of the conversation, where `*` is for any state.",
            "type": ["string", "array", "object"],
            "pattern": "^all$",
            "items": {"type": "string", "minLength": 1},
            "minProperties": 1,
            "propertyNames": {"minLength": 1, "maxLength": 64},
            "additionalProperties": {"type": "array", "items": {"type": "string", "minLength": 1}}
        })
    }
}

/// When a write of the model is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Writes {
    /// When the model asks for it.
    #[default]
    Now,
    /// It is proposed in this turn. It is made when the next request of the conversation shows that the caller heard the
    /// turn and went on.
    NextTurn,
}

/// What becomes of the system messages of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SystemMessages {
    /// They follow the instructions.
    #[default]
    Keep,
    /// They are left out.
    Ignore,
}

/// How much an agent may do in one turn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentLimitsDefinition {
    /// How often the model is asked, at most; 8 where left out. In the last round it is offered no actions.
    #[schemars(range(min = 1, max = 32))]
    pub max_rounds: Option<u32>,
    /// The most calls of one round that are run; 8 where left out.
    #[schemars(range(min = 1, max = 64))]
    pub max_calls_per_round: Option<usize>,
    /// Time for the whole turn in milliseconds; 20000 where left out.
    #[schemars(range(min = 1, max = 300_000))]
    pub timeout_ms: Option<u64>,
}

/// What the caller hears while actions run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FillersDefinition {
    /// `false` says nothing while actions run.
    pub enabled: Option<bool>,
    /// Said at the start of an action that has no `speech.start` of its own: a text, or texts by language; templates.
    pub start: Option<SpeechTextDefinition>,
    /// How long an action runs, in milliseconds, before the caller hears that it does; 500 where left out.
    #[schemars(range(min = 0, max = 60_000))]
    pub announce_after_ms: Option<u64>,
}

/// What the caller hears when something fails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OnFailureDefinition {
    /// Said when the turn ends without an answer of the model; an English sentence where left out. A text, or texts by
    /// language; templates.
    pub model: Option<SpeechTextDefinition>,
    /// Said in place of `model` when an action has failed, or was refused, in the same turn; an English sentence where left
    /// out. A text, or texts by language; templates.
    pub tool: Option<SpeechTextDefinition>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn actions_are_all_or_named_or_by_state() {
        let offered = |value: Value| OfferedDefinition::try_from(value).ok();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(offered(json!("all")), Some(OfferedDefinition::All));
        assert_eq!(offered(json!(["a", "b"])), Some(OfferedDefinition::Named(names(&["a", "b"]))));
        let by_state = BTreeMap::from([("*".to_owned(), names(&["a"])), ("paying".to_owned(), names(&[]))]);
        assert_eq!(offered(json!({"*": ["a"], "paying": []})), Some(OfferedDefinition::ByState(by_state)));
        for wrong in [json!("none"), json!([1]), json!({"paying": "all"}), json!(true), json!(null)] {
            assert_eq!(offered(wrong.clone()), None, "{wrong}");
        }
    }

    #[test]
    fn models_are_asked_in_the_order_written() {
        let written = json!({
            "provider": "openai", "model": "a", "temperature": 0.5,
            "fallback": [{"provider": "anthropic", "model": "b"}, {"provider": "gemini", "model": "c"}],
        });
        let model: AgentModelDefinition = serde_json::from_value(written).unwrap();
        let all: Vec<_> = model.all().into_iter().map(|(place, model)| (place, model.model)).collect();
        let expected = [("", "a"), ("/fallback/0", "b"), ("/fallback/1", "c")];
        assert_eq!(all, expected.map(|(place, model)| (place.to_owned(), model.to_owned())));
        assert_eq!(model.all()[0].1.temperature, Some(0.5));
        assert_eq!(model.all()[1].1.temperature, None, "nothing is taken over from the first one");
    }
}
