//! Tool call ids that repeat, and writes that come again under new ones.

use callgate::server::NewKey;
use serde_json::{Value, json};

use super::cancel::hang_up;
use super::{ACTIONS, Setup, book, call, hurried, numbered, spawn};
use crate::backend::{Backend, on_every_store};
use crate::bad_input::told;
use crate::harness::files;
use crate::upstream::Upstream;

const CANCEL: &str = "description: cancels\nconnection: api\nmethod: POST\npath: /cancel\nparameters: {type: object, properties: {slot: {type: integer}}}\n";

/// The actions of the other tests, with one that cancels a slot; `settings` is the file of settings.
async fn setup(on: &Backend, settings: &str) -> Setup {
    let upstream = Upstream::start(numbered()).await;
    let more = [("actions/cancel.yaml", CANCEL), ("callgate.toml", settings)];
    let files = files(upstream.port, &[ACTIONS, &more].concat());
    Setup::of(on, &files, upstream).await
}

fn named(name: &str, id: &str, slot: u32) -> Value {
    call(name, Some("c"), Some(id), json!({"slot": slot}))
}

/// Makes the calls one after the other; the paths that the upstream saw, and which calls were replayed.
async fn make(setup: &Setup, calls: &[Value]) -> (Vec<String>, Vec<bool>) {
    let mut replayed = Vec::new();
    for call in calls {
        let result = setup.gateway.call_with(call.clone()).await;
        assert_eq!(result["status"], "success", "{result}");
        replayed.push(result["replayed"] == true);
    }
    let path = |line: &str| line.split([' ', '?']).nth(1).unwrap_or_default().to_owned();
    (setup.upstream.requests().iter().map(|request| path(request.line())).collect(), replayed)
}

on_every_store! {
async fn a_slot_that_was_cancelled_is_booked_again_under_the_same_id(on) {
    // As vLLM and Kimi number the calls of each turn.
    let kimi = ["book:0", "cancel:0", "book:0"];
    // As servers that use the name, begin anew with each turn, or send a constant.
    for ids in [kimi, ["book", "cancel", "book"], ["call_0", "call_0", "call_0"], ["x", "x", "x"]] {
        let setup = setup(on, "").await;
        let calls = [named("book", ids[0], 9), named("cancel", ids[1], 9), named("book", ids[2], 9)];
        let (paths, replayed) = make(&setup, &calls).await;
        assert_eq!(paths, ["/book", "/cancel", "/book"], "{ids:?}");
        assert_eq!(replayed, [false; 3], "{ids:?}");
        // A product's retry of the last one.
        let (paths, replayed) = make(&setup, &calls[2..]).await;
        assert_eq!((paths.len(), replayed), (3, vec![true]), "{ids:?}");
        // The upstream takes the third one for no repeat of the first one either.
        let mut keys: Vec<_> =
            setup.upstream.requests().iter().map(|request| request.header("idempotency-key").map(str::to_owned)).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 3, "{ids:?}: {keys:?}");
    }
}
}

on_every_store! {
async fn with_a_constant_id_every_call_of_a_conversation_is_made(on) {
    let setup = setup(on, "").await;
    let calls = [named("look", "x", 1), named("book", "x", 1), named("book", "x", 2), named("look", "x", 1)];
    let (paths, replayed) = make(&setup, &calls).await;
    assert_eq!(paths, ["/look", "/book", "/book", "/look"]);
    assert_eq!(replayed, [false; 4], "the read at the end is read again");
}
}

on_every_store! {
async fn a_call_that_comes_again_at_once_is_a_repeat_whatever_its_id(on) {
    for id in ["book:0", "x", "call_0", "call_62136355OZTvBYKTb1QuJHWm"] {
        let setup = setup(on, "").await;
        // Nothing of it makes ids of the conversation repeat but what is tested.
        let (_, replayed) = make(&setup, &[named("book", id, 9), named("book", id, 9), named("book", id, 9)]).await;
        assert_eq!((setup.sent(), replayed), (1, vec![false, true, true]), "{id}");
    }
}
}

on_every_store! {
async fn a_random_id_stands_for_its_call_whatever_comes_in_between(on) {
    let setup = setup(on, "").await;
    let (first, other) = ("call_62136355OZTvBYKTb1QuJHWm", "call_h8eXnVpJ5VQ0qEGRgl5YpVFR");
    // As a client of the Realtime API that acts on `output_item.done`, and on `response.done` once more.
    let calls = [named("book", first, 9), named("cancel", other, 8), named("book", first, 9), named("cancel", other, 8)];
    let (paths, replayed) = make(&setup, &calls).await;
    assert_eq!(paths, ["/book", "/cancel"]);
    assert_eq!(replayed, [false, false, true, true]);
}
}

on_every_store! {
async fn without_an_id_a_slot_that_was_cancelled_is_booked_again(on) {
    let setup = setup(on, "").await;
    let without = |name| call(name, Some("c"), None, json!({"slot": 9}));
    let (paths, replayed) = make(&setup, &[without("book"), without("book"), without("cancel"), without("book")]).await;
    assert_eq!(paths, ["/book", "/cancel", "/book"]);
    assert_eq!(replayed, [false, true, false, false]);
}
}

on_every_store! {
async fn a_write_that_is_under_way_is_joined_under_another_id(on) {
    let (setup, gate) = Setup::held(on).await;
    let first = spawn(&setup.gateway, book("call_1", 9));
    setup.upstream.received(1).await;
    // As a product does whose time for tools is short.
    let second = spawn(&setup.gateway, book("call_2", 9));
    setup.store.joined().await;
    let without = spawn(&setup.gateway, call("book", Some("c"), None, json!({"slot": 9})));
    setup.store.joined().await;
    // Other values are another write.
    let other = spawn(&setup.gateway, book("call_3", 10));
    setup.upstream.received(2).await;
    gate.add_permits(10);
    for joined in [second, without] {
        let joined = joined.await.unwrap();
        assert_eq!((&joined["replayed"], &joined["body"]), (&json!(true), &json!({"id": 1})), "{joined}");
    }
    assert_eq!(first.await.unwrap()["replayed"], Value::Null);
    assert_eq!(other.await.unwrap()["body"], json!({"id": 2}));
    assert_eq!(setup.sent(), 2);
}
}

on_every_store! {
async fn an_action_that_may_be_done_twice_joins_nothing(on) {
    let (setup, gate) = Setup::held(on).await;
    let always = |id| call("always", Some("c"), Some(id), json!({}));
    let both = [spawn(&setup.gateway, always("call_1")), spawn(&setup.gateway, always("call_2"))];
    setup.upstream.received(2).await;
    gate.add_permits(10);
    for one in both {
        assert_eq!(one.await.unwrap()["replayed"], Value::Null);
    }
}
}

on_every_store! {
async fn equal_calls_of_one_request_are_as_many_calls(on) {
    for id in [Some("x"), Some("book:0"), None] {
        let setup = setup(on, "").await;
        let one = call("book", Some("c"), id, json!({"slot": 9}));
        let turn = json!({"calls": [one, one, one]});
        for replayed in [Value::Null, json!(true)] {
            let (status, answer) = setup.gateway.post("/v1/tool-calls", turn.to_string()).await;
            assert_eq!(status, 200, "{answer}");
            let results = answer["results"].as_array().unwrap();
            assert!(results.iter().all(|result| result["replayed"] == replayed), "{id:?}: {answer}");
        }
        assert_eq!(setup.sent(), 3, "{id:?}");
    }
}
}

on_every_store! {
async fn equal_calls_of_one_turn_are_as_many_calls_whatever_their_ids(on) {
    let setup = setup(on, "").await;
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "book", "arguments": "{\"slot\":9}"}});
    let turn = json!({"tool_calls": [call("a"), call("b"), call("b")]});
    let path = "/v1/openai/chat/tool-calls?conversation_id=c";
    let (_, first) = setup.gateway.post(path, turn.to_string()).await;
    assert_eq!(setup.sent(), 3, "{first}");
    let (_, again) = setup.gateway.post(path, turn.to_string()).await;
    assert_eq!(setup.sent(), 3, "{again}");
}
}

on_every_store! {
async fn equal_calls_of_one_request_may_be_written_differently(on) {
    let setup = setup(on, "").await;
    let body = r#"{"calls": [
        {"name": "book", "conversation_id": "c", "tool_call_id": "x", "arguments": {"slot": 9}},
        {"name": "book", "conversation_id": "c", "tool_call_id": "x", "arguments": {"slot":9.0}}
    ]}"#;
    setup.gateway.post("/v1/tool-calls", body).await;
    assert_eq!(setup.sent(), 2);
}
}

on_every_store! {
async fn a_write_whose_answer_was_had_on_the_second_try_is_another_one_on_the_third(on) {
    let (setup, gate) = Setup::held(on).await;
    hang_up(&setup.gateway, &book("call_A", 9), setup.upstream.received(1)).await;
    // It joins, or finds the answer that reached nobody.
    let second = spawn(&setup.gateway, book("call_B", 9));
    setup.store.joined().await;
    gate.add_permits(10);
    assert_eq!(second.await.unwrap()["replayed"], true);
    let third = setup.gateway.call_with(book("call_C", 9)).await;
    assert_eq!((&third["replayed"], &third["body"]), (&Value::Null, &json!({"id": 2})), "{third}");
}
}

on_every_store! {
async fn what_was_given_back_under_an_id_takes_nothing_from_what_was_done_under_it(on) {
    let (setup, gate) = Setup::held(on).await;
    let waiting = book("x", 8);
    hang_up(&setup.gateway, &waiting, setup.upstream.received(1)).await;
    gate.add_permits(10);
    let done = setup.gateway.call_with(book("x", 9)).await;
    assert_eq!((&done["status"], &done["replayed"]), (&json!("success"), &Value::Null));
    assert_eq!(setup.gateway.call_with(book("x", 9)).await["replayed"], true);
}
}

on_every_store! {
async fn a_key_says_what_its_ids_stand_for(on) {
    let new = NewKey::generate().unwrap();
    let settings = |ids: &str| {
        format!("environments = [\"development\"]\n[egress.development]\nallow = [\"127.0.0.1\"]\n[[keys]]\nname = \"one\"\nhash = \"{}\"\ntool_call_ids = \"{ids}\"\n", new.hash)
    };
    for (ids, expected) in [("unique", [false, false, true]), ("per_turn", [false, false, false])] {
        let setup = setup(on, &settings(ids)).await;
        let mut replayed = Vec::new();
        for (name, id) in [("book", "call_1"), ("cancel", "call_2"), ("book", "call_1")] {
            let request = setup.gateway.request("POST", "/v1/tool-calls").bearer_auth(&new.key);
            let answer = request.body(named(name, id, 9).to_string()).send().await.unwrap();
            let result: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
            assert_eq!(result["status"], "success", "{result}");
            replayed.push(result["replayed"] == true);
        }
        assert_eq!(replayed, expected, "{ids}");
    }
}
}

#[tokio::test]
async fn a_model_is_told_in_every_dialect_that_an_answer_is_an_earlier_one() {
    let setup = setup(&Backend::Memory, "").await;
    let note = "This is the answer to an earlier, identical call; it was not done again.";
    let function = json!({"name": "book", "arguments": "{\"slot\":9}"});
    let turns = [
        (
            "/v1/openai/chat/tool-calls?conversation_id=a",
            json!({"tool_calls": [{"id": "1", "type": "function", "function": function}]}),
        ),
        (
            "/v1/openai/responses/tool-calls?conversation_id=b",
            json!([{"type": "function_call", "call_id": "1", "name": "book", "arguments": "{\"slot\":9}", "status": "completed"}]),
        ),
        (
            "/v1/openai/realtime/tool-calls?conversation_id=d",
            json!({"type": "response.done", "response": {"output": [{"type": "function_call", "call_id": "1", "name": "book", "arguments": "{\"slot\":9}", "status": "completed"}]}}),
        ),
        (
            "/v1/anthropic/tool-calls?conversation_id=e",
            json!([{"type": "tool_use", "id": "1", "name": "book", "input": {"slot": 9}}]),
        ),
        (
            "/v1/gemini/tool-calls?conversation_id=f",
            json!([{"functionCall": {"id": "1", "name": "book", "args": {"slot": 9}}}]),
        ),
        (
            "/webhooks/vapi/development",
            json!({"message": {"type": "tool-calls", "call": {"id": "g"}, "toolCallList": [{"id": "1", "name": "book", "arguments": {"slot": 9}}]}}),
        ),
        (
            "/webhooks/retell/development",
            json!({"name": "book", "args": {"slot": 9}, "call": {"call_id": "h"}}),
        ),
        ("/webhooks/elevenlabs/development/book", json!({"slot": 9})),
    ];
    for (path, turn) in turns {
        let send = || async {
            let mut request = setup.gateway.request("POST", path);
            if path.contains("elevenlabs") {
                request = request.header("callgate-conversation-id", "i");
            }
            let answer = request.body(turn.to_string()).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path}");
            answer.text().await.unwrap()
        };
        let first = send().await;
        assert!(!first.contains(note), "{path}: {first}");
        let again = send().await;
        assert!(again.contains(note), "{path}: {again}");
    }
}

#[tokio::test]
async fn a_caller_that_carries_its_conversation_books_again_what_it_cancelled() {
    let sealing = "environments = [\"development\"]\n[sealing]\nkeys = [\"STATE_KEY\"]\n";
    let upstream = Upstream::start(numbered()).await;
    let secrets =
        "[development]\nSTATE_KEY = \"6b1f0c5ddc8a5e7e2f3d9c4b1a0f8e7d6c5b4a39281706f5e4d3c2b1a0998877\"\n";
    let more = [("actions/cancel.yaml", CANCEL), ("callgate.toml", sealing), ("secrets.toml", secrets)];
    let files = files(upstream.port, &[ACTIONS, &more].concat());
    for ids in [["book:0", "cancel:0"], ["x", "x"]] {
        let setup = Setup::of(&Backend::Memory, &files, Upstream::start(numbered()).await).await;
        let before = upstream.requests().len();
        let conversation = format!("c-{}", ids[0]);
        let mut state = String::new();
        let mut replayed = Vec::new();
        for (name, id) in [("book", ids[0]), ("cancel", ids[1]), ("book", ids[0])] {
            let mut call = call(name, Some(&conversation), Some(id), json!({"slot": 9}));
            call["state"] = json!(state);
            let result = setup.gateway.call_with(call.clone()).await;
            assert_eq!(result["status"], "success", "{result}");
            // The same request gives the same answer.
            let again = setup.gateway.call_with(call).await;
            assert_eq!((&again["replayed"], &again["body"]), (&json!(true), &result["body"]), "{again}");
            replayed.push(result["replayed"] == true);
            state = result["state"].as_str().unwrap().to_owned();
        }
        assert_eq!(replayed, [false; 3], "{ids:?}");
        assert_eq!(upstream.requests().len() - before, 3, "{ids:?}");
    }
}

/// Redis is killed; what a first delivery and a repeat are told of a write that was done before.
#[tokio::test]
async fn while_the_store_is_away_a_repeat_is_not_told_that_nothing_happened() {
    let Some(Backend::Redis(mut redis)) = Backend::redis() else { return };
    let upstream = Upstream::start(numbered()).await;
    let files = files(upstream.port, ACTIONS);
    let store = std::sync::Arc::new(redis.store_for("once", std::time::Duration::from_secs(1)));
    let gateway = crate::harness::Gateway::start_on(&files, store).await;
    assert_eq!(gateway.call_with(book("call_1", 9)).await["status"], "success");
    redis.kill();
    let again = gateway.call_with(book("call_1", 9)).await;
    let (says, message) = told(&again);
    assert_eq!(says, ("failure", "store_unavailable", "unknown", "no"), "{again}");
    assert!(message.contains("not certain") && message.len() <= 200, "{message}");
    // A read changes nothing, and a caller that sends no id has sent none before.
    let read = gateway.call_with(call("look", Some("c"), Some("call_2"), json!({}))).await;
    assert_eq!(told(&read).0, ("exception", "store_unavailable", "none", "later"), "{read}");
    let without = gateway.call_with(call("book", Some("c"), None, json!({"slot": 1}))).await;
    assert_eq!(told(&without).0, ("exception", "store_unavailable", "none", "later"), "{without}");
    // With less time than the store takes to be given up.
    let hurried = hurried_write(&gateway).await;
    assert_eq!(
        (&hurried["error"]["effect"], &hurried["error"]["retry"]),
        (&json!("unknown"), &json!("no")),
        "{hurried}"
    );
    assert_eq!(upstream.requests().len(), 1);
}

async fn hurried_write(gateway: &crate::harness::Gateway) -> Value {
    let mut write = book("call_1", 9);
    write["deadline_ms"] = json!(1);
    gateway.call_with(write).await
}

on_every_store! {
async fn a_repeat_that_cannot_wait_is_told_that_it_is_not_certain(on) {
    let (setup, gate) = Setup::held(on).await;
    let first = spawn(&setup.gateway, book("call_1", 9));
    setup.upstream.received(1).await;
    let again = hurried(&setup.gateway, book("call_2", 9)).await;
    assert_eq!(told(&again).0, ("failure", "in_progress", "unknown", "no"), "{again}");
    gate.add_permits(1);
    assert_eq!(first.await.unwrap()["status"], "success");
    assert_eq!(setup.sent(), 1);
}
}
