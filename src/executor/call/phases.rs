//! Where the time of a call went, phase by phase: for its feed, and for people who look into it.

use std::time::{Duration, Instant};

use serde::Serialize;
use utoipa::ToSchema;

use crate::conversation::call_entry::PhaseEntry;
use crate::egress::Marks;

/// Most phases that a feed keeps of a call.
const MAX_KEPT: usize = 24;
/// A shorter wait is not noted.
const SHORTEST_WAIT: Duration = Duration::from_micros(20);

/// A part of a call's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Its conversation is opened in the store.
    Open,
    /// Its arguments are checked, and its variables are read.
    Validate,
    /// Its intent is claimed in the store; it waits for another call of the same intent.
    Claim,
    /// Its guards are asked, and its request is rendered.
    Render,
    /// A token is fetched.
    Token,
    /// It waits for its turn at the service.
    Queue,
    /// The name of the service is looked up.
    Dns,
    /// A connection is made; with its keys, where the two cannot be told apart.
    Connect,
    /// Keys are agreed on.
    Tls,
    /// The request is sent, and the service works on it.
    FirstByte,
    /// The body of the answer comes.
    Body,
    /// It waits before it is sent again.
    Wait,
    /// The answer is read, and values are taken out of it.
    Extract,
    /// What it does or has learned is written to the store.
    Store,
}

impl Phase {
    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Validate => "validate",
            Self::Claim => "claim",
            Self::Render => "render",
            Self::Token => "token",
            Self::Queue => "queue",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::FirstByte => "first_byte",
            Self::Body => "body",
            Self::Wait => "wait",
            Self::Extract => "extract",
            Self::Store => "store",
        }
    }
}

/// A phase of a call, in milliseconds since its receipt.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TimedPhase {
    /// Which.
    pub phase: Phase,
    /// The attempt that it belongs to, from 1; null where it belongs to none.
    pub attempt: Option<u32>,
    /// When it began.
    pub start_ms: f64,
    /// How long it took.
    pub ms: f64,
}

/// The phases of a call.
#[derive(Debug)]
pub(in crate::executor) struct Phases {
    received: Instant,
    /// The end of the latest phase.
    last: Instant,
    /// The phase that is under way; `None` while the request is out, which has phases of its own.
    current: Option<Phase>,
    /// `None` where nobody wants to know.
    spans: Option<Vec<Span>>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    phase: Phase,
    attempt: Option<u32>,
    start: Duration,
    took: Duration,
}

impl Phases {
    /// The phases of a call that came then.
    pub(super) fn new(received: Instant, are_wanted: bool) -> Self {
        let spans = are_wanted.then(|| Vec::with_capacity(10));
        Self { received, last: received, current: None, spans }
    }

    /// Marks for an exchange, where somebody wants to know.
    pub(super) fn marks(&self) -> Option<std::sync::Arc<Marks>> {
        self.spans.is_some().then(Default::default)
    }

    /// Ends the current phase and begins `next`.
    pub(super) fn turn_to(&mut self, next: Option<Phase>) {
        let current = std::mem::replace(&mut self.current, next);
        if self.spans.is_some() {
            let now = Instant::now();
            if let Some(current) = current {
                self.add(current, None, self.last, now);
            }
            self.last = now;
        }
    }

    /// The call has waited since `from`.
    pub(super) fn waited(&mut self, phase: Phase, attempt: u32, from: Instant) {
        if self.spans.is_some() {
            let now = Instant::now();
            if now.duration_since(from) >= SHORTEST_WAIT {
                self.add(phase, Some(attempt), from, now);
            }
        }
    }

    /// An exchange of `attempt` has ended that began then.
    pub(super) fn exchanged(&mut self, attempt: u32, from: Instant, marks: Option<&Marks>) {
        let Some(marks) = marks else { return };
        let (end, attempt) = (Instant::now(), Some(attempt));
        let resolved = marks.looked_up.get().map(|began| (*began, marks.resolved.get().copied()));
        if let Some((began, resolved)) = resolved {
            self.add(Phase::Dns, attempt, began, resolved.unwrap_or(end));
        }
        let mut sending = from;
        let has_resolved = resolved.is_none_or(|(_, resolved)| resolved.is_some());
        if let Some(began) = marks.connecting.get().filter(|_| has_resolved) {
            let began = resolved.and_then(|(_, resolved)| resolved).unwrap_or(*began).max(*began);
            let connected = marks.connected.get().copied();
            let hands = marks.shaking_hands.get().copied();
            self.add(Phase::Connect, attempt, began, hands.or(connected).unwrap_or(end));
            if let Some(hands) = hands {
                self.add(Phase::Tls, attempt, hands, connected.unwrap_or(end));
            }
            match connected {
                Some(connected) => sending = connected,
                None => return,
            }
        } else if !has_resolved {
            return;
        }
        let head = marks.head.get().copied();
        self.add(Phase::FirstByte, attempt, sending, head.unwrap_or(end));
        if let Some(head) = head {
            self.add(Phase::Body, attempt, head, end);
        }
    }

    fn add(&mut self, phase: Phase, attempt: Option<u32>, from: Instant, to: Instant) {
        let (start, took) =
            (from.saturating_duration_since(self.received), to.saturating_duration_since(from));
        self.spans.get_or_insert_default().push(Span { phase, attempt, start, took });
    }

    fn spans(&self) -> &[Span] {
        self.spans.as_deref().unwrap_or_default()
    }

    /// The phases, as a feed keeps them.
    pub(in crate::executor) fn entries(&self) -> Vec<PhaseEntry<'static>> {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let entry = |span: &Span| PhaseEntry {
            phase: span.phase.as_str().into(),
            attempt: span.attempt.unwrap_or_default(),
            start: micros(span.start),
            took: micros(span.took),
        };
        self.spans().iter().take(MAX_KEPT).map(entry).collect()
    }

    /// The phases, as people are shown them.
    pub(super) fn timed(&self) -> Vec<TimedPhase> {
        let millis = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        let timed = |span: &Span| TimedPhase {
            phase: span.phase,
            attempt: span.attempt,
            start_ms: millis(span.start),
            ms: millis(span.took),
        };
        self.spans().iter().map(timed).collect()
    }
}
