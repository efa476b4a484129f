//! A request of GraphQL: its query is fixed, its variables are as any JSON body.

use serde_json::{Map, Value, json};

use crate::draft::BodyDraft;
use crate::placeholder::{self, Notation};

use super::{Graphql, Lowering, Refusal};

/// GraphQL tells its errors under 200; some servers write `errors` as null or an empty list.
const NO_ERRORS: &str = "@.body.data && @.body.data != null && count(@.body.errors[*]) == 0";
/// The members that a request of GraphQL may have.
const MEMBERS: &[&str] = &["query", "variables", "operationName"];

impl Graphql {
    /// The request that the JSON text `body` is, if it is one of GraphQL and nothing else.
    pub(super) fn of_json(body: &str) -> Option<Self> {
        let Ok(Value::Object(members)) = serde_json::from_str(body) else { return None };
        let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_one =
            is_graphql(&text("query")) && members.keys().all(|name| MEMBERS.contains(&name.as_str()));
        is_one.then(|| Self {
            query: text("query"),
            variables: match members.get("variables") {
                Some(Value::String(text)) => text.clone(),
                Some(variables @ Value::Object(_)) => variables.to_string(),
                _ => String::new(),
            },
            operation: text("operationName"),
        })
    }
}

/// Whether `text` reads as a document of GraphQL. `{id}` may be a placeholder, and `{"a": {}}` is JSON: without
/// a word before it, a selection has another one in it.
pub(super) fn is_graphql(text: &str) -> bool {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let Some(line) = line else { return false };
    let inner = text.find('{').zip(text.rfind('}')).and_then(|(open, close)| text.get(open + 1..close));
    let Some(inner) = inner.map(str::trim).filter(|inner| !inner.is_empty()) else { return false };
    let word = line.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    match word {
        "query" | "mutation" | "subscription" | "fragment" => true,
        _ => {
            let names = inner.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '.');
            line.starts_with('{') && names && inner.contains('{')
        }
    }
}

impl Lowering<'_, '_, '_> {
    /// `{"query": …, "variables": …}`, where an example of variables makes parameters.
    pub(super) fn graphql_body(&mut self, request: &Graphql) -> Result<(), Refusal> {
        let variables = if request.variables.trim().is_empty() { "{}" } else { &request.variables };
        self.example_body(variables)?;
        let variables = match std::mem::take(&mut self.draft.body) {
            BodyDraft::Template(template) => template.trim().to_owned(),
            // Its members are the parameters, in this order and nothing else yet.
            _ => {
                let example: Map<String, Value> = serde_json::from_str(variables).unwrap_or_default();
                let names = self.draft.parameters.properties.keys();
                let members: Vec<String> = example
                    .keys()
                    .zip(names)
                    .map(|(wire, name)| format!("{}: {}", json!(wire), placeholder::parameter(&[name])))
                    .collect();
                format!("{{{}}}", members.join(", "))
            }
        };
        let query = self.graphql_text(&json!(request.query).to_string(), "body", true)?;
        let operation = match request.operation.as_str() {
            "" => String::new(),
            name => {
                format!(", \"operationName\": {}", self.graphql_text(&json!(name).to_string(), "body", true)?)
            }
        };
        self.draft.success_when = Some(NO_ERRORS.to_owned());
        self.draft.body =
            BodyDraft::Template(format!("{{\"query\": {query}{operation}, \"variables\": {variables}}}\n"));
        Ok(())
    }

    /// A document of GraphQL, in which `{id}` is a selection and no placeholder.
    pub(super) fn graphql_text(&mut self, text: &str, what: &str, json: bool) -> Result<String, Refusal> {
        Ok(self.convert_as(text, what, Notation { single: false, json })?.template)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_of_graphql_is_told_from_other_texts() {
        for text in
            ["{ me { id } }", "query($id: ID!){ a }", "# all\n\nmutation M { a }", "fragment F on A { b }"]
        {
            assert!(is_graphql(text), "{text}");
        }
        for text in [
            "",
            "shoes",
            "query shoes",
            "{}",
            "queryable { a }",
            "{ ",
            "mutation",
            "{id}",
            "{{id}}",
            "{{a}} {{b}}",
            "{{$guid}}",
            "{\"a\": {\"b\": 1}}",
        ] {
            assert!(!is_graphql(text), "{text}");
        }
        for body in
            ["{\"query\": \"{ a }\", \"size\": 1}", "{\"query\": {\"a\": 1}}", "[]", "{\"query\": \"shoes\"}"]
        {
            assert!(Graphql::of_json(body).is_none(), "{body}");
        }
    }
}
