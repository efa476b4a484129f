//! What a request carries and how an answer is written. Parsing is by hand
//! where axum would answer in plain text: every error here is JSON.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// Largest request body: what a model is asked holds all tools and the whole conversation.
pub(super) const MAX_BODY_BYTES: usize = 256 * 1024;

/// An answer, or the answer that says why there is none.
pub(super) type Answer = Result<Reply, Reply>;

/// A JSON answer.
#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    body: Value,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Reply {
    pub(super) fn new(status: StatusCode, body: Value) -> Self {
        Self { status, body, headers: Vec::new() }
    }

    pub(super) fn error(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self::new(status, json!({"error": {"code": code, "message": message.into()}}))
    }

    /// 422: understood, but not acceptable.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::error(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", message)
    }

    pub(super) fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body.to_string()));
        *response.status_mut() = self.status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.headers_mut().extend(self.headers);
        response
    }
}

/// A request, read whole.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Bytes,
}

impl<S: Sync> FromRequest<S> for Call {
    type Rejection = Reply;

    async fn from_request(request: Request, _: &S) -> Result<Self, Reply> {
        let (parts, body) = request.into_parts();
        Ok(Self {
            path: parts.uri.path().to_owned(),
            query: pairs(parts.uri.query().unwrap_or_default()),
            headers: parts.headers,
            body: read(body).await?,
        })
    }
}

/// The whole of `body`, if it is not too large.
pub(super) async fn read(body: Body) -> Result<Bytes, Reply> {
    to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| {
        Reply::error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("the body is cut off or has more than {MAX_BODY_BYTES} bytes"),
        )
    })
}

impl Call {
    /// The header `name`, if it is there and is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The first query parameter called `name`.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        first(&self.query, name)
    }

    /// The body as a JSON object.
    pub(super) fn json(&self) -> Result<Map<String, Value>, Reply> {
        self.expect_type("application/json")?;
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(map)) => Ok(map),
            Ok(_) => {
                Err(Reply::error(StatusCode::BAD_REQUEST, "invalid_json", "the body must be a JSON object"))
            }
            Err(error) => Err(Reply::error(
                StatusCode::BAD_REQUEST,
                "invalid_json",
                format!("the body is not JSON: {error}"),
            )),
        }
    }

    /// The body as `application/x-www-form-urlencoded` fields.
    pub(super) fn form(&self) -> Result<Vec<(String, String)>, Reply> {
        self.expect_type("application/x-www-form-urlencoded")?;
        Ok(pairs(&String::from_utf8_lossy(&self.body)))
    }

    /// The body as `multipart/form-data` fields (RFC 7578).
    pub(super) fn multipart(&self) -> Result<Vec<(String, String)>, Reply> {
        let parameters = self.expect_type("multipart/form-data")?;
        let boundary = parameter(parameters, "boundary").ok_or_else(|| {
            Reply::error(StatusCode::BAD_REQUEST, "invalid_multipart", "the content type names no boundary")
        })?;
        parts(&String::from_utf8_lossy(&self.body), boundary).ok_or_else(|| {
            Reply::error(StatusCode::BAD_REQUEST, "invalid_multipart", "the body is not multipart/form-data")
        })
    }

    /// Checks the media type and returns its parameters.
    fn expect_type(&self, expected: &str) -> Result<&str, Reply> {
        let written = self.header("content-type").unwrap_or_default();
        let (media_type, parameters) = written.split_once(';').unwrap_or((written, ""));
        if media_type.trim().eq_ignore_ascii_case(expected) {
            return Ok(parameters);
        }
        let message = format!("the content type must be {expected}");
        Err(Reply::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message))
    }
}

/// The first value of `name`.
pub(super) fn first<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// The pairs of a query or of a form body, decoded.
pub(super) fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

/// Undoes `application/x-www-form-urlencoded`; what is no escape stays as it is.
pub(super) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit =
                    |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok()).unwrap_or(0);
                bytes.push(digit(*high) * 16 + digit(*low));
                rest = after;
            }
            _ => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The value of `name` in `; name="value"; …`.
fn parameter<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    parameters.split(';').find_map(|item| {
        let (key, value) = item.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

/// The named parts of a multipart body; none where it is malformed.
fn parts(body: &str, boundary: &str) -> Option<Vec<(String, String)>> {
    let delimiter = format!("\r\n--{boundary}");
    // The first delimiter has no line break before it.
    let body = format!("\r\n{body}");
    let mut sections = body.split(delimiter.as_str()).skip(1);
    let mut fields = Vec::new();
    loop {
        let section = sections.next()?;
        if section.starts_with("--") {
            return Some(fields);
        }
        let (headers, value) = section.strip_prefix("\r\n")?.split_once("\r\n\r\n")?;
        let disposition = headers.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
        })?;
        fields.push((parameter(disposition, "name")?.to_owned(), value.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded_and_broken_escapes_are_kept() {
        let expected = [("a", "x y/é"), ("b", "%zz%"), ("c", ""), ("a", "2")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(pairs("a=x+y%2F%C3%A9&b=%zz%&c&&a=2"), expected);
    }

    #[test]
    fn multipart_parts_are_found_by_name() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"note\"; filename=\"n.txt\"\r\n\
                    Content-Type: text/plain\r\n\r\nline 1\r\nline 2\r\n--b--\r\n";
        assert_eq!(parts(body, "b"), Some(vec![("note".to_owned(), "line 1\r\nline 2".to_owned())]));
    }

    #[test]
    fn a_multipart_body_without_its_end_is_refused() {
        for body in ["", "--b", "--b\r\n\r\nx", "--b\r\nA: b\r\n\r\nx\r\n--b--", "nothing"] {
            assert_eq!(parts(body, "b"), None, "{body:?}");
        }
    }
}
