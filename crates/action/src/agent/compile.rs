//! Definition → [`Agent`], for one environment. Keeps every problem found.

use std::time::Duration;

use callgate_definition::{
    ANY_STATE, ActionDefinition, AgentDefinition, AgentOverride, Document, Hook, Located, OfferedDefinition,
    Problem, Problems, SpeechTextDefinition, SystemMessages,
};
use callgate_template::{Root, Target, Template};
use callgate_text::closest;

use crate::compile::{Surroundings, is_in};
use crate::name::ActionName;
use crate::speech::SpeechText;
use crate::template_at::TemplateAt;
use crate::written::{SecretUse, check_known, pointer, pointer_to};

use super::{Agent, AgentLimits, Fillers, OnFailure};

/// How often a model is asked in one turn, where nothing is said.
const DEFAULT_MAX_ROUNDS: u32 = 8;
/// How many calls of one round are run, where nothing is said.
const DEFAULT_MAX_CALLS_PER_ROUND: usize = 8;
/// Time for a turn for which nothing is said.
const DEFAULT_TIMEOUT_MS: u64 = 20_000;
/// How long an action runs before the caller hears that it does, where nothing is said.
const DEFAULT_ANNOUNCE_AFTER_MS: u64 = 500;

/// Compiles `located`. `None` where it is left out of the environment, or where
/// an error (added to `problems`) keeps it from existing.
pub fn compile(
    located: &Located<AgentDefinition>,
    around: &Surroundings<'_>,
    problems: &mut Problems,
    secrets: &mut Vec<SecretUse>,
) -> Option<Agent> {
    let fallback = AgentOverride::default();
    let over = located.definition.environments.get(around.environment).unwrap_or(&fallback);
    if over.enabled == Some(false) {
        return None;
    }
    let mut found = Problems::default();
    let definition = &located.definition;
    let mut compiler = AgentCompiler { located, definition, over, around, problems: &mut found, secrets };
    let agent = compiler.agent();
    let failed = found.has_errors();
    problems.extend(found);
    agent.filter(|_| !failed)
}

/// One agent being compiled.
pub(super) struct AgentCompiler<'a> {
    pub(super) located: &'a Located<AgentDefinition>,
    pub(super) definition: &'a AgentDefinition,
    pub(super) over: &'a AgentOverride,
    pub(super) around: &'a Surroundings<'a>,
    pub(super) problems: &'a mut Problems,
    pub(super) secrets: &'a mut Vec<SecretUse>,
}

impl<'a> AgentCompiler<'a> {
    fn agent(&mut self) -> Option<Agent> {
        let (definition, over) = (self.definition, self.over);
        let document = &self.located.document;
        check_known(document, definition.environments.keys(), self.around.known_environments, self.problems);
        let has_name = self.check_name();
        let instructions = over.instructions.as_ref().unwrap_or(&definition.instructions);
        let instructions =
            self.template(&self.pointer(over.instructions.is_some(), "instructions"), instructions);
        let greeting = over.greeting.as_ref().or(definition.greeting.as_ref());
        let greeting = self.speech(greeting, &self.pointer(over.greeting.is_some(), "greeting"));
        let models = self.models();
        let offered = over.actions.as_ref().unwrap_or(&definition.actions);
        self.check_offered(offered);
        let limits = self.limits();
        let fillers = self.fillers();
        let on_failure = self.on_failure();
        let models = models.filter(|_| has_name)?;
        self.check_waits(&models, limits.timeout);
        Some(Agent {
            name: self.located.name.clone(),
            description: definition.description.trim().to_owned(),
            instructions: instructions?,
            greeting,
            models,
            offered: offered.into(),
            writes: over.writes.unwrap_or(definition.writes),
            limits,
            fillers,
            on_failure,
            keeps_system_messages: definition.system_messages == SystemMessages::Keep,
            file: document.file.clone(),
        })
    }

    /// Where `key` stands: in the environment's override where it is set there.
    pub(super) fn pointer(&self, overridden: bool, key: &str) -> String {
        pointer(overridden, self.around.environment, key)
    }

    pub(super) fn document(&self) -> &'a Document {
        &self.located.document
    }

    pub(super) fn error(&self, pointer: &str, code: &'static str, message: impl Into<String>) -> Problem {
        Problem::error(&self.document().file, self.document().at_value(pointer), code, message)
    }

    pub(super) fn warning(&self, pointer: &str, code: &'static str, message: impl Into<String>) -> Problem {
        Problem::warning(&self.document().file, self.document().at_value(pointer), code, message)
    }

    /// Whether the agent has a name that it can be asked for by.
    fn check_name(&mut self) -> bool {
        let checked = ActionName::try_from(self.located.name.as_str());
        // A name that was written is checked by the schema already.
        if let (Err(error), None) = (&checked, &self.definition.name) {
            let problem = self.error("", "invalid_name", error.to_string());
            self.problems.push(problem.hint("rename the file, or set `name`"));
        }
        checked.is_ok()
    }

    /// Parses a template of the agent, which can read no parameters.
    fn template(&mut self, pointer: &str, source: &str) -> Option<Template> {
        let at = TemplateAt { document: self.document(), pointer };
        let template = at.parse(source, Target::Text, self.problems)?;
        let (environment, known) = (self.around.environment, self.around.static_variables);
        at.check_static_variables(&template, environment, known, self.problems);
        self.refuse_parameters(at, &template);
        Some(template)
    }

    /// Adds an error for each parameter that a template of the agent reads.
    pub(super) fn refuse_parameters(&mut self, at: TemplateAt<'_>, template: &Template) {
        for reference in template.references().iter().filter(|one| one.root == Root::Parameters) {
            let place = at.place(reference.line, reference.column);
            let message = format!("`{reference}`: an agent has no parameters, it is no call of a tool");
            let problem = Problem::error(&at.document.file, place, "unknown_parameter", message);
            let path = reference.path.join(".");
            let hint = match path.is_empty() {
                true => "a conversation has `.variables`".to_owned(),
                false => format!("a variable of the conversation is `.variables.{path}`"),
            };
            self.problems.push(problem.hint(hint));
        }
    }

    fn speech(&mut self, written: Option<&SpeechTextDefinition>, at: &str) -> Option<SpeechText> {
        let static_variables = self.around.static_variables;
        SpeechText::compile(written?, at, static_variables, &mut |pointer, source| {
            self.template(pointer, source)
        })
    }

    fn limits(&self) -> AgentLimits {
        let written = self.over.limits.as_ref().unwrap_or(&self.definition.limits);
        AgentLimits {
            max_rounds: written.max_rounds.unwrap_or(DEFAULT_MAX_ROUNDS),
            max_calls_per_round: written.max_calls_per_round.unwrap_or(DEFAULT_MAX_CALLS_PER_ROUND),
            timeout: Duration::from_millis(written.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS)),
        }
    }

    fn fillers(&mut self) -> Fillers {
        let written = self.over.fillers.as_ref().unwrap_or(&self.definition.fillers);
        let at = self.pointer(self.over.fillers.is_some(), "fillers");
        Fillers {
            enabled: written.enabled.unwrap_or(true),
            start: self.speech(written.start.as_ref(), &format!("{at}/start")),
            announce_after: Duration::from_millis(
                written.announce_after_ms.unwrap_or(DEFAULT_ANNOUNCE_AFTER_MS),
            ),
        }
    }

    fn on_failure(&mut self) -> OnFailure {
        let written = self.over.on_failure.as_ref().unwrap_or(&self.definition.on_failure);
        let at = self.pointer(self.over.on_failure.is_some(), "on_failure");
        OnFailure {
            model: self.speech(written.model.as_ref(), &format!("{at}/model")),
            tool: self.speech(written.tool.as_ref(), &format!("{at}/tool")),
        }
    }

    /// Judges the names of the actions that the agent may use.
    fn check_offered(&mut self, offered: &OfferedDefinition) {
        let at = self.pointer(self.over.actions.is_some(), "actions");
        let mut judge = |at: &str, names: &[String], state: Option<&str>| {
            for (index, name) in names.iter().enumerate() {
                if let Some(problem) = self.judge_offered(&format!("{at}/{index}"), name, state) {
                    self.problems.push(problem);
                }
            }
        };
        match offered {
            OfferedDefinition::All => {}
            OfferedDefinition::Named(names) => judge(&at, names, None),
            OfferedDefinition::ByState(states) => {
                for (state, names) in states {
                    let state_named = Some(state.as_str()).filter(|state| *state != ANY_STATE);
                    judge(&pointer_to(&at, state), names, state_named);
                }
            }
        }
    }

    /// What is wrong with `name` as an action that the agent is to use, in `state` where one is named.
    fn judge_offered(&self, pointer: &str, name: &str, state: Option<&str>) -> Option<Problem> {
        let actions = self.around.actions;
        let Some(found) = actions.iter().find(|one| one.name == name) else {
            let names: Vec<&String> = actions.iter().map(|one| &one.name).collect();
            let hint = closest(name, &names)
                .map_or_else(|| format!("add actions/{name}.yaml"), |near| format!("did you mean `{near}`?"));
            let message = format!("there is no action `{name}`");
            return Some(self.error(pointer, "unknown_action", message).hint(hint));
        };
        if let Some(hook) = found.definition.on {
            let when = match hook {
                Hook::Start => "starts",
                Hook::End => "ends",
            };
            let message = format!("no agent can use `{name}`: it runs by itself when a conversation {when}");
            let problem = self.error(pointer, "hook_offered", message);
            return Some(problem.hint("take it out of `actions`"));
        }
        let environment = self.around.environment;
        if !is_in(found, environment) {
            let message =
                format!("`{name}` is left out of environment `{environment}`, and so of this agent");
            let hint = format!("say what holds there by `environments.{environment}.actions`");
            return Some(self.warning(pointer, "action_left_out", message).hint(hint));
        }
        let state = state.filter(|state| !is_available(&found.definition, state))?;
        let message = format!("`{name}` is never offered here: it is not `available_in` state `{state}`");
        Some(self.warning(pointer, "never_offered", message).hint("take it out of this state"))
    }
}

/// Whether the action exists in `state`.
fn is_available(action: &ActionDefinition, state: &str) -> bool {
    action.available_in.as_ref().is_none_or(|states| states.iter().any(|known| known == state))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use callgate_definition::{ModelProvider, ProjectFiles, Writes};
    use callgate_template::Data;
    use serde_json::{Map, json};

    use super::*;
    use crate::agent::AgentModel;
    use crate::upstream::Upstreams;

    const CONNECTION: &str = "base_url: https://llm.test/base/\nauth: llm_key\nconnect_timeout_ms: 700\n\
        headers: {X-Team: blue, X-Order: \"{{.parameters.order}}\", Content-Type: text/plain, X-Key: {secret: k}}\n";
    const KEY: &str = "type: bearer\ntoken: {secret: token}\n";
    const ACTION: &str = "description: d\ntype: static\nresponse: done\n";

    /// The agent of `text` in `environment`, its problems without errors of the others, and the secrets that are sent.
    fn compiled(text: &str, environment: &str) -> (Option<Agent>, Vec<String>, Vec<String>) {
        let files = [
            ("agents/front_desk.yaml", text),
            ("connections/llm.yaml", CONNECTION),
            ("auth/llm_key.yaml", KEY),
            ("actions/lookup.yaml", ACTION),
        ];
        let mut problems = Problems::default();
        let files = ProjectFiles::from_texts(files, &mut problems);
        let known = ["development", "production"].map(str::to_owned);
        let mut static_variables = Map::new();
        static_variables.insert("shop".to_owned(), json!("Blume"));
        let upstreams = Upstreams::compile(&files, environment, &known, &static_variables);
        let around = Surroundings {
            environment,
            known_environments: &known,
            actions: &files.actions,
            upstreams: &upstreams,
            static_variables: &static_variables,
        };
        let mut secrets = Vec::new();
        let agent = files.agents.first().and_then(|one| compile(one, &around, &mut problems, &mut secrets));
        Upstreams::report(&[upstreams], &mut problems, &mut secrets);
        let problems = problems.sorted().iter().map(|one| format!("{} {}", one.code, one.message)).collect();
        (agent, problems, secrets.into_iter().map(|one| one.name).collect())
    }

    /// An agent that is right.
    #[track_caller]
    fn agent_in(text: &str, environment: &str) -> Agent {
        let (agent, problems, _) = compiled(text, environment);
        assert_eq!(problems, Vec::<String>::new());
        agent.expect("there is an agent")
    }

    #[track_caller]
    fn agent(text: &str) -> Agent {
        agent_in(text, "development")
    }

    /// What a model is sent: the URL, and the headers by name.
    #[track_caller]
    fn sent(model: &AgentModel) -> (String, Vec<(String, String)>) {
        let none = Map::new();
        let data = Data { parameters: &none, variables: &none, static_variables: &none };
        let request = model.request(&data, "/chat/completions", Bytes::from_static(b"{}")).unwrap();
        assert_eq!((request.method.as_str(), request.body.as_deref()), ("POST", Some(&b"{}"[..])));
        let headers = request.headers.iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        (request.url, headers.collect())
    }

    fn written(headers: &[(&str, &str)]) -> Vec<(String, String)> {
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    const JSON: (&str, &str) = ("content-type", "application/json");

    #[test]
    fn what_is_left_out_has_defaults() {
        let agent = agent("instructions: Be kind.\nmodel: {provider: openai, auth: llm_key, model: m}\n");
        assert_eq!((agent.name.as_str(), agent.description.as_str()), ("front_desk", ""));
        assert_eq!(agent.instructions.as_static(), Some("Be kind."));
        assert_eq!((&agent.offered, agent.writes), (&super::super::Offered::All, Writes::Now));
        let limits = AgentLimits { max_rounds: 8, max_calls_per_round: 8, timeout: Duration::from_secs(20) };
        assert_eq!(agent.limits, limits);
        assert!(agent.greeting.is_none() && agent.keeps_system_messages);
        assert!(agent.fillers.enabled && agent.fillers.start.is_none());
        assert!(agent.on_failure.model.is_none() && agent.on_failure.tool.is_none());
        assert_eq!(agent.fillers.announce_after, Duration::from_millis(500));
        let [model] = agent.models.as_slice() else { panic!("one model") };
        assert_eq!((model.provider, model.model.as_str()), (ModelProvider::OpenAi, "m"));
        assert_eq!((model.temperature, model.max_tokens), (None, None));
        assert_eq!(model.first_token, Duration::from_secs(8));
        assert_eq!((model.http.connect_timeout, model.http.read_timeout), (Duration::from_secs(2), None));
    }

    #[test]
    fn a_model_without_an_address_goes_to_the_public_one_of_its_provider() {
        for (provider, url) in [
            ("openai", "https://api.openai.com/v1/chat/completions"),
            ("openai-responses", "https://api.openai.com/v1/chat/completions"),
            ("anthropic", "https://api.anthropic.com/v1/chat/completions"),
            ("gemini", "https://generativelanguage.googleapis.com/v1beta/chat/completions"),
        ] {
            let text = format!("instructions: i\nmodel: {{provider: {provider}, auth: llm_key, model: m}}\n");
            let agent = agent(&text);
            assert_eq!(sent(&agent.models[0]), (url.to_owned(), written(&[JSON])), "{provider}");
            assert_eq!(agent.models[0].provider.as_str(), provider);
        }
    }

    #[test]
    fn a_base_url_keeps_its_path_and_shares_the_connection_of_its_origin() {
        let agent = agent(
            "instructions: i\nmodel:\n  provider: openai\n  base_url: http://localhost:11434/v1/\n  model: m\n  \
             headers: {X-Shop: shop}\n  fallback:\n  - {provider: openai, base_url: 'http://localhost:11434/v2', model: n}\n",
        );
        let [first, second] = agent.models.as_slice() else { panic!("two models") };
        let url = "http://localhost:11434/v1/chat/completions";
        assert_eq!(sent(first), (url.to_owned(), written(&[("x-shop", "shop"), JSON])));
        assert_eq!(sent(second).0, "http://localhost:11434/v2/chat/completions");
        assert!(std::sync::Arc::ptr_eq(&first.http.connection, &second.http.connection));
        assert!(first.http.connector.is_none());
    }

    #[test]
    fn a_connection_gives_address_headers_credentials_and_time_to_connect() {
        let text =
            "instructions: i\nmodel: {provider: openai, connection: llm, model: m, headers: {x-team: red}}\n";
        let agent = agent(text);
        let model = &agent.models[0];
        // A header that is nothing but a parameter is left out, and the body is JSON whatever the connection says.
        let headers = written(&[("x-team", "red"), JSON]);
        assert_eq!(sent(model), ("https://llm.test/base/chat/completions".to_owned(), headers));
        assert_eq!(model.http.connection.name.as_deref(), Some("llm"));
        assert_eq!(model.http.connector.as_ref().map(|one| one.name.as_str()), Some("llm_key"));
        let secret: Vec<&str> = model.http.secret_headers.iter().map(|one| one.secret.as_str()).collect();
        assert_eq!((secret, model.http.connect_timeout), (vec!["k"], Duration::from_millis(700)));
        let quick = text.replace("model: m", "model: m, auth: none, first_token_timeout_ms: 400");
        let http = agent_in(&quick, "development").models[0].http.clone();
        assert!(http.connector.is_none());
        assert_eq!(
            http.connect_timeout,
            Duration::from_millis(300),
            "three quarters of the wait for a token"
        );
    }

    #[test]
    fn the_secrets_of_an_agent_are_asked_for_and_those_of_an_unused_connection_are_not() {
        let ollama =
            "instructions: i\nmodel: {provider: openai, base_url: 'http://localhost:1/v1', model: m}\n";
        assert_eq!(compiled(ollama, "development").2, Vec::<String>::new());
        let named = "instructions: i\nmodel: {provider: openai, connection: llm, model: m, headers: {X-A: {secret: own}}}\n";
        let (_, problems, secrets) = compiled(named, "development");
        assert_eq!((problems.len(), secrets), (0, ["own", "k", "token"].map(str::to_owned).to_vec()));
    }

    #[test]
    fn an_environment_replaces_whole_sections() {
        let text = "instructions: i\ngreeting: Hello\nactions: [lookup]\nmodel:\n  provider: openai\n  auth: llm_key\n  \
            model: m\n  temperature: 0.5\n  fallback: [{provider: gemini, auth: llm_key, model: n}]\n\
            limits: {max_rounds: 3, timeout_ms: 30000}\nwrites: next_turn\nfillers: {start: One moment, enabled: false}\n\
            on_failure: {tool: Oh}\nsystem_messages: ignore\nenvironments:\n  production:\n    instructions: \"{{.static_variables.shop}}\"\n    \
            greeting: {en: Hi, de: Hallo}\n    actions: {\"*\": [lookup]}\n    writes: now\n    limits: {max_rounds: 5}\n    \
            fillers: {announce_after_ms: 0}\n    on_failure: {model: Sorry}\n    model: {provider: anthropic, auth: llm_key, model: p}\n";
        let (own, over) = (agent(text), agent_in(text, "production"));
        assert_eq!((own.models.len(), own.models[0].temperature), (2, Some(0.5)));
        assert_eq!((over.models.len(), over.models[0].temperature), (1, None));
        assert_eq!(over.models[0].provider, ModelProvider::Anthropic);
        assert_eq!((own.limits.max_rounds, own.limits.timeout), (3, Duration::from_secs(30)));
        assert_eq!((over.limits.max_rounds, over.limits.timeout), (5, Duration::from_secs(20)));
        assert_eq!((own.writes, over.writes), (Writes::NextTurn, Writes::Now));
        assert!(!own.fillers.enabled && own.fillers.start.is_some());
        assert!(over.fillers.enabled && over.fillers.start.is_none());
        assert_eq!(over.fillers.announce_after, Duration::ZERO);
        assert!(own.on_failure.tool.is_some() && over.on_failure.tool.is_none());
        let said = |text: Option<&SpeechText>, language| {
            text.and_then(|one| one.fixed_in(language).map(str::to_owned))
        };
        assert_eq!(said(over.on_failure.model.as_ref(), None).as_deref(), Some("Sorry"));
        assert_eq!(said(own.greeting.as_ref(), Some("de")).as_deref(), Some("Hello"));
        assert_eq!(said(over.greeting.as_ref(), Some("de")).as_deref(), Some("Hallo"));
        assert!(own.offered.offers("lookup", None) && over.offered.offers("lookup", Some("any")));
        assert!(!own.keeps_system_messages && !over.keeps_system_messages);
        let none = Map::new();
        let static_variables: Map<_, _> = [("shop".to_owned(), json!("Blume"))].into_iter().collect();
        let data = Data { parameters: &none, variables: &none, static_variables: &static_variables };
        assert_eq!(over.instructions.render(&data).ok().as_deref(), Some("Blume"));
    }

    #[test]
    fn an_agent_that_is_left_out_of_an_environment_uses_nothing_there() {
        let text = "instructions: i\nmodel: {provider: openai, connection: llm, model: m}\n\
            environments: {production: {enabled: false}}\n";
        assert!(compiled(text, "development").0.is_some());
        let (agent, problems, secrets) = compiled(text, "production");
        assert!(agent.is_none() && problems.is_empty() && secrets.is_empty(), "{problems:?} {secrets:?}");
    }

    #[test]
    fn one_mistake_hides_no_other() {
        let text = "instructions: \"{{.parameters.a}} {{.static_variables.none}}\"\nmodel: {provider: opnai, model: m}\n\
            greeting: {en: \"{{range .x}}{{end}}\", de: \"{{.parameters.b}}\"}\nactions: [lokup]\n";
        let (agent, problems, _) = compiled(text, "development");
        let codes: Vec<&str> = problems.iter().filter_map(|problem| problem.split(' ').next()).collect();
        let expected = [
            "unknown_parameter",
            "missing_static_variable",
            "invalid_value",
            "forbidden_construct",
            "unknown_parameter",
            "unknown_action",
        ];
        assert!(agent.is_none());
        assert_eq!(codes, expected, "{problems:#?}");
    }
}
