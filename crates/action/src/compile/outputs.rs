//! What is taken from an answer, and what of it a model is shown.

use std::collections::BTreeSet;

use serde::Deserialize as _;
use serde_json::{Map, Value};

use callgate_definition::{ActionKind, OutputSource, ResponseDefinition};

use super::compiler::Compiler;
use crate::output::{Condition, ConditionProblem, Output, Response, ResponseProblem};
use crate::variables;
use callgate_schema::parameters::OutputSchema;

impl Compiler<'_> {
    pub(super) fn outputs(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        let (mut names, mut seen) = (Map::new(), BTreeSet::new());
        for (index, definition) in self.definition.output_variables.iter().enumerate() {
            if let Some((code, message)) = unusable(&definition.name, &mut names, &mut seen) {
                let pointer = format!("/output_variables/{index}/name");
                let problem = self.error(&pointer, code, message).hint("call it otherwise");
                self.problems.push(problem);
            }
            let base = format!("/output_variables/{index}");
            match Output::compile(definition) {
                Ok(output) => outputs.push(output),
                Err(problems) => {
                    for ResponseProblem { pointer, code, message, hint } in problems {
                        let problem = self.error(&format!("{base}{pointer}"), code, message).hint(hint);
                        self.problems.push(problem);
                    }
                }
            }
            if (self.definition.kind, definition.from) == (ActionKind::Static, OutputSource::Header) {
                let message = "`from: header` does not belong to an action of type `static`";
                let problem = self.error(&format!("{base}/from"), "key_not_for_type", message.to_owned());
                self.problems
                    .push(problem.hint("a fixed answer has no headers; take the value from its body"));
            }
        }
        outputs
    }

    /// What an answer must be to count as a success.
    pub(super) fn success_when(&mut self) -> Option<Condition> {
        match Condition::compile(self.definition.success_when.as_ref()?) {
            Ok(condition) => Some(condition),
            Err(ConditionProblem { message, hint }) => {
                let problem = self.error("/success_when", "invalid_condition", message).hint(hint);
                self.problems.push(problem);
                None
            }
        }
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

/// Why an output variable cannot be called `name`, if it cannot; `names` and `seen` are those before it.
fn unusable<'n>(
    name: &'n str,
    names: &mut Map<String, Value>,
    seen: &mut BTreeSet<&'n str>,
) -> Option<(&'static str, String)> {
    if !seen.insert(name) {
        return Some(("variable_conflict", format!("the variable `{name}` is given twice")));
    }
    if variables::is_reserved(name) {
        let message = format!("the variable `{name}` is always there and cannot be set");
        return Some(("reserved_variable", message));
    }
    let conflict = variables::insert(names, name, Value::Null).err()?;
    Some(("variable_conflict", conflict.to_string()))
}
