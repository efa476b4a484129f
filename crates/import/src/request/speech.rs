//! What a caller hears: the source's texts → `speech`.

use serde_json::{Map, Value, json};

use super::{Lowering, PlainTexts, Refusal};

impl Lowering<'_, '_, '_> {
    /// Carries the texts; one with a placeholder that has no counterpart is left out.
    pub(super) fn speech(&mut self) {
        let spoken = &self.request.speech;
        let mut speech = Map::new();
        if let Some(text) = spoken.start.as_ref().and_then(|texts| self.said("start", texts)) {
            speech.insert("start".to_owned(), text);
        }
        if let Some((after_ms, texts)) = &spoken.delayed
            && let Some(text) = self.said("delayed", texts)
        {
            speech.insert("delayed".to_owned(), json!({"after_ms": after_ms, "text": text}));
        }
        if let Some(text) = spoken.failed.as_ref().and_then(|texts| self.said("failed", texts)) {
            speech.insert("failed".to_owned(), text);
        }
        self.draft.speech = speech;
        self.draft.say = spoken.say && !self.draft.parameters.properties.contains_key("say");
        if spoken.say && !self.draft.say {
            let message = "what the model says before a call is left out: the tool has a parameter `say`";
            self.note_lossy("say", message, "call the parameter otherwise");
        }
    }

    fn said(&mut self, key: &str, texts: &PlainTexts) -> Option<Value> {
        let mut by_language = Map::new();
        for (language, text) in texts {
            match (self.convert(text, &format!("speech.{key}"), false), language) {
                (Ok(converted), None) => return Some(json!(converted.template)),
                (Ok(converted), Some(language)) => {
                    by_language.insert(language.clone(), json!(converted.template));
                }
                (Err(Refusal(code, message, _)), _) => {
                    self.note_lossy(code, format!("{message}; the text is left out"), "write it by hand");
                }
            }
        }
        (!by_language.is_empty()).then_some(Value::Object(by_language))
    }
}
