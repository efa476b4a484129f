//! Types of requests, and what is told for each.

use serde_json::{Value, json};

use super::super::model::{Reply, ScriptedModel};
use super::{AGENT, Desk, is_after_tools, lines, text};

/// A model that repeats what it hears.
async fn parrot() -> ScriptedModel {
    ScriptedModel::start(|asked| Reply::says(&format!("You said: {}", asked.user()))).await
}

#[tokio::test]
async fn each_type_is_taken_under_both_names() {
    for (action, heard) in [
        (text("A large pizza"), "A large pizza"),
        (
            json!({"type": "intent", "payload": {"intent": {"name": "order"}, "query": "Pizza", "entities": [{"name": "size", "value": "large"}]}}),
            "Pizza [size: large]",
        ),
        (json!({"type": "event", "payload": {"event": {"name": "paid"}}}), "[event: paid]"),
        (json!({"type": "action", "payload": {"label": "Pay now", "actions": []}}), "Pay now"),
        (json!({"type": "path-cjl53", "payload": {"label": "Yes"}}), "Yes"),
        (json!({"type": "no-reply"}), "[The person has said nothing.]"),
        (json!({"type": "no-reply", "payload": null}), "[The person has said nothing.]"),
        (json!({"type": "telepathy", "payload": {"strength": 7}}), "[telepathy: {\"strength\":7}]"),
        (json!({"type": "done"}), "[done]"),
    ] {
        for name in ["action", "request"] {
            let desk = Desk::open(parrot().await).await;
            let traces = desk.ask(&json!({ name: action })).await;
            assert_eq!(lines(&traces), [format!("text: You said: {heard}")], "{name} {action}");
            assert_eq!(desk.heard(), [heard], "{name} {action}");
        }
    }
}

#[tokio::test]
async fn action_wins_over_its_old_name() {
    let desk = Desk::open(parrot().await).await;
    let traces = desk.ask(&json!({"action": text("new"), "request": text("old")})).await;
    assert_eq!(lines(&traces), ["text: You said: new"]);
}

#[tokio::test]
async fn a_launch_is_answered_with_the_greeting_and_begins_anew() {
    let desk = Desk::open(parrot().await).await;
    let owner = json!({"variables": {"owner": "Ann"}});
    for launch in [json!({"type": "launch"}), json!({"type": "launch", "payload": null})] {
        let traces = desk.ask(&json!({"action": launch, "state": owner})).await;
        assert_eq!(lines(&traces), ["text: Hello, Ann."]);
        let slate = &traces[0]["payload"]["slate"]["content"];
        assert_eq!(slate, &json!([{"children": [{"text": "Hello, Ann."}]}]));
        assert!(traces[0]["time"].as_u64().unwrap() > 1_700_000_000_000);
        assert_eq!(desk.say("Hi").await, ["text: You said: Hi"]);
        assert_eq!(desk.seen(), ["assistant: Hello, Ann.", "user: Hi"]);
    }
    // What is known of the user stays.
    let system = &desk.model.requests()[1].system;
    assert_eq!(system, "You answer for Ann.");
}

#[tokio::test]
async fn nothing_at_all_is_a_launch_first_and_then_to_go_on() {
    let desk = Desk::open(ScriptedModel::answering([Reply::says("Are you there?")]).await).await;
    assert_eq!(lines(&desk.interact(Value::Null).await), ["text: Hello, stranger."]);
    assert_eq!(lines(&desk.ask(&json!({})).await), ["text: Are you there?"]);
    let asked = desk.model.request();
    assert_eq!(asked.lines()[0], "assistant: Hello, stranger.");
    // A body of no bytes is one without members.
    let desk = Desk::open(parrot().await).await;
    let path = "/state/user/user-1/interact";
    let reply = desk.api.send("post", path, desk.api.0.request("POST", path)).await;
    assert_eq!(
        (reply.status, lines(reply.body.as_array().unwrap())),
        (200, vec!["text: Hello, stranger.".to_owned()])
    );
}

#[tokio::test]
async fn an_agent_without_a_greeting_lets_its_model_begin() {
    let model = ScriptedModel::answering([Reply::says("Welcome!"), Reply::says("Fine.")]).await;
    let desk = Desk::with(model, &[("agents/desk.yaml", AGENT)]).await;
    assert_eq!(lines(&desk.interact(json!({"type": "launch"})).await), ["text: Welcome!"]);
    assert_eq!(desk.say("How are you?").await, ["text: Fine."]);
    assert_eq!(desk.seen(), ["assistant: Welcome!", "user: How are you?"]);
}

#[tokio::test]
async fn debug_is_left_out_unless_the_client_names_what_to_leave_out() {
    let model = || {
        ScriptedModel::start(|asked| match is_after_tools(asked) {
            false => Reply::calls([("look", json!({"number": "7"}))]).with_preamble("Let me see."),
            true => Reply::says("It is sent."),
        })
    };
    for (config, expected) in [
        (json!(null), &["text: Let me see.", "text: It is sent."][..]),
        (
            json!({"tts": true, "stopAll": true, "selfDelegate": false}),
            &["text: Let me see.", "text: It is sent."],
        ),
        (json!({"excludeTypes": []}), &["text: Let me see.", "debug: `look`", "text: It is sent."]),
        (json!({"excludeTypes": ["text"]}), &["debug: `look`"]),
    ] {
        let desk = Desk::open(model().await).await;
        let told = lines(&desk.ask(&json!({"action": text("Where is 7?"), "config": config})).await);
        assert_eq!(told.len(), expected.len(), "{config}: {told:?}");
        for (line, expected) in told.iter().zip(expected) {
            assert!(line.starts_with(expected), "{config}: {told:?}");
        }
        assert_eq!(desk.upstream.requests().len(), 1);
    }
}

#[tokio::test]
async fn fillers_are_spoken_and_their_tags_are_the_clients_choice() {
    for (strips, expected) in
        [(true, "speak: Let me look outside."), (false, "speak: <prosody>Let me look</prosody> outside.")]
    {
        let model = ScriptedModel::start(|asked| match is_after_tools(asked) {
            false => Reply::calls([("weather", json!({}))]),
            true => Reply::says("It is blue."),
        })
        .await;
        let desk = Desk::open(model).await;
        let body = json!({"action": text("How is it outside?"), "config": {"stripSSML": strips}});
        let traces = desk.ask(&body).await;
        assert_eq!(lines(&traces), [expected, "text: It is blue."]);
        assert_eq!(traces[0]["payload"]["type"], "message");
        assert_eq!(traces[0]["payload"].get("src"), None, "there is no audio");
    }
}

#[tokio::test]
async fn a_fixed_answer_may_bring_buttons_and_pressing_one_says_its_label() {
    let model = ScriptedModel::start(|asked| match (asked.user(), is_after_tools(asked)) {
        ("Pizza", false) => Reply::calls([("sizes", json!({}))]),
        ("Pizza", true) => Reply::says("Small or large?"),
        (size, _) => Reply::says(&format!("{size} it is.")),
    })
    .await;
    let desk = Desk::open(model).await;
    let traces = desk.interact(text("Pizza")).await;
    let path = json!({"type": "path-2", "payload": {"label": "Large"}});
    let buttons = json!([{"name": "Small", "request": text("Small")}, {"name": "Large", "request": path}]);
    assert_eq!((traces.len(), &traces[0]["type"]), (2, &json!("text")));
    assert_eq!((&traces[1]["type"], &traces[1]["payload"]["buttons"]), (&json!("choice"), &buttons));
    assert_eq!(lines(&desk.interact(path).await), ["text: Large it is."]);
}

#[tokio::test]
async fn a_variable_asks_for_no_reply_and_the_log_has_levels() {
    let model = ScriptedModel::start(|asked| match is_after_tools(asked) {
        false if asked.user() == "Where is 7?" => Reply::calls([("look", json!({"number": "7"}))]),
        _ => Reply::says("Well?"),
    })
    .await;
    let desk = Desk::open(model).await;
    let patience = json!({"variables": {"conversation.no_reply_seconds": 8}});
    let traces = desk.ask(&json!({"action": {"type": "launch"}, "state": patience})).await;
    assert_eq!(lines(&traces), ["text: Hello, stranger.", "no-reply: 8.0"]);
    let path = "/state/user/user-1/interact?logs=debug";
    let reply = desk.api.post(path, &json!({"action": text("Where is 7?")})).await;
    let kinds: Vec<&str> =
        reply.body.as_array().unwrap().iter().map(|trace| trace["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["log", "log", "log", "text", "no-reply"]);
    let logged: Vec<_> =
        reply.body.as_array().unwrap()[..3].iter().map(|trace| &trace["payload"]["kind"]).collect();
    assert_eq!(logged, ["model", "tool", "model"]);
    let reply =
        desk.api.post("/state/user/user-1/interact?logs=error", &json!({"action": text("So?")})).await;
    assert_eq!(lines(reply.body.as_array().unwrap()), ["text: Well?", "no-reply: 8.0"]);
}

#[tokio::test]
async fn an_agent_that_cannot_answer_says_so() {
    let model = ScriptedModel::start(|_| Reply::status(400).because("bad", "no such thing")).await;
    let desk = Desk::open(model).await;
    let body = json!({"action": text("Hello?"), "config": {"excludeTypes": []}});
    let told = lines(&desk.ask(&body).await);
    assert!(told[0].starts_with("text: I am sorry"), "{told:?}");
    assert_eq!(told[1], "debug: model_refused: the provider refused the request");
}

#[tokio::test]
async fn verbose_tells_the_state_and_the_request_too() {
    let desk = Desk::open(parrot().await).await;
    let action = text("Hi");
    let body = json!({"action": action, "state": {"variables": {"owner": "Ann"}}});
    let reply = desk.api.post("/state/user/user-1/interact?verbose=true", &body).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(lines(reply.body["trace"].as_array().unwrap()), ["text: You said: Hi"]);
    assert_eq!((&reply.body["request"], &reply.body["action"]), (&action, &action));
    let state = &reply.body["state"];
    assert_eq!((&state["variables"], &state["storage"]), (&json!({"owner": "Ann"}), &json!({})));
    assert_eq!(
        (&state["stack"][0]["diagramID"], &state["stack"][0]["nodeID"]),
        (&json!("desk"), &json!("open"))
    );
    let reply = desk.api.post("/state/user/user-1/interact?verbose=false", &body).await;
    assert!(reply.body.is_array(), "{}", reply.body);
}

#[tokio::test]
async fn what_is_broken_is_refused_in_voiceflows_form() {
    let desk = Desk::open(parrot().await).await;
    for (body, says) in [
        ("{", "the body is not JSON"),
        ("[]", "the body must be a JSON object"),
        (r#"{"action": "text"}"#, "`action` must be an object"),
        (r#"{"state": []}"#, "`state` must be an object"),
        (r#"{"state": {"variables": 7}}"#, "`variables` must be an object"),
        (r#"{"config": {"excludeTypes": "debug"}}"#, "`config.excludeTypes` must be a list"),
        (r#"{"config": {"stopTypes": [""]}}"#, "`config.stopTypes` must hold texts"),
    ] {
        let path = "/state/user/user-1/interact";
        let reply = desk.api.send("post", path, desk.api.0.request("POST", path).body(body)).await;
        assert_eq!((reply.status, &reply.body["name"]), (400, &json!("verror")), "{body}: {}", reply.body);
        assert!(reply.body["message"].as_str().unwrap().contains(says), "{body}: {}", reply.body);
        assert_eq!(reply.body["requestID"].as_str().unwrap().len(), 32);
    }
    assert!(desk.model.requests().is_empty());
    assert_eq!(desk.state("GET", "", &json!(null)).await.body, json!({}), "nothing has begun");
}

#[tokio::test]
async fn a_megabyte_is_taken_and_no_byte_more() {
    let desk = Desk::with(
        parrot().await,
        &[("callgate.toml", &format!("{}[server]\nmax_request_bytes = 8388608\n", super::SETTINGS))],
    )
    .await;
    let path = "/state/user/user-1/interact";
    let body = |bytes: usize| {
        let body = json!({"action": text("Hi"), "unknown": ""}).to_string();
        body.replace(r#""unknown":"""#, &format!(r#""unknown":"{}""#, "x".repeat(bytes - body.len())))
    };
    for (bytes, expected) in [(1024 * 1024, 200), (1024 * 1024 + 1, 413)] {
        let body = body(bytes);
        assert_eq!(body.len(), bytes);
        let reply = desk.api.send("post", path, desk.api.0.request("POST", path).body(body)).await;
        assert_eq!(reply.status, expected, "{}", reply.body);
        if expected == 413 {
            assert_eq!(
                (&reply.body["code"], &reply.body["status"]),
                (&json!(413), &json!("Payload Too Large"))
            );
        }
    }
}
