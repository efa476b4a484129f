//! Reads the body of an answer.

use serde_json::Value;

use super::assembler::Assembler;
use super::events::{Event, Events};
use super::failure::ProviderFailure;
use super::json;
use super::reply::{Delta, Reply, StreamError};
use super::whole::Whole;

/// Reads an answer as it comes in: a stream of events, or one JSON value from a server that does not stream.
#[derive(Debug)]
pub struct Reader {
    assembler: Box<dyn Assembler>,
    form: Form,
    /// Events so far.
    count: usize,
    failed: Option<StreamError>,
}

#[derive(Debug)]
enum Form {
    /// Nothing but white space so far, and how many bytes of a byte order mark.
    Unknown(usize),
    Events(Events),
    Whole(Whole),
    /// The JSON value has ended.
    Ended,
}

const MARK: &[u8] = b"\xef\xbb\xbf";

impl Reader {
    pub(crate) fn new(assembler: Box<dyn Assembler>) -> Self {
        Self { assembler, form: Form::Unknown(0), count: 0, failed: None }
    }

    /// Takes the next bytes of the body, in whatever pieces they come, and adds what can be said to `out`.
    /// What comes after a complete answer is not looked at.
    ///
    /// # Errors
    ///
    /// The provider failed, the bytes are no answer of its, or a limit was passed. The answer is lost then:
    /// every later step fails in the same way.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<Delta>) -> Result<(), StreamError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let read = self.read(bytes, out);
        if let Err(error) = &read {
            self.failed = Some(error.clone());
        }
        read
    }

    /// Whether the answer is under way: more of it has come than its head.
    pub fn has_begun(&self) -> bool {
        self.count > 1
    }

    /// Whether nothing more is to come. Where a provider does not mark the end of its stream, that is so only
    /// once the body has ended.
    pub fn is_complete(&self) -> bool {
        self.failed.is_none() && self.assembler.is_complete()
    }

    /// The answer, at the end of the body or once it is complete; adds to `out` what can be said and came with
    /// no `push`.
    ///
    /// An event that no blank line has ended counts if its JSON is whole.
    ///
    /// # Errors
    ///
    /// As `push`, or the body ended before the answer did.
    pub fn finish(mut self, out: &mut Vec<Delta>) -> Result<Reply, StreamError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let last = match &mut self.form {
            Form::Events(events) => events.finish(),
            Form::Unknown(_) | Form::Whole(_) | Form::Ended => None,
        };
        if let Some(event) = last.filter(|_| !self.assembler.is_complete()) {
            // Broken JSON is the mark of a stream that broke off here.
            let is_broken = event.data.trim_start().starts_with('{') && json::read(&event.data).is_err();
            if is_broken {
                return Err(StreamError::BrokenOff { text: self.assembler.text().to_owned() });
            }
            take(self.assembler.as_mut(), &event, out)?;
        }
        let text = self.assembler.text().to_owned();
        self.assembler.finish().map_err(|error| match error {
            StreamError::BrokenOff { .. } => StreamError::BrokenOff { text },
            StreamError::TooLarge(_) | StreamError::Provider(_) | StreamError::Malformed(_) => error,
        })
    }

    fn read(&mut self, mut bytes: &[u8], out: &mut Vec<Delta>) -> Result<(), StreamError> {
        if let Form::Unknown(marked) = &mut self.form {
            while let Some(byte) = bytes.first() {
                if MARK.get(*marked) == Some(byte) {
                    *marked += 1;
                } else if !byte.is_ascii_whitespace() {
                    break;
                }
                bytes = &bytes[1..];
            }
            self.form = match bytes.first() {
                None => return Ok(()),
                Some(b'{' | b'[') => Form::Whole(Whole::default()),
                Some(b'<') => {
                    let why = "the answer is a page, not a stream of events";
                    return Err(StreamError::Malformed(why.to_owned()));
                }
                Some(_) => Form::Events(Events::default()),
            };
        }
        match &mut self.form {
            Form::Events(events) => {
                let mut found = Vec::new();
                let pushed = events.push(bytes, &mut found);
                for event in found {
                    if self.assembler.is_complete() {
                        return Ok(());
                    }
                    self.count += 1;
                    take(self.assembler.as_mut(), &event, out)?;
                }
                pushed
            }
            Form::Whole(whole) => {
                let Some(value) = whole.push(bytes)? else { return Ok(()) };
                let answer = json::read(&String::from_utf8_lossy(value))
                    .map_err(|error| StreamError::Malformed(format!("the answer is not JSON: {error}")))?;
                let size = value.len();
                self.form = Form::Ended;
                match ProviderFailure::of_value(&answer, None) {
                    Some(failure) => Err(StreamError::Provider(failure)),
                    None => self.assembler.whole(&answer, size, out),
                }
            }
            Form::Unknown(_) | Form::Ended => Ok(()),
        }
    }
}

/// Hands an event to the assembler. What is no object is a sign of life at most, but in an event of the
/// name `error`.
fn take(assembler: &mut dyn Assembler, event: &Event, out: &mut Vec<Delta>) -> Result<(), StreamError> {
    let data = event.data.trim();
    if data == "[DONE]" {
        assembler.done(out);
        return Ok(());
    }
    let value: Value = if data.starts_with('{') {
        json::read(data).map_err(|error| StreamError::Malformed(format!("an event is not JSON: {error}")))?
    } else {
        Value::Null
    };
    let failure = ProviderFailure::of_value(&value, None);
    if let Some(failure) = failure {
        return Err(StreamError::Provider(failure));
    }
    if event.name == "error" {
        let error = if value.is_object() { value } else { Value::from(data) };
        return Err(StreamError::Provider(ProviderFailure::of_error(&error, &Value::Null, None)));
    }
    if value.is_object() { assembler.event(&value, data.len(), out) } else { Ok(()) }
}
