//! Names of keys, and the scripts that are atomic on the server.
//!
//! All keys of a conversation hold its slot in braces, so that a cluster keeps
//! them on one node, where a script may use them together.

use std::time::Duration;

use redis::{Script, ScriptInvocation};
use serde_json::{Value, json};

use crate::action::output;
use crate::tool::Scope;

use super::super::change::{Change, Refused};
use super::super::course::MAX_RECENT;
use super::super::event::MAX_EVENTS;
use super::super::record::{MAX_BYTES, MAX_CONCEALED, MAX_VARIABLES};
use super::super::{
    Claim, ClaimKey, ConversationKey, IdTrust, MAX_TTL, MAX_TURN_BYTES, MAX_TURNS, MAX_TWINS, Opening, Slot,
    millis, now_ms,
};

/// How long a holder is believed to live after its last sign.
pub(super) const LEASE: Duration = Duration::from_secs(5);
/// How long a claim under way is kept besides its result's time: nobody knows
/// how its call ended, which is itself worth knowing.
const UNDER_WAY: Duration = Duration::from_secs(10 * 60);

/// The scripts, and what begins the names of all keys.
#[derive(Debug)]
pub(super) struct Scripts {
    prefix: String,
    limits: String,
    claim: Script,
    hold: Script,
    settle: Script,
    release: Script,
    ended: Script,
    orphan: Script,
    adopt: Script,
    open: Script,
    update: Script,
    add_turn: Script,
    forget: Script,
    remove_note: Script,
}

macro_rules! script {
    ($($file:literal),+) => {
        Script::new(concat!(include_str!("common.lua"), $(include_str!($file)),+))
    };
}

/// What changes the server and may be done later, or twice, without harm.
#[derive(Clone, Debug)]
pub(super) enum Write {
    Settle {
        claim: Claim,
        result: String,
        change: String,
    },
    Release {
        claim: Claim,
    },
    Orphan {
        key: ClaimKey,
    },
    Adopt {
        key: ClaimKey,
    },
    Update {
        key: ConversationKey,
        change: String,
    },
    /// `id` is of this turn and no other: appended twice, it is there once.
    AddTurn {
        key: ConversationKey,
        id: u64,
        text: String,
    },
}

impl Write {
    /// What a cluster keeps on one node, and what is written in its order.
    pub(super) fn slot(&self) -> Slot {
        match self {
            Self::Settle { claim, .. } | Self::Release { claim } => claim.key.slot(),
            Self::Orphan { key } | Self::Adopt { key } => key.slot(),
            Self::Update { key, .. } | Self::AddTurn { key, .. } => key.slot(),
        }
    }

    pub(super) fn invocation<'a>(&'a self, scripts: &'a Scripts) -> ScriptInvocation<'a> {
        match self {
            Self::Settle { claim, result, change } => {
                let mut invocation = scripts.settle.key(scripts.claim_name(&claim.key));
                if let Some(conversation) = &claim.conversation {
                    for name in scripts.conversation_names(conversation) {
                        invocation.key(name);
                    }
                }
                if let Some(unsent) = scripts.unsent_of(claim) {
                    invocation.key(unsent);
                }
                invocation
                    .arg(claim.holder)
                    .arg(result)
                    .arg(millis(claim.keep))
                    .arg(change)
                    .arg(&scripts.limits)
                    .arg(claim.key.hex());
                invocation
            }
            Self::Release { claim } => {
                let mut invocation = scripts.keyed_with_others(&scripts.release, claim);
                invocation.arg(claim.holder).arg(&claim.action).arg(claim.key.hex());
                invocation
            }
            Self::Orphan { key } => scripts.orphan.key(scripts.claim_name(key)),
            Self::Adopt { key } => {
                let mut invocation = scripts.adopt.key(scripts.claim_name(key));
                // A claim lives with its conversation.
                invocation.key(scripts.names_of(key.slot())[0].as_str());
                invocation
            }
            Self::Update { key, change } => {
                let mut invocation = scripts.update.prepare_invoke();
                for name in scripts.conversation_names(key) {
                    invocation.key(name);
                }
                invocation.arg(change).arg(&scripts.limits);
                invocation
            }
            Self::AddTurn { key, id, text } => {
                let mut invocation = scripts.add_turn.prepare_invoke();
                for name in scripts.conversation_names(key) {
                    invocation.key(name);
                }
                invocation.arg(format!("{id:016x}")).arg(text).arg(MAX_TURNS).arg(MAX_TURN_BYTES);
                invocation
            }
        }
    }
}

impl Scripts {
    pub(super) fn new(prefix: &str) -> Self {
        let limits = json!({
            "bytes": MAX_BYTES,
            "variables": MAX_VARIABLES,
            "concealed": MAX_CONCEALED,
            "events": MAX_EVENTS,
        });
        Self {
            prefix: prefix.to_owned(),
            limits: limits.to_string(),
            claim: script!("claim.lua"),
            hold: script!("hold.lua"),
            settle: script!("change.lua", "settle.lua"),
            release: script!("release.lua"),
            ended: script!("ended.lua"),
            orphan: script!("orphan.lua"),
            adopt: script!("adopt.lua"),
            open: script!("change.lua", "open.lua"),
            update: script!("change.lua", "update.lua"),
            add_turn: script!("add_turn.lua"),
            forget: script!("forget.lua"),
            remove_note: script!("remove_note.lua"),
        }
    }

    /// What begins the names of the claims of a slot.
    fn claims(&self, key: &ClaimKey) -> String {
        format!("{}:{{{}}}:claim:", self.prefix, key.slot().hex())
    }

    fn claim_name(&self, key: &ClaimKey) -> String {
        self.claims(key) + &key.hex()
    }

    fn twins_name(&self, key: &ClaimKey) -> String {
        format!("{}:{{{}}}:twins:{}", self.prefix, key.slot().hex(), key.hex())
    }

    /// The hash, the texts to conceal, the events and the turns of a conversation.
    pub(super) fn conversation_names(&self, key: &ConversationKey) -> [String; 4] {
        self.names_of(key.slot())
    }

    fn names_of(&self, slot: Slot) -> [String; 4] {
        let slot = slot.hex();
        let parts = ["conversation", "concealed", "events", "turns"];
        parts.map(|part| format!("{}:{{{slot}}}:{part}", self.prefix))
    }

    /// The calls of a conversation that count and are not sent yet, where so many may begin.
    fn unsent_name(&self, key: &ConversationKey) -> String {
        format!("{}:{{{}}}:unsent", self.prefix, key.slot().hex())
    }

    /// All keys that belong to a conversation and go with it.
    fn all_names(&self, key: &ConversationKey) -> impl Iterator<Item = String> {
        self.conversation_names(key).into_iter().chain([self.unsent_name(key)])
    }

    /// Where a claim stands until it is sent, if anywhere.
    fn unsent_of(&self, claim: &Claim) -> Option<String> {
        let conversation = claim.conversation.as_ref().filter(|_| claim.most_calls.is_some())?;
        Some(self.unsent_name(conversation))
    }

    /// The conversations of a scope by their start.
    pub(super) fn list_name(&self, scope: &Scope) -> String {
        format!("{}:conversations:{scope}", self.prefix)
    }

    /// A note.
    pub(super) fn note_name(&self, name: &str) -> String {
        format!("{}:note:{name}", self.prefix)
    }

    pub(super) fn forget(&self, key: &ConversationKey) -> ScriptInvocation<'_> {
        let mut invocation = self.forget.prepare_invoke();
        for name in self.all_names(key) {
            invocation.key(name);
        }
        invocation
    }

    pub(super) fn remove_note(&self, name: &str, text: &str) -> ScriptInvocation<'_> {
        let mut invocation = self.remove_note.key(self.note_name(name));
        invocation.arg(text);
        invocation
    }

    /// A script about a claim, its twins and its conversation, where it has them.
    fn keyed_with_others<'a>(&self, script: &'a Script, claim: &Claim) -> ScriptInvocation<'a> {
        let name = self.claim_name(&claim.key);
        let twins = claim.twin.map_or_else(|| name.clone(), |twin| self.twins_name(&twin));
        let conversation = match &claim.conversation {
            Some(key) => self.conversation_names(key)[0].clone(),
            None => name.clone(),
        };
        let unsent = self.unsent_of(claim).unwrap_or_else(|| name.clone());
        let mut invocation = script.key(name);
        invocation.key(twins).key(conversation).key(unsent);
        invocation
    }

    pub(super) fn claim(&self, claim: &Claim) -> ScriptInvocation<'_> {
        let mut invocation = self.keyed_with_others(&self.claim, claim);
        let (former, arguments) = claim.former.unwrap_or((claim.key, [0; 32]));
        invocation.key(self.claim_name(&former));
        let number = u8::from;
        invocation
            .arg(claim.holder)
            .arg(&arguments[..])
            .arg(number(claim.is_write))
            .arg(millis(claim.keep))
            .arg(millis(claim.twin_window))
            .arg(millis(LEASE))
            .arg(&claim.action)
            .arg(claim.most_calls.map_or(-1, i64::from))
            .arg(number(claim.twin.is_some()))
            .arg(number(claim.conversation.is_some()))
            .arg(self.claims(&claim.key))
            .arg(claim.key.hex())
            .arg(millis(UNDER_WAY))
            .arg(MAX_TWINS)
            .arg(claim.request)
            .arg(claim.content)
            .arg(trust(claim.trust))
            .arg(number(claim.only_looks))
            .arg(if claim.trust == IdTrust::PerRequest { String::new() } else { recent(claim) })
            .arg(MAX_RECENT)
            .arg(former.hex())
            .arg(claim.turn);
        invocation
    }

    pub(super) fn renew(&self, key: &ClaimKey, holder: u64) -> ScriptInvocation<'_> {
        let mut invocation = self.hold.key(self.claim_name(key));
        invocation.arg(holder).arg(millis(LEASE)).arg("renew");
        invocation
    }

    pub(super) fn sending(&self, claim: &Claim) -> ScriptInvocation<'_> {
        let mut invocation = self.hold.key(self.claim_name(&claim.key));
        if let Some(unsent) = self.unsent_of(claim) {
            invocation.key(unsent);
        }
        invocation.arg(claim.holder).arg(millis(LEASE)).arg("sending").arg(claim.key.hex());
        invocation
    }

    pub(super) fn ended(&self, key: &ClaimKey) -> ScriptInvocation<'_> {
        self.ended.key(self.claim_name(key))
    }

    /// Opens a conversation; without an `opening`, only looks.
    pub(super) fn open(&self, key: &ConversationKey, opening: Option<&Opening>) -> ScriptInvocation<'_> {
        let mut invocation = self.open.prepare_invoke();
        for name in self.all_names(key) {
            invocation.key(name);
        }
        let ttl = opening.map_or(Duration::ZERO, |opening| opening.ttl.min(MAX_TTL));
        let first = opening.and_then(|opening| opening.first.as_ref());
        let first = first.map(|first| encode(&first.begun_at(now_ms())).0);
        invocation
            .arg(millis(ttl))
            .arg(if opening.is_some() { "use" } else { "look" })
            .arg(first.unwrap_or_default())
            .arg(&self.limits);
        invocation
    }
}

/// A call in the course of its conversation: eight hexadecimal digits for its id, and eight for its content.
fn recent(claim: &Claim) -> String {
    format!("{:08x}{:08x}", claim.id, claim.content >> 32)
}

fn trust(trust: IdTrust) -> &'static str {
    match trust {
        IdTrust::Unique => "unique",
        IdTrust::LooksUnique => "looks_unique",
        IdTrust::MayRepeat => "may_repeat",
        IdTrust::PerRequest => "per_request",
    }
}

/// A change as `change.lua` reads it, without the variables that can never be set.
pub(super) fn encode(change: &Change) -> (String, Vec<Refused>) {
    let mut refused = Vec::new();
    let mut set = Vec::new();
    for (name, variable) in &change.set {
        match variable.check(name) {
            Ok(()) => {
                let texts = if variable.hidden { output::sought_texts(&variable.value) } else { Vec::new() };
                // As a text in the text: Lua would read numbers as doubles.
                let record = serde_json::to_string(variable).unwrap_or_default();
                set.push(json!([name, variable.bytes(name), record, texts]));
            }
            Err(reason) => refused.push(Refused { name: name.clone(), reason }),
        }
    }
    let entries = change.entries();
    let entries: Vec<Value> = entries.iter().map(|entry| json!([entry.count, entry.text])).collect();
    let mut encoded = json!({
        "unset": change.unset,
        "set": set,
        "finish": change.end,
        "open": change.while_open,
        "entries": entries,
        "strict": change.all_or_nothing,
        "broken": !refused.is_empty(),
    });
    for (name, value) in [("state", &change.state), ("succeeded", &change.succeeded)] {
        if let Some(value) = value {
            encoded[name] = Value::String(value.clone());
        }
    }
    (encoded.to_string(), refused)
}
