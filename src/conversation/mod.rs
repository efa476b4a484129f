//! What one call learns, the next one uses; what is done once is not done
//! again; what happened can be read; what an agent did, it still knows: [`Store`].

pub mod change;
pub mod event;
mod bells;
pub mod call_entry;
pub mod entry;
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
mod time;

pub use self::carried::{Carried, Step};
pub use self::key::{ClaimKey, ConversationKey, MAX_NAME_BYTES, Slot};
pub use self::memory::{ClaimLimits, MemoryLimits, MemoryStore};
pub(crate) use self::record::first_part;
pub use self::record::{
    Calls, Conversation, MAX_BYTES, MAX_CONCEALED, MAX_DEPTH, MAX_VARIABLES, Summary, Variables, is_name,
};
#[cfg(feature = "redis")]
pub use self::redis::{RedisError, RedisServers, RedisStore};
pub use self::size::heap_bytes;
pub use self::sqlite::{SqliteError, SqliteLimits, SqliteStore};
use self::store::MAX_TWINS;
pub use self::store::{
    Answer, Claim, Claimed, Claims, Conversations, DEFAULT_TTL, Ended, Feed, IdTrust, ListPosition,
    MAX_LISTED, MAX_TTL, MAX_TURN_BYTES, MAX_TURN_TEXT, MAX_TURNS, Notes, Opened, Opening, Pending, Store,
    StoreError, Turns,
};
pub(crate) use self::time::millis;
pub use self::time::{now_ms, timestamp};
