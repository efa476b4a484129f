//! The request for a token by client credentials (RFC 6749 section 4.4.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method};
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::action::{OAuth2Client, RequestSpec};
use crate::definition::ClientAuthentication;

/// What is sent for a token.
#[derive(Debug)]
pub(super) struct TokenRequest {
    url: Url,
    id: SecretString,
    secret: SecretString,
    authentication: ClientAuthentication,
    /// What stands in the form besides the client: names and values.
    fields: Vec<(String, String)>,
}

impl TokenRequest {
    /// The request of `client`, whose id and secret these are.
    ///
    /// # Errors
    ///
    /// Its endpoint is no URL.
    pub(super) fn new(client: &OAuth2Client, id: SecretString, secret: SecretString) -> Result<Self, String> {
        let mut url = Url::parse(&client.token_url).map_err(|error| error.to_string())?;
        url.set_fragment(None);
        let scope = (!client.scopes.is_empty()).then(|| ("scope".to_owned(), client.scopes.join(" ")));
        let fields = scope.into_iter().chain(client.extra_params.iter().cloned()).collect();
        Ok(Self { url, id, secret, authentication: client.authentication, fields })
    }

    /// The request itself, with the secret in it.
    pub(super) fn spec(&self) -> RequestSpec {
        let (id, secret) = (self.id.expose_secret(), self.secret.expose_secret());
        let mut headers = vec![
            (ACCEPT, HeaderValue::from_static("application/json")),
            (CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
        ];
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        match self.authentication {
            ClientAuthentication::Header => headers.extend(basic(id, secret)),
            ClientAuthentication::Body => {
                form.append_pair("client_id", id).append_pair("client_secret", secret);
            }
        }
        form.extend_pairs(&self.fields);
        let body = Some(form.finish().into());
        RequestSpec { method: Method::POST, url: self.url.to_string(), headers, body }
    }
}

/// The client by HTTP Basic, id and secret encoded as in a form (RFC 6749 section 2.3.1).
fn basic(id: &str, secret: &str) -> Option<(HeaderName, HeaderValue)> {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret)));
    // Base64 is what a header can carry.
    let mut value = HeaderValue::try_from(format!("Basic {pair}")).ok()?;
    value.set_sensitive(true);
    Some((AUTHORIZATION, value))
}

#[cfg(test)]
mod tests {
    use crate::action::ValueSource;

    use super::*;

    fn client(authentication: ClientAuthentication) -> OAuth2Client {
        OAuth2Client {
            token_url: "https://login.test/token?tenant=a b#top".to_owned(),
            client_id: ValueSource::Plain("id".to_owned()),
            client_secret: ValueSource::Plain("secret".to_owned()),
            scopes: vec!["read".to_owned(), "write:all".to_owned()],
            extra_params: vec![("audience".to_owned(), "https://api.test/".to_owned())],
            authentication,
        }
    }

    #[track_caller]
    fn check(client: &OAuth2Client, authorization: Option<&str>, form: &str) {
        let request = TokenRequest::new(client, "an id".into(), "p&s=w:rd+ä".into()).unwrap();
        let spec = request.spec();
        assert_eq!((spec.method, spec.url.as_str()), (Method::POST, "https://login.test/token?tenant=a%20b"));
        let mut headers =
            vec![("accept", "application/json"), ("content-type", "application/x-www-form-urlencoded")];
        headers.extend(authorization.map(|value| ("authorization", value)));
        let sent = spec.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        assert_eq!(sent.collect::<Vec<_>>(), headers);
        assert_eq!(spec.body.unwrap(), form);
    }

    #[test]
    fn a_client_shows_itself_in_a_header_or_in_the_form() {
        check(
            &client(ClientAuthentication::Header),
            Some("Basic YW4raWQ6cCUyNnMlM0R3JTNBcmQlMkIlQzMlQTQ="),
            "grant_type=client_credentials&scope=read+write%3Aall&audience=https%3A%2F%2Fapi.test%2F",
        );
        check(
            &client(ClientAuthentication::Body),
            None,
            "grant_type=client_credentials&client_id=an+id&client_secret=p%26s%3Dw%3Ard%2B%C3%A4&scope=read+write%3Aall&audience=https%3A%2F%2Fapi.test%2F",
        );
        let bare = OAuth2Client {
            scopes: Vec::new(),
            extra_params: Vec::new(),
            ..client(ClientAuthentication::Header)
        };
        check(&bare, Some("Basic YW4raWQ6cCUyNnMlM0R3JTNBcmQlMkIlQzMlQTQ="), "grant_type=client_credentials");
    }

    #[test]
    fn nothing_of_a_request_is_shown_by_debug() {
        let request =
            TokenRequest::new(&client(ClientAuthentication::Body), "an id".into(), "hunter2".into()).unwrap();
        assert!(!format!("{request:?}").contains("hunter2"));
    }
}
