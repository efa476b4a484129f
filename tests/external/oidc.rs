//! oidc-provider (npm) as the OAuth 2.0 server: a real client credentials grant,
//! its expiry and its refresh.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Gateway, Server};
use crate::judge::Judge;
use crate::upstream::ClosedPort;
use crate::wait::until_so;

const SECRET_OF_HEADER_CLIENT: &str = "header secret:with+odd%chars/&=~";
const SECRET_OF_BODY_CLIENT: &str = "body secret:with+odd%chars/&=~";

/// A running oidc-provider, and the resource that takes its tokens.
struct Provider {
    server: Server,
}

impl Provider {
    /// Tokens live for `lifetime` seconds. `None` where it is not installed.
    fn start(lifetime: u32) -> Option<Self> {
        let modules = Judge::Oidc.find()?.join("node");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/external/oidc_server.mjs");
        let modules = modules.to_str().expect("a UTF-8 path");
        let server = Server::start(Path::new("node"), &[script, modules, &lifetime.to_string()]);
        Some(Self { server })
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.server.port)
    }

    /// A gateway whose connection `shop` has the connector `shop_login`;
    /// `connector` is YAML that says who the client is.
    async fn gateway(&self, connector: &str, secret: &str) -> Gateway {
        self.gateway_at(&self.url("/token"), connector, secret).await
    }

    async fn gateway_at(&self, token_url: &str, connector: &str, secret: &str) -> Gateway {
        Gateway::start(&[
            ("secrets.toml", format!("[development]\nclient_secret = '{secret}'\n")),
            (
                "auth/shop_login.yaml",
                format!(
                    "type: oauth2_client_credentials\ntoken_url: {token_url}\n\
                     client_secret: {{secret: client_secret}}\n{connector}\n"
                ),
            ),
            ("connections/shop.yaml", format!("base_url: {}\nauth: shop_login\n", self.url(""))),
            (
                "actions/list_orders.yaml",
                "description: Lists the caller's orders.\nconnection: shop\npath: /orders\ntimeout_ms: 60000\n".to_owned(),
            ),
            (
                "actions/place_order.yaml",
                "description: Places an order.\nconnection: shop\npath: /orders\nmethod: POST\ntimeout_ms: 60000\n\
                 parameters: {type: object, properties: {sku: {type: string}}, required: [sku]}\n"
                    .to_owned(),
            ),
            (
                "actions/refused.yaml",
                "description: Is always refused.\nconnection: shop\npath: /refuses\ntimeout_ms: 60000\n".to_owned(),
            ),
        ])
        .await
    }

    /// What the server has counted so far.
    fn stats(&self) -> Stats {
        Stats(self.ask("GET", "/_stats"))
    }

    fn ask(&self, method: &str, path: &str) -> Value {
        let mut socket = TcpStream::connect(("127.0.0.1", self.server.port)).expect("the server runs");
        let request = format!("{method} {path} HTTP/1.0\r\nHost: test\r\nContent-Length: 0\r\n\r\n");
        socket.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("answered");
        let (_, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        serde_json::from_str(body).expect("JSON")
    }
}

struct Stats(Value);

impl Stats {
    #[track_caller]
    fn count(&self, name: &str) -> u64 {
        self.0[name].as_u64().unwrap_or_else(|| panic!("no `{name}` in {}", self.0))
    }
}

const HEADER_CLIENT: &str = "client_id: callgate-header\nscopes: [orders.read, orders.write]";
const BODY_CLIENT: &str =
    "client_id: callgate-body\nclient_authentication: body\nscopes: [orders.read, orders.write]";

#[track_caller]
fn assert_success(result: &Value) {
    assert_eq!(result["status"], "success", "{result:#}");
}

/// Asserts that no credential could be had, and that the error says whose.
#[track_caller]
fn assert_auth_failed(result: &Value) {
    assert_eq!(result["status"], "exception", "{result:#}");
    assert_eq!(result["error"]["code"], "auth_failed", "{result:#}");
    assert_eq!(result["error"]["effect"], "none", "{result:#}");
    assert!(result["error"].to_string().contains("shop_login"), "names no connector: {result:#}");
}

// --- the grant ---------------------------------------------------------------------------

#[tokio::test]
async fn a_client_that_authenticates_in_the_header_gets_its_scopes() {
    let Some(provider) = Provider::start(600) else { return };
    let gateway = provider.gateway(HEADER_CLIENT, SECRET_OF_HEADER_CLIENT).await;
    let result = gateway.call("list_orders", json!({})).await;
    assert_success(&result);
    assert_eq!(result["body"]["scopes"], json!(["orders.read", "orders.write"]));
    let request = &provider.stats().0["last_token_request"];
    assert_eq!(request["authorization"], "Basic", "{request:#}");
    assert_eq!(request["grant_type"], "client_credentials");
    assert_eq!(request["scope"], "orders.read orders.write");
    assert_eq!(request["parameters"], json!(["grant_type", "scope"]), "nothing of the client in the body");
}

#[tokio::test]
async fn a_client_that_authenticates_in_the_body_gets_its_scopes() {
    let Some(provider) = Provider::start(600) else { return };
    let gateway = provider.gateway(BODY_CLIENT, SECRET_OF_BODY_CLIENT).await;
    assert_success(&gateway.call("list_orders", json!({})).await);
    let result = gateway.call("place_order", json!({"sku": "A-1"})).await;
    assert_success(&result);
    assert_eq!(result["status_code"], 201);
    assert_eq!(result["body"]["received"], json!({"sku": "A-1"}));
    let request = &provider.stats().0["last_token_request"];
    assert_eq!(request["authorization"], Value::Null, "{request:#}");
    assert_eq!(request["parameters"], json!(["client_id", "client_secret", "grant_type", "scope"]));
}

#[tokio::test]
async fn a_scope_that_was_not_asked_for_is_not_there() {
    let Some(provider) = Provider::start(600) else { return };
    let connector = "client_id: callgate-header\nscopes: [orders.read]";
    let gateway = provider.gateway(connector, SECRET_OF_HEADER_CLIENT).await;
    assert_success(&gateway.call("list_orders", json!({})).await);
    let result = gateway.call("place_order", json!({"sku": "A-1"})).await;
    assert_eq!((&result["status"], &result["status_code"]), (&json!("error"), &json!(403)), "{result:#}");
    assert_eq!(provider.stats().count("token_requests"), 1, "a 403 is no reason for another token");
}

#[tokio::test]
async fn audience_and_extra_parameters_reach_the_token_endpoint() {
    let Some(provider) = Provider::start(600) else { return };
    // `resource` (RFC 8707) makes this provider's tokens JWTs for that resource.
    let connector = format!(
        "{HEADER_CLIENT}\naudience: shop\nextra_params: {{resource: 'urn:callgate:test:orders', tier: 1}}"
    );
    let gateway = provider.gateway(&connector, SECRET_OF_HEADER_CLIENT).await;
    assert_success(&gateway.call("list_orders", json!({})).await);
    let request = &provider.stats().0["last_token_request"];
    assert_eq!(request["resource"], "urn:callgate:test:orders");
    assert_eq!(request["parameters"], json!(["audience", "grant_type", "resource", "scope", "tier"]));
    let token = provider.ask("GET", "/_last-bearer")["token"].as_str().map(str::to_owned).expect("a token");
    assert_eq!(token.split('.').count(), 3, "a JWT");
}

// --- the cache ---------------------------------------------------------------------------

#[tokio::test]
async fn many_calls_share_one_token() {
    let Some(provider) = Provider::start(600) else { return };
    let gateway = provider.gateway(HEADER_CLIENT, SECRET_OF_HEADER_CLIENT).await;
    for result in join_all((0..50).map(|_| gateway.call("list_orders", json!({})))).await {
        assert_success(&result);
    }
    for _ in 0..10 {
        assert_success(&gateway.call("list_orders", json!({})).await);
    }
    let stats = provider.stats();
    assert_eq!((stats.count("token_requests"), stats.count("resource_accepted")), (1, 60), "{}", stats.0);
}

#[tokio::test]
async fn a_token_that_has_expired_is_not_sent() {
    let Some(provider) = Provider::start(3) else { return };
    let gateway = provider.gateway(HEADER_CLIENT, SECRET_OF_HEADER_CLIENT).await;
    assert_success(&gateway.call("list_orders", json!({})).await);
    // The provider counts in whole seconds and so ends it sooner than the gateway, which got it before now.
    let answered = Instant::now();
    let is_over =
        || answered.elapsed() >= Duration::from_secs(3) && provider.stats().count("tokens_alive") == 0;
    until_so("the end of the token", is_over).await;
    assert_success(&gateway.call("list_orders", json!({})).await);
    let stats = provider.stats();
    assert_eq!((stats.count("token_requests"), stats.count("resource_unauthorized")), (2, 0), "{}", stats.0);
}

#[tokio::test]
async fn no_call_fails_while_tokens_expire() {
    let Some(provider) = Provider::start(4) else { return };
    let gateway = provider.gateway(HEADER_CLIENT, SECRET_OF_HEADER_CLIENT).await;
    let started = Instant::now();
    let mut calls = 0;
    while started.elapsed() < Duration::from_secs(9) {
        let action = if calls % 2 == 0 { "list_orders" } else { "place_order" };
        let arguments = if calls % 2 == 0 { json!({}) } else { json!({"sku": format!("A-{calls}")}) };
        assert_success(&gateway.call(action, arguments).await);
        calls += 1;
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    // This provider counts in whole seconds, so a token of 4 s lives between 3 s and 4 s.
    let stats = provider.stats();
    assert_eq!(stats.count("resource_accepted"), calls, "{}", stats.0);
    let tokens = stats.count("token_requests");
    assert!((3..=10).contains(&tokens), "{tokens} tokens for {calls} calls");
    assert!(stats.count("resource_unauthorized") < tokens, "{}", stats.0);
}

#[tokio::test]
async fn a_revoked_token_is_replaced_once() {
    let Some(provider) = Provider::start(600) else { return };
    let gateway = provider.gateway(HEADER_CLIENT, SECRET_OF_HEADER_CLIENT).await;
    assert_success(&gateway.call("list_orders", json!({})).await);

    provider.ask("POST", "/_revoke-all");
    assert_success(&gateway.call("place_order", json!({"sku": "A-1"})).await);
    let stats = provider.stats();
    assert_eq!((stats.count("token_requests"), stats.count("resource_unauthorized")), (2, 1), "{}", stats.0);

    // Several calls find the same token dead: still one request for the next.
    provider.ask("POST", "/_revoke-all");
    for result in join_all((0..20).map(|_| gateway.call("list_orders", json!({})))).await {
        assert_success(&result);
    }
    let stats = provider.stats();
    assert_eq!(stats.count("token_requests"), 3, "{}", stats.0);
    assert_eq!(stats.count("resource_accepted"), 22, "{}", stats.0);
}

#[tokio::test]
async fn an_upstream_that_refuses_every_token_is_asked_twice_and_no_more() {
    let Some(provider) = Provider::start(600) else { return };
    let gateway = provider.gateway(HEADER_CLIENT, SECRET_OF_HEADER_CLIENT).await;
    let result = gateway.call("refused", json!({})).await;
    assert_eq!((&result["status"], &result["status_code"]), (&json!("error"), &json!(401)), "{result:#}");
    let stats = provider.stats();
    assert_eq!((stats.count("token_requests"), stats.count("resource_requests")), (2, 2), "{}", stats.0);
    // It prints the token it refuses; the model must not read it.
    let token = provider.ask("GET", "/_last-bearer")["token"].as_str().map(str::to_owned).expect("a token");
    assert!(!result.to_string().contains(&token), "{result:#}");
}

// --- what goes wrong -----------------------------------------------------------------------

#[tokio::test]
async fn a_wrong_client_secret_is_auth_failed() {
    let Some(provider) = Provider::start(600) else { return };
    for client in [HEADER_CLIENT, BODY_CLIENT] {
        let gateway = provider.gateway(client, "not the secret").await;
        let result = gateway.call("place_order", json!({"sku": "A-1"})).await;
        assert_auth_failed(&result);
        assert!(!result.to_string().contains("not the secret"), "{result:#}");
    }
    let stats = provider.stats();
    assert_eq!(stats.count("resource_requests"), 0, "{}", stats.0);
    assert_eq!(stats.count("token_failures"), stats.count("token_requests"), "{}", stats.0);
    assert!(stats.count("token_requests") <= 4, "{}", stats.0);
}

#[tokio::test]
async fn a_token_endpoint_that_is_down_is_auth_failed_at_once() {
    let Some(provider) = Provider::start(600) else { return };
    let closed = ClosedPort::new();
    let url = format!("http://127.0.0.1:{}/token", closed.port);
    let gateway = provider.gateway_at(&url, HEADER_CLIENT, SECRET_OF_HEADER_CLIENT).await;
    let started = Instant::now();
    assert_auth_failed(&gateway.call("list_orders", json!({})).await);
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    assert_eq!(provider.stats().count("resource_requests"), 0);
}

#[tokio::test]
async fn a_token_endpoint_that_never_answers_is_auth_failed_in_time() {
    let Some(provider) = Provider::start(600) else { return };
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/token", silent.local_addr().expect("an address"));
    let gateway = provider.gateway_at(&url, HEADER_CLIENT, SECRET_OF_HEADER_CLIENT).await;
    let started = Instant::now();
    let call = json!({"name": "list_orders", "deadline_ms": 3_000});
    assert_auth_failed(&gateway.call_with(call).await);
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_token_endpoint_that_answers_something_else_is_auth_failed() {
    let Some(provider) = Provider::start(600) else { return };
    // No such route; an answer without a token; an answer that is no OAuth error.
    for path in ["/nothing-here", "/_revoke-all", "/orders"] {
        let gateway = provider.gateway_at(&provider.url(path), HEADER_CLIENT, SECRET_OF_HEADER_CLIENT).await;
        assert_auth_failed(&gateway.call("list_orders", json!({})).await);
    }
}

#[tokio::test]
async fn an_unknown_resource_is_auth_failed() {
    let Some(provider) = Provider::start(600) else { return };
    let connector = format!("{HEADER_CLIENT}\nextra_params: {{resource: 'urn:callgate:test:nothing'}}");
    let gateway = provider.gateway(&connector, SECRET_OF_HEADER_CLIENT).await;
    assert_auth_failed(&gateway.call("list_orders", json!({})).await);
}
