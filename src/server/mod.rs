//! The HTTP face: routes, inbound keys, problem documents.

mod body;
mod calls;
mod conversations;
mod dialects;
mod execution;
mod keys;
mod limit;
mod listing;
#[cfg_attr(not(feature = "mcp"), path = "no_mcp.rs")]
mod mcp;
mod openapi;
mod problem;
mod progress;
mod reload;
mod run;
mod specs;
mod state;
mod stateless;
mod stream;
mod unbroken;
mod webhooks;
mod whose;

pub use self::keys::NewKey;
pub use self::listing::{OWN_FORMAT, own_specs};
pub use self::mcp::{StdioError, serve_stdio};
pub use self::openapi::document as openapi;
pub use self::problem::{ProblemCode, ProblemDocument};
pub use self::reload::{ReloadError, Reloader};
pub use self::run::{ServeError, check_exposure, serve, serve_on_workers};
pub use self::state::AppState;

use self::keys::Caller;

use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Serialize;

use crate::auth::Product;
use crate::executor::Movable;

/// Every route of the gateway.
pub fn router(state: AppState) -> Router {
    let limited = Router::new()
        .route("/v1/tools", get(listing::tools))
        .route("/v1/tool-calls", post(calls::create))
        .route("/v1/tool-calls/{id}", delete(execution::cancel))
        .route("/v1/openai/chat/tool-calls", post(dialects::openai_chat))
        .route("/v1/openai/responses/tool-calls", post(dialects::openai_responses))
        .route("/v1/openai/realtime/tool-calls", post(dialects::openai_realtime))
        .route("/v1/anthropic/tool-calls", post(dialects::anthropic))
        .route("/v1/gemini/tool-calls", post(dialects::gemini))
        .route("/v1/actions", get(listing::actions))
        .route("/v1/actions/{name}", get(listing::action))
        .route("/v1/actions/{name}/preview", post(calls::preview))
        .route("/v1/environments", get(listing::environments))
        .route("/v1/conversations", get(conversations::list).post(conversations::create))
        .route(
            "/v1/conversations/{id}",
            get(conversations::show).patch(conversations::change).delete(conversations::end),
        )
        .route("/v1/conversations/{id}/render", post(conversations::prompt::render))
        .route("/v1/conversations/{id}/events", get(conversations::events::events))
        .route("/mcp/{environment}", post(mcp::serve).get(mcp::serve).delete(mcp::serve))
        .route("/admin/reload", post(reload::reload))
        .route("/metrics", get(metrics))
        .route_layer(from_fn_with_state(state.clone(), limit::admit));
    // What these products show is checked by themselves, where they have rules.
    let by_key = |product| from_fn_with_state((state.clone(), product), limit::admit_webhook);
    let vapi = Router::new()
        .route("/webhooks/vapi/{environment}", post(webhooks::vapi))
        .route_layer(by_key(Product::Vapi));
    let retell = Router::new()
        .route(
            "/webhooks/retell/{environment}",
            post(webhooks::retell).put(webhooks::retell).patch(webhooks::retell),
        )
        .route(
            "/webhooks/retell/{environment}/{action}",
            get(webhooks::retell_action)
                .post(webhooks::retell_action)
                .put(webhooks::retell_action)
                .patch(webhooks::retell_action)
                .delete(webhooks::retell_action),
        )
        .route_layer(by_key(Product::Retell));
    let elevenlabs = Router::new()
        .route("/webhooks/elevenlabs/{environment}/{action}", post(webhooks::elevenlabs))
        .route_layer(by_key(Product::ElevenLabs));
    Router::new()
        .merge(limited)
        .merge(vapi)
        .merge(retell)
        .merge(elevenlabs)
        .route("/openapi.json", get(openapi::serve))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(from_fn(movable))
        .with_state(state)
}

/// Lets a request move aside for long work.
async fn movable(request: Request, next: Next) -> Response {
    Movable::new(next.run(request)).await
}

/// Metrics in the text format of OpenMetrics, for Prometheus.
///
/// A key sees the series of its environments, and what is counted for the whole process.
#[utoipa::path(
    get, path = "/metrics", tag = "health",
    responses((status = 200, description = "the metrics", body = String, content_type = "application/openmetrics-text")),
    security((), ("key" = []))
)]
async fn metrics(State(state): State<AppState>, caller: Caller) -> ([(HeaderName, &'static str); 1], String) {
    // The type that OpenMetrics 1.0 asks for.
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, TYPE)], state.render_metrics(&|environment| caller.may_use(environment)))
}

/// The process is alive.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, description = "alive")))]
async fn healthz() -> StatusCode {
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
async fn readyz(State(state): State<AppState>) -> Response {
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
