//! Which addresses a request may go to.
//!
//! An address is judged where it is connected to: [`Resolver`] looks a name up,
//! judges what comes back and hands on only what is allowed, so that no second
//! look-up stands between the judgement and the connection. Addresses that
//! stand in a URL are connected to without a look-up; [`Policy::judge_url`]
//! judges those.

mod lookups;
mod policy;
mod ranges;
mod resolver;
#[cfg(test)]
mod tests;

pub(super) use self::lookups::LookUps;
pub use self::policy::{InvalidRule, Policy, Refusal};
pub(super) use self::resolver::{Lookup, Resolver};
