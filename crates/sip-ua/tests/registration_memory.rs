//! The promise: at most 4 kB for each registered account.

#[path = "support/accounts.rs"]
mod accounts;

use std::time::Duration;

use accounts::Accounts;
use allocation_counter::measure;

const ACCOUNTS: u32 = 2_000;

#[test]
fn a_registered_account_takes_at_most_4_kb() {
    let mut lab = Accounts::new(testkit::Clock::new().now());
    let mut register = |number| {
        lab.register(number);
        lab.advance(Duration::from_millis(50));
    };
    // Tables have a size before, for the transactions that are under way at a time.
    (ACCOUNTS..ACCOUNTS + 200).for_each(&mut register);
    let info = measure(|| (0..ACCOUNTS).for_each(&mut register));
    let bytes = info.bytes_current / i64::from(ACCOUNTS);
    println!("{bytes} bytes for each account");
    assert!(bytes <= 4096, "{bytes} bytes");
}
