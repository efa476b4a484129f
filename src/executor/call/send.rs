//! Rendered → sent: the request goes out once, or again where that can do no harm.

use std::borrow::Cow;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderName, HeaderValue, StatusCode};
use url::Url;

use crate::action::{Action, HttpAction, RequestSpec, RetryPolicy};
use crate::conversation::{StoreError, now_ms};
use crate::egress::{Credentials, EgressError, Limits, Response, retry_after};
use crate::executor::observe::Step;
use crate::executor::served::{ServedAction, Upstream};
use crate::tool::{Effect, ToolCall, new_span};

use super::failure::{self, Failure};
use super::phases::Phase;
use super::record::{CallRecord, Moment, SentRequest};
use super::stage::{Call, Prepared, Rendered, Reply, Sent, Stop};

/// The headers by which an upstream knows the trace (W3C Trace Context).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

impl<'c, 'a> Rendered<'c, 'a> {
    /// Does what the call asks for, unless it is cancelled before.
    pub(super) async fn send(self) -> Result<Sent<'c, 'a>, Stop> {
        let Self { call, served, prepared } = self;
        call.reached("rendered", None);
        let control = call.control;
        let answer = match prepared {
            Prepared::Request(upstream, request) => tokio::select! {
                biased;
                () = control.cancelled() => return Err(Failure::Cancelled.into()),
                response = call.response(&served, &upstream, request) => Reply::Upstream(response?),
            },
            Prepared::Fixed(answer) => Reply::Fixed(answer),
            Prepared::Handover(handover) => Reply::Handover(handover),
        };
        Ok(Sent { call, served, answer })
    }
}

impl Call<'_> {
    /// Sends the request until there is an answer to keep: once more with a
    /// fresh token where the upstream refused the one that was cached (a
    /// refused request has had no effect), and again as the action's policy
    /// says, as long as another attempt can end before the deadline.
    async fn response(
        &mut self,
        served: &ServedAction,
        upstream: &Upstream,
        request: RequestSpec,
    ) -> Result<Response, Failure> {
        let (gateway, deadline) = (self.gateway, self.deadline);
        let (mut attempts, mut token_is_fresh) = (0, false);
        loop {
            let tokens = &gateway.shared.tokens;
            let resolved = upstream.credentials.resolve(&gateway.egress, tokens, deadline);
            let asked = Instant::now();
            let resolved = self.record.waiting(resolved).await;
            self.record.phases.waited(Phase::Token, attempts + 1, asked);
            let resolved = resolved?;
            self.record.token.clone_from(&resolved.redactor);
            attempts += 1;
            let started = Instant::now();
            let answer = self.attempt(served, upstream, &request, &resolved.credentials).await?;
            let is_refused = answer.as_ref().is_ok_and(|answer| answer.status == StatusCode::UNAUTHORIZED);
            // As long again must be left, as for any other attempt.
            let has_time = started.elapsed() < deadline.left();
            if is_refused && !token_is_fresh && resolved.refuse() && has_time {
                (attempts, token_is_fresh) = (attempts - 1, true);
                self.again(Duration::ZERO, &answer);
                continue;
            }
            let wait = wait(&upstream.http.retry, attempts, &answer);
            let Some(wait) = wait.filter(|wait| *wait + started.elapsed() < deadline.left()) else {
                return answer.map_err(|error| Failure::egress(error, &served.action));
            };
            tracing::debug!(
                tool.name = %served.action.name,
                attempts,
                wait_ms = wait.as_millis(),
                cause = %cause(&answer),
                "the request is sent again"
            );
            self.again(wait, &answer);
            if !self.record.was_sent {
                self.control.nothing_sent();
            }
            let slept = Instant::now();
            self.record.waiting(tokio::time::sleep(wait)).await;
            self.record.phases.waited(Phase::Wait, attempts, slept);
        }
    }

    /// Sends the request once, when its turn has come. Until then nothing of it is sent, and the call can be cancelled.
    async fn attempt(
        &mut self,
        served: &ServedAction,
        upstream: &Upstream,
        request: &RequestSpec,
        credentials: &Credentials,
    ) -> Result<Result<Response, EgressError>, Failure> {
        let (http, deadline) = (&upstream.http, self.deadline);
        let limits = Limits {
            connect_timeout: http.connect_timeout,
            read_timeout: http.read_timeout,
            max_response_bytes: self.deployment.limits.max_response_bytes,
        };
        let begun = Instant::now();
        let (traced, span) = traced(request, &self.record.call);
        let is_first = self.record.attempts == 0;
        let shown = (is_first && self.keeps_request()).then(|| traced.clone().into_owned());
        let ready = self.gateway.egress.ready(&traced, credentials, &upstream.route, limits);
        let attempt = self.record.attempts + 1;
        self.record.phases.waited(Phase::Render, attempt, begun);
        let queued = Instant::now();
        let turn = match ready {
            Ok(ready) => self.record.waiting(ready.turn(deadline)).await,
            Err(error) => Err(error),
        };
        self.record.phases.waited(Phase::Queue, attempt, queued);
        let turn = match turn {
            Ok(turn) => turn,
            Err(error) => {
                let answer = Err(error);
                self.record.steps.extend(span.map(|span| step(span, http, begun, &answer)));
                return Ok(answer);
            }
        };
        if is_first {
            let marked = Instant::now();
            self.mark(served).await?;
            self.record.phases.waited(Phase::Store, attempt, marked);
        }
        if !self.control.begin_sending() {
            return Err(Failure::Cancelled);
        }
        if is_first {
            self.audit(served, upstream);
        }
        if let Some(spec) = shown {
            self.record.request = Some(Box::new(SentRequest { at_ms: now_ms(), spec }));
        }
        let started = Instant::now();
        // Held to be sent while nobody knows: what a panic of ours leaves behind must not be sent again.
        let was_sent = std::mem::replace(&mut self.record.was_sent, true);
        let marks = self.record.phases.marks();
        let answer = turn.send(deadline, marks.clone()).await;
        self.record.phases.exchanged(attempt, started, marks.as_deref());
        self.record.was_sent = was_sent;
        self.record.note(&answer, &served.action);
        if self.control.is_inspected() {
            self.record.answered_body = answer.as_ref().ok().map(|answer| answer.body.clone());
        }
        if self.is_watched || self.control.is_inspected() {
            self.record.answer = answer.as_ref().ok().map(|answer| (answer.status, answer.headers.clone()));
        }
        let took = started.elapsed();
        self.record.spent.upstream += took;
        if answer.is_ok() && self.stored_conversation().is_some() {
            self.record.moments.push(Moment::Answered { at_ms: now_ms(), took });
        }
        self.record.steps.extend(span.map(|span| step(span, http, started, &answer)));
        Ok(answer)
    }

    /// Notes for the feed that the request is sent again after `wait`.
    fn again(&mut self, wait: Duration, answer: &Result<Response, EgressError>) {
        if self.stored_conversation().is_some() {
            let (attempt, cause) = (self.record.attempts + 1, cause(answer));
            self.record.moments.push(Moment::Again { at_ms: now_ms(), attempt, wait, cause });
        }
    }

    /// Stores that the request is about to be sent, so that whoever finds the
    /// claim of a gateway that was killed knows what may have happened.
    async fn mark(&self, served: &ServedAction) -> Result<(), Failure> {
        let Some(claim) = &self.claim else { return Ok(()) };
        let marked = self.deadline.within(self.gateway.shared.store.sending(claim)).await;
        marked.map_err(|_| Failure::TooLate)?.map_err(|error| {
            // If another call has the intent by now, that one may be sending it. Else nothing was sent, as this call knows.
            let safe = served.action.is_safe() || !matches!(error, StoreError::Fenced);
            Failure::Store { error, safe }
        })
    }

    /// One line for each call that uses secrets: who, which, and for what.
    fn audit(&self, served: &ServedAction, upstream: &Upstream) {
        let secrets = upstream.credentials.secrets();
        if !secrets.is_empty() {
            let call = &self.record.call;
            tracing::info!(
                target: "callgate::audit",
                key = call.caller.as_deref().unwrap_or_default(),
                secrets = secrets.join(","),
                tool.name = %served.action.name,
                call.id = call.id.as_str(),
                environment = served.environment.name.as_str(),
                upstream = upstream.http.connection.base_url.as_str(),
                "secret used"
            );
        }
    }
}

/// The request of one attempt: with the id of its span, where the call is traced.
fn traced<'r>(request: &'r RequestSpec, call: &ToolCall) -> (Cow<'r, RequestSpec>, Option<u64>) {
    let as_it_is = Cow::Borrowed(request);
    let Some(trace) = &call.trace else { return (as_it_is, None) };
    let Ok(span) = new_span() else { return (as_it_is, None) };
    let mut request = request.clone();
    if let Ok(value) = HeaderValue::try_from(trace.traceparent(span)) {
        request.add_header(TRACEPARENT, || value);
    }
    if let Some(Ok(value)) = trace.state.as_deref().map(HeaderValue::try_from) {
        request.add_header(TRACESTATE, || value);
    }
    (Cow::Owned(request), Some(span))
}

fn step(span: u64, http: &HttpAction, started: Instant, answer: &Result<Response, EgressError>) -> Step {
    let took = started.elapsed();
    let url = Url::parse(&http.connection.base_url).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default().to_owned();
    Step {
        span,
        started: SystemTime::now().checked_sub(took).unwrap_or(SystemTime::UNIX_EPOCH),
        took,
        method: http.method.clone(),
        server: (host, url.as_ref().and_then(Url::port_or_known_default)),
        outcome: answer.as_ref().map(|answer| answer.status.as_u16()).map_err(EgressError::kind),
    }
}

/// The longest wait that is followed.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// How long to wait before another attempt; `None` where there is to be none.
fn wait(policy: &RetryPolicy, attempts: u32, answer: &Result<Response, EgressError>) -> Option<Duration> {
    if attempts >= policy.max_attempts {
        return None;
    }
    let asked = match answer {
        // No deadline is longer than the longest wait; what is added to it must not overflow.
        Ok(answer) if policy.after_status(answer.status) => {
            retry_after(&answer.headers, jiff::Timestamp::now()).map(|wait| wait.min(LONGEST_WAIT))
        }
        Err(EgressError::Connect(_) | EgressError::Unprocessed(_)) if policy.after_no_connection() => None,
        Err(EgressError::Silent(_)) if policy.after_read_timeout() => None,
        Err(EgressError::Lost(_)) if policy.after_lost_connection() => None,
        Ok(_) | Err(_) => return None,
    };
    // Spread over the span, so that many callers do not come back at once.
    let jitter = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
    Some(policy.wait(attempts, jitter).max(asked.unwrap_or_default()))
}

fn cause(answer: &Result<Response, EgressError>) -> String {
    match answer {
        Ok(answer) => answer.status.to_string(),
        Err(error) => error.to_string(),
    }
}

impl CallRecord {
    /// Notes what an attempt may have done.
    fn note(&mut self, answer: &Result<Response, EgressError>, action: &Action) {
        let effect = match answer {
            Ok(answer) if answer.status.is_success() => Effect::None,
            Ok(answer) => failure::upstream_status(answer.status, action).effect,
            Err(error) => failure::egress_effect(error, action.is_safe()),
        };
        // What the gateway itself decided against is no attempt.
        self.attempts += u32::from(!answer.as_ref().is_err_and(EgressError::is_refusal));
        self.was_sent |= !answer.as_ref().is_err_and(EgressError::never_sent);
        self.may_be_done |= effect == Effect::Unknown;
    }
}
