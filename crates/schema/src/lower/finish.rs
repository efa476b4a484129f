//! The last touches: the root, strict mode, capitals, counts.

use serde_json::{Map, Value, json};

use super::profile::Limits;
use super::report::Count;
use super::words::add_words;

/// More values than this make an enum a large one for OpenAI.
const LARGE_ENUM: usize = 250;

/// The root is an object with properties, as every provider wants it.
pub(super) fn root(schema: &mut Value) {
    let Value::Object(members) = schema else {
        *schema = json!({"type": "object", "properties": {}});
        return;
    };
    members.insert("type".to_owned(), json!("object"));
    if !members.get("properties").is_some_and(Value::is_object) {
        members.insert("properties".to_owned(), json!({}));
    }
}

/// OpenAI's strict mode: every object closed, every property required, the optional ones nullable.
pub(super) fn strict(schema: &mut Value) {
    let Value::Object(members) = schema else { return };
    if is_object(members) {
        let required: Vec<String> = match members.get("required") {
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        let properties = members.entry("properties").or_insert_with(|| json!({}));
        let mut names = Vec::new();
        if let Value::Object(properties) = properties {
            for (name, property) in properties {
                if !required.contains(name) {
                    nullable(property);
                }
                names.push(name.clone());
            }
        }
        members.insert("required".to_owned(), json!(names));
        members.insert("additionalProperties".to_owned(), json!(false));
    }
    inner(members, &mut |schema| strict(schema));
}

fn is_object(members: &Map<String, Value>) -> bool {
    match members.get("type") {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        _ => members.contains_key("properties"),
    }
}

/// Lets a schema take null as well.
fn nullable(schema: &mut Value) {
    let null = json!("null");
    let Value::Object(members) = schema else { return };
    if let Some(Value::Array(values)) = members.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    let plain = !["const", "$ref"].iter().any(|keyword| members.contains_key(*keyword));
    match members.get_mut("type") {
        Some(Value::Array(kinds)) if plain => {
            if !kinds.contains(&null) {
                kinds.push(null);
            }
        }
        Some(kind @ Value::String(_)) if plain => {
            if *kind != null {
                *kind = json!([kind.clone(), "null"]);
            }
        }
        _ => match members.get_mut("anyOf") {
            Some(Value::Array(forms)) => {
                if !forms.contains(&json!({"type": "null"})) {
                    forms.push(json!({"type": "null"}));
                }
            }
            _ => {
                let description = members.shift_remove("description");
                let form = std::mem::take(members);
                if let Some(description) = description {
                    members.insert("description".to_owned(), description);
                }
                members.insert("anyOf".to_owned(), json!([form, {"type": "null"}]));
            }
        },
    }
}

/// Moves what stands beside `anyOf` into each of its forms, and makes one choice of a choice inside
/// a choice.
pub(super) fn alone(schema: &mut Value) {
    let Value::Object(members) = schema else { return };
    inner(members, &mut alone);
    let Some(Value::Array(forms)) = members.shift_remove("anyOf") else { return };
    let around = std::mem::take(members);
    let mut all: Vec<Value> = Vec::with_capacity(forms.len());
    for form in forms {
        let those = match form {
            Value::Object(mut form) if form.contains_key("anyOf") => match form.shift_remove("anyOf") {
                Some(Value::Array(inner)) => inner,
                _ => Vec::new(),
            },
            form => vec![form],
        };
        for mut form in those {
            beside(&mut form, &around);
            if !all.contains(&form) {
                all.push(form);
            }
        }
    }
    members.insert("anyOf".to_owned(), Value::Array(all));
}

fn beside(form: &mut Value, around: &Map<String, Value>) {
    let description = around.get("description").and_then(Value::as_str).unwrap_or_default();
    if let Value::Object(members) = form {
        for (keyword, value) in around.iter().filter(|(keyword, _)| *keyword != "description") {
            let narrower = keyword != "type" || members.get("type").is_some_and(|own| own == "integer");
            match members.get(keyword) {
                Some(_) if narrower => {}
                _ => drop(members.insert(keyword.clone(), value.clone())),
            }
        }
    }
    add_words(form, &[description.to_owned()]);
}

/// Types in capitals, as Gemini's older form has them.
pub(super) fn capitals(schema: &mut Value) {
    let Value::Object(members) = schema else { return };
    if let Some(Value::String(kind)) = members.get_mut("type") {
        kind.make_ascii_uppercase();
    }
    inner(members, &mut |schema| capitals(schema));
}

/// Calls `visit` for every schema directly inside `members`.
fn inner(members: &mut Map<String, Value>, visit: &mut impl FnMut(&mut Value)) {
    for (keyword, value) in members {
        match (keyword.as_str(), value) {
            ("properties" | "$defs", Value::Object(schemas)) => schemas.values_mut().for_each(&mut *visit),
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(schemas)) => {
                schemas.iter_mut().for_each(&mut *visit);
            }
            ("items" | "additionalProperties", schema @ Value::Object(_)) => visit(schema),
            _ => {}
        }
    }
}

#[derive(Default)]
struct Counted {
    properties: usize,
    depth: usize,
    longest_property: usize,
    enum_values: usize,
    name_chars: usize,
    large_enum_chars: usize,
}

/// What a provider limits, counted.
pub(super) fn counts(name: &str, description: &str, schema: &Value, limits: &Limits) -> Vec<Count> {
    let mut counted = Counted::default();
    walk(&mut schema.clone(), 0, &mut counted);
    let count = |what, found, limit| Count { what, found, limit };
    let mut counts = vec![
        count("characters of the name", name.chars().count(), limits.name),
        count("characters of the description", description.chars().count(), limits.description),
        count("properties", counted.properties, limits.properties),
        count("levels", counted.depth, limits.depth),
        count("values of enums", counted.enum_values, limits.enum_values),
        count("characters of the longest property name", counted.longest_property, limits.property_name),
    ];
    if limits.name_chars.is_some() {
        counts.push(count("characters of names and values", counted.name_chars, limits.name_chars));
    }
    if limits.large_enum_chars.is_some() {
        let what = "characters of an enum of more than 250 values";
        counts.push(count(what, counted.large_enum_chars, limits.large_enum_chars));
    }
    counts
}

fn walk(schema: &mut Value, depth: usize, counted: &mut Counted) {
    let Value::Object(members) = schema else { return };
    counted.depth = counted.depth.max(depth);
    let chars =
        |value: &Value| value.as_str().map_or_else(|| value.to_string().len(), |text| text.chars().count());
    if let Some(Value::Array(values)) = members.get("enum") {
        let sum: usize = values.iter().map(chars).sum();
        counted.enum_values += values.len();
        counted.name_chars += sum;
        if values.len() > LARGE_ENUM {
            counted.large_enum_chars = counted.large_enum_chars.max(sum);
        }
    }
    counted.name_chars += members.get("const").map_or(0, chars);
    for keyword in ["properties", "$defs"] {
        for name in members.get(keyword).and_then(Value::as_object).into_iter().flat_map(Map::keys) {
            counted.name_chars += name.chars().count();
            if keyword == "properties" {
                counted.properties += 1;
                counted.longest_property = counted.longest_property.max(name.chars().count());
            }
        }
    }
    inner(members, &mut |schema| walk(schema, depth + 1, counted));
}
