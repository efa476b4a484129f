//! Objects as keys of a query or a form: `a[b][c]`, or the names of their properties.

use serde_json::Value;

use super::nullable::without_null;
use super::operation::{Operation, Shape, shape};

/// Most keys that one object of the query or a form is written as.
const MAX_LEAVES: usize = 250;
/// Deepest object that is written as `a[b][c]`.
const MAX_DEPTH: usize = 5;

impl Operation<'_, '_, '_> {
    /// The keys that an object is written as, each with the way to its value,
    /// and the names of what cannot be written, which leaves the schema.
    pub(super) fn leaves(
        &self,
        schema: &mut Value,
        wire: &str,
        brackets: bool,
    ) -> (Vec<(String, Vec<String>)>, Vec<String>) {
        let mut leaves = Vec::new();
        let mut lost = Vec::new();
        self.collect(schema, wire, &mut Vec::new(), brackets, &mut leaves, &mut lost);
        (leaves, lost)
    }

    fn collect(
        &self,
        schema: &mut Value,
        wire: &str,
        path: &mut Vec<String>,
        brackets: bool,
        leaves: &mut Vec<(String, Vec<String>)>,
        lost: &mut Vec<String>,
    ) -> bool {
        if is_choice(schema) {
            *schema = without_null(schema.take());
        }
        self.narrow(schema);
        match shape(schema, &self.draft.parameters.defs) {
            _ if leaves.len() >= MAX_LEAVES || path.len() > MAX_DEPTH => {}
            Shape::Scalar if !path.is_empty() => {
                leaves.push((wire.to_owned(), path.clone()));
                return true;
            }
            Shape::List if !path.is_empty() => {
                let wire = if brackets { format!("{wire}[]") } else { wire.to_owned() };
                leaves.push((wire, path.clone()));
                return true;
            }
            Shape::Object => {
                let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else {
                    return false;
                };
                let names: Vec<String> = properties.keys().cloned().collect();
                let mut gone = Vec::new();
                for name in names {
                    let Some(inner) = properties.get_mut(&name) else { continue };
                    let wire = if brackets { format!("{wire}[{name}]") } else { name.clone() };
                    path.push(name.clone());
                    let kept = self.collect(inner, &wire, path, brackets, leaves, lost);
                    path.pop();
                    if !kept {
                        properties.shift_remove(&name);
                        gone.push(name);
                    }
                }
                let is_kept = !properties.is_empty();
                if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
                    required.retain(|name| {
                        name.as_str().is_some_and(|name| !gone.iter().any(|gone| gone == name))
                    });
                }
                if is_kept {
                    return true;
                }
            }
            _ => {}
        }
        lost.push(wire.to_owned());
        false
    }

    /// Of a choice between an object and a scalar, which a form cannot tell
    /// apart, the object is kept.
    pub(super) fn narrow(&self, schema: &mut Value) {
        for keyword in ["anyOf", "oneOf"] {
            let Some(branches) = schema.get(keyword).and_then(Value::as_array) else { continue };
            let objects: Vec<&Value> = branches
                .iter()
                .filter(|branch| {
                    shape(branch, &self.draft.parameters.defs) == Shape::Object
                        && branch.get("$ref").is_none()
                })
                .collect();
            let others = branches
                .iter()
                .filter(|branch| shape(branch, &self.draft.parameters.defs) == Shape::Scalar)
                .count();
            if let [object] = objects.as_slice()
                && others + 1 == branches.len()
            {
                let mut object = (*object).clone();
                if let (Some(description), Some(map)) =
                    (schema.get("description").cloned(), object.as_object_mut())
                {
                    map.insert("description".to_owned(), description);
                }
                *schema = object;
                return;
            }
        }
    }
}

fn is_choice(schema: &Value) -> bool {
    ["anyOf", "oneOf"].iter().any(|keyword| schema.get(*keyword).is_some())
}
