//! The store, as `auth` sees it: a place where nodes share tokens.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::{TokenAnswer, TokenStore};
use crate::conversation::{Store, StoreError};

/// Tokens in the store of a gateway.
#[derive(Debug)]
pub(super) struct SharedTokens(pub(super) Arc<dyn Store>);

fn told<'a, T: 'a>(answer: impl Future<Output = Result<T, StoreError>> + Send + 'a) -> TokenAnswer<'a, T> {
    Box::pin(async move { answer.await.map_err(|error| error.to_string()) })
}

impl TokenStore for SharedTokens {
    fn patience(&self) -> Duration {
        self.0.patience()
    }

    fn get<'a>(&'a self, name: &'a str) -> TokenAnswer<'a, Option<String>> {
        told(self.0.note(name))
    }

    fn put<'a>(&'a self, name: &'a str, text: &'a str, keep: Duration) -> TokenAnswer<'a, ()> {
        told(self.0.put_note(name, text, keep))
    }

    fn add<'a>(&'a self, name: &'a str, text: &'a str, keep: Duration) -> TokenAnswer<'a, bool> {
        told(self.0.add_note(name, text, keep))
    }

    fn remove<'a>(&'a self, name: &'a str, text: &'a str) -> TokenAnswer<'a, ()> {
        told(self.0.remove_note(name, text))
    }
}
