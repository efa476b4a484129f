//! Feeds followed live, as a stream of events.

use std::time::Duration;

use serde_json::{Value, json};

use super::{HERE, begin, call, events, path, start};
use crate::api::Api;
use crate::backend::{Backend, on_every_store};
use crate::harness::{Process, client, write_project};
use crate::wait::until;

/// A stream that is read message by message.
struct Followed {
    response: reqwest::Response,
    text: String,
}

#[derive(Debug, PartialEq)]
struct Message {
    id: Option<u64>,
    event: String,
    data: Value,
}

impl Followed {
    async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.header("accept", "text/event-stream").send().await.unwrap();
        assert_eq!(response.status(), 200, "{response:?}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    async fn feed(api: &Api, id: &str, last: Option<&str>) -> Self {
        let request = api.0.request("GET", &format!("/v1/conversations/{id}/events?{HERE}"));
        Self::of(match last {
            Some(last) => request.header("last-event-id", last),
            None => request,
        })
        .await
    }

    /// The next message; `None` where the stream has ended.
    async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some((message, rest)) = self.text.split_once("\n\n") {
                let message = message.to_owned();
                self.text = rest.to_owned();
                let field = |name: &str| {
                    let lines =
                        message.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                    lines.collect::<Vec<_>>().join("\n")
                };
                if message.lines().all(|line| line.starts_with(':')) {
                    continue;
                }
                let data = serde_json::from_str(&field("data")).unwrap();
                return Some(Message { id: field("id").parse().ok(), event: field("event"), data });
            }
            let more = tokio::time::timeout(Duration::from_secs(60), self.response.chunk());
            match more.await.expect("nothing comes in a minute") {
                Ok(Some(bytes)) => self.text.push_str(std::str::from_utf8(&bytes).unwrap()),
                _ => return None,
            }
        }
    }

    async fn take(&mut self, count: usize) -> Vec<Message> {
        let mut taken = Vec::new();
        while taken.len() < count {
            taken.push(self.next().await.expect("the stream goes on"));
        }
        taken
    }
}

on_every_store! {
    async fn a_follower_hears_what_happens_and_resumes(on) {
        let (api, _upstream) = start(on).await;
        begin(&api, "c", json!({})).await;
        let mut live = Followed::feed(&api, "c", None).await;
        let first = live.next().await.unwrap();
        assert_eq!((first.id, first.event.as_str()), (Some(1), "conversation_started"));
        api.call(call("c", "1", "get_order", json!({"number": "1"}))).await;
        let heard = live.take(7).await;
        api.ask("PATCH", &path("c"), &json!({"variables": {"a": "line\nbreak"}})).await;
        let set = live.next().await.unwrap();
        assert_eq!((set.id, &set.data["data"]["value"]), (Some(9), &json!("line\nbreak")));
        // As in the pages, and under the same names.
        let told = events(&api, "c").await;
        let data: Vec<&Value> = [&first].into_iter().chain(&heard).chain([&set]).map(|one| &one.data).collect();
        assert_eq!(data, told.iter().collect::<Vec<_>>());
        assert!(heard.iter().all(|one| one.data["type"] == one.event.as_str() && one.data["id"].as_u64() == one.id));
        drop(live);
        // One that comes again goes on where it was, and hears what it has missed.
        api.ask("DELETE", &path("c"), &json!(null)).await;
        let mut resumed = Followed::feed(&api, "c", Some("8")).await;
        let missed = resumed.take(2).await;
        assert_eq!(missed.iter().map(|one| (one.id, one.event.as_str())).collect::<Vec<_>>(), [(Some(9), "variable_set"), (Some(10), "ended")]);
        let mut after = Followed::of(api.0.request("GET", &format!("/v1/conversations/c/events?{HERE}&after=9"))).await;
        assert_eq!(after.next().await.unwrap().id, Some(10));
        // Forgotten: both hear it, and that is the end.
        api.ask("DELETE", &format!("{}&forget=true", path("c")), &json!(null)).await;
        for followed in [&mut resumed, &mut after] {
            assert_eq!(followed.next().await.unwrap().event, "forgotten");
            assert_eq!(followed.next().await, None);
        }
    }
}

#[tokio::test]
async fn a_follower_is_told_of_what_it_cannot_have() {
    let (api, _upstream) = start(&Backend::Memory).await;
    begin(&api, "c", json!({})).await;
    for round in 0..15 {
        let many: serde_json::Map<String, Value> =
            (0..40).map(|number| (format!("n{number}"), json!(round))).collect();
        api.ask("PATCH", &path("c"), &json!({"variables": many})).await;
    }
    let mut late = Followed::feed(&api, "c", Some("5")).await;
    let gap = late.next().await.unwrap();
    assert_eq!((gap.id, gap.event.as_str(), &gap.data), (None, "gap", &json!({"after": 5, "next": 102})));
    let rest = late.take(500).await;
    assert_eq!(rest.iter().filter_map(|one| one.id).collect::<Vec<_>>(), (102..=601).collect::<Vec<u64>>());
    // A number from before the conversation was begun anew.
    let mut other = Followed::feed(&api, "c", Some("70000")).await;
    assert_eq!(other.next().await.unwrap().event, "gap");
    for broken in ["x", "-1", "1.5"] {
        let request = api.0.request("GET", &format!("/v1/conversations/c/events?{HERE}"));
        let request = request.header("accept", "text/event-stream").header("last-event-id", broken);
        let refused = api.send("get", "/v1/conversations/c/events", request).await;
        assert_eq!((refused.status, &refused.body["code"]), (400, &json!("invalid_request")), "{broken}");
    }
    let request = api.0.request("GET", &format!("/v1/conversations/no/events?{HERE}"));
    let unknown =
        api.send("get", "/v1/conversations/no/events", request.header("accept", "text/event-stream")).await;
    assert_eq!((unknown.status, &unknown.body["code"]), (404, &json!("conversation_not_found")));
}

#[tokio::test]
async fn followers_are_bounded() {
    let (api, _upstream) = start(&Backend::Memory).await;
    begin(&api, "c", json!({})).await;
    let mut all = Vec::new();
    for _ in 0..256 {
        all.push(Followed::feed(&api, "c", None).await);
    }
    let request = || {
        let request = api.0.request("GET", &format!("/v1/conversations/c/events?{HERE}"));
        request.header("accept", "text/event-stream")
    };
    let refused = api.send("get", "/v1/conversations/c/events", request()).await;
    assert_eq!((refused.status, &refused.body["code"]), (503, &json!("overloaded")));
    assert_eq!(refused.header("retry-after"), "5");
    // Pages are there all the same, and so is the place of one who goes.
    assert_eq!(events(&api, "c").await.len(), 1);
    all.pop();
    let is_free = async || (request().send().await.unwrap().status() == 200).then_some(());
    until("a place that comes free", is_free).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_does_not_keep_the_gateway_from_stopping() {
    let settings = "environments = [\"development\"]\n[store]\nbackend = \"memory\"\n".to_owned();
    let dir = write_project(&[("callgate.toml", settings)]);
    let mut gateway = Process::serve(dir.path(), &[]);
    let (status, _) = gateway.post("/v1/conversations", &json!({"id": "c"})).await;
    assert_eq!(status, 201);
    let feed = client().get(format!("{}/v1/conversations/c/events", gateway.url));
    let mut followed = Followed::of(feed).await;
    assert_eq!(followed.next().await.unwrap().id, Some(1));
    gateway.signal("TERM");
    assert_eq!(followed.next().await, None);
    assert_eq!(gateway.wait(), Some(0));
    assert!(!gateway.log().contains("grace period"), "{}", gateway.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_taken_away_follows_no_further() {
    let [one, two] = [0, 1].map(|_| callgate::server::NewKey::generate().unwrap());
    let key =
        |name: &str, hash: &str| format!("[[keys]]\nname = \"{name}\"\nhash = \"{hash}\"\nadmin = true\n");
    let settings =
        "environments = [\"development\"]\n[server]\nwatch = false\n[store]\nbackend = \"memory\"\n";
    let both = format!("{settings}{}{}", key("one", &one.hash), key("two", &two.hash));
    let dir = write_project(&[("callgate.toml", both)]);
    let gateway = Process::serve(dir.path(), &[]);
    let post = |path: &str, key: &str, body: Value| {
        client().post(format!("{}{path}", gateway.url)).bearer_auth(key).body(body.to_string()).send()
    };
    assert_eq!(post("/v1/conversations", &one.key, json!({"id": "c"})).await.unwrap().status(), 201);
    let feed = format!("{}/v1/conversations/c/events", gateway.url);
    let mut taken = Followed::of(client().get(&feed).bearer_auth(&one.key)).await;
    let mut kept = Followed::of(client().get(&feed).bearer_auth(&two.key)).await;
    assert_eq!(taken.next().await.unwrap().id, Some(1));
    assert_eq!(kept.next().await.unwrap().id, Some(1));
    std::fs::write(dir.path().join("callgate.toml"), format!("{settings}{}", key("two", &two.hash))).unwrap();
    assert_eq!(post("/admin/reload", &two.key, json!({})).await.unwrap().status(), 200);
    let call = json!({"name": "none", "conversation_id": "c"});
    assert_eq!(post("/v1/tool-calls", &two.key, call).await.unwrap().status(), 200);
    assert_eq!(kept.next().await.unwrap().id, Some(2));
    assert_eq!(taken.next().await, None);
}
