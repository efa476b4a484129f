//! What makes two calls the same intent: the claim and the `Idempotency-Key` of a call.

use std::time::Duration;

use http::HeaderValue;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::action::parameters::parse_arguments;
use crate::action::{Action, Kind};
use crate::conversation::{Carried, Claim, ClaimKey, ConversationKey, IdTrust};
use crate::tool::{ToolCall, ToolCallIds, random_bytes};

use super::record::Values;

/// How long the result of a write is kept: as long as a conversation is.
const KEEP_WRITES: Duration = Duration::from_secs(2 * 60 * 60);
/// How long the result of a read is kept: it can be had anew without harm.
const KEEP_READS: Duration = Duration::from_secs(5 * 60);

/// The header by which an upstream knows a write again (draft-ietf-httpapi-idempotency-key-header).
pub(super) const IDEMPOTENCY_KEY: http::HeaderName = http::HeaderName::from_static("idempotency-key");

/// The conversation that a call belongs to.
#[derive(Clone, Copy)]
pub(super) enum Of<'a> {
    /// None.
    Nothing,
    /// One of the store.
    Stored(&'a ConversationKey),
    /// One that the caller carries.
    Carried(&'a Carried),
}

/// The claim of a call, if it is to have one. `docs/once.md` has the table.
///
/// With a conversation and an id, these two are the intent, with the action and
/// the arguments. With an id alone, it is the values in place of the arguments,
/// since ids of other conversations may be the same, and only writes are
/// claimed. Without an id, a write is the same as one of the same
/// conversation with the same values, for as long as the action's window says.
/// Any other call is counted alone where the action has `max_calls`. Without
/// either nothing tells one caller from another, and what two callers want must
/// not become one.
///
/// A write is also the same as one with the same values that is under way for
/// another request, or whose answer reached nobody, whatever their ids.
///
/// Where the caller carries the conversation, a call without an id is the same
/// as one that came with the same state and has the same values, reads too: the
/// state is told apart from every other, and a new call comes with a new one.
pub(super) fn claim(
    call: &ToolCall,
    of: Of<'_>,
    action: &Action,
    arguments: [u8; 32],
    values: &Values,
    holder: u64,
) -> Option<Claim> {
    let is_write = !action.is_safe();
    let window = action.dedupe_window;
    let scope = call.scope();
    let scope = scope.name();
    // What a caller can name; nothing changes a conversation in the store but what is stored there.
    let (conversation, stored, state) = match of {
        Of::Nothing => (None, None, ""),
        Of::Stored(key) => (Some(key), Some(key), ""),
        Of::Carried(carried) => {
            let key = &carried.conversation().key;
            (Some(key).filter(|_| carried.is_named()), None, carried.text())
        }
    };
    // What runs by itself runs once, also when its claim is forgotten before the conversation is.
    let most_calls = if action.on.is_some() { Some(1) } else { action.guards.max_calls };
    // Where the store counts calls, each of them has a claim, whatever the action does.
    let most_calls = most_calls.filter(|_| stored.is_some());
    if !matches!(action.kind, Kind::Http(_)) && most_calls.is_none() {
        return None;
    }
    let claim = |digest, former: Option<ClaimKey>, twin: Option<ClaimKey>, trust, keep| Claim {
        key: ClaimKey::new(conversation, digest),
        holder,
        conversation: stored.cloned(),
        action: action.name.as_str().to_owned(),
        most_calls,
        former: former.map(|key| (key, arguments)),
        twin,
        is_write,
        keep,
        twin_window: window,
        trust,
        request: call.delivery.request.unwrap_or(holder),
        turn: call.delivery.turn,
        id: id(call),
        content: content(arguments),
        only_looks: false,
    };
    let keep = if is_write { KEEP_WRITES } else { KEEP_READS };
    let ordinal = ordinal(call);
    match (conversation, trust(call)) {
        (Some(key), Some(trust)) => {
            let same = || ClaimKey::new(conversation, same(key, action, values, ""));
            let twin = (is_write && !window.is_zero()).then(same);
            let former = Some(ClaimKey::new(conversation, named_before(key, call)));
            Some(claim(named(key, of, call, arguments), former, twin, trust, keep))
        }
        (None, Some(trust)) if is_write && trust != IdTrust::PerRequest => {
            let sent = digest_of_values(action, values);
            let key = key("id", &with(&ordinal, [scope, &call.id, action.name.as_str()]), sent);
            Some(claim(key, None, None, trust, KEEP_WRITES))
        }
        (Some(of), None) if !(state.is_empty() || is_write && window.is_zero()) => {
            let parts = with(&ordinal, [scope, of.id(), state, action.name.as_str()]);
            let key = key("state", &parts, digest_of_values(action, values));
            Some(claim(key, None, None, IdTrust::Unique, keep))
        }
        (Some(of), None) if is_write && !window.is_zero() => {
            // As a twin it is found by the same write with an id, and finds it.
            let twin = ClaimKey::new(conversation, same(of, action, values, ""));
            let same = same(of, action, values, &ordinal);
            Some(claim(same, None, Some(twin), IdTrust::PerRequest, window))
        }
        (Some(of), None) if most_calls.is_some() => {
            let key = key("one", &[scope, of.id(), &holder.to_string()], [0; 32]);
            Some(claim(key, None, None, IdTrust::PerRequest, KEEP_READS))
        }
        _ => None,
    }
}

/// What tells whether a call that cannot be made was made before, when it
/// could: a look at its claim. `arguments` as they would be claimed, where it
/// got that far.
pub(super) fn known(
    call: &ToolCall,
    of: Of<'_>,
    action: Option<&Action>,
    arguments: Option<[u8; 32]>,
    holder: u64,
) -> Option<Claim> {
    let trust = trust(call)?;
    let (key, stored) = match of {
        Of::Stored(key) => (key, Some(key)),
        Of::Carried(carried) if carried.is_named() => (&carried.conversation().key, None),
        Of::Carried(_) | Of::Nothing => return None,
    };
    let as_sent = || Some(digest_of_arguments(&call.name, &parse_arguments(&call.arguments).ok()?));
    let arguments = arguments.or_else(as_sent)?;
    Some(Claim {
        key: ClaimKey::new(Some(key), named(key, of, call, arguments)),
        holder,
        conversation: stored.cloned(),
        action: call.name.clone(),
        most_calls: None,
        former: Some((ClaimKey::new(Some(key), named_before(key, call)), arguments)),
        twin: None,
        is_write: action.is_none_or(|action| !action.is_safe()),
        keep: KEEP_READS,
        twin_window: action.map_or(Duration::ZERO, |action| action.dedupe_window),
        trust,
        request: call.delivery.request.unwrap_or(holder),
        turn: call.delivery.turn,
        id: id(call),
        content: content(arguments),
        only_looks: true,
    })
}

/// Whether the call may have been made before without anybody here knowing, as long as the store says nothing: whoever
/// sends an id may have sent it before.
pub(super) fn may_be_a_repeat(call: &ToolCall, action: Option<&Action>) -> bool {
    call.id_is_given && action.is_none_or(|action| !action.is_safe())
}

/// What the id of a call is worth; `None` if the call has none.
fn trust(call: &ToolCall) -> Option<IdTrust> {
    call.id_is_given.then(|| match call.delivery.ids {
        ToolCallIds::Unique => IdTrust::Unique,
        ToolCallIds::PerTurn => IdTrust::PerRequest,
        ToolCallIds::Auto if holds_the_name(&call.id, &call.name) => IdTrust::MayRepeat,
        ToolCallIds::Auto => IdTrust::LooksUnique,
    })
}

/// Whether an id is made of the name of the tool and little else, such as `book`, `book:0` or `functions.book:12`. A model
/// server that makes such ids numbers the calls of each turn, so the id comes again with the next turn. Of other ids that
/// come again, such as a constant or `call_0`, the conversation shows it: they come with two contents.
fn holds_the_name(id: &str, name: &str) -> bool {
    /// A random text switches between capitals, small letters and digits all the time.
    const MOST_SWITCHES: usize = 6;
    let kind = |c: char| (c.is_ascii_digit(), c.is_ascii_uppercase(), c.is_ascii_alphabetic());
    let (id_in_small, name) = (id.to_ascii_lowercase(), name.to_ascii_lowercase());
    let Some(at) = id_in_small.find(&name).filter(|_| !name.is_empty()) else { return false };
    let rest = [&id[..at], &id[at + name.len()..]];
    let switches = |part: &str| {
        let kinds: Vec<_> = part.chars().filter(char::is_ascii_alphanumeric).map(kind).collect();
        kinds.windows(2).filter(|pair| pair[0] != pair[1]).count()
    };
    rest.into_iter().all(|part| switches(part) <= MOST_SWITCHES)
}

/// The call of a conversation that its id names. A state that its caller carries shows which calls it has the answers of;
/// what the store knows of them is compared there.
fn named(conversation: &ConversationKey, of: Of<'_>, call: &ToolCall, arguments: [u8; 32]) -> [u8; 32] {
    let ordinal = ordinal(call);
    let mut parts = with(&ordinal, [conversation.scope().name(), conversation.id(), &call.id]);
    let trust = trust(call).unwrap_or(IdTrust::PerRequest);
    let earlier = match of {
        Of::Carried(carried) if trust != IdTrust::Unique => {
            let is_trusted = trust == IdTrust::LooksUnique;
            carried.earlier(&call.id, &call.name, call.arguments.get(), is_trusted)
        }
        Of::Carried(_) | Of::Stored(_) | Of::Nothing => 0,
    };
    let earlier = format!("after {earlier}");
    if earlier != "after 0" {
        parts.push(&earlier);
    }
    key("call", &parts, arguments)
}

/// The same as an older Callgate made it, which compared the arguments.
fn named_before(conversation: &ConversationKey, call: &ToolCall) -> [u8; 32] {
    key("call", &[conversation.scope().name(), conversation.id(), &call.id], [0; 32])
}

fn id(call: &ToolCall) -> u32 {
    let digest = Sha256::digest(&call.id);
    u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]])
}

/// Which of the equal calls of its request a call is; empty for the first.
fn ordinal(call: &ToolCall) -> String {
    match call.delivery.ordinal {
        0 => String::new(),
        ordinal => ordinal.to_string(),
    }
}

/// The parts of a key, with the ordinal where there is one.
fn with<'a, const N: usize>(ordinal: &'a str, parts: [&'a str; N]) -> Vec<&'a str> {
    parts.into_iter().chain(Some(ordinal).filter(|ordinal| !ordinal.is_empty())).collect()
}

fn content(arguments: [u8; 32]) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&arguments[..8]);
    u64::from_le_bytes(first)
}

/// The same write in the same conversation, whatever its id.
fn same(conversation: &ConversationKey, action: &Action, values: &Values, ordinal: &str) -> [u8; 32] {
    let parts = with(ordinal, [conversation.scope().name(), conversation.id(), action.name.as_str()]);
    key("same", &parts, digest_of_values(action, values))
}

fn key(kind: &str, parts: &[&str], digest: [u8; 32]) -> [u8; 32] {
    let mut text = Vec::with_capacity(160);
    for part in std::iter::once(&kind).chain(parts) {
        text.extend_from_slice(&(part.len() as u64).to_le_bytes());
        text.extend_from_slice(part.as_bytes());
    }
    text.extend_from_slice(&digest);
    Sha256::digest(&text).into()
}

/// Whether two calls of the action `name` have equal arguments, however they are written.
pub fn is_same_call(name: &str, one: &RawValue, other: &RawValue) -> bool {
    one.get() == other.get() || content_of(name, one) == content_of(name, other)
}

/// A digest of the action and the arguments by value; of their text where they cannot be read.
pub fn content_of(name: &str, arguments: &RawValue) -> [u8; 32] {
    match parse_arguments(arguments) {
        Ok(arguments) => digest_of_arguments(name, &arguments),
        Err(_) => key("unreadable", &[name, arguments.get()], [0; 32]),
    }
}

/// The action and the arguments, as a model sent them.
pub(super) fn digest_of_arguments(name: &str, arguments: &Map<String, Value>) -> [u8; 32] {
    let mut text = Vec::with_capacity(160);
    write_text(name, &mut text);
    write_object(arguments, &mut text);
    Sha256::digest(&text).into()
}

/// What a request is rendered from: parameters with what is bound, and the
/// variables that the action reads, but for those that it sets itself: the
/// first call has set them, and the second one is the same all the same.
fn digest_of_values(action: &Action, values: &Values) -> [u8; 32] {
    let mut text = Vec::with_capacity(256);
    write_object(&values.parameters, &mut text);
    for (path, value) in action.reads.of(values.variables()) {
        if action.outputs.iter().any(|output| is_related(path, &output.name)) {
            continue;
        }
        for part in path {
            write_text(part, &mut text);
        }
        match value {
            Some(value) => write_value(value, &mut text),
            None => text.push(b'-'),
        }
    }
    Sha256::digest(&text).into()
}

/// Whether one of the two is the other or within it.
fn is_related(path: &[String], name: &str) -> bool {
    path.iter().zip(name.split('.')).all(|(part, other)| part == other)
}

/// Writes a value so that equal values are equal texts: members in the order
/// of their names, whole numbers without a fraction.
fn write_value(value: &Value, text: &mut Vec<u8>) {
    match value {
        Value::Null => text.extend_from_slice(b"null"),
        Value::Bool(flag) => text.extend_from_slice(if *flag { b"true" } else { b"false" }),
        Value::Number(number) => write_number(number, text),
        Value::String(string) => write_text(string, text),
        Value::Array(items) => {
            text.push(b'[');
            for item in items {
                write_value(item, text);
                text.push(b',');
            }
            text.push(b']');
        }
        Value::Object(object) => write_object(object, text),
    }
}

fn write_object(object: &Map<String, Value>, text: &mut Vec<u8>) {
    let mut members: Vec<(&String, &Value)> = object.iter().collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    text.push(b'{');
    for (name, value) in members {
        write_text(name, text);
        text.push(b':');
        write_value(value, text);
        text.push(b',');
    }
    text.push(b'}');
}

/// A text with its length before it, so that no two sequences of texts look the same.
fn write_text(string: &str, text: &mut Vec<u8>) {
    text.push(b'"');
    text.extend_from_slice(&(string.len() as u64).to_le_bytes());
    text.extend_from_slice(string.as_bytes());
}

fn write_number(number: &serde_json::Number, text: &mut Vec<u8>) {
    // Up to here every whole number has its own double (2^53, RFC 8259 section 6).
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        Some(float) if float.fract() == 0.0 && float.abs() < EXACT => {
            text.extend_from_slice((float as i64).to_string().as_bytes());
        }
        _ => text.extend_from_slice(number.as_str().as_bytes()),
    }
    text.push(b';');
}

/// The `Idempotency-Key` of a write: the same for every attempt, and for
/// every call of an intent that an id names; else made up. `earlier` tells the
/// intent from earlier ones with the same id.
///
/// A UUID (RFC 9562 version 8), the form that most upstreams ask for.
pub(super) fn idempotency_key(claim: Option<&Claim>, id_is_given: bool, earlier: u64) -> HeaderValue {
    let mut bytes = match claim.filter(|_| id_is_given) {
        Some(claim) => {
            let mut digest = Sha256::new().chain_update(b"idempotency-key").chain_update(claim.key.0);
            if earlier > 0 {
                digest.update(earlier.to_le_bytes());
            }
            let digest = digest.finalize();
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&digest[..16]);
            bytes
        }
        // Without the system's random numbers no call could have come over TLS either.
        None => random_bytes().unwrap_or_default(),
    };
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 0x0f] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("00000000-0000-8000-8000-000000000000"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn digest(value: Value) -> [u8; 32] {
        digest_of_arguments("book", value.as_object().unwrap())
    }

    fn parse(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn arguments_are_the_same_in_any_order_and_spelling() {
        let one = digest(parse(r#"{"a": 1, "b": {"c": [1, 2.0], "d": "x"}}"#));
        assert_eq!(one, digest(parse(r#"{"b":{"d":"\u0078","c":[1.0,2]},"a":1e0}"#)));
    }

    #[test]
    fn what_cannot_be_read_is_the_same_by_its_text_alone() {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        assert!(is_same_call("book", &raw(r#"{"a": 1, "b": 2}"#), &raw(r#"{"b":2,"a":1.0}"#)));
        assert!(is_same_call("book", &raw("[1]"), &raw("[1]")));
        assert!(!is_same_call("book", &raw("[1]"), &raw("[ 1]")));
        assert_ne!(content_of("book", &raw("{}")), content_of("cancel", &raw("{}")));
    }

    #[test]
    fn other_arguments_are_others() {
        let different = [
            json!({}),
            json!({"a": null}),
            json!({"a": 1}),
            json!({"a": "1"}),
            json!({"a": true}),
            json!({"a": [1]}),
            json!({"a": [[1]]}),
            json!({"a": {"b": 1}}),
            json!({"a": "", "b": ""}),
            json!({"a": "\",\"b"}),
            json!({"ab": ""}),
            parse(r#"{"a": 9007199254740993}"#),
            parse(r#"{"a": 9007199254740992}"#),
            parse(r#"{"a": 0.1}"#),
        ];
        let digests: std::collections::HashSet<_> = different.iter().cloned().map(digest).collect();
        assert_eq!(digests.len(), different.len());
    }

    #[test]
    fn keys_are_uuids() {
        let key = idempotency_key(None, false, 0);
        let text = key.to_str().unwrap();
        assert_eq!(text.len(), 36);
        assert_eq!(text.matches('-').count(), 4);
        assert_eq!(&text[14..15], "8");
        assert_ne!(key, idempotency_key(None, false, 0));
    }

    #[test]
    fn ids_made_of_the_name_of_the_tool_may_repeat() {
        for id in ["book", "book:0", "functions.book:0", "BOOK_12", "tool-book-3-call2", "book:1748354983123"]
        {
            assert!(holds_the_name(id, "book"), "{id}");
        }
        assert!(holds_the_name("functions.bookAppointment2Go:12", "bookAppointment2Go"));
    }

    #[test]
    fn ids_of_other_forms_are_trusted_until_the_conversation_shows_that_they_repeat() {
        for id in [
            "",
            "0",
            "call_1",
            "call_62136355OZTvBYKTb1QuJHWm",
            "toolu_01DTPAzUm5Gk3zxrpJ969oMF",
            "0b1f7e5c-3d7a-4c7e-9a51-5f1d8a0e2b11",
            "book_4f2c1e9a7b3d4e5f8a9b0c1d2e3f4a5b",
            "call_book_h8eXnVpJ5VQ0qEGRgl5YpVFR",
        ] {
            assert!(!holds_the_name(id, "book"), "{id}");
        }
    }
}
