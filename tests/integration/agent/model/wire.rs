//! What a model of each form writes, event by event, or whole.
//!
//! The shapes are those of the vendors' references: OpenAI's `CreateChatCompletionStreamResponse` and
//! `ResponseStreamEvent`, Anthropic's "Streaming Messages", Google's `GenerateContentResponse`.

use serde_json::{Value, json};

use super::asked::{Asked, Form};
use super::{Failure, Step};

/// An event of a stream, before it is framed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    pub name: Option<&'static str>,
    pub data: Data,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Data {
    Json(Value),
    Text(&'static str),
}

/// When the answers were made, by their own account.
const CREATED: u64 = 1_764_000_000;
/// Most characters of arguments in one event.
const FRAGMENT: usize = 7;

/// One answer on its way.
pub(super) struct Teller {
    form: Form,
    id: String,
    model: String,
    nth: usize,
    /// Tokens in and out.
    usage: (u64, u64),
    tells_usage: bool,
    /// Calls so far.
    calls: usize,
    /// What has been said so far: output items (Responses), content blocks (Anthropic), parts (Gemini).
    items: Vec<Value>,
    /// The last item is a text or a thought that goes on.
    is_open: bool,
    text: String,
    tool_calls: Vec<Value>,
    thoughts: String,
    finish: Option<String>,
    /// The reason has been written.
    is_finished: bool,
    sequence: u64,
    events: Vec<Event>,
}

impl Teller {
    pub(super) fn new(asked: &Asked, steps: &[Step]) -> Self {
        let usage = steps.iter().find_map(|step| match step {
            Step::Usage(input, output) => Some((*input, *output)),
            _ => None,
        });
        let id = match asked.form {
            Form::Chat => format!("chatcmpl-{}", asked.nth),
            Form::Responses => format!("resp_{}", asked.nth),
            Form::Anthropic => format!("msg_{}", asked.nth),
            Form::Gemini => format!("gemini-{}", asked.nth),
        };
        Self {
            form: asked.form,
            id,
            model: asked.model.clone(),
            nth: asked.nth,
            usage: usage.unwrap_or((100, 10)),
            tells_usage: asked.form != Form::Chat || asked.body["stream_options"]["include_usage"] == true,
            calls: 0,
            items: Vec::new(),
            is_open: false,
            text: String::new(),
            tool_calls: Vec::new(),
            thoughts: String::new(),
            finish: None,
            is_finished: false,
            sequence: 0,
            events: Vec::new(),
        }
    }

    /// The events since the last time.
    pub(super) fn take(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    pub(super) fn begin(&mut self) {
        match self.form {
            Form::Chat => self.delta(json!({"role": "assistant", "content": ""}), None),
            Form::Responses => {
                for name in ["response.created", "response.in_progress"] {
                    let response = self.response("in_progress", &Value::Null, &Value::Null);
                    self.push(name, json!({"response": response}));
                }
            }
            Form::Anthropic => {
                let mut message = self.message(&Value::Null);
                message["content"] = json!([]);
                message["usage"]["output_tokens"] = json!(1);
                self.push("message_start", json!({"message": message}));
                self.push("ping", json!({}));
            }
            Form::Gemini => {}
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        self.text.push_str(text);
        match self.form {
            Form::Chat => self.delta(json!({"content": text}), None),
            Form::Responses => {
                let item =
                    json!({"type": "message", "status": "in_progress", "role": "assistant", "content": []});
                let is_new = self.open("message", "msg", item);
                let (at, id) = self.place();
                let place = |more: Value| {
                    merged(json!({"item_id": id, "output_index": at, "content_index": 0}), more)
                };
                if is_new {
                    let part = output_text("");
                    self.push("response.content_part.added", place(json!({"part": part})));
                }
                append(first(&mut self.items[at]["content"], output_text("")), "text", text);
                self.push("response.output_text.delta", place(json!({"delta": text, "logprobs": []})));
            }
            Form::Anthropic => {
                self.open("text", "", json!({"type": "text", "text": ""}));
                let at = self.items.len() - 1;
                append(&mut self.items[at], "text", text);
                self.block_delta(json!({"type": "text_delta", "text": text}));
            }
            Form::Gemini => self.part(json!({"text": text})),
        }
    }

    /// What the model thinks and nobody is to hear.
    pub(super) fn thought(&mut self, text: &str) {
        self.thoughts.push_str(text);
        match self.form {
            // As DeepSeek and vLLM write it.
            Form::Chat => self.delta(json!({"reasoning_content": text}), None),
            Form::Responses => {
                let secret = format!("encrypted-{}-{}", self.nth, self.items.len());
                self.open(
                    "reasoning",
                    "rs",
                    json!({"type": "reasoning", "summary": [], "encrypted_content": secret}),
                );
                let (at, id) = self.place();
                let summary = json!({"type": "summary_text", "text": ""});
                append(first(&mut self.items[at]["summary"], summary), "text", text);
                let place = json!({"item_id": id, "output_index": at, "summary_index": 0, "delta": text});
                self.push("response.reasoning_summary_text.delta", place);
            }
            Form::Anthropic => {
                self.open("thinking", "", json!({"type": "thinking", "thinking": "", "signature": ""}));
                let at = self.items.len() - 1;
                append(&mut self.items[at], "thinking", text);
                self.block_delta(json!({"type": "thinking_delta", "thinking": text}));
            }
            Form::Gemini => self.part(json!({"text": text, "thought": true})),
        }
    }

    /// A call; only its beginning where it is not `whole`.
    pub(super) fn call(&mut self, id: Option<&str>, name: &str, arguments: &str, whole: bool) {
        self.close();
        let made = match self.form {
            Form::Chat | Form::Responses => format!("call_{}_{}", self.nth, self.calls),
            Form::Anthropic => format!("toolu_{}_{}", self.nth, self.calls),
            Form::Gemini => String::new(),
        };
        let id = id.map_or(made, str::to_owned);
        let index = self.calls;
        self.calls += 1;
        match self.form {
            Form::Chat => {
                let head = json!({"index": index, "id": id, "type": "function",
                    "function": {"name": name, "arguments": ""}});
                self.delta(json!({"tool_calls": [head]}), None);
                for piece in fragments(arguments) {
                    let call = json!({"index": index, "function": {"arguments": piece}});
                    self.delta(json!({"tool_calls": [call]}), None);
                }
                self.tool_calls.push(json!({"id": id, "type": "function",
                    "function": {"name": name, "arguments": arguments}}));
            }
            Form::Responses => {
                let item = json!({"type": "function_call", "status": "in_progress", "arguments": "",
                    "call_id": id, "name": name});
                self.open("", "fc", item);
                let (at, item_id) = self.place();
                let place = json!({"item_id": item_id, "output_index": at});
                for piece in fragments(arguments) {
                    let delta = merged(place.clone(), json!({"delta": piece}));
                    self.push("response.function_call_arguments.delta", delta);
                }
                self.items[at]["arguments"] = json!(arguments);
                self.is_open = false;
                if whole {
                    let done = merged(place, json!({"arguments": arguments, "name": name}));
                    self.push("response.function_call_arguments.done", done);
                    self.item_done();
                }
            }
            Form::Anthropic => {
                let block = json!({"type": "tool_use", "id": id, "name": name, "input": {}});
                self.open("", "", block);
                let at = self.items.len() - 1;
                // A call without arguments has one empty fragment.
                let pieces = if arguments == "{}" { vec![String::new()] } else { fragments(arguments) };
                for piece in pieces {
                    self.block_delta(json!({"type": "input_json_delta", "partial_json": piece}));
                }
                self.items[at]["input"] = serde_json::from_str(arguments).unwrap_or_else(|_| json!({}));
                self.is_open = false;
                if whole {
                    self.push("content_block_stop", json!({"index": at}));
                }
            }
            // Calls come whole. Of one whose arguments are no JSON, nothing comes but the reason.
            Form::Gemini => match serde_json::from_str::<Value>(arguments) {
                Ok(args) if whole => {
                    let mut call = json!({"name": name, "args": args});
                    if !id.is_empty() {
                        call["id"] = json!(id);
                    }
                    let mut part = json!({"functionCall": call});
                    if index == 0 {
                        part["thoughtSignature"] = json!(signature(self.nth));
                    }
                    self.part(part);
                }
                Err(_) if whole => self.finish = Some("MALFORMED_FUNCTION_CALL".to_owned()),
                _ => {}
            },
        }
    }

    /// The reason why it ends: `stop`, `tool_calls`, `length`, `content_filter`, or a word of the form's own.
    pub(super) fn finish(&mut self, reason: Option<&str>) {
        self.close();
        self.is_finished = true;
        if self.finish.is_none() {
            self.finish = Some(self.reason(reason));
        }
        let word = self.finish.clone().unwrap_or_default();
        match self.form {
            Form::Chat => self.delta(json!({}), Some(&word)),
            Form::Responses => {
                let (name, response) = self.ending(&word);
                self.push(name, json!({"response": response}));
            }
            Form::Anthropic => {
                let delta = json!({"stop_reason": word, "stop_sequence": null});
                let usage = json!({"output_tokens": self.usage.1});
                self.push("message_delta", json!({"delta": delta, "usage": usage}));
            }
            Form::Gemini => {
                let mut chunk = self.chunk(&json!([{"text": ""}]));
                chunk["candidates"][0]["finishReason"] = json!(word);
                self.bare(chunk);
            }
        }
    }

    /// What comes last of a stream that ends well.
    pub(super) fn end(&mut self) {
        if !self.is_finished {
            self.finish(None);
        }
        match self.form {
            Form::Chat => {
                if self.tells_usage {
                    let usage = self.chat_usage();
                    let mut chunk = self.completion("chat.completion.chunk", &json!([]));
                    chunk["usage"] = usage;
                    self.bare(chunk);
                }
                self.events.push(Event { name: None, data: Data::Text("[DONE]") });
            }
            Form::Anthropic => self.push("message_stop", json!({})),
            Form::Responses | Form::Gemini => {}
        }
    }

    /// What a provider writes when it fails in the middle.
    pub(super) fn failure(&mut self, failure: &Failure) {
        let Failure { code, message } = failure;
        match self.form {
            Form::Chat => self.bare(failure.body(self.form, 500)),
            Form::Responses => {
                let error = json!({"code": code, "message": message});
                let response = self.response("failed", &error, &Value::Null);
                self.push("response.failed", json!({"response": response}));
            }
            Form::Anthropic => {
                let event = failure.body(self.form, 529);
                self.events.push(Event { name: Some("error"), data: Data::Json(event) });
            }
            Form::Gemini => self.bare(failure.body(self.form, 503)),
        }
    }

    /// An event of the test's own.
    pub(super) fn own(&mut self, value: &Value) {
        self.bare(value.clone());
    }

    /// The same as one value, for a request that wants no stream.
    pub(super) fn whole(mut self, steps: &[Step]) -> Value {
        let mut reason = None;
        for step in steps {
            match step {
                Step::Text(text) => self.text(text),
                Step::Thought(text) => self.thought(text),
                Step::Call { id, name, arguments } => self.call(id.as_deref(), name, arguments, true),
                Step::HalfCall { id, name, arguments } => self.call(id.as_deref(), name, arguments, false),
                Step::Finish(word) => reason = Some(*word),
                Step::Event(_)
                | Step::Raw(_)
                | Step::Wait(_)
                | Step::Usage(..)
                | Step::Failure(_)
                | Step::End
                | Step::Break
                | Step::Stall => {}
            }
        }
        self.close();
        let word = self.finish.take().unwrap_or_else(|| self.reason(reason));
        match self.form {
            Form::Chat => {
                let text = if self.text.is_empty() { Value::Null } else { json!(self.text) };
                let mut message = json!({"role": "assistant", "content": text, "refusal": null});
                if !self.tool_calls.is_empty() {
                    message["tool_calls"] = json!(self.tool_calls);
                }
                if !self.thoughts.is_empty() {
                    message["reasoning_content"] = json!(self.thoughts);
                }
                let choices =
                    json!([{"index": 0, "message": message, "finish_reason": word, "logprobs": null}]);
                let mut whole = self.completion("chat.completion", &choices);
                whole["usage"] = self.chat_usage();
                whole
            }
            Form::Responses => self.ending(&word).1,
            Form::Anthropic => self.message(&json!(word)),
            Form::Gemini => {
                let parts = json!(self.items);
                let mut whole = self.chunk(&parts);
                whole["candidates"][0]["finishReason"] = json!(word);
                whole
            }
        }
    }

    /// The form's own word for a reason.
    fn reason(&self, reason: Option<&str>) -> String {
        let reason = reason.unwrap_or(if self.calls > 0 { "tool_calls" } else { "stop" });
        let word = match (self.form, reason) {
            (Form::Anthropic, "stop") => "end_turn",
            (Form::Anthropic, "tool_calls") => "tool_use",
            (Form::Anthropic, "length") => "max_tokens",
            (Form::Anthropic, "content_filter") => "refusal",
            (Form::Gemini, "stop" | "tool_calls") => "STOP",
            (Form::Gemini, "length") => "MAX_TOKENS",
            (Form::Gemini, "content_filter") => "SAFETY",
            (Form::Responses, "length") => "max_output_tokens",
            _ => reason,
        };
        word.to_owned()
    }

    fn push(&mut self, name: &'static str, members: Value) {
        let mut value = merged(json!({"type": name}), members);
        if self.form == Form::Responses {
            value["sequence_number"] = json!(self.sequence);
            self.sequence += 1;
        }
        self.events.push(Event { name: Some(name), data: Data::Json(value) });
    }

    fn bare(&mut self, value: Value) {
        self.events.push(Event { name: None, data: Data::Json(value) });
    }

    /// Begins an item (Responses) or a block (Anthropic), unless one of this kind goes on.
    fn open(&mut self, kind: &str, prefix: &str, mut item: Value) -> bool {
        if self.is_open && self.items.last().is_some_and(|last| last["type"] == kind) {
            return false;
        }
        self.close();
        let at = self.items.len();
        if self.form == Form::Responses {
            item["id"] = json!(format!("{prefix}_{}_{at}", self.nth));
            self.push("response.output_item.added", json!({"output_index": at, "item": item}));
        } else {
            self.push("content_block_start", json!({"index": at, "content_block": item}));
        }
        self.items.push(item);
        self.is_open = true;
        true
    }

    /// Ends a text or a thought that goes on.
    fn close(&mut self) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        let at = self.items.len() - 1;
        let kind = self.items[at]["type"].as_str().unwrap_or_default().to_owned();
        match (self.form, kind.as_str()) {
            (Form::Responses, "message") => {
                let part = self.items[at]["content"][0].clone();
                let place = json!({"item_id": self.place().1, "output_index": at, "content_index": 0});
                let done = json!({"text": part["text"], "logprobs": []});
                self.push("response.output_text.done", merged(place.clone(), done));
                self.push("response.content_part.done", merged(place, json!({"part": part})));
                self.item_done();
            }
            (Form::Responses, _) => self.item_done(),
            (_, kind) => {
                if kind == "thinking" {
                    let signature = signature(self.nth);
                    self.items[at]["signature"] = json!(signature);
                    self.block_delta(json!({"type": "signature_delta", "signature": signature}));
                }
                self.push("content_block_stop", json!({"index": at}));
            }
        }
    }

    fn item_done(&mut self) {
        let at = self.items.len() - 1;
        if self.items[at]["type"] != "reasoning" {
            self.items[at]["status"] = json!("completed");
        }
        let item = self.items[at].clone();
        self.push("response.output_item.done", json!({"output_index": at, "item": item}));
    }

    /// Where the last item stands, and its id.
    fn place(&self) -> (usize, String) {
        let at = self.items.len() - 1;
        (at, self.items[at]["id"].as_str().unwrap_or_default().to_owned())
    }

    fn block_delta(&mut self, delta: Value) {
        let at = self.items.len() - 1;
        self.push("content_block_delta", json!({"index": at, "delta": delta}));
    }

    fn delta(&mut self, delta: Value, finish: Option<&str>) {
        let choices = json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]);
        let mut chunk = self.completion("chat.completion.chunk", &choices);
        if self.tells_usage {
            chunk["usage"] = Value::Null;
        }
        self.bare(chunk);
    }

    fn completion(&self, object: &str, choices: &Value) -> Value {
        json!({"id": self.id, "object": object, "created": CREATED, "model": self.model,
            "service_tier": "default", "system_fingerprint": null, "choices": choices})
    }

    fn chat_usage(&self) -> Value {
        let (input, output) = self.usage;
        json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}})
    }

    fn response(&self, status: &str, error: &Value, incomplete: &Value) -> Value {
        let (input, output) = self.usage;
        let usage = json!({"input_tokens": input, "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": output, "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": input + output});
        let usage = if status == "in_progress" || status == "failed" { Value::Null } else { usage };
        let items: &[Value] = if status == "in_progress" { &[] } else { &self.items };
        json!({"id": self.id, "object": "response", "created_at": CREATED, "status": status, "error": error,
            "incomplete_details": incomplete, "model": self.model, "output": items, "usage": usage,
            "metadata": {}})
    }

    /// The last event of a response, and what it holds.
    fn ending(&self, word: &str) -> (&'static str, Value) {
        if ["stop", "tool_calls"].contains(&word) {
            return ("response.completed", self.response("completed", &Value::Null, &Value::Null));
        }
        let response = self.response("incomplete", &Value::Null, &json!({"reason": word}));
        ("response.incomplete", response)
    }

    fn message(&self, stop_reason: &Value) -> Value {
        json!({"id": self.id, "type": "message", "role": "assistant", "model": self.model,
            "content": self.items, "stop_reason": stop_reason, "stop_sequence": null,
            "usage": {"input_tokens": self.usage.0, "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0, "output_tokens": self.usage.1}})
    }

    fn part(&mut self, part: Value) {
        let chunk = self.chunk(&json!([part]));
        self.items.push(part);
        self.bare(chunk);
    }

    fn chunk(&self, parts: &Value) -> Value {
        let (input, output) = self.usage;
        json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "index": 0}],
            "usageMetadata": {"promptTokenCount": input, "candidatesTokenCount": output,
                "totalTokenCount": input + output},
            "modelVersion": self.model, "responseId": self.id})
    }
}

impl Failure {
    /// An error as the form writes it, for an answer of this status.
    pub(super) fn body(&self, form: Form, status: u16) -> Value {
        let Self { code, message } = self;
        match form {
            Form::Chat | Form::Responses => {
                let kind = match status {
                    401 => "authentication_error",
                    429 => "rate_limit_error",
                    400..500 => "invalid_request_error",
                    _ => "server_error",
                };
                json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
            }
            Form::Anthropic => json!({"type": "error", "error": {"type": code, "message": message}}),
            Form::Gemini => json!({"error": {"code": status, "message": message, "status": code}}),
        }
    }

    /// What the provider of the form says of itself in an answer of this status.
    pub(super) fn usual(form: Form, status: u16) -> Self {
        let (chat, anthropic, gemini, message) = match status {
            401 => ("invalid_api_key", "authentication_error", "UNAUTHENTICATED", "the API key is not valid"),
            403 => ("forbidden", "permission_error", "PERMISSION_DENIED", "the key may not use this model"),
            404 => ("model_not_found", "not_found_error", "NOT_FOUND", "the model does not exist"),
            429 => ("rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED", "too many requests"),
            529 | 503 => ("overloaded", "overloaded_error", "UNAVAILABLE", "the model is overloaded"),
            400..500 => {
                ("invalid_request", "invalid_request_error", "INVALID_ARGUMENT", "the request is wrong")
            }
            _ => ("server_error", "api_error", "INTERNAL", "an error occurred"),
        };
        let code = match form {
            Form::Chat | Form::Responses => chat,
            Form::Anthropic => anthropic,
            Form::Gemini => gemini,
        };
        Self { code: code.to_owned(), message: message.to_owned() }
    }
}

/// What the model of the `nth` request signs its thoughts with: base64, as the vendors write it.
pub(super) fn signature(nth: usize) -> String {
    format!("Sig{nth:05}")
}

fn output_text(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

/// Adds `text` to a member of `value`.
fn append(value: &mut Value, member: &str, text: &str) {
    let all = format!("{}{text}", value[member].as_str().unwrap_or_default());
    value[member] = json!(all);
}

/// The first element of a list, which is `empty` where there is none yet.
fn first(list: &mut Value, empty: Value) -> &mut Value {
    if list.as_array().is_some_and(Vec::is_empty) {
        *list = json!([empty]);
    }
    &mut list[0]
}

fn merged(mut value: Value, more: Value) -> Value {
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    value
}

/// The pieces in which arguments come.
fn fragments(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(FRAGMENT).map(|piece| piece.iter().collect()).collect()
}
