//! The wire forms of every provider: specs, calls and results, webhooks.

#[path = "../../pure/dialect/variants.rs"]
mod variants;
mod specs;
mod calls;
mod malformed;
mod names;
mod webhooks;
mod check;

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness::{Gateway, files};
use crate::upstream::{Reply, Upstream};

/// What the upstream answers to everything: pretty-printed, as many are.
const ANSWER: &str = "{\n  \"status\": \"shipped\",\n  \"note\": \"two\\nlines\"\n}";

const ORDER: (&str, &str) = (
    "actions/get_order.yaml",
    "description: Looks up an order.\nconnection: api\npath: /orders/{{.parameters.number}}\n\
     parameters:\n  type: object\n  properties:\n    number: {type: string, description: Its number, pattern: '^[0-9]+$'}\n    \
     locale: {type: string, enum: [de, en]}\n    items: {type: array, items: {type: integer}}\n  required: [number]\n",
);
const NOTE: (&str, &str) = (
    "actions/add_note.yaml",
    "description: Adds a note.\nconnection: api\nmethod: POST\npath: /notes\n\
     parameters:\n  type: object\n  properties:\n    text: {type: string}\n    urgent: {type: boolean, default: false}\n  required: [text]\n\
     output_variables:\n  - {name: note.status, path: $.status, expose: true}\n",
);
const TICKET: (&str, &str) = (
    "actions/open_ticket.yaml",
    "description: Opens a ticket.\nconnection: api\nmethod: POST\npath: /tickets\nbind: {conversation: '{{.variables.conversation.id}}'}\n\
     parameters:\n  type: object\n  properties:\n    category: {type: string, enum: [billing, technical]}\n    sub: {type: string, description: What exactly}\n  \
     required: [category, sub]\n  allOf:\n    - if: {properties: {category: {const: billing}}}\n      then: {properties: {sub: {enum: [invoice, refund]}}}\n    \
     - if: {properties: {category: {const: technical}}}\n      then: {properties: {sub: {enum: [login, crash]}}}\n",
);
const HOURS: (&str, &str) = (
    "actions/hours.yaml",
    "description: Says when.\ntype: static\nresponse: \"9 to 5,\\nMonday to Friday\"\n",
);
const HUMAN: (&str, &str) = (
    "actions/human.yaml",
    "description: Transfers.\ntype: handover\nhandover: {phone_number: '+4930123456', message: One moment.}\n",
);

const ALL: [(&str, &str); 5] = [ORDER, NOTE, TICKET, HOURS, HUMAN];

pub(crate) async fn upstream() -> Upstream {
    Upstream::start(|_| Reply::ok(ANSWER)).await
}

/// A gateway with an action of each kind.
pub(crate) async fn gateway(port: u16, more: &[(&str, &str)]) -> Gateway {
    Gateway::start(&files(port, &[&ALL[..], more].concat())).await
}

/// Posts `body` in a conversation of its own; status 200 and JSON are asserted.
async fn post(gateway: &Gateway, path: &str, body: &Value) -> Value {
    static CONVERSATIONS: AtomicUsize = AtomicUsize::new(0);
    let conversation = format!("test-{}", CONVERSATIONS.fetch_add(1, Ordering::Relaxed));
    let request = gateway.request("POST", path).header("Callgate-Conversation-Id", conversation);
    let response = request.body(body.to_string()).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json", "{path}");
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(status, 200, "{path}: {text}");
    serde_json::from_str(&text).unwrap()
}

/// The five routes that take a provider's calls, with a turn of `calls`: id, name, arguments.
pub(crate) fn turn(route: &str, calls: &[(&str, &str, Value)]) -> Value {
    let each = |make: &dyn Fn(&str, &str, &Value) -> Value| -> Vec<Value> {
        calls.iter().map(|(id, name, arguments)| make(id, name, arguments)).collect()
    };
    match route {
        "/v1/openai/chat/tool-calls" => {
            json!({"role": "assistant", "content": null, "tool_calls": each(&|id, name, arguments| {
                json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments.to_string()}})
            })})
        }
        "/v1/openai/responses/tool-calls" => json!({"id": "resp_1", "output": each(&|id, name, arguments| {
            json!({"type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": name,
                   "arguments": arguments.to_string(), "status": "completed"})
        })}),
        "/v1/openai/realtime/tool-calls" => json!({"type": "response.done", "event_id": "event_1",
            "response": {"id": "resp_1", "status": "completed", "output": each(&|id, name, arguments| {
            json!({"type": "function_call", "id": format!("item_{id}"), "call_id": id, "name": name,
                   "arguments": arguments.to_string(), "status": "completed"})
        })}}),
        "/v1/anthropic/tool-calls" => {
            json!({"role": "assistant", "stop_reason": "tool_use", "content": each(&|id, name, arguments| {
                json!({"type": "tool_use", "id": id, "name": name, "input": arguments})
            })})
        }
        "/v1/gemini/tool-calls" => json!({"role": "model", "parts": each(&|id, name, arguments| {
            json!({"functionCall": {"id": id, "name": name, "args": arguments}})
        })}),
        other => panic!("no route {other}"),
    }
}

pub(crate) const ROUTES: [&str; 5] = [
    "/v1/openai/chat/tool-calls",
    "/v1/openai/responses/tool-calls",
    "/v1/openai/realtime/tool-calls",
    "/v1/anthropic/tool-calls",
    "/v1/gemini/tool-calls",
];

/// Every answer as `(id, text, is it known to be an error)`; asserts the form around them.
#[track_caller]
pub(crate) fn answers(route: &str, reply: &Value) -> Vec<(String, String, Option<bool>)> {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned();
    let list = |value: &Value| value.as_array().unwrap_or_else(|| panic!("no list: {value}")).clone();
    match route {
        "/v1/openai/chat/tool-calls" => list(reply)
            .iter()
            .map(|one| {
                assert_eq!(one["role"], "tool");
                (text(&one["tool_call_id"]), text(&one["content"]), None)
            })
            .collect(),
        "/v1/openai/responses/tool-calls" => list(reply)
            .iter()
            .map(|one| {
                assert_eq!(one["type"], "function_call_output");
                (text(&one["call_id"]), text(&one["output"]), None)
            })
            .collect(),
        "/v1/openai/realtime/tool-calls" => {
            let mut events = list(reply);
            if let Some(last) = events.pop() {
                assert_eq!(last, json!({"type": "response.create"}));
            }
            let outputs = events.iter().map(|event| {
                assert_eq!(event["type"], "conversation.item.create");
                assert_eq!(event["item"]["type"], "function_call_output");
                (text(&event["item"]["call_id"]), text(&event["item"]["output"]), None)
            });
            outputs.collect()
        }
        "/v1/anthropic/tool-calls" => {
            assert_eq!(reply["role"], "user");
            let blocks = list(&reply["content"]);
            let block = |one: &Value| {
                assert_eq!(one["type"], "tool_result");
                (text(&one["tool_use_id"]), text(&one["content"]), Some(one["is_error"] == json!(true)))
            };
            blocks.iter().map(block).collect()
        }
        "/v1/gemini/tool-calls" => {
            assert_eq!(reply["role"], "user");
            let part = |one: &Value| {
                let response = &one["functionResponse"];
                let (given, failed) = (&response["response"]["output"], &response["response"]["error"]);
                assert_ne!(given.is_null(), failed.is_null(), "{one}");
                let said = if failed.is_null() { given } else { failed };
                let said = said.as_str().map_or_else(|| said.to_string(), str::to_owned);
                (response["id"].as_str().unwrap_or_default().to_owned(), said, Some(given.is_null()))
            };
            list(&reply["parts"]).iter().map(part).collect()
        }
        other => panic!("no route {other}"),
    }
}
