//! What Chat Completions and the Responses API have in common: where a request is read from, and how a failure is told.

use callgate::server::NewKey;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::model::{Reply, ScriptedModel};
use super::shop::{Shop, asks, project};
use crate::harness::Gateway;
use crate::upstream::{self, ClosedPort, Upstream};

const FORMS: [&str; 2] = ["/v1/chat/completions", "/v1/responses"];

async fn blue_sky() -> Upstream {
    Upstream::start(|_| upstream::Reply::ok(r#"{"sky":"blue"}"#)).await
}

/// Asks for the weather first, and says what it is told.
async fn forecaster() -> ScriptedModel {
    ScriptedModel::start(|asked| match asked.round() {
        0 => Reply::calls([("weather", json!({}))]),
        _ => Reply::says("The sky is blue."),
    })
    .await
}

/// A request in the form of `path` in which the user says something, with `more` members.
fn body(path: &str, text: &str, more: &Value) -> Value {
    let mut body = match path.ends_with("responses") {
        true => json!({"model": "shop", "input": text}),
        false => json!({"model": "shop", "messages": [{"role": "user", "content": text}]}),
    };
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

async fn send(
    gateway: &Gateway,
    path: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> (u16, HeaderMap, String) {
    let mut request = gateway.request("POST", path).body(body.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.headers().clone(), response.text().await.unwrap())
}

async fn has_conversation(gateway: &Gateway, id: &str) -> bool {
    gateway.get(&format!("/v1/conversations/{id}")).await.0 == 200
}

#[tokio::test]
async fn who_wants_errors_hears_no_words() {
    let more = "on_failure: {model: The line is bad.}\n";
    for path in FORMS {
        for stream in [true, false] {
            let model = ScriptedModel::answering([Reply::status(401), Reply::status(401)]).await;
            let shop = Shop::with(blue_sky().await, model, "openai", more).await;
            let body = body(path, "Hello", &json!({"stream": stream}));
            let (_, _, text) = send(&shop.gateway, path, &[("callgate-on-failure", "error")], &body).await;
            assert!(text.contains("model_credentials"), "{path}, {stream}: {text}");
            assert!(!text.contains("The line is bad"), "{path}, {stream}: {text}");
            let (_, _, text) = send(&shop.gateway, path, &[], &body).await;
            assert!(text.contains("The line is bad"), "{path}, {stream}: {text}");
        }
    }
}

#[tokio::test]
async fn callers_hear_of_a_failure_without_its_cause() {
    let closed = ClosedPort::new();
    let (admin, caller) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
    let refusing =
        ScriptedModel::start(|_| Reply::status(401).because("no_key", "account 4711 owes us")).await;
    let unreachable = format!("http://127.0.0.1:{}/v1", closed.port);
    for (model, code, cause) in [
        (unreachable.as_str(), "model_unreachable", "cannot connect"),
        (refusing.base_url.as_str(), "model_credentials", "account 4711"),
    ] {
        let mut files = project(&blue_sky().await, model, "openai", "");
        let settings = files.iter_mut().find(|(name, _)| *name == "callgate.toml").unwrap();
        settings.1.push_str(&format!(
            "[[keys]]\nname = \"admin\"\nhash = \"{}\"\nadmin = true\n[[keys]]\nname = \"caller\"\nhash = \"{}\"\n",
            admin.hash, caller.hash
        ));
        let gateway = Gateway::start(&files).await;
        let (of_admin, of_caller) = (format!("Bearer {}", admin.key), format!("Bearer {}", caller.key));
        let turn = json!({"conversation_id": "c", "text": "Hello"});
        let interact =
            json!({"action": {"type": "text", "payload": "Hello"}, "config": {"excludeTypes": []}});
        let mut requests =
            vec![("/v1/agents/shop/turns", turn.clone()), ("/state/user/ann/interact?logs=debug", interact)];
        for stream in [true, false] {
            requests.extend(FORMS.map(|path| (path, body(path, "Hello", &json!({"stream": stream})))));
        }
        for (path, body) in requests {
            let headers = [("authorization", of_caller.as_str()), ("callgate-on-failure", "error")];
            let (_, _, text) = send(&gateway, path, &headers, &body).await;
            assert!(text.contains(code), "{path}: {text}");
            assert!(!text.contains(cause), "{path}: {text}");
        }
        let headers = [("authorization", of_admin.as_str())];
        let (_, _, text) = send(&gateway, "/v1/agents/shop/turns", &headers, &turn).await;
        assert!(text.contains(cause), "the console shows it: {text}");
    }
}

#[tokio::test]
async fn the_conversation_of_the_header_counts_whatever_the_body_says() {
    for path in FORMS {
        let shop = Shop::open(blue_sky().await, forecaster().await).await;
        let body = body(path, "Hello", &json!({"user": "{{call.id}}"}));
        let (status, _, text) = send(&shop.gateway, path, &[], &body).await;
        assert_eq!(status, 400, "{path}: {text}");
        let headers = [("callgate-conversation-id", "call-7")];
        let (status, _, text) = send(&shop.gateway, path, &headers, &body).await;
        assert_eq!(status, 200, "{path}: {text}");
        assert!(has_conversation(&shop.gateway, "call-7").await, "{path}");
    }
}

#[tokio::test]
async fn the_first_place_of_a_body_names_the_conversation() {
    // From the last to the first: each one that is added wins.
    let places = [
        json!({"prompt_cache_key": "the-app"}),
        json!({"user_id": "a"}),
        json!({"user": "b"}),
        json!({"extendData": {"instanceId": "c"}}),
        json!({"metadata": {"session_id": "d"}}),
        json!({"metadata": {"session_id": "d", "conversation_id": "e"}}),
        json!({"elevenlabs_extra_body": {"session_id": "f"}}),
        json!({"elevenlabs_extra_body": {"session_id": "f", "conversation_id": "g"}}),
        json!({"call": {"id": "h"}}),
    ];
    for path in FORMS {
        let shop = Shop::open(blue_sky().await, forecaster().await).await;
        let mut members = json!({});
        for (place, id) in places.iter().zip(["the-app", "a", "b", "c", "d", "e", "f", "g", "h"]) {
            for (name, value) in place.as_object().unwrap() {
                members[name] = value.clone();
            }
            assert!(!has_conversation(&shop.gateway, id).await, "{path}: {id}");
            let (status, _, text) = send(&shop.gateway, path, &[], &body(path, "Hello", &members)).await;
            assert_eq!(status, 200, "{path}: {text}");
            assert!(has_conversation(&shop.gateway, id).await, "{path}: {members}");
        }
    }
}

#[tokio::test]
async fn the_extra_members_of_elevenlabs_shape_the_fillers() {
    let more = "fillers: {announce_after_ms: 0, start: {en: One moment., de: Moment bitte.}}\n";
    for path in FORMS {
        let model = ScriptedModel::start(|asked| match asked.round() {
            0 => Reply::calls([("look", json!({"number": "7"}))]),
            _ => Reply::says("Unterwegs."),
        })
        .await;
        let shop = Shop::with(blue_sky().await, model, "openai", more).await;
        let members = json!({"elevenlabs_extra_body": {"conversation_id": "c", "language": "de"}});
        let (_, _, text) = send(&shop.gateway, path, &[], &body(path, "Wo ist sie?", &members)).await;
        assert!(text.contains("Moment bitte... Unterwegs."), "{path}: {text}");
    }
}

#[tokio::test]
async fn two_tools_of_one_name_are_refused() {
    let function = json!({"name": "end_call", "parameters": {"type": "object"}});
    let mut flat = function.clone();
    flat["type"] = json!("function");
    let nested = json!({"type": "function", "function": function});
    for (path, tool) in [(FORMS[0], nested), (FORMS[1], flat)] {
        let shop = Shop::open(blue_sky().await, forecaster().await).await;
        let body = body(path, "Hello", &json!({"tools": [tool, tool]}));
        let (status, _, text) = send(&shop.gateway, path, &[], &body).await;
        assert_eq!(status, 400, "{path}: {text}");
        assert!(text.contains("invalid_tool") && text.contains("`end_call`"), "{path}: {text}");
    }
}

#[tokio::test]
async fn a_model_of_any_length_is_not_repeated() {
    for path in FORMS {
        let shop = Shop::open(blue_sky().await, forecaster().await).await;
        for (length, expected) in [(256, 200), (257, 400)] {
            let body = body(path, "Hello", &json!({"model": "m".repeat(length)}));
            let (status, _, text) = send(&shop.gateway, path, &[], &body).await;
            assert_eq!(status, expected, "{path}: {text}");
            assert_eq!(text.contains("`model` may have 256 bytes"), expected == 400, "{path}: {text}");
        }
    }
}

#[tokio::test]
async fn no_proxy_holds_a_stream_back() {
    let shop = Shop::open(blue_sky().await, forecaster().await).await;
    let mut requests = vec![
        ("/v1/agents/shop/turns", json!({"conversation_id": "c", "text": "Hello"})),
        (
            "/v2/project/shop/user/ann/interact/stream",
            json!({"action": {"type": "text", "payload": "Hello"}}),
        ),
    ];
    requests.extend(FORMS.map(|path| (path, body(path, "Hello", &json!({"stream": true})))));
    for (path, body) in requests {
        let (status, headers, text) = send(&shop.gateway, path, &[], &body).await;
        assert_eq!(status, 200, "{path}: {text}");
        for (name, value) in [
            ("content-type", "text/event-stream; charset=utf-8"),
            ("cache-control", "no-cache, no-store"),
            ("x-accel-buffering", "no"),
        ] {
            assert_eq!(headers[name], value, "{path}: {name}");
        }
    }
}

/// The form that OpenAI's API had before `tool_calls`: calls have no ids.
#[tokio::test]
async fn a_function_result_answers_the_call_before_it() {
    let called = json!({"role": "assistant", "content": null, "function_call": {"name": "price", "arguments": "{\"of\":7}"}});
    let result = json!({"role": "function", "name": "price", "content": "9 euros"});
    let both = json!({"role": "assistant", "content": null, "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "price", "arguments": "{\"of\":7}"}},
        {"id": "c2", "type": "function", "function": {"name": "stock", "arguments": "{}"}},
    ]});
    let stock = json!({"role": "function", "name": "stock", "content": "none"});
    let call = r#"assistant: price({"of":7})"#;
    for (messages, expected) in [
        (vec![called, result.clone()], vec![call, "tool: price -> 9 euros"]),
        (
            vec![both, stock.clone(), result.clone()],
            vec![r#"assistant: price({"of":7}) stock({})"#, "tool: price -> 9 euros stock -> none"],
        ),
        // The caller has left its call out.
        (
            vec![result, stock],
            vec![
                "assistant: price({})",
                "tool: price -> 9 euros",
                "assistant: stock({})",
                "tool: stock -> none",
            ],
        ),
    ] {
        let model = ScriptedModel::answering([Reply::says("It costs 9 euros.")]).await;
        let shop = Shop::with(blue_sky().await, model, "openai", "system_messages: ignore\n").await;
        let mut all = vec![json!({"role": "user", "content": "What does it cost?"})];
        all.extend(messages);
        let answer = shop.stream(&asks(&Value::Array(all))).await;
        assert_eq!(answer.text, "It costs 9 euros.");
        assert_eq!(shop.model.request().lines()[1..], expected);
        assert!(shop.model.refusals().is_empty());
    }
}
