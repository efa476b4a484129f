//! A request as people are shown it: secrets masked, as it goes over the wire.

use std::borrow::Cow;

use http::HeaderName;
use http::header::{ACCEPT, ACCEPT_ENCODING, COOKIE, HOST, USER_AGENT};
use serde::Serialize;
use serde_json::{Map, Value};
use url::Url;
use utoipa::ToSchema;

use crate::action::RequestSpec;
use crate::egress::Credentials;
use crate::executor::conversation::masks::Masks;
use crate::secrets::MASK;

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

/// A request as it goes over the wire, masked, with masked credentials.
pub(in crate::executor) struct Masked {
    pub(in crate::executor) url: String,
    /// Those that the definitions set.
    pub(in crate::executor) headers: Vec<(HeaderName, String)>,
    pub(in crate::executor) body: Option<String>,
}

impl Masked {
    pub(in crate::executor) fn of(
        request: &RequestSpec,
        credentials: &Credentials,
        clean: &impl Fn(&str) -> String,
    ) -> Self {
        // As it goes over the wire, not as it was written.
        let parsed = Url::parse(&request.url).ok();
        let mut url = clean(parsed.as_ref().map_or(request.url.as_str(), Url::as_str));
        if let Some((name, _)) = &credentials.query {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&format!("{name}={MASK}"));
        }
        let mut headers: Vec<(HeaderName, String)> = Vec::new();
        for (name, value) in request.headers.iter().chain(&credentials.headers) {
            let text = clean(&String::from_utf8_lossy(value.as_bytes()));
            headers.retain(|(known, _)| known != name || name == COOKIE);
            headers.push((name.clone(), text));
        }
        if let Some(cookie) = &credentials.cookie {
            let own = String::from_utf8_lossy(cookie.as_bytes()).into_owned();
            let there = headers.iter().find(|(name, _)| name == COOKIE).map(|(_, value)| value.clone());
            headers.retain(|(name, _)| name != COOKIE);
            headers.push((COOKIE, there.map_or(own.clone(), |there| format!("{there}; {own}"))));
        }
        let body = request.body.as_deref().map(|body| clean(&String::from_utf8_lossy(body)));
        Self { url, headers, body }
    }
}

pub(in crate::executor) fn describe(
    request: &RequestSpec,
    credentials: &Credentials,
    masks: &Masks<'_>,
) -> Preview {
    let clean = |text: &str| masks.request(text);
    let Masked { url, headers: defined, body } = Masked::of(request, credentials, &clean);
    let parsed = Url::parse(&request.url).ok();
    let curl = curl(request.method.as_str(), &url, &defined, body.as_deref());
    let host = parsed.map(|url| url[url::Position::BeforeHost..url::Position::AfterPort].to_owned());
    let automatic = [
        (HOST, host.unwrap_or_default()),
        (USER_AGENT, concat!("callgate/", env!("CARGO_PKG_VERSION")).to_owned()),
        (ACCEPT, "*/*".to_owned()),
        (ACCEPT_ENCODING, "gzip,br".to_owned()),
    ];
    let headers = automatic
        .into_iter()
        .filter(|(name, _)| !defined.iter().any(|(own, _)| own == name))
        .chain(defined.iter().cloned())
        .map(|(name, value)| (name.as_str().to_owned(), Value::String(value)))
        .collect();
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
        line.push_str(&format!(" -H {}", quote(&format!("{name}: {value}"))));
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
