//! Hidden rounds across turns, on the wire.

use serde_json::{Value, json};

use super::model::{Reply, ScriptedModel};
use super::shop::{Shop, asks};
use crate::upstream::{self, Upstream};

/// Twenty turns with a hidden round each. Half of them are interrupted: the product sends back what was heard.
#[tokio::test]
async fn twenty_turns_half_of_them_interrupted_are_remembered_as_they_were() {
    let upstream = Upstream::start(|request| {
        let number = request.line().rsplit('/').next().unwrap().to_owned();
        upstream::Reply::ok(&format!(r#"{{"order":"{number}"}}"#))
    })
    .await;
    let model = ScriptedModel::start(|asked| {
        let number = asked.user().rsplit(' ').next().unwrap().to_owned();
        match asked.round() {
            0 => Reply::calls([("look", json!({"number": number}))])
                .with_preamble(&format!("Let me look for {number}.")),
            _ => Reply::says(&format!("Order {number} is on its way, and it comes at noon.")),
        }
    })
    .await;
    let shop = Shop::open(upstream, model).await;
    let mut history: Vec<Value> = Vec::new();
    let mut expected: Vec<String> = Vec::new();
    for number in 0..20 {
        let user = format!("Where is order {number}");
        history.push(json!({"role": "user", "content": user}));
        expected.push(format!("user: {user}"));
        let answer = shop.stream(&asks(&Value::Array(history.clone()))).await;
        let asked = shop.model.requests();
        let first = &asked[asked.len() - 2];
        assert_eq!(first.lines(), expected, "turn {number}");
        // Every call has one result behind it, with its id.
        for (said, next) in first.messages.iter().zip(&first.messages[1..]) {
            let calls: Vec<&str> = said.calls.iter().map(|call| call.id.as_str()).collect();
            let results: Vec<&str> = next.results.iter().map(|result| result.call_id.as_str()).collect();
            assert!(calls.is_empty() || calls == results, "{calls:?} {results:?}");
        }
        let whole = format!("Let me look for {number}. Order {number} is on its way, and it comes at noon.");
        assert_eq!(answer.text, whole);
        let call = format!(r#"assistant: Let me look for {number}. look({{"number":"{number}"}})"#);
        let result = format!(r#"tool: look -> {{"order":"{number}"}}"#);
        let (heard, rest) = match number % 4 {
            1 => (
                format!("Let me look for {number}. Order {number} is on"),
                Some(format!("assistant: Order {number} is on")),
            ),
            3 => (format!("let me look for {number}"), None),
            _ => (whole, Some(format!("assistant: Order {number} is on its way, and it comes at noon."))),
        };
        history.push(json!({"role": "assistant", "content": heard}));
        expected.extend([call, result]);
        expected.extend(rest);
    }
    assert_eq!(shop.upstream.requests().len(), 20);
}
