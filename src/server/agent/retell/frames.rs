//! The frames of Retell's custom LLM, read and written ("LLM WebSocket", <https://docs.retellai.com/api-references/llm-websocket>).
//!
//! If a member of our frame has a wrong type, Retell ignores the frame silently. So every member has a Rust type here.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Number;
use serde_json::value::RawValue;

/// A frame from Retell.
#[derive(Debug)]
pub(super) enum Told {
    /// A ping; the answer repeats its time.
    Ping(Number),
    /// The facts of the call: a JSON object.
    Details(Box<RawValue>),
    /// The transcript has changed.
    Update,
    /// It asks for something to say.
    Asked(Asked),
    /// A frame that this version does not know.
    Other,
}

/// Retell asks for something to say.
#[derive(Debug)]
pub(super) struct Asked {
    /// The id of the request; of two, the larger one counts.
    pub(super) id: u64,
    /// The transcript so far.
    pub(super) transcript: Vec<Utterance>,
    /// Whether the person on the line has been silent for a while.
    pub(super) is_reminder: bool,
}

/// One utterance. Its words with their times are ignored.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Utterance {
    /// `agent` or `user`.
    #[serde(default)]
    pub(super) role: String,
    /// The text.
    #[serde(default)]
    pub(super) content: Option<String>,
}

/// The members that are read.
#[derive(Deserialize)]
struct Frame<'f> {
    #[serde(borrow)]
    interaction_type: Cow<'f, str>,
    #[serde(default)]
    response_id: Option<u64>,
    #[serde(borrow, default)]
    transcript: Option<&'f RawValue>,
    #[serde(default)]
    timestamp: Option<Number>,
    #[serde(borrow, default)]
    call: Option<&'f RawValue>,
}

impl Told {
    /// Reads a frame.
    ///
    /// # Errors
    ///
    /// The frame is not in Retell's form. The error says why, and repeats nothing that was said.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let Frame { interaction_type, response_id, transcript, timestamp, call } =
            serde_json::from_str(text).map_err(|error| cause(&error))?;
        let missing = |name: &str| format!("`{name}` is missing");
        match &*interaction_type {
            "ping_pong" => timestamp.map(Self::Ping).ok_or_else(|| missing("timestamp")),
            "call_details" => call.map(|call| Self::Details(call.to_owned())).ok_or_else(|| missing("call")),
            "update_only" => Ok(Self::Update),
            kind @ ("response_required" | "reminder_required") => {
                let transcript = transcript.ok_or_else(|| missing("transcript"))?;
                Ok(Self::Asked(Asked {
                    id: response_id.ok_or_else(|| missing("response_id"))?,
                    transcript: serde_json::from_str(transcript.get()).map_err(|error| cause(&error))?,
                    is_reminder: kind == "reminder_required",
                }))
            }
            _ => Ok(Self::Other),
        }
    }
}

/// What is wrong with a text, without any part of the text.
fn cause(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Data => "a member is of another type, or missing",
        _ => "it is not JSON",
    };
    format!("{kind} (column {})", error.column())
}

/// The first frame: it tells Retell what to send. Callgate knows the calls of tools already, so Retell need not repeat them
/// with every word.
pub(super) fn config() -> String {
    #[derive(Serialize)]
    struct Config {
        auto_reconnect: bool,
        call_details: bool,
        transcript_with_tool_calls: bool,
    }
    #[derive(Serialize)]
    struct Frame {
        response_type: &'static str,
        config: Config,
    }
    let config = Config { auto_reconnect: true, call_details: true, transcript_with_tool_calls: false };
    written(&Frame { response_type: "config", config })
}

/// The answer to a ping.
pub(super) fn pong(timestamp: &Number) -> String {
    #[derive(Serialize)]
    struct Frame<'f> {
        response_type: &'static str,
        timestamp: &'f Number,
    }
    written(&Frame { response_type: "ping_pong", timestamp })
}

/// A piece of an answer.
#[derive(Debug, Default)]
pub(super) struct Piece<'p> {
    /// The id of the request that it answers.
    pub(super) id: u64,
    /// The text.
    pub(super) content: &'p str,
    /// Whether it is the last one.
    pub(super) is_last: bool,
    /// The action after all words are spoken.
    pub(super) then: Then<'p>,
}

/// What Retell does after it has spoken an answer. If the person on the line interrupts, Retell forgets it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Then<'p> {
    /// It listens.
    #[default]
    Listen,
    /// It hangs up.
    EndCall,
    /// It transfers the call to a number.
    Transfer(&'p str),
}

impl Piece<'_> {
    /// The frame.
    pub(super) fn frame(&self) -> String {
        #[derive(Serialize)]
        struct Frame<'f> {
            response_type: &'static str,
            response_id: u64,
            content: &'f str,
            content_complete: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            end_call: Option<bool>,
            #[serde(skip_serializing_if = "Option::is_none")]
            transfer_number: Option<&'f str>,
        }
        // Retell does only one of the two.
        let (end_call, transfer_number) = match self.then {
            Then::Listen => (None, None),
            Then::EndCall => (Some(true), None),
            Then::Transfer(number) => (None, Some(number)),
        };
        written(&Frame {
            response_type: "response",
            response_id: self.id,
            content: self.content,
            content_complete: self.is_last,
            end_call,
            transfer_number,
        })
    }
}

/// A call of a tool begins: for Retell's record of the phone call.
pub(super) fn invocation(id: &str, name: &str, arguments: &RawValue) -> String {
    #[derive(Serialize)]
    struct Frame<'f> {
        response_type: &'static str,
        tool_call_id: &'f str,
        name: &'f str,
        /// JSON in a text.
        arguments: &'f str,
    }
    written(&Frame {
        response_type: "tool_call_invocation",
        tool_call_id: id,
        name,
        arguments: arguments.get(),
    })
}

/// A call of a tool has ended.
pub(super) fn result(id: &str, content: &str, is_success: bool) -> String {
    #[derive(Serialize)]
    struct Frame<'f> {
        response_type: &'static str,
        tool_call_id: &'f str,
        content: &'f str,
        successful: bool,
    }
    written(&Frame { response_type: "tool_call_result", tool_call_id: id, content, successful: is_success })
}

fn written(frame: &impl Serialize) -> String {
    // Texts, numbers and truth values can always be written.
    serde_json::to_string(frame).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn refused(text: &str, why: &str) {
        let error = Told::read(text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }

    #[test]
    fn what_is_broken_is_told_without_a_word_of_it() {
        refused("", "it is not JSON");
        refused("{\"interaction_type\": \"ping_pong\"", "it is not JSON");
        refused("[]", "another type");
        refused("{}", "missing");
        refused("{\"interaction_type\": 7}", "another type");
        refused("{\"interaction_type\": \"ping_pong\"}", "`timestamp`");
        refused("{\"interaction_type\": \"call_details\"}", "`call`");
        refused("{\"interaction_type\": \"response_required\", \"response_id\": 1}", "`transcript`");
        refused("{\"interaction_type\": \"response_required\", \"transcript\": []}", "`response_id`");
        for id in ["\"1\"", "-1", "1.5"] {
            let text = format!(
                "{{\"interaction_type\": \"reminder_required\", \"response_id\": {id}, \"transcript\": []}}"
            );
            refused(&text, "another type");
        }
        let secret = "{\"interaction_type\": \"response_required\", \"response_id\": 1, \"transcript\": [\"my card is 4711\"]}";
        assert!(!Told::read(secret).unwrap_err().contains("4711"));
    }

    #[test]
    fn a_time_goes_back_as_it_came() {
        for time in ["1703302407333", "3", "17033024073331703302407333"] {
            let Ok(Told::Ping(number)) =
                Told::read(&format!("{{\"interaction_type\": \"ping_pong\", \"timestamp\": {time}}}"))
            else {
                panic!("{time}")
            };
            assert_eq!(pong(&number), format!("{{\"response_type\":\"ping_pong\",\"timestamp\":{time}}}"));
        }
    }

    #[test]
    fn what_is_not_known_is_passed_over() {
        let text = json!({"interaction_type": "something_new", "response_id": 3, "more": [1, 2]});
        assert!(matches!(Told::read(&text.to_string()), Ok(Told::Other)));
        let text = json!({
            "interaction_type": "response_required", "response_id": 3, "timestamp": 3,
            "transcript": [
                {"role": "agent", "content": "Hello", "words": [{"word": "Hello", "start": 0.5, "end": 0.9}], "metadata": {}},
                {"content": null},
            ],
        });
        let Ok(Told::Asked(asked)) = Told::read(&text.to_string()) else { panic!("{text}") };
        let expected = [
            Utterance { role: "agent".to_owned(), content: Some("Hello".to_owned()) },
            Utterance { role: String::new(), content: None },
        ];
        assert_eq!((asked.id, asked.is_reminder), (3, false));
        assert_eq!(asked.transcript, expected);
    }

    #[test]
    fn retell_does_one_thing_at_most_when_an_answer_is_spoken() {
        let frame = |then| -> Value {
            let piece = Piece { id: 10, content: "Goodbye.", is_last: true, then };
            serde_json::from_str(&piece.frame()).unwrap()
        };
        let plain = json!({"response_type": "response", "response_id": 10, "content": "Goodbye.", "content_complete": true});
        assert_eq!(frame(Then::Listen), plain);
        let mut ends = plain.clone();
        ends["end_call"] = true.into();
        assert_eq!(frame(Then::EndCall), ends);
        let mut transfers = plain;
        transfers["transfer_number"] = "+14155550123".into();
        assert_eq!(frame(Then::Transfer("+14155550123")), transfers);
    }
}
