//! The service examples of RFC 5359 that need somebody else, message by message: a third party who is added, joins, takes
//! a call or parks it, a PC that dials for a phone, proxies that screen.

#[path = "support/party.rs"]
mod party;
#[path = "support/phone.rs"]
mod phone;
#[path = "support/referral.rs"]
mod referral;
#[path = "support/relay.rs"]
mod relay;

use std::time::{Duration, Instant};

use phone::{Phone, Trace, View, answer, ring};
use referral::follow;
use relay::Relay;
use sip_msg::{HeaderName, Join, Method, NameAddr, Replaces, Response, StatusCode, Uri};
use sip_ua::event_package::{CallDirection, CallState, DialogInfo, DialogState};
use sip_ua::{
    Agent, Config, Credentials, Dialog, DialogId, Event, Invite, OutOfDialog, Package, Refer, Reply, Side,
    Subscribe, Transfer,
};
use testkit::{Impairment, NodeId, World};

type Party = party::Party<Relay>;

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;
/// The park server.
const PARK: usize = 3;
const PROXY: &str = "10.0.1.1";

struct Stage {
    world: World<Party>,
    who: [NodeId; 4],
    trace: Trace,
}

/// Phones of people who work together.
fn colleague(config: Config) -> Config {
    config.takes([Method::MESSAGE]).joins(true).notifies(Package::new(DialogInfo::PACKAGE))
}

impl Stage {
    fn new() -> Self {
        Self::behind(|_| {})
    }

    /// With a proxy that is like this.
    fn behind(change: impl FnOnce(&mut Relay)) -> Self {
        let trace = Trace::default();
        let mut world = World::new(1, Impairment::default());
        let mut add = |name, ip, seed| {
            let mut phone = Phone::new(name, ip, [seed; 32], &trace);
            phone.agent = Agent::new(colleague(phone.agent.config().clone()));
            world.add(ip, Party::Phone(Box::new(phone)))
        };
        let who = [
            add("alice", "10.0.0.1", 1),
            add("bob", "10.0.0.2", 2),
            add("carol", "10.0.0.3", 3),
            add("park", "10.0.0.4", 4),
        ];
        let mut relay = Relay::new(PROXY);
        change(&mut relay);
        world.add(PROXY, Party::Proxy(Box::new(relay)));
        Self { world, who, trace }
    }

    fn phone(&mut self, who: usize) -> &mut Phone {
        let id = *self.who.get(who).expect("one of the four");
        self.world.node(id).phone()
    }

    fn uri(&mut self, who: usize) -> Uri {
        self.phone(who).uri()
    }

    fn at<T>(&mut self, who: usize, act: impl FnOnce(&mut Phone, Instant) -> T) -> T {
        let now = self.world.now();
        let phone = self.phone(who);
        let done = act(phone, now);
        phone.collect();
        self.world.run_for(Duration::from_millis(50));
        done
    }

    /// One calls an address; the caller's name for the call.
    fn dial(&mut self, from: usize, target: Uri, change: impl FnOnce(Invite) -> Invite) -> DialogId {
        self.at(from, |phone, now| {
            let invite = change(phone.invite(target));
            phone.dial(now, invite)
        })
    }

    fn rings(&mut self, who: usize) -> DialogId {
        self.at(who, |phone, now| {
            let id = phone.last_call();
            ring(phone, now, id);
            id
        })
    }

    /// The call that came to somebody last is answered; the callee's name for it.
    fn answers(&mut self, who: usize) -> DialogId {
        let id = self.at(who, |phone, now| {
            let id = phone.last_call();
            answer(phone, now, id);
            id
        });
        assert_eq!(self.view(who, id), View::Up);
        id
    }

    /// One calls another, whose phone rings and is answered; both ends' names for the call.
    fn call(&mut self, from: usize, to: usize) -> (DialogId, DialogId) {
        let target = self.uri(to);
        let call = self.dial(from, target, |invite| invite);
        self.rings(to);
        (call, self.answers(to))
    }

    fn hang_up(&mut self, who: usize, id: DialogId) {
        self.at(who, |phone, now| phone.agent.hang_up(now, id).expect("it stands"));
    }

    fn view(&mut self, who: usize, id: DialogId) -> View {
        *self.phone(who).calls.get(&id).expect("a call")
    }

    fn dialog(&mut self, who: usize, id: DialogId) -> Dialog {
        self.phone(who).agent.dialog(id).expect("a call").clone()
    }

    /// The event of somebody's that this finds, the last one first.
    #[track_caller]
    fn event<T>(&mut self, who: usize, find: impl Fn(&Event) -> Option<T>) -> T {
        self.phone(who).events.iter().rev().find_map(find).expect("it was told")
    }

    /// The state of a call as its phone tells a subscriber who asks once.
    fn dialog_state(&mut self, asks: usize, of: usize, call: DialogId, state: CallState) -> DialogState {
        let target = self.uri(of);
        self.at(asks, |phone, now| {
            let from = NameAddr::new(phone.uri());
            let asked = Subscribe::new(from, target, DialogInfo::PACKAGE).expires(Duration::ZERO);
            phone.agent.subscribe(now, asked.accept(DialogInfo::MEDIA_TYPE)).expect("it can be sent");
        });
        let dialog = self.dialog(of, call);
        let id = self.event(of, |event| {
            let Event::Subscription { id, .. } = event else { return None };
            Some(*id)
        });
        let told = DialogState {
            call_id: Some(dialog.call_id().to_string()),
            local_tag: Some(dialog.local_tag().to_owned()),
            remote_tag: Some(dialog.remote_tag().to_owned()),
            direction: Some(CallDirection::Recipient),
            ..DialogState::new("1", state)
        };
        let entity = self.uri(of).to_string();
        let document = DialogInfo::full(0, entity, vec![told.clone()]).to_text();
        self.at(of, |phone, now| {
            let state = (DialogInfo::MEDIA_TYPE.into(), document.into());
            phone.agent.notify(now, id, Some(state)).expect("it is asked for");
        });
        let heard = self.event(asks, |event| {
            let Event::Notified { request, .. } = event else { return None };
            Some(DialogInfo::parse(request.body()).expect("a document"))
        });
        assert_eq!(heard.dialogs, std::slice::from_ref(&told));
        told
    }

    #[track_caller]
    fn ends_with(&mut self, flow: &[&str]) {
        assert_eq!(*self.trace.borrow(), flow);
        assert!(self.world.run_until_quiet(Duration::from_secs(400)));
        assert_eq!(*self.trace.borrow(), flow, "nothing is resent on a perfect network");
        for who in [ALICE, BOB, CAROL, PARK] {
            let phone = self.phone(who);
            assert!(phone.is_quiet() && phone.agent.is_idle(), "{}: {:#?}", phone.name, phone.agent);
        }
    }
}

/// A dialog as the *other* end of it finds it in Replaces or Join: to-tag is that end's own ([RFC 3891 §3]).
///
/// [RFC 3891 §3]: https://www.rfc-editor.org/rfc/rfc3891#section-3
fn named(dialog: &Dialog) -> Replaces {
    Replaces::new(dialog.call_id().clone(), dialog.remote_tag(), dialog.local_tag())
}

/// The same, of a dialog that a NOTIFY told of.
fn told(state: &DialogState) -> Replaces {
    let text = |field: &Option<String>| field.clone().expect("it is told");
    Replaces::new(text(&state.call_id), text(&state.remote_tag), text(&state.local_tag))
}

/// A link that takes a call over, for whoever follows it.
fn link(target: &Uri, replaces: &Replaces) -> Uri {
    target.clone().with_header("Replaces", &replaces.to_string()).with_header("Require", "replaces")
}

fn replacing(replaces: &Replaces) -> impl FnOnce(Invite) -> Invite {
    let replaces = replaces.to_string();
    |invite| invite.header(HeaderName::REPLACES, replaces).header(HeaderName::REQUIRE, "replaces")
}

const TALK: [&str; 4] = ["alice INVITE sdp", "bob 180 INVITE", "bob 200 INVITE sdp", "alice ACK"];

// rfc: 5359 §2.4 — unattended transfer: the transferor hangs up at once, and still hears what came of it
// rfc: 5057 §4.1 — the subscription of a REFER outlives the call in whose dialog it is
#[test]
fn transfer_unattended() {
    let mut stage = Stage::new();
    let carol = stage.uri(CAROL);
    let alice = stage.uri(ALICE);
    let bobs = stage.dial(BOB, alice, |invite| invite);
    stage.rings(ALICE);
    let alices = stage.answers(ALICE);
    stage.at(ALICE, |alice, now| alice.agent.transfer(now, alices, Transfer::blind(carol)).unwrap());
    let asked = stage.event(BOB, |event| {
        let Event::Refer { refer, .. } = event else { return None };
        Some(refer.clone())
    });
    stage.at(BOB, |bob, now| bob.agent.accept_refer(now, asked.id).unwrap());
    stage.hang_up(ALICE, alices);
    assert_eq!(stage.view(BOB, bobs), View::Over);
    let new = stage.at(BOB, |bob, now| {
        let invite = Invite::from_refer(NameAddr::new(bob.uri()), &asked);
        bob.dial(now, invite)
    });
    let by = stage.event(CAROL, |event| {
        let Event::Incoming { request, .. } = event else { return None };
        request.headers().get::<sip_msg::ReferredBy>().ok().flatten()
    });
    assert_eq!(*by.uri(), stage.uri(ALICE));
    stage.world.run_for(Duration::from_secs(1));
    stage.rings(CAROL);
    stage.world.run_for(Duration::from_secs(1));
    stage.answers(CAROL);
    let result = stage.event(ALICE, |event| {
        let Event::Transferred { result, .. } = event else { return None };
        Some(result.clone())
    });
    assert_eq!(result, Ok(StatusCode::OK));
    stage.hang_up(BOB, new);
    stage.ends_with(&[
        "bob INVITE sdp",
        "alice 180 INVITE",
        "alice 200 INVITE sdp",
        "bob ACK",
        "alice REFER",
        "bob 202 REFER",
        "bob NOTIFY 100",
        "alice 200 NOTIFY",
        "alice BYE",
        "bob 200 BYE",
        "bob INVITE sdp",
        "carol 100 INVITE",
        "carol 180 INVITE",
        "bob NOTIFY 180",
        "alice 200 NOTIFY",
        "carol 200 INVITE sdp",
        "bob ACK",
        "bob NOTIFY 200",
        "alice 200 NOTIFY",
        "bob BYE",
        "carol 200 BYE",
    ]);
}

// rfc: 5359 §2.6 — a link in a message: who follows it takes the call over
#[test]
fn transfer_by_instant_message() {
    let mut stage = Stage::new();
    let (alices, bobs) = stage.call(ALICE, BOB);
    let dialog = stage.dialog(BOB, bobs);
    let href = link(dialog.remote_target(), &named(&dialog));
    let (bob, carol) = (stage.uri(BOB), stage.uri(CAROL));
    stage.at(BOB, |phone, now| {
        let html = format!("<a href=\"{href}\">Alice</a>?");
        let message = OutOfDialog::new(Method::MESSAGE, NameAddr::new(bob), carol);
        phone.agent.request(now, message.body("text/html", html)).unwrap();
    });
    let (id, html) = stage.event(CAROL, |event| {
        let Event::OutOfDialog { id, request, .. } = event else { return None };
        Some((*id, request.body().clone()))
    });
    stage.at(CAROL, |carol, now| carol.agent.respond(now, id, Reply::new(StatusCode::OK)).unwrap());
    // Carol clicks.
    let html = String::from_utf8(html.to_vec()).unwrap();
    let mut clicked: Uri = html.split('"').nth(1).unwrap().parse().unwrap();
    let headers: Vec<_> =
        clicked.headers().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    clicked.clear_headers();
    let carols = stage.dial(CAROL, clicked, |invite| {
        headers.into_iter().fold(invite, |invite, (name, value)| invite.header(name.parse().unwrap(), value))
    });
    let replaced = stage.event(ALICE, |event| {
        let Event::Incoming { replaces, .. } = event else { return None };
        *replaces
    });
    assert_eq!(replaced, alices);
    stage.answers(ALICE);
    assert_eq!((stage.view(CAROL, carols), stage.view(BOB, bobs)), (View::Up, View::Over));
    stage.hang_up(CAROL, carols);
    let rest = [
        "bob MESSAGE html",
        "carol 200 MESSAGE",
        "carol INVITE sdp",
        "alice 200 INVITE sdp",
        "alice BYE",
        "carol ACK",
        "bob 200 BYE",
        "carol BYE",
        "alice 200 BYE",
    ];
    stage.ends_with(&[&TALK[..], &rest].concat());
}

// rfc: 5359 §2.10 — Bob, who can mix, offers Alice his mixer by a re-INVITE and calls Carol
#[test]
fn a_third_party_is_added_to_a_conference() {
    let mut stage = Stage::new();
    let (alices, bobs) = stage.call(ALICE, BOB);
    stage.at(BOB, |bob, now| bob.agent.reoffer(now, bobs).unwrap());
    let (second, carols) = stage.call(BOB, CAROL);
    for (who, id) in [(ALICE, alices), (BOB, bobs), (BOB, second), (CAROL, carols)] {
        assert_eq!(stage.view(who, id), View::Up);
    }
    stage.hang_up(CAROL, carols);
    stage.hang_up(BOB, bobs);
    let rest = [
        "bob INVITE sdp",
        "alice 200 INVITE sdp",
        "bob ACK",
        "bob INVITE sdp",
        "carol 180 INVITE",
        "carol 200 INVITE sdp",
        "bob ACK",
        "carol BYE",
        "bob 200 BYE",
        "bob BYE",
        "alice 200 BYE",
    ];
    stage.ends_with(&[&TALK[..], &rest].concat());
}

// rfc: 5359 §2.11 — Carol joins the call of Alice and Bob: her INVITE names it in Join
#[test]
fn a_third_party_joins_a_call() {
    let mut stage = Stage::new();
    let (alices, bobs) = stage.call(ALICE, BOB);
    // As Alice's side of it sees the call, Bob is the other end.
    let dialog = stage.dialog(ALICE, alices);
    let join = Join::new(dialog.call_id().clone(), dialog.remote_tag(), dialog.local_tag()).to_string();
    let bob = stage.uri(BOB);
    let carols = stage.dial(CAROL, bob, |invite| invite.header(HeaderName::JOIN, join));
    let joined = stage.event(BOB, |event| {
        let Event::Incoming { joins, replaces: None, .. } = event else { return None };
        *joins
    });
    assert_eq!(joined, bobs);
    stage.rings(BOB);
    stage.at(BOB, |bob, now| bob.agent.reoffer(now, bobs).unwrap());
    stage.answers(BOB);
    for (who, id) in [(ALICE, alices), (BOB, bobs), (CAROL, carols)] {
        assert_eq!(stage.view(who, id), View::Up);
    }
    stage.hang_up(CAROL, carols);
    stage.hang_up(ALICE, alices);
    let rest = [
        "carol INVITE sdp",
        "bob 180 INVITE",
        "bob INVITE sdp",
        "alice 200 INVITE sdp",
        "bob ACK",
        "bob 200 INVITE sdp",
        "carol ACK",
        "carol BYE",
        "bob 200 BYE",
        "alice BYE",
        "bob 200 BYE",
    ];
    stage.ends_with(&[&TALK[..], &rest].concat());
}

// rfc: 5359 §2.13 — incoming screening: the callee wants calls through its proxy (305), which asks for a password and
// refuses; the caller hears the announcement that Error-Info names
#[test]
fn incoming_calls_are_screened() {
    let mut stage = Stage::behind(|proxy| {
        proxy.realm = Some("example.com");
        proxy.screens = Some("<sip:announcement@10.0.0.3>".into());
    });
    let bob = stage.uri(BOB);
    let alice = Credentials::new("alice", "secret");
    stage.dial(ALICE, bob, |invite| invite.credentials(alice));
    stage.at(BOB, |bob, now| {
        let proxy = format!("sip:{PROXY}").parse().unwrap();
        bob.agent.reject(now, bob.last_call(), Reply::new(StatusCode::USE_PROXY).contact(proxy)).unwrap();
    });
    let refusal = stage.screened();
    let info = refusal.headers().require::<sip_msg::ErrorInfo>().unwrap();
    let call = stage.dial(ALICE, info.uri.clone(), |invite| invite);
    let playing = stage.answers(CAROL);
    assert_eq!(stage.view(ALICE, call), View::Up);
    stage.world.run_for(Duration::from_secs(10));
    stage.hang_up(CAROL, playing);
    stage.ends_with(&[
        "alice INVITE sdp",
        "bob 305 INVITE",
        "alice ACK",
        // The proxy, which is not in the trace, answers 407 …
        "alice INVITE sdp",
        "alice ACK",
        // … and 403.
        "alice INVITE sdp",
        "alice ACK",
        "alice INVITE sdp",
        "carol 200 INVITE sdp",
        "alice ACK",
        "carol BYE",
        "alice 200 BYE",
    ]);
}

// rfc: 5359 §2.14 — outgoing screening: the caller's own proxy asks for a password, and refuses
#[test]
fn outgoing_calls_are_screened() {
    let mut stage = Stage::behind(|proxy| {
        proxy.realm = Some("example.com");
        proxy.screens = Some("<sip:announcement@10.0.0.3>".into());
    });
    let bob = stage.uri(BOB);
    stage.dial(ALICE, bob, |invite| {
        invite.credentials(Credentials::new("alice", "secret")).route(vec![Relay::new(PROXY).uri()])
    });
    stage.screened();
    stage.ends_with(&["alice INVITE sdp", "alice ACK", "alice INVITE sdp", "alice ACK"]);
}

impl Stage {
    /// The proxy's refusal of Alice's call.
    fn screened(&mut self) -> Response {
        self.event(ALICE, |event| {
            let Event::Ended { by: Side::Remote, status: Some(StatusCode::FORBIDDEN), response, .. } = event
            else {
                return None;
            };
            response.clone()
        })
    }
}

// rfc: 5359 §2.15 — call park: a server takes the call over and tells of it, and Carol takes it from there
#[test]
fn call_park() {
    let mut stage = Stage::new();
    let (alices, bobs) = stage.call(ALICE, BOB);
    let (alice, bob, park) = (stage.uri(ALICE), stage.uri(BOB), stage.uri(PARK));
    let here = link(&alice, &named(&stage.dialog(BOB, bobs)));
    stage.at(BOB, |phone, now| phone.agent.refer(now, Refer::new(NameAddr::new(bob), park, here)).unwrap());
    let parked = stage.at(PARK, follow);
    let with_park = stage.answers(ALICE);
    for (who, id, view) in [(ALICE, alices, View::Over), (BOB, bobs, View::Over), (PARK, parked, View::Up)] {
        assert_eq!(stage.view(who, id), view);
    }
    let result = stage.event(BOB, |event| {
        let Event::Referred { result, .. } = event else { return None };
        Some(result.clone())
    });
    assert_eq!(result, Ok(StatusCode::OK));
    let state = stage.dialog_state(CAROL, PARK, parked, CallState::Confirmed);
    let carols = stage.dial(CAROL, alice, replacing(&told(&state)));
    let with_carol = stage.answers(ALICE);
    assert_eq!((stage.view(PARK, parked), stage.view(ALICE, with_park)), (View::Over, View::Over));
    assert_eq!(stage.view(CAROL, carols), View::Up);
    stage.hang_up(ALICE, with_carol);
    let rest = [
        "bob REFER",
        "park 202 REFER",
        "park NOTIFY 100",
        "park INVITE sdp",
        "bob 200 NOTIFY",
        "alice 200 INVITE sdp",
        "alice BYE",
        "park ACK",
        "park NOTIFY 200",
        "bob 200 BYE",
        "bob 200 NOTIFY",
        "carol SUBSCRIBE",
        "park 200 SUBSCRIBE",
        "park NOTIFY dialog-info+xml",
        "carol 200 NOTIFY",
        "carol INVITE sdp",
        "alice 200 INVITE sdp",
        "alice BYE",
        "carol ACK",
        "park 200 BYE",
        "alice BYE",
        "carol 200 BYE",
    ];
    stage.ends_with(&[&TALK[..], &rest].concat());
}

// rfc: 5359 §2.16 — call pickup: a colleague asks Bob's phone, which rings, for its calls, and takes one: early-only
#[test]
fn call_pickup() {
    let mut stage = Stage::new();
    let (alice, bob) = (stage.uri(ALICE), stage.uri(BOB));
    let alices = stage.dial(ALICE, bob, |invite| invite);
    let ringing = stage.rings(BOB);
    let state = stage.dialog_state(CAROL, BOB, ringing, CallState::Early);
    let replaces = format!("{};early-only", told(&state));
    let carols = stage.dial(CAROL, alice, |invite| {
        invite.header(HeaderName::REPLACES, replaces).header(HeaderName::REQUIRE, "replaces")
    });
    let taken = stage.answers(ALICE);
    assert_eq!((stage.view(ALICE, alices), stage.view(BOB, ringing)), (View::Over, View::Over));
    assert_eq!(stage.view(CAROL, carols), View::Up);
    stage.hang_up(ALICE, taken);
    stage.ends_with(&[
        "alice INVITE sdp",
        "bob 180 INVITE",
        "carol SUBSCRIBE",
        "bob 200 SUBSCRIBE",
        "bob NOTIFY dialog-info+xml",
        "carol 200 NOTIFY",
        "carol INVITE sdp",
        "alice 200 INVITE sdp",
        "alice CANCEL",
        "carol ACK",
        "bob 200 CANCEL",
        "bob 487 INVITE",
        "alice ACK",
        "alice BYE",
        "carol 200 BYE",
    ]);
}

// rfc: 5359 §2.18 — click to dial: a PC ("alice") asks a phone to call, without reports, and is out of it
// rfc: 4488 §4 — no subscription where both say Refer-Sub: false
#[test]
fn click_to_dial() {
    let mut stage = Stage::new();
    let (pc, bob, carol) = (stage.uri(ALICE), stage.uri(BOB), stage.uri(CAROL));
    stage.at(ALICE, |phone, now| {
        phone.agent.refer(now, Refer::new(NameAddr::new(pc), bob, carol).without_reports()).unwrap();
    });
    let call = stage.at(BOB, follow);
    stage.rings(CAROL);
    let carols = stage.answers(CAROL);
    assert_eq!(stage.view(BOB, call), View::Up);
    let result = stage.event(ALICE, |event| {
        let Event::Referred { result, .. } = event else { return None };
        Some(result.clone())
    });
    assert_eq!(result, Ok(StatusCode::OK), "that it was taken is all there is to know");
    stage.hang_up(CAROL, carols);
    stage.ends_with(&[
        "alice REFER",
        // RFC 4488 §4 lets it be any 2xx; 202 would speak of a subscription.
        "bob 200 REFER",
        "bob INVITE sdp",
        "carol 180 INVITE",
        "carol 200 INVITE sdp",
        "bob ACK",
        "carol BYE",
        "bob 200 BYE",
    ]);
}
