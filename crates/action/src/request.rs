//! Checked arguments → the exact request, without credentials.

use std::fmt::Write as _;
use std::ops::Range;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method};
use percent_encoding::utf8_percent_encode;
use serde_json::{Map, Value};

use callgate_text::percent::QUERY;

use super::failure::{MAX_MISSING, RenderFailure};
use super::fields::{Field, each_text};
use super::http_action::{Body, HttpAction};
use super::multipart;
use super::trace::{RequestTrace, Tracer, parameter, take};
use callgate_template::{Data, RenderError, Trace};

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
        self.render_all(data, None).map_err(|failure| failure.and_missing(self.missing(data)))
    }

    /// Renders the request as [`HttpAction::render`] does, and tells where its parts come from.
    ///
    /// # Errors
    ///
    /// As [`HttpAction::render`].
    pub fn render_traced(&self, data: &Data<'_>) -> Result<(RequestSpec, RequestTrace), RenderFailure> {
        let mut trace = RequestTrace::default();
        let rendered = self.render_all(data, Some(&mut trace));
        let request = rendered.map_err(|failure| failure.and_missing(self.missing(data)))?;
        Ok((request, trace))
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

    fn render_all(&self, data: &Data<'_>, mut tracer: Tracer<'_>) -> Result<RequestSpec, RenderFailure> {
        let mut headers = self.render_headers(data, tracer.as_deref_mut())?;
        let body = self.render_body(data, &mut headers, tracer.as_deref_mut())?;
        let url = self.render_url(data, tracer)?;
        Ok(RequestSpec { method: self.method.clone(), url, headers, body })
    }

    fn render_url(&self, data: &Data<'_>, mut tracer: Tracer<'_>) -> Result<String, RenderFailure> {
        let mut url = String::with_capacity(self.connection.base_url.len() + 64);
        url.push_str(&self.connection.base_url);
        let path = match &mut tracer {
            None => self.path.render_into(data, &mut url),
            Some(trace) => {
                let mut path = Trace::default();
                let rendered = self.path.render_traced(data, &mut url, &mut path);
                take(path, &mut trace.url, &mut trace.branches);
                rendered
            }
        };
        path.map_err(|error| RenderFailure::template("path", error))?;
        let mut query = Query { url: &mut url, separator: '?' };
        if !self.static_query.is_empty() {
            query.separator();
            query.url.push_str(&self.static_query);
        }
        for (name, field) in &self.query {
            if let Some(value) = field.value(data, &format!("query.{name}"))? {
                each_text(&value, &mut |text| {
                    let range = query.pair(name, text);
                    if let Some(trace) = &mut tracer {
                        trace.url.push(field.template.traced_whole(range));
                    }
                });
            }
        }
        if matches!(self.body, Body::None) {
            for (name, value) in self.unplaced(data.parameters) {
                each_text(value, &mut |text| {
                    let range = query.pair(name, text);
                    if let Some(trace) = &mut tracer {
                        trace.url.push(parameter(name, range));
                    }
                });
            }
        }
        Ok(url)
    }

    fn render_headers(
        &self,
        data: &Data<'_>,
        mut tracer: Tracer<'_>,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, RenderFailure> {
        let mut headers = Vec::with_capacity(self.headers.len() + 2);
        for header in &self.headers {
            if let Some(value) = &header.fixed {
                headers.push((header.name.clone(), value.clone()));
            } else if let Some(field) = &header.field {
                let place = format!("headers.{}", header.name);
                let mut traced = tracer.is_some().then(Trace::default);
                let Some(text) = field.optional_text(data, &place, traced.as_mut())? else { continue };
                let value =
                    HeaderValue::from_str(&text).or_else(|_| HeaderValue::from_bytes(text.as_bytes()));
                let value = value.map_err(|_| RenderFailure::HeaderValue { place })?;
                headers.push((header.name.clone(), value));
                if let (Some(trace), Some(traced)) = (&mut tracer, traced) {
                    let mut values = Vec::new();
                    take(traced, &mut values, &mut trace.branches);
                    trace.headers.push((header.name.clone(), values));
                }
            }
        }
        Ok(headers)
    }

    fn render_body(
        &self,
        data: &Data<'_>,
        headers: &mut Vec<(HeaderName, HeaderValue)>,
        mut tracer: Tracer<'_>,
    ) -> Result<Option<Bytes>, RenderFailure> {
        let body = match &self.body {
            Body::None => return Ok(None),
            Body::FlatJson => self.flat_json(data.parameters, tracer),
            Body::FlatForm => {
                let mut text = String::new();
                for (name, value) in self.unplaced(data.parameters) {
                    each_text(value, &mut |value| {
                        let range = form_pair(&mut text, name, value);
                        if let Some(trace) = &mut tracer {
                            trace.body.push(parameter(name, range));
                        }
                    });
                }
                text.into_bytes()
            }
            Body::Template(template) => {
                let mut text = String::new();
                let rendered = match tracer {
                    None => template.render(data).map(|rendered| text = rendered),
                    Some(trace) => {
                        let mut body = Trace::default();
                        let rendered = template.render_traced(data, &mut text, &mut body);
                        take(body, &mut trace.body, &mut trace.branches);
                        rendered
                    }
                };
                rendered.map_err(|error| RenderFailure::template("body", error))?;
                text.into_bytes()
            }
            Body::Form(fields) => {
                let mut text = String::new();
                for (name, field) in fields {
                    if let Some(value) = field.value(data, &format!("form.{name}"))? {
                        each_text(&value, &mut |value| {
                            let range = form_pair(&mut text, name, value);
                            if let Some(trace) = &mut tracer {
                                trace.body.push(field.template.traced_whole(range));
                            }
                        });
                    }
                }
                text.into_bytes()
            }
            Body::FlatMultipart => {
                let encoded = multipart::encode_flat(data.parameters, &self.placed, tracer);
                return Ok(multipart_body(encoded, headers));
            }
            Body::Multipart(parts) => {
                return Ok(multipart_body(multipart::encode(parts, data, tracer)?, headers));
            }
        };
        if let Some(content_type) = &self.content_type {
            headers.push((CONTENT_TYPE, content_type.clone()));
        }
        Ok(Some(Bytes::from(body)))
    }

    fn flat_json(&self, parameters: &Map<String, Value>, mut tracer: Tracer<'_>) -> Vec<u8> {
        let mut body = Vec::with_capacity(128);
        body.push(b'{');
        for (index, (name, value)) in self.unplaced(parameters).enumerate() {
            if index > 0 {
                body.push(b',');
            }
            // JSON values always serialize into memory.
            let _ = serde_json::to_writer(&mut body, name);
            body.push(b':');
            let from = body.len();
            let _ = serde_json::to_writer(&mut body, value);
            if let Some(trace) = &mut tracer {
                trace.body.push(parameter(name, from..body.len()));
            }
        }
        body.push(b'}');
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

    /// Writes a pair; gives the place of its value.
    fn pair(&mut self, name: &str, value: &str) -> Range<usize> {
        self.separator();
        // Writing into a String cannot fail.
        let _ = write!(self.url, "{}=", utf8_percent_encode(name, QUERY));
        let from = self.url.len();
        let _ = write!(self.url, "{}", utf8_percent_encode(value, QUERY));
        from..self.url.len()
    }
}

/// Appends one pair of `application/x-www-form-urlencoded` (WHATWG URL section 5.2); gives the place of its value.
fn form_pair(body: &mut String, name: &str, value: &str) -> Range<usize> {
    let mut serializer = url::form_urlencoded::Serializer::for_suffix(std::mem::take(body), 0);
    serializer.append_pair(name, value);
    *body = serializer.finish();
    // A value is written without `=`.
    body.rfind('=').map_or(body.len(), |at| at + 1)..body.len()
}
