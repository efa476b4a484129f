//! Who may call.

use callgate::server::NewKey;
use serde_json::{Value, json};

use super::{Api, HOURS, Reply, gateway};
use crate::harness::{Gateway, files, send_raw};

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

#[tokio::test]
async fn without_keys_a_request_must_name_this_machine() {
    let api = Api(Gateway::start(&files(9, &[HOURS])).await);
    let host = api.0.url.trim_start_matches("http://").to_owned();
    let (url, own) = (api.0.url.clone(), format!("Host: {host}\r\n"));
    for (line, headers, status) in [
        ("GET /v1/tools HTTP/1.0".to_owned(), String::new(), 403),
        ("GET /v1/tools HTTP/1.0".to_owned(), own.clone(), 200),
        ("GET /v1/tools HTTP/1.1".to_owned(), own.clone(), 200),
        ("GET http://evil.test/v1/tools HTTP/1.1".to_owned(), own.clone(), 403),
        ("GET http://127.0.0.1@evil.test/v1/tools HTTP/1.1".to_owned(), own.clone(), 403),
        (format!("GET http://{host}/v1/tools HTTP/1.1"), own.clone(), 200),
        (format!("GET http://{host}/v1/tools HTTP/1.1"), "Host: evil.test\r\n".to_owned(), 403),
        ("GET /v1/tools HTTP/1.1".to_owned(), own.clone() + "Sec-Fetch-Site: cross-site\r\n", 403),
        // A browser that says both: either one is enough to refuse.
        (
            "GET /v1/tools HTTP/1.1".to_owned(),
            format!("{own}Origin: http://{host}\r\nSec-Fetch-Site: cross-site\r\n"),
            403,
        ),
        (
            "GET /v1/tools HTTP/1.1".to_owned(),
            format!("{own}Origin: http://{host}\r\nSec-Fetch-Site: same-origin\r\n"),
            200,
        ),
    ] {
        let bytes = format!("{line}\r\n{headers}connection: close\r\n\r\n");
        let answer = send_raw(&url, bytes.as_bytes()).await;
        assert_eq!(answer.status, status, "{line} {headers:?}: {answer:?}");
        if status == 403 {
            assert_eq!(answer.json()["code"], "foreign_origin", "{line} {headers:?}");
        }
    }
}

#[tokio::test]
async fn without_keys_http_2_under_a_foreign_name_is_refused() {
    let api = Api(Gateway::start(&files(9, &[HOURS])).await);
    let address: std::net::SocketAddr = api.0.url.trim_start_matches("http://").parse().unwrap();
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().resolve("evil.test", address);
    let client = client.build().unwrap();
    for (host, status) in [("evil.test", 403), ("127.0.0.1", 200)] {
        let url = format!("http://{host}:{}/v1/tools", address.port());
        let response = client.get(url).send().await.unwrap();
        assert_eq!(
            (response.version(), response.status().as_u16()),
            (reqwest::Version::HTTP_2, status),
            "{host}"
        );
    }
}

#[tokio::test]
async fn a_key_of_one_environment_sees_the_metrics_of_that_one_alone() {
    let (api, all, staging) = guarded().await;
    for environment in ["development", "staging"] {
        let reply = ask(&api, ("POST", "/v1/tool-calls"), &[("x-api-key", &all)], environment).await;
        assert_eq!(reply.status, 200);
    }
    for (key, sees_both) in [(&all, true), (&staging, false)] {
        let request = api.0.request("GET", "/metrics").header("x-api-key", key);
        let text = request.send().await.unwrap().text().await.unwrap();
        assert_eq!(text.contains("development"), sees_both, "{text}");
        assert!(text.contains("callgate_tool_calls_total{environment=\"staging\""), "{text}");
        assert!(text.contains("callgate_tool_call_duration_seconds_bucket{"), "{text}");
        assert!(text.contains("callgate_calls_in_flight 0") && text.ends_with("# EOF\n"), "{text}");
    }
}

#[tokio::test]
async fn what_a_request_says_twice_it_says_the_same() {
    let (api, key, _) = guarded().await;
    let send = async |path: &str, headers: &[(&str, &str)], method: &str, body: Value| {
        let mut request = api.0.request(method, path).header("x-api-key", &key);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.body(body.to_string()).send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str::<Value>(&response.text().await.unwrap()).unwrap())
    };
    let (development, staging) = ("?environment=development", json!({"environment": "staging"}));
    let (environment, conversation) = ("callgate-environment", "callgate-conversation-id");
    let template = json!({"environment": "staging", "template": "x"});
    let chat = "/v1/openai/chat/tool-calls";
    for (method, path, headers, body, both) in [
        (
            "POST",
            format!("/v1/conversations{development}"),
            vec![],
            staging.clone(),
            ["development", "staging"],
        ),
        ("PATCH", format!("/v1/conversations/c{development}"), vec![], staging, ["development", "staging"]),
        (
            "POST",
            format!("/v1/conversations/c/render{development}"),
            vec![],
            template,
            ["development", "staging"],
        ),
        (
            "POST",
            format!("{chat}{development}"),
            vec![(environment, "staging")],
            json!([]),
            ["staging", "development"],
        ),
        (
            "POST",
            format!("{chat}{development}&conversation_id=c-1"),
            vec![(conversation, "c-2")],
            json!([]),
            ["c-2", "c-1"],
        ),
        (
            "POST",
            "/v1/actions/where/preview".to_owned(),
            vec![],
            json!({"environment": "staging", "name": "there"}),
            ["where", "there"],
        ),
    ] {
        let (status, reply) = send(&path, &headers, method, body).await;
        let detail = reply["detail"].as_str().unwrap_or_default();
        assert_eq!((status, &reply["code"]), (400, &json!("invalid_request")), "{path}: {reply}");
        assert!(both.iter().all(|one| detail.contains(&format!("`{one}`"))), "{path}: {detail}");
    }
    let same = json!({"environment": "development"});
    assert_eq!(send(&format!("/v1/conversations{development}"), &[], "POST", same).await.0, 201);
    let said = [(environment, "development"), (conversation, "c")];
    assert_eq!(
        send(&format!("{chat}{development}&conversation_id=c"), &said, "POST", json!([])).await.0,
        200
    );
}
