//! Why a request could not be made from its arguments.

use std::fmt;

use callgate_template::{RenderError, RenderErrorCode, Root};

/// Most values that a failure names besides the first one.
pub(crate) const MAX_MISSING: usize = 9;

/// Why a request could not be made from its arguments.
#[derive(Debug, thiserror::Error)]
pub enum RenderFailure {
    /// A template failed.
    #[error("cannot fill in `{place}`: {error}")]
    Template {
        /// Where the template stands, such as `body` or `headers.X-Note`.
        place: String,
        /// What is wrong.
        error: Box<RenderError>,
        /// What else is missing, where a value is.
        others: Vec<RenderError>,
    },
    /// A header value that HTTP cannot carry.
    #[error("the value of `{place}` may not hold control characters")]
    HeaderValue {
        /// Where the value stands.
        place: String,
    },
    /// A URL or a header value that is longer than allowed.
    #[error(transparent)]
    TooLong(Box<TooLong>),
}

impl RenderFailure {
    pub(crate) fn template(place: &str, error: RenderError) -> Self {
        Self::Template { place: place.to_owned(), error: Box::new(error), others: Vec::new() }
    }

    /// The same, with everything else that is missing, where a value is. A reference counts once.
    pub(crate) fn and_missing(mut self, found: impl IntoIterator<Item = RenderError>) -> Self {
        if let Self::Template { error, others, .. } = &mut self
            && error.code == RenderErrorCode::MissingVariable
        {
            for one in found {
                let is_new = one.reference != error.reference
                    && others.iter().all(|known| known.reference != one.reference);
                if is_new && others.len() < MAX_MISSING {
                    others.push(one);
                }
            }
        }
        self
    }

    /// What is missing of it, where a value is.
    pub(crate) fn into_missing(self) -> Vec<RenderError> {
        match self {
            Self::Template { error, others, .. } if error.code == RenderErrorCode::MissingVariable => {
                std::iter::once(*error).chain(others).collect()
            }
            Self::Template { .. } | Self::HeaderValue { .. } | Self::TooLong(_) => Vec::new(),
        }
    }
}

/// A part of a request's head that is longer than allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{place}` of the request comes to {bytes} bytes, more than `limits.max_url_bytes` allows ({limit}){}",
    longest.as_ref().map(|longest| format!("; the longest value in it is `{longest}`")).unwrap_or_default()
)]
pub struct TooLong {
    /// What is too long: `url`, or `headers.X-Note`.
    pub place: String,
    /// Its length.
    pub bytes: usize,
    /// The longest that is allowed.
    pub limit: usize,
    /// The longest value in it.
    pub longest: Option<LongValue>,
}

/// Where a long value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LongValue {
    /// Arguments, or variables.
    pub root: Root,
    /// Its path there.
    pub path: Vec<String>,
    /// Whether a definition binds it: then no model can shorten it.
    pub is_bound: bool,
}

impl fmt::Display for LongValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ".{}.{}", self.root.as_str(), self.path.join("."))
    }
}
