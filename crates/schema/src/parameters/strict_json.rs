//! The text of arguments, read more strictly than JSON asks for.
//!
//! A key that is given twice is refused, since the gateway and the upstream could each believe a
//! different one, and so are the private keys by which `serde_json` tags numbers and raw text,
//! since a later parse would turn the object that holds one into something else.
use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use super::path::{Path, Segment};
use super::text;
use super::violation::{InvalidArguments, MAX_VIOLATIONS, Violation};

/// The key under which `serde_json` passes a number with all its digits.
const NUMBER_KEY: &str = "$serde_json::private::Number";
/// The key under which `serde_json` passes raw text.
const RAW_KEY: &str = "$serde_json::private::RawValue";
/// The nesting that `serde_json` itself accepts.
const MAX_DEPTH: usize = 127;

/// Reads `arguments` as a model sent them: a JSON object, or a JSON text that holds one, also if that
/// text was encoded twice.
///
/// An empty text and `null` are no arguments, because models write them for tools without
/// parameters. Numbers keep every digit.
///
/// # Errors
///
/// Fails on any other type, on text that is not JSON (and says where), on a name that is given
/// twice at any depth, on `serde_json`'s private names, and on nesting past 127 levels.
pub fn parse_arguments(raw: &RawValue) -> Result<Map<String, Value>, InvalidArguments> {
    let text = raw.get().trim();
    if !text.starts_with('"') {
        return parse_object(text);
    }
    let mut inner: String = serde_json::from_str(text).map_err(|error| broken(&error, text))?;
    // Some clients encode the text of the arguments once more.
    if inner.trim_start().starts_with('"')
        && let Ok(innermost) = serde_json::from_str(&inner)
    {
        inner = innermost;
    }
    match inner.trim() {
        "" => Ok(Map::new()),
        _ => parse_object(&inner),
    }
}

/// Reads a JSON text as strictly as arguments are read; `None` where they would be refused, and where
/// the text is a string.
pub(super) fn parse_value(text: &str) -> Option<Value> {
    let (value, refused) = parse(text).ok()?;
    (refused.is_empty() && !value.is_string()).then_some(value)
}

/// Reads a JSON text, and what in it must be refused.
fn parse(text: &str) -> serde_json::Result<(Value, Vec<Refused>)> {
    let refused = RefCell::new(Vec::new());
    let strict = Strict { input: text.as_bytes().as_ptr_range(), refused: &refused };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = strict.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok((value, refused.into_inner()))
}

/// Reads the text of one object; `null` is an empty one.
fn parse_object(text: &str) -> Result<Map<String, Value>, InvalidArguments> {
    let (value, refused) = parse(text).map_err(|error| broken(&error, text))?;
    if !refused.is_empty() {
        return Err(refused.into_iter().map(Refused::into_violation).collect::<Vec<_>>().into());
    }
    match value {
        Value::Object(members) => Ok(members),
        Value::Null => Ok(Map::new()),
        other => {
            let sentence =
                format!("The arguments must be a JSON object, not {}.", text::actual_type(&other, false));
            let got = text::short(&other);
            Err(vec![Violation::whole("type", "a JSON object", got, sentence)].into())
        }
    }
}

/// The error for text that is not JSON.
fn broken(error: &serde_json::Error, text: &str) -> InvalidArguments {
    let full = error.to_string();
    let reason = full.split(" at line ").next().unwrap_or(&full);
    if reason.starts_with("recursion limit") {
        let sentence =
            format!("The arguments are nested too deeply; at most {MAX_DEPTH} levels are allowed.");
        let expected = format!("at most {MAX_DEPTH} levels");
        return vec![Violation::whole("depth", expected, "more levels", sentence)].into();
    }
    let place = place(error.line(), error.column(), text);
    let sentence = match error.is_eof() {
        true => format!("The arguments are cut off at {place}: the JSON is not complete."),
        false => format!("The arguments are not valid JSON: {reason} at {place}."),
    };
    vec![Violation::whole("json", "valid JSON", format!("{reason} at {place}"), sentence)].into()
}

/// Where serde_json stopped, counted in characters as an author would.
fn place(line: usize, column: usize, text: &str) -> String {
    let row = text.split('\n').nth(line.saturating_sub(1)).unwrap_or_default();
    let character = row.char_indices().take_while(|(at, _)| *at < column).count().max(1);
    match text.contains('\n') {
        true => format!("line {line}, column {character}"),
        false => format!("character {character}"),
    }
}

/// A key that must not stand where it stands; steps are innermost first.
struct Refused {
    reserved: bool,
    steps: Vec<Segment>,
}

impl Refused {
    fn into_violation(self) -> Violation {
        let path = Path(self.steps.into_iter().rev().collect());
        match self.reserved {
            true => Violation::at(&path, "reservedName", "another name", "a reserved name", |name| {
                format!("`{name}` has a reserved name and cannot be used.")
            }),
            false => Violation::at(&path, "duplicateKey", "one value", "two values", |name| {
                format!("`{name}` is given twice.")
            }),
        }
    }
}

/// Builds a value and notes the keys that must be refused.
#[derive(Clone)]
struct Strict<'s> {
    /// Where the text lies in memory: a key from the text points into it, the number key of
    /// `serde_json` does not.
    input: Range<*const u8>,
    refused: &'s RefCell<Vec<Refused>>,
}

impl Strict<'_> {
    fn refuse(&self, reserved: bool, key: &str) {
        let mut refused = self.refused.borrow_mut();
        if refused.len() < MAX_VIOLATIONS {
            refused.push(Refused { reserved, steps: vec![Segment::Name(key.to_owned())] });
        }
    }

    /// Adds the step that leads to a member or an item to everything refused inside it.
    fn prefix(&self, before: usize, step: impl Fn() -> Segment) {
        for refused in self.refused.borrow_mut().iter_mut().skip(before) {
            refused.steps.push(step());
        }
    }

    fn noted(&self) -> usize {
        self.refused.borrow().len()
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, input: D) -> Result<Value, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    // Numbers come through `visit_map` while `arbitrary_precision` is on; these keep the module
    // right where another crate's feature set would turn it off.
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut input: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        loop {
            let before = self.noted();
            let Some(item) = input.next_element_seed(self.clone())? else { break };
            self.prefix(before, || Segment::Index(items.len()));
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut input: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(key) = input.next_key_seed(KeySeed { input: &self.input })? {
            let Key::Name(name) = key else {
                let digits: String = input.next_value()?;
                let number: Number = digits.parse().map_err(A::Error::custom)?;
                return Ok(Value::Number(number));
            };
            if members.contains_key(&name) {
                self.refuse(false, &name);
            }
            if name == NUMBER_KEY || name == RAW_KEY {
                self.refuse(true, &name);
            }
            let before = self.noted();
            let value = input.next_value_seed(self.clone())?;
            self.prefix(before, || Segment::Name(name.clone()));
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

/// A key of the text, or the sign that the "object" is a number.
enum Key {
    Number,
    Name(String),
}

struct KeySeed<'s> {
    input: &'s Range<*const u8>,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Key;

    fn deserialize<D: serde::Deserializer<'de>>(self, input: D) -> Result<Key, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for KeySeed<'_> {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key, E> {
        let from_text = self.input.contains(&key.as_ptr());
        Ok(match key {
            NUMBER_KEY if !from_text => Key::Number,
            name => Key::Name(name.to_owned()),
        })
    }

    fn visit_str<E>(self, key: &str) -> Result<Key, E> {
        Ok(Key::Name(key.to_owned()))
    }
}
