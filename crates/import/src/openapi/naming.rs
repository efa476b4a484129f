//! Names of the operations of a document: short ones, where they tell each operation from the others.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::json::{text, texts};
use crate::names::{self, Called};

use super::document::{Document, METHODS};

/// How often each name is wanted in a document.
pub(super) struct Naming {
    short: HashMap<String, usize>,
    of_group: HashMap<String, usize>,
}

impl Naming {
    /// Counts the names of all operations under `paths`, so that no name depends on which of them are imported.
    pub(super) fn new(document: &Document<'_>, paths: &Map<String, Value>) -> Self {
        let mut naming = Self { short: HashMap::new(), of_group: HashMap::new() };
        for (path, item) in paths {
            let Ok(item) = document.resolve(item) else { continue };
            for method in METHODS {
                let Some(operation) = item.get(*method).filter(|operation| operation.is_object()) else {
                    continue;
                };
                let tags: Vec<&str> = texts(operation, "tags").take(1).collect();
                let called = Called { name: text(operation, "operationId"), method, path, groups: &tags };
                *naming.short.entry(called.tool()).or_default() += 1;
                *naming.of_group.entry(called.tool_of_group()).or_default() += 1;
            }
        }
        naming
    }

    /// The name of one operation: the id without the path in it; where several
    /// operations would have that one, with the tag; else the whole id.
    pub(super) fn name(&self, operation: &Value, tags: &[&str], method: &str, path: &str) -> String {
        let id = text(operation, "operationId");
        let called = Called { name: id, method, path, groups: tags.get(..1).unwrap_or_default() };
        let (short, whole) = (called.tool(), names::tool(id));
        let is_alone = self.short.get(&short).is_none_or(|count| *count == 1);
        if id.is_empty() || short == whole || is_alone {
            return short;
        }
        let of_group = called.tool_of_group();
        let is_free = !self.short.contains_key(&of_group) || of_group == short;
        match self.of_group.get(&of_group) {
            Some(1) if is_free => of_group,
            _ => whole,
        }
    }
}
