//! Retell's custom LLM: an agent answers a phone call over a WebSocket that Retell opens.
//!
//! ```text
//! door.rs     a request with the right secret becomes a connection
//! session.rs  what Retell asks for becomes turns, one at a time; the latest counts
//! frames.rs, transcript.rs, details.rs   read what comes; answer.rs   writes the events of a turn as frames
//! ```

mod answer;
mod details;
mod door;
mod frames;
mod session;
mod transcript;

pub(crate) use self::door::open;
