//! The optional parts of the program.

use std::fmt;

/// An optional part of the program: a feature of the crate, which builds have unless they are made without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// `callgate import`.
    Import,
    /// The MCP server.
    Mcp,
    /// Traces over OTLP.
    Otlp,
    /// The store in Redis.
    Redis,
}

/// This build lacks an optional part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this build of callgate lacks the feature `{0}`: {hint}", hint = self.0.hint())]
pub struct LacksFeature(pub Feature);

impl Feature {
    /// Whether this build has it.
    pub const fn is_built(self) -> bool {
        match self {
            Self::Import => cfg!(feature = "import"),
            Self::Mcp => cfg!(feature = "mcp"),
            Self::Otlp => cfg!(feature = "otlp"),
            Self::Redis => cfg!(feature = "redis"),
        }
    }

    /// Goes on only in a build that has it.
    ///
    /// # Errors
    ///
    /// This one does not.
    pub fn require(self) -> Result<(), LacksFeature> {
        if self.is_built() { Ok(()) } else { Err(LacksFeature(self)) }
    }

    /// What to do where it is missing.
    pub fn hint(self) -> String {
        format!(
            "build it with `cargo build --release --features {self}`, or use a build with the default features"
        )
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Import => "import",
            Self::Mcp => "mcp",
            Self::Otlp => "otlp",
            Self::Redis => "redis",
        })
    }
}
