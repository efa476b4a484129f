//! Random histories of honest products, judged by a model of their true intents.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use super::desk::{Entry, Fate};
use super::ids::{ALL, Ids};
use super::processes::Processes;
use super::world::{Fault, World};
use super::{Call, Setup, is_replay};
use crate::backend::Backend;
use crate::shaky::{At, Outage};

/// A step of a product.
#[derive(Clone, Debug)]
struct Step {
    conversation: usize,
    what: What,
    /// What becomes of each try; the product tries again where it got no answer.
    tries: Vec<(Fault, usize)>,
    /// Whether a product without an answer has its model start over, under new ids.
    start_over: bool,
}

#[derive(Clone, Debug)]
enum What {
    /// A turn of the model: actions and slots.
    Turn(Vec<(&'static str, u64)>),
    /// The latest request once more.
    Again,
    /// An earlier one once more, where ids are unique.
    Old(usize),
}

/// Two conversations, with their ways of making ids, and what comes of them.
#[derive(Clone, Debug)]
struct History {
    ids: [Ids; 2],
    steps: Vec<Step>,
}

fn what() -> impl Strategy<Value = What> {
    let action = prop_oneof![4 => Just("book"), 2 => Just("cancel"), 2 => Just("look")];
    prop_oneof![
        8 => prop::collection::vec((action, 8..10_u64), 1..3).prop_map(What::Turn),
        2 => Just(What::Again),
        1 => (0..8_usize).prop_map(What::Old),
    ]
}

/// What may befall a request to a gateway of this process.
fn fault_here() -> impl Strategy<Value = Fault> {
    let fate = prop_oneof![
        8 => Just(Fate::Done),
        1 => Just(Fate::Slow),
        1 => Just(Fate::Refused),
        1 => Just(Fate::Broken),
        1 => Just(Fate::Cut)
    ];
    let at = prop_oneof![
        Just(At::Open),
        Just(At::Claim),
        Just(At::Sending),
        Just(At::Settle),
        Just(At::Everything)
    ];
    let outage =
        prop_oneof![3 => Just(Outage::Refused), 3 => Just(Outage::Unanswered), 1 => Just(Outage::Silent)];
    prop_oneof![
        12 => fate.prop_map(Fault::Upstream),
        2 => Just(Fault::GoneUnsent),
        2 => Just(Fault::Gone),
        1 => Just(Fault::GoneRunning),
        1 => Just(Fault::Hurried),
        1 => Just(Fault::Twice),
        1 => Just(Fault::TwiceOneGone),
        1 => Just(Fault::Overlap),
        2 => (at, outage).prop_map(|(at, outage)| Fault::Store(at, outage)),
    ]
}

/// The same where gateways are processes.
fn fault_there() -> impl Strategy<Value = Fault> {
    prop_oneof![
        6 => Just(Fault::Upstream(Fate::Done)),
        1 => Just(Fault::Upstream(Fate::Cut)),
        1 => Just(Fault::GoneUnsent),
        1 => Just(Fault::Gone),
        1 => Just(Fault::TwiceOneGone),
        2 => Just(Fault::Killed),
        1 => Just(Fault::Restarted),
        1 => Just(Fault::Paused),
        1 => Just(Fault::StoreKilled),
    ]
}

fn history(
    fault: impl Strategy<Value = Fault> + 'static,
    nodes: usize,
    steps: usize,
) -> impl Strategy<Value = History> {
    let tries = prop::collection::vec((fault, 0..nodes), 1..4);
    let step = (0..2_usize, what(), tries, any::<bool>())
        .prop_map(|(conversation, what, tries, start_over)| Step { conversation, what, tries, start_over });
    let ids = (0..ALL.len(), 0..ALL.len()).prop_map(|(one, other)| [ALL[one], ALL[other]]);
    (ids, prop::collection::vec(step, 1..steps)).prop_map(|(ids, steps)| History { ids, steps })
}

#[test]
fn whatever_happens_a_true_intent_has_one_effect_in_memory() {
    judge_here(&Backend::Memory, 1, 12);
}

#[test]
fn whatever_happens_a_true_intent_has_one_effect_in_sqlite() {
    judge_here(&Backend::sqlite(), 1, 6);
}

#[test]
fn whatever_happens_a_true_intent_has_one_effect_in_redis() {
    if let Some(redis) = Backend::redis() {
        judge_here(&redis, 1, 6);
    }
}

#[test]
fn whatever_happens_a_true_intent_has_one_effect_on_two_nodes() {
    if let Some(redis) = Backend::redis() {
        judge_here(&redis, 2, 6);
    }
}

#[test]
fn whoever_is_killed_a_true_intent_has_one_effect_in_sqlite() {
    judge_there(1, 2, async || Some(World::There(Processes::sqlite().await)));
}

#[test]
fn whoever_is_killed_a_true_intent_has_one_effect_on_two_nodes() {
    judge_there(2, 2, async || Processes::redis().await.map(World::There));
}

fn judge_here(on: &Backend, nodes: usize, cases: u32) {
    let number = std::cell::Cell::new(0);
    judge(history(fault_here(), nodes, 16), cases, async || {
        number.set(number.get() + 1);
        let name = format!("case-{}", number.get());
        let stores = (0..nodes).map(|_| on.named(&name)).collect();
        Some(World::Here(Setup::of(stores, &[]).await))
    });
}

fn judge_there(nodes: usize, cases: u32, world: impl AsyncFn() -> Option<World>) {
    judge(history(fault_there(), nodes, 12), cases, world);
}

fn judge(histories: impl Strategy<Value = History>, cases: u32, world: impl AsyncFn() -> Option<World>) {
    #[expect(clippy::disallowed_methods, reason = "a test's own setting")]
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    let cases = wanted.unwrap_or(cases);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 60, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = |history: History| {
        let verdict = runtime.block_on(async {
            let Some(world) = world().await else { return Ok(()) };
            play(&world, &history).await
        });
        verdict.map_err(TestCaseError::fail)
    };
    runner.run(&histories, run).unwrap();
}

async fn play(world: &World, history: &History) -> Result<(), String> {
    let mut products: Vec<Product> =
        history.ids.iter().enumerate().map(|(at, ids)| Product::new(format!("c{at}"), *ids)).collect();
    let mut told = String::new();
    for step in &history.steps {
        let product = &mut products[step.conversation];
        let verdict = product.take(world, step, &mut told).await;
        verdict.map_err(|why| format!("{why}\n{told}"))?;
    }
    Ok(())
}

/// What is wanted: an action and a slot.
type Content = (String, u64);

/// A request of a product, and the wish that each of its calls belongs to.
#[derive(Clone, Debug)]
struct Request {
    calls: Vec<Call>,
    wishes: BTreeMap<Content, usize>,
}

/// A true intent, or as many equal ones as one turn has.
#[derive(Debug)]
struct Wish {
    content: Content,
    /// How many effects it may have.
    most: usize,
    /// How many entries the desk had when it began.
    since: usize,
    /// The request that was answered with its end.
    answered: Option<usize>,
    /// Whether nothing tells it from what else is wanted with the same values.
    is_unclear: bool,
    /// The effects that an answer was given for as its own.
    told: BTreeSet<u64>,
}

struct Product {
    conversation: String,
    ids: Ids,
    wishes: Vec<Wish>,
    requests: Vec<Request>,
    /// The calls of requests that were answered.
    answered: Vec<Vec<Call>>,
    /// The requests, by number, that were answered with something that was done then.
    fresh: Vec<(usize, Content)>,
    /// Requests posted so far.
    posted: usize,
    calls: u64,
}

impl Product {
    fn new(conversation: String, ids: Ids) -> Self {
        let (wishes, requests, answered, fresh) = Default::default();
        Self { conversation, ids, wishes, requests, answered, fresh, posted: 0, calls: 0 }
    }

    async fn take(&mut self, world: &World, step: &Step, log: &mut String) -> Result<(), String> {
        let mut request = match &step.what {
            What::Turn(turn) => self.turn(world, turn),
            What::Again => match self.requests.last() {
                Some(latest) => latest.clone(),
                None => return Ok(()),
            },
            What::Old(at) => match self.requests.get(*at) {
                Some(old) if self.ids.are_unique() && !self.is_given_up(*at) => old.clone(),
                _ => return Ok(()),
            },
        };
        // Who repeats what was answered has no reason to start over.
        let has_answer = !matches!(step.what, What::Turn(_)) && self.answered.contains(&request.calls);
        for (fault, node) in &step.tries {
            self.posted += 1;
            let over = if has_answer { request.clone() } else { self.over(&request) };
            let before = world.desk().entries().len();
            let posted = [&request, &over].map(|request| {
                let mut body = super::body(&self.conversation, &request.calls);
                // Nobody waits for ever for what the store has lost.
                body["deadline_ms"] = 3_000.into();
                body
            });
            log.push_str(&format!(
                "{} {:?} node {node} {fault:?}: {}\n",
                self.conversation,
                self.ids,
                show(&request.calls)
            ));
            let answers = world.deliver(&self.conversation, *fault, *node, &posted).await;
            for answer in &answers {
                log.push_str(&format!(
                    "    told {}\n",
                    answer.as_ref().map_or("nothing".to_owned(), |all| tell(all))
                ));
            }
            self.requests.push(request.clone());
            if answers.len() > 1 && fault.starts_over() {
                self.requests.push(over.clone());
            }
            for results in answers.iter().flatten() {
                self.judge(world, &request, results, before)?;
            }
            let entries = world.desk().entries();
            self.count(&entries)?;
            for results in answers.iter().flatten() {
                self.learn(&request, results, before);
            }
            if answers.iter().any(Option::is_some) {
                self.answered.extend([request.calls, over.calls]);
                return Ok(());
            }
            if step.start_over {
                request = over;
            }
        }
        Ok(())
    }

    /// Whether a wish of a request was asked for again under other ids.
    fn is_given_up(&self, at: usize) -> bool {
        let old = &self.requests[at];
        let is_of_both = |wish: &usize| old.wishes.values().any(|one| one == wish);
        let is_another = |later: &Request| later.calls != old.calls && later.wishes.values().any(is_of_both);
        self.requests[at..].iter().any(is_another)
    }

    /// The request of a new turn of the model.
    fn turn(&mut self, world: &World, turn: &[(&'static str, u64)]) -> Request {
        let calls = turn.iter().enumerate().map(|(index, (action, slot))| {
            self.calls += 1;
            Call { id: self.ids.id(action, index, self.calls), action: (*action).to_owned(), slot: *slot }
        });
        let calls: Vec<Call> = calls.collect();
        let since = world.desk().entries().len();
        let mut wishes = BTreeMap::new();
        for call in calls.iter().filter(|call| call.action != "look") {
            let content = (call.action.clone(), call.slot);
            if wishes.contains_key(&content) {
                continue;
            }
            let count = calls.iter().filter(|one| (&one.action, one.slot) == (&content.0, content.1)).count();
            let is_repeat = self.requests.last().is_some_and(|latest| latest.calls == calls);
            let wish = self.wish(&content, count, since, is_repeat);
            wishes.insert(content, wish);
        }
        Request { calls, wishes }
    }

    /// The wish that so many calls of a turn with equal values belong to.
    fn wish(&mut self, content: &Content, count: usize, since: usize, is_repeat: bool) -> usize {
        let latest = self.wishes.iter().rposition(|wish| wish.content == *content);
        let Some(at) = latest else { return self.begin(content, count, since) };
        let wish = &self.wishes[at];
        let Some(answered) = wish.answered else {
            // Whoever asks again never heard what became of it.
            let wish = &mut self.wishes[at];
            wish.is_unclear |= count != wish.most;
            wish.most = wish.most.max(count);
            return at;
        };
        let goes_on = self.fresh.iter().any(|(when, what)| *when > answered && what != content);
        let is_new = self.ids == Ids::Random || goes_on;
        if is_new && !wish.is_unclear {
            return self.begin(content, count, since);
        }
        let wish = &mut self.wishes[at];
        // The very same request at once is a repeat, which is told so.
        if !is_repeat || wish.is_unclear {
            wish.most += count;
            wish.is_unclear = true;
        }
        at
    }

    fn begin(&mut self, content: &Content, most: usize, since: usize) -> usize {
        let told = BTreeSet::new();
        let content = content.clone();
        self.wishes.push(Wish { content, most, since, answered: None, is_unclear: false, told });
        self.wishes.len() - 1
    }

    /// The same turn, made by the model anew.
    fn over(&mut self, request: &Request) -> Request {
        let calls = request.calls.iter().enumerate().map(|(index, call)| {
            self.calls += 1;
            Call { id: self.ids.id(&call.action, index, self.calls), ..call.clone() }
        });
        Request { calls: calls.collect(), wishes: request.wishes.clone() }
    }

    fn effects<'e>(&self, wish: &Wish, entries: &'e [Entry]) -> Vec<&'e Entry> {
        let is_it = |entry: &&Entry| {
            entry.conversation == self.conversation
                && (&entry.action, entry.slot) == (&wish.content.0, wish.content.1)
        };
        entries[wish.since..].iter().filter(is_it).collect()
    }

    /// One effect at most for each wish.
    fn count(&self, entries: &[Entry]) -> Result<(), String> {
        for wish in &self.wishes {
            let later =
                self.wishes.iter().filter(|other| other.content == wish.content && other.since >= wish.since);
            let most: usize = later.map(|wish| wish.most).sum();
            let effects = self.effects(wish, entries).len();
            if effects > most {
                return Err(format!("{effects} effects of {most} intents: {:?}", wish.content));
            }
        }
        Ok(())
    }

    /// What is told is true.
    fn judge(
        &mut self,
        world: &World,
        request: &Request,
        results: &[Value],
        before: usize,
    ) -> Result<(), String> {
        let entries = world.desk().entries();
        let mut nones: BTreeMap<usize, usize> = BTreeMap::new();
        let has_no_ids = self.ids == Ids::Missing;
        // If the store lost that a call ended, ids that repeat cannot show that it came in between: the later call is told an
        // earlier answer, marked as one. `docs/once.md` names it.
        let may_be_earlier = !self.ids.are_unique();
        if results.len() != request.calls.len() {
            return Err(format!("{} answers", results.len()));
        }
        for (call, told) in request.calls.iter().zip(results) {
            let number = told["body"]["id"].as_u64();
            let Some(at) = request.wishes.get(&(call.action.clone(), call.slot)).copied() else {
                // A read that is told as new is new.
                let is_new = number.is_none_or(|number| number > before as u64);
                if told["status"] == "success" && !is_replay(told) && !is_new {
                    return Err(format!("an old answer is told as new: {told}"));
                }
                continue;
            };
            let effects: Vec<u64> =
                self.effects(&self.wishes[at], &entries).iter().map(|entry| entry.number).collect();
            // What came of it before the same was wanted anew.
            let is_next =
                |next: &&Wish| next.content == self.wishes[at].content && next.since > self.wishes[at].since;
            let next = self.wishes.iter().filter(is_next).map(|next| next.since).min();
            let own = self.effects(&self.wishes[at], &entries[..next.unwrap_or(entries.len())]).len();
            let wish = &mut self.wishes[at];
            if told["status"] == "success" {
                let number = number.ok_or("a success without a body")?;
                if !(effects.contains(&number) || may_be_earlier && is_replay(told)) {
                    return Err(format!("a success without an effect of this intent: {told}"));
                }
                if !is_replay(told) && !wish.told.insert(number) {
                    return Err(format!("two are told of one effect as their own: {told}"));
                }
            } else if told["error"]["effect"] == "none" && !(has_no_ids && is_without_store(told)) {
                let nones = nones.entry(at).or_default();
                *nones += 1;
                if !wish.is_unclear && own + *nones > wish.most {
                    return Err(format!("effect none is told of what has had one: {told}"));
                }
            }
        }
        Ok(())
    }

    /// What the product knows after an answer.
    fn learn(&mut self, request: &Request, results: &[Value], before: usize) {
        for (content, at) in &request.wishes {
            let told = request.calls.iter().zip(results);
            let told: Vec<&Value> = told
                .filter(|(call, _)| (&call.action, call.slot) == (&content.0, content.1))
                .map(|(_, told)| told)
                .collect();
            let is_over = |told: &&Value| {
                told["status"] == "success"
                    || told["status"] == "error"
                    || told["error"]["code"] == "connection_lost"
            };
            let is_open = |told: &&Value| told["status"] == "exception" && told["error"]["effect"] == "none";
            let wish = &mut self.wishes[*at];
            if told.iter().all(is_open) {
                continue;
            }
            wish.is_unclear |= !told.iter().all(is_over) || told.len() < wish.most;
            wish.answered.get_or_insert(self.posted);
        }
        for (call, told) in request.calls.iter().zip(results) {
            let number = told["body"]["id"].as_u64().unwrap_or(0);
            if told["status"] == "success" && !is_replay(told) && number > before as u64 {
                self.fresh.push((self.posted, (call.action.clone(), call.slot)));
            }
        }
    }
}

fn show(calls: &[Call]) -> String {
    let calls = calls.iter().map(|call| format!("{:?} {} {}", call.id, call.action, call.slot));
    calls.collect::<Vec<_>>().join(", ")
}

fn tell(results: &[Value]) -> String {
    let results = results.iter().map(|told| {
        format!(
            "{} {} {} {} {}",
            told["status"], told["error"]["code"], told["error"]["effect"], told["body"], told["replayed"]
        )
    });
    results.collect::<Vec<_>>().join(", ")
}

/// While the store is away, nobody knows that a call without an id is a repeat: a limit that `docs/once.md` names.
fn is_without_store(told: &Value) -> bool {
    ["store_unavailable", "timeout"].iter().any(|code| told["error"]["code"] == *code)
}
