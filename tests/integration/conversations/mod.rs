//! Conversations over the HTTP API: begun, changed, ended, read, and their feeds.

mod calls;
mod feed;
mod follow;
mod hostile;
mod prompt;
mod resource;

use serde_json::{Value, json};

use crate::api::Api;
use crate::backend::Backend;
use crate::harness::{Gateway, files};
use crate::upstream::{Reply, Upstream};
use crate::wait::until;

const ORDER: (&str, &str) = (
    "actions/get_order.yaml",
    "description: Looks up an order.\nconnection: api\npath: /orders/{{.parameters.number}}\ntimeout_ms: 60000\n\
     headers: {X-Key: {secret: order_key}}\n\
     parameters:\n  type: object\n  properties: {number: {type: string, description: Its number}}\n  required: [number]\n\
     output_variables:\n  - {name: order.status, path: $.status, expose: true}\n  - {name: order.customer, path: $.customer}\n  \
     - {name: order.token, path: $.token, sensitive: true}\n  - {name: order.margin, path: $.margin, expose: false}\n",
);
const PAY: (&str, &str) = (
    "actions/pay.yaml",
    "description: Pays.\nconnection: api\nmethod: POST\npath: /pay\n\
     bind: {token: '{{or .variables.order.token \"none\"}}', caller: '{{or .variables.caller.phone \"none\"}}'}\n\
     parameters:\n  type: object\n  properties:\n    card: {type: string, x-sensitive: true}\n    \
     is_ill: {type: boolean, x-sensitive: true}\n    amount: {type: integer}\n  required: [amount]\n",
);
const HOURS: (&str, &str) =
    ("actions/hours.yaml", "description: Says when.\ntype: static\nresponse: {open: '9 to 5'}\n");
const SETTINGS: (&str, &str) = ("callgate.toml", "environments = [\"development\", \"staging\"]\n");
const STATIC: (&str, &str) = (
    "variables.toml",
    "[development]\nshop = {name = \"Corner Shop\"}\n[staging]\nshop = {name = \"Test Shop\"}\n",
);
const SECRETS: (&str, &str) = (
    "secrets.toml",
    "[development]\norder_key = \"k3y-of-the-orders\"\n[staging]\norder_key = \"k3y-of-staging\"\n",
);
const ANSWER: &str =
    r#"{"status": "shipped", "customer": "Ann", "token": "t0k3n-of-4711", "margin": "margin-is-high"}"#;

/// The actions in front of an upstream that knows every order, and takes every payment.
async fn start(on: &Backend) -> (Api, Upstream) {
    let upstream = Upstream::start(|request| match request.line() {
        line if line.starts_with("POST") => Reply::Json(201, request.text()),
        _ => Reply::ok(ANSWER),
    })
    .await;
    (start_before(on, upstream.port).await, upstream)
}

/// The actions in front of `port`.
async fn start_before(on: &Backend, port: u16) -> Api {
    let files = files(port, &[ORDER, PAY, HOURS, SETTINGS, STATIC, SECRETS]);
    Api(Gateway::start_on(&files, on.fresh()).await)
}

const HERE: &str = "environment=development";

fn path(id: &str) -> String {
    format!("/v1/conversations/{id}?{HERE}")
}

/// Begins a conversation in `development`, which must be new.
async fn begin(api: &Api, id: &str, more: Value) -> Value {
    let mut request = json!({"id": id, "environment": "development"});
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let reply = api.post("/v1/conversations", &request).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    reply.body
}

/// A call in a conversation of `development`.
fn call(conversation: &str, id: &str, name: &str, arguments: Value) -> Value {
    json!({"environment": "development", "conversation_id": conversation, "tool_call_id": id,
           "name": name, "arguments": arguments})
}

/// All events of a conversation of `development`.
async fn events(api: &Api, id: &str) -> Vec<Value> {
    let reply = api.get(&format!("/v1/conversations/{id}/events?{HERE}&limit=500")).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.body["events"].as_array().unwrap().clone()
}

/// The events once there are `count` of them: what nobody waits for may come a moment later.
async fn events_once(api: &Api, id: &str, count: usize) -> Vec<Value> {
    let all = async || Some(events(api, id).await).filter(|found| found.len() >= count);
    until(&format!("{count} events of {id}"), all).await
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}
