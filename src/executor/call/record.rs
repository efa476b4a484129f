//! The record of a call: what was asked, checked, sent and answered, and when.
//!
//! The stages fill it. Everything that is told of a call is a view of it: the result (`result.rs`), the log line, the
//! report to observers, the exchange, and the events of the conversation's feed.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use crate::action::RequestSpec;
use crate::action::template::Data;
use crate::conversation::Conversation;
use crate::executor::observe::{Spent, Step};
use crate::executor::served::ServedAction;
use crate::secrets::Redactor;
use crate::tool::{Cancellation, ToolCall};

use super::phases::Phases;

/// What is known of a call.
#[derive(Debug)]
pub(in crate::executor) struct CallRecord {
    /// What was asked, under the name of its action.
    pub(in crate::executor) call: ToolCall,
    /// When it came.
    pub(in crate::executor) received: Received,
    /// The action, once it is found.
    pub(in crate::executor) action: Option<Arc<ServedAction>>,
    /// The conversation, once it is open; also the one that the caller carries.
    pub(in crate::executor) conversation: Option<Arc<Conversation>>,
    /// Stands for the action and the arguments, once they are read.
    pub(in crate::executor) digest: Option<[u8; 32]>,
    /// Checked arguments and variables.
    pub(in crate::executor) values: Option<Arc<Values>>,
    /// What of the arguments must not be written down; `None` where that cannot be told.
    pub(in crate::executor) sensitive: Option<Vec<Value>>,
    /// The JSON Pointers of arguments that came as a JSON text too deep.
    pub(in crate::executor) decoded: Vec<String>,
    /// Whether nothing stood in its way, and its caller heard that it goes ahead.
    pub(in crate::executor) goes_ahead: bool,
    /// The request as it was sent first, where somebody wants to see it.
    pub(in crate::executor) request: Option<Box<SentRequest>>,
    /// What happened after that.
    pub(in crate::executor) moments: Vec<Moment>,
    /// Status and headers of the last answer, where somebody wants them.
    pub(in crate::executor) answer: Option<(StatusCode, HeaderMap)>,
    /// The body of the last answer, where a person looks into the call.
    pub(in crate::executor) answered_body: Option<Bytes>,
    /// The attempts, where the call is traced.
    pub(in crate::executor) steps: Vec<Step>,
    /// How many attempts there were.
    pub(in crate::executor) attempts: u32,
    /// Whether a byte of the request may have been written.
    pub(in crate::executor) was_sent: bool,
    /// Whether an attempt may have changed something without saying so.
    pub(in crate::executor) may_be_done: bool,
    /// Masks the token that was sent.
    pub(in crate::executor) token: Option<Arc<Redactor>>,
    /// What a cancellation met, where one came.
    pub(in crate::executor) cancellation: Option<Cancellation>,
    /// Whether somebody withdrew the call by its id before it was sent.
    pub(in crate::executor) is_withdrawn: bool,
    /// Where the time went, but for the total.
    pub(in crate::executor) spent: Spent,
    /// Where the time went, phase by phase.
    pub(in crate::executor) phases: Phases,
}

/// When a call came, by two clocks.
#[derive(Clone, Copy, Debug)]
pub(in crate::executor) struct Received {
    pub(in crate::executor) at: Instant,
    pub(in crate::executor) timestamp: jiff::Timestamp,
}

/// A request that was sent.
#[derive(Debug)]
pub(in crate::executor) struct SentRequest {
    /// Milliseconds since 1970 (UTC).
    pub(in crate::executor) at_ms: u64,
    /// Without credentials.
    pub(in crate::executor) spec: RequestSpec,
}

/// What happened after a request was sent.
#[derive(Debug)]
pub(in crate::executor) enum Moment {
    /// The upstream answered.
    Answered { at_ms: u64, took: Duration },
    /// The request is sent again after a while.
    Again { at_ms: u64, attempt: u32, wait: Duration, cause: String },
}

/// Everything that templates and guards read.
#[derive(Debug, Default)]
pub(in crate::executor) struct Values {
    pub(in crate::executor) parameters: Map<String, Value>,
    variables: Variables,
}

#[derive(Debug)]
enum Variables {
    Plain(Map<String, Value>),
    /// An object with the member `variables`, as the paths of guards see it.
    Rooted(Value),
}

impl Default for Variables {
    fn default() -> Self {
        Self::Plain(Map::new())
    }
}

impl Values {
    /// `for_guards`: the guards of the action look into the variables.
    pub(in crate::executor) fn new(
        parameters: Map<String, Value>,
        variables: Map<String, Value>,
        for_guards: bool,
    ) -> Self {
        let variables = match for_guards {
            true => {
                let root = Map::from_iter([("variables".to_owned(), Value::Object(variables))]);
                Variables::Rooted(Value::Object(root))
            }
            false => Variables::Plain(variables),
        };
        Self { parameters, variables }
    }

    /// What templates see as `.variables`.
    pub(in crate::executor) fn variables(&self) -> &Map<String, Value> {
        static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
        match &self.variables {
            Variables::Plain(variables) => variables,
            Variables::Rooted(root) => root.get("variables").and_then(Value::as_object).unwrap_or(&NONE),
        }
    }

    /// What the paths of guards see: an object with the member `variables`.
    pub(in crate::executor) fn root(&self) -> &Value {
        match &self.variables {
            Variables::Plain(_) => &Value::Null,
            Variables::Rooted(root) => root,
        }
    }

    /// What the templates of `served` are rendered with.
    pub(in crate::executor) fn data<'v>(&'v self, served: &'v ServedAction) -> Data<'v> {
        let static_variables = &served.environment.static_variables;
        Data { parameters: &self.parameters, variables: self.variables(), static_variables }
    }
}

impl CallRecord {
    /// A call that comes now. Its phases are noted where somebody wants them.
    pub(in crate::executor) fn new(call: ToolCall, wants_phases: bool) -> Self {
        let received = Received { at: Instant::now(), timestamp: jiff::Timestamp::now() };
        Self {
            call,
            received,
            phases: Phases::new(received.at, wants_phases),
            action: None,
            conversation: None,
            digest: None,
            values: None,
            sensitive: None,
            decoded: Vec::new(),
            goes_ahead: false,
            request: None,
            moments: Vec::new(),
            answer: None,
            answered_body: None,
            steps: Vec::new(),
            attempts: 0,
            was_sent: false,
            may_be_done: false,
            token: None,
            cancellation: None,
            is_withdrawn: false,
            spent: Spent::default(),
        }
    }

    /// Waits, and notes how long it took.
    pub(in crate::executor) async fn waiting<T>(&mut self, work: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let done = work.await;
        self.spent.waiting += started.elapsed();
        done
    }
}

impl Received {
    /// Milliseconds since 1970 (UTC).
    pub(in crate::executor) fn ms(self) -> u64 {
        u64::try_from(self.timestamp.as_millisecond()).unwrap_or_default()
    }
}
