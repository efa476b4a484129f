//! In place of the store in Redis, in a build without the feature `redis`.

use std::path::Path;
use std::sync::Arc;

use crate::conversation::Store;
use crate::definition::Problems;
use crate::settings::{Feature, LacksFeature, Settings, StoreSettings};

/// There is no store in Redis.
pub(super) type RedisError = LacksFeature;

/// The settings have told already that this build lacks the store.
pub(super) fn check(_: &Settings, _: Option<&Path>, _: &mut Problems) {}

/// Refuses.
///
/// # Errors
///
/// Always.
pub(super) fn open(_: &StoreSettings, _: &Path) -> Result<Arc<dyn Store>, RedisError> {
    Err(LacksFeature(Feature::Redis))
}
