//! How long the parts of a call may take.

use std::time::Duration;

use callgate_definition::ActionKind;

use super::compiler::Compiler;
use crate::upstream::WrittenTimeouts;

/// Time for a call for which nothing is said.
const DEFAULT_TIMEOUT_MS: u64 = 5_000;
/// Time to connect for an action for which nothing is said.
const DEFAULT_CONNECT_TIMEOUT_MS: u64 = 2_000;

/// How long the parts of a call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timeouts {
    /// The whole call.
    pub(super) whole: Duration,
    /// A connection.
    pub(super) connect: Duration,
    /// The longest silence of the service, if that is limited.
    pub(super) read: Option<Duration>,
}

impl Compiler<'_> {
    /// The timeouts of the action: what its environment says comes before what it says, and both come before its
    /// connection. A connection that never comes about must be told as such (nothing was sent), and not as an answer
    /// that never came; so the time to connect is shorter than the others.
    pub(super) fn timeouts(&self) -> Timeouts {
        let WrittenTimeouts { whole, connect, read } = self.written_timeouts();
        let whole = whole.unwrap_or(DEFAULT_TIMEOUT_MS);
        let connect = connect.unwrap_or(DEFAULT_CONNECT_TIMEOUT_MS);
        let shortest = whole.min(read.unwrap_or(whole));
        Timeouts {
            whole: Duration::from_millis(whole),
            connect: Duration::from_millis(connect.min(shortest * 3 / 4).max(1)),
            read: read.map(Duration::from_millis),
        }
    }

    fn written_timeouts(&self) -> WrittenTimeouts {
        let (over, own) = (self.over, self.definition);
        let over = WrittenTimeouts {
            whole: over.timeout_ms,
            connect: over.connect_timeout_ms,
            read: over.read_timeout_ms,
        };
        let own = WrittenTimeouts {
            whole: own.timeout_ms,
            connect: own.connect_timeout_ms,
            read: own.read_timeout_ms,
        };
        let is_http = self.definition.kind == ActionKind::Http;
        let connection = if is_http { self.named_connection() } else { None };
        over.or(own).or(connection.map(|one| one.timeouts).unwrap_or_default())
    }

    /// Warns of a `read_timeout_ms` of the action that changes nothing.
    pub(super) fn check_read_timeout(&mut self, timeouts: Timeouts) {
        let is_own = self.over.read_timeout_ms.or(self.definition.read_timeout_ms).is_some();
        let Some(read) = timeouts.read.filter(|read| is_own && *read >= timeouts.whole) else { return };
        let whole = timeouts.whole.as_millis();
        let message = format!("after {} ms the call is over: it has {whole} ms", read.as_millis());
        let pointer = self.pointer("read_timeout_ms");
        let problem = self.warning(&pointer, "read_timeout_unused", message);
        self.problems.push(problem.hint("take it out, or raise `timeout_ms`"));
    }
}
