//! Records that only are looked up: orders, customers, members, invoices, accounts.

use std::time::Duration;

use axum::extract::Path;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::credentials::{
    self, ACCOUNTS_PASSWORD, ACCOUNTS_USER, BILLING_KEY, CRM_KEY, Environment, LOYALTY_KEY, ORDERS_TOKEN,
};
use super::wire::{Answer, Call, Reply};

/// Most orders in one question.
const MAX_BATCH: usize = 20;
/// This order makes the upstream fail, to see an `error`.
const FAILING_ORDER: &str = "ORD-50300";
/// This order makes the upstream answer too late, to see a timeout.
const LATE_ORDER: &str = "ORD-50400";
const LATE: Duration = Duration::from_secs(10);
/// This order makes the upstream slow, to hear what is said meanwhile.
const SLOW_ORDER: &str = "ORD-20003";
const SLOW: Duration = Duration::from_secs(3);

/// `GET /orders?order_number=`
pub(super) async fn order(call: Call) -> Answer {
    authorize(&call)?;
    let number = call.query("order_number").ok_or_else(|| Reply::invalid("order_number is missing"))?;
    match number {
        FAILING_ORDER => {
            let message = "the order system is down for maintenance";
            return Err(Reply::error(StatusCode::SERVICE_UNAVAILABLE, "maintenance", message));
        }
        LATE_ORDER => tokio::time::sleep(LATE).await,
        SLOW_ORDER => tokio::time::sleep(SLOW).await,
        _ => {}
    }
    find("order", number, known_order(number))
}

/// `GET /orders/batch?order_numbers=&order_numbers=`
pub(super) async fn batch(call: Call) -> Answer {
    authorize(&call)?;
    let numbers =
        call.query.iter().filter(|(name, _)| name == "order_numbers").map(|(_, number)| number.as_str());
    let numbers: Vec<&str> = numbers.collect();
    if numbers.is_empty() || numbers.len() > MAX_BATCH {
        return Err(Reply::invalid(format!("give order_numbers between 1 and {MAX_BATCH} times")));
    }
    let orders: Vec<Value> = numbers.iter().filter_map(|number| known_order(number)).collect();
    let missing: Vec<&str> = numbers.into_iter().filter(|number| known_order(number).is_none()).collect();
    Ok(Reply::new(StatusCode::OK, json!({"orders": orders, "not_found": missing})))
}

/// `GET /customers?email=`
pub(super) async fn customer(call: Call) -> Answer {
    credentials::query_key(&call, "api_key", CRM_KEY)?;
    let email = call.query("email").ok_or_else(|| Reply::invalid("email is missing"))?.to_lowercase();
    let known = match email.as_str() {
        "ada@example.com" => Some(("cust_1001", "Ada Lovelace", "premium", "LOY-2001")),
        "grace@example.com" => Some(("cust_1002", "Grace Hopper", "standard", "LOY-2002")),
        _ => None,
    };
    let customer = known.map(|(id, name, plan, member_number)| {
        json!({"id": id, "name": name, "email": email, "plan": plan, "member_number": member_number})
    });
    find("customer", &email, customer)
}

/// `GET /loyalty?member_number=`
pub(super) async fn loyalty(call: Call) -> Answer {
    credentials::cookie_key(&call, "api_key", LOYALTY_KEY)?;
    let number = call.query("member_number").ok_or_else(|| Reply::invalid("member_number is missing"))?;
    let member = match number {
        "LOY-2001" => Some(json!({"member_number": number, "tier": "gold", "points": 4210})),
        "LOY-2002" => Some(json!({"member_number": number, "tier": "silver", "points": 880})),
        _ => None,
    };
    find("member", number, member)
}

/// `GET /invoices/{number}`
pub(super) async fn invoice(Path(number): Path<String>, call: Call) -> Answer {
    credentials::header_key(&call, "X-API-Key", BILLING_KEY)?;
    let invoice = match number.as_str() {
        "INV-3001" => Some(json!({
            "invoice_number": number, "amount": "129.90", "currency": "EUR", "due_date": "2026-02-01", "state": "open",
        })),
        "INV-3002" => Some(json!({
            "invoice_number": number, "amount": "49.00", "currency": "EUR", "due_date": "2025-12-01", "state": "paid",
        })),
        _ => None,
    };
    find("invoice", &number, invoice)
}

/// `GET /accounts/{number}`
pub(super) async fn account(Path(number): Path<String>, call: Call) -> Answer {
    credentials::basic(&call, ACCOUNTS_USER, ACCOUNTS_PASSWORD)?;
    let account = match number.as_str() {
        "ACC-4001" => Some(json!({
            "account_number": number, "holder": "Ada Lovelace", "balance": "-129.90", "currency": "EUR", "state": "active",
        })),
        "ACC-4002" => Some(json!({
            "account_number": number, "holder": "Grace Hopper", "balance": "0.00", "currency": "EUR", "state": "suspended",
        })),
        _ => None,
    };
    find("account", &number, account)
}

/// Below `/staging` only staging's token opens, elsewhere only the others.
fn authorize(call: &Call) -> Result<(), Reply> {
    let is_staging = credentials::bearer(call, ORDERS_TOKEN)? == Environment::Staging;
    if is_staging == call.path.starts_with("/staging/") {
        return Ok(());
    }
    Err(credentials::invalid_token())
}

fn known_order(number: &str) -> Option<Value> {
    let (status, tracking_number, estimated_delivery, customer_id) = match number {
        "ORD-12345" => ("shipped", Some("TRACK123"), Some("2026-03-15"), "cust_1001"),
        "ORD-67890" => ("processing", None, Some("2026-03-20"), "cust_1001"),
        "ORD-24680" => ("delivered", Some("TRACK456"), Some("2026-02-27"), "cust_1002"),
        "ORD-13579" => ("cancelled", None, None, "cust_1002"),
        LATE_ORDER => ("processing", None, None, "cust_1002"),
        SLOW_ORDER => ("shipped", Some("TRACK789"), Some("2026-03-18"), "cust_1001"),
        _ => return None,
    };
    Some(json!({
        "order_number": number,
        "status": status,
        "tracking_number": tracking_number,
        "estimated_delivery": estimated_delivery,
        "customer_id": customer_id,
    }))
}

fn find(what: &str, name: &str, found: Option<Value>) -> Answer {
    match found {
        Some(record) => Ok(Reply::new(StatusCode::OK, record)),
        None => {
            let shown: String = name.chars().take(50).collect();
            let message = format!("there is no {what} {shown}");
            Err(Reply::error(StatusCode::NOT_FOUND, &format!("{what}_not_found"), message))
        }
    }
}
