//! `{{path | filter: argument}}`: the filters of Liquid that a template can say.

use super::{Converter, Meaning, Spot, Step, Unsupported, meaning, operand, reference, unsupported, words};

/// Filters that change how a text looks and not what it says.
const LOOKS: &[&str] = &[
    "capitalize",
    "downcase",
    "lower",
    "lstrip",
    "rstrip",
    "squish",
    "strip",
    "strip_newlines",
    "title",
    "titlecase",
    "titleize",
    "trim",
    "upcase",
    "upper",
];

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
        let (mut prepended, mut appended) = (String::new(), String::new());
        for filter in parts {
            let (name, argument) = filter.split_once(':').unwrap_or((filter, ""));
            let name = name.trim();
            let is_affixed = !(prepended.is_empty() && appended.is_empty());
            match name {
                "default" if default.is_none() && !is_affixed => {
                    default = Some(argument.split(", allow_false").next().unwrap_or_default().trim());
                }
                // Text beside the output, where nothing trims what is beside it.
                "prepend" | "append"
                    if self.spot() == Spot::Text && before.is_empty() && after.is_empty() =>
                {
                    let Some(text) = words::literal_text(argument.trim()) else {
                        return Err(computed(name, head));
                    };
                    match name {
                        "prepend" => prepended.insert_str(0, &text),
                        _ => appended.push_str(&text),
                    }
                }
                // What a template does by itself, in the place where it stands.
                "url_encode" | "uri_encode" if !self.notation.json => {}
                "json" | "to_json" | "jsonify" if self.spot() == Spot::JsonValue => {}
                name if LOOKS.contains(&name) => self.out.losses.push(format!(
                    "the filter `{}` of `{}` is left out",
                    words::short(name),
                    words::short(head)
                )),
                name => return Err(computed(name, head)),
            }
        }
        self.known(&prepended);
        match default {
            None => self.output(&steps, before, after)?,
            Some(default) => self.with_default(&steps, default, before, after)?,
        }
        self.known(&appended);
        Ok(())
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
                self.action(&meaning::go_text(&text));
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
                self.action(&format!("{before}or {meaning} {}{after}", meaning::go_text(&text)));
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

fn computed(filter: &str, head: &str) -> Unsupported {
    let (filter, head) = (words::short(filter), words::short(head));
    unsupported(format!("the filter `{filter}` of `{head}` computes what a template cannot"))
}
