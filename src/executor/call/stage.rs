//! The stages of a call.

use std::sync::Arc;

use crate::action::RequestSpec;
use crate::conversation::{Carried, Claim, Conversation};
use crate::egress::{Deadline, Response};
use crate::executor::aside::Seat;
use crate::executor::control::{CallControl, Entry};
use crate::executor::gateway::{Gateway, weight, weight_of_masks};
use crate::executor::served::{Deployment, ServedAction, Upstream};
use crate::tool::{Handover, ToolCall, ToolResult};

use super::answer::Answer;
use super::failure::Failure;
use super::phases::Phase;
use super::record::{CallRecord, Values};
use super::speech::Voice;

/// A call on its way: what it knows, and what it holds. Dropped before its end, it lets go of its claim.
pub(in crate::executor) struct Call<'a> {
    pub(super) gateway: &'a Gateway,
    /// What is served; the call keeps it to its end.
    pub(super) deployment: Arc<Deployment>,
    /// The conversation, where the caller carries it.
    pub(super) carried: Option<&'a Carried>,
    pub(super) control: &'a Arc<CallControl>,
    pub(super) access: Access,
    pub(super) record: CallRecord,
    /// By when it has to end.
    pub(super) deadline: Deadline,
    /// What it has taken in the store, until that is settled or released.
    pub(super) claim: Option<Arc<Claim>>,
    /// Its place among the calls under way.
    pub(super) entry: Option<Entry<'a>>,
    /// Held while long work is done on the answer.
    pub(super) seat: Option<Seat>,
    /// Whether an observer wants to see what is sent and comes back.
    pub(super) is_watched: bool,
}

/// What a look at a conversation does to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::executor) enum Access {
    /// It begins if it has not, and stays for longer.
    Use,
    /// The same, by the gateway itself: an action that runs by itself.
    Hook,
    /// Nothing.
    Look,
}

/// Why a call goes no further.
pub(super) enum Stop {
    /// Something is in its way.
    Failed(Failure),
    /// Another call of its intent has this result.
    Replayed(Arc<ToolResult>),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// A call that has come.
pub(super) struct Received<'c, 'a> {
    pub(super) call: &'c mut Call<'a>,
}

/// A call of an action that is served, in a conversation that is open.
pub(super) struct Found<'c, 'a> {
    pub(super) call: &'c mut Call<'a>,
    pub(super) served: Arc<ServedAction>,
}

/// A call whose arguments meet their schema.
pub(super) struct Checked<'c, 'a> {
    pub(super) call: &'c mut Call<'a>,
    pub(super) served: Arc<ServedAction>,
    pub(super) values: Arc<Values>,
    /// What the model wants the caller to hear meanwhile.
    pub(super) say: Option<String>,
    /// What it has to take in the store before it is sent.
    pub(super) claim: Option<Claim>,
}

/// The only call of its intent.
pub(super) struct Claimed<'c, 'a> {
    pub(super) call: &'c mut Call<'a>,
    pub(super) served: Arc<ServedAction>,
    pub(super) values: Arc<Values>,
    pub(super) say: Option<String>,
    /// What tells the call from earlier ones of its claim.
    pub(super) earlier: u64,
}

/// A call with nothing in its way.
pub(super) struct Rendered<'c, 'a> {
    pub(super) call: &'c mut Call<'a>,
    pub(super) served: Arc<ServedAction>,
    pub(super) prepared: Prepared,
}

/// What a call does, once nothing stands in its way.
pub(super) enum Prepared {
    /// It sends this.
    Request(Arc<Upstream>, RequestSpec),
    /// It answers with this.
    Fixed(Answer),
    /// It hands the caller over.
    Handover(Handover),
}

/// A call that was answered.
pub(super) struct Sent<'c, 'a> {
    pub(super) call: &'c mut Call<'a>,
    pub(super) served: Arc<ServedAction>,
    pub(super) answer: Reply,
}

/// What a call was answered with.
pub(super) enum Reply {
    /// By the upstream.
    Upstream(Response),
    /// By the action itself.
    Fixed(Answer),
    /// The caller is to be transferred.
    Handover(Handover),
}

impl<'c, 'a> Received<'c, 'a> {
    /// The first stage of `call`.
    pub(super) fn of(call: &'c mut Call<'a>) -> Self {
        Self { call }
    }
}

impl<'a> Call<'a> {
    /// A call that comes now, under the name of its action if the model put something around that.
    pub(super) fn new(
        gateway: &'a Gateway,
        access: Access,
        mut call: ToolCall,
        carried: Option<&'a Carried>,
        control: &'a Arc<CallControl>,
    ) -> Self {
        let deployment = gateway.deployment();
        let environment = deployment.environment(&call.environment);
        if let Some(served) = environment.and_then(|environment| environment.meant_by(&call.name)) {
            let action = &served.action;
            tracing::debug!(tool.name = %action.name, "a call under a longer name is a call of this action");
            call.name = action.name.as_str().to_owned();
        }
        let has_feed = carried.is_none() && call.conversation_id.is_some();
        let wants_phases = has_feed || control.is_inspected();
        Self {
            gateway,
            carried,
            control,
            access,
            record: CallRecord::new(call, wants_phases),
            deadline: Deadline::after(std::time::Duration::ZERO),
            claim: None,
            entry: None,
            seat: None,
            is_watched: gateway.shared.observers.iter().any(|observer| observer.wants_exchanges()),
            deployment,
        }
    }

    /// Notes which stage the call has reached, and tells a log of the level `trace`. What it does from here on is the
    /// phase `next`; what goes out to the upstream has phases of its own.
    pub(super) fn reached(&mut self, stage: &'static str, next: Option<Phase>) {
        self.record.phases.turn_to(next);
        tracing::trace!(call.id = self.record.call.id.as_str(), stage, "a call has reached a stage");
    }

    /// The conversation in the store whose feed is told of the call.
    pub(super) fn stored_conversation(&self) -> Option<&Arc<Conversation>> {
        self.record.conversation.as_ref().filter(|_| self.carried.is_none())
    }

    /// Whether somebody wants to see the request.
    pub(super) fn keeps_request(&self) -> bool {
        self.is_watched || self.control.is_inspected() || self.stored_conversation().is_some()
    }

    /// How much work it is to read what the call brings and what its conversation knows.
    pub(super) fn weight(&self) -> usize {
        let action = self.record.action.as_ref().map(|served| &served.action);
        weight(&self.record.call, action, self.record.conversation.as_deref())
    }

    /// How much work it is to mask what its conversation keeps to itself.
    pub(super) fn weight_of_masks(&self) -> usize {
        weight_of_masks(self.record.conversation.as_deref())
    }

    /// What is said around the call; `None` before it has an action and values.
    pub(super) fn voice(&self) -> Option<Voice<'_>> {
        let Self { record, .. } = self;
        let (served, values) = (record.action.as_deref()?, record.values.as_deref()?);
        Some(Voice { call: &record.call, served, values, conversation: record.conversation.as_deref() })
    }

    /// The call broke a stage. What it may have done by then is known.
    pub(super) fn panicked(&self) -> Stop {
        let is_safe = self.record.action.as_ref().is_some_and(|served| served.action.is_safe());
        Stop::Failed(Failure::Internal { safe: is_safe || !self.record.was_sent })
    }
}

impl Reply {
    /// How many bytes there are to be looked at.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Upstream(response) => response.body.len(),
            Self::Fixed(answer) => answer.bytes(),
            Self::Handover(_) => 0,
        }
    }
}
