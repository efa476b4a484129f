//! What a connection says besides where it leads.

use std::num::NonZeroU32;
use std::time::Duration;

use callgate_definition::{
    BreakerDefinition, ConnectionDefinition, Document, LimitsDefinition, Located, Problem, Problems,
    TlsDefinition,
};

use super::written::{SecretUse, WrittenAt};

/// What a connection says besides where it leads; the defaults for an action without one.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionRules {
    /// Its name.
    pub name: Option<String>,
    /// Certificates besides the system's.
    pub tls: Option<TlsSource>,
    /// How much the service is asked at a time.
    pub limits: LimitRules,
    /// When it is left alone; `None` for never.
    pub breaker: Option<BreakerRules>,
}

impl Default for ConnectionRules {
    fn default() -> Self {
        let breaker = breaker(&BreakerDefinition::default());
        Self { name: None, tls: None, limits: limits(&LimitsDefinition::default()), breaker }
    }
}

/// How much a service is asked at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitRules {
    /// Calls in flight at a time.
    pub max_in_flight: usize,
    /// Calls that may wait.
    pub max_queue: usize,
    /// Calls per second, where that is limited.
    pub rate: Option<RateRules>,
}

/// A rate.
#[derive(Clone, Debug, PartialEq)]
pub struct RateRules {
    /// Calls per second, more than 0.
    pub per_second: f64,
    /// Calls that may come at once after a pause.
    pub burst: NonZeroU32,
}

impl RateRules {
    /// The burst of a rate that names none is one second's worth.
    pub fn new(per_second: f64, burst: Option<u32>) -> Self {
        // A float becomes an integer at the nearest bound, and NaN zero.
        let burst = burst.unwrap_or(per_second.ceil() as u32);
        Self { per_second, burst: NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN) }
    }

    /// Time from one call to the next at this rate, at least a nanosecond.
    pub fn period(&self) -> Duration {
        let period = Duration::try_from_secs_f64(self.per_second.recip()).unwrap_or(Duration::from_secs(1));
        period.max(Duration::from_nanos(1))
    }
}

/// When a failing service is left alone.
#[derive(Clone, Debug, PartialEq)]
pub struct BreakerRules {
    /// The share of failures, from 0 to 1, at which it opens.
    pub failure_share: f64,
    /// The time over which calls are counted.
    pub window: Duration,
    /// The least calls in that time.
    pub min_calls: u32,
    /// How long it stays open.
    pub open: Duration,
    /// How many calls are tried then.
    pub half_open_calls: u32,
}

fn limits(written: &LimitsDefinition) -> LimitRules {
    LimitRules {
        max_in_flight: written.max_in_flight.unwrap_or(256),
        max_queue: written.max_queue.unwrap_or(256),
        rate: written.per_second.map(|per_second| RateRules::new(per_second, written.burst)),
    }
}

fn breaker(written: &BreakerDefinition) -> Option<BreakerRules> {
    (written.enabled != Some(false)).then(|| BreakerRules {
        failure_share: written.failure_share.unwrap_or(0.5),
        window: Duration::from_millis(written.window_ms.unwrap_or(10_000)),
        min_calls: written.min_calls.unwrap_or(20),
        open: Duration::from_millis(written.open_ms.unwrap_or(5_000)),
        half_open_calls: written.half_open_calls.unwrap_or(3),
    })
}

/// Where certificates are to be found. Nothing has been read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSource {
    /// Authorities that may vouch for the service, in place of the system's.
    pub authorities: Option<FileSource>,
    /// What Callgate shows.
    pub client: Option<ClientSource>,
}

/// A certificate and its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSource {
    /// The certificate, and those between it and its authority.
    pub certificate: FileSource,
    /// The private key.
    pub key: KeySource,
}

/// Where a private key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// In a file.
    File(FileSource),
    /// In the secret of this name.
    Secret(String, WrittenAt),
}

/// A file that a definition names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSource {
    /// Its name, relative to the project.
    pub name: String,
    /// Where it is named.
    pub written: WrittenAt,
}

/// Compiles what `connection` says for `environment`; `prefix` is where it leads.
pub(crate) fn compile(
    connection: &Located<ConnectionDefinition>,
    environment: &str,
    prefix: &str,
    problems: &mut Problems,
    secrets: &mut Vec<SecretUse>,
) -> ConnectionRules {
    let over = connection.definition.environments.get(environment);
    let document = &connection.document;
    let overridden = over.and_then(|over| over.tls.as_ref());
    let definition = overridden.or(connection.definition.tls.as_ref());
    let pointer = pointer(overridden.is_some(), environment, "tls");
    let tls = definition.and_then(|tls| {
        warn_without_tls(prefix, document, &pointer, problems);
        Tls { document, pointer: &pointer, environment, problems, secrets }.source(tls)
    });
    let overridden = over.and_then(|over| over.limits.as_ref());
    let limits_written = overridden.or(connection.definition.limits.as_ref());
    if let Some(LimitsDefinition { burst: Some(_), per_second: None, .. }) = limits_written {
        let pointer = format!("{}/burst", self::pointer(overridden.is_some(), environment, "limits"));
        let message = "`burst` changes nothing without `per_second`";
        problems.push(
            Problem::warning(&document.file, document.at_key(&pointer), "burst_unused", message)
                .hint("add `per_second`, or leave it out"),
        );
    }
    let breaker_written =
        over.and_then(|over| over.breaker.as_ref()).or(connection.definition.breaker.as_ref());
    ConnectionRules {
        name: Some(connection.name.clone()),
        tls,
        limits: limits(limits_written.unwrap_or(&LimitsDefinition::default())),
        breaker: breaker(breaker_written.unwrap_or(&BreakerDefinition::default())),
    }
}

/// Where `key` stands: in the environment's override where it is set there.
pub(crate) fn pointer(overridden: bool, environment: &str, key: &str) -> String {
    if overridden { format!("/environments/{environment}/{key}") } else { format!("/{key}") }
}

/// Warns of certificates for a service that is asked without TLS.
pub(crate) fn warn_without_tls(url: &str, document: &Document, pointer: &str, problems: &mut Problems) {
    if url.starts_with("http://") {
        let message = "`tls` changes nothing: the service is asked by http://";
        problems.push(
            Problem::warning(&document.file, document.at_key(pointer), "tls_unused", message)
                .hint("use https://"),
        );
    }
}

/// Compiles a `tls` section.
pub(crate) struct Tls<'a> {
    pub(crate) document: &'a Document,
    pub(crate) pointer: &'a str,
    pub(crate) environment: &'a str,
    pub(crate) problems: &'a mut Problems,
    pub(crate) secrets: &'a mut Vec<SecretUse>,
}

impl Tls<'_> {
    pub(crate) fn source(&mut self, tls: &TlsDefinition) -> Option<TlsSource> {
        let file = |name: &Option<String>, key: &str| {
            name.as_ref().map(|name| FileSource { name: name.clone(), written: self.written(key) })
        };
        let authorities = file(&tls.ca_file, "ca_file");
        let certificate = file(&tls.client_cert_file, "client_cert_file");
        let key_file = file(&tls.client_key_file, "client_key_file");
        let key = match (&tls.client_key, key_file) {
            (Some(_), Some(_)) => {
                self.error(
                    "client_key_file",
                    "`client_key` and `client_key_file` are both given",
                    "keep the secret",
                );
                return None;
            }
            (Some(reference), None) => {
                let written = self.written("client_key");
                self.secrets.push(SecretUse {
                    name: reference.secret.clone(),
                    environment: self.environment.to_owned(),
                    file: written.file.clone(),
                    place: written.place,
                });
                Some(KeySource::Secret(reference.secret.clone(), written))
            }
            (None, file) => file.map(KeySource::File),
        };
        let client = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(ClientSource { certificate, key }),
            (None, None) => None,
            (Some(_), None) => {
                self.error(
                    "client_cert_file",
                    "`client_cert_file` needs its private key",
                    "add `client_key: {secret: name}`, or `client_key_file`",
                );
                return None;
            }
            (None, Some(_)) => {
                let key = if tls.client_key.is_some() { "client_key" } else { "client_key_file" };
                self.error(key, &format!("`{key}` needs its certificate"), "add `client_cert_file`");
                return None;
            }
        };
        Some(TlsSource { authorities, client })
    }

    fn written(&self, key: &str) -> WrittenAt {
        WrittenAt::at(self.document, &format!("{}/{key}", self.pointer))
    }

    fn error(&mut self, key: &str, message: &str, hint: &str) {
        let WrittenAt { file, place } = self.written(key);
        self.problems.push(Problem::error(&file, place, "invalid_tls", message).hint(hint));
    }
}
