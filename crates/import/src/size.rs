//! What a project comes to: more tools than a provider takes, or more text than a model reads well.

use super::draft::ActionDraft;
use super::report::{Note, NoteKind};

/// Most tools in one request (OpenAI; Gemini takes as many).
const MAX_TOOLS: usize = 128;
/// Most bytes of tools: OpenAI Realtime takes 16,384 tokens of instructions and tools, at about
/// four bytes each.
const MAX_BYTES: usize = 4 * 16_384;

const HINT: &str = "import what calls need, by --tag, --path, --method, --only or --limit; a model chooses well among a few dozen";

/// Notes about `actions`, which come to `others` that the project has already.
pub(super) fn notes(actions: &[ActionDraft], others: usize) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut note = |code: &'static str, message: String| {
        notes.push(Note::new(NoteKind::Todo, "#", code, message, HINT));
    };
    let tools = actions.len() + others;
    if tools > MAX_TOOLS && !actions.is_empty() {
        note(
            "many_tools",
            format!("the project has {tools} tools now; OpenAI takes {MAX_TOOLS} in a request"),
        );
    }
    let sizes: Vec<(usize, &str)> =
        actions.iter().map(|action| (bytes(action), action.name.as_str())).collect();
    let total: usize = sizes.iter().map(|(bytes, _)| bytes).sum();
    if total > MAX_BYTES
        && let Some((largest, name)) = sizes.iter().max_by_key(|(bytes, _)| *bytes)
    {
        let message = format!(
            "the imported tools come to {} kB, about {} tokens that a model reads on every turn (OpenAI \
             Realtime takes 16384); the largest is `{name}` with {} kB",
            total.div_ceil(1_000),
            total / 4,
            largest.div_ceil(1_000),
        );
        note("large_tools", message);
    }
    notes
}

/// How much of `action` a model is sent.
fn bytes(action: &ActionDraft) -> usize {
    let schema = action.parameters.schema().map_or(0, |schema| schema.to_string().len());
    action.name.len() + action.description.len() + schema
}
