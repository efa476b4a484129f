//! The event feed of a conversation: ordered, numbered, bounded.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// Most events kept of one conversation; the oldest give way.
pub const MAX_EVENTS: usize = 500;
/// Most bytes of an event's data, as JSON.
pub const MAX_EVENT_BYTES: usize = 4 * 1024;
/// Most events of one page.
pub const MAX_PAGE: usize = 500;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The conversation began.
    ConversationStarted,
    /// A model asked for an action.
    ToolCalled,
    /// A request went upstream, shown masked.
    RequestSent,
    /// An upstream answered.
    ResponseReceived,
    /// A variable was set or taken away, or could not be.
    VariableSet,
    /// A request is sent again.
    Retry,
    /// A call was answered with the result of an earlier one.
    Replay,
    /// A call failed.
    Error,
    /// The conversation ended.
    Ended,
}

impl EventKind {
    /// The name as it is written in feeds.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConversationStarted => "conversation_started",
            Self::ToolCalled => "tool_called",
            Self::RequestSent => "request_sent",
            Self::ResponseReceived => "response_received",
            Self::VariableSet => "variable_set",
            Self::Retry => "retry",
            Self::Replay => "replay",
            Self::Error => "error",
            Self::Ended => "ended",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        const ALL: [EventKind; 9] = [
            EventKind::ConversationStarted,
            EventKind::ToolCalled,
            EventKind::RequestSent,
            EventKind::ResponseReceived,
            EventKind::VariableSet,
            EventKind::Retry,
            EventKind::Replay,
            EventKind::Error,
            EventKind::Ended,
        ];
        ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// An event that has no place in the feed yet. Its data must hold nothing
/// sensitive: who makes it masks it.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// What happened.
    pub kind: EventKind,
    /// When, in milliseconds since 1970 (UTC).
    pub at_ms: u64,
    /// The details, a JSON object of at most [`MAX_EVENT_BYTES`].
    pub data: Box<RawValue>,
}

impl NewEvent {
    /// An event of now. Data that is too long is left out, which the event says.
    pub fn now(kind: EventKind, data: &Value) -> Self {
        Self::at(kind, super::now_ms(), data.to_string())
    }

    /// An event of another moment; `data` is the text of a JSON object.
    pub fn at(kind: EventKind, at_ms: u64, data: String) -> Self {
        let mut text = data;
        if text.len() > MAX_EVENT_BYTES {
            text = format!("{{\"omitted_bytes\":{}}}", text.len());
        }
        let data = RawValue::from_string(text).unwrap_or_default();
        Self { kind, at_ms, data }
    }
}

/// An event in its place.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its number in the conversation, counted from 1 without gaps.
    pub id: u64,
    /// What happened.
    pub kind: EventKind,
    /// When, in milliseconds since 1970 (UTC).
    pub at_ms: u64,
    /// The details.
    pub data: Box<RawValue>,
}

/// Some events of a conversation, in their order.
#[derive(Clone, Debug, Default)]
pub struct EventPage {
    /// The events.
    pub events: Vec<Event>,
    /// The number of the newest event there is; 0 where there is none.
    pub newest: u64,
    /// Whether events between the one asked after and the first one here have
    /// been given up.
    pub has_gap: bool,
    /// Whether the conversation is known.
    pub is_known: bool,
}
