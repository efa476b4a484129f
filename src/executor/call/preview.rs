//! The exact request of a call, secrets masked, without sending it.

use std::sync::Arc;

use crate::action::template::TracedValue;
use crate::conversation::Carried;
use crate::executor::conversation::masks::Masks;
use crate::executor::conversation::variables::brought_under_marks;
use crate::executor::gateway::Gateway;
use crate::tool::{ToolCall, ToolError};

use super::body::masked_error;
use super::failure::Failure;
use super::origin::Origins;
use super::parts::RequestParts;
use super::request::{Branch, Preview};
use super::stage::{Access, Call, Received, Stop};

impl Gateway {
    /// Renders the request of a call and does not send it. Secrets are masked,
    /// and arguments that are `x-sensitive`: a preview is kept where it is shown.
    /// `carried` is the conversation, where the caller carries it.
    ///
    /// # Errors
    ///
    /// What the call itself would fail with before it is sent; also where the
    /// action sends nothing.
    pub async fn preview(&self, call: &ToolCall, carried: Option<&Carried>) -> Result<Preview, ToolError> {
        let control = Arc::default();
        let mut call = Call::new(self, Access::Look, call.clone(), carried, &control);
        let previewed = async {
            let checked = Received::of(&mut call).find().await?.check().await?;
            let (call, served, values) = (checked.call, checked.served, checked.values);
            let weight = call.weight().max(call.weight_of_masks());
            let _seat = self.seat_if_any(weight).await;
            // Without a conversation there is nothing to ask, and a request to look at all the same.
            if call.record.conversation.is_some() {
                call.check_guards(&served, &values).map_err(Failure::from)?;
            }
            let claim = checked.claim.as_ref();
            let Some((request, trace)) = call.traced_request(&served, &values, claim)? else {
                // A fixed answer or a handover must render, too.
                call.prepare(&served, &values, claim, 0)?;
                return Ok(None);
            };
            let (record, deployment) = (&call.record, &call.deployment);
            let masks = match &record.conversation {
                Some(known) => Masks::of(deployment, known, &[]),
                None => Masks::secrets(deployment, &record.call.environment),
            };
            let brought = brought_under_marks(&record.call.variables, record.conversation.as_deref());
            let masks = masks.and_values(record.sensitive.iter().flatten().chain(&brought)).ready();
            let origins = Origins::of(&record.call, &served.action);
            let origin = |value: &TracedValue| origins.of_value(value);
            let parts = RequestParts::of(&request, Some(&trace), served.shown_credentials(), &masks, &origin);
            let branches = trace.branches.iter().map(Branch::from).collect();
            Ok(Some(Preview::of(&request, parts, branches, &masks)))
        };
        match previewed.await {
            Ok(Some(preview)) => Ok(preview),
            Ok(None) => Ok(Preview::of_nothing()),
            Err(Stop::Failed(failure)) => {
                let secrets = Masks::secrets(&call.deployment, &call.record.call.environment);
                Err(masked_error(failure.into_error().1, &|text| secrets.whole(text)))
            }
            // Who only looks takes nothing, and so finds no call that has taken it.
            Err(Stop::Replayed(_)) => Err(Failure::Internal { safe: true }.into_error().1),
        }
    }
}
