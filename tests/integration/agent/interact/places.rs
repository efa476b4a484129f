//! Environments, agents, keys, and users.

use callgate::server::NewKey;
use serde_json::{Value, json};

use super::super::model::{Reply, ScriptedModel};
use super::{AGENT, Desk, SECRETS, SETTINGS, lines, text};
use crate::api::Reply as Answer;

async fn model() -> ScriptedModel {
    ScriptedModel::start(|asked| Reply::says(&asked.system)).await
}

/// The usual settings, for these environments, and with more at their end.
fn settings(environments: &[&str], more: &str) -> String {
    SETTINGS.replace(
        "[\"development\"]\n[egress.development]",
        &format!("{environments:?}\n[egress.{}]", environments[0]),
    ) + &environments[1..]
        .iter()
        .map(|name| format!("[egress.{name}]\nallow = [\"127.0.0.1\"]\n"))
        .collect::<String>()
        + more
}

/// The usual secrets in each of these environments.
fn secrets(environments: &[&str]) -> String {
    environments.iter().map(|name| SECRETS.replace("[development]", &format!("[{name}]"))).collect()
}

async fn ask(desk: &Desk, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = desk.api.0.request("POST", path).body(json!({"action": text("Hi")}).to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    desk.api.send("post", path, request).await
}

const INTERACT: &str = "/state/user/user-1/interact";
const OBJECT_ID: &str = "64dbb6696a8fab0013dba194";

#[tokio::test]
async fn the_version_names_the_environment_and_development_is_the_usual_one() {
    let environments = ["development", "production"];
    let tells = |environment: &str| {
        format!("{{agent}}environments: {{{environment}: {{instructions: You are in production.}}}}\n")
    };
    let files = [
        ("callgate.toml", settings(&environments, "")),
        ("secrets.toml", secrets(&environments)),
        ("agents/desk.yaml", tells("production")),
    ];
    let desk = Desk::with(model().await, &files.each_ref().map(|(name, text)| (*name, text.as_str()))).await;
    for (headers, expected) in [
        (&[][..], "You answer for nobody."),
        (&[("versionID", "")], "You answer for nobody."),
        (&[("versionID", "development")], "You answer for nobody."),
        (&[("versionID", "production")], "You are in production."),
        (&[("versionid", "production"), ("sessionID", "s-1")], "You are in production."),
    ] {
        let reply = ask(&desk, INTERACT, headers).await;
        assert_eq!(lines(reply.body.as_array().unwrap()), [format!("text: {expected}")], "{headers:?}");
    }
    for (version, says) in
        [(OBJECT_ID, "Cannot resolve version alias"), ("staging", "no environment `staging` is served")]
    {
        let reply = ask(&desk, INTERACT, &[("versionID", version)]).await;
        assert_eq!((reply.status, &reply.body["name"]), (400, &json!("verror")), "{version}");
        assert!(reply.body["message"].as_str().unwrap().contains(says), "{}", reply.body);
    }
    // They are two conversations.
    let state = async |version: &str| {
        let path = "/state/user/user-1";
        let request = desk.api.0.request("DELETE", path).header("versionID", version);
        assert_eq!(desk.api.send("delete", path, request).await.status, 200);
        desk.api.0.get("/v1/conversations/user-1?environment=production").await.0
    };
    assert_eq!((state("development").await, state("production").await), (200, 404));
}

#[tokio::test]
async fn without_development_a_key_has_one_environment_or_has_to_name_one() {
    let (one, all) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
    let environments = ["staging", "production"];
    let keys = format!(
        "[[keys]]\nname = \"one\"\nhash = \"{}\"\nenvironments = [\"production\"]\n[[keys]]\nname = \"all\"\nhash = \"{}\"\n",
        one.hash, all.hash
    );
    let files = [("callgate.toml", settings(&environments, &keys)), ("secrets.toml", secrets(&environments))];
    let desk = Desk::with(model().await, &files.each_ref().map(|(name, text)| (*name, text.as_str()))).await;
    for (key, version, status) in [
        (&one.key, "", 200),
        (&one.key, "production", 200),
        (&one.key, "staging", 403),
        (&all.key, "", 400),
        (&all.key, "staging", 200),
    ] {
        let reply = ask(&desk, INTERACT, &[("authorization", key), ("versionID", version)]).await;
        assert_eq!(reply.status, status, "{version}: {}", reply.body);
    }
}

#[tokio::test]
async fn a_key_may_stand_alone_in_its_header() {
    let key = NewKey::generate().unwrap();
    let keys = format!("[[keys]]\nname = \"client\"\nhash = \"{}\"\n", key.hash);
    let files = [("callgate.toml", settings(&["development"], &keys))];
    let desk = Desk::with(model().await, &files.each_ref().map(|(name, text)| (*name, text.as_str()))).await;
    let (bearer, basic) = (format!("Bearer {}", key.key), format!("Basic {}", key.key));
    for headers in [("authorization", key.key.as_str()), ("authorization", &bearer), ("x-api-key", &key.key)]
    {
        assert_eq!(ask(&desk, INTERACT, &[headers]).await.status, 200, "{headers:?}");
    }
    for (headers, says) in [
        (&[][..], "Auth Key Required"),
        (&[("authorization", "VF.DM.64dbb6696a8fab0013dba194.abc")], "this key is not known here"),
        (&[("authorization", basic.as_str())], "a key is needed"),
    ] {
        for path in [INTERACT, "/v2/project/p/user/u/interact/stream", "/interact"] {
            let reply = ask(&desk, path, headers).await;
            assert_eq!(
                (reply.status, &reply.body["code"], &reply.body["status"]),
                (401, &json!(401), &json!("Unauthorized"))
            );
            assert!(reply.body["data"].as_str().unwrap().contains(says), "{headers:?}: {}", reply.body);
            assert!(reply.body["dateTime"].is_string() && reply.body["timestamp"].is_u64());
            assert_eq!(reply.header("www-authenticate"), "Bearer");
        }
    }
    // Elsewhere a key has to say what it is.
    let path = "/v1/conversations/user-1";
    let request = desk.api.0.request("GET", path).header("authorization", &key.key);
    assert_eq!(desk.api.send("get", path, request).await.status, 401);
    let request = desk.api.0.request("GET", path).header("authorization", &bearer);
    assert_eq!(desk.api.send("get", path, request).await.status, 200);
}

#[tokio::test]
async fn a_key_that_calls_too_often_is_told_when_to_come_again() {
    let key = NewKey::generate().unwrap();
    let keys = format!(
        "[[keys]]\nname = \"client\"\nhash = \"{}\"\nrate = {{per_second = 0.001, burst = 1}}\n",
        key.hash
    );
    let files = [("callgate.toml", settings(&["development"], &keys))];
    let desk = Desk::with(model().await, &files.each_ref().map(|(name, text)| (*name, text.as_str()))).await;
    let headers = [("authorization", key.key.as_str())];
    assert_eq!(ask(&desk, INTERACT, &headers).await.status, 200);
    let reply = ask(&desk, INTERACT, &headers).await;
    assert_eq!((reply.status, &reply.body["code"]), (429, &json!(429)));
    assert!(reply.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
}

#[tokio::test]
async fn one_of_several_agents_has_to_be_named() {
    let other = AGENT.replace("You answer for", "You sell to");
    let desk = Desk::with(model().await, &[("agents/sales.yaml", &other)]).await;
    for (path, headers, expected) in [
        ("/state/user/a/interact?agent=sales", &[][..], "You sell to nobody."),
        ("/state/user/b/interact", &[("callgate-agent", "sales")], "You sell to nobody."),
        ("/state/user/c/interact?agent=desk", &[("callgate-agent", "sales")], "You answer for nobody."),
        ("/interact?agent=sales", &[], "You sell to nobody."),
    ] {
        let reply = ask(&desk, path, headers).await;
        let traces = reply.body.as_array().or_else(|| reply.body["trace"].as_array()).unwrap();
        assert_eq!(lines(traces), [format!("text: {expected}")], "{path}");
    }
    let reply = ask(&desk, INTERACT, &[]).await;
    assert_eq!((reply.status, &reply.body["name"]), (400, &json!("verror")));
    assert!(reply.body["message"].as_str().unwrap().ends_with("there are: desk, sales"), "{}", reply.body);
    let reply = ask(&desk, "/state/user/a/interact?agent=nobody", &[]).await;
    assert_eq!((reply.status, &reply.body["code"]), (404, &json!(404)), "{}", reply.body);
    // The state of a user does not need one.
    assert_eq!(desk.api.get("/state/user/a").await.status, 200);
}

#[tokio::test]
async fn an_environment_without_agents_says_what_is_missing() {
    let desk = Desk::with(
        model().await,
        &[("agents/desk.yaml", "{agent}environments: {development: {enabled: false}}\n")],
    )
    .await;
    let reply = ask(&desk, INTERACT, &[]).await;
    assert_eq!(reply.status, 404);
    assert!(reply.body["data"].as_str().unwrap().contains("add agents/<name>.yaml"), "{}", reply.body);
}

#[tokio::test]
async fn any_id_that_can_be_one_is_a_user() {
    let desk = Desk::open(model().await).await;
    for (user, id) in [("a%2Fb%20c", "a/b c"), ("ann%40example.com", "ann@example.com"), ("%C3%A9", "é")] {
        assert_eq!(ask(&desk, &format!("/state/user/{user}/interact"), &[]).await.status, 200, "{user}");
        let (status, known) = desk.api.0.get(&format!("/v1/conversations/{user}")).await;
        assert_eq!((status, &known["id"]), (200, &json!(id)));
    }
    for user in ["%7B%7Buser_id%7D%7D", &"x".repeat(257), "a%0Ab"] {
        let reply = ask(&desk, &format!("/state/user/{user}/interact"), &[]).await;
        assert_eq!((reply.status, &reply.body["name"]), (400, &json!("verror")), "{user}: {}", reply.body);
    }
}

#[tokio::test]
async fn the_language_is_the_locale_or_what_the_conversation_says() {
    let greeting = "greeting: {en: Hello., de: Guten Tag.}\n".to_owned() + AGENT;
    let desk = Desk::with(model().await, &[("agents/desk.yaml", &greeting)]).await;
    let launch = |variables: Value| json!({"action": {"type": "launch"}, "state": {"variables": variables}});
    for (user, query, variables, expected) in [
        ("a", "?locale=de-DE", json!({}), "Guten Tag."),
        ("b", "", json!({"conversation.language": "de"}), "Guten Tag."),
        ("c", "?locale=en", json!({"conversation.language": "de"}), "Hello."),
        ("d", "", json!({}), "Hello."),
    ] {
        let reply = desk.api.post(&format!("/state/user/{user}/interact{query}"), &launch(variables)).await;
        assert_eq!(lines(reply.body.as_array().unwrap()), [format!("text: {expected}")], "{user}");
    }
}
