//! Vapi: `apiRequest` tools, and `function` tools with a server
//! (`CreateApiRequestToolDTO`, `CreateFunctionToolDTO` of its OpenAPI file).

use serde_json::{Map, Value, json};

use crate::bundle::Bundle;
use crate::json::{pairs, scalar, text};
use crate::report::ImportError;
use crate::request::{PlainRequest, Refusal};

use super::messages;
use super::tools::{each, extract, lost_keys, milliseconds, parameters};

const LOST: &[&str] = &["backoffPlan", "rejectionPlan", "encryptedPaths", "async"];

pub(crate) fn import(root: &Value, bundle: &mut Bundle<'_>) -> Result<(), ImportError> {
    let is_tool = |map: &Map<String, Value>| match map.get("type").and_then(Value::as_str) {
        Some("apiRequest") => true,
        // A `function` inside a tool call of a transcript has no schema.
        Some("function") => map.get("function").is_some_and(|function| function.get("name").is_some()),
        Some(kind) => {
            map.contains_key("messages")
                && ["transferCall", "endCall", "dtmf", "mcp", "code", "query", "handoff"].contains(&kind)
        }
        None => false,
    };
    each(root, "Vapi", &is_tool, &|tool, place| read(tool, place, root), bundle)
}

fn read(tool: &Value, place: &str, root: &Value) -> Result<PlainRequest, Refusal> {
    let mut request = PlainRequest { place: place.to_owned(), ..PlainRequest::default() };
    for name in ["call.id", "callId"] {
        request.aliases.insert(name.to_owned(), "conversation.id".to_owned());
    }
    request.losses.extend(lost_keys(tool, LOST));
    messages::read(tool, &mut request);
    match text(tool, "type") {
        "apiRequest" => api_request(tool, &mut request)?,
        "function" => function(tool, server_of(tool, place, root), &mut request)?,
        other => {
            let message = format!("a tool of type `{}` calls no API", crate::placeholder::short(other));
            return Err(Refusal(
                "unsupported_tool",
                message,
                "write an action of type handover for a transfer",
            ));
        }
    }
    if tool.get("credentialId").is_some_and(|id| id.as_str().is_some_and(|id| !id.is_empty())) {
        request.losses.push((
            "auth",
            "`credentialId` names a credential that the export does not hold".to_owned(),
            "write an auth connector and name it in the connection",
        ));
    }
    Ok(request)
}

fn api_request(tool: &Value, request: &mut PlainRequest) -> Result<(), Refusal> {
    let name = [text(tool, "name"), text(tool.get("function").unwrap_or(&Value::Null), "name")];
    request.name = name.into_iter().find(|name| !name.is_empty()).unwrap_or_default().to_owned();
    let described =
        [text(tool, "description"), text(tool.get("function").unwrap_or(&Value::Null), "description")];
    request.description = described.into_iter().find(|text| !text.is_empty()).unwrap_or_default().to_owned();
    request.method = Some(match text(tool, "method") {
        "" => "POST".to_owned(),
        method => method.to_owned(),
    });
    text(tool, "url").clone_into(&mut request.url);
    request.timeout_ms = milliseconds(tool, "timeoutSeconds");
    request.parameters = parameters(tool.get("body"));
    // Values that the author fixed are none of the model's.
    let names: Vec<String> = request.parameters.properties.keys().cloned().collect();
    for name in names {
        let property = request.parameters.properties.get(&name).cloned().unwrap_or_default();
        let fixed = property.get("value").or_else(|| {
            property.get("default").filter(|default| {
                default.as_str().is_some_and(|text| text.contains("{{") || text.contains("{%"))
            })
        });
        if let Some(value) = fixed.filter(|value| !value.is_null() && **value != json!("")) {
            request.bind.push((name, value.clone()));
        }
    }
    for (key, value) in pairs_of_any(tool.get("parameters")) {
        request.bind.retain(|(known, _)| *known != key);
        request.bind.push((key, value));
    }
    headers(tool.get("headers"), request);
    extraction(tool.get("variableExtractionPlan"), request);
    Ok(())
}

/// `[{key, value}]` where a value may be any JSON.
fn pairs_of_any(value: Option<&Value>) -> Vec<(String, Value)> {
    let items = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let pairs = items
        .iter()
        .map(|item| (text(item, "key").to_owned(), item.get("value").cloned().unwrap_or_default()));
    pairs.filter(|(key, _)| !key.is_empty()).collect()
}

/// Headers are a JSON Schema whose properties have a `value`, or a `default`.
fn headers(schema: Option<&Value>, request: &mut PlainRequest) {
    let Some(properties) = schema.and_then(|schema| schema.get("properties")).and_then(Value::as_object)
    else {
        request.headers.extend(pairs(schema.filter(|schema| schema.get("type").is_none())));
        return;
    };
    for (name, property) in properties {
        let fixed = ["value", "default", "const"].iter().find_map(|key| property.get(*key)).map(scalar);
        let fixed =
            fixed.or_else(|| match property.get("enum").and_then(Value::as_array).map(Vec::as_slice) {
                Some([only]) => Some(scalar(only)),
                _ => None,
            });
        match fixed.filter(|fixed| !fixed.is_empty()) {
            Some(value) => request.headers.push((name.clone(), value)),
            None => {
                let own = crate::names::parameter(name);
                let required = schema.and_then(|schema| schema.get("required")).and_then(Value::as_array);
                let required = required.is_some_and(|list| list.contains(&json!(name)));
                request.parameters.add(&own, property.clone(), required);
                request.in_headers.push((name.clone(), own));
            }
        }
    }
}

fn extraction(plan: Option<&Value>, request: &mut PlainRequest) {
    let Some(plan) = plan else { return };
    for alias in plan.get("aliases").and_then(Value::as_array).into_iter().flatten() {
        extract(request, text(alias, "key"), text(alias, "value"));
    }
    if plan.get("schema").and_then(|schema| schema.get("properties")).is_some() {
        request.losses.push((
            "extraction",
            "variables by schema are left out".to_owned(),
            "write `output_variables` with a JSONPath each",
        ));
    }
}

/// The server that Vapi sends the calls of `tool` to: its own, or that of what it stands in
/// (assistant, then phone number or squad), which old exports call `serverUrl`.
fn server_of(tool: &Value, place: &str, root: &Value) -> Value {
    let own = tool.get("server").cloned().unwrap_or_default();
    if !text(&own, "url").is_empty() {
        return own;
    }
    let mut pointer = place.strip_prefix('#').unwrap_or(place);
    let around = std::iter::from_fn(|| {
        pointer = &pointer[..pointer.rfind('/')?];
        root.pointer(pointer)
    });
    let inherited = around.into_iter().find_map(|around| {
        let server = around.get("server").filter(|server| !text(server, "url").is_empty());
        let older = || {
            let (url, secret) = (text(around, "serverUrl"), text(around, "serverUrlSecret"));
            (!url.is_empty()).then(|| json!({"url": url, "secret": secret}))
        };
        server.cloned().or_else(older)
    });
    let mut server = inherited.unwrap_or_else(|| own.clone());
    if let (Some(timeout), Value::Object(server)) = (own.get("timeoutSeconds"), &mut server) {
        server.insert("timeoutSeconds".to_owned(), timeout.clone());
    }
    server
}

/// A tool that Vapi sends its message to `server` for.
fn function(tool: &Value, server: Value, request: &mut PlainRequest) -> Result<(), Refusal> {
    let function = tool.get("function").unwrap_or(&Value::Null);
    let server = &server;
    text(function, "name").clone_into(&mut request.name);
    text(function, "description").clone_into(&mut request.description);
    text(server, "url").clone_into(&mut request.url);
    if request.url.is_empty() {
        return Err(Refusal(
            "no_url",
            format!("`{}` names no server", crate::placeholder::short(&request.name)),
            "import the whole assistant if its server is meant, or add `server.url`",
        ));
    }
    request.method = Some("POST".to_owned());
    request.timeout_ms = milliseconds(server, "timeoutSeconds");
    request.parameters = parameters(function.get("parameters"));
    for (key, value) in pairs_of_any(tool.get("parameters")) {
        request.bind.push((key, value));
    }
    request.headers = pairs(server.get("headers"));
    if !text(server, "secret").is_empty() {
        request.headers.push(("X-Vapi-Secret".to_owned(), text(server, "secret").to_owned()));
    }
    // A server of Vapi answers 200 to whatever happens.
    request.success_when = Some("!@.body.results[?@.error && @.error != null]");
    let name = json!(request.name);
    request.template = Some(format!(
        "{{\"message\": {{\"type\": \"tool-calls\", \"toolCallList\": [{{\"id\": \"{{{{.variables.conversation.id}}}}\", \"name\": {name}, \"arguments\": {{{{.parameters}}}}}}]}}}}\n"
    ));
    request.losses.push((
        "envelope",
        "the server gets the message that Vapi sends, without call, assistant and transcript; its answer is Vapi's `results`".to_owned(),
        "import the API behind the server instead, where there is one",
    ));
    Ok(())
}
