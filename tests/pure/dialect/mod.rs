//! What each dialect makes of a schema.

mod variants;
mod lowering;
mod invariants;
mod table;
