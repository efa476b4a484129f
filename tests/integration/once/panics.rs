//! A bug of ours on the way of a call: what was sent is not sent again, what was not sent is free.

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::{ACTIONS, book, call, numbered};
use crate::bad_input::told;
use crate::harness::{Gateway, files};
use crate::upstream::{ClosedPort, Reply, Upstream};
use crate::wait::until;

/// A log that breaks whoever writes a line of one module to it, once.
struct Broken {
    module: &'static str,
    /// The stage of a call that the line has to be about, if that matters.
    stage: Option<&'static str>,
    is_spent: AtomicBool,
}

impl Broken {
    fn by(module: &'static str) -> Self {
        Self { module, stage: None, is_spent: AtomicBool::new(false) }
    }

    /// Breaks a call when it reaches a stage.
    fn at(stage: &'static str) -> Self {
        Self { stage: Some(stage), ..Self::by("callgate::executor::call::stage") }
    }
}

/// Looks for a stage among the fields of a line.
struct IsAbout(&'static str, bool);

impl Visit for IsAbout {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.1 |= field.name() == "stage" && value == self.0;
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

impl Subscriber for Broken {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == self.module
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        if let Some(stage) = self.stage {
            let mut seen = IsAbout(stage, false);
            event.record(&mut seen);
            if !seen.1 {
                return;
            }
        }
        assert!(self.is_spent.swap(true, Ordering::SeqCst), "the log is broken");
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn what_was_sent_before_a_panic_is_not_sent_again() {
    let count = numbered();
    let upstream = Upstream::start(move |request| match count(request) {
        Reply::Json(_, body) if request.line() == "POST /book" => Reply::Json(500, body),
        other => other,
    })
    .await;
    let connection =
        "base_url: http://127.0.0.1:{port}\nbreaker: {min_calls: 1, open_ms: 1, half_open_calls: 1}\n";
    let files = files(upstream.port, &[ACTIONS, &[("connections/api.yaml", connection)]].concat());
    let gateway = Gateway::start(&files).await;
    // The breaker says that it opens when the answer is there.
    let _log = tracing::subscriber::set_default(Broken::by("callgate::egress::pressure::breaker"));
    let first = gateway.call_with(book("call_1", 9)).await;
    assert_eq!(told(&first).0, ("failure", "internal_error", "unknown", "no"), "{first}");
    // Once the breaker lets calls through again, nothing but its claim keeps this one back.
    until("a call that the breaker lets through", async || {
        let other = gateway.call_with(call("look", None, None, json!({}))).await;
        (other["status"] == "success").then_some(())
    })
    .await;
    let again = gateway.call_with(book("call_1", 9)).await;
    assert_eq!(
        (&again["replayed"], &again["error"]["code"]),
        (&json!(true), &json!("internal_error")),
        "{again}"
    );
    let written = upstream.requests().into_iter().filter(|request| request.line() == "POST /book");
    assert_eq!(written.count(), 1);
}

#[tokio::test]
async fn what_was_not_sent_before_a_panic_is_free() {
    let gone = ClosedPort::new();
    let gateway = Gateway::start(&files(gone.port, ACTIONS)).await;
    let _log = tracing::subscriber::set_default(Broken::by("callgate::executor::call::result"));
    let mut call = book("call_1", 9);
    call["deadline_ms"] = json!(30_000);
    let (status, problem) = gateway.post("/v1/tool-calls", call.to_string()).await;
    assert_eq!((status, &problem["code"]), (500, &json!("internal")), "{problem}");
    let again = gateway.call_with(call).await;
    assert_eq!(
        (&again["replayed"], &again["error"]["code"]),
        (&Value::Null, &json!("connect_failed")),
        "{again}"
    );
}

#[tokio::test]
async fn a_call_that_breaks_at_a_stage_keeps_what_was_known_by_then() {
    for stage in ["received", "found", "checked", "claimed", "rendered", "sent", "answered"] {
        let upstream = Upstream::start(numbered()).await;
        let gateway = Gateway::start(&files(upstream.port, ACTIONS)).await;
        let log = tracing::subscriber::set_default(Broken::at(stage));
        let (status, first) = gateway.post("/v1/tool-calls", book("call_1", 9).to_string()).await;
        drop(log);
        let again = gateway.call_with(book("call_1", 9)).await;
        let sent = upstream.requests().len();
        let (replayed, code) = (&again["replayed"], &again["error"]["code"]);
        match stage {
            // The result itself could not be made; what was sent is not sent again.
            "answered" => {
                assert_eq!((status, &first["code"]), (500, &json!("internal")), "{first}");
                assert_eq!((replayed, code), (&json!(true), &json!("interrupted")), "{again}");
            }
            "sent" => {
                assert_eq!(told(&first).0, ("failure", "internal_error", "unknown", "no"), "{first}");
                assert_eq!((replayed, code), (&json!(true), &json!("internal_error")), "{again}");
            }
            _ => {
                assert_eq!(
                    told(&first).0,
                    ("failure", "internal_error", "none", "later"),
                    "{stage}: {first}"
                );
                assert_eq!(
                    (&again["status"], replayed),
                    (&json!("success"), &Value::Null),
                    "{stage}: {again}"
                );
            }
        }
        assert_eq!(sent, 1, "{stage}");
        if ["found", "checked", "claimed", "rendered", "sent"].contains(&stage) {
            let feed = gateway.get("/v1/conversations/c/events").await.1;
            assert!(feed.to_string().contains("internal_error"), "{stage}: {feed}");
        }
    }
}
