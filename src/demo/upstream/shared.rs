//! What the routes of the example upstream share, part by part.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One part of what the example upstream remembers. A clone is a pointer.
///
/// Its lock is held for a lookup or a change and never across an `await`.
#[derive(Debug, Default)]
pub(super) struct Shared<T>(Arc<Mutex<T>>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Shared<T> {
    /// Locks the part. What a panicking holder left behind is whole: every change is
    /// one insertion or one assignment.
    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
