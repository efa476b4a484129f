//! Which conversation: an environment, and an id of the caller's choosing.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::tool::Scope;

/// Longest name of a variable, in bytes.
pub const MAX_NAME_BYTES: usize = 200;

/// One conversation of one scope. A clone is cheap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConversationKey {
    scope: Scope,
    id: Arc<str>,
    /// Follows from the others.
    slot: Slot,
}

impl Hash for ConversationKey {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.slot.hash(hasher);
    }
}

impl ConversationKey {
    /// The conversation `id` that the callers of `environment` share.
    pub fn new(environment: &str, id: &str) -> Self {
        Self::of(Scope::shared(environment), id)
    }

    /// The conversation `id` of `scope`. An id that comes from outside becomes a key here, and nowhere else.
    pub fn of(scope: Scope, id: &str) -> Self {
        let mut digest = Sha256::new();
        for part in [scope.name(), id] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part.as_bytes());
        }
        let slot = Slot::first_half(&digest.finalize().into());
        Self { scope, id: id.into(), slot }
    }

    /// The environment, which is the same from start to end.
    pub fn environment(&self) -> &str {
        self.scope.environment()
    }

    /// Whose it is.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The id that the caller chose.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where the conversation's records live together: the first half of a
    /// SHA-256 over both parts.
    pub fn slot(&self) -> Slot {
        self.slot
    }
}

/// Records of the same slot are kept together: on a cluster, on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub [u8; 16]);

impl Slot {
    fn first_half(digest: &[u8; 32]) -> Self {
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        Self(half)
    }

    /// 32 hexadecimal digits.
    pub fn hex(&self) -> String {
        HEXLOWER.encode(&self.0)
    }
}

/// What stands for one intent: the slot of its conversation, and half a SHA-256
/// over what makes it one. Without a conversation both halves are the digest's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimKey(pub [u8; 32]);

impl ClaimKey {
    /// The claim that `digest` stands for, with the records of `conversation`.
    pub fn new(conversation: Option<&ConversationKey>, digest: [u8; 32]) -> Self {
        let mut key = digest;
        if let Some(conversation) = conversation {
            key[..16].copy_from_slice(&conversation.slot().0);
        }
        Self(key)
    }

    /// Where the claim lives.
    pub fn slot(&self) -> Slot {
        Slot::first_half(&self.0)
    }

    /// 64 hexadecimal digits.
    pub fn hex(&self) -> String {
        HEXLOWER.encode(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use crate::tool::Owner;

    use super::*;

    #[test]
    fn a_claim_lives_with_its_conversation() {
        let conversation = ConversationKey::new("production", "call-17");
        let claim = ClaimKey::new(Some(&conversation), [0xab; 32]);
        assert_eq!(claim.slot(), conversation.slot());
        assert_eq!(claim.hex(), format!("{}{}", conversation.slot().hex(), "ab".repeat(16)));
        assert_eq!(ClaimKey::new(None, [0xab; 32]).hex(), "ab".repeat(32));
    }

    #[test]
    fn what_is_stored_of_shared_conversations_stays_where_it_is() {
        // As releases before scopes have stored it.
        let slot = ConversationKey::new("production", "call-17").slot().hex();
        assert_eq!(slot, "75b5dd4d702c10bfd8b6d42a23ef6113");
        let own = Scope::of("production", Some(&Owner::key("desk")));
        assert_ne!(ConversationKey::of(own, "call-17").slot().hex(), slot);
    }

    #[test]
    fn parts_of_a_key_cannot_be_shifted() {
        let slot = |environment, id| ConversationKey::new(environment, id).slot();
        assert_ne!(slot("ab", "c"), slot("a", "bc"));
        assert_ne!(slot("a", ""), slot("", "a"));
    }
}
