//! JSON Schema, for the arguments of a tool.
//!
//! [`parameters`] compiles a schema and checks arguments against it; [`lower`] brings a schema down
//! to what a model provider takes. Both see a schema through [`keyword`], the one table of keywords,
//! [`walk`], which lists the schemas inside a schema, and [`mod@reference`], which follows a `$ref`.

pub mod keyword;
pub mod walk;
pub mod reference;
pub mod parameters;
pub mod lower;
