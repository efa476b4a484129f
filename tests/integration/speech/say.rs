//! `say: true`: the model's own words.

use serde_json::{Value, json};

use super::{ALL, all_of, call, gateway, kinds, with};
use crate::dialect::{ROUTES, turn};
use crate::harness::{Gateway, files};
#[cfg(feature = "mcp")]
use crate::mcp::{self, stateless};
use crate::upstream::{Captured, Reply, Upstream};

const SLOT: &str = r#"{"slot":1}"#;

#[tokio::test]
async fn the_models_own_words_come_before_those_of_the_action() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let gateway = gateway(upstream.port, &[]).await;
    for (arguments, text) in [
        (json!({"slot": 1, "say": "I take the first one."}), "I take the first one."),
        (json!({"slot": 2}), "I am booking slot 2."),
        (json!({"slot": 3, "say": ""}), "I am booking slot 3."),
        (json!({"slot": 4, "say": null}), "I am booking slot 4."),
        (json!({"slot": 5, "say": {"a": ["b"]}}), "I am booking slot 5."),
        (json!("{\"say\": \"I take the last one.\", \"slot\": 6}"), "I take the last one."),
    ] {
        let events = all_of(&gateway, &call("book", arguments)).await;
        assert_eq!(kinds(&events), ["started", "completed"]);
        assert_eq!((&events[0].1["text"], &events[1].1["status"]), (&json!(text), &json!("success")));
    }
    let bodies: Vec<String> = upstream.requests().iter().map(Captured::text).collect();
    let sent: Vec<String> = (1..=6).map(|slot| format!("{{\"slot\":{slot}}}")).collect();
    assert_eq!(bodies, sent, "nothing of it goes upstream");
    // Where an action does not ask for it, it is an argument like any other that is unknown.
    assert_eq!(gateway.call("quiet", json!({"say": "x"})).await["error"]["code"], "invalid_arguments");
}

#[tokio::test]
async fn what_a_model_says_is_one_line_of_bounded_length_without_secrets() {
    let secrets = ("secrets.toml", "[development]\nkey = \"hunter2hunter2!\"\n");
    let auth = ("auth/key.yaml", "type: bearer\ntoken: {secret: key}\n");
    let signed = (
        "actions/signed.yaml",
        "description: Asks.\nconnection: api\npath: /\nauth: key\nsay: true\nspeech: {start: One moment.}\n",
    );
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let gateway = gateway(upstream.port, &[secrets, auth, signed]).await;
    let long = "ä".repeat(100_000);
    for (say, expected) in [
        ("a\n\nevent: completed\ndata: {}\n\n", "a event: completed data: {}"),
        ("a\r\n: b\u{0}\u{1b}[31m\u{2028}c", "a : b [31m c"),
        ("\u{7}\t\n", "One moment."),
        ("the key is hunter2hunter2!, and aHVudGVyMmh1bnRlcjIh", "the key is ***, and ***"),
        (&long, &long[..2_000]),
    ] {
        let events = all_of(&gateway, &call("signed", json!({"say": say}))).await;
        assert_eq!(kinds(&events), ["started", "completed"], "{say:.40}");
        let text = events[0].1["text"].as_str().unwrap();
        gateway.assert_untold(text);
        assert_eq!(text, expected, "{say:.40}");
    }
}

#[tokio::test]
async fn a_write_with_other_words_is_the_same_write() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let gateway = gateway(upstream.port, &[]).await;
    let book = |say: &str, more: Value| with(call("book", json!({"slot": 1, "say": say})), more);
    // Without an id, within the window.
    let first = gateway.call_with(book("I book it.", json!({"conversation_id": "c"}))).await;
    assert_eq!((&first["status"], first.get("replayed")), (&json!("success"), None));
    let second = gateway.call_with(book("I am booking it now.", json!({"conversation_id": "c"}))).await;
    assert_eq!(second["replayed"], true);
    // With one: the same call, not another one under its id.
    let by_id = json!({"conversation_id": "d", "tool_call_id": "call_1"});
    gateway.call_with(book("I book it.", by_id.clone())).await;
    let again = gateway.call_with(book("One moment.", by_id)).await;
    assert_eq!((&again["replayed"], &again["error"]), (&json!(true), &Value::Null));
    assert_eq!(upstream.requests().len(), 2);
}

#[tokio::test]
async fn an_impossible_call_stays_the_same_in_other_words() {
    let gateway = gateway(1, &[]).await;
    let mut message = String::new();
    for say in ["One moment.", "I try again.", "Once more."] {
        let asked = with(call("book", json!({"slot": "x", "say": say})), json!({"conversation_id": "c"}));
        message = gateway.call_with(asked).await["error"]["message"].as_str().unwrap().to_owned();
    }
    assert!(message.contains("3 times"), "{message}");
}

/// Asks for `say` of a schema whose parts are closed by themselves.
const EITHER: (&str, &str) = (
    "actions/either.yaml",
    "description: Books.\nconnection: api\nmethod: POST\npath: /either\nsay: true\n\
     parameters:\n  type: object\n  oneOf:\n    - {properties: {slot: {type: integer}}, required: [slot], additionalProperties: false}\n    \
     - {properties: {day: {type: string}}, required: [day], additionalProperties: false}\n",
);

#[tokio::test]
async fn every_dialect_is_offered_it_and_every_way_in_takes_it_out() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let gateway = gateway(upstream.port, &[EITHER]).await;
    offered(&gateway).await;
    let arguments = json!({"say": "I book it.", "slot": 1});
    let mut sent = 0;
    let mut conversation = 0;
    for action in ["book", "either"] {
        for route in ROUTES {
            conversation += 1;
            let path = format!("{route}?conversation_id=c{conversation}");
            let (status, reply) =
                gateway.post(&path, turn(route, &[("call_1", action, arguments.clone())]).to_string()).await;
            assert_eq!(status, 200, "{route}: {reply}");
            sent += 1;
            assert_eq!(upstream.requests().len(), sent, "{route} {action}: {reply}");
        }
        let vapi = json!({"message": {"type": "tool-calls", "call": {"id": format!("v-{action}")},
            "toolCallList": [{"id": "t", "name": action, "arguments": arguments}]}});
        let retell = json!({"name": action, "args": arguments, "call": {"call_id": format!("r-{action}")}});
        for (path, body) in [
            ("/webhooks/vapi/development".to_owned(), vapi),
            ("/webhooks/retell/development".to_owned(), retell),
            (format!("/webhooks/retell/development/{action}"), arguments.clone()),
            (format!("/webhooks/elevenlabs/development/{action}"), arguments.clone()),
        ] {
            let (status, reply) = gateway.post(&path, body.to_string()).await;
            sent += 1;
            assert_eq!((status, upstream.requests().len()), (200, sent), "{path}: {reply}");
        }
        #[cfg(feature = "mcp")]
        {
            let asked = stateless::complete(mcp::call(1, action, arguments.clone()));
            let reply = stateless::request(&gateway.url, &asked).send().await.unwrap().text().await.unwrap();
            sent += 1;
            assert_eq!(upstream.requests().len(), sent, "{reply}");
        }
    }
    // In a query all are texts, until the schema says otherwise.
    let request = gateway.request("GET", "/webhooks/retell/development/book?say=1&slot=1");
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert_eq!(upstream.requests().len(), sent + 1);
    for request in upstream.requests() {
        assert_eq!(request.text(), SLOT, "{}", request.head);
    }
}

/// `say` is a required text in the schema of every dialect, strict or not.
async fn offered(gateway: &Gateway) {
    for (query, pointer) in [
        ("openai-chat", "/function/parameters"),
        ("openai-chat&strict=true", "/function/parameters"),
        ("openai-responses", "/parameters"),
        ("openai-responses&strict=true", "/parameters"),
        ("openai-realtime", "/parameters"),
        ("anthropic", "/input_schema"),
        ("mcp", "/inputSchema"),
        ("vapi", "/function/parameters"),
        ("retell", "/parameters"),
        ("elevenlabs", "/tool_config/api_schema/request_body_schema"),
        ("callgate", "/parameters"),
    ] {
        let (_, tools) =
            gateway.get(&format!("/v1/tools?format={query}&base_url=https://gate.example.com")).await;
        for tool in tools.as_array().unwrap() {
            let says = tool.to_string().contains("while this runs");
            let text = tool.to_string();
            let expected = text.contains("\"book\"") || text.contains("\"either\"");
            assert_eq!(says, expected, "{query}: {tool}");
            if says {
                let schema = tool.pointer(pointer).unwrap_or_else(|| panic!("{query}: {tool}"));
                assert_eq!(schema["properties"]["say"]["type"], "string", "{query}: {schema}");
                assert!(schema["required"].as_array().unwrap().contains(&json!("say")), "{query}: {schema}");
            }
        }
    }
    for format in ["gemini", "gemini-schema"] {
        let (_, tools) = gateway.get(&format!("/v1/tools?format={format}")).await;
        assert_eq!(tools.to_string().matches("while this runs").count(), 2, "{tools}");
    }
    // What MCP clients get is whole: arguments with `say` meet it.
    let (_, tools) = gateway.get("/v1/tools?format=mcp").await;
    for tool in tools.as_array().unwrap().iter().filter(|tool| tool.to_string().contains("while this runs")) {
        let schema = jsonschema::draft202012::new(&tool["inputSchema"]).unwrap();
        assert!(schema.is_valid(&json!({"say": "x", "slot": 1})), "{tool}");
        assert!(!schema.is_valid(&json!({"slot": 1})), "{tool}");
        let is_closed = !schema.is_valid(&json!({"say": "x", "slot": 1, "n": 1}));
        assert_eq!(is_closed, tool["name"] == "either", "{tool}");
    }
}

#[tokio::test]
async fn a_preview_shows_nothing_of_it() {
    let gateway = Gateway::start(&files(1, &ALL)).await;
    let asked = json!({"arguments": {"slot": 1, "say": "I book it."}}).to_string();
    let (status, preview) = gateway.post("/v1/actions/book/preview", asked).await;
    assert_eq!((status, &preview["request"]["body"]), (200, &json!(SLOT)));
    assert!(!preview.to_string().contains("I book it"), "{preview}");
}
