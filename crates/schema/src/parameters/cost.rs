//! How much work it is to say what is wrong.
//!
//! jsonschema collects every error of every branch at once. Where a recursive schema branches,
//! that work doubles with each level of the value, and `iter_errors` cannot be stopped half-way,
//! so the steps are counted first, with a limit.
use serde_json::Value;

use crate::{reference, walk};

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
        if let Some(target) = reference::target(self.root, members) {
            let step = (std::ptr::from_ref(target), std::ptr::from_ref(value));
            if !self.references.contains(&step) {
                self.references.push(step);
                self.visit(target, value, depth + 1)?;
                self.references.pop();
            }
        }
        for sub in walk::subschemas(members) {
            for value in sub.values(value) {
                self.visit(sub.schema, value, depth + 1)?;
            }
        }
        Some(())
    }
}
