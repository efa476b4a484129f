//! What is kept in memory: conversations as they are used, or as JSON where that would take many times its text; results,
//! which are seldom asked for, as JSON.

use std::sync::Arc;

use crate::tool::ToolResult;

use super::super::size::{allocation, frame_bytes, variables_bytes};
use super::super::{Conversation, Variables};

/// Values that take more bytes than this, and [`MAX_TIMES`] their text, are kept as text, although it has to be read at each
/// use. Small variables take less; lists of small objects take fifty times their text.
const MAX_VALUES: usize = 64 * 1024;
const MAX_TIMES: usize = 4;

/// A conversation that is kept.
#[derive(Debug)]
pub(super) struct KeptConversation {
    /// Without variables where they are text.
    frame: Arc<Conversation>,
    text: Option<Box<str>>,
    bytes: usize,
}

impl KeptConversation {
    pub(super) fn new(conversation: Arc<Conversation>) -> Self {
        let mut kept = Self { frame: conversation, text: None, bytes: 0 };
        kept.settle();
        kept
    }

    /// All but the variables.
    pub(super) fn frame(&self) -> &Conversation {
        &self.frame
    }

    /// Changes anything but the variables, and nothing that takes memory.
    pub(super) fn frame_mut(&mut self) -> &mut Conversation {
        Arc::make_mut(&mut self.frame)
    }

    /// What it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The whole conversation.
    pub(super) fn get(&self) -> Arc<Conversation> {
        match &self.text {
            None => self.frame.clone(),
            Some(text) => Arc::new(Conversation { variables: variables(text), ..(*self.frame).clone() }),
        }
    }

    /// Changes the whole conversation.
    pub(super) fn change<T>(&mut self, change: impl FnOnce(&mut Conversation) -> T) -> T {
        let conversation = Arc::make_mut(&mut self.frame);
        if let Some(text) = self.text.take() {
            conversation.variables = variables(&text);
        }
        let changed = change(conversation);
        self.settle();
        changed
    }

    /// Makes text of variables that take too much, and counts.
    fn settle(&mut self) {
        let mut values = variables_bytes(&self.frame.variables);
        if values > MAX_VALUES.max(MAX_TIMES * self.frame.bytes)
            && let Ok(text) = serde_json::to_string(&*self.frame.variables)
        {
            values = allocation(text.len());
            self.text = Some(text.into_boxed_str());
            // Without a copy of what is about to go.
            match Arc::get_mut(&mut self.frame) {
                Some(frame) => frame.variables = Arc::default(),
                None => self.frame = Arc::new(without_variables(&self.frame)),
            }
        }
        self.bytes = frame_bytes(&self.frame) + values;
    }
}

/// What was written above.
fn variables(text: &str) -> Arc<Variables> {
    serde_json::from_str(text).unwrap_or_else(|error| {
        tracing::error!(%error, "the variables of a conversation cannot be read");
        Arc::default()
    })
}

fn without_variables(one: &Conversation) -> Conversation {
    Conversation {
        key: one.key.clone(),
        state: one.state.clone(),
        variables: Arc::default(),
        calls: one.calls.clone(),
        concealed: one.concealed.clone(),
        ..*one
    }
}

/// A result that is kept, as JSON: hardly one is ever asked for again, and in parts it takes three times as much.
#[derive(Debug)]
pub(super) struct KeptResult(Box<str>);

impl KeptResult {
    /// `None` where it cannot be written.
    pub(super) fn new(result: &ToolResult) -> Option<Self> {
        let text = serde_json::to_string(result);
        let text = text.inspect_err(|error| tracing::error!(%error, "a result cannot be kept"));
        text.ok().map(|text| Self(text.into_boxed_str()))
    }

    /// The result; `None` where it cannot be read.
    pub(super) fn get(&self) -> Option<Arc<ToolResult>> {
        let result = serde_json::from_str(&self.0);
        let result = result.inspect_err(|error| tracing::error!(%error, "a kept result cannot be read"));
        result.ok().map(Arc::new)
    }

    /// What it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        allocation(self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::super::ConversationKey;
    use super::super::super::change::{Change, Source, Variable};
    use super::*;

    fn set(name: &str, value: Value) -> Change {
        let variable = Variable {
            shown: Some(value.clone()),
            value,
            source: Source::Caller,
            sensitive: false,
            hidden: false,
            set_at_ms: 0,
        };
        Change { set: vec![(name.to_owned(), variable)], ..Change::default() }
    }

    #[test]
    fn what_is_kept_as_text_is_the_same() {
        let conversation = Conversation::new(ConversationKey::new("development", "c"), 1_000, 5);
        let mut kept = KeptConversation::new(Arc::new(conversation));
        let number: Value = serde_json::from_str("123456789012345678901234567890.10").unwrap();
        let mut list = json!([number]);
        list.as_array_mut().unwrap().extend((0..5_000).map(|_| json!({"a": 1})));
        for (name, value, is_text) in
            [("small", json!({"b": 1}), false), ("large", list, true), ("more", json!(2), true)]
        {
            kept.change(|one| assert_eq!(one.apply(&set(name, value.clone()), 7).refused, []));
            assert_eq!(kept.text.is_some(), is_text, "{name}");
            assert_eq!(kept.get().variables[name].value, value);
        }
        let whole = kept.get();
        let text = whole.bytes;
        assert!(variables_bytes(&whole.variables) > 10 * text);
        assert!(kept.bytes() > text && kept.bytes() < 2 * text + 4_096, "{} of {text}", kept.bytes());
        assert!(kept.frame().variables.is_empty() && kept.frame().bytes == whole.bytes);
        kept.change(|one| one.apply(&Change { unset: vec!["large".to_owned()], ..Change::default() }, 8));
        assert!(kept.text.is_none());
        assert_eq!(kept.get().variables.keys().collect::<Vec<_>>(), ["more", "small"]);
        // Whoever holds it keeps what it was.
        assert_eq!(whole.variables.len(), 3);
    }
}
