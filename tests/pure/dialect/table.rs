//! `docs/dialects.md`: which keyword of JSON Schema each dialect keeps, lowers or loses.
//!
//! `UPDATE_GOLDEN=1 cargo test --test pure dialect::table` rewrites the table.

use std::fmt::Write as _;
use std::fs;

use callgate::dialect::Dialect;
use callgate::dialect::lower::{Fate, lower};
use serde_json::{Value, json};

/// A keyword, a schema that has it, and where.
fn examples() -> Vec<(&'static str, Value, &'static str)> {
    let property = |schema: Value| json!({"type": "object", "properties": {"p": schema}});
    let root = |keyword: &str, value: Value| json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, keyword: value});
    let text = |keyword: &str, value: Value| property(json!({"type": "string", keyword: value}));
    let whole = |keyword: &str, value: Value| property(json!({"type": "integer", keyword: value}));
    let list = |keyword: &str, value: Value| {
        property(json!({"type": "array", "items": {"type": "string"}, keyword: value}))
    };
    let object = |keyword: &str, value: Value| {
        property(
            json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, keyword: value}),
        )
    };
    let forms = json!([{"type": "string"}, {"type": "integer"}]);
    let objects = json!([{"properties": {"k": {"const": "x"}, "a": {"type": "string"}}, "required": ["k"]},
                         {"properties": {"k": {"const": "y"}, "b": {"type": "string"}}, "required": ["k"]}]);
    let condition = json!([{"if": {"properties": {"a": {"const": "x"}}}, "then": {"required": ["b"]}}]);
    vec![
        ("`type`", property(json!({"type": "string"})), "/properties/p/type"),
        ("`type`: a list with `null`", property(json!({"type": ["string", "null"]})), "/properties/p/type"),
        ("`type`: a list of several", property(json!({"type": ["string", "integer"]})), "/properties/p/type"),
        ("`properties`, nested", object("title", json!("T")), "/properties/p/properties"),
        ("`required`, nested", object("required", json!(["a"])), "/properties/p/required"),
        (
            "`additionalProperties: false`",
            object("additionalProperties", json!(false)),
            "/properties/p/additionalProperties",
        ),
        (
            "`additionalProperties`: a schema",
            object("additionalProperties", json!({"type": "string"})),
            "/properties/p/additionalProperties",
        ),
        (
            "`patternProperties`",
            object("patternProperties", json!({"^x": {"type": "string"}})),
            "/properties/p/patternProperties",
        ),
        ("`propertyNames`", object("propertyNames", json!({"maxLength": 3})), "/properties/p/propertyNames"),
        (
            "`minProperties`, `maxProperties`",
            object("minProperties", json!(1)),
            "/properties/p/minProperties",
        ),
        (
            "`unevaluatedProperties`",
            object("unevaluatedProperties", json!(false)),
            "/properties/p/unevaluatedProperties",
        ),
        ("`dependentRequired`", root("dependentRequired", json!({"a": ["b"]})), "/dependentRequired"),
        (
            "`dependentSchemas`",
            root("dependentSchemas", json!({"a": {"required": ["b"]}})),
            "/dependentSchemas",
        ),
        ("`items`", property(json!({"type": "array", "items": {"type": "string"}})), "/properties/p/items"),
        ("`type: array` without `items`", property(json!({"type": "array"})), "/properties/p/type"),
        (
            "`prefixItems`",
            property(json!({"type": "array", "prefixItems": [{"type": "string"}, {"type": "string"}]})),
            "/properties/p/prefixItems",
        ),
        (
            "`prefixItems` of several types",
            property(json!({"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]})),
            "/properties/p/prefixItems",
        ),
        ("`contains`", list("contains", json!({"const": "x"})), "/properties/p/contains"),
        ("`minItems`, `maxItems`", list("minItems", json!(1)), "/properties/p/minItems"),
        ("`uniqueItems`", list("uniqueItems", json!(true)), "/properties/p/uniqueItems"),
        ("`enum` of texts", text("enum", json!(["a", "b"])), "/properties/p/enum"),
        ("`enum` of numbers", whole("enum", json!([1, 2])), "/properties/p/enum"),
        ("`const`", text("const", json!("a")), "/properties/p/const"),
        ("`const`: a number", whole("const", json!(1)), "/properties/p/const"),
        ("`minLength`, `maxLength`", text("minLength", json!(1)), "/properties/p/minLength"),
        ("`pattern`", text("pattern", json!("^a")), "/properties/p/pattern"),
        ("`format: date-time`", text("format", json!("date-time")), "/properties/p/format"),
        ("`format: email`", text("format", json!("email")), "/properties/p/format"),
        ("`format: uri`", text("format", json!("uri")), "/properties/p/format"),
        ("`minimum`, `maximum`", whole("minimum", json!(1)), "/properties/p/minimum"),
        (
            "`exclusiveMinimum`, `exclusiveMaximum`",
            whole("exclusiveMinimum", json!(1)),
            "/properties/p/exclusiveMinimum",
        ),
        ("`multipleOf`", whole("multipleOf", json!(5)), "/properties/p/multipleOf"),
        ("`anyOf` at the root", root("anyOf", json!([{"required": ["a"]}, {"required": ["b"]}])), "/anyOf"),
        ("`oneOf` at the root", root("oneOf", objects.clone()), "/oneOf"),
        ("`allOf` at the root", root("allOf", json!([{"required": ["a"]}])), "/allOf"),
        ("`if`, `then`, `else` at the root", root("allOf", condition.clone()), "/allOf/0/if"),
        ("`not` at the root", root("not", json!({"required": ["a", "b"]})), "/not"),
        ("`anyOf` of a property", property(json!({"anyOf": forms})), "/properties/p/anyOf"),
        ("`oneOf` of a property", property(json!({"oneOf": forms})), "/properties/p/oneOf"),
        ("`oneOf` of objects", property(json!({"oneOf": objects})), "/properties/p/oneOf"),
        (
            "`allOf` of a property",
            property(json!({"allOf": [{"type": "string"}, {"maxLength": 3}]})),
            "/properties/p/allOf",
        ),
        ("`if`, `then`, `else` of a property", object("allOf", condition), "/properties/p/allOf/0/if"),
        ("`not` of a property", text("not", json!({"const": "x"})), "/properties/p/not"),
        (
            "`$ref`, `$defs`",
            json!({"type": "object", "$defs": {"d": {"type": "string"}}, "properties": {"p": {"$ref": "#/$defs/d"}}}),
            "/properties/p/$ref",
        ),
        (
            "`$ref` to itself",
            json!({"type": "object", "$defs": {"d": {"type": "object", "properties": {"n": {"$ref": "#/$defs/d"}}}}, "properties": {"p": {"$ref": "#/$defs/d"}}}),
            "/$defs/d/properties/n/$ref",
        ),
        ("`title`", text("title", json!("T")), "/properties/p/title"),
        ("`description`", text("description", json!("D")), "/properties/p/description"),
        ("`default`", text("default", json!("a")), "/properties/p/default"),
        ("`examples`", text("examples", json!(["a"])), "/properties/p/examples"),
        ("`deprecated`, `readOnly`", text("deprecated", json!(true)), "/properties/p/deprecated"),
        (
            "`contentEncoding`, `contentMediaType`",
            text("contentEncoding", json!("base64")),
            "/properties/p/contentEncoding",
        ),
        ("`$comment`", text("$comment", json!("c")), "/properties/p/$comment"),
    ]
}

/// The columns: what they are called, and how to get them.
const COLUMNS: [(&str, Dialect, bool); 9] = [
    ("OpenAI", Dialect::OpenAiChat, false),
    ("OpenAI strict", Dialect::OpenAiChat, true),
    ("Realtime", Dialect::OpenAiRealtime, false),
    ("Anthropic", Dialect::Anthropic, false),
    ("Gemini", Dialect::Gemini, false),
    ("gemini-schema", Dialect::GeminiSchema, false),
    ("MCP", Dialect::Mcp, false),
    ("Vapi", Dialect::Vapi, false),
    ("Retell, ElevenLabs", Dialect::Retell, false),
];

#[test]
fn the_table_of_the_documents_is_what_the_code_does() {
    let mut table = format!("| Keyword | {} |\n", COLUMNS.map(|(name, _, _)| name).join(" | "));
    let _ = writeln!(table, "|---|{}", "---|".repeat(COLUMNS.len()));
    for (keyword, schema, pointer) in examples() {
        assert!(jsonschema::draft202012::new(&schema).is_ok(), "{keyword}");
        let _ = write!(table, "| {keyword} |");
        for (name, dialect, strict) in COLUMNS {
            let report = lower(&schema, dialect.profile(strict)).report;
            let note = report.keywords.iter().find(|note| note.pointer == pointer);
            let note = note.unwrap_or_else(|| panic!("{keyword}: {name} says nothing of {pointer}"));
            let word = match note.fate {
                Fate::Kept => "kept",
                Fate::Lowered => "lowered",
                Fate::Lost => "**lost**",
            };
            let _ = write!(table, " {word} |");
        }
        table.push('\n');
    }
    // What shares a column does the same.
    for (_, schema, _) in examples() {
        let fates = |dialect: Dialect| -> Vec<(String, Fate)> {
            let report = lower(&schema, dialect.profile(false)).report;
            report.keywords.into_iter().map(|note| (note.pointer, note.fate)).collect()
        };
        assert_eq!(fates(Dialect::Retell), fates(Dialect::ElevenLabs));
        assert_eq!(fates(Dialect::OpenAiChat), fates(Dialect::OpenAiResponses));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/dialects.md");
    let page = fs::read_to_string(path).unwrap();
    let (begin, end) = ("<!-- table:begin -->\n", "<!-- table:end -->");
    let (head, rest) = page.split_once(begin).expect("the mark before the table");
    let (there, tail) = rest.split_once(end).expect("the mark after the table");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, format!("{head}{begin}{table}{end}{tail}")).unwrap();
    } else {
        assert_eq!(there, table, "UPDATE_GOLDEN=1 rewrites it");
    }
}
