//! Retell: custom functions and the URL they call.

use serde::Deserialize as _;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::fields::{Fields, body, list};
use super::lower::type_names;
use super::spec::{Prepared, SpecOptions};
use super::speech::retell_fields;
use super::text::text;
use super::turn::{IncomingCall, Malformed, Outcome, Turn, no_arguments};

/// What Retell reads of an answer.
const MAX_CHARS: usize = 15_000;

/// One tool as `general_tools` takes it. Retell waits 1 to 600 seconds.
pub(super) fn spec(prepared: Prepared<'_>, base: &str, options: &SpecOptions<'_>) -> Value {
    let patience = prepared.patience(1, 600) * 1_000;
    let environment = options.environment;
    let mut spec = json!({
        "type": "custom",
        "name": prepared.tool.name,
        "description": prepared.description,
        "url": format!("{base}/webhooks/retell/{environment}"),
        "method": "POST",
        "parameters": prepared.schema,
        "args_at_root": false,
        "speak_during_execution": false,
        "speak_after_execution": true,
        "timeout_ms": patience,
    });
    if let Value::Object(fields) = &mut spec {
        fields.extend(retell_fields(prepared.tool.speech, options.language));
    }
    spec
}

/// What Retell posted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// A custom function.
    #[default]
    Function,
    /// `{event: call_ended, call}`: the call is over.
    Ended,
    /// Another event of the agent's webhook, which asks for nothing.
    Event,
}

/// Reads a call: the envelope `{name, args, call}`, or, where the path names the action `named`,
/// the arguments alone; or an event of the agent's own webhook, `{event, call}`.
///
/// The id is that of the latest `tool_call_invocation` of this name with these arguments in
/// `call.transcript_with_tool_calls`, if it stands there: Retell's envelope has none of its own.
///
/// # Errors
///
/// The body is none of them.
pub fn decode(bytes: &[u8], named: Option<&str>) -> Result<Turn<Form>, Malformed> {
    if let (Some(name), true) = (named, bytes.iter().all(u8::is_ascii_whitespace)) {
        return Ok(alone(name, no_arguments()));
    }
    let raw = body(bytes)?;
    let fields = Fields::of(raw)
        .ok_or_else(|| Malformed::new("expected `{name, args, call}` or an object of arguments"))?;
    let envelope = (fields.text("name"), fields.object("call"));
    if let (None, (None, Some(call)), Some(event)) = (named, &envelope, fields.text("event")) {
        let form = if event == "call_ended" { Form::Ended } else { Form::Event };
        return Ok(Turn { calls: Vec::new(), conversation_id: call_id(call), form });
    }
    let (Some(name), Some(call)) = envelope else {
        return match named {
            Some(name) => Ok(alone(name, raw.to_owned())),
            None => Err(Malformed::new(
                "expected `{name, args, call}`; with \"Payload: args only\", end the URL in the action's name",
            )),
        };
    };
    if named.is_some_and(|named| named != name) {
        return Err(Malformed::new("`name` is not the action that the URL names"));
    }
    let arguments = fields.raw("args");
    let invocations = call.list("transcript_with_tool_calls").unwrap_or_default();
    let id = invocation(&invocations, &name, arguments);
    let conversation_id = call_id(&call);
    let call = IncomingCall {
        id,
        name,
        arguments: arguments.map_or_else(no_arguments, ToOwned::to_owned),
        refused: None,
    };
    Ok(Turn { calls: vec![call], conversation_id, form: Form::Function })
}

fn call_id(call: &Fields<'_>) -> Option<String> {
    call.text("call_id").filter(|id| !id.is_empty())
}

/// The call of an action whose arguments stand in a query, as Retell's GET and DELETE have them.
///
/// A query holds texts only: what is `declared` as another type is read as JSON, and a name that is
/// declared as a list collects all its values.
pub fn from_query<'s>(name: &str, query: &str, declared: impl Fn(&str) -> Option<&'s Value>) -> Turn<Form> {
    let mut arguments: Map<String, Value> = Map::new();
    for (key, text) in url::form_urlencoded::parse(query.as_bytes()) {
        let declared = declared(&key).and_then(|property| property.get("type"));
        let kinds = declared.map(type_names).unwrap_or_default();
        let is_text = kinds.is_empty() || kinds.contains(&"string");
        let parsed = if is_text { None } else { serde_json::from_str(&text).ok() };
        let value = match parsed {
            Some(value) => value,
            None => Value::String(text.into_owned()),
        };
        if !kinds.contains(&"array") {
            arguments.insert(key.into_owned(), value);
            continue;
        }
        let items = if let Value::Array(items) = value { items } else { vec![value] };
        let there = arguments.entry(key.into_owned()).or_insert_with(|| json!([]));
        if let Value::Array(all) = there {
            all.extend(items);
        }
    }
    let arguments = RawValue::from_string(Value::Object(arguments).to_string());
    alone(name, arguments.unwrap_or_else(|_| no_arguments()))
}

/// The call of an action by its arguments alone.
fn alone(name: &str, arguments: Box<RawValue>) -> Turn<Form> {
    let call = IncomingCall { id: None, name: name.to_owned(), arguments, refused: None };
    Turn { calls: vec![call], ..Turn::default() }
}

/// The id of the latest invocation of `name` with `arguments` that has no result yet.
fn invocation(transcript: &[&RawValue], name: &str, arguments: Option<&RawValue>) -> Option<String> {
    let wanted = arguments.map_or(Some(json!({})), |raw| Value::deserialize(raw).ok())?;
    let mut answered: Vec<String> = Vec::new();
    for entry in transcript.iter().rev() {
        let Some(entry) = Fields::of(entry) else { continue };
        let Some(id) = entry.text("tool_call_id").filter(|id| !id.is_empty()) else { continue };
        match entry.text("role").as_deref() {
            Some("tool_call_result") => answered.push(id),
            Some("tool_call_invocation")
                if entry.text("name").as_deref() == Some(name) && !answered.contains(&id) =>
            {
                let written = entry.raw("arguments")?;
                // A JSON text as documented, or an object.
                let text: Option<String> = serde_json::from_str(written.get()).ok();
                let sent: Option<Value> = serde_json::from_str(text.as_deref().unwrap_or(written.get())).ok();
                if sent.as_ref() == Some(&wanted) {
                    return Some(id);
                }
            }
            _ => {}
        }
    }
    None
}

/// The answer, for status 200 also where the call failed: anything else would be sent again.
/// JSON, or a JSON string; 15,000 characters at most.
///
/// An event is answered `{}`.
pub fn encode(outcomes: &[Outcome]) -> String {
    let text = outcomes.first().map_or_else(|| "{}".to_owned(), text);
    let written = if list_or_object(&text) { text.clone() } else { Value::String(text.clone()).to_string() };
    if written.chars().count() <= MAX_CHARS {
        return written;
    }
    Value::String(cut_written(&text)).to_string()
}

/// As much of a text as fits when it is written as a JSON string, and a mark that says so.
fn cut_written(text: &str) -> String {
    const MARK: &str = " [cut]";
    let mut left = MAX_CHARS - MARK.len() - 2;
    let mut cut = String::with_capacity(MAX_CHARS);
    for c in text.chars() {
        let written = match c {
            '"' | '\\' | '\n' | '\r' | '\t' => 2,
            c if c < ' ' => 6,
            _ => 1,
        };
        if written > left {
            break;
        }
        left -= written;
        cut.push(c);
    }
    cut + MARK
}

fn list_or_object(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok_and(|raw| list(raw).is_some() || Fields::of(raw).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(args: Value, transcript: Value) -> Option<String> {
        let body = json!({"name": "book", "args": args,
            "call": {"call_id": "c", "transcript_with_tool_calls": transcript}});
        let turn = decode(body.to_string().as_bytes(), None).expect("an envelope");
        assert_eq!(turn.conversation_id.as_deref(), Some("c"));
        turn.calls[0].id.clone()
    }

    fn invocation(id: &str, name: &str, arguments: Value) -> Value {
        json!({"role": "tool_call_invocation", "tool_call_id": id, "name": name, "arguments": arguments})
    }

    #[test]
    fn the_id_is_that_of_the_latest_invocation_that_waits_for_this_result() {
        let args = json!({"date": "2026-09-01", "party": 2});
        // The same members in another order, as another serializer writes them.
        let text = json!(r#"{"party": 2, "date": "2026-09-01"}"#);
        let result = |id: &str| json!({"role": "tool_call_result", "tool_call_id": id, "content": "ok"});
        for (transcript, expected) in [
            (json!([invocation("t1", "book", text.clone())]), Some("t1")),
            (json!([invocation("t1", "book", args.clone())]), Some("t1")),
            (
                json!([
                    invocation("t1", "book", text.clone()),
                    result("t1"),
                    invocation("t2", "book", text.clone())
                ]),
                Some("t2"),
            ),
            (
                json!([invocation("t1", "book", text.clone()), {"role": "agent", "content": "One moment."}]),
                Some("t1"),
            ),
            (json!([invocation("t1", "book", text.clone()), result("t1")]), None),
            (json!([invocation("t1", "cancel", text.clone())]), None),
            (json!([invocation("t1", "book", json!("{}"))]), None),
            (json!([invocation("", "book", text), 7, null, {"role": "tool_call_invocation"}]), None),
            (json!([]), None),
            (json!("text"), None),
        ] {
            assert_eq!(id(args.clone(), transcript.clone()).as_deref(), expected, "{transcript}");
        }
    }

    #[test]
    fn a_query_becomes_arguments_of_the_declared_types() {
        let schema = json!({"properties": {"n": {"type": "integer"}, "t": {"type": "string"},
            "on": {"type": ["boolean", "null"]}, "l": {"type": "array"}, "o": {"type": "object"}}});
        let arguments = |query: &str| {
            let turn = from_query("a", query, |name| schema["properties"].get(name));
            serde_json::from_str::<Value>(turn.calls[0].arguments.get()).expect("JSON")
        };
        assert_eq!(
            arguments("n=7&t=7&on=true&l=1&l=x%20y&o=%7B%22a%22%3A1%7D&new=5"),
            json!({"n": 7, "t": "7", "on": true, "l": [1, "x y"], "o": {"a": 1}, "new": "5"})
        );
        assert_eq!(arguments("n=seven&l=[1,2]&n=8"), json!({"n": 8, "l": [1, 2]}));
        assert_eq!(arguments(""), json!({}));
    }
}
