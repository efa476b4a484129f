//! What the client does itself, as tools of the model.
//!
//! If a stop type is the name of one of the agent's actions, the client does that action: the model sees its description
//! and parameters. The client always does handovers. `end` lets the model end the conversation. Of any other type, the
//! model knows the description in the request, or only the name. In the latter case the agent's instructions must say when
//! to call it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

use crate::action::Kind;
use crate::agent::CallerTool;
use crate::executor::{ServedAgent, ServedEnvironment};
use crate::tool::ToolSpec;

use super::config::Stop;
use super::trace;

/// The type that ends the conversation.
const END: &str = "end";
/// Longest name of a tool that all providers take.
const MAX_NAME: usize = 64;

/// The stop types of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Stops {
    /// The tools that the model may call.
    pub(super) tools: Vec<CallerTool>,
    known: Vec<Known>,
}

#[derive(Clone, Debug)]
struct Known {
    /// The name of the tool.
    tool: String,
    stop: Stop,
    form: Form,
}

/// What the arguments of a call mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// The payload.
    Payload,
    /// One text: the payload, or its JSON.
    Text,
    /// Nothing: the conversation ends.
    End,
}

/// A call of the model's that is for the client.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Called {
    /// The client does something and answers.
    Custom(Value),
    /// The conversation is over.
    End,
}

impl Stops {
    /// The tools of these types, beside the actions of `agent`.
    pub(super) fn new(stops: &[Stop], agent: &ServedAgent, environment: Option<&ServedEnvironment>) -> Self {
        let mut all = Self::default();
        let offered = environment.into_iter().flat_map(ServedEnvironment::offered);
        let mut taken: BTreeSet<String> =
            offered.map(|served| served.action.name.as_str().to_owned()).collect();
        for stop in stops.iter().filter(|stop| !trace::is_own(&stop.kind)) {
            let served = environment.and_then(|environment| environment.find(&stop.kind));
            let served = served.filter(|served| {
                served.action.on.is_none() && agent.agent.offered.names(served.action.name.as_str())
            });
            let (tool, description, parameters, form) = match served.map(|served| &served.action) {
                // The client gets it without a stop type.
                Some(action) if matches!(action.kind, Kind::Handover(_)) => continue,
                Some(action) => {
                    let spec = ToolSpec::from(action);
                    let (description, parameters) = (spec.description.to_owned(), spec.parameters.clone());
                    (spec.name.to_owned(), description, parameters, Form::Payload)
                }
                None => {
                    let (description, parameters, form) = described(stop);
                    (free_name(&stop.kind, &taken), description, parameters, form)
                }
            };
            taken.insert(tool.clone());
            all.tools.push(caller_tool(&tool, description, parameters));
            all.known.push(Known { tool, stop: stop.clone(), form });
        }
        all
    }

    /// A call as the client gets it.
    pub(super) fn called(&self, tool: &str, arguments: &str) -> Called {
        let arguments: Map<String, Value> = serde_json::from_str(arguments).unwrap_or_default();
        let Some(Known { stop, form, .. }) = self.known.iter().find(|known| known.tool == tool) else {
            return Called::Custom(trace::custom(tool, Value::Object(arguments), Stop::named(tool).paths()));
        };
        let payload = match form {
            Form::Payload => Value::Object(arguments),
            Form::Text => match arguments.get("payload") {
                Some(Value::String(text)) => match serde_json::from_str(text) {
                    Ok(written @ (Value::Object(_) | Value::Array(_))) => written,
                    // The digits of a number have to stay, whatever the client's language makes of numbers.
                    _ => Value::from(text.as_str()),
                },
                Some(other) => other.clone(),
                None => Value::Object(arguments),
            },
            Form::End => return Called::End,
        };
        Called::Custom(trace::custom(&stop.kind, payload, stop.paths()))
    }
}

/// Describes a stop type that is not an action: in the request's words, else in default ones.
fn described(stop: &Stop) -> (String, Value, Form) {
    let said = stop.description.clone();
    match &stop.parameters {
        Some(parameters) => {
            let description =
                said.unwrap_or_else(|| format!("Does “{}” in the app of the person.", stop.kind));
            (description, parameters.clone(), Form::Payload)
        }
        None if stop.kind == END => {
            let usual = "Ends the conversation. Call it when there is nothing more to do and the person has said goodbye.";
            (said.unwrap_or_else(|| usual.to_owned()), json!({"type": "object", "properties": {}}), Form::End)
        }
        None => {
            let usual = format!(
                "Has the app of the person do “{}”, and waits for what comes of it. Use it only as your instructions say.",
                stop.kind
            );
            let payload = "What the app has to know for it: a text, or JSON.";
            let parameters = json!({"type": "object", "properties": {"payload": {"type": "string", "description": payload}}});
            (said.unwrap_or(usual), parameters, Form::Text)
        }
    }
}

/// A unique name that all providers take.
fn free_name(kind: &str, taken: &BTreeSet<String>) -> String {
    let plain: String = kind
        .chars()
        .map(|sign| if sign.is_ascii_alphanumeric() || sign == '_' || sign == '-' { sign } else { '_' })
        .collect();
    // Gemini's names begin with a letter.
    let begins = plain.starts_with(|sign: char| sign.is_ascii_alphabetic() || sign == '_');
    let mut name = if begins { plain } else { format!("_{plain}") };
    name.truncate(MAX_NAME - 3);
    let mut free = name.clone();
    let mut numbers = 2_u32..;
    while let (true, Some(number)) = (taken.contains(&free), numbers.next()) {
        free = format!("{name}_{number}");
    }
    free
}

fn caller_tool(name: &str, description: String, parameters: Value) -> CallerTool {
    let function = json!({"name": name, "description": description, "parameters": parameters});
    let written = to_raw_value(&json!({"type": "function", "function": function}));
    let written: Arc<RawValue> =
        written.map(Arc::from).unwrap_or_else(|_| Arc::from(RawValue::NULL.to_owned()));
    CallerTool { name: name.to_owned(), description, parameters, written }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_taken_by_nothing_else() {
        let taken = BTreeSet::from(["pay".to_owned(), "pay_2".to_owned()]);
        for (kind, expected) in [
            ("Pay Credit Card", "Pay_Credit_Card"),
            ("calendar", "calendar"),
            ("3d-view", "_3d-view"),
            ("größe", "gr__e"),
            ("pay", "pay_3"),
        ] {
            assert_eq!(free_name(kind, &taken), expected);
        }
        assert_eq!(free_name(&"x".repeat(200), &taken).len(), MAX_NAME - 3);
    }

    fn known(kind: &str, form: Form) -> Stops {
        let known = Known { tool: free_name(kind, &BTreeSet::new()), stop: Stop::named(kind), form };
        Stops { tools: Vec::new(), known: vec![known] }
    }

    #[test]
    fn a_call_becomes_a_custom_trace_of_its_type() {
        let paths = json!([{"event": {"type": "done"}}, {"event": {"type": "failed"}}]);
        for (form, arguments, payload) in [
            (Form::Payload, r#"{"sum": 7}"#, json!({"sum": 7})),
            (Form::Text, r#"{"payload": "{\"sum\": 7}"}"#, json!({"sum": 7})),
            (Form::Text, r#"{"payload": "seven"}"#, json!("seven")),
            (Form::Text, r#"{"payload": [7]}"#, json!([7])),
            (Form::Text, "{}", json!({})),
            (Form::Payload, "broken", json!({})),
        ] {
            let Called::Custom(trace) = known("Pay Credit Card", form).called("Pay_Credit_Card", arguments)
            else {
                panic!("{arguments}");
            };
            assert_eq!(
                (&trace["type"], &trace["payload"], &trace["defaultPath"], &trace["paths"]),
                (&json!("Pay Credit Card"), &payload, &json!(0), &paths),
                "{arguments}"
            );
        }
        assert_eq!(known("end", Form::End).called("end", "{}"), Called::End);
        let Called::Custom(unknown) = Stops::default().called("to_sales", r#"{"queue": "sales"}"#) else {
            panic!()
        };
        assert_eq!((&unknown["type"], &unknown["payload"]), (&json!("to_sales"), &json!({"queue": "sales"})));
    }

    #[test]
    fn the_request_may_say_what_a_type_does() {
        let mut stop = Stop::named("scan");
        assert_eq!(described(&stop).2, Form::Text);
        stop.description = Some("Scans.".to_owned());
        stop.parameters = Some(json!({"type": "object", "properties": {"side": {"type": "string"}}}));
        let (description, parameters, form) = described(&stop);
        assert_eq!((description.as_str(), form), ("Scans.", Form::Payload));
        assert_eq!(parameters["properties"]["side"]["type"], "string");
        assert_eq!(described(&Stop::named("end")).2, Form::End);
    }
}
