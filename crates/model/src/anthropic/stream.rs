//! The stream.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::assembler::{Assembler, count, list, text};
use crate::closing::{Collected, close};
use crate::limits::{self, Budget};
use crate::message::{Assistant, Raw};
use crate::provider::Provider;
use crate::reply::{Delta, Finish, Reply, StreamError, Usage};
use crate::said::Said;

/// Reads events. A block has its `index` as its key.
#[derive(Debug)]
pub(crate) struct Anthropic {
    said: Said,
    blocks: BTreeMap<u64, Block>,
    arguments: Budget,
    kept: Budget,
    stop_reason: Option<String>,
    is_stopped: bool,
    usage: Option<Counts>,
}

/// A block of the content.
#[derive(Debug, Default)]
struct Block {
    /// As it began.
    value: Value,
    /// Its text, or its thinking.
    words: String,
    /// The JSON of its input, in pieces.
    input: String,
    is_stopped: bool,
}

/// Each is the sum so far, so a later one takes its place.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    input: u64,
    created: u64,
    cached: u64,
    output: u64,
}

impl Anthropic {
    pub(crate) fn new() -> Self {
        Self {
            said: Said::plain(),
            blocks: BTreeMap::new(),
            arguments: Budget::arguments(),
            kept: Budget::kept(),
            stop_reason: None,
            is_stopped: false,
            usage: None,
        }
    }

    fn block(&mut self, event: &Value) -> Result<&mut Block, StreamError> {
        let index = limits::index(count(event, "index").unwrap_or_default())?;
        Ok(self.blocks.entry(index).or_default())
    }

    fn begin(&mut self, event: &Value, size: usize, out: &mut Vec<Delta>) -> Result<(), StreamError> {
        self.kept.take(size)?;
        let value = event["content_block"].clone();
        let words = match value["type"].as_str() {
            Some("text") => {
                let words = text(&value, "text").unwrap_or_default();
                self.said.push(words, out)?;
                words
            }
            Some("thinking") => text(&value, "thinking").unwrap_or_default(),
            _ => "",
        };
        let words = words.to_owned();
        *self.block(event)? = Block { value, words, ..Block::default() };
        Ok(())
    }

    fn delta(&mut self, event: &Value, size: usize, out: &mut Vec<Delta>) -> Result<(), StreamError> {
        let delta = &event["delta"];
        match delta["type"].as_str().unwrap_or_default() {
            "text_delta" => {
                let words = text(delta, "text").unwrap_or_default();
                self.said.push(words, out)?;
                self.block(event)?.words.push_str(words);
            }
            "input_json_delta" => {
                let piece = text(delta, "partial_json").unwrap_or_default();
                self.arguments.take(piece.len())?;
                self.block(event)?.input.push_str(piece);
            }
            "thinking_delta" => {
                let words = text(delta, "thinking").unwrap_or_default();
                self.kept.take(words.len())?;
                self.block(event)?.words.push_str(words);
            }
            "signature_delta" => {
                self.kept.take(size)?;
                self.keep(event, |block| block["signature"] = delta["signature"].clone())?;
            }
            "citations_delta" => {
                self.kept.take(size)?;
                self.keep(event, |block| {
                    if !block["citations"].is_array() {
                        block["citations"] = json!([]);
                    }
                    if let Some(all) = block["citations"].as_array_mut() {
                        all.push(delta["citation"].clone());
                    }
                })?;
            }
            _ => {}
        }
        Ok(())
    }

    fn keep(&mut self, event: &Value, change: impl FnOnce(&mut Value)) -> Result<(), StreamError> {
        let block = self.block(event)?;
        if block.value.is_object() {
            change(&mut block.value);
        }
        Ok(())
    }

    fn count(&mut self, usage: &Value) {
        if !usage.is_object() {
            return;
        }
        let counts = self.usage.get_or_insert_default();
        for (name, place) in [
            ("input_tokens", &mut counts.input),
            ("cache_creation_input_tokens", &mut counts.created),
            ("cache_read_input_tokens", &mut counts.cached),
            ("output_tokens", &mut counts.output),
        ] {
            if let Some(number) = count(usage, name) {
                *place = number;
            }
        }
    }
}

impl Assembler for Anthropic {
    fn event(&mut self, event: &Value, size: usize, out: &mut Vec<Delta>) -> Result<(), StreamError> {
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => self.count(&event["message"]["usage"]),
            "content_block_start" => self.begin(event, size, out)?,
            "content_block_delta" => self.delta(event, size, out)?,
            "content_block_stop" => self.block(event)?.is_stopped = true,
            "message_delta" => {
                self.count(&event["usage"]);
                if let Some(reason) = text(&event["delta"], "stop_reason") {
                    self.stop_reason = Some(reason.to_owned());
                }
            }
            "message_stop" => self.is_stopped = true,
            // `ping`, and what is still to be invented.
            _ => {}
        }
        Ok(())
    }

    fn whole(&mut self, answer: &Value, size: usize, out: &mut Vec<Delta>) -> Result<(), StreamError> {
        if !answer["content"].is_array() {
            return Err(StreamError::Malformed("the answer has no `content`".to_owned()));
        }
        self.count(&answer["usage"]);
        self.kept.take(size)?;
        for (index, value) in (0..).zip(list(answer, "content")) {
            let mut block = Block { value: value.clone(), is_stopped: true, ..Block::default() };
            match value["type"].as_str() {
                Some("text") => {
                    text(value, "text").unwrap_or_default().clone_into(&mut block.words);
                    self.said.push(&block.words, out)?;
                }
                Some("thinking") => {
                    text(value, "thinking").unwrap_or_default().clone_into(&mut block.words);
                }
                _ => self.arguments.take(value["input"].to_string().len())?,
            }
            self.blocks.insert(limits::index(index)?, block);
        }
        self.stop_reason = Some(text(answer, "stop_reason").unwrap_or("end_turn").to_owned());
        self.is_stopped = true;
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.is_stopped
    }

    fn text(&self) -> &str {
        self.said.text()
    }

    fn finish(self: Box<Self>) -> Result<Reply, StreamError> {
        let text = self.said.into_text();
        // `message_stop` says nothing more than `message_delta` has said.
        let Some(reason) = self.stop_reason else { return Err(StreamError::BrokenOff { text }) };
        let finish = match reason.as_str() {
            "max_tokens" | "model_context_window_exceeded" => Finish::Length,
            "refusal" => Finish::ContentFilter,
            _ => Finish::Stop,
        };
        let is_call = |block: &Block| block.value["type"] == "tool_use";
        let mut blocks: Vec<Block> =
            self.blocks.into_values().filter(|block| block.value.is_object()).collect();
        if finish != Finish::Stop {
            // Thinking that was cut has no signature.
            blocks.retain(|block| !is_call(block) && block.is_stopped || block.value["type"] == "text");
        }
        let closed = close(blocks.iter().filter(|block| is_call(block)).map(collected).collect());
        let mut calls = closed.calls.iter();
        let value = blocks.into_iter().map(|block| {
            let call = if is_call(&block) { calls.next() } else { None };
            let Block { mut value, words, input, .. } = block;
            match (value["type"].as_str(), call) {
                (_, Some(call)) => {
                    value["id"] = Value::from(call.id.as_str());
                    value["name"] = Value::from(call.name.as_str());
                    value["input"] = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
                }
                (Some("text"), None) => value["text"] = Value::from(words),
                (Some("thinking"), None) => value["thinking"] = Value::from(words),
                // A tool that Anthropic runs itself.
                _ if !input.is_empty() => {
                    value["input"] = serde_json::from_str(&input).unwrap_or_else(|_| json!({}));
                }
                _ => {}
            }
            value
        });
        let value = value.collect();
        let finish = if closed.calls.is_empty() { finish } else { Finish::ToolCalls };
        let usage = self.usage.map(|counts| Usage {
            input: counts.input.saturating_add(counts.created).saturating_add(counts.cached),
            output: counts.output,
            cached: counts.cached,
            reasoning: 0,
        });
        let raw = Some(Raw::new(Provider::Anthropic, value));
        let assistant = Assistant { text, calls: closed.calls, raw };
        Ok(Reply { assistant, refused: closed.refused, finish, usage })
    }
}

/// A call as its block tells it. The input it began with counts where no piece came.
fn collected(block: &Block) -> Collected {
    let arguments = match &block.value["input"] {
        _ if !block.input.is_empty() => block.input.clone(),
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Collected {
        id: text(&block.value, "id").unwrap_or_default().to_owned(),
        name: text(&block.value, "name").unwrap_or_default().to_owned(),
        arguments,
        is_cut: !block.is_stopped,
    }
}
