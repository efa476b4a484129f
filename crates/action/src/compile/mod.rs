//! Definition → [`Action`], for one environment. Keeps every problem found.

mod compiler;
mod guards;
mod headers;
mod http;
mod outputs;
mod target;
mod timeouts;

pub(crate) use self::compiler::Compiler;
pub use self::compiler::Surroundings;
pub use self::guards::check_states;
pub(crate) use self::guards::is_in;

use std::sync::Arc;
use std::time::Duration;

use callgate_definition::{ActionDefinition, ActionKind, ActionOverride, Located, Problem, Problems};
use callgate_schema::parameters::Parameters;
use callgate_template::{Root, Target, Template};
use serde_json::Value;

use super::action::{Action, Kind};
use super::bound::{Bound, BoundValue, Handover};
use super::name::ActionName;
use super::variables::VariableReads;
use super::written::{SecretUse, check_known, pointer_to};

/// How long the same write without an id is one write, where the action says nothing.
const DEFAULT_DEDUPE_WINDOW_MS: u64 = 30_000;
/// Longest description that all providers take (Vapi cuts at 1,000).
const PORTABLE_DESCRIPTION: usize = 1_000;

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
            ActionKind::Http => self.http(&parameters, &bind).map(|http| Kind::Http(Arc::new(http))),
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
