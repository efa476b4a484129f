//! What is told of a turn, read from the stream of `POST /v1/agents/{name}/turns`.

use serde_json::Value;

/// An event; of one that is not known, nothing is said.
#[derive(Debug, PartialEq)]
pub(super) enum Event {
    /// Something to say. `source` says who has chosen the words: `model`, `start`, `delayed`, …
    Text { text: String, source: String, at_ms: u64 },
    /// A model has answered.
    Round { round: u64, model: String, first_token_ms: u64, took_ms: u64 },
    /// A call goes ahead.
    Started { name: String, arguments: String, at_ms: u64 },
    /// A call has ended; without a status, it was not executed.
    Ended {
        name: String,
        status: Option<String>,
        duration_ms: Option<u64>,
        replayed: bool,
        content: String,
        at_ms: u64,
    },
    /// A call that the caller is to answer.
    Passed { name: String, arguments: String },
    /// The person is to be transferred.
    Handover { to: String },
    /// The end of the turn.
    Done {
        is_cut_off: bool,
        input_tokens: u64,
        output_tokens: u64,
        error: Option<(String, String)>,
        at_ms: u64,
    },
}

impl Event {
    fn read(kind: &str, data: &str) -> Option<Self> {
        let data: Value = serde_json::from_str(data).ok()?;
        let text = |name: &str| data[name].as_str().map(str::to_owned);
        let number = |name: &str| data[name].as_u64();
        let at_ms = number("at_ms").unwrap_or_default();
        let name = || text("name").unwrap_or_default();
        Some(match kind {
            "text" => Self::Text { text: text("text")?, source: text("source").unwrap_or_default(), at_ms },
            "round" => Self::Round {
                round: number("round").unwrap_or_default(),
                model: text("model").unwrap_or_default(),
                first_token_ms: number("first_token_ms").unwrap_or_default(),
                took_ms: number("took_ms").unwrap_or_default(),
            },
            "tool_started" => Self::Started { name: name(), arguments: data["arguments"].to_string(), at_ms },
            "tool_ended" => Self::Ended {
                name: name(),
                status: text("status"),
                duration_ms: number("duration_ms"),
                replayed: data["replayed"] == true,
                content: text("content").unwrap_or_default(),
                at_ms,
            },
            "caller_call" => Self::Passed {
                name: name(),
                arguments: text("arguments").unwrap_or_else(|| data["arguments"].to_string()),
            },
            "handover" => {
                Self::Handover { to: text("phone_number").or_else(|| text("queue")).unwrap_or_default() }
            }
            "done" => {
                let error = data["error"].as_object().map(|error| {
                    let member =
                        |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
                    (member("code"), member("message"))
                });
                let tokens = |name: &str| data["usage"][name].as_u64().unwrap_or_default();
                Self::Done {
                    is_cut_off: data["finish"] == "length",
                    input_tokens: tokens("input_tokens"),
                    output_tokens: tokens("output_tokens"),
                    error,
                    at_ms,
                }
            }
            _ => return None,
        })
    }
}

/// Reads server-sent events (HTML, "Server-sent events") of the gateway, whose pieces may end anywhere.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The line that has not ended yet.
    line: Vec<u8>,
    kind: String,
    data: Vec<String>,
}

impl Reader {
    /// Reads a piece; gives the events that end in it.
    pub(super) fn read(&mut self, piece: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for byte in piece {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8_lossy(&line);
            let line = line.strip_suffix('\r').unwrap_or(&line);
            if line.is_empty() {
                let data = std::mem::take(&mut self.data).join("\n");
                events.extend(Event::read(&std::mem::take(&mut self.kind), &data));
            } else if let Some(data) = line.strip_prefix("data:") {
                self.data.push(data.strip_prefix(' ').unwrap_or(data).to_owned());
            } else if let Some(kind) = line.strip_prefix("event:") {
                kind.trim_start_matches(' ').clone_into(&mut self.kind);
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_may_end_anywhere() {
        let stream = ": keep-alive\n\nevent: text\r\ndata: {\"text\": \"Grüße\", \"source\": \"model\", \"at_ms\": 7}\r\n\r\n\
                      event: tool_started\ndata: {\"name\": \"get\",\ndata: \"arguments\": {\"id\": 12345678901234567890}}\n\n\
                      event: later\ndata: {}\n\nevent: text\ndata: no json\n\nevent: done\ndata: {}\n\nevent: done\n";
        let expected = [
            Event::Text { text: "Grüße".to_owned(), source: "model".to_owned(), at_ms: 7 },
            Event::Started {
                name: "get".to_owned(),
                arguments: r#"{"id":12345678901234567890}"#.to_owned(),
                at_ms: 0,
            },
            Event::Done { is_cut_off: false, input_tokens: 0, output_tokens: 0, error: None, at_ms: 0 },
        ];
        assert_eq!(Reader::default().read(stream.as_bytes()), expected);
        for size in 1..20 {
            let mut reader = Reader::default();
            let read: Vec<Event> =
                stream.as_bytes().chunks(size).flat_map(|piece| reader.read(piece)).collect();
            assert_eq!(read, expected, "pieces of {size}");
        }
    }

    #[test]
    fn all_that_is_told_of_a_turn_is_read() {
        let read = |kind: &str, data: &str| Event::read(kind, data);
        let ended = r#"{"name": "get", "status": "error", "duration_ms": 12, "replayed": true, "content": "{}", "at_ms": 5}"#;
        assert_eq!(
            read("tool_ended", ended),
            Some(Event::Ended {
                name: "get".to_owned(),
                status: Some("error".to_owned()),
                duration_ms: Some(12),
                replayed: true,
                content: "{}".to_owned(),
                at_ms: 5,
            })
        );
        assert_eq!(
            read("handover", r#"{"queue": "sales"}"#),
            Some(Event::Handover { to: "sales".to_owned() })
        );
        let passed = Event::Passed { name: "transfer".to_owned(), arguments: r#"{"to":1}"#.to_owned() };
        assert_eq!(read("caller_call", r#"{"name": "transfer", "arguments": "{\"to\":1}"}"#), Some(passed));
        let done = r#"{"finish": "length", "usage": {"input_tokens": 3, "output_tokens": 4}, "error": {"code": "c", "message": "m"}}"#;
        let error = Some(("c".to_owned(), "m".to_owned()));
        let expected = Event::Done { is_cut_off: true, input_tokens: 3, output_tokens: 4, error, at_ms: 0 };
        assert_eq!(read("done", done), Some(expected));
        assert_eq!(read("text", r#"{"text": 5}"#), None);
    }
}
