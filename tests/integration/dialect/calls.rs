//! Tool calls in and results out, in the form of each provider.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{ROUTES, answers, gateway, post, turn, upstream};
use crate::upstream::{Reply, Upstream};

#[tokio::test]
async fn a_turn_is_answered_in_its_own_form_and_order() {
    let upstream = upstream().await;
    let gateway = gateway(upstream.port, &[]).await;
    for route in ROUTES {
        let calls = [
            ("call_1", "get_order", json!({"number": "7"})),
            ("call_2", "hours", json!({})),
            ("call_3", "add_note", json!({"text": "hi"})),
            ("call_4", "human", json!({})),
        ];
        let reply = post(&gateway, route, &turn(route, &calls)).await;
        let answers = answers(route, &reply);
        let ids: Vec<&str> = answers.iter().map(|(id, _, _)| id.as_str()).collect();
        assert_eq!(ids, ["call_1", "call_2", "call_3", "call_4"], "{route}");
        let order: Value = serde_json::from_str(&answers[0].1).unwrap();
        assert_eq!(order, json!({"status": "shipped", "note": "two\nlines"}), "{route}: the body as it is");
        assert_eq!(answers[1].1, "9 to 5,\nMonday to Friday", "{route}: a text is no JSON string in a text");
        let note: Value = serde_json::from_str(&answers[2].1).unwrap();
        assert_eq!(note["variables"], json!({"note.status": "shipped"}), "{route}");
        assert_eq!(note["body"]["status"], "shipped", "{route}");
        let human: Value = serde_json::from_str(&answers[3].1).unwrap();
        assert_eq!(human["handover"]["phone_number"], "+4930123456", "{route}");
        assert!(answers.iter().all(|(_, _, failed)| *failed != Some(true)), "{route}: {reply}");
    }
}

#[tokio::test]
async fn what_cannot_be_called_is_an_error_result_and_costs_the_others_nothing() {
    let upstream = upstream().await;
    let gateway = gateway(upstream.port, &[]).await;
    for route in ROUTES {
        let before = upstream.requests().len();
        let calls = [
            ("a", "get_ordr", json!({"number": "7"})),
            ("b", "get_order", json!({"number": "seven"})),
            ("c", "get_order", json!({"number": "7"})),
            ("d", "open_ticket", json!({"category": "billing", "sub": "crash"})),
            ("e", "get_order", json!([1, 2])),
        ];
        let reply = post(&gateway, route, &turn(route, &calls)).await;
        let answers = answers(route, &reply);
        assert_eq!(answers.len(), 5, "{route}: {reply}");
        let failed: Vec<bool> = answers
            .iter()
            .map(|(_, text, failed)| {
                let said = serde_json::from_str::<Value>(text).is_ok_and(|value| value["error"].is_object());
                assert!(failed.is_none_or(|failed| failed == said), "{route}: {text}");
                said
            })
            .collect();
        assert_eq!(failed, [true, true, false, true, true], "{route}: {reply}");
        let code =
            |at: usize| serde_json::from_str::<Value>(&answers[at].1).unwrap()["error"]["code"].clone();
        assert_eq!(
            [code(0), code(1), code(3), code(4)],
            [
                json!("unknown_tool"),
                json!("invalid_arguments"),
                json!("invalid_arguments"),
                json!("invalid_arguments")
            ],
            "{route}: the whole schema is checked, whatever the spec said"
        );
        assert_eq!(upstream.requests().len(), before + 1, "{route}: one of them was sent");
    }
}

#[tokio::test]
async fn the_calls_of_a_turn_run_in_parallel() {
    let gate = Arc::new(Semaphore::new(0));
    let (held, seen) = (gate.clone(), Arc::new(std::sync::atomic::AtomicUsize::new(0)));
    let upstream = Upstream::start(move |_| {
        // The third opens the gate for all: they are under way at the same time, or never answered.
        if seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) % 3 == 2 {
            held.add_permits(3);
        }
        Reply::Held(held.clone(), Box::new(Reply::ok("{\"ok\": true}")))
    })
    .await;
    let gateway = gateway(upstream.port, &[]).await;
    for route in ROUTES {
        let number = |n: &str| json!({"number": n});
        let calls = [
            ("1", "get_order", number("1")),
            ("2", "get_order", number("2")),
            ("3", "get_order", number("3")),
        ];
        let reply = post(&gateway, route, &turn(route, &calls)).await;
        for (id, text, _) in answers(route, &reply) {
            let answer: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(answer, json!({"ok": true}), "{route} {id}");
        }
    }
}

#[tokio::test]
async fn environment_and_conversation_come_by_header_or_query() {
    let upstream = upstream().await;
    let environments = ("callgate.toml", "environments = [\"development\", \"staging\"]\n");
    let gateway = gateway(upstream.port, &[environments]).await;
    let arguments = json!({"category": "billing", "sub": "refund"});
    for (number, route) in ROUTES.iter().copied().enumerate() {
        // An id of its own: the same one is the same call.
        let id = format!("call_{number}");
        let body = turn(route, &[(&id, "open_ticket", arguments.clone())]).to_string();
        let (status, problem) = gateway.post(route, body.clone()).await;
        assert_eq!((status, &problem["code"]), (400, &json!("environment_required")), "{route}");
        let (status, problem) = gateway.post(&format!("{route}?environment=nowhere"), body.clone()).await;
        assert_eq!((status, &problem["code"]), (400, &json!("unknown_environment")), "{route}");
        let long = "i".repeat(257);
        let path = format!("{route}?environment=staging&conversation_id={long}");
        let (status, problem) = gateway.post(&path, body.clone()).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_request")), "{route}");
        let before = upstream.requests().len();
        let path = format!("{route}?environment=staging&conversation_id=by-query");
        assert_eq!(gateway.post(&path, body.clone()).await.0, 200, "{route}");
        let request = gateway.request("POST", route).body(body);
        let request =
            request.header("Callgate-Environment", "staging").header("Callgate-Conversation-Id", "by-header");
        assert_eq!(request.send().await.unwrap().status(), 200, "{route}");
        let sent: Vec<Value> = upstream.requests()[before..]
            .iter()
            .map(|request| serde_json::from_str::<Value>(&request.text()).unwrap()["conversation"].clone())
            .collect();
        assert_eq!(sent, [json!("by-query"), json!("by-header")], "{route}");
    }
}

#[tokio::test]
async fn nulls_of_a_strict_model_are_absent() {
    let upstream = upstream().await;
    let gateway = gateway(upstream.port, &[]).await;
    let (_, specs) = gateway.get("/v1/tools?format=openai-chat&strict=true").await;
    let order =
        specs.as_array().unwrap().iter().find(|spec| spec["function"]["name"] == "get_order").unwrap();
    let parameters = &order["function"]["parameters"];
    assert_eq!(parameters["required"], json!(["number", "locale", "items"]));
    assert_eq!(parameters["properties"]["locale"]["type"], json!(["string", "null"]));
    for route in ROUTES {
        let calls = [
            ("x", "get_order", json!({"number": "7", "locale": null, "items": null})),
            ("y", "add_note", json!({"text": "hi", "urgent": null})),
            ("z", "get_order", json!({"number": null, "locale": null})),
        ];
        let before = upstream.requests().len();
        let reply = post(&gateway, route, &turn(route, &calls)).await;
        let answers = answers(route, &reply);
        assert!(answers[2].1.contains("invalid_arguments"), "{route}: a required null is wrong: {reply}");
        let sent: Vec<(String, String)> = upstream.requests()[before..]
            .iter()
            .map(|request| (request.line().to_owned(), request.text()))
            .collect();
        assert_eq!(sent.len(), 2, "{route}: {sent:?}");
        assert!(sent.contains(&("GET /orders/7".to_owned(), String::new())), "{route}: {sent:?}");
        let note = ("POST /notes".to_owned(), r#"{"text":"hi","urgent":false}"#.to_owned());
        assert!(sent.contains(&note), "{route}: the default stands in: {sent:?}");
    }
}

#[tokio::test]
async fn the_forms_that_models_and_sdks_give_are_all_understood() {
    let upstream = upstream().await;
    let gateway = gateway(upstream.port, &[]).await;
    let chat = turn(ROUTES[0], &[("c", "hours", json!({}))]);
    let responses = turn(ROUTES[1], &[("c", "hours", json!({}))]);
    let realtime = turn(ROUTES[2], &[("c", "hours", json!({}))]);
    let anthropic = turn(ROUTES[3], &[("c", "hours", json!({}))]);
    let gemini = turn(ROUTES[4], &[("c", "hours", json!({}))]);
    let forms = [
        (ROUTES[0], chat["tool_calls"].clone()),
        (
            ROUTES[0],
            json!({"id": "chatcmpl-1", "choices": [{"index": 0, "finish_reason": "tool_calls", "message": chat}]}),
        ),
        (ROUTES[1], responses["output"].clone()),
        (ROUTES[1], responses["output"][0].clone()),
        (ROUTES[2], json!({"type": "response.output_item.done", "item": realtime["response"]["output"][0]})),
        (ROUTES[3], anthropic["content"].clone()),
        (ROUTES[3], anthropic["content"][0].clone()),
        (ROUTES[4], gemini["parts"].clone()),
        (ROUTES[4], gemini["parts"][0].clone()),
        (ROUTES[4], json!({"candidates": [{"content": gemini}]})),
        (
            ROUTES[4],
            json!({"role": "model", "parts": [{"text": "One moment."}, {"function_call": {"id": "c", "name": "hours", "args": {}}}]}),
        ),
    ];
    for (route, body) in forms {
        let reply = post(&gateway, route, &body).await;
        let answers = answers(route, &reply);
        assert_eq!(answers.len(), 1, "{route} {body}: {reply}");
        assert_eq!(
            (answers[0].0.as_str(), answers[0].1.as_str()),
            ("c", "9 to 5,\nMonday to Friday"),
            "{route} {body}"
        );
    }
    let live = json!({"toolCall": {"functionCalls": [{"id": "l", "name": "hours", "args": {}}]}});
    let reply = post(&gateway, ROUTES[4], &live).await;
    let response = &reply["toolResponse"]["functionResponses"][0];
    assert_eq!((&response["id"], &response["name"]), (&json!("l"), &json!("hours")), "{reply}");
    // Older models give no id; the order tells.
    let unnamed =
        json!([{"functionCall": {"name": "hours", "args": {}}}, {"functionCall": {"name": "nothing"}}]);
    let reply = post(&gateway, ROUTES[4], &unnamed).await;
    assert_eq!(reply["parts"][0]["functionResponse"]["response"]["output"], "9 to 5,\nMonday to Friday");
    assert!(reply["parts"][1]["functionResponse"]["response"]["error"].is_string(), "{reply}");
    assert_eq!(reply["parts"][0]["functionResponse"].get("id"), None);
}

#[tokio::test]
async fn an_answer_in_words_calls_nothing() {
    let upstream = upstream().await;
    let gateway = gateway(upstream.port, &[]).await;
    let none = json!([]);
    for (route, body, expected) in [
        (ROUTES[0], json!({"role": "assistant", "content": "Hello."}), none.clone()),
        (
            ROUTES[1],
            json!({"output": [{"type": "message", "role": "assistant", "content": []}, {"type": "reasoning"}]}),
            none.clone(),
        ),
        (
            ROUTES[2],
            json!({"type": "response.done", "response": {"status": "completed", "output": []}}),
            none.clone(),
        ),
        (
            ROUTES[3],
            json!({"role": "assistant", "content": "Hello."}),
            json!({"role": "user", "content": []}),
        ),
        (
            ROUTES[3],
            json!({"role": "assistant", "content": [{"type": "text", "text": "Hello."}, {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}]}),
            json!({"role": "user", "content": []}),
        ),
        (
            ROUTES[4],
            json!({"role": "model", "parts": [{"text": "Hello."}]}),
            json!({"role": "user", "parts": []}),
        ),
    ] {
        assert_eq!(post(&gateway, route, &body).await, expected, "{route} {body}");
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[tokio::test]
async fn a_response_of_gemini_without_content_calls_nothing() {
    let gateway = gateway(1, &[]).await;
    for body in [
        json!({"candidates": [{"finishReason": "STOP", "index": 0}]}),
        json!({"candidates": [{"content": {}, "finishReason": "MALFORMED_FUNCTION_CALL"}]}),
        json!({"candidates": [{"content": {"role": "model"}}]}),
        json!({"candidates": []}),
        json!({"promptFeedback": {"blockReason": "SAFETY"}}),
        json!({"candidates": null, "prompt_feedback": {"block_reason": "SAFETY"}}),
        json!({"usageMetadata": {"totalTokenCount": 7}, "modelVersion": "gemini-x"}),
    ] {
        assert_eq!(post(&gateway, ROUTES[4], &body).await, json!({"role": "user", "parts": []}), "{body}");
    }
    for body in [
        json!({"setupComplete": {}}),
        json!({"serverContent": {"turnComplete": true}}),
        json!({"serverContent": {"modelTurn": {"parts": [{"text": "Hello."}]}}, "usageMetadata": {}}),
        json!({"tool_call": null, "server_content": {"interrupted": true}}),
        json!({"toolCallCancellation": {"ids": ["call_1"]}}),
        json!({"goAway": {"timeLeft": "5s"}}),
    ] {
        let empty = json!({"toolResponse": {"functionResponses": []}});
        assert_eq!(post(&gateway, ROUTES[4], &body).await, empty, "{body}");
    }
}
