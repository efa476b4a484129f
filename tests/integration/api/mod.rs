//! The HTTP API, each reply held against what `/openapi.json` says of it.

mod calls;
mod catalog;
mod fixed;
mod keys;
mod limits;
mod preview;
mod problems;
mod stateless;

use serde_json::{Value, json};

use crate::harness::{Gateway, files};

const ORDER: (&str, &str) = (
    "actions/get_order.yaml",
    "description: Looks up an order.\nconnection: api\npath: /orders/{{.parameters.number}}\n\
     parameters:\n  type: object\n  properties: {number: {type: string, description: Its number}}\n  required: [number]\n\
     output_variables:\n  - {name: order.status, path: $.status, expose: true}\n  - {name: order.customer, path: $.customer}\n  \
     - {name: order.token, path: $.token, sensitive: true}\n",
);
const NOTE: (&str, &str) = (
    "actions/add_note.yaml",
    "description: Adds a note.\nconnection: api\nmethod: POST\npath: /notes\n\
     bind: {customer: '{{.variables.order.customer}}'}\nparameters: {type: object, properties: {text: {type: string}}}\n",
);
const HOURS: (&str, &str) =
    ("actions/hours.yaml", "description: Says when.\ntype: static\nresponse: {open: '9 to 5'}\n");
const HUMAN: (&str, &str) = (
    "actions/human.yaml",
    "description: Transfers.\ntype: handover\nhandover: {phone_number: '+4930123456', message: One moment.}\n",
);

/// A gateway with an action of each kind, in front of `port`.
async fn gateway(port: u16, more: &[(&str, &str)]) -> Api {
    Api(Gateway::start(&files(port, &[&[ORDER, NOTE, HOURS, HUMAN], more].concat())).await)
}

/// A gateway whose every reply is checked against its own OpenAPI document.
pub(crate) struct Api(pub(crate) Gateway);

/// A reply as it came.
pub(crate) struct Reply {
    /// The HTTP status.
    pub(crate) status: u16,
    headers: reqwest::header::HeaderMap,
    media: String,
    /// The body: JSON, or a text.
    pub(crate) body: Value,
}

impl Reply {
    /// A header as text; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Api {
    /// Sends `request` and checks the reply.
    pub(crate) async fn send(&self, method: &str, path: &str, request: reqwest::RequestBuilder) -> Reply {
        let response = request.send().await.unwrap();
        let media =
            response.headers().get("content-type").map_or("", |value| value.to_str().unwrap()).to_owned();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await.unwrap();
        self.0.assert_untold(&text);
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        };
        let reply = Reply { status, headers, media, body };
        assert_documented(self.0.openapi().await, method, path, &reply);
        reply
    }

    /// Gets `path`.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send("get", path, self.0.request("GET", path)).await
    }

    /// Posts JSON to `path`.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("post", path, self.0.request("POST", path).body(body.to_string())).await
    }

    /// Sends `method` to `path`, with JSON.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &Value) -> Reply {
        self.send(&method.to_lowercase(), path, self.0.request(method, path).body(body.to_string())).await
    }

    /// The result of a call.
    pub(crate) async fn call(&self, body: Value) -> Value {
        let reply = self.post("/v1/tool-calls", &body).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body
    }
}

/// Whether `reply` is one that `document` promises for this route.
#[track_caller]
fn assert_documented(document: &Value, method: &str, path: &str, reply: &Reply) {
    let Reply { status, media, body, .. } = reply;
    let path = path.split('?').next().unwrap_or_default();
    let steps: Vec<&str> = path.split('/').collect();
    let route = document["paths"].as_object().unwrap().iter().find(|(route, _)| {
        let template: Vec<&str> = route.split('/').collect();
        template.len() == steps.len()
            && template.iter().zip(&steps).all(|(part, step)| part.starts_with('{') || part == step)
    });
    let operation = route.and_then(|(_, operations)| operations.get(method));
    let content = match operation {
        Some(operation) => {
            let responses = &operation["responses"];
            let response =
                responses.get(status.to_string()).unwrap_or(&responses[format!("{}XX", status / 100)]);
            assert!(response.is_object(), "{method} {path}: {status} is not documented");
            response.get("content").cloned()
        }
        // No route: a problem all the same.
        None => Some(
            json!({"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}),
        ),
    };
    let Some(content) = content else {
        assert_eq!(body, &Value::Null, "{method} {path}: a body that is not documented");
        return;
    };
    let schema =
        content.get(media.as_str()).unwrap_or_else(|| panic!("{method} {path}: {media} is not documented"));
    let schema = json!({"allOf": [schema["schema"]], "components": document["components"]});
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(body).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{method} {path}: {errors:?} in {body}");
}

#[tokio::test]
async fn the_openapi_document_names_every_route_and_resolves() {
    let api = gateway(1, &[]).await;
    let (status, document) = api.0.get("/openapi.json").await;
    assert_eq!((status, &document["openapi"]), (200, &json!("3.1.0")));
    let mut routes: Vec<String> = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        routes.extend(operations.as_object().unwrap().keys().map(|method| format!("{method} {path}")));
    }
    routes.sort();
    assert_eq!(
        routes,
        [
            "delete /mcp/{environment}",
            "delete /state/user/{userID}",
            "delete /v1/conversations/{id}",
            "delete /v1/tool-calls/{id}",
            "delete /webhooks/retell/{environment}/{action}",
            "get /healthz",
            "get /interact/state",
            "get /interact/{versionID}/state",
            "get /mcp/{environment}",
            "get /metrics",
            "get /openapi.json",
            "get /readyz",
            "get /state/user/{userID}",
            "get /v1/actions",
            "get /v1/actions/{name}",
            "get /v1/actions/{name}/branches",
            "get /v1/actions/{name}/definition",
            "get /v1/actions/{name}/specs",
            "get /v1/agents",
            "get /v1/conversations",
            "get /v1/conversations/{id}",
            "get /v1/conversations/{id}/events",
            "get /v1/definitions",
            "get /v1/definitions/{file}",
            "get /v1/environments",
            "get /v1/models",
            "get /v1/problems",
            "get /v1/status",
            "get /v1/tools",
            "get /webhooks/retell/{environment}/{action}",
            "get /{environment}/v1/models",
            "patch /state/user/{userID}/variables",
            "patch /v1/conversations/{id}",
            "patch /webhooks/retell/{environment}",
            "patch /webhooks/retell/{environment}/{action}",
            "post /admin/reload",
            "post /interact",
            "post /interact/{versionID}",
            "post /mcp/{environment}",
            "post /state/user/{userID}",
            "post /state/user/{userID}/interact",
            "post /v1/actions/{name}/preview",
            "post /v1/agents/{name}/turns",
            "post /v1/anthropic/tool-calls",
            "post /v1/chat/completions",
            "post /v1/check",
            "post /v1/conversations",
            "post /v1/conversations/{id}/render",
            "post /v1/gemini/tool-calls",
            "post /v1/openai/chat/tool-calls",
            "post /v1/openai/realtime/tool-calls",
            "post /v1/openai/responses/tool-calls",
            "post /v1/responses",
            "post /v1/tool-calls",
            "post /v2/project/{projectID}/user/{userID}/interact/stream",
            "post /webhooks/elevenlabs/{environment}/{action}",
            "post /webhooks/retell/{environment}",
            "post /webhooks/retell/{environment}/{action}",
            "post /webhooks/vapi/{environment}",
            "post /{environment}/v1/chat/completions",
            "post /{environment}/v1/responses",
            "put /state/user/{userID}",
            "put /v1/definitions/{file}",
            "put /webhooks/retell/{environment}",
            "put /webhooks/retell/{environment}/{action}",
        ]
    );
    let mut references = 0;
    let mut todo = vec![&document];
    while let Some(value) = todo.pop() {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(reference)) = map.get("$ref") {
                    let pointer =
                        reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads away"));
                    assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
                    references += 1;
                }
                todo.extend(map.values());
            }
            Value::Array(items) => todo.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    assert!(references > 20, "only {references} references");
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let schema = json!({"allOf": [schema], "components": document["components"]});
        assert!(jsonschema::draft202012::new(&schema).is_ok(), "{name}");
    }
    // The requests that this file sends are documented ones, too.
    let request = json!({"$ref": "#/components/schemas/CallRequest", "components": document["components"]});
    let request = jsonschema::draft202012::new(&request).unwrap();
    for (body, valid) in [
        (json!({"name": "a", "arguments": {"b": 1}}), true),
        (json!({"name": "a", "arguments": "{\"b\": 1}", "deadline_ms": 1, "variables": {"c.d": 2}}), true),
        (json!({"calls": [{"name": "a"}, {"name": "b"}], "environment": "development"}), true),
        (json!({"name": "a", "arguments": 1}), false),
        (json!({"name": "a", "argumets": {}}), false),
    ] {
        assert_eq!(request.is_valid(&body), valid, "{body}");
    }
}
