//! Ways to read a body.

use callgate_model::{Delta, Provider, Reply, StreamError};
use serde_json::Value;

pub(crate) const PROVIDERS: [Provider; 4] =
    [Provider::OpenAi, Provider::OpenAiResponses, Provider::Anthropic, Provider::Gemini];

/// What was said on the way, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Read {
    pub(crate) said: String,
    pub(crate) reply: Result<Reply, StreamError>,
}

/// Reads a body in pieces.
pub(crate) fn pieces<'a>(provider: Provider, pieces: impl IntoIterator<Item = &'a [u8]>) -> Read {
    let (mut reader, mut out) = (provider.reader(), Vec::new());
    let mut failed = None;
    for piece in pieces {
        if let Err(error) = reader.push(piece, &mut out) {
            failed = Some(error);
            break;
        }
    }
    let reply = reader.finish(&mut out);
    let said = out.into_iter().map(|Delta::Text(text)| text).collect();
    if let Some(error) = failed {
        assert_eq!(reply, Err(error), "an answer that failed stays failed");
    }
    Read { said, reply }
}

/// Reads a body at once.
pub(crate) fn whole(provider: Provider, body: &str) -> Read {
    pieces(provider, [body.as_bytes()])
}

/// Reads the reply of a body that has one, of which all words were said.
#[track_caller]
pub(crate) fn reply(provider: Provider, body: &str) -> Reply {
    let read = whole(provider, body);
    let reply = read.reply.unwrap_or_else(|error| panic!("{error:?}: {body}"));
    assert_eq!(read.said, reply.assistant.text);
    reply
}

/// A stream of these events, without names.
pub(crate) fn stream(events: &[Value]) -> String {
    events.iter().map(|event| format!("data: {event}\n\n")).collect()
}

/// The calls as id, name and arguments.
pub(crate) fn calls(reply: &Reply) -> Vec<(&str, &str, &str)> {
    let calls = reply.assistant.calls.iter();
    calls.map(|call| (call.id.as_str(), call.name.as_str(), call.arguments.as_str())).collect()
}
