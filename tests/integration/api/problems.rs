//! Broken requests: problem documents (RFC 9457) with stable codes.

use serde_json::json;

use super::{Api, gateway};

async fn check(
    api: &Api,
    method: &str,
    path: &str,
    body: Option<&str>,
    status: u16,
    code: &str,
    detail: &str,
) {
    let mut request = api.0.request(method, path);
    if let Some(body) = body {
        request = request.body(body.to_owned());
    }
    let reply = api.send(&method.to_lowercase(), path, request).await;
    assert_eq!(reply.status, status, "{method} {path}: {}", reply.body);
    assert_eq!(reply.media, "application/problem+json", "{method} {path}");
    assert_eq!(
        (&reply.body["code"], &reply.body["status"]),
        (&json!(code), &json!(status)),
        "{method} {path}"
    );
    assert_eq!(
        (&reply.body["type"], &reply.body["detail"]),
        (&json!("about:blank"), &json!(detail)),
        "{method} {path}"
    );
}

#[tokio::test]
async fn every_broken_request_gets_a_problem_document() {
    let api = gateway(1, &[]).await;
    let lists = "/openapi.json lists the routes";
    for (method, path, body, status, code, detail) in [
        ("GET", "/nothing", None, 404, "not_found", format!("there is no GET /nothing; {lists}")),
        ("GET", "/v1/tool", None, 404, "not_found", format!("there is no GET /v1/tool; {lists}")),
        ("POST", "/v1/tools/", Some("{}"), 404, "not_found", format!("there is no POST /v1/tools/; {lists}")),
        ("DELETE", "/v2/x", None, 404, "not_found", format!("there is no DELETE /v2/x; {lists}")),
        ("POST", "/v1/tools", None, 405, "method_not_allowed", format!("/v1/tools does not take POST; {lists}")),
        ("GET", "/v1/tool-calls", None, 405, "method_not_allowed", format!("/v1/tool-calls does not take GET; {lists}")),
        ("PUT", "/healthz", None, 405, "method_not_allowed", format!("/healthz does not take PUT; {lists}")),
        (
            "GET",
            "/v1/actions/nothing",
            None,
            404,
            "unknown_tool",
            "there is no action `nothing` in environment `development`".to_owned(),
        ),
        (
            "GET",
            "/v1/tools?format=smoke",
            None,
            400,
            "unknown_format",
            "there is no format `smoke`; the formats are openai-chat, openai-responses, openai-realtime, anthropic, gemini, gemini-schema, mcp, vapi, retell, elevenlabs, callgate".to_owned(),
        ),
        (
            "GET",
            "/v1/tools?enviroment=development",
            None,
            400,
            "invalid_request",
            "Failed to deserialize query string: enviroment: unknown field `enviroment`, expected one of `environment`, `format`, `strict`, `conversation_id`, `state`, `base_url`, `language`".to_owned(),
        ),
        (
            "GET",
            "/v1/actions?environment=development&environment=staging",
            None,
            400,
            "invalid_request",
            "Failed to deserialize query string: duplicate field `environment`".to_owned(),
        ),
        (
            "GET",
            "/v1/actions/%ff",
            None,
            400,
            "invalid_request",
            "Invalid URL: Invalid UTF-8 in `name`".to_owned(),
        ),
        (
            "POST",
            "/v1/actions/%ff/preview",
            Some("{}"),
            400,
            "invalid_request",
            "Invalid URL: Invalid UTF-8 in `name`".to_owned(),
        ),
        (
            "POST",
            "/v1/actions/hours/preview",
            Some("{"),
            400,
            "invalid_json",
            "the body is not JSON: EOF while parsing an object at line 1 column 1".to_owned(),
        ),
        (
            "POST",
            "/v1/tool-calls",
            None,
            400,
            "invalid_json",
            "the body is empty; a JSON object is expected".to_owned(),
        ),
    ] {
        check(&api, method, path, body, status, code, &detail).await;
    }
    let long = format!("{{\"arguments\": \"{}\"}}", "x".repeat(2_000_000));
    let detail = "a request body may have 1048576 bytes at most";
    check(&api, "POST", "/v1/actions/hours/preview", Some(&long), 413, "body_too_large", detail).await;
}

#[tokio::test]
async fn the_content_type_of_a_request_does_not_matter() {
    let api = gateway(1, &[]).await;
    for media in [
        None,
        Some("application/json"),
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("x"),
    ] {
        let mut request = api.0.request("POST", "/v1/tool-calls").body("{\"name\": \"hours\"}");
        if let Some(media) = media {
            request = request.header("content-type", media);
        }
        let reply = api.send("post", "/v1/tool-calls", request).await;
        assert_eq!((reply.status, &reply.body["status"]), (200, &json!("success")), "{media:?}");
    }
}
