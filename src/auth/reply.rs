//! What a token endpoint answers: a token, or why there is none.
//!
//! The status is judged first, then the body, and of the body only what is needed: servers differ in all the rest.

use std::time::Duration;

use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use crate::action::output::decode;
use crate::egress::{Response, redirect};

/// Longest life that is believed; a server may name any number.
pub(super) const MAX_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Types of tokens that are of no use without a proof that each request carries besides.
const WITH_PROOF: [&str; 4] = ["mac", "dpop", "pop", "n_a"];
/// Errors by which an endpoint asks to wait (RFC 6749 section 4.1.2.1, RFC 8628 section 3.5).
const PASSING: [&str; 3] = ["temporarily_unavailable", "slow_down", "server_error"];
/// Members whose texts may be no words for a person.
const UNTOLD: [&str; 4] = ["token", "secret", "password", "assertion"];
/// Most texts of an answer that are told.
const MAX_WORDS: usize = 6;

/// A token that was granted.
#[derive(Clone, Debug)]
pub(super) struct Granted {
    pub(super) token: String,
    pub(super) lifetime: Option<Duration>,
}

/// Why an answer holds no token. Nothing in it is masked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoToken {
    /// The endpoint cannot answer now.
    Busy(String),
    /// It will not: the same request is refused again.
    Refused(String),
    /// It makes no sense.
    Invalid(String),
}

/// Reads an answer.
///
/// # Errors
///
/// It holds no token.
pub(super) fn read(response: &Response) -> Result<Granted, NoToken> {
    let status = response.status;
    let media = response.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let text = decode(media, &response.body).whole().unwrap_or_default();
    let members = serde_json::from_str::<Map<String, Value>>(&text).ok();
    if status.is_success() {
        return granted(status, members);
    }
    if status.is_redirection() {
        let told = redirect(status, &response.headers);
        let what = told.map(|told| format!(", {told},")).unwrap_or_default();
        return Err(NoToken::Invalid(format!("it answered {status}{what} which is not followed")));
    }
    let words = words(members.as_ref(), &text);
    let told = || {
        format!(
            "it answered {status}{}",
            words.as_ref().map(|words| format!(": {words}")).unwrap_or_default()
        )
    };
    let error = members.as_ref().and_then(|members| members.get("error")).and_then(Value::as_str);
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Err(NoToken::Busy(told())),
        _ if error.is_some_and(|error| PASSING.contains(&error)) => Err(NoToken::Busy(told())),
        _ if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
            Err(NoToken::Invalid(without(status, words)))
        }
        _ => match (error, words) {
            // Words of OAuth need no status.
            (Some(_), Some(words)) => Err(NoToken::Refused(words)),
            // It may be on its way: an endpoint that is being rolled out.
            (_, words) if status == StatusCode::NOT_FOUND => Err(NoToken::Invalid(without(status, words))),
            (_, Some(words)) => Err(NoToken::Refused(format!("{status}, {words}"))),
            (_, None) => Err(NoToken::Refused(status.to_string())),
        },
    }
}

fn without(status: StatusCode, words: Option<String>) -> String {
    match words {
        Some(words) => format!("it answered {status}: {words}"),
        None => format!("it answered {status} without an error of OAuth"),
    }
}

/// The token in an answer of success.
fn granted(status: StatusCode, members: Option<Map<String, Value>>) -> Result<Granted, NoToken> {
    let invalid = |what: &str| Err(NoToken::Invalid(what.to_owned()));
    let Some(members) = members else {
        return invalid(&format!("it answered {status} with something else than a JSON object"));
    };
    let token = match members.get("access_token") {
        Some(Value::String(token)) if !token.is_empty() => token,
        // Some servers tell of errors under a status of success.
        _ if members.get("error").is_some_and(Value::is_string) => {
            let words = words(Some(&members), "").unwrap_or_default();
            let passes = |error: &str| PASSING.contains(&error);
            return match members.get("error").and_then(Value::as_str).is_some_and(passes) {
                true => Err(NoToken::Busy(words)),
                false => Err(NoToken::Refused(words)),
            };
        }
        Some(Value::String(_)) => return invalid("the token is empty"),
        None | Some(Value::Null) => return invalid("`access_token` is missing"),
        Some(_) => return invalid("at `access_token`"),
    };
    if let Some(Value::String(kind)) = members.get("token_type")
        && WITH_PROOF.iter().any(|known| kind.trim().eq_ignore_ascii_case(known))
    {
        let kind: String = kind.chars().take(20).collect();
        return invalid(&format!("its token has the type `{kind}`, and only Bearer tokens can be sent"));
    }
    Ok(Granted { token: token.clone(), lifetime: members.get("expires_in").and_then(lifetime) })
}

/// How long a token lives: whole seconds, as a number of any kind or as a text (RFC 6749 section 5.1 does not say that it is
/// an integer, and servers know).
fn lifetime(written: &Value) -> Option<Duration> {
    let seconds = match written {
        Value::Number(number) => number.as_str().parse::<f64>().ok(),
        Value::String(text) => text.trim().parse::<f64>().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }?;
    Duration::try_from_secs_f64(seconds.clamp(0.0, MAX_LIFETIME.as_secs_f64()).trunc()).ok()
}

/// What the endpoint itself says, for the operator. Nothing is taken of a page, or of what may be a token.
fn words(members: Option<&Map<String, Value>>, text: &str) -> Option<String> {
    let mut found = Vec::new();
    match members {
        Some(members) => {
            // What OAuth names comes first (RFC 6749 section 5.2).
            let named = ["error", "error_description"];
            let named = named.iter().filter_map(|name| Some((*name, members.get(*name)?)));
            let others = members.iter().map(|(name, value)| (name.as_str(), value));
            let others =
                others.filter(|(name, _)| !matches!(*name, "error" | "error_description" | "error_uri"));
            named.chain(others).for_each(|(name, value)| collect(name, value, 0, &mut found));
        }
        None if text.trim_start().starts_with(['<', '{', '[']) => {}
        None => found.extend(Some(text.trim()).filter(|text| !text.is_empty())),
    }
    found.truncate(MAX_WORDS);
    (!found.is_empty()).then(|| found.join(", "))
}

fn collect<'v>(name: &str, value: &'v Value, depth: usize, found: &mut Vec<&'v str>) {
    let name = name.to_ascii_lowercase();
    if depth > 2 || found.len() >= MAX_WORDS || UNTOLD.iter().any(|untold| name.contains(untold)) {
        return;
    }
    match value {
        Value::String(text) if !text.trim().is_empty() => found.push(text.trim()),
        Value::Array(items) => items.iter().for_each(|item| collect("", item, depth + 1, found)),
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| collect(name, value, depth + 1, found));
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn answered(status: u16, media: &str, body: &[u8]) -> Result<Granted, NoToken> {
        let mut headers = HeaderMap::new();
        if !media.is_empty() {
            headers.insert(CONTENT_TYPE, media.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        read(&Response { status, headers, body: body.to_vec().into() })
    }

    #[test]
    fn an_object_with_an_access_token_is_a_token_whatever_stands_around_it() {
        let plain = r#"{"access_token": "shpat-1"}"#;
        for (status, media, body) in [
            (200, "application/json", r#"{"access_token": "shpat-1", "scope": "read", "expires_in": 86399}"#),
            (201, "application/json", plain),
            (202, "", plain),
            (200, "text/html; charset=utf-8", plain),
            (200, "text/plain", plain),
            (200, "text/javascript", plain),
            (200, "application/octet-stream", plain),
            (200, "application/json", "\u{feff}{\"access_token\": \"shpat-1\"}"),
            (200, "application/json", r#"{"access_token": "shpat-1", "scope": ["a", "b"]}"#),
            (200, "application/json", r#"{"access_token": "shpat-1", "token_type": null}"#),
            (200, "application/json", r#"{"access_token": "shpat-1", "token_type": "BearerToken"}"#),
            (200, "application/json", r#"{"access_token": "shpat-1", "token_type": "bearer", "error": ""}"#),
        ] {
            let granted =
                answered(status, media, body.as_bytes()).unwrap_or_else(|no| panic!("{body}: {no:?}"));
            assert_eq!(granted.token, "shpat-1", "{body}");
        }
        let utf16: Vec<u8> = plain.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(answered(200, "application/json", &utf16).unwrap().token, "shpat-1");
    }

    #[test]
    fn a_lifetime_may_be_a_text_or_a_fraction() {
        let seconds = |written: &str| {
            let body = format!(r#"{{"access_token": "t", "expires_in": {written}}}"#);
            answered(200, "", body.as_bytes()).unwrap().lifetime.map(|lifetime| lifetime.as_secs())
        };
        assert_eq!(["3600", "\"3600\"", "3600.9", "\" 3600 \""].map(seconds), [Some(3600); 4]);
        assert_eq!(["-5", "1e99"].map(seconds), [Some(0), Some(MAX_LIFETIME.as_secs())]);
        assert_eq!(["null", "\"soon\"", "[]", "true"].map(seconds), [None; 4]);
    }

    #[test]
    fn a_token_that_needs_a_proof_is_refused_by_its_type() {
        for kind in ["mac", "DPoP", "PoP", "N_A"] {
            let body = format!(r#"{{"access_token": "t", "token_type": "{kind}"}}"#);
            let expected = format!("its token has the type `{kind}`, and only Bearer tokens can be sent");
            assert_eq!(answered(200, "", body.as_bytes()).unwrap_err(), NoToken::Invalid(expected));
        }
    }

    #[test]
    fn an_endpoint_that_redirects_says_where_without_the_secrets_of_a_sign_in() {
        let mut headers = HeaderMap::new();
        let place = http::HeaderValue::from_static("https://id.example.com/login?state=xyz&lang=en");
        headers.insert(http::header::LOCATION, place);
        let response = Response { status: StatusCode::FOUND, headers, body: Vec::new().into() };
        let told = "it answered 302 Found, a redirect to `https://id.example.com/login?state=***&lang=en`, which is not followed";
        assert_eq!(read(&response).unwrap_err(), NoToken::Invalid(told.to_owned()));
    }

    #[test]
    fn an_endpoint_that_asks_to_wait_has_not_refused() {
        for (status, body, expected) in [
            (429, r#"{"error": "slow_down"}"#, "it answered 429 Too Many Requests: slow_down"),
            (429, r#"{"error": "invalid_client"}"#, "it answered 429 Too Many Requests: invalid_client"),
            (429, "", "it answered 429 Too Many Requests"),
            (
                503,
                r#"{"error": "temporarily_unavailable", "error_description": "come back"}"#,
                "it answered 503 Service Unavailable: temporarily_unavailable, come back",
            ),
            (
                400,
                r#"{"error": "temporarily_unavailable"}"#,
                "it answered 400 Bad Request: temporarily_unavailable",
            ),
            (200, r#"{"error": "slow_down"}"#, "slow_down"),
        ] {
            assert_eq!(
                answered(status, "", body.as_bytes()).unwrap_err(),
                NoToken::Busy(expected.to_owned())
            );
        }
    }

    #[test]
    fn a_refusal_of_another_shape_is_a_refusal_in_the_endpoints_own_words() {
        for (status, body, expected) in [
            (
                400,
                r#"{"errorCode": "E0000021", "errorSummary": "Bad request.", "errorId": "oae1", "errorCauses": []}"#,
                "400 Bad Request, E0000021, Bad request., oae1",
            ),
            (
                401,
                r#"{"error": {"code": 401, "message": "no such client"}}"#,
                "401 Unauthorized, no such client",
            ),
            (403, r#"{"errors": [{"detail": "not here"}]}"#, "403 Forbidden, not here"),
            (403, "<html>blocked</html>", "403 Forbidden"),
            (400, "client unknown", "400 Bad Request, client unknown"),
            (401, "", "401 Unauthorized"),
            (400, r#"{"error": "invalid_client", "error_description": "gone"}"#, "invalid_client, gone"),
            (400, r#"{"message": "no", "refresh_token": "r-1"}"#, "400 Bad Request, no"),
        ] {
            assert_eq!(
                answered(status, "", body.as_bytes()).unwrap_err(),
                NoToken::Refused(expected.to_owned()),
                "{body}"
            );
        }
    }
}
