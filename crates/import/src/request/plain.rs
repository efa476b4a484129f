//! A request in the words of its source, whatever the source is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::draft::ParametersDraft;

use super::Known;

/// A request, in the words of its source.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlainRequest {
    /// Where in the source it stands.
    pub(crate) place: String,
    /// What the tool shall be called; empty for a name made of the request.
    pub(crate) name: String,
    /// What it does; may be empty.
    pub(crate) description: String,
    /// Whether the description is written for a model, so that it stays whole.
    pub(crate) is_for_model: bool,
    /// Folders or tags.
    pub(crate) tags: Vec<String>,
    /// The method; `None` for the one that follows from the body.
    pub(crate) method: Option<String>,
    pub(crate) url: String,
    /// Query parameters besides those of `url`, decoded.
    pub(crate) query: Vec<(String, String)>,
    /// What the source says of query parameters, headers and fields of a form, by their names.
    pub(crate) descriptions: BTreeMap<String, String>,
    /// Query parameters, headers and fields that a call may go without.
    pub(crate) optional: BTreeSet<String>,
    /// Whether its host is not the one that `--base-url` is given for.
    pub(crate) is_elsewhere: bool,
    /// What the source says of `:name` in the path.
    pub(crate) path_variables: BTreeMap<String, PathVariable>,
    pub(crate) headers: Vec<(String, String)>,
    /// User and password of `Authorization: Basic`.
    pub(crate) basic: Option<(String, String)>,
    /// Credentials that the source names in its own way.
    pub(crate) connector: Option<NamedConnector>,
    pub(crate) body: PlainBody,
    pub(crate) timeout_ms: Option<u64>,
    /// The parameters that the source declares for a model.
    pub(crate) parameters: ParametersDraft,
    /// Whether `{name}` is a placeholder.
    pub(crate) single: bool,
    /// Whether examples of values are parameters.
    pub(crate) infers: bool,
    /// Whether a placeholder that is no parameter becomes one; else it is a
    /// variable of the conversation.
    pub(crate) adopts: bool,
    /// Placeholders whose text is known.
    pub(crate) known: Arc<Known>,
    pub(crate) output_variables: Vec<Value>,
    /// Names of variables that mean one of ours, such as the id of the call.
    pub(crate) aliases: BTreeMap<String, String>,
    /// Output variables that had another name in the source: theirs, ours.
    pub(crate) renamed: Vec<(String, String)>,
    /// Values that the model does not choose; texts may hold placeholders.
    pub(crate) bind: Vec<(String, Value)>,
    /// Declared parameters that travel in the query whatever the method.
    pub(crate) in_query: Vec<String>,
    /// Headers that a declared parameter fills: header, parameter.
    pub(crate) in_headers: Vec<(String, String)>,
    /// Headers whose value the product keeps as a secret of this name; without
    /// a name, one is made of the header.
    pub(crate) secret_headers: Vec<(String, String)>,
    /// What a caller hears while it runs; texts may hold placeholders.
    pub(crate) speech: PlainSpeech,
    /// What a 2xx answer must be, where failures stand in the body.
    pub(crate) success_when: Option<&'static str>,
    /// A body in our own template.
    pub(crate) template: Option<String>,
    /// What is known to be lost before the request is looked at: code, sentence, hint.
    pub(crate) losses: Vec<(&'static str, String, &'static str)>,
}

/// What a source says of a parameter of the path.
#[derive(Clone, Debug, Default)]
pub(crate) struct PathVariable {
    pub(crate) description: String,
    /// An example, or a text with placeholders that stands for it.
    pub(crate) value: String,
}

/// What a caller hears, in the words of its source.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlainSpeech {
    /// When a call goes ahead.
    pub(crate) start: Option<PlainTexts>,
    /// When it takes longer than so many milliseconds.
    pub(crate) delayed: Option<(u64, PlainTexts)>,
    /// When it has failed.
    pub(crate) failed: Option<PlainTexts>,
    /// Whether the model says something in its own words before a call.
    pub(crate) say: bool,
}

/// A text, or one for each language.
pub(crate) type PlainTexts = Vec<(Option<String>, String)>;

/// An auth connector: its keys, where `{"secret": wish, "value": text or null}`
/// stands for a secret.
#[derive(Clone, Debug)]
pub(crate) struct NamedConnector {
    pub(crate) wish: String,
    pub(crate) keys: Map<String, Value>,
}

/// A body, in the words of its source.
#[derive(Clone, Debug, Default)]
pub(crate) enum PlainBody {
    /// No body; declared parameters travel as the method has it.
    #[default]
    Flat,
    /// JSON text, maybe with placeholders.
    Json(String),
    /// Form fields, decoded.
    Form(Vec<(String, String)>),
    /// Parts.
    Multipart(Vec<PlainPart>),
    /// A request of GraphQL.
    Graphql(Graphql),
    /// Text of another media type.
    Text(String),
}

impl PlainBody {
    /// Whether it sends nothing: no body, or a form without a field.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Flat => true,
            Self::Form(fields) => fields.is_empty(),
            Self::Multipart(parts) => parts.is_empty(),
            Self::Json(_) | Self::Graphql(_) | Self::Text(_) => false,
        }
    }
}

/// A request of GraphQL, in the words of its source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graphql {
    pub(crate) query: String,
    /// JSON text of an object, or empty.
    pub(crate) variables: String,
    /// The operation of `query` that is meant, where there are several.
    pub(crate) operation: String,
}

/// A part of a multipart body that is no file.
#[derive(Clone, Debug)]
pub(crate) struct PlainPart {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) content_type: Option<String>,
}

/// Why a request is refused: code, message, hint.
#[derive(Clone, Debug)]
pub(crate) struct Refusal(pub(crate) &'static str, pub(crate) String, pub(crate) &'static str);
