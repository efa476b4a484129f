//! The language, with the answers that Go gives.

use super::super::Target;
use super::{check, outcome, refused};

#[test]
fn chains_of_else_if_take_the_first_true_branch() {
    let chain = |value: &str| {
        format!(
            "{{{{if eq .parameters.n {value}}}}}A{{{{else if gt .parameters.n {value}}}}}B{{{{else if .parameters.fl}}}}C{{{{else}}}}D{{{{end}}}}"
        )
    };
    check(&chain("3"), "A");
    check(&chain("2"), "B");
    check(&chain("4"), "D");
    check(
        "{{if .parameters.fl}}a{{else if .parameters.t}}{{if .parameters.fl}}b{{else}}c{{end}}d{{else}}e{{end}}",
        "cd",
    );
    check("{{if .parameters.fl}}a{{else}}{{if .parameters.t}}b{{end}}c{{end}}", "bc");
    check("{{if .parameters.fl}}a{{else}}{{if .parameters.t}}b{{end}}{{end}}", "b");
    check("{{with .parameters.email}}{{.}}{{else with .parameters.name}}[{{.}}]{{else}}none{{end}}", "[Ann]");
    check("{{with .parameters.email}}{{.}}{{else with .parameters.none}}x{{else}}none{{end}}", "none");
    refused("{{with .parameters.name}}a{{else if .parameters.n}}b{{end}}");
    refused("{{if .parameters.name}}a{{else with .parameters.n}}b{{end}}");
    refused("{{if true}}a{{else}}b{{else if true}}c{{end}}");
}

#[test]
fn variables_live_as_long_as_their_construct() {
    check("{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21");
    check("{{$x := 1}}{{if true}}{{$x = 2}}{{$x}}{{end}}{{$x}}", "22");
    check("{{$x := 1}}{{with .parameters.name}}{{$x = .}}{{end}}{{$x}}", "Ann");
    check("{{if $x := .parameters.email}}a{{else}}[{{$x}}]{{end}}", "[]");
    check("{{if $x := .parameters.email}}a{{else if $y := .parameters.n}}{{$x}}{{$y}}{{end}}", "3");
    check("{{with $x := .parameters.obj}}{{$x.k}}{{end}}", "v");
    check("{{$a := .parameters}}{{$b := $a.obj}}{{$b.deep.x}}", "y");
    check("{{$x := 1}}{{$x := 2}}{{$x}}", "2");
    check("{{$x := 1}}{{$x = \"s\"}}{{$x}}", "s");
    check("{{if true}}{{$x := 1}}{{end}}{{$x}}", "template_syntax $x at 1:32");
    check("{{if $x := .parameters.name}}{{end}}{{$x}}", "template_syntax $x at 1:39");
    check("{{if true}}{{$x := 1}}{{else}}{{$x}}{{end}}", "template_syntax $x at 1:33");
    check("{{$x = 1}}", "template_syntax $x at 1:3");
    check("{{$x := $x}}", "template_syntax $x at 1:9");
    check("{{$_a1 := 1}}{{$_a1}}", "1");
    refused("{{$x := 1, 2}}");
    refused("{{$a, $b := .parameters.list}}");
    refused("{{$x.y := 1}}");
    refused("{{$x:=1}}{{$x=2}}");
    refused("{{$ := 1}}");
    refused("{{$ = 1}}");
    refused("{{$x := }}");
    refused("{{:= 1}}");
    refused("{{.parameters.name := 1}}");
    refused("{{eq 1 $x := 1}}");
}

#[test]
fn trim_markers_trim_ascii_space_only() {
    check("a \n{{- 1 -}}\t b", "a1b");
    check("a {{- /* c */}} b", "a b");
    check("a {{/* c */ -}} b", "a b");
    check("a {{- /* c */ -}} b", "ab");
    check("a\u{a0}{{- 1 -}}\u{a0}b", "a\u{a0}1\u{a0}b");
    check("{{- 1}}{{2 -}}", "12");
    check("a {{-1}}", "a -1");
    check("{{1 -}} {{- 2}}", "12");
    check("x{{- -1 -}}y", "x-1y");
    check("{{if true -}} a {{- end -}} b", "ab");
    refused("{{1-}}");
    refused("{{-}}");
}

#[test]
fn comments_stand_alone() {
    check("a{{/* {{ }} \" */}}b", "ab");
    check("{{/* a\nb */}}", "");
    check("{{/**/}}x", "x");
    refused("{{ /* c */}}");
    refused("{{/* c */ }}");
    refused("{{/* c */  -}}");
    refused("{{1 /* c */}}");
    refused("{{/* c");
    refused("{{/* c */");
}

#[test]
fn pipes_feed_the_last_argument() {
    check("{{.parameters.n | gt 5}}", "true");
    check("{{.parameters.n | lt 5}}", "false");
    check(
        "{{\"deep\" | index .parameters.obj | index (index .parameters \"void\")}}",
        "template_error \"deep\" | index .parameters.obj | index (index .parameters \"void\") at 1:3",
    );
    check("{{.parameters.email | or \"a\"}}", "a");
    check("{{.parameters.name | and .parameters.t | not}}", "false");
    check("{{1 | eq 1 | eq true}}", "true");
    check(
        "{{(.parameters.obj | index .parameters \"name\" | not) | not}}",
        "template_error .parameters.obj | index .parameters \"name\" at 1:4",
    );
    check("{{if .parameters.name | eq \"Ann\"}}y{{end}}", "y");
    refused("{{1 | 2}}");
    refused("{{1 | .parameters.name}}");
    refused("{{1 | (not)}}");
    refused("{{1 |}}");
    refused("{{| 1}}");
    refused("{{1 || 2}}");
    refused("{{() | not}}");
    refused("{{not | 1}}");
}

#[test]
fn with_rebinds_the_dot_and_dollar_stays() {
    check(
        "{{with .parameters}}{{.name}}{{with .obj}}{{.k}}{{$.parameters.n}}{{end}}{{.status}}{{end}}",
        "Annv3active",
    );
    check("{{with $}}{{.parameters.name}}{{end}}", "Ann");
    check("{{with .}}{{.variables.lang}}{{end}}", "en");
    check("{{with .parameters.n}}{{. }}{{end}}", "3");
    check("{{with 1}}{{.}}{{end}}{{with \"x\"}}{{.}}{{end}}", "1x");
    check("{{with .parameters.list}}{{index . 1}}{{end}}", "b");
    check("{{with .parameters.name}}{{.first}}{{end}}", "template_error .first at 1:28");
    check("{{with .parameters.obj}}{{.nope}}{{end}}", "missing_variable .nope at 1:27");
    check("{{with .parameters.obj}}{{with .nope}}a{{else}}{{.k}}{{end}}{{end}}", "v");
    check("{{with $}}{{.nope}}{{end}}", "template_syntax nope at 1:13");
    check("{{with and .parameters.t .parameters.obj}}{{.k}}{{end}}", "v");
}

#[test]
fn the_data_has_three_roots() {
    check("{{.static_variables.REGION}}{{.variables.account.status}}", "eugold");
    check("{{$.parameters.name}}{{(.).parameters.name}}{{($).variables.lang}}", "AnnAnnen");
    check("{{index $ \"parameters\" \"name\"}}", "Ann");
    check("{{index (index . \"parameters\") \"name\"}}", "Ann");
    check("{{.name}}", "template_syntax name at 1:3");
    check("{{$.Parameters.name}}", "template_syntax Parameters at 1:3");
    check("{{index . \"nope\"}}", "template_syntax nope at 1:3");
    check("{{.}}", "template_syntax - at 1:3");
    check("{{$}}", "template_syntax - at 1:3");
    check("{{(.)}}{{$x := .}}{{$x}}", "template_syntax - at 1:3; template_syntax - at 1:21");
    check("{{index .}}", "template_syntax - at 1:3");
    check("{{or .}}", "template_error or . at 1:3");
    check("{{if .}}y{{end}}", "y");
    check("{{index . .parameters.key}}", "missing_variable index . .parameters.key at 1:3");
    check("{{.parameters.parameters}}", "inner");
    assert!(outcome("{{.parameters}}", Target::Text).starts_with("{\"name\":\"Ann\""));
}

#[test]
fn literals_read_and_print_as_in_go() {
    check(
        "{{'a'}} {{'é'}} {{'\\n'}} {{'\\''}} {{'\\x41'}} {{'\\101'}} {{'\\u00e9'}}",
        "97 233 10 39 65 65 233",
    );
    check(
        "{{1_000}} {{0x_ff}} {{0b101}} {{0o17}} {{017}} {{-0}} {{+4}} {{0XfF}}",
        "1000 255 5 15 15 0 4 255",
    );
    check(
        "{{1.5}} {{.5}} {{5.}} {{1e3}} {{1E+2}} {{1.0}} {{-0.5}} {{1_0.2_5}}",
        "1.5 0.5 5 1000 100 1 -0.5 10.25",
    );
    check(
        "{{1e6}} {{123456789.0}} {{1e21}} {{0.0001}} {{0.00001}} {{1e-7}}",
        "1e+06 1.23456789e+08 1e+21 0.0001 1e-05 1e-07",
    );
    check("{{0x1p4}} {{0x1.8p1}} {{-0x.8p0}}", "16 3 -0.5");
    check("{{9223372036854775807}} {{-9223372036854775808}}", "9223372036854775807 -9223372036854775808");
    check(r#"{{"a\tb\u00e9\U0001F695\x41\101\\\""}}"#, "a\tbé🚕AA\\\"");
    check(r#"{{"\xc3\xa9"}}"#, "é");
    check("{{`a\\n\"b`}}{{`x\r\ny`}}", "a\\n\"bx\ny");
    check("{{true}}{{false}}", "truefalse");
    for text in [
        "9223372036854775808",
        "1__0",
        "1_",
        "0x",
        "0b2",
        "08",
        "1x",
        "1.2.3",
        "1e",
        "0x1.8",
        "+-1",
        "--1",
        "+",
        "1i",
        "1+2i",
        "1e999",
        r#""\x""#,
        r#""\q""#,
        r#""\'""#,
        r#""\xff""#,
        r#""\ud800""#,
        r#""\400""#,
        r#""\0""#,
        "\"a\nb\"",
        "''",
        "'ab'",
        "'\\\"'",
        "'a",
        "`a",
        "\"a",
        "nil",
        "1.a",
        "\"a\".b",
        "true.x",
    ] {
        refused(&format!("{{{{{text}}}}}"));
    }
}

#[test]
fn operands_are_separated_by_space() {
    for text in [
        "eq 1(2)",
        "eq 1\"2\"",
        "eq(1) 1",
        "index .parameters\"name\"",
        "eq .parameters.n.3 1",
        ".parameters.name.",
        ".parameters .name",
        "(1)(2)",
        ".parameters.name$x",
        "..parameters",
        ".parameters..name",
        "eq 1 2)",
        "(eq 1 2",
        "eq, 1 2",
        "a b",
        "eq 1 =2",
    ] {
        refused(&format!("{{{{{text}}}}}"));
    }
    check("{{(index .parameters \"obj\").deep.x}}{{(.parameters).name}}{{((1))}}", "yAnn1");
    check("{{\n\tnot\n.parameters.email\r\n}}", "true");
    check("{{if(true)}}y{{end}}", "template_syntax - at 1:5");
}

#[test]
fn arguments_are_counted_at_load() {
    for text in [
        "and",
        "or",
        "not",
        "index",
        "eq",
        "eq 1",
        "ne 1",
        "ne 1 2 3",
        "lt 1",
        "lt 1 2 3",
        "not 1 2",
        "\"a\" \"b\"",
        "1 2",
        ".parameters.name 1",
        "$ 1",
        "true 1",
        "(1) 2",
        "and or",
        "eq not 1",
        "eq.x 1 2",
        "lt nil 1",
        "index nil 1",
        "index .parameters nil",
    ] {
        refused(&format!("{{{{{text}}}}}"));
    }
    check("{{and 1}}{{or 0}}{{index .parameters.name}}", "10Ann");
}
