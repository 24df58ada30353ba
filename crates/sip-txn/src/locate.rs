//! [`Locator`]: from the URI of the next hop to addresses to try, one after the other ([RFC 3263]).
//!
//! It keeps a list of places to look at, the best first. What is not yet an address is replaced by what the DNS says of it
//! when its turn comes, so nothing is asked that is not needed.
//!
//! [RFC 3263]: https://www.rfc-editor.org/rfc/rfc3263

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::RngCore;
use sip_msg::{Host, Text, Uri};

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
    transports: Transports,
}

/// Which transports we can send over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transports {
    pub(crate) udp: bool,
    pub(crate) tcp: bool,
    pub(crate) tls: bool,
}

impl Transports {
    fn has(self, transport: Transport) -> bool {
        match transport {
            Transport::Udp => self.udp,
            Transport::Tcp => self.tcp,
            Transport::Tls => self.tls,
            Transport::Ws | Transport::Wss => false,
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
        let domain = match host {
            Host::Name(name) => name.clone(),
            Host::V4(address) => text(address),
            Host::V6(address) => text(address),
        };
        let named = match uri.transport_param().map(str::to_ascii_lowercase).as_deref() {
            None => None,
            Some("udp") if secure => return None,
            Some("udp") => Some(Transport::Udp),
            Some("tcp" | "tls") if secure => Some(Transport::Tls),
            Some("tcp") => Some(Transport::Tcp),
            Some("tls") => Some(Transport::Tls),
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
        let place = match (uri.maddr().unwrap_or_else(|| host.clone()), uri.port()) {
            (Host::Name(name), None) => match named {
                Some(transport) => Place::Srv(srv_name(transport, &name), transport),
                None => Place::Naptr(name),
            },
            (Host::Name(name), Some(port)) => Place::Host(name, port, transport),
            (Host::V4(address), port) => {
                Self::address(&domain, address.into(), port.unwrap_or(transport.default_port()), transport)
            }
            (Host::V6(address), port) => {
                Self::address(&domain, address.into(), port.unwrap_or(transport.default_port()), transport)
            }
        };
        let last_resort = match &place {
            Place::Naptr(name) => Some(Place::Host(name.clone(), transport.default_port(), transport)),
            Place::Srv(..) => match uri.maddr().unwrap_or_else(|| host.clone()) {
                Host::Name(name) => Some(Place::Host(name, transport.default_port(), transport)),
                Host::V4(_) | Host::V6(_) => None,
            },
            Place::AnySrv(_) | Place::Host(..) | Place::Address(_) => None,
        };
        Some(Self { places: VecDeque::from([place]), domain, secure, last_resort, transports })
    }

    /// Nothing to try.
    pub(crate) fn nowhere() -> Self {
        Self {
            domain: Text::new(),
            places: VecDeque::new(),
            secure: false,
            last_resort: None,
            transports: Transports { udp: false, tcp: false, tls: false },
        }
    }

    fn address(domain: &Text, ip: IpAddr, port: u16, transport: Transport) -> Place {
        Place::Address(Target { transport, address: SocketAddr::new(ip, port), server_name: domain.clone() })
    }

    /// What to do next.
    pub(crate) fn step(&mut self) -> Step {
        let place = match self.places.front() {
            Some(place) => place,
            None => match self.last_resort.take() {
                Some(place) => {
                    self.places.push_back(place);
                    return self.step();
                }
                None => return Step::Exhausted,
            },
        };
        match place {
            Place::Naptr(name) => Step::Ask(Question::Naptr(name.clone())),
            Place::AnySrv(_) => {
                self.expand_any_srv();
                self.step()
            }
            Place::Srv(name, _) => Step::Ask(Question::Srv(name.clone())),
            Place::Host(name, ..) => Step::Ask(Question::Addresses(name.clone())),
            Place::Address(target) => {
                let target = target.clone();
                self.places.pop_front();
                Step::Try(target)
            }
        }
    }

    /// Whether there is anything left to try.
    pub(crate) fn has_more(&self) -> bool {
        !self.places.is_empty()
    }

    /// The domain that is looked for.
    pub(crate) fn domain(&self) -> &Text {
        &self.domain
    }

    /// Puts a target before all others.
    pub(crate) fn first(&mut self, target: Target) {
        self.places.push_front(Place::Address(target));
    }

    /// Leaves out the next target.
    pub(crate) fn skip(&mut self) {
        self.places.pop_front();
    }

    /// Takes the answer to the last question; one of another kind counts as nothing found.
    pub(crate) fn answer(&mut self, answer: Answer, random: &mut ChaCha20Rng) {
        let Some(place) = self.places.pop_front() else { return };
        let found: Vec<Place> = match (place, answer) {
            (Place::Naptr(name), Answer::Naptr(records)) => {
                let found = self.by_naptr(records);
                if found.is_empty() { vec![Place::AnySrv(name)] } else { found }
            }
            (Place::Naptr(name), Answer::Srv(_) | Answer::Addresses(_)) => vec![Place::AnySrv(name)],
            (Place::Srv(_, transport), Answer::Srv(records)) => {
                let found: Vec<_> = by_weight(records, random)
                    .into_iter()
                    .map(|record| Place::Host(record.target, record.port, transport))
                    .collect();
                if !found.is_empty() {
                    self.last_resort = None;
                }
                found
            }
            (Place::Host(_, port, transport), Answer::Addresses(addresses)) => {
                addresses.into_iter().map(|ip| Self::address(&self.domain, ip, port, transport)).collect()
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
            "SIP+D2T" if !self.secure => Some(Transport::Tcp),
            "SIP+D2U" if !self.secure => Some(Transport::Udp),
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
    records.sort_by_key(|record| (record.priority, record.weight));
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

    const ALL: Transports = Transports { udp: true, tcp: true, tls: true };

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
                _ => vec![],
            }),
            Question::Srv(name) => Answer::Srv(match name.as_str() {
                "_sip._tcp.example.com" => {
                    vec![srv(1, 0, 5080, "two.example.com"), srv(0, 5, 5070, "one.example.com")]
                }
                "_sip._udp.example.com" => vec![srv(0, 0, 5060, "one.example.com")],
                "_sips._tcp.example.com" => vec![srv(0, 0, 5061, "tls.example.com")],
                "_sip._tcp.srv.example" => vec![srv(0, 0, 5099, "one.example.com")],
                _ => vec![],
            }),
            Question::Addresses(name) => Answer::Addresses(match name.as_str() {
                "one.example.com" => vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
                "two.example.com" => vec!["192.0.2.2".parse().unwrap()],
                "tls.example.com" => vec!["192.0.2.3".parse().unwrap()],
                "plain.example" | "srv.example" => vec!["192.0.2.9".parse().unwrap()],
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
            match locator.step() {
                Step::Ask(question) => locator.answer(dns(&question), &mut random),
                Step::Try(target) => found.push(format!("{} {}", target.transport, target.address)),
                Step::Exhausted => return found,
            }
        }
    }

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
        ] {
            assert_eq!(targets(uri, ALL), [expected], "{uri}");
        }
        let no_tls = Transports { udp: true, tcp: true, tls: false };
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
    #[test]
    fn naptr_leads_to_srv_leads_to_addresses() {
        let tls = ["TLS 192.0.2.3:5061"];
        let tcp = ["TCP 192.0.2.1:5070", "TCP [2001:db8::1]:5070", "TCP 192.0.2.2:5080"];
        let udp = ["UDP 192.0.2.1:5060", "UDP [2001:db8::1]:5060"];
        assert_eq!(targets("sip:example.com", ALL), [&tls[..], &tcp, &udp].concat());
        assert_eq!(targets("sips:example.com", ALL), tls);
        let no_tls = Transports { udp: true, tcp: true, tls: false };
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

    // rfc: 5922 §7.3 — the certificate must name the domain of the URI, not what DNS makes of it
    #[test]
    fn the_server_name_is_the_domain_of_the_uri() {
        let mut random = ChaCha20Rng::from_seed([7; 32]);
        let mut locator = Locator::new(&"sips:example.com".parse().unwrap(), false, ALL).unwrap();
        let target = loop {
            match locator.step() {
                Step::Ask(question) => locator.answer(dns(&question), &mut random),
                Step::Try(target) => break target,
                Step::Exhausted => panic!("a target"),
            }
        };
        assert_eq!(target.server_name.as_str(), "example.com");
    }

    // rfc: 3263 §4.3 — RFC 2782: among equal priorities chosen in proportion to the weight
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

    #[test]
    fn a_zone_without_end_is_cut_short() {
        let mut random = ChaCha20Rng::from_seed([7; 32]);
        let mut locator = Locator::new(&"sip:a.example:1".parse().unwrap(), false, ALL).unwrap();
        assert!(matches!(locator.step(), Step::Ask(_)));
        locator.answer(Answer::Addresses(vec!["192.0.2.1".parse().unwrap(); 10_000]), &mut random);
        let tries = std::iter::repeat_with(|| locator.step()).take_while(|step| *step != Step::Exhausted);
        assert_eq!(tries.count(), PLACES);
    }
}
