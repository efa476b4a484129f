//! `GET /v1/problems`, `/v1/definitions`, `PUT /v1/definitions/{file}` and `POST /v1/check`: the project as it is written.
//!
//! Definitions belong to the whole deployment, so with keys every route needs one with `admin = true`. They can be saved
//! only with `serve --edit`.

use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::definition::Problem;
use crate::project::{DefinitionFile, DefinitionText, EditError, Edits, Expected};

use super::body::{JsonBody, RawBody, Segment};
use super::etag;
use super::inbound::keys::Caller;
use super::problem::{OnDisk, ProblemCode, ProblemDocument};
use super::state::AppState;

/// What is wrong with the project.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProblemsView {
    /// When the project that is served was loaded (RFC 3339, UTC).
    loaded_at: String,
    /// What is wrong with it, as `callgate check --json` prints it.
    #[schema(value_type = Vec<Object>)]
    problems: Vec<Problem>,
    /// The latest reload, if it was refused: the former project serves on.
    refused: Option<RefusedView>,
}

/// A reload that was refused.
#[derive(Debug, Serialize, ToSchema)]
struct RefusedView {
    /// When (RFC 3339, UTC).
    at: String,
    /// Why.
    reason: String,
    /// What is wrong with the project that was to be loaded.
    #[schema(value_type = Vec<Object>)]
    problems: Vec<Problem>,
}

/// The definitions of the project.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DefinitionList {
    /// Whether they can be saved.
    edit: bool,
    /// The files.
    #[schema(value_type = Vec<Object>)]
    files: Vec<DefinitionFile>,
}

/// A file of the project.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DefinitionView {
    /// Its name, relative to the project.
    file: String,
    /// Its text, byte for byte.
    text: String,
    /// What `If-Match` names to replace it; the `ETag` too.
    version: String,
}

/// A file that was saved.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SavedView {
    /// Its name.
    file: String,
    /// Its version now.
    version: String,
    /// What is wrong with the project now.
    #[schema(value_type = Vec<Object>)]
    problems: Vec<Problem>,
    /// Why the former project serves on all the same; null where the new one is served.
    refused: Option<String>,
}

/// A text to be judged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckRequest {
    /// The file that it is for, such as `actions/get_order_status.yaml`; it need not exist.
    file: String,
    /// The text.
    text: String,
}

/// What is wrong with the project.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckReply {
    /// As `callgate check --json` prints it.
    #[schema(value_type = Vec<Object>)]
    problems: Vec<Problem>,
}

/// The problems of the project, and why the latest reload was refused.
#[utoipa::path(
    get, path = "/v1/problems", tag = "definitions",
    responses(
        (status = 200, description = "the problems; `ETag` names this answer", body = ProblemsView),
        (status = 304, description = "the answer that `If-None-Match` names"),
        (status = "4XX", description = "the key may not, or the gateway serves no directory", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn problems(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, ProblemDocument> {
    caller.must_be_admin_of_all()?;
    let history = state.project()?.history();
    let refused = history.latest.as_ref().and_then(|latest| {
        let refused = latest.refused.clone()?;
        Some(RefusedView { at: latest.at.to_string(), reason: refused.reason, problems: refused.problems })
    });
    let view = ProblemsView {
        loaded_at: history.loaded_at.to_string(),
        problems: history.problems.clone(),
        refused,
    };
    let text = serde_json::to_vec(&view).unwrap_or_default();
    let tag = tag_of(&HEXLOWER.encode(&Sha256::digest(&text)[..16]));
    let common = [(ETAG, tag.clone()), (CACHE_CONTROL, HeaderValue::from_static("private, no-cache"))];
    if etag::is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, common).into_response());
    }
    Ok((common, Json(view)).into_response())
}

/// The files that hold definitions, and `variables.toml`. Secrets and settings are not among them.
#[utoipa::path(
    get, path = "/v1/definitions", tag = "definitions",
    responses(
        (status = 200, description = "the files", body = DefinitionList),
        (status = "4XX", description = "the key may not, or the gateway serves no directory", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn list(
    State(state): State<AppState>,
    caller: Caller,
) -> Result<Json<DefinitionList>, ProblemDocument> {
    caller.must_be_admin_of_all()?;
    let edits = state.project()?.edits().clone();
    let files = aside(move || Ok(edits.list())).await?;
    Ok(Json(DefinitionList { edit: state.is_editable(), files }))
}

/// The text of a file.
#[utoipa::path(
    get, path = "/v1/definitions/{file}", tag = "definitions",
    params(("file" = String, Path, description = "its name, such as `actions/get_order_status.yaml`")),
    responses(
        (status = 200, description = "the text", body = DefinitionView),
        (status = "4XX", description = "no such file, or the key may not", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn show(
    State(state): State<AppState>,
    caller: Caller,
    Segment(file): Segment,
) -> Result<Response, ProblemDocument> {
    caller.must_be_admin_of_all()?;
    let DefinitionText { text, version } = read(&state, file.clone()).await?;
    let headers = headers_of(&version);
    Ok((headers, Json(DefinitionView { file, text, version })).into_response())
}

/// Saves a file, byte for byte, and loads the project again.
///
/// `If-Match` names the version that is replaced, `If-None-Match: *` says that the file is new. A text that would add
/// errors to the project is refused.
#[utoipa::path(
    put, path = "/v1/definitions/{file}", tag = "definitions",
    request_body(content = String, content_type = "text/plain", description = "the text"),
    params(
        ("file" = String, Path, description = "its name, such as `actions/get_order_status.yaml`"),
        ("If-Match" = Option<String>, Header, description = "the version that is replaced, in quotes"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: the file is new"),
    ),
    responses(
        (status = 200, description = "it is saved, and the project has been loaded again", body = SavedView),
        (status = 201, description = "it is new", body = SavedView),
        (status = 412, description = "the file has changed meanwhile; `on_disk` has it as it is now", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "the text would add errors to the project, each in `problems`", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "4XX", description = "the gateway was started without `--edit`, or the key may not", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn save(
    State(state): State<AppState>,
    caller: Caller,
    Segment(file): Segment,
    headers: HeaderMap,
    RawBody(body, _seat): RawBody,
) -> Result<Response, ProblemDocument> {
    caller.must_be_admin_of_all()?;
    if !state.is_editable() {
        let detail = "definitions cannot be edited here; start the gateway with `callgate serve --edit`";
        return Err(ProblemDocument::new(ProblemCode::ReadOnly, detail));
    }
    let reloader = state.project()?;
    let expected = expected(&headers)?;
    let is_new = expected == Expected::Absent;
    let text = String::from_utf8(body.to_vec()).map_err(|_| {
        ProblemDocument::new(ProblemCode::InvalidRequest, "the text is not UTF-8; nothing was saved")
    })?;
    let (edits, name) = (reloader.edits().clone(), file.clone());
    let (saved, problems) =
        state.in_workshop(move || edits.save(&name, &text, &expected)).await?.map_err(problem)?;
    tracing::info!(file, version = saved.version, by = caller.name(), "a definition has been edited");
    let refused = state.reload_from(reloader).await.err().map(|error| error.to_string());
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let headers = headers_of(&saved.version);
    Ok((status, headers, Json(SavedView { file, version: saved.version, problems, refused })).into_response())
}

/// Judges a text in place of a file, as `callgate check` would. Nothing is saved.
#[utoipa::path(
    post, path = "/v1/check", tag = "definitions", request_body = CheckRequest,
    responses(
        (status = 200, description = "what would be wrong with the project", body = CheckReply),
        (status = "4XX", description = "the request is broken, or the key may not", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(super) async fn check(
    State(state): State<AppState>,
    caller: Caller,
    JsonBody(request): JsonBody<CheckRequest>,
) -> Result<Json<CheckReply>, ProblemDocument> {
    caller.must_be_admin_of_all()?;
    let edits: Edits = state.project()?.edits().clone();
    let CheckRequest { file, text } = request;
    let problems = state.in_workshop(move || edits.check(&file, &text)).await?.map_err(problem)?;
    Ok(Json(CheckReply { problems }))
}

/// The text of a file.
pub(super) async fn read(state: &AppState, file: String) -> Result<DefinitionText, ProblemDocument> {
    let edits = state.project()?.edits().clone();
    aside(move || edits.read(&file)).await
}

/// Files are read beside the threads that serve.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EditError> + Send + 'static,
) -> Result<T, ProblemDocument> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|error| ProblemDocument::new(ProblemCode::Internal, error.to_string()))?;
    done.map_err(problem)
}

fn problem(error: EditError) -> ProblemDocument {
    let code = match error {
        EditError::Name(_) | EditError::Link(_) => ProblemCode::InvalidRequest,
        EditError::NotFound(_) => ProblemCode::NotFound,
        EditError::Changed(_) => ProblemCode::ChangedOnDisk,
        EditError::Invalid(_) => ProblemCode::InvalidDefinition,
        EditError::Io(..) => ProblemCode::Internal,
    };
    let document = ProblemDocument::new(code, error.to_string());
    match error {
        EditError::Changed(now) => {
            let (text, version) = now.map(|now| (now.text, now.version)).unzip();
            ProblemDocument { on_disk: Some(Box::new(OnDisk { text, version })), ..document }
        }
        EditError::Invalid(problems) => ProblemDocument { problems: problems.into(), ..document },
        EditError::Name(_) | EditError::Link(_) | EditError::NotFound(_) | EditError::Io(..) => document,
    }
}

/// The version of the file that the author of the request has seen.
fn expected(headers: &HeaderMap) -> Result<Expected, ProblemDocument> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    match (text(IF_MATCH), text(IF_NONE_MATCH)) {
        (None, Some("*")) => Ok(Expected::Absent),
        (Some(tag), None) => Ok(Expected::Version(tag.trim_matches('"').to_owned())),
        _ => {
            let detail = "say which version this replaces: `If-Match: \"VERSION\"`, or `If-None-Match: *` for a new file";
            Err(ProblemDocument::new(ProblemCode::VersionRequired, detail))
        }
    }
}

fn headers_of(version: &str) -> [(HeaderName, HeaderValue); 2] {
    [(ETAG, tag_of(version)), (CACHE_CONTROL, HeaderValue::from_static("private, no-cache"))]
}

fn tag_of(version: &str) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}
