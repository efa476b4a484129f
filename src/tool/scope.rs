//! Whose conversations.

use std::fmt;
use std::sync::Arc;

/// Stands between an environment and the owner; no name of an environment holds it.
const SEPARATOR: char = '/';

/// A caller that has conversations of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner(Arc<str>);

impl Owner {
    /// The holder of a key.
    pub fn key(name: &str) -> Self {
        Self(format!("key{SEPARATOR}{name}").into())
    }

    /// The webhook of a product.
    pub fn webhook(product: &str) -> Self {
        Self(format!("webhook{SEPARATOR}{product}").into())
    }
}

/// Whose conversations are meant: those that the callers of an environment share, or those of one caller alone. The
/// same id in two scopes names two conversations.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(Arc<str>);

impl Scope {
    /// The conversations that the callers of `environment` share.
    pub fn shared(environment: &str) -> Self {
        Self(environment.into())
    }

    /// The conversations of `owner` in `environment`; the shared ones where there is none.
    pub fn of(environment: &str, owner: Option<&Owner>) -> Self {
        match owner {
            Some(Owner(owner)) => Self(format!("{environment}{SEPARATOR}{owner}").into()),
            None => Self::shared(environment),
        }
    }

    /// The scope that has this name.
    pub fn named(name: &str) -> Self {
        Self(name.into())
    }

    /// What tells it from every other scope. That of a shared one is the environment's.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// The environment.
    pub fn environment(&self) -> &str {
        self.0.split_once(SEPARATOR).map_or(&self.0, |(environment, _)| environment)
    }

    /// The caller that the conversations belong to; `None` where they are shared.
    pub fn owner(&self) -> Option<Owner> {
        self.0.split_once(SEPARATOR).map(|(_, owner)| Owner(owner.into()))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_read_back_from_its_name() {
        let owners = [None, Some(Owner::key("desk")), Some(Owner::key("a/b")), Some(Owner::webhook("vapi"))];
        let scopes = owners.each_ref().map(|owner| Scope::of("staging", owner.as_ref()));
        for (scope, owner) in scopes.iter().zip(owners) {
            let read = Scope::named(scope.name());
            assert_eq!((&read, read.environment(), read.owner()), (scope, "staging", owner));
        }
        assert_eq!(scopes[0].name(), "staging", "what is stored today stays where it is");
        assert_ne!(Scope::of("staging", Some(&Owner::key("vapi"))), scopes[3]);
    }
}
