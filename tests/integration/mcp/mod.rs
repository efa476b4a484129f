//! The MCP server, as bytes over a real socket and over pipes.

mod http;
mod news;
mod results;
mod sessions;
pub(crate) mod stateless;
mod stdio;

use serde_json::{Value, json};

use crate::harness::{Gateway, client, files};

pub(crate) const ORDER: (&str, &str) = (
    "actions/get_order.yaml",
    "description: Looks up an order.\nconnection: api\npath: /orders/{{.parameters.number}}\n\
     parameters:\n  type: object\n  properties: {number: {type: string, pattern: '^[0-9]+$'}}\n  required: [number]\n\
     output_variables:\n  - {name: order.customer, path: $.customer, expose: false}\n",
);
pub(crate) const NOTE: (&str, &str) = (
    "actions/add_note.yaml",
    "description: Adds a note.\nconnection: api\nmethod: POST\npath: /notes\nidempotent: true\n\
     parameters:\n  type: object\n  properties: {text: {type: string}}\n  required: [text]\n",
);
pub(crate) const GREET: (&str, &str) = (
    "actions/greet.yaml",
    "description: Greets the customer.\nconnection: api\nmethod: POST\npath: /greetings\nbind: {customer: '{{.variables.order.customer}}'}\n",
);
pub(crate) const HOURS: (&str, &str) = (
    "actions/hours.yaml",
    "description: Says when.\ntype: static\nresponse: \"9 to 5,\\nMonday to Friday\"\n",
);
pub(crate) const RATES: (&str, &str) = (
    "actions/get_rates.yaml",
    "description: Says the rates.\nconnection: api\npath: /rates\n\
     output_schema:\n  type: object\n  properties: {usd: {type: number}}\n  required: [usd]\n",
);

pub(crate) const ALL: [(&str, &str); 5] = [ORDER, NOTE, GREET, HOURS, RATES];

/// A gateway with an action of each kind in front of `port`.
pub(crate) async fn gateway(port: u16, more: &[(&str, &str)]) -> Gateway {
    Gateway::start(&files(port, &[&ALL[..], more].concat())).await
}

/// What came back.
#[derive(Debug)]
struct Reply {
    status: u16,
    /// The header `Mcp-Session-Id`.
    session: Option<String>,
    /// As it was sent.
    text: String,
    /// The JSON-RPC messages, of a JSON body or of a stream of events.
    messages: Vec<Value>,
}

impl Reply {
    async fn of(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let header = |name: &str| Some(response.headers().get(name)?.to_str().unwrap().to_owned());
        let (session, media) = (header("mcp-session-id"), header("content-type").unwrap_or_default());
        let text = response.text().await.unwrap();
        let messages = match media.as_str() {
            "text/event-stream" => events(&text),
            "application/json" => vec![serde_json::from_str(&text).unwrap()],
            _ => Vec::new(),
        };
        Self { status, session, text, messages }
    }

    /// The last message, which is the answer.
    #[track_caller]
    fn answer(&self) -> &Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.messages.last().unwrap_or_else(|| panic!("no answer: {self:?}"))
    }

    #[track_caller]
    fn result(&self) -> &Value {
        self.answer().get("result").unwrap_or_else(|| panic!("no result: {self:?}"))
    }

    #[track_caller]
    fn error_code(&self) -> i64 {
        self.messages[0]["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error: {self:?}"))
    }
}

/// The messages of a stream of events.
fn events(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    data.map(|data| serde_json::from_str(data.trim()).unwrap()).collect()
}

fn message(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

pub(crate) fn call(id: impl Into<Value>, name: &str, arguments: Value) -> Value {
    message(id, "tools/call", json!({"name": name, "arguments": arguments}))
}

fn initialize(version: &str) -> Value {
    let info = json!({"name": "test", "version": "1"});
    message(0, "initialize", json!({"protocolVersion": version, "capabilities": {}, "clientInfo": info}))
}

/// A client with a session.
struct Session {
    http: reqwest::Client,
    url: String,
    headers: Vec<(String, String)>,
    id: String,
}

impl Session {
    /// Begins a session at `/mcp/development`.
    async fn begin(gateway: &str) -> Self {
        Self::begin_at(&format!("{gateway}/mcp/development"), &[]).await
    }

    /// Begins a session, with these headers on every request.
    async fn begin_at(url: &str, headers: &[(&str, &str)]) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut session =
            Self { http: client(), url: url.to_owned(), headers: headers.collect(), id: String::new() };
        let reply = session.send(&initialize("2025-06-18")).await;
        assert_eq!(reply.result()["protocolVersion"], "2025-06-18");
        session.id = reply.session.expect("no session");
        let reply = session.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        assert_eq!(reply.status, 202, "{reply:?}");
        session
    }

    /// A request with the headers that the protocol asks for.
    fn request(&self, method: &str) -> reqwest::RequestBuilder {
        let mut request = self.http.request(method.parse().unwrap(), &self.url);
        request = request.header("content-type", "application/json");
        request = request.header("accept", "application/json, text/event-stream");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if self.id.is_empty() { request } else { request.header("mcp-session-id", &self.id) }
    }

    async fn send(&self, message: &Value) -> Reply {
        Reply::of(self.request("POST").body(message.to_string()).send().await.unwrap()).await
    }

    /// Opens the stream of the session.
    async fn listen(&self) -> Stream {
        let response = self.request("GET").send().await.unwrap();
        assert_eq!(response.status(), 200);
        Stream { response, text: String::new() }
    }
}

/// A stream of events that stays open.
struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    /// Reads until `count` notifications of this method have come.
    async fn wait_for(&mut self, method: &str, count: usize) {
        let all = async {
            while self.count(method) < count {
                let chunk = self.response.chunk().await.unwrap().expect("the stream has ended");
                self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        };
        let waited = tokio::time::timeout(std::time::Duration::from_secs(60), all).await;
        waited.unwrap_or_else(|_| panic!("no {method} in a minute: {:?}", self.text));
    }

    /// How often this method has been told of.
    fn count(&self, method: &str) -> usize {
        self.text.matches(&format!("\"method\":\"{method}\"")).count()
    }

    /// Reads to the end.
    async fn end(mut self) -> Self {
        let rest = async {
            while let Ok(Some(chunk)) = self.response.chunk().await {
                self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), rest).await.expect("still open");
        self
    }
}
