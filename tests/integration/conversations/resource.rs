//! A conversation as a resource: begun, looked at, changed, ended, listed.

use callgate::server::NewKey;
use serde_json::{Value, json};

use super::{HERE, begin, call, events, events_once, path, start, types};
use crate::api::Api;
use crate::backend::on_every_store;
use crate::harness::Gateway;

on_every_store! {
    async fn it_begins_once_and_stays_as_it_began(on) {
        let (api, _upstream) = start(on).await;
        let request = json!({
            "id": "call 4711/a", "environment": "development", "ttl_seconds": 60, "current_state": "greeting",
            "variables": {"customer.name": "Ann", "account": {"status": "gold", "points": 12345678901234567890_u64}},
        });
        let first = api.post("/v1/conversations", &request).await;
        assert_eq!(first.status, 201, "{}", first.body);
        assert_eq!(first.header("location"), "/v1/conversations/call%204711%2Fa?environment=development");
        let body = &first.body;
        assert_eq!(body["created"], true);
        for (name, expected) in [("id", "call 4711/a"), ("environment", "development"), ("current_state", "greeting")] {
            assert_eq!(body[name], expected);
        }
        assert_eq!(body["ended_at"], Value::Null);
        let name = &body["variables"]["customer.name"];
        assert_eq!((&name["value"], &name["source"]), (&json!("Ann"), &json!({"by": "caller"})));
        assert_eq!((&name["sensitive"], &name["exposed"], &name["hidden"]), (&json!(false), &json!(true), &json!(false)));
        assert_eq!(body["variables"]["account"]["value"]["points"].to_string(), "12345678901234567890");
        // Again, with other values: nothing of it is made.
        let other = json!({"id": "call 4711/a", "environment": "development", "variables": {"customer.name": "Eve"}});
        let again = api.post("/v1/conversations", &other).await;
        assert_eq!((again.status, &again.body["created"]), (200, &json!(false)));
        assert_eq!(again.body["variables"], body["variables"]);
        let found = api.get(first.header("location")).await;
        assert_eq!((found.status, &found.body["variables"]), (200, &body["variables"]));
        assert_eq!(types(&events(&api, "call%204711%2Fa").await), ["conversation_started", "variable_set", "variable_set"]);
        // The same id in another environment is another conversation.
        let elsewhere = api.post("/v1/conversations", &json!({"id": "call 4711/a", "environment": "staging"})).await;
        assert_eq!((elsewhere.status, &elsewhere.body["variables"]), (201, &json!({})));
        // And without an id there is one all the same.
        let made_up = api.post("/v1/conversations", &json!({"environment": "development"})).await;
        let id = made_up.body["id"].as_str().unwrap();
        assert!(id.starts_with("conv_") && api.get(&path(id)).await.status == 200, "{id}");
    }
}

#[tokio::test]
async fn the_environment_may_stand_in_the_body() {
    let (api, _upstream) = start(&crate::backend::Backend::Memory).await;
    begin(&api, "c", json!({"variables": {"name": "Ann"}})).await;
    for (environment, status) in [("development", 200), ("staging", 404)] {
        let change = json!({"environment": environment, "variables": {"name": "Eve"}});
        assert_eq!(api.ask("PATCH", "/v1/conversations/c", &change).await.status, status);
        let prompt = json!({"environment": environment, "template": "{{.variables.name}}"});
        assert_eq!(api.post("/v1/conversations/c/render", &prompt).await.status, status, "{environment}");
    }
    // The query says the same, or the request is refused.
    let prompt = json!({"environment": "staging", "template": "{{.variables.name}}"});
    let filled = api.post(&format!("/v1/conversations/c/render?{HERE}"), &prompt).await;
    assert_eq!((filled.status, &filled.body["code"]), (400, &json!("invalid_request")), "{}", filled.body);
    let prompt = json!({"environment": "development", "template": "{{.variables.name}}"});
    let filled = api.post(&format!("/v1/conversations/c/render?{HERE}"), &prompt).await;
    assert_eq!(filled.body, json!({"text": "Eve"}));
}

on_every_store! {
    async fn twenty_at_once_begin_it_once(on) {
        let (api, _upstream) = start(on).await;
        let request = |number: usize| json!({"id": "c", "environment": "development", "variables": {"n": number}});
        let requests: Vec<Value> = (0..20).map(request).collect();
        let replies = futures_util::future::join_all(
            requests.iter().map(|request| api.post("/v1/conversations", request)),
        )
        .await;
        assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1);
        let set: Vec<&Value> = replies.iter().map(|reply| &reply.body["variables"]["n"]["value"]).collect();
        assert!(set.iter().all(|one| one.is_number() && *one == set[0]), "{set:?}");
        assert_eq!(types(&events(&api, "c").await), ["conversation_started", "variable_set"]);
    }
}

on_every_store! {
    async fn a_change_is_made_whole_or_not_at_all(on) {
        let (api, _upstream) = start(on).await;
        begin(&api, "c", json!({"variables": {"account.status": "gold", "old": 1, "older": 2}})).await;
        let change = json!({"variables": {"account.points": 7, "old": null}, "unset": ["older", "never"], "current_state": "billing"});
        let changed = api.ask("PATCH", &path("c"), &change).await;
        assert_eq!((changed.status, &changed.body["current_state"]), (200, &json!("billing")), "{}", changed.body);
        let names: Vec<&String> = changed.body["variables"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["account.points", "account.status"]);
        let before = api.get(&path("c")).await.body;
        let refused = json!({"variables": {"account": {"status": "x"}, "plan": "a", "account.status.x": 1}, "unset": ["account.points"], "current_state": "x"});
        let refused = api.ask("PATCH", &path("c"), &refused).await;
        assert_eq!((refused.status, &refused.body["code"]), (422, &json!("invalid_variables")));
        let named: Vec<(&str, &str)> = refused.body["variables"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["name"].as_str().unwrap(), one["reason"].as_str().unwrap()))
            .collect();
        let reason = "cannot stand beside `account.status`: one of the two would be a value and the parent of the other";
        assert_eq!(named, [("account", reason), ("account.status.x", reason)]);
        assert!(refused.body["detail"].as_str().unwrap().contains("`account` cannot stand beside `account.status`"));
        let after = api.get(&path("c")).await.body;
        assert_eq!((&after["variables"], &after["current_state"]), (&before["variables"], &before["current_state"]));
        // A list stays in its place when it is set again, and nothing is told of what was not made.
        let told = events(&api, "c").await;
        let changes: Vec<&Value> = told[4..].iter().map(|event| &event["data"]).collect();
        assert_eq!(changes.len(), 4, "{changes:?}");
        assert_eq!(changes[0], &json!({"name": "older", "unset": true}));
        assert_eq!(changes[1], &json!({"name": "old", "unset": true}));
        assert_eq!((&changes[2]["name"], &changes[2]["value"]), (&json!("account.points"), &json!(7)));
        assert_eq!(changes[3], &json!({"current_state": "billing"}));
    }
}

on_every_store! {
    async fn sensitive_values_are_never_shown(on) {
        let (api, _upstream) = start(on).await;
        let request = json!({
            "variables": {"pin": "p1n-4711", "phone": {"number": "+49301234"}, "note": "her pin is p1n-4711", "margin": 3},
            "sensitive": ["pin", "phone"], "exposed": ["phone"], "hidden": ["margin"],
        });
        let begun = begin(&api, "c", request).await;
        let shown = |name: &str| begun["variables"][name].clone();
        let marks = |name: &str| {
            let one = shown(name);
            (one["value"].clone(), one["sensitive"] == true, one["exposed"] == true, one["hidden"] == true)
        };
        assert_eq!(marks("pin"), (json!("***"), true, false, true));
        assert_eq!(marks("phone"), (json!("***"), true, true, false));
        assert_eq!(marks("margin"), (json!(3), false, false, true));
        assert_eq!(marks("note"), (json!("her pin is ***"), false, true, false));
        let patched = api.ask("PATCH", &path("c"), &json!({"variables": {"other": "p1n-4711?"}})).await;
        let seen = [api.get(&path("c")).await.body.to_string(), patched.body.to_string(), format!("{:?}", events(&api, "c").await)];
        for text in seen {
            assert!(!text.contains("p1n-4711") && !text.contains("+49301234"), "{text}");
        }
        // The secrets of the environment are masked wherever a caller puts them.
        let secret = json!({"variables": {"k3y-of-the-orders": ["Bearer k3y-of-the-orders"]}});
        assert_eq!(api.ask("PATCH", &path("c"), &secret).await.status, 200);
        api.get(&path("c")).await;
        events(&api, "c").await;
    }
}

on_every_store! {
    async fn what_has_ended_can_be_read_but_not_gone_on_with(on) {
        let (api, upstream) = start(on).await;
        begin(&api, "c", json!({})).await;
        let done = api.call(call("c", "1", "pay", json!({"amount": 5}))).await;
        assert_eq!(done["status"], "success", "{done}");
        let ended = api.ask("DELETE", &path("c"), &json!(null)).await;
        assert!(ended.status == 200 && ended.body["ended_at"].is_string(), "{}", ended.body);
        let again = api.ask("DELETE", &path("c"), &json!(null)).await;
        assert_eq!((again.status, &again.body["ended_at"]), (200, &ended.body["ended_at"]));
        // Done before: told again. New: refused, whatever it is.
        let replayed = api.call(call("c", "1", "pay", json!({"amount": 5}))).await;
        assert_eq!((&replayed["replayed"], &replayed["body"]), (&json!(true), &done["body"]));
        for (id, name, arguments) in [
            ("2", "pay", json!({"amount": 6})),
            ("3", "get_order", json!({"number": "1"})),
            ("4", "hours", json!({})),
            ("5", "pay", json!({"amuont": 6})),
        ] {
            let refused = api.call(call("c", id, name, arguments)).await;
            assert_eq!((&refused["status"], &refused["error"]["code"]), (&json!("exception"), &json!("conversation_ended")), "{refused}");
            assert_eq!((&refused["error"]["effect"], &refused["error"]["retry"]), (&json!("none"), &json!("no")));
        }
        assert_eq!(upstream.requests().len(), 1);
        let changed = api.ask("PATCH", &path("c"), &json!({"variables": {"a": 1}})).await;
        assert_eq!((changed.status, &changed.body["code"]), (409, &json!("conversation_ended")));
        let begun = api.post("/v1/conversations", &json!({"id": "c", "environment": "development"})).await;
        assert_eq!((begun.status, &begun.body["ended_at"]), (200, &ended.body["ended_at"]));
        let told = events_once(&api, "c", 12).await;
        assert_eq!(types(&told).iter().filter(|kind| **kind == "ended").count(), 1);
        // Erased, it is not there; what was done in it is still not done again.
        let forgotten = api.ask("DELETE", &format!("{}&forget=true", path("c")), &json!(null)).await;
        assert_eq!((forgotten.status, &forgotten.body), (204, &Value::Null));
        for (method, path) in [
            ("GET", path("c")),
            ("DELETE", path("c")),
            ("PATCH", path("c")),
            ("GET", format!("/v1/conversations/c/events?{HERE}")),
            ("POST", format!("/v1/conversations/c/render?{HERE}")),
        ] {
            let body = if method == "POST" { json!({"template": "x"}) } else { json!({}) };
            let gone = api.ask(method, &path, &body).await;
            assert_eq!((gone.status, &gone.body["code"]), (404, &json!("conversation_not_found")), "{method} {path}");
        }
        let replayed = api.call(call("c", "1", "pay", json!({"amount": 5}))).await;
        assert_eq!((&replayed["replayed"], upstream.requests().len()), (&json!(true), 1));
    }
}

on_every_store! {
    async fn they_are_listed_in_pages(on) {
        let (api, _upstream) = start(on).await;
        for number in 0..7 {
            begin(&api, &format!("c{number}"), json!({"current_state": "s"})).await;
        }
        api.ask("DELETE", &path("c3"), &json!(null)).await;
        api.post("/v1/conversations", &json!({"id": "x", "environment": "staging"})).await;
        let (mut cursor, mut found, mut pages) = (String::new(), Vec::new(), 0);
        loop {
            let page = api.get(&format!("/v1/conversations?{HERE}&limit=3&cursor={cursor}")).await;
            assert_eq!((page.status, &page.body["environment"]), (200, &json!("development")), "{}", page.body);
            found.extend(page.body["conversations"].as_array().unwrap().clone());
            pages += 1;
            match page.body["next"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(pages, 3);
        let mut ids: Vec<&str> = found.iter().map(|one| one["id"].as_str().unwrap()).collect();
        let starts: Vec<&str> = found.iter().map(|one| one["started_at"].as_str().unwrap()).collect();
        assert!(starts.is_sorted_by(|one, other| one >= other), "{starts:?}");
        ids.sort_unstable();
        assert_eq!(ids, ["c0", "c1", "c2", "c3", "c4", "c5", "c6"]);
        let ended: Vec<bool> = found.iter().map(|one| one["ended_at"].is_string()).collect();
        assert_eq!(ended.iter().filter(|ended| **ended).count(), 1);
    }
}

#[tokio::test]
async fn a_key_sees_the_conversations_of_its_environments() {
    let (all, staging) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
    let settings = format!(
        "environments = [\"development\", \"staging\"]\n[[keys]]\nname = \"all\"\nhash = \"{}\"\n\
         [[keys]]\nname = \"staging\"\nhash = \"{}\"\nenvironments = [\"staging\"]\n",
        all.hash, staging.hash
    );
    let api = Api(Gateway::start(&[("callgate.toml", settings)]).await);
    let ask = async |key: &str, method: &str, path: &str, body: Value| {
        let request = api.0.request(method, path).bearer_auth(key).body(body.to_string());
        api.send(&method.to_lowercase(), path, request).await
    };
    let request = json!({"id": "c", "environment": "development"});
    assert_eq!(ask(&all.key, "POST", "/v1/conversations", request.clone()).await.status, 201);
    let events = format!("/v1/conversations/c/events?{HERE}");
    let render = format!("/v1/conversations/c/render?{HERE}");
    for (method, path) in [
        ("POST", "/v1/conversations"),
        ("GET", "/v1/conversations?environment=development"),
        ("GET", &path("c")),
        ("PATCH", &path("c")),
        ("DELETE", &path("c")),
        ("GET", &events),
        ("POST", &render),
    ] {
        let body = match (method, path) {
            ("POST", "/v1/conversations") => request.clone(),
            ("POST", _) => json!({"template": ""}),
            _ => json!({}),
        };
        let refused = ask(&staging.key, method, path, body.clone()).await;
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (403, &json!("environment_not_allowed")),
            "{method} {path}"
        );
        let nobody = ask("cg_none", method, path, body).await;
        assert_eq!(nobody.status, 401, "{method} {path}");
    }
    // The key's one environment need not be named; there is nothing of that id in it.
    assert_eq!(ask(&staging.key, "GET", "/v1/conversations/c", json!(null)).await.status, 404);
    assert_eq!(ask(&staging.key, "POST", "/v1/conversations", json!({"id": "c"})).await.status, 201);
    let unnamed = ask(&all.key, "GET", "/v1/conversations/c", json!(null)).await;
    assert_eq!((unnamed.status, &unnamed.body["code"]), (400, &json!("environment_required")));
    let named = ask(&all.key, "POST", "/v1/conversations?environment=staging", json!({"id": "d"})).await;
    assert_eq!((named.status, &named.body["environment"]), (201, &json!("staging")));
}
