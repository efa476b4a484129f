//! Received → found: the action that is called, and the conversation that the call belongs to.

use std::sync::Arc;
use std::time::Duration;

use crate::conversation::{Conversation, ConversationKey, Opening, now_ms};
use crate::egress::Deadline;
use crate::executor::storing::STORING;

use super::failure::Failure;
use super::intent;
use super::phases::Phase;
use super::stage::{Access, Call, Found, Received, Stop};

impl<'c, 'a> Received<'c, 'a> {
    /// Finds the action, and opens the conversation: it is told of calls of unknown actions too.
    pub(super) async fn find(self) -> Result<Found<'c, 'a>, Stop> {
        let call = self.call;
        call.reached("received", Some(Phase::Open));
        call.look_up();
        call.open().await?;
        match call.record.action.clone() {
            Some(served) => Ok(Found { call, served }),
            None => {
                let unknown = Failure::unknown_tool(&call.deployment, &call.record.call);
                Err(call.done_before_or(unknown).await)
            }
        }
    }
}

impl Call<'_> {
    /// Finds the action, and with it the deadline: the action's timeout, or what the caller can wait, counted from
    /// the receipt.
    fn look_up(&mut self) {
        let asked = &self.record.call;
        let environment = self.deployment.environment(&asked.environment);
        // An action that runs by itself is none to a model.
        let is_called = |on: bool| !on || self.access != Access::Use;
        let served = environment.and_then(|environment| environment.find(&asked.name));
        let served = served.filter(|served| is_called(served.action.on.is_some())).cloned();
        let timeout = served.as_ref().map_or(STORING, |served| served.action.timeout);
        let wanted = asked.deadline_ms.map_or(Duration::MAX, Duration::from_millis);
        let passed = self.record.received.at.elapsed();
        self.deadline = Deadline::after(timeout.min(wanted).saturating_sub(passed));
        self.record.action = served;
    }

    /// Opens the conversation; there is none where the call names none.
    async fn open(&mut self) -> Result<(), Failure> {
        if let Some(carried) = self.carried {
            self.record.conversation = Some(carried.conversation().clone());
            return Ok(());
        }
        let asked = &self.record.call;
        let is_served = self.deployment.environment(&asked.environment).is_some();
        let Some(id) = asked.conversation_id.as_deref().filter(|_| is_served) else { return Ok(()) };
        let (store, key) = (&self.gateway.shared.store, ConversationKey::of(asked.scope(), id));
        let found = match self.access {
            Access::Use | Access::Hook => {
                let first = Some(self.deployment.begun_by_a_call().clone());
                let opening = Opening { first, ..Opening::default() };
                let opened = self.deadline.within(store.open(&key, opening)).await;
                opened.map(|opened| opened.map(|opened| Some(opened.conversation)))
            }
            Access::Look => self.deadline.within(store.find(&key)).await,
        };
        let safe = self.is_first();
        let found = found.map_err(|_| Failure::StoreTooLate { safe })?;
        let found = found.map_err(|error| Failure::Store { error, safe })?;
        self.record.conversation =
            Some(found.unwrap_or_else(|| Arc::new(Conversation::new(key, 0, now_ms()))));
        Ok(())
    }

    /// Whether it is known without the store that the call has not been made before.
    pub(super) fn is_first(&self) -> bool {
        let action = self.record.action.as_ref().map(|served| &served.action);
        !intent::may_be_a_repeat(&self.record.call, action)
    }
}
