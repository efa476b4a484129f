//! Connections and auth connectors that no action uses: still to be right.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use callgate_definition::{
    ActionDefinition, ActionOverride, ConnectionDefinition, Document, Located, Problems, ProjectFiles,
};

use super::compiler::{Compiler, Surroundings};
use crate::connection::TlsSource;
use crate::http_action::HttpAction;
use crate::variables::VariableReads;
use callgate_schema::parameters::Parameters;

/// Finds what is wrong with the connections and connectors of `files` that no
/// action names; the others are judged with their actions. Returns the
/// certificates that they name, which are to be judged as well.
///
/// Secrets of theirs are not asked for: nothing would send them.
pub fn check_unused(
    files: &ProjectFiles,
    around: &Surroundings<'_>,
    problems: &mut Problems,
) -> Vec<TlsSource> {
    let (connections, connectors) = used(files);
    let mut certificates = Vec::new();
    for connection in files.connections.iter().filter(|one| !connections.contains(one.name.as_str())) {
        let probe = json!({"description": "", "connection": connection.name});
        let named = connection.definition.environments.keys();
        let http = judge(probe, &connection.document, named, around, problems);
        certificates.extend(http.and_then(|http| http.connection.tls));
    }
    for auth in files.auth.iter().filter(|one| !connectors.contains(one.name.as_str())) {
        let probe = json!({"description": "", "url": "https://unused.invalid", "auth": auth.name});
        let named = auth.definition.environments.keys();
        let connector = judge(probe, &auth.document, named, around, problems).and_then(|http| http.connector);
        certificates.extend(connector.and_then(|connector| connector.token_endpoint?.tls));
    }
    certificates
}

/// The names of connections and of connectors that actions use somewhere.
fn used(files: &ProjectFiles) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let actions = || files.actions.iter().map(|action| &action.definition);
    let over = || actions().flat_map(|action| action.environments.values());
    let connections: BTreeSet<&str> = actions()
        .filter_map(|action| action.connection.as_deref())
        .chain(over().filter_map(|over| over.connection.as_deref()))
        .collect();
    let of_connections = files.connections.iter().filter(|one| connections.contains(one.name.as_str()));
    let connectors = actions()
        .filter_map(|action| action.auth.as_deref())
        .chain(over().filter_map(|over| over.auth.as_deref()))
        .chain(of_connections.flat_map(|connection| connectors_of(&connection.definition)))
        .collect();
    (connections, connectors)
}

fn connectors_of(connection: &ConnectionDefinition) -> impl Iterator<Item = &str> {
    let over = connection.environments.values().filter_map(|over| over.auth.as_deref());
    connection.auth.as_deref().into_iter().chain(over)
}

/// Compiles `probe`, an action that uses what `document` defines, and keeps what
/// it finds wrong in that file; `named` are the environments it speaks of.
fn judge<'n>(
    probe: Value,
    document: &Document,
    mut named: impl ExactSizeIterator<Item = &'n String>,
    around: &Surroundings<'_>,
    problems: &mut Problems,
) -> Option<HttpAction> {
    let definition = ActionDefinition::deserialize(probe).ok()?;
    let nowhere = Arc::new(Document::without_places("", Value::Object(Map::new())));
    let located = Located { name: "unused".to_owned(), document: nowhere, definition };
    let parameters = Parameters::compile(Some(&json!({"type": "object", "additionalProperties": true})));
    let mut found = Problems::default();
    let mut compiler = Compiler {
        located: &located,
        definition: &located.definition,
        over: &ActionOverride::default(),
        around,
        problems: &mut found,
        secrets: &mut Vec::new(),
        reads: VariableReads::default(),
    };
    let http = compiler.http(&parameters.ok()?, &[]);
    // What speaks of other environments alone may be meant for those alone.
    let is_for_others = named.len() > 0 && !named.any(|name| name == around.environment);
    let is_missing = |code: &str| ["missing_key", "missing_static_variable"].contains(&code);
    problems.extend(
        found.into_iter().filter(|one| one.file == document.file && !(is_for_others && is_missing(one.code))),
    );
    http
}
