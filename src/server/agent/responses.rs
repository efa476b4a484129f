//! `POST /v1/responses`: the same turns in the form of OpenAI's Responses API.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use callgate_model::{Assistant, Call, Message, Usage};
use data_encoding::HEXLOWER;
use futures_util::stream::{BoxStream, StreamExt as _, iter};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use crate::agent::{AgentEvent, CallerTool, TurnFailure, TurnFinish};
use crate::server::body::Segment;
use crate::tool::random_bytes;

use super::errors::{ModelError, NotAnswered, Refused};
use super::event_stream::event_stream;
use super::intake::Incoming;
use super::open::excerpt;
use super::request::{Asked, Members, arguments_of, count, push_result, text_of};

/// Answers as an agent, in the form of the Responses API.
///
/// Nothing is stored for `previous_response_id`: send the whole `input`, and name the conversation.
#[utoipa::path(
    post, path = "/v1/responses", tag = "agents",
    request_body(content = Object, description = "a request of the Responses API: `model`, `input`, `instructions`, `stream`, `tools`, …"),
    params(("Callgate-Conversation-Id" = Option<String>, Header, description = "the conversation, before any id in the body")),
    responses(
        (status = 200, description = "a response; with `stream: true` its events", content((Object = "application/json"), (String = "text/event-stream"))),
        (status = "4XX", description = "the request is broken, there is no such agent, or the key calls too often", body = ModelError),
        (status = "5XX", description = "there is no room; `Retry-After` says when to come again", body = ModelError),
    ),
    security((), ("key" = []))
)]
pub(crate) async fn respond(incoming: Incoming) -> Result<Response, NotAnswered> {
    answer(None, incoming).await
}

/// The same, for the environment that the path names.
#[utoipa::path(
    post, path = "/{environment}/v1/responses", tag = "agents",
    request_body(content = Object, description = "a request of the Responses API: `model`, `input`, `instructions`, `stream`, `tools`, …"),
    params(
        ("environment" = String, Path, description = "the environment"),
        ("Callgate-Conversation-Id" = Option<String>, Header, description = "the conversation, before any id in the body"),
    ),
    responses(
        (status = 200, description = "a response; with `stream: true` its events", content((Object = "application/json"), (String = "text/event-stream"))),
        (status = "4XX", description = "the request is broken, there is no such agent, or the key calls too often", body = ModelError),
        (status = "5XX", description = "there is no room; `Retry-After` says when to come again", body = ModelError),
    ),
    security((), ("key" = []))
)]
pub(crate) async fn respond_in(
    Segment(environment): Segment,
    incoming: Incoming,
) -> Result<Response, NotAnswered> {
    answer(Some(environment), incoming).await
}

async fn answer(environment: Option<String>, incoming: Incoming) -> Result<Response, NotAnswered> {
    let begun = incoming.begin(environment, read)?;
    let writer = Writer::new(begun.model, begun.raises);
    match begun.is_streamed {
        true => Ok(stream(writer, begun.events)),
        false => whole(writer, begun.events).await,
    }
}

/// Reads a request.
fn read(bytes: &[u8]) -> Result<Asked, Refused> {
    let members = Members::read(bytes)?;
    let messages = read_input(&members)?;
    let tools: Value = members.tools.as_deref().map_or(Ok(Value::Null), |tools| {
        serde_json::from_str(tools.get()).map_err(|error| {
            Refused::invalid("invalid_tool", "tools", format!("`tools` cannot be read: {error}"))
        })
    })?;
    let tools = read_tools(&tools)?;
    let asked = members.asked(messages, tools);
    let own = [&members.conversation, &members.conversation["id"]].map(Value::as_str);
    let own = own.into_iter().flatten().find(|id| !id.is_empty()).map(str::to_owned);
    Ok(Asked {
        conversation_id: own.or(asked.conversation_id),
        max_tokens: count(&members.max_output_tokens),
        ..asked
    })
}

/// Reads `instructions` and `input`.
fn read_input(members: &Members) -> Result<Vec<Message>, Refused> {
    if members.previous_response_id.is_string() {
        let message =
            "responses are not stored: leave `previous_response_id` out, and send the whole `input`";
        return Err(Refused::invalid("unsupported_value", "previous_response_id", message));
    }
    let mut read = Vec::new();
    if let Some(text) = members.instructions.as_str().filter(|text| !text.trim().is_empty()) {
        read.push(Message::System(text.to_owned()));
    }
    let items = match &members.input {
        Value::String(text) => {
            read.push(Message::User(text.clone()));
            return Ok(read);
        }
        Value::Array(items) => items,
        _ => {
            return Err(Refused::invalid(
                "missing_input",
                "input",
                "`input` must be a text or a list of items",
            ));
        }
    };
    for (at, item) in items.iter().enumerate() {
        let wrong = |what: &str| Refused::invalid("invalid_item", "input", format!("input[{at}]: {what}"));
        let text = |value: &Value| text_of(value).map_err(|what| wrong(&what));
        match item["type"].as_str() {
            Some("function_call") => {
                let call = Call {
                    id: item["call_id"].as_str().ok_or_else(|| wrong("`call_id` must be a text"))?.to_owned(),
                    name: item["name"].as_str().unwrap_or_default().to_owned(),
                    arguments: arguments_of(&item["arguments"]),
                };
                match read.last_mut() {
                    Some(Message::Assistant(assistant)) => assistant.calls.push(call),
                    _ => {
                        read.push(Message::Assistant(Assistant {
                            calls: vec![call],
                            ..Assistant::default()
                        }));
                    }
                }
            }
            Some("function_call_output") => {
                let id = item["call_id"].as_str().ok_or_else(|| wrong("`call_id` must be a text"))?;
                push_result(&mut read, id, "", text(&item["output"])?);
            }
            None | Some("message") => {
                let text = text(&item["content"])?;
                match item["role"].as_str() {
                    Some("system" | "developer") => read.push(Message::System(text)),
                    Some("assistant") => {
                        read.push(Message::Assistant(Assistant { text, ..Assistant::default() }));
                    }
                    Some("user") if text.trim().is_empty() => {}
                    Some("user") => read.push(Message::User(text)),
                    other => {
                        let role = excerpt(other.unwrap_or_default());
                        return Err(wrong(&format!("there is no role `{role}`")));
                    }
                }
            }
            // Reasoning, references and results of tools that are not ours.
            Some(_) => {}
        }
    }
    Ok(read)
}

/// Reads `tools`; tools that are not functions are ignored.
fn read_tools(tools: &Value) -> Result<Vec<CallerTool>, Refused> {
    let functions = tools.as_array().into_iter().flatten().filter(|tool| tool["type"] == "function");
    let tool = |tool: &Value| {
        let wrong = || Refused::invalid("invalid_tool", "tools", "a tool has no `name`");
        let name = tool["name"].as_str().ok_or_else(wrong)?;
        let description = tool["description"].as_str().unwrap_or_default();
        let schema = Some(&tool["parameters"]).filter(|schema| schema.is_object());
        let parameters = schema.cloned().unwrap_or_else(|| json!({"type": "object"}));
        let mut function = json!({"name": name, "description": description, "parameters": parameters});
        if tool["strict"] == true {
            function["strict"] = json!(true);
        }
        let written =
            to_raw_value(&json!({"type": "function", "function": function})).map_err(|_| wrong())?;
        Ok(CallerTool {
            name: name.to_owned(),
            description: description.to_owned(),
            parameters,
            written: Arc::from(written),
        })
    };
    functions.map(tool).collect()
}

/// Writes the events of a response.
struct Writer {
    id: String,
    created: i64,
    model: String,
    raises: bool,
    sequence: u64,
    /// The items that are complete.
    output: Vec<Value>,
    /// The text of the open item, if there is one.
    said: Option<String>,
}

impl Writer {
    fn new(model: String, raises: bool) -> Self {
        let random: [u8; 16] = random_bytes().unwrap_or_default();
        Self {
            id: HEXLOWER.encode(&random),
            created: jiff::Timestamp::now().as_second(),
            model,
            raises,
            sequence: 0,
            output: Vec::new(),
            said: None,
        }
    }

    fn response(&self, status: &str, usage: Option<Usage>, failure: Option<&TurnFailure>) -> Value {
        let usage = usage.map(|usage| {
            json!({
                "input_tokens": usage.input,
                "input_tokens_details": {"cached_tokens": usage.cached},
                "output_tokens": usage.output,
                "output_tokens_details": {"reasoning_tokens": usage.reasoning},
                "total_tokens": usage.input.saturating_add(usage.output),
            })
        });
        let cut = (status == "incomplete").then(|| json!({"reason": "max_output_tokens"}));
        // OpenAI's types know this code only; the failure's own stands in the message.
        let error = failure.map(|failure| {
            let message = format!("{} ({})", failure.sentence(), failure.code);
            json!({"code": "server_error", "message": message})
        });
        json!({
            "id": format!("resp_{}", self.id),
            "object": "response",
            "created_at": self.created,
            "status": status,
            "model": self.model,
            "output": self.output,
            "usage": usage,
            "error": error,
            "incomplete_details": cut,
            "instructions": null,
            "metadata": {},
            "parallel_tool_calls": true,
            "temperature": null,
            "tool_choice": "auto",
            "tools": [],
            "top_p": null,
        })
    }

    fn event(&mut self, kind: &str, mut data: Value) -> Bytes {
        data["type"] = kind.into();
        data["sequence_number"] = self.sequence.into();
        self.sequence += 1;
        format!("event: {kind}\ndata: {data}\n\n").into()
    }

    fn begun(&mut self) -> Vec<Bytes> {
        let response = self.response("in_progress", None, None);
        ["response.created", "response.in_progress"]
            .map(|kind| self.event(kind, json!({"response": response})))
            .into()
    }

    fn message_id(&self) -> String {
        format!("msg_{}{:02x}", self.id, self.output.len())
    }

    fn message(&self, status: &str, text: Option<&str>) -> Value {
        let part =
            |text: &str| json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
        let content: Vec<Value> = text.map(part).into_iter().collect();
        json!({"id": self.message_id(), "type": "message", "role": "assistant", "status": status, "content": content})
    }

    fn text(&mut self, text: &str) -> Vec<Bytes> {
        let (index, id) = (self.output.len(), self.message_id());
        let mut events = Vec::new();
        if self.said.is_none() {
            self.said = Some(String::new());
            let item = self.message("in_progress", None);
            events
                .push(self.event("response.output_item.added", json!({"output_index": index, "item": item})));
            let part = json!({"type": "output_text", "text": "", "annotations": [], "logprobs": []});
            let data = json!({"item_id": id, "output_index": index, "content_index": 0, "part": part});
            events.push(self.event("response.content_part.added", data));
        }
        if let Some(said) = &mut self.said {
            said.push_str(text);
        }
        let data =
            json!({"item_id": id, "output_index": index, "content_index": 0, "delta": text, "logprobs": []});
        events.push(self.event("response.output_text.delta", data));
        events
    }

    fn close(&mut self) -> Vec<Bytes> {
        let Some(said) = self.said.take() else { return Vec::new() };
        let (index, id) = (self.output.len(), self.message_id());
        let item = self.message("completed", Some(&said));
        let data =
            json!({"item_id": id, "output_index": index, "content_index": 0, "text": said, "logprobs": []});
        let mut events = vec![self.event("response.output_text.done", data)];
        let part = item["content"][0].clone();
        let data = json!({"item_id": id, "output_index": index, "content_index": 0, "part": part});
        events.push(self.event("response.content_part.done", data));
        events.push(self.event("response.output_item.done", json!({"output_index": index, "item": item})));
        self.output.push(item);
        events
    }

    fn call(&mut self, id: &str, name: &str, arguments: &str) -> Vec<Bytes> {
        let mut events = self.close();
        let index = self.output.len();
        let item_id = format!("fc_{}{index:02x}", self.id);
        let item = |status: &str, arguments: &str| json!({"id": item_id, "type": "function_call", "status": status, "call_id": id, "name": name, "arguments": arguments});
        let data = json!({"output_index": index, "item": item("in_progress", "")});
        events.push(self.event("response.output_item.added", data));
        let data = json!({"item_id": item_id, "output_index": index, "delta": arguments});
        events.push(self.event("response.function_call_arguments.delta", data));
        let data = json!({"item_id": item_id, "output_index": index, "name": name, "arguments": arguments});
        events.push(self.event("response.function_call_arguments.done", data));
        let whole = item("completed", arguments);
        events.push(self.event("response.output_item.done", json!({"output_index": index, "item": whole})));
        self.output.push(whole);
        events
    }

    fn pieces(&mut self, event: AgentEvent) -> Vec<Bytes> {
        match event {
            AgentEvent::Text { text, .. } => self.text(&text),
            AgentEvent::CallerCall { id, name, arguments } => self.call(&id, &name, &arguments),
            AgentEvent::Done { finish, usage, failure } => {
                let mut events = self.close();
                let failure = failure.filter(|_| self.raises);
                let status = match (&failure, finish) {
                    (Some(_), _) => "failed",
                    (None, TurnFinish::Length) => "incomplete",
                    (None, TurnFinish::Stop | TurnFinish::ToolCalls) => "completed",
                };
                let response = self.response(status, Some(usage), failure.as_ref());
                events.push(self.event(&format!("response.{status}"), json!({"response": response})));
                events
            }
            AgentEvent::ToolStarted { .. }
            | AgentEvent::ToolEnded { .. }
            | AgentEvent::Handover(_)
            | AgentEvent::Round(_) => Vec::new(),
        }
    }
}

fn stream(mut writer: Writer, turn: BoxStream<'static, AgentEvent>) -> Response {
    let begun = writer.begun();
    let rest = turn.flat_map(move |event| iter(writer.pieces(event)));
    event_stream(iter(begun).chain(rest))
}

async fn whole(
    mut writer: Writer,
    mut turn: BoxStream<'static, AgentEvent>,
) -> Result<Response, NotAnswered> {
    while let Some(event) = turn.next().await {
        if let AgentEvent::Done { finish, usage, failure } = &event {
            let failure = failure.as_ref().filter(|_| writer.raises);
            if let Some(failure) = failure {
                return Err(Refused::failed(failure).into());
            }
            writer.close();
            let status = if *finish == TurnFinish::Length { "incomplete" } else { "completed" };
            return Ok(Json(writer.response(status, Some(*usage), None)).into_response());
        }
        writer.pieces(event);
    }
    Err(Refused::unfinished().into())
}
