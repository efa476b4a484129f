//! Sessions, each of one key and one environment, and never too many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use futures_util::Stream;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError, SessionConfig,
};
use rmcp::transport::streamable_http_server::session::{ServerSseMessage, SessionId, SessionManager};

/// The header that names the session.
pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// Whose a session is: nobody else can use it, nor learn that it exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) environment: String,
    /// The name of the key; `None` where no keys guard the gateway.
    pub(super) key: Option<String>,
}

/// All sessions of the process.
#[derive(Debug)]
pub(super) struct Sessions {
    local: LocalSessionManager,
    known: Mutex<Known>,
    most: usize,
}

#[derive(Debug, Default)]
struct Known {
    sessions: HashMap<SessionId, Session>,
    /// Counts uses, so that it can be told which session was used last.
    clock: u64,
}

#[derive(Debug)]
struct Session {
    owner: Owner,
    used: u64,
}

impl Sessions {
    /// No sessions yet; `most` at a time, each closed after `idle` without a message.
    pub(super) fn new(most: usize, idle: Duration) -> Self {
        let mut config = SessionConfig::default();
        config.keep_alive = Some(idle);
        // Nothing to take up again: a call that is made once more finds its result.
        config.sse_retry = None;
        let mut local = LocalSessionManager::default();
        local.session_config = config;
        Self { local, known: Mutex::default(), most }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a session in; gives those that have to go for it.
    fn admit(&self, id: &SessionId, owner: &Owner) -> Vec<SessionId> {
        let mut known = self.known();
        let mut gone = Vec::new();
        while known.sessions.len() >= self.most {
            // Who opens sessions without end pushes out their own.
            let oldest = known.sessions.iter().min_by_key(|(_, one)| (one.owner.key != owner.key, one.used));
            let Some(id) = oldest.map(|(id, _)| id.clone()) else { break };
            known.sessions.remove(&id);
            gone.push(id);
        }
        known.clock += 1;
        let used = known.clock;
        known.sessions.insert(id.clone(), Session { owner: owner.clone(), used });
        gone
    }

    fn is_of(&self, id: &str, owner: &Owner) -> bool {
        let mut known = self.known();
        known.clock += 1;
        let used = known.clock;
        match known.sessions.get_mut(id).filter(|session| session.owner == *owner) {
            Some(session) => {
                session.used = used;
                true
            }
            None => false,
        }
    }
}

/// The sessions as one caller sees them: their own.
#[derive(Clone, Debug)]
pub(super) struct OwnedSessions {
    all: Arc<Sessions>,
    owner: Owner,
}

impl OwnedSessions {
    pub(super) fn new(all: Arc<Sessions>, owner: Owner) -> Self {
        Self { all, owner }
    }

    /// Whether the header names a session of this caller.
    pub(super) fn has(&self, id: &HeaderValue) -> bool {
        id.to_str().is_ok_and(|id| self.all.is_of(id, &self.owner))
    }

    fn check(&self, id: &SessionId) -> Result<(), LocalSessionManagerError> {
        match self.all.is_of(id, &self.owner) {
            true => Ok(()),
            false => Err(LocalSessionManagerError::SessionNotFound(id.clone())),
        }
    }
}

impl SessionManager for OwnedSessions {
    type Error = LocalSessionManagerError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        let (id, transport) = self.all.local.create_session().await?;
        for gone in self.all.admit(&id, &self.owner) {
            tracing::info!("an MCP session gave way to a new one: `max_sessions` are open");
            self.all.local.close_session(&gone).await?;
        }
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        self.check(id)?;
        self.all.local.initialize_session(id, message).await
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        Ok(self.all.is_of(id, &self.owner))
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        let is_own = self.all.is_of(id, &self.owner);
        if !is_own {
            return Ok(());
        }
        self.all.known().sessions.remove(id);
        self.all.local.close_session(id).await
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.check(id)?;
        self.all.local.create_stream(id, message).await
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Self::Error> {
        self.check(id)?;
        self.all.local.accept_message(id, message).await
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.check(id)?;
        self.all.local.create_standalone_stream(id).await
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.check(id)?;
        self.all.local.resume(id, last_event_id).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(key: &str) -> Owner {
        Owner { environment: "development".to_owned(), key: Some(key.to_owned()) }
    }

    #[test]
    fn the_session_idle_longest_gives_way_of_the_same_key_first() {
        let sessions = Sessions::new(3, Duration::from_secs(1));
        let [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(SessionId::from);
        assert!(sessions.admit(&a, &owner("one")).is_empty());
        assert!(sessions.admit(&b, &owner("two")).is_empty());
        assert!(sessions.admit(&c, &owner("two")).is_empty());
        // Used again: `c` is idle longer now, and `a`, idle longest of all, is another key's.
        assert!(sessions.is_of("b", &owner("two")));
        assert_eq!(sessions.admit(&d, &owner("two")), [c]);
        assert_eq!(sessions.admit(&e, &owner("three")), [a]);
    }

    #[test]
    fn a_session_is_its_owners_alone() {
        let sessions = Sessions::new(3, Duration::from_secs(1));
        sessions.admit(&SessionId::from("a"), &owner("one"));
        assert!(sessions.is_of("a", &owner("one")));
        assert!(!sessions.is_of("a", &owner("two")));
        assert!(!sessions.is_of("a", &Owner { key: None, ..owner("one") }));
        assert!(!sessions.is_of("a", &Owner { environment: "production".to_owned(), ..owner("one") }));
    }
}
