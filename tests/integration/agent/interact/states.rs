//! The state of a user, which is the conversation of that id.

use serde_json::{Value, json};

use super::super::model::{Reply, ScriptedModel};
use super::{Desk, HIDDEN, SENSITIVE, USER, is_after_tools, lines, text};

/// A model that looks order 7 up where it is asked to, and books slot 3.
async fn clerk() -> ScriptedModel {
    ScriptedModel::start(|asked| match (asked.user(), is_after_tools(asked)) {
        ("Where is 7?", false) => Reply::calls([("look", json!({"number": "7"}))]),
        ("Track it", false) => Reply::calls([("track", json!({}))]),
        ("Book it", false) => Reply::calls([("book", json!({"slot": 3}))]),
        _ => Reply::says("Yes."),
    })
    .await
}

#[tokio::test]
async fn a_user_whom_nobody_knows_has_an_empty_state() {
    let desk = Desk::open(clerk().await).await;
    let reply = desk.state("GET", "", &json!(null)).await;
    assert_eq!((reply.status, reply.body), (200, json!({})));
    let reply = desk.state("DELETE", "", &json!(null)).await;
    assert_eq!((reply.status, reply.body), (200, json!({})));
}

#[tokio::test]
async fn variables_that_are_patched_are_the_conversations() {
    let desk = Desk::open(clerk().await).await;
    let reply = desk.state("PATCH", "/variables", &json!({"owner": "Ann", "customer.tier": "gold"})).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.body["variables"], json!({"owner": "Ann", "customer.tier": "gold"}));
    desk.say("Hi").await;
    assert_eq!(desk.model.request().system, "You answer for Ann.");
    let (status, known) = desk.api.0.get(&format!("/v1/conversations/{USER}")).await;
    assert_eq!((status, &known["variables"]["customer.tier"]["value"]), (200, &json!("gold")));
    assert_eq!(known["variables"]["owner"]["source"], json!({"by": "caller"}));
    // Null takes one away, and a list is replaced as a whole.
    desk.state("PATCH", "/variables", &json!({"tags": ["a", "b"]})).await;
    let reply = desk.state("PATCH", "/variables", &json!({"owner": null, "gone": null, "tags": ["c"]})).await;
    assert_eq!(reply.body["variables"], json!({"customer.tier": "gold", "tags": ["c"]}));
}

#[tokio::test]
async fn a_variable_that_no_conversation_takes_is_refused_and_nothing_is_changed() {
    let desk = Desk::open(clerk().await).await;
    desk.state("PATCH", "/variables", &json!({"owner": "Ann"})).await;
    let too_large = "x".repeat(600 * 1024);
    for variables in [
        json!({"a..b": 1, "new": 1}),
        json!({"owner.name": 1, "new": 1}),
        json!({"new": 1, "large": too_large}),
    ] {
        for (method, rest, body) in [
            ("PATCH", "/variables", variables.clone()),
            ("POST", "/interact", json!({"action": text("Hi"), "state": {"variables": variables}})),
            ("PUT", "", {
                let mut all = variables.clone();
                all["owner"] = json!("Ann");
                json!({"stack": [{"diagramID": "desk"}], "storage": {}, "variables": all})
            }),
        ] {
            let reply = desk.state(method, rest, &body).await;
            assert_eq!(
                (reply.status, &reply.body["name"]),
                (400, &json!("verror")),
                "{method}: {}",
                reply.body
            );
            assert!(reply.body["variables"][0]["reason"].is_string(), "{method}: {}", reply.body);
        }
    }
    assert_eq!(desk.state("GET", "", &json!(null)).await.body["variables"], json!({"owner": "Ann"}));
    assert!(desk.model.requests().is_empty());
}

#[tokio::test]
async fn what_is_hidden_or_sensitive_is_in_no_state_and_stays_so() {
    let desk = Desk::open(clerk().await).await;
    let reply = desk
        .api
        .post(&format!("/state/user/{USER}/interact?verbose=true"), &json!({"action": text("Where is 7?")}))
        .await;
    assert_eq!(reply.body["state"]["variables"], json!({"order.status": "sent"}));
    let state = desk.state("GET", "", &json!(null)).await.body;
    for told in [&reply.body, &state] {
        let told = told.to_string();
        assert!(!told.contains(HIDDEN) && !told.contains(SENSITIVE), "{told}");
    }
    // A client that sends the state back has not seen them, and takes nothing away.
    let reply = desk.state("PUT", "", &state).await;
    assert_eq!((reply.status, &reply.body), (200, &state));
    desk.say("Track it").await;
    let tracked = desk.upstream.requests()[1].line().to_owned();
    assert_eq!(tracked, format!("GET /track?status=sent&token={SENSITIVE}"));
    // Marks stay with the name.
    let reply = desk
        .state("PATCH", "/variables", &json!({"order.token": "new-t0k3n", "order.margin": "low-margin"}))
        .await;
    assert_eq!(reply.body["variables"], json!({"order.status": "sent"}));
    let (_, known) = desk.api.0.get(&format!("/v1/conversations/{USER}")).await;
    let marks = |name: &str| {
        [&known["variables"][name]["sensitive"], &known["variables"][name]["hidden"]].map(Value::clone)
    };
    assert_eq!(marks("order.token"), [json!(true), json!(true)]);
    assert_eq!(marks("order.margin"), [json!(false), json!(true)]);
    assert_eq!(known["variables"]["order.token"]["value"], "***");
}

#[tokio::test]
async fn a_whole_state_replaces_what_is_seen() {
    let desk = Desk::open(clerk().await).await;
    let state = json!({"stack": [{"diagramID": "desk", "nodeID": "paying"}], "storage": {}, "variables": {"owner": "Ann", "size": 2}});
    let reply = desk.state("PUT", "", &state).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(
        (&reply.body["variables"], &reply.body["stack"][0]["nodeID"]),
        (&json!({"owner": "Ann", "size": 2}), &json!("paying"))
    );
    let (_, known) = desk.api.0.get(&format!("/v1/conversations/{USER}")).await;
    assert_eq!(known["current_state"], "paying");
    let less =
        json!({"stack": [{"diagramID": "desk", "nodeID": null}], "storage": {}, "variables": {"size": 3}});
    let reply = desk.state("PUT", "", &less).await;
    assert_eq!(
        (&reply.body["variables"], &reply.body["stack"][0]["nodeID"]),
        (&json!({"size": 3}), &json!("paying"))
    );
    for (wrong, says) in [
        (json!({"stack": [], "storage": {}, "variables": {}, "extra": 1}), "no `extra`"),
        (json!({"stack": [], "storage": {}}), "`variables` is missing"),
        (json!({"stack": [], "variables": {}}), "`storage` is missing"),
        (json!({"storage": {}, "variables": {}}), "`stack` is missing"),
        (json!({"stack": [{"nodeID": "x"}], "storage": {}, "variables": {}}), "`diagramID`"),
    ] {
        let reply = desk.state("PUT", "", &wrong).await;
        assert_eq!((reply.status, &reply.body["name"]), (400, &json!("verror")), "{wrong}");
        assert!(reply.body["message"].as_str().unwrap().contains(says), "{}", reply.body);
    }
}

#[tokio::test]
async fn an_empty_stack_and_a_launch_make_what_was_said_undone_and_leave_what_is_known() {
    let desk = Desk::open(clerk().await).await;
    desk.state("PATCH", "/variables", &json!({"owner": "Ann"})).await;
    desk.say("Where is 7?").await;
    assert_eq!(desk.seen().len(), 3);
    let state = json!({"stack": [], "storage": {}, "variables": {"owner": "Ben"}});
    assert_eq!(desk.state("PUT", "", &state).await.status, 200);
    desk.say("Hi").await;
    assert_eq!(desk.seen(), ["user: Hi"]);
    assert_eq!(desk.model.requests().last().unwrap().system, "You answer for Ben.");
    // Nothing comes first after an empty stack.
    desk.state("PUT", "", &state).await;
    assert_eq!(lines(&desk.interact(Value::Null).await), ["text: Hello, Ben."]);
    desk.interact(json!({"type": "launch"})).await;
    desk.say("Hi again").await;
    assert_eq!(desk.seen(), ["assistant: Hello, Ben.", "user: Hi again"]);
}

#[tokio::test]
async fn the_same_write_after_a_launch_is_another_one() {
    let desk = Desk::open(clerk().await).await;
    let booked = |desk: &Desk| {
        desk.upstream.requests().iter().filter(|request| request.line() == "POST /book").count()
    };
    for count in 1..=3 {
        // `booked` is the state after it, until the conversation begins anew.
        desk.interact(json!({"type": "launch"})).await;
        assert_eq!(desk.state("GET", "", &json!(null)).await.body["stack"][0]["nodeID"], "open");
        assert_eq!(desk.say("Book it").await, ["text: Yes."]);
        assert_eq!(booked(&desk), count);
        assert_eq!(desk.state("GET", "", &json!(null)).await.body["stack"][0]["nodeID"], "booked");
    }
    // Also where the conversation was erased meanwhile, and by whatever route it begins.
    desk.state("POST", "", &json!({})).await;
    desk.say("Book it").await;
    desk.state("DELETE", "", &json!(null)).await;
    desk.say("Book it").await;
    assert_eq!(booked(&desk), 5);
}

#[tokio::test]
async fn a_reset_begins_another_conversation() {
    let desk = Desk::open(clerk().await).await;
    desk.state("PATCH", "/variables", &json!({"owner": "Ann"})).await;
    desk.say("Where is 7?").await;
    let reply = desk.state("POST", "", &json!({})).await;
    assert_eq!(
        (reply.status, &reply.body["variables"], &reply.body["storage"]),
        (200, &json!({}), &json!({}))
    );
    assert_eq!(reply.body["stack"][0]["nodeID"], "open");
    desk.say("Hi").await;
    assert_eq!(desk.seen(), ["user: Hi"]);
    assert_eq!(desk.state("DELETE", "", &json!(null)).await.status, 200);
    assert_eq!(desk.state("GET", "", &json!(null)).await.body, json!({}));
    assert_eq!(desk.api.0.get(&format!("/v1/conversations/{USER}")).await.0, 404);
}

#[tokio::test]
async fn a_conversation_that_has_ended_says_so_until_it_is_launched() {
    let desk = Desk::open(clerk().await).await;
    desk.state("PATCH", "/variables", &json!({"owner": "Ann"})).await;
    let ended = desk.api.0.request("DELETE", &format!("/v1/conversations/{USER}")).send().await.unwrap();
    assert_eq!(ended.status(), 200);
    assert_eq!(lines(&desk.interact(text("Hi")).await), ["end: null"]);
    assert_eq!(desk.state("GET", "", &json!(null)).await.body["stack"], json!([]));
    for (method, rest, body) in [
        ("PATCH", "/variables", json!({"owner": "Ben"})),
        ("PUT", "", json!({"stack": [{"diagramID": "desk"}], "storage": {}, "variables": {}})),
    ] {
        let reply = desk.state(method, rest, &body).await;
        assert_eq!((reply.status, &reply.body["status"]), (409, &json!("Conflict")), "{}", reply.body);
    }
    assert_eq!(lines(&desk.interact(json!({"type": "launch"})).await), ["text: Hello, stranger."]);
    assert_eq!(desk.say("Hi").await, ["text: Yes."]);
}

#[tokio::test]
async fn what_was_said_is_known_to_the_next_request_with_its_hidden_rounds() {
    let desk = Desk::open(clerk().await).await;
    desk.say("Where is 7?").await;
    desk.say("Thanks").await;
    let seen = desk.seen();
    assert_eq!(seen.len(), 5, "{seen:?}");
    assert_eq!(seen[0], "user: Where is 7?");
    assert!(seen[2].starts_with("tool: look -> "), "{seen:?}");
    assert_eq!(seen[3..], ["assistant: Yes.", "user: Thanks"]);
    assert!(!seen.concat().contains(HIDDEN) && !seen.concat().contains(SENSITIVE), "{seen:?}");
}

#[tokio::test]
async fn hooks_run_when_a_user_is_first_heard_of() {
    let hook = "description: Greets.\nconnection: api\nmethod: POST\npath: /started\non: start\n\
        body: '{\"owner\": {{.variables.owner}}}'\n";
    let desk = Desk::with(clerk().await, &[("actions/started.yaml", hook)]).await;
    let body = json!({"action": text("Hi"), "state": {"variables": {"owner": "Ann"}}});
    desk.ask(&body).await;
    desk.ask(&body).await;
    assert_eq!(desk.upstream.request().text(), r#"{"owner": "Ann"}"#);
}

#[tokio::test]
async fn what_is_available_in_the_initial_state_is_offered_from_the_start() {
    let only =
        |state: &str| format!("{}available_in: [{state}]\n", super::BOOK.replace("next_state: booked", ""));
    for (state, offered) in [("open", true), ("closed", false)] {
        let desk = Desk::with(clerk().await, &[("actions/book.yaml", &only(state))]).await;
        desk.say("Book it").await;
        let tools = &desk.model.requests()[0].tools;
        assert_eq!(tools.iter().any(|name| name == "book"), offered, "{state}: {tools:?}");
        assert_eq!(desk.upstream.requests().len(), usize::from(offered), "{state}");
    }
}
