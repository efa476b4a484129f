//! What becomes of the claim of a call that does not come to its end: its future is dropped, or a bug of ours breaks it.

use std::sync::Arc;

use crate::conversation::change::Change;

use super::failure::Failure;
use super::result;
use super::stage::Call;

impl Call<'_> {
    /// Lets go of the claim, if the call has one, and waits for nothing. Where nothing was sent, or only a read, the intent
    /// is free again. Else nobody knows what was done: whoever comes with the same intent is told so.
    pub(super) fn let_go(&mut self) {
        let Some(claim) = self.claim.take().filter(|claim| !claim.only_looks) else { return };
        let store = &self.gateway.shared.store;
        if !(self.record.was_sent && claim.is_write) {
            store.release(&claim).detach();
            return;
        }
        let lost = result::of(&self.record, &self.deployment, Err(Failure::Lost), None);
        store.settle(&claim, &Arc::new(lost.result), Change::default()).detach();
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.let_go();
    }
}
