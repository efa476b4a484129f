//! The headers of an action: its own over those of its connection.

use std::sync::Arc;

use http::header::CONTENT_TYPE;

use super::compiler::Compiler;
use crate::bound::Bound;
use crate::fields::Field;
use crate::header::{Header, HeaderCompiler, HeaderText};
use crate::http_action::{PlainHeader, SecretHeader};
use crate::template_at::TemplateAt;
use crate::upstream::CompiledConnection;
use callgate_schema::parameters::Parameters;
use callgate_template::{Root, Template};

/// The headers of an action and of its connection, those of the action last.
pub(super) struct Headers<'a> {
    of_connection: Vec<&'a Header>,
    own: Vec<Header>,
}

impl Headers<'_> {
    fn iter(&self) -> impl Iterator<Item = &Header> {
        self.of_connection.iter().copied().chain(&self.own)
    }

    /// The media type among them; what is nearer to the call wins.
    pub(super) fn content_type(&self) -> Option<&Header> {
        self.iter().find(|header| header.name == CONTENT_TYPE)
    }

    /// The media type that the action itself writes.
    pub(super) fn own_content_type(&self) -> Option<&Header> {
        self.own.iter().find(|header| header.name == CONTENT_TYPE)
    }
}

/// Headers of an HTTP action.
#[derive(Default)]
pub(super) struct CompiledHeaders {
    pub(super) plain: Vec<PlainHeader>,
    pub(super) secret: Vec<SecretHeader>,
    /// The parameters that headers of the action itself place.
    pub(super) placed: Vec<String>,
}

impl<'a> Compiler<'a> {
    /// All headers by name; what is nearer to the call wins.
    pub(super) fn written_headers(&mut self, connection: Option<&'a CompiledConnection>) -> Headers<'a> {
        let mut compiler = HeaderCompiler {
            document: &self.located.document,
            environment: self.around.environment,
            static_variables: self.around.static_variables,
            problems: self.problems,
            secrets: self.secrets,
        };
        let own = compiler.headers(&self.definition.headers.0, &self.over.headers.0);
        let of_connection = connection.into_iter().flat_map(|connection| &connection.headers);
        let of_connection = of_connection.filter(|header| !own.iter().any(|one| one.name == header.name));
        Headers { of_connection: of_connection.collect(), own }
    }

    pub(super) fn headers(
        &mut self,
        written: &Headers<'_>,
        parameters: &Parameters,
        bind: &[Bound],
    ) -> CompiledHeaders {
        let mut compiled = CompiledHeaders::default();
        for header in written.iter() {
            let name = header.name.clone();
            let plain = match &header.text {
                HeaderText::ContentType(_) => continue,
                HeaderText::Secret { secret, prefix } => {
                    let (secret, prefix) = (secret.clone(), prefix.clone());
                    compiled.secret.push(SecretHeader { name, secret, prefix });
                    continue;
                }
                HeaderText::Fixed(value) => PlainHeader { name, fixed: Some(value.clone()), field: None },
                HeaderText::Template(template, source) => {
                    let at = TemplateAt { document: &header.document, pointer: &header.pointer };
                    self.read_by(at, source, template, parameters, bind);
                    // A connection's headers only repeat what its actions send.
                    if Arc::ptr_eq(&header.document, &self.located.document) {
                        compiled.placed.extend(placed_by(template));
                    }
                    PlainHeader { name, fixed: None, field: Some(Field::new(template.clone(), parameters)) }
                }
            };
            compiled.plain.push(plain);
        }
        compiled
    }
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
