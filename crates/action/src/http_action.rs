//! An action that calls an upstream.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

use callgate_definition::Document;

use super::connection::ConnectionRules;
use super::connector::Connector;
use super::fields::Field;
use super::multipart::Part;
use super::retry::RetryPolicy;
use callgate_template::Template;

/// An HTTP call, compiled.
#[derive(Debug)]
pub struct HttpAction {
    /// The method.
    pub method: Method,
    /// Scheme, host, port and base path: what no value can change.
    pub prefix: String,
    /// What its connection says besides.
    pub connection: ConnectionRules,
    /// Where the prefix is written.
    pub written: WrittenAt,
    /// The path after the prefix.
    pub(super) path: Template,
    /// Static query text.
    pub(super) static_query: String,
    /// Query parameters by name.
    pub(super) query: Vec<(String, Field)>,
    /// Headers with static or templated values.
    pub(super) headers: Vec<PlainHeader>,
    /// Headers whose values are secrets.
    pub secret_headers: Vec<SecretHeader>,
    /// The auth connector.
    pub connector: Option<Connector>,
    /// What is sent as body.
    pub body: Body,
    /// The body's media type.
    pub(super) content_type: Option<HeaderValue>,
    /// Time to connect.
    pub connect_timeout: Duration,
    /// The longest silence of the service, where that is limited.
    pub read_timeout: Option<Duration>,
    /// When the request may be sent again.
    pub retry: RetryPolicy,
    /// Parameters that the path, `query:` or a header of the action has placed already; not sent again.
    pub(super) placed: Vec<String>,
}

/// A place in a file of the project, for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenAt {
    /// The file, relative to the project.
    pub file: String,
    /// Line and column.
    pub place: (usize, usize),
}

impl WrittenAt {
    pub(super) fn at(document: &Document, pointer: &str) -> Self {
        Self { file: document.file.clone(), place: document.at_value(pointer) }
    }
}

/// A header without secrets.
#[derive(Debug)]
pub struct PlainHeader {
    /// Its name.
    pub name: HeaderName,
    /// Its value, if it is the same for every call.
    pub(super) fixed: Option<HeaderValue>,
    /// Its value, where it is not.
    pub(super) field: Option<Field>,
}

/// A header whose value is a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretHeader {
    /// Its name.
    pub name: HeaderName,
    /// Name of the secret.
    pub secret: String,
    /// Text before the secret.
    pub prefix: String,
}

/// What is sent as body.
#[derive(Debug)]
pub enum Body {
    /// Nothing; parameters travel in the query.
    None,
    /// All parameters as one flat JSON object.
    FlatJson,
    /// All parameters as `application/x-www-form-urlencoded`.
    FlatForm,
    /// All parameters as `multipart/form-data`.
    FlatMultipart,
    /// A template.
    Template(Template),
    /// Form fields.
    Form(Vec<(String, Field)>),
    /// Parts.
    Multipart(Vec<Part>),
}
