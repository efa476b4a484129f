//! What is not sent can be stopped; what is sent cannot be called back.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{Setup, book, call, cancel, hurried, numbered, spawn};
use crate::backend::{Backend, on_every_store};
use crate::bad_input::told;
use crate::harness::Gateway;
use crate::upstream::{Reply, Upstream};
use crate::wait::until;

/// A gateway whose calls wait for a token before they are sent.
pub(super) struct Waiting {
    pub(super) setup: Setup,
    pub(super) tokens: Upstream,
    pub(super) gate: Arc<Semaphore>,
}

impl Waiting {
    pub(super) async fn new(on: &Backend) -> Self {
        let gate = Arc::new(Semaphore::new(0));
        let held = gate.clone();
        let token = r#"{"access_token": "token-number-1", "token_type": "Bearer", "expires_in": 3600}"#;
        let tokens = Upstream::start(move |_| Reply::Held(held.clone(), Box::new(Reply::ok(token)))).await;
        let upstream = Upstream::start(numbered()).await;
        let auth = format!(
            "type: oauth2_client_credentials\ntoken_url: http://127.0.0.1:{}/token\nclient_id: me\nclient_secret: {{secret: key}}\n",
            tokens.port
        );
        let files = [
            ("connections/api.yaml", format!("base_url: http://127.0.0.1:{}\nauth: tokens\n", upstream.port)),
            ("auth/tokens.yaml", auth),
            ("secrets.toml", "[development]\nkey = \"hunter2hunter2\"\n".to_owned()),
            ("actions/book.yaml", super::ACTIONS[0].1.to_owned()),
        ];
        Self { setup: Setup::of(on, &files, upstream).await, tokens, gate }
    }
}

/// Sends a call and hangs up once `sent` is there.
pub(super) async fn hang_up(gateway: &Gateway, call: &Value, sent: impl Future<Output = ()>) {
    super::hang_up(gateway, ("/v1/tool-calls", "application/json"), call, sent).await;
}

/// The same of one that listens to a stream.
async fn hang_up_on_a_stream(gateway: &Gateway, call: &Value, sent: impl Future<Output = ()>) {
    super::hang_up(gateway, ("/v1/tool-calls", "text/event-stream"), call, sent).await;
}

on_every_store! {
async fn what_is_not_sent_is_cancelled_and_stays_so(on) {
    let waiting = Waiting::new(on).await;
    let gateway = &waiting.setup.gateway;
    let called = spawn(gateway, book("call_1", 9));
    waiting.tokens.received(1).await;
    let (status, reply) = cancel(gateway, "/v1/tool-calls/call_1?conversation_id=c").await;
    assert_eq!((status, &reply), (200, &json!({"tool_call_id": "call_1", "cancellation": "not_sent"})));
    let result = called.await.unwrap();
    assert_eq!(told(&result).0, ("exception", "cancelled", "none", "later"));
    assert_eq!(result["cancellation"], "not_sent");
    waiting.gate.add_permits(1);
    // The intent was withdrawn: who comes with it again is told so.
    let again = gateway.call_with(book("call_1", 9)).await;
    assert_eq!((&again["replayed"], &again["error"]["code"]), (&json!(true), &json!("cancelled")));
    assert_eq!(waiting.setup.sent(), 0);
    assert_eq!(gateway.call_with(book("call_2", 9)).await["status"], "success");
    assert_eq!(waiting.setup.sent(), 1);
}
}

on_every_store! {
async fn what_is_sent_runs_to_its_end(on) {
    let (setup, gate) = Setup::held(on).await;
    let called = spawn(&setup.gateway, book("call_1", 9));
    setup.upstream.received(1).await;
    // The id is enough while only one conversation uses it.
    let (status, reply) = cancel(&setup.gateway, "/v1/tool-calls/call_1").await;
    assert_eq!((status, &reply["cancellation"]), (200, &json!("already_sent")));
    gate.add_permits(1);
    let result = called.await.unwrap();
    assert_eq!((&result["status"], &result["cancellation"]), (&json!("success"), &json!("already_sent")));
    let again = setup.gateway.call_with(book("call_1", 9)).await;
    assert_eq!((&again["replayed"], &again["cancellation"]), (&json!(true), &json!("already_sent")));
    assert_eq!(setup.sent(), 1);
}
}

on_every_store! {
async fn only_a_call_under_way_can_be_cancelled(on) {
    let (setup, gate) = Setup::held(on).await;
    let (status, problem) = cancel(&setup.gateway, "/v1/tool-calls/call_1").await;
    assert_eq!((status, &problem["code"]), (404, &json!("call_not_found")));
    assert!(problem["detail"].as_str().unwrap().contains("at this node, which knows its own only"), "{problem}");
    let calls = ["c", "d"].map(|conversation| {
        spawn(&setup.gateway, call("book", Some(conversation), Some("call_1"), json!({"slot": 1})))
    });
    setup.upstream.received(2).await;
    let (status, problem) = cancel(&setup.gateway, "/v1/tool-calls/call_1").await;
    assert_eq!((status, &problem["code"]), (409, &json!("conversation_required")));
    gate.add_permits(2);
    for called in calls {
        assert_eq!(called.await.unwrap()["cancellation"], Value::Null);
    }
    let (status, _) = cancel(&setup.gateway, "/v1/tool-calls/call_1?conversation_id=c").await;
    assert_eq!(status, 404, "it has ended");
}
}

/// Expects that the id of `call` is free again. A call that comes before the cancelled one has ended joins it, and leaves
/// it as it is by running out of time.
async fn assert_freed(gateway: &Gateway, mut call: Value) {
    call["deadline_ms"] = json!(200);
    until("the end of the cancelled call", async || {
        let result = gateway.call_with(call.clone()).await;
        assert_eq!(result["replayed"], Value::Null, "{result}");
        if result["error"]["code"] == "in_progress" {
            return None;
        }
        assert_eq!(
            result["error"]["effect"], "none",
            "it waits for its token, as the first one did: {result}"
        );
        Some(())
    })
    .await;
}

impl Waiting {
    /// Expects that `call_1` was cancelled before anything was sent, and is executed when it comes again.
    async fn assert_cancelled_unsent(&self) {
        let gateway = &self.setup.gateway;
        gateway.hung_up(1).await;
        assert_freed(gateway, book("call_1", 9)).await;
        assert_eq!(self.setup.sent(), 0);
        self.gate.add_permits(10);
        let again = gateway.call_with(book("call_1", 9)).await;
        assert_eq!((&again["status"], &again["replayed"]), (&json!("success"), &Value::Null), "{again}");
        assert_eq!(gateway.call_with(book("call_2", 9)).await["status"], "success");
        assert_eq!(self.setup.sent(), 2);
    }
}

on_every_store! {
async fn a_caller_that_hangs_up_cancels_what_is_not_sent(on) {
    let waiting = Waiting::new(on).await;
    let gateway = &waiting.setup.gateway;
    hang_up(gateway, &book("call_1", 9), waiting.tokens.received(1)).await;
    waiting.assert_cancelled_unsent().await;
}
}

on_every_store! {
async fn a_listener_who_hangs_up_cancels_what_is_not_sent(on) {
    let waiting = Waiting::new(on).await;
    let gateway = &waiting.setup.gateway;
    hang_up_on_a_stream(gateway, &book("call_1", 9), waiting.tokens.received(1)).await;
    waiting.assert_cancelled_unsent().await;
}
}

on_every_store! {
async fn what_is_sent_runs_to_its_end_though_its_listener_has_hung_up(on) {
    let (setup, gate) = Setup::held(on).await;
    hang_up_on_a_stream(&setup.gateway, &book("call_1", 9), setup.upstream.received(1)).await;
    gate.add_permits(1);
    let result = setup.gateway.call_with(book("call_1", 9)).await;
    assert_eq!((&result["status"], &result["replayed"]), (&json!("success"), &json!(true)), "{result}");
    assert_eq!(setup.sent(), 1);
}
}

on_every_store! {
async fn a_write_whose_answer_reached_nobody_is_not_done_again_under_another_id(on) {
    let (setup, gate) = Setup::held(on).await;
    hang_up(&setup.gateway, &book("call_1", 9), setup.upstream.received(1)).await;
    setup.gateway.hung_up(1).await;
    let result = hurried(&setup.gateway, book("call_2", 9)).await;
    assert_eq!(result["error"]["code"], "in_progress", "it joins the call that nobody waits for");
    gate.add_permits(1);
    let again = setup.gateway.call_with(book("call_3", 9)).await;
    assert_eq!((&again["replayed"], &again["body"]), (&json!(true), &json!({"id": 1})));
    assert_eq!(again["cancellation"], "already_sent");
    let same = setup.gateway.call_with(book("call_1", 9)).await;
    assert_eq!((&same["replayed"], &same["body"]), (&json!(true), &json!({"id": 1})));
    assert_eq!(setup.sent(), 1);
    // Other arguments are another write.
    gate.add_permits(1);
    assert_eq!(setup.gateway.call_with(book("call_4", 10)).await["replayed"], Value::Null);
    // A write that was answered is done again under another id.
    gate.add_permits(1);
    assert_eq!(setup.gateway.call_with(book("call_5", 10)).await["replayed"], Value::Null);
    assert_eq!(setup.sent(), 3);
}
}

on_every_store! {
async fn one_of_two_callers_who_hangs_up_cancels_nothing(on) {
    let waiting = Waiting::new(on).await;
    let gateway = &waiting.setup.gateway;
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let joined = async {
        waiting.tokens.received(1).await;
        let _ = sender.send(spawn(gateway, book("call_1", 9)));
        waiting.setup.store.joined().await;
    };
    hang_up(gateway, &book("call_1", 9), joined).await;
    gateway.hung_up(1).await;
    waiting.gate.add_permits(1);
    let result = receiver.await.unwrap().await.unwrap();
    assert_eq!((&result["status"], &result["replayed"]), (&json!("success"), &json!(true)), "{result}");
    assert_eq!(waiting.setup.sent(), 1);
}
}
