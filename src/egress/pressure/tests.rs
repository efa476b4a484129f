//! Lanes by the stopped clock of tokio: nothing here waits for real.

#![expect(clippy::disallowed_methods, reason = "a test's tasks end with its runtime")]

use std::sync::Arc;

use http::StatusCode;
use tokio::time::{Instant, advance};

use super::*;
use crate::action::{Connection, RateRules};

const LONG: Duration = Duration::from_secs(3_600);

fn limits(max_in_flight: usize, max_queue: usize) -> LimitRules {
    LimitRules { max_in_flight, max_queue, rate: None }
}

fn rated(per_second: f64, burst: u32) -> LimitRules {
    LimitRules { rate: Some(RateRules::new(per_second, Some(burst))), ..limits(100, 100) }
}

/// Opens when 2 of 4 calls in 10 s fail; for 5 s; then 2 probes.
fn rules() -> BreakerRules {
    BreakerRules {
        failure_share: 0.5,
        window: Duration::from_secs(10),
        min_calls: 4,
        open: Duration::from_secs(5),
        half_open_calls: 2,
    }
}

fn lane(limits: &LimitRules, breaker: Option<&BreakerRules>) -> Lane {
    Lane::new("test", limits, breaker)
}

fn answer(status: u16) -> Result<StatusCode, &'static EgressError> {
    Ok(StatusCode::from_u16(status).unwrap())
}
async fn enter(lane: &Lane) -> Result<Permit<'_>, EgressError> {
    lane.enter(Deadline::after(LONG)).await
}

async fn call(lane: &Lane, status: u16) -> Result<(), EgressError> {
    enter(lane).await?.settle(answer(status));
    Ok(())
}

/// What a refusal says; panics where there is none.
fn overload<T: std::fmt::Debug>(result: Result<T, EgressError>) -> Overload {
    match result {
        Err(error @ EgressError::Overloaded(overload)) => {
            assert!(error.never_sent());
            overload
        }
        other => panic!("{other:?}"),
    }
}

fn is_open(result: &Result<(), EgressError>) -> bool {
    match result {
        Ok(()) => false,
        Err(error @ EgressError::Unavailable { .. }) => {
            assert!(error.never_sent());
            true
        }
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_are_in_flight_than_may_be_and_the_queue_is_bounded() {
    let lane = Arc::new(lane(&limits(2, 1), None));
    let (one, two) = (enter(&lane).await.unwrap(), enter(&lane).await.unwrap());
    let queued = tokio::task::spawn({
        let lane = lane.clone();
        async move { enter(&lane).await.map(drop).is_ok() }
    });
    tokio::task::yield_now().await;
    assert_eq!(overload(enter(&lane).await), Overload::InFlight);
    assert!(!queued.is_finished());
    drop(one);
    assert!(queued.await.unwrap());
    drop(two);
    assert!(enter(&lane).await.is_ok());
    assert_eq!(lane.waiting.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_leaves_the_queue() {
    let lane = lane(&limits(1, 1), None);
    let held = enter(&lane).await.unwrap();
    for _ in 0..3 {
        // Cancelled while waiting, and out of time while waiting.
        let waiting = tokio::time::timeout(Duration::from_millis(5), enter(&lane));
        assert!(waiting.await.is_err());
        let before = Instant::now();
        let soon = Deadline::after(Duration::from_millis(7));
        assert_eq!(overload(lane.enter(soon).await), Overload::Waited);
        assert_eq!(before.elapsed(), Duration::from_millis(7));
        assert_eq!(lane.waiting.load(Ordering::SeqCst), 0);
    }
    drop(held);
    assert!(enter(&lane).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn without_a_queue_a_full_lane_refuses_at_once() {
    let lane = lane(&limits(1, 0), None);
    let _held = enter(&lane).await.unwrap();
    let before = Instant::now();
    assert_eq!(overload(enter(&lane).await), Overload::InFlight);
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept_and_calls_go_in_their_order() {
    let lane = Arc::new(lane(&rated(10.0, 2), None));
    let start = Instant::now();
    let calls: Vec<_> = (0..6)
        .map(|_| {
            let lane = lane.clone();
            tokio::task::spawn(async move {
                let permit = enter(&lane).await;
                permit.map(|_| start.elapsed().as_millis()).unwrap()
            })
        })
        .collect();
    let mut times = Vec::new();
    for call in calls {
        times.push(call.await.unwrap());
    }
    // Two at once, then one every 100 ms; tokio's timer rounds up to a millisecond.
    for (time, expected) in times.iter().zip([0, 0, 100, 200, 300, 400]) {
        assert!((expected..=expected + 5).contains(time), "{times:?}");
    }
    assert_eq!(lane.waiting.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_would_come_too_late_is_not_waited_for() {
    let lane = Arc::new(lane(&rated(1.0, 1), None));
    assert!(enter(&lane).await.is_ok());
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let lane = lane.clone();
            tokio::task::spawn(async move { enter(&lane).await.is_ok() })
        })
        .collect();
    tokio::task::yield_now().await;
    let before = Instant::now();
    let soon = Deadline::after(Duration::from_millis(2_500));
    assert_eq!(overload(lane.enter(soon).await), Overload::Rate);
    assert_eq!(before.elapsed(), Duration::ZERO, "three wait already, a second each");
    let half = Deadline::after(Duration::from_millis(3_500));
    assert_eq!(overload(lane.enter(half).await), Overload::Rate);
    for one in waiting {
        assert!(one.await.unwrap());
    }
    assert!(enter(&lane).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_slow_rate_and_a_fast_one_have_their_periods() {
    for (per_second, burst, period) in [
        (0.5, None, Duration::from_secs(2)),
        (50.0, None, Duration::from_millis(20)),
        (1_000_000.0, Some(7), Duration::from_micros(1)),
    ] {
        let rules = RateRules::new(per_second, burst);
        assert_eq!(rules.period(), period);
        assert_eq!(rules.burst.get(), burst.unwrap_or(per_second.ceil() as u32));
    }
}

#[tokio::test(start_paused = true)]
async fn a_breaker_opens_on_the_share_of_failures_and_closes_after_probes() {
    let lane = lane(&limits(10, 10), Some(&rules()));
    for status in [200, 500, 200] {
        assert!(!is_open(&call(&lane, status).await));
    }
    assert!(!is_open(&call(&lane, 503).await), "this one was sent; it is what opens the breaker");
    assert!(is_open(&call(&lane, 200).await));
    advance(Duration::from_millis(4_900)).await;
    assert!(is_open(&call(&lane, 200).await));
    advance(Duration::from_millis(200)).await;
    // Two probes at a time, and no third one.
    let (one, two) = (enter(&lane).await.unwrap(), enter(&lane).await.unwrap());
    assert!(is_open(&call(&lane, 200).await));
    one.settle(answer(200));
    assert!(is_open(&call(&lane, 200).await), "one success is not enough");
    two.settle(answer(404));
    for _ in 0..10 {
        assert!(!is_open(&call(&lane, 200).await));
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_opens_the_breaker_again_and_one_that_is_lost_is_replaced() {
    let lane = lane(&limits(10, 10), Some(&rules()));
    for _ in 0..4 {
        call(&lane, 500).await.unwrap();
    }
    advance(Duration::from_secs(5)).await;
    let (one, two) = (enter(&lane).await.unwrap(), enter(&lane).await.unwrap());
    one.settle(answer(500));
    assert!(is_open(&call(&lane, 200).await));
    advance(Duration::from_secs(5)).await;
    // A probe of the former round says nothing any more.
    two.settle(answer(500));
    let (three, four) = (enter(&lane).await.unwrap(), enter(&lane).await.unwrap());
    assert!(is_open(&call(&lane, 200).await));
    drop(three);
    assert!(!is_open(&call(&lane, 200).await), "its place is free again");
    four.settle(answer(200));
    assert!(!is_open(&call(&lane, 500).await));
}

#[tokio::test(start_paused = true)]
async fn only_what_speaks_against_the_service_is_counted() {
    let lane = lane(&limits(10, 10), Some(&rules()));
    for _ in 0..50 {
        for status in [400, 401, 404, 409, 422, 429, 302] {
            assert!(!is_open(&call(&lane, status).await));
        }
        // A caller's own haste.
        let hasty = lane.enter(Deadline::after(Duration::from_millis(100))).await.unwrap();
        hasty.settle(Err(&EgressError::Deadline));
        // Given up before there was an answer.
        drop(enter(&lane).await.unwrap());
    }
    for _ in 0..350 {
        enter(&lane).await.unwrap().settle(Err(&EgressError::Deadline));
    }
    assert!(is_open(&call(&lane, 200).await), "350 of 700 timed out");
}

#[tokio::test(start_paused = true)]
async fn failures_are_forgotten_with_the_window() {
    let lane = lane(&limits(10, 10), Some(&rules()));
    for _ in 0..20 {
        for _ in 0..3 {
            assert!(!is_open(&call(&lane, 500).await), "three are too few to say anything");
        }
        advance(Duration::from_secs(11)).await;
    }
    // A little at a time: what left the window does not count, what is in it does.
    let mut opened_after = 0;
    for second in 0..20 {
        if is_open(&call(&lane, 500).await) {
            opened_after = second;
            break;
        }
        advance(Duration::from_secs(1)).await;
    }
    assert_eq!(opened_after, 4);
}

#[tokio::test(start_paused = true)]
async fn calls_from_before_the_breaker_closed_do_not_open_it_again() {
    let lane = lane(&limits(100, 10), Some(&rules()));
    let mut late = Vec::new();
    for _ in 0..20 {
        late.push(enter(&lane).await.unwrap());
    }
    for _ in 0..4 {
        call(&lane, 500).await.unwrap();
    }
    advance(Duration::from_secs(5)).await;
    for _ in 0..2 {
        assert!(!is_open(&call(&lane, 200).await));
    }
    for permit in late {
        permit.settle(answer(500));
    }
    assert!(!is_open(&call(&lane, 200).await));
}

#[tokio::test(start_paused = true)]
async fn a_breaker_can_be_turned_off_and_is_on_where_nothing_is_said() {
    let off = lane(&limits(10, 10), None);
    let on = Connection::of_origin("https://api.test");
    let default = lane(&on.limits, on.breaker.as_ref());
    for count in 0..100 {
        assert!(!is_open(&call(&off, 500).await));
        assert_eq!(is_open(&call(&default, 500).await), count >= 20, "{count}");
    }
}

#[test]
fn a_lane_shared_by_threads_loses_no_place() {
    let breaker = BreakerRules { failure_share: 0.9, min_calls: 1_000_000, ..rules() };
    let lane = Arc::new(lane(&limits(3, 100), Some(&breaker)));
    let in_flight = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (lane, in_flight) = (lane.clone(), in_flight.clone());
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                let local = tokio::task::LocalSet::new();
                runtime.block_on(local.run_until(async move {
                    let calls = (0..5).map(|_| {
                        let (lane, in_flight) = (lane.clone(), in_flight.clone());
                        tokio::task::spawn_local(async move {
                            for _ in 0..200 {
                                let permit = enter(&lane).await.unwrap();
                                assert!(in_flight.fetch_add(1, Ordering::SeqCst) < 3);
                                tokio::task::yield_now().await;
                                in_flight.fetch_sub(1, Ordering::SeqCst);
                                permit.settle(answer(200));
                            }
                        })
                    });
                    for call in calls.collect::<Vec<_>>() {
                        call.await.unwrap();
                    }
                }));
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!((lane.places.available_permits(), lane.waiting.load(Ordering::SeqCst)), (3, 0));
}
