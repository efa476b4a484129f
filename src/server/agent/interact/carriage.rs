//! A conversation that travels with its requests: its variables and state, and what agents have done in it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::agent::Carrier;
use crate::conversation::{Carried, ConversationKey};
use crate::executor::Gateway;
use crate::tool::ToolResult;

/// The conversation of one request, while the request runs.
pub(in crate::server::agent) struct Carriage {
    gateway: Gateway,
    load: Mutex<Load>,
}

struct Load {
    carried: Arc<Carried>,
    /// The results of the current round, in the order of its calls.
    round: Vec<Option<Arc<ToolResult>>>,
    turns: Vec<Arc<str>>,
}

impl Carriage {
    pub(super) fn new(gateway: Gateway, carried: Carried, turns: Vec<Arc<str>>) -> Self {
        let load = Load { carried: Arc::new(carried), round: Vec::new(), turns };
        Self { gateway, load: Mutex::new(load) }
    }

    /// Which conversation it is.
    pub(super) fn key(&self) -> ConversationKey {
        self.carried().conversation().key.clone()
    }

    /// Begins a round of so many calls; returns the load that all of them start from.
    pub(in crate::server::agent) fn begin_round(&self, calls: usize) -> Arc<Carried> {
        self.with(|load| {
            load.round = vec![None; calls];
            load.carried.clone()
        })
    }

    /// Takes the result of a call of the round.
    pub(in crate::server::agent) fn ended(&self, at: usize, result: Arc<ToolResult>) {
        let mut load = self.load.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = load.round.get_mut(at) {
            *place = Some(result);
        }
    }

    /// Forgets what agents have done before.
    pub(super) fn begin_anew(&self) {
        self.with(|load| load.turns.clear());
    }

    /// Ends the conversation.
    pub(super) fn end(&self) {
        self.with(|load| {
            if let Some(ended) = self.gateway.end_state(&load.carried) {
                load.carried = Arc::new(ended);
            }
        });
    }

    /// Applies the results of the finished round, then runs `of`.
    fn with<T>(&self, of: impl FnOnce(&mut Load) -> T) -> T {
        let mut load = self.load.lock().unwrap_or_else(PoisonError::into_inner);
        let results: Vec<Arc<ToolResult>> = std::mem::take(&mut load.round).into_iter().flatten().collect();
        if !results.is_empty() {
            let text = self.gateway.state_after(&load.carried, &results);
            // If nothing was learned, there is nothing to open: an empty text would begin another conversation.
            if text != load.carried.text() {
                let scope = load.carried.conversation().key.scope().clone();
                match self.gateway.open_state(&scope, None, text) {
                    Ok(next) => load.carried = Arc::new(next),
                    Err(error) => tracing::error!(%error, "what calls have learned is lost"),
                }
            }
        }
        of(&mut load)
    }
}

impl Carrier for Carriage {
    fn carried(&self) -> Arc<Carried> {
        self.with(|load| load.carried.clone())
    }

    fn turns(&self) -> Vec<Arc<str>> {
        self.with(|load| load.turns.clone())
    }

    fn add_turn(&self, text: &str) {
        if text.is_empty() {
            tracing::warn!("a turn is too long to be kept");
            return;
        }
        self.with(|load| load.turns.push(text.into()));
    }
}

impl fmt::Debug for Carriage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Carriage").finish_non_exhaustive()
    }
}
