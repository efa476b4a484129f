//! A handover in the form that a product takes it.

use serde_json::{Value, json};

use crate::tool::Handover;

use super::request::{CallerTool, Product};

/// The call of a tool of the caller's that transfers the person; `None` where the product has another way for it.
///
/// - Vapi: `transferCall {destination}` ("Custom LLM tools", transfer to a number).
/// - ElevenLabs: `transfer_to_number {transfer_number, client_message, agent_message, reason}` ("System tools").
/// - Retell has a member of its response for it.
/// - All others: a tool called as the action, with what the action says; whoever offers a tool of that name takes it.
pub(super) fn call(
    action: &str,
    handover: &Handover,
    tools: &[CallerTool],
    product: Product,
) -> Option<(String, Value)> {
    if product == Product::Retell {
        return None;
    }
    let offers = |name: &str| tools.iter().any(|tool| tool.name == name);
    let to = handover.phone_number.as_deref().or(handover.queue.as_deref()).unwrap_or_default();
    let message = handover.message.as_deref().unwrap_or_default();
    if !offers(action) && offers("transferCall") {
        return Some(("transferCall".to_owned(), json!({"destination": to})));
    }
    if !offers(action) && offers("transfer_to_number") {
        let arguments = json!({
            "transfer_number": to,
            "client_message": message,
            "agent_message": message,
            "reason": action,
        });
        return Some(("transfer_to_number".to_owned(), arguments));
    }
    let whole = serde_json::to_value(handover).unwrap_or_else(|_| json!({}));
    let told: serde_json::Map<String, Value> = match whole {
        Value::Object(members) => members.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => serde_json::Map::new(),
    };
    Some((action.to_owned(), Value::Object(told)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::value::RawValue;

    use super::*;

    fn tools(names: &[&str]) -> Vec<CallerTool> {
        let tool = |name: &&str| CallerTool {
            name: (*name).to_owned(),
            description: String::new(),
            parameters: json!({"type": "object"}),
            written: Arc::from(RawValue::from_string("{}".to_owned()).unwrap()),
        };
        names.iter().map(tool).collect()
    }

    #[test]
    fn each_product_is_told_in_its_own_form() {
        let handover = Handover {
            phone_number: Some("+15551234567".to_owned()),
            queue: None,
            message: Some("I will put you through.".to_owned()),
        };
        let called = |names: &[&str], product| call("to_sales", &handover, &tools(names), product);
        let vapi = json!({"destination": "+15551234567"});
        assert_eq!(
            called(&["endCall", "transferCall"], Product::Other),
            Some(("transferCall".to_owned(), vapi))
        );
        let elevenlabs = json!({
            "transfer_number": "+15551234567",
            "client_message": "I will put you through.",
            "agent_message": "I will put you through.",
            "reason": "to_sales",
        });
        let expected = Some(("transfer_to_number".to_owned(), elevenlabs));
        assert_eq!(called(&["transfer_to_number"], Product::ElevenLabs), expected);
        assert_eq!(called(&[], Product::Retell), None);
        let plain = json!({"phone_number": "+15551234567", "message": "I will put you through."});
        for names in [&[][..], &["to_sales", "transferCall"]] {
            assert_eq!(
                called(names, Product::Other),
                Some(("to_sales".to_owned(), plain.clone())),
                "{names:?}"
            );
        }
    }
}
