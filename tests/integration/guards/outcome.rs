//! What an answer leaves behind: variables that hold no more, and a 200 that says no.

use serde_json::{Value, json};

use super::*;
use crate::backend::on_every_store;

const AGENT: &[(&str, &str)] = &[
    (
        "actions/find.yaml",
        "description: Finds a customer.\nconnection: api\npath: /find/{{.parameters.who}}\nretry: {max_attempts: 1}\n\
         parameters: {type: object, properties: {who: {type: string}}, required: [who]}\n\
         output_variables:\n  - {name: found.id, path: $.customer.id}\n  - {name: found.pin, path: $.customer.pin, sensitive: true}\n  \
         - {name: found.last, path: $.customer.id, keep: true}\n",
    ),
    (
        "actions/refund_found.yaml",
        "description: Refunds.\nconnection: api\nmethod: POST\npath: /refund/{{.variables.found.id}}\n",
    ),
    (
        "actions/remind.yaml",
        "description: Reminds.\nconnection: api\nmethod: POST\npath: /remind/{{.variables.found.last}}\n",
    ),
    (
        "actions/verify_pin.yaml",
        "description: Verifies.\nconnection: api\nmethod: POST\npath: /verify\nsuccess_when: '@.body.verified == true'\n\
         dedupe_window_ms: 0\nmax_calls: 3\nnext_state: {success: verified, error: refused, failure: down}\n\
         parameters: {type: object, properties: {pin: {type: string}}}\n\
         output_variables: [{name: account.id, path: $.account, expose: true}]\n",
    ),
    (
        "actions/close.yaml",
        "description: Closes.\nconnection: api\nmethod: POST\npath: /close\nonly_after: [verify_pin]\n",
    ),
    (
        "actions/apologise.yaml",
        "description: Apologises.\ntype: static\nresponse: Sorry.\navailable_in: [refused, down]\n",
    ),
];

fn reply(request: &Captured) -> Reply {
    let body = |pin: &str| request.text().contains(pin);
    match request.line() {
        line if line.contains("/find/ann") => {
            Reply::ok(r#"{"customer": {"id": "cust-A", "pin": "1234-5678"}}"#)
        }
        line if line.contains("/find/bob") => Reply::ok(r#"{"customer": {"id": "cust-B"}}"#),
        line if line.contains("/find/none") => Reply::ok(r#"{"matches": 0}"#),
        line if line.contains("/find/null") => Reply::ok(r#"{"customer": null}"#),
        line if line.contains("/find/empty") => {
            Reply::Raw(b"HTTP/1.1 204 N\r\nconnection: close\r\n\r\n".to_vec())
        }
        line if line.contains("/find/text") => Reply::whole("200 OK\r\ncontent-type: text/plain", b"nobody."),
        line if line.contains("/find/404") => Reply::Json(404, "{}".to_owned()),
        line if line.contains("/find/410") => Reply::Json(410, "{}".to_owned()),
        line if line.contains("/find/400") => Reply::Json(400, "{}".to_owned()),
        line if line.contains("/find/401") => Reply::Json(401, "{}".to_owned()),
        line if line.contains("/find/429") => Reply::Json(429, "{}".to_owned()),
        line if line.contains("/find/500") => Reply::Json(500, "{}".to_owned()),
        line if line.contains("/find/lost") => Reply::Close,
        line if line.contains("/verify") && body("lost") => Reply::Close,
        line if line.contains("/verify") && body("right") => {
            Reply::ok(r#"{"verified": true, "account": "acc-1"}"#)
        }
        line if line.contains("/verify") => Reply::ok(r#"{"verified": false, "account": "acc-0"}"#),
        _ => Reply::ok("{}"),
    }
}

async fn agent(on: &Backend) -> Setup {
    Setup::with(on, &[AGENT, &[SETTINGS]].concat(), reply).await
}

on_every_store! {
    async fn nobody_is_refunded_in_the_place_of_somebody_who_is_not_found(on) {
        for who in ["none", "null", "empty", "text", "404", "410"] {
            let setup = agent(on).await;
            setup.call("find", json!({"who": "ann"})).await;
            assert_eq!(setup.call("refund_found", json!({})).await["status"], "success", "{who}");
            setup.call("find", json!({"who": who})).await;
            let refund = setup.call("refund_found", json!({})).await;
            let error = &refund["error"];
            assert_eq!((&error["code"], &error["missing"]), (&json!("missing_variable"), &json!(".variables.found.id")), "{who}: {refund}");
            assert_eq!(setup.sent("/refund/"), 1, "{who}");
            // What the definition says to keep is kept.
            assert_eq!(setup.call("remind", json!({})).await["status"], "success", "{who}");
            assert_eq!(setup.sent("/remind/cust-A"), 1, "{who}");
        }
    }
}

on_every_store! {
    async fn what_was_found_stays_where_no_answer_speaks_of_it(on) {
        let setup = agent(on).await;
        setup.call("find", json!({"who": "ann"})).await;
        for who in ["500", "lost", "429", "401", "400"] {
            assert_ne!(setup.call("find", json!({"who": who})).await["status"], "success", "{who}");
        }
        assert_eq!(setup.call("refund_found", json!({})).await["status"], "success");
        assert_eq!(setup.sent("/refund/cust-A"), 1);
    }
}

on_every_store! {
    async fn a_new_answer_replaces_each_variable_or_clears_it_and_the_feed_says_so(on) {
        let setup = agent(on).await;
        setup.call("find", json!({"who": "ann"})).await;
        setup.call("find", json!({"who": "bob"})).await;
        let key = ConversationKey::new("development", "c");
        let known = setup.store.find(&key).await.unwrap().unwrap();
        let values: Vec<_> = known.variables.iter().map(|(name, variable)| (name.as_str(), &variable.value)).collect();
        assert_eq!(values, [("found.id", &json!("cust-B")), ("found.last", &json!("cust-B"))]);
        let events = setup.store.events(&key, 0, 500).await.unwrap().events;
        let told: Vec<Value> = events.iter().map(|event| serde_json::from_str(event.data.get()).unwrap()).collect();
        let gone: Vec<&Value> = told.iter().filter(|data| data["unset"] == true).collect();
        assert_eq!(gone.len(), 1, "{told:?}");
        assert_eq!((&gone[0]["name"], &gone[0]["source"]["action"]), (&json!("found.pin"), &json!("find")));
        assert!(!told.iter().any(|data| data.to_string().contains("1234-5678")), "{told:?}");
    }
}

on_every_store! {
    async fn a_caller_keeps_what_no_action_declares(on) {
        let setup = agent(on).await;
        let mine = |name: &str| (name.to_owned(), variable(json!("mine")));
        setup.change(Change { set: vec![mine("note"), mine("found.id")], ..Change::default() }).await;
        setup.call("find", json!({"who": "none"})).await;
        let known = setup.store.find(&ConversationKey::new("development", "c")).await.unwrap().unwrap();
        assert_eq!(known.variables.keys().collect::<Vec<_>>(), ["note"]);
    }
}

on_every_store! {
    async fn a_200_that_says_no_opens_no_guard(on) {
        let setup = agent(on).await;
        let no = setup.call("verify_pin", json!({"pin": "wrong"})).await;
        assert_eq!((&no["status"], &no["status_code"], &no["attempts"]), (&json!("error"), &json!(200), &json!(1)), "{no}");
        assert_eq!(no["body"], json!({"verified": false, "account": "acc-0"}));
        assert_eq!(no["variables"], json!({}));
        let error = &no["error"];
        assert_eq!((&error["code"], &error["effect"], &error["retry"]), (&json!("upstream_declined"), &json!("unknown"), &json!("with_changes")));
        let close = setup.call("close", json!({})).await;
        assert_eq!(close["error"]["code"], "too_early", "{close}");
        let key = ConversationKey::new("development", "c");
        let known = setup.store.find(&key).await.unwrap().unwrap();
        assert_eq!((known.state.as_deref(), known.calls["verify_pin"].succeeded), (Some("refused"), 0));
        assert_eq!(setup.call("apologise", json!({})).await["status"], "success");
        // What is right is a success, with all that belongs to one.
        let yes = setup.call("verify_pin", json!({"pin": "right"})).await;
        assert_eq!((&yes["status"], &yes["variables"]), (&json!("success"), &json!({"account.id": "acc-1"})));
        assert_eq!(setup.call("close", json!({})).await["status"], "success");
        assert_eq!(setup.store.find(&key).await.unwrap().unwrap().state.as_deref(), Some("verified"));
        // The account that was verified is not the account of a later no.
        setup.call("verify_pin", json!({"pin": "wrong"})).await;
        let known = setup.store.find(&key).await.unwrap().unwrap();
        assert_eq!((known.variables.len(), known.state.as_deref()), (0, Some("refused")));
        // Each counts, whatever came of it.
        assert_eq!(setup.call("verify_pin", json!({"pin": "right"})).await["error"]["code"], "too_many_calls");
    }
}

on_every_store! {
    async fn a_call_without_an_answer_leads_to_the_state_for_failures(on) {
        let setup = agent(on).await;
        let key = ConversationKey::new("development", "c");
        assert_eq!(setup.call("verify_pin", json!({"pin": 7})).await["status"], "exception");
        assert_eq!(setup.store.find(&key).await.unwrap().unwrap().state, None);
        assert_eq!(setup.call("verify_pin", json!({"pin": "lost"})).await["status"], "failure");
        assert_eq!(setup.store.find(&key).await.unwrap().unwrap().state.as_deref(), Some("down"));
    }
}
