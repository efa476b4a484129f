//! The history as the model has to see it: what the caller sends, with the hidden rounds of earlier turns in their places.
//!
//! A caller sends what was *spoken*: the rounds of tool calls behind an answer are not in its messages, and of an answer
//! that was interrupted it sends the part that was heard. So each exchange of the history (what the caller said, and what
//! it was answered) is looked for among the turns that were kept. Exchanges and turns are both in the order of time; they
//! are matched from the end, so that a caller which sends the latest messages only loses nothing.

use std::collections::{HashMap, HashSet};

use callgate_model::{Assistant, Call, Message, ToolOutput};

use super::record::{TurnRecord, round_of, text_of};

/// What a call is answered with where nobody knows its result.
const NO_RESULT: &str = "The result of this call is not known.";
/// Fewest letters and digits by which an answer alone shows which turn it is of.
const TELLING: usize = 12;
/// A turn stands once the caller has heard so large a share of it: one part in so many.
const HEARD_SHARE: usize = 2;

/// A history with its hidden rounds.
#[derive(Debug, Default)]
pub(super) struct Spliced {
    /// The messages for the model.
    pub(super) messages: Vec<Message>,
    /// The turns that the caller's history shows to have stood: it heard at least half of them, and went on. By their
    /// places.
    pub(super) standing: Vec<usize>,
    /// The turn that is an earlier try of the one that is asked for, by its place.
    pub(super) earlier_try: Option<usize>,
    /// Turns that were broken off after a part of what the caller says now, by their places: what they have sent may be
    /// under way.
    pub(super) broken_off: Vec<usize>,
}

/// Puts the hidden rounds of `turns` into `history`. `intent` stands for the turn that it asks for.
pub(super) fn splice(history: &[Message], turns: &[TurnRecord], intent: &str) -> Spliced {
    let exchanges = exchanges(history);
    let matched = matched(&exchanges, turns, intent);
    let mut spliced = Spliced::default();
    let last = exchanges.len().saturating_sub(1);
    for (at, (exchange, matched)) in exchanges.iter().zip(&matched).enumerate() {
        exchange.expand(matched, turns, at == last, &mut spliced);
    }
    spliced.messages = answered(spliced.messages);
    spliced.standing.sort_unstable();
    spliced.standing.dedup();
    spliced
}

/// The history with each round of calls in one message, and their results in another: some products send a message for each
/// call, with its result behind it. Which calls were one round is told by their ids.
pub(super) fn joined(history: Vec<Message>) -> Vec<Message> {
    let mut all: Vec<Message> = Vec::with_capacity(history.len());
    for message in history {
        if let Message::Results(outputs) = &message
            && let [.., Message::Assistant(first), Message::Results(before), Message::Assistant(second)] =
                all.as_mut_slice()
            && is_one_round(first, second)
        {
            first.calls.append(&mut second.calls);
            before.extend(outputs.iter().cloned());
            all.pop();
            continue;
        }
        all.push(message);
    }
    all
}

/// Whether the calls of two messages were passed on by one answer.
fn is_one_round(first: &Assistant, second: &Assistant) -> bool {
    let rounds = |assistant: &Assistant| -> HashSet<Option<String>> {
        assistant.calls.iter().map(|call| round_of(&call.id).map(str::to_owned)).collect()
    };
    let (one, other) = (rounds(first), rounds(second));
    second.text.trim().is_empty() && one.len() == 1 && !one.contains(&None) && one == other
}

/// The history that turns make up by themselves, for a caller that sends only what is new.
pub(super) fn of_turns(turns: &[TurnRecord]) -> Vec<Message> {
    let of = |turn: &TurnRecord| {
        let heard = turn.heard.iter().cloned().map(Message::User);
        // What a turn proposed that was broken off is not made.
        let steps = if turn.interrupted { turn.made() } else { turn.steps.clone() };
        heard.chain(steps.into_iter().filter(says_something)).collect::<Vec<_>>()
    };
    answered(turns.iter().flat_map(of).collect())
}

/// What the caller has said since the agent last spoke.
pub(super) fn heard(history: &[Message]) -> Vec<String> {
    exchanges(history)
        .last()
        .map(|last| last.heard.iter().map(|text| (*text).to_owned()).collect())
        .unwrap_or_default()
}

/// What the caller had said before that, exchange by exchange: it identifies the turn, however often it is asked for.
pub(super) fn said_before(history: &[Message]) -> Vec<Vec<&str>> {
    let mut exchanges = exchanges(history);
    exchanges.pop();
    exchanges.into_iter().map(|exchange| exchange.heard).collect()
}

/// Whether the agent spoke last: the caller has neither said nor done anything since.
pub(super) fn is_silent(history: &[Message]) -> bool {
    let last = history.iter().rev().find(|message| !matches!(message, Message::System(_)));
    matches!(last, Some(Message::Assistant(_)))
}

/// The ids of the results that the history ends in.
pub(super) fn after(history: &[Message]) -> Vec<String> {
    match history.iter().rev().find(|message| !matches!(message, Message::System(_))) {
        Some(Message::Results(outputs)) => ids(outputs).map(str::to_owned).collect(),
        Some(Message::System(_) | Message::User(_) | Message::Assistant(_)) | None => Vec::new(),
    }
}

/// What the caller said, and what it was answered.
#[derive(Debug, Default)]
struct Exchange<'h> {
    /// Its messages before the answer.
    front: Vec<&'h Message>,
    /// What the caller said.
    heard: Vec<&'h str>,
    /// The answer, cut where the caller answered tool calls of its own.
    parts: Vec<Part<'h>>,
}

/// A part of an answer: what one request was answered.
#[derive(Debug, Default)]
struct Part<'h> {
    /// The results that it comes after.
    results: &'h [ToolOutput],
    said: Vec<&'h Assistant>,
}

/// What was found of an exchange.
#[derive(Clone, Debug, Default)]
struct Match {
    /// Turns that were broken off before anything of them was heard, and how many messages they had heard.
    earlier: Vec<(usize, usize)>,
    /// The turn of each part.
    parts: Vec<Option<usize>>,
    /// For a part of which no turn is known: a turn that answered the same words, whatever the caller says that it was
    /// answered. Its calls were made.
    likely: Option<usize>,
}

fn exchanges(history: &[Message]) -> Vec<Exchange<'_>> {
    let mut all: Vec<Exchange<'_>> = Vec::new();
    let mut current = Exchange::default();
    for message in history {
        match message {
            Message::System(_) | Message::User(_) => {
                if !current.parts.is_empty() {
                    all.push(std::mem::take(&mut current));
                }
                current.front.push(message);
                if let Message::User(text) = message {
                    current.heard.push(text);
                }
            }
            Message::Assistant(said) => {
                if current.parts.is_empty() {
                    current.parts.push(Part::default());
                }
                current.parts.last_mut().into_iter().for_each(|part| part.said.push(said));
            }
            Message::Results(results) => current.parts.push(Part { results, said: Vec::new() }),
        }
    }
    all.push(current);
    all
}

fn matched(exchanges: &[Exchange<'_>], turns: &[TurnRecord], intent: &str) -> Vec<Match> {
    let known = turns.iter().map(|turn| Known {
        turn,
        heard: letters(&turn.heard.concat()),
        spoken: letters(&turn.spoken()),
    });
    let known: Vec<Known<'_>> = known.collect();
    let mut all = vec![Match::default(); exchanges.len()];
    // No turn of an exchange comes before one of an earlier exchange.
    let mut end = turns.len();
    for (at, exchange) in exchanges.iter().enumerate().rev() {
        let words = letters(&exchange.heard.concat());
        let is_last = at + 1 == exchanges.len();
        let parts = exchange.parts(is_last);
        let mut found = vec![None; parts.len()];
        for (place, part) in parts.iter().enumerate().rev() {
            // What is asked for now: only an earlier try of the same has run its tools already.
            let is_open = is_last && place + 1 == parts.len() && part.said.is_empty();
            let sought = Sought::of(part, &words, is_open.then_some(intent));
            found[place] = (0..end).rev().find(|turn| sought.is(&known[*turn]));
            end = found[place].map_or(end, |found| first_try(turns, found));
        }
        all[at].parts = found;
    }
    // Turns between those that were found, of which nothing was heard before the caller went on.
    let mut next = turns.len();
    let mut untils = vec![next; exchanges.len()];
    for (at, found) in all.iter().enumerate().rev() {
        let first = found.parts.iter().flatten().map(|turn| first_try(turns, *turn));
        next = first.fold(next, usize::min);
        untils[at] = next;
    }
    let mut begin = 0;
    for (at, exchange) in exchanges.iter().enumerate() {
        let until = untils[at];
        let words = letters(&exchange.heard.concat());
        let is_broken_off = |turn: &usize| {
            let Known { turn, heard, .. } = &known[*turn];
            let is_part = !heard.is_empty() && heard.len() < words.len() && words.starts_with(heard.as_str());
            is_part && turn.after.is_empty() && turn.has_calls()
        };
        let is_answered = exchange.parts.iter().any(|part| !part.said.is_empty());
        if is_answered && !words.is_empty() && all[at].parts.iter().all(Option::is_none) {
            let is_likely = |turn: &usize| {
                let Known { turn, heard, .. } = &known[*turn];
                *heard == words && turn.after.is_empty() && turn.has_calls()
            };
            all[at].likely = (begin..until).rev().find(is_likely);
        }
        let earlier = (begin..until).filter(is_broken_off);
        all[at].earlier =
            earlier.map(|turn| (turn, messages_heard(exchange, known[turn].heard.len()))).collect();
        let Match { earlier, parts, likely } = &all[at];
        let own = parts.iter().flatten().chain(earlier.iter().map(|(turn, _)| turn)).chain(likely).max();
        begin = own.map_or(begin, |turn| turn + 1);
    }
    all
}

/// A turn, as it is compared.
struct Known<'t> {
    turn: &'t TurnRecord,
    heard: String,
    spoken: String,
}

/// What the turn of a part of an answer looks like.
struct Sought<'h> {
    part: &'h Part<'h>,
    /// What the caller had said.
    words: &'h str,
    /// What was heard of the answer.
    text: String,
    /// The calls that the caller knows.
    calls: HashSet<&'h str>,
    /// Where the part is what is asked for now: what stands for it.
    intent: Option<&'h str>,
}

impl<'h> Sought<'h> {
    fn of(part: &'h Part<'h>, words: &'h str, intent: Option<&'h str>) -> Self {
        let text = letters(&part.said.iter().map(|said| said.text.as_str()).collect::<String>());
        let calls = part.said.iter().flat_map(|said| &said.calls).map(|call| call.id.as_str()).collect();
        Self { part, words, text, calls, intent }
    }

    fn is(&self, known: &Known<'_>) -> bool {
        let Known { turn, heard, spoken } = known;
        if !turn.after.iter().map(String::as_str).eq(ids(self.part.results)) {
            return false;
        }
        if let Some(intent) = self.intent {
            return turn.intent == intent && *heard == self.words;
        }
        if !self.calls.is_empty() {
            return turn.passed.iter().any(|passed| self.calls.contains(passed.sent.as_str()));
        }
        let has_text = !self.text.is_empty() && spoken.starts_with(&self.text);
        // More was said before the caller spoke again.
        let goes_on = spoken.len() >= TELLING && self.text.starts_with(spoken.as_str());
        match *heard == self.words {
            true => has_text || goes_on || self.text.is_empty(),
            // The product may write down what it heard in another way.
            false => has_text && self.text.len() >= TELLING,
        }
    }
}

/// How many of its messages hold so many letters and digits.
fn messages_heard(exchange: &Exchange<'_>, length: usize) -> usize {
    let mut so_far = 0;
    let whole = exchange.heard.iter().take_while(|text| {
        so_far += letters(text).len();
        so_far <= length
    });
    whole.count()
}

impl<'h> Exchange<'h> {
    /// The parts of the answer; of the last exchange, what is asked for now is one of them.
    fn parts(&self, is_last: bool) -> Vec<&Part<'h>> {
        const OPEN: &Part<'static> = &Part { results: &[], said: Vec::new() };
        match self.parts.is_empty() {
            true if is_last => vec![OPEN],
            _ => self.parts.iter().collect(),
        }
    }

    fn expand(&self, matched: &Match, turns: &[TurnRecord], is_last: bool, into: &mut Spliced) {
        let mut earlier = matched.earlier.iter().peekable();
        let mut heard = 0;
        for message in &self.front {
            into.messages.push((*message).clone());
            heard += usize::from(matches!(message, Message::User(_)));
            while let Some((turn, _)) = earlier.next_if(|(_, count)| *count <= heard && heard > 0) {
                into.messages.extend(silent(&turns[*turn]));
            }
        }
        if is_last {
            into.broken_off.extend(matched.earlier.iter().map(|(turn, _)| *turn));
        }
        // One message that holds what was heard before and more: the rounds stand behind it.
        earlier.for_each(|(turn, _)| into.messages.extend(silent(&turns[*turn])));
        into.messages.extend(matched.likely.into_iter().flat_map(|turn| silent(&turns[turn])));
        let mut before: Option<&TurnRecord> = None;
        let parts = self.parts(is_last);
        for (at, part) in parts.iter().enumerate() {
            if !part.results.is_empty() {
                take_results(&mut into.messages, part.results, before);
            }
            let turn = matched.parts.get(at).copied().flatten();
            let is_open = is_last && at + 1 == parts.len() && part.said.is_empty();
            before = turn.map(|turn| &turns[turn]);
            if let Some(turn) = turn {
                // What an earlier try of it has done comes first.
                let tries = tries(turns, turn);
                into.messages.extend(tries.into_iter().flat_map(|earlier| silent(&turns[earlier])));
            }
            match turn {
                Some(turn) if part.said.is_empty() => {
                    into.messages.extend(silent(&turns[turn]));
                    into.earlier_try = into.earlier_try.or(is_open.then_some(turn));
                }
                Some(turn) => {
                    let stands = stands(&turns[turn], part);
                    into.messages.extend(cut(&turns[turn], part, stands));
                    if stands {
                        into.standing.push(turn);
                    }
                }
                None => {
                    into.messages.extend(part.said.iter().map(|said| Message::Assistant((*said).clone())));
                }
            }
        }
    }
}

/// The rounds of a turn that was not heard, without its proposed writes.
fn silent(turn: &TurnRecord) -> impl Iterator<Item = Message> {
    let steps = turn.made().into_iter().map(|step| match step {
        Message::Assistant(mut assistant) => {
            assistant.text.clear();
            Message::Assistant(assistant)
        }
        other => other,
    });
    steps.filter(says_something)
}

/// The earlier tries of a turn, oldest first, by their places.
fn tries(turns: &[TurnRecord], turn: usize) -> Vec<usize> {
    let mut tries = Vec::new();
    let mut first = turn;
    while let Some(id) = &turns[first].retries
        && let Some(earlier) = turns[..first].iter().rposition(|turn| turn.id == *id)
    {
        tries.push(earlier);
        first = earlier;
    }
    tries.reverse();
    tries
}

/// The first try of a turn, by its place.
fn first_try(turns: &[TurnRecord], turn: usize) -> usize {
    tries(turns, turn).first().copied().unwrap_or(turn)
}

/// Whether the turn stands: the caller has heard at least half of it, or has done what it asked for. Of a smaller part,
/// the caller may have interrupted it to object.
fn stands(turn: &TurnRecord, part: &Part<'_>) -> bool {
    let heard = letters_heard(part);
    let spoken = letters(&turn.spoken()).len();
    part.said.iter().any(|said| !said.calls.is_empty()) || heard > 0 && heard * HEARD_SHARE >= spoken
}

fn letters_heard(part: &Part<'_>) -> usize {
    part.said.iter().map(|said| letters(&said.text).len()).sum()
}

/// A turn, with as much of its text as was heard, and what was said after it. Without its proposed writes, unless it
/// stands.
fn cut(turn: &TurnRecord, part: &Part<'_>, stands: bool) -> Vec<Message> {
    let heard = letters_heard(part);
    let steps = if stands { turn.steps.clone() } else { turn.made() };
    let spoken: usize = steps.iter().map(|step| letters(text_of(step)).len()).sum();
    let mut left = heard;
    let step = |step: Message| match step {
        Message::Assistant(assistant) if heard < spoken => {
            let (text, count) = first_letters(&assistant.text, left);
            left -= count;
            Message::Assistant(Assistant { text, ..assistant })
        }
        other => other,
    };
    let mut all: Vec<Message> = steps.into_iter().map(step).filter(says_something).collect();
    if heard > spoken && spoken > 0 {
        let said: String = part.said.iter().map(|said| said.text.as_str()).collect();
        let (first, _) = first_letters(&said, spoken);
        let rest = said[first.len()..].trim_start_matches(|sign: char| !sign.is_alphanumeric()).to_owned();
        all.push(Message::Assistant(Assistant { text: rest, ..Assistant::default() }));
    }
    all
}

/// `text` up to and with its letter or digit number `most`, and how many it has.
fn first_letters(text: &str, most: usize) -> (String, usize) {
    let mut count = 0;
    let mut end = 0;
    for (at, sign) in text.char_indices() {
        let lower: usize =
            sign.to_lowercase().filter(|sign| sign.is_alphanumeric()).map(char::len_utf8).sum();
        if lower == 0 {
            continue;
        }
        if count + lower > most {
            return (text[..end].to_owned(), count);
        }
        count += lower;
        end = at + sign.len_utf8();
    }
    let is_whole = count > 0 && count <= most;
    (if is_whole { text.to_owned() } else { String::new() }, count)
}

/// Puts the caller's results behind the calls that they answer, among those of our own.
fn take_results(messages: &mut Vec<Message>, results: &[ToolOutput], turn: Option<&TurnRecord>) {
    let known: HashMap<&str, &str> = turn
        .into_iter()
        .flat_map(|turn| &turn.passed)
        .map(|passed| (passed.sent.as_str(), passed.place.id.as_str()))
        .collect();
    let ours = match messages.last() {
        Some(Message::Results(_)) => messages.pop(),
        _ => None,
    };
    let mut all = match ours {
        Some(Message::Results(ours)) => ours,
        _ => Vec::new(),
    };
    all.extend(results.iter().map(|output| {
        let call_id =
            known.get(output.call_id.as_str()).map_or_else(|| output.call_id.clone(), |id| (*id).to_owned());
        ToolOutput { call_id, ..output.clone() }
    }));
    messages.push(Message::Results(all));
}

/// The messages with every call answered once, behind its call, and no answer without a call: what providers insist on.
fn answered(messages: Vec<Message>) -> Vec<Message> {
    let mut all: Vec<Message> = Vec::with_capacity(messages.len());
    let mut asked: Vec<Call> = Vec::new();
    let close = |all: &mut Vec<Message>, asked: &mut Vec<Call>, outputs: Vec<ToolOutput>| {
        let mut outputs: HashMap<String, ToolOutput> =
            outputs.into_iter().map(|output| (output.call_id.clone(), output)).collect();
        let calls = std::mem::take(asked);
        if calls.is_empty() {
            return;
        }
        let outputs = calls.into_iter().map(|call| {
            let known =
                outputs.remove(&call.id).map(|output| ToolOutput { name: call.name.clone(), ..output });
            known.unwrap_or_else(|| ToolOutput {
                call_id: call.id,
                name: call.name,
                content: NO_RESULT.to_owned(),
                is_error: true,
            })
        });
        all.push(Message::Results(outputs.collect()));
    };
    for message in messages {
        match message {
            Message::Results(outputs) => close(&mut all, &mut asked, outputs),
            other => {
                close(&mut all, &mut asked, Vec::new());
                if let Message::Assistant(assistant) = &other {
                    asked = assistant.calls.clone();
                }
                all.push(other);
            }
        }
    }
    close(&mut all, &mut asked, Vec::new());
    all
}

fn says_something(step: &Message) -> bool {
    match step {
        Message::Assistant(assistant) => !assistant.calls.is_empty() || !assistant.text.trim().is_empty(),
        Message::Results(outputs) => !outputs.is_empty(),
        Message::System(_) | Message::User(_) => true,
    }
}

fn ids(outputs: &[ToolOutput]) -> impl Iterator<Item = &str> {
    outputs.iter().map(|output| output.call_id.as_str())
}

/// The letters and digits of a text, in lower case: what stays the same when a product writes down what was spoken.
fn letters(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).filter(|sign| sign.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::record::{CallPlace, PassedCall};
    use super::*;

    fn user(text: &str) -> Message {
        Message::User(text.to_owned())
    }

    fn said(text: &str) -> Message {
        Message::Assistant(Assistant { text: text.to_owned(), ..Assistant::default() })
    }

    fn call(id: &str) -> Call {
        Call { id: id.to_owned(), name: format!("tool_{id}"), arguments: "{}".to_owned() }
    }

    fn calls(text: &str, ids: &[&str]) -> Message {
        let calls = ids.iter().map(|id| call(id)).collect();
        Message::Assistant(Assistant { text: text.to_owned(), calls, raw: None })
    }

    fn results(ids: &[&str]) -> Message {
        let output = |id: &&str| ToolOutput {
            call_id: (*id).to_owned(),
            name: format!("tool_{id}"),
            content: format!("result of {id}"),
            is_error: false,
        };
        Message::Results(ids.iter().map(output).collect())
    }

    /// A turn that was asked for with `before` in the history.
    fn turn(before: &[&str], heard: &[&str], steps: &[Message]) -> TurnRecord {
        TurnRecord {
            id: heard.concat(),
            heard: heard.iter().map(|text| (*text).to_owned()).collect(),
            steps: steps.to_vec(),
            intent: before.concat(),
            ..TurnRecord::default()
        }
    }

    #[track_caller]
    fn check(history: &[Message], turns: &[TurnRecord], expected: &[Message]) -> Vec<usize> {
        let intent = said_before(history).concat().concat();
        let spliced = splice(history, turns, &intent);
        assert_eq!(spliced.messages, expected, "{:#?}", spliced.messages);
        spliced.standing
    }

    fn lookup() -> TurnRecord {
        turn(
            &[],
            &["Where is it?"],
            &[calls("One moment. ", &["a"]), results(&["a"]), said("It is on its way, and comes at noon.")],
        )
    }

    #[test]
    fn hidden_rounds_come_back_with_the_answer_they_led_to() {
        let history =
            [user("Where is it?"), said("One moment. It is on its way, and comes at noon."), user("Thanks")];
        let expected = [
            user("Where is it?"),
            calls("One moment. ", &["a"]),
            results(&["a"]),
            said("It is on its way, and comes at noon."),
            user("Thanks"),
        ];
        assert_eq!(check(&history, &[lookup()], &expected), [0]);
    }

    #[test]
    fn an_interrupted_answer_is_cut_where_the_caller_stopped_hearing_it() {
        // A turn stands once the caller has heard half of it.
        for (heard, first, last, standing) in [
            ("One moment. It is on", "One moment. ", Some("It is on"), &[][..]),
            ("one moment it is on its", "One moment. ", Some("It is on its"), &[0]),
            ("One moment.", "One moment. ", None, &[]),
            ("One mom", "One mom", None, &[]),
        ] {
            let history = [user("Where is it?"), said(heard), user("Stop")];
            let mut expected = vec![user("Where is it?"), calls(first, &["a"]), results(&["a"])];
            expected.extend(last.map(said));
            expected.push(user("Stop"));
            assert_eq!(check(&history, &[lookup()], &expected), standing, "{heard}");
        }
    }

    #[test]
    fn what_was_said_after_an_answer_stands_behind_it() {
        let answer = "One moment. It is on its way, and comes at noon.";
        let more = "Are you still there?";
        let expected = [
            user("Where is it?"),
            calls("One moment. ", &["a"]),
            results(&["a"]),
            said("It is on its way, and comes at noon."),
            said(more),
            user("Yes"),
        ];
        for heard in [vec![said(answer), said(more)], vec![said(&format!("{answer} {more}"))]] {
            let history = [&[user("Where is it?")][..], &heard, &[user("Yes")]].concat();
            assert_eq!(check(&history, &[lookup()], &expected), [0]);
        }
    }

    #[test]
    fn rounds_of_which_nothing_was_heard_stand_before_what_the_caller_said_next() {
        let history = [user("Where is it?"), user("Hello?")];
        let expected = [user("Where is it?"), calls("", &["a"]), results(&["a"]), user("Hello?")];
        assert_eq!(check(&history, &[lookup()], &expected), [] as [usize; 0]);
        // The product may make one message of the two.
        let history = [user("Where is it? Hello?")];
        let expected = [user("Where is it? Hello?"), calls("", &["a"]), results(&["a"])];
        check(&history, &[lookup()], &expected);
    }

    #[test]
    fn a_turn_that_is_asked_for_again_knows_what_its_first_try_did() {
        let history = [user("Where is it?")];
        let expected = [user("Where is it?"), calls("", &["a"]), results(&["a"])];
        assert_eq!(check(&history, &[lookup()], &expected), [] as [usize; 0]);
        // The same words at another place are another turn.
        let history = [user("Where is it?"), said("One moment. It is on its way"), user("Where is it?")];
        let expected = [
            user("Where is it?"),
            calls("One moment. ", &["a"]),
            results(&["a"]),
            said("It is on its way"),
            user("Where is it?"),
        ];
        check(&history, &[lookup()], &expected);
    }

    #[test]
    fn the_same_words_are_told_apart_by_their_answers_and_their_order() {
        let turns = [
            turn(&[], &["Yes"], &[calls("", &["a"]), results(&["a"]), said("The first one is done.")]),
            turn(&["Yes"], &["Yes"], &[calls("", &["b"]), results(&["b"]), said("The second one is done.")]),
        ];
        let history =
            [user("Yes"), said("The first one"), user("Yes"), said("The second one is done."), user("Bye")];
        let expected = [
            user("Yes"),
            calls("", &["a"]),
            results(&["a"]),
            said("The first one"),
            user("Yes"),
            calls("", &["b"]),
            results(&["b"]),
            said("The second one is done."),
            user("Bye"),
        ];
        assert_eq!(check(&history, &turns, &expected), [0, 1]);
        // Only the latest messages are sent.
        check(&history[2..], &turns, &expected[4..]);
    }

    #[test]
    fn a_turn_that_was_tried_again_keeps_the_rounds_of_its_first_try() {
        let again = TurnRecord {
            id: "again".to_owned(),
            retries: Some(lookup().id),
            ..turn(&[], &["Where is it?"], &[said("You get it at noon.")])
        };
        let third = TurnRecord {
            retries: Some(again.id.clone()),
            ..turn(&[], &["Where is it?"], &[said("At noon.")])
        };
        let third = TurnRecord { id: "third".to_owned(), ..third };
        let turns = [lookup(), again, third];
        for answer in ["You get it at noon.", "At noon."] {
            let history = [user("Where is it?"), said(answer), user("Thanks")];
            let expected =
                [user("Where is it?"), calls("", &["a"]), results(&["a"]), said(answer), user("Thanks")];
            check(&history, &turns, &expected);
        }
        // It is asked for once more.
        let history = [user("Where is it?")];
        let expected = [user("Where is it?"), calls("", &["a"]), results(&["a"])];
        check(&history, &turns, &expected);
        assert_eq!(splice(&history, &turns, "").earlier_try, Some(2));
    }

    #[test]
    fn rounds_are_not_lost_when_the_product_says_something_else() {
        for answer in ["Hold on.", "It comes at 12 o'clock."] {
            let history = [user("Where is it?"), said(answer), user("Thanks")];
            let expected =
                [user("Where is it?"), calls("", &["a"]), results(&["a"]), said(answer), user("Thanks")];
            assert_eq!(check(&history, &[lookup()], &expected), [] as [usize; 0], "{answer}");
        }
        // Other words of the caller are another turn.
        let history = [user("Who is there?"), said("Hold on."), user("Thanks")];
        check(&history, &[lookup()], &history);
    }

    /// A turn that proposes a write.
    fn proposal(heard: &str, text: &str) -> TurnRecord {
        let mut turn = turn(&[], &[heard], &[calls("", &["a"]), results(&["a"]), said(text)]);
        turn.proposed.push(CallPlace { step: 0, id: "a".to_owned() });
        turn
    }

    #[test]
    fn a_proposal_stands_only_if_the_caller_has_heard_half_of_its_turn() {
        let turns = [proposal("Cancel it", "I will cancel your order now.")];
        for (answer, stands) in [("I", false), ("I will cancel", false), ("I will cancel your order", true)] {
            let history = [user("Cancel it"), said(answer), user("Well")];
            let spliced = splice(&history, &turns, "");
            assert_eq!(spliced.standing, [0][..usize::from(stands)], "{answer}");
            let shows_call = spliced.messages.contains(&results(&["a"]));
            assert_eq!(shows_call, stands, "{answer}: {:?}", spliced.messages);
        }
    }

    #[test]
    fn a_turn_that_was_thrown_away_does_not_stand() {
        let asked = turn(&[], &["Cancel it"], &[said("I should ask first: which one?")]);
        let turns = [proposal("Cancel it", "I will cancel your order now."), asked];
        for answer in ["I", "I should ask first: which one?"] {
            let history = [user("Cancel it"), said(answer), user("No, no")];
            let spliced = splice(&history, &turns, "");
            assert!(!spliced.standing.contains(&0), "{answer}");
            assert_eq!(spliced.messages, history, "{answer}");
        }
    }

    #[test]
    fn a_turn_that_was_broken_off_makes_no_proposal() {
        let mut turn = proposal("Cancel it", "I will");
        turn.interrupted = true;
        assert_eq!(of_turns(&[turn]), [user("Cancel it"), said("I will")]);
    }

    #[test]
    fn an_answer_that_no_turn_gave_stays_as_it_is() {
        let history = [said("Hello!"), user("Hi"), said("What can I do?"), user("Bye")];
        check(&history, &[lookup()], &history);
        check(&[], &[lookup()], &[]);
    }

    #[test]
    fn a_round_that_mixes_both_kinds_of_calls_is_whole_again() {
        let mut mixed = turn(&[], &["Both"], &[calls("Sure. ", &["ours", "theirs"]), results(&["ours"])]);
        mixed.passed.push(PassedCall {
            sent: "wire".to_owned(),
            place: CallPlace { step: 0, id: "theirs".to_owned() },
            name: "tool_theirs".to_owned(),
            arguments: "{}".to_owned(),
        });
        let answered = |id: &str, content: &str| ToolOutput {
            call_id: id.to_owned(),
            name: "tool_theirs".to_owned(),
            content: content.to_owned(),
            is_error: false,
        };
        let asked = Message::Assistant(Assistant {
            text: "Sure.".to_owned(),
            calls: vec![Call { id: "wire".to_owned(), ..call("theirs") }],
            raw: None,
        });
        let history = [user("Both"), asked, Message::Results(vec![answered("wire", "done")])];
        let Message::Results(mut all) = results(&["ours"]) else { unreachable!() };
        all.push(answered("theirs", "done"));
        let expected = [user("Both"), calls("Sure. ", &["ours", "theirs"]), Message::Results(all)];
        assert_eq!(check(&history, &[mixed], &expected), [0]);
    }

    #[test]
    fn every_call_is_answered_once_and_no_answer_stands_alone() {
        let history = [
            results(&["x"]),
            user("Hi"),
            calls("", &["a", "b"]),
            user("Well?"),
            calls("", &["c"]),
            results(&["c", "d"]),
        ];
        let spliced = splice(&history, &[], "");
        let unknown = |id: &str| ToolOutput {
            call_id: id.to_owned(),
            name: format!("tool_{id}"),
            content: NO_RESULT.to_owned(),
            is_error: true,
        };
        let expected = [
            user("Hi"),
            calls("", &["a", "b"]),
            Message::Results(vec![unknown("a"), unknown("b")]),
            user("Well?"),
            calls("", &["c"]),
            results(&["c"]),
        ];
        assert_eq!(spliced.messages, expected);
    }
}
