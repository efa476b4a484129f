//! A caller of the library drops the future of a call: at each point where the call waits.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use callgate::executor::Gateway;
use callgate::project;
use callgate::tool::{ToolCall, ToolResult};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;

use super::{ACTIONS, numbered};
use crate::backend::{Backend, on_every_store};
use crate::harness::{files, write_project};
use crate::upstream::{Captured, Reply, Upstream};
use crate::wait::until_so;

/// A future that is given up when it has to wait once more than `waits` times.
struct Impatient<F> {
    work: Pin<Box<F>>,
    waits: usize,
}

impl<F: Future> Future for Impatient<F> {
    /// `None` where it was given up.
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if self.waits == 0 => Poll::Ready(None),
            Poll::Pending => {
                self.waits -= 1;
                Poll::Pending
            }
        }
    }
}

fn call(name: &str, id: usize) -> ToolCall {
    let arguments = RawValue::from_string(json!({"slot": 1}).to_string()).unwrap();
    let call = ToolCall::new(&format!("call_{id}"), "development", name, arguments);
    ToolCall { conversation_id: Some(format!("c{id}")), ..call }
}

fn code(result: &ToolResult) -> Option<&str> {
    result.error.as_ref().map(|error| error.code.as_str())
}

on_every_store! {
    async fn a_dropped_call_keeps_its_intent_only_if_it_was_sent(on) {
        for name in ["book", "look"] {
            let upstream = Upstream::start(numbered()).await;
            let folder = write_project(&files(upstream.port, ACTIONS));
            let gateway = Gateway::with_store(project::load(folder.path(), None).deployment, on.fresh(), Vec::new());
            let (mut dropped, mut free, mut lost) = (0, 0, 0);
            loop {
                let before = upstream.requests().len();
                let call = call(name, dropped);
                let control = Arc::default();
                let work = Box::pin(gateway.run(call.clone(), None, &control));
                let first = Impatient { work, waits: dropped }.await;
                let again = pin!(gateway.execute(call)).await;
                let sent = upstream.requests().len() - before;
                match (&first, code(&again)) {
                    (Some(first), None) => {
                        assert!(first.error.is_none() && again.replayed, "{first:?} {again:?}");
                        break;
                    }
                    (None, None) if again.replayed => assert_eq!(sent, 1, "after {dropped} waits"),
                    (None, None) => {
                        free += 1;
                        // What was dropped while it was sent may have come to the upstream all the same.
                        assert!(sent == 1 || name == "look", "after {dropped} waits: {sent}");
                    }
                    (None, Some("interrupted")) => {
                        lost += 1;
                        assert!(name == "book" && sent <= 1, "after {dropped} waits: {sent}");
                    }
                    other => panic!("after {dropped} waits: {other:?}"),
                }
                dropped += 1;
            }
            // In memory a call waits for nothing before it is sent.
            assert!(free > 0 || matches!(on, Backend::Memory) && name == "book", "{name}: {free} free, {lost} lost");
        }
    }
}

on_every_store! {
    async fn a_call_that_is_dropped_while_it_is_sent_is_not_done_again_if_it_is_a_write(on) {
        let gate = Arc::new(Semaphore::new(0));
        let (held, count) = (gate.clone(), numbered());
        let reply = move |request: &Captured| Reply::Held(held.clone(), Box::new(count(request)));
        let upstream = Upstream::start(reply).await;
        let folder = write_project(&files(upstream.port, ACTIONS));
        let gateway = Gateway::with_store(project::load(folder.path(), None).deployment, on.fresh(), Vec::new());
        for (number, name) in ["book", "look"].into_iter().enumerate() {
            let control = Arc::default();
            let before = upstream.requests().len();
            tokio::select! {
                result = gateway.run(call(name, number), None, &control) => panic!("it is answered: {result:?}"),
                () = until_so("it is sent", || upstream.requests().len() > before) => {}
            }
            gate.add_permits(2);
            let again = gateway.execute(call(name, number)).await;
            let sent = upstream.requests().len() - before;
            let expected = if name == "book" { (Some("interrupted"), 1) } else { (None, 2) };
            assert_eq!((code(&again), sent), expected, "{again:?}");
            gate.forget_permits(2);
        }
    }
}
