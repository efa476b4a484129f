//! Lines of the log on their way to standard error: a thread writes them, many
//! at a time, so that a call pays neither for a system call nor for the look
//! through them, and does not wait where nobody reads them.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::secrets::Redactor;
use crate::tool::grouped;

use super::equal::{Equal, Repeated};

/// How long a line may wait for others before it is written.
const FLUSH_EVERY: Duration = Duration::from_millis(100);
/// At how many bytes the lines are written at once.
const FLUSH_AT: usize = 64 * 1024;
/// How many bytes of lines wait at most. What comes then is lost.
const MAX_WAITING: usize = 8 * 1024 * 1024;
/// How long the end of the process waits for the last lines.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Takes lines.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// There is something to write.
    wanted: Condvar,
    /// Something has been written.
    written: Condvar,
    /// The last net: what masks secrets in the lines, whoever wrote them.
    net: Mutex<Vec<Redactor>>,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Lines that came when there was no room.
    lost: u64,
    /// Whether somebody waits for all of them to be written.
    is_flushed: bool,
    /// Whether lines have been taken that are not written yet.
    is_writing: bool,
}

/// Has the lines that still wait written when it is dropped.
#[derive(Debug)]
#[must_use = "lines that wait are written when it is dropped"]
pub struct Flush(pub(super) Lines);

impl Drop for Flush {
    /// Waits for `LAST_WAIT` at most: a process ends although nobody reads its log.
    fn drop(&mut self) {
        let shared = &self.0.0;
        let mut waiting = shared.lock();
        waiting.is_flushed = true;
        shared.wanted.notify_all();
        let is_unwritten = |waiting: &mut Waiting| waiting.is_writing || !waiting.bytes.is_empty();
        drop(shared.written.wait_timeout_while(waiting, LAST_WAIT, is_unwritten));
    }
}

impl Flush {
    /// What the lines are masked by, to be changed by a reload.
    pub fn masks(&self) -> LogMask {
        LogMask(self.0.clone())
    }

    /// As [`LogMask::mask`].
    pub fn mask(&self, redactors: Vec<Redactor>) {
        self.masks().mask(redactors);
    }
}

/// What the lines of the log are masked by.
#[derive(Clone, Debug)]
pub struct LogMask(Lines);

impl LogMask {
    /// Masks by `redactors` from now on, and by no others. No line of ours holds
    /// a secret; at the level `trace`, lines of libraries come along.
    pub fn mask(&self, redactors: Vec<Redactor>) {
        *self.0.0.net.lock().unwrap_or_else(PoisonError::into_inner) = redactors;
    }
}

impl Write for Lines {
    /// Takes one line, and never waits.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.0.lock();
        if waiting.bytes.len() + line.len() > MAX_WAITING {
            waiting.lost += 1;
            return Ok(line.len());
        }
        waiting.bytes.extend_from_slice(line);
        let is_enough = waiting.bytes.len() >= FLUSH_AT;
        drop(waiting);
        if is_enough {
            self.0.wanted.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be written, and how many lines were lost after it. Waits a
    /// while, so that it is more than one line.
    fn take(&self) -> (Vec<u8>, u64) {
        let is_little = |waiting: &mut Waiting| waiting.bytes.len() < FLUSH_AT && !waiting.is_flushed;
        let waited = self.wanted.wait_timeout_while(self.lock(), FLUSH_EVERY, is_little);
        let mut waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        waiting.is_flushed = false;
        waiting.is_writing = !waiting.bytes.is_empty();
        let bytes = match waiting.bytes.is_empty() {
            true => Vec::new(),
            false => std::mem::replace(&mut waiting.bytes, Vec::with_capacity(FLUSH_AT + FLUSH_AT / 8)),
        };
        (bytes, std::mem::take(&mut waiting.lost))
    }

    fn masked<'a>(&self, lines: &'a [u8]) -> Cow<'a, str> {
        let net = self.net.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let text = String::from_utf8_lossy(lines);
        net.iter().fold(text, |text, redactor| match redactor.redact(&text) {
            Cow::Owned(clean) => Cow::Owned(clean),
            Cow::Borrowed(_) => text,
        })
    }

    /// Writes what waits; `tell` says in the log how many lines were lost.
    fn write(&self, output: &mut impl Write, tell: impl Fn(u64)) {
        let (lines, lost) = self.take();
        if !lines.is_empty() {
            // There is nowhere to report that standard error is gone.
            let _ = output.write_all(self.masked(&lines).as_bytes());
        }
        if lost > 0 {
            tell(lost);
        }
        self.lock().is_writing = false;
        self.written.notify_all();
    }
}

/// Starts the thread that writes.
///
/// # Errors
///
/// The system has no thread left.
pub(super) fn start(lines: &Lines, equal: Equal) -> io::Result<()> {
    let shared = lines.0.clone();
    let tell =
        |lost| tracing::warn!(lost, "lines of the log were lost: standard error did not take them in time");
    let write = move || {
        loop {
            shared.write(&mut io::stderr(), tell);
            for Repeated { times, what } in equal.ended(Instant::now()) {
                tracing::warn!(repeated = times, "… repeated {} times: {what}", grouped(times));
            }
        }
    };
    std::thread::Builder::new().name("log".to_owned()).spawn(write).map(drop)
}

/// What a test logs.
#[cfg(test)]
#[derive(Clone, Debug, Default)]
pub(super) struct Captured(Lines);

#[cfg(test)]
impl Captured {
    pub(super) fn writer(&self) -> impl Fn() -> Lines + Send + Sync + 'static {
        let lines = self.0.clone();
        move || lines.clone()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.0.lock().bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver};

    use super::*;

    /// Takes lines when it is let.
    struct Stalled {
        go: Receiver<()>,
        taken: Vec<u8>,
    }

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.go.recv();
            self.taken.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_a_reader_that_stalls_and_what_is_lost_is_counted() {
        let mut lines = Lines::default();
        let (go, held) = mpsc::channel();
        let mut output = Stalled { go: held, taken: Vec::new() };
        let told = Mutex::new(0);
        let (line, many) = (format!("{}\n", "x".repeat(1_023)), 2 * MAX_WAITING as u64 / 1_024);
        std::thread::scope(|scope| {
            let shared = lines.0.clone();
            lines.write_all(b"first\n").unwrap();
            let (told, output) = (&told, &mut output);
            let writer = scope.spawn(move || {
                for _ in 0..2 {
                    shared.write(output, |lost| *told.lock().unwrap() += lost);
                }
            });
            for _ in 0..many {
                lines.write_all(line.as_bytes()).unwrap();
            }
            drop(go);
            writer.join().unwrap();
        });
        let taken = output.taken.iter().filter(|byte| **byte == b'\n').count() as u64;
        let lost = *told.lock().unwrap();
        assert!(output.taken.starts_with(b"first\n"));
        assert!(lost > 0 && taken + lost == many + 1, "{taken} + {lost}");
    }

    #[test]
    fn the_end_waits_for_the_last_lines() {
        let mut lines = Lines::default();
        lines.write_all(b"last\n").unwrap();
        let shared = lines.0.clone();
        let writer = std::thread::spawn(move || {
            let mut output = Vec::new();
            while output.is_empty() {
                shared.write(&mut output, |_| {});
            }
            output
        });
        drop(Flush(lines.clone()));
        let waiting = lines.0.lock();
        assert!(waiting.bytes.is_empty() && !waiting.is_writing);
        drop(waiting);
        assert_eq!(writer.join().unwrap(), b"last\n");
    }
}
