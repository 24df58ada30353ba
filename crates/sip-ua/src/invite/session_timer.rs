//! Session timers: a call whose other end has vanished ends all the same ([RFC 4028]).
//!
//! ```text
//!   2xx of ours or the peer's, Session-Expires: T; refresher=…
//!      |
//!      |  we refresh:     T/2: UPDATE or re-INVITE   3T/4, 7T/8 …: again, if it was refused     T: BYE
//!      |  the peer does:                                                T - min(32 s, T/3): BYE
//!      v
//!   any 2xx to INVITE or UPDATE starts it anew, or ends it where it names no time
//! ```
//!
//! What is sent when the time for a refresh has come, [`change`](super::change) decides.
//!
//! [RFC 4028]: https://www.rfc-editor.org/rfc/rfc4028

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use sip_msg::{HeaderName, Headers, MinSe, Params, Request, Require, Response, SessionExpires, StatusCode};
use sip_txn::ServerId;

use super::InviteUsage;
use crate::context::Context;
use crate::dialog::lists;
use crate::event::{Event, Side};

/// The option tag ([RFC 4028 §12.3]).
///
/// [RFC 4028 §12.3]: https://www.rfc-editor.org/rfc/rfc4028#section-12.3
pub(crate) const TIMER: &str = "timer";
/// The least that anybody may ask for, in seconds ([RFC 4028 §4]).
///
/// [RFC 4028 §4]: https://www.rfc-editor.org/rfc/rfc4028#section-4
const LEAST: u32 = 90;
/// What a peer's answer may name all the same, in seconds: less would make us the source of a flood.
const LEAST_TAKEN: u32 = 20;
/// How often in a row a request is sent anew because its time was too short for somebody on the way.
const MAX_RAISES: u8 = 8;
/// A refused refresh is tried again half-way to the end, as long as that is at least this far away.
const LEAST_WAIT: Duration = Duration::from_secs(5);

/// What we want of session timers ([RFC 4028]): by default a session of 30 minutes, refreshed after 15.
///
/// A peer without session timers costs only the refreshes, which are then ours.
///
/// [RFC 4028]: https://www.rfc-editor.org/rfc/rfc4028
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SessionTimer {
    /// How long a call may stand without a refresh, at least 90 s; `None`: we ask for no timer, and do what a peer asks.
    pub interval: Option<Duration>,
    /// The shortest interval we take: a request that asks for less is answered 422. At least 90 s, which is the default.
    pub min: Duration,
    /// Who should refresh.
    pub refresher: Refresher,
}

/// Who should refresh a session, where the rules leave the choice.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Refresher {
    /// The caller is left the choice, and gets the work when it leaves it to us.
    #[default]
    Auto,
    /// We do.
    Us,
    /// The peer does, if it can.
    Peer,
}

impl Default for SessionTimer {
    fn default() -> Self {
        Self {
            interval: Some(Duration::from_secs(1800)),
            min: Duration::from_secs(LEAST.into()),
            refresher: Refresher::Auto,
        }
    }
}

impl SessionTimer {
    /// How long a call may stand without a refresh; `None` asks for no timer.
    #[must_use]
    pub fn interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.interval = interval.into();
        self
    }

    /// The shortest interval we take.
    #[must_use]
    pub fn min(mut self, min: Duration) -> Self {
        self.min = min;
        self
    }

    /// Who should refresh.
    #[must_use]
    pub fn refresher(mut self, refresher: Refresher) -> Self {
        self.refresher = refresher;
        self
    }

    fn floor(&self) -> u32 {
        seconds(self.min).max(LEAST)
    }
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

/// The session timer of one dialog.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timer {
    pub(super) settings: SessionTimer,
    /// The largest Min-SE this dialog has seen, in seconds ([RFC 4028 §7.4]).
    ///
    /// [RFC 4028 §7.4]: https://www.rfc-editor.org/rfc/rfc4028#section-7.4
    pub(super) min_se: Option<u32>,
    pub(super) session: Option<Session>,
    /// What our last request asked for, in seconds.
    asked: Option<u32>,
    /// How often in a row a request of ours was answered 422.
    raises: u8,
    /// A refresh waits until no other change is in progress.
    due: bool,
}

/// A session that ends unless it is refreshed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Session {
    /// The session interval, in seconds.
    pub(super) interval: u32,
    /// We refresh it.
    pub(super) ours: bool,
    /// When it was refreshed last.
    pub(super) since: Instant,
    /// When we do so next; `None`: it is the peer's to do, or is being done.
    pub(super) refresh_at: Option<Instant>,
}

impl Session {
    pub(super) fn new(now: Instant, interval: u32, ours: bool) -> Self {
        let half = Duration::from_secs(interval.into()) / 2;
        Self { interval, ours, since: now, refresh_at: ours.then(|| now + half) }
    }

    /// When we give the call up: in time for a firewall on the way that counts too ([RFC 4028 §10]).
    ///
    /// [RFC 4028 §10]: https://www.rfc-editor.org/rfc/rfc4028#section-10
    fn ends_at(&self) -> Instant {
        let interval = Duration::from_secs(self.interval.into());
        let margin = if self.ours { Duration::ZERO } else { (interval / 3).min(Duration::from_secs(32)) };
        self.since + (interval - margin)
    }
}

/// What the clock says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Due {
    Nothing,
    Refresh,
    Expired,
}

impl Timer {
    pub(super) fn new(settings: SessionTimer) -> Self {
        Self { settings, min_se: None, session: None, asked: None, raises: 0, due: false }
    }

    /// The dialog stands: what proxies that are not on its way may have asked for no longer counts
    /// ([RFC 4028 §7.4]).
    ///
    /// [RFC 4028 §7.4]: https://www.rfc-editor.org/rfc/rfc4028#section-7.4
    pub(super) fn of_dialog(self) -> Self {
        Self { asked: self.asked, ..Self::new(self.settings) }
    }

    /// Puts Session-Expires and Min-SE on an INVITE or UPDATE, in place of those it has ([RFC 4028 §7.1], [RFC 4028 §7.4]).
    ///
    /// [RFC 4028 §7.1]: https://www.rfc-editor.org/rfc/rfc4028#section-7.1
    /// [RFC 4028 §7.4]: https://www.rfc-editor.org/rfc/rfc4028#section-7.4
    pub(super) fn ask(&mut self, request: &mut Request) {
        let floor = self.min_se.unwrap_or(LEAST).max(self.settings.floor());
        let (interval, refresher) = match self.session {
            Some(session) => (Some(session.interval), Some(if session.ours { "uac" } else { "uas" })),
            None => {
                let refresher = match self.settings.refresher {
                    Refresher::Auto => None,
                    Refresher::Us => Some("uac"),
                    Refresher::Peer => Some("uas"),
                };
                (self.settings.interval.map(seconds), refresher)
            }
        };
        let headers = request.headers_mut();
        headers.remove(HeaderName::SESSION_EXPIRES);
        headers.remove(HeaderName::MIN_SE);
        self.asked = interval.map(|interval| interval.max(floor));
        if let Some(interval) = self.asked {
            headers.push(&session_expires(interval, refresher));
        }
        if self.min_se.is_some() || floor > LEAST {
            headers.push(&MinSe::new(floor));
        }
    }

    /// Takes the 2xx to a request of ours ([RFC 4028 §7.2]).
    ///
    /// [RFC 4028 §7.2]: https://www.rfc-editor.org/rfc/rfc4028#section-7.2
    pub(super) fn answered(&mut self, now: Instant, response: &Headers) {
        self.raises = 0;
        let granted = match interval_of(response) {
            Some(granted) => Some((granted.seconds.max(LEAST_TAKEN), !names(&granted, "uas"))),
            // The peer has no session timers: the work is ours, if we have asked for it.
            None => self.asked.map(|asked| (asked, true)),
        };
        self.start(granted.map(|(interval, ours)| Session::new(now, interval, ours)));
    }

    /// Puts Session-Expires on our 2xx to a request of the peer, and starts the session anew ([RFC 4028 §9]).
    ///
    /// [RFC 4028 §9]: https://www.rfc-editor.org/rfc/rfc4028#section-9
    pub(super) fn accept(&mut self, now: Instant, request: &Headers, response: &mut Response) {
        let asked = interval_of(request);
        let min_se = request.get::<MinSe>().ok().flatten().map(|min| min.seconds.max(LEAST));
        self.min_se = self.min_se.max(min_se);
        let able = lists(request, HeaderName::SUPPORTED, TIMER);
        let floor = min_se.unwrap_or(LEAST).max(self.settings.floor());
        let wanted = self.settings.interval.map(|interval| seconds(interval).max(floor));
        let interval = match (&asked, wanted) {
            // Too short, and from a caller that would not understand a 422: no timer then.
            (Some(asked), _) if asked.seconds < LEAST => None,
            (Some(asked), wanted) => Some(wanted.map_or(asked.seconds, |wanted| asked.seconds.min(wanted))),
            (None, wanted) => wanted,
        };
        let named = |who| asked.as_ref().is_some_and(|asked| names(asked, who));
        let ours = if !able || named("uas") {
            true
        } else if named("uac") {
            false
        } else {
            match self.settings.refresher {
                Refresher::Us => true,
                Refresher::Peer => false,
                Refresher::Auto => self.session.is_some_and(|session| session.ours),
            }
        };
        if let Some(interval) = interval {
            response.headers_mut().push(&session_expires(interval, Some(if ours { "uas" } else { "uac" })));
            if able {
                response.headers_mut().push(&Require(vec![TIMER.into()]));
            }
        }
        self.start(interval.map(|interval| Session::new(now, interval, ours)));
    }

    fn start(&mut self, session: Option<Session>) {
        self.session = session;
        self.due = false;
    }

    /// Takes a 422 to a request of ours; whether to send it again, with more time ([RFC 4028 §7.3]).
    ///
    /// [RFC 4028 §7.3]: https://www.rfc-editor.org/rfc/rfc4028#section-7.3
    pub(super) fn raise(&mut self, response: &Response) -> bool {
        if response.status() != StatusCode::SESSION_INTERVAL_TOO_SMALL || self.raises >= MAX_RAISES {
            return false;
        }
        let Ok(Some(min)) = response.headers().get::<MinSe>() else { return false };
        // Whoever refuses what it names itself would refuse it for ever.
        if self.asked.or(self.min_se).is_some_and(|before| min.seconds <= before) {
            return false;
        }
        self.raises += 1;
        self.min_se = self.min_se.max(Some(min.seconds.max(LEAST)));
        true
    }

    /// A refresh, or a change that would have been one, came to nothing: later again, while there is time
    /// ([RFC 4028 §10]).
    ///
    /// [RFC 4028 §10]: https://www.rfc-editor.org/rfc/rfc4028#section-10
    pub(super) fn failed(&mut self, now: Instant) {
        self.raises = 0;
        if let Some(session) = &mut self.session
            && session.ours
            && !self.due
            && session.refresh_at.is_none()
        {
            let wait = session.ends_at().saturating_duration_since(now) / 2;
            session.refresh_at = (wait >= LEAST_WAIT).then(|| now + wait);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.session.map(|session| session.refresh_at.unwrap_or_else(|| session.ends_at()))
    }

    /// Whether a refresh is due; said once.
    pub(super) fn take_due(&mut self) -> bool {
        std::mem::take(&mut self.due)
    }

    /// What the clock says.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Due {
        let Some(session) = &mut self.session else { return Due::Nothing };
        if now >= session.ends_at() {
            Due::Expired
        } else if session.refresh_at.take_if(|at| now >= *at).is_some() {
            self.due = true;
            Due::Refresh
        } else {
            Due::Nothing
        }
    }
}

impl InviteUsage {
    /// Answers 422 where a request leaves the session less time than we take ([RFC 4028 §9]); whether it did.
    ///
    /// [RFC 4028 §9]: https://www.rfc-editor.org/rfc/rfc4028#section-9
    pub(super) fn refuses_interval(
        &self,
        context: &mut Context,
        now: Instant,
        server: ServerId,
        request: &Request,
    ) -> bool {
        let Some(mut response) = too_short(&self.timer.settings, request) else { return false };
        context.sign_response(&mut response, false);
        context.respond(now, server, response);
        true
    }

    /// Says that nothing has changed and everybody is there, where a session timer runs.
    pub(super) fn tell_refreshed(&self, context: &mut Context, by: Side) {
        if self.timer.session.is_some() {
            context.tell(Event::SessionRefreshed { dialog: self.id, by });
        }
    }
}

/// The 422 to a request with less time than we take, from a peer that knows what that is ([RFC 4028 §6]).
///
/// [RFC 4028 §6]: https://www.rfc-editor.org/rfc/rfc4028#section-6
pub(crate) fn too_short(settings: &SessionTimer, request: &Request) -> Option<Response> {
    let floor = settings.floor();
    let asked = interval_of(request.headers())?.seconds;
    let refused = asked < floor && lists(request.headers(), HeaderName::SUPPORTED, TIMER);
    refused.then(|| {
        Response::answer(request, StatusCode::SESSION_INTERVAL_TOO_SMALL).header(&MinSe::new(floor)).build()
    })
}

fn interval_of(headers: &Headers) -> Option<SessionExpires> {
    headers.get::<SessionExpires>().ok().flatten()
}

/// Whether it names the sender (`uac`) or the receiver (`uas`) of the request as the one who refreshes.
fn names(header: &SessionExpires, who: &str) -> bool {
    header.refresher().is_some_and(|refresher| refresher.eq_ignore_ascii_case(who))
}

fn session_expires(seconds: u32, refresher: Option<&'static str>) -> SessionExpires {
    let mut params = Params::new();
    if let Some(refresher) = refresher {
        params.set("refresher", refresher);
    }
    SessionExpires { seconds, params }
}
