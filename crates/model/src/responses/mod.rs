//! OpenAI Responses.

mod request;
mod stream;

pub(crate) use self::request::body;
pub(crate) use self::stream::Responses;
