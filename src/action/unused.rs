//! Connections and auth connectors that no action uses: still to be right.

use crate::definition::{Problem, Problems, ProjectFiles};

use super::compile::Surroundings;
use super::{connector, url};

/// Finds what is wrong with the connections and connectors of `files` that no
/// action names; the others are judged with their actions.
pub fn check_unused(files: &ProjectFiles, around: &Surroundings<'_>, problems: &mut Problems) {
    let of_actions = |named: &dyn Fn(&crate::definition::ActionDefinition) -> Vec<String>| -> Vec<String> {
        files.actions.iter().flat_map(|action| named(&action.definition)).collect()
    };
    let connections = of_actions(&|action| {
        let over = action.environments.values().filter_map(|over| over.connection.clone());
        over.chain(action.connection.clone()).collect()
    });
    let mut connectors = of_actions(&|action| {
        let over = action.environments.values().filter_map(|over| over.auth.clone());
        over.chain(action.auth.clone()).collect()
    });
    for connection in &files.connections {
        let over = connection.definition.environments.get(around.environment);
        let auth = over.and_then(|over| over.auth.as_ref()).or(connection.definition.auth.as_ref());
        if connections.contains(&connection.name) {
            connectors.extend(auth.cloned());
            continue;
        }
        let document = &connection.document;
        let base = over.and_then(|over| over.base_url.as_ref()).or(connection.definition.base_url.as_ref());
        if let Some(Err(reason)) = base.map(|base| url::check_absolute(base)) {
            problems.push(Problem::error(
                &document.file,
                document.at_value("/base_url"),
                "invalid_url",
                format!("invalid base_url: {reason}"),
            ));
        }
        if let Some(auth) = auth.filter(|name| !files.auth.iter().any(|known| known.name == **name)) {
            problems.push(Problem::error(
                &document.file,
                document.at_value("/auth"),
                "unknown_auth",
                format!("there is no auth connector `{auth}`"),
            ));
        }
    }
    for auth in files.auth.iter().filter(|auth| !connectors.contains(&auth.name)) {
        // Its secrets are not asked for: nothing would send them.
        connector::compile(auth, around.environment, problems, &mut Vec::new());
    }
}
