//! Bodies of requests: JSON of at most 1 MB, as Voiceflow's runtime takes it.

use axum::extract::{FromRequest, Request};
use serde_json::{Map, Value};

use crate::server::body::read;
use crate::server::inbound::limit::seat;
use crate::server::problem::{ProblemCode, ProblemDocument};
use crate::server::state::AppState;

use super::action::Action;
use super::config::Config;

/// Longest body (`bodyParser` of Voiceflow's runtime).
const MAX_BODY: usize = 1024 * 1024;

/// A JSON object; an empty body counts as an empty object.
pub(crate) struct Members(pub(super) Map<String, Value>);

impl FromRequest<AppState> for Members {
    type Rejection = ProblemDocument;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Self::Rejection> {
        let bytes = read(request, state.server().max_request_bytes.min(MAX_BODY)).await?;
        let _seat = seat(state, bytes.len()).await?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self(Map::new()));
        }
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(_) => Err(ProblemDocument::new(ProblemCode::InvalidRequest, "the body must be a JSON object")),
            Err(error) => {
                Err(ProblemDocument::new(ProblemCode::InvalidJson, format!("the body is not JSON: {error}")))
            }
        }
    }
}

/// What a client asks for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) action: Action,
    /// The request as it came.
    pub(super) written: Value,
    pub(super) config: Config,
    /// Variables that the client sets before the turn.
    pub(super) variables: Option<Map<String, Value>>,
    /// The state, if the client carries it.
    pub(super) state: Value,
}

impl Asked {
    /// Reads the members of a body; unknown ones are ignored.
    ///
    /// # Errors
    ///
    /// A member has another type.
    pub(super) fn read(mut members: Map<String, Value>) -> Result<Self, ProblemDocument> {
        let request = members.remove("request").unwrap_or_default();
        let written = members.remove("action").filter(|action| !action.is_null()).unwrap_or(request);
        let state = members.remove("state").unwrap_or_default();
        if !state.is_null() && !state.is_object() {
            return Err(invalid("`state` must be an object such as {\"variables\": {\"name\": \"Ann\"}}"));
        }
        let named = [members.remove("variables"), state.get("variables").cloned()];
        let mut variables: Option<Map<String, Value>> = None;
        for named in named.into_iter().flatten() {
            match named {
                Value::Null => {}
                Value::Object(named) => variables.get_or_insert_default().extend(named),
                Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                    return Err(invalid("`variables` must be an object, by the names of the variables"));
                }
            }
        }
        let config = Config::read(&members.remove("config").unwrap_or_default())?;
        Ok(Self { action: Action::read(&written)?, written, config, variables, state })
    }
}

/// The request is broken.
pub(super) fn invalid(detail: impl Into<String>) -> ProblemDocument {
    ProblemDocument::new(ProblemCode::InvalidRequest, detail)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: Value) -> Result<Asked, ProblemDocument> {
        let Value::Object(members) = body else { panic!("object") };
        Asked::read(members)
    }

    #[test]
    fn action_wins_over_its_old_name_unless_it_is_null() {
        let (text, launch) = (json!({"type": "text", "payload": "Hi"}), json!({"type": "launch"}));
        for (body, expected) in [
            (json!({"action": text, "request": launch}), &text),
            (json!({"request": launch}), &launch),
            (json!({"action": null, "request": launch}), &launch),
            (json!({"action": null}), &Value::Null),
            (json!({}), &Value::Null),
        ] {
            assert_eq!(&read(body.clone()).unwrap().written, expected, "{body}");
        }
    }

    #[test]
    fn variables_stand_in_the_state_or_beside_the_action() {
        for (body, expected) in [
            (json!({"state": {"variables": {"a": 1}}}), json!({"a": 1})),
            (json!({"variables": {"a": 1}}), json!({"a": 1})),
            (
                json!({"variables": {"a": 1, "b": 2}, "state": {"variables": {"a": 3}}}),
                json!({"a": 3, "b": 2}),
            ),
            (json!({"state": {"variables": null}}), json!(null)),
            (json!({"state": null}), json!(null)),
        ] {
            assert_eq!(json!(read(body.clone()).unwrap().variables), expected, "{body}");
        }
        for wrong in [
            json!({"state": 7}),
            json!({"state": {"variables": []}}),
            json!({"variables": "a"}),
            json!({"config": 7}),
            json!({"action": "text"}),
        ] {
            assert_eq!(read(wrong.clone()).unwrap_err().code, ProblemCode::InvalidRequest, "{wrong}");
        }
    }
}
