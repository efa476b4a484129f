//! Names → addresses, judged before anybody connects to them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::Policy;

/// Most addresses of one name that are looked at.
const MAX_ADDRESSES: usize = 32;

/// How names become addresses.
#[derive(Clone, Debug)]
pub(in crate::egress) enum Lookup {
    /// As the system does it (`getaddrinfo`).
    System,
    /// As a test says.
    #[cfg(test)]
    Scripted(Arc<super::tests::Script>),
}

impl Lookup {
    async fn addresses(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        match self {
            // Port 0 is replaced by the one of the URL.
            Self::System => {
                tokio::net::lookup_host((host, 0)).await.map(|found| found.take(MAX_ADDRESSES).collect())
            }
            #[cfg(test)]
            Self::Scripted(script) => script.answer(host),
        }
    }
}

/// Looks names up for the connector and hands on only what `policy` allows:
/// what is connected to is what was judged.
#[derive(Clone, Debug)]
pub(in crate::egress) struct Resolver {
    policy: Arc<Policy>,
    lookup: Lookup,
}

impl Resolver {
    pub(in crate::egress) fn new(policy: Policy, lookup: Lookup) -> Self {
        Self { policy: Arc::new(policy), lookup }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { policy, lookup } = self.clone();
        Box::pin(async move {
            let found = lookup.addresses(name.as_str()).await?;
            let allowed = policy.admit(name.as_str(), found)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}
