//! Whatever comes: no panic, no bounds passed, and nothing that a provider would refuse.

use std::collections::HashSet;

use callgate_model::{Assistant, Call, Message, Provider, Raw, Reply, Request, ToolChoice, ToolOutput};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value};

use crate::corpus::CASES;
use crate::reading::{PROVIDERS, pieces};

/// What holds of every reply.
fn assert_sound(provider: Provider, reply: &Reply) {
    let mut ids = HashSet::new();
    for call in &reply.assistant.calls {
        assert!(!call.id.is_empty() && ids.insert(&call.id), "{reply:?}");
        assert!(!call.name.is_empty(), "{reply:?}");
        assert!(serde_json::from_str::<Map<String, Value>>(&call.arguments).is_ok(), "{reply:?}");
    }
    for refused in &reply.refused {
        assert!(!refused.why.is_empty());
        let call = reply.assistant.calls.iter().find(|call| call.id == refused.call.id).unwrap();
        assert_eq!(call.arguments, "{}");
    }
    assert_eq!(reply.assistant.raw.as_ref().map(|raw| raw.provider), Some(provider));
    for provider in PROVIDERS {
        assert_taken(provider, &[Message::Assistant(reply.assistant.clone())]);
    }
}

/// What every provider demands of a history.
fn assert_taken(provider: Provider, messages: &[Message]) {
    let request = Request {
        model: "m",
        origin: "",
        system: "",
        messages,
        tools: &[],
        tool_choice: ToolChoice::Auto,
        parallel_tool_calls: None,
        temperature: None,
        max_tokens: None,
    };
    let body: Value = serde_json::from_str(&provider.body(&request)).unwrap();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut ids = HashSet::new();
    let mut unique = |id: &Value| assert!(ids.insert(text(id)), "{body}");
    match provider {
        Provider::OpenAi => {
            let messages = list(&body["messages"]);
            let mut open: Vec<String> = Vec::new();
            for message in &messages {
                if message["role"] == "tool" {
                    assert_eq!(open.first(), Some(&text(&message["tool_call_id"])), "{body}");
                    open.remove(0);
                    continue;
                }
                assert!(open.is_empty(), "{body}");
                for call in list(&message["tool_calls"]) {
                    unique(&call["id"]);
                    open.push(text(&call["id"]));
                }
                assert!(message["content"].is_string() || !open.is_empty(), "{body}");
            }
            assert!(open.is_empty() && messages.last().unwrap()["role"] != "assistant", "{body}");
        }
        Provider::OpenAiResponses => {
            let items = list(&body["input"]);
            let of = |kind: &str| -> Vec<String> {
                let of_kind = items.iter().filter(|item| item["type"] == kind);
                let mut ids: Vec<String> = of_kind.map(|item| text(&item["call_id"])).collect();
                ids.sort();
                ids
            };
            assert_eq!(of("function_call"), of("function_call_output"), "{body}");
            of("function_call").into_iter().map(Value::from).for_each(|id| unique(&id));
            assert!(!items.is_empty());
        }
        Provider::Anthropic => {
            let messages = list(&body["messages"]);
            for (at, message) in messages.iter().enumerate() {
                let role = if at % 2 == 0 { "user" } else { "assistant" };
                assert_eq!(message["role"], role, "{body}");
                let blocks = list(&message["content"]);
                assert!(!blocks.is_empty(), "{body}");
                for block in &blocks {
                    let is_blank = block["type"] == "text" && text(&block["text"]).trim().is_empty();
                    assert!(
                        !is_blank && (block["type"] != "tool_use" || block["input"].is_object()),
                        "{body}"
                    );
                }
                let calls = blocks.iter().filter(|block| block["type"] == "tool_use");
                let calls: HashSet<String> = calls.map(|block| text(&block["id"])).collect();
                calls.iter().for_each(|id| unique(&Value::from(id.as_str())));
                let next = list(&messages.get(at + 1).unwrap_or(&Value::Null)["content"]);
                let results = next.iter().take(calls.len()).map(|block| text(&block["tool_use_id"]));
                assert_eq!(results.collect::<HashSet<_>>(), calls, "{body}");
                let all = next.iter().filter(|block| block["type"] == "tool_result").count();
                assert_eq!(all, calls.len(), "{body}");
            }
            assert_eq!(messages.len() % 2, 1, "{body}");
        }
        Provider::Gemini => {
            let contents = list(&body["contents"]);
            let names = |content: Option<&Value>, kind: &str| -> Vec<Value> {
                let parts = content.map(|content| list(&content["parts"])).unwrap_or_default();
                parts.iter().map(|part| part[kind]["name"].clone()).filter(|name| !name.is_null()).collect()
            };
            for (at, content) in contents.iter().enumerate() {
                assert!(!list(&content["parts"]).is_empty(), "{body}");
                let calls = names(Some(content), "functionCall");
                assert_eq!(names(contents.get(at + 1), "functionResponse"), calls, "{body}");
            }
            assert_eq!(contents[0]["role"], "user");
            assert_eq!(contents.last().unwrap()["role"], "user");
        }
    }
}

/// Texts that mean something here, and others.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "",
            " ",
            "a",
            "call_1",
            "call_1_2",
            "{}",
            "{\"x\":1.10}",
            "[1]",
            "one",
            "two words",
            "<think>"
        ])
        .prop_map(str::to_owned),
        "\\PC{0,6}",
        "[a-z]{41,70}",
    ]
}

fn raw() -> impl Strategy<Value = Option<Raw>> {
    let own = select((0..CASES.len()).collect::<Vec<_>>())
        .prop_map(|at| Raw::new(CASES[at].provider, serde_json::from_str(CASES[at].raw).unwrap()));
    let odd = (select(PROVIDERS.to_vec()), json()).prop_map(|(provider, value)| Raw::new(provider, value));
    prop_oneof![Just(None), own.prop_map(Some), odd.prop_map(Some)]
}

/// JSON with the names that are looked at.
fn json() -> impl Strategy<Value = Value> {
    let names = [
        "type",
        "id",
        "call_id",
        "name",
        "function",
        "arguments",
        "tool_calls",
        "content",
        "text",
        "input",
        "functionCall",
        "args",
        "thought",
        "thoughtSignature",
        "role",
        "refusal",
        "index",
        "delta",
        "choices",
        "finish_reason",
        "item",
        "output_index",
        "content_block",
        "candidates",
        "parts",
        "error",
        "response",
        "output",
    ];
    let kinds = [
        "text",
        "tool_use",
        "thinking",
        "message",
        "function_call",
        "reasoning",
        "output_text",
        "stop",
        "content_block_start",
        "content_block_delta",
        "input_json_delta",
        "response.completed",
        "response.output_item.done",
        "error",
        "call_1",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0_u64..200).prop_map(Value::from),
        select(kinds.to_vec()).prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        let members = vec((select(names.to_vec()).prop_map(str::to_owned), inner.clone()), 0..5);
        prop_oneof![
            vec(inner, 0..4).prop_map(Value::from),
            members.prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn message() -> impl Strategy<Value = Message> {
    let call = (word(), word(), word()).prop_map(|(id, name, arguments)| Call { id, name, arguments });
    let output = (word(), word(), word(), any::<bool>())
        .prop_map(|(call_id, name, content, is_error)| ToolOutput { call_id, name, content, is_error });
    prop_oneof![
        word().prop_map(Message::System),
        word().prop_map(Message::User),
        (word(), vec(call, 0..4), raw()).prop_map(|(text, calls, raw)| Message::Assistant(Assistant {
            text,
            calls,
            raw
        })),
        vec(output, 0..4).prop_map(Message::Results),
    ]
}

/// A stream of the corpus in which bytes are changed, left out, doubled or put in.
fn mutated() -> impl Strategy<Value = (Provider, Vec<u8>)> {
    let change = (any::<prop::sample::Index>(), 0_u8..5, any::<u8>(), 0_usize..40);
    (select((0..CASES.len()).collect::<Vec<_>>()), vec(change, 0..6)).prop_map(|(case, changes)| {
        let mut bytes = CASES[case].body.as_bytes().to_vec();
        for (place, kind, byte, length) in changes {
            let at = place.index(bytes.len() + 1);
            let end = (at + length).min(bytes.len());
            match kind {
                0 => drop(bytes.splice(at..end, [byte])),
                1 => drop(bytes.drain(at..end)),
                2 => bytes.insert(at, byte),
                3 => {
                    let piece = bytes[at..end].to_vec();
                    drop(bytes.splice(at..at, piece));
                }
                _ => bytes.truncate(at),
            }
            if bytes.is_empty() {
                break;
            }
        }
        (CASES[case].provider, bytes)
    })
}

proptest! {
    #[test]
    fn random_bytes_are_read_in_the_same_way_in_whatever_pieces(
        bytes in vec(any::<u8>(), 0..300), size in 1_usize..20, provider in select(PROVIDERS.to_vec()),
    ) {
        let whole = pieces(provider, [bytes.as_slice()]);
        prop_assert_eq!(pieces(provider, bytes.chunks(size)), whole);
    }

    #[test]
    fn a_changed_stream_is_read_in_the_same_way_in_whatever_pieces_and_gives_what_can_be_sent(
        (provider, bytes) in mutated(), size in 1_usize..200,
    ) {
        let whole = pieces(provider, [bytes.as_slice()]);
        if let Ok(reply) = &whole.reply {
            prop_assert_eq!(&reply.assistant.text, &whole.said);
            assert_sound(provider, reply);
        }
        prop_assert_eq!(pieces(provider, bytes.chunks(size)), whole);
    }

    #[test]
    fn events_of_any_shape_give_what_can_be_sent(
        events in vec(json(), 0..8), provider in select(PROVIDERS.to_vec()), is_whole: bool,
    ) {
        let end = match provider {
            Provider::OpenAi => r#"{"choices":[{"finish_reason":"stop"}]}"#,
            Provider::OpenAiResponses => r#"{"type":"response.completed"}"#,
            Provider::Anthropic => r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#,
            Provider::Gemini => r#"{"candidates":[{"finishReason":"STOP"}]}"#,
        };
        let body = if is_whole {
            events.iter().map(Value::to_string).collect()
        } else {
            let events: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
            format!("{events}data: {end}\n\n")
        };
        if let Ok(reply) = &pieces(provider, [body.as_bytes()]).reply {
            assert_sound(provider, reply);
        }
    }

    #[test]
    fn any_history_becomes_one_that_every_provider_takes(messages in vec(message(), 0..10)) {
        for provider in PROVIDERS {
            assert_taken(provider, &messages);
        }
    }

    #[test]
    fn any_failure_is_told_in_one_short_line(status in 300_u16..600, value in json(), bytes in vec(any::<u8>(), 0..99)) {
        for body in [value.to_string().as_bytes(), &bytes] {
            let failure = Provider::OpenAi.failure(status, body);
            prop_assert!(failure.message.chars().count() <= 300);
            prop_assert!(!failure.message.contains(char::is_control));
        }
    }
}
