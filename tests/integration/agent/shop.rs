//! A project with an agent, and a caller of its endpoint.

use std::sync::Arc;

use callgate::conversation::Store;
use callgate::server::NewKey;
use serde_json::{Value, json};

use super::model::ScriptedModel;
use crate::harness::{Gateway, files};
use crate::upstream::Upstream;

/// Reads an order.
const LOOK: &str = "description: Looks an order up.\nconnection: api\npath: /orders/{{.parameters.number}}\ntimeout_ms: 60000\n\
    parameters: {type: object, properties: {number: {type: string}}, required: [number]}\n";
/// Reads the weather.
const WEATHER: &str = "description: Tells the weather.\nconnection: api\npath: /weather\ntimeout_ms: 60000\n\
    speech: {start: Let me look outside., delayed: {after_ms: 100, text: The window is stuck.}}\n";
/// Books a slot: a write.
const BOOK: &str = "description: Books a slot.\nconnection: api\nmethod: POST\npath: /book\ntimeout_ms: 60000\n\
    parameters: {type: object, properties: {slot: {type: integer}}, required: [slot]}\n";
/// Hands the caller over.
const TO_SALES: &str = "description: Puts the caller through to sales.\ntype: handover\n\
    handover: {phone_number: '+15551234567', message: I will put you through to sales.}\n";
/// Exists in one state only.
const REFUND: &str =
    "description: Refunds.\nconnection: api\nmethod: POST\npath: /refund\navailable_in: [paid]\n";

/// The agent's file, with `{model}` for the base URL of its model, and `more` at its end.
fn agent(model: &str, provider: &str, more: &str) -> String {
    format!(
        "description: Answers for the shop.\ninstructions: |\n  You answer for the shop of {{{{or .variables.owner \"nobody\"}}}}.\n\
         greeting: Hello, this is the shop.\nmodel: {{provider: {provider}, base_url: '{model}', auth: model_key, model: tiny}}\n{more}"
    )
}

/// What a shop is made of.
pub(crate) struct Shop {
    pub gateway: Arc<Gateway>,
    pub upstream: Upstream,
    pub model: ScriptedModel,
}

impl Shop {
    pub(crate) async fn open(upstream: Upstream, model: ScriptedModel) -> Self {
        Self::with(upstream, model, "openai", "").await
    }

    /// The same with a model of another form, and more lines in the agent's file.
    pub(crate) async fn with(upstream: Upstream, model: ScriptedModel, provider: &str, more: &str) -> Self {
        let files = project(&upstream, &model.base_url, provider, more);
        let gateway = Arc::new(Gateway::start(&files).await);
        Self { gateway, upstream, model }
    }

    /// The same with a store of the test's own.
    pub(crate) async fn on(
        store: Arc<dyn Store>,
        upstream: Upstream,
        model: ScriptedModel,
        more: &str,
    ) -> Self {
        let files = project(&upstream, &model.base_url, "openai", more);
        let gateway = Arc::new(Gateway::start_on(&files, store).await);
        Self { gateway, upstream, model }
    }

    /// Posts a request and reads the whole stream.
    pub(crate) async fn stream(&self, body: &Value) -> Answer {
        let mut stream = self.begin(body).await;
        stream.rest().await
    }

    /// Takes a turn of a conversation that the gateway keeps; all of its events, as text.
    pub(crate) async fn turn(&self, conversation: &str, text: &str) -> String {
        self.begin_turn(conversation, text).await.text().await.unwrap()
    }

    /// The same; the events are read later.
    pub(crate) async fn begin_turn(&self, conversation: &str, text: &str) -> reqwest::Response {
        let body = json!({"conversation_id": conversation, "text": text});
        let request = self.gateway.request("POST", "/v1/agents/shop/turns").body(body.to_string());
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        response
    }

    /// Posts a request; the stream is read later.
    pub(crate) async fn begin(&self, body: &Value) -> Chunks {
        let mut body = body.clone();
        body["stream"] = json!(true);
        Chunks::post(&self.gateway, "/v1/chat/completions", &body).await
    }
}

/// The files of a shop.
pub(crate) fn project(
    upstream: &Upstream,
    model: &str,
    provider: &str,
    more: &str,
) -> Vec<(&'static str, String)> {
    let mut files = files(
        upstream.port,
        &[
            ("actions/look.yaml", LOOK),
            ("actions/weather.yaml", WEATHER),
            ("actions/book.yaml", BOOK),
            ("actions/to_sales.yaml", TO_SALES),
            ("actions/refund.yaml", REFUND),
            ("auth/model_key.yaml", "type: bearer\ntoken: {secret: model_key}\n"),
            ("secrets.toml", "[development]\nmodel_key = \"sk-model-4711-secret\"\n"),
            (
                "callgate.toml",
                "environments = [\"development\"]\n[egress.development]\nallow = [\"127.0.0.1\"]\n",
            ),
        ],
    );
    files.push(("agents/shop.yaml", agent(model, provider, more)));
    files
}

/// Adds keys of these names to the settings of a project, each with conversations of its own.
pub(crate) fn add_keys<const N: usize>(files: &mut [(&str, String)], names: [&str; N]) -> [NewKey; N] {
    let (_, settings) = files.iter_mut().find(|(name, _)| *name == "callgate.toml").unwrap();
    names.map(|name| {
        let key = NewKey::generate().unwrap();
        let hash = &key.hash;
        settings
            .push_str(&format!("[[keys]]\nname = \"{name}\"\nhash = \"{hash}\"\nconversations = \"own\"\n"));
        key
    })
}

/// A request with these messages, of the conversation `call-1`.
pub(crate) fn asks(messages: &Value) -> Value {
    json!({"model": "shop", "messages": messages, "user": "call-1"})
}

/// The same, with one message of the user's.
pub(crate) fn says(text: &str) -> Value {
    asks(&json!([{"role": "user", "content": text}]))
}

/// Chunks of a stream as they come.
pub(crate) struct Chunks {
    response: reqwest::Response,
    unread: Vec<u8>,
}

/// One event of a stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    Comment(String),
    Chunk(Value),
    Done,
}

/// A whole answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// All text.
    pub text: String,
    /// The text of each chunk that has some.
    pub texts: Vec<String>,
    /// The calls: id, name, arguments.
    pub calls: Vec<(String, String, Value)>,
    pub finish: String,
    pub usage: Value,
    /// Every chunk.
    pub chunks: Vec<Value>,
    /// Whether `[DONE]` came, as the last.
    pub is_done: bool,
}

impl Chunks {
    pub(crate) async fn post(gateway: &Gateway, path: &str, body: &Value) -> Self {
        let request = gateway.request("POST", path).body(body.to_string());
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{:?}", response.text().await);
        for (name, value) in [
            ("content-type", "text/event-stream; charset=utf-8"),
            ("cache-control", "no-cache, no-store"),
            ("x-accel-buffering", "no"),
        ] {
            assert_eq!(response.headers()[name], value, "{name}");
        }
        assert!(response.headers().get("content-encoding").is_none());
        Self { response, unread: Vec::new() }
    }

    /// The next event.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|two| two == b"\n\n") {
                let event: Vec<u8> = self.unread.drain(..end + 2).collect();
                let text = String::from_utf8(event).unwrap();
                let text = text.trim_end();
                return Some(match text.strip_prefix("data: ") {
                    Some("[DONE]") => Event::Done,
                    Some(json) => Event::Chunk(serde_json::from_str(json).unwrap()),
                    None => Event::Comment(text.strip_prefix(':').unwrap().trim().to_owned()),
                });
            }
            let piece = self.response.chunk().await.ok()??;
            self.unread.extend_from_slice(&piece);
        }
    }

    /// Reads until a chunk has text; the text.
    pub(crate) async fn text(&mut self) -> String {
        loop {
            match self.next().await.expect("the stream has ended") {
                Event::Chunk(chunk) => match chunk["choices"][0]["delta"]["content"].as_str() {
                    Some(text) if !text.is_empty() => return text.to_owned(),
                    _ => {}
                },
                Event::Comment(_) => {}
                Event::Done => panic!("no text came"),
            }
        }
    }

    /// Reads to the end, and checks the form of the stream.
    pub(crate) async fn rest(&mut self) -> Answer {
        let mut answer = Answer::default();
        while let Some(event) = self.next().await {
            assert!(!answer.is_done, "after [DONE]: {event:?}");
            match event {
                Event::Comment(_) => {}
                Event::Done => answer.is_done = true,
                Event::Chunk(chunk) => answer.take(chunk),
            }
        }
        answer
    }
}

impl Answer {
    fn take(&mut self, chunk: Value) {
        if let Some(first) = self.chunks.first() {
            for member in ["id", "created", "model", "object"] {
                assert_eq!(chunk[member], first[member], "{member}");
            }
        }
        assert_eq!(chunk["object"], "chat.completion.chunk");
        let choice = chunk["choices"].get(0).cloned().unwrap_or_default();
        let delta = &choice["delta"];
        if let Some(text) = delta["content"].as_str().filter(|text| !text.is_empty()) {
            self.text.push_str(text);
            self.texts.push(text.to_owned());
        }
        if let Some(calls) = delta["tool_calls"].as_array() {
            assert_eq!(calls.len(), 1, "one call in each chunk");
            let (call, function) = (&calls[0], &calls[0]["function"]);
            let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            if let Some(id) = call["id"].as_str() {
                assert_eq!((index, &call["type"]), (self.calls.len(), &json!("function")));
                self.calls.push((id.to_owned(), function["name"].as_str().unwrap().to_owned(), json!("")));
            }
            let (_, _, arguments) = &mut self.calls[index];
            let whole = format!("{}{}", arguments.as_str().unwrap(), function["arguments"].as_str().unwrap());
            *arguments = json!(whole);
        }
        if let Some(finish) = choice["finish_reason"].as_str() {
            assert!(self.finish.is_empty(), "two ends");
            self.finish = finish.to_owned();
            for (_, _, arguments) in &mut self.calls {
                *arguments = serde_json::from_str(arguments.as_str().unwrap()).unwrap();
            }
        }
        if !chunk["usage"].is_null() {
            assert_eq!(chunk["choices"], json!([]));
            self.usage = chunk["usage"].clone();
        }
        self.chunks.push(chunk);
    }
}
