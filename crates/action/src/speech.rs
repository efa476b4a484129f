//! What a caller hears while an action runs.
//!
//! Texts are templates in the text context, compiled with the action. One that needs a value
//! that is not there is left out: what is said never decides what is done.

use std::time::Duration;

use serde_json::{Map, Value, json};

use callgate_definition::SpeechTextDefinition;

use super::bound::Bound;
use super::compile::Compiler;
use super::written::pointer_to;
use callgate_schema::parameters::{Parameters, with_property};
use callgate_template::{Data, RenderError, Root, Target, Template};

/// The argument in which a model says what the caller is to hear.
const SAY: &str = "say";
/// What the model is told of it.
const SAY_DESCRIPTION: &str =
    "What to tell the caller while this runs: one short sentence, in the caller's language.";
/// Longest text that is spoken, in characters: as much as Vapi takes.
const MAX_CHARS: usize = 1_000;

/// What a caller hears while an action runs.
#[derive(Debug, Default)]
pub struct Speech {
    /// When a call goes ahead.
    pub start: Option<SpeechText>,
    /// When it takes longer.
    pub delayed: Option<DelayedSpeech>,
    /// When it has failed.
    pub failed: Option<SpeechText>,
    /// Whether the model says in the argument `say` what the caller hears at the start.
    pub say: bool,
    /// Whether `.variables` are needed: to fill texts in, or to know the language.
    pub reads_variables: bool,
}

/// What a caller hears when a call takes longer.
#[derive(Debug)]
pub struct DelayedSpeech {
    /// How long after the start.
    pub after: Duration,
    /// What is said.
    pub text: SpeechText,
}

/// A text in one language or more: never without any.
#[derive(Debug)]
pub struct SpeechText {
    first: Variant,
    others: Vec<Variant>,
}

/// A text in a language.
#[derive(Debug)]
struct Variant {
    /// A language tag (BCP 47); `None` for a text that is the only one.
    language: Option<String>,
    template: Template,
    /// What is said, where that is the same in every call of the environment.
    fixed: Option<String>,
}

impl Speech {
    /// Takes the model's own words out of what it sent; `None` where the action does not ask for them.
    pub fn take_say(&self, arguments: &mut Map<String, Value>) -> Option<String> {
        if !self.say {
            return None;
        }
        match arguments.shift_remove(SAY)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }
}

impl SpeechText {
    /// Compiles the texts at `at`; `template` parses the one at a place. `None` where one of them is no template, which
    /// `template` has told.
    pub(crate) fn compile(
        written: &SpeechTextDefinition,
        at: &str,
        static_variables: &Map<String, Value>,
        template: &mut dyn FnMut(&str, &str) -> Option<Template>,
    ) -> Option<Self> {
        let variants = written.0.iter().map(|(language, source)| {
            let pointer = language.as_ref().map_or_else(|| at.to_owned(), |tag| pointer_to(at, tag));
            let template = template(&pointer, source)?;
            let fixed = fixed_text(source, &template, static_variables);
            Some(Variant { language: language.clone(), template, fixed })
        });
        // All are looked at, so that each tells what is wrong with it.
        let variants: Vec<Option<Variant>> = variants.collect();
        let variants: Vec<Variant> = variants.into_iter().collect::<Option<_>>()?;
        let mut variants = variants.into_iter();
        Some(Self { first: variants.next()?, others: variants.collect() })
    }

    /// The text in `language`, or in the first one where there is none for it.
    ///
    /// # Errors
    ///
    /// Fails where the template needs a value that is absent.
    pub fn render(&self, language: Option<&str>, data: &Data<'_>) -> Result<String, RenderError> {
        let variant = language.and_then(|language| self.find(language)).unwrap_or(&self.first);
        match &variant.fixed {
            Some(text) => Ok(text.clone()),
            None => variant.template.render(data),
        }
    }

    /// Whether there are several languages to choose from.
    pub fn has_languages(&self) -> bool {
        !self.others.is_empty()
    }

    /// Every language, and its text where it is the same in every call, in the order written.
    pub fn fixed(&self) -> impl Iterator<Item = (Option<&str>, Option<&str>)> {
        self.variants().map(|variant| (variant.language.as_deref(), variant.fixed.as_deref()))
    }

    /// The text in `language`, or in the first one; `None` where it is not the same in every call.
    pub fn fixed_in(&self, language: Option<&str>) -> Option<&str> {
        let variant = language.and_then(|language| self.find(language)).unwrap_or(&self.first);
        variant.fixed.as_deref()
    }

    fn variants(&self) -> impl Iterator<Item = &Variant> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The text for a language tag: of the same tag, else of the tag without its last parts
    /// (RFC 4647 section 3.4), else of a region of the language.
    fn find(&self, language: &str) -> Option<&Variant> {
        let tagged = || self.variants().filter_map(|one| Some((one.language.as_deref()?, one)));
        let mut range = language;
        loop {
            if let Some((_, variant)) = tagged().find(|(tag, _)| tag.eq_ignore_ascii_case(range)) {
                return Some(variant);
            }
            match range.rfind('-') {
                Some(at) => range = &range[..at],
                None => break,
            }
        }
        let primary = |tag: &str| tag.split('-').next().is_some_and(|one| one.eq_ignore_ascii_case(range));
        tagged().find(|(tag, _)| primary(tag)).map(|(_, variant)| variant)
    }
}

/// A text as it can be spoken: one line, without control characters, of bounded length; `None`
/// where nothing is left.
pub fn spoken(text: &str) -> Option<String> {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let mut line = String::with_capacity(text.len().min(4 * MAX_CHARS));
    for word in words {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > 4 * MAX_CHARS {
            break;
        }
    }
    if let Some((at, _)) = line.char_indices().nth(MAX_CHARS) {
        line.truncate(at);
    }
    (!line.is_empty()).then_some(line)
}

impl Compiler<'_> {
    /// The schema that models are offered: without what is bound, with `say` where it is asked for.
    pub(crate) fn model_schema(&self, parameters: &Parameters, bind: &[Bound]) -> Value {
        let hidden: Vec<&str> = bind.iter().map(|bound| bound.name.as_str()).collect();
        let schema = parameters.schema_without(&hidden);
        if !self.definition.say {
            return schema;
        }
        with_property(schema, SAY, json!({"type": "string", "description": SAY_DESCRIPTION}))
    }

    pub(crate) fn speech(&mut self, parameters: &Parameters, bind: &[Bound], timeout: Duration) -> Speech {
        let say = self.definition.say;
        if say && (parameters.is_declared(SAY) || self.definition.bind.contains_key(SAY)) {
            let message = "`say: true` adds a parameter `say`, and the action has one of its own";
            let problem = self.error("/say", "say_is_taken", message);
            self.problems.push(problem.hint("give the action's own parameter another name"));
        }
        let Some(written) = &self.definition.speech else { return Speech { say, ..Speech::default() } };
        // What is only said is no part of what a call is: it makes no two calls differ.
        let reads = std::mem::take(&mut self.reads);
        let start = written.start.as_ref();
        let start = start.and_then(|text| self.speech_text(text, "/speech/start", parameters, bind));
        let delayed = written.delayed.as_ref().and_then(|delayed| {
            if Duration::from_millis(delayed.after_ms) >= timeout {
                let whole = timeout.as_millis();
                let message = format!("after {} ms the call is over: it has {whole} ms", delayed.after_ms);
                let problem = self.warning("/speech/delayed/after_ms", "never_said", message);
                self.problems.push(problem.hint("say it sooner, or raise `timeout_ms`"));
            }
            let text = self.speech_text(&delayed.text, "/speech/delayed/text", parameters, bind)?;
            Some(DelayedSpeech { after: Duration::from_millis(delayed.after_ms), text })
        });
        let failed = written.failed.as_ref();
        let failed = failed.and_then(|text| self.speech_text(text, "/speech/failed", parameters, bind));
        let spoken = std::mem::replace(&mut self.reads, reads);
        let texts = [start.as_ref(), delayed.as_ref().map(|delayed| &delayed.text), failed.as_ref()];
        let has_languages = texts.into_iter().flatten().any(SpeechText::has_languages);
        Speech { start, delayed, failed, say, reads_variables: spoken.any || has_languages }
    }

    fn speech_text(
        &mut self,
        written: &SpeechTextDefinition,
        at: &str,
        parameters: &Parameters,
        bind: &[Bound],
    ) -> Option<SpeechText> {
        let (document, static_variables) = (&self.located.document, self.around.static_variables);
        SpeechText::compile(written, at, static_variables, &mut |pointer, source| {
            self.template(document, pointer, source, Target::Text, parameters, bind)
        })
    }
}

/// What a text says in every call of an environment; `None` where that depends on the call.
fn fixed_text(source: &str, template: &Template, static_variables: &Map<String, Value>) -> Option<String> {
    if let Some(text) = template.as_static() {
        return spoken(text);
    }
    // By the text too, since a path may be known only at render: `index . "variables"`.
    let is_static = !source.contains('$')
        && !source.contains("index")
        && template.references().iter().all(|one| one.root == Root::StaticVariables);
    if !is_static {
        return None;
    }
    let none = Map::new();
    let data = Data { parameters: &none, variables: &none, static_variables };
    template.render(&data).ok().as_deref().and_then(spoken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(variants: &[(&str, &str)]) -> SpeechText {
        let mut variants = variants.iter().map(|(language, text)| Variant {
            language: (!language.is_empty()).then(|| (*language).to_owned()),
            template: Template::parse(text, Target::Text).unwrap(),
            fixed: Some((*text).to_owned()),
        });
        SpeechText { first: variants.next().unwrap(), others: variants.collect() }
    }

    #[test]
    fn the_language_is_found_by_its_tag_or_by_a_part_of_it() {
        let texts = text(&[("en", "english"), ("de-CH", "swiss"), ("de", "german"), ("pt-BR", "brazilian")]);
        for (language, expected) in [
            (None, "english"),
            (Some("en"), "english"),
            (Some("EN-us"), "english"),
            (Some("de"), "german"),
            (Some("de-AT-1996"), "german"),
            (Some("de-ch"), "swiss"),
            (Some("de-CH-1996"), "swiss"),
            (Some("pt"), "brazilian"),
            (Some("pt-PT"), "brazilian"),
            (Some("fr"), "english"),
            (Some(""), "english"),
            (Some("-"), "english"),
        ] {
            assert_eq!(texts.fixed_in(language), Some(expected), "{language:?}");
        }
        assert_eq!(text(&[("", "only")]).fixed_in(Some("de")), Some("only"));
    }

    #[test]
    fn what_is_spoken_is_one_bounded_line() {
        for (written, expected) in [
            ("One moment.", Some("One moment.")),
            ("  One\r\n\tmoment \u{0}\u{85} please\u{2028}", Some("One moment please")),
            ("", None),
            ("\n\u{7} \u{1b}", None),
        ] {
            assert_eq!(spoken(written).as_deref(), expected, "{written:?}");
        }
        let long = spoken(&"ä".repeat(5_000)).unwrap();
        assert_eq!(long.chars().count(), MAX_CHARS);
        assert_eq!(spoken(&"ä ".repeat(5_000)).unwrap().chars().count(), MAX_CHARS);
    }
}
