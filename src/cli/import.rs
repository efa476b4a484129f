//! `callgate import`

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use callgate::action::RequestSpec;
use callgate::definition::{Problems, read_project};
use callgate::demo::INIT_FILES;
use callgate::egress::{Credentials, Deadline, Egress, Limits, Outlet, Route, WaysBuilder};
use callgate::import::{
    Existing, Imported, ImportedFile, MAX_SOURCE_BYTES, NoteKind, Only, Options, PathPattern, Report,
    Selection, SourceKind, add_secrets, folded, import,
};
use callgate::project;
use callgate::settings::Settings;
use clap::{Args, ValueEnum};
use serde_json::json;
use url::Url;

/// How long a document may take to fetch.
const FETCH: Duration = Duration::from_secs(30);
/// Notes of one kind that are printed for people; `--json` has them all.
const SHOWN: usize = 40;

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// OpenAPI 3.0 or 3.1, JSON or YAML: a file or a URL
    Openapi,
    /// A curl command, as one argument
    Curl,
    /// A Postman collection, format 2.0 or 2.1
    Postman,
    /// Tools of Vapi
    Vapi,
    /// Tools of ElevenLabs Agents
    Elevenlabs,
    /// Functions of Retell
    Retell,
    /// API steps of Voiceflow
    Voiceflow,
    /// API calls of Smallest.ai Atoms
    Atoms,
}

impl Kind {
    fn source(self) -> SourceKind {
        match self {
            Self::Openapi => SourceKind::Openapi,
            Self::Curl => SourceKind::Curl,
            Self::Postman => SourceKind::Postman,
            Self::Vapi => SourceKind::Vapi,
            Self::Elevenlabs => SourceKind::Elevenlabs,
            Self::Retell => SourceKind::Retell,
            Self::Voiceflow => SourceKind::Voiceflow,
            Self::Atoms => SourceKind::Atoms,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// What the source is
    #[arg(value_enum)]
    kind: Kind,
    /// A file, a URL, a curl command, or `-` for standard input
    source: String,
    /// The project to add to; made where there is none
    #[arg(long, short, default_value = ".", value_name = "DIR")]
    project: PathBuf,
    /// Import only these: a name, or a regular expression for whole names; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Import only what has this tag (OpenAPI) or stands in this folder (Postman); may be repeated
    #[arg(long)]
    tag: Vec<String>,
    /// Import only this path and what is below it, `*` standing for any text; may be repeated
    #[arg(long)]
    path: Vec<String>,
    /// Import only what has this method; may be repeated
    #[arg(long)]
    method: Vec<String>,
    /// Import at most so many
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
    /// The environment that secrets of the source are for; others get a placeholder
    #[arg(long, short, value_name = "NAME")]
    environment: Option<String>,
    /// The base URL, where the source has none or another is meant; NAME=URL for a variable of a Postman collection
    #[arg(long, value_name = "URL")]
    base_url: Vec<String>,
    /// Report and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Replace actions that the project has
    #[arg(long)]
    force: bool,
}

/// The base URL among `given`, and those that are given for a variable.
fn base_urls(given: &[String]) -> anyhow::Result<(Option<String>, BTreeMap<String, String>)> {
    let (mut base_url, mut urls) = (None, BTreeMap::new());
    for text in given {
        match text.split_once('=').filter(|(name, _)| !name.contains([':', '/'])) {
            Some((name, url)) => {
                let name = name.trim().trim_matches(['{', '}']);
                let parsed =
                    Url::parse(url).with_context(|| format!("--base-url {name}: `{url}` is no URL"))?;
                anyhow::ensure!(
                    matches!(parsed.scheme(), "http" | "https"),
                    "--base-url {name}: `{url}` is not one of http or https"
                );
                let known = urls.insert(name.to_owned(), url.trim_end_matches('/').to_owned());
                anyhow::ensure!(known.is_none(), "--base-url {name}=… is given twice");
            }
            None => {
                let known = base_url.replace(text.clone());
                anyhow::ensure!(
                    known.is_none(),
                    "--base-url is given twice; NAME=URL says which host is meant"
                );
            }
        }
    }
    Ok((base_url, urls))
}

impl Import {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let (text, source, source_url) = self.read()?;
        let options = self.options(source, source_url)?;
        let imported = import(self.kind.source(), &text, &options)?;
        let written = if self.dry_run { Written::default() } else { self.write(&imported, &options)? };
        if self.json {
            let files: Vec<&str> = imported.files.iter().map(|file| file.path.as_str()).collect();
            let report = json!({
                "report": imported.report,
                "files": files,
                "written": written.files,
                "kept_secrets": written.kept.iter().map(|(environment, name)| json!({"environment": environment, "name": name})).collect::<Vec<_>>(),
            });
            super::print_line(&serde_json::to_string_pretty(&report)?)?;
        } else {
            self.tell(&imported, &written)?;
        }
        Ok(if imported.report.imported.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    /// The text of the source, what to call it, and its URL if it has one.
    fn read(&self) -> anyhow::Result<(String, String, Option<String>)> {
        let source = self.source.trim();
        let is_url = source.starts_with("http://") || source.starts_with("https://");
        if source == "-" {
            let mut bytes = Vec::new();
            std::io::stdin().lock().take(MAX_SOURCE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
            return Ok((text_of(bytes)?, "standard input".to_owned(), None));
        }
        if matches!(self.kind, Kind::Curl) {
            return Ok((self.source.clone(), "a curl command".to_owned(), None));
        }
        if is_url {
            let (bytes, shown) = fetch(source)?;
            return Ok((text_of(bytes)?, shown, Some(source.to_owned())));
        }
        if source.contains("://") {
            anyhow::bail!("only http and https addresses are fetched");
        }
        let path = Path::new(source);
        let size = fs::metadata(path).with_context(|| format!("cannot read {source}"))?.len();
        anyhow::ensure!(
            size <= MAX_SOURCE_BYTES as u64,
            "{source} has {size} bytes, more than {MAX_SOURCE_BYTES}"
        );
        let bytes = fs::read(path).with_context(|| format!("cannot read {source}"))?;
        let shown =
            path.file_name().map_or_else(|| source.to_owned(), |name| name.to_string_lossy().into_owned());
        Ok((text_of(bytes)?, shown, None))
    }

    fn options(&self, source: String, source_url: Option<String>) -> anyhow::Result<Options> {
        // Problems of the project are for `check` to tell.
        let mut problems = Problems::default();
        let (files, settings) = match self.project.is_dir() {
            true => (
                read_project(&self.project, None, &mut problems),
                Settings::load(&self.project, &mut problems),
            ),
            false => Default::default(),
        };
        let has_own = settings.environments.is_some()
            || !files.actions.is_empty()
            || !files.secrets.environments.is_empty();
        let environments = has_own.then(|| project::environments(&files, &settings));
        if let (Some(served), Some(wanted)) = (&environments, &self.environment) {
            anyhow::ensure!(
                served.contains(wanted),
                "no environment `{wanted}`; there are: {}",
                served.join(", ")
            );
        }
        let (base_url, urls) = base_urls(&self.base_url)?;
        Ok(Options {
            source,
            source_url,
            selection: Selection {
                only: self.only.iter().map(|text| Only::parse(text)).collect::<Result<_, _>>()?,
                tags: self.tag.clone(),
                paths: self.path.iter().map(|text| PathPattern::parse(text)).collect::<Result<_, _>>()?,
                methods: self.method.iter().map(|method| method.to_ascii_uppercase()).collect(),
                limit: self.limit,
            },
            environment: self.environment.clone(),
            environments,
            base_url,
            urls,
            replace: self.force,
            existing: Existing::of(&files).without_sample(INIT_FILES),
        })
    }

    /// Writes everything, or nothing where a file is in the way.
    fn write(&self, imported: &Imported, options: &Options) -> anyhow::Result<Written> {
        if imported.files.is_empty() {
            return Ok(Written::default());
        }
        let root = &self.project;
        let is_ours = |file: &&ImportedFile| {
            options.replace && options.existing.actions.values().any(|known| *known == file.path)
        };
        let taken: Vec<&str> = imported
            .files
            .iter()
            .filter(|file| root.join(&file.path).exists() && !is_ours(file))
            .map(|file| file.path.as_str())
            .collect();
        anyhow::ensure!(taken.is_empty(), "{} is there already; nothing was written", taken.join(", "));
        let secrets_path = root.join("secrets.toml");
        let existing = match fs::read_to_string(&secrets_path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).context("cannot read secrets.toml"),
        };
        let secrets = add_secrets(&existing, &imported.secrets)?;
        let mut written = Written { files: Vec::new(), kept: secrets.kept };
        if secrets.added > 0 {
            // Before the file exists, so that no commit can take it along.
            if self.ignore_secrets()? {
                written.files.push(".gitignore".to_owned());
            }
            fs::create_dir_all(root).with_context(|| format!("cannot make {}", root.display()))?;
            write_private(&secrets_path, &secrets.text)?;
            written.files.push("secrets.toml".to_owned());
        }
        for file in &imported.files {
            let path = root.join(&file.path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
            }
            fs::write(&path, &file.text).with_context(|| format!("cannot write {}", path.display()))?;
            written.files.push(file.path.clone());
        }
        Ok(written)
    }

    /// Names `secrets.toml` in the project's .gitignore; whether that was needed.
    fn ignore_secrets(&self) -> anyhow::Result<bool> {
        let path = self.project.join(".gitignore");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).context("cannot read .gitignore"),
        };
        let names_it = |line: &str| {
            matches!(line.trim(), "secrets.toml" | "/secrets.toml" | "*.toml" | "secrets.*" | "*")
        };
        if text.lines().any(names_it) {
            return Ok(false);
        }
        fs::create_dir_all(&self.project)
            .with_context(|| format!("cannot make {}", self.project.display()))?;
        let joint = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        fs::write(&path, format!("{text}{joint}secrets.toml\n")).context("cannot write .gitignore")?;
        Ok(true)
    }

    fn tell(&self, imported: &Imported, written: &Written) -> anyhow::Result<()> {
        let report = &imported.report;
        let mut lines = Vec::new();
        for action in report.imported.iter().take(SHOWN) {
            lines.push(format!("imported {} ({})", action.name, action.request));
        }
        if report.imported.len() > SHOWN {
            lines.push(format!("imported {} more", report.imported.len() - SHOWN));
        }
        for kind in [NoteKind::Refused, NoteKind::Lossy, NoteKind::Todo] {
            let notes = folded(report.of_kind(kind).cloned());
            lines.extend(notes.iter().take(SHOWN).map(ToString::to_string));
            if notes.len() > SHOWN {
                lines.push(format!("{} more of these; --json shows them all", notes.len() - SHOWN));
            }
        }
        for secret in report.secrets.iter().filter(|secret| !secret.found) {
            lines.push(format!("to do: set the secret `{}` in secrets.toml", secret.name));
        }
        for (environment, name) in &written.kept {
            lines.push(format!("kept: the secret `{name}` of {environment} has a value already"));
        }
        lines.push(summary(report));
        if self.dry_run {
            lines.push(format!("dry run: {} files not written", imported.files.len()));
        } else if !written.files.is_empty() {
            lines.push(format!(
                "{} files written; next:\n  callgate check {}",
                written.files.len(),
                self.project.display()
            ));
        }
        super::print_line(&lines.join("\n"))
    }
}

/// What was written.
#[derive(Default)]
struct Written {
    files: Vec<String>,
    /// Secrets that have a value already.
    kept: Vec<(String, String)>,
}

fn summary(report: &Report) -> String {
    let refused = report.counts(NoteKind::Refused);
    let why: Vec<String> = refused.iter().map(|(code, count)| format!("{code} {count}")).collect();
    let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join(", ")) };
    format!(
        "{} of {} imported, {} refused{why}, {} not selected, {} with losses",
        report.imported.len(),
        report.operations,
        refused.values().sum::<usize>(),
        report.skipped,
        report.counts(NoteKind::Lossy).values().sum::<usize>(),
    )
}

fn text_of(bytes: Vec<u8>) -> anyhow::Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        anyhow::anyhow!(
            "the source is not UTF-8 from byte {} on; save it as UTF-8",
            error.utf8_error().valid_up_to()
        )
    })
}

/// The body at `address`, and the address without what may be secret in it.
fn fetch(address: &str) -> anyhow::Result<(Vec<u8>, String)> {
    let shown = address.split(['?', '#']).next().unwrap_or_default();
    let shown = match (shown.find("://"), shown.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => format!("{}{}", &shown[..scheme + 3], &shown[at + 1..]),
        _ => shown.to_owned(),
    };
    let request =
        RequestSpec { method: http::Method::GET, url: address.to_owned(), headers: Vec::new(), body: None };
    let limits = Limits {
        connect_timeout: Duration::from_secs(10),
        read_timeout: None,
        max_response_bytes: MAX_SOURCE_BYTES,
    };
    let route = route(address).with_context(|| format!("{shown} is no address to fetch from"))?;
    let sent = super::runtime()?.block_on(async {
        Egress::new().send(&request, &Credentials::default(), &route, limits, Deadline::after(FETCH)).await
    });
    let response = sent.with_context(|| format!("cannot fetch {shown}"))?;
    if response.status.is_redirection() {
        let to = response
            .headers
            .get(http::header::LOCATION)
            .and_then(|to| to.to_str().ok())
            .unwrap_or("another address");
        anyhow::bail!("{shown} redirects to {to}, which is not followed; import from there");
    }
    anyhow::ensure!(response.status.is_success(), "{shown} answers {}", response.status);
    Ok((response.body.to_vec(), shown))
}

/// The way to `address`. Who runs the command has named the host, so it may be
/// one of their own network.
fn route(address: &str) -> Option<Route> {
    let url = Url::parse(address).ok()?;
    let mut outlet = Outlet::default();
    outlet.policy.allow(url.host_str()?.trim_start_matches('[').trim_end_matches(']')).ok()?;
    let mut ways = WaysBuilder::new(None, None);
    ways.environment("import", &outlet, &|_| None).to_url(address, None, &mut Problems::default())
}

/// Writes `text` so that only its owner reads it; a file that is there keeps its mode.
#[cfg(unix)]
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .context("cannot write secrets.toml")?;
    file.write_all(text.as_bytes()).context("cannot write secrets.toml")
}

#[cfg(not(unix))]
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).context("cannot write secrets.toml")
}
