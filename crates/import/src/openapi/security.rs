//! `securitySchemes` and `security` → connectors and secret headers.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use url::Url;

use crate::bundle::Bundle;
use crate::json::text;
use crate::request::Refusal;
use crate::request::connector_keys;

use super::authorization::{Authorization, WHOLE_VALUE, fill};
use super::document::Document;

/// How an operation proves itself.
#[derive(Default)]
pub(super) struct Credentials {
    pub(super) connector: Option<String>,
    /// Secret headers beside the connector.
    pub(super) headers: Map<String, Value>,
}

/// The schemes of a document.
pub(super) struct Schemes<'v> {
    document: &'v Value,
    schemes: Option<&'v Map<String, Value>>,
    /// What names of connectors and secrets begin with.
    prefix: String,
    /// What a relative URL is relative to: the base URL of the document's connection.
    base: Option<Url>,
}

/// What one scheme becomes.
enum Means {
    Connector(Map<String, Value>),
    /// A header `name` with a secret after a prefix; may stand beside a connector.
    Header {
        name: String,
        prefix: String,
    },
}

impl<'v> Schemes<'v> {
    /// The schemes of `document`, for its connection `connection`; `prefix` begins the names.
    pub(super) fn new(
        document: &Document<'v>,
        prefix: &str,
        connection: Option<&str>,
        bundle: &Bundle<'_>,
    ) -> Self {
        let schemes = document.root.pointer("/components/securitySchemes").and_then(Value::as_object);
        let known = bundle.connections.iter().find(|known| connection == Some(known.name.as_str()));
        let base = known.and_then(|known| Url::parse(&format!("{}/", known.base_url)).ok());
        Self { document: document.root, schemes, prefix: prefix.to_owned(), base }
    }

    /// What `operation` proves itself by, one way or another.
    fn alternatives(&self, operation: &'v Value) -> &'v [Value] {
        let security = operation.get("security").or_else(|| self.document.get("security"));
        security.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// Place and name of the keys that the schemes of `operation` are.
    pub(super) fn keys(&self, operation: &'v Value) -> Vec<(&'v str, &'v str)> {
        let names = self.alternatives(operation).iter().filter_map(Value::as_object).flat_map(Map::keys);
        let schemes = names.filter_map(|name| self.schemes?.get(name));
        let keys = schemes.filter(|scheme| text(scheme, "type") == "apiKey");
        keys.map(|scheme| (text(scheme, "in"), text(scheme, "name"))).collect()
    }

    /// The credentials of `operation`: the first alternative that can be carried.
    ///
    /// # Errors
    ///
    /// Every alternative needs something that no connector does.
    pub(super) fn of(&self, operation: &'v Value, bundle: &mut Bundle<'_>) -> Result<Credentials, Refusal> {
        let alternatives = self.alternatives(operation);
        let mut is_optional = alternatives.is_empty();
        let mut reasons: Vec<String> = Vec::new();
        // What works without a person comes first; the order of the document decides among those.
        let (lossless, others): (Vec<&Value>, Vec<&Value>) =
            alternatives.iter().partition(|alternative| !self.needs_person(alternative));
        for alternative in lossless.into_iter().chain(others) {
            let Some(schemes) = alternative.as_object() else { continue };
            if schemes.is_empty() {
                is_optional = true;
                continue;
            }
            match self.together(schemes, bundle) {
                Ok(credentials) => return Ok(credentials),
                Err(reason) => reasons.push(reason),
            }
        }
        if is_optional {
            return Ok(Credentials::default());
        }
        let message = format!("needs credentials that no connector has: {}", reasons.join("; "));
        Err(Refusal(
            "unsupported_auth",
            message,
            "bearer, basic, api_key and oauth2_client_credentials are what connectors do",
        ))
    }

    /// Whether somebody has to log in for one of the schemes.
    fn needs_person(&self, alternative: &Value) -> bool {
        let names = alternative.as_object().into_iter().flat_map(Map::keys);
        names.filter_map(|name| self.schemes?.get(name)).any(|scheme| match text(scheme, "type") {
            "openIdConnect" => true,
            "oauth2" => scheme.pointer("/flows/clientCredentials").is_none(),
            _ => false,
        })
    }

    /// Schemes that are needed all at once.
    fn together(&self, names: &Map<String, Value>, bundle: &mut Bundle<'_>) -> Result<Credentials, String> {
        let mut connectors: Vec<(&String, Map<String, Value>)> = Vec::new();
        let mut headers: Vec<(&String, String, String)> = Vec::new();
        for (name, scopes) in names {
            let scheme = self
                .schemes
                .and_then(|schemes| schemes.get(name))
                .ok_or_else(|| format!("`{}` is not defined", short(name)))?;
            match self.means(name, scheme, scopes)? {
                Means::Connector(keys) => connectors.push((name, keys)),
                Means::Header { name: header, prefix } => headers.push((name, header, prefix)),
            }
        }
        if connectors.len() > 1 {
            return Err("two credentials of which only one can be a connector".to_owned());
        }
        // A key in a header may be the connector where nothing else is.
        let mut credentials = Credentials::default();
        let wish = |name: &str| format!("{}_{name}", self.prefix);
        if connectors.is_empty()
            && let [(_, _, prefix)] = headers.as_slice()
            && prefix.is_empty()
            && let Some((name, header, _)) = headers.pop()
        {
            connectors.push((
                name,
                connector_keys(&[
                    ("type", json!("api_key")),
                    ("in", json!("header")),
                    ("key_name", json!(header)),
                    ("key", json!(null)),
                ]),
            ));
        }
        for (name, mut keys) in connectors {
            fill(&mut keys, &wish(name), bundle);
            let scheme = self.schemes.and_then(|schemes| schemes.get(name)).unwrap_or(&Value::Null);
            let is_bare = keys.get("key_name").and_then(Value::as_str);
            if is_bare.is_some_and(|name| name.eq_ignore_ascii_case("authorization")) {
                tell_bare(bundle, name);
            }
            let is_client = keys.get("type") == Some(&json!("oauth2_client_credentials"));
            if matches!(text(scheme, "type"), "oauth2" | "openIdConnect") && !is_client {
                tell_once(bundle, name, scheme);
            }
            credentials.connector = Some(self.connector(bundle, &wish(name), keys));
        }
        for (name, header, prefix) in headers {
            let secret = bundle.secret(&wish(name), None, &prefix);
            credentials.headers.insert(header, secret);
        }
        Ok(credentials)
    }

    /// One connector per scheme: scopes of further operations are added to it.
    fn connector(&self, bundle: &mut Bundle<'_>, wish: &str, keys: Map<String, Value>) -> String {
        let without = |keys: &Map<String, Value>| {
            let mut keys = keys.clone();
            keys.shift_remove("scopes");
            keys
        };
        let same =
            bundle.auth.iter_mut().find(|known| !known.is_there && without(&known.keys) == without(&keys));
        let Some(known) = same else { return bundle.connector(wish, keys) };
        let scopes: BTreeSet<String> = [&known.keys, &keys]
            .iter()
            .filter_map(|keys| keys.get("scopes")?.as_array())
            .flatten()
            .filter_map(|scope| scope.as_str().map(str::to_owned))
            .collect();
        if !scopes.is_empty() {
            known.keys.insert("scopes".to_owned(), json!(scopes));
        }
        known.name.clone()
    }

    fn means(&self, name: &str, scheme: &Value, scopes: &Value) -> Result<Means, String> {
        let kind = text(scheme, "type");
        match kind {
            "http" => match text(scheme, "scheme").to_ascii_lowercase().as_str() {
                "bearer" => {
                    Ok(Means::Connector(connector_keys(&[("type", json!("bearer")), ("token", json!(null))])))
                }
                "basic" => Ok(Means::Connector(connector_keys(&[
                    ("type", json!("basic")),
                    ("username", json!(null)),
                    ("password", json!(null)),
                ]))),
                other => {
                    Err(format!("`{}` is HTTP authentication of the scheme `{}`", short(name), short(other)))
                }
            },
            "apiKey" => {
                let key = text(scheme, "name").to_owned();
                if key.is_empty() {
                    return Err(format!("`{}` names no header, query parameter or cookie", short(name)));
                }
                match text(scheme, "in") {
                    "header" if key.eq_ignore_ascii_case("authorization") => Ok(authorization(scheme)),
                    "header" => Ok(Means::Header { name: key, prefix: String::new() }),
                    place @ ("query" | "cookie") => Ok(Means::Connector(connector_keys(&[
                        ("type", json!("api_key")),
                        ("in", json!(place)),
                        ("key_name", json!(key)),
                        ("key", json!(null)),
                    ]))),
                    _ => Err(format!("`{}` says not where its key travels", short(name))),
                }
            }
            "oauth2" => Ok(Means::Connector(self.oauth2(scheme, scopes))),
            "openIdConnect" => {
                Ok(Means::Connector(connector_keys(&[("type", json!("bearer")), ("token", json!(null))])))
            }
            "mutualTLS" => Err(format!("`{}` is a client certificate", short(name))),
            other => Err(format!("`{}` is of the type `{}`", short(name), short(other))),
        }
    }

    fn oauth2(&self, scheme: &Value, scopes: &Value) -> Map<String, Value> {
        let flow = scheme.pointer("/flows/clientCredentials");
        let url = flow.map(|flow| text(flow, "tokenUrl")).unwrap_or_default();
        let url = match &self.base {
            Some(base) => base.join(url).ok(),
            None => Url::parse(url).ok(),
        };
        let Some(url) = url.filter(|url| flow.is_some() && matches!(url.scheme(), "http" | "https")) else {
            return connector_keys(&[("type", json!("bearer")), ("token", json!(null))]);
        };
        let mut keys = connector_keys(&[
            ("type", json!("oauth2_client_credentials")),
            ("token_url", json!(url.as_str())),
            ("client_id", json!(null)),
            ("client_secret", json!(null)),
        ]);
        let known = flow.and_then(|flow| flow.get("scopes")).and_then(Value::as_object);
        let scopes: Vec<&Value> = scopes
            .as_array()
            .into_iter()
            .flatten()
            .filter(|scope| {
                scope.as_str().is_some_and(|scope| known.is_some_and(|known| known.contains_key(scope)))
            })
            .collect();
        if !scopes.is_empty() {
            keys.insert("scopes".to_owned(), json!(scopes));
        }
        keys
    }
}

/// A key in the header `Authorization`, which most APIs want after a word.
fn authorization(scheme: &Value) -> Means {
    let told = Authorization::told_by(text(scheme, "description"));
    match (told, told.connector()) {
        (Authorization::Bearer | Authorization::Basic, Some(keys)) => Means::Connector(keys),
        _ => Means::Header { name: "Authorization".to_owned(), prefix: told.prefix() },
    }
}

/// Says once per scheme that its key is sent as it is.
fn tell_bare(bundle: &mut Bundle<'_>, name: &str) {
    let at = format!("#/components/securitySchemes/{}", super::document::escape(name));
    if bundle.report.notes.iter().all(|note| note.place != at) {
        let message = format!("`{}` is sent in `Authorization` without a word before it", short(name));
        bundle.todo(&at, "", "authorization", message, WHOLE_VALUE);
    }
}

/// Says once per scheme why it is a fixed token.
fn tell_once(bundle: &mut Bundle<'_>, name: &str, scheme: &Value) {
    let at = format!("#/components/securitySchemes/{}", super::document::escape(name));
    if bundle.report.notes.iter().any(|note| note.place == at) {
        return;
    }
    let (name, kind) = (short(name), text(scheme, "type"));
    let (reason, hint) = match scheme.pointer("/flows/clientCredentials") {
        None => (
            format!("`{name}` ({kind}) needs a person to log in"),
            "put a long-lived token into secrets.toml, or ask for the client credentials grant",
        ),
        Some(flow) => {
            let url = short(text(flow, "tokenUrl"));
            let is_relative =
                Url::parse(text(flow, "tokenUrl")) == Err(url::ParseError::RelativeUrlWithoutBase);
            let what =
                if is_relative { "relative, and no server is named" } else { "not one of http or https" };
            let hint =
                "name the server with --base-url, or write a connector of type oauth2_client_credentials";
            (format!("the token URL `{url}` of `{name}` is {what}"), hint)
        }
    };
    let message = format!("{reason}; it becomes a bearer connector with a fixed token");
    bundle.lossy(&at, "", "auth", message, hint);
}

fn short(text: &str) -> String {
    crate::placeholder::short(text)
}
