//! What Vapi, Retell and ElevenLabs are given to say.

#[cfg(feature = "import")]
use callgate::definition::{Document, Format};
#[cfg(feature = "import")]
use callgate::import::{Options, SourceKind, import};
use serde_json::{Value, json};

use crate::harness::{Gateway, files};

/// Everything, as products can say it; a name that the environment knows is filled in.
pub(crate) const FULL: (&str, &str) = (
    "actions/full.yaml",
    "description: Looks.\ntype: static\nresponse: ok\nspeech:\n  \
     start: {en: 'One moment, {{.static_variables.shop}} is looking.', de-CH: Einen Moment., de: Moment., gsw: Momänt.}\n  \
     delayed: {after_ms: 2500, text: Still looking.}\n  failed: {en: That did not work., de: Das ging nicht.}\n",
);
/// In the model's words.
const OWN: (&str, &str) =
    ("actions/own.yaml", "description: Looks.\ntype: static\nresponse: ok\nsay: true\n");
/// In the model's words, after an example.
const LIKE: (&str, &str) = (
    "actions/like.yaml",
    "description: Looks.\ntype: static\nresponse: ok\nsay: true\nspeech: {start: One moment.}\n",
);
/// Only when it takes long.
const LATE: (&str, &str) = (
    "actions/late.yaml",
    "description: Looks.\ntype: static\nresponse: ok\nspeech: {delayed: {after_ms: 1000, text: Still looking.}}\n",
);
/// What only a call can fill in.
const FILLED: (&str, &str) = (
    "actions/filled.yaml",
    "description: Looks.\ntype: static\nresponse: ok\nparameters: {type: object, properties: {n: {type: integer}}}\n\
     speech:\n  start: Order {{.parameters.n}}.\n  failed: {en: 'Sorry, {{.variables.account.name}}.', de: Schade.}\n",
);
const SILENT: (&str, &str) = ("actions/silent.yaml", "description: Looks.\ntype: static\nresponse: ok\n");
pub(crate) const NAMES: (&str, &str) = ("variables.toml", "[development]\nshop = \"Ann's shop\"\n");

pub(super) const PRODUCTS: [(&str, &str); 7] = [FULL, OWN, LIKE, LATE, FILLED, SILENT, NAMES];

async fn tools(query: &str) -> Vec<Value> {
    let gateway = Gateway::start(&files(1, &PRODUCTS)).await;
    let (status, tools) =
        gateway.get(&format!("/v1/tools?base_url=https://gate.example.com&format={query}")).await;
    assert_eq!(status, 200, "{tools}");
    tools.as_array().unwrap().clone()
}

#[tokio::test]
async fn vapi_gets_messages() {
    let tools = tools("vapi").await;
    let messages = |name: &str| {
        let tool = tools.iter().find(|tool| tool["function"]["name"] == name).unwrap();
        tool.get("messages").cloned()
    };
    let text = |text: &str, language: &str| json!({"type": "text", "text": text, "language": language});
    assert_eq!(
        messages("full"),
        Some(json!([
            {"type": "request-start", "contents": [text("One moment, Ann's shop is looking.", "en"), text("Einen Moment.", "de")]},
            {"type": "request-response-delayed", "content": "Still looking.", "timingMilliseconds": 2500},
            {"type": "request-failed", "contents": [text("That did not work.", "en"), text("Das ging nicht.", "de")]},
        ]))
    );
    assert_eq!(messages("own"), None);
    assert_eq!(messages("like"), Some(json!([{"type": "request-start", "content": "One moment."}])));
    assert_eq!(
        messages("filled"),
        Some(json!([{"type": "request-failed", "contents": [text("Schade.", "de")]}]))
    );
    assert_eq!(messages("silent"), None);
}

#[cfg(feature = "import")]
#[tokio::test]
async fn what_vapi_gets_comes_back_by_its_import() {
    let tools = tools("vapi").await;
    let full = tools.iter().find(|tool| tool["function"]["name"] == "full").unwrap();
    let imported = import(SourceKind::Vapi, &full.to_string(), &Options::default()).unwrap();
    let action = imported.files.iter().find(|file| file.path == "actions/full.yaml").unwrap();
    let action = Document::parse(&action.path, &action.text, Format::Yaml).unwrap().value;
    assert_eq!(
        action["speech"],
        json!({
            "start": {"en": "One moment, Ann's shop is looking.", "de": "Einen Moment."},
            "delayed": {"after_ms": 2500, "text": "Still looking."},
            "failed": {"en": "That did not work.", "de": "Das ging nicht."},
        })
    );
}

#[tokio::test]
async fn retell_says_it_during_the_execution() {
    let said = |tools: &[Value], name: &str| {
        let tool = tools.iter().find(|tool| tool["name"] == name).unwrap().clone();
        let of = |member: &str| tool.get(member).cloned();
        (of("speak_during_execution"), of("execution_message_type"), of("execution_message_description"))
    };
    let is_static = |text: &str| (Some(json!(true)), Some(json!("static_text")), Some(json!(text)));
    let nothing = (Some(json!(false)), None, None);
    let first = tools("retell").await;
    assert_eq!(said(&first, "full"), is_static("One moment, Ann's shop is looking."));
    assert_eq!(said(&tools("retell&language=de-AT").await, "full"), is_static("Moment."));
    for name in ["late", "filled", "silent"] {
        assert_eq!(said(&first, name), nothing, "{name}");
    }
    let own = "Tell the caller in one short sentence, in their language, what you are doing for them now.";
    let prompt = |text: String| (Some(json!(true)), Some(json!("prompt")), Some(json!(text)));
    assert_eq!(said(&first, "own"), prompt(own.to_owned()));
    assert_eq!(said(&first, "like"), prompt(format!("{own} For example: One moment.")));
}

#[tokio::test]
async fn elevenlabs_agents_speak_before_the_call() {
    let tools = tools("elevenlabs&language=de").await;
    let said = |name: &str| {
        let tool = tools.iter().find(|tool| tool["tool_config"]["name"] == name).unwrap();
        let of = |member: &str| tool["tool_config"].get(member).and_then(Value::as_str).unwrap_or_default();
        (of("pre_tool_speech").to_owned(), of("description").to_owned())
    };
    let is = |mode: &str, description: &str| (mode.to_owned(), description.to_owned());
    let sentence =
        |text: &str| format!("Looks. Before you use it, say to the caller, in their language: \"{text}\"");
    assert_eq!(said("full"), is("force", &sentence("Moment.")));
    assert_eq!(said("like"), is("force", &sentence("One moment.")));
    assert_eq!(said("own"), is("force", "Looks."));
    assert_eq!(said("late"), is("auto", "Looks."));
    assert_eq!(said("filled"), is("", "Looks."));
    assert_eq!(said("silent"), is("", "Looks."));
}

#[tokio::test]
async fn models_are_told_nothing_of_it() {
    for format in
        ["openai-chat", "openai-responses", "openai-realtime", "anthropic", "gemini", "gemini-schema", "mcp"]
    {
        let tools = Value::Array(tools(format).await).to_string();
        for text in ["One moment", "Still looking", "did not work", "Momänt"] {
            assert!(!tools.contains(text), "{format}: {tools}");
        }
    }
}
