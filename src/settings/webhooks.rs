//! What the webhooks of orchestrators must show.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::keys::Sharing;

/// What the webhooks of orchestrators must show. The secrets are named here and held by each environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookSettings {
    /// `/webhooks/vapi/…`
    pub vapi: Option<VapiSettings>,
    /// `/webhooks/retell/…`
    pub retell: Option<RetellSettings>,
    /// `/webhooks/elevenlabs/…`
    pub elevenlabs: Option<ElevenLabsSettings>,
}

/// What Vapi shows: one of the two, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VapiSettings {
    /// Name of the secret that comes as `X-Vapi-Secret` or `Authorization: Bearer`.
    pub secret: Option<String>,
    /// An HMAC credential.
    pub hmac: Option<HmacSettings>,
    /// Whose conversations its calls belong to: `own`, which no key sees, or those that are shared.
    #[serde(default)]
    pub conversations: Sharing,
    /// Name of a key: the calls belong to the conversations that this key sees, `own` or shared.
    #[serde(default)]
    pub conversations_of: Option<String>,
}

/// Vapi's HMAC credential; what is left out is what Vapi leaves out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HmacSettings {
    /// Name of the secret.
    pub secret: String,
    /// The hash.
    #[serde(default)]
    pub algorithm: HashName,
    /// The header with the signature.
    #[serde(default = "signature_header")]
    pub signature_header: String,
    /// The header with the time.
    #[serde(default = "timestamp_header")]
    pub timestamp_header: String,
    /// What is signed: text with `{timestamp}`, `{body}`, `{method}`, `{url}`, `{svix-id}`.
    #[serde(default = "payload_format")]
    pub payload_format: String,
    /// How the signature is written.
    #[serde(default)]
    pub encoding: SignatureEncoding,
    /// What stands before the signature, such as `sha256=`.
    #[serde(default)]
    pub prefix: String,
    /// Whether the secret is base64 of the key.
    #[serde(default)]
    pub secret_is_base64: bool,
}

fn signature_header() -> String {
    "x-signature".to_owned()
}

fn timestamp_header() -> String {
    "x-timestamp".to_owned()
}

fn payload_format() -> String {
    "{timestamp}.{body}".to_owned()
}

/// A hash for signatures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "their own names")]
pub enum HashName {
    Sha1,
    #[default]
    Sha256,
    Sha512,
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "their own names")]
pub enum SignatureEncoding {
    #[default]
    Hex,
    Base64,
}

/// What Retell shows.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetellSettings {
    /// Name of the secret that holds the Retell API key, which signs `X-Retell-Signature`.
    pub api_key: String,
    /// Whose conversations its calls belong to: `own`, which no key sees, or those that are shared.
    #[serde(default)]
    pub conversations: Sharing,
    /// Name of a key: the calls belong to the conversations that this key sees, `own` or shared.
    #[serde(default)]
    pub conversations_of: Option<String>,
}

/// What ElevenLabs shows: one of the two, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ElevenLabsSettings {
    /// Name of the secret that comes as `X-API-Key` or `Authorization: Bearer`.
    pub secret: Option<String>,
    /// Name of the secret that signs `ElevenLabs-Signature`.
    pub signature_secret: Option<String>,
    /// Whose conversations its calls belong to: `own`, which no key sees, or those that are shared.
    #[serde(default)]
    pub conversations: Sharing,
    /// Name of a key: the calls belong to the conversations that this key sees, `own` or shared.
    #[serde(default)]
    pub conversations_of: Option<String>,
}

/// Whose conversations the calls of a webhook belong to, as its section says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookConversations {
    /// Its own, or shared ones.
    pub conversations: Sharing,
    /// The key that they are of, which decides then.
    pub conversations_of: Option<String>,
}

impl WebhookSettings {
    /// Whose conversations the calls of each product belong to that has a section.
    pub fn conversations(&self) -> Vec<(Product, WebhookConversations)> {
        let of = |conversations: Sharing, of: &Option<String>| WebhookConversations {
            conversations,
            conversations_of: of.clone(),
        };
        let vapi = self.vapi.iter().map(|one| (Product::Vapi, of(one.conversations, &one.conversations_of)));
        let retell =
            self.retell.iter().map(|one| (Product::Retell, of(one.conversations, &one.conversations_of)));
        let elevenlabs = self
            .elevenlabs
            .iter()
            .map(|one| (Product::ElevenLabs, of(one.conversations, &one.conversations_of)));
        vapi.chain(retell).chain(elevenlabs).collect()
    }

    /// The rules, for whoever knows the secrets.
    pub fn rules(&self) -> Vec<(Product, WebhookRule)> {
        let mut rules = Vec::new();
        let shared = |secret: &String, header| WebhookRule::Shared { secret: secret.clone(), header };
        if let Some(vapi) = &self.vapi {
            rules.extend(vapi.secret.iter().map(|secret| (Product::Vapi, shared(secret, "x-vapi-secret"))));
            rules.extend(vapi.hmac.iter().map(|hmac| (Product::Vapi, WebhookRule::Hmac(hmac.rule()))));
        }
        if let Some(retell) = &self.retell {
            rules.push((Product::Retell, WebhookRule::Retell { api_key: retell.api_key.clone() }));
        }
        if let Some(elevenlabs) = &self.elevenlabs {
            let secret = elevenlabs.secret.iter();
            rules.extend(secret.map(|secret| (Product::ElevenLabs, shared(secret, "x-api-key"))));
            let signed = elevenlabs.signature_secret.iter();
            rules.extend(
                signed
                    .map(|secret| (Product::ElevenLabs, WebhookRule::ElevenLabs { secret: secret.clone() })),
            );
        }
        rules
    }
}

impl HmacSettings {
    fn rule(&self) -> HmacRule {
        HmacRule {
            secret: self.secret.clone(),
            algorithm: match self.algorithm {
                HashName::Sha1 => HmacAlgorithm::Sha1,
                HashName::Sha256 => HmacAlgorithm::Sha256,
                HashName::Sha512 => HmacAlgorithm::Sha512,
            },
            signature_header: self.signature_header.to_ascii_lowercase(),
            timestamp_header: self.timestamp_header.to_ascii_lowercase(),
            payload_format: self.payload_format.clone(),
            is_base64: self.encoding == SignatureEncoding::Base64,
            prefix: self.prefix.clone(),
            secret_is_base64: self.secret_is_base64,
        }
    }
}

/// A product that calls webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Product {
    /// Vapi.
    Vapi,
    /// Retell.
    Retell,
    /// ElevenLabs.
    ElevenLabs,
}

impl Product {
    /// Its name, for the audit.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vapi => "vapi",
            Self::Retell => "retell",
            Self::ElevenLabs => "elevenlabs",
        }
    }
}

/// What a webhook must show, with the names of its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookRule {
    /// The secret itself, in the header `header`, or as `Authorization: Bearer`.
    Shared {
        /// Name of the secret.
        secret: String,
        /// Name of the header, in lowercase.
        header: &'static str,
    },
    /// A signature as Vapi's HMAC credentials make it.
    Hmac(HmacRule),
    /// `X-Retell-Signature: v=<unix ms>,d=<hex>`: HMAC-SHA256 of the body and the time.
    Retell {
        /// Name of the secret that holds the API key.
        api_key: String,
    },
    /// `ElevenLabs-Signature: t=<unix s>,v0=<hex>`: HMAC-SHA256 of `<t>.<body>`.
    ElevenLabs {
        /// Name of the secret.
        secret: String,
    },
}

/// A signature as Vapi's HMAC credentials make it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HmacRule {
    /// Name of the secret.
    pub secret: String,
    /// The hash.
    pub algorithm: HmacAlgorithm,
    /// The header with the signature.
    pub signature_header: String,
    /// The header with the time, in seconds or milliseconds.
    pub timestamp_header: String,
    /// What is signed: text with `{timestamp}`, `{body}`, `{method}`, `{url}`, `{svix-id}`.
    pub payload_format: String,
    /// Whether the signature is base64, not hexadecimal.
    pub is_base64: bool,
    /// What stands before the signature in its header.
    pub prefix: String,
    /// Whether the secret is base64 of the key.
    pub secret_is_base64: bool,
}

/// A hash for HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HmacAlgorithm {
    /// SHA-1, for old receivers.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl WebhookRule {
    /// Name of the secret.
    pub fn secret(&self) -> &str {
        match self {
            Self::Shared { secret, .. } | Self::ElevenLabs { secret } => secret,
            Self::Hmac(rule) => &rule.secret,
            Self::Retell { api_key } => api_key,
        }
    }
}
