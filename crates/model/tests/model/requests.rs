//! What goes out.

use std::sync::Arc;

use callgate_model::{Assistant, Call, Message, Provider, Raw, Request, ToolChoice, ToolOutput};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::corpus::CASES;
use crate::reading::{PROVIDERS, reply};

const REQUEST: Request<'static> = Request {
    model: "model-1",
    origin: "",
    system: "Be brief.",
    messages: &[],
    tools: &[],
    tool_choice: ToolChoice::Auto,
    parallel_tool_calls: None,
    temperature: None,
    max_tokens: None,
};

fn call(id: &str, name: &str, arguments: &str) -> Call {
    Call { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() }
}

fn output(id: &str, name: &str, content: &str) -> ToolOutput {
    let (call_id, name, content) = (id.to_owned(), name.to_owned(), content.to_owned());
    ToolOutput { call_id, name, content, is_error: false }
}

fn user(text: &str) -> Message {
    Message::User(text.to_owned())
}

fn system(text: &str) -> Message {
    Message::System(text.to_owned())
}

fn said(text: &str) -> Message {
    Message::Assistant(Assistant { text: text.to_owned(), ..Assistant::default() })
}

fn called(text: &str, calls: &[Call]) -> Message {
    Message::Assistant(Assistant { text: text.to_owned(), calls: calls.to_vec(), raw: None })
}

fn written(provider: Provider, request: &Request<'_>) -> Value {
    serde_json::from_str(&provider.body(request)).unwrap()
}

/// A history of six messages with two parallel calls, the results in the wrong order.
fn history() -> Vec<Message> {
    let calls = [call("call_A", "get_order", "{\"price\": 1.10}"), call("call_B", "get_time", "{}")];
    let failed = ToolOutput { is_error: true, ..output("call_B", "get_time", "No clock.") };
    vec![
        user("Where is my order, and what time is it?"),
        called("One moment.", &calls),
        Message::Results(vec![failed, output("call_A", "get_order", "{\"state\":\"sent\"}")]),
        said("It was sent."),
        system("The caller is in a hurry."),
        user("Thanks."),
    ]
}

fn tools(provider: Provider) -> Vec<Arc<RawValue>> {
    let schema = json!({"type": "object", "properties": {"price": {"type": "number"}}});
    let tool = provider.tool("get_order", "Finds an order.", &schema);
    vec![Arc::from(to_raw_value(&tool).unwrap())]
}

#[track_caller]
fn check(provider: Provider, change: impl FnOnce(&mut Request<'_>), expected: &Value) {
    let (messages, tools) = (history(), tools(provider));
    let mut request = Request { messages: &messages, tools: &tools, ..REQUEST };
    change(&mut request);
    let written = written(provider, &request);
    let (written, expected) = (written.as_object().unwrap(), expected.as_object().unwrap());
    for (name, value) in expected {
        assert_eq!(written.get(name), Some(value), "{provider:?}: {name}");
    }
    let more: Vec<&String> = written.keys().filter(|name| !expected.contains_key(*name)).collect();
    assert!(more.is_empty(), "{provider:?}: {more:?}");
}

#[test]
fn openai_chat_gets_its_body() {
    let expected = json!({
        "model": "model-1",
        "stream": true,
        "stream_options": {"include_usage": true},
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Where is my order, and what time is it?"},
            {"role": "assistant", "content": "One moment.", "tool_calls": [
                {"id": "call_A", "type": "function", "function": {"name": "get_order", "arguments": "{\"price\": 1.10}"}},
                {"id": "call_B", "type": "function", "function": {"name": "get_time", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "call_A", "content": "{\"state\":\"sent\"}"},
            {"role": "tool", "tool_call_id": "call_B", "content": "No clock."},
            {"role": "assistant", "content": "It was sent."},
            {"role": "system", "content": "The caller is in a hurry."},
            {"role": "user", "content": "Thanks."},
        ],
        "tools": [{"type": "function", "function": {
            "name": "get_order", "description": "Finds an order.",
            "parameters": {"type": "object", "properties": {"price": {"type": "number"}}},
        }}],
        "parallel_tool_calls": false,
        "tool_choice": "none",
        "temperature": 0.3,
        "max_tokens": 400,
    });
    let change = |request: &mut Request<'_>| {
        request.tool_choice = ToolChoice::None;
        request.parallel_tool_calls = Some(false);
        request.temperature = Some(0.3);
        request.max_tokens = Some(400);
    };
    check(Provider::OpenAi, change, &expected);
}

#[test]
fn openai_responses_gets_its_body() {
    let expected = json!({
        "model": "model-1",
        "stream": true,
        "store": false,
        "instructions": "Be brief.",
        "input": [
            {"role": "user", "content": "Where is my order, and what time is it?"},
            {"role": "assistant", "content": "One moment."},
            {"type": "function_call", "call_id": "call_A", "name": "get_order", "arguments": "{\"price\": 1.10}"},
            {"type": "function_call", "call_id": "call_B", "name": "get_time", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_A", "output": "{\"state\":\"sent\"}"},
            {"type": "function_call_output", "call_id": "call_B", "output": "No clock."},
            {"role": "assistant", "content": "It was sent."},
            {"role": "system", "content": "The caller is in a hurry."},
            {"role": "user", "content": "Thanks."},
        ],
        "tools": [{
            "type": "function", "name": "get_order", "description": "Finds an order.", "strict": false,
            "parameters": {"type": "object", "properties": {"price": {"type": "number"}}},
        }],
        "parallel_tool_calls": true,
        "tool_choice": "none",
        "temperature": 0.3,
        "max_output_tokens": 400,
    });
    let change = |request: &mut Request<'_>| {
        request.tool_choice = ToolChoice::None;
        request.parallel_tool_calls = Some(true);
        request.temperature = Some(0.3);
        request.max_tokens = Some(400);
    };
    check(Provider::OpenAiResponses, change, &expected);
}

#[test]
fn anthropic_gets_its_body() {
    let price: Value = serde_json::from_str("{\"price\": 1.10}").unwrap();
    let mut expected = json!({
        "model": "model-1",
        "stream": true,
        "system": "Be brief.",
        "max_tokens": 1024,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Where is my order, and what time is it?"}]},
            {"role": "assistant", "content": [
                {"type": "text", "text": "One moment."},
                {"type": "tool_use", "id": "call_A", "name": "get_order", "input": price},
                {"type": "tool_use", "id": "call_B", "name": "get_time", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "call_A", "content": "{\"state\":\"sent\"}"},
                {"type": "tool_result", "tool_use_id": "call_B", "content": "No clock.", "is_error": true},
            ]},
            {"role": "assistant", "content": [{"type": "text", "text": "It was sent."}]},
            {"role": "user", "content": [
                {"type": "text", "text": "[system] The caller is in a hurry."},
                {"type": "text", "text": "Thanks."},
            ]},
        ],
        "tools": [{
            "name": "get_order", "description": "Finds an order.",
            "input_schema": {"type": "object", "properties": {"price": {"type": "number"}}},
        }],
        "tool_choice": {"type": "none"},
        "temperature": 0.3,
    });
    let change = |request: &mut Request<'_>| {
        request.tool_choice = ToolChoice::None;
        request.parallel_tool_calls = Some(false);
        request.temperature = Some(0.3);
    };
    check(Provider::Anthropic, change, &expected);
    expected["tool_choice"] = json!({"type": "auto", "disable_parallel_tool_use": true});
    expected["max_tokens"] = json!(400);
    expected.as_object_mut().unwrap().remove("temperature");
    let change = |request: &mut Request<'_>| {
        request.parallel_tool_calls = Some(false);
        request.max_tokens = Some(400);
    };
    check(Provider::Anthropic, change, &expected);
}

#[test]
fn gemini_gets_its_body() {
    let price: Value = serde_json::from_str("{\"price\": 1.10}").unwrap();
    let user = |text: &str| json!({"role": "user", "parts": [{"text": text}]});
    let expected = json!({
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            user("Where is my order, and what time is it?"),
            {"role": "model", "parts": [
                {"text": "One moment."},
                {"functionCall": {"name": "get_order", "args": price}, "thoughtSignature": "skip_thought_signature_validator"},
                {"functionCall": {"name": "get_time", "args": {}}},
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"name": "get_order", "response": {"output": {"state": "sent"}}}},
                {"functionResponse": {"name": "get_time", "response": {"error": "No clock."}}},
            ]},
            {"role": "model", "parts": [{"text": "It was sent."}]},
            user("[system] The caller is in a hurry."),
            user("Thanks."),
        ],
        "tools": [{"functionDeclarations": [{
            "name": "get_order", "description": "Finds an order.",
            "parametersJsonSchema": {"type": "object", "properties": {"price": {"type": "number"}}},
        }]}],
        "toolConfig": {"functionCallingConfig": {"mode": "NONE"}},
        "generationConfig": {"temperature": 0.3, "maxOutputTokens": 400},
    });
    let change = |request: &mut Request<'_>| {
        request.tool_choice = ToolChoice::None;
        request.parallel_tool_calls = Some(false);
        request.temperature = Some(0.3);
        request.max_tokens = Some(400);
    };
    check(Provider::Gemini, change, &expected);
}

#[test]
fn what_nobody_sets_is_left_out() {
    let messages = [user("Hello")];
    let request = Request { system: " ", messages: &messages, ..REQUEST };
    let hello = json!({"role": "user", "content": "Hello"});
    let expected = json!({"model": "model-1", "messages": [hello], "stream": true, "stream_options": {"include_usage": true}});
    assert_eq!(written(Provider::OpenAi, &request), expected);
    let expected = json!({"model": "model-1", "input": [hello], "stream": true, "store": false});
    assert_eq!(written(Provider::OpenAiResponses, &request), expected);
    let message = json!({"role": "user", "content": [{"type": "text", "text": "Hello"}]});
    let expected = json!({"model": "model-1", "max_tokens": 1024, "messages": [message], "stream": true});
    assert_eq!(written(Provider::Anthropic, &request), expected);
    let expected = json!({"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]});
    assert_eq!(written(Provider::Gemini, &request), expected);
    // Without tools, there is nothing to choose.
    for provider in PROVIDERS {
        let choosy = Request { tool_choice: ToolChoice::None, parallel_tool_calls: Some(false), ..request };
        let odd = Request { temperature: Some(f64::NAN), ..choosy };
        assert_eq!(written(provider, &odd), written(provider, &request), "{provider:?}");
    }
}

#[test]
fn openais_reasoning_models_get_what_they_take() {
    let messages = [user("Hello")];
    let tools = tools(Provider::OpenAi);
    let request = |model| Request {
        model,
        messages: &messages,
        tools: &tools,
        parallel_tool_calls: Some(false),
        temperature: Some(0.3),
        max_tokens: Some(400),
        ..REQUEST
    };
    let members = |provider, model| {
        let body = written(provider, &request(model));
        [
            "max_tokens",
            "max_completion_tokens",
            "max_output_tokens",
            "temperature",
            "parallel_tool_calls",
            "include",
        ]
        .into_iter()
        .filter(|name| body.get(name).is_some())
        .collect::<Vec<_>>()
    };
    assert_eq!(members(Provider::OpenAi, "gpt-4.1"), ["max_tokens", "temperature", "parallel_tool_calls"]);
    assert_eq!(members(Provider::OpenAi, "gpt-5-mini"), ["max_completion_tokens", "parallel_tool_calls"]);
    assert_eq!(members(Provider::OpenAi, "o4-mini"), ["max_completion_tokens"]);
    let plain = ["max_output_tokens", "temperature", "parallel_tool_calls"];
    assert_eq!(members(Provider::OpenAiResponses, "gpt-4.1"), plain);
    let reasoning = ["max_output_tokens", "parallel_tool_calls", "include"];
    assert_eq!(members(Provider::OpenAiResponses, "gpt-5"), reasoning);
    assert_eq!(members(Provider::OpenAiResponses, "o3"), ["max_output_tokens", "include"]);
    let body = written(Provider::OpenAiResponses, &request("o3"));
    assert_eq!((&body["include"], &body["store"]), (&json!(["reasoning.encrypted_content"]), &json!(false)));
}

#[test]
fn paths_headers_and_tools_are_those_of_the_provider() {
    let path = |provider: Provider| provider.path("gemini-2.5-flash");
    assert_eq!(path(Provider::OpenAi), "/chat/completions");
    assert_eq!(path(Provider::OpenAiResponses), "/responses");
    assert_eq!(path(Provider::Anthropic), "/messages");
    assert_eq!(path(Provider::Gemini), "/models/gemini-2.5-flash:streamGenerateContent?alt=sse");
    let path = |model| Provider::Gemini.path(model);
    assert_eq!(path("models/x"), "/models/x:streamGenerateContent?alt=sse");
    assert_eq!(path("tunedModels/x y?#"), "/tunedModels/x%20y%3F%23:streamGenerateContent?alt=sse");
    assert_eq!(Provider::Anthropic.headers(), [("anthropic-version", "2023-06-01")]);
    assert_eq!(Provider::OpenAi.headers().len() + Provider::Gemini.headers().len(), 0);
    let bare = |provider: Provider| provider.tool("end_call", " ", &Value::Null);
    let empty = json!({"type": "object", "properties": {}});
    assert_eq!(
        bare(Provider::OpenAi),
        json!({"type": "function", "function": {"name": "end_call", "parameters": empty}})
    );
    let expected = json!({"type": "function", "name": "end_call", "parameters": empty, "strict": false});
    assert_eq!(bare(Provider::OpenAiResponses), expected);
    assert_eq!(bare(Provider::Anthropic), json!({"name": "end_call", "input_schema": empty}));
    assert_eq!(bare(Provider::Gemini), json!({"name": "end_call"}));
}

/// What a body says of the history.
fn told(provider: Provider, messages: &[Message]) -> Value {
    let body = written(provider, &Request { messages, system: "", ..REQUEST });
    let name = match provider {
        Provider::OpenAi | Provider::Anthropic => "messages",
        Provider::OpenAiResponses => "input",
        Provider::Gemini => "contents",
    };
    body[name].clone()
}

const NEUTRAL: &str = "(the caller is on the line)";

#[test]
fn somebody_else_than_the_model_speaks_last_and_where_it_is_demanded_first() {
    let neutral = json!({"role": "user", "content": NEUTRAL});
    let text = |role: &str, text: &str| json!({"role": role, "content": [{"type": "text", "text": text}]});
    let part = |role: &str, text: &str| json!({"role": role, "parts": [{"text": text}]});
    for empty in [vec![], vec![user(" "), said(""), system("\n")]] {
        assert_eq!(told(Provider::OpenAi, &empty), json!([neutral]));
        assert_eq!(told(Provider::OpenAiResponses, &empty), json!([neutral]));
        assert_eq!(told(Provider::Anthropic, &empty), json!([text("user", NEUTRAL)]));
        assert_eq!(told(Provider::Gemini, &empty), json!([part("user", NEUTRAL)]));
    }
    let greeting = [said("Hello.")];
    let expected = json!([{"role": "assistant", "content": "Hello."}, neutral]);
    assert_eq!(told(Provider::OpenAi, &greeting), expected);
    assert_eq!(told(Provider::OpenAiResponses, &greeting), expected);
    let expected = json!([text("user", NEUTRAL), text("assistant", "Hello."), text("user", NEUTRAL)]);
    assert_eq!(told(Provider::Anthropic, &greeting), expected);
    let expected = json!([part("user", NEUTRAL), part("model", "Hello."), part("user", NEUTRAL)]);
    assert_eq!(told(Provider::Gemini, &greeting), expected);
}

#[test]
fn system_messages_at_the_beginning_belong_to_the_system_text() {
    let messages = [system("One."), system("Two."), user("Hello")];
    let request = Request { messages: &messages, ..REQUEST };
    assert_eq!(written(Provider::Anthropic, &request)["system"], "Be brief.\n\nOne.\n\nTwo.");
    let expected = json!({"parts": [{"text": "Be brief.\n\nOne.\n\nTwo."}]});
    assert_eq!(written(Provider::Gemini, &request)["systemInstruction"], expected);
    assert_eq!(written(Provider::OpenAi, &request)["messages"].as_array().unwrap().len(), 4);
}

#[test]
fn messages_of_one_role_become_one_for_anthropic_with_results_first() {
    let messages = [
        said("A"),
        called("", &[call("a", "one", "{}")]),
        system("S"),
        user("U"),
        user("V"),
        Message::Results(vec![output("a", "one", "")]),
    ];
    let expected = json!([
        {"role": "user", "content": [{"type": "text", "text": NEUTRAL}]},
        {"role": "assistant", "content": [
            {"type": "text", "text": "A"}, {"type": "tool_use", "id": "a", "name": "one", "input": {}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a"},
            {"type": "text", "text": "[system] S"},
            {"type": "text", "text": "U"},
            {"type": "text", "text": "V"},
        ]},
    ]);
    assert_eq!(told(Provider::Anthropic, &messages), expected);
}

#[test]
fn a_call_without_a_result_gets_one_and_a_result_without_a_call_goes() {
    let messages = [
        Message::Results(vec![output("old", "one", "old")]),
        user("Hello"),
        called("", &[call("a", "one", "{}"), call("b", "one", "{}")]),
        Message::Results(vec![output("b", "one", "B"), output("c", "one", "C"), output("b", "one", "again")]),
    ];
    let told = told(Provider::OpenAi, &messages);
    let told = told.as_array().unwrap();
    assert_eq!(told.len(), 4);
    assert_eq!(told[2]["tool_call_id"], "a");
    assert!(told[2]["content"].as_str().unwrap().contains("not known"));
    assert_eq!(told[3], json!({"role": "tool", "tool_call_id": "b", "content": "B"}));
}

#[test]
fn no_id_stands_twice_in_a_conversation_and_each_result_stays_with_its_call() {
    let round = |content: &str| {
        [called("", &[call("call_1", "one", "{}")]), Message::Results(vec![output("call_1", "one", content)])]
    };
    let messages = [round("first"), round("second")].concat();
    let told = told(Provider::OpenAi, &messages);
    let ids = |at: usize| told[at]["tool_calls"][0]["id"].as_str().unwrap();
    assert_eq!((ids(0), ids(2)), ("call_1", "call_1_2"));
    assert_eq!(told[1], json!({"role": "tool", "tool_call_id": "call_1", "content": "first"}));
    assert_eq!(told[3], json!({"role": "tool", "tool_call_id": "call_1_2", "content": "second"}));
}

#[test]
fn two_calls_with_one_id_have_a_result_each() {
    let messages = [
        called("", &[call("a", "one", "{}"), call("a", "one", "{}")]),
        Message::Results(vec![output("a", "one", "first"), output("a", "one", "second")]),
    ];
    let told = told(Provider::OpenAi, &messages);
    assert_eq!(told[1], json!({"role": "tool", "tool_call_id": "a", "content": "first"}));
    assert_eq!(told[2], json!({"role": "tool", "tool_call_id": "a_2", "content": "second"}));
}

#[test]
fn no_message_to_anthropic_ends_with_thinking() {
    let raw = json!([
        {"type": "text", "text": "Hm."},
        {"type": "redacted_thinking", "data": "Emw="},
        {"type": "thinking", "thinking": "x", "signature": "y"},
        {"type": "tool_use", "id": "a", "name": "one", "input": {}},
    ]);
    let mut assistant = Assistant {
        text: "Hm.".to_owned(),
        calls: vec![call("a", "one", "{}")],
        raw: Some(Raw::new(Provider::Anthropic, raw.clone())),
    };
    assert_eq!(Value::from(back(Provider::Anthropic, &assistant)), raw);
    assistant.calls.clear();
    assert_eq!(back(Provider::Anthropic, &assistant), [json!({"type": "text", "text": "Hm."})]);
}

#[test]
fn ids_and_names_of_others_become_such_as_each_provider_takes() {
    let id = format!("functions.get order:0{}", "x".repeat(60));
    let messages = [called("", &[call(&id, "get order!", "{}"), call("", "", "[1]")])];
    for (provider, at) in [(Provider::OpenAi, 0), (Provider::Anthropic, 1)] {
        let told = told(provider, &messages)[at].to_string();
        assert!(told.contains("\"functions_get_order_0xxxxxxxxxxxxxxxxxxx\""), "{told}");
        assert!(told.contains("\"get_order_\"") && told.contains("\"unnamed\""), "{told}");
    }
    // The provider's own stay.
    let raw = json!({"role": "assistant", "tool_calls": [
        {"id": id, "type": "function", "function": {"name": "one", "arguments": "{}"}},
    ]});
    let assistant = Assistant {
        calls: vec![call(&id, "one", "{}")],
        raw: Some(Raw::new(Provider::OpenAi, raw.clone())),
        ..Assistant::default()
    };
    let told = told(Provider::OpenAi, &[Message::Assistant(assistant)]);
    assert_eq!(told[0]["tool_calls"], raw["tool_calls"]);
}

#[test]
fn anthropic_gets_tools_where_only_the_history_has_calls() {
    let messages = [called("", &[call("a", "two", "{}"), call("b", "one", "{}"), call("c", "two", "{}")])];
    let body = written(Provider::Anthropic, &Request { messages: &messages, ..REQUEST });
    let tool = |name: &str| json!({"name": name, "input_schema": {"type": "object"}});
    assert_eq!(body["tools"], json!([tool("one"), tool("two")]));
    assert_eq!(body["tool_choice"], json!({"type": "none"}));
}

/// The message of the model after another, as it goes back; Responses' as its items.
fn back(provider: Provider, assistant: &Assistant) -> Vec<Value> {
    let results = assistant.calls.iter().map(|call| output(&call.id, &call.name, "{}")).collect();
    let messages = [user("Hello"), Message::Assistant(assistant.clone()), Message::Results(results)];
    let told = told(provider, &messages);
    let told = told.as_array().unwrap();
    match provider {
        Provider::OpenAi => vec![told[1].clone()],
        Provider::Anthropic => told[1]["content"].as_array().unwrap().clone(),
        Provider::Gemini => told[1]["parts"].as_array().unwrap().clone(),
        Provider::OpenAiResponses => {
            let is_result = |item: &Value| item["type"] == "function_call_output" || item["role"] == "user";
            told[1..].iter().filter(|item| !is_result(item)).cloned().collect()
        }
    }
}

/// What has to go back.
fn own(provider: Provider, raw: &Value) -> Vec<Value> {
    let list = raw.as_array().cloned().unwrap_or_else(|| vec![raw.clone()]);
    let without_id = |mut item: Value| {
        if provider == Provider::OpenAiResponses {
            let members = item.as_object_mut().unwrap();
            members.remove("id");
            // A message of parts needs an id, and one of text needs none.
            if members["type"] == "message" {
                members.remove("status");
                let parts = members["content"].as_array().unwrap().iter();
                let words = parts.filter_map(|part| part["text"].as_str().or(part["refusal"].as_str()));
                members["content"] = Value::from(words.collect::<String>());
            }
        }
        item
    };
    list.into_iter().map(without_id).collect()
}

#[test]
fn an_answer_goes_back_as_it_came_also_after_it_was_stored() {
    for case in CASES {
        let mut assistant = reply(case.provider, case.body).assistant;
        if case.name.ends_with("one of them twice") {
            // Ids that are made unique are the one thing that changes.
            assistant.calls.truncate(1);
        }
        let stored = serde_json::to_string(&Message::Assistant(assistant.clone())).unwrap();
        let read: Message = serde_json::from_str(&stored).unwrap();
        assert_eq!(read, Message::Assistant(assistant.clone()), "{}", case.name);
        let raw: Value = serde_json::from_str(case.raw).unwrap();
        let mut expected = own(case.provider, &raw);
        if case.name.ends_with("one of them twice") {
            expected.truncate(1);
        }
        assert_eq!(back(case.provider, &assistant), expected, "{}", case.name);
        // Another server of the same form, and another provider, get what is said and called, and nothing else.
        let mut moved = assistant.clone();
        if let Some(raw) = &mut moved.raw {
            raw.origin = "https://other.test/v1 model-1".to_owned();
        }
        let plain = Assistant { raw: None, ..assistant.clone() };
        assert_eq!(back(case.provider, &moved), back(case.provider, &plain), "{}", case.name);
        for other in PROVIDERS.into_iter().filter(|other| *other != case.provider) {
            assert_eq!(back(other, &assistant), back(other, &plain), "{} to {other:?}", case.name);
        }
    }
}

#[test]
fn an_answer_that_was_interrupted_goes_back_cut_and_without_calls_that_are_gone() {
    for case in CASES.iter().filter(|case| !case.text.is_empty()) {
        let whole = reply(case.provider, case.body).assistant;
        let cut =
            Assistant { text: whole.text.chars().take(3).collect(), calls: Vec::new(), ..whole.clone() };
        let told = Value::from(back(case.provider, &cut)).to_string();
        assert!(told.contains(&cut.text) && !told.contains(&whole.text), "{}: {told}", case.name);
        for gone in ["tool_calls", "function_call", "tool_use", "functionCall", "reasoning"] {
            assert!(!told.contains(gone), "{}: {told}", case.name);
        }
        // Without its words, the calls stay with all that belongs to them.
        let silent = Assistant { text: String::new(), ..whole.clone() };
        if !silent.calls.is_empty() {
            let told = Value::from(back(case.provider, &silent)).to_string();
            assert!(!told.contains(&whole.text), "{}: {told}", case.name);
            for kept in ["signature", "thoughtSignature", "encrypted_content", "redacted_thinking"] {
                assert_eq!(told.contains(kept), case.raw.contains(kept), "{}: {told}", case.name);
            }
        }
    }
}

#[test]
fn thinking_goes_back_with_the_call_that_it_led_to_and_not_alone() {
    let case = CASES.iter().find(|case| case.name.starts_with("Responses: reasoning")).unwrap();
    let whole = reply(case.provider, case.body).assistant;
    let one = Assistant { calls: whole.calls[1..].to_vec(), ..whole.clone() };
    let kinds: Vec<Value> = back(case.provider, &one).iter().map(|item| item["type"].clone()).collect();
    assert_eq!(kinds, ["reasoning", "function_call"]);
    let other = Assistant { text: "Never mind.".to_owned(), calls: Vec::new(), ..whole };
    assert_eq!(back(case.provider, &other), [json!({"role": "assistant", "content": "Never mind."})]);
    // Reasoning that came neither encrypted nor in the open means nothing to a server that stores nothing.
    let bare = json!([
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": null},
        {"type": "reasoning", "id": "rs_2", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
        {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "one", "arguments": "{}"},
    ]);
    let assistant = Assistant {
        calls: vec![call("a", "one", "{}")],
        raw: Some(Raw::new(case.provider, bare)),
        ..Assistant::default()
    };
    let expected = [
        json!({"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}),
        json!({"type": "function_call", "call_id": "a", "name": "one", "arguments": "{}"}),
    ];
    assert_eq!(back(case.provider, &assistant), expected);
}

#[test]
fn a_call_that_only_we_know_of_joins_those_of_the_provider() {
    for case in CASES.iter().filter(|case| case.calls.len() > 1) {
        let mut assistant = reply(case.provider, case.body).assistant;
        assistant.calls.push(call("ours", "three", "{\"x\":1}"));
        let told = back(case.provider, &assistant);
        let last = told.last().unwrap().to_string();
        assert!(last.contains("three"), "{}: {last}", case.name);
        assert!(!last.contains("skip_thought_signature_validator"), "{}: {last}", case.name);
    }
}

#[test]
fn calls_of_others_are_signed_for_models_that_check_signatures() {
    let messages = [called("", &[call("a", "one", "{}")])];
    let signature = |model| {
        let body = written(Provider::Gemini, &Request { model, messages: &messages, ..REQUEST });
        body["contents"][1]["parts"][0].get("thoughtSignature").is_some()
    };
    assert!(signature("gemini-3-pro-preview") && signature("models/gemini-3.1-flash") && signature("latest"));
    assert!(!signature("gemini-2.5-flash") && !signature("models/gemini-1.5-pro") && !signature("gemma-3"));
}

#[test]
fn ids_that_gemini_gave_are_in_its_results_and_made_ones_are_not() {
    for case in CASES.iter().filter(|case| case.provider == Provider::Gemini && !case.calls.is_empty()) {
        let assistant = reply(case.provider, case.body).assistant;
        let results = assistant.calls.iter().map(|call| output(&call.id, &call.name, "7 items")).collect();
        let told = told(Provider::Gemini, &[Message::Assistant(assistant), Message::Results(results)]);
        let responses = told[2]["parts"].as_array().unwrap();
        let ids: Vec<Option<&str>> =
            responses.iter().map(|part| part["functionResponse"]["id"].as_str()).collect();
        let expected =
            if case.raw.contains("\"id\"") { vec![Some("f1"), Some("f1_2")] } else { vec![None; 3] };
        assert_eq!(ids, expected, "{}", case.name);
        assert_eq!(responses[0]["functionResponse"]["response"], json!({"output": "7 items"}));
    }
}

#[test]
fn messages_are_stored_with_every_digit_and_read_again() {
    let value: Value = serde_json::from_str(r#"[{"x": 1.10, "y": 12345678901234567890123}]"#).unwrap();
    let raw = Some(Raw::new(Provider::OpenAiResponses, value));
    let mut messages = history();
    messages.push(Message::Assistant(Assistant { raw, ..Assistant::default() }));
    let stored = serde_json::to_string(&messages).unwrap();
    assert!(stored.contains("1.10") && stored.contains("12345678901234567890123"), "{stored}");
    assert!(stored.contains("\"openai-responses\""), "{stored}");
    assert_eq!(serde_json::from_str::<Vec<Message>>(&stored).unwrap(), messages);
}
