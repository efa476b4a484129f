//! The Model Context Protocol: the `tools` of `tools/list`, the result of `tools/call`.

use serde_json::{Value, json};

use crate::action::parameters::OutputSchema;
use crate::tool::{FailureCode, Status};

use super::spec::Prepared;
use super::text;
use super::turn::Outcome;

/// One tool: `{name, description, inputSchema, outputSchema, annotations}` (specification 2025-06-18 and later).
///
/// `destructiveHint` and `idempotentHint` mean something only where `readOnlyHint` is false.
pub(super) fn spec(prepared: Prepared<'_>) -> Value {
    let tool = prepared.tool;
    let mut spec = json!({
        "name": tool.name,
        "description": prepared.description,
        "inputSchema": prepared.schema,
        "annotations": {
            "readOnlyHint": tool.is_safe,
            "destructiveHint": !tool.is_safe,
            "idempotentHint": tool.is_idempotent,
            "openWorldHint": tool.goes_out,
        },
    });
    if let Some(output) = tool.output {
        spec["outputSchema"] = output.clone();
    }
    spec
}

/// The result of `tools/call`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The text of its one content block: what a model reads in every dialect.
    pub text: String,
    /// `structuredContent`: a JSON object. With an output schema the body, which meets it; without one, the same as
    /// the text. `None` for a call that failed, and where the text is no object.
    pub structured: Option<Value>,
    /// `isError`
    pub is_error: bool,
    /// Whether it is the answer to an earlier call; `structuredContent` that meets a schema cannot say so.
    pub is_replayed: bool,
}

/// What a model is told where an answer breaks the schema that its action declares.
const BROKEN_PROMISE: &str = "The call was made and the service answered, but not in the form that was promised. \
                              What it said is in body. Do not call again because of this.";

/// A result in the parts of `tools/call`.
///
/// Where an action declares an output schema, a server MUST answer results that meet it (specification, "Output
/// Schema"). A body that does not is told as an error, with the body in the text, because clients refuse a success
/// without `structuredContent`.
pub fn encode(outcome: &Outcome, output: Option<&OutputSchema>) -> Answer {
    let is_error = outcome.is_error();
    let is_replayed = matches!(outcome, Outcome::Done(result) if result.replayed);
    if is_error {
        return Answer { text: text::text(outcome), structured: None, is_error, is_replayed };
    }
    let parse = |json: &str| serde_json::from_str(json).ok().filter(Value::is_object);
    let Some(output) = output else {
        let structured = parse(&text::outcome_json(outcome));
        return Answer { text: text::text(outcome), structured, is_error, is_replayed };
    };
    let body = match outcome {
        Outcome::Done(result) => result.body.as_deref().map_or("", |body| body.get()),
        Outcome::Refused(_) | Outcome::Broken => "",
    };
    match parse(body).filter(|body| output.is_met_by(body)) {
        Some(body) => Answer { text: text::text(outcome), structured: Some(body), is_error, is_replayed },
        None => Answer {
            text: text::broken_promise(outcome, BROKEN_PROMISE),
            structured: None,
            is_error: true,
            is_replayed,
        },
    }
}

/// Whether the call names a tool that there is not: the protocol's error, not a result (specification, "Error
/// Handling"). Gives the words.
pub fn unknown_tool(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Done(result) if result.status == Status::Exception => {
            let error = result.error.as_ref().filter(|error| error.code == FailureCode::UnknownTool)?;
            Some(&error.message)
        }
        Outcome::Done(_) | Outcome::Refused(_) | Outcome::Broken => None,
    }
}
