//! The exact request of a call, secrets masked, without sending it.

use std::sync::Arc;

use serde_json::Map;

use crate::conversation::Carried;
use crate::executor::conversation::masks::Masks;
use crate::executor::conversation::variables::brought_under_marks;
use crate::executor::gateway::Gateway;
use crate::tool::{ToolCall, ToolError};

use super::body::masked_error;
use super::failure::Failure;
use super::request::{Preview, PreviewedRequest, describe};
use super::stage::{Access, Call, Prepared, Received, Stop};

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
            let prepared = call.prepare(&served, &values, checked.claim.as_ref(), 0)?;
            let Prepared::Request(_, request) = prepared else { return Ok(None) };
            let (record, deployment) = (&call.record, &call.deployment);
            let masks = match &record.conversation {
                Some(known) => Masks::of(deployment, known, &[]),
                None => Masks::secrets(deployment, &record.call.environment),
            };
            let brought = brought_under_marks(&record.call.variables, record.conversation.as_deref());
            let masks = masks.and_values(record.sensitive.iter().flatten().chain(&brought)).ready();
            let credentials = served.masked_credentials().cloned().unwrap_or_default();
            Ok(Some(describe(&request, &credentials, &masks)))
        };
        match previewed.await {
            Ok(Some(preview)) => Ok(preview),
            Ok(None) => Ok(Preview {
                request: PreviewedRequest {
                    method: String::new(),
                    url: String::new(),
                    headers: Map::new(),
                    body: None,
                },
                curl: "# this action sends no request".to_owned(),
            }),
            Err(Stop::Failed(failure)) => {
                let secrets = Masks::secrets(&call.deployment, &call.record.call.environment);
                Err(masked_error(failure.into_error().1, &|text| secrets.whole(text)))
            }
            // Who only looks takes nothing, and so finds no call that has taken it.
            Err(Stop::Replayed(_)) => Err(Failure::Internal { safe: true }.into_error().1),
        }
    }
}
