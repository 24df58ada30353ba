//! Debian's packages, for the steps that need other people's software.

use crate::{Result, which};
use xshell::{Shell, cmd};

/// Installs `packages` on Debian and Ubuntu, unless nothing is `missing`; safe to run again.
pub(crate) fn install(shell: &Shell, packages: &[&str], missing: impl Fn() -> Vec<String>) -> Result {
    if missing().is_empty() {
        println!("{} are installed", packages.join(", "));
        return Ok(());
    }
    if which("apt-get").is_none() {
        return Err(format!("no apt-get here: install {} by hand", packages.join(", ")).into());
    }
    let root = cmd!(shell, "id -u").quiet().read()? == "0";
    // The packages would start their services; an exit code of 101 from this file holds them back.
    let script = format!(
        "set -eu
        policy=/usr/sbin/policy-rc.d
        if [ ! -e $policy ]; then
            printf '#!/bin/sh\\nexit 101\\n' > $policy; chmod +x $policy
            trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        fi
        export DEBIAN_FRONTEND=noninteractive
        apt-get -o DPkg::Lock::Timeout=300 update -qq
        apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends {} > /dev/null",
        packages.join(" ")
    );
    let install = if root { cmd!(shell, "sh -c {script}") } else { cmd!(shell, "sudo sh -c {script}") };
    install.quiet().run()?;
    match missing().as_slice() {
        [] => Ok(()),
        still => Err(format!("still missing after the installation: {}", still.join(", ")).into()),
    }
}
