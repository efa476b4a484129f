//! Calls and their conversation: begun by the first, known to the next.

use serde_json::{Value, json};

use super::{begin, call, events, events_once, path, start, types};
use crate::backend::on_every_store;

on_every_store! {
    async fn a_first_call_begins_it(on) {
        let (api, _upstream) = start(on).await;
        let result = api.call(call("c", "1", "get_order", json!({"number": "1"}))).await;
        assert_eq!(result["status"], "success", "{result}");
        let found = api.get(&path("c")).await.body;
        let status = &found["variables"]["order.status"];
        assert_eq!(status["source"], json!({"by": "call", "tool_call_id": "1", "action": "get_order"}));
        assert_eq!((&status["value"], &status["exposed"]), (&json!("shipped"), &json!(true)));
        let token = &found["variables"]["order.token"];
        assert_eq!((&token["value"], &token["sensitive"], &token["exposed"]), (&json!("***"), &json!(true), &json!(false)));
        let margin = &found["variables"]["order.margin"];
        assert_eq!((&margin["value"], &margin["hidden"]), (&json!("margin-is-high"), &json!(true)));
        let told = events(&api, "c").await;
        assert_eq!((types(&told)[0], &told[0]["data"]), ("conversation_started", &json!({"by": "tool_call", "current_state": null})));
        // One that cannot be made begins it too: its feed says why.
        for (conversation, name, arguments) in [("d", "get_order", json!({})), ("e", "get_odrer", json!({}))] {
            // Where the store has not answered in time, nothing has begun.
            while api.call(call(conversation, "1", name, arguments.clone())).await["error"]["code"] == "timeout" {}
            let told = events_once(&api, conversation, 3).await;
            assert_eq!(types(&told), ["conversation_started", "tool_called", "error"]);
        }
    }
}

on_every_store! {
    async fn what_a_caller_sets_is_used_and_kept_from_the_model(on) {
        let (api, upstream) = start(on).await;
        let request = json!({"variables": {"caller.phone": "+493012345"}, "sensitive": ["caller.phone"]});
        begin(&api, "c", request).await;
        let result = api.call(call("c", "1", "pay", json!({"amount": 5}))).await;
        let sent: Value = serde_json::from_str(&upstream.requests()[0].text()).unwrap();
        assert_eq!(sent, json!({"amount": 5, "token": "none", "caller": "+493012345"}));
        // The upstream says it again, and the model does not hear it.
        assert_eq!(result["body"], json!({"amount": 5, "token": "none", "caller": "[hidden]"}));
        let told = format!("{:?}", events(&api, "c").await);
        assert!(!told.contains("493012345"), "{told}");
    }
}

on_every_store! {
    async fn an_output_that_cannot_stand_beside_a_variable_is_told(on) {
        let (api, _upstream) = start(on).await;
        begin(&api, "c", json!({"variables": {"order": "mine"}})).await;
        let result = api.call(call("c", "1", "get_order", json!({"number": "1"}))).await;
        assert_eq!((&result["status"], &result["variables"]), (&json!("success"), &json!({"order.status": "shipped"})));
        let found = api.get(&path("c")).await.body;
        assert_eq!(found["variables"].as_object().unwrap().keys().collect::<Vec<_>>(), ["order"]);
        let told = events_once(&api, "c", 13).await;
        let refused: Vec<&Value> =
            told.iter().map(|event| &event["data"]).filter(|data| data["refused"].is_string()).collect();
        assert_eq!(refused.len(), 4, "{told:?}");
        assert!(refused[0]["refused"].as_str().unwrap().contains("cannot stand beside `order`"), "{refused:?}");
    }
}
