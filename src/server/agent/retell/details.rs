//! What Retell knows of a phone call, as variables of its turns.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Longest call object whose free members are taken, in bytes: every call of a tool carries them.
const MAX_FREE: usize = 64 * 1024;

/// The facts of a phone call.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Details {
    /// Variables of its turns: all under `call`.
    pub(super) variables: Map<String, Value>,
    /// The language (BCP 47), if the metadata or the dynamic variables name it.
    pub(super) language: Option<String>,
}

impl Default for Details {
    /// Nothing is known.
    fn default() -> Self {
        Self::of(Map::new(), None)
    }
}

impl Details {
    fn of(call: Map<String, Value>, language: Option<String>) -> Self {
        Self { variables: Map::from_iter([("call".to_owned(), call.into())]), language }
    }

    /// Reads the call object of Retell's API ("Get Call"). Members of other types are ignored.
    pub(super) fn read(call: &RawValue) -> Self {
        let Ok(Value::Object(mut members)) = serde_json::from_str(call.get()) else {
            return Self::default();
        };
        let is_short = call.get().len() <= MAX_FREE;
        if !is_short {
            tracing::warn!("the metadata of a phone call is too long to be taken ({MAX_FREE} bytes)");
        }
        let free = |value: Option<Value>| match value {
            Some(Value::Object(members)) if is_short => members,
            _ => Map::new(),
        };
        let metadata = free(members.remove("metadata"));
        let dynamic = free(members.remove("retell_llm_dynamic_variables"));
        let language = [&metadata, &dynamic].into_iter().find_map(|free| free.get("language")?.as_str());
        let language = language.map(str::to_owned).filter(|language| !language.is_empty());
        let mut known = Map::new();
        for (theirs, ours) in [
            ("call_type", "type"),
            ("direction", "direction"),
            ("from_number", "from_number"),
            ("to_number", "to_number"),
            ("agent_id", "agent_id"),
        ] {
            if let Some(value @ Value::String(_)) = members.remove(theirs) {
                known.insert(ours.to_owned(), value);
            }
        }
        for (name, free) in [("metadata", metadata), ("dynamic_variables", dynamic)] {
            // A dot would divide a name.
            let named: Map<String, Value> =
                free.into_iter().filter(|(name, _)| !name.is_empty() && !name.contains('.')).collect();
            if !named.is_empty() {
                known.insert(name.to_owned(), named.into());
            }
        }
        Self::of(known, language)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(call: &Value) -> (Value, Option<String>) {
        let raw = RawValue::from_string(call.to_string()).unwrap();
        let Details { variables, language } = Details::read(&raw);
        (variables.into(), language)
    }

    #[test]
    fn a_call_is_known_by_its_numbers_and_by_what_was_said_when_it_began() {
        let call = json!({
            "call_type": "phone_call", "from_number": "+12137771234", "to_number": "+12137771235",
            "direction": "inbound", "call_id": "Jabr9TXYYJHfvl6Syypi88rdAHYHmcq6", "agent_id": "oBeDLoLOeuAbiuaMFXRtDOLriTJ5tSxD",
            "call_status": "registered", "metadata": {"account": {"id": 7}, "language": "de"},
            "retell_llm_dynamic_variables": {"customer_name": "John Doe", "a.b": "x", "": "y"},
            "opt_out_sensitive_data_storage": true,
        });
        let expected = json!({"call": {
            "type": "phone_call", "direction": "inbound", "from_number": "+12137771234", "to_number": "+12137771235",
            "agent_id": "oBeDLoLOeuAbiuaMFXRtDOLriTJ5tSxD", "metadata": {"account": {"id": 7}, "language": "de"},
            "dynamic_variables": {"customer_name": "John Doe"},
        }});
        assert_eq!(read(&call), (expected, Some("de".to_owned())));
    }

    #[test]
    fn what_is_missing_or_of_another_type_is_passed_over() {
        let call = json!({"call_type": 7, "from_number": null, "metadata": "x", "retell_llm_dynamic_variables": {"language": "fr"}});
        let expected = json!({"call": {"dynamic_variables": {"language": "fr"}}});
        assert_eq!(read(&call), (expected, Some("fr".to_owned())));
        assert_eq!(read(&json!({})), (json!({"call": {}}), None));
        assert_eq!(read(&json!([1])), (json!({"call": {}}), None));
        let long = json!({"direction": "inbound", "metadata": {"language": "x".repeat(MAX_FREE)}});
        assert_eq!(read(&long), (json!({"call": {"direction": "inbound"}}), None));
    }
}
