//! A project directory → what is served, with every problem on the way.
//!
//! `callgate check`, start and reload run the same code.

#[cfg_attr(not(feature = "redis"), path = "no_remote.rs")]
mod remote;
mod edit;
mod sealing;
mod store;
mod watch;

pub use self::edit::{DefinitionFile, DefinitionText, EditError, Edits, Expected};
pub use self::store::{StoreOpenError, open_store};
pub use self::watch::Watch;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::action::check_states;
use crate::catalog::{Catalog, Environment, known_environments};
use crate::definition::{Draft, Problem, Problems, ProjectFiles, read_project};
use crate::dialect::Dialect;
use crate::dialect::lower::Fate;
use crate::executor::{ConversationRules, Deployment, ExecutorLimits, Parts, ServedEnvironment};
use crate::secrets::{Secrets, Sources};
use crate::settings::{FILE, Settings};
use crate::tool::ToolSpec;
use callgate_text::closest;

/// A project, loaded.
#[derive(Debug)]
pub struct Project {
    /// Its settings.
    pub settings: Settings,
    /// What it serves; of no use where there are errors.
    pub deployment: Deployment,
    /// What is wrong with it.
    pub problems: Problems,
    /// Its files as written, for more questions about them.
    pub files: ProjectFiles,
}

/// Loads the project directory `dir`; tokens of `previous` live on.
pub fn load(dir: &Path, previous: Option<&Deployment>) -> Project {
    load_with(dir, None, previous)
}

/// Loads the project directory `dir`, with `draft` in place of the file that it names.
pub fn load_with(dir: &Path, draft: Option<Draft<'_>>, previous: Option<&Deployment>) -> Project {
    let mut problems = Problems::default();
    if !dir.is_dir() {
        let message = format!("`{}` is not a directory", dir.display());
        problems.push(
            Problem::error(&dir.display().to_string(), (0, 0), "unreadable", message)
                .hint("name a project directory; `callgate init DIR` makes one"),
        );
        let (settings, files) = (Settings::default(), ProjectFiles::default());
        let deployment = compile(&files, &settings, &Sources::default(), previous, &mut problems);
        return Project { settings, deployment, problems, files };
    }
    let settings = Settings::load(dir, &mut problems);
    let files = read_project(dir, draft, &mut problems);
    if files.actions.is_empty() && files.agents.is_empty() && !problems.has_errors() {
        let message = "the project has no actions";
        problems
            .push(Problem::warning("actions", (0, 0), "no_actions", message).hint("add actions/<name>.yaml"));
    }
    let mut sources = settings.secret_sources();
    // A relative directory is the project's.
    sources.directory = sources.directory.map(|directory| dir.join(directory));
    let deployment = compile(&files, &settings, &sources, previous, &mut problems);
    Project { settings, deployment, problems, files }
}

/// Compiles files that are at hand already.
pub fn compile(
    files: &ProjectFiles,
    settings: &Settings,
    sources: &Sources,
    previous: Option<&Deployment>,
    problems: &mut Problems,
) -> Deployment {
    let environments = environments(files, settings);
    check_environments(settings, &environments, problems);
    let (catalog, secret_uses) = Catalog::compile(files, &environments, problems);
    let secrets = Secrets::gather(&files.secrets, sources, &environments, problems);
    secrets.check(&secret_uses, problems);
    sources.warn_of_strangers(&known_environments(files, &environments), problems);
    store::check(settings, files.root.as_deref(), problems);
    warn_of_webhooks(settings, &environments, &secrets, problems);
    check_agents(settings, &catalog, &secrets, problems);
    let parts = Parts {
        catalog,
        outlets: environments.iter().map(|name| settings.outlet(name, problems)).collect(),
        root: files.root.as_deref(),
        limits: ExecutorLimits {
            max_response_bytes: settings.limits.max_response_bytes,
            max_body_chars: settings.limits.max_body_chars,
            max_url_bytes: settings.limits.max_url_bytes,
        },
        states: sealing::states(settings, &environments, &secrets, problems),
        secrets,
        // As all of [store]: what holds at the start holds until the next one.
        shares_tokens: previous.map_or(settings.store.share_tokens, |previous| previous.shares_tokens),
        conversations: conversations(files, settings, &environments, problems),
    };
    Deployment::build(parts, previous, problems)
}

/// Warns of secrets of `[webhooks]` that an environment lacks.
fn warn_of_webhooks(
    settings: &Settings,
    environments: &[String],
    secrets: &Secrets,
    problems: &mut Problems,
) {
    for (_, rule) in settings.webhooks.rules() {
        let name = rule.secret();
        for environment in environments.iter().filter(|environment| secrets.get(environment, name).is_none())
        {
            let message = format!(
                "the secret `{name}` of `[webhooks]` is not set in environment `{environment}`: its webhooks refuse everything there"
            );
            let hint = format!(
                "add `{name}` under [{environment}] in secrets.toml, or set {}",
                Sources::variable_name(environment, name)
            );
            problems.push(Problem::warning(FILE, (0, 0), "missing_secret", message).hint(hint));
        }
    }
}

/// Checks what `[agents]` names.
fn check_agents(settings: &Settings, catalog: &Catalog, secrets: &Secrets, problems: &mut Problems) {
    /// Shortest secret, in characters, that nobody finds by trying.
    const SHORTEST: usize = 16;
    let of = |environment: &Environment, name: &str| environment.agents.iter().any(|one| one.name == name);
    for (name, agent) in &settings.agents.retell {
        let at = format!("/agents/retell/{name}");
        if !catalog.environments().iter().any(|environment| of(environment, name)) {
            let all = catalog.environments().iter().flat_map(|environment| &environment.agents);
            let near = closest(name, all.map(|agent| agent.name.as_str()));
            let hint = near
                .map_or_else(|| format!("add agents/{name}.yaml"), |near| format!("did you mean `{near}`?"));
            let message = format!("there is no agent `{name}`");
            problems.push(settings.warning(&at, "unknown_agent", message).hint(hint));
        }
        for environment in catalog.environments().iter().filter(|environment| of(environment, name)) {
            let environment = environment.name.as_str();
            let secret = agent.secret.as_str();
            match secrets.length(environment, secret) {
                None => {
                    let message = format!(
                        "the secret `{secret}` of the agent `{name}` is not set in environment `{environment}`: it takes no calls of Retell's there"
                    );
                    let hint = format!(
                        "add `{secret}` under [{environment}] in secrets.toml, or set {}",
                        Sources::variable_name(environment, secret)
                    );
                    problems.push(settings.warning(&at, "missing_secret", message).hint(hint));
                }
                Some(length) if length < SHORTEST => {
                    let message = format!(
                        "the secret `{secret}` is short in environment `{environment}`: whoever finds it by trying can call as Retell"
                    );
                    let hint = "`openssl rand -hex 32` makes a long one";
                    problems.push(settings.warning(&at, "short_secret", message).hint(hint));
                }
                Some(_) => {}
            }
        }
    }
}

/// What the settings say of conversations, judged against the definitions.
fn conversations(
    files: &ProjectFiles,
    settings: &Settings,
    environments: &[String],
    problems: &mut Problems,
) -> ConversationRules {
    let written = &settings.conversations;
    check_states(files, written.initial_state.iter().chain(&written.states), problems);
    let known: Vec<&String> = files.connections.iter().map(|connection| &connection.name).collect();
    for (environment, names) in &written.warm {
        let pointer = format!("/conversations/warm/{environment}");
        if !environments.contains(environment) {
            let message = format!("`warm` speaks of environment `{environment}`, which is not served");
            problems.push(settings.warning(&pointer, "unknown_environment", message));
        }
        for (index, name) in names.iter().enumerate().filter(|(_, name)| !known.contains(name)) {
            let hint = closest(name, &known).map(|near| format!("did you mean `{near}`?"));
            let message = format!("there is no connection `{name}`");
            let unknown = settings.error(&format!("{pointer}/{index}"), message).maybe_hint(hint);
            problems.push(Problem { code: "unknown_connection", ..unknown });
        }
    }
    ConversationRules {
        initial_state: written.initial_state.clone(),
        start_budget: Duration::from_millis(written.start_budget_ms),
        warm: written.warm.clone(),
    }
}

/// Warns of everything that `dialects` lose of the project's actions, and of limits that are exceeded.
///
/// Those that lose the same share a warning. `strict` asks about OpenAI's strict mode as well.
pub fn check_dialects(project: &mut Project, dialects: &[Dialect]) {
    let variants = dialects.iter().flat_map(|dialect| {
        let strict = dialect.has_strict().then(|| (format!("{dialect} strict"), *dialect, true));
        [Some((dialect.name().to_owned(), *dialect, false)), strict].into_iter().flatten()
    });
    let variants: Vec<(String, Dialect, bool)> = variants.collect();
    let mut seen = BTreeSet::new();
    let offered = project.deployment.environments().iter().flat_map(ServedEnvironment::offered);
    let actions = offered.map(|served| &served.action);
    for action in actions.filter(|action| seen.insert(action.file.clone())) {
        let Some(located) = project.files.actions.iter().find(|one| one.document.file == action.file) else {
            continue;
        };
        // What is wrong → who minds.
        let mut found: Vec<(String, &'static str, String, Vec<&str>)> = Vec::new();
        for (name, dialect, strict) in &variants {
            let report = dialect.report(ToolSpec::from(action), *strict);
            let lost = report.keywords.iter().filter(|note| note.matters()).map(|note| {
                let what = if note.pointer.is_empty() { "parameters" } else { note.keyword() };
                (
                    format!("/parameters{}", note.pointer),
                    "dialect_lost",
                    format!("`{what}` is lost: {}", note.how),
                )
            });
            let over = report.counts.iter().filter(|count| count.is_over()).map(|count| {
                let limit = count.limit.unwrap_or_default();
                (
                    String::new(),
                    "dialect_limit",
                    format!("{} {}; {limit} are allowed", count.found, count.what),
                )
            });
            let unsaid = report.speech.iter().filter(|note| note.fate == Fate::Lost).map(|note| {
                let what = note.pointer.trim_start_matches('/').replace('/', ".");
                (note.pointer.clone(), "dialect_speech", format!("`{what}` is not said: {}", note.how))
            });
            for (pointer, code, message) in lost.chain(over).chain(unsaid) {
                match found.iter_mut().find(|known| (&known.0, &known.2) == (&pointer, &message)) {
                    Some(known) => known.3.push(name),
                    None => found.push((pointer, code, message, vec![name])),
                }
            }
        }
        for (pointer, code, message, names) in found {
            let place = located.document.at_key(&pointer);
            let hint = match code {
                "dialect_lost" => {
                    "the gateway checks it all the same; say it in a description, so that the model knows"
                }
                "dialect_speech" => "the stream of POST /v1/tool-calls has it, whoever speaks",
                _ => "the provider may refuse the tool, and with it the whole request",
            };
            let message = format!("{}: {message}", names.join(", "));
            project.problems.push(Problem::warning(&action.file, place, code, message).hint(hint));
        }
    }
}

/// The environments to serve: those of the settings, else all that are spoken of.
pub fn environments(files: &ProjectFiles, settings: &Settings) -> Vec<String> {
    if let Some(environments) = &settings.environments {
        return environments.clone();
    }
    let spoken: BTreeSet<&String> = files
        .secrets
        .environments
        .keys()
        .chain(files.variables.environments.keys())
        .chain(files.actions.iter().flat_map(|action| action.definition.environments.keys()))
        .chain(files.agents.iter().flat_map(|agent| agent.definition.environments.keys()))
        .chain(files.connections.iter().flat_map(|connection| connection.definition.environments.keys()))
        .chain(files.auth.iter().flat_map(|auth| auth.definition.environments.keys()))
        .collect();
    if spoken.is_empty() {
        return vec!["development".to_owned()];
    }
    spoken.into_iter().cloned().collect()
}

/// Warns where settings speak of environments that are not served.
fn check_environments(settings: &Settings, environments: &[String], problems: &mut Problems) {
    let served = || format!("served: {}", environments.join(", "));
    for name in settings.egress.keys().filter(|name| !environments.contains(name)) {
        let message = format!("[egress.{name}] is for environment `{name}`, which is not served");
        let hint = closest(name, environments).map_or_else(served, |near| format!("did you mean `{near}`?"));
        let unknown = settings.warning(&format!("/egress/{name}"), "unknown_environment", message);
        problems.push(unknown.hint(hint));
    }
    for key in &settings.keys {
        for name in key.environments.iter().flatten().filter(|name| !environments.contains(name)) {
            let message = format!("the key `{}` is for environment `{name}`, which is not served", key.name);
            problems.push(Problem::warning(FILE, (0, 0), "unknown_environment", message).hint(served()));
        }
    }
}
