//! A request as people are shown it: secrets masked, as it goes over the wire.

use http::HeaderName;
use http::header::COOKIE;
use serde::Serialize;
use serde_json::{Map, Value};
use url::Url;
use utoipa::ToSchema;

use crate::action::RequestSpec;
use crate::action::template::{SourcePlace, TracedBranch};
use crate::auth::ShownCredential;
use crate::egress::Credentials;
use crate::executor::conversation::masks::Masks;
use crate::secrets::MASK;

use super::curl::{self, ShellVariable};
use super::parts::{RequestParts, ValueOrigin, header_map, joined, percent_encode};

/// What would be sent.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Preview {
    /// The request.
    pub request: PreviewedRequest,
    /// The same as a `curl` command. Secrets stand as variables of the shell.
    pub curl: String,
    /// The variables that the command reads.
    pub credentials: Vec<ShellVariable>,
    /// The request in parts: which values stand in it, and where they come from.
    pub parts: RequestParts,
    /// The conditions of its templates, in the order in which they were asked.
    pub branches: Vec<Branch>,
}

/// A request with its secrets masked.
#[derive(Debug, Default, Serialize, ToSchema)]
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

/// A condition of a template.
#[derive(Debug, Serialize, ToSchema)]
pub struct Branch {
    /// The keyword and the condition: `if .parameters.email`.
    pub condition: String,
    /// Whether it held.
    pub taken: bool,
    /// The file that it stands in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The column, from 1, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
}

/// What a rendering tells of a condition.
impl From<&TracedBranch> for Branch {
    fn from(branch: &TracedBranch) -> Self {
        let TracedBranch { condition, taken, at } = branch;
        let (condition, taken) = (condition.clone(), *taken);
        match at {
            Some(SourcePlace { file, line, column }) => {
                let (file, line, column) = (Some(file.to_string()), Some(*line), Some(*column));
                Self { condition, taken, file, line, column }
            }
            None => Self { condition, taken, file: None, line: None, column: None },
        }
    }
}

impl Preview {
    /// The preview of `request`, which these are the parts of.
    pub(super) fn of(
        request: &RequestSpec,
        parts: RequestParts,
        branches: Vec<Branch>,
        masks: &Masks<'_>,
    ) -> Self {
        let (curl, credentials) = curl::command(request.method.as_str(), &parts);
        let parts = parts.with_automatic_headers(&request.url, masks);
        Self { request: PreviewedRequest::of(request, &parts), curl, credentials, parts, branches }
    }

    /// The preview of an action that sends no request.
    pub(super) fn of_nothing() -> Self {
        Self { curl: "# this action sends no request".to_owned(), ..Self::default() }
    }
}

impl PreviewedRequest {
    /// A request that was sent with these credentials.
    pub(super) fn sent(request: &RequestSpec, credentials: &[ShownCredential], masks: &Masks<'_>) -> Self {
        let parts = RequestParts::of(request, None, credentials, masks, &|_| ValueOrigin::Computed);
        Self::of(request, &parts.with_automatic_headers(&request.url, masks))
    }

    /// The request, which these are the parts of.
    pub(super) fn of(request: &RequestSpec, parts: &RequestParts) -> Self {
        Self {
            method: request.method.to_string(),
            url: joined(&parts.url),
            headers: header_map(&parts.headers),
            body: parts.body.as_deref().map(joined),
        }
    }
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
            url.push_str(&format!("{}={MASK}", percent_encode(name)));
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
