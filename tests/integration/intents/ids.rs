//! How model servers and products make the ids of calls.

/// A way of making ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ids {
    /// `call_` and 24 random characters: OpenAI and many others.
    Random,
    /// Nine random characters: Mistral.
    Nine,
    /// Numbered in each turn: vLLM with Kimi.
    PerTurn,
    /// Always the same short one: llama.cpp.
    Constant,
    /// Always the same one, which looks as if it were random.
    ConstantLong,
    /// The name of the tool.
    Name,
    /// None at all: ElevenLabs, Retell.
    Missing,
}

pub(super) const ALL: [Ids; 7] =
    [Ids::Random, Ids::Nine, Ids::PerTurn, Ids::Constant, Ids::ConstantLong, Ids::Name, Ids::Missing];

impl Ids {
    /// The id of the `index`-th call of a turn; `number` is another one for each call.
    pub(super) fn id(self, action: &str, index: usize, number: u64) -> Option<String> {
        Some(match self {
            Self::Random => format!("call_{}", random_looking(number, 24)),
            Self::Nine => random_looking(number, 9),
            Self::PerTurn => format!("functions.{action}:{index}"),
            Self::Constant => "call_0".to_owned(),
            Self::ConstantLong => format!("call_{}", random_looking(0, 24)),
            Self::Name => action.to_owned(),
            Self::Missing => return None,
        })
    }

    /// Whether no two wishes ever have the same id.
    pub(super) fn are_unique(self) -> bool {
        matches!(self, Self::Random | Self::Nine)
    }
}

/// Letters and digits that follow from a number.
pub(super) fn random_looking(number: u64, length: usize) -> String {
    const LETTERS: &[u8] = b"abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ0123456789";
    let mut state = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let letters = (0..length).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(LETTERS[usize::try_from(state % LETTERS.len() as u64).unwrap()])
    });
    letters.collect()
}
