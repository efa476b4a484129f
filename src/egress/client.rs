//! Pooled HTTP clients and the way a request goes through them.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use percent_encoding::utf8_percent_encode;
use secrecy::ExposeSecret;
use url::Url;

use crate::action::{QUERY, RequestSpec};

use super::{Credentials, Deadline, Response};

/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(90);

/// Limits of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time to connect; the deadline holds all the same.
    pub connect_timeout: Duration,
    /// Largest body, decoded.
    pub max_response_bytes: usize,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EgressError {
    /// The URL is none; nothing was sent.
    #[error("the rendered URL is invalid: {0}")]
    InvalidUrl(String),
    /// No connection; nothing was sent.
    #[error("cannot connect to the upstream")]
    Connect(#[source] reqwest::Error),
    /// The deadline passed.
    #[error("no complete answer before the deadline")]
    Deadline,
    /// The connection broke, or what came is not HTTP.
    #[error("the connection broke before the answer was complete")]
    Lost(#[source] reqwest::Error),
    /// The answer's encoding is broken.
    #[error("the answer cannot be decoded")]
    Decode(#[source] reqwest::Error),
    /// The answer is longer than the limit.
    #[error("the answer is longer than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
        /// The HTTP status that came with it.
        status: u16,
    },
}

/// The one door out. A clone is a pointer.
#[derive(Clone, Debug)]
pub struct Egress {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// One client, and so one pool, per connect timeout: the client fixes it.
    clients: RwLock<HashMap<Duration, reqwest::Client>>,
}

impl Egress {
    /// Opens the door; connections are made when they are needed.
    pub fn new() -> Self {
        // Fails only where a provider is set already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { shared: Arc::new(Shared { clients: RwLock::new(HashMap::new()) }) }
    }

    /// Sends `request` with its credentials and reads the whole answer.
    ///
    /// # Errors
    ///
    /// Every reason why there is no complete answer within the deadline and
    /// the limits. An answer of any status is no error.
    pub async fn send(
        &self,
        request: RequestSpec,
        credentials: &Credentials,
        limits: Limits,
        deadline: Deadline,
    ) -> Result<Response, EgressError> {
        let request = assemble(request, credentials)?;
        let client = self.client(limits.connect_timeout)?;
        deadline
            .within(exchange(&client, request, limits.max_response_bytes))
            .await
            .unwrap_or(Err(EgressError::Deadline))
    }

    fn client(&self, connect_timeout: Duration) -> Result<reqwest::Client, EgressError> {
        let known =
            self.shared.clients.read().ok().and_then(|clients| clients.get(&connect_timeout).cloned());
        if let Some(client) = known {
            return Ok(client);
        }
        let client = build_client(connect_timeout).map_err(EgressError::Connect)?;
        if let Ok(mut clients) = self.shared.clients.write() {
            clients.insert(connect_timeout, client.clone());
        }
        Ok(client)
    }
}

impl Default for Egress {
    fn default() -> Self {
        Self::new()
    }
}

fn build_client(connect_timeout: Duration) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tcp_nodelay(true)
        .connect_timeout(connect_timeout)
        .pool_idle_timeout(IDLE)
        .user_agent(concat!("callgate/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Joins a request and its credentials.
fn assemble(request: RequestSpec, credentials: &Credentials) -> Result<reqwest::Request, EgressError> {
    let mut url = Url::parse(&request.url).map_err(|error| EgressError::InvalidUrl(error.to_string()))?;
    if let Some((name, value)) = &credentials.query {
        let pair = format!(
            "{}={}",
            utf8_percent_encode(name, QUERY),
            utf8_percent_encode(value.expose_secret(), QUERY)
        );
        let query = match url.query() {
            Some(query) if !query.is_empty() => format!("{query}&{pair}"),
            _ => pair,
        };
        url.set_query(Some(&query));
    }
    let mut assembled = reqwest::Request::new(request.method, url);
    let headers = assembled.headers_mut();
    headers.reserve(request.headers.len() + credentials.headers.len() + 1);
    for (name, value) in request.headers {
        headers.append(name, value);
    }
    for (name, value) in &credentials.headers {
        headers.insert(name.clone(), value.clone());
    }
    if let Some(cookie) = &credentials.cookie {
        add_cookie(headers, cookie);
    }
    if let Some(body) = request.body {
        *assembled.body_mut() = Some(body.into());
    }
    Ok(assembled)
}

/// Adds a cookie to those that are there: a request has one `Cookie` line (RFC 6265 section 5.4).
fn add_cookie(headers: &mut HeaderMap, cookie: &HeaderValue) {
    let joined = headers.get(COOKIE).and_then(|there| {
        let bytes = [there.as_bytes(), b"; ", cookie.as_bytes()].concat();
        HeaderValue::from_bytes(&bytes).ok()
    });
    let mut value = joined.unwrap_or_else(|| cookie.clone());
    value.set_sensitive(true);
    headers.insert(COOKIE, value);
}

async fn exchange(
    client: &reqwest::Client,
    request: reqwest::Request,
    limit: usize,
) -> Result<Response, EgressError> {
    let mut response = client.execute(request).await.map_err(classify)?;
    let status = response.status();
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(EgressError::TooLarge { limit, status: status.as_u16() });
    }
    let first = response.chunk().await.map_err(classify)?.unwrap_or_default();
    let body = match response.chunk().await.map_err(classify)? {
        // Most answers are one piece, which is taken as it is.
        None => within_limit(first, limit, status.as_u16())?,
        Some(second) => {
            let mut body = BytesMut::with_capacity(first.len() + second.len());
            body.extend_from_slice(&first);
            body.extend_from_slice(&second);
            while let Some(more) = response.chunk().await.map_err(classify)? {
                if body.len() + more.len() > limit {
                    return Err(EgressError::TooLarge { limit, status: status.as_u16() });
                }
                body.extend_from_slice(&more);
            }
            within_limit(body.freeze(), limit, status.as_u16())?
        }
    };
    Ok(Response { status, headers: std::mem::take(response.headers_mut()), body })
}

fn within_limit(body: Bytes, limit: usize, status: u16) -> Result<Bytes, EgressError> {
    if body.len() > limit { Err(EgressError::TooLarge { limit, status }) } else { Ok(body) }
}

/// What a client error means. The URL, which may hold a key, is taken out.
fn classify(error: reqwest::Error) -> EgressError {
    let error = error.without_url();
    if error.is_connect() {
        EgressError::Connect(error)
    } else if error.is_decode() && !is_incomplete(&error) {
        EgressError::Decode(error)
    } else {
        EgressError::Lost(error)
    }
}

/// Whether a decoding failed because its input ended early.
fn is_incomplete(error: &reqwest::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::UnexpectedEof
        {
            return true;
        }
        if inner.to_string().contains("end of file before message length") {
            return true;
        }
        cause = inner.source();
    }
    false
}
