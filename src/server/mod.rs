//! The HTTP face: routes, inbound keys, problem documents.

mod agent;
mod body;
mod calls;
mod console;
mod conversations;
mod definitions;
mod dialects;
mod etag;
mod execution;
mod explain;
mod exposure;
mod health;
mod inbound;
mod listing;
#[cfg_attr(not(feature = "mcp"), path = "no_mcp.rs")]
mod mcp;
mod openapi;
mod problem;
mod progress;
mod query;
mod reload;
mod reloader;
mod routes;
mod run;
mod specs;
mod state;
mod stateless;
mod status;
mod stream;
mod unbroken;
mod webhooks;
mod websocket;

pub use self::exposure::{ServeError, check_exposure};
pub use self::inbound::keys::NewKey;
pub use self::listing::{OWN_FORMAT, own_specs};
pub use self::mcp::{StdioError, serve_stdio};
pub use self::openapi::document as openapi;
pub use self::problem::{ProblemCode, ProblemDocument};
pub use self::reloader::{ReloadError, Reloader};
pub use self::routes::router;
pub use self::run::{serve, serve_on_workers};
pub use self::state::AppState;
