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
