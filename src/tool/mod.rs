//! The neutral forms of what a model sees: what it is offered ([`ToolSpec`]),
//! what it asks for ([`ToolCall`]) and what it gets ([`ToolResult`]).

mod call;
mod random;
mod result;
mod scope;
mod shortened;
mod spec;

pub use self::call::{Delivery, ToolCall, ToolCallIds, TraceContext, new_span};
pub use self::random::{random_bytes, random_u64};
pub use self::result::{
    Cancellation, Effect, FailureCode, Handover, Retry, Spoken, Status, ToolError, ToolResult,
};
pub use self::scope::{Owner, Scope};
pub use self::shortened::{MAX_CHOSEN, grouped, shortened};
pub use self::spec::ToolSpec;
