//! Collected calls become calls that can run, or are refused.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::message::Call;
use super::reply::RefusedCall;

/// A call as it was collected from a stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Collected {
    /// Empty where the provider gave none.
    pub(crate) id: String,
    /// Empty where the provider gave none.
    pub(crate) name: String,
    /// As they came.
    pub(crate) arguments: String,
    /// The provider itself says that it is not whole.
    pub(crate) is_cut: bool,
}

/// What the calls of an answer came to.
#[derive(Debug, Default)]
pub(crate) struct Closed {
    /// All of them, in their order; those that are refused with `{}`.
    pub(crate) calls: Vec<Call>,
    /// Those that must not run.
    pub(crate) refused: Vec<RefusedCall>,
}

/// What a call without a name is called, so that its message can be sent back.
const UNNAMED: &str = "unnamed";

/// Judges each call for itself.
pub(crate) fn close(collected: Vec<Collected>) -> Closed {
    let ids = ids(collected.iter().map(|call| call.id.as_str()));
    let mut closed = Closed::default();
    for (call, id) in collected.into_iter().zip(ids) {
        let Collected { name, arguments, is_cut, .. } = call;
        let judged = if name.is_empty() {
            Err("This call names no tool, so it was not executed.".to_owned())
        } else if is_cut {
            Err("This tool call was not completed, so it was not executed.".to_owned())
        } else {
            object(&arguments)
        };
        let name = if name.is_empty() { UNNAMED.to_owned() } else { name };
        let arguments = match judged {
            Ok(object) => object.to_owned(),
            Err(why) => {
                let call = Call { id: id.clone(), name: name.clone(), arguments };
                closed.refused.push(RefusedCall { call, why });
                "{}".to_owned()
            }
        };
        closed.calls.push(Call { id, name, arguments });
    }
    closed
}

/// The text of an object; nothing and null are an empty one.
fn object(arguments: &str) -> Result<&str, String> {
    let arguments = arguments.trim();
    if arguments.is_empty() || arguments == "null" {
        return Ok("{}");
    }
    match serde_json::from_str::<Map<String, Value>>(arguments) {
        Ok(_) => Ok(arguments),
        Err(_) => Err("The arguments are not one JSON object, so the call was not executed. Call it again \
                       with one JSON object as arguments."
            .to_owned()),
    }
}

/// Whether a text is one JSON object.
pub(crate) fn is_object(text: &str) -> bool {
    text.trim_end().ends_with('}') && serde_json::from_str::<Map<String, Value>>(text).is_ok()
}

/// Ids that are unique among each other: the given ones as they are, `call_1` for the first call if it has
/// none, and a number behind one that came before.
pub(crate) fn ids<'a>(given: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let all: HashSet<&str> = given.clone().filter(|id| !id.is_empty()).collect();
    let mut taken: HashSet<String> = HashSet::new();
    given
        .enumerate()
        .map(|(index, id)| {
            let own = if id.is_empty() { format!("call_{}", index + 1) } else { id.to_owned() };
            let is_free = |new: &str| !taken.contains(new) && (new == id || !all.contains(new));
            let mut numbers = 2_u64..;
            let mut new = own.clone();
            while let (false, Some(number)) = (is_free(&new), numbers.next()) {
                new = format!("{own}_{number}");
            }
            taken.insert(new.clone());
            new
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_the_given_ones_stay() {
        let made = |given: &[&str]| ids(given.iter().copied());
        assert_eq!(made(&["a", "b"]), ["a", "b"]);
        assert_eq!(made(&["", "", ""]), ["call_1", "call_2", "call_3"]);
        assert_eq!(made(&["a", "a", "a"]), ["a", "a_2", "a_3"]);
        assert_eq!(made(&["", "call_1"]), ["call_1_2", "call_1"]);
        assert_eq!(made(&["a", "a", "a_2"]), ["a", "a_3", "a_2"]);
    }

    #[test]
    fn each_call_is_judged_for_itself() {
        let call = |name: &str, arguments: &str| Collected {
            name: name.to_owned(),
            arguments: arguments.to_owned(),
            ..Collected::default()
        };
        let closed = close(vec![
            call("a", " {\"n\": 1.10}\n"),
            call("b", "{}{}"),
            call("c", ""),
            call("d", "null"),
            call("", "{}"),
            call("e", "{\"x\": "),
            call("f", "[1]"),
            call("g", "\"{}\""),
            Collected { is_cut: true, ..call("h", "{}") },
        ]);
        let arguments: Vec<&str> = closed.calls.iter().map(|call| call.arguments.as_str()).collect();
        assert_eq!(arguments, ["{\"n\": 1.10}", "{}", "{}", "{}", "{}", "{}", "{}", "{}", "{}"]);
        let refused: Vec<(&str, &str)> = closed
            .refused
            .iter()
            .map(|refused| (refused.call.name.as_str(), refused.call.arguments.as_str()))
            .collect();
        let expected =
            [("b", "{}{}"), ("unnamed", "{}"), ("e", "{\"x\": "), ("f", "[1]"), ("g", "\"{}\""), ("h", "{}")];
        assert_eq!(refused, expected);
        assert!(closed.refused.iter().all(|refused| refused.why.contains("not executed")));
    }
}
