//! A language model on a port of its own, which speaks the forms of four providers and says what a test has written.
//!
//! ```ignore
//! let model = ScriptedModel::start(|asked| match asked.round() {
//!     0 => Reply::calls([("get_order", json!({"number": 1}))]).with_preamble("One moment."),
//!     _ => Reply::says(&format!("It is {}.", asked.results()[0].json()["status"])),
//! }).await;
//! ```
//!
//! It refuses what the providers refuse, by `rules.rs`, and then the test fails in the end, unless it
//! [allows](ScriptedModel::allow_refusals) that.

pub(crate) mod asked;
mod rules;
mod wire;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::WriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::upstream::{Captured, read};
use crate::wait::until;
use asked::Asked;
use wire::{Data, Event, Teller};

/// A step of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// One piece of text.
    Text(String),
    /// One piece of what the model thinks, which nobody is to hear.
    Thought(String),
    /// A call, its arguments as they are, in pieces. Without an id, the model makes one; Gemini makes none.
    Call { id: Option<String>, name: String, arguments: String },
    /// The beginning of a call, which is not closed. Gemini, whose calls come whole, says nothing.
    HalfCall { id: Option<String>, name: String, arguments: String },
    /// An event that is this value.
    Event(Value),
    /// These bytes as they are. As the first step it has nothing before it, as the last one nothing after it.
    Raw(Bytes),
    /// Nothing, until it is told to go on. A permit that was given before counts.
    Wait(Arc<Notify>),
    /// The tokens in and out that the answer tells of, wherever this stands; 100 and 10 without it. A chat tells of
    /// them if it is asked to.
    Usage(u64, u64),
    /// Why it ends: `stop`, `tool_calls`, `length` or `content_filter`, which become the form's own words, or a word
    /// as it is. Without this step, it is `tool_calls` after a call, else `stop`.
    Finish(&'static str),
    /// An error event, and the end.
    Failure(Failure),
    /// The end of the answer here and now, without what belongs there.
    End,
    /// The connection closes.
    Break,
    /// Nothing, for ever.
    Stall,
}

impl Step {
    pub(crate) fn call(id: Option<&str>, name: &str, arguments: &str) -> Self {
        Self::Call { id: id.map(str::to_owned), name: name.to_owned(), arguments: arguments.to_owned() }
    }

    pub(crate) fn half_call(name: &str, arguments: &str) -> Self {
        Self::HalfCall { id: None, name: name.to_owned(), arguments: arguments.to_owned() }
    }
}

/// What a provider says went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// `error.code` (OpenAI), `error.type` (Anthropic), `error.status` (Gemini).
    pub code: String,
    pub message: String,
}

impl Failure {
    pub(crate) fn new(code: &str, message: &str) -> Self {
        Self { code: code.to_owned(), message: message.to_owned() }
    }
}

/// When the head of an answer goes out.
#[derive(Clone, Debug)]
enum Head {
    Now,
    After(Arc<Notify>),
    Never,
    /// The connection closes instead.
    Closed,
}

/// How a stream is written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Framing {
    /// How many bytes each piece has that the client reads; without a number, each event is one.
    pub pieces: Option<usize>,
    /// Lines end in CR LF.
    pub crlf: bool,
    /// Comments stand between events and within them.
    pub comments: bool,
    /// A byte order mark comes first.
    pub bom: bool,
    /// The JSON of an event stands on several `data` lines.
    pub spread: bool,
    /// No space after the colons.
    pub tight: bool,
}

impl Framing {
    /// Ways that mean the same.
    pub(crate) const ALL: [Self; 7] = {
        let plain =
            Self { pieces: None, crlf: false, comments: false, bom: false, spread: false, tight: false };
        [
            plain,
            Self { pieces: Some(1), ..plain },
            Self { crlf: true, ..plain },
            Self { pieces: Some(1), crlf: true, comments: true, bom: true, spread: true, tight: true },
            Self { pieces: Some(7), comments: true, ..plain },
            Self { pieces: Some(4_096), bom: true, tight: true, ..plain },
            Self { spread: true, ..plain },
        ]
    };

    fn write(self, event: &Event) -> Vec<u8> {
        let (end, gap) = (if self.crlf { "\r\n" } else { "\n" }, if self.tight { "" } else { " " });
        let mut text = String::new();
        if self.comments {
            text.push_str(&format!(": keep-alive{end}{end}"));
        }
        if let Some(name) = event.name {
            text.push_str(&format!("event:{gap}{name}{end}"));
        }
        if self.comments {
            text.push_str(&format!(":{end}"));
        }
        let data = match &event.data {
            Data::Json(value) if self.spread => serde_json::to_string_pretty(value).unwrap(),
            Data::Json(value) => value.to_string(),
            Data::Text(text) => (*text).to_owned(),
        };
        for line in data.lines() {
            text.push_str(&format!("data:{gap}{line}{end}"));
        }
        text.push_str(end);
        text.into_bytes()
    }
}

/// What a model answers.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub status: u16,
    /// Besides the usual ones, or in their place.
    pub headers: Vec<(String, String)>,
    pub steps: Vec<Step>,
    pub framing: Framing,
    head: Head,
    /// What an answer that is no success says, where it is not the usual.
    failure: Option<Failure>,
    /// The answer is one JSON value, whatever was asked for.
    is_whole: bool,
    /// After how many bytes of the body the connection closes.
    cut: Option<usize>,
    /// What the last chunk waits for, which ends the body of a stream.
    last_chunk: Option<Arc<Notify>>,
}

impl Reply {
    /// These steps.
    pub(crate) fn of(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            steps: steps.into_iter().collect(),
            framing: Framing::default(),
            head: Head::Now,
            failure: None,
            is_whole: false,
            cut: None,
            last_chunk: None,
        }
    }

    /// A text, word by word.
    pub(crate) fn says(text: &str) -> Self {
        Self::of(words(text))
    }

    /// Calls of tools.
    pub(crate) fn calls<'a>(calls: impl IntoIterator<Item = (&'a str, Value)>) -> Self {
        Self::of(calls.into_iter().map(|(name, arguments)| Step::call(None, name, &arguments.to_string())))
    }

    /// An error of this status, in the usual words of the provider.
    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::of([]) }
    }

    /// A text, and then the connection closes.
    pub(crate) fn broken_off_after(text: &str) -> Self {
        Self::says(text).then(Step::Break)
    }

    /// A text, and then nothing for ever.
    pub(crate) fn stalled_after(text: &str) -> Self {
        Self::says(text).then(Step::Stall)
    }

    /// Not even a head, for ever.
    pub(crate) fn silent() -> Self {
        Self { head: Head::Never, ..Self::of([]) }
    }

    /// The connection closes without an answer.
    pub(crate) fn closed() -> Self {
        Self { head: Head::Closed, ..Self::of([]) }
    }

    /// A further step.
    pub(crate) fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// A text after what is there.
    pub(crate) fn and_says(mut self, text: &str) -> Self {
        self.steps.extend(words(text));
        self
    }

    /// Calls after what is there.
    pub(crate) fn and_calls<'a>(mut self, calls: impl IntoIterator<Item = (&'a str, Value)>) -> Self {
        self.steps.extend(Self::calls(calls).steps);
        self
    }

    /// A text before what is there.
    pub(crate) fn with_preamble(mut self, text: &str) -> Self {
        self.steps.splice(0..0, words(text));
        self
    }

    /// Tokens in and out.
    pub(crate) fn using(self, input: u64, output: u64) -> Self {
        self.then(Step::Usage(input, output))
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn retry_after(self, seconds: u32) -> Self {
        self.header("retry-after", &seconds.to_string())
    }

    /// What an error says.
    pub(crate) fn because(mut self, code: &str, message: &str) -> Self {
        self.failure = Some(Failure::new(code, message));
        self
    }

    pub(crate) fn framed(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// In pieces of so many bytes.
    pub(crate) fn in_pieces(mut self, bytes: usize) -> Self {
        self.framing.pieces = Some(bytes);
        self
    }

    /// One JSON value in place of a stream, as of a server that does not know `stream`.
    pub(crate) fn whole(mut self) -> Self {
        self.is_whole = true;
        self
    }

    /// Not even a head until it is told to go on.
    pub(crate) fn held(mut self, until: Arc<Notify>) -> Self {
        self.head = Head::After(until);
        self
    }

    /// All that belongs to the stream comes at once, and the end of its body when it is told to.
    pub(crate) fn ending_after(mut self, told: Arc<Notify>) -> Self {
        self.last_chunk = Some(told);
        self
    }

    /// The connection closes after so many bytes of the body.
    pub(crate) fn cut_after(mut self, bytes: usize) -> Self {
        self.cut = Some(bytes);
        self
    }
}

/// A piece for each word, with the space before it, as models write.
fn words(text: &str) -> Vec<Step> {
    let mut pieces: Vec<String> = Vec::new();
    let mut after_space = true;
    for character in text.chars() {
        if pieces.is_empty() || (character == ' ' && !after_space) {
            pieces.push(String::new());
        }
        pieces.last_mut().unwrap().push(character);
        after_space = character == ' ';
    }
    pieces.into_iter().map(Step::Text).collect()
}

/// What has become of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It is not over.
    Open,
    /// All of it was sent.
    Whole,
    /// The model closed the connection, as it was told to.
    Broken,
    /// The client dropped the connection before the end.
    HungUp,
}

/// A model on a port of its own.
pub(crate) struct ScriptedModel {
    /// `http://127.0.0.1:<port>/v1`
    pub base_url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    asked: Mutex<Vec<(Asked, Ending)>>,
    /// What was refused by the rules, and what could not be read.
    refused: Mutex<Vec<String>>,
    allows_refusals: AtomicBool,
    connections: AtomicUsize,
}

impl ScriptedModel {
    /// Starts a model that answers each request by `answer`.
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let (kept, answer) = (state.clone(), Arc::new(answer));
        tokio::task::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                kept.connections.fetch_add(1, Ordering::SeqCst);
                tokio::task::spawn(converse(stream, kept.clone(), answer.clone()));
            }
        });
        Self { base_url: format!("http://127.0.0.1:{port}/v1"), state }
    }

    /// Starts a model that gives these answers, one for each request, and errors after them.
    pub(crate) async fn answering(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies: Vec<Reply> = replies.into_iter().collect();
        Self::start(move |asked| {
            let over = || Reply::status(500).because("script_over", "the script is over");
            replies.get(asked.nth).cloned().unwrap_or_else(over)
        })
        .await
    }

    /// Every request so far.
    pub(crate) fn requests(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().iter().map(|(asked, _)| asked.clone()).collect()
    }

    /// Over how many connections they came.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// The only request so far.
    #[track_caller]
    pub(crate) fn request(&self) -> Asked {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{:?}", requests.iter().map(Asked::lines).collect::<Vec<_>>());
        requests.remove(0)
    }

    /// What has become of the answer to the `nth` request, counted from 0.
    pub(crate) fn ending(&self, nth: usize) -> Option<Ending> {
        self.state.asked.lock().unwrap().get(nth).map(|(_, ending)| *ending)
    }

    /// Waits until `count` requests have come.
    pub(crate) async fn until_requests(&self, count: usize) {
        let came = async || (self.state.asked.lock().unwrap().len() >= count).then_some(());
        until(&format!("request {count} to the model"), came).await;
    }

    /// Waits until the answer to the `nth` request, counted from 0, is over; how it ended.
    pub(crate) async fn until_over(&self, nth: usize) -> Ending {
        until(&format!("the end of answer {nth}"), async || {
            self.ending(nth).filter(|ending| *ending != Ending::Open)
        })
        .await
    }

    /// Waits until the client of the `nth` request, counted from 0, has dropped the connection before the end of the
    /// answer; panics where the answer ends otherwise.
    pub(crate) async fn until_hung_up(&self, nth: usize) {
        let ending = self.until_over(nth).await;
        assert_eq!(ending, Ending::HungUp, "answer {nth}");
    }

    /// What it has refused, because no provider would take it.
    pub(crate) fn refusals(&self) -> Vec<String> {
        self.state.refused.lock().unwrap().clone()
    }

    /// The test makes requests that are refused.
    pub(crate) fn allow_refusals(&self) {
        self.state.allows_refusals.store(true, Ordering::SeqCst);
    }
}

impl Drop for ScriptedModel {
    fn drop(&mut self) {
        if !std::thread::panicking() && !self.state.allows_refusals.load(Ordering::SeqCst) {
            assert_eq!(self.refusals(), [""; 0], "requests that no provider takes");
        }
    }
}

async fn converse<F: Fn(&Asked) -> Reply>(mut stream: TcpStream, state: Arc<State>, answer: Arc<F>) {
    stream.set_nodelay(true).unwrap();
    let mut buffer = Vec::new();
    while let Some(request) = read(&mut stream, &mut buffer).await {
        let Some(asked) = state.note(request) else {
            let body = r#"{"error":{"message":"there is nothing here","type":"invalid_request_error"}}"#;
            let sent = stream.write_all(&head(404, &[], Some(body.len()))).await;
            if sent.is_err() || stream.write_all(body.as_bytes()).await.is_err() {
                return;
            }
            continue;
        };
        let reply = match rules::refusal(&asked) {
            None => answer(&asked),
            Some(why) => {
                state.refused.lock().unwrap().push(why.clone());
                let code = Failure::usual(asked.form, 400).code;
                Reply::status(400).because(&code, &why)
            }
        };
        let (mut from, to) = stream.split();
        let ending = tokio::select! {
            biased;
            ending = send(&asked, &reply, to) => ending,
            () = async { while matches!(from.read_buf(&mut buffer).await, Ok(1..)) {} } => Ending::HungUp,
        };
        state.asked.lock().unwrap()[asked.nth].1 = ending;
        if ending != Ending::Whole {
            return;
        }
    }
}

impl State {
    /// Keeps a request, if it is one to a model.
    fn note(&self, request: Captured) -> Option<Asked> {
        let mut all = self.asked.lock().unwrap();
        match Asked::read(all.len(), request) {
            Ok(asked) => {
                all.push((asked.clone(), Ending::Open));
                Some(asked)
            }
            Err(why) => {
                self.refused.lock().unwrap().push(why);
                None
            }
        }
    }
}

/// Sends an answer; how it ended.
async fn send(asked: &Asked, reply: &Reply, mut to: WriteHalf<'_>) -> Ending {
    match &reply.head {
        Head::Now => {}
        Head::After(told) => told.notified().await,
        Head::Never => std::future::pending().await,
        Head::Closed => return Ending::Broken,
    }
    let is_error = reply.status != 200 && reply.steps.is_empty();
    let whole = if is_error {
        let usual = || Failure::usual(asked.form, reply.status);
        let failure = reply.failure.clone().unwrap_or_else(usual);
        Some(failure.body(asked.form, reply.status))
    } else if reply.is_whole || !asked.stream {
        Some(Teller::new(asked, &reply.steps).whole(&reply.steps))
    } else {
        None
    };
    let mut body = Body { to: &mut to, pieces: reply.framing.pieces, left: reply.cut, kept: Vec::new() };
    let sent = match whole {
        Some(value) => body.whole(reply, &value).await,
        None => body.stream(asked, reply).await,
    };
    // What cannot be written has nobody to read it.
    sent.unwrap_or(Ending::HungUp)
}

/// The head of an answer, whose body has this length or comes in chunks.
fn head(status: u16, headers: &[(String, String)], length: Option<usize>) -> Vec<u8> {
    let kind = if length.is_some() { "application/json" } else { "text/event-stream; charset=utf-8" };
    let body = match length {
        Some(length) => ("content-length", length.to_string()),
        None => ("transfer-encoding", "chunked".to_owned()),
    };
    let usual = [("content-type", kind.to_owned()), ("cache-control", "no-cache".to_owned()), body];
    let is_given = |name: &str| headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
    let mut text = format!("HTTP/1.1 {status} X\r\n");
    for (name, value) in usual.iter().filter(|(name, _)| !is_given(name)) {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// The body of an answer on its way.
struct Body<'a, 'b> {
    to: &'a mut WriteHalf<'b>,
    pieces: Option<usize>,
    /// How many bytes may still go out.
    left: Option<usize>,
    /// What is too little for a piece.
    kept: Vec<u8>,
}

type Sent = std::io::Result<Ending>;

impl Body<'_, '_> {
    async fn whole(&mut self, reply: &Reply, value: &Value) -> Sent {
        let text = value.to_string();
        self.to.write_all(&head(reply.status, &reply.headers, Some(text.len()))).await?;
        let sent = self.left.map_or(text.len(), |left| left.min(text.len()));
        self.to.write_all(&text.as_bytes()[..sent]).await?;
        Ok(if sent < text.len() { Ending::Broken } else { Ending::Whole })
    }

    async fn stream(&mut self, asked: &Asked, reply: &Reply) -> Sent {
        self.to.write_all(&head(reply.status, &reply.headers, None)).await?;
        if reply.framing.bom && !self.write("\u{feff}".as_bytes()).await? {
            return Ok(Ending::Broken);
        }
        let mut teller = Teller::new(asked, &reply.steps);
        // What comes first belongs to a stream, not to bytes of the test's own.
        if !matches!(reply.steps.first(), Some(Step::Raw(_))) {
            teller.begin();
        }
        for step in &reply.steps {
            match step {
                Step::Text(text) => teller.text(text),
                Step::Thought(text) => teller.thought(text),
                Step::Call { id, name, arguments } => teller.call(id.as_deref(), name, arguments, true),
                Step::HalfCall { id, name, arguments } => teller.call(id.as_deref(), name, arguments, false),
                Step::Event(value) => teller.own(value),
                Step::Finish(word) => teller.finish(Some(word)),
                Step::Failure(failure) => teller.failure(failure),
                Step::Usage(..) | Step::Raw(_) | Step::Wait(_) | Step::End | Step::Break | Step::Stall => {}
            }
            if !self.events(reply, teller.take()).await? {
                return Ok(Ending::Broken);
            }
            match step {
                Step::Raw(bytes) if !self.write(bytes).await? => return Ok(Ending::Broken),
                Step::Wait(told) => {
                    self.flush().await?;
                    told.notified().await;
                }
                Step::Stall => {
                    self.flush().await?;
                    std::future::pending::<()>().await;
                }
                Step::Break => {
                    self.flush().await?;
                    return Ok(Ending::Broken);
                }
                Step::End | Step::Failure(_) => return self.end().await,
                Step::Text(_)
                | Step::Thought(_)
                | Step::Call { .. }
                | Step::HalfCall { .. }
                | Step::Event(_)
                | Step::Raw(_)
                | Step::Usage(..)
                | Step::Finish(_) => {}
            }
        }
        if !matches!(reply.steps.last(), Some(Step::Raw(_))) {
            teller.end();
        }
        if !self.events(reply, teller.take()).await? {
            return Ok(Ending::Broken);
        }
        if let Some(told) = &reply.last_chunk {
            self.flush().await?;
            told.notified().await;
        }
        self.end().await
    }

    /// Writes events; whether more may follow.
    async fn events(&mut self, reply: &Reply, events: Vec<Event>) -> std::io::Result<bool> {
        for event in events {
            if !self.write(&reply.framing.write(&event)).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes bytes in pieces; whether more may follow.
    async fn write(&mut self, bytes: &[u8]) -> std::io::Result<bool> {
        let may = self.left.map_or(bytes.len(), |left| left.min(bytes.len()));
        self.kept.extend_from_slice(&bytes[..may]);
        self.left = self.left.map(|left| left - may);
        let is_cut = self.left == Some(0);
        let size = self.pieces.unwrap_or(self.kept.len().max(1));
        let mut out = Vec::new();
        while self.kept.len() >= size {
            chunk(&mut out, &self.kept.drain(..size).collect::<Vec<_>>());
        }
        self.to.write_all(&out).await?;
        if is_cut {
            self.flush().await?;
        }
        Ok(!is_cut)
    }

    /// Writes what is kept.
    async fn flush(&mut self) -> std::io::Result<()> {
        let mut out = Vec::new();
        if !self.kept.is_empty() {
            chunk(&mut out, &std::mem::take(&mut self.kept));
        }
        self.to.write_all(&out).await
    }

    async fn end(&mut self) -> Sent {
        self.flush().await?;
        self.to.write_all(b"0\r\n\r\n").await?;
        Ok(Ending::Whole)
    }
}

/// Writes a chunk (RFC 9112, section 7.1): a client reads one at a time.
fn chunk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}
