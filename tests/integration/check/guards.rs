//! Mistakes in guards and hooks, each alone.

use super::check;

/// An action with these lines more.
fn action(more: &str) -> String {
    format!(
        "description: d\nconnection: api\npath: /x\nparameters: {{type: object, properties: {{slot_id: {{type: string}}}}}}\n{more}"
    )
}

const FIND: (&str, &str) = (
    "actions/find.yaml",
    "description: d\nconnection: api\npath: /find\noutput_variables: [{name: slots, path: $.slots}]\nnext_state: booking\n",
);

#[track_caller]
fn check_one(what: &str, more: &str, expected: &[&str]) {
    check(what, &[FIND, ("actions/x.yaml", &action(more))], expected);
}

#[test]
fn guards_that_are_right_are_no_problem() {
    let more = "max_calls: 2\nonly_after: [find]\nallowed_values_from: {slot_id: '$.variables.slots[*].id'}\navailable_in: [booking]\nnext_state: done\n";
    let dir = super::project(&[FIND, ("actions/x.yaml", &action(more))]);
    let output = super::run(dir.path(), &[]);
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn each_mistake_in_a_guard_has_its_place_its_rule_and_a_hint() {
    check_one(
        "no call at all",
        "max_calls: 0\n",
        &["actions/x.yaml:5:12: error[invalid_value]: `max_calls`: value is less than the minimum of 1"],
    );
    check_one(
        "an action that is not there",
        "only_after: [read, fnid]\n",
        &[
            "actions/x.yaml:5:20: error[unknown_action]: there is no action `fnid`",
            "    hint: did you mean `find`?",
        ],
    );
    check_one(
        "an action that waits for itself",
        "only_after: [x]\n",
        &[
            "actions/x.yaml:5:14: error[unreachable_action]: this action can never be called: it waits for itself",
            "    hint: an action of `only_after` must be one that can succeed before",
        ],
    );
    check_one(
        "a parameter that is not there",
        "allowed_values_from: {slot: '$.variables.slots[*].id'}\n",
        &["actions/x.yaml:5:29: error[unknown_parameter]: `slot` is not a parameter of this action"],
    );
    check_one(
        "a parameter that the model does not send",
        "bind: {slot_id: x}\nallowed_values_from: {slot_id: '$.variables.slots[*].id'}\n",
        &[
            "actions/x.yaml:6:32: error[bound_parameter]: `slot_id` is bound: the model does not send it",
            "    hint: take it out of `allowed_values_from`",
        ],
    );
    check_one(
        "a path that leads elsewhere",
        "allowed_values_from: {slot_id: '$.slots[*].id'}\n",
        &[
            "actions/x.yaml:5:32: error[invalid_jsonpath]: the path `$.slots[*].id` does not begin with `$.variables.`",
            "    hint: a path looks like `$.variables.slots[*].id` (RFC 9535)",
        ],
    );
    check_one(
        "a variable that no action sets",
        "allowed_values_from: {slot_id: '$.variables.slot[*].id'}\n",
        &[
            "actions/x.yaml:5:32: warning[unknown_variable]: no action has an output variable `slot`",
            "    hint: did you mean `$.variables.slots`?",
        ],
    );
    check_one(
        "a state that nothing leads to",
        "available_in: [booking, bokking]\n",
        &[
            "actions/x.yaml:5:25: warning[unknown_state]: nothing leads to the state `bokking`",
            "    hint: did you mean `booking`?",
        ],
    );
    check_one(
        "no state at all",
        "available_in: []\n",
        &["actions/x.yaml:5:15: error[invalid_value]: `available_in`: value has less than 1 item"],
    );
}

#[test]
fn a_circle_of_actions_that_wait_for_each_other_is_found() {
    let waits = |name: &str| format!("description: d\nconnection: api\npath: /x\nonly_after: [{name}]\n");
    check(
        "a circle",
        &[("actions/a.yaml", &waits("b")), ("actions/b.yaml", &waits("c")), ("actions/c.yaml", &waits("a"))],
        &[
            "actions/a.yaml:4:14: error[unreachable_action]: this action can never be called: `a` waits for `b`, which waits for `c`, which waits for `a`",
            "    hint: an action of `only_after` must be one that can succeed before",
            "actions/b.yaml:4:14: error[unreachable_action]: this action can never be called: `b` waits for `c`, which waits for `a`, which waits for `b`",
            "    hint: an action of `only_after` must be one that can succeed before",
            "actions/c.yaml:4:14: error[unreachable_action]: this action can never be called: `c` waits for `a`, which waits for `b`, which waits for `c`",
            "    hint: an action of `only_after` must be one that can succeed before",
        ],
    );
    check(
        "an action that is left out",
        &[
            ("actions/a.yaml", &waits("b")),
            (
                "actions/b.yaml",
                "description: d\nconnection: api\npath: /x\nenvironments: {development: {enabled: false}}\n",
            ),
        ],
        &[
            "actions/a.yaml:4:14: error[unreachable_action]: this action can never be called: `b` is left out of environment `development`",
            "    hint: an action of `only_after` must be one that can succeed before",
        ],
    );
}

#[test]
fn states_that_callers_set_are_named_in_the_settings() {
    let settings =
        "environments = [\"development\"]\n[conversations]\ninitial_state = \"one\"\nstates = [\"two\"]\n";
    let one = "description: d\nconnection: api\npath: /x\navailable_in: [one, two, three]\n";
    check(
        "declared states",
        &[("callgate.toml", settings), ("actions/x.yaml", one)],
        &[
            "actions/x.yaml:4:26: warning[unknown_state]: nothing leads to the state `three`",
            "    hint: where callers set it by `current_state`, name it in `states` of [conversations]",
        ],
    );
}

#[test]
fn each_mistake_in_a_hook_has_its_place_its_rule_and_a_hint() {
    check(
        "a parameter that nobody gives",
        &[(
            "actions/x.yaml",
            "description: d\nconnection: api\npath: /x\non: start\nparameters: {type: object, properties: {a: {}, b: {}, c: {}}, required: [a, b]}\nbind: {b: '{{.variables.caller_phone}}'}\n",
        )],
        &[
            "actions/x.yaml:4:5: error[unbound_parameter]: nobody gives `a` of an action with `on: start`",
            "    hint: set it under `bind`, such as \"{{.variables.caller_phone}}\"",
        ],
    );
    check(
        "a guard",
        &[(
            "actions/x.yaml",
            "description: d\nconnection: api\npath: /x\non: end\nmax_calls: 1\nnext_state: gone\n",
        )],
        &[
            "actions/x.yaml:5:1: error[key_not_for_hook]: `max_calls` does not belong to an action with `on: end`",
            "    hint: it runs by itself, once in a conversation",
            "actions/x.yaml:6:1: error[key_not_for_hook]: `next_state` does not belong to an action with `on: end`",
            "    hint: it runs by itself, once in a conversation",
        ],
    );
    check(
        "a handover",
        &[("actions/x.yaml", "description: d\ntype: handover\nhandover: {queue: q}\non: start\n")],
        &["actions/x.yaml:4:5: error[key_not_for_hook]: a handover with `on: start` would hand nobody over"],
    );
    check(
        "another moment",
        &[("actions/x.yaml", "description: d\nconnection: api\npath: /x\non: begin\n")],
        &["actions/x.yaml:4:5: error[invalid_value]: `on` is `begin`, which is not one of start, end"],
    );
    check(
        "an action that waits for the end",
        &[
            ("actions/x.yaml", "description: d\nconnection: api\npath: /x\non: end\n"),
            ("actions/y.yaml", "description: d\nconnection: api\npath: /x\nonly_after: [x]\n"),
        ],
        &[
            "actions/y.yaml:4:14: error[unreachable_action]: this action can never be called: `x` runs when the conversation ends",
            "    hint: an action of `only_after` must be one that can succeed before",
        ],
    );
}
