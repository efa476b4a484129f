//! `POST /v1/conversations/{id}/render`: a prompt filled in.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::action::template::{RenderErrorCode, TemplateError};
use crate::definition::Problem;
use crate::executor::{Prompt, PromptError};

use super::super::body::{JsonBody, Segment};
use super::super::inbound::keys::Caller;
use super::super::inbound::whose;
use super::super::problem::{ProblemCode, ProblemDocument};
use super::super::query::{EnvironmentQuery, checked};
use super::super::state::AppState;

/// What the places of problems are places in.
const TEMPLATE: &str = "template";

/// A prompt to fill in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RenderRequest {
    /// The environment, where the query names none.
    environment: Option<String>,
    /// The prompt, such as `Hello {{.variables.customer.name}}!`; 64 KiB at most.
    template: String,
    /// Variables of this prompt alone: dotted names, nested objects, or both; they win over the conversation's.
    #[schema(value_type = Option<Object>)]
    variables: Option<Map<String, Value>>,
}

/// A prompt, filled in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RenderReply {
    /// The text.
    text: String,
}

/// Fills in a prompt with the variables that the model may see.
#[utoipa::path(
    post, path = "/v1/conversations/{id}/render", tag = "conversations", request_body = RenderRequest,
    params(("id" = String, Path, description = "its id"), EnvironmentQuery),
    responses(
        (status = 200, description = "the text", body = RenderReply),
        (status = "4XX", description = "no such conversation, or the template cannot be used or filled in: each place in `problems`", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "the store is out of reach", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security((), ("key" = []))
)]
pub(crate) async fn render(
    State(state): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Result<Query<EnvironmentQuery>, QueryRejection>,
    JsonBody(request): JsonBody<RenderRequest>,
) -> Result<Json<RenderReply>, ProblemDocument> {
    let RenderRequest { environment, template, variables } = request;
    let environment = whose::environment(checked(query)?.environment, environment)?;
    let conversation = super::key(&state, &caller, environment.as_deref(), &id)?;
    let prompt = Prompt { conversation, template, variables: variables.unwrap_or_default() };
    let text = state.gateway().render_prompt(prompt).await.map_err(problem)?;
    Ok(Json(RenderReply { text }))
}

fn problem(error: PromptError) -> ProblemDocument {
    let detail = error.to_string();
    let (code, problems) = match error {
        PromptError::Conversation(error) => return super::problem(error),
        PromptError::Variables(_) => (ProblemCode::InvalidVariables, Vec::new()),
        PromptError::Template(errors) => {
            (ProblemCode::InvalidTemplate, errors.into_iter().map(place).collect())
        }
        PromptError::Render(error, _) => {
            let code = match error.code {
                RenderErrorCode::MissingVariable => ProblemCode::MissingVariable,
                RenderErrorCode::TemplateError | RenderErrorCode::InvalidTemplateOutput => {
                    ProblemCode::TemplateError
                }
            };
            let problem =
                Problem::error(TEMPLATE, (error.line, error.column), error.code.as_str(), error.message);
            (code, vec![problem])
        }
        PromptError::TooLong => (ProblemCode::TemplateError, Vec::new()),
    };
    ProblemDocument { problems: problems.into(), ..ProblemDocument::new(code, detail) }
}

fn place(error: TemplateError) -> Problem {
    let TemplateError { code, line, column, message, hint, .. } = error;
    Problem::error(TEMPLATE, (line, column), code.as_str(), message).maybe_hint(hint)
}
