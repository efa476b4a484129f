//! What the corpus does not show: reasons, answers that are no streams, odd streams.

use callgate_model::{FailureKind, Finish, Provider, ProviderFailure, StreamError, Usage};
use serde_json::{Value, json};

use crate::reading::{PROVIDERS, calls, pieces, reply, stream, whole};

fn chat(delta: &Value, reason: &Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
}

fn one_call() -> Value {
    json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "one", "arguments": "{}"}}]})
}

#[test]
fn stop_with_calls_means_calls() {
    for reason in ["stop", "tool_calls", "function_call", "eos", "tool_use"] {
        let body = stream(&[chat(&one_call(), &Value::Null), chat(&json!({}), &json!(reason))]);
        let reply = reply(Provider::OpenAi, &body);
        assert_eq!((calls(&reply), reply.finish), (vec![("a", "one", "{}")], Finish::ToolCalls), "{reason}");
    }
}

#[test]
fn nothing_of_an_answer_that_was_cut_or_held_back_is_a_call() {
    for (reason, finish) in [
        ("length", Finish::Length),
        ("max_tokens", Finish::Length),
        ("model_length", Finish::Length),
        ("content_filter", Finish::ContentFilter),
    ] {
        let body = stream(&[chat(&one_call(), &json!(reason))]);
        let reply = reply(Provider::OpenAi, &body);
        assert_eq!((calls(&reply), reply.finish), (vec![], finish), "{reason}");
        let raw = reply.assistant.raw.unwrap().value;
        assert_eq!(raw, json!({"role": "assistant", "content": null}), "{reason}");
    }
    let gemini = |reason: &str| {
        let parts = json!([{"text": "A"}, {"functionCall": {"name": "one", "args": {}}}]);
        let chunk = json!({"candidates": [{"content": {"parts": parts}, "finishReason": reason}]});
        reply(Provider::Gemini, &stream(&[chunk]))
    };
    for (reason, finish) in [
        ("MAX_TOKENS", Finish::Length),
        ("SAFETY", Finish::ContentFilter),
        ("RECITATION", Finish::ContentFilter),
        ("PROHIBITED_CONTENT", Finish::ContentFilter),
        ("SPII", Finish::ContentFilter),
    ] {
        let reply = gemini(reason);
        assert_eq!((calls(&reply), reply.finish), (vec![], finish), "{reason}");
        assert_eq!(reply.assistant.raw.unwrap().value, json!([{"text": "A"}]), "{reason}");
    }
    let block = json!({"type": "tool_use", "id": "a", "name": "one", "input": {}});
    let anthropic = |reason: &str| {
        reply(
            Provider::Anthropic,
            &stream(&[
                json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "x"}}),
                json!({"type": "content_block_start", "index": 1, "content_block": block}),
                json!({"type": "content_block_stop", "index": 1}),
                json!({"type": "message_delta", "delta": {"stop_reason": reason}}),
            ]),
        )
    };
    for (reason, finish) in [
        ("max_tokens", Finish::Length),
        ("model_context_window_exceeded", Finish::Length),
        ("refusal", Finish::ContentFilter),
    ] {
        let reply = anthropic(reason);
        assert_eq!((calls(&reply), reply.finish), (vec![], finish), "{reason}");
        assert_eq!(reply.assistant.raw.unwrap().value, json!([]), "{reason}: thinking that was cut");
    }
    let incomplete = |reason: &str| {
        json!({"type": "response.incomplete", "response": {"incomplete_details": {"reason": reason}, "output": [
            {"type": "function_call", "call_id": "a", "name": "one", "arguments": "{}"},
        ]}})
    };
    for (reason, finish) in [("max_output_tokens", Finish::Length), ("content_filter", Finish::ContentFilter)]
    {
        let reply = reply(Provider::OpenAiResponses, &stream(&[incomplete(reason)]));
        assert_eq!((calls(&reply), reply.finish), (vec![], finish), "{reason}");
    }
}

#[test]
fn a_reason_that_means_failure_is_one() {
    let failure = |code: &str, message: &str, kind| {
        let code = Some(code.to_owned());
        Err(StreamError::Provider(ProviderFailure { message: message.to_owned(), code, kind }))
    };
    for reason in ["error", "abort", "network_error", "insufficient_system_resource"] {
        let read = whole(Provider::OpenAi, &stream(&[chat(&one_call(), &json!(reason))]));
        let message = format!("the provider ended its answer with `{reason}`");
        assert_eq!(read.reply, failure(reason, &message, FailureKind::Other));
    }
    let body = |reason: &str| {
        let candidate = json!({"finishReason": reason, "finishMessage": "Malformed function call: call(\n"});
        stream(&[json!({"candidates": [candidate]})])
    };
    for reason in ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "OTHER"] {
        let read = whole(Provider::Gemini, &body(reason));
        assert_eq!(read.reply, failure(reason, "Malformed function call: call(", FailureKind::Unusable));
    }
}

#[test]
fn done_without_a_reason_is_enough_for_words_and_not_for_calls() {
    let done = "data: [DONE]\n\n";
    let words = stream(&[chat(&json!({"content": "Hello"}), &Value::Null)]);
    let reply = reply(Provider::OpenAi, &(words.clone() + done));
    assert_eq!((reply.assistant.text.as_str(), reply.finish), ("Hello", Finish::Stop));
    let broken = |text: &str| Err(StreamError::BrokenOff { text: text.to_owned() });
    assert_eq!(whole(Provider::OpenAi, &words).reply, broken("Hello"));
    assert_eq!(whole(Provider::OpenAi, done).reply, broken(""));
    let call = stream(&[chat(&one_call(), &Value::Null)]);
    assert_eq!(whole(Provider::OpenAi, &(words + &call + done)).reply, broken("Hello"));
}

#[test]
fn words_that_were_held_back_as_thinking_are_said_at_the_end() {
    let held = chat(&json!({"content": "<thi"}), &Value::Null);
    let finish = chat(&json!({}), &json!("stop"));
    assert_eq!(reply(Provider::OpenAi, &stream(&[held.clone(), finish])).assistant.text, "<thi");
    let done = stream(&[held]) + "data: [DONE]\n\n";
    assert_eq!(reply(Provider::OpenAi, &done).assistant.text, "<thi");
}

#[test]
fn a_refusal_is_said() {
    let body = stream(&[chat(&json!({"content": null, "refusal": "I cannot."}), &json!("stop"))]);
    assert_eq!(reply(Provider::OpenAi, &body).assistant.text, "I cannot.");
    let body = stream(&[
        json!({"type": "response.refusal.delta", "output_index": 0, "delta": "I cannot."}),
        json!({"type": "response.completed", "response": {}}),
    ]);
    assert_eq!(reply(Provider::OpenAiResponses, &body).assistant.text, "I cannot.");
}

#[test]
fn the_whole_message_at_the_end_of_a_stream_is_not_said_twice() {
    let last = json!({"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]});
    let body = stream(&[chat(&json!({"content": "Hello"}), &Value::Null), last.clone()]);
    assert_eq!(reply(Provider::OpenAi, &body).assistant.text, "Hello");
    assert_eq!(reply(Provider::OpenAi, &stream(&[last])).assistant.text, "Hello", "where it is all there is");
}

#[test]
fn usage_may_stand_in_a_member_of_its_own() {
    let chunk = json!({"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}],
                       "x_groq": {"usage": {"prompt_tokens": 3, "completion_tokens": 1}}});
    let expected = Usage { input: 3, output: 1, ..Usage::default() };
    assert_eq!(reply(Provider::OpenAi, &stream(&[chunk])).usage, Some(expected));
}

#[test]
fn usage_adds_up() {
    let mut sum = Usage { input: u64::MAX, output: 1, cached: 2, reasoning: 3 };
    sum += Usage { input: 1, output: 10, cached: 20, reasoning: 30 };
    assert_eq!(sum, Usage { input: u64::MAX, output: 11, cached: 22, reasoning: 33 });
}

/// An answer of a server that does not stream, in any pieces.
#[track_caller]
fn check_whole(
    provider: Provider,
    answer: &Value,
    text: &str,
    expected: &[(&str, &str, &str)],
    finish: Finish,
) {
    let body = format!("\u{feff}\r\n{answer:#}\n");
    let read = whole(provider, &body);
    assert_eq!(read.said, text);
    let reply = read.reply.unwrap();
    assert_eq!(
        (reply.assistant.text.as_str(), calls(&reply), reply.finish),
        (text, expected.to_vec(), finish)
    );
    let usage = reply.usage.map(|usage| (usage.input, usage.output));
    assert_eq!(usage, Some((1, 2)), "{provider:?}");
    let bytes = body.as_bytes();
    assert_eq!(pieces(provider, bytes.chunks(1)).reply.as_ref(), Ok(&reply));
    let end = body.trim_end().len();
    for at in 0..end {
        let broken = pieces(provider, [&bytes[..at]]).reply;
        assert_eq!(broken, Err(StreamError::BrokenOff { text: String::new() }), "{provider:?} at {at}");
    }
    let (mut reader, mut out) = (provider.reader(), Vec::new());
    reader.push(&bytes[..end - 1], &mut out).unwrap();
    assert!(!reader.is_complete());
    reader.push(&bytes[end - 1..], &mut out).unwrap();
    assert!(reader.is_complete());
}

#[test]
fn a_server_that_does_not_stream_is_understood() {
    let expected = [("a", "one", r#"{"x":1.10}"#), ("b", "two", "{}")];
    let price: Value = serde_json::from_str(r#"{"x":1.10}"#).unwrap();
    let answer = json!({
        "object": "chat.completion",
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
            "role": "assistant", "content": "<think>hm</think>Grüß",
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "one", "arguments": "{\"x\":1.10}"}},
                {"id": "b", "type": "function", "function": {"name": "two", "arguments": ""}},
            ],
        }}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    });
    check_whole(Provider::OpenAi, &answer, "Grüß", &expected, Finish::ToolCalls);
    let answer = json!({"choices": [{"message": {"content": "Hi"}}], "usage": {"prompt_tokens": 1, "completion_tokens": 2}});
    check_whole(Provider::OpenAi, &answer, "Hi", &[], Finish::Stop);
    let answer = json!({
        "object": "response", "status": "completed", "error": null,
        "output": [
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Grüß"}]},
            {"type": "function_call", "status": "completed", "call_id": "a", "name": "one", "arguments": "{\"x\":1.10}"},
            {"type": "function_call", "status": "completed", "call_id": "b", "name": "two", "arguments": ""},
        ],
        "usage": {"input_tokens": 1, "output_tokens": 2},
    });
    check_whole(Provider::OpenAiResponses, &answer, "Grüß", &expected, Finish::ToolCalls);
    let answer = json!({
        "type": "message", "role": "assistant", "stop_reason": "tool_use",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "x"},
            {"type": "text", "text": "Grüß"},
            {"type": "tool_use", "id": "a", "name": "one", "input": price},
            {"type": "tool_use", "id": "b", "name": "two", "input": {}},
        ],
        "usage": {"input_tokens": 1, "output_tokens": 2},
    });
    check_whole(Provider::Anthropic, &answer, "Grüß", &expected, Finish::ToolCalls);
    let chunk = json!({
        "candidates": [{"finishReason": "STOP", "content": {"role": "model", "parts": [
            {"text": "Grüß"},
            {"functionCall": {"id": "a", "name": "one", "args": price}},
            {"functionCall": {"id": "b", "name": "two"}},
        ]}}],
        "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2},
    });
    check_whole(Provider::Gemini, &chunk, "Grüß", &expected, Finish::ToolCalls);
    check_whole(Provider::Gemini, &json!([chunk]), "Grüß", &expected, Finish::ToolCalls);
}

#[test]
fn a_whole_answer_that_is_none_yet_has_broken_off() {
    for status in ["in_progress", "queued"] {
        let answer = json!({"status": status, "output": []}).to_string();
        let broken = StreamError::BrokenOff { text: String::new() };
        assert_eq!(whole(Provider::OpenAiResponses, &answer).reply, Err(broken));
    }
    let failed = json!({"status": "failed", "output": [], "incomplete_details": null}).to_string();
    assert!(matches!(whole(Provider::OpenAiResponses, &failed).reply, Err(StreamError::Provider(_))));
}

#[test]
fn responses_are_read_where_only_the_end_tells_of_them_and_where_no_index_does() {
    let output = json!([
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi "}, {"type": "refusal", "refusal": "no"}]},
        {"type": "function_call", "call_id": "a", "name": "one", "arguments": "{}"},
    ]);
    let body = stream(&[json!({"type": "response.completed", "response": {"output": output}})]);
    let read = reply(Provider::OpenAiResponses, &body);
    assert_eq!((read.assistant.text.as_str(), calls(&read)), ("Hi no", vec![("a", "one", "{}")]));
    let added = |id: &str, call: &str| {
        json!({"type": "response.output_item.added",
               "item": {"id": id, "type": "function_call", "call_id": call, "name": "one", "arguments": ""}})
    };
    let delta = |id: &str, delta: &str| json!({"type": "response.function_call_arguments.delta", "item_id": id, "delta": delta});
    let body = stream(&[
        added("fc_1", "a"),
        added("fc_2", "b"),
        delta("fc_1", "{\"x\":"),
        delta("fc_2", "{\"x\":2}"),
        delta("fc_1", "1}"),
        json!({"type": "response.completed", "response": {}}),
    ]);
    let read = reply(Provider::OpenAiResponses, &body);
    assert_eq!(calls(&read), [("a", "one", "{\"x\":1}"), ("b", "one", "{\"x\":2}")]);
}

#[test]
fn a_call_that_its_provider_did_not_complete_is_refused() {
    let item = json!({"type": "function_call", "status": "incomplete", "call_id": "a", "name": "one", "arguments": "{}"});
    let body = stream(&[
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": {}}),
    ]);
    let read = reply(Provider::OpenAiResponses, &body);
    assert_eq!((calls(&read).len(), read.refused.len()), (1, 1));
    let block = json!({"type": "tool_use", "id": "a", "name": "one", "input": {}});
    let body = stream(&[
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}),
    ]);
    let read = reply(Provider::Anthropic, &body);
    assert_eq!((calls(&read).len(), read.refused.len()), (1, 1));
}

#[test]
fn anthropics_input_may_be_cut_or_come_with_its_block() {
    let body = |input: Value, pieces: &[&str]| {
        let block = json!({"type": "tool_use", "id": "a", "name": "one", "input": input});
        let mut events = vec![json!({"type": "content_block_start", "index": 0, "content_block": block})];
        events.extend(pieces.iter().map(|piece| {
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": piece}})
        }));
        events.push(json!({"type": "content_block_stop", "index": 0}));
        events.push(json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}));
        stream(&events)
    };
    let read = |body: &str| {
        let reply = reply(Provider::Anthropic, body);
        (calls(&reply)[0].2.to_owned(), reply.refused.len())
    };
    assert_eq!(read(&body(json!({"x": 1}), &[])), ("{\"x\":1}".to_owned(), 0));
    assert_eq!(read(&body(json!({}), &[])), ("{}".to_owned(), 0));
    assert_eq!(read(&body(json!(""), &[""])), ("{}".to_owned(), 0));
    assert_eq!(read(&body(json!({}), &["{\"x\": \"", "cut"])), ("{}".to_owned(), 1));
    assert_eq!(read(&body(json!({}), &["{\"x\":1}", "{\"x\":2}"])), ("{}".to_owned(), 1));
}

#[test]
fn a_blocked_prompt_is_held_back() {
    let chunk =
        json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}});
    let read = reply(Provider::Gemini, &stream(&[chunk]));
    assert_eq!((read.assistant.text.as_str(), read.finish), ("", Finish::ContentFilter));
}

#[test]
fn signs_of_life_and_events_to_come_are_skipped() {
    for provider in PROVIDERS {
        let odd = "data\n\ndata: \n\ndata: ping\n\ndata: 7\n\ndata: [1]\n\ndata: {\"type\":\"new\",\"x\":1}\n\ndata: null\n\n";
        assert_eq!(whole(provider, odd).reply, Err(StreamError::BrokenOff { text: String::new() }));
    }
}
