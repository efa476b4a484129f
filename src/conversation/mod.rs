//! What one call learns, the next one uses; what is done once is not done
//! again; what happened can be read: [`Store`].

pub mod change;
pub mod event;
mod bells;
mod carried;
mod course;
mod key;
mod memory;
mod record;
#[cfg(feature = "redis")]
mod redis;
mod size;
mod sqlite;
mod store;

pub use self::carried::{Carried, Step};
pub use self::key::{ClaimKey, ConversationKey, MAX_NAME_BYTES, Slot};
pub use self::memory::{ClaimLimits, MemoryLimits, MemoryStore};
pub use self::record::{
    Calls, Conversation, MAX_BYTES, MAX_CONCEALED, MAX_DEPTH, MAX_VARIABLES, is_name, timestamp,
};
#[cfg(feature = "redis")]
pub use self::redis::{RedisError, RedisStore};
pub use self::size::heap_bytes;
pub use self::sqlite::{SqliteError, SqliteLimits, SqliteStore};
pub use self::store::{
    Answer, Claim, Claimed, DEFAULT_TTL, Ended, IdTrust, ListPosition, MAX_LISTED, MAX_TTL, Opened, Opening,
    Store, StoreError, Summary,
};

use self::store::MAX_TWINS;

/// Milliseconds since 1970 (UTC), by the system's clock.
pub fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    millis(since)
}

/// A duration in whole milliseconds.
pub(crate) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
