//! `callgate import postman FILE`: a collection of format 2.0 or 2.1 → actions.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use callgate_action::secret_like;

use super::bundle::Bundle;
use super::json::{first_text, pairs, scalar, text};
use super::placeholder::short;
use super::report::ImportError;
use super::request::{
    Graphql, Known, NamedConnector, PathVariable, PlainBody, PlainPart, PlainRequest, connector_keys, lower,
};
use super::{describe, hosts, names};

/// Deepest nesting of folders.
const MAX_FOLDERS: usize = 32;
/// Most bytes that the variables of all folders may come to, each with those of what it is in.
const MAX_TEXTS: usize = 64 * 1024 * 1024;

/// Variables: name, text.
type Texts = Vec<(String, String)>;

/// What a folder gives to what is in it.
#[derive(Clone)]
struct Folder<'v> {
    names: Vec<String>,
    auth: Option<&'v Value>,
    pointer: String,
    /// Its variables, after those of what it is in.
    texts: Arc<Texts>,
    known: Arc<Known>,
}

impl Folder<'_> {
    /// The variables of `item`, which is in it, together with its own; `None` where they are too many.
    fn texts_of(&self, item: &Value, seen: &mut Seen<'_>) -> Option<(Arc<Texts>, Arc<Known>)> {
        let own = seen.open(pairs(item.get("variable")));
        if own.is_empty() {
            return Some((Arc::clone(&self.texts), Arc::clone(&self.known)));
        }
        if seen.texts > MAX_TEXTS {
            return None;
        }
        let texts: Texts = self.texts.iter().cloned().chain(own).collect();
        // What a variable outside is made of may be another one in here.
        let known = Known::new(texts.clone());
        seen.texts += known.size() + texts.iter().map(|(name, text)| name.len() + text.len()).sum::<usize>();
        (seen.texts <= MAX_TEXTS).then(|| (Arc::new(texts), Arc::new(known)))
    }
}

/// What is seen of a collection on the way through it.
struct Seen<'o> {
    scripts: bool,
    /// Bytes of the variables of folders.
    texts: usize,
    /// What `--base-url` says of variables, whatever the collection says.
    urls: &'o BTreeMap<String, String>,
    /// Whether descriptions tell what is required, as generated ones do.
    tells_required: bool,
    requests: Vec<PlainRequest>,
}

impl Seen<'_> {
    /// `texts` without those that are given.
    fn open(&self, texts: Texts) -> Texts {
        texts.into_iter().filter(|(name, _)| !self.urls.contains_key(name)).collect()
    }
}

/// How generated descriptions begin of what a request has to have.
const REQUIRED: &str = "(Required)";

/// Reads the collection `root`.
pub(super) fn import(root: &Value, bundle: &mut Bundle<'_>) -> Result<(), ImportError> {
    // The API of Postman wraps what the app exports.
    let (root, base) = match root.get("collection") {
        Some(inner) if inner.get("item").is_some() => (inner, "#/collection"),
        _ => (root, "#"),
    };
    let Some(items) = root.get("item").and_then(Value::as_array) else {
        let is_v1 = root.get("requests").is_some() && root.get("order").is_some();
        let message = if is_v1 {
            "this is a collection of format 1"
        } else {
            "this is no Postman collection: it has no `item`"
        };
        return Err(ImportError::new("unsupported_format", message, "export it as Collection v2.1"));
    };
    let mut seen = Seen {
        scripts: root.get("event").is_some_and(has_script),
        texts: 0,
        urls: &bundle.options.urls,
        tells_required: false,
        requests: Vec::new(),
    };
    let mut texts = seen.open(pairs(root.get("variable")));
    texts.extend(seen.urls.clone());
    let (texts, known) = (Arc::new(texts.clone()), Arc::new(Known::new(texts)));
    let folder = Folder { names: Vec::new(), auth: root.get("auth"), pointer: base.to_owned(), texts, known };
    walk(items, &folder, &mut seen, bundle);
    let mut requests = std::mem::take(&mut seen.requests);
    hosts::tell(&mut requests, bundle);
    for mut request in requests {
        if !seen.tells_required {
            request.optional.clear();
        }
        lower(bundle, request);
    }
    if seen.scripts {
        bundle.lossy(
            base,
            "",
            "script",
            "scripts before and after requests are not run",
            "what a script computes has to come from the caller or the upstream",
        );
    }
    Ok(())
}

fn has_script(events: &Value) -> bool {
    let lines = |event: &Value| {
        event.pointer("/script/exec").is_some_and(|exec| match exec {
            Value::Array(lines) => {
                lines.iter().any(|line| line.as_str().is_some_and(|line| !line.trim().is_empty()))
            }
            Value::String(text) => !text.trim().is_empty(),
            _ => false,
        })
    };
    events.as_array().is_some_and(|events| events.iter().any(lines))
}

fn walk(items: &[Value], folder: &Folder<'_>, seen: &mut Seen<'_>, bundle: &mut Bundle<'_>) {
    for (index, item) in items.iter().enumerate() {
        let pointer = format!("{}/item/{index}", folder.pointer);
        seen.scripts |= item.get("event").is_some_and(has_script);
        if let Some(inner) = item.get("item").and_then(Value::as_array) {
            if folder.names.len() == MAX_FOLDERS {
                bundle.refuse(
                    &pointer,
                    "too_deep",
                    format!("folders are nested more than {MAX_FOLDERS} deep"),
                    "move the folder up",
                );
                continue;
            }
            let mut names = folder.names.clone();
            names.push(text(item, "name").to_owned());
            let auth = item.get("auth").filter(|auth| !auth.is_null()).or(folder.auth);
            let Some((texts, known)) = folder.texts_of(item, seen) else {
                bundle.refuse(
                    &pointer,
                    "too_large",
                    format!("the variables of folders come to more than {MAX_TEXTS} bytes"),
                    "split the collection",
                );
                continue;
            };
            walk(inner, &Folder { names, auth, pointer, texts, known }, seen, bundle);
        } else if let Some(request) = item.get("request") {
            let request = self::request(item, request, folder, pointer, seen);
            seen.requests.push(request);
        }
    }
}

fn request(
    item: &Value,
    request: &Value,
    folder: &Folder<'_>,
    place: String,
    seen: &mut Seen<'_>,
) -> PlainRequest {
    let mut plain = PlainRequest {
        place,
        name: text(item, "name").to_owned(),
        tags: folder.names.clone(),
        infers: true,
        adopts: true,
        known: Arc::clone(&folder.known),
        ..PlainRequest::default()
    };
    if let Some(url) = request.as_str() {
        url.clone_into(&mut plain.url);
        return plain;
    }
    plain.description = described(request.get("description"));
    if plain.description.is_empty() {
        plain.description = described(item.get("description"));
    }
    if plain.description.is_empty() && plain.name.contains(' ') && names::is_telling(&plain.name) {
        plain.description = format!("{}.", plain.name.trim_end_matches('.'));
    }
    plain.method = Some(first_text(request, &["method"]).to_owned()).filter(|method| !method.is_empty());
    address(request.get("url"), &mut plain);
    plain.headers = headers(request.get("header"));
    body(request.get("body"), &mut plain);
    let form = |mode: &str| request.get("body").and_then(|body| body.get(mode));
    for listed in [request.pointer("/url/query"), request.get("header"), form("urlencoded"), form("formdata")]
    {
        describe_fields(listed, &mut plain, seen);
    }
    let auth = request.get("auth").filter(|auth| !auth.is_null()).or(folder.auth);
    if let Some(auth) = auth {
        authorize(auth, &mut plain);
    }
    plain
}

fn described(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(value) => text(value, "content").to_owned(),
        None => String::new(),
    }
}

/// Keeps what the list says of its fields; of generated ones also which of them may be left out.
fn describe_fields(listed: Option<&Value>, plain: &mut PlainRequest, seen: &mut Seen<'_>) {
    for field in listed.and_then(Value::as_array).into_iter().flatten() {
        let name = first_text(field, &["key", "name"]);
        let said = described(field.get("description"));
        let required = said.trim().strip_prefix(REQUIRED);
        seen.tells_required |= required.is_some();
        if required.is_none() {
            plain.optional.insert(name.to_owned());
        }
        let described = describe::text(required.unwrap_or(&said));
        if !described.is_empty() {
            plain.descriptions.entry(name.to_owned()).or_insert(described);
        }
    }
}

fn headers(value: Option<&Value>) -> Vec<(String, String)> {
    match value {
        // Format 2.0 allows one text of lines.
        Some(Value::String(lines)) => lines
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
            .collect(),
        other => pairs(other),
    }
}

fn address(url: Option<&Value>, plain: &mut PlainRequest) {
    match url {
        Some(Value::String(raw)) => raw.clone_into(&mut plain.url),
        Some(url) => {
            let raw = text(url, "raw");
            let parts = |key: &str, joint: &str| match url.get(key) {
                Some(Value::Array(parts)) => parts
                    .iter()
                    .map(|part| part.get("value").map_or_else(|| scalar(part), scalar))
                    .collect::<Vec<_>>()
                    .join(joint),
                Some(Value::String(text)) => text.clone(),
                _ => String::new(),
            };
            let listed = url.get("query").is_some_and(Value::is_array);
            plain.url = if raw.is_empty() {
                let scheme = first_text(url, &["protocol"]);
                let host = parts("host", ".");
                let scheme = if scheme.is_empty() || host.contains("://") {
                    String::new()
                } else {
                    format!("{scheme}://")
                };
                format!("{scheme}{host}/{}", parts("path", "/").trim_start_matches('/'))
            } else if listed {
                // The list knows which parameters are switched off.
                raw.split('?').next().unwrap_or(raw).to_owned()
            } else {
                raw.to_owned()
            };
            if listed {
                plain.query = pairs(url.get("query"));
            }
            for variable in url.get("variable").and_then(Value::as_array).into_iter().flatten() {
                let said = described(variable.get("description"));
                let text = PathVariable {
                    description: said.trim().trim_start_matches(REQUIRED).trim().to_owned(),
                    value: variable.get("value").map(scalar).unwrap_or_default(),
                };
                plain.path_variables.insert(first_text(variable, &["key", "id"]).to_owned(), text);
            }
        }
        None => {}
    }
}

fn body(body: Option<&Value>, plain: &mut PlainRequest) {
    let Some(body) = body.filter(|body| body.get("disabled") != Some(&Value::Bool(true))) else { return };
    match text(body, "mode") {
        "raw" => {
            let raw = body.get("raw").and_then(Value::as_str).unwrap_or_default();
            if raw.trim().is_empty() {
                return;
            }
            let language = body.pointer("/options/raw/language").and_then(Value::as_str).unwrap_or_default();
            let media = plain.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
            let media = media.map(|(_, value)| value.to_ascii_lowercase()).unwrap_or_default();
            let is_json = language == "json"
                || media.contains("json")
                || language.is_empty() && media.is_empty() && raw.trim_start().starts_with(['{', '[']);
            if is_json {
                plain.body = PlainBody::Json(without_comments(raw));
                return;
            }
            if media.is_empty() {
                let media = match language {
                    "xml" => "application/xml",
                    "html" => "text/html",
                    "javascript" => "application/javascript",
                    _ => "text/plain",
                };
                plain.headers.push(("Content-Type".to_owned(), media.to_owned()));
            }
            plain.body = PlainBody::Text(raw.to_owned());
        }
        "urlencoded" => plain.body = PlainBody::Form(pairs(body.get("urlencoded"))),
        "formdata" => {
            let parts = body.get("formdata").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let (files, texts): (Vec<&Value>, Vec<&Value>) =
                parts.iter().partition(|part| text(part, "type") == "file");
            for file in files {
                let message = format!("the part `{}` is a file; it is left out", text(file, "key"));
                plain.losses.push(("file", message, "a model on the phone has no files"));
            }
            let texts: Vec<Value> = texts.into_iter().cloned().collect();
            let parts = pairs(Some(&Value::Array(texts)));
            plain.body = PlainBody::Multipart(
                parts
                    .into_iter()
                    .map(|(name, value)| PlainPart { name, value, content_type: None })
                    .collect(),
            );
        }
        "graphql" => {
            let graphql = body.get("graphql").unwrap_or(&Value::Null);
            plain.body = PlainBody::Graphql(Graphql {
                query: text(graphql, "query").to_owned(),
                variables: match graphql.get("variables") {
                    Some(Value::String(text)) => text.clone(),
                    Some(variables @ Value::Object(_)) => variables.to_string(),
                    _ => String::new(),
                },
                operation: text(graphql, "operationName").to_owned(),
            });
        }
        "file" => {
            plain.losses.push(("file", "the body is a file; it is left out".to_owned(), "write `body`"));
        }
        _ => {}
    }
}

/// JSON as Postman sends it: lines that begin with `//` are comments.
fn without_comments(raw: &str) -> String {
    if !raw.contains("//") {
        return raw.to_owned();
    }
    raw.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn authorize(auth: &Value, plain: &mut PlainRequest) {
    let kind = text(auth, "type");
    // A list of `{key, value}` in format 2.1, a map in 2.0.
    let keys: BTreeMap<String, String> = pairs(auth.get(kind)).into_iter().collect();
    let key = |name: &str| keys.get(name).cloned().unwrap_or_default();
    let known = Arc::clone(&plain.known);
    match kind {
        "noauth" | "" => {}
        "bearer" => plain.headers.push(("Authorization".to_owned(), format!("Bearer {}", key("token")))),
        "basic" => plain.basic = Some((key("username"), key("password"))),
        "apikey" => {
            let place = if key("in") == "query" { "query" } else { "header" };
            let name = known.filled_openly(&key("key")).into_owned();
            if name.is_empty() || name.contains('{') {
                plain.losses.push((
                    "auth",
                    "an API key without a fixed name is left out".to_owned(),
                    "write auth/<name>.yaml of type api_key",
                ));
                return;
            }
            let secret = json!({"secret": name, "value": key("value")});
            let keys = connector_keys(&[
                ("type", json!("api_key")),
                ("in", json!(place)),
                ("key_name", json!(name)),
                ("key", secret),
            ]);
            plain.connector = Some(NamedConnector { wish: "key".to_owned(), keys });
        }
        "oauth2" => plain.connector = Some(oauth2(&keys, auth.get(kind), plain)),
        other => plain.losses.push((
            "auth",
            format!("authorization of type `{}` is left out", short(other)),
            "bearer, basic, api_key and oauth2_client_credentials are what connectors do",
        )),
    }
}

fn oauth2(
    keys: &BTreeMap<String, String>,
    listed: Option<&Value>,
    plain: &mut PlainRequest,
) -> NamedConnector {
    let known = Arc::clone(&plain.known);
    let raw = |name: &str| keys.get(name).map(String::as_str).unwrap_or_default();
    let key = |name: &str| known.filled_openly(raw(name)).trim().to_owned();
    let url = key("accessTokenUrl");
    let needs_nobody = key("grant_type") == "client_credentials";
    if needs_nobody && url.starts_with("http") && !url.contains('{') {
        let mut map: Map<String, Value> = connector_keys(&[
            ("type", json!("oauth2_client_credentials")),
            ("token_url", json!(url)),
            ("client_id", json!({"secret": "client_id", "value": raw("clientId")})),
            ("client_secret", json!({"secret": "client_secret", "value": raw("clientSecret")})),
        ]);
        let scope = key("scope");
        let scopes: Vec<&str> = scope.split_whitespace().filter(|scope| !scope.contains('{')).collect();
        if !scopes.is_empty() {
            map.insert("scopes".to_owned(), json!(scopes));
        }
        token_parameters(&key("audience"), listed, &mut map, plain);
        if key("client_authentication") == "body" {
            map.insert("client_authentication".to_owned(), json!("body"));
        }
        let prefix = key("headerPrefix");
        if key("addTokenTo") == "queryParams" || !(prefix.is_empty() || prefix.eq_ignore_ascii_case("bearer"))
        {
            let message = "the token is sent as `Authorization: Bearer`, which the collection says otherwise";
            plain.losses.push(("auth", message.to_owned(), "see what the API takes"));
        }
        return NamedConnector { wish: "oauth2".to_owned(), keys: map };
    }
    plain.losses.push(match needs_nobody {
        true => (
            "auth",
            format!(
                "the token URL `{}` is not known; a bearer connector with a fixed token stands for it",
                short(&url)
            ),
            "write auth/<name>.yaml of type oauth2_client_credentials, or give the variable a value",
        ),
        false => (
            "auth",
            "an OAuth2 grant that needs a person becomes a bearer connector with a fixed token".to_owned(),
            "use the client credentials grant where the API has it",
        ),
    });
    let token = json!({"secret": "access_token", "value": raw("accessToken")});
    NamedConnector {
        wish: "bearer".to_owned(),
        keys: connector_keys(&[("type", json!("bearer")), ("token", token)]),
    }
}

/// What a token request sends besides: `audience`, and what `tokenRequestParams` lists.
fn token_parameters(
    audience: &str,
    listed: Option<&Value>,
    map: &mut Map<String, Value>,
    plain: &mut PlainRequest,
) {
    let of_request = match listed {
        Some(Value::Array(items)) => {
            let own = |item: &&Value| text(item, "key") == "tokenRequestParams";
            items.iter().find(own).and_then(|item| item.get("value"))
        }
        Some(other) => other.get("tokenRequestParams"),
        None => None,
    };
    let mut extra = Map::new();
    for (name, value) in [("audience".to_owned(), audience.to_owned())].into_iter().chain(pairs(of_request)) {
        let value = plain.known.filled_openly(&value).into_owned();
        if value.is_empty() {
            continue;
        }
        if value.contains('{') || secret_like::is_secret(&name, &value) {
            let message = format!("the parameter `{}` of the token request is left out", short(&name));
            plain.losses.push(("auth", message, "write it into the connector's `extra_params`"));
        } else if name == "audience" {
            map.insert(name, json!(value));
        } else {
            extra.insert(name, json!(value));
        }
    }
    if !extra.is_empty() {
        map.insert("extra_params".to_owned(), Value::Object(extra));
    }
}
