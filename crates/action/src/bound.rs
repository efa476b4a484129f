//! Values that an action sets itself.

use callgate_schema::parameters::Parameters;
use callgate_template::Template;
use serde_json::{Map, Value};

/// Where a handover leads.
#[derive(Debug)]
pub struct Handover {
    /// E.164 number.
    pub phone_number: Option<String>,
    /// Name of a queue.
    pub queue: Option<String>,
    pub(crate) message: Option<Template>,
}

/// A value that wins over the model's argument of the same name.
#[derive(Debug)]
pub struct Bound {
    /// Name of the parameter.
    pub name: String,
    /// Where the value comes from.
    pub value: BoundValue,
}

/// Where a bound value comes from.
#[derive(Debug)]
pub enum BoundValue {
    /// A constant.
    Constant(Value),
    /// A template; a sole reference keeps its JSON type.
    Template(Template),
}

/// Parameters that a call could have: made up, but for what is bound to a constant.
pub(crate) fn samples(parameters: &Parameters, bind: &[Bound]) -> Map<String, Value> {
    let mut samples = parameters.sample();
    for bound in bind {
        let value = match &bound.value {
            BoundValue::Constant(value) => value.clone(),
            BoundValue::Template(_) => Value::String("x".to_owned()),
        };
        samples.insert(bound.name.clone(), value);
    }
    samples
}
