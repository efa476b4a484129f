//! Server-sent events, in whatever pieces they come.
//!
//! As <https://html.spec.whatwg.org/multipage/server-sent-events.html> reads them, but that the last event
//! needs no blank line after it: some servers hang up without one, and its JSON tells whether it is whole. A
//! byte order mark is not for this file.

use super::limits::MAX_EVENT;
use super::reply::StreamError;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its name; empty where it has none.
    pub(crate) name: String,
    /// Its lines of data. Bytes that are not UTF-8 are U+FFFD.
    pub(crate) data: String,
}

/// Cuts bytes into lines and lines into events.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// The line that has not ended yet.
    line: Vec<u8>,
    /// The lines of data of the event that has not ended yet, each with a line feed.
    data: Vec<u8>,
    name: String,
    /// The byte before was a carriage return: a line feed now ends no line.
    after_return: bool,
}

impl Events {
    /// Adds to `found` the events that `bytes` ends.
    ///
    /// # Errors
    ///
    /// An event has more than 1 MiB.
    pub(crate) fn push(&mut self, mut bytes: &[u8], found: &mut Vec<Event>) -> Result<(), StreamError> {
        while let Some(&first) = bytes.first() {
            if std::mem::take(&mut self.after_return) && first == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let piece = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + self.data.len() + piece.len() > MAX_EVENT {
                return Err(StreamError::TooLarge("an event"));
            }
            self.line.extend_from_slice(piece);
            let Some(end) = end else { break };
            self.after_return = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            found.extend(self.end_of_line());
        }
        Ok(())
    }

    /// The event that nothing has ended, at the end of the body.
    pub(crate) fn finish(&mut self) -> Option<Event> {
        let ended = self.end_of_line();
        ended.or_else(|| self.end_of_event())
    }

    fn end_of_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        let line = line.as_slice();
        if line.is_empty() {
            return self.end_of_event();
        }
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &line[line.len()..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => self.name = String::from_utf8_lossy(value).into_owned(),
            // Comments, ids, times of reconnection.
            _ => {}
        }
        None
    }

    fn end_of_event(&mut self) -> Option<Event> {
        let name = std::mem::take(&mut self.name);
        let data = std::mem::take(&mut self.data);
        let data = data.strip_suffix(b"\n")?;
        Some(Event { name, data: String::from_utf8_lossy(data).into_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<Event> {
        let (mut events, mut found) = (Events::default(), Vec::new());
        for piece in pieces {
            events.push(piece, &mut found).unwrap();
        }
        found.extend(events.finish());
        found
    }

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn events_are_the_same_in_whatever_pieces_and_with_whatever_ends_of_lines() {
        let text = ": hello\nevent: one\ndata: gr\u{fc}n\ndata:  b\n\nid: 7\nretry: 1\ndata\n\n\n:\ndata:x";
        let expected = [event("one", "gr\u{fc}n\n b"), event("", ""), event("", "x")];
        for end in ["\n", "\r\n", "\r"] {
            let text = text.replace('\n', end);
            let bytes = text.as_bytes();
            assert_eq!(read(&[bytes]), expected, "{end:?}");
            for at in 0..=bytes.len() {
                assert_eq!(read(&[&bytes[..at], b"", &bytes[at..]]), expected, "{end:?} at {at}");
            }
            let each: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(read(&each), expected, "{end:?} byte by byte");
        }
    }

    #[test]
    fn an_event_without_data_is_none_and_loses_its_name() {
        assert_eq!(read(&[b"event: lonely\n\ndata: x\n\n"]), [event("", "x")]);
    }

    #[test]
    fn bytes_that_are_no_text_cost_only_themselves() {
        assert_eq!(read(&[b"data: a\xffb\n\n"]), [event("", "a\u{fffd}b")]);
    }

    #[test]
    fn an_event_has_a_largest_size_in_one_line_and_in_many() {
        let too_large = Err(StreamError::TooLarge("an event"));
        let mut found = Vec::new();
        let line = vec![b'x'; MAX_EVENT + 1];
        assert_eq!(Events::default().push(&line, &mut found), too_large);
        let mut events = Events::default();
        let lines = b"data: 0123456789\n".repeat(MAX_EVENT / 10);
        assert_eq!(events.push(&lines, &mut found), too_large);
        assert!(events.line.len() + events.data.len() <= MAX_EVENT);
        // Many events in one piece are another thing.
        let many = b"data: 0123456789\n\n".repeat(MAX_EVENT / 10);
        assert_eq!(Events::default().push(&many, &mut found), Ok(()));
        assert_eq!(found.len(), MAX_EVENT / 10);
    }
}
