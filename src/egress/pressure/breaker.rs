//! A circuit breaker: opens on the share of failures over a window of time,
//! then lets a few probes through.
//!
//! Ours, because no crate fits: `recloser` counts calls, not time, and lets any
//! number of probes through; `failsafe` knows consecutive failures or a moving
//! average; `tower-resilience` wants to wrap a `tower` service and asks a lock
//! for every call. Here a call of a closed breaker costs one atomic load before
//! and one short lock after.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::action::BreakerRules;
use crate::egress::error::EgressError;

/// Parts of the window: it moves on by one of them at a time.
const SLOTS: usize = 10;

/// A circuit breaker.
#[derive(Debug)]
pub(super) struct Breaker {
    name: String,
    rules: BreakerRules,
    /// Whether the phase is another one than closed.
    tripped: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// When it closed last: calls that began before say nothing of now.
    closed_at: Instant,
    window: Window,
    /// Counts the phases of probing.
    round: u64,
}

#[derive(Debug)]
enum Phase {
    Closed,
    Open { until: Instant },
    Probing { admitted: u32, succeeded: u32 },
}

/// A call that the breaker let through.
pub(super) struct Ticket<'a> {
    breaker: &'a Breaker,
    kind: Admitted,
    settled: bool,
}

#[derive(Clone, Copy, Debug)]
enum Admitted {
    Closed { at: Instant },
    Probe { round: u64 },
}

impl fmt::Debug for Ticket<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({:?})", self.kind)
    }
}

impl Breaker {
    pub(super) fn new(name: &str, rules: BreakerRules) -> Self {
        let now = Instant::now();
        let state =
            State { phase: Phase::Closed, closed_at: now, window: Window::new(rules.window, now), round: 0 };
        Self { name: name.to_owned(), rules, tripped: AtomicBool::new(false), state: Mutex::new(state) }
    }

    /// 0 closed, 1 letting probes through, 2 open.
    pub(super) fn phase(&self) -> u8 {
        if !self.tripped.load(Ordering::Acquire) {
            return 0;
        }
        match &self.state().phase {
            Phase::Closed => 0,
            Phase::Probing { .. } => 1,
            Phase::Open { until } => {
                if Instant::now() < *until {
                    2
                } else {
                    1
                }
            }
        }
    }

    /// Whether a call would be let through.
    ///
    /// # Errors
    ///
    /// [`EgressError::Unavailable`], where it would not.
    pub(super) fn look(&self) -> Result<(), EgressError> {
        if !self.tripped.load(Ordering::Acquire) {
            return Ok(());
        }
        let now = Instant::now();
        match &self.state().phase {
            Phase::Open { until } if now < *until => Err(unavailable(*until - now)),
            Phase::Probing { admitted, .. } if *admitted >= self.rules.half_open_calls => {
                Err(unavailable(self.rules.open))
            }
            Phase::Closed | Phase::Open { .. } | Phase::Probing { .. } => Ok(()),
        }
    }

    /// Lets a call through.
    ///
    /// # Errors
    ///
    /// As [`Breaker::look`].
    pub(super) fn admit(&self) -> Result<Ticket<'_>, EgressError> {
        let now = Instant::now();
        let ticket = |kind| Ticket { breaker: self, kind, settled: false };
        if !self.tripped.load(Ordering::Acquire) {
            return Ok(ticket(Admitted::Closed { at: now }));
        }
        let mut state = self.state();
        match &mut state.phase {
            Phase::Closed => Ok(ticket(Admitted::Closed { at: now })),
            Phase::Open { until } if now < *until => Err(unavailable(*until - now)),
            Phase::Open { .. } => {
                state.round += 1;
                state.phase = Phase::Probing { admitted: 1, succeeded: 0 };
                tracing::info!(lane = self.name, "the breaker lets probes through");
                Ok(ticket(Admitted::Probe { round: state.round }))
            }
            Phase::Probing { admitted, .. } if *admitted < self.rules.half_open_calls => {
                *admitted += 1;
                Ok(ticket(Admitted::Probe { round: state.round }))
            }
            Phase::Probing { .. } => Err(unavailable(self.rules.open)),
        }
    }

    fn settle(&self, kind: Admitted, good: bool) {
        let now = Instant::now();
        let mut state = self.state();
        let State { phase, closed_at, window, round } = &mut *state;
        match (kind, phase) {
            (Admitted::Closed { at }, Phase::Closed) if at >= *closed_at => {
                window.count(now, good);
                if !good && window.trips(&self.rules) {
                    self.open(&mut state, now);
                }
            }
            (Admitted::Probe { round: of }, Phase::Probing { .. }) if of == *round && !good => {
                self.open(&mut state, now);
            }
            (Admitted::Probe { round: of }, Phase::Probing { succeeded, .. }) if of == *round => {
                *succeeded += 1;
                if *succeeded >= self.rules.half_open_calls {
                    state.phase = Phase::Closed;
                    state.closed_at = now;
                    state.window = Window::new(self.rules.window, now);
                    self.tripped.store(false, Ordering::Release);
                    tracing::info!(lane = self.name, "the breaker is closed again");
                }
            }
            // From before the breaker opened, or of an earlier round of probes.
            (Admitted::Closed { .. } | Admitted::Probe { .. }, _) => {}
        }
    }

    /// A probe that came to nothing makes room for another one.
    fn give_back(&self, kind: Admitted) {
        if let Admitted::Probe { round } = kind {
            let mut state = self.state();
            if round == state.round
                && let Phase::Probing { admitted, .. } = &mut state.phase
            {
                *admitted = admitted.saturating_sub(1);
            }
        }
    }

    fn open(&self, state: &mut State, now: Instant) {
        state.phase = Phase::Open { until: now + self.rules.open };
        self.tripped.store(true, Ordering::Release);
        tracing::warn!(
            lane = self.name,
            open_ms = self.rules.open.as_millis(),
            "the breaker opens: too many calls have failed"
        );
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Counters and phases are whole after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unavailable(retry_after: Duration) -> EgressError {
    EgressError::Unavailable { retry_after }
}

impl Ticket<'_> {
    /// Says what came of the call.
    pub(super) fn settle(mut self, good: bool) {
        self.settled = true;
        self.breaker.settle(self.kind, good);
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if !self.settled {
            self.breaker.give_back(self.kind);
        }
    }
}

/// Calls and failures of the last while.
#[derive(Debug)]
struct Window {
    slot: Duration,
    started: Instant,
    /// Which slot since `started` the newest one is.
    newest: u64,
    slots: [(u32, u32); SLOTS],
}

impl Window {
    fn new(length: Duration, now: Instant) -> Self {
        let slot = (length / SLOTS as u32).max(Duration::from_millis(1));
        Self { slot, started: now, newest: 0, slots: [(0, 0); SLOTS] }
    }

    fn count(&mut self, now: Instant, good: bool) {
        let age = now.duration_since(self.started).as_nanos() / self.slot.as_nanos();
        let current = u64::try_from(age).unwrap_or(u64::MAX);
        // Slots that time has passed over start anew.
        for slot in (self.newest + 1..=current).rev().take(SLOTS) {
            self.slots[(slot % SLOTS as u64) as usize] = (0, 0);
        }
        self.newest = self.newest.max(current);
        let (calls, failures) = &mut self.slots[(current % SLOTS as u64) as usize];
        *calls = calls.saturating_add(1);
        *failures = failures.saturating_add(u32::from(!good));
    }

    fn trips(&self, rules: &BreakerRules) -> bool {
        let sum = |sum: (u64, u64), slot: &(u32, u32)| (sum.0 + u64::from(slot.0), sum.1 + u64::from(slot.1));
        let (calls, failures) = self.slots.iter().fold((0, 0), sum);
        calls >= u64::from(rules.min_calls) && failures as f64 >= rules.failure_share * calls as f64
    }
}
