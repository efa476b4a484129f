//! The connection: one for the process, on a thread of its own; lost and found
//! again without a restart.

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use redis::{FromRedisValue, RedisError, ScriptInvocation};
use tokio::sync::{mpsc, oneshot, watch};

use super::super::{Claim, ClaimKey, StoreError};
use super::durability;
use super::scripts::{Scripts, Write};
use super::servers::{Connection, Servers};

/// The first and the longest pause between attempts to connect.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));
/// How long a lost connection may take to come back before calls are refused.
const GRACE: Duration = Duration::from_millis(250);
/// How often holders give a sign.
const RENEW_EVERY: Duration = Duration::from_millis(1_250);
/// The longest that a claim is renewed: no call takes that long.
const MAX_HOLD: Duration = Duration::from_secs(15 * 60);
/// Most writes that wait for the server to come back.
const MAX_PENDING: usize = 10_000;
/// Most slots of a cluster that are tried for what waits, where none of them can be written.
const MAX_STUCK: usize = 8;
/// Most commands that wait for the server's answer, besides those that are owed.
const MAX_WAITING: usize = 10_000;

type Work = Box<dyn FnOnce(Arc<Link>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// The thread that all work with the server is done on.
#[derive(Debug)]
pub(super) struct Worker {
    work: Option<mpsc::UnboundedSender<Work>>,
    /// Commands that are not answered yet.
    waiting: Arc<AtomicUsize>,
    link: Arc<Link>,
    thread: Option<JoinHandle<()>>,
}

/// What that thread has.
#[derive(Debug)]
pub(super) struct Link {
    servers: Servers,
    /// How long a connection may take to be made, and how long an answer may take.
    patience: Duration,
    pub(super) scripts: Scripts,
    state: watch::Sender<State>,
    held: Mutex<HashMap<ClaimKey, Held>>,
    /// What was done upstream and could not be stored, in its order.
    pending: Mutex<VecDeque<Arc<Write>>>,
    /// What the server may lose by its settings, as it was last asked.
    concerns: Mutex<Vec<String>>,
}

#[derive(Debug)]
enum State {
    Connected(Connection),
    Lost {
        /// Why.
        cause: String,
        since: Instant,
        /// How long who needs it waits for it, from then on.
        grace: Duration,
    },
}

#[derive(Debug)]
struct Held {
    holder: u64,
    since: Instant,
}

impl Worker {
    /// Starts the thread; the server need not be there yet.
    pub(super) fn start(servers: Servers, scripts: Scripts, patience: Duration) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (work, waiting) = mpsc::unbounded_channel::<Work>();
        let link = Arc::new(Link {
            servers,
            patience,
            scripts,
            state: watch::Sender::new(State::Lost {
                cause: "no connection yet".to_owned(),
                since: Instant::now(),
                grace: patience,
            }),
            held: Mutex::default(),
            pending: Mutex::default(),
            concerns: Mutex::default(),
        });
        let serving = link.clone();
        // What the thread logs belongs to whoever has opened the store.
        let span = tracing::Span::current();
        let thread = std::thread::Builder::new()
            .name("store-redis".to_owned())
            .spawn(move || span.in_scope(|| runtime.block_on(serve(serving, waiting))))?;
        Ok(Self { work: Some(work), waiting: Arc::default(), link, thread: Some(thread) })
    }

    /// What the server may lose by its settings, as it was last asked.
    pub(super) fn concerns(&self) -> Vec<String> {
        lock(&self.link.concerns).clone()
    }

    /// Has work done, whether or not the answer is waited for.
    pub(super) fn run<T: Send + 'static, F>(
        &self,
        work: impl FnOnce(Arc<Link>) -> F + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + 'static
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.run_to_end(false, |link, answer| answered(work(link), answer))
    }

    /// The same for what follows from a claim that was taken: it is never refused, and there is no more of it than
    /// claims.
    pub(super) fn run_owed<T: Send + 'static, F>(
        &self,
        work: impl FnOnce(Arc<Link>) -> F + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + 'static
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.run_to_end(true, |link, answer| answered(work(link), answer))
    }

    /// Has work done that answers by itself, and may go on after that.
    /// Refused where too much waits, unless it `is_owed`.
    pub(super) fn run_to_end<T: Send + 'static, F>(
        &self,
        is_owed: bool,
        work: impl FnOnce(Arc<Link>, oneshot::Sender<Result<T, StoreError>>) -> F + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + 'static
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let sent = match &self.work {
            Some(_) if !is_owed && self.waiting.load(Ordering::Relaxed) >= MAX_WAITING => {
                Err(format!("{MAX_WAITING} commands wait for its answer"))
            }
            Some(sender) => {
                let waiting = Waiting::new(&self.waiting);
                let work = move |link| -> Pin<Box<dyn Future<Output = ()> + Send>> {
                    Box::pin(async move {
                        work(link, answer).await;
                        drop(waiting);
                    })
                };
                sender.send(Box::new(work)).map_err(|_| "its thread has ended".to_owned())
            }
            None => Err("it is being closed".to_owned()),
        };
        async move {
            sent.map_err(unavailable)?;
            answered.await.map_err(|_| unavailable("its thread has ended".to_owned()))?
        }
    }
}

/// Does work, and answers with what it gives.
async fn answered<T>(work: impl Future<Output = T>, answer: oneshot::Sender<T>) {
    // Nobody waits any more where the caller has given up.
    let _ = answer.send(work.await);
}

/// A command that is counted until it is answered.
struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn serve(link: Arc<Link>, mut waiting: mpsc::UnboundedReceiver<Work>) {
    let tasks = tokio::task::LocalSet::new();
    let connecting = link.clone();
    tasks.spawn_local(async move { connecting.keep_connected().await });
    let renewing = link.clone();
    tasks.spawn_local(async move { renewing.keep_claims().await });
    let serving = async move {
        while let Some(work) = waiting.recv().await {
            // Each is bounded by the server's time to answer.
            tokio::task::spawn_local(work(link.clone()));
        }
    };
    tasks.run_until(serving).await;
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub(super) fn unavailable(cause: String) -> StoreError {
    StoreError::Unavailable { backend: "redis", cause }
}

impl Link {
    /// Has a script run.
    pub(super) async fn invoke<T: FromRedisValue>(
        &self,
        script: ScriptInvocation<'_>,
    ) -> Result<T, StoreError> {
        self.with(async |connection| script.invoke_async(connection).await).await
    }

    /// Uses the connection; fails where there has been none for a while.
    pub(super) async fn with<T>(
        &self,
        work: impl AsyncFnOnce(&mut Connection) -> Result<T, RedisError>,
    ) -> Result<T, StoreError> {
        self.attempt(work).await.map_err(|trouble| trouble.error)
    }

    /// As [`Link::with`], and says whether a failure leaves open what was done.
    pub(super) async fn attempt<T>(
        &self,
        work: impl AsyncFnOnce(&mut Connection) -> Result<T, RedisError>,
    ) -> Result<T, Trouble> {
        let unsent = |error| Trouble { error, is_passing: true, was_sent: false };
        let mut connection = self.connection().await.map_err(unsent)?;
        // The others of a cluster's nodes are there, and its connection looks for the one that is not.
        let heals_itself = connection.is_cluster();
        match tokio::time::timeout(2 * self.patience, work(&mut connection)).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => {
                let is_passing = is_passing(&error);
                if is_passing && !heals_itself {
                    self.lose(error.to_string());
                }
                Err(Trouble { error: unavailable(error.to_string()), is_passing, was_sent: true })
            }
            Err(_) => {
                let cause = "it does not answer".to_owned();
                if !heals_itself {
                    self.lose(cause.clone());
                }
                Err(Trouble { error: unavailable(cause), is_passing: true, was_sent: true })
            }
        }
    }

    async fn connection(&self) -> Result<Connection, StoreError> {
        let mut states = self.state.subscribe();
        loop {
            let left = match &*states.borrow_and_update() {
                State::Connected(connection) => return Ok(connection.clone()),
                State::Lost { cause, since, grace } => {
                    let left = grace.saturating_sub(since.elapsed());
                    if left.is_zero() {
                        return Err(unavailable(cause.clone()));
                    }
                    left
                }
            };
            // Either it has changed, or the time is over: both are seen by the next look.
            let _ = tokio::time::timeout(left, states.changed()).await;
        }
    }

    fn lose(&self, cause: String) {
        self.state.send_if_modified(|state| {
            let is_lost = matches!(state, State::Connected(_));
            if is_lost {
                tracing::error!(%cause, "the connection to Redis is lost: calls that need the store are refused");
                *state = State::Lost { cause, since: Instant::now(), grace: GRACE };
            }
            is_lost
        });
    }

    /// Connects, and connects again whenever the connection is lost.
    async fn keep_connected(&self) {
        let mut states = self.state.subscribe();
        let mut pause = PAUSES.0;
        loop {
            match self.connect().await {
                Ok(connection) => {
                    pause = PAUSES.0;
                    self.state.send_replace(State::Connected(connection.clone()));
                    tracing::info!("connected to Redis");
                    if connection.is_cluster() {
                        // It is never lost as a whole.
                        return self.keep_written(connection).await;
                    }
                    // Its sender is this very link.
                    let _ = states.wait_for(|state| matches!(state, State::Lost { .. })).await;
                }
                Err(error) => {
                    let why = error.to_string();
                    self.state.send_modify(|state| {
                        if let State::Lost { cause, .. } = state
                            && *cause != why
                        {
                            tracing::error!(cause = %why, "cannot connect to Redis: calls that need the store are refused");
                            *cause = why;
                        }
                    });
                }
            }
            tokio::time::sleep(pause).await;
            pause = (2 * pause).min(PAUSES.1);
        }
    }

    /// Tries again and again to write what waits for a node of a cluster.
    async fn keep_written(&self, mut connection: Connection) {
        loop {
            tokio::time::sleep(PAUSES.1).await;
            // What cannot be written now is tried again at the next turn.
            let _ = self.write_pending(&mut connection).await;
        }
    }

    /// Makes a connection that can be used, and writes what has waited for it
    /// before anybody else uses it.
    async fn connect(&self) -> Result<Connection, RedisError> {
        let mut connection = self.servers.connect(self.patience).await?;
        self.tell_concerns(durability::concerns(&mut connection).await);
        match self.write_pending(&mut connection).await {
            // A node that is down keeps nothing from the others.
            Err(_) if connection.is_cluster() => Ok(connection),
            written => written.map(|()| connection),
        }
    }

    /// Writes what has waited, in its order. Fails at the first that cannot be written yet; of a cluster, of which a node may
    /// be down, only what has the same slot waits behind it.
    async fn write_pending(&self, connection: &mut Connection) -> Result<(), RedisError> {
        let mut stuck = HashSet::new();
        loop {
            let next = lock(&self.pending).iter().find(|write| !stuck.contains(&write.slot())).cloned();
            let Some(write) = next else { return Ok(()) };
            match write.invocation(&self.scripts).invoke_async::<redis::Value>(connection).await {
                Err(error) if is_passing(&error) => {
                    stuck.insert(write.slot());
                    if !connection.is_cluster() || stuck.len() > MAX_STUCK {
                        return Err(error);
                    }
                    continue;
                }
                // It would be refused for ever, and everything behind it would wait.
                Err(error) => {
                    tracing::error!(%error, "a result that waited for Redis is refused and given up");
                }
                Ok(_) => {}
            }
            // Taken out only when it is written: it might have failed again.
            let mut pending = lock(&self.pending);
            // Mostly the first; another one where too many waited, or where a slot is stuck.
            if let Some(at) = pending.iter().position(|other| Arc::ptr_eq(other, &write)) {
                pending.remove(at);
            }
        }
    }

    /// Tells each concern once, however often the connection is lost.
    fn tell_concerns(&self, concerns: Vec<String>) {
        let mut told = lock(&self.concerns);
        for concern in concerns.iter().filter(|concern| !told.contains(concern)) {
            tracing::warn!("{concern}");
        }
        *told = concerns;
    }

    /// Tells the server that the holders of claims live.
    async fn keep_claims(&self) {
        let mut pace = tokio::time::interval(RENEW_EVERY);
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            pace.tick().await;
            let held: Vec<(ClaimKey, u64)> = {
                let mut held = lock(&self.held);
                held.retain(|_, held| held.since.elapsed() < MAX_HOLD);
                held.iter().map(|(key, held)| (*key, held.holder)).collect()
            };
            for some in held.chunks(100) {
                let renewed = some.iter().map(|(key, holder)| {
                    let invocation = self.scripts.renew(key, *holder);
                    async move { self.invoke::<i64>(invocation).await }
                });
                // What cannot be renewed now is tried again at the next turn.
                let _ = futures_util::future::join_all(renewed).await;
            }
        }
    }

    /// A claim is this process's from now on.
    pub(super) fn hold(&self, claim: &Claim) {
        lock(&self.held).insert(claim.key, Held { holder: claim.holder, since: Instant::now() });
    }

    /// A claim is given up.
    pub(super) fn let_go(&self, claim: &Claim) {
        let mut held = lock(&self.held);
        if held.get(&claim.key).is_some_and(|held| held.holder == claim.holder) {
            held.remove(&claim.key);
        }
    }

    /// Writes now, or as soon as the server is back.
    pub(super) async fn write<T: FromRedisValue>(&self, write: Write) -> Result<T, StoreError> {
        let invocation = write.invocation(&self.scripts);
        let done = self.attempt(async |connection| invocation.invoke_async(connection).await).await;
        done.map_err(|trouble| {
            if trouble.is_passing {
                self.write_later(write.clone());
            }
            trouble.error
        })
    }

    /// Writes when the server is back, before anything else is done there.
    pub(super) fn write_later(&self, write: Write) {
        let mut pending = lock(&self.pending);
        if pending.len() >= MAX_PENDING {
            // The first one may be on its way. What is given back expires by itself; a result does not.
            let expires = |write: &Arc<Write>| matches!(**write, Write::Release { .. });
            let at = pending.iter().skip(1).position(expires).map_or(1, |at| at + 1);
            pending.remove(at);
            tracing::error!("a change that waited for Redis is given up: too many wait");
        }
        pending.push_back(Arc::new(write));
    }
}

/// What went wrong with a command.
pub(super) struct Trouble {
    pub(super) error: StoreError,
    /// Whether it may go well later.
    is_passing: bool,
    was_sent: bool,
}

impl Trouble {
    /// Whether the connection was lost with the answer: the server may have done it all the same.
    pub(super) fn leaves_open(&self) -> bool {
        self.is_passing && self.was_sent
    }
}

/// Whether a command may go well on another connection: this one is broken, or
/// the server has become a replica, is not ready, or is full.
fn is_passing(error: &RedisError) -> bool {
    const CODES: [&str; 8] =
        ["READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS", "MISCONF", "OOM"];
    error.is_unrecoverable_error()
        || error.is_timeout()
        || error.is_cluster_error()
        || error.is_io_error()
        || error.code().is_some_and(|code| CODES.contains(&code))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use futures_util::FutureExt as _;

    use super::super::RedisServers;
    use super::*;

    #[tokio::test]
    async fn what_waits_for_a_stalled_server_is_bounded_and_what_is_owed_is_not_refused() {
        // It takes connections, and never answers.
        let stalled = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("redis://{}", stalled.local_addr().unwrap());
        let patience = Duration::from_secs(3_600);
        let worker =
            Worker::start(RedisServers::one(&url).client().unwrap(), Scripts::new("test"), patience).unwrap();
        let ping = |link: Arc<Link>| async move {
            link.with(async |connection| redis::cmd("PING").query_async::<String>(connection).await).await
        };
        let waiting: Vec<_> = (0..MAX_WAITING).map(|_| worker.run(ping)).collect();
        let refused = worker.run(ping).now_or_never().expect("it is refused at once");
        assert!(refused.unwrap_err().to_string().contains("10000 commands wait"));
        assert!(worker.run_owed(ping).now_or_never().is_none());
        drop(waiting);
    }
}
