//! `callgate import postman FILE`: a collection of format 2.0 or 2.1 → actions.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::bundle::Bundle;
use super::json::{first_text, pairs, scalar, text};
use super::report::ImportError;
use super::request::{
    Known, NamedConnector, PathVariable, PlainBody, PlainPart, PlainRequest, connector_keys, lower,
};

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
    fn texts_of(&self, item: &Value, seen: &mut Seen) -> Option<(Arc<Texts>, Arc<Known>)> {
        let own = pairs(item.get("variable"));
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
struct Seen {
    scripts: bool,
    /// Bytes of the variables of folders.
    texts: usize,
}

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
    let texts = Arc::new(pairs(root.get("variable")));
    let known = Arc::new(Known::new(texts.to_vec()));
    let folder = Folder { names: Vec::new(), auth: root.get("auth"), pointer: base.to_owned(), texts, known };
    let mut seen = Seen { scripts: root.get("event").is_some_and(has_script), texts: 0 };
    walk(items, &folder, &mut seen, bundle);
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

fn walk(items: &[Value], folder: &Folder<'_>, seen: &mut Seen, bundle: &mut Bundle<'_>) {
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
            let request = self::request(item, request, folder, pointer);
            lower(bundle, request);
        }
    }
}

fn request(item: &Value, request: &Value, folder: &Folder<'_>, place: String) -> PlainRequest {
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
    if plain.description.is_empty() && plain.name.contains(' ') {
        plain.description = format!("{}.", plain.name.trim_end_matches('.'));
    }
    plain.method = Some(first_text(request, &["method"]).to_owned()).filter(|method| !method.is_empty());
    address(request.get("url"), &mut plain);
    plain.headers = headers(request.get("header"));
    body(request.get("body"), &mut plain);
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
                let text = PathVariable {
                    description: described(variable.get("description")),
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
            let query = body.pointer("/graphql/query").and_then(Value::as_str).unwrap_or_default();
            let variables = body.pointer("/graphql/variables").and_then(Value::as_str).unwrap_or_default();
            plain.body = PlainBody::Graphql { query: query.to_owned(), variables: variables.to_owned() };
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
    match kind {
        "noauth" | "" => {}
        "bearer" => plain.headers.push(("Authorization".to_owned(), format!("Bearer {}", key("token")))),
        "basic" => plain.basic = Some((key("username"), key("password"))),
        "apikey" => {
            let place = if key("in") == "query" { "query" } else { "header" };
            let name = key("key");
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
        "oauth2" => plain.connector = Some(oauth2(&keys, plain)),
        other => plain.losses.push((
            "auth",
            format!("authorization of type `{}` is left out", super::placeholder::short(other)),
            "bearer, basic, api_key and oauth2_client_credentials are what connectors do",
        )),
    }
}

fn oauth2(keys: &BTreeMap<String, String>, plain: &mut PlainRequest) -> NamedConnector {
    let key = |name: &str| keys.get(name).map(String::as_str).unwrap_or_default();
    let url = key("accessTokenUrl");
    if key("grant_type") == "client_credentials" && url.starts_with("http") && !url.contains('{') {
        let mut map: Map<String, Value> = connector_keys(&[
            ("type", json!("oauth2_client_credentials")),
            ("token_url", json!(url)),
            ("client_id", json!({"secret": "client_id", "value": key("clientId")})),
            ("client_secret", json!({"secret": "client_secret", "value": key("clientSecret")})),
        ]);
        let scopes: Vec<&str> = key("scope").split_whitespace().collect();
        if !scopes.is_empty() {
            map.insert("scopes".to_owned(), json!(scopes));
        }
        if key("client_authentication") == "body" {
            map.insert("client_authentication".to_owned(), json!("body"));
        }
        return NamedConnector { wish: "oauth2".to_owned(), keys: map };
    }
    plain.losses.push((
        "auth",
        "an OAuth2 grant that needs a person becomes a bearer connector with a fixed token".to_owned(),
        "use the client credentials grant where the API has it",
    ));
    let token = json!({"secret": "access_token", "value": key("accessToken")});
    NamedConnector {
        wish: "bearer".to_owned(),
        keys: connector_keys(&[("type", json!("bearer")), ("token", token)]),
    }
}
