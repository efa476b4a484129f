//! Where an action's requests go: a static origin, and a path that values may
//! fill but never reshape.

use url::Url;

/// Why `text` cannot be where a request goes.
///
/// # Errors
///
/// Says which rule it breaks.
pub(crate) fn check_absolute(text: &str) -> Result<Url, String> {
    let authority_end = text.find("://").map_or(0, |at| at + 3);
    let authority = text[authority_end..].split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains("{{") || text[..authority_end].contains("{{") {
        return Err("the host is static; a template may stand in the path only".to_owned());
    }
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must start with http:// or https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("credentials do not belong in a URL; use an auth connector".to_owned());
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("has no host".to_owned());
    }
    if url.fragment().is_some() {
        return Err("a fragment (`#…`) is never sent".to_owned());
    }
    // A few signs may stand in a URL (WHATWG) but in no request (RFC 3986).
    http::Uri::try_from(url.as_str()).map_err(|error| format!("cannot be sent to: {error}"))?;
    Ok(url)
}

/// Why `text` cannot be a base URL, which paths follow.
///
/// # Errors
///
/// As [`check_absolute`]; it has a template or a query.
pub(crate) fn check_base(text: &str) -> Result<Url, String> {
    let url = check_absolute(text)?;
    match url.query() {
        _ if text.contains("{{") => Err("a base URL has no template; one may stand in `path`".to_owned()),
        Some(_) => Err("a base URL has no query".to_owned()),
        None => Ok(url),
    }
}

/// Splits a base URL into its origin and its path, which is empty or starts with `/` and does not end so.
///
/// # Errors
///
/// As [`check_base`].
pub(crate) fn split_base(text: &str) -> Result<(String, String), String> {
    let url = check_base(text)?;
    let origin = url[..url::Position::BeforePath].to_owned();
    Ok((origin, url.path().trim_end_matches('/').to_owned()))
}

/// The host of `url`, where what is sent to it travels over a network without TLS.
pub(crate) fn cleartext_host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("http://")?;
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    let is_local = host == "localhost" || host.starts_with("127.") || rest.starts_with("[::1]");
    (!is_local).then_some(host)
}

/// A URL as written, in parts: `https://host/base` + `/path` + `?static`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    /// Scheme, host and port, and the connection's base path, without a `/` at the end.
    pub(crate) prefix: String,
    /// The path, a template; starts with `/`, or empty.
    pub(crate) path: String,
    /// Static query, without `?`.
    pub(crate) query: String,
}

/// Splits the path of an action from its static query.
///
/// # Errors
///
/// Says which rule the path breaks.
pub(crate) fn split_path(path: &str) -> Result<(String, String), String> {
    let (path, query) = split_query(path);
    if !path.is_empty() && !path.starts_with('/') {
        return Err("a path starts with `/`".to_owned());
    }
    if query.contains("{{") {
        return Err("a template after `?` belongs under `query:`".to_owned());
    }
    if find_outside(path, '#').is_some() || query.contains('#') {
        return Err("a fragment (`#…`) is never sent".to_owned());
    }
    if path.split(['/', '\\']).any(|segment| matches!(segment, "." | "..")) {
        return Err("`.` and `..` segments are not allowed".to_owned());
    }
    Ok((path.to_owned(), query.to_owned()))
}

/// Splits a full URL at the start of its path.
///
/// # Errors
///
/// As [`check_absolute`] and [`split_path`].
pub(crate) fn split_absolute(url: &str) -> Result<Parts, String> {
    let authority_end = url.find("://").map_or(0, |at| at + 3);
    let path_start = url[authority_end..].find(['/', '?', '#']).map_or(url.len(), |at| authority_end + at);
    let (prefix, rest) = url.split_at(path_start);
    let origin = check_absolute(prefix)?;
    let (path, query) = split_path(rest)?;
    Ok(Parts { prefix: origin.as_str().trim_end_matches('/').to_owned(), path, query })
}

/// The `?` that starts the query: the first one outside `{{…}}`.
fn split_query(text: &str) -> (&str, &str) {
    find_outside(text, '?').map_or((text, ""), |at| (&text[..at], &text[at + 1..]))
}

/// Where `sign` stands first outside of `{{…}}`.
fn find_outside(text: &str, sign: char) -> Option<usize> {
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("{{") {
            at += rest.find("}}")? + 2;
        } else if rest.starts_with(sign) {
            return Some(at);
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_splits_into_origin_path_and_query() {
        let parts = split_absolute("https://api.test:8443/orders/{{.parameters.id}}?v=2").expect("valid");
        assert_eq!(parts.prefix, "https://api.test:8443");
        assert_eq!(parts.path, "/orders/{{.parameters.id}}");
        assert_eq!(parts.query, "v=2");
        assert_eq!(split_absolute("http://h").expect("valid").path, "");
    }

    #[test]
    fn a_base_url_splits_into_the_origin_of_full_urls_and_a_path() {
        for (base, origin, path) in [
            ("https://api.openai.com/v1", "https://api.openai.com", "/v1"),
            ("http://localhost:11434/v1/", "http://localhost:11434", "/v1"),
            ("HTTPS://Api.Test:443", "https://api.test", ""),
            ("http://[::1]:8000/a/b", "http://[::1]:8000", "/a/b"),
        ] {
            assert_eq!(split_base(base), Ok((origin.to_owned(), path.to_owned())), "{base}");
            let full = split_absolute(&format!("{base}/x")).expect("valid");
            assert_eq!(full.prefix, origin, "an action with a full URL shares the lane");
        }
        for bad in ["https://h/v1?a=b", "https://h/{{.variables.a}}", "https://u:p@h/v1", "h/v1"] {
            assert!(split_base(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_what_leaves_the_machine_is_cleartext() {
        for (url, host) in [
            ("http://api.test/v1", Some("api.test")),
            ("http://10.0.0.1:8000", Some("10.0.0.1")),
            ("https://api.test", None),
            ("http://localhost:11434/v1", None),
            ("http://127.0.0.1", None),
            ("http://[::1]:80/v1", None),
        ] {
            assert_eq!(cleartext_host(url), host, "{url}");
        }
    }

    #[test]
    fn a_question_mark_inside_an_action_does_not_start_the_query() {
        assert_eq!(
            split_path("/a/{{or .parameters.x \"?\"}}").expect("valid").0,
            "/a/{{or .parameters.x \"?\"}}"
        );
        assert!(split_path("/a/{{or .parameters.x \"#\"}}").is_ok());
    }

    #[test]
    fn what_cannot_be_a_target_is_refused() {
        for bad in [
            "ftp://h/x",
            "https://u:p@h/",
            "https:///x",
            "/x",
            "https://{{.parameters.h}}/x",
            "https://h/../x",
            "https://a{b}c/x",
            "https://h/x#y",
            "https://h/x#{{.parameters.a}}",
            "https://h/{{.parameters.a}}#y",
            "https://h/x?a={{.parameters.a}}",
        ] {
            assert!(split_absolute(bad).is_err(), "{bad}");
        }
    }
}
