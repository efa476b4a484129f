//! A tree of values → typed settings; what does not fit is told with its place, in words for people.

use std::fmt::{self, Display};

use serde::de::value::MapAccessDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, Expected, IntoDeserializer as _, MapAccess,
    SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

/// Reads `tree` as a `T`.
///
/// # Errors
///
/// The first value that does not fit, by the order of names.
pub(super) fn extract<T: DeserializeOwned>(tree: &Value) -> Result<T, Unfit> {
    T::deserialize(Node(tree))
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

impl Unfit {
    fn new(reason: String) -> Self {
        let reason = if reason.contains("socket address") {
            "must be an IP address and a port, such as 127.0.0.1:8080".to_owned()
        } else {
            reason
        };
        Self { path: Vec::new(), reason, is_missing: false }
    }

    fn below(mut self, name: &str) -> Self {
        self.path.insert(0, name.to_owned());
        self
    }
}

impl Display for Unfit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.reason)
    }
}

impl std::error::Error for Unfit {}

impl de::Error for Unfit {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("invalid type: found {}, expected {}", Found(found), wanted(expected)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("invalid value {}, expected {}", Found(found), wanted(expected)))
    }

    fn missing_field(name: &'static str) -> Self {
        Self { is_missing: true, ..Self::new(format!("missing field `{name}`")) }
    }
}

/// What serde expects, in words.
fn wanted(expected: &dyn Expected) -> String {
    let expected = expected.to_string();
    match expected.as_str() {
        "usize" | "u64" => "a whole number".to_owned(),
        "a nonzero usize" => "a whole number from 1 on".to_owned(),
        other => other
            .strip_prefix("struct ")
            .map_or_else(|| other.to_owned(), |name| format!("the section {name}")),
    }
}

/// What serde found.
struct Found<'a>(Unexpected<'a>);

impl Display for Found<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Unexpected::Bool(flag) => write!(formatter, "bool {flag}"),
            Unexpected::Unsigned(number) => write!(formatter, "unsigned int `{number}`"),
            Unexpected::Signed(number) => write!(formatter, "signed int `{number}`"),
            Unexpected::Float(number) => write!(formatter, "float `{number}`"),
            Unexpected::Str(text) => write!(formatter, "string {text:?}"),
            other => write!(formatter, "{other}"),
        }
    }
}

/// A part of the tree.
struct Node<'a>(&'a Value);

impl<'de> Deserializer<'de> for Node<'_> {
    type Error = Unfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => visitor.visit_u64(number),
                (None, Some(number)) => visitor.visit_i64(number),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_str(text),
            Value::Array(items) => visitor.visit_seq(Items(items.iter().enumerate())),
            Value::Object(members) => visitor.visit_map(Members::new(members)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        match self.0 {
            Value::String(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            Value::Object(members) => visitor.visit_enum(MapAccessDeserializer::new(Members::new(members))),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// The members of a table, by the order of their names.
struct Members<'a> {
    members: std::vec::IntoIter<(&'a String, &'a Value)>,
    /// The one whose name was read.
    current: Option<(&'a String, &'a Value)>,
}

impl<'a> Members<'a> {
    fn new(members: &'a Map<String, Value>) -> Self {
        let mut members: Vec<_> = members.iter().collect();
        members.sort_unstable_by_key(|(name, _)| *name);
        Self { members: members.into_iter(), current: None }
    }
}

impl<'de> MapAccess<'de> for Members<'_> {
    type Error = Unfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Unfit> {
        self.current = self.members.next();
        let Some((name, _)) = self.current else { return Ok(None) };
        seed.deserialize(name.as_str().into_deserializer())
            .map(Some)
            .map_err(|unfit: Unfit| unfit.below(name))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Unfit> {
        let Some((name, value)) = self.current else {
            return Err(de::Error::custom("a value without a name"));
        };
        seed.deserialize(Node(value)).map_err(|unfit| unfit.below(name))
    }
}

/// The items of a list.
struct Items<'a>(std::iter::Enumerate<std::slice::Iter<'a, Value>>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Unfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Unfit> {
        let Some((index, item)) = self.0.next() else { return Ok(None) };
        seed.deserialize(Node(item)).map(Some).map_err(|unfit| unfit.below(&index.to_string()))
    }
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
            "invalid type: found float `5`, expected a whole number",
        );
        check(
            &json!({"server": {"workers": 0}}),
            "server.workers",
            "invalid value unsigned int `0`, expected a whole number from 1 on",
        );
        check(
            &json!({"store": {"patience_ms": -1}}),
            "store.patience_ms",
            "invalid value signed int `-1`, expected a whole number",
        );
        check(
            &json!({"log": "info"}),
            "log",
            "invalid type: found string \"info\", expected the section LogSettings",
        );
        check(
            &json!({"log": {"level": true}}),
            "log.level",
            "invalid type: found bool true, expected a string",
        );
        check(
            &json!({"environments": ["a", {}]}),
            "environments.1",
            "invalid type: found map, expected a string",
        );
    }

    #[test]
    fn what_is_missing_is_told_apart_from_what_is_wrong() {
        let unfit = extract::<Settings>(&json!({"server": {"rate": {"burst": 5}}})).unwrap_err();
        assert_eq!((unfit.path.join("."), unfit.is_missing), ("server.rate".to_owned(), true));
        assert_eq!(unfit.reason, "missing field `per_second`");
        check(&json!({"log": {"level": 1}, "keys": [{}]}), "keys.0", "missing field `name`");
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
