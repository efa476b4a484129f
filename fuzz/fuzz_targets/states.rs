//! Feeds arbitrary texts to the opener of sealed states, where none is one, and arbitrary bytes to the reader of what is
//! inside: what it reads it writes the same, and what comes next fits.
//!
//! Input: a choice (one byte), the text.
#![no_main]

use callgate::conversation::Carried;
use callgate::executor::StateError;
use callgate::fuzzing::states;
use callgate::tool::Scope;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [choice, rest @ ..] = input else { return };
    let scope = Scope::shared("production");
    if choice % 2 == 0 {
        let Ok(text) = std::str::from_utf8(rest) else { return };
        match states().open(&scope, None, text.to_owned()) {
            Ok(carried) => assert!(text.is_empty() && carried.conversation().variables.is_empty()),
            Err(error) => assert_eq!(error, StateError::Invalid),
        }
        return;
    }
    let Some(carried) = Carried::read(&scope, rest, String::new(), 1) else { return };
    let again = Carried::read(&scope, &carried.to_bytes(), String::new(), 1);
    assert_eq!(again.as_ref(), Some(&carried));
    let (step, change) = (carried.step().clone(), carried.last_change());
    let (next, _) = carried.next(step, &change, 7, |next| next.to_bytes().len() < 2_000);
    assert!(next.conversation().expires_at_ms >= 7);
    assert!(next.to_bytes().len() < 2_000 || next.conversation().variables == carried.conversation().variables);
});
