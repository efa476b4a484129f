//! The body of a plain request: examples become parameters, placeholders a template.

use serde_json::{Map, Value, json};

use crate::draft::BodyDraft;
use crate::{infer, placeholder};
use callgate_action::secret_like;

use super::graphql;
use super::{Graphql, Lowering, PlainBody, PlainPart, Refusal};

impl Lowering<'_, '_, '_> {
    pub(super) fn bodied(&mut self) -> Result<(), Refusal> {
        if let Some(template) = &self.request.template {
            self.draft.body = BodyDraft::Template(template.clone());
            return Ok(());
        }
        let no_body = matches!(self.draft.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        if no_body && !self.request.body.is_empty() {
            let message = format!("a {} request with a body is not sent", self.draft.method);
            return Err(Refusal("body_not_allowed", message, "use POST, or move the values into the query"));
        }
        match &self.request.body {
            body if no_body && body.is_empty() => Ok(()),
            PlainBody::Flat => Ok(()),
            // A body without a part is none.
            PlainBody::Multipart(parts) if parts.is_empty() => Ok(()),
            PlainBody::Json(text) => self.json_body(text),
            PlainBody::Form(pairs) => self.form_body(pairs),
            PlainBody::Multipart(parts) => self.multipart_body(parts),
            PlainBody::Graphql(request) => self.graphql_body(request),
            PlainBody::Text(text) => {
                let template = match graphql::is_graphql(text) {
                    true => self.graphql_text(text, "body", false)?,
                    false => self.convert(text, "body", false)?.template,
                };
                self.draft.body = BodyDraft::Template(template);
                Ok(())
            }
        }
    }

    fn json_body(&mut self, text: &str) -> Result<(), Refusal> {
        match Graphql::of_json(text).filter(|_| self.request.infers) {
            Some(request) => self.graphql_body(&request),
            None => self.example_body(text),
        }
    }

    /// JSON whose members are parameters, unless it has placeholders of its own.
    pub(super) fn example_body(&mut self, text: &str) -> Result<(), Refusal> {
        let converted = self.members(text, "body")?;
        let example = serde_json::from_str::<Value>(text).ok();
        if converted.is_template || !self.request.infers || example.is_none() {
            let pretty = if converted.template.ends_with('\n') {
                converted.template
            } else {
                format!("{}\n", converted.template)
            };
            self.draft.body = BodyDraft::Template(pretty);
            return Ok(());
        }
        let example = example.unwrap_or_default();
        let mut found = Vec::new();
        infer::secrets("", &example, &mut found);
        for name in &found {
            self.note_secret(&format!("`{name}` of the body"));
        }
        match example {
            Value::Object(members) if !members.is_empty() => {
                let mut fields = Vec::new();
                for (wire, value) in &members {
                    let declared = self.taken.unique(wire, 200);
                    self.draft.parameters.add(&declared, infer::schema(wire, value), true);
                    fields.push(format!("{}: {}", json!(wire), placeholder::parameter(&[&declared])));
                }
                if self.draft.method == "DELETE" || members.keys().any(|name| self.in_query.contains(name)) {
                    self.draft.body = BodyDraft::Template(
                        format!("{{{}}}\n", fields.join(", ")).replacen("{{{", "{ {{", 1),
                    );
                }
            }
            Value::Object(_) => {}
            other => {
                let name = self.parameter("body", infer::schema("body", &other));
                self.draft.body = BodyDraft::Template(placeholder::parameter(&[&name]));
            }
        }
        Ok(())
    }

    fn form_body(&mut self, pairs: &[(String, String)]) -> Result<(), Refusal> {
        let mut form = Map::new();
        let mut flat = true;
        for (wire, text) in pairs {
            if form.contains_key(wire) {
                self.note_lossy(
                    "repeated_field",
                    format!("the field `{wire}` is given several times; the first is kept"),
                    "make it a list parameter",
                );
                continue;
            }
            if self.request.infers && graphql::is_graphql(text) {
                flat = false;
                form.insert(wire.clone(), json!(self.graphql_text(text, "body", false)?));
                continue;
            }
            let converted = self.field(text, &format!("form field `{wire}`"))?;
            let field = if converted.is_template {
                flat = false;
                converted.template
            } else if self.request.infers {
                if is_secret(wire, text) {
                    self.note_secret(&format!("the field `{wire}`"));
                }
                let name = self.parameter_like(wire, &infer::value(text));
                flat &= name == *wire;
                placeholder::parameter(&[&name])
            } else {
                flat = false;
                converted.template
            };
            form.insert(wire.clone(), json!(field));
        }
        let meets_query = form.keys().any(|name| self.in_query.contains(name));
        if flat && !meets_query && self.draft.method != "DELETE" {
            self.draft.content_type = Some("application/x-www-form-urlencoded".to_owned());
        } else {
            self.draft.body = BodyDraft::Form(form);
        }
        Ok(())
    }

    fn multipart_body(&mut self, parts: &[PlainPart]) -> Result<(), Refusal> {
        let mut map = Map::new();
        for part in parts {
            let converted = self.field(&part.value, &format!("part `{}`", part.name))?;
            let template = if converted.is_template || !self.request.infers {
                converted.template
            } else {
                if is_secret(&part.name, &part.value) {
                    self.note_secret(&format!("the part `{}`", part.name));
                }
                let name = self.parameter_like(&part.name, &infer::value(&part.value));
                placeholder::parameter(&[&name])
            };
            let mut keys = Map::new();
            keys.insert("value".to_owned(), json!(template));
            if let Some(content_type) = &part.content_type {
                keys.insert("content_type".to_owned(), json!(content_type));
            }
            map.insert(part.name.clone(), Value::Object(keys));
        }
        self.draft.body = BodyDraft::Multipart(map);
        Ok(())
    }

    /// Tells of a secret in an example.
    fn note_secret(&mut self, what: &str) {
        self.note_lossy(
            "secret_in_body",
            format!("{what} looks like a secret; it is a parameter without an example"),
            "secrets travel in headers, query keys, cookies and connectors; bind what the model must not choose",
        );
    }
}

/// Whether a field `name` holds a secret by its name or by its value.
fn is_secret(name: &str, text: &str) -> bool {
    !secret_like::is_stand_in(text)
        && (secret_like::is_secret_member(name, text) || secret_like::holds_secret_value(text))
}
