//! Conversations that their callers carry: opened before a call, sealed after it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::conversation::change::{Change, Refusal, Refused};
use crate::conversation::{Carried, ConversationKey, DEFAULT_TTL, Step, millis, now_ms};
use crate::secrets::Keyring;
use crate::tool::{Scope, ToolCall, ToolResult};

use crate::executor::storing::note_refused;

/// What states are sealed for; they open as nothing else.
const PURPOSE: &str = "state";
/// The same for the turns of a conversation.
const TURNS: &str = "turns";
/// As many bytes of turns travel, as they are before they are sealed; the oldest stay behind.
const MAX_TURN_BYTES: usize = 192 * 1024;

/// Bounds of sealed states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateLimits {
    /// How long a state can be used after it was given out.
    pub ttl: Duration,
    /// The longest state, in characters.
    pub max_bytes: usize,
}

impl Default for StateLimits {
    fn default() -> Self {
        Self { ttl: DEFAULT_TTL, max_bytes: 64 * 1024 }
    }
}

/// The keys of each environment, and how long and how large states may be.
#[derive(Debug, Default)]
pub struct States {
    keyrings: HashMap<String, Arc<Keyring>>,
    limits: StateLimits,
}

/// Why a state is not taken. What may be the work of somebody who tries things
/// out is all told as [`StateError::Invalid`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The environment has no keys.
    #[error(
        "environment `{0}` takes no `state`, for it has no key of [sealing] in callgate.toml: leave `state` out, and send a `conversation_id`"
    )]
    Off(String),
    /// It is longer than any that was given out.
    #[error("`state` has {length} characters; {most} are allowed")]
    TooLarge {
        /// How long it is.
        length: usize,
        /// How long it may be.
        most: usize,
    },
    /// It was changed, or is another's.
    #[error(
        "`state` is not one that was given out here for this environment: send the one of the last reply, unchanged, or \"\" to begin anew"
    )]
    Invalid,
    /// It belongs to another conversation.
    #[error("`state` belongs to another conversation than `conversation_id` says")]
    OtherConversation,
    /// It is too old.
    #[error("`state` has expired: begin a new conversation with \"\"")]
    Expired,
    /// There is no id for a conversation.
    #[error("the system gives no random numbers")]
    NoRandomNumbers,
}

impl States {
    /// States of the environments that have keys.
    pub fn new(keyrings: HashMap<String, Arc<Keyring>>, limits: StateLimits) -> Self {
        Self { keyrings, limits }
    }

    /// The keys of an environment.
    pub fn keyring(&self, environment: &str) -> Option<&Arc<Keyring>> {
        self.keyrings.get(environment)
    }

    /// Opens the state that a request for `scope` came with; an empty one
    /// begins a conversation, under the id that the caller gives or a made-up one.
    ///
    /// # Errors
    ///
    /// The state is not to be used; nothing must be done with it.
    pub fn open(
        &self,
        scope: &Scope,
        conversation_id: Option<&str>,
        text: String,
    ) -> Result<Carried, StateError> {
        let environment = scope.environment();
        let keyring = self.keyring(environment).ok_or_else(|| StateError::Off(environment.to_owned()))?;
        if text.is_empty() {
            return self.begin(scope, conversation_id);
        }
        let (length, most) = (text.len(), self.limits.max_bytes);
        if length > most {
            return Err(StateError::TooLarge { length, most });
        }
        let opened = keyring.open(PURPOSE, scope.name(), &text).map_err(|error| {
            tracing::warn!(environment, %error, "a state was refused");
            StateError::Invalid
        });
        let carried = Carried::read(scope, &opened?, text, self.ttl_ms()).ok_or(StateError::Invalid)?;
        let known = carried.conversation();
        if conversation_id.is_some_and(|id| id != known.key.id()) {
            return Err(StateError::OtherConversation);
        }
        if known.expires_at_ms <= now_ms() {
            return Err(StateError::Expired);
        }
        Ok(carried)
    }

    fn begin(&self, scope: &Scope, conversation_id: Option<&str>) -> Result<Carried, StateError> {
        let id = match conversation_id {
            Some(id) => id.to_owned(),
            None => {
                let random = || getrandom::u64().map_err(|_| StateError::NoRandomNumbers);
                format!("conv_{:016x}{:016x}", random()?, random()?)
            }
        };
        let key = ConversationKey::of(scope.clone(), &id);
        Ok(Carried::begin(key, conversation_id.is_some(), self.ttl_ms(), now_ms()))
    }

    /// The state after a call that came with `before` and makes `change`.
    pub(in crate::executor) fn after(
        &self,
        before: &Carried,
        call: &ToolCall,
        was_sent: bool,
        change: &Change,
    ) -> String {
        let step = before.step_of(&call.id, &call.name, call.arguments.get(), was_sent, change);
        let next = self.next(before, step, change, now_ms().saturating_add(self.ttl_ms()));
        self.seal(&next).unwrap_or_else(|| before.text().to_owned())
    }

    /// The state after a call that came with `before` and is answered with the
    /// result of an earlier one: the very state of that answer where it came
    /// with the same state, else one that has the earlier call's outputs too.
    pub(in crate::executor) fn after_replay(
        &self,
        before: &Carried,
        call: &ToolCall,
        first: &ToolResult,
    ) -> String {
        let scope = before.conversation().key.scope();
        let Some((text, then)) =
            first.state.as_ref().and_then(|text| Some((text, self.reopen(scope, text)?)))
        else {
            return self.after(before, call, false, &Change::default());
        };
        if then.follows(before) {
            return text.clone();
        }
        let expires_at_ms = now_ms().saturating_add(self.ttl_ms());
        let next = self.absorb(before, &then, expires_at_ms);
        self.seal(&next).unwrap_or_else(|| before.text().to_owned())
    }

    /// The state after several calls that all came with `before`: what each of
    /// them did, in their order, so that of two that set the same variable the
    /// later one stands.
    pub(super) fn after_all<'r>(
        &self,
        before: &Carried,
        results: impl IntoIterator<Item = &'r ToolResult>,
    ) -> String {
        let scope = before.conversation().key.scope();
        let mut all: Option<Carried> = None;
        for result in results {
            let Some(then) = result.state.as_ref().and_then(|text| self.reopen(scope, text)) else {
                continue;
            };
            all = Some(match &all {
                // What follows `before` has everything of it.
                None if then.follows(before) => then,
                None => self.absorb(before, &then, then.conversation().expires_at_ms),
                Some(all) => self.absorb(all, &then, then.conversation().expires_at_ms),
            });
        }
        all.and_then(|all| self.seal(&all)).unwrap_or_else(|| before.text().to_owned())
    }

    /// `before` with what the last call of `then` did, unless it is there already.
    fn absorb(&self, before: &Carried, then: &Carried, expires_at_ms: u64) -> Carried {
        if before.includes(then.step()) {
            return before.renewed(expires_at_ms);
        }
        self.next(before, then.step().clone(), &then.last_change(), expires_at_ms)
    }

    fn next(&self, before: &Carried, step: Step, change: &Change, expires_at_ms: u64) -> Carried {
        // A little is kept free for counters, so that later calls have room for those.
        let most = self.limits.max_bytes - self.limits.max_bytes / 16;
        let fits = |next: &Carried| Keyring::sealed_length(next.to_bytes().len()) <= most;
        let (next, refused) = before.next(step, change, expires_at_ms, fits);
        note_refused(&refused);
        next
    }

    /// The state after `before` in which its caller makes `change` between two requests: all of it or nothing.
    pub(super) fn changed(&self, before: &Carried, change: &Change) -> Result<Carried, Vec<Refused>> {
        let (changed, refused) = before.changed(change, now_ms());
        if !refused.is_empty() {
            return Err(refused);
        }
        let scope = before.conversation().key.scope();
        let read = |text| Carried::read(scope, &changed.to_bytes(), text, self.ttl_ms());
        self.seal(&changed).and_then(read).ok_or_else(|| {
            let too_large =
                |(name, _): &(String, _)| Refused { name: name.clone(), reason: Refusal::StateTooLarge };
            change.set.iter().map(too_large).collect()
        })
    }

    /// When a state was given out; of a conversation that begins, when it did.
    pub(super) fn given_out_ms(&self, carried: &Carried) -> u64 {
        let known = carried.conversation();
        known.expires_at_ms.saturating_sub(self.ttl_ms()).max(known.started_at_ms)
    }

    /// The text of a state, good for as long as one that was given out just now.
    pub(super) fn renewed(&self, carried: &Carried) -> Option<String> {
        self.seal(&carried.renewed(now_ms().saturating_add(self.ttl_ms())))
    }

    /// Seals the texts of turns for one conversation; `None` where the keys are gone.
    pub(super) fn seal_turns(&self, key: &ConversationKey, texts: &[Arc<str>]) -> Option<String> {
        let mut bytes = 0;
        let fits = |text: &&Arc<str>| {
            bytes += text.len();
            bytes <= MAX_TURN_BYTES
        };
        let mut kept: Vec<&str> = texts.iter().rev().take_while(fits).map(|text| &**text).collect();
        kept.reverse();
        let written = serde_json::to_vec(&kept).unwrap_or_default();
        self.keyring(key.environment())?.seal(TURNS, &context_of_turns(key), &written)
    }

    /// Opens what [`Self::seal_turns`] made for the same conversation.
    ///
    /// # Errors
    ///
    /// It is not such a text.
    pub(super) fn open_turns(&self, key: &ConversationKey, text: &str) -> Result<Vec<Arc<str>>, StateError> {
        let environment = key.environment();
        let keyring = self.keyring(environment).ok_or_else(|| StateError::Off(environment.to_owned()))?;
        let opened = keyring.open(TURNS, &context_of_turns(key), text).map_err(|error| {
            tracing::warn!(environment, %error, "the turns of a conversation were refused");
            StateError::Invalid
        });
        serde_json::from_slice(&opened?).map_err(|_| StateError::Invalid)
    }

    /// Opens a state that the gateway itself has kept, however old.
    fn reopen(&self, scope: &Scope, text: &str) -> Option<Carried> {
        let opened = self.keyring(scope.environment())?.open(PURPOSE, scope.name(), text);
        let bytes = opened.inspect_err(|error| tracing::warn!(%error, "a kept state cannot be used")).ok()?;
        Carried::read(scope, &bytes, String::new(), self.ttl_ms())
    }

    /// `None` where it is too large whatever is left out, or the keys are gone.
    fn seal(&self, carried: &Carried) -> Option<String> {
        let scope = carried.conversation().key.scope();
        let environment = scope.environment();
        let sealed = self.keyring(environment)?.seal(PURPOSE, scope.name(), &carried.to_bytes())?;
        if sealed.len() > self.limits.max_bytes {
            tracing::warn!(environment, length = sealed.len(), "a state is too large; the former one stands");
            return None;
        }
        Some(sealed)
    }

    fn ttl_ms(&self) -> u64 {
        millis(self.limits.ttl)
    }
}

/// What turns are bound to: one conversation of one scope.
fn context_of_turns(key: &ConversationKey) -> String {
    let scope = key.scope().name();
    format!("{}:{scope}{}", scope.len(), key.id())
}
