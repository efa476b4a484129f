//! Every route, and what stands before it.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{delete, get, post};

use crate::executor::Movable;
use crate::settings::Product;

use super::inbound::limit;
use super::state::AppState;
use super::{
    calls, console, conversations, definitions, dialects, execution, explain, health, listing, mcp, openapi,
    problem, reload, status, webhooks,
};

/// Every route of the gateway.
pub fn router(state: AppState) -> Router {
    let limited = Router::new()
        .route("/v1/tools", get(listing::tools))
        .route("/v1/tool-calls", post(calls::create))
        .route("/v1/tool-calls/{id}", delete(execution::cancel))
        .route("/v1/openai/chat/tool-calls", post(dialects::openai_chat))
        .route("/v1/openai/responses/tool-calls", post(dialects::openai_responses))
        .route("/v1/openai/realtime/tool-calls", post(dialects::openai_realtime))
        .route("/v1/anthropic/tool-calls", post(dialects::anthropic))
        .route("/v1/gemini/tool-calls", post(dialects::gemini))
        .route("/v1/actions", get(listing::actions))
        .route("/v1/actions/{name}", get(listing::action))
        .route("/v1/actions/{name}/preview", post(calls::preview))
        .route("/v1/actions/{name}/definition", get(explain::definition))
        .route("/v1/actions/{name}/branches", get(explain::branches))
        .route("/v1/actions/{name}/specs", get(explain::specs))
        .route("/v1/environments", get(listing::environments))
        .route("/v1/problems", get(definitions::problems))
        .route("/v1/definitions", get(definitions::list))
        .route("/v1/definitions/{*file}", get(definitions::show).put(definitions::save))
        .route("/v1/check", post(definitions::check))
        .route("/v1/conversations", get(conversations::list).post(conversations::create))
        .route(
            "/v1/conversations/{id}",
            get(conversations::show).patch(conversations::change).delete(conversations::end),
        )
        .route("/v1/conversations/{id}/render", post(conversations::prompt::render))
        .route("/v1/conversations/{id}/events", get(conversations::events::events))
        .route("/mcp/{environment}", post(mcp::serve).get(mcp::serve).delete(mcp::serve))
        .route("/admin/reload", post(reload::reload))
        .route("/v1/status", get(status::status))
        .route("/metrics", get(health::metrics))
        .route_layer(from_fn_with_state(state.clone(), limit::admit));
    // What these products show is checked by themselves, where they have rules.
    let by_key = |product| from_fn_with_state((state.clone(), product), limit::admit_webhook);
    let vapi = Router::new()
        .route("/webhooks/vapi/{environment}", post(webhooks::vapi))
        .route_layer(by_key(Product::Vapi));
    let retell = Router::new()
        .route(
            "/webhooks/retell/{environment}",
            post(webhooks::retell).put(webhooks::retell).patch(webhooks::retell),
        )
        .route(
            "/webhooks/retell/{environment}/{action}",
            get(webhooks::retell_action)
                .post(webhooks::retell_action)
                .put(webhooks::retell_action)
                .patch(webhooks::retell_action)
                .delete(webhooks::retell_action),
        )
        .route_layer(by_key(Product::Retell));
    let elevenlabs = Router::new()
        .route("/webhooks/elevenlabs/{environment}/{action}", post(webhooks::elevenlabs))
        .route_layer(by_key(Product::ElevenLabs));
    Router::new()
        .merge(limited)
        .merge(vapi)
        .merge(retell)
        .merge(elevenlabs)
        .route("/", get(console::redirect))
        .route("/console", get(console::redirect))
        .route("/console/", get(console::index))
        .route("/console/{*file}", get(console::file))
        .route("/openapi.json", get(openapi::serve))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(from_fn(movable))
        .with_state(state)
}

/// Lets a request move aside for long work.
async fn movable(request: Request, next: Next) -> Response {
    Movable::new(next.run(request)).await
}
