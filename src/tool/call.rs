//! What a model asks for.

use std::sync::Arc;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::{Owner, Scope, random_u64};

/// A model's request to execute an action: untrusted.
#[derive(Clone, Debug)]
pub struct ToolCall {
    /// The id that the result repeats.
    pub id: String,
    /// Whether the caller chose the id: then it stands for one intent, however often it comes.
    pub id_is_given: bool,
    /// The environment it runs in: chosen by the caller's key, never by the model.
    pub environment: String,
    /// Whose conversation is meant, where its caller has conversations of its own; `None`: one that callers share.
    pub owner: Option<Owner>,
    /// The phone call or chat it belongs to.
    pub conversation_id: Option<String>,
    /// Name of the action.
    pub name: String,
    /// The arguments as they came: an object, or a JSON text of one.
    pub arguments: Box<RawValue>,
    /// Variables that the caller brings: dotted names, nested objects, or both.
    pub variables: Map<String, Value>,
    /// The name of the key it came with, for the audit; `None` where no keys guard the gateway.
    pub caller: Option<String>,
    /// The trace it belongs to; `None` where nobody traces.
    pub trace: Option<TraceContext>,
    /// Milliseconds from the receipt of the request by which the caller wants its answer.
    pub deadline_ms: Option<u64>,
    /// The language that the person on the line speaks (BCP 47), for what is said to them; else the variable
    /// `conversation.language` tells it.
    pub language: Option<String>,
    /// What made the call, as its caller says: `console`.
    pub source: Option<String>,
    /// How the call was delivered.
    pub delivery: Delivery,
}

/// What tells a repeat of a call from another call that looks the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// The HTTP request that brought the call; `None` if it brought no other call.
    pub request: Option<u64>,
    /// Stands for all calls of the request, by name and arguments; 0 if it brought no other call.
    pub turn: u64,
    /// How many calls of the same request with the same id, action and arguments stand before it.
    pub ordinal: u32,
    /// What the ids of its caller stand for.
    pub ids: ToolCallIds,
}

/// What the `tool_call_id` values of a caller stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ToolCallIds {
    /// Judged by their form, and by what the conversation has seen.
    #[default]
    Auto,
    /// An id stands for one call of its conversation.
    Unique,
    /// The model server uses the same ids again in each turn.
    PerTurn,
}

impl Delivery {
    /// The deliveries of the calls of one request, in their order. Two calls with the same id, name and arguments are two
    /// calls; `same` tells whether they are equal. `content` stands for a call's name and arguments, the same in every process.
    ///
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub fn of_request<T>(
        calls: &[T],
        ids: ToolCallIds,
        same: impl Fn(&T, &T) -> bool,
        content: impl Fn(&T) -> [u8; 32],
    ) -> Result<Vec<Self>, getrandom::Error> {
        let request = Some(random_u64()?);
        let turn = match calls {
            [] | [_] => 0,
            _ => {
                let whole = calls.iter().fold(Sha256::new(), |whole, call| whole.chain_update(content(call)));
                whole.finalize().first_chunk().copied().map_or(0, u64::from_le_bytes)
            }
        };
        let ordinal = |at: usize| calls[..at].iter().filter(|earlier| same(earlier, &calls[at])).count();
        let delivery =
            |at| Self { request, turn, ordinal: u32::try_from(ordinal(at)).unwrap_or(u32::MAX), ids };
        Ok((0..calls.len()).map(delivery).collect())
    }
}

impl ToolCall {
    /// A call that its caller gave the id `id`, and nothing besides what it does.
    pub fn new(id: &str, environment: &str, name: &str, arguments: Box<RawValue>) -> Self {
        Self {
            id: id.to_owned(),
            id_is_given: true,
            environment: environment.to_owned(),
            owner: None,
            conversation_id: None,
            name: name.to_owned(),
            arguments,
            variables: Map::new(),
            caller: None,
            trace: None,
            deadline_ms: None,
            language: None,
            source: None,
            delivery: Delivery::default(),
        }
    }

    /// Whose conversations and ids it names.
    pub fn scope(&self) -> Scope {
        Scope::of(&self.environment, self.owner.as_ref())
    }
}

/// Where a call stands in a trace (W3C Trace Context).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace, not zero.
    pub trace: u128,
    /// The caller's span, where the caller traces.
    pub parent: Option<u64>,
    /// The call's own span, not zero.
    pub span: u64,
    /// Whether the trace is recorded.
    pub sampled: bool,
    /// What the vendors of the caller's tracing say of it: `tracestate`, passed on as it came.
    pub state: Option<Arc<str>>,
}

/// The longest `tracestate` that is passed on; no participant has to pass on more (section 3.3.1.5).
const MAX_STATE: usize = 512;

impl TraceContext {
    /// A new trace, or the one that `traceparent` names, with its `tracestate`.
    ///
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub fn begin(traceparent: Option<&str>, tracestate: Option<&str>) -> Result<Self, getrandom::Error> {
        let span = new_span()?;
        if let Some((trace, parent, sampled)) = traceparent.and_then(parse_traceparent) {
            let state = tracestate.filter(|state| is_state(state)).map(Arc::from);
            return Ok(Self { trace, parent: Some(parent), span, sampled, state });
        }
        let trace = u128::from(random_u64()?) << 64 | u128::from(new_span()?);
        Ok(Self { trace, parent: None, span, sampled: true, state: None })
    }

    /// The header that tells an upstream of the trace, with `span` as its parent.
    pub fn traceparent(&self, span: u64) -> String {
        format!("00-{:032x}-{span:016x}-{:02x}", self.trace, u8::from(self.sampled))
    }
}

/// A random id of a span.
///
/// # Errors
///
/// The system gives no random numbers.
pub fn new_span() -> Result<u64, getrandom::Error> {
    // Zero is no id (W3C Trace Context section 3.2.2.4).
    Ok(random_u64()?.max(1))
}

/// Whether a `tracestate` says something that can be passed on.
fn is_state(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_STATE && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// `version-trace_id-parent_id-flags`; a later version may say more after these.
fn parse_traceparent(text: &str) -> Option<(u128, u64, bool)> {
    let mut parts = text.trim().split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |part: &str, length| {
        part.len() == length
            && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let well_formed = is_hex(version, 2) && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2);
    if !well_formed || version == "ff" || version == "00" && parts.next().is_some() {
        return None;
    }
    let (trace, parent) = (u128::from_str_radix(trace, 16).ok()?, u64::from_str_radix(parent, 16).ok()?);
    let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
    (trace != 0 && parent != 0).then_some((trace, parent, sampled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_stands_for_what_its_calls_are_in_their_order() {
        let turn = |calls: &[u8]| {
            let deliveries =
                Delivery::of_request(calls, ToolCallIds::Auto, |a, b| a == b, |call| [*call; 32]);
            deliveries.unwrap().iter().map(|delivery| delivery.turn).collect::<Vec<_>>()
        };
        assert_eq!(turn(&[1]), [0], "alone");
        let both = turn(&[1, 2]);
        assert_eq!(both, [both[0]; 2]);
        assert_ne!(both[0], 0);
        assert_eq!(turn(&[1, 2]), both);
        assert_ne!(turn(&[2, 1]), both);
    }

    #[test]
    fn a_trace_goes_on() {
        let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = TraceContext::begin(Some(header), None).unwrap();
        assert_eq!(context.trace, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!((context.parent, context.sampled), (Some(0x00f0_67aa_0ba9_02b7), true));
        assert_eq!(context.traceparent(0x00f0_67aa_0ba9_02b7), header);
    }

    #[test]
    fn a_tracestate_goes_on_as_it_came_unless_it_is_none() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let state = |text: &str| TraceContext::begin(Some(parent), Some(text)).unwrap().state;
        let longest = format!("a={}", "x".repeat(510));
        for text in ["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", longest.as_str()] {
            assert_eq!(state(text).as_deref(), Some(text));
        }
        for text in ["", "a=b\r\nc: d", "a=ü", &format!("{longest}x")] {
            assert_eq!(state(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_traceparent_begins_a_new_trace() {
        for text in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            let context = TraceContext::begin(Some(text), Some("a=1")).unwrap();
            assert_eq!((context.parent, context.state), (None, None), "{text}");
        }
        let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more";
        assert!(TraceContext::begin(Some(later), None).unwrap().parent.is_some());
    }
}
