//! What an importer makes of one operation, before it is a file.

use std::collections::BTreeSet;

use secrecy::SecretString;
use serde_json::{Map, Value, json};

/// An action to be.
#[derive(Clone, Debug, Default)]
pub(super) struct ActionDraft {
    /// Where in the source it comes from.
    pub(super) place: String,
    pub(super) name: String,
    pub(super) description: String,
    /// Name of a connection of the bundle.
    pub(super) connection: String,
    /// Name of a connector of the bundle; `None` sends no credentials.
    pub(super) auth: Option<String>,
    pub(super) method: String,
    /// A template that starts with `/`, or empty.
    pub(super) path: String,
    pub(super) parameters: ParametersDraft,
    pub(super) bind: Map<String, Value>,
    pub(super) query: Map<String, Value>,
    pub(super) headers: Map<String, Value>,
    pub(super) body: BodyDraft,
    pub(super) content_type: Option<String>,
    pub(super) timeout_ms: Option<u64>,
    pub(super) output_variables: Vec<Value>,
    /// What a 2xx answer must be, where the source tells failures in the body.
    pub(super) success_when: Option<String>,
    /// `speech`; texts are templates.
    pub(super) speech: Map<String, Value>,
    /// Whether the model says something of its own before a call.
    pub(super) say: bool,
}

/// What an action sends as body.
#[derive(Clone, Debug, Default)]
pub(super) enum BodyDraft {
    /// Every parameter that nothing else places, by the rules of the method.
    #[default]
    Flat,
    /// A template.
    Template(String),
    /// Fields of `application/x-www-form-urlencoded`; texts are templates.
    Form(Map<String, Value>),
    /// Parts of `multipart/form-data`: `{value, filename, content_type}`.
    Multipart(Map<String, Value>),
}

/// The parameters of an action: an object schema in parts.
#[derive(Clone, Debug, Default)]
pub(super) struct ParametersDraft {
    pub(super) properties: Map<String, Value>,
    pub(super) required: Vec<String>,
    pub(super) defs: Map<String, Value>,
}

impl ParametersDraft {
    pub(super) fn add(&mut self, name: &str, schema: Value, required: bool) {
        self.properties.insert(name.to_owned(), schema);
        if required && !self.required.iter().any(|known| known == name) {
            self.required.push(name.to_owned());
        }
    }

    /// The JSON Schema; `None` where there is no parameter.
    pub(super) fn schema(&self) -> Option<Value> {
        if self.properties.is_empty() {
            return None;
        }
        let mut schema = json!({"type": "object", "properties": self.properties});
        if !self.required.is_empty() {
            schema["required"] = json!(self.required);
        }
        if !self.defs.is_empty() {
            schema["$defs"] = Value::Object(self.defs.clone());
        }
        Some(schema)
    }
}

impl ActionDraft {
    /// The definition, as its file will say it; `of_connection` is the
    /// connector that the connection names.
    pub(super) fn definition(&self, of_connection: Option<&str>) -> Map<String, Value> {
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| {
            map.insert(key.to_owned(), value);
        };
        put("description", json!(self.description));
        put("connection", json!(self.connection));
        if self.auth.as_deref() != of_connection {
            put("auth", json!(self.auth.as_deref().unwrap_or("none")));
        }
        if self.method != "GET" {
            put("method", json!(self.method));
        }
        if !self.path.is_empty() {
            put("path", json!(self.path));
        }
        if let Some(schema) = self.parameters.schema() {
            put("parameters", schema);
        }
        for (key, map) in [("bind", &self.bind), ("query", &self.query), ("headers", &self.headers)] {
            if !map.is_empty() {
                put(key, Value::Object(map.clone()));
            }
        }
        if let Some(content_type) = &self.content_type {
            put("content_type", json!(content_type));
        }
        match &self.body {
            BodyDraft::Flat => {}
            BodyDraft::Template(template) => put("body", json!(template)),
            BodyDraft::Form(fields) => put("form", Value::Object(fields.clone())),
            BodyDraft::Multipart(parts) => put("multipart", Value::Object(parts.clone())),
        }
        if let Some(timeout) = self.timeout_ms {
            put("timeout_ms", json!(timeout));
        }
        if let Some(success) = &self.success_when {
            put("success_when", json!(success));
        }
        if !self.output_variables.is_empty() {
            put("output_variables", Value::Array(self.output_variables.clone()));
        }
        if !self.speech.is_empty() {
            put("speech", Value::Object(self.speech.clone()));
        }
        if self.say {
            put("say", json!(true));
        }
        map
    }
}

/// A connection to be.
#[derive(Clone, Debug)]
pub(super) struct ConnectionDraft {
    pub(super) name: String,
    pub(super) base_url: String,
    /// Base URLs by environment, where they differ.
    pub(super) environments: Vec<(String, String)>,
    /// The project has it already; it is not written.
    pub(super) is_there: bool,
    /// The connector that the project's file names.
    pub(super) auth: Option<String>,
    /// The headers that the project's file adds.
    pub(super) headers: Vec<String>,
    /// It is there and nobody's: it is not used.
    pub(super) is_sample: bool,
}

/// An auth connector to be: its keys, in which secrets stand as `{secret: name}`.
#[derive(Clone, Debug)]
pub(super) struct AuthDraft {
    pub(super) name: String,
    pub(super) keys: Map<String, Value>,
    /// Hosts, with their ports, that get it.
    pub(super) hosts: BTreeSet<String>,
    pub(super) is_there: bool,
}

/// A secret to be.
#[derive(Clone, Debug)]
pub(super) struct SecretDraft {
    pub(super) name: String,
    /// `None` where the source holds no value.
    pub(super) value: Option<SecretString>,
}
