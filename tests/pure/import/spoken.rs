//! What products say while a tool runs → `speech` and `say`.

use callgate::import::{NoteKind, SourceKind};
use serde_json::{Value, json};

use super::{checked, imported, write};

/// What the action of `tool` says, and the codes of what it lost.
#[track_caller]
fn said(kind: SourceKind, tool: Value) -> (String, Vec<&'static str>) {
    let imported = imported(kind, &tool.to_string());
    checked(write(&imported).path(), 1);
    let action = imported.files.iter().find(|file| file.path.starts_with("actions/")).unwrap();
    let lines =
        action.text.lines().skip_while(|line| !line.starts_with("speech:") && !line.starts_with("say:"));
    let lost = imported.report.of_kind(NoteKind::Lossy).map(|note| note.code).collect();
    (lines.collect::<Vec<_>>().join("\n"), lost)
}

fn with(tool: &Value, keys: Value) -> Value {
    let mut tool = tool.clone();
    tool.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    tool
}

#[test]
fn what_retell_says_during_a_function_is_carried() {
    let tool = json!({"type": "custom", "name": "a", "description": "Does it.", "url": "https://a.example/x", "args_at_root": true,
        "parameters": {"type": "object", "properties": {}}, "speak_after_execution": true});
    for (keys, expected, lost) in [
        (
            json!({"speak_during_execution": true, "execution_message_type": "static_text", "execution_message_description": "One moment please."}),
            "speech:\n  start: One moment please.",
            vec![],
        ),
        (json!({"speak_during_execution": true, "execution_message_type": "prompt"}), "say: true", vec![]),
        (json!({"speak_during_execution": true}), "say: true", vec![]),
        (
            json!({"speak_during_execution": true, "execution_message_description": "Say what you do."}),
            "say: true",
            vec!["behaviour"],
        ),
        (
            json!({"speak_during_execution": true, "execution_message_type": "static_text"}),
            "say: true",
            vec!["behaviour"],
        ),
        (
            json!({"speak_during_execution": false, "execution_message_type": "static_text", "execution_message_description": "No."}),
            "",
            vec![],
        ),
        (json!({"speak_after_execution": false}), "", vec!["behaviour"]),
        (
            json!({"speak_during_execution": true, "parameters": {"type": "object", "properties": {"say": {"type": "string"}}}}),
            "",
            vec!["say"],
        ),
    ] {
        assert_eq!(
            said(SourceKind::Retell, with(&tool, keys.clone())),
            (expected.to_owned(), lost),
            "{keys}"
        );
    }
}

#[test]
fn what_elevenlabs_says_before_a_tool_is_carried() {
    let tool = json!({"type": "webhook", "name": "a", "description": "Does it.", "api_schema": {"url": "https://a.example/x", "method": "GET"}});
    for (keys, expected, lost) in [
        (json!({"pre_tool_speech": "force"}), "say: true", vec![]),
        (json!({"force_pre_tool_speech": true}), "say: true", vec![]),
        (json!({"pre_tool_speech": "auto"}), "", vec!["behaviour"]),
        (json!({"pre_tool_speech": "off"}), "", vec![]),
    ] {
        assert_eq!(
            said(SourceKind::Elevenlabs, with(&tool, keys.clone())),
            (expected.to_owned(), lost),
            "{keys}"
        );
    }
}
