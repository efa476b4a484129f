//! The JSON Schemas of the files, made from the Rust types, and the problems
//! they find. An editor that reads `schemas/*.json` says the same as
//! `callgate check`.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, json_schema};
use serde_json::Value;

use super::document::Document;
use super::problem::Problem;
use super::{ActionDefinition, AgentDefinition, AuthDefinition, ConnectionDefinition};
use callgate_text::{closest, push_token, unescape_token};

/// A kind of definition file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// `actions/<name>.yaml`
    Action,
    /// `agents/<name>.yaml`
    Agent,
    /// `connections/<name>.yaml`
    Connection,
    /// `auth/<name>.yaml`
    Auth,
    /// `variables.toml`
    Variables,
    /// `secrets.toml`
    Secrets,
}

impl FileKind {
    /// All kinds, in the order they are documented.
    pub const ALL: [Self; 6] =
        [Self::Action, Self::Agent, Self::Connection, Self::Auth, Self::Variables, Self::Secrets];

    /// The name of the schema: `schemas/<name>.schema.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Agent => "agent",
            Self::Connection => "connection",
            Self::Auth => "auth",
            Self::Variables => "variables",
            Self::Secrets => "secrets",
        }
    }

    /// The JSON Schema (2020-12) of this kind of file.
    pub fn schema(self) -> Value {
        match self {
            Self::Action => generate::<ActionDefinition>(),
            Self::Agent => generate::<AgentDefinition>(),
            Self::Connection => generate::<ConnectionDefinition>(),
            Self::Auth => generate::<AuthDefinition>(),
            Self::Variables => environments_table(
                "Callgate static variables",
                "Static variables: a table per environment. Templates read them as `.static_variables.NAME`.",
                json_schema!({"type": ["string", "number", "boolean", "array", "object"]}),
            ),
            Self::Secrets => environments_table(
                "Callgate secrets",
                "Secrets: a table per environment. Never committed; see secrets.example.toml.",
                json_schema!({"type": "string", "minLength": 1}),
            ),
        }
    }

    /// The compiled schema.
    pub(super) fn checker(self) -> Checker {
        Checker::new(self.schema(), self == Self::Secrets)
    }
}

/// The schema of `T`, as published.
pub fn generate<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value()
}

fn environments_table(title: &str, description: &str, value: Schema) -> Value {
    json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "description": description,
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_.-]*$"},
            "additionalProperties": value
        }
    })
    .to_value()
}

/// What a [`Checker`] found.
#[derive(Debug)]
pub struct Checked {
    /// Every violation of the schema, with its place.
    pub problems: Vec<Problem>,
    /// The document without the top-level keys that are wrong, so that one
    /// mistake does not hide the others of its file.
    pub value: Value,
}

/// Takes what `error` complains of out of `value`, or puts an empty text where
/// one that `required` names is missing.
fn set_aside(value: &mut Value, error: &ValidationError<'_>, required: &[&str]) {
    let Some(map) = value.as_object_mut() else { return };
    match (error.instance_path().as_str().split('/').nth(1), error.kind()) {
        // A text is a text, if a wrong one: what stands beside it can be judged.
        (_, ValidationErrorKind::Pattern { .. } | ValidationErrorKind::MinLength { .. }) => {}
        (Some(key), _) => {
            let key = unescape_token(key);
            map.shift_remove(&key);
            if required.contains(&key.as_str()) {
                map.insert(key, Value::String(String::new()));
            }
        }
        (None, ValidationErrorKind::AdditionalProperties { unexpected }) => {
            map.retain(|key, _| !unexpected.contains(key));
        }
        (None, ValidationErrorKind::Required { property }) => {
            if let Some(key) = property.as_str().filter(|key| required.contains(key)) {
                map.insert(key.to_owned(), Value::String(String::new()));
            }
        }
        (None, _) => {}
    }
}

/// Finds all problems of a document at once.
#[derive(Debug)]
pub struct Checker {
    schema: Value,
    validator: Option<Validator>,
    masked: bool,
}

impl Checker {
    /// Compiles a schema that [`generate`] made; `masked` keeps values out of the messages.
    pub fn new(schema: Value, masked: bool) -> Self {
        let validator = jsonschema::draft202012::new(&schema).ok();
        debug_assert!(validator.is_some(), "a schema made from our own types compiles");
        Self { schema, validator, masked }
    }

    /// Every violation of the schema, with its place, and what of the document
    /// can still be used.
    pub fn check(&self, document: &Document) -> Checked {
        let mut checked = Checked { problems: Vec::new(), value: document.value.clone() };
        let Some(validator) = &self.validator else { return checked };
        let required = self.schema.get("required").and_then(Value::as_array);
        let is_text = |key: &&str| self.schema["properties"][*key]["type"] == "string";
        let required = required.into_iter().flatten().filter_map(Value::as_str).filter(is_text);
        let required: Vec<&str> = required.collect();
        for error in validator.iter_errors(&document.value) {
            self.report(document, &error, &mut checked.problems);
            set_aside(&mut checked.value, &error, &required);
        }
        checked
    }

    fn report(&self, document: &Document, error: &ValidationError<'_>, problems: &mut Vec<Problem>) {
        let pointer = error.instance_path().as_str();
        let file = document.file.as_str();
        let value_at = document.at_value(pointer);
        let label = label(&document.value, pointer);
        let key = label.as_str();
        let found = || describe(error.instance());
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let known = self.siblings(error.schema_path().as_str());
                for name in unexpected {
                    let mut at = pointer.to_owned();
                    push_token(&mut at, name);
                    problems.push(
                        Problem::error(
                            file,
                            document.at_key(&at),
                            "unknown_key",
                            format!("unknown key `{name}`"),
                        )
                        .hint(did_you_mean(name, &known)),
                    );
                }
            }
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                problems.push(
                    Problem::error(file, value_at, "missing_key", format!("missing key `{name}`"))
                        .maybe_hint(self.description_of(error.schema_path().as_str(), name)),
                );
            }
            ValidationErrorKind::Type { kind } => {
                problems.push(Problem::error(
                    file,
                    value_at,
                    "wrong_type",
                    if pointer.is_empty() {
                        format!("the file must be {}, found {}", expected_types(kind), found())
                    } else {
                        format!("`{key}` must be {}, found {}", expected_types(kind), found())
                    },
                ));
            }
            ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
                let choices = self.choices(error.schema_path().as_str());
                if choices.is_empty() {
                    let deepest = context.iter().max_by_key(|branch| {
                        branch.iter().map(|e| e.instance_path().as_str().len()).max().unwrap_or(0)
                    });
                    // The first branch is the real one (`Option<T>` adds null last).
                    let best = deepest.filter(|branch| {
                        branch.iter().any(|e| e.instance_path().as_str().len() > pointer.len())
                    });
                    for inner in best.or(context.first()).into_iter().flatten() {
                        self.report(document, inner, problems);
                    }
                } else {
                    problems.push(self.not_a_choice(document, error, key, &choices));
                }
            }
            ValidationErrorKind::Enum { options } => {
                let choices: Vec<String> = options
                    .as_array()
                    .map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
                    .unwrap_or_default();
                problems.push(self.not_a_choice(document, error, key, &choices));
            }
            ValidationErrorKind::Pattern { pattern } => {
                let message = if self.masked {
                    format!("`{key}` must match `{pattern}`")
                } else {
                    let text = error.instance().as_str().unwrap_or_default();
                    format!("`{key}` is `{text}`, which does not match `{pattern}`")
                };
                problems.push(Problem::error(file, value_at, "invalid_value", message));
            }
            ValidationErrorKind::PropertyNames { error: inner } => {
                let name = inner.instance().as_str().unwrap_or_default().to_owned();
                let mut at = pointer.to_owned();
                push_token(&mut at, &name);
                problems.push(
                    Problem::error(
                        file,
                        document.at_key(&at),
                        "invalid_name",
                        format!("`{name}` is not a valid name"),
                    )
                    .hint("a name has letters, digits, `_`, `.` and `-`, and starts with a letter or `_`"),
                );
            }
            _ => {
                problems.push(Problem::error(
                    file,
                    value_at,
                    "invalid_value",
                    format!("`{key}`: {}", error.masked()),
                ));
            }
        }
    }

    fn not_a_choice(
        &self,
        document: &Document,
        error: &ValidationError<'_>,
        key: &str,
        choices: &[String],
    ) -> Problem {
        let place = document.at_value(error.instance_path().as_str());
        let list = choices.join(", ");
        match error.instance().as_str() {
            Some(text) if !self.masked => Problem::error(
                &document.file,
                place,
                "invalid_value",
                format!("`{key}` is `{text}`, which is not one of {list}"),
            )
            .maybe_hint(closest(text, choices).map(|near| format!("did you mean `{near}`?"))),
            _ => Problem::error(
                &document.file,
                place,
                "invalid_value",
                format!("`{key}` must be one of {list}, found {}", describe(error.instance())),
            ),
        }
    }

    /// The keys that the object at `.../additionalProperties` may have.
    fn siblings(&self, schema_path: &str) -> Vec<String> {
        let parent = schema_path.rsplit_once('/').map_or("", |(parent, _)| parent);
        self.schema
            .pointer(&format!("{parent}/properties"))
            .and_then(Value::as_object)
            .map(|properties| properties.keys().cloned().collect())
            .unwrap_or_default()
    }

    fn description_of(&self, schema_path: &str, name: &str) -> Option<String> {
        let parent = schema_path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let mut pointer = format!("{parent}/properties");
        push_token(&mut pointer, name);
        let text = self.schema.pointer(&pointer)?.get("description")?.as_str()?;
        Some(format!("`{name}`: {text}"))
    }

    /// The constants of a `oneOf` that stands for an enum with documented values.
    fn choices(&self, schema_path: &str) -> Vec<String> {
        self.schema
            .pointer(schema_path)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .flat_map(|branch| {
                let constant = branch.get("const").and_then(Value::as_str).map(str::to_owned);
                let listed = branch.get("enum").and_then(Value::as_array).into_iter().flatten();
                constant
                    .into_iter()
                    .chain(listed.filter_map(Value::as_str).map(str::to_owned))
                    .collect::<Vec<_>>()
            })
            .collect()
    }
}

/// What the value at `pointer` is called: by its key; an item by its list, from the top: `retry.on[0]`.
fn label(document: &Value, pointer: &str) -> String {
    let (mut path, mut key) = (String::new(), String::new());
    let (mut at, mut is_item) = (Some(document), false);
    for token in pointer.split('/').skip(1) {
        key = unescape_token(token);
        is_item = at.is_some_and(Value::is_array);
        match is_item {
            true => path.push_str(&format!("[{key}]")),
            false if path.is_empty() => path.clone_from(&key),
            false => path.push_str(&format!(".{key}")),
        }
        at = at.and_then(|value| match value {
            Value::Array(items) => items.get(key.parse::<usize>().ok()?),
            value => value.get(&key),
        });
    }
    if is_item { path } else { key }
}

/// "did you mean `x`?" where one is near, else the list of what is known.
fn did_you_mean(name: &str, known: &[String]) -> String {
    match closest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known keys: {}", known.join(", ")),
    }
}

fn expected_types(kind: &TypeKind) -> String {
    let names: Vec<&str> = match kind {
        TypeKind::Single(one) => vec![type_name(&one.to_string())],
        TypeKind::Multiple(several) => {
            several.iter().map(|one| type_name(&one.to_string())).filter(|name| *name != "empty").collect()
        }
    };
    names.join(" or ")
}

fn type_name(name: &str) -> &'static str {
    match name {
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a mapping",
        _ => "empty",
    }
}

fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}
