//! Guards hold in a conversation that its caller carries, too.

use serde_json::{Value, json};

use super::Setup;

/// The error's code; none of a success.
fn code(result: &Value) -> Option<&str> {
    result["error"]["code"].as_str()
}

fn state(result: &Value) -> &str {
    result["state"].as_str().unwrap()
}

#[tokio::test]
async fn calls_are_counted_in_what_the_caller_carries() {
    let setup = Setup::new().await;
    let first = setup.call("once", Some("call_1"), "").await;
    assert_eq!(code(&first), None, "{first}");
    let second = setup.call("once", Some("call_2"), state(&first)).await;
    assert_eq!(code(&second), Some("too_many_calls"), "{second}");
    // The refused call is not done, and may be asked for again.
    let again = setup.call("once", Some("call_2"), state(&second)).await;
    assert_eq!(code(&again), Some("too_many_calls"), "{again}");
    // Without an id it is counted as well.
    let third = setup.call("once", None, state(&second)).await;
    assert_eq!(code(&third), Some("too_many_calls"), "{third}");
    // The call that was done is told, not counted.
    let replayed = setup.call("once", Some("call_1"), "").await;
    assert_eq!((code(&replayed), &replayed["replayed"]), (None, &json!(true)), "{replayed}");
    assert_eq!(setup.upstream.requests().len(), 1);
}

#[tokio::test]
async fn states_and_order_are_carried() {
    let setup = Setup::new().await;
    let early = setup.call("refund", Some("call_1"), "").await;
    assert_eq!(code(&early), Some("not_available"), "{early}");
    let entered = setup.call("bill", Some("call_2"), state(&early)).await;
    assert_eq!(code(&entered), None, "{entered}");
    let before = setup.call("refund", Some("call_3"), state(&entered)).await;
    assert_eq!(code(&before), Some("too_early"), "{before}");
    let verified = setup.call("verify", Some("call_4"), state(&before)).await;
    let done = setup.call("refund", Some("call_5"), state(&verified)).await;
    assert_eq!((code(&done), &done["body"]), (None, &json!({"id": 3})), "{done}");
    // Whoever goes back in the history is where the conversation was then.
    let back = setup.call("refund", Some("call_6"), state(&early)).await;
    assert_eq!(code(&back), Some("not_available"), "{back}");
}
