//! What our schema compiler refuses is taken out of an imported schema where the
//! rest is of use without it: a pattern of another dialect, a default that does
//! not fit.

use serde_json::Value;

use callgate_action::parameters::Parameters;
use callgate_schema::keyword::{self, Keyword};

use super::draft::ParametersDraft;

/// Keywords without which a schema still says what is wanted.
const REMOVABLE: &[&str] = &[
    "pattern",
    "default",
    "enum",
    "examples",
    "required",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "multipleOf",
    "uniqueItems",
    "format",
    "title",
    "description",
    "deprecated",
    "const",
];
/// Each round may uncover problems that the ones before hid.
const MAX_ROUNDS: usize = 6;

/// Takes out of `draft` what does not compile; gives a sentence for each repair.
pub(super) fn parameters(draft: &mut ParametersDraft) -> Vec<String> {
    let mut repairs = Vec::new();
    for _ in 0..MAX_ROUNDS {
        let Some(mut schema) = draft.schema() else { break };
        let problems = match Parameters::compile(Some(&schema)) {
            Ok(parameters) => parameters.warnings().to_vec(),
            Err(problems) => problems,
        };
        let mut changed = false;
        for problem in &problems {
            // Others warn of what an importer has no opinion about.
            let is_ours = problem.pointer.contains("/required/") || problem.pointer.contains("/enum/");
            if problem.warning && !is_ours {
                continue;
            }
            let Some((pointer, keyword)) = removable(&problem.pointer) else { continue };
            let owner = schema.pointer_mut(&pointer).and_then(Value::as_object_mut);
            let Some(owner) = owner else { continue };
            if keyword == "required" {
                changed |= drop_undeclared(owner, &mut repairs, &pointer);
                continue;
            }
            if owner.shift_remove(keyword).is_some() {
                repairs.push(format!(
                    "`{keyword}` at `{}` is left out: {}",
                    spoken(&pointer),
                    problem.message
                ));
                changed = true;
            }
        }
        if !changed {
            break;
        }
        take_back(draft, schema);
    }
    repairs
}

/// The owner and the keyword of the innermost removable keyword of `pointer`.
///
/// Names of properties may read like keywords: what follows `properties` or
/// `$defs` is a name.
fn removable(pointer: &str) -> Option<(String, &'static str)> {
    let tokens: Vec<&str> = pointer.split('/').skip(1).collect();
    let mut owner = String::new();
    let mut is_name = false;
    for token in tokens {
        if !is_name && let Some(keyword) = REMOVABLE.iter().find(|keyword| **keyword == token) {
            return Some((owner, keyword));
        }
        is_name = !is_name && keyword::find(token).is_some_and(Keyword::holds_names);
        owner.push('/');
        owner.push_str(token);
    }
    None
}

/// Leaves out of `required` what `properties` does not declare.
fn drop_undeclared(
    owner: &mut serde_json::Map<String, Value>,
    repairs: &mut Vec<String>,
    pointer: &str,
) -> bool {
    let declared: Vec<String> = match owner.get("properties") {
        Some(Value::Object(properties)) => properties.keys().cloned().collect(),
        _ => Vec::new(),
    };
    let Some(Value::Array(required)) = owner.get_mut("required") else {
        return owner.shift_remove("required").is_some();
    };
    let before = required.len();
    let mut seen: Vec<String> = Vec::new();
    required.retain(|name| {
        let Some(name) = name.as_str() else { return false };
        let keep = declared.iter().any(|known| known == name) && !seen.iter().any(|known| known == name);
        seen.push(name.to_owned());
        keep
    });
    let changed = required.len() != before;
    let is_empty = required.is_empty();
    if changed {
        repairs.push(format!("`required` at `{}` names what `properties` does not declare", spoken(pointer)));
    }
    if is_empty {
        owner.shift_remove("required");
    }
    changed
}

fn spoken(pointer: &str) -> &str {
    if pointer.is_empty() { "parameters" } else { pointer }
}

fn take_back(draft: &mut ParametersDraft, mut schema: Value) {
    let mut take = |key: &str| schema.get_mut(key).map(Value::take);
    if let Some(Value::Object(properties)) = take("properties") {
        draft.properties = properties;
    }
    draft.required = match take("required") {
        Some(Value::Array(names)) => {
            names.into_iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
        }
        _ => Vec::new(),
    };
    if let Some(Value::Object(defs)) = take("$defs") {
        draft.defs = defs;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_not_compile_is_taken_out_and_said() {
        let mut draft = ParametersDraft::default();
        draft.add("zip", json!({"type": "string", "pattern": "(?<x>[0-9]+(?P=x)"}), true);
        draft.add("pattern", json!({"type": "integer", "default": "many", "minimum": 1}), false);
        draft.add(
            "inner",
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", "b"]}),
            false,
        );
        let repairs = parameters(&mut draft);
        assert_eq!(repairs.len(), 3, "{repairs:?}");
        let schema = draft.schema().unwrap();
        assert_eq!(schema["properties"]["zip"], json!({"type": "string"}));
        assert_eq!(schema["properties"]["pattern"], json!({"type": "integer", "minimum": 1}));
        assert_eq!(schema["properties"]["inner"]["required"], json!(["a"]));
        assert!(Parameters::compile(Some(&schema)).unwrap().warnings().is_empty());
    }

    #[test]
    fn a_schema_that_compiles_stays_as_it_is() {
        let mut draft = ParametersDraft::default();
        draft.add("a", json!({"type": "string", "pattern": "^x"}), true);
        let before = draft.schema();
        assert_eq!(parameters(&mut draft), Vec::<String>::new());
        assert_eq!(draft.schema(), before);
    }
}
