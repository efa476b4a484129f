//! Feeds arbitrary answers to the reader of token responses: the client's secret is not told, nor is a token kept too long.
//!
//! Input: the status and a choice (one byte each), the body.
#![no_main]

use std::time::Duration;

use callgate::fuzzing::token_response;
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "s3cret/of \"the\" client";
/// Thirty days: as long as any token is believed to live.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

fuzz_target!(|input: &[u8]| {
    let [status, choice, body @ ..] = input else { return };
    let status = [200, 200, 200, 400, 401, 500, 302, 204][usize::from(status % 8)];
    let media =
        ["application/json", "text/html", "application/json;charset=utf-8", ""][usize::from(choice % 4)];
    match token_response(status, media, body, SECRET) {
        Ok(life) => assert!(life <= LONGEST),
        Err(told) => {
            assert!(!told.contains(SECRET) && !told.contains('\n'), "{told}");
            assert!(told.chars().count() < 500, "{told}");
        }
    }
});
