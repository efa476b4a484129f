//! Every route, and what stands before it.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{any, delete, get, patch, post};

use crate::executor::Movable;
use crate::settings::Product;

use super::inbound::limit;
use super::state::AppState;
use super::{
    agent, calls, console, conversations, definitions, dialects, execution, explain, health, listing, mcp,
    openapi, problem, reload, status, webhooks,
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
        .route("/v1/agents", get(agent::models::agents))
        .route("/v1/agents/{name}/turns", post(agent::turns::create))
        .route("/mcp/{environment}", post(mcp::serve).get(mcp::serve).delete(mcp::serve))
        .route("/admin/reload", post(reload::reload))
        .route("/v1/status", get(status::status))
        .route("/metrics", get(health::metrics))
        .route_layer(from_fn_with_state(state.clone(), limit::admit));
    let models = Router::new()
        .route("/v1/chat/completions", post(agent::chat::complete))
        .route("/{environment}/v1/chat/completions", post(agent::chat::complete_in))
        .route("/v1/responses", post(agent::responses::respond))
        .route("/{environment}/v1/responses", post(agent::responses::respond_in))
        .route("/v1/models", get(agent::models::list))
        .route("/{environment}/v1/models", get(agent::models::list_in))
        .route_layer(from_fn_with_state(state.clone(), limit::admit))
        .route_layer(from_fn(agent::errors::as_openai));
    let interact = Router::new()
        .route("/state/user/{userID}/interact", post(agent::interact::users::interact))
        .route(
            "/state/user/{userID}",
            get(agent::interact::users::show)
                .put(agent::interact::users::replace)
                .delete(agent::interact::users::forget_user)
                .post(agent::interact::users::reset),
        )
        .route("/state/user/{userID}/variables", patch(agent::interact::users::set_variables))
        .route("/interact", post(agent::interact::stateless::interact))
        .route("/interact/state", get(agent::interact::stateless::initial))
        .route("/interact/{versionID}", post(agent::interact::stateless::interact_in))
        .route("/interact/{versionID}/state", get(agent::interact::stateless::initial_in))
        .route(
            "/v2/project/{projectID}/user/{userID}/interact/stream",
            post(agent::interact::stream::interact),
        )
        .route_layer(from_fn_with_state(state.clone(), limit::admit))
        .route_layer(from_fn(agent::interact::errors::as_voiceflow))
        .route_layer(from_fn(agent::interact::errors::take_plain_key));
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
        .merge(models)
        .merge(interact)
        .merge(vapi)
        .merge(retell)
        .merge(elevenlabs)
        // Whoever does not know the secret of its path gets what any other path would give.
        .route("/retell/llm/{environment}/{secret}/{call_id}", any(agent::retell::open))
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
