//! How long the URL and the headers of a request may be, and which value makes them too long.

use serde_json::Value;

use super::bound::Bound;
use super::failure::{LongValue, RenderFailure, TooLong};
use super::http_action::{Body, HttpAction};
use super::request::RequestSpec;
use callgate_template::{Data, Reference, Root};

impl HttpAction {
    /// Checks that the URL of `request`, and each header that a template fills, has at most `limit` bytes.
    /// `data` is what the request was rendered with, `bound` what the action binds.
    ///
    /// Servers refuse longer ones in ways of their own; some just hang up, which looks like a fault of the service.
    ///
    /// # Errors
    ///
    /// One of them is longer.
    pub fn check_head(
        &self,
        request: &RequestSpec,
        data: &Data<'_>,
        bound: &[Bound],
        limit: usize,
    ) -> Result<(), RenderFailure> {
        let too_long = |place: String, bytes, longest: Option<Written>| {
            let longest = longest.map(|Written { root, path, .. }| {
                let is_bound =
                    root == Root::Parameters && bound.iter().any(|bound| path.first() == Some(&bound.name));
                LongValue { root, path, is_bound }
            });
            Err(RenderFailure::TooLong(Box::new(TooLong { place, bytes, limit, longest })))
        };
        if request.url.len() > limit {
            let longest = self.in_url(*data).into_iter().max_by_key(|written| written.bytes);
            return too_long("url".to_owned(), request.url.len(), longest);
        }
        for header in &self.headers {
            let Some(field) = &header.field else { continue };
            let sent = request.headers.iter().find(|(name, _)| *name == header.name);
            let Some((name, value)) = sent.filter(|(_, value)| value.len() > limit) else { continue };
            let longest = read(field.template.references(), *data).max_by_key(|written| written.bytes);
            return too_long(format!("headers.{name}"), value.len(), longest);
        }
        Ok(())
    }

    /// The values that stand in the URL.
    fn in_url(&self, data: Data<'_>) -> Vec<Written> {
        let mut values: Vec<Written> = read(self.path.references(), data).collect();
        for (_, field) in &self.query {
            values.extend(read(field.template.references(), data));
        }
        if matches!(self.body, Body::None) {
            let rest = self.unplaced(data.parameters);
            values
                .extend(rest.map(|(name, value)| Written::new(Root::Parameters, vec![name.clone()], value)));
        }
        values
    }
}

/// A value in a request.
struct Written {
    root: Root,
    path: Vec<String>,
    bytes: usize,
}

impl Written {
    fn new(root: Root, path: Vec<String>, value: &Value) -> Self {
        let bytes = value.as_str().map_or_else(|| value.to_string().len(), str::len);
        Self { root, path, bytes }
    }
}

/// The values that `references` read.
fn read(references: &[Reference], data: Data<'_>) -> impl Iterator<Item = Written> {
    references.iter().filter_map(move |reference| {
        let (first, rest) = reference.path.split_first()?;
        let first = data.root(reference.root).get(first)?;
        let value = rest.iter().try_fold(first, |value, name| match value {
            Value::Array(items) => items.get(name.parse::<usize>().ok()?),
            _ => value.get(name),
        })?;
        Some(Written::new(reference.root, reference.path.clone(), value))
    })
}
