//! Names → addresses, judged before anybody connects to them.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{LookUps, Policy};
use crate::egress::timing::mark;

/// How names become addresses.
#[derive(Clone, Debug)]
pub(in crate::egress) enum Lookup {
    /// As the system does it (`getaddrinfo`), a few at a time.
    System(LookUps),
    /// As a test says.
    #[cfg(test)]
    Scripted(Arc<super::tests::Script>),
}

impl Lookup {
    async fn addresses(&self, host: &str) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
        match self {
            Self::System(look_ups) => look_ups.addresses(host).await,
            #[cfg(test)]
            Self::Scripted(script) => Ok(script.answer(host)?),
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
            mark(|marks| &marks.looked_up);
            let found = lookup.addresses(name.as_str()).await?;
            mark(|marks| &marks.resolved);
            let allowed = policy.admit(name.as_str(), found)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}
