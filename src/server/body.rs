//! Request bodies: bounded, and with errors that say where.

use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_LENGTH;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::problem::{ProblemCode, ProblemDocument};
use super::state::AppState;

/// A JSON body, whatever its `Content-Type` says: `curl -d` says form.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<AppState> for JsonBody<T> {
    type Rejection = ProblemDocument;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Self::Rejection> {
        let bytes = read(request, state.server().max_request_bytes).await?;
        decode(&bytes).map(Self)
    }
}

async fn read(request: Request, limit: usize) -> Result<Bytes, ProblemDocument> {
    let too_large = || {
        ProblemDocument::new(
            ProblemCode::BodyTooLarge,
            format!("a request body may have {limit} bytes at most"),
        )
    };
    let declared =
        request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    match Limited::new(request.into_body(), limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Err(error) => Err(ProblemDocument::new(
            ProblemCode::InvalidRequest,
            format!("the body could not be read: {error}"),
        )),
    }
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ProblemDocument> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(ProblemDocument::new(
            ProblemCode::InvalidJson,
            "the body is empty; a JSON object is expected",
        ));
    }
    if let Err(error) = std::str::from_utf8(bytes) {
        let at = error.valid_up_to();
        return Err(ProblemDocument::new(
            ProblemCode::InvalidJson,
            format!("the body is not UTF-8 from byte {at} on"),
        ));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let (code, what) = match error.classify() {
            Category::Data => (ProblemCode::InvalidRequest, "the body is not a valid request"),
            Category::Io | Category::Syntax | Category::Eof => {
                (ProblemCode::InvalidJson, "the body is not JSON")
            }
        };
        ProblemDocument::new(code, format!("{what}: {error}"))
    })
}
