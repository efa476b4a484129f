//! What a provider says when it fails.

use std::fmt;

use serde_json::Value;

/// A failure in a provider's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderFailure {
    /// What it says: one line, 300 characters at most.
    pub message: String,
    /// Its own code, such as `rate_limit_exceeded`, `overloaded_error` or `RESOURCE_EXHAUSTED`.
    pub code: Option<String>,
    /// What can be done about it.
    pub kind: FailureKind,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The key is wrong or may not do this, or its account has no credit: somebody has to see to it.
    Credentials,
    /// Too much was asked in too short a time.
    RateLimited,
    /// The provider cannot answer at the moment.
    Overloaded,
    /// The request is wrong, and stays so when it is sent again.
    RefusedRequest,
    /// The conversation is longer than the model takes.
    ContextTooLong,
    /// There is no such model, or nothing at this address.
    NotFound,
    /// The model has ended its answer with nothing that can be used.
    Unusable,
    /// Anything else.
    Other,
}

impl fmt::Display for ProviderFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "{} ({code})", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Most characters of a message, and of a code.
const MAX_MESSAGE: usize = 300;
const MAX_CODE: usize = 80;
/// Most bytes of a body that are looked at.
const MAX_BODY: usize = 1024 * 1024;

impl ProviderFailure {
    /// Reads the body of an answer with a status that is no success.
    pub(crate) fn of_answer(status: u16, body: &[u8]) -> Self {
        let body = &body[..body.len().min(MAX_BODY)];
        let text = String::from_utf8_lossy(body);
        let text = text.trim_start_matches('\u{feff}').trim();
        // A stream that begins and ends with an error.
        let data = text.lines().find_map(|line| line.strip_prefix("data:"));
        for json in [Some(text), data].into_iter().flatten() {
            if let Some(failure) =
                serde_json::from_str(json).ok().and_then(|value| Self::of_value(&value, Some(status)))
            {
                return failure;
            }
        }
        let message = if text.is_empty() {
            format!("status {status} without a body")
        } else if text.starts_with('<') {
            match title(text) {
                Some(title) => format!("status {status} with a page: {title}"),
                None => format!("status {status} with a page"),
            }
        } else {
            text.to_owned()
        };
        Self { kind: kind(Some(status), &[], &message), message: line(&message, MAX_MESSAGE), code: None }
    }

    /// Reads the error of a JSON value; `None` where it holds none.
    ///
    /// OpenAI `{error: {message, type, code}}`, Anthropic `{type: error, error: {type, message}}`, Gemini
    /// `{error: {code, message, status, details}}`, and that in a list; compatible servers `{error: text}`,
    /// `{object: error, message}`, `{detail}`, `{message}`, `{errors: [{message}]}`.
    pub(crate) fn of_value(value: &Value, status: Option<u16>) -> Option<Self> {
        if let Value::Array(list) = value {
            return list.first().and_then(|first| Self::of_value(first, status));
        }
        let error = [&value["error"], &value["errors"][0]].into_iter().find(|error| is_something(error));
        if let Some(error) = error {
            return Some(Self::of_error(error, value, status));
        }
        let is_error = value["type"] == "error" || value["object"] == "error";
        let tells = || ["message", "detail"].iter().any(|name| is_something(&value[name]));
        (is_error || status.is_some() && tells()).then(|| Self::of_error(value, value, status))
    }

    /// Reads the error itself; `around` is what holds it.
    pub(crate) fn of_error(error: &Value, around: &Value, status: Option<u16>) -> Self {
        let word = |value: &Value| {
            let word = value.as_str().map(|text| line(text, MAX_CODE)).filter(|word| !word.is_empty());
            word.filter(|word| word != "error")
        };
        let details = error["details"].as_array().map(Vec::as_slice).unwrap_or_default();
        let reasons = details.iter().filter_map(|detail| word(&detail["reason"]));
        let of_error = [&error["code"], &error["status"], &error["type"], &around["code"], &around["type"]];
        let words: Vec<String> = of_error.into_iter().filter_map(word).chain(reasons).collect();
        let number = [&error["code"], &around["code"]]
            .into_iter()
            .find_map(|code| code.as_u64().or_else(|| code.as_str()?.parse().ok()));
        let status = status.or_else(|| number.and_then(|code| u16::try_from(code).ok()));
        let message =
            [error, &error["message"], &error["detail"], &error["detail"][0]["msg"], &error["error"]]
                .into_iter()
                .find_map(|value| value.as_str().filter(|text| !text.trim().is_empty()))
                .map_or_else(|| error.to_string(), str::to_owned);
        Self {
            kind: kind(status, &words, &message),
            message: line(&message, MAX_MESSAGE),
            code: words.into_iter().next(),
        }
    }

    /// A failure that the end of an answer tells of by its reason.
    pub(crate) fn of_reason(code: &str, message: Option<&str>, kind: FailureKind) -> Self {
        let message = match message.map(|text| line(text, MAX_MESSAGE)).filter(|text| !text.is_empty()) {
            Some(message) => message,
            None => line(&format!("the provider ended its answer with `{code}`"), MAX_MESSAGE),
        };
        Self { message, code: Some(line(code, MAX_CODE)), kind }
    }
}

/// Whether a member says something: null, false and what is empty do not.
fn is_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is) => *is,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Number(_) => true,
    }
}

/// What a provider's messages say where its code does not: the conversation is too long.
const TOO_LONG: [&str; 8] = [
    "maximum context length",
    "context length",
    "context window",
    "context limit",
    "prompt is too long",
    "input is too long",
    "input token count",
    "exceeds the maximum number of tokens",
];

/// <https://platform.openai.com/docs/guides/error-codes>, <https://docs.anthropic.com/en/api/errors>,
/// <https://ai.google.dev/gemini-api/docs/troubleshooting>.
fn kind(status: Option<u16>, words: &[String], message: &str) -> FailureKind {
    let has = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    let status = status.unwrap_or_default();
    let lower = message.to_lowercase();
    let may_be_too_long = status != 429 && !has(&["rate_limit_exceeded", "rate_limit_error"]);
    if has(&["context_length_exceeded", "request_too_large"])
        || (may_be_too_long && (status == 413 || TOO_LONG.iter().any(|words| lower.contains(words))))
    {
        FailureKind::ContextTooLong
    } else if matches!(status, 401..=403)
        || has(&[
            "authentication_error",
            "permission_error",
            "billing_error",
            "invalid_api_key",
            "insufficient_quota",
            "API_KEY_INVALID",
            "UNAUTHENTICATED",
            "PERMISSION_DENIED",
        ])
    {
        FailureKind::Credentials
    } else if matches!(status, 413 | 429)
        || has(&["rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED"])
    {
        FailureKind::RateLimited
    } else if matches!(status, 408 | 502..=504 | 520..=529)
        || has(&[
            "overloaded_error",
            "server_is_overloaded",
            "slow_down",
            "timeout_error",
            "UNAVAILABLE",
            "DEADLINE_EXCEEDED",
        ])
    {
        FailureKind::Overloaded
    } else if status == 404 || has(&["not_found_error", "model_not_found", "NOT_FOUND"]) {
        FailureKind::NotFound
    } else if matches!(status, 400..=499)
        || has(&["invalid_request_error", "invalid_prompt", "INVALID_ARGUMENT", "FAILED_PRECONDITION"])
    {
        FailureKind::RefusedRequest
    } else {
        FailureKind::Other
    }
}

/// A text as one line of `most` characters.
fn line(text: &str, most: usize) -> String {
    let mut line = String::new();
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let mut left = most;
    for (number, word) in words.enumerate() {
        let space = if number == 0 { "" } else { " " };
        for c in space.chars().chain(word.chars()) {
            if left == 0 {
                line.pop();
                line.push('\u{2026}');
                return line;
            }
            line.push(c);
            left -= 1;
        }
    }
    line
}

/// The title of a page.
fn title(page: &str) -> Option<&str> {
    let lower = page.to_ascii_lowercase();
    let open = lower.find("<title")?;
    let begin = open + lower[open..].find('>')? + 1;
    let end = begin + lower[begin..].find("</title")?;
    Some(page[begin..end].trim()).filter(|title| !title.is_empty())
}
