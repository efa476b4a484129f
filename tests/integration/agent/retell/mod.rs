//! Retell's custom LLM, over a real socket and with a WebSocket client of another make than the gateway's requests.
//!
//! `tests/data/retell` has a transcript for each frame that Retell documents: what it sends (`>`), and what it is
//! answered (`<`), where `"*"` stands for any text.

mod faults;

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use callgate::conversation::{MemoryStore, Store};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::model::asked::{Asked, Role, Said};
use super::model::{Ending, Reply, ScriptedModel, Step};
use crate::harness::{Gateway, files};
use crate::upstream::{self, Upstream};
use crate::wait::until_so;

/// What Retell knows.
const SECRET: &str = "retell-knows-this-0123456789abcdef";

const LOOK: &str = "description: Looks an order up.\nconnection: api\npath: /orders/{{.parameters.number}}\ntimeout_ms: 60000\n\
    parameters: {type: object, properties: {number: {type: string}}, required: [number]}\n";
const BOOK: &str = "description: Books a slot.\nconnection: api\nmethod: POST\npath: /book\ntimeout_ms: 60000\n\
    body: '{\"slot\": {{.parameters.slot}}, \"phone\": \"{{.variables.call.from_number}}\"}'\n\
    parameters: {type: object, properties: {slot: {type: integer}}, required: [slot]}\n";
const TO_SALES: &str = "description: Puts the caller through to sales.\ntype: handover\n\
    handover: {phone_number: '+14155550123', message: I will put you through.}\n";
const AGENT: &str = "description: Answers for the shop.\n\
    instructions: You answer for the shop. The caller is {{or .variables.call.from_number \"unknown\"}}.\n\
    greeting:\n  en: Hello{{with .variables.call.dynamic_variables}} {{.customer_name}}{{end}}, this is the shop.\n  de: Guten Tag.\n\
    on_failure: {model: Please call again.}\nfillers: {enabled: false}\nlimits: {timeout_ms: 60000}\n\
    model: {provider: openai, base_url: '{model}', auth: model_key, model: tiny, first_token_timeout_ms: 60000}\n";
const SETTINGS: &str = "environments = [\"development\", \"staging\"]\n[egress.development]\nallow = [\"127.0.0.1\"]\n\
    [agents.retell.shop]\nsecret = \"retell_llm\"\n";

/// A shop whose agent answers Retell.
struct Shop {
    gateway: Gateway,
    upstream: Upstream,
    model: ScriptedModel,
}

impl Shop {
    async fn open(model: ScriptedModel) -> Self {
        Self::with(model, "", "").await
    }

    /// The same with more lines in its settings and in the agent's file.
    async fn with(model: ScriptedModel, settings: &str, agent: &str) -> Self {
        Self::on(orders().await, model, settings, agent, &[]).await
    }

    /// The same with more files.
    async fn and(model: ScriptedModel, more: &[(&'static str, &str)]) -> Self {
        Self::on(orders().await, model, "", "", more).await
    }

    async fn on(
        upstream: Upstream,
        model: ScriptedModel,
        settings: &str,
        agent: &str,
        more: &[(&'static str, &str)],
    ) -> Self {
        Self::over(Arc::new(MemoryStore::default()), upstream, model, settings, agent, more).await
    }

    /// The same with a store of the test's own.
    async fn over(
        store: Arc<dyn Store>,
        upstream: Upstream,
        model: ScriptedModel,
        settings: &str,
        agent: &str,
        more: &[(&'static str, &str)],
    ) -> Self {
        let secrets = format!(
            "[development]\nmodel_key = \"sk-model-4711\"\nretell_llm = \"{SECRET}\"\n[staging]\nmodel_key = \"sk-model-4712\"\n"
        );
        let mut files = files(
            upstream.port,
            &[
                ("actions/look.yaml", LOOK),
                ("actions/book.yaml", BOOK),
                ("actions/to_sales.yaml", TO_SALES),
                ("auth/model_key.yaml", "type: bearer\ntoken: {secret: model_key}\n"),
                ("secrets.toml", &secrets),
            ],
        );
        files.extend(more.iter().map(|(name, text)| (*name, (*text).to_owned())));
        files.push(("agents/shop.yaml", AGENT.replace("{model}", &model.base_url) + agent));
        files.push(("callgate.toml", SETTINGS.to_owned() + settings));
        Self { gateway: Gateway::start_on(&files, store).await, upstream, model }
    }

    /// Retell calls; its first frame is the usual one.
    async fn dial(&self, call_id: &str) -> Line<'_> {
        let socket = TcpSocket::new_v4().unwrap();
        let mut line = self.dial_by(socket, call_id).await;
        assert_eq!(line.next().await, config());
        line
    }

    async fn dial_by(&self, socket: TcpSocket, call_id: &str) -> Line<'_> {
        let address = self.gateway.url.trim_start_matches("http://");
        let stream = socket.connect(address.parse().unwrap()).await.unwrap();
        let url = format!("ws://{address}/retell/llm/development/{SECRET}/{call_id}");
        let (socket, response) = client_async(url, stream).await.unwrap();
        assert_eq!(response.status(), 101);
        Line { socket, gateway: &self.gateway }
    }

    /// The same, with the first words said.
    async fn answered(&self, call_id: &str) -> Line<'_> {
        let mut line = self.dial(call_id).await;
        line.send(&json!({"interaction_type": "call_details", "call": {"from_number": "+12137771234"}}))
            .await;
        assert_eq!(line.next().await, closing(0, "Hello, this is the shop."));
        line
    }
}

/// The API of the shop.
async fn orders() -> Upstream {
    Upstream::start(|request| match request.line() {
        line if line.ends_with("/orders/404") => upstream::Reply::Json(404, "{}".to_owned()),
        _ => upstream::Reply::ok(r#"{"status":"sent"}"#),
    })
    .await
}

/// A connection, as Retell has it.
struct Line<'g> {
    socket: WebSocketStream<TcpStream>,
    gateway: &'g Gateway,
}

impl Line<'_> {
    async fn send(&mut self, frame: &Value) {
        self.socket.send(Message::text(frame.to_string())).await.unwrap();
    }

    async fn next(&mut self) -> Value {
        match self.socket.next().await {
            Some(Ok(Message::Text(text))) => {
                self.gateway.assert_untold(&text);
                serde_json::from_str(&text).unwrap()
            }
            other => panic!("{other:?}"),
        }
    }

    /// Asks for something to say.
    async fn ask(&mut self, id: u64, transcript: &[(&str, &str)]) {
        self.send(&asked("response_required", id, transcript)).await;
    }

    /// Reads the answer to `id` to its closing frame: what is said, and the frame.
    async fn answer(&mut self, id: u64) -> (String, Value) {
        let mut said = String::new();
        loop {
            let frame = self.next().await;
            if frame["response_type"] != "response" {
                continue;
            }
            assert_eq!(frame["response_id"], id, "{frame}");
            said.push_str(frame["content"].as_str().unwrap());
            if frame["content_complete"] == true {
                return (said, frame);
            }
        }
    }

    /// Nothing waits to be read: the answer to a ping is the next frame.
    async fn is_quiet(&mut self, timestamp: u64) {
        self.send(&json!({"interaction_type": "ping_pong", "timestamp": timestamp})).await;
        assert_eq!(self.next().await, json!({"response_type": "ping_pong", "timestamp": timestamp}));
    }

    /// The gateway ends the connection with this code.
    async fn ends_with(&mut self, code: CloseCode) {
        match self.socket.next().await {
            Some(Ok(Message::Close(Some(frame)))) => assert_eq!(frame.code, code),
            other => panic!("{other:?}"),
        }
    }

    /// The line is cut: no frame says that it ends, which Retell takes as code 1006.
    async fn is_cut(&mut self) {
        match self.socket.next().await {
            Some(Err(Error::Protocol(_))) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn config() -> Value {
    json!({"response_type": "config", "config": {"auto_reconnect": true, "call_details": true, "transcript_with_tool_calls": false}})
}

fn asked(kind: &str, id: u64, transcript: &[(&str, &str)]) -> Value {
    let utterance = |(role, content): &(&str, &str)| json!({"role": role, "content": content, "words": []});
    let transcript: Vec<Value> = transcript.iter().map(utterance).collect();
    json!({"interaction_type": kind, "response_id": id, "transcript": transcript})
}

fn closing(id: u64, content: &str) -> Value {
    json!({"response_type": "response", "response_id": id, "content": content, "content_complete": true})
}

fn piece(id: u64, content: &str) -> Value {
    json!({"response_type": "response", "response_id": id, "content": content, "content_complete": false})
}

/// What the model of the transcripts says.
fn is_reminder(said: &Said) -> bool {
    said.role == Role::System && said.text.contains("silent")
}

fn by_what_is_said(asked: &Asked) -> Reply {
    let last = asked.messages.last().unwrap();
    match (last.role, asked.user()) {
        (Role::Tool, _) if last.results[0].content.contains("sent") => Reply::says("It is sent."),
        (Role::Tool, _) => Reply::says("Sorry."),
        // Providers want a user's message at the end.
        _ if asked.messages.iter().rev().take(2).any(is_reminder) => Reply::says("Still there?"),
        (_, "Where is order 7?") => {
            Reply::calls([("look", json!({"number": "7"}))]).with_preamble("One moment.")
        }
        (_, "Where is order 404?") => Reply::calls([("look", json!({"number": "404"}))]),
        (_, "That was all. Bye!") => Reply::calls([("end_call", json!({"message": "Goodbye."}))]),
        (_, "Sales, please.") => Reply::calls([("to_sales", json!({}))]),
        _ => Reply::says("I'm well."),
    }
}

/// Whether `frame` is the one that is expected, where `"*"` is any text.
fn fits(frame: &Value, expected: &Value) -> bool {
    match (frame, expected) {
        (Value::String(_), Value::String(any)) if any == "*" => true,
        (Value::Object(frame), Value::Object(expected)) => {
            frame.len() == expected.len()
                && expected.iter().all(|(name, value)| frame.get(name).is_some_and(|own| fits(own, value)))
        }
        _ => frame == expected,
    }
}

#[tokio::test]
async fn every_frame_is_answered_as_its_transcript_says() {
    let shop = Shop::open(ScriptedModel::start(by_what_is_said).await).await;
    let mut kinds = BTreeSet::new();
    let mut transcripts: Vec<_> =
        fs::read_dir("tests/data/retell").unwrap().map(|file| file.unwrap().path()).collect();
    transcripts.sort();
    for path in transcripts {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let mut line = shop.dial(name).await;
        for written in fs::read_to_string(&path).unwrap().lines() {
            let (sign, frame) = written.split_at(1);
            if sign == "#" {
                continue;
            }
            let frame: Value = serde_json::from_str(frame).unwrap_or_else(|error| panic!("{name}: {error}"));
            let kind =
                ["interaction_type", "response_type"].into_iter().find_map(|kind| frame[kind].as_str());
            kinds.insert(kind.unwrap().to_owned());
            match (sign, name) {
                (">", _) => line.send(&frame).await,
                // It has been read.
                ("<", "config") => assert_eq!(frame, config()),
                ("<", _) => {
                    let came = line.next().await;
                    assert!(fits(&came, &frame), "{name}: {came}\nin place of {frame}");
                }
                _ => panic!("{name}: {written}"),
            }
        }
        if name != "config" {
            line.is_quiet(4711).await;
        }
    }
    // What Callgate never sends: `agent_interrupt`, `update_agent`, `metadata`.
    let expected = [
        "call_details",
        "config",
        "ping_pong",
        "reminder_required",
        "response",
        "response_required",
        "tool_call_invocation",
        "tool_call_result",
        "update_only",
    ];
    assert!(kinds.iter().eq(expected), "{kinds:?}");
}

#[tokio::test]
async fn the_first_words_are_in_the_callers_language_and_come_without_details_too() {
    let shop = Shop::open(ScriptedModel::start(by_what_is_said).await).await;
    let mut line = shop.dial("one").await;
    line.send(&json!({"interaction_type": "call_details", "call": {"metadata": {"language": "de-AT"}}}))
        .await;
    assert_eq!(line.next().await, closing(0, "Guten Tag."));
    let mut line = shop.dial("two").await;
    assert_eq!(line.next().await, closing(0, "Hello, this is the shop."));
    line.is_quiet(1).await;
}

#[tokio::test]
async fn what_is_known_of_a_call_is_there_for_its_turns_and_their_tools() {
    let model = ScriptedModel::answering([
        Reply::calls([("book", json!({"slot": 3}))]),
        Reply::says("Booked."),
        Reply::calls([("end_call", json!({"message": "Bye."}))]),
    ])
    .await;
    let shop = Shop::open(model).await;
    let mut line = shop.answered("call-1").await;
    line.ask(1, &[("agent", "Hello, this is the shop."), ("user", "Book slot 3")]).await;
    assert_eq!(line.answer(1).await, ("Booked.".to_owned(), closing(1, "")));
    let asked = &shop.model.requests()[0];
    assert!(asked.system.contains("The caller is +12137771234."), "{}", asked.system);
    assert_eq!(asked.lines(), ["assistant: Hello, this is the shop.", "user: Book slot 3"]);
    assert_eq!(asked.tools, ["book", "look", "to_sales", "end_call"]);
    let sent: Value = serde_json::from_str(&shop.upstream.requests()[0].text()).unwrap();
    assert_eq!(sent["phone"], "+12137771234");
}

#[tokio::test]
async fn no_model_ends_a_call_where_the_settings_do_not_let_it_or_an_action_has_the_name() {
    let yes = async || ScriptedModel::start(|_| Reply::says("Yes.")).await;
    let own = "description: Notes that the caller says goodbye.\nconnection: api\npath: /goodbye\n";
    for (shop, tools) in [
        (Shop::with(yes().await, "end_call = false\n", "").await, &["book", "look", "to_sales"][..]),
        (
            Shop::and(yes().await, &[("actions/end_call.yaml", own)]).await,
            &["book", "end_call", "look", "to_sales"],
        ),
    ] {
        let mut line = shop.answered("call-1").await;
        line.ask(1, &[("user", "Bye")]).await;
        assert_eq!(line.answer(1).await.0, "Yes.");
        assert_eq!(shop.model.request().tools, tools);
    }
}

#[tokio::test]
async fn a_later_request_stops_the_answer_to_an_earlier_one() {
    let model = ScriptedModel::start(|asked| match asked.nth {
        0 => Reply::says("One").then(Step::Stall),
        _ => Reply::says("Two."),
    })
    .await;
    let shop = Shop::open(model).await;
    let mut line = shop.answered("call-1").await;
    line.ask(1, &[("user", "Well")]).await;
    assert_eq!(line.next().await, piece(1, "One"));
    line.ask(2, &[("user", "Well, where is it?")]).await;
    shop.model.until_hung_up(0).await;
    assert_eq!(line.next().await, piece(2, "Two."));
    assert_eq!(line.next().await, closing(2, ""));
    line.is_quiet(1).await;
}

#[tokio::test]
async fn a_write_of_an_answer_that_was_stopped_is_made_once() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let upstream = Upstream::start(move |_| {
        upstream::Reply::Held(held.clone(), Box::new(upstream::Reply::ok(r#"{"booked":true}"#)))
    });
    let book = || Reply::calls([("book", json!({"slot": 3}))]);
    let model = ScriptedModel::answering([book(), book(), Reply::says("Booked.")]).await;
    let shop = Shop::on(upstream.await, model, "", "", &[]).await;
    let mut line = shop.answered("call-1").await;
    line.ask(1, &[("user", "Book slot 3")]).await;
    shop.upstream.received(1).await;
    assert_eq!(line.next().await["response_type"], "tool_call_invocation");
    line.ask(2, &[("user", "Book slot 3, please")]).await;
    assert_eq!(line.next().await["response_type"], "tool_call_invocation");
    gate.add_permits(2);
    let result = line.next().await;
    assert_eq!((&result["response_type"], &result["successful"]), (&json!("tool_call_result"), &json!(true)));
    assert_eq!(line.answer(2).await.0, "Booked.");
    shop.gateway.at_rest().await;
    assert_eq!(shop.upstream.requests().len(), 1);
}

#[tokio::test]
async fn a_ping_is_answered_while_an_answer_is_made() {
    let model = ScriptedModel::start(|_| Reply::silent()).await;
    let shop = Shop::open(model).await;
    let mut line = shop.answered("call-1").await;
    line.ask(1, &[("user", "Well?")]).await;
    shop.model.until_requests(1).await;
    for time in [1, 2, 3] {
        line.is_quiet(time).await;
    }
    // Whoever hangs up is not answered any more.
    drop(line);
    shop.model.until_hung_up(0).await;
}

#[tokio::test]
async fn a_reminder_keeps_what_the_tools_of_the_answer_before_it_did() {
    let shop = Shop::with(ScriptedModel::start(by_what_is_said).await, "", "system_messages: ignore\n").await;
    let mut line = shop.answered("call-1").await;
    let mut transcript = vec![("user", "Where is order 7?")];
    line.ask(1, &transcript).await;
    assert_eq!(line.answer(1).await.0, "One moment. It is sent.");
    transcript.push(("agent", "One moment. It is sent."));
    line.send(&asked("reminder_required", 2, &transcript)).await;
    assert_eq!(line.answer(2).await.0, "Still there?");
    transcript.extend([("agent", "Still there?"), ("user", "(unintelligible audio)")]);
    line.ask(3, &transcript).await;
    assert_eq!(line.answer(3).await.0, "I'm well.");
    let requests = shop.model.requests();
    let rounds = [
        "user: Where is order 7?",
        r#"assistant: One moment. look({"number":"7"})"#,
        r#"tool: look -> {"status":"sent"}"#,
        "assistant: It is sent.",
    ];
    let reminded = requests[2].lines();
    assert_eq!(reminded[..4], rounds);
    assert!(reminded[4].starts_with("system: The caller has been silent"), "{reminded:?}");
    let later = requests[3].lines();
    assert_eq!(later[..4], rounds);
    assert_eq!(
        later[4..],
        ["assistant: Still there?", "user: (The caller said something that could not be understood.)"]
    );
}

#[tokio::test]
async fn for_who_does_not_know_the_secret_there_is_nothing() {
    let shop = Shop::open(ScriptedModel::start(by_what_is_said).await).await;
    let answer = async |method: &str, path: &str| {
        let request =
            shop.gateway.request(method, path).header("connection", "upgrade").header("upgrade", "websocket");
        let request = request
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        (status, headers["content-type"].clone(), response.text().await.unwrap().replace(path, "PATH"))
    };
    let unknown = answer("GET", "/retell/something/else").await;
    assert_eq!(unknown.0, 404);
    let almost = &SECRET[1..];
    for path in [
        format!("/retell/llm/development/{almost}/call-1"),
        "/retell/llm/development/x/call-1".to_owned(),
        "/retell/llm/development/%FF/call-1".to_owned(),
    ] {
        assert_eq!(answer("GET", &path).await, unknown, "{path}");
    }
    let (status, _, text) = answer("POST", "/retell/llm/development/x/call-1").await;
    assert_eq!((status, text), (404, unknown.2.replace("GET", "POST")));
    // The environment has no such secret, or is none.
    for environment in ["staging", "elsewhere"] {
        let path = format!("/retell/llm/{environment}/{SECRET}/call-1");
        let response =
            crate::harness::client().get(format!("{}{path}", shop.gateway.url)).send().await.unwrap();
        assert_eq!(response.status(), 404, "{environment}");
    }
    // Whoever knows it is told what is wrong with the request.
    for (call_id, part) in [("call-1", "WebSocket"), ("%7B%7Bcall_id%7D%7D", "placeholder")] {
        let path = format!("/retell/llm/development/{SECRET}/{call_id}");
        let (status, problem) = shop.gateway.get(&path).await;
        assert_eq!(status, 400, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(part), "{problem}");
    }
    assert!(!shop.gateway.log.text().contains(SECRET));
}

#[tokio::test]
async fn what_cannot_be_read_is_passed_over_and_logged() {
    let shop = Shop::open(ScriptedModel::start(by_what_is_said).await).await;
    let mut line = shop.answered("call-1").await;
    let frames = [
        "",
        "{",
        "[]",
        "7",
        "{\"interaction_type\": \"response_required\", \"response_id\": 1, \"transcript\": \"melon\"}",
        "{\"interaction_type\": \"response_required\", \"response_id\": \"melon\", \"transcript\": []}",
    ];
    for (count, frame) in frames.into_iter().enumerate() {
        line.socket.send(Message::text(frame)).await.unwrap();
        line.is_quiet(count as u64).await;
        let logged = shop.gateway.log.text().matches("a frame of Retell's was passed over").count();
        assert_eq!(logged, count + 1, "{frame}");
    }
    line.send(&json!({"interaction_type": "of another time", "transcript": 7})).await;
    line.ask(1, &[("user", "Well?")]).await;
    assert_eq!(line.answer(1).await.0, "I'm well.");
    assert!(!shop.gateway.log.text().contains("melon"), "what was said is not logged");
}

#[tokio::test]
async fn who_does_not_speak_the_protocol_is_hung_up_on() {
    let shop = Shop::open(ScriptedModel::start(by_what_is_said).await).await;
    let mut line = shop.answered("call-1").await;
    line.socket.send(Message::binary(b"{}".as_slice())).await.unwrap();
    line.ends_with(CloseCode::Invalid).await;
    let mut line = shop.answered("call-2").await;
    // The gateway reads no more of it than its length.
    let _ = line.socket.send(Message::text(" ".repeat(8 * 1024 * 1024 + 1))).await;
    line.ends_with(CloseCode::Size).await;
    // A transcript of some hours is read.
    let mut line = shop.answered("call-3").await;
    let words: Vec<Value> =
        (0..60_000).map(|at| json!({"word": "word", "start": at, "end": at + 1})).collect();
    let mut long = asked("response_required", 1, &[("user", "Well?")]);
    long["transcript"][0]["words"] = words.into();
    line.send(&long).await;
    assert_eq!(line.answer(1).await.0, "I'm well.");
}

#[tokio::test]
async fn a_caller_hears_a_sentence_where_no_model_answers() {
    let model = ScriptedModel::start(|_| Reply::status(500)).await;
    let shop = Shop::open(model).await;
    let mut line = shop.answered("call-1").await;
    line.ask(1, &[("user", "Well?")]).await;
    assert_eq!(line.answer(1).await, ("Please call again. ".to_owned(), closing(1, "")));
    line.is_quiet(1).await;
}

#[tokio::test]
async fn a_caller_hears_a_sentence_where_there_is_no_room() {
    let model = ScriptedModel::start(|_| Reply::silent()).await;
    let shop = Shop::with(model, "[server]\nmax_calls_in_flight = 1\n", "").await;
    let mut first = shop.answered("call-1").await;
    first.ask(1, &[("user", "Well?")]).await;
    shop.model.until_requests(1).await;
    let mut second = shop.answered("call-2").await;
    second.ask(1, &[("user", "Well?")]).await;
    assert_eq!(second.next().await, closing(1, "Please call again."));
    shop.model.until_requests(1).await;
    assert_eq!(shop.model.ending(0), Some(Ending::Open));
}

#[tokio::test]
async fn a_connection_that_is_made_anew_goes_on_with_the_call() {
    for (settings, is_shared) in [("", true), ("conversations = \"own\"\n", false)] {
        let shop = Shop::with(ScriptedModel::start(by_what_is_said).await, settings, "").await;
        let mut line = shop.answered("call-1").await;
        line.ask(1, &[("user", "Where is order 7?")]).await;
        line.answer(1).await;
        // Without a goodbye.
        drop(line);
        let mut line = shop.answered("call-1").await;
        line.ask(2, &[("user", "Where is order 7?"), ("agent", "One moment. It is"), ("user", "Thanks.")])
            .await;
        assert_eq!(line.answer(2).await.0, "I'm well.");
        let expected = [
            "user: Where is order 7?",
            r#"assistant: One moment. look({"number":"7"})"#,
            r#"tool: look -> {"status":"sent"}"#,
            "assistant: It is",
            "user: Thanks.",
        ];
        assert_eq!(shop.model.requests()[2].lines(), expected);
        let (status, _) = shop.gateway.get("/v1/conversations/call-1?environment=development").await;
        assert_eq!(status, if is_shared { 200 } else { 404 });
        // Another call knows nothing of it.
        let mut line = shop.answered("call-2").await;
        line.ask(1, &[("user", "Where is order 7?"), ("agent", "One moment. It is"), ("user", "Thanks.")])
            .await;
        line.answer(1).await;
        let lines = shop.model.requests()[3].lines();
        assert_eq!(lines, ["user: Where is order 7?", "assistant: One moment. It is", "user: Thanks."]);
    }
}

#[tokio::test]
async fn a_stop_lets_an_answer_end_and_then_cuts_the_line() {
    let go = Arc::new(Notify::new());
    let until = go.clone();
    let model =
        ScriptedModel::start(move |_| Reply::says("One").then(Step::Wait(until.clone())).and_says(" two."))
            .await;
    let shop = Shop::open(model).await;
    let mut idle = shop.answered("call-1").await.socket;
    let mut line = shop.answered("call-2").await;
    line.ask(1, &[("user", "Well?")]).await;
    assert_eq!(line.next().await, piece(1, "One"));
    shop.gateway.stop();
    // Who has no answer under way is let go at once.
    let cut = idle.next().await;
    assert!(matches!(cut, Some(Err(Error::Protocol(_)))), "{cut:?}");
    line.is_quiet(1).await;
    go.notify_one();
    assert_eq!(line.next().await, piece(1, " two."));
    assert_eq!(line.next().await, closing(1, ""));
    line.is_cut().await;
}

#[tokio::test]
async fn who_reads_nothing_is_hung_up_on() {
    let much = "x".repeat(64 * 1024);
    let model = ScriptedModel::start(move |_| Reply::of((0..12).map(|_| Step::Text(much.clone())))).await;
    let shop = Shop::with(model, "[server]\nwrite_timeout_ms = 200\n", "").await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut line = shop.dial_by(socket, "call-1").await;
    let is_hung_up_on = || shop.gateway.log.text().contains("the client takes nothing of its answer");
    // What the system takes of it is some megabytes at most.
    for nth in 0..64 {
        if is_hung_up_on() {
            break;
        }
        line.ask(nth as u64 + 1, &[("user", "Tell me a story")]).await;
        let is_over = || shop.model.ending(nth).is_some_and(|ending| ending != Ending::Open);
        until_so("an end", || is_over() || is_hung_up_on()).await;
    }
    assert!(is_hung_up_on());
    shop.gateway.at_rest().await;
}
