//! Mistakes in and between the other files, each alone.

use super::check;

#[test]
fn each_mistake_in_the_other_files_has_its_place_its_rule_and_a_hint() {
    check(
        "a missing secret",
        &[
            ("connections/api.yaml", "base_url: https://api.test\nauth: crm\n"),
            ("auth/crm.yaml", "type: bearer\ntoken: {secret: crm_tokn}\n"),
            ("secrets.toml", "[development]\ncrm_token = \"0123456789\"\n"),
        ],
        &[
            "auth/crm.yaml:2:8: error[missing_secret]: the secret `crm_tokn` is not set in environment `development`",
            "    hint: did you mean `crm_token`? else add `crm_tokn` under [development] in secrets.toml, or set CALLGATE_SECRET__DEVELOPMENT__CRM_TOKN",
        ],
    );
    check(
        "a missing secret of one environment",
        &[
            ("callgate.toml", "environments = [\"development\", \"production\"]\n"),
            (
                "actions/x.yaml",
                "description: d\nconnection: api\npath: /x\nheaders:\n  X-Key: {secret: key}\n",
            ),
            ("secrets.toml", "[development]\nkey = \"0123456789\"\n"),
        ],
        &[
            "actions/x.yaml:5:10: error[missing_secret]: the secret `key` is not set in environment `production`",
            "    hint: add `key` under [production] in secrets.toml, or set CALLGATE_SECRET__PRODUCTION__KEY",
        ],
    );
    check(
        "a missing static variable",
        &[
            (
                "actions/x.yaml",
                "description: d\nconnection: api\npath: /x\nquery: {region: \"{{.static_variables.REGON}}\"}\n",
            ),
            ("variables.toml", "[development]\nREGION = \"eu\"\n"),
        ],
        &[
            "actions/x.yaml:4:20: error[missing_static_variable]: the static variable `REGON` is not set in environment `development`",
            "    hint: did you mean `REGION`?",
        ],
    );
    check(
        "TOML that is none",
        &[("variables.toml", "[development\nA = 1\nB = = 2\n")],
        &[
            "variables.toml:1:13: error[toml_syntax]: unclosed table, expected `]`",
            "variables.toml:3:5: error[toml_syntax]: extra `=`, expected nothing",
            "variables.toml:3:7: error[toml_syntax]: unexpected key or value, expected newline, `#`",
        ],
    );
    check(
        "a key given twice in TOML",
        &[("variables.toml", "[development]\nA = 1\nA = 2\n")],
        &["variables.toml:3:1: error[duplicate_key]: duplicate key"],
    );
    check(
        "a secret that is no text",
        &[("secrets.toml", "[development]\nkey = 12345678\n")],
        &["secrets.toml:2:7: error[wrong_type]: `key` must be a text, found a number"],
    );
    check(
        "a short secret",
        &[("secrets.toml", "[development]\nkey = \"abc\"\n")],
        &[
            "secrets.toml: warning[short_secret]: the secret `key` of environment `development` has 3 characters, too few to be masked where an upstream repeats it",
            "    hint: use a longer one",
        ],
    );
    check(
        "a secret with a line break",
        &[
            (
                "actions/x.yaml",
                "description: d\nconnection: api\npath: /x\nheaders:\n  X-Key: {secret: key}\n",
            ),
            ("secrets.toml", "[development]\nkey = \"0123456789\\n\"\n"),
        ],
        &[
            "actions/x.yaml: error[invalid_secret]: the secret `key` of environment `development` holds control characters, which a header cannot carry",
            "    hint: look for a line end inside the value",
        ],
    );
    check(
        "no base URL",
        &[("connections/api.yaml", "headers: {A: b}\n")],
        &[
            "connections/api.yaml:1:1: error[missing_key]: the connection `api` has no `base_url` in environment `development`",
            "    hint: add `base_url`, at the top or under `environments.development`",
        ],
    );
    check(
        "a templated host",
        &[("connections/api.yaml", "base_url: https://{{.parameters.host}}.test\n")],
        &[
            "connections/api.yaml:1:11: error[invalid_url]: invalid base_url `https://{{.parameters.host}}.test`: the host is static; a template may stand in the path only",
        ],
    );
    check(
        "credentials in a URL",
        &[("connections/api.yaml", "base_url: https://ann:pw@api.test\n")],
        &[
            "connections/api.yaml:1:11: error[invalid_url]: invalid base_url `https://ann:pw@api.test`: credentials do not belong in a URL; use an auth connector",
        ],
    );
    check(
        "a connector without its keys",
        &[
            ("connections/api.yaml", "base_url: https://api.test\nauth: crm\n"),
            ("auth/crm.yaml", "type: api_key\nkey: {secret: k}\n"),
            ("secrets.toml", "[development]\nk = \"0123456789\"\n"),
        ],
        &[
            "auth/crm.yaml:1:7: error[missing_key]: a connector of type `api_key` needs `key_name` (environment `development`)",
            "    hint: add `key_name`, here or under `environments.development`",
            "auth/crm.yaml:1:7: error[missing_key]: a connector of type `api_key` needs `in` (environment `development`)",
            "    hint: add `in`, here or under `environments.development`",
        ],
    );
    check(
        "credentials without TLS",
        &[
            ("connections/api.yaml", "base_url: http://api.test\nauth: crm\n"),
            ("auth/crm.yaml", "type: bearer\ntoken: {secret: k}\n"),
            ("secrets.toml", "[development]\nk = \"0123456789\"\n"),
        ],
        &[
            "actions/read.yaml:3:7: warning[cleartext_credentials]: credentials would travel to `api.test` without TLS",
            "    hint: use https://",
        ],
    );
    check(
        "a setting that does not exist",
        &[("callgate.toml", "environments = [\"development\"]\n[server]\nlisten_on = \"127.0.0.1:1\"\n")],
        &[
            "callgate.toml:3:1: error[unknown_key]: unknown key `listen_on`",
            "    hint: known keys: listen, workers, max_request_bytes, max_calls_per_request, max_calls_in_flight, rate, write_timeout_ms, shutdown_grace_ms, watch, public_url, console",
        ],
    );
    check(
        "a listen address that is none",
        &[("callgate.toml", "environments = [\"development\"]\n[server]\nlisten = \"localhost\"\n")],
        &[
            "callgate.toml:3:10: error[invalid_setting]: `server.listen` must be an IP address and a port, such as 127.0.0.1:8080",
        ],
    );
    check(
        "a key for an environment that is not served",
        &[(
            "callgate.toml",
            "environments = [\"development\"]\n[[keys]]\nname = \"vapi\"\nhash = \"sha256:0000000000000000000000000000000000000000000000000000000000000000\"\nenvironments = [\"production\"]\n",
        )],
        &[
            "callgate.toml: warning[unknown_environment]: the key `vapi` is for environment `production`, which is not served",
            "    hint: served: development",
        ],
    );
}
