//! The language models of an agent: where their requests go, with what headers, by whose credentials.

use std::sync::Arc;
use std::time::Duration;

use http::Method;

use callgate_definition::{FallbackModelDefinition, ModelProvider, Problem};
use callgate_template::{Root, Target, Template};

use crate::fields::Field;
use crate::header::{Header, HeaderCompiler, HeaderText};
use crate::http_action::{Body, HttpAction, PlainHeader, SecretHeader};
use crate::retry::RetryPolicy;
use crate::template_at::TemplateAt;
use crate::upstream::{CompiledConnection, Connection, Connector, no_auth};
use crate::url;
use crate::written::WrittenAt;

use super::AgentModel;
use super::compile::AgentCompiler;

/// The longest wait for the first token of a model for which nothing is said.
const DEFAULT_FIRST_TOKEN_MS: u64 = 8_000;
/// Time to connect to a model for which nothing is said.
const DEFAULT_CONNECT_TIMEOUT_MS: u64 = 2_000;

/// Where the requests to a model go.
struct Place {
    connection: Arc<Connection>,
    /// The path after the connection's base URL; empty, or it starts with `/` and does not end so.
    path: String,
    written: WrittenAt,
}

impl<'a> AgentCompiler<'a> {
    /// The models in the order in which they are asked; `None` where an error keeps one from existing.
    pub(super) fn models(&mut self) -> Option<Vec<AgentModel>> {
        let base = self.pointer(self.over.model.is_some(), "model");
        // A model that is missing has been told.
        let written = self.over.model.as_ref().or(self.definition.model.as_ref())?;
        let models = written.all().into_iter().map(|(at, model)| self.model(&format!("{base}{at}"), &model));
        // All are looked at, so that each tells what is wrong with it.
        let models: Vec<Option<AgentModel>> = models.collect();
        models.into_iter().collect()
    }

    /// Warns of a model that is never asked, since the time of the turn is over by then.
    pub(super) fn check_waits(&mut self, models: &[AgentModel], timeout: Duration) {
        let base = self.pointer(self.over.model.is_some(), "model");
        let mut waited = Duration::ZERO;
        for (index, pair) in models.windows(2).enumerate() {
            waited += pair[0].first_token;
            if waited >= timeout {
                let (waited, whole) = (waited.as_millis(), timeout.as_millis());
                let message = format!(
                    "after {waited} ms, when this model would be asked, the turn is over: it has {whole} ms"
                );
                let problem = self.warning(&format!("{base}/fallback/{index}"), "never_asked", message);
                let hint =
                    "lower `first_token_timeout_ms` of the models before it, or raise `limits.timeout_ms`";
                self.problems.push(problem.hint(hint));
                return;
            }
        }
    }

    fn model(&mut self, at: &str, written: &FallbackModelDefinition) -> Option<AgentModel> {
        let connection = self.connection(at, written);
        let place = self.place(at, written, connection);
        let connector = self.connector(at, written, connection);
        let (headers, secret_headers) = self.headers(at, written, connection);
        let Place { connection: to, path, written: written_at } = place?;
        self.check_credentials(at, written, &to, connector.is_some() || !secret_headers.is_empty());
        self.check_path(at, written, &format!("{}{path}", to.base_url));
        let origin = format!("{}{path} {}", to.base_url, written.model);
        let first_token = written.first_token_timeout_ms.unwrap_or(DEFAULT_FIRST_TOKEN_MS);
        let connect = written.connect_timeout_ms.or(connection.and_then(|one| one.timeouts.connect));
        let connect = connect.unwrap_or(DEFAULT_CONNECT_TIMEOUT_MS).min(first_token * 3 / 4).max(1);
        let http = HttpAction {
            method: Method::POST,
            connection: to,
            written: written_at,
            path: Template::parse(&path, Target::PathSegment).ok()?,
            static_query: String::new(),
            query: Vec::new(),
            headers,
            secret_headers,
            connector,
            body: Body::None,
            content_type: None,
            connect_timeout: Duration::from_millis(connect),
            read_timeout: None,
            retry: RetryPolicy::never(),
            placed: Vec::new(),
        };
        Some(AgentModel {
            provider: written.provider,
            http: Arc::new(http),
            model: written.model.clone(),
            origin,
            temperature: written.temperature,
            max_tokens: written.max_tokens,
            first_token: Duration::from_millis(first_token),
        })
    }

    /// The connection that the model names; an error where there is none of that name.
    fn connection(&mut self, at: &str, written: &FallbackModelDefinition) -> Option<&'a CompiledConnection> {
        let name = written.connection.as_ref()?;
        let upstreams = self.around.upstreams;
        let found = upstreams.connection(name);
        if found.is_none() {
            let message = format!("there is no connection `{name}`");
            let unknown = self.error(&format!("{at}/connection"), "unknown_connection", message);
            self.problems.push(unknown.hint(upstreams.connection_hint(name)));
        }
        found
    }

    fn place(
        &mut self,
        at: &str,
        written: &FallbackModelDefinition,
        connection: Option<&CompiledConnection>,
    ) -> Option<Place> {
        let pointer = format!("{at}/base_url");
        let (base, pointer) = match (&written.connection, &written.base_url) {
            (Some(_), Some(_)) => {
                let message = "`connection` and `base_url` are both given";
                let problem = self.error(&pointer, "two_base_urls", message);
                self.problems.push(problem.hint("a connection has a `base_url` of its own"));
                return None;
            }
            (Some(_), None) => {
                let CompiledConnection { connection, written, .. } = connection?;
                let (connection, written) = (connection.clone()?, written.clone());
                return Some(Place { connection, path: String::new(), written });
            }
            (None, Some(base)) => (base.as_str(), pointer),
            (None, None) => (public_address(written.provider), format!("{at}/provider")),
        };
        match url::split_base(base) {
            Ok((origin, path)) => {
                let connection = self.around.upstreams.origin(&origin);
                Some(Place { connection, path, written: WrittenAt::at(self.document(), &pointer) })
            }
            Err(reason) => {
                let message = format!("invalid base_url `{base}`: {reason}");
                let problem = self.error(&pointer, "invalid_url", message);
                self.problems.push(problem);
                None
            }
        }
    }

    /// The connector of the model, else of its connection; `none` takes it away.
    fn connector(
        &mut self,
        at: &str,
        written: &FallbackModelDefinition,
        connection: Option<&CompiledConnection>,
    ) -> Option<Arc<Connector>> {
        let upstreams = self.around.upstreams;
        let of_connection = connection.and_then(|connection| connection.auth.as_ref()).map(|(name, _)| name);
        let name = written.auth.as_ref().or(of_connection).filter(|name| *name != "none")?;
        let found = upstreams.connector(name);
        // That a connection names one that there is not is told of the connection.
        if found.is_none() && written.auth.is_some() {
            let unknown = self.error(&format!("{at}/auth"), "unknown_auth", no_auth(name));
            self.problems.push(unknown.hint(upstreams.connector_hint(name)));
        }
        found.flatten()
    }

    /// The headers of the model over those of its connection: plain ones, and those that are secrets.
    fn headers(
        &mut self,
        at: &str,
        written: &FallbackModelDefinition,
        connection: Option<&'a CompiledConnection>,
    ) -> (Vec<PlainHeader>, Vec<SecretHeader>) {
        let mut compiler = HeaderCompiler {
            document: &self.located.document,
            environment: self.around.environment,
            static_variables: self.around.static_variables,
            problems: self.problems,
            secrets: self.secrets,
        };
        let own = compiler.headers_at(&[(&format!("{at}/headers"), &written.headers.0)]);
        let of_connection = connection.into_iter().flat_map(|connection| &connection.headers);
        let of_connection = of_connection.filter(|header| !own.iter().any(|one| one.name == header.name));
        let (mut plain, mut secret) = (Vec::new(), Vec::new());
        for header in of_connection.chain(&own) {
            let name = header.name.clone();
            match &header.text {
                HeaderText::ContentType(_) => self.refuse_content_type(header),
                HeaderText::Secret { secret: of, prefix } => {
                    secret.push(SecretHeader { name, secret: of.clone(), prefix: prefix.clone() });
                }
                HeaderText::Fixed(value) => {
                    plain.push(PlainHeader { name, fixed: Some(value.clone()), field: None });
                }
                HeaderText::Template(template, _) => {
                    let field = Field::without_parameters(template.clone());
                    self.judge_header(header, &field);
                    plain.push(PlainHeader { name, fixed: None, field: Some(field) });
                }
            }
        }
        (plain, secret)
    }

    /// The body is JSON, whatever the agent says; a connection speaks of its actions.
    fn refuse_content_type(&mut self, header: &Header) {
        if Arc::ptr_eq(&header.document, &self.located.document) {
            let message = "`Content-Type` is set from the request itself";
            let place = self.document().at_key(&header.pointer);
            let problem = Problem::error(&self.document().file, place, "forbidden_header", message);
            self.problems.push(problem.hint("leave it out; a request to a model is JSON"));
        }
    }

    /// Judges what a header reads. One of the connection is left out where it is nothing but a parameter, as it is with
    /// an action that has none of that name.
    fn judge_header(&mut self, header: &Header, field: &Field) {
        let at = TemplateAt { document: &header.document, pointer: &header.pointer };
        if Arc::ptr_eq(&header.document, &self.located.document) {
            return self.refuse_parameters(at, &field.template);
        }
        let mut read = field.template.references().iter().filter(|one| one.root == Root::Parameters);
        if let Some(reference) = read.find(|one| !one.guarded && !field.optional) {
            let message = format!(
                "the header reads `{reference}`, which the agent `{}` does not have: it is no call of a tool",
                self.located.name
            );
            let place = at.place(reference.line, reference.column);
            let problem = Problem::error(&header.document.file, place, "unknown_parameter", message);
            let hint = format!(
                "give it a fallback, such as {{{{or {reference} \"-\"}}}}, or set `{}` in the agent's own `headers`",
                header.name
            );
            self.problems.push(problem.hint(hint));
        }
    }

    /// Warns of a base URL that has the path of the requests in it.
    fn check_path(&mut self, at: &str, written: &FallbackModelDefinition, base_url: &str) {
        let Some(path) = path_of_requests(written.provider).filter(|path| base_url.ends_with(path)) else {
            return;
        };
        let key = if written.connection.is_some() { "connection" } else { "base_url" };
        let message = format!("requests would go to `{base_url}{path}`");
        let problem = self.warning(&format!("{at}/{key}"), "path_in_base_url", message);
        self.problems.push(problem.hint(format!("leave `{path}` out of the base URL")));
    }

    /// Warns of credentials without TLS, and of a public service that is asked without any.
    fn check_credentials(
        &mut self,
        at: &str,
        written: &FallbackModelDefinition,
        to: &Connection,
        has_credentials: bool,
    ) {
        if let Some(host) = url::cleartext_host(&to.base_url).filter(|_| has_credentials) {
            let key = if written.connection.is_some() { "connection" } else { "base_url" };
            let message = format!("credentials would travel to `{host}` without TLS");
            let problem = self.warning(&format!("{at}/{key}"), "cleartext_credentials", message);
            self.problems.push(problem.hint("use https://"));
        }
        let is_public = written.connection.is_none() && written.base_url.is_none();
        if is_public && written.auth.is_none() && written.headers.0.is_empty() {
            let (provider, header) = (written.provider.as_str(), key_header(written.provider));
            let message = format!("`{provider}` answers nobody without a key, and this model has none");
            let problem = self.warning(&format!("{at}/provider"), "no_credentials", message);
            self.problems
                .push(problem.hint(format!("add `auth`, the name of a connector that sends {header}")));
        }
    }
}

/// The path that requests of a provider's form have below the base URL; `None` where the model's name is part of it.
fn path_of_requests(provider: ModelProvider) -> Option<&'static str> {
    match provider {
        ModelProvider::OpenAi => Some("/chat/completions"),
        ModelProvider::OpenAiResponses => Some("/responses"),
        ModelProvider::Anthropic => Some("/messages"),
        ModelProvider::Gemini => None,
    }
}

/// The base URL of a provider's own service, by its documentation of the API.
fn public_address(provider: ModelProvider) -> &'static str {
    match provider {
        ModelProvider::OpenAi | ModelProvider::OpenAiResponses => "https://api.openai.com/v1",
        ModelProvider::Anthropic => "https://api.anthropic.com/v1",
        ModelProvider::Gemini => "https://generativelanguage.googleapis.com/v1beta",
    }
}

/// Where a provider's own service wants its key.
fn key_header(provider: ModelProvider) -> &'static str {
    match provider {
        ModelProvider::OpenAi | ModelProvider::OpenAiResponses => "`Authorization: Bearer …`",
        ModelProvider::Anthropic => "the header `x-api-key`",
        ModelProvider::Gemini => "the header `x-goog-api-key`",
    }
}
