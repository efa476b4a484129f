//! A project that is loaded again: all of it, or the former one serves on.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::Mutex;

use crate::definition::{Problem, Problems, Severity};
use crate::executor::Gateway;
use crate::project::{self, Edits, Project};
use crate::settings::Settings;
use crate::telemetry::LogMask;

use super::exposure::{ServeError, check_exposure};

/// Loads the project again when asked to, once at a time.
#[derive(Debug)]
pub struct Reloader {
    dir: PathBuf,
    /// The settings the process was started with: its address and its log stay.
    started: Settings,
    log: LogMask,
    one_at_a_time: Mutex<()>,
    history: ArcSwap<History>,
    edits: Edits,
}

/// What came of loading the project.
#[derive(Clone, Debug)]
pub(super) struct History {
    /// When the project that is served was loaded.
    pub(super) loaded_at: Timestamp,
    /// What is wrong with it: warnings.
    pub(super) problems: Vec<Problem>,
    /// The latest reload.
    pub(super) latest: Option<Latest>,
}

/// A reload.
#[derive(Clone, Debug)]
pub(super) struct Latest {
    pub(super) at: Timestamp,
    /// Why it was refused, if it was.
    pub(super) refused: Option<Refused>,
}

/// Why the former project serves on.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub(super) reason: String,
    pub(super) problems: Vec<Problem>,
}

/// Why the former project serves on.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The project has errors.
    #[error("reload refused: the project has errors; the old one serves on")]
    Problems(Vec<Problem>),
    /// Anybody on the network could call.
    #[error("reload refused: {0}")]
    Exposed(#[from] ServeError),
    /// Keys guard the gateway, and would no more.
    #[error(
        "reload refused: callgate.toml has no `[[keys]]` any more, and anybody on this machine could call; the old one serves on. If that is meant, restart"
    )]
    Unguarded,
    /// The loading itself failed: a bug of ours.
    #[error("reload failed: {0}")]
    Failed(String),
}

impl ReloadError {
    /// What is wrong with the project that was to be loaded; empty where it is refused for something else.
    pub(super) fn problems(&self) -> &[Problem] {
        match self {
            Self::Problems(problems) => problems,
            Self::Exposed(_) | Self::Unguarded | Self::Failed(_) => &[],
        }
    }
}

impl Reloader {
    /// Reloads the project in `dir`, which was started with these settings and has these problems.
    pub fn new(dir: PathBuf, started: Settings, log: LogMask, problems: Problems) -> Arc<Self> {
        let history = History { loaded_at: Timestamp::now(), problems: problems.sorted(), latest: None };
        Arc::new(Self {
            edits: Edits::new(&dir),
            dir,
            started,
            log,
            one_at_a_time: Mutex::new(()),
            history: ArcSwap::from_pointee(history),
        })
    }

    /// The definitions of the project, to be read and edited.
    pub(super) fn edits(&self) -> &Edits {
        &self.edits
    }

    /// What came of loading the project.
    pub(super) fn history(&self) -> Arc<History> {
        self.history.load_full()
    }

    /// Loads the project and has `gateway` serve it, whole, or not at all; `take` gets its settings. Logs every problem
    /// and returns the warnings.
    ///
    /// # Errors
    ///
    /// The former project serves on.
    pub(super) async fn reload(
        &self,
        gateway: &Gateway,
        has_keys: impl Fn() -> bool,
        take: impl FnOnce(&Settings),
    ) -> Result<Vec<Problem>, ReloadError> {
        let _turn = self.one_at_a_time.lock().await;
        let outcome = self.load(gateway, has_keys, take).await;
        let problems = outcome.as_ref().map_or_else(ReloadError::problems, Vec::as_slice);
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
        self.note(&outcome);
        outcome
    }

    fn note(&self, outcome: &Result<Vec<Problem>, ReloadError>) {
        let at = Timestamp::now();
        let history = match outcome {
            Ok(problems) => History {
                loaded_at: at,
                problems: problems.clone(),
                latest: Some(Latest { at, refused: None }),
            },
            Err(error) => {
                let problems = error.problems().to_vec();
                let refused = Refused { reason: error.to_string(), problems };
                let former = self.history();
                History { latest: Some(Latest { at, refused: Some(refused) }), ..(*former).clone() }
            }
        };
        self.history.store(Arc::new(history));
    }

    async fn load(
        &self,
        gateway: &Gateway,
        has_keys: impl Fn() -> bool,
        take: impl FnOnce(&Settings),
    ) -> Result<Vec<Problem>, ReloadError> {
        let (dir, previous) = (self.dir.clone(), gateway.deployment());
        // Files are read and compiled beside the threads that serve.
        let loaded = tokio::task::spawn_blocking(move || project::load(&dir, Some(&previous))).await;
        let Project { settings, deployment, problems, .. } =
            loaded.map_err(|error| ReloadError::Failed(error.to_string()))?;
        // Calls under way have the secrets of the former project.
        let former = gateway.deployment();
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
        if settings.keys.is_empty() && has_keys() {
            return Err(ReloadError::Unguarded);
        }
        gateway.replace(deployment);
        take(&settings);
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
