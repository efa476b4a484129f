//! How long a token is used, and how it is replaced.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Setup, token};
use crate::bad_input::told;
use crate::upstream::Reply;

/// Lets time pass for the gateway at once.
async fn travel(duration: Duration) {
    tokio::time::pause();
    tokio::time::advance(duration).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_token_is_refreshed_ahead_of_its_expiry_while_the_old_one_serves() {
    let (setup, gate) = Setup::held(1, 100).await;
    setup.call("read").await;
    travel(Duration::from_secs(70)).await;
    setup.call("read").await;
    assert_eq!(setup.fetched(), 1, "too early for a refresh");
    travel(Duration::from_secs(6)).await;
    // The refresh hangs; calls go on with the old token.
    for _ in 0..20 {
        assert_eq!(setup.call("read").await["status"], "success");
    }
    assert_eq!(setup.fetched(), 2);
    assert!(setup.carried().iter().all(|token| token == "Bearer token-number-1"), "{:?}", setup.carried());
    gate.add_permits(1);
    until(&setup, "Bearer token-number-2").await;
    assert_eq!(setup.fetched(), 2);
}

/// Calls until a call carries `token`.
async fn until(setup: &Setup, token: &str) {
    for _ in 0..2_000 {
        assert_eq!(setup.call("read").await["status"], "success");
        if setup.carried().last().is_some_and(|last| last == token) {
            return;
        }
    }
    panic!("no call carried {token}: {:?}", setup.carried());
}

#[tokio::test]
async fn a_refresh_that_fails_costs_no_call_until_the_token_is_over() {
    let is_broken = Arc::new(AtomicBool::new(false));
    let broken = is_broken.clone();
    let answer = move |number| match broken.load(Ordering::SeqCst) {
        true => Reply::Json(500, "{}".to_owned()),
        false => token(number, ", \"expires_in\": 100"),
    };
    let setup = Setup::new(answer, |_| Reply::ok("{}")).await;
    setup.call("read").await;
    is_broken.store(true, Ordering::SeqCst);
    travel(Duration::from_secs(80)).await;
    let began = std::time::Instant::now();
    for _ in 0..20 {
        assert_eq!(setup.call("read").await["status"], "success");
    }
    let most = 2 + usize::try_from(began.elapsed().as_secs() / 2).unwrap();
    assert!((2..=most).contains(&setup.fetched()), "a failed refresh is not tried again at once");
    travel(Duration::from_secs(12)).await;
    let result = setup.call("read").await;
    assert_eq!(told(&result).0, ("exception", "auth_failed", "none", "later"), "the token is over: {result}");
    assert_eq!(setup.call("read").await["status"], "exception", "and so it is for the next call");
    is_broken.store(false, Ordering::SeqCst);
    let failed = setup.fetched();
    assert_eq!(setup.call("read").await["status"], "success");
    assert_eq!(setup.carried().last().unwrap(), &format!("Bearer token-number-{}", failed + 1));
}

/// How long a token with `more` in its response is used: a call at once, one
/// after `later`; the tokens that the two carried.
async fn lifetime(more: &'static str, later: Duration, expected: [&str; 2]) {
    let setup = Setup::new(move |number| token(number, more), |_| Reply::ok("{}")).await;
    assert_eq!(setup.call("read").await["status"], "success", "{more}");
    travel(later).await;
    assert_eq!(setup.call("read").await["status"], "success", "{more}");
    assert_eq!(setup.carried(), expected.map(|number| format!("Bearer token-number-{number}")), "{more}");
}

#[tokio::test]
async fn whatever_the_server_says_of_the_lifetime_is_survived() {
    let now = Duration::ZERO;
    lifetime("", now, ["1", "1"]).await;
    lifetime("", Duration::from_secs(200), ["1", "1"]).await;
    lifetime("", Duration::from_secs(300), ["1", "2"]).await;
    lifetime(", \"expires_in\": null", now, ["1", "1"]).await;
    lifetime(", \"expires_in\": 0", now, ["1", "2"]).await;
    lifetime(", \"expires_in\": 1", Duration::from_secs(1), ["1", "2"]).await;
    lifetime(", \"expires_in\": 3600", Duration::from_secs(3500), ["1", "1"]).await;
    lifetime(", \"expires_in\": \"3600\"", Duration::from_secs(3500), ["1", "1"]).await;
    lifetime(", \"expires_in\": 3600.0", Duration::from_secs(3500), ["1", "1"]).await;
    lifetime(", \"expires_in\": -1", now, ["1", "2"]).await;
    lifetime(", \"expires_in\": 4294967296", Duration::from_secs(3500), ["1", "1"]).await;
    lifetime(", \"expires_in\": 18446744073709551615", Duration::from_secs(3500), ["1", "1"]).await;
    lifetime(", \"expires_in\": 1e30", Duration::from_secs(3500), ["1", "1"]).await;
    lifetime(", \"expires_in\": \"soon\"", Duration::from_secs(200), ["1", "1"]).await;
}
