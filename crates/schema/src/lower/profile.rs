//! What each provider accepts of JSON Schema, as data.

/// What a provider accepts of JSON Schema 2020-12.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Takes any JSON Schema: nothing is lowered.
    pub(super) whole: bool,
    /// Keywords that stay, below the root.
    pub(super) keywords: &'static [&'static str],
    /// Keywords among them that the root may not have.
    pub(super) not_at_root: &'static [&'static str],
    /// What becomes of `$ref`.
    pub(super) references: References,
    /// What `type` may be.
    pub(super) types: Types,
    /// Whether `enum` may list anything but texts.
    pub(super) enums_of_anything: bool,
    /// The formats that stay; `None` for all.
    pub(super) formats: Option<&'static [&'static str]>,
    /// Whether every schema needs a `type`.
    pub(super) needs_type: bool,
    /// Whether every list needs `items`.
    pub(super) needs_items: bool,
    /// Whether every property needs a description.
    pub(super) needs_description: bool,
    /// Whether nothing may stand beside `anyOf`.
    pub(super) any_of_alone: bool,
    /// OpenAI's strict mode: closed objects, every property required, optional ones nullable.
    pub(super) strict: bool,
    /// Types are written in capitals (`STRING`).
    pub(super) capitals: bool,
    /// Whether top-level properties must be called `[a-zA-Z0-9_.-]{1,64}`.
    pub(super) plain_names: bool,
    /// What the provider limits.
    pub(super) limits: Limits,
}

/// What becomes of `$ref`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum References {
    /// Stays, with `$defs`.
    Keep,
    /// Written out; stays where a schema contains itself.
    Recursive,
    /// Written out, a schema that contains itself a bounded number of times.
    WriteOut,
}

/// What `type` may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Types {
    /// A name or a list of names.
    Lists,
    /// A name, or a list of one name and `null`.
    OneOrNull,
    /// A name; `nullable: true` beside it.
    Nullable,
    /// A name.
    One,
}

/// The most that a provider takes of something; `None` where it names no limit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    pub(super) name: Option<usize>,
    pub(super) description: Option<usize>,
    pub(super) property_name: Option<usize>,
    pub(super) properties: Option<usize>,
    pub(super) depth: Option<usize>,
    pub(super) enum_values: Option<usize>,
    /// Characters of property names, enum values and constants together.
    pub(super) name_chars: Option<usize>,
    /// Characters of the values of one enum that has more than 250 of them.
    pub(super) large_enum_chars: Option<usize>,
}

const NO_LIMITS: Limits = Limits {
    name: None,
    description: None,
    property_name: None,
    properties: None,
    depth: None,
    enum_values: None,
    name_chars: None,
    large_enum_chars: None,
};

/// What OpenAI refuses at the root with status 400: "schema must have type 'object' and not have
/// 'oneOf'/'anyOf'/'allOf'/'enum'/'const'/'not' at the top level". Anthropic refuses the first
/// three; one list serves both.
const COMPOSITION: &[&str] = &["oneOf", "anyOf", "enum", "const"];

/// Everything but what is said in words for every model (conditions, `not`, and keywords that no
/// provider is known to heed: a sentence beside the property is what a model follows) and `allOf`,
/// which is merged: it says the same in one schema.
const WIDE: &[&str] = &[
    "type",
    "title",
    "description",
    "default",
    "examples",
    "enum",
    "const",
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "items",
    "prefixItems",
    "minItems",
    "maxItems",
    "uniqueItems",
    "properties",
    "required",
    "additionalProperties",
    "minProperties",
    "maxProperties",
    "anyOf",
    "oneOf",
];

/// The formats that OpenAI's strict mode knows, and Vapi's SDK names.
const FORMATS: &[&str] =
    &["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];

impl Profile {
    /// The Model Context Protocol: any JSON Schema 2020-12. Names have 128 characters at most. Clients hand
    /// the schema on to whichever model they use, so no names and no lists that one of them refuses.
    pub const MCP: Self = Self {
        whole: true,
        keywords: &[],
        not_at_root: &[],
        references: References::Keep,
        types: Types::Lists,
        enums_of_anything: true,
        formats: None,
        needs_type: false,
        needs_items: true,
        needs_description: false,
        any_of_alone: false,
        strict: false,
        capitals: false,
        plain_names: true,
        limits: Limits { name: Some(128), ..NO_LIMITS },
    };

    /// OpenAI Chat Completions and Responses without `strict`. A list without `items`, also one with
    /// `prefixItems`, fails the whole request: "array schema missing items".
    pub const OPENAI: Self = Self {
        whole: false,
        keywords: WIDE,
        not_at_root: COMPOSITION,
        plain_names: false,
        limits: Limits { name: Some(64), ..NO_LIMITS },
        ..Self::MCP
    };

    /// OpenAI Realtime: as above, but nothing says that `$ref` is followed there.
    pub const OPENAI_REALTIME: Self = Self { references: References::WriteOut, ..Self::OPENAI };

    /// OpenAI's strict mode (Structured Outputs): a closed subset.
    pub const OPENAI_STRICT: Self = Self {
        keywords: &[
            "type",
            "title",
            "description",
            "enum",
            "const",
            "format",
            "pattern",
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "multipleOf",
            "items",
            "minItems",
            "maxItems",
            "properties",
            "required",
            "additionalProperties",
            "anyOf",
        ],
        references: References::Recursive,
        formats: Some(FORMATS),
        needs_type: true,
        strict: true,
        limits: Limits {
            properties: Some(5_000),
            depth: Some(10),
            enum_values: Some(1_000),
            name_chars: Some(120_000),
            large_enum_chars: Some(15_000),
            ..Self::OPENAI.limits
        },
        ..Self::OPENAI
    };

    /// Anthropic Messages: a composition at the root fails the whole request, with all its tools.
    /// Names have 128 characters at most (older pages: 64).
    pub const ANTHROPIC: Self = Self {
        needs_items: false,
        plain_names: true,
        limits: Limits { name: Some(128), ..NO_LIMITS },
        ..Self::OPENAI
    };

    /// Gemini's `parametersJsonSchema`.
    pub const GEMINI: Self = Self {
        keywords: &[
            "type",
            "title",
            "description",
            "enum",
            "format",
            "items",
            "prefixItems",
            "minItems",
            "maxItems",
            "minimum",
            "maximum",
            "anyOf",
            "oneOf",
            "properties",
            "additionalProperties",
            "required",
        ],
        types: Types::OneOrNull,
        formats: Some(&["date-time", "date", "time"]),
        needs_items: false,
        plain_names: true,
        limits: Limits { name: Some(64), property_name: Some(64), ..NO_LIMITS },
        ..Self::OPENAI
    };

    /// Gemini's `parameters`, the older subset of OpenAPI 3.0: unknown fields fail the request.
    pub const GEMINI_SCHEMA: Self = Self {
        keywords: &[
            "type",
            "title",
            "description",
            "enum",
            "format",
            "items",
            "minItems",
            "maxItems",
            "properties",
            "required",
            "minProperties",
            "maxProperties",
            "minimum",
            "maximum",
            "minLength",
            "maxLength",
            "pattern",
            "anyOf",
        ],
        references: References::WriteOut,
        types: Types::Nullable,
        enums_of_anything: false,
        formats: Some(&["date-time"]),
        needs_type: true,
        needs_items: true,
        any_of_alone: true,
        capitals: true,
        ..Self::GEMINI
    };

    /// Vapi's `function.parameters`: `{type, properties, required}` at the root.
    pub const VAPI: Self = Self {
        not_at_root: &["oneOf", "anyOf", "enum", "const", "title", "description"],
        keywords: &[
            "type",
            "title",
            "description",
            "enum",
            "format",
            "pattern",
            "items",
            "properties",
            "required",
        ],
        references: References::WriteOut,
        types: Types::One,
        enums_of_anything: false,
        formats: Some(FORMATS),
        needs_type: true,
        plain_names: true,
        limits: Limits { name: Some(40), description: Some(1_000), ..NO_LIMITS },
        ..Self::OPENAI
    };

    /// Retell's `parameters`: `{type, properties, required}`. What the properties may hold is passed
    /// on to whichever model the agent uses, so only what all of them take.
    pub const RETELL: Self = Self {
        keywords: &["type", "description", "enum", "items", "properties", "required"],
        formats: Some(&[]),
        limits: Limits { name: Some(64), ..NO_LIMITS },
        ..Self::VAPI
    };

    /// ElevenLabs' `request_body_schema`: every leaf has a description.
    pub const ELEVENLABS: Self = Self { needs_description: true, ..Self::RETELL };

    /// Whether `keyword` stays.
    pub(super) fn keeps(&self, keyword: &str, at_root: bool) -> bool {
        self.keywords.contains(&keyword) && !(at_root && self.not_at_root.contains(&keyword))
    }
}
