//! Bad input: names, sizes, numbers.

use serde_json::{Value, json};

use super::{HERE, begin, path, start};
use crate::api::Reply;
use crate::backend::{Backend, on_every_store};
use crate::wait::until;

#[track_caller]
fn assert_refused(reply: &Reply, status: u16, code: &str, part: &str) {
    assert_eq!((reply.status, &reply.body["code"]), (status, &json!(code)), "{}", reply.body);
    let text = reply.body.to_string();
    assert!(text.contains(part), "{part} is not in {text}");
    assert!(text.len() < 64 * 1024, "{} bytes", text.len());
}

#[tokio::test]
async fn requests_that_are_none_are_refused() {
    let (api, _upstream) = start(&Backend::Memory).await;
    let begin = async |body: Value| api.post("/v1/conversations", &body).await;
    let with = |more: Value| {
        let mut request = json!({"id": "c", "environment": "development"});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        request
    };
    for (more, part) in [
        (json!({"id": "x".repeat(257)}), "256 bytes"),
        (json!({"id": "a\nb"}), "control characters"),
        (json!({"id": 7}), "expected a string"),
        (json!({"variables": [1]}), "expected a map"),
        (json!({"ttl_seconds": 0}), "from 1 to 2592000"),
        (json!({"ttl_seconds": 2_592_001}), "from 1 to 2592000"),
        (json!({"ttl_seconds": -1}), "whole number"),
        (json!({"current_state": ""}), "1 to 64 bytes"),
        (json!({"current_state": "x".repeat(65)}), "1 to 64 bytes"),
        (json!({"current_state": "a\u{7}"}), "control characters"),
        (json!({"variables": {"phone": 1}, "sensitive": ["phnoe"]}), "did you mean `phone`?"),
        (json!({"hidden": ["x".repeat(10_000)]}), "not among `variables`"),
        (json!({"variables": {"a": 1}, "hidden": ["a"], "exposed": ["a"]}), "both `hidden` and `exposed`"),
        (json!({"state": "x"}), "unknown field `state`"),
    ] {
        assert_refused(&begin(with(more)).await, 400, "invalid_request", part);
    }
    assert_refused(&begin(json!({"id": "c"})).await, 400, "environment_required", "development");
    assert_refused(&begin(json!({"id": "c", "environment": "x"})).await, 400, "unknown_environment", "`x`");
    assert_eq!(api.get(&path("c")).await.status, 404, "none of them has begun anything");
    for cursor in ["x", "MTc", "%20"] {
        let reply = api.get(&format!("/v1/conversations?{HERE}&cursor={cursor}")).await;
        assert_refused(&reply, 400, "invalid_request", "`cursor` is not the `next` of a page");
    }
    for limit in ["0", "501", "-1", "x"] {
        let reply = api.get(&format!("/v1/conversations?{HERE}&limit={limit}")).await;
        assert_refused(&reply, 400, "invalid_request", "");
    }
}

on_every_store! {
    async fn variables_that_cannot_be_set_are_named(on) {
        let (api, _upstream) = start(on).await;
        begin(&api, "there", json!({})).await;
        let deep = (0..70).fold(json!(1), |value, _| json!([value]));
        let long = "n".repeat(100_000);
        for (variables, part) in [
            (json!({"": 1}), "parts between dots must not be empty"),
            (json!({".": 1}), "parts between dots must not be empty"),
            (json!({"a..b": 1}), "`a..b`"),
            (json!({"a.": 1}), "`a.`"),
            (json!({(long.as_str()): 1}), "200 bytes are allowed"),
            (json!({"a": 1, "a.b": 2}), "`a.b` cannot stand beside `a`"),
            (json!({"deep": deep}), "nested deeper than 64 levels"),
            (json!({"big": "x".repeat(256 * 1024)}), "262144 bytes"),
            (json!({"conversation": 1}), "are always there"),
            (json!({"conversation.id": "other"}), "are always there"),
            (json!({"conversation.started_at.x": 1}), "are always there"),
        ] {
            let request = json!({"id": "c", "environment": "development", "variables": variables});
            assert_refused(&api.post("/v1/conversations", &request).await, 422, "invalid_variables", part);
            let change = json!({"variables": variables});
            assert_refused(&api.ask("PATCH", &path("there"), &change).await, 422, "invalid_variables", part);
        }
        let many: serde_json::Map<String, Value> =
            (0..1_001).map(|number| (format!("n{number}"), json!(1))).collect();
        let refused = api.ask("PATCH", &path("there"), &json!({"variables": many})).await;
        assert_refused(&refused, 422, "invalid_variables", "1000 variables");
        assert_eq!(api.get(&path("c")).await.status, 404);
        assert_eq!(api.get(&path("there")).await.body["variables"], json!({}));
        // Names are texts, whatever they look like.
        let strange = json!({"__proto__": 1, "a b": 2, "é\u{0}\"{{": 3, "v:x": 4, "conversation.topic": 5, "@started": 6, "constructor.x": 7});
        let set = api.ask("PATCH", &path("there"), &json!({"variables": strange})).await;
        assert_eq!(set.status, 200, "{}", set.body);
        assert_eq!(set.body["variables"].as_object().unwrap().len(), 7);
        for (name, value) in strange.as_object().unwrap() {
            assert_eq!(set.body["variables"][name]["value"], *value, "{name}");
        }
    }
}

on_every_store! {
    async fn what_is_unknown_is_not_found(on) {
        let (api, _upstream) = start(on).await;
        for (method, path) in [("GET", path("no")), ("PATCH", path("no")), ("DELETE", path("no"))] {
            let reply = api.ask(method, &path, &json!({})).await;
            assert_refused(&reply, 404, "conversation_not_found", "no conversation `no` in environment `development`");
        }
        // Gone when its time is over, unless it is used; looking is no use.
        begin(&api, "brief", json!({"ttl_seconds": 1})).await;
        until("its end", async || (api.get(&path("brief")).await.status == 404).then_some(())).await;
    }
}
