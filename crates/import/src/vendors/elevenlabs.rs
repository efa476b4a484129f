//! ElevenLabs Agents: webhook tools (`WebhookToolConfigInput` of its SDK).

use serde_json::{Map, Value, json};

use crate::bundle::Bundle;
use crate::draft::ParametersDraft;
use crate::json::{scalar, text};
use crate::placeholder::short;
use crate::report::ImportError;
use crate::request::{PlainRequest, Refusal};

use super::elevenlabs_list::{self, constant};
use super::tools::{each, extract, lost_keys, method_or, milliseconds};

const LOST: &[&str] = &[
    "tool_call_sound",
    "disable_interruptions",
    "interruption_mode",
    "execution_mode",
    "tool_error_handling_mode",
];
/// Variables of the platform, and ours of the same meaning.
const SYSTEM: &[(&str, &str)] = &[("system__conversation_id", "conversation.id")];

pub(crate) fn import(root: &Value, bundle: &mut Bundle<'_>) -> Result<(), ImportError> {
    let is_tool = |map: &Map<String, Value>| {
        let named = map.get("name").is_some_and(Value::is_string);
        let kind = map.get("type").and_then(Value::as_str).unwrap_or_default();
        named && (map.contains_key("api_schema") || matches!(kind, "webhook" | "client" | "system" | "mcp"))
    };
    each(root, "ElevenLabs", &is_tool, &read, bundle)
}

fn read(tool: &Value, place: &str) -> Result<PlainRequest, Refusal> {
    let Some(api) = tool.get("api_schema") else {
        let message = format!("a tool of type `{}` calls no API", short(text(tool, "type")));
        return Err(Refusal("unsupported_tool", message, "only webhook tools are requests"));
    };
    let api = &elevenlabs_list::by_name(api);
    let method = method_or(api, "GET");
    let mut request = PlainRequest {
        place: place.to_owned(),
        name: text(tool, "name").to_owned(),
        description: text(tool, "description").to_owned(),
        method: Some(method.to_owned()),
        url: text(api, "url").to_owned(),
        timeout_ms: milliseconds(tool, "response_timeout_secs"),
        single: true,
        ..PlainRequest::default()
    };
    for (theirs, ours) in SYSTEM {
        request.aliases.insert((*theirs).to_owned(), (*ours).to_owned());
    }
    request.losses.extend(lost_keys(tool, LOST));
    speech(tool, &mut request);
    for (name, schema) in api.get("path_params_schema").and_then(Value::as_object).into_iter().flatten() {
        leaf(name, schema, true, &mut request)?;
    }
    let query = api.get("query_params_schema");
    let without_body = matches!(method.to_ascii_uppercase().as_str(), "GET" | "DELETE" | "HEAD");
    for (name, schema) in members(query) {
        leaf(name, schema, is_required(query, name), &mut request)?;
        if !without_body {
            request.in_query.push(name.clone());
        }
    }
    let body = api.get("request_body_schema");
    for (name, schema) in members(body) {
        if request.parameters.properties.contains_key(name) {
            return Err(Refusal(
                "name_conflict",
                format!("`{}` stands in the body and in the URL", short(name)),
                "rename one of them",
            ));
        }
        leaf(name, schema, is_required(body, name), &mut request)?;
    }
    if text(api, "content_type") == "application/x-www-form-urlencoded" {
        request.headers.push(("Content-Type".to_owned(), text(api, "content_type").to_owned()));
    }
    headers(api.get("request_headers"), &mut request);
    outputs(tool, &mut request);
    if api.get("response_filter").is_some_and(|filter| text(filter, "mode") == "allow") {
        request.losses.push((
            "response_filter",
            "the filter of the answer is left out; the model sees the whole body".to_owned(),
            "hide values by output variables with `expose: false`",
        ));
    }
    if api.get("auth_connection").is_some_and(|auth| !auth.is_null()) {
        request.losses.push((
            "auth",
            "`auth_connection` names credentials that the export does not hold".to_owned(),
            "write an auth connector and name it in the connection",
        ));
    }
    Ok(request)
}

/// Whether the agent speaks before the call: always, or where calls have been slow.
fn speech(tool: &Value, request: &mut PlainRequest) {
    match text(tool, "pre_tool_speech") {
        "force" => request.speech.say = true,
        "auto" => request.losses.push((
            "behaviour",
            "`pre_tool_speech: auto` left out: nothing tells how long calls take".to_owned(),
            "write `speech.delayed`, or `say: true`",
        )),
        _ => request.speech.say = tool.get("force_pre_tool_speech") == Some(&Value::Bool(true)),
    }
}

fn members(schema: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    schema.and_then(|schema| schema.get("properties")).and_then(Value::as_object).into_iter().flatten()
}

fn is_required(schema: Option<&Value>, name: &str) -> bool {
    let list = schema.and_then(|schema| schema.get("required")).and_then(Value::as_array);
    list.is_some_and(|list| list.contains(&json!(name)))
}

/// A value at the top: filled in by the model, or bound.
fn leaf(name: &str, schema: &Value, required: bool, request: &mut PlainRequest) -> Result<(), Refusal> {
    let variable = text(schema, "dynamic_variable");
    if let Some(value) = constant(schema) {
        request.bind.push((name.to_owned(), value));
    } else if !variable.is_empty() {
        request.bind.push((name.to_owned(), json!(format!("{{{{{variable}}}}}"))));
    } else if schema.get("is_system_provided") == Some(&Value::Bool(true)) {
        request.losses.push((
            "system_value",
            format!("`{}` is filled in by the platform; it is left out", short(name)),
            "bind it to a variable of the conversation",
        ));
    } else if schema.get("is_omitted") != Some(&Value::Bool(true)) {
        let mut draft = std::mem::take(&mut request.parameters);
        let converted = inner(schema, name, request)?;
        add(&mut draft, name, converted, required);
        request.parameters = draft;
    }
    Ok(())
}

fn add(draft: &mut ParametersDraft, name: &str, schema: Value, required: bool) {
    draft.add(name, schema, required);
}

/// A schema below the top: what the model does not choose is a constant there,
/// or cannot be carried.
fn inner(schema: &Value, at: &str, request: &mut PlainRequest) -> Result<Value, Refusal> {
    const OURS: &[&str] = &[
        "type",
        "description",
        "enum",
        "format",
        "pattern",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
    ];
    let mut out = Map::new();
    for key in OURS {
        if let Some(value) =
            schema.get(*key).filter(|value| !value.is_null() && **value != json!("") && **value != json!([]))
        {
            out.insert((*key).to_owned(), value.clone());
        }
    }
    if !text(schema, "allowed_values_dynamic_variable").is_empty() {
        request.losses.push((
            "allowed_values",
            format!("the allowed values of `{}` come from a variable; any value is taken", short(at)),
            "list them in `enum`",
        ));
    }
    if let Some(items) = schema.get("items") {
        out.insert("items".to_owned(), inner(items, at, request)?);
    }
    let mut required: Vec<Value> =
        schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let mut kept = Map::new();
        for (name, property) in properties {
            let path = format!("{at}.{name}");
            if !text(property, "dynamic_variable").is_empty()
                || property.get("is_system_provided") == Some(&Value::Bool(true))
            {
                let message =
                    format!("`{}` is a variable inside an object that the model fills in", short(&path));
                return Err(Refusal(
                    "nested_variable",
                    message,
                    "move it to the top of the body, or write `body` by hand",
                ));
            }
            if property.get("is_omitted") == Some(&Value::Bool(true)) {
                required.retain(|known| known != name);
                continue;
            }
            let schema = match constant(property) {
                // The default is filled in where the model leaves it out.
                Some(value) => json!({"const": value, "default": value}),
                None => inner(property, &path, request)?,
            };
            kept.insert(name.clone(), schema);
        }
        out.insert("properties".to_owned(), Value::Object(kept));
    }
    if !required.is_empty() {
        out.insert("required".to_owned(), Value::Array(required));
    }
    Ok(Value::Object(out))
}

fn headers(headers: Option<&Value>, request: &mut PlainRequest) {
    for (name, value) in headers.and_then(Value::as_object).into_iter().flatten() {
        if !value.is_object() {
            request.headers.push((name.clone(), scalar(value)));
            continue;
        }
        let (variable, label) = (text(value, "variable_name"), text(value, "env_var_label"));
        if value.get("secret_id").is_some_and(|id| !id.is_null()) {
            request.secret_headers.push((name.clone(), String::new()));
        } else if !label.is_empty() {
            // It differs by environment, as secrets do.
            request.secret_headers.push((name.clone(), label.to_owned()));
        } else if let Some(secret) = variable.strip_prefix("secret__") {
            request.secret_headers.push((name.clone(), secret.to_owned()));
        } else if !variable.is_empty() {
            request.headers.push((name.clone(), format!("{{{{{variable}}}}}")));
        }
    }
}

fn outputs(tool: &Value, request: &mut PlainRequest) {
    for assignment in tool.get("assignments").and_then(Value::as_array).into_iter().flatten() {
        let name = text(assignment, "dynamic_variable");
        let known = request.output_variables.len();
        extract(request, name, text(assignment, "value_path"));
        if assignment.get("sanitize") == Some(&Value::Bool(true)) {
            for variable in &mut request.output_variables[known..] {
                variable["expose"] = json!(false);
            }
        }
    }
}
