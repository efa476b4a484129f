//! Values: how they count, compare and print.

use super::super::{Target, Template};
use super::{check, check_in, with_data};

#[test]
fn and_and_or_give_the_deciding_value() {
    check("{{and 1 \"\" 2}}|{{and 1 2}}|{{or 0 \"\" 3 4}}|{{or 0 false}}", "|2|3|false");
    check("{{or .parameters.nope .parameters.nul \"x\"}}", "x");
    check(
        "{{or .parameters.nope .parameters.nope2}}",
        "missing_variable or .parameters.nope .parameters.nope2 at 1:3",
    );
    check("{{and .parameters.t .parameters.nope}}", "missing_variable .parameters.nope at 1:21");
    // The operand behind the deciding one is not looked at.
    check("{{or .parameters.name (index .parameters.list 9)}}", "Ann");
    check("{{and .parameters.email .parameters.name.x}}", "");
    check("{{and .parameters.name .parameters.name.x}}", "template_error .parameters.name.x at 1:24");
}

#[test]
fn emptiness_is_false() {
    for value in ["email", "zero", "fl", "nul", "none", "void", "nope", "nope.deep", "nul.deep"] {
        check(
            &format!(
                "{{{{if .parameters.{value}}}}}y{{{{else}}}}n{{{{end}}}}{{{{not .parameters.{value}}}}}"
            ),
            "ntrue",
        );
    }
    for value in ["name", "n", "neg", "f", "t", "list", "obj", "huge"] {
        check(
            &format!(
                "{{{{if .parameters.{value}}}}}y{{{{else}}}}n{{{{end}}}}{{{{not .parameters.{value}}}}}"
            ),
            "yfalse",
        );
    }
    check("{{if 0.0}}y{{else}}n{{end}}{{if ``}}y{{else}}n{{end}}{{not nil}}", "nntrue");
}

#[test]
fn absence_is_named_as_written() {
    check("{{.variables.nope.deep}}", "missing_variable .variables.nope.deep at 1:3");
    check("a\n {{ index .parameters \"list\" 2 }}", "missing_variable index .parameters \"list\" 2 at 2:5");
    check("{{\"nope\" | index .parameters}}", "missing_variable \"nope\" | index .parameters at 1:3");
    check("{{(index .parameters \"nope\").x}}", "missing_variable (index .parameters \"nope\").x at 1:3");
    check("{{(.parameters.obj).nope}}", "missing_variable (.parameters.obj).nope at 1:3");
    check("{{$x := .parameters.nope}}é{{$x}}", "missing_variable .parameters.nope at 1:9");
    check("{{$x := .parameters.nope}}{{$x.y}}", "missing_variable $x.y at 1:29");
    check("{{index .parameters.obj .parameters.nope}}", "missing_variable .parameters.nope at 1:25");
    check("{{gt 3 .parameters.nul}}", "missing_variable .parameters.nul at 1:8");
    check("{{index .parameters.nope \"a\" 0}}", "missing_variable index .parameters.nope \"a\" 0 at 1:3");
}

#[test]
fn comparisons_are_exact_and_typed() {
    check(
        "{{eq .parameters.f 1.5}}{{eq .parameters.kilo 1000}}{{eq .parameters.big 9007199254740992}}",
        "truetruefalse",
    );
    check(
        "{{gt .parameters.huge 1e300}}{{lt .parameters.neg -1.5}}{{ge .parameters.n 3.0}}{{le 3 2.999}}",
        "truetruetruefalse",
    );
    check(
        "{{lt \"B\" \"a\"}}{{gt \"é\" \"z\"}}{{le \"a\" \"a\"}}{{eq true true}}{{eq false .parameters.t}}",
        "truetruetruetruefalse",
    );
    check(
        "{{eq .parameters.nul nil}}{{eq .parameters.nope nil}}{{eq .parameters.n nil}}{{ne .parameters.nope nil}}{{eq nil nil}}",
        "truetruefalsefalsetrue",
    );
    check("{{eq .parameters.nul .parameters.nul}}{{ne .parameters.nope .parameters.nope}}", "falsetrue");
    check(
        "{{eq .parameters.nope .parameters.obj}}{{eq .parameters.n 1 2 3}}{{eq .parameters.n 1 3 \"x\"}}",
        "falsetruetrue",
    );
    for text in [
        "eq .parameters.n \"3\"",
        "eq .parameters.t 1",
        "eq .parameters.obj 1",
        "eq .parameters.list .parameters.list",
        "lt .parameters.t false",
        "lt \"a\" 1",
        "lt .parameters.obj 1",
        "ne .parameters.n \"x\"",
        "eq . 1",
    ] {
        let expected = format!("template_error {text} at 1:3");
        check(&format!("{{{{{text}}}}}"), &expected);
    }
}

#[test]
fn index_reaches_lists_and_objects() {
    check(
        "{{index .parameters.obj \"a-b\"}}{{index .parameters.obj \"a.b\"}}{{index .parameters.obj .parameters.key}}",
        "dashdotv",
    );
    check(
        "{{index .parameters.list .parameters.at}}{{index .parameters.list 1.0}}{{index .parameters.nums 2}}",
        "bb100",
    );
    for text in [
        "index .parameters.list -1",
        "index .parameters.list 3",
        "index .parameters.list 0.5",
        "index .parameters.list 99999999999999999999.0",
        "index .parameters.name 0",
        "index .parameters.obj 0",
        "index .parameters.n \"x\"",
        "index .parameters.list true",
        "index 1 0",
    ] {
        check(&format!("{{{{{text}}}}}"), &format!("template_error {text} at 1:3"));
    }
}

#[test]
fn numbers_keep_their_digits() {
    check(
        "{{.parameters.f}} {{.parameters.big}} {{.parameters.kilo}} {{.parameters.huge}}",
        "1.50 9007199254740993 1000 1e+400",
    );
    check_in(
        Target::Json,
        "[{{.parameters.f}},{{.parameters.kilo}},\"{{.parameters.kilo}}\",{{.parameters.nums}}]",
        "[1.50,1000,\"1000\",[1,2.50,10e+1]]",
    );
    check_in(Target::Form, "{{1e25}}", "1e%2B25");
}

#[test]
fn contexts_decide_how_json_is_written() {
    check_in(
        Target::Json,
        "{\"a\":{{.parameters.name}},\"b\":\"{{.parameters.obj}}\",\"c\":{{.parameters.nul}}}",
        "{\"a\":\"Ann\",\"b\":\"{\\\"k\\\":\\\"v\\\",\\\"deep\\\":{\\\"x\\\":\\\"y\\\"},\\\"a-b\\\":\\\"dash\\\",\\\"a.b\\\":\\\"dot\\\"}\",\"c\":null}",
    );
    check_in(Target::Json, "{\"a\":\"{{if .parameters.t}}x{{else}}\\\"{{end}}\"}", "{\"a\":\"x\"}");
    check_in(Target::Json, "{\"a\":{{if .parameters.t}}\"x\"{{else}}1{{end}}}", "{\"a\":\"x\"}");
    check_in(Target::Json, "{\"a\":{{if .parameters.t}}\"x{{else}}\"y{{end}}\"}", "{\"a\":\"x\"}");
    check_in(Target::Json, "{\"a\":{{or .parameters.nope nil}}}", "{\"a\":null}");
    check_in(Target::Json, "\"\\{{.parameters.name}}\"", "ambiguous_context - at 1:5");
    check_in(Target::Json, "\"\\u00{{.parameters.n}}\"", "ambiguous_context - at 1:8");
    check_in(Target::Json, "{{if true}}\"{{end}}\"", "ambiguous_context if at 1:3");
    check_in(Target::Json, "\"{{with .parameters.n}}\\{{else}}{{end}}n\"", "ambiguous_context with at 1:4");
    check_in(Target::Json, "{{if true}}1{{else if true}}\"{{else}}2{{end}}", "ambiguous_context if at 1:3");
    check_in(Target::Json, "[\n \"a{{.parameters.n}}", "invalid_template_output - at 2:2");
    check_in(Target::Json, "{\"a\": 1,}", "invalid_template_output - at 1:9");
    check_in(Target::Json, "", "invalid_template_output - at 1:0");
    check_in(Target::Json, "{\"a\": {{.parameters.n}}", "invalid_template_output - at 1:7");
    check_in(Target::Text, "\"\\{{.parameters.n}}{{if true}}\"{{end}}", "\"\\3\"");
}

#[test]
fn other_targets_escape_in_their_own_way() {
    check_in(Target::Query, "{{.parameters.slash}}&", "a/b&");
    check_in(Target::Header, "a {{.parameters.name}}", "a Ann");
    check_in(Target::Header, "{{.parameters.line}}", "template_error .parameters.line at 1:3");
    check_in(Target::PathSegment, "/t/{{.parameters.slash}}/x", "/t/a%2Fb/x");
    check_in(Target::PathSegment, "/t/{{.parameters.up}}", "template_error .parameters.up at 1:6");
    check_in(Target::PathSegment, "/t/{{.parameters.email}}", "template_error .parameters.email at 1:6");
    check_in(Target::PathSegment, "/t/.{{\"%2e\"}}", "template_error \"%2e\" at 1:7");
    check_in(Target::PathSegment, "/{{if .parameters.t}}..{{end}}/x", "template_error - at 1:1");
    check_in(Target::PathSegment, "/a/../b", "invalid_template_output - at 1:1");
    check_in(Target::PathSegment, "/a?x=/../{{.parameters.n}}", "/a?x=/../3");
    check_in(Target::PathSegment, "/{{.parameters.nul}}", "missing_variable .parameters.nul at 1:4");
    check_in(Target::Xml, "<a>{{.parameters.list}}</a>", "<a>[&quot;a&quot;,&quot;b&quot;,null]</a>");
}

#[test]
fn content_types_choose_the_target() {
    for (content_type, target) in [
        ("application/json", Target::Json),
        ("Application/JSON; charset=utf-8", Target::Json),
        ("application/problem+json", Target::Json),
        ("application/x-www-form-urlencoded;charset=UTF-8", Target::Form),
        ("text/xml", Target::Xml),
        ("application/soap+xml", Target::Xml),
        ("text/plain", Target::Text),
        ("application/jsonl", Target::Text),
        ("", Target::Text),
    ] {
        assert_eq!(Target::for_content_type(content_type), target, "{content_type}");
    }
}

#[test]
fn a_failed_rendering_leaves_the_output_as_it_was() {
    let template = Template::parse("x{{.parameters.nope}}", Target::Text).unwrap();
    let mut out = "before".to_owned();
    with_data(|data| assert!(template.render_into(data, &mut out).is_err()));
    assert_eq!(out, "before");
}

#[test]
fn messages_hold_no_values() {
    for source in [
        "{{eq .parameters.name 1}}",
        "{{.parameters.name.x}}",
        "{{index .parameters.obj 1}}",
        "{{lt .parameters.status 1}}",
        "{{.parameters.line}}",
    ] {
        let template = Template::parse(source, Target::Header).unwrap();
        let message = with_data(|data| template.render(data).unwrap_err().to_string());
        assert!(
            !message.contains("Ann") && !message.contains("active") && !message.contains("a\nb"),
            "{message}"
        );
    }
}
