//! Writes the events of a turn as traces.

use std::collections::BTreeSet;

use callgate_model::Usage;
use serde_json::{Value, json};

use crate::agent::{AgentEvent, TextSource};
use crate::tool::{Status, ToolResult};

use super::config::Config;
use super::logs::Level;
use super::stops::{Called, Stops};
use super::trace;

/// Writes the traces of a turn.
#[derive(Debug)]
pub(super) struct Teller {
    config: Config,
    stops: Stops,
    /// Actions of type `static`: their answers may name buttons.
    fixed: BTreeSet<String>,
    /// The lowest level of `log` traces; `None` if there are none.
    level: Option<Level>,
    /// Whether the model's words come piece by piece.
    in_pieces: bool,
    /// Whether a piece has been sent and its end has not.
    is_open: bool,
    /// The model's words that are in no trace yet.
    said: String,
    buttons: Vec<Value>,
    /// The call that the client has to answer; later ones wait.
    called: Option<Called>,
}

impl Teller {
    pub(super) fn new(config: Config, stops: Stops, level: Option<Level>, in_pieces: bool) -> Self {
        Self {
            config,
            stops,
            fixed: BTreeSet::new(),
            level,
            in_pieces,
            is_open: false,
            said: String::new(),
            buttons: Vec::new(),
            called: None,
        }
    }

    /// The same, with these actions of type `static`.
    pub(super) fn with_fixed(self, fixed: BTreeSet<String>) -> Self {
        Self { fixed, ..self }
    }

    /// Whether the client has to do something before the conversation goes on.
    pub(super) fn waits(&self) -> bool {
        matches!(self.called, Some(Called::Custom(_)))
    }

    /// Whether the model has ended the conversation.
    pub(super) fn has_ended(&self) -> bool {
        self.called == Some(Called::End)
    }

    /// Takes a call that the client has to answer, or that ends the conversation.
    pub(super) fn call(&mut self, tool: &str, arguments: &str) {
        if self.called.is_none() {
            self.called = Some(self.stops.called(tool, arguments));
        }
    }

    /// The traces that the client wants.
    pub(super) fn shown(&self, traces: Vec<Value>) -> Vec<Value> {
        traces.into_iter().filter(|one| self.config.shows(trace::kind(one))).collect()
    }

    /// The traces for an event of a turn.
    pub(super) fn told(&mut self, event: AgentEvent) -> Vec<Value> {
        let mut told = Vec::new();
        match event {
            AgentEvent::Text { text, source: TextSource::Model } => self.model_says(&text, &mut told),
            AgentEvent::Text { text, source: TextSource::Start | TextSource::Delayed } => {
                self.flush(None, &mut told);
                let text = text.trim();
                let text = if self.config.strips_ssml { without_tags(text) } else { text.to_owned() };
                if !text.trim().is_empty() {
                    told.push(trace::speak(text.trim()));
                }
            }
            AgentEvent::Text {
                text,
                source: TextSource::Failure | TextSource::Handover | TextSource::Greeting,
            } => {
                self.flush(None, &mut told);
                told.extend(Some(text.trim()).filter(|text| !text.is_empty()).map(trace::text));
            }
            AgentEvent::Round(report) => {
                if !report.calls.is_empty() {
                    self.flush(None, &mut told);
                }
                self.log(Level::Debug, "model", json!(report), &mut told);
            }
            AgentEvent::ToolStarted { .. } => self.flush(None, &mut told),
            AgentEvent::ToolEnded { id, name, result, .. } => {
                self.tool_ended(&id, &name, result.as_deref(), &mut told);
            }
            AgentEvent::CallerCall { name, arguments, .. } => {
                self.flush(None, &mut told);
                self.call(&name, &arguments);
            }
            // Its call came before.
            AgentEvent::Handover(_) => {}
            AgentEvent::Done { usage, failure, .. } => {
                self.flush(Some(usage), &mut told);
                if let Some(failure) = failure {
                    told.push(trace::debug("failure", &format!("{}: {}", failure.code, failure.sentence())));
                    let message = json!({"code": failure.code, "message": failure.sentence()});
                    self.log(Level::Error, "failure", message, &mut told);
                }
                self.close(&mut told);
            }
        }
        self.shown(told)
    }

    /// Adds the traces after all words: buttons, and the call for the client.
    pub(super) fn close(&mut self, told: &mut Vec<Value>) {
        let buttons = std::mem::take(&mut self.buttons);
        if !buttons.is_empty() {
            told.push(trace::choice(&buttons));
        }
        if let Some(Called::Custom(trace)) = &self.called {
            told.push(trace.clone());
        }
    }

    fn model_says(&mut self, text: &str, told: &mut Vec<Value>) {
        if !self.in_pieces {
            self.said.push_str(text);
            return;
        }
        // A new trace needs no space before its first word.
        let text = if self.is_open { text } else { text.trim_start() };
        if text.is_empty() {
            return;
        }
        if !self.is_open {
            self.is_open = true;
            told.push(trace::completion_start());
        }
        told.push(trace::completion_content(text));
    }

    /// Closes the model's words: they become a whole trace.
    fn flush(&mut self, usage: Option<Usage>, told: &mut Vec<Value>) {
        if std::mem::take(&mut self.is_open) {
            told.push(trace::completion_end(usage.map(|usage| (usage.input, usage.output))));
        }
        let said = std::mem::take(&mut self.said);
        told.extend(Some(said.trim()).filter(|said| !said.is_empty()).map(trace::text));
    }

    fn tool_ended(&mut self, id: &str, name: &str, result: Option<&ToolResult>, told: &mut Vec<Value>) {
        self.flush(None, told);
        let status = match result.map(|result| result.status) {
            Some(Status::Success) => "success",
            Some(Status::Error) => "error",
            Some(Status::Failure) => "failure",
            Some(Status::Exception) => "exception",
            None => "not executed",
        };
        let duration_ms = result.map_or(0, |result| result.duration_ms);
        let code = result.and_then(|result| result.error.as_ref()).map(|error| error.code);
        let named = code.map(|code| format!(" ({})", code.as_str())).unwrap_or_default();
        told.push(trace::debug("tool", &format!("`{name}`: {status}{named} after {duration_ms} ms")));
        let message = json!({
            "tool_call_id": id,
            "name": name,
            "status": status,
            "code": code,
            "duration_ms": duration_ms,
        });
        let level = if status == "success" { Level::Info } else { Level::Warn };
        self.log(level, "tool", message, told);
        let fixed =
            result.filter(|result| self.fixed.contains(&result.name) && result.status == Status::Success);
        if let Some(body) = fixed.and_then(|result| result.body.as_deref()) {
            let body: Value = serde_json::from_str(body.get()).unwrap_or_default();
            self.buttons.extend(body.get("choice").map(trace::buttons).unwrap_or_default());
        }
    }

    fn log(&self, level: Level, kind: &str, message: Value, told: &mut Vec<Value>) {
        if self.level.is_some_and(|least| level >= least) {
            told.push(trace::log(kind, level.as_str(), message));
        }
    }
}

/// A text without SSML tags.
fn without_tags(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('<') {
        plain.push_str(before);
        let is_tag =
            behind.starts_with(|sign: char| sign.is_ascii_alphabetic() || sign == '/' || sign == '!');
        match behind.split_once('>').filter(|_| is_tag) {
            Some((_, behind)) => rest = behind,
            None => {
                plain.push('<');
                rest = behind;
            }
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::value::RawValue;

    use crate::agent::{RoundReport, TurnFailure, TurnFinish};

    use super::*;

    fn text(text: &str, source: TextSource) -> AgentEvent {
        AgentEvent::Text { text: text.to_owned(), source }
    }

    fn round(calls: &[&str]) -> AgentEvent {
        let calls = calls.iter().map(|name| (*name).to_owned()).collect();
        AgentEvent::Round(RoundReport {
            round: 1,
            model: "m".to_owned(),
            first_token_ms: 1,
            took_ms: 2,
            calls,
        })
    }

    fn started(name: &str) -> AgentEvent {
        let arguments = RawValue::from_string("{}".to_owned()).unwrap();
        AgentEvent::ToolStarted { id: "call_1".to_owned(), name: name.to_owned(), arguments }
    }

    fn ended(name: &str, body: Value) -> AgentEvent {
        let result: ToolResult = serde_json::from_value(json!({
            "tool_call_id": "call_1", "name": name, "status": "success", "status_code": null, "body": body, "variables": {},
            "error": null, "attempts": 0, "duration_ms": 3, "timestamp": "2026-01-01T00:00:00Z",
        }))
        .unwrap();
        let name = name.to_owned();
        AgentEvent::ToolEnded {
            id: "call_1".to_owned(),
            name,
            content: String::new(),
            result: Some(Arc::new(result)),
        }
    }

    fn caller_call(name: &str) -> AgentEvent {
        let (name, arguments) = (name.to_owned(), r#"{"queue":"sales"}"#.to_owned());
        AgentEvent::CallerCall { id: "call_cg".to_owned(), name, arguments }
    }

    fn done() -> AgentEvent {
        let usage = Usage { input: 31, output: 12, ..Usage::default() };
        AgentEvent::Done { finish: TurnFinish::Stop, usage, failure: None }
    }

    /// One line per trace: its type and its main value.
    fn told(teller: &mut Teller, events: Vec<AgentEvent>) -> Vec<String> {
        let traces = events.into_iter().flat_map(|event| teller.told(event));
        let line = |trace: Value| {
            let payload = &trace["payload"];
            let said = ["message", "content", "state", "buttons"].iter().map(|name| &payload[*name]);
            let said = said.into_iter().find(|value| !value.is_null()).unwrap_or(payload);
            let said = said.as_str().map_or_else(|| said.to_string(), str::to_owned);
            format!("{}: {said}", trace::kind(&trace))
        };
        traces.map(line).collect()
    }

    fn teller(config: Value, level: Option<Level>, in_pieces: bool) -> Teller {
        let config = Config::read(&config).unwrap();
        Teller::new(config, Stops::default(), level, in_pieces)
            .with_fixed(BTreeSet::from(["sizes".to_owned()]))
    }

    fn a_turn() -> Vec<AgentEvent> {
        vec![
            text("Let me", TextSource::Model),
            text(" see.", TextSource::Model),
            round(&["sizes"]),
            started("sizes"),
            text(" <prosody rate=\"slow\">One moment</prosody>... ", TextSource::Start),
            ended("sizes", json!({"choice": ["Small", "Large"]})),
            text("Small or", TextSource::Model),
            text(" large?", TextSource::Model),
            round(&[]),
            done(),
        ]
    }

    #[test]
    fn a_turn_is_told_round_by_round() {
        let expected = [
            "text: Let me see.",
            "speak: One moment...",
            "text: Small or large?",
            r#"choice: [{"name":"Small","request":{"type":"text","payload":"Small"}},{"name":"Large","request":{"type":"text","payload":"Large"}}]"#,
        ];
        assert_eq!(told(&mut teller(json!(null), None, false), a_turn()), expected);
        let all =
            told(&mut teller(json!({"excludeTypes": ["choice"], "stripSSML": false}), None, false), a_turn());
        let expected = [
            "text: Let me see.",
            "speak: <prosody rate=\"slow\">One moment</prosody>...",
            "debug: `sizes`: success after 3 ms",
            "text: Small or large?",
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn in_pieces_only_the_model_is_told() {
        let expected = [
            "completion: start",
            "completion: Let me",
            "completion:  see.",
            "completion: end",
            "speak: One moment...",
            "completion: start",
            "completion: Small or",
            "completion:  large?",
            "completion: end",
        ];
        let config = json!({"excludeTypes": ["debug", "choice"]});
        assert_eq!(told(&mut teller(config.clone(), None, true), a_turn()), expected);
        let mut teller = teller(config, None, true);
        let traces: Vec<Value> = a_turn().into_iter().flat_map(|event| teller.told(event)).collect();
        let ends: Vec<_> = traces.iter().filter(|trace| trace["payload"]["state"] == "end").collect();
        assert_eq!(ends[0]["payload"], json!({"state": "end"}));
        assert_eq!(ends[1]["payload"]["tokens"], json!({"query": 31, "answer": 12, "total": 43}));
    }

    #[test]
    fn only_fixed_answers_give_buttons() {
        let events = vec![ended("other", json!({"choice": ["Small"]})), done()];
        assert!(told(&mut teller(json!(null), None, false), events).is_empty());
    }

    #[test]
    fn one_thing_is_asked_of_the_client_at_a_time_and_last() {
        let mut teller = teller(json!(null), None, false);
        let events = vec![
            text("I put you through.", TextSource::Handover),
            ended("sizes", json!({"choice": ["Small"]})),
            caller_call("to_sales"),
            caller_call("to_support"),
            done(),
        ];
        let told = told(&mut teller, events);
        let kinds: Vec<&str> =
            told.iter().filter_map(|line| line.split_once(':')).map(|(kind, _)| kind).collect();
        assert_eq!(kinds, ["text", "choice", "to_sales"]);
        assert!(teller.waits() && !teller.has_ended());
    }

    #[test]
    fn the_log_is_told_from_a_level_on() {
        let failed = || {
            let failure = TurnFailure { code: "model_timeout", message: "no answer".to_owned() };
            let usage = Usage::default();
            AgentEvent::Done { finish: TurnFinish::Stop, usage, failure: Some(failure) }
        };
        let told = |level| {
            let mut teller = teller(json!(null), level, false);
            let events = vec![round(&["other"]), ended("other", json!({})), failed()];
            let traces = events.into_iter().flat_map(|event| teller.told(event));
            traces.map(|trace| trace["payload"]["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(told(None), [""; 0]);
        assert_eq!(told(Some(Level::Debug)), ["model", "tool", "failure"]);
        assert_eq!(told(Some(Level::Info)), ["tool", "failure"]);
        assert_eq!(told(Some(Level::Error)), ["failure"]);
    }

    #[test]
    fn tags_are_taken_out_and_nothing_else() {
        for (text, expected) in [
            ("<speak>One <break time=\"1s\"/>moment</speak>", "One moment"),
            ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
            ("a <b", "a <b"),
            ("", ""),
        ] {
            assert_eq!(without_tags(text), expected);
        }
    }
}
