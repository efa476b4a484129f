//! Sealed texts: what leaves the gateway and comes back, or lies where others
//! can read it. Nobody without the key can read, change or make one.
//!
//! A sealed text is base64url, without padding, of
//!
//! ```text
//! version (1 byte) · key id (8) · salt (32) · AES-256-GCM ciphertext and tag (16)
//! ```
//!
//! Sealing is deterministic, as in SIV modes (RFC 5297): the salt is an
//! HMAC-SHA-256 over what the text is for and what it says, and each salt makes
//! a key of its own (HKDF-Expand, RFC 5869). So no two different texts are ever
//! encrypted under the same key and nonce, however many there are, whatever
//! the system's random numbers are like, and on however many nodes: the 96-bit
//! nonces of plain AES-GCM promise that for 2^32 texts of a key only. What it
//! costs is that equal texts of equal purpose are equal when sealed, which the
//! same answer to the same request is to be anyway.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce};
use ring::{hkdf, hmac};
use secrecy::{ExposeSecret, SecretString};

/// Changes when older gateways could not read what newer ones seal.
const VERSION: u8 = 1;
/// Bytes of a key, as it is configured.
const KEY_BYTES: usize = 32;
/// Bytes of a key's id.
const ID_BYTES: usize = 8;
/// Bytes of a salt.
const SALT_BYTES: usize = 32;
/// Bytes before the ciphertext.
const HEAD_BYTES: usize = 1 + ID_BYTES + SALT_BYTES;
/// Bytes that sealing adds, before base64.
const ADDED_BYTES: usize = HEAD_BYTES + 16;

/// The keys of one environment, by which texts are sealed: the first seals, all
/// of them open, so that a new key can come while texts of the old one are about.
#[derive(Clone)]
pub struct Keyring(Vec<SealingKey>);

impl fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Keyring").field(&self.ids()).finish()
    }
}

/// One key, made ready.
#[derive(Clone)]
pub struct SealingKey {
    id: [u8; ID_BYTES],
    /// Makes salts.
    salts: hmac::Key,
    /// Makes the key of a salt.
    keys: hkdf::Prk,
    /// Makes names that tell nothing.
    names: hmac::Key,
}

/// Why a text cannot be opened; for the log. Whoever sent it is told one thing
/// for all of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It is no sealed text at all, or of another version.
    #[error("it is no sealed text")]
    Malformed,
    /// No key of this id is configured.
    #[error("it was sealed by the key {0}, which is not configured")]
    UnknownKey(String),
    /// It was changed, or sealed for something else.
    #[error("it was changed, or sealed for another purpose or environment")]
    Refused,
}

impl SealingKey {
    /// Reads a key: 32 bytes as 64 hexadecimal digits, or in base64.
    pub fn read(secret: &SecretString) -> Option<Self> {
        let text = secret.expose_secret().trim();
        let is_key = |key: &Vec<u8>| key.len() == KEY_BYTES;
        let engines = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD];
        let hex = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok().filter(is_key);
        let key =
            hex.or_else(|| engines.iter().find_map(|engine| engine.decode(text).ok().filter(is_key)))?;
        Self::new(&key)
    }

    fn new(key: &[u8]) -> Option<Self> {
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"callgate sealing 1").extract(key);
        // Fails for keys that are longer than an HKDF gives; these are not.
        let names = hmac::Key::from(root.expand(&[b"names"], hmac::HMAC_SHA256).ok()?);
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&hmac::sign(&names, b"key id").as_ref()[..ID_BYTES]);
        Some(Self {
            id,
            salts: root.expand(&[b"salts"], hmac::HMAC_SHA256).ok()?.into(),
            keys: root.expand(&[b"keys"], hkdf::HKDF_SHA256).ok()?.into(),
            names,
        })
    }

    /// The key's id: tells it from others, and nothing about it.
    pub fn id(&self) -> String {
        HEXLOWER.encode(&self.id)
    }

    /// The key for all texts of a salt: there is only one.
    fn of(&self, salt: &[u8]) -> Option<LessSafeKey> {
        let info = [b"text".as_slice(), salt];
        Some(LessSafeKey::new(self.keys.expand(&info, &AES_256_GCM).ok()?.into()))
    }
}

impl Keyring {
    /// Keys, the one that seals first; `None` where there are none.
    pub fn new(keys: Vec<SealingKey>) -> Option<Self> {
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// The ids of the keys.
    pub fn ids(&self) -> Vec<String> {
        self.0.iter().map(SealingKey::id).collect()
    }

    /// How long a text of `bytes` is when it is sealed.
    pub fn sealed_length(bytes: usize) -> usize {
        ((bytes + ADDED_BYTES) * 4).div_ceil(3)
    }

    /// Seals `plain` for a purpose: it opens for the same purpose and the same `context` only.
    pub fn seal(&self, purpose: &str, context: &str, plain: &[u8]) -> Option<String> {
        let key = self.0.first()?;
        let bound = bound(&key.id, purpose, context);
        let mut salts = hmac::Context::with_key(&key.salts);
        salts.update(&bound);
        salts.update(plain);
        let salt = salts.sign();
        let mut sealed = Vec::with_capacity(ADDED_BYTES + plain.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&key.id);
        sealed.extend_from_slice(salt.as_ref());
        sealed.extend_from_slice(plain);
        let of_text = key.of(salt.as_ref())?;
        let tag = of_text.seal_in_place_separate_tag(nonce(), Aad::from(&bound), &mut sealed[HEAD_BYTES..]);
        sealed.extend_from_slice(tag.ok()?.as_ref());
        Some(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Opens what [`Self::seal`] made for the same purpose and context.
    ///
    /// # Errors
    ///
    /// It is not such a text; see [`SealError`].
    pub fn open(&self, purpose: &str, context: &str, text: &str) -> Result<Vec<u8>, SealError> {
        // Strict: of all the texts that stand for the same bytes, one is right.
        let mut sealed = URL_SAFE_NO_PAD.decode(text).map_err(|_| SealError::Malformed)?;
        if sealed.len() < ADDED_BYTES || sealed[0] != VERSION {
            return Err(SealError::Malformed);
        }
        let id = &sealed[1..=ID_BYTES];
        let key = self.0.iter().find(|key| key.id == id);
        let key = key.ok_or_else(|| SealError::UnknownKey(HEXLOWER.encode(id)))?;
        let bound = bound(&key.id, purpose, context);
        let of_text = key.of(&sealed[1 + ID_BYTES..HEAD_BYTES]).ok_or(SealError::Refused)?;
        let opened = of_text.open_in_place(nonce(), Aad::from(&bound), &mut sealed[HEAD_BYTES..]);
        let length = opened.map_err(|_| SealError::Refused)?.len();
        sealed.truncate(HEAD_BYTES + length);
        Ok(sealed.split_off(HEAD_BYTES))
    }

    /// A name for `text` that tells nothing of it, and is the same wherever the
    /// first key is.
    pub fn name(&self, purpose: &str, text: &str) -> String {
        let Some(key) = self.0.first() else { return String::new() };
        HEXLOWER.encode(hmac::sign(&key.names, &bound(&key.id, purpose, text)).as_ref())
    }
}

/// What a text is bound to: no part of it can be changed for another.
fn bound(id: &[u8; ID_BYTES], purpose: &str, context: &str) -> Vec<u8> {
    let mut bound = vec![VERSION];
    bound.extend_from_slice(id);
    for part in [purpose, context] {
        bound.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bound.extend_from_slice(part.as_bytes());
    }
    bound
}

/// Always the same: every key encrypts one text.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> SealingKey {
        SealingKey::new(&[byte; KEY_BYTES]).unwrap()
    }

    fn ring(keys: &[u8]) -> Keyring {
        Keyring::new(keys.iter().map(|byte| key(*byte)).collect()).unwrap()
    }

    #[test]
    fn a_key_is_32_bytes_in_hex_or_base64() {
        let id = |text: &str| SealingKey::read(&SecretString::from(text)).map(|key| key.id());
        let expected = Some(key(0xfb).id());
        assert_eq!(id(&"fb".repeat(32)), expected);
        assert_eq!(id(&"FB".repeat(32)), expected);
        assert_eq!(id(&STANDARD.encode([0xfb; 32])), expected);
        assert_eq!(id(&format!("{}\n", URL_SAFE_NO_PAD.encode([0xfb; 32]))), expected);
        for text in ["", "hunter2", &"fb".repeat(16), &STANDARD.encode([0xfb; 31]), &"fg".repeat(32)] {
            assert_eq!(id(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_sealed_opens_for_the_same_purpose_and_context() {
        let keys = ring(&[1]);
        let sealed = keys.seal("state", "production", b"the account is 4711").unwrap();
        assert_eq!(sealed.len(), Keyring::sealed_length(19));
        assert_eq!(keys.open("state", "production", &sealed).unwrap(), b"the account is 4711");
        for (purpose, context) in [("state", "staging"), ("token", "production"), ("stat", "eproduction")] {
            assert_eq!(keys.open(purpose, context, &sealed), Err(SealError::Refused), "{purpose} {context}");
        }
        assert!(!format!("{keys:?}").contains("4711"));
    }

    #[test]
    fn the_first_key_seals_and_all_open() {
        let sealed = ring(&[1]).seal("state", "", b"x").unwrap();
        let rotated = ring(&[2, 1]);
        assert_eq!(rotated.open("state", "", &sealed).unwrap(), b"x");
        let anew = rotated.seal("state", "", b"x").unwrap();
        assert_eq!(ring(&[2]).open("state", "", &anew).unwrap(), b"x");
        assert_eq!(ring(&[2]).open("state", "", &sealed), Err(SealError::UnknownKey(key(1).id())));
        // A name that lies about its key.
        let mut bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
        bytes[1..=ID_BYTES].copy_from_slice(&key(2).id);
        assert_eq!(rotated.open("state", "", &URL_SAFE_NO_PAD.encode(bytes)), Err(SealError::Refused));
    }

    #[test]
    fn equal_texts_are_equal_and_others_have_nothing_in_common() {
        let keys = ring(&[1]);
        let seal = |context: &str, plain: &[u8]| {
            URL_SAFE_NO_PAD.decode(keys.seal("state", context, plain).unwrap()).unwrap()
        };
        assert_eq!(seal("a", b"one"), seal("a", b"one"));
        let (one, other) = (seal("a", &[0; 64]), seal("b", &[0; 64]));
        // Neither the salt nor the key stream.
        assert_ne!(one[1 + ID_BYTES..HEAD_BYTES], other[1 + ID_BYTES..HEAD_BYTES]);
        let same = one[HEAD_BYTES..].iter().zip(&other[HEAD_BYTES..]).filter(|(one, other)| one == other);
        assert!(same.count() < 16);
    }

    #[test]
    fn names_tell_nothing_and_are_the_same() {
        assert_eq!(ring(&[1, 2]).name("token", "x"), ring(&[1]).name("token", "x"));
        assert_ne!(ring(&[2, 1]).name("token", "x"), ring(&[1]).name("token", "x"));
        assert_ne!(ring(&[1]).name("lease", "x"), ring(&[1]).name("token", "x"));
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_refused(plain in proptest::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let keys = ring(&[1, 2]);
            let sealed = keys.seal("state", "production", &plain).unwrap();
            prop_assert_eq!(&keys.open("state", "production", &sealed).unwrap(), &plain);
            let mut bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
            let at_byte = at.index(bytes.len());
            bytes[at_byte] ^= 1 << bit;
            prop_assert!(keys.open("state", "production", &URL_SAFE_NO_PAD.encode(&bytes)).is_err());
            // Of the text too: no two texts stand for the same bytes.
            let mut text = sealed.clone().into_bytes();
            let at_char = at.index(text.len());
            text[at_char] ^= 1 << (bit % 7);
            prop_assert!(keys.open("state", "production", &String::from_utf8(text).unwrap()).is_err());
        }

        #[test]
        fn nothing_else_opens(text in "[A-Za-z0-9_-]{0,300}|\\PC{0,100}") {
            prop_assert!(ring(&[1]).open("state", "production", &text).is_err());
        }

        #[test]
        fn what_is_cut_or_longer_is_refused(plain in proptest::collection::vec(any::<u8>(), 0..100), at in any::<prop::sample::Index>(), more in "[A-Za-z0-9_-]{1,8}") {
            let keys = ring(&[1]);
            let sealed = keys.seal("state", "production", &plain).unwrap();
            prop_assert!(keys.open("state", "production", &sealed[..at.index(sealed.len())]).is_err());
            let longer = format!("{sealed}{more}");
            prop_assert!(keys.open("state", "production", &longer).is_err());
        }
    }
}
