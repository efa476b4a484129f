//! Output variables that cannot be.

use super::{check, project, run};

#[test]
fn output_variables_that_cannot_be_told_apart_or_set_are_errors() {
    check(
        "one name twice",
        &[(
            "actions/x.yaml",
            "description: d\nconnection: api\npath: /x\noutput_variables: [{name: c, path: $.id}, {name: c, path: $.name}]\n",
        )],
        &[
            "actions/x.yaml:4:50: error[variable_conflict]: the variable `c` is given twice",
            "    hint: call it otherwise",
        ],
    );
    for name in ["conversation", "conversation.id", "conversation.id.x", "conversation.started_at"] {
        let action = format!(
            "description: d\nconnection: api\npath: /x\noutput_variables: [{{name: {name}, path: $.id}}]\n"
        );
        let line = format!(
            "actions/x.yaml:4:27: error[reserved_variable]: the variable `{name}` is always there and cannot be set"
        );
        check(name, &[("actions/x.yaml", &action)], &[&line, "    hint: call it otherwise"]);
    }
    let language = "description: d\nconnection: api\npath: /x\noutput_variables: [{name: conversation.language, path: $.l}]\n";
    assert_eq!(run(project(&[("actions/x.yaml", language)]).path(), &["--json"]).stdout, b"[]\n");
}

#[test]
fn a_condition_that_no_answer_can_meet_is_an_error() {
    let action = |condition: &str| {
        format!("description: d\nconnection: api\npath: /x\nsuccess_when: \"{condition}\"\n")
    };
    for (condition, message, hint) in [
        (
            "@.verified == true",
            "an answer has no `verified`: it has `status`, `headers` and `body`",
            "write `@.body.verified`",
        ),
        (
            "$.body.ok == true",
            "the condition `$.body.ok == true` uses `$`, but the answer is `@` here",
            "a condition looks like `@.body.verified == true` (RFC 9535)",
        ),
    ] {
        let line = format!("actions/x.yaml:4:15: error[invalid_condition]: {message}");
        check(condition, &[("actions/x.yaml", &action(condition))], &[&line, &format!("    hint: {hint}")]);
    }
    let fixed = "description: d\ntype: static\nresponse: Yes.\nsuccess_when: '@.body'\n";
    check(
        "of a fixed answer",
        &[("actions/x.yaml", fixed)],
        &[
            "actions/x.yaml:4:1: error[key_not_for_type]: `success_when` does not belong to an action of type `static`",
        ],
    );
    let states = "description: d\nconnection: api\npath: /x\nnext_state: {success: a, error: b}\navailable_in: [a, b]\n";
    assert_eq!(run(project(&[("actions/x.yaml", states)]).path(), &["--json"]).stdout, b"[]\n");
}

#[test]
fn a_value_that_comes_from_nowhere_or_from_two_places_is_an_error() {
    let action =
        |output: &str| format!("description: d\nconnection: api\npath: /x\noutput_variables: [{output}]\n");
    let check_output = |what: &str, output: &str, expected: &[&str]| {
        check(what, &[("actions/x.yaml", &action(output))], expected);
    };
    check_output(
        "a header without a name",
        "{name: a, from: header}",
        &[
            "actions/x.yaml:4:20: error[missing_key]: missing key `header`",
            "    hint: `header`: the name of the response header, such as `X-Request-Id`",
        ],
    );
    check_output(
        "a body without a path",
        "{name: a}",
        &[
            "actions/x.yaml:4:20: error[missing_key]: missing key `path`",
            "    hint: `path`: JSONPath (RFC 9535) into the response body, starting with `$`.",
        ],
    );
    check_output(
        "a status with a path",
        "{name: a, from: status, path: $.a}",
        &[
            "actions/x.yaml:4:50: error[key_not_for_source]: `path` is a place in the body, which this value does not come from",
            "    hint: leave `path` out, or leave `from` out to take the value from the body",
        ],
    );
    check_output(
        "a header with a path",
        "{name: a, from: header, header: X-A, path: $.a}",
        &[
            "actions/x.yaml:4:63: error[key_not_for_source]: `path` is a place in the body, which this value does not come from",
            "    hint: leave `path` out, or leave `from` out to take the value from the body",
        ],
    );
    check_output(
        "a header of a value of the body",
        "{name: a, path: $.a, header: X-A}",
        &[
            "actions/x.yaml:4:49: error[key_not_for_source]: `header` is the name of a header, which this value does not come from",
            "    hint: write `from: header` beside it, or leave `header` out",
        ],
    );
    check_output(
        "a name that no header has",
        "{name: a, from: header, header: 'X-A:'}",
        &[
            "actions/x.yaml:4:52: error[invalid_header]: `X-A:` is not a header name",
            "    hint: a name has letters, digits and `-`, and no colon or space, such as `X-Request-Id`",
        ],
    );
    check_output(
        "a part that no answer has",
        "{name: a, from: headers, header: X-A}",
        &[
            "actions/x.yaml:4:36: error[invalid_value]: `from` is `headers`, which is not one of body, header, status",
            "    hint: did you mean `header`?",
        ],
    );
    let fixed = "description: d\ntype: static\nresponse: Yes.\noutput_variables: [{name: a, from: header, header: X-A}]\n";
    check(
        "a header of a fixed answer",
        &[("actions/x.yaml", fixed)],
        &[
            "actions/x.yaml:4:36: error[key_not_for_type]: `from: header` does not belong to an action of type `static`",
            "    hint: a fixed answer has no headers; take the value from its body",
        ],
    );
    let good =
        "{name: a, from: header, header: X-A}, {name: b, from: status}, {name: c, from: body, path: $}";
    assert_eq!(run(project(&[("actions/x.yaml", &action(good))]).path(), &["--json"]).stdout, b"[]\n");
}
