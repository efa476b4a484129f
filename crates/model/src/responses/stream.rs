//! The stream.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::assembler::{Assembler, count, list, text};
use crate::closing::{Collected, close};
use crate::failure::{FailureKind, ProviderFailure};
use crate::limits::{self, Budget};
use crate::message::{Assistant, Raw};
use crate::provider::Provider;
use crate::reply::{Delta, Finish, Reply, StreamError, Usage};
use crate::said::Said;

/// Reads events. An item has its `output_index` as its key.
#[derive(Debug)]
pub(crate) struct Responses {
    said: Said,
    items: BTreeMap<u64, Item>,
    arguments: Budget,
    kept: Budget,
    finish: Option<Finish>,
    usage: Option<Usage>,
}

/// An item of the output.
#[derive(Debug, Default)]
struct Item {
    value: Value,
    /// The arguments as their pieces gave them.
    arguments: String,
}

impl Responses {
    pub(crate) fn new() -> Self {
        Self {
            said: Said::plain(),
            items: BTreeMap::new(),
            arguments: Budget::arguments(),
            kept: Budget::kept(),
            finish: None,
            usage: None,
        }
    }

    /// The item that an event is about: by its index, else by its id, else a new one after all others.
    fn item(&mut self, event: &Value) -> Result<&mut Item, StreamError> {
        let id = text(event, "item_id").or_else(|| text(&event["item"], "id"));
        let of_id = |items: &BTreeMap<u64, Item>| {
            let id = id?;
            items.iter().find(|(_, item)| item.value["id"] == id).map(|(index, _)| *index)
        };
        let index = match count(event, "output_index").or_else(|| of_id(&self.items)) {
            Some(index) => index,
            None => self.items.last_key_value().map_or(0, |(index, _)| index.saturating_add(1)),
        };
        Ok(self.items.entry(limits::index(index)?).or_default())
    }

    /// The response that ends the stream, or the answer of a server that does not stream.
    fn end(&mut self, response: &Value, size: usize, out: &mut Vec<Delta>) -> Result<(), StreamError> {
        let usage = &response["usage"];
        if usage.is_object() {
            self.usage = Some(Usage {
                input: count(usage, "input_tokens").unwrap_or_default(),
                output: count(usage, "output_tokens").unwrap_or_default(),
                cached: count(&usage["input_tokens_details"], "cached_tokens").unwrap_or_default(),
                reasoning: count(&usage["output_tokens_details"], "reasoning_tokens").unwrap_or_default(),
            });
        }
        // Some servers tell of their items here only.
        if self.items.is_empty() {
            self.kept.take(size)?;
            for (index, value) in (0..).zip(list(response, "output")) {
                self.arguments.take(text(value, "arguments").unwrap_or_default().len())?;
                let item = Item { value: value.clone(), arguments: String::new() };
                self.items.insert(limits::index(index)?, item);
            }
        }
        if self.said.text().is_empty() {
            let messages = self.items.values().filter(|item| item.value["type"] == "message");
            for part in messages.flat_map(|item| list(&item.value, "content")) {
                let words = text(part, "text").or_else(|| text(part, "refusal"));
                self.said.push(words.unwrap_or_default(), out)?;
            }
        }
        Ok(())
    }
}

fn failed(response: &Value) -> StreamError {
    let error = &response["error"];
    StreamError::Provider(if error.is_object() {
        ProviderFailure::of_error(error, &Value::Null, None)
    } else {
        ProviderFailure::of_reason("failed", None, FailureKind::Other)
    })
}

impl Assembler for Responses {
    fn event(&mut self, event: &Value, size: usize, out: &mut Vec<Delta>) -> Result<(), StreamError> {
        let delta = || text(event, "delta").unwrap_or_default();
        match event["type"].as_str().unwrap_or_default() {
            "response.output_text.delta" | "response.refusal.delta" => self.said.push(delta(), out)?,
            "response.output_item.added" | "response.output_item.done" => {
                self.kept.take(size)?;
                self.item(event)?.value = event["item"].clone();
            }
            "response.function_call_arguments.delta" => {
                self.arguments.take(delta().len())?;
                self.item(event)?.arguments.push_str(delta());
            }
            "response.function_call_arguments.done" => {
                if let Some(arguments) = text(event, "arguments") {
                    self.arguments.take(arguments.len())?;
                    arguments.clone_into(&mut self.item(event)?.arguments);
                }
            }
            "response.completed" => {
                self.end(&event["response"], size, out)?;
                self.finish = Some(Finish::Stop);
            }
            "response.incomplete" => {
                self.end(&event["response"], size, out)?;
                self.finish = Some(incomplete(&event["response"]));
            }
            "response.failed" | "response.cancelled" => return Err(failed(&event["response"])),
            _ => {}
        }
        Ok(())
    }

    fn whole(&mut self, answer: &Value, size: usize, out: &mut Vec<Delta>) -> Result<(), StreamError> {
        let finish = match answer["status"].as_str() {
            Some("failed" | "cancelled") => return Err(failed(answer)),
            Some("incomplete") => incomplete(answer),
            Some("in_progress" | "queued") => return Ok(()),
            _ if answer["output"].is_array() => Finish::Stop,
            _ => return Err(StreamError::Malformed("the answer has no `output`".to_owned())),
        };
        self.end(answer, size, out)?;
        self.finish = Some(finish);
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.finish.is_some()
    }

    fn text(&self) -> &str {
        self.said.text()
    }

    fn finish(self: Box<Self>) -> Result<Reply, StreamError> {
        let text = self.said.into_text();
        let Some(finish) = self.finish else { return Err(StreamError::BrokenOff { text }) };
        let is_call = |item: &Item| item.value["type"] == "function_call";
        let mut items: Vec<Item> = self.items.into_values().filter(|item| item.value.is_object()).collect();
        if finish != Finish::Stop {
            items.retain(|item| !is_call(item));
        }
        let calls = items.iter().filter(|item| is_call(item));
        let closed = close(calls.map(collected).collect());
        let calls = items.iter_mut().filter(|item| is_call(item));
        for (item, call) in calls.zip(&closed.calls) {
            item.value["call_id"] = Value::from(call.id.as_str());
            item.value["name"] = Value::from(call.name.as_str());
            item.value["arguments"] = Value::from(call.arguments.as_str());
            // One that was not completed goes back as one that got an answer.
            item.value["status"] = Value::from("completed");
        }
        let finish = if closed.calls.is_empty() { finish } else { Finish::ToolCalls };
        let value = items.into_iter().map(|item| item.value).collect();
        let raw = Some(Raw::new(Provider::OpenAiResponses, value));
        let assistant = Assistant { text, calls: closed.calls, raw };
        Ok(Reply { assistant, refused: closed.refused, finish, usage: self.usage })
    }
}

/// A call as its item tells it; the pieces of its arguments count where the item has none.
fn collected(item: &Item) -> Collected {
    let value = &item.value;
    let arguments = match &value["arguments"] {
        Value::Null => "",
        Value::String(text) => text.as_str(),
        other => return Collected { arguments: other.to_string(), ..named(value) },
    };
    let arguments = if arguments.trim().is_empty() { &item.arguments } else { arguments };
    Collected { arguments: arguments.to_owned(), ..named(value) }
}

fn named(value: &Value) -> Collected {
    Collected {
        id: text(value, "call_id").unwrap_or_default().to_owned(),
        name: text(value, "name").unwrap_or_default().to_owned(),
        arguments: String::new(),
        is_cut: value["status"] == "incomplete",
    }
}

fn incomplete(response: &Value) -> Finish {
    match response["incomplete_details"]["reason"].as_str() {
        Some("content_filter") => Finish::ContentFilter,
        _ => Finish::Length,
    }
}
