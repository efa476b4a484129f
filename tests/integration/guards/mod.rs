//! Guards by conversation, and what runs at its start and its end.

mod calls;
mod hooks;
mod outcome;
mod specs;
mod warm;

use std::sync::Arc;

use callgate::conversation::change::{Change, Source, Variable};
use callgate::conversation::{ConversationKey, Opening, Store, now_ms};
use serde_json::{Value, json};

use crate::backend::Backend;
use crate::harness::{Gateway, files};
use crate::upstream::{Captured, Reply, Upstream};

/// An agent that finds a customer, then slots, then books, then refunds.
const ACTIONS: &[(&str, &str)] = &[
    (
        "actions/find_customer.yaml",
        "description: Finds the customer.\nconnection: api\npath: /customers\nparameters: {type: object, properties: {name: {type: string}}}\n\
         output_variables: [{name: customer.id, path: $.id}]\n",
    ),
    (
        "actions/find_slots.yaml",
        "description: Finds slots.\nconnection: api\npath: /slots\n\
         output_variables: [{name: slots, path: $.slots}, {name: pins, path: '$.slots[*].pin', expose: false}, {name: tokens, path: $.tokens, expose: false}]\n",
    ),
    (
        "actions/book.yaml",
        "description: Books.\nconnection: api\nmethod: POST\npath: /book\n\
         parameters: {type: object, properties: {slot_id: {type: [string, 'null']}, also: {type: array, items: {type: string}}}}\n\
         only_after: [find_customer]\nallowed_values_from: {slot_id: '$.variables.slots[*].id', also: '$.variables.slots[*].id'}\n",
    ),
    (
        "actions/use_token.yaml",
        "description: Uses a token.\nconnection: api\nmethod: POST\npath: /token\n\
         parameters: {type: object, properties: {token: {type: string}, pin: {type: string}, card: {type: string, x-sensitive: true}}}\n\
         allowed_values_from: {token: '$.variables.tokens', pin: '$.variables.slots[*].pin', card: '$.variables.slots[*].id'}\n",
    ),
    (
        "actions/send_code.yaml",
        "description: Sends a code.\nconnection: api\nmethod: POST\npath: /code\nmax_calls: 2\ndedupe_window_ms: 0\n",
    ),
    ("actions/peek.yaml", "description: Looks.\nconnection: api\npath: /peek\nmax_calls: 1\n"),
    ("actions/joke.yaml", "description: Jokes.\ntype: static\nresponse: Ha.\nmax_calls: 1\n"),
    (
        "actions/open_billing.yaml",
        "description: Goes on to billing.\nconnection: api\npath: /billing\navailable_in: [greeting]\nnext_state: billing\n",
    ),
    (
        "actions/process_refund.yaml",
        "description: Refunds.\nconnection: api\nmethod: POST\npath: /refund\navailable_in: [billing]\nnext_state: done\n",
    ),
];

/// Conversations begin in `greeting`.
const SETTINGS: (&str, &str) =
    ("callgate.toml", "environments = [\"development\"]\n[conversations]\ninitial_state = \"greeting\"\n");

struct Setup {
    gateway: Gateway,
    upstream: Upstream,
    store: Arc<dyn Store>,
}

impl Setup {
    async fn new(on: &Backend) -> Self {
        Self::with(on, &[SETTINGS], answer).await
    }

    async fn with(
        on: &Backend,
        more: &[(&str, &str)],
        reply: impl Fn(&Captured) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let upstream = Upstream::start(reply).await;
        let store = on.fresh();
        let files = files(upstream.port, &[ACTIONS, more].concat());
        let gateway = Gateway::start_on(&files, store.clone()).await;
        Self { gateway, upstream, store }
    }

    /// Calls in conversation `c`; without an id of the call.
    async fn call(&self, name: &str, arguments: Value) -> Value {
        self.gateway.call_with(json!({"name": name, "conversation_id": "c", "arguments": arguments})).await
    }

    /// The same with an id.
    async fn call_as(&self, id: &str, name: &str) -> Value {
        self.gateway.call_with(json!({"name": name, "conversation_id": "c", "tool_call_id": id})).await
    }

    /// Calls, and expects this code, this message, and that nothing was sent.
    #[track_caller]
    fn assert_refused(&self, result: &Value, code: &str, retry: &str, message: &str) {
        assert_eq!(result["status"], "exception", "{result}");
        let error = &result["error"];
        assert_eq!(
            (&error["code"], &error["effect"], &error["retry"]),
            (&json!(code), &json!("none"), &json!(retry)),
            "{error}"
        );
        assert_eq!(error["message"], message);
        assert_eq!(result["attempts"], 0);
    }

    async fn set_state(&self, state: &str) {
        self.change(Change { state: Some(state.to_owned()), ..Change::default() }).await;
    }

    async fn change(&self, change: Change) {
        let key = ConversationKey::new("development", "c");
        self.store.open(&key, Opening::default()).await.unwrap();
        assert!(self.store.update(&key, change).await.unwrap().is_known);
    }

    fn sent(&self, path: &str) -> usize {
        self.upstream.requests().iter().filter(|request| request.line().contains(path)).count()
    }
}

/// A variable that the caller of the gateway sets.
fn variable(value: Value) -> Variable {
    Variable {
        value,
        shown: None,
        source: Source::Caller,
        sensitive: false,
        hidden: false,
        set_at_ms: now_ms(),
    }
}

fn answer(request: &Captured) -> Reply {
    match request.line() {
        line if line.contains("/customers?name=nobody") => Reply::Json(404, "{}".to_owned()),
        line if line.contains("/customers") => Reply::ok(r#"{"id": 7}"#),
        line if line.contains("/slots") => Reply::ok(
            r#"{"slots": [{"id": "mon-9", "pin": "pin-1111"}, {"id": "tue-10", "pin": "pin-2222"}], "tokens": ["token-1"]}"#,
        ),
        _ => Reply::ok("{}"),
    }
}
