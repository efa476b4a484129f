//! Model servers: how they make ids, and conversations that came of it.

use super::ids::{ALL, Ids, random_looking};
use super::{Call, Setup, body, call, is_replay, play, play_on};
use crate::backend::on_every_store;
use crate::harness::Gateway;

/// A line of [`play`] for each request; the ids are made by `ids`. `turns` are requests of calls, `action slot = what`.
fn lines(ids: Ids, turns: &[&str]) -> Vec<String> {
    let mut number = 0;
    let mut line = |turn: &&str| {
        let calls = turn.split(',').enumerate().map(|(index, call)| {
            number += 1;
            let action = call.split_whitespace().next().unwrap();
            format!("{} {call}", ids.id(action, index, number).unwrap_or_else(|| "-".to_owned()))
        });
        calls.collect::<Vec<_>>().join(",")
    };
    turns.iter().map(&mut line).collect()
}

/// Plays the same conversation once for each way of making ids.
async fn play_with(on: &crate::backend::Backend, of: &[Ids], turns: &[&str]) {
    for ids in of {
        let lines = lines(*ids, turns);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        play(on, &format!("{ids:?}"), &lines).await;
    }
}

on_every_store! {
async fn what_was_cancelled_is_booked_again_whoever_makes_the_ids(on) {
    play_with(on, &ALL, &["book 9 = done", "cancel 9 = done", "book 9 = done", "cancel 9 = done"]).await;
}
}

on_every_store! {
async fn other_slots_are_booked_and_looked_at_whoever_makes_the_ids(on) {
    let turns = ["book 9 = done", "look 9 = done", "book 10 = done", "look 9 = done", "book 11 = done"];
    play_with(on, &ALL, &turns).await;
}
}

on_every_store! {
async fn a_turn_of_several_calls_is_done_whole_whoever_makes_the_ids(on) {
    let turns = ["book 9 = done, look 9 = done, book 10 = done", "cancel 9 = done, book 11 = done"];
    play_with(on, &ALL, &turns).await;
}
}

on_every_store! {
async fn two_equal_calls_of_one_turn_are_two_whoever_makes_the_ids(on) {
    play_with(on, &ALL, &["book 9 = done, book 9 = done", "look 9 = done"]).await;
}
}

on_every_store! {
async fn a_read_that_is_asked_for_again_later_is_asked_again_whoever_makes_the_ids(on) {
    play_with(on, &ALL, &["look 9 = done", "book 9 = done", "look 9 = done"]).await;
}
}

on_every_store! {
async fn the_latest_of_several_bookings_is_the_one_that_a_repeat_is_told_of(on) {
    play(on, "numbered in each turn", &[
        "functions.book:0 book 9 = done",
        "functions.book:0 book 9 = again",
        "functions.cancel:0 cancel 9 = done",
        "functions.book:0 book 9 = done",
        "functions.book:0 book 9 = again",
        "functions.book:0 book 9 = again",
    ])
    .await;
}
}

on_every_store! {
async fn a_repeat_is_no_other_call_that_makes_a_booking_a_new_one(on) {
    play(on, "numbered in each turn", &[
        "functions.look:0 look 9 = done",
        "functions.cancel:0 cancel 9 = done",
        "functions.book:0 book 9 = done",
        "functions.cancel:0 cancel 9 = done",
        "functions.cancel:0 cancel 9 = again",
        "functions.book:0 book 9 = done",
        "functions.book:0 book 9 = again",
    ])
    .await;
}
}

on_every_store! {
async fn a_unique_id_is_repeated_at_any_time_and_done_once(on) {
    let [one, two, three] = [1, 2, 3].map(|number| format!("call_{}", random_looking(number, 24)));
    let again = format!("{one} book 9 = again");
    let lines = [
        format!("{one} book 9 = done"),
        format!("{two} look 9 = done"),
        again.clone(),
        format!("{three} cancel 9 = done"),
        again.clone(),
        format!("{two} look 9 = again"),
        again,
    ];
    play(on, "unique ids", &lines.each_ref().map(String::as_str)).await;
}
}

on_every_store! {
async fn ids_of_every_known_provider_count_as_unique(on) {
    let ids = [
        "call_NHPXdzX7hwiOyKXdAbCdEfGh",
        "call_sHlR7iaFwQ2YQOqm",
        "toolu_01DTPAzUm5Gk3zxrpJ969oMF",
        "tooluse_kZJMlvQmRJ6eAyJE5GIl7Q",
        "chatcmpl-tool-1f0b1c9d2e3f4a5b6c7d8e9f0a1b2c3d",
        "adk-3f2b8c1e-9d4a-4f6b-8e7c-1a2b3c4d5e6f",
        "3f2b8c1e-9d4a-4f6b-8e7c-1a2b3c4d5e6f",
        "3f2b8c1e9d4a4f6b8e7c1a2b3c4d5e6f",
        "3f2b8c1e-9d4a-4f6b-8e7c-1a2b3c4d5e6f:12",
        "fc_68a1b2c3d4e5f60718293a4b5c6d7e8f",
    ];
    for id in ids {
        play(on, id, &[&format!("{id} book 9 = done"), "call_Qm3kVt8RbY2pLw7ZcX5nHd1G look 9 = done", &format!("{id} book 9 = again")])
            .await;
    }
}
}

on_every_store! {
async fn ids_that_were_seen_with_other_values_are_trusted_no_more(on) {
    let id = format!("call_{}", random_looking(7, 24));
    play(on, "one id that looks random for all calls", &[
        &format!("{id} book 9 = done"),
        &format!("{id} book 9 = again"),
        &format!("{id} look 9 = done"),
        &format!("{id} book 9 = done"),
        &format!("{id} book 10 = done"),
        &format!("{id} book 9 = done"),
        &format!("{id} book 9 = again"),
    ])
    .await;
}
}

on_every_store! {
async fn without_ids_the_same_write_at_once_is_one_and_later_another(on) {
    play(on, "no ids", &[
        "- book 9 = done",
        "- book 9 = again",
        "- look 9 = done",
        "- look 9 = done",
        // Reads without an id are not remembered, so they tell nothing.
        "- book 9 = again",
        "- cancel 9 = done",
        "- book 9 = done",
        "- book 9 = again",
    ])
    .await;
}
}

/// Keys as an operator sets them.
fn keyed(ids: &str) -> (String, String) {
    let key = callgate::server::NewKey::generate().unwrap();
    let toml = format!(
        "environments = [\"development\"]\n[egress.development]\nallow = [\"127.0.0.0/8\"]\n[[keys]]\nname = \"one\"\nhash = \"{}\"\ntool_call_ids = \"{ids}\"\n",
        key.hash
    );
    (key.key, toml)
}

/// What comes of a conversation under a key that says `ids` of its caller's ids; `true` is done, `false` a replay.
async fn under_key(ids: &str, calls: &[Call]) -> Vec<bool> {
    let (key, toml) = keyed(ids);
    let setup = Setup::of(vec![crate::backend::Backend::Memory.fresh()], &[("callgate.toml", &toml)]).await;
    let mut done = Vec::new();
    for call in calls {
        let told = keyed_call(setup.gateway(), &key, call).await;
        assert_eq!(told["status"], "success", "{told}");
        done.push(!is_replay(&told));
    }
    assert_eq!(setup.desk.entries().len(), done.iter().filter(|done| **done).count());
    done
}

async fn keyed_call(gateway: &Gateway, key: &str, call: &Call) -> serde_json::Value {
    let request = gateway.request("POST", "/v1/tool-calls").bearer_auth(key);
    let answer = request.body(body("c", std::slice::from_ref(call)).to_string()).send().await.unwrap();
    let text = answer.text().await.unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn a_key_says_whether_its_callers_ids_are_unique() {
    let calls = [
        call("1", "book", 9),
        call("2", "look", 9),
        call("1", "book", 9),
        call("1", "book", 10),
        call("1", "book", 9),
    ];
    // The fourth call shows that the ids repeat.
    assert_eq!(under_key("auto", &calls).await, [true, true, false, true, true]);
    assert_eq!(under_key("unique", &calls).await, [true, true, false, true, false]);
    let id = format!("call_{}", random_looking(7, 24));
    let long = calls.clone().map(|call| Call { id: Some(format!("{id}{}", call.id.unwrap())), ..call });
    assert_eq!(under_key("auto", &long[..3]).await, [true, true, false]);
    assert_eq!(under_key("per_turn", &long[..3]).await, [true, true, true]);
}

on_every_store! {
async fn each_conversation_has_its_own_ids(on) {
    let setup = Setup::new(on).await;
    play_on(&setup, "one caller", &["call_0 book 9 = done", "call_0 look 9 = done"]).await;
    let other = setup.one("d", call("call_0", "book", 9)).await;
    assert!(!is_replay(&other), "{other}");
    assert_eq!(setup.desk.count("book"), 2);
}
}
