//! Servers found by a real name server, and others in place of those that are dead.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sip_msg::{Response, StatusCode};
use sip_txn::driver::{self, Dns, HostResolver, Settings, Transports, locate};
use sip_txn::{Config, Ending, Event, Flow, Timing, TransactionLayer, Transport};
use tokio::net::{TcpListener, UdpSocket};
use tokio::time::timeout;

use crate::agent::{Agent, LOCAL, failure};
use crate::certificates::Authority;
use crate::name_server::{NameServer, Recorder};

const GOOD: StatusCode = StatusCode::OK;
const OTHER: StatusCode = StatusCode::ACCEPTED;

/// Answers everything with this status, for ever.
async fn serve(transport: Transport, status: StatusCode, settings: impl Into<Settings>) -> SocketAddr {
    let mut agent = Agent::bind(&[transport], settings).await;
    let address = agent.address(transport);
    tokio::spawn(async move {
        loop {
            if let Event::Request { server, request, .. } = agent.event().await {
                let mut response = Response::answer(&request, status).to_tag("b");
                if status == StatusCode::SERVICE_UNAVAILABLE {
                    response = response.header(&sip_msg::RetryAfter::new(60));
                }
                // The answer may come too late for a peer that has gone.
                let _ = agent.layer.respond(driver::now(), server, response.build());
            }
        }
    });
    address
}

/// A client over UDP, TCP and perhaps TLS, whose transactions give up after 64 × `t1`.
async fn client(resolver: &Arc<Recorder>, t1: Duration, tls: Option<driver::Tls>) -> Agent {
    let settings = Settings::from(tls).resolver(Arc::<Recorder>::clone(resolver));
    let mut agent = Agent::bind(&[Transport::Udp], settings).await;
    let mut config = Config::new([1; 32]).timing(Timing { t1, ..Timing::default() });
    for (transport, address) in agent.transports.local_addresses() {
        config = config.listen(*transport, *address);
    }
    agent.layer = TransactionLayer::new(config);
    agent
}

const T1: Duration = Duration::from_millis(500);

/// Sends one OPTIONS; its answer, and over which flow it came.
async fn ask(agent: &mut Agent, uri: &str) -> Result<(StatusCode, Flow), Ending> {
    agent.send(uri);
    let outcome = async {
        loop {
            match agent.event().await {
                Event::Response { response, flow, .. } => return Ok((response.status(), flow)),
                Event::ClientEnded { ending, .. } if ending != Ending::Normal => return Err(ending),
                _ => {}
            }
        }
    };
    timeout(Duration::from_secs(20), outcome).await.expect("an outcome")
}

/// A port that nobody listens on, neither over UDP nor over TCP.
async fn closed_port() -> u16 {
    loop {
        let udp = UdpSocket::bind(SocketAddr::from(LOCAL)).await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return tcp.local_addr().unwrap().port();
        }
    }
}

// rfc: 3261 §18.4 — an ICMP error ends the transaction: 64·T1 are not waited for
#[tokio::test]
async fn a_closed_udp_port_ends_a_request_at_once() {
    for (address, listen) in [("127.0.0.1", LOCAL.into()), ("[::1]", "[::1]:0".parse().unwrap())] {
        let Ok(transports) = Transports::bind(&[driver::Listen::new(Transport::Udp, listen)], None).await
        else {
            println!("skipped {address}: this machine has no IPv6");
            continue;
        };
        let mut client = Agent::new(transports);
        let start = Instant::now();
        let why = failure(client.ask(&format!("sip:{address}:{}", closed_port().await)).await);
        println!("closed UDP port at {address}: failed after {:?}", start.elapsed());
        if cfg!(target_os = "linux") {
            assert!(why.contains("nobody listens there"), "{why}");
            assert!(start.elapsed() < Duration::from_secs(1));
        }
        assert_eq!(client.layer.counters().stray_icmp, 0);
    }
}

// rfc: 3263 §4.3 — the next server after a transport failure: a closed port over UDP (ICMP) and TCP
// rfc: 3263 §4.3 — the next server after a 503
// rfc: 3263 §4.3 — the next server after 64·T1 without any response
#[tokio::test]
async fn a_dead_first_server_costs_no_call() {
    let good_udp = serve(Transport::Udp, GOOD, None).await.port();
    let good_tcp = serve(Transport::Tcp, GOOD, None).await.port();
    let busy = serve(Transport::Udp, StatusCode::SERVICE_UNAVAILABLE, None).await.port();
    let hole = UdpSocket::bind(SocketAddr::from(LOCAL)).await.unwrap();
    let silent = hole.local_addr().unwrap().port();
    let closed = closed_port().await;
    let zone = format!(
        "host 60 IN A 127.0.0.1
        _sip._udp.closed 60 IN SRV 1 0 {closed} host
        _sip._udp.closed 60 IN SRV 2 0 {good_udp} host
        _sip._tcp.refused 60 IN SRV 1 0 {closed} host
        _sip._tcp.refused 60 IN SRV 2 0 {good_tcp} host
        _sip._udp.busy 60 IN SRV 1 0 {busy} host
        _sip._udp.busy 60 IN SRV 2 0 {good_udp} host
        _sip._udp.silent 60 IN SRV 1 0 {silent} host
        _sip._udp.silent 60 IN SRV 2 0 {good_udp} host
        _sip._udp.all 60 IN SRV 1 0 {closed} host
        _sip._udp.all 60 IN SRV 2 0 {busy} host"
    );
    let server = NameServer::start(&zone).await;
    // 64·T1 are 1.28 s.
    let mut client = client(&server.resolver(), Duration::from_millis(20), None).await;
    for (domain, port, limit) in [
        ("closed", good_udp, 1000),
        ("refused", good_tcp, 1000),
        ("busy", good_udp, 1000),
        ("silent", good_udp, 2500),
    ] {
        let before = client.layer.counters().failovers;
        for again in [false, true] {
            let start = Instant::now();
            let (status, flow) = ask(&mut client, &format!("sip:bob@{domain}.test")).await.unwrap();
            let took = start.elapsed();
            println!("{domain}: answered after {took:?}");
            assert_eq!((status, flow.remote.port()), (GOOD, port), "{domain}");
            assert!(took < Duration::from_millis(if again { 500 } else { limit }), "{domain}: {took:?}");
        }
        let failovers = client.layer.counters().failovers - before;
        assert_eq!(failovers, 1, "{domain}: the second request knows better");
    }
    // Nobody is left to try: the best answer there was is told.
    assert_eq!(client.ask("sip:bob@all.test").await, Ok(StatusCode::SERVICE_UNAVAILABLE));
}

// rfc: 3263 §4.1 — NAPTR records choose the transport, a `sips:` URI TLS alone
// rfc: 3263 §4.2 — without NAPTR the SRV records of each transport, without those A and AAAA
// rfc: 3263 §4.2 — no SRV for a URI with a port, and nothing at all for a numeric one
// rfc: 5922 §7.3 — whatever the DNS says, the certificate must name the domain of the URI
#[tokio::test]
async fn naptr_srv_and_addresses_lead_to_the_server() {
    let authority = Authority::new();
    let (trusted, wrong) = (authority.certify(&["secure.test"], 30), authority.certify(&["tls.test"], 30));
    let udp = serve(Transport::Udp, GOOD, None).await;
    let tcp = serve(Transport::Tcp, GOOD, None).await.port();
    let tls = serve(Transport::Tls, GOOD, Some(authority.server(&trusted))).await.port();
    let stranger = serve(Transport::Tls, OTHER, Some(authority.server(&wrong))).await.port();
    let port = udp.port();
    let zone = format!(
        r#"host 60 IN A 127.0.0.1
        both 60 IN A 127.0.0.1
        both 60 IN AAAA ::1
        tls 60 IN A 127.0.0.1
        choice 60 IN NAPTR 20 0 "s" "SIP+D2U" "" _sip._udp.choice
        choice 60 IN NAPTR 10 0 "s" "SIP+D2T" "" _sip._tcp.choice
        choice 60 IN NAPTR 5 0 "u" "SIP+D2T" "!^.*$!sip:x@y!" .
        choice 60 IN NAPTR 5 0 "s" "E2U+sip" "" _sip._udp.choice
        _sip._udp.choice 60 IN SRV 0 0 {port} host
        _sip._tcp.choice 60 IN SRV 0 0 {tcp} host
        secure 60 IN NAPTR 10 0 "s" "SIPS+D2T" "" _sips._tcp.secure
        secure 60 IN NAPTR 1 0 "s" "SIP+D2U" "" _sip._udp.secure
        _sips._tcp.secure 60 IN SRV 0 0 {stranger} tls
        _sips._tcp.secure 60 IN SRV 1 0 {tls} host
        _sip._udp.secure 60 IN SRV 0 0 {port} host
        _sip._udp.direct 60 IN SRV 0 0 {port} host
        alias 60 IN CNAME host
        _sip._udp.aliased 60 IN SRV 0 0 {port} alias
        closed 60 IN A 127.0.0.1
        _sip._udp.closed 60 IN SRV 0 0 0 .
        _sip._tcp.closed 60 IN SRV 0 0 0 ."#
    );
    let server = NameServer::start(&zone).await;
    let resolver = server.resolver();
    let mut client = client(&resolver, T1, Some(authority.client(None))).await;
    let names = |domain: &str| {
        let services = ["_sip._udp", "_sip._tcp", "_sips._tcp"];
        services.map(|service| format!("SRV {service}.{domain}"))
    };
    let naptr = |domain: &str| format!("NAPTR {domain}");
    let host = || "host.test".to_owned();
    let [choice_udp, choice_tcp, _] = names("choice.test");
    let [_, _, secure_tls] = names("secure.test");
    let [direct_udp, ..] = names("direct.test");
    for (uri, transport, port, asked) in [
        ("sip:choice.test".to_owned(), Transport::Tcp, tcp, vec![naptr("choice.test"), choice_tcp, host()]),
        ("sip:choice.test;transport=udp".to_owned(), Transport::Udp, port, vec![choice_udp, host()]),
        (
            "sips:secure.test".to_owned(),
            Transport::Tls,
            tls,
            vec![naptr("secure.test"), secure_tls, "tls.test".to_owned(), host()],
        ),
        ("sip:direct.test".to_owned(), Transport::Udp, port, vec![naptr("direct.test"), direct_udp, host()]),
        (format!("sip:both.test:{port}"), Transport::Udp, port, vec!["both.test".to_owned()]),
        (format!("sip:{udp}"), Transport::Udp, port, vec![]),
    ] {
        let (status, flow) = ask(&mut client, &uri).await.unwrap();
        assert_eq!((status, flow.transport, flow.remote.port()), (GOOD, transport, port), "{uri}");
        assert_eq!(resolver.asked(), asked, "{uri}");
    }
    let aliased = ask(&mut client, "sip:aliased.test").await.unwrap();
    assert_eq!(aliased.1.remote.port(), port, "an alias, though RFC 2782 forbids it");
    resolver.asked();
    let why = failure(client.ask("sip:closed.test").await);
    assert_eq!(why, "no address found for closed.test", "and its address is not asked for");
    assert!(!resolver.asked().contains(&"closed.test".to_owned()));
    let why = failure(client.ask("sip:nothing.test").await);
    assert_eq!(why, "the host nothing.test is not known to the DNS");
    let uri = "sip:choice.test".parse().unwrap();
    assert_eq!(locate(&*resolver, &uri).await, Some(([127, 0, 0, 1], tcp).into()));
    assert_eq!(locate(&HostResolver, &"sip:localhost:7".parse().unwrap()).await.unwrap().port(), 7);
}

// rfc: 2782 §weight — servers of one priority get their share
#[tokio::test]
async fn weights_share_the_load() {
    let (often, seldom) =
        (serve(Transport::Udp, GOOD, None).await.port(), serve(Transport::Udp, OTHER, None).await.port());
    let zone = format!(
        "host 60 IN A 127.0.0.1
        _sip._udp.shared 60 IN SRV 0 75 {often} host
        _sip._udp.shared 60 IN SRV 0 25 {seldom} host"
    );
    let server = NameServer::start(&zone).await;
    let mut client = client(&server.resolver(), T1, None).await;
    let mut answers = [0, 0];
    for _ in 0..200 {
        let status = client.ask("sip:shared.test;transport=udp").await.unwrap();
        answers[usize::from(status == OTHER)] += 1;
    }
    assert!((130..170).contains(&answers[0]), "{answers:?}");
}

#[tokio::test]
async fn answers_are_kept_as_long_as_they_live() {
    let port = serve(Transport::Udp, GOOD, None).await.port();
    let zone = format!(
        "host 3600 IN A 127.0.0.1
        _sip._udp.long 3600 IN SRV 0 0 {port} host
        _sip._udp.short 1 IN SRV 0 0 {port} host"
    );
    let server = NameServer::start(&zone).await;
    let mut client = client(&server.resolver(), T1, None).await;
    for domain in ["long", "short"] {
        assert_eq!(client.ask(&format!("sip:{domain}.test;transport=udp")).await, Ok(GOOD));
    }
    drop(server);
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(client.ask("sip:long.test;transport=udp").await, Ok(GOOD));
    let why = failure(client.ask("sip:short.test;transport=udp").await);
    assert_eq!(why, "the DNS does not answer when asked for short.test");
}

#[tokio::test]
async fn name_servers_that_do_not_answer_do_not_hold_a_request_for_ever() {
    let hole = UdpSocket::bind(SocketAddr::from(LOCAL)).await.unwrap();
    let dns = Dns::servers(&[hole.local_addr().unwrap()]).unwrap();
    let settings = Settings::default().resolver(Arc::new(dns));
    let mut client = Agent::bind(&[Transport::Udp], settings).await;
    let start = Instant::now();
    let why = failure(client.ask("sip:bob@anywhere.test").await);
    println!("silent name server: failed after {:?}", start.elapsed());
    assert_eq!(why, "the DNS does not answer when asked for anywhere.test");
}
