//! Threads that own connections: one writes, with many changes in one commit;
//! one reads.

use std::future::Future;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::super::StoreError;
use super::sweep::Sweep;

/// Most jobs of one commit.
const MAX_BATCH: usize = 256;
/// Most jobs that wait.
const MAX_WAITING: usize = 10_000;
/// How often what has expired is removed.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// What a job gives back: called with what became of the commit.
type Finish = Box<dyn FnOnce(Result<(), String>) + Send>;

/// A job that has been done, before it is committed.
struct Done {
    is_failed: bool,
    finish: Finish,
}

struct Job {
    /// Whether a power cut after the answer must not undo it.
    is_durable: bool,
    run: Box<dyn FnOnce(&Connection) -> Done + Send>,
}

/// A thread with a connection of its own.
#[derive(Debug)]
pub(super) struct Worker {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts a thread that writes.
    pub(super) fn writing(connection: Connection, sweep: Sweep) -> std::io::Result<Self> {
        Self::start("store-write", move |jobs| write(&connection, &jobs, sweep))
    }

    /// Starts a thread that reads.
    pub(super) fn reading(connection: Connection) -> std::io::Result<Self> {
        Self::start("store-read", move |jobs| {
            while let Ok(job) = jobs.recv() {
                ((job.run)(&connection).finish)(Ok(()));
            }
        })
    }

    fn start(name: &str, work: impl FnOnce(Receiver<Job>) + Send + 'static) -> std::io::Result<Self> {
        let (jobs, waiting) = mpsc::sync_channel(MAX_WAITING);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || work(waiting))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Has a job done, whether or not the answer is waited for, and then `after`
    /// told what came of it. Jobs are done in the order in which this is called.
    pub(super) fn run<T: Send + 'static>(
        &self,
        is_durable: bool,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        after: impl FnOnce(Option<&T>) + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + 'static {
        let (answer, answered) = oneshot::channel();
        let run = move |connection: &Connection| {
            let done = work(connection);
            let is_failed = done.is_err();
            let finish = Box::new(move |committed: Result<(), String>| {
                let done = done.map_err(|error| error.to_string());
                let done = done.and_then(|done| committed.map(|()| done));
                after(done.as_ref().ok());
                // Nobody waits any more where the caller has given up.
                let _ = answer.send(done);
            });
            Done { is_failed, finish }
        };
        let sent = match &self.jobs {
            Some(jobs) => {
                jobs.try_send(Job { is_durable, run: Box::new(run) }).map_err(|error| match error {
                    TrySendError::Full(_) => format!("{MAX_WAITING} changes wait to be written"),
                    TrySendError::Disconnected(_) => "its thread has ended".to_owned(),
                })
            }
            None => Err("it is being closed".to_owned()),
        };
        async move {
            sent.map_err(unavailable)?;
            let done = answered.await.map_err(|_| unavailable("its thread has ended".to_owned()))?;
            done.map_err(unavailable)
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The thread does what is waiting, and ends.
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub(super) fn unavailable(cause: String) -> StoreError {
    StoreError::Unavailable { backend: "sqlite", cause }
}

fn write(connection: &Connection, jobs: &Receiver<Job>, mut sweep: Sweep) {
    let mut swept = Instant::now();
    let mut is_synced = None;
    loop {
        let wait = SWEEP_EVERY.saturating_sub(swept.elapsed());
        match jobs.recv_timeout(wait) {
            Ok(first) => {
                let mut batch = vec![first];
                while batch.len() < MAX_BATCH
                    && let Ok(next) = jobs.try_recv()
                {
                    batch.push(next);
                }
                if !commit(connection, batch, &mut is_synced) {
                    // The file may be full: what has expired makes room, and what is oldest.
                    swept = swept.checked_sub(SWEEP_EVERY).unwrap_or(swept);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if swept.elapsed() >= SWEEP_EVERY {
            if let Err(error) = sweep.run(connection) {
                tracing::error!(%error, "what has expired cannot be removed from the store");
            }
            // A sweep that has not come to its end goes on soon, between the jobs.
            swept = if sweep.is_done() { Instant::now() } else { swept };
        }
    }
}

/// Does all jobs in one transaction. Each stands alone: where one fails, the
/// others are done all the same. Says whether none failed.
fn commit(connection: &Connection, batch: Vec<Job>, is_synced: &mut Option<bool>) -> bool {
    let is_durable = batch.iter().any(|job| job.is_durable);
    let mut finishes = Vec::with_capacity(batch.len());
    let transaction = || {
        if *is_synced != Some(is_durable) {
            // FULL waits for the disk at each commit; NORMAL survives the end of the process, not a power cut.
            let mode = if is_durable { "PRAGMA synchronous = FULL" } else { "PRAGMA synchronous = NORMAL" };
            connection.execute_batch(mode)?;
            *is_synced = Some(is_durable);
        }
        execute(connection, "BEGIN IMMEDIATE")?;
        for job in batch {
            finishes.push((job.run)(connection));
        }
        execute(connection, "COMMIT")
    };
    let committed = transaction().map_err(|error: rusqlite::Error| error.to_string());
    if let Err(error) = &committed {
        tracing::error!(%error, "the store cannot write");
        if !connection.is_autocommit() {
            let _ = connection.execute_batch("ROLLBACK");
        }
    }
    let is_whole = committed.is_ok() && finishes.iter().all(|done: &Done| !done.is_failed);
    for done in finishes {
        (done.finish)(committed.clone());
    }
    is_whole
}

pub(super) fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(|_| ())
}

/// Does all of `work` or nothing of it, inside the transaction of a batch.
pub(super) fn atomically<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    execute(connection, "SAVEPOINT job")?;
    let done = work(connection);
    if done.is_err() {
        execute(connection, "ROLLBACK TO job")?;
    }
    execute(connection, "RELEASE job")?;
    done
}
