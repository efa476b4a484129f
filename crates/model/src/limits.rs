//! How much of an answer is kept: it comes from outside.

use super::reply::StreamError;

/// Most bytes of one event.
pub(crate) const MAX_EVENT: usize = 1024 * 1024;
/// Most bytes of an answer that is no stream.
pub(crate) const MAX_WHOLE: usize = 4 * 1024 * 1024;
/// Most bytes of all that is said, thinking inside of it among them.
pub(crate) const MAX_TEXT: usize = 1024 * 1024;
/// Most bytes of all arguments.
pub(crate) const MAX_ARGUMENTS: usize = 1024 * 1024;
/// Most bytes of the events of which something else is kept for the next request.
pub(crate) const MAX_KEPT: usize = 2 * 1024 * 1024;
/// The highest index of a call, a block or an item.
pub(crate) const MAX_INDEX: u64 = 128;

/// A sum of bytes that may not pass its limit.
#[derive(Debug)]
pub(crate) struct Budget {
    used: usize,
    most: usize,
    what: &'static str,
}

impl Budget {
    /// For the arguments of all calls.
    pub(crate) fn arguments() -> Self {
        Self { used: 0, most: MAX_ARGUMENTS, what: "the arguments" }
    }

    /// For what goes back as it came.
    pub(crate) fn kept() -> Self {
        Self { used: 0, most: MAX_KEPT, what: "what is kept of the answer" }
    }

    /// Takes `bytes` more.
    ///
    /// # Errors
    ///
    /// It is too much.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), StreamError> {
        self.used = self.used.saturating_add(bytes);
        if self.used > self.most { Err(StreamError::TooLarge(self.what)) } else { Ok(()) }
    }
}

/// Judges an index, or how many there are before one that is new.
///
/// # Errors
///
/// It is too high.
pub(crate) fn index(index: u64) -> Result<u64, StreamError> {
    if index > MAX_INDEX { Err(StreamError::TooLarge("the index of a part")) } else { Ok(index) }
}
