//! Writes of a turn that is asked for again, broken off, or thrown away.

use std::sync::Arc;
use std::time::Duration;

use callgate::conversation::{ConversationKey, MemoryStore, Turns as _};
use serde_json::json;
use tokio::sync::Semaphore;

use super::model::asked::Role;
use super::model::{Reply, ScriptedModel};
use super::shop::{Shop, asks, says};
use crate::upstream::{self, Upstream};
use crate::wait::until;

/// Books slot 3 whenever it is asked, and says so.
async fn booking() -> ScriptedModel {
    ScriptedModel::start(|asked| match asked.messages.last().unwrap().role {
        Role::Tool => Reply::says("Slot 3 is booked."),
        _ if asked.user().contains("book") => Reply::calls([("book", json!({"slot": 3}))]),
        _ => Reply::says("All right."),
    })
    .await
}

async fn desk() -> Upstream {
    Upstream::start(|_| upstream::Reply::ok(r#"{"booked":3}"#)).await
}

#[tokio::test]
async fn a_turn_that_is_sent_again_books_once() {
    let shop = Shop::open(desk().await, booking().await).await;
    for _ in 0..3 {
        let answer = shop.stream(&says("Please book slot 3")).await;
        assert!(answer.text.ends_with("Slot 3 is booked."), "{}", answer.text);
    }
    assert_eq!(shop.upstream.requests().len(), 1);
}

/// Speculative generation: the request is made while the caller still speaks.
#[tokio::test]
async fn a_turn_of_half_a_sentence_books_once_with_the_whole_one() {
    let shop = Shop::open(desk().await, booking().await).await;
    for text in ["Please book", "Please book slot", "Please book slot 3 for me"] {
        shop.stream(&says(text)).await;
    }
    assert_eq!(shop.upstream.requests().len(), 1);
}

#[tokio::test]
async fn the_same_wish_in_a_later_turn_is_another_booking() {
    let shop = Shop::open(desk().await, booking().await).await;
    shop.stream(&says("Please book slot 3")).await;
    let later = asks(&json!([
        {"role": "user", "content": "Please book slot 3"},
        {"role": "assistant", "content": "Slot 3 is booked."},
        {"role": "user", "content": "book it once more, for my brother"},
    ]));
    shop.stream(&later).await;
    assert_eq!(shop.upstream.requests().len(), 2);
}

#[tokio::test]
async fn two_callers_without_a_conversation_are_two() {
    let shop = Shop::open(desk().await, booking().await).await;
    let body = json!({"model": "shop", "messages": [{"role": "user", "content": "book"}]});
    shop.stream(&body).await;
    shop.stream(&body).await;
    assert_eq!(shop.upstream.requests().len(), 2);
    // The same request, sent again.
    for _ in 0..2 {
        let request = shop.gateway.request("POST", "/v1/chat/completions").header("idempotency-key", "k-1");
        assert_eq!(request.body(body.to_string()).send().await.unwrap().status(), 200);
    }
    assert_eq!(shop.upstream.requests().len(), 3);
}

#[tokio::test]
async fn a_write_that_was_sent_settles_although_its_caller_hangs_up() {
    let gate = Arc::new(Semaphore::new(0));
    let at = gate.clone();
    let upstream = Upstream::start(move |_| {
        upstream::Reply::Held(at.clone(), Box::new(upstream::Reply::ok(r#"{"booked":3}"#)))
    })
    .await;
    let shop = Shop::open(upstream, booking().await).await;
    let stream = shop.begin(&says("Please book slot 3")).await;
    shop.upstream.received(1).await;
    drop(stream);
    shop.gateway.hung_up(1).await;
    gate.add_permits(10);
    shop.gateway.at_rest().await;
    // The caller goes on, and has heard nothing of it.
    let next = asks(&json!([
        {"role": "user", "content": "Please book slot 3"},
        {"role": "user", "content": "Hello? Did you book it?"},
    ]));
    let answer = shop.stream(&next).await;
    assert!(answer.text.ends_with("Slot 3 is booked."), "{}", answer.text);
    assert_eq!(shop.upstream.requests().len(), 1);
    let asked = &shop.model.requests()[1];
    assert_eq!(
        asked.lines()[..3],
        ["user: Please book slot 3", r#"assistant: book({"slot":3})"#, r#"tool: book -> {"booked":3}"#]
    );
}

/// A product that asks again while the caller goes on speaking hangs up on its first request.
#[tokio::test]
async fn a_try_with_more_words_waits_for_what_the_first_one_has_sent() {
    let gate = Arc::new(Semaphore::new(0));
    let at = gate.clone();
    let upstream = Upstream::start(move |_| {
        upstream::Reply::Held(at.clone(), Box::new(upstream::Reply::ok(r#"{"booked":3}"#)))
    })
    .await;
    let model =
        ScriptedModel::start(|asked| match asked.messages.iter().any(|said| said.role == Role::Tool) {
            true => Reply::says("Slot 3 is booked."),
            false => Reply::calls([("book", json!({"slot": 3}))]),
        })
        .await;
    let store = Arc::new(MemoryStore::default());
    let shop = Shop::on(store.clone(), upstream, model, "limits: {timeout_ms: 120000}\n").await;
    let stream = shop.begin(&says("Please book slot 3")).await;
    shop.upstream.received(1).await;
    drop(stream);
    shop.gateway.hung_up(1).await;
    let key = ConversationKey::new("development", "call-1");
    until("the first try is kept", async || store.turns(&key).await.unwrap().pop()).await;
    let mut stream = shop.begin(&says("Please book slot 3 for me")).await;
    // Time for it to ask the model, which it must not.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(shop.model.requests().len(), 1);
    gate.add_permits(10);
    assert_eq!(stream.rest().await.text, "Slot 3 is booked.");
    let lines = shop.model.requests()[1].lines();
    assert_eq!(lines[2], r#"tool: book -> {"booked":3}"#, "{lines:#?}");
    assert_eq!(shop.upstream.requests().len(), 1);
}

/// A timer of the product's asks for a turn while the person on the line has said nothing.
#[tokio::test]
async fn a_proposed_write_waits_until_the_caller_has_said_something() {
    let shop = Shop::with(desk().await, booking().await, "openai", "writes: next_turn\n").await;
    shop.stream(&says("Please book slot 3")).await;
    let said = [
        json!({"role": "user", "content": "Please book slot 3"}),
        json!({"role": "assistant", "content": "Slot 3 is booked."}),
    ];
    let note = json!({"role": "system", "content": "The caller is silent."});
    for more in [vec![], vec![note]] {
        let silent = [&said[..], &more].concat();
        shop.stream(&asks(&json!(silent))).await;
        assert!(shop.upstream.requests().is_empty(), "{more:?}");
        let pending = shop.model.requests().pop().unwrap().lines();
        assert!(pending[2].contains("pending"), "{pending:#?}");
    }
    let goes_on = [&said[..], &[json!({"role": "user", "content": "Thanks"})]].concat();
    shop.stream(&asks(&json!(goes_on))).await;
    assert_eq!(shop.upstream.requests().len(), 1);
}

/// The caller has heard an apology in place of what was proposed.
#[tokio::test]
async fn what_a_failed_turn_has_proposed_is_not_made() {
    let model = || {
        ScriptedModel::start(|asked| match asked.nth {
            0 => Reply::calls([("book", json!({"slot": 3}))]),
            1 | 2 => Reply::status(500),
            _ => Reply::says("How can I help?"),
        })
    };
    let shop = Shop::with(desk().await, model().await, "openai", "writes: next_turn\n").await;
    let sorry = shop.stream(&says("Please book slot 3")).await.text;
    assert_eq!(sorry, "I am sorry, I cannot answer right now. Please try again in a moment. ");
    let next = asks(&json!([
        {"role": "user", "content": "Please book slot 3"},
        {"role": "assistant", "content": sorry},
        {"role": "user", "content": "Hello?"},
    ]));
    assert_eq!(shop.stream(&next).await.text, "How can I help?");
    assert!(shop.upstream.requests().is_empty());
    let lines = shop.model.requests()[3].lines();
    assert!(!lines.concat().contains("book("), "{lines:#?}");
    // The same where the gateway keeps the history.
    let shop = Shop::with(desk().await, model().await, "openai", "writes: next_turn\n").await;
    shop.turn("call-2", "Please book slot 3").await;
    shop.turn("call-2", "Hello?").await;
    assert!(shop.upstream.requests().is_empty());
}

#[tokio::test]
async fn a_write_waits_for_the_turn_to_stand_where_the_agent_says_so() {
    let shop = Shop::with(desk().await, booking().await, "openai", "writes: next_turn\n").await;
    // Thrown away: the caller had not finished.
    shop.stream(&says("Please book")).await;
    let answer = shop.stream(&says("Please book slot 3")).await;
    assert!(answer.text.ends_with("Slot 3 is booked."), "{}", answer.text);
    assert!(shop.upstream.requests().is_empty());
    let told = &shop.model.requests()[1];
    assert!(told.results()[0].content.contains(r#""status":"pending""#), "{}", told.results()[0].content);
    let next = asks(&json!([
        {"role": "user", "content": "Please book slot 3"},
        {"role": "assistant", "content": "Slot 3 is"},
        {"role": "user", "content": "Thanks"},
    ]));
    let before = shop.model.requests().len();
    for _ in 0..2 {
        let answer = shop.stream(&next).await;
        assert_eq!(answer.text, "All right.");
    }
    let lines = shop.model.requests()[before].lines();
    let sent = shop.upstream.requests().len();
    assert_eq!(sent, 1, "once, however often the next turn comes: {lines:#?}");
    assert_eq!(
        lines,
        [
            "user: Please book slot 3",
            r#"assistant: book({"slot":3})"#,
            r#"tool: book -> {"booked":3}"#,
            "assistant: Slot 3 is",
            "user: Thanks",
        ]
    );
}

#[tokio::test]
async fn a_write_that_cannot_be_made_is_told_at_once_and_not_proposed() {
    let model = ScriptedModel::start(|asked| match asked.messages.last().unwrap().role {
        Role::Tool => Reply::says("Which slot?"),
        _ => Reply::calls([("book", json!({"slot": "three"}))]),
    })
    .await;
    let shop = Shop::with(desk().await, model, "openai", "writes: next_turn\n").await;
    shop.stream(&says("Book")).await;
    let asked = &shop.model.requests()[1];
    assert!(asked.results()[0].content.contains("invalid_arguments"), "{}", asked.results()[0].content);
}
