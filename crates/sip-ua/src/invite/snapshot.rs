//! A call as bytes, so that it outlives the process: taken of a call that stands, resumed by another agent.
//!
//! ```text
//!   "SIPCALL" version   then records:  tag (1 octet)  length (4 octets, big-endian)  value
//! ```
//!
//! A record that a reader does not know is passed over, so a newer writer may add some; one that changes what the known
//! ones mean raises the version. **Treat the bytes as a secret**: whoever has them can end the call or take it over, and
//! what the media plan writes may hold its keys. Passwords are not in them; nothing proves that they were not tampered
//! with, and reading tampered ones gives an error or another call, and no panic.

use std::time::Instant;

use bytes::Bytes;
use sdp::Direction;
use sip_msg::{From, HeaderName, Headers, Route, Text, To, Uri};

use super::session_timer::{Session, Timer};
use super::{Established, InviteUsage, State};
use crate::auth::Authenticator;
use crate::context::Context;
use crate::dialog::{Dialog, Parts, Role};
use crate::error::CommandError;
use crate::event::DialogId;
use crate::media_plan::{MediaPlan, Refusal};
use crate::target;

const MAGIC: &[u8; 7] = b"SIPCALL";
const VERSION: u8 = 1;
/// No call needs more.
const MAX_BYTES: usize = 256 * 1024;
const MAX_ROUTES: usize = 64;
/// Numbers that requests may have taken after the snapshot. A gap is allowed, going back is not ([RFC 3261 §12.2.2]).
///
/// [RFC 3261 §12.2.2]: https://www.rfc-editor.org/rfc/rfc3261#section-12.2.2
const CSEQ_GAP: u32 = 1_000;
/// RFC 3261 §8.1.1.5: numbers stay below 2^31.
const MAX_CSEQ: u32 = i32::MAX.unsigned_abs();

/// Why bytes are no call that this agent can go on with.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// They are something else.
    #[error("this is no snapshot of a call")]
    NotASnapshot,
    /// A newer program wrote them, and meant something that this one does not know.
    #[error("a snapshot of version {0}, which this program does not know")]
    Version(u8),
    /// They end in the middle, or are too many.
    #[error("the snapshot is not whole")]
    Length,
    /// A part is missing or cannot be read.
    #[error("the snapshot has no {0} that can be read")]
    Part(&'static str),
    /// The agent has this call already.
    #[error("this call is here already")]
    Known,
    /// A limit of the configuration is reached.
    #[error("too many {0}")]
    Limit(&'static str),
    /// The media plan cannot go on from what was agreed.
    #[error("media cannot go on: {0}")]
    Media(Refusal),
}

/// What a record holds. Numbers are never used anew.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Tag {
    Role = 1,
    CallId = 2,
    Local = 3,
    Remote = 4,
    LocalCseq = 5,
    RemoteCseq = 6,
    Route = 7,
    RemoteTarget = 8,
    Contact = 9,
    TakesUpdate = 10,
    Direction = 11,
    SessionInterval = 12,
    RefreshIsOurs = 13,
    MinSe = 14,
    Media = 15,
    /// Behind all the others of this version: nothing was cut off.
    End = 16,
}

/// The records as they come in, each checked to be whole.
struct Records<'a>(Vec<(u8, &'a [u8])>);

impl<'a> Records<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, ResumeError> {
        if bytes.len() > MAX_BYTES {
            return Err(ResumeError::Length);
        }
        let rest = bytes.strip_prefix(MAGIC).ok_or(ResumeError::NotASnapshot)?;
        let (version, mut rest) = rest.split_first().ok_or(ResumeError::Length)?;
        if *version != VERSION {
            return Err(ResumeError::Version(*version));
        }
        let mut records = Vec::new();
        while let Some((tag, after)) = rest.split_first() {
            let (length, after) = after.split_first_chunk().ok_or(ResumeError::Length)?;
            let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| ResumeError::Length)?;
            let (value, after) = after.split_at_checked(length).ok_or(ResumeError::Length)?;
            records.push((*tag, value));
            rest = after;
        }
        let records = Self(records);
        records.get(Tag::End).ok_or(ResumeError::Length)?;
        Ok(records)
    }

    fn all(&self, tag: Tag) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |(found, _)| *found == tag as u8).map(|(_, value)| *value)
    }

    fn get(&self, tag: Tag) -> Option<&'a [u8]> {
        self.all(tag).next()
    }

    fn text(&self, tag: Tag) -> Option<Text> {
        let text = std::str::from_utf8(self.get(tag)?).ok()?;
        (!text.is_empty() && !text.contains(['\r', '\n', '\0'])).then(|| text.into())
    }

    fn octet(&self, tag: Tag) -> Option<u8> {
        <[u8; 1]>::try_from(self.get(tag)?).ok().map(|[octet]| octet)
    }

    fn number(&self, tag: Tag) -> Option<u32> {
        <[u8; 4]>::try_from(self.get(tag)?).ok().map(u32::from_be_bytes)
    }

    fn uri(&self, tag: Tag) -> Option<Uri> {
        self.text(tag)?.parse().ok()
    }

    fn header(&self, tag: Tag, name: HeaderName) -> Option<Headers> {
        let mut headers = Headers::new();
        headers.push_raw(name, self.text(tag)?.as_bytes()).ok()?;
        Some(headers)
    }

    fn routes(&self) -> Option<Vec<Route>> {
        let mut headers = Headers::new();
        for line in self.all(Tag::Route) {
            headers.push_raw(HeaderName::ROUTE, line).ok()?;
        }
        let routes: Vec<Route> = headers.all::<Route>().collect::<Result<_, _>>().ok()?;
        (routes.len() <= MAX_ROUTES).then_some(routes)
    }

    fn dialog(&self) -> Result<Dialog, ResumeError> {
        let part = |what| move || ResumeError::Part(what);
        let role = match self.octet(Tag::Role) {
            Some(0) => Role::Uac,
            Some(1) => Role::Uas,
            Some(_) | None => return Err(ResumeError::Part("role")),
        };
        let local = self.header(Tag::Local, HeaderName::FROM);
        let local = local.and_then(|local| local.require::<From>().ok()).ok_or_else(part("local address"))?;
        let remote = self.header(Tag::Remote, HeaderName::TO);
        let remote =
            remote.and_then(|remote| remote.require::<To>().ok()).ok_or_else(part("remote address"))?;
        if local.tag().is_none_or(str::is_empty) {
            return Err(ResumeError::Part("local tag"));
        }
        let local_cseq = self.number(Tag::LocalCseq).filter(|number| *number <= MAX_CSEQ);
        let local_cseq = local_cseq.ok_or_else(part("local CSeq"))?;
        Ok(Dialog::from(Parts {
            role,
            call_id: self.text(Tag::CallId).ok_or_else(part("Call-ID"))?,
            local: local.detach(),
            remote: remote.detach(),
            local_cseq: local_cseq.saturating_add(CSEQ_GAP).min(MAX_CSEQ),
            remote_cseq: self.number(Tag::RemoteCseq),
            route_set: self.routes().ok_or_else(part("route set"))?,
            remote_target: self.uri(Tag::RemoteTarget).ok_or_else(part("remote target"))?,
            contact: self.uri(Tag::Contact).ok_or_else(part("contact"))?,
            takes_update: self.octet(Tag::TakesUpdate) == Some(1),
        }))
    }
}

/// The records as they go out.
struct Writer(Vec<u8>);

impl Writer {
    fn put(&mut self, tag: Tag, value: &[u8]) {
        // What does not fit into a length is no part of a call.
        let Ok(length) = u32::try_from(value.len()) else { return };
        self.0.push(tag as u8);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(value);
    }

    fn number(&mut self, tag: Tag, number: u32) {
        self.put(tag, &number.to_be_bytes());
    }
}

fn direction_octet(direction: Direction) -> u8 {
    match direction {
        Direction::SendRecv => 0,
        Direction::SendOnly => 1,
        Direction::RecvOnly => 2,
        Direction::Inactive => 3,
    }
}

fn direction_of(octet: u8) -> Option<Direction> {
    [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive]
        .into_iter()
        .find(|direction| direction_octet(*direction) == octet)
}

impl InviteUsage {
    /// Writes down a call that stands and in which no offer or answer is on its way.
    pub(crate) fn snapshot(&self) -> Result<Bytes, CommandError> {
        let State::Established(established) = &self.state else {
            return Err(CommandError::WrongState { command: "snapshot", state: self.state.name() });
        };
        if established.await_ack.is_some() || established.change.is_some() || established.hang_up {
            return Err(CommandError::WrongState { command: "snapshot", state: "changing" });
        }
        let parts = established.dialog.parts();
        let mut out = Writer([MAGIC.as_slice(), &[VERSION]].concat());
        out.put(Tag::Role, &[u8::from(parts.role == Role::Uas)]);
        out.put(Tag::CallId, parts.call_id.as_bytes());
        out.put(Tag::Local, parts.local.to_string().as_bytes());
        out.put(Tag::Remote, parts.remote.to_string().as_bytes());
        out.number(Tag::LocalCseq, parts.local_cseq);
        if let Some(number) = parts.remote_cseq {
            out.number(Tag::RemoteCseq, number);
        }
        for route in &parts.route_set {
            out.put(Tag::Route, route.to_string().as_bytes());
        }
        out.put(Tag::RemoteTarget, parts.remote_target.to_string().as_bytes());
        out.put(Tag::Contact, parts.contact.to_string().as_bytes());
        out.put(Tag::TakesUpdate, &[u8::from(parts.takes_update)]);
        out.put(Tag::Direction, &[direction_octet(established.direction)]);
        if let Some(session) = self.timer.session {
            out.number(Tag::SessionInterval, session.interval);
            out.put(Tag::RefreshIsOurs, &[u8::from(session.ours)]);
        }
        if let Some(min_se) = self.timer.min_se {
            out.number(Tag::MinSe, min_se);
        }
        if let Some(media) = established.plan.snapshot() {
            out.put(Tag::Media, &media);
        }
        out.put(Tag::End, &[]);
        if out.0.len() > MAX_BYTES {
            return Err(CommandError::Limit("octets in a snapshot"));
        }
        Ok(out.0.into())
    }

    /// Goes on with a call that another process wrote down.
    ///
    /// A session that we refresh is refreshed at once, since nobody knows how long ago that was due.
    pub(crate) fn resume(
        context: &mut Context,
        now: Instant,
        id: DialogId,
        bytes: &[u8],
        mut plan: Box<dyn MediaPlan>,
    ) -> Result<Self, ResumeError> {
        let records = Records::read(bytes)?;
        let mut dialog = records.dialog()?;
        if context.dialogs.contains_key(&dialog.key()) {
            return Err(ResumeError::Known);
        }
        let direction = records.octet(Tag::Direction).and_then(direction_of);
        let direction = direction.ok_or(ResumeError::Part("direction"))?;
        if let Some(media) = records.get(Tag::Media) {
            plan.resume(media).map_err(ResumeError::Media)?;
        }
        renew_contact(context, &mut dialog);
        let mut timer = Timer::new(context.config.session_timer);
        timer.min_se = records.number(Tag::MinSe);
        if let Some(interval) = records.number(Tag::SessionInterval).filter(|interval| *interval > 0) {
            let ours = records.octet(Tag::RefreshIsOurs) == Some(1);
            let refresh_at = ours.then_some(now);
            timer.session = Some(Session { refresh_at, ..Session::new(now, interval, ours) });
        }
        let mut established = Established::new(dialog.clone(), plan);
        established.direction = direction;
        established.settled = direction;
        let state = State::Established(Box::new(established));
        let mut usage = Self::new(id, Authenticator::new(None), state);
        usage.timer = timer;
        usage.keep_key(context, &dialog);
        Ok(usage)
    }

    /// What to answer challenges with from now on.
    pub(crate) fn set_credentials(&mut self, credentials: crate::auth::Credentials) {
        self.auth = Authenticator::new(Some(credentials));
    }
}

/// The process that resumes may listen elsewhere: then the Contact is its own.
fn renew_contact(context: &Context, dialog: &mut Dialog) {
    let first = dialog.route_set().first().map(Route::uri);
    let next = first.unwrap_or(dialog.remote_target());
    let (transport, remote) = (target::transport(None, next), target::address(None, next));
    let (user, secure) = (dialog.contact().raw_user(), dialog.contact().is_sips());
    let renewed = target::contact(&context.layer, transport, remote.as_ref(), user, secure);
    if renewed.host_port() != dialog.contact().host_port() {
        dialog.set_contact(renewed);
    }
}

#[cfg(test)]
mod tests;
