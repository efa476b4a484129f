//! What teams have already → definitions: OpenAPI documents, curl commands,
//! Postman collections and the tool JSON of other voice products.
//!
//! Pure: text in, files and a report out; who reads, fetches and writes is the
//! command line.
//!
//! ```text
//! text ─► one importer per kind ─► drafts ─► judged by the compiler of actions ─► files
//!                                  secrets ─► secrets.toml                        report
//! ```
//!
//! Whatever is written passes `callgate check`: an action that would not is
//! refused, with the reason the check gives. A secret of the source never
//! stands in a definition or in the report.

mod report;
mod imported;
mod names;
mod selection;
mod options;
mod emit;
mod draft;
mod repair;
mod placeholder;
mod bundle;
mod size;
mod finish;
mod describe;
mod infer;
mod request;
mod json;
mod curl;
mod hosts;
mod postman;
mod openapi;
mod vendors;
mod secrets_file;

pub use self::imported::{Imported, ImportedFile, ImportedSecret};
pub use self::options::{
    Existing, ExistingConnection, ExistingConnector, MAX_SOURCE_BYTES, Options, SourceKind,
};
pub use self::report::{ImportError, ImportedAction, NeededSecret, Note, NoteKind, Report, folded};
pub use self::secrets_file::{SecretsText, add_secrets};
pub use self::selection::{Only, PathPattern, Selection};

/// Imports `text`.
///
/// # Errors
///
/// Why the source as a whole is none of its kind; what is wrong with a part of
/// it stands in the report.
pub fn import(kind: SourceKind, text: &str, options: &Options) -> Result<Imported, ImportError> {
    hosts::check_names(kind, text, options)?;
    let mut bundle = bundle::Bundle::new(options);
    match kind {
        SourceKind::Curl => curl::import(text, &mut bundle)?,
        SourceKind::Postman => postman::import(&json::parse(text)?, &mut bundle)?,
        SourceKind::Openapi => openapi::import(&json::parse(text)?, &mut bundle)?,
        SourceKind::Vapi => vendors::vapi(&json::parse(text)?, &mut bundle)?,
        SourceKind::Elevenlabs => vendors::elevenlabs(&json::parse(text)?, &mut bundle)?,
        SourceKind::Retell => vendors::retell(&json::parse(text)?, &mut bundle)?,
        SourceKind::Voiceflow => vendors::voiceflow(&json::parse(text)?, &mut bundle)?,
        SourceKind::Atoms => vendors::atoms(&json::parse(text)?, &mut bundle)?,
    }
    Ok(bundle.finish())
}
