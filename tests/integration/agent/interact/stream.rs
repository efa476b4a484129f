//! The stream: traces as they come.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Notify;

use super::super::model::{Ending, Reply, ScriptedModel, Step};
use super::{AGENT, Desk, USER, is_after_tools, lines, text};

const STREAM: &str = "/v2/project/any/user/user-1/interact/stream";

/// A stream as it comes.
struct Events {
    response: reqwest::Response,
    unread: String,
}

/// One event: its kind, its id and its data; comments and `retry` are events of those kinds.
#[derive(Clone, Debug, PartialEq)]
struct Event {
    kind: String,
    id: Option<u64>,
    data: Value,
}

impl Events {
    async fn open(desk: &Desk, path: &str, body: &Value) -> Self {
        let request = desk.api.0.request("POST", path).header("accept", "text/event-stream");
        let response = request.body(body.to_string()).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        assert!(response.headers().get("content-encoding").is_none());
        Self { response, unread: String::new() }
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.unread.split_once("\n\n") {
                let mut read = Event { kind: String::new(), id: None, data: Value::Null };
                for line in event.lines() {
                    match line.split_once(':').unwrap() {
                        ("", comment) => read = Event { kind: format!(":{comment}"), ..read },
                        ("event", kind) => kind.trim().clone_into(&mut read.kind),
                        ("id", id) => read.id = Some(id.trim().parse().unwrap()),
                        ("data", data) => read.data = serde_json::from_str(data).unwrap(),
                        ("retry", after) => read.kind = format!("retry:{after}"),
                        other => panic!("{other:?}"),
                    }
                }
                self.unread = rest.to_owned();
                return Some(read);
            }
            let piece = self.response.chunk().await.unwrap()?;
            self.unread.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    /// The next event that is no comment.
    async fn event(&mut self) -> Option<Event> {
        loop {
            let event = self.next().await?;
            if !event.kind.starts_with(':') {
                return Some(event);
            }
        }
    }

    async fn rest(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.event().await {
            events.push(event);
        }
        events
    }
}

/// All events of an answer.
async fn told(desk: &Desk, path: &str, body: &Value) -> Vec<Event> {
    Events::open(desk, path, body).await.rest().await
}

fn traces(events: &[Event]) -> Vec<Value> {
    events.iter().filter(|event| event.kind == "trace").map(|event| event.data.clone()).collect()
}

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

async fn clerk() -> ScriptedModel {
    ScriptedModel::start(|asked| match (asked.user(), is_after_tools(asked)) {
        ("How is it outside?", false) => Reply::calls([("weather", json!({}))]).with_preamble("Let me see."),
        _ => Reply::says("It is blue.").using(31, 12),
    })
    .await
}

#[tokio::test]
async fn events_count_up_and_end_comes_last() {
    let desk = Desk::open(clerk().await).await;
    let body = json!({"action": text("How is it outside?"), "variables": {"owner": "Ann"}});
    let events = told(&desk, STREAM, &body).await;
    assert_eq!(kinds(&events), ["retry: 2000", "trace", "trace", "end"]);
    assert_eq!(lines(&traces(&events)), ["text: Let me see.", "text: It is blue."]);
    let ids: Vec<u64> = events.iter().filter_map(|event| event.id).collect();
    assert_eq!(ids, [1, 2, 3]);
    assert_eq!(events[3].data, json!({}));
    assert_eq!(desk.model.requests()[0].system, "You answer for Ann.");
    // It is the conversation of the other routes.
    assert_eq!(desk.api.0.get(&format!("/v1/conversations/{USER}")).await.0, 200);
    assert_eq!(desk.say("Thanks").await, ["text: It is blue."]);
    assert_eq!(desk.seen().len(), 5);
}

#[tokio::test]
async fn the_state_is_told_before_the_end_to_whoever_wants_it() {
    let desk = Desk::open(clerk().await).await;
    let body = json!({"action": {"type": "launch"}, "variables": {"owner": "Ann"}});
    let events = told(&desk, &format!("{STREAM}?state=true"), &body).await;
    assert_eq!(kinds(&events), ["retry: 2000", "trace", "state", "end"]);
    assert_eq!(events[2].data["variables"], json!({"owner": "Ann"}));
    assert_eq!(events[2].data, desk.state("GET", "", &json!(null)).await.body);
    assert_eq!((events[2].id, events[3].id), (Some(2), Some(3)));
}

#[tokio::test]
async fn completion_events_tell_the_models_words_as_they_come() {
    let go_on = Arc::new(Notify::new());
    let held = go_on.clone();
    let model = ScriptedModel::start(move |_| {
        Reply::says("It is").then(Step::Wait(held.clone())).and_says(" blue.").using(31, 12)
    })
    .await;
    let desk = Desk::open(model).await;
    let path = format!("{STREAM}?completion_events=true");
    let mut events = Events::open(&desk, &path, &json!({"action": text("Well?")})).await;
    let mut first = Vec::new();
    while lines(&traces(&first)).join("|") != "completion: start|completion: It|completion:  is" {
        first.push(events.event().await.unwrap());
    }
    // The rest has not been said yet.
    assert_eq!(desk.model.ending(0), Some(Ending::Open));
    go_on.notify_one();
    let rest = events.rest().await;
    assert_eq!(lines(&traces(&rest)), ["completion:  blue.", "completion: end"]);
    assert_eq!(traces(&rest)[1]["payload"]["tokens"], json!({"query": 31, "answer": 12, "total": 43}));
    assert_eq!(rest.last().unwrap().kind, "end");
    // A greeting comes as a whole.
    let events = told(&desk, &path, &json!({"action": {"type": "launch"}})).await;
    assert_eq!(lines(&traces(&events)), ["text: Hello, stranger."]);
}

#[tokio::test]
async fn a_text_comes_before_the_call_that_it_announces_has_ended() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let at = gate.clone();
    let upstream = crate::upstream::Upstream::start(move |_| {
        crate::upstream::Reply::Held(at.clone(), Box::new(crate::upstream::Reply::ok(r#"{"sky":"blue"}"#)))
    })
    .await;
    let connection = format!("base_url: http://127.0.0.1:{}\n", upstream.port);
    let weather = super::WEATHER.replace("connection: api", "connection: slow");
    let desk = Desk::with(
        clerk().await,
        &[("connections/slow.yaml", &connection), ("actions/weather.yaml", &weather)],
    )
    .await;
    let mut events = Events::open(&desk, STREAM, &json!({"action": text("How is it outside?")})).await;
    let first = [events.event().await.unwrap(), events.event().await.unwrap()];
    assert_eq!(lines(&traces(&first)), ["text: Let me see."]);
    upstream.received(1).await;
    gate.add_permits(1);
    assert_eq!(lines(&traces(&events.rest().await)), ["text: It is blue."]);
}

#[tokio::test]
async fn a_stream_on_which_nothing_happens_stays_alive() {
    let desk = Desk::open(ScriptedModel::start(|_| Reply::silent()).await).await;
    let mut events = Events::open(&desk, STREAM, &json!({"action": text("Well?")})).await;
    assert_eq!(events.next().await.unwrap().kind, "retry: 2000");
    assert_eq!(events.next().await.unwrap().kind, ": keep-alive");
}

#[tokio::test]
async fn who_hangs_up_is_not_answered_and_may_come_again() {
    let model = ScriptedModel::start(|asked| match asked.nth {
        0 => Reply::stalled_after("It is"),
        _ => Reply::says("Blue."),
    })
    .await;
    let desk = Desk::open(model).await;
    let path = format!("{STREAM}?completion_events=true");
    let mut events = Events::open(&desk, &path, &json!({"action": text("Well?")})).await;
    while lines(&traces(&[events.event().await.unwrap()])) != ["completion:  is"] {}
    drop(events);
    desk.model.until_hung_up(0).await;
    // What was heard is part of the conversation once that is kept.
    crate::wait::until("the turn that was broken off", async || {
        desk.say("Go on").await;
        desk.seen().contains(&"assistant: It is".to_owned()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_stream_names_its_environment_and_its_agent() {
    let other = AGENT.replace("You answer for", "You sell to");
    let model = ScriptedModel::start(|asked| Reply::says(&asked.system)).await;
    let desk = Desk::with(model, &[("agents/sales.yaml", &other)]).await;
    let path =
        |project: &str, query: &str| format!("/v2/project/{project}/user/user-1/interact/stream{query}");
    let body = json!({"action": text("Hi")});
    let events = told(&desk, &path("sales", "?environment=development"), &body).await;
    assert_eq!(lines(&traces(&events)), ["text: You sell to nobody."]);
    let events = told(&desk, &path("sales", "?agent=desk"), &body).await;
    assert_eq!(lines(&traces(&events)), ["text: You answer for nobody."]);
    for (project, query, status, says) in [
        ("other", "", 400, "there are: desk, sales"),
        ("sales", "?environment=staging", 404, "no environment `staging`"),
        ("sales", "?environment=64dbb6696a8fab0013dba194", 400, "Cannot resolve version alias"),
        ("sales", "?agent=nobody", 404, "there is no agent `nobody`"),
    ] {
        let path = path(project, query);
        let reply = desk.api.post(&path, &body).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.body);
        assert!(reply.body.to_string().contains(says), "{}", reply.body);
    }
}
