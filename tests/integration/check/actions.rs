//! Mistakes in actions, each alone.

use super::{check, project, run};

#[test]
fn each_mistake_in_an_action_has_its_place_its_rule_and_a_hint() {
    check(
        "a misspelled key",
        &[("actions/x.yaml", "description: d\nconection: api\npath: /x\n")],
        &[
            "actions/x.yaml:2:1: error[unknown_key]: unknown key `conection`",
            "    hint: did you mean `connection`?",
        ],
    );
    check(
        "a wrong type",
        &[("actions/x.yaml", "description: d\nconnection: api\npath: /x\ntimeout_ms: soon\n")],
        &["actions/x.yaml:4:13: error[wrong_type]: `timeout_ms` must be a whole number, found a text"],
    );
    check(
        "a value out of range",
        &[("actions/x.yaml", "description: d\nconnection: api\npath: /x\ntimeout_ms: 0\n")],
        &["actions/x.yaml:4:13: error[invalid_value]: `timeout_ms`: value is less than the minimum of 1"],
    );
    check(
        "a missing key",
        &[("actions/x.yaml", "connection: api\npath: /x\n")],
        &[
            "actions/x.yaml:1:1: error[missing_key]: missing key `description`",
            "    hint: `description`: What the action does and when to use it: the model decides by this text.",
        ],
    );
    check(
        "an unknown connection",
        &[("actions/x.yaml", "description: d\nconnection: apii\npath: /x\n")],
        &[
            "actions/x.yaml:2:13: error[unknown_connection]: there is no connection `apii`",
            "    hint: did you mean `api`?",
        ],
    );
    check(
        "an unknown connection, nothing near",
        &[("actions/x.yaml", "description: d\nconnection: helpdesk\npath: /x\n")],
        &[
            "actions/x.yaml:2:13: error[unknown_connection]: there is no connection `helpdesk`",
            "    hint: add connections/helpdesk.yaml",
        ],
    );
    check(
        "an unknown auth connector",
        &[("actions/x.yaml", "description: d\nconnection: api\nauth: crm\npath: /x\n")],
        &[
            "actions/x.yaml:3:7: error[unknown_auth]: there is no auth connector `crm`",
            "    hint: add auth/crm.yaml",
        ],
    );
    check(
        "a bad method",
        &[("actions/x.yaml", "description: d\nconnection: api\nmethod: PSOT\npath: /x\n")],
        &[
            "actions/x.yaml:3:9: error[invalid_value]: `method` is `PSOT`, which is not one of GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS",
            "    hint: did you mean `POST`?",
        ],
    );
    check(
        "a forbidden construct in a block",
        &[(
            "actions/x.yaml",
            "description: d\nconnection: api\nmethod: POST\npath: /x\nparameters:\n  type: object\n  properties: {tags: {type: array}}\nbody: |\n  {\n    \"tags\": [{{range .parameters.tags}}{{end}}]\n  }\n",
        )],
        &[
            "actions/x.yaml:10:16: error[forbidden_construct]: `range` is not allowed in a template",
            "    hint: a template may branch with `if` and `with`, not loop or include",
        ],
    );
    check(
        "a forbidden function in quotes",
        &[(
            "actions/x.yaml",
            "description: d\nconnection: api\npath: /x\nheaders: {X-A: \"é {{printf .parameters.a}}\"}\n",
        )],
        &[
            "actions/x.yaml:4:21: error[forbidden_construct]: the function `printf` is not allowed in a template",
            "    hint: values are escaped and printed by the place they stand in; functions are `eq ne lt le gt ge and or not index`",
        ],
    );
    check(
        "a template that is not closed",
        &[(
            "actions/x.yaml",
            "description: d\nconnection: api\nmethod: POST\npath: /x\nbody: |\n  {\"a\": {{if .parameters.a}}1}\n",
        )],
        &[
            "actions/x.yaml:6:11: error[template_syntax]: `if` is never closed",
            "    hint: close it with `{{end}}`",
        ],
    );
    check(
        "a branch that breaks JSON",
        &[(
            "actions/x.yaml",
            "description: d\nconnection: api\nmethod: POST\npath: /x\nparameters:\n  type: object\n  properties: {a: {type: string}}\nbody: |\n  {\"a\": 1,\n    {{- if .parameters.a}} \"b\": \"{{.parameters.a}}\"{{end}}}\n",
        )],
        &[
            "actions/x.yaml:10:9: warning[invalid_template_output]: the body is not JSON with `if .parameters.a` (line 10) not taken: trailing comma at line 1 column 9 of the rendered text",
            r#"    hint: rendered with made-up values: {"a": 1,}"#,
        ],
    );
    check(
        "a body that is never JSON",
        &[(
            "actions/x.yaml",
            "description: d\nconnection: api\nmethod: POST\npath: /x\nbody: |\n  {\"a\": 1,}\n",
        )],
        &["actions/x.yaml:6:11: error[invalid_template_output]: the text is not JSON: trailing comma"],
    );
    check(
        "an unknown parameter",
        &[(
            "actions/x.yaml",
            "description: d\nconnection: api\npath: /x/{{.parameters.oder}}\nparameters: {type: object, properties: {order: {type: string}}}\n",
        )],
        &[
            "actions/x.yaml:3:12: warning[unknown_parameter]: `.parameters.oder` is not a parameter of this action",
            "    hint: did you mean `order`?",
        ],
    );
    check(
        "bound values that read what is only bound, and no sooner than they do",
        &[(
            "actions/x.yaml",
            "description: d\nconnection: api\npath: /x\nparameters: {type: object, properties: {day: {type: string}, seen: {type: string}}}\nbind:\n  user: \"{{.parameters.user}}\"\n  early: \"{{.parameters.late}}\"\n  late: \"{{.parameters.day}}\"\n  again: \"{{.parameters.late}}\"\n  more: \"{{.parameters.seen}}\"\n  seen: \"{{.variables.seen}}\"\n",
        )],
        &[
            "actions/x.yaml:6:12: warning[unbound_parameter]: `.parameters.user` is never there when `user` is bound: `bind` hides `user` from the model",
            "    hint: write `.variables.user` if the conversation knows it",
            "actions/x.yaml:7:13: warning[unbound_parameter]: `.parameters.late` is never there when `early` is bound: `bind` hides `late` from the model",
            "    hint: write `.variables.late` if the conversation knows it",
        ],
    );
    check(
        "a name that begins with a digit",
        &[("actions/2fa.yaml", "description: d\nconnection: api\npath: /x\n")],
        &[
            "actions/2fa.yaml:1:1: warning[digit_first]: `2fa` begins with a digit, which Gemini does not take",
            "    hint: Gemini is offered `_2fa`; other providers take the name as it is",
        ],
    );
    check(
        "a bad JSONPath",
        &[(
            "actions/x.yaml",
            "description: d\nconnection: api\npath: /x\noutput_variables:\n  - {name: a, path: \"$.a[\"}\n  - {name: b, path: b.c}\n",
        )],
        &[
            "actions/x.yaml:5:21: error[invalid_jsonpath]: invalid JSONPath `$.a[`: at position 3, parser error",
            "    hint: a path looks like `$.ticket.id` or `$.slots[*].id` (RFC 9535)",
            "actions/x.yaml:6:21: error[invalid_value]: `path` is `b.c`, which does not match `^\\$`",
        ],
    );
    check(
        "output variables in each other's way",
        &[(
            "actions/x.yaml",
            "description: d\nconnection: api\npath: /x\noutput_variables:\n  - {name: a, path: $.a}\n  - {name: a.b, path: $.b}\n",
        )],
        &[
            "actions/x.yaml:6:12: error[variable_conflict]: the variable `a.b` is both a value and the parent of another variable",
            "    hint: call it otherwise",
        ],
    );
    check(
        "a bad parameter schema",
        &[(
            "actions/x.yaml",
            "description: d\nconnection: api\npath: /x\nparameters:\n  type: object\n  properties:\n    a: {type: strng}\n    b: {type: string, pattern: \"(\"}\n",
        )],
        &[
            "actions/x.yaml:7:15: error[invalid_schema]: `strng` is not a type",
            "    hint: did you mean `string`? the types are string, integer, number, boolean, array, object, null",
            "actions/x.yaml:8:32: error[invalid_schema]: the pattern `(` does not compile",
            "    hint: patterns are ECMA-262 regular expressions of moderate size",
        ],
    );
    check(
        "two of one name",
        &[
            (
                "actions/a.yaml",
                "name: same\ndescription: Reads an order.\nconnection: api\npath: /orders/{{.parameters.id}}\nparameters:\n  type: object\n  properties: {id: {type: string}}\n  required: [id]\n",
            ),
            (
                "actions/b.yaml",
                "name: same\ndescription: Reads an order.\nconnection: api\npath: /orders/{{.parameters.id}}\nparameters:\n  type: object\n  properties: {id: {type: string}}\n  required: [id]\n",
            ),
        ],
        &[
            "actions/b.yaml:1:7: error[duplicate_name]: the action `same` is defined in actions/a.yaml already",
            "    hint: rename one of the two",
        ],
    );
    check(
        "a name that is none",
        &[(
            "actions/9 lives.yaml",
            "description: Reads an order.\nconnection: api\npath: /orders/{{.parameters.id}}\nparameters:\n  type: object\n  properties: {id: {type: string}}\n  required: [id]\n",
        )],
        &[
            "actions/9 lives.yaml:1:1: error[invalid_name]: invalid name `9 lives`: must match ^[a-zA-Z0-9_][a-zA-Z0-9_-]{0,63}$",
            "    hint: rename the file, or set `name`",
        ],
    );
    check(
        "a name too long for Vapi",
        &[(
            "actions/n.yaml",
            "name: nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\ndescription: Reads an order.\nconnection: api\npath: /orders/{{.parameters.id}}\nparameters:\n  type: object\n  properties: {id: {type: string}}\n  required: [id]\n",
        )],
        &[
            "actions/n.yaml:1:7: warning[long_name]: `nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn` has 41 characters; Vapi takes 40",
            "    hint: shorten it if the tool is ever offered through Vapi",
        ],
    );
    check(
        "YAML that is none",
        &[("actions/x.yaml", "description: d\n  connection: [api\npath: /x\n")],
        &[
            "actions/x.yaml:2:13: error[yaml_syntax]: mapping values are not allowed in this context",
            "    hint: check indentation and quotes; a text with `: ` or a leading `{`, `[`, `*`, `&`, `!`, `%`, `@` needs quotes",
        ],
    );
    check(
        "a tab",
        &[("actions/x.yaml", "description: d\nheaders:\n\tX-A: b\n")],
        &[
            "actions/x.yaml:3:2: error[yaml_syntax]: tabs disallowed within this context (block indentation)",
            "    hint: check indentation and quotes; a text with `: ` or a leading `{`, `[`, `*`, `&`, `!`, `%`, `@` needs quotes",
        ],
    );
    check(
        "a key given twice",
        &[("actions/x.yaml", "description: d\nconnection: api\npath: /x\npath: /y\nheaders: {A: b, A: c}\n")],
        &[
            "actions/x.yaml:4:1: error[duplicate_key]: the key `path` is given twice",
            "    hint: keep one of the two",
            "actions/x.yaml:5:17: error[duplicate_key]: the key `A` is given twice",
            "    hint: keep one of the two",
        ],
    );
    check(
        "no URL at all",
        &[("actions/x.yaml", "description: d\n")],
        &[
            "actions/x.yaml:1:1: error[missing_url]: the action says neither `connection` nor `url` (environment `development`)",
            "    hint: with a connection, write `path`; without one, write a full `url`",
        ],
    );
    check(
        "dots in a path",
        &[("actions/x.yaml", "description: d\nconnection: api\npath: /a/../b\n")],
        &[
            "actions/x.yaml:3:7: error[invalid_path]: invalid path `/a/../b`: `.` and `..` segments are not allowed",
            "actions/x.yaml:3:7: error[invalid_template_output]: the path holds the segment `.` or `..`",
        ],
    );
    check(
        "a body for GET",
        &[("actions/x.yaml", "description: d\nconnection: api\npath: /x\nbody: \"{}\"\n")],
        &[
            "actions/x.yaml:4:7: error[body_not_allowed]: a GET request has no body",
            "    hint: parameters travel in the query; or use POST, PUT or PATCH",
        ],
    );
    check(
        "two bodies",
        &[(
            "actions/x.yaml",
            "description: d\nconnection: api\nmethod: POST\npath: /x\nform: {a: b}\nbody: \"{}\"\n",
        )],
        &["actions/x.yaml:5:7: error[two_bodies]: `body` and `form` cannot both be the body"],
    );
    check(
        "a header of the transport",
        &[("actions/x.yaml", "description: d\nconnection: api\npath: /x\nheaders: {Host: evil.test}\n")],
        &[
            "actions/x.yaml:4:11: error[forbidden_header]: `Host` is set from the request itself",
            "    hint: leave it out; the upstream gets its own",
        ],
    );
    check(
        "a header name that is none",
        &[("actions/x.yaml", "description: d\nconnection: api\npath: /x\nheaders: {\"X A\": b}\n")],
        &["actions/x.yaml:4:11: error[invalid_header]: `X A` is not a header name"],
    );
    check(
        "a key for another type",
        &[("actions/x.yaml", "description: d\ntype: static\nresponse: pong\nmethod: GET\n")],
        &[
            "actions/x.yaml:4:1: error[key_not_for_type]: `method` does not belong to an action of type `static`",
        ],
    );
    check(
        "a static action that says nothing",
        &[("actions/x.yaml", "description: d\ntype: static\n")],
        &["actions/x.yaml:2:7: error[missing_key]: an action of type `static` needs `response`"],
    );
    check(
        "a handover to nowhere",
        &[("actions/x.yaml", "description: d\ntype: handover\nhandover: {phone_number: 0800}\n")],
        &[
            "actions/x.yaml:3:26: error[invalid_value]: `phone_number` is `0800`, which does not match `^\\+[1-9][0-9]{1,14}$`",
        ],
    );
    check(
        "an environment nobody knows",
        &[(
            "actions/x.yaml",
            "description: d\nconnection: api\npath: /x\nenvironments: {prodution: {path: /y}}\n",
        )],
        &[
            "actions/x.yaml:4:16: warning[unknown_environment]: nothing else speaks of an environment `prodution`",
            "    hint: did you mean `production`?",
        ],
    );
    check(
        "a file that is not read",
        &[("actions/notes.txt", "x")],
        &[
            "actions/notes.txt: warning[ignored_file]: this file is not read",
            "    hint: a definition ends in .yaml, .yml or .json",
        ],
    );
    check(
        "an empty file",
        &[("actions/x.yaml", "")],
        &["actions/x.yaml:1:1: error[wrong_type]: the file must be a mapping, found nothing"],
    );
    check(
        "a list",
        &[("actions/x.yaml", "- a\n")],
        &["actions/x.yaml:1:1: error[wrong_type]: the file must be a mapping, found a list"],
    );
    check(
        "a deep file",
        &[(
            "actions/x.yaml",
            "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
        )],
        &["actions/x.yaml:1:65: error[too_deep]: nested deeper than 64 levels"],
    );
    check(
        "several in one file",
        &[(
            "actions/x.yaml",
            "description: 5\nconection: api\nmethod: PSOT\npath: /x/{{printf}}\ntimeout_ms: soon\nheaders: {Host: a}\noutput_variables:\n  - {name: A, path: $.a}\n  - {name: b, path: \"$[\"}\n",
        )],
        &[
            "actions/x.yaml:1:14: error[wrong_type]: `description` must be a text, found a number",
            "actions/x.yaml:2:1: error[unknown_key]: unknown key `conection`",
            "    hint: did you mean `connection`?",
            "actions/x.yaml:3:9: error[invalid_value]: `method` is `PSOT`, which is not one of GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS",
            "    hint: did you mean `POST`?",
            "actions/x.yaml:4:12: error[forbidden_construct]: the function `printf` is not allowed in a template",
            "    hint: values are escaped and printed by the place they stand in; functions are `eq ne lt le gt ge and or not index`",
            "actions/x.yaml:5:13: error[wrong_type]: `timeout_ms` must be a whole number, found a text",
            "actions/x.yaml:6:11: error[forbidden_header]: `Host` is set from the request itself",
            "    hint: leave it out; the upstream gets its own",
            "actions/x.yaml:8:12: error[invalid_value]: `name` is `A`, which does not match `^[a-z0-9_]+(\\.[a-z0-9_]+)*$`",
            "actions/x.yaml:9:21: error[invalid_jsonpath]: invalid JSONPath `$[`: at position 1, parser error",
            "    hint: a path looks like `$.ticket.id` or `$.slots[*].id` (RFC 9535)",
        ],
    );
}

#[test]
fn a_media_type_without_a_body_is_told_where_the_action_says_it() {
    let read = "description: d\nconnection: api\npath: /x\n";
    let connection = "base_url: https://api.test\nheaders: {Content-Type: application/json}\n";
    let hint = "    hint: take it out, or give the request a `body`";
    for (line, column) in
        [("headers: {Content-Type: application/json}", 25), ("content_type: text/plain", 15)]
    {
        let place = format!("actions/read.yaml:4:{column}");
        let told = format!(
            "{place}: warning[content_type_without_body]: this request has no body, so its `Content-Type` is not sent"
        );
        // The connection's own header stands for all of its actions, and nothing is said of it.
        let files = [("connections/api.yaml", connection), ("actions/read.yaml", &format!("{read}{line}\n"))];
        check(line, &files, &[&told, hint]);
    }
}

#[test]
fn a_text_of_an_action_that_answers_by_itself_is_a_template() {
    check(
        "a static answer",
        &[(
            "actions/read.yaml",
            "description: d\ntype: static\nresponse:\n  a: [fine, 'Hello {{name}}']\n  b: '{{'\n  c: '{{\"{{\"}}'\n",
        )],
        &[
            "actions/read.yaml:4:22: error[forbidden_construct]: there is no function `name`",
            "    hint: functions are `eq ne lt le gt ge and or not index`; values are `.parameters.x`, `.variables.x`, `.static_variables.x`; text takes quotes",
            "actions/read.yaml:5:7: error[template_syntax]: the action is never closed",
            "    hint: close it with `}}`",
        ],
    );
    check(
        "an unknown parameter in an environment",
        &[(
            "actions/read.yaml",
            "description: d\ntype: static\nresponse: x\nparameters: {type: object, properties: {id: {type: string}}}\n\
             environments:\n  development: {response: '{{.parameters.idd}}'}\n",
        )],
        &[
            "actions/read.yaml:6:30: warning[unknown_parameter]: `.parameters.idd` is not a parameter of this action",
            "    hint: did you mean `id`?",
        ],
    );
    check(
        "a message",
        &[(
            "actions/read.yaml",
            "description: d\ntype: handover\nhandover: {queue: q, message: 'To {{.static_variables.desk}}.'}\n",
        )],
        &[
            "actions/read.yaml:3:37: error[missing_static_variable]: the static variable `desk` is not set in environment `development`",
            "    hint: add `desk` under [development] in variables.toml",
        ],
    );
}

#[test]
fn a_read_timeout_that_changes_nothing_is_told() {
    let read = "description: d\nconnection: api\npath: /x\n";
    check(
        "as long as the call",
        &[("actions/read.yaml", &format!("{read}timeout_ms: 3000\nread_timeout_ms: 3000\n"))],
        &[
            "actions/read.yaml:5:18: warning[read_timeout_unused]: after 3000 ms the call is over: it has 3000 ms",
            "    hint: take it out, or raise `timeout_ms`",
        ],
    );
    // A connection sets one for all of its actions, the short ones too.
    let connection = "base_url: https://api.test\nread_timeout_ms: 4000\n";
    let short = format!("{read}timeout_ms: 3000\n");
    let dir = project(&[("connections/api.yaml", connection), ("actions/read.yaml", &short)]);
    let told = run(dir.path(), &[]).stdout;
    assert_eq!(String::from_utf8_lossy(&told), "no problems: 1 action, environments development\n");
    check(
        "of an answer that nobody is asked for",
        &[("actions/read.yaml", "description: d\ntype: static\nresponse: x\nread_timeout_ms: 100\n")],
        &[
            "actions/read.yaml:4:1: error[key_not_for_type]: `read_timeout_ms` does not belong to an action of type `static`",
        ],
    );
    let post = format!("{read}method: POST\nread_timeout_ms: 100\nretry: {{on: [read_timeout]}}\n");
    check(
        "a write that is not sent again",
        &[("actions/read.yaml", &post)],
        &[
            "actions/read.yaml:6:13: warning[retry_without_effect]: a POST is sent again only where not one byte of it was written",
            "    hint: leave `on` at `[connect_failed]`, or say `idempotent: true` if the upstream honours `Idempotency-Key`",
        ],
    );
}
