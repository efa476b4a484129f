//! Agents over HTTP. An agent answers where a client expects a model.
//!
//! | Route | File |
//! |---|---|
//! | `POST /v1/chat/completions`, `POST /{environment}/v1/chat/completions` | `chat.rs`, `intake.rs`, `request.rs`, `chunks.rs` |
//! | `POST /v1/responses`, `POST /{environment}/v1/responses` | `responses.rs`, `intake.rs` |
//! | `GET /v1/models`, `GET /{environment}/v1/models` | `models.rs` |
//! | `GET /v1/agents`, `POST /v1/agents/{name}/turns` | `models.rs`, `turns.rs` |
//! | `/state/user/…`, `/interact…`, `/v2/project/…` | `interact/` |
//! | `GET /retell/llm/{environment}/{secret}/{call_id}` | `retell/` |
//!
//! Clients of this endpoint expect OpenAI errors; `errors.rs` writes them.

pub(super) mod chat;
mod chunks;
pub(super) mod errors;
mod event_stream;
mod hands;
mod intake;
pub(super) mod interact;
pub(super) mod models;
mod open;
mod request;
pub(super) mod responses;
pub(super) mod retell;
pub(super) mod turns;
