//! The stream, and the repairs that servers need which do not stream as OpenAI does.

use serde_json::{Map, Value, json};

use crate::assembler::{Assembler, count, list, text};
use crate::closing::{Closed, Collected, close, is_object};
use crate::failure::{FailureKind, ProviderFailure};
use crate::limits::{self, Budget};
use crate::message::{Assistant, Raw};
use crate::provider::Provider;
use crate::reply::{Delta, Finish, Reply, StreamError, Usage};
use crate::said::Said;
use crate::whole::Brackets;

/// Reads chunks.
#[derive(Debug)]
pub(crate) struct Chat {
    said: Said,
    calls: Vec<Open>,
    /// The call that was opened or continued last.
    last: Option<usize>,
    /// DeepSeek and Kimi refuse a history whose calls come without it.
    reasoning: String,
    arguments: Budget,
    kept: Budget,
    finish: Option<String>,
    is_done: bool,
    usage: Option<Usage>,
}

/// A call that is being collected.
#[derive(Debug, Default)]
struct Open {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
    brackets: Brackets,
    /// The arguments end where a JSON value does.
    is_balanced: bool,
    /// Whether the arguments are one object, as far as that is known.
    is_object: Option<bool>,
    /// Members of the call and of its function that are not OpenAI's, such as `extra_content`.
    more: Map<String, Value>,
    more_of_function: Map<String, Value>,
}

impl Open {
    /// Adds to the arguments.
    fn push(&mut self, arguments: &str) {
        if arguments.is_empty() {
            return;
        }
        self.arguments.push_str(arguments);
        self.is_balanced = self.brackets.end_with(arguments.as_bytes());
        // Nothing that follows makes an object of what ended and was none.
        self.is_object = self.is_object.filter(|is_object| !is_object);
    }

    /// Whether the arguments are one object, which takes no more. However often it is asked, they are parsed twice at most.
    fn is_whole(&mut self) -> bool {
        self.is_balanced && *self.is_object.get_or_insert_with(|| is_object(&self.arguments))
    }
}

impl Chat {
    pub(crate) fn new() -> Self {
        Self {
            said: Said::without_thinking(),
            calls: Vec::new(),
            last: None,
            reasoning: String::new(),
            arguments: Budget::arguments(),
            kept: Budget::kept(),
            finish: None,
            is_done: false,
            usage: None,
        }
    }

    /// Takes a `delta`, or the `message` of a server that does not stream.
    fn message(&mut self, message: &Value, size: usize, out: &mut Vec<Delta>) -> Result<(), StreamError> {
        match message.get("content") {
            Some(Value::String(content)) => self.said.push(content, out)?,
            // Mistral: parts, thinking among them.
            Some(Value::Array(parts)) => {
                for part in parts.iter().filter(|part| part["type"] == "text") {
                    self.said.push(text(part, "text").unwrap_or_default(), out)?;
                }
            }
            _ => {}
        }
        if let Some(refusal) = text(message, "refusal") {
            self.said.push(refusal, out)?;
        }
        if let Some(reasoning) = text(message, "reasoning_content") {
            self.kept.take(reasoning.len())?;
            self.reasoning.push_str(reasoning);
        }
        for call in list(message, "tool_calls") {
            self.call(call, size)?;
        }
        Ok(())
    }

    /// Takes one of `tool_calls`: a new call, or more of one.
    fn call(&mut self, delta: &Value, size: usize) -> Result<(), StreamError> {
        let index = count(delta, "index").map(limits::index).transpose()?;
        let function = delta.get("function").unwrap_or(&Value::Null);
        let id = text(delta, "id").unwrap_or_default();
        let name = text(function, "name").unwrap_or_default();
        let arguments = match function.get("arguments") {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            // Ollama and others: an object where a text belongs.
            Some(value) => value.to_string(),
        };
        let at = match self.belongs_to(index, id, name, &arguments) {
            Belongs::To(at) => at,
            Belongs::Repeats => return Ok(()),
            // It says nothing.
            Belongs::New if id.is_empty() && name.is_empty() && arguments.is_empty() => return Ok(()),
            Belongs::New => {
                limits::index(self.calls.len() as u64)?;
                self.calls.push(Open { index, ..Open::default() });
                self.calls.len() - 1
            }
        };
        self.last = Some(at);
        let call = &mut self.calls[at];
        if call.id.is_empty() {
            id.clone_into(&mut call.id);
        }
        // Repeated by some with each delta; nobody sends it in pieces.
        if !name.is_empty() {
            name.clone_into(&mut call.name);
        }
        self.arguments.take(arguments.len() + id.len() + name.len())?;
        call.push(&arguments);
        let more = members(delta, &["index", "id", "type", "function"]);
        let more_of_function = members(function, &["name", "arguments"]);
        if !more.is_empty() || !more_of_function.is_empty() {
            self.kept.take(size)?;
            call.more.extend(more);
            call.more_of_function.extend(more_of_function);
        }
        Ok(())
    }

    /// Which call a delta is about.
    fn belongs_to(&mut self, index: Option<u64>, id: &str, name: &str, arguments: &str) -> Belongs {
        let of_index = |index| self.calls.iter().rposition(|call| call.index == Some(index));
        let of_id = || self.calls.iter().rposition(|call| !id.is_empty() && call.id == id);
        let found = match index {
            Some(index) => of_index(index),
            None => of_id().or(self.last),
        };
        let Some(at) = found else { return Belongs::New };
        let call = &mut self.calls[at];
        // A delta without a name only continues: OCI sends a new id with each piece.
        if name.is_empty() {
            return Belongs::To(at);
        }
        // Ollama and others: each call has index 0, and an id of its own.
        let is_other_id = !id.is_empty() && !call.id.is_empty() && call.id != id;
        // Without an index and an id, only its name tells a call from another.
        let is_other_name = index.is_none() && id.is_empty() && !call.name.is_empty() && call.name != name;
        // An id that comes after the name and the arguments.
        let is_late_id = !id.is_empty() && call.id.is_empty() && index.is_none() && !call.name.is_empty();
        if is_other_id || is_other_name || is_late_id {
            return Belongs::New;
        }
        // Without ids of their own, calls are told apart by this: one that is whole takes no more.
        if arguments.trim().is_empty() || !call.is_whole() {
            return Belongs::To(at);
        }
        if call.name == name && call.arguments == arguments { Belongs::Repeats } else { Belongs::New }
    }

    fn message_of(&self, text: &str, closed: &Closed) -> Value {
        let mut message = json!({"role": "assistant", "content": text});
        if text.is_empty() {
            message["content"] = Value::Null;
        }
        if closed.calls.is_empty() {
            return message;
        }
        let calls = closed.calls.iter().zip(&self.calls).map(|(call, open)| {
            let mut value = json!({
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            });
            if let Some(function) = value["function"].as_object_mut() {
                function.extend(open.more_of_function.clone());
            }
            if let Some(value) = value.as_object_mut() {
                value.extend(open.more.clone());
            }
            value
        });
        message["tool_calls"] = calls.collect();
        if !self.reasoning.is_empty() {
            message["reasoning_content"] = Value::from(self.reasoning.as_str());
        }
        message
    }
}

/// Which call a delta is about.
enum Belongs {
    New,
    To(usize),
    /// It says once more what a whole call has said.
    Repeats,
}

/// The members of an object but those that are known.
fn members(value: &Value, known: &[&str]) -> Map<String, Value> {
    let all = value.as_object().into_iter().flatten();
    let others = all.filter(|(name, value)| !known.contains(&name.as_str()) && !value.is_null());
    others.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The first choice: no other was asked for.
fn choice(chunk: &Value) -> Option<&Value> {
    list(chunk, "choices").iter().find(|choice| count(choice, "index").is_none_or(|index| index == 0))
}

fn usage(chunk: &Value) -> Option<Usage> {
    // Groq has it in a member of its own.
    let usage = [&chunk["usage"], &chunk["x_groq"]["usage"]].into_iter().find(|usage| usage.is_object())?;
    let of = |group: &str, name: &str| count(&usage[group], name);
    Some(Usage {
        input: count(usage, "prompt_tokens").unwrap_or_default(),
        output: count(usage, "completion_tokens").unwrap_or_default(),
        cached: of("prompt_tokens_details", "cached_tokens")
            .or_else(|| count(usage, "prompt_cache_hit_tokens"))
            .unwrap_or_default(),
        reasoning: of("completion_tokens_details", "reasoning_tokens").unwrap_or_default(),
    })
}

impl Assembler for Chat {
    fn event(&mut self, chunk: &Value, size: usize, out: &mut Vec<Delta>) -> Result<(), StreamError> {
        if let Some(usage) = usage(chunk) {
            self.usage = Some(usage);
        }
        let Some(choice) = choice(chunk) else { return Ok(()) };
        let is_empty = self.calls.is_empty() && self.said.text().is_empty();
        match (&choice["delta"], &choice["message"]) {
            (delta @ Value::Object(_), _) => self.message(delta, size, out)?,
            // Some repeat the whole message at the end; others send nothing but it.
            (_, message @ Value::Object(_)) if is_empty => self.message(message, size, out)?,
            _ => {}
        }
        if let Some(reason) = text(choice, "finish_reason") {
            self.finish = Some(reason.to_owned());
            self.said.settle(out);
        }
        Ok(())
    }

    fn whole(&mut self, answer: &Value, size: usize, out: &mut Vec<Delta>) -> Result<(), StreamError> {
        if choice(answer).is_none() {
            return Err(StreamError::Malformed("the answer has no `choices`".to_owned()));
        }
        self.event(answer, size, out)?;
        self.finish.get_or_insert_with(|| "stop".to_owned());
        self.done(out);
        Ok(())
    }

    fn done(&mut self, out: &mut Vec<Delta>) {
        self.is_done = true;
        self.said.settle(out);
    }

    fn is_complete(&self) -> bool {
        self.is_done
    }

    fn text(&self) -> &str {
        self.said.text()
    }

    fn finish(mut self: Box<Self>) -> Result<Reply, StreamError> {
        let text = self.said.text().to_owned();
        let is_told = self.is_done && self.calls.is_empty() && !text.is_empty();
        let finish = match self.finish.as_deref() {
            Some("length" | "max_tokens" | "model_length") => Finish::Length,
            Some("content_filter") => Finish::ContentFilter,
            Some(
                why @ ("error" | "abort" | "cancelled" | "network_error" | "insufficient_system_resource"),
            ) => {
                return Err(StreamError::Provider(ProviderFailure::of_reason(why, None, FailureKind::Other)));
            }
            Some(_) => Finish::Stop,
            // A server may forget to say why it ends. What was said is said; a call may be cut.
            None if is_told => Finish::Stop,
            None => return Err(StreamError::BrokenOff { text }),
        };
        if finish != Finish::Stop {
            self.calls.clear();
        }
        let collected = self.calls.iter_mut().map(|open| Collected {
            id: open.id.clone(),
            name: open.name.clone(),
            arguments: std::mem::take(&mut open.arguments),
            is_cut: false,
        });
        let closed = close(collected.collect());
        let value = self.message_of(&text, &closed);
        let finish = if closed.calls.is_empty() { finish } else { Finish::ToolCalls };
        let raw = Some(Raw::new(Provider::OpenAi, value));
        let assistant = Assistant { text, calls: closed.calls, raw };
        Ok(Reply { assistant, refused: closed.refused, finish, usage: self.usage })
    }
}
