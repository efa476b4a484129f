//! One operation → one action.

use serde_json::{Map, Value};

use crate::bundle::Bundle;
use crate::describe;
use crate::draft::ActionDraft;
use crate::json::text;
use crate::names::{self, Taken};
use crate::request::Refusal;

use super::document::Document;
use super::nullable;
use super::schema::{self, Converted};
use super::security::Schemes;

/// An operation on its way to an action.
pub(super) struct Operation<'a, 'v, 'o> {
    pub(super) document: &'a Document<'v>,
    pub(super) schemes: &'a Schemes<'v>,
    pub(super) bundle: &'a mut Bundle<'o>,
    pub(super) draft: ActionDraft,
    pub(super) taken: Taken,
    pub(super) path: &'a str,
    /// Whether the body, not the query, takes what nothing else places.
    pub(super) has_body: bool,
    /// Names of the query: a flat body has no members of these names.
    pub(super) in_query: Vec<&'v str>,
    /// Place and name of the keys that are sent as credentials, in whatever
    /// way the document says it again.
    pub(super) keys: Vec<(&'v str, &'v str)>,
    /// Whether its security says what is sent in `Authorization`, or that nothing is.
    pub(super) has_credentials: bool,
}

impl<'a, 'v, 'o> Operation<'a, 'v, 'o> {
    pub(super) fn new(
        document: &'a Document<'v>,
        schemes: &'a Schemes<'v>,
        bundle: &'a mut Bundle<'o>,
        place: &str,
        name: &str,
        method: &str,
        path: &'a str,
    ) -> Self {
        let method = method.to_ascii_uppercase();
        let has_body = matches!(method.as_str(), "POST" | "PUT" | "PATCH");
        let draft =
            ActionDraft { place: place.to_owned(), name: name.to_owned(), method, ..ActionDraft::default() };
        Self {
            document,
            schemes,
            bundle,
            draft,
            taken: Taken::default(),
            path,
            has_body,
            in_query: Vec::new(),
            keys: Vec::new(),
            has_credentials: false,
        }
    }

    /// Makes the action.
    ///
    /// # Errors
    ///
    /// Something that is needed for a call cannot be carried.
    pub(super) fn build(
        mut self,
        operation: &'v Value,
        item: &'v Value,
        connection: String,
    ) -> Result<ActionDraft, Refusal> {
        self.draft.connection = connection;
        self.describe(operation, item);
        let lists =
            [item, operation].into_iter().filter_map(|from| from.get("parameters")?.as_array()).flatten();
        for parameter in lists {
            let parameter = self.document.resolve(parameter)?;
            if text(parameter, "in") == "query" {
                self.in_query.push(text(parameter, "name"));
            }
        }
        self.body(operation)?;
        let credentials = self.schemes.of(operation, self.bundle)?;
        self.has_credentials = credentials.connector.is_some() || !credentials.headers.is_empty();
        if self.has_credentials {
            self.keys = self.schemes.keys(operation);
        }
        self.parameters(operation, item)?;
        if self.draft.auth.is_some() && credentials.connector.is_some() {
            return Err(Refusal(
                "two_credentials",
                "two credentials of which only one can be a connector".to_owned(),
                "send one of them in a header",
            ));
        }
        self.draft.auth = self.draft.auth.take().or(credentials.connector);
        self.draft.headers.extend(credentials.headers);
        Ok(self.draft)
    }

    fn describe(&mut self, operation: &'v Value, item: &'v Value) {
        let texts = |from: &'v Value| (text(from, "summary"), text(from, "description"));
        let (mut summary, mut description) = texts(operation);
        if describe::joined(summary, description).is_empty() {
            (summary, description) = texts(item);
        }
        let mut described = describe::joined(summary, description);
        if describe::is_joined_cut(summary, description) {
            self.bundle.cut.push(self.draft.name.clone());
        }
        if described.is_empty() {
            described = format!(
                "{} {}.",
                self.draft.method,
                self.path.chars().filter(|c| !c.is_control()).take(200).collect::<String>()
            );
            self.todo(
                "no_description",
                "the operation has no description",
                "say what it does and when to use it",
            );
        }
        if operation.get("deprecated") == Some(&Value::Bool(true)) {
            self.todo("deprecated", "the operation is deprecated", "look for its successor");
        }
        self.draft.description = described;
    }

    pub(super) fn lossy(&mut self, code: &'static str, message: impl Into<String>, hint: &str) {
        let (place, name) = (self.draft.place.clone(), self.draft.name.clone());
        self.bundle.lossy(&place, &name, code, message, hint);
    }

    pub(super) fn todo(&mut self, code: &'static str, message: impl Into<String>, hint: &str) {
        let (place, name) = (self.draft.place.clone(), self.draft.name.clone());
        self.bundle.todo(&place, &name, code, message, hint);
    }

    /// A schema of the document, converted; its definitions go to the action's.
    pub(super) fn convert(&mut self, schema: &Value) -> Result<Value, Refusal> {
        let Converted { schema, defs, is_cut } = schema::convert(self.document, schema)?;
        self.define(defs)?;
        if is_cut {
            self.lossy(
                "schema_cut",
                "the schema is too large for a model; its depths are not described",
                "write an action with the few parameters that a call needs",
            );
        }
        Ok(schema)
    }

    fn define(&mut self, defs: Map<String, Value>) -> Result<(), Refusal> {
        for (name, schema) in defs {
            match self.draft.parameters.defs.get(&name) {
                Some(known) if *known != schema => {
                    let message = format!("two schemas are called `{}`", crate::placeholder::short(&name));
                    return Err(Refusal("schema_conflict", message, "rename one of them"));
                }
                _ => {
                    self.draft.parameters.defs.insert(name, schema);
                }
            }
        }
        Ok(())
    }

    /// Declares a parameter that a template places; gives its name, which is
    /// another one where the name of the source is taken or cannot be said.
    pub(super) fn declare(&mut self, wire: &str, place: &str, schema: Value, required: bool) -> String {
        let own = names::parameter(wire);
        let name = if self.taken.contains(&own) {
            self.taken.unique(&format!("{own}_in_{place}"), 64)
        } else {
            self.taken.unique(&own, 64)
        };
        if name != own {
            let message = format!(
                "the {place} parameter `{}` is called `{name}`, because another one has its name",
                crate::placeholder::short(wire)
            );
            self.lossy("renamed", message, "");
        }
        self.draft.parameters.add(&name, schema, required);
        name
    }
}

/// What a value of a converted schema is, for those who have to write it as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Scalar,
    /// A list of scalars.
    List,
    /// An object whose properties are known.
    Object,
    /// Anything else.
    Other,
}

/// The shape of `schema`; `defs` are what its references lead to.
pub(super) fn shape(schema: &Value, defs: &Map<String, Value>) -> Shape {
    shape_within(schema, defs, 0)
}

fn shape_within(schema: &Value, defs: &Map<String, Value>, depth: usize) -> Shape {
    let is_deep = depth > 8;
    if let Some(name) =
        schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix("#/$defs/"))
    {
        return match defs.get(name) {
            Some(schema) if !is_deep => shape_within(schema, defs, depth + 1),
            _ => Shape::Other,
        };
    }
    for keyword in ["anyOf", "oneOf", "allOf"] {
        if let Some(branches) =
            schema.get(keyword).and_then(Value::as_array).filter(|_| schema.get("type").is_none())
        {
            let mut shapes = branches
                .iter()
                .filter(|branch| !nullable::is_null(branch))
                .map(|branch| if is_deep { Shape::Other } else { shape_within(branch, defs, depth + 1) });
            let first = shapes.next();
            let is_only = shapes.next().map(|second| matches!(second, Shape::Scalar | Shape::List));
            return match (first, is_only) {
                (Some(only), None) => only,
                (Some(Shape::Scalar | Shape::List), Some(true))
                    if shapes.all(|shape| matches!(shape, Shape::Scalar | Shape::List)) =>
                {
                    Shape::Scalar
                }
                _ => Shape::Other,
            };
        }
    }
    let kinds: Vec<&str> = match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect()
        }
        _ if schema.get("properties").is_some() => vec!["object"],
        _ if schema.get("items").is_some() => vec!["array"],
        _ if schema.get("enum").is_some() || schema.get("const").is_some() => return Shape::Scalar,
        // Nothing is said: most likely a text.
        _ => return Shape::Scalar,
    };
    match kinds.as_slice() {
        ["array"] => match schema.get("items") {
            Some(items) if !is_deep && shape_within(items, defs, depth + 1) == Shape::Scalar => Shape::List,
            None => Shape::List,
            _ => Shape::Other,
        },
        ["object"] => match schema.get("properties").and_then(Value::as_object) {
            Some(properties) if !properties.is_empty() => Shape::Object,
            _ => Shape::Other,
        },
        kinds if kinds.iter().all(|kind| matches!(*kind, "string" | "number" | "integer" | "boolean")) => {
            Shape::Scalar
        }
        _ => Shape::Other,
    }
}
