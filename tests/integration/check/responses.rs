//! Mistakes in `response` and in `x-sensitive`.

use super::{check, project, run};

const ACTION: &str = "description: d\nconnection: api\npath: /x\n";

#[track_caller]
fn check_action(what: &str, more: &str, expected: &[&str]) {
    check(what, &[("actions/x.yaml", &format!("{ACTION}{more}"))], expected);
}

#[test]
fn each_mistake_in_a_response_has_its_place_its_rule_and_a_hint() {
    check_action(
        "a misspelled key",
        "response:\n  max_char: 500\n",
        &[
            "actions/x.yaml:5:3: error[unknown_key]: unknown key `max_char`",
            "    hint: did you mean `max_chars`?",
        ],
    );
    check_action(
        "a limit out of range",
        "response: {max_chars: 10}\n",
        &["actions/x.yaml:4:23: error[invalid_value]: `max_chars`: value is less than the minimum of 100"],
    );
    check_action(
        "no items",
        "response: {max_items: 0}\n",
        &["actions/x.yaml:4:23: error[invalid_value]: `max_items`: value is less than the minimum of 1"],
    );
    check_action(
        "a text where a shape belongs",
        "response: short\n",
        &["actions/x.yaml:4:11: error[wrong_type]: `response` must be a mapping, found a text"],
    );
    check_action(
        "a path that is none",
        "response:\n  pick: [status]\n",
        &[
            "actions/x.yaml:5:10: error[invalid_value]: `response.pick[0]` is `status`, which does not match `^\\$`",
        ],
    );
    check_action(
        "a broken path, and one without a name",
        "response:\n  pick:\n    - $.a[\n    - $[0]\n",
        &[
            "actions/x.yaml:6:7: error[invalid_jsonpath]: invalid JSONPath `$.a[`: at position 3, parser error",
            "    hint: a path looks like `$.ticket.id` or `$.slots[*].id` (RFC 9535)",
            "actions/x.yaml:7:7: error[unnamed_pick]: `$[0]` ends in no name under which its value could be shown",
            "    hint: write `{name: …, path: …}`",
        ],
    );
    check_action(
        "headers that are none, and one twice",
        "response: {headers: [X-Request-Id, 'Retry After', x-request-id]}\n",
        &[
            "actions/x.yaml:4:36: error[invalid_header]: `Retry After` is not a header name",
            "    hint: a name has letters, digits and `-`, and no colon or space, such as `X-Request-Id`",
            "actions/x.yaml:4:51: error[duplicate_header]: the header `x-request-id` is named twice",
            "    hint: once is enough, in any case of letters",
        ],
    );
    check_action(
        "two parts of one name, in an environment",
        "environments:\n  development:\n    response: {pick: [$.a.id, {name: id, path: $.b}]}\n",
        &[
            "actions/x.yaml:6:48: error[duplicate_pick]: two picked parts would be shown as `id`",
            "    hint: give one of them another name: `{name: …, path: …}`",
        ],
    );
}

#[test]
fn what_response_is_depends_on_the_type() {
    let shape = "response: {max_chars: 1000000, max_items: 20, pick: [$.a, {name: b, path: $.c}]}\n";
    for action in ["description: d\ntype: static\nresponse: {max_char: 1}\n", &format!("{ACTION}{shape}")] {
        assert_passes(action);
    }
}

#[track_caller]
fn assert_passes(action: &str) {
    let output = run(project(&[("actions/x.yaml", action)]).path(), &["--json"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "[]\n", "{action}");
}

#[test]
fn a_mark_that_marks_nothing_is_found() {
    let parameters = |mark: &str| {
        format!(
            "method: POST\nparameters:\n  type: object\n  properties:\n    pin: {{type: string, {mark}}}\n"
        )
    };
    check_action(
        "no truth value",
        &parameters("x-sensitive: yes please"),
        &[
            "actions/x.yaml:8:38: error[invalid_schema]: `x-sensitive` must be true or false",
            "    hint: write `x-sensitive: true`",
        ],
    );
    for slip in ["x-sensitve", "sensitive", "x_sensitive"] {
        check_action(
            slip,
            &parameters(&format!("{slip}: true")),
            &[
                &format!(
                    "actions/x.yaml:8:{}: warning[schema]: `{slip}` marks nothing as sensitive",
                    27 + slip.len()
                ),
                "    hint: did you mean `x-sensitive: true`?",
            ],
        );
    }
    assert_passes(&format!("{ACTION}{}", parameters("x-sensitive: true")));
}

#[test]
fn each_mistake_in_an_output_schema_has_its_place_and_its_rule() {
    check_action(
        "no type",
        "output_schema: {properties: {a: {type: string}}}\n",
        &[
            "actions/x.yaml:4:16: error[invalid_schema]: the type of what an action answers must be `object`",
            "    hint: write `type: object`",
        ],
    );
    check_action(
        "a list",
        "output_schema:\n  type: array\n",
        &[
            "actions/x.yaml:5:9: error[invalid_schema]: the type of what an action answers must be `object`",
            "    hint: write `type: object`",
        ],
    );
    check_action(
        "a type that there is not",
        "output_schema:\n  type: object\n  properties: {a: {type: strng}}\n",
        &[
            "actions/x.yaml:6:26: error[invalid_schema]: `strng` is not a type",
            "    hint: did you mean `string`? the types are string, integer, number, boolean, array, object, null",
        ],
    );
    check(
        "an action that answers nothing",
        &[(
            "actions/x.yaml",
            "description: d\ntype: handover\nhandover: {queue: q}\noutput_schema: {type: object}\n",
        )],
        &[
            "actions/x.yaml:4:1: error[key_not_for_type]: `output_schema` does not belong to an action of type `handover`",
        ],
    );
}
