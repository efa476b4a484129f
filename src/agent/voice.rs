//! What is said, in its order, and how one text follows another.

use tokio::sync::mpsc;

use super::request::{AgentEvent, Product, TextSource};

/// Says what a turn has to say.
#[derive(Debug)]
pub(super) struct Voice {
    events: mpsc::Sender<AgentEvent>,
    product: Product,
    /// Whether anything was said in this turn.
    pub(super) has_spoken: bool,
    /// Whether the next text is a sentence of its own.
    is_at_break: bool,
    ends_in_space: bool,
    pub(super) has_started: bool,
    pub(super) has_delayed: bool,
}

impl Voice {
    pub(super) fn new(events: mpsc::Sender<AgentEvent>, product: Product) -> Self {
        Self {
            events,
            product,
            has_spoken: false,
            is_at_break: false,
            ends_in_space: false,
            has_started: false,
            has_delayed: false,
        }
    }

    /// Tells what is no text.
    pub(super) async fn tell(&self, event: AgentEvent) {
        // Nobody listens any more only while the turn is dropped.
        let _ = self.events.send(event).await;
    }

    /// What comes next is no part of the sentence that was said last.
    pub(super) fn next_round(&mut self) {
        self.is_at_break = self.has_spoken;
    }

    /// Says a piece of the model's answer, and adds it to `said`.
    pub(super) async fn model(&mut self, text: String, said: &mut String) {
        if text.is_empty() {
            return;
        }
        let needs_space = self.is_at_break && !self.ends_in_space && !text.starts_with(char::is_whitespace);
        let text = if needs_space { format!(" {text}") } else { text };
        self.say(text, TextSource::Model, said).await;
    }

    /// Says a sentence that is not the model's, and adds it to `said`. It ends as the product needs it, and in a space:
    /// what follows is another sentence.
    pub(super) async fn sentence(&mut self, text: &str, source: TextSource, said: &mut String) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        let is_filler = matches!(source, TextSource::Start | TextSource::Delayed);
        let ended = match is_filler && self.product == Product::ElevenLabs {
            true => format!("{}... ", text.trim_end_matches(['.', '…', ',', ';', ':'])),
            false if text.ends_with(['.', '!', '?', '…', '。', '！', '？', ':']) => format!("{text} "),
            false if is_filler => format!("{text}... "),
            false => format!("{text}. "),
        };
        let needs_space = self.has_spoken && !self.ends_in_space;
        let text = if needs_space { format!(" {ended}") } else { ended };
        self.say(text, source, said).await;
        self.is_at_break = true;
    }

    async fn say(&mut self, text: String, source: TextSource, said: &mut String) {
        said.push_str(&text);
        self.has_spoken = true;
        self.is_at_break = false;
        self.ends_in_space = text.ends_with(char::is_whitespace);
        self.tell(AgentEvent::Text { text, source }).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn said(product: Product, texts: &[(&str, Option<TextSource>)]) -> String {
        let (sender, mut events) = mpsc::channel(64);
        let mut voice = Voice::new(sender, product);
        let mut said = String::new();
        for (text, source) in texts {
            match source {
                Some(source) => voice.sentence(text, *source, &mut said).await,
                None if text.is_empty() => voice.next_round(),
                None => voice.model((*text).to_owned(), &mut said).await,
            }
        }
        drop(voice);
        let mut told = String::new();
        while let Some(AgentEvent::Text { text, .. }) = events.recv().await {
            told.push_str(&text);
        }
        assert_eq!(told, said);
        said
    }

    #[tokio::test]
    async fn sentences_do_not_run_into_each_other() {
        let start = Some(TextSource::Start);
        let failure = Some(TextSource::Failure);
        for (product, texts, expected) in [
            (
                Product::Other,
                &[("One moment.", start), ("", None), ("Your", None), (" order", None)][..],
                "One moment. Your order",
            ),
            (Product::Other, &[("One moment", start)], "One moment... "),
            (Product::ElevenLabs, &[("One moment.", start), ("Here", None)], "One moment... Here"),
            (Product::ElevenLabs, &[("Really?", start)], "Really?... "),
            (
                Product::Other,
                &[("Let me see.", None), ("", None), ("It is", None), (" here", None)],
                "Let me see. It is here",
            ),
            (Product::Other, &[("Let me", None), (" see", None), ("", None), (" It", None)], "Let me see It"),
            (Product::Other, &[("I was", None), ("Sorry", failure)], "I was Sorry. "),
            (Product::Other, &[("  ", start), ("", None)], ""),
        ] {
            assert_eq!(said(product, texts).await, expected);
        }
    }
}
