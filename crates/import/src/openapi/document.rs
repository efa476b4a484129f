//! An OpenAPI document and what its references lead to.

use callgate_schema::reference;
use serde_json::Value;

use crate::request::Refusal;

/// The methods that an operation may have.
pub(super) const METHODS: &[&str] = &["get", "put", "post", "delete", "options", "head", "patch", "trace"];
/// Longest chain of references from one to the next.
const MAX_CHAIN: usize = 16;

/// A document of version 3.
pub(super) struct Document<'v> {
    pub(super) root: &'v Value,
    /// 3.0, whose schemas are a dialect of their own; 3.1 has JSON Schema 2020-12.
    pub(super) is_30: bool,
}

impl<'v> Document<'v> {
    /// What `reference` names.
    ///
    /// # Errors
    ///
    /// It leads out of the document, or nowhere.
    pub(super) fn lookup(&self, reference: &str) -> Result<&'v Value, Refusal> {
        let shown: String = reference.chars().filter(|c| !c.is_control()).take(120).collect();
        if !reference.starts_with('#') {
            return Err(Refusal(
                "external_ref",
                format!("`{shown}` leads out of the document"),
                "bundle the document into one file first, such as with `redocly bundle`",
            ));
        }
        let target = reference::resolve(self.root, reference);
        target.map(|(target, _)| target).ok_or_else(|| {
            Refusal("missing_ref", format!("`{shown}` does not exist in the document"), "mend the reference")
        })
    }

    /// `value`, or what it refers to.
    ///
    /// # Errors
    ///
    /// As [`Self::lookup`], or references that go in circles.
    pub(super) fn resolve(&self, value: &'v Value) -> Result<&'v Value, Refusal> {
        let mut value = value;
        for _ in 0..MAX_CHAIN {
            match value.get("$ref").and_then(Value::as_str) {
                Some(reference) => value = self.lookup(reference)?,
                None => return Ok(value),
            }
        }
        Err(Refusal("circular_ref", "a reference leads back to itself".to_owned(), "mend the reference"))
    }
}

/// One token of a JSON Pointer.
pub(super) fn escape(token: &str) -> String {
    let shown: String = token.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    shown.replace('~', "~0").replace('/', "~1")
}
