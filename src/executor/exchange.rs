//! What was sent and what came back, for whoever asks to see it: masked as a preview is.

use http::header::LOCATION;
use http::{HeaderMap, HeaderName, StatusCode};

use crate::action::output::header_text;
use crate::action::secret_like;
use crate::action::{Action, RequestSpec};
use crate::egress::place;
use crate::secrets::MASK;
use crate::tool::ToolCall;

use super::failure::Failure;
use super::masks::Masks;
use super::outcome::{Outcome, Receipt};
use super::preview::describe;
use super::report::Exchange;
use super::{Admitted, Deployment, learning};

/// What was seen of a call, before it is masked.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) request: Option<RequestSpec>,
    pub(super) answer: Option<(StatusCode, HeaderMap)>,
}

impl Admitted<'_> {
    /// What `receipt` has seen, masked; `None` where nothing was sent, or nobody wants it.
    pub(super) fn exchange(
        &self,
        deployment: &Deployment,
        call: &ToolCall,
        receipt: &mut Receipt,
        outcome: &Result<Outcome, Failure>,
    ) -> Option<Exchange> {
        let Seen { request, answer } = *receipt.seen.take()?;
        let (request, target) = (request?, self.target);
        let masks = match &self.conversation {
            Some(known) => Masks::of(deployment, known, &[]),
            None => Masks::secrets(deployment, &call.environment),
        };
        let sensitive = target.action.parameters.sensitive_values(&self.values.parameters);
        let brought = learning::brought_under_marks(&call.variables, self.conversation.as_deref());
        let learned = outcome.iter().flat_map(|outcome| &outcome.extracted);
        let learned = learned.filter(|one| one.sensitive || one.hidden).map(|one| &one.value);
        let masks = masks
            .and_token(receipt.redactor.as_deref())
            .and_values(sensitive.iter().chain(&brought).chain(learned))
            .ready();
        let credentials = target.masked_credentials().cloned().unwrap_or_default();
        let request = describe(&request, &credentials, &masks).request;
        let answer =
            answer.map(|(status, headers)| (status.as_u16(), shown(&headers, &target.action, &masks)));
        Some(Exchange { request, answer })
    }
}

fn shown(headers: &HeaderMap, action: &Action, masks: &Masks<'_>) -> Vec<(String, String)> {
    let is_kept = |name: &HeaderName| {
        let marked = |output: &crate::action::output::Output| output.sensitive || output.hidden;
        secret_like::is_secret_name(name.as_str())
            || action.outputs.iter().any(|output| marked(output) && output.is_of_header(name))
    };
    let shown = headers.keys().filter_map(|name| {
        let text = header_text(headers, name)?;
        let text = match () {
            () if is_kept(name) => MASK.to_owned(),
            () if name == LOCATION => masks.request(&place(&text)),
            () => masks.request(&text),
        };
        Some((name.as_str().to_owned(), text))
    });
    shown.collect()
}
