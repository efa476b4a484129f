//! What the gateways of this process log, at the finest level: a log of its own for each.
//!
//! A line belongs to the runtime on which it is written, and so to the gateways that a test has started there. The
//! thread of a store has no runtime, or one of its own: it works in the span in which the store was opened, and
//! [`span`] stands for the runtime of the test.

use std::cell::Cell;
use std::io;
use std::sync::{Arc, Mutex, Once, PoisonError, RwLock};

use tokio::runtime::{Handle, Id};
use tracing::{Span, Subscriber, span};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::wait::until_so;

/// The log of one gateway, from its start on.
pub(crate) struct Log(Arc<Lines>);

struct Lines {
    runtime: Id,
    text: Mutex<Vec<u8>>,
}

/// The logs of the gateways that there are.
static LOGS: RwLock<Vec<Arc<Lines>>> = RwLock::new(Vec::new());

impl Log {
    /// Begins the log of a gateway on this runtime.
    pub(crate) fn start() -> Self {
        install();
        let lines = Arc::new(Lines { runtime: Handle::current().id(), text: Mutex::default() });
        LOGS.write().unwrap_or_else(PoisonError::into_inner).push(lines.clone());
        Self(lines)
    }

    /// Everything so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.text()).into_owned()
    }

    /// Waits for a line that holds `part`.
    pub(crate) async fn says(&self, part: &str) {
        until_so(&format!("{part:?} in the log"), || self.text().contains(part)).await;
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let mut logs = LOGS.write().unwrap_or_else(PoisonError::into_inner);
        logs.retain(|lines| !Arc::ptr_eq(lines, &self.0));
    }
}

impl Lines {
    fn text(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stands for this runtime on the threads that are started in it.
pub(crate) fn span() -> Span {
    install();
    tracing::error_span!(target: "callgate::test", SPAN)
}

const SPAN: &str = "runtime";

fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_thread_names(true)
            .with_writer(|| Writer(whose()));
        let filter = tracing_subscriber::EnvFilter::new("callgate=trace");
        tracing_subscriber::registry().with(filter).with(lines).with(Spans).init();
    });
}

/// To whom a line belongs.
#[derive(Clone, Copy)]
enum Owner {
    /// The gateways on this runtime.
    Runtime(Id),
    /// Nobody knows, so every gateway: no line is overlooked.
    Unknown,
    /// No gateway: a test has called the library.
    Test,
}

thread_local! {
    /// The runtime whose [`span`] this thread works in.
    static OWNER: Cell<Option<Id>> = const { Cell::new(None) };
}

/// To whom the lines of this thread belong.
fn whose() -> Owner {
    let runtime = OWNER.get().or_else(|| Handle::try_current().ok().map(|runtime| runtime.id()));
    match (runtime, std::thread::current().name()) {
        (Some(runtime), _) => Owner::Runtime(runtime),
        // The test runner names its threads by the paths of the tests; threads of tests have no name.
        (None, None | Some("main")) => Owner::Test,
        (None, Some(name)) if name.contains("::") => Owner::Test,
        (None, Some(_)) => Owner::Unknown,
    }
}

/// Tells the threads that work in a [`span`] whose they are.
struct Spans;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        if attributes.metadata().name() == SPAN
            && let (Some(span), Ok(runtime)) = (context.span(id), Handle::try_current())
        {
            span.extensions_mut().insert(runtime.id());
        }
    }

    fn on_enter(&self, id: &span::Id, context: Context<'_, S>) {
        let runtime = context.span(id).and_then(|span| span.extensions().get::<Id>().copied());
        OWNER.set(runtime.or(OWNER.get()));
    }

    fn on_exit(&self, id: &span::Id, context: Context<'_, S>) {
        if context.span(id).is_some_and(|span| span.extensions().get::<Id>().is_some()) {
            OWNER.set(None);
        }
    }
}

/// Writes a line to the logs to which it belongs.
struct Writer(Owner);

impl io::Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let is_his = |lines: &&Arc<Lines>| match self.0 {
            Owner::Runtime(runtime) => lines.runtime == runtime,
            Owner::Unknown => true,
            Owner::Test => false,
        };
        let logs = LOGS.read().unwrap_or_else(PoisonError::into_inner);
        for lines in logs.iter().filter(is_his) {
            lines.text().extend_from_slice(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

mod tests {
    use callgate::conversation::Store;
    use serde_json::json;

    use super::*;
    use crate::backend::Backend;
    use crate::harness::{Gateway, files};
    use crate::upstream::{Reply, Upstream};

    /// An action `name` that writes.
    fn writes(name: &str) -> (String, String) {
        let text = "description: d\nconnection: api\nmethod: POST\npath: /x\n\
                    parameters: {type: object, properties: {text: {type: string}}}\n";
        (format!("actions/{name}.yaml"), text.to_owned())
    }

    async fn gateway(store: Arc<dyn Store>, action: &str) -> Gateway {
        let upstream = Upstream::start(|_| Reply::ok("{}")).await;
        let (path, text) = writes(action);
        Gateway::start_on(&files(upstream.port, &[(&path, &text)]), store).await
    }

    /// How many lines hold all of `parts`.
    fn lines(log: &str, parts: &[&str]) -> usize {
        log.lines().filter(|line| parts.iter().all(|part| line.contains(part))).count()
    }

    #[tokio::test]
    async fn the_log_of_a_gateway_has_the_lines_of_its_tasks_and_of_its_blocking_threads() {
        let gateway = gateway(Backend::Memory.fresh(), "mine").await;
        // Long arguments are looked at aside, and what follows is logged there.
        for text in ["short".to_owned(), "long ".repeat(20_000)] {
            assert_eq!(gateway.call("mine", json!({"text": text})).await["status"], "success");
        }
        let log = gateway.log.text();
        assert_eq!(lines(&log, &["tool call done", "mine"]), 2, "{log}");
        // This runtime has no other threads than those.
        assert_ne!(lines(&log, &["tokio-rt-worker"]), 0, "{log}");
        assert_ne!(lines(&log, &["tokio-rt-worker"]), lines(&log, &[""]), "{log}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_log_of_a_gateway_has_the_lines_of_its_workers_and_of_no_other_gateway() {
        let mine = gateway(Backend::Memory.fresh(), "mine").await;
        let other = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let other = gateway(Backend::Memory.fresh(), "others").await;
                assert_eq!(other.call("others", json!({})).await["status"], "success");
                other.log.text()
            })
        });
        for _ in 0..10 {
            assert_eq!(mine.call("mine", json!({})).await["status"], "success");
        }
        let (mine, other) = (mine.log.text(), other.join().unwrap());
        assert_eq!(lines(&mine, &["tool call done", "mine"]), 10, "{mine}");
        assert_eq!(lines(&other, &["tool call done", "others"]), 1, "{other}");
        assert!(!mine.contains("others") && !other.contains("mine"), "{mine}\n{other}");
    }

    #[tokio::test]
    async fn the_log_of_a_gateway_has_the_lines_of_the_thread_of_its_store() {
        let on = Backend::sqlite();
        let Backend::Sqlite(folder) = &on else { panic!("SQLite") };
        let gateway = gateway(on.named("store"), "mine").await;
        let call = json!({"name": "mine", "conversation_id": "c", "tool_call_id": "call_1"});
        assert_eq!(gateway.call_with(call.clone()).await["status"], "success");
        let file = rusqlite::Connection::open(folder.path().join("store")).unwrap();
        file.execute("UPDATE results SET text = '{'", []).unwrap();
        gateway.call_with(call).await;
        let log = gateway.log.text();
        assert_eq!(lines(&log, &["a stored result cannot be read", "store-write"]), 1, "{log}");
    }

    #[tokio::test]
    async fn the_log_of_a_gateway_has_the_lines_of_its_connection_to_redis() {
        let Some(on) = Backend::redis() else { return };
        // The store connects before the gateway starts.
        let log = Log::start();
        let _gateway = gateway(on.fresh(), "mine").await;
        log.says("connected to Redis").await;
    }

    #[tokio::test]
    async fn a_line_of_a_thread_that_nobody_knows_is_in_every_log_and_one_of_a_test_in_none() {
        let log = Log::start();
        let says = |name: Option<&str>, text: &'static str| {
            let mut thread = std::thread::Builder::new();
            if let Some(name) = name {
                thread = thread.name(name.to_owned());
            }
            let says = move || tracing::info!(target: "callgate::test", "{text}");
            thread.spawn(says).unwrap().join().unwrap();
        };
        says(Some("log::a_test"), "a test says so");
        says(None, "a thread of a test says so");
        says(Some("some-worker"), "somebody says so");
        tracing::info!(target: "callgate::test", "this test says so");
        let text = log.text();
        assert_eq!((lines(&text, &["this test"]), lines(&text, &["somebody"])), (1, 1), "{text}");
        assert_eq!((lines(&text, &["a test says"]), lines(&text, &["a thread of"])), (0, 0), "{text}");
    }
}
