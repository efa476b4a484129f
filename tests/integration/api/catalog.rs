//! What can be called: tools, actions, environments, health.

use serde_json::{Value, json};

use super::{Api, gateway};
use crate::harness::Gateway;

#[tokio::test]
async fn the_tools_are_exactly_the_array_of_the_provider_and_always_the_same() {
    let api = gateway(1, &[]).await;
    let tool = |name: &str, description: &str, parameters: Value| json!({"type": "function", "function": {"name": name, "description": description, "parameters": parameters}});
    let none = json!({"type": "object", "properties": {}});
    let expected = json!([
        tool(
            "add_note",
            "Adds a note.",
            json!({"type": "object", "properties": {"text": {"type": "string"}}})
        ),
        tool(
            "get_order",
            "Looks up an order.",
            json!({
                "type": "object",
                "properties": {"number": {"type": "string", "description": "Its number"}},
                "required": ["number"],
            })
        ),
        tool("hours", "Says when.", none.clone()),
        tool("human", "Transfers.", none),
    ]);
    let first = api.get("/v1/tools").await;
    assert_eq!((first.status, first.media.as_str(), &first.body), (200, "application/json", &expected));
    let text =
        |path: &'static str| async { api.0.request("GET", path).send().await.unwrap().text().await.unwrap() };
    let same = text("/v1/tools").await;
    for path in [
        "/v1/tools",
        "/v1/tools?environment=development",
        "/v1/tools?format=openai-chat",
        "/v1/tools?environment=&format=",
    ] {
        assert_eq!(text(path).await, same);
    }
}

#[tokio::test]
async fn the_actions_say_what_a_caller_needs_to_know() {
    let api = gateway(1, &[]).await;
    let list = api.get("/v1/actions").await.body;
    assert_eq!(list["environment"], "development");
    let names: Vec<&str> =
        list["actions"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["add_note", "get_order", "hours", "human"]);
    let order = api.get("/v1/actions/get_order").await.body;
    assert_eq!(order, list["actions"][1]);
    assert_eq!(
        order,
        json!({
            "name": "get_order",
            "description": "Looks up an order.",
            "type": "http",
            "method": "GET",
            "is_write": false,
            "parameters": {
                "type": "object",
                "properties": {"number": {"type": "string", "description": "Its number"}},
                "required": ["number"],
            },
            "timeout_ms": 5000,
            "output_variables": [
                {"name": "order.status", "exposed": true, "sensitive": false},
                {"name": "order.customer", "exposed": false, "sensitive": false},
                {"name": "order.token", "exposed": false, "sensitive": true},
            ],
            "file": "actions/get_order.yaml",
        })
    );
    assert_eq!(api.get("/v1/actions/hours").await.body["type"], "static");
    assert_eq!(api.get("/v1/actions/human").await.body["type"], "handover");
    assert_eq!(api.get("/v1/environments").await.body, json!({"environments": ["development"]}));
}

#[tokio::test]
async fn health_is_an_empty_ok() {
    let api = gateway(1, &[]).await;
    for path in ["/healthz", "/readyz"] {
        let reply = api.get(path).await;
        assert_eq!((reply.status, reply.body), (200, Value::Null), "{path}");
    }
}

#[tokio::test]
async fn an_environment_is_named_unless_there_is_one() {
    let only = "description: d\ntype: static\nresponse: base\nenvironments: {staging: {response: staged}, production: {enabled: false}}\n";
    let files = [
        ("callgate.toml", "environments = [\"development\", \"staging\", \"production\"]\n".to_owned()),
        ("actions/where.yaml", only.to_owned()),
    ];
    let api = Api(Gateway::start(&files).await);
    let list = json!({"environments": ["development", "staging", "production"]});
    assert_eq!(api.get("/v1/environments").await.body, list);
    for path in ["/v1/tools", "/v1/actions", "/v1/actions/where"] {
        let reply = api.get(path).await;
        assert_eq!((reply.status, &reply.body["code"]), (400, &json!("environment_required")), "{path}");
        assert_eq!(
            reply.body["detail"],
            "name an `environment`; there are: development, staging, production"
        );
        let reply = api.get(&format!("{path}?environment=stagin")).await;
        assert_eq!((reply.status, &reply.body["code"]), (400, &json!("unknown_environment")), "{path}");
        assert_eq!(
            reply.body["detail"],
            "no environment `stagin` is served; there are: development, staging, production"
        );
        assert_eq!(api.get(&format!("{path}?environment=staging")).await.status, 200, "{path}");
    }
    let reply = api.post("/v1/tool-calls", &json!({"name": "where"})).await;
    assert_eq!((reply.status, &reply.body["code"]), (400, &json!("environment_required")));
    let call = |environment: &str| api.call(json!({"name": "where", "environment": environment}));
    assert_eq!(call("development").await["body"], "base");
    assert_eq!(call("staging").await["body"], "staged");
    assert_eq!(call("production").await["error"]["code"], "unknown_tool");
    assert_eq!(api.get("/v1/tools?environment=production").await.body, json!([]));
    // Beside `calls` it stands for those that name none.
    let calls = json!({"environment": "staging", "calls": [{"name": "where"}, {"name": "where", "environment": "development"}]});
    let results = api.call(calls).await;
    assert_eq!(
        (&results["results"][0]["body"], &results["results"][1]["body"]),
        (&json!("staged"), &json!("base"))
    );
}
