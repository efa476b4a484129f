//! Cancelling: calls that are withdrawn by their id, and callers who hang up.

use crate::conversation::ClaimKey;
use crate::egress::Deadline;
use crate::executor::control::CallControl;
pub use crate::executor::control::CancelError;
use crate::executor::gateway::Gateway;
use crate::executor::storing::{self, STORING};
use crate::tool::{Cancellation, Scope};

impl Gateway {
    /// Cancels the call under way that has this id, if it is not sent yet; says
    /// which of the two it was. Several calls of one id and one conversation
    /// are one.
    ///
    /// # Errors
    ///
    /// There is no such call, or several conversations have one.
    pub fn cancel(
        &self,
        scope: &Scope,
        id: &str,
        conversation: Option<&str>,
    ) -> Result<Cancellation, CancelError> {
        self.shared.under_way.cancel(scope, id, conversation)
    }

    /// The caller of a call has hung up: cancels it if it is not sent and
    /// nobody else waits for it. What is sent runs to its end, and its result
    /// answers the same write when it comes again under another id.
    pub async fn hang_up(&self, control: &CallControl) {
        self.leave_to_nobody(control.hang_up()).await;
    }

    /// The caller of a call has its answer. Where it is that of an earlier call which had reached nobody, that one is
    /// answered too.
    pub async fn answered(&self, control: &CallControl) {
        if let Some(earlier) = control.told.get() {
            let adopted = self.shared.store.adopt(*earlier);
            storing::note(Deadline::after(STORING).within(adopted).await);
        }
    }

    /// Keeps the result of a call that everybody has hung up on for the same write under another id.
    pub(super) async fn leave_to_nobody(&self, claim: Option<ClaimKey>) {
        if let Some(claim) = claim {
            let orphaned = self.shared.store.orphan(claim);
            storing::note(Deadline::after(STORING).within(orphaned).await);
        }
    }
}
