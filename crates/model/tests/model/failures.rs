//! What providers say when they fail.

use callgate_model::{FailureKind, Provider, ProviderFailure, StreamError};
use serde_json::json;

use crate::reading::{PROVIDERS, stream, whole};

fn failure(message: &str, code: Option<&str>, kind: FailureKind) -> ProviderFailure {
    ProviderFailure { message: message.to_owned(), code: code.map(str::to_owned), kind }
}

#[track_caller]
fn check(status: u16, body: &str, message: &str, code: Option<&str>, kind: FailureKind) {
    for provider in PROVIDERS {
        assert_eq!(provider.failure(status, body.as_bytes()), failure(message, code, kind), "{body}");
    }
}

#[test]
fn openais_errors_are_told_apart() {
    let error = |kind: &str, code: Option<&str>, message: &str| {
        json!({"error": {"message": message, "type": kind, "param": null, "code": code}}).to_string()
    };
    let invalid = "invalid_request_error";
    for (status, body, message, code, kind) in [
        (
            401,
            error(invalid, Some("invalid_api_key"), "Incorrect API key"),
            "Incorrect API key",
            "invalid_api_key",
            FailureKind::Credentials,
        ),
        (
            429,
            error("requests", Some("rate_limit_exceeded"), "Rate limit"),
            "Rate limit",
            "rate_limit_exceeded",
            FailureKind::RateLimited,
        ),
        (
            429,
            error("insufficient_quota", Some("insufficient_quota"), "No credit"),
            "No credit",
            "insufficient_quota",
            FailureKind::Credentials,
        ),
        (
            400,
            error(invalid, Some("context_length_exceeded"), "Too long"),
            "Too long",
            "context_length_exceeded",
            FailureKind::ContextTooLong,
        ),
        (
            404,
            error(invalid, Some("model_not_found"), "No model"),
            "No model",
            "model_not_found",
            FailureKind::NotFound,
        ),
        (
            400,
            error(invalid, Some("unsupported_parameter"), "Bad"),
            "Bad",
            "unsupported_parameter",
            FailureKind::RefusedRequest,
        ),
        (400, error(invalid, None, "Bad"), "Bad", invalid, FailureKind::RefusedRequest),
        (503, error("server_error", None, "Busy"), "Busy", "server_error", FailureKind::Overloaded),
        (500, error("server_error", None, "Oh"), "Oh", "server_error", FailureKind::Other),
    ] {
        check(status, &body, message, Some(code), kind);
    }
}

#[test]
fn anthropics_errors_are_told_apart() {
    for (status, code, message, kind) in [
        (401, "authentication_error", "invalid x-api-key", FailureKind::Credentials),
        (403, "permission_error", "no", FailureKind::Credentials),
        (404, "not_found_error", "model: x", FailureKind::NotFound),
        (413, "request_too_large", "large", FailureKind::ContextTooLong),
        (429, "rate_limit_error", "many tokens, whatever the context window", FailureKind::RateLimited),
        (529, "overloaded_error", "Overloaded", FailureKind::Overloaded),
        (500, "api_error", "Internal", FailureKind::Other),
        (400, "invalid_request_error", "prompt is too long: 2 > 1", FailureKind::ContextTooLong),
        (400, "invalid_request_error", "messages: roles", FailureKind::RefusedRequest),
    ] {
        let body = json!({"type": "error", "error": {"type": code, "message": message}, "request_id": "r"});
        check(status, &body.to_string(), message, Some(code), kind);
    }
}

#[test]
fn geminis_errors_are_told_apart() {
    for (status, code, message, kind) in [
        (403, "PERMISSION_DENIED", "no", FailureKind::Credentials),
        (404, "NOT_FOUND", "no model", FailureKind::NotFound),
        (429, "RESOURCE_EXHAUSTED", "quota", FailureKind::RateLimited),
        (503, "UNAVAILABLE", "overloaded", FailureKind::Overloaded),
        (504, "DEADLINE_EXCEEDED", "slow", FailureKind::Overloaded),
        (500, "INTERNAL", "oh", FailureKind::Other),
        (400, "INVALID_ARGUMENT", "bad", FailureKind::RefusedRequest),
        (400, "INVALID_ARGUMENT", "The input token count exceeds the maximum", FailureKind::ContextTooLong),
    ] {
        let error = json!({"error": {"code": status, "message": message, "status": code}});
        check(status, &error.to_string(), message, Some(code), kind);
        check(status, &json!([error]).to_string(), message, Some(code), kind);
    }
    let key = json!({"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT",
                     "details": [{"@type": "x", "reason": "API_KEY_INVALID"}]}});
    check(400, &key.to_string(), "API key not valid.", Some("INVALID_ARGUMENT"), FailureKind::Credentials);
}

#[test]
fn other_servers_say_it_in_their_own_ways() {
    check(404, r#"{"error":"model \"x\" not found"}"#, "model \"x\" not found", None, FailureKind::NotFound);
    check(401, r#"{"message":"Unauthorized"}"#, "Unauthorized", None, FailureKind::Credentials);
    check(
        422,
        r#"{"detail":[{"loc":["body"],"msg":"Extra inputs"}]}"#,
        "Extra inputs",
        None,
        FailureKind::RefusedRequest,
    );
    check(429, "slow down: context length", "slow down: context length", None, FailureKind::RateLimited);
    check(404, r#"{"detail":"Not Found"}"#, "Not Found", None, FailureKind::NotFound);
    let vllm =
        r#"{"object":"error","message":"maximum context length is 8","type":"BadRequestError","code":400}"#;
    check(400, vllm, "maximum context length is 8", Some("BadRequestError"), FailureKind::ContextTooLong);
    check(
        400,
        r#"{"errors":[{"code":7,"message":"no"}],"success":false}"#,
        "no",
        None,
        FailureKind::RefusedRequest,
    );
    let groq = r#"{"error":{"message":"Request too large","type":"tokens","code":"rate_limit_exceeded"}}"#;
    check(413, groq, "Request too large", Some("rate_limit_exceeded"), FailureKind::RateLimited);
    check(
        400,
        "event: error\ndata: {\"error\": {\"message\": \"x\"}}\n\n",
        "x",
        None,
        FailureKind::RefusedRequest,
    );
    check(400, r#"{"error":{"strange":[1]}}"#, r#"{"strange":[1]}"#, None, FailureKind::RefusedRequest);
}

#[test]
fn pages_texts_and_nothing_at_all_are_told_in_a_line() {
    let page = "<!DOCTYPE html>\n<html><HEAD><Title lang=en>\n502 Bad Gateway </title>";
    check(502, page, "status 502 with a page: 502 Bad Gateway", None, FailureKind::Overloaded);
    check(403, "<html><body>Forbidden", "status 403 with a page", None, FailureKind::Credentials);
    check(503, "", "status 503 without a body", None, FailureKind::Overloaded);
    check(500, " \r\n", "status 500 without a body", None, FailureKind::Other);
    check(504, "upstream\r\n\trequest timeout", "upstream request timeout", None, FailureKind::Overloaded);
    check(302, "{\"a\":", "{\"a\":", None, FailureKind::Other);
    check(500, "[]", "[]", None, FailureKind::Other);
    assert_eq!(Provider::OpenAi.failure(500, b"\xff\xfe").message, "\u{fffd}\u{fffd}");
}

#[test]
fn a_message_is_one_short_line() {
    let long =
        json!({"error": {"message": format!("a\u{7}b\n{}", "\u{fc}".repeat(999)), "code": "c".repeat(999)}});
    let failure = Provider::OpenAi.failure(400, long.to_string().as_bytes());
    assert_eq!(failure.message.chars().count(), 300);
    assert!(failure.message.starts_with("a b \u{fc}") && failure.message.ends_with('\u{2026}'));
    assert_eq!(failure.code.map(|code| code.chars().count()), Some(80));
    let exact = json!({"error": "x".repeat(300)}).to_string();
    assert_eq!(Provider::OpenAi.failure(400, exact.as_bytes()).message, "x".repeat(300));
}

#[test]
fn an_error_in_a_stream_ends_it_whatever_was_said() {
    let chat = json!({"choices": [{"delta": {"content": "Hel"}}]});
    for (provider, events, expected) in [
        (
            Provider::OpenAi,
            vec![chat.clone(), json!({"error": {"message": "Busy", "type": "server_error", "code": "503"}})],
            failure("Busy", Some("503"), FailureKind::Overloaded),
        ),
        (
            Provider::OpenAi,
            vec![chat, json!({"error": "Internal error occurred!"})],
            failure("Internal error occurred!", None, FailureKind::Other),
        ),
        (
            Provider::OpenAi,
            vec![
                json!({"error": {"code": 429, "message": "slow"}, "choices": [{"delta": {}, "finish_reason": "error"}]}),
            ],
            failure("slow", None, FailureKind::RateLimited),
        ),
        (
            Provider::OpenAiResponses,
            vec![json!({"type": "error", "code": "rate_limit_exceeded", "message": "slow", "param": null})],
            failure("slow", Some("rate_limit_exceeded"), FailureKind::RateLimited),
        ),
        (
            Provider::OpenAiResponses,
            vec![json!({"type": "response.failed", "response": {"status": "failed",
                        "error": {"code": "server_error", "message": "oh"}}})],
            failure("oh", Some("server_error"), FailureKind::Other),
        ),
        (
            Provider::OpenAiResponses,
            vec![json!({"type": "response.failed", "response": {"status": "failed"}})],
            failure("the provider ended its answer with `failed`", Some("failed"), FailureKind::Other),
        ),
        (
            Provider::Anthropic,
            vec![
                json!({"type": "ping"}),
                json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
            ],
            failure("Overloaded", Some("overloaded_error"), FailureKind::Overloaded),
        ),
        (
            Provider::Gemini,
            vec![json!({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}})],
            failure("overloaded", Some("UNAVAILABLE"), FailureKind::Overloaded),
        ),
    ] {
        let body = stream(&events) + "data: [DONE]\n\n";
        assert_eq!(whole(provider, &body).reply, Err(StreamError::Provider(expected)), "{body}");
    }
    for provider in PROVIDERS {
        let expected = failure("it broke", None, FailureKind::Other);
        let read = whole(provider, "event: error\ndata: it broke\n\n");
        assert_eq!(read.reply, Err(StreamError::Provider(expected)));
        let expected = failure("no", Some("x"), FailureKind::Other);
        let read = whole(provider, r#"{"error": {"message": "no", "code": "x"}}"#);
        assert_eq!(read.reply, Err(StreamError::Provider(expected)), "a whole answer");
    }
}

#[test]
fn a_member_named_error_that_says_nothing_is_none() {
    for nothing in [json!(null), json!(false), json!(""), json!({}), json!([])] {
        let chunk =
            json!({"error": nothing, "choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]});
        assert_eq!(whole(Provider::OpenAi, &stream(&[chunk])).reply.unwrap().assistant.text, "Hi");
    }
}

#[test]
fn what_is_no_answer_at_all_is_malformed_or_broken_off() {
    for provider in PROVIDERS {
        let read = |body: &str| whole(provider, body).reply;
        assert!(matches!(read("\n <!DOCTYPE html><html>"), Err(StreamError::Malformed(_))));
        assert!(matches!(read("data: {\"a\": nope}\n\n"), Err(StreamError::Malformed(_))));
        assert!(matches!(read("{\"a\": nope}"), Err(StreamError::Malformed(_))));
        assert!(matches!(read("{\"a\": 1}"), Err(StreamError::Malformed(_))));
        for cut in
            ["", " ", "data: {\"a\": 1", "{\"a\": 1", ": hello\n\n", "data: ping\n\n", "upstream timed out"]
        {
            assert_eq!(read(cut), Err(StreamError::BrokenOff { text: String::new() }), "{cut}");
        }
    }
}
