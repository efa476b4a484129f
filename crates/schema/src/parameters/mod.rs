//! JSON Schema → checked arguments.
//!
//! ```text
//! schema as written ─► Parameters::compile ─► Parameters ─► validate ─► Arguments
//!                      all problems at once     text of a model ─┘  or InvalidArguments
//! ```
//!
//! The whole of JSON Schema 2020-12 is understood (draft-07 and 2019-09 where `$schema` names
//! them), formats are asserted, and a `$ref` never leaves the document. The gateway is stricter
//! in one point: an argument that the schema does not declare is refused at the root, unless the
//! author decided otherwise, so that what a model made up does not travel upstream.
//!
//! Any input gets an answer within bounded time and stack: patterns run on a linear-time engine
//! (with a backtracking limit where they look around), and errors are only collected where that
//! is known to be cheap.
mod compile;
mod lint;
mod visible;
mod defaults;
mod strict_json;
mod cost;
mod explain;
mod finding;
mod branches;
mod violation;
mod sensitive;
mod kinds;
mod absent;
mod encoded;
mod aliases;
mod allowed;
mod path;
mod text;
mod sample;
mod sample_pattern;
mod output_schema;

use std::collections::HashSet;
use std::fmt;

use jsonschema::Validator;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::reference::same_value;
use crate::walk;

use self::defaults::Defaults;
use self::explain::Explainer;
use self::visible::Closing;

pub use self::aliases::{Aliases, is_plain};
pub use self::lint::SchemaProblem;
pub use self::output_schema::OutputSchema;
pub use self::sensitive::texts as texts_of;
pub use self::strict_json::parse_arguments;
pub use self::text::FORMATS;
pub(crate) use self::text::type_phrase;
pub use self::violation::{InvalidArguments, Violation};
pub use self::visible::with_property;

/// The parameters of an action, compiled once.
pub struct Parameters {
    schema: Value,
    validator: Validator,
    closing: Closing,
    defaults: Option<Defaults>,
    /// Top-level properties in schema order, and the ones that are always required.
    names: Vec<String>,
    required: HashSet<String>,
    /// Names that are required in some branch and declared in none.
    accepted: HashSet<String>,
    /// Every property name at any depth.
    known: HashSet<String>,
    warnings: Vec<SchemaProblem>,
    /// Whether the schema marks anything with `x-sensitive: true`.
    sensitive: bool,
    /// The names under which some arguments may come besides their own.
    aliases: Aliases,
}

impl Parameters {
    /// Compiles a JSON Schema; `None` means an action without parameters.
    ///
    /// # Errors
    ///
    /// Gives every problem found, warnings among them, each with a pointer into the schema.
    /// Warnings alone are no error: see [`Self::warnings`].
    pub fn compile(schema: Option<&Value>) -> Result<Self, Vec<SchemaProblem>> {
        // Before the copy, which would need a stack as deep as the schema.
        if let Some(problem) = schema.and_then(lint::too_large) {
            return Err(vec![problem]);
        }
        let schema = schema.cloned().unwrap_or_else(|| json!({"type": "object", "properties": {}}));
        let checked = compile::check(&schema)?;
        let members = schema.as_object().cloned().unwrap_or_default();
        let closing = visible::closing(&members, checked.draft);
        let names: Vec<String> =
            explain::declared(&schema, &members).into_iter().map(str::to_owned).collect();
        // A required name that nothing declares earns a warning; refusing it as well would leave
        // a tool that cannot be called.
        let mut accepted = required(&schema, true);
        accepted.retain(|name| !names.contains(name));
        let closed = visible::close(&schema, closing, &accepted);
        let validator = compile::build(&checked.options, &closed)?;
        Ok(Self {
            names,
            accepted,
            required: required(&schema, false),
            known: known(&schema),
            sensitive: sensitive::marks_any(&schema),
            schema,
            validator,
            closing,
            defaults: checked.defaults,
            warnings: checked.warnings,
            aliases: Aliases::default(),
        })
    }

    /// The same, with the aliases under which a model that is offered `schema` gives its arguments.
    #[must_use]
    pub fn offered_as(self, schema: &Value) -> Self {
        Self { aliases: Aliases::of(schema), ..self }
    }

    /// The schema as it was written.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// What the author should know though the schema works.
    pub fn warnings(&self) -> &[SchemaProblem] {
        &self.warnings
    }

    /// A copy of the schema without the top-level properties `hidden`, for a model that must
    /// neither see nor set them, and without `x-sensitive`.
    ///
    /// Conditions and choices that mention one are left out whole; [`Self::validate`] still
    /// checks them.
    pub fn schema_without(&self, hidden: &[&str]) -> Value {
        let visible = visible::without(&self.schema, hidden);
        if self.sensitive { sensitive::without_marks(&visible) } else { visible }
    }

    /// Whether `name` is a top-level property in any branch of the schema.
    pub fn is_declared(&self, name: &str) -> bool {
        self.names.iter().any(|declared| declared == name)
    }

    /// Whether the author lets the model send properties that the schema does not name.
    pub fn is_open(&self) -> bool {
        matches!(self.closing, Closing::Author)
            && self.schema.get("additionalProperties") != Some(&Value::Bool(false))
    }

    /// Whether `name` is required whatever the other arguments are.
    pub fn is_required(&self, name: &str) -> bool {
        self.required.contains(name)
    }

    /// The top-level properties in the order of the schema.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Fills defaults into `arguments` and checks them. Where they do not fit, a null for a property
    /// that is not required and takes no null counts as absent, as models in a strict mode mean it, and a
    /// text that stands where the schema takes none is read as the JSON value that it spells.
    ///
    /// # Errors
    ///
    /// Gives at most twenty violations, each with a sentence for the model.
    pub fn validate(&self, arguments: Map<String, Value>) -> Result<Arguments, InvalidArguments> {
        let mut value = self.with_defaults(arguments);
        let mut violations = self.violations(&value);
        if !violations.is_empty()
            && let Value::Object(arguments) = &value
            && let Some((repaired, _)) = self.repaired(arguments)
        {
            value = self.with_defaults(repaired);
            violations = self.violations(&value);
        }
        match (violations.is_empty(), value) {
            (true, Value::Object(arguments)) => Ok(Arguments(arguments)),
            _ => Err(violations.into()),
        }
    }

    /// Reads `arguments` as a model sent them, as [`parse_arguments`] does. What comes under an alias
    /// gets its own name. Where the arguments do not fit, a text that stands where the schema takes none
    /// is read as JSON, if they fit then.
    ///
    /// # Errors
    ///
    /// As [`parse_arguments`], without what was sent where the schema marks anything sensitive.
    pub fn read(&self, arguments: &RawValue) -> Result<Map<String, Value>, InvalidArguments> {
        self.read_and_tell(arguments).map(|(read, _)| read)
    }

    /// The same; tells also which values were a JSON text too deep, by their JSON Pointers: the first
    /// twenty of them.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn read_and_tell(
        &self,
        arguments: &RawValue,
    ) -> Result<(Map<String, Value>, Vec<String>), InvalidArguments> {
        let parsed = parse_arguments(arguments).map_err(|mut invalid| {
            if self.sensitive {
                invalid.violations.iter_mut().for_each(|one| sensitive::MASKED.clone_into(&mut one.got));
            }
            invalid
        });
        let read = self.aliases.restore(parsed?);
        Ok(match self.repaired(&read) {
            Some(repaired) if !self.violations(&self.with_defaults(read.clone())).is_empty() => repaired,
            _ => (read, Vec::new()),
        })
    }

    /// `arguments` as they are meant if they do not fit as they are: without nulls that stand for
    /// nothing, and with the values that were encoded as a text. Tells where those stand. `None` where
    /// nothing is to be repaired.
    fn repaired(&self, arguments: &Map<String, Value>) -> Option<(Map<String, Value>, Vec<String>)> {
        if !encoded::may_be_encoded(arguments) && !absent::holds_null(arguments) {
            return None;
        }
        let mut repaired = arguments.clone();
        let decoded = encoded::decode(&self.schema, &mut repaired);
        let dropped = absent::drop_nulls(&self.schema, &mut repaired);
        (dropped || !decoded.is_empty()).then_some((repaired, decoded))
    }

    fn with_defaults(&self, mut arguments: Map<String, Value>) -> Value {
        if let Some(defaults) = &self.defaults {
            defaults.fill(&mut arguments);
        }
        Value::Object(arguments)
    }

    /// The name of the argument that came as `given`: under an alias, or under its own.
    pub fn name_of<'a>(&'a self, given: &'a str) -> &'a str {
        self.aliases.name_of(given).unwrap_or(given)
    }

    /// Whether the schema marks anything with `x-sensitive: true`.
    pub fn marks_sensitive(&self) -> bool {
        self.sensitive
    }

    /// The texts and numbers in `arguments` that the schema marks with `x-sensitive: true`: what
    /// must not be written down, wherever else it turns up.
    pub fn sensitive_texts(&self, arguments: &Map<String, Value>) -> Vec<String> {
        sensitive::texts(&self.sensitive_values(arguments))
    }

    /// The values in `arguments` that the schema marks with `x-sensitive: true`, and what may be
    /// one of them under another name.
    pub fn sensitive_values(&self, arguments: &Map<String, Value>) -> Vec<Value> {
        if !self.sensitive {
            return Vec::new();
        }
        let arguments = Value::Object(arguments.clone());
        let places = sensitive::places_and_strays(&self.schema, &arguments);
        places.iter().filter_map(|place| arguments.pointer(place).cloned()).collect()
    }

    /// The arguments with `mask` in place of each value that the schema marks with `x-sensitive: true`, and of what may be
    /// one of them under another name.
    pub fn with_masks(&self, arguments: Map<String, Value>, mask: &str) -> Value {
        let mut arguments = Value::Object(arguments);
        if self.sensitive {
            for place in sensitive::places_and_strays(&self.schema, &arguments) {
                // A place within one that is masked already is gone.
                arguments.pointer_mut(&place).into_iter().for_each(|value| *value = mask.into());
            }
        }
        arguments
    }

    /// Whether the schema marks any of `arguments` with `x-sensitive: true`.
    pub fn has_sensitive(&self, arguments: &Map<String, Value>) -> bool {
        self.sensitive && !sensitive::places(&self.schema, &Value::Object(arguments.clone())).is_empty()
    }

    /// Made-up arguments with every declared property, for previews and for checking templates.
    ///
    /// They satisfy the schema where values can be found without a search.
    pub fn sample(&self) -> Map<String, Value> {
        sample::sample(&self.schema, |value| self.violations(value).is_empty())
    }

    /// What is wrong with `arguments`; nothing is allocated when nothing is.
    fn violations(&self, arguments: &Value) -> Vec<Violation> {
        let unknown = self.unknown(arguments);
        if unknown.is_empty() && self.validator.is_valid(arguments) {
            return Vec::new();
        }
        if !cost::is_affordable(&self.schema, arguments) {
            let sentence = "The arguments do not fit the parameters of this tool, and are too \
                            large or too deeply nested to say where.";
            return vec![Violation::whole("schema", "other values", "", sentence.to_owned())];
        }
        let keyword = match self.closing {
            Closing::Keyword(keyword) => Some(keyword),
            Closing::Author | Closing::Names => None,
        };
        let errors: Vec<_> = self.validator.iter_errors(arguments).collect();
        let secret = self.sensitive.then(|| sensitive::places(&self.schema, arguments));
        let mut explainer = Explainer::new(&self.schema, arguments, &self.known, keyword, secret.as_deref());
        explainer.explain(&errors);
        explainer.push_unknown(&unknown);
        let mut violations = explainer.found;
        if violations.is_empty() {
            let sentence = "The arguments do not fit the parameters of this tool.";
            violations.push(Violation::whole("schema", "other values", "", sentence.to_owned()));
        }
        violations
    }

    /// The undeclared names, where no keyword of the draft finds them.
    fn unknown<'v>(&self, arguments: &'v Value) -> Vec<&'v str> {
        match (self.closing, arguments) {
            (Closing::Names, Value::Object(members)) => {
                let is_known = |name: &&str| self.is_declared(name) || self.accepted.contains(*name);
                members.keys().map(String::as_str).filter(|name| !is_known(name)).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parameters")
            .field("names", &self.names)
            .field("required", &self.required)
            .field("closing", &self.closing)
            .finish_non_exhaustive()
    }
}

/// Arguments that passed their schema; there is no other way to make them.
///
/// `Debug` shows how many there are and nothing of what they say.
#[derive(Clone, PartialEq, Eq)]
pub struct Arguments(Map<String, Value>);

impl Arguments {
    /// All arguments, in the order they were sent, with the defaults last.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Gives the arguments up as a plain map.
    pub fn into_map(self) -> Map<String, Value> {
        self.0
    }

    /// The argument `name`, if it was given or has a default.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }
}

impl fmt::Debug for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arguments({})", self.0.len())
    }
}

/// The required names, with `branches` also the ones that only some arguments need.
fn required(schema: &Value, branches: bool) -> HashSet<String> {
    let mut names = HashSet::new();
    same_value(schema, schema, branches, &mut |members| {
        let listed = members.get("required").and_then(Value::as_array).into_iter().flatten();
        names.extend(listed.filter_map(Value::as_str).map(str::to_owned));
    });
    names
}

fn known(schema: &Value) -> HashSet<String> {
    let mut names = HashSet::new();
    for (members, _) in walk::all(schema) {
        let properties = members.get("properties").and_then(Value::as_object);
        names.extend(properties.into_iter().flat_map(Map::keys).cloned());
        let listed = members.get("required").and_then(Value::as_array).into_iter().flatten();
        names.extend(listed.filter_map(Value::as_str).map(str::to_owned));
    }
    names
}
