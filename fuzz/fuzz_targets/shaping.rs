//! Feeds arbitrary answers to what shapes them for a model: bounded, JSON, and not changed where nothing has to be.
//!
//! Input: the status, the media type and the shape (one byte each), the body.
#![no_main]

use std::sync::LazyLock;

use callgate::action::output;
use callgate::catalog::Catalog;
use callgate::definition::{Problems, ProjectFiles};
use callgate::fuzzing::shown;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use serde_json::value::RawValue;

const SHAPES: &[&str] = &[
    "{}",
    "{max_items: 2}",
    "{max_chars: 100}",
    "{pick: [$.a]}",
    "{pick: ['$..a', '$.b[*]'], max_items: 1}",
    "{pick: [{name: x, path: '$[?@.a > 1]'}, '$.b[0]']}",
];
const MEDIA: &[&str] = &[
    "application/json",
    "text/html",
    "text/plain",
    "",
    "application/problem+json",
    "text/html; charset=iso-8859-1",
];
const MAX_CHARS: usize = 300;

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
    let texts: Vec<(String, String)> = SHAPES
        .iter()
        .enumerate()
        .map(|(index, shape)| {
            let text = format!("description: d\nurl: http://upstream.test/x\nresponse: {shape}\n");
            (format!("actions/a{index}.yaml"), text)
        })
        .collect();
    let mut problems = Problems::default();
    let files = texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let files = ProjectFiles::from_texts(files, &mut problems);
    let (catalog, _) = Catalog::compile(&files, &["development".to_owned()], &mut problems);
    assert!(!problems.has_errors(), "{problems:?}");
    catalog
});

fuzz_target!(|input: &[u8]| {
    let [status, media, shape, body @ ..] = input else { return };
    let status = [200, 201, 302, 404, 500][usize::from(status % 5)];
    let media = MEDIA[usize::from(*media) % MEDIA.len()];
    let shape = usize::from(*shape) % SHAPES.len();
    let action = &CATALOG.environments()[0].actions[shape];
    let max_chars = action.response.max_chars.unwrap_or(MAX_CHARS);
    let Some(body_shown) = shown(action, status, media, body, max_chars) else { return };
    let text: Option<String> = serde_json::from_str(body_shown.get()).ok();
    let length = text.as_deref().unwrap_or(body_shown.get()).chars().count();
    assert!(length <= max_chars + 120, "{length} characters are shown");
    assert!(serde_json::from_str::<&RawValue>(body_shown.get()).is_ok(), "what is shown is JSON");
    let Ok(whole) = std::str::from_utf8(body) else { return };
    if shape == 0 && media == "application/json" && whole.chars().count() <= max_chars {
        let is_json = serde_json::from_str::<&RawValue>(whole).is_ok();
        assert!(!is_json || body_shown.get() == whole.trim(), "what fits is shown as it is");
    }
    // The steps for themselves, at other sizes.
    assert!(output::html_to_text(whole).len() <= whole.len());
    if serde_json::from_str::<Value>(whole).is_ok() {
        for most in [1, 3] {
            let cut = output::cut_lists(whole, most);
            assert!(cut.is_none_or(|cut| serde_json::from_str::<Value>(&cut).is_ok()));
        }
        let cut = output::cut_to_fit(whole, 150);
        assert!(
            cut.is_none_or(|cut| cut.chars().count() <= 150 && serde_json::from_str::<Value>(&cut).is_ok())
        );
    }
});
