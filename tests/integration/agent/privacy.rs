//! What one caller of an agent must not learn from another, and what is written down nowhere.

use callgate::server::NewKey;
use serde_json::{Value, json};

use super::endpoint::orders;
use super::model::{Reply, ScriptedModel};
use super::shop::{Shop, add_keys, project};
use crate::harness::Gateway;

/// Asks as the holder of `key`; the message that answers.
async fn ask(gateway: &Gateway, key: &NewKey, messages: &Value) -> Value {
    let tools =
        json!([{"type": "function", "function": {"name": "end_call", "parameters": {"type": "object"}}}]);
    let body = json!({"model": "shop", "messages": messages, "tools": tools});
    let request = gateway.request("POST", "/v1/chat/completions").bearer_auth(&key.key);
    let response = request.body(body.to_string()).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let text = response.text().await.unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    answer["choices"][0]["message"].clone()
}

/// Without a conversation, a turn is found by the ids of the calls that it passed on; by its own caller alone.
#[tokio::test]
async fn hidden_rounds_are_not_for_another_key_with_conversations_of_its_own() {
    let model = ScriptedModel::start(|asked| match asked.nth {
        0 => Reply::calls([("look", json!({"number": "7"})), ("end_call", json!({}))]),
        _ => Reply::says("Bye."),
    })
    .await;
    let upstream = orders().await;
    let mut files = project(&upstream, &model.base_url, "openai", "");
    let [ann, bob] = add_keys(&mut files, ["ann", "bob"]);
    let gateway = Gateway::start(&files).await;

    let hello = json!({"role": "user", "content": "Where is it? Then hang up."});
    let said = ask(&gateway, &ann, &json!([hello])).await;
    let call = &said["tool_calls"][0];
    assert_eq!(call["function"]["name"], "end_call");
    let result = json!({"role": "tool", "tool_call_id": call["id"], "content": "ended"});
    let history = json!([hello, said, result]);
    for (key, knows) in [(&bob, false), (&ann, true)] {
        assert_eq!(ask(&gateway, key, &history).await["content"], "Bye.");
        let asked = model.requests().pop().unwrap();
        let called: Vec<&str> = asked.messages[1].calls.iter().map(|call| call.name.as_str()).collect();
        let expected: &[&str] = if knows { &["look", "end_call"] } else { &["end_call"] };
        assert_eq!(called, expected);
        assert_eq!(asked.lines().concat().contains("sent"), knows, "the result of `look`");
    }
}

#[tokio::test]
async fn sensitive_arguments_are_masked_in_the_events_of_a_turn() {
    const PIN: &str = "description: Checks the PIN.\nconnection: api\nmethod: POST\npath: /pin\n\
        parameters:\n  type: object\n  properties:\n    who: {type: string}\n    \
        pin: {type: string, x-sensitive: true}\n    code: {type: integer, x-sensitive: true}\n    \
        adult: {type: boolean, x-sensitive: true}\n";
    let model = ScriptedModel::answering([
        Reply::calls([(
            "check_pin",
            json!({"pin": "pin-47-kilo", "who": "Ann, pin-47-kilo", "code": 470_815, "adult": true}),
        )]),
        Reply::says("Thank you."),
    ])
    .await;
    let upstream = orders().await;
    let mut files = project(&upstream, &model.base_url, "openai", "");
    files.push(("actions/check_pin.yaml", PIN.to_owned()));
    let gateway = Gateway::start(&files).await.into();
    let shop = Shop { gateway, upstream, model };
    let events = shop.turn("call-1", "Here is my PIN").await;
    assert!(events.contains("event: tool_started"), "{events}");
    let shown = r#""arguments":{"pin":"***","who":"Ann, ***","code":"***","adult":"***"}"#;
    assert!(events.contains(shown), "{events}");
    assert!(!events.contains("pin-47-kilo") && !events.contains("470815"), "{events}");
    let sent = String::from_utf8(shop.upstream.requests().pop().unwrap().body).unwrap();
    assert!(sent.contains("pin-47-kilo"), "the API gets the value itself: {sent}");
}
