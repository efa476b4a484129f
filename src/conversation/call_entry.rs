//! What the feed keeps of a call: one text for all its events, which are made when somebody reads them.
//!
//! Whoever writes a [`CallEntry`] has masked it: nothing in it is sensitive.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::tool::{Effect, Retry};

use super::event::{EventKind, MAX_EVENT_BYTES, NewEvent};

/// How much is shown of each part of an event, in bytes; less where the whole
/// would be longer than an event may be.
const SHOWN: [usize; 3] = [MAX_PART_BYTES, 400, 60];
/// How much is kept of each part, in bytes.
pub const MAX_PART_BYTES: usize = 1_500;
/// Most events of variables that one change makes; the rest is counted in a last one.
pub const MAX_VARIABLES: usize = 40;
/// Most headers of a request that are kept.
pub const MAX_HEADERS: usize = 30;

/// A call that has ended, as its feed tells it.
#[derive(Debug, Serialize, Deserialize)]
pub struct CallEntry<'a> {
    /// Its `tool_call_id`.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// Its action, or what the model took for one.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// When it came; all times are milliseconds since 1970 (UTC).
    pub at: u64,
    /// When it ended.
    pub end: u64,
    /// The arguments as the model sent them.
    #[serde(borrow)]
    pub arguments: Part<'a>,
    /// The JSON Pointers of arguments that were read as JSON, since they came as a text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decoded: Vec<String>,
    /// The request as it was sent first.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestEntry<'a>>,
    /// Attempts after the first one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retries: Vec<RetryEntry>,
    /// Who made the call, where its caller says so: `console`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Cow<'a, str>>,
    /// Where the time went.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseEntry<'a>>,
    /// What was answered last.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub response: Option<ResponseEntry<'a>>,
    /// Variables that it set, the first [`MAX_VARIABLES`].
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<SetEntry<'a>>,
    /// How many more it set.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: usize,
    /// Variables that it took away.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<Cow<'a, str>>,
    /// How it failed.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorEntry<'a>>,
    /// The state that the conversation goes on to.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Cow<'a, str>>,
}

/// A text, of which the first [`MAX_PART_BYTES`] are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    text: Cow<'a, str>,
    /// How long it was.
    bytes: usize,
}

/// A request, with its credentials masked.
#[derive(Debug, Serialize, Deserialize)]
pub struct RequestEntry<'a> {
    /// When it was sent.
    pub at: u64,
    /// The HTTP method.
    #[serde(borrow)]
    pub method: Cow<'a, str>,
    /// The full URL.
    #[serde(borrow)]
    pub url: Part<'a>,
    /// The first [`MAX_HEADERS`] of its headers, by name.
    #[serde(borrow)]
    pub headers: Vec<(Cow<'a, str>, Part<'a>)>,
    /// Its body, if it has one.
    #[serde(borrow)]
    pub body: Option<Part<'a>>,
}

/// A part of a call's time.
#[derive(Debug)]
pub struct PhaseEntry<'a> {
    /// Its name.
    pub phase: Cow<'a, str>,
    /// The attempt that it belongs to, from 1; 0 where it belongs to none.
    pub attempt: u32,
    /// When it began, in microseconds since the call came.
    pub start: u64,
    /// How long it took, in microseconds.
    pub took: u64,
}

/// Written as `[phase, attempt, start, took]`: there are some ten of each call.
impl Serialize for PhaseEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.phase, self.attempt, self.start, self.took).serialize(serializer)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for PhaseEntry<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (phase, attempt, start, took) = Deserialize::deserialize(deserializer)?;
        Ok(Self { phase, attempt, start, took })
    }
}

/// An attempt after the first one.
#[derive(Debug, Serialize, Deserialize)]
pub struct RetryEntry {
    /// When it was decided.
    pub at: u64,
    /// Its number.
    pub attempt: u32,
    /// How long it waited, in milliseconds.
    pub wait: u64,
    /// Why, masked.
    pub cause: Part<'static>,
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
pub struct ResponseEntry<'a> {
    /// When it came.
    pub at: u64,
    /// How long it took, in milliseconds; `None` where the action answered by itself.
    pub took: Option<u64>,
    /// The HTTP status.
    pub status: Option<u16>,
    /// The headers that the model saw, as JSON.
    #[serde(borrow)]
    pub headers: Option<Part<'a>>,
    /// The body that it saw, as JSON.
    #[serde(borrow)]
    pub body: Option<Part<'a>>,
}

/// A variable that was set.
#[derive(Debug, Serialize, Deserialize)]
pub struct SetEntry<'a> {
    /// Its dotted name.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// Its value as JSON.
    #[serde(borrow)]
    pub value: Part<'a>,
    /// Whether it is redacted.
    pub sensitive: bool,
    /// Whether the model may see it.
    pub exposed: bool,
}

/// How a call failed.
#[derive(Debug, Serialize, Deserialize)]
pub struct ErrorEntry<'a> {
    /// What the model heard.
    #[serde(borrow)]
    pub message: Part<'a>,
    /// The stable code.
    #[serde(borrow)]
    pub code: Cow<'a, str>,
    /// What may have been done.
    pub effect: Effect,
    /// Whether to try again.
    pub retry: Retry,
    /// The value that is missing.
    #[serde(borrow)]
    pub missing: Option<Cow<'a, str>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl<'a> Part<'a> {
    /// A part of a text that is masked already.
    pub fn of(text: impl Into<Cow<'a, str>>) -> Self {
        Self::cut(text, MAX_PART_BYTES)
    }

    /// The same, of which `most` bytes are kept.
    pub fn cut(text: impl Into<Cow<'a, str>>, most: usize) -> Self {
        let text = text.into();
        let bytes = text.len();
        let end = text.floor_char_boundary(most);
        let text = match text {
            text if end == bytes => text,
            Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
            Cow::Owned(mut text) => {
                text.truncate(end);
                Cow::Owned(text)
            }
        };
        Self { text, bytes }
    }

    fn is_whole_in(&self, limit: usize) -> bool {
        self.text.len() == self.bytes && self.bytes <= limit
    }

    /// The first bytes; says how many there are where some are left out.
    fn shortened(&self, limit: usize) -> String {
        if self.is_whole_in(limit) {
            return self.text.clone().into_owned();
        }
        format!("{}… [{} bytes]", &self.text[..self.text.floor_char_boundary(limit)], self.bytes)
    }

    /// JSON as it is, where it is `limit` bytes at most; else a text.
    pub fn json(&self, limit: usize) -> Box<RawValue> {
        if self.is_whole_in(limit) && serde_json::from_str::<&RawValue>(&self.text).is_ok() {
            // A stream of events has lines; outside of strings a line break means nothing.
            let line = self.text.replace(['\r', '\n'], " ");
            if let Ok(json) = RawValue::from_string(line) {
                return json;
            }
        }
        RawValue::from_string(Value::from(self.shortened(limit)).to_string()).unwrap_or_default()
    }
}

/// A text is written as it is, where all of it is kept; else with its length.
impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.text.len() == self.bytes {
            serializer.serialize_str(&self.text)
        } else {
            (&self.text, self.bytes).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Part<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyPart).map(|(text, bytes)| Self { text: Cow::Owned(text), bytes })
    }
}

/// Reads both forms of a part. By hand, since an untagged enum reads no numbers of any precision.
struct AnyPart;

impl<'de> Visitor<'de> for AnyPart {
    type Value = (String, usize);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or a text and its length")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok((text.to_owned(), text.len()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        let text: Option<String> = parts.next_element()?;
        let bytes: Option<usize> = parts.next_element()?;
        text.zip(bytes).ok_or_else(|| de::Error::invalid_length(2, &self))
    }
}

impl CallEntry<'_> {
    /// How many events it makes.
    pub fn count(&self) -> usize {
        1 + usize::from(self.request.is_some())
            + self.retries.len()
            + usize::from(self.response.is_some())
            + self.set.len()
            + usize::from(self.more > 0)
            + self.unset.len()
            + usize::from(self.error.is_some())
            + usize::from(self.state.is_some())
    }

    /// Its events, in their order.
    pub fn events(&self) -> Vec<NewEvent> {
        let mut events = Vec::with_capacity(self.count());
        let source = Source { by: "call", tool_call_id: &self.id, action: &self.name };
        events.push(event(EventKind::ToolCalled, self.at, |limit| Called {
            tool_call_id: &self.id,
            name: &self.name,
            arguments: self.arguments.json(limit),
            decoded: &self.decoded,
            source: self.source.as_deref(),
        }));
        events.extend(self.request.as_ref().map(|request| {
            event(EventKind::RequestSent, request.at, |limit| Sent {
                tool_call_id: &self.id,
                method: &request.method,
                url: request.url.shortened(limit),
                headers: request.headers(limit / 4),
                body: request.body.as_ref().map(|body| body.shortened(limit)),
            })
        }));
        events.extend(self.retries.iter().map(|retry| {
            event(EventKind::Retry, retry.at, |limit| Again {
                tool_call_id: &self.id,
                attempt: retry.attempt,
                wait_ms: retry.wait,
                cause: retry.cause.shortened(limit),
            })
        }));
        events.extend(self.response.as_ref().map(|response| {
            event(EventKind::ResponseReceived, response.at, |limit| Received {
                tool_call_id: &self.id,
                status_code: response.status,
                duration_ms: response.took,
                headers: response.headers.as_ref().map(|headers| headers.json(limit)),
                body: response.body.as_ref().map(|body| body.json(limit)),
                phases: self.phases(),
            })
        }));
        events.extend(self.set.iter().map(|set| set.event(self.end, &source)));
        if self.more > 0 {
            let more = |_| serde_json::json!({"more": self.more});
            events.push(event(EventKind::VariableSet, self.end, more));
        }
        events.extend(self.unset.iter().map(|name| {
            event(EventKind::VariableSet, self.end, |_| Gone { name, unset: true, source: &source })
        }));
        events.extend(self.error.as_ref().map(|error| {
            event(EventKind::Error, self.end, |limit| Failed {
                tool_call_id: &self.id,
                name: &self.name,
                message: error.message.shortened(limit),
                code: &error.code,
                effect: error.effect,
                retry: error.retry,
                missing: error.missing.as_deref(),
                // The answer has them.
                phases: if self.response.is_none() { self.phases() } else { Vec::new() },
            })
        }));
        events.extend(self.state.as_ref().map(|state| {
            event(EventKind::VariableSet, self.end, |_| serde_json::json!({"current_state": state}))
        }));
        events
    }

    fn phases(&self) -> Vec<TimedPhase<'_>> {
        #[expect(clippy::cast_precision_loss, reason = "microseconds of a call are far below 2^52")]
        let millis = |micros: u64| micros as f64 / 1e3;
        let timed = |entry: &'_ PhaseEntry<'_>| (entry.attempt, millis(entry.start), millis(entry.took));
        let phases = self.phases.iter().map(|entry| {
            let (attempt, start_ms, ms) = timed(entry);
            TimedPhase { phase: &entry.phase, attempt: (attempt > 0).then_some(attempt), start_ms, ms }
        });
        phases.collect()
    }
}

impl RequestEntry<'_> {
    fn headers(&self, limit: usize) -> Map<String, Value> {
        let header = |(name, value): &(Cow<'_, str>, Part<'_>)| {
            (name.clone().into_owned(), Value::String(value.shortened(limit)))
        };
        self.headers.iter().map(header).collect()
    }
}

impl SetEntry<'_> {
    /// The event of the variable, which `source` set.
    pub fn event(&self, at_ms: u64, source: &Source<'_>) -> NewEvent {
        event(EventKind::VariableSet, at_ms, |limit| Set {
            name: &self.name,
            value: self.value.json(limit),
            sensitive: self.sensitive,
            exposed: self.exposed,
            source,
        })
    }
}

/// An event whose parts are shown as long as they may be.
fn event<T: Serialize>(kind: EventKind, at_ms: u64, data: impl Fn(usize) -> T) -> NewEvent {
    let mut text = String::new();
    for limit in SHOWN {
        text = serde_json::to_string(&data(limit)).unwrap_or_default();
        if text.len() <= MAX_EVENT_BYTES {
            break;
        }
    }
    NewEvent::at(kind, at_ms, text)
}

/// Who set a variable, as events say it.
#[derive(Debug, Serialize)]
pub struct Source<'a> {
    by: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    tool_call_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    action: &'a str,
}

impl Source<'static> {
    /// The caller of the gateway.
    pub const CALLER: Self = Self { by: "caller", tool_call_id: "", action: "" };
}

#[derive(Serialize)]
struct Called<'a> {
    tool_call_id: &'a str,
    name: &'a str,
    arguments: Box<RawValue>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    decoded: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
}

#[derive(Serialize)]
struct TimedPhase<'a> {
    phase: &'a str,
    attempt: Option<u32>,
    start_ms: f64,
    ms: f64,
}

#[derive(Serialize)]
struct Sent<'a> {
    tool_call_id: &'a str,
    method: &'a str,
    url: String,
    headers: Map<String, Value>,
    body: Option<String>,
}

#[derive(Serialize)]
struct Again<'a> {
    tool_call_id: &'a str,
    attempt: u32,
    wait_ms: u64,
    cause: String,
}

#[derive(Serialize)]
struct Received<'a> {
    tool_call_id: &'a str,
    status_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Box<RawValue>>,
    body: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    phases: Vec<TimedPhase<'a>>,
}

#[derive(Serialize)]
struct Set<'a> {
    name: &'a str,
    value: Box<RawValue>,
    sensitive: bool,
    exposed: bool,
    source: &'a Source<'a>,
}

#[derive(Serialize)]
struct Gone<'a> {
    name: &'a str,
    unset: bool,
    source: &'a Source<'a>,
}

#[derive(Serialize)]
struct Failed<'a> {
    tool_call_id: &'a str,
    name: &'a str,
    message: String,
    code: &'a str,
    effect: Effect,
    retry: Retry,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    phases: Vec<TimedPhase<'a>>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry() -> CallEntry<'static> {
        CallEntry {
            id: "call_1".into(),
            name: "book".into(),
            at: 1,
            end: 9,
            arguments: Part::of("{\"slot\":\n1}"),
            decoded: vec!["/a".to_owned()],
            request: Some(RequestEntry {
                at: 2,
                method: "POST".into(),
                url: Part::of("https://api.test/book"),
                headers: vec![("x-long".into(), Part::cut("é".repeat(300), MAX_PART_BYTES / 4))],
                body: Some(Part::of("b".repeat(2_000))),
            }),
            source: Some("console".into()),
            phases: vec![
                PhaseEntry { phase: "validate".into(), attempt: 0, start: 10, took: 1_500 },
                PhaseEntry { phase: "dns".into(), attempt: 1, start: 1_510, took: 20 },
            ],
            retries: vec![RetryEntry { at: 3, attempt: 2, wait: 50, cause: Part::of("503") }],
            response: Some(ResponseEntry {
                at: 4,
                took: Some(1),
                status: Some(200),
                headers: None,
                body: Some(Part::of("[".repeat(1_400) + &"é".repeat(100))),
            }),
            set: vec![SetEntry {
                name: "booking.id".into(),
                value: Part::of("7"),
                sensitive: false,
                exposed: true,
            }],
            more: 3,
            unset: vec!["old".into()],
            error: Some(ErrorEntry {
                message: Part::of("It failed."),
                code: "upstream_error".into(),
                effect: Effect::None,
                retry: Retry::Later,
                missing: None,
            }),
            state: Some("booked".into()),
        }
    }

    #[test]
    fn what_is_written_is_read_with_each_event_in_its_place() {
        let text = serde_json::to_string(&entry()).unwrap();
        let read: CallEntry<'_> = serde_json::from_str(&text).unwrap();
        let events = read.events();
        assert_eq!((events.len(), read.count()), (9, 9));
        let told: Vec<(&str, u64)> = events.iter().map(|event| (event.kind.as_str(), event.at_ms)).collect();
        let places = [
            ("tool_called", 1),
            ("request_sent", 2),
            ("retry", 3),
            ("response_received", 4),
            ("variable_set", 9),
            ("variable_set", 9),
            ("variable_set", 9),
            ("error", 9),
            ("variable_set", 9),
        ];
        assert_eq!(told, places);
        let data = |at: usize| -> Value { serde_json::from_str(events[at].data.get()).unwrap() };
        assert_eq!(
            data(0),
            json!({
                "tool_call_id": "call_1", "name": "book", "arguments": {"slot": 1}, "decoded": ["/a"],
                "source": "console",
            })
        );
        let phases = json!([
            {"phase": "validate", "attempt": null, "start_ms": 0.01, "ms": 1.5},
            {"phase": "dns", "attempt": 1, "start_ms": 1.51, "ms": 0.02},
        ]);
        assert_eq!(data(3)["phases"], phases);
        // What was answered has them.
        assert_eq!(data(7).get("phases"), None);
        let source = json!({"by": "call", "tool_call_id": "call_1", "action": "book"});
        let set =
            json!({"name": "booking.id", "value": 7, "sensitive": false, "exposed": true, "source": source});
        assert_eq!((data(4), data(5)), (set, json!({"more": 3})));
        assert_eq!(data(6), json!({"name": "old", "unset": true, "source": source}));
        assert_eq!(data(8), json!({"current_state": "booked"}));
        assert_eq!(
            serde_json::to_string(&entry().events().iter().map(|one| &one.data).collect::<Vec<_>>()).unwrap(),
            serde_json::to_string(&events.iter().map(|one| &one.data).collect::<Vec<_>>()).unwrap(),
        );
    }

    #[test]
    fn a_part_is_cut_at_a_character_and_says_how_long_it_was() {
        let part = Part::cut("ééé", 3);
        assert_eq!(serde_json::to_string(&part).unwrap(), r#"["é",6]"#);
        let read: Part<'_> = serde_json::from_str(r#"["é",6]"#).unwrap();
        assert_eq!((read.shortened(60), &read), ("é… [6 bytes]".to_owned(), &part));
        assert_eq!(read.json(60).get(), "\"é… [6 bytes]\"");
        assert_eq!(Part::of("[1,\r2]").json(60).get(), "[1, 2]");
        assert_eq!(Part::of("[1, 2, 3]").json(4).get(), "\"[1, … [9 bytes]\"");
        assert!(serde_json::from_str::<Part<'_>>("[\"x\"]").is_err());
    }

    #[test]
    fn an_event_is_no_longer_than_it_may_be() {
        let mut long = entry();
        let every = |name: usize| (Cow::Owned(format!("x-{name}")), Part::cut("v".repeat(400), 375));
        let request = long.request.as_mut().unwrap();
        request.headers = (0..20).map(every).collect();
        let events = long.events();
        assert!(events.iter().all(|event| event.data.get().len() <= MAX_EVENT_BYTES));
        let sent: Value = serde_json::from_str(events[1].data.get()).unwrap();
        assert_eq!(sent["headers"]["x-0"], json!(format!("{}… [400 bytes]", "v".repeat(100))));
        assert_eq!(sent["body"], json!(format!("{}… [2000 bytes]", "b".repeat(400))));
    }
}
