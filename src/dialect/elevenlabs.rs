//! ElevenLabs Agents: webhook tools and the URLs they call.

use serde_json::{Value, json};

use super::fields::{Fields, body};
use super::spec::{Prepared, SpecOptions};
use super::speech;
use super::text::outcome_json;
use super::turn::{IncomingCall, Malformed, Outcome, Turn, no_arguments};

/// The header that carries the conversation id: ElevenLabs' request has none by itself.
pub const CONVERSATION_HEADER: &str = "Callgate-Conversation-Id";

/// One body for `POST /v1/convai/tools`. ElevenLabs waits 5 to 300 seconds (its SDK; older pages say 120).
pub(super) fn spec(prepared: Prepared<'_>, base: &str, options: &SpecOptions<'_>) -> Value {
    let patience = prepared.patience(5, 300);
    let (name, environment) = (prepared.tool.name, options.environment);
    let (mode, sentence) = speech::elevenlabs(prepared.tool.speech, options.language);
    let description =
        [Some(prepared.description), sentence].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let mut spec = json!({
        "tool_config": {
            "type": "webhook",
            "name": name,
            "description": description,
            "response_timeout_secs": patience,
            "api_schema": {
                "url": format!("{base}/webhooks/elevenlabs/{environment}/{name}"),
                "method": "POST",
                "content_type": "application/json",
                "request_headers": {CONVERSATION_HEADER: {"variable_name": "system__conversation_id"}},
                "request_body_schema": prepared.schema,
            },
        }
    });
    if let Some(mode) = mode {
        spec["tool_config"]["pre_tool_speech"] = json!(mode);
    }
    spec
}

/// Reads the arguments of `action`, which stand at the root.
///
/// One public page shows `{tool_call_id, tool_name, parameters, conversation_id}` instead; exactly
/// that is understood as well.
///
/// # Errors
///
/// The body is no object.
pub fn decode(bytes: &[u8], action: &str) -> Result<Turn<()>, Malformed> {
    let call = |id, arguments| IncomingCall { id, name: action.to_owned(), arguments, refused: None };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Turn { calls: vec![call(None, no_arguments())], ..Turn::default() });
    }
    let raw = body(bytes)?;
    let fields = Fields::of(raw).ok_or_else(|| Malformed::new("expected an object of arguments"))?;
    let enveloped = fields.len() == 4 && fields.text("tool_name").as_deref() == Some(action);
    match (fields.text("tool_call_id"), fields.object("parameters"), fields.text("conversation_id")) {
        (Some(id), Some(_), Some(conversation_id)) if enveloped => {
            let arguments = fields.raw("parameters").map_or_else(no_arguments, ToOwned::to_owned);
            let calls = vec![call(Some(id).filter(|id| !id.is_empty()), arguments)];
            Ok(Turn { calls, conversation_id: Some(conversation_id).filter(|id| !id.is_empty()), form: () })
        }
        _ => Ok(Turn { calls: vec![call(None, raw.to_owned())], ..Turn::default() }),
    }
}

/// The answer as JSON, for status 200 also where the call failed, so that the model reads why.
pub fn encode(outcomes: &[Outcome]) -> String {
    outcomes.first().map(|outcome| outcome_json(outcome).into_owned()).unwrap_or_default()
}
