//! What OpenAI's models take, by their names.

/// A family of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// `o1`, `o3`, `o4-mini` …: they reason, and refuse `parallel_tool_calls` too.
    OSeries,
    /// `gpt-5` and later: they reason. `gpt-5-chat` does not.
    Reasoning,
    /// Everything else, models of others among them.
    Plain,
}

impl Family {
    /// The family of a model. It may stand behind a vendor (`openai/o3`) or `ft:`.
    pub(crate) fn of(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let name = name.strip_prefix("ft:").unwrap_or(&name);
        let number = |rest: &str| {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (number, after) = rest.split_at(digits);
            let is_end = after.is_empty() || after.starts_with(['-', '.', ':']);
            number.parse::<u32>().ok().filter(|_| is_end).map(|number| (number, after.contains("-chat")))
        };
        if name.strip_prefix('o').and_then(number).is_some() {
            return Self::OSeries;
        }
        match name.strip_prefix("gpt-").and_then(number) {
            Some((5.., false)) => Self::Reasoning,
            _ => Self::Plain,
        }
    }

    /// Whether they refuse `max_tokens` and `temperature`, and reason in items that have to go back.
    pub(crate) fn reasons(self) -> bool {
        self != Self::Plain
    }

    /// Whether they take `parallel_tool_calls`.
    pub(crate) fn takes_parallel(self) -> bool {
        self != Self::OSeries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_of_a_model_is_told_by_its_name() {
        for model in ["o1", "o3-mini", "o4-mini-2025-04-16", "openai/o3", "O3", "ft:o4-mini:shop::1"] {
            assert_eq!(Family::of(model), Family::OSeries, "{model}");
        }
        for model in ["gpt-5", "gpt-5-mini", "gpt-5.2", "openai/gpt-5", "gpt-6", "gpt-10-nano", "ft:gpt-5:x"]
        {
            assert_eq!(Family::of(model), Family::Reasoning, "{model}");
        }
        let plain = [
            "gpt-4.1-mini",
            "gpt-4o",
            "gpt-5-chat-latest",
            "gpt-oss-120b",
            "gpt-50x",
            "gpt-",
            "olmo-2",
            "o",
            "o1x",
            "llama-3",
            "",
        ];
        for model in plain {
            assert_eq!(Family::of(model), Family::Plain, "{model}");
        }
    }
}
