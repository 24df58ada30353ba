//! Feature combinations: each crate's cores without features, and every set of at most two.

use crate::{Result, metadata, step::Outcome};
use xshell::{Shell, cmd};

/// The crates whose cores must be pure: without features no runtime, no TLS, no DNS.
const CORES: &[&str] = &["sip-msg", "sdp", "g711", "rtp", "srtp", "stun", "sip-txn", "sip-ua", "media"];
/// What must not be in the dependency tree of a pure core. (Random sources are not here: stun-rs brings one along,
/// used or not. That nobody asks them is clippy's `disallowed_methods`.)
const IMPURE: &[&str] = &["tokio", "rustls", "socket2", "mio"];

/// Builds each core without features and looks for a runtime in its tree.
pub(crate) fn cores(shell: &Shell) -> Result<Outcome> {
    let mut wrong = Vec::new();
    for core in CORES {
        cmd!(shell, "cargo clippy --quiet -p {core} --lib --no-default-features -- -D warnings").run()?;
        let format = "{p}";
        let tree = cmd!(
            shell,
            "cargo tree -p {core} -e normal --no-default-features --prefix none --format {format}"
        );
        let tree = tree.quiet().read()?;
        let names: Vec<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
        // stun-rs can draw transaction ids; ours come from a seed, and nothing of ours calls that.
        let known = |name: &&str| names.contains(&"stun-rs") && matches!(*name, "rand" | "getrandom");
        let impure = names.iter().filter(|name| IMPURE.contains(*name) && !known(name));
        wrong.extend(impure.map(|name| format!("{core} pulls in {name}")));
    }
    if wrong.is_empty() {
        Ok(format!("{} crates, none of {}", CORES.len(), IMPURE.join(", ")).into())
    } else {
        Err(wrong.join("; ").into())
    }
}

/// Checks every member's library with every set of at most two of its features.
pub(crate) fn powerset(shell: &Shell) -> Result<Outcome> {
    let members = metadata::packages(shell)?.into_iter().filter(|package| package.member);
    let mut count = 0;
    for package in members.filter(|package| !package.features.is_empty()) {
        let name = &package.name;
        for (i, one) in package.features.iter().enumerate() {
            let rest = package.features.iter().skip(i + 1);
            for set in std::iter::once(one.clone()).chain(rest.map(|two| format!("{one},{two}"))) {
                cmd!(
                    shell,
                    "cargo clippy --quiet -p {name} --no-default-features --features {set} -- -D warnings"
                )
                .run()?;
                count += 1;
            }
        }
    }
    Ok(format!("{count} sets of features, each without warnings").into())
}
