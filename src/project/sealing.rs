//! The keys of `[sealing]`, by environment.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::definition::{Problem, Problems};
use crate::executor::{StateLimits, States};
use crate::secrets::{Keyring, SealingKey, Secrets, Sources};
use crate::settings::Settings;

/// Reads the keys of every environment; what is wrong with them is added to `problems`.
pub(super) fn states(
    settings: &Settings,
    environments: &[String],
    secrets: &Secrets,
    problems: &mut Problems,
) -> States {
    let mut keyrings = HashMap::new();
    for environment in environments {
        let names = settings.sealing.keys.iter().enumerate();
        let keys = names.filter_map(|(index, name)| {
            let pointer = format!("/sealing/keys/{index}");
            let Some(secret) = secrets.get(environment, name) else {
                let message = format!(
                    "the secret `{name}` of `[sealing]` is not set in environment `{environment}`: nothing is sealed by it there"
                );
                let hint = format!(
                    "add `{name}` under [{environment}] in secrets.toml, or set {}",
                    Sources::variable_name(environment, name)
                );
                problems.push(settings.warning(&pointer, "missing_secret", message).hint(hint));
                return None;
            };
            let key = SealingKey::read(secret);
            if key.is_none() {
                let message = format!(
                    "the secret `{name}` of environment `{environment}` is no key: 32 bytes in base64 or hexadecimal are"
                );
                let invalid = settings.error(&pointer, message);
                let invalid = invalid.hint("`callgate keygen --sealing` makes one");
                problems.push(Problem { code: "invalid_secret", ..invalid });
            }
            key
        });
        if let Some(keyring) = Keyring::new(keys.collect()) {
            keyrings.insert(environment.clone(), Arc::new(keyring));
        }
    }
    let limits = StateLimits {
        ttl: Duration::from_millis(settings.sealing.state_ttl_ms),
        max_bytes: settings.sealing.max_state_bytes,
    };
    States::new(keyrings, limits)
}
