//! What an answer says besides its body of JSON: its headers, its status, a plain text.

use serde_json::{Value, json};

use crate::dialect::{ROUTES, answers, turn};
use crate::harness::{Gateway, files};
use crate::upstream::{Captured, Reply, Upstream};

const PROJECT: &[(&str, &str)] = &[
    ("secrets.toml", "[development]\nAPI_KEY = \"s3cr3t-of-the-api-4711\"\n"),
    ("auth/api_key.yaml", "type: bearer\ntoken: {secret: API_KEY}\n"),
    ("connections/keyed.yaml", "base_url: http://upstream.test\nauth: api_key\n"),
    (
        "actions/start_export.yaml",
        "description: Starts an export.\nconnection: api\nmethod: POST\npath: /exports/{{.parameters.kind}}\ndedupe_window_ms: 0\n\
         parameters: {type: object, properties: {kind: {type: string}}, required: [kind]}\n\
         output_variables:\n  - {name: export.id, from: header, header: X-Export-Id, expose: true}\n  \
         - {name: export.first, from: header, header: x-export-id, keep: true}\n  \
         - {name: export.status, from: status, expose: true}\n  - {name: export.text, path: $, expose: true}\n  \
         - {name: export.part, path: $.part, expose: true}\n",
    ),
    (
        "actions/get_export.yaml",
        "description: Gets an export.\nconnection: api\npath: /export/{{.variables.export.id}}/{{.variables.export.status}}\n\
         query: {first: '{{.variables.export.first}}'}\n",
    ),
    (
        "actions/say_it.yaml",
        "description: Says the text again.\nconnection: api\nmethod: POST\npath: /say\nbody: '{\"text\": \"{{.variables.export.text}}\"}'\n",
    ),
    (
        "actions/sign_in.yaml",
        "description: Signs in.\nconnection: api\npath: /sign-in\nparameters: {type: object, properties: {how: {type: string}}}\n\
         response: {headers: [X-Session, Location]}\n\
         output_variables:\n  - {name: session, from: header, header: X-Session, sensitive: true}\n  \
         - {name: customer, path: $.customer, expose: false}\n",
    ),
    (
        "actions/read_note.yaml",
        "description: Reads a note.\nconnection: api\npath: /note\nparameters: {type: object, properties: {how: {type: string}}}\n\
         response: {headers: [X-Note]}\noutput_variables: [{name: note, path: $, expose: false}]\n",
    ),
    (
        "actions/ask.yaml",
        "description: Asks.\nconnection: keyed\npath: /ask\nparameters: {type: object, properties: {how: {type: string}}}\n\
         response: {headers: [X-Request-Id, retry-after, Set-Cookie, X-Absent, X-Key]}\nretry: {max_attempts: 1}\n\
         output_variables: [{name: said, from: header, header: X-Key, expose: true}]\n",
    ),
    (
        "actions/ask_in_text.yaml",
        "description: Asks.\nconnection: api\npath: /ask/text\nresponse: {headers: [X-Request-Id]}\n",
    ),
];

fn reply(request: &Captured) -> Reply {
    let json = "content-type: application/json";
    let text = "content-type: text/plain";
    match request.line() {
        "POST /exports/full" => Reply::whole(
            &format!("201 Made\r\n{text}\r\nX-Export-Id: exp-1"),
            b"Your \"export\" is on its way.",
        ),
        "POST /exports/empty" => Reply::whole("202 Taken\r\nX-Export-Id: exp-2", b""),
        "POST /exports/bare" => Reply::whole(&format!("200 OK\r\n{json}"), b"{\"part\": \"all\"}"),
        "POST /exports/odd" => Reply::whole(
            "200 OK\r\ncontent-type: text/plain; charset=ibm037\r\nX-Export-Id: exp-3",
            b"\xc1\xc2",
        ),
        "POST /exports/half" => Reply::whole(
            "200 OK\r\ncontent-type: text/plain; charset=utf-8\r\nX-Export-Id: exp-4",
            b"caf\xe9",
        ),
        "POST /exports/broken" => {
            Reply::whole(&format!("200 OK\r\n{json}\r\nX-Export-Id: exp-5"), b"{\"part\":")
        }
        "POST /exports/gone" => Reply::whole("410 Gone\r\nX-Export-Id: exp-6", b""),
        line if line.contains("/sign-in") => {
            let head = format!("{json}\r\nX-Session: sess-90210\r\nLocation: /c/cust-4711?s=sess-90210");
            let body = "{\"customer\": \"cust-4711\", \"link\": \"/c?s=sess-90210\"}";
            match () {
                () if line.contains("text") => Reply::whole(
                    &format!("200 OK\r\n{text}\r\nX-Session: sess-90210"),
                    b"Welcome, sess-90210!",
                ),
                () if line.contains("refused") => Reply::whole(&format!("422 No\r\n{head}"), body.as_bytes()),
                () => Reply::whole(&format!("200 OK\r\n{head}"), body.as_bytes()),
            }
        }
        line if line.contains("/note") => {
            let body: &[u8] =
                if line.contains("half") { b"the note says caf\xe9" } else { b"the note says hello" };
            Reply::whole(&format!("200 OK\r\n{text}\r\nX-Note: the note says hello (1)"), body)
        }
        line if line.contains("/ask/text") => {
            Reply::whole(&format!("200 OK\r\n{text}\r\nx-request-id: req-7"), b"In words.")
        }
        line if line.contains("/ask") => {
            let key = request.header("authorization").unwrap_or_default().to_owned();
            let head = format!(
                "{json}\r\nx-request-id: req-1\r\nX-Key: you sent {key}\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Other: 1"
            );
            match line.contains("often") {
                true => Reply::whole(&format!("429 Slow\r\n{head}\r\nRetry-After: 30"), b"{}"),
                false => Reply::whole(&format!("200 OK\r\n{head}"), b"{\"answer\": 42}"),
            }
        }
        _ => Reply::ok("{}"),
    }
}

async fn start() -> (Gateway, Upstream) {
    let upstream = Upstream::start(reply).await;
    let address = format!("http://127.0.0.1:{}", upstream.port);
    let files: Vec<_> = files(upstream.port, PROJECT)
        .into_iter()
        .map(|(name, text)| (name, text.replace("http://upstream.test", &address)))
        .collect();
    (Gateway::start(&files).await, upstream)
}

async fn call(gateway: &Gateway, name: &str, arguments: Value) -> Value {
    gateway.call_with(json!({"conversation_id": "c", "name": name, "arguments": arguments})).await
}

#[tokio::test]
async fn an_id_that_only_a_header_has_is_sent_by_a_later_call() {
    let (gateway, upstream) = start().await;
    let result = call(&gateway, "start_export", json!({"kind": "full"})).await;
    let shown =
        json!({"export.id": "exp-1", "export.status": 201, "export.text": "Your \"export\" is on its way."});
    assert_eq!((&result["variables"], &result["status"]), (&shown, &json!("success")), "{result}");
    assert_eq!(result.get("headers"), None, "none are asked for");
    assert_eq!(call(&gateway, "get_export", json!({})).await["status"], "success");
    assert_eq!(call(&gateway, "say_it", json!({})).await["status"], "success");
    let requests = upstream.requests();
    assert_eq!(requests[1].line(), "GET /export/exp-1/201?first=exp-1");
    let said: Value = serde_json::from_str(&requests[2].text()).unwrap();
    assert_eq!(said, json!({"text": "Your \"export\" is on its way."}));
    // An answer without a body has headers and a status all the same.
    let result = call(&gateway, "start_export", json!({"kind": "empty"})).await;
    assert_eq!(result["variables"], json!({"export.id": "exp-2", "export.status": 202}));
    assert_eq!(call(&gateway, "say_it", json!({})).await["error"]["missing"], ".variables.export.text");
}

#[tokio::test]
async fn a_header_that_no_longer_comes_clears_its_variable() {
    let (gateway, upstream) = start().await;
    for kind in ["bare", "gone"] {
        call(&gateway, "start_export", json!({"kind": "full"})).await;
        let result = call(&gateway, "start_export", json!({"kind": kind})).await;
        let error = &call(&gateway, "get_export", json!({})).await["error"];
        assert_eq!(
            (&error["code"], &error["missing"]),
            (&json!("missing_variable"), &json!(".variables.export.id")),
            "{kind}"
        );
        let (_, known) = gateway.get("/v1/conversations/c").await;
        let names: Vec<&str> = known["variables"].as_object().unwrap().keys().map(String::as_str).collect();
        match kind {
            // JSON has the parts that its paths find, and is a value as a whole.
            "bare" => {
                let shown =
                    json!({"export.status": 200, "export.text": {"part": "all"}, "export.part": "all"});
                assert_eq!(result["variables"], shown);
                assert_eq!(names, ["export.first", "export.part", "export.status", "export.text"]);
            }
            // What is an error has no value of this call.
            _ => assert_eq!((names, &result["variables"]), (vec!["export.first"], &json!({}))),
        }
        assert_eq!(known["variables"]["export.first"]["value"], "exp-1", "{kind}: `keep` keeps it");
    }
    assert!(upstream.requests().iter().all(|request| request.line().starts_with("POST /exports/")));
}

#[tokio::test]
async fn an_answer_that_cannot_be_decoded_sets_no_variable_and_says_so() {
    let (gateway, _upstream) = start().await;
    for (kind, id, says) in [
        ("odd", "exp-3", "[text in the charset `ibm037`, 2 bytes, cannot be decoded]"),
        (
            "half",
            "exp-4",
            "caf\u{fffd}\n[not all of this text is UTF-8; \u{fffd} stands for what cannot be decoded]",
        ),
    ] {
        call(&gateway, "start_export", json!({"kind": "full"})).await;
        let result = call(&gateway, "start_export", json!({"kind": kind})).await;
        assert_eq!((&result["status"], &result["body"]), (&json!("success"), &json!(says)), "{kind}");
        assert_eq!(result["variables"], json!({"export.id": id, "export.status": 200}), "{kind}");
        let error = &call(&gateway, "say_it", json!({})).await["error"];
        assert_eq!(
            (&error["code"], &error["missing"]),
            (&json!("missing_variable"), &json!(".variables.export.text")),
            "{kind}"
        );
    }
    // One that is a failure leaves everything as it was.
    call(&gateway, "start_export", json!({"kind": "full"})).await;
    let result = call(&gateway, "start_export", json!({"kind": "broken"})).await;
    assert_eq!((&result["status"], &result["variables"]), (&json!("failure"), &json!({})));
    assert_eq!(call(&gateway, "say_it", json!({})).await["status"], "success");
}

#[tokio::test]
async fn a_header_that_is_hidden_is_seen_nowhere() {
    let (gateway, _upstream) = start().await;
    for (how, headers, body) in [
        (
            "json",
            json!({"X-Session": "[hidden]", "Location": "/c/[hidden]?s=[hidden]"}),
            json!({"customer": "[hidden]", "link": "/c?s=[hidden]"}),
        ),
        (
            "refused",
            json!({"X-Session": "[hidden]", "Location": "/c/[hidden]?s=[hidden]"}),
            json!({"customer": "[hidden]", "link": "/c?s=[hidden]"}),
        ),
        ("text", json!({"X-Session": "[hidden]"}), json!("Welcome, [hidden]!")),
    ] {
        // With a conversation and without one.
        for conversation in [json!("c"), Value::Null] {
            let request =
                json!({"conversation_id": conversation, "name": "sign_in", "arguments": {"how": how}});
            let result = gateway.call_with(request).await;
            assert_eq!((&result["headers"], &result["body"]), (&headers, &body), "{how}: {result}");
        }
    }
    // It is known to later calls, and its marks hold there.
    let (_, known) = gateway.get("/v1/conversations/c").await;
    let session = &known["variables"]["session"];
    assert_eq!(
        (&session["value"], &session["sensitive"], &session["hidden"]),
        (&json!("***"), &json!(true), &json!(true))
    );
    let (_, events) = gateway.get("/v1/conversations/c/events?limit=500").await;
    let told = events.to_string();
    assert!(!told.contains("sess-90210") && told.contains("X-Session"), "{told}");
}

#[tokio::test]
async fn a_text_that_is_hidden_as_a_whole_is_not_shown_and_nor_is_a_header_that_repeats_it() {
    let (gateway, _upstream) = start().await;
    let result = call(&gateway, "read_note", json!({})).await;
    assert_eq!(
        (&result["body"], &result["headers"]),
        (&json!("[hidden]"), &json!({"X-Note": "[hidden] (1)"}))
    );
    let result = call(&gateway, "read_note", json!({"how": "half"})).await;
    assert_eq!(result["body"], "[hidden]", "also where it cannot be decoded");
}

#[tokio::test]
async fn the_headers_that_an_action_names_are_in_its_result() {
    let (gateway, _upstream) = start().await;
    let headers = json!({"X-Request-Id": "req-1", "Set-Cookie": "a=1\nb=2", "X-Key": "you sent Bearer ***"});
    let result = call(&gateway, "ask", json!({})).await;
    assert_eq!((&result["headers"], &result["body"]), (&headers, &json!({"answer": 42})));
    let result = call(&gateway, "ask", json!({"how": "often"})).await;
    assert_eq!(result["headers"]["retry-after"], "30", "an error has them too: {result}");
    // A repeat has those of the first answer.
    let request = json!({"conversation_id": "d", "tool_call_id": "1", "name": "ask", "arguments": {}});
    gateway.call_with(request.clone()).await;
    let again = gateway.call_with(request).await;
    assert_eq!((&again["replayed"], &again["headers"]), (&json!(true), &headers));
    let (_, events) = gateway.get("/v1/conversations/d/events?limit=500").await;
    let events = events["events"].as_array().unwrap();
    let received = events.iter().find(|event| event["type"] == "response_received").unwrap();
    assert_eq!(received["data"]["headers"], headers);
    // A call that got no answer has none.
    let refused = call(&gateway, "ask", json!({"how": 1})).await;
    assert_eq!((&refused["status"], refused.get("headers")), (&json!("exception"), None));
}

#[tokio::test]
async fn a_model_reads_the_headers_in_the_form_of_every_provider() {
    let (gateway, _upstream) = start().await;
    for route in ROUTES {
        let calls = [("1", "ask", json!({"how": "often"})), ("2", "ask_in_text", json!({}))];
        let request = gateway.request("POST", route).header("Callgate-Conversation-Id", route);
        let reply = request.body(turn(route, &calls).to_string()).send().await.unwrap();
        let reply: Value = serde_json::from_str(&reply.text().await.unwrap()).unwrap();
        let told: Vec<Value> =
            answers(route, &reply).iter().map(|(_, text, _)| serde_json::from_str(text).unwrap()).collect();
        assert_eq!(told[0]["headers"]["retry-after"], "30", "{route}: {reply}");
        assert_eq!(told[0]["error"]["code"], "upstream_rate_limited", "{route}");
        let text = json!({"body": "In words.", "headers": {"X-Request-Id": "req-7"}});
        assert_eq!(told[1], text, "{route}");
    }
}

#[tokio::test]
async fn a_variable_from_a_header_keeps_nothing_of_a_secret() {
    let (gateway, _upstream) = start().await;
    let result = call(&gateway, "ask", json!({})).await;
    assert_eq!(result["variables"], json!({"said": "you sent Bearer ***"}));
    let (_, known) = gateway.get("/v1/conversations/c").await;
    assert_eq!(known["variables"]["said"]["value"], "you sent Bearer ***");
}
