//! Placeholders, in the words of their products.

use proptest::prelude::*;
use serde_json::{Map, json};

use callgate_action::template::{Data, Target, Template};

use super::{Converted, Meaning, Notation, Spot, Step, Unsupported, convert, escaped};

/// `p…` are parameters, `o…` optional ones, `k` is known, everything else is a variable.
fn resolve(steps: &[Step], _: Spot) -> Meaning {
    match steps.first() {
        Some(Step::Key(key)) if key == "k" => Meaning::Text("known \"{{\"".to_owned()),
        Some(Step::Key(key)) if key.starts_with('p') => Meaning::Parameter(steps.to_vec()),
        Some(Step::Key(key)) if key.starts_with('o') => Meaning::Optional(steps.to_vec()),
        _ => Meaning::Variable(steps.to_vec()),
    }
}

fn converted(text: &str, single: bool, json: bool) -> Result<Converted, Unsupported> {
    convert(text, Notation { single, json }, &mut resolve)
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let converted = converted(text, true, false).unwrap();
    assert_eq!(converted.template, expected, "{text}");
    Template::parse(expected, Target::Text).unwrap_or_else(|errors| panic!("{expected}: {errors:?}"));
}

#[test]
fn references_become_parameters_or_variables() {
    check("a {{p}} b", "a {{.parameters.p}} b");
    check("{{ customer.name }}", "{{.variables.customer.name}}");
    check("{{{p.a[0]['x y']}}}", "{{index .parameters.p.a 0 \"x y\"}}");
    check("{p}/{x_1}/{not a name}/{}", "{{.parameters.p}}/{{.variables.x_1}}/{not a name}/{}");
    check("{{a-b}}", "{{index .variables \"a-b\"}}");
    check("x {{- p -}} y", "x {{- .parameters.p -}} y");
    check("x {{~p~}} y", "x {{- .parameters.p -}} y");
    check("a{{! a comment }}b{{!-- {{p}} --}}c", "abc");
    check("{{k}}", "known \"{{\"{{\"}}\"");
}

#[test]
fn an_optional_parameter_is_asked_for_where_nothing_asks_for_it() {
    check("a {{o}}", "a {{if ne .parameters.o nil}}{{.parameters.o}}{{end}}");
    check(
        "a {{~o-a~}}",
        "a {{- if ne (index .parameters \"o-a\") nil}}{{index .parameters \"o-a\"}}{{end -}}",
    );
    check("{{#if o}}{{o}}{{/if}}", "{{if .parameters.o}}{{.parameters.o}}{{end}}");
    check(
        "{% if o > 2 and p > 3 %}a{% endif %}",
        "{{if and (and (ne .parameters.o nil) (gt .parameters.o 2)) (gt .parameters.p 3)}}a{{end}}",
    );
    check(
        "{{#if (not (lt 1 o))}}a{{/if}}",
        "{{if not (and (ne .parameters.o nil) (lt 1 .parameters.o))}}a{{end}}",
    );
    check("{{ o | default: 'x' }}", "{{with .parameters.o}}{{.}}{{else}}x{{end}}");
    let template = converted("{{#if o}}{{o}}{{/if}}{{o}}", false, false).unwrap();
    assert_eq!(template.optional.len(), 1);
    let json = converted("{\"a\": {{o}}}", false, true).unwrap();
    assert_eq!(json.template, "{\"a\": {{.parameters.o}}}");
    assert_eq!(json.optional[0].code, ".parameters.o");
}

#[test]
fn defaults_and_filters_are_those_of_liquid() {
    check("{{ p | default: \"x\" }}", "{{with .parameters.p}}{{.}}{{else}}x{{end}}");
    check("{{ p | default: 'a\"b' }}", "{{with .parameters.p}}{{.}}{{else}}{{\"a\\\"b\"}}{{end}}");
    check("{{ p | default: 5 }}", "{{with .parameters.p}}{{.}}{{else}}5{{end}}");
    check("{{ p | default: q.r }}", "{{or .parameters.p .variables.q.r}}");
    let converted = converted("{{ p | upcase | default: \"x\" | url_encode }}", false, false).unwrap();
    assert_eq!(converted.losses, ["the filter `upcase` of `p` is left out"]);
    check("{{ p | prepend: '+1' }}", "+1{{.parameters.p}}");
    check(
        "{{ p | default: 'x' | prepend: '{' | prepend: 'a' | append: '}' }}",
        "a{{\"{\"}}{{with .parameters.p}}{{.}}{{else}}x{{end}}}",
    );
}

#[test]
fn conditions_of_both_languages_are_carried() {
    check(
        "{{#if p}}a{{else if (eq x \"b\")}}b{{else}}c{{/if}}",
        "{{if .parameters.p}}a{{else if eq .variables.x \"b\"}}b{{else}}c{{end}}",
    );
    check("{{#unless p}}a{{/unless}}", "{{if not .parameters.p}}a{{end}}");
    check(
        "{{#if (and p (not (gt n 3)))}}a{{/if}}",
        "{{if and .parameters.p (not (gt .variables.n 3))}}a{{end}}",
    );
    check(
        "{% if p == \"a\" or x.y > 2 %}a{% elsif z != blank %}b{% else %}c{% endif %}",
        "{{if or (eq .parameters.p \"a\") (gt .variables.x.y 2)}}a{{else if .variables.z}}b{{else}}c{{end}}",
    );
    check(
        "{%- unless a-b == nil -%} a {%- endunless -%}",
        "{{- if not (not (index .variables \"a-b\")) -}} a {{- end -}}",
    );
    check("{% comment %}{{x}}{% endcomment %}{% raw %}{{x}}{% endraw %}", "{{\"{{\"}}x}}");
    assert_eq!(converted("{% if p %}a{% endif %}", false, false).unwrap().losses.len(), 1);
}

#[test]
fn what_has_no_counterpart_is_refused_and_named() {
    for (text, part) in [
        ("{{#each items}}{{this}}{{/each}}", "#each"),
        ("{{> partial}}", "> partial"),
        ("{{$guid}}", "$guid"),
        ("{{\"now\" | date: \"%Y\"}}", "computed"),
        ("{% for a in b %}{% endfor %}", "for"),
        ("{% assign a = 1 %}", "assign"),
        ("{{#if p}}a", "never closed"),
        ("{% if p %}a", "never closed"),
        ("{{/if}}", "closes nothing"),
        ("{% endif %}", "endif"),
        ("{{#if p}}a{{else}}b{{else}}c{{/if}}", "second"),
        ("{% if a and b or c %}x{% endif %}", "condition"),
        ("{% if a contains b %}x{% endif %}", "condition"),
        ("{{helper p}}", "computed"),
        ("{{ p | times: 100 }}", "`times` of `p`"),
        ("{{ p | plus: 1 }}", "`plus`"),
        ("{{ p | date: '%Y' }}", "`date`"),
        ("{{ p | replace: 'a', 'b' }}", "`replace`"),
        ("{{ p | prepend: q }}", "`prepend`"),
        ("{{ p | append: 'a' | default: 'b' }}", "`default`"),
        ("x {{- p | append: 'a' -}} y", "`append`"),
        ("{{ p | json }}", "`json`"),
    ] {
        let error = converted(text, false, false).unwrap_err();
        assert!(error.message.contains(part), "{text}: {}", error.message);
    }
    assert!(converted(&"{{#if p}}".repeat(40), false, false).is_err());
    assert!(converted(&"x".repeat(300_000), false, false).is_err());
}

#[test]
fn a_json_body_stays_json() {
    for (text, expected) in [
        ("{\"a\": \"{p}\", \"b\": {p2}}", "{\"a\": \"{{.parameters.p}}\", \"b\": {{.parameters.p2}}}"),
        ("{\"a\": \"{{k}}\"}", "{\"a\": \"known \\\"{{\"{{\"}}\\\"\"}"),
        ("{{#if p}}[1]{{else}}{}{{/if}}", "{{if .parameters.p}}[1]{{else}}{}{{end}}"),
        ("{\"a\": \"{{p | prepend: '\\\"'}}\"}", "{\"a\": \"\\\\\\\"{{.parameters.p}}\"}"),
        ("{\"a\": {{p | json}}}", "{\"a\": {{.parameters.p}}}"),
        ("{{{#if p}}\"a\":1{{/if}}}", "{ {{if .parameters.p}}\"a\":1{{end}}}"),
    ] {
        let converted = converted(text, true, true).unwrap();
        assert_eq!(converted.template, expected, "{text}");
        Template::parse(&converted.template, Target::Json).unwrap_or_else(|errors| panic!("{errors:?}"));
    }
}

/// What the template of `text` renders to without any data.
fn rendered(template: &str) -> String {
    let none = Map::new();
    let data = Data { parameters: &none, variables: &none, static_variables: &none };
    Template::parse(template, Target::Text).unwrap().render(&data).unwrap()
}

#[test]
fn braces_around_nothing_are_text() {
    for text in ["{{}}", "{{ }}", "{{{}}}", "{{{{}}}}", "{{~ ~}}", "a{{-}}b"] {
        let converted = converted(text, true, false).unwrap();
        assert_eq!(rendered(&converted.template), text);
        assert!(!converted.is_template, "{text}");
    }
}

proptest! {
    #[test]
    fn plain_text_renders_to_itself(text in "[a-z{}%\"' #\n]{0,30}") {
        prop_assert_eq!(rendered(&escaped(&text)), text);
    }

    #[test]
    fn any_text_is_converted_to_a_template_or_refused(text in prop_oneof![
        any::<String>(),
        "([{}%#/~|.'\"a-z -]|\\{\\{|\\}\\}|\\{%|%\\}|#if p|/if|else|if a|endif){0,24}",
    ]) {
        for json in [false, true] {
            if let Ok(converted) = converted(&text, true, json) {
                let parsed = Template::parse(&converted.template, Target::Text);
                prop_assert!(parsed.is_ok(), "{:?} -> {:?}: {:?}", text, converted.template, parsed.err());
                if !converted.is_template {
                    prop_assert_eq!(rendered(&converted.template), text.clone());
                }
            }
        }
    }
}

#[test]
fn a_value_is_filled_in_where_its_placeholder_stood() {
    let converted =
        converted("{{p.a}} {{#if v}}{{v}}{{/if}} {{p.b | default: \"d\"}}", false, false).unwrap();
    let (parameters, variables, none) = (json!({"p": {"a": "1"}}), json!({"v": "2"}), Map::new());
    let data = Data {
        parameters: parameters.as_object().unwrap(),
        variables: variables.as_object().unwrap(),
        static_variables: &none,
    };
    let template = Template::parse(&converted.template, Target::Text).unwrap();
    assert_eq!(template.render(&data).unwrap(), "1 2 d");
}
