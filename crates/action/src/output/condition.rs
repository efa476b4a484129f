//! What an answer must be to count as a success.

use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use serde_json_path::JsonPath;

use super::headers::by_name;
use super::nesting;
use super::reach::Reach;

/// What a condition may look at.
const MEMBERS: [&str; 3] = ["status", "headers", "body"];

/// A condition on an answer: a filter expression of JSONPath over `{status, headers, body}`.
#[derive(Debug)]
pub struct Condition {
    path: JsonPath,
    reach: Reach,
}

/// Why a condition cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionProblem {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl Condition {
    /// Compiles a filter expression.
    ///
    /// # Errors
    ///
    /// It is none, or it looks at something that no answer has.
    pub(crate) fn compile(text: &str) -> Result<Self, ConditionProblem> {
        let problem = |message: String, hint: String| ConditionProblem { message, hint };
        let example = || "a condition looks like `@.body.verified == true` (RFC 9535)".to_owned();
        nesting::check(text).map_err(|error| problem(format!("invalid condition: {error}"), example()))?;
        // In parentheses it is one expression, and no list of selectors.
        let filter = format!("$[?({text})]");
        let path = JsonPath::parse(&filter)
            .map_err(|error| problem(format!("invalid condition `{text}`: {error}"), example()))?;
        let outside = outside_of_quotes(text);
        if outside.contains('$') {
            let message = format!("the condition `{text}` uses `$`, but the answer is `@` here");
            return Err(problem(message, example()));
        }
        let mut looks = false;
        for rest in outside.split('@').skip(1) {
            // What follows `@` inside of a filter of its own is an item of the answer.
            let Some(rest) = rest.strip_prefix('.') else { continue };
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let name = &rest[..end];
            let is_nested = looks && outside.contains("[?");
            if !name.is_empty() && !MEMBERS.contains(&name) && !is_nested {
                let message = format!("an answer has no `{name}`: it has `status`, `headers` and `body`");
                return Err(problem(message, format!("write `@.body.{name}`")));
            }
            looks = true;
        }
        if !outside.contains('@') {
            let message = format!("the condition `{text}` looks at nothing of the answer");
            return Err(problem(message, example()));
        }
        if let Some(name) = capital_header(text) {
            let message =
                format!("the condition asks for the header `{name}`, and names are lower case here");
            return Err(problem(message, format!("write `{}`", name.to_ascii_lowercase())));
        }
        Ok(Self { path, reach: Reach::of(&filter) })
    }

    /// Whether an answer is a success; `body` is `None` where there is none that can be read. `None` where to tell
    /// it would take too long.
    pub fn holds(&self, status: StatusCode, headers: &HeaderMap, body: &mut Option<Value>) -> Option<bool> {
        if !body.as_ref().is_none_or(|body| self.reach.allows(body)) {
            return None;
        }
        let mut answers = json!([{"status": status.as_u16(), "headers": by_name(headers)}]);
        // Lent to the query, which takes one value: a copy would take as long as the query does.
        if let Some(body) = body {
            answers[0]["body"] = body.take();
        }
        let holds = !self.path.query(&answers).is_empty();
        if let Some(body) = body {
            *body = answers[0]["body"].take();
        }
        Some(holds)
    }
}

/// `text` with spaces in place of what stands in quotes.
fn outside_of_quotes(text: &str) -> String {
    let (mut quote, mut escaped) = (None, false);
    text.chars()
        .map(|c| match quote {
            Some(open) => {
                if !escaped && c == open {
                    quote = None;
                }
                escaped = !escaped && c == '\\';
                ' '
            }
            None if matches!(c, '\'' | '"') => {
                quote = Some(c);
                ' '
            }
            None => c,
        })
        .collect()
}

/// The name of a header in which a letter is a capital one: no answer has it.
fn capital_header(text: &str) -> Option<&str> {
    text.match_indices("headers").find_map(|(at, word)| {
        let rest = &text[at + word.len()..];
        let rest = rest
            .strip_prefix('.')
            .or_else(|| rest.strip_prefix("['"))
            .or_else(|| rest.strip_prefix("[\""))?;
        let end =
            rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_')).unwrap_or(rest.len());
        let name = &rest[..end];
        name.contains(|c: char| c.is_ascii_uppercase()).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(condition: &str, status: u16, body: &Value, expected: bool) {
        let condition = Condition::compile(condition).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-result", http::HeaderValue::from_static("ok"));
        let status = StatusCode::from_u16(status).unwrap();
        let mut lent = Some(body.clone());
        assert_eq!(condition.holds(status, &headers, &mut lent), Some(expected), "{condition:?} {body}");
        assert_eq!(lent.as_ref(), Some(body), "it is given back");
    }

    #[test]
    fn a_condition_looks_at_status_headers_and_body() {
        check("@.body.verified == true", 200, &json!({"verified": true}), true);
        check("@.body.verified == true", 200, &json!({"verified": false}), false);
        check("@.body.verified == true", 200, &json!({"verified": "true"}), false);
        check("@.body.verified == true", 200, &json!([]), false);
        check("@.body.data != null && !@.body.errors", 200, &json!({"data": {"a": 1}}), true);
        check("@.body.data != null && !@.body.errors", 200, &json!({"data": {}, "errors": [{}]}), false);
        check("@.body.data != null && !@.body.errors", 200, &json!({"data": null}), false);
        check("@.status == 201", 201, &json!({}), true);
        check("@.status != 202", 202, &json!({}), false);
        check("@.headers['x-result'] == 'ok'", 200, &json!({}), true);
        check("@.body == 'OK' || length(@.body) > 4", 200, &json!("OK 17"), true);
        check("count(@.body.items[?@.open == true]) > 0", 200, &json!({"items": [{"open": true}]}), true);
        check("@.body.price == '$5'", 200, &json!({"price": "$5"}), true);
    }

    #[test]
    fn a_condition_that_can_never_be_right_is_refused() {
        let message = |text: &str| Condition::compile(text).unwrap_err().message;
        assert!(message("@.body.a ==").starts_with("invalid condition `@.body.a ==`"));
        assert!(message("true == true, 0").starts_with("invalid condition"));
        assert!(message("1 == 1").contains("looks at nothing of the answer"));
        assert!(message("$.body.ok == true").contains("uses `$`"));
        assert!(message("@.verified == true").contains("an answer has no `verified`"));
        assert!(message("@.headers['X-Result'] == 'ok'").contains("`X-Result`"));
    }
}
