//! What comes from outside is bounded.

use callgate_model::{Assistant, Call, Message, Provider, Request, StreamError, ToolChoice, ToolOutput};
use serde_json::{Value, json};

use crate::reading::{PROVIDERS, pieces, stream, whole};

#[track_caller]
fn too_large(provider: Provider, event: &Value, times: usize, what: &'static str) {
    let event = stream(std::slice::from_ref(event));
    let read = pieces(provider, std::iter::repeat_n(event.as_bytes(), times));
    assert_eq!(read.reply, Err(StreamError::TooLarge(what)), "{provider:?}");
}

#[test]
fn a_text_has_a_largest_size() {
    let words = "x".repeat(64 * 1024);
    let delta = json!({"choices": [{"delta": {"content": words}}]});
    too_large(Provider::OpenAi, &delta, 17, "the text");
    let delta = json!({"type": "response.output_text.delta", "output_index": 0, "delta": words});
    too_large(Provider::OpenAiResponses, &delta, 17, "the text");
    let delta =
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": words}});
    too_large(Provider::Anthropic, &delta, 17, "the text");
    let delta = json!({"candidates": [{"content": {"parts": [{"text": words}]}}]});
    too_large(Provider::Gemini, &delta, 17, "the text");
}

#[test]
fn all_arguments_have_a_largest_size() {
    let words = "x".repeat(64 * 1024);
    let delta = json!({"type": "response.function_call_arguments.delta", "output_index": 0, "delta": words});
    too_large(Provider::OpenAiResponses, &delta, 17, "the arguments");
    let delta = json!({"type": "content_block_delta", "index": 0,
                       "delta": {"type": "input_json_delta", "partial_json": words}});
    too_large(Provider::Anthropic, &delta, 17, "the arguments");
    let delta = json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": "a", "args": {"x": words}}}]}}]});
    too_large(Provider::Gemini, &delta, 17, "the arguments");
}

#[test]
fn what_is_kept_has_a_largest_size() {
    let words = "x".repeat(64 * 1024);
    let what = "what is kept of the answer";
    let delta = json!({"choices": [{"delta": {"reasoning_content": words}}]});
    too_large(Provider::OpenAi, &delta, 33, what);
    let delta = json!({"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "a", "more": words}]}}]});
    too_large(Provider::OpenAi, &delta, 33, what);
    let delta =
        json!({"type": "response.output_item.done", "output_index": 0, "item": {"type": "x", "y": words}});
    too_large(Provider::OpenAiResponses, &delta, 33, what);
    for delta in [
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "x", "y": words}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": words}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": words}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": words}}),
    ] {
        too_large(Provider::Anthropic, &delta, 33, what);
    }
    let delta = json!({"candidates": [{"content": {"parts": [{"text": "", "thoughtSignature": words}]}}]});
    too_large(Provider::Gemini, &delta, 33, what);
}

#[test]
fn an_index_has_a_limit_everywhere() {
    let item = json!({"type": "response.output_item.added", "output_index": 129, "item": {}});
    too_large(Provider::OpenAiResponses, &item, 1, "the index of a part");
    let item = json!({"type": "response.output_item.added", "item": {}});
    too_large(Provider::OpenAiResponses, &item, 130, "the index of a part");
    let output: Vec<Value> = (0..130).map(|_| json!({})).collect();
    let all = json!({"type": "response.completed", "response": {"output": output}});
    too_large(Provider::OpenAiResponses, &all, 1, "the index of a part");
    let block = json!({"type": "content_block_start", "index": 129, "content_block": {}});
    too_large(Provider::Anthropic, &block, 1, "the index of a part");
    let part = json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": "a"}}]}}]});
    too_large(Provider::Gemini, &part, 130, "the index of a part");
}

#[test]
fn an_event_and_an_answer_have_a_largest_size() {
    let line = format!("data: {}", "x".repeat(1024 * 1024));
    for provider in PROVIDERS {
        assert_eq!(whole(provider, &line).reply, Err(StreamError::TooLarge("an event")));
        let answer = format!("{{\"a\": \"{}", "x".repeat(4 * 1024 * 1024));
        assert_eq!(whole(provider, &answer).reply, Err(StreamError::TooLarge("the answer")));
    }
}

#[test]
fn json_that_is_too_deep_is_malformed() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(500_000), "]".repeat(500_000));
    for provider in PROVIDERS {
        for body in [deep.clone(), format!("data: {deep}\n\n")] {
            assert!(matches!(whole(provider, &body).reply, Err(StreamError::Malformed(_))), "{provider:?}");
        }
    }
}

#[test]
fn arguments_are_not_parsed_again_with_each_delta() {
    // In quadratic time this would take minutes.
    let delta = |arguments: &str| {
        let call = json!({"index": 0, "function": {"name": "f", "arguments": arguments}});
        stream(&[json!({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]})])
    };
    let begun = format!("{{\"a\":\"{}\",}}", "x".repeat(600_000));
    let (begin, more) = (delta(&begun), delta("{}"));
    let end = stream(&[json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})]);
    let deltas = std::iter::repeat_n(more.as_bytes(), 100_000);
    let read = pieces(Provider::OpenAi, [begin.as_bytes()].into_iter().chain(deltas).chain([end.as_bytes()]));
    let reply = read.reply.unwrap();
    assert_eq!((reply.assistant.calls.len(), reply.refused.len()), (1, 1));
    assert_eq!(reply.refused[0].call.arguments.len(), begun.len() + 200_000);
}

#[test]
fn a_long_history_is_brought_into_order_in_one_pass() {
    // In quadratic time this would take many minutes.
    const ROUNDS: usize = 50_000;
    let ids: [&dyn Fn(usize) -> String; 2] = [&|round| format!("call_{round}"), &|_| "call".to_owned()];
    for id in ids {
        let round = |number: usize| {
            let call = Call { id: id(number), name: "f".to_owned(), arguments: "{}".to_owned() };
            let output =
                ToolOutput { call_id: id(number), content: "done".to_owned(), ..ToolOutput::default() };
            let assistant = Assistant { calls: vec![call], ..Assistant::default() };
            [Message::Assistant(assistant), Message::Results(vec![output])]
        };
        let messages: Vec<Message> = (0..ROUNDS).flat_map(round).collect();
        let body = Provider::OpenAi.body(&Request {
            model: "m",
            origin: "",
            system: "",
            messages: &messages,
            tools: &[],
            tool_choice: ToolChoice::Auto,
            parallel_tool_calls: None,
            temperature: None,
            max_tokens: None,
        });
        assert_eq!(body.matches(r#""content":"done""#).count(), ROUNDS);
        assert_eq!(body.matches(&format!("_{}\"", ROUNDS - 1)).count(), 2, "the call and its answer");
    }
}
