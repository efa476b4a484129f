//! MCP over standard input and output, for desktop clients that start the server themselves.

use rmcp::ServiceExt as _;
use rmcp::transport::stdio;

use crate::server::AppState;

use super::tools::{Seat, Tools};

/// Why there is no MCP server on standard input and output.
#[derive(Debug, thiserror::Error)]
pub enum StdioError {
    /// The client went away, or spoke something else, before the protocol had begun.
    #[error("the MCP client did not begin as the protocol asks: {0}")]
    Begin(String),
    /// The server itself failed.
    #[error("the MCP server broke off: {0}")]
    Broken(String),
    /// The system gives no random numbers.
    #[error("no id for the conversation: {0}")]
    Id(#[from] getrandom::Error),
}

/// Serves the tools of `environment` until standard input ends. All calls belong to one conversation: `conversation_id`,
/// else a random one.
///
/// # Errors
///
/// The client does not speak MCP, or the server failed.
pub async fn serve_stdio(
    state: AppState,
    environment: String,
    conversation_id: Option<String>,
) -> Result<(), StdioError> {
    let session = format!("mcp_{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?);
    let tools = Tools::new(state, Seat::of_process(environment, session, conversation_id));
    let serving = tools.serve(stdio()).await.map_err(|error| StdioError::Begin(error.to_string()))?;
    serving.waiting().await.map(drop).map_err(|error| StdioError::Broken(error.to_string()))
}
