//! The baseline: what axum and reqwest cost when nothing happens between them, for a call and for a model's stream.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Response, StatusCode, header};
use axum::routing::post;
use axum::serve::ListenerExt;
use reqwest::{Client, redirect};
use tokio::net::TcpListener;

use crate::processes;

/// Serves until the benchmark ends, with as many threads as the gateway has by default.
pub(crate) fn serve(upstream: SocketAddr) -> Result<()> {
    let installed = rustls::crypto::ring::default_provider().install_default();
    installed.ok().context("a TLS provider was installed before")?;
    let client = Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .tcp_nodelay(true)
        .pool_max_idle_per_host(usize::MAX)
        .build()?;
    let router = Router::new()
        .route("/", post(forward))
        .route("/v1/chat/completions", post(stream))
        .with_state((client, format!("http://{upstream}")));
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        processes::announce(listener.local_addr()?);
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        Ok(axum::serve(listener, router).await?)
    })
}

async fn forward(
    State((client, url)): State<(Client, String)>,
    body: Bytes,
) -> Result<(StatusCode, Bytes), StatusCode> {
    let request =
        client.post(format!("{url}/tickets")).header(header::CONTENT_TYPE, "application/json").body(body);
    let response = request.send().await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    let status = response.status();
    Ok((status, response.bytes().await.map_err(|_| StatusCode::BAD_GATEWAY)?))
}

async fn stream(
    State((client, url)): State<(Client, String)>,
    body: Bytes,
) -> Result<Response<Body>, StatusCode> {
    let request = client.post(format!("{url}/v1/chat/completions"));
    let request = request.header(header::CONTENT_TYPE, "application/json").body(body);
    let answer = request.send().await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    let kind = answer.headers().get(header::CONTENT_TYPE).cloned();
    let mut response = Response::new(Body::new(reqwest::Body::from(answer)));
    response.headers_mut().extend(kind.map(|kind| (header::CONTENT_TYPE, kind)));
    Ok(response)
}
