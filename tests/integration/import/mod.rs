//! `callgate import`: the command. What the importers make of a source is in `tests/pure/import`.

mod again;
mod command;
#[path = "../../pure/import/written.rs"]
pub(crate) mod written;
