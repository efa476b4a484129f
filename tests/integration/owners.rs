//! Two keys of one environment, each with conversations of its own, by every way that an id comes in.

use std::sync::Arc;

use callgate::server::NewKey;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::backend::{Backend, on_every_store};
use crate::harness::{Gateway, callgate, files, write_project};
use crate::upstream::{Captured, Reply, Upstream};

const ACTIONS: &[(&str, &str)] = &[
    (
        "actions/greet.yaml",
        "description: d\nconnection: api\npath: /greet\nquery: {who: '{{.variables.customer}}'}\n",
    ),
    (
        "actions/book.yaml",
        "description: d\nconnection: api\nmethod: POST\npath: /book\nparameters: {type: object, properties: {slot: {type: integer}}}\n\
         output_variables:\n  - {name: booking, path: $.id, expose: true}\n",
    ),
    ("actions/once.yaml", "description: d\nconnection: api\nmethod: POST\npath: /once\nmax_calls: 1\n"),
    (
        "actions/slow.yaml",
        "description: d\nconnection: slow\nmethod: POST\npath: /slow\ntimeout_ms: 60000\nparameters: {type: object, properties: {number: {type: integer}}}\n",
    ),
    ("actions/late.yaml", "description: d\ntype: static\nresponse: late\navailable_in: [verified]\n"),
];

/// Two keys with their own conversations, and two that share.
struct House {
    gateway: Arc<Gateway>,
    upstream: Upstream,
    /// Lets slow calls end.
    gate: Arc<Semaphore>,
    keys: [String; 4],
}

const ANN: usize = 0;
const BOB: usize = 1;
const SHARED: usize = 2;
const OTHER: usize = 3;

impl House {
    async fn of(on: &Backend, more: &str) -> Self {
        let count = std::sync::atomic::AtomicUsize::new(0);
        let gate = Arc::new(Semaphore::new(0));
        let held = gate.clone();
        let upstream = Upstream::start(move |request: &Captured| {
            let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
            let reply = Reply::ok(&json!({ "id": number }).to_string());
            if request.line().contains("/slow") { Reply::Held(held.clone(), Box::new(reply)) } else { reply }
        })
        .await;
        let keys = [0; 4].map(|_| NewKey::generate().unwrap());
        let mut settings = "environments = [\"development\"]\n[sealing]\nkeys = [\"SEAL\"]\n".to_owned();
        for (name, key, own) in [
            ("ann", &keys[0], true),
            ("bob", &keys[1], true),
            ("one", &keys[2], false),
            ("two", &keys[3], false),
        ] {
            settings += &format!("[[keys]]\nname = \"{name}\"\nhash = \"{}\"\n", key.hash);
            settings += if own { "conversations = \"own\"\n" } else { "" };
        }
        settings += more;
        let mut project = files(upstream.port, ACTIONS);
        let slow = format!("base_url: http://127.0.0.1:{}\nlimits: {{max_in_flight: 1}}\n", upstream.port);
        project.push(("connections/slow.yaml", slow));
        project.push(("callgate.toml", settings + "[egress.development]\nallow = [\"127.0.0.1\"]\n"));
        let secrets = "[development]\nSEAL = \"6b1f0c5ddc8a5e7e2f3d9c4b1a0f8e7d6c5b4a39281706f5e4d3c2b1a0998877\"\nVAPI = \"vapi-secret-1\"\n";
        project.push(("secrets.toml", secrets.to_owned()));
        let gateway = Arc::new(Gateway::start_on(&project, on.fresh()).await);
        Self { gateway, upstream, gate, keys: keys.map(|key| key.key) }
    }

    async fn ask(&self, key: usize, method: &str, path: &str, body: Value) -> (u16, Value) {
        ask(&self.gateway, &self.keys[key], method, path, &body).await
    }

    /// A result, or a problem.
    async fn call(&self, key: usize, body: Value) -> Value {
        self.ask(key, "POST", "/v1/tool-calls", body).await.1
    }

    /// Begins the conversation `c` with a customer.
    async fn begin(&self, key: usize, customer: &str) -> u16 {
        let body = json!({"id": "c", "variables": {"customer": customer}, "current_state": "verified"});
        self.ask(key, "POST", "/v1/conversations", body).await.0
    }

    async fn customer(&self, key: usize) -> Value {
        let (_, reply) = self.ask(key, "GET", "/v1/conversations/c", Value::Null).await;
        reply["variables"]["customer"]["value"].clone()
    }
}

async fn ask(gateway: &Gateway, key: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let mut request = gateway.request(method, path).header("x-api-key", key);
    if !body.is_null() {
        request = request.body(body.to_string());
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

fn code(reply: &Value) -> &str {
    reply["error"]["code"].as_str().or_else(|| reply["code"].as_str()).unwrap_or_default()
}

on_every_store! {
async fn a_key_neither_sees_nor_changes_the_conversations_of_another_key(on) {
    let house = House::of(on, "").await;
    assert_eq!(house.begin(ANN, "ann-1").await, 201);
    for (method, path, body) in [
        ("GET", "/v1/conversations/c", Value::Null),
        ("GET", "/v1/conversations/c/events", Value::Null),
        ("PATCH", "/v1/conversations/c", json!({"variables": {"customer": "evil"}})),
        ("POST", "/v1/conversations/c/render", json!({"template": "{{.variables.customer}}"})),
        ("DELETE", "/v1/conversations/c", Value::Null),
        ("DELETE", "/v1/conversations/c?forget=true", Value::Null),
    ] {
        for other in [BOB, SHARED] {
            let (status, reply) = house.ask(other, method, path, body.clone()).await;
            assert_eq!((status, code(&reply)), (404, "conversation_not_found"), "{method} {path}: {reply}");
        }
    }
    let listed = async |key| house.ask(key, "GET", "/v1/conversations", Value::Null).await.1["conversations"].clone();
    assert_eq!(listed(ANN).await[0]["id"], "c");
    for other in [BOB, SHARED] {
        assert_eq!(listed(other).await, json!([]));
    }
    // The tools of a state, which is the state of one's own conversation.
    let tools = async |key| house.ask(key, "GET", "/v1/tools?conversation_id=c", Value::Null).await.1.to_string();
    assert!(tools(ANN).await.contains("late") && !tools(BOB).await.contains("late"));
    // The same id is free for the others, and theirs is another conversation.
    assert_eq!(house.begin(BOB, "bob-1").await, 201);
    assert_eq!(house.begin(SHARED, "shared-1").await, 201);
    assert_eq!(house.begin(OTHER, "other-1").await, 200, "those that share have one");
    let seen = [house.customer(ANN).await, house.customer(BOB).await, house.customer(OTHER).await];
    assert_eq!(seen, ["ann-1", "bob-1", "shared-1"]);
    let (status, _) = house.ask(BOB, "DELETE", "/v1/conversations/c?forget=true", Value::Null).await;
    assert_eq!((status, house.customer(ANN).await), (204, json!("ann-1")));
}
}

on_every_store! {
async fn calls_and_previews_use_the_variables_of_their_own_key(on) {
    let house = House::of(on, "").await;
    house.begin(ANN, "ann-1").await;
    let greet = json!({"name": "greet", "conversation_id": "c", "tool_call_id": "g"});
    assert_eq!(house.call(ANN, greet.clone()).await["status"], "success");
    assert_eq!(house.upstream.request().line(), "GET /greet?who=ann-1");
    assert_eq!(code(&house.call(BOB, greet).await), "missing_variable");
    let preview = json!({"conversation_id": "c"});
    let (_, reply) = house.ask(BOB, "POST", "/v1/actions/greet/preview", preview.clone()).await;
    assert_eq!(code(&reply), "missing_variable", "{reply}");
    let (_, reply) = house.ask(ANN, "POST", "/v1/actions/greet/preview", preview).await;
    assert!(reply["request"]["url"].as_str().unwrap().ends_with("?who=ann-1"), "{reply}");
}
}

on_every_store! {
async fn the_same_ids_of_two_keys_are_two_calls(on) {
    let house = House::of(on, "").await;
    // In a conversation and without one, counted and not.
    for body in [
        json!({"name": "book", "arguments": {"slot": 9}, "conversation_id": "c", "tool_call_id": "b"}),
        json!({"name": "book", "arguments": {"slot": 9}, "tool_call_id": "b"}),
        json!({"name": "book", "arguments": {"slot": 9}, "conversation_id": "d"}),
        json!({"name": "once", "conversation_id": "c", "tool_call_id": "o"}),
    ] {
        let before = house.upstream.requests().len();
        for (key, sent) in [(ANN, 1), (BOB, 2), (SHARED, 3), (ANN, 3), (BOB, 3), (OTHER, 3)] {
            let result = house.call(key, body.clone()).await;
            assert_eq!(result["status"], "success", "{key} {body}: {result}");
            assert_eq!(house.upstream.requests().len() - before, sent, "{key} {body}: {result}");
        }
    }
}
}

on_every_store! {
async fn every_dialect_calls_in_the_conversations_of_its_key(on) {
    let house = House::of(on, "").await;
    house.begin(ANN, "ann-1").await;
    let responses = json!([{"type": "function_call", "call_id": "x", "name": "greet", "arguments": "{}"}]);
    let chat = json!([{"id": "x", "type": "function", "function": {"name": "greet", "arguments": "{}"}}]);
    let realtime = json!({"type": "response.done", "response": {"output": responses}});
    let anthropic = json!([{"type": "tool_use", "id": "x", "name": "greet", "input": {}}]);
    let gemini = json!([{"functionCall": {"id": "x", "name": "greet", "args": {}}}]);
    let vapi = json!({"message": {"type": "tool-calls", "call": {"id": "c"}, "toolCallList": [{"id": "x", "name": "greet", "arguments": {}}]}});
    let retell = json!({"name": "greet", "args": {}, "call": {"call_id": "c"}});
    for (path, body) in [
        ("/v1/openai/chat/tool-calls?conversation_id=c", chat),
        ("/v1/openai/responses/tool-calls?conversation_id=c", responses),
        ("/v1/openai/realtime/tool-calls?conversation_id=c", realtime),
        ("/v1/anthropic/tool-calls?conversation_id=c", anthropic),
        ("/v1/gemini/tool-calls?conversation_id=c", gemini),
        ("/webhooks/vapi/development", vapi),
        ("/webhooks/retell/development", retell),
    ] {
        let before = house.upstream.requests().len();
        let (_, reply) = house.ask(BOB, "POST", path, body.clone()).await;
        let told = reply.to_string();
        assert_eq!(house.upstream.requests().len(), before, "{path}: {told}");
        assert!(!told.contains("ann-1"), "{path}: {told}");
        let (status, reply) = house.ask(ANN, "POST", path, body).await;
        let seen = house.upstream.requests();
        assert!(status == 200 && seen.last().unwrap().line().contains("who=ann-1"), "{path}: {reply}");
    }
    let mcp = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "greet", "arguments": {},
        "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"}, "io.modelcontextprotocol/clientCapabilities": {}}}});
    let of_mcp = if cfg!(feature = "mcp") { &[(BOB, false), (ANN, true)][..] } else { &[] };
    for &(key, is_known) in of_mcp {
        let before = house.upstream.requests().len();
        let request = house.gateway.request("POST", "/mcp/development").body(mcp.to_string());
        let request = request
            .header("x-api-key", &house.keys[key])
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", "greet")
            .header("callgate-conversation-id", "c");
        let text = request.send().await.unwrap().text().await.unwrap();
        assert_eq!(house.upstream.requests().len() > before, is_known, "{text}");
    }
    // Retell's report of the end ends the conversation of its own key.
    let ended = json!({"event": "call_ended", "call": {"call_id": "c"}});
    assert_eq!(house.ask(BOB, "POST", "/webhooks/retell/development", ended.clone()).await.0, 200);
    let over = async || house.ask(ANN, "GET", "/v1/conversations/c", Value::Null).await.1["ended_at"].clone();
    assert_eq!(over().await, Value::Null);
    house.ask(ANN, "POST", "/webhooks/retell/development", ended).await;
    assert_ne!(over().await, Value::Null);
}
}

on_every_store! {
async fn a_call_of_another_key_cannot_be_cancelled_by_its_id(on) {
    let house = House::of(on, "").await;
    let spawn = |id: &str, number: u64| {
        let arguments = json!({ "number": number });
        let body = json!({"name": "slow", "conversation_id": "c", "tool_call_id": id, "arguments": arguments});
        let (gateway, key) = (house.gateway.clone(), house.keys[ANN].clone());
        tokio::task::spawn(async move { ask(&gateway, &key, "POST", "/v1/tool-calls", &body).await.1 })
    };
    let first = spawn("s1", 1);
    house.upstream.received(1).await;
    // Waits for a place: under way, and not sent.
    let second = spawn("s2", 2);
    let cancel = async |key, path: &str| house.ask(key, "DELETE", path, Value::Null).await;
    let paths = ["/v1/tool-calls/s1", "/v1/tool-calls/s1?conversation_id=c", "/v1/tool-calls/s2"];
    for path in paths {
        for other in [BOB, SHARED] {
            let (status, reply) = cancel(other, path).await;
            assert_eq!((status, code(&reply)), (404, "call_not_found"), "{path}: {reply}");
        }
    }
    loop {
        let (status, reply) = cancel(ANN, "/v1/tool-calls/s2").await;
        if status == 200 {
            assert_eq!(reply["cancellation"], "not_sent");
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(second.await.unwrap()["error"]["code"], "cancelled");
    house.gate.add_permits(10);
    assert_eq!(first.await.unwrap()["status"], "success");
}
}

#[tokio::test]
async fn a_state_is_of_no_use_to_another_key() {
    let house = House::of(&Backend::Memory, "").await;
    let begun = json!({"name": "book", "arguments": {"slot": 9}, "state": "", "tool_call_id": "b"});
    let first = house.call(ANN, begun).await;
    let again = json!({"name": "book", "arguments": {"slot": 10}, "state": first["state"]});
    for other in [BOB, SHARED] {
        assert_eq!(code(&house.call(other, again.clone()).await), "invalid_state");
        let several = json!({"calls": [{"name": "book", "arguments": {"slot": 1}}], "state": first["state"]});
        assert_eq!(code(&house.call(other, several).await), "invalid_state");
    }
    assert_eq!(house.call(ANN, again).await["status"], "success");
    let begun = json!({"name": "book", "arguments": {"slot": 11}, "state": ""});
    let shared = house.call(SHARED, begun).await;
    let again = json!({"name": "book", "arguments": {"slot": 12}, "state": shared["state"]});
    assert_eq!(code(&house.call(ANN, again.clone()).await), "invalid_state");
    assert_eq!(house.call(OTHER, again).await["status"], "success", "those that share share states");
}

#[tokio::test]
async fn a_webhook_calls_in_shared_conversations_its_own_or_those_of_a_key() {
    let vapi = json!({"message": {"type": "tool-calls", "call": {"id": "c"}, "toolCallList": [{"id": "x", "name": "greet", "arguments": {}}]}});
    for (more, expected) in [
        ("", "shared-1"),
        ("conversations = \"shared\"\n", "shared-1"),
        ("conversations = \"own\"\n", ""),
        ("conversations_of = \"ann\"\n", "ann-1"),
        ("conversations_of = \"one\"\n", "shared-1"),
    ] {
        let house = House::of(&Backend::Memory, &format!("[webhooks.vapi]\nsecret = \"VAPI\"\n{more}")).await;
        house.begin(ANN, "ann-1").await;
        house.begin(SHARED, "shared-1").await;
        let request = house.gateway.request("POST", "/webhooks/vapi/development").body(vapi.to_string());
        let response = request.header("x-vapi-secret", "vapi-secret-1").send().await.unwrap();
        assert_eq!(response.status(), 200);
        let sent: Vec<String> = house.upstream.requests().iter().map(|one| one.line().to_owned()).collect();
        let told: Vec<&str> = sent.iter().filter_map(|line| line.split(['=', ' ']).nth(2)).collect();
        let expected: Vec<&str> = Some(expected).filter(|one| !one.is_empty()).into_iter().collect();
        assert_eq!(told, expected, "{more}");
    }
}

#[test]
fn keygen_makes_keys_with_conversations_of_their_own() {
    let output = callgate(&["keygen", "--name", "vapi", "-e", "development"]).output().unwrap();
    let told: toml::Table = String::from_utf8(output.stderr).unwrap().parse().unwrap();
    assert_eq!(told["keys"][0]["conversations"].as_str(), Some("own"));
    let dir = write_project(&[(
        "callgate.toml",
        format!(
            "environments = [\"development\"]\n{told}\n[webhooks.vapi]\nsecret = \"x\"\nconversations_of = \"vapy\"\n"
        ),
    )]);
    let output = callgate(&["check", dir.path().to_str().unwrap()]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("there is no key `vapy`") && text.contains("did you mean `vapi`?"), "{text}");
    assert!(!text.contains("[[keys]]"), "{text}");
}
