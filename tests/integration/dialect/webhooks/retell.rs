//! Retell: signatures on the raw bytes, both payloads, GET, 15,000 characters.

use ring::hmac;
use serde_json::{Value, json};

use super::super::{gateway, upstream};
use super::{PAYLOAD, SECRETS, hex, now_ms, send, settings, sign};
use crate::upstream::{Reply, Upstream};

fn retell_signature(key: &str, body: &str, at: u64) -> String {
    let signed = sign(hmac::HMAC_SHA256, key.as_bytes(), format!("{body}{at}").as_bytes());
    format!("v={at},d={}", hex(&signed))
}

fn retell(arguments: &Value, transcript: Value) -> Value {
    json!({"name": "open_ticket", "args": arguments,
        "call": {"call_id": "call_r", "agent_id": "a", "call_status": "ongoing", "transcript_with_tool_calls": transcript}})
}

#[tokio::test]
async fn retell_is_verified_on_the_raw_bytes() {
    let upstream = upstream().await;
    let toml = settings("[webhooks.retell]\napi_key = \"retell_key\"\n");
    let gateway = gateway(upstream.port, &[("callgate.toml", &toml), SECRETS]).await;
    let path = "/webhooks/retell/development";
    let arguments = json!({"category": "billing", "sub": "refund"});
    // As no serializer would write it, so that only the bytes fit.
    let body = retell(&arguments, json!([])).to_string().replacen('{', "{ \n ", 1);
    let (key, now) = ("key_retell_1", now_ms());
    let good = retell_signature(key, &body, now);
    let signed = |value: &str| vec![("x-retell-signature", value.to_owned())];
    let (status, answer) = send(&gateway, "POST", path, &signed(&good), body.clone()).await;
    assert_eq!((status, &answer["status"]), (200, &json!("shipped")));
    let sent = |at: usize| serde_json::from_str::<Value>(&upstream.requests()[at].text()).unwrap();
    assert_eq!(sent(0)["conversation"], "call_r");
    let before = upstream.requests().len();
    let minutes = |n: i64| now.wrapping_add_signed(n * 60_000);
    for (what, value, body) in [
        ("another key", retell_signature("key_retell_2", &body, now), body.clone()),
        ("another body", good.clone(), body.replace("refund", "invoice")),
        ("the same JSON in other bytes", good.clone(), body.replacen("{ \n ", "{", 1)),
        ("six minutes old", retell_signature(key, &body, minutes(-6)), body.clone()),
        ("six minutes ahead", retell_signature(key, &body, minutes(6)), body.clone()),
        ("another time", good.replacen(&now.to_string(), &(now + 1).to_string(), 1), body.clone()),
        ("no time", good.split_once(',').unwrap().1.to_owned(), body.clone()),
        ("no digest", format!("v={now},d="), body.clone()),
        ("nonsense", "v=1,d=zz".to_owned(), body.clone()),
        ("empty", String::new(), body.clone()),
        ("a time that overflows", format!("v={},d=00", "9".repeat(40)), body.clone()),
    ] {
        let (status, answer) = send(&gateway, "POST", path, &signed(&value), body).await;
        assert_eq!((status, &answer["code"]), (401, &json!("unauthorized")), "{what}: {answer}");
    }
    for at in [-4, 4] {
        let value = retell_signature(key, "{}", minutes(at));
        let (status, answer) = send(&gateway, "POST", path, &signed(&value), "{}").await;
        assert!(
            status == 200 && answer["error"].is_object(),
            "signed and malformed is no reason to retry: {answer}"
        );
    }
    let upper = good.to_uppercase();
    assert_eq!(
        send(&gateway, "POST", path, &signed(&upper), body.clone()).await.0,
        200,
        "as the SDK reads it"
    );
    assert_eq!(upstream.requests().len(), before, "it is the same call, which was done already");
    // An environment without the key refuses everything.
    assert_eq!(send(&gateway, "POST", "/webhooks/retell/staging", &signed(&good), body).await.0, 401);
}

#[tokio::test]
async fn retell_sends_the_arguments_alone_or_in_the_query_where_the_url_names_the_action() {
    let upstream = upstream().await;
    let toml = settings("[webhooks.retell]\napi_key = \"retell_key\"\n");
    let gateway = gateway(upstream.port, &[("callgate.toml", &toml), SECRETS]).await;
    let key = "key_retell_1";
    let headers = |body: &str| {
        vec![
            ("x-retell-signature", retell_signature(key, body, now_ms())),
            ("callgate-conversation-id", "conv-1".to_owned()),
        ]
    };
    let root = r#"{"category": "billing", "sub": "refund"}"#;
    for method in ["POST", "PUT", "PATCH"] {
        let path = "/webhooks/retell/development/open_ticket";
        let (status, answer) = send(&gateway, method, path, &headers(root), root).await;
        assert_eq!((status, &answer["status"]), (200, &json!("shipped")), "{method}");
        let sent: Value = serde_json::from_str(&upstream.requests().last().unwrap().text()).unwrap();
        assert_eq!(sent["conversation"], "conv-1");
    }
    // The whole payload works there too, for the action that the URL names and no other.
    let whole = retell(&json!({"category": "billing", "sub": "refund"}), json!([])).to_string();
    let path = "/webhooks/retell/development/open_ticket";
    assert_eq!(send(&gateway, "POST", path, &headers(&whole), whole.clone()).await.1["status"], "shipped");
    let before = upstream.requests().len();
    let path = "/webhooks/retell/development/hours";
    assert!(send(&gateway, "POST", path, &headers(&whole), whole).await.1["error"].is_object());
    // Signed over the empty body; the query becomes arguments of the declared types.
    for method in ["GET", "DELETE"] {
        let path = "/webhooks/retell/development/get_order?number=7&locale=de&items=1&items=2";
        let (status, answer) = send(&gateway, method, path, &headers(""), "").await;
        assert_eq!((status, &answer["status"]), (200, &json!("shipped")), "{method}: {answer}");
        let line = upstream.requests().last().unwrap().line().to_owned();
        assert_eq!(line, "GET /orders/7?locale=de&items=1&items=2");
        assert_eq!(send(&gateway, method, path, &[], "").await.0, 401, "{method}");
        let path = "/webhooks/retell/development/get_order?number=x";
        assert_eq!(
            send(&gateway, method, path, &headers(""), "").await.1["error"]["code"],
            "invalid_arguments"
        );
    }
    assert_eq!(upstream.requests().len(), before + 2);
    let path = "/webhooks/retell/development";
    assert_eq!(send(&gateway, "GET", path, &headers(""), "").await.0, 405, "which action?");
    assert!(send(&gateway, "POST", path, &headers(root), root).await.1["error"].is_object(), "which action?");
}

#[tokio::test]
async fn retell_reads_15000_characters_and_gets_no_more() {
    let long = "ä\"\n".repeat(20_000);
    let upstream = Upstream::start(move |request| match request.line() {
        "GET /orders/1" => Reply::ok(&json!({ "text": long }).to_string()),
        "GET /orders/2" => Reply::ok(&json!("x".repeat(14_998)).to_string()),
        _ => Reply::ok(&json!(long).to_string()),
    })
    .await;
    let toml = format!("{PAYLOAD}[limits]\nmax_body_chars = 100000\n");
    let gateway = gateway(upstream.port, &[("callgate.toml", &toml)]).await;
    for (number, marked) in [("1", true), ("2", false), ("3", true)] {
        let body =
            json!({"name": "get_order", "args": {"number": number}, "call": {"call_id": "c"}}).to_string();
        let request = gateway.request("POST", "/webhooks/retell/development").body(body);
        let text = request.send().await.unwrap().text().await.unwrap();
        let length = text.chars().count();
        assert!(length <= 15_000 && length > 14_900, "{number}: {length}");
        let value: String = serde_json::from_str(&text).unwrap();
        assert_eq!(value.ends_with(" [cut]"), marked, "{number}");
    }
}
