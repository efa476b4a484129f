//! What goes to providers, and what comes of what they send.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so and stops")]

mod corpus;
mod failures;
mod limits;
mod properties;
mod reading;
mod repairs;
mod requests;
mod rules;
mod streams;
