//! Parameters of the path, the query, headers and cookies.

use serde_json::{Map, Value, json};

use crate::describe;
use crate::json::text;
use crate::placeholder::{self, escaped};
use crate::request::{Refusal, connector_keys, is_idempotency_key};
use callgate_action::is_transport_header;
use callgate_action::secret_like;

use super::authorization::{Authorization, WHOLE_VALUE, fill};
use super::nullable::without_null;
use super::operation::{Operation, Shape, shape};

/// Headers that OpenAPI itself takes out of `parameters` (3.0.3, Parameter Object).
const IGNORED: &[&str] = &["accept", "content-type", "authorization"];
/// What a value of a cookie may be (RFC 6265 section 4.1.1, cookie-octet).
const COOKIE_VALUE: &str = "^[!#-+\\--:<-\\[\\]-~]*$";

/// A parameter, read.
struct Parameter<'v> {
    wire: String,
    is_required: bool,
    schema: Value,
    style: &'v str,
    explodes: bool,
    /// It has a media type: its value is one JSON text.
    is_json: bool,
}

impl<'v> Operation<'_, 'v, '_> {
    pub(super) fn parameters(&mut self, operation: &'v Value, item: &'v Value) -> Result<(), Refusal> {
        let list = |value: &'v Value| {
            value.get("parameters").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
        };
        let mut found: Vec<(&str, &str, &'v Value)> = Vec::new();
        for parameter in list(item).iter().chain(list(operation)) {
            let parameter = self.document.resolve(parameter)?;
            let (name, place) = (text(parameter, "name"), text(parameter, "in"));
            // Those of the operation win.
            found.retain(|(known, at, _)| (*known, *at) != (name, place));
            found.push((name, place, parameter));
        }
        let order = ["path", "query", "header", "cookie"];
        let mut in_path = Map::new();
        let mut cookies = Vec::new();
        for wanted in order {
            for (name, place, parameter) in found.iter().filter(|(_, place, _)| *place == wanted) {
                if name.is_empty() {
                    self.lossy("parameter", format!("a {place} parameter without a name is left out"), "");
                    continue;
                }
                if self.is_key(place, name) || *place == "header" && self.is_ours(name, parameter) {
                    continue;
                }
                let parameter = self.read(name, place, parameter)?;
                match *place {
                    "path" => {
                        if let Some(template) = self.in_path(parameter)? {
                            in_path.insert((*name).to_owned(), json!(template));
                        }
                    }
                    "query" => self.in_query(parameter)?,
                    "header" => self.in_header(parameter)?,
                    _ => cookies.extend(self.in_cookie(parameter)?),
                }
            }
        }
        if !cookies.is_empty() {
            self.draft.headers.insert("Cookie".to_owned(), json!(cookies.join("; ")));
        }
        for (name, place, _) in found.iter().filter(|(_, place, _)| !order.contains(place)) {
            self.lossy(
                "parameter",
                format!("`{}` stands in `{}`, which is not known", short(name), short(place)),
                "",
            );
        }
        self.write_path(&in_path);
        Ok(())
    }

    fn read(&mut self, name: &str, place: &'v str, parameter: &'v Value) -> Result<Parameter<'v>, Refusal> {
        let content =
            parameter.get("content").and_then(Value::as_object).and_then(|content| content.values().next());
        let source = parameter.get("schema").or_else(|| content?.get("schema"));
        let mut schema = match source {
            Some(schema) => self.convert(schema)?,
            None => json!({"type": "string"}),
        };
        let is_json = parameter.get("schema").is_none() && content.is_some();
        if !is_json {
            schema = without_null(schema);
        }
        if let Value::Object(map) = &mut schema {
            let own = describe::bounded(text(parameter, "description"), 300);
            if !own.is_empty() {
                // The default that the schema's own description tells is kept.
                let default = map
                    .get("description")
                    .and_then(Value::as_str)
                    .and_then(|known| known.rfind("Default: ").map(|at| known[at..].to_owned()));
                let has_default = own.to_lowercase().contains("default");
                let described = match default.filter(|_| !has_default) {
                    Some(default) => format!("{own} {default}"),
                    None => own,
                };
                map.insert("description".to_owned(), json!(described));
            }
            let example = parameter.get("example").filter(|example| {
                example.is_number()
                    || example
                        .as_str()
                        .is_some_and(|text| text.len() <= 120 && !secret_like::is_secret_value(text))
            });
            if let Some(example) = example {
                map.insert("examples".to_owned(), json!([example]));
            }
        }
        let style = match text(parameter, "style") {
            "" if place == "query" || place == "cookie" => "form",
            "" => "simple",
            style => style,
        };
        if parameter.get("allowReserved") == Some(&Value::Bool(true)) {
            self.lossy(
                "allow_reserved",
                format!("`{}` may hold reserved characters, which are always percent-encoded", short(name)),
                "",
            );
        }
        Ok(Parameter {
            wire: name.to_owned(),
            is_required: place == "path" || parameter.get("required") == Some(&Value::Bool(true)),
            schema,
            style,
            explodes: parameter.get("explode").and_then(Value::as_bool).unwrap_or(style == "form"),
            is_json,
        })
    }

    /// Whether a security scheme of the operation says the same.
    fn is_key(&self, place: &str, name: &str) -> bool {
        self.keys.iter().any(|(at, key)| {
            *at == place && if place == "header" { key.eq_ignore_ascii_case(name) } else { *key == name }
        })
    }

    /// Headers that are set without the model: by the transport, or a secret.
    fn is_ours(&mut self, name: &str, parameter: &Value) -> bool {
        let lower = name.to_ascii_lowercase();
        if lower == "authorization" && !self.has_credentials {
            self.authorization(parameter);
            return true;
        }
        if IGNORED.contains(&lower.as_str()) || lower == "idempotency-key" {
            return true;
        }
        if is_idempotency_key(&lower) {
            let message =
                format!("the header `{}` is left out: Callgate sends `Idempotency-Key`", short(name));
            self.lossy("idempotency_key", message, "see whether the API takes that header");
            return true;
        }
        if is_transport_header(&lower) || http::HeaderName::try_from(name).is_err() {
            self.lossy("header", format!("the header `{}` cannot be set", short(name)), "");
            return true;
        }
        if secret_like::is_secret_name(name) {
            let wish = format!("{}_{name}", self.draft.connection);
            let secret = self.bundle.secret(&wish, None, "");
            self.draft.headers.insert(name.to_owned(), secret);
            return true;
        }
        false
    }

    /// A header `Authorization` that no security scheme speaks of: OpenAPI ignores it, and the
    /// upstream does not.
    fn authorization(&mut self, parameter: &Value) {
        let inner = parameter.get("schema").map(|schema| text(schema, "description")).unwrap_or_default();
        let told = Authorization::told_by(&format!("{} {inner}", text(parameter, "description")));
        let wish = format!("{}_authorization", self.draft.connection);
        match told.connector().filter(|_| self.draft.auth.is_none()) {
            Some(mut keys) => {
                fill(&mut keys, &wish, self.bundle);
                self.draft.auth = Some(self.bundle.connector(&wish, keys));
            }
            None => {
                let secret = self.bundle.secret(&wish, None, &told.prefix());
                self.draft.headers.insert("Authorization".to_owned(), secret);
            }
        }
        if told == Authorization::Unknown {
            let message = "the header `Authorization` is a parameter without a security scheme";
            self.todo("authorization", message, WHOLE_VALUE);
        }
    }

    fn shape(&self, schema: &Value) -> Shape {
        shape(schema, &self.draft.parameters.defs)
    }

    fn in_path(&mut self, parameter: Parameter<'v>) -> Result<Option<String>, Refusal> {
        if !self.path.contains(&format!("{{{}}}", parameter.wire)) {
            self.lossy(
                "parameter",
                format!("the path parameter `{}` does not stand in the path", short(&parameter.wire)),
                "",
            );
            return Ok(None);
        }
        if parameter.style != "simple" {
            return Err(Refusal(
                "parameter_style",
                format!(
                    "the path parameter `{}` has the style `{}`",
                    short(&parameter.wire),
                    short(parameter.style)
                ),
                "only `simple` can be written",
            ));
        }
        let schema = match self.shape(&parameter.schema) {
            Shape::Scalar => parameter.schema,
            Shape::List => self.joined(&parameter.wire, &parameter.schema, ",", "commas"),
            Shape::Object | Shape::Other => {
                return Err(Refusal(
                    "parameter_shape",
                    format!("the path parameter `{}` is an object", short(&parameter.wire)),
                    "only texts, numbers and lists can be written",
                ));
            }
        };
        let name = self.declare(&parameter.wire, "path", schema, true);
        Ok(Some(placeholder::parameter(&[&name])))
    }

    fn write_path(&mut self, in_path: &Map<String, Value>) {
        let mut template = String::new();
        let mut rest = self.path;
        while let Some(open) = rest.find('{') {
            template.push_str(&escaped(&rest[..open]));
            let Some(close) = rest[open..].find('}').map(|close| close + open) else { break };
            let wire = &rest[open + 1..close];
            rest = &rest[close + 1..];
            match in_path.get(wire).and_then(Value::as_str) {
                Some(placed) => template.push_str(placed),
                None => {
                    self.lossy(
                        "parameter",
                        format!("`{{{}}}` of the path is not declared; it is a text", short(wire)),
                        "",
                    );
                    let schema = json!({"type": "string", "description": crate::infer::sentence(wire)});
                    let name = self.declare(wire, "path", schema, true);
                    template.push_str(&placeholder::parameter(&[&name]));
                }
            }
        }
        template.push_str(&escaped(rest));
        self.draft.path = template;
    }

    fn in_query(&mut self, mut parameter: Parameter<'v>) -> Result<(), Refusal> {
        if parameter.style == "deepObject" {
            self.narrow(&mut parameter.schema);
        }
        let folded = parameter.wire.to_ascii_lowercase().replace('-', "_");
        if ["api_key", "apikey", "access_token"].contains(&folded.as_str()) && self.draft.auth.is_none() {
            let wish = format!("{}_{}", self.draft.connection, parameter.wire);
            let key = self.bundle.secret(&wish, None, "");
            let keys = connector_keys(&[
                ("type", json!("api_key")),
                ("in", json!("query")),
                ("key_name", json!(parameter.wire)),
                ("key", key),
            ]);
            self.draft.auth = Some(self.bundle.connector(&wish, keys));
            return Ok(());
        }
        let shape = if parameter.is_json { Shape::Scalar } else { self.shape(&parameter.schema) };
        match shape {
            Shape::Scalar => self.query_value(&parameter.wire, parameter.schema, parameter.is_required),
            Shape::List => {
                let (separator, word) = match (parameter.style, parameter.explodes) {
                    ("deepObject", _) => {
                        let wire = format!("{}[]", parameter.wire);
                        self.query_value(&wire, parameter.schema, parameter.is_required);
                        return Ok(());
                    }
                    ("spaceDelimited", _) => (" ", "blanks"),
                    ("pipeDelimited", _) => ("|", "vertical bars"),
                    ("form", false) => (",", "commas"),
                    _ => {
                        self.query_value(&parameter.wire, parameter.schema, parameter.is_required);
                        return Ok(());
                    }
                };
                let schema = self.joined(&parameter.wire, &parameter.schema, separator, word);
                self.query_value(&parameter.wire, schema, parameter.is_required);
            }
            Shape::Object if parameter.style == "deepObject" || parameter.explodes => {
                let brackets = parameter.style == "deepObject";
                self.query_object(parameter, brackets)?;
            }
            Shape::Object | Shape::Other => {
                let message = format!(
                    "the query parameter `{}` is an object or a list that a query of the style `{}` cannot hold",
                    short(&parameter.wire),
                    short(parameter.style)
                );
                if parameter.is_required {
                    return Err(Refusal("parameter_shape", message, "write this action by hand"));
                }
                self.lossy("parameter_shape", format!("{message}; it is left out"), "");
            }
        }
        Ok(())
    }

    /// A query parameter of one value or a repeated key.
    fn query_value(&mut self, wire: &str, schema: Value, required: bool) {
        let name = self.declare(wire, "query", schema, required);
        if self.has_body || name != wire {
            self.draft.query.insert(wire.to_owned(), json!(placeholder::parameter(&[&name])));
        }
    }

    fn query_object(&mut self, parameter: Parameter<'v>, brackets: bool) -> Result<(), Refusal> {
        let mut schema = parameter.schema;
        let own = crate::names::parameter(&parameter.wire);
        let (leaves, lost) = self.leaves(&mut schema, &parameter.wire, brackets);
        for name in lost {
            self.lossy(
                "parameter_shape",
                format!("`{}` cannot be written in a query; it is left out", short(&name)),
                "",
            );
        }
        if leaves.is_empty() {
            return match parameter.is_required {
                true => Err(Refusal(
                    "parameter_shape",
                    format!("nothing of the query parameter `{}` can be written", short(&parameter.wire)),
                    "write this action by hand",
                )),
                false => Ok(()),
            };
        }
        let name = self.declare(&own, "query", schema, false);
        for (wire, path) in leaves {
            let steps: Vec<&str> =
                std::iter::once(name.as_str()).chain(path.iter().map(String::as_str)).collect();
            self.draft.query.insert(wire, json!(placeholder::parameter(&steps)));
        }
        Ok(())
    }

    /// A list that travels as one text.
    fn joined(&mut self, wire: &str, schema: &Value, separator: &str, word: &str) -> Value {
        let message = format!("the list `{}` is one text with {word} between its values", short(wire));
        self.lossy("joined_list", message, "");
        let mut described = text(schema, "description").to_owned();
        if !described.is_empty() && !described.ends_with(['.', '!', '?', '…']) {
            described.push('.');
        }
        described = format!("{described} Several values are joined by `{separator}`.").trim().to_owned();
        let values = schema.pointer("/items/enum").and_then(Value::as_array);
        let values: Vec<String> = values.into_iter().flatten().map(crate::json::scalar).take(40).collect();
        if !values.is_empty() {
            described.push_str(&format!(" Values: {}.", values.join(", ")));
        }
        json!({"type": "string", "description": described})
    }

    fn in_header(&mut self, parameter: Parameter<'v>) -> Result<(), Refusal> {
        let only = parameter.schema.get("const").or_else(|| {
            match parameter.schema.get("enum").and_then(Value::as_array).map(Vec::as_slice) {
                Some([only]) => Some(only),
                _ => None,
            }
        });
        if let Some(fixed) =
            only.filter(|_| parameter.is_required).map(crate::json::scalar).filter(|fixed| !fixed.is_empty())
        {
            self.draft.headers.insert(parameter.wire, json!(escaped(&fixed)));
            return Ok(());
        }
        let schema = match self.shape(&parameter.schema) {
            Shape::Scalar => parameter.schema,
            Shape::List => self.joined(&parameter.wire, &parameter.schema, ",", "commas"),
            Shape::Object | Shape::Other => {
                let message = format!("the header `{}` is an object", short(&parameter.wire));
                if parameter.is_required {
                    return Err(Refusal("parameter_shape", message, "write this action by hand"));
                }
                self.lossy("parameter_shape", format!("{message}; it is left out"), "");
                return Ok(());
            }
        };
        let name = self.declare(&parameter.wire, "header", schema, parameter.is_required);
        self.draft.headers.insert(parameter.wire, json!(placeholder::parameter(&[&name])));
        Ok(())
    }

    /// `name=value` of a required cookie; an optional one is left out, because
    /// a part of a header cannot be absent.
    fn in_cookie(&mut self, parameter: Parameter<'v>) -> Result<Option<String>, Refusal> {
        if secret_like::is_secret_name(&parameter.wire) && self.draft.auth.is_none() {
            let wish = format!("{}_{}", self.draft.connection, parameter.wire);
            let key = self.bundle.secret(&wish, None, "");
            let keys = connector_keys(&[
                ("type", json!("api_key")),
                ("in", json!("cookie")),
                ("key_name", json!(parameter.wire)),
                ("key", key),
            ]);
            self.draft.auth = Some(self.bundle.connector(&wish, keys));
            return Ok(None);
        }
        let is_name = parameter.wire.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
        let is_plain = is_name
            && self.shape(&parameter.schema) == Shape::Scalar
            && parameter.schema.get("$ref").is_none();
        if !parameter.is_required || !is_plain {
            let message = format!("the cookie `{}` is left out", short(&parameter.wire));
            if parameter.is_required {
                return Err(Refusal("parameter_shape", message, "only texts and numbers can be cookies"));
            }
            self.lossy("cookie", message, "add it to `headers` if calls need it");
            return Ok(None);
        }
        let mut schema = parameter.schema;
        if let Value::Object(map) = &mut schema {
            // A semicolon in a value would begin another cookie.
            let guard = json!({"pattern": COOKIE_VALUE});
            let has_pattern = map.contains_key("pattern");
            match map.get_mut("allOf").and_then(Value::as_array_mut) {
                Some(parts) => parts.push(guard),
                None if has_pattern => {
                    map.insert("allOf".to_owned(), json!([guard]));
                }
                None => {
                    map.insert("pattern".to_owned(), json!(COOKIE_VALUE));
                }
            }
        }
        let wire = parameter.wire;
        let name = self.declare(&wire, "cookie", schema, true);
        Ok(Some(format!("{wire}={}", placeholder::parameter(&[&name]))))
    }
}

fn short(text: &str) -> String {
    crate::placeholder::short(text)
}
