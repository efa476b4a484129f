//! Parts of forms that are files, which a model on the phone does not have.

use serde_json::Value;

use crate::json::text;

use super::document::Document;

/// Deepest schema that is looked into.
const MAX_DEPTH: usize = 8;

/// Whether the form field `name` of `schema` is a file, or a list of files; `encoding` is what the
/// body says of its parts.
pub(super) fn is_file(document: &Document<'_>, schema: &Value, encoding: Option<&Value>, name: &str) -> bool {
    let media = encoding.and_then(|encoding| encoding.get(name)).map(|of| text(of, "contentType"));
    media.is_some_and(|media| media.split(',').all(is_binary))
        || property(document, schema, name, 0).is_some_and(|property| holds_file(document, property, 0))
}

/// The schema of the property `name`, also of one in `allOf`.
fn property<'v>(document: &Document<'v>, schema: &'v Value, name: &str, depth: usize) -> Option<&'v Value> {
    let schema = document.resolve(schema).ok().filter(|_| depth < MAX_DEPTH)?;
    schema.get("properties").and_then(|properties| properties.get(name)).or_else(|| {
        let parts = schema.get("allOf").and_then(Value::as_array).into_iter().flatten();
        parts.into_iter().find_map(|part| property(document, part, name, depth + 1))
    })
}

fn holds_file<'v>(document: &Document<'v>, schema: &'v Value, depth: usize) -> bool {
    let Some(schema) = document.resolve(schema).ok().filter(|_| depth < MAX_DEPTH) else { return false };
    let is_text = schema.get("contentEncoding").is_some();
    if text(schema, "format") == "binary"
        || text(schema, "type") == "file"
        || !is_text && is_binary(text(schema, "contentMediaType"))
    {
        return true;
    }
    let branches =
        |keyword: &str| schema.get(keyword).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let inner = |schema: &'v Value| holds_file(document, schema, depth + 1);
    // A choice between a file and a text leaves the text.
    let is_choice_of_files = |keyword: &str| {
        let mut values =
            branches(keyword).iter().filter(|branch| !super::nullable::is_null(branch)).peekable();
        values.peek().is_some() && values.all(inner)
    };
    schema.get("items").is_some_and(inner)
        || branches("allOf").iter().any(inner)
        || is_choice_of_files("anyOf")
        || is_choice_of_files("oneOf")
}

/// Whether values of this media type are no text.
fn is_binary(media: &str) -> bool {
    const BEGINNINGS: &[&str] = &[
        "image/",
        "audio/",
        "video/",
        "font/",
        "application/octet-stream",
        "application/pdf",
        "application/zip",
        "application/gzip",
        "application/msword",
        "application/vnd.ms-",
        "application/vnd.openxmlformats",
    ];
    let media = media.trim().to_ascii_lowercase();
    BEGINNINGS.iter().any(|beginning| media.starts_with(beginning)) && !media.starts_with("image/svg")
}
