//! Headers as an action or a connection writes them.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};

use callgate_definition::{Document, Problem, Problems, Scalar, ValueDefinition};
use callgate_template::{Target, Template};
use serde_json::{Map, Value};

use super::secret_like;
use super::template_at::TemplateAt;
use super::written::{SecretUse, pointer_to};

/// Set from the request itself or by the connection: of the connection (RFC 9110 section 7.6.1),
/// of the framing of a message (RFC 9112 section 6), or of a proxy.
const TRANSPORT: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "proxy-connection",
    "proxy-authorization",
];

/// Whether the header of this name, in lower case, belongs to the transport.
pub fn is_transport_header(name: &str) -> bool {
    TRANSPORT.contains(&name)
}

/// A header and where it is written.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) name: HeaderName,
    pub(crate) text: HeaderText,
    pub(crate) document: Arc<Document>,
    pub(crate) pointer: String,
}

/// What a header is filled with.
#[derive(Clone, Debug)]
pub(crate) enum HeaderText {
    /// The same text for every call.
    Fixed(HeaderValue),
    /// A template, and its source.
    Template(Arc<Template>, String),
    /// A secret.
    Secret {
        /// Its name.
        secret: String,
        /// Text before it.
        prefix: String,
    },
    /// A media type, which shapes the body; `None` where that is a secret.
    ContentType(Option<String>),
}

/// Compiles the headers of one file for one environment.
pub(crate) struct HeaderCompiler<'a> {
    pub(crate) document: &'a Arc<Document>,
    pub(crate) environment: &'a str,
    pub(crate) static_variables: &'a Map<String, Value>,
    pub(crate) problems: &'a mut Problems,
    pub(crate) secrets: &'a mut Vec<SecretUse>,
}

impl HeaderCompiler<'_> {
    /// Compiles the headers at `/headers` under those of the environment, which win.
    pub(crate) fn headers(
        &mut self,
        common: &[(String, ValueDefinition)],
        over: &[(String, ValueDefinition)],
    ) -> Vec<Header> {
        let over_pointer = format!("/environments/{}/headers", self.environment);
        self.headers_at(&[("/headers", common), (&over_pointer, over)])
    }

    /// Compiles lists of headers, each with its place; a later list wins.
    pub(crate) fn headers_at(&mut self, lists: &[(&str, &[(String, ValueDefinition)])]) -> Vec<Header> {
        let mut written: Vec<(&str, &ValueDefinition, String)> = Vec::new();
        for (base, headers) in lists {
            for (name, value) in *headers {
                written.retain(|(other, ..)| !other.eq_ignore_ascii_case(name));
                written.push((name, value, pointer_to(base, name)));
            }
        }
        let written = written.into_iter();
        written.filter_map(|(name, value, pointer)| self.header(name, value, pointer)).collect()
    }

    fn header(&mut self, written: &str, value: &ValueDefinition, pointer: String) -> Option<Header> {
        let document = self.document;
        let name = self.name(written, &pointer)?;
        let text = match value {
            ValueDefinition::Secret { .. } if name == CONTENT_TYPE => HeaderText::ContentType(None),
            ValueDefinition::Plain(Scalar(text)) if name == CONTENT_TYPE => {
                HeaderText::ContentType(Some(text.clone()))
            }
            ValueDefinition::Secret { secret, prefix } => {
                self.secrets.push(SecretUse::at(document, &pointer, secret, self.environment));
                HeaderText::Secret { secret: secret.clone(), prefix: prefix.clone() }
            }
            ValueDefinition::Plain(Scalar(text)) => {
                let at = TemplateAt { document, pointer: &pointer };
                let template = at.parse(text, Target::Header, self.problems)?;
                at.check_static_variables(&template, self.environment, self.static_variables, self.problems);
                match template.as_static() {
                    Some(text) => self.fixed(written, text, &pointer)?,
                    None => HeaderText::Template(Arc::new(template), text.clone()),
                }
            }
        };
        Some(Header { name, text, document: document.clone(), pointer })
    }

    fn name(&mut self, written: &str, pointer: &str) -> Option<HeaderName> {
        let (file, place) = (&self.document.file, self.document.at_key(pointer));
        let Ok(name) = HeaderName::try_from(written) else {
            let message = format!("`{written}` is not a header name");
            self.problems.push(Problem::error(file, place, "invalid_header", message));
            return None;
        };
        if is_transport_header(name.as_str()) {
            let message = format!("`{written}` is set from the request itself");
            let problem = Problem::error(file, place, "forbidden_header", message);
            self.problems.push(problem.hint("leave it out; the upstream gets its own"));
            return None;
        }
        Some(name)
    }

    fn fixed(&mut self, written: &str, text: &str, pointer: &str) -> Option<HeaderText> {
        match HeaderValue::from_str(text) {
            Ok(value) => {
                self.warn_of_literal(written, text, pointer);
                Some(HeaderText::Fixed(value))
            }
            Err(_) => {
                let name = written.to_ascii_lowercase();
                let message = format!("the value of `{name}` holds characters that a header cannot carry");
                let place = self.document.at_value(pointer);
                self.problems.push(Problem::error(&self.document.file, place, "invalid_header", message));
                None
            }
        }
    }

    /// Warns of a secret that stands in a file which is committed and shown in previews.
    fn warn_of_literal(&mut self, written: &str, text: &str, pointer: &str) {
        if !secret_like::is_secret(written, text) {
            return;
        }
        let scheme = text.split_once(' ').map_or("", |(scheme, _)| scheme);
        let hint = match scheme.to_ascii_lowercase().as_str() {
            "bearer" => {
                "write {secret: name, prefix: \"Bearer \"}, or use an auth connector of type `bearer`"
            }
            "basic" => "use an auth connector of type `basic`, whose password is {secret: name}",
            _ => "write {secret: name}, or use an auth connector of type `api_key`",
        };
        let message = format!("the header `{written}` seems to hold a secret, which previews show");
        let place = self.document.at_value(pointer);
        self.problems.push(
            Problem::warning(&self.document.file, place, "literal_secret", message)
                .hint(format!("move it to secrets.toml and {hint}")),
        );
    }
}
