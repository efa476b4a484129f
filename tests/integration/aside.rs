//! Long work is done beside the threads that serve calls.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use callgate::conversation::change::{Change, Source, Variable};
use callgate::conversation::{ConversationKey, Conversations as _, MemoryStore, Opening};
use callgate::executor::{CallReport, Gateway, Movable, Observer};
use callgate::project;
use callgate::tool::{Status, ToolCall};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::agent::model::{Reply as ScriptedReply, ScriptedModel};
use crate::agent::shop::Shop;
use crate::harness::{Gateway as Server, files, write_project};
use crate::upstream::{Reply, Upstream};

const ASK: (&str, &str) = (
    "actions/ask.yaml",
    "description: Asks.\nconnection: api\nmethod: POST\npath: /ask\n\
     parameters: {type: object, properties: {text: {type: string}, number: {type: integer}}}\n\
     output_variables: [{name: all, path: '$[*]'}]\n",
);

const RECALL: (&str, &str) = (
    "actions/recall.yaml",
    "description: Recalls.\nconnection: api\nmethod: POST\npath: /recall\nparameters: {type: object}\n\
     body: '{\"it\": {{index .variables.it 0}}}'\n",
);

/// Where calls came to their end.
#[derive(Debug, Default)]
struct Ends(Mutex<Vec<ThreadId>>);

impl Observer for Ends {
    fn call_ended(&self, _: &CallReport<'_>) {
        self.0.lock().unwrap().push(thread::current().id());
    }
}

/// Makes a call in a conversation that knows `secret`; how it ended, and whether that was on the thread that serves it.
async fn ended(answer: &str, arguments: Value, secret: Option<Value>) -> (Status, bool) {
    let answer = answer.to_owned();
    let upstream = Upstream::start(move |_| Reply::ok(&answer)).await;
    let dir = write_project(&files(upstream.port, &[ASK]));
    let ends = Arc::new(Ends::default());
    let project = project::load(dir.path(), None);
    let gateway =
        Gateway::with_store(project.deployment, Arc::new(MemoryStore::default()), vec![ends.clone()]);
    if let Some(secret) = secret {
        remember(&gateway, secret).await;
    }
    let arguments = RawValue::from_string(arguments.to_string()).unwrap();
    let call = ToolCall::new("call_1", "development", "ask", arguments);
    let call = ToolCall { conversation_id: Some("c".to_owned()), ..call };
    let result = Movable::new(async move { gateway.execute(call).await }).await;
    let is_here = *ends.0.lock().unwrap() == [thread::current().id()];
    (result.status, is_here)
}

/// A runtime on this thread that counts the threads which it starts.
fn counting_runtime() -> (Runtime, Arc<AtomicUsize>) {
    let started = Arc::new(AtomicUsize::new(0));
    let count = started.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_start(move || _ = count.fetch_add(1, Ordering::SeqCst))
        .build()
        .unwrap();
    (runtime, started)
}

/// How many threads a gateway starts for long work when it gets this request, in front of an upstream that answers
/// with `answer`. `c` is a conversation with this variable.
fn threads_of(answer: &str, variable: &Value, (method, path): (&str, &str), body: &Value) -> usize {
    let (runtime, started) = counting_runtime();
    runtime.block_on(async {
        let answer = answer.to_owned();
        let upstream = Upstream::start(move |_| Reply::ok(&answer)).await;
        let store = Arc::new(MemoryStore::default());
        let gateway = Server::start_on(&files(upstream.port, &[ASK, RECALL]), store.clone()).await;
        let key = ConversationKey::new("development", "c");
        let set = vec![("it".to_owned(), variable_of(variable.clone(), false))];
        store.open(&key, Opening::default()).await.unwrap();
        store.update(&key, Change { set, ..Change::default() }).await.unwrap();
        let before = started.load(Ordering::SeqCst);
        let mut request = gateway.request(method, path);
        if path.starts_with("/mcp") {
            request = request.header("accept", "application/json, text/event-stream");
            request = request.header("content-type", "application/json");
        }
        if !body.is_null() {
            request = request.body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        started.load(Ordering::SeqCst) - before
    })
}

#[test]
fn long_requests_are_looked_at_aside_and_short_ones_are_not() {
    let call = |text: &Value| json!({"name": "ask", "arguments": {"text": text}});
    let chat = |text: &Value| {
        let arguments = json!({"text": text}).to_string();
        json!([{"id": "call_1", "type": "function", "function": {"name": "ask", "arguments": arguments}}])
    };
    let begin = |text: &Value| {
        let info = json!({"name": text, "version": "1"});
        let params = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": info});
        json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
    };
    let (short, long) = (json!("short"), json!("long ".repeat(20_000)));
    let of = "/v1/conversations/c";
    let prompt = format!("{of}/render");
    for (request, body) in [
        (("POST", "/v1/tool-calls"), &call as &dyn Fn(&Value) -> Value),
        (("POST", "/v1/actions/ask/preview"), &call),
        (("POST", "/v1/openai/chat/tool-calls"), &chat),
        (("POST", "/webhooks/elevenlabs/development/ask"), &|text| json!({"text": text})),
        (("POST", "/mcp/development"), &begin),
        (("PATCH", of), &|text| json!({"variables": {"more": text}})),
        (("POST", prompt.as_str()), &|text| json!({"template": "", "variables": {"more": text}})),
    ] {
        if request.1.starts_with("/mcp/") && !cfg!(feature = "mcp") {
            continue;
        }
        assert_eq!(threads_of("[1]", &short, request, &body(&short)), 0, "{request:?}");
        assert_ne!(threads_of("[1]", &short, request, &body(&long)), 0, "{request:?}");
    }
}

#[test]
fn what_a_conversation_knows_is_looked_at_aside_where_it_is_much() {
    let (short, long) = (json!([1]), Value::from((0..20_000).collect::<Vec<_>>()));
    let call = json!({"name": "recall", "conversation_id": "c", "arguments": {}});
    for (request, body) in [
        (("POST", "/v1/tool-calls"), &call),
        (("POST", "/v1/actions/recall/preview"), &call),
        (("GET", "/v1/conversations/c"), &Value::Null),
        (("PATCH", "/v1/conversations/c"), &json!({"variables": {"more": 1}})),
        (("POST", "/v1/conversations/c/render"), &json!({"template": "{{.variables.it}}"})),
    ] {
        assert_eq!(threads_of("[1]", &short, request, body), 0, "{request:?}");
        assert_ne!(threads_of("[1]", &long, request, body), 0, "{request:?}");
    }
}

/// The request of a turn is read on the thread that serves it while it is short; its history may be long all the same.
#[test]
fn a_long_history_of_an_agent_is_put_together_aside() {
    let threads = |answer: String| {
        let (runtime, started) = counting_runtime();
        runtime.block_on(async {
            let upstream = Upstream::start(|_| Reply::ok("{}")).await;
            let model = ScriptedModel::start(move |_| ScriptedReply::says(&answer)).await;
            let shop = Shop::open(upstream, model).await;
            shop.turn("call-1", "Hello").await;
            let before = started.load(Ordering::SeqCst);
            shop.turn("call-1", "And now?").await;
            assert_eq!(shop.model.requests()[1].messages.len(), 3);
            started.load(Ordering::SeqCst) - before
        })
    };
    assert_eq!(threads("short".to_owned()), 0);
    assert_ne!(threads("long".repeat(20_000)), 0);
}

#[test]
fn what_an_action_does_not_read_of_a_conversation_is_not_looked_at() {
    let long = Value::from((0..20_000).collect::<Vec<_>>());
    let call = json!({"name": "ask", "conversation_id": "c", "arguments": {}});
    assert_eq!(threads_of("[1]", &long, ("POST", "/v1/tool-calls"), &call), 0);
}

/// Lets the conversation `c` know a sensitive value.
async fn remember(gateway: &Gateway, secret: Value) {
    let key = ConversationKey::new("development", "c");
    gateway.store().open(&key, Opening::default()).await.unwrap();
    let set = vec![("secret".to_owned(), variable_of(secret, true))];
    gateway.store().update(&key, Change { set, ..Change::default() }).await.unwrap();
}

fn variable_of(value: Value, sensitive: bool) -> Variable {
    let shown = (!sensitive).then(|| value.clone());
    Variable { value, shown, source: Source::Caller, sensitive, hidden: false, set_at_ms: 0 }
}

#[tokio::test]
async fn a_short_call_stays_on_the_thread_that_serves_it() {
    assert_eq!(ended("[1]", json!({"text": "short"}), Some(json!("s3cr3t"))).await, (Status::Success, true));
    assert_eq!(ended("[1]", json!({"number": "x"}), None).await, (Status::Exception, true));
}

#[tokio::test]
async fn a_long_answer_is_looked_at_aside() {
    let long = Value::from((0..30_000).collect::<Vec<_>>()).to_string();
    assert_eq!(ended(&long, json!({}), None).await, (Status::Success, false));
}

#[tokio::test]
async fn long_arguments_are_looked_at_aside_whether_they_fit_or_not() {
    let long = "x".repeat(100_000);
    assert_eq!(ended("[1]", json!({"text": long}), None).await, (Status::Success, false));
    assert_eq!(ended("[1]", json!({"text": long, "number": []}), None).await, (Status::Exception, false));
}

#[tokio::test]
async fn much_that_has_to_be_masked_is_masked_aside() {
    let secret = Value::from((0..200).map(|n| format!("{n}-{}", "s3cr3t".repeat(20))).collect::<Vec<_>>());
    assert_eq!(ended("[1]", json!({}), Some(secret)).await, (Status::Success, false));
}
