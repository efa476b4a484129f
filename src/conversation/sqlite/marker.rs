//! The marker beside the file, by which a start notices that the file is not as
//! the last process left it.
//!
//! The file's header holds the store's id (`application_id`) and its position
//! (`user_version`). The position moves with the first commit after each
//! checkpoint, and once a second while there are commits. The marker holds the id
//! and the positions that the file and its write-ahead log have reached; it is
//! written after such a commit and before anybody is told of it. So the marker is
//! never ahead of the file, whenever the process is killed, and a file that is
//! behind its marker has lost something. Commits in between cost nothing.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::file::{SqliteError, make_private};
use super::schema;
use super::transaction::atomically;

/// How long the position stays where it is while there are commits.
const MOVE_EVERY: Duration = Duration::from_secs(1);
/// Pages in the write-ahead log at which they are brought into the file: so many that those which change often
/// are brought there once for many changes.
const CHECKPOINT_PAGES: u32 = 4_000;
/// What each SQLite file begins with.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// What each marker begins with, with its version.
const NAME: &str = "callgate-store 1";

/// What a marker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Content {
    id: u32,
    /// The position that the file has reached without its log; 0 where that is not known.
    in_file: u32,
    /// The position that the file has reached with its log.
    in_log: u32,
}

/// What is found where a marker is to be.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Unreadable,
    Content(Content),
}

/// What the header of a file says.
#[derive(Debug, PartialEq, Eq)]
enum Header {
    Missing,
    Empty,
    /// SQLite will say what is wrong with it.
    Unreadable,
    Stamp {
        id: u32,
        at: u32,
    },
}

/// What a start knows of the file before it uses it.
#[derive(Debug)]
pub(super) struct Verdict {
    found: Found,
    /// Why the file is not as it was left; it is to be used all the same.
    accepted: Option<String>,
}

/// Judges a file by its marker, and leaves both as they are.
///
/// # Errors
///
/// The file is not as the last process left it, unless that is accepted.
pub(super) fn judge(path: &Path, accept: bool) -> Result<Verdict, SqliteError> {
    let marker = marker_path(path);
    let found = read(&marker).map_err(|error| SqliteError::Io { path: marker, error })?;
    let what = what_is_wrong(path, &found)?;
    match what {
        Some(what) if !accept => Err(SqliteError::NotAsLeft { path: path.to_owned(), what }),
        accepted => Ok(Verdict { found, accepted }),
    }
}

fn what_is_wrong(path: &Path, found: &Found) -> Result<Option<String>, SqliteError> {
    let header = read_header(path).map_err(|error| SqliteError::Io { path: path.to_owned(), error })?;
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (log, marker) = (name(&log_path(path)), name(&marker_path(path)));
    let is_gone = match header {
        Header::Missing => Some("is gone"),
        Header::Empty => Some("is empty"),
        Header::Unreadable | Header::Stamp { .. } => None,
    };
    if let Some(is_gone) = is_gone {
        // Opened now, SQLite would throw the log away.
        let has_log = fs::metadata(log_path(path)).is_ok_and(|log| log.len() > 0);
        return Ok(match found {
            Found::Nothing if !has_log => None,
            Found::Nothing => Some(format!("it {is_gone}, and its write-ahead log `{log}` is still there")),
            Found::Unreadable | Found::Content(_) => {
                Some(format!("it {is_gone}, and its marker `{marker}` is still there"))
            }
        });
    }
    let (Header::Stamp { id, at }, Found::Content(marker)) = (header, found) else { return Ok(None) };
    if marker.in_file > 0 && id != marker.id {
        return Ok(Some("it is the file of another store".to_owned()));
    }
    if at < marker.in_file {
        return Ok(Some("it is an older copy".to_owned()));
    }
    let unusable = |cause: String| SqliteError::Unusable { path: path.to_owned(), cause };
    // Reading brings nothing of the log into the file.
    let reading = schema::open_to_read(path).map_err(unusable)?;
    let (id, at) = stamp(&reading).map_err(|error| unusable(error.to_string()))?;
    Ok(if id != marker.id {
        Some("it is the file of another store".to_owned())
    } else if at < marker.in_log {
        Some(format!("its write-ahead log `{log}` is gone or older, or it is an older copy itself"))
    } else {
        None
    })
}

/// The marker of a file that is open for writing.
#[derive(Debug)]
pub(super) struct Marker {
    file: File,
    path: PathBuf,
    content: Content,
    /// Whether the position moves with the next commit.
    is_due: bool,
    /// Whether there has been a commit since it moved.
    is_behind: bool,
    moved: Instant,
    move_every: Duration,
    /// Whether it was said that the marker cannot be written.
    has_failed: bool,
    log: Log,
}

/// How long the write-ahead log is.
#[derive(Debug)]
struct Log {
    /// Its pages at the last commit.
    pages: Arc<AtomicU32>,
    seen: u32,
    /// The pages at which the next checkpoint is due.
    limit: u32,
    every: u32,
}

impl Marker {
    /// Takes the file for its marker: brings the log into the file, and writes the marker.
    ///
    /// # Errors
    ///
    /// Says what cannot be written.
    pub(super) fn start(
        path: &Path,
        connection: &mut Connection,
        verdict: &Verdict,
    ) -> Result<Self, SqliteError> {
        Self::start_with(path, connection, verdict, CHECKPOINT_PAGES, MOVE_EVERY)
    }

    fn start_with(
        path: &Path,
        connection: &mut Connection,
        verdict: &Verdict,
        checkpoint_pages: u32,
        move_every: Duration,
    ) -> Result<Self, SqliteError> {
        let unusable = |error: rusqlite::Error| SqliteError::Unusable {
            path: path.to_owned(),
            cause: error.to_string(),
        };
        let former = match verdict.found {
            Found::Content(content) => Some(content),
            Found::Nothing | Found::Unreadable => None,
        };
        let (mut id, mut at) = stamp(connection).map_err(unusable)?;
        verdict.tell(path, id);
        if id == 0 || verdict.accepted.is_some() {
            // What was left behind must not come back as if it were this one.
            (id, at) = (new_id(), at.max(former.map_or(0, |former| former.in_log)).saturating_add(1));
            identify(connection, id, at).map_err(unusable)?;
        }
        let pages = Arc::new(AtomicU32::new(0));
        let counted = pages.clone();
        let hook = move |_: &mut rusqlite::hooks::Wal, pages| {
            counted.store(u32::try_from(pages).unwrap_or_default(), Ordering::Relaxed);
            Ok(())
        };
        connection.wal_hook(Some(hook)).map_err(unusable)?;
        let in_file = if checkpoint(connection, "TRUNCATE").map_err(unusable)? {
            at
        } else {
            former.filter(|former| former.id == id).map_or(0, |former| former.in_file)
        };
        let marker_path = marker_path(path);
        let io = |error| SqliteError::Io { path: marker_path.clone(), error };
        let marker = Self {
            file: make_private(&marker_path).map_err(io)?,
            path: marker_path.clone(),
            content: Content { id, in_file, in_log: at },
            is_due: true,
            is_behind: false,
            moved: Instant::now(),
            move_every,
            has_failed: false,
            log: Log { pages, seen: 0, limit: checkpoint_pages, every: checkpoint_pages },
        };
        write(&marker.file, marker.content).map_err(io)?;
        Ok(marker)
    }

    /// Whether the next commit is to move the position; that commit must be on the disk.
    pub(super) fn is_due(&self) -> bool {
        self.is_due || self.moved.elapsed() >= self.move_every
    }

    /// Moves the position, as a part of the transaction.
    pub(super) fn advance(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.pragma_update(None, "user_version", self.next().cast_signed())
    }

    /// A transaction has been committed, by which the position has moved or not.
    /// Nobody has been told of it yet.
    pub(super) fn committed(&mut self, has_moved: bool) {
        self.is_behind = !has_moved;
        if has_moved {
            self.content.in_log = self.next();
            (self.is_due, self.moved) = (false, Instant::now());
            self.write();
        }
    }

    /// Brings the log into the file where it has become long.
    pub(super) fn keep_short(&mut self, connection: &Connection) {
        if !self.log.is_long() {
            return;
        }
        match checkpoint(connection, "PASSIVE") {
            Ok(true) => self.content.in_file = self.content.in_log,
            // Somebody reads: the rest comes later.
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%error, "the store's write-ahead log cannot be brought into its file");
            }
        }
        // From the next commit on, the file alone has lost something.
        self.is_due = true;
    }

    /// Brings all into the file, so that it can be copied alone.
    pub(super) fn close(&mut self, connection: &Connection) {
        let close = || -> rusqlite::Result<bool> {
            if self.is_behind {
                connection.pragma_update(None, "synchronous", "FULL")?;
                self.advance(connection)?;
            }
            checkpoint(connection, "TRUNCATE")
        };
        match close() {
            Ok(is_whole) => {
                self.content.in_log = if self.is_behind { self.next() } else { self.content.in_log };
                if is_whole {
                    self.content.in_file = self.content.in_log;
                } else {
                    tracing::warn!(
                        "another process reads the store's file: what was done last is still in the write-ahead log beside it"
                    );
                }
                self.is_behind = false;
                self.write();
            }
            Err(error) => {
                tracing::error!(%error, "the store's write-ahead log cannot be brought into its file");
            }
        }
    }

    fn next(&self) -> u32 {
        self.content.in_log.saturating_add(1)
    }

    fn write(&mut self) {
        // One that stays behind raises no false alarm.
        let written = write(&self.file, self.content);
        if let Err(error) = &written
            && !self.has_failed
        {
            tracing::error!(path = %self.path.display(), %error, "the store's marker cannot be written: the next start may not notice a loss");
        }
        self.has_failed = written.is_err();
    }
}

impl Log {
    fn is_long(&mut self) -> bool {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.seen {
            // It has begun anew.
            self.limit = self.every;
        }
        self.seen = pages;
        let is_long = pages >= self.limit;
        if is_long {
            // Where somebody reads for long it goes on growing.
            self.limit = pages.saturating_add(self.every / 4);
        }
        is_long
    }
}

impl Verdict {
    /// Tells whoever runs this what cannot be known, and what was accepted.
    fn tell(&self, path: &Path, id: u32) {
        if let Some(what) = &self.accepted {
            tracing::warn!(
                path = %path.display(),
                what,
                "the store is not as the last process left it, which is accepted: what has been done may be done again"
            );
        } else if id != 0 && !matches!(self.found, Found::Content(_)) {
            tracing::warn!(
                path = %path.display(),
                "the store has no marker that can be read: whether this is its latest file is not known; a new marker is written"
            );
        }
    }
}

fn marker_path(path: &Path) -> PathBuf {
    path.with_added_extension("marker")
}

fn log_path(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

fn read(path: &Path) -> io::Result<Found> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(4_096).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
    let content = std::str::from_utf8(&bytes).ok().and_then(parse);
    Ok(content.map_or(Found::Unreadable, Found::Content))
}

fn parse(text: &str) -> Option<Content> {
    let mut numbers = text.lines().next()?.strip_prefix(NAME)?.split_whitespace();
    let mut number = |name: &str| {
        let digits = numbers.next()?.strip_prefix(name)?;
        (digits.len() == 8).then(|| u32::from_str_radix(digits, 16).ok()).flatten()
    };
    Some(Content { id: number("id=")?, in_file: number("file=")?, in_log: number("log=")? })
}

/// Writes the marker where it is, always as long as before: it is never empty or half a marker.
fn write(mut file: &File, content: Content) -> io::Result<()> {
    let Content { id, in_file, in_log } = content;
    let text = format!(
        "{NAME} id={id:08x} file={in_file:08x} log={in_log:08x}\n\
         By this, a start notices that the store's file has been lost or replaced. To begin anew, delete both.\n"
    );
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

fn read_header(path: &Path) -> io::Result<Header> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(100).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Header::Missing),
        Err(error) => return Err(error),
    };
    if bytes.is_empty() {
        return Ok(Header::Empty);
    }
    // https://sqlite.org/fileformat.html#the_database_header
    let number = |at: usize| Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    Ok(match (number(68), number(60)) {
        (Some(id), Some(at)) if bytes.starts_with(MAGIC) => Header::Stamp { id, at },
        _ => Header::Unreadable,
    })
}

/// The id and the position of a file with its log.
fn stamp(connection: &Connection) -> rusqlite::Result<(u32, u32)> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    Ok((number("application_id")?.cast_unsigned(), number("user_version")?.cast_unsigned()))
}

fn identify(connection: &Connection, id: u32, at: u32) -> rusqlite::Result<()> {
    atomically(connection, |connection| {
        connection.pragma_update(None, "application_id", id.cast_signed())?;
        connection.pragma_update(None, "user_version", at.cast_signed())
    })
}

/// A number by which stores are told apart; 0 stands for none.
fn new_id() -> u32 {
    getrandom::u32().unwrap_or_default().max(1)
}

/// Brings the log into the file; says whether all of it is there.
fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<bool> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        let (is_busy, pages, done): (bool, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(!is_busy && pages == done)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::super::desk::Desk;
    use super::super::process::Process;
    use super::super::sweep::Sweep;
    use super::super::worker::{Terms, Worker};
    use super::*;

    /// A file with a table of numbers; its log is brought into it every few commits.
    fn open(path: &Path) -> Worker {
        let verdict = judge(path, false).unwrap();
        let mut connection = schema::open(path, 1 << 30).unwrap();
        connection.execute_batch("CREATE TABLE IF NOT EXISTS numbers (number INTEGER)").unwrap();
        // Time does not move the position: that would hide what checkpoints have to do.
        let never = Duration::from_secs(3_600);
        let marker = Marker::start_with(path, &mut connection, &verdict, 20, never).unwrap();
        let process = Arc::<Process>::default();
        Worker::writing(connection, process.clone(), Sweep::new(1_000, 1 << 30, process), marker).unwrap()
    }

    /// Adds a number, which is acknowledged when this returns.
    async fn add(worker: &Worker, number: u64, is_durable: bool) {
        let insert = move |desk: &Desk<'_>| {
            desk.connection.execute("INSERT INTO numbers VALUES (?1)", [number.cast_signed()]).map(|_| ())
        };
        worker.run(Terms { is_durable, is_owed: false }, insert, |_| {}).await.unwrap();
    }

    /// Copies what a killed process would leave; nothing is written meanwhile.
    async fn left(worker: &Worker, path: &Path) -> tempfile::TempDir {
        let (go, held) = mpsc::sync_channel::<()>(0);
        let (begin, begun) = mpsc::sync_channel(0);
        let wait = move |_: &Desk<'_>| {
            begin.send(()).unwrap();
            held.recv().unwrap();
            Ok(())
        };
        let job = worker.run(Terms::default(), wait, |_| {});
        begun.recv().unwrap();
        let folder = tempfile::tempdir().unwrap();
        for part in ["store.db", "store.db-wal", "store.db.marker"] {
            fs::copy(path.with_file_name(part), folder.path().join(part)).unwrap();
        }
        go.send(()).unwrap();
        job.await.unwrap();
        folder
    }

    /// How many numbers a file holds; `None` where a start refuses it.
    fn numbers(folder: &Path) -> Option<u64> {
        let path = folder.join("store.db");
        match judge(&path, false) {
            Err(SqliteError::NotAsLeft { .. }) => return None,
            other => drop(other.unwrap()),
        }
        let connection = Connection::open(&path).unwrap();
        let count: i64 = connection.query_row("SELECT count(*) FROM numbers", [], |row| row.get(0)).unwrap();
        Some(count.cast_unsigned())
    }

    #[tokio::test]
    async fn a_kill_is_no_loss_and_what_is_lost_with_the_log_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let mut worker = open(&path);
        let (mut refused, mut added) = (0, 0);
        for round in 0..200 {
            added += 1;
            add(&worker, added, round % 3 == 0).await;
            if round % 61 == 60 {
                drop(worker);
                worker = open(&path);
            }
            let whole = left(&worker, &path).await;
            let without_log = tempfile::tempdir().unwrap();
            for part in ["store.db", "store.db.marker"] {
                fs::copy(whole.path().join(part), without_log.path().join(part)).unwrap();
            }
            assert_eq!(numbers(whole.path()), Some(added), "a kill after {added}");
            match numbers(without_log.path()) {
                Some(there) => assert_eq!(there, added, "nobody noticed that {added} are not there"),
                None => refused += 1,
            }
        }
        // After a checkpoint and before the next commit, all is in the file.
        assert!((100..200).contains(&refused), "{refused}");
    }

    #[tokio::test]
    async fn an_older_file_under_a_newer_log_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let worker = open(&path);
        add(&worker, 1, true).await;
        drop(worker);
        let older = fs::read(&path).unwrap();
        let worker = open(&path);
        for number in 2..100 {
            add(&worker, number, true).await;
        }
        let left = left(&worker, &path).await;
        fs::write(left.path().join("store.db"), older).unwrap();
        let refused = judge(&left.path().join("store.db"), false).unwrap_err().to_string();
        assert!(refused.contains("it is an older copy."), "{refused}");
    }

    #[test]
    fn a_marker_is_read_as_it_was_written() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(read(file.path()).unwrap(), Found::Unreadable, "an empty one");
        let mut lengths = Vec::new();
        for number in [0, 1, 77, u32::MAX] {
            let content = Content { id: number, in_file: number / 2, in_log: number };
            write(file.as_file(), content).unwrap();
            assert_eq!(read(file.path()).unwrap(), Found::Content(content));
            lengths.push(file.as_file().metadata().unwrap().len());
        }
        assert!(lengths.windows(2).all(|pair| pair[0] == pair[1]), "{lengths:?}");
        for text in ["callgate-store 2 id=00000001 file=00000001 log=00000001", "callgate-store 1 id=1", "x"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
        let nowhere = file.path().with_file_name("no such marker");
        assert_eq!(read(&nowhere).unwrap(), Found::Nothing);
    }
}
