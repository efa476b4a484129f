//! How much is taken in: who calls is found out, and whether there is room, before a body is read.

use std::time::Duration;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::egress::Deadline;
use crate::executor::Seat;
use crate::settings::Product;

use super::keys::{Caller, identify};
use crate::server::problem::{ProblemCode, ProblemDocument};
use crate::server::state::{AppState, ROOM_AFTER_SECONDS, no_room};

/// How long a request waits for its turn to be looked at.
const FOR_A_SEAT: Duration = Duration::from_secs(5);

impl FromRequestParts<AppState> for Caller {
    type Rejection = ProblemDocument;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        // Found out already where a rate may have to be taken before the body is read.
        match parts.extensions.get::<Result<Self, ProblemDocument>>() {
            Some(identified) => identified.clone(),
            None => identify(&state.keys(), &parts.headers, &parts.uri),
        }
    }
}

/// Finds out who calls, and takes one call of the key's rate before the body is read.
pub(in crate::server) async fn admit(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    let identified = identify(&state.keys(), request.headers(), request.uri());
    let charge = identified.as_ref().ok().and_then(Caller::charge);
    request.extensions_mut().insert(identified);
    let Some(charge) = charge else { return next.run(request).await };
    let mut response = match charge.take(1) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    charge.tell(response.headers_mut());
    response
}

/// The same, for a webhook: who sends one is nobody's key where its product has rules of its own.
pub(in crate::server) async fn admit_webhook(
    State((state, product)): State<(AppState, Product)>,
    request: Request,
    next: Next,
) -> Response {
    if state.keys().has_rules_of(product) {
        return next.run(request).await;
    }
    admit(State(state), request, next).await
}

/// The process has room for a call. Asked for before the body, so that calls are
/// turned away before their bodies are read.
pub(in crate::server) struct Room;

impl FromRequestParts<AppState> for Room {
    type Rejection = ProblemDocument;

    async fn from_request_parts(_: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        if state.has_room() { Ok(Self) } else { Err(no_room()) }
    }
}

/// Moves a request aside for work on so many bytes of it; not, where they are few. Dropped before calls are made, which
/// take seats of their own.
pub(in crate::server) async fn seat(state: &AppState, bytes: usize) -> Result<Option<Seat>, ProblemDocument> {
    state.gateway().seat(bytes, Deadline::after(FOR_A_SEAT)).await.map_err(|_| {
        let detail = "too many requests wait for long work to be done; nothing was done";
        ProblemDocument::new(ProblemCode::Overloaded, detail).retry_after(ROOM_AFTER_SECONDS)
    })
}
