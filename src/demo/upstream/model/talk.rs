//! What the model does next: rules over what the caller has said, no more.

use serde_json::{Value, json};

use super::history::{Done, Line, lines, list};
use super::results::{order, sentence, slots};
use super::words::{
    bare_numbers, choice, date, email, has, issue, name, numbers, rating, short_name, spoken_time,
};

/// What the model says, and which tools it calls.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Turn {
    pub(super) text: String,
    /// Names and arguments.
    pub(super) calls: Vec<(String, Value)>,
}

/// Something that a caller can want; the first ones are done first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Order,
    Ticket,
    TicketChange,
    Slots,
    Booking,
    Cancellation,
    Invoice,
    Account,
    Points,
    Customer,
    Hours,
    Rating,
    Person,
    HangUp,
}

const WISHES: [Wish; 14] = [
    Wish::Order,
    Wish::Ticket,
    Wish::TicketChange,
    Wish::Slots,
    Wish::Booking,
    Wish::Cancellation,
    Wish::Invoice,
    Wish::Account,
    Wish::Points,
    Wish::Customer,
    Wish::Hours,
    Wish::Rating,
    Wish::Person,
    Wish::HangUp,
];

/// How a wish goes on.
enum Next {
    Call(&'static str, Value),
    /// A value is missing.
    Ask(&'static str),
    /// It is known already.
    Say(String),
}

const ASK_ORDER: &str = "What is the order number? It looks like ORD-12345.";
const ASK_ISSUE: &str = "What is the matter?";
const ASK_EMAIL: &str = "What is your e-mail address?";
const ASK_CHANGE: &str = "Shall I close the ticket, or change its priority?";
const ASK_SERVICE: &str = "Is it for an installation, a repair or a consultation?";
const ASK_SLOT: &str = "Which one suits you?";
const ASK_NAME: &str = "What name shall I book it under?";
const ASK_APPOINTMENT: &str = "What is the number of the appointment? It looks like APT-1000.";
const ASK_INVOICE: &str = "What is the invoice number? It looks like INV-3001.";
const ASK_ACCOUNT: &str = "What is the account number? It looks like ACC-4001.";
const ASK_MEMBER: &str = "What is the member number? It looks like LOY-2001.";
const ASK_RATING: &str = "How satisfied are you, from one to five?";

const QUESTIONS: [&str; 12] = [
    ASK_ORDER,
    ASK_ISSUE,
    ASK_EMAIL,
    ASK_CHANGE,
    ASK_SERVICE,
    ASK_SLOT,
    ASK_NAME,
    ASK_APPOINTMENT,
    ASK_INVOICE,
    ASK_ACCOUNT,
    ASK_MEMBER,
    ASK_RATING,
];

/// Said where a tool is needed and none may be called.
const NOT_NOW: &str = "I am sorry, I cannot do that right now.";

/// The next turn of the conversation in `request`, a body of OpenAI's chat completions. The same request gets the
/// same turn.
pub(super) fn reply(request: &Value) -> Turn {
    let lines = lines(request);
    let topic = Topic::of(&lines, offered(request));
    let may_call = request["tool_choice"] != "none";
    let mut turn = Turn::default();
    let mut said = Vec::new();
    let (mut question, mut is_missed) = (None, false);
    for wish in topic.wishes() {
        match topic.next(wish) {
            Next::Call(tool, arguments) if may_call => turn.calls.push((tool.to_owned(), arguments)),
            Next::Call(..) => is_missed = true,
            Next::Ask(text) => question = question.or(Some(text)),
            Next::Say(text) => said.push(text),
        }
    }
    if request["parallel_tool_calls"] == false {
        turn.calls.truncate(1);
    }
    if !turn.calls.is_empty() {
        return turn;
    }
    let is_offer = |done: &Done| done.name == "find_appointments" && !slots(done).is_empty();
    if question.is_none() && topic.has("book_appointment") && topic.news().any(is_offer) {
        question = Some(ASK_SLOT);
    }
    // The times are not read out again where one of them has been chosen.
    let news = topic.news().filter(|done| !(is_offer(done) && question == Some(ASK_NAME)));
    let mut all: Vec<String> = news.map(sentence).collect();
    all.extend(said);
    if is_missed {
        all.push(NOT_NOW.to_owned());
    }
    if question == Some(ASK_SLOT) && all.is_empty() {
        all.extend(topic.slots().map(sentence));
    }
    all.extend(question.map(str::to_owned));
    if all.is_empty() {
        all.push(topic.small_talk());
    }
    turn.text = all.join(" ");
    turn
}

/// The names of the tools that may be called, and what they take.
fn offered(request: &Value) -> Vec<&Value> {
    let tools = list(&request["tools"]).iter().map(|tool| &tool["function"]);
    match request["tool_choice"]["function"]["name"].as_str() {
        Some(only) => tools.filter(|tool| tool["name"] == only).collect(),
        None => tools.collect(),
    }
}

/// What the conversation is about now.
struct Topic<'a> {
    lines: &'a [Line],
    tools: Vec<&'a Value>,
    /// Where what the caller wants now begins.
    start: usize,
    /// Where the caller spoke last.
    last: usize,
    /// Everything that the caller has said of it.
    text: String,
}

impl<'a> Topic<'a> {
    /// A topic begins with the last thing that the caller said, or before the questions that this answers.
    fn of(lines: &'a [Line], tools: Vec<&'a Value>) -> Self {
        let users: Vec<usize> = (0..lines.len()).filter(|at| user(lines, *at).is_some()).collect();
        let last = users.last().copied().unwrap_or(lines.len());
        let mut start = last;
        for pair in users.windows(2).rev() {
            let answer = user(lines, pair[1]).unwrap_or_default();
            let asked = question(&lines[pair[0]..pair[1]]);
            let is_free = [ASK_ISSUE, ASK_NAME].iter().any(|question| asked == Some(question));
            if asked.is_none() || (!is_free && WISHES.iter().any(|wish| wish.is_named(answer))) {
                break;
            }
            start = pair[0];
        }
        let said = (start..lines.len()).filter_map(|at| user(lines, at));
        let text = said.collect::<Vec<_>>().join("\n");
        Self { lines, tools, start, last, text }
    }

    /// What the caller wants and has not got yet, as far as there are tools for it.
    fn wishes(&self) -> Vec<Wish> {
        let named = |wish: &Wish| match wish {
            Wish::Booking => self.slots().is_some() && self.is_choosing(),
            _ => wish.is_named(&self.text) || wish.is_numbered(&self.text),
        };
        let mut wishes: Vec<Wish> = WISHES.into_iter().filter(named).collect();
        if wishes.is_empty() {
            wishes.extend(WISHES.into_iter().find(|wish| wish.is_hinted_at(&self.text)));
        }
        let is_open = |wish: &Wish| {
            wish.tools().iter().any(|tool| self.has(tool))
                && !wish.tools().iter().any(|tool| self.is_done(tool))
        };
        // Whoever chooses an appointment wants no others.
        if wishes.contains(&Wish::Booking) {
            wishes.retain(|wish| *wish != Wish::Slots);
        }
        wishes.retain(is_open);
        wishes
    }

    fn next(&self, wish: Wish) -> Next {
        let text = self.text.as_str();
        match wish {
            Wish::Order => self.order(),
            Wish::Ticket => {
                let described = self.answer(ASK_ISSUE).map(str::to_owned).or_else(|| issue(text));
                let Some(described) = described else { return Next::Ask(ASK_ISSUE) };
                let Some(email) = self.email() else { return Next::Ask(ASK_EMAIL) };
                let mut arguments = json!({"customer_email": email, "issue_description": described});
                if let Some(priority) = priority(text) {
                    arguments["priority"] = json!(priority);
                }
                Next::Call("create_support_ticket", arguments)
            }
            Wish::TicketChange => {
                let ticket = numbers(text, "tck", 1..=9).into_iter().next().unwrap_or_default();
                let mut arguments = json!({"ticket_id": ticket});
                if has(text, &["close", "closed", "solved"]) {
                    arguments["status"] = json!("closed");
                }
                if let Some(priority) = priority(text) {
                    arguments["priority"] = json!(priority);
                }
                let is_change = arguments.as_object().is_some_and(|members| members.len() > 1);
                if is_change { Next::Call("update_ticket", arguments) } else { Next::Ask(ASK_CHANGE) }
            }
            Wish::Slots => {
                let Some(service) = service(text) else { return Next::Ask(ASK_SERVICE) };
                let mut arguments = json!({"service": service});
                if let Some(date) = date(text) {
                    arguments["date"] = json!(date);
                }
                Next::Call("find_appointments", arguments)
            }
            Wish::Booking => self.booking(),
            Wish::Cancellation => {
                self.by_number("cancel_appointment", "appointment_id", ("apt", 1..=9), ASK_APPOINTMENT)
            }
            Wish::Invoice => self.by_number("get_invoice", "invoice_number", ("inv", 4..=4), ASK_INVOICE),
            Wish::Account => self.by_number("get_account", "account_number", ("acc", 4..=4), ASK_ACCOUNT),
            Wish::Points => self.by_number("get_loyalty", "member_number", ("loy", 4..=4), ASK_MEMBER),
            Wish::Customer => match self.email() {
                Some(email) => Next::Call("get_customer", json!({"email": email})),
                None => Next::Ask(ASK_EMAIL),
            },
            Wish::Hours => Next::Call("store_hours", json!({})),
            Wish::Rating => match rating(text) {
                Some(rating) => Next::Call("send_feedback", json!({"rating": rating})),
                None => Next::Ask(ASK_RATING),
            },
            Wish::Person => Next::Call("talk_to_human", json!({})),
            Wish::HangUp => {
                let tool = if self.has("end_call") { "end_call" } else { "endCall" };
                let takes_reason = self.tools.iter().any(|offered| {
                    offered["name"] == tool && offered.pointer("/parameters/properties/reason").is_some()
                });
                let reason = json!({"reason": "The caller has said goodbye."});
                Next::Call(tool, if takes_reason { reason } else { json!({}) })
            }
        }
    }

    fn order(&self) -> Next {
        let found = order_numbers(&self.text);
        match &found[..] {
            [] => match self.known_order().filter(|_| !has(&self.text, &["other", "another"])) {
                Some(body) => Next::Say(order(body)),
                None => Next::Ask(ASK_ORDER),
            },
            [number] if self.has("get_order_status") => {
                Next::Call("get_order_status", json!({"order_number": number}))
            }
            several => Next::Call("list_orders", json!({"order_numbers": several})),
        }
    }

    /// The order that the caller heard of last.
    fn known_order(&self) -> Option<&Value> {
        let found = self.lines.iter().rev().find_map(|line| match line {
            Line::Done(done) if done.name == "get_order_status" && done.error.is_none() => Some(&done.body),
            Line::Done(_) | Line::User(_) | Line::Assistant(_) => None,
        });
        found.filter(|body| body["order_number"].is_string())
    }

    fn booking(&self) -> Next {
        let Some(found) = self.slots() else { return Next::Ask(ASK_SLOT) };
        let Some(slot) = self.chosen(found) else { return Next::Ask(ASK_SLOT) };
        let told = self.answer(ASK_NAME).and_then(|answer| name(answer).or_else(|| short_name(answer)));
        let Some(name) = told.or_else(|| name(&self.text)) else { return Next::Ask(ASK_NAME) };
        let service = &found.arguments["service"];
        Next::Call(
            "book_appointment",
            json!({"slot_id": slot, "service": service, "customer": {"name": name}}),
        )
    }

    /// The id of the appointment that the caller has chosen.
    fn chosen(&self, found: &Done) -> Option<String> {
        let slots = slots(found);
        let by_time = slots.iter().find(|(_, time)| self.text.contains(&spoken_time(time)));
        let hour = |time: &str| time.split('T').nth(1).and_then(|time| time.get(..5)).map(str::to_owned);
        let by_hour =
            || slots.iter().find(|(_, time)| hour(time).is_some_and(|hour| self.text.contains(&hour)));
        let by_place = || choice(&self.text, slots.len()).and_then(|at| slots.get(at));
        let chosen = by_time.or_else(by_place).or_else(by_hour)?;
        Some(chosen.0.clone())
    }

    /// Whether the caller was asked which appointment to take, or names one.
    fn is_choosing(&self) -> bool {
        let was_asked = question_at(&self.lines[self.start..], ASK_SLOT).is_some();
        was_asked
            || (has(&self.text, &["book", "take"])
                && self.slots().is_some_and(|found| self.chosen(found).is_some()))
    }

    /// The appointments that were found last, unless one of them has been booked.
    fn slots(&self) -> Option<&'a Done> {
        let found = self.lines.iter().rev().find_map(|line| match line {
            Line::Done(done) if ["find_appointments", "book_appointment"].contains(&done.name.as_str()) => {
                Some(done)
            }
            Line::Done(_) | Line::User(_) | Line::Assistant(_) => None,
        });
        found.filter(|done| done.name == "find_appointments" && !slots(done).is_empty())
    }

    fn by_number(
        &self,
        tool: &'static str,
        parameter: &str,
        (prefix, digits): (&str, std::ops::RangeInclusive<usize>),
        question: &'static str,
    ) -> Next {
        let bare = || {
            let said = self.answer(question).map(|answer| bare_numbers(answer, 4)).unwrap_or_default();
            said.into_iter().next().map(|number| format!("{}-{number}", prefix.to_uppercase()))
        };
        match numbers(&self.text, prefix, digits).into_iter().next().or_else(bare) {
            Some(number) => Next::Call(tool, json!({parameter: number})),
            None => Next::Ask(question),
        }
    }

    /// The caller's address, whenever it was said.
    fn email(&self) -> Option<String> {
        (0..self.lines.len()).rev().find_map(|at| email(user(self.lines, at)?))
    }

    /// What the caller said after a question.
    fn answer(&self, question: &str) -> Option<&str> {
        let lines = &self.lines[self.start..];
        let at = question_at(lines, question)?;
        (at..lines.len()).find_map(|at| user(lines, at))
    }

    /// The results that the caller has not heard of.
    fn news(&self) -> impl Iterator<Item = &'a Done> {
        let from = self.lines.get(self.last..).unwrap_or_default();
        from.iter().filter_map(|line| match line {
            Line::Done(done) => Some(done),
            Line::User(_) | Line::Assistant(_) => None,
        })
    }

    fn is_done(&self, tool: &str) -> bool {
        let lines = self.lines.get(self.start..).unwrap_or_default();
        lines.iter().any(|line| matches!(line, Line::Done(done) if done.name == tool))
    }

    fn has(&self, tool: &str) -> bool {
        self.tools.iter().any(|offered| offered["name"] == tool)
    }

    /// What is said where the caller wants nothing that there is a tool for.
    fn small_talk(&self) -> String {
        if has(&self.text, &["thanks", "thank", "bye", "goodbye"]) {
            return "You are welcome. Goodbye.".to_owned();
        }
        let known = [
            ("get_order_status", "look up an order"),
            ("create_support_ticket", "open a support ticket"),
            ("find_appointments", "find an appointment"),
            ("get_invoice", "tell you about an invoice"),
            ("store_hours", "say when we are open"),
            ("talk_to_human", "put you through to a colleague"),
        ];
        let can: Vec<&str> =
            known.into_iter().filter(|(tool, _)| self.has(tool)).map(|(_, what)| what).collect();
        let greeting =
            if has(&self.text, &["hello", "hi", "hey"]) || self.text.is_empty() { "Hello! " } else { "" };
        match &can[..] {
            [] => format!("{greeting}I have no tools that I know how to use."),
            [one] => format!("{greeting}I can {one}. What do you need?"),
            [first @ .., last] => {
                format!("{greeting}I can {} or {last}. What do you need?", first.join(", "))
            }
        }
    }
}

impl Wish {
    /// Whether a text asks for it in so many words.
    fn is_named(self, text: &str) -> bool {
        let orders = ["order", "orders", "parcel", "package", "delivery", "shipment"];
        let lower = text.to_lowercase();
        let says = |phrases: &[&str]| phrases.iter().any(|phrase| lower.contains(phrase));
        match self {
            Self::Order => {
                let asks = has(text, &["status", "where", "track", "tracking", "arrive", "arrives", "when"]);
                (asks && has(text, &orders)) || says(&["will it arrive", "does it arrive", "tracking number"])
            }
            Self::Ticket => {
                has(text, &["ticket", "complaint", "complain"]) && numbers(text, "tck", 1..=9).is_empty()
            }
            Self::TicketChange => false,
            Self::Slots => {
                has(text, &["appointment", "appointments", "technician", "slot", "slots", "visit"])
                    && !has(text, &["cancel"])
            }
            Self::Booking => false,
            Self::Cancellation => has(text, &["cancel"]) && has(text, &["appointment", "visit"]),
            Self::Invoice => has(text, &["invoice", "bill"]),
            Self::Account => has(text, &["account", "balance"]),
            Self::Points => has(text, &["points", "loyalty", "rewards"]),
            Self::Customer => has(text, &["plan"]) || says(&["who am i"]),
            Self::Hours => has(text, &["hours"]) || says(&["are you open", "do you open", "do you close"]),
            Self::Rating => has(text, &["rate", "rating", "feedback"]),
            Self::Person => {
                has(text, &["human", "person", "colleague", "representative", "operator"])
                    || says(&["talk to somebody", "speak to somebody", "talk to someone", "speak to someone"])
            }
            Self::HangUp => has(text, &["bye", "goodbye"]),
        }
    }

    /// Whether a number in the text stands for it.
    fn is_numbered(self, text: &str) -> bool {
        let has = |prefix| !numbers(text, prefix, 1..=9).is_empty();
        match self {
            Self::Order => has("ord") && !Self::Ticket.is_named(text),
            Self::TicketChange => has("tck"),
            Self::Cancellation => has("apt"),
            Self::Invoice => has("inv"),
            Self::Account => has("acc"),
            Self::Points => has("loy"),
            Self::Ticket
            | Self::Slots
            | Self::Booking
            | Self::Customer
            | Self::Hours
            | Self::Rating
            | Self::Person
            | Self::HangUp => false,
        }
    }

    /// Whether it is meant where nothing else is.
    fn is_hinted_at(self, text: &str) -> bool {
        match self {
            Self::Order => has(text, &["order", "parcel", "package", "delivery"]),
            Self::Ticket => has(text, &["broken", "damaged", "problem", "wrong"]),
            Self::Slots => service(text).is_some(),
            _ => false,
        }
    }

    /// The tools that fulfil it.
    fn tools(self) -> &'static [&'static str] {
        match self {
            Self::Order => &["get_order_status", "list_orders"],
            Self::Ticket => &["create_support_ticket"],
            Self::TicketChange => &["update_ticket"],
            Self::Slots => &["find_appointments"],
            Self::Booking => &["book_appointment"],
            Self::Cancellation => &["cancel_appointment"],
            Self::Invoice => &["get_invoice"],
            Self::Account => &["get_account"],
            Self::Points => &["get_loyalty"],
            Self::Customer => &["get_customer"],
            Self::Hours => &["store_hours"],
            Self::Rating => &["send_feedback"],
            Self::Person => &["talk_to_human"],
            Self::HangUp => &["end_call", "endCall"],
        }
    }
}

fn user(lines: &[Line], at: usize) -> Option<&str> {
    match lines.get(at)? {
        Line::User(text) => Some(text),
        Line::Assistant(_) | Line::Done(_) => None,
    }
}

/// The question with which the assistant ended.
fn question(lines: &[Line]) -> Option<&'static str> {
    let said = lines.iter().rev().find_map(|line| match line {
        Line::Assistant(text) => Some(text.trim_end()),
        Line::User(_) | Line::Done(_) => None,
    })?;
    QUESTIONS.into_iter().find(|question| said.ends_with(question))
}

/// Where the assistant asked a question last.
fn question_at(lines: &[Line], question: &str) -> Option<usize> {
    lines
        .iter()
        .rposition(|line| matches!(line, Line::Assistant(text) if text.trim_end().ends_with(question)))
}

fn order_numbers(text: &str) -> Vec<String> {
    let mut found = numbers(text, "ord", 5..=5);
    for number in bare_numbers(text, 5) {
        let number = format!("ORD-{number}");
        if !found.contains(&number) {
            found.push(number);
        }
    }
    found
}

fn service(text: &str) -> Option<&'static str> {
    let known: [(&str, &[&str]); 3] = [
        ("installation", &["installation", "install", "installed"]),
        ("repair", &["repair", "repaired", "fix", "fixed"]),
        ("consultation", &["consultation", "advice"]),
    ];
    known.into_iter().find(|(_, words)| has(text, words)).map(|(service, _)| service)
}

fn priority(text: &str) -> Option<&'static str> {
    let known: [(&str, &[&str]); 3] =
        [("high", &["high", "urgent"]), ("medium", &["medium"]), ("low", &["low"])];
    known.into_iter().find(|(_, words)| has(text, words)).map(|(priority, _)| priority)
}
