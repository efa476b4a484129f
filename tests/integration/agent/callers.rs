//! Requests as callers send them, from `tests/data/agent/callers`: those of packages were captured from them, those of
//! products are written after what the products document.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::agent_clients::{Desk, FRONT_DESK};

/// A file of requests.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Caller {
    /// Who sends them.
    #[expect(dead_code, reason = "for people")]
    caller: String,
    /// Where that is known from.
    #[expect(dead_code, reason = "for people")]
    evidence: String,
    /// Behind the base URL.
    path: String,
    /// The header of the key, in place of `Authorization`.
    key_header: Option<String>,
    /// Besides the key and what every request has.
    headers: BTreeMap<String, String>,
    requests: Vec<Request>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    what: String,
    /// The conversation that it names.
    conversation: Option<String>,
    /// What the agent says to it.
    says: String,
    body: Value,
}

fn callers() -> Vec<(String, Caller)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/agent/callers");
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |file: &std::path::PathBuf| {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(file).unwrap();
        (name.clone(), serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}")))
    };
    files.iter().map(read).collect()
}

/// What a stream of either form says.
fn said(stream: &str) -> String {
    let data = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    let events = data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap());
    let texts = events.map(|event: Value| {
        let delta = &event["choices"][0]["delta"]["content"];
        let of_responses = (event["type"] == "response.output_text.delta").then_some(&event["delta"]);
        of_responses.unwrap_or(delta).as_str().unwrap_or_default().to_owned()
    });
    texts.collect()
}

#[tokio::test]
async fn requests_are_answered_as_their_callers_send_them() {
    let callers = callers();
    assert!(callers.len() >= 15, "{}", callers.len());
    for (name, caller) in callers {
        let desk = Desk::of(&[FRONT_DESK]).await;
        for request in &caller.requests {
            let what = format!("{name}, {}", request.what);
            let mut post = desk.gateway.request("POST", &format!("/development/v1{}", caller.path));
            for (name, value) in &caller.headers {
                post = post.header(name, value);
            }
            post = match &caller.key_header {
                Some(header) => post.header(header, &desk.key),
                None => post.bearer_auth(&desk.key),
            };
            let response = post.body(request.body.to_string()).send().await.unwrap();
            let (status, headers) = (response.status(), response.headers().clone());
            let text = response.text().await.unwrap();
            assert_eq!(status, 200, "{what}: {text}");
            assert!(headers["content-type"].to_str().unwrap().starts_with("text/event-stream"), "{what}");
            assert!(headers.get("content-encoding").is_none(), "{what}");
            assert_eq!(said(&text), request.says, "{what}: {text}");
            // What is not OpenAI's goes no further: the model refuses what its type does not have.
            assert_eq!(desk.model.refusals(), [""; 0], "{what}");
            if let Some(id) = &request.conversation {
                let show = desk.gateway.request("GET", &format!("/v1/conversations/{id}"));
                let shown = show.bearer_auth(&desk.key).send().await.unwrap();
                assert_eq!(shown.status(), 200, "{what}: the conversation `{id}`");
            }
        }
    }
}
