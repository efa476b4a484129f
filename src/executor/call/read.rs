//! Sent → answered: the answer is read, at a seat where it is long.

use crate::egress::EgressError;

use super::answer::Answer;
use super::failure::Failure;
use super::outcome::{Look, Outcome};
use super::phases::Phase;
use super::stage::{Reply, Sent, Stop};

impl Sent<'_, '_> {
    /// Looks at the answer; at a seat, where it is long.
    pub(super) async fn read(self) -> Result<Outcome, Stop> {
        let Self { call, served, answer } = self;
        call.reached("sent", Some(Phase::Extract));
        let look = Look {
            deployment: call.deployment.clone(),
            served: served.clone(),
            conversation: call.record.conversation.clone(),
            token: call.record.token.clone(),
        };
        let bytes = answer.bytes().max(call.weight_of_masks());
        let answer = match answer {
            Reply::Handover(handover) => return Ok(Outcome::handover(handover, &look)),
            answer => answer,
        };
        let work = move |in_time: &dyn Fn() -> bool| match answer {
            Reply::Upstream(response) => Outcome::of(Answer::read(response), &look, in_time),
            Reply::Fixed(answer) => Outcome::of(answer, &look, in_time),
            Reply::Handover(handover) => Some(Outcome::handover(handover, &look)),
        };
        // Who waits for a seat too long has an answer that nobody could look at.
        let late = || Failure::egress(EgressError::Deadline, &served.action);
        let (outcome, seat) = call.gateway.aside(bytes, call.deadline, work).await.map_err(|_| late())?;
        call.seat = seat;
        Ok(outcome.ok_or_else(late)?)
    }
}
