//! Actions that run by themselves: when a conversation is created, and when it ends.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::action::Hook;
use crate::conversation::event::MAX_PAGE;
use crate::conversation::{Conversation, ConversationKey, millis, timestamp};
use crate::egress::Deadline;
use crate::tool::{Delivery, Status, ToolCall, ToolCallIds, ToolError, ToolResult};

use crate::executor::aside::Movable;
use crate::executor::call::stage::Access;
use crate::executor::control::CallControl;
use crate::executor::gateway::Gateway;
use crate::executor::served::Deployment;

/// What became of an action that runs when a conversation is created.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HookReport {
    /// Name of the action.
    pub name: String,
    /// How it ended; `running` where it goes on behind the reply.
    pub status: HookStatus,
    /// What went wrong, if anything did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ToolError>,
    /// Time from the start to its end, or to the end of the budget.
    pub duration_ms: u64,
}

/// How an action that runs by itself ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HookStatus {
    /// The upstream answered 2xx; the variables are set.
    Success,
    /// The upstream answered something else.
    Error,
    /// No usable answer.
    Failure,
    /// Never sent.
    Exception,
    /// It is not over; its variables are set when it is.
    Running,
}

impl From<Status> for HookStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Success => Self::Success,
            Status::Error => Self::Error,
            Status::Failure => Self::Failure,
            Status::Exception => Self::Exception,
        }
    }
}

/// A conversation whose hooks run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Occasion<'a> {
    pub(super) conversation: &'a Conversation,
    /// Who started or ended it, for the audit.
    pub(super) caller: Option<&'a str>,
}

impl Gateway {
    /// Runs the actions marked `on: start`, all at once, and waits for them until the budget is
    /// spent; what is not over then goes on in the background.
    pub(super) async fn run_start_hooks(
        &self,
        deployment: &Deployment,
        occasion: Occasion<'_>,
    ) -> Vec<HookReport> {
        let names = hooks(deployment, &occasion.conversation.key, Hook::Start);
        let deadline = Deadline::after(deployment.conversations().start_budget);
        let started = Instant::now();
        let runs = names.into_iter().map(|name| {
            let run = self.run_hook(occasion.call(Hook::Start, &name, Map::new()));
            async move {
                let ended = deadline.within(run).await;
                let result = ended.ok().and_then(Result::ok);
                HookReport {
                    name,
                    status: result.as_ref().map_or(HookStatus::Running, |result| result.status.into()),
                    error: result.as_ref().and_then(|result| result.error.clone()),
                    duration_ms: millis(started.elapsed()),
                }
            }
        });
        join_all(runs.collect::<Vec<_>>()).await
    }

    /// Runs the actions marked `on: end` in the background, each once.
    pub(super) async fn run_end_hooks(&self, deployment: &Deployment, occasion: Occasion<'_>) {
        let names = hooks(deployment, &occasion.conversation.key, Hook::End);
        if names.is_empty() {
            return;
        }
        let record = self.record(occasion.conversation).await;
        for name in &names {
            let variables = Map::from_iter([("conversation.record".to_owned(), record.clone())]);
            drop(self.run_hook(occasion.call(Hook::End, name, variables)));
        }
    }

    fn run_hook(&self, call: ToolCall) -> tokio::task::JoinHandle<Arc<ToolResult>> {
        let gateway = self.clone();
        self.background.run(Movable::new(async move {
            gateway.run_as(Access::Hook, call, None, &Arc::<CallControl>::default()).await
        }))
    }

    /// All that is known of a conversation that has ended, but for what is sensitive.
    async fn record(&self, conversation: &Conversation) -> Value {
        let mut open = conversation.clone();
        Arc::make_mut(&mut open.variables).retain(|_, variable| !variable.sensitive);
        let page = self.shared.store.events(&conversation.key, 0, MAX_PAGE).await;
        let events = page.inspect_err(|error| tracing::warn!(%error, "the record has no events"));
        let events = events.map(|page| page.events).unwrap_or_default();
        let bytes = events.iter().map(|event| event.data.get().len()).sum::<usize>() + conversation.bytes;
        let _seat = self.seat_if_any(bytes).await;
        let events = events.into_iter().map(|event| {
            let data: Value = serde_json::from_str(event.data.get()).unwrap_or_default();
            json!({"id": event.id, "type": event.kind, "at": timestamp(event.at_ms), "data": data})
        });
        let ended_at = conversation.ended_at_ms.map(timestamp);
        json!({
            "id": conversation.key.id(),
            "environment": conversation.key.environment(),
            "started_at": conversation.started_at(),
            "ended_at": ended_at,
            "state": conversation.state,
            "variables": open.nested(|_| true),
            "calls": conversation.calls,
            "events": events.collect::<Vec<_>>(),
        })
    }

    /// Done when nothing goes on in the background of this thread's gateway any more.
    pub async fn background_done(&self) {
        self.background.none().await;
    }
}

/// The names of the environment's actions that run at this moment.
fn hooks(deployment: &Deployment, key: &ConversationKey, hook: Hook) -> Vec<String> {
    let of = deployment.environment(key.environment());
    let actions = of.into_iter().flat_map(|environment| &environment.actions).map(|served| &served.action);
    actions.filter(|action| action.on == Some(hook)).map(|action| action.name.as_str().to_owned()).collect()
}

impl Occasion<'_> {
    /// The call of a hook: the same whoever runs it, so that it is done once; another one where a
    /// conversation of the same id has been forgotten and begins anew.
    fn call(&self, hook: Hook, name: &str, variables: Map<String, Value>) -> ToolCall {
        let Conversation { key, started_at_ms, .. } = self.conversation;
        let id = format!("callgate:{}:{name}:{started_at_ms}", hook.as_str());
        let arguments = RawValue::from_string("{}".to_owned()).unwrap_or_default();
        ToolCall {
            owner: key.scope().owner(),
            conversation_id: Some(key.id().to_owned()),
            variables,
            caller: self.caller.map(str::to_owned),
            delivery: Delivery { ids: ToolCallIds::Unique, ..Delivery::default() },
            ..ToolCall::new(&id, key.environment(), name, arguments)
        }
    }
}
