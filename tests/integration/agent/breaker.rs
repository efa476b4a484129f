//! What the breaker and the connections of a model make of its answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::sync::{Notify, Semaphore};

use super::model::{Failure, Reply, ScriptedModel, Step};
use super::shop::{Shop, project, says};
use crate::harness::Gateway;
use crate::upstream::{self, Upstream};
use crate::wait::{until, until_every};

/// A shop whose model stands behind a connection with this breaker.
async fn shop(model: ScriptedModel, breaker: &str) -> Shop {
    let upstream = Upstream::start(|_| upstream::Reply::ok("{}")).await;
    let connection = format!("base_url: {}\nbreaker: {{{breaker}}}\n", model.base_url);
    let agent =
        "instructions: x\nmodel: {provider: openai, connection: model, auth: model_key, model: tiny}\n";
    let mut files = project(&upstream, &model.base_url, "openai", "");
    files.retain(|(name, _)| *name != "agents/shop.yaml");
    files.extend([("agents/shop.yaml", agent.to_owned()), ("connections/model.yaml", connection)]);
    let gateway = Arc::new(Gateway::start(&files).await);
    Shop { gateway, upstream, model }
}

/// The breaker of the model: 0 closed, 1 letting probes through, 2 open.
async fn phase(shop: &Shop) -> u8 {
    let answer = shop.gateway.request("GET", "/metrics").send().await.unwrap().text().await.unwrap();
    let name = "callgate_breaker_state{environment=\"development\",connection=\"model\"} ";
    let line = answer.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("{answer}")).parse().unwrap()
}

/// What the caller hears.
async fn heard(shop: &Shop) -> String {
    shop.stream(&says("Hello")).await.text
}

#[tokio::test]
async fn a_breaker_that_has_opened_closes_again_when_the_model_answers() {
    let is_down = Arc::new(AtomicBool::new(true));
    let told = is_down.clone();
    let model = ScriptedModel::start(move |_| match told.load(Ordering::SeqCst) {
        true => Reply::status(503).retry_after(0),
        false => Reply::says("Hello."),
    })
    .await;
    let shop = shop(model, "min_calls: 2, open_ms: 50, half_open_calls: 2").await;
    heard(&shop).await;
    assert_ne!(phase(&shop).await, 0, "it was asked twice");
    is_down.store(false, Ordering::SeqCst);
    until("the first probe", async || (heard(&shop).await == "Hello.").then_some(())).await;
    assert_eq!(phase(&shop).await, 1);
    assert_eq!(heard(&shop).await, "Hello.");
    assert_eq!(phase(&shop).await, 0);
}

#[tokio::test]
async fn many_answers_and_few_failures_do_not_open_the_breaker() {
    let model = ScriptedModel::start(|asked| match asked.nth {
        ..8 => Reply::says("Hello."),
        _ => Reply::closed(),
    })
    .await;
    let shop = shop(model, "min_calls: 2, open_ms: 3600000").await;
    for _ in 0..8 {
        assert_eq!(heard(&shop).await, "Hello.");
    }
    heard(&shop).await;
    assert_eq!((shop.model.requests().len(), phase(&shop).await), (10, 0));
    // As many failures as answers.
    for _ in 0..3 {
        heard(&shop).await;
    }
    assert_eq!((shop.model.requests().len(), phase(&shop).await), (16, 2));
}

#[tokio::test]
async fn what_speaks_against_the_model_counts_and_nothing_else() {
    let told = |code: &str| Reply::of([Step::Failure(Failure::new(code, "oh"))]);
    for (reply, is_failure) in [
        (Reply::status(500), true),
        (Reply::status(529), true),
        (Reply::closed(), true),
        (Reply::broken_off_after("Hello"), true),
        (Reply::says("Hello").then(Step::End), true),
        (told("server_is_overloaded"), true),
        (told("server_error"), true),
        (Reply::status(429).retry_after(0), false),
        (Reply::status(401), false),
        (told("rate_limit_exceeded"), false),
        (told("context_length_exceeded"), false),
        (Reply::of([Step::Raw("data: {oh\n\n".into())]), false),
        (Reply::of([Step::Raw("<html>".into())]), false),
    ] {
        let model = {
            let reply = reply.clone();
            ScriptedModel::start(move |_| reply.clone()).await
        };
        let shop = shop(model, "min_calls: 2, open_ms: 3600000").await;
        for _ in 0..2 {
            heard(&shop).await;
        }
        assert!(shop.model.requests().len() >= 2);
        assert_eq!(phase(&shop).await == 2, is_failure, "{reply:?}");
    }
}

#[tokio::test]
async fn a_caller_that_hangs_up_counts_neither_for_the_model_nor_against_it() {
    let model = ScriptedModel::start(|asked| match asked.nth {
        ..3 => Reply::stalled_after("Hello"),
        _ => Reply::closed(),
    })
    .await;
    let shop = shop(model, "failure_share: 1, min_calls: 2, open_ms: 3600000").await;
    for nth in 0..3 {
        let mut stream = shop.begin(&says("Hello")).await;
        stream.text().await;
        drop(stream);
        shop.model.until_hung_up(nth).await;
    }
    assert_eq!(phase(&shop).await, 0);
    heard(&shop).await;
    assert_eq!((shop.model.requests().len(), phase(&shop).await), (5, 2));
}

#[tokio::test]
async fn the_next_round_comes_over_the_connection_of_the_one_before() {
    for provider in ["openai", "openai-responses", "anthropic"] {
        // The end of the body comes long after the gateway has all of the answer: while its call runs.
        let (last_chunk, gate) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
        let (told, held) = (last_chunk.clone(), gate.clone());
        let model = ScriptedModel::start(move |asked| match asked.round() {
            0 => Reply::calls([("look", json!({"number": "7"}))]).ending_after(told.clone()),
            _ => Reply::says("It is sent."),
        })
        .await;
        let upstream = Upstream::start(move |_| {
            upstream::Reply::Held(held.clone(), Box::new(upstream::Reply::ok("{}")))
        })
        .await;
        let shop = Shop::with(upstream, model, provider, "").await;
        let mut turns = 0;
        // A machine that stands still for a second has the gateway give the connection up.
        until_every(Duration::from_millis(250), "a connection that is used again", async || {
            let before = shop.model.connections();
            let mut question = says("Where is order 7?");
            question["user"] = json!(format!("call-{turns}"));
            let mut stream = shop.begin(&question).await;
            shop.upstream.received(turns + 1).await;
            last_chunk.notify_one();
            shop.model.until_over(2 * turns).await;
            gate.add_permits(1);
            assert!(stream.rest().await.text.ends_with("It is sent."), "{provider}");
            turns += 1;
            assert_eq!(shop.model.requests().len(), 2 * turns);
            (shop.model.connections() <= before.max(1)).then_some(())
        })
        .await;
    }
}
