//! What a caller hears while a tool runs, in what each product has for it.
//!
//! Products say texts of their own accord and know nothing of our templates: they get the texts that are the same in
//! every call. Whoever speaks for a model itself takes all of them from the stream of `POST /v1/tool-calls`.

use serde_json::{Map, Value, json};

use crate::action::{Speech, SpeechText};

use super::lower::{Fate, Note};
use super::name::Dialect;

const OF_THE_CALL: &str = "it is filled in by each call, and the product says only what is always the same";
const ONE_LANGUAGE: &str = "the product takes one language: name it as `language`";
const OTHER_CODE: &str = "the product has no code for this language";
const NO_PLACE: &str = "the product has nothing for it";
const BY_PROMPT: &str = "told to the agent, which says it in its own words";
const BY_LATENCY: &str = "the agent speaks before the call where calls have been slow";

/// `messages` of a Vapi tool; empty where nothing is said.
pub(super) fn vapi_messages(speech: &Speech) -> Vec<Value> {
    let start = speech.start.as_ref().and_then(|text| vapi_message("request-start", text));
    let delayed = speech.delayed.as_ref().and_then(|delayed| {
        let mut message = vapi_message("request-response-delayed", &delayed.text)?;
        let after = u64::try_from(delayed.after.as_millis()).unwrap_or(u64::MAX);
        message.insert("timingMilliseconds".to_owned(), after.into());
        Some(message)
    });
    let failed = speech.failed.as_ref().and_then(|text| vapi_message("request-failed", text));
    [start, delayed, failed].into_iter().flatten().map(Value::Object).collect()
}

/// One message: `content`, or `contents` by language, of which Vapi translates the first for languages that have none.
fn vapi_message(kind: &str, text: &SpeechText) -> Option<Map<String, Value>> {
    let mut message = Map::from_iter([("type".to_owned(), json!(kind))]);
    let mut contents: Vec<Value> = Vec::new();
    for (language, text) in text.fixed() {
        match (language, text) {
            (None, Some(text)) => {
                message.insert("content".to_owned(), json!(text));
                return Some(message);
            }
            (Some(tag), Some(text)) => {
                let Some(language) = vapi_language(tag) else { continue };
                if !contents.iter().any(|known| known["language"] == language.as_str()) {
                    contents.push(json!({"type": "text", "text": text, "language": language}));
                }
            }
            (_, None) => {}
        }
    }
    if contents.is_empty() {
        return None;
    }
    message.insert("contents".to_owned(), Value::Array(contents));
    Some(message)
}

/// Vapi's code for a language: that of ISO 639-1, and `yue`.
fn vapi_language(tag: &str) -> Option<String> {
    let primary = tag.split('-').next()?.to_ascii_lowercase();
    (primary.len() == 2 || primary == "yue").then_some(primary)
}

/// `speak_during_execution` of a Retell function, and what belongs to it.
pub(super) fn retell_fields(speech: &Speech, language: Option<&str>) -> Map<String, Value> {
    let start = speech.start.as_ref().and_then(|text| text.fixed_in(language));
    let said = match (speech.say, start) {
        (true, Some(start)) => Some(("prompt", format!("{IN_OWN_WORDS} For example: {start}"))),
        (true, None) => Some(("prompt", IN_OWN_WORDS.to_owned())),
        (false, Some(start)) => Some(("static_text", start.to_owned())),
        (false, None) => None,
    };
    let mut fields = Map::from_iter([("speak_during_execution".to_owned(), json!(said.is_some()))]);
    if let Some((kind, text)) = said {
        fields.insert("execution_message_type".to_owned(), json!(kind));
        fields.insert("execution_message_description".to_owned(), json!(text));
    }
    fields
}

/// What an agent is told that is to find the words itself.
const IN_OWN_WORDS: &str =
    "Tell the caller in one short sentence, in their language, what you are doing for them now.";

/// `pre_tool_speech` of an ElevenLabs tool, and what is said to the agent about it.
pub(super) fn elevenlabs(speech: &Speech, language: Option<&str>) -> (Option<&'static str>, Option<String>) {
    let start = speech.start.as_ref().and_then(|text| text.fixed_in(language));
    match (start, speech.say) {
        (Some(start), _) => {
            let sentence = format!("Before you use it, say to the caller, in their language: \"{start}\"");
            (Some("force"), Some(sentence))
        }
        (None, true) => (Some("force"), None),
        (None, false) => (speech.delayed.is_some().then_some("auto"), None),
    }
}

/// What becomes of each text on its way to a product; nothing for the models themselves, whose callers speak.
pub(super) fn notes(dialect: Dialect, speech: &Speech) -> Vec<Note> {
    if !dialect.calls_back() {
        return Vec::new();
    }
    let mut notes = Vec::new();
    let mut note = |pointer: &str, fate, how| notes.push(Note { pointer: pointer.to_owned(), fate, how });
    if speech.say {
        match dialect {
            Dialect::Vapi => note("/say", Fate::Lost, NO_PLACE),
            _ => note("/say", Fate::Lowered, BY_PROMPT),
        }
    }
    let delayed = speech.delayed.as_ref().map(|delayed| &delayed.text);
    let texts = [
        ("/speech/start", speech.start.as_ref()),
        ("/speech/delayed/text", delayed),
        ("/speech/failed", speech.failed.as_ref()),
    ];
    for (pointer, text) in texts.into_iter().filter_map(|(pointer, text)| Some((pointer, text?))) {
        let is_start = pointer == "/speech/start";
        match dialect {
            Dialect::ElevenLabs if pointer == "/speech/delayed/text" => {
                note(pointer, Fate::Lowered, BY_LATENCY);
                continue;
            }
            Dialect::Retell | Dialect::ElevenLabs if !is_start => {
                note(pointer, Fate::Lost, NO_PLACE);
                continue;
            }
            _ => {}
        }
        for (at, (language, fixed)) in text.fixed().enumerate() {
            let pointer = language.map_or_else(|| pointer.to_owned(), |tag| format!("{pointer}/{tag}"));
            let (fate, how) = match (dialect, fixed, language) {
                (_, None, _) => (Fate::Lost, OF_THE_CALL),
                (Dialect::Vapi, _, Some(tag)) if vapi_language(tag).is_none() => (Fate::Lost, OTHER_CODE),
                (Dialect::Vapi, ..) => (Fate::Kept, ""),
                (Dialect::ElevenLabs, ..) => (Fate::Lowered, BY_PROMPT),
                _ if at > 0 => (Fate::Lowered, ONE_LANGUAGE),
                _ if speech.say => (Fate::Lowered, BY_PROMPT),
                _ => (Fate::Kept, ""),
            };
            note(&pointer, fate, how);
        }
    }
    notes
}
