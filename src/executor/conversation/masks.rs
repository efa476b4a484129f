//! What an event may show: secrets and sensitive values are masked, the rest is cut.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use crate::action::output;
use crate::conversation::change::Variable;
use crate::conversation::{Conversation, MAX_BYTES};
use crate::secrets::{MASK, Redactor};

use crate::executor::call::body::masked_value;
use crate::executor::served::Deployment;

use super::kept_masks::Kept;

/// Longest text that is looked through; of a longer one only the length is shown.
const MAX_MASKED_BYTES: usize = 64 * 1024;
/// Shortest text that a [`Redactor`] finds.
const SHORTEST: usize = 3;

/// Masks secrets, and what is sensitive in a conversation or a call.
#[derive(Default)]
pub(in crate::executor) struct Masks<'a> {
    environment: Option<&'a Redactor>,
    token: Option<&'a Redactor>,
    texts: Vec<String>,
    /// What the conversation keeps to itself, where that was asked for.
    kept: Option<Arc<Kept>>,
    sensitive: Redactor,
    /// Whether something sensitive cannot be found in a text, since it is a word
    /// that is everywhere (`true`, `7`) or there is too much of it: then no content is shown at all.
    is_blind: bool,
}

impl<'a> Masks<'a> {
    /// The masks of a conversation, in which `set` is about to be set; to be made [`Self::ready`].
    pub(in crate::executor) fn of(
        deployment: &'a Deployment,
        conversation: &Conversation,
        set: &[(String, Variable)],
    ) -> Self {
        let environment = deployment.redactor(conversation.key.environment());
        let mut masks = Self { environment, ..Self::default() };
        conversation.variables.values().for_each(|variable| masks.add_variable(variable));
        masks.texts.extend(conversation.concealed.iter().cloned());
        let texts = std::mem::take(&mut masks.texts);
        masks.kept = deployment.kept_masks.of(&conversation.key, texts);
        let marked = set.iter().filter(|(_, variable)| variable.sensitive || variable.hidden);
        // What no conversation can hold is not remembered. To look for all of it would take long: no content is shown.
        if marked.clone().map(|(name, variable)| variable.bytes(name)).sum::<usize>() > MAX_BYTES {
            masks.is_blind = true;
        } else {
            marked.for_each(|(_, variable)| masks.add_variable(variable));
        }
        masks
    }

    fn add_variable(&mut self, variable: &Variable) {
        if variable.sensitive {
            self.add(&variable.value);
        } else if variable.hidden {
            self.texts.extend(output::sought_texts(&variable.value));
        }
    }

    /// The masks of what its caller is shown of a conversation: what is only
    /// kept from the model is not masked.
    pub(in crate::executor) fn sensitive(deployment: &'a Deployment, conversation: &Conversation) -> Self {
        let masked = conversation.variables.values().filter(|variable| variable.sensitive);
        Self::secrets(deployment, conversation.key.environment())
            .and_values(masked.map(|variable| &variable.value))
    }

    /// Masks the secrets of an environment alone.
    pub(in crate::executor) fn secrets(deployment: &'a Deployment, environment: &str) -> Self {
        Self { environment: deployment.redactor(environment), ..Self::default() }
    }

    /// The same, for a call with this token.
    pub(in crate::executor) fn and_token(self, token: Option<&'a Redactor>) -> Self {
        Self { token, ..self }
    }

    /// The same, with what is sensitive in these values: all of it.
    pub(in crate::executor) fn and_values<'v>(mut self, values: impl IntoIterator<Item = &'v Value>) -> Self {
        values.into_iter().for_each(|value| self.add(value));
        self
    }

    /// The same, with everything that was gathered.
    pub(in crate::executor) fn ready(mut self) -> Self {
        // A value stands among the variables, among what is set and among what is concealed.
        self.texts.sort_unstable();
        self.texts.dedup();
        if let Some(kept) = &self.kept {
            self.texts.retain(|text| kept.texts.binary_search(text).is_err());
        }
        let sensitive = Redactor::for_values(self.texts.iter().map(String::as_str));
        Self { sensitive, ..self }
    }

    /// `text` without anything that is masked.
    fn masked<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut clean = Cow::Borrowed(text);
        for redactor in self.environment.into_iter().chain(self.token) {
            if let Cow::Owned(masked) = redactor.redact(&clean) {
                clean = Cow::Owned(masked);
            }
        }
        let kept = self.kept.as_deref().map(|kept| &kept.redactor);
        match self.sensitive.redact_beside(kept, &clean) {
            Cow::Owned(masked) => Cow::Owned(masked),
            Cow::Borrowed(_) => clean,
        }
    }

    fn add(&mut self, value: &Value) {
        match value {
            Value::Null => {}
            Value::Bool(_) => self.is_blind = true,
            Value::Number(number) => self.add_text(number.as_str()),
            Value::String(text) => self.add_text(text),
            Value::Array(items) => items.iter().for_each(|item| self.add(item)),
            Value::Object(members) => members.values().for_each(|member| self.add(member)),
        }
    }

    fn add_text(&mut self, text: &str) {
        match text.chars().count() {
            0 => {}
            length if length < SHORTEST => self.is_blind = true,
            _ => self.texts.push(text.to_owned()),
        }
    }

    /// `text` without what must not be seen.
    pub(in crate::executor) fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if text.len() > MAX_MASKED_BYTES {
            return Cow::Owned(format!("[{} bytes]", text.len()));
        }
        self.masked(text)
    }

    /// [`Self::text`] of a text of any length, which is bounded elsewhere.
    pub(in crate::executor) fn whole(&self, text: String) -> String {
        match self.masked(&text) {
            Cow::Owned(masked) => masked,
            Cow::Borrowed(_) => text,
        }
    }

    /// A value of any size, in each text of which nothing is seen that must not be.
    pub(in crate::executor) fn value(&self, value: &Value) -> Value {
        masked_value(value.clone(), &|text| self.whole(text))
    }

    /// The first bytes of [`Self::text`].
    pub(in crate::executor) fn cut(&self, text: &str, limit: usize) -> String {
        // Masked before it is cut: what is left of a secret that is cut in two cannot be found.
        shortened(&self.text(text), limit)
    }

    /// [`Self::text`] of what was sent or answered.
    pub(in crate::executor) fn content(&self, text: &str) -> String {
        if self.is_blind { MASK.to_owned() } else { self.text(text).into_owned() }
    }

    /// [`Self::content`] of a part of a request, of any length: who looks at one reads all of it.
    pub(in crate::executor) fn request(&self, text: &str) -> String {
        if self.is_blind { MASK.to_owned() } else { self.whole(text.to_owned()) }
    }

    /// [`Self::content`], as it is where nothing of it is masked.
    pub(in crate::executor) fn shown<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.is_blind { Cow::Borrowed(MASK) } else { self.text(text) }
    }
}

/// The first bytes of a text; says how many there are where some are left out.
pub(super) fn shortened(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    format!("{}… [{} bytes]", &text[..text.floor_char_boundary(limit)], text.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::conversation::ConversationKey;
    use crate::conversation::call_entry::Part;
    use crate::executor::conversation::kept_masks::KeptMasks;

    /// JSON as an event shows it, in so many bytes.
    fn json_of(masks: &Masks<'_>, text: &str, limit: usize) -> String {
        Part::of(masks.shown(text)).json(limit).get().to_owned()
    }

    fn masks(values: &[Value]) -> Masks<'static> {
        Masks::default().and_values(values).ready()
    }

    #[test]
    fn json_stays_json_or_becomes_a_text() {
        let masks = masks(&[json!({"pin": [4711, "Ann Onym"]})]);
        assert_eq!(json_of(&masks, "{\"a\":\r\n 1}", 100), "{\"a\":   1}");
        assert_eq!(json_of(&masks, r#"{"to": "ann: Ann Onym"}"#, 100), r#"{"to": "ann: ***"}"#);
        assert_eq!(json_of(&masks, r#"{"a": 4711}"#, 100), r#""{\"a\": ***}""#);
        assert_eq!(json_of(&masks, "[1, 2, 3]", 4), r#""[1, … [9 bytes]""#);
        assert_eq!(masks.cut("x 4711 éé", 6), "x *** … [10 bytes]");
        assert_eq!(masks.text(&"x".repeat(MAX_MASKED_BYTES + 1)), "[65537 bytes]");
    }

    #[test]
    fn a_part_that_a_conversation_masks_does_not_show_the_rest_of_a_call_s_value() {
        let kept = KeptMasks::default().of(&ConversationKey::new("development", "c"), vec!["Ann".to_owned()]);
        let masks = Masks { kept, ..Masks::default() }.and_values(&[json!("Ann Onym")]).ready();
        assert_eq!(masks.text("for Ann Onym, and Ann"), "for ***, and ***");
    }

    #[test]
    fn what_cannot_be_found_hides_all_content() {
        for short in [json!(true), json!("no"), json!([7])] {
            let masks = masks(&[short]);
            assert_eq!((masks.content("x").as_str(), json_of(&masks, "{}", 9).as_str()), (MASK, "\"***\""));
            assert_eq!(masks.text("call_1"), "call_1");
        }
        assert_eq!(masks(&[json!(""), json!(null), json!({})]).content("x"), "x");
    }
}
