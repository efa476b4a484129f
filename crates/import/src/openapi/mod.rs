//! `callgate import openapi FILE|URL`: OpenAPI 3.0 and 3.1 → an action per operation.

mod document;
mod tidy;
mod schema;
mod nullable;
mod servers;
mod security;
mod authorization;
mod naming;
mod operation;
mod leaves;
mod place;
mod files;
mod body;

use serde_json::Value;

use super::bundle::Bundle;
use super::json::texts;
use super::names;
use super::report::ImportError;
use super::selection::Candidate;

use self::document::{Document, METHODS, escape};
use self::naming::Naming;
use self::operation::Operation;
use self::security::Schemes;

/// Most operations of one document.
const MAX_OPERATIONS: usize = 10_000;

/// Reads the document `root`.
pub(super) fn import(root: &Value, bundle: &mut Bundle<'_>) -> Result<(), ImportError> {
    let version = super::json::scalar(root.get("openapi").unwrap_or(&Value::Null));
    let is_30 = version.starts_with("3.0");
    if !is_30 && !version.starts_with("3.1") {
        return Err(unsupported(root, &version));
    }
    let document = Document { root, is_30 };
    let Some(paths) = root.get("paths").and_then(Value::as_object) else {
        return Err(ImportError::new(
            "no_paths",
            "the document has no `paths`",
            "only operations under `paths` are imported",
        ));
    };
    let title = root.pointer("/info/title").and_then(Value::as_str).unwrap_or_default();
    let default = servers::connection(root.get("servers"), title, bundle);
    // Where only operations have servers, all of them share what they prove themselves by.
    let prefix = default.clone().unwrap_or_else(|_| names::connection(title, "api"));
    let schemes = Schemes::new(&document, &prefix, default.as_deref().ok(), bundle);
    let naming = Naming::new(&document, paths);
    let mut seen = 0_usize;
    for (path, item) in paths {
        let item = match document.resolve(item) {
            Ok(item) => item,
            Err(refusal) => {
                bundle.refuse(&format!("#/paths/{}", escape(path)), refusal.0, refusal.1, refusal.2);
                continue;
            }
        };
        for method in METHODS {
            let Some(operation) = item.get(*method).filter(|operation| operation.is_object()) else {
                continue;
            };
            let place = format!("#/paths/{}/{method}", escape(path));
            seen += 1;
            if seen > MAX_OPERATIONS {
                bundle.refuse(
                    &place,
                    "too_many",
                    format!("more than {MAX_OPERATIONS} operations"),
                    "split the document, or use --only",
                );
                return Ok(());
            }
            let tags: Vec<&str> = texts(operation, "tags").collect();
            let name = bundle.tools.unique_tool(&naming.name(operation, &tags, method, path));
            let candidate = Candidate { name: &name, tags: &tags, method, path };
            if !bundle.is_wanted(candidate) {
                continue;
            }
            if *method == "trace" {
                let message = "TRACE is not a method of actions";
                bundle.refuse_action(&place, &name, "unsupported_method", message, "");
                continue;
            }
            let own = operation
                .get("servers")
                .or_else(|| item.get("servers"))
                .filter(|servers| servers.as_array().is_some_and(|list| !list.is_empty()));
            let connection = match own {
                Some(servers) => servers::connection(Some(servers), title, bundle),
                None => default.clone(),
            };
            let connection = match connection {
                Ok(connection) => connection,
                Err(refusal) => {
                    bundle.refuse_action(&place, &name, refusal.0, refusal.1, refusal.2);
                    continue;
                }
            };
            let before = bundle.report.notes.len();
            let built = Operation::new(&document, &schemes, bundle, &place, &name, method, path)
                .build(operation, item, connection);
            match built {
                Ok(draft) => bundle.actions.push(draft),
                Err(refusal) => {
                    bundle.report.notes.truncate(before);
                    bundle.refuse_action(&place, &name, refusal.0, refusal.1, refusal.2);
                }
            }
        }
    }
    if root.get("webhooks").and_then(Value::as_object).is_some_and(|hooks| !hooks.is_empty()) {
        bundle.lossy(
            "#/webhooks",
            "",
            "webhooks",
            "webhooks are calls to you, not by you; they are left out",
            "",
        );
    }
    Ok(())
}

fn unsupported(root: &Value, version: &str) -> ImportError {
    let swagger = super::json::scalar(root.get("swagger").unwrap_or(&Value::Null));
    if !swagger.is_empty() {
        return ImportError::new(
            "unsupported_format",
            format!("this is Swagger {}, which is older than OpenAPI 3", super::placeholder::short(&swagger)),
            "convert it first: npx swagger2openapi --outfile openapi.json FILE",
        );
    }
    if version.is_empty() {
        return ImportError::new(
            "unsupported_format",
            "this is no OpenAPI document: it has no `openapi`",
            "",
        );
    }
    ImportError::new(
        "unsupported_format",
        format!("OpenAPI {} is not supported", super::placeholder::short(version)),
        "3.0 and 3.1 are",
    )
}
