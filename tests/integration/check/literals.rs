//! Secrets that stand in a definition.

use super::check;

#[test]
fn a_header_that_seems_to_hold_a_secret_is_a_warning_that_does_not_show_it() {
    check(
        "literal secrets",
        &[
            ("connections/api.yaml", "base_url: https://api.test\nheaders:\n  X-Api-Key: \"hunter2\"\n"),
            (
                "actions/x.yaml",
                "description: d\nconnection: api\npath: /x\nheaders:\n  Authorization: \"Bearer sk_live_4eC39HqLyjWDarjt\"\n  \
                 X-Trace: ghp_0123456789abcdef\n  X-Token: \"{{.variables.token}}\"\n  X-Auth: <token>\n  Accept: text/plain\n",
            ),
            (
                "actions/y.yaml",
                "description: d\nconnection: api\npath: /y\nheaders: {Authorization: \"Basic YTpiYmJiYmJi\"}\n",
            ),
        ],
        &[
            "actions/x.yaml:5:18: warning[literal_secret]: the header `Authorization` seems to hold a secret, which previews show",
            "    hint: move it to secrets.toml and write {secret: name, prefix: \"Bearer \"}, or use an auth connector of type `bearer`",
            "actions/x.yaml:6:12: warning[literal_secret]: the header `X-Trace` seems to hold a secret, which previews show",
            "    hint: move it to secrets.toml and write {secret: name}, or use an auth connector of type `api_key`",
            "actions/y.yaml:4:26: warning[literal_secret]: the header `Authorization` seems to hold a secret, which previews show",
            "    hint: move it to secrets.toml and use an auth connector of type `basic`, whose password is {secret: name}",
            "connections/api.yaml:3:14: warning[literal_secret]: the header `X-Api-Key` seems to hold a secret, which previews show",
            "    hint: move it to secrets.toml and write {secret: name}, or use an auth connector of type `api_key`",
        ],
    );
}
