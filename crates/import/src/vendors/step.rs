//! API steps: Voiceflow (as in `.vf` exports) and API calls of Smallest.ai Atoms.
//!
//! Both are a request with placeholders and a map from the answer to variables;
//! neither has a published schema, so that several names of each key are read.

use serde_json::{Map, Value, json};

use crate::bundle::Bundle;
use crate::draft::ParametersDraft;
use crate::json::{first_text, output, pairs, scalar, text};
use crate::placeholder::short;
use crate::report::ImportError;
use crate::request::{PlainBody, PlainPart, PlainRequest, Refusal};

use super::tools::{each, extract, take};

pub(crate) fn voiceflow(root: &Value, bundle: &mut Bundle<'_>) -> Result<(), ImportError> {
    let is_tool = |map: &Map<String, Value>| {
        let data = map.get("data").and_then(Value::as_object);
        let is_step = map
            .get("type")
            .and_then(Value::as_str)
            .is_some_and(|kind| matches!(kind, "api" | "API" | "integrations" | "api-tool"));
        is_request(map) || is_step && data.is_some_and(|data| data.contains_key("url"))
    };
    each(root, "Voiceflow", &is_tool, &|tool, place| read_voiceflow(tool, place), bundle)
}

pub(crate) fn atoms(root: &Value, bundle: &mut Bundle<'_>) -> Result<(), ImportError> {
    each(root, "Atoms", &|map| is_request(map), &|tool, place| Ok(read_atoms(tool, place)), bundle)
}

/// Something with an address and a method.
fn is_request(map: &Map<String, Value>) -> bool {
    let url = ["url", "endpoint"].iter().any(|key| map.get(*key).is_some_and(Value::is_string));
    let method = ["method", "httpMethod"].iter().any(|key| map.get(*key).is_some_and(Value::is_string));
    url && (method || map.contains_key("selectedAction"))
}

fn method_of(step: &Value) -> Option<String> {
    let method = first_text(step, &["method", "httpMethod"]);
    if !method.is_empty() {
        return Some(method.to_owned());
    }
    // `Make a POST Request`
    text(step, "selectedAction")
        .split(' ')
        .find(|word| word.chars().all(|c| c.is_ascii_uppercase()) && word.len() > 2)
        .map(str::to_owned)
}

fn read_voiceflow(tool: &Value, place: &str) -> Result<PlainRequest, Refusal> {
    let step = tool.get("data").filter(|data| data.get("url").is_some()).unwrap_or(tool);
    if !matches!(text(step, "selectedIntegration"), "" | "Custom API") {
        let message =
            format!("the integration `{}` is not a plain request", short(text(step, "selectedIntegration")));
        return Err(Refusal("unsupported_tool", message, "import the API that it stands for"));
    }
    let mut request = PlainRequest {
        place: place.to_owned(),
        name: first_text(step, &["name", "label"]).to_owned(),
        description: text(step, "description").to_owned(),
        method: method_of(step),
        url: names_of_variables(first_text(step, &["url", "endpoint"])),
        single: true,
        ..PlainRequest::default()
    };
    let converted = |value: Option<&Value>| -> Vec<(String, String)> {
        pairs(value)
            .into_iter()
            .map(|(name, value)| (names_of_variables(&name), names_of_variables(&value)))
            .collect()
    };
    request.headers = converted(step.get("headers"));
    request.query = converted(
        step.get("params").or_else(|| step.get("parameters")).or_else(|| step.get("queryParameters")),
    );
    request.parameters = inputs(step.get("inputVariables"));
    let body = step.get("body");
    let kind = first_text(step, &["bodyType", "bodyInputType"]);
    let inner = body.filter(|body| body.is_object());
    let kind = if kind.is_empty() { inner.map(|body| text(body, "type")).unwrap_or_default() } else { kind };
    let content = match inner {
        Some(body) => first_text(body, &["content", "raw"]),
        None => first_text(step, &["content", "rawBody"]),
    };
    let fields = || {
        converted(
            inner
                .and_then(|body| ["formData", "urlEncoded", "fields"].iter().find_map(|key| body.get(*key)))
                .or(body),
        )
    };
    let allows_body = request
        .method
        .as_deref()
        .is_none_or(|method| !matches!(method.to_ascii_uppercase().as_str(), "GET" | "HEAD" | "OPTIONS"));
    request.body = match kind.to_lowercase().replace(['-', '_'], "").as_str() {
        _ if !allows_body => PlainBody::Flat,
        "rawinput" | "raw" | "json" => raw(&names_of_variables(content), &request.headers),
        "urlencoded" => PlainBody::Form(fields()),
        "formdata" if !fields().is_empty() => PlainBody::Multipart(
            fields().into_iter().map(|(name, value)| PlainPart { name, value, content_type: None }).collect(),
        ),
        "keyvalue" if !fields().is_empty() => PlainBody::Json(object_of(fields())),
        _ if !content.is_empty() => raw(&names_of_variables(content), &request.headers),
        _ => PlainBody::Flat,
    };
    for mapping in ["mappings", "mapping", "responseMappings"]
        .iter()
        .filter_map(|key| step.get(*key)?.as_array())
        .flatten()
    {
        let name = first_text(mapping, &["var", "variable", "variableName"]);
        if name.is_empty() {
            continue;
        }
        match of_head(name, text(mapping, "path")) {
            Some(variable) => take(&mut request, name, variable),
            None => extract(&mut request, name, text(mapping, "path")),
        }
    }
    Ok(request)
}

/// The output variable `name`, where Voiceflow takes it from the head of an answer: the status is `VF_STATUS_CODE` to it,
/// and the headers are members of `VF_HEADERS`.
fn of_head(name: &str, path: &str) -> Option<Value> {
    let mut variable = output(name, "$")?;
    let path = path.trim().trim_start_matches("{{").trim_end_matches("}}").trim();
    let path = path.strip_prefix("response.").unwrap_or(path);
    let from = if path == "VF_STATUS_CODE" {
        json!({"from": "status"})
    } else {
        let header = path.strip_prefix("VF_HEADERS")?;
        let quoted = |open: &str, close: &str| header.strip_prefix(open)?.strip_suffix(close);
        let header =
            quoted("['", "']").or_else(|| quoted("[\"", "\"]")).or_else(|| header.strip_prefix('.'))?;
        let is_name =
            !header.is_empty() && header.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        json!({"from": "header", "header": is_name.then_some(header)?})
    };
    let members = variable.as_object_mut()?;
    members.shift_remove("path");
    members.extend(from.as_object().cloned().unwrap_or_default());
    Some(variable)
}

/// `{{[name].id}}`, as exports write a variable, as `{{name}}`.
fn names_of_variables(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("{{[") {
        out.push_str(&rest[..at]);
        let inner = &rest[at + 3..];
        match (inner.find(']'), inner.find("}}")) {
            (Some(close), Some(end)) if close < end => {
                out.push_str(&format!("{{{{{}}}}}", &inner[..close]));
                rest = &inner[end + 2..];
            }
            _ => {
                out.push_str("{{[");
                rest = inner;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Variables that an agent fills in: a map of schemas or descriptions, or a list.
fn inputs(value: Option<&Value>) -> ParametersDraft {
    let mut draft = ParametersDraft::default();
    let mut take = |name: &str, from: &Value| {
        if name.is_empty() {
            return;
        }
        let kind = match text(from, "type").to_lowercase().as_str() {
            "number" | "float" => "number",
            "integer" | "int" => "integer",
            "boolean" | "bool" => "boolean",
            "array" | "list" => "array",
            "object" => "object",
            _ => "string",
        };
        let described = match from {
            Value::String(text) => text.clone(),
            from => text(from, "description").to_owned(),
        };
        let described = if described.is_empty() { crate::infer::sentence(name) } else { described };
        let mut schema = json!({"type": kind, "description": described});
        if let Some(values) = from.get("enum").and_then(Value::as_array).filter(|values| !values.is_empty()) {
            schema["enum"] = json!(values);
        }
        let is_required = from.get("required").and_then(Value::as_bool).unwrap_or(true);
        draft.add(name, schema, is_required);
    };
    match value {
        // A JSON Schema.
        Some(Value::Object(map)) if map.get("properties").is_some_and(Value::is_object) => {
            return super::tools::parameters(value);
        }
        Some(Value::Object(map)) => map.iter().for_each(|(name, from)| take(name, from)),
        Some(Value::Array(items)) => items.iter().for_each(|item| match item {
            Value::String(name) => take(name, &Value::Null),
            item => take(first_text(item, &["name", "key", "variableName"]), item),
        }),
        _ => {}
    }
    draft
}

/// A body that is written out: JSON, unless a header says otherwise.
fn raw(content: &str, headers: &[(String, String)]) -> PlainBody {
    let media = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let is_json = media.is_none_or(|(_, value)| value.is_empty() || value.contains("json"));
    match content.trim() {
        "" => PlainBody::Flat,
        _ if is_json => PlainBody::Json(content.to_owned()),
        _ => PlainBody::Text(content.to_owned()),
    }
}

/// Texts by name as one JSON object.
fn object_of(fields: Vec<(String, String)>) -> String {
    let map: Map<String, Value> = fields.into_iter().map(|(name, value)| (name, json!(value))).collect();
    Value::Object(map).to_string()
}

fn read_atoms(tool: &Value, place: &str) -> PlainRequest {
    let mut request = PlainRequest {
        place: place.to_owned(),
        name: first_text(tool, &["name", "label"]).to_owned(),
        description: text(tool, "description").to_owned(),
        method: method_of(tool),
        url: first_text(tool, &["url", "endpoint"]).to_owned(),
        headers: pairs(tool.get("headers")),
        query: pairs(
            ["queryParams", "query_params", "queryParameters", "params"]
                .iter()
                .find_map(|key| tool.get(*key)),
        ),
        parameters: inputs(
            ["llmParameters", "llm_parameters", "parameters", "inputSchema"]
                .iter()
                .find_map(|key| tool.get(*key)),
        ),
        ..PlainRequest::default()
    };
    request.aliases.insert("call_id".to_owned(), "conversation.id".to_owned());
    let timeout = ["timeout", "timeoutMs", "timeout_ms"].iter().find_map(|key| tool.get(*key)?.as_f64());
    // The editor counts milliseconds, calls before the conversation count seconds.
    request.timeout_ms = timeout
        .filter(|timeout| *timeout > 0.0)
        .map(|timeout| if timeout <= 60.0 { timeout * 1_000.0 } else { timeout } as u64);
    request.body = match tool.get("body") {
        Some(Value::String(content)) => raw(content, &request.headers),
        Some(body @ (Value::Object(_) | Value::Array(_)))
            if body.as_object().is_none_or(|map| !map.is_empty()) =>
        {
            PlainBody::Json(serde_json::to_string_pretty(body).unwrap_or_default())
        }
        _ => PlainBody::Flat,
    };
    if request.method.as_deref().is_some_and(|method| method.eq_ignore_ascii_case("GET")) {
        request.body = PlainBody::Flat;
    }
    let listed = ["responseVariables", "response_variables", "responseExtraction", "variables"]
        .iter()
        .find_map(|key| tool.get(*key));
    let extracted: Vec<(String, String)> = match listed {
        Some(Value::Object(map)) => map.iter().map(|(name, path)| (name.clone(), scalar(path))).collect(),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| {
                let name = first_text(item, &["variableName", "variable", "name", "key"]);
                (name.to_owned(), first_text(item, &["jsonPath", "path", "value"]).to_owned())
            })
            .collect(),
        _ => Vec::new(),
    };
    for (name, path) in extracted {
        // `{{api.name}}` is how prompts and later calls read it.
        if !name.is_empty() {
            extract(&mut request, &format!("api.{}", name.trim_start_matches("api.")), &path);
        }
    }
    if tool.get("isAsync") == Some(&Value::Bool(true)) || tool.get("async") == Some(&Value::Bool(true)) {
        request.losses.push((
            "behaviour",
            "`isAsync` left out".to_owned(),
            "the result of every call is waited for",
        ));
    }
    request
}
