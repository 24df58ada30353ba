//! [`Locator`]: from the URI of the next hop to addresses to try, one after the other ([RFC 3263]).
//!
//! It keeps a list of places to look at, the best first. What is not yet an address is replaced by what the DNS says of it
//! when its turn comes, so nothing is asked that is not needed. Addresses that have a penalty come after all others.
//!
//! [RFC 3263]: https://www.rfc-editor.org/rfc/rfc3263

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::RngCore;
use sip_msg::{Host, Text, Uri, Via};

use crate::transport::text;
use crate::{Answer, NaptrRecord, Question, SrvRecord, Transport};

/// At most so many places are kept, whatever the DNS says.
const PLACES: usize = 64;

/// An address to try.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    pub(crate) transport: Transport,
    pub(crate) address: SocketAddr,
    /// Whom a certificate must name.
    pub(crate) server_name: Text,
}

/// What the locator wants.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    Ask(Question),
    Try(Target),
    Exhausted,
}

#[derive(Clone, Debug)]
enum Place {
    Naptr(Text),
    /// The SRV records of a domain, when its NAPTR records are unknown: the transports we have, best first.
    AnySrv(Text),
    Srv(Text, Transport),
    Host(Text, u16, Transport),
    Address(Target),
}

/// The search for one request's next hop.
#[derive(Debug)]
pub(crate) struct Locator {
    places: VecDeque<Place>,
    /// The host of the URI: what a certificate must name, whatever the DNS says (RFC 5922 §7.3).
    domain: Text,
    secure: bool,
    /// Where to look when there are no SRV records.
    last_resort: Option<Place>,
    /// Targets with a penalty, and until when.
    deferred: Vec<(Instant, Target)>,
    /// A question was not answered: some home routers swallow those for NAPTR and SRV.
    swallowed: bool,
    transports: Transports,
}

/// Which transports we can send over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transports {
    pub(crate) udp: bool,
    pub(crate) tcp: bool,
    pub(crate) tls: bool,
    /// WebSocket, plain and over TLS.
    pub(crate) ws: bool,
}

impl Transports {
    fn has(self, transport: Transport) -> bool {
        match transport {
            Transport::Udp => self.udp,
            Transport::Tcp => self.tcp,
            Transport::Tls => self.tls,
            Transport::Ws => self.ws,
            Transport::Wss => self.ws && self.tls,
        }
    }
}

impl Locator {
    /// Starts the search. `secure`: the Request-URI is a `sips:` one, whatever this one is (RFC 3261 §8.1.2).
    ///
    /// `None` when the URI has no host, or names a transport we do not have.
    pub(crate) fn new(uri: &Uri, secure: bool, transports: Transports) -> Option<Self> {
        let secure = secure || uri.is_sips();
        let host = uri.host()?;
        let domain = match &host {
            Host::Name(name) => name.clone(),
            Host::V4(address) => text(address),
            Host::V6(address) => text(address),
        };
        let named = match uri.transport_param().map(str::to_ascii_lowercase).as_deref() {
            None => None,
            Some("udp") if secure => return None,
            Some("udp") => Some(Transport::Udp),
            Some("tcp" | "tls") if secure => Some(Transport::Tls),
            Some("ws") if secure => Some(Transport::Wss),
            Some("tcp") => Some(Transport::Tcp),
            Some("tls") => Some(Transport::Tls),
            Some("ws") => Some(Transport::Ws),
            // Not in RFC 7118, but widely written.
            Some("wss") => Some(Transport::Wss),
            Some(_) => return None,
        };
        let default = if secure {
            Transport::Tls
        } else if transports.udp {
            Transport::Udp
        } else {
            Transport::Tcp
        };
        let transport = named.unwrap_or(default);
        if !transports.has(transport) {
            return None;
        }
        let target = uri.maddr().unwrap_or_else(|| host.clone());
        let numeric = |ip: IpAddr| {
            let port = uri.port().unwrap_or(transport.default_port());
            Place::Address(Target {
                transport,
                address: SocketAddr::new(ip, port),
                server_name: domain.clone(),
            })
        };
        let mut last_resort = None;
        let place = match (target, uri.port()) {
            (Host::V4(address), _) => numeric(address.into()),
            (Host::V6(address), _) => numeric(address.into()),
            (Host::Name(name), Some(port)) => Place::Host(name, port, transport),
            (Host::Name(name), None) => {
                let host = Place::Host(name.clone(), transport.default_port(), transport);
                match named {
                    // RFC 7118 defines no SRV service.
                    Some(Transport::Ws | Transport::Wss) => host,
                    Some(transport) => {
                        last_resort = Some(host);
                        Place::Srv(srv_name(transport, &name), transport)
                    }
                    None => {
                        last_resort = Some(host);
                        Place::Naptr(name)
                    }
                }
            }
        };
        Some(Self { places: [place].into(), domain, secure, last_resort, transports, ..Self::nowhere() })
    }

    /// The search for where a response goes when it cannot go back the way its request came ([RFC 3263 §5]): to the sent-by
    /// of the request's top Via.
    ///
    /// [RFC 3263 §5]: https://www.rfc-editor.org/rfc/rfc3263#section-5
    pub(crate) fn for_response(via: &Via, transport: Transport) -> Self {
        let mut search = Self { domain: text(&via.sent_by.host), ..Self::nowhere() };
        let port = via.sent_by.port.unwrap_or(transport.default_port());
        let place = match (&via.sent_by.host, via.sent_by.port) {
            (Host::V4(address), _) => search.address((*address).into(), port, transport),
            (Host::V6(address), _) => search.address((*address).into(), port, transport),
            (Host::Name(name), Some(port)) => Place::Host(name.clone(), port, transport),
            (Host::Name(name), None) => {
                search.last_resort = Some(Place::Host(name.clone(), port, transport));
                Place::Srv(srv_name(transport, name), transport)
            }
        };
        search.places.push_back(place);
        search
    }

    /// Nothing to try.
    pub(crate) fn nowhere() -> Self {
        Self {
            domain: Text::new(),
            places: VecDeque::new(),
            secure: false,
            last_resort: None,
            deferred: Vec::new(),
            swallowed: false,
            transports: Transports { udp: false, tcp: false, tls: false, ws: false },
        }
    }

    fn address(&self, ip: IpAddr, port: u16, transport: Transport) -> Place {
        let server_name = self.domain.clone();
        Place::Address(Target { transport, address: SocketAddr::new(ip, port), server_name })
    }

    /// What to do next. `penalty`: until when a target should be asked last.
    pub(crate) fn step(&mut self, penalty: impl Fn(&Target) -> Option<Instant>) -> Step {
        loop {
            let Some(place) = self.places.front().or(self.last_resort.as_ref()) else {
                return self.first_deferred().map_or(Step::Exhausted, Step::Try);
            };
            match place {
                Place::Naptr(name) => return Step::Ask(Question::Naptr(name.clone())),
                Place::AnySrv(_) => self.expand_any_srv(),
                Place::Srv(name, _) => return Step::Ask(Question::Srv(name.clone())),
                Place::Host(name, ..) => {
                    let question = Question::Addresses(name.clone());
                    // An answer is one to the first place.
                    if self.places.is_empty() {
                        self.places.extend(self.last_resort.take());
                    }
                    return Step::Ask(question);
                }
                Place::Address(target) => {
                    let target = target.clone();
                    self.places.pop_front();
                    match penalty(&target) {
                        Some(until) => self.deferred.push((until, target)),
                        None => return Step::Try(target),
                    }
                }
            }
        }
    }

    /// Of those with a penalty, the one whose penalty ends first.
    fn first_deferred(&mut self) -> Option<Target> {
        let (at, _) = self.deferred.iter().enumerate().min_by_key(|(_, (until, _))| *until)?;
        Some(self.deferred.remove(at).1)
    }

    /// Whether there is anything left to try.
    pub(crate) fn has_more(&self) -> bool {
        !self.places.is_empty() || self.last_resort.is_some() || !self.deferred.is_empty()
    }

    /// The domain that is looked for.
    pub(crate) fn domain(&self) -> &Text {
        &self.domain
    }

    /// Puts a target before all others.
    pub(crate) fn first(&mut self, target: Target) {
        self.places.push_front(Place::Address(target));
    }

    /// Leaves out a target.
    pub(crate) fn leave_out(&mut self, transport: Transport, address: SocketAddr) {
        let other = |target: &Target| target.transport != transport || target.address != address;
        self.places.retain(|place| !matches!(place, Place::Address(target) if !other(target)));
        self.deferred.retain(|(_, target)| other(target));
    }

    /// Takes the answer to the last question; one of another kind counts as nothing found.
    pub(crate) fn answer(&mut self, answer: Answer, random: &mut ChaCha20Rng) {
        let Some(place) = self.places.pop_front() else { return };
        let found: Vec<Place> = match (place, answer) {
            (Place::Naptr(name), Answer::Naptr(records)) => {
                let found = self.by_naptr(records);
                // The transport is decided then, even if there are no SRV records to it.
                if let Some(Place::Srv(_, transport)) = found.first() {
                    self.last_resort = Some(Place::Host(name.clone(), transport.default_port(), *transport));
                }
                if found.is_empty() { vec![Place::AnySrv(name)] } else { found }
            }
            (Place::Naptr(name), answer) => {
                self.swallowed |= answer == Answer::Failed;
                vec![Place::AnySrv(name)]
            }
            (Place::Srv(_, transport), Answer::Srv(records)) => {
                // A single target "." is an answer, too: the service is decidedly not available (RFC 2782).
                if !records.is_empty() {
                    self.last_resort = None;
                }
                by_weight(records, random)
                    .into_iter()
                    .map(|record| Place::Host(record.target, record.port, transport))
                    .collect()
            }
            (Place::Srv(..), Answer::Failed) => {
                // Whoever does not answer two such questions is not asked a third one, but for addresses.
                if std::mem::replace(&mut self.swallowed, true) {
                    self.places.retain(|place| !matches!(place, Place::Srv(..)));
                }
                Vec::new()
            }
            (Place::Host(_, port, transport), Answer::Addresses(addresses)) => {
                addresses.into_iter().map(|ip| self.address(ip, port, transport)).collect()
            }
            (Place::AnySrv(_) | Place::Srv(..) | Place::Host(..) | Place::Address(_), _) => Vec::new(),
        };
        for place in found.into_iter().rev() {
            self.places.push_front(place);
        }
        self.places.truncate(PLACES);
    }

    fn expand_any_srv(&mut self) {
        let Some(Place::AnySrv(name)) = self.places.pop_front() else { return };
        let order: &[Transport] =
            if self.secure { &[Transport::Tls] } else { &[Transport::Udp, Transport::Tcp, Transport::Tls] };
        for transport in order.iter().rev().filter(|transport| self.transports.has(**transport)) {
            self.places.push_front(Place::Srv(srv_name(*transport, &name), *transport));
        }
    }

    /// RFC 3263 §4.1: services we do not have are discarded, and without "SIPS" those for a `sips:` URI.
    fn by_naptr(&self, mut records: Vec<NaptrRecord>) -> Vec<Place> {
        records.sort_by_key(|record| (record.order, record.preference));
        let transport = |service: &str| match service.to_ascii_uppercase().as_str() {
            "SIPS+D2T" => Some(Transport::Tls),
            "SIPS+D2W" => Some(Transport::Wss),
            "SIP+D2T" if !self.secure => Some(Transport::Tcp),
            "SIP+D2U" if !self.secure => Some(Transport::Udp),
            "SIP+D2W" if !self.secure => Some(Transport::Ws),
            _ => None,
        };
        records
            .into_iter()
            .filter_map(|record| Some((transport(&record.service)?, record.replacement)))
            .filter(|(transport, _)| self.transports.has(*transport))
            .map(|(transport, name)| Place::Srv(name, transport))
            .collect()
    }
}

fn srv_name(transport: Transport, domain: &str) -> Text {
    let service = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp | Transport::Ws => "_sip._tcp",
        Transport::Tls | Transport::Wss => "_sips._tcp",
    };
    format!("{service}.{domain}").into()
}

/// RFC 2782: by priority, among equals by lot in proportion to their weight. A target "." means: not here.
fn by_weight(mut records: Vec<SrvRecord>, random: &mut ChaCha20Rng) -> Vec<SrvRecord> {
    records.retain(|record| !matches!(record.target.as_str(), "" | "."));
    // Those without a weight first, and in any order, so that two of them share the load.
    records.sort_by_cached_key(|record| (record.priority, record.weight > 0, random.next_u32()));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(first) = records.first() {
        let priority = first.priority;
        let equals = records.iter().take_while(|record| record.priority == priority);
        let total: u64 = equals.clone().map(|record| u64::from(record.weight)).sum();
        let drawn = random.next_u64() % (total + 1);
        let mut sum = 0;
        let chosen = equals
            .map(|record| {
                sum += u64::from(record.weight);
                sum
            })
            .position(|sum| sum >= drawn)
            .unwrap_or(0);
        ordered.push(records.remove(chosen));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    const ALL: Transports = Transports { udp: true, tcp: true, tls: true, ws: true };

    fn srv(priority: u16, weight: u16, port: u16, target: &str) -> SrvRecord {
        SrvRecord { priority, weight, port, target: target.into() }
    }

    fn naptr(order: u16, service: &str, replacement: &str) -> NaptrRecord {
        NaptrRecord { order, preference: 50, service: service.into(), replacement: replacement.into() }
    }

    /// The zone of these tests.
    fn dns(question: &Question) -> Answer {
        match question {
            Question::Naptr(name) => Answer::Naptr(match name.as_str() {
                "example.com" => vec![
                    naptr(100, "SIP+D2U", "_sip._udp.example.com"),
                    naptr(50, "SIPS+D2T", "_sips._tcp.example.com"),
                    naptr(90, "SIP+D2T", "_sip._tcp.example.com"),
                    naptr(10, "SIP+D2S", "_sip._sctp.example.com"),
                ],
                "bare.example" => vec![naptr(10, "SIP+D2T", "_sip._tcp.bare.example")],
                "web.example" => {
                    vec![
                        naptr(10, "SIPS+D2W", "_sips._ws.web.example"),
                        naptr(20, "SIP+D2W", "_sip._ws.web.example"),
                    ]
                }
                _ => vec![],
            }),
            Question::Srv(name) => Answer::Srv(match name.as_str() {
                "_sip._tcp.example.com" => {
                    vec![srv(1, 0, 5080, "two.example.com"), srv(0, 5, 5070, "one.example.com")]
                }
                "_sip._udp.example.com" => vec![srv(0, 0, 5060, "one.example.com")],
                "_sips._tcp.example.com" => vec![srv(0, 0, 5061, "tls.example.com")],
                "_sip._tcp.srv.example" => vec![srv(0, 0, 5099, "one.example.com")],
                "_sip._udp.closed.example" => vec![srv(0, 0, 0, ".")],
                "_sips._ws.web.example" => vec![srv(0, 0, 8443, "one.example.com")],
                _ => vec![],
            }),
            Question::Addresses(name) => Answer::Addresses(match name.as_str() {
                "one.example.com" => vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
                "two.example.com" => vec!["192.0.2.2".parse().unwrap()],
                "tls.example.com" => vec!["192.0.2.3".parse().unwrap()],
                "plain.example" | "srv.example" | "closed.example" | "bare.example" => {
                    vec!["192.0.2.9".parse().unwrap()]
                }
                _ => vec![],
            }),
        }
    }

    fn targets(uri: &str, transports: Transports) -> Vec<String> {
        let mut random = ChaCha20Rng::from_seed([7; 32]);
        let Some(mut locator) = Locator::new(&uri.parse().unwrap(), false, transports) else {
            return vec!["unroutable".to_owned()];
        };
        let mut found = Vec::new();
        loop {
            match locator.step(|_| None) {
                Step::Ask(question) => locator.answer(dns(&question), &mut random),
                Step::Try(target) => found.push(format!("{} {}", target.transport, target.address)),
                Step::Exhausted => return found,
            }
        }
    }

    // rfc: 3263 §4 — the target is maddr if the URI has one, else its host
    // rfc: 3263 §4.1 — numeric hosts: UDP for sip, TLS for sips, or what transport= says
    // rfc: 3263 §4.2 — numeric hosts use the port given or the default of the transport
    #[test]
    fn numeric_hosts_need_no_dns() {
        for (uri, expected) in [
            ("sip:192.0.2.1", "UDP 192.0.2.1:5060"),
            ("sip:a@192.0.2.1:5070", "UDP 192.0.2.1:5070"),
            ("sip:192.0.2.1;transport=tcp", "TCP 192.0.2.1:5060"),
            ("sip:192.0.2.1;transport=TLS", "TLS 192.0.2.1:5061"),
            ("sips:192.0.2.1", "TLS 192.0.2.1:5061"),
            ("sips:192.0.2.1;transport=tcp", "TLS 192.0.2.1:5061"),
            ("sips:192.0.2.1;transport=udp", "unroutable"),
            ("sip:[2001:db8::1]:5070", "UDP [2001:db8::1]:5070"),
            ("sip:example.com;maddr=192.0.2.7", "UDP 192.0.2.7:5060"),
            ("sip:192.0.2.1;transport=sctp", "unroutable"),
            ("sip:192.0.2.1;transport=ws", "WS 192.0.2.1:80"),
            ("sips:192.0.2.1;transport=ws", "WSS 192.0.2.1:443"),
            ("sip:192.0.2.1:8443;transport=wss", "WSS 192.0.2.1:8443"),
        ] {
            assert_eq!(targets(uri, ALL), [expected], "{uri}");
        }
        let no_tls = Transports { tls: false, ..ALL };
        assert_eq!(targets("sips:192.0.2.1", no_tls), ["unroutable"]);
    }

    // rfc: 3263 §4.2 — a port in the URI: addresses only, no SRV
    #[test]
    fn a_port_means_no_srv() {
        assert_eq!(targets("sip:plain.example:5070", ALL), ["UDP 192.0.2.9:5070"]);
        assert_eq!(targets("sips:plain.example:5071", ALL), ["TLS 192.0.2.9:5071"]);
        assert_eq!(targets("sip:nowhere.example:5070", ALL), Vec::<String>::new());
    }

    // rfc: 3263 §4.1 — NAPTR orders the transports; unsupported services are discarded; sips keeps only SIPS services
    // rfc: 3263 §4.2 — SRV by priority, all addresses of each host
    // rfc: 3263 §4.2 — a transport in the URI: its SRV records, without NAPTR
    #[test]
    fn naptr_leads_to_srv_leads_to_addresses() {
        let tls = ["TLS 192.0.2.3:5061"];
        let tcp = ["TCP 192.0.2.1:5070", "TCP [2001:db8::1]:5070", "TCP 192.0.2.2:5080"];
        let udp = ["UDP 192.0.2.1:5060", "UDP [2001:db8::1]:5060"];
        assert_eq!(targets("sip:example.com", ALL), [&tls[..], &tcp, &udp].concat());
        assert_eq!(targets("sips:example.com", ALL), tls);
        let no_tls = Transports { tls: false, ..ALL };
        assert_eq!(targets("sip:example.com", no_tls), [&tcp[..], &udp].concat());
        assert_eq!(targets("sip:example.com;transport=tcp", ALL), tcp);
    }

    // rfc: 3263 §4.1 — without NAPTR the SRV records of our transports, without those the addresses with UDP
    #[test]
    fn without_naptr_srv_and_without_srv_addresses() {
        assert_eq!(targets("sip:srv.example", ALL), ["TCP 192.0.2.1:5099", "TCP [2001:db8::1]:5099"]);
        assert_eq!(targets("sip:plain.example", ALL), ["UDP 192.0.2.9:5060"]);
        assert_eq!(targets("sips:plain.example", ALL), ["TLS 192.0.2.9:5061"]);
        assert_eq!(targets("sip:plain.example;transport=tcp", ALL), ["TCP 192.0.2.9:5060"]);
    }

    // rfc: 3263 §4.2 — NAPTR records but no SRV records: the addresses of the domain, with the transport NAPTR chose
    #[test]
    fn naptr_without_srv_still_decides_the_transport() {
        assert_eq!(targets("sip:bare.example", ALL), ["TCP 192.0.2.9:5060"]);
    }

    // rfc: 2782 §target — "." means that the service is decidedly not available: no addresses are asked for
    #[test]
    fn a_single_dot_ends_the_search() {
        assert_eq!(targets("sip:closed.example", ALL), Vec::<String>::new());
        assert_eq!(targets("sip:closed.example;transport=tcp", ALL), ["TCP 192.0.2.9:5060"]);
    }

    // rfc: 7118 §5.5 — SIP+D2W and SIPS+D2W lead to WebSocket servers; without records ports 80 and 443
    #[test]
    fn websocket_servers_are_found() {
        assert_eq!(
            targets("sip:web.example", ALL),
            ["WSS 192.0.2.1:8443", "WSS [2001:db8::1]:8443"],
            "there are no SRV records for the second service"
        );
        assert_eq!(targets("sip:plain.example;transport=ws", ALL), ["WS 192.0.2.9:80"]);
        assert_eq!(targets("sips:plain.example;transport=ws", ALL), ["WSS 192.0.2.9:443"]);
    }

    #[test]
    fn a_router_that_swallows_questions_is_asked_few_of_them() {
        let mut random = ChaCha20Rng::from_seed([7; 32]);
        let mut locator = Locator::new(&"sip:plain.example".parse().unwrap(), false, ALL).unwrap();
        let mut asked = Vec::new();
        let target = loop {
            match locator.step(|_| None) {
                Step::Ask(question @ Question::Addresses(_)) => locator.answer(dns(&question), &mut random),
                Step::Ask(question) => {
                    asked.push(question);
                    locator.answer(Answer::Failed, &mut random);
                }
                Step::Try(target) => break target,
                Step::Exhausted => panic!("a target"),
            }
        };
        let expected =
            [Question::Naptr("plain.example".into()), Question::Srv("_sip._udp.plain.example".into())];
        assert_eq!((asked, target.address.to_string()), (expected.into(), "192.0.2.9:5060".to_owned()));
    }

    #[test]
    fn targets_with_a_penalty_come_last_and_the_shortest_penalty_first() {
        let mut random = ChaCha20Rng::from_seed([7; 32]);
        let now = testkit::Clock::new().now();
        let penalty = |target: &Target| {
            let seconds = match (target.transport, target.address.port()) {
                (Transport::Tls, _) => 30,
                (Transport::Tcp, 5070) => 10,
                _ => return None,
            };
            Some(now + std::time::Duration::from_secs(seconds))
        };
        let mut locator = Locator::new(&"sip:example.com".parse().unwrap(), false, ALL).unwrap();
        let mut found = Vec::new();
        loop {
            match locator.step(penalty) {
                Step::Ask(question) => locator.answer(dns(&question), &mut random),
                Step::Try(target) => found.push(format!("{} {}", target.transport, target.address)),
                Step::Exhausted => break,
            }
            assert!(locator.has_more() || found.len() == 6);
        }
        let first = ["TCP 192.0.2.2:5080", "UDP 192.0.2.1:5060", "UDP [2001:db8::1]:5060"];
        let last = ["TCP 192.0.2.1:5070", "TCP [2001:db8::1]:5070", "TLS 192.0.2.3:5061"];
        assert_eq!(found, [first, last].concat());
    }

    // rfc: 5922 §7.3 — the certificate must name the domain of the URI, not what DNS makes of it
    #[test]
    fn the_server_name_is_the_domain_of_the_uri() {
        let mut random = ChaCha20Rng::from_seed([7; 32]);
        let mut locator = Locator::new(&"sips:example.com".parse().unwrap(), false, ALL).unwrap();
        let target = loop {
            match locator.step(|_| None) {
                Step::Ask(question) => locator.answer(dns(&question), &mut random),
                Step::Try(target) => break target,
                Step::Exhausted => panic!("a target"),
            }
        };
        assert_eq!(target.server_name.as_str(), "example.com");
    }

    // rfc: 2782 §weight — among equal priorities chosen in proportion to the weight; lower priorities first
    #[test]
    fn weights_share_the_load() {
        let mut random = ChaCha20Rng::from_seed([7; 32]);
        let mut first = 0;
        for _ in 0..1000 {
            let records = vec![srv(0, 90, 1, "a"), srv(0, 10, 2, "b"), srv(1, 0, 3, "c"), srv(0, 0, 4, ".")];
            let ordered = by_weight(records, &mut random);
            assert_eq!((ordered.len(), ordered[2].port), (3, 3));
            first += usize::from(ordered[0].port == 1);
        }
        assert!((850..950).contains(&first), "{first}");
    }

    // rfc: 2782 §weight — records without a weight are arranged in any order: they share the load
    // rfc: 2782 §weight — beside others, a record without a weight has a very small chance
    #[test]
    fn records_without_a_weight_share_what_nobody_else_wants() {
        let mut random = ChaCha20Rng::from_seed([7; 32]);
        let mut first = |weights: [u16; 2]| {
            let records = || vec![srv(0, weights[0], 1, "a"), srv(0, weights[1], 2, "b")];
            (0..1000).filter(|_| by_weight(records(), &mut random)[0].port == 1).count()
        };
        let (equal, beside_another) = (first([0, 0]), first([0, 200]));
        assert!((450..550).contains(&equal), "{equal}");
        assert!((1..20).contains(&beside_another), "{beside_another}");
    }

    #[test]
    fn a_zone_without_end_is_cut_short() {
        let mut random = ChaCha20Rng::from_seed([7; 32]);
        let mut locator = Locator::new(&"sip:a.example:1".parse().unwrap(), false, ALL).unwrap();
        assert!(matches!(locator.step(|_| None), Step::Ask(_)));
        locator.answer(Answer::Addresses(vec!["192.0.2.1".parse().unwrap(); 10_000]), &mut random);
        let tries =
            std::iter::repeat_with(|| locator.step(|_| None)).take_while(|step| *step != Step::Exhausted);
        assert_eq!(tries.count(), PLACES);
    }
}
