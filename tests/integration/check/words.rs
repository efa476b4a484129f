//! Messages that name the culprit and the way out.

use super::check;

#[test]
fn a_template_that_asks_for_a_secret_hears_where_secrets_go() {
    check(
        "a secret in a template",
        &[(
            "actions/x.yaml",
            "description: d\nconnection: api\npath: /x\nheaders: {X-Key: \"{{.secrets.a}}\"}\n",
        )],
        &[
            "actions/x.yaml:4:21: error[template_syntax]: there is no `.secrets`: the data has `.parameters`, `.variables` and `.static_variables`",
            "    hint: templates cannot read secrets: a header takes `{secret: name}` as its value, all else an auth connector",
        ],
    );
}

#[test]
fn an_item_of_a_list_is_named_by_its_list() {
    check(
        "items",
        &[(
            "actions/x.yaml",
            "description: d\nconnection: api\npath: /x\nretry:\n  on: [banana, 99]\nenvironments: {development: {response: {pick: [$.a, 7]}}}\n",
        )],
        &[
            "actions/x.yaml:5:8: error[invalid_value]: `retry.on[0]` is `banana`, which does not match `^(connect_failed|connection_lost|read_timeout)$`",
            "actions/x.yaml:5:16: error[invalid_value]: `retry.on[1]`: value is less than the minimum of 400",
            "actions/x.yaml:6:53: error[wrong_type]: `environments.development.response.pick[1]` must be a text, found a number",
        ],
    );
}
