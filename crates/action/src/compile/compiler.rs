//! What compiles one action: what it reads, where its problems go, and its templates.

use serde_json::{Map, Value};

use callgate_definition::{ActionDefinition, ActionOverride, Document, Located, Problem, Problems};
use callgate_schema::parameters::{Parameters, SchemaProblem};
use callgate_template::{Data, Root, Target, Template};

use crate::bound::{Bound, samples};
use crate::template_at::TemplateAt;
use crate::upstream::Upstreams;
use crate::variables::VariableReads;
use crate::written::SecretUse;

/// What an action or an agent is compiled against.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The environment it is compiled for.
    pub environment: &'a str,
    /// Every environment anything in the project speaks of.
    pub known_environments: &'a [String],
    /// All actions, to which guards and agents refer.
    pub actions: &'a [Located<ActionDefinition>],
    /// All connections and auth connectors.
    pub upstreams: &'a Upstreams<'a>,
    /// The environment's static variables.
    pub static_variables: &'a Map<String, Value>,
}

/// One action being compiled.
pub(crate) struct Compiler<'a> {
    pub(crate) located: &'a Located<ActionDefinition>,
    pub(crate) definition: &'a ActionDefinition,
    pub(crate) over: &'a ActionOverride,
    pub(crate) around: &'a Surroundings<'a>,
    pub(crate) problems: &'a mut Problems,
    pub(crate) secrets: &'a mut Vec<SecretUse>,
    pub(crate) reads: VariableReads,
}

impl Compiler<'_> {
    pub(crate) fn document(&self) -> &Document {
        &self.located.document
    }

    /// The pointer of `key`: in the environment's override where it is set there.
    pub(crate) fn pointer(&self, key: &str) -> String {
        let over = format!("/environments/{}/{key}", self.around.environment);
        if self.document().value.pointer(&over).is_some() { over } else { format!("/{key}") }
    }

    pub(crate) fn error(&mut self, pointer: &str, code: &'static str, message: impl Into<String>) -> Problem {
        Problem::error(&self.document().file, self.document().at_value(pointer), code, message)
    }

    pub(crate) fn warning(
        &mut self,
        pointer: &str,
        code: &'static str,
        message: impl Into<String>,
    ) -> Problem {
        Problem::warning(&self.document().file, self.document().at_value(pointer), code, message)
    }

    /// Tells what is wrong with the schema at `at`.
    pub(crate) fn tell(&mut self, at: &str, problems: &[SchemaProblem]) {
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

    /// Parses a template and judges what it refers to.
    pub(crate) fn template(
        &mut self,
        document: &Document,
        pointer: &str,
        source: &str,
        target: Target,
        parameters: &Parameters,
        bind: &[Bound],
    ) -> Option<Template> {
        let at = TemplateAt { document, pointer };
        let template = at.parse(source, target, self.problems)?;
        let Surroundings { environment, static_variables, .. } = self.around;
        at.check_static_variables(&template, environment, static_variables, self.problems);
        self.read_by(at, source, &template, parameters, bind);
        Some(template)
    }

    /// Notes what a template of the action reads, and judges the parameters among that.
    pub(crate) fn read_by(
        &mut self,
        at: TemplateAt<'_>,
        source: &str,
        template: &Template,
        parameters: &Parameters,
        bind: &[Bound],
    ) {
        // What a conversation knows is found out when it is called.
        self.reads.add(source, template.references());
        for reference in template.references().iter().filter(|one| one.root == Root::Parameters) {
            let Some(name) = reference.path.first() else { continue };
            let is_known = parameters.is_declared(name)
                || bind.iter().any(|bound| bound.name == *name)
                || self.definition.bind.contains_key(name)
                || parameters.is_open();
            if is_known {
                continue;
            }
            let names: Vec<&str> = parameters.names().collect();
            let hint = callgate_text::closest(name, &names).map_or_else(
                || format!("declare `{name}` under `parameters` or `bind`"),
                |near| format!("did you mean `{near}`?"),
            );
            let message = format!("`.parameters.{name}` is not a parameter of this action");
            let place = at.place(reference.line, reference.column);
            let problem = Problem::warning(&at.document.file, place, "unknown_parameter", message);
            self.problems.push(problem.hint(hint));
        }
    }

    /// Renders every combination of branches, so that what breaks only
    /// sometimes is found before a caller finds it.
    pub(crate) fn check_branches(
        &mut self,
        template: &Template,
        pointer: &str,
        parameters: &Parameters,
        bind: &[Bound],
    ) {
        let samples = samples(parameters, bind);
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
    pub(crate) fn was_set_aside(&self, keys: &[&str]) -> bool {
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
}

/// Whether `key` is a key of an action.
fn is_known(key: &str) -> bool {
    const KEYS: &[&str] =
        &["connection", "path", "url", "response", "handover", "auth", "body", "bind", "form"];
    KEYS.contains(&key)
}
