//! Who may call.

use callgate::server::NewKey;
use serde_json::{Value, json};

use super::{Api, HOURS, Reply, gateway};
use crate::harness::{Gateway, files};

const ROUTES: &[(&str, &str)] = &[
    ("GET", "/v1/tools?environment=development"),
    ("GET", "/v1/actions?environment=development"),
    ("GET", "/v1/actions/where?environment=development"),
    ("GET", "/v1/environments"),
    ("POST", "/v1/tool-calls"),
    ("POST", "/v1/actions/where/preview"),
];

async fn ask(api: &Api, (method, path): (&str, &str), headers: &[(&str, &str)], environment: &str) -> Reply {
    let mut request = api.0.request(method, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if method == "POST" {
        request = request.body(json!({"name": "where", "environment": environment}).to_string());
        if path.contains("preview") {
            request = request.body(json!({"environment": environment}).to_string());
        }
    }
    api.send(&method.to_lowercase(), path, request).await
}

/// A gateway with a key for all environments and one for staging alone.
async fn guarded() -> (Api, String, String) {
    let (all, staging) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
    let settings = format!(
        "environments = [\"development\", \"staging\"]\n[[keys]]\nname = \"all\"\nhash = \"{}\"\n\
         [[keys]]\nname = \"staging\"\nhash = \"{}\"\nenvironments = [\"staging\"]\n",
        all.hash, staging.hash
    );
    let action = "description: d\ntype: static\nresponse: here\n".to_owned();
    let files = [("callgate.toml", settings), ("actions/where.yaml", action)];
    (Api(Gateway::start(&files).await), all.key, staging.key)
}

#[tokio::test]
async fn without_a_known_key_nothing_is_told_but_health() {
    let (api, key, _) = guarded().await;
    let long = "x".repeat(10_000);
    let bearer = |key: &str| format!("Bearer {key}");
    let (short, wrong) = (bearer(&key[..key.len() - 1]), bearer(&format!("cg_{}", "0".repeat(64))));
    let (upper, basic, many) = (bearer(&key.to_uppercase()), format!("Basic {key}"), bearer(&long));
    for route in ROUTES {
        for headers in [
            &[][..],
            &[("authorization", short.as_str())],
            &[("authorization", &wrong)],
            &[("authorization", &upper)],
            &[("authorization", &basic)],
            &[("authorization", &many)],
            &[("authorization", "Bearer")],
            &[("authorization", "Bearer ")],
            &[("authorization", &key)],
            &[("x-api-key", "")],
            &[("x-api-key", &wrong)],
        ] {
            let reply = ask(&api, *route, headers, "development").await;
            assert_eq!(reply.status, 401, "{route:?} {headers:?}: {}", reply.body);
            assert_eq!(
                (reply.media.as_str(), &reply.body["code"]),
                ("application/problem+json", &json!("unauthorized"))
            );
            assert!(!reply.body.to_string().contains("where"), "{}", reply.body);
        }
    }
    let answer = api.0.request("GET", "/v1/tools").send().await.unwrap();
    assert_eq!(answer.headers()["www-authenticate"], "Bearer");
    for path in ["/healthz", "/readyz", "/openapi.json"] {
        assert_eq!(api.0.get(path).await.0, 200, "{path}");
    }
}

#[tokio::test]
async fn a_known_key_is_taken_from_either_header() {
    let (api, key, _) = guarded().await;
    let (bearer, lower) = (format!("Bearer {key}"), format!("bearer {key}"));
    for route in ROUTES {
        for header in [("authorization", bearer.as_str()), ("authorization", &lower), ("x-api-key", &key)] {
            let reply = ask(&api, *route, &[header, ("origin", "https://a.page.test")], "development").await;
            assert_eq!(reply.status, 200, "{route:?} {header:?}: {}", reply.body);
        }
    }
}

#[tokio::test]
async fn a_key_opens_its_own_environments_and_no_other() {
    let (api, _, key) = guarded().await;
    let header = [("x-api-key", key.as_str())];
    for route in ROUTES.iter().filter(|(_, path)| !path.contains("environments")) {
        let reply = ask(&api, *route, &header, "development").await;
        assert_eq!(
            (reply.status, &reply.body["code"]),
            (403, &json!("environment_not_allowed")),
            "{route:?}"
        );
        assert_eq!(reply.body["detail"], "this key is not for environment `development`; it is for: staging");
    }
    let get = async |path| ask(&api, ("GET", path), &header, "").await;
    assert_eq!(get("/v1/environments").await.body, json!({"environments": ["staging"]}));
    // The only choice that it has is the one that is meant.
    assert_eq!(get("/v1/tools").await.body[0]["function"]["name"], "where");
    let call = api.0.request("POST", "/v1/tool-calls").header("x-api-key", &key);
    let reply = api.send("post", "/v1/tool-calls", call.body(json!({"name": "where"}).to_string())).await;
    assert_eq!(reply.body["body"], "here");
    // One call of several for another environment spoils the request, before any is made.
    let calls = json!({"calls": [{"name": "where"}, {"name": "where", "environment": "development"}]});
    let call = api.0.request("POST", "/v1/tool-calls").header("x-api-key", &key);
    let reply = api.send("post", "/v1/tool-calls", call.body(calls.to_string())).await;
    assert_eq!((reply.status, &reply.body["code"]), (403, &json!("environment_not_allowed")));
}

#[tokio::test]
async fn without_keys_only_pages_of_this_machine_may_call() {
    let api = gateway(1, &[]).await;
    let host = api.0.url.trim_start_matches("http://").to_owned();
    let port = host.rsplit(':').next().unwrap().to_owned();
    let local = format!("localhost:{port}");
    let rebound = format!("rebound.test:{port}");
    let origin = |host: &str| format!("http://{host}");
    for (origin, host, allowed) in [
        (None, host.clone(), true),
        (Some(origin(&host)), host.clone(), true),
        (Some(origin(&local)), local.clone(), true),
        (Some("https://evil.test".to_owned()), host.clone(), false),
        (Some("null".to_owned()), host.clone(), false),
        (Some(origin("127.0.0.1:1")), host.clone(), false),
        (Some(origin(&local)), host.clone(), false),
        // A name of the attacker's that resolves to this machine.
        (Some(origin(&rebound)), rebound.clone(), false),
        (Some(origin("localhost.evil.test")), "localhost.evil.test".to_owned(), false),
    ] {
        let mut request = api.0.request("POST", "/v1/tool-calls").header("host", &host);
        if let Some(origin) = &origin {
            request = request.header("origin", origin);
        }
        let request = request.body(json!({"name": "hours"}).to_string());
        let reply = api.send("post", "/v1/tool-calls", request).await;
        if allowed {
            assert_eq!((reply.status, &reply.body["error"]), (200, &Value::Null), "{origin:?} at {host}");
        } else {
            assert_eq!(
                (reply.status, &reply.body["code"]),
                (403, &json!("foreign_origin")),
                "{origin:?} at {host}"
            );
        }
    }
}

#[tokio::test]
async fn a_page_that_asks_without_an_origin_is_told_by_where_it_stands() {
    let api = Api(Gateway::start(&files(9, &[HOURS])).await);
    // As an image or a link of a page is asked for.
    for (site, allowed) in
        [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false), ("x", false)]
    {
        for path in ["/webhooks/retell/development/hours", "/v1/tools"] {
            let request = api.0.request("GET", path).header("sec-fetch-site", site);
            let status = request.send().await.unwrap().status().as_u16();
            assert_eq!(status, if allowed { 200 } else { 403 }, "{site} {path}");
        }
    }
}
