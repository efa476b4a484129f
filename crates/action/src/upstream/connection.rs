//! Connections, as meant for one environment.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use callgate_definition::{
    BreakerDefinition, ConnectionDefinition, ConnectionOverride, Document, LimitsDefinition, Located,
    Problem, Problems, TlsDefinition,
};
use serde_json::{Map, Value};

use crate::header::{Header, HeaderCompiler};
use crate::url;
use crate::written::{SecretUse, WrittenAt, check_known, pointer};

/// A service, and how it is asked: of a file under `connections/`, or of URLs in actions and agents.
#[derive(Debug, PartialEq)]
pub struct Connection {
    /// Its name; `None` where actions or agents name its origin by a URL.
    pub name: Option<String>,
    /// Scheme, host, port and base path, without a `/` at the end: what no value can change.
    pub base_url: String,
    /// Certificates besides the system's.
    pub tls: Option<TlsSource>,
    /// How much the service is asked at a time.
    pub limits: LimitRules,
    /// When it is left alone; `None` for never.
    pub breaker: Option<BreakerRules>,
}

impl Connection {
    /// What actions with a full URL of this origin go to, and agents with a base URL of it.
    pub fn of_origin(origin: &str) -> Self {
        Self {
            name: None,
            base_url: origin.to_owned(),
            tls: None,
            limits: limits(&LimitsDefinition::default()),
            breaker: breaker(&BreakerDefinition::default()),
        }
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

/// A file under `connections/`, compiled for one environment.
#[derive(Debug)]
pub(crate) struct CompiledConnection {
    /// The connection, where nothing is wrong with its base URL.
    pub(crate) connection: Option<Arc<Connection>>,
    /// Where the base URL is written.
    pub(crate) written: WrittenAt,
    /// Name of the auth connector, and where it is written.
    pub(crate) auth: Option<(String, WrittenAt)>,
    /// The headers of all its actions.
    pub(crate) headers: Vec<Header>,
    /// The timeouts of its actions that say nothing, in milliseconds.
    pub(crate) timeouts: WrittenTimeouts,
}

/// Timeouts as they are written, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WrittenTimeouts {
    /// The whole call.
    pub(crate) whole: Option<u64>,
    /// To connect.
    pub(crate) connect: Option<u64>,
    /// The longest silence of the service.
    pub(crate) read: Option<u64>,
}

impl WrittenTimeouts {
    /// The same, and where it says nothing, what `other` says.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            whole: self.whole.or(other.whole),
            connect: self.connect.or(other.connect),
            read: self.read.or(other.read),
        }
    }
}

/// Compiles one file under `connections/` for one environment.
pub(super) struct ConnectionCompiler<'a> {
    pub(super) located: &'a Located<ConnectionDefinition>,
    pub(super) environment: &'a str,
    pub(super) known_environments: &'a [String],
    pub(super) static_variables: &'a Map<String, Value>,
    pub(super) problems: &'a mut Problems,
    pub(super) secrets: &'a mut Vec<SecretUse>,
}

impl ConnectionCompiler<'_> {
    pub(super) fn compile(mut self) -> CompiledConnection {
        let (document, definition) = (&self.located.document, &self.located.definition);
        check_known(document, definition.environments.keys(), self.known_environments, self.problems);
        let fallback = ConnectionOverride::default();
        let over = definition.environments.get(self.environment).unwrap_or(&fallback);
        let base_url = self.base_url(over);
        let connection = base_url.map(|base_url| {
            let limits_written = over.limits.as_ref().or(definition.limits.as_ref());
            let breaker_written = over.breaker.as_ref().or(definition.breaker.as_ref());
            Arc::new(Connection {
                name: Some(self.located.name.clone()),
                tls: self.tls(over, &base_url),
                base_url,
                limits: limits(limits_written.unwrap_or(&LimitsDefinition::default())),
                breaker: breaker(breaker_written.unwrap_or(&BreakerDefinition::default())),
            })
        });
        self.check_burst(over);
        let written =
            WrittenAt::at(document, &pointer(over.base_url.is_some(), self.environment, "base_url"));
        let auth = over.auth.as_ref().or(definition.auth.as_ref()).map(|name| {
            (name.clone(), WrittenAt::at(document, &pointer(over.auth.is_some(), self.environment, "auth")))
        });
        let mut headers = HeaderCompiler {
            document,
            environment: self.environment,
            static_variables: self.static_variables,
            problems: self.problems,
            secrets: self.secrets,
        };
        let headers = headers.headers(&definition.headers.0, &over.headers.0);
        let timeouts = WrittenTimeouts {
            whole: over.timeout_ms,
            connect: over.connect_timeout_ms,
            read: over.read_timeout_ms,
        }
        .or(WrittenTimeouts {
            whole: definition.timeout_ms,
            connect: definition.connect_timeout_ms,
            read: definition.read_timeout_ms,
        });
        CompiledConnection { connection, written, auth, headers, timeouts }
    }

    fn base_url(&mut self, over: &ConnectionOverride) -> Option<String> {
        let (document, environment) = (&self.located.document, self.environment);
        let Some(base) = over.base_url.as_ref().or(self.located.definition.base_url.as_ref()) else {
            let message = format!(
                "the connection `{}` has no `base_url` in environment `{environment}`",
                self.located.name
            );
            self.problems.push(
                Problem::error(&document.file, (1, 1), "missing_key", message)
                    .hint(format!("add `base_url`, at the top or under `environments.{environment}`")),
            );
            return None;
        };
        match url::check_base(base) {
            Ok(parsed) => Some(parsed.as_str().trim_end_matches('/').to_owned()),
            Err(reason) => {
                let place = document.at_value(&pointer(over.base_url.is_some(), environment, "base_url"));
                let message = format!("invalid base_url `{base}`: {reason}");
                self.problems.push(Problem::error(&document.file, place, "invalid_url", message));
                None
            }
        }
    }

    fn tls(&mut self, over: &ConnectionOverride, base_url: &str) -> Option<TlsSource> {
        let document = &self.located.document;
        let tls = over.tls.as_ref().or(self.located.definition.tls.as_ref())?;
        let pointer = pointer(over.tls.is_some(), self.environment, "tls");
        warn_without_tls(base_url, document, &pointer, self.problems);
        let (environment, problems, secrets) = (self.environment, &mut *self.problems, &mut *self.secrets);
        Tls { document, pointer: &pointer, environment, problems, secrets }.source(tls)
    }

    fn check_burst(&mut self, over: &ConnectionOverride) {
        let written = over.limits.as_ref().or(self.located.definition.limits.as_ref());
        if let Some(LimitsDefinition { burst: Some(_), per_second: None, .. }) = written {
            let document = &self.located.document;
            let pointer = format!("{}/burst", pointer(over.limits.is_some(), self.environment, "limits"));
            let message = "`burst` changes nothing without `per_second`";
            self.problems.push(
                Problem::warning(&document.file, document.at_key(&pointer), "burst_unused", message)
                    .hint("add `per_second`, or leave it out"),
            );
        }
    }
}

/// Warns of certificates for a service that is asked without TLS.
pub(super) fn warn_without_tls(url: &str, document: &Document, pointer: &str, problems: &mut Problems) {
    if url.starts_with("http://") {
        let message = "`tls` changes nothing: the service is asked by http://";
        problems.push(
            Problem::warning(&document.file, document.at_key(pointer), "tls_unused", message)
                .hint("use https://"),
        );
    }
}

/// Compiles a `tls` section.
pub(super) struct Tls<'a> {
    pub(super) document: &'a Document,
    pub(super) pointer: &'a str,
    pub(super) environment: &'a str,
    pub(super) problems: &'a mut Problems,
    pub(super) secrets: &'a mut Vec<SecretUse>,
}

impl Tls<'_> {
    pub(super) fn source(&mut self, tls: &TlsDefinition) -> Option<TlsSource> {
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
