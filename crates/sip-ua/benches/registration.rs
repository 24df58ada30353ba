//! What a refresh costs an agent with many accounts: the REGISTER with its digest, then what its 200 does.

#[path = "../tests/support/accounts.rs"]
mod accounts;

use std::cell::RefCell;
use std::time::{Duration, Instant};

use accounts::{Accounts, answer};
use divan::{AllocProfiler, Bencher};
use sip_ua::RegistrationId;

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

const ACCOUNTS: u32 = 10_000;

fn main() {
    divan::main();
}

struct Setting {
    lab: Accounts,
    ids: Vec<RegistrationId>,
    next: usize,
}

impl Setting {
    #[expect(clippy::disallowed_methods, reason = "`Instant` has no other constructor")]
    fn new() -> Self {
        let mut lab = Accounts::new(Instant::now());
        let mut register = |number| {
            lab.advance(Duration::from_millis(1));
            lab.register(number)
        };
        let ids = (0..ACCOUNTS).map(&mut register).collect();
        Self { lab, ids, next: 0 }
    }

    /// A thousand of them in a second.
    fn turn(&mut self) -> RegistrationId {
        self.lab.advance(Duration::from_millis(1));
        self.lab.sent();
        self.next = (self.next + 1) % self.ids.len();
        *self.ids.get(self.next).expect("one of them")
    }

    fn refresh(&mut self, id: RegistrationId) -> bytes::Bytes {
        self.lab.agent.refresh(self.lab.now, id).expect("it is known");
        self.lab.sent().expect("a REGISTER")
    }
}

#[divan::bench]
fn refresh_from_the_command_to_the_200(bencher: Bencher) {
    let setting = RefCell::new(Setting::new());
    bencher.with_inputs(|| setting.borrow_mut().turn()).bench_local_values(|id| {
        let mut setting = setting.borrow_mut();
        let sent = setting.refresh(id);
        setting.lab.receive(answer(&sent));
        setting.lab.sent();
    });
}

#[divan::bench]
fn refresh_is_granted(bencher: Bencher) {
    let setting = RefCell::new(Setting::new());
    let granted = || {
        let mut setting = setting.borrow_mut();
        let id = setting.turn();
        answer(&setting.refresh(id))
    };
    bencher.with_inputs(granted).bench_local_values(|bytes| {
        let mut setting = setting.borrow_mut();
        setting.lab.receive(bytes);
        setting.lab.sent();
    });
}

/// What of the first is the registrar's part.
#[divan::bench]
fn registrar_reads_and_answers(bencher: Bencher) {
    let mut setting = Setting::new();
    let id = setting.turn();
    let sent = setting.refresh(id);
    bencher.bench_local(|| answer(&sent));
}
