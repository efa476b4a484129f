//! The exact request of a call, secrets masked, without sending it.

use std::borrow::Cow;

use http::HeaderName;
use http::header::{ACCEPT, ACCEPT_ENCODING, COOKIE, HOST, USER_AGENT};
use serde::Serialize;
use serde_json::{Map, Value};
use url::Url;
use utoipa::ToSchema;

use crate::action::{Kind, RequestSpec};
use crate::egress::Credentials;
use crate::secrets::{MASK, Redactor};
use crate::tool::{ToolCall, ToolError};

use super::{Gateway, find, render};

/// What would be sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct Preview {
    /// The request.
    pub request: PreviewedRequest,
    /// The same as a `curl` line; put the secrets in where `***` stands.
    pub curl: String,
}

/// A request with its secrets masked.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewedRequest {
    /// The HTTP method.
    pub method: String,
    /// The full URL.
    pub url: String,
    /// Headers by name.
    #[schema(value_type = Object)]
    pub headers: Map<String, Value>,
    /// The body as text, if there is one.
    pub body: Option<String>,
}

impl Gateway {
    /// Renders the request of a call and does not send it.
    ///
    /// # Errors
    ///
    /// What the call itself would fail with before it is sent; also where the
    /// action sends nothing.
    pub fn preview(&self, call: &ToolCall) -> Result<Preview, ToolError> {
        let deployment = self.deployment();
        let redactor = deployment.redactor(&call.environment).cloned().unwrap_or_default();
        let rendered = find(&deployment, call).and_then(|target| {
            let values = self.values(target, call)?;
            let Kind::Http(http) = &target.action.kind else { return Ok(None) };
            let request = render(http, target.environment, &values)?;
            let credentials = deployment.auth.masked(target.environment_index, target.action_index);
            Ok(Some(describe(request, credentials.cloned().unwrap_or_default(), &redactor)))
        });
        match rendered {
            Ok(Some(preview)) => Ok(preview),
            Ok(None) => Ok(Preview {
                request: PreviewedRequest {
                    method: String::new(),
                    url: String::new(),
                    headers: Map::new(),
                    body: None,
                },
                curl: "# this action sends no request".to_owned(),
            }),
            Err(failure) => {
                let error = failure.into_error().1;
                Err(ToolError { message: redactor.redact(&error.message).into_owned(), ..error })
            }
        }
    }
}

fn describe(request: RequestSpec, credentials: Credentials, redactor: &Redactor) -> Preview {
    let mut url = redactor.redact(&request.url).into_owned();
    if let Some((name, _)) = &credentials.query {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(&format!("{name}={MASK}"));
    }
    let mut headers: Vec<(HeaderName, String)> = Vec::new();
    if let Ok(parsed) = Url::parse(&request.url) {
        headers.push((HOST, parsed[url::Position::BeforeHost..url::Position::AfterPort].to_owned()));
    }
    headers.push((USER_AGENT, concat!("callgate/", env!("CARGO_PKG_VERSION")).to_owned()));
    headers.push((ACCEPT, "*/*".to_owned()));
    headers.push((ACCEPT_ENCODING, "gzip,br".to_owned()));
    for (name, value) in request.headers.iter().chain(&credentials.headers) {
        let text = redactor.redact(&String::from_utf8_lossy(value.as_bytes())).into_owned();
        headers.retain(|(known, _)| known != name || name == COOKIE);
        headers.push((name.clone(), text));
    }
    if let Some(cookie) = &credentials.cookie {
        let own = String::from_utf8_lossy(cookie.as_bytes()).into_owned();
        let there = headers.iter().find(|(name, _)| name == COOKIE).map(|(_, value)| value.clone());
        headers.retain(|(name, _)| name != COOKIE);
        headers.push((COOKIE, there.map_or(own.clone(), |there| format!("{there}; {own}"))));
    }
    let body =
        request.body.as_deref().map(|body| redactor.redact(&String::from_utf8_lossy(body)).into_owned());
    let curl = curl(request.method.as_str(), &url, &headers, body.as_deref());
    let headers =
        headers.into_iter().map(|(name, value)| (name.as_str().to_owned(), Value::String(value))).collect();
    Preview { request: PreviewedRequest { method: request.method.to_string(), url, headers, body }, curl }
}

fn curl(method: &str, url: &str, headers: &[(HeaderName, String)], body: Option<&str>) -> String {
    let mut line = match method {
        "GET" => "curl".to_owned(),
        "HEAD" => "curl --head".to_owned(),
        _ => format!("curl -X {method}"),
    };
    line.push(' ');
    line.push_str(&quote(url));
    for (name, value) in headers {
        // curl sets these itself.
        if ![HOST, USER_AGENT, ACCEPT, ACCEPT_ENCODING].contains(name) {
            line.push_str(&format!(" -H {}", quote(&format!("{name}: {value}"))));
        }
    }
    if let Some(body) = body {
        line.push_str(&format!(" --data-raw {}", quote(body)));
    }
    line
}

/// A word of a POSIX shell, in single quotes.
fn quote(text: &str) -> Cow<'static, str> {
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}
