//! What models are told of a tool.

use callgate::import::{NoteKind, SourceKind};
use serde_json::json;

use super::curl::{file, source, told};
use super::{checked, imported, write};

#[test]
fn what_a_team_wrote_for_its_model_stays_whole() {
    let kept = imported(SourceKind::Retell, &source("description_cut.json"));
    let action = file(&kept, "actions/book.yaml").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        action.contains("Only call after the caller has said yes to the exact day and time. Never call it twice. connection:"),
        "{action}"
    );
    assert_eq!(kept.report.notes, []);
    let lines = "Books a slot.\n\nRules:\n- only after a yes\n- never twice";
    let long = "Ask for the exact day and time first. ".repeat(40);
    let tools = |description: &str| {
        [
            (
                SourceKind::Retell,
                json!({"type": "custom", "name": "book", "description": description, "url": "https://a.example/x", "args_at_root": true, "parameters": {}}),
            ),
            (
                SourceKind::Vapi,
                json!({"type": "apiRequest", "name": "book", "description": description, "url": "https://a.example/x", "method": "POST"}),
            ),
            (
                SourceKind::Elevenlabs,
                json!({"type": "webhook", "name": "book", "description": description, "api_schema": {"url": "https://a.example/x", "method": "POST"}}),
            ),
            (
                SourceKind::Voiceflow,
                json!({"type": "api", "name": "book", "description": description, "url": "https://a.example/x", "method": "POST"}),
            ),
            (
                SourceKind::Atoms,
                json!({"type": "api_call", "name": "book", "description": description, "url": "https://a.example/x", "method": "POST"}),
            ),
        ]
    };
    for (kind, tool) in tools(lines) {
        let kept = imported(kind, &tool.to_string());
        let action = file(&kept, "actions/book.yaml");
        assert!(
            action.contains(
                "description: |-\n  Books a slot.\n\n  Rules:\n  - only after a yes\n  - never twice\n"
            ),
            "{kind:?}: {action}"
        );
        assert!(kept.report.notes.iter().all(|note| note.code != "description_cut"), "{kind:?}");
    }
    for (kind, tool) in tools(&long) {
        let cut = imported(kind, &tool.to_string());
        let note = told(&cut, "description_cut");
        assert!(note.contains("book: of the 1519 characters") && note.contains("lossy"), "{kind:?}: {note}");
        // The check warns of descriptions that a provider cuts.
        assert_eq!(checked(write(&cut).path(), 1), [] as [String; 0], "{kind:?}");
    }
}

#[test]
fn an_abbreviation_does_not_end_a_description_and_what_is_cut_is_told_once() {
    let imported = imported(SourceKind::Openapi, &source("abbreviation.json"));
    let action = file(&imported, "actions/create_contact.yaml");
    assert!(
        action.contains("Create contact. You can create a new contact (ie. user or lead).\n"),
        "{action}"
    );
    let todos: Vec<String> = imported.report.of_kind(NoteKind::Todo).map(ToString::to_string).collect();
    assert_eq!(todos.len(), 1, "{todos:?}");
    assert!(todos[0].contains("the description of `create_contact` is cut to two sentences"), "{todos:?}");
}
