//! `multipart/form-data` bodies (RFC 7578).

use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;

use serde_json::{Map, Value};

use super::failure::RenderFailure;
use super::fields::{Field, each_text};
use super::trace::{Tracer, parameter};
use callgate_template::Data;

/// One part, compiled.
#[derive(Debug)]
pub struct Part {
    pub(crate) name: String,
    pub(crate) field: Field,
    pub(crate) filename: Option<String>,
    pub(crate) content_type: Option<String>,
}

/// The body and its boundary.
pub(crate) struct Encoded {
    pub(crate) body: Vec<u8>,
    pub(crate) boundary: String,
}

/// Encodes the parts of an action.
///
/// # Errors
///
/// Fails where a value that is needed is absent.
pub(crate) fn encode(
    parts: &[Part],
    data: &Data<'_>,
    mut tracer: Tracer<'_>,
) -> Result<Encoded, RenderFailure> {
    let mut list = Vec::with_capacity(parts.len());
    for part in parts {
        let place = format!("multipart.{}", part.name);
        let Some(value) = part.field.value(data, &place)? else { continue };
        each_text(&value, &mut |text| list.push((part, text.to_owned())));
    }
    let mut writer = Writer::new(list.iter().map(|(_, text)| text.as_str()));
    for (part, text) in &list {
        let range = writer.part(&part.name, part.filename.as_deref(), part.content_type.as_deref(), text);
        if let Some(trace) = &mut tracer {
            trace.body.push(part.field.template.traced_whole(range));
        }
    }
    Ok(writer.finish())
}

/// Encodes all parameters, each as a part.
pub(crate) fn encode_flat(
    parameters: &Map<String, Value>,
    placed: &[String],
    mut tracer: Tracer<'_>,
) -> Encoded {
    let mut list: Vec<(&str, String)> = Vec::new();
    for (name, value) in parameters.iter().filter(|(name, _)| !placed.contains(name)) {
        each_text(value, &mut |text| list.push((name, text.to_owned())));
    }
    let mut writer = Writer::new(list.iter().map(|(_, text)| text.as_str()));
    for (name, text) in &list {
        let range = writer.part(name, None, None, text);
        if let Some(trace) = &mut tracer {
            trace.body.push(parameter(name, range));
        }
    }
    writer.finish()
}

struct Writer {
    body: Vec<u8>,
    boundary: String,
}

impl Writer {
    /// Picks a boundary that none of `texts` holds.
    fn new<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> Self {
        let boundary = loop {
            let random = RandomState::new();
            let boundary = format!(
                "callgate-{:016x}{:016x}",
                random.build_hasher().finish(),
                random.hash_one("boundary")
            );
            if !texts.clone().any(|text| text.contains(&boundary)) {
                break boundary;
            }
        };
        Self { body: Vec::new(), boundary }
    }

    /// Writes a part; gives the place of its text.
    fn part(
        &mut self,
        name: &str,
        filename: Option<&str>,
        content_type: Option<&str>,
        text: &str,
    ) -> Range<usize> {
        let mut head =
            format!("--{}\r\ncontent-disposition: form-data; name=\"{}\"", self.boundary, quoted(name));
        if let Some(filename) = filename {
            head.push_str(&format!("; filename=\"{}\"", quoted(filename)));
        }
        if let Some(content_type) = content_type {
            head.push_str(&format!("\r\ncontent-type: {content_type}"));
        }
        head.push_str("\r\n\r\n");
        self.body.extend_from_slice(head.as_bytes());
        let from = self.body.len();
        self.body.extend_from_slice(text.as_bytes());
        let range = from..self.body.len();
        self.body.extend_from_slice(b"\r\n");
        range
    }

    fn finish(mut self) -> Encoded {
        self.body.extend_from_slice(format!("--{}--\r\n", self.boundary).as_bytes());
        Encoded { body: self.body, boundary: self.boundary }
    }
}

/// A name inside quotes, escaped as browsers do it (WHATWG HTML, multipart
/// encoding algorithm).
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}
