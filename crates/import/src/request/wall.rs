//! The wall: what looks like a secret leaves with no draft, however it came there. Nor does a request for a token.

use serde_json::{Map, Value};

use crate::draft::{ActionDraft, BodyDraft};
use crate::placeholder::{find_outside_quotes, short};
use callgate_action::secret_like;
use callgate_schema::keyword::{self, Keyword};
use callgate_schema::walk::{self, Step};
use callgate_text::percent;

use super::{PlainBody, PlainRequest, Refusal, pairs};

/// Stands where a call fills something in.
const FILLED: char = '\u{fffc}';
/// Stands between the alternatives of a condition.
const ELSE: char = '\u{fffb}';
/// Shortest word that the word before it makes a secret, in a text without structure.
const MIN_SECRET: usize = 4;

/// The first text of `draft` that looks like a secret, as the reason to refuse it.
pub(super) fn find(draft: &ActionDraft) -> Option<Refusal> {
    let (path, quoted) = outside_actions(&draft.path);
    if path.split('/').any(is_secret_segment) || quoted.iter().any(|text| is_secret_segment(text)) {
        return Some(secret_in_path("a segment of the path looks like a secret"));
    }
    let fixed = [("bind", &draft.bind), ("query", &draft.query), ("headers", &draft.headers)];
    for (key, values) in fixed {
        // What is no text in a header is the name of a secret.
        let values = values.iter().filter(|(_, value)| key != "headers" || value.is_string());
        if let Some(name) = first(values) {
            return Some(secret_in_body(&format!("`{}` of `{key}`", short(&name))));
        }
    }
    let name = match &draft.body {
        BodyDraft::Flat => None,
        BodyDraft::Form(fields) => first(fields.iter()),
        BodyDraft::Multipart(parts) => {
            first(parts.iter().filter_map(|(name, part)| Some((name, part.get("value")?))))
        }
        BodyDraft::Template(template) => match &draft.content_type {
            Some(media) if !media.contains("json") => in_text(template),
            _ => in_json(template),
        },
    };
    let mut schemas = draft.parameters.properties.iter().chain(&draft.parameters.defs);
    if let Some(name) = name.or_else(|| schemas.find_map(|(name, schema)| in_schema(name, schema))) {
        return Some(secret_in_body(&format!("`{}` of the body", short(&name))));
    }
    let speech = Value::Object(draft.speech.clone()).to_string();
    [&draft.description, &speech].into_iter().any(|text| secret_like::holds_known_form(text)).then(|| {
        Refusal(
            "secret_in_text",
            "a word of the description or of `speech` looks like a secret".to_owned(),
            "take it out there",
        )
    })
}

pub(super) fn secret_in_path(what: &str) -> Refusal {
    Refusal(
        "secret_in_path",
        format!("{what}, which only headers, query keys and cookies can carry"),
        "ask the API for a key in a header",
    )
}

pub(super) fn secret_in_body(what: &str) -> Refusal {
    Refusal(
        "secret_in_body",
        format!("{what} looks like a secret, which a body cannot carry"),
        "secrets travel in headers, query keys, cookies and connectors",
    )
}

/// Whether a segment of a path opens something. Paths are full of long numbers
/// of things, so that those are longer here than elsewhere.
pub(super) fn is_secret_segment(segment: &str) -> bool {
    let segment = percent::decode_lossy(segment);
    secret_like::holds_known_form(&segment)
        || secret_like::is_random(&segment, 40)
        || segment.starts_with("bot") && secret_like::is_random(&segment.replace(':', ""), 32)
}

/// The name of the first of `values` that is a secret.
fn first<'v>(mut values: impl Iterator<Item = (&'v String, &'v Value)>) -> Option<String> {
    values.find_map(|(name, value)| in_value(name, value))
}

/// The name of the first text in `value`, which is called `name`, that is a
/// secret; texts are templates.
pub(super) fn in_value(name: &str, value: &Value) -> Option<String> {
    match value {
        Value::String(template) => {
            let (text, quoted) = outside_actions(template);
            let is_secret = is_secret(name, &text) || quoted.iter().any(|text| is_secret("", text));
            is_secret.then(|| name.to_owned())
        }
        Value::Array(items) => items.iter().find_map(|item| in_value(name, item)),
        Value::Object(members) => first(members.iter()),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// Whether `text`, which is called `name`, is a secret in one of its alternatives.
fn is_secret(name: &str, text: &str) -> bool {
    let is_literal = |text: &str| {
        let text = text.trim();
        !text.is_empty() && !text.contains(FILLED) && !secret_like::is_stand_in(text)
    };
    secret_like::holds_secret_value(text)
        || text.split(ELSE).any(|text| is_literal(text) && secret_like::is_secret_member(name, text.trim()))
}

/// The text of `template` with marks in place of its actions, and the texts in quotes in these.
fn outside_actions(template: &str) -> (String, Vec<String>) {
    let (mut text, mut quoted, mut rest) = (String::new(), Vec::new(), template);
    while let Some(at) = rest.find("{{") {
        text.push_str(&rest[..at]);
        let inner = &rest[at + 2..];
        let Some(end) = find_outside_quotes(inner, "}}") else {
            rest = &rest[at..];
            break;
        };
        let action = inner[..end].trim_start_matches("- ").trim_end_matches(" -").trim();
        let mut texts = texts(action);
        match action.split_whitespace().next().unwrap_or_default() {
            // Braces of plain text.
            word if word.starts_with('"') => text.extend(texts.drain(..)),
            "else" => text.push(ELSE),
            "if" | "with" | "end" => {}
            _ => text.push(FILLED),
        }
        quoted.extend(texts);
        rest = &inner[end + 2..];
    }
    text.push_str(rest);
    (text, quoted)
}

/// The texts in double quotes in `code`, decoded.
fn texts(code: &str) -> Vec<String> {
    let (mut texts, mut rest) = (Vec::new(), code);
    while let Some(at) = rest.find('"') {
        let length = string_length(&rest[at..]);
        let raw = &rest[at..at + length];
        texts.push(serde_json::from_str(raw).unwrap_or_else(|_| raw.trim_matches('"').to_owned()));
        rest = &rest[at + length..];
    }
    texts
}

/// Bytes of the string that `text` begins with, quotes and all.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The name of the first secret in a template of JSON, which conditions may
/// keep from being JSON as it stands: strings are judged by the key before them.
fn in_json(template: &str) -> Option<String> {
    let (text, quoted) = outside_actions(template);
    let (mut key, mut outside, mut rest) = (String::new(), String::new(), text.as_str());
    while let Some(at) = rest.find('"') {
        outside.push_str(&rest[..at]);
        let length = string_length(&rest[at..]);
        let raw = &rest[at..at + length];
        let string: String = serde_json::from_str(raw).unwrap_or_else(|_| raw.trim_matches('"').to_owned());
        rest = &rest[at + length..];
        if rest.trim_start().starts_with(':') {
            key = string;
        } else if is_secret(&key, &string) {
            return Some(key);
        }
    }
    outside.push_str(rest);
    quoted
        .iter()
        .chain([&outside])
        .any(|text| secret_like::holds_secret_value(text))
        .then(|| "a value".to_owned())
}

/// The name of the first secret in a template of any other text: `name=value`,
/// `name: value`, `<name>value</name>`.
fn in_text(template: &str) -> Option<String> {
    let (text, quoted) = outside_actions(template);
    if quoted.iter().chain([&text]).any(|text| secret_like::holds_secret_value(text)) {
        return Some("a word".to_owned());
    }
    let is_of_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut rest = text.as_str();
    while let Some(at) = rest.find(is_of_word) {
        // `</password>` ends one.
        let is_end = rest[..at].ends_with('/');
        rest = &rest[at..];
        let (name, after) = rest.split_at(rest.find(|c| !is_of_word(c)).unwrap_or(rest.len()));
        let value = after.trim_start_matches([' ', '\t', '"', '\'', '=', ':', '>']);
        let joint = &after[..after.len() - value.len()];
        rest = after;
        let value =
            &value[..value.find(|c: char| c.is_whitespace() || "<>\"'&;".contains(c)).unwrap_or(value.len())];
        let is_named = joint.contains(['=', ':', '>']) && !is_end && secret_like::is_secret_name(name);
        if is_named && value.chars().count() >= MIN_SECRET && is_secret(name, value) {
            return Some(name.to_owned());
        }
    }
    None
}

/// The name of the first secret that a schema fixes or shows.
fn in_schema(name: &str, schema: &Value) -> Option<String> {
    schema.as_object()?.iter().find_map(|(keyword, value)| match keyword.as_str() {
        "const" | "default" | "value" => in_value(name, value),
        keyword if keyword::applies(keyword).is_some() => {
            walk::below(keyword, value).into_iter().find_map(|sub| match sub.step {
                Some(Step::Name(name)) => in_schema(name, sub.schema),
                _ => in_schema(name, sub.schema),
            })
        }
        // Texts that tell of it, and values of which it is one.
        _ => secret_like::holds_known_form(&value.to_string()).then(|| name.to_owned()),
    })
}

/// Takes out of `schema` the defaults and examples that are secrets; gives the names they had.
pub(super) fn strip(name: &str, schema: &mut Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            for keyword in ["default", "example", "examples"] {
                if map.get(keyword).is_some_and(|value| in_value(name, value).is_some()) {
                    map.shift_remove(keyword);
                    found.push(name.to_owned());
                }
            }
            strip_inside(name, map, found);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| strip(name, item, found)),
        _ => {}
    }
}

fn strip_inside(name: &str, map: &mut Map<String, Value>, found: &mut Vec<String>) {
    for (keyword, value) in map {
        match value {
            Value::Object(members) if keyword::find(keyword).is_some_and(Keyword::holds_names) => {
                members.iter_mut().for_each(|(name, schema)| strip(name, schema, found));
            }
            value => strip(name, value, found),
        }
    }
}

/// Refuses a request for a token, wherever it says what kind of grant it has.
pub(super) fn refuse_token_request(request: &PlainRequest) -> Result<(), Refusal> {
    if !is_for_token(request) {
        return Ok(());
    }
    Err(Refusal(
        "token_request",
        "this asks for an OAuth2 token".to_owned(),
        "write auth/<name>.yaml of type oauth2_client_credentials; it fetches and keeps tokens by itself",
    ))
}

fn is_for_token(request: &PlainRequest) -> bool {
    let is_grant = |name: &str| name == "grant_type";
    let of_url = request.url.split_once('?').map_or("", |(_, query)| query);
    let in_query = pairs(of_url).iter().chain(&request.query).any(|(name, _)| is_grant(name));
    in_query
        || match &request.body {
            PlainBody::Form(fields) => fields.iter().any(|(name, _)| is_grant(name)),
            PlainBody::Multipart(parts) => parts.iter().any(|part| is_grant(&part.name)),
            PlainBody::Text(text) => pairs(text.trim()).iter().any(|(name, _)| is_grant(name)),
            PlainBody::Json(text) => {
                let members = serde_json::from_str::<Value>(text);
                members.is_ok_and(|members| members.get("grant_type").is_some_and(Value::is_string))
            }
            PlainBody::Flat | PlainBody::Graphql(_) => false,
        }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(find: fn(&str) -> Option<String>, template: &str, expected: Option<&str>) {
        assert_eq!(find(template).as_deref(), expected, "{template}");
    }

    #[test]
    fn strings_of_json_are_judged_by_their_keys() {
        for (template, expected) in [
            ("{\"a\": {\"password\": \"hunter2\"}}", Some("password")),
            ("{\"n\": {{.parameters.n}}, \"api\\u004bey\": [\"x\", \"y\"]}", Some("apiKey")),
            ("{\"password\": \"{{with .parameters.p}}{{.}}{{else}}hunter2{{end}}\"}", Some("password")),
            ("{{if .parameters.x}}{\"password\": \"hunter2\"}{{else}}{}{{end}}", Some("password")),
            ("{\"a\": {{or .parameters.x \"ghp_0123456789abcdef\"}}}", Some("a value")),
            ("{\"a\": \"x ghp_0123456789abcdef\"}", Some("a")),
            ("ghp_0123456789abcdef", Some("a value")),
            (
                "{\"password\": \"{{.parameters.p}}\", \"token\": \"<token>\", \"note\": \"password: x\"}",
                None,
            ),
            ("{\"parent\": {\"typeId\": \"unit\", \"key\": \"acme\"}, \"n\": {{.parameters.n}}}", None),
            ("{\"session_id\": \"voice-{{.variables.conversation.id}}\", \"pin\": \"\"}", None),
            ("{\"query\": \"{ {{\"{{\"}} }\"}", None),
            ("", None),
        ] {
            check(in_json, template, expected);
        }
    }

    #[test]
    fn words_of_other_texts_are_judged_by_the_word_before_them() {
        for (template, expected) in [
            ("<a><password>hunter2</password></a>", Some("password")),
            ("<a password='hunter2'/>", Some("password")),
            ("user=ann&password=hunter2", Some("password")),
            ("apiKey: abcd-efgh", Some("apiKey")),
            ("{{if .parameters.x}}xoxb-1234-5678-abcdef{{end}}", Some("a word")),
            ("<password>{{.parameters.password}}</password> is it", None),
            ("<password/><b>hunter2</b>", None),
            ("password={{.parameters.password}}&b=hunter2", None),
            ("the password is known; token: <token>", None),
            ("pin: 1", None),
        ] {
            check(in_text, template, expected);
        }
    }

    #[test]
    fn schemas_fix_no_secret_and_show_none() {
        let find = |schema: Value| in_schema("a", &schema);
        for (schema, expected) in [
            (json!({"properties": {"apiKey": {"const": "abcdef"}}}), Some("apiKey")),
            (json!({"properties": {"key": {"const": "verysecretkey1234"}}}), Some("key")),
            (json!({"properties": {"key": {"const": "abcdef"}}}), None),
            (json!({"items": {"anyOf": [{"properties": {"token": {"default": "abcdef"}}}]}}), Some("token")),
            (json!({"enum": ["ghp_0123456789abcdef"]}), Some("a")),
            (json!({"description": "Such as ghp_0123456789abcdef."}), Some("a")),
            (json!({"properties": {"password": {"type": "string", "enum": ["a"], "minLength": 8}}}), None),
        ] {
            assert_eq!(find(schema.clone()).as_deref(), expected, "{schema}");
        }
        let mut schema = json!({"properties": {"default": {"default": "ghp_0123456789abcdef"}, "token": {"examples": ["abcdef"], "default": null}}});
        let mut found = Vec::new();
        strip("a", &mut schema, &mut found);
        assert_eq!(found, ["default", "token"]);
        assert_eq!(schema, json!({"properties": {"default": {}, "token": {"default": null}}}));
    }
}
