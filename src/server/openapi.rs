//! `GET /openapi.json`, made from the routes and the types.

use axum::Json;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{
    agent, calls, conversations, definitions, dialects, execution, explain, health, listing, mcp, reload,
    status, webhooks,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "Callgate", description = "A tool-calling gateway for voice agents."),
    paths(
        listing::tools,
        calls::create,
        execution::cancel,
        dialects::openai_chat,
        dialects::openai_responses,
        dialects::openai_realtime,
        dialects::anthropic,
        dialects::gemini,
        webhooks::vapi,
        webhooks::retell,
        webhooks::retell_action,
        webhooks::elevenlabs,
        mcp::serve,
        agent::chat::complete,
        agent::chat::complete_in,
        agent::responses::respond,
        agent::responses::respond_in,
        agent::models::list,
        agent::models::list_in,
        agent::models::agents,
        agent::turns::create,
        listing::actions,
        listing::action,
        calls::preview,
        listing::environments,
        explain::definition,
        explain::branches,
        explain::specs,
        definitions::problems,
        definitions::list,
        definitions::show,
        definitions::save,
        definitions::check,
        agent::interact::users::interact,
        agent::interact::users::show,
        agent::interact::users::replace,
        agent::interact::users::forget_user,
        agent::interact::users::reset,
        agent::interact::users::set_variables,
        agent::interact::stateless::interact,
        agent::interact::stateless::interact_in,
        agent::interact::stateless::initial,
        agent::interact::stateless::initial_in,
        agent::interact::stream::interact,
        conversations::create,
        conversations::list,
        conversations::show,
        conversations::change,
        conversations::end,
        conversations::prompt::render,
        conversations::events::events,
        reload::reload,
        status::status,
        health::metrics,
        health::healthz,
        health::readyz,
        serve,
    ),
    components(schemas(calls::Results, calls::PreviewFailure)),
    modifiers(&KeyScheme)
)]
struct Document;

struct KeyScheme;

impl Modify for KeyScheme {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("cg_…").build();
        document.components.get_or_insert_default().add_security_scheme("key", SecurityScheme::Http(scheme));
    }
}

/// The OpenAPI document of the HTTP API.
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "health",
    responses((status = 200, description = "the OpenAPI document of this gateway", body = Object))
)]
pub(super) async fn serve() -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}
