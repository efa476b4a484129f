//! Checked → claimed: taking the intent of the call, or waiting for the one who has it.

use std::sync::Arc;

use crate::conversation::change::Change;
use crate::conversation::{Claim, ClaimKey, Claimed as Taken, Ended, StoreError};
use crate::executor::storing;

use super::failure::Failure;
use super::intent;
use super::phases::Phase;
use super::stage::{Access, Call, Checked, Claimed, Stop};

impl<'c, 'a> Checked<'c, 'a> {
    /// Takes the call's intent, or stops with the result of the call that has it.
    pub(super) async fn claim(self) -> Result<Claimed<'c, 'a>, Stop> {
        let Self { call, served, values, say, claim } = self;
        call.reached("checked", Some(Phase::Claim));
        let earlier = match claim {
            None => 0,
            Some(claim) => {
                let began = std::time::Instant::now();
                let taken = call.take(claim).await;
                call.record.spent.waiting += began.elapsed();
                match taken {
                    Ok(earlier) => earlier,
                    // That the conversation has ended counts for more: no other call can be made in it either.
                    Err(Stop::Failed(failure @ Failure::TooManyCalls { .. })) => {
                        call.may_begin()?;
                        return Err(failure.into());
                    }
                    Err(stop) => return Err(stop),
                }
            }
        };
        // Only a call that begins is asked: what was done before is told all the same.
        if let Err(failure) = call.may_begin() {
            call.give_back().await;
            return Err(failure.into());
        }
        Ok(Claimed { call, served, values, say, earlier })
    }
}

impl Call<'_> {
    /// What becomes of a call that cannot begin, for `failure`: what it needs may have gone since it was made first, or the
    /// action. To take this for a call of which nothing was done would have it done twice.
    pub(super) async fn done_before_or(&mut self, failure: Failure) -> Stop {
        if self.access == Access::Look {
            return Stop::Failed(failure);
        }
        let action = self.record.action.as_ref().map(|served| &served.action);
        let (call, digest) = (&self.record.call, self.record.digest);
        let Some(claim) = intent::known(call, self.whose(), action, digest, self.next_holder()) else {
            return Stop::Failed(failure);
        };
        let began = std::time::Instant::now();
        let taken = self.take(claim).await;
        self.claim = None;
        self.record.spent.waiting += began.elapsed();
        // What was done is told, and not what is in its way by now.
        taken.map_or_else(|stop| stop, |_| Stop::Failed(failure))
    }

    /// Lets others take the intent.
    async fn give_back(&mut self) {
        let Some(claim) = self.claim.take().filter(|claim| !claim.only_looks) else { return };
        storing::note(self.deadline.within(self.gateway.shared.store.release(&claim)).await);
    }

    /// Takes an intent, which the call holds from then on; else stops with what came of the call that has it.
    /// Gives a number that tells the call from earlier calls of its claim.
    async fn take(&mut self, claim: Claim) -> Result<u64, Stop> {
        let (store, deadline, claim) = (&self.gateway.shared.store, self.deadline, Arc::new(claim));
        let is_safe = !claim.is_write;
        // Whoever sends an id may have sent it before.
        let is_first = is_safe || !self.record.call.id_is_given;
        loop {
            // It may be taken as soon as the store is asked. Whatever ends the call then lets go of it.
            self.claim = Some(claim.clone());
            let Ok(claimed) = deadline.within(store.claim(&claim)).await else {
                self.let_go();
                return Err(Failure::StoreTooLate { safe: is_first }.into());
            };
            let first = match claimed {
                Ok(Taken::Fresh { earlier }) => return Ok(earlier),
                Ok(Taken::Twin(first)) => first,
                another => {
                    self.claim = None;
                    match another.map_err(|error| Failure::Store { error, safe: is_first })? {
                        Taken::TooManyCalls(most) => {
                            let action = claim.action.clone();
                            return Err(Failure::TooManyCalls { action, most }.into());
                        }
                        Taken::Lost => return Err(Failure::Lost.into()),
                        Taken::Settled(result) => {
                            self.control.tell_of(claim.key);
                            return Err(Stop::Replayed(result));
                        }
                        Taken::UnderWay | Taken::Fresh { .. } | Taken::Twin(_) => claim.key,
                    }
                }
            };
            let ended = self.ended(first).await;
            match &ended {
                // The twin's result is this call's too; without one, its claim goes back.
                Some(Ok(Ended::Settled(result))) if self.claim.take().is_some() => {
                    storing::note(deadline.within(store.settle(&claim, result, Change::default())).await);
                }
                _ => self.give_back().await,
            }
            match ended {
                Some(Ok(Ended::Settled(result))) => {
                    self.control.tell_of(first);
                    return Err(Stop::Replayed(result));
                }
                Some(Ok(Ended::Lost)) => return Err(Failure::Lost.into()),
                // Where nothing was sent after all, this call takes its place.
                Some(Ok(Ended::Free)) => {}
                Some(Err(error)) => return Err(Failure::Store { error, safe: is_safe }.into()),
                None => return Err(Failure::InProgress { safe: is_safe }.into()),
            }
        }
    }

    /// Waits for the end of another call; `None` where the deadline comes first. Who goes without its result leaves it
    /// as if it had been hung up on: others may be waiting, or nobody.
    async fn ended(&self, first: ClaimKey) -> Option<Result<Ended, StoreError>> {
        if let Some(first) = self.gateway.shared.under_way.of_claim(&first) {
            self.control.join(first);
        }
        let ended = self.deadline.within(self.gateway.shared.store.ended(first)).await.ok();
        match &ended {
            // Until this call's caller has it too, this is one of those who wait for it.
            Some(Ok(Ended::Settled(_))) => {}
            Some(Ok(Ended::Free | Ended::Lost)) => self.control.leave(),
            Some(Err(_)) | None => self.gateway.leave_to_nobody(self.control.give_up()).await,
        }
        ended
    }

    /// Whether the conversation takes one more call: it goes on, and where its
    /// caller carries it, the action has calls left; those in the store are counted there.
    fn may_begin(&self) -> Result<(), Failure> {
        let (Some(served), Some(known)) = (&self.record.action, &self.record.conversation) else {
            return Ok(());
        };
        let action = &served.action;
        // What runs at its end runs after it.
        if action.on.is_none() && known.has_ended() {
            return Err(Failure::ConversationEnded);
        }
        let most = action.guards.max_calls.filter(|_| self.carried.is_some());
        let Some(most) = most else { return Ok(()) };
        let name = action.name.as_str();
        let begun = known.calls.get(name).map_or(0, |calls| calls.begun);
        if begun < most { Ok(()) } else { Err(Failure::TooManyCalls { action: name.to_owned(), most }) }
    }
}
