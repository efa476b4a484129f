//! Lists of tool specs: written once for each deployment, environment and form, then kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::action::Action;
use crate::dialect::{Dialect, NoSpecs, SpecOptions};
use crate::executor::{Deployment, ServedEnvironment};
use crate::tool::ToolSpec;

use super::etag;

/// Most lists that are kept; callers may name any `base_url`.
const MAX_KEPT: usize = 64;

/// Which list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SpecList {
    pub(super) environment: String,
    pub(super) dialect: Dialect,
    pub(super) strict: bool,
    pub(super) base_url: Option<String>,
    pub(super) language: Option<String>,
    pub(super) moment: Moment,
}

/// For which moment of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Moment {
    /// Whatever state it is in: all that a model may ever call.
    Any,
    /// In this state, or in none.
    In(Option<String>),
}

impl Moment {
    /// The moment of a conversation that is in `state`; the same for all states in which the
    /// environment offers the same, so that lists are not kept twice, nor for any text.
    pub(super) fn in_state(deployment: &Deployment, environment: &str, state: Option<String>) -> Self {
        match with_states(deployment, environment) {
            Some(environment) => Self::In(state.filter(|state| environment.knows_state(state))),
            None => Self::Any,
        }
    }

    /// Whether the state of a conversation changes what the environment offers.
    pub(super) fn matters(deployment: &Deployment, environment: &str) -> bool {
        with_states(deployment, environment).is_some()
    }

    /// Whether what is available in these states, or in all, is available now.
    pub(super) fn is_among(&self, available_in: Option<&[String]>) -> bool {
        match (self, available_in) {
            (Self::Any, _) | (Self::In(_), None) => true,
            (Self::In(state), Some(states)) => state.as_ref().is_some_and(|state| states.contains(state)),
        }
    }

    fn has(&self, action: &Action) -> bool {
        self.is_among(action.guards.available_in.as_deref())
    }
}

/// A list as it is sent.
#[derive(Clone, Debug)]
pub(super) struct Specs {
    /// The list.
    pub(super) json: Bytes,
    /// The same for two lists only if they are the same.
    pub(super) etag: HeaderValue,
}

/// The lists that have been asked for since the last reload.
#[derive(Debug, Default)]
pub(super) struct KeptSpecs(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// What they were made from.
    deployment: Option<Arc<Deployment>>,
    lists: HashMap<SpecList, Specs>,
}

impl KeptSpecs {
    /// The list, made now if it is not there yet.
    ///
    /// # Errors
    ///
    /// There is no such list: see [`NoSpecs`].
    pub(super) fn get(&self, deployment: &Arc<Deployment>, list: SpecList) -> Result<Specs, NoSpecs> {
        if let Some(specs) = self.find(deployment, &list) {
            return Ok(specs);
        }
        // Not under the lock: schemas may be large.
        let specs = make(deployment, &list)?;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.deployment.as_ref().is_some_and(|known| Arc::ptr_eq(known, deployment)) {
            *kept = Kept { deployment: Some(deployment.clone()), lists: HashMap::new() };
        }
        if kept.lists.len() >= MAX_KEPT {
            kept.lists.clear();
        }
        kept.lists.insert(list, specs.clone());
        Ok(specs)
    }

    fn find(&self, deployment: &Arc<Deployment>, list: &SpecList) -> Option<Specs> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let current = kept.deployment.as_ref().is_some_and(|known| Arc::ptr_eq(known, deployment));
        if current { kept.lists.get(list).cloned() } else { None }
    }
}

fn with_states<'d>(deployment: &'d Deployment, environment: &str) -> Option<&'d ServedEnvironment> {
    deployment.environment(environment).filter(|one| one.has_states())
}

fn make(deployment: &Deployment, list: &SpecList) -> Result<Specs, NoSpecs> {
    let environment = deployment.environment(&list.environment);
    let offered = environment.into_iter().flat_map(ServedEnvironment::offered);
    let actions = offered.map(|served| &served.action).filter(|action| list.moment.has(action));
    let options = SpecOptions {
        strict: list.strict,
        base_url: list.base_url.as_deref(),
        environment: &list.environment,
        language: list.language.as_deref(),
    };
    let specs = list.dialect.specs(actions.map(ToolSpec::from), &options)?;
    let json = Bytes::from(specs.to_string());
    let digest = HEXLOWER.encode(&Sha256::digest(&json)[..16]);
    let etag = HeaderValue::try_from(format!("\"{digest}\"")).unwrap_or(HeaderValue::from_static("\"\""));
    Ok(Specs { json, etag })
}

impl Specs {
    /// The list, or that the caller has it already (RFC 9110 section 13.1.2).
    pub(super) fn answer(self, headers: &HeaderMap) -> Response {
        let known = etag::is_known(headers, &self.etag);
        // Asked for again each time: a reload or another key changes it.
        let cache = HeaderValue::from_static("private, no-cache");
        let common = [(ETAG, self.etag.clone()), (CACHE_CONTROL, cache)];
        if known {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        let json = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        (common, json, Body::from(self.json)).into_response()
    }
}
