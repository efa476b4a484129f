//! A phone call's transcript, as a model reads it.

use callgate_model::{Assistant, Message};

use super::frames::Utterance;

/// Retell's text for speech of which it understood no word (Retell, "Troubleshooting").
const NOT_UNDERSTOOD: &str = "(unintelligible audio)";
/// The model reads this in its place.
const SPOKE: &str = "(The caller said something that could not be understood.)";
/// The note to the model if it should remind the person on the line.
const SILENT: &str = "The caller has been silent for a while. Say one short sentence: ask again what you wanted to know, or whether the caller is still there.";

/// Whether nothing can be understood of what the caller has said since the agent last spoke.
pub(super) fn is_unintelligible(transcript: &[Utterance]) -> bool {
    let spoken =
        transcript.iter().rev().filter(|utterance| ["user", "agent"].contains(&utterance.role.as_str()));
    let said = spoken.take_while(|utterance| utterance.role == "user");
    let said = said.filter_map(|utterance| utterance.content.as_deref().map(str::trim));
    said.filter(|text| !text.is_empty()).all(|text| text == NOT_UNDERSTOOD)
}

/// The history of a turn; with `keeps_system` it has the system's messages too. If the agent should remind the person on
/// the line, it ends in a note.
pub(super) fn history(transcript: Vec<Utterance>, keeps_system: bool, is_reminder: bool) -> Vec<Message> {
    let said = transcript.into_iter().filter_map(|Utterance { role, content }| {
        let text = content.filter(|text| !text.trim().is_empty())?;
        match role.as_str() {
            "user" if text.trim() == NOT_UNDERSTOOD => Some(Message::User(SPOKE.to_owned())),
            "user" => Some(Message::User(text)),
            "agent" => Some(Message::Assistant(Assistant { text, ..Assistant::default() })),
            // Known from an older version of Retell's example only.
            "system" if keeps_system => Some(Message::System(text)),
            // Tools and steps of Retell's own agents.
            _ => None,
        }
    });
    let note = is_reminder.then(|| Message::System(SILENT.to_owned()));
    said.chain(note).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_is_enough_to_be_understood() {
        for (said, expected) in [
            (&["Hello?"][..], false),
            (&["(unintelligible audio)"], true),
            (&["Yes.", "(unintelligible audio)"], false),
            (&["(unintelligible audio)", " "], true),
            (&[], true),
        ] {
            let utterance =
                |role: &str, text: &str| Utterance { role: role.to_owned(), content: Some(text.to_owned()) };
            let before = [utterance("user", "Hi."), utterance("agent", "Shall I?")];
            let said_now = said.iter().map(|text| utterance("user", text));
            let tool = utterance("tool_call_result", "x");
            let transcript: Vec<Utterance> = before.into_iter().chain(said_now).chain([tool]).collect();
            assert_eq!(is_unintelligible(&transcript), expected, "{said:?}");
        }
    }

    #[test]
    fn everybody_speaks_in_a_role_that_models_know() {
        let said = [
            ("agent", Some("Hello, this is the shop.")),
            ("user", Some("Hi.")),
            ("user", Some("(unintelligible audio)")),
            ("user", Some("  ")),
            ("user", None),
            ("tool_call_invocation", Some("x")),
            ("system", Some("Be kind.")),
            ("agent", Some("Pardon?")),
        ];
        let transcript = || {
            let utterance = |(role, content): &(&str, Option<&str>)| Utterance {
                role: (*role).to_owned(),
                content: content.map(str::to_owned),
            };
            said.iter().map(utterance).collect()
        };
        let agent =
            |text: &str| Message::Assistant(Assistant { text: text.to_owned(), ..Assistant::default() });
        let mut expected = vec![
            agent("Hello, this is the shop."),
            Message::User("Hi.".to_owned()),
            Message::User(SPOKE.to_owned()),
            Message::System("Be kind.".to_owned()),
            agent("Pardon?"),
        ];
        assert_eq!(history(transcript(), true, false), expected);
        expected.push(Message::System(SILENT.to_owned()));
        assert_eq!(history(transcript(), true, true), expected);
        // An agent may ignore system messages, but not the gateway's own note.
        expected.retain(|message| *message != Message::System("Be kind.".to_owned()));
        assert_eq!(history(transcript(), false, true), expected);
        assert_eq!(history(Vec::new(), false, false), []);
    }
}
