//! Where a request goes out, and through what.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;
use url::Url;

use crate::action::{ConnectionRules, TlsSource};
use crate::definition::Problems;

use super::guard::{Policy, Refusal};
use super::pressure::Lane;
use super::tls::{self, Tls};

/// What the requests of one environment go through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlet {
    /// Which addresses they may go to.
    pub policy: Policy,
    /// A proxy that all of them go through: `http://host:port` or `https://host:port`.
    pub proxy: Option<Url>,
}

/// What decides how a connection is made; connections of one way are pooled.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) outlet: Outlet,
    pub(super) tls: Option<Arc<Tls>>,
}

/// One target and the way to it. A clone is a few pointers.
#[derive(Clone, Debug)]
pub struct Route {
    /// Scheme, host and port that the credentials are for.
    pub(super) origin: Arc<Url>,
    pub(super) way: Arc<Way>,
    /// How wide it is; `None` where something else bounds it.
    pub(super) lane: Option<Arc<Lane>>,
}

impl Route {
    /// Where it leads: scheme, host and port.
    pub fn origin(&self) -> String {
        self.origin.origin().ascii_serialization()
    }
}

/// The ways out of a deployment.
#[derive(Debug, Default)]
pub struct Ways {
    ways: Vec<Arc<Way>>,
    lanes: HashMap<LaneKey, Arc<Lane>>,
}

impl Ways {
    /// The breakers: environment, connection (or origin), and 0 closed, 1
    /// letting probes through, 2 open.
    pub fn breakers(&self) -> Vec<(String, String, u8)> {
        let phase = |(key, lane): (&LaneKey, &Arc<Lane>)| {
            let name = key.connection.as_ref().unwrap_or(&key.origin).clone();
            Some((key.environment.clone(), name, lane.breaker_phase()?))
        };
        let mut all: Vec<_> = self.lanes.iter().filter_map(phase).collect();
        all.sort();
        // A connection may have several base URLs: the worst of them counts.
        all.dedup_by(|next, former| {
            let same = (&next.0, &next.1) == (&former.0, &former.1);
            former.2 = if same { former.2.max(next.2) } else { former.2 };
            same
        });
        all
    }
}

/// What a lane leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct LaneKey {
    environment: String,
    /// Of a connection; actions without one share the lane of their origin.
    connection: Option<String>,
    origin: String,
}

/// One target, as the definitions describe it.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// Index of the environment.
    pub environment: usize,
    /// A checked URL without templates.
    pub url: &'a str,
    /// Certificates besides the system's.
    pub tls: Option<&'a TlsSource>,
    /// How much it is asked at a time; `None` where something else bounds that.
    pub rules: Option<&'a ConnectionRules>,
    /// The secrets of the environment.
    pub secret: &'a dyn Fn(&str) -> Option<SecretString>,
}

/// Works out the ways of a deployment, each once.
#[derive(Debug)]
pub struct WaysBuilder<'a> {
    /// By environment, as in the catalog.
    outlets: Vec<(String, Outlet)>,
    root: Option<&'a Path>,
    previous: Option<&'a Ways>,
    made: Ways,
    /// What each environment's `tls` sections came to.
    tls: Vec<(usize, TlsSource, Option<Arc<Tls>>)>,
}

impl<'a> WaysBuilder<'a> {
    /// Starts with the name and the outlet of each environment; names of files are relative
    /// to `root`. Ways that are the same as in `previous` are those, so that
    /// open connections, queues and breakers live on.
    pub fn new(outlets: Vec<(String, Outlet)>, root: Option<&'a Path>, previous: Option<&'a Ways>) -> Self {
        Self { outlets, root, previous, made: Ways::default(), tls: Vec::new() }
    }

    /// Judges what can be judged of `url` before a call; see [`Policy::judge_url`].
    ///
    /// # Errors
    ///
    /// Requests to it would be refused.
    pub fn judge(&self, environment: usize, url: &str) -> Result<(), Refusal> {
        match (self.outlets.get(environment), Url::parse(url)) {
            (Some((_, outlet)), Ok(url)) => outlet.policy.judge_url(&url),
            _ => Ok(()),
        }
    }

    /// The way to `target`. `None` where its URL is none, or where a problem
    /// (added to `problems`) leaves it without certificates.
    pub fn route(&mut self, target: Target<'_>, problems: &mut Problems) -> Option<Route> {
        let origin = Arc::new(Url::parse(target.url).ok()?);
        let tls = match target.tls {
            Some(source) => Some(self.tls(target.environment, source, target.secret, problems)?),
            None => None,
        };
        let (environment, outlet) = self.outlets.get(target.environment).cloned().unwrap_or_default();
        let way = Way { outlet, tls };
        let known = |ways: &Ways| ways.ways.iter().find(|known| ***known == way).cloned();
        let way = match known(&self.made) {
            Some(way) => way,
            None => {
                let way = self.previous.and_then(known).unwrap_or_else(|| Arc::new(way));
                self.made.ways.push(way.clone());
                way
            }
        };
        let lane = target.rules.map(|rules| self.lane(environment, &origin, rules));
        Some(Route { origin, way, lane })
    }

    fn lane(&mut self, environment: String, origin: &Url, rules: &ConnectionRules) -> Arc<Lane> {
        let origin = origin.origin().ascii_serialization();
        let key = LaneKey { environment, connection: rules.name.clone(), origin };
        if let Some(lane) = self.made.lanes.get(&key) {
            return lane.clone();
        }
        let previous = self.previous.and_then(|ways| ways.lanes.get(&key));
        let same = previous.filter(|lane| lane.is_for(&rules.limits, rules.breaker.as_ref()));
        let lane = same.cloned().unwrap_or_else(|| {
            let service = key.connection.as_ref().unwrap_or(&key.origin);
            let name = format!("{service} ({})", key.environment);
            Arc::new(Lane::new(&name, &rules.limits, rules.breaker.as_ref()))
        });
        self.made.lanes.insert(key, lane.clone());
        lane
    }

    /// Judges certificates to which no target leads; `secret` knows the secrets of the environment.
    pub fn check_certificates(
        &mut self,
        environment: usize,
        source: &TlsSource,
        secret: &dyn Fn(&str) -> Option<SecretString>,
        problems: &mut Problems,
    ) {
        self.tls(environment, source, secret, problems);
    }

    fn tls(
        &mut self,
        environment: usize,
        source: &TlsSource,
        secret: &dyn Fn(&str) -> Option<SecretString>,
        problems: &mut Problems,
    ) -> Option<Arc<Tls>> {
        let known = self.tls.iter().find(|(index, known, _)| *index == environment && known == source);
        if let Some((_, _, loaded)) = known {
            return loaded.clone();
        }
        let loaded = tls::load(source, self.root, secret, problems).map(Arc::new);
        self.tls.push((environment, source.clone(), loaded.clone()));
        loaded
    }

    /// The ways that were asked for.
    pub fn finish(self) -> Ways {
        self.made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The routes to two environments of one origin, and what they belong to.
    fn build(rules: [&str; 2], max_in_flight: usize, previous: Option<&Ways>) -> ([Route; 2], Ways) {
        let outlets = ["development", "production"].into_iter().zip(rules).map(|(name, rule)| {
            let mut outlet = Outlet::default();
            outlet.policy.allow(rule).unwrap();
            (name.to_owned(), outlet)
        });
        let mut builder = WaysBuilder::new(outlets.collect(), None, previous);
        let mut rules = ConnectionRules::default();
        rules.limits.max_in_flight = max_in_flight;
        let routes = [0, 1].map(|environment| {
            let url = "https://api.example.com/v1";
            let target = Target { environment, url, tls: None, rules: Some(&rules), secret: &|_| None };
            builder.route(target, &mut Problems::default()).unwrap()
        });
        (routes, builder.finish())
    }

    fn same_way(one: &Route, other: &Route) -> bool {
        Arc::ptr_eq(&one.way, &other.way)
    }

    fn same_lane(one: &Route, other: &Route) -> bool {
        Arc::ptr_eq(one.lane.as_ref().unwrap(), other.lane.as_ref().unwrap())
    }

    #[test]
    fn connections_are_shared_where_the_same_is_allowed_and_lanes_within_an_environment() {
        let ([development, production], _) = build(["10.0.0.1", "10.0.0.1"], 9, None);
        assert!(same_way(&development, &production) && !same_lane(&development, &production));
        let ([development, production], _) = build(["10.0.0.1", "10.0.0.2"], 9, None);
        assert!(!same_way(&development, &production) && !same_lane(&development, &production));
    }

    #[test]
    fn a_reload_keeps_what_it_does_not_change() {
        let ([before, _], ways) = build(["10.0.0.1", "10.0.0.2"], 9, None);
        let ([same, _], _) = build(["10.0.0.1", "10.0.0.3"], 9, Some(&ways));
        assert!(same_way(&before, &same) && same_lane(&before, &same));
        let ([stricter, _], _) = build(["10.0.0.4", "10.0.0.2"], 9, Some(&ways));
        assert!(!same_way(&before, &stricter), "no connection that was judged by other rules is used again");
        let ([wider, _], _) = build(["10.0.0.1", "10.0.0.2"], 10, Some(&ways));
        assert!(same_way(&before, &wider) && !same_lane(&before, &wider));
    }
}
