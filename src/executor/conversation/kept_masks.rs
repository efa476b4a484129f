//! What conversations keep to themselves, with a redactor of each.

use std::sync::Arc;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::conversation::ConversationKey;
use crate::secrets::Redactor;

/// Most conversations whose redactors are kept.
const MAX_KEPT: u32 = 256;
/// Most bytes of all of them.
const MAX_KEPT_BYTES: u32 = 64 * 1024 * 1024;
/// What conversations keep to themselves, with a redactor of each: made once, until it changes.
#[derive(Debug)]
pub(in crate::executor) struct KeptMasks(Cache<ConversationKey, Arc<Kept>>);

/// What one conversation keeps to itself.
#[derive(Debug)]
pub(super) struct Kept {
    /// Sorted, each once.
    pub(super) texts: Vec<String>,
    pub(super) redactor: Redactor,
    /// The size of both, roughly.
    bytes: usize,
}

impl Default for KeptMasks {
    fn default() -> Self {
        // Each counts as its share at least: so there are no more than `MAX_KEPT`.
        let weight = |_: &ConversationKey, kept: &Arc<Kept>| {
            u32::try_from(kept.bytes).unwrap_or(u32::MAX).max(MAX_KEPT_BYTES / MAX_KEPT)
        };
        let cache = Cache::builder().weigher(weight).max_capacity(MAX_KEPT_BYTES.into());
        Self(cache.eviction_policy(EvictionPolicy::lru()).build())
    }
}

impl KeptMasks {
    /// The redactor of a conversation that keeps `texts` to itself; `None` where there are none.
    pub(super) fn of(&self, key: &ConversationKey, mut texts: Vec<String>) -> Option<Arc<Kept>> {
        if texts.is_empty() {
            return None;
        }
        texts.sort_unstable();
        texts.dedup();
        if let Some(kept) = self.0.get(key).filter(|kept| kept.texts == texts) {
            return Some(kept);
        }
        let redactor = Redactor::for_values(texts.iter().map(String::as_str));
        let bytes = redactor.size() + texts.iter().map(String::len).sum::<usize>();
        let kept = Arc::new(Kept { texts, redactor, bytes });
        self.0.insert(key.clone(), kept.clone());
        // Otherwise what is too much goes some insertions later.
        self.0.run_pending_tasks();
        Some(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redactor_is_kept_until_what_it_masks_changes_and_for_so_many_conversations() {
        let (kept, texts) =
            (KeptMasks::default(), |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect());
        let key = |id: u32| ConversationKey::new("development", &id.to_string());
        assert!(kept.of(&key(0), Vec::new()).is_none());
        let first = kept.of(&key(0), texts(&["s3cr3t", "other"])).expect("masks");
        let again = kept.of(&key(0), texts(&["other", "s3cr3t", "other"])).expect("masks");
        assert!(Arc::ptr_eq(&first, &again));
        let changed = kept.of(&key(0), texts(&["s3cr3t"])).expect("masks");
        assert!(!Arc::ptr_eq(&first, &changed) && changed.redactor.redact("a s3cr3t") == "a ***");
        (1..=MAX_KEPT).for_each(|id| drop(kept.of(&key(id), texts(&["s3cr3t"]))));
        assert_eq!(kept.0.entry_count(), u64::from(MAX_KEPT));
        assert!(
            !Arc::ptr_eq(&changed, &kept.of(&key(0), texts(&["s3cr3t"])).expect("masks")),
            "it had to go"
        );
    }
}
