//! Auth connector + environment → credentials of a request.

mod credentials;
mod door;
mod oauth;
mod reply;
mod request;
mod shared;

pub use self::credentials::{
    ActionCredentials, AuthBuilder, ConnectorCredentials, CredentialPlace, CredentialValue, Resolved,
    ShownCredential,
};
pub(crate) use self::oauth::read_token_response;
pub use self::oauth::{DEFAULT_LIFETIME, TokenError, TokenErrorKind, TokenState};
pub use self::shared::{TokenAnswer, TokenStore};
