//! The calls of one round: run in parallel, with what the caller hears meanwhile.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::dialect::Outcome;
use crate::executor::Started;

use super::request::TextSource;
use super::tools::{BegunCall, Tools};
use super::voice::Voice;

/// What the caller hears while calls run.
#[derive(Clone, Debug)]
pub(super) struct Fillers {
    pub(super) enabled: bool,
    /// What is said for an action that has no words of its own.
    pub(super) start: Option<String>,
    /// A call that is expected to take less is not announced.
    pub(super) announce_after: Duration,
}

/// A call of a round that is under way.
pub(super) struct InFlight<W> {
    /// Its place in the round.
    pub(super) at: usize,
    pub(super) begun: BegunCall<W>,
    has_started: bool,
    /// What is said, and when, while it runs.
    announce: Option<(Instant, String)>,
    delayed: Option<(Instant, String)>,
}

/// What has happened to a call.
enum Happened<W> {
    Started(usize, Started),
    Ended(usize, Outcome, Option<W>),
}

impl<W> InFlight<W> {
    pub(super) fn new(at: usize, begun: BegunCall<W>) -> Self {
        Self { at, begun, has_started: false, announce: None, delayed: None }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Happened<W>> {
        if !self.has_started {
            match Pin::new(&mut self.begun.started).poll(context) {
                Poll::Ready(Ok(started)) => {
                    self.has_started = true;
                    return Poll::Ready(Happened::Started(self.at, started));
                }
                // It was refused, or another call answers it.
                Poll::Ready(Err(_)) => self.has_started = true,
                Poll::Pending => {}
            }
        }
        let (outcome, waiting) = std::task::ready!(self.begun.work.as_mut().poll(context));
        Poll::Ready(Happened::Ended(self.at, outcome, waiting))
    }
}

/// Runs until one of the calls has ended, and says meanwhile what there is to say; gives the place of the call.
/// Texts are added to `said`. Dropped, all calls are as they were.
pub(super) async fn next_ended<T: Tools>(
    calls: &mut Vec<InFlight<T::Waiting>>,
    fillers: &Fillers,
    voice: &mut Voice,
    said: &mut String,
) -> Option<(usize, Outcome, Option<T::Waiting>)> {
    loop {
        if calls.is_empty() {
            return None;
        }
        let due = due(calls, fillers, voice);
        let timer = async {
            match &due {
                Some((at, _, _)) => sleep_until(*at).await,
                None => std::future::pending().await,
            }
        };
        let happened = poll_fn(|context| {
            let ready = calls.iter_mut().map(|call| call.poll(context)).find(Poll::is_ready);
            ready.unwrap_or(Poll::Pending)
        });
        tokio::select! {
            biased;
            happened = happened => match happened {
                Happened::Started(at, started) => announce(calls, at, started, fillers, voice, said).await,
                Happened::Ended(at, outcome, waiting) => {
                    calls.retain(|call| call.at != at);
                    return Some((at, outcome, waiting));
                }
            },
            () = timer => if let Some((_, text, source)) = due {
                speak(&text, source, voice, said).await;
            },
        }
    }
}

/// What is to be said next, unless a call ends before: at most one text of each kind in a turn.
fn due<W>(calls: &[InFlight<W>], fillers: &Fillers, voice: &Voice) -> Option<(Instant, String, TextSource)> {
    if !fillers.enabled {
        return None;
    }
    let starts = calls.iter().filter(|_| !voice.has_started).filter_map(|call| call.announce.clone());
    let starts = starts.map(|(at, text)| (at, text, TextSource::Start));
    let delayed = calls.iter().filter(|_| !voice.has_delayed).filter_map(|call| call.delayed.clone());
    let delayed = delayed.map(|(at, text)| (at, text, TextSource::Delayed));
    starts.chain(delayed).min_by_key(|(at, _, _)| *at)
}

async fn announce<W>(
    calls: &mut [InFlight<W>],
    at: usize,
    started: Started,
    fillers: &Fillers,
    voice: &mut Voice,
    said: &mut String,
) {
    let Some(call) = calls.iter_mut().find(|call| call.at == at).filter(|_| fillers.enabled) else { return };
    let Started { text, delayed, expected } = started;
    let now = Instant::now();
    call.delayed = delayed.map(|(after, text)| (now + after, text));
    let Some(text) = text.or_else(|| fillers.start.clone()) else { return };
    // What has been slow is announced at once. Of what has been fast, or was never seen, the caller hears if it takes long.
    let is_slow = fillers.announce_after.is_zero()
        || expected
            .is_some_and(|expected| Duration::from_millis(expected.p50.into()) >= fillers.announce_after);
    match is_slow && !voice.has_started {
        true => speak(&text, TextSource::Start, voice, said).await,
        false => call.announce = Some((now + fillers.announce_after, text)),
    }
}

async fn speak(text: &str, source: TextSource, voice: &mut Voice, said: &mut String) {
    match source {
        TextSource::Delayed => voice.has_delayed = true,
        _ => voice.has_started = true,
    }
    voice.sentence(text, source, said).await;
}
