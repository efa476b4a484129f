//! Secrets that an encoder broke up into lines: base64 has a line break after 76 characters in MIME and after 64 in
//! PEM, hexadecimal digits after 60.

use std::ops::Range;

/// Shortest line that may be an encoder's: longer than nearly every word, shorter than every line.
const MIN_LINE: usize = 16;

/// Looks with `search` through everything in `bytes` that may have been broken up, without its breaks; calls `found`
/// with the places, breaks included. Costs one pass where there is nothing of the kind.
pub(super) fn find(
    bytes: &[u8],
    search: impl Fn(&[u8], &mut dyn FnMut(Range<usize>)),
    found: &mut dyn FnMut(Range<usize>),
) {
    let mut at = 0;
    while let Some(lines) = next(bytes, at) {
        at = lines.last().map_or(bytes.len(), |line| line.end);
        let (mut joined, mut starts) = (Vec::new(), Vec::new());
        for line in &lines {
            starts.push(joined.len());
            joined.extend_from_slice(&bytes[line.clone()]);
        }
        let outside = |at: usize| {
            let line = starts.partition_point(|start| *start <= at) - 1;
            lines[line].start + (at - starts[line])
        };
        search(&joined, &mut |place| {
            if let Some(last) = place.end.checked_sub(1).filter(|last| place.start <= *last) {
                found(outside(place.start)..outside(last) + 1);
            }
        });
    }
}

/// The next two or more lines from `from` on, of which all but the last are long enough.
fn next(bytes: &[u8], from: usize) -> Option<Vec<Range<usize>>> {
    let mut at = from;
    loop {
        let end = at + memchr::memchr3(b'\n', b'\r', b' ', &bytes[at..])?;
        let length = bytes[at..end].iter().rev().take_while(|byte| is_digit(**byte)).count();
        at = end + count(&bytes[end..], is_break);
        if length < MIN_LINE || !bytes.get(at).copied().is_some_and(is_digit) {
            continue;
        }
        let first = end - length..end;
        let mut lines = vec![first];
        loop {
            let end = at + count(&bytes[at..], is_digit);
            lines.push(at..end);
            let next = end + count(&bytes[end..], is_break);
            let is_last = end - at < MIN_LINE || next == end;
            if is_last || !bytes.get(next).copied().is_some_and(is_digit) {
                return Some(lines);
            }
            at = next;
        }
    }
}

fn count(bytes: &[u8], is: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|byte| is(**byte)).count()
}

/// Whether it is one of base64's or base64url's.
fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
}

fn is_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r' | b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places of `needle` in `text`, as they stand there.
    fn places<'t>(needle: &str, text: &'t str) -> Vec<&'t str> {
        let mut all = Vec::new();
        let search = |bytes: &[u8], found: &mut dyn FnMut(Range<usize>)| {
            memchr::memmem::find_iter(bytes, needle).for_each(|at| found(at..at + needle.len()));
        };
        find(text.as_bytes(), search, &mut |place| all.push(&text[place]));
        all
    }

    #[test]
    fn what_is_broken_up_is_found_with_its_breaks() {
        let line = "QUJDREVGR0hJSktMTU5PUFFS";
        for end in ["\n", "\r\n", " ", "\r\n\t "] {
            let text = format!("a b {line}x{end}y{line}z{end}q and more");
            assert_eq!(places("RxyQ", &text.replace("UFFSx", "UFFRx")), [format!("Rx{end}yQ")]);
            assert_eq!(places(&format!("y{line}zq"), &text), [format!("y{line}z{end}q")]);
        }
        assert_eq!(places("Sab", &format!("{line}\nab {line}\nab")), ["S\nab", "S\nab"]);
    }

    #[test]
    fn many_places_in_many_lines_take_time_in_proportion() {
        let text = "QUJDREVGR0hJSktMTU5P\n".repeat(50_000);
        let started = std::time::Instant::now();
        assert_eq!(places("PQUJ", &text).len(), 49_999);
        assert!(started.elapsed() < std::time::Duration::from_secs(60), "{:?}", started.elapsed());
    }

    #[test]
    fn words_are_not_joined() {
        assert!(places("ab", "a b\na\nb short words, a\r\nb").is_empty());
        assert!(places("Sab", "QUJDREVGR0hJSktMTU5PUFFS, ab").is_empty());
        for text in ["", " ", "\n\n", "QUJDREVGR0hJSktMTU5PUFFS", "QUJDREVGR0hJSktMTU5PUFFS \n"] {
            assert!(places("S", text).is_empty(), "{text:?}");
        }
    }
}
