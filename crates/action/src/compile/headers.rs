//! The headers of an action: its own over those of its connection.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};

use callgate_definition::{
    ConnectionDefinition, ConnectionOverride, Document, Located, Problem, Scalar, ValueDefinition,
};

use super::compiler::{Compiler, pointer_to};
use crate::bound::Bound;
use crate::fields::Field;
use crate::http_action::{PlainHeader, SecretHeader};
use crate::secret_like;
use crate::written::SecretUse;
use callgate_schema::parameters::Parameters;
use callgate_template::{Root, Target, Template};

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

/// A header as written, and where.
pub(super) struct Written<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a ValueDefinition,
    pub(super) document: Arc<Document>,
    pub(super) pointer: String,
}

impl<'a> Compiler<'a> {
    /// All headers by name; what is nearer to the call wins.
    pub(super) fn written_headers(
        &self,
        connection: Option<&'a Located<ConnectionDefinition>>,
    ) -> Vec<Written<'a>> {
        let environment = self.around.environment;
        let over_pointer = format!("/environments/{environment}/headers");
        let mut written: Vec<Written<'a>> = Vec::new();
        if let Some(connection) = connection {
            let over = connection
                .definition
                .environments
                .get(environment)
                .map(|over: &ConnectionOverride| &over.headers);
            for (headers, base) in
                [(Some(&connection.definition.headers), "/headers"), (over, over_pointer.as_str())]
            {
                for (name, value) in headers.into_iter().flat_map(|headers| &headers.0) {
                    put(&mut written, name, value, &connection.document, base);
                }
            }
        }
        for (headers, base) in
            [(&self.definition.headers, "/headers"), (&self.over.headers, over_pointer.as_str())]
        {
            for (name, value) in &headers.0 {
                put(&mut written, name, value, &self.located.document, base);
            }
        }
        written
    }

    pub(super) fn headers(
        &mut self,
        written: Vec<Written<'a>>,
        parameters: &Parameters,
        bind: &[Bound],
    ) -> (Vec<PlainHeader>, Vec<SecretHeader>, Vec<String>) {
        let (mut plain, mut secret, mut placed) = (Vec::new(), Vec::new(), Vec::new());
        for header in written {
            let Some(name) = self.header_name(&header) else { continue };
            if name == CONTENT_TYPE {
                continue;
            }
            match header.value {
                ValueDefinition::Secret { secret: of, prefix } => {
                    self.secrets.push(SecretUse {
                        name: of.clone(),
                        environment: self.around.environment.to_owned(),
                        file: header.document.file.clone(),
                        place: header.document.at_value(&header.pointer),
                    });
                    secret.push(SecretHeader { name, secret: of.clone(), prefix: prefix.clone() });
                }
                ValueDefinition::Plain(Scalar(text)) => {
                    let template = self.template(
                        &header.document,
                        &header.pointer,
                        text,
                        Target::Header,
                        parameters,
                        bind,
                    );
                    let Some(template) = template else { continue };
                    // A connection's headers only repeat what its actions send.
                    if Arc::ptr_eq(&header.document, &self.located.document) {
                        placed.extend(placed_by(&template));
                    }
                    let fixed = template.as_static().map(HeaderValue::from_str);
                    if let Some(Err(_)) = fixed {
                        self.problems.push(Problem::error(
                            &header.document.file,
                            header.document.at_value(&header.pointer),
                            "invalid_header",
                            format!("the value of `{name}` holds characters that a header cannot carry"),
                        ));
                        continue;
                    }
                    if let Some(text) = template.as_static() {
                        self.warn_of_literal(&header, text);
                    }
                    let fixed = fixed.and_then(Result::ok);
                    let field = fixed.is_none().then(|| Field::new(template, parameters));
                    plain.push(PlainHeader { name, fixed, field });
                }
            }
        }
        (plain, secret, placed)
    }

    /// Warns of a secret that stands in a file which is committed and shown in previews.
    fn warn_of_literal(&mut self, header: &Written<'_>, text: &str) {
        if !secret_like::is_secret(header.name, text) {
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
        let message = format!("the header `{}` seems to hold a secret, which previews show", header.name);
        let place = header.document.at_value(&header.pointer);
        self.problems.push(
            Problem::warning(&header.document.file, place, "literal_secret", message)
                .hint(format!("move it to secrets.toml and {hint}")),
        );
    }

    fn header_name(&mut self, header: &Written<'_>) -> Option<HeaderName> {
        let place = header.document.at_key(&header.pointer);
        let file = &header.document.file;
        let Ok(name) = HeaderName::try_from(header.name) else {
            let message = format!("`{}` is not a header name", header.name);
            self.problems.push(Problem::error(file, place, "invalid_header", message));
            return None;
        };
        if is_transport_header(name.as_str()) {
            let message = format!("`{}` is set from the request itself", header.name);
            self.problems.push(
                Problem::error(file, place, "forbidden_header", message)
                    .hint("leave it out; the upstream gets its own"),
            );
            return None;
        }
        Some(name)
    }
}

fn put<'a>(
    written: &mut Vec<Written<'a>>,
    name: &'a str,
    value: &'a ValueDefinition,
    document: &Arc<Document>,
    base: &str,
) {
    written.retain(|other| !other.name.eq_ignore_ascii_case(name));
    written.push(Written { name, value, document: document.clone(), pointer: pointer_to(base, name) });
}

/// Whether the header of this name, in lower case, belongs to the transport.
pub fn is_transport_header(name: &str) -> bool {
    TRANSPORT.contains(&name)
}

/// Parameters that a template places.
pub(super) fn placed_by(template: &Template) -> Vec<String> {
    template
        .references()
        .iter()
        .filter(|reference| reference.root == Root::Parameters)
        .filter_map(|reference| reference.path.first().cloned())
        .collect()
}
