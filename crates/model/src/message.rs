//! A conversation as it is kept, whichever model it is told to.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::provider::Provider;

/// What a model is asked. The answer is always asked for as a stream.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The name of the model.
    pub model: &'a str,
    /// Which model this is, among all that the conversation is told to: see [`Raw::origin`].
    pub origin: &'a str,
    /// The instructions; none where it is blank.
    pub system: &'a str,
    /// What has been said so far, oldest first.
    pub messages: &'a [Message],
    /// The tools, each in the form of the provider: an element of `tools`; for Gemini one function declaration.
    pub tools: &'a [Arc<RawValue>],
    /// Whether the model may call them.
    pub tool_choice: ToolChoice,
    /// Whether it may call several at once; the provider's own default where it is left out. Gemini has no
    /// such member, and OpenAI's o-series refuses it.
    pub parallel_tool_calls: Option<bool>,
    /// The sampling temperature. OpenAI's reasoning models refuse it, so they are not sent it.
    pub temperature: Option<f64>,
    /// Most tokens of the answer. Anthropic demands the member: 1,024 where it is left out.
    pub max_tokens: Option<u32>,
}

/// Whether a model may call tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it likes.
    #[default]
    Auto,
    /// It may not. The tools are sent all the same, because a history with calls is refused without them.
    None,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// An instruction in the course of the conversation.
    System(String),
    /// What the caller said.
    User(String),
    /// What the model said and called.
    Assistant(Assistant),
    /// What came of the calls of the assistant's message before it.
    Results(Vec<ToolOutput>),
}

impl Message {
    /// The bytes of its texts, arguments and results, without the provider's own form of them.
    pub fn text_bytes(&self) -> usize {
        match self {
            Self::System(text) | Self::User(text) => text.len(),
            Self::Assistant(Assistant { text, calls, raw: _ }) => {
                text.len() + calls.iter().map(|call| call.name.len() + call.arguments.len()).sum::<usize>()
            }
            Self::Results(outputs) => outputs.iter().map(|output| output.content.len()).sum(),
        }
    }
}

/// What a model said and called.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Assistant {
    /// The words that the caller heard.
    #[serde(default)]
    pub text: String,
    /// The calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Call>,
    /// The provider's own form of this message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Raw>,
}

/// The provider's own form of a message: what must go back as it came, such as thinking with its
/// signature. It goes back to the model that it came from, and to no other: another server, even one of
/// the same form, may refuse members and signatures that are not its own.
///
/// `Assistant::text` wins over the words in it (an answer that was interrupted is cut), and a call that
/// `Assistant::calls` does not have is dropped. Everything else goes back as it is.
///
/// The value is, for OpenAI Chat, the message `{role, content, tool_calls, …}`; for Responses, the list of
/// output items; for Anthropic, the list of content blocks; for Gemini, the list of parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Raw {
    /// Whose form it is.
    pub provider: Provider,
    /// The [`Request::origin`] of the request that the message answers. A reader does not know it: whoever
    /// has sent the request fills it in.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub origin: String,
    /// The message.
    pub value: Value,
}

impl Raw {
    /// A message of `provider` whose origin is not filled in yet.
    pub fn new(provider: Provider, value: Value) -> Self {
        Self { provider, origin: String::new(), value }
    }
}

/// A call of a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Its id, unique inside its message.
    pub id: String,
    /// The name of the tool.
    pub name: String,
    /// The arguments: the JSON text of an object.
    pub arguments: String,
}

/// What came of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolOutput {
    /// The id of the call.
    pub call_id: String,
    /// The name of the tool.
    pub name: String,
    /// What the model reads.
    pub content: String,
    /// Whether the call failed.
    #[serde(default)]
    pub is_error: bool,
}
