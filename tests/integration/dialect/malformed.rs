//! What a model or a client may send and nobody should execute.

use serde_json::{Value, json};

use super::{ROUTES, answers, gateway, post, turn, upstream};

#[tokio::test]
async fn a_body_that_holds_no_turn_is_a_problem_and_executes_nothing() {
    let upstream = upstream().await;
    let gateway = gateway(upstream.port, &[]).await;
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    for route in ROUTES {
        for body in ["", "  ", "{", "nonsense", "7", "\"text\"", "null", "{}", "{\"calls\": []}"] {
            let (status, problem) = gateway.post(route, body.to_owned()).await;
            let shown = &body[..body.len().min(20)];
            assert_eq!(
                (status, &problem["code"]),
                (400, &json!("invalid_request")),
                "{route} {shown}: {problem}"
            );
        }
        // One entry of a list, if a list will do; never a stack that runs out.
        let (status, answer) = gateway.post(route, deep.clone()).await;
        assert!([200, 400].contains(&status), "{route}: {answer}");
        let (status, problem) = gateway.post(route, b"{\"role\": \"\xff\"}".to_vec()).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_request")), "{route}");
        assert!(problem["detail"].as_str().unwrap().contains("UTF-8 from byte 10"), "{problem}");
        // Each would be answered by a hundred times its size.
        let many = format!("[{}7]", "7,".repeat(1_000));
        let (status, _) = gateway.post(route, many).await;
        let calls: Vec<(&str, &str, Value)> = (0..1_001).map(|_| ("i", "get_order", json!({}))).collect();
        let (many, problem) = gateway.post(route, turn(route, &calls).to_string()).await;
        assert!([200, 400].contains(&status) && many == 400, "{route}: {status} {many}");
        assert!(problem["detail"].as_str().unwrap().contains("1001 calls in one turn"), "{problem}");
        let (status, problem) = gateway.post(route, vec![b' '; 2 * 1024 * 1024]).await;
        assert_eq!((status, &problem["code"]), (413, &json!("body_too_large")), "{route}");
        let (status, problem) = gateway.post(&format!("{route}?enviroment=development"), "[]").await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_request")), "{route}");
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[tokio::test]
async fn a_call_without_its_id_its_name_or_its_form_is_refused_alone() {
    let upstream = upstream().await;
    let gateway = gateway(upstream.port, &[]).await;
    let good = |route| turn(route, &[("good", "get_order", json!({"number": "7"}))]);
    let long = "i".repeat(300);
    let chat = good(ROUTES[0])["tool_calls"][0].clone();
    let item = good(ROUTES[1])["output"][0].clone();
    let block = good(ROUTES[3])["content"][0].clone();
    let cases: [(&str, Value, usize); 4] = [
        (
            ROUTES[0],
            json!([{"type": "function", "function": {"name": "get_order", "arguments": "{\"number\": \"1\"}"}},
                   {"id": "n", "type": "function", "function": {"arguments": "{}"}},
                   {"id": "t", "type": "custom", "custom": {"name": "get_order", "input": "x"}},
                   {"id": long, "type": "function", "function": {"name": "get_order", "arguments": "{\"number\": \"1\"}"}},
                   {"id": 7, "function": 7}, 7, null, [], chat]),
            9,
        ),
        (
            ROUTES[1],
            json!([{"type": "function_call", "name": "get_order", "arguments": "{\"number\": \"1\"}", "status": "completed"},
                   {"type": "function_call", "call_id": "i", "name": "get_order", "arguments": "{\"number\": \"1\"}", "status": "incomplete"},
                   {"type": "function_call", "call_id": "p", "name": "get_order", "arguments": "{\"number\"", "status": "in_progress"},
                   7, null, item]),
            4,
        ),
        (
            ROUTES[3],
            json!([{"type": "tool_use", "name": "get_order", "input": {"number": "1"}},
                   {"type": "tool_use", "id": "n", "input": {}}, 7, null, "text", block]),
            3,
        ),
        (
            ROUTES[4],
            json!([{"functionCall": {"id": "n", "args": {}}}, {"functionCall": 7}, 7,
                   {"functionCall": {"id": "good", "name": "get_order", "args": {"number": "7"}}}]),
            3,
        ),
    ];
    for (route, body, expected) in cases {
        let before = upstream.requests().len();
        let reply = post(&gateway, route, &body).await;
        let answers = answers(route, &reply);
        assert_eq!(answers.len(), expected, "{route}: {reply}");
        let (last, others) = answers.split_last().unwrap();
        assert!(last.0 == "good" && last.1.contains("shipped"), "{route}: {reply}");
        for (id, text, failed) in others {
            assert!(text.contains("error") && text.contains("not executed"), "{route} {id}: {text}");
            assert_ne!(*failed, Some(false), "{route} {id}");
        }
        let sent: Vec<String> =
            upstream.requests()[before..].iter().map(|request| request.line().to_owned()).collect();
        assert_eq!(sent, ["GET /orders/7"], "{route}");
    }
}

#[tokio::test]
async fn realtime_executes_completed_items_only() {
    let upstream = upstream().await;
    let gateway = gateway(upstream.port, &[]).await;
    let route = ROUTES[2];
    let item = |id: &str, status: Value| json!({"type": "function_call", "call_id": id, "name": "get_order", "arguments": "{\"number\": \"7\"}", "status": status});
    let unfinished = json!([
        item("a", json!("incomplete")),
        item("b", json!("in_progress")),
        item("c", Value::Null),
        item("d", json!(7))
    ]);
    let event = |output: &Value| json!({"type": "response.done", "response": {"status": "cancelled", "output": output}});
    assert_eq!(post(&gateway, route, &event(&unfinished)).await, json!([]), "no event, no response.create");
    let single = json!({"type": "response.output_item.done", "item": item("a", json!("incomplete"))});
    assert_eq!(post(&gateway, route, &single).await, json!([]));
    assert_eq!(upstream.requests().len(), 0);
    let mixed = json!([item("a", json!("incomplete")), item("z", json!("completed"))]);
    let reply = post(&gateway, route, &event(&mixed)).await;
    let answers = answers(route, &reply);
    assert_eq!(answers.iter().map(|(id, _, _)| id.as_str()).collect::<Vec<_>>(), ["z"]);
    assert_eq!(upstream.requests().len(), 1);
    let early = json!({"type": "response.function_call_arguments.done", "call_id": "a", "name": "get_order", "arguments": "{\"number\": \"7\"}"});
    let (status, problem) = gateway.post(route, early.to_string()).await;
    assert_eq!(status, 400);
    assert!(problem["detail"].as_str().unwrap().contains("response.done"), "{problem}");
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn the_last_call_of_an_answer_that_was_cut_off_is_not_executed() {
    let upstream = upstream().await;
    let gateway = gateway(upstream.port, &[]).await;
    let calls =
        [("first", "get_order", json!({"number": "1"})), ("last", "get_order", json!({"number": "2"}))];
    let message = turn(ROUTES[0], &calls);
    let completion = json!({"choices": [{"finish_reason": "length", "message": message}]});
    let mut blocks = turn(ROUTES[3], &calls);
    blocks["stop_reason"] = json!("max_tokens");
    let mut full = blocks.clone();
    full["stop_reason"] = json!("model_context_window_exceeded");
    let content = turn(ROUTES[4], &calls);
    let candidate = json!({"candidates": [{"finishReason": "MAX_TOKENS", "content": content}]});
    for (route, body) in
        [(ROUTES[0], completion), (ROUTES[3], blocks.clone()), (ROUTES[3], full), (ROUTES[4], candidate)]
    {
        let before = upstream.requests().len();
        let answers = answers(route, &post(&gateway, route, &body).await);
        assert!(answers[0].1.contains("shipped"), "{route}");
        assert!(answers[1].1.contains("cut off"), "{route}: {}", answers[1].1);
        assert!(answers[1].1.contains("not_executed") && answers[1].1.contains("with_changes"), "{route}");
        assert_eq!(upstream.requests().len(), before + 1, "{route}");
    }
    // Cut off in the words after the calls: the calls are whole.
    blocks["content"].as_array_mut().unwrap().push(json!({"type": "text", "text": "I am"}));
    let answers = answers(ROUTES[3], &post(&gateway, ROUTES[3], &blocks).await);
    assert!(answers.iter().all(|(_, text, _)| text.contains("shipped")));
}

#[tokio::test]
async fn more_calls_than_allowed_are_refused_and_the_others_are_not() {
    let upstream = upstream().await;
    let settings =
        ("callgate.toml", "environments = [\"development\"]\n[server]\nmax_calls_per_request = 3\n");
    let gateway = gateway(upstream.port, &[settings]).await;
    for route in ROUTES {
        let before = upstream.requests().len();
        let calls: Vec<(&str, &str, Value)> =
            ["a", "b", "c", "d", "e"].iter().map(|id| (*id, "get_order", json!({"number": "7"}))).collect();
        let answers = answers(route, &post(&gateway, route, &turn(route, &calls)).await);
        assert_eq!(answers.len(), 5, "{route}");
        assert!(answers[..3].iter().all(|(_, text, _)| text.contains("shipped")), "{route}");
        assert!(answers[3..].iter().all(|(_, text, _)| text.contains("More than 3 calls")), "{route}");
        assert_eq!(upstream.requests().len(), before + 3, "{route}");
    }
}
