//! TLS: whom the gateway believes, and what it shows.

use std::sync::Arc;

use callgate::project;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::bad_input::told;
use crate::harness::{Gateway, write_project};
use crate::upstream::{Reply, Upstream};

/// An authority that signs what a test asks for.
pub(crate) struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
pub(crate) struct Identity {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // OpenSSL takes a certificate with the name of its authority for one that signed itself.
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A certificate for `names`, changed by `change`.
    fn sign(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Identity { certificate: params.signed_by(&key, &self.issuer).unwrap(), key }
    }

    pub(crate) fn server(&self) -> Identity {
        self.sign(&["127.0.0.1", "localhost"], |_| {})
    }

    /// A server's that was good until 2020.
    pub(crate) fn expired_server(&self) -> Identity {
        self.sign(&["127.0.0.1"], |params| {
            params.not_before = date_time_ymd(2019, 1, 1);
            params.not_after = date_time_ymd(2020, 1, 1);
        })
    }

    /// Another server's.
    pub(crate) fn other_server(&self) -> Identity {
        self.sign(&["127.0.0.2", "api.example.com"], |_| {})
    }

    pub(crate) fn client(&self) -> Identity {
        self.sign(&["callgate"], |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })
    }
}

#[cfg(feature = "redis")]
impl Identity {
    /// The certificate and the key.
    pub(crate) fn pem(&self) -> (String, String) {
        (self.certificate.pem(), self.key.serialize_pem())
    }
}

/// Takes TLS off; asks for certificates of `clients`, if given, and offers these protocols.
pub(crate) fn acceptor(
    identity: &Identity,
    clients: Option<&Authority>,
    protocols: &[&'static str],
) -> TlsAcceptor {
    // Fails only where a provider is set already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let key = PrivateKeyDer::try_from(identity.key.serialize_der()).unwrap();
    let builder = ServerConfig::builder();
    let builder = match clients {
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.certificate.der().clone()).unwrap();
            builder.with_client_cert_verifier(WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap())
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(vec![identity.certificate.der().clone()], key).unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// Takes TLS off in front of `upstream`; asks for certificates of `clients`, if given. Gives its port.
pub(crate) async fn front(upstream: &Upstream, identity: &Identity, clients: Option<&Authority>) -> u16 {
    let acceptor = acceptor(identity, clients, &[]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, behind) = (listener.local_addr().unwrap().port(), upstream.port);
    tokio::task::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::task::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut plain = TcpStream::connect(("127.0.0.1", behind)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut plain).await;
            });
        }
    });
    port
}

/// A project whose connection leads to `https://127.0.0.1:port` with this `tls` section.
fn project(port: u16, tls: &str, files: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
    let connection = format!("base_url: https://127.0.0.1:{port}\n{tls}");
    let read = "description: reads\nconnection: api\npath: /read\n".to_owned();
    let mut all = vec![("connections/api.yaml", connection), ("actions/read.yaml", read)];
    all.extend(files.iter().cloned());
    all
}

async fn call(files: &[(&'static str, String)]) -> Value {
    Gateway::start(files).await.call("read", json!({})).await
}

const CA: &str = "tls: {ca_file: certs/ca.pem}\n";

#[tokio::test]
async fn only_the_named_authority_is_believed() {
    let upstream = Upstream::start(|_| Reply::ok("{\"a\": 1}")).await;
    let (authority, other) = (Authority::new(), Authority::new());
    let good = front(&upstream, &authority.server(), None).await;
    let own = |authority: &Authority| [("certs/ca.pem", authority.pem())];
    let result = call(&project(good, CA, &own(&authority))).await;
    assert_eq!((&result["status"], &result["body"]), (&json!("success"), &json!({"a": 1})), "{result}");
    assert_eq!(upstream.requests().len(), 1);

    let expired = authority.expired_server();
    let early = authority.sign(&["127.0.0.1"], |params| params.not_before = date_time_ymd(2900, 1, 1));
    let misnamed = authority.other_server();
    let for_clients = authority.client();
    for (what, identity, tls, trusted) in [
        ("nobody's", &authority.server(), "", &authority),
        ("another authority's", &authority.server(), CA, &other),
        ("an expired one", &expired, CA, &authority),
        ("one of the future", &early, CA, &authority),
        ("one of another host", &misnamed, CA, &authority),
        ("one for clients", &for_clients, CA, &authority),
    ] {
        let port = front(&upstream, identity, None).await;
        let result = call(&project(port, tls, &own(trusted))).await;
        assert_eq!(
            (&result["status"], &result["error"]["code"], &result["error"]["effect"]),
            (&json!("failure"), &json!("connect_failed"), &json!("none")),
            "{what}: {result}"
        );
    }
    assert_eq!(upstream.requests().len(), 1, "nothing is sent to a stranger");
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_it_is_asked_for() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let (authority, clients) = (Authority::new(), Authority::new());
    let port = front(&upstream, &authority.server(), Some(&clients)).await;
    let own = clients.client();
    let stranger = authority.client();
    let of = |identity: &Identity, key: &'static str, tls: &str| {
        let mut files = project(
            port,
            &format!("tls:\n  ca_file: certs/ca.pem\n  client_cert_file: certs/client.pem\n  {tls}\n"),
            &[
                ("certs/ca.pem", authority.pem()),
                ("certs/client.pem", identity.certificate.pem()),
                (key, identity.key.serialize_pem()),
            ],
        );
        if key == "secrets.toml" {
            let pem = identity.key.serialize_pem();
            files.last_mut().unwrap().1 = format!("[development]\nclient_key = '''\n{pem}'''\n");
        }
        files
    };
    for (key, tls) in [
        ("secrets.toml", "client_key: {secret: client_key}"),
        ("certs/client.key", "client_key_file: certs/client.key"),
    ] {
        let result = call(&of(&own, key, tls)).await;
        assert_eq!(result["status"], "success", "{tls}: {result}");
    }
    assert_eq!(upstream.requests().len(), 2);
    let strange = call(&of(&stranger, "certs/client.key", "client_key_file: certs/client.key")).await;
    let none = call(&project(port, CA, &[("certs/ca.pem", authority.pem())])).await;
    for result in [strange, none] {
        assert_eq!(result["status"], "failure", "{result}");
    }
    assert_eq!(upstream.requests().len(), 2, "a stranger's request does not get through");
}

#[tokio::test]
async fn a_token_endpoint_has_certificates_of_its_own() {
    let upstream = Upstream::start(|_| Reply::ok("{}")).await;
    let tokens =
        Upstream::start(|_| Reply::ok(r#"{"access_token": "t0ken-of-the-test", "token_type": "bearer"}"#))
            .await;
    let (authority, other) = (Authority::new(), Authority::new());
    let port = front(&upstream, &authority.server(), None).await;
    let token_port = front(&tokens, &other.server(), None).await;
    let auth = |ca: &str| {
        format!(
            "type: oauth2_client_credentials\ntoken_url: https://127.0.0.1:{token_port}/token\nclient_id: me\nclient_secret: {{secret: it}}\ntls: {{ca_file: {ca}}}\n"
        )
    };
    let of = |ca: &str| {
        let mut files = project(
            port,
            CA,
            &[
                ("certs/ca.pem", authority.pem()),
                ("certs/other.pem", other.pem()),
                ("auth/tokens.yaml", auth(ca)),
                ("secrets.toml", "[development]\nit = \"s3cr3t-value\"\n".to_owned()),
            ],
        );
        files[0].1.push_str("auth: tokens\n");
        files
    };
    let result = call(&of("certs/other.pem")).await;
    assert_eq!(result["status"], "success", "{result}");
    assert_eq!(upstream.request().header("authorization"), Some("Bearer t0ken-of-the-test"));
    let result = call(&of("certs/ca.pem")).await;
    assert_eq!(result["error"]["code"], "auth_failed", "{result}");
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn what_is_wrong_with_certificates_is_told_at_load() {
    let authority = Authority::new();
    let (one, two) = (authority.client(), authority.client());
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (tls, expected) in [
        (
            "ca_file: certs/none.pem",
            "connections/api.yaml:2:16: error[invalid_tls]: `certs/none.pem` cannot be read: No such file or directory (os error 2)",
        ),
        (
            "ca_file: certs",
            "2:16: error[invalid_tls]: `certs` cannot be read: it is no file of 1048576 bytes at most",
        ),
        ("ca_file: certs/text.pem", "2:16: error[invalid_tls]: `certs/text.pem` holds no certificate"),
        ("ca_file: certs/broken.pem", "2:16: error[invalid_tls]: `certs/broken.pem` cannot be used: "),
        (
            "client_cert_file: certs/one.pem",
            "2:25: error[invalid_tls]: `client_cert_file` needs its private key",
        ),
        (
            "client_key_file: certs/one.key",
            "2:24: error[invalid_tls]: `client_key_file` needs its certificate",
        ),
        (
            "client_cert_file: certs/one.pem, client_key_file: certs/two.key",
            "2:57: error[invalid_tls]: `certs/two.key` is not the private key of the certificate in `certs/one.pem`",
        ),
        (
            "client_cert_file: certs/one.pem, client_key_file: certs/one.pem",
            "2:57: error[invalid_tls]: `certs/one.pem` holds no private key",
        ),
        (
            "client_cert_file: certs/one.pem, client_key_file: certs/one.key, client_key: {secret: k}",
            "2:57: error[invalid_tls]: `client_key` and `client_key_file` are both given",
        ),
        (
            "client_cert_file: certs/one.pem, client_key: {secret: k}",
            "2:52: error[missing_secret]: the secret `k` is not set in environment `development`",
        ),
        (
            "client_cert_file: certs/one.pem, client_key: {secret: wrong}",
            "2:52: error[invalid_tls]: the secret `wrong` holds no private key",
        ),
        ("client_key: plain", "2:19: error["),
        ("ca_files: x", "2:7: error[unknown_key]: "),
    ] {
        let files = project(
            9,
            &format!("tls: {{{tls}}}\n"),
            &[
                ("certs/text.pem", "hello\n".to_owned()),
                ("certs/broken.pem", broken.to_owned()),
                ("certs/one.pem", one.certificate.pem()),
                ("certs/one.key", one.key.serialize_pem()),
                ("certs/two.key", two.key.serialize_pem()),
                ("secrets.toml", "[development]\nwrong = \"not a key at all\"\n".to_owned()),
            ],
        );
        let dir = write_project(&files);
        let problems = project::load(dir.path(), None).problems.sorted();
        let problems: Vec<String> = problems
            .iter()
            .map(ToString::to_string)
            .filter(|problem| !problem.contains("secrets_readable"))
            .collect();
        assert!(problems.len() == 1 && problems[0].contains(expected), "{tls}: {problems:#?}");
    }
}

#[test]
fn certificates_for_a_service_without_tls_are_warned_of() {
    let mut files = project(9, CA, &[("certs/ca.pem", Authority::new().pem())]);
    files[0].1 = files[0].1.replace("https://", "http://");
    let dir = write_project(&files);
    let problems = project::load(dir.path(), None).problems.sorted();
    assert_eq!(
        problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "connections/api.yaml:2:1: warning[tls_unused]: `tls` changes nothing: the service is asked by http://\n    hint: use https://"
        ]
    );
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_no_connection_and_nothing_was_done() {
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let write = "description: writes\nconnection: api\nmethod: POST\npath: /w\ntimeout_ms: 6000\nconnect_timeout_ms: 60000\n";
    let files = project(port, "", &[("actions/write.yaml", write.to_owned())]);
    let gateway = Gateway::start(&files).await;
    let call = json!({"name": "write", "conversation_id": "c", "tool_call_id": "call_1"});
    let result = gateway.call_with(call).await;
    assert_eq!(told(&result).0, ("failure", "connect_failed", "none", "later"));
}
