//! Where an action's requests go, and by whose credentials.

use std::sync::Arc;

use super::compiler::Compiler;
use crate::upstream::{CompiledConnection, Connection, Connector, connection_name, no_auth};
use crate::url;

/// Where a request goes.
pub(super) struct Target {
    pub(super) connection: Arc<Connection>,
    /// The path, a template; starts with `/`, or empty.
    pub(super) path: String,
    /// Static query, without `?`.
    pub(super) query: String,
}

impl<'a> Compiler<'a> {
    /// The connection that the action names, if there is one of that name.
    pub(super) fn named_connection(&self) -> Option<&'a CompiledConnection> {
        self.around.upstreams.connection(connection_name(self.definition, self.over)?)
    }

    /// The connection that the action names; an error where there is none of that name.
    pub(super) fn connection(&mut self) -> Option<&'a CompiledConnection> {
        let name = connection_name(self.definition, self.over)?;
        let found = self.named_connection();
        if found.is_none() {
            let message = format!("there is no connection `{name}`");
            let unknown = self.error(&self.pointer("connection"), "unknown_connection", message);
            self.problems.push(unknown.hint(self.around.upstreams.connection_hint(name)));
        }
        found
    }

    pub(super) fn target(&mut self, connection: Option<&CompiledConnection>) -> Option<Target> {
        let (over, definition) = (self.over, self.definition);
        // An override of one way takes the place of the other way as written.
        let full = over.url.as_ref().or(definition.url.as_ref().filter(|_| over.connection.is_none()));
        let named = over.connection.is_some() || definition.connection.is_some() && over.url.is_none();
        let path = over.path.as_ref().or(definition.path.as_ref());
        match (named, full) {
            (false, Some(full)) if path.is_none() || over.url.is_some() => match url::split_absolute(full) {
                Ok(url::Parts { prefix, path, query }) => {
                    let connection = self.around.upstreams.origin(&prefix);
                    Some(Target { connection, path, query })
                }
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
                let connection = connection?.connection.clone()?;
                let (path, query) = split.ok()?;
                Some(Target { connection, path, query })
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

    /// The connector of the action, else of its connection; `none` takes it away.
    pub(super) fn connector(&mut self, connection: Option<&CompiledConnection>) -> Option<Arc<Connector>> {
        let own = self.over.auth.as_ref().or(self.definition.auth.as_ref());
        let of_connection = connection.and_then(|connection| connection.auth.as_ref()).map(|(name, _)| name);
        let name = own.or(of_connection)?;
        if name == "none" {
            return None;
        }
        let found = self.around.upstreams.connector(name);
        // That a connection names one that there is not is told of the connection.
        if found.is_none() && own.is_some() {
            let unknown = self.error(&self.pointer("auth"), "unknown_auth", no_auth(name));
            self.problems.push(unknown.hint(self.around.upstreams.connector_hint(name)));
        }
        found.flatten()
    }

    pub(super) fn warn_cleartext(&mut self, prefix: &str, pointer: &str, has_credentials: bool) {
        if let Some(host) = url::cleartext_host(prefix).filter(|_| has_credentials) {
            let message = format!("credentials would travel to `{host}` without TLS");
            let problem = self.warning(pointer, "cleartext_credentials", message);
            self.problems.push(problem.hint("use https://"));
        }
    }
}
