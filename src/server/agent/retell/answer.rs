//! The answer to one request of Retell's: what happens in a turn, as frames.

use serde_json::{Value, from_str};

use crate::agent::{AgentEvent, TextSource};
use crate::tool::{Handover, Status};

use super::frames::{self, Piece, Then};

/// The tool by which the model ends a phone call. Retell hangs up once the answer is spoken.
pub(super) const END_CALL: &str = "end_call";

/// An answer on its way. It is always closed exactly once: while one is open, Retell neither reminds nor asks again.
#[derive(Debug)]
pub(super) struct Answer {
    id: u64,
    /// Calls that Retell knows of and that have not ended: their ids and names.
    calls: Vec<(String, String)>,
    ends_in_space: bool,
    /// Whether we added that trailing space ourselves.
    has_own_space: bool,
    /// Whether the model has spoken in the current round, and in the one before.
    has_spoken: [bool; 2],
    /// The text of the last piece.
    last_words: String,
    next: Next,
    is_closed: bool,
}

/// What comes after the answer.
#[derive(Debug)]
enum Next {
    Listen,
    EndCall,
    Transfer(String),
}

impl Answer {
    /// The answer to request `id`.
    pub(super) fn new(id: u64) -> Self {
        Self {
            id,
            calls: Vec::new(),
            ends_in_space: true,
            has_own_space: false,
            has_spoken: [false; 2],
            last_words: String::new(),
            next: Next::Listen,
            is_closed: false,
        }
    }

    /// The frames for `event`.
    pub(super) fn frames(&mut self, event: AgentEvent) -> Vec<String> {
        match event {
            // Retell does what follows once the words of its frame are spoken.
            AgentEvent::Text { text, source: TextSource::Handover } => {
                self.last_words.push_str(&text);
                Vec::new()
            }
            AgentEvent::Text { text, source } => {
                self.has_spoken[0] |= source == TextSource::Model && !text.trim().is_empty();
                self.say(&text).into_iter().collect()
            }
            AgentEvent::Round(_) => {
                self.has_spoken = [false, self.has_spoken[0]];
                Vec::new()
            }
            AgentEvent::ToolStarted { id, name, arguments } => {
                // The words so far are a sentence. Without a space behind them, Retell might hold them back, and the next
                // words would run into them.
                let space = (!self.ends_in_space).then(|| self.say(" ")).flatten();
                self.has_own_space |= space.is_some();
                let frame = frames::invocation(&id, &name, &arguments);
                self.calls.push((id, name));
                space.into_iter().chain([frame]).collect()
            }
            AgentEvent::ToolEnded { id, name, content, result } => {
                // A call that was not executed has only the id from the model.
                let known = self.calls.iter().position(|(known, _)| *known == id);
                let known = known.or_else(|| self.calls.iter().position(|(_, known)| *known == name));
                let Some(known) = known else { return Vec::new() };
                let (id, _) = self.calls.remove(known);
                let is_success = result.is_some_and(|result| result.status == Status::Success);
                vec![frames::result(&id, &content, is_success)]
            }
            AgentEvent::CallerCall { name, arguments, .. } => {
                if name == END_CALL {
                    self.end_call(&arguments);
                }
                Vec::new()
            }
            AgentEvent::Handover(handover) => {
                self.transfer(handover);
                Vec::new()
            }
            AgentEvent::Done { .. } => self.close().into_iter().collect(),
        }
    }

    /// Says a piece of the answer.
    pub(super) fn say(&mut self, text: &str) -> Option<String> {
        let text = match std::mem::take(&mut self.has_own_space) {
            true => text.strip_prefix(' ').unwrap_or(text),
            false => text,
        };
        if text.is_empty() || self.is_closed {
            return None;
        }
        self.ends_in_space = text.ends_with(char::is_whitespace);
        Some(Piece { id: self.id, content: text, ..Piece::default() }.frame())
    }

    /// The last piece; `None` if it was sent already.
    pub(super) fn close(&mut self) -> Option<String> {
        if std::mem::replace(&mut self.is_closed, true) {
            return None;
        }
        let then = match &self.next {
            Next::Listen => Then::Listen,
            Next::EndCall => Then::EndCall,
            Next::Transfer(number) => Then::Transfer(number),
        };
        Some(Piece { id: self.id, content: &self.last_words, is_last: true, then }.frame())
    }

    fn end_call(&mut self, arguments: &str) {
        // A transfer ends the answer in another way.
        if matches!(self.next, Next::Transfer(_)) {
            return;
        }
        self.next = Next::EndCall;
        // If the model has spoken, the words of its call would be a second farewell.
        if !self.has_spoken[1] {
            let arguments: Value = from_str(arguments).unwrap_or_default();
            let message = arguments["message"].as_str().unwrap_or_default();
            message.trim().clone_into(&mut self.last_words);
        }
    }

    fn transfer(&mut self, handover: Handover) {
        match handover.phone_number {
            Some(number) => self.next = Next::Transfer(number),
            None => tracing::warn!(
                "a person was not transferred: Retell takes a phone number, and the handover has a queue only"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use callgate_model::Usage;
    use serde_json::json;
    use serde_json::value::RawValue;

    use super::*;
    use crate::agent::{RoundReport, TurnFinish};

    fn text(text: &str, source: TextSource) -> AgentEvent {
        AgentEvent::Text { text: text.to_owned(), source }
    }

    fn round() -> AgentEvent {
        let model = "m".to_owned();
        AgentEvent::Round(RoundReport { round: 1, model, first_token_ms: 0, took_ms: 0, calls: Vec::new() })
    }

    fn started(id: &str) -> AgentEvent {
        let arguments = RawValue::from_string("{\"a\": [1, 2]}".to_owned()).unwrap();
        AgentEvent::ToolStarted { id: id.to_owned(), name: "look_up".to_owned(), arguments }
    }

    fn ended(id: &str) -> AgentEvent {
        AgentEvent::ToolEnded {
            id: id.to_owned(),
            name: "look_up".to_owned(),
            content: "gone".to_owned(),
            result: None,
        }
    }

    fn end_call(arguments: &str) -> AgentEvent {
        AgentEvent::CallerCall {
            id: "x".to_owned(),
            name: END_CALL.to_owned(),
            arguments: arguments.to_owned(),
        }
    }

    fn handover(phone_number: Option<&str>) -> AgentEvent {
        let phone_number = phone_number.map(str::to_owned);
        AgentEvent::Handover(Handover { phone_number, queue: Some("sales".to_owned()), message: None })
    }

    fn done() -> AgentEvent {
        AgentEvent::Done { finish: TurnFinish::Stop, usage: Usage::default(), failure: None }
    }

    #[track_caller]
    fn check(events: Vec<AgentEvent>, expected: &[Value]) {
        let mut answer = Answer::new(3);
        let mut frames = Vec::new();
        for event in events {
            frames.extend(answer.frames(event));
        }
        frames.extend(answer.close());
        let frames: Vec<Value> = frames.iter().map(|frame| from_str(frame).unwrap()).collect();
        assert_eq!(frames, expected);
        assert_eq!(answer.close(), None);
        assert_eq!(answer.say("late"), None);
    }

    fn said(content: &str) -> Value {
        json!({"response_type": "response", "response_id": 3, "content": content, "content_complete": false})
    }

    fn last(content: &str) -> Value {
        json!({"response_type": "response", "response_id": 3, "content": content, "content_complete": true})
    }

    fn invoked(id: &str) -> Value {
        json!({"response_type": "tool_call_invocation", "tool_call_id": id, "name": "look_up", "arguments": "{\"a\": [1, 2]}"})
    }

    fn failed(id: &str) -> Value {
        json!({"response_type": "tool_call_result", "tool_call_id": id, "content": "gone", "successful": false})
    }

    #[test]
    fn an_answer_is_closed_once_whatever_comes() {
        check(Vec::new(), &[last("")]);
        check(vec![done()], &[last("")]);
        let words = vec![
            text("It is", TextSource::Model),
            text("", TextSource::Model),
            text(" here.", TextSource::Model),
        ];
        check(words, &[said("It is"), said(" here."), last("")]);
    }

    #[test]
    fn what_is_said_before_a_tool_ends_in_a_space() {
        let events = vec![
            text("Let me see.", TextSource::Model),
            round(),
            started("a"),
            started("b"),
            ended("b"),
            ended("a"),
        ];
        let expected =
            [said("Let me see."), said(" "), invoked("a"), invoked("b"), failed("b"), failed("a"), last("")];
        check(events, &expected);
        // There is one space: the next text brings it only if none was sent before.
        let words = |words: &str| text(words, TextSource::Model);
        let events = vec![words("Well."), started("a"), ended("a"), words(" It"), words(" is.")];
        check(
            events,
            &[said("Well."), said(" "), invoked("a"), failed("a"), said("It"), said(" is."), last("")],
        );
        let events =
            vec![round(), started("a"), text("One moment... ", TextSource::Start), ended("a"), done()];
        check(events, &[invoked("a"), said("One moment... "), failed("a"), last("")]);
    }

    #[test]
    fn a_result_has_the_id_of_its_call_and_none_is_told_without_one() {
        check(
            vec![started("a"), ended("the model's id"), ended("a")],
            &[invoked("a"), failed("a"), last("")],
        );
        check(vec![ended("settled"), done()], &[last("")]);
    }

    #[test]
    fn a_farewell_is_said_once_and_then_the_call_ends() {
        let mut end = last("Goodbye!");
        end["end_call"] = true.into();
        check(vec![round(), end_call("{\"message\": \" Goodbye! \"}"), done()], std::slice::from_ref(&end));
        // The words of an earlier round are no farewell.
        let words = text("Done. ", TextSource::Model);
        let events =
            vec![words, round(), started("a"), ended("a"), round(), end_call("{\"message\": \"Goodbye!\"}")];
        check(events, &[said("Done. "), invoked("a"), failed("a"), end.clone()]);
        end["content"] = "".into();
        let events =
            vec![text("Bye.", TextSource::Model), round(), end_call("{\"message\": \"Goodbye!\"}"), done()];
        check(events, &[said("Bye."), end.clone()]);
        check(vec![round(), end_call("[]"), done()], std::slice::from_ref(&end));
    }

    #[test]
    fn a_transfer_comes_with_its_last_words() {
        let words = text("I will put you through. ", TextSource::Handover);
        let mut end = last("I will put you through. ");
        end["transfer_number"] = "+15551234567".into();
        check(
            vec![round(), words.clone(), handover(Some("+15551234567")), done()],
            std::slice::from_ref(&end),
        );
        let both =
            vec![words.clone(), handover(Some("+15551234567")), end_call("{\"message\": \"Bye\"}"), done()];
        check(both, std::slice::from_ref(&end));
        check(vec![words, handover(None), done()], &[last("I will put you through. ")]);
    }
}
