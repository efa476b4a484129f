//! A request in parts: each text that is fixed, and each value with where it comes from.
//!
//! The parts are masked one by one. Where that does not give what masking the whole gives, because something that must
//! not be seen reaches across their ends, the whole is one part: the parts together are the masked text, always.

use std::borrow::Cow;
use std::ops::Range;

use callgate_text::percent::QUERY;
use http::HeaderName;
use http::header::{ACCEPT, ACCEPT_ENCODING, COOKIE, HOST, USER_AGENT};
use percent_encoding::utf8_percent_encode;
use serde::Serialize;
use serde_json::{Map, Value};
use url::Url;
use utoipa::ToSchema;

use crate::action::template::{SourcePlace, TracedValue};
use crate::action::{RequestSpec, RequestTrace, ValueSource};
use crate::auth::{CredentialPlace, CredentialValue, ShownCredential};
use crate::executor::conversation::masks::Masks;
use crate::secrets::MASK;

/// A request in parts. The texts of each together are what is sent, masked.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct RequestParts {
    /// The URL.
    pub url: Vec<Segment>,
    /// The headers, by name.
    #[schema(value_type = Object)]
    #[serde(serialize_with = "as_map")]
    pub headers: Vec<(HeaderName, Vec<Segment>)>,
    /// The body, if there is one.
    pub body: Option<Vec<Segment>>,
}

/// A part of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Segment {
    /// The text, as it is sent; `***` where it must not be seen.
    pub text: String,
    /// What the definition says in its place, such as `.parameters.email`; not there for fixed text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Where the value comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<ValueOrigin>,
    /// Whether the value is masked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub masked: bool,
    /// The file that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in the file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The column in the file, from 1, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// What a shell would write in its place.
    #[serde(skip)]
    pub(super) shell: Option<Shell>,
}

/// Where a value of a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueOrigin {
    /// The arguments of the call.
    Argument,
    /// A default of the schema.
    Default,
    /// A value that the action binds.
    Bound,
    /// The variables of the request.
    CallVariable,
    /// The variables of the conversation.
    ConversationVariable,
    /// A static variable of the environment.
    StaticVariable,
    /// A secret of the environment.
    Secret,
    /// A credential that is made of secrets, such as a token.
    Credential,
    /// Several values, or one that is chosen while the template is rendered.
    Computed,
}

/// What a shell writes in the place of a value that must not be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shell {
    /// Its variable.
    Variable {
        /// Text before it.
        before: String,
        name: String,
        /// What to set it to.
        meaning: String,
        /// Text behind it.
        after: &'static str,
    },
    /// User and password, which `curl` encodes.
    Basic { username: ValueSource, password: ValueSource },
}

/// Most values that a part of a request is cut at; one with more is a single segment.
const MAX_VALUES: usize = 1_000;

/// Headers that the gateway adds by itself.
const AUTOMATIC: [(HeaderName, &str); 3] = [
    (USER_AGENT, concat!("callgate/", env!("CARGO_PKG_VERSION"))),
    (ACCEPT, "*/*"),
    (ACCEPT_ENCODING, "gzip,br"),
];

impl Segment {
    fn fixed(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

impl RequestParts {
    /// The parts of `request`, whose credentials these are. `trace` tells where its values are, `origin` where they come
    /// from.
    pub(super) fn of(
        request: &RequestSpec,
        trace: Option<&RequestTrace>,
        credentials: &[ShownCredential],
        masks: &Masks<'_>,
        origin: &dyn Fn(&TracedValue) -> ValueOrigin,
    ) -> Self {
        let cut = |text: &str, values: &[TracedValue]| segments(text, values, masks, origin);
        let parsed = Url::parse(&request.url).ok();
        let sent = parsed.as_ref().map_or(request.url.as_str(), Url::as_str);
        let mut url = cut(sent, &moved(&request.url, sent, trace.map_or(&[], |trace| &trace.url)));
        let mut headers: Vec<(HeaderName, Vec<Segment>)> = Vec::new();
        for (name, value) in &request.headers {
            let text = String::from_utf8_lossy(value.as_bytes());
            let values = trace.and_then(|trace| trace.headers.iter().find(|(known, _)| known == name));
            headers.retain(|(known, _)| known != name || name == COOKIE);
            headers.push((name.clone(), cut(&text, values.map_or(&[], |(_, values)| values))));
        }
        for credential in credentials {
            match &credential.place {
                CredentialPlace::Header(name) => {
                    headers.retain(|(known, _)| known != name);
                    headers.push((name.clone(), credential_segments("", credential)));
                }
                CredentialPlace::Query(name) => {
                    let sign = if sent.contains('?') { '&' } else { '?' };
                    let name = percent_encode(name);
                    url.extend(credential_segments(&format!("{sign}{name}="), credential));
                }
                CredentialPlace::Cookie(name) => {
                    let at = headers.iter().position(|(known, _)| *known == COOKIE);
                    let before = if at.is_some() { format!("; {name}=") } else { format!("{name}=") };
                    let cookie = credential_segments(&before, credential);
                    match at {
                        Some(at) => headers[at].1.extend(cookie),
                        None => headers.push((COOKIE, cookie)),
                    }
                }
            }
        }
        let body = request.body.as_deref().map(|body| {
            let text = String::from_utf8_lossy(body);
            // A body that is not UTF-8 is shown as other text, in which the places differ.
            let is_text = matches!(text, Cow::Borrowed(_));
            let values = trace.filter(|_| is_text).map_or(&[][..], |trace| &trace.body);
            cut(&text, values)
        });
        Self { url, headers, body }
    }

    /// The same, with the headers that the gateway and HTTP add, before the others.
    pub(super) fn with_automatic_headers(mut self, url: &str, masks: &Masks<'_>) -> Self {
        let parsed = Url::parse(url).ok();
        let host = parsed.map(|url| url[url::Position::BeforeHost..url::Position::AfterPort].to_owned());
        let own = std::mem::take(&mut self.headers);
        let automatic = AUTOMATIC.into_iter().map(|(name, text)| (name, text.to_owned()));
        let all = [(HOST, masks.request(&host.unwrap_or_default()))].into_iter().chain(automatic);
        let missing = all.filter(|(name, _)| !own.iter().any(|(known, _)| known == name));
        self.headers = missing.map(|(name, text)| (name, vec![Segment::fixed(text)])).collect();
        self.headers.extend(own);
        self
    }
}

/// The text that segments make.
pub(super) fn joined(segments: &[Segment]) -> String {
    segments.iter().map(|segment| segment.text.as_str()).collect()
}

/// Cuts `text` at the values that stand in it, and masks it.
fn segments(
    text: &str,
    values: &[TracedValue],
    masks: &Masks<'_>,
    origin: &dyn Fn(&TracedValue) -> ValueOrigin,
) -> Vec<Segment> {
    if values.len() > MAX_VALUES {
        return vec![Segment::fixed(masks.request(text))];
    }
    let mut cut: Vec<Segment> = Vec::new();
    let mut done = 0;
    let push = |cut: &mut Vec<Segment>, range: Range<usize>| {
        if !range.is_empty() {
            cut.push(Segment::fixed(masks.request(&text[range])));
        }
    };
    for value in values {
        let range = value.range.clone();
        if range.start < done || text.get(range.clone()).is_none() {
            continue;
        }
        push(&mut cut, done..range.start);
        let (plain, masked) = (&text[range.clone()], masks.request(&text[range.clone()]));
        let (file, line, column) = match &value.at {
            Some(SourcePlace { file, line, column }) => (Some(file.to_string()), Some(*line), Some(*column)),
            None => (None, None, None),
        };
        let shell = shell_of(value, plain, &masked);
        let (reference, source) = (Some(value.written.clone()), Some(origin(value)));
        let masked_at_all = masked != plain;
        cut.push(Segment {
            text: masked,
            reference,
            source,
            masked: masked_at_all,
            file,
            line,
            column,
            shell,
        });
        done = range.end;
    }
    push(&mut cut, done..text.len());
    let whole = masks.request(text);
    if joined(&cut) == whole { cut } else { vec![Segment::fixed(whole)] }
}

/// What a shell writes in the place of a value that is masked as a whole.
fn shell_of(value: &TracedValue, plain: &str, masked: &str) -> Option<Shell> {
    let name = shell_name(value.written.trim_start_matches('.'));
    let meaning = format!("the value of `{}`", value.written);
    // A text of JSON is masked between its quotes.
    let (before, after, meaning) = match masked.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(MASK) => ("\"", "\"", format!("{meaning}, escaped as in JSON")),
        _ if masked == MASK && plain != MASK => ("", "", format!("{meaning}, encoded as its place needs")),
        _ => return None,
    };
    Some(Shell::Variable { before: before.to_owned(), name, meaning, after })
}

/// The values, moved to where they stand in `sent`, which a URL parser has made of `written`. It rarely changes
/// anything; of values where it does, the place is not known.
fn moved(written: &str, sent: &str, values: &[TracedValue]) -> Vec<TracedValue> {
    if written == sent {
        return values.to_vec();
    }
    let same = |(one, other): &(u8, u8)| one == other;
    let before = written.bytes().zip(sent.bytes()).take_while(same).count();
    let after = written.bytes().rev().zip(sent.bytes().rev()).take_while(same).count();
    let kept = values.iter().filter_map(|value| {
        let Range { start, end } = value.range;
        let range = match () {
            () if end <= before => start..end,
            () if written.len() - start <= after => {
                sent.len() - (written.len() - start)..sent.len() - (written.len() - end)
            }
            () => return None,
        };
        Some(TracedValue { range, ..value.clone() })
    });
    kept.collect()
}

fn credential_segments(before: &str, credential: &ShownCredential) -> Vec<Segment> {
    let ShownCredential { before: prefix, what, place } = credential;
    let (reference, source, shell) = match what {
        CredentialValue::Value(ValueSource::Secret { name, prefix: own }) => {
            let before = if own == prefix { String::new() } else { own.clone() };
            let meaning = format!("the secret `{name}`");
            let shell = shell_in(place, name, &meaning, before);
            (name.clone(), ValueOrigin::Secret, shell)
        }
        CredentialValue::Value(ValueSource::Plain(_)) => {
            let name = match place {
                CredentialPlace::Header(name) => name.as_str(),
                CredentialPlace::Query(name) | CredentialPlace::Cookie(name) => name,
            };
            let meaning = format!("the value that the connector sends as `{name}`");
            let shell = shell_in(place, name, &meaning, String::new());
            (name.to_owned(), ValueOrigin::Credential, shell)
        }
        CredentialValue::Basic { username, password } => {
            let named = [username, password].into_iter().filter_map(ValueSource::secret_name);
            let named = named.collect::<Vec<_>>().join(", ");
            let shell = Shell::Basic { username: username.clone(), password: password.clone() };
            (named, ValueOrigin::Credential, shell)
        }
        CredentialValue::Token { connector, url } => {
            let name = shell_name(&format!("{connector}_token"));
            let meaning = format!("an access token of `{connector}`, from {url}");
            let shell = Shell::Variable { before: String::new(), name, meaning, after: "" };
            (connector.clone(), ValueOrigin::Credential, shell)
        }
    };
    let fixed = Segment::fixed(format!("{before}{prefix}"));
    let value = Segment {
        text: MASK.to_owned(),
        reference: Some(reference),
        source: Some(source),
        masked: true,
        shell: Some(shell),
        ..Segment::default()
    };
    if fixed.text.is_empty() { vec![value] } else { vec![fixed, value] }
}

/// A name in a query, as it goes over the wire.
pub(super) fn percent_encode(name: &str) -> String {
    utf8_percent_encode(name, QUERY).to_string()
}

/// What a shell writes for the credential `name` in its place.
fn shell_in(place: &CredentialPlace, name: &str, meaning: &str, before: String) -> Shell {
    let (name, meaning) = match place {
        CredentialPlace::Query(_) => (format!("{name}_encoded"), format!("{meaning}, percent-encoded")),
        CredentialPlace::Header(_) | CredentialPlace::Cookie(_) => (name.to_owned(), meaning.to_owned()),
    };
    Shell::Variable { before, name: shell_name(&name), meaning, after: "" }
}

/// Variables that a shell or the programs that it starts read themselves.
const TAKEN: [&str; 14] = [
    "_",
    "CURL_HOME",
    "ENV",
    "HOME",
    "IFS",
    "LANG",
    "LOGNAME",
    "PATH",
    "PS1",
    "PWD",
    "SHELL",
    "TERM",
    "TMPDIR",
    "USER",
];

/// A name for a variable of a shell (POSIX: capitals, digits and `_`, no digit first).
pub(super) fn shell_name(name: &str) -> String {
    let sign = |sign: char| if sign.is_ascii_alphanumeric() { sign.to_ascii_uppercase() } else { '_' };
    let name: String = name.chars().map(sign).collect();
    let is_usable = !name.starts_with(|first: char| first.is_ascii_digit()) && !name.is_empty();
    if is_usable && !TAKEN.contains(&name.as_str()) { name } else { format!("CALLGATE_{name}") }
}

fn as_map<S: serde::Serializer>(
    headers: &[(HeaderName, Vec<Segment>)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.iter().map(|(name, segments)| (name.as_str(), segments)))
}

/// Headers as a JSON object.
pub(super) fn header_map(headers: &[(HeaderName, Vec<Segment>)]) -> Map<String, Value> {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), Value::String(joined(value)))).collect()
}
