//! Where a redirect leads, as a log may say it.
//!
//! Nothing is followed, so the place is for the operator only. A user, a password, a fragment and whatever looks like a
//! secret in the path or the query (a code of a sign-in, a signature, the token of a link) do not belong in a log.

use http::header::LOCATION;
use http::{HeaderMap, StatusCode};
use url::{Position, Url, form_urlencoded};

use crate::action::output::header_text;
use crate::action::secret_like;

/// Stands for what is not told.
const MASK: &str = "***";
/// Longest place that is told, in characters.
const MAX_CHARS: usize = 500;
/// Names of query parameters that hold a part of a sign-in, besides those that look like secrets everywhere.
const SIGN_IN: &[&str] =
    &["code", "state", "nonce", "ticket", "otp", "assertion", "samlrequest", "samlresponse", "relaystate"];
/// Stands for the host that a relative reference leaves out.
const NOWHERE: &str = "http://relative.invalid/";

/// Says that an answer is a redirect, and where it leads; `None` where it is none. Secrets that are known are for the caller to mask.
pub(crate) fn redirect(status: StatusCode, headers: &HeaderMap) -> Option<String> {
    if !status.is_redirection() || status == StatusCode::NOT_MODIFIED {
        return None;
    }
    Some(match header_text(headers, &LOCATION) {
        Some(location) => format!("a redirect to `{}`", place(&location)),
        None => "a redirect that names no place".to_owned(),
    })
}

/// The place that `location` names (a URL or a reference, RFC 9110 section 10.2.2), without what looks like a secret.
pub(crate) fn place(location: &str) -> String {
    let unreadable = || "(a place that cannot be read)".to_owned();
    let absolute = Url::parse(location);
    let has_scheme = absolute.is_ok();
    let parsed = absolute.or_else(|_| Url::parse(NOWHERE)?.join(location));
    let Ok(mut url) = parsed else { return unreadable() };
    if url.cannot_be_a_base() {
        return format!("{}:…", url.scheme());
    }
    let has_user = !url.username().is_empty() || url.password().is_some();
    if has_user && (url.set_username(MASK).is_err() || url.set_password(None).is_err()) {
        return unreadable();
    }
    if url.fragment().is_some_and(|fragment| !fragment.is_empty()) {
        url.set_fragment(Some(MASK));
    }
    let query = url.query().map(masked_query);
    url.set_query(query.as_deref());
    let segments = url
        .path()
        .split('/')
        .map(|segment| if secret_like::is_secret_value(segment) { MASK } else { segment });
    let path = segments.collect::<Vec<_>>().join("/");
    url.set_path(&path);
    let shown = match (has_scheme, url.as_str().starts_with(NOWHERE)) {
        (true, _) => url.as_str().to_owned(),
        (false, true) => url[Position::BeforePath..].to_owned(),
        (false, false) => format!("//{}", &url[Position::BeforeUsername..]),
    };
    let shown: String = shown.chars().map(|c| if c == '`' { '\'' } else { c }).collect();
    match shown.char_indices().nth(MAX_CHARS) {
        None => shown,
        Some((at, _)) => format!("{}…", &shown[..at]),
    }
}

fn masked_query(query: &str) -> String {
    let pairs = query.split('&').map(|pair| {
        let Some((name, value)) = form_urlencoded::parse(pair.as_bytes()).next() else {
            return pair.to_owned();
        };
        let is_of_sign_in = SIGN_IN.iter().any(|known| name.eq_ignore_ascii_case(known));
        if value.is_empty() {
            // A query may be nothing but a token.
            return if secret_like::is_secret_value(&name) { MASK.to_owned() } else { pair.to_owned() };
        }
        if is_of_sign_in || secret_like::is_secret_name(&name) || secret_like::holds_secret_value(&value) {
            let written = pair.split('=').next().unwrap_or_default();
            return format!("{written}={MASK}");
        }
        pair.to_owned()
    });
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_without_what_looks_like_a_secret() {
        for (location, expected) in [
            (
                "https://api.example.com/v2/orders?lang=en&page=2",
                "https://api.example.com/v2/orders?lang=en&page=2",
            ),
            ("/v2/orders", "/v2/orders"),
            ("orders?x=1", "/orders?x=1"),
            ("//other.example.com:8443/a", "//other.example.com:8443/a"),
            ("https://ann:pa55@example.com/", "https://***@example.com/"),
            ("https://ann@example.com/", "https://***@example.com/"),
            ("https:\\\\ann:pa55@example.com\\a", "https://***@example.com/a"),
            ("/login?code=abc&state=xyz&next=%2Fhome", "/login?code=***&state=***&next=%2Fhome"),
            ("/file?X-Amz-Signature=0a1b&Expires=5", "/file?X-Amz-Signature=***&Expires=5"),
            ("/cb#access_token=abc", "/cb#***"),
            ("/magic/x7Kq9ZbT2mWv4RcY8nLp3HsD6fGj1AeU/open", "/magic/***/open"),
            ("/?x7Kq9ZbT2mWv4RcY8nLp3HsD6fGj1AeU", "/?***"),
            ("javascript:alert(1)", "javascript:…"),
            ("http://[::1", "(a place that cannot be read)"),
            ("/a`b", "/a%60b"),
        ] {
            assert_eq!(place(location), expected, "{location}");
        }
        let long = place(&format!("/{}", "ab/".repeat(1_000)));
        assert_eq!(long.chars().count(), MAX_CHARS + 1);
    }

    #[test]
    fn only_a_redirect_is_one() {
        let mut headers = HeaderMap::new();
        assert_eq!(redirect(StatusCode::FOUND, &headers).as_deref(), Some("a redirect that names no place"));
        headers.insert(LOCATION, http::HeaderValue::from_static("/v2"));
        let told = redirect(StatusCode::PERMANENT_REDIRECT, &headers);
        assert_eq!(told.as_deref(), Some("a redirect to `/v2`"));
        assert_eq!(redirect(StatusCode::NOT_MODIFIED, &headers), None);
        assert_eq!(redirect(StatusCode::CREATED, &headers), None);
    }
}
