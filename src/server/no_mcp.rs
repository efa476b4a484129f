//! In place of the MCP server, in a build without the feature `mcp`.

use crate::settings::{Feature, LacksFeature, McpSettings};

use super::problem::{ProblemCode, ProblemDocument};
use super::state::AppState;

/// This build has no MCP server.
pub type StdioError = LacksFeature;

/// The state of an MCP server that is not there.
#[derive(Debug)]
pub(super) struct Mcp;

impl Mcp {
    pub(super) fn new(_: &McpSettings) -> Self {
        Self
    }

    pub(super) fn reloaded(&self) {}

    pub(super) fn stop(&self) {}
}

/// The MCP server, which this build lacks.
#[utoipa::path(
    method(get, post, delete), path = "/mcp/{environment}", tag = "mcp", params(("environment" = String, Path, description = "whose tools")),
    responses((status = 404, description = "this build has no MCP server", body = ProblemDocument, content_type = "application/problem+json"))
)]
pub(super) async fn serve() -> ProblemDocument {
    ProblemDocument::new(ProblemCode::NotFound, LacksFeature(Feature::Mcp).to_string())
}

/// Refuses.
///
/// # Errors
///
/// Always.
pub async fn serve_stdio(_: AppState, _: String, _: Option<String>) -> Result<(), StdioError> {
    Err(LacksFeature(Feature::Mcp))
}
