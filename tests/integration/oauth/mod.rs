//! OAuth2 client credentials against a token server that counts: one token for
//! all, in time, and never told.

mod failures;
mod lifetime;
mod shared;

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
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::bad_input::told;
use crate::harness::{files, write_project};
use crate::upstream::{Captured, ClosedPort, Reply, Upstream};

const SECRET: &str = "s3cr3t-of-the-client";

const PROJECT: &[(&str, &str)] = &[
    ("actions/read.yaml", "description: d\nconnection: api\npath: /read\nauth: crm\ntimeout_ms: 60000\n"),
    ("actions/write.yaml", "description: d\nconnection: api\npath: /write\nmethod: POST\nauth: crm\n"),
    (
        "actions/late.yaml",
        "description: d\nconnection: api\npath: /late\nmethod: POST\nauth: crm\ntimeout_ms: 7000\n",
    ),
    ("actions/soon.yaml", "description: d\nconnection: api\npath: /soon\nauth: crm\ntimeout_ms: 3000\n"),
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

    /// Token requests wait for the semaphore, which lets `open` of them pass; tokens last `seconds`.
    async fn held(open: usize, seconds: u32) -> (Self, Arc<Semaphore>) {
        let gate = Arc::new(Semaphore::new(open));
        let held = gate.clone();
        let lifetime = format!(", \"expires_in\": {seconds}");
        let reply = move |number| Reply::Held(held.clone(), Box::new(token(number, &lifetime)));
        (Self::new(reply, |_| Reply::ok("{}")).await, gate)
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
    let arguments = RawValue::from_string("{}".to_owned()).unwrap();
    ToolCall { id_is_given: false, ..ToolCall::new("call_1", "development", name, arguments) }
}

fn shown(result: std::sync::Arc<ToolResult>) -> Value {
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
    let (setup, gate) = Setup::held(0, 3600).await;
    // Nobody listens there: a call that got its token ends without a socket, or is refused by the
    // connection's own limits and breaker.
    let closed = ClosedPort::new();
    let gateway = gateway(closed.port, setup.tokens.port);
    let mut calls: Vec<_> = (0..10_000).map(|_| Box::pin(gateway.execute(tool_call("read")))).collect();
    begin(&mut calls).await;
    gate.add_permits(10_000);
    for result in futures_util::future::join_all(calls).await {
        let result = shown(result);
        let code = result["error"]["code"].as_str().unwrap();
        assert!(["connect_failed", "upstream_unavailable", "overloaded"].contains(&code), "{result}");
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
    let (setup, gate) = Setup::held(0, 3600).await;
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
async fn a_refused_call_is_not_sent_again_where_that_cannot_end_in_time() {
    let refused = Reply::After(Duration::from_secs(4), Box::new(Reply::Json(401, "{}".to_owned())));
    let setup = Setup::new(|number| token(number, ""), move |_| refused.clone()).await;
    let result = setup.call("late").await;
    assert_eq!(told(&result).0, ("error", "upstream_unauthorized", "none", "no"));
    assert_eq!((&result["attempts"], setup.carried().len()), (&json!(1), 1));
    // The next call does not come with the same token.
    setup.call("late").await;
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
    let preview = setup.gateway.preview(&tool_call("write"), None).await.unwrap();
    let preview = serde_json::to_value(preview).unwrap();
    assert_eq!(preview["request"]["headers"]["authorization"], "Bearer ***");
    assert_untold(&preview.to_string());
    assert_untold(&format!("{:?}", setup.gateway));
}
