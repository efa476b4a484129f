//! What was done before is told, although the call could not be made any more.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{call, numbered};
use crate::backend::on_every_store;
use crate::bad_input::told;
use crate::harness::{Gateway, files};
use crate::upstream::Upstream;

const CHARGE: &str = "description: charges\nconnection: api\nmethod: POST\npath: /charge\ntimeout_ms: 20000\nparameters: {type: object, properties: {amount: {type: integer}}}\n";
const BOUND: &str = "bind: {customer: \"{{.variables.customer.id}}\"}\n";

fn charge(id: &str, amount: u32) -> Value {
    call("charge", Some("c"), Some(id), json!({"amount": amount}))
}

on_every_store! {
async fn what_a_call_needed_may_be_gone_since(on) {
    let upstream = Upstream::start(numbered()).await;
    let action = format!("{CHARGE}{BOUND}");
    let gateway = Gateway::start_on(&files(upstream.port, &[("actions/charge.yaml", &action)]), on.fresh()).await;
    let begin = json!({"id": "c", "environment": "development", "variables": {"customer.id": "c-1"}});
    assert_eq!(gateway.post("/v1/conversations", begin.to_string()).await.0, 201);
    let first = gateway.call_with(charge("call_1", 5)).await;
    assert_eq!(first["status"], "success", "{first}");

    let unset = gateway.request("PATCH", "/v1/conversations/c?environment=development").body(json!({"unset": ["customer.id"]}).to_string());
    assert_eq!(unset.header("content-type", "application/json").send().await.unwrap().status(), 200);
    for _ in 0..2 {
        let again = gateway.call_with(charge("call_1", 5)).await;
        assert_eq!((&again["replayed"], &again["body"]), (&json!(true), &first["body"]), "{again}");
        // The conversation itself may be gone.
        let forget = gateway.request("DELETE", "/v1/conversations/c?environment=development&forget=true");
        assert!(forget.send().await.unwrap().status().is_success());
    }
    let other = gateway.call_with(charge("call_1", 6)).await;
    assert_eq!(told(&other).0, ("exception", "missing_variable", "none", "with_changes"), "another call");
    let new = gateway.call_with(charge("call_2", 5)).await;
    assert_eq!(told(&new).0, ("exception", "missing_variable", "none", "with_changes"));
    assert_eq!(upstream.requests().len(), 1);
}
}

on_every_store! {
async fn the_action_may_be_another_one_since(on) {
    let upstream = Upstream::start(numbered()).await;
    let store = on.fresh();
    let start = async |action: &str| {
        Gateway::start_on(&files(upstream.port, &[("actions/charge.yaml", action)]), store.clone()).await
    };
    let strict = CHARGE.replace("{amount:", "{currency: {type: string}, amount:").replace("{type: object,", "{type: object, required: [currency],");
    let before = Arc::new(start(CHARGE).await);
    let changed = start(&strict).await;
    let removed = Gateway::start_on(&files(upstream.port, &[("actions/other.yaml", CHARGE)]), store.clone()).await;
    let first = before.call_with(charge("call_1", 5)).await;
    for (since, code) in [(&changed, "invalid_arguments"), (&removed, "unknown_tool")] {
        let again = since.call_with(charge("call_1", 5)).await;
        assert_eq!((&again["replayed"], &again["body"]), (&json!(true), &first["body"]), "{again}");
        // What was never done is told as it is, and its id is not used up.
        let new = since.call_with(charge(code, 5)).await;
        assert_eq!((&new["error"]["code"], &new["error"]["effect"]), (&json!(code), &json!("none")), "{new}");
        assert_eq!(before.call_with(charge(code, 5)).await["replayed"], Value::Null);
    }
    assert_eq!(upstream.requests().len(), 3);
}
}
