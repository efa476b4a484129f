//! JSON that somebody else shaped, read one member at a time.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::turn::Malformed;

/// The members of an object, each still as text: one that is broken spoils nothing else.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Fields<'a>(#[serde(borrow)] BTreeMap<Cow<'a, str>, &'a RawValue>);

impl<'a> Fields<'a> {
    /// Reads an object; `None` where `raw` is something else.
    pub(super) fn of(raw: &'a RawValue) -> Option<Self> {
        if raw.get().starts_with('{') { serde_json::from_str(raw.get()).ok() } else { None }
    }

    /// A member as it was written; a null is none.
    pub(super) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied().filter(|raw| raw.get() != "null")
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.raw(name)?.get()).ok()
    }

    /// An object.
    pub(super) fn object(&self, name: &str) -> Option<Fields<'a>> {
        Fields::of(self.raw(name)?)
    }

    /// A list.
    pub(super) fn list(&self, name: &str) -> Option<Vec<&'a RawValue>> {
        list(self.raw(name)?)
    }

    /// How many members there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Reads a list; `None` where `raw` is something else.
pub(super) fn list(raw: &RawValue) -> Option<Vec<&RawValue>> {
    if raw.get().starts_with('[') { serde_json::from_str(raw.get()).ok() } else { None }
}

/// Reads a body as one JSON value.
///
/// # Errors
///
/// It is empty, not UTF-8 or not JSON.
pub(super) fn body(bytes: &[u8]) -> Result<&RawValue, Malformed> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Malformed::new("the body is empty"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Malformed::new(format!("the body is not UTF-8 from byte {} on", error.valid_up_to()))
    })?;
    serde_json::from_str(text.trim())
        .map_err(|error| Malformed::new(format!("the body is not JSON: {error}")))
}
