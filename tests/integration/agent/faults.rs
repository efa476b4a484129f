//! What goes wrong with models and tools: the caller always hears a sentence, and no write happens twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::model::{Failure, Reply, ScriptedModel, Step};
use super::shop::{Shop, says};
use crate::upstream::{self, ClosedPort, Upstream};
use crate::wait::unhurried;

const SORRY: &str = "I am sorry, I cannot answer right now. Please try again in a moment. ";
const AFTER_A_WRITE: &str =
    "I am sorry, something went wrong before I could answer. What you asked for may be done already. ";

async fn shop(replies: Vec<Reply>, more: &str) -> Shop {
    let upstream = Upstream::start(|_| upstream::Reply::ok(r#"{"ok":true}"#)).await;
    Shop::with(upstream, ScriptedModel::answering(replies).await, "openai", more).await
}

/// How often the model was asked, and what the caller heard.
async fn heard(shop: &Shop) -> (usize, String, String) {
    let answer = shop.stream(&says("Hello")).await;
    assert!(answer.is_done);
    (shop.model.requests().len(), answer.text, answer.finish)
}

#[tokio::test]
async fn a_model_that_fails_is_answered_for_in_words() {
    for (replies, asked, expected) in [
        (vec![Reply::status(401)], 1, SORRY.to_owned()),
        (vec![Reply::status(400).because("invalid_function_parameters", "a schema")], 1, SORRY.to_owned()),
        (vec![Reply::status(404)], 1, SORRY.to_owned()),
        (vec![Reply::status(500), Reply::status(500)], 2, SORRY.to_owned()),
        (vec![Reply::status(503), Reply::says("Hello.")], 2, "Hello.".to_owned()),
        (vec![Reply::status(429).retry_after(0), Reply::says("Hello.")], 2, "Hello.".to_owned()),
        (vec![Reply::status(429).retry_after(3_600)], 1, SORRY.to_owned()),
        (vec![Reply::closed(), Reply::says("Hello.")], 2, "Hello.".to_owned()),
        (vec![Reply::broken_off_after(""), Reply::says("Hello.")], 2, "Hello.".to_owned()),
        // What was said cannot be taken back.
        (vec![Reply::broken_off_after("Let me think")], 1, format!("Let me think {SORRY}")),
        (
            vec![Reply::of([Step::Failure(Failure::new("overloaded", "too many"))]), Reply::says("Hello.")],
            2,
            "Hello.".to_owned(),
        ),
        (vec![Reply::of([])], 1, SORRY.to_owned()),
    ] {
        let shop = shop(replies.clone(), "").await;
        let found = heard(&shop).await;
        assert_eq!(found, (asked, expected, "stop".to_owned()), "{replies:?}");
    }
}

#[tokio::test]
async fn a_model_that_says_nothing_in_time_gives_way_to_the_next() {
    let slow = ScriptedModel::answering([Reply::silent()]).await;
    let second = ScriptedModel::answering([Reply::says("Here I am.")]).await;
    let upstream = Upstream::start(|_| upstream::Reply::ok("{}")).await;
    let model = format!(
        "instructions: x\nmodel:\n  provider: openai\n  base_url: '{}'\n  model: slow\n  first_token_timeout_ms: 200\n  \
         fallback:\n  - {{provider: anthropic, base_url: '{}', model: second}}\n",
        slow.base_url, second.base_url
    );
    let mut files = super::shop::project(&upstream, "http://127.0.0.1:9/v1", "openai", "");
    files.retain(|(name, _)| *name != "agents/shop.yaml");
    files.push(("agents/shop.yaml", model));
    let gateway = Arc::new(crate::harness::Gateway::start(&files).await);
    let shop = Shop { gateway, upstream, model: second };
    let answer = shop.stream(&says("Hello")).await;
    assert_eq!(answer.text, "Here I am.");
    slow.until_hung_up(0).await;
}

#[tokio::test]
async fn a_model_that_is_not_there_is_answered_for() {
    let upstream = Upstream::start(|_| upstream::Reply::ok("{}")).await;
    let closed = ClosedPort::new();
    let mut model = ScriptedModel::answering([]).await;
    model.base_url = format!("http://127.0.0.1:{}/v1", closed.port);
    let shop = Shop::open(upstream, model).await;
    let answer = shop.stream(&says("Hello")).await;
    assert_eq!(answer.text, SORRY);
}

#[tokio::test]
async fn a_caller_may_ask_for_errors_in_place_of_words() {
    let shop = shop(vec![Reply::status(401); 2], "").await;
    let post = |stream: bool| {
        let mut body = says("Hello");
        body["stream"] = json!(stream);
        let request =
            shop.gateway.request("POST", "/v1/chat/completions").header("callgate-on-failure", "error");
        request.body(body.to_string()).send()
    };
    let answer = post(false).await.unwrap();
    assert_eq!(answer.status(), 502);
    let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(
        (&body["error"]["type"], &body["error"]["code"]),
        (&json!("server_error"), &json!("model_credentials"))
    );
    let text = post(true).await.unwrap().text().await.unwrap();
    assert!(text.contains(r#""code":"model_credentials""#) && !text.contains("[DONE]"), "{text}");
}

#[tokio::test]
async fn the_agents_own_words_are_said() {
    let more = "on_failure: {model: The line is bad., tool: The shop is closed.}\n";
    let shop = shop(vec![Reply::status(401)], more).await;
    assert_eq!(heard(&shop).await.1, "The line is bad. ");
}

#[tokio::test]
async fn nothing_runs_of_a_stream_that_broke_off_or_was_cut() {
    let book = |arguments: &str| Step::call(Some("c1"), "book", arguments);
    for reply in [
        Reply::of([book(r#"{"slot":1}"#), Step::Break]),
        Reply::of([book(r#"{"slot":1}"#), Step::End]),
        Reply::of([Step::half_call("book", r#"{"slot":"#), Step::Break]),
        Reply::of([book(r#"{"slot":1}"#), Step::Finish("length")]),
        Reply::of([book(r#"{"slot":1}"#), Step::Failure(Failure::new("x", "y"))]),
    ] {
        let shop = shop(vec![reply.clone(), reply.clone()], "").await;
        let answer = shop.stream(&says("Book slot 1")).await;
        assert_eq!(answer.text, SORRY, "{reply:?}");
        assert!(shop.upstream.requests().is_empty(), "{reply:?}");
    }
}

#[tokio::test]
async fn arguments_that_are_none_are_told_to_the_model_and_their_siblings_run() {
    let replies = vec![
        Reply::of([
            Step::call(Some("c1"), "book", r#"{"slot":1}{"slot":2}"#),
            Step::call(Some("c2"), "book", r#"{"slot":3}"#),
            Step::call(Some("c3"), "no_such_tool", "{}"),
            Step::call(Some("c4"), "refund", "{}"),
        ]),
        Reply::says("Done."),
    ];
    let shop = shop(replies, "").await;
    let answer = shop.stream(&says("Book")).await;
    assert_eq!(answer.text.trim(), "Done.");
    let requests = shop.upstream.requests();
    assert_eq!((requests.len(), requests[0].text().contains(r#"{"slot":3}"#)), (1, true));
    let asked = &shop.model.requests()[1];
    let results = asked.results();
    assert_eq!(results.len(), 4);
    assert!(results[0].content.contains("not_executed"), "{}", results[0].content);
    assert_eq!(results[1].content, r#"{"ok":true}"#);
    assert!(results[2].content.contains("unknown_tool"), "{}", results[2].content);
    assert!(results[3].content.contains("not available"), "{}", results[3].content);
}

#[tokio::test]
async fn a_call_that_fails_again_and_again_is_not_made_for_ever() {
    let upstream =
        Upstream::start(|_| upstream::Reply::Json(404, r#"{"error":"no such order"}"#.to_owned())).await;
    let model = ScriptedModel::start(|asked| match asked.tool_choice.as_deref() {
        Some("none") => Reply::says("There is no such order."),
        _ => Reply::calls([("look", json!({"number": "7"}))]),
    })
    .await;
    let shop = Shop::open(upstream, model).await;
    let answer = shop.stream(&says("Where is order 7?")).await;
    assert!(answer.text.ends_with("There is no such order."), "{}", answer.text);
    let asked = shop.model.requests();
    assert_eq!(asked.len(), 3, "two failures, and then words");
    assert!(asked[2].tools.contains(&"look".to_owned()), "the history needs them");
}

#[tokio::test]
async fn the_last_round_speaks() {
    let more = "limits: {max_rounds: 3}\n";
    let upstream = Upstream::start(|_| upstream::Reply::ok("{}")).await;
    let model = ScriptedModel::start(|asked| match asked.tool_choice.as_deref() {
        Some("none") => Reply::says("That is all I know."),
        _ => Reply::calls([("look", json!({"number": asked.nth.to_string()}))]),
    })
    .await;
    let shop = Shop::with(upstream, model, "openai", more).await;
    let answer = shop.stream(&says("Go on")).await;
    assert!(answer.text.ends_with("That is all I know."), "{}", answer.text);
    assert_eq!((shop.model.requests().len(), shop.upstream.requests().len()), (3, 2));
    // One that calls all the same is not listened to.
    let stubborn =
        ScriptedModel::start(|asked| Reply::calls([("look", json!({"number": asked.nth.to_string()}))]))
            .await;
    let upstream = Upstream::start(|_| upstream::Reply::ok("{}")).await;
    let shop = Shop::with(upstream, stubborn, "openai", more).await;
    assert_eq!(shop.stream(&says("Go on")).await.text, SORRY);
    assert_eq!(shop.upstream.requests().len(), 2);
}

/// A turn that runs out of time, and what comes of it.
struct Late {
    what: &'static str,
    /// What the model answers first, and once it has the results.
    replies: [Reply; 2],
    /// Whether the tool does not answer.
    is_held: bool,
    said: String,
    /// How many writes have been sent then.
    sent: usize,
}

#[tokio::test]
async fn the_deadline_ends_in_words_in_each_phase_and_the_write_is_made_once() {
    unhurried();
    let headed = || Reply::of([Step::Raw(Bytes::new()), Step::Stall]);
    let look = || Reply::calls([("look", json!({"number": "7"}))]);
    let book = || Reply::calls([("book", json!({"slot": 1}))]);
    let in_model = |what, reply, said: String| Late {
        what,
        replies: [reply, Reply::says("x")],
        is_held: false,
        said,
        sent: 0,
    };
    let in_tool = |what, reply, said: &str, sent| Late {
        what,
        replies: [reply, Reply::says("x")],
        is_held: true,
        said: said.to_owned(),
        sent,
    };
    let after_tool =
        |what, reply, said: String| Late { what, replies: [book(), reply], is_held: false, said, sent: 1 };
    for late in [
        in_model("no head comes", Reply::silent(), SORRY.to_owned()),
        in_model("no token comes", headed(), SORRY.to_owned()),
        in_model("in words", Reply::stalled_after("Let me think"), format!("Let me think {SORRY}")),
        in_model(
            "in arguments",
            Reply::of([Step::half_call("book", r#"{"slot":"#), Step::Stall]),
            SORRY.to_owned(),
        ),
        // The model has time left to say what came of it.
        in_tool("a read", look(), "x", 0),
        in_tool("a write", book(), "x", 1),
        after_tool("no head comes after a write", Reply::silent(), AFTER_A_WRITE.to_owned()),
        after_tool("no token comes after a write", headed(), AFTER_A_WRITE.to_owned()),
        after_tool("in words after a write", Reply::stalled_after("It is"), format!("It is {AFTER_A_WRITE}")),
    ] {
        let Late { what, replies: [first, second], is_held, said, sent } = late;
        let gate = Arc::new(Semaphore::new(if is_held { 0 } else { 100 }));
        let held = gate.clone();
        let upstream = Upstream::start(move |_| {
            upstream::Reply::Held(held.clone(), Box::new(upstream::Reply::ok(r#"{"ok":true}"#)))
        });
        let is_mended = Arc::new(AtomicBool::new(false));
        let (mended, stands_after_tool) = (is_mended.clone(), sent == 1 && !is_held);
        let model = ScriptedModel::start(move |asked| {
            match (mended.load(Ordering::SeqCst), asked.results().is_empty()) {
                (true, true) => Reply::calls([("book", json!({"slot": 1}))]),
                (true, false) => Reply::says("That is all."),
                (false, true) => first.clone(),
                (false, false) => second.clone(),
            }
        });
        let shop = Shop::open(upstream.await, model.await).await;
        let mut stream = shop.begin(&says("Book slot 1")).await;
        match is_held {
            true => shop.upstream.received(1).await,
            false => shop.model.until_requests(if stands_after_tool { 2 } else { 1 }).await,
        }
        shop.gateway.caught_up().await;
        // The clock goes ahead to the deadline.
        tokio::time::pause();
        let answer = stream.rest().await;
        tokio::time::resume();
        assert_eq!((answer.text.as_str(), answer.is_done), (said.as_str(), true), "{what}");
        let bookings =
            || shop.upstream.requests().iter().filter(|request| request.line() == "POST /book").count();
        assert_eq!(bookings(), sent, "{what}");
        is_mended.store(true, Ordering::SeqCst);
        gate.add_permits(100);
        let again = shop.stream(&says("Book slot 1")).await;
        assert_eq!((again.text.as_str(), again.is_done), ("That is all.", true), "{what}");
        assert_eq!(bookings(), usize::from(what != "a read"), "{what}");
    }
}

#[tokio::test]
async fn a_tool_that_is_down_is_told_to_the_model_without_its_address() {
    let upstream = Upstream::start(|_| upstream::Reply::Close).await;
    let port = upstream.port.to_string();
    let model = ScriptedModel::answering([
        Reply::calls([("book", json!({"slot": 1}))]),
        Reply::says("It did not work."),
    ])
    .await;
    let shop = Shop::open(upstream, model).await;
    let answer = shop.stream(&says("Book slot 1")).await;
    assert!(answer.text.ends_with("It did not work."), "{}", answer.text);
    let asked = &shop.model.requests()[1];
    assert!(!asked.body.to_string().contains(&port), "{}", asked.body);
    assert!(asked.results()[0].content.contains(r#""effect":"unknown""#), "{}", asked.results()[0].content);
}
