//! Any stage → ended: the result is made, told to all who want to know, and kept.

use std::sync::Arc;

use crate::conversation::change::{Applied, Change};
use crate::conversation::{Conversation, StoreError};
use crate::egress::{Deadline, DeadlineExceeded};
use crate::executor::conversation::{feed, variables};
use crate::executor::gateway::Gateway;
use crate::executor::observe::{CallReport, Exchange, Spent};
use crate::executor::storing::{self, STORING};
use crate::tool::{Status, ToolResult};

use super::exchange;
use super::failure::{self, Failure};
use super::inspection::{self, Inspection};
use super::outcome::Outcome;
use super::phases::Phase;
use super::repeats;
use super::result::{self, Logged};
use super::stage::{Call, Stop};

impl Call<'_> {
    /// Ends the call, whatever came of it.
    pub(super) async fn end(mut self, answered: Result<Outcome, Stop>) -> Arc<ToolResult> {
        self.reached("answered", Some(Phase::Store));
        match answered {
            Ok(outcome) => self.conclude(Ok(outcome)).await,
            Err(Stop::Failed(failure)) => self.conclude(Err(failure)).await,
            Err(Stop::Replayed(first)) => self.replay(&first).await,
        }
    }

    /// Ends it with the result of another call of the same intent.
    async fn replay(&mut self, first: &ToolResult) -> Arc<ToolResult> {
        // To let go of many values takes long, too.
        let _seat = self.gateway.seat_if_any(self.weight()).await;
        self.record.values = None;
        let conversation = self.stored_conversation().map(Arc::as_ref);
        let told = conversation.map(|known| feed::replay(&self.deployment, known, &self.record.call, first));
        self.gateway.tell(conversation, Change { events: told.into_iter().collect(), ..Change::default() });
        let states = &self.deployment.states;
        let state = self.carried.map(|carried| states.after_replay(carried, &self.record.call, first));
        let logged = result::replayed(&self.record, first, state);
        result::log(&logged);
        let result = Arc::new(logged.result);
        self.observe(Some(&self.record.call.name), &result, None, None);
        result
    }

    async fn conclude(&mut self, mut outcome: Result<Outcome, Failure>) -> Arc<ToolResult> {
        self.record.cancellation = self.control.cancellation().filter(|_| self.entry.is_some());
        self.record.is_withdrawn = self.control.is_withdrawn();
        if self.seat.is_none() {
            let long = self.weight().max(self.weight_of_masks()).max(inspection::weight(&self.record));
            self.seat = self.gateway.seat_if_any(long).await;
        }
        let voice = self.voice().filter(|_| self.record.goes_ahead);
        let failed = voice.and_then(|voice| voice.failed(&outcome));
        let is_seen = self.is_watched && self.record.goes_ahead;
        let exchange = if is_seen { exchange::of(&self.record, &self.deployment, &outcome) } else { None };
        let mut change = variables::change(&self.record.call, outcome.as_mut().ok());
        let logged = self.result(outcome, failed);
        let result = self.tell_all(logged, &change, exchange);
        if let Some(served) = self.record.action.as_ref().filter(|_| result.status == Status::Success)
            && self.record.attempts > 0
        {
            served.pace.note(result.duration_ms);
        }
        let inspection = self.inspect(&result, &change);
        let change = match self.stored_conversation() {
            Some(known) => {
                let next = self.record.action.as_ref().filter(|_| self.entry.is_some());
                change.state = next.and_then(|served| variables::next_state(&served.action, &result));
                change.call = Some(feed::entry(&self.record, &self.deployment, known, &result, &change));
                change
            }
            // What the caller carries is in the result; nothing of it is stored.
            None => Change::default(),
        };
        // To let go of many values takes long, too.
        self.record.values = None;
        self.seat = None;
        self.keep(&result, change).await;
        self.entry = None;
        self.record.phases.turn_to(None);
        if let Some(inspection) = inspection {
            self.control.inspected(Inspection {
                total_ms: self.record.received.at.elapsed().as_secs_f64() * 1e3,
                phases: self.record.phases.timed(),
                ..inspection
            });
        }
        result
    }

    /// The details of the call, if a person inspects it.
    fn inspect(&self, result: &ToolResult, change: &Change) -> Option<Inspection> {
        let is_asked = self.control.is_inspected();
        is_asked.then(|| Inspection::of(&self.record, &self.deployment, result, change))
    }

    /// The result, and what the log says beyond it.
    fn result(&self, outcome: Result<Outcome, Failure>, failed: Option<String>) -> Logged {
        let is_hopeless = outcome.as_ref().is_err_and(Failure::is_by_the_values);
        let times = if is_hopeless { self.count() } else { 1 };
        let mut logged = result::of(&self.record, &self.deployment, outcome, failed);
        if times >= repeats::TOO_OFTEN
            && let Some(error) = &mut logged.result.error
        {
            failure::tell_to_stop(error, times);
        }
        logged
    }

    /// How often this call has failed in its conversation; what it wants said makes no other call of it.
    fn count(&self) -> u32 {
        let record = &self.record;
        let says = record.action.as_ref().is_some_and(|served| served.action.speech.say);
        self.gateway.shared.repeats.count(&record.call, record.digest.filter(|_| says))
    }

    /// Tells the log and the observers; gives the caller the state that it goes on with, where it carries its conversation.
    fn tell_all(&self, mut logged: Logged, change: &Change, exchange: Option<Exchange>) -> Arc<ToolResult> {
        result::log(&logged);
        let record = &self.record;
        logged.result.state = self.carried.map(|carried| {
            let mut change = change.clone();
            let served = record.action.as_ref();
            change.state = served.and_then(|served| variables::next_state(&served.action, &logged.result));
            self.deployment.states.after(carried, &record.call, record.was_sent, &change)
        });
        let (result, cause) = (Arc::new(logged.result), logged.cause);
        // A name that is no action's is the model's own text: no label for it.
        let action = record.action.as_ref().map(|served| served.action.name.as_str());
        self.observe(action, &result, cause.as_deref(), exchange.as_ref());
        result
    }

    fn observe(
        &self,
        action: Option<&str>,
        result: &ToolResult,
        cause: Option<&str>,
        exchange: Option<&Exchange>,
    ) {
        let record = &self.record;
        let report = CallReport {
            environment: &record.call.environment,
            action,
            conversation_id: record.call.conversation_id.as_deref(),
            result,
            started: record.received.timestamp.into(),
            spent: Spent { total: record.received.at.elapsed(), ..record.spent },
            trace: record.call.trace.as_ref(),
            steps: &record.steps,
            cause,
            exchange,
        };
        self.gateway.shared.observers.iter().for_each(|observer| observer.call_ended(&report));
    }

    /// Keeps the result for whoever comes with the same intent, and what was
    /// learned; where nothing was sent, the intent is free again, unless it was
    /// withdrawn.
    async fn keep(&mut self, result: &Arc<ToolResult>, change: Change) {
        let (store, conversation) = (&self.gateway.shared.store, self.stored_conversation().cloned());
        let deadline = Deadline::after(self.deadline.left().max(STORING));
        let conversation = conversation.as_deref();
        let Some(claim) = self.claim.take() else {
            let Some(known) = conversation.filter(|_| !change.is_empty()) else { return };
            // Nobody has to wait for what is only told.
            if self.entry.is_none() {
                return self.gateway.tell(conversation, change);
            }
            let applied = deadline.within(store.update(&known.key, change)).await;
            return self.applied(applied);
        };
        // An answer that needs no request is one too: it counts, and is repeated.
        if self.record.was_sent || self.record.is_withdrawn || result.status == Status::Success {
            let applied = deadline.within(store.settle(&claim, result, change)).await;
            return self.applied(applied);
        }
        match conversation.filter(|_| change.state.is_some()) {
            Some(known) => storing::note(deadline.within(store.update(&known.key, change)).await),
            None => self.gateway.tell(conversation, Change { call: change.call, ..Change::default() }),
        }
        storing::note(deadline.within(store.release(&claim)).await);
    }
}

impl Call<'_> {
    /// Tells which variables were not set after all.
    fn applied(&self, applied: Result<Result<Applied, StoreError>, DeadlineExceeded>) {
        if let Ok(Ok(applied)) = &applied {
            storing::note_refused(&applied.refused);
            let conversation = self.stored_conversation().map(Arc::as_ref);
            let events = feed::refused(&applied.refused);
            self.gateway.tell(conversation, Change { events, ..Change::default() });
        }
        storing::note(applied);
    }
}

impl Gateway {
    /// Tells the feed of a conversation what nobody has to wait for.
    fn tell(&self, conversation: Option<&Conversation>, change: Change) {
        if let Some(conversation) = conversation.filter(|_| !change.is_empty()) {
            self.shared.store.update(&conversation.key, change).detach();
        }
    }
}
