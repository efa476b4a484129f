//! Definition → [`Action`], for one environment. Keeps every problem found.

use std::time::Duration;

use serde_json::{Map, Value};

use callgate_definition::{
    ActionDefinition, ActionKind, ActionOverride, AuthDefinition, ConnectionDefinition, Document, Located,
    Problem, Problems,
};
use callgate_text::push_token;

use super::variables::VariableReads;
use super::{Action, ActionName, Bound, BoundValue, Handover, Kind};
use callgate_schema::parameters::{Parameters, SchemaProblem};
use callgate_template::{Data, Root, Target, Template};

/// How long the same write without an id is one write, where the action says nothing.
const DEFAULT_DEDUPE_WINDOW_MS: u64 = 30_000;
/// Longest description that all providers take (Vapi cuts at 1,000).
const PORTABLE_DESCRIPTION: usize = 1_000;

/// What an action is compiled against.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The environment it is compiled for.
    pub environment: &'a str,
    /// Every environment anything in the project speaks of.
    pub known_environments: &'a [String],
    /// All actions, to which guards refer.
    pub actions: &'a [Located<ActionDefinition>],
    /// All connections.
    pub connections: &'a [Located<ConnectionDefinition>],
    /// All auth connectors.
    pub auth: &'a [Located<AuthDefinition>],
    /// The environment's static variables.
    pub static_variables: &'a Map<String, Value>,
}

/// A place that needs a secret; whether the environment has it is for others
/// to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretUse {
    /// Name of the secret.
    pub name: String,
    /// The environment that needs it.
    pub environment: String,
    /// The file that names it.
    pub file: String,
    /// Where in the file.
    pub place: (usize, usize),
}

/// Compiles `located`. `None` where it is left out of the environment, or where
/// an error (added to `problems`) keeps it from existing.
pub fn compile(
    located: &Located<ActionDefinition>,
    around: &Surroundings<'_>,
    problems: &mut Problems,
    secrets: &mut Vec<SecretUse>,
) -> Option<Action> {
    let fallback = ActionOverride::default();
    let over = located.definition.environments.get(around.environment).unwrap_or(&fallback);
    if over.enabled == Some(false) {
        return None;
    }
    let mut found = Problems::default();
    let mut compiler = Compiler {
        located,
        definition: &located.definition,
        over,
        around,
        problems: &mut found,
        secrets,
        reads: VariableReads::default(),
    };
    let action = compiler.action();
    let failed = found.has_errors();
    problems.extend(found);
    action.filter(|_| !failed)
}

/// One action being compiled.
pub(super) struct Compiler<'a> {
    pub(super) located: &'a Located<ActionDefinition>,
    pub(super) definition: &'a ActionDefinition,
    pub(super) over: &'a ActionOverride,
    pub(super) around: &'a Surroundings<'a>,
    pub(super) problems: &'a mut Problems,
    pub(super) secrets: &'a mut Vec<SecretUse>,
    pub(super) reads: VariableReads,
}

impl Compiler<'_> {
    fn action(&mut self) -> Option<Action> {
        self.refuse_strangers();
        self.check_environments();
        let name = self.name();
        self.check_description();
        let parameters = self.parameters();
        // Without parameters nothing that speaks of them can be judged; the
        // rest is, so that its problems are found too.
        let known = parameters.is_some();
        let parameters = match parameters {
            Some(parameters) => parameters,
            None => Parameters::compile(Some(
                &serde_json::json!({"type": "object", "additionalProperties": true}),
            ))
            .ok()?,
        };
        let bind = self.bind(&parameters);
        let model_schema = self.model_schema(&parameters, &bind);
        let parameters = parameters.offered_as(&model_schema);
        let kind = match self.definition.kind {
            _ if self.is_of_no_type() => None,
            ActionKind::Http => self.http(&parameters, &bind).map(|http| Kind::Http(Box::new(http))),
            ActionKind::Static => self.fixed_answer(&parameters, &bind).map(Kind::Static),
            ActionKind::Handover => self.handover(&parameters, &bind).map(Kind::Handover),
        };
        let guards = self.guards(known.then_some(&parameters), &bind);
        let outputs = self.outputs();
        let success_when = self.success_when();
        let output_schema = self.output_schema();
        let response = self.response();
        let timeouts = self.timeouts();
        self.check_read_timeout(timeouts);
        let speech = self.speech(&parameters, &bind, timeouts.whole);
        Some(Action {
            name: name?,
            description: self.definition.description.trim().to_owned(),
            parameters: known.then_some(parameters)?,
            bind,
            kind: kind?,
            outputs,
            response,
            output_schema,
            timeout: timeouts.whole,
            speech,
            file: self.document().file.clone(),
            reads: std::mem::take(&mut self.reads),
            dedupe_window: Duration::from_millis(
                self.definition.dedupe_window_ms.unwrap_or(DEFAULT_DEDUPE_WINDOW_MS),
            ),
            guards,
            success_when,
            next_state: self.definition.next_state.clone().map(Into::into).unwrap_or_default(),
            on: self.definition.on,
            model_schema,
        })
    }

    pub(super) fn document(&self) -> &Document {
        &self.located.document
    }

    /// The pointer of `key`: in the environment's override where it is set there.
    pub(super) fn pointer(&self, key: &str) -> String {
        let over = format!("/environments/{}/{key}", self.around.environment);
        if self.document().value.pointer(&over).is_some() { over } else { format!("/{key}") }
    }

    pub(super) fn error(&mut self, pointer: &str, code: &'static str, message: impl Into<String>) -> Problem {
        Problem::error(&self.document().file, self.document().at_value(pointer), code, message)
    }

    pub(super) fn warning(
        &mut self,
        pointer: &str,
        code: &'static str,
        message: impl Into<String>,
    ) -> Problem {
        Problem::warning(&self.document().file, self.document().at_value(pointer), code, message)
    }

    fn name(&mut self) -> Option<ActionName> {
        let text = self.located.name.as_str();
        match ActionName::try_from(text) {
            Ok(name) => {
                if text.len() > ActionName::PORTABLE_LENGTH {
                    let problem = self
                        .warning(
                            "/name",
                            "long_name",
                            format!("`{text}` has {} characters; Vapi takes 40", text.len()),
                        )
                        .hint("shorten it if the tool is ever offered through Vapi");
                    self.problems.push(problem);
                }
                if ActionName::begins_with_digit(text) {
                    let message = format!("`{text}` begins with a digit, which Gemini does not take");
                    let problem = self
                        .warning("/name", "digit_first", message)
                        .hint(format!("Gemini is offered `_{text}`; other providers take the name as it is"));
                    self.problems.push(problem);
                }
                Some(name)
            }
            Err(error) => {
                // A name that was written is checked by the schema already.
                if self.definition.name.is_none() {
                    let problem = self
                        .error("", "invalid_name", error.to_string())
                        .hint("rename the file, or set `name`");
                    self.problems.push(problem);
                }
                None
            }
        }
    }

    fn check_description(&mut self) {
        let length = self.definition.description.chars().count();
        if length > PORTABLE_DESCRIPTION {
            let problem = self
                .warning(
                    "/description",
                    "long_description",
                    format!("{length} characters; Vapi cuts at 1000"),
                )
                .hint("say what the tool does and when to use it; put the rest into the parameters");
            self.problems.push(problem);
        }
    }

    fn check_environments(&mut self) {
        let document = self.located.document.clone();
        check_known(
            &document,
            self.definition.environments.keys(),
            self.around.known_environments,
            self.problems,
        );
    }

    /// Whether `type` is none that there is, which has been reported: then
    /// nothing tells what the action lacks, or has too much.
    fn is_of_no_type(&self) -> bool {
        let written = self.document().value.get("type");
        written.is_some_and(|kind| !["http", "static", "handover"].iter().any(|known| kind == known))
    }

    /// Keys that belong to another type of action.
    fn refuse_strangers(&mut self) {
        const HTTP: &[&str] = &[
            "connection",
            "path",
            "url",
            "auth",
            "method",
            "query",
            "headers",
            "body",
            "content_type",
            "form",
            "multipart",
            "connect_timeout_ms",
            "read_timeout_ms",
            "retry",
            "idempotent",
            "dedupe_window_ms",
            "success_when",
        ];
        if self.is_of_no_type() {
            return;
        }
        let (kind, strangers): (&str, Vec<&str>) = match self.definition.kind {
            ActionKind::Http => ("http", vec!["handover"]),
            ActionKind::Static => ("static", [HTTP, &["handover"]].concat()),
            ActionKind::Handover => {
                ("handover", [HTTP, &["response", "output_variables", "output_schema"]].concat())
            }
        };
        for key in strangers {
            if self.document().value.get(key).is_some() {
                let at = self.document().at_key(&format!("/{key}"));
                self.problems.push(Problem::error(
                    &self.located.document.file,
                    at,
                    "key_not_for_type",
                    format!("`{key}` does not belong to an action of type `{kind}`"),
                ));
            }
        }
    }

    fn parameters(&mut self) -> Option<Parameters> {
        match Parameters::compile(self.definition.parameters.as_ref()) {
            Ok(parameters) => {
                self.tell("/parameters", parameters.warnings());
                Some(parameters)
            }
            Err(problems) => {
                self.tell("/parameters", &problems);
                None
            }
        }
    }

    /// Tells what is wrong with the schema at `at`.
    pub(super) fn tell(&mut self, at: &str, problems: &[SchemaProblem]) {
        for problem in problems {
            let pointer = format!("{at}{}", problem.pointer);
            let message = problem.message.clone();
            let found = match problem.warning {
                true => self.warning(&pointer, "schema", message),
                false => self.error(&pointer, "invalid_schema", message),
            };
            self.problems.push(found.maybe_hint(problem.hint.clone()));
        }
    }

    fn bind(&mut self, parameters: &Parameters) -> Vec<Bound> {
        let mut bind = Vec::new();
        for (name, value) in &self.definition.bind {
            let pointer = pointer_to("/bind", name);
            let value = match value {
                Value::String(text) => {
                    let document = self.located.document.clone();
                    match self.template(&document, &pointer, text, Target::Text, parameters, &[]) {
                        Some(template) => match template.as_static() {
                            Some(text) => BoundValue::Constant(Value::String(text.to_owned())),
                            None => {
                                self.warn_of_bound(name, &pointer, &template, parameters);
                                BoundValue::Template(template)
                            }
                        },
                        None => continue,
                    }
                }
                other => BoundValue::Constant(other.clone()),
            };
            bind.push(Bound { name: name.clone(), value });
        }
        bind
    }

    /// Warns where the bound value `name` reads one that is not there yet: the model gives no
    /// value for a name in `bind`, and those that the schema declares are filled in first.
    fn warn_of_bound(&mut self, name: &str, pointer: &str, template: &Template, parameters: &Parameters) {
        let definition = self.definition;
        let order = |name: &str| {
            let at = definition.bind.keys().position(|known| known == name);
            at.map(|at| (!parameters.is_declared(name), at))
        };
        let document = self.located.document.clone();
        let mut told = Vec::new();
        for reference in template.references().iter().filter(|one| one.root == Root::Parameters) {
            let Some(read) = reference.path.first() else { continue };
            if order(read).is_none_or(|read| Some(read) < order(name)) || told.contains(&read) {
                continue;
            }
            told.push(read);
            let place = document.at_text(pointer, reference.line, reference.column);
            let message = format!(
                "`.parameters.{read}` is never there when `{name}` is bound: `bind` hides `{read}` from the model"
            );
            let hint = format!("write `.variables.{read}` if the conversation knows it");
            self.problems
                .push(Problem::warning(&document.file, place, "unbound_parameter", message).hint(hint));
        }
    }

    /// Parses a template and judges what it refers to.
    pub(super) fn template(
        &mut self,
        document: &Document,
        pointer: &str,
        source: &str,
        target: Target,
        parameters: &Parameters,
        bind: &[Bound],
    ) -> Option<Template> {
        let template = match Template::parse(source, target) {
            Ok(template) => template,
            Err(errors) => {
                for error in errors {
                    let place = document.at_text(pointer, error.line, error.column);
                    self.problems.push(
                        Problem::error(&document.file, place, error.code.as_str(), error.message)
                            .maybe_hint(error.hint),
                    );
                }
                return None;
            }
        };
        self.reads.add(source, template.references());
        for reference in template.references() {
            let place = document.at_text(pointer, reference.line, reference.column);
            let Some(name) = reference.path.first() else { continue };
            match reference.root {
                Root::Parameters => {
                    let known = parameters.is_declared(name)
                        || bind.iter().any(|bound| bound.name == *name)
                        || self.definition.bind.contains_key(name)
                        || parameters.is_open();
                    if !known {
                        let names: Vec<&str> = parameters.names().collect();
                        let hint = callgate_text::closest(name, &names).map_or_else(
                            || format!("declare `{name}` under `parameters` or `bind`"),
                            |near| format!("did you mean `{near}`?"),
                        );
                        let message = format!("`.parameters.{name}` is not a parameter of this action");
                        self.problems.push(
                            Problem::warning(&document.file, place, "unknown_parameter", message).hint(hint),
                        );
                    }
                }
                // What a conversation knows is found out when it is called.
                Root::Variables => {}
                Root::StaticVariables => {
                    if !reference.guarded && !self.around.static_variables.contains_key(name) {
                        let environment = self.around.environment;
                        let names: Vec<&String> = self.around.static_variables.keys().collect();
                        let hint = callgate_text::closest(name, &names).map_or_else(
                            || format!("add `{name}` under [{environment}] in variables.toml"),
                            |near| format!("did you mean `{near}`?"),
                        );
                        let message =
                            format!("the static variable `{name}` is not set in environment `{environment}`");
                        self.problems.push(
                            Problem::error(&document.file, place, "missing_static_variable", message)
                                .hint(hint),
                        );
                    }
                }
            }
        }
        Some(template)
    }

    /// Renders every combination of branches, so that what breaks only
    /// sometimes is found before a caller finds it.
    pub(super) fn check_branches(
        &mut self,
        template: &Template,
        pointer: &str,
        parameters: &Parameters,
        bind: &[Bound],
    ) {
        let mut samples = parameters.sample();
        for bound in bind {
            let value = match &bound.value {
                BoundValue::Constant(value) => value.clone(),
                BoundValue::Template(_) => Value::String("x".to_owned()),
            };
            samples.insert(bound.name.clone(), value);
        }
        let none = Map::new();
        let data =
            Data { parameters: &samples, variables: &none, static_variables: self.around.static_variables };
        let report = template.check_branches(&data);
        let all = report.failures.len() == report.combinations;
        for failure in report.failures.iter().take(if all { 1 } else { 5 }) {
            let place = self.document().at_text(pointer, failure.line.max(1), failure.column.max(1));
            let when = if failure.branches.is_empty() {
                String::new()
            } else {
                format!(" with {}", self.with_lines_of_file(&failure.branches, pointer))
            };
            let message = format!("the body is not JSON{when}: {}", failure.problem);
            let problem = if all {
                Problem::error(&self.document().file, place, "invalid_template_output", message)
            } else {
                Problem::warning(&self.document().file, place, "invalid_template_output", message)
            };
            self.problems.push(
                problem
                    .hint(format!("rendered with made-up values: {}", failure.rendered_excerpt.trim_end())),
            );
        }
    }

    /// `(line 2)` of a template as the line of the file it stands in.
    fn with_lines_of_file(&self, branches: &str, pointer: &str) -> String {
        let mut parts = branches.split("(line ");
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            let line: usize = part[..digits].parse().unwrap_or(1);
            let (line, _) = self.document().at_text(pointer, line, 1);
            text.push_str(&format!("(line {line}{}", &part[digits..]));
        }
        text
    }

    /// Whether a key that is missing was written, but wrong in a way that has
    /// been reported: misspelled, or of another type.
    pub(super) fn was_set_aside(&self, keys: &[&str]) -> bool {
        let written = self.document().value.as_object().into_iter().flat_map(Map::keys);
        written.into_iter().any(|key| {
            if keys.contains(&key.as_str()) {
                return self.definition_lacks(key);
            }
            callgate_text::closest(key, keys).is_some() && !is_known(key)
        })
    }

    fn definition_lacks(&self, key: &str) -> bool {
        let definition = self.definition;
        match key {
            "connection" => definition.connection.is_none(),
            "path" => definition.path.is_none(),
            "url" => definition.url.is_none(),
            "response" => definition.response.is_none(),
            "handover" => definition.handover.is_none(),
            _ => false,
        }
    }

    fn handover(&mut self, parameters: &Parameters, bind: &[Bound]) -> Option<Handover> {
        let definition = self.over.handover.as_ref().or(self.definition.handover.as_ref());
        match definition {
            Some(to) if to.phone_number.is_some() || to.queue.is_some() => {
                let (phone_number, queue) = (to.phone_number.clone(), to.queue.clone());
                let message = match &to.message {
                    Some(text) => {
                        let document = self.located.document.clone();
                        let pointer = self.pointer("handover") + "/message";
                        Some(self.template(&document, &pointer, text, Target::Text, parameters, bind)?)
                    }
                    None => None,
                };
                Some(Handover { phone_number, queue, message })
            }
            None if self.was_set_aside(&["handover"]) => None,
            _ => {
                let problem = self.error(
                    "/type",
                    "missing_key",
                    "an action of type `handover` needs `handover` with `phone_number`, `queue` or both",
                );
                self.problems.push(problem);
                None
            }
        }
    }
}

/// Whether `key` is a key of an action.
fn is_known(key: &str) -> bool {
    const KEYS: &[&str] =
        &["connection", "path", "url", "response", "handover", "auth", "body", "bind", "form"];
    KEYS.contains(&key)
}

/// Warns about overrides for environments that nothing else speaks of: most
/// likely misspelled, and silently without effect.
pub(crate) fn check_known<'k>(
    document: &Document,
    named: impl Iterator<Item = &'k String>,
    known: &[String],
    problems: &mut Problems,
) {
    for name in named.filter(|name| !known.contains(name)) {
        let hint = callgate_text::closest(name, known)
            .map_or_else(|| format!("known: {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
        let place = document.at_key(&pointer_to("/environments", name));
        let message = format!("nothing else speaks of an environment `{name}`");
        problems.push(Problem::warning(&document.file, place, "unknown_environment", message).hint(hint));
    }
}

/// `base` followed by `key`, escaped (RFC 6901).
pub(super) fn pointer_to(base: &str, key: &str) -> String {
    let mut pointer = base.to_owned();
    push_token(&mut pointer, key);
    pointer
}
