//! Conversations that the client carries.

use serde_json::{Value, json};

use super::super::model::{Reply, ScriptedModel};
use super::{AGENT, Desk, HIDDEN, SENSITIVE, SETTINGS, is_after_tools, lines, text};

async fn clerk() -> ScriptedModel {
    ScriptedModel::start(|asked| match (asked.user(), is_after_tools(asked)) {
        ("Where is 7?", false) => Reply::calls([("look", json!({"number": "7"}))]),
        ("Track it", false) => Reply::calls([("track", json!({}))]),
        ("Book it", false) => Reply::calls([("book", json!({"slot": 3}))]),
        ("Both", false) => Reply::calls([("look", json!({"number": "7"})), ("book", json!({"slot": 3}))]),
        ("Pay", false) => Reply::calls([("pay", json!({"payload": "seven"}))]),
        _ => Reply::says("Yes."),
    })
    .await
}

/// Asks with this state; the reply.
async fn ask(desk: &Desk, state: &Value, action: Value) -> Value {
    let reply = desk.api.post("/interact", &json!({"state": state, "action": action})).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.body
}

fn told(reply: &Value) -> Vec<String> {
    lines(reply["trace"].as_array().unwrap())
}

async fn refused(desk: &Desk, state: &Value) -> (u16, String) {
    let reply = desk.api.post("/interact", &json!({"state": state, "action": text("Hi")})).await;
    assert_eq!(reply.body["name"], "verror", "{}", reply.body);
    (reply.status, reply.body["message"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_conversation_goes_on_with_the_state_that_came_back() {
    let desk = Desk::open(clerk().await).await;
    let launched = ask(&desk, &Value::Null, json!({"type": "launch"})).await;
    assert_eq!(told(&launched), ["text: Hello, stranger."]);
    assert_eq!(launched["request"], json!({"type": "launch"}));
    let looked = ask(&desk, &launched["state"], text("Where is 7?")).await;
    assert_eq!(told(&looked), ["text: Yes."]);
    assert_eq!(looked["state"]["variables"], json!({"order.status": "sent"}));
    assert_eq!(looked["state"]["stack"][0]["nodeID"], "open");
    // What only the gateway knows has travelled, and so has the round that the model saw.
    let tracked = ask(&desk, &looked["state"], text("Track it")).await;
    assert_eq!(told(&tracked), ["text: Yes."]);
    let line = desk.upstream.requests()[1].line().to_owned();
    assert_eq!(line, format!("GET /track?status=sent&token={SENSITIVE}"));
    let seen = desk.seen();
    assert_eq!((seen[0].as_str(), seen[1].as_str()), ("assistant: Hello, stranger.", "user: Where is 7?"));
    assert!(seen[3].starts_with("tool: look -> "), "{seen:?}");
    let booked = ask(&desk, &tracked["state"], text("Book it")).await;
    assert_eq!(booked["state"]["stack"][0]["nodeID"], "booked");
    for reply in [&looked, &tracked, &booked] {
        let text = reply.to_string();
        assert!(!text.contains(HIDDEN) && !text.contains(SENSITIVE), "{text}");
    }
    // Nothing of it is stored.
    let (_, listed) = desk.api.0.get("/v1/conversations").await;
    assert_eq!(listed["conversations"], json!([]));
}

#[tokio::test]
async fn the_calls_of_one_round_are_all_part_of_what_comes_next() {
    let desk = Desk::open(clerk().await).await;
    let both = ask(&desk, &Value::Null, text("Both")).await;
    assert_eq!(both["state"]["variables"], json!({"order.status": "sent"}));
    assert_eq!(both["state"]["stack"][0]["nodeID"], "booked");
    let seen = desk.seen();
    assert!(seen[2].starts_with("tool: look -> ") && seen[2].contains("book -> "), "{seen:?}");
    ask(&desk, &both["state"], text("Track it")).await;
    assert!(desk.upstream.requests()[2].line().ends_with(SENSITIVE));
}

#[tokio::test]
async fn the_same_request_with_the_same_state_does_nothing_twice() {
    let desk = Desk::open(clerk().await).await;
    let first = ask(&desk, &Value::Null, text("Hi")).await;
    let count =
        |desk: &Desk, line: &str| desk.upstream.requests().iter().filter(|sent| sent.line() == line).count();
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(ask(&desk, &first["state"], text("Both")).await);
    }
    assert_eq!((count(&desk, "GET /orders/7"), count(&desk, "POST /book")), (1, 1));
    for answer in &answers {
        assert_eq!(told(answer), told(&answers[0]));
        assert_eq!(answer["state"]["variables"], answers[0]["state"]["variables"]);
        assert_eq!(answer["state"]["stack"], answers[0]["state"]["stack"]);
    }
    // With the state after it, the same words are meant anew.
    let again = ask(&desk, &answers[2]["state"], text("Book it")).await;
    assert_eq!((told(&again), count(&desk, "POST /book")), (vec!["text: Yes.".to_owned()], 2));
    // And so they are with a state in which the client has changed something and said the same again.
    let again = ask(&desk, &again["state"], text("Book it")).await;
    assert_eq!((told(&again), count(&desk, "POST /book")), (vec!["text: Yes.".to_owned()], 3));
}

#[tokio::test]
async fn a_client_may_read_and_change_the_variables_of_a_state() {
    let desk = Desk::open(clerk().await).await;
    let looked = ask(&desk, &Value::Null, text("Where is 7?")).await;
    let mut state = looked["state"].clone();
    state["variables"]["owner"] = json!("Ann");
    state["stack"][0]["nodeID"] = json!("paying");
    let next = ask(&desk, &state, text("Hi")).await;
    assert_eq!(desk.model.requests().last().unwrap().system, "You answer for Ann.");
    assert_eq!(next["state"]["variables"], json!({"order.status": "sent", "owner": "Ann"}));
    assert_eq!(next["state"]["stack"][0]["nodeID"], "paying");
    // What is taken away is gone; what the client does not see is not.
    let mut state = next["state"].clone();
    state["variables"] = json!({"order.status": "lost"});
    let next = ask(&desk, &state, text("Track it")).await;
    assert_eq!(next["state"]["variables"], json!({"order.status": "lost"}));
    let line = desk.upstream.requests().last().unwrap().line().to_owned();
    assert_eq!(line, format!("GET /track?status=lost&token={SENSITIVE}"));
    // A name that is hidden stays hidden.
    let mut state = next["state"].clone();
    state["variables"]["order.token"] = json!("new-t0k3n");
    let next = ask(&desk, &state, text("Track it")).await;
    assert_eq!(next["state"]["variables"], json!({"order.status": "lost"}));
    assert!(!next.to_string().contains("new-t0k3n"));
    let line = desk.upstream.requests().last().unwrap().line().to_owned();
    assert_eq!(line, "GET /track?status=lost&token=new-t0k3n");
    // What no conversation takes is refused.
    let mut state = next["state"].clone();
    state["variables"]["a..b"] = json!(1);
    let (status, message) = refused(&desk, &state).await;
    assert!(status == 400 && message.contains("a..b"), "{message}");
    // Larger than a state may be.
    state["variables"] = json!({"large": "x".repeat(80_000)});
    let (status, message) = refused(&desk, &state).await;
    assert!(status == 400 && message.contains("large"), "{message}");
}

#[tokio::test]
async fn a_state_without_anything_sealed_begins_a_conversation() {
    let desk = Desk::open(clerk().await).await;
    for state in [
        json!(null),
        json!({}),
        json!({"variables": {"owner": "Ann"}}),
        json!({"stack": [], "storage": {}, "variables": {"owner": "Ann"}}),
        json!({"stack": [{"programID": "p", "diagramID": "64dbb6696a8fab0013dba194", "nodeID": null}], "storage": {"other": 1}, "variables": {"owner": "Ann"}}),
    ] {
        let reply = ask(&desk, &state, text("Hi")).await;
        let owner = if state["variables"].is_object() { "Ann" } else { "nobody" };
        let asked = desk.model.requests().pop().unwrap();
        assert_eq!(
            (asked.system.as_str(), asked.lines()),
            (format!("You answer for {owner}.").as_str(), vec!["user: Hi".to_owned()])
        );
        assert!(reply["state"]["storage"]["callgate"]["state"].is_string());
    }
}

#[tokio::test]
async fn the_initial_state_is_one_to_begin_with() {
    let desk = Desk::open(clerk().await).await;
    for path in ["/interact/state", "/interact/development/state"] {
        let reply = desk.api.get(path).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let frame = &reply.body["stack"][0];
        assert_eq!(
            (&frame["diagramID"], &frame["nodeID"], &reply.body["variables"]),
            (&json!("desk"), &json!("open"), &json!({}))
        );
        let launched = ask(&desk, &reply.body, Value::Null).await;
        assert_eq!(told(&launched), ["text: Hello, stranger."]);
    }
    let reply = desk.api.post("/interact/development", &json!({"action": text("Hi")})).await;
    assert_eq!((reply.status, told(&reply.body)), (200, vec!["text: Yes.".to_owned()]));
    for path in ["/interact/staging", "/interact/64dbb6696a8fab0013dba194"] {
        let reply = desk.api.post(path, &json!({"action": text("Hi")})).await;
        assert_eq!((reply.status, &reply.body["name"]), (400, &json!("verror")), "{path}");
        assert_eq!(desk.api.get(&format!("{path}/state")).await.status, 400);
    }
}

#[tokio::test]
async fn a_launch_and_an_empty_stack_begin_anew_with_what_is_known() {
    let desk = Desk::open(clerk().await).await;
    let looked = ask(&desk, &json!({"variables": {"owner": "Ann"}}), text("Book it")).await;
    assert_eq!(looked["state"]["stack"][0]["nodeID"], "booked");
    let launched = ask(&desk, &looked["state"], json!({"type": "launch"})).await;
    assert_eq!(told(&launched), ["text: Hello, Ann."]);
    assert_eq!(launched["state"]["stack"][0]["nodeID"], "open");
    // The same call is another one now.
    ask(&desk, &launched["state"], text("Book it")).await;
    assert_eq!(desk.seen()[..2], ["assistant: Hello, Ann.", "user: Book it"]);
    assert_eq!(desk.upstream.requests().len(), 2);
    let mut state = looked["state"].clone();
    state["stack"] = json!([]);
    ask(&desk, &state, text("Hi")).await;
    assert_eq!(desk.seen(), ["user: Hi"]);
}

#[tokio::test]
async fn what_a_client_does_itself_waits_in_the_state() {
    let desk = Desk::open(clerk().await).await;
    let body = json!({"action": text("Pay"), "config": {"stopTypes": ["pay", "end"]}});
    let reply = desk.api.post("/interact", &body).await;
    assert_eq!(told(&reply.body), ["pay: seven"]);
    let paid = ask(&desk, &reply.body["state"], json!({"type": "done", "payload": "paid"})).await;
    assert_eq!(told(&paid), ["text: Yes."]);
    assert_eq!(desk.seen()[2], "tool: pay -> paid");
    // The state before it still waits.
    let failed = ask(&desk, &reply.body["state"], json!({"type": "failed", "payload": "no money"})).await;
    assert_eq!(
        (told(&failed), desk.seen()[2].as_str()),
        (vec!["text: Yes.".to_owned()], "tool: pay -> no money")
    );
}

#[tokio::test]
async fn a_conversation_that_has_ended_travels_as_that() {
    let model = ScriptedModel::start(|asked| match asked.user() {
        "Bye" => Reply::calls([("end", json!({}))]).with_preamble("Goodbye."),
        _ => Reply::says("Yes."),
    })
    .await;
    let desk = Desk::open(model).await;
    let reply =
        desk.api.post("/interact", &json!({"action": text("Bye"), "config": {"stopTypes": ["end"]}})).await;
    assert_eq!(told(&reply.body), ["text: Goodbye.", "end: null"]);
    assert_eq!(reply.body["state"]["stack"], json!([]));
    let over = ask(&desk, &reply.body["state"], text("Hello?")).await;
    assert_eq!(told(&over), ["end: null"]);
    assert_eq!(desk.model.requests().len(), 1);
    let launched = ask(&desk, &over["state"], json!({"type": "launch"})).await;
    assert_eq!(told(&launched), ["text: Hello, stranger."]);
    assert_eq!(told(&ask(&desk, &launched["state"], text("Hi")).await), ["text: Yes."]);
}

#[tokio::test]
async fn a_write_that_waits_for_the_next_turn_waits_in_the_state() {
    let agent = format!("writes: next_turn\n{AGENT}");
    let desk = Desk::with(clerk().await, &[("agents/desk.yaml", &agent)]).await;
    let proposed = ask(&desk, &Value::Null, text("Book it")).await;
    assert_eq!((told(&proposed), desk.upstream.requests().len()), (vec!["text: Yes.".to_owned()], 0));
    let mut proposed = proposed;
    for silence in [json!({"type": "no-reply"}), json!({"type": "text", "payload": " "}), Value::Null] {
        proposed = ask(&desk, &proposed["state"], silence).await;
        assert_eq!(desk.upstream.requests().len(), 0, "the person has said nothing");
    }
    let done = ask(&desk, &proposed["state"], text("Do it")).await;
    assert_eq!((told(&done), desk.upstream.requests().len()), (vec!["text: Yes.".to_owned()], 1));
    let seen = desk.seen();
    assert!(seen[2].contains(r#"{"ok":true}"#), "{seen:?}");
    assert_eq!(done["state"]["stack"][0]["nodeID"], "booked");
    // The same with the same state is the same write.
    ask(&desk, &proposed["state"], text("Do it")).await;
    assert_eq!(desk.upstream.requests().len(), 1);
}

#[tokio::test]
async fn a_state_that_was_changed_or_mixed_is_refused() {
    let desk = Desk::open(clerk().await).await;
    let one = ask(&desk, &Value::Null, text("Where is 7?")).await["state"].clone();
    let other = ask(&desk, &Value::Null, text("Where is 7?")).await["state"].clone();
    let flipped = |state: &Value, name: &str| {
        let mut state = state.clone();
        let text = state["storage"]["callgate"][name].as_str().unwrap();
        let last = if text.ends_with('A') { "B" } else { "A" };
        state["storage"]["callgate"][name] = json!(format!("{}{last}", &text[..text.len() - 1]));
        state
    };
    let mut mixed = one.clone();
    mixed["storage"]["callgate"]["turns"] = other["storage"]["callgate"]["turns"].clone();
    let mut alone = one.clone();
    alone["storage"]["callgate"]["state"] = Value::Null;
    let mut swapped = one.clone();
    swapped["storage"]["callgate"]["state"] = one["storage"]["callgate"]["turns"].clone();
    let mut odd = one.clone();
    odd["storage"]["callgate"]["state"] = json!(7);
    let sent = desk.upstream.requests().len();
    for (what, state) in [
        ("state", flipped(&one, "state")),
        ("turns", flipped(&one, "turns")),
        ("mixed", mixed),
        ("turns alone", alone),
        ("swapped", swapped),
        ("a number", odd),
        ("a stack", json!({"stack": 7})),
        ("a storage", json!({"storage": 7})),
    ] {
        assert_eq!(refused(&desk, &state).await.0, 400, "{what}");
    }
    assert_eq!((desk.upstream.requests().len(), desk.model.requests().len()), (sent, 4));
}

#[tokio::test]
async fn a_state_is_the_one_that_tool_calls_take() {
    let desk = Desk::open(clerk().await).await;
    let looked = ask(&desk, &Value::Null, text("Where is 7?")).await;
    let sealed = &looked["state"]["storage"]["callgate"]["state"];
    let result = desk.api.call(json!({"name": "track", "tool_call_id": "mine", "state": sealed})).await;
    assert_eq!(result["status"], "success", "{result}");
    let mut state = looked["state"].clone();
    state["storage"]["callgate"]["state"] = result["state"].clone();
    assert_eq!(told(&ask(&desk, &state, text("Thanks")).await), ["text: Yes."]);
}

#[tokio::test]
async fn without_a_key_to_seal_with_nothing_can_be_carried() {
    let settings = SETTINGS.split("[sealing]").next().unwrap();
    let desk = Desk::with(clerk().await, &[("callgate.toml", settings)]).await;
    let (status, message) = refused(&desk, &Value::Null).await;
    assert!(status == 400 && message.contains("no key of [sealing]"), "{message}");
    let reply = desk.api.get("/interact/state").await;
    assert_eq!((reply.status, &reply.body["name"]), (400, &json!("verror")));
    assert_eq!(desk.say("Hi").await, ["text: Yes."], "all else works");
}
