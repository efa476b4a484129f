//! The example upstream: orders, a help desk, appointments, a few accounts and a language model,
//! in memory, with every kind of credential that Callgate can send.
//!
//! | Route | Credential |
//! |---|---|
//! | `POST /oauth/token` | client id and secret, by Basic or in the body |
//! | `GET /orders?order_number=`, `GET /orders/batch?order_numbers=` (and below `/staging`) | bearer |
//! | `POST /tickets` | bearer and `X-Internal-Key` |
//! | `GET`, `PATCH /tickets/{id}`, `POST /tickets/{id}/notes`, `POST /classifications`, `POST /feedback` | bearer |
//! | `GET /appointments/slots`, `POST /appointments`, `DELETE /appointments/{id}` | OAuth 2.0 |
//! | `GET /customers?email=` | key in the query parameter `api_key` |
//! | `GET /loyalty?member_number=` | key in the cookie `api_key` |
//! | `GET /invoices/{number}` | key in the header `X-API-Key` |
//! | `GET /accounts/{number}` | Basic |
//! | `POST /v1/chat/completions`, which a scripted model answers | bearer |
//! | `GET /_requests` | none: the last 50 requests, credentials masked |

mod shared;
mod wire;
mod credentials;
mod requests;
mod oauth;
mod orders;
mod helpdesk;
mod scheduling;
mod model;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::extract::FromRef;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, patch, post};

use self::helpdesk::Helpdesk;
use self::oauth::Tokens;
use self::requests::Requests;
use self::scheduling::Scheduling;
use self::shared::Shared;

/// Handle to what the example upstream remembers, each part of it bounded. A clone is a few pointers.
#[derive(Clone, Debug, Default)]
pub struct Upstream {
    tokens: Shared<Tokens>,
    helpdesk: Shared<Helpdesk>,
    scheduling: Shared<Scheduling>,
    requests: Shared<Requests>,
}

impl FromRef<Upstream> for Shared<Tokens> {
    fn from_ref(upstream: &Upstream) -> Self {
        upstream.tokens.clone()
    }
}

impl FromRef<Upstream> for Shared<Helpdesk> {
    fn from_ref(upstream: &Upstream) -> Self {
        upstream.helpdesk.clone()
    }
}

impl FromRef<Upstream> for Shared<Scheduling> {
    fn from_ref(upstream: &Upstream) -> Self {
        upstream.scheduling.clone()
    }
}

impl FromRef<Upstream> for Shared<Requests> {
    fn from_ref(upstream: &Upstream) -> Self {
        upstream.requests.clone()
    }
}

/// The routes of the example upstream.
pub fn router(upstream: Upstream) -> Router {
    Router::new()
        .route("/oauth/token", post(oauth::token))
        .route("/orders", get(orders::order))
        .route("/orders/batch", get(orders::batch))
        .route("/staging/orders", get(orders::order))
        .route("/staging/orders/batch", get(orders::batch))
        .route("/customers", get(orders::customer))
        .route("/loyalty", get(orders::loyalty))
        .route("/invoices/{number}", get(orders::invoice))
        .route("/accounts/{number}", get(orders::account))
        .route("/tickets", post(helpdesk::create))
        .route("/tickets/{id}", patch(helpdesk::update).get(helpdesk::show))
        .route("/tickets/{id}/notes", post(helpdesk::add_note))
        .route("/classifications", post(helpdesk::classify))
        .route("/feedback", post(helpdesk::feedback))
        .route("/appointments/slots", get(scheduling::slots))
        .route("/appointments", post(scheduling::book))
        .route("/appointments/{id}", delete(scheduling::cancel))
        .route("/v1/chat/completions", post(model::complete))
        .route("/_requests", get(requests::list))
        .layer(from_fn_with_state(upstream.requests.clone(), requests::record))
        .with_state(upstream)
}
