//! One name for a session from end to end, whatever servers between make of the Call-ID ([RFC 7989]).
//!
//! [RFC 7989]: https://www.rfc-editor.org/rfc/rfc7989

use std::collections::HashMap;

use sip_msg::{CallId, From, Headers, SessionId, Text, To};

use crate::context::Context;
use crate::event::DialogId;
use crate::ids::Ids;

/// What stands for an unknown identifier ([RFC 7989 §5]).
///
/// [RFC 7989 §5]: https://www.rfc-editor.org/rfc/rfc7989#section-5
const NIL: &str = "00000000000000000000000000000000";
/// How many peers of one session are told apart.
const MAX_PEERS: usize = 16;

/// The sessions of our calls; empty unless [`Config::session_ids`](crate::Config::session_ids) is on.
#[derive(Debug, Default)]
pub(crate) struct SessionIds {
    sessions: HashMap<Text, Session>,
    calls: HashMap<DialogId, Text>,
}

#[derive(Debug)]
struct Session {
    local: Text,
    /// By the tags of the places that answered: each fork has its own.
    peers: Vec<(Text, Text)>,
    calls: u32,
}

/// The two identifiers of a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionIdentifier {
    /// Ours: 32 hexadecimal digits.
    pub local: Text,
    /// The peer's, once it has said it.
    pub remote: Option<Text>,
}

impl SessionIds {
    /// A call has this Call-ID; said again and again.
    pub(crate) fn attach(&mut self, ids: &mut Ids, id: DialogId, call_id: impl FnOnce() -> Option<Text>) {
        if self.calls.contains_key(&id) {
            return;
        }
        let Some(call_id) = call_id() else { return };
        self.session(ids, &call_id).calls += 1;
        self.calls.insert(id, call_id);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.calls.is_empty()
    }

    /// A call is over.
    pub(crate) fn detach(&mut self, id: DialogId) {
        let Some(call_id) = self.calls.remove(&id) else { return };
        if let Some(session) = self.sessions.get_mut(&call_id) {
            session.calls = session.calls.saturating_sub(1);
            if session.calls == 0 {
                self.sessions.remove(&call_id);
            }
        }
    }

    fn session(&mut self, ids: &mut Ids, call_id: &Text) -> &mut Session {
        let fresh = || Session { local: uuid(&ids.call_id()), peers: Vec::new(), calls: 0 };
        self.sessions.entry(call_id.detach()).or_insert_with(fresh)
    }

    fn of(&self, id: DialogId, remote_tag: &str) -> Option<SessionIdentifier> {
        let session = self.sessions.get(self.calls.get(&id)?)?;
        let remote = session.peer(remote_tag).cloned();
        Some(SessionIdentifier { local: session.local.clone(), remote })
    }
}

impl Session {
    fn peer(&self, tag: &str) -> Option<&Text> {
        self.peers.iter().find(|(known, _)| **known == *tag).map(|(_, uuid)| uuid)
    }

    fn learn(&mut self, tag: &str, uuid: Text) {
        // RFC 7989 §8: the peer may become another one.
        if let Some((_, known)) = self.peers.iter_mut().find(|(known, _)| **known == *tag) {
            *known = uuid;
        } else if self.peers.len() < MAX_PEERS {
            self.peers.push((tag.into(), uuid));
        }
    }
}

/// Which way a message goes, and with it whose tag is the peer's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Peer {
    /// A request of ours, or the response to one: the peer is in To.
    To,
    /// A request of the peer, or our response to one: the peer is in From.
    From,
}

impl Context {
    /// Writes the identifiers of a session into a message of ours.
    pub(crate) fn stamp(&mut self, headers: &mut Headers, peer: Peer) {
        if !self.config.session_ids {
            return;
        }
        let Some((call_id, tag)) = parties(headers, peer) else { return };
        let Some(session) = self.session_ids.sessions.get(&call_id) else { return };
        let mut header = SessionId::new(session.local.clone());
        header.params.set("remote", session.peer(&tag).cloned().unwrap_or(Text::from_static(NIL)));
        headers.replace(&header);
    }

    /// Takes note of the peer's identifier in a message that came ([RFC 7989 §6]).
    ///
    /// [RFC 7989 §6]: https://www.rfc-editor.org/rfc/rfc7989#section-6
    pub(crate) fn note_session_id(&mut self, headers: &Headers, peer: Peer) {
        if !self.config.session_ids {
            return;
        }
        let Ok(Some(SessionId { local, .. })) = headers.get::<SessionId>() else { return };
        // One that is nil or not 32 digits long says nothing.
        let good = local.len() == NIL.len() && local.bytes().all(|digit| digit.is_ascii_hexdigit());
        if let Some((call_id, tag)) = parties(headers, peer).filter(|_| good && *local != *NIL)
            && let Some(session) = self.session_ids.sessions.get_mut(&call_id)
        {
            session.learn(&tag, local.to_ascii_lowercase().into());
        }
    }

    /// The identifiers of a call.
    pub(crate) fn session_id(&self, id: DialogId, remote_tag: &str) -> Option<SessionIdentifier> {
        self.session_ids.of(id, remote_tag)
    }

    /// Makes a session for a call that begins with this message.
    pub(crate) fn open_session(&mut self, id: DialogId, headers: &Headers) {
        if self.config.session_ids {
            let call_id = || headers.get::<CallId>().ok().flatten().map(|CallId(id)| id.detach());
            self.session_ids.attach(&mut self.ids, id, call_id);
        }
    }
}

/// The Call-ID and the peer's tag, which may be empty.
fn parties(headers: &Headers, peer: Peer) -> Option<(Text, Text)> {
    let CallId(call_id) = headers.get::<CallId>().ok()??;
    let tag = match peer {
        Peer::To => headers.get::<To>().ok()??.params.text("tag"),
        Peer::From => headers.get::<From>().ok()??.params.text("tag"),
    };
    Some((call_id, tag.unwrap_or_default()))
}

/// A random UUID without hyphens ([RFC 7989 §4.1]), of 32 random hexadecimal digits.
///
/// [RFC 7989 §4.1]: https://www.rfc-editor.org/rfc/rfc7989#section-4.1
fn uuid(random: &str) -> Text {
    let digit = |(at, digit): (usize, char)| match at {
        12 => '4',
        16 => ['8', '9', 'a', 'b'].get(digit.to_digit(16).unwrap_or(0) as usize % 4).copied().unwrap_or('8'),
        _ => digit,
    };
    random.chars().enumerate().map(digit).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use sdp::Direction;
    use sip_msg::{HeaderName, Message, Method, Request, StatusCode};

    use super::*;
    use crate::scripted::{Plan, SDP, Scripted, answer, describe};
    use crate::{Event, MediaPlan};

    const THEIRS: &str = "a1b2c3d4e5f64789abcdef0123456789";

    fn lab() -> Scripted {
        Scripted::with(|config| config.session_ids(true))
    }

    fn ids(headers: &Headers) -> (String, String) {
        let header = headers.require::<SessionId>().unwrap();
        (header.local.to_string(), header.params.value("remote").unwrap().to_owned())
    }

    fn named(mut message: Message, value: &str) -> Message {
        message.headers_mut().push_raw(HeaderName::SESSION_ID, value.as_bytes()).unwrap();
        message
    }

    // rfc: 7989 §6 — our identifier in every message, the peer's once it is known, the nil one before
    #[test]
    fn both_identifiers_go_through_a_call_of_ours() {
        let mut lab = lab();
        let (id, sent) = lab.call(Plan::default());
        let (ours, theirs) = ids(sent.headers());
        assert_eq!((ours.len(), &*theirs), (32, NIL));
        assert_eq!((&ours[12..13], "89ab".contains(&ours[16..17])), ("4", true));
        let mut response = answer(&sent, 200, "peer");
        response.set_body(SDP, describe(1, Direction::SendRecv));
        lab.receive(named(response.into(), &format!("{THEIRS};remote={ours}")));
        let ack = lab.sent_request(&Method::ACK);
        assert_eq!(ids(ack.headers()), (ours.clone(), THEIRS.to_owned()));
        let known = lab.agent.session_id(id).unwrap();
        assert_eq!((&*known.local, known.remote.as_deref()), (&*ours, Some(THEIRS)));
        let info = lab.peer_request(Method::INFO, 1, Some(&ack.into()));
        lab.receive(named(info.into(), "0000"));
        assert_eq!(ids(lab.sent_response(StatusCode::OK).headers()), (ours.clone(), THEIRS.to_owned()));
        lab.agent.hang_up(lab.now, id).unwrap();
        let bye = lab.sent_request(&Method::BYE);
        assert_eq!(ids(bye.headers()), (ours, THEIRS.to_owned()));
        lab.answer(&bye, 200, "peer");
        lab.ends_idle();
        assert!(lab.agent.session_id(id).is_none());
    }

    // rfc: 7989 §6 — a call that comes in: the peer's identifier is taken over from the first request
    #[test]
    fn a_callee_answers_with_both() {
        let mut lab = lab();
        let mut call: Request = lab.peer_request(Method::INVITE, 1, None);
        call.set_body(SDP, describe(1, Direction::SendRecv));
        lab.receive(named(call.into(), &format!("{};remote={NIL}", THEIRS.to_ascii_uppercase())));
        let Some(Event::Incoming { dialog, .. }) = lab.event() else { panic!("a call") };
        let plan: Box<dyn MediaPlan> = Box::new(Plan::default());
        lab.agent.accept(lab.now, dialog, plan).unwrap();
        let (ours, theirs) = ids(lab.sent_response(StatusCode::OK).headers());
        assert_eq!((ours.len(), &*theirs), (32, THEIRS));
    }

    // rfc: 7989 §6 — each fork has its own identifier, and one that is not 32 digits long is discarded
    #[test]
    fn forks_are_told_apart() {
        let mut lab = lab();
        let (_, sent) = lab.call(Plan::default());
        let other = "b".repeat(32);
        for (tag, value) in [("one", THEIRS), ("two", &*other), ("two", "b"), ("two", NIL)] {
            lab.receive(named(answer(&sent, 180, tag).into(), value));
        }
        lab.answer_with(&sent, 200, "two", Direction::SendRecv);
        assert_eq!(ids(lab.sent_request(&Method::ACK).headers()).1, other);
    }

    #[test]
    fn without_the_setting_there_is_none() {
        let mut lab = Scripted::new();
        let (id, sent) = lab.call(Plan::default());
        assert!(!sent.headers().contains(HeaderName::SESSION_ID));
        assert!(lab.agent.session_id(id).is_none());
    }
}
