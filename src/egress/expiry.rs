//! When the certificates of services expire, noted at each handshake for the operator.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// The ends of certificates, by host, in seconds since 1970 (UTC). Hosts are static, so these are few.
static KNOWN: LazyLock<Mutex<HashMap<String, i64>>> = LazyLock::new(Mutex::default);

/// When the certificate that `host` showed last ends, in seconds since 1970 (UTC); `None` where this process has not
/// shaken hands with it.
pub(super) fn certificate_end(host: &str) -> Option<i64> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get(host).copied()
}

/// A verifier that notes when a certificate expires. The verifier inside it decides what is accepted.
pub(super) struct Expiries(Arc<dyn ServerCertVerifier>);

impl Expiries {
    pub(super) fn watch(verifier: Arc<dyn ServerCertVerifier>) -> Arc<Self> {
        Arc::new(Self(verifier))
    }
}

impl fmt::Debug for Expiries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Expiries")
    }
}

impl ServerCertVerifier for Expiries {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // An expired one is noted, too: that is why it is refused.
        if let Ok((_, certificate)) = X509Certificate::from_der(end_entity) {
            let end = certificate.validity().not_after.timestamp();
            KNOWN.lock().unwrap_or_else(PoisonError::into_inner).insert(server.to_str().into_owned(), end);
        }
        self.0.verify_server_cert(end_entity, intermediates, server, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.0.requires_raw_public_keys()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        self.0.root_hint_subjects()
    }
}
