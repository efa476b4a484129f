//! Connections and connectors that no action uses are judged like the others.

use std::fs;

use super::{check, check_dir, project, run};

const THREE: &str = "environments = [\"development\", \"staging\", \"production\"]\n";

#[test]
fn a_connection_that_no_action_uses_is_judged_once_for_all_environments() {
    check(
        "scheme, connector, header, limits",
        &[
            ("callgate.toml", THREE),
            (
                "connections/c.yaml",
                "base_url: ftp://foo\nauth: nope\nheaders: {Host: x, A: \"{{.parameters.any}}\", B: \"{{range .x}}{{end}}\"}\n",
            ),
            ("connections/t.yaml", "base_url: https://api.test/{{.parameters.tenant}}\n"),
        ],
        &[
            "connections/c.yaml:1:11: error[invalid_url]: invalid base_url `ftp://foo`: must start with http:// or https://",
            "connections/c.yaml:2:7: error[unknown_auth]: there is no auth connector `nope`",
            "    hint: add auth/nope.yaml",
            "connections/c.yaml:3:11: error[forbidden_header]: `Host` is set from the request itself",
            "    hint: leave it out; the upstream gets its own",
            "connections/c.yaml:3:52: error[forbidden_construct]: `range` is not allowed in a template",
            "    hint: a template may branch with `if` and `with`, not loop or include",
            "connections/t.yaml:1:11: error[invalid_url]: invalid base_url `https://api.test/{{.parameters.tenant}}`: a base URL has no template; one may stand in `path`",
        ],
    );
}

#[test]
fn a_connector_that_nothing_uses_is_judged_in_each_environment() {
    check(
        "no token",
        &[
            ("auth/zz.yaml", "type: bearer\n"),
            ("auth/key.yaml", "type: bearer\ntoken: {secret: not_asked_for}\n"),
        ],
        &[
            "auth/zz.yaml:1:7: error[missing_key]: a connector of type `bearer` needs `token` (environment `development`)",
            "    hint: add `token`, here or under `environments.development`",
        ],
    );
}

#[test]
fn what_is_meant_for_other_environments_lacks_nothing_here() {
    let dir = project(&[
        ("callgate.toml", THREE),
        ("connections/c.yaml", "environments: {production: {base_url: https://api.test, auth: crm}}\n"),
        ("auth/crm.yaml", "type: bearer\nenvironments: {production: {token: {secret: crm}}}\n"),
    ]);
    assert_eq!(run(dir.path(), &["--json"]).stdout, b"[]\n");
}

#[test]
fn certificates_that_no_call_would_need_are_read() {
    let dir = project(&[
        ("connections/c.yaml", "base_url: https://foo.test\ntls: {ca_file: nowhere.pem}\n"),
        (
            "auth/o.yaml",
            "type: oauth2_client_credentials\ntoken_url: https://foo.test/token\nclient_id: a\nclient_secret: {secret: s}\n\
             tls: {ca_file: empty.pem}\n",
        ),
    ]);
    fs::write(dir.path().join("empty.pem"), "").unwrap();
    check_dir(
        "certificates",
        dir.path(),
        &[
            "auth/o.yaml:5:16: error[invalid_tls]: `empty.pem` holds no certificate",
            "    hint: PEM is wanted: `-----BEGIN CERTIFICATE-----`; openssl x509 -inform der turns DER into it",
            "connections/c.yaml:2:16: error[invalid_tls]: `nowhere.pem` cannot be read: No such file or directory (os error 2)",
            "    hint: file names are relative to the project",
        ],
    );
}
