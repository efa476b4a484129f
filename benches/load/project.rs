//! The project that the gateway is measured with, and the tool call that is made: a POST with validated parameters, a
//! JSON template, a bearer secret and two output variables. An agent makes the same call in its turns.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};

/// Stands in the files for the upstream's address.
const UPSTREAM: &str = "UPSTREAM";

/// The project's files, by path.
const FILES: &[(&str, &str)] = &[
    ("callgate.toml", SETTINGS),
    ("connections/helpdesk.yaml", CONNECTION),
    ("connections/model.yaml", MODEL),
    ("auth/helpdesk_bearer.yaml", AUTH),
    ("actions/create_support_ticket.yaml", ACTION),
    ("agents/clerk.yaml", AGENT),
    ("secrets.toml", SECRETS),
];

const SETTINGS: &str = r#"
environments = ["production"]
"#;

const CONNECTION: &str = r#"
name: helpdesk
base_url: http://UPSTREAM
auth: helpdesk_bearer
"#;

const AUTH: &str = r#"
name: helpdesk_bearer
type: bearer
token: {secret: helpdesk_token}
"#;

const ACTION: &str = concat!(
    "name: create_support_ticket\nconnection: helpdesk\npath: /tickets\n",
    "headers: {X-API-Version: \"1.0\"}\n",
    include_str!("../ticket.yaml"),
);

/// The benchmark asks for more than the default limits allow, which hold 256 requests at a time.
const MODEL: &str = r#"
base_url: http://UPSTREAM/v1
auth: helpdesk_bearer
limits: {max_in_flight: 10000}
"#;

/// Open streams are silent until all of them are measured, and the gateway would end them.
const AGENT: &str = r#"
instructions: You open tickets of the help desk. Say one short sentence at a time.
model: {provider: openai, connection: model, model: scripted, first_token_timeout_ms: 300000}
limits: {timeout_ms: 300000}
"#;

const SECRETS: &str = r#"
[production]
helpdesk_token = "bench-5f1c9d0e7a3b"
"#;

/// Headers of every call; an inbound API key would go here. Each line ends in CRLF.
const CALL_HEADERS: &str = "Content-Type: application/json\r\n";

/// The tool call, whose numbers are overwritten for every call: twenty calls make a conversation. Each reports another
/// problem, since the gateway sends one write for two equal calls of a conversation that are under way together.
const CALL: &str = concat!(
    r#"{"conversation_id":"conv_0000000000","tool_call_id":"call_0000000000","name":"create_support_ticket","#,
    r#""arguments":{"customer_email":"ada@example.com","#,
    r#""issue_description":"No. 0000000000: The \"Pay\" button does nothing since yesterday, on the phone and on the laptop.","#,
    r#""priority":"high"}}"#,
);

/// The same call of nobody's conversation: it is neither looked up nor remembered.
const PLAIN_CALL: &str = concat!(
    r#"{"name":"create_support_ticket","#,
    r#""arguments":{"customer_email":"ada@example.com","#,
    r#""issue_description":"No. 0000000000: The \"Pay\" button does nothing since yesterday, on the phone and on the laptop.","#,
    r#""priority":"high"}}"#,
);

/// What stands before the numbers of a call, and how many calls in a row have the same one.
const NUMBERED: [(&str, u64); 4] =
    [(r#""conv_"#, CALLS_A_CONVERSATION), (r#""call_"#, 1), ("No. ", 1), (r#""turn_"#, 1)];

/// The request of a turn that makes `tickets` calls. Each turn is the first of its conversation.
fn turn(tickets: usize) -> String {
    asking(&format!("{ASKS_FOR}{tickets}"))
}

/// The request of a turn whose answer stops after its first word until the model is released.
fn waiting_turn() -> String {
    asking(ASKS_TO_WAIT)
}

fn asking(wish: &str) -> String {
    format!(
        r#"{{"model":"clerk","stream":true,"metadata":{{"conversation_id":"turn_0000000000"}},"messages":[{{"role":"user","content":"No. 0000000000: {wish}"}}]}}"#
    )
}

/// What the caller of an agent says before the number of tickets that the model has to open.
pub(crate) const ASKS_FOR: &str = "please open tickets: ";

/// What the caller of an agent says to keep the model from ending its answer.
pub(crate) const ASKS_TO_WAIT: &str = "please wait";

/// The words of the model, in the pieces in which they are sent.
pub(crate) const WORDS: [&str; 12] =
    ["I", " have", " seen", " to", " all", " of", " that", " for", " you", ".", " Good", "bye."];

/// What a piece of an answer holds before its text, for the model as well as for the gateway.
pub(crate) const FIRST_TOKEN: &str = r#""content":"I""#;

/// Part of every whole answer of the model and of an agent.
pub(crate) const LAST_TOKEN: &str = r#""content":"bye."#;

/// Digits of a call's number.
const DIGITS: usize = 10;

/// Calls of one conversation.
const CALLS_A_CONVERSATION: u64 = 20;

/// The upstream's one answer.
pub(crate) const TICKET: &str = concat!(
    r#"{"ticket":{"id":"T-1001","status":"open","upload_token":"tok_7d9f2c41b8e64f0a9c3e5d7b1a2f4e68","#,
    r#""url":"https://helpdesk.example.com/tickets/T-1001"},"message":"created","#,
    r#""created_at":"2026-01-06T10:30:00Z"}"#,
);

/// Part of every right answer of the upstream and of the pass-through.
pub(crate) const UPSTREAM_ANSWERS: &str = r#""id":"T-1001""#;

/// Part of every right answer of the gateway.
pub(crate) const GATEWAY_ANSWERS: &str = r#""status":"success""#;

/// Parts of the request that the gateway sends, in lower case.
pub(crate) const UPSTREAM_SEES: [&str; 4] =
    ["post /tickets", "authorization: bearer bench-5f1c9d0e7a3b", r#""high""#, r#"the \"pay\" button"#];

/// Writes the project to `folder`.
pub(crate) fn write(folder: &Path, upstream: SocketAddr) -> Result<()> {
    for (path, text) in FILES {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().context("a file without a folder")?)?;
        fs::write(&path, text.replace(UPSTREAM, &upstream.to_string()))
            .with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(())
}

/// What is asked of a target.
pub(crate) enum Asked {
    /// A call in a conversation.
    Call,
    /// A call in none.
    PlainCall,
    /// A turn of the agent, or an answer of its model, with so many calls.
    Turn {
        /// How many tickets are opened.
        tickets: usize,
    },
    /// A turn that lasts until the model is released.
    WaitingTurn,
}

/// The bytes of a call's HTTP request, in which only the numbers change.
#[derive(Clone)]
pub(crate) struct CallRequest {
    bytes: Vec<u8>,
    /// Where the numbers stand, each with how many calls in a row have the same one.
    numbers: Vec<(usize, u64)>,
}

impl CallRequest {
    /// Builds the request for `POST path`.
    pub(crate) fn new(addr: SocketAddr, path: &str, asked: &Asked) -> Self {
        let call = match asked {
            Asked::Call => CALL,
            Asked::PlainCall => PLAIN_CALL,
            Asked::Turn { tickets } => &turn(*tickets),
            Asked::WaitingTurn => &waiting_turn(),
        };
        let text = format!(
            "POST {path} HTTP/1.1\r\nHost: {addr}\r\n{CALL_HEADERS}Content-Length: {}\r\n\r\n{call}",
            call.len()
        );
        let place = |(before, calls): &(&str, u64)| Some((text.find(before)? + before.len(), *calls));
        Self { numbers: NUMBERED.iter().filter_map(place).collect(), bytes: text.into_bytes() }
    }

    /// Returns the request of call `number`.
    pub(crate) fn numbered(&mut self, number: u64) -> &[u8] {
        for &(offset, calls) in &self.numbers {
            let digits = format!("{:0DIGITS$}", number / calls);
            self.bytes[offset..offset + DIGITS].copy_from_slice(digits.as_bytes());
        }
        &self.bytes
    }
}
