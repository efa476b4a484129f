//! A turn as Chat Completions writes it: chunks of a stream, or one completion.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use callgate_model::Usage;
use data_encoding::HEXLOWER;
use futures_util::stream::{BoxStream, StreamExt as _, iter, once};
use serde::Serialize;

use crate::agent::{AgentEvent, TurnFinish};
use crate::tool::random_bytes;

use super::errors::{NotAnswered, Refused};
use super::event_stream::event_stream;

/// The end of a stream.
const DONE: &[u8] = b"data: [DONE]\n\n";

/// The common members of all chunks of an answer.
#[derive(Clone, Debug)]
pub(super) struct Form {
    pub(super) id: String,
    pub(super) created: i64,
    /// The model, as the caller named it.
    pub(super) model: String,
    pub(super) include_usage: bool,
    /// Whether the caller wants a failure as an error, and not in words.
    pub(super) raises: bool,
}

impl Form {
    pub(super) fn new(model: String, include_usage: bool, raises: bool) -> Self {
        let random: [u8; 12] = random_bytes().unwrap_or_default();
        let id = format!("chatcmpl-{}", HEXLOWER.encode(&random));
        Self { id, created: jiff::Timestamp::now().as_second(), model, include_usage, raises }
    }
}

#[derive(Serialize)]
struct Chunk<'c> {
    id: &'c str,
    object: &'static str,
    created: i64,
    model: &'c str,
    choices: &'c [ChunkChoice<'c>],
    /// Absent unless the caller asks for it; then `null` on all chunks but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<UsageBody>>,
}

#[derive(Serialize)]
struct ChunkChoice<'c> {
    index: u32,
    delta: Delta<'c>,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Delta<'c> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[CallDelta<'c>; 1]>,
}

#[derive(Serialize)]
struct CallDelta<'c> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'c str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    function: FunctionDelta<'c>,
}

#[derive(Serialize)]
struct FunctionDelta<'c> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'c str>,
    arguments: &'c str,
}

/// Tokens, as OpenAI's API counts them.
#[derive(Serialize)]
struct UsageBody {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Serialize)]
struct PromptDetails {
    cached_tokens: u64,
}

#[derive(Serialize)]
struct CompletionDetails {
    reasoning_tokens: u64,
}

impl From<Usage> for UsageBody {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.input,
            completion_tokens: usage.output,
            total_tokens: usage.input.saturating_add(usage.output),
            prompt_tokens_details: PromptDetails { cached_tokens: usage.cached },
            completion_tokens_details: CompletionDetails { reasoning_tokens: usage.reasoning },
        }
    }
}

fn reason(finish: TurnFinish) -> &'static str {
    match finish {
        TurnFinish::Stop => "stop",
        TurnFinish::ToolCalls => "tool_calls",
        TurnFinish::Length => "length",
    }
}

/// Answers with a stream. Its head is sent before the model is asked.
pub(super) fn stream(form: Form, turn: BoxStream<'static, AgentEvent>) -> Response {
    let mut writer = Writer { form, calls: 0 };
    let first = writer.delta(Delta { role: Some("assistant"), content: Some(""), ..Delta::default() }, None);
    let rest = turn.flat_map(move |event| iter(writer.pieces(event)));
    event_stream(once(std::future::ready(first)).chain(rest))
}

/// Writes the chunks of a stream.
struct Writer {
    form: Form,
    /// How many calls were passed on so far.
    calls: u32,
}

impl Writer {
    fn pieces(&mut self, event: AgentEvent) -> Vec<Bytes> {
        match event {
            AgentEvent::Text { text, .. } => {
                vec![self.delta(Delta { content: Some(&text), ..Delta::default() }, None)]
            }
            // One call per chunk, its name before its arguments: clients read only the first call of a chunk.
            AgentEvent::CallerCall { id, name, arguments } => {
                let index = self.calls;
                self.calls += 1;
                let opened = CallDelta {
                    index,
                    id: Some(&id),
                    kind: Some("function"),
                    function: FunctionDelta { name: Some(&name), arguments: "" },
                };
                let filled = CallDelta {
                    index,
                    id: None,
                    kind: None,
                    function: FunctionDelta { name: None, arguments: &arguments },
                };
                [opened, filled]
                    .map(|call| self.delta(Delta { tool_calls: Some([call]), ..Delta::default() }, None))
                    .into()
            }
            // An error in the middle of a stream, and no `[DONE]` behind it.
            AgentEvent::Done { failure: Some(failure), .. } if self.form.raises => {
                vec![data(&Refused::failed(&failure).body())]
            }
            AgentEvent::Done { finish, usage, .. } => {
                let mut pieces = vec![self.delta(Delta::default(), Some(reason(finish)))];
                if self.form.include_usage {
                    pieces.push(self.chunk(&[], Some(usage.into())));
                }
                pieces.push(Bytes::from_static(DONE));
                pieces
            }
            AgentEvent::ToolStarted { .. }
            | AgentEvent::ToolEnded { .. }
            | AgentEvent::Handover(_)
            | AgentEvent::Round(_) => Vec::new(),
        }
    }

    fn delta(&self, delta: Delta<'_>, finish_reason: Option<&'static str>) -> Bytes {
        self.chunk(&[ChunkChoice { index: 0, delta, logprobs: None, finish_reason }], None)
    }

    fn chunk(&self, choices: &[ChunkChoice<'_>], usage: Option<UsageBody>) -> Bytes {
        data(&Chunk {
            id: &self.form.id,
            object: "chat.completion.chunk",
            created: self.form.created,
            model: &self.form.model,
            choices,
            usage: self.form.include_usage.then_some(usage),
        })
    }
}

fn data(value: &impl Serialize) -> Bytes {
    let mut line = b"data: ".to_vec();
    // These types can always be written.
    let _ = serde_json::to_writer(&mut line, value);
    line.extend_from_slice(b"\n\n");
    line.into()
}

#[derive(Serialize)]
struct Completion {
    id: String,
    object: &'static str,
    created: i64,
    model: String,
    choices: [CompletionChoice; 1],
    usage: UsageBody,
}

#[derive(Serialize)]
struct CompletionChoice {
    index: u32,
    message: AnswerMessage,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct AnswerMessage {
    role: &'static str,
    content: Option<String>,
    refusal: Option<()>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<AnswerCall>,
}

#[derive(Serialize)]
struct AnswerCall {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    function: AnswerFunction,
}

#[derive(Serialize)]
struct AnswerFunction {
    name: String,
    arguments: String,
}

/// Answers with one completion.
///
/// # Errors
///
/// The agent could not answer, and the caller wants an error.
pub(super) async fn whole(
    form: Form,
    mut turn: BoxStream<'static, AgentEvent>,
) -> Result<Response, NotAnswered> {
    let mut content = String::new();
    let mut tool_calls = Vec::new();
    while let Some(event) = turn.next().await {
        match event {
            AgentEvent::Text { text, .. } => content.push_str(&text),
            AgentEvent::CallerCall { id, name, arguments } => {
                tool_calls.push(AnswerCall {
                    id,
                    kind: "function",
                    function: AnswerFunction { name, arguments },
                });
            }
            AgentEvent::Done { failure: Some(failure), .. } if form.raises => {
                return Err(Refused::failed(&failure).into());
            }
            AgentEvent::Done { finish, usage, .. } => {
                let content = Some(content.trim_end().to_owned()).filter(|text| !text.is_empty());
                let message = AnswerMessage { role: "assistant", content, refusal: None, tool_calls };
                let finish_reason = reason(finish);
                let choice = CompletionChoice { index: 0, message, logprobs: None, finish_reason };
                let completion = Completion {
                    id: form.id,
                    object: "chat.completion",
                    created: form.created,
                    model: form.model,
                    choices: [choice],
                    usage: usage.into(),
                };
                return Ok(Json(completion).into_response());
            }
            AgentEvent::ToolStarted { .. }
            | AgentEvent::ToolEnded { .. }
            | AgentEvent::Handover(_)
            | AgentEvent::Round(_) => {}
        }
    }
    Err(Refused::unfinished().into())
}
