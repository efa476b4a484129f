//! The upstream over a socket: the token endpoint, every credential, what is booked.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{Upstream, credentials, router};
use crate::demo::FILES;

const FORM: &str = "content-type: application/x-www-form-urlencoded";
const JSON: &str = "content-type: application/json";
const HELPDESK: &str = "authorization: Bearer demo-helpdesk-token";

/// An upstream on a port of its own; it ends when this is dropped.
struct Server {
    address: SocketAddr,
    _task: JoinSet<()>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, router(Upstream::default())).await.unwrap() });
        Self { address, _task: task }
    }

    /// Sends `line` (`GET /path`), `headers` and `body`; the status and the JSON that come back.
    async fn send(&self, line: &str, headers: &[&str], body: &str) -> (u16, Value) {
        let response = self.exchange(line, headers, body).await;
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_else(|_| panic!("not JSON: {body}")))
    }

    /// The same; what comes back as it is.
    async fn exchange(&self, line: &str, headers: &[&str], body: &str) -> String {
        let mut request = format!("{line} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
        for header in headers {
            request.push_str(&format!("{header}\r\n"));
        }
        request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    }

    async fn token(&self, scope: &str) -> String {
        let body = format!("grant_type=client_credentials&scope={scope}");
        let (status, answer) =
            self.send("POST /oauth/token", &[FORM, &basic("demo-client", "demo-client-secret")], &body).await;
        assert_eq!(
            (status, &answer["expires_in"], &answer["token_type"]),
            (200, &json!(60), &json!("Bearer"))
        );
        format!("authorization: Bearer {}", answer["access_token"].as_str().unwrap())
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("authorization: Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

#[tokio::test]
async fn the_token_endpoint_takes_the_secret_by_basic_or_in_the_body() {
    let server = Server::start().await;
    let grant = "grant_type=client_credentials";
    for (client, secret) in [("demo-client", "demo-client-secret"), ("demo%2Dclient", "demo-client%2Dsecret")]
    {
        let (status, _) = server.send("POST /oauth/token", &[FORM, &basic(client, secret)], grant).await;
        assert_eq!(status, 200);
    }
    let body = format!("{grant}&client_id=demo-client-staging&client_secret=demo-client-secret-staging");
    let (status, answer) = server.send("POST /oauth/token", &[FORM], &body).await;
    assert_eq!((status, &answer["scope"]), (200, &json!("appointments.read appointments.write")));
}

#[tokio::test]
async fn the_token_endpoint_refuses_as_rfc_6749_says() {
    let server = Server::start().await;
    let good = basic("demo-client", "demo-client-secret");
    let wrong = basic("demo-client", "guess");
    let other = basic("demo-client", "demo-client-secret-staging");
    let grant = "grant_type=client_credentials";
    for (headers, body, status, error) in [
        (vec![FORM, &wrong], grant.to_owned(), 401, "invalid_client"),
        (vec![FORM, &other], grant.to_owned(), 401, "invalid_client"),
        (vec![FORM, "authorization: Basic %%%"], grant.to_owned(), 401, "invalid_client"),
        (vec![FORM], grant.to_owned(), 401, "invalid_client"),
        (vec![FORM, &good], format!("{grant}&client_secret=x"), 400, "invalid_request"),
        (vec![FORM, &good], format!("{grant}&{grant}"), 400, "invalid_request"),
        (vec![FORM, &good], String::new(), 400, "invalid_request"),
        (vec![JSON, &good], "{}".to_owned(), 400, "invalid_request"),
        (vec![FORM, &good], "grant_type=password".to_owned(), 400, "unsupported_grant_type"),
        (vec![FORM, &good], format!("{grant}&scope=admin"), 400, "invalid_scope"),
    ] {
        let (found, answer) = server.send("POST /oauth/token", &headers, &body).await;
        assert_eq!((found, &answer["error"]), (status, &json!(error)), "{body}");
    }
}

#[tokio::test]
async fn a_token_opens_what_its_scopes_say() {
    let server = Server::start().await;
    let read = server.token("appointments.read").await;
    let (status, slots) = server.send("GET /appointments/slots?service=repair&region=us", &[&read], "").await;
    assert_eq!((status, slots["slots"].as_array().unwrap().len()), (200, 6));
    let (status, answer) = server.send("DELETE /appointments/APT-1000", &[&read], "").await;
    assert_eq!((status, &answer["error"]["code"]), (403, &json!("insufficient_scope")));
    let (status, _) = server.send("GET /appointments/slots", &["authorization: Bearer oat_guess"], "").await;
    assert_eq!(status, 401);
}

#[tokio::test]
async fn a_slot_is_booked_once_and_free_again_when_cancelled() {
    let server = Server::start().await;
    let token = server.token("").await;
    let (_, slots) = server.send("GET /appointments/slots?service=repair", &[&token], "").await;
    let slot = &slots["slots"][0]["slot_id"];
    let body = json!({"appointment": {"slot_id": slot, "service": "repair", "customer": {"name": "Ann"}}})
        .to_string();
    let (status, booked) = server.send("POST /appointments", &[&token, JSON], &body).await;
    assert_eq!((status, &booked["appointment"]["id"]), (201, &json!("APT-1001")));
    let (status, answer) = server.send("POST /appointments", &[&token, JSON], &body).await;
    assert_eq!((status, &answer["error"]["code"]), (409, &json!("slot_taken")));
    let (_, slots) = server.send("GET /appointments/slots?service=repair", &[&token], "").await;
    assert_ne!(&slots["slots"][0]["slot_id"], slot);
    let (status, _) = server.send("DELETE /appointments/APT-1001?reason=ill", &[&token], "").await;
    assert_eq!(status, 200);
    let (status, _) = server.send("DELETE /appointments/APT-1001", &[&token], "").await;
    assert_eq!(status, 404);
    let (status, _) = server.send("POST /appointments", &[&token, JSON], &body).await;
    assert_eq!(status, 201);
}

#[tokio::test]
async fn every_credential_is_checked() {
    let server = Server::start().await;
    let user = basic("demo-user", "demo-password");
    let production = basic("demo-user", "demo-password-production");
    let guess = basic("demo-user", "demo-password-guess");
    let bearer = "authorization: Bearer demo-bearer-token";
    let staging = "authorization: Bearer demo-bearer-token-staging";
    for (line, good, bad) in [
        ("GET /orders?order_number=ORD-12345", bearer, staging),
        ("GET /staging/orders?order_number=ORD-12345", staging, bearer),
        ("GET /orders/batch?order_numbers=ORD-12345&order_numbers=ORD-1", bearer, HELPDESK),
        ("GET /customers?email=ada%40example.com&api_key=demo-query-key", "x: y", ""),
        (
            "GET /loyalty?member_number=LOY-2001",
            "cookie: a=b; api_key=demo-cookie-key",
            "cookie: api_key=guess",
        ),
        ("GET /invoices/INV-3001", "x-api-key: demo-header-key", "x-api-key: demo-header-key-guess"),
        ("GET /accounts/ACC-4001", &user, &guess),
        ("GET /accounts/ACC-4001", &production, "authorization: Basic !"),
        ("GET /tickets/TCK-1000", HELPDESK, bearer),
    ] {
        let (status, _) = server.send(line, &[good], "").await;
        assert_eq!(status, 200, "{line}");
        let line = line.replace("api_key=demo-query-key", "api_key=guess");
        for headers in [vec!["accept: */*"], vec!["accept: */*", bad]] {
            let headers: Vec<&str> = headers.into_iter().filter(|header| !header.is_empty()).collect();
            let (status, answer) = server.send(&line, &headers, "").await;
            assert_eq!(
                (status, &answer["error"]["code"]),
                (401, &json!("unauthorized")),
                "{line} {headers:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_ticket_wants_both_credentials_and_a_note_its_upload_token() {
    let server = Server::start().await;
    let body = r#"{"ticket": {"email": "a@b.c", "text": "no light"}}"#;
    let (status, _) = server.send("POST /tickets", &[HELPDESK, JSON], body).await;
    assert_eq!(status, 401);
    let key = "x-internal-key: demo-internal-key";
    let (status, answer) = server.send("POST /tickets", &[HELPDESK, JSON, key], body).await;
    assert_eq!((status, &answer["ticket"]["id"]), (201, &json!("TCK-1001")));
    let token = answer["ticket"]["upload_token"].as_str().unwrap();
    for (id, token, expected) in [("TCK-1001", token, 201), ("TCK-1001", "", 403), ("TCK-1000", "", 201)] {
        let body = format!(
            "--b\r\ncontent-disposition: form-data; name=\"upload_token\"\r\n\r\n{token}\r\n\
             --b\r\ncontent-disposition: form-data; name=\"note\"\r\n\r\ntext\r\n--b--\r\n"
        );
        let kind = "content-type: multipart/form-data; boundary=b";
        let (status, answer) =
            server.send(&format!("POST /tickets/{id}/notes"), &[HELPDESK, kind], &body).await;
        assert_eq!(status, expected, "{answer}");
    }
    let (status, answer) =
        server.send("PATCH /tickets/TCK-1001", &[HELPDESK, JSON], r#"{"status": "closed"}"#).await;
    assert_eq!(
        (status, &answer["ticket"]["status"], &answer["ticket"]["notes"]),
        (200, &json!("closed"), &json!(1))
    );
}

#[tokio::test]
async fn malformed_requests_get_json_errors() {
    let server = Server::start().await;
    let large = "x".repeat(256 * 1024 + 4);
    let deep = "[".repeat(50_000);
    for (line, headers, body, status) in [
        ("GET /nowhere", vec![], "", 404),
        ("PUT /orders", vec![], "", 405),
        ("GET /invoices/%FF", vec![], "", 400),
        ("POST /tickets/TCK-1000/notes", vec![HELPDESK, "content-type: multipart/form-data"], "x", 400),
        ("POST /tickets/TCK-99999999999999999999/notes", vec![HELPDESK], "x", 415),
        ("POST /classifications", vec![HELPDESK, JSON], "{", 400),
        ("POST /classifications", vec![HELPDESK, JSON], &deep, 400),
        (
            "POST /classifications",
            vec![HELPDESK, JSON],
            r#"{"category": "billing", "sub_category": "bug_report"}"#,
            422,
        ),
        ("POST /feedback", vec![HELPDESK, FORM], "rating=6", 422),
        ("POST /feedback", vec![HELPDESK, FORM], &large, 413),
    ] {
        let (found, answer) = server.send(line, &headers, body).await;
        assert_eq!(found, status, "{line}");
        assert!(answer["error"]["message"].is_string(), "{answer}");
    }
}

#[tokio::test]
async fn the_last_requests_are_shown_without_credentials() {
    let server = Server::start().await;
    let token = server.token("").await;
    server.send("GET /appointments/slots?service=repair", &[&token, "x-region: eu"], "").await;
    server
        .send("GET /customers?email=a%40b.c&api_key=demo-query-key", &["cookie: api_key=demo-cookie-key"], "")
        .await;
    let body = "client_id=demo-client&client_secret=demo-client-secret";
    server.send("POST /oauth/token", &[FORM], body).await;
    let (_, shown) = server.send("GET /_requests", &[], "").await;
    let text = shown.to_string();
    assert!(
        !credentials::SECRETS.iter().any(|secret| text.contains(secret)) && !text.contains("oat_"),
        "{text}"
    );
    assert_eq!(shown["requests"][2]["path"], "/customers?email=a%40b.c&api_key=***");
    assert_eq!(shown["requests"][3]["body"], "client_id=demo-client&client_secret=***");
    let headers = shown["requests"][1]["headers"].as_array().unwrap();
    assert!(
        headers.contains(&json!("authorization: Bearer ***")) && headers.contains(&json!("x-region: eu"))
    );
    for _ in 0..60 {
        server.send("GET /nowhere", &[], "").await;
    }
    let (_, shown) = server.send("GET /_requests", &[], "").await;
    assert_eq!((&shown["seen"], shown["requests"].as_array().unwrap().len()), (&json!(64), 50));
}

#[tokio::test]
async fn the_model_answers_whole_and_in_a_stream() {
    let server = Server::start().await;
    let key = "authorization: Bearer demo-model-key-staging";
    let mut body = json!({"model": "demo", "messages": [{"role": "user", "content": "Hi"}]});
    let (status, answer) = server.send("POST /v1/chat/completions", &[key, JSON], &body.to_string()).await;
    let said = &answer["choices"][0]["message"]["content"];
    assert_eq!((status, &answer["object"]), (200, &json!("chat.completion")));
    assert_eq!(said, "Hello! I have no tools that I know how to use.");

    body["stream"] = json!(true);
    let text = server.exchange("POST /v1/chat/completions", &[key, JSON], &body.to_string()).await;
    assert!(text.contains("content-type: text/event-stream\r\n"), "{text}");
    let chunks = text.lines().filter_map(|line| line.strip_prefix("data: {"));
    let chunks: Vec<Value> = chunks.map(|rest| serde_json::from_str(&format!("{{{rest}")).unwrap()).collect();
    let words: String =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(&json!(words), said);
    assert!(chunks.len() > 5 && text.contains("data: [DONE]\n\n"), "{text}");
}

#[tokio::test]
async fn the_model_refuses_what_it_cannot_answer() {
    let server = Server::start().await;
    let key = "authorization: Bearer demo-model-key";
    for (headers, body, status, code) in [
        (vec![JSON], "{}", 401, "unauthorized"),
        (vec![HELPDESK, JSON], "{}", 401, "unauthorized"),
        (vec![key, JSON], "{}", 400, "invalid_request"),
        (vec![key, JSON], "[]", 400, "invalid_json"),
        (vec![key, FORM], "{}", 415, "unsupported_media_type"),
    ] {
        let (found, answer) = server.send("POST /v1/chat/completions", &headers, body).await;
        assert_eq!((found, &answer["error"]["code"]), (status, &json!(code)), "{headers:?} {body}");
    }
}

#[test]
fn the_project_holds_every_credential_of_every_environment() {
    let (_, secrets) = FILES.iter().find(|(name, _)| *name == "secrets.toml").unwrap();
    for known in credentials::SECRETS {
        for environment in ["", "-staging", "-production"] {
            assert!(secrets.contains(&format!(" = \"{known}{environment}\"\n")), "{known}{environment}");
        }
    }
}
