//! The words for each keyword of JSON Schema.
use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::{Map, Value};

use callgate_text::closest;

use super::explain::Explainer;
use super::text;

/// What a violation says about one value.
pub(super) struct Finding<'f> {
    pub(super) keyword: &'f str,
    pub(super) expected: String,
    pub(super) predicate: String,
}

impl Explainer<'_> {
    /// The words for an error about one value.
    pub(super) fn finding(&self, error: &ValidationError<'_>) -> Finding<'static> {
        let schema_path = error.schema_path().as_str();
        let value = error.instance();
        let must_be = |keyword, expected: String| {
            let predicate = format!("must be {expected}");
            Finding { keyword, expected, predicate }
        };
        let size = |keyword, expected: String, actual: usize| {
            let predicate = format!("must have {expected}, not {actual}");
            Finding { keyword, expected, predicate }
        };
        let other = |keyword, expected: &str, predicate: &str| Finding {
            keyword,
            expected: expected.to_owned(),
            predicate: predicate.to_owned(),
        };
        let letters = || value.as_str().map_or(0, |text| text.chars().count());
        let items = || value.as_array().map_or(0, Vec::len);
        let members = || value.as_object().map_or(0, Map::len);
        match error.kind() {
            Kind::Type { kind } => {
                let (expected, whole) = type_words(kind);
                let predicate = format!("must be {expected}, not {}", text::actual_type(value, whole));
                Finding { keyword: "type", expected, predicate }
            }
            Kind::Enum { options } => self.enumeration(value, options),
            Kind::Constant { expected_value } => must_be("const", text::spoken(expected_value)),
            Kind::Minimum { limit } => must_be("minimum", format!("at least {limit}")),
            Kind::Maximum { limit } => must_be("maximum", format!("at most {limit}")),
            Kind::ExclusiveMinimum { limit } => must_be("exclusiveMinimum", format!("greater than {limit}")),
            Kind::ExclusiveMaximum { limit } => must_be("exclusiveMaximum", format!("less than {limit}")),
            Kind::MultipleOf { multiple_of } => must_be("multipleOf", format!("a multiple of {multiple_of}")),
            Kind::MinLength { .. } if letters() == 0 => other("minLength", "some text", "must not be empty"),
            Kind::MinLength { limit } => {
                let expected = format!("at least {}", text::count(*limit, "character"));
                size("minLength", expected, letters())
            }
            Kind::MaxLength { limit } => {
                let expected = format!("at most {}", text::count(*limit, "character"));
                size("maxLength", expected, letters())
            }
            Kind::MinItems { limit: 1 } => other("minItems", "an item", "must not be empty"),
            Kind::MinItems { limit } => {
                size("minItems", format!("at least {}", text::count(*limit, "item")), items())
            }
            Kind::MaxItems { limit } => {
                size("maxItems", format!("at most {}", text::count(*limit, "item")), items())
            }
            Kind::AdditionalItems { limit } => {
                let expected = format!("at most {}", text::count(*limit as u64, "item"));
                size("additionalItems", expected, items())
            }
            Kind::UnevaluatedItems { .. } => other(
                "unevaluatedItems",
                "only the items the schema describes",
                "has items that this tool does not expect",
            ),
            Kind::MinProperties { limit } => {
                size("minProperties", format!("at least {}", text::count(*limit, "entry")), members())
            }
            Kind::MaxProperties { limit } => {
                size("maxProperties", format!("at most {}", text::count(*limit, "entry")), members())
            }
            Kind::UniqueItems => other("uniqueItems", "different items", "must not hold the same item twice"),
            Kind::Contains => self.contains(error),
            Kind::Pattern { pattern } => {
                let pattern = text::cut(pattern, text::MAX_VALUE_CHARS);
                let example = self
                    .owner(error)
                    .and_then(|schema| schema.get("examples")?.get(0)?.as_str())
                    .map(|example| format!(", like {}", text::cut(example, text::MAX_VALUE_CHARS)));
                let expected = format!("text that matches {pattern}");
                let example = example.unwrap_or_default();
                let predicate = format!("must match the pattern {pattern}{example}");
                Finding { keyword: "pattern", expected, predicate }
            }
            Kind::Format { format } => {
                let expected = match text::format(format) {
                    Some((words, example)) => format!("{words}, like {example}"),
                    None => format!("a valid {format}"),
                };
                must_be("format", expected)
            }
            Kind::ContentEncoding { content_encoding } => {
                must_be("contentEncoding", format!("{content_encoding} text"))
            }
            Kind::FromUtf8 { .. } => must_be("contentEncoding", "encoded UTF-8 text".to_owned()),
            Kind::ContentMediaType { content_media_type } => {
                must_be("contentMediaType", format!("{content_media_type} text"))
            }
            Kind::FalseSchema if schema_path.is_empty() || error.instance_path().is_empty() => {
                other("false", "other values", "cannot be accepted by this tool as they are")
            }
            Kind::FalseSchema => other("false", "nothing", "is not allowed here; leave it out"),
            Kind::Not { schema } => self.forbidden(schema),
            Kind::OneOfMultipleValid { .. } => self.ambiguous(error),
            Kind::BacktrackLimitExceeded { .. } | Kind::RegexEngineFailure { .. } => other(
                "pattern",
                "text that can be checked in time",
                "could not be checked against its pattern; send a shorter text",
            ),
            _ => other("schema", "another value", "does not fit its schema"),
        }
    }

    /// A closed set; the list of a long one is cut, so the nearest value is named.
    fn enumeration(&self, value: &Value, options: &Value) -> Finding<'static> {
        let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
        let expected = text::one_of(options.iter());
        let meant = value
            .as_str()
            .filter(|_| expected.ends_with('…'))
            .and_then(|word| closest(word, options.iter().filter_map(Value::as_str)))
            .map(|meant| format!("; the closest is {meant}"))
            .unwrap_or_default();
        let predicate = format!("must be {expected}{meant}");
        Finding { keyword: "enum", expected, predicate }
    }

    fn contains(&self, error: &ValidationError<'_>) -> Finding<'static> {
        let owner = self.owner(error);
        let rule = owner.and_then(|owner| owner.get("contains")).and_then(describe);
        let (keyword, limit, bound) = match error.schema_path().as_str().ends_with("/maxContains") {
            true => ("maxContains", "maxContains", "at most"),
            false => ("contains", "minContains", "at least"),
        };
        let limit = owner.and_then(|owner| owner.get(limit)).map_or("1".to_owned(), Value::to_string);
        let one = limit == "1";
        let expected = match rule {
            Some(rule) if one => format!("{bound} 1 item that is {rule}"),
            Some(rule) => format!("{bound} {limit} items that are {rule}"),
            None if one => format!("{bound} 1 matching item"),
            None => format!("{bound} {limit} matching items"),
        };
        let predicate = format!("must have {expected}");
        Finding { keyword, expected, predicate }
    }

    fn forbidden(&self, schema: &Value) -> Finding<'static> {
        let required: Vec<String> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|name| Some(format!("`{}`", name.as_str()?)))
            .collect();
        let (expected, predicate) = match (required.as_slice(), describe(schema)) {
            ([only], _) => (format!("no {only}"), format!("must not have {only}")),
            ([_, ..], _) => {
                let all = text::join(&required, "and");
                (format!("not all of {all}"), format!("must not have {all} together"))
            }
            (_, Some(words)) => (format!("not {words}"), format!("must not be {words}")),
            _ => ("another value".to_owned(), "has a value that is not allowed".to_owned()),
        };
        Finding { keyword: "not", expected, predicate }
    }

    fn ambiguous(&self, error: &ValidationError<'_>) -> Finding<'static> {
        let branches = self.owner(error).and_then(|owner| owner.get("oneOf")?.as_array());
        let names: Option<Vec<String>> = branches.and_then(|branches| {
            branches
                .iter()
                .map(|branch| match branch.get("required")?.as_array()?.as_slice() {
                    [only] => Some(format!("`{}`", only.as_str()?)),
                    _ => None,
                })
                .collect()
        });
        match names {
            Some(names) if !names.is_empty() => {
                let expected = format!("only one of {}", text::join(&names, "and"));
                Finding { keyword: "oneOf", predicate: format!("must have {expected}"), expected }
            }
            _ => Finding {
                keyword: "oneOf",
                expected: "exactly one of the allowed forms".to_owned(),
                predicate: "must fit exactly one of the allowed forms, and fits several".to_owned(),
            },
        }
    }
}

/// The words for the types asked for, and whether a fraction is what is wrong.
pub(super) fn type_words(kind: &TypeKind) -> (String, bool) {
    let mut names: Vec<&str> = match kind {
        TypeKind::Single(only) => vec![only.as_str()],
        TypeKind::Multiple(set) => set.iter().map(jsonschema::JsonType::as_str).collect(),
    };
    names.sort_by_key(|name| *name == "null");
    let whole = names.contains(&"integer");
    let words: Vec<String> = names.into_iter().map(|n| text::expected_type(n).to_owned()).collect();
    (text::join(&words, "or"), whole)
}

/// A short phrase for a simple schema, to stand after "must be" or "must not be".
fn describe(schema: &Value) -> Option<String> {
    let schema = schema.as_object()?;
    if let Some(value) = schema.get("const") {
        return Some(text::spoken(value));
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return Some(text::one_of(values.iter()));
    }
    if let Some((words, _)) = schema.get("format").and_then(Value::as_str).and_then(text::format) {
        return Some(words.to_owned());
    }
    match schema.get("type") {
        Some(Value::String(name)) if schema.len() == 1 => Some(text::expected_type(name).to_owned()),
        _ => None,
    }
}
