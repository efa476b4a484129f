//! What placeholders stand for, and how a template says it.

/// One step into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// What a placeholder stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A parameter of the tool, and the way into it.
    Parameter(Vec<Step>),
    /// A parameter that may be absent.
    Optional(Vec<Step>),
    /// A variable of the conversation.
    Variable(Vec<Step>),
    /// A text that is known now.
    Text(String),
}

/// Where a placeholder stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spot {
    /// In text, or in a string of a JSON body.
    Text,
    /// In a JSON body, where a value is expected.
    JsonValue,
}

/// A parameter that may be absent, where no condition asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Optional {
    /// The parameter.
    pub(crate) name: String,
    /// How a template refers to it, or to what is in it.
    pub(crate) code: String,
}

impl Optional {
    /// The output that fails where it is absent.
    pub(crate) fn bare(&self) -> String {
        format!("{{{{{}}}}}", self.code)
    }

    /// The output that is empty where it is absent.
    pub(crate) fn if_present(&self) -> String {
        format!("{{{{if {}}}}}{}{{{{end}}}}", self.is_present(), self.bare())
    }

    /// The condition that it is not absent: 0, false and empty texts are there.
    pub(crate) fn is_present(&self) -> String {
        format!("ne {} nil", operand(&self.code))
    }
}

/// A construct without a counterpart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unsupported {
    /// What it is, with the construct in backticks.
    pub(crate) message: String,
}

pub(super) fn unsupported(message: String) -> Unsupported {
    Unsupported { message }
}

/// `.parameters.a.b`, or `index .parameters "a-b" 0` where a field cannot be said.
pub(crate) fn reference(meaning: &Meaning) -> String {
    let (root, steps) = match meaning {
        Meaning::Parameter(steps) | Meaning::Optional(steps) => (".parameters", steps),
        Meaning::Variable(steps) => (".variables", steps),
        Meaning::Text(text) => return go_text(text),
    };
    let is_field = |step: &Step| matches!(step, Step::Key(key) if crate::names::is_field(key));
    let fields = steps.iter().take_while(|step| is_field(step)).count();
    let mut code = root.to_owned();
    for step in &steps[..fields] {
        if let Step::Key(key) = step {
            code.push('.');
            code.push_str(key);
        }
    }
    if fields == steps.len() {
        return code;
    }
    let mut code = format!("index {code}");
    for step in &steps[fields..] {
        code.push(' ');
        match step {
            Step::Key(key) => code.push_str(&go_text(key)),
            Step::Index(index) => code.push_str(&index.to_string()),
        }
    }
    code
}

/// `code` as an argument of a function.
pub(crate) fn operand(code: &str) -> String {
    if code.contains(' ') && !code.starts_with(['"', '(']) { format!("({code})") } else { code.to_owned() }
}

/// `text` as a literal of the Go template.
pub(crate) fn go_text(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
