//! `actions/<name>.yaml`, as written.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::connection::Headers;
use super::guards::{Hook, NextStateDefinition};
use super::retry::RetryDefinition;
use super::speech::SpeechDefinition;
use super::value::{Scalar, ValueDefinition};

/// What an action does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Calls an upstream over HTTP.
    #[default]
    Http,
    /// Answers with a fixed text or JSON, for testing an agent before the API exists.
    Static,
    /// Hands the caller over to a phone number or a queue.
    Handover,
}

/// An HTTP method (RFC 9110 section 9, RFC 5789).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the standard's own names")]
pub enum Method {
    #[default]
    Get,
    Post,
    Put,
    Patch,
    Delete,
    Head,
    Options,
}

/// An action: what a model may do, described once.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Callgate action", transform = response_of_http)]
pub struct ActionDefinition {
    /// The name a model calls the action by; the file's name where it is left out. At most 40 characters work with every provider.
    #[schemars(regex(pattern = r"^[a-zA-Z0-9_][a-zA-Z0-9_-]{0,63}$"))]
    pub name: Option<String>,
    /// What the action does and when to use it: the model decides by this text.
    #[schemars(length(min = 1))]
    pub description: String,
    /// `http` (the default), `static` or `handover`.
    #[serde(default, rename = "type")]
    pub kind: ActionKind,
    /// Name of the connection that gives base URL, auth connector and headers; then `path` says the rest.
    pub connection: Option<String>,
    /// Path below the connection's base URL. May hold `{{.parameters.x}}`, each value percent-encoded as one segment.
    pub path: Option<String>,
    /// Full URL, without a connection. Its host is static; its path may hold `{{.parameters.x}}`.
    pub url: Option<String>,
    /// Name of the auth connector; replaces the connection's.
    pub auth: Option<String>,
    /// HTTP method; `GET` where left out.
    pub method: Option<Method>,
    /// JSON Schema 2020-12 of the arguments that the model fills in.
    #[schemars(with = "Option<Map<String, Value>>")]
    pub parameters: Option<Value>,
    /// Values that the model neither sees nor sets; they win over its arguments. Texts are templates.
    #[serde(default)]
    pub bind: Map<String, Value>,
    /// Query parameters: templates.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Scalar>")]
    pub query: Pairs,
    /// Request headers: templates, or `{secret: name}`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, ValueDefinition>")]
    pub headers: Headers,
    /// Body template; escaped for `content_type`.
    pub body: Option<String>,
    /// Media type of the body; `application/json` where left out.
    pub content_type: Option<String>,
    /// Body as `application/x-www-form-urlencoded` fields: templates.
    #[schemars(with = "Option<BTreeMap<String, Scalar>>")]
    pub form: Option<Pairs>,
    /// Body as `multipart/form-data` parts: templates.
    #[schemars(with = "Option<BTreeMap<String, PartDefinition>>")]
    pub multipart: Option<Parts>,
    /// Time for the whole call in milliseconds; that of the connection where left out, else 5000.
    #[schemars(range(min = 1, max = 300_000))]
    pub timeout_ms: Option<u64>,
    /// Time to connect in milliseconds, at most three quarters of `timeout_ms` and of `read_timeout_ms`; that of the
    /// connection where left out, else 2000.
    #[schemars(range(min = 1, max = 60_000))]
    pub connect_timeout_ms: Option<u64>,
    /// The longest silence of the service in milliseconds: before its answer begins, connecting included, and between two
    /// pieces of it. Where left out, only `timeout_ms` holds.
    #[schemars(range(min = 1, max = 300_000))]
    pub read_timeout_ms: Option<u64>,
    /// When and how often the request is sent again.
    pub retry: Option<RetryDefinition>,
    /// Whether doing it twice is the same as doing it once; by the method where left out. Say `true` for a POST whose
    /// upstream honours `Idempotency-Key`, which Callgate sends with every write; `false` for a PUT that adds something.
    pub idempotent: Option<bool>,
    /// For calls without a `tool_call_id`: how long, in milliseconds, the same write of one conversation is answered with
    /// the result of the first; 30000 where left out, 0 turns it off.
    #[schemars(range(min = 0, max = 86_400_000))]
    pub dedupe_window_ms: Option<u64>,
    /// The most calls of this action in one conversation: those that were sent, whatever came of them.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_calls: Option<u32>,
    /// Actions that must have succeeded in the conversation before this one may be called.
    #[serde(default)]
    #[schemars(with = "Vec<String>", inner(length(min = 1)))]
    pub only_after: Vec<String>,
    /// Parameters whose values the model may not make up, each with the JSONPath of the values it may send, such as
    /// `slot_id: $.variables.slots[*].id`.
    #[serde(default)]
    #[schemars(extend("additionalProperties" = {"type": "string", "pattern": r"^\$"}))]
    pub allowed_values_from: BTreeMap<String, String>,
    /// The states of a conversation in which the action exists; all where left out.
    #[schemars(length(min = 1), inner(length(min = 1, max = 64)))]
    pub available_in: Option<Vec<String>>,
    /// The state that the conversation is in afterwards: one name for a success, or `{success, error, failure}` by what
    /// came of the call.
    pub next_state: Option<NextStateDefinition>,
    /// What a 2xx answer must be to count as a success: a filter expression of JSONPath (RFC 9535) in which `@` is the
    /// answer with the members `status`, `headers` and `body`, such as `@.body.verified == true`.
    #[schemars(length(min = 1, max = 2_000))]
    pub success_when: Option<String>,
    /// `start` or `end`: the action runs by itself when a conversation is created or ends, and no model is offered it.
    pub on: Option<Hook>,
    /// Values taken from the response for later calls.
    #[serde(default)]
    pub output_variables: Vec<OutputVariableDefinition>,
    /// `type: http`: how the answer is shaped for the model. `type: static`: the answer, a text or any JSON; each text in it is
    /// a template, and one that is a sole reference keeps the JSON type of its value.
    #[serde(default)]
    #[schemars(schema_with = "response", transform = without_default)]
    pub response: Option<Value>,
    /// JSON Schema 2020-12 of the body that the model is shown of a success; its type is `object`. Offered to MCP clients
    /// as `outputSchema`; a body that breaks it is an error to them.
    #[schemars(with = "Option<Map<String, Value>>")]
    pub output_schema: Option<Value>,
    /// `type: handover`: where to.
    pub handover: Option<HandoverDefinition>,
    /// What a caller hears while the action runs: texts, per language where they are several; templates.
    pub speech: Option<SpeechDefinition>,
    /// Whether the model is asked for a sentence to say while the action runs, as the argument `say`; it goes nowhere else.
    #[serde(default)]
    pub say: bool,
    /// What differs in an environment.
    #[serde(default)]
    pub environments: BTreeMap<String, ActionOverride>,
}

/// What an action says otherwise in one environment.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionOverride {
    /// `false` leaves the action out of this environment.
    pub enabled: Option<bool>,
    /// Replaces `connection`.
    pub connection: Option<String>,
    /// Replaces `path`.
    pub path: Option<String>,
    /// Replaces `url`.
    pub url: Option<String>,
    /// Replaces `auth`.
    pub auth: Option<String>,
    /// Added to `headers`, replacing those of the same name.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, ValueDefinition>")]
    pub headers: Headers,
    /// Replaces `timeout_ms`.
    #[schemars(range(min = 1, max = 300_000))]
    pub timeout_ms: Option<u64>,
    /// Replaces `connect_timeout_ms`.
    #[schemars(range(min = 1, max = 60_000))]
    pub connect_timeout_ms: Option<u64>,
    /// Replaces `read_timeout_ms`.
    #[schemars(range(min = 1, max = 300_000))]
    pub read_timeout_ms: Option<u64>,
    /// Replaces `response`.
    #[serde(default)]
    #[schemars(schema_with = "response", transform = without_default)]
    pub response: Option<Value>,
    /// Replaces `handover`.
    pub handover: Option<HandoverDefinition>,
}

/// The part of an answer that a value is taken from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutputSource {
    /// The body, by `path`.
    #[default]
    Body,
    /// A header, by its name in `header`.
    Header,
    /// The number of the HTTP status.
    Status,
}

/// A value to take from a response.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = key_of_source)]
pub struct OutputVariableDefinition {
    /// Its name: lowercase letters, digits, underscores, and dots between them.
    #[schemars(regex(pattern = r"^[a-z0-9_]+(\.[a-z0-9_]+)*$"))]
    pub name: String,
    /// The part of the answer that has the value: `body` (the default), `header` or `status`.
    #[serde(default)]
    pub from: OutputSource,
    /// `from: body`: JSONPath (RFC 9535) into the response body, starting with `$`. `$` alone is all of it, also of a text.
    #[schemars(regex(pattern = r"^\$"))]
    pub path: Option<String>,
    /// `from: header`: the name of the response header, such as `X-Request-Id`.
    #[schemars(length(min = 1, max = 200))]
    pub header: Option<String>,
    /// Whether the model is shown the value under `variables`. `false` also removes it from the body that the model sees.
    pub expose: Option<bool>,
    /// Whether the value is redacted in logs and events; without `expose: true` it is removed from the body as well.
    #[serde(default)]
    pub sensitive: bool,
    /// Whether the variable keeps its old value where an answer has none for it. Left out, such an answer clears it.
    #[serde(default)]
    pub keep: bool,
}

/// `response` of `type: http`: what of an upstream's answer the model is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResponseDefinition {
    /// Longest body that the model is shown, in characters; replaces `max_body_chars` of `[limits]`.
    #[schemars(range(min = 100, max = 1_000_000))]
    pub max_chars: Option<usize>,
    /// The only parts of a successful JSON answer that the model is shown. One path alone: its value. Several, or one with a name: an object.
    #[schemars(with = "Option<Vec<PickDefinition>>", length(min = 1, max = 100))]
    pub pick: Option<Vec<PickDefinition>>,
    /// Most items of each list that the model is shown; a marker after them says how many there were.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_items: Option<usize>,
    /// Names of response headers that the result has under `headers`, written as they are here.
    #[schemars(with = "Option<Vec<String>>", length(min = 1, max = 20), inner(length(min = 1, max = 200)))]
    pub headers: Option<Vec<String>>,
}

/// A part of an answer: a JSONPath, or a name and a JSONPath.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PickDefinition {
    /// JSONPath (RFC 9535) into the body; shown under the last name of the path.
    Path(#[schemars(regex(pattern = r"^\$"))] String),
    /// The same, shown under a name of its own.
    Named(NamedPickDefinition),
}

/// A part of an answer and its name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedPickDefinition {
    /// The name it is shown under.
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
    /// JSONPath (RFC 9535) into the body, starting with `$`.
    #[schemars(regex(pattern = r"^\$"))]
    pub path: String,
}

/// Anything here: what it may be depends on the type of the action, of which
/// [`response_of_http`] speaks.
fn response(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<ResponseDefinition>();
    Schema::from(true)
}

/// Takes the default away that serde's is taken for: nothing is written here to say `null`.
fn without_default(schema: &mut Schema) {
    schema.remove("default");
}

/// Adds to the schema of an output variable which key each source needs.
fn key_of_source(schema: &mut Schema) {
    let needs = |source: &str, key: &str, what: &str, given: &[&str]| {
        json!({
            "if": {"properties": {"from": {"const": source}}, "required": given},
            "then": {"required": [key], "properties": {key: {"description": what}}},
        })
    };
    let body = needs("body", "path", "JSONPath (RFC 9535) into the response body, starting with `$`.", &[]);
    let header =
        needs("header", "header", "the name of the response header, such as `X-Request-Id`", &["from"]);
    schema.insert("allOf".to_owned(), json!([body, header]));
}

/// Adds to the schema of an action what `response` is where the type is `http`.
fn response_of_http(schema: &mut Schema) {
    schema.insert("if".to_owned(), json!({"properties": {"type": {"const": "http"}}}));
    let shape = json!({"$ref": "#/$defs/ResponseDefinition"});
    let overrides = json!({"additionalProperties": {"properties": {"response": shape}}});
    schema.insert("then".to_owned(), json!({"properties": {"response": shape, "environments": overrides}}));
}

/// Where a handover leads: a phone number or a queue.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HandoverDefinition {
    /// E.164 number to transfer to.
    #[schemars(regex(pattern = r"^\+[1-9][0-9]{1,14}$"))]
    pub phone_number: Option<String>,
    /// Name of the queue to transfer to.
    pub queue: Option<String>,
    /// What the agent says before it transfers: a template.
    pub message: Option<String>,
}

/// One part of a multipart body.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartDefinition {
    /// The content: a template.
    pub value: Scalar,
    /// File name, which makes the part a file.
    pub filename: Option<String>,
    /// Media type of the part.
    pub content_type: Option<String>,
}

/// Texts by name, in the order written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct Pairs(pub Vec<(String, Scalar)>);

impl TryFrom<Map<String, Value>> for Pairs {
    type Error = &'static str;

    fn try_from(map: Map<String, Value>) -> Result<Self, Self::Error> {
        map.into_iter()
            .map(|(name, value)| Ok((name, Scalar::try_from(value)?)))
            .collect::<Result<Vec<_>, _>>()
            .map(Self)
    }
}

/// Parts by name, in the order written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct Parts(pub Vec<(String, PartDefinition)>);

impl TryFrom<Map<String, Value>> for Parts {
    type Error = serde_json::Error;

    fn try_from(map: Map<String, Value>) -> Result<Self, Self::Error> {
        map.into_iter()
            .map(|(name, value)| Ok((name, serde_json::from_value(value)?)))
            .collect::<Result<Vec<_>, _>>()
            .map(Self)
    }
}
