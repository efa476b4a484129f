//! Tool specs of every provider: golden files, determinism, ETag, filters.
//!
//! `UPDATE_GOLDEN=1 cargo test --test integration dialect::specs` rewrites `tests/data/dialect/specs`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use callgate::dialect::Dialect;
use serde_json::{Value, json};

use super::gateway;
use super::variants::variants;

const BASE: &str = "https://gate.example.com/voice";

#[tokio::test]
async fn the_specs_of_every_dialect_are_as_written_down() {
    let gateway = gateway(1, &[]).await;
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/dialect/specs");
    for (name, dialect, strict) in variants() {
        let base = if dialect.calls_back() { format!("&base_url={BASE}/") } else { String::new() };
        let path = format!("/v1/tools?format={dialect}&strict={strict}{base}");
        let (status, specs) = gateway.get(&path).await;
        assert_eq!(status, 200, "{path}: {specs}");
        assert_eq!(gateway.get(&path).await.1.to_string(), specs.to_string(), "{path}: always the same");
        let text = format!("{}\n", serde_json::to_string_pretty(&specs).unwrap());
        let file = dir.join(format!("{}.json", name.replace(' ', "-")));
        if update {
            fs::create_dir_all(&dir).unwrap();
            fs::write(&file, text).unwrap();
        } else {
            assert_eq!(fs::read_to_string(&file).unwrap_or_default(), text, "{}", file.display());
        }
    }
}

#[tokio::test]
async fn a_list_that_the_caller_has_is_not_sent_again() {
    let gateway = gateway(1, &[]).await;
    let mut tags = BTreeSet::new();
    for dialect in Dialect::ALL {
        let path = format!("/v1/tools?format={dialect}&base_url={BASE}");
        let first = gateway.request("GET", &path).send().await.unwrap();
        let tag = first.headers()["etag"].to_str().unwrap().to_owned();
        assert_eq!(first.headers()["content-type"], "application/json");
        assert!(tag.starts_with('"') && tag.len() == 34, "{tag}");
        tags.insert(tag.clone());
        for (known, status) in [
            (tag.clone(), 304),
            (format!("W/{tag}"), 304),
            (format!("\"other\", {tag}"), 304),
            ("*".to_owned(), 304),
            ("\"other\"".to_owned(), 200),
            (tag.trim_matches('"').to_owned(), 200),
        ] {
            let asked = gateway.request("GET", &path).header("if-none-match", &known).send().await.unwrap();
            assert_eq!(asked.status(), status, "{dialect} {known}");
            assert_eq!(asked.headers()["etag"], tag.as_str(), "{dialect} {known}");
            assert_eq!(asked.text().await.unwrap().is_empty(), status == 304, "{dialect} {known}");
        }
    }
    assert_eq!(tags.len(), Dialect::ALL.len(), "each list has a name of its own");
}

#[tokio::test]
async fn what_a_format_needs_and_lacks_is_said() {
    let gateway = gateway(1, &[]).await;
    for (query, part) in [
        ("format=vapi", "`[server] public_url`"),
        ("format=retell", "`base_url`"),
        ("format=elevenlabs", "`base_url`"),
        ("format=elevenlabs&base_url=", "`base_url`"),
        ("format=vapi&base_url=gate.example.com", "is not a URL"),
        ("format=vapi&base_url=ftp://gate.example.com", "must start with https://"),
        ("format=vapi&base_url=https://user:pw@gate.example.com", "must not hold a user"),
        ("format=vapi&base_url=https://gate.example.com?x=1", "no `?`"),
        ("format=anthropic&strict=true", "`anthropic` has no strict mode"),
        ("format=openai-chat&strict=yes", "strict"),
    ] {
        let (status, problem) = gateway.get(&format!("/v1/tools?{query}")).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_request")), "{query}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(part), "{query}: {problem}");
    }
    // An address that a format does not use changes nothing.
    let (_, plain) = gateway.get("/v1/tools?format=anthropic").await;
    assert_eq!(gateway.get(&format!("/v1/tools?format=anthropic&base_url={BASE}")).await.1, plain);
}

#[tokio::test]
async fn the_address_comes_from_the_settings_and_the_environment_from_the_request() {
    let settings = (
        "callgate.toml",
        "environments = [\"development\", \"staging\"]\n[server]\npublic_url = \"https://own.example.com\"\n",
    );
    let gateway = gateway(1, &[settings]).await;
    let url = async |query: &str, pointer: &str| {
        let (status, specs) = gateway.get(&format!("/v1/tools?{query}")).await;
        assert_eq!(status, 200, "{specs}");
        specs.pointer(pointer).cloned().unwrap_or_default()
    };
    assert_eq!(
        url("format=vapi&environment=staging", "/0/server/url").await,
        "https://own.example.com/webhooks/vapi/staging"
    );
    assert_eq!(
        url("format=retell&environment=development", "/0/url").await,
        "https://own.example.com/webhooks/retell/development"
    );
    let base = format!("format=elevenlabs&environment=staging&base_url={BASE}");
    let pointer = "/0/tool_config/api_schema/url";
    assert_eq!(url(&base, pointer).await, format!("{BASE}/webhooks/elevenlabs/staging/add_note"));
    assert_eq!(gateway.get("/v1/tools?format=vapi").await.1["code"], "environment_required");
}

#[tokio::test]
async fn an_environment_without_an_action_does_not_offer_it() {
    let settings = ("callgate.toml", "environments = [\"development\", \"staging\"]\n");
    let only = (
        "actions/only.yaml",
        "description: d\ntype: static\nresponse: x\nenvironments: {staging: {enabled: false}}\n",
    );
    let gateway = gateway(1, &[settings, only]).await;
    for dialect in Dialect::ALL {
        let list = async |environment: &str| -> Value {
            gateway
                .get(&format!("/v1/tools?format={dialect}&environment={environment}&base_url={BASE}"))
                .await
                .1
        };
        assert!(list("development").await.to_string().contains("\"only\""), "{dialect}");
        assert!(!list("staging").await.to_string().contains("\"only\""), "{dialect}");
    }
}

#[test]
fn the_types_of_async_openai_take_every_spec() {
    use async_openai::types::{chat, realtime, responses};
    let read = |name: &str| -> Vec<Value> {
        let path = format!("{}/tests/data/dialect/specs/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let specs: Vec<Value> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        assert!(specs.len() >= 5);
        specs
    };
    for name in ["openai-chat", "openai-chat-strict"] {
        for spec in read(name) {
            let tool: chat::ChatCompletionTools = serde_json::from_value(spec.clone()).unwrap();
            assert_eq!(serde_json::to_value(&tool).unwrap(), spec);
        }
    }
    for name in ["openai-responses", "openai-responses-strict"] {
        for spec in read(name) {
            let tool: responses::Tool = serde_json::from_value(spec.clone()).unwrap();
            assert_eq!(serde_json::to_value(&tool).unwrap(), spec);
        }
    }
    for name in ["openai-realtime", "openai-realtime-strict"] {
        for spec in read(name) {
            let tool: realtime::RealtimeTool = serde_json::from_value(spec.clone()).unwrap();
            assert_eq!(serde_json::to_value(&tool).unwrap(), spec);
        }
    }
}
