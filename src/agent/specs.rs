//! The tools that agents offer, in the form of each model's provider: written once for each deployment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use callgate_model::Provider;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::dialect::{Dialect, SpecOptions};
use crate::executor::{Deployment, ServedEnvironment};
use crate::tool::ToolSpec;

/// The tools of all environments, as models take them.
#[derive(Debug, Default)]
pub struct AgentTools(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// What they were written for.
    deployment: Option<Arc<Deployment>>,
    lists: HashMap<(String, Provider), Arc<ToolList>>,
}

/// The tools of an environment in one form, by the name of the action.
#[derive(Debug, Default)]
pub(super) struct ToolList(Vec<(String, Arc<RawValue>)>);

impl ToolList {
    /// Those that are `offered`, in the order in which models see them.
    pub(super) fn offered<'l>(
        &'l self,
        offered: impl Fn(&str) -> bool + 'l,
    ) -> impl Iterator<Item = Arc<RawValue>> + 'l {
        self.0.iter().filter(move |(name, _)| offered(name)).map(|(_, spec)| spec.clone())
    }
}

impl AgentTools {
    /// The tools of `environment` in the form of `provider`.
    pub(super) fn of(
        &self,
        deployment: &Arc<Deployment>,
        environment: &ServedEnvironment,
        provider: Provider,
    ) -> Arc<ToolList> {
        let key = (environment.name().to_owned(), provider);
        {
            let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let is_current = kept.deployment.as_ref().is_some_and(|known| Arc::ptr_eq(known, deployment));
            if let Some(list) = kept.lists.get(&key).filter(|_| is_current) {
                return list.clone();
            }
        }
        // Not under the lock: schemas may be large.
        let list = Arc::new(written(environment, provider));
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.deployment.as_ref().is_some_and(|known| Arc::ptr_eq(known, deployment)) {
            *kept = Kept { deployment: Some(deployment.clone()), lists: HashMap::new() };
        }
        kept.lists.insert(key, list.clone());
        list
    }
}

fn written(environment: &ServedEnvironment, provider: Provider) -> ToolList {
    let dialect = dialect(provider);
    let specs = environment.offered().filter_map(|served| {
        let tool = ToolSpec::from(&served.action);
        // Neither strict nor called back: there is nothing to refuse.
        let specs = dialect.specs(std::iter::once(tool), &SpecOptions::default()).ok()?;
        let one = match provider {
            Provider::Gemini => specs.pointer("/0/functionDeclarations/0").cloned(),
            Provider::OpenAi | Provider::OpenAiResponses | Provider::Anthropic => specs.get(0).cloned(),
        };
        let raw = to_raw_value(&one.unwrap_or(Value::Null)).ok()?;
        Some((served.action.name.as_str().to_owned(), Arc::from(raw)))
    });
    ToolList(specs.collect())
}

fn dialect(provider: Provider) -> Dialect {
    match provider {
        Provider::OpenAi => Dialect::OpenAiChat,
        Provider::OpenAiResponses => Dialect::OpenAiResponses,
        Provider::Anthropic => Dialect::Anthropic,
        Provider::Gemini => Dialect::Gemini,
    }
}
