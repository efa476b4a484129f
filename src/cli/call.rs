//! `callgate call` and `callgate preview`

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use callgate::executor::{CallReport, Exchange, Gateway, Observer};
use callgate::project::Project;
use callgate::tool::{Status, ToolCall};
use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Where;

#[derive(Debug, Args)]
pub(crate) struct Call {
    #[command(flatten)]
    what: What,
    /// Tell on standard error what was sent, the head of the answer and why the call failed; secrets masked
    #[arg(long, short)]
    verbose: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Preview {
    #[command(flatten)]
    what: What,
}

#[derive(Debug, Args)]
struct What {
    /// The action
    #[arg(value_name = "ACTION")]
    name: String,
    #[command(flatten)]
    place: Where,
    /// A variable for templates, such as account.status=gold
    #[arg(long = "variable", value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// The conversation it belongs to
    #[arg(long, value_name = "ID")]
    conversation: Option<String>,
    /// Arguments; a value is read as JSON unless the parameter is a text
    #[arg(value_name = "KEY=VALUE")]
    arguments: Vec<String>,
}

impl Call {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let (project, call) = self.what.load()?;
        let observers: Vec<Arc<dyn Observer>> =
            if self.verbose { vec![Arc::new(Teller)] } else { Vec::new() };
        let gateway = Gateway::observed(project.deployment, observers);
        let result = super::runtime()?.block_on(gateway.execute(call));
        let success = result.status == Status::Success;
        print_json(&result, if success { GREEN } else { RED })?;
        Ok(if success { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Tells on standard error what a call did, in the form of `curl --verbose`.
#[derive(Debug)]
struct Teller;

impl Observer for Teller {
    fn wants_exchanges(&self) -> bool {
        true
    }

    fn call_ended(&self, report: &CallReport<'_>) {
        eprint!("{}", told(report));
    }
}

/// `>` stands before what was sent, `<` before what came back, `*` before what there is to say.
fn told(report: &CallReport<'_>) -> String {
    let mut lines = Vec::new();
    match report.exchange {
        None => lines.push("* nothing was sent".to_owned()),
        Some(Exchange { request, answer }) => {
            lines.push(format!("> {} {}", request.method, request.url));
            lines.extend(
                request
                    .headers
                    .iter()
                    .map(|(name, value)| format!("> {name}: {}", value.as_str().unwrap_or_default())),
            );
            if let Some(body) = &request.body {
                lines.push(">".to_owned());
                lines.extend(body.lines().map(|line| format!("> {line}")));
            }
            match answer {
                None => lines.push("* no answer came".to_owned()),
                Some((status, headers)) => {
                    lines.push(format!("< {status}"));
                    lines.extend(headers.iter().map(|(name, value)| format!("< {name}: {value}")));
                }
            }
            if report.result.attempts > 1 {
                lines.push(format!("* sent {} times; this was the last time", report.result.attempts));
            }
        }
    }
    lines.extend(report.cause.map(|cause| format!("* cause: {cause}")));
    // What an upstream sends must not move the cursor of a terminal.
    let clean = |line: String| line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    lines.into_iter().map(|line| clean(line) + "\n").collect()
}

impl Preview {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let (project, call) = self.what.load()?;
        let gateway = Gateway::new(project.deployment);
        match super::runtime()?.block_on(gateway.preview(&call, None)) {
            Ok(preview) => {
                print_json(&preview, GREEN)?;
                if std::io::stdout().is_terminal() {
                    super::print_line(&format!("\n{}", preview.curl))?;
                }
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => {
                print_json(&serde_json::json!({ "error": error }), RED)?;
                Ok(ExitCode::FAILURE)
            }
        }
    }
}

impl What {
    fn load(self) -> anyhow::Result<(Project, ToolCall)> {
        let project = self.place.load()?;
        let environment = self.place.environment(&project)?;
        let properties = project
            .deployment
            .environment(&environment)
            .and_then(|one| one.find(&self.name))
            .and_then(|served| served.action.model_schema().get("properties").cloned())
            .unwrap_or_default();
        let mut arguments = Map::new();
        for pair in &self.arguments {
            let (key, text) = pair.split_once('=').with_context(|| format!("`{pair}` is not KEY=VALUE"))?;
            arguments.insert(key.to_owned(), read_value(text, properties.get(key)));
        }
        let mut variables = Map::new();
        for pair in &self.variables {
            let (key, text) = pair.split_once('=').with_context(|| format!("`{pair}` is not NAME=VALUE"))?;
            variables.insert(key.to_owned(), read_value(text, None));
        }
        let arguments = RawValue::from_string(Value::Object(arguments).to_string())?;
        let call = ToolCall {
            id_is_given: false,
            conversation_id: self.conversation,
            variables,
            ..ToolCall::new("cli", &environment, &self.name, arguments)
        };
        Ok((project, call))
    }
}

/// A value as its parameter wants it: a text stays a text, anything else is
/// read as JSON where it is JSON.
fn read_value(text: &str, schema: Option<&Value>) -> Value {
    let is_text = schema.and_then(|schema| schema.get("type")).is_some_and(|kind| kind == "string");
    let parsed = if is_text { None } else { serde_json::from_str(text).ok() };
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}

const GREEN: &str = "\u{1b}[32m";
const RED: &str = "\u{1b}[31m";
const CYAN: &str = "\u{1b}[36m";
const RESET: &str = "\u{1b}[0m";

/// JSON: in a pipe as it is; on a terminal with keys in colour.
fn print_json(value: &impl Serialize, accent: &str) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    if !std::io::stdout().is_terminal() {
        return super::print_line(&text);
    }
    for line in text.lines() {
        let key_end = line.trim_start().starts_with('"').then(|| line.find("\": ")).flatten();
        match key_end {
            Some(end) => {
                let (key, rest) = line.split_at(end + 1);
                let colour =
                    if key.contains("\"status\"") || key.contains("\"error\"") { accent } else { CYAN };
                super::print_line(&format!("{colour}{key}{RESET}{rest}"))?;
            }
            None => super::print_line(line)?,
        }
    }
    Ok(())
}
