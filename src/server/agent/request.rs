//! What a caller asks for, and a request of Chat Completions.
//!
//! Voice products add members of their own to the root of a request. `docs/agent-endpoint.md` says which ones are read;
//! the others are ignored.

use std::sync::Arc;

use callgate_model::{Assistant, Call, Message, ToolOutput};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::agent::{CallerTool, Product};

use super::errors::Refused;
use super::open::excerpt;

/// Longest `model`: it is repeated in every chunk of the answer.
const MAX_MODEL_BYTES: usize = 256;

/// What a caller asks for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) model: Option<String>,
    pub(super) messages: Vec<Message>,
    pub(super) tools: Vec<CallerTool>,
    pub(super) without_tools: bool,
    pub(super) is_streamed: bool,
    pub(super) include_usage: bool,
    pub(super) temperature: Option<f64>,
    pub(super) max_tokens: Option<u32>,
    /// The conversation, as the body names it.
    pub(super) conversation_id: Option<String>,
    pub(super) language: Option<String>,
    pub(super) product: Product,
}

/// The members that are read, in both forms. Each may have any type: a product may use one of these names for something else.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Members {
    model: Value,
    pub(super) tools: Option<Box<RawValue>>,
    tool_choice: Value,
    stream: Value,
    temperature: Value,
    // Of Chat Completions.
    messages: Value,
    stream_options: Value,
    n: Value,
    max_tokens: Value,
    max_completion_tokens: Value,
    // Of the Responses API.
    pub(super) input: Value,
    pub(super) instructions: Value,
    pub(super) previous_response_id: Value,
    pub(super) conversation: Value,
    pub(super) max_output_tokens: Value,
    // Of products.
    call: Value,
    metadata: Value,
    elevenlabs_extra_body: Value,
    #[serde(rename = "extendData")]
    extend_data: Value,
    user: Value,
    user_id: Value,
    prompt_cache_key: Value,
}

/// Reads a request of Chat Completions.
///
/// # Errors
///
/// It is none, or asks for what an agent does not do.
pub(super) fn read(bytes: &[u8]) -> Result<Asked, Refused> {
    let members = Members::read(bytes)?;
    if members.n.as_u64().is_some_and(|n| n != 1) {
        return Err(Refused::invalid("unsupported_value", "n", "an agent gives one answer: leave `n` out"));
    }
    let Value::Array(messages) = &members.messages else {
        return Err(Refused::invalid("missing_messages", "messages", "`messages` must be a list"));
    };
    let messages = read_messages(messages)?;
    let tools = read_tools(members.tools.as_deref().map_or("null", RawValue::get))?;
    Ok(Asked {
        include_usage: members.stream_options["include_usage"] == true,
        max_tokens: count(&members.max_completion_tokens).or(count(&members.max_tokens)),
        ..members.asked(messages, tools)
    })
}

impl Members {
    /// Reads the members of a body.
    ///
    /// # Errors
    ///
    /// It is not JSON, or no request.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Refused> {
        let members: Self = serde_json::from_slice(bytes).map_err(|error| {
            let what = if error.is_data() { "a member is of another type" } else { "the body is not JSON" };
            Refused::invalid("invalid_request", "body", format!("{what}: {error}"))
        })?;
        if members.model.as_str().is_some_and(|model| model.len() > MAX_MODEL_BYTES) {
            let message = format!("`model` may have {MAX_MODEL_BYTES} bytes at most");
            return Err(Refused::invalid("string_above_max_length", "model", message));
        }
        Ok(members)
    }

    /// What is asked for, as far as both forms say it in the same way.
    pub(super) fn asked(&self, messages: Vec<Message>, tools: Vec<CallerTool>) -> Asked {
        let language = self.elevenlabs_extra_body.get("language").or_else(|| self.metadata.get("language"));
        Asked {
            model: self.model.as_str().map(str::to_owned).filter(|model| !model.is_empty()),
            messages,
            product: self.product(&tools),
            tools,
            without_tools: self.tool_choice == "none",
            is_streamed: self.stream == true,
            include_usage: false,
            temperature: self.temperature.as_f64(),
            max_tokens: None,
            conversation_id: self.conversation_id(),
            language: language.and_then(Value::as_str).map(str::to_owned),
        }
    }

    /// The conversation: the first of the places where products name it.
    fn conversation_id(&self) -> Option<String> {
        let places = [
            &self.call["id"],
            &self.elevenlabs_extra_body["conversation_id"],
            &self.elevenlabs_extra_body["session_id"],
            &self.metadata["conversation_id"],
            &self.metadata["session_id"],
            &self.extend_data["instanceId"],
            &self.user,
            &self.user_id,
            &self.prompt_cache_key,
        ];
        let named = |place: &Value| match place {
            Value::String(id) => Some(id.clone()).filter(|id| !id.is_empty()),
            Value::Number(id) => Some(id.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        places.into_iter().find_map(named)
    }

    fn product(&self, tools: &[CallerTool]) -> Product {
        const OF_ELEVENLABS: [&str; 4] =
            ["skip_turn", "language_detection", "transfer_to_number", "voicemail_detection"];
        let has_its_tools = || tools.iter().any(|tool| OF_ELEVENLABS.contains(&tool.name.as_str()));
        match !self.elevenlabs_extra_body.is_null() || has_its_tools() {
            true => Product::ElevenLabs,
            false => Product::Other,
        }
    }
}

/// A number of tokens.
pub(super) fn count(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0)
}

/// Reads `messages`.
fn read_messages(messages: &[Value]) -> Result<Vec<Message>, Refused> {
    let mut read: Vec<Message> = Vec::with_capacity(messages.len());
    for (at, message) in messages.iter().enumerate() {
        let wrong =
            |what: &str| Refused::invalid("invalid_message", "messages", format!("messages[{at}]: {what}"));
        let role = message["role"].as_str().ok_or_else(|| wrong("`role` must be a text"))?;
        let text = text_of(&message["content"]).map_err(|what| wrong(&what))?;
        match role {
            "system" | "developer" => read.push(Message::System(text)),
            "user" if text.trim().is_empty() => {}
            "user" => read.push(Message::User(text)),
            "assistant" => {
                let calls = calls_of(message, at);
                if !text.trim().is_empty() || !calls.is_empty() {
                    read.push(Message::Assistant(Assistant { text, calls, raw: None }));
                }
            }
            "tool" => {
                let id =
                    message["tool_call_id"].as_str().ok_or_else(|| wrong("`tool_call_id` must be a text"))?;
                let name = message["name"].as_str().unwrap_or_default();
                push_result(&mut read, id, name, text);
            }
            "function" => push_function_result(&mut read, at, message["name"].as_str(), text),
            other => return Err(wrong(&format!("there is no role `{}`", excerpt(other)))),
        }
    }
    Ok(read)
}

/// The text of `content`: a text, nothing, or a list of parts.
pub(super) fn text_of(content: &Value) -> Result<String, String> {
    match content {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Array(parts) => {
            let texts = parts.iter().map(|part| match part["type"].as_str() {
                Some("text" | "input_text" | "output_text") => Ok(part["text"].as_str().unwrap_or_default()),
                Some("refusal") => Ok(part["refusal"].as_str().unwrap_or_default()),
                Some(kind) => Err(format!("a part of type `{}` cannot be read: send text", excerpt(kind))),
                None => Err("a part of `content` has no `type`".to_owned()),
            });
            Ok(texts.collect::<Result<Vec<_>, _>>()?.join("\n"))
        }
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            Err("`content` must be a text or a list of parts".to_owned())
        }
    }
}

/// The calls of message number `at`.
fn calls_of(message: &Value, at: usize) -> Vec<Call> {
    let calls = message["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default();
    let call = |id: &str, function: &Value| {
        let name = function["name"].as_str()?.to_owned();
        Some(Call { id: id.to_owned(), name, arguments: arguments_of(&function["arguments"]) })
    };
    let calls: Vec<Call> =
        calls.iter().filter_map(|one| call(one["id"].as_str()?, &one["function"])).collect();
    match calls.is_empty() {
        // The older form, without ids.
        true => call(&function_id(at), &message["function_call"]).into_iter().collect(),
        false => calls,
    }
}

/// The arguments of a call: providers take only an object, so anything else becomes an empty one.
pub(super) fn arguments_of(written: &Value) -> String {
    let arguments = match written {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let is_object = serde_json::from_str::<Map<String, Value>>(&arguments).is_ok();
    if is_object { arguments } else { "{}".to_owned() }
}

/// The id of the call that message number `at` makes in the older form.
fn function_id(at: usize) -> String {
    format!("function_{at}")
}

/// Adds a result to those that `read` ends in.
pub(super) fn push_result(read: &mut Vec<Message>, call_id: &str, name: &str, content: String) {
    let (call_id, name) = (call_id.to_owned(), name.to_owned());
    let output = ToolOutput { call_id, name, content, is_error: false };
    match read.last_mut() {
        Some(Message::Results(outputs)) => outputs.push(output),
        _ => read.push(Message::Results(vec![output])),
    }
}

/// Adds a result in the older form. It has no id: it answers the first call of its name that has no result yet. If there is
/// none, a call is put before it, since models take no result without a call.
fn push_function_result(read: &mut Vec<Message>, at: usize, name: Option<&str>, content: String) {
    let (calls, outputs): (&[Call], &[ToolOutput]) = match read.as_slice() {
        [.., Message::Assistant(said), Message::Results(outputs)] => (&said.calls, outputs),
        [.., Message::Assistant(said)] => (&said.calls, &[]),
        _ => (&[], &[]),
    };
    let is_answered = |call: &Call| outputs.iter().any(|output| output.call_id == call.id);
    let is_meant = |call: &&Call| name.is_none_or(|name| call.name == name) && !is_answered(call);
    let call = calls.iter().find(is_meant).cloned().unwrap_or_else(|| {
        let name = name.unwrap_or("function").to_owned();
        let call = Call { id: function_id(at), name, arguments: "{}".to_owned() };
        read.push(Message::Assistant(Assistant { calls: vec![call.clone()], ..Assistant::default() }));
        call
    });
    push_result(read, &call.id, &call.name, content);
}

/// Reads `tools`; tools that are not functions are ignored.
fn read_tools(tools: &str) -> Result<Vec<CallerTool>, Refused> {
    #[derive(Deserialize)]
    struct Tool {
        #[serde(default)]
        function: Option<Function>,
    }
    #[derive(Deserialize)]
    struct Function {
        name: String,
        #[serde(default)]
        description: Option<String>,
        #[serde(default)]
        parameters: Option<Value>,
    }
    let tools: Option<Vec<Box<RawValue>>> = serde_json::from_str(tools)
        .map_err(|_| Refused::invalid("invalid_tool", "tools", "`tools` must be a list"))?;
    let tools = tools.unwrap_or_default();
    let mut read: Vec<CallerTool> = Vec::new();
    for (at, written) in tools.iter().enumerate() {
        let tool: Tool = serde_json::from_str(written.get()).map_err(|error| {
            Refused::invalid("invalid_tool", "tools", format!("tools[{at}] cannot be read: {error}"))
        })?;
        let Some(Function { name, description, parameters }) = tool.function else { continue };
        read.push(CallerTool {
            name,
            description: description.unwrap_or_default(),
            parameters: parameters
                .filter(Value::is_object)
                .unwrap_or_else(|| serde_json::json!({"type": "object"})),
            written: Arc::from(written.clone()),
        });
    }
    Ok(read)
}
