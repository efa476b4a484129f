//! The tool JSON of other voice products → actions.
//!
//! Exports come as one tool, as a list, or as a whole assistant with its tools
//! somewhere inside; every object that looks like a tool of the product is read.

mod tools;
mod vapi;
mod messages;
mod elevenlabs;
mod elevenlabs_list;
mod retell;
mod step;

pub(super) use self::elevenlabs::import as elevenlabs;
pub(super) use self::retell::import as retell;
pub(super) use self::step::{atoms, voiceflow};
pub(super) use self::vapi::import as vapi;
