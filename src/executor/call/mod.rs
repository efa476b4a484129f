//! One call, from its receipt to its result.
//!
//! A call passes typed stages, each of which owns what the one before has learned: [`stage`] has them, and
//! [`Gateway::run`] lists them. The files are in the order of the stages:
//!
//! | from | to | by |
//! |---|---|---|
//! | `Received` | `Found`: the action and the conversation | `find.rs` |
//! | `Found` | `Checked`: arguments that meet their schema | `check.rs`, `intent.rs` |
//! | `Checked` | `Claimed`: the only call of its intent | `claim.rs`, `guard.rs` |
//! | `Claimed` | `Rendered`: the request, which the action's guards allow | `guards.rs`, `render.rs` |
//! | `Rendered` | `Sent`: the upstream has answered | `send.rs` |
//! | `Sent` | `Answered`: what the answer means | `read.rs` |
//! | any of them | `Ended`: the result, told to all who want to know | `end.rs` |
//!
//! What a call knows is in its record (`record.rs`), which outlives every stage: a call that fails keeps it.

mod answer;
pub(super) mod body;
pub(super) mod cancel;
mod check;
pub(super) mod curl;
mod claim;
mod end;
mod exchange;
pub(super) mod failure;
mod find;
mod guard;
mod guard_words;
mod guards;
mod headers;
pub(super) mod inspection;
pub(super) mod intent;
mod missing;
mod origin;
pub(super) mod outcome;
pub(super) mod parts;
pub(super) mod phases;
mod preview;
mod read;
pub(super) mod record;
mod render;
pub(super) mod repeats;
pub(super) mod request;
mod result;
mod send;
mod speech;
pub(super) mod stage;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;

use crate::conversation::Carried;
use crate::tool::{ToolCall, ToolResult};

use super::control::CallControl;
use super::gateway::Gateway;

use self::stage::{Access, Call, Received};

impl Gateway {
    /// Executes a call that nobody cancels. A call that fails has a result too.
    pub async fn execute(&self, call: ToolCall) -> Arc<ToolResult> {
        self.run(call, None, &Arc::default()).await
    }

    /// Executes a call once: whoever comes with the same intent gets its result.
    /// A call that fails has a result too. Where its caller carries the
    /// conversation (the call's `conversation_id` is the one in `carried`),
    /// nothing of it is stored, and the result has its next `state`.
    ///
    /// The future may be dropped: a call that was not sent gives its intent back then, and one that was sent keeps it.
    pub async fn run(
        &self,
        call: ToolCall,
        carried: Option<&Carried>,
        control: &Arc<CallControl>,
    ) -> Arc<ToolResult> {
        self.run_as(Access::Use, call, carried, control).await
    }

    /// The stages of a call, in their order.
    pub(super) async fn run_as(
        &self,
        access: Access,
        call: ToolCall,
        carried: Option<&Carried>,
        control: &Arc<CallControl>,
    ) -> Arc<ToolResult> {
        let mut call = Call::new(self, access, call, carried, control);
        let stages = async {
            let found = Received::of(&mut call).find().await?;
            let checked = found.check().await?;
            let claimed = checked.claim().await?;
            let rendered = claimed.render().await?;
            let sent = rendered.send().await?;
            sent.read().await
        };
        // A panic is a bug of ours; whoever waits must hear of it all the same.
        let answered = AssertUnwindSafe(stages).catch_unwind().await;
        let answered = answered.unwrap_or_else(|_| Err(call.panicked()));
        call.end(answered).await
    }
}
