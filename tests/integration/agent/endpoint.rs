//! `POST /v1/chat/completions` as its callers see it.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

use super::model::asked::Role;
use super::model::{Reply, ScriptedModel, Step};
use super::shop::{Shop, asks, says};
use crate::upstream::{self, Upstream};

pub(super) async fn orders() -> Upstream {
    Upstream::start(|request| {
        let line = request.line();
        upstream::Reply::ok(match line {
            line if line.contains("/orders/") => r#"{"status":"sent"}"#,
            line if line.contains("/weather") => r#"{"sky":"blue"}"#,
            _ => r#"{"ok":true}"#,
        })
    })
    .await
}

#[tokio::test]
async fn a_plain_answer_is_streamed_as_the_model_gives_it() {
    let model = ScriptedModel::answering([Reply::says("Good day to you.").using(11, 4)]).await;
    let shop = Shop::open(orders().await, model).await;
    let mut body = says("Hello");
    body["stream_options"] = json!({"include_usage": true});
    let answer = shop.stream(&body).await;
    assert_eq!(
        (answer.text.as_str(), answer.finish.as_str(), answer.is_done),
        ("Good day to you.", "stop", true)
    );
    assert_eq!(answer.chunks[0]["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
    assert_eq!(answer.chunks[0]["model"], "shop");
    assert_eq!(
        (&answer.usage["prompt_tokens"], &answer.usage["completion_tokens"], &answer.usage["total_tokens"]),
        (&json!(11), &json!(4), &json!(15))
    );
    for chunk in &answer.chunks {
        assert!(chunk.get("usage").is_some(), "null on all but the last: {chunk}");
    }
    let asked = shop.model.request();
    assert_eq!(asked.system, "You answer for the shop of nobody.\n");
    assert_eq!(asked.header("authorization"), Some("Bearer sk-model-4711-secret"));
    assert_eq!(asked.tools, ["book", "look", "to_sales", "weather"], "`refund` is for another state");
    assert_eq!(asked.lines(), ["user: Hello"]);
}

#[tokio::test]
async fn without_usage_no_chunk_speaks_of_it() {
    let model = ScriptedModel::answering([Reply::says("Yes.")]).await;
    let shop = Shop::open(orders().await, model).await;
    let answer = shop.stream(&says("Hello")).await;
    assert!(answer.chunks.iter().all(|chunk| chunk.get("usage").is_none()));
}

#[tokio::test]
async fn one_completion_is_given_where_no_stream_is_asked_for() {
    let model = ScriptedModel::answering([
        Reply::calls([("look", json!({"number": "7"}))]).using(10, 1),
        Reply::says("It is sent.").using(20, 2),
    ])
    .await;
    let shop = Shop::open(orders().await, model).await;
    let (status, answer) =
        shop.gateway.post("/v1/chat/completions", says("Where is order 7?").to_string()).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["object"], "chat.completion");
    let choice = &answer["choices"][0];
    assert_eq!(
        (&choice["message"]["content"], &choice["finish_reason"]),
        (&json!("It is sent."), &json!("stop"))
    );
    assert!(choice["message"].get("tool_calls").is_none());
    assert_eq!(answer["usage"]["total_tokens"], 33, "of all rounds");
}

#[tokio::test]
async fn calls_of_a_round_run_in_parallel_and_never_show() {
    let gate = Arc::new(Semaphore::new(0));
    let at = gate.clone();
    let upstream = Upstream::start(move |request| {
        let body =
            if request.line().contains("/orders/") { r#"{"status":"sent"}"# } else { r#"{"sky":"blue"}"# };
        upstream::Reply::Held(at.clone(), Box::new(upstream::Reply::ok(body)))
    })
    .await;
    let model = ScriptedModel::answering([
        Reply::calls([("look", json!({"number": "7"})), ("weather", json!({}))]),
        Reply::says("It is sent, and the sky is blue."),
    ])
    .await;
    let shop = Shop::open(upstream, model).await;
    let mut stream = shop.begin(&says("Both, please")).await;
    // Neither has been answered.
    shop.upstream.received(2).await;
    gate.add_permits(2);
    let answer = stream.rest().await;
    assert!(answer.text.ends_with("It is sent, and the sky is blue."), "{}", answer.text);
    assert!(answer.calls.is_empty());
    assert_eq!(answer.finish, "stop");
    let lines = shop.model.requests()[1].lines();
    assert_eq!(lines[0], "user: Both, please");
    assert_eq!(lines[2], r#"tool: look -> {"status":"sent"} weather -> {"sky":"blue"}"#);
}

#[tokio::test]
async fn a_tool_of_the_callers_is_passed_on_and_its_answer_goes_back() {
    let model = ScriptedModel::start(|asked| match asked.nth {
        0 => Reply::calls([("transfer_call", json!({"to": "sales"}))]).with_preamble("One moment."),
        _ => Reply::says(&format!("It said {}.", asked.results()[0].content)),
    })
    .await;
    let shop = Shop::open(orders().await, model).await;
    let tools = json!([{"type": "function", "function": {"name": "transfer_call", "description": "Transfers.", "parameters": {"type": "object", "properties": {"to": {"type": "string"}}}}}]);
    let mut body = says("Sales, please");
    body["tools"] = tools.clone();
    let answer = shop.stream(&body).await;
    assert_eq!((answer.text.as_str(), answer.finish.as_str()), ("One moment.", "tool_calls"));
    let [(id, name, arguments)] = answer.calls.as_slice() else { panic!("{:?}", answer.calls) };
    assert_eq!((name.as_str(), arguments), ("transfer_call", &json!({"to": "sales"})));
    let mut body = asks(&json!([
        {"role": "user", "content": "Sales, please"},
        {"role": "assistant", "content": "One moment.", "tool_calls": [{"id": id, "type": "function", "function": {"name": name, "arguments": arguments.to_string()}}]},
        {"role": "tool", "tool_call_id": id, "content": "ringing"},
    ]));
    body["tools"] = tools;
    let answer = shop.stream(&body).await;
    assert_eq!((answer.text.as_str(), answer.finish.as_str()), ("It said ringing.", "stop"));
    let asked = &shop.model.requests()[1];
    assert_eq!(
        asked.lines(),
        [
            "user: Sales, please",
            r#"assistant: One moment. transfer_call({"to":"sales"})"#,
            "tool: transfer_call -> ringing"
        ]
    );
}

/// Both kinds in one round, with and without a conversation.
#[tokio::test]
async fn a_round_that_mixes_both_kinds_loses_neither() {
    for conversation in [Some("call-9"), None] {
        let model = ScriptedModel::start(|asked| match asked.nth {
            0 => Reply::calls([
                ("look", json!({"number": "7"})),
                ("end_call", json!({})),
                ("weather", json!({})),
                ("end_call", json!({"now": true})),
            ]),
            _ => Reply::says("Bye."),
        })
        .await;
        let shop = Shop::open(orders().await, model).await;
        let tools =
            json!([{"type": "function", "function": {"name": "end_call", "parameters": {"type": "object"}}}]);
        let with = |messages: Value| {
            let mut body = json!({"model": "shop", "messages": messages, "tools": tools});
            if let Some(id) = conversation {
                body["metadata"] = json!({"conversation_id": id});
            }
            body
        };
        let answer = shop.stream(&with(json!([{"role": "user", "content": "All of it"}]))).await;
        assert_eq!((answer.calls.len(), answer.finish.as_str()), (2, "tool_calls"));
        assert_eq!(shop.upstream.requests().len(), 2);
        let calls: Vec<Value> = answer
            .calls
            .iter()
            .map(|(id, name, arguments)| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments.to_string()}}))
            .collect();
        let results = answer.calls.iter().map(|(id, _, arguments)| json!({"role": "tool", "tool_call_id": id, "content": format!("ended {arguments}")}));
        let mut messages = vec![json!({"role": "user", "content": "All of it"})];
        let text = answer.text.clone();
        messages.push(json!({"role": "assistant", "content": text, "tool_calls": calls}));
        messages.extend(results);
        let answer = shop.stream(&with(Value::Array(messages))).await;
        assert_eq!(answer.text, "Bye.");
        let asked = &shop.model.requests()[1];
        let said: Vec<&str> = asked.messages[1].calls.iter().map(|call| call.name.as_str()).collect();
        assert_eq!(said, ["look", "end_call", "weather", "end_call"], "{conversation:?}");
        let results: Vec<&str> =
            asked.messages[2].results.iter().map(|result| result.content.as_str()).collect();
        assert_eq!(
            results,
            [r#"{"status":"sent"}"#, "ended {}", r#"{"sky":"blue"}"#, r#"ended {"now":true}"#],
            "{conversation:?}"
        );
        assert_eq!(shop.upstream.requests().len(), 2, "nothing runs twice");
    }
}

#[tokio::test]
async fn a_handover_reaches_each_product_in_its_own_form() {
    for (tool, expected) in [
        (Some("transferCall"), json!({"destination": "+15551234567"})),
        (
            Some("transfer_to_number"),
            json!({
                "transfer_number": "+15551234567",
                "client_message": "I will put you through to sales.",
                "agent_message": "I will put you through to sales.",
                "reason": "to_sales",
            }),
        ),
        (None, json!({"phone_number": "+15551234567", "message": "I will put you through to sales."})),
    ] {
        let model = ScriptedModel::answering([Reply::calls([("to_sales", json!({}))])]).await;
        let shop = Shop::open(orders().await, model).await;
        let mut body = says("Sales, please");
        if let Some(name) = tool {
            body["tools"] =
                json!([{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}]);
        }
        let answer = shop.stream(&body).await;
        assert_eq!(
            (answer.text.trim(), answer.finish.as_str()),
            ("I will put you through to sales.", "tool_calls")
        );
        let [(_, name, arguments)] = answer.calls.as_slice() else { panic!("{:?}", answer.calls) };
        assert_eq!((name.as_str(), arguments), (tool.unwrap_or("to_sales"), &expected));
    }
}

#[tokio::test]
async fn a_slow_tool_is_announced_and_a_fast_one_is_not() {
    let go = Arc::new(Semaphore::new(0));
    let gate = go.clone();
    let upstream = Upstream::start(move |_| {
        upstream::Reply::Held(gate.clone(), Box::new(upstream::Reply::ok(r#"{"sky":"blue"}"#)))
    })
    .await;
    let model = ScriptedModel::start(|asked| match asked.messages.last().unwrap().role {
        Role::Tool => Reply::says("The sky is blue."),
        _ => Reply::calls([("weather", json!({}))]),
    })
    .await;
    let more = "fillers: {announce_after_ms: 1}\n";
    let shop = Shop::with(upstream, model, "openai", more).await;
    let mut stream = shop.begin(&says("The weather?")).await;
    assert_eq!(stream.text().await, "Let me look outside. ");
    assert_eq!(stream.text().await, "The window is stuck. ");
    go.add_permits(1);
    let answer = stream.rest().await;
    assert_eq!(answer.text, "The sky is blue.", "each filler once");
    assert_eq!(
        shop.model.requests()[1].lines()[1],
        "assistant: Let me look outside. The window is stuck. weather({})",
        "what the caller heard"
    );
    // It does not take as long as the agent waits before it announces one.
    let model =
        ScriptedModel::answering([Reply::calls([("weather", json!({}))]), Reply::says("The sky is blue.")])
            .await;
    let shop = Shop::with(orders().await, model, "openai", "fillers: {announce_after_ms: 60000}\n").await;
    let answer = shop.stream(&says("The weather?")).await;
    assert!(!answer.text.contains("Let me look outside"), "{}", answer.text);
    // Switched off.
    go.add_permits(1);
}

#[tokio::test]
async fn the_models_own_words_before_a_call_are_the_filler() {
    let go = Arc::new(Semaphore::new(0));
    let gate = go.clone();
    let upstream = Upstream::start(move |_| {
        upstream::Reply::Held(gate.clone(), Box::new(upstream::Reply::ok(r#"{"sky":"blue"}"#)))
    })
    .await;
    let model = ScriptedModel::answering([
        Reply::calls([("weather", json!({}))]).with_preamble("Let me see."),
        Reply::says("Blue."),
    ])
    .await;
    let shop = Shop::with(upstream, model, "openai", "fillers: {announce_after_ms: 1}\n").await;
    let mut stream = shop.begin(&says("The weather?")).await;
    let mut heard = String::new();
    while !heard.contains("stuck") {
        heard.push_str(&stream.text().await);
    }
    assert_eq!(heard, "Let me see. The window is stuck. ");
    go.add_permits(1);
    assert_eq!(stream.rest().await.text, "Blue.");
}

#[tokio::test]
async fn errors_have_the_form_that_sdks_read() {
    let model = ScriptedModel::answering([]).await;
    let shop = Shop::open(orders().await, model).await;
    for (body, status, code, says) in [
        ("{", 400, "invalid_request", "JSON"),
        (r#"{"model":"shop"}"#, 400, "missing_messages", "`messages`"),
        (
            r#"{"model":"shop","messages":[{"role":"wizard","content":"x"}]}"#,
            400,
            "invalid_message",
            "messages[0]",
        ),
        (
            r#"{"model":"shop","messages":[{"role":"user","content":[{"type":"image_url"}]}]}"#,
            400,
            "invalid_message",
            "image_url",
        ),
        (r#"{"model":"shop","messages":[],"n":2}"#, 400, "unsupported_value", "`n`"),
        (r#"{"model":"shop","messages":[],"user":"{{call.id}}"}"#, 400, "invalid_request", "placeholder"),
        (
            r#"{"model":"shop","messages":[],"tools":[{"type":"function","function":{"name":"look"}}]}"#,
            400,
            "tool_name_conflict",
            "`look`",
        ),
    ] {
        let (found, answer) = shop.gateway.post("/v1/chat/completions", body.to_owned()).await;
        let error = &answer["error"];
        assert_eq!((found, error["code"].as_str()), (status, Some(code)), "{answer}");
        assert_eq!(error["type"], "invalid_request_error");
        assert!(error["message"].as_str().unwrap().contains(says), "{answer}");
        assert!(error.get("param").is_some());
    }
    let (status, answer) = shop.gateway.post("/staging/v1/chat/completions", says("x").to_string()).await;
    assert_eq!((status, answer["error"]["code"].as_str()), (400, Some("unknown_environment")), "{answer}");
    assert!(shop.model.requests().is_empty());
}

#[tokio::test]
async fn models_are_listed_with_and_without_an_environment() {
    let shop = Shop::open(orders().await, ScriptedModel::answering([]).await).await;
    for path in ["/v1/models", "/development/v1/models"] {
        let (status, list) = shop.gateway.get(path).await;
        assert_eq!((status, list["object"].as_str()), (200, Some("list")), "{list}");
        assert_eq!((&list["data"][0]["id"], &list["data"][0]["object"]), (&json!("shop"), &json!("model")));
    }
    let (_, agents) = shop.gateway.get("/v1/agents").await;
    assert_eq!(agents["agents"][0]["name"], "shop", "{agents}");
    assert_eq!(agents["agents"][0]["file"], "agents/shop.yaml", "{agents}");
}

#[tokio::test]
async fn a_caller_that_hangs_up_stops_the_model() {
    let never = Arc::new(Notify::new());
    let model =
        ScriptedModel::start(move |_| Reply::says("Once upon a time").then(Step::Wait(never.clone()))).await;
    let shop = Shop::open(orders().await, model).await;
    let mut stream = shop.begin(&says("A story")).await;
    assert_eq!(stream.text().await, "Once");
    drop(stream);
    shop.model.until_hung_up(0).await;
}

#[tokio::test]
async fn the_four_forms_lead_to_the_same_answers() {
    for provider in ["openai", "openai-responses", "anthropic", "gemini"] {
        let model = ScriptedModel::start(|asked| match asked.round() {
            0 => Reply::calls([("look", json!({"number": "7"})), ("weather", json!({}))])
                .with_preamble("Let me see."),
            _ => Reply::says("It is sent, and the sky is blue."),
        })
        .await;
        let shop = Shop::with(orders().await, model, provider, "").await;
        let answer = shop.stream(&says("Both")).await;
        assert_eq!(answer.text, "Let me see. It is sent, and the sky is blue.", "{provider}");
        let lines = shop.model.requests()[1].lines();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[1].starts_with("assistant: Let me see. look("), "{provider}: {lines:?}");
    }
}
