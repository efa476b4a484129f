//! The check of branches: a trailing comma in a branch that nobody tried is found at load.
//!
//! Every run decides the atoms of the conditions it meets, and the next run turns the last free one
//! over; so equal conditions agree, and what cannot happen is not tried.

use std::collections::HashSet;

use super::conditions::{Condition, Facts, Plan};
use super::escape::Escape;
use super::render::Evaluator;
use super::rendered::json_problem;
use super::trace::TracedBranch;
use super::tree::{Arm, Data, Node, Origin, Target, Template};
use super::value::{MADE_UP, Value};

/// The most combinations of branches that are rendered.
const MAX_COMBINATIONS: usize = 256;
/// The most bytes that all combinations of one template may render to together.
const MAX_TOTAL_BYTES: usize = 64 * 1024 * 1024;
/// The most branches that one failure names.
const MAX_NAMED: usize = 8;
/// The most characters of a condition or of a text that a failure shows.
const MAX_SHOWN: usize = 60;

/// [`MADE_UP`] as a JSON value.
const MADE_UP_JSON: &str = "\"sample\"";

/// What came of rendering every combination of branches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BranchReport {
    /// The number of different combinations that were tried.
    pub combinations: usize,
    /// Whether there are more combinations than were tried.
    pub truncated: bool,
    /// The combinations whose text is not JSON.
    pub failures: Vec<BranchFailure>,
}

/// A combination of branches that does not give JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchFailure {
    /// The decisions, as in "`if .parameters.x` (line 2) not taken"; empty without any condition.
    pub branches: String,
    /// What is wrong with the rendered text, and where in it.
    pub problem: String,
    /// The rendered text around the problem; made of samples.
    pub rendered_excerpt: String,
    /// The line of the first branch named, from 1.
    pub line: usize,
    /// The column of the first branch named, from 1, in characters.
    pub column: usize,
}

/// A combination of branches, rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchRendering {
    /// The decisions, in the order in which they are met.
    pub branches: Vec<TracedBranch>,
    /// The text, made of samples.
    pub text: String,
    /// Why it is not what the target demands.
    pub problem: Option<String>,
}

/// Gets the decisions of a combination, and its text.
type Each<'e> = &'e mut dyn FnMut(&[(usize, bool)], &str);

impl Template {
    /// Renders every combination of branches, up to 256, with values from `samples` or made up.
    ///
    /// Only a JSON text can fail; for other targets the report is empty.
    #[must_use]
    pub fn check_branches(&self, samples: &Data<'_>) -> BranchReport {
        let mut report = BranchReport::default();
        if self.target != Target::Json {
            return report;
        }
        let plan = Plan::new(self);
        report.truncated = self.each_combination(&plan, samples, &mut |decisions, text| {
            if let Some((problem, line, column)) = json_problem(text) {
                report.failures.push(self.failure(&plan, decisions, text, &problem, line, column));
            }
            report.combinations += 1;
        });
        report
    }

    /// Renders every combination of branches, up to 256, with values from `samples` or made up: for people who want
    /// to see what the template can give. The second value says whether there are more.
    #[must_use]
    pub fn branch_renderings(&self, samples: &Data<'_>) -> (Vec<BranchRendering>, bool) {
        let plan = Plan::new(self);
        let mut renderings = Vec::new();
        let truncated = self.each_combination(&plan, samples, &mut |decisions, text| {
            let decided = decisions.iter().map(|(arm, taken)| {
                let Origin { text, line, column, .. } = &self.origins[plan.arms[*arm].origin];
                TracedBranch { condition: text.to_string(), taken: *taken, at: self.place(*line, *column) }
            });
            let problem = json_problem(text).filter(|_| self.target == Target::Json);
            let problem = problem.map(|(problem, line, column)| {
                format!("{problem} at line {line} column {column} of the rendered text")
            });
            renderings.push(BranchRendering { branches: decided.collect(), text: text.to_owned(), problem });
        });
        (renderings, truncated)
    }

    /// Calls `each` for every different combination of branches with its decisions and its text, up to a limit.
    /// Returns whether there are more.
    fn each_combination(&self, plan: &Plan<'_>, samples: &Data<'_>, each: Each<'_>) -> bool {
        let mut trail: Vec<(usize, bool)> = Vec::new();
        let mut tried: HashSet<Vec<(usize, bool)>> = HashSet::new();
        let mut bytes = 0;
        for run in 0.. {
            let mut walk = Walk {
                plan,
                evaluator: Evaluator::new(self, samples),
                facts: Facts::new(plan),
                trail: std::mem::take(&mut trail),
                met: 0,
                decisions: Vec::new(),
                out: String::with_capacity(self.size_hint),
            };
            walk.nodes(&self.nodes, Value::Data);
            bytes += walk.out.len();
            let Walk { decisions, out, trail: walked, met, .. } = walk;
            trail = walked;
            trail.truncate(met);
            if !tried.contains(&decisions) {
                each(&decisions, &out);
                tried.insert(decisions);
            }
            while let Some((_, false)) = trail.last() {
                trail.pop();
            }
            match trail.last_mut() {
                None => break,
                Some((_, taken)) => *taken = false,
            }
            if run + 1 == MAX_COMBINATIONS || bytes > MAX_TOTAL_BYTES {
                return true;
            }
        }
        false
    }

    fn failure(
        &self,
        plan: &Plan<'_>,
        decisions: &[(usize, bool)],
        text: &str,
        problem: &str,
        line: usize,
        column: usize,
    ) -> BranchFailure {
        let origin_of = |arm: usize| &self.origins[plan.arms[arm].origin];
        let named = decisions.iter().take(MAX_NAMED).map(|(arm, taken)| {
            let Origin { text, line, .. } = origin_of(*arm);
            let verdict = if *taken { "taken" } else { "not taken" };
            format!("`{}` (line {line}) {verdict}", shorten(text))
        });
        let mut branches = named.collect::<Vec<_>>().join(", ");
        if decisions.len() > MAX_NAMED {
            branches.push_str(&format!(", and {} more", decisions.len() - MAX_NAMED));
        }
        let (first_line, first_column) = match decisions.first() {
            Some((arm, _)) => (origin_of(*arm).line, origin_of(*arm).column),
            None => (1, 1),
        };
        BranchFailure {
            branches,
            problem: format!("{problem} at line {line} column {column} of the rendered text"),
            rendered_excerpt: excerpt(text, line, column),
            line: first_line,
            column: first_column,
        }
    }
}

fn shorten(text: &str) -> String {
    let mut words = text.split_whitespace();
    let mut short = words.next().unwrap_or_default().to_owned();
    for word in words {
        short.push(' ');
        short.push_str(word);
    }
    if let Some((end, _)) = short.char_indices().nth(MAX_SHOWN) {
        short.truncate(end);
        short.push('…');
    }
    short
}

/// Returns the text around a place that `serde_json` names: a column counts bytes and may be 0.
fn excerpt(text: &str, line: usize, column: usize) -> String {
    let start = match line.checked_sub(2) {
        Some(breaks) => text.match_indices('\n').nth(breaks).map_or(text.len(), |(at, _)| at + 1),
        None => 0,
    };
    let at = text.floor_char_boundary(start + column);
    let from = text.floor_char_boundary(at.saturating_sub(MAX_SHOWN / 2));
    let to = text.ceil_char_boundary(at + MAX_SHOWN / 2);
    let (before, after) = (if from > 0 { "…" } else { "" }, if to < text.len() { "…" } else { "" });
    format!("{before}{}{after}", &text[from..to])
}

/// One combination of branches, rendered.
struct Walk<'p, 't, 'd> {
    plan: &'p Plan<'t>,
    evaluator: Evaluator<'t, 'd>,
    facts: Facts,
    /// The free decisions in the order in which they are met; what lies beyond is decided as taken.
    trail: Vec<(usize, bool)>,
    met: usize,
    decisions: Vec<(usize, bool)>,
    out: String,
}

impl<'t, 'd> Walk<'_, 't, 'd> {
    fn nodes(&mut self, nodes: &'t [Node], dot: Value<'t, 'd>) {
        for node in nodes {
            match node {
                Node::Text(text) => self.out.push_str(text),
                Node::Output { expression, escape, origin } => {
                    let value = self.evaluator.expression(expression, dot).unwrap_or(Value::MadeUp);
                    let start = self.out.len();
                    if self.evaluator.output(value, *escape, *origin, &mut self.out).is_err() {
                        self.out.truncate(start);
                        self.out.push_str(if *escape == Escape::JsonValue { MADE_UP_JSON } else { MADE_UP });
                    }
                }
                Node::Set { slot, expression } => {
                    let value = self.evaluator.expression(expression, dot).unwrap_or(Value::MadeUp);
                    self.evaluator.set(*slot, value);
                }
                Node::Branch { arms, otherwise } => {
                    let taken = arms.iter().find_map(|arm| self.arm(arm, dot));
                    let (body, dot) = taken.unwrap_or((otherwise, dot));
                    self.nodes(body, dot);
                }
            }
        }
    }

    /// Decides one condition; returns the body and its dot if it holds.
    fn arm(&mut self, arm: &'t Arm, dot: Value<'t, 'd>) -> Option<(&'t Vec<Node>, Value<'t, 'd>)> {
        let plan = self.plan;
        let taken = self.decide(&plan.conditions[arm.id]);
        if !matches!(plan.conditions[arm.id], Condition::Constant(_)) {
            self.decisions.push((arm.id, taken));
        }
        let mut value = self.evaluator.expression(&arm.condition, dot).unwrap_or(Value::MadeUp);
        if taken && !value.truth() {
            value = Value::MadeUp;
        }
        if let Some(slot) = arm.bind {
            self.evaluator.set(slot, value);
        }
        taken.then_some((&arm.body, if arm.is_with { value } else { dot }))
    }

    fn decide(&mut self, condition: &Condition) -> bool {
        match condition {
            Condition::Constant(truth) => *truth,
            Condition::Not(operand) => !self.decide(operand),
            Condition::And(operands) => operands.iter().all(|operand| self.decide(operand)),
            Condition::Or(operands) => operands.iter().any(|operand| self.decide(operand)),
            Condition::Atom(atom) => {
                if let Some(truth) = self.facts.implied(self.plan, *atom) {
                    return truth;
                }
                if self.met == self.trail.len() {
                    self.trail.push((*atom, true));
                }
                let (_, truth) = self.trail[self.met];
                self.met += 1;
                self.facts.decide(self.plan, *atom, truth);
                truth
            }
        }
    }
}
