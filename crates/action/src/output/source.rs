//! The part of an answer that an output variable takes its value from.

use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::Value;

use callgate_definition::{OutputSource, OutputVariableDefinition};

use super::headers::{MAX_TAKEN_BYTES, header_text};
use super::path::{Path, Time};

/// The part of an answer that a value is taken from.
#[derive(Debug)]
pub(super) enum Source {
    Body(Path),
    Header(HeaderName),
    Status,
}

/// An answer, as output variables see it.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// What the body says.
    pub body: Said<'a>,
}

/// What a body says.
#[derive(Clone, Copy, Debug)]
pub enum Said<'a> {
    /// JSON.
    Json(&'a Value),
    /// Text, all of which was decoded.
    Text(&'a str),
    /// Nothing that could be taken for a value.
    Nothing,
}

/// Why a [`Response`](super::Response) or an [`Output`](super::Output) cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseProblem {
    /// The JSON Pointer (RFC 6901) from its definition.
    pub pointer: String,
    /// A stable code.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: &'static str,
}

impl Source {
    pub(super) fn compile(definition: &OutputVariableDefinition) -> Result<Self, Vec<ResponseProblem>> {
        let OutputVariableDefinition { from, path, header, .. } = definition;
        let problem = |key: &str, code, message: String, hint| ResponseProblem {
            pointer: format!("/{key}"),
            code,
            message,
            hint,
        };
        let mut problems = Vec::new();
        if path.is_some() && *from != OutputSource::Body {
            let message = "`path` is a place in the body, which this value does not come from";
            let hint = "leave `path` out, or leave `from` out to take the value from the body";
            problems.push(problem("path", "key_not_for_source", message.to_owned(), hint));
        }
        if header.is_some() && *from != OutputSource::Header {
            let message = "`header` is the name of a header, which this value does not come from";
            let hint = "write `from: header` beside it, or leave `header` out";
            problems.push(problem("header", "key_not_for_source", message.to_owned(), hint));
        }
        let source = match (from, path, header) {
            (OutputSource::Body, Some(path), _) => match Path::compile(path) {
                Ok(path) => Some(Self::Body(path)),
                Err(message) => {
                    // A path that does not start with `$` is reported already.
                    if path.starts_with('$') {
                        let hint = "a path looks like `$.ticket.id` or `$.slots[*].id` (RFC 9535)";
                        problems.push(problem("path", "invalid_jsonpath", message, hint));
                    }
                    None
                }
            },
            (OutputSource::Header, _, Some(name)) => match header_name(name) {
                Ok(name) => Some(Self::Header(name)),
                Err((message, hint)) => {
                    problems.push(problem("header", "invalid_header", message, hint));
                    None
                }
            },
            (OutputSource::Status, _, _) => Some(Self::Status),
            // That a key is missing is reported already.
            (OutputSource::Body, None, _) | (OutputSource::Header, _, None) => None,
        };
        source.filter(|_| problems.is_empty()).ok_or(problems)
    }

    /// The value in this part of an answer.
    pub(super) fn find(&self, answered: &Answered<'_>, time: &Time<'_>) -> Option<Value> {
        match (self, answered.body) {
            (Self::Body(path), Said::Json(body)) => path.find(body, time),
            (Self::Body(path), Said::Text(text)) => path.is_root().then(|| Value::from(text)),
            (Self::Body(_), Said::Nothing) => None,
            (Self::Header(name), _) => {
                let text = header_text(answered.headers, name);
                text.filter(|text| text.len() <= MAX_TAKEN_BYTES).map(Value::from)
            }
            (Self::Status, _) => Some(Value::from(answered.status.as_u16())),
        }
    }
}

/// The name of a response header; what is wrong with it, and what to write.
fn header_name(text: &str) -> Result<HeaderName, (String, &'static str)> {
    HeaderName::try_from(text).map_err(|_| {
        let message = format!("`{text}` is not a header name");
        (message, "a name has letters, digits and `-`, and no colon or space, such as `X-Request-Id`")
    })
}

/// The headers that a model is shown, by the names that are `written`.
pub(super) fn chosen_headers(
    written: &[String],
    problems: &mut Vec<ResponseProblem>,
) -> Vec<(String, HeaderName)> {
    let mut headers: Vec<(String, HeaderName)> = Vec::new();
    for (index, text) in written.iter().enumerate() {
        let problem = |code, message, hint| ResponseProblem {
            pointer: format!("/headers/{index}"),
            code,
            message,
            hint,
        };
        match header_name(text) {
            Err((message, hint)) => problems.push(problem("invalid_header", message, hint)),
            Ok(name) if headers.iter().any(|(_, known)| *known == name) => {
                let message = format!("the header `{text}` is named twice");
                problems.push(problem("duplicate_header", message, "once is enough, in any case of letters"));
            }
            Ok(name) => headers.push((text.clone(), name)),
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::output;
    use super::super::{Output, extract_in_time};
    use super::*;

    #[test]
    fn a_text_is_the_value_of_the_whole_and_of_no_other_path() {
        let headers = HeaderMap::new();
        let answered = Answered { status: StatusCode::OK, headers: &headers, body: Said::Text("{OK}") };
        let take = |path: &str| {
            let taken = extract_in_time(&[output(path, None, false)], &answered, &|| true);
            taken.expect("in time").into_iter().next().map(|one| one.value)
        };
        assert_eq!(take("$"), Some(json!("{OK}")));
        for path in ["$.a", "$[0]", "$.*", "$[*]", "$..*", "$[0:1]", "$[?@]"] {
            assert_eq!(take(path), None, "{path}");
        }
    }

    #[test]
    fn a_header_and_the_status_are_values_of_an_answer_without_a_body() {
        let of = |from, header: Option<&str>| {
            let header = header.map(str::to_owned);
            let (name, expose) = ("x".to_owned(), Some(true));
            let definition = OutputVariableDefinition {
                name,
                from,
                path: None,
                header,
                expose,
                sensitive: false,
                keep: false,
            };
            Output::compile(&definition).expect("valid")
        };
        let outputs = [
            of(OutputSource::Header, Some("X-Request-Id")),
            of(OutputSource::Status, None),
            of(OutputSource::Header, Some("X-Long")),
            of(OutputSource::Header, Some("X-Other")),
        ];
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", http::HeaderValue::from_static("req-1"));
        let long = "x".repeat(MAX_TAKEN_BYTES + 1);
        headers.insert("x-long", http::HeaderValue::try_from(long).expect("a value"));
        let answered = Answered { status: StatusCode::CREATED, headers: &headers, body: Said::Nothing };
        let taken = extract_in_time(&outputs, &answered, &|| true).expect("in time");
        let shown: Vec<_> = taken.into_iter().map(|one| one.shown).collect();
        assert_eq!(shown, [Some(json!("req-1")), Some(json!(201))]);
    }
}
