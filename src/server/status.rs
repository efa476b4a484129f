//! `GET /v1/status`: the state of the gateway and of the services that it calls, for people.

use axum::Json;
use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{ConnectorCredentials, TokenState};
use crate::definition::Severity;
use crate::egress::Route;
use crate::executor::{Deployment, ServedEnvironment};
use crate::telemetry::RecentError;
use crate::telemetry::metrics::{ActionFigures, Metrics};

use super::inbound::keys::Caller;
use super::state::AppState;

/// The state of a gateway.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GatewayStatus {
    /// Its version.
    version: &'static str,
    /// When it was started (RFC 3339, UTC).
    started_at: String,
    /// Whether the caller may edit definitions.
    edit: bool,
    /// Whether the caller may act on the whole deployment.
    admin: bool,
    /// When the project that is served was loaded (RFC 3339, UTC).
    loaded_at: String,
    /// The latest reload, if there was one.
    reload: Option<LatestReload>,
    /// Calls under way.
    calls: CallsUnderWay,
    /// The store.
    store: StoreStatus,
    /// The environments that the caller may use.
    environments: Vec<EnvironmentStatus>,
}

/// A reload.
#[derive(Debug, Serialize, ToSchema)]
struct LatestReload {
    /// When (RFC 3339, UTC).
    at: String,
    /// `taken` or `refused`.
    outcome: &'static str,
    /// Errors of the project.
    errors: usize,
    /// Warnings.
    warnings: usize,
}

/// Calls under way.
#[derive(Debug, Serialize, ToSchema)]
struct CallsUnderWay {
    /// How many there are.
    in_flight: usize,
    /// How many there may be.
    most: usize,
}

/// The store of conversations and claims.
#[derive(Debug, Serialize, ToSchema)]
struct StoreStatus {
    /// `memory`, `sqlite` or `redis`.
    backend: &'static str,
    /// What may be lost by the way it is set up.
    warnings: Vec<String>,
}

/// An environment.
#[derive(Debug, Serialize, ToSchema)]
struct EnvironmentStatus {
    /// Its name.
    name: String,
    /// Its connections.
    connections: Vec<ConnectionStatus>,
    /// Its auth connectors that fetch tokens.
    connectors: Vec<ConnectorStatus>,
    /// Its actions, as far as this process has had calls of them.
    actions: Vec<ActionStatus>,
    /// The latest calls that failed, the latest first; with keys, only for one with `admin = true`.
    #[schema(value_type = Vec<Object>)]
    errors: Vec<LatestError>,
}

/// A connection.
#[derive(Debug, Serialize, ToSchema)]
struct ConnectionStatus {
    /// Its name, or its origin where it has none.
    name: String,
    /// Scheme, host and port.
    origin: String,
    /// `closed`, `half_open` or `open`; null where it has no breaker.
    breaker: Option<&'static str>,
    /// Calls in flight.
    running: usize,
    /// Calls that wait for their turn.
    waiting: usize,
    /// Most calls in flight.
    max_in_flight: Option<usize>,
    /// The certificate that the service showed last; null where this process has seen none.
    certificate: Option<CertificateStatus>,
}

/// A certificate.
#[derive(Debug, Serialize, ToSchema)]
struct CertificateStatus {
    /// When it ends (RFC 3339, UTC).
    expires_at: String,
}

/// A connector that fetches tokens.
#[derive(Debug, Serialize, ToSchema)]
struct ConnectorStatus {
    /// Its name.
    name: String,
    /// `none`, `valid`, `expired`, or `put_off` where the last fetch failed and the next one waits.
    token: &'static str,
    /// Until when it can be used (RFC 3339, UTC).
    expires_at: Option<String>,
    /// Fetches that gave a token.
    fetched: u64,
    /// Fetches that did not.
    failed: u64,
}

/// What has been counted of an action since the process began.
#[derive(Debug, Serialize, ToSchema)]
struct ActionStatus {
    /// Its name.
    name: String,
    /// Calls.
    calls: u64,
    /// Calls that were no success.
    failed: u64,
    /// How many calls took at most so long.
    latency: Vec<LatencyBucket>,
}

/// A part of a histogram; each holds those before it.
#[derive(Debug, Serialize, ToSchema)]
struct LatencyBucket {
    /// The bound; null for all calls.
    le_ms: Option<f64>,
    /// How many calls.
    calls: u64,
}

/// A call that failed.
#[derive(Debug, Serialize, ToSchema)]
struct LatestError {
    /// When it came (RFC 3339, UTC).
    at: String,
    /// Its action.
    action: String,
    /// The stable code.
    code: &'static str,
    /// Why, as the log says it.
    message: String,
    /// The id of the call.
    tool_call_id: String,
    /// The conversation that it names.
    conversation_id: Option<String>,
}

/// Shows the state of the gateway and of the services that it calls.
///
/// A key sees its environments. Figures are of this process, since it began.
#[utoipa::path(
    get, path = "/v1/status", tag = "health",
    responses((status = 200, description = "the status", body = GatewayStatus)),
    security((), ("key" = []))
)]
pub(super) async fn status(State(state): State<AppState>, caller: Caller) -> Json<GatewayStatus> {
    let history = state.reloader().map(|reloader| reloader.history());
    let deployment = state.gateway().deployment();
    let seen = deployment.environments().iter().filter(|environment| caller.may_use(environment.name()));
    let environments = seen.map(|environment| {
        EnvironmentStatus::of(environment, &deployment, state.metrics(), caller.is_admin())
    });
    let loaded_at = history.as_ref().map_or(state.started_at(), |history| history.loaded_at);
    let latest = history.as_ref().and_then(|history| Some((history, history.latest.as_ref()?)));
    let (in_flight, most) = state.calls();
    let store = state.gateway().store();
    Json(GatewayStatus {
        version: env!("CARGO_PKG_VERSION"),
        started_at: state.started_at().to_string(),
        edit: state.is_editable() && caller.is_admin(),
        admin: caller.is_admin(),
        loaded_at: loaded_at.to_string(),
        reload: latest.map(|(history, latest)| {
            let refused = latest.refused.as_ref();
            let problems = refused.map_or(&history.problems, |refused| &refused.problems);
            let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
            LatestReload {
                at: latest.at.to_string(),
                outcome: if refused.is_some() { "refused" } else { "taken" },
                errors,
                warnings: problems.len() - errors,
            }
        }),
        calls: CallsUnderWay { in_flight, most },
        store: StoreStatus { backend: store.backend(), warnings: store.concerns() },
        environments: environments.collect(),
    })
}

impl EnvironmentStatus {
    fn of(
        environment: &ServedEnvironment,
        deployment: &Deployment,
        metrics: &Metrics,
        is_admin: bool,
    ) -> Self {
        let name = environment.name();
        let errors = if is_admin { metrics.recent_errors(name) } else { Vec::new() };
        let connections = environment.connections();
        Self {
            name: name.to_owned(),
            connections: connections.map(|(name, route)| ConnectionStatus::of(name, route)).collect(),
            connectors: environment.connectors().filter_map(ConnectorStatus::of).collect(),
            actions: metrics.of_actions(name).into_iter().filter_map(ActionStatus::of).collect(),
            errors: errors
                .into_iter()
                .map(|error| LatestError::of(error, &|text| deployment.redacted(name, &text)))
                .collect(),
        }
    }
}

impl ConnectionStatus {
    fn of(name: &str, route: &Route) -> Self {
        let load = route.load();
        let breaker = route.breaker_phase().map(|phase| match phase {
            0 => "closed",
            1 => "half_open",
            _ => "open",
        });
        let end = route.certificate_end().and_then(|end| Timestamp::from_second(end).ok());
        Self {
            name: name.to_owned(),
            origin: route.origin(),
            breaker,
            running: load.map_or(0, |load| load.running),
            waiting: load.map_or(0, |load| load.waiting),
            max_in_flight: load.map(|load| load.most),
            certificate: end.map(|end| CertificateStatus { expires_at: end.to_string() }),
        }
    }
}

impl ConnectorStatus {
    fn of(connector: &ConnectorCredentials) -> Option<Self> {
        let (token, left) = match connector.token_state()? {
            TokenState::None => ("none", None),
            TokenState::Valid(left) => ("valid", Some(left)),
            TokenState::Expired => ("expired", None),
            TokenState::PutOff => ("put_off", None),
        };
        let expires_at = left.and_then(|left| SignedDuration::try_from(left).ok());
        let expires_at = expires_at.and_then(|left| Timestamp::now().checked_add(left).ok());
        let (fetched, failed) = connector.token_fetches().unwrap_or_default();
        let (name, expires_at) = (connector.name().to_owned(), expires_at.map(|at| format!("{at:.0}")));
        Some(Self { name, token, expires_at, fetched, failed })
    }
}

impl ActionStatus {
    /// `None` for calls of names that no action has.
    fn of((name, figures): (String, ActionFigures)) -> Option<Self> {
        let ActionFigures { calls, failed, durations } = figures;
        let latency = durations.into_iter();
        let latency = latency
            .map(|(seconds, calls)| LatencyBucket { le_ms: seconds.map(|seconds| seconds * 1e3), calls })
            .collect();
        (!name.is_empty()).then_some(Self { name, calls, failed, latency })
    }
}

impl LatestError {
    /// Ids are texts of the caller's choosing.
    fn of(error: RecentError, clean: &dyn Fn(String) -> String) -> Self {
        let RecentError { at, action, code, cause, tool_call_id, conversation_id } = error;
        Self {
            at,
            action,
            code,
            message: clean(cause),
            tool_call_id: clean(tool_call_id),
            conversation_id: conversation_id.map(clean),
        }
    }
}
