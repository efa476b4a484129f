//! Checked arguments → the exact request, without credentials.

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method};
use percent_encoding::utf8_percent_encode;
use serde::Serializer;
use serde_json::{Map, Value};

use callgate_text::percent::QUERY;

use super::failure::{MAX_MISSING, RenderFailure};
use super::fields::{Field, each_text};
use super::http_action::{Body, HttpAction};
use super::multipart;
use callgate_template::{Data, RenderError};

/// A request as it will be sent, but for its credentials. Comparable, so that
/// tests need no network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestSpec {
    /// The method.
    pub method: Method,
    /// The full URL.
    pub url: String,
    /// Headers in the order written; none of them holds a secret.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body, if there is one.
    pub body: Option<Bytes>,
}

impl RequestSpec {
    /// Adds a header, unless the action has set it.
    pub fn add_header(&mut self, name: HeaderName, value: impl FnOnce() -> HeaderValue) {
        if !self.headers.iter().any(|(there, _)| *there == name) {
            self.headers.push((name, value()));
        }
    }
}

impl HttpAction {
    /// Renders the request.
    ///
    /// # Errors
    ///
    /// Fails where a value that a template needs is absent, or not allowed
    /// where it stands.
    pub fn render(&self, data: &Data<'_>) -> Result<RequestSpec, RenderFailure> {
        self.render_all(data).map_err(|failure| failure.and_missing(self.missing(data)))
    }

    /// Everything that a request with this data needs and does not have.
    fn missing(&self, data: &Data<'_>) -> Vec<RenderError> {
        let headers = self.headers.iter().filter_map(|header| header.field.as_ref());
        let fields = headers.chain(self.query.iter().map(|(_, field)| field));
        let body: Vec<&Field> = match &self.body {
            Body::Form(fields) => fields.iter().map(|(_, field)| field).collect(),
            Body::Multipart(parts) => parts.iter().map(|part| &part.field).collect(),
            Body::None | Body::FlatJson | Body::FlatForm | Body::FlatMultipart | Body::Template(_) => {
                Vec::new()
            }
        };
        let mut found = self.path.missing(data, MAX_MISSING);
        for field in fields.chain(body) {
            found.extend(field.missing(data, MAX_MISSING));
        }
        if let Body::Template(template) = &self.body {
            found.extend(template.missing(data, MAX_MISSING));
        }
        found
    }

    fn render_all(&self, data: &Data<'_>) -> Result<RequestSpec, RenderFailure> {
        let mut headers = self.render_headers(data)?;
        let body = self.render_body(data, &mut headers)?;
        Ok(RequestSpec { method: self.method.clone(), url: self.render_url(data)?, headers, body })
    }

    fn render_url(&self, data: &Data<'_>) -> Result<String, RenderFailure> {
        let mut url = String::with_capacity(self.connection.base_url.len() + 64);
        url.push_str(&self.connection.base_url);
        self.path.render_into(data, &mut url).map_err(|error| RenderFailure::template("path", error))?;
        let mut query = Query { url: &mut url, separator: '?' };
        if !self.static_query.is_empty() {
            query.separator();
            query.url.push_str(&self.static_query);
        }
        for (name, field) in &self.query {
            if let Some(value) = field.value(data, &format!("query.{name}"))? {
                each_text(&value, &mut |text| query.pair(name, text));
            }
        }
        if matches!(self.body, Body::None) {
            for (name, value) in self.unplaced(data.parameters) {
                each_text(value, &mut |text| query.pair(name, text));
            }
        }
        Ok(url)
    }

    fn render_headers(&self, data: &Data<'_>) -> Result<Vec<(HeaderName, HeaderValue)>, RenderFailure> {
        let mut headers = Vec::with_capacity(self.headers.len() + 2);
        for header in &self.headers {
            if let Some(value) = &header.fixed {
                headers.push((header.name.clone(), value.clone()));
            } else if let Some(field) = &header.field {
                let place = format!("headers.{}", header.name);
                let Some(text) = field.optional_text(data, &place)? else { continue };
                let value =
                    HeaderValue::from_str(&text).or_else(|_| HeaderValue::from_bytes(text.as_bytes()));
                let value = value.map_err(|_| RenderFailure::HeaderValue { place })?;
                headers.push((header.name.clone(), value));
            }
        }
        Ok(headers)
    }

    fn render_body(
        &self,
        data: &Data<'_>,
        headers: &mut Vec<(HeaderName, HeaderValue)>,
    ) -> Result<Option<Bytes>, RenderFailure> {
        let body = match &self.body {
            Body::None => return Ok(None),
            Body::FlatJson => self.flat_json(data.parameters),
            Body::FlatForm => {
                let mut text = String::new();
                for (name, value) in self.unplaced(data.parameters) {
                    each_text(value, &mut |value| form_pair(&mut text, name, value));
                }
                text.into_bytes()
            }
            Body::Template(template) => {
                template.render(data).map_err(|error| RenderFailure::template("body", error))?.into_bytes()
            }
            Body::Form(fields) => {
                let mut text = String::new();
                for (name, field) in fields {
                    if let Some(value) = field.value(data, &format!("form.{name}"))? {
                        each_text(&value, &mut |value| form_pair(&mut text, name, value));
                    }
                }
                text.into_bytes()
            }
            Body::FlatMultipart => {
                return Ok(multipart_body(multipart::encode_flat(data.parameters, &self.placed), headers));
            }
            Body::Multipart(parts) => return Ok(multipart_body(multipart::encode(parts, data)?, headers)),
        };
        if let Some(content_type) = &self.content_type {
            headers.push((CONTENT_TYPE, content_type.clone()));
        }
        Ok(Some(Bytes::from(body)))
    }

    fn flat_json(&self, parameters: &Map<String, Value>) -> Vec<u8> {
        let mut body = Vec::with_capacity(128);
        let written = serde_json::Serializer::new(&mut body).collect_map(self.unplaced(parameters));
        debug_assert!(written.is_ok(), "JSON values always serialize into memory");
        body
    }

    pub(crate) fn unplaced<'d>(
        &'d self,
        parameters: &'d Map<String, Value>,
    ) -> impl Iterator<Item = (&'d String, &'d Value)> {
        parameters.iter().filter(|(name, _)| {
            !self.placed.contains(name) && !self.query.iter().any(|(query, _)| query == *name)
        })
    }
}

/// A multipart body with its content type, which names the boundary.
fn multipart_body(
    encoded: multipart::Encoded,
    headers: &mut Vec<(HeaderName, HeaderValue)>,
) -> Option<Bytes> {
    let content_type = format!("multipart/form-data; boundary={}", encoded.boundary);
    if let Ok(value) = HeaderValue::try_from(content_type) {
        headers.push((CONTENT_TYPE, value));
    }
    Some(Bytes::from(encoded.body))
}

/// Writes `name=value` pairs after a URL's path.
struct Query<'a> {
    url: &'a mut String,
    separator: char,
}

impl Query<'_> {
    fn separator(&mut self) {
        self.url.push(self.separator);
        self.separator = '&';
    }

    fn pair(&mut self, name: &str, value: &str) {
        self.separator();
        // Writing into a String cannot fail.
        let _ =
            write!(self.url, "{}={}", utf8_percent_encode(name, QUERY), utf8_percent_encode(value, QUERY));
    }
}

/// Appends one pair of `application/x-www-form-urlencoded` (WHATWG URL section 5.2).
fn form_pair(body: &mut String, name: &str, value: &str) {
    let mut serializer = url::form_urlencoded::Serializer::for_suffix(std::mem::take(body), 0);
    serializer.append_pair(name, value);
    *body = serializer.finish();
}
