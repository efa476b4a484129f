//! The JSON Schema of what an action answers.

use std::fmt;

use jsonschema::Validator;
use serde_json::Value;

use super::{SchemaProblem, compile, lint};

/// What the body of a success is, compiled once: an object, since MCP's `structuredContent` is one.
pub struct OutputSchema {
    schema: Value,
    validator: Validator,
}

impl OutputSchema {
    /// Compiles the schema, within the bounds that hold for parameters; gives warnings beside it.
    ///
    /// # Errors
    ///
    /// Gives every problem found, each with a pointer into the schema.
    pub fn compile(schema: &Value) -> Result<(Self, Vec<SchemaProblem>), Vec<SchemaProblem>> {
        if let Some(problem) = lint::too_large(schema) {
            return Err(vec![problem]);
        }
        let kind = schema.get("type");
        if kind.and_then(Value::as_str) != Some("object") {
            let pointer = if kind.is_some() { "/type" } else { "" };
            let message = "the type of what an action answers must be `object`";
            return Err(vec![SchemaProblem::error(pointer, message.to_owned()).hint("write `type: object`")]);
        }
        let checked = compile::check(schema)?;
        let validator = compile::build(&checked.options, schema)?;
        Ok((Self { schema: schema.clone(), validator }, checked.warnings))
    }

    /// The schema as it was written.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// Whether `body` is what the schema says.
    pub fn is_met_by(&self, body: &Value) -> bool {
        self.validator.is_valid(body)
    }
}

impl fmt::Debug for OutputSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputSchema").field("schema", &self.schema).finish_non_exhaustive()
    }
}
