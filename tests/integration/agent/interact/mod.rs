//! Agents, talked to by a client of Voiceflow's Dialog Manager.

mod client;
mod places;
mod requests;
mod stateless;
mod states;
mod stream;

use serde_json::{Value, json};

use super::model::ScriptedModel;
use super::model::asked::Role;
use crate::api::{Api, Reply};
use crate::harness::{Gateway, files};
use crate::upstream::{self, Upstream};

/// What the client's user is called.
const USER: &str = "user-1";
/// What stays hidden from models and clients alike.
const HIDDEN: &str = "margin-is-high";
const SENSITIVE: &str = "t0k3n-of-7";

const LOOK: &str = "description: Looks an order up.\nconnection: api\npath: /orders/{{.parameters.number}}\ntimeout_ms: 60000\n\
    parameters: {type: object, properties: {number: {type: string}}, required: [number]}\n\
    output_variables:\n  - {name: order.status, path: $.status, expose: true}\n  - {name: order.token, path: $.token, sensitive: true}\n  \
    - {name: order.margin, path: $.margin, expose: false}\n";
const TRACK: &str = "description: Tracks the order.\nconnection: api\npath: /track\ntimeout_ms: 60000\n\
    query: {status: '{{.variables.order.status}}', token: '{{.variables.order.token}}'}\n";
const WEATHER: &str = "description: Tells the weather.\nconnection: api\npath: /weather\ntimeout_ms: 60000\n\
    speech: {start: '<prosody>Let me look</prosody> outside.'}\n";
const BOOK: &str = "description: Books a slot.\nconnection: api\nmethod: POST\npath: /book\ntimeout_ms: 60000\n\
    parameters: {type: object, properties: {slot: {type: integer}}, required: [slot]}\nnext_state: booked\n";
const SIZES: &str = "description: Offers the sizes.\ntype: static\n\
    response: {choice: [Small, {name: Large, request: {type: path-2, payload: {label: Large}}}]}\n";
const TO_SALES: &str = "description: Puts the person through to sales.\ntype: handover\n\
    handover: {phone_number: '+15551234567', message: I will put you through to sales.}\n";
const AGENT: &str = "instructions: You answer for {{or .variables.owner \"nobody\"}}.\n\
    fillers: {announce_after_ms: 0}\nmodel: {provider: openai, base_url: '{model}', auth: model_key, model: tiny}\n";
const GREETING: &str = "greeting: Hello, {{or .variables.owner \"stranger\"}}.\n";
const SETTINGS: &str = "environments = [\"development\"]\n[egress.development]\nallow = [\"127.0.0.1\"]\n\
    [conversations]\ninitial_state = \"open\"\n[sealing]\nkeys = [\"STATE_KEY\"]\n";
const SECRETS: &str = "[development]\nmodel_key = \"sk-model-4711-secret\"\n\
    STATE_KEY = \"6b1f0c5ddc8a5e7e2f3d9c4b1a0f8e7d6c5b4a39281706f5e4d3c2b1a0998877\"\n";

/// A gateway with one agent, `desk`, and all that it talks to.
struct Desk {
    api: Api,
    model: ScriptedModel,
    upstream: Upstream,
}

/// An upstream that knows every order and takes every booking.
async fn orders() -> Upstream {
    let answer =
        json!({"status": "sent", "token": SENSITIVE, "margin": HIDDEN, "note": format!("not {HIDDEN}")});
    Upstream::start(move |request| {
        upstream::Reply::ok(&match request.line() {
            line if line.contains("/orders/") => answer.to_string(),
            line if line.contains("/weather") => json!({"sky": "blue"}).to_string(),
            _ => json!({"ok": true}).to_string(),
        })
    })
    .await
}

impl Desk {
    async fn open(model: ScriptedModel) -> Self {
        Self::with(model, &[]).await
    }

    /// The same with these files besides, or in place of the usual ones; `{agent}` in one is the agent's usual file.
    async fn with(model: ScriptedModel, more: &[(&str, &str)]) -> Self {
        let upstream = orders().await;
        let agent = format!("{GREETING}{AGENT}");
        let usual = [
            ("actions/look.yaml", LOOK),
            ("actions/track.yaml", TRACK),
            ("actions/weather.yaml", WEATHER),
            ("actions/book.yaml", BOOK),
            ("actions/sizes.yaml", SIZES),
            ("actions/to_sales.yaml", TO_SALES),
            ("auth/model_key.yaml", "type: bearer\ntoken: {secret: model_key}\n"),
            ("secrets.toml", SECRETS),
            ("callgate.toml", SETTINGS),
            ("agents/desk.yaml", "{agent}"),
        ];
        let kept = usual.iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name));
        let all: Vec<(&str, &str)> = kept.chain(more).copied().collect();
        let files = files(upstream.port, &all).into_iter();
        let files = files
            .map(|(name, text)| (name, text.replace("{agent}", &agent).replace("{model}", &model.base_url)));
        let gateway = Gateway::start(&files.collect::<Vec<_>>()).await;
        Self { api: Api(gateway), model, upstream }
    }

    /// Asks for an interaction; the traces.
    async fn interact(&self, action: Value) -> Vec<Value> {
        self.ask(&json!({"action": action})).await
    }

    /// The same with a whole body.
    async fn ask(&self, body: &Value) -> Vec<Value> {
        let reply = self.api.post(&format!("/state/user/{USER}/interact"), body).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let Value::Array(traces) = reply.body else { panic!("{}", reply.body) };
        traces
    }

    /// Says something; what is told, a line for each trace.
    async fn say(&self, text: &str) -> Vec<String> {
        lines(&self.interact(json!({"type": "text", "payload": text})).await)
    }

    /// Sends a request to `/state/user/user-1` and what follows.
    async fn state(&self, method: &str, rest: &str, body: &Value) -> Reply {
        let path = format!("/state/user/{USER}{rest}");
        match method {
            "GET" | "DELETE" => {
                let request = self.api.0.request(method, &path);
                self.api.send(&method.to_lowercase(), &path, request).await
            }
            _ => self.api.ask(method, &path, body).await,
        }
    }

    /// What the model has heard of its users, request by request: the last thing each time.
    fn heard(&self) -> Vec<String> {
        self.model.requests().iter().map(|asked| asked.user().to_owned()).collect()
    }

    /// The whole conversation, as the model saw it in its last request.
    fn seen(&self) -> Vec<String> {
        self.model.requests().last().unwrap().lines()
    }
}

/// A line for each trace: its type, and the one thing of its payload that matters.
fn lines(traces: &[Value]) -> Vec<String> {
    let line = |trace: &Value| {
        let payload = &trace["payload"];
        let named = ["message", "content", "state", "buttons", "timeout"].iter().map(|name| &payload[*name]);
        let said = named.into_iter().find(|value| !value.is_null()).unwrap_or(payload);
        let said = said.as_str().map_or_else(|| said.to_string(), str::to_owned);
        format!("{}: {said}", trace["type"].as_str().unwrap())
    };
    traces.iter().map(line).collect()
}

/// A text request.
fn text(said: &str) -> Value {
    json!({"type": "text", "payload": said})
}

/// Whether the last message that a model was sent is a tool's result.
fn is_after_tools(asked: &super::model::asked::Asked) -> bool {
    asked.messages.last().is_some_and(|said| said.role == Role::Tool)
}
