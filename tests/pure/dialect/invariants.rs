//! What holds for every lowered schema, whatever it was made from: the corpus, and schemas that
//! nobody thought of.

use callgate::dialect::Dialect;
use callgate::dialect::lower::{Fate, lower};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::lowering::schemas;
use super::variants::variants;

/// Calls `visit` for every schema inside a lowered one, with its depth.
fn walk(schema: &Value, depth: usize, visit: &mut impl FnMut(&Map<String, Value>, usize)) {
    let Value::Object(members) = schema else { return };
    visit(members, depth);
    for (keyword, value) in members {
        match (keyword.as_str(), value) {
            ("properties" | "$defs", Value::Object(inner)) => {
                inner.values().for_each(|schema| walk(schema, depth + 1, visit));
            }
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(inner)) => {
                inner.iter().for_each(|schema| walk(schema, depth + 1, visit));
            }
            ("items" | "additionalProperties", schema) => walk(schema, depth + 1, visit),
            _ => {}
        }
    }
}

fn is_list(members: &Map<String, Value>) -> bool {
    let is_array = |kind: &Value| kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("array"));
    match members.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(is_array),
        kind => kind.is_some_and(is_array),
    }
}

fn root_names(schema: &Value) -> impl Iterator<Item = &String> {
    schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys)
}

/// `^[a-zA-Z0-9_.-]{1,64}$`
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    (1..=64).contains(&name.len()) && name.chars().all(plain)
}

/// Asserts what the provider asks of `schema`, made from `original`.
fn hold(original: &Value, name: &str, dialect: Dialect, strict: bool) {
    let lowered = lower(original, dialect.profile(strict));
    assert_eq!(lowered, lower(original, dialect.profile(strict)), "{name}: the same each time");
    let schema = &lowered.schema;
    let at = || format!("{name}: {original} → {schema}");
    if !dialect.has_strict() {
        assert!(root_names(schema).all(|name| is_plain(name)), "a name that Anthropic refuses, {}", at());
    }
    if dialect == Dialect::Mcp {
        assert!(jsonschema::meta::is_valid(schema), "no JSON Schema, {}", at());
        walk(schema, 0, &mut |members, _| {
            assert!(!is_list(members) || members.contains_key("items"), "no items, {}", at());
        });
        let as_is = lowered.report.keywords.iter().all(|note| note.fate == Fate::Kept);
        assert_eq!(as_is, schema == original, "{}", at());
        return;
    }
    let kind = if dialect == Dialect::GeminiSchema { "OBJECT" } else { "object" };
    assert_eq!(schema["type"], kind, "{}", at());
    assert!(schema["properties"].is_object(), "{}", at());
    for keyword in ["allOf", "anyOf", "oneOf", "not", "if", "enum", "const"] {
        assert!(schema.get(keyword).is_none(), "{keyword} at the root, {}", at());
    }
    let defined = schema.get("$defs").and_then(Value::as_object).cloned().unwrap_or_default();
    let (mut count, mut deepest) = (0_usize, 0_usize);
    walk(schema, 0, &mut |members, depth| {
        (count, deepest) = (count + 1, deepest.max(depth));
        for keyword in [
            "allOf",
            "if",
            "then",
            "else",
            "not",
            "dependentRequired",
            "patternProperties",
            "$id",
            "$comment",
        ] {
            assert!(!members.contains_key(keyword), "{keyword}, {}", at());
        }
        if let Some(Value::String(reference)) = members.get("$ref") {
            let known = reference == "#"
                || reference.strip_prefix("#/$defs/").is_some_and(|name| defined.contains_key(name));
            assert!(known, "{reference} leads nowhere, {}", at());
        }
        if let Some(Value::Array(required)) = members.get("required") {
            let declared = |name: &Value| members["properties"].get(name.as_str().unwrap()).is_some();
            assert!(required.iter().all(declared), "a required name that is not declared, {}", at());
        }
        if strict {
            strictly(members, &at);
        }
        if ![Dialect::Anthropic, Dialect::Gemini].contains(&dialect) {
            assert!(!is_list(members) || members.contains_key("items"), "no items, {}", at());
        }
        if dialect == Dialect::GeminiSchema {
            let kind = members.get("type").and_then(Value::as_str);
            assert!(kind.is_none_or(|kind| kind == kind.to_uppercase()), "{}", at());
            assert!(kind.is_some() || members.contains_key("anyOf"), "no type, {}", at());
            assert!(!members.contains_key("anyOf") || members.len() == 1, "beside anyOf, {}", at());
            let texts = members.get("enum").and_then(Value::as_array);
            assert!(texts.is_none_or(|values| values.iter().all(Value::is_string)), "{}", at());
        }
        if [Dialect::Vapi, Dialect::Retell, Dialect::ElevenLabs].contains(&dialect) {
            assert!(members.get("type").is_some_and(Value::is_string), "no type, {}", at());
            assert!(!members.contains_key("$ref") && !members.contains_key("anyOf"), "{}", at());
        }
        if dialect == Dialect::ElevenLabs {
            for property in
                members.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::values)
            {
                assert!(property["description"].is_string(), "no description, {}", at());
            }
        }
    });
    assert!(count <= 20_000 && deepest <= 100, "{name}: {count} schemas, {deepest} deep");
    if dialect != Dialect::GeminiSchema {
        assert!(jsonschema::draft202012::meta::is_valid(schema), "no JSON Schema, {}", at());
    }
    for note in &lowered.report.keywords {
        assert_eq!(note.how.is_empty(), note.fate == Fate::Kept, "{note:?}");
    }
}

/// The rules of OpenAI's strict mode.
fn strictly(members: &Map<String, Value>, at: &impl Fn() -> String) {
    for keyword in [
        "oneOf",
        "default",
        "minLength",
        "maxLength",
        "uniqueItems",
        "prefixItems",
        "examples",
        "minProperties",
    ] {
        assert!(!members.contains_key(keyword), "{keyword}, {}", at());
    }
    assert!(
        ["type", "anyOf", "$ref"].iter().any(|keyword| members.contains_key(*keyword)),
        "no type, {}",
        at()
    );
    let kinds = match members.get("type") {
        Some(Value::Array(kinds)) => kinds.clone(),
        Some(kind) => vec![kind.clone()],
        None => vec![],
    };
    if kinds.contains(&json!("object")) {
        assert_eq!(members.get("additionalProperties"), Some(&json!(false)), "{}", at());
        let names: Vec<Value> =
            members["properties"].as_object().unwrap().keys().map(|name| json!(name)).collect();
        assert_eq!(members["required"], json!(names), "{}", at());
    }
}

#[test]
fn every_schema_of_the_corpus_is_one_that_the_provider_takes() {
    for (_, schema) in schemas() {
        for (name, dialect, strict) in variants() {
            hold(&schema, &name, dialect, strict);
        }
    }
}

#[test]
fn definitions_that_multiply_and_chains_without_end_stay_small() {
    let mut defs = Map::new();
    for level in 0..12 {
        let reference = json!({"$ref": format!("#/$defs/l{}", level + 1)});
        let properties: Map<String, Value> = ["a", "b", "c", "d", "e", "f"]
            .map(|name| (name.to_owned(), reference.clone()))
            .into_iter()
            .collect();
        defs.insert(format!("l{level}"), json!({"type": "object", "properties": properties}));
    }
    defs.insert("l12".to_owned(), json!({"type": "string"}));
    let bomb = json!({"type": "object", "$defs": defs, "properties": {"x": {"$ref": "#/$defs/l0"}}});
    let mutual = json!({"type": "object", "$defs": {
        "a": {"type": "object", "properties": {"b": {"$ref": "#/$defs/b"}, "c": {"$ref": "#/$defs/b"}}},
        "b": {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}, "d": {"$ref": "#/$defs/a"}}}},
        "properties": {"x": {"$ref": "#/$defs/a"}}});
    let itself = json!({"type": "object", "properties": {"x": {"allOf": [{"$ref": "#/properties/x"}]}}});
    let mut deep = json!({"type": "string"});
    for _ in 0..60 {
        deep = json!({"type": "array", "items": deep});
    }
    let deep = json!({"type": "object", "properties": {"x": deep}});
    for (name, dialect, strict) in variants() {
        for schema in [&bomb, &mutual, &itself, &deep] {
            hold(schema, &name, dialect, strict);
        }
        let report = lower(&bomb, dialect.profile(strict)).report;
        let writes_out = report.keywords.iter().any(|note| note.how == "written out");
        assert!(
            !writes_out || report.keywords.iter().any(|note| note.fate == Fate::Lost),
            "{name}: it is said"
        );
    }
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-5_i64..20).prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from),
    ]
}

/// A schema made of keywords as they come.
fn schema() -> impl Strategy<Value = Value> {
    let name = || prop_oneof![Just("a"), Just("b"), Just("kind")];
    let kind = || {
        prop_oneof![
            Just("string"),
            Just("integer"),
            Just("number"),
            Just("boolean"),
            Just("array"),
            Just("object"),
            Just("null")
        ]
    };
    let leaf = prop_oneof![
        Just(json!(true)),
        Just(json!(false)),
        Just(json!({})),
        Just(json!({"$ref": "#/$defs/d"})),
        Just(json!({"$ref": "#"})),
        Just(json!({"$ref": "#/$defs/d", "description": "other"})),
        kind().prop_map(|kind| json!({ "type": kind })),
        prop::collection::btree_set(kind(), 1..4).prop_map(|kinds| json!({ "type": kinds })),
        scalar().prop_map(|value| json!({ "const": value })),
        prop::collection::vec(scalar(), 1..4).prop_map(|values| json!({ "enum": values })),
        (0_u64..9)
            .prop_map(|n| json!({"type": "string", "minLength": n, "pattern": "^(?=a)", "format": "email"})),
        (0_i64..9)
            .prop_map(|n| json!({"type": "integer", "exclusiveMinimum": n, "multipleOf": 2, "default": 4})),
    ];
    leaf.prop_recursive(4, 40, 4, move |inner| {
        let list = prop::collection::vec(inner.clone(), 1..4);
        let members = prop::collection::btree_map(name(), inner.clone(), 1..4);
        let names = prop::collection::btree_set(name(), 1..3);
        prop_oneof![
            (members.clone(), names.clone()).prop_map(
                |(members, names)| json!({"type": "object", "properties": members, "required": names})
            ),
            (list.clone(), prop_oneof![Just("allOf"), Just("anyOf"), Just("oneOf"), Just("prefixItems")])
                .prop_map(|(list, keyword)| json!({ keyword: list })),
            (
                inner.clone(),
                prop_oneof![
                    Just("items"),
                    Just("not"),
                    Just("contains"),
                    Just("additionalProperties"),
                    Just("unevaluatedProperties"),
                    Just("propertyNames")
                ]
            )
                .prop_map(|(inner, keyword)| json!({ keyword: inner, "description": "D" })),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| json!({"if": a, "then": b, "else": c})),
            (names, members.clone()).prop_map(
                |(names, members)| json!({"dependentRequired": {"a": names}, "dependentSchemas": members})
            ),
            (members, list)
                .prop_map(|(members, list)| json!({"properties": members, "oneOf": list, "title": "T"})),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_schema_is_lowered_to_one_that_the_provider_takes(root in schema(), definition in schema()) {
        let mut root = match root {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        root.insert("type".to_owned(), json!("object"));
        root.insert("$defs".to_owned(), json!({ "d": definition }));
        let root = Value::Object(root);
        for (name, dialect, strict) in variants() {
            hold(&root, &name, dialect, strict);
        }
    }
}
