//! `servers` → a connection, with base URLs by environment.

use serde_json::Value;
use url::Url;

use crate::bundle::Bundle;
use crate::json::{scalar, text};
use crate::placeholder::short;
use crate::request::Refusal;

/// Words of URLs and descriptions, and the environments they tell of.
const WORDS: &[(&str, &[&str])] = &[
    ("staging", &["staging", "stage", "preprod", "preview", "uat", "qa"]),
    ("sandbox", &["sandbox"]),
    ("development", &["development", "dev", "local", "localhost"]),
    ("test", &["test", "testing"]),
    ("production", &["production", "prod", "live"]),
];

/// The name of the connection for `servers`, made where there is none.
pub(super) fn connection(
    servers: Option<&Value>,
    title: &str,
    bundle: &mut Bundle<'_>,
) -> Result<String, Refusal> {
    let options = bundle.options;
    let servers = servers.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if let Some(base_url) = &options.base_url {
        let url = moved(base_url, servers, bundle);
        return Ok(bundle.connection(&url, title));
    }
    let mut urls: Vec<(String, String)> = Vec::new();
    for server in servers {
        let url = absolute(&filled(server), options.source_url.as_deref());
        if let Some(url) = url {
            urls.push((url, text(server, "description").to_owned()));
        }
    }
    // A developer's own machine is where calls go only if there is nothing else.
    let chosen = urls.iter().find(|(url, _)| !is_local(url)).or(urls.first());
    let Some((first, described)) = chosen.cloned() else {
        let message = match servers.first() {
            Some(server) => format!(
                "the server `{}` is not an absolute URL",
                text(server, "url").chars().filter(|c| !c.is_control()).take(80).collect::<String>()
            ),
            None => "the document names no server".to_owned(),
        };
        return Err(Refusal("no_server", message, "name it with --base-url https://…"));
    };
    let known = bundle.connections.iter().any(|known| known.base_url == first.trim_end_matches('/'));
    let name = bundle.connection(&first, title);
    if known {
        return Ok(name);
    }
    tell_variables(servers, bundle);
    tell_first(servers, &first, bundle);
    let mut environments: Vec<(String, String)> = Vec::new();
    for (url, described) in urls.iter().filter(|(url, _)| *url != first) {
        let served = options.environments.as_ref();
        match environment(url, described).filter(|name| environments.iter().all(|(known, _)| known != name)) {
            Some(name) if served.is_none_or(|served| served.iter().any(|served| served == name)) => {
                environments.push((name.to_owned(), url.clone()));
            }
            _ => bundle.todo(
                "#/servers",
                "",
                "server",
                format!("the server {url} belongs to no environment of the project"),
                "add it under `environments` of the connection, or import with --base-url",
            ),
        }
    }
    if !environments.is_empty() {
        let own = environment(&first, &described).unwrap_or("production");
        if environments.iter().all(|(known, _)| known != own) && options.environments.is_none() {
            environments.insert(0, (own.to_owned(), first));
        }
        if let Some(connection) = bundle.connections.iter_mut().find(|known| known.name == name) {
            connection.environments = environments;
        }
    }
    Ok(name)
}

/// Says that the base URL is not the server that the document means first.
fn tell_first(servers: &[Value], chosen: &str, bundle: &mut Bundle<'_>) {
    let Some(server) = servers.first() else { return };
    let written = short(text(server, "url"));
    let is_known = absolute(&filled(server), bundle.options.source_url.as_deref()).is_some();
    let why = match is_known {
        true if is_local(chosen) => "is the machine of a developer",
        true => return,
        false if written.contains(['{', '}']) => "holds a variable without a default",
        false => "is relative to where the document is served, which a file does not say",
    };
    let then = if is_known { String::new() } else { format!("; {chosen} is called instead") };
    bundle.todo(
        "#/servers/0",
        "",
        "server",
        format!("the first server `{written}` {why}{then}"),
        "name the base URL with --base-url https://…, or write it into the connection",
    );
}

/// Whether only the machine that the document was written on answers there.
fn is_local(url: &str) -> bool {
    let url = Url::parse(url).ok();
    match url.as_ref().and_then(Url::host) {
        Some(url::Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost"
                || [".localhost", ".local"].iter().any(|end| name.ends_with(end))
                || name == "host.docker.internal"
        }
        Some(url::Host::Ipv4(ip)) => ip.is_loopback() || ip.is_unspecified(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unspecified(),
        None => false,
    }
}

/// `base_url`, with the path of the first server where it has none itself.
fn moved(base_url: &str, servers: &[Value], bundle: &mut Bundle<'_>) -> String {
    let base = Url::parse(base_url).ok().filter(|base| base.path() == "/");
    let (Some(mut base), Some(server)) = (base, servers.first()) else { return base_url.to_owned() };
    let url = filled(server);
    let source = bundle.options.source_url.as_deref().and_then(|source| Url::parse(source).ok());
    let source = source.as_ref().unwrap_or(&base);
    let varies = path_of(text(server, "url"), source).is_none();
    let Some(path) = path_of(&url, source) else {
        let message = format!("the path of the server `{}` is not known", short(&url));
        if bundle.report.notes.iter().all(|note| note.message != message) {
            let hint = "name it with --base-url https://…/path";
            bundle.todo("#/servers/0", "", "server", message, hint);
        }
        return base_url.to_owned();
    };
    base.set_path(&path);
    let moved = String::from(base);
    let is_new = bundle.connections.iter().all(|known| known.base_url != moved.trim_end_matches('/'));
    if varies && is_new {
        tell_variables(&servers[..1], bundle);
    }
    moved
}

/// The path of a server, whatever its host is; `None` where it holds a variable
/// without a default.
fn path_of(url: &str, source: &Url) -> Option<String> {
    let path = match url.split_once("//") {
        Some((scheme, rest)) if scheme.is_empty() || scheme.ends_with(':') => {
            &rest[rest.find('/').unwrap_or(rest.len())..]
        }
        _ => url,
    };
    if path.contains(['{', '}']) {
        return None;
    }
    let path = if path.is_empty() { "/" } else { path };
    Some(source.join(path).ok()?.path().to_owned())
}

/// The URL of a server with the defaults of its variables.
fn filled(server: &Value) -> String {
    let mut url = text(server, "url").to_owned();
    for (name, variable) in server.get("variables").and_then(Value::as_object).into_iter().flatten() {
        let default = variable.get("default").map(scalar).unwrap_or_default();
        url = url.replace(&format!("{{{name}}}"), &default);
        if url.len() > 4_096 {
            break;
        }
    }
    url
}

fn tell_variables(servers: &[Value], bundle: &mut Bundle<'_>) {
    for (index, server) in servers.iter().enumerate() {
        let names: Vec<String> = server
            .get("variables")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(|map| map.keys())
            .map(|name| format!("`{name}`"))
            .collect();
        if !names.is_empty() {
            let message = format!("the server variables {} have their defaults", names.join(", "));
            bundle.todo(
                &format!("#/servers/{index}"),
                "",
                "server_variables",
                message,
                "write the base URL you mean into the connection",
            );
        }
    }
}

/// `url` made absolute; `None` where that cannot be.
fn absolute(url: &str, source: Option<&str>) -> Option<String> {
    if url.contains(['{', '}']) {
        return None;
    }
    let url = match source.and_then(|source| Url::parse(source).ok()) {
        Some(base) => base.join(url).ok()?,
        None => Url::parse(url).ok()?,
    };
    let is_web =
        matches!(url.scheme(), "http" | "https") && url.host_str().is_some() && url.query().is_none();
    is_web.then(|| url.as_str().trim_end_matches('/').to_owned())
}

fn environment(url: &str, described: &str) -> Option<&'static str> {
    let words: Vec<String> = format!("{described} {url}")
        .to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .map(str::to_owned)
        .collect();
    let told = WORDS.iter().find(|(_, known)| words.iter().any(|word| known.contains(&word.as_str())));
    told.map(|(name, _)| *name)
}
