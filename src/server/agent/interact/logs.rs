//! `?logs=`: the lowest level of the `log` traces of a turn.

/// A level of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    /// Reads `logs`; `None` if the word is no level: then there are no `log` traces.
    pub(super) fn read(written: &str) -> Option<Self> {
        match written.to_ascii_lowercase().as_str() {
            "trace" | "debug" => Some(Self::Debug),
            "info" | "true" | "" => Some(Self::Info),
            "warn" | "warning" => Some(Self::Warn),
            "error" | "fatal" => Some(Self::Error),
            _ => None,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_takes_in_those_above_it() {
        assert!(Level::Debug < Level::Info && Level::Warn < Level::Error);
        for (written, expected) in
            [("DEBUG", Some(Level::Debug)), ("true", Some(Level::Info)), ("off", None), ("loud", None)]
        {
            assert_eq!(Level::read(written), expected);
        }
    }
}
