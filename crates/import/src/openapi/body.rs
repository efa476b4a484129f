//! `requestBody` → parameters and where they stand.

use serde_json::{Map, Value, json};

use crate::draft::BodyDraft;
use crate::json::{member_names, text, texts};
use crate::placeholder;
use crate::request::Refusal;

use super::files::is_file;
use super::nullable::without_null;
use super::operation::{Operation, Shape, shape};

/// What kind of text a media type is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Media {
    Json,
    Form,
    Multipart,
    Text,
    Other,
}

/// Keywords of an object whose properties can be parameters of their own.
const FLAT: &[&str] = &[
    "type",
    "properties",
    "required",
    "description",
    "examples",
    "additionalProperties",
    "title",
    "maxProperties",
    "minProperties",
];

/// Keywords of which a schema has one where it says what its values are.
const SAYING: &[&str] = &["type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref"];

impl<'v> Operation<'_, 'v, '_> {
    pub(super) fn body(&mut self, operation: &'v Value) -> Result<(), Refusal> {
        let Some(body) = operation.get("requestBody") else { return Ok(()) };
        let body = self.document.resolve(body)?;
        let is_required = body.get("required") == Some(&Value::Bool(true));
        if matches!(self.draft.method.as_str(), "GET" | "HEAD" | "OPTIONS") {
            let message = format!("a {} request with a body", self.draft.method);
            if is_required {
                return Err(Refusal(
                    "body_not_allowed",
                    message,
                    "ask the API for a POST, or for query parameters",
                ));
            }
            if self.says_something(body)? {
                self.lossy("body_not_allowed", format!("{message}; the body is left out"), "");
            }
            return Ok(());
        }
        let content = body.get("content").and_then(Value::as_object);
        let types = || content.into_iter().flat_map(Map::keys).map(String::as_str);
        let chosen = [Media::Json, Media::Form, Media::Multipart, Media::Text]
            .iter()
            .find_map(|wanted| types().find(|media| kind(media) == *wanted));
        let Some(media) = chosen else {
            if types().next().is_none() {
                return Ok(());
            }
            let list: Vec<&str> = types().take(5).collect();
            let message = format!("the body is {}", crate::placeholder::short(&list.join(", ")));
            if is_required {
                return Err(Refusal(
                    "unsupported_body",
                    message,
                    "bodies are JSON, forms, multipart and plain text",
                ));
            }
            self.lossy("unsupported_body", format!("{message}; it is left out"), "");
            return Ok(());
        };
        let content = content.and_then(|content| content.get(media)).unwrap_or(&Value::Null);
        let schema = match content.get("schema") {
            Some(schema) => self.convert(schema)?,
            None => json!({}),
        };
        match kind(media) {
            Media::Json => self.json(schema, media, is_required),
            Media::Form => self.form(schema, content, is_required),
            Media::Multipart => self.multipart(schema, content, is_required),
            Media::Text | Media::Other => {
                self.text(schema, media, is_required);
                Ok(())
            }
        }
    }

    /// Whether a body has anything in it: some generators describe empty ones.
    fn says_something(&self, body: &'v Value) -> Result<bool, Refusal> {
        let content = body.get("content").and_then(Value::as_object);
        for media in content.into_iter().flat_map(Map::values) {
            let Some(schema) = media.get("schema") else { continue };
            let schema = self.document.resolve(schema)?;
            let is_empty = schema.get("properties").and_then(Value::as_object).is_some_and(Map::is_empty);
            if !is_empty {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Declares the properties of `schema`, which keep their names.
    fn flatten(&mut self, schema: &Value) {
        let required: Vec<&str> = texts(schema, "required").collect();
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            self.taken.insert(name);
            self.draft.parameters.add(name, property.clone(), required.contains(&name.as_str()));
        }
    }

    /// Whether a property of `schema` has the name of a query parameter.
    fn meets_query(&self, schema: &Value) -> bool {
        let properties = schema.get("properties").and_then(Value::as_object);
        properties.into_iter().flat_map(Map::keys).any(|name| self.in_query.contains(&name.as_str()))
    }

    fn tell_open(&mut self, schema: &Value) {
        let open = schema.get("additionalProperties").is_some_and(|value| *value != Value::Bool(false));
        if open {
            self.lossy("free_form", "the body may have further properties, which cannot be sent", "");
        }
    }

    fn json(&mut self, schema: Value, media: &str, is_required: bool) -> Result<(), Refusal> {
        let essence = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if essence != "application/json" && !essence.contains('*') {
            self.draft.content_type = Some(essence);
        }
        let is_flat =
            schema.as_object().is_some_and(|map| map.keys().all(|key| FLAT.contains(&key.as_str())))
                && schema.get("type").is_none_or(|kind| kind == "object")
                && schema
                    .get("properties")
                    .and_then(Value::as_object)
                    .is_some_and(|properties| !properties.is_empty());
        if is_flat && self.draft.method != "DELETE" && !self.meets_query(&schema) {
            self.tell_open(&schema);
            self.flatten(&schema);
            return Ok(());
        }
        let only_answers = schema.get("properties").and_then(Value::as_object).is_some_and(Map::is_empty)
            && schema.get("additionalProperties").is_none_or(|value| *value == Value::Bool(false));
        if only_answers {
            return Ok(());
        }
        // A list, a choice or a free form: one parameter that is the whole body.
        let is_list = schema.get("type") == Some(&json!("array"));
        let is_scalar = schema.as_object().is_some_and(|map| SAYING.iter().any(|key| map.contains_key(*key)))
            && shape(&schema, &self.draft.parameters.defs) == Shape::Scalar;
        if is_scalar && !is_required {
            // There is no text that says nothing and is JSON.
            let message = "the body may be absent upstream and is required here, because it is no object";
            self.lossy("required", message, "");
        }
        let is_required = is_required || is_scalar;
        let name = self.whole(schema, is_required);
        let placed = placeholder::parameter(&[&name]);
        let template = match is_required {
            true => placed,
            false => {
                let empty = if is_list { "[]" } else { "{}" };
                format!("{{{{if ne .parameters.{name} nil}}}}{placed}{{{{else}}}}{empty}{{{{end}}}}")
            }
        };
        self.draft.body = BodyDraft::Template(template);
        Ok(())
    }

    /// Declares the parameter `body`.
    fn whole(&mut self, mut schema: Value, is_required: bool) -> String {
        if let Value::Object(map) = &mut schema {
            map.entry("description").or_insert_with(|| json!("The whole body of the request."));
        }
        let name = self.taken.unique("body", 64);
        self.draft.parameters.add(&name, schema, is_required);
        name
    }

    fn text(&mut self, mut schema: Value, media: &str, is_required: bool) {
        if let Value::Object(map) = &mut schema {
            map.insert("type".to_owned(), json!("string"));
            map.shift_remove("contentEncoding");
        }
        let name = self.whole(schema, is_required);
        self.draft.content_type = Some(media.to_owned());
        let placed = placeholder::parameter(&[&name]);
        self.draft.body = BodyDraft::Template(match is_required {
            true => placed,
            false => format!("{{{{if .parameters.{name}}}}}{placed}{{{{end}}}}"),
        });
    }

    fn form(&mut self, mut schema: Value, content: &'v Value, is_required: bool) -> Result<(), Refusal> {
        self.object_only(&schema, is_required)?;
        self.without_files(&mut schema, content)?;
        self.without_nulls(&mut schema);
        let mut fields: Map<String, Value> = Map::new();
        let mut is_flat = self.draft.method != "DELETE" && !self.meets_query(&schema);
        let required: Vec<String> = required_of(&schema);
        for name in member_names(&schema, "properties") {
            let Some(property) = schema.get_mut("properties").and_then(|own| own.get_mut(&name)) else {
                continue;
            };
            let encoding = content.get("encoding").and_then(|encoding| encoding.get(&name));
            let is_deep = encoding.is_some_and(|encoding| text(encoding, "style") == "deepObject");
            let is_json = encoding.is_some_and(|encoding| text(encoding, "contentType").contains("json"));
            let mut own = property.take();
            let found = shape(&own, &self.draft.parameters.defs);
            if found == Shape::Scalar || is_json || (found == Shape::List && !is_deep) {
                fields.insert(name.clone(), json!(placeholder::parameter(&[&name])));
                *property = own;
                continue;
            }
            if found == Shape::List {
                is_flat = false;
                fields.insert(format!("{name}[]"), json!(placeholder::parameter(&[&name])));
                *property = own;
                continue;
            }
            // Objects are written key by key, as `a[b]`, which every server reads that reads objects in forms.
            let (leaves, lost) = self.leaves(&mut own, &name, true);
            let is_needed = required.contains(&name);
            if leaves.is_empty() {
                if is_needed {
                    let message = format!(
                        "the required form field `{}` cannot be written as text",
                        crate::placeholder::short(&name)
                    );
                    return Err(Refusal("parameter_shape", message, "write this action by hand"));
                }
                if let Some(map) = schema.pointer_mut("/properties").and_then(Value::as_object_mut) {
                    map.shift_remove(&name);
                }
                self.lossy(
                    "parameter_shape",
                    format!(
                        "the form field `{}` cannot be written as text; it is left out",
                        crate::placeholder::short(&name)
                    ),
                    "",
                );
                continue;
            }
            for lost in lost {
                self.lossy(
                    "parameter_shape",
                    format!(
                        "the form field `{}` cannot be written as text; it is left out",
                        crate::placeholder::short(&lost)
                    ),
                    "",
                );
            }
            is_flat = false;
            for (wire, path) in leaves {
                let steps: Vec<&str> =
                    std::iter::once(name.as_str()).chain(path.iter().map(String::as_str)).collect();
                fields.insert(wire, json!(placeholder::parameter(&steps)));
            }
            *property = own;
            if is_needed {
                // What is inside may be absent only where the whole may be.
                if let Some(list) = schema.get_mut("required").and_then(Value::as_array_mut) {
                    list.retain(|required| required != &json!(name));
                }
                self.lossy(
                    "loosened",
                    format!(
                        "`{}` is required upstream and optional here, because parts of it are",
                        crate::placeholder::short(&name)
                    ),
                    "",
                );
            }
        }
        self.tell_open(&schema);
        self.flatten(&schema);
        if is_flat {
            self.draft.content_type = Some("application/x-www-form-urlencoded".to_owned());
        } else {
            self.draft.body = BodyDraft::Form(fields);
        }
        Ok(())
    }

    fn multipart(&mut self, mut schema: Value, content: &'v Value, is_required: bool) -> Result<(), Refusal> {
        self.object_only(&schema, is_required)?;
        self.without_files(&mut schema, content)?;
        self.without_nulls(&mut schema);
        self.tell_open(&schema);
        self.flatten(&schema);
        if self.draft.method == "DELETE" || self.meets_query(&schema) {
            let parts = self
                .draft
                .parameters
                .properties
                .keys()
                .map(|name| (name.clone(), json!({"value": placeholder::parameter(&[name])})));
            self.draft.body = BodyDraft::Multipart(parts.collect());
        } else {
            self.draft.content_type = Some("multipart/form-data".to_owned());
        }
        Ok(())
    }

    /// Takes the files out of a form; refuses it where one is required.
    fn without_files(&mut self, schema: &mut Value, content: &'v Value) -> Result<(), Refusal> {
        let (Some(source), encoding) = (content.get("schema"), content.get("encoding")) else {
            return Ok(());
        };
        let required = required_of(schema);
        for name in member_names(schema, "properties") {
            if !is_file(self.document, source, encoding, &name) {
                continue;
            }
            let message = format!(
                "the part `{}` is a file, which a model on the phone does not have",
                crate::placeholder::short(&name)
            );
            if required.contains(&name) {
                return Err(Refusal("file_upload", message, "upload files outside of calls"));
            }
            self.lossy("file_upload", format!("{message}; it is left out"), "");
            if let Some(map) = schema.get_mut("properties").and_then(Value::as_object_mut) {
                map.shift_remove(&name);
            }
        }
        Ok(())
    }

    /// A field of a form is there or not: it has no null.
    fn without_nulls(&self, schema: &mut Value) {
        let required = required_of(schema);
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        for (name, property) in properties.into_iter().flatten() {
            if !required.contains(name) {
                *property = without_null(property.take());
            }
        }
    }

    /// Forms are made of properties.
    fn object_only(&mut self, schema: &Value, is_required: bool) -> Result<(), Refusal> {
        let is_object = schema.get("properties").and_then(Value::as_object).is_some()
            && schema.as_object().is_some_and(|map| map.keys().all(|key| FLAT.contains(&key.as_str())));
        if !is_object && is_required {
            return Err(Refusal(
                "unsupported_body",
                "the form has no fixed fields".to_owned(),
                "write this action by hand, with `form`",
            ));
        }
        if !is_object
            && schema.as_object().is_some_and(|map| !map.is_empty())
            && schema.get("type") != Some(&json!("object"))
        {
            self.lossy("unsupported_body", "the form has no fixed fields; it is left out", "write `form`");
        }
        Ok(())
    }
}

fn required_of(schema: &Value) -> Vec<String> {
    texts(schema, "required").map(str::to_owned).collect()
}

fn kind(media: &str) -> Media {
    let essence = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/json" | "text/json" | "*/*" | "application/*" => Media::Json,
        _ if essence.ends_with("+json") => Media::Json,
        "application/x-www-form-urlencoded" => Media::Form,
        "multipart/form-data" => Media::Multipart,
        "text/plain" | "text/markdown" | "text/x-markdown" | "text/csv" => Media::Text,
        _ => Media::Other,
    }
}
