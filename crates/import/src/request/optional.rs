//! Optional parameters in templates of a source: what is absent is left out,
//! where that can be written; else the parameter is required here.

use crate::placeholder::{Converted, Optional, find_outside_quotes};

use super::{Lowering, Refusal};

impl Lowering<'_, '_, '_> {
    /// A template that is one field, which is left out where it is nothing but
    /// an absent parameter.
    pub(super) fn field(&mut self, text: &str, what: &str) -> Result<Converted, Refusal> {
        let mut converted = self.convert(text, what, false)?;
        if let Some(only) = sole(&converted) {
            converted.template = only.bare();
        }
        Ok(converted)
    }

    /// A template of a place that has to be filled: a segment of the path.
    pub(super) fn needed(&mut self, text: &str, what: &str) -> Result<Converted, Refusal> {
        let mut converted = self.convert(text, what, false)?;
        for optional in std::mem::take(&mut converted.optional) {
            converted.template = converted.template.replace(&optional.if_present(), &optional.bare());
            self.require(&optional.name, what);
        }
        Ok(converted)
    }

    /// A value that the model does not choose; where it is nothing but a
    /// parameter, it keeps its type and has to be there.
    pub(super) fn fixed(&mut self, text: &str, what: &str) -> Result<Converted, Refusal> {
        let converted = self.convert(text, what, false)?;
        match sole(&converted) {
            Some(_) => self.needed(text, what),
            None => Ok(converted),
        }
    }

    /// A JSON body, without the members whose values are absent.
    pub(super) fn members(&mut self, text: &str, what: &str) -> Result<Converted, Refusal> {
        let mut converted = self.convert(text, what, true)?;
        let (template, kept) = without_absent(&converted.template, &converted.optional);
        converted.template = template;
        for optional in kept {
            self.require(&optional.name, what);
        }
        Ok(converted)
    }

    /// Makes the parameter `name` required, because `what` needs it.
    pub(super) fn require(&mut self, name: &str, what: &str) {
        let parameters = &mut self.draft.parameters;
        let is_new = parameters.properties.contains_key(name)
            && !parameters.required.iter().any(|required| required == name);
        if is_new {
            parameters.required.push(name.to_owned());
            let message =
                format!("{what}: `{name}` is required here, as nothing can stand for an absent value");
            self.note_lossy(
                "required",
                message,
                "write the action by hand, with `if`, where calls go without it",
            );
        }
    }
}

/// The optional parameter that `converted` is and nothing else.
fn sole(converted: &Converted) -> Option<&Optional> {
    converted.optional.iter().find(|optional| converted.template == optional.if_present())
}

/// An object or a list of the template that is still open.
struct Open<'o> {
    is_object: bool,
    /// How many blocks were open where it began.
    blocks: usize,
    /// A block reaches over its members.
    is_cut: bool,
    members: Vec<Member<'o>>,
    /// Where the member begins that is read, and where its value does.
    from: usize,
    value: Option<usize>,
}

/// A member of an object: where it stands, and the parameter that it is nothing but.
struct Member<'o> {
    from: usize,
    to: usize,
    is: Option<Sole<'o>>,
}

/// A value that is one optional parameter and nothing else.
struct Sole<'o> {
    parameter: &'o Optional,
    /// Where it stands, and how it is written where the parameter is there.
    at: usize,
    written: String,
    is_text: bool,
}

/// `template`, in which every member of an object that is nothing but an
/// optional parameter is there only where that is; and the parameters that
/// stand outside of texts in other places.
fn without_absent<'o>(template: &str, optional: &'o [Optional]) -> (String, Vec<&'o Optional>) {
    let mut edits: Vec<(usize, usize, String)> = Vec::new();
    let mut kept: Vec<&Optional> = Vec::new();
    let mut open: Vec<Open<'o>> = Vec::new();
    let (mut at, mut blocks, mut in_string) = (0, 0_usize, false);
    while let Some(c) = template.get(at..).and_then(|rest| rest.chars().next()) {
        if let Some((code, length)) = action(&template[at..]) {
            match code.split(' ').next().unwrap_or_default() {
                "if" | "with" => blocks += 1,
                "end" => blocks = blocks.saturating_sub(1),
                _ if !in_string => kept.extend(optional.iter().find(|optional| optional.code == code)),
                _ => {}
            }
            at += length;
            continue;
        }
        match c {
            '\\' if in_string => at += 1,
            '"' => in_string = !in_string,
            _ if in_string => {}
            '{' | '[' => open.push(Open {
                is_object: c == '{',
                blocks,
                is_cut: false,
                members: Vec::new(),
                from: at + 1,
                value: None,
            }),
            ':' | ',' | '}' | ']' => {
                let Some(inner) = open.last_mut() else { break };
                inner.is_cut |= inner.blocks != blocks;
                if c == ':' {
                    inner.value = Some(at + 1);
                } else {
                    let is = inner.value.take().and_then(|value| sole_value(template, value, at, optional));
                    inner.members.push(Member { from: inner.from, to: at, is });
                    inner.from = at + 1;
                }
                if matches!(c, '}' | ']')
                    && let Some(closed) = open.pop()
                    && closed.is_object
                    && !closed.is_cut
                {
                    for sole in closed.members.iter().filter_map(|member| member.is.as_ref()) {
                        let of = kept.iter().rposition(|known| *known == sole.parameter);
                        if let Some(index) = of.filter(|_| !sole.is_text) {
                            kept.remove(index);
                        }
                    }
                    edits.extend(rewritten(template, &closed.members));
                }
            }
            _ => {}
        }
        at += template.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
    }
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.0));
    let mut out = template.to_owned();
    for (from, to, text) in edits {
        out.replace_range(from..to, &text);
    }
    (out, kept)
}

/// The code of the action that `text` starts with, and its length.
fn action(text: &str) -> Option<(&str, usize)> {
    let inner = text.strip_prefix("{{")?;
    let end = find_outside_quotes(inner, "}}")?;
    let code = &inner[..end];
    let code = code.strip_prefix('-').unwrap_or(code);
    Some((code.strip_suffix('-').unwrap_or(code).trim(), end + 4))
}

/// The value between `from` and `to`, if it is one of `optional` and nothing else.
fn sole_value<'o>(template: &str, from: usize, to: usize, optional: &'o [Optional]) -> Option<Sole<'o>> {
    let value = template[from..to].trim();
    optional.iter().find_map(|parameter| {
        let is_text = value == format!("\"{}\"", parameter.if_present());
        if !is_text && value != parameter.bare() {
            return None;
        }
        let bare = parameter.bare();
        let written = if is_text { format!("\"{bare}\"") } else { bare };
        let at = from + template[from..to].find(value)?;
        Some(Sole { parameter, at, written, is_text })
    })
}

/// What to write in place of parts of an object: each member that may be absent
/// is in a condition, with the comma before it.
fn rewritten(template: &str, members: &[Member<'_>]) -> Vec<(usize, usize, String)> {
    let mut edits = Vec::new();
    let mut before: Vec<String> = Vec::new();
    let mut is_first = true;
    let mut is_certain = false;
    for member in members {
        let comma = match before.as_slice() {
            _ if is_first => String::new(),
            _ if is_certain => ",".to_owned(),
            [only] => format!("{{{{if {only}}}}},{{{{end}}}}"),
            several => {
                let several: Vec<String> = several.iter().map(|condition| format!("({condition})")).collect();
                format!("{{{{if or {}}}}},{{{{end}}}}", several.join(" "))
            }
        };
        let from = member.from - usize::from(!is_first);
        match &member.is {
            Some(sole) => {
                let condition = sole.parameter.is_present();
                let (head, written) = (&template[member.from..sole.at], &sole.written);
                // `{` right before `{{` would be read as part of it.
                let blank = if is_first { " " } else { "" };
                let to = member.from + template[member.from..member.to].trim_end().len();
                edits.push((
                    from,
                    to,
                    format!("{blank}{{{{if {condition}}}}}{comma}{head}{written}{{{{end}}}}"),
                ));
                before.push(condition);
            }
            None => {
                if !is_first && !is_certain {
                    edits.push((from, member.from, comma));
                }
                is_certain = true;
            }
        }
        is_first = false;
    }
    edits
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use callgate_action::template::{Data, Target, Template};

    use super::*;

    fn optional(name: &str) -> Optional {
        Optional { name: name.to_owned(), code: format!(".parameters.{name}") }
    }

    /// What `template` gives for `given`, where `a`, `b` and `c` are optional.
    #[track_caller]
    fn check(template: &str, given: Value, expected: Value) {
        let all = ["a", "b", "c"].map(optional);
        let template = all.iter().fold(template.to_owned(), |text, one| {
            text.replace(&format!("<{}>", one.name), &one.if_present())
                .replace(&format!("[{}]", one.name), &one.bare())
        });
        let (written, kept) = without_absent(&template, &all);
        assert_eq!(kept, Vec::<&Optional>::new(), "{written}");
        let parsed =
            Template::parse(&written, Target::Json).unwrap_or_else(|errors| panic!("{written}: {errors:?}"));
        let none = Map::new();
        let data = Data { parameters: given.as_object().unwrap(), variables: &none, static_variables: &none };
        assert!(parsed.check_branches(&data).failures.is_empty(), "{written}");
        let rendered = parsed.render(&data).unwrap_or_else(|error| panic!("{written}: {error:?}"));
        assert_eq!(serde_json::from_str::<Value>(&rendered).unwrap(), expected, "{written}");
    }

    #[test]
    fn members_of_absent_parameters_are_left_out_with_their_commas() {
        for template in [
            r#"{"a": "<a>", "b": [b], "c": "<c>"}"#,
            "{\n  \"a\": \"<a>\",\n  \"b\": [b],\n  \"c\": \"<c>\"\n}\n",
            r#"{"a":"<a>","b":[b],"c":"<c>"}"#,
        ] {
            check(template, json!({}), json!({}));
            check(template, json!({"a": 0, "b": 0}), json!({"a": "0", "b": 0}));
            check(template, json!({"b": false}), json!({"b": false}));
            check(template, json!({"c": ""}), json!({"c": ""}));
            check(template, json!({"a": "x", "c": "y"}), json!({"a": "x", "c": "y"}));
        }
        let nested = r#"{"a": "<a>", "in": {"k,{": "\"}", "b": [b]}, "c": "<c>", "list": [1, {"a": "<a>"}], "note": "<a>, <b>"}"#;
        check(nested, json!({}), json!({"in": {"k,{": "\"}"}, "list": [1, {}], "note": ", "}));
        check(
            nested,
            json!({"a": "é", "b": [1]}),
            json!({"a": "é", "in": {"k,{": "\"}", "b": [1]}, "list": [1, {"a": "é"}], "note": "é, [1]"}),
        );
    }

    #[test]
    fn what_cannot_be_left_out_is_told() {
        let all = ["a", "b", "c"].map(optional);
        for (template, names) in [
            ("[{{.parameters.a}}, {\"b\": {{.parameters.b}}}]", vec!["a"]),
            ("{{.parameters.b}}", vec!["b"]),
            ("{\"a\": {{.parameters.a}}{{if .variables.x}}, \"y\": 1{{end}}}", vec!["a"]),
            ("{\"a\": {{.parameters.a}}5}", vec!["a"]),
        ] {
            let (_, kept) = without_absent(template, &all);
            let kept: Vec<&str> = kept.iter().map(|optional| optional.name.as_str()).collect();
            assert_eq!(kept, names, "{template}");
        }
    }
}
