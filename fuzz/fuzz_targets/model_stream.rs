//! Feeds arbitrary streams to the readers of models' answers: the same in whatever pieces they come, bounded, and what
//! comes of them can be run, stored and sent back.
//!
//! Input: the provider and the size of the pieces (one byte each), the body of the answer.
#![no_main]

use std::collections::HashSet;

use callgate::fuzzing::model::{Delta, Message, Provider, Reply, Request, StreamError, ToolChoice};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

const PROVIDERS: [Provider; 4] =
    [Provider::OpenAi, Provider::OpenAiResponses, Provider::Anthropic, Provider::Gemini];

/// What was said on the way, and what came of it.
fn read<'a>(
    provider: Provider,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (String, Result<Reply, StreamError>) {
    let (mut reader, mut out) = (provider.reader(), Vec::new());
    for piece in pieces {
        if reader.push(piece, &mut out).is_err() {
            break;
        }
    }
    let reply = reader.finish(&mut out);
    (out.into_iter().map(|Delta::Text(text)| text).collect(), reply)
}

fuzz_target!(|input: &[u8]| {
    let [provider, size, body @ ..] = input else { return };
    let provider = PROVIDERS[usize::from(provider % 4)];
    let (said, reply) = read(provider, std::iter::once(body));
    let in_pieces = read(provider, body.chunks(usize::from(*size) + 1));
    assert!(in_pieces == (said.clone(), reply.clone()), "{in_pieces:?}, and {reply:?} at once");
    let reply = match reply {
        Ok(reply) => reply,
        Err(StreamError::BrokenOff { text }) => return assert_eq!(text, said),
        Err(_) => return,
    };
    assert_eq!(reply.assistant.text, said);
    let mut ids = HashSet::new();
    for call in &reply.assistant.calls {
        assert!(!call.name.is_empty() && !call.id.is_empty() && ids.insert(&call.id), "{call:?}");
        assert!(serde_json::from_str::<Map<String, Value>>(&call.arguments).is_ok(), "{call:?}");
    }
    assert!(reply.refused.iter().all(|refused| ids.contains(&refused.call.id)), "{reply:?}");
    let message = Message::Assistant(reply.assistant);
    let stored = serde_json::to_string(&message).expect("JSON");
    assert_eq!(serde_json::from_str::<Message>(&stored).expect("a message"), message);
    for provider in PROVIDERS {
        let request = Request {
            model: "m",
            origin: "",
            system: "",
            messages: std::slice::from_ref(&message),
            tools: &[],
            tool_choice: ToolChoice::Auto,
            parallel_tool_calls: None,
            temperature: None,
            max_tokens: None,
        };
        let body = provider.body(&request);
        assert!(serde_json::from_str::<Value>(&body).is_ok_and(|body| body.is_object()), "{body}");
    }
});
