//! States that were changed, that are another's, or too old.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::{KEY_1, Setup, project, refused, secrets, settings, state, upstream};
use crate::harness::Gateway;
use crate::wait::until;

#[tokio::test]
async fn a_state_that_was_changed_is_refused_and_nothing_says_where() {
    let setup = Setup::new().await;
    let answer = setup.call("verify", None, "").await;
    let other = setup.call("count", None, state(&answer)).await;
    let bytes = URL_SAFE_NO_PAD.decode(state(&answer)).unwrap();
    let others = URL_SAFE_NO_PAD.decode(state(&other)).unwrap();
    let mut changed: Vec<(String, Vec<u8>)> = Vec::new();
    // The version, the key's id, the salt, the text and the tag: a bit of each, and every twentieth byte.
    let ends = [0, 1, 8, 9, 40, 41, bytes.len() - 17, bytes.len() - 16, bytes.len() - 1];
    for at in ends.into_iter().chain((0..bytes.len()).step_by(20)) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        changed.push((format!("byte {at}"), flipped));
    }
    // The salt, and the text, of another state of the same key.
    changed.push(("another's salt".to_owned(), [&others[..41], &bytes[41..]].concat()));
    changed.push(("another's text".to_owned(), [&bytes[..41], &others[41..]].concat()));
    for length in [0, 1, 8, 40, 41, 56, 57, bytes.len() - 1] {
        changed.push((format!("{length} bytes"), bytes[..length].to_vec()));
    }
    changed.push(("longer".to_owned(), [&bytes[..], b"x"].concat()));
    let mut texts: Vec<(String, String)> =
        changed.into_iter().map(|(what, bytes)| (what, URL_SAFE_NO_PAD.encode(bytes))).collect();
    let text = state(&answer);
    texts.extend([
        ("padding".to_owned(), format!("{text}=")),
        ("a space".to_owned(), format!("{text} ")),
        ("two of them".to_owned(), format!("{text}{text}")),
        ("no base64".to_owned(), "☎".repeat(300)),
        ("JSON".to_owned(), json!({"id": "c", "variables": {}}).to_string()),
        ("a text".to_owned(), "state".to_owned()),
        ("its plain form".to_owned(), URL_SAFE_NO_PAD.encode(json!({"id": "c"}).to_string())),
    ]);
    let sent = setup.sent();
    let mut details = BTreeSet::new();
    for (what, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        let (status, code, detail) =
            setup.refused(json!({"name": "account", "tool_call_id": "x", "state": text})).await;
        assert_eq!((status, code.as_str()), (400, "invalid_state"), "{what}");
        details.insert(detail);
    }
    assert_eq!(details.len(), 1, "{details:?}");
    assert_eq!(setup.sent(), sent, "nothing is sent");
    assert_eq!(setup.call("account", Some("x"), state(&answer)).await["status"], "success");
}

#[tokio::test]
async fn what_is_no_text_is_no_request() {
    let setup = Setup::new().await;
    for wrong in [json!(7), json!({}), json!(["x"]), json!(true)] {
        let (status, code, _) = setup.refused(json!({"name": "count", "state": wrong})).await;
        assert_eq!((status, code.as_str()), (400, "invalid_request"), "{wrong}");
    }
}

#[tokio::test]
async fn a_state_of_another_environment_or_conversation_is_refused() {
    let setup = Setup::new().await;
    // Both environments have the very same key.
    let answer = setup.call("verify", None, "").await;
    let foreign = json!({"environment": "staging", "name": "account", "state": state(&answer)});
    let (status, code, _) = setup.refused(foreign).await;
    assert_eq!((status, code.as_str()), (400, "invalid_state"));
    let other = json!({"name": "account", "conversation_id": "another", "state": state(&answer)});
    let (status, code, detail) = setup.refused(other).await;
    assert_eq!((status, code.as_str()), (400, "invalid_state"));
    assert!(detail.contains("another conversation"), "{detail}");
    let mut preview = json!({"environment": "staging", "state": state(&answer)});
    let (status, problem) = setup.gateway.post("/v1/actions/account/preview", preview.to_string()).await;
    assert_eq!((status, &problem["code"]), (400, &json!("invalid_state")));
    preview["environment"] = "development".into();
    let (status, _) = setup.gateway.post("/v1/actions/account/preview", preview.to_string()).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_state_of_another_gateway_is_refused() {
    let setup = Setup::new().await;
    let upstream = upstream().await;
    let other_key = KEY_1.replace('6', "7");
    let files =
        project(upstream.port, &settings(&["STATE_KEY_1"], ""), &secrets().replace(KEY_1, &other_key));
    let other = Gateway::start(&files).await;
    let theirs = other.call_with(json!({"environment": "development", "name": "verify", "state": ""})).await;
    let (status, code, _) = setup.refused(json!({"name": "account", "state": state(&theirs)})).await;
    assert_eq!((status, code.as_str()), (400, "invalid_state"));
    let ours = setup.call("verify", None, "").await;
    let ours = json!({"environment": "development", "name": "account", "state": state(&ours)});
    assert_eq!(refused(&other, ours).await.1, "invalid_state");
}

#[tokio::test]
async fn a_state_expires_and_each_call_gives_a_fresh_one() {
    let setup = Setup::with(&settings(&["STATE_KEY_1"], "state_ttl_ms = 1000\n")).await;
    let first = setup.call("verify", None, "").await;
    let (status, code, detail) = until("the end of the state", async || {
        let call = json!({"environment": "development", "name": "hours", "state": state(&first)}).to_string();
        let (status, answer) = setup.gateway.post("/v1/tool-calls", call).await;
        (status != 200).then(|| (status, answer["code"].clone(), answer["detail"].clone()))
    })
    .await;
    assert_eq!((status, code), (410, json!("state_expired")));
    assert_eq!(detail, "`state` has expired: begin a new conversation with \"\"");
    // A machine that stands still may let a fresh state expire within its call.
    until("a fresh state", async || {
        let call = json!({"environment": "development", "name": "verify", "state": ""}).to_string();
        let (status, answer) = setup.gateway.post("/v1/tool-calls", call).await;
        let has_state = answer["state"].as_str().is_some_and(|state| !state.is_empty());
        (status == 200 && answer["status"] == "success" && has_state).then_some(())
    })
    .await;
}
