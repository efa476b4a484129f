//! The costliest calls there are within the default limits.

use serde_json::{Map, Value};

use crate::upstream::Answer;

/// A costly call.
pub(crate) struct Case {
    /// What is costly about it.
    pub(crate) name: String,
    /// Its place among all cases.
    pub(crate) number: usize,
    /// Keys of its action, besides those of every action.
    keys: String,
    media: &'static str,
    body: String,
    /// What is sent as arguments: JSON.
    pub(crate) arguments: String,
    /// Variables that its conversation begins with.
    pub(crate) variables: Option<Map<String, Value>>,
    /// Whether these are sensitive.
    pub(crate) is_sensitive: bool,
    request: Request,
}

/// What the costly request is.
enum Request {
    /// A call of the action.
    Call,
    /// A preview of it.
    Preview,
    /// A call in the form of a dialect.
    Dialect,
    /// A look at the conversation.
    Look,
    /// A change of the conversation: JSON.
    Change(String),
    /// A prompt with the conversation's variables.
    Prompt(String),
}

impl Case {
    pub(crate) fn action(&self) -> String {
        format!("costly_{}", self.number)
    }

    pub(crate) fn definition(&self) -> String {
        format!(
            "description: {}\nconnection: api\nmethod: POST\npath: /{}\n{}\n",
            self.name.replace(':', ""),
            self.number,
            self.keys
        )
    }

    /// The method and path of the costly request, and its body.
    pub(crate) fn request(&self, conversation: &str) -> (String, String) {
        let (name, arguments) = (self.action(), &self.arguments);
        let of = format!("/v1/conversations/{conversation}");
        let call = format!(
            "{{\"name\":\"{name}\",\"conversation_id\":\"{conversation}\",\"arguments\":{arguments}}}"
        );
        match &self.request {
            Request::Call => ("POST /v1/tool-calls".to_owned(), call),
            Request::Preview => (format!("POST /v1/actions/{name}/preview"), call),
            Request::Dialect => {
                let function = serde_json::json!({"name": name, "arguments": arguments});
                let turn = serde_json::json!([{"id": "call_1", "type": "function", "function": function}]);
                ("POST /v1/openai/chat/tool-calls".to_owned(), turn.to_string())
            }
            Request::Look => (format!("GET {of}"), String::new()),
            Request::Change(change) => (format!("PATCH {of}"), change.clone()),
            Request::Prompt(template) => {
                (format!("POST {of}/render"), serde_json::json!({"template": template}).to_string())
            }
        }
    }

    pub(crate) fn answer(&self) -> Answer {
        (self.media, self.body.clone())
    }
}

/// All cases.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = arguments();
    cases.extend(answers());
    cases.extend(masks());
    cases.extend(conversations());
    cases.iter_mut().enumerate().for_each(|(number, case)| case.number = number);
    cases
}

fn case(name: &str, keys: &str) -> Case {
    Case {
        name: name.to_owned(),
        number: 0,
        keys: keys.to_owned(),
        media: "application/json",
        body: "{\"ok\":true}".to_owned(),
        arguments: "{}".to_owned(),
        variables: None,
        is_sensitive: false,
        request: Request::Call,
    }
}

fn list(count: usize, item: impl Fn(usize) -> String) -> String {
    format!("[{}]", (0..count).map(item).collect::<Vec<_>>().join(","))
}

fn given(name: &str, schema: &str, value: &str) -> Case {
    let keys =
        format!("parameters: {{type: object, properties: {{x: {schema}}}, additionalProperties: false}}");
    Case { arguments: format!("{{\"x\":{value}}}"), ..case(name, &keys) }
}

fn arguments() -> Vec<Case> {
    let numbers = "{type: array, items: {type: integer}}";
    let text = |length: usize| format!("\"{}\"", "ab".repeat(length / 2));
    let nested = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let twice = |json: &str| Value::from(json).to_string();
    let branches: Vec<String> =
        (0..50).map(|n| format!("{{properties: {{k: {{const: {n}}}}}, required: [k]}}")).collect();
    vec![
        given("arguments: 120,000 numbers that fit", numbers, &list(120_000, |n| n.to_string())),
        given("arguments: 120,000 values that do not fit", numbers, &list(120_000, |_| "true".to_owned())),
        given("arguments: 80,000 numbers that came as texts", numbers, &list(80_000, |n| format!("\"{n}\""))),
        given("arguments: a list that came as a text", numbers, &twice(&list(120_000, |n| n.to_string()))),
        given(
            "arguments: 20,000 objects that must differ",
            "{type: array, uniqueItems: true}",
            &list(20_000, |n| format!("{{\"a\":{n},\"b\":[{n}]}}")),
        ),
        given(
            "arguments: a long text against a pattern",
            "{type: string, pattern: '^(a|b|ab)*c$'}",
            &text(900_000),
        ),
        given(
            "arguments: 5,000 objects against 50 choices",
            &format!("{{type: array, items: {{oneOf: [{}]}}}}", branches.join(", ")),
            &list(5_000, |n| format!("{{\"k\":{},\"pad\":\"{}\"}}", n % 50, "p".repeat(100))),
        ),
        given("arguments: 4,000 lists nested 100 deep", "{type: array}", &list(4_000, |_| nested.clone())),
        given("arguments: a long sensitive text", "{type: string, x-sensitive: true}", &text(900_000)),
        Case {
            keys: format!(
                "parameters: {{type: object, properties: {{x: {numbers}}}}}\nbody: '{{\"all\": {{{{.parameters.x}}}}, \"again\": {{{{.parameters.x}}}}}}'"
            ),
            ..given(
                "arguments: 120,000 numbers twice in a template",
                numbers,
                &list(120_000, |n| n.to_string()),
            )
        },
        Case {
            request: Request::Preview,
            ..given("preview: 120,000 numbers", numbers, &list(120_000, |n| n.to_string()))
        },
        Case {
            request: Request::Dialect,
            ..given("dialect: 100,000 numbers", numbers, &list(100_000, |n| n.to_string()))
        },
    ]
}

fn output(path: &str, more: &str) -> String {
    format!("output_variables: [{{name: found, path: \"{path}\"{more}}}]\ntimeout_ms: 5000")
}

fn answers() -> Vec<Case> {
    let members = |count: usize, equal: bool| {
        let member = |n: usize| format!("\"m{}\":\"value-1\"", if equal { 0 } else { n });
        format!("{{{}}}", (0..count).map(member).collect::<Vec<_>>().join(","))
    };
    let objects = |count: usize| list(count, |n| format!("{{\"id\":{n}}}"));
    let texts = |count: usize| list(count, |n| format!("\"text-{n}-{}\"", n * 7));
    let nested = |count: usize| list(count, |n| format!("{{\"a\":{{\"b\":[{n}]}}}}"));
    let answer = |name: &str, keys: &str, body: String| Case { body, ..case(name, keys) };
    let of_media = |name: &str, media, body| Case { media, ..answer(name, "", body) };
    vec![
        answer("answer: 100,000 members and an output of all", &output("$.*", ""), members(100_000, false)),
        answer(
            "answer: 120,000 equal members, one exposed",
            &output("$.m0", ", expose: true"),
            members(120_000, true),
        ),
        answer("answer: 110,000 objects, ids by descent", &output("$..id", ""), objects(110_000)),
        answer(
            "answer: $..* in 300 ms",
            &output("$..*", "").replace("timeout_ms: 5000", "timeout_ms: 300"),
            nested(85_000),
        ),
        answer("answer: 40,000 hidden texts", &output("$[*]", ", expose: false"), texts(40_000)),
        answer(
            "answer: more hidden texts than are located",
            &output("$[*]", ", expose: false"),
            texts(90_000),
        ),
        answer(
            "answer: 110,000 objects, picked and cut",
            "response: {pick: ['$[*].id'], max_items: 50}",
            objects(110_000),
        ),
        answer("answer: 110,000 objects, cut to fit", "", objects(110_000)),
        answer(
            "answer: a number of 1.9 MB",
            &output("$.n", ""),
            format!("{{\"n\":{}}}", "7".repeat(1_900_000)),
        ),
        answer(
            "answer: a text of escapes",
            &output("$.t", ", expose: true"),
            format!("{{\"t\":\"{}\"}}", "%5c\\u0025".repeat(190_000)),
        ),
        answer(
            "answer: 60,000 members, all exposed",
            &output("$.*", ", expose: true"),
            members(60_000, false),
        ),
        answer(
            "answer: $..*..* of lists nested 100 deep",
            &output("$..*..*", ""),
            list(8_000, |_| format!("{}1{}", "[".repeat(100), "]".repeat(100))),
        ),
        answer(
            "condition: on each of 110,000 objects",
            "success_when: count(@.body[?@.id == 109999]) == 1",
            objects(110_000),
        ),
        answer(
            "condition: on what is below 110,000 objects",
            "success_when: count(@.body[?count(@..id) > 1]) == 0",
            objects(110_000),
        ),
        of_media(
            "answer: a page of 1.9 MB",
            "text/html",
            format!("<html>{}</html>", "<p>a&amp;b <b>c</b></p>".repeat(85_000)),
        ),
        of_media("answer: lines of base64", "text/plain", "QUJDREVGR0hJSktMTU5P\n".repeat(90_000)),
    ]
}

fn masks() -> Vec<Case> {
    let of = |count: usize, length: usize| {
        let value = |n: usize| format!("{n:08}{}", "s3cr3t-".repeat(length / 7));
        let sensitive = (0..count).map(|n| (format!("v{n}"), Value::from(value(n)))).collect();
        let name = format!("masks: {count} sensitive values of {length} bytes");
        Case { variables: Some(sensitive), is_sensitive: true, ..case(&name, "") }
    };
    let many = list(12_000, |n| format!("\"s3cr3t-{n}\""));
    let many = Map::from_iter([("all".to_owned(), serde_json::from_str(&many).unwrap_or_default())]);
    let many = Case {
        variables: Some(many),
        is_sensitive: true,
        ..case("masks: a list of 12,000 sensitive values", "")
    };
    vec![of(10, 20), of(100, 20), of(100, 1_000), of(230, 1_000), many]
}

fn conversations() -> Vec<Case> {
    let small = list(12_000, |n| format!("{{\"a\":{}}}", n % 10));
    let value: Value = serde_json::from_str(&small).unwrap_or_default();
    let of = |name: &str, keys: &str, request| Case {
        variables: Some(Map::from_iter([("list".to_owned(), value.clone())])),
        request,
        ..case(name, keys)
    };
    let names = list(40_000, |n| format!("\"n{n}\":1")).replace(['[', ']'], "");
    let marks = list(40_000, |n| format!("\"n{}\"", 39_999 - n));
    let render = "{{.variables.list}}";
    vec![
        of(
            "variables: 12,000 objects in a template",
            &format!("body: '{{\"all\": {render}}}'"),
            Request::Call,
        ),
        of("variables: 12,000 objects looked at", "", Request::Look),
        of(
            "variables: 12,000 objects set",
            "",
            Request::Change(format!("{{\"variables\":{{\"more\":1,\"list\":{small}}}}}")),
        ),
        of("variables: 12,000 objects in a prompt", "", Request::Prompt(render.repeat(4))),
        of(
            "variables: 40,000 marked names",
            "",
            Request::Change(format!("{{\"variables\":{{{names}}},\"sensitive\":{marks}}}")),
        ),
    ]
}
