//! What is taken from an answer, and what of it a model is shown.

use serde::Deserialize as _;
use serde_json::{Map, Value};

use crate::definition::{ActionKind, ResponseDefinition};

use super::compile::Compiler;
use super::output::{Output, Response, ResponseProblem};
use super::parameters::OutputSchema;
use super::variables;

impl Compiler<'_> {
    pub(super) fn outputs(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        let mut names = Map::new();
        for (index, definition) in self.definition.output_variables.iter().enumerate() {
            if let Err(error) = variables::insert(&mut names, &definition.name, Value::Null) {
                let problem = self.error(
                    &format!("/output_variables/{index}/name"),
                    "variable_conflict",
                    error.to_string(),
                );
                self.problems.push(problem);
            }
            match Output::compile(definition) {
                Ok(output) => outputs.push(output),
                // A path that does not start with `$` is reported already.
                Err(_) if !definition.path.starts_with('$') => {}
                Err(message) => {
                    let problem = self
                        .error(&format!("/output_variables/{index}/path"), "invalid_jsonpath", message)
                        .hint("a path looks like `$.ticket.id` or `$.slots[*].id` (RFC 9535)");
                    self.problems.push(problem);
                }
            }
        }
        outputs
    }

    /// How an upstream's answer is shaped.
    pub(super) fn response(&mut self) -> Response {
        let written = self.over.response.as_ref().or(self.definition.response.as_ref());
        let (ActionKind::Http, Some(written)) = (self.definition.kind, written) else {
            return Response::default();
        };
        // What is no shape has been reported by the schema.
        let Ok(definition) = ResponseDefinition::deserialize(written) else { return Response::default() };
        let base = self.pointer("response");
        Response::compile(&definition).unwrap_or_else(|problems| {
            for ResponseProblem { pointer, code, message, hint } in problems {
                let problem = self.error(&format!("{base}{pointer}"), code, message).hint(hint);
                self.problems.push(problem);
            }
            Response::default()
        })
    }

    pub(super) fn output_schema(&mut self) -> Option<OutputSchema> {
        match OutputSchema::compile(self.definition.output_schema.as_ref()?) {
            Ok((schema, warnings)) => {
                self.tell("/output_schema", &warnings);
                Some(schema)
            }
            Err(problems) => {
                self.tell("/output_schema", &problems);
                None
            }
        }
    }
}
