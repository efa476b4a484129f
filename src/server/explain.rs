//! `GET /v1/actions/{name}/definition`, `…/branches` and `…/specs`: an action, for those who write it.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::action::template::{SourcePlace, Template, TracedBranch};
use crate::dialect::lower::{Count, Fate, Note};
use crate::dialect::{Dialect, SpecOptions};
use crate::executor::{Branch, ServedAction};
use crate::project::DefinitionText;
use crate::tool::ToolSpec;

use super::body::Segment;
use super::definitions::read;
use super::inbound::keys::Caller;
use super::listing::served_action;
use super::problem::{ProblemCode, ProblemDocument};
use super::query::EnvironmentQuery;
use super::state::AppState;

/// Where a tool that calls back would find the gateway, where nothing says so: for a look at its spec.
const SOMEWHERE: &str = "https://gate.example.com";
/// Most bytes of all combinations of branches that are listed.
const MAX_BRANCHES_BYTES: usize = 2 * 1024 * 1024;
/// About what a decision takes besides its condition.
const BYTES_PER_DECISION: usize = 120;
/// Bytes of JSON for which a model reads about one token.
const BYTES_PER_TOKEN: usize = 4;

/// An action as it is written.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WrittenAction {
    /// The file, relative to the project.
    file: String,
    /// Its text, byte for byte.
    text: String,
    /// What `If-Match` names to replace the file.
    version: String,
    /// The templates of the action that stand in the file.
    templates: Vec<TemplateView>,
    /// The static variables of the environment.
    #[schema(value_type = Object)]
    static_variables: Map<String, Value>,
}

/// A template.
#[derive(Debug, Serialize, ToSchema)]
struct TemplateView {
    /// The line that it begins in, from 1.
    line: usize,
    /// The column, from 1, in characters.
    column: usize,
    /// What its values are written as: `json`, `form`, `query`, `xml`, `text`, `header` or `path_segment`.
    target: &'static str,
    /// The values that it reads.
    references: Vec<ReferenceView>,
}

/// A value that a template reads.
#[derive(Debug, Serialize, ToSchema)]
struct ReferenceView {
    /// As a template writes it: `.parameters.email`.
    reference: String,
    /// The line, from 1.
    line: usize,
    /// The column, from 1, in characters.
    column: usize,
    /// Whether it may be absent.
    guarded: bool,
}

/// What the body of an action can be.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BranchesView {
    /// Every combination of branches, rendered with made-up values; none where the body is no template.
    combinations: Vec<CombinationView>,
    /// Whether there are more than are listed.
    truncated: bool,
}

/// A combination of branches.
#[derive(Debug, Serialize, ToSchema)]
struct CombinationView {
    /// The conditions, in the order in which they are met.
    decisions: Vec<Branch>,
    /// The body, made of samples.
    text: String,
    /// Why it is not JSON, where it should be.
    problem: Option<String>,
}

/// An action as models see it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SpecsView {
    /// One for each form.
    specs: Vec<SpecView>,
}

/// An action in one form.
#[derive(Debug, Serialize, ToSchema)]
struct SpecView {
    /// The form, as `format` of `GET /v1/tools` names it.
    format: &'static str,
    /// Whether it is for OpenAI's strict mode.
    strict: bool,
    /// What stands in the array of tools.
    #[schema(value_type = Object)]
    spec: Value,
    /// Bytes of JSON.
    bytes: usize,
    /// Tokens that a model reads for it, estimated: a quarter of the bytes.
    tokens: usize,
    /// Keywords of the schema that the form keeps.
    kept: usize,
    /// Keywords that it writes in another way.
    lowered: usize,
    /// Keywords that it has no place for.
    lost: usize,
    /// What became of keywords that are not kept, and of texts that are said.
    #[schema(value_type = Vec<Object>)]
    notes: Vec<Note>,
    /// What the provider limits.
    #[schema(value_type = Vec<Object>)]
    limits: Vec<Count>,
}

/// The action as it is written, with the place of each value that its templates read.
#[utoipa::path(
    get, path = "/v1/actions/{name}/definition", tag = "definitions",
    params(("name" = String, Path, description = "name of the action"), EnvironmentQuery),
    responses(
        (status = 200, description = "the definition", body = WrittenAction),
        (status = "4XX", description = "no such action, or the key may not", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn definition(
    State(state): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Result<Query<EnvironmentQuery>, QueryRejection>,
) -> Result<Json<WrittenAction>, ProblemDocument> {
    caller.must_be_admin_of_all()?;
    let served = served_action(&state, &caller, &name, query)?;
    let file = served.action.file.clone();
    let DefinitionText { text, version } = read(&state, file.clone()).await?;
    let templates = served.action.templates().into_iter();
    Ok(Json(WrittenAction {
        templates: templates.filter_map(|template| TemplateView::of(template, &file)).collect(),
        file,
        text,
        version,
        static_variables: served.environment.static_variables.clone(),
    }))
}

/// Every combination of branches of the action's body, rendered with made-up values.
#[utoipa::path(
    get, path = "/v1/actions/{name}/branches", tag = "definitions",
    params(("name" = String, Path, description = "name of the action"), EnvironmentQuery),
    responses(
        (status = 200, description = "the combinations", body = BranchesView),
        (status = "4XX", description = "no such action, or the key may not", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn branches(
    State(state): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Result<Query<EnvironmentQuery>, QueryRejection>,
) -> Result<Response, ProblemDocument> {
    caller.must_be_admin_of_all()?;
    let served = served_action(&state, &caller, &name, query)?;
    // Up to 256 texts: made and written beside the threads that serve.
    let written =
        state.in_workshop(move || serde_json::to_vec(&BranchesView::of(&served)).unwrap_or_default());
    let json = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok((json, written.await?).into_response())
}

impl BranchesView {
    fn of(served: &ServedAction) -> Self {
        let rendered = served.action.branch_renderings(&served.environment.static_variables);
        let (rendered, mut truncated) = rendered.unwrap_or_default();
        let (mut combinations, mut bytes) = (Vec::new(), 0);
        for one in rendered {
            let conditions = one.branches.iter().map(|branch| branch.condition.len() + BYTES_PER_DECISION);
            bytes += one.text.len() + conditions.sum::<usize>();
            if bytes > MAX_BRANCHES_BYTES && !combinations.is_empty() {
                truncated = true;
                break;
            }
            combinations.push(CombinationView {
                decisions: one.branches.iter().map(|branch: &TracedBranch| branch.into()).collect(),
                text: one.text,
                problem: one.problem,
            });
        }
        Self { combinations, truncated }
    }
}

/// The action as each provider's models see it, with what the form loses.
#[utoipa::path(
    get, path = "/v1/actions/{name}/specs", tag = "catalog",
    params(("name" = String, Path, description = "name of the action"), EnvironmentQuery),
    responses(
        (status = 200, description = "the specs", body = SpecsView),
        (status = "4XX", description = "no such action", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn specs(
    State(state): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Result<Query<EnvironmentQuery>, QueryRejection>,
) -> Result<Json<SpecsView>, ProblemDocument> {
    let served = served_action(&state, &caller, &name, query)?;
    let base_url = state.server().public_url.clone();
    let base_url = base_url.as_deref().unwrap_or(SOMEWHERE);
    let mut specs = Vec::new();
    for dialect in Dialect::ALL {
        for strict in [false, true] {
            if strict && !dialect.has_strict() {
                continue;
            }
            specs.push(SpecView::of(&served, *dialect, strict, base_url)?);
        }
    }
    Ok(Json(SpecsView { specs }))
}

impl TemplateView {
    /// The template, if it stands in `file` and not in a connection.
    fn of(template: &Template, file: &str) -> Option<Self> {
        let SourcePlace { line, column, .. } =
            template.place(1, 1).filter(|place| place.file.as_ref() == file)?;
        let references = template.references().iter().filter_map(|reference| {
            let SourcePlace { line, column, .. } = template.place(reference.line, reference.column)?;
            Some(ReferenceView { reference: reference.to_string(), line, column, guarded: reference.guarded })
        });
        let (target, references) = (template.target().as_str(), references.collect());
        Some(Self { line, column, target, references })
    }
}

impl SpecView {
    fn of(
        served: &ServedAction,
        dialect: Dialect,
        strict: bool,
        base_url: &str,
    ) -> Result<Self, ProblemDocument> {
        let spec = || ToolSpec::from(&served.action);
        let options = SpecOptions {
            strict,
            base_url: Some(base_url),
            environment: &served.environment.name,
            language: None,
        };
        let made = dialect.specs(std::iter::once(spec()), &options);
        let list = made.map_err(|error| ProblemDocument::new(ProblemCode::Internal, error.to_string()))?;
        let one = match list {
            Value::Array(mut list) if list.len() == 1 => list.remove(0),
            other => other,
        };
        let report = dialect.report(spec(), strict);
        let [kept, lowered, lost] = report.totals();
        let bytes = one.to_string().len();
        let notes = report.keywords.iter().filter(|note| note.fate != Fate::Kept).chain(&report.speech);
        Ok(Self {
            format: dialect.name(),
            strict,
            spec: one,
            bytes,
            tokens: bytes.div_ceil(BYTES_PER_TOKEN),
            kept,
            lowered,
            lost,
            notes: notes.cloned().collect(),
            limits: report.counts,
        })
    }
}
