//! What the model says of the result of a tool.

use serde_json::Value;

use super::history::{Done, list};
use super::words::spoken_time;

/// Most appointments that are offered at once: more cannot be kept in mind.
pub(super) const MAX_OFFERED: usize = 3;

/// A sentence with what a caller wants to know.
pub(super) fn sentence(done: &Done) -> String {
    if done.error.is_some() {
        return match &done.reason {
            Some(reason) => format!("I am sorry, {}.", reason.trim_end_matches('.')),
            None => "I am sorry, that did not work.".to_owned(),
        };
    }
    let body = &done.body;
    let value = |pointer: &str| shown(body.pointer(pointer));
    match done.name.as_str() {
        "get_order_status" => order(body),
        "list_orders" => {
            let mut said: Vec<String> = list(&body["orders"]).iter().map(order).collect();
            said.extend(
                list(&body["not_found"]).iter().map(|n| format!("There is no order {}.", shown(Some(n)))),
            );
            said.join(" ")
        }
        "create_support_ticket" => {
            format!("I have opened ticket {} for you.", value("/ticket/id"))
        }
        "update_ticket" => format!(
            "Ticket {} is {} now, with {} priority.",
            value("/ticket/id"),
            value("/ticket/status"),
            value("/ticket/priority")
        ),
        "find_appointments" => {
            let times: Vec<String> = slots(done).iter().map(|(_, time)| spoken_time(time)).collect();
            match &times[..] {
                [] => "I am sorry, there is no free appointment.".to_owned(),
                [one] => format!("I have {one}."),
                [first @ .., last] => format!("I have {} or {last}.", first.join(", ")),
            }
        }
        "book_appointment" => format!(
            "You are booked for {}. The number of the appointment is {}.",
            spoken_time(&value("/appointment/starts_at")),
            value("/appointment/id")
        ),
        "cancel_appointment" => format!("Appointment {} is cancelled.", value("/appointment/id")),
        "get_customer" => format!("{} has the {} plan.", value("/name"), value("/plan")),
        "get_loyalty" => {
            format!("There are {} points, and the tier is {}.", value("/points"), value("/tier"))
        }
        "get_invoice" => format!(
            "Invoice {} over {} {} is {}; it is due on {}.",
            value("/invoice_number"),
            value("/amount"),
            value("/currency"),
            value("/state"),
            spoken_time(&value("/due_date"))
        ),
        "get_account" => format!(
            "Account {} is {}; its balance is {} {}.",
            value("/account_number"),
            value("/state"),
            value("/balance"),
            value("/currency")
        ),
        "store_hours" => format!(
            "We are open Monday to Friday from {} and on Saturday from {}; on Sunday we are {}.",
            value("/monday_to_friday"),
            value("/saturday"),
            value("/sunday")
        ),
        "send_feedback" => format!("Thank you. I have noted a {}.", value("/feedback/rating")),
        "talk_to_human" => "I am putting you through.".to_owned(),
        _ => "That is done.".to_owned(),
    }
}

/// What is known of an order.
pub(super) fn order(body: &Value) -> String {
    let number = shown(body.get("order_number"));
    let state = match body["status"].as_str().unwrap_or_default() {
        "shipped" => "has been shipped",
        "processing" => "is being processed",
        "delivered" => "has been delivered",
        "cancelled" => "has been cancelled",
        _ => "is known, but its status is not",
    };
    let mut said = format!("Order {number} {state}.");
    if let Some(day) = body["estimated_delivery"].as_str().filter(|_| body["status"] != "cancelled") {
        let when = if body["status"] == "delivered" { "It came on" } else { "It should arrive on" };
        said.push_str(&format!(" {when} {}.", spoken_time(day)));
    }
    if let Some(tracking) = body["tracking_number"].as_str() {
        said.push_str(&format!(" The tracking number is {tracking}."));
    }
    said
}

/// The appointments that are offered to the caller: id and time.
pub(super) fn slots(done: &Done) -> Vec<(String, String)> {
    let slots = list(&done.body["slots"]).iter().take(MAX_OFFERED);
    slots
        .filter_map(|slot| {
            Some((slot["slot_id"].as_str()?.to_owned(), slot["starts_at"].as_str()?.to_owned()))
        })
        .collect()
}

/// A value as it is said.
fn shown(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "unknown".to_owned(),
        Some(other) => other.to_string(),
    }
}
