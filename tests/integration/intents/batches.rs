//! Turns of several calls: posted twice, hung up on, started over.

use super::ids::{ALL, Ids};
use super::{Call, Setup, body, call, is_replay};
use crate::backend::on_every_store;
use crate::shaky::rises;

/// A turn that books a slot twice and another one once.
fn turn(ids: Ids, number: u64) -> Vec<Call> {
    let calls = [9, 9, 10].into_iter().enumerate().map(|(index, slot)| {
        let id = ids.id("book", index, number + index as u64);
        Call { id, action: "book".to_owned(), slot }
    });
    calls.collect()
}

on_every_store! {
async fn a_turn_that_is_posted_twice_is_done_once(on) {
    for ids in ALL {
        let setup = Setup::new(on).await;
        let calls = turn(ids, 1);
        let first = setup.turn("c", &calls).await;
        assert!(!first.iter().any(is_replay), "{ids:?}: {first:#?}");
        for _ in 0..2 {
            let again = setup.turn("c", &calls).await;
            assert!(again.iter().all(is_replay), "{ids:?}: {again:#?}");
            for slot in [9, 10] {
                let bodies = |results: &[serde_json::Value]| {
                    let mut bodies: Vec<u64> = results
                        .iter()
                        .zip(&calls)
                        .filter(|(_, call)| call.slot == slot)
                        .map(|(result, _)| result["body"]["id"].as_u64().unwrap())
                        .collect();
                    bodies.sort_unstable();
                    bodies
                };
                assert_eq!(bodies(&again), bodies(&first), "{ids:?}: each is told of its own");
            }
        }
        assert_eq!(setup.desk.entries().len(), 3, "{ids:?}");
    }
}
}

on_every_store! {
async fn a_turn_that_is_started_over_while_the_first_is_under_way_is_done_once(on) {
    for ids in ALL {
        let setup = Setup::new(on).await;
        setup.desk.hold("c");
        let (first, again) = (turn(ids, 1), turn(ids, 11));
        let later = async {
            setup.desk.arrives("c", 2).await;
            let release = async {
                rises(&setup.store().joined, 2).await;
                setup.desk.release("c");
            };
            tokio::join!(setup.turn("c", &again), release).0
        };
        let (first, again) = tokio::join!(setup.turn("c", &first), later);
        assert!(first.iter().chain(&again).all(|told| told["status"] == "success"), "{ids:?}: {again:#?}");
        assert!(again.iter().all(is_replay), "{ids:?}: {again:#?}");
        assert_eq!(setup.desk.entries().len(), 3, "{ids:?}: {again:#?}");
    }
}
}

on_every_store! {
async fn a_call_of_which_two_come_after_a_hang_up_is_done_twice_at_most(on) {
    for ids in ALL {
        let setup = Setup::new(on).await;
        let one = Call { id: ids.id("book", 0, 1), ..call("", "book", 9) };
        setup.hang_up("/v1/tool-calls", "c", &body("c", &[one])).await;
        let two = [1, 2].map(|number| Call { id: ids.id("book", 0, number), ..call("", "book", 9) });
        let told = setup.turn("c", &two).await;
        assert!(told.iter().all(|told| told["status"] == "success"), "{ids:?}: {told:#?}");
        assert!((1..=2).contains(&setup.desk.entries().len()), "{ids:?}: {told:#?}");
    }
}
}

on_every_store! {
async fn what_is_new_in_a_turn_is_done_and_the_rest_is_not_done_again(on) {
    for ids in [Ids::Random, Ids::Nine] {
        let setup = Setup::new(on).await;
        let id = |number| ids.id("book", 0, number);
        let old = Call { id: id(1), ..call("", "book", 9) };
        setup.one("c", old.clone()).await;
        let told = setup.turn("c", &[old, Call { id: id(2), ..call("", "book", 10) }]).await;
        assert_eq!(told.iter().map(is_replay).collect::<Vec<_>>(), [true, false], "{ids:?}: {told:#?}");
        assert_eq!(setup.desk.entries().len(), 2, "{ids:?}");
    }
}
}

on_every_store! {
async fn a_turn_that_did_the_rest_of_an_earlier_one_is_not_done_again(on) {
    for ids in ALL {
        let setup = Setup::new(on).await;
        let calls = [9, 10].into_iter().enumerate();
        let calls = calls.map(|(at, slot)| Call { id: ids.id("book", at, at as u64), ..call("", "book", slot) });
        let calls: Vec<Call> = calls.collect();
        setup.one("c", calls[0].clone()).await;
        let told = setup.turn("c", &calls).await;
        assert_eq!(told.iter().map(is_replay).collect::<Vec<_>>(), [true, false], "{ids:?}: {told:#?}");
        for _ in 0..2 {
            let told = setup.turn("c", &calls).await;
            assert!(told.iter().all(is_replay), "{ids:?}: {told:#?}");
        }
        assert_eq!(setup.desk.entries().len(), 2, "{ids:?}");
    }
}
}
