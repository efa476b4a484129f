//! Actions, as meant: an [`Action`] that exists is valid.
//!
//! Pure: no async, no I/O. [`compile()`] turns a definition into an action for
//! one environment, [`HttpAction::render`] turns checked arguments into the exact
//! request, [`output`] takes values out of the response.

mod name;
pub mod secret_like;
mod connector;
mod url;
mod request;
mod multipart;
pub mod output;
pub mod variables;
mod compile;
mod compile_http;
mod compile_target;
mod compile_headers;
mod compile_outputs;
mod guards;
mod guard_rules;
mod connection;
mod fields;
mod fixed;
mod head;
mod headers;
mod states;
mod timeouts;
mod unused;
mod retry;
mod http_action;
pub mod speech;

pub use self::compile::{SecretUse, Surroundings, compile};
pub use self::connection::{
    BreakerRules, ClientSource, ConnectionRules, FileSource, KeySource, LimitRules, RateRules, TlsSource,
};
pub use self::connector::{Connector, Credential, OAuth2Client, TokenEndpoint, ValueSource};
pub use self::fixed::FixedAnswer;
pub use self::guards::{GuardError, Guards, KnownConversation};
pub use self::head::{LongValue, TooLong};
pub use self::headers::is_transport_header;
pub use self::http_action::{Body, HttpAction, PlainHeader, SecretHeader, WrittenAt};
pub use self::name::{ActionName, InvalidActionName};
pub use self::request::{RenderFailure, RequestSpec};
pub use self::retry::RetryPolicy;
pub use self::speech::{DelayedSpeech, Speech, SpeechText};
pub use self::states::check_states;
pub use self::unused::check_unused;
pub use self::variables::VariableReads;
pub use callgate_definition::{Hook, NextStates};
pub use callgate_schema::parameters;
pub use callgate_template as template;

use std::time::Duration;

use serde_json::{Map, Value};

use self::output::{Condition, Extracted, Output, Response};
use self::parameters::{InvalidArguments, OutputSchema, Parameters};
use self::template::{Data, Template};

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
    model_schema: Value,
}

/// What an action does.
#[derive(Debug)]
pub enum Kind {
    /// Calls an upstream.
    Http(Box<HttpAction>),
    /// Answers by itself.
    Static(FixedAnswer),
    /// Hands the caller over.
    Handover(Handover),
}

/// Where a handover leads.
#[derive(Debug)]
pub struct Handover {
    /// E.164 number.
    pub phone_number: Option<String>,
    /// Name of a queue.
    pub queue: Option<String>,
    message: Option<Template>,
}

/// A value that wins over the model's argument of the same name.
#[derive(Debug)]
pub struct Bound {
    /// Name of the parameter.
    pub name: String,
    /// Where the value comes from.
    pub value: BoundValue,
}

/// Where a bound value comes from.
#[derive(Debug)]
pub enum BoundValue {
    /// A constant.
    Constant(Value),
    /// A template; a sole reference keeps its JSON type.
    Template(Template),
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

    /// What of a call must not be written down: the arguments that `x-sensitive` marks, and
    /// the output variables that are `sensitive`, exposed or not. For a log or an event, make
    /// a redactor of them by `secrets::Redactor::for_values`.
    pub fn sensitive_texts(&self, arguments: &Map<String, Value>, extracted: &[Extracted]) -> Vec<String> {
        let mut texts = self.parameters.sensitive_texts(arguments);
        let outputs = extracted.iter().filter(|one| one.sensitive);
        texts.extend(outputs.flat_map(|one| output::sought_texts(&one.value)));
        texts
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
