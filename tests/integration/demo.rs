//! `callgate demo`: what it prints works when pasted, and every action of the
//! example project can be called in every environment.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

const ENVIRONMENTS: [&str; 3] = ["development", "staging", "production"];

/// The demo in a process of its own, as a newcomer starts it.
struct Demo {
    child: Child,
    /// What it prints.
    lines: Vec<String>,
    /// Held open, so that it can go on printing.
    _stdout: BufReader<ChildStdout>,
}

impl Demo {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_callgate"))
            .args(["demo", "--listen", "127.0.0.1:0", "--upstream-port", "0"])
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut lines = Vec::new();
        // The third one is the last thing it says.
        while lines.iter().filter(|line: &&String| line.starts_with("curl ")).count() < 3 {
            let mut line = String::new();
            assert!(stdout.read_line(&mut line).unwrap() > 0, "the demo ended after {lines:#?}");
            lines.push(line.trim_end().to_owned());
        }
        Self { child, lines, _stdout: stdout }
    }

    /// Pastes the `number`th curl line.
    fn paste(&self, number: usize) -> (u16, Value) {
        let line = self.lines.iter().filter(|line| line.starts_with("curl ")).nth(number);
        let line = line.unwrap_or_else(|| panic!("no such line in {:#?}", self.lines));
        Curl::parse(line).run()
    }

    /// The line that says where everything is.
    fn welcome(&self) -> &str {
        self.lines.iter().find(|line| line.starts_with("The gateway is ")).unwrap()
    }

    /// `http://127.0.0.1:<port>` of the gateway.
    fn url(&self) -> String {
        self.welcome().split("gateway is ").nth(1).unwrap().split(';').next().unwrap().to_owned()
    }

    /// `http://127.0.0.1:<port>` of the example upstream.
    fn upstream(&self) -> &str {
        self.welcome().split("upstream is ").nth(1).unwrap().trim_end_matches('.')
    }

    /// What the example upstream was sent last.
    fn last_upstream_body(&self) -> String {
        let url = format!("{}/_requests", self.upstream());
        let (_, requests) = Curl { url, ..Curl::default() }.run();
        requests["requests"].as_array().unwrap().last().unwrap()["body"].as_str().unwrap().to_owned()
    }

    fn tools(&self, environment: &str) -> BTreeSet<String> {
        let url = format!("{}/v1/tools?environment={environment}", self.url());
        let (status, tools) = Curl { url, ..Curl::default() }.run();
        assert_eq!(status, 200, "{tools}");
        let names = tools.as_array().unwrap().iter().map(|tool| tool["function"]["name"].as_str().unwrap());
        names.map(str::to_owned).collect()
    }

    fn call(&self, environment: &str, conversation: &str, name: &str, arguments: Value) -> Value {
        let body = json!({
            "environment": environment, "conversation_id": conversation, "name": name, "arguments": arguments,
        });
        let headers = vec!["content-type: application/json".to_owned()];
        let curl =
            Curl { url: format!("{}/v1/tool-calls", self.url()), headers, body: Some(body.to_string()) };
        let (status, result) = curl.run();
        assert_eq!(status, 200, "{result}");
        result
    }

    #[track_caller]
    fn succeed(&self, environment: &str, conversation: &str, name: &str, arguments: Value) -> Value {
        let result = self.call(environment, conversation, name, arguments);
        assert_eq!(result["status"], "success", "{environment}: {name}: {result}");
        result
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A curl command, as far as the demo uses it.
#[derive(Debug, Default)]
struct Curl {
    url: String,
    headers: Vec<String>,
    body: Option<String>,
}

impl Curl {
    /// Reads a line as a POSIX shell and curl do.
    fn parse(line: &str) -> Self {
        let mut words = Vec::new();
        let mut rest = line.trim();
        while !rest.is_empty() {
            let (word, after) = match rest.strip_prefix('\'') {
                Some(quoted) => quoted.split_once('\'').expect("every quote is closed"),
                None => rest.split_once(' ').unwrap_or((rest, "")),
            };
            words.push(word.to_owned());
            rest = after.trim_start();
        }
        let mut words = words.into_iter();
        assert_eq!(words.next().as_deref(), Some("curl"));
        let mut curl = Self::default();
        while let Some(word) = words.next() {
            match word.as_str() {
                "-s" => {}
                "-H" => curl.headers.push(words.next().unwrap()),
                "-d" => curl.body = words.next(),
                _ if curl.url.is_empty() => curl.url = word,
                other => panic!("unexpected `{other}` in {line}"),
            }
        }
        curl
    }

    fn run(&self) -> (u16, Value) {
        let (authority, path) = self.url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let method = if self.body.is_some() { "POST" } else { "GET" };
        let body = self.body.as_deref().unwrap_or_default();
        let mut head = format!("{method} /{path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n");
        for header in &self.headers {
            head.push_str(&format!("{header}\r\n"));
        }
        let mut stream = TcpStream::connect(authority).unwrap();
        write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}")))
    }
}

#[test]
fn the_three_printed_lines_work_when_pasted() {
    let demo = Demo::start();

    let (status, tools) = demo.paste(0);
    assert_eq!(status, 200);
    assert!(tools.as_array().unwrap().len() >= 10, "{tools}");
    assert_eq!(tools[0]["type"], "function");

    let (status, result) = demo.paste(1);
    assert_eq!(status, 200);
    assert_eq!((&result["status"], &result["body"]["status"]), (&json!("success"), &json!("shipped")));
    assert_eq!(result["body"]["tracking_number"], "TRACK123");
    assert_eq!(result["body"]["customer_id"], "[hidden]");

    let (status, preview) = demo.paste(2);
    assert_eq!(status, 200);
    assert_eq!(preview["request"]["method"], "POST");
    assert!(preview["request"]["url"].as_str().unwrap().ends_with("/tickets"));
    assert_eq!(preview["request"]["headers"]["authorization"], "Bearer ***");
    let body: Value = serde_json::from_str(preview["request"]["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["ticket"]["email"], "ann@example.com");
    assert!(!preview.to_string().contains("demo-"), "no credential in {preview}");
}

#[test]
fn the_example_of_a_stream_works_when_pasted() {
    let demo = Demo::start();
    let page = include_str!("../../docs/speech.md");
    let example = page.split("curl -sN http://127.0.0.1:8080").nth(1).unwrap();
    let (path, rest) = example.split_once(' ').unwrap();
    let body = rest.split_once("-d '").unwrap().1.split('\'').next().unwrap();
    // The answer of one call is the last event of its stream.
    let curl = Curl { url: format!("{}{path}", demo.url()), body: Some(body.to_owned()), ..Curl::default() };
    let (status, result) = curl.run();
    assert_eq!((status, &result["status"]), (200, &json!("success")), "{result}");
}

#[test]
fn every_action_succeeds_in_every_environment() {
    let demo = Demo::start();
    for environment in ENVIRONMENTS {
        let mut called = BTreeSet::new();
        let mut call = |name: &str, arguments: Value| {
            called.insert(name.to_owned());
            demo.succeed(environment, &format!("tour-{environment}"), name, arguments)
        };

        // Bearer, a variable of the environment, an array in the query.
        let order = call("get_order_status", json!({"order_number": "ORD-12345"}));
        assert_eq!(order["variables"], json!({"order.status": "shipped"}));
        let orders = call("list_orders", json!({"order_numbers": ["ORD-12345", "ORD-67890"]}));
        assert_eq!(orders["body"]["orders"].as_array().unwrap().len(), 2, "{orders}");

        // Bearer and a secret header, templates, JSON, form and multipart bodies.
        let text = "The \"router\" blinks\nred & green";
        let ticket = call(
            "create_support_ticket",
            json!({"customer_email": "ann@example.com", "issue_description": text, "priority": "high"}),
        );
        assert_eq!(ticket["body"]["ticket"]["upload_token"], "[hidden]");
        let ticket_id = ticket["variables"]["ticket.id"].as_str().unwrap();
        let closed = call("update_ticket", json!({"ticket_id": ticket_id, "status": "closed"}));
        assert_eq!(
            (&closed["body"]["ticket"]["text"], &closed["body"]["ticket"]["status"]),
            (&json!(text), &json!("closed"))
        );
        let note = call("upload_note", json!({"ticket_id": ticket_id, "note": "error 42\r\n--é"}));
        assert_eq!(note["body"]["note"]["characters"], 13);
        let team = call("classify_issue", json!({"category": "technical", "sub_category": "login_issue"}));
        assert_eq!(team["body"]["team"], "identity");
        let feedback = call("send_feedback", json!({"rating": 5, "comment": "50% & more"}));
        assert_eq!(feedback["body"]["feedback"]["has_comment"], true);

        // OAuth 2.0 client credentials.
        let found = call("find_appointments", json!({"service": "repair"}));
        let region = if environment == "production" { "us" } else { "eu" };
        assert_eq!(found["body"]["region"], region);
        // The last one, so that midnight cannot pass between finding and booking.
        let slot = found["body"]["slots"].as_array().unwrap().last().unwrap()["slot_id"].clone();
        let wanted = json!({"slot_id": slot, "service": "repair", "customer": {"name": "Ann Lee"}});
        let booked = call("book_appointment", wanted);
        let appointment = &booked["variables"]["appointment.id"];
        let cancelled = call("cancel_appointment", json!({"appointment_id": appointment, "reason": "moved"}));
        assert_eq!(cancelled["body"]["appointment"]["status"], "cancelled");

        // A key in the query, in a cookie, in a header; basic authentication.
        let customer = call("get_customer", json!({"email": "ada@example.com"}));
        let member = &customer["body"]["member_number"];
        assert_eq!(call("get_loyalty", json!({"member_number": member}))["body"]["tier"], "gold");
        assert_eq!(call("get_invoice", json!({"invoice_number": "INV-3001"}))["status_code"], 200);
        assert_eq!(call("get_account", json!({"account_number": "ACC-4001"}))["status_code"], 200);

        // Without an upstream.
        let zone = if environment == "production" { "America/New_York" } else { "Europe/Berlin" };
        assert_eq!(call("store_hours", json!({}))["body"]["timezone"], zone);
        let queue = if environment == "development" { "support_test" } else { "support" };
        assert_eq!(call("talk_to_human", json!({}))["handover"]["queue"], queue);

        assert_eq!(called, demo.tools(environment), "{environment}: every tool is called");
    }
}

#[test]
fn an_appointment_that_is_taken_is_a_conflict_and_not_booked_twice() {
    let demo = Demo::start();
    let found = demo.succeed("development", "c1", "find_appointments", json!({"service": "installation"}));
    let slot = &found["body"]["slots"].as_array().unwrap().last().unwrap()["slot_id"];
    let wanted = json!({"slot_id": slot, "service": "installation", "customer": {"name": "Ann Lee"}});
    demo.succeed("development", "c1", "book_appointment", wanted.clone());

    let again = demo.call("development", "c2", "book_appointment", wanted);
    assert_eq!((&again["status"], &again["status_code"]), (&json!("error"), &json!(409)), "{again}");
    assert_eq!(again["body"]["error"]["code"], "slot_taken");
    assert_eq!(again["error"]["code"], "upstream_rejected");
    assert_eq!(again["error"]["effect"], "none");
    assert_eq!(again["variables"], json!({}));
}

#[test]
fn what_one_call_learned_the_next_one_uses_within_the_conversation() {
    let demo = Demo::start();
    let development = "development";
    let ticket = json!({"customer_email": "ann@example.com", "issue_description": "The router blinks"});
    let opened = demo.succeed(development, "c1", "create_support_ticket", ticket);
    let note = json!({"ticket_id": opened["variables"]["ticket.id"], "note": "error 42"});

    // The upload token, which no model has seen, is known in this conversation alone.
    demo.succeed(development, "c1", "upload_note", note.clone());
    let stranger = demo.call(development, "c2", "upload_note", note);
    assert_eq!(stranger["body"]["error"]["code"], "wrong_upload_token", "{stranger}");

    demo.succeed(development, "c1", "get_order_status", json!({"order_number": "ORD-24680"}));
    let found = demo.succeed(development, "c1", "find_appointments", json!({"service": "repair"}));
    let slot = &found["body"]["slots"].as_array().unwrap().last().unwrap()["slot_id"];
    let wanted = json!({"slot_id": slot, "service": "repair", "customer": {"name": "Grace Hopper"}});
    let booked = demo.succeed(development, "c1", "book_appointment", wanted);
    // The customer's id went upstream, and is hidden where it comes back.
    let booking: Value = serde_json::from_str(&demo.last_upstream_body()).unwrap();
    assert_eq!(booking["appointment"]["customer"]["id"], "cust_1002");
    assert_eq!(booked["body"]["appointment"]["customer_id"], "[hidden]");
}

/// A caller who talks to the model of the example upstream, with the gateway between it and the tools.
struct Caller<'a> {
    demo: &'a Demo,
    conversation: &'static str,
    tools: Value,
    messages: Vec<Value>,
    /// The tools that were called, in order.
    called: Vec<String>,
}

impl<'a> Caller<'a> {
    fn new(demo: &'a Demo, conversation: &'static str) -> Self {
        let url = format!("{}/v1/tools?environment=development&format=openai-chat", demo.url());
        let (_, tools) = Curl { url, ..Curl::default() }.run();
        Self { demo, conversation, tools, messages: Vec::new(), called: Vec::new() }
    }

    /// Says something; the words that come back, after as many calls of tools as the model wants.
    fn says(&mut self, text: &str) -> String {
        self.messages.push(json!({"role": "user", "content": text}));
        for _ in 0..5 {
            let message = self.turn();
            self.messages.push(message.clone());
            let Some(calls) = message["tool_calls"].as_array() else {
                return message["content"].as_str().unwrap().to_owned();
            };
            let names = calls.iter().map(|call| call["function"]["name"].as_str().unwrap().to_owned());
            self.called.extend(names);
            let query = format!("environment=development&conversation_id={}", self.conversation);
            let url = format!("{}/v1/openai/chat/tool-calls?{query}", self.demo.url());
            let (status, results) = Curl { url, headers: Vec::new(), body: Some(message.to_string()) }.run();
            assert_eq!(status, 200, "{results}");
            self.messages.extend(results.as_array().unwrap().iter().cloned());
        }
        panic!("five rounds without an answer: {:#?}", self.messages);
    }

    fn turn(&self) -> Value {
        let url = format!("{}/v1/chat/completions", self.demo.upstream());
        let headers = ["content-type: application/json", "authorization: Bearer demo-model-key"];
        let body = json!({"model": "demo", "messages": self.messages, "tools": self.tools});
        let headers = headers.map(str::to_owned).to_vec();
        let (status, answer) = Curl { url, headers, body: Some(body.to_string()) }.run();
        assert_eq!(status, 200, "{answer}");
        answer["choices"][0]["message"].clone()
    }
}

#[test]
fn the_example_model_says_what_the_tools_return() {
    let demo = Demo::start();
    let mut caller = Caller::new(&demo, "order");
    let said = caller.says(
        "What is the status of order ORD-12345, and please open a ticket because the box was wet. \
         My e-mail is ann@example.com.",
    );
    assert!(said.contains("ORD-12345 has been shipped"), "{said}");
    assert!(said.contains("I have opened ticket TCK-1001"), "{said}");
    assert_eq!(caller.called, ["get_order_status", "create_support_ticket"]);
    let said = caller.says("When will it arrive?");
    assert!(said.contains("March 15"), "{said}");
    let said = caller.says("And where is order 99999?");
    assert_eq!(said, "I am sorry, there is no order ORD-99999.");

    let mut caller = Caller::new(&demo, "appointment");
    caller.says("I need an appointment for a repair.");
    caller.says("The last one.");
    let said = caller.says("My name is Ann Lee.");
    assert!(said.contains("You are booked for") && said.contains("APT-1001"), "{said}");
    let said = caller.says("Please cancel my appointment APT-1001.");
    assert_eq!(said, "Appointment APT-1001 is cancelled.");
    let said = caller.says("Are you open on Sunday?");
    assert!(said.ends_with("on Sunday we are closed."), "{said}");
    let said = caller.says("How many points has LOY-2001?");
    assert_eq!(said, "There are 4210 points, and the tier is gold.");
    assert_eq!(caller.says("I want to talk to a person."), "I am putting you through.");
    let called = [
        "find_appointments",
        "book_appointment",
        "cancel_appointment",
        "store_hours",
        "get_loyalty",
        "talk_to_human",
    ];
    assert_eq!(caller.called, called);
}
