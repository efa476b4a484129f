//! Support tickets, their notes, classification and feedback.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::credentials::{self, HELPDESK_KEY, HELPDESK_TOKEN};
use super::oauth;
use super::shared::Shared;
use super::wire::{Answer, Call, Reply, first};

/// Most tickets kept; the oldest goes first.
const MAX_TICKETS: usize = 1_000;
/// Most notes and comments on one ticket.
const MAX_NOTES: usize = 20;
/// Most characters of a text.
const MAX_TEXT_CHARS: usize = 4_000;
const PRIORITIES: [&str; 3] = ["low", "medium", "high"];
const STATUSES: [&str; 3] = ["open", "waiting", "closed"];

/// All tickets, by number, and the count of ratings.
#[derive(Debug)]
pub(super) struct Helpdesk {
    tickets: BTreeMap<u64, Ticket>,
    next: u64,
    ratings: u64,
}

#[derive(Debug)]
struct Ticket {
    email: String,
    text: String,
    priority: String,
    status: String,
    conversation_id: Option<String>,
    /// Who has it may add notes; the preset ticket asks for none.
    upload_token: Option<String>,
    notes: Vec<String>,
}

impl Default for Helpdesk {
    fn default() -> Self {
        let preset = Ticket {
            email: "ada@example.com".to_owned(),
            text: "The router restarts every night.".to_owned(),
            priority: "medium".to_owned(),
            status: "open".to_owned(),
            conversation_id: None,
            upload_token: None,
            notes: Vec::new(),
        };
        Self { tickets: BTreeMap::from([(1_000, preset)]), next: 1_001, ratings: 0 }
    }
}

impl Helpdesk {
    fn open(&mut self, ticket: Ticket) -> u64 {
        while self.tickets.len() >= MAX_TICKETS {
            self.tickets.pop_first();
        }
        let number = self.next;
        self.next += 1;
        self.tickets.insert(number, ticket);
        number
    }

    fn ticket(&mut self, id: &str) -> Result<&mut Ticket, Reply> {
        let number = id.strip_prefix("TCK-").and_then(|number| number.parse().ok());
        number
            .and_then(|number: u64| self.tickets.get_mut(&number))
            .ok_or_else(|| Reply::error(StatusCode::NOT_FOUND, "ticket_not_found", "there is no such ticket"))
    }
}

impl Ticket {
    fn view(&self, id: &str) -> Value {
        json!({
            "id": id,
            "status": self.status,
            "priority": self.priority,
            "email": self.email,
            "text": self.text,
            "conversation_id": self.conversation_id,
            "notes": self.notes.len(),
        })
    }

    fn add_note(&mut self, note: String) -> Result<(), Reply> {
        if self.notes.len() >= MAX_NOTES {
            let message = format!("a ticket takes {MAX_NOTES} notes");
            return Err(Reply::error(StatusCode::CONFLICT, "too_many_notes", message));
        }
        self.notes.push(note);
        Ok(())
    }
}

/// `POST /tickets`
pub(super) async fn create(State(helpdesk): State<Shared<Helpdesk>>, call: Call) -> Answer {
    credentials::bearer(&call, HELPDESK_TOKEN)?;
    credentials::header_key(&call, "X-Internal-Key", HELPDESK_KEY)?;
    let body = call.json()?;
    let Some(Value::Object(fields)) = body.get("ticket") else {
        return Err(Reply::invalid("`ticket` must be an object"));
    };
    known_keys(fields, &["email", "text", "priority", "conversation_id"])?;
    let token = oauth::random_token("upt_")?;
    let ticket = Ticket {
        email: text(fields, "email")?.ok_or_else(|| Reply::invalid("`email` is missing"))?,
        text: text(fields, "text")?.ok_or_else(|| Reply::invalid("`text` is missing"))?,
        priority: choice(fields, "priority", &PRIORITIES)?.unwrap_or_else(|| "medium".to_owned()),
        status: "open".to_owned(),
        conversation_id: text(fields, "conversation_id")?,
        upload_token: Some(token.clone()),
        notes: Vec::new(),
    };
    if !ticket.email.contains('@') {
        return Err(Reply::invalid("`email` must be an e-mail address"));
    }
    let (status, priority) = (ticket.status.clone(), ticket.priority.clone());
    let number = helpdesk.lock().open(ticket);
    let body = json!({"ticket": {
        "id": format!("TCK-{number}"), "status": status, "priority": priority, "upload_token": token,
    }});
    Ok(Reply::new(StatusCode::CREATED, body))
}

/// `GET /tickets/{id}`
pub(super) async fn show(
    State(helpdesk): State<Shared<Helpdesk>>,
    Path(id): Path<String>,
    call: Call,
) -> Answer {
    credentials::bearer(&call, HELPDESK_TOKEN)?;
    let view = helpdesk.lock().ticket(&id)?.view(&id);
    Ok(Reply::new(StatusCode::OK, json!({"ticket": view})))
}

/// `PATCH /tickets/{id}`
pub(super) async fn update(
    State(helpdesk): State<Shared<Helpdesk>>,
    Path(id): Path<String>,
    call: Call,
) -> Answer {
    credentials::bearer(&call, HELPDESK_TOKEN)?;
    let fields = call.json()?;
    known_keys(&fields, &["status", "priority", "comment"])?;
    let status = choice(&fields, "status", &STATUSES)?;
    let priority = choice(&fields, "priority", &PRIORITIES)?;
    let comment = text(&fields, "comment")?;
    if status.is_none() && priority.is_none() && comment.is_none() {
        return Err(Reply::invalid("give `status`, `priority` or `comment`"));
    }
    let mut helpdesk = helpdesk.lock();
    let ticket = helpdesk.ticket(&id)?;
    if let Some(comment) = comment {
        ticket.add_note(comment)?;
    }
    ticket.status = status.unwrap_or_else(|| ticket.status.clone());
    ticket.priority = priority.unwrap_or_else(|| ticket.priority.clone());
    Ok(Reply::new(StatusCode::OK, json!({"ticket": ticket.view(&id)})))
}

/// `POST /tickets/{id}/notes`
pub(super) async fn add_note(
    State(helpdesk): State<Shared<Helpdesk>>,
    Path(id): Path<String>,
    call: Call,
) -> Answer {
    credentials::bearer(&call, HELPDESK_TOKEN)?;
    let parts = call.multipart()?;
    let note = first(&parts, "note").filter(|note| !note.trim().is_empty());
    let note = note.ok_or_else(|| Reply::invalid("the part `note` is missing or empty"))?.to_owned();
    let length = note.chars().count();
    if length > MAX_TEXT_CHARS {
        return Err(Reply::invalid(format!("`note` is longer than {MAX_TEXT_CHARS} characters")));
    }
    let mut helpdesk = helpdesk.lock();
    let ticket = helpdesk.ticket(&id)?;
    if ticket.upload_token.is_some() && ticket.upload_token.as_deref() != first(&parts, "upload_token") {
        let message = "the part `upload_token` must hold the token that opening the ticket returned";
        return Err(Reply::error(StatusCode::FORBIDDEN, "wrong_upload_token", message));
    }
    ticket.add_note(note)?;
    let body = json!({"note": {"ticket_id": id, "number": ticket.notes.len(), "characters": length}});
    Ok(Reply::new(StatusCode::CREATED, body))
}

/// `POST /classifications`
pub(super) async fn classify(call: Call) -> Answer {
    credentials::bearer(&call, HELPDESK_TOKEN)?;
    let fields = call.json()?;
    let category = text(&fields, "category")?.unwrap_or_default();
    let sub_category = text(&fields, "sub_category")?.unwrap_or_default();
    let (team, answer_within_hours) = match (category.as_str(), sub_category.as_str()) {
        ("billing", "invoice_dispute") => ("accounts receivable", 24),
        ("billing", "payment_failed") => ("payments", 4),
        ("billing", "refund_request") => ("payments", 48),
        ("technical", "login_issue") => ("identity", 2),
        ("technical", "performance") => ("operations", 8),
        ("technical", "bug_report") => ("engineering", 72),
        ("billing" | "technical", _) => {
            return Err(Reply::invalid(format!("`sub_category` does not belong to {category}")));
        }
        _ => return Err(Reply::invalid("`category` must be billing or technical")),
    };
    let body = json!({
        "category": category, "sub_category": sub_category, "team": team, "answer_within_hours": answer_within_hours,
    });
    Ok(Reply::new(StatusCode::OK, body))
}

/// `POST /feedback`
pub(super) async fn feedback(State(helpdesk): State<Shared<Helpdesk>>, call: Call) -> Answer {
    credentials::bearer(&call, HELPDESK_TOKEN)?;
    let form = call.form()?;
    let rating = first(&form, "rating").and_then(|rating| rating.parse::<u8>().ok());
    let rating = rating.filter(|rating| (1..=5).contains(rating));
    let rating = rating.ok_or_else(|| Reply::invalid("`rating` must be a whole number from 1 to 5"))?;
    let mut helpdesk = helpdesk.lock();
    helpdesk.ratings = helpdesk.ratings.saturating_add(1);
    let body = json!({"feedback": {
        "number": helpdesk.ratings,
        "rating": rating,
        "has_comment": first(&form, "comment").is_some_and(|comment| !comment.is_empty()),
    }});
    Ok(Reply::new(StatusCode::CREATED, body))
}

/// The text `name`; none where it is absent or null.
fn text(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, Reply> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => {
            Err(Reply::invalid(format!("`{name}` is empty")))
        }
        Some(Value::String(text)) if text.chars().count() > MAX_TEXT_CHARS => {
            Err(Reply::invalid(format!("`{name}` is longer than {MAX_TEXT_CHARS} characters")))
        }
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Reply::invalid(format!("`{name}` must be a text"))),
    }
}

fn choice(fields: &Map<String, Value>, name: &str, choices: &[&str]) -> Result<Option<String>, Reply> {
    match text(fields, name)? {
        Some(given) if !choices.contains(&given.as_str()) => {
            Err(Reply::invalid(format!("`{name}` must be one of {}", choices.join(", "))))
        }
        given => Ok(given),
    }
}

/// A key that nobody reads is a mistake in the action; say so.
fn known_keys(fields: &Map<String, Value>, known: &[&str]) -> Result<(), Reply> {
    match fields.keys().find(|key| !known.contains(&key.as_str())) {
        Some(_) => Err(Reply::invalid(format!("the keys are {}; there is another one", known.join(", ")))),
        None => Ok(()),
    }
}
