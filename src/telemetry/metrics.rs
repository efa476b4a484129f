//! Metrics in the text format of OpenMetrics, which Prometheus reads.
//!
//! Labels are taken from definitions, never from what a model or an upstream
//! sends, so that their number is bounded.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::executor::{CallReport, ModelReport, Observer, TurnReport};
use crate::tool::Status;

use super::recent::{RecentError, RecentErrors};

/// Upper bounds of the latency histograms, in seconds.
const BUCKETS: [f64; 16] =
    [0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Which action.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ActionLabels {
    environment: String,
    action: String,
}

/// How a call of it ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    environment: String,
    action: String,
    status: &'static str,
    code: &'static str,
}

/// How a turn of an agent ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TurnLabels {
    environment: String,
    agent: String,
    outcome: &'static str,
}

/// How a request to a model ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelLabels {
    environment: String,
    agent: String,
    model: String,
    outcome: &'static str,
}

/// Tokens of the models of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    environment: String,
    agent: String,
    kind: &'static str,
}

/// Which agent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AgentLabels {
    environment: String,
    agent: String,
}

/// A histogram for each action.
type Durations = Family<ActionLabels, Histogram, fn() -> Histogram>;

/// What is counted of agents.
#[derive(Debug)]
struct AgentSeries {
    turns: Family<TurnLabels, Counter>,
    requests: Family<ModelLabels, Counter>,
    tokens: Family<TokenLabels, Counter>,
    first_token: Family<AgentLabels, Histogram, fn() -> Histogram>,
}

impl AgentSeries {
    fn register(registry: &mut Registry, histogram: fn() -> Histogram) -> Self {
        let series = Self {
            turns: Family::default(),
            requests: Family::default(),
            tokens: Family::default(),
            first_token: Family::new_with_constructor(histogram),
        };
        registry.register("agent_turns", "Turns of agents, by how they ended", series.turns.clone());
        registry.register("model_requests", "Requests to models, by how they ended", series.requests.clone());
        registry.register("model_tokens", "Tokens of models, read and written", series.tokens.clone());
        let help = "From a request to a model to the first text or call of its answer";
        registry.register_with_unit("model_first_token", help, Unit::Seconds, series.first_token.clone());
        series
    }
}

/// The metrics of a process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    calls: Family<CallLabels, Counter>,
    replays: Family<ActionLabels, Counter>,
    attempts: Family<ActionLabels, Counter>,
    durations: [Durations; 3],
    agents: AgentSeries,
    recent: RecentErrors,
    /// The series of each action, found without making its labels anew.
    known: RwLock<HashMap<String, HashMap<String, Arc<Series>>>>,
}

/// The series of one action.
#[derive(Debug)]
struct Series {
    labels: ActionLabels,
    /// The commonest ending.
    succeeded: Counter,
    replays: Counter,
    attempts: Counter,
    total: Histogram,
    own: Histogram,
    upstream: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        let durations = [(); 3].map(|()| Family::new_with_constructor(histogram));
        let (calls, replays, attempts) = (Family::default(), Family::default(), Family::default());
        let mut registry = Registry::with_prefix("callgate");
        registry.register("tool_calls", "Tool calls, by how they ended", calls.clone());
        registry.register(
            "replays",
            "Calls answered with the result of another call of the same intent",
            replays.clone(),
        );
        registry.register("upstream_attempts", "Requests sent upstream, retries included", attempts.clone());
        let [total, own, upstream] = &durations;
        for (name, help, family) in [
            ("tool_call_duration", "From the receipt of a call to its answer", total),
            (
                "tool_call_own_duration",
                "The gateway's own share of a call: without the upstream, tokens, queues and pauses",
                own,
            ),
            (
                "tool_call_upstream_duration",
                "The upstream's share of a call, all attempts together",
                upstream,
            ),
        ] {
            registry.register_with_unit(name, help, Unit::Seconds, family.clone());
        }
        let agents = AgentSeries::register(&mut registry, histogram);
        let (recent, known) = Default::default();
        Self { registry, calls, replays, attempts, durations, agents, recent, known }
    }
}

impl Metrics {
    /// All metrics as text, with those of `gauges` after them.
    pub fn render(&self, gauges: &Gauges) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        let end = text.rfind("# EOF").unwrap_or(text.len());
        text.truncate(end);
        gauges.write(&mut text);
        text.push_str("# EOF\n");
        text
    }

    /// The latest calls of an environment that failed, the latest first.
    pub fn recent_errors(&self, environment: &str) -> Vec<RecentError> {
        self.recent.of(environment)
    }

    /// What has been counted of each action of an environment, by name.
    pub fn of_actions(&self, environment: &str) -> BTreeMap<String, ActionFigures> {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        let mut figures: BTreeMap<String, ActionFigures> = BTreeMap::new();
        for line in text.lines() {
            let Some((name, labels, value)) = parts_of(line) else { continue };
            if label(labels, "environment") != Some(environment) {
                continue;
            }
            let Some(action) = label(labels, "action") else { continue };
            let figures = figures.entry(action.to_owned()).or_default();
            let Ok(count) = value.parse::<u64>() else { continue };
            match name {
                "callgate_tool_calls_total" => {
                    figures.calls += count;
                    if label(labels, "status") != Some("success") {
                        figures.failed += count;
                    }
                }
                "callgate_tool_call_duration_seconds_bucket" => {
                    let bound = label(labels, "le").and_then(|bound| bound.parse::<f64>().ok());
                    figures.durations.push((bound.filter(|bound| bound.is_finite()), count));
                }
                _ => {}
            }
        }
        figures
    }

    fn series(&self, environment: &str, action: &str) -> Arc<Series> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = known.get(environment).and_then(|actions| actions.get(action)) {
            return series.clone();
        }
        drop(known);
        let labels = ActionLabels { environment: environment.to_owned(), action: action.to_owned() };
        let [total, own, upstream] = &self.durations;
        let series = Arc::new(Series {
            succeeded: self.calls.get_or_create_owned(&labels.ended("success", "")),
            replays: self.replays.get_or_create_owned(&labels),
            attempts: self.attempts.get_or_create_owned(&labels),
            total: total.get_or_create_owned(&labels),
            own: own.get_or_create_owned(&labels),
            upstream: upstream.get_or_create_owned(&labels),
            labels,
        });
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(environment.to_owned()).or_default().insert(action.to_owned(), series.clone());
        series
    }
}

impl ActionLabels {
    fn ended(&self, status: &'static str, code: &'static str) -> CallLabels {
        CallLabels { environment: self.environment.clone(), action: self.action.clone(), status, code }
    }
}

impl Observer for Metrics {
    fn call_ended(&self, report: &CallReport<'_>) {
        let series = self.series(report.environment, report.action.unwrap_or_default());
        let status = match report.result.status {
            Status::Success => "success",
            Status::Error => "error",
            Status::Failure => "failure",
            Status::Exception => "exception",
        };
        match &report.result.error {
            None => series.succeeded.inc(),
            Some(error) => {
                self.recent.note(report);
                self.calls.get_or_create(&series.labels.ended(status, error.code.as_str())).inc()
            }
        };
        if report.result.replayed {
            series.replays.inc();
        } else {
            series.attempts.inc_by(u64::from(report.result.attempts));
            series.own.observe(report.spent.own().as_secs_f64());
            if report.result.attempts > 0 {
                series.upstream.observe(report.spent.upstream.as_secs_f64());
            }
        }
        series.total.observe(report.spent.total.as_secs_f64());
    }

    fn model_asked(&self, report: &ModelReport<'_>) {
        let (environment, agent) = (report.environment.to_owned(), report.agent.to_owned());
        if let Some(first_token) = report.first_token {
            let labels = AgentLabels { environment: environment.clone(), agent: agent.clone() };
            self.agents.first_token.get_or_create(&labels).observe(first_token.as_secs_f64());
        }
        let labels =
            ModelLabels { environment, agent, model: report.model.to_owned(), outcome: report.outcome };
        self.agents.requests.get_or_create(&labels).inc();
    }

    fn turn_ended(&self, report: &TurnReport<'_>) {
        let (environment, agent) = (report.environment.to_owned(), report.agent.to_owned());
        for (kind, count) in [("input", report.tokens.0), ("output", report.tokens.1)] {
            let labels = TokenLabels { environment: environment.clone(), agent: agent.clone(), kind };
            self.agents.tokens.get_or_create(&labels).inc_by(count);
        }
        self.agents.turns.get_or_create(&TurnLabels { environment, agent, outcome: report.outcome }).inc();
    }
}

/// What has been counted of an action since the process began.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ActionFigures {
    /// Calls.
    pub calls: u64,
    /// Calls that were no success.
    pub failed: u64,
    /// How many calls took at most so many seconds; `None`: all of them.
    pub durations: Vec<(Option<f64>, u64)>,
}

/// The name, the labels and the value of a line.
fn parts_of(line: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = line.split_once('{')?;
    let (labels, value) = rest.rsplit_once("} ")?;
    Some((name, labels, value.split(' ').next()?))
}

/// The value of a label; names of environments and actions need no escapes.
fn label<'l>(labels: &'l str, name: &str) -> Option<&'l str> {
    labels.split(',').find_map(|one| one.strip_prefix(name)?.strip_prefix("=\"")?.strip_suffix('"'))
}

/// The series of the environments that `may_see` lets through, and those of none.
pub fn of_environments(text: &str, may_see: &dyn Fn(&str) -> bool) -> String {
    /// The label, as it stands in a line; values of labels hold no quotation mark that is not escaped.
    const LABEL: &str = "environment=\"";
    let is_seen = |line: &&str| {
        let labels = line.split_once('{').map_or("", |(_, labels)| labels);
        let value = labels.split_once(LABEL).and_then(|(_, rest)| rest.split('"').next());
        line.starts_with('#') || value.is_none_or(may_see)
    };
    text.split_inclusive('\n').filter(is_seen).collect()
}

/// What is looked at only when somebody asks.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// Calls under way.
    pub in_flight: usize,
    /// Token fetches by environment and connector: done, failed.
    pub token_fetches: Vec<(String, String, u64, u64)>,
    /// Breakers by environment and connection: 0 closed, 1 half open, 2 open.
    pub breakers: Vec<(String, String, u8)>,
}

impl Gauges {
    fn write(&self, text: &mut String) {
        let mut line = |arguments: std::fmt::Arguments<'_>| {
            // Writing into a String cannot fail.
            let _ = text.write_fmt(arguments);
            text.push('\n');
        };
        line(format_args!("# HELP callgate_calls_in_flight Tool calls under way."));
        line(format_args!("# TYPE callgate_calls_in_flight gauge"));
        line(format_args!("callgate_calls_in_flight {}", self.in_flight));
        line(format_args!("# HELP callgate_token_fetches OAuth2 tokens asked for."));
        line(format_args!("# TYPE callgate_token_fetches counter"));
        for (environment, connector, done, failed) in &self.token_fetches {
            for (outcome, count) in [("done", done), ("failed", failed)] {
                line(format_args!(
                    "callgate_token_fetches_total{{environment=\"{}\",connector=\"{}\",outcome=\"{outcome}\"}} {count}",
                    escape(environment),
                    escape(connector)
                ));
            }
        }
        line(format_args!("# HELP callgate_breaker_state 0 closed, 1 half open, 2 open."));
        line(format_args!("# TYPE callgate_breaker_state gauge"));
        for (environment, connection, state) in &self.breakers {
            line(format_args!(
                "callgate_breaker_state{{environment=\"{}\",connection=\"{}\"}} {state}",
                escape(environment),
                escape(connection)
            ));
        }
    }
}

/// A label's value as OpenMetrics writes it.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
