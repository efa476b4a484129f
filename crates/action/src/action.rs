//! What a model may do.

use std::sync::Arc;
use std::time::Duration;

use callgate_definition::{Hook, NextStates};
use callgate_schema::parameters::{InvalidArguments, OutputSchema, Parameters};
use callgate_template::{BranchRendering, Data, Template};
use serde_json::{Map, Value};

use super::bound::{Bound, BoundValue, Handover, samples};
use super::failure::RenderFailure;
use super::fields;
use super::fixed::FixedAnswer;
use super::guards::{GuardError, Guards, KnownConversation};
use super::http_action::{Body, HttpAction};
use super::name::ActionName;
use super::output::{self, Condition, Extracted, Output, Response};
use super::speech::Speech;
use super::variables::VariableReads;

/// What a model may do, in one environment.
#[derive(Debug)]
pub struct Action {
    /// The name a model calls it by.
    pub name: ActionName,
    /// What it does and when to use it.
    pub description: String,
    /// What the model must fill in.
    pub parameters: Parameters,
    /// Values the model neither sees nor sets.
    pub bind: Vec<Bound>,
    /// What happens when it is called.
    pub kind: Kind,
    /// Values to take from the response.
    pub outputs: Vec<Output>,
    /// What of the response the model is shown.
    pub response: Response,
    /// What the body of a success is, as the model is shown it.
    pub output_schema: Option<OutputSchema>,
    /// Time for the whole call.
    pub timeout: Duration,
    /// What a caller hears while it runs.
    pub speech: Speech,
    /// The file it is defined in, for the operator.
    pub file: String,
    /// What its templates read of `.variables`.
    pub reads: VariableReads,
    /// How long the same write without an id is answered with the first one's result.
    pub dedupe_window: Duration,
    /// What it asks of its conversation.
    pub guards: Guards,
    /// What a 2xx answer must be to count as a success.
    pub success_when: Option<Condition>,
    /// The state of the conversation after the call.
    pub next_state: NextStates,
    /// When it runs by itself; then no model is offered it.
    pub on: Option<Hook>,
    pub(crate) model_schema: Value,
}

/// What an action does.
#[derive(Debug)]
pub enum Kind {
    /// Calls an upstream.
    Http(Arc<HttpAction>),
    /// Answers by itself.
    Static(FixedAnswer),
    /// Hands the caller over.
    Handover(Handover),
}

impl Action {
    /// The JSON Schema the model is offered: the parameters without the bound ones.
    pub fn model_schema(&self) -> &Value {
        &self.model_schema
    }

    /// The schema of the argument that a model gives as `name`: its own, or an alias.
    pub fn offered(&self, name: &str) -> Option<&Value> {
        self.model_schema.get("properties")?.get(self.parameters.name_of(name))
    }

    /// Whether what it sends, asks or says depends on `.variables`.
    pub fn reads_variables(&self) -> bool {
        self.reads.any || self.guards.read_variables() || self.speech.reads_variables
    }

    /// Whether it may read the variables whose names begin with the part `first`. Paths of guards, and languages of what is
    /// said, are not looked through: they may read any.
    pub fn may_read(&self, first: &str) -> bool {
        self.guards.read_variables() || self.speech.reads_variables || self.reads.may_read(first)
    }

    /// Whether the action cannot change anything upstream (RFC 9110 section 9.2.1).
    pub fn is_safe(&self) -> bool {
        match &self.kind {
            Kind::Http(http) => http.method.is_safe(),
            Kind::Static(_) | Kind::Handover(_) => true,
        }
    }

    /// Whether doing it twice is the same as doing it once: by the method (RFC
    /// 9110 section 9.2.2) or by the action's own word.
    pub fn is_idempotent(&self) -> bool {
        match &self.kind {
            Kind::Http(http) => http.retry.idempotent,
            Kind::Static(_) | Kind::Handover(_) => true,
        }
    }

    /// What templates see as `.parameters`: the model's arguments, checked and
    /// completed with defaults, under the bound values, which always win.
    ///
    /// # Errors
    ///
    /// Fails where the arguments break the schema, or where a bound template
    /// needs a value that is absent.
    pub fn parameters(
        &self,
        mut arguments: Map<String, Value>,
        variables: &Map<String, Value>,
        static_variables: &Map<String, Value>,
    ) -> Result<Map<String, Value>, ParametersFailure> {
        for bound in &self.bind {
            arguments.shift_remove(&bound.name);
        }
        // A bound value that the schema declares is checked like an argument.
        self.bind(true, &mut arguments, variables, static_variables)?;
        let mut parameters = self.parameters.validate(arguments)?.into_map();
        self.bind(false, &mut parameters, variables, static_variables)?;
        Ok(parameters)
    }

    /// Asks the guards of the action, but for `max_calls`, which only the store can count.
    /// `known` is an object with the member `variables`.
    ///
    /// # Errors
    ///
    /// The first thing that stands in the way.
    pub fn check_guards(
        &self,
        conversation: Option<&dyn KnownConversation>,
        known: &Value,
        parameters: &Map<String, Value>,
    ) -> Result<(), GuardError> {
        let is_sensitive = |sent: &Map<String, Value>| self.parameters.has_sensitive(sent);
        self.guards.check(conversation, known, parameters, &is_sensitive)
    }

    /// What of a call must not be written down: the arguments that `x-sensitive` marks, and
    /// the output variables that are `sensitive`, exposed or not. For a log or an event, make
    /// a redactor of them by `secrets::Redactor::for_values`.
    pub fn sensitive_texts(&self, arguments: &Map<String, Value>, extracted: &[Extracted]) -> Vec<String> {
        let mut texts = self.parameters.sensitive_texts(arguments);
        let outputs = extracted.iter().filter(|one| one.sensitive);
        texts.extend(outputs.flat_map(|one| output::sought_texts(&one.value)));
        texts
    }

    /// Renders every combination of branches of the body's template, up to 256, with made-up values; the second value
    /// says whether there are more. `None` where the body is no template.
    pub fn branch_renderings(
        &self,
        static_variables: &Map<String, Value>,
    ) -> Option<(Vec<BranchRendering>, bool)> {
        let Kind::Http(http) = &self.kind else { return None };
        let Body::Template(template) = &http.body else { return None };
        let (parameters, none) = (samples(&self.parameters, &self.bind), Map::new());
        let data = Data { parameters: &parameters, variables: &none, static_variables };
        Some(template.branch_renderings(&data))
    }

    /// The templates of its request, and of what it binds.
    pub fn templates(&self) -> Vec<&Template> {
        let bound = self.bind.iter().filter_map(|bound| match &bound.value {
            BoundValue::Template(template) => Some(template),
            BoundValue::Constant(_) => None,
        });
        let mut templates: Vec<&Template> = bound.collect();
        if let Kind::Http(http) = &self.kind {
            templates.extend(http.templates());
        }
        templates
    }

    fn bind(
        &self,
        declared: bool,
        parameters: &mut Map<String, Value>,
        variables: &Map<String, Value>,
        static_variables: &Map<String, Value>,
    ) -> Result<(), RenderFailure> {
        let mut failed: Option<RenderFailure> = None;
        for bound in self.bind.iter().filter(|bound| self.parameters.is_declared(&bound.name) == declared) {
            let value = match &bound.value {
                BoundValue::Constant(value) => Ok(value.clone()),
                BoundValue::Template(template) => {
                    let data = Data { parameters, variables, static_variables };
                    fields::native(template, &data, &format!("bind.{}", bound.name))
                }
            };
            match (value, failed.take()) {
                (Ok(value), None) => drop(parameters.insert(bound.name.clone(), value)),
                (Err(failure), None) => failed = Some(failure),
                // The rest is looked at only for what else is missing.
                (Ok(_), Some(first)) => failed = Some(first),
                (Err(failure), Some(first)) => failed = Some(first.and_missing(failure.into_missing())),
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

/// Why there are no parameters to render a request from.
#[derive(Debug, thiserror::Error)]
pub enum ParametersFailure {
    /// The model's arguments break the schema.
    #[error(transparent)]
    Arguments(#[from] InvalidArguments),
    /// A bound value cannot be had.
    #[error(transparent)]
    Bind(#[from] RenderFailure),
}
