//! A view of a call that has ended: what was sent and what came back, for whoever asks to see it. Masked as a preview is.

use http::header::LOCATION;
use http::{HeaderMap, HeaderName};

use crate::action::Action;
use crate::action::output::{Output, header_text};
use crate::action::secret_like;
use crate::egress::place;
use crate::executor::conversation::masks::Masks;
use crate::executor::conversation::variables::brought_under_marks;
use crate::executor::observe::Exchange;
use crate::executor::served::Deployment;
use crate::secrets::MASK;

use super::failure::Failure;
use super::outcome::Outcome;
use super::record::CallRecord;
use super::request::PreviewedRequest;

/// What was sent and what came back; `None` where nothing was sent.
pub(super) fn of(
    record: &CallRecord,
    deployment: &Deployment,
    outcome: &Result<Outcome, Failure>,
) -> Option<Exchange> {
    let (request, served) = (record.request.as_ref()?, record.action.as_ref()?);
    let masks = match &record.conversation {
        Some(known) => Masks::of(deployment, known, &[]),
        None => Masks::secrets(deployment, &record.call.environment),
    };
    let brought = brought_under_marks(&record.call.variables, record.conversation.as_deref());
    let learned = outcome.iter().flat_map(|outcome| &outcome.extracted);
    let learned = learned.filter(|one| one.sensitive || one.hidden).map(|one| &one.value);
    let masks = masks
        .and_token(record.token.as_deref())
        .and_values(record.sensitive.iter().flatten().chain(&brought).chain(learned))
        .ready();
    let request = PreviewedRequest::sent(&request.spec, served.shown_credentials(), &masks);
    let answer = record.answer.as_ref();
    let answer = answer.map(|(status, headers)| (status.as_u16(), shown(headers, &served.action, &masks)));
    Some(Exchange { request, answer })
}

pub(super) fn shown(headers: &HeaderMap, action: &Action, masks: &Masks<'_>) -> Vec<(String, String)> {
    let is_kept = |name: &HeaderName| {
        let marked = |output: &Output| output.sensitive || output.hidden;
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
