//! Reload: the whole project anew, or the former one serves on.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use crate::definition::{Problem, Severity};
use crate::project::{self, Project};
use crate::settings::Settings;
use crate::telemetry::LogMask;

use super::keys::Caller;
use super::problem::{ProblemCode, ProblemDocument};
use super::run::check_exposure;
use super::state::AppState;

/// Loads the project again when asked to, once at a time.
#[derive(Debug)]
pub struct Reloader {
    dir: PathBuf,
    /// The settings the process was started with: its address and its log stay.
    started: Settings,
    log: LogMask,
    one_at_a_time: Mutex<()>,
}

/// Why the former project serves on.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The project has errors.
    #[error("reload refused: the project has errors; the old one serves on")]
    Problems(Vec<Problem>),
    /// Anybody on the network could call.
    #[error("reload refused: {0}")]
    Exposed(#[from] super::ServeError),
    /// Keys guard the gateway, and would no more.
    #[error(
        "reload refused: callgate.toml has no `[[keys]]` any more, and anybody on this machine could call; the old one serves on. If that is meant, restart"
    )]
    Unguarded,
    /// The loading itself failed: a bug of ours.
    #[error("reload failed: {0}")]
    Failed(String),
}

impl Reloader {
    /// Reloads the project in `dir`, which was started with these settings.
    pub fn new(dir: PathBuf, started: Settings, log: LogMask) -> Arc<Self> {
        Arc::new(Self { dir, started, log, one_at_a_time: Mutex::new(()) })
    }

    /// Loads the project and serves it, whole, or not at all; logs every
    /// problem. Gives the warnings.
    ///
    /// # Errors
    ///
    /// The former project serves on.
    pub async fn reload(&self, state: &AppState) -> Result<Vec<Problem>, ReloadError> {
        let _turn = self.one_at_a_time.lock().await;
        let outcome = self.load(state).await;
        let problems = match &outcome {
            Ok(problems) | Err(ReloadError::Problems(problems)) => problems.as_slice(),
            Err(ReloadError::Exposed(_) | ReloadError::Unguarded | ReloadError::Failed(_)) => &[],
        };
        for problem in problems {
            match problem.severity {
                Severity::Error => tracing::error!("{problem}"),
                Severity::Warning => tracing::warn!("{problem}"),
            }
        }
        match &outcome {
            Ok(_) => tracing::info!("reloaded"),
            Err(error) => tracing::error!("{error}"),
        }
        outcome
    }

    async fn load(&self, state: &AppState) -> Result<Vec<Problem>, ReloadError> {
        let (dir, previous) = (self.dir.clone(), state.gateway().deployment());
        // Files are read and compiled beside the threads that serve.
        let loaded = tokio::task::spawn_blocking(move || project::load(&dir, Some(&previous))).await;
        let Project { settings, deployment, problems, .. } =
            loaded.map_err(|error| ReloadError::Failed(error.to_string()))?;
        // Calls under way have the secrets of the former project.
        let former = state.gateway().deployment();
        self.log.mask([former.redactors(), deployment.redactors()].concat());
        let (refused, problems) = (problems.has_errors(), problems.sorted());
        if refused {
            return Err(ReloadError::Problems(problems));
        }
        // The address is the one it was started with, whatever the file says now.
        let mut now = settings.clone();
        now.server = self.started.server.clone();
        check_exposure(&now)?;
        // A file that is being written, or was cut short, is no decision to do without.
        if settings.keys.is_empty() && state.has_keys() {
            return Err(ReloadError::Unguarded);
        }
        state.gateway().replace(deployment);
        state.reload(&settings);
        let started = &self.started;
        let fixed = |settings: &Settings| {
            let Settings { server, store, log, traces, mcp, .. } = settings.clone();
            (server, store, log, traces, mcp)
        };
        if fixed(&settings) != fixed(started) {
            tracing::warn!(
                "what has changed under [server], [store], [log], [traces] and [mcp] takes effect at the next start"
            );
        }
        Ok(problems)
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
    if !caller.is_admin() {
        let detail = "this key may not: give it `admin = true` in callgate.toml";
        return Err(ProblemDocument::new(ProblemCode::AdminOnly, detail));
    }
    let Some(reloader) = state.reloader() else {
        let detail = "this gateway was not started from a project directory";
        return Err(ProblemDocument::new(ProblemCode::NotFound, detail));
    };
    match reloader.reload(&state).await {
        Ok(warnings) => {
            let environments = state.gateway().deployment().environment_names().to_vec();
            Ok(Json(Reloaded { environments, warnings }).into_response())
        }
        Err(error) => {
            let document = ProblemDocument::new(ProblemCode::ReloadRefused, error.to_string());
            let problems = match error {
                ReloadError::Problems(problems) => problems,
                ReloadError::Exposed(_) | ReloadError::Unguarded | ReloadError::Failed(_) => Vec::new(),
            };
            Err(ProblemDocument { problems, ..document })
        }
    }
}
