//! Why there is no store in Redis.

/// Why there is no store in Redis.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// An address is none. It may hold a password, so that it is not shown.
    #[error(
        "the `{setting}` of [store] is no address of a Redis server ({reason}); such as {}",
        example(setting)
    )]
    Address {
        /// The setting that has it.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of certificates cannot be used.
    #[error("the `{setting}` of [store] cannot be used: {reason}")]
    File {
        /// The setting that names it.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// No thread can be started.
    #[error("cannot start the store's thread")]
    Thread(#[source] std::io::Error),
}

fn example(setting: &str) -> &'static str {
    match setting {
        "nodes" => "10.0.0.2:6379",
        "sentinels" => "10.0.0.2:26379",
        _ => "redis://127.0.0.1:6379/0",
    }
}

impl RedisError {
    pub(super) fn address(setting: &'static str, reason: String) -> Self {
        Self::Address { setting, reason }
    }

    /// The setting of `[store]` that is wrong, if one is.
    pub fn setting(&self) -> Option<&'static str> {
        match self {
            Self::Address { setting, .. } | Self::File { setting, .. } => Some(setting),
            Self::Thread(_) => None,
        }
    }
}
