//! Long work is done beside the threads that serve calls.

use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use callgate::conversation::MemoryStore;
use callgate::executor::{CallReport, Gateway, Movable, Observer};
use callgate::project;
use callgate::tool::{Delivery, Status, ToolCall};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::harness::{files, write_project};
use crate::upstream::{Reply, Upstream};

const ASK: (&str, &str) = (
    "actions/ask.yaml",
    "description: Asks.\nconnection: api\nmethod: POST\npath: /ask\n\
     parameters: {type: object, properties: {text: {type: string}, number: {type: integer}}}\n\
     output_variables: [{name: all, path: '$[*]'}]\n",
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
    let call = ToolCall {
        id: "call_1".to_owned(),
        id_is_given: true,
        environment: "development".to_owned(),
        conversation_id: Some("c".to_owned()),
        name: "ask".to_owned(),
        arguments: RawValue::from_string(arguments.to_string()).unwrap(),
        variables: Map::new(),
        caller: None,
        owner: None,
        trace: None,
        deadline_ms: None,
        language: None,
        delivery: Delivery::default(),
    };
    let result = Movable::new(async move { gateway.execute(call).await }).await;
    let is_here = *ends.0.lock().unwrap() == [thread::current().id()];
    (result.status, is_here)
}

/// Lets the conversation `c` know a sensitive value.
async fn remember(gateway: &Gateway, secret: Value) {
    use callgate::conversation::change::{Change, Source, Variable};
    use callgate::conversation::{ConversationKey, Opening};
    let variable = Variable {
        value: secret,
        shown: None,
        source: Source::Caller,
        sensitive: true,
        hidden: false,
        set_at_ms: 0,
    };
    let key = ConversationKey::new("development", "c");
    gateway.store().open(&key, Opening::default()).await.unwrap();
    let change = Change { set: vec![("secret".to_owned(), variable)], ..Change::default() };
    gateway.store().update(&key, change).await.unwrap();
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
