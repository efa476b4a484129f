//! Vapi: every shape, always 200, one line; secrets and signatures.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};

use super::super::{gateway, upstream};
use super::{SECRETS, hex, now_ms, send, settings, sign};
use crate::upstream::{Reply, Upstream};

/// A Vapi message with one list of calls.
fn vapi(list: &str, calls: Value) -> Value {
    json!({"message": {"timestamp": 1_678_901_234_567_u64, "type": "tool-calls", list: calls,
        "artifact": {"messages": []}, "assistant": {"name": "A"}, "call": {"id": "call-uuid", "type": "webCall"}}})
}

#[tokio::test]
async fn vapi_is_understood_in_every_shape_it_has_sent() {
    let upstream = upstream().await;
    let gateway = gateway(upstream.port, &[]).await;
    let arguments = json!({"category": "billing", "sub": "refund"});
    let text = arguments.to_string();
    let id = "toolu_01DTPAzUm5Gk3zxrpJ969oMF";
    let shapes = [
        vapi("toolCallList", json!([{"id": id, "name": "open_ticket", "arguments": arguments}])),
        vapi("toolCallList", json!([{"id": id, "name": "open_ticket", "parameters": arguments}])),
        vapi(
            "toolCallList",
            json!([{"id": id, "type": "function", "function": {"name": "open_ticket", "arguments": text}}]),
        ),
        vapi(
            "toolCallList",
            json!([{"id": id, "type": "function", "function": {"name": "open_ticket", "arguments": arguments}}]),
        ),
        vapi(
            "toolCallList",
            json!([{"id": id, "type": "function", "function": {"name": "open_ticket", "parameters": arguments}}]),
        ),
        vapi(
            "toolCalls",
            json!([{"id": id, "type": "function", "function": {"name": "open_ticket", "arguments": text}}]),
        ),
        vapi(
            "toolWithToolCallList",
            json!([{"type": "function", "name": "open_ticket", "server": {"url": "https://x"},
            "toolCall": {"id": id, "type": "function", "function": {"name": "open_ticket", "parameters": arguments}}}]),
        ),
    ];
    for (at, mut shape) in shapes.into_iter().enumerate() {
        shape["message"]["call"]["id"] = json!(format!("call-{at}"));
        let (status, answer) =
            send(&gateway, "POST", "/webhooks/vapi/development", &[], shape.to_string()).await;
        assert_eq!(status, 200, "{shape}: {answer}");
        let expected = json!({"results": [{"name": "open_ticket", "toolCallId": id,
            "result": "{\"status\":\"shipped\",\"note\":\"two\\nlines\"}"}]});
        assert_eq!(answer, expected, "{shape}");
        let sent: Value = serde_json::from_str(&upstream.requests().last().unwrap().text()).unwrap();
        assert_eq!(sent["conversation"], format!("call-{at}"), "the call is the conversation");
    }
    // Before tool calls had ids.
    let old = json!({"message": {"type": "function-call", "functionCall": {"name": "open_ticket", "parameters": arguments}, "call": {"id": "c"}}});
    let (status, answer) = send(&gateway, "POST", "/webhooks/vapi/development", &[], old.to_string()).await;
    assert_eq!(
        (status, answer),
        (200, json!({"result": "{\"status\":\"shipped\",\"note\":\"two\\nlines\"}"}))
    );
}

#[tokio::test]
async fn vapi_gets_200_single_lines_names_and_ids_whatever_comes_of_a_call() {
    let upstream = Upstream::start(|request| match request.line() {
        "GET /orders/1" => Reply::Json(500, "{\n\"oops\":\n1}".to_owned()),
        _ => Reply::ok("\"a\\nb\\r\\n c\""),
    })
    .await;
    let gateway = gateway(upstream.port, &[]).await;
    let call =
        |id: &str, name: &str, arguments: Value| json!({"id": id, "name": name, "arguments": arguments});
    let body = vapi(
        "toolCallList",
        json!([
            call("a", "hours", json!({})),
            call("b", "nothing", json!({})),
            call("c", "get_order", json!({"number": "1"})),
            call("d", "get_order", json!({"number": "x"})),
            call("e", "get_order", json!({"number": "2"})),
            call("f", "get_order", json!("{\"number\": ")),
            json!({"name": "get_order", "arguments": {"number": "3"}}),
            json!({"id": "h"}),
            json!(7),
        ]),
    );
    let (status, answer) = send(&gateway, "POST", "/webhooks/vapi/development", &[], body.to_string()).await;
    assert_eq!(status, 200, "{answer}");
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 9, "{answer}");
    let ids: Vec<&str> = results.iter().map(|one| one["toolCallId"].as_str().unwrap()).collect();
    assert_eq!(ids, ["a", "b", "c", "d", "e", "f", "", "h", ""]);
    for one in results {
        assert!(one["name"].is_string(), "{one}");
        assert_ne!(one.get("result").is_some(), one.get("error").is_some(), "{one}");
        let text = one.get("result").or(one.get("error")).unwrap().as_str().unwrap();
        assert!(!text.is_empty() && !text.contains(['\n', '\r']), "{one}");
    }
    assert_eq!(results[0]["result"], "9 to 5, Monday to Friday");
    assert_eq!(results[4]["result"], "a b c");
    for (at, code) in
        [(1, "unknown_tool"), (2, "upstream_error"), (3, "invalid_arguments"), (5, "invalid_arguments")]
    {
        let error: Value = serde_json::from_str(results[at]["error"].as_str().unwrap()).unwrap();
        assert_eq!(error["error"]["code"], code, "{error}");
    }
    assert_eq!(upstream.requests().len(), 2, "nothing without an id or a name was sent");
}

#[tokio::test]
async fn other_messages_of_vapi_and_nonsense_execute_nothing() {
    let upstream = upstream().await;
    let gateway = gateway(upstream.port, &[]).await;
    for kind in ["status-update", "end-of-call-report", "conversation-update", "tool-call", ""] {
        let body = json!({"message": {"type": kind, "toolCallList": [{"id": "x", "name": "get_order", "arguments": {"number": "1"}}]}});
        let answer = send(&gateway, "POST", "/webhooks/vapi/development", &[], body.to_string()).await;
        assert_eq!(answer, (200, json!({})), "{kind}");
    }
    for body in ["", "{", "7", "[]", "{}", "{\"message\": 7}", "\u{feff}{}"] {
        let (status, answer) = send(&gateway, "POST", "/webhooks/vapi/development", &[], body).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(answer["results"], json!([]), "{body}");
        assert!(answer["error"].as_str().is_some_and(|text| !text.contains('\n')), "{body}: {answer}");
    }
    let empty = vapi("toolCallList", json!([]));
    let answer = send(&gateway, "POST", "/webhooks/vapi/development", &[], empty.to_string()).await;
    assert_eq!(answer, (200, json!({"results": []})));
    let large = " ".repeat(2 * 1024 * 1024);
    assert_eq!(send(&gateway, "POST", "/webhooks/vapi/development", &[], large).await.0, 413);
    assert_eq!(upstream.requests().len(), 0);
}

#[tokio::test]
async fn vapi_shows_its_secret_in_either_header_and_each_environment_has_its_own() {
    let upstream = upstream().await;
    let toml = settings("[webhooks.vapi]\nsecret = \"vapi_secret\"\n");
    let gateway = gateway(upstream.port, &[("callgate.toml", &toml), SECRETS]).await;
    let body = vapi("toolCallList", json!([{"id": "x", "name": "hours", "arguments": {}}])).to_string();
    let header = |name: &'static str, value: &str| vec![(name, value.to_owned())];
    for (environment, headers, expected) in [
        ("development", header("x-vapi-secret", "vapi-secret-1"), 200),
        ("development", header("authorization", "Bearer vapi-secret-1"), 200),
        ("development", header("authorization", "bearer vapi-secret-1"), 200),
        ("staging", header("x-vapi-secret", "vapi-secret-2"), 200),
        ("staging", header("x-vapi-secret", "vapi-secret-1"), 401),
        ("development", header("x-vapi-secret", "vapi-secret-"), 401),
        ("development", header("x-vapi-secret", ""), 401),
        ("development", header("authorization", "Basic vapi-secret-1"), 401),
        ("development", header("x-api-key", "vapi-secret-1"), 401),
        ("development", vec![], 401),
        ("nowhere", header("x-vapi-secret", "vapi-secret-1"), 401),
    ] {
        let path = format!("/webhooks/vapi/{environment}");
        let (status, answer) = send(&gateway, "POST", &path, &headers, body.clone()).await;
        assert_eq!(status, expected, "{environment} {headers:?}: {answer}");
        if expected == 401 {
            assert_eq!(answer["code"], "unauthorized");
            assert!(!answer.to_string().contains("vapi-secret-"), "{answer}");
            // Before anything is parsed: nonsense gets the same answer.
            let (status, again) = send(&gateway, "POST", &path, &headers, "{nonsense").await;
            assert_eq!((status, again), (401, answer));
        }
    }
}

#[tokio::test]
async fn vapi_signs_in_every_way_it_can_be_told_to() {
    let upstream = upstream().await;
    let body = vapi("toolCallList", json!([{"id": "x", "name": "hours", "arguments": {}}])).to_string();
    let key = b"hmac-secret-1".as_slice();
    let (now, path) = (now_ms(), "/webhooks/vapi/development");
    let seconds = now / 1_000;
    let base64 = |bytes: Vec<u8>| STANDARD.encode(bytes);
    let cases: Vec<(&str, Vec<(&str, String)>)> = vec![
        (
            "",
            vec![
                ("x-timestamp", seconds.to_string()),
                ("x-signature", hex(&sign(hmac::HMAC_SHA256, key, format!("{seconds}.{body}").as_bytes()))),
            ],
        ),
        (
            "algorithm = \"sha512\"\nencoding = \"base64\"\n",
            vec![
                ("x-timestamp", now.to_string()),
                ("x-signature", base64(sign(hmac::HMAC_SHA512, key, format!("{now}.{body}").as_bytes()))),
            ],
        ),
        (
            "algorithm = \"sha1\"\npayload_format = \"{body}\"\nprefix = \"sha1=\"\nsignature_header = \"X-Hub-Signature\"\n",
            vec![(
                "x-hub-signature",
                format!("sha1={}", hex(&sign(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key, body.as_bytes()))),
            )],
        ),
        (
            "payload_format = \"{svix-id}.{timestamp}.{method} {url} {body}{other}\"\ntimestamp_header = \"svix-timestamp\"\n",
            vec![
                ("svix-id", "msg_{body}".to_owned()),
                ("svix-timestamp", seconds.to_string()),
                (
                    "x-signature",
                    hex(&sign(
                        hmac::HMAC_SHA256,
                        key,
                        format!("msg_{{body}}.{seconds}.POST https://gate.example.com{path} {body}{{other}}")
                            .as_bytes(),
                    )),
                ),
            ],
        ),
    ];
    for (more, headers) in cases {
        let toml = settings(&format!(
            "[server]\npublic_url = \"https://gate.example.com/\"\n[webhooks.vapi.hmac]\nsecret = \"vapi_hmac\"\n{more}"
        ));
        let gateway = gateway(upstream.port, &[("callgate.toml", &toml), SECRETS]).await;
        let answer = send(&gateway, "POST", path, &headers, body.clone()).await;
        assert_eq!(answer.0, 200, "{more}: {}", answer.1);
        let changed = body.replace("hours", "human");
        assert_eq!(send(&gateway, "POST", path, &headers, changed).await.0, 401, "{more}: another body");
        assert_eq!(
            send(&gateway, "POST", path, &headers[..headers.len() - 1], body.clone()).await.0,
            401,
            "{more}: unsigned"
        );
        assert_eq!(
            send(&gateway, "POST", "/webhooks/vapi/staging", &headers, body.clone()).await.0,
            401,
            "{more}"
        );
        let mut broken = headers.clone();
        broken.last_mut().unwrap().1 = "not a signature".to_owned();
        assert_eq!(send(&gateway, "POST", path, &broken, body.clone()).await.0, 401, "{more}");
    }
    // An old signature that was overheard.
    let toml =
        settings("[webhooks.vapi]\nsecret = \"vapi_secret\"\n[webhooks.vapi.hmac]\nsecret = \"vapi_hmac\"\n");
    let gateway = gateway(upstream.port, &[("callgate.toml", &toml), SECRETS]).await;
    for (age, expected) in [(0_i64, 200), (290, 200), (310, 401), (-290, 200), (-310, 401)] {
        let at = i64::try_from(seconds).unwrap() - age;
        let signature = hex(&sign(hmac::HMAC_SHA256, key, format!("{at}.{body}").as_bytes()));
        let mut headers = vec![
            ("x-timestamp", at.to_string()),
            ("x-signature", signature),
            ("x-vapi-secret", "vapi-secret-1".to_owned()),
        ];
        let answer = send(&gateway, "POST", path, &headers, body.clone()).await;
        assert_eq!(answer.0, expected, "{age} s old: {}", answer.1);
        headers.pop();
        assert_eq!(send(&gateway, "POST", path, &headers, body.clone()).await.0, 401, "both are asked for");
    }
}
