//! What a turn of an agent needs of the gateway: its conversation, its words, and the way to its model.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::action::output::Concealed;
use crate::action::speech::spoken;
use crate::action::template::{Data, RenderError};
use crate::action::variables::InvalidVariables;
use crate::action::{Action, AgentModel, RenderFailure, SpeechText};
use crate::auth::TokenError;
use crate::conversation::{Conversation, ConversationKey, Opening, StoreError};
use crate::egress::{Deadline, EgressError, Limits, Streaming};
use crate::secrets::{MASK, Redactor};

use super::call::body::{mask, masked_value};
use super::conversation::masks::Masks;
use super::conversation::variables;
use super::gateway::Gateway;
use super::observe::{ModelReport, TurnReport};
use super::served::{Environment, ServedAgent, Upstream};

/// Longest answer of a model, in bytes of its stream.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// How long a model may pause within its answer, where it has no longer for its first token: one that thinks pauses before
/// its calls.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// A request to a model, but for its address and credentials.
pub(crate) struct ModelRequest<'r> {
    /// The path behind the base URL, with its query.
    pub(crate) path: String,
    /// Headers of the provider.
    pub(crate) headers: &'static [(&'static str, &'static str)],
    /// The body: JSON.
    pub(crate) body: Bytes,
    /// What the headers of the definition may name.
    pub(crate) variables: &'r Map<String, Value>,
}

/// Why a model cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModelUnreached {
    /// There is no token.
    #[error("no credentials: {0}")]
    Token(#[from] TokenError),
    /// A header of the definition cannot be filled in.
    #[error("a header of the model cannot be made: {0}")]
    Headers(String),
    /// There is no head of an answer.
    #[error(transparent)]
    Egress(#[from] EgressError),
}

impl Gateway {
    /// The conversation of a turn, which begins if it has not, and stays for longer.
    ///
    /// # Errors
    ///
    /// The store's own.
    pub(crate) async fn open_for_turn(&self, key: &ConversationKey) -> Result<Arc<Conversation>, StoreError> {
        let first = Some(self.deployment().begun_by_a_call().clone());
        let opened = self.shared.store.open(key, Opening { first, ..Opening::default() }).await?;
        Ok(opened.conversation)
    }

    /// Tells those who count what became of a request to a model.
    pub(crate) fn model_asked(&self, report: &ModelReport<'_>) {
        self.shared.observers.iter().for_each(|observer| observer.model_asked(report));
    }

    /// Tells them what became of a turn.
    pub(crate) fn turn_ended(&self, report: &TurnReport<'_>) {
        self.shared.observers.iter().for_each(|observer| observer.turn_ended(report));
    }

    /// Goes on with `work` although nobody may wait for it; a stop of the server waits.
    pub(crate) fn go_on(&self, work: impl Future<Output = ()> + Send + 'static) {
        // Without a runtime there is nobody who could.
        if tokio::runtime::Handle::try_current().is_ok() {
            drop(self.background.run(work));
        }
    }

    /// The variables that the model of a turn may see.
    ///
    /// # Errors
    ///
    /// What the caller brings contradicts itself.
    pub(crate) fn turn_variables(
        &self,
        environment: &Environment,
        conversation: Option<&Conversation>,
        brought: Map<String, Value>,
    ) -> Result<Map<String, Value>, InvalidVariables> {
        let mut known = conversation.map(Conversation::nested_shown).unwrap_or_default();
        if let Some(conversation) = conversation.filter(|known| !known.concealed.is_empty()) {
            let concealed = Concealed::new(conversation.concealed.to_vec());
            known.values_mut().for_each(|value| concealed.out_of_value(value));
        }
        let id = conversation.map_or("", |conversation| conversation.key.id());
        variables::merge(known, brought, variables::always(id, &environment.name, conversation))
    }

    /// The instructions of an agent, filled in, without secrets.
    ///
    /// # Errors
    ///
    /// They name what is not there.
    pub(crate) fn instructions(
        &self,
        agent: &ServedAgent,
        variables: &Map<String, Value>,
    ) -> Result<String, RenderError> {
        let text = agent.agent.instructions.render(&data(&agent.environment, variables))?;
        Ok(Masks::secrets(&self.deployment(), &agent.environment.name).whole(text))
    }

    /// A text to say, in one line without secrets; `None` where it cannot be made, which is logged.
    pub(crate) fn words(
        agent: &ServedAgent,
        text: &SpeechText,
        language: Option<&str>,
        variables: &Map<String, Value>,
    ) -> Option<String> {
        match text.render(language, &data(&agent.environment, variables)) {
            Ok(text) => spoken(&mask(text, Some(&agent.environment.redactor), None)),
            Err(error) => {
                let cause = error.reference.as_deref().unwrap_or(error.code.as_str());
                let agent = agent.agent.name.as_str();
                tracing::warn!(agent, cause, "a text to say is left out: it cannot be rendered");
                None
            }
        }
    }

    /// Sends a request to a model, and gives the head of its answer.
    ///
    /// # Errors
    ///
    /// There is none before the deadline.
    pub(crate) async fn open_model<'m>(
        &self,
        agent: &ServedAgent,
        (model, upstream): (&AgentModel, &'m Upstream),
        request: ModelRequest<'_>,
        deadline: Deadline,
    ) -> Result<Streaming<'m>, ModelUnreached> {
        let ModelRequest { path, headers, body, variables } = request;
        let spec = model.request(&data(&agent.environment, variables), &path, body);
        let mut spec = spec.map_err(|failure: RenderFailure| ModelUnreached::Headers(failure.to_string()))?;
        for (name, value) in headers {
            spec.add_header(HeaderName::from_static(name), || HeaderValue::from_static(value));
        }
        let silence = model.first_token.max(LONGEST_PAUSE);
        let limits = Limits {
            connect_timeout: upstream.http.connect_timeout,
            read_timeout: Some(silence),
            max_response_bytes: MAX_ANSWER,
        };
        let mut is_repeated = false;
        loop {
            let resolved = upstream.credentials.resolve(&self.egress, &self.shared.tokens, deadline).await?;
            let ready = self.egress.ready(&spec, &resolved.credentials, &upstream.route, limits)?;
            let answer = ready.turn(deadline).await?.open(deadline).await?;
            if answer.status() != StatusCode::UNAUTHORIZED || is_repeated || !resolved.refuse() {
                return Ok(answer);
            }
            // The token may have been taken back: once with another one.
            answer.complete();
            is_repeated = true;
        }
    }
}

/// The arguments of a call as they may be written down: what the schema marks `x-sensitive` is masked, wherever it stands.
pub(crate) fn shown_arguments(action: &Action, arguments: &RawValue) -> Box<RawValue> {
    if !action.parameters.marks_sensitive() {
        return arguments.to_owned();
    }
    let given = serde_json::from_str(arguments.get()).unwrap_or_default();
    let sensitive = action.sensitive_texts(&given, &[]);
    let redactor = Redactor::for_values(sensitive.iter().map(String::as_str));
    let marked = action.parameters.with_masks(given, MASK);
    let shown = masked_value(marked, &|text| redactor.redact(&text).into_owned());
    to_raw_value(&shown).unwrap_or_default()
}

fn data<'d>(environment: &'d Environment, variables: &'d Map<String, Value>) -> Data<'d> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    Data { parameters: &NONE, variables, static_variables: &environment.static_variables }
}
