//! Certificates of one service: read and judged at load.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::action::{ClientSource, FileSource, KeySource, TlsSource, WrittenAt};
use crate::definition::{Problem, Problems};

use super::expiry::Expiries;
use super::timing::TimedSessions;

/// Largest file of certificates.
const MAX_BYTES: u64 = 1024 * 1024;

/// Certificates besides the system's. Two are the same where their bytes are.
#[derive(Clone)]
pub(super) struct Tls {
    /// Who may vouch for the service; the system's authorities where there is none.
    authorities: Vec<CertificateDer<'static>>,
    /// What Callgate shows.
    identity: Option<Arc<CertifiedKey>>,
    fingerprint: [u8; 32],
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client = if self.identity.is_some() { ", client certificate" } else { "" };
        write!(f, "Tls({} authorities{client})", self.authorities.len())
    }
}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for Tls {}

impl Tls {
    /// How a client agrees on keys with the service.
    ///
    /// # Errors
    ///
    /// The system's authorities cannot be read.
    pub(super) fn config(&self) -> Result<ClientConfig, rustls::Error> {
        config(&self.authorities, self.identity.as_ref())
    }
}

/// How a client agrees on keys: `authorities` may vouch for the service, or the system's where there is none; `identity`
/// is what the client shows.
///
/// # Errors
///
/// The system's authorities cannot be read.
pub(super) fn config(
    authorities: &[CertificateDer<'static>],
    identity: Option<&Arc<CertifiedKey>>,
) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match authorities {
        [] => Arc::new(rustls_platform_verifier::Verifier::new(provider.clone())?),
        authorities => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(authorities.iter().cloned());
            let built =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
            built.map_err(|error| rustls::Error::General(error.to_string()))?
        }
    };
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Expiries::watch(verifier));
    let mut config = match identity {
        Some(identity) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from((**identity).clone())))
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.resumption = Resumption::store(TimedSessions::new());
    Ok(config)
}

/// Reads what `source` names, below the project directory `root`; what is
/// wrong is added to `problems`. `secret` knows the environment's secrets; one
/// that is missing is reported elsewhere.
pub(super) fn load(
    source: &TlsSource,
    root: Option<&Path>,
    secret: &dyn Fn(&str) -> Option<SecretString>,
    problems: &mut Problems,
) -> Option<Tls> {
    let mut hash = Sha256::new();
    let mut take = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    let loaded = (|| {
        let authorities = match &source.authorities {
            Some(file) => {
                let bytes = read(file, root)?;
                take(&bytes);
                certificates(&bytes, file)?
            }
            None => Vec::new(),
        };
        // Keeps a file of authorities apart from one of a client's certificates.
        take(b"client");
        let identity = match &source.client {
            Some(client) => match key_of(client, root, secret)? {
                Some(key) => {
                    let certificate = read(&client.certificate, root)?;
                    take(&certificate);
                    take(key.expose_secret().as_bytes());
                    Some(identity(client, &certificate, &key)?)
                }
                None => return Ok(None),
            },
            None => None,
        };
        Ok(Some((authorities, identity)))
    })();
    match loaded {
        Ok(loaded) => loaded.map(|(authorities, identity)| Tls {
            authorities,
            identity,
            fingerprint: hash.finalize().into(),
        }),
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}

fn read(file: &FileSource, root: Option<&Path>) -> Result<Vec<u8>, Problem> {
    let unreadable = |reason: String| {
        let message = format!("`{}` cannot be read: {reason}", file.name);
        problem(&file.written, message).hint("file names are relative to the project")
    };
    let Some(root) = root else { return Err(unreadable("the project is no directory".to_owned())) };
    let path = root.join(&file.name);
    let metadata = fs::metadata(&path).map_err(|error| unreadable(error.to_string()))?;
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return Err(unreadable(format!("it is no file of {MAX_BYTES} bytes at most")));
    }
    fs::read(&path).map_err(|error| unreadable(error.to_string()))
}

/// The certificates of a PEM file; each is judged as far as it can be without its peer.
fn certificates(bytes: &[u8], file: &FileSource) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let all = all.map_err(|error| invalid(&file.written, &file.name, &error))?;
    if all.is_empty() {
        let message = format!("`{}` holds no certificate", file.name);
        return Err(problem(&file.written, message).hint(
            "PEM is wanted: `-----BEGIN CERTIFICATE-----`; openssl x509 -inform der turns DER into it",
        ));
    }
    let mut store = RootCertStore::empty();
    for one in &all {
        store.add(one.clone()).map_err(|error| invalid(&file.written, &file.name, &error))?;
    }
    Ok(all)
}

/// The private key as a PEM text; `None` where it is a secret that is missing.
fn key_of(
    client: &ClientSource,
    root: Option<&Path>,
    secret: &dyn Fn(&str) -> Option<SecretString>,
) -> Result<Option<SecretString>, Problem> {
    match &client.key {
        KeySource::Secret(name, _) => Ok(secret(name)),
        KeySource::File(file) => {
            let text = String::from_utf8(read(file, root)?)
                .map_err(|_| problem(&file.written, format!("`{}` is not PEM: not a text", file.name)))?;
            Ok(Some(SecretString::from(text)))
        }
    }
}

fn identity(
    client: &ClientSource,
    certificate: &[u8],
    key: &SecretString,
) -> Result<Arc<CertifiedKey>, Problem> {
    let (what, written) = match &client.key {
        KeySource::Secret(name, written) => (format!("the secret `{name}`"), written),
        KeySource::File(file) => (format!("`{}`", file.name), &file.written),
    };
    let chain = certificates(certificate, &client.certificate)?;
    // Its errors speak of the form of the text, never of its content.
    let private = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes()).map_err(|_| {
        problem(written, format!("{what} holds no private key"))
            .hint("PEM is wanted: `-----BEGIN PRIVATE KEY-----`, without a passphrase")
    })?;
    let certified = CertifiedKey::from_der(chain, private, &rustls::crypto::ring::default_provider());
    certified.map(Arc::new).map_err(|error| {
        let name = &client.certificate.name;
        match error {
            rustls::Error::InconsistentKeys(_) => {
                problem(written, format!("{what} is not the private key of the certificate in `{name}`"))
            }
            error => problem(written, format!("{what} cannot be used with `{name}`: {error}")),
        }
    })
}

fn invalid(written: &WrittenAt, name: &str, error: &dyn fmt::Display) -> Problem {
    problem(written, format!("`{name}` cannot be used: {error}"))
}

fn problem(written: &WrittenAt, message: String) -> Problem {
    Problem::error(&written.file, written.place, "invalid_tls", message)
}
