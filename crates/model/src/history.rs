//! A conversation as a provider takes it: each call is answered right after it, each answer has its call, and
//! somebody else than the model speaks last.
//!
//! A conversation that has been cut, put together or interrupted breaks these rules, and every provider
//! refuses the whole request then.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};

use serde_json::Value;

use super::closing::is_object;
use super::message::{Assistant, Call, Message, Raw};
use super::provider::Provider;

/// What stands for a caller who has said nothing where a provider demands that somebody has.
pub(crate) const NEUTRAL: &str = "(the caller is on the line)";
/// The result of a call that nobody has answered.
const UNANSWERED: &str = "This call was interrupted. Whether it was executed is not known.";

/// One step of a conversation.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    System(&'a str),
    User(&'a str),
    Assistant(Spoken<'a>),
    /// One for each call of the message before, in its order.
    Results(Vec<Answer<'a>>),
}

/// What the model said and called: words, calls or both.
#[derive(Debug)]
pub(crate) struct Spoken<'a> {
    pub(crate) text: &'a str,
    pub(crate) calls: Vec<Made<'a>>,
    /// The provider's own form, if it is the same provider.
    pub(crate) raw: Option<&'a Value>,
}

/// A call.
#[derive(Debug)]
pub(crate) struct Made<'a> {
    pub(crate) call: &'a Call,
    /// The id that goes out: unique in the conversation.
    pub(crate) id: String,
    /// The name that goes out.
    pub(crate) name: Cow<'a, str>,
}

impl Made<'_> {
    /// The arguments as a value.
    pub(crate) fn arguments(&self) -> Value {
        let object = serde_json::from_str(&self.call.arguments).ok().filter(Value::is_object);
        object.unwrap_or_else(|| Value::Object(serde_json::Map::new()))
    }

    /// The arguments as the text of an object.
    pub(crate) fn arguments_text(&self) -> &str {
        if is_object(&self.call.arguments) { &self.call.arguments } else { "{}" }
    }
}

/// What came of a call.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) id: String,
    pub(crate) name: Cow<'a, str>,
    pub(crate) content: &'a str,
    pub(crate) is_error: bool,
}

impl<'a> Answer<'a> {
    /// What stands for an answer that there is none of.
    fn missing(made: &Made<'a>) -> Self {
        Self { id: made.id.clone(), name: made.name.clone(), content: UNANSWERED, is_error: true }
    }
}

/// Brings `messages` into the order that `provider` demands.
pub(crate) fn steps<'a>(messages: &'a [Message], provider: Provider, origin: &str) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    let mut ids = Ids::default();
    let mut unanswered = Unanswered::default();
    for message in messages {
        match message {
            Message::System(text) if !text.trim().is_empty() => steps.push(Step::System(text)),
            Message::User(text) if !text.trim().is_empty() => steps.push(Step::User(text)),
            Message::Assistant(assistant) => {
                let spoken = spoken(assistant, (provider, origin), &mut ids);
                if spoken.text.trim().is_empty() && spoken.calls.is_empty() {
                    continue;
                }
                let answers: Vec<Answer<'_>> = spoken.calls.iter().map(Answer::missing).collect();
                steps.push(Step::Assistant(spoken));
                if !answers.is_empty() {
                    unanswered.add(steps.len(), &assistant.calls);
                    steps.push(Step::Results(answers));
                }
            }
            Message::Results(outputs) => {
                for output in outputs {
                    let Some((step, place)) = unanswered.take(&output.call_id) else { continue };
                    if let Some(Step::Results(answers)) = steps.get_mut(step) {
                        answers[place].content = &output.content;
                        answers[place].is_error = output.is_error;
                    }
                }
            }
            Message::System(_) | Message::User(_) => {}
        }
    }
    // A model that spoke last would go on with its own words, and Anthropic and Gemini refuse to.
    let is_turn_of_model = steps.iter().rev().find_map(|step| match step {
        Step::System(_) => None,
        Step::User(_) | Step::Results(_) => Some(true),
        Step::Assistant(_) => Some(false),
    });
    if is_turn_of_model != Some(true) {
        steps.push(Step::User(NEUTRAL));
    }
    steps
}

fn spoken<'a>(assistant: &'a Assistant, (provider, origin): (Provider, &str), ids: &mut Ids) -> Spoken<'a> {
    let is_own = |raw: &&Raw| raw.provider == provider && raw.origin == origin;
    let raw = assistant.raw.as_ref().filter(is_own).map(|raw| &raw.value);
    let calls = assistant.calls.iter().map(|call| {
        // The provider knows its own ids; those of others have to please it.
        let own =
            if raw.is_some() && !call.id.is_empty() { call.id.clone() } else { plain(&call.id, 40, "call") };
        Made { call, id: ids.unique(own), name: name(&call.name) }
    });
    Spoken { text: &assistant.text, calls: calls.collect(), raw }
}

/// The ids that go out.
#[derive(Debug, Default)]
struct Ids {
    taken: HashSet<String>,
    /// The first number that may be free behind the beginning of an id.
    numbers: HashMap<String, u64>,
}

impl Ids {
    /// `own`; with the first free number behind its beginning where it is taken.
    fn unique(&mut self, own: String) -> String {
        if self.taken.insert(own.clone()) {
            return own;
        }
        let begin: String = own.chars().take(32).collect();
        let number = self.numbers.entry(begin.clone()).or_insert(2);
        loop {
            let id = format!("{begin}_{number}");
            *number += 1;
            if self.taken.insert(id.clone()) {
                return id;
            }
        }
    }
}

/// The calls that wait for their answers, by the ids that they came with: where their answers stand, the first one first.
#[derive(Debug, Default)]
struct Unanswered<'a>(HashMap<&'a str, VecDeque<(usize, usize)>>);

impl<'a> Unanswered<'a> {
    /// Adds the calls of a message, whose answers are number `step`. Earlier calls by the same ids are answered no more.
    fn add(&mut self, step: usize, calls: &'a [Call]) {
        for (place, call) in calls.iter().enumerate() {
            let waiting = self.0.entry(&call.id).or_default();
            if waiting.front().is_some_and(|(of, _)| *of != step) {
                waiting.clear();
            }
            waiting.push_back((step, place));
        }
    }

    /// Which call an output with this id answers; `None` where there is none.
    fn take(&mut self, id: &str) -> Option<(usize, usize)> {
        self.0.get_mut(id)?.pop_front()
    }
}

/// A name as every provider takes it in a history: a model makes names up too.
fn name(name: &str) -> Cow<'_, str> {
    let is_fine = (1..=64).contains(&name.len()) && name.chars().all(is_plain);
    if is_fine { Cow::Borrowed(name) } else { Cow::Owned(plain(name, 64, "unnamed")) }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// A word of letters, digits, `_` and `-`.
fn plain(text: &str, most: usize, empty: &str) -> String {
    let word: String = text.chars().take(most).map(|c| if is_plain(c) { c } else { '_' }).collect();
    if word.is_empty() { empty.to_owned() } else { word }
}
