//! Accounts over simulated days, against a registrar that crashes, forgets, refuses and falls silent, on a network that loses
//! messages, while the device moves from one network to the next.

#[path = "support/office.rs"]
mod office;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use office::{Mood, Office};
use sip_msg::Uri;
use sip_txn::{Action, Flow, Input, Transport};
use sip_ua::{
    Account, Agent, BackOff, Config, Credentials, Event, Outbound, Output, RegistrationId, RegistrationStatus,
};
use testkit::{Datagram, Impairment, Node, NodeId, Rng, World};

/// The back-off's ceiling, the time that one REGISTER may take, and some for what the network loses.
const CEILING: Duration = Duration::from_secs(60 + 32 + 20);
/// What the registrar grants.
const GRANTED: Duration = Duration::from_secs(1800);
const HOMES: [&str; 3] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];

/// A device with one agent, which has one address at a time.
struct Phone {
    agent: Agent,
    home: usize,
    accounts: BTreeMap<RegistrationId, String>,
    outbox: VecDeque<Datagram>,
}

fn address(home: usize) -> SocketAddr {
    SocketAddr::new(HOMES.get(home).expect("a home").parse().expect("an address"), 5060)
}

impl Phone {
    fn new(seed: [u8; 32], rate: u32) -> Self {
        let transactions = sip_txn::Config::new(seed).listen(Transport::Udp, address(0));
        let agent = Agent::new(Config::new(transactions).registration_rate(rate));
        Self { agent, home: 0, accounts: BTreeMap::new(), outbox: VecDeque::new() }
    }

    fn register(&mut self, now: Instant, user: &str, outbound: bool) {
        let aor = format!("sip:{user}@{}", office::ADDRESS).parse().expect("a URI");
        let credentials = Credentials::new(user.to_owned(), office::PASSWORD);
        let mut account = Account::new(aor).credentials(credentials).expires(GRANTED);
        if outbound {
            account = account.outbound(Outbound::new()).back_off(BackOff::default());
        }
        let id = self.agent.register(now, account).expect("it can be sent");
        self.accounts.insert(id, user.to_owned());
        self.collect();
    }

    fn moves(&mut self, now: Instant, home: usize) {
        self.home = home;
        self.agent.address_changed(now, vec![(Transport::Udp, address(home))]);
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(output) = self.agent.poll_output() {
            match output {
                Output::Action(Action::Transmit(transmit)) => {
                    let (from, to) = (transmit.flow.local, transmit.flow.remote);
                    // What would leave from an address that is gone does not.
                    if from == address(self.home) {
                        self.outbox.push_back(Datagram { from, to, bytes: transmit.bytes.to_vec() });
                    }
                }
                Output::Action(action) => panic!("UDP needs no {action:?}"),
                Output::Event(Event::RegistrationFailed { reason, will_retry_in: None, .. }) => {
                    panic!("nothing here is for good, but: {reason}");
                }
                Output::Event(_) => {}
            }
        }
    }

    fn are_all(&self, status: RegistrationStatus) -> bool {
        self.accounts.keys().all(|id| self.agent.registration_status(*id) == Some(status))
    }
}

enum Device {
    Phone(Rc<RefCell<Phone>>),
    Office(Box<Office>),
}

impl Node for Device {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram) {
        let flow = Flow::new(Transport::Udp, datagram.to, datagram.from);
        let input = Input::Datagram { flow, bytes: datagram.bytes.clone().into() };
        match self {
            Self::Phone(phone) => {
                let mut phone = phone.borrow_mut();
                if datagram.to == address(phone.home) {
                    phone.agent.handle_input(now, input);
                    phone.collect();
                }
            }
            Self::Office(office) => office.handle_datagram(now, datagram),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::Phone(phone) => {
                let mut phone = phone.borrow_mut();
                phone.agent.handle_timeout(now);
                phone.collect();
            }
            Self::Office(office) => office.handle_timeout(now),
        }
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        match self {
            Self::Phone(phone) => phone.borrow().agent.poll_timeout(),
            Self::Office(office) => office.poll_timeout(),
        }
    }

    fn poll_transmit(&mut self) -> Option<Datagram> {
        match self {
            Self::Phone(phone) => phone.borrow_mut().outbox.pop_front(),
            Self::Office(office) => office.poll_transmit(),
        }
    }
}

struct Town {
    world: World<Device>,
    phone: Rc<RefCell<Phone>>,
    office: NodeId,
}

impl Town {
    fn new(seed: u64, accounts: usize, rate: u32) -> Self {
        let mut rng = Rng::new(seed ^ 0x5eed);
        let phone = Rc::new(RefCell::new(Phone::new(rng.seed(), rate)));
        let impairment =
            Impairment::default().jitter(Duration::from_millis(30)).loss(0.1).double(0.05).reorder(0.05);
        let mut world = World::new(seed, impairment);
        for home in HOMES {
            world.add(home, Device::Phone(Rc::clone(&phone)));
        }
        let users = (0..accounts).map(|number| format!("user{number}")).collect();
        let office = Office::new(world.now(), users, GRANTED, rng.seed());
        let office = world.add(office::HOST, Device::Office(Box::new(office)));
        Self { world, phone, office }
    }

    /// Registers all accounts.
    fn open(&mut self, accounts: usize, outbound: bool) {
        let now = self.world.now();
        for number in 0..accounts {
            self.phone.borrow_mut().register(now, &format!("user{number}"), outbound);
        }
    }

    fn office(&mut self) -> &mut Office {
        office(&mut self.world, self.office)
    }

    fn moves(&mut self, rng: &mut Rng) {
        let home = usize::try_from(rng.below(3)).expect("three");
        self.phone.borrow_mut().moves(self.world.now(), home);
    }

    /// Where the registrar thinks that the accounts are.
    fn bindings(&mut self) -> Vec<Vec<Uri>> {
        bindings(&mut self.world, &self.phone, self.office)
    }

    /// Runs until every account has one binding, and it leads here.
    fn settles_within(&mut self, limit: Duration) -> bool {
        let (phone, office) = (&self.phone, self.office);
        self.world.run_until(limit, |world| {
            let here = address(phone.borrow().home).to_string();
            let leads_here =
                |bindings: &Vec<Uri>| matches!(&**bindings, [only] if only.to_string().contains(&here));
            phone.borrow().are_all(RegistrationStatus::Registered)
                && bindings(world, phone, office).iter().all(leads_here)
        })
    }
}

fn office(world: &mut World<Device>, office: NodeId) -> &mut Office {
    match world.node(office) {
        Device::Office(office) => office,
        Device::Phone(_) => panic!("the office is no phone"),
    }
}

fn bindings(world: &mut World<Device>, phone: &RefCell<Phone>, at: NodeId) -> Vec<Vec<Uri>> {
    let now = world.now();
    let office = office(world, at);
    phone.borrow().accounts.values().map(|user| office.bindings(now, user)).collect()
}

/// Days of trouble. After each all is well within the back-off or, where the registrar has forgotten us without a word,
/// within a refresh.
fn live(seed: u64, outbound: bool, troubles: u32) {
    let mut rng = Rng::new(seed);
    let mut town = Town::new(seed, 1, 500);
    town.open(1, outbound);
    assert!(town.settles_within(CEILING), "registered at first: {:?}", town.bindings());
    for trouble in 0..troubles {
        town.world.run_for(rng.duration(Duration::from_secs(if outbound { 900 } else { 3 * 3600 })));
        let longest = Duration::from_secs(if rng.chance(0.5) { 40 } else { 1500 });
        let lasts = rng.duration(longest);
        let kind = rng.below(8);
        let before = town.office().mood;
        assert_eq!(before, Mood::Fair);
        match kind {
            0 | 1 => town.office().crash(),
            2 => town.office().mood = Mood::Overloaded { retry_after: Some(30) },
            3 => town.office().mood = Mood::Overloaded { retry_after: None },
            4 => town.office().mood = Mood::Mute,
            5 => town.office().mood = Mood::Deaf,
            6 => town.moves(&mut rng),
            _ => {
                town.office().mood = Mood::Mute;
                town.world.run_for(rng.duration(Duration::from_secs(40)));
                town.moves(&mut rng);
            }
        }
        town.world.run_for(lasts);
        let now = town.world.now();
        if kind < 2 {
            // The second kind wants longer registrations than it did before.
            let least = if kind == 1 { 2 * GRANTED } else { Duration::from_secs(10) };
            town.office().restart(now, least, rng.seed());
        }
        town.office().mood = Mood::Fair;
        let limit = if kind < 2 { 2 * GRANTED + CEILING } else { CEILING };
        let well = town.settles_within(limit);
        assert!(well, "trouble {trouble} of kind {kind}: no rest {limit:?} after it: {:?}", town.bindings());
    }
    let now = town.world.now();
    town.phone.borrow_mut().agent.leave(now);
    town.phone.borrow_mut().collect();
    let phone = Rc::clone(&town.phone);
    assert!(town.world.run_until(CEILING, |_| phone.borrow().agent.has_left()), "it can leave");
    assert!(town.bindings().iter().all(Vec::is_empty), "{:?}", town.bindings());
}

fn seeds(count: u64, play: impl Fn(u64) + std::panic::RefUnwindSafe) {
    let failed: Vec<u64> =
        (0..count).filter(|seed| std::panic::catch_unwind(|| play(*seed)).is_err()).collect();
    assert!(failed.is_empty(), "seeds {failed:?}");
}

// rfc: 3261 §10.2 — whatever happens, one binding of ours stands again within the back-off
#[test]
fn an_account_is_registered_again_after_every_trouble() {
    seeds(120, |seed| live(seed, false, 10));
}

// rfc: 5626 §4.5 — a flow that fails is replaced, and the binding with it
#[test]
fn a_flow_is_replaced_after_every_trouble() {
    seeds(10, |seed| live(seed, true, 6));
}

#[test]
fn many_accounts_make_no_burst_whatever_happens() {
    const ACCOUNTS: usize = 120;
    const RATE: u32 = 1;
    let mut town = Town::new(7, ACCOUNTS, RATE);
    town.open(ACCOUNTS, false);
    assert!(town.settles_within(Duration::from_secs(200)));
    let mut rng = Rng::new(7);
    for trouble in 0..3 {
        town.world.run_for(Duration::from_secs(3600));
        match trouble % 3 {
            0 => town.office().mood = Mood::Deaf,
            1 => town.moves(&mut rng),
            _ => {
                let now = town.world.now();
                town.office().restart(now, Duration::from_secs(10), [trouble; 32]);
            }
        }
        town.world.run_for(GRANTED);
        town.office().mood = Mood::Fair;
        assert!(town.settles_within(GRANTED + CEILING), "trouble {trouble}");
    }
    let heard = std::mem::take(&mut town.office().heard);
    let start = heard[0];
    let mut seconds = BTreeMap::<u64, u32>::new();
    for at in &heard {
        *seconds.entry((*at - start).as_secs() / 10).or_default() += 1;
    }
    let most = seconds.values().copied().max().unwrap_or_default();
    // Seventeen may go at once after a quiet time, each may be challenged once, and so may all that waited for their answer
    // when the registrar heard again: those of the last 32 s.
    let bound = 2 * (10 * RATE + 17) + 32 * RATE;
    assert!(most <= bound, "{most} in ten seconds of {}", heard.len());
}
