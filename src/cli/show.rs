//! The small commands: `tools`, `schema`, `keygen`, `health`.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use callgate::definition::schema::FileKind;
use callgate::dialect::{Dialect, SpecOptions, UnknownDialect};
use callgate::executor::ServedEnvironment;
use callgate::server::{NewKey, OWN_FORMAT, own_specs};
use callgate::settings;
use callgate::tool::ToolSpec;
use clap::Args;
use serde_json::{Value, json};

use super::Where;

/// The form of specs.
#[derive(Clone, Copy, Debug)]
enum Format {
    /// No provider's.
    Own,
    Of(Dialect),
}

fn format(name: &str) -> Result<Format, String> {
    if name == OWN_FORMAT {
        return Ok(Format::Own);
    }
    name.parse().map(Format::Of).map_err(|error: UnknownDialect| format!("{error}, {OWN_FORMAT}"))
}

#[derive(Debug, Args)]
pub(crate) struct Tools {
    #[command(flatten)]
    place: Where,
    /// The provider's form: openai-chat, openai-responses, openai-realtime, anthropic, gemini,
    /// gemini-schema, mcp, vapi, retell, elevenlabs; callgate for what `/v1/actions` says of each
    #[arg(long, short, default_value = "openai-chat", value_name = "NAME", value_parser = format)]
    format: Format,
    /// OpenAI's strict mode
    #[arg(long)]
    strict: bool,
    /// Where vapi, retell and elevenlabs call the gateway; `[server] public_url` where left out
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// The language of the texts that Retell and ElevenLabs say; the first one of each where left out
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    /// Print what became of each keyword in place of the specs: kept, lowered or lost, and counts
    #[arg(long)]
    report: bool,
}

impl Tools {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let project = self.place.load()?;
        let name = self.place.environment(&project)?;
        let Format::Of(format) = self.format else {
            anyhow::ensure!(!self.report, "--report is about a provider's form: name one with --format");
            let specs = own_specs(&project.deployment, &name);
            super::print_line(&serde_json::to_string_pretty(&specs)?)?;
            return Ok(ExitCode::SUCCESS);
        };
        let environment = project.deployment.environment(&name);
        let offered = environment.into_iter().flat_map(ServedEnvironment::offered);
        let actions = offered.map(|served| &served.action);
        if self.report {
            let reports: Vec<Value> = actions
                .map(|action| {
                    let report = format.report(ToolSpec::from(action), self.strict);
                    json!({"name": action.name.as_str(), "keywords": report.keywords, "counts": report.counts, "speech": report.speech})
                })
                .collect();
            super::print_line(&serde_json::to_string_pretty(&reports)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(problem) = self.base_url.as_deref().and_then(settings::public_url_problem) {
            anyhow::bail!("--base-url {problem}");
        }
        let base_url = self.base_url.as_deref().or(project.settings.server.public_url.as_deref());
        let language = self.language.as_deref();
        let options = SpecOptions { strict: self.strict, base_url, environment: &name, language };
        let specs = format.specs(actions.map(ToolSpec::from), &options)?;
        super::print_line(&serde_json::to_string_pretty(&specs)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// The kind of file: action, agent, connection, auth, variables, secrets, callgate
    #[arg(value_name = "KIND")]
    kind: Option<String>,
    /// Write all of them into this folder as <kind>.schema.json
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

/// The schemas of all files of a project, by name.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let mut all: Vec<_> = FileKind::ALL.into_iter().map(|kind| (kind.name(), kind.schema())).collect();
    all.push(("callgate", settings::schema()));
    all
}

/// Writes the schemas into `dir`.
pub(super) fn write_schemas(dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    for (name, schema) in schemas() {
        let path = dir.join(format!("{name}.schema.json"));
        let text = format!("{}\n", serde_json::to_string_pretty(&schema)?);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

impl Schema {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        if let Some(dir) = &self.write {
            write_schemas(dir)?;
            return Ok(ExitCode::SUCCESS);
        }
        let all = schemas();
        let names = || all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let kind = self.kind.with_context(|| format!("name a kind of file ({}), or --write DIR", names()))?;
        let (_, schema) = all
            .iter()
            .find(|(name, _)| *name == kind)
            .with_context(|| format!("no kind `{kind}`; there are: {}", names()))?;
        super::print_line(&serde_json::to_string_pretty(schema)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Keygen {
    /// Whose key it is
    #[arg(long, default_value = "caller")]
    name: String,
    /// An environment it may use; may be repeated; left out: all that are served
    #[arg(long, short, value_name = "NAME")]
    environment: Vec<String>,
    /// Make an admin key: it may reload, read and edit definitions, and inspect calls
    #[arg(long)]
    admin: bool,
    /// Make a key of [sealing] instead: a secret of the gateway, for the state that callers carry
    #[arg(long, conflicts_with_all = ["name", "environment", "admin"])]
    sealing: bool,
}

impl Keygen {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        if self.sealing {
            let mut key = [0; 32];
            getrandom::fill(&mut key).context("the system gives no random numbers")?;
            eprintln!(
                "# The key, shown this once. Keep it as a secret of an environment, such as STATE_KEY_1, and name it in callgate.toml:\n\n[sealing]\nkeys = [\"STATE_KEY_1\"]\n"
            );
            super::print_line(&STANDARD.encode(key))?;
            return Ok(ExitCode::SUCCESS);
        }
        let key = NewKey::generate().context("the system gives no random numbers")?;
        eprintln!("# The key, shown this once; callers send it as `Authorization: Bearer …`:");
        super::print_line(&key.key)?;
        eprintln!(
            "\n# For callgate.toml:\n\n[[keys]]\nname = {}\nhash = \"{}\"\nconversations = \"own\"",
            Value::String(self.name),
            key.hash
        );
        if self.admin {
            eprintln!("admin = true");
        }
        if !self.environment.is_empty() {
            eprintln!("environments = {}", serde_json::to_string(&self.environment)?);
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Health {
    /// Where the gateway listens
    #[arg(long, default_value = "127.0.0.1:8080")]
    address: SocketAddr,
}

impl Health {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let timeout = Duration::from_secs(2);
        let mut stream = TcpStream::connect_timeout(&self.address, timeout).context("cannot connect")?;
        stream.set_read_timeout(Some(timeout))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: callgate\r\nconnection: close\r\n\r\n")?;
        let mut head = [0; 12];
        stream.read_exact(&mut head).context("no answer")?;
        anyhow::ensure!(&head == b"HTTP/1.1 200", "not ready: {}", String::from_utf8_lossy(&head));
        Ok(ExitCode::SUCCESS)
    }
}
