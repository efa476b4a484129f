//! The one door out: a request, a deadline, pooled connections, a size limit,
//! and a guard that judges every address.
//!
//! Redirects are results, not journeys: a redirect could carry credentials to
//! another host. A proxy is one that the settings name; none is
//! taken from the process's environment.

mod bucket;
mod client;
#[cfg(feature = "otlp")]
mod collector;
mod clients;
mod deadline;
mod error;
mod expiry;
mod guard;
mod message;
mod pressure;
mod redirect;
mod retry_after;
mod timing;
mod tls;
mod ways;

pub(crate) use self::bucket::Bucket;
pub use self::client::{Egress, Limits, Ready, Streaming, Turn};
#[cfg(feature = "otlp")]
pub use self::collector::Collector;
pub use self::deadline::{Deadline, DeadlineExceeded};
pub use self::error::{EgressError, Overload};
pub use self::guard::{InvalidRule, Policy, Refusal};
pub use self::message::{Credentials, Response};
pub use self::pressure::LaneLoad;
pub(crate) use self::redirect::{place, redirect};
pub(crate) use self::retry_after::retry_after;
pub use self::timing::Marks;
pub use self::ways::{EnvironmentWays, Outlet, Route, Ways, WaysBuilder};
