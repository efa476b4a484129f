//! What an agent says without its model: before the first turn, and where none can begin.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::conversation::ConversationKey;
use crate::egress::Deadline;
use crate::executor::{Gateway, ServedAgent};

/// What a caller hears if no model answers, where the agent has no words for it.
pub const APOLOGY: &str = "I am sorry, I cannot answer right now. Please try again in a moment.";
/// How long the store may take to tell what is known of a conversation: somebody is waiting for the first word.
const PATIENCE: Duration = Duration::from_millis(500);

/// What an agent says, and to whom.
pub struct Speaker<'s> {
    /// The gateway that serves it.
    pub gateway: &'s Gateway,
    /// The agent.
    pub agent: &'s ServedAgent,
    /// The conversation, whose variables its words may name.
    pub conversation: &'s ConversationKey,
    /// Variables that the caller brings.
    pub variables: &'s Map<String, Value>,
    /// The language that the person on the line speaks (BCP 47); else the variable `conversation.language` tells it.
    pub language: Option<&'s str>,
}

impl Speaker<'_> {
    /// The agent's greeting; `None` where it waits for the caller to speak.
    pub async fn greeting(&self) -> Option<String> {
        let text = self.agent.agent.greeting.as_ref()?;
        self.words(text).await
    }

    /// What is said where the model cannot be asked.
    pub async fn apology(&self) -> String {
        let words = match &self.agent.agent.on_failure.model {
            Some(text) => self.words(text).await,
            None => None,
        };
        words.unwrap_or_else(|| APOLOGY.to_owned())
    }

    async fn words(&self, text: &crate::action::SpeechText) -> Option<String> {
        let found = Deadline::after(PATIENCE).within(self.gateway.find_conversation(self.conversation)).await;
        let known = found.ok().and_then(Result::ok);
        let environment = &self.agent.environment;
        let brought = self.variables.clone();
        let variables =
            self.gateway.turn_variables(environment, known.as_deref(), brought).unwrap_or_default();
        let spoken = || variables.get("conversation")?.get("language")?.as_str().map(str::to_owned);
        let language = self.language.map(str::to_owned).or_else(spoken);
        Gateway::words(self.agent, text, language.as_deref(), &variables)
    }
}
