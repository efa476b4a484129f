//! A request of GraphQL: its query is fixed, its variables are as any JSON body.

use serde_json::{Map, Value, json};

use crate::import::draft::BodyDraft;
use crate::import::placeholder;

use super::{Lowering, Refusal};

impl Lowering<'_, '_, '_> {
    /// `{"query": …, "variables": …}`, where an example of variables makes parameters.
    pub(super) fn graphql_body(&mut self, query: &str, variables: &str) -> Result<(), Refusal> {
        let variables = if variables.trim().is_empty() { "{}" } else { variables };
        self.json_body(variables)?;
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
        let query = self.convert(&json!(query).to_string(), "body", true)?.template;
        self.draft.body =
            BodyDraft::Template(format!("{{\"query\": {query}, \"variables\": {variables}}}\n"));
        Ok(())
    }
}
