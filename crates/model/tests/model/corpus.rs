//! Streams in the shapes that providers send, and what they say.

use callgate_model::{Finish, Provider, Usage};

/// A stream and its answer.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) provider: Provider,
    pub(crate) body: &'static str,
    pub(crate) text: &'static str,
    pub(crate) calls: &'static [(&'static str, &'static str, &'static str)],
    pub(crate) finish: Finish,
    /// Input, output, cached, reasoning.
    pub(crate) usage: Option<[u64; 4]>,
    /// What goes back.
    pub(crate) raw: &'static str,
}

impl Case {
    pub(crate) fn usage(&self) -> Option<Usage> {
        self.usage.map(|[input, output, cached, reasoning]| Usage { input, output, cached, reasoning })
    }
}

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "OpenAI: words, padding, usage in a chunk of its own",
        provider: Provider::OpenAi,
        body: r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4.1-mini","service_tier":"default","system_fingerprint":"fp","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"a1b2"}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4.1-mini","choices":[{"index":0,"delta":{"content":"Grüß"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"x"}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4.1-mini","choices":[{"index":0,"delta":{"content":" Gott \ud83d\ude00"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":""}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4.1-mini","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null,"obfuscation":"q"}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4.1-mini","choices":[],"usage":{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":2}},"obfuscation":""}

data: [DONE]

"#,
        text: "Grüß Gott 😀",
        calls: &[],
        finish: Finish::Stop,
        usage: Some([12, 5, 4, 2]),
        raw: r#"{"role":"assistant","content":"Grüß Gott 😀"}"#,
    },
    Case {
        name: "OpenAI: words, then two parallel calls",
        provider: Provider::OpenAi,
        body: r#"data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"One moment."},"finish_reason":null}]}

data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_A","type":"function","function":{"name":"get_order","arguments":""}}]},"finish_reason":null}]}

data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"number\":"}}]},"finish_reason":null}]}

data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"7}"}}]},"finish_reason":null}]}

data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_B","type":"function","function":{"name":"get_weather","arguments":""}}]},"finish_reason":null}]}

data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{\"city\":\"Köln\"}"}}]},"finish_reason":null}]}

data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}

data: [DONE]

"#,
        text: "One moment.",
        calls: &[("call_A", "get_order", r#"{"number":7}"#), ("call_B", "get_weather", r#"{"city":"Köln"}"#)],
        finish: Finish::ToolCalls,
        usage: None,
        raw: r#"{"role":"assistant","content":"One moment.","tool_calls":[
            {"id":"call_A","type":"function","function":{"name":"get_order","arguments":"{\"number\":7}"}},
            {"id":"call_B","type":"function","function":{"name":"get_weather","arguments":"{\"city\":\"Köln\"}"}}]}"#,
    },
    Case {
        name: "Ollama: index 0 for all, the call and the reason in one chunk, no [DONE]",
        provider: Provider::OpenAi,
        body: r#"data: {"id":"o","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":"","tool_calls":[{"id":"call_x1","index":0,"type":"function","function":{"name":"get_order","arguments":"{\"number\":7}"}}]},"finish_reason":null}]}

data: {"id":"o","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":"","tool_calls":[{"id":"call_x2","index":0,"type":"function","function":{"name":"get_order","arguments":"{\"number\":8}"}}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}

"#,
        text: "",
        calls: &[("call_x1", "get_order", r#"{"number":7}"#), ("call_x2", "get_order", r#"{"number":8}"#)],
        finish: Finish::ToolCalls,
        usage: Some([3, 4, 0, 0]),
        raw: r#"{"role":"assistant","content":null,"tool_calls":[
            {"id":"call_x1","type":"function","function":{"name":"get_order","arguments":"{\"number\":7}"}},
            {"id":"call_x2","type":"function","function":{"name":"get_order","arguments":"{\"number\":8}"}}]}"#,
    },
    Case {
        name: "Gemini behind OpenAI's form: signatures travel in the calls",
        provider: Provider::OpenAi,
        body: r#"data: {"choices":[{"delta":{"role":"assistant","tool_calls":[{"extra_content":{"google":{"thought_signature":"c2lnMQ=="}},"function":{"arguments":"{\"n\":1.50}","name":"a"},"id":"g1","index":0,"type":"function"}]},"index":0}]}

data: {"choices":[{"delta":{"role":"assistant","tool_calls":[{"function":{"arguments":"{}","name":"b"},"id":"","index":1,"type":"function"}]},"finish_reason":"tool_calls","index":0}],"usage":{"prompt_tokens":1,"completion_tokens":1}}

data: {"choices":[{"delta":{},"finish_reason":"stop","index":0}],"usage":{"prompt_tokens":9,"completion_tokens":8}}

data: [DONE]

"#,
        text: "",
        calls: &[("g1", "a", r#"{"n":1.50}"#), ("call_2", "b", "{}")],
        finish: Finish::ToolCalls,
        usage: Some([9, 8, 0, 0]),
        raw: r#"{"role":"assistant","content":null,"tool_calls":[
            {"id":"g1","type":"function","function":{"name":"a","arguments":"{\"n\":1.50}"},"extra_content":{"google":{"thought_signature":"c2lnMQ=="}}},
            {"id":"call_2","type":"function","function":{"name":"b","arguments":"{}"}}]}"#,
    },
    Case {
        name: "DeepSeek: reasoning beside the content goes back with its calls",
        provider: Provider::OpenAi,
        body: r#": keep-alive

data: {"choices":[{"index":0,"delta":{"role":"assistant","content":null,"reasoning_content":"They want"},"finish_reason":null}]}

data: {"choices":[{"index":0,"delta":{"reasoning_content":" an order.","reasoning":"ignored"},"finish_reason":null}]}

data: {"choices":[{"index":0,"delta":{"content":null,"tool_calls":[{"index":0,"id":"call_00","type":"function","function":{"name":"get_order","arguments":""}}]},"finish_reason":null}]}

data: {"choices":[{"index":0,"delta":{"content":"","reasoning_content":null},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":30,"completion_tokens":9,"prompt_cache_hit_tokens":20,"completion_tokens_details":{"reasoning_tokens":6}}}

data: [DONE]

"#,
        text: "",
        calls: &[("call_00", "get_order", "{}")],
        finish: Finish::ToolCalls,
        usage: Some([30, 9, 20, 6]),
        raw: r#"{"role":"assistant","content":null,"tool_calls":[
            {"id":"call_00","type":"function","function":{"name":"get_order","arguments":"{}"}}],
            "reasoning_content":"They want an order."}"#,
    },
    Case {
        name: "Azure: a chunk of the filter first, deltas that are null",
        provider: Provider::OpenAi,
        body: r#"data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0}]}

data: {"choices":[{"content_filter_results":{},"delta":{"content":"","role":"assistant"},"finish_reason":null,"index":0}]}

data: {"choices":[{"content_filter_offsets":{"check_offset":1},"delta":null,"finish_reason":null,"index":0}]}

data: {"choices":[{"delta":{"content":"Yes."},"finish_reason":null,"index":0},{"delta":{"content":"No."},"finish_reason":"length","index":1}]}

data: {"choices":[{"content_filter_results":{},"delta":null,"finish_reason":"stop","index":0}]}

data: [DONE]

"#,
        text: "Yes.",
        calls: &[],
        finish: Finish::Stop,
        usage: None,
        raw: r#"{"role":"assistant","content":"Yes."}"#,
    },
    Case {
        name: "Mistral: content in the last chunk, content as parts",
        provider: Provider::OpenAi,
        body: r#"data: {"choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]},"finish_reason":null}]}

data: {"choices":[{"index":0,"delta":{"content":[{"type":"text","text":"Good"}]},"finish_reason":null}]}

data: {"choices":[{"index":0,"delta":{"content":" day."},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}

data: [DONE]

"#,
        text: "Good day.",
        calls: &[],
        finish: Finish::Stop,
        usage: Some([1, 2, 0, 0]),
        raw: r#"{"role":"assistant","content":"Good day."}"#,
    },
    Case {
        name: "Qwen: thinking in the content",
        provider: Provider::OpenAi,
        body: r#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":"\n<th"},"finish_reason":null}]}

data: {"choices":[{"index":0,"delta":{"content":"ink>Shall I <think>?"},"finish_reason":null}]}

data: {"choices":[{"index":0,"delta":{"content":" No.</thi"},"finish_reason":null}]}

data: {"choices":[{"index":0,"delta":{"content":"nk>\n\n"},"finish_reason":null}]}

data: {"choices":[{"index":0,"delta":{"content":"Hello."},"finish_reason":"stop"}]}

data: [DONE]

"#,
        text: "Hello.",
        calls: &[],
        finish: Finish::Stop,
        usage: None,
        raw: r#"{"role":"assistant","content":"Hello."}"#,
    },
    Case {
        name: "Responses: words",
        provider: Provider::OpenAiResponses,
        body: r#"event: response.created
data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1","status":"in_progress","error":null,"output":[]}}

event: response.output_item.added
data: {"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","content":[],"role":"assistant"}}

event: response.content_part.added
data: {"type":"response.content_part.added","item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","annotations":[],"text":""}}

event: response.output_text.delta
data: {"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"delta":"Grüß","obfuscation":"zz"}

event: response.output_text.delta
data: {"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"delta":" Gott"}

event: response.output_text.done
data: {"type":"response.output_text.done","item_id":"msg_1","output_index":0,"content_index":0,"text":"Grüß Gott"}

event: response.output_item.done
data: {"type":"response.output_item.done","output_index":0,"item":{"id":"msg_1","type":"message","status":"completed","content":[{"type":"output_text","annotations":[],"text":"Grüß Gott"}],"role":"assistant"}}

event: response.completed
data: {"type":"response.completed","response":{"id":"resp_1","status":"completed","error":null,"output":[{"id":"msg_1","type":"message","status":"completed","content":[{"type":"output_text","annotations":[],"text":"Grüß Gott"}],"role":"assistant"}],"usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":3},"output_tokens":4,"output_tokens_details":{"reasoning_tokens":1},"total_tokens":14}}}

"#,
        text: "Grüß Gott",
        calls: &[],
        finish: Finish::Stop,
        usage: Some([10, 4, 3, 1]),
        raw: r#"[{"id":"msg_1","type":"message","status":"completed","content":[{"type":"output_text","annotations":[],"text":"Grüß Gott"}],"role":"assistant"}]"#,
    },
    Case {
        name: "Responses: reasoning, then two calls whose pieces are mixed",
        provider: Provider::OpenAiResponses,
        body: r#"event: response.output_item.added
data: {"type":"response.output_item.added","output_index":0,"item":{"id":"rs_1","type":"reasoning","encrypted_content":"","summary":[]}}

event: response.output_item.done
data: {"type":"response.output_item.done","output_index":0,"item":{"id":"rs_1","type":"reasoning","encrypted_content":"gAAA","summary":[]}}

event: response.output_item.added
data: {"type":"response.output_item.added","output_index":1,"item":{"id":"fc_1","type":"function_call","status":"in_progress","arguments":"","call_id":"call_A","name":"get_order"}}

event: response.output_item.added
data: {"type":"response.output_item.added","output_index":2,"item":{"id":"fc_2","type":"function_call","status":"in_progress","arguments":"","call_id":"call_B","name":"get_weather"}}

event: response.function_call_arguments.delta
data: {"type":"response.function_call_arguments.delta","item_id":"fc_1","output_index":1,"delta":"{\"number\":"}

event: response.function_call_arguments.delta
data: {"type":"response.function_call_arguments.delta","item_id":"fc_2","output_index":2,"delta":"{\"city\":\"Köln\"}"}

event: response.function_call_arguments.delta
data: {"type":"response.function_call_arguments.delta","item_id":"fc_1","output_index":1,"delta":"7}"}

event: response.function_call_arguments.done
data: {"type":"response.function_call_arguments.done","item_id":"fc_1","output_index":1,"arguments":"{\"number\":7}"}

event: response.output_item.done
data: {"type":"response.output_item.done","output_index":1,"item":{"id":"fc_1","type":"function_call","status":"completed","arguments":"{\"number\":7}","call_id":"call_A","name":"get_order"}}

event: response.output_item.done
data: {"type":"response.output_item.done","output_index":2,"item":{"id":"fc_2","type":"function_call","status":"completed","arguments":"{\"city\":\"Köln\"}","call_id":"call_B","name":"get_weather"}}

event: response.completed
data: {"type":"response.completed","response":{"status":"completed","output":[],"usage":{"input_tokens":1,"output_tokens":2}}}

data: [DONE]

"#,
        text: "",
        calls: &[("call_A", "get_order", r#"{"number":7}"#), ("call_B", "get_weather", r#"{"city":"Köln"}"#)],
        finish: Finish::ToolCalls,
        usage: Some([1, 2, 0, 0]),
        raw: r#"[{"id":"rs_1","type":"reasoning","encrypted_content":"gAAA","summary":[]},
            {"id":"fc_1","type":"function_call","status":"completed","arguments":"{\"number\":7}","call_id":"call_A","name":"get_order"},
            {"id":"fc_2","type":"function_call","status":"completed","arguments":"{\"city\":\"Köln\"}","call_id":"call_B","name":"get_weather"}]"#,
    },
    Case {
        name: "Responses: cut off in a call",
        provider: Provider::OpenAiResponses,
        body: r#"data: {"type":"response.output_text.delta","output_index":0,"delta":"Wait."}

data: {"type":"response.output_item.done","output_index":0,"item":{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Wait."}]}}

data: {"type":"response.output_item.done","output_index":1,"item":{"id":"fc_1","type":"function_call","status":"incomplete","arguments":"{}","call_id":"call_A","name":"a"}}

data: {"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"usage":{"input_tokens":1,"output_tokens":2}}}

"#,
        text: "Wait.",
        calls: &[],
        finish: Finish::Length,
        usage: Some([1, 2, 0, 0]),
        raw: r#"[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Wait."}]}]"#,
    },
    Case {
        name: "Anthropic: words, a ping, usage that adds up",
        provider: Provider::Anthropic,
        body: r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[],"stop_reason":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":2,"cache_read_input_tokens":30,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Grüß"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" Gott"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":15}}

event: message_stop
data: {"type":"message_stop"}

"#,
        text: "Grüß Gott",
        calls: &[],
        finish: Finish::Stop,
        usage: Some([42, 15, 30, 0]),
        raw: r#"[{"type":"text","text":"Grüß Gott"}]"#,
    },
    Case {
        name: "Anthropic: thinking with its signature, words, two calls, one without arguments",
        provider: Provider::Anthropic,
        body: r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","role":"assistant","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"They want"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":" two things."}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQBCg=="}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"Emw="}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: content_block_start
data: {"type":"content_block_start","index":2,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"One moment."}}

event: content_block_stop
data: {"type":"content_block_stop","index":2}

event: content_block_start
data: {"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_A","name":"get_order","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":""}}

event: content_block_start
data: {"type":"content_block_start","index":4,"content_block":{"type":"tool_use","id":"toolu_B","name":"get_time","input":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"price\": 1"}}

event: content_block_stop
data: {"type":"content_block_stop","index":4}

event: content_block_delta
data: {"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":".10}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":3}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"input_tokens":5,"output_tokens":50}}

event: message_stop
data: {"type":"message_stop"}

"#,
        text: "One moment.",
        calls: &[("toolu_A", "get_order", r#"{"price": 1.10}"#), ("toolu_B", "get_time", "{}")],
        finish: Finish::ToolCalls,
        usage: Some([5, 50, 0, 0]),
        raw: r#"[{"type":"thinking","thinking":"They want two things.","signature":"EqQBCg=="},
            {"type":"redacted_thinking","data":"Emw="},
            {"type":"text","text":"One moment."},
            {"type":"tool_use","id":"toolu_A","name":"get_order","input":{"price":1.10}},
            {"type":"tool_use","id":"toolu_B","name":"get_time","input":{}}]"#,
    },
    Case {
        name: "Anthropic: cut off in a call",
        provider: Provider::Anthropic,
        body: r#"data: {"type":"message_start","message":{"content":[],"usage":{"input_tokens":1,"output_tokens":1}}}

data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":"Wait"}}

data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"."}}

data: {"type":"content_block_stop","index":0}

data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_A","name":"a","input":{}}}

data: {"type":"content_block_stop","index":1}

data: {"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":9}}

data: {"type":"message_stop"}

"#,
        text: "Wait.",
        calls: &[],
        finish: Finish::Length,
        usage: Some([1, 9, 0, 0]),
        raw: r#"[{"type":"text","text":"Wait."}]"#,
    },
    Case {
        name: "Gemini: words, a signature in an empty part at the end",
        provider: Provider::Gemini,
        body: r#"data: {"candidates": [{"content": {"parts": [{"text": "Grüß"}],"role": "model"},"index": 0}],"usageMetadata": {"promptTokenCount": 8,"totalTokenCount": 8},"modelVersion": "gemini-3-flash"}

data: {"candidates": [{"content": {"parts": [{"text": " thinking","thought": true},{"text": " Gott"}],"role": "model"},"index": 0}],"usageMetadata": {"promptTokenCount": 8,"candidatesTokenCount": 2,"totalTokenCount": 10}}

data: {"candidates": [{"content": {"parts": [{"text": "","thoughtSignature": "c2ln"}],"role": "model"},"finishReason": "STOP","index": 0}],"usageMetadata": {"promptTokenCount": 8,"candidatesTokenCount": 3,"thoughtsTokenCount": 20,"cachedContentTokenCount": 5,"totalTokenCount": 31}}

"#,
        text: "Grüß Gott",
        calls: &[],
        finish: Finish::Stop,
        usage: Some([8, 23, 5, 20]),
        raw: r#"[{"text":"Grüß Gott"},{"text":"","thoughtSignature":"c2ln"}]"#,
    },
    Case {
        name: "Gemini: whole calls, two in one chunk and one in another, without ids",
        provider: Provider::Gemini,
        body: r#"data: {"candidates": [{"content": {"parts": [{"text": "One moment."}],"role": "model"},"finishReason": "STOP"}]}

data: {"candidates": [{"content": {"parts": [{"functionCall": {"name": "get_order","args": {"number": 7,"price": 1.10}},"thoughtSignature": "c2lnMQ=="},{"functionCall": {"name": "get_order","args": {"number": 8}}}],"role": "model"},"finishReason": "STOP"}]}

data: {"candidates": [{"content": {"parts": [{"functionCall": {"name": "get_time"}}],"role": "model"},"finishReason": "STOP"}],"usageMetadata": {"promptTokenCount": 1,"candidatesTokenCount": 2}}

"#,
        text: "One moment.",
        calls: &[
            ("call_1", "get_order", r#"{"number":7,"price":1.10}"#),
            ("call_2", "get_order", r#"{"number":8}"#),
            ("call_3", "get_time", "{}"),
        ],
        finish: Finish::ToolCalls,
        usage: Some([1, 2, 0, 0]),
        raw: r#"[{"text":"One moment."},
            {"functionCall":{"name":"get_order","args":{"number":7,"price":1.10}},"thoughtSignature":"c2lnMQ=="},
            {"functionCall":{"name":"get_order","args":{"number":8}}},
            {"functionCall":{"name":"get_time"}}]"#,
    },
    Case {
        name: "Gemini: calls with ids, one of them twice",
        provider: Provider::Gemini,
        body: r#"data: {"candidates": [{"content": {"parts": [{"functionCall": {"id": "f1","name": "a","args": {}},"thoughtSignature": "eA=="},{"functionCall": {"id": "f1","name": "b","args": {}}}],"role": "model"},"finishReason": "STOP"}]}

"#,
        text: "",
        calls: &[("f1", "a", "{}"), ("f1_2", "b", "{}")],
        finish: Finish::ToolCalls,
        usage: None,
        raw: r#"[{"functionCall":{"id":"f1","name":"a","args":{}},"thoughtSignature":"eA=="},
            {"functionCall":{"id":"f1","name":"b","args":{}}}]"#,
    },
];
