//! In which language something is said.

use serde_json::{Value, json};

use super::{all_of, call, gateway, with};

const GREET: (&str, &str) = (
    "actions/greet.yaml",
    "description: Greets.\ntype: static\nresponse: ok\n\
     speech:\n  start: {en: One moment., de: Einen Moment bitte., de-CH: 'En Moment, {{.variables.account.name}}.'}\n",
);

#[tokio::test]
async fn the_request_names_it_or_the_conversation_or_the_first_one_holds() {
    let gateway = gateway(1, &[GREET]).await;
    let german = "Einen Moment bitte.";
    for (more, text) in [
        (json!({}), "One moment."),
        (json!({"language": "de"}), german),
        (json!({"language": "DE-at"}), german),
        (json!({"language": "fr"}), "One moment."),
        (json!({"language": ""}), "One moment."),
        (json!({"variables": {"conversation.language": "de"}}), german),
        (json!({"variables": {"conversation": {"language": "de-DE"}}}), german),
        (json!({"variables": {"conversation.language": 7}}), "One moment."),
        (json!({"language": "en", "variables": {"conversation.language": "de"}}), "One moment."),
        (json!({"language": "de-CH", "variables": {"account.name": "Urs"}}), "En Moment, Urs."),
    ] {
        let events = all_of(&gateway, &with(call("greet", json!({})), more.clone())).await;
        assert_eq!(events[0].1["text"], text, "{more}");
    }
    // A value is missing in one language only.
    let events = all_of(&gateway, &with(call("greet", json!({})), json!({"language": "de-CH"}))).await;
    assert_eq!(events[0].1.get("text"), None);
}

#[tokio::test]
async fn a_language_beside_the_calls_holds_for_those_that_name_none() {
    let gateway = gateway(1, &[GREET]).await;
    let calls = json!({"language": "de", "calls": [
        {"name": "greet", "tool_call_id": "a"}, {"name": "greet", "tool_call_id": "b", "language": "en"}]});
    let mut said: Vec<(Value, Value)> = all_of(&gateway, &calls)
        .await
        .into_iter()
        .filter(|(kind, _)| kind == "started")
        .map(|(_, event)| (event["tool_call_id"].clone(), event["text"].clone()))
        .collect();
    said.sort_by_key(|(id, _)| id.to_string());
    let expected = [(json!("a"), json!("Einen Moment bitte.")), (json!("b"), json!("One moment."))];
    assert_eq!(said, expected);
}
