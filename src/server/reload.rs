//! `POST /admin/reload`, and what a reload changes.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::definition::Problem;

use super::inbound::keys::Caller;
use super::problem::{ProblemCode, ProblemDocument};
use super::reloader::{ReloadError, Reloader};
use super::state::AppState;

impl AppState {
    /// Loads the project again and serves it, whole, or not at all. Logs every problem and returns the warnings.
    ///
    /// # Errors
    ///
    /// The former project serves on.
    pub async fn reload_from(&self, reloader: &Reloader) -> Result<Vec<Problem>, ReloadError> {
        reloader.reload(self.gateway(), || self.has_keys(), |settings| self.reload(settings)).await
    }
}

impl AppState {
    /// The project directory that is served.
    ///
    /// # Errors
    ///
    /// The gateway was not started from one.
    pub(super) fn project(&self) -> Result<&Arc<Reloader>, ProblemDocument> {
        self.reloader().ok_or_else(|| {
            let detail = "this gateway was not started from a project directory";
            ProblemDocument::new(ProblemCode::NotFound, detail)
        })
    }
}

/// The project has been loaded again and is served.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Reloaded {
    /// The environments served now.
    environments: Vec<String>,
    /// What `callgate check` warns of.
    #[schema(value_type = Vec<Object>)]
    warnings: Vec<Problem>,
}

/// Loads the project again, whole or not at all.
///
/// With keys, only a key with `admin = true` may.
#[utoipa::path(
    post, path = "/admin/reload", tag = "admin",
    responses(
        (status = 200, description = "the project has been loaded again and is served", body = Reloaded),
        (status = 422, description = "the project has errors, each in `problems`; the former one serves on", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "4XX", description = "the request is broken, or the key may not", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn reload(
    State(state): State<AppState>,
    caller: Caller,
) -> Result<Response, ProblemDocument> {
    caller.must_be_admin()?;
    let reloader = state.project()?;
    match state.reload_from(reloader).await {
        Ok(warnings) => {
            let environments = state.gateway().deployment().environment_names().to_vec();
            Ok(Json(Reloaded { environments, warnings }).into_response())
        }
        Err(error) => {
            let document = ProblemDocument::new(ProblemCode::ReloadRefused, error.to_string());
            Err(ProblemDocument { problems: error.problems().into(), ..document })
        }
    }
}
