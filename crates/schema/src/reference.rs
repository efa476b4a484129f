//! Where a `$ref` leads, and what is said of a value with all that is referred to. A reference never leads out of the
//! document.

use std::collections::HashSet;

use serde_json::{Map, Value};

use callgate_text::percent;

use crate::keyword::{Applies, REFERENCES};
use crate::walk::subschemas;

/// Follows a reference inside the document `root`; gives the target and its JSON Pointer.
///
/// The fragment is a JSON Pointer (RFC 6901 section 6) or the name of an anchor. `None` if the reference
/// leads out of the document, or nowhere.
pub fn resolve<'s>(root: &'s Value, reference: &str) -> Option<(&'s Value, String)> {
    let fragment = percent::decode(reference.strip_prefix('#')?)?;
    if fragment.is_empty() || fragment.starts_with('/') {
        return Some((root.pointer(&fragment)?, fragment));
    }
    find_anchor(root, &fragment, "")
}

/// The target of a schema's own `$ref`, `$dynamicRef` or `$recursiveRef`, if it stays in the document.
pub fn target<'s>(root: &'s Value, schema: &Map<String, Value>) -> Option<&'s Value> {
    let reference = REFERENCES.iter().find_map(|keyword| schema.get(*keyword)?.as_str())?;
    resolve(root, reference).map(|(target, _)| target)
}

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
        let mut next: Vec<&'s Value> = target(root, members).into_iter().collect();
        next.extend(
            subschemas(members)
                .into_iter()
                .filter(|sub| sub.applies == Applies::Always || (branches && sub.describes_same_value()))
                .map(|sub| sub.schema),
        );
        todo.extend(next.into_iter().rev());
    }
}

fn find_anchor<'s>(schema: &'s Value, name: &str, pointer: &str) -> Option<(&'s Value, String)> {
    let members = schema.as_object()?;
    let named = ["$anchor", "$dynamicAnchor"]
        .iter()
        .any(|keyword| members.get(*keyword).and_then(Value::as_str) == Some(name));
    let legacy = members.get("$id").and_then(Value::as_str).and_then(|id| id.strip_prefix('#'));
    if named || legacy == Some(name) {
        return Some((schema, pointer.to_owned()));
    }
    subschemas(members).iter().find_map(|sub| find_anchor(sub.schema, name, &sub.pointer(pointer)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reference_is_a_pointer_or_an_anchor() {
        let root = json!({"$defs": {
            "a b/c": {"type": "string"},
            "anchored": {"$anchor": "here"},
            "old": {"$id": "#there"},
        }});
        let at = |reference: &str| resolve(&root, reference).map(|(_, pointer)| pointer);
        assert_eq!(at("#").as_deref(), Some(""));
        assert_eq!(at("#/$defs/a%20b~1c").as_deref(), Some("/$defs/a b~1c"));
        assert_eq!(at("#here").as_deref(), Some("/$defs/anchored"));
        assert_eq!(at("#there").as_deref(), Some("/$defs/old"));
        for nowhere in ["", "other.json#/a", "#/$defs/none", "#nowhere", "#/%", "#/%zz", "#/%ff"] {
            assert_eq!(at(nowhere), None, "{nowhere}");
        }
    }
}
