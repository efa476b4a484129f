//! States of conversations that nothing leads to: most likely misspelled.

use std::collections::BTreeSet;

use callgate_definition::{NextStates, Problem, Problems, ProjectFiles};
use callgate_text::closest;

/// Warns of states in `available_in` that no action leads to by `next_state`, and that are not
/// among `known`, the ones that the settings speak of.
pub fn check_states<'k>(
    files: &'k ProjectFiles,
    known: impl IntoIterator<Item = &'k String>,
    problems: &mut Problems,
) {
    let next = files.actions.iter().filter_map(|action| action.definition.next_state.clone());
    let next: Vec<NextStates> = next.map(NextStates::from).collect();
    let mut known: BTreeSet<&String> = known.into_iter().collect();
    known.extend(next.iter().flat_map(NextStates::all));
    for action in &files.actions {
        for (index, state) in action.definition.available_in.iter().flatten().enumerate() {
            if known.contains(state) {
                continue;
            }
            let hint = closest(state, known.iter().copied()).map_or_else(
                || {
                    "where callers set it by `current_state`, name it in `states` of [conversations]"
                        .to_owned()
                },
                |near| format!("did you mean `{near}`?"),
            );
            let place = action.document.at_value(&format!("/available_in/{index}"));
            let message = format!("nothing leads to the state `{state}`");
            problems
                .push(Problem::warning(&action.document.file, place, "unknown_state", message).hint(hint));
        }
    }
}
