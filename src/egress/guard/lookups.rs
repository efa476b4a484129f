//! Look-ups of names by the system, which takes a thread for each and may never answer.
//!
//! Whoever asks for a name that is being looked up waits for the same answer; the threads are few, and where all of
//! them wait for answers, a call is told so at once.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::egress::Overload;

/// Most threads that look names up.
pub(super) const MAX_THREADS: usize = 64;
/// Most of them that look for one name; all but the first only while half of all are free.
pub(super) const MAX_FOR_ONE: usize = 4;
/// How old a look-up has to be before another one for the same name begins: its question may have been lost.
pub(super) const OLD: Duration = Duration::from_secs(1);
/// Most addresses of one name that are looked at.
const MAX_ADDRESSES: usize = 32;

type Addresses = Vec<SocketAddr>;
type Answer = Result<Addresses, Failed>;
type BoxError = Box<dyn Error + Send + Sync>;
type Look = dyn Fn(&str) -> io::Result<Addresses> + Send + Sync;

/// Looks names up, a few at a time. A clone is a pointer.
#[derive(Clone)]
pub(in crate::egress) struct LookUps {
    shared: Arc<Shared>,
}

struct Shared {
    look: Box<Look>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    threads: usize,
    names: HashMap<String, Name>,
}

/// A name that is being looked up.
struct Name {
    threads: usize,
    /// When the last look-up began.
    began: Instant,
    waiting: Vec<oneshot::Sender<Answer>>,
}

/// Why a name has no addresses, for each who waits.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
struct Failed(Arc<io::Error>);

impl fmt::Debug for LookUps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        write!(f, "LookUps({} names, {} threads)", state.names.len(), state.threads)
    }
}

impl Default for LookUps {
    fn default() -> Self {
        // Port 0 is replaced by the one of the URL.
        Self::new(|host| (host, 0).to_socket_addrs().map(|found| found.take(MAX_ADDRESSES).collect()))
    }
}

impl LookUps {
    /// Looks names up by `look`, which blocks its thread.
    pub(super) fn new(look: impl Fn(&str) -> io::Result<Addresses> + Send + Sync + 'static) -> Self {
        Self { shared: Arc::new(Shared { look: Box::new(look), state: Mutex::default() }) }
    }

    /// The addresses of `host`. Who stops waiting leaves the look-up to the others.
    ///
    /// # Errors
    ///
    /// It has none; or an [`Overload`], where too many look-ups are under way.
    pub(super) async fn addresses(&self, host: &str) -> Result<Addresses, BoxError> {
        match self.ask(host)?.await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err("the look-up was interrupted".into()),
        }
    }

    /// Joins the look-up of `host`, or begins one.
    fn ask(&self, host: &str) -> Result<oneshot::Receiver<Answer>, Overload> {
        let (waiter, answer) = oneshot::channel();
        let mut state = self.state();
        let State { threads, names } = &mut *state;
        let now = Instant::now();
        let starts = match names.get(host) {
            None => *threads < MAX_THREADS,
            Some(name) => name.threads < MAX_FOR_ONE && *threads < MAX_THREADS / 2 && now >= name.began + OLD,
        };
        if starts {
            self.start(host)?;
            *threads += 1;
        } else if !names.contains_key(host) {
            return Err(Overload::LookUps);
        }
        let name = names.entry(host.to_owned());
        let name = name.or_insert_with(|| Name { threads: 0, began: now, waiting: Vec::new() });
        if starts {
            (name.threads, name.began) = (name.threads + 1, now);
        }
        // Those who have given up make room.
        name.waiting.retain(|waiter| !waiter.is_closed());
        name.waiting.push(waiter);
        Ok(answer)
    }

    /// Begins a look-up on a thread of its own: a runtime would wait for it when it stops.
    fn start(&self, host: &str) -> Result<(), Overload> {
        let (look_ups, host) = (self.clone(), host.to_owned());
        let work = move || {
            let mut done = Done { look_ups: &look_ups, host: &host, answer: None };
            let found = (look_ups.shared.look)(&host);
            done.answer = Some(found.map_err(|error| Failed(Arc::new(error))));
        };
        let thread = std::thread::Builder::new().name("look-up".to_owned()).spawn(work);
        thread.map(drop).map_err(|_| Overload::LookUps)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is whole when the lock is given back.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names that are being looked up, and threads that do.
    #[cfg(test)]
    pub(super) fn under_way(&self) -> (usize, usize) {
        let state = self.state();
        (state.names.len(), state.threads)
    }
}

/// A look-up under way; it ends when this is dropped, by a panic too.
struct Done<'a> {
    look_ups: &'a LookUps,
    host: &'a str,
    answer: Option<Answer>,
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        let waiting = {
            let mut state = self.look_ups.state();
            let State { threads, names } = &mut *state;
            *threads = threads.saturating_sub(1);
            let Some(name) = names.get_mut(self.host) else { return };
            name.threads = name.threads.saturating_sub(1);
            let waiting = match self.answer {
                Some(_) => std::mem::take(&mut name.waiting),
                None => Vec::new(),
            };
            if name.threads == 0 {
                names.remove(self.host);
            }
            waiting
        };
        let Some(answer) = &self.answer else { return };
        for waiter in waiting {
            // Who has given up hears nothing.
            let _ = waiter.send(answer.clone());
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Condvar;

    use super::*;

    /// Names that begin with `hung` have no answer until they are let go.
    #[derive(Default)]
    pub(in crate::egress) struct Gate {
        is_open: Mutex<bool>,
        opened: Condvar,
    }

    impl Gate {
        pub(in crate::egress) fn look_ups(self: &Arc<Self>) -> LookUps {
            let gate = self.clone();
            LookUps::new(move |host| {
                if host.starts_with("hung") {
                    let is_open = gate.is_open.lock().unwrap();
                    drop(gate.opened.wait_while(is_open, |is_open| !*is_open).unwrap());
                }
                match host {
                    "none" => Err(io::Error::other("no such name")),
                    "panic" => panic!("a bug"),
                    _ => Ok(vec!["127.0.0.1:0".parse().unwrap()]),
                }
            })
        }

        pub(in crate::egress) fn open(&self) {
            *self.is_open.lock().unwrap() = true;
            self.opened.notify_all();
        }
    }

    async fn end(look_ups: &LookUps) {
        while look_ups.under_way() != (0, 0) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_name_that_never_answers_takes_one_thread_and_other_names_are_found() {
        // No time passes, so that no question grows old.
        tokio::time::pause();
        let gate = Arc::new(Gate::default());
        let look_ups = gate.look_ups();
        let waiting: Vec<_> = (0..900).map(|_| look_ups.ask("hung").unwrap()).collect();
        assert_eq!(look_ups.under_way(), (1, 1));
        assert_eq!(look_ups.addresses("other").await.unwrap().len(), 1);
        assert_eq!(look_ups.addresses("none").await.unwrap_err().to_string(), "no such name");
        gate.open();
        for answer in waiting {
            assert_eq!(answer.await.unwrap().unwrap().len(), 1);
        }
        end(&look_ups).await;
        assert_eq!(look_ups.addresses("hung").await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn who_gives_up_leaves_nothing_behind() {
        // No time passes, so that no question grows old.
        tokio::time::pause();
        let gate = Arc::new(Gate::default());
        let look_ups = gate.look_ups();
        for _ in 0..900 {
            drop(look_ups.ask("hung").unwrap());
        }
        let waiting = |look_ups: &LookUps| look_ups.state().names["hung"].waiting.len();
        assert_eq!((look_ups.under_way(), waiting(&look_ups)), ((1, 1), 1));
        gate.open();
        end(&look_ups).await;
    }

    #[tokio::test]
    async fn a_question_that_may_have_been_lost_is_asked_again_a_few_times() {
        tokio::time::pause();
        let gate = Arc::new(Gate::default());
        let look_ups = gate.look_ups();
        let mut waiting = Vec::new();
        for threads in [1, 2, 3, MAX_FOR_ONE, MAX_FOR_ONE, MAX_FOR_ONE] {
            waiting.push(look_ups.ask("hung").unwrap());
            waiting.push(look_ups.ask("hung").unwrap());
            assert_eq!(look_ups.under_way(), (1, threads));
            tokio::time::advance(OLD).await;
        }
        gate.open();
        for answer in waiting {
            assert!(answer.await.unwrap().is_ok());
        }
        end(&look_ups).await;
    }

    #[tokio::test]
    async fn with_all_threads_taken_a_call_is_told_so_at_once_until_they_are_free() {
        let gate = Arc::new(Gate::default());
        let look_ups = gate.look_ups();
        let waiting: Vec<_> =
            (0..MAX_THREADS).map(|name| look_ups.ask(&format!("hung-{name}")).unwrap()).collect();
        for _ in 0..3 {
            let refused = look_ups.addresses("other").await.unwrap_err();
            assert_eq!(refused.downcast_ref(), Some(&Overload::LookUps));
        }
        assert!(
            look_ups.ask("hung-1").is_ok(),
            "who asks for a name that is looked up waits with the others"
        );
        assert_eq!(look_ups.under_way(), (MAX_THREADS, MAX_THREADS));
        gate.open();
        for answer in waiting {
            assert!(answer.await.unwrap().is_ok());
        }
        end(&look_ups).await;
        assert!(look_ups.addresses("other").await.is_ok());
    }

    #[tokio::test]
    async fn a_look_up_that_panics_ends() {
        let look_ups = Arc::new(Gate::default()).look_ups();
        assert!(look_ups.addresses("panic").await.is_err());
        end(&look_ups).await;
    }
}
