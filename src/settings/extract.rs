//! A tree of values → typed settings; what does not fit is told with its place, in words for people.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Error, Segment};

/// Reads `tree` as a `T`.
///
/// # Errors
///
/// The first value that does not fit.
pub(super) fn extract<T: DeserializeOwned>(tree: &Value) -> Result<T, Unfit> {
    serde_path_to_error::deserialize(tree).map_err(Unfit::from)
}

/// A value that does not fit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    /// The names and indices that lead to it.
    pub(super) path: Vec<String>,
    /// What is wrong with it.
    pub(super) reason: String,
    /// Whether that is that something is missing.
    pub(super) is_missing: bool,
}

impl From<Error<serde_json::Error>> for Unfit {
    fn from(error: Error<serde_json::Error>) -> Self {
        let steps = error.path().iter().filter_map(|segment| match segment {
            Segment::Seq { index } => Some(index.to_string()),
            Segment::Map { key } => Some(key.clone()),
            Segment::Enum { .. } | Segment::Unknown => None,
        });
        let path = steps.collect();
        let reason = error.inner().to_string();
        let is_missing = reason.starts_with("missing field");
        Self { path, reason: in_words(&reason), is_missing }
    }
}

/// What serde says, in words for people.
fn in_words(reason: &str) -> String {
    if reason.contains("socket address") {
        return "must be an IP address and a port, such as 127.0.0.1:8080".to_owned();
    }
    reason
        .replace("invalid number", "must be a whole number that is not negative")
        .replace("a nonzero usize", "a whole number from 1 on")
        .replace("usize", "a whole number")
        .replace("u64", "a whole number")
        .replace("struct ", "the section ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Settings;
    use super::*;

    #[track_caller]
    fn check(tree: &Value, path: &str, reason: &str) {
        let unfit = extract::<Settings>(tree).unwrap_err();
        assert_eq!((unfit.path.join(".").as_str(), unfit.reason.as_str()), (path, reason));
    }

    #[test]
    fn a_value_that_does_not_fit_is_told_with_its_place() {
        check(
            &json!({"server": {"listen": "here"}}),
            "server.listen",
            "must be an IP address and a port, such as 127.0.0.1:8080",
        );
        check(
            &json!({"server": {"listen": 8080}}),
            "server.listen",
            "must be an IP address and a port, such as 127.0.0.1:8080",
        );
        check(
            &json!({"server": {"max_request_bytes": 5.0}}),
            "server.max_request_bytes",
            "must be a whole number that is not negative",
        );
        check(
            &json!({"server": {"workers": 0}}),
            "server.workers",
            "invalid value: integer `0`, expected a whole number from 1 on",
        );
        check(
            &json!({"store": {"patience_ms": -1}}),
            "store.patience_ms",
            "must be a whole number that is not negative",
        );
        check(
            &json!({"log": "info"}),
            "log",
            "invalid type: string \"info\", expected the section LogSettings",
        );
        check(
            &json!({"log": {"level": true}}),
            "log.level",
            "invalid type: boolean `true`, expected a string",
        );
        check(&json!({"environments": ["a", {}]}), "environments.1", "invalid type: map, expected a string");
    }

    #[test]
    fn what_is_missing_is_told_apart_from_what_is_wrong() {
        let unfit = extract::<Settings>(&json!({"server": {"rate": {"burst": 5}}})).unwrap_err();
        assert_eq!((unfit.path.join("."), unfit.is_missing), ("server.rate".to_owned(), true));
        assert_eq!(unfit.reason, "missing field `per_second`");
        check(&json!({"keys": [{}]}), "keys.0", "missing field `name`");
    }

    #[test]
    fn what_fits_is_read_whatever_its_kind() {
        let settings = extract::<Settings>(&json!({
            "environments": ["a"],
            "server": {"listen": "127.0.0.1:1", "workers": 2, "rate": {"per_second": 2, "burst": null}},
            "log": {"format": "json"},
            "egress": {"a": {"allow": ["10.0.0.0/8"]}},
            "store": {"url": "redis://h", "path": "x/y.db"},
        }))
        .unwrap();
        assert_eq!(settings.environments.as_deref(), Some(&["a".to_owned()][..]));
        let rate = settings.server.rate.unwrap();
        assert_eq!((rate.per_second, rate.burst), (2.0, None));
        assert_eq!(settings.server.workers.map(usize::from), Some(2));
        assert_eq!(settings.store.url.unwrap().as_str(), "redis://h");
        assert_eq!(settings.egress["a"].allow.as_deref(), Some(&["10.0.0.0/8".to_owned()][..]));
    }
}
