//! Where a request goes out, and through what.

use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;
use url::Url;

use crate::action::{Connection, TlsSource};
use crate::definition::Problems;

use super::expiry::certificate_end;
use super::guard::{Policy, Refusal};
use super::pressure::{Lane, LaneLoad};
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

    /// Its breaker: 0 closed, 1 letting probes through, 2 open; `None` where it has none.
    pub fn breaker_phase(&self) -> Option<u8> {
        self.lane.as_ref()?.breaker_phase()
    }

    /// How much the service is asked now; `None` where something else bounds it.
    pub fn load(&self) -> Option<LaneLoad> {
        self.lane.as_ref().map(|lane| lane.load())
    }

    /// When the certificate that the service showed last ends, in seconds since 1970 (UTC); `None` where this process has
    /// seen none.
    pub fn certificate_end(&self) -> Option<i64> {
        if self.origin.scheme() != "https" {
            return None;
        }
        certificate_end(self.origin.host_str()?)
    }

    /// Whether both go by one lane, and so by one breaker.
    #[cfg(test)]
    pub(crate) fn shares_lane_with(&self, other: &Self) -> bool {
        matches!((&self.lane, &other.lane), (Some(one), Some(other)) if Arc::ptr_eq(one, other))
    }

    /// The lane that a reload keeps: it leads to the same place and is as wide.
    fn same_lane(&self, origin: &Url, connection: &Connection) -> Option<Arc<Lane>> {
        let lane = self.lane.as_ref().filter(|_| self.origin.origin() == origin.origin())?;
        lane.is_for(&connection.limits, connection.breaker.as_ref()).then(|| lane.clone())
    }
}

/// The ways out of a deployment, each once.
#[derive(Debug, Default)]
pub struct Ways(Vec<Arc<Way>>);

/// Works out the ways of a deployment.
#[derive(Debug)]
pub struct WaysBuilder<'a> {
    root: Option<&'a Path>,
    previous: Option<&'a Ways>,
    made: Ways,
}

impl<'a> WaysBuilder<'a> {
    /// Names of files are relative to `root`. Ways that are the same as in `previous` are
    /// those, so that open connections live on.
    pub fn new(root: Option<&'a Path>, previous: Option<&'a Ways>) -> Self {
        Self { root, previous, made: Ways::default() }
    }

    /// The ways of one environment, which go through `outlet`; `secret` knows its secrets.
    pub fn environment<'e>(
        &'e mut self,
        name: &'e str,
        outlet: &'e Outlet,
        secret: &'e dyn Fn(&str) -> Option<SecretString>,
    ) -> EnvironmentWays<'e, 'a> {
        EnvironmentWays { ways: self, name, outlet, secret }
    }

    fn way(&mut self, way: Way) -> Arc<Way> {
        let known = |ways: &Ways| ways.0.iter().find(|known| ***known == way).cloned();
        if let Some(known) = known(&self.made) {
            return known;
        }
        let way = self.previous.and_then(known).unwrap_or_else(|| Arc::new(way));
        self.made.0.push(way.clone());
        way
    }

    /// The ways that were asked for.
    pub fn finish(self) -> Ways {
        self.made
    }
}

/// Works out the ways of one environment.
pub struct EnvironmentWays<'e, 'a> {
    ways: &'e mut WaysBuilder<'a>,
    name: &'e str,
    outlet: &'e Outlet,
    secret: &'e dyn Fn(&str) -> Option<SecretString>,
}

impl EnvironmentWays<'_, '_> {
    /// Judges what can be judged of `url` before a call; see [`Policy::judge_url`].
    ///
    /// # Errors
    ///
    /// Requests to it would be refused.
    pub fn judge(&self, url: &str) -> Result<(), Refusal> {
        Url::parse(url).map_or(Ok(()), |url| self.outlet.policy.judge_url(&url))
    }

    /// The way to the service of `connection`, as wide as it says. Where it is as it was with `former`, calls in
    /// flight and the breaker count on. `None` where a problem (added to `problems`) leaves it without certificates.
    pub fn to_connection(
        &mut self,
        connection: &Connection,
        former: Option<&Route>,
        problems: &mut Problems,
    ) -> Option<Route> {
        let route = self.to_url(&connection.base_url, connection.tls.as_ref(), problems)?;
        let lane =
            former.and_then(|former| former.same_lane(&route.origin, connection)).unwrap_or_else(|| {
                let origin = route.origin();
                let service = connection.name.as_ref().unwrap_or(&origin);
                let name = format!("{service} ({})", self.name);
                Arc::new(Lane::new(&name, &connection.limits, connection.breaker.as_ref()))
            });
        Some(Route { lane: Some(lane), ..route })
    }

    /// The way to `url`, a checked one without templates; as wide as its caller asks. `tls` are certificates besides
    /// the system's. `None` where a problem (added to `problems`) leaves it without them.
    pub fn to_url(&mut self, url: &str, tls: Option<&TlsSource>, problems: &mut Problems) -> Option<Route> {
        let origin = Arc::new(Url::parse(url).ok()?);
        let tls: Option<Arc<Tls>> = match tls {
            Some(source) => Some(Arc::new(tls::load(source, self.ways.root, self.secret, problems)?)),
            None => None,
        };
        let way = self.ways.way(Way { outlet: self.outlet.clone(), tls });
        Some(Route { origin, way, lane: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::LimitRules;

    /// The routes to two environments of one origin, and what they belong to.
    fn build(
        rules: [&str; 2],
        max_in_flight: usize,
        previous: Option<&([Route; 2], Ways)>,
    ) -> ([Route; 2], Ways) {
        let mut builder = WaysBuilder::new(None, previous.map(|(_, ways)| ways));
        let limits = LimitRules { max_in_flight, max_queue: 256, rate: None };
        let base_url = "https://api.example.com/v1".to_owned();
        let connection = Connection { name: None, base_url, tls: None, limits, breaker: None };
        let routes = [0, 1].map(|at| {
            let mut outlet = Outlet::default();
            outlet.policy.allow(rules[at]).unwrap();
            let mut ways = builder.environment("development", &outlet, &|_| None);
            let former = previous.map(|(routes, _)| &routes[at]);
            ways.to_connection(&connection, former, &mut Problems::default()).unwrap()
        });
        (routes, builder.finish())
    }

    fn same_way(one: &Route, other: &Route) -> bool {
        Arc::ptr_eq(&one.way, &other.way)
    }

    fn same_lane(one: &Route, other: &Route) -> bool {
        one.shares_lane_with(other)
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
        let former = build(["10.0.0.1", "10.0.0.2"], 9, None);
        let ([before, _], _) = &former;
        let ([same, _], _) = build(["10.0.0.1", "10.0.0.3"], 9, Some(&former));
        assert!(same_way(before, &same) && same_lane(before, &same));
        let ([stricter, _], _) = build(["10.0.0.4", "10.0.0.2"], 9, Some(&former));
        assert!(!same_way(before, &stricter), "no connection that was judged by other rules is used again");
        let ([wider, _], _) = build(["10.0.0.1", "10.0.0.2"], 10, Some(&former));
        assert!(same_way(before, &wider) && !same_lane(before, &wider));
    }
}
