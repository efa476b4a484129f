//! Appointments: free slots on the next seven days, each booked once.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::oauth::{self, Tokens};
use super::shared::Shared;
use super::wire::{Answer, Call, Reply};

/// Most appointments kept; the oldest goes first.
const MAX_APPOINTMENTS: usize = 1_000;
/// Most slots in one answer: more cannot be said on the phone.
const MAX_SLOTS: usize = 6;
/// Most characters of a name.
const MAX_NAME_CHARS: usize = 200;
const DAYS: u64 = 7;
const REGIONS: [(&str, [&str; 4]); 2] =
    [("eu", ["09:00", "11:00", "14:00", "16:00"]), ("us", ["08:00", "10:00", "13:00", "15:00"])];
const SERVICES: [&str; 3] = ["installation", "repair", "consultation"];

/// The appointments made, by number.
#[derive(Debug)]
pub(super) struct Scheduling {
    appointments: BTreeMap<u64, Appointment>,
    next: u64,
}

#[derive(Debug)]
struct Appointment {
    slot_id: String,
}

impl Default for Scheduling {
    /// One appointment is there from the start, to be cancelled.
    fn default() -> Self {
        let preset = Appointment { slot_id: "EU-PRESET".to_owned() };
        Self { appointments: BTreeMap::from([(1_000, preset)]), next: 1_001 }
    }
}

impl Scheduling {
    fn is_free(&self, slot_id: &str) -> bool {
        self.appointments.values().all(|appointment| appointment.slot_id != slot_id)
    }

    fn book(&mut self, slot_id: &str) -> Option<u64> {
        if !self.is_free(slot_id) {
            return None;
        }
        while self.appointments.len() >= MAX_APPOINTMENTS {
            self.appointments.pop_first();
        }
        let number = self.next;
        self.next += 1;
        self.appointments.insert(number, Appointment { slot_id: slot_id.to_owned() });
        Some(number)
    }
}

struct Slot {
    id: String,
    region: &'static str,
    date: String,
    starts_at: String,
}

/// `GET /appointments/slots?service=&date=&region=`
pub(super) async fn slots(
    State(tokens): State<Shared<Tokens>>,
    State(scheduling): State<Shared<Scheduling>>,
    call: Call,
) -> Answer {
    oauth::require(&tokens, &call, "appointments.read")?;
    let service = service(call.query("service"))?;
    let region = call.query("region").unwrap_or("eu");
    if REGIONS.iter().all(|(name, _)| *name != region) {
        return Err(Reply::invalid("`region` must be eu or us"));
    }
    let date = call.query("date");
    if date.is_some_and(|date| !is_date(date)) {
        return Err(Reply::invalid("`date` must be written as YYYY-MM-DD"));
    }
    let scheduling = scheduling.lock();
    let free = all_slots(today())
        .into_iter()
        .filter(|slot| slot.region == region && date.is_none_or(|date| slot.date == date))
        .filter(|slot| scheduling.is_free(&slot.id))
        .take(MAX_SLOTS)
        .map(|slot| json!({"slot_id": slot.id, "starts_at": slot.starts_at}));
    let free: Vec<Value> = free.collect();
    Ok(Reply::new(StatusCode::OK, json!({"service": service, "region": region, "slots": free})))
}

/// `POST /appointments`
pub(super) async fn book(
    State(tokens): State<Shared<Tokens>>,
    State(scheduling): State<Shared<Scheduling>>,
    call: Call,
) -> Answer {
    oauth::require(&tokens, &call, "appointments.write")?;
    let body = call.json()?;
    let appointment = body.get("appointment").unwrap_or(&Value::Null);
    let text = |pointer: &str| appointment.pointer(pointer).and_then(Value::as_str);
    let service = service(text("/service"))?;
    let name = text("/customer/name").map(str::trim).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Reply::invalid("`appointment.customer.name` is missing"))?;
    if name.chars().count() > MAX_NAME_CHARS {
        return Err(Reply::invalid(format!(
            "`appointment.customer.name` is longer than {MAX_NAME_CHARS} characters"
        )));
    }
    let reminder = match appointment.get("sms_reminder") {
        None => false,
        Some(flag) => flag
            .as_bool()
            .ok_or_else(|| Reply::invalid("`appointment.sms_reminder` must be true or false"))?,
    };
    if reminder && text("/customer/phone").is_none() {
        return Err(Reply::invalid("a text message needs `appointment.customer.phone`"));
    }
    let wanted = text("/slot_id").ok_or_else(|| Reply::invalid("`appointment.slot_id` is missing"))?;
    let slot = all_slots(today()).into_iter().find(|slot| slot.id == wanted);
    let slot = slot.ok_or_else(|| {
        Reply::error(StatusCode::NOT_FOUND, "slot_not_found", "there is no such slot in the next seven days")
    })?;
    let number = scheduling.lock().book(&slot.id).ok_or_else(|| {
        Reply::error(
            StatusCode::CONFLICT,
            "slot_taken",
            "somebody has booked this slot already; look for another one",
        )
    })?;
    let body = json!({"appointment": {
        "id": format!("APT-{number}"),
        "slot_id": slot.id,
        "starts_at": slot.starts_at,
        "service": service,
        "customer_id": text("/customer/id"),
        "name": name,
        "sms_reminder": reminder,
        "status": "booked",
    }});
    Ok(Reply::new(StatusCode::CREATED, body))
}

/// `DELETE /appointments/{id}`
pub(super) async fn cancel(
    State(tokens): State<Shared<Tokens>>,
    State(scheduling): State<Shared<Scheduling>>,
    Path(id): Path<String>,
    call: Call,
) -> Answer {
    oauth::require(&tokens, &call, "appointments.write")?;
    let number = id.strip_prefix("APT-").and_then(|number| number.parse::<u64>().ok());
    let removed = number.and_then(|number| scheduling.lock().appointments.remove(&number));
    match removed {
        Some(_) => Ok(Reply::new(StatusCode::OK, json!({"appointment": {"id": id, "status": "cancelled"}}))),
        None => {
            Err(Reply::error(StatusCode::NOT_FOUND, "appointment_not_found", "there is no such appointment"))
        }
    }
}

fn service(given: Option<&str>) -> Result<&'static str, Reply> {
    SERVICES
        .into_iter()
        .find(|service| Some(*service) == given)
        .ok_or_else(|| Reply::invalid(format!("`service` must be one of {}", SERVICES.join(", "))))
}

/// Every slot of the days after `today`, the earliest first. The id says which
/// it is, so nothing has to be kept for the free ones.
fn all_slots(today: u64) -> Vec<Slot> {
    let mut slots = Vec::new();
    for day in today + 1..=today + DAYS {
        let date = date(day);
        for (region, times) in REGIONS {
            for time in times {
                let compact = format!("{date}-{time}").replace(':', "");
                slots.push(Slot {
                    id: format!("{}-{compact}", region.to_uppercase()),
                    region,
                    date: date.clone(),
                    starts_at: format!("{date}T{time}:00"),
                });
            }
        }
    }
    slots
}

/// Days since 1970-01-01, UTC.
fn today() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 86_400)
}

/// The calendar date of a day since 1970-01-01: Howard Hinnant's `civil_from_days`.
fn date(day: u64) -> String {
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day_of_month:02}")
}

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, b)| if matches!(at, 4 | 7) { b == b'-' } else { b.is_ascii_digit() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_calendar_dates() {
        for (day, expected) in
            [(0, "1970-01-01"), (11_016, "2000-02-29"), (11_017, "2000-03-01"), (20_453, "2025-12-31")]
        {
            assert_eq!(date(day), expected);
        }
    }

    #[test]
    fn a_slot_is_booked_once_and_memory_is_bounded() {
        let mut scheduling = Scheduling::default();
        assert_eq!(scheduling.book("EU-1"), Some(1_001));
        assert_eq!(scheduling.book("EU-1"), None);
        for n in 0..2 * MAX_APPOINTMENTS {
            scheduling.book(&format!("X-{n}"));
        }
        assert_eq!(scheduling.appointments.len(), MAX_APPOINTMENTS);
    }
}
