//! OpenAI Chat Completions, and what servers that call themselves compatible make of it.

mod family;
mod request;
mod stream;

pub(crate) use self::family::Family;
pub(crate) use self::request::body;
pub(crate) use self::stream::Chat;
