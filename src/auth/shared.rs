//! Tokens that nodes share: one of them asks the token endpoint, the others
//! take what it was given. Where tokens lie they are sealed, and where the
//! place is out of reach each node asks for itself.

use std::fmt::Debug;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::secrets::Keyring;

/// What shared tokens are sealed for; they open as nothing else.
const PURPOSE: &str = "token";
/// How long a node is believed to fetch after its last sign: one that has died
/// holds the others up for no longer.
const LEASE: Duration = Duration::from_secs(3);
/// How often a node that fetches gives a sign.
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// How long a node waits for another one's token before it asks for one itself.
const WAIT: Duration = Duration::from_secs(7);
/// The first and the longest pause between two looks.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));

/// What a place for tokens says in its own time, or why it cannot.
pub type TokenAnswer<'a, T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send + 'a>>;

/// A place where nodes share tokens: small texts under names, each for a while.
/// Neither names nor texts tell anything.
pub trait TokenStore: Debug + Send + Sync {
    /// How long an answer may take, before a node does without.
    fn patience(&self) -> Duration;

    /// The text under `name`, unless its time is over.
    fn get<'a>(&'a self, name: &'a str) -> TokenAnswer<'a, Option<String>>;

    /// Keeps a text, whatever was there.
    fn put<'a>(&'a self, name: &'a str, text: &'a str, keep: Duration) -> TokenAnswer<'a, ()>;

    /// Keeps a text where there is none under the name; says whether it did.
    fn add<'a>(&'a self, name: &'a str, text: &'a str, keep: Duration) -> TokenAnswer<'a, bool>;

    /// Removes the text under `name` where it is `text`.
    fn remove<'a>(&'a self, name: &'a str, text: &'a str) -> TokenAnswer<'a, ()>;
}

/// Where the tokens of one environment are shared.
#[derive(Clone, Copy)]
pub(super) struct Shares<'a> {
    pub(super) store: &'a Arc<dyn TokenStore>,
    pub(super) keyring: &'a Arc<Keyring>,
}

/// The place of one client's token.
pub(super) struct Slot {
    store: Arc<dyn TokenStore>,
    keyring: Arc<Keyring>,
    /// Which client: sealed for another one, a token does not open.
    identity: String,
    token: String,
    lease: String,
}

/// A token on its way from node to node. Times are milliseconds since 1970 (UTC):
/// nodes whose clocks differ by minutes share less, and fetch for themselves.
#[derive(Serialize, Deserialize)]
pub(super) struct SharedToken {
    pub(super) token: String,
    pub(super) refresh_at_ms: u64,
    pub(super) unusable_at_ms: u64,
}

/// Whose turn it is.
pub(super) enum Turn {
    /// Another node was there first.
    Take(SharedToken),
    /// This node's; with the lease that keeps others waiting, where it has one.
    Fetch(Option<Lease>),
}

/// Says that this node fetches.
pub(super) struct Lease(String);

impl Slot {
    /// The place for the token of `identity`, which may hold secrets.
    pub(super) fn new(shares: Shares<'_>, identity: &str) -> Self {
        let Shares { store, keyring } = shares;
        Self {
            store: store.clone(),
            keyring: keyring.clone(),
            identity: identity.to_owned(),
            token: keyring.name("token", identity),
            lease: keyring.name("lease", identity),
        }
    }

    /// Waits for a token of another node that `is_good`, or for the turn to fetch one.
    pub(super) async fn turn(&self, is_good: impl Fn(&SharedToken) -> bool) -> Turn {
        let (began, mut pause) = (Instant::now(), PAUSES.0);
        loop {
            let Some(found) = self.look().await else { return Turn::Fetch(None) };
            if let Some(token) = found.filter(&is_good) {
                return Turn::Take(token);
            }
            match self.take_lease().await {
                Some(Some(lease)) => {
                    // Left by whoever had the lease until now.
                    return match self.look().await.flatten().filter(&is_good) {
                        Some(token) => {
                            self.release(lease).await;
                            Turn::Take(token)
                        }
                        None => Turn::Fetch(Some(lease)),
                    };
                }
                Some(None) if began.elapsed() < WAIT => {}
                Some(None) | None => return Turn::Fetch(None),
            }
            tokio::time::sleep(pause).await;
            pause = (2 * pause).min(PAUSES.1);
        }
    }

    /// Does `work` while the others know that it goes on.
    pub(super) async fn holding<T>(&self, lease: &Lease, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            match tokio::time::timeout(RENEW_EVERY, work.as_mut()).await {
                Ok(done) => return done,
                Err(_) => {
                    self.within(self.store.put(&self.lease, &lease.0, LEASE)).await;
                }
            }
        }
    }

    /// Keeps a token for the others.
    pub(super) async fn keep(&self, token: &SharedToken) {
        let left = Duration::from_millis(token.unusable_at_ms.saturating_sub(now_ms()));
        let plain = serde_json::to_vec(token).unwrap_or_default();
        if !left.is_zero()
            && let Some(sealed) = self.keyring.seal(PURPOSE, &self.identity, &plain)
        {
            self.within(self.store.put(&self.token, &sealed, left)).await;
        }
    }

    /// Lets others fetch.
    pub(super) async fn release(&self, lease: Lease) {
        self.within(self.store.remove(&self.lease, &lease.0)).await;
    }

    /// The token that is there; `None` where the store fails. What cannot be
    /// opened (a node with other keys put it there) is none.
    async fn look(&self) -> Option<Option<SharedToken>> {
        let sealed = self.within(self.store.get(&self.token)).await?;
        let open = |sealed: String| {
            let plain = self.keyring.open(PURPOSE, &self.identity, &sealed).ok()?;
            serde_json::from_slice(&plain).ok()
        };
        Some(sealed.and_then(open))
    }

    /// Takes the lease, unless another node has it; `None` where the store fails.
    async fn take_lease(&self) -> Option<Option<Lease>> {
        let holder = format!("{:016x}", getrandom::u64().ok()?);
        let is_taken = self.within(self.store.add(&self.lease, &holder, LEASE)).await?;
        Some(is_taken.then_some(Lease(holder)))
    }

    async fn within<T>(&self, answer: TokenAnswer<'_, T>) -> Option<T> {
        let cause = match tokio::time::timeout(self.store.patience(), answer).await {
            Ok(Ok(done)) => return Some(done),
            Ok(Err(cause)) => cause,
            Err(_) => "it does not answer in time".to_owned(),
        };
        tracing::warn!(%cause, "tokens cannot be shared now: this node fetches its own");
        None
    }
}

/// Milliseconds since 1970 (UTC), by the system's clock.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
