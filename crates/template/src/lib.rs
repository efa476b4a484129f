//! The restricted Go template: how a definition says what is sent.
//!
//! A template is compiled once, when its action is loaded, and then rendered per call:
//!
//! ```text
//! source ─► scan ─────────► syntax ──────────────► tree ──────────► render
//!           Go's lexical    gotmpl's parser, then  compiled nodes,  values straight
//!           rules, blocks,  restrict, scopes,      escape per       from the JSON,
//!           functions       JSON contexts          output           absence named
//! ```
//!
//! `scan` exists because `gotmpl`'s lexer and parser accept more than Go does; whatever passes it
//! has the shape Go demands, is small enough to be walked by recursion, and holds only allowed words.
//! `gotmpl` sees a *masked* source, in which texts, comments, trim markers and literals are blanks, so
//! only the structure is its concern and every offset stays the one in the source.
//!
//! Absence is a value here, not an error: it is false in a condition, unequal to everything, and named
//! as it was written when it is printed or ordered.
//!
//! ```text
//! {"guest": "{{.parameters.name}}", "party": {{.parameters.size}}}    with Ann "A", 4
//! {"guest": "Ann \"A\"", "party": 4}
//! ```

mod error;
mod literal;
mod scan;
mod tokens;
mod syntax;
mod scope;
mod expression;
mod json_context;
mod site;
mod tree;
mod trace;
mod value;
mod number;
mod escape;
mod rendered;
mod render;
mod conditions;
mod traced;
mod branches;

pub use branches::{BranchFailure, BranchRendering, BranchReport};
pub use error::{RenderError, RenderErrorCode, TemplateError, TemplateErrorCode};
pub use number::compare_numbers;
pub use site::{Site, SourcePlace};
pub use trace::{Trace, TracedBranch, TracedValue};
pub use tree::{Data, Reference, Root, Target, Template};

#[cfg(test)]
mod tests;
