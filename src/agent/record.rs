//! What is kept of a turn: its hidden rounds, and what the caller heard of it.

use callgate_model::{Assistant, Call, Message, ToolOutput};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::conversation::now_ms;

/// Longest text of a record, in bytes; the store takes no longer one.
const MAX_BYTES: usize = crate::conversation::MAX_TURN_TEXT;
/// What is left of a tool's output in a record that would be too long, in characters.
const SHORT_OUTPUT: usize = 1_000;

/// One turn: everything between a request of the caller and the end of the answer to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TurnRecord {
    /// Tells it from the other turns of its conversation.
    pub id: String,
    /// The agent.
    pub agent: String,
    /// When it began, in milliseconds since 1970 (UTC).
    pub at_ms: u64,
    /// What the caller has said since the agent last spoke.
    pub heard: Vec<String>,
    /// The ids of the results that the request ended in, as the caller knows them: it answers tool calls of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// What the agent said and called, and what came of it. The texts make up all that was sent to the caller.
    pub steps: Vec<Message>,
    /// Calls that were passed to the caller.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed: Vec<PassedCall>,
    /// Those of them that the caller has answered by themselves, by their ids as the caller knows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answered: Vec<String>,
    /// Whether the conversation begins anew with it: turns before it are as if they had never been.
    #[serde(default, skip_serializing_if = "is_false")]
    pub begins: bool,
    /// The beginning of the conversation that the turn belongs to, by its id; empty where there is none. A turn that
    /// ends after a new beginning belongs to the old one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub since: String,
    /// The earlier try of the same turn whose rounds this one has built on, by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<String>,
    /// Whether the caller hung up before the end.
    #[serde(default, skip_serializing_if = "is_false")]
    pub interrupted: bool,
    /// Calls of writes that wait for the turn to stand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proposed: Vec<CallPlace>,
    /// Stands for the turn in the ids of its calls.
    pub intent: String,
}

/// A call of a turn. The ids of a model are unique within one answer only, so an id alone does not tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallPlace {
    /// The step of the turn that makes the call, counted from 0.
    pub step: usize,
    /// The call's id, as the model knows it.
    pub id: String,
}

/// A call that was passed to the caller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PassedCall {
    /// Its id, as the caller knows it.
    pub sent: String,
    /// The call itself.
    #[serde(flatten)]
    pub place: CallPlace,
    /// The tool.
    #[serde(default)]
    pub name: String,
    /// The arguments: the text of a JSON object.
    #[serde(default)]
    pub arguments: String,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// One text of the store.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Entry {
    /// A turn.
    Turn(Box<TurnRecord>),
    /// Results of calls of a turn that came after it was kept.
    Late { turn: String, results: Vec<LateResult> },
}

/// One text of the store, to be written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum NewEntry<'e> {
    Turn(&'e TurnRecord),
    Late { turn: &'e str, results: &'e [LateResult] },
}

/// A result that came after its turn had been kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LateResult {
    /// The step of the turn that made the call.
    pub step: usize,
    /// The result, by the id of the call as the model knows it.
    pub output: ToolOutput,
}

impl TurnRecord {
    /// A conversation begins anew, with what the agent says first, if it says anything. `id` tells this beginning from
    /// others of the same conversation.
    pub fn beginning(id: String, agent: &str, greeting: Option<&str>) -> Self {
        let said = greeting
            .map(|text| Message::Assistant(Assistant { text: text.to_owned(), ..Assistant::default() }));
        let (agent, steps) = (agent.to_owned(), said.into_iter().collect());
        Self { id, agent, at_ms: now_ms(), steps, begins: true, ..Self::default() }
    }

    /// The calls that were passed to the caller and that it has not answered, in their order.
    pub fn waiting(&self) -> impl Iterator<Item = &PassedCall> {
        self.passed.iter().filter(|passed| !self.answered.contains(&passed.sent))
    }

    /// All that was sent to the caller.
    pub fn spoken(&self) -> String {
        self.steps.iter().map(text_of).collect()
    }

    /// Whether a tool was called.
    pub fn has_calls(&self) -> bool {
        self.calls().next().is_some()
    }

    /// The text to keep. Where it would be too long, outputs of tools are cut, then what only the provider needs is left
    /// out.
    pub fn to_text(&self) -> String {
        let text = written(&NewEntry::Turn(self));
        if text.len() <= MAX_BYTES {
            return text;
        }
        let mut short = self.clone();
        for step in &mut short.steps {
            match step {
                Message::Results(outputs) => outputs.iter_mut().for_each(cut),
                Message::Assistant(assistant) => assistant.raw = None,
                Message::System(_) | Message::User(_) => {}
            }
        }
        let text = written(&NewEntry::Turn(&short));
        if text.len() <= MAX_BYTES { text } else { String::new() }
    }
}

/// The text that keeps results which came after their turn had been kept: late ones of ours, and what the caller answers.
pub fn late(turn: &str, results: &[LateResult]) -> String {
    written(&NewEntry::Late { turn, results })
}

/// The turns of a conversation, oldest first, from the texts of the store.
pub fn read<T: AsRef<str>>(texts: &[T]) -> Vec<TurnRecord> {
    let mut turns: Vec<TurnRecord> = Vec::with_capacity(texts.len());
    for text in texts {
        match serde_json::from_str(text.as_ref()) {
            Ok(Entry::Turn(turn)) => {
                if turn.begins {
                    turns.clear();
                } else if turns.first().is_some_and(|first| beginning_of(first) != turn.since) {
                    // It began before the conversation began anew.
                    continue;
                }
                match turns.iter_mut().rfind(|known| known.id == turn.id) {
                    // It was being kept when the caller hung up, and so it was kept again.
                    Some(known) => *known = *turn,
                    None => turns.push(*turn),
                }
            }
            Ok(Entry::Late { turn, results }) => {
                let turn = turns.iter_mut().rfind(|known| known.id == turn);
                turn.into_iter().for_each(|turn| turn.take(&results));
            }
            Err(error) => tracing::error!(%error, "a turn of a conversation cannot be read"),
        }
    }
    turns
}

impl TurnRecord {
    /// Puts results that came late in their places.
    pub(super) fn take(&mut self, results: &[LateResult]) {
        for LateResult { step, output } in results {
            let is_this = |place: &CallPlace| place.step == *step && place.id == output.call_id;
            self.proposed.retain(|place| !is_this(place));
            let passed = self.passed.iter().filter(|passed| is_this(&passed.place));
            self.answered.extend(passed.map(|passed| passed.sent.clone()));
            let asks = match self.steps.get(*step) {
                Some(Message::Assistant(assistant)) => {
                    assistant.calls.iter().any(|call| call.id == output.call_id)
                }
                Some(Message::System(_) | Message::User(_) | Message::Results(_)) | None => false,
            };
            if !asks {
                continue;
            }
            match self.steps.get_mut(step + 1) {
                Some(Message::Results(outputs)) => {
                    match outputs.iter_mut().find(|known| known.call_id == output.call_id) {
                        Some(known) => *known = output.clone(),
                        None => outputs.push(output.clone()),
                    }
                }
                // It is the last step: a round ends with the results that are there.
                _ => self.steps.insert(step + 1, Message::Results(vec![output.clone()])),
            }
        }
    }

    /// Its calls, each with its step.
    pub(super) fn calls(&self) -> impl Iterator<Item = (usize, &Call)> {
        self.steps.iter().enumerate().flat_map(|(step, message)| {
            let calls = match message {
                Message::Assistant(assistant) => assistant.calls.as_slice(),
                Message::System(_) | Message::User(_) | Message::Results(_) => &[],
            };
            calls.iter().map(move |call| (step, call))
        })
    }

    /// Whether the result of the call is still to come: it is neither the caller's to answer, nor only proposed.
    pub(super) fn lacks(&self, step: usize, id: &str) -> bool {
        let is_answered = match self.steps.get(step + 1) {
            Some(Message::Results(outputs)) => outputs.iter().any(|output| output.call_id == id),
            Some(Message::System(_) | Message::User(_) | Message::Assistant(_)) | None => false,
        };
        let is_passed = self.passed.iter().any(|passed| passed.place.step == step && passed.place.id == id);
        !is_answered && !is_passed && !self.proposes(step, id)
    }

    /// Whether the call waits for the turn to stand.
    pub(super) fn proposes(&self, step: usize, id: &str) -> bool {
        self.proposed.iter().any(|place| place.step == step && place.id == id)
    }

    /// Its steps without the calls that it has only proposed: what is left of a turn that does not stand.
    pub(super) fn made(&self) -> Vec<Message> {
        if self.proposed.is_empty() {
            return self.steps.clone();
        }
        let mut steps = self.steps.clone();
        for (step, message) in steps.iter_mut().enumerate() {
            match message {
                Message::Assistant(assistant) => {
                    assistant.calls.retain(|call| !self.proposes(step, &call.id));
                }
                Message::Results(outputs) => {
                    outputs.retain(|output| step == 0 || !self.proposes(step - 1, &output.call_id));
                }
                Message::System(_) | Message::User(_) => {}
            }
        }
        steps
    }
}

/// The beginning that a turn belongs to, or is.
fn beginning_of(turn: &TurnRecord) -> &str {
    if turn.begins { &turn.id } else { &turn.since }
}

/// The beginning of the conversation that `turns` make up; empty where there is none.
pub(super) fn beginning(turns: &[TurnRecord]) -> &str {
    turns.first().map_or("", beginning_of)
}

/// How the ids of calls begin that are passed to callers.
const PASSED: &str = "call_cg";
/// So many hexadecimal digits of it stand for the turn.
const OF_TURN: usize = 16;

/// The id of a call that `turn` passes to its caller; `random` are 16 hexadecimal digits. Calls of one turn know each other
/// by it.
pub(super) fn passed_id(turn: &str, random: &str) -> String {
    let digits = turn.bytes().filter(u8::is_ascii_hexdigit).map(char::from);
    let of_turn: String = digits.chain(std::iter::repeat('0')).take(OF_TURN).collect();
    format!("{PASSED}{of_turn}{random}")
}

/// What stands for the turn in the id of a call that was passed on; `None` for any other id.
pub(super) fn round_of(id: &str) -> Option<&str> {
    let digits = id.strip_prefix(PASSED)?;
    let is_ours = digits.len() == 2 * OF_TURN && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_ours.then(|| &digits[..OF_TURN])
}

/// Stands for what comes after `turns`, where the gateway keeps the history: each request is another turn.
pub fn after_turns(turns: &[TurnRecord]) -> String {
    let count = turns.len();
    let last = turns.last().map_or("", |turn| turn.id.as_str());
    let digest = Sha256::new().chain_update(last).chain_update(count.to_le_bytes()).finalize();
    HEXLOWER.encode(&digest[..16])
}

/// What an agent said in a step.
pub(super) fn text_of(step: &Message) -> &str {
    match step {
        Message::Assistant(assistant) => &assistant.text,
        Message::System(_) | Message::User(_) | Message::Results(_) => "",
    }
}

fn cut(output: &mut ToolOutput) {
    if let Some((at, _)) = output.content.char_indices().nth(SHORT_OUTPUT) {
        output.content.truncate(at);
        output.content.push_str(" … (cut)");
    }
}

fn written(entry: &NewEntry<'_>) -> String {
    serde_json::to_string(entry).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(id: &str) -> PassedCall {
        PassedCall {
            sent: format!("sent_{id}"),
            place: CallPlace { step: 0, id: id.to_owned() },
            name: "pay".to_owned(),
            arguments: "{}".to_owned(),
        }
    }

    fn output(id: &str) -> ToolOutput {
        ToolOutput {
            call_id: id.to_owned(),
            name: "pay".to_owned(),
            content: "paid".to_owned(),
            is_error: false,
        }
    }

    fn of_first(output: ToolOutput) -> LateResult {
        LateResult { step: 0, output }
    }

    #[test]
    fn a_beginning_makes_all_before_it_undone() {
        let turn = TurnRecord { id: "one".to_owned(), ..TurnRecord::default() };
        let anew = TurnRecord::beginning("two".to_owned(), "desk", Some("Hello."));
        let later = |id: &str, since: &str| TurnRecord {
            id: id.to_owned(),
            since: since.to_owned(),
            ..TurnRecord::default()
        };
        // One of them was asked for before the beginning, and ends after it.
        let (late, later) = (later("late", ""), later("three", "two"));
        let texts = [&turn, &anew, &late, &later].map(TurnRecord::to_text);
        let turns = read(&texts);
        assert_eq!(turns.iter().map(|turn| turn.id.as_str()).collect::<Vec<_>>(), ["two", "three"]);
        assert_eq!(turns[0].spoken(), "Hello.");
        // What stands for the next turn is another one, although as many turns are left.
        assert_ne!(after_turns(&turns[..1]), after_turns(&[turn]));
    }

    #[test]
    fn a_turn_without_its_beginning_is_read() {
        // The store has let go of the beginning, which was the oldest.
        let turn =
            |id: &str| TurnRecord { id: id.to_owned(), since: "gone".to_owned(), ..TurnRecord::default() };
        let texts = ["one", "two"].map(|id| turn(id).to_text());
        let turns = read(&texts);
        assert_eq!((turns.len(), beginning(&turns)), (2, "gone"));
    }

    #[test]
    fn a_turn_that_was_kept_twice_is_one() {
        let mut turn = TurnRecord { id: "one".to_owned(), ..TurnRecord::default() };
        let mut texts = vec![turn.to_text()];
        turn.interrupted = true;
        texts.push(turn.to_text());
        assert_eq!(read(&texts), [turn]);
    }

    #[test]
    fn a_late_result_goes_to_its_step_although_ids_come_again() {
        let asked = |id: &str| {
            let call = Call { id: id.to_owned(), name: "pay".to_owned(), arguments: "{}".to_owned() };
            Message::Assistant(Assistant { calls: vec![call], ..Assistant::default() })
        };
        let first = ToolOutput { content: "first".to_owned(), ..output("call_1") };
        let pending = ToolOutput { content: "pending".to_owned(), ..output("call_1") };
        let mut turn = TurnRecord {
            id: "one".to_owned(),
            steps: vec![
                asked("call_1"),
                Message::Results(vec![first.clone()]),
                asked("call_1"),
                Message::Results(vec![pending]),
            ],
            proposed: vec![CallPlace { step: 2, id: "call_1".to_owned() }],
            ..TurnRecord::default()
        };
        let made: Vec<Message> = turn.made();
        assert_eq!(made[1], Message::Results(vec![first.clone()]));
        assert_eq!(made[3], Message::Results(Vec::new()));
        turn.take(&[LateResult { step: 2, output: output("call_1") }]);
        assert_eq!(turn.steps[1], Message::Results(vec![first]));
        assert_eq!(turn.steps[3], Message::Results(vec![output("call_1")]));
        assert!(turn.proposed.is_empty());
    }

    #[test]
    fn a_call_waits_until_the_caller_answers_it() {
        let calls = ["a", "b"].map(|id| Call {
            id: id.to_owned(),
            name: "pay".to_owned(),
            arguments: "{}".to_owned(),
        });
        let asked = Message::Assistant(Assistant { calls: calls.into(), ..Assistant::default() });
        let turn = TurnRecord {
            id: "one".to_owned(),
            steps: vec![asked.clone(), Message::Results(vec![output("b")])],
            passed: vec![passed("a"), passed("b")],
            ..TurnRecord::default()
        };
        let waiting = |turns: &[TurnRecord]| -> Vec<String> {
            turns[0].waiting().map(|passed| passed.place.id.clone()).collect()
        };
        let mut texts = vec![turn.to_text()];
        // That a call has a result of ours too does not answer it.
        assert_eq!(waiting(&read(&texts)), ["a", "b"]);
        texts.push(late("one", &[of_first(output("a"))]));
        assert_eq!(waiting(&read(&texts)), ["b"]);
        let own = ToolOutput { content: "handed back".to_owned(), ..output("b") };
        texts.push(late("one", &[of_first(own.clone())]));
        let turns = read(&texts);
        assert!(waiting(&turns).is_empty());
        assert_eq!(turns[0].steps, [asked, Message::Results(vec![own, output("a")])]);
    }
}
