//! Conversations that their callers carry: opened before a call, sealed after it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::conversation::change::Change;
use crate::conversation::{Carried, ConversationKey, DEFAULT_TTL, Step, millis, now_ms};
use crate::secrets::Keyring;
use crate::tool::{Scope, ToolCall, ToolResult};

use crate::executor::storing::note_refused;

/// What states are sealed for; they open as nothing else.
const PURPOSE: &str = "state";

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
