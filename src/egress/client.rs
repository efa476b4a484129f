//! The way a request goes through the door.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use percent_encoding::utf8_percent_encode;
use secrecy::ExposeSecret;
use url::Url;

use callgate_text::percent::QUERY;

use crate::action::RequestSpec;

use super::clients::Clients;
use super::error::{EgressError, classify};
use super::guard::{LookUps, Lookup};
use super::pressure::{Lane, Permit};
use super::timing::{Marks, mark, marking};
use super::{Credentials, Deadline, Response, Route};

/// How long the end of a body is waited for that nobody reads any more.
const LONGEST_REST: Duration = Duration::from_secs(1);
/// Most bytes that are read of such a body.
const MAX_REST: usize = 16 * 1024;

/// Limits of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time to connect; the deadline holds all the same.
    pub connect_timeout: Duration,
    /// The longest silence: before the head of the answer, connecting included, and between two pieces of the body.
    pub read_timeout: Option<Duration>,
    /// Largest body, decoded.
    pub max_response_bytes: usize,
}

/// The one door out. A clone is a pointer.
#[derive(Clone, Debug)]
pub struct Egress {
    clients: Arc<Clients>,
}

impl Egress {
    /// Opens the door; connections are made when they are needed.
    pub fn new() -> Self {
        Self::with_lookup(Lookup::System(LookUps::default()))
    }

    /// The same, with names looked up in another way.
    pub(super) fn with_lookup(lookup: Lookup) -> Self {
        // Fails only where a provider is set already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { clients: Arc::new(Clients::new(lookup)) }
    }

    /// A door with connections of its own, for a thread with its own runtime.
    #[must_use]
    pub fn for_worker(&self) -> Self {
        Self { clients: Arc::new(self.clients.for_worker()) }
    }

    /// Sends `request` with its credentials over `route` and reads the whole answer.
    ///
    /// # Errors
    ///
    /// Every reason why there is no complete answer within the deadline and
    /// the limits. An answer of any status is no error.
    pub async fn send(
        &self,
        request: &RequestSpec,
        credentials: &Credentials,
        route: &Route,
        limits: Limits,
        deadline: Deadline,
    ) -> Result<Response, EgressError> {
        self.ready(request, credentials, route, limits)?.turn(deadline).await?.send(deadline, None).await
    }

    /// Makes a request ready for `route`: the same as [`Self::send`] in steps, for who does something between them.
    ///
    /// # Errors
    ///
    /// It leads somewhere else, or where nothing may be sent.
    pub fn ready<'r>(
        &self,
        request: &RequestSpec,
        credentials: &Credentials,
        route: &'r Route,
        limits: Limits,
    ) -> Result<Ready<'r>, EgressError> {
        let request = assemble(request, credentials, &route.origin)?;
        // The connector asks nobody about an address that stands in the URL.
        route.way.outlet.policy.judge_url(request.url()).map_err(EgressError::Refused)?;
        let client = self.client(route, limits)?;
        Ok(Ready { client, request, limits, lane: route.lane.as_deref() })
    }
}

/// A request with its credentials that waits for nothing but its turn.
pub struct Ready<'r> {
    client: reqwest::Client,
    request: reqwest::Request,
    limits: Limits,
    lane: Option<&'r Lane>,
}

impl<'r> Ready<'r> {
    /// Waits for the turn of the request. Who stops waiting leaves the queue, and nothing has been sent.
    ///
    /// # Errors
    ///
    /// The breaker is open, the queue is full, or the turn would not come before the deadline.
    pub async fn turn(self, deadline: Deadline) -> Result<Turn<'r>, EgressError> {
        let permit = match self.lane {
            Some(lane) => Some(lane.enter(deadline).await?),
            None => None,
        };
        Ok(Turn { ready: self, permit })
    }
}

/// A request whose turn it is; where it is dropped, the next one has its place.
pub struct Turn<'r> {
    ready: Ready<'r>,
    permit: Option<Permit<'r>>,
}

impl Turn<'_> {
    /// Sends the request and reads the whole answer. What happens when is marked in `marks`.
    ///
    /// # Errors
    ///
    /// There is no complete answer within the deadline and the limits.
    pub async fn send(self, deadline: Deadline, marks: Option<Arc<Marks>>) -> Result<Response, EgressError> {
        let Self { ready: Ready { client, request, limits, .. }, permit } = self;
        let sent = deadline.within(marking(marks, exchange(&client, request, limits))).await;
        let answer = sent.unwrap_or(Err(EgressError::Deadline));
        settle(permit, answer.as_ref().map(|response| response.status));
        answer
    }
}

impl<'r> Turn<'r> {
    /// Sends the request and gives the head of the answer; its body is read piece by piece. Who drops the answer before it
    /// is complete gives it up, and over HTTP/1.1 the connection with it.
    ///
    /// # Errors
    ///
    /// There is no head of an answer within the deadline and the limits.
    pub async fn open(self, deadline: Deadline) -> Result<Streaming<'r>, EgressError> {
        let Self { ready: Ready { client, request, limits, .. }, permit } = self;
        let opened = deadline.within(heard(client.execute(request), limits.read_timeout)).await;
        match opened.unwrap_or(Err(EgressError::Deadline)) {
            Ok(response) => Ok(Streaming { response, permit, limits, taken: 0, is_over: false }),
            Err(error) => {
                settle(permit, Err(&error));
                Err(error)
            }
        }
    }
}

/// An answer whose body is read piece by piece. Its end alone says nothing of the service: whoever reads it knows whether it
/// is [complete](Self::complete) or tells of a [failure](Self::fail). An answer that is dropped counts as neither.
pub struct Streaming<'r> {
    response: reqwest::Response,
    /// Its place at the service, until it is known what came of it.
    permit: Option<Permit<'r>>,
    limits: Limits,
    /// Bytes of the body so far.
    taken: usize,
    /// The body has ended, or has failed.
    is_over: bool,
}

impl Streaming<'_> {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The next piece of the body, decoded; `None` at its end. What is read before it is done is not lost.
    ///
    /// # Errors
    ///
    /// The body breaks off, is too long, or goes on neither before the deadline nor within the longest silence.
    pub async fn piece(&mut self, deadline: Deadline) -> Result<Option<Bytes>, EgressError> {
        let piece = deadline.within(heard(self.response.chunk(), self.limits.read_timeout)).await;
        let piece = piece.unwrap_or(Err(EgressError::Deadline)).and_then(|piece| {
            self.taken += piece.as_ref().map_or(0, Bytes::len);
            within_limit(piece, self.taken, self.limits.max_response_bytes, self.status())
        });
        self.is_over = !matches!(piece, Ok(Some(_)));
        if let Err(error) = &piece {
            settle(self.permit.take(), Err(error));
        }
        piece
    }

    /// Tells that the reader has all that it wants. The answer counts by its status, unless its body broke off. What is left
    /// of the body, mostly its end, is read without the caller, so that the connection can serve the next request.
    pub fn complete(mut self) {
        settle(self.permit.take(), Ok(self.status()));
        if !self.is_over {
            read_rest(self.response);
        }
    }

    /// Tells that the service has failed whatever the status says: the body tells of a failure, or ended too early.
    pub fn fail(mut self) {
        if let Some(permit) = self.permit.take() {
            permit.fail();
        }
    }
}

/// Reads a body to its end, if that is near. hyper keeps a connection whose body nobody reads only where the end of the body
/// has come already.
#[expect(clippy::disallowed_methods, reason = "nobody has to wait for it; bounded by LONGEST_REST")]
fn read_rest(mut response: reqwest::Response) {
    tokio::spawn(tokio::time::timeout(LONGEST_REST, async move {
        let mut taken = 0;
        while let Ok(Some(piece)) = response.chunk().await {
            taken += piece.len();
            if taken > MAX_REST {
                break;
            }
        }
    }));
}

/// Tells the breaker what came of a request.
fn settle(permit: Option<Permit<'_>>, answer: Result<StatusCode, &EgressError>) {
    if let Some(permit) = permit {
        permit.settle(answer);
    }
}

impl Egress {
    /// Makes a connection of this door's pool ready: looks the name up, connects, agrees on keys.
    ///
    /// It asks for the head of the URL that the route leads to, and shows no credentials: there is no
    /// other way to have a connection in the pool. What comes back does not matter, and a service
    /// that is failing is not asked less for it.
    ///
    /// # Errors
    ///
    /// There is no connection, or no answer within the deadline.
    pub async fn warm(&self, route: &Route, limits: Limits, deadline: Deadline) -> Result<(), EgressError> {
        let request = reqwest::Request::new(Method::HEAD, route.origin.as_ref().clone());
        route.way.outlet.policy.judge_url(request.url()).map_err(EgressError::Refused)?;
        let client = self.client(route, limits)?;
        let answer = deadline.within(client.execute(request)).await.map_err(|_| EgressError::Deadline)?;
        answer.map(drop).map_err(classify)
    }

    /// The client, and with it the pool of connections, for a route.
    fn client(&self, route: &Route, limits: Limits) -> Result<reqwest::Client, EgressError> {
        self.clients.get(&route.way, limits.connect_timeout)
    }
}

impl Default for Egress {
    fn default() -> Self {
        Self::new()
    }
}

/// Joins a request and its credentials.
fn assemble(
    request: &RequestSpec,
    credentials: &Credentials,
    origin: &Url,
) -> Result<reqwest::Request, EgressError> {
    let mut url = match request.url == origin.as_str() {
        // Nothing of it was rendered, and it was parsed when it was loaded.
        true => origin.clone(),
        false => Url::parse(&request.url).map_err(|error| EgressError::InvalidUrl(error.to_string()))?,
    };
    if !is_same_origin(&url, origin) {
        return Err(EgressError::ForeignOrigin {
            rendered: url.origin().ascii_serialization(),
            defined: origin.origin().ascii_serialization(),
        });
    }
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
    // What the client library would refuse when the call has its turn is refused before.
    if let Err(error) = http::Uri::try_from(url.as_str()) {
        return Err(EgressError::InvalidUrl(error.to_string()));
    }
    let mut assembled = reqwest::Request::new(request.method.clone(), url);
    let headers = assembled.headers_mut();
    headers.reserve(request.headers.len() + credentials.headers.len() + 1);
    for (name, value) in &request.headers {
        headers.append(name.clone(), value.clone());
    }
    for (name, value) in &credentials.headers {
        headers.insert(name.clone(), value.clone());
    }
    if let Some(cookie) = &credentials.cookie {
        add_cookie(headers, cookie);
    }
    if let Some(body) = &request.body {
        *assembled.body_mut() = Some(body.clone().into());
    }
    Ok(assembled)
}

/// Whether two URLs have one scheme, host and port (RFC 6454 section 5). Hosts
/// are static, so this holds unless something else is wrong; credentials are
/// not the thing to find that out with.
fn is_same_origin(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host_str() == other.host_str()
        && one.port_or_known_default() == other.port_or_known_default()
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
    limits: Limits,
) -> Result<Response, EgressError> {
    let (limit, silence) = (limits.max_response_bytes, limits.read_timeout);
    let mut response = heard(client.execute(request), silence).await?;
    mark(|marks| &marks.head);
    let status = response.status();
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(EgressError::TooLarge { limit, status: status.as_u16() });
    }
    let first = heard(response.chunk(), silence).await?.unwrap_or_default();
    let body = match heard(response.chunk(), silence).await? {
        // Most answers are one piece, which is taken as it is.
        None => {
            let length = first.len();
            within_limit(first, length, limit, status)?
        }
        Some(second) => {
            let mut body = BytesMut::with_capacity(first.len() + second.len());
            body.extend_from_slice(&first);
            body.extend_from_slice(&second);
            while let Some(more) = heard(response.chunk(), silence).await? {
                if body.len() + more.len() > limit {
                    return Err(EgressError::TooLarge { limit, status: status.as_u16() });
                }
                body.extend_from_slice(&more);
            }
            let length = body.len();
            within_limit(body.freeze(), length, limit, status)?
        }
    };
    Ok(Response { status, headers: std::mem::take(response.headers_mut()), body })
}

/// Waits for the next piece of an answer.
async fn heard<T>(
    piece: impl Future<Output = reqwest::Result<T>>,
    silence: Option<Duration>,
) -> Result<T, EgressError> {
    let Some(longest) = silence else { return piece.await.map_err(classify) };
    let heard = tokio::time::timeout(longest, piece).await;
    heard.map_err(|_| EgressError::Silent(longest))?.map_err(classify)
}

/// `body`, unless there are more than `limit` bytes.
fn within_limit<T>(body: T, length: usize, limit: usize, status: StatusCode) -> Result<T, EgressError> {
    if length > limit { Err(EgressError::TooLarge { limit, status: status.as_u16() }) } else { Ok(body) }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn after(wait: Duration) -> reqwest::Result<()> {
        tokio::time::sleep(wait).await;
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_keeps_coming_is_not_silent_however_long_it_takes() {
        let longest = Some(Duration::from_millis(100));
        for _ in 0..50 {
            heard(after(Duration::from_millis(99)), longest).await.unwrap();
        }
        let silent = heard(after(Duration::from_millis(101)), longest).await;
        assert!(matches!(silent, Err(EgressError::Silent(waited)) if Some(waited) == longest), "{silent:?}");
        heard(after(Duration::from_secs(3600)), None).await.unwrap();
    }
}
