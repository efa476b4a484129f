//! Prompts filled in with what the model may see.

use serde_json::{Value, json};

use super::{HERE, begin, call, path, start};
use crate::api::{Api, Reply};
use crate::backend::{Backend, on_every_store};

async fn render(api: &Api, id: &str, template: &str) -> Reply {
    api.post(&format!("/v1/conversations/{id}/render?{HERE}"), &json!({"template": template})).await
}

async fn text(api: &Api, id: &str, template: &str) -> String {
    let reply = render(api, id, template).await;
    assert_eq!(reply.status, 200, "{template}: {}", reply.body);
    reply.body["text"].as_str().unwrap().to_owned()
}

on_every_store! {
    async fn a_prompt_is_filled_in(on) {
        let (api, _upstream) = start(on).await;
        begin(&api, "c", json!({"variables": {"customer": {"name": "Ann \"A\" <b>"}, "customer_tier": "gold", "points": 3}})).await;
        api.call(call("c", "1", "get_order", json!({"number": "1"}))).await;
        let template = "Hello {{.variables.customer.name}}! I see you're a {{.variables.customer_tier}} member.\n\
                        Your order is {{.variables.order.status}}; {{if gt .variables.points 2}}many{{else}}few{{end}} points.";
        let expected = "Hello Ann \"A\" <b>! I see you're a gold member.\nYour order is shipped; many points.";
        assert_eq!(text(&api, "c", template).await, expected);
        let always = "{{.variables.conversation.id}} {{.variables.conversation.environment}} {{.variables.conversation.started_at}} {{.static_variables.shop.name}}";
        let begun = api.get(&path("c")).await.body;
        let expected = format!("c development {} Corner Shop", begun["started_at"].as_str().unwrap());
        assert_eq!(text(&api, "c", always).await, expected);
        assert_eq!(text(&api, "c", "Hi {{or .variables.customer.nick \"there\"}}").await, "Hi there");
        assert_eq!(text(&api, "c", "").await, "");
        // What is given with the prompt wins, and is not kept.
        let given = json!({"template": "{{.variables.customer.name}} {{.variables.now}}", "variables": {"customer.name": "Eve", "now": "noon"}});
        let reply = api.post(&format!("/v1/conversations/c/render?{HERE}"), &given).await;
        assert_eq!(reply.body, json!({"text": "Eve noon"}));
        assert_eq!(render(&api, "c", "{{.variables.now}}").await.status, 422);
    }
}

#[tokio::test]
async fn what_is_not_there_is_named_with_its_place() {
    let (api, _upstream) = start(&Backend::Memory).await;
    begin(&api, "c", json!({"variables": {"points": "many"}})).await;
    let reply = render(&api, "c", "Hello\n  {{.variables.customer.name}}!").await;
    assert_eq!((reply.status, &reply.body["code"]), (422, &json!("missing_variable")));
    let detail = "`.variables.customer.name` at line 2 column 5 is not there; give a fallback, such as {{or .variables.customer.name \"…\"}}";
    assert_eq!(reply.body["detail"], detail);
    let problem = &reply.body["problems"][0];
    assert_eq!(
        (&problem["line"], &problem["column"], &problem["file"]),
        (&json!(2), &json!(5), &json!("template"))
    );
    let reply = render(&api, "c", "{{if lt .variables.points 3}}x{{end}}").await;
    assert_eq!((reply.status, &reply.body["code"]), (422, &json!("template_error")));
    for (template, code, place) in [
        ("Hi {{.parameters.name}}", "forbidden_construct", (1, 6)),
        ("{{if .parameters.name}}x{{end}}", "forbidden_construct", (1, 6)),
        ("{{index . \"parameters\" \"x\"}}", "forbidden_construct", (1, 3)),
        ("a\n{{range .variables.x}}{{end}}", "forbidden_construct", (2, 3)),
        ("{{if .variables.x}}", "template_syntax", (1, 1)),
        ("{{.variables.x", "template_syntax", (1, 1)),
        (&"x".repeat(64 * 1024 + 1), "template_syntax", (1, 1)),
    ] {
        let reply = render(&api, "c", template).await;
        assert_eq!((reply.status, &reply.body["code"]), (422, &json!("invalid_template")), "{template}");
        let problem = &reply.body["problems"][0];
        assert_eq!(problem["code"], code, "{problem}");
        let found = (problem["line"].as_u64().unwrap(), problem["column"].as_u64().unwrap());
        assert!(found.0 == place.0 && found.1 >= 1, "{template}: {found:?} and not {place:?}");
    }
    // What is read at render only has no parameters either.
    let reply = render(&api, "c", "{{$p := \"parameters\"}}{{index . $p \"name\"}}").await;
    assert_eq!(reply.status, 422, "{}", reply.body);
    let conflict = json!({"template": "x", "variables": {"a": 1, "a.b": 2}});
    let reply = api.post(&format!("/v1/conversations/c/render?{HERE}"), &conflict).await;
    assert_eq!((reply.status, &reply.body["code"]), (422, &json!("invalid_variables")));
    // A text without end is given up.
    let long =
        json!({"template": "{{.variables.long}}".repeat(3_000), "variables": {"long": "x".repeat(1_000)}});
    let reply = api.post(&format!("/v1/conversations/c/render?{HERE}"), &long).await;
    assert_eq!((reply.status, &reply.body["detail"]), (422, &json!("the text is longer than 1048576 bytes")));
}

on_every_store! {
    async fn what_is_kept_from_the_model_is_in_no_prompt(on) {
        let (api, _upstream) = start(on).await;
        let request = json!({
            "variables": {"pin": "s3cr3t-pin", "phone": "+4930", "note": "it is s3cr3t-pin, k3y-of-the-orders"},
            "sensitive": ["pin", "phone"], "exposed": ["phone"],
        });
        begin(&api, "c", request).await;
        api.call(call("c", "1", "get_order", json!({"number": "1"}))).await;
        for hidden in ["pin", "order.token", "order.margin", "order.customer"] {
            let reply = render(&api, "c", &format!("x {{{{.variables.{hidden}}}}}")).await;
            assert_eq!((reply.status, &reply.body["code"]), (422, &json!("missing_variable")), "{hidden}");
            let detail = reply.body["detail"].as_str().unwrap();
            assert!(detail.contains("is kept from the model"), "{detail}");
            assert_eq!(text(&api, "c", &format!("{{{{or .variables.{hidden} \"-\"}}}}")).await, "-");
        }
        assert_eq!(text(&api, "c", "{{.variables.phone}}: {{.variables.note}}").await, "+4930: it is [hidden], ***");
        let all = text(&api, "c", "{{.variables}}").await;
        let all: Value = serde_json::from_str(&all).unwrap();
        assert_eq!(all["order"], json!({"status": "shipped"}));
        assert_eq!(all["pin"], Value::Null);
    }
}
