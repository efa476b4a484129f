//! A request in the words of its source, whatever the source is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::import::draft::ParametersDraft;

use super::Known;

/// A request, in the words of its source.
#[derive(Clone, Debug, Default)]
pub(in crate::import) struct PlainRequest {
    /// Where in the source it stands.
    pub(in crate::import) place: String,
    /// What the tool shall be called; empty for a name made of the request.
    pub(in crate::import) name: String,
    /// What it does; may be empty.
    pub(in crate::import) description: String,
    /// Whether the description is written for a model, so that it stays whole.
    pub(in crate::import) is_for_model: bool,
    /// Folders or tags.
    pub(in crate::import) tags: Vec<String>,
    /// The method; `None` for the one that follows from the body.
    pub(in crate::import) method: Option<String>,
    pub(in crate::import) url: String,
    /// Query parameters besides those of `url`, decoded.
    pub(in crate::import) query: Vec<(String, String)>,
    /// What the source says of query parameters, headers and fields of a form, by their names.
    pub(in crate::import) descriptions: BTreeMap<String, String>,
    /// Query parameters, headers and fields that a call may go without.
    pub(in crate::import) optional: BTreeSet<String>,
    /// Whether its host is not the one that `--base-url` is given for.
    pub(in crate::import) is_elsewhere: bool,
    /// What the source says of `:name` in the path.
    pub(in crate::import) path_variables: BTreeMap<String, PathVariable>,
    pub(in crate::import) headers: Vec<(String, String)>,
    /// User and password of `Authorization: Basic`.
    pub(in crate::import) basic: Option<(String, String)>,
    /// Credentials that the source names in its own way.
    pub(in crate::import) connector: Option<NamedConnector>,
    pub(in crate::import) body: PlainBody,
    pub(in crate::import) timeout_ms: Option<u64>,
    /// The parameters that the source declares for a model.
    pub(in crate::import) parameters: ParametersDraft,
    /// Whether `{name}` is a placeholder.
    pub(in crate::import) single: bool,
    /// Whether examples of values are parameters.
    pub(in crate::import) infers: bool,
    /// Whether a placeholder that is no parameter becomes one; else it is a
    /// variable of the conversation.
    pub(in crate::import) adopts: bool,
    /// Placeholders whose text is known.
    pub(in crate::import) known: Arc<Known>,
    pub(in crate::import) output_variables: Vec<Value>,
    /// Names of variables that mean one of ours, such as the id of the call.
    pub(in crate::import) aliases: BTreeMap<String, String>,
    /// Output variables that had another name in the source: theirs, ours.
    pub(in crate::import) renamed: Vec<(String, String)>,
    /// Values that the model does not choose; texts may hold placeholders.
    pub(in crate::import) bind: Vec<(String, Value)>,
    /// Declared parameters that travel in the query whatever the method.
    pub(in crate::import) in_query: Vec<String>,
    /// Headers that a declared parameter fills: header, parameter.
    pub(in crate::import) in_headers: Vec<(String, String)>,
    /// Headers whose value the product keeps as a secret of this name; without
    /// a name, one is made of the header.
    pub(in crate::import) secret_headers: Vec<(String, String)>,
    /// What a caller hears while it runs; texts may hold placeholders.
    pub(in crate::import) speech: PlainSpeech,
    /// What a 2xx answer must be, where failures stand in the body.
    pub(in crate::import) success_when: Option<&'static str>,
    /// A body in our own template.
    pub(in crate::import) template: Option<String>,
    /// What is known to be lost before the request is looked at: code, sentence, hint.
    pub(in crate::import) losses: Vec<(&'static str, String, &'static str)>,
}

/// What a source says of a parameter of the path.
#[derive(Clone, Debug, Default)]
pub(in crate::import) struct PathVariable {
    pub(in crate::import) description: String,
    /// An example, or a text with placeholders that stands for it.
    pub(in crate::import) value: String,
}

/// What a caller hears, in the words of its source.
#[derive(Clone, Debug, Default)]
pub(in crate::import) struct PlainSpeech {
    /// When a call goes ahead.
    pub(in crate::import) start: Option<PlainTexts>,
    /// When it takes longer than so many milliseconds.
    pub(in crate::import) delayed: Option<(u64, PlainTexts)>,
    /// When it has failed.
    pub(in crate::import) failed: Option<PlainTexts>,
    /// Whether the model says something in its own words before a call.
    pub(in crate::import) say: bool,
}

/// A text, or one for each language.
pub(in crate::import) type PlainTexts = Vec<(Option<String>, String)>;

/// An auth connector: its keys, where `{"secret": wish, "value": text or null}`
/// stands for a secret.
#[derive(Clone, Debug)]
pub(in crate::import) struct NamedConnector {
    pub(in crate::import) wish: String,
    pub(in crate::import) keys: Map<String, Value>,
}

/// A body, in the words of its source.
#[derive(Clone, Debug, Default)]
pub(in crate::import) enum PlainBody {
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
pub(in crate::import) struct Graphql {
    pub(in crate::import) query: String,
    /// JSON text of an object, or empty.
    pub(in crate::import) variables: String,
    /// The operation of `query` that is meant, where there are several.
    pub(in crate::import) operation: String,
}

/// A part of a multipart body that is no file.
#[derive(Clone, Debug)]
pub(in crate::import) struct PlainPart {
    pub(in crate::import) name: String,
    pub(in crate::import) value: String,
    pub(in crate::import) content_type: Option<String>,
}

/// Why a request is refused: code, message, hint.
#[derive(Clone, Debug)]
pub(in crate::import) struct Refusal(
    pub(in crate::import) &'static str,
    pub(in crate::import) String,
    pub(in crate::import) &'static str,
);
