//! The HTTP face: routes, inbound keys, problem documents.

mod body;
mod calls;
mod keys;
mod listing;
mod openapi;
mod problem;
mod run;
mod state;

pub use self::keys::NewKey;
pub use self::openapi::document as openapi;
pub use self::problem::{ProblemCode, ProblemDocument};
pub use self::run::{ServeError, check_exposure, serve, serve_on_workers};
pub use self::state::AppState;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};

/// Every route of the gateway.
pub fn router(state: AppState) -> Router {
    Router::new()
        .route("/v1/tools", get(listing::tools))
        .route("/v1/tool-calls", post(calls::create))
        .route("/v1/actions", get(listing::actions))
        .route("/v1/actions/{name}", get(listing::action))
        .route("/v1/actions/{name}/preview", post(calls::preview))
        .route("/v1/environments", get(listing::environments))
        .route("/openapi.json", get(openapi::serve))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .with_state(state)
}

/// The process is alive.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, description = "alive")))]
async fn healthz() -> StatusCode {
    StatusCode::OK
}

/// The process serves calls.
#[utoipa::path(get, path = "/readyz", tag = "health", responses((status = 200, description = "ready")))]
async fn readyz() -> StatusCode {
    StatusCode::OK
}
