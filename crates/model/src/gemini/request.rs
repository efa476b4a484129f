//! The request.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::ids::{call, ids};
use crate::assembler::text;
use crate::cut::cut;
use crate::history::{Answer, NEUTRAL, Spoken, Step, steps};
use crate::message::{Request, ToolChoice};
use crate::provider::Provider;

/// Gemini 3 refuses a call without a signature; this one stands for a call that it has not made itself
/// (<https://ai.google.dev/gemini-api/docs/thought-signatures>).
const FOREIGN: &str = "skip_thought_signature_validator";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Value>,
    contents: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<[Declarations<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<Value>,
    #[serde(skip_serializing_if = "GenerationConfig::is_default")]
    generation_config: GenerationConfig,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Declarations<'a> {
    function_declarations: &'a [Arc<RawValue>],
}

#[derive(Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct GenerationConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
}

impl GenerationConfig {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Writes the body of a request.
///
/// The caller begins. System messages before anybody has spoken belong to `systemInstruction`; a later one is
/// a text of the user that says what it is.
pub(crate) fn body(request: &Request<'_>) -> String {
    let mut system = vec![request.system];
    let mut contents: Vec<Value> = Vec::new();
    let user = |text: &str| json!({"role": "user", "parts": [{"text": text}]});
    let mut sent: Vec<Sent> = Vec::new();
    for step in steps(request.messages, Provider::Gemini, request.origin) {
        match step {
            Step::System(text) if contents.is_empty() => system.push(text),
            Step::System(text) => contents.push(user(&format!("[system] {text}"))),
            Step::User(text) => contents.push(user(text)),
            Step::Assistant(spoken) => {
                if contents.is_empty() {
                    contents.push(user(NEUTRAL));
                }
                let parts;
                (parts, sent) = assistant(&spoken, request.model);
                contents.push(json!({"role": "model", "parts": parts}));
            }
            Step::Results(answers) => {
                // Where there are no ids, the order tells which is whose.
                let parts =
                    sent.iter().filter_map(|sent| Some(response(answers.get(sent.at)?, sent.has_own_id)));
                let parts: Value = parts.collect();
                contents.push(json!({"role": "user", "parts": parts}));
            }
        }
    }
    system.retain(|text| !text.trim().is_empty());
    let system = Some(system.join("\n\n")).filter(|text| !text.is_empty());
    let tools =
        (!request.tools.is_empty()).then_some([Declarations { function_declarations: request.tools }]);
    let forbids = tools.is_some() && request.tool_choice == ToolChoice::None;
    let body = Body {
        system_instruction: system.map(|text| json!({"parts": [{"text": text}]})),
        contents,
        tools,
        tool_config: forbids.then(|| json!({"functionCallingConfig": {"mode": "NONE"}})),
        generation_config: GenerationConfig {
            temperature: request.temperature.filter(|number| number.is_finite()),
            max_output_tokens: request.max_tokens,
        },
    };
    serde_json::to_string(&body).unwrap_or_default()
}

/// What came of a call: `output` is JSON where it can be, and `error` a text.
fn response(answer: &Answer<'_>, has_own_id: bool) -> Value {
    let response = if answer.is_error {
        json!({"error": answer.content})
    } else {
        let output = serde_json::from_str(answer.content).unwrap_or_else(|_| Value::from(answer.content));
        json!({"output": output})
    };
    let mut function = json!({"name": answer.name, "response": response});
    if has_own_id {
        function["id"] = Value::from(answer.id.as_str());
    }
    json!({"functionResponse": function})
}

/// A call as it went out.
struct Sent {
    /// Its place in `Spoken::calls`.
    at: usize,
    /// Gemini gave it its id. It wants none in the answer that it has not given.
    has_own_id: bool,
}

/// The parts of a message, and its calls in the order of the parts.
fn assistant(spoken: &Spoken<'_>, model: &str) -> (Vec<Value>, Vec<Sent>) {
    let own = spoken.raw.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let words = |part: &Value| part["text"].is_string() && part["thought"] != true;
    let texts: Vec<&str> =
        own.iter().filter(|part| words(part)).filter_map(|part| part["text"].as_str()).collect();
    let (mut left, rest) = match cut(&texts, spoken.text) {
        Some(cut) => (Some(cut.parts.into_iter()), cut.rest),
        None => (None, String::new()),
    };
    let mut ids = ids(own).into_iter();
    let mut sent: Vec<Sent> = Vec::new();
    let mut parts = Vec::new();
    if !rest.trim().is_empty() {
        parts.push(json!({"text": rest}));
    }
    for part in own.iter().filter(|part| part.is_object()) {
        let mut part = part.clone();
        if words(&part) {
            if let Some(left) = &mut left {
                let left = left.next().unwrap_or_default();
                // What is left of a signed text has no use for the signature of the whole.
                if left.is_empty() {
                    continue;
                }
                part["text"] = Value::from(left);
            }
        } else if let Some(call) = call(&part) {
            let has_own_id = text(call, "id").is_some();
            let id = ids.next().unwrap_or_default();
            let mut unsent = (0..spoken.calls.len()).filter(|at| sent.iter().all(|sent| sent.at != *at));
            let Some(at) = unsent.find(|at| spoken.calls[*at].call.id == id) else { continue };
            let made = &spoken.calls[at];
            sent.push(Sent { at, has_own_id });
            let call = &mut part["functionCall"];
            if has_own_id {
                call["id"] = Value::from(made.id.as_str());
            }
            call["name"] = Value::from(&*made.name);
            if call.get("args").is_some_and(|args| !args.is_object()) {
                call["args"] = made.arguments();
            }
        }
        parts.push(part);
    }
    for (at, made) in spoken.calls.iter().enumerate() {
        if sent.iter().any(|sent| sent.at == at) {
            continue;
        }
        let mut part = json!({"functionCall": {"name": made.name, "args": made.arguments()}});
        // Of parallel calls, the first is signed.
        if sent.is_empty() && signs(model) {
            part["thoughtSignature"] = Value::from(FOREIGN);
        }
        sent.push(Sent { at, has_own_id: false });
        parts.push(part);
    }
    (parts, sent)
}

/// Whether a model checks signatures: from Gemini 3 on.
fn signs(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or_default();
    !["gemini-1", "gemini-2", "gemma"].iter().any(|old| name.starts_with(old))
}
