//! The agent endpoint, with language models that play what a test has written.

pub(crate) mod model;
pub(crate) mod shop;
mod breaker;
mod callers;
mod endpoint;
mod faults;
mod forms;
mod interact;
mod memory;
mod outage;
mod privacy;
mod retell;
mod rounds;
mod scripted;
mod writes;
