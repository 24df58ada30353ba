//! Who calls, by whose word, and who must not know: P-Asserted-Identity, Privacy, History-Info and Diversion.
//!
//! From is the caller's claim. What a network that we trust asserts, [`CallerIdentity`] puts before it; what others assert is
//! taken out of requests before the application sees them ([`Policy::trusted`](crate::policy::Policy)).

use std::net::IpAddr;

use sip_msg::{Diversion, From, Headers, HistoryInfo, PAssertedIdentity, Privacy, Reason};
use sip_msg::{HeaderName, NameAddr, Request, Text, Uri};

use crate::command::Invite;
use crate::policy::Policy;

/// Takes out what nobody whom we trust has asserted ([RFC 3325 §8]).
///
/// [RFC 3325 §8]: https://www.rfc-editor.org/rfc/rfc3325#section-8
pub(crate) fn believe(policy: &Policy, neighbour: IpAddr, headers: &mut Headers) {
    if headers.contains(HeaderName::P_ASSERTED_IDENTITY) && !policy.trusts(neighbour) {
        headers.remove(HeaderName::P_ASSERTED_IDENTITY);
    }
}

/// Who a request is from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallerIdentity {
    /// What a network that we trust says: at most a `sip:` and a `tel:` address ([RFC 3325 §9.1]).
    ///
    /// [RFC 3325 §9.1]: https://www.rfc-editor.org/rfc/rfc3325#section-9.1
    pub asserted: Vec<NameAddr>,
    /// What the caller says, in From.
    pub claimed: Option<NameAddr>,
    /// What the caller wants to be hidden ([RFC 3323 §4.2], [RFC 3325 §9.3]).
    ///
    /// [RFC 3323 §4.2]: https://www.rfc-editor.org/rfc/rfc3323#section-4.2
    /// [RFC 3325 §9.3]: https://www.rfc-editor.org/rfc/rfc3325#section-9.3
    pub privacy: Privacy,
}

impl CallerIdentity {
    /// Of a request as an [`Event`](crate::Event) has it: what it still asserts comes from a network that is trusted.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let headers = request.headers();
        let asserted =
            headers.all::<PAssertedIdentity>().flatten().take(2).map(|asserted| asserted.name_addr);
        Self {
            asserted: asserted.collect(),
            claimed: headers.get::<From>().ok().flatten().map(|from| from.name_addr),
            privacy: headers.get::<Privacy>().ok().flatten().unwrap_or_default(),
        }
    }

    /// Whether the caller wants nobody but the network to know: `id`, `user` or `header`.
    #[must_use]
    pub fn is_withheld(&self) -> bool {
        ["id", "user", "header"].iter().any(|kind| self.privacy.contains(kind))
    }

    /// Who may be shown to the callee: who is asserted, else who is claimed; nobody when that is withheld.
    #[must_use]
    pub fn shown(&self) -> Option<&NameAddr> {
        if self.is_withheld() { None } else { self.asserted.first().or(self.claimed.as_ref()) }
    }
}

/// A place where a call was sent on to another.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Diverted {
    /// Whom the call was for there.
    pub from: Uri,
    /// Why it was sent on: `no-answer`, or the status that it got (`408`).
    pub reason: Option<Text>,
    /// Where its number in History-Info puts it (`1.1`); with Diversion there is none.
    pub index: Option<Text>,
}

/// How a call came to us, the latest place first: by History-Info ([RFC 7044]), or else by Diversion ([RFC 5806]).
///
/// The last entry of History-Info is where the call is now, and not among them. All of it is the word of whoever sent the
/// request.
///
/// [RFC 7044]: https://www.rfc-editor.org/rfc/rfc7044
/// [RFC 5806]: https://www.rfc-editor.org/rfc/rfc5806
#[must_use]
pub fn diversions(request: &Request) -> Vec<Diverted> {
    let headers = request.headers();
    let mut history: Vec<Diverted> =
        headers.all::<HistoryInfo>().flatten().map(Diverted::of_history).collect();
    if history.pop().is_some() {
        history.reverse();
        return history;
    }
    let diversion = |diversion: Diversion| Diverted {
        from: diversion.name_addr.uri,
        reason: diversion.params.text("reason"),
        index: None,
    };
    headers.all::<Diversion>().flatten().map(diversion).collect()
}

impl Diverted {
    /// The reason stands as a header in the URI: `?Reason=SIP%3Bcause%3D302` ([RFC 7044 §10.2]).
    ///
    /// [RFC 7044 §10.2]: https://www.rfc-editor.org/rfc/rfc7044#section-10.2
    fn of_history(entry: HistoryInfo) -> Self {
        let mut from = entry.name_addr.uri;
        let reason =
            from.headers().find(|(name, _)| name.eq_ignore_ascii_case("Reason")).and_then(|(_, value)| {
                let mut headers = Headers::new();
                headers.push_raw(HeaderName::REASON, value.as_bytes()).ok()?;
                headers.get::<Reason>().ok()??.params.text("cause")
            });
        from.clear_headers();
        Self { from, reason, index: entry.params.text("index") }
    }
}

impl Invite {
    /// Calls without saying who calls: From becomes `"Anonymous" <sip:anonymous@anonymous.invalid>`, and the network is asked
    /// to keep to itself what it knows ([RFC 3323 §4.1.1.3], [RFC 3325 §7]).
    ///
    /// A trusted network learns from P-Preferred-Identity who it is, if `tell_network`: say so only of a proxy that takes the
    /// header off. Credentials name the user to whoever asks for them, and our Contact has our address.
    ///
    /// [RFC 3323 §4.1.1.3]: https://www.rfc-editor.org/rfc/rfc3323#section-4.1.1.3
    /// [RFC 3325 §7]: https://www.rfc-editor.org/rfc/rfc3325#section-7
    #[must_use]
    pub fn anonymous(mut self, tell_network: bool) -> Self {
        if tell_network {
            let own = NameAddr { display_name: self.from.display_name.clone(), uri: self.from.uri.clone() };
            self.headers.push((HeaderName::P_PREFERRED_IDENTITY, own.to_string().into()));
        }
        self.headers.push((HeaderName::PRIVACY, Text::from_static("id")));
        self.from = NameAddr {
            display_name: Some(Text::from_static("Anonymous")),
            uri: Uri::sip(sip_msg::Host::Name(Text::from_static("anonymous.invalid"))).with_user("anonymous"),
        };
        self
    }
}

#[cfg(test)]
mod tests {
    use sip_msg::{Limits, Message, Method, PPreferredIdentity};

    use super::*;
    use crate::Event;
    use crate::scripted::{Plan, Scripted, invite};

    fn request(lines: &str) -> Request {
        let text = format!(
            "INVITE sip:bob@example.com SIP/2.0\r\nFrom: \"Alice\" <sip:alice@example.com>;tag=1\r\n{lines}Content-Length: 0\r\n\r\n"
        );
        let message = Message::parse(text.into_bytes(), &Limits::default()).unwrap();
        message.as_request().unwrap().clone()
    }

    // rfc: 3325 §8 — what somebody outside of the trust domain asserts is removed
    #[test]
    fn an_asserted_identity_counts_from_those_we_trust_only() {
        for (trusted, expected) in [("192.0.2.2", Some("sip:+4930123@carrier.example")), ("192.0.2.3", None)]
        {
            let policy = Policy::default().trusted([trusted.parse().unwrap()]);
            let mut lab = Scripted::with(|config| config.policy(policy));
            let mut call = lab.peer_request(Method::INVITE, 1, None);
            let asserted = "\"Alice\" <sip:+4930123@carrier.example>, <tel:+4930123>";
            call.headers_mut().push_raw(HeaderName::P_ASSERTED_IDENTITY, asserted).unwrap();
            lab.receive(call);
            let Some(Event::Incoming { request, .. }) = lab.event() else { panic!("a call") };
            let identity = CallerIdentity::of(&request);
            assert_eq!(identity.asserted.first().map(|who| who.uri.to_string()).as_deref(), expected);
            let shown = identity.shown().unwrap().uri.to_string();
            assert_eq!(shown, expected.unwrap_or("sip:bob@example.com"));
        }
    }

    // rfc: 3325 §9.3 — id, and user and header of RFC 3323: nobody is shown
    #[test]
    fn who_is_withheld_is_not_shown() {
        for (privacy, shown) in
            [("id", false), ("header;critical", false), ("User", false), ("none", true), ("session", true)]
        {
            let identity = CallerIdentity::of(&request(&format!("Privacy: {privacy}\r\n")));
            assert_eq!(identity.shown().is_some(), shown, "{privacy}");
        }
        assert!(CallerIdentity::of(&request("")).shown().is_some());
    }

    // rfc: 3323 §4.1.1.3 — the form of From for anonymity; the tag stays
    // rfc: 3325 §7 — Privacy: id asks the network to keep who it is
    #[test]
    fn an_anonymous_call_names_nobody() {
        for tell in [false, true] {
            let mut lab = Scripted::new();
            lab.agent.invite(lab.now, invite().anonymous(tell), Box::new(Plan::default())).unwrap();
            let sent = lab.sent_request(&Method::INVITE);
            let from = sent.headers().require::<From>().unwrap();
            assert_eq!(from.name_addr.to_string(), "\"Anonymous\" <sip:anonymous@anonymous.invalid>");
            assert!(from.tag().is_some());
            assert!(sent.headers().require::<Privacy>().unwrap().contains("id"));
            let preferred = sent.headers().get::<PPreferredIdentity>().unwrap();
            assert_eq!(
                preferred.map(|who| who.uri().to_string()).as_deref(),
                tell.then_some("sip:alice@example.com")
            );
            let text = String::from_utf8(sent.to_bytes().to_vec()).unwrap();
            assert_eq!(text.contains("alice"), tell, "{text}");
        }
    }

    // rfc: 7044 §5 — targets in order, with an index, and the reason in the URI
    // rfc: 5806 §4 — diversions, the newest first
    #[test]
    fn diversions_are_read_from_either_header() {
        let history = request(
            "History-Info: <sip:office@example.com?Reason=SIP%3Bcause%3D302>;index=1, <sip:bob@example.com?Reason=SIP%3Bcause%3D408>;index=1.1\r\n\
             History-Info: <sip:bob@192.0.2.1>;index=1.1.1\r\nDiversion: <sip:ignored@example.com>;reason=busy\r\n",
        );
        let shown = |diverted: &Diverted| {
            (diverted.from.to_string(), diverted.reason.clone(), diverted.index.clone())
        };
        let list: Vec<_> = diversions(&history).iter().map(shown).collect();
        assert_eq!(list.len(), 2);
        assert_eq!(list[0], ("sip:bob@example.com".into(), Some("408".into()), Some("1.1".into())));
        assert_eq!(list[1], ("sip:office@example.com".into(), Some("302".into()), Some("1".into())));
        let old = request(
            "Diversion: <sip:bob@example.com>;reason=no-answer;counter=1, <sip:office@example.com>;reason=unconditional\r\n",
        );
        let list: Vec<_> = diversions(&old).iter().map(shown).collect();
        assert_eq!(list[0], ("sip:bob@example.com".into(), Some("no-answer".into()), None));
        assert_eq!(list.len(), 2);
        assert!(diversions(&request("")).is_empty());
    }
}
