//! `{{path | filter: argument}}`: the filters of Liquid that a template can say.

use super::{Converter, Meaning, Spot, Step, Unsupported, operand, reference, unsupported, words};

impl Converter<'_, '_> {
    /// `path | filter: argument | …`.
    pub(super) fn piped(&mut self, word: &str, before: &str, after: &str) -> Result<(), Unsupported> {
        let mut parts = words::split_outside_quotes(word, '|').into_iter();
        let head = parts.next().unwrap_or_default().trim();
        let Some(steps) = words::path(head) else {
            return Err(unsupported(format!(
                "`{{{{{}}}}}` is computed, which a template cannot",
                words::short(word)
            )));
        };
        let mut default = None;
        for filter in parts {
            let (name, argument) = filter.split_once(':').unwrap_or((filter, ""));
            match name.trim() {
                "default" if default.is_none() => {
                    default = Some(argument.split(", allow_false").next().unwrap_or_default().trim());
                }
                // What a template does by itself, in the place where it stands.
                "url_encode" | "uri_encode" if !self.notation.json => {}
                "json" | "to_json" | "jsonify" if self.spot() == Spot::JsonValue => {}
                name => self.out.losses.push(format!(
                    "the filter `{}` of `{}` is left out",
                    words::short(name),
                    words::short(head)
                )),
            }
        }
        match default {
            None => self.output(&steps, before, after),
            Some(default) => self.with_default(&steps, default, before, after),
        }
    }

    fn with_default(
        &mut self,
        steps: &[Step],
        default: &str,
        before: &str,
        after: &str,
    ) -> Result<(), Unsupported> {
        self.out.is_template = true;
        let spot = self.spot();
        let meaning = match (self.resolve)(steps, spot) {
            Meaning::Text(text) => {
                self.known(&text);
                return Ok(());
            }
            meaning => reference(&meaning),
        };
        if let Some(text) = words::literal_text(default) {
            self.action(&format!("{before}with {meaning}"));
            self.action(".");
            self.action("else");
            if text.chars().all(|c| c.is_ascii_alphanumeric() || " _.-+:/".contains(c)) {
                self.known(&text);
            } else {
                self.action(&words::go_text(&text));
            }
            self.action(&format!("end{after}"));
            return Ok(());
        }
        let Some(other) = words::path(default) else {
            return Err(unsupported(format!(
                "the default `{}` is computed, which a template cannot",
                words::short(default)
            )));
        };
        match (self.resolve)(&other, spot) {
            Meaning::Text(text) => {
                self.action(&format!("{before}or {meaning} {}{after}", words::go_text(&text)));
            }
            other => self.action(&format!(
                "{before}or {} {}{after}",
                operand(&meaning),
                operand(&reference(&other))
            )),
        }
        Ok(())
    }
}
