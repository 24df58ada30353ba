//! What an agent does not do even if it is asked to: guards against toll fraud, floods and weak security.
//!
//! One [`Policy`] holds all of it, with defaults that are safe and stop no honest call. Each check is a function over values,
//! and each refusal is a [`Violation`] that says why.

mod admission;
mod number;
mod target;
mod trust;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use sdp::SessionDescription;
use sip_msg::{StatusCode, Text};

pub(crate) use admission::Admission;
pub use target::{TargetSource, Targets};
pub use trust::Network;

/// What an agent refuses.
///
/// The default fits a phone or a service behind a trunk: no number that costs extra, no scheme but `sip`, `sips` and `tel`,
/// no weaker digest than a server was seen with, nobody trusted to say who calls. [`Policy::strict`] is for an agent that
/// everybody on the internet can reach.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Policy {
    /// Calls at a time, in and out; an incoming one beyond it is answered 503. `None`: only [`Limits`](crate::Limits) count.
    pub calls: Option<usize>,
    /// Incoming calls at a time from one address; `None` = any number, since a trunk is one address.
    pub calls_of_one: Option<usize>,
    /// New incoming calls of one address in some time; `None` = any number.
    pub new_calls_of_one: Option<Rate>,
    /// Where calls and requests of the application itself may go.
    pub calls_to: Targets,
    /// Where a REFER may send us.
    pub refers_to: Targets,
    /// Where a 3xx may send us.
    pub redirects_to: Targets,
    /// Whether a server that took SHA-256 or better may ask for MD5 later on; false.
    pub digest_downgrade: bool,
    /// Whether a challenge with MD5 is answered over a transport without TLS; true, since so many servers know nothing else.
    pub md5_in_clear: bool,
    /// What to do about SRTP keys in a description that travels without TLS, for all to read; [`InClear::Warn`].
    pub sdes_in_clear: InClear,
    /// Who may say in P-Asserted-Identity who calls ([RFC 3325 §8]): nobody.
    ///
    /// [RFC 3325 §8]: https://www.rfc-editor.org/rfc/rfc3325#section-8
    pub trusted: Vec<Network>,
}

/// So many in so much time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how long.
    pub per: Duration,
}

/// What to do about a secret that travels in the clear.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum InClear {
    /// Nothing.
    Allow,
    /// Say so in the log, and go on.
    #[default]
    Warn,
    /// Do not take or place the call.
    Refuse,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            calls: None,
            calls_of_one: None,
            new_calls_of_one: None,
            calls_to: Targets::default(),
            refers_to: Targets::default(),
            redirects_to: Targets::default(),
            digest_downgrade: false,
            md5_in_clear: true,
            sdes_in_clear: InClear::Warn,
            trusted: Vec::new(),
        }
    }
}

impl Policy {
    /// For an agent that strangers can reach: ten calls and twenty new ones in ten seconds from one address, a hundred calls in
    /// all, no MD5 and no SRTP keys in the clear.
    #[must_use]
    pub fn strict() -> Self {
        Self {
            calls: Some(100),
            calls_of_one: Some(10),
            new_calls_of_one: Some(Rate { count: 20, per: Duration::from_secs(10) }),
            md5_in_clear: false,
            sdes_in_clear: InClear::Refuse,
            ..Self::default()
        }
    }

    /// Whether a session description may travel, with the keys it has (`a=crypto`, [RFC 4568 §8.3]).
    ///
    /// # Errors
    /// [`Violation::SdesInClear`].
    ///
    /// [RFC 4568 §8.3]: https://www.rfc-editor.org/rfc/rfc4568#section-8.3
    pub fn check_keys(
        &self,
        description: Option<&SessionDescription>,
        secure: bool,
    ) -> Result<(), Violation> {
        let keys = |media: &sdp::Media| media.attributes.iter().any(|attribute| attribute.name() == "crypto");
        if secure || !description.is_some_and(|description| description.media.iter().any(keys)) {
            return Ok(());
        }
        match self.sdes_in_clear {
            InClear::Allow => Ok(()),
            InClear::Warn => {
                tracing::warn!("the keys of the media (SDES) travel over a connection without TLS");
                Ok(())
            }
            InClear::Refuse => Err(Violation::SdesInClear),
        }
    }

    /// Calls at a time, in and out.
    #[must_use]
    pub fn calls(mut self, calls: usize) -> Self {
        self.calls = Some(calls);
        self
    }

    /// Incoming calls at a time from one address.
    #[must_use]
    pub fn calls_of_one(mut self, calls: usize) -> Self {
        self.calls_of_one = Some(calls);
        self
    }

    /// New incoming calls of one address in some time.
    #[must_use]
    pub fn new_calls_of_one(mut self, count: u32, per: Duration) -> Self {
        self.new_calls_of_one = Some(Rate { count, per });
        self
    }

    /// Where calls and requests of the application itself may go.
    #[must_use]
    pub fn calls_to(mut self, targets: Targets) -> Self {
        self.calls_to = targets;
        self
    }

    /// Where a REFER may send us.
    #[must_use]
    pub fn refers_to(mut self, targets: Targets) -> Self {
        self.refers_to = targets;
        self
    }

    /// Where a 3xx may send us.
    #[must_use]
    pub fn redirects_to(mut self, targets: Targets) -> Self {
        self.redirects_to = targets;
        self
    }

    /// Lets a server that took a better algorithm ask for MD5 again.
    #[must_use]
    pub fn digest_downgrade(mut self, allowed: bool) -> Self {
        self.digest_downgrade = allowed;
        self
    }

    /// Whether a challenge with MD5 is answered over a transport without TLS.
    #[must_use]
    pub fn md5_in_clear(mut self, allowed: bool) -> Self {
        self.md5_in_clear = allowed;
        self
    }

    /// What to do about SRTP keys that travel without TLS.
    #[must_use]
    pub fn sdes_in_clear(mut self, action: InClear) -> Self {
        self.sdes_in_clear = action;
        self
    }

    /// Who may say in P-Asserted-Identity who calls.
    #[must_use]
    pub fn trusted(mut self, networks: impl IntoIterator<Item = Network>) -> Self {
        self.trusted = networks.into_iter().collect();
        self
    }
}

/// Why something was refused, in words for an operator ([`Display`](fmt::Display)).
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// All lines are busy.
    #[error("there are {limit} calls already")]
    TooManyCalls {
        /// How many there may be.
        limit: usize,
    },
    /// One address has as many calls as it may.
    #[error("{source_address} has {limit} calls already")]
    TooManyCallsOfOne {
        /// The address.
        source_address: IpAddr,
        /// How many it may have.
        limit: usize,
    },
    /// One address calls too often.
    #[error("{source_address} calls more than {} times in {:?}", rate.count, rate.per)]
    TooOften {
        /// The address.
        source_address: IpAddr,
        /// How often it may.
        rate: Rate,
    },
    /// A target of a scheme that is not allowed.
    #[error("{by} leads to a URI of the scheme \"{scheme}\", which is not allowed")]
    Scheme {
        /// Who named the target.
        by: TargetSource,
        /// Its scheme.
        scheme: Text,
    },
    /// A target in a domain that is not allowed.
    #[error("{by} leads to the domain \"{domain}\", which is not allowed")]
    Domain {
        /// Who named the target.
        by: TargetSource,
        /// Its domain.
        domain: Text,
    },
    /// A number that is not among the allowed ones.
    #[error("{by} leads to a number that is not allowed")]
    Number {
        /// Who named the target.
        by: TargetSource,
    },
    /// A number that costs extra.
    #[error("{by} leads to a number that costs extra ({prefix})")]
    Premium {
        /// Who named the target.
        by: TargetSource,
        /// What such numbers begin with.
        prefix: Text,
    },
    /// A call that was to be secure on all hops would be none any more ([RFC 3261 §8.1.3.4]).
    ///
    /// [RFC 3261 §8.1.3.4]: https://www.rfc-editor.org/rfc/rfc3261#section-8.1.3.4
    #[error("a redirect leads from sips to {scheme}, out of what TLS protects")]
    LeavesTls {
        /// Where it leads.
        scheme: Text,
    },
    /// A server that took better asks for MD5: somebody on the way may have taken its other challenges out.
    #[error("the realm \"{realm}\" took a better digest before, and asks for MD5 now")]
    DigestDowngrade {
        /// The realm.
        realm: Text,
    },
    /// MD5 for all to read and break.
    #[error("the realm \"{realm}\" asks for MD5 over a connection without TLS")]
    Md5InClear {
        /// The realm.
        realm: Text,
    },
    /// SRTP keys for all to read.
    #[error("the keys of the media (SDES) travel over a connection without TLS")]
    SdesInClear,
}

impl Violation {
    /// What a request that is refused for it is answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooManyCalls { .. } | Self::TooManyCallsOfOne { .. } | Self::TooOften { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::SdesInClear => StatusCode::NOT_ACCEPTABLE_HERE,
            Self::Scheme { .. }
            | Self::Domain { .. }
            | Self::Number { .. }
            | Self::Premium { .. }
            | Self::LeavesTls { .. }
            | Self::DigestDowngrade { .. }
            | Self::Md5InClear { .. } => StatusCode::FORBIDDEN,
        }
    }
}

impl fmt::Display for TargetSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Caller => "the call",
            Self::Refer => "a REFER",
            Self::Redirect => "a redirect",
        })
    }
}

#[cfg(test)]
mod tests {
    use sip_msg::{CallId, Method};

    use super::*;
    use crate::scripted::{Plan, SDP, Scripted, describe, invite};
    use crate::{CommandError, Event, OutOfDialog};
    use sdp::Direction;
    use sip_txn::Transport;

    fn lab(policy: Policy) -> Scripted {
        let mut lab = Scripted::new();
        lab.agent.set_policy(policy);
        lab
    }

    fn called(lab: &mut Scripted, name: &str) {
        let mut request = lab.peer_request(Method::INVITE, 1, None);
        request.headers_mut().replace(&CallId(name.into()));
        request.set_body(SDP, describe(1, Direction::SendRecv));
        lab.receive(request);
    }

    #[test]
    fn calls_beyond_the_policy_are_turned_away_and_said_once_a_second() {
        let mut lab = lab(Policy::default().calls_of_one(1));
        called(&mut lab, "one");
        let Some(Event::Incoming { dialog, .. }) = lab.event() else { panic!("a call") };
        for name in ["two", "three", "four"] {
            called(&mut lab, name);
            lab.sent_response(StatusCode::SERVICE_UNAVAILABLE);
        }
        let Some(Event::TurnedAway { why, more: 0, .. }) = lab.event() else { panic!("a word") };
        assert_eq!(why.to_string(), "192.0.2.2 has 1 calls already");
        assert!(lab.event().is_none());
        lab.advance(Duration::from_secs(1));
        lab.skip_sent();
        called(&mut lab, "five");
        assert!(matches!(lab.event(), Some(Event::TurnedAway { more: 2, .. })));
        lab.agent.reject(lab.now, dialog, StatusCode::BUSY_HERE).unwrap();
        lab.advance(Duration::from_secs(40));
        lab.skip_sent();
        called(&mut lab, "six");
        assert!(lab.poll_sent().is_none());
    }

    #[test]
    fn what_the_application_asks_for_is_within_the_policy_too() {
        let mut lab = lab(Policy::default().calls_to(Targets::default().domains(["example.com"])).calls(1));
        let plan = || Box::new(Plan::default());
        let error = lab.agent.invite(lab.now, invite(), plan()).unwrap_err();
        assert_eq!(error.to_string(), "the call leads to the domain \"192.0.2.2\", which is not allowed");
        let asked = invite();
        let asked = OutOfDialog::new(Method::OPTIONS, asked.from, asked.target);
        assert!(matches!(lab.agent.request(lab.now, asked), Err(CommandError::Policy(_))));
        lab.agent.set_policy(Policy::default().calls(1));
        lab.call(Plan::default());
        let error = lab.agent.invite(lab.now, invite(), plan()).unwrap_err();
        assert_eq!(error, CommandError::Policy(Violation::TooManyCalls { limit: 1 }));
    }

    // rfc: 4568 §8.3 — a change of a call brings no keys in the clear either
    #[test]
    fn media_keys_in_a_change_are_refused_as_well() {
        let mut lab = lab(Policy::strict());
        let (_, accepted) = lab.called_up(Plan::default());
        let keys = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0\r\n";
        let mut change = lab.peer_request(Method::INVITE, 11, Some(&accepted.into()));
        change.set_body(SDP, format!("{}{keys}", describe(2, Direction::SendRecv)));
        lab.receive(change);
        lab.sent_response(StatusCode::NOT_ACCEPTABLE_HERE);
    }

    // rfc: 4568 §8.3 — keys in a description that anybody can read are refused where the policy says so
    #[test]
    fn media_keys_in_the_clear_are_refused_when_the_policy_is_strict() {
        let keys = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0\r\n";
        let offer = format!("{}{keys}", describe(1, Direction::SendRecv).replace("RTP/AVP", "RTP/SAVP"));
        for (policy, transport, allowed) in [
            (Policy::default(), Transport::Udp, true),
            (Policy::strict(), Transport::Udp, false),
            (Policy::strict(), Transport::Tls, true),
        ] {
            let mut lab = Scripted::over(transport);
            lab.agent.set_policy(policy);
            let mut request = lab.peer_request(Method::INVITE, 1, None);
            request.set_body(SDP, offer.clone());
            lab.receive(request);
            if allowed {
                assert!(matches!(lab.event(), Some(Event::Incoming { .. })));
            } else {
                lab.sent_response(StatusCode::NOT_ACCEPTABLE_HERE);
                assert!(matches!(lab.event(), Some(Event::TurnedAway { why: Violation::SdesInClear, .. })));
            }
        }
    }
}
