//! How a gateway is asked: over HTTP, or in this process.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use callgate::action::RequestSpec;
use callgate::definition::Problems;
use callgate::egress::{
    Credentials, Deadline, Egress, EgressError, Limits, Outlet, Policy, Route, WaysBuilder,
};
use futures_util::stream::{Stream, StreamExt as _, unfold};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tower_service::Service;
use url::{Host, Url};

/// An answer takes no longer: the longest turn that an agent may have, and what comes before it.
const LONGEST_ANSWER: Duration = Duration::from_secs(600);
/// A turn that has nothing to say sends a comment sooner.
const LONGEST_SILENCE: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// More than the texts of a whole turn.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// As much of an error is read.
const MOST_OF_A_PROBLEM: usize = 64 * 1024;

/// The pieces of an answer; dropped before their end, the caller has hung up.
pub(super) type Pieces<'l> = Pin<Box<dyn Stream<Item = anyhow::Result<Bytes>> + 'l>>;

type Answer<'l> = Pin<Box<dyn Future<Output = Response<Pieces<'static>>> + 'l>>;

/// A gateway that can be asked.
pub(super) enum Line {
    /// Over HTTP.
    There(Box<There>),
    /// In this process, through the same routes.
    Here(Box<dyn Fn(Request<Full<Bytes>>) -> Answer<'static>>),
}

/// A gateway that listens somewhere.
pub(super) struct There {
    egress: Egress,
    base: Url,
    route: Route,
    credentials: Credentials,
}

/// Why a gateway has not done what it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{detail} ({code})")]
pub(super) struct Refused {
    code: String,
    detail: String,
}

impl Line {
    /// To the gateway at `url`, with its key if it has one.
    ///
    /// # Errors
    ///
    /// The URL leads to no gateway, or the key is none.
    pub(super) fn to(url: &str, key: Option<&str>) -> anyhow::Result<Self> {
        // The address that clients of OpenAI's API are given leads to the same gateway.
        let root = url.trim_end_matches('/');
        let written = format!("{}/", root.strip_suffix("/v1").unwrap_or(root));
        let base = Url::parse(&written).with_context(|| format!("`{url}` is not a URL"))?;
        let is_plain = base.query().is_none() && base.username().is_empty() && base.password().is_none();
        anyhow::ensure!(
            ["http", "https"].contains(&base.scheme()) && is_plain,
            "`{url}` is not the address of a gateway, such as http://127.0.0.1:8080"
        );
        let outlet = Outlet { policy: only_to(&base)?, proxy: None };
        let mut ways = WaysBuilder::new(None, None);
        let mut ways = ways.environment("", &outlet, &|_| None);
        let route = ways.to_url(base.as_str(), None, &mut Problems::default());
        let route = route.with_context(|| format!("`{url}` is not a URL"))?;
        let mut credentials = Credentials::default();
        if let Some(key) = key {
            let value = HeaderValue::try_from(format!("Bearer {key}"));
            let mut value = value.context("the key has characters that no key has")?;
            value.set_sensitive(true);
            credentials.headers.push((AUTHORIZATION, value));
        }
        Ok(Self::There(Box::new(There { egress: Egress::new(), base, route, credentials })))
    }

    /// To routes in this process.
    pub(super) fn through<S, B>(routes: S) -> Self
    where
        S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible> + Clone + 'static,
        B: BodyExt<Data = Bytes> + Unpin + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        Self::Here(Box::new(move |request| {
            let mut routes = routes.clone();
            Box::pin(async move {
                let Ok(answer) = routes.call(request).await;
                answer.map(pieces_of)
            })
        }))
    }

    /// Asks for what is at `path`, which has no slash at its start; with a body, it is posted.
    ///
    /// # Errors
    ///
    /// There is no answer, or the gateway refuses.
    pub(super) async fn ask(&self, path: &str, body: Option<&Value>) -> anyhow::Result<Pieces<'_>> {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let body = body.map(|body| Bytes::from(body.to_string()));
        let json = HeaderValue::from_static("application/json");
        let (status, mut pieces): (StatusCode, Pieces<'_>) = match self {
            Self::There(there) => {
                let headers = body.iter().map(|_| (CONTENT_TYPE, json.clone())).collect();
                let url = there.base.join(path)?.into();
                there.open(RequestSpec { method, url, headers, body }).await.map_err(|error| {
                    let causes =
                        std::iter::successors(Some(&error as &dyn std::error::Error), |cause| cause.source());
                    let causes: Vec<String> = causes.map(ToString::to_string).collect();
                    anyhow::anyhow!("cannot reach {}: {}", there.base, causes.join(": "))
                })?
            }
            Self::Here(routes) => {
                let request = Request::builder()
                    .method(method)
                    .uri(format!("/{path}"))
                    // Without keys, a gateway is asked under a name of this machine.
                    .header(HOST, "localhost")
                    .header(CONTENT_TYPE, json)
                    .body(Full::new(body.unwrap_or_default()))?;
                let (head, pieces) = routes(request).await.into_parts();
                (head.status, pieces)
            }
        };
        if status.is_success() {
            return Ok(pieces);
        }
        Err(refused(status, &whole(&mut pieces, MOST_OF_A_PROBLEM).await?).into())
    }

    /// The same, read as JSON.
    ///
    /// # Errors
    ///
    /// There is no answer, the gateway refuses, or what answers is no gateway.
    pub(super) async fn ask_for_json(&self, path: &str) -> anyhow::Result<Value> {
        let mut pieces = self.ask(path, None).await?;
        let text = whole(&mut pieces, MOST_BYTES).await?;
        serde_json::from_slice(&text).context("what answers is not a gateway")
    }
}

impl There {
    async fn open(&self, request: RequestSpec) -> Result<(StatusCode, Pieces<'_>), EgressError> {
        let limits = Limits {
            connect_timeout: CONNECT_TIMEOUT,
            read_timeout: Some(LONGEST_SILENCE),
            max_response_bytes: MOST_BYTES,
        };
        let deadline = Deadline::after(LONGEST_ANSWER);
        let ready = self.egress.ready(&request, &self.credentials, &self.route, limits)?;
        let answer = ready.turn(deadline).await?.open(deadline).await?;
        let status = answer.status();
        let pieces = unfold(answer, move |mut answer| async move {
            let piece = answer.piece(deadline).await.transpose()?;
            Some((piece.map_err(anyhow::Error::new), answer))
        });
        Ok((status, Box::pin(pieces)))
    }
}

/// Allows the host of a URL, which somebody has asked for, and no other one.
fn only_to(url: &Url) -> anyhow::Result<Policy> {
    let host = match url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        None => anyhow::bail!("`{url}` names no host"),
    };
    let mut policy = Policy::default();
    policy.allow(&host).map_err(|error| anyhow::anyhow!(error.message))?;
    Ok(policy)
}

fn pieces_of<B>(body: B) -> Pieces<'static>
where
    B: BodyExt<Data = Bytes> + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let frames = unfold(body, |mut body| async move {
        let frame = body.frame().await?;
        Some((frame.map_err(anyhow::Error::new), body))
    });
    Box::pin(frames.filter_map(|frame| async { frame.map(|frame| frame.into_data().ok()).transpose() }))
}

async fn whole(pieces: &mut Pieces<'_>, most: usize) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    while let Some(piece) = pieces.next().await {
        text.extend_from_slice(&piece?);
        if text.len() > most {
            text.truncate(most);
            break;
        }
    }
    Ok(text)
}

/// What a problem document says (RFC 9457); of anything else, its status.
fn refused(status: StatusCode, body: &[u8]) -> Refused {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let member = |name: &str| problem[name].as_str().map(str::to_owned);
    Refused {
        code: member("code").unwrap_or_else(|| format!("HTTP {}", status.as_u16())),
        detail: member("detail").unwrap_or_else(|| "the gateway refuses".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_leads_to_no_gateway_is_told() {
        for (url, part) in [
            ("127.0.0.1:8080", "is not"),
            ("ftp://127.0.0.1/", "is not the address of a gateway"),
            ("http://ann:secret@127.0.0.1/", "is not the address of a gateway"),
            ("http://127.0.0.1/?a=1", "is not the address of a gateway"),
        ] {
            let error = Line::to(url, None).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(part), "{url}: {error}");
        }
        for url in [
            "http://127.0.0.1:8080",
            "http://localhost/below",
            "http://localhost:8080/v1/",
            "http://[::1]:8080/",
            "https://gate.example.com",
        ] {
            assert!(Line::to(url, Some("cg_1")).is_ok(), "{url}");
        }
        assert!(Line::to("http://localhost", Some("a\nb")).is_err());
    }

    #[test]
    fn what_is_no_problem_document_is_told_by_its_status() {
        let told = |status: u16, body: &str| {
            refused(StatusCode::from_u16(status).unwrap(), body.as_bytes()).to_string()
        };
        assert_eq!(
            told(404, r#"{"code": "unknown_agent", "detail": "there is none"}"#),
            "there is none (unknown_agent)"
        );
        assert_eq!(told(502, "<html>"), "the gateway refuses (HTTP 502)");
    }
}
