//! Voiceflow's Dialog Manager, emulated: an agent answers the routes that its clients call. docs/interact.md says what is
//! emulated.
//!
//! | Route | File |
//! |---|---|
//! | `POST /state/user/{userID}/interact`, `/state/user/{userID}`, `…/variables` | `users.rs` |
//! | `POST /interact`, `GET /interact/state`, both with a version in the path | `stateless.rs` |
//! | `POST /v2/project/{projectID}/user/{userID}/interact/stream` | `stream.rs` |
//!
//! `place.rs` and `asked.rs` read a request, `session.rs` runs it, `teller.rs` writes its traces, `state.rs` reads and writes
//! states.

mod action;
mod asked;
pub(super) mod carriage;
mod config;
pub(in crate::server) mod errors;
mod logs;
mod place;
mod session;
mod state;
pub(in crate::server) mod stateless;
mod stops;
pub(in crate::server) mod stream;
mod teller;
mod trace;
pub(in crate::server) mod users;
