//! Faults of models, tools, stores and lines while an answer is made, and requests that come too soon: one answer is
//! closed, once, and no write is made twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use callgate::conversation::MemoryStore;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::super::model::asked::{Asked, SaidResult};
use super::super::model::{Ending, Reply, ScriptedModel, Step};
use super::{Line, Shop, closing};
use crate::shaky::{At, CAUSE, Outage, Shaky};
use crate::upstream::{self, ClosedPort, Upstream};
use crate::wait::unhurried;

const SORRY: &str = "Please call again. ";
const BOOK: [(&str, &str); 1] = [("user", "Book slot 3.")];
const BOOKED: &str = r#"{"booked":3}"#;

/// Books slot 3 whenever it is asked to, and tells what came of it.
fn books(asked: &Asked) -> Reply {
    match asked.results().first() {
        Some(result) if is_booked(result) => Reply::says("Booked."),
        Some(_) => Reply::says("It did not work."),
        None if asked.user() == "Never mind." => Reply::says("All right."),
        None => book(),
    }
}

/// The result of an earlier call says that it is one besides.
fn is_booked(result: &SaidResult) -> bool {
    result.content.contains(r#""booked":3"#)
}

fn book() -> Reply {
    Reply::calls([("book", json!({"slot": 3}))])
}

/// Half a call.
fn half_a_call() -> Step {
    Step::half_call("book", r#"{"slot":"#)
}

/// A head, and then nothing for ever.
fn headed() -> Reply {
    Reply::of([Step::Raw(Bytes::new()), Step::Stall])
}

/// A shop with a fault, for as long as it is wanted.
struct Faulty {
    shop: Shop,
    is_faulty: Arc<AtomicBool>,
    /// Where the upstream holds its answers back, it gives one for each permit.
    gate: Arc<Semaphore>,
}

impl Faulty {
    /// `fault` is what the model answers in place of what it should.
    async fn open(fault: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static, tool: Tool) -> Self {
        let is_faulty = Arc::new(AtomicBool::new(true));
        let wanted = is_faulty.clone();
        let model = ScriptedModel::start(move |asked| {
            let fault = Some(asked).filter(|_| wanted.load(Ordering::SeqCst)).and_then(&fault);
            fault.unwrap_or_else(|| books(asked))
        })
        .await;
        let gate = Arc::new(Semaphore::new(0));
        let held = gate.clone();
        let upstream = Upstream::start(move |_| match tool {
            Tool::Answers => upstream::Reply::ok(BOOKED),
            Tool::IsHeld => upstream::Reply::Held(held.clone(), Box::new(upstream::Reply::ok(BOOKED))),
            Tool::IsDown => upstream::Reply::Close,
        });
        // All of it is over before the line is cut for its silence.
        let agent = format!(
            "environments: {{development: {{limits: {{timeout_ms: 25000}}, model: {{provider: openai, base_url: '{}', \
             auth: model_key, model: tiny, first_token_timeout_ms: 15000}}}}}}\n",
            model.base_url
        );
        let shop = Shop::on(upstream.await, model, "", &agent, &[]).await;
        Self { shop, is_faulty, gate }
    }

    fn mend(&self) {
        self.is_faulty.store(false, Ordering::SeqCst);
    }

    /// How often the slot was booked.
    fn bookings(&self) -> usize {
        self.shop.upstream.requests().len()
    }
}

/// What the upstream of a shop does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    Answers,
    IsHeld,
    IsDown,
}

/// Where an answer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The model has not even sent a head.
    Head,
    /// The model has sent no token.
    FirstToken,
    Words,
    /// Half of a call has come.
    Arguments,
    Tool,
    /// The model has the result of the call and says nothing.
    SecondRound,
}

impl Phase {
    const ALL: [Self; 6] =
        [Self::Head, Self::FirstToken, Self::Words, Self::Arguments, Self::Tool, Self::SecondRound];

    /// A shop whose answers come to a stand in this phase.
    async fn open(self) -> Faulty {
        let stands = move |asked: &Asked| match self {
            Self::Head => Some(Reply::silent()),
            Self::FirstToken => Some(headed()),
            Self::Words => Some(Reply::stalled_after("Let")),
            Self::Arguments => Some(Reply::of([half_a_call(), Step::Stall])),
            Self::Tool => None,
            Self::SecondRound => (!asked.results().is_empty()).then(Reply::silent),
        };
        Faulty::open(stands, if self == Self::Tool { Tool::IsHeld } else { Tool::Answers }).await
    }

    /// Waits until the first answer of `faulty` stands here.
    async fn reached(self, faulty: &Faulty) {
        match self.answer() {
            Some(nth) => faulty.shop.model.until_requests(nth + 1).await,
            None => faulty.shop.upstream.received(1).await,
        }
        faulty.shop.gateway.caught_up().await;
    }

    /// How many writes have been sent where an answer stands here.
    fn sent(self) -> usize {
        usize::from(matches!(self, Self::Tool | Self::SecondRound))
    }

    /// Which answer of the model the turn waits for, counted from 0.
    fn answer(self) -> Option<usize> {
        match self {
            Self::Head | Self::FirstToken | Self::Words | Self::Arguments => Some(0),
            Self::Tool => None,
            Self::SecondRound => Some(1),
        }
    }

    /// Waits until the gateway has left what its first answer waited for; a call that was sent ends then.
    async fn is_left(self, faulty: &Faulty) {
        match self.answer() {
            Some(nth) => faulty.shop.model.until_hung_up(nth).await,
            None => {
                faulty.shop.gateway.hung_up(1).await;
                faulty.gate.add_permits(1);
            }
        }
        faulty.shop.gateway.at_rest().await;
    }
}

/// Reads to the end of the answer to `id`, which is the newest one; what is said to it. What was on its way of the answers
/// before it comes first, and none of them is closed.
async fn newest(line: &mut Line<'_>, id: u64) -> String {
    let mut said = String::new();
    let mut has_begun = false;
    loop {
        let frame = line.next().await;
        assert!(!frame.to_string().contains(CAUSE), "{frame}");
        if frame["response_type"] != "response" {
            continue;
        }
        let is_newest = frame["response_id"] == id;
        assert!(is_newest || (!has_begun && frame["content_complete"] == false), "{frame}");
        if is_newest {
            has_begun = true;
            said.push_str(frame["content"].as_str().unwrap());
            if frame["content_complete"] == true {
                return said;
            }
        }
    }
}

/// Reads to the answer to a ping.
async fn ping(line: &mut Line<'_>) {
    line.send(&json!({"interaction_type": "ping_pong", "timestamp": 4711})).await;
    while line.next().await["response_type"] != "ping_pong" {}
}

/// Reads to the frame by which the gateway closes the line.
async fn closes_with(line: &mut Line<'_>, code: CloseCode) {
    loop {
        match line.socket.next().await {
            Some(Ok(Message::Text(_))) => {}
            Some(Ok(Message::Close(Some(frame)))) => return assert_eq!(frame.code, code),
            other => panic!("{other:?}"),
        }
    }
}

/// Something that goes wrong, and what comes of it.
struct Fault {
    what: &'static str,
    /// What the model answers in place of what it should.
    model: fn(&Asked) -> Option<Reply>,
    tool: Tool,
    /// Whether it ends only when time has passed.
    takes_time: bool,
    said: &'static str,
    /// How many writes have been sent then.
    sent: usize,
    /// What is said to the same request when nothing goes wrong any more.
    later: &'static str,
}

impl Fault {
    /// A model that fails before it has called anything.
    fn of_model(
        what: &'static str,
        model: fn(&Asked) -> Option<Reply>,
        takes_time: bool,
        said: &'static str,
    ) -> Self {
        Self { what, model, tool: Tool::Answers, takes_time, said, sent: 0, later: "Booked." }
    }

    fn of_tool(what: &'static str, tool: Tool, takes_time: bool, said: &'static str) -> Self {
        Self { what, model: |_| None, tool, takes_time, said, sent: 1, later: "It did not work." }
    }
}

#[tokio::test]
async fn a_fault_in_any_phase_is_answered_in_words_and_the_write_is_made_once() {
    unhurried();
    for fault in [
        Fault::of_model("no head comes", |_| Some(Reply::silent()), true, SORRY),
        Fault::of_model("no token comes", |_| Some(headed()), true, SORRY),
        Fault::of_model(
            "it breaks off in its words",
            |_| Some(Reply::broken_off_after("Let me think")),
            false,
            "Let me think Please call again. ",
        ),
        Fault::of_model(
            "it falls silent in its words",
            |_| Some(Reply::stalled_after("Let me think")),
            true,
            "Let me think Please call again. ",
        ),
        Fault::of_model(
            "it breaks off in its arguments",
            |_| Some(Reply::of([half_a_call(), Step::Break])),
            false,
            SORRY,
        ),
        Fault::of_tool("the tool is down", Tool::IsDown, false, "It did not work."),
        Fault::of_tool("the tool takes too long", Tool::IsHeld, true, "It did not work."),
        Fault {
            sent: 1,
            ..Fault::of_model(
                "it breaks off after the tool",
                |asked| (!asked.results().is_empty()).then(|| Reply::broken_off_after("It is")),
                false,
                "It is Please call again. ",
            )
        },
    ] {
        let Fault { what, model, tool, takes_time, said, sent, later } = fault;
        let faulty = Faulty::open(model, tool).await;
        let mut line = faulty.shop.answered("call-1").await;
        line.ask(1, &BOOK).await;
        if takes_time {
            match tool {
                Tool::IsHeld => faulty.shop.upstream.received(1).await,
                Tool::Answers | Tool::IsDown => faulty.shop.model.until_requests(1).await,
            }
            faulty.shop.gateway.caught_up().await;
            tokio::time::pause();
        }
        assert_eq!(line.answer(1).await, (said.to_owned(), closing(1, "")), "{what}");
        if takes_time {
            tokio::time::resume();
        }
        line.is_quiet(1).await;
        assert_eq!(faulty.bookings(), sent, "{what}");
        faulty.mend();
        line.ask(2, &BOOK).await;
        assert_eq!(line.answer(2).await, (later.to_owned(), closing(2, "")), "{what}");
        line.is_quiet(2).await;
        assert_eq!(faulty.bookings(), 1, "{what}");
    }
}

#[tokio::test]
async fn a_model_that_cannot_be_reached_is_answered_for_in_words() {
    let closed = ClosedPort::new();
    let mut model = ScriptedModel::start(books).await;
    model.base_url = format!("http://127.0.0.1:{}/v1", closed.port);
    let shop = Shop::open(model).await;
    let mut line = shop.answered("call-1").await;
    for id in [1, 2] {
        line.ask(id, &BOOK).await;
        assert_eq!(line.answer(id).await, (SORRY.to_owned(), closing(id, "")));
        line.is_quiet(id).await;
    }
}

#[tokio::test]
async fn in_any_phase_a_later_request_wins_and_what_cannot_be_read_disturbs_nothing() {
    for phase in Phase::ALL {
        let faulty = phase.open().await;
        let mut line = faulty.shop.answered("call-1").await;
        line.ask(1, &BOOK).await;
        phase.reached(&faulty).await;
        line.socket.send(Message::text("{")).await.unwrap();
        ping(&mut line).await;
        if let Some(nth) = phase.answer() {
            assert_eq!(faulty.shop.model.ending(nth), Some(Ending::Open), "{phase:?}");
        }
        faulty.mend();
        let mut transcript = vec![BOOK[0], ("user", "Never mind.")];
        line.ask(2, &transcript).await;
        assert_eq!(newest(&mut line, 2).await, "All right.", "{phase:?}");
        line.is_quiet(1).await;
        phase.is_left(&faulty).await;
        // A request that has been overtaken is not answered.
        line.ask(1, &BOOK).await;
        line.is_quiet(2).await;
        transcript.extend([("agent", "All right."), ("user", "Never mind.")]);
        line.ask(3, &transcript).await;
        assert_eq!(newest(&mut line, 3).await, "All right.", "{phase:?}");
        assert_eq!(faulty.bookings(), phase.sent(), "{phase:?}");
        let lines = faulty.shop.model.requests().last().unwrap().lines();
        let told = lines.iter().filter(|line| *line == r#"tool: book -> {"booked":3}"#).count();
        assert_eq!(told, phase.sent(), "{phase:?}: {lines:#?}");
    }
}

#[tokio::test]
async fn in_any_phase_a_line_may_end_and_the_next_one_has_the_write_made_once() {
    for phase in Phase::ALL {
        for is_cut_by_the_gateway in [false, true] {
            let faulty = phase.open().await;
            let mut line = faulty.shop.answered("call-1").await;
            line.ask(1, &BOOK).await;
            phase.reached(&faulty).await;
            if is_cut_by_the_gateway {
                // The gateway reads no more of it than its length.
                let _ = line.socket.send(Message::text(" ".repeat(8 * 1024 * 1024 + 1))).await;
                closes_with(&mut line, CloseCode::Size).await;
            }
            drop(line);
            phase.is_left(&faulty).await;
            faulty.mend();
            faulty.gate.add_permits(1);
            let mut line = faulty.shop.answered("call-1").await;
            line.ask(2, &BOOK).await;
            assert_eq!(newest(&mut line, 2).await, "Booked.", "{phase:?}");
            line.is_quiet(1).await;
            assert_eq!(faulty.bookings(), 1, "{phase:?}");
        }
    }
}

#[tokio::test]
async fn a_call_goes_on_in_words_while_the_store_fails() {
    for at in [At::Everything, At::Open, At::Claim, At::Sending] {
        let store = Shaky::new(Arc::new(MemoryStore::default()));
        store.fail(Some((at, Outage::Refused)));
        let upstream = Upstream::start(|_| upstream::Reply::ok(BOOKED)).await;
        let is_back = Arc::new(AtomicBool::new(false));
        let persists = is_back.clone();
        // What could not be done before is tried again.
        let model = ScriptedModel::start(move |asked| match asked.results().first() {
            Some(result) if !is_booked(result) && persists.load(Ordering::SeqCst) => book(),
            _ => books(asked),
        });
        let shop = Shop::over(store.clone(), upstream, model.await, "", "", &[]).await;
        let mut line = shop.answered("call-1").await;
        line.ask(1, &BOOK).await;
        assert_eq!(newest(&mut line, 1).await, "It did not work.", "{at:?}");
        assert_eq!(shop.upstream.requests().len(), 0, "{at:?}");
        store.fail(None);
        is_back.store(true, Ordering::SeqCst);
        line.ask(2, &BOOK).await;
        assert_eq!(newest(&mut line, 2).await, "Booked.", "{at:?}");
        line.is_quiet(1).await;
        assert_eq!(shop.upstream.requests().len(), 1, "{at:?}");
        for asked in shop.model.requests() {
            assert!(!asked.body.to_string().contains(CAUSE), "{}", asked.body);
        }
    }
}
