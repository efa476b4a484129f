//! A proxy that the settings name, and none that they do not.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::tls::{Authority, front};
use crate::harness::{Gateway, Process, files, write_project};
use crate::upstream::{Reply, Upstream};

/// A proxy that writes down what it was asked, and leads everything to one port.
struct Proxy {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = asked.clone();
        tokio::task::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn(relay(stream, target, kept.clone()));
            }
        });
        Self { port, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn settings(&self, allow: &str) -> (&'static str, String) {
        let text = format!(
            "environments = [\"development\"]\n[egress.development]\nproxy = \"http://localhost:{}\"\nallow = [{allow}]\n",
            self.port
        );
        ("callgate.toml", text)
    }
}

/// RFC 9110 section 9.3.6 for CONNECT; everything else is passed on as it is.
async fn relay(mut stream: TcpStream, target: u16, asked: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let mut upstream = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
    if text.starts_with("CONNECT ") {
        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
    } else {
        upstream.write_all(&head).await.unwrap();
    }
    asked.lock().unwrap().push(text);
    let _ = tokio::io::copy_bidirectional(&mut stream, &mut upstream).await;
}

const READ: &str = "description: reads\nconnection: api\npath: /read\n";
const SECRETS: &str = "[development]\nkey = \"s3cr3t-value\"\n";

fn project(base_url: &str, settings: (&'static str, String)) -> Vec<(&'static str, String)> {
    vec![
        ("connections/api.yaml", format!("base_url: {base_url}\nauth: key\ntls: {{ca_file: ca.pem}}\n")),
        ("auth/key.yaml", "type: bearer\ntoken: {secret: key}\n".to_owned()),
        ("actions/read.yaml", READ.to_owned()),
        ("secrets.toml", SECRETS.to_owned()),
        settings,
    ]
}

#[tokio::test]
async fn requests_go_through_the_proxy_and_credentials_through_its_tunnel() {
    let upstream = Upstream::start(|_| Reply::ok("{\"a\": 1}")).await;
    let authority = Authority::new();
    let port = front(&upstream, &authority.server(), None).await;
    let proxy = Proxy::start(port).await;
    // Where it leads is for the proxy to find out: the gateway does not look it up.
    let mut files = project(&format!("https://localhost:{port}"), proxy.settings("\"localhost\""));
    files.push(("ca.pem", authority.pem()));
    let result = Gateway::start(&files).await.call("read", json!({})).await;
    assert_eq!(result["status"], "success", "{result}");
    let asked = proxy.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].starts_with(&format!("CONNECT localhost:{port} HTTP/1.1\r\n")), "{asked:?}");
    assert!(!asked[0].contains("s3cr3t-value"), "{asked:?}");
    assert_eq!(upstream.request().header("authorization"), Some("Bearer s3cr3t-value"));
}

#[tokio::test]
async fn a_name_behind_a_proxy_is_not_looked_up() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let proxy = Proxy::start(upstream.port).await;
    let mut files = project("http://does-not-exist.invalid/v1", proxy.settings(""));
    files.push(("ca.pem", Authority::new().pem()));
    let result = Gateway::start(&files).await.call("read", json!({})).await;
    assert_eq!(result["status"], "success", "{result}");
    assert!(proxy.asked()[0].starts_with("GET http://does-not-exist.invalid/v1/read HTTP/1.1\r\n"));
}

#[tokio::test]
async fn an_address_is_judged_before_the_proxy_is_asked() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let proxy = Proxy::start(upstream.port).await;
    for base in [
        "https://10.0.0.1",
        "http://169.254.169.254",
        "http://localhost",
        "https://[::1]",
        "http://[::ffff:7f00:1]",
    ] {
        let mut files = project(base, proxy.settings(""));
        files.push(("ca.pem", Authority::new().pem()));
        let result = Gateway::start(&files).await.call("read", json!({})).await;
        assert_eq!(result["error"]["code"], "address_refused", "{base}: {result}");
    }
    assert_eq!((proxy.asked().len(), upstream.requests().len()), (0, 0));
}

#[tokio::test]
async fn a_proxy_of_the_process_is_not_used() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let dir = write_project(&files(upstream.port, &[("actions/read.yaml", READ)]));
    let nowhere = "http://127.0.0.1:1";
    let process = Process::serve(
        dir.path(),
        &[("HTTP_PROXY", nowhere), ("http_proxy", nowhere), ("HTTPS_PROXY", nowhere), ("ALL_PROXY", nowhere)],
    );
    let result = process.call("read", json!({})).await;
    assert_eq!(result["status"], "success", "{result}");
}

#[test]
fn a_proxy_that_is_none_is_told_with_its_place() {
    for (proxy, said) in [
        ("proxy:3128", "does not start with http:// or https://"),
        ("socks5://proxy:1080", "does not start with http:// or https://"),
        ("http://", "is no URL"),
        ("http://me:secret@proxy:3128", "credentials of a proxy cannot be given in its URL"),
        ("http://proxy:3128/path", "is more or less than a scheme, a host and a port"),
    ] {
        let settings =
            format!("environments = [\"development\"]\n[egress.development]\nproxy = \"{proxy}\"\n");
        let static_action = "description: hours\ntype: static\nresponse: open\n".to_owned();
        let dir = write_project(&[("callgate.toml", settings), ("actions/hours.yaml", static_action)]);
        let problems = callgate::project::load(dir.path(), None).problems.sorted();
        assert_eq!(problems.len(), 1, "{proxy}: {problems:#?}");
        let text = problems[0].to_string();
        assert!(
            text.starts_with("callgate.toml:3:9: error[invalid_setting]: ") && text.contains(said),
            "{text}"
        );
        assert!(!text.contains("secret"), "{text}");
    }
}
