//! What a client is told without asking: changed tools, and that a call is under way.

use std::fs;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::stateless::{complete, request};
use super::{HOURS, Session, Stream, call, events, gateway, message};
use crate::harness::{Gateway, Process, write_project};
use crate::upstream::{Reply, Upstream};

const CHANGED: &str = "notifications/tools/list_changed";

fn hours(description: &str) -> String {
    HOURS.1.replace("Says when.", description)
}

async fn reload(process: &Process) {
    let (status, reply) = process.post("/admin/reload", &Value::Null).await;
    assert_eq!(status, 200, "{reply}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_told_of_a_reload_that_changes_its_tools_and_of_no_other() {
    let project = write_project(&[(HOURS.0, hours("first"))]);
    fs::write(
        project.path().join("callgate.toml"),
        "environments = [\"development\", \"staging\"]\n[server]\nwatch = false\n",
    )
    .unwrap();
    let process = Process::serve(project.path(), &[]);
    let path = project.path().join(HOURS.0);
    let session = Session::begin(&process.url).await;
    let mut stream = session.listen().await;
    // The same tools as before; then others, twice.
    reload(&process).await;
    for (count, description) in [(1, "second"), (2, "third")] {
        fs::write(&path, hours(description)).unwrap();
        reload(&process).await;
        stream.wait_for(CHANGED, count).await;
        let reply = session.send(&message(count, "tools/list", json!({}))).await;
        assert_eq!(reply.result()["tools"][0]["description"], description);
    }
    // Of another environment, and of what a model does not see.
    let same = hours("third") + "environments: {staging: {enabled: false}}\ntimeout_ms: 900\n";
    fs::write(&path, same).unwrap();
    reload(&process).await;
    fs::write(&path, hours("fourth")).unwrap();
    reload(&process).await;
    stream.wait_for(CHANGED, 3).await;
    assert_eq!(session.request("DELETE").send().await.unwrap().status(), 204);
    assert_eq!(stream.end().await.count(CHANGED), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_listens_without_a_session_is_told_too() {
    let project = write_project(&[(HOURS.0, hours("first"))]);
    let process = Process::serve(project.path(), &[("CALLGATE_SERVER__WATCH", "false")]);
    let listen = json!({"notifications": {"toolsListChanged": true, "promptsListChanged": true}});
    let listen = complete(message("news", "subscriptions/listen", listen));
    let response = request(&process.url, &listen).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut stream = Stream { response, text: String::new() };
    stream.wait_for("notifications/subscriptions/acknowledged", 1).await;
    assert!(stream.text.contains("toolsListChanged") && !stream.text.contains("promptsListChanged"));
    fs::write(project.path().join(HOURS.0), hours("second")).unwrap();
    reload(&process).await;
    stream.wait_for(CHANGED, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_streams_do_not_hold_up_the_end() {
    let project = write_project(&[(HOURS.0, hours("first"))]);
    let mut process = Process::serve(project.path(), &[("CALLGATE_SERVER__SHUTDOWN_GRACE_MS", "50000")]);
    let session = Session::begin(&process.url).await;
    let stream = session.listen().await;
    let listen = json!({"notifications": {"toolsListChanged": true}});
    let listen = complete(message("news", "subscriptions/listen", listen));
    let response = request(&process.url, &listen).send().await.unwrap();
    let mut other = Stream { response, text: String::new() };
    other.wait_for("notifications/subscriptions/acknowledged", 1).await;
    process.signal("TERM");
    stream.end().await;
    // It ends with the result that the protocol has for that.
    assert!(other.end().await.text.contains("\"id\":\"news\""));
    assert_eq!(process.wait(), Some(0));
    assert!(!process.log().contains("still under way"), "{}", process.log());
}

const PROGRESS: &str = "notifications/progress";

/// An action that takes until there is a permit, and a gateway that waits for it.
async fn slow(more: &str) -> (Upstream, Arc<Semaphore>, Gateway) {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let upstream =
        Upstream::start(move |_| Reply::Held(held.clone(), Box::new(Reply::ok("{\"a\":1}")))).await;
    let action = format!("description: Asks.\nconnection: api\npath: /slow\ntimeout_ms: 60000\n{more}");
    let settings = "environments = [\"development\"]\n[mcp]\ndeadline_ms = 60000\n";
    let files = [("actions/slow.yaml", action.as_str()), ("callgate.toml", settings)];
    let gateway = gateway(upstream.port, &files).await;
    (upstream, gate, gateway)
}

/// A call of that action whose client wants to know how it goes.
fn slow_call(id: u64) -> Value {
    let mut asked = call(id, "slow", json!({}));
    asked["params"]["_meta"] = json!({"progressToken": "p-1"});
    asked
}

#[tokio::test]
async fn a_slow_call_tells_in_the_words_of_its_action() {
    let (_upstream, gate, gateway) =
        slow("speech: {delayed: {after_ms: 100, text: I am still looking.}}\n").await;
    let session = Session::begin(&gateway.url).await;
    let response = session.request("POST").body(slow_call(1).to_string()).send().await.unwrap();
    let mut stream = Stream { response, text: String::new() };
    stream.wait_for(PROGRESS, 1).await;
    gate.add_permits(1);
    let messages = events(&stream.end().await.text);
    let (answer, notes) = messages.split_last().unwrap();
    assert_eq!((answer["id"].as_u64(), notes.is_empty()), (Some(1), false), "{messages:?}");
    assert!(notes.iter().all(|note| note["params"]["message"] == "I am still looking."), "{messages:?}");
}

#[tokio::test]
async fn a_slow_call_tells_that_it_is_under_way_where_the_client_wants_it() {
    let (upstream, gate, gateway) = slow("").await;
    let session = Session::begin(&gateway.url).await;
    let unasked = call(1, "slow", json!({}));
    let others = async {
        upstream.received(1).await;
        let (asked, stateless) = (slow_call(2), complete(slow_call(2)));
        let in_session = session.request("POST").body(asked.to_string()).send();
        let (one, other) = tokio::join!(in_session, request(&gateway.url, &stateless).send());
        let mut streams =
            [one, other].map(|response| Stream { response: response.unwrap(), text: String::new() });
        for stream in &mut streams {
            stream.wait_for(PROGRESS, 2).await;
        }
        gate.add_permits(3);
        futures_util::future::join_all(streams.map(Stream::end)).await
    };
    let (silent, told) = tokio::join!(session.send(&unasked), others);
    assert_eq!((silent.messages.len(), silent.result()["structuredContent"]["a"].as_u64()), (1, Some(1)));
    for stream in told {
        let messages = events(&stream.text);
        let (answer, notes) = messages.split_last().unwrap();
        assert_eq!(answer["result"]["structuredContent"]["a"], 1, "{messages:?}");
        assert!(notes.len() >= 2, "{messages:?}");
        let mut before = 0.0;
        for note in notes {
            assert_eq!(note["method"], PROGRESS);
            assert_eq!(note["params"]["progressToken"], "p-1");
            let progress = note["params"]["progress"].as_f64().unwrap();
            assert!(progress > before, "{messages:?}");
            before = progress;
        }
    }
}

#[tokio::test]
async fn a_session_is_told_when_a_call_has_led_to_other_tools() {
    let tool = |more: &str| format!("description: d\ntype: static\nresponse: done\n{more}");
    let settings = "environments = [\"development\"]\n[conversations]\ninitial_state = \"greeting\"\n";
    let files = [
        ("callgate.toml", settings.to_owned()),
        ("actions/open_billing.yaml", tool("available_in: [greeting]\nnext_state: billing\n")),
        ("actions/refund.yaml", tool("available_in: [billing]\n")),
        ("actions/hours.yaml", tool("")),
    ];
    let gateway = Gateway::start(&files).await;
    let session = Session::begin(&gateway.url).await;
    let mut stream = session.listen().await;
    let names = async |session: &Session, id: u64| -> Vec<String> {
        let reply = session.send(&message(id, "tools/list", json!({}))).await;
        let tools = reply.result()["tools"].as_array().unwrap().clone();
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&session, 1).await, ["hours", "open_billing"]);
    assert_eq!(session.send(&call(2, "refund", json!({}))).await.result()["isError"], true);
    assert_eq!(session.send(&call(3, "open_billing", json!({}))).await.result()["isError"], false);
    stream.wait_for(CHANGED, 1).await;
    assert_eq!(names(&session, 4).await, ["hours", "refund"]);
    // Another session is another conversation.
    let other = Session::begin(&gateway.url).await;
    assert_eq!(names(&other, 1).await, ["hours", "open_billing"]);
}
