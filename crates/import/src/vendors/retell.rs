//! Retell: custom functions (`CustomTool` of its SDK).

use serde_json::{Map, Value, json};

use crate::bundle::Bundle;
use crate::json::{pairs, text};
use crate::report::ImportError;
use crate::request::{PlainRequest, Refusal};

use super::messages::is_sayable;
use super::tools::{each, extract, lost_keys, method_or, parameters};

const LOST: &[&str] = &["enable_typing_sound"];

pub(crate) fn import(root: &Value, bundle: &mut Bundle<'_>) -> Result<(), ImportError> {
    const OTHERS: &[&str] = &[
        "end_call",
        "transfer_call",
        "check_availability_cal",
        "book_appointment_cal",
        "press_digit",
        "agent_swap",
        "send_sms",
        "extract_dynamic_variable",
        "mcp",
        "code",
    ];
    let is_tool = |map: &Map<String, Value>| {
        let named = map.get("name").is_some_and(Value::is_string);
        match map.get("type").and_then(Value::as_str) {
            Some("custom") => named,
            Some(kind) => named && OTHERS.contains(&kind),
            None => named && map.get("url").is_some_and(Value::is_string) && map.contains_key("parameters"),
        }
    };
    each(root, "Retell", &is_tool, &read, bundle)
}

fn read(tool: &Value, place: &str) -> Result<PlainRequest, Refusal> {
    let kind = text(tool, "type");
    if !matches!(kind, "" | "custom") {
        let message = format!("a tool of type `{}` calls no API of yours", crate::placeholder::short(kind));
        return Err(Refusal("unsupported_tool", message, "write an action of type handover for a transfer"));
    }
    let method = method_or(tool, "POST");
    let mut request = PlainRequest {
        place: place.to_owned(),
        name: text(tool, "name").to_owned(),
        description: text(tool, "description").to_owned(),
        method: Some(method.to_owned()),
        url: text(tool, "url").to_owned(),
        query: pairs(tool.get("query_params")),
        headers: pairs(tool.get("headers")),
        timeout_ms: tool.get("timeout_ms").and_then(Value::as_u64),
        parameters: parameters(tool.get("parameters")),
        ..PlainRequest::default()
    };
    request.aliases.insert("call_id".to_owned(), "conversation.id".to_owned());
    request.losses.extend(lost_keys(tool, LOST));
    speech(tool, &mut request);
    let names: Vec<String> = request.parameters.properties.keys().cloned().collect();
    for name in names {
        let fixed =
            request.parameters.properties.get(&name).and_then(|property| property.get("const")).cloned();
        if let Some(value) = fixed {
            request.bind.push((name, value));
        }
    }
    for (name, path) in pairs(tool.get("response_variables")) {
        extract(&mut request, &name, &path);
    }
    let has_body = matches!(method.to_ascii_uppercase().as_str(), "POST" | "PUT" | "PATCH");
    let is_bare = tool.get("args_at_root") == Some(&Value::Bool(true));
    if has_body && text(tool, "parameter_type") == "form" {
        request.headers.push(("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
    } else if has_body && !is_bare {
        let name = json!(request.name);
        request.template = Some(format!(
            "{{\"name\": {name}, \"args\": {{{{.parameters}}}}, \"call\": {{\"call_id\": \"{{{{.variables.conversation.id}}}}\"}}}}\n"
        ));
        request.losses.push((
            "envelope",
            "of `call`, the server gets `call_id` only; there is no `X-Retell-Signature`".to_owned(),
            "a server that checks the signature needs another credential",
        ));
    }
    Ok(request)
}

/// What the agent says while the function runs: a text, or words of its own.
fn speech(tool: &Value, request: &mut PlainRequest) {
    let mut lose = |message: &str| {
        request.losses.push((
            "behaviour",
            message.to_owned(),
            "write it into the description, or as `speech`",
        ));
    };
    if tool.get("speak_after_execution") == Some(&Value::Bool(false)) {
        lose("`speak_after_execution` left out: after a success the model speaks");
    }
    if tool.get("speak_during_execution") != Some(&Value::Bool(true)) {
        return;
    }
    let said = text(tool, "execution_message_description");
    let is_static = text(tool, "execution_message_type") == "static_text";
    if is_static && is_sayable(said) {
        request.speech.start = Some(vec![(None, said.to_owned())]);
        return;
    }
    if is_static {
        lose("`execution_message_description` left out: it is no text of 1 to 1000 characters");
    } else if !said.is_empty() {
        lose("`execution_message_description` left out: the model finds the words by itself");
    }
    request.speech.say = true;
}
