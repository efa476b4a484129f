//! Requests for OAuth2 tokens, which no model makes.

use serde_json::Value;

use super::{PlainBody, PlainRequest, Refusal, pairs};

/// Refuses a request for a token, wherever it says what kind of grant it has.
pub(super) fn refuse(request: &PlainRequest) -> Result<(), Refusal> {
    if !is_for_token(request) {
        return Ok(());
    }
    Err(Refusal(
        "token_request",
        "this asks for an OAuth2 token".to_owned(),
        "write auth/<name>.yaml of type oauth2_client_credentials; it fetches and keeps tokens by itself",
    ))
}

fn is_for_token(request: &PlainRequest) -> bool {
    let is_grant = |name: &str| name == "grant_type";
    let of_url = request.url.split_once('?').map_or("", |(_, query)| query);
    let in_query = pairs(of_url).iter().chain(&request.query).any(|(name, _)| is_grant(name));
    in_query
        || match &request.body {
            PlainBody::Form(fields) => fields.iter().any(|(name, _)| is_grant(name)),
            PlainBody::Multipart(parts) => parts.iter().any(|part| is_grant(&part.name)),
            PlainBody::Text(text) => pairs(text.trim()).iter().any(|(name, _)| is_grant(name)),
            PlainBody::Json(text) => {
                let members = serde_json::from_str::<Value>(text);
                members.is_ok_and(|members| members.get("grant_type").is_some_and(Value::is_string))
            }
            PlainBody::Flat | PlainBody::Graphql(_) => false,
        }
}
