//! JSON Schema, for the arguments of a tool.
//!
//! [`parameters`] compiles a schema and checks arguments against it; [`lower`] brings a schema down
//! to what a model provider takes.

pub mod lower;
pub mod parameters;
