//! What one call learns, the next one uses: variables by conversation.

mod memory;

pub use self::memory::Conversations;
