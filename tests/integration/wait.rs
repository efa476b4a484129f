//! Waiting for a state. Nothing else in these tests looks again and again.

use std::time::Duration;

/// How long until the next look.
const PAUSE: Duration = Duration::from_millis(4);
/// How long at most. Looks are counted: a clock would go on while the whole process stands still.
const MINUTE: Duration = Duration::from_secs(60);

/// What `found` gives, as soon as it gives anything; panics where it gives nothing for a minute.
pub(crate) async fn until<T>(what: &str, found: impl AsyncFnMut() -> Option<T>) -> T {
    until_every(PAUSE, what, found).await
}

/// The same with another pause between two looks.
pub(crate) async fn until_every<T>(
    pause: Duration,
    what: &str,
    mut found: impl AsyncFnMut() -> Option<T>,
) -> T {
    for _ in 0..MINUTE.as_millis() / pause.as_millis() {
        if let Some(found) = found().await {
            return found;
        }
        tokio::time::sleep(pause).await;
    }
    panic!("not in a minute: {what}");
}

/// Waits until it is as it is wanted.
pub(crate) async fn until_so(what: &str, mut is_so: impl FnMut() -> bool) {
    until(what, async || is_so().then_some(())).await;
}

/// [`until`] of a thread.
#[track_caller]
pub(crate) fn until_found<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    for _ in 0..MINUTE.as_millis() / PAUSE.as_millis() {
        if let Some(found) = found() {
            return found;
        }
        std::thread::sleep(PAUSE);
    }
    panic!("not in a minute: {what}");
}

/// Has tokio's stopped clock wait for the system. It jumps ahead whenever everybody waits, also where what they wait for is
/// on its way from one socket to another. With this, it jumps by half a second at most, and then stands for a moment.
pub(crate) fn unhurried() {
    tokio::task::spawn(async {
        loop {
            // The clock does not jump while such a task runs.
            tokio::task::spawn_blocking(|| std::thread::sleep(PAUSE / 2)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
}
