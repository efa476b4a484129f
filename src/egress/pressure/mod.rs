//! How much a service is asked at a time: calls in flight with a bounded
//! queue, a rate, and a breaker. One [`Lane`] per connection and environment,
//! shared by all threads and kept across a reload that does not change it.

mod breaker;
mod rate;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::action::{BreakerRules, LimitRules};

use self::breaker::{Breaker, Ticket};
use self::rate::Rate;

use super::Deadline;
use super::error::{EgressError, Overload};

/// A call that was given less time than this says nothing of the service when
/// it is not answered: its caller may have named any deadline.
const FAIR_WAIT: Duration = Duration::from_millis(200);

/// The way to one service, as wide as its connection says.
#[derive(Debug)]
pub(super) struct Lane {
    limits: LimitRules,
    breaker_rules: Option<BreakerRules>,
    /// One for each call that may be in flight.
    places: Semaphore,
    /// Calls that wait for a place or for their turn.
    waiting: AtomicUsize,
    rate: Option<Rate>,
    breaker: Option<Breaker>,
}

/// How much a service is asked now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneLoad {
    /// Calls in flight.
    pub running: usize,
    /// Calls that wait for their turn.
    pub waiting: usize,
    /// Most calls in flight.
    pub most: usize,
}

/// A call that may be sent. It gives its place back when it is dropped; unless
/// it is settled, what came of it is not counted.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    _place: SemaphorePermit<'a>,
    ticket: Option<Ticket<'a>>,
    fair: bool,
}

impl Lane {
    /// Makes a lane; `name` is for the log.
    pub(super) fn new(name: &str, limits: &LimitRules, breaker: Option<&BreakerRules>) -> Self {
        Self {
            limits: limits.clone(),
            breaker_rules: breaker.cloned(),
            places: Semaphore::new(limits.max_in_flight),
            waiting: AtomicUsize::new(0),
            rate: limits.rate.as_ref().map(Rate::new),
            breaker: breaker.map(|rules| Breaker::new(name, rules.clone())),
        }
    }

    /// The breaker: 0 closed, 1 letting probes through, 2 open; `None` where there is none.
    pub(super) fn breaker_phase(&self) -> Option<u8> {
        self.breaker.as_ref().map(Breaker::phase)
    }

    /// How many calls are in flight, how many wait, and how many may be in flight.
    pub(super) fn load(&self) -> LaneLoad {
        let most = self.limits.max_in_flight;
        LaneLoad {
            running: most.saturating_sub(self.places.available_permits()),
            waiting: self.waiting.load(Ordering::Acquire),
            most,
        }
    }

    /// Whether a lane with these rules would be the same.
    pub(super) fn is_for(&self, limits: &LimitRules, breaker: Option<&BreakerRules>) -> bool {
        self.limits == *limits && self.breaker_rules.as_ref() == breaker
    }

    /// Waits until a call may be sent, in the order of asking, within `deadline`.
    /// Who stops waiting leaves the queue.
    ///
    /// # Errors
    ///
    /// The breaker is open, the queue is full, or the turn would not come in time.
    pub(super) async fn enter(&self, deadline: Deadline) -> Result<Permit<'_>, EgressError> {
        if let Some(breaker) = &self.breaker {
            breaker.look()?;
        }
        let place = match self.places.try_acquire() {
            Ok(place) => place,
            Err(_) => {
                let _queued = self.queue(Overload::InFlight)?;
                // It is never closed, so that an error can only be the deadline's.
                let place = deadline.within(self.places.acquire()).await.ok().and_then(Result::ok);
                place.ok_or(EgressError::Overloaded(Overload::Waited))?
            }
        };
        if let Some(rate) = &self.rate
            && !rate.is_free()
        {
            let _queued = self.queue(Overload::Rate)?;
            rate.turn(deadline).await?;
        }
        // It may have opened meanwhile; from here on a probe counts as one.
        let ticket = self.breaker.as_ref().map(Breaker::admit).transpose()?;
        Ok(Permit { _place: place, ticket, fair: deadline.left() >= FAIR_WAIT })
    }

    fn queue(&self, full: Overload) -> Result<Queued<'_>, EgressError> {
        let queued = Queued(&self.waiting);
        // The guard takes this back, also where the queue is full.
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= self.limits.max_queue {
            return Err(EgressError::Overloaded(full));
        }
        Ok(queued)
    }
}

/// A place in the queue, given back on drop.
struct Queued<'a>(&'a AtomicUsize);

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Permit<'_> {
    /// Tells the breaker what came of the call.
    pub(super) fn settle(self, answer: Result<StatusCode, &EgressError>) {
        let Some(ticket) = self.ticket else { return };
        if let Some(good) = verdict(answer, self.fair) {
            ticket.settle(good);
        }
    }

    /// Tells the breaker that the service has failed, whatever the status of its answer.
    pub(super) fn fail(self) {
        if let Some(ticket) = self.ticket {
            ticket.settle(false);
        }
    }
}

/// Whether an answer speaks for the service; `None` where it says nothing of it.
fn verdict(answer: Result<StatusCode, &EgressError>, fair: bool) -> Option<bool> {
    match answer {
        // A refusal of this request (4xx, 429 among them) comes from a service that works.
        Ok(status) => Some(!status.is_server_error()),
        Err(EgressError::TooLarge { status, .. }) => Some(*status < 500),
        Err(
            EgressError::Connect(_)
            | EgressError::Unprocessed(_)
            | EgressError::Lost(_)
            | EgressError::Silent(_),
        ) => Some(false),
        Err(EgressError::Deadline) => fair.then_some(false),
        Err(
            EgressError::InvalidUrl(_)
            | EgressError::Unsendable(_)
            | EgressError::ForeignOrigin { .. }
            | EgressError::Refused(_)
            | EgressError::Overloaded(_)
            | EgressError::Unavailable { .. }
            | EgressError::Decode(_),
        ) => None,
    }
}
