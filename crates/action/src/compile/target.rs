//! Where an action's requests go, and by whose credentials.

use callgate_definition::{AuthDefinition, ConnectionDefinition, Located, Problem};

use super::compiler::{Compiler, check_known};
use crate::connector::{self, Connector};
use crate::url;

impl<'a> Compiler<'a> {
    fn connection_name(&self) -> Option<&'a String> {
        let written = self.definition.connection.as_ref().filter(|_| self.over.url.is_none());
        self.over.connection.as_ref().or(written)
    }

    /// The connection that the action names, if there is one of that name.
    pub(super) fn named_connection(&self) -> Option<&'a Located<ConnectionDefinition>> {
        let name = self.connection_name()?;
        self.around.connections.iter().find(|connection| connection.name == *name)
    }

    /// The connection that the action names; an error where there is none of that name.
    pub(super) fn connection(&mut self) -> Option<&'a Located<ConnectionDefinition>> {
        let name = self.connection_name()?;
        let found = self.named_connection();
        if let Some(found) = found {
            check_known(
                &found.document,
                found.definition.environments.keys(),
                self.around.known_environments,
                self.problems,
            );
        } else {
            let names: Vec<&String> =
                self.around.connections.iter().map(|connection| &connection.name).collect();
            let hint = callgate_text::closest(name, &names).map_or_else(
                || format!("add connections/{name}.yaml"),
                |near| format!("did you mean `{near}`?"),
            );
            let problem = self
                .error(
                    &self.pointer("connection"),
                    "unknown_connection",
                    format!("there is no connection `{name}`"),
                )
                .hint(hint);
            self.problems.push(problem);
        }
        found
    }

    pub(super) fn target(
        &mut self,
        connection: Option<&Located<ConnectionDefinition>>,
    ) -> Option<url::Parts> {
        let (over, definition) = (self.over, self.definition);
        // An override of one way takes the place of the other way as written.
        let full = over.url.as_ref().or(definition.url.as_ref().filter(|_| over.connection.is_none()));
        let named = over.connection.is_some() || definition.connection.is_some() && over.url.is_none();
        let path = over.path.as_ref().or(definition.path.as_ref());
        match (named, full) {
            (false, Some(full)) if path.is_none() || over.url.is_some() => match url::split_absolute(full) {
                Ok(parts) => Some(parts),
                Err(reason) => {
                    let problem = self.error(
                        &self.pointer("url"),
                        "invalid_url",
                        format!("invalid url `{full}`: {reason}"),
                    );
                    self.problems.push(problem);
                    None
                }
            },
            (true, None) => {
                let path = path.map_or("", String::as_str);
                let split = url::split_path(path);
                if let Err(reason) = &split {
                    let problem = self.error(
                        &self.pointer("path"),
                        "invalid_path",
                        format!("invalid path `{path}`: {reason}"),
                    );
                    self.problems.push(problem);
                }
                let prefix = self.base_url(connection?)?;
                let (path, query) = split.ok()?;
                Some(url::Parts { prefix, path, query })
            }
            _ if self.was_set_aside(&["connection", "path", "url"]) => None,
            (named, full) => {
                let message = match (named, full, path) {
                    (true, Some(_), _) => "`connection` and `url` are both given",
                    (false, Some(_), Some(_)) => "`url` and `path` are both given",
                    (false, None, Some(_)) => "`path` needs a `connection` to stand after",
                    _ => "the action says neither `connection` nor `url`",
                };
                let message = format!("{message} (environment `{}`)", self.around.environment);
                let pointer = if full.is_some() { self.pointer("url") } else { self.pointer("path") };
                let problem = self
                    .error(&pointer, "missing_url", message)
                    .hint("with a connection, write `path`; without one, write a full `url`");
                self.problems.push(problem);
                None
            }
        }
    }

    fn base_url(&mut self, connection: &Located<ConnectionDefinition>) -> Option<String> {
        let environment = self.around.environment;
        let over = connection.definition.environments.get(environment);
        let document = &connection.document;
        let overridden = over.and_then(|over| over.base_url.as_ref());
        let Some(base) = overridden.or(connection.definition.base_url.as_ref()) else {
            self.problems.push(
                Problem::error(
                    &document.file,
                    (1, 1),
                    "missing_key",
                    format!(
                        "the connection `{}` has no `base_url` in environment `{environment}`",
                        connection.name
                    ),
                )
                .hint(format!("add `base_url`, at the top or under `environments.{environment}`")),
            );
            return None;
        };
        let pointer = base_url_pointer(connection, environment);
        let checked = url::check_absolute(base).and_then(|parsed| match parsed.query() {
            _ if base.contains("{{") => Err("a base URL has no template; one may stand in `path`".to_owned()),
            Some(_) => Err("a base URL has no query".to_owned()),
            None => Ok(parsed),
        });
        match checked {
            Ok(parsed) => Some(parsed.as_str().trim_end_matches('/').to_owned()),
            Err(reason) => {
                self.problems.push(Problem::error(
                    &document.file,
                    document.at_value(&pointer),
                    "invalid_url",
                    format!("invalid base_url `{base}`: {reason}"),
                ));
                None
            }
        }
    }

    /// The connector of the action, else of its connection; `none` takes it away.
    pub(super) fn connector(
        &mut self,
        connection: Option<&Located<ConnectionDefinition>>,
    ) -> Option<Connector> {
        let own = self.over.auth.as_ref().or(self.definition.auth.as_ref());
        let of_connection = connection.and_then(|connection| {
            let over = connection.definition.environments.get(self.around.environment);
            over.and_then(|over| over.auth.as_ref()).or(connection.definition.auth.as_ref())
        });
        let name = own.or(of_connection)?;
        if name == "none" {
            return None;
        }
        let found: Option<&Located<AuthDefinition>> = self.around.auth.iter().find(|auth| auth.name == *name);
        let Some(found) = found else {
            let (document, pointer) = match (own, connection) {
                (None, Some(connection)) => (connection.document.clone(), "/auth".to_owned()),
                _ => (self.located.document.clone(), self.pointer("auth")),
            };
            let names: Vec<&String> = self.around.auth.iter().map(|auth| &auth.name).collect();
            let hint = callgate_text::closest(name, &names)
                .map_or_else(|| format!("add auth/{name}.yaml"), |near| format!("did you mean `{near}`?"));
            self.problems.push(
                Problem::error(
                    &document.file,
                    document.at_value(&pointer),
                    "unknown_auth",
                    format!("there is no auth connector `{name}`"),
                )
                .hint(hint),
            );
            return None;
        };
        check_known(
            &found.document,
            found.definition.environments.keys(),
            self.around.known_environments,
            self.problems,
        );
        connector::compile(found, self.around.environment, self.problems, self.secrets)
    }

    pub(super) fn warn_cleartext(&mut self, prefix: &str, pointer: &str, has_credentials: bool) {
        let Some(rest) = prefix.strip_prefix("http://") else { return };
        let host = rest.split(['/', ':']).next().unwrap_or_default();
        let local = host == "localhost" || host.starts_with("127.") || rest.starts_with("[::1]");
        if has_credentials && !local {
            let problem = Problem::warning(
                &self.located.document.file,
                self.located.document.at_value(pointer),
                "cleartext_credentials",
                format!("credentials would travel to `{host}` without TLS"),
            )
            .hint("use https://");
            self.problems.push(problem);
        }
    }
}

/// Where the base URL that holds in `environment` stands.
pub(super) fn base_url_pointer(connection: &Located<ConnectionDefinition>, environment: &str) -> String {
    let over = connection.definition.environments.get(environment);
    match over.and_then(|over| over.base_url.as_ref()) {
        Some(_) => format!("/environments/{environment}/base_url"),
        None => "/base_url".to_owned(),
    }
}
