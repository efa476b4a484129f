//! What servers send that call themselves compatible with OpenAI: each rule was somebody's bug.

use callgate_model::{Finish, Provider, Reply, StreamError};
use serde_json::{Value, json};

use crate::reading::{calls, reply, stream, whole};

/// The body of these deltas, then the end.
fn chunks(deltas: &[Value]) -> String {
    let chunk = |delta: &Value, reason: Value| json!({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]});
    let mut events: Vec<Value> = deltas.iter().map(|delta| chunk(delta, Value::Null)).collect();
    events.push(chunk(&json!({}), json!("tool_calls")));
    stream(&events) + "data: [DONE]\n\n"
}

/// What comes of these elements of `tool_calls`, each in a delta of its own.
#[track_caller]
fn read(elements: &[Value]) -> Reply {
    let deltas: Vec<Value> = elements.iter().map(|element| json!({"tool_calls": [element]})).collect();
    reply(Provider::OpenAi, &chunks(&deltas))
}

#[track_caller]
fn check(elements: &[Value], expected: &[(&str, &str, &str)]) {
    let one_each = read(elements);
    assert_eq!(calls(&one_each), expected);
    assert_eq!(one_each.refused, []);
    assert_eq!(one_each.finish, Finish::ToolCalls);
    // All in one delta come to the same.
    let at_once = reply(Provider::OpenAi, &chunks(&[json!({"tool_calls": elements})]));
    assert_eq!(at_once, one_each);
}

#[test]
fn without_an_index_an_id_opens_a_call_and_no_id_continues_it() {
    check(
        &[
            json!({"id": "a", "function": {"name": "one", "arguments": ""}}),
            json!({"function": {"arguments": "{\"x\":"}}),
            json!({"function": {"arguments": "1}"}}),
            json!({"id": "b", "function": {"name": "two", "arguments": "{\"y\":"}}),
            json!({"function": {"arguments": "2}"}}),
        ],
        &[("a", "one", "{\"x\":1}"), ("b", "two", "{\"y\":2}")],
    );
}

#[test]
fn without_an_index_and_an_id_another_name_opens_a_call() {
    check(
        &[
            json!({"function": {"name": "one", "arguments": "{}"}}),
            json!({"function": {"name": "two", "arguments": "{\"y\":"}}),
            json!({"function": {"arguments": "2}"}}),
        ],
        &[("call_1", "one", "{}"), ("call_2", "two", "{\"y\":2}")],
    );
}

#[test]
fn the_same_index_with_another_id_and_a_name_is_another_call() {
    check(
        &[
            json!({"index": 0, "id": "a", "function": {"name": "one", "arguments": "{\"x\":1}"}}),
            json!({"index": 0, "id": "b", "function": {"name": "one", "arguments": "{\"x\":2}"}}),
            json!({"index": 0, "id": "c", "function": {"name": "two", "arguments": "{"}}),
            json!({"index": 0, "id": "c", "function": {"arguments": "}"}}),
        ],
        &[("a", "one", "{\"x\":1}"), ("b", "one", "{\"x\":2}"), ("c", "two", "{}")],
    );
}

#[test]
fn a_call_without_arguments_is_not_lost_to_the_next_one_with_its_index() {
    check(
        &[
            json!({"index": 0, "id": "a", "function": {"name": "one", "arguments": ""}}),
            json!({"index": 0, "id": "b", "function": {"name": "one", "arguments": "{\"x\":"}}),
            json!({"index": 0, "id": "b", "function": {"arguments": "2}"}}),
        ],
        &[("a", "one", "{}"), ("b", "one", "{\"x\":2}")],
    );
}

#[test]
fn the_same_index_with_another_id_and_no_name_continues_the_call() {
    check(
        &[
            json!({"index": 0, "id": "a1", "function": {"name": "one", "arguments": ""}}),
            json!({"index": 0, "id": "a2", "function": {"name": "", "arguments": "{\"x\":"}}),
            json!({"index": 0, "id": "a3", "function": {"name": null, "arguments": "1}"}}),
        ],
        &[("a1", "one", "{\"x\":1}")],
    );
}

#[test]
fn a_name_that_is_repeated_is_set_and_not_appended() {
    check(
        &[
            json!({"index": 0, "id": "a", "function": {"name": "write_file", "arguments": ""}}),
            json!({"index": 0, "id": "a", "function": {"name": "write_file", "arguments": "{\"x\":"}}),
            json!({"index": 0, "function": {"name": "write_file", "arguments": "1}"}}),
            json!({"index": 0, "id": "a", "function": {"name": "write_file", "arguments": ""}}),
        ],
        &[("a", "write_file", "{\"x\":1}")],
    );
}

#[test]
fn a_call_without_an_id_gets_one_and_no_id_stands_twice_in_a_reply() {
    check(
        &[
            json!({"index": 0, "function": {"name": "one", "arguments": "{}"}}),
            json!({"index": 1, "id": "", "function": {"name": "two", "arguments": "{}"}}),
            json!({"index": 2, "id": "x", "function": {"name": "three", "arguments": "{}"}}),
            json!({"index": 3, "id": "x", "function": {"name": "four", "arguments": "{}"}}),
        ],
        &[("call_1", "one", "{}"), ("call_2", "two", "{}"), ("x", "three", "{}"), ("x_2", "four", "{}")],
    );
}

#[test]
fn a_call_with_the_id_and_index_of_a_whole_one_is_another_call() {
    check(
        &[
            json!({"index": 0, "id": "x", "function": {"name": "one", "arguments": "{\"a\":1}"}}),
            json!({"index": 0, "id": "x", "function": {"name": "one", "arguments": "{\"a\":2}"}}),
            json!({"index": 0, "function": {"name": "two", "arguments": "{\"a\":3}"}}),
        ],
        &[("x", "one", "{\"a\":1}"), ("x_2", "one", "{\"a\":2}"), ("call_3", "two", "{\"a\":3}")],
    );
}

#[test]
fn a_call_that_is_told_once_more_runs_once() {
    let call = json!({"index": 0, "id": "x", "function": {"name": "one", "arguments": "{\"a\":1}"}});
    check(&[call.clone(), call], &[("x", "one", "{\"a\":1}")]);
}

#[test]
fn no_arguments_are_an_empty_object() {
    check(
        &[
            json!({"index": 0, "id": "a", "function": {"name": "one", "arguments": ""}}),
            json!({"index": 1, "id": "b", "function": {"name": "two"}}),
            json!({"index": 2, "id": "c", "function": {"name": "three", "arguments": null}}),
            json!({"index": 3, "id": "d", "function": {"name": "four", "arguments": " \n"}}),
            json!({"index": 4, "id": "e", "function": {"name": "five", "arguments": "null"}}),
        ],
        &[
            ("a", "one", "{}"),
            ("b", "two", "{}"),
            ("c", "three", "{}"),
            ("d", "four", "{}"),
            ("e", "five", "{}"),
        ],
    );
}

#[test]
fn arguments_may_be_an_object_where_a_text_belongs() {
    check(
        &[json!({"index": 0, "id": "a", "function": {"name": "one", "arguments": {"x": [1, "b"]}}})],
        &[("a", "one", "{\"x\":[1,\"b\"]}")],
    );
}

#[test]
fn numbers_in_arguments_keep_their_digits() {
    let element = "{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"one\",\"arguments\":{\"x\":1.10,\"y\":12345678901234567890123}}}";
    let element: Value = serde_json::from_str(element).unwrap();
    check(&[element], &[("a", "one", "{\"x\":1.10,\"y\":12345678901234567890123}")]);
}

#[test]
fn arguments_that_are_not_one_object_refuse_their_call_and_no_other() {
    let reply = read(&[
        json!({"index": 0, "id": "a", "function": {"name": "one", "arguments": "{\"x\":1}{\"x\":2}"}}),
        json!({"index": 1, "id": "b", "function": {"name": "two", "arguments": "{\"x\":"}}),
        json!({"index": 2, "id": "c", "function": {"name": "three", "arguments": "{\"x\":3}"}}),
        json!({"index": 3, "id": "d", "function": {"name": "four", "arguments": [1]}}),
    ]);
    let expected = [("a", "one", "{}"), ("b", "two", "{}"), ("c", "three", "{\"x\":3}"), ("d", "four", "{}")];
    assert_eq!(calls(&reply), expected);
    let refused: Vec<(&str, &str)> =
        reply.refused.iter().map(|one| (one.call.id.as_str(), one.call.arguments.as_str())).collect();
    assert_eq!(refused, [("a", "{\"x\":1}{\"x\":2}"), ("b", "{\"x\":"), ("d", "[1]")]);
    // What goes back can be read by a server that reads arguments.
    let raw = reply.assistant.raw.unwrap().value;
    assert_eq!(raw["tool_calls"][0]["function"]["arguments"], "{}");
}

#[test]
fn a_call_without_a_name_is_refused() {
    let reply = read(&[json!({"index": 0, "id": "a", "function": {"arguments": "{}"}})]);
    assert_eq!(calls(&reply), [("a", "unnamed", "{}")]);
    assert_eq!(reply.refused.len(), 1);
}

#[test]
fn deltas_that_say_nothing_open_no_call() {
    let deltas = [
        json!({"tool_calls": null}),
        json!({"tool_calls": []}),
        json!({"tool_calls": [null, {}, {"index": 0}, {"index": 0, "function": {}}, 7]}),
        json!({"content": "Hello"}),
    ];
    let reply = reply(Provider::OpenAi, &chunks(&deltas));
    assert_eq!((calls(&reply), reply.finish), (vec![], Finish::Stop));
}

#[test]
fn fragments_of_several_calls_find_theirs_by_the_index() {
    check(
        &[
            json!({"index": 0, "id": "a", "function": {"name": "one", "arguments": ""}}),
            json!({"index": 1, "id": "b", "function": {"name": "two", "arguments": ""}}),
            json!({"index": 0, "function": {"arguments": "{\"x\":"}}),
            json!({"index": 1, "function": {"arguments": "{\"y\":"}}),
            json!({"index": 1, "function": {"arguments": "2}"}}),
            json!({"index": 0, "function": {"arguments": "1}"}}),
        ],
        &[("a", "one", "{\"x\":1}"), ("b", "two", "{\"y\":2}")],
    );
}

#[test]
fn an_index_and_all_arguments_have_a_limit() {
    let index = |index: u64| {
        let element = json!({"index": index, "id": "a", "function": {"name": "one", "arguments": "{}"}});
        whole(Provider::OpenAi, &chunks(&[json!({"tool_calls": [element]})])).reply
    };
    assert_eq!(index(128).map(|reply| reply.assistant.calls.len()), Ok(1));
    for high in [129, u64::from(u32::MAX), u64::MAX] {
        assert_eq!(index(high), Err(StreamError::TooLarge("the index of a part")));
    }
    let many: Vec<Value> = (0..130)
        .map(|number| json!({"tool_calls": [{"id": format!("c{number}"), "function": {"name": "one"}}]}))
        .collect();
    let read = whole(Provider::OpenAi, &chunks(&many));
    assert_eq!(read.reply, Err(StreamError::TooLarge("the index of a part")), "calls without an index");
    let piece = "x".repeat(64 * 1024);
    let pieces: Vec<Value> = (0..17)
        .map(|_| json!({"tool_calls": [{"index": 0, "function": {"name": "one", "arguments": piece}}]}))
        .collect();
    let read = whole(Provider::OpenAi, &chunks(&pieces));
    assert_eq!(read.reply, Err(StreamError::TooLarge("the arguments")));
}

#[test]
fn a_call_of_a_tool_that_nobody_has_leaves_the_others_alone() {
    check(
        &[
            json!({"index": 0, "id": "a", "function": {"name": "no such tool!", "arguments": "{}"}}),
            json!({"index": 1, "id": "b", "function": {"name": "two", "arguments": "{}"}}),
        ],
        &[("a", "no such tool!", "{}"), ("b", "two", "{}")],
    );
}

#[test]
fn unknown_members_of_a_call_are_kept() {
    let extra = json!({"google": {"thought_signature": "c2ln"}});
    let reply = read(&[json!({"index": 0, "id": "a", "type": "function", "extra_content": extra,
               "function": {"name": "one", "arguments": "{}", "strange": 1}})]);
    let expected = json!([{
        "id": "a", "type": "function", "function": {"name": "one", "arguments": "{}", "strange": 1},
        "extra_content": extra,
    }]);
    assert_eq!(reply.assistant.raw.unwrap().value["tool_calls"], expected);
}
