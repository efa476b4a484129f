//! Agents: a model that is asked, called for, and spoken for.
//!
//! A caller sends what was said; [`begin`] gives what is to be said, as a stream of [`AgentEvent`]s. Between the two a turn
//! (`turn.rs`) runs its rounds: it puts the hidden rounds of earlier turns into the history (`history.rs`, `record.rs`),
//! asks the model (`ask.rs`, `specs.rs`), runs the calls of the answer in parallel and says fillers meanwhile (`calls.rs`,
//! `voice.rs`), passes the caller's own calls on, and hands over (`handover.rs`). How calls are executed is for [`Tools`]
//! to say. What an agent says without its model stands in `greeting.rs`.

mod ask;
mod calls;
mod greeting;
mod handover;
mod history;
mod record;
mod request;
mod specs;
mod stream;
mod tools;
mod turn;
mod voice;

pub use self::greeting::{APOLOGY, Speaker};
pub use self::record::{
    CallPlace, LateResult, PassedCall, TurnRecord, after_turns, late as late_results, read as read_turns,
};
pub use self::request::{
    AgentEvent, CallerTool, Carrier, History, Origin, Product, RoundReport, TextSource, TurnFailure,
    TurnFinish, TurnRequest,
};
pub use self::specs::AgentTools;
pub use self::stream::AgentStream;
pub use self::tools::{BegunCall, CallWork, Tools};
pub use self::turn::{AgentDesk, begin};
