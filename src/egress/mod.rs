//! The one door out: a request, a deadline, pooled connections, a size limit.
//!
//! Redirects are results, not journeys: a redirect could carry credentials to
//! another host. No proxy is taken from the process's environment.

mod client;
mod credentials;
mod deadline;
mod response;

pub use self::client::{Egress, EgressError, Limits};
pub use self::credentials::Credentials;
pub use self::deadline::Deadline;
pub use self::response::Response;
