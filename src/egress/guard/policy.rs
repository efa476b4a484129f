//! What an environment allows besides public addresses.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use url::{Host, Url};

use super::ranges::{Kind, kind, reached};

/// What an environment allows besides public addresses: addresses and CIDR
/// ranges, which match what is connected to, and host names, which match what
/// the definition says. The default allows nothing more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Policy {
    networks: Vec<IpNet>,
    hosts: Vec<HostRule>,
}

/// A name that may have any address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum HostRule {
    /// This name.
    Exact(String),
    /// Every name that ends in this text, which starts with a dot.
    Below(String),
}

/// Why a text is no rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRule {
    /// What is wrong with it.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl InvalidRule {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()) }
    }
}

/// Addresses that a request was not allowed to go to. For the operator: the
/// model is told less.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// The host as the definition names it.
    pub host: String,
    /// Each address, and what it is.
    pub addresses: Vec<(IpAddr, String)>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused to connect to `{}`: ", self.host)?;
        for (index, (address, what)) in self.addresses.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{address} is {what}")?;
        }
        f.write_str("; `allow` under [egress.<environment>] of callgate.toml does not name it")
    }
}

impl Policy {
    /// What a developer's own machine allows: loopback.
    #[must_use]
    pub fn loopback() -> Self {
        let loopback = [IpAddr::from([127, 0, 0, 0]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])];
        let networks = loopback
            .into_iter()
            .zip([8, 128])
            .filter_map(|(address, prefix)| IpNet::new(address, prefix).ok())
            .collect();
        Self { networks, hosts: Vec::new() }
    }

    /// Adds a rule: `10.0.0.7`, `10.0.0.0/8`, `fd00::/8`, `internal.example.com`,
    /// or `*.corp.example` for every name below `corp.example` (not itself).
    /// Gives a warning where the rule means something else than it looks like.
    ///
    /// # Errors
    ///
    /// The text is none of these.
    pub fn allow(&mut self, rule: &str) -> Result<Option<String>, InvalidRule> {
        if let Ok(address) = rule.parse::<IpAddr>() {
            self.networks.push(IpNet::from(address));
            return Ok(None);
        }
        if rule.contains('/') {
            let network: IpNet = rule.parse().map_err(|_| {
                InvalidRule::new(format!("`{rule}` is not a CIDR range"), "such as 10.0.0.0/8 or fd00::/8")
            })?;
            self.networks.push(network.trunc());
            let meant = network.trunc();
            let odd = (meant != network).then(|| format!("`{rule}` has host bits set; it means {meant}"));
            return Ok(odd);
        }
        self.hosts.push(host_rule(rule)?);
        Ok(None)
    }

    /// The same, and `host` with any address that is not a cloud's metadata service.
    #[must_use]
    pub(in crate::egress) fn with_host(&self, host: &str) -> Self {
        let mut policy = self.clone();
        policy.hosts.push(HostRule::Exact(plain(host).to_owned()));
        policy
    }

    /// Judges an address that `host` was found to have.
    ///
    /// # Errors
    ///
    /// What the address is, where it is not allowed.
    fn judge(&self, host: &str, address: IpAddr) -> Result<(), String> {
        let Some(kind) = kind(address) else { return Ok(()) };
        let covers = |network: &IpNet| network.contains(&address) || network.contains(&reached(address));
        match kind {
            Kind::Metadata(whose) => {
                // A wide range was hardly meant to open this one; its own address was.
                let exact = |network: &&IpNet| network.prefix_len() == network.max_prefix_len();
                if self.networks.iter().filter(exact).any(covers) {
                    return Ok(());
                }
                Err(format!("{whose}, which only a rule with this very address allows"))
            }
            Kind::Special(what) => {
                if self.networks.iter().any(covers) || self.names(host) {
                    return Ok(());
                }
                Err(what.to_owned())
            }
        }
    }

    /// Whether a rule names `host`.
    fn names(&self, host: &str) -> bool {
        let host = plain(host);
        self.hosts.iter().any(|rule| match rule {
            HostRule::Exact(name) => name == host,
            HostRule::Below(ending) => host.len() > ending.len() && host.ends_with(ending.as_str()),
        })
    }

    /// Keeps those of `addresses`, which `host` was found to have, that may be connected to.
    ///
    /// # Errors
    ///
    /// None is left.
    pub(super) fn admit(&self, host: &str, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Refusal> {
        let mut refused = Vec::new();
        let mut allowed = Vec::with_capacity(addresses.len());
        for address in addresses {
            match self.judge(host, address.ip()) {
                Ok(()) => allowed.push(address),
                Err(what) => refused.push((address.ip(), what)),
            }
        }
        if allowed.is_empty() && !refused.is_empty() {
            return Err(Refusal { host: host.to_owned(), addresses: refused });
        }
        if !refused.is_empty() {
            let refusal = Refusal { host: host.to_owned(), addresses: refused };
            tracing::debug!(%refusal, "some addresses of a host are left out");
        }
        Ok(allowed)
    }

    /// Judges what can be judged without a look-up: an address in the URL, and
    /// `localhost` (RFC 6761 section 6.3). Any other name passes; its addresses
    /// are judged when they are known.
    ///
    /// # Errors
    ///
    /// The address is not allowed.
    pub fn judge_url(&self, url: &Url) -> Result<(), Refusal> {
        let (name, address) = match url.host() {
            Some(Host::Domain(name)) => {
                let own = plain(name);
                if own != "localhost" && !own.ends_with(".localhost") {
                    return Ok(());
                }
                (name, IpAddr::from([127, 0, 0, 1]))
            }
            Some(Host::Ipv4(address)) => ("", IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => ("", IpAddr::V6(address)),
            None => return Ok(()),
        };
        self.judge(name, address).map_err(|what| Refusal {
            host: url.host_str().unwrap_or_default().to_owned(),
            addresses: vec![(address, what)],
        })
    }
}

/// A host name without the dot that says it is complete.
fn plain(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

fn host_rule(rule: &str) -> Result<HostRule, InvalidRule> {
    let (below, name) = match rule.strip_prefix("*.") {
        Some(name) => (true, name),
        None => (false, rule),
    };
    let invalid = |message: &str| {
        InvalidRule::new(
            format!("`{rule}` {message}"),
            "an address, a CIDR range, a host name, or *.name for all names below it",
        )
    };
    if name.contains('*') {
        return Err(invalid("has a `*` that does not stand for the first label"));
    }
    match Host::parse(name) {
        Ok(Host::Domain(name)) if !plain(&name).is_empty() => Ok(match below {
            true => HostRule::Below(format!(".{}", plain(&name))),
            false => HostRule::Exact(plain(&name).to_owned()),
        }),
        Ok(Host::Ipv4(address)) => Err(InvalidRule::new(
            format!("`{rule}` is an odd spelling of an address"),
            format!("write {address}"),
        )),
        Ok(Host::Ipv6(address)) => Err(InvalidRule::new(
            format!("`{rule}` is an odd spelling of an address"),
            format!("write {address}"),
        )),
        Ok(Host::Domain(_)) | Err(_) => Err(invalid("is neither an address nor a host name")),
    }
}
