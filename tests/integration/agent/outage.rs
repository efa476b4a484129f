//! Turns while the store fails: the caller hears a sentence, and no write is made twice.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use callgate::conversation::{MemoryStore, Store};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::model::asked::{Asked, Role};
use super::model::{Reply, ScriptedModel};
use super::shop::{Shop, asks};
use crate::backend::RedisServer;
use crate::shaky::{At, CAUSE, Outage, Shaky};
use crate::upstream::{self, Upstream};
use crate::wait::{unhurried, until, until_so};

const DONE: &str = "That is done.";
const DONE_BEFORE: &str = "That was done before.";
const CANNOT: &str = "That cannot be done now.";
const SORRY: &str = "The line is bad.";
const AGENT: &str = "on_failure: {model: The line is bad.}\n";
const OK: &str = r#"{"ok":true}"#;

/// Where a caller says something to an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Chat,
    Responses,
    Turns,
    Interact,
}

impl Door {
    const ALL: [Self; 4] = [Self::Chat, Self::Responses, Self::Turns, Self::Interact];

    /// Whether the gateway keeps what was said.
    fn keeps_history(self) -> bool {
        matches!(self, Self::Turns | Self::Interact)
    }

    /// Says `text` in `conversation`; what the caller hears.
    async fn say(self, shop: &Shop, conversation: &str, text: &str) -> String {
        let (path, body) = match self {
            Self::Chat => {
                let messages = json!([{"role": "user", "content": text}]);
                ("/v1/chat/completions".to_owned(), json!({"user": conversation, "messages": messages}))
            }
            Self::Responses => ("/v1/responses".to_owned(), json!({"user": conversation, "input": text})),
            Self::Turns => {
                ("/v1/agents/shop/turns".to_owned(), json!({"conversation_id": conversation, "text": text}))
            }
            Self::Interact => (
                format!("/state/user/{conversation}/interact?verbose=true"),
                json!({"action": {"type": "text", "payload": text}}),
            ),
        };
        let request = shop.gateway.request("POST", &path).header("content-type", "application/json");
        let response = request.body(body.to_string()).send().await.unwrap();
        let status = response.status();
        let answer = response.text().await.unwrap();
        assert_eq!(status, 200, "{self:?}: {answer}");
        assert_is_for_anybody(&answer);
        self.heard(&answer).trim_end().to_owned()
    }

    /// What is said in an answer.
    fn heard(self, answer: &str) -> String {
        let whole: Value = serde_json::from_str(answer).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match self {
            Self::Chat => text(&whole["choices"][0]["message"]["content"]),
            Self::Responses => text(&whole["output"][0]["content"][0]["text"]),
            Self::Turns => {
                let events =
                    answer.split("\n\n").filter_map(|event| event.strip_prefix("event: text\ndata: "));
                events.map(|data| text(&serde_json::from_str::<Value>(data).unwrap()["text"])).collect()
            }
            Self::Interact => {
                let traces = whole["trace"].as_array().unwrap().iter();
                let texts = traces.filter(|trace| trace["type"] == "text");
                texts.map(|trace| text(&trace["payload"]["message"])).collect()
            }
        }
    }
}

/// Panics where `text` tells of the store what only an operator may know.
#[track_caller]
fn assert_is_for_anybody(text: &str) {
    for internal in [CAUSE, "h0rse", "10.20.30.40", "redis", "shaky", "os error"] {
        assert!(!text.contains(internal), "{internal}: {text}");
    }
}

/// When the store fails: before a turn, once its model is asked, and once the model has the results of the first round.
type Plan = [Option<At>; 3];
/// It does not.
const WELL: Plan = [None; 3];

/// A shop on a store that fails when it is told to.
struct Outages {
    shop: Shop,
    store: Arc<Shaky>,
    plan: Arc<Mutex<(Plan, Outage)>>,
}

impl Outages {
    async fn open(upstream: Upstream, more: &str, model: fn(&Asked, bool) -> Reply) -> Self {
        let store = Shaky::new(Arc::new(MemoryStore::default()));
        let plan = Arc::new(Mutex::new((WELL, Outage::Refused)));
        let (failing, planned) = (store.clone(), plan.clone());
        let model = ScriptedModel::start(move |asked| {
            let (plan, outage) = *planned.lock().unwrap();
            let now = plan[if asked.results().is_empty() { 1 } else { 2 }];
            failing.fail(now.map(|at| (at, outage)));
            model(asked, plan == WELL)
        })
        .await;
        let shop = Shop::on(store.clone(), upstream, model, &format!("{AGENT}{more}")).await;
        Self { shop, store, plan }
    }

    fn plan(&self, plan: Plan, outage: Outage) {
        *self.plan.lock().unwrap() = (plan, outage);
        self.store.fail(plan[0].map(|at| (at, outage)));
    }
}

/// How often slot `number` was booked.
fn bookings(shop: &Shop, number: usize) -> usize {
    let slot = json!({"slot": number});
    let requests = shop.upstream.requests();
    let bookings = requests.iter().filter(|request| request.line() == "POST /book");
    bookings.filter(|request| serde_json::from_slice::<Value>(&request.body).unwrap() == slot).count()
}

/// Does what the user wants and tells what came of it. One that `persists` makes a call again that has failed.
fn clerk(asked: &Asked, persists: bool) -> Reply {
    // The result of an earlier call says so besides.
    let is_done = |content: &str| content.contains(r#""ok":true"#);
    let (wish, number) = asked.user().rsplit_once(' ').unwrap();
    let number: usize = number.parse().unwrap();
    let call = || match wish {
        "Book slot" => Reply::calls([("book", json!({"slot": number}))]),
        _ => Reply::calls([("look", json!({"number": number.to_string()}))]),
    };
    let mut known = asked.messages.iter().flat_map(|said| &said.results);
    match asked.results().first() {
        Some(result) if is_done(&result.content) => Reply::says(DONE),
        Some(_) if !persists || asked.tool_choice.as_deref() == Some("none") => Reply::says(CANNOT),
        Some(_) => call(),
        None if known.any(|result| is_done(&result.content)) => Reply::says(DONE_BEFORE),
        None => call(),
    }
}

async fn desk() -> Upstream {
    Upstream::start(|_| upstream::Reply::ok(OK)).await
}

#[tokio::test]
async fn a_turn_is_answered_in_words_whenever_the_store_fails_and_its_write_is_made_once() {
    const REFUSED: &[Outage] = &[Outage::Refused];
    const UNANSWERED: &[Outage] = &[Outage::Unanswered];
    const BOTH: &[Outage] = &[Outage::Refused, Outage::Unanswered];
    let all = [Some(At::Everything); 3];
    let outages = Outages::open(desk().await, "", clerk).await;
    let shop = &outages.shop;
    let mut number = 0;
    // What is heard where the caller tells the history, and where the gateway keeps it.
    for (plan, told, kept, kinds) in [
        (all, CANNOT, SORRY, REFUSED),
        ([Some(At::Open), None, None], DONE, SORRY, BOTH),
        ([Some(At::Turns), None, None], DONE, SORRY, BOTH),
        ([None, Some(At::Open), None], CANNOT, CANNOT, BOTH),
        ([None, Some(At::Claim), None], CANNOT, CANNOT, REFUSED),
        ([None, Some(At::Sending), None], CANNOT, CANNOT, BOTH),
        // The call is made, and what it did is known to whoever waits for it.
        ([None, Some(At::Settle), None], DONE, DONE, UNANSWERED),
        ([None, None, Some(At::Keep)], DONE, DONE, BOTH),
        ([None, None, Some(At::Everything)], DONE, DONE, BOTH),
    ] {
        for (outage, door) in kinds.iter().flat_map(|kind| Door::ALL.map(|door| (*kind, door))) {
            for wish in ["Book slot", "Look for order"] {
                number += 1;
                let (conversation, text) = (format!("c{number}"), format!("{wish} {number}"));
                let place = format!("{plan:?} {outage:?} {door:?} {text}");
                let is_write = wish == "Book slot";
                outages.plan(plan, outage);
                let expected = if door.keeps_history() { kept } else { told };
                assert_eq!(door.say(shop, &conversation, &text).await, expected, "{place}");
                assert_eq!(bookings(shop, number), usize::from(is_write && expected == DONE), "{place}");
                outages.plan(WELL, outage);
                let again = door.say(shop, &conversation, &text).await;
                assert!([DONE, DONE_BEFORE].contains(&again.as_str()), "{place}: {again}");
                assert_eq!(bookings(shop, number), usize::from(is_write), "{place}");
            }
        }
    }
    shop.model.requests().iter().for_each(|asked| assert_is_for_anybody(&asked.body.to_string()));
}

#[tokio::test]
async fn a_write_whose_caller_hangs_up_while_the_store_fails_is_made_once() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let upstream =
        Upstream::start(move |_| upstream::Reply::Held(held.clone(), Box::new(upstream::Reply::ok(OK))));
    let outages = Outages::open(upstream.await, "", clerk).await;
    let shop = &outages.shop;
    let mut number = 0;
    for (at, outage) in [
        (At::Keep, Outage::Refused),
        (At::Keep, Outage::Unanswered),
        (At::HangUp, Outage::Refused),
        (At::Everything, Outage::Unanswered),
    ] {
        for door in Door::ALL {
            number += 1;
            let (conversation, text) = (format!("c{number}"), format!("Book slot {number}"));
            let place = format!("{at:?} {outage:?} {door:?}");
            tokio::select! {
                heard = door.say(shop, &conversation, &text) => panic!("{place}: {heard}"),
                () = shop.upstream.received(number) => {}
            }
            outages.store.fail(Some((at, outage)));
            shop.gateway.hung_up(number).await;
            gate.add_permits(1);
            shop.gateway.at_rest().await;
            outages.store.fail(None);
            let again = door.say(shop, &conversation, &text).await;
            assert!([DONE, DONE_BEFORE].contains(&again.as_str()), "{place}: {again}");
            assert_eq!(bookings(shop, number), 1, "{place}");
        }
    }
}

/// Waits for `heard` with a clock that goes ahead once the store has been asked for what it does not answer.
async fn while_hung(store: &Shaky, heard: impl Future<Output = String>) -> String {
    let before = store.hung.load(Ordering::SeqCst);
    let jump = async {
        until_so("a request to the store", || store.hung.load(Ordering::SeqCst) > before).await;
        tokio::time::pause();
    };
    let hour = Duration::from_secs(3_600);
    let (heard, ()) = tokio::join!(tokio::time::timeout(hour, heard), jump);
    tokio::time::resume();
    heard.expect("no answer in an hour")
}

#[tokio::test]
async fn a_store_that_never_answers_does_not_keep_a_turn_from_its_end() {
    unhurried();
    let outages = Outages::open(desk().await, "", clerk).await;
    let shop = &outages.shop;
    let mut number = 0;
    for (plan, expected) in [([Some(At::Everything); 3], SORRY), ([None, None, Some(At::Keep)], DONE)] {
        for door in [Door::Chat, Door::Responses, Door::Turns] {
            number += 1;
            let (conversation, text) = (format!("c{number}"), format!("Book slot {number}"));
            outages.plan(plan, Outage::Hung);
            let heard = while_hung(&outages.store, door.say(shop, &conversation, &text)).await;
            assert_eq!(heard, expected, "{plan:?} {door:?}");
            outages.plan(WELL, Outage::Refused);
            assert_eq!(door.say(shop, &conversation, &text).await, DONE, "{plan:?} {door:?}");
            assert_eq!(bookings(shop, number), 1, "{plan:?} {door:?}");
        }
    }
}

/// The client can send the answer to a custom trace again; if it were taken for words of the person's, it would be lost.
#[tokio::test]
async fn an_answer_of_the_clients_is_refused_and_not_lost_while_the_store_fails() {
    let model = |asked: &Asked, _: bool| match asked.results().first() {
        Some(result) => Reply::says(&format!("It says {}.", result.content)),
        None => Reply::calls([("pay", json!({}))]),
    };
    let outages = Outages::open(desk().await, "", model).await;
    let gateway = &outages.shop.gateway;
    let path = "/state/user/ann/interact";
    let asks = json!({"action": {"type": "text", "payload": "Pay 7"}, "config": {"stopTypes": ["pay"]}});
    let answers = json!({"action": {"type": "done", "payload": "Paid"}, "config": {"stopTypes": ["pay"]}});
    let (status, traces) = gateway.post(path, asks.to_string()).await;
    assert_eq!((status, &traces[0]["type"]), (200, &json!("pay")), "{traces}");
    for at in [At::Open, At::Turns, At::Keep] {
        outages.store.fail(Some((at, Outage::Refused)));
        let (status, problem) = gateway.post(path, answers.to_string()).await;
        assert_eq!((status, &problem["status"]), (503, &json!("Service Unavailable")), "{at:?}: {problem}");
        assert_is_for_anybody(&problem.to_string());
    }
    outages.store.fail(None);
    let (status, traces) = gateway.post(path, answers.to_string()).await;
    assert_eq!((status, &traces[0]["payload"]["message"]), (200, &json!("It says Paid.")), "{traces}");
}

#[tokio::test]
async fn a_write_that_waits_for_the_next_turn_is_not_made_at_once_where_the_store_fails() {
    for (plan, told, later) in [
        ([Some(At::Open), None, None], "nothing was done", 0),
        ([None, Some(At::Find), None], "nothing was done", 0),
        ([Some(At::Turns), None, None], "pending", 1),
    ] {
        let model = |asked: &Asked, _: bool| match asked.messages.last().unwrap().role {
            Role::Tool => Reply::says("I see."),
            _ if asked.user() == "Thanks" => Reply::says("Goodbye."),
            _ => Reply::calls([("book", json!({"slot": 7}))]),
        };
        let outages = Outages::open(desk().await, "writes: next_turn\n", model).await;
        let shop = &outages.shop;
        outages.plan(plan, Outage::Refused);
        assert_eq!(Door::Chat.say(shop, "call-1", "Book slot 7").await, "I see.");
        assert_eq!(bookings(shop, 7), 0, "{plan:?}");
        let result = shop.model.requests()[1].results()[0].content.clone();
        assert!(result.contains(told), "{plan:?}: {result}");
        // What was not proposed is not made later either.
        outages.plan(WELL, Outage::Refused);
        let next = asks(&json!([
            {"role": "user", "content": "Book slot 7"},
            {"role": "assistant", "content": "I see."},
            {"role": "user", "content": "Thanks"},
        ]));
        assert_eq!(shop.stream(&next).await.text, "Goodbye.");
        assert_eq!(bookings(shop, 7), later, "{plan:?}");
    }
}

/// A shop on a real Redis, whose upstream answers once there is a permit.
async fn shop_on(store: impl Store + 'static, gate: &Arc<Semaphore>) -> Shop {
    let gate = gate.clone();
    let upstream =
        Upstream::start(move |_| upstream::Reply::Held(gate.clone(), Box::new(upstream::Reply::ok(OK))));
    let is_asked = |asked: &Asked| clerk(asked, true);
    Shop::on(Arc::new(store), upstream.await, ScriptedModel::start(is_asked).await, AGENT).await
}

/// Says the same until it is done, as it is once Redis is found again.
async fn until_done(shop: &Shop, door: Door, conversation: &str, text: &str) {
    until(&format!("{text} by {door:?}"), async || {
        let heard = door.say(shop, conversation, text).await;
        [DONE, DONE_BEFORE].contains(&heard.as_str()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_redis_every_turn_is_answered_in_words_and_its_write_made_once_after_all() {
    let Some(mut redis) = RedisServer::start(&[]) else { return };
    let gate = Arc::new(Semaphore::new(100));
    let shop = shop_on(redis.store("shop"), &gate).await;
    redis.kill();
    let turns: Vec<_> = Door::ALL.into_iter().zip(1..).collect();
    for (door, number) in &turns {
        let heard = door.say(&shop, &format!("c{number}"), &format!("Book slot {number}")).await;
        assert_eq!(heard, if door.keeps_history() { SORRY } else { CANNOT }, "{door:?}");
        assert_eq!(bookings(&shop, *number), 0, "{door:?}");
    }
    redis.restart();
    for (door, number) in turns {
        until_done(&shop, door, &format!("c{number}"), &format!("Book slot {number}")).await;
        assert_eq!(bookings(&shop, number), 1, "{door:?}");
    }
    shop.model.requests().iter().for_each(|asked| assert_is_for_anybody(&asked.body.to_string()));
}

#[tokio::test]
async fn a_redis_that_stands_still_is_not_waited_for() {
    let Some(redis) = RedisServer::start(&[]) else { return };
    let gate = Arc::new(Semaphore::new(100));
    let shop = shop_on(redis.store_for("shop", Duration::from_millis(300)), &gate).await;
    redis.signal("STOP");
    let turns: Vec<_> = Door::ALL.into_iter().zip(1..).collect();
    for (door, number) in &turns {
        let heard = door.say(&shop, &format!("c{number}"), &format!("Book slot {number}")).await;
        assert!([SORRY, CANNOT].contains(&heard.as_str()), "{door:?}: {heard}");
        assert_eq!(bookings(&shop, *number), 0, "{door:?}");
    }
    // It does then what it was asked for meanwhile.
    redis.signal("CONT");
    for (door, number) in turns {
        until_done(&shop, door, &format!("c{number}"), &format!("Book slot {number}")).await;
        assert_eq!(bookings(&shop, number), 1, "{door:?}");
    }
}

#[tokio::test]
async fn a_redis_that_is_killed_while_a_write_is_made_has_it_made_once() {
    let Some(mut redis) = RedisServer::start(&[]) else { return };
    let gate = Arc::new(Semaphore::new(0));
    let shop = shop_on(redis.store("shop"), &gate).await;
    for (door, number) in Door::ALL.into_iter().zip(1..) {
        let (conversation, text) = (format!("c{number}"), format!("Book slot {number}"));
        let kill = async {
            shop.upstream.received(number).await;
            redis.kill();
            gate.add_permits(1);
        };
        let (heard, ()) = tokio::join!(door.say(&shop, &conversation, &text), kill);
        assert_eq!(heard, DONE, "{door:?}");
        redis.restart();
        until_done(&shop, door, &conversation, &text).await;
        assert_eq!(bookings(&shop, number), 1, "{door:?}");
    }
}
