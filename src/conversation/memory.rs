//! Variables of conversations, in memory: bounded in number, size and time.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::action::output::{self, Extracted};
use crate::action::variables;

/// How long a conversation is remembered after its last call.
const TIME_TO_LIVE: Duration = Duration::from_secs(2 * 60 * 60);
/// Most conversations remembered; the oldest give way.
const MAX_CONVERSATIONS: usize = 100_000;
/// Most bytes of variables in one conversation, as JSON.
const MAX_BYTES: usize = 256 * 1024;
/// Most hidden texts that are looked for in one conversation's answers.
const MAX_CONCEALED: usize = 200;
/// Locks, so that calls of different conversations do not wait for each other.
const SHARDS: usize = 16;

/// The variables of running conversations.
#[derive(Debug)]
pub struct Conversations {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Shard {
    conversations: HashMap<(String, String), Conversation>,
}

#[derive(Debug)]
struct Conversation {
    variables: Map<String, Value>,
    /// What models must not see of the variables.
    concealed: Arc<Vec<String>>,
    bytes: usize,
    used: Instant,
}

impl Default for Conversations {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }
}

impl Conversations {
    /// The variables of a conversation, nested as templates see them.
    pub fn variables(&self, environment: &str, id: &str) -> Map<String, Value> {
        let key = (environment.to_owned(), id.to_owned());
        let mut shard = self.shard(&key);
        let Some(conversation) = shard.conversations.get_mut(&key) else { return Map::new() };
        if conversation.used.elapsed() > TIME_TO_LIVE {
            shard.conversations.remove(&key);
            return Map::new();
        }
        conversation.used = Instant::now();
        conversation.variables.clone()
    }

    /// What models must not see of the conversation's variables: the texts
    /// of hidden ones.
    pub fn concealed(&self, environment: &str, id: &str) -> Arc<Vec<String>> {
        let key = (environment.to_owned(), id.to_owned());
        let shard = self.shard(&key);
        shard.conversations.get(&key).map(|conversation| conversation.concealed.clone()).unwrap_or_default()
    }

    /// Remembers what a call extracted. A variable that does not fit (a
    /// conflict of names, too many bytes) is left out and logged by name.
    pub fn remember(&self, environment: &str, id: &str, extracted: &[Extracted]) {
        if extracted.is_empty() {
            return;
        }
        let key = (environment.to_owned(), id.to_owned());
        let mut shard = self.shard(&key);
        shard.make_room();
        let conversation = shard.conversations.entry(key).or_insert_with(|| Conversation {
            variables: Map::new(),
            concealed: Arc::default(),
            bytes: 0,
            used: Instant::now(),
        });
        conversation.used = Instant::now();
        for variable in extracted {
            let bytes = variable.name.len() + variable.value.to_string().len();
            if conversation.bytes + bytes > MAX_BYTES {
                // The running total counts values that were replaced since.
                conversation.bytes = Value::Object(conversation.variables.clone()).to_string().len();
            }
            if conversation.bytes + bytes > MAX_BYTES {
                tracing::warn!(variable.name = %variable.name, "variable not remembered: the conversation holds too much");
                continue;
            }
            match variables::insert(&mut conversation.variables, &variable.name, variable.value.clone()) {
                Ok(()) => {
                    conversation.bytes += bytes;
                    if variable.hidden {
                        conversation.conceal(&variable.value);
                    }
                }
                Err(error) => {
                    tracing::warn!(variable.name = %variable.name, %error, "variable not remembered");
                }
            }
        }
    }

    fn shard(&self, key: &(String, String)) -> MutexGuard<'_, Shard> {
        let at = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Conversation {
    fn conceal(&mut self, value: &Value) {
        let texts = output::sought_texts(value);
        let new: Vec<String> = texts.into_iter().filter(|text| !self.concealed.contains(text)).collect();
        if !new.is_empty() {
            let concealed = Arc::make_mut(&mut self.concealed);
            concealed.extend(new);
            // Longest first, so that no part of one is left standing.
            concealed.sort_by_key(|text| std::cmp::Reverse(text.len()));
            concealed.truncate(MAX_CONCEALED);
        }
    }
}

impl Shard {
    /// Forgets what is over, and the oldest where there are still too many.
    fn make_room(&mut self) {
        if self.conversations.len() < MAX_CONVERSATIONS / SHARDS {
            return;
        }
        self.conversations.retain(|_, conversation| conversation.used.elapsed() <= TIME_TO_LIVE);
        let over = (self.conversations.len() + 1).saturating_sub(MAX_CONVERSATIONS / SHARDS);
        if over == 0 {
            return;
        }
        // Forgets a tenth at once, so that the sort is paid rarely.
        let count = over.max(MAX_CONVERSATIONS / SHARDS / 10);
        let mut ages: Vec<Instant> =
            self.conversations.values().map(|conversation| conversation.used).collect();
        ages.sort_unstable();
        if let Some(limit) = ages.get(count.min(ages.len()) - 1).copied() {
            self.conversations.retain(|_, conversation| conversation.used > limit);
        }
    }
}
