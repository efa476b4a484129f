//! What holds for every text: values stay inside their place, and nothing panics or hangs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so and stops")]

use callgate_template::{Data, RenderErrorCode, Target, Template};
use proptest::collection::{hash_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Number, Value, json};

const TARGETS: [Target; 7] = [
    Target::Json,
    Target::Form,
    Target::Query,
    Target::Xml,
    Target::Text,
    Target::Header,
    Target::PathSegment,
];

fn with_parameters<T>(parameters: &Value, work: impl FnOnce(&Data<'_>) -> T) -> T {
    let none = Map::new();
    let parameters = parameters.as_object().unwrap();
    work(&Data { parameters, variables: &none, static_variables: &none })
}

fn render(source: &str, target: Target, parameters: &Value) -> String {
    let template = Template::parse(source, target).unwrap();
    with_parameters(parameters, |data| template.render(data)).unwrap()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn any_text() -> impl Strategy<Value = String> {
    let sharp = vec(
        prop::sample::select(vec![
            "\"", "\\", "{{", "}}", "\n", "\u{0}", ",", ":", "{", "}", "]", "\\u", "/*", "é", "\u{2028}",
            "🚕", "<", "&", "..", "/", "%2e", "\r", "a", " ",
        ]),
        0..12,
    );
    prop_oneof![any::<String>(), sharp.prop_map(|pieces| pieces.concat())]
}

/// Numbers in the forms that JSON parsing yields, without an exponent: those are written out.
fn any_number() -> impl Strategy<Value = Value> {
    let fraction =
        (any::<i64>(), "[0-9]{1,30}").prop_map(|(whole, fraction)| parsed(&format!("{whole}.{fraction}")));
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        fraction,
        "[1-9][0-9]{0,60}".prop_map(|digits| parsed(&digits))
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any_number(),
        any_text().prop_map(Value::String)
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::Array),
            hash_map(any_text(), inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Pieces from which nearly templates are put together.
fn any_source() -> impl Strategy<Value = String> {
    let pieces = vec![
        "{{",
        "}}",
        "{{-",
        " -}}",
        "{{- ",
        "{{/*",
        "*/}}",
        "if ",
        "else",
        "else if ",
        "end",
        "with ",
        "{{end}}",
        "{{else}}",
        "{{if .parameters.a}}",
        "{{with .parameters.b}}",
        "range ",
        "define ",
        ".",
        ".parameters",
        ".parameters.a",
        ".parameters.b.c",
        "$",
        "$x",
        " := ",
        " = ",
        "{{$x := .parameters.a}}",
        "{{.parameters.a}}",
        "{{.}}",
        "|",
        "(",
        ")",
        "eq ",
        "ne ",
        "lt ",
        "and ",
        "or ",
        "not ",
        "index ",
        "nosuch ",
        "\"s\"",
        "`r`",
        "'c'",
        "1",
        "0x1f",
        "1.5e3",
        "-",
        "+",
        "1_0",
        "\"",
        "\\",
        "`",
        "'",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\n",
        " ",
        "é",
        "🚕",
        "\u{a0}",
        "nil",
        "true",
        "{\"a\":",
        "\"\\u00",
        "null",
    ];
    vec(prop_oneof![9 => prop::sample::select(pieces).prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)], 0..24)
        .prop_map(|pieces| pieces.concat())
}

/// Does everything that can be done with a template.
fn exercise(source: &str, target: Target, data: &Data<'_>) {
    let Ok(template) = Template::parse(source, target) else { return };
    let rendered = template.render(data);
    if let (Target::Json, Ok(text)) = (target, &rendered) {
        parsed(text);
    }
    let _ = template.check_branches(data);
    if let Some(Err(error)) = template.value(data) {
        assert_ne!(error.code, RenderErrorCode::InvalidTemplateOutput);
    }
    let _ = template.sole_reference();
    assert!(template.as_static().is_none_or(|text| rendered.as_deref() == Ok(text)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_string_comes_back_from_every_place_of_a_json_text(text in any_text(), key in any_text()) {
        let source = "{\"in\": \"<{{.parameters.text}}>\", \"at\": {{.parameters.text}}, \"{{.parameters.key}}!\": 1}";
        let parameters = json!({"text": text, "key": key});
        let expected = json!({"in": format!("<{text}>"), "at": text, (format!("{key}!")): 1});
        prop_assert_eq!(parsed(&render(source, Target::Json, &parameters)), expected);
    }

    #[test]
    fn any_value_comes_back_from_a_value_place(value in any_json()) {
        let rendered = render("{\"v\": {{.parameters.v}}, \"w\": [{{with .parameters}}{{.v}}{{end}}]}", Target::Json, &json!({"v": value}));
        prop_assert_eq!(parsed(&rendered), json!({"v": value, "w": [value]}));
    }

    #[test]
    fn a_container_inside_a_string_is_its_json(value in any_json()) {
        prop_assume!(value.is_array() || value.is_object());
        let rendered = render("\"{{.parameters.v}}\"", Target::Json, &json!({"v": value}));
        prop_assert_eq!(parsed(parsed(&rendered).as_str().unwrap()), value);
    }

    #[test]
    fn numbers_keep_their_value_and_integers_lose_the_exponent(digits in "-?(0|[1-9][0-9]{0,5})(\\.[0-9]{1,5})?", power in -9_i32..9) {
        let written = format!("{digits}e{power}");
        let rendered = render("{{.parameters.v}}", Target::Json, &json!({"v": parsed(&written)}));
        prop_assert_eq!(rendered.parse::<f64>().unwrap(), written.parse::<f64>().unwrap());
        let is_integer = written.parse::<f64>().unwrap().fract() == 0.0;
        prop_assert!(!is_integer || !rendered.contains(['e', 'E', '.']), "{}", rendered);
    }

    #[test]
    fn numbers_compare_as_their_values(left in any::<i32>(), right in any::<i32>(), shift in 0_usize..6) {
        // The same value with its point moved and an exponent that moves it back.
        let written = format!("{left}{}e-{shift}", "0".repeat(shift));
        let source = "{{lt .parameters.l .parameters.r}} {{eq .parameters.l .parameters.r}} {{ge .parameters.l .parameters.r}}";
        let rendered = render(source, Target::Text, &json!({"l": parsed(&written), "r": right}));
        prop_assert_eq!(rendered, format!("{} {} {}", left < right, left == right, left >= right));
    }

    #[test]
    fn strings_never_change_the_members(texts in vec(any_text(), 4)) {
        let source = "{\"a\": \"{{.parameters.p0}}\", {{if .parameters.p1}}\"b\": {{.parameters.p1}}, {{end}}\
            \"c\": [{{.parameters.p2}}, \"{{with .parameters.p3}}{{.}}{{else}}-{{end}}\"], \"d\": {\"e\": \"x{{.parameters.p0}}{{.parameters.p1}}\"}}";
        let parameters = json!({"p0": texts[0], "p1": texts[1], "p2": texts[2], "p3": texts[3]});
        let rendered = parsed(&render(source, Target::Json, &parameters));
        let keys: Vec<&str> = rendered.as_object().unwrap().keys().map(String::as_str).collect();
        let expected: &[&str] = if texts[1].is_empty() { &["a", "c", "d"] } else { &["a", "b", "c", "d"] };
        prop_assert_eq!(keys, expected);
        prop_assert_eq!(rendered["c"].as_array().unwrap().len(), 2);
        prop_assert_eq!(rendered["d"].as_object().unwrap().len(), 1);
    }

    #[test]
    fn a_form_value_stays_one_value(text in any_text()) {
        let rendered = render("a={{.parameters.v}}&b=1", Target::Form, &json!({"v": text}));
        let value = rendered.strip_prefix("a=").unwrap().strip_suffix("&b=1").unwrap();
        prop_assert!(value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"*-._+%".contains(&byte)));
        prop_assert_eq!(percent_decoded(&value.replace('+', " ")), text);
    }

    #[test]
    fn a_path_value_stays_one_segment_or_is_refused(text in any_text()) {
        let template = Template::parse("/a/{{.parameters.v}}/b", Target::PathSegment).unwrap();
        if let Ok(path) = with_parameters(&json!({"v": text}), |data| template.render(data)) {
            let segments: Vec<&str> = path.split('/').collect();
            prop_assert_eq!(segments.len(), 4);
            prop_assert!(!segments[2].is_empty() && !segments[2].contains(['?', '#', '\\']));
            let decoded = percent_decoded(segments[2]);
            prop_assert!(decoded != "." && decoded != "..");
            prop_assert_eq!(decoded, text);
        }
    }

    #[test]
    fn a_header_value_stays_on_its_line(text in any_text()) {
        let template = Template::parse("v {{.parameters.v}}", Target::Header).unwrap();
        if let Ok(header) = with_parameters(&json!({"v": text}), |data| template.render(data)) {
            prop_assert!(!header.contains(['\r', '\n', '\0']));
        }
    }

    #[test]
    fn xml_text_holds_no_markup(text in any_text()) {
        let template = Template::parse("{{.parameters.v}}", Target::Xml).unwrap();
        if let Ok(xml) = with_parameters(&json!({"v": text}), |data| template.render(data)) {
            prop_assert!(!xml.contains(['<', '>', '"', '\'']));
            let plain = xml.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&");
            prop_assert_eq!(plain, text);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_source_panics(source in any_source(), value in any_json()) {
        with_parameters(&json!({"a": value, "b": {"c": value}}), |data| {
            for target in TARGETS {
                exercise(&source, target, data);
            }
        });
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..64)) {
        let source = String::from_utf8_lossy(&bytes);
        with_parameters(&json!({}), |data| exercise(&source, Target::Json, data));
        with_parameters(&json!({}), |data| exercise(&format!("{{{{{source}}}}}"), Target::Text, data));
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Runs `work` on a stack smaller than what a worker thread has, which is 2 MiB.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(1408 * 1024).spawn(work).unwrap().join().unwrap();
}

#[test]
fn large_and_hostile_sources_end() {
    on_a_small_stack(|| {
        let repeated = [
            "{{",
            "}}",
            "{{(",
            "{{((((",
            "((((",
            "{{if true}}",
            "{{with .parameters.a}}x{{else}}",
            "{{if .parameters.a}}1{{end}}",
            "{{else if true}}",
            "{{end}}",
            "{{range .}}",
            "{{block \"a\" .}}",
            "{{define \"a\"}}",
            "{{nosuch}}",
            "{{1}}",
            "{{.parameters.a}}",
            "{{.parameters.nope}}",
            "{{$x := 1}}",
            "{{$x}}",
            "{{/*",
            "{{/**/}}",
            "{{- /* */ -}} ",
            "\"",
            "\\",
            "{{\"",
            "{{\"\\",
            "{{`",
            "{{'",
            "{{ ",
            "{{\n",
            "é{{é",
            "🚕",
            "{{- ",
            " -}}",
            "{{.",
            "{{$",
            "{{0",
            "{{-",
            "{{1 | not}}",
            "{{.parameters.a.b.c.d}}",
            "{{nil}}",
            "{{}}",
        ];
        let inside = [
            "(",
            "((1) ",
            ")",
            "| not ",
            "1 ",
            "and 1 ",
            "(not 1) | ",
            ".a",
            ".a ",
            "$x ",
            "$x, ",
            "\"s\" ",
            "0",
            "9",
            "_",
            "-",
            ".",
            "eq .parameters.a ",
            "index .parameters \"a\" ",
            " ",
            "\t\n",
            "'c' ",
            "=",
            ":= ",
        ];
        let data = json!({"a": {"b": "x".repeat(100)}});
        with_parameters(&data, |data| {
            for piece in repeated {
                let source = piece.repeat(200_000 / piece.len());
                exercise(&source, Target::Json, data);
                exercise(&source, Target::Text, data);
            }
            for piece in inside {
                let inner = piece.repeat(200_000 / piece.len());
                exercise(&format!("{{{{{inner}}}}}"), Target::Text, data);
                exercise(&format!("{{{{if and {inner} .parameters.a}}}}x{{{{end}}}}"), Target::Text, data);
            }
            let chain = "{{else if .parameters.a}}".repeat(8_000);
            exercise(&format!("{{{{if .parameters.a}}}}{chain}{{{{end}}}}"), Target::Text, data);
            let conditions = "{{if eq .parameters.a \"b\"}}1{{end}}".repeat(5_000);
            exercise(&format!("[{conditions}]"), Target::Json, data);
            let long = "a".repeat(100_000);
            let references = "{{.b}}".repeat(10_000);
            exercise(
                &format!("{{{{with index .parameters \"{long}\"}}}}{references}{{{{end}}}}"),
                Target::Text,
                data,
            );
            let variables: String = (0..10_000).map(|at| format!("{{{{$v{at} := 1}}}}")).collect();
            exercise(&variables, Target::Text, data);
            exercise(&format!("{{{{.parameters.{long}}}}}{{{{.{long}}}}}"), Target::Text, data);
        });
    });
}

#[test]
fn a_source_beyond_the_limit_is_refused() {
    let errors = Template::parse(&" ".repeat(256 * 1024 + 1), Target::Text).unwrap_err();
    assert_eq!(errors[0].message, "the template is longer than 262144 bytes");
}

#[test]
fn the_deepest_template_allowed_runs_on_a_small_stack() {
    on_a_small_stack(|| {
        let parentheses =
            format!("{}.parameters.a{}{}", "(not ".repeat(32), ")".repeat(32), " | not".repeat(32));
        let branches = format!("{{{{if {parentheses}}}}}{{{{{parentheses}}}}}{{{{end}}}}");
        let nested = format!("{}{branches}{}", "{{if .parameters.a}}".repeat(31), "{{end}}".repeat(31));
        let chain = "{{else if .parameters.b}}".repeat(64);
        let both = format!("{}{chain}{branches}{}", "{{if .parameters.a}}".repeat(31), "{{end}}".repeat(31));
        with_parameters(&json!({"a": true}), |data| {
            for source in [&nested, &both] {
                let template = Template::parse(source, Target::Text).unwrap();
                template.render(data).unwrap();
                let json = Template::parse(&format!("[\"{source}\"]"), Target::Json).unwrap();
                let _ = json.check_branches(data);
            }
            let deeper = format!("{{{{if .parameters.a}}}}{nested}{{{{end}}}}");
            assert!(Template::parse(&deeper, Target::Text).unwrap_err()[0].message.contains("32 deep"));
        });
    });
}

#[test]
fn a_rendered_text_has_a_limit() {
    let source = "{{.parameters.a}}".repeat(100);
    let error = with_parameters(&json!({"a": "x".repeat(1024 * 1024)}), |data| {
        Template::parse(&source, Target::Text).unwrap().render(data).unwrap_err()
    });
    assert_eq!(error.code, RenderErrorCode::TemplateError);
}

#[test]
fn keys_that_serde_json_uses_itself_are_plain_keys() {
    for key in ["$serde_json::private::Number", "$serde_json::private::RawValue"] {
        let parameters = json!({"v": {(key): "1,2"}});
        let source = format!("{{\"v\": \"{{{{index .parameters.v \"{key}\"}}}}\"}}");
        assert_eq!(parsed(&render(&source, Target::Json, &parameters)), json!({"v": "1,2"}));
        with_parameters(&parameters, |data| {
            for source in ["{\"v\": {{.parameters.v}}}", "\"{{.parameters.v}}\"", "{{eq .parameters.v 1}}"] {
                exercise_quietly(source, data);
            }
        });
    }
    let broken = Value::Number(Number::from_string_unchecked("1,\"admin\":true".to_owned()));
    let parameters = Value::Object(Map::from_iter([("v".to_owned(), broken)]));
    with_parameters(&parameters, |data| {
        for source in ["{\"v\": {{.parameters.v}}}", "{\"v\": {{eq .parameters.v 1}}}"] {
            assert!(Template::parse(source, Target::Json).unwrap().render(data).is_err());
        }
    });
}

/// As `exercise`, for data that does not parse back.
fn exercise_quietly(source: &str, data: &Data<'_>) {
    let template = Template::parse(source, Target::Json).unwrap();
    let _ = template.render(data);
    let _ = template.value(data);
    let _ = template.check_branches(data);
}
