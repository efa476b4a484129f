//! `GET /metrics`, `/healthz` and `/readyz`.

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use super::inbound::keys::Caller;
use super::state::AppState;

/// Metrics in the text format of OpenMetrics, for Prometheus.
///
/// A key sees the series of its environments, and what is counted for the whole process.
#[utoipa::path(
    get, path = "/metrics", tag = "health",
    responses((status = 200, description = "the metrics", body = String, content_type = "application/openmetrics-text")),
    security((), ("key" = []))
)]
pub(super) async fn metrics(
    State(state): State<AppState>,
    caller: Caller,
) -> ([(HeaderName, &'static str); 1], String) {
    // The type that OpenMetrics 1.0 asks for.
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, TYPE)], state.render_metrics(&|environment| caller.may_use(environment)))
}

/// The process is alive.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, description = "alive")))]
pub(super) async fn healthz() -> StatusCode {
    StatusCode::OK
}

/// The process serves calls.
#[utoipa::path(
    get, path = "/readyz", tag = "health",
    responses(
        // Most replies have no body, which the document cannot say of one that may have one.
        (status = 200, description = "ready; where the store may forget, a JSON object with `store` and `warnings`"),
        (status = 503, description = "stopping: no more calls are taken")
    )
)]
pub(super) async fn readyz(State(state): State<AppState>) -> Response {
    let status = if state.is_stopping() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let store = state.gateway().store();
    match store.concerns() {
        warnings if warnings.is_empty() => status.into_response(),
        warnings => (status, Json(Readiness { store: store.backend(), warnings })).into_response(),
    }
}

/// What a person should know of a gateway that serves; there is none where there is nothing to know.
#[derive(Debug, Serialize)]
struct Readiness {
    /// The kind of store: `memory`, `sqlite` or `redis`.
    store: &'static str,
    /// What may be lost by the way the store is set up.
    warnings: Vec<String>,
}
