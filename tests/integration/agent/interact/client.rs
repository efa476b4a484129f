//! What a client does itself: custom traces and their answers.

use serde_json::{Value, json};

use super::super::model::{Reply, ScriptedModel};
use super::{Desk, USER, is_after_tools, lines, text};

/// A model that calls `tool` first, and then tells what came of it.
async fn caller(tool: &'static str, arguments: Value) -> ScriptedModel {
    ScriptedModel::start(move |asked| match (asked.results().first(), asked.messages.len()) {
        (Some(result), _) => {
            let failed = if result.is_error { " (failed)" } else { "" };
            Reply::says(&format!("It says {}{failed}.", result.content))
        }
        (None, 1) => Reply::calls([(tool, arguments.clone())]).with_preamble("One moment."),
        _ => Reply::says("Go on."),
    })
    .await
}

fn stop(types: Value) -> Value {
    json!({"action": text("Please"), "config": {"stopTypes": types}})
}

#[tokio::test]
async fn a_stop_type_is_a_tool_that_the_client_answers() {
    let desk = Desk::open(caller("Pay_Credit_Card", json!({"payload": "{\"sum\": 7}"})).await).await;
    let traces = desk.ask(&stop(json!(["Pay Credit Card"]))).await;
    assert_eq!(lines(&traces), ["text: One moment.", "Pay Credit Card: {\"sum\":7}"]);
    assert_eq!(traces[1]["defaultPath"], 0);
    assert_eq!(traces[1]["paths"], json!([{"event": {"type": "done"}}, {"event": {"type": "failed"}}]));
    let tools = &desk.model.request().body["tools"];
    let tool =
        tools.as_array().unwrap().iter().find(|tool| tool["function"]["name"] == "Pay_Credit_Card").unwrap();
    let description = tool["function"]["description"].as_str().unwrap();
    assert!(description.contains("“Pay Credit Card”"), "{description}");
    let answer = json!({"type": "done", "payload": {"receipt": 12}});
    assert_eq!(lines(&desk.interact(answer.clone()).await), [r#"text: It says {"receipt":12}."#]);
    assert_eq!(desk.seen()[2], r#"tool: Pay_Credit_Card -> {"receipt":12}"#);
    // A number is a text: its digits may be more than the client's language keeps.
    for text in ["12345678901234567890", "true", "\"7\"", "seven"] {
        let desk = Desk::open(caller("Pay_Credit_Card", json!({"payload": text})).await).await;
        let traces = desk.ask(&stop(json!(["Pay Credit Card"]))).await;
        assert_eq!(traces[1]["payload"], *text);
    }
    // It waits for no second answer.
    assert_eq!(lines(&desk.interact(answer).await), ["text: Go on."]);
    assert_eq!(desk.heard().last().unwrap(), r#"[done: {"receipt":12}]"#);
}

#[tokio::test]
async fn every_path_is_told_and_failed_is_a_failure() {
    for (answer, expected) in [
        (json!({"type": "done"}), r#"text: It says {"status":"done"}."#),
        (json!({"type": "failed", "payload": "no money"}), "text: It says no money"),
        (json!({"type": "declined"}), r#"text: It says {"path":"declined"}."#),
        (json!({"type": "declined", "payload": 7}), r#"text: It says {"path":"declined","payload":7}."#),
    ] {
        let desk = Desk::open(caller("pay", json!({})).await).await;
        let paths = json!([{"type": "pay", "paths": ["done", "declined"]}]);
        let traces = desk.ask(&stop(paths)).await;
        assert_eq!(traces[1]["paths"], json!([{"event": {"type": "done"}}, {"event": {"type": "declined"}}]));
        let told = lines(&desk.interact(answer.clone()).await);
        assert!(told.len() == 1 && told[0].starts_with(expected), "{answer}: {told:?}");
        // Chat Completions cannot say that a result is an error.
        assert_eq!(desk.model.requests().len(), 2);
    }
}

#[tokio::test]
async fn who_goes_on_without_an_answer_is_heard() {
    let desk = Desk::open(caller("pay", json!({})).await).await;
    desk.ask(&stop(json!(["pay"]))).await;
    assert_eq!(desk.say("Never mind").await, ["text: Go on."]);
    let seen = desk.seen();
    assert!(seen[2].starts_with("tool: pay -> The result of this call is not known."), "{seen:?}");
    assert_eq!(seen[3], "user: Never mind");
    // The answer that comes too late answers nothing.
    assert_eq!(lines(&desk.interact(json!({"type": "done"})).await), ["text: Go on."]);
}

/// The status that a result tells; one of an action with outputs has it in its body.
fn status_of(result: &Value) -> &str {
    result["body"]["status"].as_str().or(result["status"].as_str()).unwrap_or("none")
}

#[tokio::test]
async fn one_thing_is_asked_for_at_a_time() {
    let model = ScriptedModel::start(|asked| match asked.results() {
        [] => Reply::calls([
            ("look", json!({"number": "7"})),
            ("scan", json!({"side": "front"})),
            ("pay", json!({"payload": "seven"})),
        ]),
        results => {
            let told: Vec<String> = results
                .iter()
                .map(|result| format!("{}={}", result.name, status_of(&result.json())))
                .collect();
            Reply::says(&told.join(" "))
        }
    })
    .await;
    let desk = Desk::open(model).await;
    let scan = json!({"type": "scan", "description": "Scans a card.", "parameters": {"type": "object", "properties": {"side": {"type": "string"}}}});
    let config = json!({"stopTypes": [scan, "pay"]});
    let ask = |action: Value| json!({"action": action, "config": config});
    assert_eq!(lines(&desk.ask(&ask(text("All"))).await), [r#"scan: {"side":"front"}"#]);
    assert_eq!(desk.upstream.requests().len(), 1, "ours has run");
    assert_eq!(
        lines(&desk.ask(&ask(json!({"type": "done", "payload": {"status": "read"}}))).await),
        ["pay: seven"]
    );
    assert_eq!(desk.model.requests().len(), 1, "the model is not asked in between");
    let told = lines(&desk.ask(&ask(json!({"type": "done", "payload": {"status": "paid"}}))).await);
    assert_eq!(told, ["text: look=sent scan=read pay=paid"]);
}

#[tokio::test]
async fn an_action_that_is_a_stop_type_is_done_by_the_client() {
    let desk = Desk::open(caller("book", json!({"slot": 3})).await).await;
    let traces = desk.ask(&stop(json!(["book"]))).await;
    assert_eq!(lines(&traces), ["text: One moment.", r#"book: {"slot":3}"#]);
    let asked = desk.model.request();
    assert_eq!(asked.tools.iter().filter(|name| *name == "book").count(), 1, "once: {:?}", asked.tools);
    let tools = asked.body["tools"].as_array().unwrap();
    let function = &tools.iter().find(|tool| tool["function"]["name"] == "book").unwrap()["function"];
    assert_eq!(
        (&function["description"], &function["parameters"]["required"]),
        (&json!("Books a slot."), &json!(["slot"]))
    );
    assert_eq!(
        lines(&desk.interact(json!({"type": "done", "payload": "Booked."})).await),
        ["text: It says Booked.."]
    );
    assert!(desk.upstream.requests().is_empty());
}

#[tokio::test]
async fn a_handover_is_for_the_client_to_do() {
    for config in [json!({}), json!({"stopTypes": ["to_sales"]}), json!({"stopAll": true})] {
        let model = ScriptedModel::start(|asked| match asked.results().first() {
            None if asked.user() == "Sales" => Reply::calls([("to_sales", json!({}))]),
            None => Reply::says("Anything else?"),
            Some(result) => Reply::says(&format!("Welcome back: {}", result.content)),
        })
        .await;
        let desk = Desk::open(model).await;
        let traces = desk.ask(&json!({"action": text("Sales"), "config": config})).await;
        let told = lines(&traces);
        assert_eq!(told[0], "text: I will put you through to sales.", "{told:?}");
        assert_eq!((told.len(), &traces[1]["type"]), (2, &json!("to_sales")));
        let payload = json!({"phone_number": "+15551234567", "message": "I will put you through to sales."});
        assert_eq!((&traces[1]["payload"], &traces[1]["defaultPath"]), (&payload, &json!(0)));
        assert_eq!(desk.model.requests().len(), 1);
        let told = lines(&desk.interact(json!({"type": "done", "payload": "nobody was there"})).await);
        assert_eq!(told, ["text: Welcome back: nobody was there"]);
    }
}

#[tokio::test]
async fn end_lets_the_model_end_the_conversation() {
    let desk = Desk::open(caller("end", json!({})).await).await;
    assert_eq!(lines(&desk.ask(&stop(json!(["end"]))).await), ["text: One moment.", "end: null"]);
    let (_, known) = desk.api.0.get(&format!("/v1/conversations/{USER}")).await;
    assert!(known["ended_at"].is_string(), "{known}");
    assert_eq!(lines(&desk.interact(text("Hello?")).await), ["end: null"]);
    assert_eq!(desk.model.requests().len(), 1);
}

#[tokio::test]
async fn types_with_a_meaning_of_their_own_are_no_tools() {
    let model =
        ScriptedModel::start(|asked| Reply::says(if is_after_tools(asked) { "?" } else { "Yes." })).await;
    let desk = Desk::open(model).await;
    desk.ask(&stop(json!(["text", "speak", "choice", "block", "calendar", "calendar"]))).await;
    let tools = desk.model.request().tools;
    assert_eq!(tools.iter().filter(|name| *name == "calendar").count(), 1, "{tools:?}");
    assert!(
        ["text", "speak", "choice", "block"].iter().all(|name| !tools.iter().any(|tool| tool == name)),
        "{tools:?}"
    );
}
