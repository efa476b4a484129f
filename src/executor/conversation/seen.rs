//! What is seen of a conversation where the model's own view is enough.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::action::output::Concealed;
use crate::conversation::{Conversation, heap_bytes};
use crate::executor::gateway::{Gateway, WEIGHT_OF_MASKS};

use super::masks::Masks;

impl Gateway {
    /// The variables that the model may see, by dotted name, but for sensitive ones. Nothing that is hidden, sensitive or a
    /// secret is in any of them.
    pub async fn seen_variables(&self, conversation: &Conversation) -> BTreeMap<String, Value> {
        let concealed: usize = conversation.concealed.iter().map(String::len).sum();
        let values: usize = conversation.variables.values().map(|variable| heap_bytes(&variable.value)).sum();
        let _seat = self.seat_if_any((values + concealed).saturating_mul(WEIGHT_OF_MASKS)).await;
        let deployment = self.deployment();
        let masks = Masks::sensitive(&deployment, conversation).ready();
        let concealed = Concealed::new(conversation.concealed.to_vec());
        let seen =
            conversation.variables.iter().filter(|(_, variable)| !variable.sensitive && !variable.hidden);
        let seen = seen.filter_map(|(name, variable)| {
            let mut value = variable.shown.clone()?;
            concealed.out_of_value(&mut value);
            Some((masks.whole(name.clone()), masks.value(&value)))
        });
        seen.collect()
    }
}
