//! The calls of a request, let in: the one place that judges their number, their ids, what they take of a key's rate,
//! and whether there is room for them.

use serde_json::Map;
use serde_json::value::RawValue;

use crate::executor::{content_of, is_same_call};
use crate::server::problem::{ProblemCode, ProblemDocument};
use crate::server::state::{AppState, RunningCall};
use crate::tool::{Delivery, Owner, ToolCall, ToolCallIds, random_u64};

use super::keys::Caller;
use super::whose::{ID_RULE, is_id};

/// A call as a request brings it.
#[derive(Debug)]
pub(in crate::server) struct Incoming {
    /// The id that its caller gave it; made up where there is none.
    pub(in crate::server) id: Option<String>,
    pub(in crate::server) environment: String,
    /// Whose conversation it names; `None`: one that callers share.
    pub(in crate::server) owner: Option<Owner>,
    pub(in crate::server) conversation_id: Option<String>,
    pub(in crate::server) name: String,
    pub(in crate::server) arguments: Box<RawValue>,
    pub(in crate::server) variables: Map<String, serde_json::Value>,
    /// Who calls, for the audit: a key's name, or a product.
    pub(in crate::server) caller: Option<String>,
    pub(in crate::server) deadline_ms: Option<u64>,
    pub(in crate::server) language: Option<String>,
    /// Why it cannot be executed, as its provider's form has it.
    pub(in crate::server) refused: Option<&'static str>,
}

/// Why one call of a request is not executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) enum Refusal {
    /// What its provider's form says.
    ByItsForm(&'static str),
    /// There are more calls than one request may bring.
    TooMany {
        /// How many there are.
        calls: usize,
        /// How many there may be.
        most: usize,
    },
    /// An id that can be none: `tool_call_id` or `conversation_id`.
    InvalidId(&'static str),
    /// The system gives no random numbers.
    NoId(String),
    /// Too many calls are under way.
    NoRoom,
}

impl Refusal {
    /// For a model that has a person on the line.
    pub(in crate::server) fn in_words(&self) -> String {
        match self {
            Self::ByItsForm(why) => (*why).to_owned(),
            Self::TooMany { most, .. } => {
                format!("More than {most} calls in one turn. It was not executed.")
            }
            Self::InvalidId(_) => format!("It was not executed: its id {ID_RULE}."),
            Self::NoId(_) => "The gateway could not make an id. It was not executed.".to_owned(),
            Self::NoRoom => {
                "Too much is going on right now; it was not executed. You can try once more.".to_owned()
            }
        }
    }

    /// For whoever sent the request; `at` says which of its calls is meant.
    fn problem(&self, at: &str) -> ProblemDocument {
        let invalid =
            |detail: String| ProblemDocument::new(ProblemCode::InvalidRequest, format!("{at}{detail}"));
        match self {
            Self::ByItsForm(why) => invalid((*why).to_owned()),
            Self::TooMany { calls, most } => {
                let detail = format!("{calls} calls in one request; {most} are allowed");
                ProblemDocument::new(ProblemCode::InvalidRequest, detail)
            }
            Self::InvalidId(what) => invalid(format!("`{what}` {ID_RULE}")),
            Self::NoId(cause) => ProblemDocument::new(ProblemCode::Internal, cause.clone()),
            Self::NoRoom => crate::server::state::no_room(),
        }
    }
}

/// Calls of one request, judged by themselves.
#[derive(Debug)]
pub(in crate::server) struct Batch(Vec<Result<ToolCall, Refusal>>);

impl Batch {
    /// Judges `calls`: how many there are, their ids, and which of them are equal. `ids` is what the ids of their caller
    /// stand for.
    ///
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub(in crate::server) fn judge(
        state: &AppState,
        ids: ToolCallIds,
        calls: Vec<Incoming>,
    ) -> Result<Self, ProblemDocument> {
        let (count, most) = (calls.len(), state.server().max_calls_per_request);
        let judged = calls.into_iter().enumerate().map(|(at, call)| match at < most {
            true => judge(call),
            false => Err(Refusal::TooMany { calls: count, most }),
        });
        let mut judged: Vec<Result<ToolCall, Refusal>> = judged.collect();
        let mut taken: Vec<&mut ToolCall> = judged.iter_mut().flatten().collect();
        let deliveries = Delivery::of_request(
            &taken,
            ids,
            |one, other| is_same(one, other),
            |call| content_of(&call.name, &call.arguments),
        );
        let deliveries =
            deliveries.map_err(|error| ProblemDocument::new(ProblemCode::Internal, error.to_string()))?;
        for (call, delivery) in taken.iter_mut().zip(deliveries) {
            call.delivery = delivery;
        }
        Ok(Self(judged))
    }

    /// All of its calls.
    ///
    /// # Errors
    ///
    /// One of them cannot be executed; so none of them is. `at` says which one, by its place.
    pub(in crate::server) fn whole(
        self,
        at: impl Fn(usize) -> String,
    ) -> Result<Vec<ToolCall>, ProblemDocument> {
        // That there are too many counts for more than what is wrong with one of them.
        let too_many = self.0.iter().find_map(|call| match call {
            Err(refusal @ Refusal::TooMany { .. }) => Some(refusal.problem("")),
            Ok(_) | Err(_) => None,
        });
        too_many.map_or(Ok(()), Err)?;
        let calls = self.0.into_iter().enumerate();
        calls.map(|(index, call)| call.map_err(|refusal| refusal.problem(&at(index)))).collect()
    }

    /// Lets the calls in, all or none; `caller` has paid for one of them.
    ///
    /// # Errors
    ///
    /// Their key calls too often, or there is no room for all of them.
    pub(in crate::server) fn admit(
        state: &AppState,
        caller: &Caller,
        calls: Vec<ToolCall>,
    ) -> Result<Vec<(ToolCall, RunningCall)>, ProblemDocument> {
        caller.charge_more(calls.len().saturating_sub(1))?;
        let begun = state.begin_calls(calls.len())?;
        Ok(calls.into_iter().zip(begun).collect())
    }

    /// Lets the calls in, each by itself.
    pub(in crate::server) fn admit_each(
        self,
        state: &AppState,
    ) -> impl Iterator<Item = Result<(ToolCall, RunningCall), Refusal>> {
        self.0.into_iter().map(|call| {
            let call = call?;
            let begun = state.begin_calls(1).ok().and_then(|mut begun| begun.pop());
            begun.map(|running| (call, running)).ok_or(Refusal::NoRoom)
        })
    }
}

fn judge(call: Incoming) -> Result<ToolCall, Refusal> {
    let Incoming { id, environment, owner, conversation_id, name, arguments, variables, .. } = call;
    if let Some(why) = call.refused {
        return Err(Refusal::ByItsForm(why));
    }
    let id_is_given = id.is_some();
    let id = id.map_or_else(new_id, Ok).map_err(|error| Refusal::NoId(error.to_string()))?;
    for (what, id) in [("tool_call_id", Some(&id)), ("conversation_id", conversation_id.as_ref())] {
        if id.is_some_and(|id| !is_id(id)) {
            return Err(Refusal::InvalidId(what));
        }
    }
    let (caller, deadline_ms, language) = (call.caller, call.deadline_ms, call.language);
    Ok(ToolCall {
        id,
        id_is_given,
        environment,
        owner,
        conversation_id,
        name,
        arguments,
        variables,
        caller,
        trace: None,
        deadline_ms,
        language,
        source: None,
        delivery: Delivery::default(),
    })
}

/// Whether two calls of a request have the same id, or none, and the same content.
fn is_same(one: &ToolCall, other: &ToolCall) -> bool {
    let has_same_id = one.id_is_given == other.id_is_given && (!one.id_is_given || one.id == other.id);
    has_same_id
        && one.conversation_id == other.conversation_id
        && one.name == other.name
        && is_same_call(&one.name, &one.arguments, &other.arguments)
}

/// A fresh id for a call that came without one.
fn new_id() -> Result<String, getrandom::Error> {
    Ok(format!("call_{:016x}", random_u64()?))
}
