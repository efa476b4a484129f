//! What comes in: who sends it, how often, and which calls of it are let in.
//!
//! `keys` and `rate` judge who calls and how often, `webhook` what the webhook of a product shows, `limit` whether there
//! is room before a body is read, `whose` which conversation an id names, and `batch` the calls themselves, of all routes.

pub(super) mod batch;
pub(super) mod keys;
pub(super) mod limit;
mod rate;
pub(super) mod webhook;
pub(super) mod whose;
