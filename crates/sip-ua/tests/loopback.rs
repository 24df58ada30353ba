//! The driver over real sockets: wiring only.

#[path = "support/plan.rs"]
mod plan;

use std::time::Duration;

use sip_msg::{NameAddr, StatusCode, Uri};
use sip_txn::Transport;
use sip_txn::driver::{Listen, Transports};
use sip_ua::driver::{EventReceiver, Handle, start};
use sip_ua::{Agent, Config, Event, Invite, Limits, Side};
use tokio::time::timeout;

async fn agent(transport: Transport, seed: u8, events: usize) -> (Handle, EventReceiver, Uri) {
    let listen = Listen::new(transport, "127.0.0.1:0".parse().expect("an address"));
    let transports = Transports::bind(&[listen], None).await.expect("a free port");
    let (_, address) = *transports.local_addresses().first().expect("one address");
    let transactions = sip_txn::Config::new([seed; 32]).listen(transport, address);
    let mut uri: Uri = format!("sip:phone{seed}@{address}").parse().expect("a URI");
    if transport != Transport::Udp {
        uri.set_param("transport", Some(transport.name()));
    }
    let config = Config::new(transactions).limits(Limits::default().events(events));
    let (handle, events) = start(Agent::new(config), transports);
    (handle, events, uri)
}

async fn next(events: &mut EventReceiver) -> Event {
    timeout(Duration::from_secs(5), events.next()).await.expect("in time").expect("the task runs")
}

#[tokio::test]
async fn a_call_goes_over_udp_and_tcp_sockets() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let (alice, mut hers, from) = agent(transport, 1, 64).await;
        let (bob, mut his, target) = agent(transport, 2, 64).await;
        let invite = Invite::new(NameAddr::new(from), target);
        let call =
            alice.run(move |agent, now| agent.invite(now, invite, plan::plan())).await.unwrap().unwrap();
        let Event::Incoming { dialog, .. } = next(&mut his).await else { panic!("a call comes in") };
        bob.run(move |agent, now| agent.accept(now, dialog, plan::plan())).await.unwrap().unwrap();
        assert!(matches!(next(&mut hers).await, Event::Answered { .. }));
        assert!(matches!(next(&mut his).await, Event::Confirmed { .. }));
        alice.send(move |agent, now| agent.hang_up(now, call).expect("it stands")).unwrap();
        assert!(matches!(next(&mut his).await, Event::Ended { by: Side::Remote, .. }));
        assert!(matches!(next(&mut hers).await, Event::Ended { by: Side::Local, .. }));
        drop(alice);
        assert!(timeout(Duration::from_secs(5), hers.next()).await.expect("the task ends").is_none());
    }
}

#[tokio::test]
async fn a_call_whose_events_nobody_takes_is_hung_up() {
    let (alice, mut hers, from) = agent(Transport::Udp, 1, 64).await;
    let (_bob, _his, target) = agent(Transport::Udp, 2, 1).await;
    let mut outcomes = Vec::new();
    for _ in 0..2 {
        let invite = Invite::new(NameAddr::new(from.clone()), target.clone());
        alice.run(move |agent, now| agent.invite(now, invite, plan::plan())).await.unwrap().unwrap();
    }
    while outcomes.is_empty() {
        if let Event::Ended { status, .. } = next(&mut hers).await {
            outcomes.push(status);
        }
    }
    assert_eq!(outcomes, [Some(StatusCode::TEMPORARILY_UNAVAILABLE)]);
}
