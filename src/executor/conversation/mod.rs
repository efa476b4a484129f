//! The life of a conversation: what callers do with it, what calls leave in it, and what its feed tells.

pub(super) mod begun;
mod carried;
pub(super) mod feed;
pub(super) mod hooks;
pub(super) mod kept_masks;
pub(super) mod lifecycle;
pub(super) mod masks;
pub(super) mod prompt;
mod seen;
pub(super) mod states;
pub(super) mod variables;
pub(super) mod warmers;
pub(super) mod warming;
