//! Feeds arbitrary bodies to `POST /v1/tool-calls` and to a preview, through all of the server: every one gets JSON.
#![no_main]

use std::sync::LazyLock;

use axum::body::Body;
use axum::http::Request;
use callgate::definition::{Problems, ProjectFiles};
use callgate::executor::Gateway;
use callgate::project;
use callgate::secrets::Sources;
use callgate::server::{self, AppState};
use callgate::settings::Settings;
use http_body_util::BodyExt as _;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tokio::runtime::Runtime;
use tower_service::Service as _;

/// No action of it goes out.
const FILES: &[(&str, &str)] = &[
    (
        "actions/a.yaml",
        "description: d\ntype: static\nresponse: {ok: 1}\nparameters:\n  type: object\n  properties:\n    s: {type: string, maxLength: 3}\n    n: {type: integer}\n    o: {type: object, properties: {p: {x-sensitive: true, enum: [1, a]}}, additionalProperties: false}\n  required: [s]\n",
    ),
    ("actions/b.yaml", "description: d\ntype: handover\nhandover: {queue: q}\n"),
    (
        "actions/c.yaml",
        "description: d\nmethod: POST\nurl: 'http://127.0.0.1:1/{{.parameters.x}}'\nparameters: {type: object, properties: {x: {}}, additionalProperties: true}\nbind: {b: '{{.variables.v}}'}\n",
    ),
];

static SERVER: LazyLock<(Runtime, axum::Router)> = LazyLock::new(|| {
    let mut problems = Problems::default();
    let settings = Settings::default();
    let files = ProjectFiles::from_texts(FILES.iter().copied(), &mut problems);
    let deployment = project::compile(&files, &settings, &Sources::default(), None, &mut problems);
    assert!(!problems.has_errors(), "{problems:?}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    (runtime, server::router(AppState::new(Gateway::new(deployment), &settings)))
});

fuzz_target!(|input: &[u8]| {
    let Some((choice, body)) = input.split_first() else { return };
    let path = if choice % 4 == 0 { "/v1/actions/c/preview" } else { "/v1/tool-calls" };
    // What would be sent is for another target.
    if path == "/v1/tool-calls" && String::from_utf8_lossy(body).contains("\"c\"") {
        return;
    }
    let request = Request::post(path).header("host", "localhost");
    let request = request.body(Body::from(body.to_vec())).expect("request");
    let (runtime, router) = &*SERVER;
    let (status, answer) = runtime.block_on(async {
        let response = router.clone().call(request).await.unwrap_or_else(|never| match never {});
        (response.status().as_u16(), response.into_body().collect().await.expect("body").to_bytes())
    });
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    match status {
        200 if path == "/v1/tool-calls" => {
            let results =
                answer.get("results").and_then(Value::as_array).cloned().unwrap_or_else(|| vec![answer]);
            assert!(results.iter().all(|result| result["status"].is_string()));
        }
        200 => assert!(answer.get("curl").is_some() != answer.get("error").is_some()),
        // At the door the rest would not be looked at.
        400..=499 if status != 403 => assert_eq!(answer["status"], status, "a problem document"),
        _ => panic!("{status}: {answer}"),
    }
});
