//! The HTTP half of [`super::compile()`]: where to, with what.

use std::sync::Arc;

use http::header::HeaderValue;

use callgate_definition::{Document, Method, Problem, Scalar};

use super::compiler::Compiler;
use super::headers::{CompiledHeaders, Headers, placed_by};
use crate::bound::Bound;
use crate::fields::Field;
use crate::header::{Header, HeaderText};
use crate::http_action::{Body, HttpAction};
use crate::multipart::Part;
use crate::retry::RetryPolicy;
use crate::written::{WrittenAt, pointer_to};
use callgate_schema::parameters::Parameters;
use callgate_template::Target;

impl<'a> Compiler<'a> {
    pub(super) fn http(&mut self, parameters: &Parameters, bind: &[Bound]) -> Option<HttpAction> {
        let connection = self.connection();
        let target = self.target(connection);
        let connector = self.connector(connection);
        // A method that is none has been reported; what else is wrong must not depend on it.
        let misspelled = self.definition.method.is_none() && self.document().value.get("method").is_some();
        let method = self.definition.method.unwrap_or(if misspelled { Method::Post } else { Method::Get });
        let written = self.written_headers(connection);
        let content_type = self.content_type(&written);
        let own_type = self.own_content_type(&written);
        let headers = self.headers(&written, parameters, bind);
        let body = self.body(method, content_type.as_deref(), parameters, bind);
        if let (Some(Body::None), Some(pointer)) = (&body, own_type) {
            let message = "this request has no body, so its `Content-Type` is not sent";
            let problem = self.warning(&pointer, "content_type_without_body", message);
            self.problems.push(problem.hint("take it out, or give the request a `body`"));
        }
        let query = self.query(parameters, bind);
        let document = self.located.document.clone();
        let Some(target) = target else {
            // A path is judged wherever it would have led.
            if let Some(path) = self.over.path.as_ref().or(self.definition.path.as_ref()) {
                let pointer = self.pointer("path");
                self.template(&document, &pointer, path, Target::PathSegment, parameters, bind);
            }
            return None;
        };
        let pointer = if connection.is_some() { self.pointer("path") } else { self.pointer("url") };
        let path = self.template(&document, &pointer, &target.path, Target::PathSegment, parameters, bind);
        let CompiledHeaders { plain, secret, placed: in_headers } = headers;
        let base_url = &target.connection.base_url;
        self.warn_cleartext(base_url, &pointer, connector.is_some() || !secret.is_empty());
        let written =
            connection.map_or_else(|| WrittenAt::at(&document, &pointer), |one| one.written.clone());
        let path = path?;
        let mut placed = placed_by(&path);
        for (_, field) in &query {
            placed.extend(placed_by(&field.template));
        }
        placed.extend(in_headers);
        let timeouts = self.timeouts();
        let method = http_method(method);
        let retry = self.retry(&method);
        Some(HttpAction {
            method,
            connection: target.connection,
            written,
            path,
            static_query: target.query,
            query,
            headers: plain,
            secret_headers: secret,
            connector,
            content_type: body_content_type(body.as_ref()?, content_type.as_deref()),
            body: body?,
            connect_timeout: timeouts.connect,
            read_timeout: timeouts.read,
            retry,
            placed,
        })
    }

    /// When the request may be sent again; warns where what is written never holds.
    fn retry(&mut self, method: &http::Method) -> RetryPolicy {
        let retry = RetryPolicy::compile(self.definition, method);
        if retry.idle_wishes() && self.document().value.pointer("/retry/on").is_some() {
            let message = format!("a {method} is sent again only where not one byte of it was written");
            let problem = self.warning("/retry/on", "retry_without_effect", message).hint(
                "leave `on` at `[connect_failed]`, or say `idempotent: true` if the upstream honours `Idempotency-Key`",
            );
            self.problems.push(problem);
        }
        retry
    }

    /// Where the action itself, and not its connection, asks for a media type.
    fn own_content_type(&self, headers: &Headers<'_>) -> Option<String> {
        if self.definition.content_type.is_some() {
            return Some("/content_type".to_owned());
        }
        headers.own_content_type().map(|header| header.pointer.clone())
    }

    /// The media type the action asks for: `content_type`, or a `Content-Type` header.
    fn content_type(&mut self, headers: &Headers<'_>) -> Option<String> {
        let (text, document, pointer): (_, &Arc<Document>, _) =
            match (&self.definition.content_type, headers.content_type()) {
                (Some(text), _) => (text, &self.located.document, "/content_type"),
                (None, Some(Header { text: HeaderText::ContentType(Some(text)), document, pointer, .. })) => {
                    (text, document, pointer.as_str())
                }
                (None, _) => return None,
            };
        if HeaderValue::from_str(text).is_err() || !text.contains('/') || text.contains("{{") {
            self.problems.push(
                Problem::error(
                    &document.file,
                    document.at_value(pointer),
                    "invalid_value",
                    format!("`{text}` is not a media type"),
                )
                .hint("such as application/json; it is static"),
            );
        }
        Some(text.clone())
    }

    fn query(&mut self, parameters: &Parameters, bind: &[Bound]) -> Vec<(String, Field)> {
        let document = self.located.document.clone();
        let pairs = &self.definition.query.0;
        pairs
            .iter()
            .filter_map(|(name, Scalar(text))| {
                let pointer = pointer_to("/query", name);
                let template = self.template(&document, &pointer, text, Target::Query, parameters, bind)?;
                Some((name.clone(), Field::new(template, parameters)))
            })
            .collect()
    }

    fn body(
        &mut self,
        method: Method,
        content_type: Option<&str>,
        parameters: &Parameters,
        bind: &[Bound],
    ) -> Option<Body> {
        let definition = self.definition;
        let given: Vec<&str> = [
            definition.body.as_ref().map(|_| "body"),
            definition.form.as_ref().map(|_| "form"),
            definition.multipart.as_ref().map(|_| "multipart"),
        ]
        .into_iter()
        .flatten()
        .collect();
        if let [first, second, ..] = given.as_slice() {
            let problem = self.error(
                &format!("/{second}"),
                "two_bodies",
                format!("`{first}` and `{second}` cannot both be the body"),
            );
            self.problems.push(problem);
            return None;
        }
        let without_body = matches!(method, Method::Get | Method::Head | Method::Options);
        if let (true, Some(key)) = (without_body, given.first()) {
            let problem = self
                .error(
                    &format!("/{key}"),
                    "body_not_allowed",
                    format!("a {} request has no body", http_method(method)),
                )
                .hint("parameters travel in the query; or use POST, PUT or PATCH");
            self.problems.push(problem);
            return None;
        }
        let document = self.located.document.clone();
        if let Some(text) = &definition.body {
            let target = content_type.map_or(Target::Json, Target::for_content_type);
            let template = self.template(&document, "/body", text, target, parameters, bind)?;
            self.check_branches(&template, "/body", parameters, bind);
            return Some(Body::Template(template));
        }
        if let Some(form) = &definition.form {
            let fields = form.0.iter().filter_map(|(name, Scalar(text))| {
                let pointer = pointer_to("/form", name);
                let template = self.template(&document, &pointer, text, Target::Text, parameters, bind)?;
                Some((name.clone(), Field::new(template, parameters)))
            });
            return Some(Body::Form(fields.collect()));
        }
        if let Some(parts) = &definition.multipart {
            let parts = parts.0.iter().filter_map(|(name, part)| {
                let pointer = format!("{}/value", pointer_to("/multipart", name));
                let template =
                    self.template(&document, &pointer, &part.value.0, Target::Text, parameters, bind)?;
                if part.content_type.as_ref().is_some_and(|text| HeaderValue::from_str(text).is_err()) {
                    let problem = self.error(
                        &pointer,
                        "invalid_value",
                        "the part's `content_type` is not a media type",
                    );
                    self.problems.push(problem);
                }
                Some(Part {
                    name: name.clone(),
                    field: Field::new(template, parameters),
                    filename: part.filename.clone(),
                    content_type: part.content_type.clone(),
                })
            });
            return Some(Body::Multipart(parts.collect()));
        }
        if without_body || method == Method::Delete {
            return Some(Body::None);
        }
        let media =
            content_type.map(|text| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
        Some(match media.as_deref() {
            Some("application/x-www-form-urlencoded") => Body::FlatForm,
            Some("multipart/form-data") => Body::FlatMultipart,
            Some(other) if Target::for_content_type(other) != Target::Json => {
                let problem = self
                    .error(
                        "/content_type",
                        "missing_body",
                        format!("parameters cannot be sent as `{other}` without a template"),
                    )
                    .hint("write `body`, a template for that media type");
                self.problems.push(problem);
                return None;
            }
            _ => Body::FlatJson,
        })
    }
}

fn body_content_type(body: &Body, asked: Option<&str>) -> Option<HeaderValue> {
    let default = match body {
        Body::None | Body::Multipart(_) | Body::FlatMultipart => return None,
        Body::FlatJson | Body::Template(_) => "application/json",
        Body::FlatForm | Body::Form(_) => "application/x-www-form-urlencoded",
    };
    HeaderValue::from_str(asked.unwrap_or(default)).ok()
}

fn http_method(method: Method) -> http::Method {
    match method {
        Method::Get => http::Method::GET,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
        Method::Patch => http::Method::PATCH,
        Method::Delete => http::Method::DELETE,
        Method::Head => http::Method::HEAD,
        Method::Options => http::Method::OPTIONS,
    }
}
