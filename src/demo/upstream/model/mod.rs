//! A language model that needs no account: rules in place of a network, behind OpenAI's chat completions
//! (<https://platform.openai.com/docs/api-reference/chat>).

mod words;
mod history;
mod results;
mod talk;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};

use self::history::list;
use self::talk::{Turn, reply};
use super::credentials::{self, MODEL_KEY};
use super::wire::{Call, Reply};

/// How long after the one before the next piece of a stream comes: a newcomer sees that it is one.
const PACE: Duration = Duration::from_millis(10);

/// `POST /v1/chat/completions`
pub(super) async fn complete(call: Call) -> Result<Response, Reply> {
    credentials::bearer(&call, MODEL_KEY)?;
    let request = Value::Object(call.json()?);
    if list(&request["messages"]).is_empty() {
        return Err(Reply::error(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "`messages` is missing or empty",
        ));
    }
    let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let answer = Answer::new(request, created);
    if answer.streams() {
        return Ok(paced(answer.events()));
    }
    Ok(Reply::new(StatusCode::OK, answer.whole()).into_response())
}

/// A stream of server-sent events, one after the other.
fn paced(events: Vec<String>) -> Response {
    let mut waits = false;
    let pieces = stream::unfold(events.into_iter(), move |mut events| {
        let wait = std::mem::replace(&mut waits, true);
        async move {
            let event = events.next()?;
            if wait {
                tokio::time::sleep(PACE).await;
            }
            Some((Ok::<_, Infallible>(Bytes::from(event)), events))
        }
    });
    let mut response = Response::new(Body::from_stream(pieces));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// A turn of the model in OpenAI's form.
struct Answer {
    request: Value,
    turn: Turn,
    id: String,
    created: u64,
}

impl Answer {
    fn new(request: Value, created: u64) -> Self {
        let turn = reply(&request);
        let id = format!("chatcmpl-demo-{}", list(&request["messages"]).len());
        Self { request, turn, id, created }
    }

    fn streams(&self) -> bool {
        self.request["stream"] == true
    }

    fn finish_reason(&self) -> &'static str {
        if self.turn.calls.is_empty() { "stop" } else { "tool_calls" }
    }

    /// The calls; an id is not used twice in a conversation that tells of all its messages.
    fn calls(&self) -> impl Iterator<Item = Value> {
        let round = list(&self.request["messages"]).len();
        self.turn.calls.iter().enumerate().map(move |(at, (name, arguments))| {
            json!({"id": format!("call_{round}_{at}"), "type": "function",
                "function": {"name": name, "arguments": arguments.to_string()}})
        })
    }

    /// Tokens, taken as four characters each.
    fn usage(&self) -> Value {
        let tokens = |characters: usize| characters.div_ceil(4);
        let calls: usize = self.calls().map(|call| call.to_string().len()).sum();
        let prompt =
            tokens(self.request["messages"].to_string().len() + self.request["tools"].to_string().len());
        let completion = tokens(self.turn.text.len() + calls);
        json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})
    }

    fn object(&self, kind: &str, choices: &Value) -> Value {
        let model = self.request["model"].as_str().unwrap_or("demo");
        json!({"id": self.id, "object": kind, "created": self.created, "model": model, "choices": choices})
    }

    fn whole(&self) -> Value {
        let text = if self.turn.text.is_empty() { Value::Null } else { json!(self.turn.text) };
        let mut message = json!({"role": "assistant", "content": text, "refusal": null});
        if !self.turn.calls.is_empty() {
            message["tool_calls"] = self.calls().collect();
        }
        let choice =
            json!({"index": 0, "message": message, "logprobs": null, "finish_reason": self.finish_reason()});
        let mut whole = self.object("chat.completion", &json!([choice]));
        whole["usage"] = self.usage();
        whole
    }

    /// The events of a stream: the text word by word, each call by its head and its arguments.
    fn events(&self) -> Vec<String> {
        let mut deltas = vec![json!({"role": "assistant", "content": ""})];
        deltas.extend(self.turn.text.split_inclusive(' ').map(|word| json!({"content": word})));
        for (index, mut call) in self.calls().enumerate() {
            let arguments = call["function"]["arguments"].take();
            call["function"]["arguments"] = json!("");
            call["index"] = json!(index);
            deltas.push(json!({"tool_calls": [call]}));
            deltas.push(json!({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}));
        }
        let tells_usage = self.request["stream_options"]["include_usage"] == true;
        let chunk = |choices: &Value, usage: Value| {
            let mut chunk = self.object("chat.completion.chunk", choices);
            if tells_usage {
                chunk["usage"] = usage;
            }
            format!("data: {chunk}\n\n")
        };
        let choice = |delta: &Value, finish: Option<&str>| json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
        let mut events: Vec<String> =
            deltas.iter().map(|delta| chunk(&choice(delta, None), Value::Null)).collect();
        events.push(chunk(&choice(&json!({}), Some(self.finish_reason())), Value::Null));
        if tells_usage {
            events.push(chunk(&json!([]), self.usage()));
        }
        events.push("data: [DONE]\n\n".to_owned());
        events
    }
}
