//! The console's side of the gateway: the page, definitions and their problems, what a preview and an inspection tell.

mod definitions;
mod inspection;
mod page;
mod provenance;
mod status;
