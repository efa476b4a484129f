//! The stream: whole parts, several in a chunk or one.

use serde_json::{Value, json};

use super::ids::{call, ids};
use crate::assembler::{Assembler, count, list, text};
use crate::closing::{Collected, close};
use crate::failure::{FailureKind, ProviderFailure};
use crate::limits::{self, Budget};
use crate::message::{Assistant, Raw};
use crate::provider::Provider;
use crate::reply::{Delta, Finish, Reply, StreamError, Usage};
use crate::said::Said;

/// Reads chunks.
#[derive(Debug)]
pub(crate) struct Gemini {
    said: Said,
    parts: Vec<Value>,
    /// The words of the last part, which has no signature: the next one may go on with them.
    open: Option<String>,
    calls: u64,
    arguments: Budget,
    kept: Budget,
    finish: Option<String>,
    message: Option<String>,
    is_whole: bool,
    usage: Option<Usage>,
}

impl Gemini {
    pub(crate) fn new() -> Self {
        Self {
            said: Said::plain(),
            parts: Vec::new(),
            open: None,
            calls: 0,
            arguments: Budget::arguments(),
            kept: Budget::kept(),
            finish: None,
            message: None,
            is_whole: false,
            usage: None,
        }
    }

    fn part(&mut self, part: &Value, size: usize, out: &mut Vec<Delta>) -> Result<(), StreamError> {
        let is_signed = text(part, "thoughtSignature").is_some();
        let is_thought = part["thought"] == true;
        if let (Some(words), false) = (part["text"].as_str(), is_thought) {
            self.said.push(words, out)?;
            if !is_signed {
                self.open.get_or_insert_default().push_str(words);
                return Ok(());
            }
        } else if let Some(call) = call(part) {
            self.calls += 1;
            limits::index(self.calls - 1)?;
            self.arguments.take(call["args"].to_string().len())?;
        } else if is_thought && !is_signed {
            // A summary of thinking is for people, and nobody asked for it.
            return Ok(());
        }
        self.kept.take(size)?;
        self.close_text();
        self.parts.push(part.clone());
        Ok(())
    }

    fn close_text(&mut self) {
        if let Some(words) = self.open.take().filter(|words| !words.is_empty()) {
            self.parts.push(json!({"text": words}));
        }
    }
}

impl Assembler for Gemini {
    fn event(&mut self, chunk: &Value, size: usize, out: &mut Vec<Delta>) -> Result<(), StreamError> {
        let usage = &chunk["usageMetadata"];
        if usage.is_object() {
            let of = |name: &str| count(usage, name).unwrap_or_default();
            let reasoning = of("thoughtsTokenCount");
            self.usage = Some(Usage {
                input: of("promptTokenCount").saturating_add(of("toolUsePromptTokenCount")),
                output: of("candidatesTokenCount").saturating_add(reasoning),
                cached: of("cachedContentTokenCount"),
                reasoning,
            });
        }
        if text(&chunk["promptFeedback"], "blockReason").is_some() {
            self.finish = Some("PROHIBITED_CONTENT".to_owned());
        }
        let Some(candidate) = list(chunk, "candidates").first() else { return Ok(()) };
        for part in list(&candidate["content"], "parts") {
            self.part(part, size, out)?;
        }
        if let Some(reason) =
            text(candidate, "finishReason").filter(|why| *why != "FINISH_REASON_UNSPECIFIED")
        {
            self.finish = Some(reason.to_owned());
            self.message = text(candidate, "finishMessage").map(str::to_owned);
        }
        Ok(())
    }

    fn whole(&mut self, answer: &Value, size: usize, out: &mut Vec<Delta>) -> Result<(), StreamError> {
        // Without `alt=sse` the chunks are a list.
        let chunks = answer.as_array().map_or(std::slice::from_ref(answer), Vec::as_slice);
        for chunk in chunks {
            if chunk["candidates"].is_null() && chunk["promptFeedback"].is_null() {
                return Err(StreamError::Malformed("the answer has no `candidates`".to_owned()));
            }
            self.event(chunk, size, out)?;
        }
        self.is_whole = true;
        Ok(())
    }

    fn is_complete(&self) -> bool {
        // A stream has no mark of its end: some models give a reason with every chunk.
        self.is_whole
    }

    fn text(&self) -> &str {
        self.said.text()
    }

    fn finish(mut self: Box<Self>) -> Result<Reply, StreamError> {
        self.close_text();
        let text = self.said.text().to_owned();
        let finish = match self.finish.as_deref() {
            None => return Err(StreamError::BrokenOff { text }),
            Some("MAX_TOKENS") => Finish::Length,
            Some(
                "SAFETY" | "RECITATION" | "LANGUAGE" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII"
                | "IMAGE_SAFETY",
            ) => Finish::ContentFilter,
            Some("STOP") => Finish::Stop,
            // `MALFORMED_FUNCTION_CALL` and its like: the model meant to call something, and there is no call.
            Some(why) => {
                let failure = ProviderFailure::of_reason(why, self.message.as_deref(), FailureKind::Unusable);
                return Err(StreamError::Provider(failure));
            }
        };
        if finish != Finish::Stop {
            self.parts.retain(|part| call(part).is_none());
        }
        let own = ids(&self.parts);
        let collected = self.parts.iter().filter_map(call).zip(own).map(|(call, id)| Collected {
            id,
            name: crate::assembler::text(call, "name").unwrap_or_default().to_owned(),
            arguments: match &call["args"] {
                Value::Null => String::new(),
                args => args.to_string(),
            },
            is_cut: call["willContinue"] == true,
        });
        let closed = close(collected.collect());
        let calls = self.parts.iter_mut().filter(|part| call(part).is_some());
        for (part, refused) in calls.zip(&closed.calls) {
            let is_refused = closed.refused.iter().any(|one| one.call.id == refused.id);
            if is_refused {
                part["functionCall"]["name"] = Value::from(refused.name.as_str());
                part["functionCall"]["args"] = json!({});
            }
        }
        let finish = if closed.calls.is_empty() { finish } else { Finish::ToolCalls };
        let raw = Some(Raw::new(Provider::Gemini, Value::Array(self.parts)));
        let assistant = Assistant { text, calls: closed.calls, raw };
        Ok(Reply { assistant, refused: closed.refused, finish, usage: self.usage })
    }
}
