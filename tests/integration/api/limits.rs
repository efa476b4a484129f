//! How often a key may call, and how many calls the process takes at a time.

use std::sync::Arc;

use callgate::server::NewKey;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::{Api, HOURS, ORDER, Reply};
use crate::harness::{Gateway, Process, files, send_raw, write_project};
use crate::upstream::{self, Upstream};
use crate::wait::until;

/// A gateway with two keys, of which the first has a rate of its own.
async fn rated(server: &str, rate: &str) -> (Api, String, String) {
    let (one, two) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
    let settings = format!(
        "environments = [\"development\"]\n{server}\n[[keys]]\nname = \"one\"\nhash = \"{}\"\n{rate}\n\
         [[keys]]\nname = \"two\"\nhash = \"{}\"\n",
        one.hash, two.hash
    );
    (Api(Gateway::start(&files(9, &[HOURS, ("callgate.toml", &settings)])).await), one.key, two.key)
}

async fn ask(api: &Api, method: &str, path: &str, key: &str, body: &Value) -> Reply {
    let request = api.0.request(&method.to_uppercase(), path).bearer_auth(key);
    let request = if body.is_null() { request } else { request.body(body.to_string()) };
    api.send(method, path, request).await
}

fn hours() -> Value {
    json!({"name": "hours"})
}

// So slow that nothing comes back while a test runs.
const SLOW: &str = "rate = {per_second = 0.001, burst = 4}";

#[tokio::test]
async fn a_key_that_calls_too_often_is_told_when_to_come_again() {
    let (api, one, two) = rated("", SLOW).await;
    for left in [3, 2, 1, 0] {
        let reply = ask(&api, "post", "/v1/tool-calls", &one, &hours()).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_eq!(reply.header("ratelimit-policy"), "\"key\";q=4;w=4000");
        assert!(
            reply.header("ratelimit").starts_with(&format!("\"key\";r={left};t=")),
            "{:?}",
            reply.headers
        );
    }
    for (method, path) in [("post", "/v1/tool-calls"), ("get", "/v1/tools"), ("get", "/v1/environments")] {
        let body = if method == "post" { hours() } else { Value::Null };
        let reply = ask(&api, method, path, &one, &body).await;
        assert_eq!((reply.status, reply.media.as_str()), (429, "application/problem+json"), "{path}");
        assert_eq!(reply.body["code"], "rate_limited");
        assert_eq!(reply.body["detail"], "this key may make 0.001 calls a second, 4 at once");
        assert!(
            (900..=1000).contains(&reply.header("retry-after").parse::<u32>().unwrap()),
            "{:?}",
            reply.headers
        );
        assert_eq!(reply.header("ratelimit-policy"), "\"key\";q=4;w=4000");
        assert_eq!(reply.header("ratelimit"), "\"key\";r=0;t=4000");
    }
    // The other key has no rate, and nobody needs one for these.
    for _ in 0..10 {
        let reply = ask(&api, "post", "/v1/tool-calls", &two, &hours()).await;
        assert_eq!(
            (reply.status, reply.header("ratelimit"), reply.header("ratelimit-policy")),
            (200, "", "")
        );
    }
    for path in ["/healthz", "/readyz", "/openapi.json"] {
        assert_eq!(ask(&api, "get", path, &one, &Value::Null).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_request_of_several_calls_takes_several() {
    let (api, one, _) = rated("", SLOW).await;
    let calls = |count: usize| json!({"calls": vec![hours(); count]});
    let reply = ask(&api, "post", "/v1/tool-calls", &one, &calls(3)).await;
    assert_eq!(reply.body["results"].as_array().unwrap().len(), 3, "{}", reply.body);
    assert!(reply.header("ratelimit").starts_with("\"key\";r=1;t="), "{:?}", reply.headers);
    // All or none: two are asked for, one is left.
    let reply = ask(&api, "post", "/v1/tool-calls", &one, &calls(2)).await;
    assert_eq!((reply.status, &reply.body["code"]), (429, &json!("rate_limited")), "{}", reply.body);
    let (api, one, _) = rated("", SLOW).await;
    let reply = ask(&api, "post", "/v1/tool-calls", &one, &calls(6)).await;
    assert_eq!(reply.body["detail"], "5 calls in one request; this key may make 4 at once");
}

#[tokio::test]
async fn the_rate_of_the_server_is_for_keys_that_have_none() {
    let server = "[server]\nrate = {per_second = 0.001, burst = 2}\n";
    let (api, one, two) = rated(server, SLOW).await;
    for (key, burst) in [(&one, 4), (&two, 2)] {
        for _ in 0..burst {
            assert_eq!(ask(&api, "get", "/v1/tools", key, &Value::Null).await.status, 200);
        }
        assert_eq!(ask(&api, "get", "/v1/tools", key, &Value::Null).await.status, 429);
    }
    // Who has no key takes nobody's.
    let reply = ask(&api, "get", "/v1/tools", "cg_wrong", &Value::Null).await;
    assert_eq!((reply.status, reply.header("ratelimit")), (401, ""));
}

#[test]
fn a_rate_that_is_none_is_told_with_its_place() {
    for (settings, place) in [
        ("[server]\nrate = {per_second = 0}\n", "3:22"),
        ("[server]\nrate = {burst = 5}\n", "3:8"),
        ("[server]\nmax_calls_in_flight = 0\n", "3:23"),
        ("[server]\nrate = 5\n", "3:8"),
    ] {
        let settings = format!("environments = [\"development\"]\n{settings}");
        let dir = write_project(&files(9, &[HOURS, ("callgate.toml", &settings)]));
        let problems = callgate::project::load(dir.path(), None).problems.sorted();
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(
            told.iter().any(|told| told.starts_with(&format!("callgate.toml:{place}: error["))),
            "{settings}: {told:#?}"
        );
    }
}

/// An upstream that answers once there are permits, and the permits.
async fn held() -> (Upstream, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let reply = move |_: &upstream::Captured| {
        upstream::Reply::Held(held.clone(), Box::new(upstream::Reply::ok("{}")))
    };
    (Upstream::start(reply).await, gate)
}

const ONE: (&str, &str) =
    ("callgate.toml", "environments = [\"development\"]\n[server]\nmax_calls_in_flight = 2\n");

/// [`ORDER`] with time for all that is done while it is held.
fn patient() -> String {
    format!("{}timeout_ms: 60000\n", ORDER.1)
}

fn order() -> Value {
    json!({"name": "get_order", "arguments": {"number": "1"}})
}

#[tokio::test]
async fn beyond_what_the_process_takes_calls_are_turned_away() {
    let (upstream, gate) = held().await;
    let api = Api(Gateway::start(&files(upstream.port, &[(ORDER.0, &patient()), HOURS, ONE])).await);
    let url = api.0.url.clone();
    let address = url.trim_start_matches("http://").to_owned();
    // Two callers, one of whom hangs up: the call goes on and keeps its place.
    let body = order().to_string();
    let head = format!(
        "POST /v1/tool-calls HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let whole = format!("{head}{body}");
    let waiting = tokio::task::spawn({
        let (url, whole) = (url.clone(), whole.clone());
        async move { send_raw(&url, whole.as_bytes()).await }
    });
    upstream.received(1).await;
    let mut gone = TcpStream::connect(&address).await.unwrap();
    gone.write_all(whole.as_bytes()).await.unwrap();
    upstream.received(2).await;
    drop(gone);
    for calls in [hours(), json!({"calls": [hours(), hours()]})] {
        let reply = api.post("/v1/tool-calls", &calls).await;
        assert_eq!((reply.status, &reply.body["code"]), (503, &json!("overloaded")), "{}", reply.body);
        assert_eq!(reply.header("retry-after"), "1");
    }
    // Turned away by its head alone.
    let early = send_raw(&url, head.as_bytes()).await;
    assert_eq!((early.status, &early.json()["code"]), (503, &json!("overloaded")));
    for path in
        ["/healthz", "/readyz", "/openapi.json", "/v1/tools?environment=development", "/v1/environments"]
    {
        assert_eq!(api.get(path).await.status, 200, "{path}");
    }
    let preview = json!({"arguments": {"number": "1"}});
    assert_eq!(api.post("/v1/actions/get_order/preview", &preview).await.status, 200);
    gate.add_permits(100);
    assert_eq!(waiting.await.unwrap().status, 200);
    let has_room = async || (api.post("/v1/tool-calls", &hours()).await.status == 200).then_some(());
    until("room for a call", has_room).await;
    // More at once than there ever is room for: none of them is begun.
    let sent = upstream.requests().len();
    let reply = api.post("/v1/tool-calls", &json!({"calls": [order(), order(), order()]})).await;
    assert_eq!((reply.status, upstream.requests().len()), (503, sent), "{}", reply.body);
}

#[tokio::test]
async fn the_bound_is_one_for_all_workers() {
    let (upstream, gate) = held().await;
    let dir = write_project(&files(upstream.port, &[(ORDER.0, &patient()), HOURS, ONE]));
    let process = Arc::new(Process::serve(dir.path(), &[("CALLGATE_SERVER__WORKERS", "4")]));
    let calls: Vec<_> = (0..2)
        .map(|_| {
            let process = process.clone();
            tokio::task::spawn(async move { process.post("/v1/tool-calls", &order()).await.0 })
        })
        .collect();
    upstream.received(2).await;
    for _ in 0..4 {
        let (status, problem) = process.post("/v1/tool-calls", &hours()).await;
        assert_eq!((status, &problem["code"]), (503, &json!("overloaded")));
    }
    gate.add_permits(100);
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
}
