//! A URL with placeholders → a static origin, a path, a query.

use callgate_text::percent;
use url::Url;

use callgate_action::secret_like;

use super::{PlainBody, PlainRequest, Refusal};

/// Longest URL.
const MAX_URL: usize = 64 * 1024;

/// A URL in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UrlParts {
    /// Scheme, host and port; with `--base-url` all of that.
    pub(super) origin: String,
    /// The path as written, with placeholders; starts with `/` or is empty.
    pub(super) path: String,
    /// The query, decoded.
    pub(super) query: Vec<(String, String)>,
    /// User and password.
    pub(super) userinfo: Option<(String, String)>,
}

const DYNAMIC: &str = "name the static part with --base-url https://…";

/// Splits the URL of `request`; `base_url` takes the place of its origin.
pub(super) fn split(request: &PlainRequest, base_url: Option<&str>) -> Result<UrlParts, Refusal> {
    if request.url.len() > MAX_URL {
        return Err(Refusal("invalid_url", format!("a URL of {} bytes", request.url.len()), "shorten it"));
    }
    let text = request.known.filled_openly(&request.url);
    let text = text.trim();
    let (authority, rest, scheme) = match text.split_once("://") {
        Some((scheme, rest)) if !scheme.contains(['/', '?', '{']) => {
            let end = find_outside(rest, &['/', '?', '#']).unwrap_or(rest.len());
            (&rest[..end], &rest[end..], scheme.to_ascii_lowercase())
        }
        _ => {
            let end = find_outside(text, &['/', '?', '#']).unwrap_or(text.len());
            (&text[..end], &text[end..], "https".to_owned())
        }
    };
    // User and password may be secrets, for which there is a connector.
    let authority = request.known.filled(authority);
    let (userinfo, authority) = match authority.rsplit_once('@') {
        Some((user, host)) if !user.contains('{') => {
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            (Some((decode(user), decode(password))), host)
        }
        _ => (None, &*authority),
    };
    let origin = match base_url {
        Some(base_url) => base_url.trim_end_matches('/').to_owned(),
        None if authority.contains(['{', '}']) => {
            return Err(Refusal(
                "dynamic_host",
                "the host is a placeholder; a host is static".to_owned(),
                DYNAMIC,
            ));
        }
        None if authority.is_empty() => {
            return Err(Refusal("invalid_url", "the URL names no host".to_owned(), DYNAMIC));
        }
        None => format!("{scheme}://{authority}"),
    };
    let parsed = Url::parse(&origin)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some());
    let Some(parsed) = parsed else {
        return Err(Refusal("invalid_url", "the URL is not one of http or https".to_owned(), DYNAMIC));
    };
    let rest = &rest[..find_outside(rest, &['#']).unwrap_or(rest.len())];
    // A base URL of `/` leaves two slashes.
    let rest = if authority.is_empty() && rest.starts_with("//") { &rest[1..] } else { rest };
    let (path, query) = match find_outside(rest, &['?']) {
        Some(at) => (&rest[..at], &rest[at + 1..]),
        None => (rest, ""),
    };
    Ok(UrlParts {
        origin: parsed.as_str().trim_end_matches('/').to_owned(),
        path: path.to_owned(),
        query: pairs(query),
        userinfo,
    })
}

/// The host of `request`, as far as it is known, without user and password:
/// `api.example.com`, `{{host}}`; empty where the URL names none.
pub(crate) fn host(request: &PlainRequest) -> String {
    let text = request.known.filled_openly(&request.url);
    let text = text.trim();
    let rest = match text.split_once("://") {
        Some((scheme, rest)) if !scheme.contains(['/', '?', '{']) => rest,
        _ => text,
    };
    let authority = &rest[..find_outside(rest, &['/', '?', '#']).unwrap_or(rest.len())];
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    // The name of a variable is as it is written.
    let host = if host.contains('{') { host.to_owned() } else { host.to_ascii_lowercase() };
    host.chars().filter(|c| !c.is_control()).take(100).collect()
}

/// `a=1&b=2`, decoded; placeholders stay as they are.
pub(crate) fn pairs(query: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = query;
    while !rest.is_empty() {
        let end = find_outside(rest, &['&']).unwrap_or(rest.len());
        let pair = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        if pair.is_empty() {
            continue;
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        pairs.push((decode(name), decode(value)));
    }
    pairs
}

fn decode(text: &str) -> String {
    percent::decode_lossy(&text.replace('+', " "))
}

/// Whose webhook the address is, where who knows it may write to it.
pub(super) fn hook(origin: &str, path: &str) -> Option<&'static str> {
    let origin = Url::parse(origin).ok()?;
    let host = origin.host_str()?;
    let is_of =
        |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    match path.trim_start_matches('/').split('/').next()? {
        "services" | "triggers" | "workflows" if is_of("hooks.slack.com") => Some("Slack"),
        "api" if (is_of("discord.com") || is_of("discordapp.com")) && path.contains("/webhooks/") => {
            Some("Discord")
        }
        "webhook" | "webhookb2" if is_of("webhook.office.com") || is_of("outlook.office.com") => {
            Some("Teams")
        }
        _ => None,
    }
}

/// Where one of `wanted` stands outside `{{…}}` and `{%…%}`.
fn find_outside(text: &str, wanted: &[char]) -> Option<usize> {
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let close = if rest.starts_with("{{") {
            rest.find("}}")
        } else if rest.starts_with("{%") {
            rest.find("%}")
        } else {
            None
        };
        if let Some(close) = close {
            at += close + 2;
            continue;
        }
        let c = rest.chars().next()?;
        if wanted.contains(&c) {
            return Some(at);
        }
        at += c.len_utf8();
    }
    None
}

/// The method of `request`, or the one that follows from its body.
pub(super) fn method(request: &PlainRequest) -> String {
    let default = if request.body.is_empty() { "GET" } else { "POST" };
    request.method.as_deref().unwrap_or(default).trim().to_ascii_uppercase()
}

/// The path of `request`, as the source writes it.
pub(super) fn path(request: &PlainRequest) -> String {
    let url = request.known.filled_openly(&request.url);
    let rest = url.split_once("://").map_or(&*url, |(_, rest)| rest);
    let start = find_outside(rest, &['/']).unwrap_or(rest.len());
    let end = find_outside(rest, &['?', '#']).unwrap_or(rest.len()).max(start);
    if start == end { "/".to_owned() } else { rest[start..end].to_owned() }
}

/// Method and path of a request, as they tell what it does: without versions,
/// numbers of things and secrets.
pub(super) fn called(request: &PlainRequest) -> (String, String) {
    let url = request.known.filled_openly(&request.url);
    let path = url.split_once("://").map_or(&*url, |(_, rest)| rest);
    let start = find_outside(path, &['/']).unwrap_or(path.len());
    let end = find_outside(path, &['?', '#']).unwrap_or(path.len());
    let verb = match (&request.method, &request.body) {
        (Some(method), _) => method.clone(),
        (None, PlainBody::Flat) => "get".to_owned(),
        (None, _) => "post".to_owned(),
    };
    let (host, path) = (&path[..start], path.get(start..end.max(start)).unwrap_or_default());
    // Of an address that is a secret, the host is all that may be told.
    let path = if hook(&format!("https://{host}"), path).is_some() { host } else { path };
    // Versions and numbers of things say nothing about what a tool does.
    let is_version = |part: &str| {
        part.len() > 1 && part.starts_with('v') && part[1..].bytes().all(|b| b.is_ascii_digit() || b == b'.')
    };
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let parts = path.split('/').filter(|part| {
        !is_version(part)
            && !is_number(part)
            && !secret_like::is_random(part, 20)
            && !secret_like::holds_known_form(part)
            && !secret_like::is_uuid(part)
    });
    (verb.to_ascii_lowercase(), parts.collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use crate::request::Known;

    use super::*;

    fn request(url: &str) -> PlainRequest {
        PlainRequest {
            url: url.to_owned(),
            known: Known::new(vec![("base".to_owned(), "https://api.test/v1".to_owned())]).into(),
            ..PlainRequest::default()
        }
    }

    #[test]
    fn a_url_is_cut_around_its_placeholders() {
        let Ok(parts) = split(
            &request("https://u:p%40@api.test:8443/a/{{x | default: \"?/\"}}/b?q={{y}}&z=a%20b#f"),
            None,
        ) else {
            panic!()
        };
        assert_eq!(parts.origin, "https://api.test:8443");
        assert_eq!(parts.path, "/a/{{x | default: \"?/\"}}/b");
        assert_eq!(parts.query, [("q".to_owned(), "{{y}}".to_owned()), ("z".to_owned(), "a b".to_owned())]);
        assert_eq!(parts.userinfo, Some(("u".to_owned(), "p@".to_owned())));
        let Ok(parts) = split(&request("{{base}}/orders"), None) else { panic!() };
        assert_eq!((parts.origin.as_str(), parts.path.as_str()), ("https://api.test", "/v1/orders"));
        let Ok(parts) = split(&request("{{other}}/orders"), Some("https://b.test/x/")) else { panic!() };
        assert_eq!((parts.origin.as_str(), parts.path.as_str()), ("https://b.test/x", "/orders"));
    }

    #[test]
    fn a_host_that_is_no_host_is_refused() {
        for (url, code) in [
            ("{{other}}/orders", "dynamic_host"),
            ("https://{{tenant}}.api.test/", "dynamic_host"),
            ("ftp://api.test/", "invalid_url"),
            ("", "invalid_url"),
            ("/orders", "invalid_url"),
            ("file:///etc/passwd", "invalid_url"),
        ] {
            assert_eq!(split(&request(url), None).err().map(|refusal| refusal.0), Some(code), "{url}");
        }
    }
}
