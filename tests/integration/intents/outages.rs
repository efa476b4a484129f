//! What is told while the store cannot say what was done.

use serde_json::{Value, json};

use super::ids::Ids;
use super::{Call, Setup, body, call, results};
use crate::backend::{Backend, on_every_store};
use crate::shaky::{At, Outage};

const OUTAGES: [(At, Outage); 10] = [
    (At::Open, Outage::Refused),
    (At::Open, Outage::Unanswered),
    (At::Open, Outage::Silent),
    (At::Claim, Outage::Refused),
    (At::Claim, Outage::Unanswered),
    (At::Claim, Outage::Silent),
    (At::Sending, Outage::Refused),
    (At::Sending, Outage::Unanswered),
    (At::Everything, Outage::Refused),
    (At::Everything, Outage::Silent),
];

fn book(ids: Ids) -> Call {
    Call { id: ids.id("book", 0, 1), ..call("", "book", 9) }
}

/// Calls with so little time; the result.
async fn within(setup: &Setup, conversation: &str, call: &Call, deadline_ms: u64) -> Value {
    let mut body = body(conversation, std::slice::from_ref(call));
    body["deadline_ms"] = json!(deadline_ms);
    results(&setup.post("/v1/tool-calls", "", &body).await).remove(0)
}

/// Ways of making ids that a store tells apart.
const IDS: [Ids; 4] = [Ids::Random, Ids::PerTurn, Ids::ConstantLong, Ids::Missing];

on_every_store! {
async fn a_repeat_that_the_store_cannot_judge_is_unknown_and_never_none(on) {
    cannot_be_judged(on, &[Ids::Random, Ids::PerTurn, Ids::ConstantLong]).await;
}
}

async fn cannot_be_judged(on: &Backend, all: &[Ids]) {
    let setup = Setup::new(on).await;
    for (at, (ids, outage)) in all.iter().flat_map(|ids| OUTAGES.map(|outage| (*ids, outage))).enumerate() {
        let conversation = format!("c{at}");
        let first = setup.one(&conversation, book(ids)).await;
        assert_eq!(first["status"], "success", "{first}");
        for deadline_ms in [200, 20_000] {
            setup.store().fail(Some(outage));
            let told = within(&setup, &conversation, &book(ids), deadline_ms).await;
            setup.store().fail(None);
            let place = format!("{ids:?} {outage:?} {deadline_ms}: {told}");
            if told["status"] != "success" {
                let error = (&told["error"]["effect"], &told["error"]["retry"]);
                assert_eq!(error, (&json!("unknown"), &json!("no")), "{place}");
            }
            assert_eq!(setup.desk.count_in(&conversation, "book"), 1, "{place}");
        }
        // When the store is back, it is told what was done.
        let again = setup.one(&conversation, book(ids)).await;
        let told = (&again["status"], &again["body"], &again["replayed"]);
        assert_eq!(told, (&json!("success"), &first["body"], &json!(true)), "{ids:?} {outage:?}: {again}");
    }
}

on_every_store! {
async fn what_provably_was_not_sent_is_none_and_can_be_done_later(on) {
    let setup = Setup::new(on).await;
    for ids in IDS {
        let conversation = format!("{ids:?}");
        setup.store().fail(Some((At::Sending, Outage::Refused)));
        let told = setup.one(&conversation, book(ids)).await;
        setup.store().fail(None);
        let error = (&told["error"]["effect"], &told["error"]["retry"]);
        assert_eq!(error, (&json!("none"), &json!("later")), "{ids:?}: {told}");
        let again = setup.one(&conversation, book(ids)).await;
        assert_eq!((&again["status"], &again["replayed"]), (&json!("success"), &Value::Null), "{ids:?}: {again}");
        assert_eq!(setup.desk.count_in(&conversation, "book"), 1, "{ids:?}");
    }
}
}

on_every_store! {
async fn a_result_that_could_not_be_stored_is_not_done_again(on) {
    let setup = Setup::new(on).await;
    for (ids, outage) in IDS.iter().flat_map(|ids| [Outage::Refused, Outage::Unanswered].map(|outage| (*ids, outage))) {
        let conversation = format!("{ids:?} {outage:?}");
        setup.store().fail(Some((At::Settle, outage)));
        let first = setup.one(&conversation, book(ids)).await;
        setup.store().fail(None);
        let mut again = within(&setup, &conversation, &book(ids), 300).await;
        if again["error"]["code"] == "timeout" {
            // Its time was over before the store had answered.
            again = within(&setup, &conversation, &book(ids), 3_000).await;
        }
        assert_eq!(setup.desk.count_in(&conversation, "book"), 1, "{conversation}: {first} {again}");
        assert_ne!(again["error"]["effect"], "none", "{conversation}: {again}");
    }
}
}
