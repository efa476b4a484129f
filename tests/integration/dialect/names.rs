//! Names of properties that a provider refuses go out under an alias and come back under their own.

use callgate::dialect::Dialect;
use callgate::dialect::lower::{Count, count, lower};
use serde_json::{Value, json};

use super::{ROUTES, gateway, post, turn, upstream};
use crate::harness::{callgate, files, write_project};

const SEARCH: (&str, &str) = (
    "actions/search.yaml",
    "description: Searches.\nconnection: api\nmethod: POST\npath: /search\nparameters:\n  type: object\n  properties:\n    \
     $filter: {type: string}\n    '@odata.type': {type: string}\n    first name: {type: integer, x-sensitive: true}\n  \
     required: [first name]\n",
);

#[tokio::test]
async fn arguments_come_back_under_their_own_names() {
    let upstream = upstream().await;
    let gateway = gateway(upstream.port, &[SEARCH]).await;
    let sent = || serde_json::from_str::<Value>(&upstream.requests().last().unwrap().text()).unwrap();
    let under_aliases = json!({"first_name": 7, "filter": "x", "odata_type": "user"});
    let own = json!({"first name": 7, "$filter": "x", "@odata.type": "user"});
    for route in ROUTES {
        for arguments in [&under_aliases, &own] {
            post(&gateway, route, &turn(route, &[("call_1", "search", arguments.clone())])).await;
            assert_eq!(sent(), own, "{route} {arguments}");
        }
    }
    post(&gateway, "/webhooks/elevenlabs/development/search", &under_aliases).await;
    assert_eq!(sent(), own);
    let query = "/webhooks/retell/development/search?first_name=8&filter=1";
    let answer = gateway.request("GET", query).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(sent(), json!({"first name": 8, "$filter": "1"}), "of the declared types");
    // What breaks the schema is told of the argument itself, and without its value.
    let wrong = turn(ROUTES[3], &[("call_1", "search", json!({"first_name": "hunter2hunter2"}))]);
    let answer = post(&gateway, ROUTES[3], &wrong).await.to_string();
    assert!(
        answer.contains("`first name` must be a whole number") && !answer.contains("hunter2"),
        "{answer}"
    );
}

#[tokio::test]
async fn each_list_of_tools_has_names_that_its_provider_takes() {
    let gateway = gateway(1, &[SEARCH]).await;
    for dialect in Dialect::ALL {
        let (_, specs) =
            gateway.get(&format!("/v1/tools?format={dialect}&base_url=https://gate.example.com")).await;
        let text = specs.to_string();
        assert_eq!(text.contains("\"first name\":"), dialect.has_strict(), "{dialect}: {text}");
        assert_eq!(text.contains("\"first_name\":"), !dialect.has_strict(), "{dialect}: {text}");
    }
}

#[test]
fn what_cannot_be_renamed_is_warned_of() {
    let tree = "description: d\ntype: static\nresponse: x\nparameters:\n  type: object\n  properties:\n    \
                first name: {type: string}\n    child: {$ref: '#'}\n";
    let dir = write_project(&files(1, &[SEARCH, ("actions/tree.yaml", tree)]));
    let path = dir.path().to_str().unwrap();
    let output = callgate(&["check", path, "--dialect", "anthropic", "--json"]).output().unwrap();
    let problems: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(
        (&problems[0]["code"], &problems[0]["file"]),
        (&json!("dialect_limit"), &json!("actions/tree.yaml"))
    );
    let message = problems[0]["message"].as_str().unwrap();
    assert!(message.contains("1 properties whose names it refuses; 0 are allowed"), "{message}");
    // Where the schema that goes out does not refer to itself, it can be renamed.
    let schema = json!({"type": "object", "properties": {"first name": {}, "child": {"$ref": "#"}}});
    let profile = Dialect::Vapi.profile(false);
    let mut lowered = lower(&schema, profile);
    count("n", "d", &mut lowered, profile);
    assert!(lowered.schema["properties"]["first_name"].is_object(), "{}", lowered.schema);
    assert!(!lowered.report.counts.iter().any(Count::is_over));
}
