//! Schemas of OpenAPI → JSON Schema 2020-12, references inlined or in `$defs`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::names::Taken;
use crate::request::Refusal;
use callgate_action::parameters::FORMATS;
use callgate_schema::keyword;

use super::document::Document;
use super::tidy::{description, merged, ordered, tidy};

/// Values of a schema that is written out whole; larger ones get `$defs`.
const MAX_INLINE: usize = 2_500;
/// Values of the largest schema that is imported whole: a model reads it all, on every turn.
const MAX_VALUES: usize = 6_000;
/// How deep a larger one is described; what is deeper may be anything.
const CUTS: &[usize] = &[8, 6, 4, 3, 2];
/// Deepest nesting of schemas in each other.
const MAX_DEPTH: usize = 20;

/// A converted schema.
pub(super) struct Converted {
    pub(super) schema: Value,
    /// What `#/$defs/…` in it refers to.
    pub(super) defs: Map<String, Value>,
    /// Whether its depths are not described.
    pub(super) is_cut: bool,
}

/// Converts `schema`; what only answers have is left out.
///
/// # Errors
///
/// A reference that leads nowhere, or a schema that is too large.
pub(super) fn convert(document: &Document<'_>, schema: &Value) -> Result<Converted, Refusal> {
    let whole = [(false, MAX_DEPTH), (true, MAX_DEPTH)];
    let ways = whole.into_iter().chain(CUTS.iter().map(|cut| (false, *cut)));
    for (shares, cut) in ways {
        match Converter::new(document, shares, cut).run(schema) {
            Ok(converted) => return Ok(converted),
            Err(Stop::Refused(refusal)) => return Err(refusal),
            Err(Stop::TooLarge) => {}
        }
    }
    Err(Refusal(
        "schema_too_large",
        format!("the schema has more than {MAX_INLINE} values at its surface"),
        "write an action with the few parameters that a call needs",
    ))
}

enum Stop {
    TooLarge,
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

struct Converter<'d, 'v> {
    document: &'d Document<'v>,
    /// Whether every reference becomes one into `$defs`.
    shares: bool,
    /// Deeper schemas are not described, unless that is [`MAX_DEPTH`].
    cut: usize,
    is_cut: bool,
    values: usize,
    /// The references that are being written out, outermost first.
    stack: Vec<String>,
    /// Names in `$defs` by reference, and those that are not written yet.
    named: BTreeMap<String, String>,
    taken: Taken,
    waiting: Vec<String>,
    done: BTreeSet<String>,
}

impl<'d, 'v> Converter<'d, 'v> {
    fn new(document: &'d Document<'v>, shares: bool, cut: usize) -> Self {
        Self {
            document,
            shares,
            cut,
            is_cut: false,
            values: 0,
            stack: Vec::new(),
            named: BTreeMap::new(),
            taken: Taken::default(),
            waiting: Vec::new(),
            done: BTreeSet::new(),
        }
    }

    fn run(mut self, schema: &Value) -> Result<Converted, Stop> {
        // The root is always written out, so that its properties are parameters.
        let schema = match schema.get("$ref").and_then(Value::as_str) {
            Some(reference) => self.inlined(reference, schema, 0)?,
            None => self.schema(schema, 0)?,
        };
        let mut defs = Map::new();
        while let Some(reference) = self.waiting.pop() {
            if !self.done.insert(reference.clone()) {
                continue;
            }
            let name = self.named.get(&reference).cloned().unwrap_or_default();
            let target = self.document.lookup(&reference)?;
            self.stack = vec![reference];
            let schema = self.schema(target, 0)?;
            self.stack.clear();
            defs.insert(name, schema);
        }
        defs.sort_keys();
        for name in defs.keys() {
            if leads_to_itself(&defs, name) {
                return Err(Stop::Refused(Refusal(
                    "circular_ref",
                    "a schema is nothing but a reference to itself".to_owned(),
                    "mend the reference",
                )));
            }
        }
        Ok(Converted { schema, defs, is_cut: self.is_cut })
    }

    fn count(&mut self, values: usize) -> Result<(), Stop> {
        self.values += values;
        let limit = if self.shares { MAX_VALUES } else { MAX_INLINE };
        if self.values > limit { Err(Stop::TooLarge) } else { Ok(()) }
    }

    fn schema(&mut self, schema: &Value, depth: usize) -> Result<Value, Stop> {
        if depth > self.cut {
            return self.shallow(schema);
        }
        let Some(members) = schema.as_object() else {
            self.count(1)?;
            return Ok(if schema.is_boolean() { schema.clone() } else { json!({}) });
        };
        if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
            return self.reference(reference, schema, depth);
        }
        self.count(1 + members.len())?;
        self.members(members, depth)
    }

    /// A schema that says no more than what kind of value it is about.
    fn shallow(&mut self, schema: &Value) -> Result<Value, Stop> {
        if self.cut == MAX_DEPTH {
            return Err(Stop::TooLarge);
        }
        self.count(2)?;
        let target = self.document.resolve(schema)?;
        let is_simple = |kind: &Value| {
            kind.as_str().is_some_and(|kind| !matches!(kind, "object" | "array" | "file" | "any"))
        };
        let mut map = Map::new();
        match target.get("type") {
            Some(kind) if is_simple(kind) => return self.schema_of_scalar(target),
            Some(Value::String(kind)) if kind == "object" || kind == "array" => {
                map.insert("type".to_owned(), json!(kind));
            }
            _ => {}
        }
        self.is_cut = true;
        if let Some(description) = description(schema).or_else(|| description(target)) {
            map.insert("description".to_owned(), description);
        }
        Ok(Value::Object(map))
    }

    /// A schema of texts or numbers, which holds no others.
    fn schema_of_scalar(&mut self, schema: &Value) -> Result<Value, Stop> {
        let Some(members) = schema.as_object() else { return Ok(json!({})) };
        let scalars = members.iter().filter(|(key, _)| keyword::applies(key).is_none());
        let scalars: Map<String, Value> = scalars.map(|(key, value)| (key.clone(), value.clone())).collect();
        self.count(scalars.len())?;
        self.members(&scalars, self.cut)
    }

    fn reference(&mut self, reference: &str, schema: &Value, depth: usize) -> Result<Value, Stop> {
        let is_open = self.stack.iter().any(|open| open == reference);
        if !is_open && !self.shares {
            return self.inlined(reference, schema, depth);
        }
        self.document.lookup(reference)?;
        self.count(2)?;
        let name = self.name(reference);
        if !self.done.contains(reference) {
            self.waiting.push(reference.to_owned());
        }
        let mut map = Map::new();
        map.insert("$ref".to_owned(), json!(format!("#/$defs/{name}")));
        if let Some(description) = description(schema) {
            map.insert("description".to_owned(), description);
        }
        Ok(Value::Object(map))
    }

    fn name(&mut self, reference: &str) -> String {
        if let Some(name) = self.named.get(reference) {
            return name.clone();
        }
        let last = reference.rsplit('/').next().unwrap_or_default();
        let clean: String = last
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
            .take(60)
            .collect();
        let clean = if clean.is_empty() { "schema".to_owned() } else { clean };
        let name = self.taken.unique(&clean, 64);
        self.named.insert(reference.to_owned(), name.clone());
        name
    }

    /// The schema that `reference` names, with what stands beside the reference.
    fn inlined(&mut self, reference: &str, beside: &Value, depth: usize) -> Result<Value, Stop> {
        let target = self.document.lookup(reference)?;
        self.stack.push(reference.to_owned());
        let converted = self.schema(target, depth + 1);
        self.stack.pop();
        let mut converted = converted?;
        if let (Value::Object(map), Some(description)) = (&mut converted, description(beside)) {
            map.insert("description".to_owned(), description);
        }
        let constrains = |key: &String| {
            !matches!(
                key.as_str(),
                "$ref"
                    | "description"
                    | "summary"
                    | "title"
                    | "example"
                    | "examples"
                    | "default"
                    | "deprecated"
            ) && !key.starts_with("x-")
        };
        let beside = beside.as_object().filter(|_| !self.document.is_30);
        if let Some(beside) = beside.filter(|beside| beside.keys().any(constrains)) {
            let own: Map<String, Value> = beside
                .iter()
                .filter(|(key, _)| *key != "$ref")
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
            let own = self.members(&own, depth)?;
            return Ok(json!({"allOf": [converted, own]}));
        }
        Ok(converted)
    }

    fn members(&mut self, members: &Map<String, Value>, depth: usize) -> Result<Value, Stop> {
        let mut out = Map::new();
        let mut dropped: Vec<&String> = Vec::new();
        let is_30 = self.document.is_30;
        for (keyword, value) in members {
            match (keyword.as_str(), value) {
                ("type", Value::String(name)) if name == "file" || name == "any" => {}
                (
                    "type" | "enum" | "const" | "maxLength" | "minLength" | "pattern" | "maxItems"
                    | "minItems" | "multipleOf" | "maxProperties" | "minProperties" | "dependentRequired"
                    | "minContains" | "maxContains" | "contentEncoding" | "contentMediaType",
                    value,
                ) => {
                    self.count(value.as_array().map_or(0, Vec::len))?;
                    out.insert(keyword.clone(), value.clone());
                }
                ("uniqueItems", Value::Bool(true)) if members.contains_key("items") => {
                    out.insert(keyword.clone(), json!(true));
                }
                ("minimum" | "maximum", value) => {
                    let exclusive =
                        if keyword == "minimum" { "exclusiveMinimum" } else { "exclusiveMaximum" };
                    let is_exclusive = members.get(exclusive) == Some(&Value::Bool(true));
                    out.insert(if is_exclusive { exclusive } else { keyword }.to_owned(), value.clone());
                }
                ("exclusiveMinimum" | "exclusiveMaximum", Value::Number(_)) => {
                    out.insert(keyword.clone(), value.clone());
                }
                ("format", Value::String(name)) if FORMATS.contains(&name.as_str()) => {
                    out.insert(keyword.clone(), value.clone());
                }
                ("format", Value::String(name)) if name == "byte" => {
                    out.insert("contentEncoding".to_owned(), json!("base64"));
                }
                ("properties", Value::Object(properties)) => {
                    let mut kept = Map::new();
                    for (name, property) in properties {
                        if self.is_read_only(property) {
                            dropped.push(name);
                            continue;
                        }
                        kept.insert(name.clone(), self.schema(property, depth + 1)?);
                    }
                    out.insert(keyword.clone(), Value::Object(kept));
                }
                ("required", Value::Array(_)) => {
                    out.insert(keyword.clone(), value.clone());
                }
                ("items", Value::Array(items)) => {
                    let items = self.list(items, depth)?;
                    out.insert("prefixItems".to_owned(), items);
                }
                ("allOf" | "anyOf" | "oneOf" | "prefixItems", Value::Array(items)) if !items.is_empty() => {
                    let mut items = self.list(items, depth)?;
                    if keyword != "prefixItems" && keyword != "allOf" {
                        self.discriminate(members, keyword, &mut items);
                    }
                    // Branches of documents overlap more often than they mean to; which
                    // one a value is, is for the upstream to say.
                    let is_choice = keyword == "oneOf" && !members.contains_key("anyOf");
                    out.insert(if is_choice { "anyOf" } else { keyword }.to_owned(), items);
                }
                ("patternProperties" | "dependentSchemas", Value::Object(inner)) if !is_30 => {
                    let mut kept = Map::new();
                    for (name, schema) in inner {
                        kept.insert(name.clone(), self.schema(schema, depth + 1)?);
                    }
                    out.insert(keyword.clone(), Value::Object(kept));
                }
                ("items" | "not" | "additionalProperties", value) => {
                    out.insert(keyword.clone(), self.schema(value, depth + 1)?);
                }
                (
                    "if"
                    | "then"
                    | "else"
                    | "contains"
                    | "propertyNames"
                    | "unevaluatedItems"
                    | "unevaluatedProperties",
                    value,
                ) if !is_30 => {
                    out.insert(keyword.clone(), self.schema(value, depth + 1)?);
                }
                ("$dynamicRef" | "$recursiveRef" | "$id", _) => {
                    return Err(Stop::Refused(Refusal(
                        "dynamic_ref",
                        format!("a schema uses `{keyword}`"),
                        "refer to schemas by `$ref` alone",
                    )));
                }
                _ => {}
            }
        }
        tidy(&mut out, members, &dropped, is_30);
        Ok(Value::Object(ordered(merged(out))))
    }

    fn list(&mut self, items: &[Value], depth: usize) -> Result<Value, Stop> {
        let items: Vec<Value> =
            items.iter().map(|item| self.schema(item, depth + 1)).collect::<Result<_, _>>()?;
        Ok(Value::Array(items))
    }

    /// Whether a property is only in answers.
    fn is_read_only(&self, property: &Value) -> bool {
        if property.get("readOnly") == Some(&Value::Bool(true)) {
            return true;
        }
        let target = property
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|reference| self.document.lookup(reference).ok());
        target.is_some_and(|target| target.get("readOnly") == Some(&Value::Bool(true)))
    }

    /// `discriminator` says which branch a value is: a constant in each branch.
    fn discriminate(&self, members: &Map<String, Value>, keyword: &str, branches: &mut Value) {
        let Some(discriminator) = members.get("discriminator") else { return };
        let Some(property) = discriminator.get("propertyName").and_then(Value::as_str) else { return };
        let mapping = discriminator.get("mapping").and_then(Value::as_object);
        let sources = members.get(keyword).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let Some(branches) = branches.as_array_mut() else { return };
        for (branch, source) in branches.iter_mut().zip(sources) {
            let Some(reference) = source.get("$ref").and_then(Value::as_str) else { continue };
            let last = reference.rsplit('/').next().unwrap_or_default();
            let names = mapping.into_iter().flatten().filter(|(_, target)| {
                target.as_str().is_some_and(|target| target == reference || target == last)
            });
            let mut names: Vec<&str> = names.map(|(name, _)| name.as_str()).collect();
            if names.is_empty() {
                names.push(last);
            }
            let rule =
                if let [name] = names.as_slice() { json!({"const": name}) } else { json!({"enum": names}) };
            let declared = branch.pointer(&format!("/properties/{property}")).is_some();
            if declared && let Some(map) = branch.as_object_mut() {
                map["properties"][property] = rule;
                let required = map.entry("required").or_insert_with(|| json!([]));
                if let Some(required) = required.as_array_mut()
                    && !required.iter().any(|name| name == property)
                {
                    required.push(json!(property));
                }
            } else {
                let inner = branch.take();
                *branch = json!({"allOf": [inner], "properties": {property: rule}, "required": [property]});
            }
        }
    }
}

/// Whether following the references of the definition `name`, which say nothing
/// else, leads back to it.
fn leads_to_itself(defs: &Map<String, Value>, name: &str) -> bool {
    let mut at = name;
    for _ in 0..=defs.len() {
        let target = defs.get(at).and_then(|schema| schema.get("$ref")).and_then(Value::as_str);
        match target.and_then(|target| target.strip_prefix("#/$defs/")) {
            Some(next) => at = next,
            None => return false,
        }
    }
    true
}
