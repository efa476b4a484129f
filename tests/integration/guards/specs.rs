//! Which tools a model is offered, by the state of the conversation.

use serde_json::Value;

use super::*;

impl Setup {
    /// The names of the tools at `path`, and the `ETag`.
    async fn tools(&self, query: &str) -> (Vec<String>, String) {
        let path = format!("/v1/tools?format=anthropic{query}");
        let response = self.gateway.request("GET", &path).send().await.unwrap();
        let tag = response.headers()["etag"].to_str().unwrap().to_owned();
        let list: Vec<Value> = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        (list.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect(), tag)
    }
}

const ALWAYS: [&str; 7] = ["book", "find_customer", "find_slots", "joke", "peek", "send_code", "use_token"];

fn with(name: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = ALWAYS.iter().chain(name).map(|name| (*name).to_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_conversation_is_offered_what_is_available_now() {
    let setup = Setup::new(&Backend::Memory).await;
    let (all, of_all) = setup.tools("").await;
    assert_eq!(all, with(&["open_billing", "process_refund"]));
    // It has not begun: what its first call would meet.
    let (names, first) = setup.tools("&conversation_id=c").await;
    assert_eq!(names, with(&["open_billing"]));
    setup.call("open_billing", serde_json::json!({})).await;
    let (names, second) = setup.tools("&conversation_id=c").await;
    assert_eq!(names, with(&["process_refund"]));
    setup.set_state("a state that no action knows").await;
    let (names, third) = setup.tools("&conversation_id=c").await;
    assert_eq!(names, with(&[]));
    let mut tags = vec![of_all, first, second, third];
    tags.dedup();
    assert_eq!(tags.len(), 4, "{tags:?}");
    assert_eq!(setup.tools("").await.1, tags[0], "the list of all is what it was");
}

#[tokio::test]
async fn a_state_can_be_asked_for() {
    let setup = Setup::new(&Backend::Memory).await;
    assert_eq!(setup.tools("&state=billing").await.0, with(&["process_refund"]));
    assert_eq!(setup.tools("&state=greeting").await.0, with(&["open_billing"]));
    assert_eq!(setup.tools("&state=none").await.0, with(&[]));
    assert_eq!(setup.tools("&state=&conversation_id=").await.0, with(&["open_billing", "process_refund"]));
    let (status, problem) = setup.gateway.get("/v1/tools?state=billing&conversation_id=c").await;
    assert_eq!((status, &problem["code"]), (400, &serde_json::json!("invalid_request")));
    let (status, _) = setup.gateway.get(&format!("/v1/tools?conversation_id={}", "x".repeat(300))).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn an_action_says_what_guards_it() {
    let setup = Setup::new(&Backend::Memory).await;
    let (_, refund) = setup.gateway.get("/v1/actions/process_refund").await;
    assert_eq!((&refund["available_in"], &refund["next_state"]), (&json!(["billing"]), &json!("done")));
    let (_, book) = setup.gateway.get("/v1/actions/book").await;
    assert_eq!(book["only_after"], json!(["find_customer"]));
    let (_, code) = setup.gateway.get("/v1/actions/send_code").await;
    assert_eq!(code["max_calls"], 2);
}
