//! Queries that several routes take.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use serde::Deserialize;
use utoipa::IntoParams;

use super::problem::{ProblemCode, ProblemDocument};

/// Which environment.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EnvironmentQuery {
    /// The environment; may be left out where there is only one choice.
    pub(super) environment: Option<String>,
}

/// The query, if it can be read.
///
/// # Errors
///
/// It names what there is not, or has a value of another type.
pub(super) fn checked<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, ProblemDocument> {
    query
        .map(|Query(query)| query)
        .map_err(|error| ProblemDocument::new(ProblemCode::InvalidRequest, error.body_text()))
}
