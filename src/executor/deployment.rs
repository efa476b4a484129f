//! What is served: catalog, credentials and redactors that belong together.

use crate::auth::Auth;
use crate::catalog::Catalog;
use crate::definition::Problems;
use crate::secrets::{Redactor, Secrets};

use super::ExecutorLimits;

/// What is served: replaced whole on reload, so that a call never sees half of
/// two projects.
#[derive(Debug, Default)]
pub struct Deployment {
    /// All actions.
    pub catalog: Catalog,
    /// Their credentials.
    pub auth: Auth,
    /// Limits of every call.
    pub limits: ExecutorLimits,
    redactors: Vec<Redactor>,
    environment_names: Vec<String>,
}

impl Deployment {
    /// Puts together what a project compiled to.
    pub fn build(
        catalog: Catalog,
        secrets: &Secrets,
        limits: ExecutorLimits,
        previous: Option<&Self>,
        problems: &mut Problems,
    ) -> Self {
        let auth = Auth::build(&catalog, secrets, previous.map(|deployment| &deployment.auth), problems);
        let redactors = catalog
            .environments()
            .iter()
            .enumerate()
            .map(|(index, environment)| secrets.redactor(&environment.name, auth.derived(index)))
            .collect();
        let environment_names = catalog.environments().iter().map(|one| one.name.clone()).collect();
        Self { catalog, auth, limits, redactors, environment_names }
    }

    /// The served environments, in the order of the settings.
    pub fn environment_names(&self) -> &[String] {
        &self.environment_names
    }

    /// Masks the secrets of the environment called `name`.
    pub(super) fn redactor(&self, name: &str) -> Option<&Redactor> {
        self.redactors.get(self.catalog.environment_index(name)?)
    }
}
