//! Threads that own connections: one writes, with many changes in one commit;
//! one reads.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::super::StoreError;
use super::desk::Desk;
use super::marker::Marker;
use super::process::Process;
use super::sweep::Sweep;
use super::transaction::execute;

/// Most jobs of one commit.
const MAX_BATCH: usize = 256;
/// Most jobs that wait, besides those that are owed.
const MAX_WAITING: usize = 10_000;

/// What a job needs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Terms {
    /// Whether a power cut after the answer must not undo it.
    pub(super) is_durable: bool,
    /// Whether it follows from a claim that was taken: it is never refused, and
    /// there are no more of them than claims.
    pub(super) is_owed: bool,
}

/// A job, from its wait to its answer.
trait Task: Send {
    /// Does it, before it is committed; says whether it went well. Done again
    /// where what it did was taken back.
    fn run(&mut self, desk: &Desk<'_>) -> bool;
    /// Says what became of the commit.
    fn finish(self: Box<Self>, committed: Result<(), &str>);
}

struct Job {
    is_durable: bool,
    task: Box<dyn Task>,
}

struct Work<T, W, A: FnOnce(Option<&T>)> {
    work: W,
    done: Option<rusqlite::Result<T>>,
    after: Option<A>,
    answer: Option<oneshot::Sender<Result<T, String>>>,
}

impl<T, W, A> Task for Work<T, W, A>
where
    T: Send,
    W: FnMut(&Desk<'_>) -> rusqlite::Result<T> + Send,
    A: FnOnce(Option<&T>) + Send,
{
    fn run(&mut self, desk: &Desk<'_>) -> bool {
        self.done.insert((self.work)(desk)).is_ok()
    }

    fn finish(mut self: Box<Self>, committed: Result<(), &str>) {
        let done = match (self.done.take(), committed) {
            (Some(Ok(done)), Ok(())) => Ok(done),
            (Some(Err(error)), _) => Err(error.to_string()),
            (_, Err(cause)) => Err(cause.to_owned()),
            (None, Ok(())) => Err("it was not done".to_owned()),
        };
        if let Some(after) = self.after.take() {
            after(done.as_ref().ok());
        }
        if let Some(answer) = self.answer.take() {
            // Nobody waits any more where the caller has given up.
            let _ = answer.send(done);
        }
    }
}

impl<T, W, A: FnOnce(Option<&T>)> Drop for Work<T, W, A> {
    /// What comes after a job comes after one that is never done, too.
    fn drop(&mut self) {
        if let Some(after) = self.after.take() {
            after(None);
        }
    }
}

/// A thread with a connection of its own.
#[derive(Debug)]
pub(super) struct Worker {
    jobs: Option<Sender<Job>>,
    waiting: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

/// Jobs that wait, as their thread sees them.
struct Queue {
    jobs: Receiver<Job>,
    waiting: Arc<AtomicUsize>,
}

impl Queue {
    fn taken(&self, job: Job) -> Job {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        job
    }

    /// The next job; waits for it until the time is over.
    fn next(&self, wait: Duration) -> Result<Job, RecvTimeoutError> {
        self.jobs.recv_timeout(wait).map(|job| self.taken(job))
    }

    /// The next job, if it is there.
    fn try_next(&self) -> Option<Job> {
        self.jobs.try_recv().ok().map(|job| self.taken(job))
    }
}

impl Worker {
    /// Starts a thread that writes.
    pub(super) fn writing(
        connection: Connection,
        process: Arc<Process>,
        sweep: Sweep,
        marker: Marker,
    ) -> std::io::Result<Self> {
        let writer = Writer { connection, process, sweep, marker, is_synced: None };
        Self::start("store-write", move |queue| writer.run(&queue))
    }

    /// Starts a thread that reads.
    pub(super) fn reading(connection: Connection, process: Arc<Process>) -> std::io::Result<Self> {
        Self::start("store-read", move |queue| {
            while let Ok(mut job) = queue.jobs.recv().map(|job| queue.taken(job)) {
                job.task.run(&Desk::new(&connection, &process));
                job.task.finish(Ok(()));
            }
        })
    }

    fn start(name: &str, work: impl FnOnce(Queue) + Send + 'static) -> std::io::Result<Self> {
        let (jobs, waiting_jobs) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let queue = Queue { jobs: waiting_jobs, waiting: waiting.clone() };
        // What the thread logs belongs to whoever has opened the store.
        let span = tracing::Span::current();
        let thread = std::thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn(move || span.in_scope(|| work(queue)))?;
        Ok(Self { jobs: Some(jobs), waiting, thread: Some(thread) })
    }

    /// Has a job done, whether or not the answer is waited for, and then `after`
    /// told what came of it, also where it is refused. Jobs are done in the order
    /// in which this is called. `work` is done again where another job spoils
    /// their transaction, and is all or nothing without a savepoint of its own.
    pub(super) fn run<T: Send + 'static>(
        &self,
        terms: Terms,
        work: impl FnMut(&Desk<'_>) -> rusqlite::Result<T> + Send + 'static,
        after: impl FnOnce(Option<&T>) + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + 'static {
        let (answer, answered) = oneshot::channel();
        let task = Work { work, done: None, after: Some(after), answer: Some(answer) };
        let sent = self.send(terms, Box::new(task));
        async move {
            sent.map_err(unavailable)?;
            let done = answered.await.map_err(|_| unavailable("its thread has ended".to_owned()))?;
            done.map_err(unavailable)
        }
    }

    fn send(&self, terms: Terms, task: Box<dyn Task>) -> Result<(), String> {
        if !terms.is_owed && self.waiting.load(Ordering::Relaxed) >= MAX_WAITING {
            return Err(format!("{MAX_WAITING} changes wait to be written"));
        }
        let Some(jobs) = &self.jobs else { return Err("it is being closed".to_owned()) };
        self.waiting.fetch_add(1, Ordering::Relaxed);
        jobs.send(Job { is_durable: terms.is_durable, task }).map_err(|_| "its thread has ended".to_owned())
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

/// What the thread that writes has.
struct Writer {
    connection: Connection,
    process: Arc<Process>,
    sweep: Sweep,
    marker: Marker,
    /// Whether commits wait for the disk, as it was last said.
    is_synced: Option<bool>,
}

impl Writer {
    fn run(mut self, queue: &Queue) {
        loop {
            match queue.next(self.sweep.idle()) {
                Ok(first) => {
                    let mut batch = vec![first];
                    while batch.len() < MAX_BATCH
                        && let Some(next) = queue.try_next()
                    {
                        batch.push(next);
                    }
                    if !self.commit(batch) {
                        // The disk may be full: what has expired makes room.
                        self.sweep.hasten();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.sweep.is_due(&self.connection)
                && let Err(error) = self.sweep.run(&self.connection)
            {
                tracing::error!(%error, "what has expired cannot be removed from the store");
            }
            self.marker.keep_short(&self.connection);
        }
        self.marker.close(&self.connection);
    }

    /// Does all jobs, in one transaction where none spoils it. Each stands alone:
    /// where one fails, the others are done all the same. Says whether none failed.
    fn commit(&mut self, mut batch: Vec<Job>) -> bool {
        let mut committed = self.transact(&mut batch);
        if committed.is_err() && self.sweep.makes_room(&self.connection) {
            committed = self.transact(&mut batch);
        }
        if matches!(committed, Err(Failed::Job)) && batch.len() > 1 {
            // Rare enough that a commit for each does not matter.
            let mut is_whole = true;
            for job in batch {
                is_whole &= self.commit(vec![job]);
            }
            return is_whole;
        }
        let outcome = match &committed {
            Ok(_) => Ok(()),
            Err(Failed::Transaction(cause)) => Err(cause.as_str()),
            // It has a cause of its own.
            Err(Failed::Job) => Err("it was taken back"),
        };
        for job in batch {
            job.task.finish(outcome);
        }
        matches!(committed, Ok(true))
    }

    /// Does jobs in one transaction; says whether none failed.
    fn transact(&mut self, jobs: &mut [Job]) -> Result<bool, Failed> {
        let moves = self.marker.is_due();
        self.begin(moves || jobs.iter().any(|job| job.is_durable)).map_err(|error| self.failed(&error))?;
        if moves {
            self.marker.advance(&self.connection).map_err(|error| self.failed(&error))?;
        }
        let mut is_whole = true;
        let process = self.process.clone();
        let desk = Desk::new(&self.connection, &process);
        for job in jobs {
            let before = self.connection.total_changes();
            if !job.task.run(&desk) {
                is_whole = false;
                // Where the disk is full or broken, SQLite itself has taken back what all jobs did.
                if self.connection.is_autocommit() || self.connection.total_changes() != before {
                    roll_back(&self.connection);
                    return Err(Failed::Job);
                }
            }
        }
        execute(&self.connection, "COMMIT").map_err(|error| self.failed(&error))?;
        // Before anybody is told of it.
        desk.commit();
        self.marker.committed(moves);
        Ok(is_whole)
    }

    fn failed(&self, error: &rusqlite::Error) -> Failed {
        tracing::error!(%error, "the store cannot write");
        roll_back(&self.connection);
        Failed::Transaction(error.to_string())
    }

    fn begin(&mut self, is_durable: bool) -> rusqlite::Result<()> {
        if self.is_synced != Some(is_durable) {
            // FULL waits for the disk at each commit; NORMAL survives the end of the process, not a power cut.
            let mode = if is_durable { "PRAGMA synchronous = FULL" } else { "PRAGMA synchronous = NORMAL" };
            self.connection.execute_batch(mode)?;
            self.is_synced = Some(is_durable);
        }
        execute(&self.connection, "BEGIN IMMEDIATE")
    }
}

/// Why nothing of a transaction is done.
enum Failed {
    /// It cannot begin, or cannot be committed.
    Transaction(String),
    /// A job of it has failed half-way.
    Job,
}

fn roll_back(connection: &Connection) {
    if !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::error!(%error, "the store cannot take back what it has not written");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::SyncSender;

    use super::super::{marker, schema};
    use super::*;

    /// A thread that writes into a table of texts, in a file of at most 1 MiB.
    fn writer(folder: &tempfile::TempDir) -> Worker {
        const BYTES: u64 = 1024 * 1024;
        let path = folder.path().join("store.db");
        let verdict = marker::judge(&path, false).unwrap();
        let mut connection = schema::open(&path, BYTES).unwrap();
        connection.execute_batch("CREATE TABLE texts (text TEXT)").unwrap();
        let marker = Marker::start(&path, &mut connection, &verdict).unwrap();
        let process = Arc::<Process>::default();
        Worker::writing(connection, process.clone(), Sweep::new(1_000, BYTES, process), marker).unwrap()
    }

    /// Has the thread wait, so that what comes next is one batch, until something is sent.
    fn held_up(worker: &Worker) -> SyncSender<()> {
        let ((go, held), (begin, begun)) = (mpsc::sync_channel(0), mpsc::sync_channel(0));
        let wait = move |_: &Desk<'_>| {
            let _ = begin.send(());
            let _ = held.recv();
            Ok(())
        };
        drop(worker.run(Terms::default(), wait, |_| {}));
        // From now on, nothing joins its batch.
        begun.recv().unwrap();
        go
    }

    fn add(worker: &Worker, text: &'static str) -> impl Future<Output = Result<(), StoreError>> {
        add_of(worker, move || text.to_owned())
    }

    fn add_of(
        worker: &Worker,
        text: impl Fn() -> String + Send + 'static,
    ) -> impl Future<Output = Result<(), StoreError>> {
        let insert = move |desk: &Desk<'_>| {
            desk.connection.execute("INSERT INTO texts VALUES (?1)", [text()]).map(|_| ())
        };
        worker.run(Terms::default(), insert, |_| {})
    }

    async fn texts(worker: &Worker) -> Vec<String> {
        let select = |desk: &Desk<'_>| {
            let mut select = desk.connection.prepare("SELECT text FROM texts ORDER BY rowid")?;
            select.query_map([], |row| row.get(0))?.collect()
        };
        worker.run(Terms::default(), select, |_| {}).await.unwrap()
    }

    #[tokio::test]
    async fn a_job_that_fills_the_disk_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let worker = writer(&folder);
        let go = held_up(&worker);
        let one = add(&worker, "one");
        let full = add_of(&worker, || "x".repeat(2 * 1024 * 1024));
        let two = add(&worker, "two");
        drop(go);
        let (one, full, two) = futures_util::join!(one, full, two);
        assert!(full.unwrap_err().to_string().contains("full"));
        assert!(one.is_ok() && two.is_ok(), "{one:?}, {two:?}");
        assert_eq!(texts(&worker).await, ["one", "two"]);
    }

    #[tokio::test]
    async fn a_job_that_fails_half_way_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let worker = writer(&folder);
        let go = held_up(&worker);
        let one = add(&worker, "one");
        let broken = |desk: &Desk<'_>| {
            execute(desk.connection, "INSERT INTO texts VALUES ('half')")?;
            execute(desk.connection, "INSERT INTO nowhere VALUES ('half')")
        };
        let broken = worker.run(Terms::default(), broken, |_| {});
        let two = add(&worker, "two");
        drop(go);
        let (one, broken, two) = futures_util::join!(one, broken, two);
        assert!(broken.unwrap_err().to_string().contains("nowhere"));
        assert!(one.is_ok() && two.is_ok(), "{one:?}, {two:?}");
        assert_eq!(texts(&worker).await, ["one", "two"]);
    }

    #[tokio::test]
    async fn what_is_refused_is_told_and_what_is_owed_is_not_refused() {
        let folder = tempfile::tempdir().unwrap();
        let worker = writer(&folder);
        let go = held_up(&worker);
        // The thread may have taken a batch of them already.
        for _ in 0..MAX_WAITING + MAX_BATCH {
            drop(worker.run(Terms::default(), |_| Ok(()), |_| {}));
        }
        let (tell, told) = mpsc::channel();
        let refused = tell.clone();
        let job = worker.run(Terms::default(), |_| Ok(()), move |done| refused.send(done.is_some()).unwrap());
        assert!(job.await.is_err());
        let owed = Terms { is_owed: true, ..Terms::default() };
        let job = worker.run(owed, |_| Ok(()), move |done| tell.send(done.is_some()).unwrap());
        drop(go);
        job.await.unwrap();
        assert_eq!(told.iter().collect::<Vec<_>>(), [false, true]);
    }
}
