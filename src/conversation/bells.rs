//! Who waits for something, by its key.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// Bells that those who wait hang up, and those who change something ring.
#[derive(Debug)]
pub(super) struct Bells<K> {
    bells: Mutex<HashMap<K, Bell>>,
}

#[derive(Debug, Default)]
struct Bell {
    notify: Arc<Notify>,
    /// How many listen. Counted, because whoever rings has a clone of the other too.
    listeners: usize,
}

impl<K> Default for Bells<K> {
    fn default() -> Self {
        Self { bells: Mutex::default() }
    }
}

/// A place at a bell; the bell goes with the last who waits.
pub(super) struct Listening<'a, K: Eq + Hash> {
    bells: &'a Bells<K>,
    key: K,
    /// Done when the bell rings after this was made.
    pub(super) rung: std::pin::Pin<Box<OwnedNotified>>,
}

impl<K: Eq + Hash + Clone> Bells<K> {
    /// Listens from now on: to be asked for before looking, so that nothing is
    /// missed between the two.
    pub(super) fn listen(&self, key: &K) -> Listening<'_, K> {
        let mut rung = {
            let mut bells = self.lock();
            let bell = bells.entry(key.clone()).or_default();
            bell.listeners += 1;
            Box::pin(bell.notify.clone().notified_owned())
        };
        rung.as_mut().enable();
        Listening { bells: self, key: key.clone(), rung }
    }

    /// Tells all who listen.
    pub(super) fn ring(&self, key: &K) {
        let bell = self.lock().get(key).map(|bell| bell.notify.clone());
        if let Some(bell) = bell {
            bell.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Bell>> {
        self.bells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Drop for Listening<'_, K> {
    fn drop(&mut self) {
        let mut bells = self.bells.bells.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bell) = bells.get_mut(&self.key) else { return };
        bell.listeners -= 1;
        if bell.listeners == 0 {
            bells.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_listens_before_it_rings_hears_it() {
        let bells = Bells::default();
        bells.ring(&1);
        let mut one = bells.listen(&1);
        let mut two = bells.listen(&1);
        let other = bells.listen(&2);
        bells.ring(&1);
        one.rung.as_mut().await;
        two.rung.as_mut().await;
        drop((one, other));
        assert_eq!(bells.lock().len(), 1);
        drop(two);
        assert_eq!(bells.lock().len(), 0);
    }

    #[tokio::test]
    async fn a_bell_goes_although_it_is_being_rung() {
        let bells = Bells::default();
        let (one, two) = (bells.listen(&1), bells.listen(&1));
        // As `ring` has it while those who listen wake up.
        let rung = bells.lock()[&1].notify.clone();
        drop((one, two));
        drop(rung);
        assert_eq!(bells.lock().len(), 0);
    }
}
