//! An upstream's answer, as something a model can be shown.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::action::output::{self, Concealed, Decoded, HIDDEN};
use crate::egress::Response;

/// What a model sees of an answer in which nothing can be hidden.
const WITHHELD: &str = "[not shown: a part of this answer must stay hidden, and it cannot be read as JSON]";

/// An answer, read as far as it can be.
#[derive(Debug)]
pub(super) struct Answer {
    /// The HTTP status; of a fixed answer 200.
    pub(super) status: StatusCode,
    /// Its headers; of a fixed answer none.
    pub(super) headers: HeaderMap,
    /// What it says.
    pub(super) content: Content,
}

/// What an answer says.
#[derive(Debug)]
pub(super) enum Content {
    /// Nothing.
    Empty,
    /// JSON, byte for byte.
    Json(String),
    /// Text.
    Text(String),
    /// Text that could not all be decoded, or what is told of it.
    Undecoded(String),
    /// What an HTML page says.
    Html {
        /// Its title and visible text.
        text: String,
        /// How long the page was, in characters.
        page: usize,
    },
    /// Neither; described.
    Binary {
        /// Its media type, as far as it is known.
        media_type: String,
        /// Its length.
        bytes: usize,
    },
    /// Declared as JSON, but broken.
    BrokenJson {
        /// What came.
        text: String,
        /// Where it breaks.
        problem: String,
    },
}

impl Answer {
    /// Reads an upstream's response.
    pub(super) fn read(response: Response) -> Self {
        let content = content(&response.headers, response.body);
        Self { status: response.status, headers: response.headers, content }
    }

    /// How many bytes there are to be looked at.
    pub(super) fn bytes(&self) -> usize {
        match &self.content {
            Content::Json(text) | Content::Text(text) | Content::Undecoded(text) => text.len(),
            Content::Html { text, .. } | Content::BrokenJson { text, .. } => text.len(),
            Content::Empty | Content::Binary { .. } => 0,
        }
    }

    /// The answer of an action of type `static`.
    pub(super) fn fixed(body: &RawValue) -> Self {
        let content = match serde_json::from_str::<String>(body.get()) {
            Ok(text) => Content::Text(text),
            Err(_) => Content::Json(body.get().to_owned()),
        };
        Self { status: StatusCode::OK, headers: HeaderMap::new(), content }
    }
}

impl Content {
    /// The same without values that earlier calls of the conversation were told to hide.
    pub(super) fn without(self, concealed: &Concealed) -> Self {
        match self {
            Self::Json(text) => Self::Json(concealed.out_of_json(&text).unwrap_or(text)),
            Self::Text(text) => Self::Text(plainly(concealed, text)),
            Self::Undecoded(text) => Self::Undecoded(plainly(concealed, text)),
            Self::Html { text, page } => Self::Html { text: plainly(concealed, text), page },
            Self::BrokenJson { text, problem } => {
                Self::BrokenJson { text: plainly(concealed, text), problem }
            }
            Self::Empty | Self::Binary { .. } => self,
        }
    }

    /// Takes away what a model would see of JSON that cannot be read (cut off,
    /// too deep, several in a row): what must stay hidden cannot be found in it.
    pub(super) fn withhold_unreadable(&mut self) {
        let is_json = |text: &str| text.trim_start().starts_with(['{', '[']);
        match self {
            Self::BrokenJson { text, .. } => WITHHELD.clone_into(text),
            Self::Json(_) => *self = Self::Text(WITHHELD.to_owned()),
            Self::Text(text) | Self::Undecoded(text) if is_json(text) => WITHHELD.clone_into(text),
            Self::Empty | Self::Text(_) | Self::Undecoded(_) | Self::Html { .. } | Self::Binary { .. } => {}
        }
    }

    /// Takes away all that it says.
    pub(super) fn withhold(&mut self) {
        match self {
            Self::Empty | Self::Binary { .. } => {}
            Self::Json(_) | Self::Text(_) | Self::Undecoded(_) | Self::Html { .. } => {
                *self = Self::Text(HIDDEN.to_owned());
            }
            Self::BrokenJson { text, .. } => HIDDEN.clone_into(text),
        }
    }

    /// What it says as a text, where it is one as a whole.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Html { text, .. } => Some(text),
            Self::Empty
            | Self::Json(_)
            | Self::Undecoded(_)
            | Self::Binary { .. }
            | Self::BrokenJson { .. } => None,
        }
    }

    /// The answer as a JSON value, where it is one.
    pub(super) fn json(&self) -> Option<Value> {
        match self {
            Self::Json(text) => serde_json::from_str(text).ok(),
            Self::Empty
            | Self::Text(_)
            | Self::Undecoded(_)
            | Self::Html { .. }
            | Self::Binary { .. }
            | Self::BrokenJson { .. } => None,
        }
    }
}

fn plainly(concealed: &Concealed, text: String) -> String {
    concealed.out_of_text(&text).unwrap_or(text)
}

fn content(headers: &HeaderMap, body: Bytes) -> Content {
    if body.is_empty() {
        return Content::Empty;
    }
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let declared_json = essence == "application/json" || essence.ends_with("+json");
    let bytes = body.len();
    let binary = |essence: String| Content::Binary {
        media_type: if essence.is_empty() { "application/octet-stream".to_owned() } else { essence },
        bytes,
    };
    if is_binary(&essence) {
        return binary(essence);
    }
    let says_nothing = essence == "application/octet-stream";
    let text = match output::decode(media, &body) {
        // Whoever knows no better type than this may send JSON all the same.
        Decoded::Text(text) if says_nothing => {
            let is_json = looks_like_json(&text) && serde_json::from_str::<&RawValue>(&text).is_ok();
            return if is_json { Content::Json(text) } else { binary(essence) };
        }
        // Bytes of an unknown type may look like UTF-16 by chance.
        Decoded::Text(text) if declared_json || is_text(media, &essence) || is_plain(&text, &body) => text,
        Decoded::Broken { text, charset, is_declared }
            if !says_nothing && (declared_json || is_declared || is_text(media, &essence)) =>
        {
            let text = if output::is_html(&text) { output::html_to_text(&text) } else { text };
            let note =
                format!("[not all of this text is {charset}; \u{fffd} stands for what cannot be decoded]");
            return Content::Undecoded(format!("{text}\n{note}"));
        }
        Decoded::Unknown { charset } if declared_json || is_text(media, &essence) => {
            return Content::Undecoded(format!(
                "[text in the charset `{charset}`, {bytes} bytes, cannot be decoded]"
            ));
        }
        Decoded::Text(_) | Decoded::Broken { .. } | Decoded::Unknown { .. } => return binary(essence),
    };
    // Some servers end nothing at all with a line break.
    if text.trim().is_empty() {
        return Content::Empty;
    }
    if !declared_json && !looks_like_json(&text) {
        let declared_html = essence == "text/html" || essence == "application/xhtml+xml";
        // What some servers declare to be HTML is a word or two.
        return if declared_html && text.contains('<') || output::is_html(&text) {
            Content::Html { text: output::html_to_text(&text), page: text.chars().count() }
        } else {
            Content::Text(text)
        };
    }
    match serde_json::from_str::<&RawValue>(&text) {
        Ok(_) => Content::Json(text),
        // Lines of JSON, each whole, are no JSON but no accident either.
        Err(_) if declared_json && is_json_lines(&text) => Content::Text(text),
        Err(error) if declared_json => Content::BrokenJson { problem: error.to_string(), text },
        Err(_) => Content::Text(text),
    }
}

fn is_json_lines(text: &str) -> bool {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    values.by_ref().take_while(Result::is_ok).count() > 1 && values.byte_offset() >= text.trim_end().len()
}

fn is_binary(essence: &str) -> bool {
    ["image/", "audio/", "video/", "font/"].iter().any(|class| essence.starts_with(class))
        && essence != "image/svg+xml"
        || matches!(essence, "application/pdf" | "application/zip" | "application/gzip" | "application/wasm")
}

/// Whether an answer is declared to be text, whatever its bytes look like.
fn is_text(media: &str, essence: &str) -> bool {
    essence.starts_with("text/")
        || essence.ends_with("+xml")
        || essence == "application/xml"
        || media.to_ascii_lowercase().contains("charset=")
}

/// Whether a text that nothing declares is one: it came as UTF-8, or begins as JSON and documents do.
fn is_plain(text: &str, body: &[u8]) -> bool {
    text.trim_start().starts_with(['{', '[', '<']) || std::str::from_utf8(body).is_ok()
}

fn looks_like_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}
