//! The HTTP half of [`super::compile()`]: where to, with what.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};

use crate::definition::{AuthDefinition, ConnectionDefinition};
use crate::definition::{ConnectionOverride, Document, Located, Method, Problem, Scalar, ValueDefinition};

use super::compile::{Compiler, SecretUse, pointer_to};
use super::connection::{self, ConnectionRules};
use super::connector::{self, Connector};
use super::fields::Field;
use super::http_action::{Body, HttpAction, PlainHeader, SecretHeader, WrittenAt};
use super::multipart::Part;
use super::parameters::Parameters;
use super::retry::RetryPolicy;
use super::template::{Root, Target, Template};
use super::{Bound, is_transport_header, url};

/// Time to connect for an action that says nothing.
const DEFAULT_CONNECT_TIMEOUT_MS: u64 = 2_000;

/// A header as written, and where.
struct Written<'a> {
    name: &'a str,
    value: &'a ValueDefinition,
    document: Arc<Document>,
    pointer: String,
}

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
        let headers = self.headers(written, parameters, bind);
        let body = self.body(method, content_type.as_deref(), parameters, bind);
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
        let (plain, secret_headers, in_headers) = headers;
        self.warn_cleartext(&target.prefix, &pointer, connector.is_some() || !secret_headers.is_empty());
        let environment = self.around.environment;
        let (rules, written) = match connection {
            Some(connection) => (
                connection::compile(connection, environment, &target.prefix, self.problems, self.secrets),
                WrittenAt::at(&connection.document, &base_url_pointer(connection, environment)),
            ),
            None => (ConnectionRules::default(), WrittenAt::at(&document, &pointer)),
        };
        let path = path?;
        let mut placed = placed_by(&path);
        for (_, field) in &query {
            placed.extend(placed_by(&field.template));
        }
        placed.extend(in_headers);
        let connect = self
            .over
            .connect_timeout_ms
            .or(self.definition.connect_timeout_ms)
            .unwrap_or(DEFAULT_CONNECT_TIMEOUT_MS);
        let method = http_method(method);
        let retry = self.retry(&method);
        Some(HttpAction {
            method,
            connection: rules,
            written,
            prefix: target.prefix,
            path,
            static_query: target.query,
            query,
            headers: plain,
            secret_headers,
            connector,
            content_type: body_content_type(body.as_ref()?, content_type.as_deref()),
            body: body?,
            connect_timeout: Duration::from_millis(connect),
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

    /// The connection that the action names; an error where there is none of that name.
    fn connection(&mut self) -> Option<&'a Located<ConnectionDefinition>> {
        let written = self.definition.connection.as_ref().filter(|_| self.over.url.is_none());
        let name = self.over.connection.as_ref().or(written)?;
        let found = self.around.connections.iter().find(|connection| connection.name == *name);
        if let Some(found) = found {
            super::compile::check_known(
                &found.document,
                found.definition.environments.keys(),
                self.around.known_environments,
                self.problems,
            );
        } else {
            let names: Vec<&String> =
                self.around.connections.iter().map(|connection| &connection.name).collect();
            let hint = crate::definition::closest(name, &names).map_or_else(
                || format!("add connections/{name}.yaml"),
                |near| format!("did you mean `{near}`?"),
            );
            let problem = self
                .error(
                    &self.pointer("connection"),
                    "unknown_connection",
                    format!("there is no connection `{name}`"),
                )
                .hint(hint);
            self.problems.push(problem);
        }
        found
    }

    fn target(&mut self, connection: Option<&Located<ConnectionDefinition>>) -> Option<url::Parts> {
        let (over, definition) = (self.over, self.definition);
        // An override of one way takes the place of the other way as written.
        let full = over.url.as_ref().or(definition.url.as_ref().filter(|_| over.connection.is_none()));
        let named = over.connection.is_some() || definition.connection.is_some() && over.url.is_none();
        let path = over.path.as_ref().or(definition.path.as_ref());
        match (named, full) {
            (false, Some(full)) if path.is_none() || over.url.is_some() => match url::split_absolute(full) {
                Ok(parts) => Some(parts),
                Err(reason) => {
                    let problem = self.error(
                        &self.pointer("url"),
                        "invalid_url",
                        format!("invalid url `{full}`: {reason}"),
                    );
                    self.problems.push(problem);
                    None
                }
            },
            (true, None) => {
                let path = path.map_or("", String::as_str);
                let split = url::split_path(path);
                if let Err(reason) = &split {
                    let problem = self.error(
                        &self.pointer("path"),
                        "invalid_path",
                        format!("invalid path `{path}`: {reason}"),
                    );
                    self.problems.push(problem);
                }
                let prefix = self.base_url(connection?)?;
                let (path, query) = split.ok()?;
                Some(url::Parts { prefix, path, query })
            }
            _ if self.was_set_aside(&["connection", "path", "url"]) => None,
            (named, full) => {
                let message = match (named, full, path) {
                    (true, Some(_), _) => "`connection` and `url` are both given",
                    (false, Some(_), Some(_)) => "`url` and `path` are both given",
                    (false, None, Some(_)) => "`path` needs a `connection` to stand after",
                    _ => "the action says neither `connection` nor `url`",
                };
                let message = format!("{message} (environment `{}`)", self.around.environment);
                let pointer = if full.is_some() { self.pointer("url") } else { self.pointer("path") };
                let problem = self
                    .error(&pointer, "missing_url", message)
                    .hint("with a connection, write `path`; without one, write a full `url`");
                self.problems.push(problem);
                None
            }
        }
    }

    fn base_url(&mut self, connection: &Located<ConnectionDefinition>) -> Option<String> {
        let environment = self.around.environment;
        let over = connection.definition.environments.get(environment);
        let document = &connection.document;
        let overridden = over.and_then(|over| over.base_url.as_ref());
        let Some(base) = overridden.or(connection.definition.base_url.as_ref()) else {
            self.problems.push(
                Problem::error(
                    &document.file,
                    (1, 1),
                    "missing_key",
                    format!(
                        "the connection `{}` has no `base_url` in environment `{environment}`",
                        connection.name
                    ),
                )
                .hint(format!("add `base_url`, at the top or under `environments.{environment}`")),
            );
            return None;
        };
        let pointer = base_url_pointer(connection, environment);
        let checked = url::check_absolute(base).and_then(|parsed| match parsed.query() {
            Some(_) => Err("a base URL has no query".to_owned()),
            None => Ok(parsed),
        });
        match checked {
            Ok(parsed) => Some(parsed.as_str().trim_end_matches('/').to_owned()),
            Err(reason) => {
                self.problems.push(Problem::error(
                    &document.file,
                    document.at_value(&pointer),
                    "invalid_url",
                    format!("invalid base_url `{base}`: {reason}"),
                ));
                None
            }
        }
    }

    /// The connector of the action, else of its connection; `none` takes it away.
    fn connector(&mut self, connection: Option<&Located<ConnectionDefinition>>) -> Option<Connector> {
        let own = self.over.auth.as_ref().or(self.definition.auth.as_ref());
        let of_connection = connection.and_then(|connection| {
            let over = connection.definition.environments.get(self.around.environment);
            over.and_then(|over| over.auth.as_ref()).or(connection.definition.auth.as_ref())
        });
        let name = own.or(of_connection)?;
        if name == "none" {
            return None;
        }
        let found: Option<&Located<AuthDefinition>> = self.around.auth.iter().find(|auth| auth.name == *name);
        let Some(found) = found else {
            let (document, pointer) = match (own, connection) {
                (None, Some(connection)) => (connection.document.clone(), "/auth".to_owned()),
                _ => (self.located.document.clone(), self.pointer("auth")),
            };
            let names: Vec<&String> = self.around.auth.iter().map(|auth| &auth.name).collect();
            let hint = crate::definition::closest(name, &names)
                .map_or_else(|| format!("add auth/{name}.yaml"), |near| format!("did you mean `{near}`?"));
            self.problems.push(
                Problem::error(
                    &document.file,
                    document.at_value(&pointer),
                    "unknown_auth",
                    format!("there is no auth connector `{name}`"),
                )
                .hint(hint),
            );
            return None;
        };
        super::compile::check_known(
            &found.document,
            found.definition.environments.keys(),
            self.around.known_environments,
            self.problems,
        );
        connector::compile(found, self.around.environment, self.problems, self.secrets)
    }

    /// All headers by name; what is nearer to the call wins.
    fn written_headers(&self, connection: Option<&'a Located<ConnectionDefinition>>) -> Vec<Written<'a>> {
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

    fn headers(
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
                    let fixed = fixed.and_then(Result::ok);
                    let field = fixed.is_none().then(|| Field::new(template, parameters));
                    plain.push(PlainHeader { name, fixed, field });
                }
            }
        }
        (plain, secret, placed)
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

    /// The media type the action asks for: `content_type`, or a `Content-Type` header.
    fn content_type(&mut self, headers: &[Written<'_>]) -> Option<String> {
        let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-type"));
        let (text, document, pointer) = match (&self.definition.content_type, header) {
            (Some(text), _) => (text.clone(), self.located.document.clone(), "/content_type".to_owned()),
            (None, Some(Written { value: ValueDefinition::Plain(Scalar(text)), document, pointer, .. })) => {
                (text.clone(), document.clone(), pointer.clone())
            }
            (None, _) => return None,
        };
        if HeaderValue::from_str(&text).is_err() || !text.contains('/') || text.contains("{{") {
            self.problems.push(
                Problem::error(
                    &document.file,
                    document.at_value(&pointer),
                    "invalid_value",
                    format!("`{text}` is not a media type"),
                )
                .hint("such as application/json; it is static"),
            );
        }
        Some(text)
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

    fn warn_cleartext(&mut self, prefix: &str, pointer: &str, has_credentials: bool) {
        let Some(rest) = prefix.strip_prefix("http://") else { return };
        let host = rest.split(['/', ':']).next().unwrap_or_default();
        let local = host == "localhost" || host.starts_with("127.") || rest.starts_with("[::1]");
        if has_credentials && !local {
            let problem = Problem::warning(
                &self.located.document.file,
                self.located.document.at_value(pointer),
                "cleartext_credentials",
                format!("credentials would travel to `{host}` without TLS"),
            )
            .hint("use https://");
            self.problems.push(problem);
        }
    }
}

/// Where the base URL that holds in `environment` stands.
fn base_url_pointer(connection: &Located<ConnectionDefinition>, environment: &str) -> String {
    let over = connection.definition.environments.get(environment);
    match over.and_then(|over| over.base_url.as_ref()) {
        Some(_) => format!("/environments/{environment}/base_url"),
        None => "/base_url".to_owned(),
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

/// Parameters that a template places.
fn placed_by(template: &Template) -> Vec<String> {
    template
        .references()
        .iter()
        .filter(|reference| reference.root == Root::Parameters)
        .filter_map(|reference| reference.path.first().cloned())
        .collect()
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
