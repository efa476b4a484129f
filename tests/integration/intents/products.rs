//! Products: how each of them repeats, interrupts and starts over.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::ids::random_looking;
use super::{Call, Setup, body, call, calls_in, is_replay, results, says_replay};
#[cfg(feature = "mcp")]
use crate::backend::Backend;
use crate::backend::on_every_store;
use crate::bad_input::told;
use crate::shaky::rises;

const VAPI: &str = "/webhooks/vapi/development";
const RETELL: &str = "/webhooks/retell/development";

fn id(number: u64) -> String {
    format!("call_{}", random_looking(number, 24))
}

/// What Vapi posts.
fn vapi(calls: &[Call]) -> Value {
    let list: Vec<Value> = calls
        .iter()
        .map(|call| json!({"id": call.id, "name": call.action, "arguments": {"slot": call.slot}}))
        .collect();
    json!({"message": {"type": "tool-calls", "call": {"id": "c"}, "toolCallList": list}})
}

/// What Retell posts; `transcript` is what it knows of calls.
fn retell(action: &str, slot: u64, transcript: Value) -> Value {
    json!({"name": action, "args": {"slot": slot},
        "call": {"call_id": "c", "call_status": "ongoing", "transcript_with_tool_calls": transcript}})
}

fn invocation(id: &str, action: &str, slot: u64) -> Value {
    json!({"role": "tool_call_invocation", "tool_call_id": id, "name": action, "arguments": json!({"slot": slot}).to_string()})
}

fn result(id: &str) -> Value {
    json!({"role": "tool_call_result", "tool_call_id": id, "content": "{}"})
}

/// A path, and what is posted there.
type Route = (&'static str, fn(&Call) -> Value);

/// Every route that takes calls of a product or provider, with what a call of each looks like. The ids of MCP are
/// those of its requests.
fn routes() -> Vec<Route> {
    let elevenlabs = |call: &Call| json!({"tool_call_id": call.id, "tool_name": call.action, "parameters": {"slot": call.slot}, "conversation_id": "c"});
    let retell_by_id = |call: &Call| {
        let id = call.id.as_deref().unwrap_or_default();
        retell(&call.action, call.slot, json!([invocation(id, &call.action, call.slot)]))
    };
    vec![
        (VAPI, |call| vapi(std::slice::from_ref(call))),
        (RETELL, retell_by_id),
        ("/webhooks/elevenlabs/development", elevenlabs),
        ("/v1/openai/chat/tool-calls", |call| by_provider("/v1/openai/chat/tool-calls", call)),
        ("/v1/openai/responses/tool-calls", |call| by_provider("/v1/openai/responses/tool-calls", call)),
        ("/v1/openai/realtime/tool-calls", |call| by_provider("/v1/openai/realtime/tool-calls", call)),
        ("/v1/anthropic/tool-calls", |call| by_provider("/v1/anthropic/tool-calls", call)),
        ("/v1/gemini/tool-calls", |call| by_provider("/v1/gemini/tool-calls", call)),
    ]
}

fn by_provider(route: &str, call: &Call) -> Value {
    let id = call.id.as_deref().unwrap_or_default();
    crate::dialect::turn(route, &[(id, &call.action, json!({"slot": call.slot}))])
}

/// The path of a route for a call: that of ElevenLabs names the action.
fn path(route: &str, call: &Call) -> String {
    if route.contains("elevenlabs") { format!("{route}/{}", call.action) } else { route.to_owned() }
}

on_every_store! {
async fn every_route_books_again_what_was_cancelled_and_says_what_is_a_replay(on) {
    for (route, form) in routes() {
        let setup = Setup::new(on).await;
        let send = async |id: &str, action: &str| {
            let call = call(id, action, 9);
            setup.post(&path(route, &call), "c", &form(&call)).await
        };
        for (id, action, is_done) in [
            ("functions.book:0", "book", true),
            ("functions.book:0", "book", false),
            ("functions.cancel:0", "cancel", true),
            ("functions.book:0", "book", true),
            ("functions.book:0", "book", false),
        ] {
            let before = setup.desk.entries().len();
            let text = send(id, action).await;
            assert_eq!(setup.desk.entries().len() - before, usize::from(is_done), "{route} {action}: {text}");
            assert_eq!(says_replay(&text), !is_done, "{route} {action}: {text}");
        }
    }
}
}

on_every_store! {
async fn every_route_answers_a_repeat_of_what_it_was_hung_up_on_without_doing_it_again(on) {
    for (route, form) in routes() {
        for ids in [[id(1), id(1)], [id(1), id(2)], ["book".to_owned(), "book".to_owned()]] {
            let setup = Setup::new(on).await;
            let [first, again] = ids.map(|id| call(&id, "book", 9));
            setup.hang_up(&path(route, &first), "c", &form(&first)).await;
            let text = setup.post(&path(route, &again), "c", &form(&again)).await;
            assert!(says_replay(&text) && text.contains('1'), "{route}: {text}");
            assert_eq!(setup.desk.count("book"), 1, "{route}: {text}");
        }
    }
}
}

on_every_store! {
async fn vapi_tries_ten_times_and_books_once(on) {
    let setup = Setup::new(on).await;
    let message = vapi(&[call("toolu_01DTPAzUm5Gk3zxrpJ969oMF", "book", 9)]);
    setup.desk.hold("c");
    setup.hang_up_and_leave_running(VAPI, "c", &message).await;
    // As `backoffPlan` has it: the same message again, of which it hears nothing either.
    for _ in 0..9 {
        let joined = setup.store().joined.load(Ordering::SeqCst);
        let request = setup.client.post(format!("{}{VAPI}", setup.gateway().url)).body(message.to_string()).send();
        tokio::select! {
            answer = request => panic!("it is answered: {answer:?}"),
            () = rises(&setup.store().joined, joined) => {}
        }
    }
    setup.desk.release("c");
    let text = setup.post(VAPI, "c", &message).await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert!(answer["results"][0]["result"].is_string() && says_replay(&text), "{text}");
    assert_eq!(setup.desk.count("book"), 1);
}
}

on_every_store! {
async fn vapi_repeats_a_message_of_two_calls_of_which_one_may_have_ended(on) {
    let setup = Setup::new(on).await;
    let message = vapi(&[call("toolu_01AAAAAAAAAAAAAAAAAAAAAA", "tell", 8), call("toolu_01BBBBBBBBBBBBBBBBBBBBBB", "book", 9)]);
    setup.desk.hold("c");
    setup.hang_up_and_leave_running(VAPI, "c", &message).await;
    setup.desk.release("c");
    let text = setup.post(VAPI, "c", &message).await;
    assert_eq!((setup.desk.count("tell"), setup.desk.count("book")), (1, 1), "{text}");
}
}

on_every_store! {
async fn retell_tries_two_times_more_and_books_once(on) {
    for transcript in [json!([]), json!([invocation("tool_call_1", "book", 9)]), json!([invocation("1", "book", 9)])] {
        let setup = Setup::new(on).await;
        let request = retell("book", 9, transcript.clone());
        setup.desk.hold("c");
        for _ in 0..2 {
            let before = setup.desk.arrived("c");
            if before == 0 {
                setup.hang_up_and_leave_running(RETELL, "c", &request).await;
            } else {
                let joined = setup.store().joined.load(Ordering::SeqCst);
                        let again = setup.client.post(format!("{}{RETELL}", setup.gateway().url)).body(request.to_string()).send();
                tokio::select! {
                    answer = again => panic!("it is answered: {answer:?}"),
                    () = rises(&setup.store().joined, joined) => {}
                }
            }
        }
        setup.desk.release("c");
        let text = setup.post(RETELL, "c", &request).await;
        assert_eq!(setup.desk.count("book"), 1, "{transcript}: {text}");
    }
}
}

on_every_store! {
async fn retell_books_again_what_its_model_wants_again(on) {
    let setup = Setup::new(on).await;
    let mut transcript = Vec::new();
    for (id, action) in [("tool_call_1", "book"), ("tool_call_2", "cancel"), ("tool_call_3", "book")] {
        transcript.push(invocation(id, action, 9));
        let request = retell(action, 9, json!(transcript));
        let text = setup.post(RETELL, "c", &request).await;
        assert!(!says_replay(&text), "{text}");
        // Its product tries again, which changes nothing.
        assert!(says_replay(&setup.post(RETELL, "c", &request).await));
        transcript.push(result(id));
    }
    assert_eq!((setup.desk.count("book"), setup.desk.count("cancel")), (2, 1));
}
}

on_every_store! {
async fn retell_and_elevenlabs_without_ids_book_cancel_and_book(on) {
    for route in [RETELL, "/webhooks/elevenlabs/development"] {
        let setup = Setup::new(on).await;
        for (action, is_done) in [("book", true), ("book", false), ("cancel", true), ("book", true)] {
            let one = Call { id: None, ..call("", action, 9) };
            let form = if route == RETELL { retell(action, 9, json!([])) } else { json!({"slot": 9}) };
            let text = setup.post(&path(route, &one), "c", &form).await;
            assert_eq!(says_replay(&text), !is_done, "{route} {action}: {text}");
        }
        assert_eq!((setup.desk.count("book"), setup.desk.count("cancel")), (2, 1), "{route}");
    }
}
}

on_every_store! {
async fn elevenlabs_hears_of_a_booking_that_its_time_was_too_short_for(on) {
    let setup = Setup::new(on).await;
    let path = "/webhooks/elevenlabs/development/book";
    setup.hang_up(path, "c", &json!({"slot": 9})).await;
    let text = setup.post(path, "c", &json!({"slot": 9})).await;
    assert!(says_replay(&text), "{text}");
    assert_eq!(setup.desk.count("book"), 1);
}
}

on_every_store! {
async fn livekit_interrupts_and_its_model_starts_over_under_a_new_id(on) {
    let setup = Setup::new(on).await;
    // Its task is cancelled while the booking is under way, twice; then the model hears of it.
    setup.desk.hold("c");
    setup.hang_up_and_leave_running("/v1/tool-calls", "c", &body("c", &[call(&id(1), "book", 9)])).await;
    let joined = setup.store().joined.load(Ordering::SeqCst);
    let (second, release) = (setup.one("c", call(&id(2), "book", 9)), async {
        rises(&setup.store().joined, joined).await;
        setup.desk.release("c");
    });
    let (second, ()) = tokio::join!(second, release);
    assert!(is_replay(&second) && second["status"] == "success", "{second}");
    // It was told, so that the next one is another one.
    let third = setup.one("c", call(&id(3), "book", 9)).await;
    assert!(!is_replay(&third), "{third}");
    assert_eq!(setup.desk.count("book"), 2);
}
}

on_every_store! {
async fn pipecat_cancels_on_interruption_and_books_once_whenever_it_does(on) {
    for is_sent in [false, true] {
        let setup = Setup::new(on).await;
        let first = body("c", &[call(&id(1), "book", 9)]);
        if is_sent {
            setup.hang_up("/v1/tool-calls", "c", &first).await;
        } else {
            hang_up_unsent(&setup, &first).await;
        }
        for number in [1, 2] {
            let told = setup.one("c", call(&id(number), "book", 9)).await;
            assert_eq!(told["status"], "success", "sent: {is_sent}: {told}");
            // Under its own id it is told at any time; under another one where nobody was told yet.
            if number == 1 {
                assert_eq!(is_replay(&told), is_sent, "{told}");
            }
        }
        assert_eq!(setup.desk.count("book"), 2, "the second id came after an answer");
    }
}
}

/// Hangs up on a call that has been claimed and not been sent.
async fn hang_up_unsent(setup: &Setup, body: &Value) {
    hang_up_unsent_while(setup, body, async {}).await;
}

/// The same, once `meanwhile` has come to its end while the call waits to be sent. What others send goes on.
pub(super) async fn hang_up_unsent_while<T>(
    setup: &Setup,
    body: &Value,
    meanwhile: impl Future<Output = T>,
) -> T {
    let store = setup.store();
    let (sending, hang_ups) = (store.sending.load(Ordering::SeqCst), setup.gateway().hang_ups());
    store.let_send(false);
    let request =
        setup.client.post(format!("{}/v1/tool-calls", setup.gateway().url)).body(body.to_string()).send();
    let mut request = Box::pin(request);
    tokio::select! {
        answer = &mut request => panic!("it is answered: {answer:?}"),
        () = rises(&store.sending, sending) => {}
    }
    store.let_others_send();
    let came = meanwhile.await;
    drop(request);
    setup.gateway().hung_up(hang_ups + calls_in(body)).await;
    store.let_send(true);
    setup.gateway().at_rest().await;
    came
}

on_every_store! {
async fn a_hang_up_before_anything_was_sent_leaves_every_id_free(on) {
    for id in [Some(id(1)), Some("functions.book:0".to_owned()), None] {
        let setup = Setup::new(on).await;
        let one = Call { id: id.clone(), ..call("", "book", 9) };
        hang_up_unsent(&setup, &body("c", std::slice::from_ref(&one))).await;
        let before = setup.desk.count("book");
        let told = setup.one("c", one).await;
        assert_eq!((&told["status"], before), (&json!("success"), 0), "{id:?}: {told}");
        assert_eq!(setup.desk.count("book"), 1, "{id:?}");
    }
}
}

on_every_store! {
async fn a_realtime_client_that_executes_both_events_books_once(on) {
    let setup = Setup::new(on).await;
    let route = "/v1/openai/realtime/tool-calls";
    let item = |call: &Call| {
        let arguments = json!({"slot": call.slot}).to_string();
        json!({"type": "function_call", "id": format!("item_{}", call.slot), "call_id": call.id, "name": call.action,
            "arguments": arguments, "status": "completed"})
    };
    let calls = [call(&id(1), "book", 9), call(&id(2), "look", 9), call(&id(3), "book", 10)];
    // `arguments.done` of each, one after the other, by a handler of the client's own; then `output_item.done`.
    for call in &calls {
        let told = setup.one("c", call.clone()).await;
        assert!(!is_replay(&told), "{told}");
    }
    for call in &calls {
        let event = json!({"type": "response.output_item.done", "item": item(call)});
        let text = setup.post(route, "c", &event).await;
        assert!(says_replay(&text), "{text}");
    }
    // And `response.done`, with other calls in between.
    setup.one("c", call(&id(4), "cancel", 10)).await;
    let output: Vec<Value> = calls.iter().map(item).collect();
    let done = json!({"type": "response.done", "response": {"id": "resp_1", "status": "completed", "output": output}});
    let text = setup.post(route, "c", &done).await;
    assert!(says_replay(&text), "{text}");
    assert_eq!((setup.desk.count("book"), setup.desk.count("look"), setup.desk.count("cancel")), (2, 1, 1));
}
}

on_every_store! {
async fn a_call_again_under_a_new_id_while_the_first_takes_long_joins_it(on) {
    // As ADK does after ten seconds, without hanging up.
    for ids in [[id(1), id(2), id(3)], ["book:0", "book:1", "book:2"].map(str::to_owned)] {
        let setup = Setup::new(on).await;
        setup.desk.hold("c");
        let one = |number: usize| setup.one("c", call(&ids[number], "book", 9));
        let later = async {
            setup.desk.arrives("c", 0).await;
            let release = async {
                rises(&setup.store().joined, 1).await;
                setup.desk.release("c");
            };
            tokio::join!(one(1), one(2), release)
        };
        let (first, (second, third, ())) = tokio::join!(one(0), later);
        assert!(!is_replay(&first), "{first}");
        for told in [second, third] {
            assert!(is_replay(&told), "{told}");
            assert_eq!(told["body"], first["body"]);
        }
        assert_eq!(setup.desk.count("book"), 1);
    }
}
}

on_every_store! {
async fn who_joined_and_had_no_time_is_told_that_it_is_unknown(on) {
    let setup = Setup::new(on).await;
    setup.desk.hold("c");
    let hurried = async {
        setup.desk.arrives("c", 0).await;
        let mut told = Value::Null;
        for deadline_ms in [200, 2_000, 10_000] {
            let mut again = body("c", &[call(&id(2), "book", 9)]);
            again["deadline_ms"] = json!(deadline_ms);
            told = results(&setup.post("/v1/tool-calls", "", &again).await).remove(0);
            if told["error"]["code"] == "in_progress" {
                break;
            }
            // Its time was over before the store had answered, which could not say whether it had been sent.
            assert_eq!(told["error"]["effect"], "unknown", "{told}");
        }
        setup.desk.release("c");
        told
    };
    let (first, told_second) = tokio::join!(setup.one("c", call(&id(1), "book", 9)), hurried);
    assert_eq!(first["status"], "success");
    assert_eq!(told(&told_second).0, ("failure", "in_progress", "unknown", "no"));
    assert_eq!(setup.desk.count("book"), 1);
}
}

#[cfg(feature = "mcp")]
#[tokio::test]
async fn an_mcp_client_books_again_under_the_next_id_and_repeats_under_the_same() {
    let setup = Setup::new(&Backend::Memory).await;
    let session = begin_session(&setup).await;
    let book = |number: u64, action: &str| {
        let params = json!({"name": action, "arguments": {"slot": 9}});
        mcp(
            &setup,
            &session,
            json!({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}),
        )
    };
    for (number, action, is_done) in
        [(1, "book", true), (2, "cancel", true), (3, "book", true), (1, "book", false), (3, "book", false)]
    {
        let before = setup.desk.entries().len();
        let text = book(number, action).await;
        assert_eq!(setup.desk.entries().len() - before, usize::from(is_done), "{number}: {text}");
        assert_eq!(says_replay(&text), !is_done, "{number}: {text}");
    }
}

#[cfg(feature = "mcp")]
#[tokio::test]
async fn an_mcp_client_that_gives_up_after_five_seconds_and_starts_over_books_once() {
    let setup = Setup::new(&Backend::Memory).await;
    let session = begin_session(&setup).await;
    setup.desk.hold(&session);
    let book = |number: u64| {
        let params = json!({"name": "book", "arguments": {"slot": 9}});
        json!({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})
    };
    let later = async {
        setup.desk.arrives(&session, 0).await;
        let cancel =
            json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
        let url = format!("{}/mcp/development", setup.gateway().url);
        let request = setup.client.post(url).header("mcp-session-id", &session);
        let request = request.header("accept", "application/json, text/event-stream");
        let sent = request.header("content-type", "application/json").body(cancel.to_string()).send().await;
        assert!(sent.unwrap().status().is_success());
        let release = async {
            rises(&setup.store().joined, 0).await;
            setup.desk.release(&session);
        };
        tokio::join!(mcp(&setup, &session, book(2)), release).0
    };
    // What is cancelled may not be answered at all.
    let first = async {
        mcp(&setup, &session, book(1)).await;
        std::future::pending::<()>().await;
    };
    let second = tokio::select! {
        () = first => unreachable!(),
        second = later => second,
    };
    assert!(says_replay(&second), "{second}");
    assert_eq!(setup.desk.count("book"), 1);
}

#[cfg(feature = "mcp")]
async fn begin_session(setup: &Setup) -> String {
    let params = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let begin = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
    let request = setup.client.post(format!("{}/mcp/development", setup.gateway().url));
    let request = request.header("accept", "application/json, text/event-stream");
    let answer =
        request.header("content-type", "application/json").body(begin.to_string()).send().await.unwrap();
    let session = answer.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let begun = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    mcp(setup, &session, begun).await;
    session
}

/// Posts a message; the text of the answer.
#[cfg(feature = "mcp")]
async fn mcp(setup: &Setup, session: &str, message: Value) -> String {
    let request = setup.client.post(format!("{}/mcp/development", setup.gateway().url));
    let request =
        request.header("mcp-session-id", session).header("accept", "application/json, text/event-stream");
    let request = request.header("content-type", "application/json").body(message.to_string());
    request.send().await.unwrap().text().await.unwrap()
}
