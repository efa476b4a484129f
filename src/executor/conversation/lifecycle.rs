//! Conversations as their callers begin, change and end them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::conversation::change::{Change, Refused, Source, Variable};
use crate::conversation::event::{EventKind, EventPage, NewEvent};
use crate::conversation::{
    Conversation, ConversationKey, DEFAULT_TTL, ListPosition, Opened, Opening, StoreError, Summary,
    heap_bytes, now_ms,
};
use crate::secrets::MASK;
use crate::tool::Scope;

use crate::executor::aside::{Movable, Seat};
use crate::executor::gateway::{Gateway, WEIGHT_OF_MASKS};

use super::feed::{state_set, variables_set};
use super::hooks::{HookReport, Occasion};
use super::masks::Masks;

/// A variable that a caller sets.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenVariable {
    /// Its dotted name.
    pub name: String,
    /// The value.
    pub value: Value,
    /// Whether it is redacted in replies, logs and events.
    pub sensitive: bool,
    /// Whether it is kept from the model, wherever it turns up again.
    pub hidden: bool,
}

impl GivenVariable {
    pub(super) fn into_variable(self, set_at_ms: u64) -> (String, Variable) {
        let Self { name, value, sensitive, hidden } = self;
        let shown = (!hidden).then(|| value.clone());
        (name, Variable { value, shown, source: Source::Caller, sensitive, hidden, set_at_ms })
    }
}

/// How a conversation is to begin.
#[derive(Clone, Debug)]
pub struct ConversationStart {
    /// Which one.
    pub key: ConversationKey,
    /// How long it is kept after its last use; two hours where nothing is said.
    pub ttl: Option<Duration>,
    /// Its first variables.
    pub variables: Vec<GivenVariable>,
    /// The state that it is in.
    pub current_state: Option<String>,
    /// Who begins it, for the audit.
    pub caller: Option<String>,
}

/// What a caller changes about a conversation: all of it or nothing.
#[derive(Clone, Debug, Default)]
pub struct ConversationChange {
    /// Variables to take away, before others are set.
    pub unset: Vec<String>,
    /// Variables to set.
    pub variables: Vec<GivenVariable>,
    /// The state that it is in from now on.
    pub current_state: Option<String>,
}

/// Why something cannot be done with a conversation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConversationError {
    /// It is not there: it never began, or has been forgotten.
    #[error("there is no conversation `{}` in environment `{}`; it may have expired", .0.id(), .0.environment())]
    NotFound(ConversationKey),
    /// It is over.
    #[error("the conversation has ended and cannot be changed any more")]
    Ended,
    /// Variables that cannot be set; nothing was changed.
    #[error("{}; nothing was changed", sentences(.0))]
    Refused(Vec<Refused>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A bug of ours.
    #[error("the gateway failed to do this as a whole; look at the conversation to see what became of it")]
    Broken,
}

fn sentences(refused: &[Refused]) -> String {
    /// Refused variables that one sentence names.
    const NAMED: usize = 3;
    let named: Vec<String> = refused.iter().take(NAMED).map(sentence).collect();
    let more = refused.len().saturating_sub(NAMED);
    let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
    named.join("; ") + &rest
}

/// As [`Refused`] says it, with as much of the name as is worth saying.
fn sentence(refused: &Refused) -> String {
    let mut name: String = refused.name.chars().filter(|c| !c.is_control()).take(80).collect();
    if name.len() < refused.name.len() {
        name.push('…');
    }
    Refused { name, reason: refused.reason.clone() }.to_string()
}

/// A conversation that was asked to begin.
#[derive(Debug)]
pub struct StartedConversation {
    /// What is known of it.
    pub conversation: Arc<Conversation>,
    /// Whether it began just now.
    pub is_new: bool,
    /// What became of the actions that run at its start.
    pub start: Vec<HookReport>,
}

impl Gateway {
    /// The state of a conversation, whether it has begun or not.
    ///
    /// # Errors
    ///
    /// The store's own.
    pub async fn state_of(&self, key: &ConversationKey) -> Result<Option<String>, ConversationError> {
        let found = self.shared.store.find(key).await?;
        let state = found.and_then(|conversation| conversation.state.clone());
        Ok(state.or_else(|| self.deployment().conversations().initial_state.clone()))
    }

    /// Begins a conversation; one that is there already stays as it is. One that
    /// is new runs the actions marked `on: start`, for which this waits within
    /// their budget, and has connections ready. All of it is done, whether
    /// somebody waits for it or not: it begins once.
    ///
    /// # Errors
    ///
    /// Variables that cannot be set, or the store's own.
    pub async fn start_conversation(
        &self,
        start: ConversationStart,
    ) -> Result<StartedConversation, ConversationError> {
        let gateway = self.clone();
        self.to_its_end(async move { gateway.start(start).await }).await
    }

    async fn start(&self, start: ConversationStart) -> Result<StartedConversation, ConversationError> {
        let caller = start.caller.clone();
        let Opened { conversation, is_new } = self.begin(start).await?;
        let mut started = StartedConversation { conversation, is_new, start: Vec::new() };
        if !is_new {
            return Ok(started);
        }
        let (deployment, conversation) = (self.deployment(), started.conversation.clone());
        let key = &conversation.key;
        self.warm(&deployment, key.environment());
        let occasion = Occasion { conversation: &conversation, caller: caller.as_deref() };
        started.start = self.run_start_hooks(&deployment, occasion).await;
        if !started.start.is_empty()
            && let Ok(found) = self.find_conversation(key).await
        {
            // With what they have found out.
            started.conversation = found;
        }
        Ok(started)
    }

    /// Does `work` to its end, although its caller may hang up meanwhile.
    async fn to_its_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, ConversationError>> + Send + 'static,
    ) -> Result<T, ConversationError> {
        self.background.run(Movable::new(work)).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a conversation was not begun or ended as a whole");
            Err(ConversationError::Broken)
        })
    }

    async fn begin(&self, start: ConversationStart) -> Result<Opened, ConversationError> {
        let ConversationStart { key, ttl, variables, current_state, caller: _ } = start;
        let seat = self.seat_for(variables.iter().map(|given| &given.value)).await;
        let now = now_ms();
        let mut first = Change {
            set: variables.into_iter().map(|given| given.into_variable(now)).collect(),
            state: current_state,
            all_or_nothing: true,
            ..Change::default()
        };
        let mut begun = Conversation::new(key.clone(), 0, now);
        let refused = begun.apply(&first, now).refused;
        if !refused.is_empty() {
            return Err(ConversationError::Refused(refused));
        }
        let deployment = self.deployment();
        let masks = Masks::of(&deployment, &begun, &[]).ready();
        let state = first.state.as_deref().or(deployment.conversations().initial_state.as_deref());
        let state = state.map(|state| masks.text(state));
        let data = json!({"by": "caller", "current_state": state});
        let mut events = vec![NewEvent::now(EventKind::ConversationStarted, &data)];
        events.extend(variables_set(&masks, &first.set));
        first.events = events;
        drop(seat);
        let opening = Opening { ttl: ttl.unwrap_or(DEFAULT_TTL), first: Some(Arc::new(first)) };
        Ok(self.shared.store.open(&key, opening).await?)
    }

    /// What is known of a conversation; does not keep it from expiring.
    ///
    /// # Errors
    ///
    /// It is not there, or the store's own.
    pub async fn find_conversation(
        &self,
        key: &ConversationKey,
    ) -> Result<Arc<Conversation>, ConversationError> {
        let found = self.shared.store.find(key).await?;
        found.ok_or_else(|| ConversationError::NotFound(key.clone()))
    }

    /// Changes a conversation that goes on; gives what has become of it.
    ///
    /// # Errors
    ///
    /// It is not there or over, variables cannot be set, or the store's own.
    pub async fn change_conversation(
        &self,
        key: &ConversationKey,
        change: ConversationChange,
    ) -> Result<Arc<Conversation>, ConversationError> {
        let known = self.find_conversation(key).await?;
        if known.has_ended() {
            return Err(ConversationError::Ended);
        }
        let ConversationChange { unset, variables, current_state } = change;
        let all =
            variables.iter().map(|given| &given.value).chain(known.variables.values().map(|one| &one.value));
        let seat = self.seat_for(all).await;
        let now = now_ms();
        let set: Vec<_> = variables.into_iter().map(|given| given.into_variable(now)).collect();
        let deployment = self.deployment();
        let masks = Masks::of(&deployment, &known, &set).ready();
        let told = |data: &Value| NewEvent::now(EventKind::VariableSet, data);
        let gone = unset.iter().filter(|name| known.variables.contains_key(*name));
        let mut events: Vec<NewEvent> =
            gone.map(|name| told(&json!({"name": masks.text(name), "unset": true}))).collect();
        events.extend(variables_set(&masks, &set));
        let state = current_state.as_ref().filter(|state| known.state.as_ref() != Some(*state));
        events.extend(state.map(|state| state_set(&masks.text(state))));
        let (all_or_nothing, while_open) = (true, true);
        let change = Change {
            unset,
            set,
            state: current_state,
            events,
            all_or_nothing,
            while_open,
            ..Change::default()
        };
        drop(seat);
        let applied = self.shared.store.update(key, change).await?;
        if applied.was_ended {
            return Err(ConversationError::Ended);
        }
        if !applied.is_known {
            return Err(ConversationError::NotFound(key.clone()));
        }
        if !applied.refused.is_empty() {
            return Err(ConversationError::Refused(applied.refused));
        }
        self.find_conversation(key).await
    }

    /// Ends a conversation, once; it is kept until it expires, and what was done in it can be asked for.
    /// The actions marked `on: end` run in the background, also where nobody waits for the end itself.
    ///
    /// # Errors
    ///
    /// It is not there, or the store's own.
    pub async fn end_conversation(
        &self,
        key: &ConversationKey,
        caller: Option<&str>,
    ) -> Result<Arc<Conversation>, ConversationError> {
        let (gateway, key, caller) = (self.clone(), key.clone(), caller.map(str::to_owned));
        self.to_its_end(async move {
            gateway.end(&key).await?;
            let ended = gateway.find_conversation(&key).await?;
            // Each has a claim and is counted, so that whoever ends the conversation again does nothing twice.
            let occasion = Occasion { conversation: &ended, caller: caller.as_deref() };
            gateway.run_end_hooks(&gateway.deployment(), occasion).await;
            Ok(ended)
        })
        .await
    }

    async fn end(&self, key: &ConversationKey) -> Result<(), ConversationError> {
        let ended = NewEvent::now(EventKind::Ended, &json!({"by": "caller"}));
        let change = Change { end: true, events: vec![ended], all_or_nothing: true, ..Change::default() };
        let applied = self.shared.store.update(key, change).await?;
        if applied.is_known { Ok(()) } else { Err(ConversationError::NotFound(key.clone())) }
    }

    /// Ends a conversation and erases it: its variables and its events, of which no action marked `on: end` is told.
    /// What was done in it is still not done again; results that are kept for that are not erased.
    ///
    /// # Errors
    ///
    /// It is not there, or the store's own.
    pub async fn forget_conversation(&self, key: &ConversationKey) -> Result<(), ConversationError> {
        let (gateway, key) = (self.clone(), key.clone());
        self.to_its_end(async move {
            gateway.end(&key).await?;
            let was_there = gateway.shared.store.forget(&key).await?;
            if was_there { Ok(()) } else { Err(ConversationError::NotFound(key)) }
        })
        .await
    }

    /// The conversations of a scope, the last begun first: `limit` of
    /// them that stand behind `after`.
    ///
    /// # Errors
    ///
    /// The store's own.
    pub async fn list_conversations(
        &self,
        scope: &Scope,
        after: Option<ListPosition>,
        limit: usize,
    ) -> Result<Vec<Summary>, ConversationError> {
        let mut listed = self.shared.store.list(scope, after, limit).await?;
        if let Some(initial) = &self.deployment().conversations().initial_state {
            listed.iter_mut().for_each(|one| _ = one.state.get_or_insert_with(|| initial.clone()));
        }
        Ok(listed)
    }

    /// A page of the feed: `limit` events with numbers above `after`.
    ///
    /// # Errors
    ///
    /// The conversation is not there, or the store's own.
    pub async fn conversation_events(
        &self,
        key: &ConversationKey,
        after: u64,
        limit: usize,
    ) -> Result<EventPage, ConversationError> {
        let page = self.shared.store.events(key, after, limit).await?;
        if page.is_known { Ok(page) } else { Err(ConversationError::NotFound(key.clone())) }
    }

    /// Done when there may be an event with a number above `after`, or the
    /// conversation is gone.
    ///
    /// # Errors
    ///
    /// The store's own.
    pub async fn follow_conversation(
        &self,
        key: &ConversationKey,
        after: u64,
    ) -> Result<(), ConversationError> {
        Ok(self.shared.store.follow(key, after).await?)
    }

    /// A seat for work on these values, some of which may have to be masked. What cannot have one is done all the same:
    /// a conversation is no larger than it may be.
    async fn seat_for<'v>(&self, values: impl Iterator<Item = &'v Value>) -> Option<Seat> {
        let bytes: usize = values.map(heap_bytes).sum();
        let bytes = bytes.saturating_mul(WEIGHT_OF_MASKS);
        self.seat_if_any(bytes).await
    }

    /// The same conversation as its caller may see it: sensitive variables are
    /// masked, and no secret is in any of them.
    pub async fn shown(&self, conversation: &Conversation) -> Conversation {
        let _seat = self.seat_for(conversation.variables.values().map(|one| &one.value)).await;
        let deployment = self.deployment();
        let masks = Masks::sensitive(&deployment, conversation).ready();
        let variables = conversation.variables.iter().map(|(name, variable)| {
            let is_seen = !variable.sensitive;
            let value = if is_seen { masks.value(&variable.value) } else { Value::from(MASK) };
            let shown = variable.shown.as_ref().map(|_| value.clone());
            let shown = Variable { value, shown, ..(**variable).clone() };
            (masks.whole(name.clone()), Arc::new(shown))
        });
        let state = conversation.state.clone().map(|state| masks.whole(state));
        let state = state.or_else(|| deployment.conversations().initial_state.clone());
        Conversation { variables: Arc::new(variables.collect()), state, ..conversation.clone() }
    }
}
