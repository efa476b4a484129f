//! How much work it is to say what is wrong.
//!
//! jsonschema collects every error of every branch at once. Where a recursive schema branches,
//! that work doubles with each level of the value, and `iter_errors` cannot be stopped half-way,
//! so the steps are counted first, with a limit.
use serde_json::{Map, Value};

use super::subschema;

/// Steps past which nothing is explained.
const MAX_STEPS: u32 = 20_000;
/// Nested steps past which nothing is explained, to keep within a small stack.
const MAX_DEPTH: u32 = 400;

/// Whether collecting the errors of `value` takes bounded time and stack.
pub(super) fn is_affordable(schema: &Value, value: &Value) -> bool {
    let mut walk = Walk { root: schema, steps: 0, references: Vec::new() };
    walk.visit(schema, value, 0).is_some()
}

struct Walk<'s> {
    root: &'s Value,
    steps: u32,
    /// The references being followed, with the value they look at: a repetition is a cycle.
    references: Vec<(*const Value, *const Value)>,
}

impl<'s> Walk<'s> {
    fn visit(&mut self, schema: &'s Value, value: &Value, depth: u32) -> Option<()> {
        self.steps += 1;
        if self.steps > MAX_STEPS || depth > MAX_DEPTH {
            return None;
        }
        let Value::Object(members) = schema else { return Some(()) };
        if let Some(target) = subschema::target(self.root, members) {
            let step = (std::ptr::from_ref(target), std::ptr::from_ref(value));
            if !self.references.contains(&step) {
                self.references.push(step);
                self.visit(target, value, depth + 1)?;
                self.references.pop();
            }
        }
        for (keyword, inner) in members {
            match (keyword.as_str(), inner) {
                ("allOf" | "anyOf" | "oneOf", Value::Array(branches)) => {
                    for branch in branches {
                        self.visit(branch, value, depth + 1)?;
                    }
                }
                ("not" | "if" | "then" | "else", _) => self.visit(inner, value, depth + 1)?,
                ("dependentSchemas" | "dependencies", Value::Object(rules)) => {
                    for rule in rules.values() {
                        self.visit(rule, value, depth + 1)?;
                    }
                }
                _ => self.visit_inner(keyword, inner, value, depth + 1)?,
            }
        }
        Some(())
    }

    /// Follows a keyword that looks inside the value.
    fn visit_inner(&mut self, keyword: &str, inner: &'s Value, value: &Value, depth: u32) -> Option<()> {
        match (keyword, inner, value) {
            ("properties", Value::Object(schemas), Value::Object(members)) => {
                self.visit_named(schemas, members, depth)
            }
            ("patternProperties", Value::Object(schemas), Value::Object(members)) => {
                for schema in schemas.values() {
                    self.visit_all(schema, members.values(), depth)?;
                }
                Some(())
            }
            ("additionalProperties" | "unevaluatedProperties", _, Value::Object(members)) => {
                self.visit_all(inner, members.values(), depth)
            }
            ("prefixItems" | "items", Value::Array(schemas), Value::Array(items)) => {
                schemas.iter().zip(items).try_for_each(|(schema, item)| self.visit(schema, item, depth))
            }
            ("items" | "additionalItems" | "unevaluatedItems" | "contains", _, Value::Array(items)) => {
                self.visit_all(inner, items.iter(), depth)
            }
            _ => Some(()),
        }
    }

    fn visit_named(
        &mut self,
        schemas: &'s Map<String, Value>,
        members: &Map<String, Value>,
        depth: u32,
    ) -> Option<()> {
        for (name, schema) in schemas {
            if let Some(member) = members.get(name) {
                self.visit(schema, member, depth)?;
            }
        }
        Some(())
    }

    fn visit_all<'v>(
        &mut self,
        schema: &'s Value,
        mut values: impl Iterator<Item = &'v Value>,
        depth: u32,
    ) -> Option<()> {
        values.try_for_each(|value| self.visit(schema, value, depth))
    }
}
