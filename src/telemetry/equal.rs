//! Warnings and errors that come again and again are counted instead of repeated: a full disk fails every call the same
//! way.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::tool::shortened;

/// How many equal lines are written before the rest is counted.
const WRITTEN: u64 = 20;
/// For how long lines are counted, from the first one on.
const WINDOW: Duration = Duration::from_secs(10);
/// How many kinds of lines are counted at a time. What comes beyond is written as it is.
const MAX_KINDS: usize = 1_000;
/// How much of a line's message and cause is told with the count.
const TOLD_CHARS: usize = 200;
/// What tells lines apart that say the same: ids and times.
const IDS: [&str; 6] = ["call.id", "first.id", "duration_ms", "attempts", "conversation", "peer"];

/// Counts equal lines; a clone is the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Equal(Arc<Mutex<HashMap<u64, Counted>>>);

#[derive(Debug)]
struct Counted {
    since: Instant,
    times: u64,
    /// What the lines say, kept from the first one that is not written.
    what: String,
}

/// Lines that were counted instead of written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Repeated {
    /// How many.
    pub(super) times: u64,
    /// What they say.
    pub(super) what: String,
}

impl Equal {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Counted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a line of this kind is to be written.
    fn is_written(&self, kind: u64, now: Instant, what: impl FnOnce() -> String) -> bool {
        let mut kinds = self.lock();
        if kinds.len() >= MAX_KINDS && !kinds.contains_key(&kind) {
            return true;
        }
        let counted =
            kinds.entry(kind).or_insert_with(|| Counted { since: now, times: 0, what: String::new() });
        counted.times += 1;
        if counted.times == WRITTEN + 1 {
            counted.what = what();
        }
        counted.times <= WRITTEN
    }

    /// What was not written in the windows that have ended by `now`.
    pub(super) fn ended(&self, now: Instant) -> Vec<Repeated> {
        let is_over = |counted: &Counted| now.saturating_duration_since(counted.since) >= WINDOW;
        let over: Vec<Counted> =
            self.lock().extract_if(|_, counted| is_over(counted)).map(|(_, counted)| counted).collect();
        let repeated = over.into_iter().filter(|counted| counted.times > WRITTEN);
        repeated.map(|counted| Repeated { times: counted.times - WRITTEN, what: counted.what }).collect()
    }
}

impl<S: Subscriber> Layer<S> for Equal {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        // Levels that are more important are smaller.
        if *event.metadata().level() > Level::WARN {
            return true;
        }
        let mut line = Line::default();
        event.metadata().callsite().hash(&mut line.hasher);
        event.record(&mut line);
        let kind = line.hasher.finish();
        self.is_written(kind, Instant::now(), || line.what())
    }
}

/// What a line says.
#[derive(Default)]
struct Line {
    hasher: DefaultHasher,
    message: String,
    cause: String,
}

impl Line {
    fn what(&self) -> String {
        let parts = [self.message.as_str(), self.cause.as_str()];
        let text = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
        shortened(&text, TOLD_CHARS).into_owned()
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if IDS.contains(&field.name()) {
            return;
        }
        let text = format!("{value:?}");
        field.name().hash(&mut self.hasher);
        text.hash(&mut self.hasher);
        match field.name() {
            "message" => self.message = text,
            "cause" | "error" => self.cause = text,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::super::lines::Captured;
    use super::*;

    #[test]
    fn equal_lines_of_a_burst_are_counted() {
        let (equal, captured) = (Equal::default(), Captured::default());
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(captured.writer())
            .finish()
            .with(equal.clone());
        tracing::subscriber::with_default(subscriber, || {
            for number in 0..4_832 {
                tracing::warn!(call.id = number, cause = "the disk is full", "tool call failed");
            }
            for number in 0..100 {
                tracing::info!(number, "tool call done");
            }
            tracing::warn!(call.id = 1, cause = "another one", "tool call failed");
        });
        let text = captured.text();
        assert_eq!(text.matches("the disk is full").count(), 20);
        assert_eq!(text.matches("tool call done").count(), 100, "what went well is written line by line");
        assert_eq!(text.matches("another one").count(), 1);
        assert_eq!(equal.ended(Instant::now()).len(), 0, "the window has not ended");
        let told = equal.ended(Instant::now() + WINDOW);
        let what = "tool call failed: \"the disk is full\"".to_owned();
        assert_eq!(told, [Repeated { times: 4_812, what }]);
        assert_eq!(equal.ended(Instant::now() + WINDOW), [], "told once");
    }

    #[test]
    fn what_is_counted_is_bounded() {
        let (equal, now) = (Equal::default(), Instant::now());
        for kind in 0..10 * MAX_KINDS as u64 {
            assert!(equal.is_written(kind, now, String::new));
        }
        assert_eq!(equal.lock().len(), MAX_KINDS);
        equal.ended(now + WINDOW);
        assert_eq!(equal.lock().len(), 0);
    }
}
