//! What comes in: bodies, bounded and with errors that say where, and names in the path.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::header::{CONTENT_LENGTH, EXPECT};
use axum::http::request::Parts;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;

use crate::executor::Seat;

use super::inbound::limit::seat;
use super::problem::{ProblemCode, ProblemDocument};
use super::state::AppState;

/// How long a body may take to come.
const MAX_READ_TIME: Duration = Duration::from_secs(30);
/// How much of a body that is too large is read all the same, to be forgotten.
const MAX_DRAINED: u64 = 64 * 1024 * 1024;
/// How long that may take.
const MAX_DRAIN_TIME: Duration = Duration::from_secs(5);

/// A JSON body, whatever its `Content-Type` says: `curl -d` says form.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<AppState> for JsonBody<T> {
    type Rejection = ProblemDocument;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Self::Rejection> {
        let bytes = read(request, state.server().max_request_bytes).await?;
        let _seat = seat(state, bytes.len()).await?;
        decode(&bytes).map(Self)
    }
}

/// A body as it came, whatever it is, with a seat to read it at.
pub(super) struct RawBody(pub(super) Bytes, pub(super) Option<Seat>);

impl FromRequest<AppState> for RawBody {
    type Rejection = ProblemDocument;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Self::Rejection> {
        let bytes = read(request, state.server().max_request_bytes).await?;
        let seat = seat(state, bytes.len()).await?;
        Ok(Self(bytes, seat))
    }
}

/// The name in the path of a route.
pub(super) struct Segment(pub(super) String);

impl FromRequestParts<AppState> for Segment {
    type Rejection = ProblemDocument;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(error) => Err(ProblemDocument::new(ProblemCode::InvalidRequest, error.body_text())),
        }
    }
}

/// The two names in the path of a route.
pub(super) struct Segments(pub(super) String, pub(super) String);

impl FromRequestParts<AppState> for Segments {
    type Rejection = ProblemDocument;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        match Path::<(String, String)>::from_request_parts(parts, state).await {
            Ok(Path((first, second))) => Ok(Self(first, second)),
            Err(error) => Err(ProblemDocument::new(ProblemCode::InvalidRequest, error.body_text())),
        }
    }
}

/// A value that is written as a JSON object and in no other way: a derived
/// `Deserialize` would take a list of the fields in their order too.
#[derive(Debug)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(Object)
            }
        }

        deserializer.deserialize_map(Members(PhantomData))
    }
}

/// Reads a body to its end, within 30 seconds and `limit` bytes.
///
/// # Errors
///
/// It is too large, too slow, or breaks off.
pub(super) async fn read(request: Request, limit: usize) -> Result<Bytes, ProblemDocument> {
    let headers = request.headers();
    let declared = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let waits = headers.contains_key(EXPECT);
    let mut body = request.into_body();
    if declared.is_some_and(|length| length > limit as u64) {
        // Who asks before sending gets the answer instead.
        if !waits && declared.is_some_and(|length| length <= MAX_DRAINED) {
            drain(&mut body).await;
        }
        return Err(too_large(limit));
    }
    let reading = Limited::new(&mut body, limit).collect();
    let Ok(read) = tokio::time::timeout(MAX_READ_TIME, reading).await else {
        let detail = format!("the body did not come within {} seconds", MAX_READ_TIME.as_secs());
        return Err(ProblemDocument::new(ProblemCode::RequestTimeout, detail));
    };
    match read {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            drain(&mut body).await;
            Err(too_large(limit))
        }
        Err(error) => Err(ProblemDocument::new(
            ProblemCode::InvalidRequest,
            format!("the body could not be read: {error}"),
        )),
    }
}

fn too_large(limit: usize) -> ProblemDocument {
    ProblemDocument::new(ProblemCode::BodyTooLarge, format!("a request body may have {limit} bytes at most"))
}

/// Reads the rest of a refused body and forgets it. Most clients write all of
/// a request before they read; to hang up on them would lose them the answer.
async fn drain(body: &mut Body) {
    let rest = async {
        let mut drained = 0;
        while let Some(Ok(frame)) = body.frame().await {
            drained += frame.data_ref().map_or(0, Bytes::len) as u64;
            if drained > MAX_DRAINED {
                return;
            }
        }
    };
    // A client too slow for this loses the answer, as before.
    let _ = tokio::time::timeout(MAX_DRAIN_TIME, rest).await;
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
    serde_json::from_slice(bytes).map(|Object(value)| value).map_err(|error| {
        let (code, what) = match error.classify() {
            Category::Data => (ProblemCode::InvalidRequest, "the body is not a valid request"),
            Category::Io | Category::Syntax | Category::Eof => {
                (ProblemCode::InvalidJson, "the body is not JSON")
            }
        };
        // The one name of a Rust type that the request's fields bring in.
        let error = error.to_string().replace("expected u64", "expected a whole number");
        ProblemDocument::new(code, format!("{what}: {error}"))
    })
}
