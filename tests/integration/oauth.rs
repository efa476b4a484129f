//! OAuth2 client credentials against a token server that counts: one token for
//! all, in time, and never told.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use callgate::executor::Gateway;
use callgate::project;
use callgate::tool::{ToolCall, ToolResult};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use crate::bad_input::{assert_speakable, told};
use crate::harness::{files, write_project};
use crate::upstream::{Captured, Reply, Upstream};

const SECRET: &str = "s3cr3t-of-the-client";

const PROJECT: &[(&str, &str)] = &[
    ("actions/read.yaml", "description: d\nconnection: api\npath: /read\nauth: crm\n"),
    ("actions/write.yaml", "description: d\nconnection: api\npath: /write\nmethod: POST\nauth: crm\n"),
    ("actions/soon.yaml", "description: d\nconnection: api\npath: /soon\nauth: crm\ntimeout_ms: 250\n"),
    (
        "auth/crm.yaml",
        "type: oauth2_client_credentials\ntoken_url: http://127.0.0.1:{token}/token\nclient_id: callgate\n\
         client_secret: {secret: crm_secret}\nscopes: [orders, notes]\n",
    ),
    ("secrets.toml", "[development]\ncrm_secret = \"s3cr3t-of-the-client\"\n"),
];

/// A gateway whose connector `crm` asks a token server of its own.
struct Setup {
    gateway: Gateway,
    tokens: Upstream,
    api: Upstream,
}

impl Setup {
    /// `token` answers the token requests, counted from 1; `api` the calls.
    async fn new(
        token: impl Fn(usize) -> Reply + Send + Sync + 'static,
        api: impl Fn(&Captured) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let count = AtomicUsize::new(0);
        let tokens = Upstream::start(move |_| token(count.fetch_add(1, Ordering::SeqCst) + 1)).await;
        let api = Upstream::start(api).await;
        Self { gateway: gateway(api.port, tokens.port), tokens, api }
    }

    async fn call(&self, name: &str) -> Value {
        shown(self.gateway.execute(tool_call(name)).await)
    }

    fn fetched(&self) -> usize {
        self.tokens.requests().len()
    }

    /// The tokens that the calls carried, in their order.
    fn carried(&self) -> Vec<String> {
        let header = |request: &Captured| request.header("authorization").unwrap_or("none").to_owned();
        self.api.requests().iter().map(header).collect()
    }
}

fn gateway(api: u16, tokens: u16) -> Gateway {
    let mut files = files(api, PROJECT);
    for (_, text) in &mut files {
        *text = text.replace("{token}", &tokens.to_string());
    }
    let dir = write_project(&files);
    let project = project::load(dir.path(), None);
    assert!(!project.problems.has_errors(), "{:?}", project.problems);
    Gateway::new(project.deployment)
}

fn tool_call(name: &str) -> ToolCall {
    ToolCall {
        id: "call_1".to_owned(),
        environment: "development".to_owned(),
        conversation_id: None,
        name: name.to_owned(),
        arguments: RawValue::from_string("{}".to_owned()).unwrap(),
        variables: Map::new(),
        deadline_ms: None,
    }
}

fn shown(result: ToolResult) -> Value {
    let result = serde_json::to_value(result).unwrap();
    assert_untold(&result.to_string());
    result
}

/// Neither the client's secret nor a token stands in `text`, in any encoding.
#[track_caller]
fn assert_untold(text: &str) {
    let basic = STANDARD.encode(format!("callgate:{SECRET}"));
    for told in [SECRET, "token-number", &basic] {
        assert!(!text.contains(told), "{told} in {text}");
    }
}

/// A token response with this token and whatever `more` says.
fn token(number: usize, more: &str) -> Reply {
    Reply::ok(&format!(r#"{{"access_token": "token-number-{number}", "token_type": "bearer"{more}}}"#))
}

/// Lets time pass for the gateway at once.
async fn travel(duration: Duration) {
    tokio::time::pause();
    tokio::time::advance(duration).await;
    tokio::time::resume();
}

/// Polls each of `waiting` once; none may be done.
async fn begin<T>(waiting: &mut [Pin<Box<impl Future<Output = T>>>]) {
    poll_fn(|context| {
        for one in waiting.iter_mut() {
            assert!(one.as_mut().poll(context).is_pending());
        }
        Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn ten_thousand_first_calls_cause_one_token_request() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let setup = Setup::new(
        move |number| Reply::Held(held.clone(), Box::new(token(number, ", \"expires_in\": 3600"))),
        |_| Reply::ok("{}"),
    )
    .await;
    // Nobody listens there: a call that got its token ends without a socket.
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let gateway = gateway(closed, setup.tokens.port);
    let mut calls: Vec<_> = (0..10_000).map(|_| Box::pin(gateway.execute(tool_call("read")))).collect();
    begin(&mut calls).await;
    gate.add_permits(10_000);
    for result in futures_util::future::join_all(calls).await {
        let result = shown(result);
        assert_eq!((&result["error"]["code"], &result["attempts"]), (&json!("connect_failed"), &json!(1)));
    }
    assert_eq!(setup.fetched(), 1);
    let request = setup.tokens.request();
    assert_eq!(request.text(), "grant_type=client_credentials&scope=orders+notes");
    let basic = STANDARD.encode(format!("callgate:{SECRET}"));
    assert_eq!(request.header("authorization"), Some(format!("Basic {basic}").as_str()));
}

#[tokio::test]
async fn calls_at_once_and_later_share_the_token() {
    let setup = Setup::new(|number| token(number, ", \"expires_in\": 3600"), |_| Reply::ok("{}")).await;
    let calls = (0..200).map(|at| setup.call(if at % 2 == 0 { "read" } else { "write" }));
    for result in futures_util::future::join_all(calls).await {
        assert_eq!(result["status"], "success", "{result}");
    }
    assert_eq!(setup.call("read").await["status"], "success");
    assert_eq!(setup.fetched(), 1);
    assert_eq!(setup.carried(), vec!["Bearer token-number-1"; 201]);
}

#[tokio::test]
async fn a_caller_that_gives_up_does_not_take_the_fetch_away() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let setup = Setup::new(
        move |number| Reply::Held(held.clone(), Box::new(token(number, ", \"expires_in\": 3600"))),
        |_| Reply::ok("{}"),
    )
    .await;
    let mut calls: Vec<_> = (0..10).map(|_| Box::pin(setup.gateway.execute(tool_call("read")))).collect();
    begin(&mut calls).await;
    drop(calls.remove(0));
    gate.add_permits(10);
    for result in futures_util::future::join_all(calls).await {
        assert_eq!(shown(result)["status"], "success");
    }
    assert_eq!((setup.fetched(), setup.carried().len()), (1, 9));
}

#[tokio::test]
async fn a_token_is_refreshed_ahead_of_its_expiry_while_the_old_one_serves() {
    let gate = Arc::new(Semaphore::new(1));
    let held = gate.clone();
    let setup = Setup::new(
        move |number| Reply::Held(held.clone(), Box::new(token(number, ", \"expires_in\": 100"))),
        |_| Reply::ok("{}"),
    )
    .await;
    setup.call("read").await;
    travel(Duration::from_secs(70)).await;
    setup.call("read").await;
    assert_eq!(setup.fetched(), 1, "too early for a refresh");
    travel(Duration::from_secs(6)).await;
    // The refresh hangs; calls go on with the old token.
    for _ in 0..20 {
        assert_eq!(setup.call("read").await["status"], "success");
    }
    assert_eq!(setup.fetched(), 2);
    assert!(setup.carried().iter().all(|token| token == "Bearer token-number-1"), "{:?}", setup.carried());
    gate.add_permits(1);
    until(&setup, "Bearer token-number-2").await;
    assert_eq!(setup.fetched(), 2);
}

/// Calls until a call carries `token`.
async fn until(setup: &Setup, token: &str) {
    for _ in 0..2_000 {
        assert_eq!(setup.call("read").await["status"], "success");
        if setup.carried().last().is_some_and(|last| last == token) {
            return;
        }
    }
    panic!("no call carried {token}: {:?}", setup.carried());
}

#[tokio::test]
async fn a_refresh_that_fails_costs_no_call_until_the_token_is_over() {
    let setup = Setup::new(
        |number| match number {
            1 => token(1, ", \"expires_in\": 100"),
            2..=4 => Reply::Json(500, "{}".to_owned()),
            _ => token(number, ", \"expires_in\": 100"),
        },
        |_| Reply::ok("{}"),
    )
    .await;
    setup.call("read").await;
    travel(Duration::from_secs(80)).await;
    for _ in 0..20 {
        assert_eq!(setup.call("read").await["status"], "success");
    }
    assert_eq!(setup.fetched(), 2, "a failed refresh is not tried again at once");
    travel(Duration::from_secs(12)).await;
    let result = setup.call("read").await;
    assert_eq!(told(&result).0, ("exception", "auth_failed", "none", "later"), "the token is over: {result}");
    while setup.fetched() < 4 {
        setup.call("read").await;
    }
    assert_eq!(setup.call("read").await["status"], "success");
    assert_eq!(setup.carried().last().unwrap(), "Bearer token-number-5");
}

/// How long a token with `more` in its response is used: a call at once, one
/// after `later`; the tokens that the two carried.
async fn lifetime(more: &'static str, later: Duration, expected: [&str; 2]) {
    let setup = Setup::new(move |number| token(number, more), |_| Reply::ok("{}")).await;
    assert_eq!(setup.call("read").await["status"], "success", "{more}");
    travel(later).await;
    assert_eq!(setup.call("read").await["status"], "success", "{more}");
    assert_eq!(setup.carried(), expected.map(|number| format!("Bearer token-number-{number}")), "{more}");
}

#[tokio::test]
async fn whatever_the_server_says_of_the_lifetime_is_survived() {
    let now = Duration::ZERO;
    lifetime("", now, ["1", "1"]).await;
    lifetime("", Duration::from_secs(200), ["1", "1"]).await;
    lifetime("", Duration::from_secs(300), ["1", "2"]).await;
    lifetime(", \"expires_in\": null", now, ["1", "1"]).await;
    lifetime(", \"expires_in\": 0", now, ["1", "2"]).await;
    lifetime(", \"expires_in\": 1", Duration::from_secs(1), ["1", "2"]).await;
    lifetime(", \"expires_in\": 3600", Duration::from_secs(3500), ["1", "1"]).await;
    lifetime(", \"expires_in\": \"3600\"", Duration::from_secs(3500), ["1", "1"]).await;
    lifetime(", \"expires_in\": 3600.0", Duration::from_secs(3500), ["1", "1"]).await;
    lifetime(", \"expires_in\": -1", now, ["1", "2"]).await;
    lifetime(", \"expires_in\": 4294967296", Duration::from_secs(3500), ["1", "1"]).await;
    lifetime(", \"expires_in\": 18446744073709551615", Duration::from_secs(3500), ["1", "1"]).await;
    lifetime(", \"expires_in\": 1e30", Duration::from_secs(3500), ["1", "1"]).await;
    lifetime(", \"expires_in\": \"soon\"", Duration::from_secs(200), ["1", "1"]).await;
}

#[tokio::test]
async fn a_token_endpoint_that_fails_is_named_by_its_connector() {
    let no = ("auth_failed", "no");
    let later = ("auth_failed", "later");
    let raw = |text: String| Reply::Raw(text.into_bytes());
    let long = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 10000000\r\n\r\n{{\"access_token\": \"{}\"",
        "token-number-1".repeat(10_000)
    );
    let refused =
        |error: &str| Reply::Json(401, format!(r#"{{"error": "{error}", "error_description": "{SECRET}"}}"#));
    for (what, reply, expected, reason) in [
        ("closes", Reply::Close, later, "cannot be reached"),
        ("stalls", Reply::Stall, later, "did not answer in time"),
        ("wrong secret", refused("invalid_client"), no, "was refused"),
        ("wrong scope", refused("invalid_scope"), no, "was refused"),
        ("an error of its own", refused("no-coffee"), no, "was refused"),
        (
            "broken",
            raw("HTTP/1.1 500 X\r\ncontent-type: text/html\r\n\r\n<html>".to_owned()),
            later,
            "gave no usable answer",
        ),
        (
            "redirects",
            raw("HTTP/1.1 302 X\r\nlocation: /login\r\n\r\n".to_owned()),
            later,
            "gave no usable answer",
        ),
        ("half a JSON", Reply::ok("{\"access_token\": \"token-number-1"), later, "gave no usable answer"),
        ("no token", Reply::ok("{\"token_type\": \"bearer\"}"), later, "gave no usable answer"),
        (
            "a token of another type",
            Reply::ok("{\"access_token\": 1, \"token_type\": \"bearer\"}"),
            later,
            "gave no usable answer",
        ),
        (
            "an empty token",
            Reply::ok("{\"access_token\": \"\", \"token_type\": \"bearer\"}"),
            later,
            "gave no usable answer",
        ),
        (
            "a line break in the token",
            Reply::ok("{\"access_token\": \"token-number-1\\nX: y\", \"token_type\": \"bearer\"}"),
            later,
            "gave no usable answer",
        ),
        ("nothing", Reply::ok(""), later, "gave no usable answer"),
        ("rubbish", raw("rubbish".to_owned()), later, "cannot be reached"),
        ("ten megabytes", raw(long), later, "gave no usable answer"),
        ("deeply nested", Reply::ok(&"[".repeat(10_000)), later, "gave no usable answer"),
    ] {
        let setup = Setup::new(move |_| reply.clone(), |_| Reply::ok("{}")).await;
        let name = if what == "stalls" { "soon" } else { "read" };
        let result = setup.call(name).await;
        let message = format!("The sign-in to the service (`crm`) {reason}; nothing was done.");
        assert_eq!(
            told(&result),
            (("exception", expected.0, "none", expected.1), message.as_str()),
            "{what}"
        );
        assert_eq!((&result["attempts"], setup.api.requests().len()), (&json!(0), 0), "{what}");
    }
}

#[tokio::test]
async fn a_token_endpoint_nobody_listens_at_fails_and_recovers() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let api = Upstream::start(|_| Reply::ok("{}")).await;
    let gateway = gateway(api.port, port);
    let result = shown(gateway.execute(tool_call("read")).await);
    let message = "The sign-in to the service (`crm`) cannot be reached; nothing was done.";
    assert_eq!(told(&result), (("exception", "auth_failed", "none", "later"), message));
    assert_speakable(message);
}

#[tokio::test]
async fn a_failed_fetch_is_tried_again_by_the_next_call() {
    let setup = Setup::new(
        |number| match number {
            1 => Reply::Json(500, "{}".to_owned()),
            _ => token(number, ", \"expires_in\": 3600"),
        },
        |_| Reply::ok("{}"),
    )
    .await;
    assert_eq!(setup.call("read").await["error"]["code"], "auth_failed");
    assert_eq!(setup.call("read").await["status"], "success");
    assert_eq!(setup.carried(), ["Bearer token-number-2"]);
}

#[tokio::test]
async fn a_refused_token_is_fetched_once_more_and_only_once() {
    let accepting = |wanted: &'static str| {
        move |request: &Captured| match request.header("authorization") {
            Some(token) if token == wanted => Reply::ok("{}"),
            _ => Reply::Json(401, "{}".to_owned()),
        }
    };
    let fresh = |number| token(number, ", \"expires_in\": 3600");
    for name in ["read", "write"] {
        let setup = Setup::new(fresh, accepting("Bearer token-number-2")).await;
        let result = setup.call(name).await;
        assert_eq!((&result["status"], &result["attempts"]), (&json!("success"), &json!(2)));
        assert_eq!(setup.call(name).await["attempts"], 1);
        assert_eq!(setup.fetched(), 2);

        let setup = Setup::new(fresh, accepting("Bearer none")).await;
        let result = setup.call(name).await;
        assert_eq!(told(&result).0, ("error", "upstream_unauthorized", "none", "no"));
        assert_eq!((&result["attempts"], setup.fetched(), setup.carried().len()), (&json!(2), 2, 2));
    }
    // However many calls are refused at once.
    let setup = Setup::new(fresh, accepting("Bearer token-number-2")).await;
    for result in futures_util::future::join_all((0..50).map(|_| setup.call("read"))).await {
        assert_eq!(result["status"], "success", "{result}");
    }
    assert_eq!(setup.fetched(), 2);
}

#[tokio::test]
async fn neither_secret_nor_token_is_told_even_when_the_upstream_repeats_them() {
    let echo = |request: &Captured| {
        let token = request.header("authorization").unwrap_or_default();
        let plain = token.trim_start_matches("Bearer ");
        let body =
            json!({"head": request.head, "token": plain, "base64": STANDARD.encode(plain), SECRET: SECRET});
        Reply::ok(&body.to_string())
    };
    let setup = Setup::new(|number| token(number, ", \"expires_in\": 3600"), echo).await;
    let result = setup.call("read").await;
    assert_eq!(result["status"], "success");
    assert!(!result.to_string().contains(&STANDARD.encode("token-number-1")), "{result}");
    let preview = setup.gateway.preview(&tool_call("write")).unwrap();
    let preview = serde_json::to_value(preview).unwrap();
    assert_eq!(preview["request"]["headers"]["authorization"], "Bearer ***");
    assert_untold(&preview.to_string());
    assert_untold(&format!("{:?}", setup.gateway));
}
