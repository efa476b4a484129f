//! ElevenLabs: arguments at the root, a secret or a signature.

use ring::hmac;
use serde_json::{Value, json};

use super::super::{gateway, upstream};
use super::{SECRETS, hex, now_ms, send, settings, sign};

#[tokio::test]
async fn elevenlabs_sends_the_arguments_at_the_root() {
    let upstream = upstream().await;
    let gateway = gateway(upstream.port, &[]).await;
    let path = "/webhooks/elevenlabs/development/open_ticket";
    let conversation = vec![("callgate-conversation-id", "conv_1".to_owned())];
    let arguments = json!({"category": "billing", "sub": "refund"});
    let (status, answer) = send(&gateway, "POST", path, &conversation, arguments.to_string()).await;
    assert_eq!((status, answer), (200, json!({"status": "shipped", "note": "two\nlines"})));
    // The other form, that one page shows.
    let wrapped = json!({"tool_call_id": "t", "tool_name": "open_ticket", "parameters": arguments, "conversation_id": "conv_1"});
    assert_eq!(send(&gateway, "POST", path, &[], wrapped.to_string()).await.1["status"], "shipped");
    for request in upstream.requests() {
        assert_eq!(serde_json::from_str::<Value>(&request.text()).unwrap()["conversation"], "conv_1");
    }
    let before = upstream.requests().len();
    for (path, body, code) in [
        (path, json!({"category": "billing", "sub": "crash"}).to_string(), json!("invalid_arguments")),
        (path, String::new(), json!("invalid_arguments")),
        (path, "{".to_owned(), json!("not_executed")),
        (path, "[1]".to_owned(), json!("not_executed")),
        ("/webhooks/elevenlabs/development/nothing", "{}".to_owned(), json!("unknown_tool")),
    ] {
        let (status, answer) = send(&gateway, "POST", path, &conversation, body.clone()).await;
        assert_eq!((status, &answer["error"]["code"]), (200, &code), "{body}: {answer}");
        assert!(answer["error"]["message"].is_string(), "{answer}");
    }
    assert_eq!(upstream.requests().len(), before);
    let hours = send(&gateway, "POST", "/webhooks/elevenlabs/development/hours", &[], "").await;
    assert_eq!(hours, (200, json!("9 to 5,\nMonday to Friday")));
}

#[tokio::test]
async fn elevenlabs_shows_a_secret_a_signature_or_both() {
    let upstream = upstream().await;
    let path = "/webhooks/elevenlabs/development/hours";
    let now = now_ms() / 1_000;
    let signature = |at: u64, body: &str| {
        let signed = sign(hmac::HMAC_SHA256, b"wsec_1", format!("{at}.{body}").as_bytes());
        ("elevenlabs-signature", format!("t={at},v0={}", hex(&signed)))
    };
    let secret = ("x-api-key", "eleven-secret-1".to_owned());
    for (toml, headers, expected) in [
        ("secret = \"eleven\"\n", vec![secret.clone()], 200),
        ("secret = \"eleven\"\n", vec![("authorization", "Bearer eleven-secret-1".to_owned())], 200),
        ("secret = \"eleven\"\n", vec![("x-api-key", "eleven-secret-2".to_owned())], 401),
        ("secret = \"eleven\"\n", vec![], 401),
        ("signature_secret = \"eleven_signature\"\n", vec![signature(now, "{}")], 200),
        ("signature_secret = \"eleven_signature\"\n", vec![signature(now - 1_700, "{}")], 200),
        ("signature_secret = \"eleven_signature\"\n", vec![signature(now - 1_900, "{}")], 401),
        ("signature_secret = \"eleven_signature\"\n", vec![signature(now, "{ }")], 401),
        ("signature_secret = \"eleven_signature\"\n", vec![secret.clone()], 401),
        ("secret = \"eleven\"\nsignature_secret = \"eleven_signature\"\n", vec![secret.clone()], 401),
        (
            "secret = \"eleven\"\nsignature_secret = \"eleven_signature\"\n",
            vec![secret, signature(now, "{}")],
            200,
        ),
    ] {
        let all = settings(&format!("[webhooks.elevenlabs]\n{toml}"));
        let gateway = gateway(upstream.port, &[("callgate.toml", &all), SECRETS]).await;
        let (status, answer) = send(&gateway, "POST", path, &headers, "{}").await;
        assert_eq!(status, expected, "{toml} {headers:?}: {answer}");
    }
}

#[tokio::test]
async fn a_signed_webhook_without_ids_that_comes_five_times_books_once() {
    let upstream = upstream().await;
    let all = settings("[webhooks.elevenlabs]\nsignature_secret = \"eleven_signature\"\n");
    let gateway = gateway(upstream.port, &[("callgate.toml", &all), SECRETS]).await;
    let path = "/webhooks/elevenlabs/development/open_ticket";
    let signed = |at: u64, body: &str| {
        let signed = hex(&sign(hmac::HMAC_SHA256, b"wsec_1", format!("{at}.{body}").as_bytes()));
        [format!("t={at},v0={signed}"), format!("T={at},V0={}", signed.to_uppercase())]
    };
    let now = now_ms() / 1_000;
    let body = json!({"category": "billing", "sub": "refund"}).to_string();
    let conversation = ("callgate-conversation-id", "conv_1".to_owned());
    for (with_conversation, sent) in [(false, 1), (true, 2)] {
        for number in 0..5 {
            // The same signature in another spelling is the same delivery.
            let signature = signed(now, &body)[number % 2].clone();
            let mut headers = vec![("elevenlabs-signature", signature)];
            headers.extend(with_conversation.then(|| conversation.clone()));
            let (status, answer) = send(&gateway, "POST", path, &headers, body.as_str()).await;
            assert_eq!((status, &answer["status"]), (200, &json!("shipped")), "{answer}");
            assert_eq!(upstream.requests().len(), sent, "delivery {number}: {with_conversation}");
        }
    }
    // What is signed at another time is another delivery.
    let headers = [("elevenlabs-signature", signed(now - 1, &body)[0].clone())];
    send(&gateway, "POST", path, &headers, body.as_str()).await;
    assert_eq!(upstream.requests().len(), 3);
}
