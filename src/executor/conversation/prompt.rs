//! A prompt filled in with what the model may see.

use serde_json::{Map, Value};

use crate::action::output::Concealed;
use crate::action::template::{
    Data, RenderError, RenderErrorCode, Root, Target, Template, TemplateError, TemplateErrorCode,
};
use crate::action::variables::InvalidVariables;
use crate::conversation::{Conversation, ConversationKey, heap_bytes};

use crate::executor::aside::Seat;
use crate::executor::gateway::{Gateway, WEIGHT_OF_ARGUMENTS};

use super::lifecycle::ConversationError;
use super::masks::Masks;
use super::variables;

/// Longest template of a prompt, in bytes.
pub const MAX_PROMPT_BYTES: usize = 64 * 1024;
/// Longest text that a prompt may become, in bytes.
const MAX_TEXT_BYTES: usize = 1024 * 1024;

/// A prompt to fill in.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// Whose variables it names.
    pub conversation: ConversationKey,
    /// The text with its references, in the restricted template language.
    pub template: String,
    /// Variables of this prompt alone: dotted names, nested objects, or both.
    /// They win over what the conversation knows.
    pub variables: Map<String, Value>,
}

/// Why there is no text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// The conversation.
    #[error(transparent)]
    Conversation(#[from] ConversationError),
    /// The variables that came with the prompt.
    #[error("invalid variables: {0}")]
    Variables(#[from] InvalidVariables),
    /// The template is none; each problem has its place.
    #[error("the template cannot be used: {}", .0.first().map_or("", |error| error.message.as_str()))]
    Template(Vec<TemplateError>),
    /// The template cannot be filled in.
    #[error("{}", told(.0, *.1))]
    Render(RenderError, IsKept),
    /// The text would be too long.
    #[error("the text is longer than {MAX_TEXT_BYTES} bytes")]
    TooLong,
}

/// Whether a variable that is missing is there, and kept from the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsKept {
    /// It is not there.
    No,
    /// It is there.
    Yes,
}

fn told(error: &RenderError, kept: IsKept) -> String {
    let place = format!("line {} column {}", error.line, error.column);
    let reference = error.reference.as_deref().unwrap_or("a value");
    match (error.code, kept) {
        (RenderErrorCode::MissingVariable, IsKept::Yes) => {
            format!("`{reference}` at {place} is kept from the model, so that no prompt can hold it")
        }
        (RenderErrorCode::MissingVariable, IsKept::No) => format!(
            "`{reference}` at {place} is not there; give a fallback, such as {{{{or {reference} \"…\"}}}}"
        ),
        (RenderErrorCode::TemplateError | RenderErrorCode::InvalidTemplateOutput, _) => {
            format!("{} at {place}", error.message)
        }
    }
}

impl Gateway {
    /// Fills in a prompt with the variables that the model may see, the static
    /// variables of the environment, and what is always there.
    ///
    /// # Errors
    ///
    /// The template is none, or names what is not there or kept from the model.
    pub async fn render_prompt(&self, prompt: Prompt) -> Result<String, PromptError> {
        let seat = self.seat_for_prompt(prompt.template.len()).await;
        let template = compile(&prompt.template).map_err(PromptError::Template)?;
        drop(seat);
        let conversation = self.find_conversation(&prompt.conversation).await?;
        let brought: usize = prompt.variables.values().map(heap_bytes).sum();
        let concealed: usize = conversation.concealed.iter().map(String::len).sum();
        let _seat =
            self.seat_for_prompt(prompt.template.len() + conversation.bytes + brought + concealed).await;
        let deployment = self.deployment();
        let key = &prompt.conversation;
        let mut known = conversation.nested_shown();
        let concealed = Concealed::new(conversation.concealed.to_vec());
        known.values_mut().for_each(|value| concealed.out_of_value(value));
        let always = variables::always(key.id(), key.environment(), Some(&conversation));
        let variables = variables::merge(known, prompt.variables, always)?;
        let none = Map::new();
        let environment = deployment.environment(key.environment());
        let static_variables = environment.map_or(&none, |environment| environment.static_variables());
        let data = Data { parameters: &none, variables: &variables, static_variables };
        let text = template.render(&data).map_err(|error| {
            let kept = is_kept(&error, &conversation);
            PromptError::Render(error, kept)
        })?;
        if text.len() > MAX_TEXT_BYTES {
            return Err(PromptError::TooLong);
        }
        Ok(Masks::secrets(&deployment, key.environment()).whole(text))
    }
}

impl Gateway {
    /// A seat for the work on so many bytes of a prompt; what cannot have one is done all the same, for it is bounded.
    async fn seat_for_prompt(&self, bytes: usize) -> Option<Seat> {
        let bytes = bytes.saturating_mul(WEIGHT_OF_ARGUMENTS);
        self.seat_if_any(bytes).await
    }
}

fn compile(source: &str) -> Result<Template, Vec<TemplateError>> {
    if source.len() > MAX_PROMPT_BYTES {
        return Err(vec![TemplateError {
            code: TemplateErrorCode::TemplateSyntax,
            line: 1,
            column: 1,
            message: format!("the template is longer than {MAX_PROMPT_BYTES} bytes"),
            construct: None,
            hint: None,
        }]);
    }
    let template = Template::parse(source, Target::Text)?;
    let parameters = template.references().iter().filter(|reference| reference.root == Root::Parameters);
    let forbidden: Vec<TemplateError> = parameters
        .map(|reference| {
            let path = reference.path.join(".");
            TemplateError {
                code: TemplateErrorCode::ForbiddenConstruct,
                line: reference.line,
                column: reference.column,
                message: format!("`.parameters.{path}`: a prompt has no parameters, it is no call of a tool"),
                construct: Some(".parameters".to_owned()),
                hint: Some(format!("a variable of the conversation is `.variables.{path}`")),
            }
        })
        .collect();
    if forbidden.is_empty() { Ok(template) } else { Err(forbidden) }
}

/// Whether what is missing is a variable that the model may not see.
fn is_kept(error: &RenderError, conversation: &Conversation) -> IsKept {
    let Some((Root::Variables, path)) = &error.root_and_path else { return IsKept::No };
    let nested = Value::Object(conversation.nested(|_| true));
    let found = path.iter().try_fold(&nested, |value, key| value.get(key));
    if !path.is_empty() && found.is_some_and(|value| !value.is_null()) { IsKept::Yes } else { IsKept::No }
}
