//! A schema, and the ones that it refers to.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::keyword::Applies;
use crate::reference;

pub use crate::subschema::{Step, Subschema, all, below, subschemas};

/// Calls `visit` for `schema` and every schema that looks at the same value whatever the value is
/// (`$ref`, `allOf`; with `branches` also the ones that only may), each once.
pub fn same_value<'s>(
    root: &'s Value,
    schema: &'s Value,
    branches: bool,
    visit: &mut impl FnMut(&'s Map<String, Value>),
) {
    let mut seen: HashSet<*const Value> = HashSet::new();
    let mut todo = vec![schema];
    while let Some(schema) = todo.pop() {
        let Some(members) = schema.as_object() else { continue };
        if !seen.insert(std::ptr::from_ref(schema)) {
            continue;
        }
        visit(members);
        let mut next: Vec<&'s Value> = reference::target(root, members).into_iter().collect();
        next.extend(
            subschemas(members)
                .into_iter()
                .filter(|sub| sub.applies == Applies::Always || (branches && sub.describes_same_value()))
                .map(|sub| sub.schema),
        );
        todo.extend(next.into_iter().rev());
    }
}
