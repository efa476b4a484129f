//! Executes the calls of a turn: like all other calls, but counted as part of the turn.

use std::sync::Arc;

use crate::agent::{BegunCall, CallWork, Tools};
use crate::dialect::Outcome;
use crate::executor::CallControl;
use crate::server::execution::{Waiting, execute_for};
use crate::server::state::{AppState, RunningCall};
use crate::tool::ToolCall;

use super::interact::carriage::Carriage;

/// Executes the calls of one turn.
#[derive(Clone)]
pub(super) struct Hands {
    state: AppState,
    /// The turn's place among the calls under way. The turn keeps it until its last call has ended.
    place: Arc<RunningCall>,
    /// The conversation, if the caller carries it.
    carriage: Option<Arc<Carriage>>,
}

impl Hands {
    pub(super) fn new(state: AppState, place: RunningCall) -> Self {
        Self { state, place: Arc::new(place), carriage: None }
    }

    /// The same, in a conversation that its caller carries.
    pub(super) fn carrying(self, carriage: Arc<Carriage>) -> Self {
        Self { carriage: Some(carriage), ..self }
    }
}

impl Tools for Hands {
    type Waiting = Waiting;

    fn begin(&self, calls: Vec<ToolCall>) -> Vec<BegunCall<Waiting>> {
        let carried = self.carriage.as_ref().map(|carriage| carriage.begin_round(calls.len()));
        let begin = |(at, call): (usize, ToolCall)| {
            let (control, started) = CallControl::heard(false);
            let (state, place, shared) = (self.state.clone(), self.place.clone(), control.clone());
            let (carriage, carried) = (self.carriage.clone(), carried.clone());
            let work: CallWork<Waiting> = Box::pin(async move {
                match execute_for(&state, call, carried, place, shared).await {
                    Ok((result, waiting)) => {
                        if let Some(carriage) = carriage {
                            carriage.ended(at, result.clone());
                        }
                        (Outcome::Done(result), Some(waiting))
                    }
                    Err(_) => (Outcome::Broken, None),
                }
            });
            BegunCall { control, started, work }
        };
        calls.into_iter().enumerate().map(begin).collect()
    }

    async fn answered(&self, waiting: Waiting) {
        waiting.answered().await;
    }

    async fn abandoned(&self, call: BegunCall<Waiting>) -> Outcome {
        self.state.gateway().hang_up(&call.control).await;
        tracing::debug!("a caller has hung up");
        let (outcome, waiting) = call.work.await;
        // The gateway knows already that the caller has hung up.
        waiting.into_iter().for_each(Waiting::forget);
        outcome
    }
}
