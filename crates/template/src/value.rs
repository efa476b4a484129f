//! Values while a template runs: borrowed from the data, never copied.

use std::cmp::Ordering;
use std::io;

use serde_json::{Map, Value as Json};

use super::escape::{Escape, Refusal, json_string, write_text};
use super::literal::Literal;
use super::number::{Decimal, is_zero};
use super::tree::{Data, Operator, OriginId};

/// A value while a template runs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'t, 'd> {
    /// Not there; the origin names the reference that did not find it.
    Absent(OriginId),
    /// An explicit null, or `nil`.
    Null(OriginId),
    /// The data as a whole.
    Data,
    Map(&'d Map<String, Json>),
    /// Any JSON value but null.
    Json(&'d Json),
    Literal(&'t Literal),
    Bool(bool),
    /// A value that only the check of branches knows: it stands for one that the samples lack.
    MadeUp,
}

/// The text of made-up values.
pub(super) const MADE_UP: &str = "sample";

/// A value as comparisons see it.
enum Scalar<'v> {
    Missing,
    Text(&'v str),
    Number(&'v str),
    Bool(bool),
    Other,
}

impl<'t, 'd> Value<'t, 'd> {
    pub(super) fn of(json: &'d Json, origin: OriginId) -> Self {
        if json.is_null() { Self::Null(origin) } else { Self::Json(json) }
    }

    /// Returns whether the value is true in a condition, as Go has it.
    pub(super) fn truth(self) -> bool {
        match self {
            Self::Absent(_) | Self::Null(_) => false,
            Self::Data | Self::MadeUp => true,
            Self::Map(map) => !map.is_empty(),
            Self::Bool(value) => value,
            Self::Literal(Literal::Text(text)) => !text.is_empty(),
            Self::Literal(Literal::Number(number)) => !is_zero(&number.decimal),
            Self::Literal(Literal::Bool(value)) => *value,
            Self::Json(json) => match json {
                Json::Null => false,
                Json::Bool(value) => *value,
                Json::Number(number) => !is_zero(number.as_str()),
                Json::String(text) => !text.is_empty(),
                Json::Array(list) => !list.is_empty(),
                Json::Object(map) => !map.is_empty(),
            },
        }
    }

    /// Returns the type for messages, with its article.
    pub(super) fn type_name(self) -> &'static str {
        match self {
            Self::Absent(_) | Self::Null(_) => "nothing",
            Self::Data | Self::Map(_) | Self::Json(Json::Object(_)) => "an object",
            Self::Json(Json::Array(_)) => "a list",
            Self::Json(Json::String(_)) | Self::Literal(Literal::Text(_)) | Self::MadeUp => "a string",
            Self::Json(Json::Number(_)) | Self::Literal(Literal::Number(_)) => "a number",
            Self::Json(Json::Bool(_)) | Self::Literal(Literal::Bool(_)) | Self::Bool(_) => "a bool",
            Self::Json(Json::Null) => "null",
        }
    }

    /// Takes the field `name`; `None` where the value has no fields.
    pub(super) fn field(self, name: &str, data: &Data<'d>, origin: OriginId) -> Option<Self> {
        let map = match self {
            Self::Absent(_) | Self::Null(_) => return Some(Self::Absent(origin)),
            Self::MadeUp => return Some(Self::MadeUp),
            Self::Data => {
                let root = super::tree::Root::from_name(name);
                return Some(root.map_or(Self::Absent(origin), |root| Self::Map(data.root(root))));
            }
            Self::Map(map) | Self::Json(Json::Object(map)) => map,
            Self::Json(_) | Self::Literal(_) | Self::Bool(_) => return None,
        };
        Some(map.get(name).map_or(Self::Absent(origin), |json| Self::of(json, origin)))
    }

    /// Returns the string, if the value is one.
    pub(super) fn as_text<'v>(self) -> Option<&'v str>
    where
        't: 'v,
        'd: 'v,
    {
        match self.scalar() {
            Scalar::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the value as a place in a list, if it is an integer from 0.
    pub(super) fn as_position(self) -> Option<usize> {
        match self.scalar() {
            Scalar::Number(number) => match number.parse() {
                Ok(position) => Some(position),
                Err(_) => Decimal::parse(number)?.to_integer()?.parse().ok(),
            },
            _ => None,
        }
    }

    fn scalar<'v>(self) -> Scalar<'v>
    where
        't: 'v,
        'd: 'v,
    {
        match self {
            Self::Absent(_) | Self::Null(_) | Self::Json(Json::Null) => Scalar::Missing,
            Self::Json(Json::String(text)) => Scalar::Text(text),
            Self::Literal(Literal::Text(text)) => Scalar::Text(text),
            Self::MadeUp => Scalar::Text(MADE_UP),
            Self::Json(Json::Number(number)) => Scalar::Number(number.as_str()),
            Self::Literal(Literal::Number(number)) => Scalar::Number(&number.decimal),
            Self::Json(Json::Bool(value)) | Self::Literal(Literal::Bool(value)) => Scalar::Bool(*value),
            Self::Bool(value) => Scalar::Bool(value),
            Self::Data | Self::Map(_) | Self::Json(Json::Array(_) | Json::Object(_)) => Scalar::Other,
        }
    }

    /// Returns whether two values are equal, or why that cannot be asked.
    pub(super) fn equals(self, other: Value<'_, '_>) -> Result<bool, String> {
        match (self.scalar(), other.scalar()) {
            (Scalar::Missing, _) | (_, Scalar::Missing) => Ok(false),
            (Scalar::Text(left), Scalar::Text(right)) => Ok(left == right),
            (Scalar::Bool(left), Scalar::Bool(right)) => Ok(left == right),
            (Scalar::Number(left), Scalar::Number(right)) => Ok(order(left, right)?.is_eq()),
            _ => Err(format!("{} and {} cannot be compared", self.type_name(), other.type_name())),
        }
    }

    /// Answers `lt`, `le`, `gt` or `ge` for two values that are there.
    pub(super) fn ordered(self, operator: Operator, other: Value<'_, '_>) -> Result<bool, String> {
        let ordering = match (self.scalar(), other.scalar()) {
            (Scalar::Text(left), Scalar::Text(right)) => left.cmp(right),
            (Scalar::Number(left), Scalar::Number(right)) => order(left, right)?,
            _ => {
                return Err(format!("{} and {} have no order", self.type_name(), other.type_name()));
            }
        };
        Ok(match operator {
            Operator::Eq => ordering.is_eq(),
            Operator::Ne => ordering.is_ne(),
            Operator::Lt => ordering.is_lt(),
            Operator::Le => ordering.is_le(),
            Operator::Gt => ordering.is_gt(),
            Operator::Ge => ordering.is_ge(),
        })
    }

    /// Writes the value to `out`; values that are missing have been dealt with.
    pub(super) fn write(self, escape: Escape, out: &mut String) -> Result<(), Refusal> {
        match self {
            Self::Json(Json::String(text)) => write_text(escape, text, out),
            Self::Literal(Literal::Text(text)) => write_text(escape, text, out),
            Self::MadeUp => write_text(escape, MADE_UP, out),
            Self::Json(Json::Number(number)) => write_number(escape, number.as_str(), out),
            Self::Literal(Literal::Number(number)) => write_plain(escape, &number.printed, out),
            Self::Json(Json::Bool(value)) => write_bool(*value, out),
            Self::Literal(Literal::Bool(value)) => write_bool(*value, out),
            Self::Bool(value) => write_bool(value, out),
            Self::Map(map) => Container::Map(map).write(escape, out),
            Self::Json(json @ (Json::Array(_) | Json::Object(_))) => Container::Json(json).write(escape, out),
            Self::Absent(_) | Self::Null(_) | Self::Json(Json::Null) => write_plain(escape, "null", out),
            Self::Data => Err("is the whole data and cannot be printed"),
        }
    }
}

fn order(left: &str, right: &str) -> Result<Ordering, String> {
    match (Decimal::parse(left), Decimal::parse(right)) {
        (Some(left), Some(right)) => Ok(left.compare(right)),
        _ => Err("a number has an exponent that is out of range".to_owned()),
    }
}

fn write_bool(value: bool, out: &mut String) -> Result<(), Refusal> {
    out.push_str(if value { "true" } else { "false" });
    Ok(())
}

/// Writes a number as the data has it, an integer in exponent form with its zeros.
fn write_number(escape: Escape, number: &str, out: &mut String) -> Result<(), Refusal> {
    if !number.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
        return Err("is not a number of JSON");
    }
    if number.contains(['e', 'E'])
        && let Some(integer) = Decimal::parse(number).and_then(Decimal::to_integer)
    {
        return write_plain(escape, &integer, out);
    }
    write_plain(escape, number, out)
}

/// Writes text that needs no quotes and no escapes in JSON.
fn write_plain(escape: Escape, text: &str, out: &mut String) -> Result<(), Refusal> {
    if matches!(escape, Escape::JsonValue | Escape::JsonString) {
        out.push_str(text);
        return Ok(());
    }
    write_text(escape, text, out)
}

/// A value that prints as JSON text.
#[derive(Clone, Copy)]
enum Container<'d> {
    Map(&'d Map<String, Json>),
    Json(&'d Json),
}

impl Container<'_> {
    fn write(self, escape: Escape, out: &mut String) -> Result<(), Refusal> {
        match escape {
            Escape::JsonValue | Escape::Raw => self.print(JsonWriter { out, escaped: false }),
            Escape::JsonString => self.print(JsonWriter { out, escaped: true }),
            Escape::Form | Escape::Xml | Escape::Header | Escape::PathSegment => {
                let mut text = String::new();
                self.print(JsonWriter { out: &mut text, escaped: false })?;
                write_text(escape, &text, out)
            }
        }
    }

    fn print(self, writer: JsonWriter<'_>) -> Result<(), Refusal> {
        let printed = match self {
            Self::Map(map) => serde_json::to_writer(writer, map),
            Self::Json(json) => serde_json::to_writer(writer, json),
        };
        printed.map_err(|_| "cannot be written as JSON")
    }
}

/// Takes JSON text, which comes in whole characters, and writes it into a text.
struct JsonWriter<'o> {
    out: &'o mut String,
    /// Whether the JSON becomes the content of a JSON string.
    escaped: bool,
}

impl io::Write for JsonWriter<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(buffer).map_err(io::Error::other)?;
        match self.escaped {
            true => json_string(text, self.out),
            false => self.out.push_str(text),
        }
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
