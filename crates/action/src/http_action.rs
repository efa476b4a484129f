//! An action that calls an upstream.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

use super::fields::Field;
use super::multipart::Part;
use super::retry::RetryPolicy;
use super::upstream::{Connection, Connector};
use super::written::WrittenAt;
use callgate_template::Template;

/// An HTTP call, compiled.
#[derive(Debug)]
pub struct HttpAction {
    /// The method.
    pub method: Method,
    /// Where it is sent.
    pub connection: Arc<Connection>,
    /// Where the base URL of its connection, or its own URL, is written.
    pub written: WrittenAt,
    /// The path after the base URL.
    pub(crate) path: Template,
    /// Static query text.
    pub(crate) static_query: String,
    /// Query parameters by name.
    pub(crate) query: Vec<(String, Field)>,
    /// Headers with static or templated values.
    pub(crate) headers: Vec<PlainHeader>,
    /// Headers whose values are secrets.
    pub secret_headers: Vec<SecretHeader>,
    /// The auth connector.
    pub connector: Option<Arc<Connector>>,
    /// What is sent as body.
    pub body: Body,
    /// The body's media type.
    pub(crate) content_type: Option<HeaderValue>,
    /// Time to connect.
    pub connect_timeout: Duration,
    /// The longest silence of the service, where that is limited.
    pub read_timeout: Option<Duration>,
    /// When the request may be sent again.
    pub retry: RetryPolicy,
    /// Parameters that the path, `query:` or a header of the action has placed already; not sent again.
    pub(crate) placed: Vec<String>,
}

/// A header without secrets.
#[derive(Debug)]
pub struct PlainHeader {
    /// Its name.
    pub name: HeaderName,
    /// Its value, if it is the same for every call.
    pub(crate) fixed: Option<HeaderValue>,
    /// Its value, where it is not.
    pub(crate) field: Option<Field>,
}

/// A header whose value is a secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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

impl HttpAction {
    /// The templates of the request: of its path, query, headers and body.
    pub(crate) fn templates(&self) -> Vec<&Template> {
        let headers = self.headers.iter().filter_map(|header| header.field.as_ref());
        let fields: Vec<&Field> = match &self.body {
            Body::Form(fields) => fields.iter().map(|(_, field)| field).collect(),
            Body::Multipart(parts) => parts.iter().map(|part| &part.field).collect(),
            Body::None | Body::FlatJson | Body::FlatForm | Body::FlatMultipart | Body::Template(_) => {
                Vec::new()
            }
        };
        let body = match &self.body {
            Body::Template(template) => Some(template),
            Body::None
            | Body::FlatJson
            | Body::FlatForm
            | Body::FlatMultipart
            | Body::Form(_)
            | Body::Multipart(_) => None,
        };
        let fields = self.query.iter().map(|(_, field)| field).chain(headers).chain(fields);
        let templates = fields.map(|field| field.template.as_ref());
        std::iter::once(&self.path).chain(templates).chain(body).collect()
    }
}
