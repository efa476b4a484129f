//! The compiled form of a template, and what callers hand in and get to know of it.

use std::fmt;

use serde_json::{Map, Value as Json};

use super::escape::Escape;
use super::literal::Literal;
use super::site::{Site, SourcePlace};

/// Where the rendered text goes; decides how values are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A JSON body: string content inside quotes, JSON values elsewhere; the whole has to be JSON.
    Json,
    /// An `application/x-www-form-urlencoded` body: values are percent-encoded, a space is `+`.
    Form,
    /// One value of a URL query: written as it is, the caller encodes the whole.
    Query,
    /// An XML body: markup characters become entities.
    Xml,
    /// Any other text: values are written as they are.
    Text,
    /// A header value: values may not hold control characters.
    Header,
    /// A URL path: each value is percent-encoded and cannot change the path's segments.
    PathSegment,
}

impl Target {
    /// Returns the target's name, in lower case with `_`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Form => "form",
            Self::Query => "query",
            Self::Xml => "xml",
            Self::Text => "text",
            Self::Header => "header",
            Self::PathSegment => "path_segment",
        }
    }

    /// Returns the target for a body of the given media type; parameters and case are ignored.
    #[must_use]
    pub fn for_content_type(content_type: &str) -> Self {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.rsplit_once('/') {
            Some((_, subtype)) if subtype == "json" || subtype.ends_with("+json") => Self::Json,
            Some((_, subtype)) if subtype == "xml" || subtype.ends_with("+xml") => Self::Xml,
            Some(("application", "x-www-form-urlencoded")) => Self::Form,
            _ => Self::Text,
        }
    }
}

/// A member of the data that templates see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Root {
    /// The arguments of the call.
    Parameters,
    /// The variables of the conversation.
    Variables,
    /// The plain values of the environment.
    StaticVariables,
}

impl Root {
    /// Every root, in the order in which they are documented.
    pub(super) const ALL: [Self; 3] = [Self::Parameters, Self::Variables, Self::StaticVariables];

    /// Returns the name under which templates know the root.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parameters => "parameters",
            Self::Variables => "variables",
            Self::StaticVariables => "static_variables",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|root| root.as_str() == name)
    }
}

/// A place in a template that reads a value whose path is known without data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The member of the data that is read.
    pub root: Root,
    /// The keys from the root down; a list index stands as its decimal digits.
    pub path: Vec<String>,
    /// Whether absence is fine here: a condition, an operand with a fallback, or a place that is only
    /// reached where the value is present.
    pub guarded: bool,
    /// The line in the template's source, from 1.
    pub line: usize,
    /// The column in the template's source, from 1, in characters.
    pub column: usize,
}

/// As a template writes it: `.parameters.email`.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ".{}", self.root.as_str())?;
        self.path.iter().try_for_each(|name| write!(f, ".{name}"))
    }
}

/// The data of one call, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Data<'a> {
    /// The arguments of the call.
    pub parameters: &'a Map<String, Json>,
    /// The variables of the conversation.
    pub variables: &'a Map<String, Json>,
    /// The plain values of the environment.
    pub static_variables: &'a Map<String, Json>,
}

impl<'a> Data<'a> {
    /// The map that `root` names.
    pub fn root(&self, root: Root) -> &'a Map<String, Json> {
        match root {
            Root::Parameters => self.parameters,
            Root::Variables => self.variables,
            Root::StaticVariables => self.static_variables,
        }
    }
}

/// A compiled template: immutable, shared between calls.
#[derive(Clone, Debug)]
pub struct Template {
    pub(super) target: Target,
    pub(super) nodes: Vec<Node>,
    pub(super) origins: Vec<Origin>,
    pub(super) references: Vec<Reference>,
    /// The number of variables that live at the same time.
    pub(super) slots: usize,
    /// The number of `if` and `with` branches.
    pub(super) arms: usize,
    /// A guess at the rendered size, in bytes.
    pub(super) size_hint: usize,
    /// Where it stands in its file, if that is known.
    pub(super) site: Option<Box<Site>>,
}

impl Template {
    /// The same, which stands there in its file.
    #[must_use]
    pub fn standing_at(self, site: Site) -> Self {
        Self { site: Some(Box::new(site)), ..self }
    }

    /// Where the template stands in its file, if that is known.
    #[must_use]
    pub fn site(&self) -> Option<&Site> {
        self.site.as_deref()
    }

    /// Where a line and a column of the template (from 1) stand in its file.
    #[must_use]
    pub fn place(&self, line: usize, column: usize) -> Option<SourcePlace> {
        self.site.as_ref().map(|site| site.at(line, column))
    }

    /// Returns the text if the template holds no action, so that nothing has to be rendered per call.
    #[must_use]
    pub fn as_static(&self) -> Option<&str> {
        match self.nodes.as_slice() {
            [] => Some(""),
            [Node::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Where the rendered text goes.
    #[must_use]
    pub fn target(&self) -> Target {
        self.target
    }

    /// Returns every reference whose path is known at load, in the order of the source.
    ///
    /// Found through `$`, `index` with literal keys, `with` and variables that are set once.
    #[must_use]
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// Returns the reference if the template is exactly one, as `{{.parameters.x}}` is.
    #[must_use]
    pub fn sole_reference(&self) -> Option<&Reference> {
        match self.nodes.as_slice() {
            [
                Node::Output {
                    expression: Expression::Path { origin, .. } | Expression::Index { origin, .. },
                    ..
                },
            ] => {
                let (_, path) = self.origins[*origin].known.as_ref()?;
                if path.is_empty() { None } else { self.references.first() }
            }
            _ => None,
        }
    }
}

/// An index into [`Template::origins`].
pub(super) type OriginId = usize;

/// What an expression looks like in the source, and where it leads.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) text: Box<str>,
    pub(super) known: Option<(Root, Vec<String>)>,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// One step of a template.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Text(Box<str>),
    Output { expression: Expression, escape: Escape, origin: OriginId },
    Set { slot: usize, expression: Expression },
    Branch { arms: Vec<Arm>, otherwise: Vec<Node> },
}

/// One `if`, `else if`, `with` or `else with`.
#[derive(Clone, Debug)]
pub(super) struct Arm {
    /// The place of the arm among all arms of the template.
    pub(super) id: usize,
    /// Whether the condition's value becomes the dot of the body.
    pub(super) is_with: bool,
    /// The variable that takes the condition's value.
    pub(super) bind: Option<usize>,
    pub(super) condition: Expression,
    /// The keyword and its condition.
    pub(super) origin: OriginId,
    pub(super) body: Vec<Node>,
}

/// What yields a value.
#[derive(Clone, Debug)]
pub(super) enum Expression {
    Literal(Literal),
    Nil(OriginId),
    /// A value and the fields taken from it.
    Path {
        base: Base,
        fields: Box<[Box<str>]>,
        origin: OriginId,
    },
    Index {
        item: Box<Expression>,
        keys: Box<[Expression]>,
        origin: OriginId,
    },
    And(Box<[Expression]>),
    Or(Box<[Expression]>, OriginId),
    Not(Box<Expression>),
    Compare {
        operator: Operator,
        operands: Box<[Expression]>,
        origin: OriginId,
    },
}

/// What fields are taken from.
#[derive(Clone, Debug)]
pub(super) enum Base {
    /// The data itself, as `$` is.
    Data,
    Root(Root),
    /// The dot of the `with` of that arm.
    Dot {
        arm: usize,
    },
    /// A variable; `declaration` tells two of the same slot apart, `None` one that is set more than once.
    Slot {
        slot: usize,
        declaration: Option<usize>,
    },
    Computed(Box<Expression>),
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}
