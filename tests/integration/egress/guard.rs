//! The address guard, seen from outside.

use callgate::project;
use serde_json::json;

use crate::harness::{Gateway, Process, files, write_project};
use crate::upstream::{Reply, Upstream};

const READ: (&str, &str) = ("actions/read.yaml", "description: reads\nconnection: api\npath: /read\n");
const STRICT: (&str, &str) =
    ("callgate.toml", "environments = [\"development\"]\n[egress.development]\nallow = []\n");

/// The warnings and errors of a project, without the folder's name.
fn problems(files: &[(&str, String)]) -> Vec<String> {
    let dir = write_project(files);
    let problems = project::load(dir.path(), None).problems.sorted();
    problems.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn an_address_that_is_not_allowed_is_an_exception_that_never_left() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let gateway = Gateway::start(&files(upstream.port, &[READ, STRICT])).await;
    let result = gateway.call("read", json!({})).await;
    assert_eq!(
        result["error"],
        json!({
            "code": "address_refused", "effect": "none", "retry": "no",
            "message": "This tool is not allowed to reach its service from here; nothing was done.",
        })
    );
    assert_eq!((&result["status"], &result["body"]), (&json!("exception"), &json!(null)));
    assert_eq!(upstream.requests().len(), 0);
}

#[tokio::test]
async fn a_name_is_judged_by_what_it_leads_to() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    // The system's own resolver: RFC 6761 has every one of them lead to loopback.
    let port = upstream.port;
    let named = |rules: &str| {
        vec![
            ("connections/api.yaml", format!("base_url: http://localhost:{port}\n")),
            (READ.0, READ.1.to_owned()),
            (
                "callgate.toml",
                format!("environments = [\"development\"]\n[egress.development]\nallow = [{rules}]\n"),
            ),
        ]
    };
    let refused = Gateway::start(&named("\"10.0.0.0/8\"")).await.call("read", json!({})).await;
    assert_eq!(refused["error"]["code"], "address_refused", "{refused}");
    assert_eq!(upstream.requests().len(), 0);
    for rules in ["\"localhost\"", "\"127.0.0.1\", \"::1\"", "\"127.0.0.0/8\", \"::1/128\""] {
        let reached = Gateway::start(&named(rules)).await.call("read", json!({})).await;
        assert_eq!(reached["status"], "success", "{rules}: {reached}");
    }
}

#[tokio::test]
async fn a_token_endpoint_is_judged_too() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let elsewhere =
        Upstream::start(|_| Reply::ok(r#"{"access_token": "t0ken-of-the-test", "token_type": "bearer"}"#))
            .await;
    let auth = format!(
        "type: oauth2_client_credentials\ntoken_url: http://127.0.0.2:{}/token\nclient_id: me\nclient_secret: {{secret: it}}\n",
        elsewhere.port
    );
    let mut files = files(upstream.port, &[READ]);
    files[0].1.push_str("auth: tokens\n");
    files.push(("auth/tokens.yaml", auth));
    files.push(("secrets.toml", "[development]\nit = \"s3cr3t-value\"\n".to_owned()));
    files.push((
        "callgate.toml",
        "environments = [\"development\"]\n[egress.development]\nallow = [\"127.0.0.1\"]\n".to_owned(),
    ));
    assert_eq!(
        problems(&files)
            .into_iter()
            .filter(|problem| problem.contains("address_refused"))
            .collect::<Vec<_>>(),
        [
            "auth/tokens.yaml:2:12: warning[address_refused]: environment `development` does not allow requests to `127.0.0.2`, a loopback address (RFC 1122); every call will be refused\n    hint: in callgate.toml, under [egress.development]: allow = [\"127.0.0.2\"]"
        ]
    );
    let result = Gateway::start(&files).await.call("read", json!({})).await;
    assert_eq!(
        (&result["status"], &result["error"]["code"]),
        (&json!("exception"), &json!("address_refused"))
    );
    assert_eq!((upstream.requests().len(), elsewhere.requests().len()), (0, 0));
}

#[test]
fn a_url_that_would_be_refused_is_warned_of_where_it_stands() {
    let own = |more: &[(&'static str, &str)]| {
        let mut files = vec![
            ("connections/api.yaml", "headers: {}\nbase_url: http://10.0.0.5/v1\n".to_owned()),
            (READ.0, READ.1.to_owned()),
            ("actions/full.yaml", "description: reads\nurl: http://localhost:9/x\n".to_owned()),
        ];
        files.extend(more.iter().map(|(name, text)| (*name, (*text).to_owned())));
        problems(&files)
    };
    let private = "connections/api.yaml:2:11: warning[address_refused]: environment `development` does not allow requests to `10.0.0.5`, a private address (RFC 1918); every call will be refused\n    hint: in callgate.toml, under [egress.development]: allow = [\"10.0.0.5\"]";
    let loopback = "actions/full.yaml:2:6: warning[address_refused]: environment `development` does not allow requests to `localhost`, a loopback address (RFC 1122); every call will be refused\n    hint: in callgate.toml, under [egress.development]: allow = [\"localhost\"]";
    // Loopback is allowed on a developer's machine, until somebody says otherwise.
    assert_eq!(own(&[]), [private]);
    assert_eq!(own(&[STRICT]), [loopback, private]);
    let keys = format!(
        "environments = [\"development\"]\n[[keys]]\nname = \"a\"\nhash = \"sha256:{}\"\n",
        "0".repeat(64)
    );
    assert_eq!(own(&[("callgate.toml", &keys)]), [loopback, private]);
    let exposed =
        own(&[("callgate.toml", "environments = [\"development\"]\n[server]\nlisten = \"0.0.0.0:8080\"\n")]);
    assert!(exposed.contains(&loopback.to_owned()), "{exposed:?}");
    let allowed =
        "environments = [\"development\"]\n[egress.development]\nallow = [\"localhost\", \"10.0.0.0/8\"]\n";
    assert_eq!(own(&[("callgate.toml", allowed)]), [""; 0]);
}

#[test]
fn a_broken_table_is_told_with_its_place() {
    let settings = "environments = [\"development\", \"production\"]\n\n[egress.development]\nallow = [\"10.0.0.1/8\", \"10.0.0.0/40\", \"0x7f.1\", \"a.*.b\"]\n\n[egress.prodution]\nallow = []\n";
    let files = [
        ("callgate.toml", settings.to_owned()),
        ("actions/hours.yaml", "description: hours\ntype: static\nresponse: open\n".to_owned()),
    ];
    assert_eq!(
        problems(&files),
        [
            "callgate.toml:4:10: warning[host_bits_set]: `10.0.0.1/8` has host bits set; it means 10.0.0.0/8\n    hint: write the range as it is meant",
            "callgate.toml:4:24: error[invalid_setting]: `10.0.0.0/40` is not a CIDR range\n    hint: such as 10.0.0.0/8 or fd00::/8",
            "callgate.toml:4:39: error[invalid_setting]: `0x7f.1` is an odd spelling of an address\n    hint: write 127.0.0.1",
            "callgate.toml:4:49: error[invalid_setting]: `a.*.b` has a `*` that does not stand for the first label\n    hint: an address, a CIDR range, a host name, or *.name for all names below it",
            "callgate.toml:6:1: warning[unknown_environment]: [egress.prodution] is for environment `prodution`, which is not served\n    hint: did you mean `production`?",
        ]
    );
}

#[tokio::test]
async fn a_variable_of_the_process_wins_over_the_file() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let dir = write_project(&files(upstream.port, &[READ, STRICT]));
    let allow = [("CALLGATE_EGRESS__DEVELOPMENT__ALLOW", "[\"127.0.0.0/8\"]")];
    let result = Process::serve(dir.path(), &allow).call("read", json!({})).await;
    assert_eq!(result["status"], "success", "{result}");
    let mut process = Process::serve(dir.path(), &[]);
    let refused = process.call("read", json!({})).await;
    assert_eq!((&refused["error"]["code"], &refused["attempts"]), (&json!("address_refused"), &json!(0)));
    // The operator is told which address, and what it is.
    process.signal("TERM");
    assert_eq!(process.wait(), Some(0));
    let log = process.written();
    assert!(
        log.contains("refused to connect to `127.0.0.1`: 127.0.0.1 is a loopback address (RFC 1122)"),
        "{log}"
    );
}
