//! Headers, cookies and keys of a plain request → connectors and names of secrets.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::placeholder::{self, short};
use crate::{infer, names};
use callgate_action::is_transport_header;
use callgate_action::secret_like;

use super::{Lowering, PlainBody, Refusal};

/// Headers that a browser or a tool adds by itself; nothing depends on them.
const NOISE: &[&str] = &[
    "postman-token",
    "dnt",
    "priority",
    "pragma",
    "cache-control",
    "upgrade-insecure-requests",
    "accept-language",
    "referer",
    "origin",
];

/// Headers by which somebody finds one request again; another request has another value.
const OF_ONE_REQUEST: &[&str] =
    &["x-request-id", "x-correlation-id", "request-id", "traceparent", "tracestate", "x-amzn-trace-id"];

/// Whether `name` is the header by which an upstream knows a write again, as APIs call it.
pub(crate) fn is_idempotency_key(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    matches!(
        name.strip_prefix("x-").unwrap_or(&name),
        "idempotency-key" | "idempotence-key" | "idempotency-token"
    )
}

/// Whether the header makes a request depend on a version or a time that an example shows.
fn is_condition(name: &str, value: &str) -> bool {
    let is_one = matches!(name, "if-match" | "if-none-match" | "if-modified-since" | "if-unmodified-since");
    is_one && value != "*" && !value.contains("{{")
}

/// What stands around the placeholder of a text.
enum Around<'t> {
    Nothing,
    /// A text before it, and nothing after it.
    Text(&'t str),
    /// Text after it, or another placeholder.
    More,
}

/// What stands around the placeholder of `text`, `{{name}}` or `{name}`.
fn around(text: &str) -> Around<'_> {
    let text = text.trim();
    let (Some(open), Some(close)) = (text.find('{'), text.rfind('}')) else { return Around::Nothing };
    let inner = text.get(open..=close).unwrap_or_default().trim_matches(['{', '}']);
    match (open, close + 1 == text.len() && !inner.contains(['{', '}'])) {
        (0, true) => Around::Nothing,
        (_, true) => Around::Text(&text[..open]),
        (_, false) => Around::More,
    }
}

impl Lowering<'_, '_, '_> {
    /// Carries headers and credentials; gives the query parameters that are none.
    pub(super) fn credentials(
        &mut self,
        userinfo: Option<(String, String)>,
        pairs: Vec<(String, String)>,
    ) -> Result<Vec<(String, String)>, Refusal> {
        let request = self.request;
        if let Some(named) = &request.connector {
            let keys = self.named_keys(&named.keys);
            self.connect(&named.wish, keys);
        }
        let pairs = self.query_keys(pairs)?;
        for (name, value) in self.query_secrets.clone() {
            self.query_key(&name, &value)?;
        }
        if let Some((user, password)) = request.basic.as_ref().or(userinfo.as_ref()) {
            if self.has_connector {
                return Err(two_credentials());
            }
            self.basic(user, password);
        }
        let mut done = BTreeSet::new();
        for (name, value) in &request.headers {
            let is_new = done.insert(name.trim().to_ascii_lowercase());
            if is_new || name.trim().eq_ignore_ascii_case("cookie") {
                self.header(name.trim(), value.trim())?;
            } else {
                let message =
                    format!("the header `{}` is given several times; the first is kept", short(name));
                self.note_lossy(
                    "repeated_header",
                    message,
                    "write the values into one header, between commas",
                );
            }
        }
        Ok(pairs)
    }

    fn connect(&mut self, wish: &str, keys: Map<String, Value>) {
        let wish = format!("{}_{wish}", self.draft.connection);
        self.draft.auth = Some(self.bundle.connector_of(&self.draft.connection, &wish, keys));
        self.has_connector = true;
    }

    /// A secret for `text`: its value where that is known, else one to fill in,
    /// called as the placeholder is.
    fn secret(&mut self, text: &str, what: &str, prefix: &str) -> Value {
        let (known, variable) = self.known(text);
        let is_known = known.is_some();
        let (name, value) = match (known, variable) {
            (Some(known), _) if secret_like::is_stand_in(&known) => {
                let name = known.strip_prefix('$').map(|name| name.trim_matches(['{', '}']).to_owned());
                (name.unwrap_or_else(|| what.to_owned()), None)
            }
            (known, variable) => {
                if let Some(variable) = variable.as_deref().filter(|_| !self.request.adopts) {
                    self.tell_variable(variable);
                }
                (variable.unwrap_or_else(|| what.to_owned()), known)
            }
        };
        match around(text) {
            Around::Text(before) if !is_known && !secret_like::holds_secret_value(before) => {
                self.own_secret(&name, None, &format!("{prefix}{before}"))
            }
            Around::Text(_) | Around::More if !is_known => self.whole_secret(&name, text, prefix),
            _ => self.own_secret(&name, value.as_deref(), prefix),
        }
    }

    /// A secret to fill in that is more than its placeholder: `{email}/token`.
    fn whole_secret(&mut self, name: &str, text: &str, prefix: &str) -> Value {
        let secret = self.own_secret(name, None, prefix);
        let called = secret.get("secret").and_then(Value::as_str).unwrap_or(name).to_owned();
        let form: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
        let message = match secret_like::holds_secret_value(&form) {
            true => format!("the secret `{called}` stands for a placeholder and for the text around it"),
            false => format!("the secret `{called}` stands for all of `{form}`"),
        };
        let hint = "write the whole into secrets.toml, with the text around the placeholder";
        self.note_todo("credentials", message, hint);
        secret
    }

    /// Products have no secrets, or keep them among the variables of a conversation.
    fn tell_variable(&mut self, variable: &str) {
        let name = short(variable);
        let message =
            format!("the credential is the variable `{name}` there, and one secret for all calls here");
        let hint = format!(
            "fill the secret in; if each conversation has a credential of its own, write a header with {{{{.variables.{name}}}}} in its place"
        );
        self.note_todo("credential_variable", message, &hint);
    }

    /// The secret `name` of the connection: another service has its own, even
    /// under the same name.
    pub(super) fn own_secret(&mut self, name: &str, value: Option<&str>, prefix: &str) -> Value {
        let wish = names::secret_of(&self.draft.connection, name);
        self.bundle.secret(&wish, value, prefix)
    }

    fn named_keys(&mut self, keys: &Map<String, Value>) -> Map<String, Value> {
        let mut out = Map::new();
        for (key, value) in keys {
            let named = value.get("secret").and_then(Value::as_str);
            let value = match named {
                Some(wish) => match value.get("value").and_then(Value::as_str) {
                    Some(text) => self.secret(text, wish, ""),
                    None => self.own_secret(wish, None, ""),
                },
                None => value.clone(),
            };
            out.insert(key.clone(), value);
        }
        out
    }

    fn query_keys(&mut self, pairs: Vec<(String, String)>) -> Result<Vec<(String, String)>, Refusal> {
        let mut rest = Vec::new();
        for (name, value) in pairs {
            let declared = self.request.parameters.properties.contains_key(&name);
            let named = secret_like::is_secret_name(&name) && !value.is_empty() && !declared;
            if named || self.holds_secret(&value) {
                self.query_key(&name, &value)?;
            } else {
                rest.push((name, value));
            }
        }
        Ok(rest)
    }

    fn query_key(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        if self.has_connector {
            return Err(two_credentials());
        }
        let key = self.secret(value, name, "");
        let keys = connector_keys(&[
            ("type", json!("api_key")),
            ("in", json!("query")),
            ("key_name", json!(name)),
            ("key", key),
        ]);
        self.connect("key", keys);
        Ok(())
    }

    /// Whether `text` is a secret, as it will be when what is known is filled in.
    fn holds_secret(&self, text: &str) -> bool {
        let known = &self.request.known;
        known.uses_secret(text) || secret_like::is_secret_value(&known.filled(text))
    }

    fn basic(&mut self, user: &str, password: &str) {
        // A name that the URL shows, or that anybody could guess, is no secret; a key in its place is one.
        let is_shown = self.draft.path.contains(user) || !secret_like::is_secret_value(user);
        let is_plain = is_shown && !password.is_empty() && !user.contains('{');
        let username = if is_plain { json!(user) } else { self.secret(user, "username", "") };
        let password = if password.is_empty() { json!("") } else { self.secret(password, "password", "") };
        let keys =
            connector_keys(&[("type", json!("basic")), ("username", username), ("password", password)]);
        self.connect("basic", keys);
    }

    fn header(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        let lower = name.to_ascii_lowercase();
        if http::HeaderName::try_from(name).is_err() {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
            self.note_lossy("header", format!("`{shown}` is not a header name; it is left out"), "");
            return Ok(());
        }
        match lower.as_str() {
            "content-type" => self.content_type(value),
            "authorization" if !value.is_empty() => self.authorization(value),
            "cookie" if !value.is_empty() => {
                self.cookie(value);
                Ok(())
            }
            name if is_idempotency_key(name) => {
                // Callgate sends `Idempotency-Key` with every write.
                if name != "idempotency-key" {
                    let message = format!(
                        "the header `{name}` is left out: Callgate sends `Idempotency-Key`, another one for each write"
                    );
                    self.note_lossy("idempotency_key", message, "see whether the API takes that header");
                }
                Ok(())
            }
            name if OF_ONE_REQUEST.contains(&name) && !value.contains('{') => {
                let message = format!("the header `{name}` names one request; it is left out");
                self.note_lossy("header", message, "write it as a template, if the API wants one");
                Ok(())
            }
            name if is_transport_header(name) || name == "accept-encoding" => {
                if name == "host" {
                    self.note_lossy(
                        "header",
                        "the header `Host` is set from the URL; it is left out",
                        "use the URL of that host",
                    );
                }
                Ok(())
            }
            name if NOISE.contains(&name) || name.starts_with("sec-") || name.starts_with(':') => Ok(()),
            _ if value.is_empty() || lower == "user-agent" && value.starts_with("Mozilla/") => Ok(()),
            _ if secret_like::is_secret_name(name) || self.holds_secret(value) => {
                self.secret_header(name, value);
                Ok(())
            }
            _ if self.request.infers && (infer::is_stand_in(value) || is_condition(&lower, value)) => {
                let name_of_parameter = self.parameter_like(name, &json!(value));
                let template = placeholder::parameter(&[&name_of_parameter]);
                self.draft.headers.insert(name.to_owned(), json!(template));
                Ok(())
            }
            _ => {
                let converted = self.field(value, &format!("header `{name}`"))?;
                self.draft.headers.insert(name.to_owned(), json!(converted.template));
                Ok(())
            }
        }
    }

    fn content_type(&mut self, value: &str) -> Result<(), Refusal> {
        let media = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let by_body = match &self.request.body {
            PlainBody::Form(_) | PlainBody::Multipart(_) => true,
            PlainBody::Json(_) | PlainBody::Graphql { .. } => {
                media == "application/json" || media == "application/x-www-form-urlencoded"
            }
            PlainBody::Flat => self.draft.method == "GET" || media == "application/json",
            PlainBody::Text(_) => false,
        };
        if !by_body && !value.is_empty() {
            let converted = self.convert(value, "header `Content-Type`", false)?;
            if converted.is_template || !media.contains('/') {
                self.note_lossy(
                    "content_type",
                    "the media type of a body is static; this one is left out",
                    "write `content_type`",
                );
                return Ok(());
            }
            self.draft.content_type = Some(value.to_owned());
        }
        Ok(())
    }

    fn authorization(&mut self, value: &str) -> Result<(), Refusal> {
        let (scheme, rest) = value.split_once(char::is_whitespace).unwrap_or(("", value));
        let rest = rest.trim();
        if scheme.contains('{') || rest.contains("{%") {
            // A placeholder that holds blanks: the whole value is the secret.
            let secret = self.secret(value, "authorization", "");
            self.draft.headers.insert("Authorization".to_owned(), secret);
            return Ok(());
        }
        match scheme.to_ascii_lowercase().as_str() {
            "" if rest.eq_ignore_ascii_case("bearer") => self.authorization("Bearer <token>")?,
            "bearer" if !self.has_connector => {
                let token = self.secret(rest, "token", "");
                self.connect("bearer", connector_keys(&[("type", json!("bearer")), ("token", token)]));
            }
            "basic" if !self.has_connector && decoded_basic(rest).is_some() => {
                let (user, password) = decoded_basic(rest).unwrap_or_default();
                self.basic(&user, &password);
            }
            "" => {
                let secret = self.secret(rest, "authorization", "");
                self.draft.headers.insert("Authorization".to_owned(), secret);
            }
            _ => {
                let secret = self.secret(rest, "authorization", &format!("{scheme} "));
                self.draft.headers.insert("Authorization".to_owned(), secret);
            }
        }
        Ok(())
    }

    fn secret_header(&mut self, name: &str, value: &str) {
        let (prefix, rest) = match value.split_once(' ') {
            Some((scheme, rest)) if scheme.chars().all(|c| c.is_ascii_alphabetic()) => {
                (format!("{scheme} "), rest)
            }
            _ => (String::new(), value),
        };
        let secret = self.secret(rest, name, &prefix);
        if self.has_connector || !prefix.is_empty() {
            self.draft.headers.insert(name.to_owned(), secret);
            return;
        }
        let keys = connector_keys(&[
            ("type", json!("api_key")),
            ("in", json!("header")),
            ("key_name", json!(name)),
            ("key", secret),
        ]);
        self.connect("key", keys);
    }

    fn cookie(&mut self, value: &str) {
        let pairs: Vec<(&str, &str)> = value
            .split(';')
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| !name.is_empty())
            .collect();
        match pairs.as_slice() {
            [(name, text)]
                if !self.has_connector
                    && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b)) =>
            {
                let key = self.secret(text, &format!("cookie_{name}"), "");
                let keys = connector_keys(&[
                    ("type", json!("api_key")),
                    ("in", json!("cookie")),
                    ("key_name", json!(name)),
                    ("key", key),
                ]);
                self.connect("cookie", keys);
            }
            _ => {
                let secret = self.secret(value, "cookies", "");
                self.draft.headers.insert("Cookie".to_owned(), secret);
            }
        }
    }
}

fn decoded_basic(text: &str) -> Option<(String, String)> {
    let decoded = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn two_credentials() -> Refusal {
    Refusal(
        "two_credentials",
        "two credentials of which only one can be a connector".to_owned(),
        "send one of them in a header",
    )
}

/// A map of `keys`, in their order.
pub(crate) fn connector_keys(keys: &[(&str, Value)]) -> Map<String, Value> {
    keys.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}
