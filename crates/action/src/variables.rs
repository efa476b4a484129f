//! Variables: dotted names outside, nested objects inside templates.

use serde_json::{Map, Value};

use callgate_template::{Reference, Root};

/// What the templates of an action read of `.variables`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VariableReads {
    /// Whether they read any.
    pub any: bool,
    /// Whether a path is known only at render, so that it may be any of them.
    all: bool,
    /// The paths that are known at load.
    paths: Vec<Vec<String>>,
}

impl VariableReads {
    /// Adds what one template reads.
    pub(crate) fn add(&mut self, source: &str, references: &[Reference]) {
        // By the text, since a path may be known only at render: `index .variables .parameters.x`.
        if !source.replace("static_variables", "").contains("variables") {
            return;
        }
        self.any = true;
        self.all |= source.contains("index") || source.contains('$');
        let read = references.iter().filter(|reference| reference.root == Root::Variables);
        for path in read.map(|reference| &reference.path) {
            self.all |= path.is_empty();
            if !self.paths.contains(path) {
                self.paths.push(path.clone());
            }
        }
    }

    /// Whether they may read what stands under `first`, the first part of a variable's name.
    pub(crate) fn may_read(&self, first: &str) -> bool {
        self.all || self.paths.iter().any(|path| path.first().is_some_and(|part| part == first))
    }

    /// The values that are read, each with its path; an absent one is `None`.
    pub fn of<'v>(&'v self, variables: &'v Map<String, Value>) -> Vec<(&'v [String], Option<&'v Value>)> {
        if self.all {
            return variables.iter().map(|(name, value)| (std::slice::from_ref(name), Some(value))).collect();
        }
        self.paths.iter().map(|path| (path.as_slice(), at(variables, path))).collect()
    }
}

fn at<'v>(variables: &'v Map<String, Value>, path: &[String]) -> Option<&'v Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(variables.get(first)?, |value, key| match value {
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        _ => value.get(key),
    })
}

/// Why a set of variables cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidVariables {
    /// Two variables need the same place.
    #[error("the variable `{0}` is both a value and the parent of another variable")]
    Conflict(String),
    /// A name with an empty part.
    #[error("`{0}` is not a variable name: parts between dots must not be empty")]
    Name(String),
}

/// Puts `value` at the dotted `name`, as nested objects; an object that is
/// there already is merged with an object.
///
/// # Errors
///
/// Fails where a plain value stands on the way, or where the value would
/// replace the parent of others.
pub fn insert(variables: &mut Map<String, Value>, name: &str, value: Value) -> Result<(), InvalidVariables> {
    if name.split('.').any(str::is_empty) {
        return Err(InvalidVariables::Name(name.to_owned()));
    }
    let mut at = variables;
    let mut parts = name.split('.').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_some() {
            let next = at.entry(part).or_insert_with(|| Value::Object(Map::new()));
            match next {
                Value::Object(map) => at = map,
                _ => return Err(InvalidVariables::Conflict(name.to_owned())),
            }
        } else {
            return put(at, part, value, name);
        }
    }
    Ok(())
}

fn put(at: &mut Map<String, Value>, key: &str, value: Value, name: &str) -> Result<(), InvalidVariables> {
    match (at.get_mut(key), value) {
        (Some(Value::Object(there)), Value::Object(more)) => {
            for (key, value) in more {
                insert(there, &key, value).map_err(|_| InvalidVariables::Conflict(name.to_owned()))?;
            }
            Ok(())
        }
        (Some(Value::Object(there)), _) if !there.is_empty() => {
            Err(InvalidVariables::Conflict(name.to_owned()))
        }
        (_, value) => {
            at.insert(key.to_owned(), value);
            Ok(())
        }
    }
}

/// Nested variables from what a caller sent: dotted names, nested objects, or both.
///
/// # Errors
///
/// As [`insert`].
pub fn nest(flat: Map<String, Value>) -> Result<Map<String, Value>, InvalidVariables> {
    if flat.keys().all(|name| !name.contains('.') && !name.is_empty()) {
        return Ok(flat);
    }
    let mut nested = Map::new();
    for (name, value) in flat {
        insert(&mut nested, &name, value)?;
    }
    Ok(nested)
}

/// Whether `name` is, or stands above or below, what is always there:
/// the id of the conversation, its environment and its start.
pub fn is_reserved(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("conversation") else { return false };
    let first = rest.strip_prefix('.').and_then(|rest| rest.split('.').next());
    rest.is_empty() || first.is_some_and(|part| ["id", "environment", "started_at"].contains(&part))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(flat: Value, expected: Result<Value, &str>) {
        let Value::Object(flat) = flat else { panic!("object") };
        let got = nest(flat).map(Value::Object).map_err(|error| error.to_string());
        match expected {
            Ok(nested) => assert_eq!(got, Ok(nested)),
            Err(part) => assert!(got.as_ref().is_err_and(|e| e.contains(part)), "{got:?}"),
        }
    }

    #[test]
    fn dotted_names_become_objects() {
        check(json!({"a": 1, "b": {"c": 2}}), Ok(json!({"a": 1, "b": {"c": 2}})));
        check(
            json!({"account.status": "gold", "account.id": 1}),
            Ok(json!({"account": {"status": "gold", "id": 1}})),
        );
        check(
            json!({"account": {"id": 1}, "account.status": "gold"}),
            Ok(json!({"account": {"id": 1, "status": "gold"}})),
        );
    }

    #[test]
    fn a_value_cannot_be_a_parent_too() {
        check(json!({"account": 1, "account.status": "gold"}), Err("both a value and the parent"));
        check(json!({"account.status": "gold", "account": 1}), Err("both a value and the parent"));
        check(json!({"a..b": 1}), Err("must not be empty"));
    }
}
