//! Found → checked: arguments that passed their schema, bound values, variables.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::Map;

use crate::action::Action;
use crate::conversation::Claim;
use crate::executor::conversation::variables;
use crate::executor::served::ServedAction;

use super::failure::Failure;
use super::intent;
use super::phases::Phase;
use super::record::Values;
use super::stage::{Access, Call, Checked, Found, Stop};

impl<'c, 'a> Found<'c, 'a> {
    /// Checks everything that the call brings, and works out its intent.
    pub(super) async fn check(self) -> Result<Checked<'c, 'a>, Stop> {
        let Self { call, served } = self;
        call.reached("found", Some(Phase::Validate));
        let seat = call.gateway.seat(call.weight(), call.deadline).await;
        let seat = seat.map_err(|none| Failure::no_seat(none, call.is_first()))?;
        let checked = call.read(&served);
        match checked {
            Ok((values, say)) => {
                let claim = call.intent(&served.action, &values);
                call.record.values = Some(values.clone());
                drop(seat);
                Ok(Checked { call, served, values, say, claim })
            }
            Err(failure) => {
                let has_ended = call.record.conversation.as_ref().is_some_and(|known| known.has_ended());
                // To mend the arguments would be in vain.
                let is_over = call.access == Access::Use && has_ended;
                let failure = if is_over { Failure::ConversationEnded } else { failure };
                drop(seat);
                Err(call.done_before_or(failure).await)
            }
        }
    }
}

impl Call<'_> {
    /// Reads the arguments, once; gives what templates read, and what the model wants the caller to hear.
    fn read(&mut self, served: &ServedAction) -> Result<(Arc<Values>, Option<String>), Failure> {
        let (action, record) = (&served.action, &mut self.record);
        let (mut arguments, decoded) = action.parameters.read_and_tell(&record.call.arguments)?;
        record.sensitive = Some(action.parameters.sensitive_values(&arguments));
        record.decoded = decoded;
        let say = action.speech.take_say(&mut arguments);
        record.digest = Some(intent::digest_of_arguments(&record.call.name, &arguments));
        let reads = action.reads.any || action.guards.read_variables();
        let conversation = record.conversation.as_deref();
        let known = match (reads, action.speech.reads_variables) {
            (true, _) => variables::variables(&record.call, action, conversation)?,
            // What is only said fails no call.
            (false, true) => variables::variables(&record.call, action, conversation).unwrap_or_default(),
            (false, false) => Map::new(),
        };
        let static_variables = &served.environment.static_variables;
        let parameters = action.parameters(arguments, &known, static_variables)?;
        record.sensitive = Some(action.parameters.sensitive_values(&parameters));
        Ok((Arc::new(Values::new(parameters, known, action.guards.read_variables())), say))
    }

    /// What the call has to take in the store; nothing where it is not to be told from others.
    fn intent(&self, action: &Action, values: &Values) -> Option<Claim> {
        let digest = self.record.digest?;
        intent::claim(&self.record.call, self.whose(), action, digest, values, self.next_holder())
    }

    /// The conversation that the call belongs to, as its intent knows it.
    pub(super) fn whose(&self) -> intent::Of<'_> {
        match (self.carried, &self.record.conversation) {
            (Some(carried), _) => intent::Of::Carried(carried),
            (None, Some(conversation)) => intent::Of::Stored(&conversation.key),
            (None, None) => intent::Of::Nothing,
        }
    }

    /// Tells the call from every other, of other gateways too.
    pub(super) fn next_holder(&self) -> u64 {
        self.gateway.shared.next_holder.fetch_add(1, Ordering::Relaxed)
    }
}
