//! What the model says and calls, word for word.

use serde_json::{Value, json};

use super::Answer;
use super::talk::{Turn, reply};
use super::words::{date, email, issue, name, numbers, spoken_time};
use crate::demo::FILES;

const CAN: &str = "I can look up an order, open a support ticket, find an appointment, tell you about an invoice, \
                   say when we are open or put you through to a colleague. What do you need?";
const SHIPPED: &str = r#"{"body":{"order_number":"ORD-12345","status":"shipped","tracking_number":"TRACK123","estimated_delivery":"2026-03-15","customer_id":"[hidden]"},"variables":{"order.status":"shipped"}}"#;
const SLOTS: &str = r#"{"service":"repair","region":"eu","slots":[{"slot_id":"EU-1","starts_at":"2026-03-12T09:00:00"},{"slot_id":"EU-2","starts_at":"2026-03-12T11:00:00"},{"slot_id":"EU-3","starts_at":"2026-03-13T14:00:00"},{"slot_id":"EU-4","starts_at":"2026-03-13T16:00:00"}]}"#;
const TICKET: &str = r#"{"body":{"ticket":{"id":"TCK-1001","status":"open","priority":"medium","upload_token":"[hidden]"}},"variables":{"ticket.id":"TCK-1001"}}"#;

/// A conversation with the model.
struct Talk {
    request: Value,
    /// The last round of calls: ids.
    open: Vec<String>,
}

impl Talk {
    /// With the tools of the example project.
    fn new() -> Self {
        let names = FILES.iter().filter_map(|(name, _)| name.strip_prefix("actions/")?.strip_suffix(".yaml"));
        Self::with(&names.collect::<Vec<_>>())
    }

    fn with(tools: &[&str]) -> Self {
        let tools = tools.iter().map(|name| json!({"type": "function", "function": {"name": name}}));
        let request = json!({"model": "demo", "messages": [], "tools": tools.collect::<Vec<_>>()});
        Self { request, open: Vec::new() }
    }

    fn option(mut self, name: &str, value: Value) -> Self {
        self.request[name] = value;
        self
    }

    fn push(&mut self, message: Value) {
        self.request["messages"].as_array_mut().unwrap().push(message);
    }

    /// The model's turn, which becomes part of the conversation.
    fn turn(&mut self) -> Turn {
        let turn = reply(&self.request);
        let answer = Answer::new(self.request.clone(), 0);
        self.open = answer.calls().map(|call| call["id"].as_str().unwrap().to_owned()).collect();
        self.push(answer.whole()["choices"][0]["message"].clone());
        turn
    }

    fn user(&mut self, text: &str) -> Turn {
        self.push(json!({"role": "user", "content": text}));
        self.turn()
    }

    /// The user says something that the model answers in words.
    #[track_caller]
    fn hears(&mut self, text: &str, expected: &str) {
        let turn = self.user(text);
        assert_eq!((turn.text.as_str(), &turn.calls[..]), (expected, &[][..]), "{text}");
    }

    /// The user says something that makes the model call tools.
    #[track_caller]
    fn calls<const N: usize>(&mut self, text: &str, expected: [(&str, Value); N]) {
        let turn = self.user(text);
        assert_eq!((turn.text.as_str(), turn.calls), ("", called(expected)), "{text}");
    }

    /// What the tools return, and what the model says then.
    #[track_caller]
    fn returns<const N: usize>(&mut self, results: [&str; N], expected: &str) {
        let turn = self.results(results);
        assert_eq!((turn.text.as_str(), &turn.calls[..]), (expected, &[][..]));
    }

    fn results<const N: usize>(&mut self, results: [&str; N]) -> Turn {
        assert_eq!(self.open.len(), N);
        for (id, content) in std::mem::take(&mut self.open).into_iter().zip(results) {
            self.push(json!({"role": "tool", "tool_call_id": id, "content": content}));
        }
        self.turn()
    }
}

fn called<const N: usize>(calls: [(&str, Value); N]) -> Vec<(String, Value)> {
    calls.into_iter().map(|(name, arguments)| (name.to_owned(), arguments)).collect()
}

#[test]
fn an_order_is_looked_up_by_its_number() {
    for text in [
        "Where is my order ORD-12345?",
        "where is order 12345",
        "What's the status of ord 12345, please?",
        "ORD-12345",
        "It is about order ORD-12345.",
    ] {
        let mut talk = Talk::new();
        talk.calls(text, [("get_order_status", json!({"order_number": "ORD-12345"}))]);
        let expected = "Order ORD-12345 has been shipped. It should arrive on March 15. The tracking number is TRACK123.";
        talk.returns([SHIPPED], expected);
    }
}

#[test]
fn what_is_said_of_an_order_follows_its_status() {
    for (status, expected) in [
        ("processing", "Order ORD-1 is being processed. It should arrive on March 20."),
        ("delivered", "Order ORD-1 has been delivered. It came on March 20."),
        ("cancelled", "Order ORD-1 has been cancelled."),
        ("lost", "Order ORD-1 is known, but its status is not. It should arrive on March 20."),
    ] {
        let mut talk = Talk::new();
        talk.user("Where is my order ORD-12345?");
        let body = json!({"order_number": "ORD-1", "status": status, "estimated_delivery": "2026-03-20"});
        talk.returns([&body.to_string()], expected);
    }
}

#[test]
fn a_missing_value_is_asked_for_and_its_answer_is_understood() {
    for answer in ["ORD-12345", "12345", "It is 12345."] {
        let mut talk = Talk::new();
        talk.hears("Where is my order?", "What is the order number? It looks like ORD-12345.");
        talk.calls(answer, [("get_order_status", json!({"order_number": "ORD-12345"}))]);
    }
}

#[test]
fn another_wish_ends_a_question() {
    let mut talk = Talk::new();
    talk.hears("Where is my order?", "What is the order number? It looks like ORD-12345.");
    talk.calls("Never mind. Are you open on Saturday?", [("store_hours", json!({}))]);
    let hours = r#"{"timezone":"Europe/Berlin","monday_to_friday":"09:00 to 18:00","saturday":"10:00 to 16:00","sunday":"closed"}"#;
    talk.returns(
        [hours],
        "We are open Monday to Friday from 09:00 to 18:00 and on Saturday from 10:00 to 16:00; on Sunday we are closed.",
    );
}

#[test]
fn what_an_earlier_tool_returned_is_known_later() {
    let mut talk = Talk::new();
    talk.user("Where is my order ORD-12345?");
    talk.results([SHIPPED]);
    let known =
        "Order ORD-12345 has been shipped. It should arrive on March 15. The tracking number is TRACK123.";
    talk.hears("And when will it arrive?", known);
    talk.hears("Where is my other order?", "What is the order number? It looks like ORD-12345.");
}

#[test]
fn several_orders_are_one_call() {
    let mut talk = Talk::new();
    let numbers = json!({"order_numbers": ["ORD-12345", "ORD-67890"]});
    talk.calls("Where are my orders ORD-12345 and 67890?", [("list_orders", numbers)]);
    let orders =
        json!({"orders": [{"order_number": "ORD-12345", "status": "delivered"}], "not_found": ["ORD-67890"]});
    talk.returns([&orders.to_string()], "Order ORD-12345 has been delivered. There is no order ORD-67890.");
}

#[test]
fn two_wishes_are_two_calls_of_one_turn() {
    let text = "What is the status of order ORD-12345, and open a ticket because the parcel was damaged. \
                My e-mail is ann@example.com.";
    let order = ("get_order_status", json!({"order_number": "ORD-12345"}));
    let ticket = json!({"customer_email": "ann@example.com", "issue_description": "The parcel was damaged"});
    let ticket = ("create_support_ticket", ticket);
    let told = "Order ORD-12345 has been shipped. It should arrive on March 15. The tracking number is TRACK123. \
                I have opened ticket TCK-1001 for you.";
    let mut talk = Talk::new();
    talk.calls(text, [order.clone(), ticket.clone()]);
    talk.returns([SHIPPED, TICKET], told);

    let mut talk = Talk::new().option("parallel_tool_calls", json!(false));
    talk.calls(text, [order]);
    let turn = talk.results([SHIPPED]);
    assert_eq!((turn.text.as_str(), turn.calls), ("", called([ticket])));
    talk.returns([TICKET], told);
}

#[test]
fn what_can_be_done_is_done_before_the_rest_is_asked_for() {
    let mut talk = Talk::new();
    let order = ("get_order_status", json!({"order_number": "ORD-12345"}));
    talk.calls("Status of order ORD-12345 and open a ticket", [order]);
    talk.returns(
        [SHIPPED],
        "Order ORD-12345 has been shipped. It should arrive on March 15. The tracking number is TRACK123. \
         What is the matter?",
    );
    talk.hears("The order arrived without a cable.", "What is your e-mail address?");
    let ticket = json!({"customer_email": "ann@example.com", "issue_description": "The order arrived without a cable."});
    talk.calls("ann at example dot com", [("create_support_ticket", ticket)]);
    talk.returns([TICKET], "I have opened ticket TCK-1001 for you.");
}

#[test]
fn a_problem_alone_becomes_a_ticket() {
    let mut talk = Talk::new();
    talk.hears("My router is broken and it is urgent.", "What is your e-mail address?");
    let ticket = json!({
        "customer_email": "ann@example.com", "issue_description": "My router is broken, it is urgent",
        "priority": "high",
    });
    talk.calls("ann@example.com.", [("create_support_ticket", ticket)]);
}

#[test]
fn a_ticket_is_changed_by_its_number() {
    let mut talk = Talk::new();
    talk.hears("I call about TCK-1000.", "Shall I close the ticket, or change its priority?");
    talk.calls("Please close it.", [("update_ticket", json!({"ticket_id": "TCK-1000", "status": "closed"}))]);
    let body = r#"{"ticket":{"id":"TCK-1000","status":"closed","priority":"low"}}"#;
    talk.returns([body], "Ticket TCK-1000 is closed now, with low priority.");
}

#[test]
fn an_appointment_is_found_and_booked() {
    let offer = "I have March 12 at 09:00, March 12 at 11:00 or March 13 at 14:00. Which one suits you?";
    for (choice, slot) in [
        ("The second one.", "EU-2"),
        ("the last", "EU-3"),
        ("March 13 at 14:00 is fine", "EU-3"),
        ("I take the one at 11:00", "EU-2"),
    ] {
        let mut talk = Talk::new();
        talk.hears("I need a technician.", "Is it for an installation, a repair or a consultation?");
        talk.calls("A repair", [("find_appointments", json!({"service": "repair"}))]);
        talk.returns([SLOTS], offer);
        talk.hears("Hm, let me think.", offer);
        talk.hears(choice, "What name shall I book it under?");
        let booking = json!({"slot_id": slot, "service": "repair", "customer": {"name": "Ann Lee"}});
        talk.calls("My name is Ann Lee, thank you.", [("book_appointment", booking)]);
        let booked = r#"{"body":{"appointment":{"id":"APT-1001","starts_at":"2026-03-12T11:00:00"}},"variables":{"appointment.id":"APT-1001"}}"#;
        talk.returns(
            [booked],
            "You are booked for March 12 at 11:00. The number of the appointment is APT-1001.",
        );
        talk.hears("Thanks, bye!", "You are welcome. Goodbye.");
    }
}

#[test]
fn without_the_earlier_result_the_appointments_are_looked_up_again() {
    let mut talk = Talk::new();
    talk.push(json!({"role": "user", "content": "I need an appointment for a repair."}));
    let offer = "I have March 12 at 09:00, March 12 at 11:00 or March 13 at 14:00. Which one suits you?";
    talk.push(json!({"role": "assistant", "content": offer}));
    talk.calls("The first one", [("find_appointments", json!({"service": "repair"}))]);
    talk.returns([SLOTS], "What name shall I book it under?");
    let booking = json!({"slot_id": "EU-1", "service": "repair", "customer": {"name": "Ann"}});
    talk.calls("Ann", [("book_appointment", booking)]);
}

#[test]
fn a_day_and_none_free() {
    let mut talk = Talk::new();
    let wanted = json!({"service": "installation", "date": "2026-03-14"});
    talk.calls("An appointment for an installation on 2026-03-14, please", [("find_appointments", wanted)]);
    talk.returns([r#"{"slots":[]}"#], "I am sorry, there is no free appointment.");
}

#[test]
fn every_other_number_has_its_tool() {
    let invoice = r#"{"invoice_number":"INV-3001","amount":"129.90","currency":"EUR","due_date":"2026-02-01","state":"open"}"#;
    let account = r#"{"account_number":"ACC-4001","holder":"Ada","balance":"-129.90","currency":"EUR","state":"active"}"#;
    for (text, question, answer, tool, arguments, result, told) in [
        (
            "I have a question about a bill.",
            "What is the invoice number? It looks like INV-3001.",
            "3001",
            "get_invoice",
            json!({"invoice_number": "INV-3001"}),
            invoice,
            "Invoice INV-3001 over 129.90 EUR is open; it is due on February 1.",
        ),
        (
            "What is my balance?",
            "What is the account number? It looks like ACC-4001.",
            "ACC-4001",
            "get_account",
            json!({"account_number": "ACC-4001"}),
            account,
            "Account ACC-4001 is active; its balance is -129.90 EUR.",
        ),
        (
            "How many points have I got?",
            "What is the member number? It looks like LOY-2001.",
            "loy 2001",
            "get_loyalty",
            json!({"member_number": "LOY-2001"}),
            r#"{"member_number":"LOY-2001","tier":"gold","points":4210}"#,
            "There are 4210 points, and the tier is gold.",
        ),
        (
            "Please cancel my appointment",
            "What is the number of the appointment? It looks like APT-1000.",
            "APT-1000",
            "cancel_appointment",
            json!({"appointment_id": "APT-1000"}),
            r#"{"appointment":{"id":"APT-1000","status":"cancelled"}}"#,
            "Appointment APT-1000 is cancelled.",
        ),
        (
            "Which plan have I got?",
            "What is your e-mail address?",
            "ada@example.com",
            "get_customer",
            json!({"email": "ada@example.com"}),
            r#"{"body":{"name":"Ada Lovelace","plan":"premium"},"variables":{"customer.member_number":"LOY-2001"}}"#,
            "Ada Lovelace has the premium plan.",
        ),
        (
            "I would like to give feedback",
            "How satisfied are you, from one to five?",
            "Four",
            "send_feedback",
            json!({"rating": 4}),
            r#"{"feedback":{"number":1,"rating":4,"has_comment":false}}"#,
            "Thank you. I have noted a 4.",
        ),
    ] {
        let mut talk = Talk::new();
        talk.hears(text, question);
        talk.calls(answer, [(tool, arguments)]);
        talk.returns([result], told);
    }
}

#[test]
fn a_person_and_the_end_of_a_call_are_tools_as_well() {
    let mut talk = Talk::new();
    talk.calls("I want to talk to a human!", [("talk_to_human", json!({}))]);
    talk.returns([r#"{"handover":{"queue":"support_test"}}"#], "I am putting you through.");

    let mut talk = Talk::with(&["end_call"]);
    talk.calls("Goodbye", [("end_call", json!({}))]);
    let mut talk = Talk::with(&["end_call"]);
    talk.request["tools"][0]["function"]["parameters"] =
        json!({"type": "object", "properties": {"reason": {"type": "string"}}});
    talk.calls("Goodbye", [("end_call", json!({"reason": "The caller has said goodbye."}))]);
    talk.returns(["ok"], "That is done.");
}

#[test]
fn it_says_what_it_can_do() {
    let mut talk = Talk::new();
    talk.hears("Hi there", &format!("Hello! {CAN}"));
    talk.hears("Colourless green ideas", CAN);
    assert_eq!(reply(&Talk::new().request).text, format!("Hello! {CAN}"), "nobody has spoken yet");
    Talk::with(&["store_hours"]).hears("What?", "I can say when we are open. What do you need?");
    Talk::with(&[]).hears("Where is order 12345?", "I have no tools that I know how to use.");
}

#[test]
fn only_tools_that_are_offered_are_called() {
    let mut talk = Talk::with(&["store_hours", "list_orders"]);
    talk.calls("Where is order 12345?", [("list_orders", json!({"order_numbers": ["ORD-12345"]}))]);
    let choice = json!({"type": "function", "function": {"name": "store_hours"}});
    let mut talk = Talk::new().option("tool_choice", choice);
    talk.calls("Where is order 12345, and when do you open?", [("store_hours", json!({}))]);
}

#[test]
fn no_tool_is_called_where_none_may_be() {
    let mut talk = Talk::new();
    talk.user("Where is order 12345, and a complaint: the box was wet. ann@example.com");
    talk.request["tool_choice"] = json!("none");
    talk.hears("Where is order 12345?", "I am sorry, I cannot do that right now.");

    let mut talk = Talk::new().option("parallel_tool_calls", json!(false));
    talk.user("Where is order 12345, and when do you open?");
    talk.request["tool_choice"] = json!("none");
    talk.returns(
        [SHIPPED],
        "Order ORD-12345 has been shipped. It should arrive on March 15. The tracking number is TRACK123. \
         I am sorry, I cannot do that right now.",
    );
}

#[test]
fn a_failure_is_told_and_not_tried_again() {
    for (result, expected) in [
        (
            r#"{"error":{"code":"upstream_rejected","message":"The service refused it.","effect":"none","retry":"with_changes"},"body":{"error":{"code":"order_not_found","message":"there is no order ORD-12345"}}}"#,
            "I am sorry, there is no order ORD-12345.",
        ),
        (
            r#"{"error":{"code":"timeout","message":"It took too long.","effect":"none","retry":"later"}}"#,
            "I am sorry, that did not work.",
        ),
    ] {
        let mut talk = Talk::new();
        talk.user("Where is order 12345?");
        talk.returns([result], expected);
    }
}

#[test]
fn the_same_request_gets_the_same_answer_whole_and_in_pieces() {
    let mut talk = Talk::new();
    let first = talk.user("Where is order 12345, and when do you open?");
    talk.request["messages"].as_array_mut().unwrap().pop();
    assert_eq!(talk.turn(), first);
    talk.results([SHIPPED, "{}"]);
    for messages in 1..=talk.request["messages"].as_array().unwrap().len() {
        let mut request = talk.request.clone();
        request["messages"].as_array_mut().unwrap().truncate(messages);
        request["stream_options"] = json!({"include_usage": true});
        let answer = Answer::new(request, 7);
        let whole = answer.whole();
        let (mut text, mut calls, mut finish, mut usage) =
            (String::new(), Vec::new(), Value::Null, Value::Null);
        let mut events = answer.events();
        assert_eq!(events.pop().unwrap(), "data: [DONE]\n\n");
        for event in events {
            let chunk: Value = serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!((&chunk["id"], &chunk["created"]), (&whole["id"], &json!(7)));
            usage = chunk["usage"].clone();
            let choice = &chunk["choices"][0];
            text.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
            finish = if choice.is_null() { finish } else { choice["finish_reason"].clone() };
            for mut call in choice["delta"]["tool_calls"].as_array().into_iter().flatten().cloned() {
                let at = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
                call.as_object_mut().unwrap().remove("index");
                if at == calls.len() {
                    calls.push(call);
                } else {
                    calls[at]["function"]["arguments"] = call["function"]["arguments"].clone();
                }
            }
        }
        let choice = &whole["choices"][0];
        assert_eq!(text, choice["message"]["content"].as_str().unwrap_or_default());
        assert_eq!(json!(calls), choice["message"].get("tool_calls").cloned().unwrap_or(json!([])));
        assert_eq!((&finish, &usage), (&choice["finish_reason"], &whole["usage"]));
    }
}

#[test]
fn values_are_found_in_what_is_said() {
    assert_eq!(
        numbers("ORD-1, ord-12345. Ord 54321 ord-12345 word-12345", "ord", 5..=5),
        ["ORD-12345", "ORD-54321"]
    );
    assert_eq!(email("write to <Ann.Lee@Example.com>, please").as_deref(), Some("ann.lee@example.com"));
    assert_eq!(email("it is ann at example dot com").as_deref(), Some("ann@example.com"));
    assert_eq!(email("meet me @ home"), None);
    assert_eq!(date("on 2026-03-14, or 03-14-2026").as_deref(), Some("2026-03-14"));
    assert_eq!(date("on 03-14-2026"), None);
    assert_eq!(name("Hi, my name is Ann Lee and I call about it").as_deref(), Some("Ann Lee"));
    assert_eq!(name("this is broken"), None);
    assert_eq!(issue("Hello, I want to open a ticket."), None);
    assert_eq!(
        issue("A complaint: this is broken. It smells!").as_deref(),
        Some("This is broken, It smells")
    );
    for (written, said) in [
        ("2026-12-01T08:30:00", "December 1 at 08:30"),
        ("2026-02-10", "February 10"),
        ("2026-13-10", "2026-13-10"),
        ("soon", "soon"),
    ] {
        assert_eq!(spoken_time(written), said);
    }
}
