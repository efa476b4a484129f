//! How much of an answer a JSONPath may look at.
//!
//! A query cannot be interrupted, so its cost is bounded before it begins. Most paths look at each value once, or at
//! each value below another one once for every level. A second descent begins anew below each match of the first one,
//! and a filter that looks through the whole answer does so for each value that it is asked about.

use serde_json::Value;

/// Most looks at a value that one query may take: a second of work, or less.
const MAX_LOOKS: u64 = 20_000_000;

/// What makes a path look at a value more than once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Descents: `..`.
    descents: u32,
    /// Queries inside of filters that begin at `$` and may find more than one value.
    wholes: u32,
    /// Selectors beside others in one bracket, which may find the same again.
    more: u32,
}

impl Reach {
    /// Of a path that can be parsed.
    pub(super) fn of(path: &str) -> Self {
        let path = without_quoted(path);
        let mut reach = Self { descents: count(&path, ".."), ..Self::default() };
        let (mut filters, mut brackets) = (0_u32, Vec::new());
        for (at, c) in path.char_indices() {
            match c {
                '[' | '(' => brackets.push(0),
                ']' | ')' => filters -= brackets.pop().unwrap_or_default(),
                '?' => {
                    filters += 1;
                    if let Some(bracket) = brackets.last_mut() {
                        *bracket += 1;
                    }
                }
                ',' if filters == 0 => reach.more += 1,
                '$' if filters > 0 => {
                    let rest = &path[at..];
                    let query = &rest[..rest.find(is_end).unwrap_or(rest.len())];
                    reach.wholes += u32::from(query.contains("..") || query.contains(['*', ':', '?']));
                }
                _ => {}
            }
        }
        reach
    }

    /// Whether a query of `body` ends in time.
    pub(super) fn allows(self, body: &Value) -> bool {
        if self.descents < 2 && self.wholes == 0 && self.more == 0 {
            return true;
        }
        let (values, depth) = measure(body);
        let below = depth.saturating_pow(self.descents.saturating_sub(1));
        let whole = values.saturating_pow(self.wholes);
        let again = 2_u64.saturating_pow(self.more);
        values.saturating_mul(below).saturating_mul(whole).saturating_mul(again) <= MAX_LOOKS
    }
}

/// Whether a query inside of a filter ends here.
fn is_end(c: char) -> bool {
    matches!(c, ' ' | ')' | ',' | '=' | '!' | '<' | '>' | '&' | '|')
}

fn count(text: &str, part: &str) -> u32 {
    u32::try_from(text.matches(part).count()).unwrap_or(u32::MAX)
}

/// How many values there are in `value`, with itself, and how many levels.
fn measure(value: &Value) -> (u64, u64) {
    let all = |inner: &mut dyn Iterator<Item = &Value>| {
        inner.fold((1, 1), |(values, depth), value| {
            let (more, below) = measure(value);
            (values + more, depth.max(below + 1))
        })
    };
    match value {
        Value::Array(items) => all(&mut items.iter()),
        Value::Object(map) => all(&mut map.values()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (1, 1),
    }
}

/// `path` without what stands in quotes.
fn without_quoted(path: &str) -> String {
    let (mut quote, mut escaped) = (None, false);
    let outside = |c: &char| match quote {
        Some(_) if escaped => {
            escaped = false;
            false
        }
        Some(open) => {
            escaped = *c == '\\';
            if *c == open {
                quote = None;
            }
            false
        }
        None if matches!(c, '\'' | '"') => {
            quote = Some(*c);
            false
        }
        None => true,
    };
    path.chars().filter(outside).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(path: &str, descents: u32, wholes: u32, more: u32) {
        serde_json_path::JsonPath::parse(path).expect("a path");
        assert_eq!(Reach::of(path), Reach { descents, wholes, more }, "{path}");
    }

    #[test]
    fn the_text_of_a_path_tells_what_it_looks_at_again_and_again() {
        check("$.slots[*].id", 0, 0, 0);
        check("$..id", 1, 0, 0);
        check("$..a..b[?@..c]", 3, 0, 0);
        check("$['a..b', \"c,\\\"$..*\"]", 0, 0, 1);
        check("$[0, 1, 2:5]", 0, 0, 2);
        check("$.items[?@.id == $.chosen.id && @['$..x'] == 1].name", 0, 0, 0);
        check("$.items[?count($..x) > 1]", 1, 1, 0);
        check("$.items[?$.all[*] && @.a]", 0, 1, 0);
        check("$[?(@.a[?@.b] && @.c)]", 0, 0, 0);
        check("$[?length(@.a) > 1]['c', 'd']", 0, 0, 1);
    }

    #[test]
    fn what_ends_in_time_depends_on_the_answer_too() {
        let wide = json!((0..200_000).map(|n| json!({"a": n})).collect::<Vec<_>>());
        let deep = (0..100).fold(json!((0..20_000).collect::<Vec<_>>()), |inner, _| json!({"a": inner}));
        for (path, fits_wide, fits_deep) in [
            ("$..*", true, true),
            ("$..a..b", true, true),
            ("$..a..b..c", true, false),
            ("$[?count($..*) > 1]", false, false),
            ("$['a', 'b']", true, true),
            ("$[*, *, *, *, *, *, *, *]", false, true),
        ] {
            let reach = Reach::of(path);
            assert_eq!((reach.allows(&wide), reach.allows(&deep)), (fits_wide, fits_deep), "{path}");
        }
    }

    #[test]
    fn what_does_not_end_in_time_finds_nothing_and_hides_all() {
        let deep = (0..100).fold(json!((0..20_000).collect::<Vec<_>>()), |inner, _| json!({"a": inner}));
        let output = super::super::tests::output("$..a..a..a", Some(false), false);
        assert!(super::super::extract(std::slice::from_ref(&output), &deep).is_empty());
        let hidden = super::super::hide(&[output], &deep, &deep.to_string());
        assert_eq!(hidden.as_deref(), Some("\"[hidden]\""));
    }
}
