//! Rounds of one turn, and of a turn that is asked for again.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::{Notify, Semaphore};

use super::model::asked::Role;
use super::model::{Reply, ScriptedModel, Step};
use super::shop::{Shop, add_keys, asks, project, says};
use crate::harness::Gateway;
use crate::upstream::{self, Captured, Upstream};

const SORRY: &str = "I am sorry, I cannot answer right now. Please try again in a moment. ";

/// Books what it is told to; an order is open until something was booked.
async fn desk() -> Upstream {
    let booked = std::sync::atomic::AtomicBool::new(false);
    Upstream::start(move |request: &Captured| {
        use std::sync::atomic::Ordering::SeqCst;
        if request.line().starts_with("POST") {
            booked.store(true, SeqCst);
            return upstream::Reply::ok(r#"{"booked":3}"#);
        }
        let status = if booked.load(SeqCst) { "closed" } else { "open" };
        upstream::Reply::ok(&json!({"status": status}).to_string())
    })
    .await
}

fn look() -> Reply {
    Reply::calls([("look", json!({"number": "7"}))])
}

fn book() -> Reply {
    Reply::calls([("book", json!({"slot": 3}))])
}

#[tokio::test]
async fn a_read_after_a_write_of_the_same_turn_asks_again() {
    let replies = [look(), book(), look(), Reply::says("It is closed.")];
    let shop = Shop::open(desk().await, ScriptedModel::answering(replies).await).await;
    shop.stream(&says("Book it, and check")).await;
    let asked = &shop.model.requests()[3];
    let seen: Vec<&str> = asked.results().iter().map(|result| result.content.as_str()).collect();
    assert_eq!(seen, [r#"{"status":"closed"}"#], "the results of the last round");
    assert_eq!(shop.upstream.requests().len(), 3);
    // A write that a later round of the turn repeats is the same write.
    let replies = [book(), book(), Reply::says("Booked.")];
    let shop = Shop::open(desk().await, ScriptedModel::answering(replies).await).await;
    shop.stream(&says("Book it")).await;
    assert_eq!(shop.upstream.requests().len(), 1);
}

#[tokio::test]
async fn a_model_that_is_silent_after_a_tool_is_asked_once_more_for_words() {
    let replies = [look().with_preamble("Let me check."), Reply::of([]), Reply::says("It is open.")];
    let shop = Shop::open(desk().await, ScriptedModel::answering(replies).await).await;
    let answer = shop.stream(&says("Is it open?")).await;
    assert_eq!((answer.text.as_str(), answer.finish.as_str()), ("Let me check. It is open.", "stop"));
    // Silent once more: the caller hears why nothing follows.
    let replies = [look().with_preamble("Let me check."), Reply::of([]), Reply::of([])];
    let shop = Shop::open(desk().await, ScriptedModel::answering(replies).await).await;
    let answer = shop.stream(&says("Is it open?")).await;
    assert_eq!(answer.text, format!("Let me check. {SORRY}"));
    assert_eq!(shop.model.requests().len(), 3);
}

#[tokio::test]
async fn nobody_is_told_to_repeat_a_write_that_may_have_been_made() {
    for (status, told) in [
        (500, "I am sorry, I cannot tell for certain whether that worked. "),
        (422, "I am sorry, that did not work. Please try again in a moment. "),
        (
            200,
            "I am sorry, something went wrong before I could answer. What you asked for may be done already. ",
        ),
    ] {
        let upstream = Upstream::start(move |_| upstream::Reply::Json(status, "{}".to_owned())).await;
        let replies = [book(), Reply::of([]), Reply::of([])];
        let shop = Shop::open(upstream, ScriptedModel::answering(replies).await).await;
        assert_eq!(shop.stream(&says("Book it")).await.text, told, "{status}");
    }
}

/// The ids of a model are unique within one answer: small servers number them anew, and Gemini gives none.
#[tokio::test]
async fn results_go_to_their_calls_although_the_ids_of_two_rounds_are_equal() {
    for provider in ["openai", "gemini"] {
        let numbered = |name: &str, arguments: &str| Step::Call {
            id: (provider != "gemini").then(|| "call_1".to_owned()),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        };
        let replies = [
            Reply::of([numbered("look", r#"{"number":"7"}"#)]),
            Reply::of([numbered("book", r#"{"slot":3}"#)]),
            Reply::says("I will book slot 3 now."),
            Reply::says("It is booked."),
        ];
        let model = ScriptedModel::answering(replies).await;
        let shop = Shop::with(desk().await, model, provider, "writes: next_turn\n").await;
        shop.stream(&says("Book it")).await;
        assert_eq!(shop.upstream.requests().len(), 1, "{provider}");
        let next = asks(&json!([
            {"role": "user", "content": "Book it"},
            {"role": "assistant", "content": "I will book slot 3 now."},
            {"role": "user", "content": "Thanks"},
        ]));
        shop.stream(&next).await;
        assert_eq!(shop.upstream.requests().len(), 2, "{provider}");
        let lines = shop.model.requests()[3].lines();
        let expected = [
            (r#"assistant: look({"number":"7"})"#, ""),
            ("tool: look -> ", r#"{"status":"open"}"#),
            (r#"assistant: book({"slot":3})"#, ""),
            ("tool: book -> ", r#"{"booked":3}"#),
        ];
        for (line, (begin, part)) in lines[1..5].iter().zip(expected) {
            assert!(line.starts_with(begin) && line.contains(part), "{provider}: {lines:#?}");
        }
    }
}

#[tokio::test]
async fn a_turn_that_is_tried_again_keeps_what_its_first_try_has_done() {
    // The second try answers in other words, and makes no call.
    let model = ScriptedModel::start(|asked| match asked.messages.last().unwrap().role {
        _ if asked.nth == 0 => book(),
        Role::Tool if asked.nth == 1 => Reply::says("Booked for you."),
        Role::Tool => Reply::says("All right, your table is reserved."),
        _ => Reply::says("Table 3."),
    })
    .await;
    let shop = Shop::open(desk().await, model).await;
    for expected in ["Booked for you.", "All right, your table is reserved."] {
        assert_eq!(shop.stream(&says("Book it")).await.text, expected);
    }
    let next = asks(&json!([
        {"role": "user", "content": "Book it"},
        {"role": "assistant", "content": "All right, your table is reserved."},
        {"role": "user", "content": "Which table?"},
    ]));
    shop.stream(&next).await;
    let lines = shop.model.requests().last().unwrap().lines();
    let round = [r#"assistant: book({"slot":3})"#, r#"tool: book -> {"booked":3}"#];
    assert_eq!(lines[1..3], round, "{lines:#?}");
}

#[tokio::test]
async fn a_turn_that_is_tried_again_waits_for_the_write_that_was_sent() {
    let gate = Arc::new(Semaphore::new(0));
    let at = gate.clone();
    let upstream = Upstream::start(move |_| {
        upstream::Reply::Held(at.clone(), Box::new(upstream::Reply::ok(r#"{"booked":3}"#)))
    })
    .await;
    let model = ScriptedModel::answering([book(), Reply::says("Slot 3 is booked.")]).await;
    let shop = Shop::open(upstream, model).await;
    let stream = shop.begin(&says("Book it")).await;
    shop.upstream.received(1).await;
    drop(stream);
    shop.gateway.hung_up(1).await;
    let mut again = shop.begin(&says("Book it")).await;
    gate.add_permits(10);
    assert_eq!(again.rest().await.text, "Slot 3 is booked.");
    let asked = &shop.model.requests()[1];
    assert_eq!(asked.results()[0].content, r#"{"booked":3}"#, "it is told as the one time that it was made");
    assert_eq!(shop.upstream.requests().len(), 1);
}

#[tokio::test]
async fn a_proposal_of_a_turn_that_was_broken_off_is_not_made() {
    let goes_on = Arc::new(Notify::new());
    let model = ScriptedModel::answering([
        book(),
        Reply::says("I will book slot 3 now.").held(goes_on),
        Reply::says("I have not booked it."),
    ])
    .await;
    let shop = Shop::with(desk().await, model, "openai", "writes: next_turn\n").await;
    let turn = shop.begin_turn("call-9", "Book it").await;
    shop.model.until_requests(2).await;
    drop(turn);
    shop.gateway.at_rest().await;
    shop.turn("call-9", "No, do not").await;
    assert!(shop.upstream.requests().is_empty());
    assert_eq!(shop.model.requests()[2].lines()[..2], ["user: Book it", "user: No, do not"]);
}

#[tokio::test]
async fn a_proposal_is_not_made_where_its_action_is_not_available_any_more() {
    let replies = [
        Reply::calls([("refund", json!({}))]),
        Reply::says("I will refund you now."),
        Reply::says("That is not possible any more."),
    ];
    let shop =
        Shop::with(desk().await, ScriptedModel::answering(replies).await, "openai", "writes: next_turn\n")
            .await;
    let set = async |state: &str| {
        let body = json!({"environment": "development", "current_state": state}).to_string();
        let path = "/v1/conversations/call-1";
        let request = shop.gateway.request("PATCH", path).header("content-type", "application/json");
        let answer = request.body(body).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{:?}", answer.text().await);
    };
    let begun = json!({"environment": "development", "id": "call-1", "current_state": "paid"});
    let (status, answer) = shop.gateway.post("/v1/conversations", begun.to_string()).await;
    assert!([200, 201].contains(&status), "{answer}");
    shop.stream(&says("I want my money back")).await;
    set("closed").await;
    let next = asks(&json!([
        {"role": "user", "content": "I want my money back"},
        {"role": "assistant", "content": "I will refund you now."},
        {"role": "user", "content": "Thanks"},
    ]));
    shop.stream(&next).await;
    assert!(shop.upstream.requests().is_empty());
    let lines = shop.model.requests()[2].lines();
    assert!(lines[2].contains("not available now"), "{lines:#?}");
}

#[tokio::test]
async fn a_key_sees_nothing_of_what_another_key_has_asked_for() {
    let replies = [book(), Reply::says("Booked."), book(), Reply::says("Booked.")];
    let (upstream, model) = (desk().await, ScriptedModel::answering(replies).await);
    let mut files = project(&upstream, &model.base_url, "openai", "");
    let keys = add_keys(&mut files, ["one", "two"]);
    let gateway = Gateway::start(&files).await;
    let body = json!({"model": "shop", "messages": [{"role": "user", "content": "Book it"}]}).to_string();
    for key in &keys {
        let request = gateway.request("POST", "/v1/chat/completions").bearer_auth(&key.key);
        let request = request.header("idempotency-key", "k-1");
        assert_eq!(request.body(body.clone()).send().await.unwrap().status(), 200);
    }
    assert_eq!(upstream.requests().len(), 2, "the same header of two keys means two requests");
}

#[tokio::test]
async fn a_handover_runs_also_where_the_caller_has_a_tool_of_its_name() {
    let model = ScriptedModel::answering([Reply::calls([("to_sales", json!({}))])]).await;
    let shop = Shop::open(desk().await, model).await;
    let mut body = says("Sales, please");
    body["tools"] =
        json!([{"type": "function", "function": {"name": "to_sales", "parameters": {"type": "object"}}}]);
    let answer = shop.stream(&body).await;
    let message = "I will put you through to sales.";
    assert_eq!((answer.text.trim(), answer.finish.as_str()), (message, "tool_calls"));
    let [(_, name, arguments)] = answer.calls.as_slice() else { panic!("{:?}", answer.calls) };
    let expected = json!({"phone_number": "+15551234567", "message": message});
    assert_eq!((name.as_str(), arguments), ("to_sales", &expected));
    let offered = shop.model.request().tools.iter().filter(|name| *name == "to_sales").count();
    assert_eq!(offered, 1);
}

#[tokio::test]
async fn a_conversation_has_the_name_that_its_caller_gives_it() {
    let replies = [book(), Reply::says("Booked."), book(), Reply::says("Booked.")];
    for (member, id) in [("user_id", json!(4711)), ("metadata", json!({"session_id": 5}))] {
        let shop = Shop::open(desk().await, ScriptedModel::answering(replies.clone()).await).await;
        let mut body = json!({"model": "shop", "messages": [{"role": "user", "content": "Book it"}]});
        body[member] = id;
        for _ in 0..2 {
            shop.stream(&body).await;
        }
        assert_eq!(shop.upstream.requests().len(), 1, "{member}");
    }
    let shop = Shop::open(desk().await, ScriptedModel::answering(replies).await).await;
    let body = json!({"model": "shop", "messages": [{"role": "user", "content": "Book it"}]}).to_string();
    let mut statuses = Vec::new();
    for id in ["anrufer-ü".as_bytes(), "anrufer-ü".as_bytes(), b"anrufer-\xfc"] {
        let request = shop.gateway.request("POST", "/v1/chat/completions");
        let id = reqwest::header::HeaderValue::from_bytes(id).unwrap();
        let request = request.header("callgate-conversation-id", id).body(body.clone());
        statuses.push(request.send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 400]);
    assert_eq!(shop.upstream.requests().len(), 1);
}
