//! What is known at load: mistakes, references, branches.

use serde_json::{Map, Value as Json};

use super::super::{Data, Reference, Target, Template};
use super::{check, with_data};

#[test]
fn forbidden_words_are_all_reported() {
    check(
        "{{range .parameters.list}}\n{{len .}}{{end}}\n  {{ nosuch 1 }}",
        "forbidden_construct range at 1:3; forbidden_construct len at 2:3; forbidden_construct nosuch at 3:6",
    );
    check(
        "{{define \"a\"}}{{break}}{{continue}}{{end}}",
        "forbidden_construct define at 1:3; forbidden_construct break at 1:17; forbidden_construct continue at 1:26",
    );
    check(
        "é{{block \"a\" .}}{{end}}{{template \"a\"}}",
        "forbidden_construct block at 1:4; forbidden_construct template at 1:26",
    );
    for function in
        ["printf", "print", "println", "html", "js", "urlquery", "slice", "call", "len", "nosuch", "elseif"]
    {
        check(
            &format!("{{{{if ({function} 1)}}}}{{{{end}}}}"),
            &format!("forbidden_construct {function} at 1:7"),
        );
    }
}

#[test]
fn block_mistakes_are_found_where_they_are() {
    check("{{if true}}", "template_syntax if at 1:3");
    check("a\n{{with 1}}{{if true}}{{end}}", "template_syntax with at 2:3");
    check("{{end}}{{else}}", "template_syntax end at 1:3; template_syntax else at 1:10");
    check("{{if true}}{{else}}{{else}}{{end}}", "template_syntax else at 1:22");
    check(
        "{{if}}x{{end}}{{with}}{{else if}}{{end}}",
        "template_syntax if at 1:3; template_syntax with at 1:17; template_syntax if at 1:25; template_syntax else at 1:25",
    );
    check("{{}}{{ }}", "template_syntax {{}} at 1:1; template_syntax {{}} at 1:5");
    check("{{end .parameters.n}}", "template_syntax .parameters at 1:7; template_syntax end at 1:3");
    check("{{.parameters.n if}}", "template_syntax if at 1:17");
    check("{{ .x ", "template_syntax - at 1:1");
    check("{{.ünïcode ", "template_syntax - at 1:1");
    check("{{.parameters.naïve}}", "é");
    check("{{.parameters.n🚕}}", "template_syntax - at 1:16");
    check("{{🚕}}", "template_syntax - at 1:3");
    check("{{{.parameters.n}}}", "template_syntax - at 1:3");
    check("}} {{1}} } }}", "}} 1 } }}");
}

#[test]
fn hints_say_what_to_write() {
    let hint = |source: &str| Template::parse(source, Target::Text).unwrap_err().remove(0).hint.unwrap();
    assert_eq!(
        hint("{{.parameters.obj.a-b}}"),
        "write `index .parameters.obj \"a-b\"`: Go takes no `-` in a name"
    );
    assert_eq!(hint("{{$x := 1}}{{$x.a-b-c.d}}"), "write `index $x \"a-b-c\"`: Go takes no `-` in a name");
    assert!(hint("{{.parameters.list[0]}}").contains("index .parameters.list 0"));
    assert!(hint("{{.email}}").contains("`.parameters.email`"));
    assert!(hint("{{if .parameters.n == 3}}{{end}}").contains("`eq`"));
    assert!(hint("{{elseif true}}").contains("`else if`"));
}

/// Lists references as `root.path`, with `?` where absence is fine.
fn references(source: &str) -> String {
    let template = Template::parse(source, Target::Text).unwrap();
    let show = |Reference { root, path, guarded, line, column }: &Reference| {
        let path = path.iter().fold(root.as_str().to_owned(), |path, key| format!("{path}.{key}"));
        format!("{path}{} {line}:{column}", if *guarded { "?" } else { "" })
    };
    template.references().iter().map(show).collect::<Vec<_>>().join(", ")
}

#[test]
fn references_are_followed_through_scopes() {
    for (source, expected) in [
        ("{{.parameters.a}} {{$.variables.b.c}}", "parameters.a 1:3, variables.b.c 1:21"),
        (
            "{{index .parameters \"a\" 0 \"b\"}}{{(index . \"static_variables\").X}}",
            "parameters.a.0.b 1:3, static_variables.X 1:34",
        ),
        (
            "{{if .parameters.a}}{{.parameters.a}}{{.parameters.b}}{{end}}",
            "parameters.a? 1:6, parameters.a? 1:23, parameters.b 1:40",
        ),
        (
            "{{if not .parameters.a}}{{.parameters.a}}{{else}}{{.parameters.a}}{{end}}",
            "parameters.a? 1:10, parameters.a 1:27, parameters.a? 1:52",
        ),
        ("{{if eq .parameters.a \"x\"}}{{.parameters.a}}{{end}}", "parameters.a? 1:9, parameters.a? 1:30"),
        ("{{if ne .parameters.a \"x\"}}{{.parameters.a}}{{end}}", "parameters.a? 1:9, parameters.a 1:30"),
        (
            "{{if and .parameters.n (gt .parameters.n 3)}}{{.parameters.n}}{{end}}",
            "parameters.n? 1:10, parameters.n? 1:28, parameters.n? 1:48",
        ),
        (
            "{{if or .parameters.a .parameters.b}}{{.parameters.a}}{{end}}",
            "parameters.a? 1:9, parameters.b? 1:23, parameters.a 1:40",
        ),
        ("{{gt .parameters.n 3}}", "parameters.n 1:6"),
        (
            "{{or .parameters.a \"x\"}}{{or .parameters.a .parameters.b}}",
            "parameters.a? 1:6, parameters.a? 1:30, parameters.b 1:44",
        ),
        (
            "{{with .parameters.o}}{{.}}{{.k}}{{end}}",
            "parameters.o? 1:8, parameters.o? 1:25, parameters.o.k 1:30",
        ),
        (
            "{{$x := .parameters.o}}{{$x.k}}{{$x}}",
            "parameters.o? 1:9, parameters.o.k 1:26, parameters.o 1:34",
        ),
        ("{{$x := .parameters.a}}{{$x = .parameters.b}}{{$x}}", "parameters.a? 1:9, parameters.b? 1:31"),
        ("{{index .parameters.o .parameters.k}}", "parameters.o 1:9, parameters.k 1:23"),
        ("{{with index .parameters \"a\"}}{{.}}{{end}}", "parameters.a? 1:8, parameters.a? 1:33"),
        (
            "{{if not (eq .parameters.a nil)}}{{.parameters.a}}{{end}}",
            "parameters.a? 1:14, parameters.a? 1:36",
        ),
        ("{{.parameters.a.b | eq \"x\" | not}}", "parameters.a.b? 1:3"),
    ] {
        assert_eq!(references(source), expected, "{source}");
    }
}

#[test]
fn a_sole_reference_and_its_value_are_known() {
    let parse = |source: &str| Template::parse(source, Target::Json).unwrap();
    let path = |source| parse(source).sole_reference().map(|reference| reference.path.join("/"));
    assert_eq!(path("{{.parameters.a}}").as_deref(), Some("a"));
    assert_eq!(path("{{- (index .parameters \"a\" \"b\").c -}}").as_deref(), Some("a/b/c"));
    for source in [
        "{{.parameters}}",
        "{{.parameters.a}} ",
        "{{or .parameters.a 1}}",
        "{{index .parameters .parameters.a}}",
        "1",
        "{{1}}",
    ] {
        assert_eq!(path(source), None, "{source}");
    }
    with_data(|data| {
        let value = |source: &str| {
            parse(source).value(data).map(|value| value.map(|value| value.map(|value| value.to_string())))
        };
        assert_eq!(value("{{.parameters.list}}"), Some(Ok(Some("[\"a\",\"b\",null]".into()))));
        assert_eq!(value("{{.parameters.nul}}"), Some(Ok(None)));
        assert_eq!(value("{{.parameters.nope}}"), Some(Ok(None)));
        assert_eq!(value("{{or .parameters.nope 1e3}}"), Some(Ok(Some("1000".into()))));
        assert_eq!(
            value("{{.variables}}").unwrap().unwrap().unwrap(),
            data.variables.clone().into_iter().collect::<Json>().to_string()
        );
        assert_eq!(value("[{{.parameters.n}}]"), None);
        assert!(value("{{.parameters.name.x}}").unwrap().is_err());
    });
    assert_eq!(parse("{\"a\": 1{{/* c */}}}").as_static(), Some("{\"a\": 1}"));
    assert_eq!(parse("{{\"a\"}}").as_static(), None);
}

/// The report on a template: combinations, then failures by their branches.
fn branches(source: &str) -> String {
    let report = with_data(|data| Template::parse(source, Target::Json).unwrap().check_branches(data));
    let failures =
        report.failures.iter().map(|failure| format!("; {}: {}", failure.branches, failure.problem));
    format!(
        "{}{}{}",
        report.combinations,
        if report.truncated { "+" } else { "" },
        failures.collect::<String>()
    )
}

#[test]
fn every_combination_that_can_happen_is_tried() {
    assert_eq!(branches("{\"a\": {{.parameters.nope}}}"), "1");
    assert_eq!(branches("{\"a\": {{if .parameters.x}}1{{else}}2{{end}}}"), "2");
    assert_eq!(branches("[{{if .parameters.x}}1,{{end}}{{if .parameters.y}}2,{{end}}3]"), "4");
    assert_eq!(branches("[1{{if .parameters.x}},{{end}}{{if $.parameters.x}}2{{end}}]"), "2");
    assert_eq!(branches("[1{{if .parameters.x}},2{{end}}{{if not .parameters.x}},3{{end}}]"), "2");
    assert_eq!(branches("[{{if .parameters.x}}1{{end}}{{with .parameters.x}},2{{else}}3{{end}}]"), "2");
    assert_eq!(
        branches(
            "[{{if and .parameters.x .parameters.y}}1{{end}}{{if not .parameters.x}}2{{else if not .parameters.y}}3{{end}}]"
        ),
        "3"
    );
    assert_eq!(
        branches(
            "[{{if eq .parameters.p \"a\"}}1{{else if eq .parameters.p \"b\"}}2{{else}}3{{end}}{{if eq .parameters.p \"a\" \"b\"}},4{{end}}]"
        ),
        "3"
    );
    assert_eq!(
        branches(
            "[{{if eq .parameters.p \"a\"}}1{{end}}{{if .parameters.p}}{{if ne .parameters.p \"a\"}}2{{end}}{{else}}3{{end}}]"
        ),
        "3"
    );
    assert_eq!(
        branches("[{{$x := 1}}{{if $x}}1{{end}}{{$x = 0}}{{if $x}},2{{end}}]"),
        "4; `if $x` (line 1) not taken, `if $x` (line 1) taken: expected value at line 1 column 2 of the rendered text"
    );
    assert_eq!(branches("[{{if true}}1{{else}},{{end}}]"), "1");
    assert_eq!(
        branches("{\"a\": 1\n{{if .parameters.x}}, \"b\": {{with .parameters.y}}{{.k}}{{end}}{{end}}}"),
        "3; `if .parameters.x` (line 2) taken, `with .parameters.y` (line 2) not taken: expected value at line 2 column 8 of the rendered text"
    );
    assert_eq!(
        branches("{\"a\": {{.parameters.nul}}"),
        "1; : EOF while parsing an object at line 1 column 10 of the rendered text"
    );
    let many = "{{if .parameters.a%}}{{end}}";
    let source: String = (0..9).map(|at| many.replace('%', &at.to_string())).collect();
    assert_eq!(branches(&format!("1{source}")), "256+");
    let source: String = (0..8).map(|at| many.replace('%', &at.to_string())).collect();
    assert_eq!(branches(&format!("1{source}")), "256");
    assert_eq!(
        Template::parse("{{if .parameters.x}}{{end}}", Target::Text)
            .unwrap()
            .check_branches(&Data {
                parameters: &Map::new(),
                variables: &Map::new(),
                static_variables: &Map::new()
            })
            .combinations,
        0
    );
}
