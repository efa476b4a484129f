//! Taking the intent of a call, or waiting for the one who has it.

use std::sync::Arc;

use crate::conversation::change::Change;
use crate::conversation::{Claim, ClaimKey, Claimed, Ended, StoreError};
use crate::egress::Deadline;
use crate::tool::{ToolCall, ToolResult};

use super::failure::Failure;
use super::{Admitted, CallControl, Gateway, learning};

/// Who has the intent of a call.
enum Taken {
    /// The call itself. The number tells it from earlier calls of its claim.
    Fresh(u64),
    /// Another call, with this result.
    Settled(Arc<ToolResult>),
}

impl Gateway {
    /// Takes the call's intent, or gives the result of the call that has it.
    pub(super) async fn claim(
        &self,
        admitted: &mut Admitted<'_>,
        call: &ToolCall,
        control: &CallControl,
    ) -> Result<Option<Arc<ToolResult>>, Failure> {
        let Some(claim) = &admitted.claim else { return admitted.may_begin().map(|()| None) };
        match self.take(claim, admitted.deadline, call, control).await {
            // Only a call that begins is asked: what was done before is told all the same.
            Ok(Taken::Fresh(earlier)) => {
                admitted.earlier = earlier;
                let begun = admitted.may_begin();
                if let (Err(_), Some(claim)) = (&begun, &admitted.claim) {
                    self.give_back(claim, admitted.deadline).await;
                }
                begun.map(|()| None)
            }
            Ok(Taken::Settled(result)) => Ok(Some(result)),
            // That it has ended counts for more: no other call can be made in it either.
            Err(failure @ Failure::TooManyCalls { .. }) => admitted.may_begin().and(Err(failure)),
            Err(failure) => Err(failure),
        }
    }

    /// The result of the call that has the intent of one that cannot begin: what it needs may have gone since, or the
    /// action. To take this for a call of which nothing was done would have it done twice.
    pub(super) async fn done_before(
        &self,
        known: Option<Box<(Claim, Deadline)>>,
        call: &ToolCall,
        control: &CallControl,
    ) -> Result<Option<Arc<ToolResult>>, Failure> {
        let Some((claim, deadline)) = known.map(|known| *known) else { return Ok(None) };
        Ok(match self.take(&claim, deadline, call, control).await? {
            Taken::Fresh(_) => None,
            Taken::Settled(result) => Some(result),
        })
    }

    async fn give_back(&self, claim: &Claim, deadline: Deadline) {
        learning::note(deadline.within(self.shared.store.release(claim)).await);
    }

    /// Takes an intent, or gives the result of the call that has it.
    async fn take(
        &self,
        claim: &Claim,
        deadline: Deadline,
        call: &ToolCall,
        control: &CallControl,
    ) -> Result<Taken, Failure> {
        let store = &self.shared.store;
        let is_safe = !claim.is_write;
        // Whoever sends an id may have sent it before.
        let is_first = is_safe || !call.id_is_given;
        loop {
            let Ok(claimed) = deadline.within(store.claim(claim)).await else {
                if !claim.only_looks {
                    // Nobody will use what may have been taken.
                    drop(store.release(claim));
                }
                return Err(Failure::StoreTooLate { safe: is_first });
            };
            let first = match claimed.map_err(|error| Failure::Store { error, safe: is_first })? {
                Claimed::Fresh { earlier } => return Ok(Taken::Fresh(earlier)),
                Claimed::TooManyCalls(most) => {
                    return Err(Failure::TooManyCalls { action: claim.action.clone(), most });
                }
                Claimed::Lost => return Err(Failure::Lost),
                Claimed::Settled(result) => {
                    control.tell_of(claim.key);
                    return Ok(Taken::Settled(result));
                }
                Claimed::UnderWay => claim.key,
                Claimed::Twin(first) => first,
            };
            let ended = self.ended(first, deadline, control).await;
            if first != claim.key {
                // The twin's result is this call's too; without one, its claim goes back.
                if let Some(Ok(Ended::Settled(result))) = &ended {
                    learning::note(deadline.within(store.settle(claim, result, Change::default())).await);
                } else {
                    self.give_back(claim, deadline).await;
                }
            }
            match ended {
                Some(Ok(Ended::Settled(result))) => {
                    control.tell_of(first);
                    return Ok(Taken::Settled(result));
                }
                Some(Ok(Ended::Lost)) => return Err(Failure::Lost),
                // Where nothing was sent after all, this call takes its place.
                Some(Ok(Ended::Free)) => {}
                Some(Err(error)) => return Err(Failure::Store { error, safe: is_safe }),
                None => return Err(Failure::InProgress { safe: is_safe }),
            }
        }
    }

    /// Waits for the end of another call; `None` where the deadline comes first. Who goes without its result leaves it
    /// as if it had been hung up on: others may be waiting, or nobody.
    async fn ended(
        &self,
        first: ClaimKey,
        deadline: Deadline,
        control: &CallControl,
    ) -> Option<Result<Ended, StoreError>> {
        if let Some(first) = self.shared.under_way.of_claim(&first) {
            control.join(first);
        }
        let ended = deadline.within(self.shared.store.ended(first)).await.ok();
        match &ended {
            // Until this call's caller has it too, this is one of those who wait for it.
            Some(Ok(Ended::Settled(_))) => {}
            Some(Ok(Ended::Free | Ended::Lost)) => control.leave(),
            Some(Err(_)) | None => self.leave_to_nobody(control.give_up()).await,
        }
        ended
    }
}

impl Admitted<'_> {
    /// Whether the conversation takes one more call: it goes on, and where its
    /// caller carries it, the action has calls left; those in the store are counted there.
    fn may_begin(&self) -> Result<(), Failure> {
        let action = &self.target.action;
        let Some(known) = &self.conversation else { return Ok(()) };
        // What runs at its end runs after it.
        if action.on.is_none() && known.has_ended() {
            return Err(Failure::ConversationEnded);
        }
        let Some(most) = action.guards.max_calls.filter(|_| self.is_carried) else { return Ok(()) };
        let name = action.name.as_str();
        let begun = known.calls.get(name).map_or(0, |calls| calls.begun);
        if begun < most { Ok(()) } else { Err(Failure::TooManyCalls { action: name.to_owned(), most }) }
    }
}
