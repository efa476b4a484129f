//! `{% … %}`: the tags of Liquid that a template can say.

use super::words::{self, Condition};
use super::{Block, Converter, Unsupported, unsupported};

impl Converter<'_, '_> {
    /// `{% … %}`.
    pub(super) fn tag(&mut self) -> Result<(), Unsupported> {
        let Some(end) = words::find_outside_quotes(&self.rest[2..], "%}").map(|at| at + 2) else {
            self.literal("{");
            self.rest = &self.rest[1..];
            return Ok(());
        };
        let whole = &self.rest[2..end];
        self.rest = &self.rest[end + 2..];
        let before = if whole.starts_with('-') { "- " } else { "" };
        let after = if whole.len() > 1 && whole.ends_with('-') { " -" } else { "" };
        let inner = whole.strip_prefix('-').unwrap_or(whole);
        let inner = inner.strip_suffix('-').unwrap_or(inner).trim();
        let (name, rest) = inner.split_once(char::is_whitespace).unwrap_or((inner, ""));
        let in_liquid = matches!(self.open.last(), Some((Block::Liquid(_), _)));
        match name {
            "raw" => self.raw(),
            "comment" => self.skip_to("endcomment"),
            "if" => {
                let condition = self.liquid(rest)?;
                self.begin(Block::Liquid("if"), &condition, false, before, after)
            }
            "unless" => {
                let condition = self.liquid(rest)?;
                self.begin(Block::Liquid("unless"), &condition, true, before, after)
            }
            "elsif" if in_liquid => {
                let condition = self.liquid(rest)?;
                self.otherwise(Some(&condition), before, after)
            }
            "else" if in_liquid => self.otherwise(None, before, after),
            "endif" if self.open.last().is_some_and(|open| open.0 == Block::Liquid("if")) => {
                self.end(before, after)
            }
            "endunless" if self.open.last().is_some_and(|open| open.0 == Block::Liquid("unless")) => {
                self.end(before, after)
            }
            other => Err(unsupported(format!("`{{% {} %}}` has no counterpart", words::short(other)))),
        }
    }

    fn liquid(&mut self, text: &str) -> Result<Condition, Unsupported> {
        let condition = words::liquid_condition(text)?;
        if condition.has_bare {
            let loss = "an empty text and 0 count as absent in a condition, which they do not in Liquid";
            if !self.out.losses.iter().any(|known| known == loss) {
                self.out.losses.push(loss.to_owned());
            }
        }
        Ok(condition)
    }

    fn raw(&mut self) -> Result<(), Unsupported> {
        let (text, rest) = end_tag(self.rest, "endraw")?;
        self.literal(text);
        self.rest = rest;
        self.out.is_template = true;
        Ok(())
    }

    fn skip_to(&mut self, name: &str) -> Result<(), Unsupported> {
        self.rest = end_tag(self.rest, name)?.1;
        self.out.is_template = true;
        Ok(())
    }
}

/// The text up to `{% name %}`, and what follows it.
fn end_tag<'t>(text: &'t str, name: &str) -> Result<(&'t str, &'t str), Unsupported> {
    let mut from = 0;
    while let Some(at) = text[from..].find("{%").map(|at| at + from) {
        let Some(end) = text[at..].find("%}").map(|end| end + at) else { break };
        if text[at + 2..end].trim_matches('-').trim() == name {
            return Ok((&text[..at], &text[end + 2..]));
        }
        from = at + 2;
    }
    Err(unsupported(format!("`{{% {name} %}}` is missing")))
}
