//! Finding, undoing and comparing texts.
//!
//! [`Finder`] looks for many texts at once; [`disguise`] sees through JSON, percent and HTML escapes; [`closest()`] is the one
//! "did you mean" of all messages; the rest reads and writes JSON Pointers.

mod beginnings;
mod closest;
pub mod disguise;
mod finder;
pub mod percent;
mod pointer;

pub use self::closest::closest;
pub use self::finder::Finder;
pub use self::pointer::{escape_token, push_token, unescape_token};
