//! A stream says the same in whatever pieces it comes, and nothing of one that broke off is a call.

use callgate_model::{Provider, Reply, StreamError};
use serde_json::Value;

use crate::corpus::{CASES, Case};
use crate::reading::{Read, calls, pieces, whole};

fn each(check: impl Fn(&Case, &Reply)) {
    for case in CASES {
        let reply = whole(case.provider, case.body).reply;
        let reply = reply.unwrap_or_else(|error| panic!("{}: {error:?}", case.name));
        check(case, &reply);
    }
}

#[test]
fn each_stream_says_what_its_provider_means() {
    each(|case, reply| {
        let name = case.name;
        assert_eq!(reply.assistant.text, case.text, "{name}");
        assert_eq!(calls(reply), case.calls, "{name}");
        assert_eq!(reply.refused, [], "{name}");
        assert_eq!((reply.finish, reply.usage), (case.finish, case.usage()), "{name}");
        let raw = reply.assistant.raw.as_ref().unwrap();
        let expected: Value = serde_json::from_str(case.raw).unwrap();
        assert_eq!((raw.provider, &raw.value), (case.provider, &expected), "{name}");
    });
}

#[test]
fn it_is_the_same_in_two_pieces_wherever_they_part_and_byte_by_byte() {
    each(|case, reply| {
        let expected = Read { said: case.text.to_owned(), reply: Ok(reply.clone()) };
        let bytes = case.body.as_bytes();
        for at in 0..=bytes.len() {
            assert_eq!(
                pieces(case.provider, [&bytes[..at], &bytes[at..]]),
                expected,
                "{} at {at}",
                case.name
            );
        }
        assert_eq!(pieces(case.provider, bytes.chunks(1)), expected, "{}", case.name);
    });
}

#[test]
fn it_is_the_same_with_other_ends_of_lines_with_comments_and_with_a_mark() {
    each(|case, reply| {
        let expected = Read { said: case.text.to_owned(), reply: Ok(reply.clone()) };
        let with_comments = case
            .body
            .split_inclusive('\n')
            .map(|line| format!(": hello\nid: 1\nretry: 5\n{line}"))
            .collect::<String>();
        for body in [
            case.body.replace('\n', "\r\n"),
            case.body.replace('\n', "\r"),
            format!("\u{feff}{}", case.body),
            format!("\u{feff}\r\n: hello\r\n\r\n{}", with_comments.replace('\n', "\r\n")),
            with_comments,
            case.body.trim_end().to_owned(),
            // Data over several lines.
            case.body
                .replace("\"choices\":", "\ndata: \"choices\":")
                .replace("\"type\":", "\ndata:\"type\":"),
        ] {
            assert_eq!(whole(case.provider, &body).reply, expected.reply, "{}: {body}", case.name);
            let bytes = body.as_bytes();
            assert_eq!(pieces(case.provider, bytes.chunks(1)).reply, expected.reply, "{}: {body}", case.name);
            for at in (0..bytes.len()).step_by(7) {
                let read = pieces(case.provider, [&bytes[..at], &bytes[at..]]);
                assert_eq!(read.reply, expected.reply, "{} at {at}: {body}", case.name);
            }
        }
    });
}

#[test]
fn a_stream_that_broke_off_anywhere_gives_no_call_and_tells_what_was_said() {
    each(|case, reply| {
        let bytes = case.body.as_bytes();
        let mut broken = 0;
        for at in 0..bytes.len() {
            let read = pieces(case.provider, [&bytes[..at]]);
            assert!(case.text.starts_with(&read.said), "{} at {at}: {}", case.name, read.said);
            match read.reply {
                Err(StreamError::BrokenOff { text }) => {
                    assert_eq!(text, read.said, "{} at {at}", case.name);
                    broken += 1;
                }
                // Nothing is missing but the count of tokens and the words of farewell.
                Ok(early) if early.assistant == reply.assistant && early.finish == reply.finish => {}
                // A model that gives its reason with every chunk.
                Ok(early) if case.name.starts_with("Gemini: whole calls") => {
                    assert!(case.calls.starts_with(&calls(&early)), "{} at {at}", case.name);
                }
                other => panic!("{} at {at}: {other:?}", case.name),
            }
        }
        assert!(broken > 50, "{}", case.name);
    });
}

#[test]
fn a_reader_knows_when_nothing_more_is_to_come_and_looks_at_nothing_more() {
    each(|case, reply| {
        let (mut reader, mut out) = (case.provider.reader(), Vec::new());
        reader.push(case.body.as_bytes(), &mut out).unwrap();
        let is_marked = case.provider != Provider::Gemini && !case.name.starts_with("Ollama");
        assert_eq!(reader.is_complete(), is_marked, "{}", case.name);
        if is_marked {
            let said = out.len();
            reader.push(case.body.as_bytes(), &mut out).unwrap();
            reader.push(b"data: {nonsense\n\n", &mut out).unwrap();
            assert_eq!(out.len(), said, "{}", case.name);
        }
        assert_eq!(reader.finish(&mut out).as_ref(), Ok(reply), "{}", case.name);
    });
}

#[test]
fn a_reader_is_not_complete_before_the_end_of_its_stream() {
    for case in CASES.iter().filter(|case| case.provider != Provider::Gemini) {
        let end = case.body.trim_end().rfind("data: ").unwrap();
        let (mut reader, mut out) = (case.provider.reader(), Vec::new());
        for byte in &case.body.as_bytes()[..end] {
            reader.push(&[*byte], &mut out).unwrap();
            // `response.completed` comes before a `[DONE]` that nobody needs.
            let is_early = case.provider != Provider::OpenAiResponses && reader.is_complete();
            assert!(!is_early, "{}", case.name);
        }
    }
}
