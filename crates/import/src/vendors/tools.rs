//! What the tools of all products have in common.

use serde_json::{Map, Value};

use callgate_action::variables::is_reserved;

use crate::bundle::Bundle;
use crate::draft::ParametersDraft;
use crate::json::{first_text, output, text, texts, tools};
use crate::names;
use crate::placeholder::short;
use crate::report::ImportError;
use crate::request::{PlainRequest, Refusal, lower};
use crate::selection::Candidate;

/// Reads every tool of `root`.
pub(super) fn each(
    root: &Value,
    product: &str,
    is_tool: &dyn Fn(&Map<String, Value>) -> bool,
    read: &dyn Fn(&Value, &str) -> Result<PlainRequest, Refusal>,
    bundle: &mut Bundle<'_>,
) -> Result<(), ImportError> {
    let found = tools(root, is_tool);
    if found.is_empty() {
        let message = format!("no tool of {product} in it");
        return Err(ImportError::new(
            "unsupported_format",
            message,
            "export one tool, a list of tools or the whole agent as JSON",
        ));
    }
    let requests: Vec<_> = found.iter().map(|(place, tool)| (place, *tool, read(tool, place))).collect();
    // What one tool extracts, another one may read.
    let renamed: Vec<(String, String)> = requests
        .iter()
        .filter_map(|(_, _, request)| request.as_ref().ok())
        .flat_map(|request| request.renamed.clone())
        .collect();
    for (place, tool, request) in requests {
        match request {
            Ok(mut request) => {
                request.is_for_model = true;
                for (theirs, ours) in &renamed {
                    request.aliases.entry(theirs.clone()).or_insert_with(|| ours.clone());
                }
                lower(bundle, request);
            }
            Err(Refusal(code, message, hint)) => {
                let inner = tool.get("function").unwrap_or(&Value::Null);
                let name = [first_text(tool, &["name", "label"]), text(inner, "name")];
                let name =
                    name.into_iter().find(|name| !name.is_empty()).map(names::tool).unwrap_or_default();
                if bundle.is_wanted(Candidate { name: &name, ..Candidate::default() }) {
                    bundle.refuse(place, code, message, hint);
                }
            }
        }
    }
    Ok(())
}

/// The method that `request` names, or the product's own.
pub(super) fn method_or<'v>(request: &'v Value, default: &'v str) -> &'v str {
    Some(text(request, "method")).filter(|method| !method.is_empty()).unwrap_or(default)
}

/// The properties of an object schema; `schema` is a model's view of them.
pub(super) fn parameters(schema: Option<&Value>) -> ParametersDraft {
    let mut draft = ParametersDraft::default();
    let Some(schema) = schema else { return draft };
    let required: Vec<&str> = texts(schema, "required").collect();
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        draft.add(name, property.clone(), required.contains(&name.as_str()));
    }
    for keyword in ["$defs", "definitions"] {
        if let Some(defs) = schema.get(keyword).and_then(Value::as_object) {
            draft.defs.extend(defs.clone());
        }
    }
    draft
}

/// Keys of `tool` that say how to speak or when to call, which an action does not.
pub(super) fn lost_keys(tool: &Value, keys: &[&str]) -> Option<(&'static str, String, &'static str)> {
    let is_set = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::String(text) => !text.is_empty(),
        _ => true,
    };
    let lost: Vec<String> =
        keys.iter().filter(|key| tool.get(**key).is_some_and(is_set)).map(|key| format!("`{key}`")).collect();
    (!lost.is_empty()).then(|| {
        ("behaviour", format!("{} left out", lost.join(", ")), "these stay with the product that speaks")
    })
}

/// Adds the output variable `name` for the value at `path`, or says that it cannot be.
pub(super) fn extract(request: &mut PlainRequest, name: &str, path: &str) {
    let Some(variable) = output(name, path) else {
        let message = format!(
            "the variable `{}` is taken from the answer by the rule `{}`, which is left out",
            short(name),
            short(path)
        );
        request.losses.push(("extraction", message, "write `output_variables` with a JSONPath"));
        return;
    };
    take(request, name, variable);
}

/// Adds the output `variable`, which the product calls `name`, or says that it cannot be.
pub(super) fn take(request: &mut PlainRequest, name: &str, variable: Value) {
    let ours = variable.get("name").and_then(Value::as_str).unwrap_or_default();
    if is_reserved(ours) {
        let message = format!("the variable `{}` is always there and cannot be set", short(name));
        request.losses.push(("extraction", message, "call it otherwise"));
        return;
    }
    if request.output_variables.iter().any(|known| known.get("name") == variable.get("name")) {
        let message =
            format!("the variable `{}` is taken from the answer twice; the first stays", short(name));
        request.losses.push(("extraction", message, "give each value a name of its own"));
        return;
    }
    if ours != name {
        request.renamed.push((name.to_owned(), ours.to_owned()));
    }
    request.output_variables.push(variable);
}

/// A number of seconds as milliseconds.
pub(super) fn milliseconds(tool: &Value, key: &str) -> Option<u64> {
    let seconds = tool.get(key)?.as_f64().filter(|seconds| *seconds > 0.0 && *seconds <= 86_400.0)?;
    Some((seconds * 1_000.0) as u64)
}
