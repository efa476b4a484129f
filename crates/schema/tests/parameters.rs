//! Schemas and arguments as data behind a few checks.

use std::collections::BTreeMap;

use callgate_schema::parameters::{Arguments, InvalidArguments, Parameters, SchemaProblem, parse_arguments};
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

fn seeds() -> BTreeMap<&'static str, Value> {
    BTreeMap::from([
        (
            "order_status",
            json!({
                "type": "object",
                "properties": {"order_number": {"type": "string", "description": "The customer's order number"}},
                "required": ["order_number"]
            }),
        ),
        (
            "support_ticket",
            json!({
                "type": "object",
                "properties": {
                    "customer_email": {"type": "string", "format": "email", "description": "The customer's email address"},
                    "issue_description": {"type": "string", "description": "Description of the technical issue"},
                    "priority": {"type": "string", "enum": ["low", "medium", "high"], "description": "Priority level of the issue"}
                },
                "required": ["customer_email", "issue_description"]
            }),
        ),
        (
            "nested",
            json!({
                "type": "object",
                "properties": {"customer": {
                    "type": "object",
                    "description": "Customer information",
                    "properties": {
                        "name": {"type": "string", "description": "Customer's full name"},
                        "email": {"type": "string", "description": "Customer's email address"}
                    },
                    "required": ["name", "email"]
                }}
            }),
        ),
        (
            "arrays",
            json!({
                "type": "object",
                "properties": {"order_numbers": {"type": "array", "description": "List of order numbers to check", "items": {"type": "string"}}}
            }),
        ),
        (
            "enumeration",
            json!({
                "type": "object",
                "properties": {"priority": {"type": "string", "enum": ["low", "medium", "high", "urgent"], "description": "Priority level for the ticket"}}
            }),
        ),
        (
            "conditional",
            json!({
                "type": "object",
                "properties": {
                    "category": {"type": "string", "enum": ["billing", "technical"], "description": "Main issue category"},
                    "sub_category": {"type": "string", "description": "Specific issue type within the category"}
                },
                "required": ["category", "sub_category"],
                "allOf": [
                    {
                        "if": {"properties": {"category": {"const": "billing"}}},
                        "then": {"properties": {"sub_category": {"enum": ["invoice_dispute", "payment_failed", "refund_request"]}}}
                    },
                    {
                        "if": {"properties": {"category": {"const": "technical"}}},
                        "then": {"properties": {"sub_category": {"enum": ["login_issue", "performance", "bug_report"]}}}
                    }
                ]
            }),
        ),
    ])
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => panic!("not an object: {other}"),
    }
}

#[track_caller]
fn compile(schema: &Value) -> Parameters {
    Parameters::compile(Some(schema)).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

#[track_caller]
fn validate(schema: &Value, arguments: Value) -> Result<Arguments, InvalidArguments> {
    compile(schema).validate(object(arguments))
}

/// What the model hears; empty when the arguments are accepted.
#[track_caller]
fn check(schema: &Value, arguments: Value, expected: &str) {
    let said = validate(schema, arguments).err().map(|e| e.message()).unwrap_or_default();
    assert_eq!(said, expected);
}

/// The same for a schema of one property `x`.
#[track_caller]
fn check_x(x: Value, value: Value, expected: &str) {
    check(&json!({"type": "object", "properties": {"x": x}}), json!({"x": value}), expected);
}

#[test]
fn seed_schemas_accept_and_refuse() {
    let seeds = seeds();
    let order = &seeds["order_status"];
    check(order, json!({"order_number": "ORD-1"}), "");
    check(order, json!({}), "`order_number` is required.");
    check(order, json!({"order_number": 5}), "`order_number` must be text, not a number.");
    check(
        order,
        json!({"order_nubmer": "ORD-1"}),
        "`order_number` is required. \
         `order_nubmer` is not a parameter of this tool; did you mean `order_number`?",
    );
    check(
        order,
        json!({"order_number": "1", "urgent": true}),
        "`urgent` is not a parameter of this tool; leave it out.",
    );
    let ticket = &seeds["support_ticket"];
    check(ticket, json!({"customer_email": "a@b.example", "issue_description": "x", "priority": "low"}), "");
    check(
        ticket,
        json!({"customer_email": "ann at example", "issue_description": "x", "priority": "huge"}),
        "`customer_email` must be an e-mail address, like ann@example.com. \
         `priority` must be one of low, medium, high.",
    );
    check(
        ticket,
        json!({"priority": "low"}),
        "`customer_email` is required. `issue_description` is required.",
    );
    let nested = &seeds["nested"];
    check(nested, json!({}), "");
    check(nested, json!({"customer": {"name": "Ann"}}), "`customer.email` is required.");
    check(
        nested,
        json!({"customer": {"name": 1, "email": null, "vip": true}}),
        "`customer.name` must be text, not a number. `customer.email` must be text, not null.",
    );
    let arrays = &seeds["arrays"];
    check(arrays, json!({"order_numbers": ["a", "b"]}), "");
    check(arrays, json!({"order_numbers": ["a", 2]}), "`order_numbers[1]` must be text, not a number.");
    check(arrays, json!({"order_numbers": "a"}), "`order_numbers` must be a list, not text.");
    check(
        &seeds["enumeration"],
        json!({"priority": "Low"}),
        "`priority` must be one of low, medium, high, urgent.",
    );
}

#[test]
fn a_conditional_list_names_the_values_allowed_now() {
    let schema = &seeds()["conditional"];
    check(schema, json!({"category": "billing", "sub_category": "refund_request"}), "");
    check(schema, json!({"category": "technical", "sub_category": "performance"}), "");
    check(
        schema,
        json!({"category": "billing", "sub_category": "performance"}),
        "`sub_category` must be one of invoice_dispute, payment_failed, refund_request.",
    );
    check(
        schema,
        json!({"category": "technical", "sub_category": "refund_request"}),
        "`sub_category` must be one of login_issue, performance, bug_report.",
    );
    check(schema, json!({"sub_category": "performance"}), "`category` is required.");
    let vacuous = json!({"type": "object", "properties": {"a": {}}, "if": {"properties": {"a": {"const": 1}}}, "then": {"required": ["a"]}});
    check(&vacuous, json!({}), "`a` is required.");
    check(
        schema,
        json!({"category": "sales", "sub_category": "x"}),
        "`category` must be one of billing, technical.",
    );
}

#[test]
fn every_keyword_has_its_sentence() {
    check_x(json!({"type": "integer"}), json!("four"), "`x` must be a whole number, not text.");
    check_x(json!({"type": "integer"}), json!("4"), "");
    check_x(json!({"type": "integer"}), json!(4.5), "`x` must be a whole number, not a fraction.");
    check_x(json!({"type": "integer"}), json!(4.0), "");
    check_x(json!({"type": "boolean"}), json!("yes"), "`x` must be true or false, not text.");
    check_x(json!({"type": "object"}), json!([]), "`x` must be an object, not a list.");
    check_x(
        json!({"type": ["null", "string"]}),
        json!(true),
        "`x` must be text or null, not a true-or-false value.",
    );
    check_x(json!({"enum": ["a", 1, null]}), json!("b"), "`x` must be one of a, 1, null.");
    check_x(json!({"const": "billing"}), json!("b"), "`x` must be billing.");
    check_x(json!({"minimum": 1}), json!(0), "`x` must be at least 1.");
    check_x(json!({"maximum": 1.50}), json!(2), "`x` must be at most 1.5.");
    check_x(json!({"exclusiveMinimum": 0}), json!(0), "`x` must be greater than 0.");
    check_x(json!({"exclusiveMaximum": 10}), json!(10), "`x` must be less than 10.");
    check_x(json!({"multipleOf": 0.01}), json!(0.001), "`x` must be a multiple of 0.01.");
    check_x(json!({"minLength": 4}), json!("äöü"), "`x` must have at least 4 characters, not 3.");
    check_x(json!({"minLength": 1}), json!(""), "`x` must not be empty.");
    check_x(json!({"maxLength": 1}), json!("ab"), "`x` must have at most 1 character, not 2.");
    check_x(json!({"pattern": "^[A-Z]{3}$"}), json!("ab"), "`x` must match the pattern ^[A-Z]{3}$.");
    check_x(
        json!({"pattern": "^[A-Z]{3}$", "examples": ["ABC"]}),
        json!("ab"),
        "`x` must match the pattern ^[A-Z]{3}$, like ABC.",
    );
    check_x(json!({"format": "date"}), json!("tomorrow"), "`x` must be a date, like 2026-01-31.");
    check_x(
        json!({"format": "uuid"}),
        json!("7"),
        "`x` must be a UUID, like 123e4567-e89b-42d3-a456-426614174000.",
    );
    check_x(json!({"minItems": 1}), json!([]), "`x` must not be empty.");
    check_x(json!({"minItems": 2}), json!([1]), "`x` must have at least 2 items, not 1.");
    check_x(json!({"maxItems": 1}), json!([1, 2]), "`x` must have at most 1 item, not 2.");
    check_x(json!({"uniqueItems": true}), json!([1, 1.0]), "`x` must not hold the same item twice.");
    check_x(json!({"contains": {"const": "a"}}), json!(["b"]), "`x` must have at least 1 item that is a.");
    check_x(
        json!({"contains": {"type": "integer"}, "minContains": 2}),
        json!([1]),
        "`x` must have at least 2 items that are a whole number.",
    );
    check_x(
        json!({"contains": {"const": 1}, "maxContains": 1}),
        json!([1, 1]),
        "`x` must have at most 1 item that is 1.",
    );
    check_x(json!({"contains": {"minimum": 5}}), json!([1]), "`x` must have at least 1 matching item.");
    check_x(json!({"prefixItems": [{}], "items": false}), json!([1, 2, 3]), "`x` must have at most 1 item.");
    check_x(
        json!({"prefixItems": [{}], "unevaluatedItems": false}),
        json!([1, 2]),
        "`x` has items that this tool does not expect.",
    );
    check_x(json!({"minProperties": 1}), json!({}), "`x` must have at least 1 entry, not 0.");
    check_x(json!({"maxProperties": 1}), json!({"a": 1, "b": 2}), "`x` must have at most 1 entry, not 2.");
    check_x(json!({"required": ["a"]}), json!({}), "`x.a` is required.");
    check_x(
        json!({"dependentRequired": {"street": ["zip"]}}),
        json!({"street": "a"}),
        "`x.zip` is required when `x.street` is given.",
    );
    check_x(
        json!({"dependentSchemas": {"a": {"properties": {"b": {"type": "string"}}}}}),
        json!({"a": 1, "b": 2}),
        "`x.b` must be text, not a number.",
    );
    check_x(
        json!({"properties": {"food": {}}, "additionalProperties": false}),
        json!({"foo": 1}),
        "`x.foo` is not a known field; did you mean `x.food`?",
    );
    check_x(
        json!({"additionalProperties": false}),
        json!({"foo": 1}),
        "`x.foo` is not a known field; leave it out.",
    );
    check_x(
        json!({"allOf": [{"properties": {"a": {}}}], "unevaluatedProperties": false}),
        json!({"a": 1, "zzz": 1}),
        "`x.zzz` is not a known field; leave it out.",
    );
    check_x(
        json!({"additionalProperties": {"type": "integer"}}),
        json!({"a": "b"}),
        "`x.a` must be a whole number, not text.",
    );
    check_x(
        json!({"patternProperties": {"^n": {"type": "integer"}}}),
        json!({"n": "b"}),
        "`x.n` must be a whole number, not text.",
    );
    check_x(
        json!({"propertyNames": {"maxLength": 2}}),
        json!({"abc": 1}),
        "`x` must not have a field named `abc`: a name must have at most 2 characters, not 3.",
    );
    check_x(json!(false), json!(1), "`x` is not allowed here; leave it out.");
    check_x(json!({"not": {"const": "a"}}), json!("a"), "`x` must not be a.");
    check_x(json!({"not": {"type": "string"}}), json!("a"), "`x` must not be text.");
    check_x(
        json!({"not": {"required": ["a", "b"]}}),
        json!({"a": 1, "b": 1}),
        "`x` must not have `a` and `b` together.",
    );
    check_x(json!({"not": {"minimum": 1}}), json!(2), "`x` has a value that is not allowed.");
    check_x(
        json!({"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"required": ["c"]}}),
        json!({"a": 1}),
        "`x.b` is required.",
    );
    check_x(
        json!({"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"required": ["c"]}}),
        json!({}),
        "`x.c` is required.",
    );
}

#[test]
fn choices_speak_of_the_branch_that_was_meant() {
    let union = json!({"anyOf": [{"type": "string", "format": "email"}, {"type": "null"}]});
    check_x(union.clone(), json!("a"), "`x` must be an e-mail address, like ann@example.com.");
    check_x(union, json!(1), "`x` must be text or null, not a number.");
    check_x(
        json!({"oneOf": [{"const": "a"}, {"enum": ["b", "c"]}]}),
        json!("d"),
        "`x` must be one of a, b, c.",
    );
    let contact = json!({"anyOf": [{"required": ["email"]}, {"required": ["phone"]}]});
    check_x(contact, json!({}), "`x` must have at least one of `email` or `phone`.");
    let either = json!({"oneOf": [{"required": ["email"]}, {"required": ["phone"]}]});
    check_x(either.clone(), json!({}), "`x` must have exactly one of `email` or `phone`.");
    check_x(either, json!({"email": 1, "phone": 2}), "`x` must have only one of `email` and `phone`.");
    let tagged = json!({"oneOf": [
        {"properties": {"kind": {"const": "card"}, "number": {"type": "string"}}, "required": ["kind", "number"]},
        {"properties": {"kind": {"const": "cash"}}, "required": ["kind"]}
    ]});
    check_x(tagged.clone(), json!({"kind": "card"}), "`x.number` is required.");
    check_x(tagged, json!({"kind": "gold"}), "`x.kind` must be one of card, cash.");
    check_x(
        json!({"anyOf": [{"minLength": 5}, {"pattern": "^a"}]}),
        json!("b"),
        "`x` must fit one of 2 allowed forms; in the closest, `x` must have at least 5 characters, not 1.",
    );
    check_x(
        json!({"oneOf": [{"minimum": 1}, {"maximum": 3}]}),
        json!(2),
        "`x` must fit exactly one of the allowed forms, and fits several.",
    );
    check(
        &json!({"type": "object", "properties": {"a": {}, "b": {}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}),
        json!({}),
        "The arguments must have at least one of `a` or `b`.",
    );
}

#[test]
fn only_three_problems_are_spoken_and_twenty_kept() {
    let names: Vec<String> = (0..30).map(|n| format!("p{n}")).collect();
    let properties: Map<String, Value> = names.iter().map(|n| (n.clone(), json!({}))).collect();
    let schema = json!({"type": "object", "properties": properties, "required": names});
    let error = validate(&schema, json!({})).unwrap_err();
    assert_eq!(error.violations.len(), 20);
    assert_eq!(
        error.message(),
        "`p0` is required. `p1` is required. `p2` is required. And 17 more problems."
    );
    let four = json!({"type": "object", "properties": {"a": {}}, "required": ["a"]});
    let error = validate(&four, json!({"w1": 1, "w2": 1, "w3": 1})).unwrap_err();
    assert!(error.message().ends_with("And 1 more problem."), "{}", error.message());
}

#[test]
fn long_lists_name_the_closest_value() {
    let countries: Vec<String> =
        (0..40).map(|n| format!("country{n:02}")).chain(["germany".into()]).collect();
    let error = validate(
        &json!({"type": "object", "properties": {"x": {"enum": countries}}}),
        json!({"x": "Germani"}),
    );
    let message = error.unwrap_err().message();
    assert!(message.contains("country11, …; the closest is germany."), "{message}");
}

#[test]
fn a_violation_tells_machines_where_and_what() {
    let schema =
        json!({"type": "object", "properties": {"a/b": {"type": "array", "items": {"type": "integer"}}}});
    let error = validate(&schema, json!({"a/b": [1, "x".repeat(500)]})).unwrap_err();
    let violation = &error.violations[0];
    assert_eq!(violation.pointer, "/a~1b/1");
    assert_eq!((violation.keyword.as_str(), violation.expected.as_str()), ("type", "a whole number"));
    assert_eq!(violation.got.chars().count(), 80);
    let json = serde_json::to_value(violation).unwrap();
    let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["pointer", "keyword", "expected", "got", "sentence"]);
    assert_eq!(json["sentence"], "`a/b[1]` must be a whole number, not text.");
    let missing = validate(&json!({"type": "object", "properties": {"a": {}}, "required": ["a"]}), json!({}));
    assert_eq!(missing.unwrap_err().violations[0].pointer, "/a");
}

#[test]
fn logs_hold_no_value_and_no_made_up_name() {
    let schema = json!({
        "type": "object",
        "properties": {
            "email": {"type": "string", "format": "email"},
            "map": {"additionalProperties": {"type": "integer"}, "propertyNames": {"maxLength": 9}},
            "kind": {"anyOf": [{"minLength": 90}, {"propertyNames": {"maxLength": 1}, "type": "object"}]}
        }
    });
    let arguments = json!({
        "email": "hunter2", "map": {"hunter2": "hunter2", "hunter2hunter2": 1}, "hunter2": "hunter2", "kind": {"hunter2": 1}
    });
    let error = validate(&schema, arguments).unwrap_err();
    assert!(error.message().contains("hunter2"));
    for text in [error.masked(), error.to_string(), format!("{error:?}"), format!("{:?}", error.violations)] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert!(error.to_string().starts_with("invalid arguments: "));
    let arguments =
        validate(&json!({"type": "object", "properties": {"a": {}}}), json!({"a": "hunter2"})).unwrap();
    assert_eq!(format!("{arguments:?}"), "Arguments(1)");
}

#[test]
fn sensitive_values_are_told_to_nobody() {
    let card = json!({
        "x-sensitive": true,
        "type": "object",
        "required": ["number"],
        "additionalProperties": false,
        "properties": {"number": {"type": "integer"}}
    });
    let parameters = compile(&json!({
        "type": "object",
        "properties": {
            "pin": {"type": "string", "pattern": "^[0-9]{4}$", "x-sensitive": true},
            "kind": {"enum": ["debit", "credit"], "x-sensitive": true},
            "card": {"$ref": "#/$defs/card"},
            "name": {"type": "string", "maxLength": 5},
        },
        "$defs": {"card": card},
    }));
    let told = |arguments: Value| {
        let invalid = parameters.validate(object(arguments)).expect_err("refused");
        let said = format!("{} {} {invalid:?}", invalid.message(), invalid.masked());
        (invalid.message(), format!("{} {said}", json!(invalid.violations)))
    };
    let (message, all) = told(json!({
        "pin": "49291", "kind": "visa-4929", "card": {"numbr-4929": 4929}, "pinn": "4929", "name": "Annabel"
    }));
    assert!(message.contains("`pin` must match the pattern ^[0-9]{4}$."), "{message}");
    assert!(!all.contains("4929"), "{all}");
    assert!(all.contains("Annabel"), "the rest is told: {all}");
    let (_, all) = told(json!({"card": [4929]}));
    assert!(all.contains(r#""pointer":"/card""#) && !all.contains("4929"), "{all}");
    for raw in ["4929", r#""[4929]""#, r#""{\"pin\": \"4929\"""#] {
        let raw = RawValue::from_string(raw.to_owned()).unwrap();
        let invalid = parameters.read(&raw).expect_err("refused");
        assert!(!json!(invalid).to_string().contains("4929"), "{invalid:?}");
    }
    let seen = parameters.schema_without(&[]);
    assert!(!seen.to_string().contains("x-sensitive"), "{seen}");
    assert_eq!(seen["properties"]["kind"], json!({"enum": ["debit", "credit"]}));
    let arguments = object(json!({"pin": "4929", "card": {"number": 4111}, "name": "Ann"}));
    assert_eq!(parameters.sensitive_texts(&arguments), ["4929", "4111"]);
}

#[test]
fn unknown_arguments_are_refused_unless_the_author_allows_them() {
    let base = json!({"type": "object", "properties": {"a": {}}});
    let with = |key: &str, value: Value| {
        let mut schema = base.clone();
        schema[key] = value;
        schema
    };
    let refused = "`b` is not a parameter of this tool; leave it out.";
    check(&base, json!({"b": 1}), refused);
    check(
        &json!({"type": "object", "properties": {}}),
        json!({"b": 1, "cde": 2}),
        "`b` is not a parameter of this tool; leave it out. `cde` is not a parameter of this tool; leave it out.",
    );
    check(&with("additionalProperties", json!(true)), json!({"b": 1}), "");
    check(&with("additionalProperties", json!({"type": "integer"})), json!({"b": 1}), "");
    check(&with("additionalProperties", json!(false)), json!({"b": 1}), refused);
    check(&with("unevaluatedProperties", json!(true)), json!({"b": 1}), "");
    check(&with("patternProperties", json!({"^x-": {}})), json!({"b": 1}), "");
    check(&with("allOf", json!([{"properties": {"b": {}}}])), json!({"a": 1, "b": 1}), "");
    check(&with("allOf", json!([{"properties": {"c": {}}}])), json!({"b": 1}), refused);
    check(&with("not", json!({"required": ["z"]})), json!({"b": 1}), refused);
    let referring = json!({"$ref": "#/$defs/p", "$defs": {"p": {"type": "object", "properties": {"a": {}}}}, "type": "object"});
    check(&referring, json!({"a": 1}), "");
    check(&referring, json!({"b": 1}), refused);
    let either = json!({"type": "object", "oneOf": [
        {"properties": {"a": {"const": 1}}, "required": ["a"]},
        {"properties": {"c": {"const": 1}}, "required": ["c"]}
    ]});
    check(&either, json!({"a": 1}), "");
    check(&either, json!({"a": 1, "b": 2}), refused);
    check(&either, json!({"a": 1, "c": 2}), "`c` does not go with the other values; leave it out.");
    // A branch that fails vouches for nothing, and yet its names are known.
    check(
        &with("allOf", json!([{"properties": {"b": {"type": "string"}}}])),
        json!({"a": 1, "b": 1}),
        "`b` must be text, not a number.",
    );
    // What is required is known, even where its declaration was forgotten.
    for rest in [
        json!({"required": ["b"]}),
        json!({"allOf": [{"required": ["b"]}]}),
        json!({"allOf": [{"required": ["b"]}], "$schema": "http://json-schema.org/draft-07/schema#"}),
    ] {
        let mut schema = base.clone();
        schema.as_object_mut().unwrap().extend(object(rest));
        check(&schema, json!({"b": 1}), "");
        check(&schema, json!({}), "`b` is required.");
    }
    // Nested objects follow plain JSON Schema.
    check(&json!({"type": "object", "properties": {"o": {"properties": {}}}}), json!({"o": {"b": 1}}), "");
    let none = Parameters::compile(None).unwrap();
    assert_eq!(none.schema(), &json!({"type": "object", "properties": {}}));
    assert!(none.validate(Map::new()).is_ok());
    assert_eq!(none.validate(object(json!({"b": 1}))).unwrap_err().message(), refused);
}

#[test]
fn older_drafts_are_closed_too() {
    let draft = |name: &str, rest: Value| {
        let mut schema = json!({"$schema": name, "type": "object", "properties": {"a": {"default": 1}}});
        schema.as_object_mut().unwrap().extend(object(rest));
        schema
    };
    let seven = "http://json-schema.org/draft-07/schema#";
    let nine = "https://json-schema.org/draft/2019-09/schema";
    for name in [seven, nine] {
        let plain = draft(name, json!({}));
        check(&plain, json!({"bb": 1}), "`bb` is not a parameter of this tool; leave it out.");
        let mixed = draft(name, json!({"allOf": [{"properties": {"c": {"type": "string"}}}]}));
        check(&mixed, json!({"c": "x"}), "");
        check(&mixed, json!({"c": 1}), "`c` must be text, not a number.");
        check(&mixed, json!({"c": "x", "bb": 1}), "`bb` is not a parameter of this tool; leave it out.");
    }
    let tuple =
        draft(seven, json!({"properties": {"t": {"items": [{"type": "string"}], "additionalItems": false}}}));
    check(&tuple, json!({"t": ["a", 1]}), "`t` must have at most 1 item, not 2.");
    let depends = draft(seven, json!({"properties": {"a": {}, "b": {}}, "dependencies": {"a": ["b"]}}));
    check(&depends, json!({"a": 1}), "`b` is required when `a` is given.");
}

#[test]
fn defaults_are_filled_before_the_check() {
    let filled = |schema: Value, arguments: Value, expected: Value| {
        let arguments = validate(&schema, arguments).unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!(Value::Object(arguments.into_map()), expected);
    };
    filled(
        json!({"type": "object", "properties": {"a": {"default": 1}, "b": {"type": "string", "default": "x"}}, "required": ["a"]}),
        json!({"b": "y"}),
        json!({"b": "y", "a": 1}),
    );
    // Null is a value, not an absence.
    filled(
        json!({"type": "object", "properties": {"a": {"default": 1}}}),
        json!({"a": null}),
        json!({"a": null}),
    );
    let nested = json!({"type": "object", "properties": {"o": {"type": "object", "properties": {"a": {"default": 1}}}}});
    filled(nested.clone(), json!({"o": {}}), json!({"o": {"a": 1}}));
    filled(nested, json!({}), json!({}));
    filled(
        json!({"type": "object", "properties": {"o": {"default": {}, "properties": {"a": {"default": {"b": 2}, "properties": {"c": {"default": 3}}}}}}}),
        json!({}),
        json!({"o": {"a": {"b": 2, "c": 3}}}),
    );
    filled(
        json!({"type": "object", "properties": {"l": {"items": {"properties": {"n": {"default": 1}}}}}}),
        json!({"l": [{}, {"n": 2}, 7]}),
        json!({"l": [{"n": 1}, {"n": 2}, 7]}),
    );
    filled(
        json!({"type": "object", "properties": {"l": {"prefixItems": [{}, {"properties": {"n": {"default": 1}}}]}}}),
        json!({"l": [{}, {}, {}]}),
        json!({"l": [{}, {"n": 1}, {}]}),
    );
    filled(
        json!({"type": "object", "properties": {"p": {"$ref": "#/$defs/p"}}, "$defs": {"p": {"properties": {"a": {"$ref": "#/$defs/n"}}}, "n": {"default": 4}}}),
        json!({"p": {}}),
        json!({"p": {"a": 4}}),
    );
    filled(
        json!({"type": "object", "allOf": [{"properties": {"a": {"default": 1}}}, {"$ref": "#/$defs/b"}], "$defs": {"b": {"properties": {"b": {"default": 2}}}}}),
        json!({}),
        json!({"a": 1, "b": 2}),
    );
    // Branches describe only some values, so their defaults are left alone.
    filled(
        json!({"type": "object", "properties": {"a": {}}, "anyOf": [{"properties": {"a": {"default": 1}}}], "oneOf": [{"properties": {"a": {"default": 1}}}], "if": {"properties": {"a": {"default": 1}}}, "then": {"properties": {"a": {"default": 1}}}}),
        json!({}),
        json!({}),
    );
    let tree = json!({"type": "object", "properties": {"t": {"$ref": "#/$defs/t"}}, "$defs": {"t": {"properties": {"n": {"default": 0}, "c": {"$ref": "#/$defs/t"}}}}});
    filled(tree, json!({"t": {"c": {"c": {}}}}), json!({"t": {"c": {"c": {"n": 0}, "n": 0}, "n": 0}}));
}

/// The problems of a schema, one line each, warnings marked.
fn problems(schema: Value) -> Vec<String> {
    let line = |problem: &SchemaProblem| {
        let mark = if problem.warning { "warning: " } else { "" };
        let hint = problem.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{mark}{}: {}{hint}", problem.pointer, problem.message)
    };
    match Parameters::compile(Some(&schema)) {
        Ok(parameters) => parameters.warnings().iter().map(line).collect(),
        Err(problems) => problems.iter().map(line).collect(),
    }
}

#[test]
fn all_problems_of_a_schema_come_at_once() {
    let types = "the types are string, integer, number, boolean, array, object, null";
    assert_eq!(
        problems(json!({
            "type": "object",
            "requred": ["a"],
            "properties": {
                "a": {"type": "strin", "desciption": "x"},
                "b": {"type": "string", "minLength": -1, "required": true, "enum": []},
                "c": {"type": ["int", "null"], "pattern": "(a", "format": "datetime"},
                "d": {"$ref": "#/$defs/adress"},
                "e": {"$ref": "https://example.com/x.json"},
                "f": 7
            },
            "required": ["a", "bee"],
            "$defs": {"address": {"type": "string"}}
        })),
        [
            format!("/properties/a/type: `strin` is not a type (did you mean `string`? {types})"),
            "/properties/b/minLength: `minLength` must be at least 0".to_owned(),
            "/properties/b/required: `required` must be a list of names, not a boolean (list the names in `required` beside `properties`)".to_owned(),
            format!("/properties/c/type/0: `int` is not a type (did you mean `integer`? {types})"),
            "/properties/f: `f` must be true or false or an object, not a number".to_owned(),
            "warning: /requred: unknown keyword `requred` (did you mean `required`?)".to_owned(),
            "warning: /required/1: `bee` is required and not declared in `properties` (declare it, or leave it out of `required`)".to_owned(),
            "warning: /properties/a/desciption: unknown keyword `desciption` (did you mean `description`?)".to_owned(),
            "/properties/b/enum: no value is allowed (list at least one value)".to_owned(),
            "warning: /properties/c/format: the format `datetime` is not checked (did you mean `date-time`?)".to_owned(),
            "/properties/d/$ref: `#/$defs/adress` does not exist in this schema (did you mean `#/$defs/address`?)".to_owned(),
            "/properties/e/$ref: `https://example.com/x.json` leads out of the schema (copy the schema into `$defs` and write `#/$defs/<name>`)".to_owned(),
            "/properties/c/pattern: the pattern `(a` does not compile (patterns are ECMA-262 regular expressions of moderate size)".to_owned(),
        ]
    );
}

#[test]
fn the_root_is_an_object_and_the_dialect_is_known() {
    assert_eq!(problems(json!({"properties": {}})), ["warning: : `type` is missing (write `type: object`)"]);
    assert_eq!(
        problems(json!({"type": "array"})),
        ["/type: the parameters must be an object, not array (write `type: object`)"]
    );
    assert_eq!(
        problems(json!({"type": ["object", "null"]})),
        ["warning: /type: arguments are always an object (write `type: object`)"]
    );
    assert_eq!(
        problems(json!(true)),
        [": the parameters are a true-or-false value (write an object schema)"]
    );
    assert_eq!(
        problems(json!({"$schema": "http://json-schema.org/draft-04/schema#", "type": "object"})),
        [
            "/$schema: the dialect `http://json-schema.org/draft-04/schema#` is not supported (leave `$schema` out, or name 2020-12, 2019-09 or draft-07)"
        ]
    );
    for name in [
        "https://json-schema.org/draft/2020-12/schema",
        "https://json-schema.org/draft/2019-09/schema",
        "http://json-schema.org/draft-07/schema#",
    ] {
        assert_eq!(problems(json!({"$schema": name, "type": "object"})), [""; 0]);
    }
    for schema in seeds().values() {
        assert_eq!(problems(schema.clone()), [""; 0]);
    }
}

#[test]
fn defaults_and_listed_values_must_fit() {
    let of = |x: Value| problems(json!({"type": "object", "properties": {"x": x}}));
    assert_eq!(
        of(json!({"type": "integer", "default": "1"})),
        [r#"/properties/x/default: the default "1" does not fit its schema"#]
    );
    assert_eq!(
        of(json!({"type": "integer", "enum": ["1", 2]})),
        [r#"warning: /properties/x/enum/0: "1" can never be accepted here"#]
    );
    assert_eq!(
        of(json!({"type": "object", "default": {}, "required": ["a"], "properties": {"a": {"default": 1}}})),
        [""; 0]
    );
    assert_eq!(
        of(json!({"$ref": "#/properties/y", "default": 3})),
        ["/properties/x/$ref: `#/properties/y` does not exist in this schema (define it in `$defs`)"]
    );
    assert_eq!(
        problems(
            json!({"type": "object", "properties": {"x": {"$ref": "#/$defs/i", "default": "s"}}, "$defs": {"i": {"type": "integer"}}})
        ),
        [r#"/properties/x/default: the default "s" does not fit its schema"#]
    );
    let endless = json!({"type": "object", "properties": {"t": {"$ref": "#/$defs/t"}}, "$defs": {"t": {"default": {}, "properties": {"t": {"$ref": "#/$defs/t"}}}}});
    assert_eq!(problems(endless), [": the default of `t` contains itself"]);
}

#[test]
fn foreign_keywords_pass_and_slips_are_found() {
    let of = |key: &str| problems(json!({"type": "object", "properties": {"x": {key: 1}}})).len();
    for key in [
        "x-order",
        "xml",
        "discriminator",
        "externalDocs",
        "example",
        "nullable",
        "ui:order",
        "label",
        "unit",
        "sensitive",
    ] {
        assert_eq!(of(key), 0, "{key}");
    }
    for key in
        ["enums", "propertes", "desciption", "minLenght", "additionalproperties", "Type", "itmes", "titel"]
    {
        assert_eq!(of(key), 1, "{key}");
    }
    // Names of properties are no keywords.
    assert_eq!(problems(json!({"type": "object", "properties": {"requred": {}, "typ": {}}})), [""; 0]);
}

#[test]
fn required_names_may_be_declared_around_or_in_branches() {
    for schema in [
        json!({"type": "object", "properties": {"a": {}}, "anyOf": [{"required": ["a"]}]}),
        json!({"type": "object", "allOf": [{"properties": {"a": {}}}], "required": ["a"]}),
        json!({"type": "object", "$ref": "#/$defs/p", "required": ["a"], "$defs": {"p": {"properties": {"a": {}}}, "q": {"required": ["z"]}}}),
        json!({"type": "object", "required": ["a"], "additionalProperties": {"type": "string"}}),
    ] {
        assert_eq!(problems(schema), [""; 0]);
    }
    assert_eq!(
        problems(json!({"type": "object", "properties": {"a": {}}, "if": {}, "then": {"required": ["q"]}}))
            .len(),
        1
    );
    assert_eq!(
        problems(json!({"type": "object", "properties": {"email": {}}, "required": ["emial"]})),
        [
            "warning: /required/0: `emial` is required and not declared in `properties` (did you mean `email`?)"
        ]
    );
}

#[test]
fn references_stay_inside_the_document() {
    let of = |reference: &str| problems(json!({"type": "object", "properties": {"x": {"$ref": reference}}}));
    for reference in [
        "http://127.0.0.1:9/a.json",
        "file:///etc/passwd",
        "other.json",
        "urn:x:y",
        "https://json-schema.org/draft/2020-12/schema",
    ] {
        let found = of(reference);
        assert_eq!(found.len(), 1, "{reference}");
        assert!(found[0].starts_with("/properties/x/$ref: "), "{found:?}");
        assert!(found[0].contains("leads out of the schema"), "{found:?}");
    }
    assert!(of("#nowhere")[0].starts_with("/properties/x/$ref: `#nowhere` does not exist"));
    assert!(of("#/%zz")[0].starts_with("/properties/x/$ref: "));
    let named = json!({
        "$id": "https://example.com/root.json", "type": "object",
        "properties": {"x": {"$ref": "https://example.com/root.json#/$defs/a"}, "y": {"$ref": "item.json"}, "z": {"$ref": "#here"}},
        "$defs": {"a": {"type": "string"}, "b": {"$id": "item.json", "type": "integer"}, "c": {"$anchor": "here", "type": "null"}}
    });
    check(&named, json!({"x": "a", "y": 1, "z": null}), "");
    check(&named, json!({"x": 1}), "`x` must be text, not a number.");
    check(&named, json!({"y": "a"}), "`y` must be a whole number, not text.");
    let broken = json!({
        "$id": "https://example.com/root.json", "type": "object",
        "properties": {"y": {"$ref": "item.json#/nope"}}, "$defs": {"b": {"$id": "item.json"}}
    });
    assert!(problems(broken)[0].starts_with("/properties/y/$ref: the schema does not compile"));
    let default = json!({"$id": "https://example.com/root.json", "type": "object", "properties": {"a b/ü%~\"": {"type": "integer", "default": "s"}}});
    assert_eq!(
        problems(default),
        ["/properties/a b~1ü%~0\"/default: the default \"s\" does not fit its schema"]
    );
    // Data that looks like a reference is none.
    let data = json!({"type": "object", "properties": {"x": {"default": {"$ref": "http://127.0.0.1:9/"}, "x-y": {"$ref": "http://127.0.0.1:9/"}}}});
    assert_eq!(problems(data), [""; 0]);
}

#[test]
fn hostile_texts_meet_patterns_in_bounded_time() {
    let started = std::time::Instant::now();
    let text = format!("{}!", "a".repeat(50_000));
    check_x(json!({"pattern": "(a+)+$"}), json!(text.clone()), "`x` must match the pattern (a+)+$.");
    check_x(json!({"pattern": "^(?=a)(a|aa|a*)+$"}), json!("a".repeat(30)), "");
    let schema = json!({"type": "object", "properties": {"x": {"pattern": "^(?=(a+)+$)(a|a?)+b\\1$"}}});
    assert!(validate(&schema, json!({"x": text})).is_err());
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    assert_eq!(
        problems(json!({"type": "object", "properties": {"x": {"pattern": "((a{1000}){1000}){1000}"}}}))
            .len(),
        1
    );
}

#[test]
fn recursive_schemas_meet_deep_arguments_in_bounded_time() {
    let schema = json!({
        "type": "object",
        "properties": {"t": {"$ref": "#/$defs/t"}},
        "$defs": {"t": {"anyOf": [
            {"properties": {"c": {"$ref": "#/$defs/t"}}, "required": ["x"]},
            {"properties": {"c": {"$ref": "#/$defs/t"}}, "required": ["y"]}
        ]}}
    });
    let parameters = compile(&schema);
    let started = std::time::Instant::now();
    for depth in [1, 4, 8, 16, 64, 120] {
        let deep = (0..depth).fold(json!({}), |inner, _| json!({"c": inner, "x": 1}));
        assert!(parameters.validate(object(json!({"t": deep}))).is_err());
    }
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    let deep = (0..120).fold(json!({"x": 1}), |inner, _| json!({"c": inner, "x": 1}));
    assert!(parameters.validate(object(json!({"t": deep}))).is_ok());
}

#[test]
fn a_small_stack_is_enough_for_the_deepest_input() {
    let run = || {
        let mut definitions: Map<String, Value> = (0..15)
            .map(|n| (format!("d{n}"), json!({"allOf": [{"$ref": format!("#/$defs/d{}", n + 1)}]})))
            .collect();
        definitions.insert(
            "d15".into(),
            json!({"properties": {"c": {"$ref": "#/$defs/d0"}, "s": {"type": "string"}}}),
        );
        let schema =
            json!({"type": "object", "properties": {"t": {"$ref": "#/$defs/d0"}}, "$defs": definitions});
        let parameters = compile(&schema);
        let deep = (0..125).fold(json!({"s": 1}), |inner, _| json!({"c": inner}));
        assert!(parameters.validate(object(json!({"t": deep}))).is_err());
        parameters.sample();
        let nested = (0..30).fold(json!({"type": "string"}), |inner, _| json!({"properties": {"a": inner}}));
        compile(&json!({"type": "object", "properties": {"x": nested}}));
        // `json!` copies by recursion, so the deep schema is put together by hand.
        let wrap = |inner| Value::Object(Map::from_iter([("a".to_owned(), inner)]));
        let too_deep = (0..5_000).fold(json!({}), |inner, _| wrap(inner));
        assert!(Parameters::compile(Some(&too_deep)).is_err());
        std::mem::forget(too_deep);
        let chain: Map<String, Value> = (0..3_000)
            .map(|n| (format!("d{n}"), json!({"properties": {"p": {"$ref": format!("#/$defs/d{}", n + 1)}}})))
            .chain([("d3000".into(), json!({"default": 1}))])
            .collect();
        compile(&json!({"type": "object", "properties": {"x": {"$ref": "#/$defs/d0"}}, "$defs": chain}));
        let chain: Map<String, Value> = (0..3_000)
            .map(|n| (format!("d{n}"), json!({"$ref": format!("#/$defs/d{}", n + 1)})))
            .chain([("d3000".into(), json!({}))])
            .collect();
        let long =
            problems(json!({"type": "object", "properties": {"x": {"$ref": "#/$defs/d0"}}, "$defs": chain}));
        assert!(long[0].contains("too many references"), "{}", long[0]);
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn circular_references_on_one_value_are_refused() {
    for schema in [
        json!({"type": "object", "allOf": [{"$ref": "#"}]}),
        json!({"type": "object", "properties": {"x": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}),
        json!({"type": "object", "not": {"$ref": "#"}}),
    ] {
        assert!(problems(schema)[0].contains("refers to itself"));
    }
}

/// The arguments as text, or what the model hears.
fn parsed(raw: &str) -> String {
    let raw = RawValue::from_string(raw.to_owned()).unwrap_or_else(|e| panic!("{raw}: {e}"));
    match parse_arguments(&raw) {
        Ok(arguments) => serde_json::to_string(&arguments).expect("arguments are JSON"),
        Err(error) => error.message(),
    }
}

/// The JSON text of a string that holds `text`.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[test]
fn arguments_are_an_object_or_its_text() {
    for (raw, expected) in [
        (r#"{"a": 1}"#, r#"{"a":1}"#),
        (r#""{\"a\": 1}""#, r#"{"a":1}"#),
        (r#""  {\"a\": \"\\u00e4\\n\"}\n""#, r#"{"a":"ä\n"}"#),
        (r#""""#, "{}"),
        (r#""  ""#, "{}"),
        ("null", "{}"),
        (r#""null""#, "{}"),
        ("{}", "{}"),
        ("5", "The arguments must be a JSON object, not a number."),
        ("true", "The arguments must be a JSON object, not a true-or-false value."),
        ("[1]", "The arguments must be a JSON object, not a list."),
        (r#""[1]""#, "The arguments must be a JSON object, not a list."),
        (r#""\"{}\"""#, "{}"),
        (r#""\"hello\"""#, "The arguments are not valid JSON: expected value at character 1."),
        (r#""\"\\\"{}\\\"\"""#, "The arguments must be a JSON object, not text."),
        (r#""hello""#, "The arguments are not valid JSON: expected value at character 1."),
        (r#""{\"a\": 1,}""#, "The arguments are not valid JSON: trailing comma at character 9."),
        (r#""{\"ä\": 1 \"b\": 2}""#, "The arguments are not valid JSON: expected `,` or `}` at character 9."),
        (r#""{\"a\": 1} x""#, "The arguments are not valid JSON: trailing characters at character 10."),
        (r#""{\"a\": 1""#, "The arguments are cut off at character 7: the JSON is not complete."),
        (r#""{\n\"a\": 01\n}""#, "The arguments are not valid JSON: invalid number at line 2, column 7."),
    ] {
        assert_eq!(parsed(raw), expected, "{raw}");
    }
}

#[test]
fn a_name_given_twice_is_refused_with_its_place() {
    let nested = r#"{"a": [{"x/y": 1}, {"x/y": 1, "x/y": 2}], "b": {"c": 1, "\u0063": 2}}"#;
    for raw in [nested.to_owned(), quoted(nested)] {
        let raw = RawValue::from_string(raw).unwrap();
        let error = parse_arguments(&raw).unwrap_err();
        let pointers: Vec<&str> = error.violations.iter().map(|v| v.pointer.as_str()).collect();
        assert_eq!(pointers, ["/a/1/x~1y", "/b/c"]);
        assert_eq!(error.message(), "`a[1].x/y` is given twice. `b.c` is given twice.");
        assert_eq!(error.masked(), "`*[1].*` is given twice. `*.*` is given twice.");
    }
    let many = format!("{{{}}}", vec![r#""a":1"#; 1000].join(","));
    assert_eq!(parse_arguments(&RawValue::from_string(many).unwrap()).unwrap_err().violations.len(), 20);
}

#[test]
fn deep_nesting_is_an_error_and_not_a_crash() {
    let said = "The arguments are nested too deeply; at most 127 levels are allowed.";
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let deep = format!(r#"{{"a":{}1{}}}"#, open.repeat(10_000), close.repeat(10_000));
        assert_eq!(parsed(&deep), said);
        assert_eq!(parsed(&quoted(&deep)), said);
        let fine = format!(r#"{{"a":{}1{}}}"#, open.repeat(126), close.repeat(126));
        assert_eq!(parsed(&fine), fine);
        assert_eq!(parsed(&quoted(&fine)), fine);
        let over = format!(r#"{{"a":{}1{}}}"#, open.repeat(127), close.repeat(127));
        assert_eq!(parsed(&over), said);
    }
}

#[test]
fn broken_escapes_are_refused() {
    assert_eq!(
        parsed(r#"{"a": "\ud800"}"#),
        "The arguments are not valid JSON: unexpected end of hex escape at character 14."
    );
    assert!(parsed(r#""\ud800""#).starts_with("The arguments are not valid JSON: "));
    assert!(parsed(r#""{\"a\": \"\\ud800\\u0041\"}""#).starts_with("The arguments are not valid JSON: "));
    assert!(parsed(r#"{"\ude00": 1}"#).starts_with("The arguments are not valid JSON: "));
}

#[test]
fn numbers_keep_every_digit() {
    let numbers = r#"{"a":123456789012345678901234567890,"b":1.10,"c":-0,"d":0.1000000000000000055511151231257827,"e":[10.0,2.50]}"#;
    assert_eq!(parsed(numbers), numbers);
    assert_eq!(parsed(&quoted(numbers)), numbers);
    let raw = RawValue::from_string(numbers.to_owned()).unwrap();
    let open = json!({"type": "object", "properties": {"b": {"type": "number"}, "a": {"type": "integer"}}, "additionalProperties": true});
    let arguments = compile(&open).validate(parse_arguments(&raw).unwrap()).unwrap();
    assert_eq!(serde_json::to_string(arguments.as_map()).unwrap(), numbers);
    assert_eq!(arguments.get("b").unwrap().to_string(), "1.10");
    let huge = parsed(r#"{"a": 1e999999999999, "b": -1E+400}"#);
    assert!(huge.contains("999999999999"), "{huge}");
    let started = std::time::Instant::now();
    for number in ["1e999999999999999999", "1e-999999999", "123456789e99999999"] {
        for x in [
            json!({"type": "integer"}),
            json!({"multipleOf": 0.01}),
            json!({"minimum": 1}),
            json!({"enum": [1]}),
            json!({"const": 1.5}),
        ] {
            let value: Value = serde_json::from_str(number).unwrap();
            let _ = validate(&json!({"type": "object", "properties": {"x": x}}), json!({"x": value}));
        }
    }
    assert!(started.elapsed().as_secs() < 10);
}

#[test]
fn private_names_of_the_parser_cannot_be_smuggled() {
    for key in [
        "$serde_json::private::Number",
        "$serde_json::private::RawValue",
        r"$serde_json::private\u003a:Number",
    ] {
        for value in [r#""1""#, r#""\u0031""#, "1", r#""x""#, r#""{}""#, "null", r#"{"a": 1}"#] {
            for text in [
                format!(r#"{{"{key}": {value}}}"#),
                format!(r#"{{"a": {{"{key}": {value}, "b": 1}}}}"#),
                format!(r#"{{"b": [{{"b": 1, "{key}": {value}}}]}}"#),
            ] {
                assert!(
                    parsed(&quoted(&text)).ends_with("has a reserved name and cannot be used."),
                    "{text}"
                );
                assert!(parsed(&text).ends_with("has a reserved name and cannot be used."), "{text}");
            }
        }
    }
}

#[test]
fn names_come_in_schema_order_through_every_branch() {
    let schema = json!({
        "type": "object",
        "properties": {"b": {}, "a": {}},
        "required": ["a"],
        "allOf": [{"properties": {"c": {}}, "required": ["c"]}, {"if": {"properties": {"b": {}}}, "then": {"properties": {"d": {}}, "required": ["d"]}, "else": {"properties": {"e": {}}}}],
        "anyOf": [{"properties": {"f": {}}}, {"$ref": "#/$defs/g"}],
        "not": {"properties": {"z": {}}},
        "$defs": {"g": {"properties": {"g": {}}}, "y": {"properties": {"y": {}}}}
    });
    let parameters = compile(&schema);
    assert_eq!(parameters.names().collect::<Vec<_>>(), ["b", "a", "c", "d", "e", "f", "g"]);
    assert!(parameters.is_declared("g") && !parameters.is_declared("z") && !parameters.is_declared("y"));
    assert!(parameters.is_required("a") && parameters.is_required("c") && !parameters.is_required("d"));
    assert_eq!(parameters.schema(), &schema);
}

#[test]
fn hidden_properties_leave_the_schema_the_model_sees() {
    let schema = json!({
        "type": "object",
        "properties": {"a": {"type": "string"}, "id": {"type": "string"}},
        "required": ["id", "a"],
        "dependentRequired": {"a": ["id"]}
    });
    let parameters = compile(&schema);
    assert_eq!(
        parameters.schema_without(&["id"]),
        json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "dependentRequired": {"a": []}})
    );
    assert_eq!(parameters.schema_without(&[]), schema);
    assert_eq!(parameters.schema_without(&["other"]), schema);
    assert_eq!(parameters.schema_without(&["id", "a"]), json!({"type": "object", "properties": {}}));
    let conditional = &seeds()["conditional"];
    let seen = compile(conditional).schema_without(&["category"]);
    assert_eq!(
        seen,
        json!({"type": "object", "properties": {"sub_category": conditional["properties"]["sub_category"]}, "required": ["sub_category"]})
    );
    let mixed = json!({
        "type": "object", "properties": {"a": {}, "b": {}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
        "allOf": [{"$ref": "#/$defs/c"}, {"properties": {"d": {}, "a": {}}}], "$defs": {"c": {"properties": {"a": {}, "c": {}}}}
    });
    let seen = compile(&mixed).schema_without(&["a"]);
    assert_eq!(seen["allOf"], json!([{"allOf": [{"properties": {"c": {}}}]}, {"properties": {"d": {}}}]));
    assert!(seen.get("anyOf").is_none());
}

#[test]
fn samples_satisfy_their_schemas() {
    let more = [
        json!({"type": "object", "properties": {
            "email": {"type": "string", "format": "email"}, "day": {"type": "string", "format": "date"},
            "at": {"type": "string", "format": "date-time"}, "id": {"type": "string", "format": "uuid"},
            "url": {"type": "string", "format": "uri"}, "n": {"type": "integer", "minimum": 5, "multipleOf": 4},
            "m": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, "top": {"type": "integer", "maximum": -3},
            "s": {"type": "string", "minLength": 10, "maxLength": 12}, "short": {"type": "string", "maxLength": 2},
            "code": {"type": "string", "pattern": "^[A-Z]{3}-\\d{4}$"}, "e": {"enum": ["x", "y"]}, "c": {"const": 7},
            "ex": {"type": "string", "examples": ["hello"]}, "d": {"type": "integer", "default": 9},
            "l": {"type": "array", "minItems": 3, "uniqueItems": true, "items": {"type": "integer"}},
            "u": {"type": "array", "minItems": 2, "uniqueItems": true, "items": {"enum": ["p", "q"]}},
            "t": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": false},
            "o": {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]},
            "nul": {"type": ["null", "string"]}, "any": {}, "map": {"type": "object", "minProperties": 2, "additionalProperties": {"type": "integer"}}
        }}),
        json!({"type": "object", "properties": {"t": {"$ref": "#/$defs/t"}}, "$defs": {"t": {"type": "object", "properties": {"v": {"type": "integer"}, "c": {"type": "array", "items": {"$ref": "#/$defs/t"}}}, "required": ["v"]}}}),
        json!({"type": "object", "oneOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"properties": {"b": {"type": "string"}}, "required": ["b"]}]}),
        json!({"type": "object", "allOf": [{"properties": {"a": {"type": "integer", "minimum": 3}}}, {"properties": {"a": {"maximum": 3}}}]}),
        json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "not": {"required": ["a", "b"]}, "required": ["a"]}),
        json!({"type": "object", "properties": {"a": {"type": "integer", "examples": ["wrong"]}}}),
        json!({"type": "object", "properties": {"l": {"type": "array", "contains": {"const": "k"}}}}),
        json!({"type": "object", "properties": {"x": false, "y": {"type": "string"}}}),
    ];
    for schema in seeds().values().chain(&more) {
        let parameters = compile(schema);
        let sample = parameters.sample();
        if let Err(error) = parameters.validate(sample.clone()) {
            panic!("{}\n{}", error.message(), Value::Object(sample));
        }
    }
    let sample = compile(&more[0]).sample();
    assert_eq!(sample.len(), 22);
    assert_eq!(
        (&sample["ex"], &sample["d"], &sample["e"], &sample["c"]),
        (&json!("hello"), &json!(9), &json!("x"), &json!(7))
    );
    let sample = compile(&seeds()["conditional"]).sample();
    assert_eq!(sample["sub_category"], "invoice_dispute");
}

#[test]
fn parameters_are_shared_between_threads() {
    fn shared<T: Send + Sync + std::fmt::Debug>() {}
    shared::<Parameters>();
    shared::<Arguments>();
    shared::<InvalidArguments>();
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z$/~`äß\\u{0}\\u{1F600}]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-e/~`]{0,2}", inner), 0..4)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

fn any_schema() -> impl Strategy<Value = Value> {
    const WORDS: &[&str] = &[
        "type",
        "properties",
        "required",
        "items",
        "prefixItems",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "if",
        "then",
        "else",
        "enum",
        "const",
        "default",
        "examples",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "multipleOf",
        "minLength",
        "maxLength",
        "pattern",
        "format",
        "additionalProperties",
        "unevaluatedProperties",
        "patternProperties",
        "propertyNames",
        "dependentRequired",
        "dependentSchemas",
        "$ref",
        "$defs",
        "$id",
        "$anchor",
        "$dynamicRef",
        "$schema",
        "contains",
        "minContains",
        "uniqueItems",
        "minItems",
        "maxItems",
        "minProperties",
        "a",
        "b",
    ];
    let leaf = prop_oneof![
        prop::sample::select(
            &[
                "object",
                "string",
                "integer",
                "array",
                "null",
                "number",
                "#",
                "#/properties/a",
                "#/$defs/a",
                "#a",
                "a",
                "^a+$",
                "(?=a)",
                "(",
                "email",
                "http://x.y/z",
                "x.json"
            ][..]
        )
        .prop_map(Value::from),
        (-3..8_i64).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        Just(json!(["a", "b"])),
        Just(json!({"type": "string"})),
        Just(json!({"type": "object", "properties": {"a": {"default": 1}, "b": {"$ref": "#"}}})),
    ];
    let schema = leaf.prop_recursive(5, 48, 5, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            4 => prop::collection::vec((prop::sample::select(WORDS), inner), 0..5)
                .prop_map(|m| Value::Object(m.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    });
    schema.prop_map(|mut schema| {
        if let Value::Object(members) = &mut schema {
            members.insert("type".to_owned(), "object".into());
        }
        schema
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_schema_gets_an_answer(schema in any_schema(), arguments in any_json()) {
        if let Ok(parameters) = Parameters::compile(Some(&schema)) {
            parameters.sample();
            let names: Vec<&str> = parameters.names().collect();
            parameters.schema_without(&names);
            if let Value::Object(arguments) = arguments {
                let accepted = parameters.validate(arguments.clone());
                let plain = jsonschema::options().should_validate_formats(true).offline().build(&schema);
                if let (Ok(accepted), Ok(plain)) = (accepted, plain) {
                    prop_assert!(plain.is_valid(&Value::Object(accepted.into_map())));
                }
            }
        }
    }

    #[test]
    fn any_arguments_get_an_answer(arguments in any_json(), which in 0..6_usize, name in "[a-z_]{0,8}") {
        let seeds = seeds();
        let schema = seeds.values().nth(which).unwrap();
        let parameters = compile(schema);
        let plain = jsonschema::options().should_validate_formats(true).build(schema).unwrap();
        let mut sample = parameters.sample();
        if let Some(value) = sample.values_mut().next() {
            *value = arguments.clone();
        }
        sample.insert(name, arguments.clone());
        for arguments in [object(json!({"a": arguments})), sample] {
            match parameters.validate(arguments) {
                Ok(accepted) => prop_assert!(plain.is_valid(&Value::Object(accepted.into_map()))),
                Err(error) => {
                    prop_assert!((1..=20).contains(&error.violations.len()));
                    prop_assert!(!error.message().is_empty() && !error.masked().is_empty());
                    for violation in error.violations {
                        prop_assert!(violation.got.chars().count() <= 80);
                    }
                }
            }
        }
    }

    #[test]
    fn any_text_gets_an_answer(text in ".{0,40}", json in any_json()) {
        let raw = RawValue::from_string(quoted(&text)).unwrap();
        let _ = parse_arguments(&raw);
        let raw = RawValue::from_string(json.to_string()).unwrap();
        if let (Ok(arguments), Value::Object(members)) = (parse_arguments(&raw), json) {
            prop_assert_eq!(arguments, members);
        }
    }
}
