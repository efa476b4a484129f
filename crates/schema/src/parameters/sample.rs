//! Made-up arguments.
//!
//! A value is built from everything that describes it at once (`$ref`, `allOf`, one branch of each
//! choice). Conditions depend on the value, so it is built again with the branches its first form
//! selects. Where the result does not satisfy the schema, other branches are tried.
use serde_json::{Map, Number, Value};

use crate::{keyword, reference, walk};

use super::{sample_pattern, text};

/// Forms that are tried before the first one is kept as it is.
const MAX_FORMS: usize = 12;
/// Rounds in which conditions are looked at.
const MAX_ROUNDS: usize = 4;
/// Values per form.
const MAX_VALUES: usize = 2_000;
/// Past this, only required properties are made up, so that recursive schemas end.
const OPTIONAL_DEPTH: usize = 5;
const MAX_DEPTH: usize = 24;
const MAX_ITEMS: usize = 16;
const MAX_CHARS: usize = 4096;

/// Makes up arguments for `schema`; `fits` says whether a value satisfies it.
pub(super) fn sample(schema: &Value, fits: impl Fn(&Value) -> bool) -> Map<String, Value> {
    let mut first = None;
    for form in 0..MAX_FORMS {
        let mut maker = Maker { root: schema, choice: form / 3, style: form % 3, values: 0 };
        let value = match maker.value(&[schema], 0) {
            Some(value @ Value::Object(_)) => value,
            _ => Value::Object(Map::new()),
        };
        let satisfied = fits(&value);
        let Value::Object(members) = value else { continue };
        if satisfied {
            return members;
        }
        first.get_or_insert(members);
    }
    first.unwrap_or_default()
}

struct Maker<'s> {
    root: &'s Value,
    /// Which branch of each choice is taken.
    choice: usize,
    /// 0: everything; 1: without the author's examples; 2: also without optional properties.
    style: usize,
    values: usize,
}

type Parts<'s> = Vec<&'s Map<String, Value>>;

impl<'s> Maker<'s> {
    /// A value that all of `schemas` describe; `None` where none is allowed.
    fn value(&mut self, schemas: &[&'s Value], depth: usize) -> Option<Value> {
        self.values += 1;
        if depth > MAX_DEPTH || self.values > MAX_VALUES {
            return None;
        }
        let mut schemas = schemas.to_vec();
        let mut value = self.once(&schemas, depth)?;
        for _ in 0..MAX_ROUNDS {
            let selected: Vec<&'s Value> = self
                .parts(&schemas)?
                .into_iter()
                .filter_map(|part| self.selected(part, &value))
                .filter(|branch| !schemas.iter().any(|known| std::ptr::eq(*known, *branch)))
                .collect();
            if selected.is_empty() {
                break;
            }
            schemas.extend(selected);
            value = self.once(&schemas, depth)?;
        }
        Some(value)
    }

    fn once(&mut self, schemas: &[&'s Value], depth: usize) -> Option<Value> {
        let parts = self.parts(schemas)?;
        if let Some(value) = parts.iter().find_map(|part| part.get("const")) {
            return Some(value.clone());
        }
        let enums: Vec<&Vec<Value>> = parts.iter().filter_map(|part| part.get("enum")?.as_array()).collect();
        if let Some((first, others)) = enums.split_first() {
            let shared = first.iter().find(|value| others.iter().all(|other| other.contains(value)));
            return shared.or(first.first()).cloned();
        }
        let named = |part: &&'s Map<String, Value>| {
            let example = part.get("examples").and_then(|examples| examples.get(0));
            example.or(part.get("default"))
        };
        if let Some(value) = parts.iter().find_map(named).filter(|_| self.style == 0) {
            return Some(value.clone());
        }
        match kind(&parts) {
            "object" => Some(Value::Object(self.object(&parts, depth))),
            "array" => Some(Value::Array(self.array(&parts, depth))),
            "integer" => Some(number(&parts, true)),
            "number" => Some(number(&parts, false)),
            "boolean" => Some(Value::Bool(true)),
            "null" => Some(Value::Null),
            _ => Some(Value::String(string(&parts))),
        }
    }

    /// Everything unconditional that describes the value, with one branch of each choice; `None`
    /// where a part refuses every value.
    fn parts(&self, schemas: &[&'s Value]) -> Option<Parts<'s>> {
        let mut parts: Parts<'s> = Vec::new();
        let mut todo: Vec<&'s Value> = schemas.iter().rev().copied().collect();
        while let Some(schema) = todo.pop() {
            let members = match schema {
                Value::Bool(false) => return None,
                Value::Object(members) => members,
                _ => continue,
            };
            if parts.iter().any(|part| std::ptr::eq(*part, members)) {
                continue;
            }
            parts.push(members);
            todo.extend(reference::target(self.root, members));
            if let Some(Value::Array(all)) = members.get("allOf") {
                todo.extend(all.iter().rev());
            }
            for keyword in ["anyOf", "oneOf"] {
                if let Some(Value::Array(branches)) = members.get(keyword) {
                    todo.extend(branches.get(self.choice % branches.len().max(1)));
                }
            }
        }
        Some(parts)
    }

    /// The branch of a condition that `value` selects.
    fn selected(&self, part: &'s Map<String, Value>, value: &Value) -> Option<&'s Value> {
        let mut condition = Map::new();
        for keyword in ["$schema", "$defs", "definitions"] {
            if let Some(value) = self.root.get(keyword) {
                condition.insert(keyword.to_owned(), value.clone());
            }
        }
        condition.insert("allOf".to_owned(), Value::Array(vec![part.get("if")?.clone()]));
        let validator = jsonschema::options()
            .with_pattern_options(jsonschema::PatternOptions::fancy_regex().backtrack_limit(10_000))
            .should_validate_formats(true)
            .offline()
            .build(&Value::Object(condition))
            .ok()?;
        part.get(if validator.is_valid(value) { "then" } else { "else" })
    }

    fn object(&mut self, parts: &Parts<'s>, depth: usize) -> Map<String, Value> {
        let mut required: Vec<&'s str> = Vec::new();
        let mut names: Vec<&'s str> = Vec::new();
        for part in parts {
            let listed = part.get("required").and_then(Value::as_array);
            required.extend(listed.into_iter().flatten().filter_map(Value::as_str));
            let properties = part.get("properties").and_then(Value::as_object);
            names.extend(properties.into_iter().flat_map(Map::keys).map(String::as_str));
        }
        names.extend(required.iter().copied());
        let mut out = Map::new();
        for name in names {
            let wanted = required.contains(&name) || (depth < OPTIONAL_DEPTH && self.style < 2);
            if !wanted || out.contains_key(name) {
                continue;
            }
            let mut schemas: Vec<&'s Value> =
                parts.iter().filter_map(|part| part.get("properties")?.get(name)).collect();
            if schemas.is_empty() {
                schemas.extend(parts.iter().filter_map(|part| part.get("additionalProperties")));
            }
            if let Some(value) = self.value(&schemas, depth + 1) {
                out.insert(name.to_owned(), value);
            }
        }
        let extra: Vec<&'s Value> =
            parts.iter().filter_map(|part| part.get("additionalProperties")).collect();
        let least = limit(parts, "minProperties").unwrap_or(0).min(MAX_ITEMS);
        for index in 1..=least {
            if out.len() >= least {
                break;
            }
            if let Some(value) = self.value(&extra, depth + 1) {
                out.insert(format!("key{index}"), value);
            }
        }
        out
    }

    fn array(&mut self, parts: &Parts<'s>, depth: usize) -> Vec<Value> {
        let prefix: &[Value] = parts
            .iter()
            .find_map(|part| part.get("prefixItems").or(part.get("items"))?.as_array())
            .map_or(&[], Vec::as_slice);
        let rest: Vec<&'s Value> = parts
            .iter()
            .filter_map(|part| {
                let key =
                    if part.get("items").is_some_and(Value::is_array) { "additionalItems" } else { "items" };
                part.get(key)
            })
            .collect();
        let wanted: Vec<&'s Value> = parts.iter().filter_map(|part| part.get("contains")).collect();
        let most = parts.iter().filter_map(|part| size(part.get("maxItems")?)).min();
        let least = limit(parts, "minItems").unwrap_or(1).max(1).max(prefix.len());
        let least = least.max(limit(parts, "minContains").unwrap_or(0));
        let unique = parts.iter().any(|part| part.get("uniqueItems") == Some(&Value::Bool(true)));
        let mut out: Vec<Value> = Vec::new();
        for index in 0..least.min(most.unwrap_or(MAX_ITEMS)).min(MAX_ITEMS) {
            let mut schemas = match prefix.get(index) {
                Some(schema) => vec![schema],
                None => rest.clone(),
            };
            schemas.extend(wanted.iter().copied());
            let Some(mut item) = self.value(&schemas, depth + 1) else { break };
            if unique && out.contains(&item) {
                item = self.another(&schemas, item, &out);
            }
            out.push(item);
        }
        out
    }

    /// A value like `item` that is not among `taken` yet.
    fn another(&self, schemas: &[&'s Value], item: Value, taken: &[Value]) -> Value {
        let parts = self.parts(schemas).unwrap_or_default();
        let listed = parts.iter().find_map(|part| part.get("enum")?.as_array());
        if let Some(free) = listed.into_iter().flatten().find(|value| !taken.contains(value)) {
            return free.clone();
        }
        match item {
            Value::String(text) => Value::String(format!("{text}{}", taken.len() + 1)),
            Value::Number(number) => match number.as_i64() {
                Some(number) => Value::from(number.saturating_add(taken.len() as i64)),
                None => Value::Number(number),
            },
            Value::Bool(value) => Value::Bool(!value),
            other => other,
        }
    }
}

/// The type to make up: as declared, else as the other keywords suggest.
fn kind<'s>(parts: &Parts<'s>) -> &'s str {
    let mut kinds: Option<Vec<&'s str>> = None;
    for part in parts {
        let declared: Vec<&'s str> = match part.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => continue,
        };
        let narrower = |known: Vec<&'s str>| {
            let mut both: Vec<&'s str> =
                known.iter().copied().filter(|name| declared.contains(name)).collect();
            if known.contains(&"number") && declared.contains(&"integer") {
                both.push("integer");
            }
            if known.contains(&"integer") && declared.contains(&"number") {
                both.push("integer");
            }
            if both.is_empty() { known } else { both }
        };
        kinds = Some(kinds.map_or(declared.clone(), narrower));
    }
    if let Some(kinds) = kinds {
        return kinds.iter().copied().find(|kind| *kind != "null").unwrap_or("null");
    }
    let judges =
        |kind: &str| parts.iter().any(|part| part.keys().any(|name| keyword::judges(name) == Some(kind)));
    let same_value = |part: &&Map<String, Value>| {
        walk::subschemas(part)
            .iter()
            .any(|sub| sub.applies.to_same_value() && sub.schema.get("properties").is_some())
    };
    let judged = ["object", "array", "number"].into_iter().find(|kind| judges(kind));
    if let Some(judged) = judged {
        judged
    } else if parts.iter().any(same_value) {
        "object"
    } else {
        "string"
    }
}

fn size(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|size| usize::try_from(size).ok())
}

fn limit(parts: &Parts<'_>, keyword: &str) -> Option<usize> {
    parts.iter().filter_map(|part| size(part.get(keyword)?)).max()
}

fn string(parts: &Parts<'_>) -> String {
    let find = |keyword: &str| parts.iter().find_map(|part| part.get(keyword)?.as_str());
    if let Some((_, example)) = find("format").and_then(text::format) {
        return example.to_owned();
    }
    if let Some(text) = find("pattern").and_then(sample_pattern::matching) {
        return text;
    }
    let least = limit(parts, "minLength").unwrap_or(0).min(MAX_CHARS);
    let most = parts.iter().filter_map(|part| size(part.get("maxLength")?)).min();
    let length = least.max(4).min(most.unwrap_or(usize::MAX));
    "text".chars().cycle().take(length).collect()
}

/// The number nearest to 1 that the limits allow.
fn number(parts: &Parts<'_>, whole: bool) -> Value {
    let limits = |keyword: &'static str| parts.iter().filter_map(move |part| part.get(keyword)?.as_f64());
    let step = limits("multipleOf").next().filter(|step| *step > 0.0);
    let step = step.unwrap_or(if whole { 1.0 } else { 0.0 });
    let above = |low: f64, open: bool| match (step > 0.0, open) {
        (true, true) => (low / step).floor().mul_add(step, step),
        (true, false) => (low / step).ceil() * step,
        (false, true) => low + 0.5,
        (false, false) => low,
    };
    let below = |high: f64, open: bool| match (step > 0.0, open) {
        (true, true) => (high / step).ceil().mul_add(step, -step),
        (true, false) => (high / step).floor() * step,
        (false, true) => high - 0.5,
        (false, false) => high,
    };
    let lowest = limits("minimum")
        .map(|low| above(low, false))
        .chain(limits("exclusiveMinimum").map(|low| above(low, true)))
        .fold(f64::NEG_INFINITY, f64::max);
    let highest = limits("maximum")
        .map(|high| below(high, false))
        .chain(limits("exclusiveMaximum").map(|high| below(high, true)))
        .fold(f64::INFINITY, f64::min);
    let wish = above(1.0, false).max(lowest).min(highest);
    // An open interval narrower than 1 has its middle.
    let value = if wish < lowest { f64::midpoint(lowest, highest) } else { wish };
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return Value::from(value as i64);
    }
    Number::from_f64(value).map_or(Value::from(1), Value::Number)
}
