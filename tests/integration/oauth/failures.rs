//! Token endpoints that fail.

use serde_json::json;

use super::{SECRET, Setup, gateway, shown, token, tool_call};
use crate::bad_input::{assert_speakable, told};
use crate::upstream::{ClosedPort, Reply, Upstream};

#[tokio::test]
async fn a_token_endpoint_that_fails_is_named_by_its_connector() {
    let no = ("auth_failed", "no");
    let later = ("auth_failed", "later");
    let raw = |text: String| Reply::Raw(text.into_bytes());
    let long = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 10000000\r\n\r\n{{\"access_token\": \"{}\"",
        "token-number-1".repeat(10_000)
    );
    let refused =
        |error: &str| Reply::Json(401, format!(r#"{{"error": "{error}", "error_description": "{SECRET}"}}"#));
    for (what, reply, expected, reason) in [
        ("closes", Reply::Close, later, "cannot be reached"),
        ("stalls", Reply::Stall, later, "did not answer in time"),
        ("wrong secret", refused("invalid_client"), no, "was refused"),
        ("wrong scope", refused("invalid_scope"), no, "was refused"),
        ("an error of its own", refused("no-coffee"), no, "was refused"),
        (
            "broken",
            raw("HTTP/1.1 500 X\r\ncontent-type: text/html\r\n\r\n<html>".to_owned()),
            later,
            "gave no usable answer",
        ),
        (
            "too many at once",
            Reply::Json(429, "{\"error\": \"slow_down\"}".to_owned()),
            later,
            "is too busy right now",
        ),
        (
            "down for a moment",
            Reply::Json(503, "{\"error\": \"temporarily_unavailable\"}".to_owned()),
            later,
            "is too busy right now",
        ),
        (
            "an error of its own shape",
            Reply::Json(400, "{\"errorSummary\": \"no such client\"}".to_owned()),
            no,
            "was refused",
        ),
        (
            "a token that needs a proof",
            Reply::ok("{\"access_token\": \"token-number-1\", \"token_type\": \"DPoP\"}"),
            later,
            "gave no usable answer",
        ),
        (
            "redirects",
            raw("HTTP/1.1 302 X\r\nlocation: /login\r\n\r\n".to_owned()),
            later,
            "gave no usable answer",
        ),
        ("half a JSON", Reply::ok("{\"access_token\": \"token-number-1"), later, "gave no usable answer"),
        ("no token", Reply::ok("{\"token_type\": \"bearer\"}"), later, "gave no usable answer"),
        (
            "a token of another type",
            Reply::ok("{\"access_token\": 1, \"token_type\": \"bearer\"}"),
            later,
            "gave no usable answer",
        ),
        (
            "an empty token",
            Reply::ok("{\"access_token\": \"\", \"token_type\": \"bearer\"}"),
            later,
            "gave no usable answer",
        ),
        (
            "a line break in the token",
            Reply::ok("{\"access_token\": \"token-number-1\\nX: y\", \"token_type\": \"bearer\"}"),
            later,
            "gave no usable answer",
        ),
        ("nothing", Reply::ok(""), later, "gave no usable answer"),
        ("rubbish", raw("rubbish".to_owned()), later, "cannot be reached"),
        ("ten megabytes", raw(long), later, "gave no usable answer"),
        ("deeply nested", Reply::ok(&"[".repeat(10_000)), later, "gave no usable answer"),
    ] {
        let setup = Setup::new(move |_| reply.clone(), |_| Reply::ok("{}")).await;
        let name = if what == "stalls" { "soon" } else { "read" };
        let result = setup.call(name).await;
        let message = format!("The sign-in to the service (`crm`) {reason}; nothing was done.");
        assert_eq!(
            told(&result),
            (("exception", expected.0, "none", expected.1), message.as_str()),
            "{what}"
        );
        assert_eq!((&result["attempts"], setup.api.requests().len()), (&json!(0), 0), "{what}");
    }
}

#[tokio::test]
async fn a_token_endpoint_nobody_listens_at_fails_and_recovers() {
    let closed = ClosedPort::new();
    let api = Upstream::start(|_| Reply::ok("{}")).await;
    let gateway = gateway(api.port, closed.port);
    let result = shown(gateway.execute(tool_call("read")).await);
    let message = "The sign-in to the service (`crm`) cannot be reached; nothing was done.";
    assert_eq!(told(&result), (("exception", "auth_failed", "none", "later"), message));
    assert_speakable(message);
}

#[tokio::test]
async fn a_failed_fetch_is_tried_again_by_the_next_call() {
    let setup = Setup::new(
        |number| match number {
            1 => Reply::Json(500, "{}".to_owned()),
            _ => token(number, ", \"expires_in\": 3600"),
        },
        |_| Reply::ok("{}"),
    )
    .await;
    assert_eq!(setup.call("read").await["error"]["code"], "auth_failed");
    assert_eq!(setup.call("read").await["status"], "success");
    assert_eq!(setup.carried(), ["Bearer token-number-2"]);
}

#[tokio::test]
async fn a_token_without_a_type_is_sent_as_bearer() {
    let shopify = r#"{"access_token": "token-number-1", "scope": "read_orders", "expires_in": 86399}"#;
    let typed = |media: &str, body: &str| {
        let head = format!("HTTP/1.1 201 Created\r\ncontent-type: {media}\r\nconnection: close\r\n\r\n");
        Reply::Raw(format!("{head}{body}").into_bytes())
    };
    for reply in
        [Reply::ok(shopify), typed("text/html", shopify), typed("text/plain", &format!("\u{feff}{shopify}"))]
    {
        let setup = Setup::new(move |_| reply.clone(), |_| Reply::ok("{}")).await;
        assert_eq!(setup.call("read").await["status"], "success");
        assert_eq!(setup.carried(), ["Bearer token-number-1"]);
    }
}
