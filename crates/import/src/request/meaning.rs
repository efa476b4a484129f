//! What a placeholder of a request stands for.

use std::collections::BTreeSet;

use serde_json::json;

use crate::draft::ActionDraft;
use crate::infer;
use crate::names::{self, Taken};
use crate::placeholder::{Meaning, Spot, Step};

use super::PlainRequest;

/// The steps as one name: `a.b.0`.
pub(super) fn dotted(steps: &[Step]) -> String {
    let words: Vec<String> = steps
        .iter()
        .map(|step| match step {
            Step::Key(key) => key.clone(),
            Step::Index(index) => index.to_string(),
        })
        .collect();
    words.join(".")
}

/// Words by which sources tell what a model fills in from what a conversation knows.
const ROOMS: &[&str] = &["collected", "input", "inputs", "args", "arguments", "parameters", "params", "llm"];

/// What a placeholder of `request` stands for; `binds` where it is part of a fixed value.
pub(super) fn meaning(
    request: &PlainRequest,
    draft: &mut ActionDraft,
    taken: &mut Taken,
    variables: &mut BTreeSet<String>,
    steps: &[Step],
    spot: Spot,
    binds: bool,
) -> Meaning {
    let name = dotted(steps);
    if let Some(known) = request.known.get(&name) {
        return Meaning::Text(known.to_owned());
    }
    if let Some(ours) = request.aliases.get(&name) {
        return Meaning::Variable(ours.split('.').map(|key| Step::Key(key.to_owned())).collect());
    }
    // A fixed value is read by what is sent, and not by other fixed values: there, its name is
    // that of a variable of the conversation, even of one that it is filled with itself.
    let is_bound = |key: &String| request.bind.iter().any(|(name, _)| name == key);
    let declared = |steps: &[Step]| match steps.first() {
        Some(Step::Key(key)) if binds => request.parameters.properties.contains_key(key) && !is_bound(key),
        Some(Step::Key(key)) => request.parameters.properties.contains_key(key) || is_bound(key),
        _ => false,
    };
    let placed = |steps: &[Step]| {
        let is_fixed = |key: &str| request.bind.iter().any(|(name, _)| name == key);
        let is_needed = |key: &str| draft.parameters.required.iter().any(|name| name == key);
        match steps.first() {
            Some(Step::Key(key)) if !is_fixed(key) && !is_needed(key) => Meaning::Optional(steps.to_vec()),
            _ => Meaning::Parameter(steps.to_vec()),
        }
    };
    if declared(steps) {
        return placed(steps);
    }
    if let [Step::Key(room), inner @ ..] = steps
        && ROOMS.contains(&room.as_str())
        && declared(inner)
    {
        return placed(inner);
    }
    if !request.adopts {
        variables.insert(name);
        return Meaning::Variable(steps.to_vec());
    }
    let own = names::parameter(&name);
    // Variables of a shell shout.
    let own = if own.bytes().any(|b| b.is_ascii_lowercase()) { own } else { own.to_ascii_lowercase() };
    if !draft.parameters.properties.contains_key(&own) {
        let kind = match spot {
            Spot::Text => json!("string"),
            // Without quotes around it, a text would break the body.
            Spot::JsonValue => json!(["number", "string", "boolean"]),
        };
        draft.parameters.add(&own, json!({"type": kind, "description": infer::sentence(&own)}), true);
        taken.insert(&own);
    }
    Meaning::Parameter(vec![Step::Key(own)])
}
