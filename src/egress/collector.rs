//! The way of traces: to the collector that the operator names, and nowhere else.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Runtime;

/// How long the collector may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How much of its answer is read.
const MAX_ANSWER: usize = 64 * 1024;

/// Sends what the exporter of traces gives it. The exporter has a thread of its
/// own, which knows no runtime; so this brings one. What the operator has
/// named is not judged by the address guard.
#[derive(Debug)]
pub struct Collector {
    runtime: Runtime,
    client: reqwest::Client,
}

impl Collector {
    /// Opens the way.
    ///
    /// # Errors
    ///
    /// The system gives no runtime or no client.
    pub fn new() -> Result<Self, HttpError> {
        // Fails only where a provider is set already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            .user_agent(concat!("callgate/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?, client })
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        self.runtime.block_on(async {
            let (parts, body) = request.into_parts();
            let sent = self.client.request(parts.method, parts.uri.to_string()).headers(parts.headers);
            let mut answer = sent.body(body).send().await.map_err(reqwest::Error::without_url)?;
            let mut read = Vec::new();
            while let Some(piece) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
                if read.len() + piece.len() > MAX_ANSWER {
                    return Err("the collector's answer is too long".into());
                }
                read.extend_from_slice(&piece);
            }
            let mut response = Response::new(Bytes::from(read));
            *response.status_mut() = answer.status();
            *response.headers_mut() = std::mem::take(answer.headers_mut());
            Ok(response)
        })
    }
}

impl HttpClient for Collector {
    fn send_bytes<'life0, 'async_trait>(
        &'life0 self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move { self.send(request) })
    }
}
