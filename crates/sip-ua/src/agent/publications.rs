//! Publications ([RFC 3903]).
//!
//! [RFC 3903]: https://www.rfc-editor.org/rfc/rfc3903

use std::time::Instant;

use bytes::Bytes;
use sip_msg::{Method, Response, Text};
use sip_txn::{ClientId, Ending};

use super::{Agent, Timed, reschedule};
use crate::command::OutOfDialog;
use crate::context::Context;
use crate::error::CommandError;
use crate::event::PublicationId;
use crate::policy::TargetSource;
use crate::publication::{Publication, Publish};

impl Agent {
    /// Publishes a state, and keeps it published until [`unpublish`](Self::unpublish): refreshed in time, sent anew when
    /// the server has lost it.
    ///
    /// # Errors
    /// [`CommandError::Limit`], [`CommandError::Header`] for a header that cannot be written, or
    /// [`CommandError::Request`] when the PUBLISH cannot even be sent.
    pub fn publish(&mut self, now: Instant, asked: Publish) -> Result<PublicationId, CommandError> {
        if self.publications.len() >= self.context.config.limits.subscriptions {
            return Err(CommandError::Limit("publications"));
        }
        let mut envelope = OutOfDialog { method: Method::PUBLISH, ..asked.request.clone() };
        self.context.config.policy.check_target(&envelope.target, TargetSource::Caller)?;
        self.lend_to_request(now, &mut envelope)?;
        let id = PublicationId(self.next_id());
        let publication = Publication::start(&mut self.context, now, id, asked, envelope)?;
        self.publications.insert(id, publication);
        self.pump(now);
        Ok(id)
    }

    /// Publishes another state in place of the one there is.
    ///
    /// # Errors
    /// [`CommandError::Unknown`].
    pub fn republish(
        &mut self,
        now: Instant,
        id: PublicationId,
        media_type: impl Into<Text>,
        body: impl Into<Bytes>,
    ) -> Result<(), CommandError> {
        let state = (media_type.into(), body.into());
        self.publication(now, id, |publication, context| publication.change(context, now, state))
    }

    /// Takes a state back; [`Event::Unpublished`](crate::Event::Unpublished) says when that is done.
    ///
    /// # Errors
    /// [`CommandError::Unknown`].
    pub fn unpublish(&mut self, now: Instant, id: PublicationId) -> Result<(), CommandError> {
        self.publication(now, id, |publication, context| publication.remove(context, now))
    }

    fn publication(
        &mut self,
        now: Instant,
        id: PublicationId,
        run: impl FnOnce(&mut Publication, &mut Context),
    ) -> Result<(), CommandError> {
        if !self.publications.contains_key(&id) {
            return Err(CommandError::Unknown);
        }
        self.with_publication(id, run);
        self.pump(now);
        Ok(())
    }

    pub(super) fn publication_answered(
        &mut self,
        now: Instant,
        id: PublicationId,
        client: ClientId,
        result: &Result<Response, Ending>,
    ) {
        self.with_publication(id, |publication, context| publication.answered(context, now, client, result));
    }

    pub(super) fn publication_timeout(&mut self, now: Instant, id: PublicationId) {
        if let Some(publication) = self.publications.get_mut(&id) {
            publication.scheduled = None;
        }
        self.with_publication(id, |publication, context| publication.handle_timeout(context, now));
    }

    fn with_publication(&mut self, id: PublicationId, run: impl FnOnce(&mut Publication, &mut Context)) {
        let Some(publication) = self.publications.get_mut(&id) else { return };
        run(publication, &mut self.context);
        let gone = publication.is_gone();
        let next = if gone { None } else { publication.poll_timeout() };
        reschedule(&mut self.schedule, Timed::Publication(id), &mut publication.scheduled, next);
        if gone {
            self.publications.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sip_msg::{
        Event as EventHeader, Expires, HeaderName, MinExpires, NameAddr, Request, SipEtag, SipIfMatch, Uri,
    };

    use super::*;
    use crate::event::Event;
    use crate::scripted::{Scripted, answer};

    fn asked() -> Publish {
        let alice: Uri = "sip:alice@192.0.2.2:5060".parse().unwrap();
        let from = NameAddr::new(alice.clone());
        Publish::new(from, alice, "presence", "application/pidf+xml", "one").expires(Duration::from_secs(600))
    }

    fn publish(lab: &mut Scripted) -> (PublicationId, Request) {
        let id = lab.agent.publish(lab.now, asked()).unwrap();
        (id, lab.sent_request(&Method::PUBLISH))
    }

    fn grant(lab: &mut Scripted, sent: &Request, etag: &str, seconds: u32) {
        let mut response = answer(sent, 200, "s");
        response.headers_mut().push(&SipEtag(etag.into()));
        response.headers_mut().push(&Expires(seconds));
        lab.receive(response);
    }

    #[track_caller]
    fn published(lab: &mut Scripted, seconds: u64) {
        match lab.event() {
            Some(Event::Published { expires, .. }) => assert_eq!(expires.as_secs(), seconds),
            other => panic!("{other:?} is a publication"),
        }
    }

    fn matched(request: &Request) -> Option<String> {
        request.headers().get::<SipIfMatch>().unwrap().map(|SipIfMatch(etag)| etag.to_string())
    }

    // rfc: 3903 §4.1 — initial: body, no SIP-If-Match; refresh: SIP-If-Match, no body; modify: both; remove: Expires 0
    // rfc: 3903 §4 — no PUBLISH before the one before is answered
    #[test]
    fn a_state_is_published_refreshed_changed_and_taken_back() {
        let mut lab = Scripted::new();
        let (id, first) = publish(&mut lab);
        assert_eq!(first.headers().require::<EventHeader>().unwrap().package, "presence");
        assert_eq!(first.headers().require::<Expires>().unwrap(), Expires(600));
        assert_eq!((matched(&first), &first.body()[..]), (None, &b"one"[..]));
        assert!(!first.headers().contains(HeaderName::CONTACT));
        grant(&mut lab, &first, "e1", 300);
        published(&mut lab, 300);
        lab.advance(Duration::from_secs(270));
        let refresh = lab.sent_request(&Method::PUBLISH);
        assert_eq!((matched(&refresh).as_deref(), refresh.body().len()), (Some("e1"), 0));
        lab.agent.republish(lab.now, id, "application/pidf+xml", "two").unwrap();
        lab.sent_nothing();
        grant(&mut lab, &refresh, "e2", 300);
        published(&mut lab, 300);
        let change = lab.sent_request(&Method::PUBLISH);
        assert_eq!((matched(&change).as_deref(), &change.body()[..]), (Some("e2"), &b"two"[..]));
        grant(&mut lab, &change, "e3", 300);
        published(&mut lab, 300);
        lab.agent.unpublish(lab.now, id).unwrap();
        let last = lab.sent_request(&Method::PUBLISH);
        assert_eq!(last.headers().require::<Expires>().unwrap(), Expires(0));
        assert_eq!((matched(&last).as_deref(), last.body().len()), (Some("e3"), 0));
        grant(&mut lab, &last, "e4", 0);
        assert!(matches!(lab.event(), Some(Event::Unpublished { .. })));
        assert_eq!(lab.agent.unpublish(lab.now, id), Err(CommandError::Unknown));
        lab.ends_idle();
    }

    // rfc: 3903 §4.1 — 412: the entity tag is forgotten and the whole state published anew
    // rfc: 3903 §4.2 — 423: again with Min-Expires
    #[test]
    fn what_the_server_has_lost_goes_there_anew() {
        let mut lab = Scripted::new();
        let (_, first) = publish(&mut lab);
        let mut brief = answer(&first, 423, "s");
        brief.headers_mut().push(&MinExpires(1200));
        lab.receive(brief);
        let longer = lab.sent_request(&Method::PUBLISH);
        assert_eq!(longer.headers().require::<Expires>().unwrap(), Expires(1200));
        assert_eq!(longer.body(), "one");
        grant(&mut lab, &longer, "e1", 1200);
        published(&mut lab, 1200);
        lab.advance(Duration::from_secs(1080));
        let refresh = lab.sent_request(&Method::PUBLISH);
        lab.answer(&refresh, 412, "s");
        let anew = lab.sent_request(&Method::PUBLISH);
        assert_eq!((matched(&anew), &anew.body()[..]), (None, &b"one"[..]));
        grant(&mut lab, &anew, "e9", 1200);
        published(&mut lab, 1200);
    }

    #[test]
    fn a_failure_that_may_pass_is_tried_again_and_another_is_the_end() {
        let mut lab = Scripted::new();
        let (_, first) = publish(&mut lab);
        lab.answer(&first, 503, "s");
        assert!(matches!(lab.event(), Some(Event::PublicationFailed { will_retry_in: Some(_), .. })));
        lab.advance(Duration::from_secs(1));
        let again = lab.sent_request(&Method::PUBLISH);
        assert_eq!(again.body(), "one");
        lab.answer(&again, 489, "s");
        assert!(matches!(lab.event(), Some(Event::PublicationFailed { will_retry_in: None, .. })));
        lab.ends_idle();
    }
}
