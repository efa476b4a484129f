//! The scripted model itself: what it writes is what the providers write, and it sees what it was asked.

use std::sync::Arc;

use async_openai::types::{chat, responses};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::model::asked::{Asked, Form, Role};
use super::model::{Ending, Failure, Framing, Reply, ScriptedModel, Step};
use crate::harness::client;

const QUESTION: &str = "Where is order 7?";

/// Where a request of a form goes, and a whole request of the form that has one tool.
fn request(form: Form, stream: bool) -> (String, Value) {
    let parameters = json!({"type": "object", "properties": {"number": {"type": "integer"}}});
    let (path, body) = match form {
        Form::Chat => (
            "/chat/completions",
            json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": QUESTION}],
                "tools": [{"type": "function", "function": {"name": "look", "parameters": parameters}}]}),
        ),
        Form::Responses => (
            "/responses",
            json!({"model": "m", "stream": stream, "input": [{"role": "user", "content": QUESTION}],
                "tools": [{"type": "function", "name": "look", "parameters": parameters, "strict": false}]}),
        ),
        Form::Anthropic => (
            "/messages",
            json!({"model": "m", "stream": stream, "max_tokens": 64,
                "messages": [{"role": "user", "content": QUESTION}],
                "tools": [{"name": "look", "input_schema": parameters}]}),
        ),
        Form::Gemini => {
            let path =
                if stream { "/models/m:streamGenerateContent?alt=sse" } else { "/models/m:generateContent" };
            (
                path,
                json!({"contents": [{"role": "user", "parts": [{"text": QUESTION}]}],
                    "tools": [{"functionDeclarations": [{"name": "look", "parameters": parameters}]}]}),
            )
        }
    };
    (path.to_owned(), body)
}

async fn post(model: &ScriptedModel, path: &str, body: &Value) -> reqwest::Response {
    let request =
        client().post(format!("{}{path}", model.base_url)).header("content-type", "application/json");
    request.header("anthropic-version", "2023-06-01").body(body.to_string()).send().await.unwrap()
}

async fn ask(model: &ScriptedModel, form: Form, stream: bool) -> reqwest::Response {
    let (path, body) = request(form, stream);
    post(model, &path, &body).await
}

/// What a model that answers `reply` streams.
async fn streamed(form: Form, reply: Reply) -> String {
    let model = ScriptedModel::answering([reply]).await;
    let answer = ask(&model, form, true).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    let text = answer.text().await.unwrap();
    assert_eq!(model.until_over(0).await, Ending::Whole);
    text
}

/// The events of a stream, by the rules of the HTML standard: kind and data.
fn events(text: &str) -> Vec<(String, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let (mut all, mut kind, mut data) = (Vec::new(), String::new(), Vec::new());
    for line in text.split('\n') {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut kind),
            "data" => data.push(value),
            "" if line.is_empty() && !data.is_empty() => {
                all.push((std::mem::take(&mut kind), std::mem::take(&mut data).join("\n")));
            }
            _ => {}
        }
    }
    assert_eq!(data, [""; 0], "the last event is closed");
    all
}

/// The JSON of the events.
fn values(text: &str) -> Vec<Value> {
    let json = events(text).into_iter().filter(|(_, data)| data != "[DONE]");
    json.map(|(_, data)| serde_json::from_str(&data).unwrap()).collect()
}

/// A preamble and two calls.
fn round() -> Reply {
    Reply::calls([("look", json!({"number": 7, "note": "ä€𝄞"})), ("hours", json!({}))])
        .with_preamble("One moment, please.")
        .using(31, 12)
}

#[tokio::test]
async fn a_chat_is_streamed_in_chunks_of_openais_type() {
    let model = ScriptedModel::start(|_| round()).await;
    let (path, mut body) = request(Form::Chat, true);
    body["stream_options"] = json!({"include_usage": true});
    let text = post(&model, &path, &body).await.text().await.unwrap();
    assert!(text.ends_with("\n\ndata: [DONE]\n\n"), "{text}");
    let chunks = values(&text).into_iter();
    let chunks: Vec<chat::CreateChatCompletionStreamResponse> =
        chunks.map(|chunk| serde_json::from_value(chunk).unwrap()).collect();
    let (usage, chunks) = chunks.split_last().unwrap();
    let total = usage.usage.as_ref().unwrap();
    assert_eq!((total.prompt_tokens, total.completion_tokens, total.total_tokens), (31, 12, 43));
    assert!(usage.choices.is_empty() && chunks.iter().all(|chunk| chunk.usage.is_none()));
    let deltas: Vec<_> = chunks.iter().map(|chunk| &chunk.choices[0].delta).collect();
    assert_eq!(deltas[0].role, Some(chat::Role::Assistant));
    let said: Vec<_> = deltas.iter().filter_map(|delta| delta.content.as_deref()).collect();
    assert_eq!(said, ["", "One", " moment,", " please."]);
    let mut calls: Vec<(String, String, String)> = Vec::new();
    for call in deltas.iter().filter_map(|delta| delta.tool_calls.as_ref()).flatten() {
        let function = call.function.as_ref().unwrap();
        if let Some(id) = &call.id {
            assert_eq!(call.index as usize, calls.len());
            calls.push((id.clone(), function.name.clone().unwrap(), String::new()));
        }
        calls[call.index as usize].2.push_str(function.arguments.as_deref().unwrap());
    }
    let call = |id: &str, name: &str, arguments: &str| (id.to_owned(), name.to_owned(), arguments.to_owned());
    let expected =
        [call("call_0_0", "look", r#"{"number":7,"note":"ä€𝄞"}"#), call("call_0_1", "hours", "{}")];
    assert_eq!(calls, expected);
    let reasons: Vec<_> = chunks.iter().filter_map(|chunk| chunk.choices[0].finish_reason).collect();
    assert_eq!(reasons, [chat::FinishReason::ToolCalls]);
}

#[tokio::test]
async fn a_chat_tells_its_usage_only_if_it_is_asked_to() {
    let text = streamed(Form::Chat, round()).await;
    assert!(!text.contains("usage"), "{text}");
}

#[tokio::test]
async fn a_response_is_streamed_in_events_of_openais_type() {
    let reply = Reply::of([Step::Thought("Look it up.".to_owned())]).and_says("One moment, please.");
    let calls = [("look", json!({"number": 7, "note": "ä€𝄞"})), ("hours", json!({}))];
    let text = streamed(Form::Responses, reply.and_calls(calls).using(31, 12)).await;
    for (at, (kind, data)) in events(&text).into_iter().enumerate() {
        let value: Value = serde_json::from_str(&data).unwrap();
        assert_eq!((&value["type"], &value["sequence_number"]), (&json!(kind), &json!(at)));
    }
    let parsed = values(&text).into_iter();
    let parsed: Vec<responses::ResponseStreamEvent> =
        parsed.map(|event| serde_json::from_value(event).unwrap()).collect();
    let (mut said, mut arguments, mut done) = (String::new(), vec![String::new(); 4], Vec::new());
    for event in &parsed {
        match event {
            responses::ResponseStreamEvent::ResponseOutputTextDelta(event) => said.push_str(&event.delta),
            responses::ResponseStreamEvent::ResponseFunctionCallArgumentsDelta(event) => {
                arguments[event.output_index as usize].push_str(&event.delta);
            }
            responses::ResponseStreamEvent::ResponseOutputItemDone(event) => done.push(event.item.clone()),
            _ => {}
        }
    }
    assert_eq!(said, "One moment, please.");
    assert_eq!(arguments, ["", "", r#"{"number":7,"note":"ä€𝄞"}"#, "{}"]);
    let Some(responses::ResponseStreamEvent::ResponseCompleted(last)) = parsed.last() else {
        panic!("{text}");
    };
    assert_eq!(last.response.output, done);
    assert_eq!(last.response.usage.as_ref().unwrap().total_tokens, 43);
    let [responses::OutputItem::Reasoning(thought), _, responses::OutputItem::FunctionCall(call), _] =
        &done[..]
    else {
        panic!("{done:?}");
    };
    assert_eq!(thought.encrypted_content.as_deref(), Some("encrypted-0-0"));
    assert_eq!((call.call_id.as_str(), call.id.as_deref()), ("call_0_0", Some("fc_0_2")));
}

#[tokio::test]
async fn whole_answers_are_of_openais_types() {
    let model = ScriptedModel::start(|_| round()).await;
    let answer = ask(&model, Form::Chat, false).await.text().await.unwrap();
    let answer: chat::CreateChatCompletionResponse =
        serde_json::from_value(serde_json::from_str(&answer).unwrap()).unwrap();
    let choice = &answer.choices[0];
    assert_eq!(choice.message.content.as_deref(), Some("One moment, please."));
    assert_eq!(choice.message.tool_calls.as_ref().unwrap().len(), 2);
    assert_eq!(choice.finish_reason, Some(chat::FinishReason::ToolCalls));
    assert_eq!(answer.usage.unwrap().total_tokens, 43);

    let answer = ask(&model, Form::Responses, false).await.text().await.unwrap();
    let answer: responses::Response = serde_json::from_value(serde_json::from_str(&answer).unwrap()).unwrap();
    assert_eq!((answer.status, answer.output.len()), (responses::Status::Completed, 3));
}

#[tokio::test]
async fn a_message_is_streamed_as_anthropic_documents_it() {
    let reply = Reply::of([
        Step::Thought("Hm.".to_owned()),
        Step::Text("One ".to_owned()),
        Step::Text("moment.".to_owned()),
        Step::call(Some("toolu_x"), "look", r#"{"number":7}"#),
        Step::call(None, "hours", "{}"),
        Step::Usage(31, 12),
    ]);
    let text = streamed(Form::Anthropic, reply).await;
    let expected = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_0","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":31,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}

event: ping
data: {"type":"ping"}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm."}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"Sig00000"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"One "}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"moment."}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: content_block_start
data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_x","name":"look","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"numbe"}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"r\":7}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":2}

event: content_block_start
data: {"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_0_1","name":"hours","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":""}}

event: content_block_stop
data: {"type":"content_block_stop","index":3}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":12}}

event: message_stop
data: {"type":"message_stop"}

"#;
    assert_eq!(text, expected);
}

#[tokio::test]
async fn content_is_streamed_as_google_documents_it() {
    let reply = Reply::of([
        Step::Text("One moment.".to_owned()),
        Step::call(None, "look", r#"{"number":7}"#),
        Step::call(Some("x"), "hours", "{}"),
        Step::Usage(31, 12),
    ]);
    let values = values(&streamed(Form::Gemini, reply).await);
    let parts: Vec<&Value> =
        values.iter().map(|value| &value["candidates"][0]["content"]["parts"][0]).collect();
    let expected = [
        json!({"text": "One moment."}),
        json!({"functionCall": {"name": "look", "args": {"number": 7}}, "thoughtSignature": "Sig00000"}),
        json!({"functionCall": {"name": "hours", "args": {}, "id": "x"}}),
        json!({"text": ""}),
    ];
    assert_eq!(parts, expected.iter().collect::<Vec<_>>());
    let last = &values[3];
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    let usage = json!({"promptTokenCount": 31, "candidatesTokenCount": 12, "totalTokenCount": 43});
    assert_eq!(last["usageMetadata"], usage);

    let broken = streamed(Form::Gemini, Reply::of([Step::call(None, "look", r#"{"number":"#)])).await;
    assert!(
        broken.contains(r#""finishReason":"MALFORMED_FUNCTION_CALL""#) && !broken.contains("functionCall")
    );
}

#[tokio::test]
async fn a_stream_and_a_whole_answer_say_the_same() {
    for form in [Form::Anthropic, Form::Gemini] {
        let model = ScriptedModel::start(|_| round()).await;
        let whole: Value =
            serde_json::from_str(&ask(&model, form, false).await.text().await.unwrap()).unwrap();
        let streamed = values(&ask(&model, form, true).await.text().await.unwrap());
        match form {
            Form::Anthropic => {
                assert_eq!(whole["content"][0]["text"], "One moment, please.");
                assert_eq!(whole["content"][1]["input"], json!({"number": 7, "note": "ä€𝄞"}));
                assert_eq!(
                    (&whole["stop_reason"], &whole["usage"]["output_tokens"]),
                    (&json!("tool_use"), &json!(12))
                );
            }
            _ => {
                let parts = streamed[..streamed.len() - 1].iter();
                let parts: Vec<Value> =
                    parts.map(|value| value["candidates"][0]["content"]["parts"][0].clone()).collect();
                let signed =
                    whole["candidates"][0]["content"]["parts"].to_string().replace("Sig00000", "Sig00001");
                assert_eq!(signed, json!(parts).to_string());
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_knows_no_streams_answers_with_one_value() {
    for form in Form::ALL {
        let model = ScriptedModel::start(|_| Reply::says("Hello there.").whole()).await;
        let answer = ask(&model, form, true).await;
        assert_eq!(answer.headers()["content-type"], "application/json");
        let value: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert!(
            value.to_string().replace("\"},{\"text\":\"", "").contains("Hello there."),
            "{form:?}: {value}"
        );
    }
}

#[tokio::test]
async fn every_framing_means_the_same() {
    for form in Form::ALL {
        let plain = events(&streamed(form, round()).await);
        for framing in Framing::ALL {
            let text = streamed(form, round().framed(framing)).await;
            assert_eq!(text.starts_with('\u{feff}'), framing.bom);
            assert_eq!(text.contains("\r\n"), framing.crlf);
            assert_eq!(text.contains("\n:"), framing.comments);
            assert_eq!(text.contains("data: {"), !framing.tight);
            let same = |(kind, data): (String, String)| {
                (kind, serde_json::from_str::<Value>(&data).map_or(data, |value| value.to_string()))
            };
            let found: Vec<_> = events(&text).into_iter().map(same).collect();
            assert_eq!(found, plain, "{form:?} {framing:?}");
        }
    }
}

#[tokio::test]
async fn the_client_reads_the_pieces_that_are_sent() {
    let model = ScriptedModel::start(|asked| round().in_pieces(asked.nth + 1)).await;
    for size in 1..=5 {
        let mut answer = ask(&model, Form::Chat, true).await;
        let mut sizes = Vec::new();
        while let Some(piece) = answer.chunk().await.unwrap() {
            sizes.push(piece.len());
        }
        let (last, others) = sizes.split_last().unwrap();
        assert!(
            *last <= size && others.len() > 100 && others.iter().all(|length| *length == size),
            "{sizes:?}"
        );
    }
}

#[tokio::test]
async fn reasons_are_the_forms_own_words() {
    for (form, word, expected) in [
        (Form::Chat, "length", r#""finish_reason":"length""#),
        (Form::Chat, "odd", r#""finish_reason":"odd""#),
        (Form::Responses, "length", r#""incomplete_details":{"reason":"max_output_tokens"}"#),
        (Form::Responses, "content_filter", r#""incomplete_details":{"reason":"content_filter"}"#),
        (Form::Anthropic, "stop", r#""stop_reason":"end_turn""#),
        (Form::Anthropic, "length", r#""stop_reason":"max_tokens""#),
        (Form::Anthropic, "content_filter", r#""stop_reason":"refusal""#),
        (Form::Gemini, "length", r#""finishReason":"MAX_TOKENS""#),
        (Form::Gemini, "content_filter", r#""finishReason":"SAFETY""#),
    ] {
        let text = streamed(form, Reply::says("So").then(Step::Finish(word))).await;
        assert_eq!(text.matches(expected).count(), 1, "{form:?} {word}: {text}");
    }
}

#[tokio::test]
async fn half_a_call_is_not_closed() {
    let half = || Reply::of([Step::half_call("look", r#"{"number"#), Step::End]);
    let chat = streamed(Form::Chat, half()).await;
    assert!(
        chat.contains(r#""name":"look""#) && !chat.contains("[DONE]") && !chat.contains("finish_reason\":\"")
    );
    let responses = streamed(Form::Responses, half()).await;
    assert!(responses.contains("arguments.delta") && !responses.contains("arguments.done"), "{responses}");
    let anthropic = streamed(Form::Anthropic, half()).await;
    assert!(
        anthropic.contains("input_json_delta") && !anthropic.contains("content_block_stop"),
        "{anthropic}"
    );
    assert_eq!(streamed(Form::Gemini, half()).await, "");
}

#[tokio::test]
async fn events_and_bytes_of_the_tests_own_go_out_as_they_are() {
    let own = json!({"choices": [], "odd": true});
    let text = streamed(Form::Chat, Reply::of([Step::Event(own.clone())])).await;
    assert!(text.contains(&format!("\n\ndata: {own}\n\n")), "{text}");
    let raw = |bytes: &'static [u8]| Step::Raw(Bytes::from_static(bytes));
    let text = streamed(Form::Chat, Reply::of([raw(b"data: {\r\n"), raw(b"data: }\r\n\r\n")])).await;
    assert_eq!(text, "data: {\r\ndata: }\r\n\r\n");
}

#[tokio::test]
async fn errors_are_written_as_each_provider_writes_them() {
    for (form, usual, own) in [
        (
            Form::Chat,
            json!({"error": {"message": "too many requests", "type": "rate_limit_error", "param": null, "code": "rate_limit_exceeded"}}),
            json!({"error": {"message": "too long", "type": "invalid_request_error", "param": null, "code": "context_length_exceeded"}}),
        ),
        (
            Form::Anthropic,
            json!({"type": "error", "error": {"type": "rate_limit_error", "message": "too many requests"}}),
            json!({"type": "error", "error": {"type": "context_length_exceeded", "message": "too long"}}),
        ),
        (
            Form::Gemini,
            json!({"error": {"code": 429, "message": "too many requests", "status": "RESOURCE_EXHAUSTED"}}),
            json!({"error": {"code": 400, "message": "too long", "status": "context_length_exceeded"}}),
        ),
    ] {
        let replies = [
            Reply::status(429).retry_after(7),
            Reply::status(400).because("context_length_exceeded", "too long"),
        ];
        let model = ScriptedModel::answering(replies).await;
        let answer = ask(&model, form, true).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["retry-after"]),
            (429, &"7".parse().unwrap())
        );
        assert_eq!(serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap(), usual);
        let answer = ask(&model, form, true).await.text().await.unwrap();
        assert_eq!(serde_json::from_str::<Value>(&answer).unwrap(), own);
        let over = ask(&model, form, true).await;
        assert_eq!(over.status(), 500);
        assert!(over.text().await.unwrap().contains("the script is over"));
    }
}

#[tokio::test]
async fn a_failure_in_the_middle_ends_the_stream() {
    let failing =
        || Reply::says("One").then(Step::Failure(Failure::new("server_error", "gone"))).and_says(" two");
    for (form, expected) in [
        (
            Form::Chat,
            r#"data: {"error":{"message":"gone","type":"server_error","param":null,"code":"server_error"}}"#,
        ),
        (Form::Responses, r#""status":"failed","error":{"code":"server_error","message":"gone"}"#),
        (
            Form::Anthropic,
            r#"event: error
data: {"type":"error","error":{"type":"server_error","message":"gone"}}"#,
        ),
        (Form::Gemini, r#"data: {"error":{"code":503,"message":"gone","status":"server_error"}}"#),
    ] {
        let text = streamed(form, failing()).await;
        assert!(text.contains(expected) && !text.contains("two"), "{form:?}: {text}");
        assert!(text.trim_end().ends_with('}'), "{form:?}: {text}");
    }
    let text = streamed(Form::Responses, failing()).await;
    let last = values(&text).pop().unwrap();
    let last: responses::ResponseStreamEvent = serde_json::from_value(last).unwrap();
    assert!(matches!(last, responses::ResponseStreamEvent::ResponseFailed(_)));
}

#[tokio::test]
async fn a_hang_up_is_seen_wherever_the_answer_stands() {
    let waits = Arc::new(Notify::new());
    let held = waits.clone();
    let model = ScriptedModel::start(move |asked| match asked.nth {
        0 => Reply::stalled_after("One"),
        1 => Reply::says("One").then(Step::Wait(held.clone())).and_says(" two"),
        _ => Reply::silent(),
    })
    .await;
    for nth in 0..2 {
        let mut answer = ask(&model, Form::Chat, true).await;
        while !String::from_utf8_lossy(&answer.chunk().await.unwrap().unwrap()).contains("One") {}
        assert_eq!(model.ending(nth), Some(Ending::Open));
        drop(answer);
        model.until_hung_up(nth).await;
    }
    {
        let asking = ask(&model, Form::Chat, true);
        tokio::select! {
            _ = asking => panic!("it is silent"),
            () = model.until_requests(3) => {}
        }
    }
    model.until_hung_up(2).await;
}

#[tokio::test]
async fn a_stream_waits_until_it_is_told_to_go_on() {
    let go = Arc::new(Notify::new());
    let told = go.clone();
    let model = ScriptedModel::start(move |asked| match asked.nth {
        0 => Reply::says("One").then(Step::Wait(told.clone())).and_says(" two").in_pieces(1_000_000),
        _ => Reply::says("Three").held(told.clone()),
    })
    .await;
    let mut answer = ask(&model, Form::Chat, true).await;
    let first = answer.chunk().await.unwrap().unwrap();
    let first = String::from_utf8_lossy(&first).into_owned();
    assert!(first.contains("One") && !first.contains("two"), "{first}");
    go.notify_one();
    let rest = answer.text().await.unwrap();
    assert!(rest.contains(" two") && rest.contains("[DONE]"), "{rest}");

    let asking = async { ask(&model, Form::Chat, true).await.text().await.unwrap() };
    let telling = async {
        model.until_requests(2).await;
        go.notify_one();
    };
    let (text, ()) = tokio::join!(asking, telling);
    assert!(text.contains("Three"), "{text}");
}

#[tokio::test]
async fn a_connection_breaks_where_it_is_told_to() {
    let model = ScriptedModel::start(move |asked| match asked.nth {
        0 => Reply::broken_off_after("One two"),
        1 => Reply::says("One two").cut_after(100),
        2 => Reply::says("One two").whole().cut_after(10),
        _ => Reply::closed(),
    })
    .await;
    for (nth, expected) in [(0, None), (1, Some(100)), (2, Some(10))] {
        let mut answer = ask(&model, Form::Chat, true).await;
        let (mut length, mut text) = (0, String::new());
        let error = loop {
            match answer.chunk().await {
                Ok(Some(piece)) => {
                    length += piece.len();
                    text.push_str(&String::from_utf8_lossy(&piece));
                }
                Ok(None) => panic!("it ended well: {text}"),
                Err(error) => break error,
            }
        };
        assert!(error.is_body() || error.is_decode(), "{error:?}");
        match expected {
            Some(expected) => assert_eq!(length, expected),
            None => assert!(text.contains(" two") && !text.contains("finish_reason\":\"stop"), "{text}"),
        }
        assert_eq!(model.until_over(nth).await, Ending::Broken);
    }
    let (path, body) = request(Form::Chat, true);
    let request =
        client().post(format!("{}{path}", model.base_url)).header("content-type", "application/json");
    assert!(request.body(body.to_string()).send().await.is_err());
}

/// One conversation in the four forms: two calls, one of which fails, and what came before them.
fn conversation(form: Form) -> Value {
    let (_, mut body) = request(form, true);
    match form {
        Form::Chat => {
            body["messages"] = json!([
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
                {"role": "assistant", "content": "Hello!"},
                {"role": "user", "content": QUESTION},
                {"role": "assistant", "content": "One moment.", "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{\"number\": 7}"}},
                    {"id": "b", "type": "function", "function": {"name": "hours", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "a", "content": "{\"status\":\"sent\"}"},
                {"role": "tool", "tool_call_id": "b", "content": "closed"},
            ]);
            body["tool_choice"] = json!("none");
        }
        Form::Responses => {
            body["instructions"] = json!("Be brief.");
            body["input"] = json!([
                {"role": "user", "content": [{"type": "input_text", "text": "Hello"}]},
                {"role": "assistant", "content": "Hello!"},
                {"role": "user", "content": QUESTION},
                {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed",
                    "content": [{"type": "output_text", "text": "One moment.", "annotations": []}]},
                {"type": "function_call", "call_id": "a", "name": "look", "arguments": "{\"number\": 7}"},
                {"type": "function_call", "call_id": "b", "name": "hours", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "a", "output": "{\"status\":\"sent\"}"},
                {"type": "function_call_output", "call_id": "b", "output": "closed"},
            ]);
            body["tool_choice"] = json!("none");
        }
        Form::Anthropic => {
            body["system"] = json!([{"type": "text", "text": "Be brief."}]);
            body["messages"] = json!([
                {"role": "user", "content": "Hello"},
                {"role": "assistant", "content": "Hello!"},
                {"role": "user", "content": [{"type": "text", "text": QUESTION}]},
                {"role": "assistant", "content": [
                    {"type": "text", "text": "One moment."},
                    {"type": "tool_use", "id": "a", "name": "look", "input": {"number": 7}},
                    {"type": "tool_use", "id": "b", "name": "hours", "input": {}}]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "a", "content": "{\"status\":\"sent\"}"},
                    {"type": "tool_result", "tool_use_id": "b", "content": "closed", "is_error": true}]},
            ]);
            body["tool_choice"] = json!({"type": "none"});
        }
        Form::Gemini => {
            body["systemInstruction"] = json!({"parts": [{"text": "Be brief."}]});
            body["contents"] = json!([
                {"role": "user", "parts": [{"text": "Hello"}]},
                {"role": "model", "parts": [{"text": "Hello!"}]},
                {"role": "user", "parts": [{"text": QUESTION}]},
                {"role": "model", "parts": [{"text": "One moment."},
                    {"functionCall": {"name": "look", "args": {"number": 7}}, "thoughtSignature": "Sig00000"},
                    {"functionCall": {"name": "hours", "args": {}}}]},
                {"role": "user", "parts": [
                    {"functionResponse": {"name": "look", "response": {"status": "sent"}}},
                    {"functionResponse": {"name": "hours", "response": {"error": "closed"}}}]},
            ]);
            body["toolConfig"] = json!({"functionCallingConfig": {"mode": "NONE"}});
        }
    }
    body
}

async fn asked(form: Form, body: &Value) -> Asked {
    let model = ScriptedModel::start(|_| Reply::says("Good.")).await;
    let (path, _) = request(form, true);
    assert_eq!(post(&model, &path.replace("/m:", "/gemini-3-x:"), body).await.status(), 200, "{form:?}");
    model.request()
}

#[tokio::test]
async fn a_conversation_looks_the_same_in_every_form() {
    for form in Form::ALL {
        let asked = asked(form, &conversation(form)).await;
        assert_eq!((asked.form, asked.system.as_str(), asked.stream), (form, "Be brief.", true));
        assert_eq!(asked.model, if form == Form::Gemini { "gemini-3-x" } else { "m" });
        assert_eq!(
            (&asked.tools[..], asked.tool_choice.as_deref()),
            (&["look".to_owned()][..], Some("none"))
        );
        assert_eq!((asked.user(), asked.round()), (QUESTION, 1));
        let failed = match form {
            Form::Chat | Form::Responses => "-> closed",
            Form::Anthropic => "failed: closed",
            Form::Gemini => r#"failed: {"error":"closed"}"#,
        };
        let expected = [
            "user: Hello".to_owned(),
            "assistant: Hello!".to_owned(),
            format!("user: {QUESTION}"),
            r#"assistant: One moment. look({"number":7}) hours({})"#.to_owned(),
            format!(r#"tool: look -> {{"status":"sent"}} hours {failed}"#),
        ];
        assert_eq!(asked.lines(), expected, "{form:?}");
        assert_eq!(asked.results()[0].json(), json!({"status": "sent"}));
        assert_eq!(asked.messages[3].calls[0].id, if form == Form::Gemini { "" } else { "a" });
        assert_eq!(asked.messages[4].role, Role::Tool);
        assert_eq!(asked.header("Anthropic-Version"), Some("2023-06-01"));
        assert!(asked.path.starts_with("/v1/"), "{}", asked.path);
    }
}

#[tokio::test]
async fn a_choice_of_tools_looks_the_same_in_every_form() {
    for (form, member, cases) in [
        (
            Form::Chat,
            "tool_choice",
            [json!("auto"), json!("required"), json!({"type": "function", "function": {"name": "look"}})],
        ),
        (
            Form::Responses,
            "tool_choice",
            [json!("auto"), json!("required"), json!({"type": "function", "name": "look"})],
        ),
        (
            Form::Anthropic,
            "tool_choice",
            [json!({"type": "auto"}), json!({"type": "any"}), json!({"type": "tool", "name": "look"})],
        ),
        (
            Form::Gemini,
            "toolConfig",
            [
                json!({"mode": "AUTO"}),
                json!({"mode": "ANY"}),
                json!({"mode": "ANY", "allowedFunctionNames": ["look"]}),
            ]
            .map(|config| json!({"functionCallingConfig": config})),
        ),
    ] {
        assert_eq!(asked(form, &request(form, true).1).await.tool_choice, None);
        for (choice, expected) in cases.into_iter().zip(["auto", "required", "look"]) {
            let (_, mut body) = request(form, true);
            body[member] = choice;
            assert_eq!(asked(form, &body).await.tool_choice.as_deref(), Some(expected), "{form:?}");
        }
    }
}

#[tokio::test]
async fn what_no_provider_takes_is_refused() {
    type Change = fn(&mut Value);
    let cases: [(Form, &str, Change); 27] = [
        (Form::Chat, "Unrecognized request argument", |body| body["call"] = json!({})),
        (Form::Chat, "calls without a result", |body| drop(body["messages"].as_array_mut().unwrap().pop())),
        (Form::Chat, "a result without its call", |body| {
            drop(body["messages"].as_array_mut().unwrap().remove(4));
        }),
        (Form::Chat, "a result without its call", |body| body["messages"][6]["tool_call_id"] = json!("z")),
        (Form::Chat, "the ids of calls", |body| body["messages"][4]["tool_calls"][1]["id"] = json!("a")),
        (Form::Chat, "no JSON object", |body| {
            body["messages"][4]["tool_calls"][0]["function"]["arguments"] = json!("{\"number\": ");
        }),
        (Form::Chat, "'tool_choice' is only allowed", |body| {
            drop(body.as_object_mut().unwrap().remove("tools"));
        }),
        (Form::Chat, "'stream_options' is only allowed", |body| {
            body["stream"] = json!(false);
            body["stream_options"] = json!({"include_usage": true});
        }),
        (Form::Chat, "missing field", |body| {
            drop(body["messages"][5].as_object_mut().unwrap().remove("tool_call_id"));
        }),
        (Form::Chat, "must match", |body| body["tools"][0]["function"]["name"] = json!("look up")),
        (Form::Chat, "must be unique", |body| body["tools"] = json!([body["tools"][0], body["tools"][0]])),
        (Form::Chat, "of type object", |body| {
            body["tools"][0]["function"]["parameters"] = json!({"type": "string"});
        }),
        (Form::Chat, "model parameter", |body| body["model"] = json!("")),
        (Form::Responses, "there is no message", |body| body["input"] = json!([])),
        (Form::Responses, "calls without a result", |body| drop(body["input"].as_array_mut().unwrap().pop())),
        (Form::Responses, "Unrecognized request argument", |body| body["messages"] = json!([])),
        (Form::Anthropic, "max_tokens", |body| drop(body.as_object_mut().unwrap().remove("max_tokens"))),
        (Form::Anthropic, "must define tools", |body| drop(body.as_object_mut().unwrap().remove("tools"))),
        (Form::Anthropic, "first message", |body| drop(body["messages"].as_array_mut().unwrap().remove(0))),
        (Form::Anthropic, "roles must alternate", |body| {
            drop(body["messages"].as_array_mut().unwrap().remove(1));
        }),
        (Form::Anthropic, "non-whitespace", |body| body["messages"][3]["content"][0]["text"] = json!(" ")),
        (Form::Anthropic, "must come first", |body| {
            body["messages"][4]["content"]
                .as_array_mut()
                .unwrap()
                .insert(0, json!({"type": "text", "text": "Go"}));
        }),
        (Form::Anthropic, "unexpected role", |body| body["messages"][1]["role"] = json!("system")),
        (Form::Gemini, "valid role", |body| body["contents"][4]["role"] = json!("function")),
        (Form::Gemini, "must not be empty", |body| body["contents"][1]["parts"] = json!([])),
        (Form::Gemini, "thought_signature", |body| {
            body["contents"][3]["parts"][1].as_object_mut().unwrap().remove("thoughtSignature");
        }),
        (Form::Gemini, "calls without a result", |body| {
            body["contents"][4]["parts"].as_array_mut().unwrap().pop();
        }),
    ];
    for (form, expected, change) in cases {
        let model = ScriptedModel::start(|_| Reply::says("Good.")).await;
        model.allow_refusals();
        let (path, mut body) = (request(form, true).0.replace("/m:", "/gemini-3-x:"), conversation(form));
        change(&mut body);
        let answer = post(&model, &path, &body).await;
        assert_eq!(answer.status(), 400, "{form:?} {expected}: {body}");
        let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(expected), "{form:?}: {message}");
        assert_eq!(model.refusals(), [message]);
    }
}

#[tokio::test]
async fn a_request_to_nothing_is_refused() {
    let model = ScriptedModel::start(|_| Reply::says("Good.")).await;
    model.allow_refusals();
    for path in ["/completions", "/models/m", "/models/m:embedContent", "/chat/completions/x"] {
        assert_eq!(post(&model, path, &json!({})).await.status(), 404, "{path}");
    }
    let listed = client().get(format!("{}/chat/completions", model.base_url)).send().await.unwrap();
    assert_eq!((listed.status().as_u16(), model.requests().len(), model.refusals().len()), (404, 0, 5));
    let headless = client().post(format!("{}/chat/completions", model.base_url));
    let (_, body) = request(Form::Chat, true);
    assert_eq!(headless.body(body.to_string()).send().await.unwrap().status(), 400);
    assert!(model.refusals()[5].contains("content type"));
}

#[tokio::test]
#[should_panic(expected = "requests that no provider takes")]
async fn a_test_whose_request_is_refused_fails() {
    let model = ScriptedModel::start(|_| Reply::says("Good.")).await;
    post(&model, "/chat/completions", &json!({"model": "m"})).await;
}
