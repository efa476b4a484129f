//! Claimed → rendered: the action's guards are asked, and what it will do is made ready.

use crate::action::template::Data;
use crate::action::{GuardError, Kind, RequestSpec, RequestTrace};
use crate::conversation::Claim;
use crate::executor::control::Started;
use crate::executor::served::{ServedAction, Upstream};

use super::answer::Answer;
use super::failure::Failure;
use super::guards;
use super::intent;
use super::phases::Phase;
use super::record::Values;
use super::speech::Voice;
use super::stage::{Call, Claimed, Prepared, Rendered, Stop};

impl<'c, 'a> Claimed<'c, 'a> {
    /// Makes the call ready to be sent. Its caller hears that it goes ahead, and nothing of a call that does not.
    pub(super) async fn render(self) -> Result<Rendered<'c, 'a>, Stop> {
        let Self { call, served, values, say, earlier } = self;
        call.reached("claimed", Some(Phase::Render));
        let key = call.claim.as_ref().map(|claim| claim.key);
        call.entry = Some(call.gateway.shared.under_way.enter(&call.record.call, key, call.control));
        let seat = call.gateway.seat(call.weight(), call.deadline).await;
        let _seat = seat.map_err(|none| Failure::no_seat(none, true))?;
        // Behind the claim, so that a call that was done before the conversation went on has its result.
        call.check_guards(&served, &values).map_err(Failure::from)?;
        let prepared = call.prepare(&served, &values, call.claim.as_deref(), earlier)?;
        if matches!(prepared, Prepared::Request(..)) && call.deadline.left().is_zero() {
            return Err(Failure::TooLate.into());
        }
        call.record.goes_ahead = true;
        call.control.started(|| match call.voice() {
            Some(voice) => voice.started(say.as_deref()),
            None => Started::default(),
        });
        Ok(Rendered { call, served, prepared })
    }
}

impl Call<'_> {
    /// Asks the guards of the action.
    pub(super) fn check_guards(&self, served: &ServedAction, values: &Values) -> Result<(), GuardError> {
        let initial_state = self.deployment.conversations().initial_state.as_deref();
        guards::check(&served.action, self.record.conversation.as_deref(), initial_state, values)
    }

    /// What the call will do. A write carries the key by which the upstream knows it again.
    pub(super) fn prepare(
        &self,
        served: &ServedAction,
        values: &Values,
        claim: Option<&Claim>,
        earlier: u64,
    ) -> Result<Prepared, Failure> {
        let action = &served.action;
        match (&served.upstream, &action.kind) {
            (Some(upstream), _) => {
                let data = values.data(served);
                let request = upstream.http.render(&data)?;
                let request = self.completed(request, upstream, served, &data, claim, earlier)?;
                Ok(Prepared::Request(upstream.clone(), request))
            }
            (None, Kind::Static(answer)) => {
                Ok(Prepared::Fixed(Answer::fixed(&answer.render(&values.data(served))?)))
            }
            (None, Kind::Handover(handover)) => {
                let conversation = self.record.conversation.as_deref();
                let voice = Voice { call: &self.record.call, served, values, conversation };
                Ok(Prepared::Handover(voice.handover(handover)?))
            }
            // No such action is served.
            (None, Kind::Http(_)) => Err(Failure::Internal { safe: true }),
        }
    }

    /// The request of the call with where its values come from; `None` where it sends none.
    pub(super) fn traced_request(
        &self,
        served: &ServedAction,
        values: &Values,
        claim: Option<&Claim>,
    ) -> Result<Option<(RequestSpec, RequestTrace)>, Failure> {
        let Some(upstream) = &served.upstream else { return Ok(None) };
        let data = values.data(served);
        let (request, trace) = upstream.http.render_traced(&data)?;
        let request = self.completed(request, upstream, served, &data, claim, 0)?;
        Ok(Some((request, trace)))
    }

    /// A request with what its templates do not say, if it is not too long.
    fn completed(
        &self,
        mut request: RequestSpec,
        upstream: &Upstream,
        served: &ServedAction,
        data: &Data<'_>,
        claim: Option<&Claim>,
        earlier: u64,
    ) -> Result<RequestSpec, Failure> {
        let action = &served.action;
        upstream.http.check_head(&request, data, &action.bind, self.deployment.limits.max_url_bytes)?;
        if !action.is_safe() {
            let key = || intent::idempotency_key(claim, self.record.call.id_is_given, earlier);
            request.add_header(intent::IDEMPOTENCY_KEY, key);
        }
        Ok(request)
    }
}
