//! What becomes of a call that has its intent: guards, request, answer, result.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;

use futures_util::FutureExt as _;
use serde_json::value::RawValue;

use crate::action::{HttpAction, Kind, RequestSpec};
use crate::conversation::change::Change;
use crate::egress::{Deadline, EgressError};
use crate::tool::{Handover, Status, ToolCall, ToolResult};

use super::answer::Answer;
use super::attempts::Sending;
use super::failure::Failure;
use super::outcome::{Look, Outcome, Receipt};
use super::served::Upstream;
use super::speech::Voice;
use super::{
    Admitted, CallControl, Deployment, Ending, Gateway, ServedAction, Values, conversations, intent,
    learning, weight, weight_of_masks,
};

/// What a call does, once nothing stands in its way.
pub(super) enum Prepared<'a> {
    /// It sends this.
    Request(&'a HttpAction, &'a Upstream, RequestSpec),
    /// It answers with this.
    Fixed(Cow<'a, RawValue>),
    /// It hands the caller over.
    Handover(Handover),
}

impl Gateway {
    /// Goes ahead with a call. Where a bug of ours ends it before anything was sent, its intent is free again; else
    /// nobody knows what was done, and it stays taken.
    pub(super) async fn go_ahead(
        &self,
        call: ToolCall,
        mut admitted: Admitted<'_>,
        receipt: &mut Receipt,
        ending: Ending<'_>,
        control: &Arc<CallControl>,
    ) -> Arc<ToolResult> {
        let work = self.result(call, &mut admitted, receipt, ending, control);
        let panic = match AssertUnwindSafe(work).catch_unwind().await {
            Ok(result) => return result,
            Err(panic) => panic,
        };
        if let Some(claim) = admitted.claim.as_ref().filter(|_| !receipt.was_sent) {
            let released = self.shared.store.release(claim);
            learning::note(Deadline::after(learning::STORING).within(released).await);
        }
        resume_unwind(panic)
    }

    async fn result(
        &self,
        call: ToolCall,
        admitted: &mut Admitted<'_>,
        receipt: &mut Receipt,
        ending: Ending<'_>,
        control: &Arc<CallControl>,
    ) -> Arc<ToolResult> {
        let Ending { deployment, carried } = ending;
        let seat = self.seat(weight(&call, admitted.conversation.as_deref()), admitted.deadline).await;
        if let Some(feed) = &mut receipt.feed {
            let parameters = &admitted.target.action.parameters;
            let brought = learning::brought_under_marks(&call.variables, admitted.conversation.as_deref());
            feed.without(Some(parameters.sensitive_values(&admitted.values.parameters)), brought);
            feed.decoded(&admitted.values.decoded);
        }
        let key = admitted.claim.as_ref().map(|claim| claim.key);
        let entry = self.shared.under_way.enter(&call, key, control);
        // Behind the claim, so that a call that was done before the conversation went on has its result.
        let guarded = match &seat {
            Ok(_) => admitted.check_guards(deployment).map_err(Failure::from),
            Err(none) => Err(Failure::no_seat(*none, true)),
        };
        let voice = Voice::new(&call, &*admitted, deployment);
        let prepared = guarded.and_then(|()| prepare(&*admitted, &call, deployment, &voice));
        let prepared = match prepared {
            Ok(Prepared::Request(..)) if admitted.deadline.left().is_zero() => Err(Failure::TooLate),
            prepared => prepared,
        };
        // The caller hears nothing of a call that does not go ahead.
        let goes_ahead = prepared.is_ok();
        if goes_ahead {
            control.started(|| voice.started());
        }
        drop(seat);
        let mut outcome = match prepared {
            Ok(prepared) => self.perform(deployment, &call, &*admitted, prepared, receipt, control).await,
            Err(failure) => Err(failure),
        };
        receipt.cancellation = control.cancellation();
        receipt.is_withdrawn = control.is_withdrawn();
        let conversation = admitted.conversation.as_deref();
        if receipt.seat.is_none() {
            let long = weight(&call, conversation).max(weight_of_masks(conversation));
            receipt.seat = self.seat_if_any(long).await;
        }
        receipt.failed = if goes_ahead { voice.failed(&outcome) } else { None };
        receipt.exchange = admitted.exchange(deployment, &call, receipt, &outcome);
        // What the caller carries is in the result; nothing of it is stored.
        let mut change = match carried {
            Some(_) => Change::default(),
            None => learning::change(&call, &mut outcome),
        };
        let result = self.conclude(call, outcome, receipt, ending);
        if result.status == Status::Success && receipt.attempts > 0 {
            admitted.target.pace.note(result.duration_ms);
        }
        let leads = carried.is_none() && conversation.is_some();
        change.state = if leads { learning::next_state(&admitted.target.action, &result) } else { None };
        change.events = self.told(deployment, conversation, receipt, &result, &change);
        change.events.extend(change.state.as_deref().map(conversations::state_set));
        let stored = conversation.filter(|_| carried.is_none());
        let done =
            learning::Done { claim: admitted.claim.as_ref(), conversation: stored, result: &result, change };
        // To let go of many values takes long, too.
        admitted.values = Values::default();
        drop(receipt.seat.take());
        self.keep(done, receipt, admitted.deadline).await;
        drop(entry);
        result
    }

    /// Does what the call asks for, unless it is cancelled before.
    async fn perform(
        &self,
        deployment: &Arc<Deployment>,
        call: &ToolCall,
        admitted: &Admitted<'_>,
        prepared: Prepared<'_>,
        receipt: &mut Receipt,
        control: &CallControl,
    ) -> Result<Outcome, Failure> {
        let safe = admitted.target.action.is_safe();
        let work = self.attempt(deployment, call, admitted, prepared, receipt, control);
        // A panic is a bug of ours; whoever waits must hear of it all the same.
        let work = AssertUnwindSafe(work).catch_unwind();
        tokio::select! {
            biased;
            () = control.cancelled() => Err(Failure::Cancelled),
            outcome = work => outcome.unwrap_or(Err(Failure::Internal { safe })),
        }
    }

    async fn attempt(
        &self,
        deployment: &Arc<Deployment>,
        call: &ToolCall,
        admitted: &Admitted<'_>,
        prepared: Prepared<'_>,
        receipt: &mut Receipt,
        control: &CallControl,
    ) -> Result<Outcome, Failure> {
        let (target, deadline) = (admitted.target, admitted.deadline);
        let look = |token| Look {
            deployment: deployment.clone(),
            served: target.clone(),
            conversation: admitted.conversation.clone(),
            token,
        };
        let masks = weight_of_masks(admitted.conversation.as_deref());
        let looked = match prepared {
            Prepared::Request(http, upstream, request) => {
                let (store, claim) = (self.shared.store.as_ref(), admitted.claim.as_ref());
                let (egress, tokens) = (&self.egress, &self.shared.tokens);
                let sending = Sending {
                    egress,
                    deployment,
                    target,
                    http,
                    upstream,
                    deadline,
                    call,
                    control,
                    store,
                    tokens,
                    claim,
                };
                let response = sending.response(request, receipt).await?;
                let (bytes, look) = (response.body.len().max(masks), look(receipt.redactor.clone()));
                let work =
                    move |in_time: &dyn Fn() -> bool| Outcome::of(Answer::read(response), &look, in_time);
                self.aside(bytes, deadline, work).await
            }
            Prepared::Fixed(body) => {
                let (answer, look) = (Answer::fixed(&body), look(None));
                let work = move |in_time: &dyn Fn() -> bool| Outcome::of(answer, &look, in_time);
                self.aside(body.get().len().max(masks), deadline, work).await
            }
            Prepared::Handover(handover) => return Ok(Outcome::handover(handover, &look(None))),
        };
        // Who waits for a seat too long has an answer that nobody could look at.
        let (outcome, seat) = looked.map_err(|_| late(target))?;
        receipt.seat = seat;
        outcome.ok_or_else(|| late(target))
    }
}

/// Makes a call ready to go ahead.
pub(super) fn prepare<'a>(
    admitted: &Admitted<'a>,
    call: &ToolCall,
    deployment: &Deployment,
    voice: &Voice<'_>,
) -> Result<Prepared<'a>, Failure> {
    let data = admitted.data();
    match (&admitted.target.action.kind, &admitted.target.upstream) {
        (Kind::Http(http), Some(upstream)) => {
            let request = render(http, admitted, call, deployment)?;
            Ok(Prepared::Request(http, upstream, request))
        }
        // No such action is served.
        (Kind::Http(_), None) => Err(Failure::Internal { safe: true }),
        (Kind::Static(answer), _) => Ok(Prepared::Fixed(answer.render(&data)?)),
        (Kind::Handover(handover), _) => Ok(Prepared::Handover(voice.handover(handover)?)),
    }
}

/// The answer could not be looked at in time.
fn late(target: &ServedAction) -> Failure {
    Failure::egress(EgressError::Deadline, &target.action)
}

/// The exact request. A write carries the key by which the upstream knows it again.
fn render(
    http: &HttpAction,
    admitted: &Admitted<'_>,
    call: &ToolCall,
    deployment: &Deployment,
) -> Result<RequestSpec, Failure> {
    let Admitted { target, claim, earlier, .. } = admitted;
    let data = admitted.data();
    let mut request = http.render(&data)?;
    http.check_head(&request, &data, &target.action.bind, deployment.limits.max_url_bytes)?;
    if !target.action.is_safe() {
        let key = || intent::idempotency_key(claim.as_ref(), call.id_is_given, *earlier);
        request.add_header(intent::IDEMPOTENCY_KEY, key);
    }
    Ok(request)
}
