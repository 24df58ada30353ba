//! How many messages wait: `application/simple-message-summary` ([RFC 3842 §5]).
//!
//! [RFC 3842 §5]: https://www.rfc-editor.org/rfc/rfc3842#section-5

use std::fmt::Write as _;

use super::StateError;

/// What kind of messages are counted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MessageClass {
    /// `voice-message`
    Voice,
    /// `fax-message`
    Fax,
    /// `pager-message`
    Pager,
    /// `multimedia-message`
    Multimedia,
    /// `text-message`
    Text,
    /// `none`: another class.
    None,
}

const CLASSES: [(MessageClass, &str); 6] = [
    (MessageClass::Voice, "voice-message"),
    (MessageClass::Fax, "fax-message"),
    (MessageClass::Pager, "pager-message"),
    (MessageClass::Multimedia, "multimedia-message"),
    (MessageClass::Text, "text-message"),
    (MessageClass::None, "none"),
];

/// The messages of one class.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MessageCount {
    /// Which.
    pub class: MessageClass,
    /// New ones.
    pub new: u32,
    /// Old ones.
    pub old: u32,
    /// The urgent ones among them, new and old, where they are counted.
    pub urgent: Option<(u32, u32)>,
}

/// The state of a mailbox ([RFC 3842 §5.2]).
///
/// [RFC 3842 §5.2]: https://www.rfc-editor.org/rfc/rfc3842#section-5.2
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct MessageSummary {
    /// Whether new messages wait.
    pub waiting: bool,
    /// The URI of the mailbox.
    pub account: Option<String>,
    /// The counts, where they are given.
    pub counts: Vec<MessageCount>,
}

impl MessageSummary {
    /// The event package.
    pub const PACKAGE: &'static str = "message-summary";
    /// The media type.
    pub const MEDIA_TYPE: &'static str = "application/simple-message-summary";

    /// A mailbox with this many new and old voice messages.
    #[must_use]
    pub fn voice(new: u32, old: u32) -> Self {
        let count = MessageCount { class: MessageClass::Voice, new, old, urgent: None };
        Self { waiting: new > 0, account: None, counts: vec![count] }
    }

    /// The URI of the mailbox.
    #[must_use]
    pub fn account(mut self, uri: impl Into<String>) -> Self {
        self.account = Some(uri.into());
        self
    }

    /// Reads a body; lines that say nothing of the state, and headers of single messages, are passed over.
    ///
    /// # Errors
    /// [`StateError::Missing`] without a status line, [`StateError::Xml`] when it is no text.
    pub fn parse(body: &[u8]) -> Result<Self, StateError> {
        let text = std::str::from_utf8(body).map_err(|_| StateError::Xml)?;
        let mut summary = Self::default();
        let mut status = None;
        // An empty line ends the summary; what single messages have of headers follows.
        for line in text.lines().take_while(|line| !line.trim().is_empty()) {
            let Some((name, value)) = line.split_once(':') else { continue };
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            match name.as_str() {
                "messages-waiting" => status = Some(value.eq_ignore_ascii_case("yes")),
                "message-account" => summary.account = Some(value.to_owned()),
                name => {
                    let class =
                        CLASSES.iter().find(|(_, known)| *known == name).map(|(class, _)| class.clone());
                    if let (Some(class), true) = (class, summary.counts.len() < CLASSES.len()) {
                        summary.counts.extend(count(class, value));
                    }
                }
            }
        }
        summary.waiting = status.ok_or(StateError::Missing("Messages-Waiting"))?;
        Ok(summary)
    }

    /// The body.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("Messages-Waiting: {}\r\n", if self.waiting { "yes" } else { "no" });
        if let Some(account) = self.account.as_ref().filter(|account| !account.contains(['\r', '\n'])) {
            // Writing into a String cannot fail.
            let _ = write!(text, "Message-Account: {account}\r\n");
        }
        for MessageCount { class, new, old, urgent } in &self.counts {
            let name = CLASSES.iter().find(|(known, _)| known == class).map_or("none", |(_, name)| name);
            let _ = write!(text, "{name}: {new}/{old}");
            if let Some((new, old)) = urgent {
                let _ = write!(text, " ({new}/{old})");
            }
            text.push_str("\r\n");
        }
        text
    }
}

/// `2/8 (0/2)`
fn count(class: MessageClass, value: &str) -> Option<MessageCount> {
    let pair = |text: &str| {
        let (new, old) = text.split_once('/')?;
        Some((new.trim().parse().ok()?, old.trim().parse().ok()?))
    };
    let (all, urgent) = match value.split_once('(') {
        Some((all, urgent)) => (all, urgent.trim().strip_suffix(')').and_then(pair)),
        None => (value, None),
    };
    let (new, old) = pair(all)?;
    Some(MessageCount { class, new, old, urgent })
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 3842 §5.2 — status line, account, counts with the urgent ones in parentheses
    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let text = "Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\n\
                    Voice-Message: 4/8 (1/2)\r\nFax-Message: 0/1\r\nX-Other: 1/1\r\n\r\nTo: <alice@atlanta.example.com>\r\n";
        let summary = MessageSummary::parse(text.as_bytes()).unwrap();
        assert!(summary.waiting);
        assert_eq!(summary.account.as_deref(), Some("sip:alice@vmail.example.com"));
        let voice = MessageCount { class: MessageClass::Voice, new: 4, old: 8, urgent: Some((1, 2)) };
        let fax = MessageCount { class: MessageClass::Fax, new: 0, old: 1, urgent: None };
        assert_eq!(summary.counts, [voice, fax]);
        assert_eq!(MessageSummary::parse(summary.to_text().as_bytes()), Ok(summary));
        assert!(!MessageSummary::parse(b"messages-waiting:NO").unwrap().waiting);
    }

    #[test]
    fn what_is_no_summary_is_refused_and_what_cannot_be_counted_is_left_out() {
        assert_eq!(MessageSummary::parse(b""), Err(StateError::Missing("Messages-Waiting")));
        assert_eq!(MessageSummary::parse(&[0xff]), Err(StateError::Xml));
        let summary =
            MessageSummary::parse(b"Messages-Waiting: yes\nVoice-Message: many\nfax-message: 1/2 (x")
                .unwrap();
        assert_eq!(summary.counts.len(), 1);
        let forged = MessageSummary::voice(1, 0).account("sip:a\r\nvoice-message: 9/9");
        assert_eq!(forged.to_text(), "Messages-Waiting: yes\r\nvoice-message: 1/0\r\n");
    }
}
