//! Transfers with baresip, as the one that asks and as the one that is asked.

use super::{
    baresip::Baresip,
    lab::{Lab, ports},
    voip::Voip,
};
use crate::{Result, json::Json};
use std::{thread, time::Duration};

const LIMIT: Duration = Duration::from_secs(40);

/// Who the call is handed to: another of our phones, which takes one call and hangs up after two seconds.
fn target(lab: &mut Lab) -> Result<(Voip, String)> {
    let port = ports(2)?;
    let listen = format!("udp:127.0.0.1:{port}");
    let args = ["answer", "--listen", &listen, "--hangup-after", "2", "--max-calls", "1"];
    let target = Voip::start(lab, "target", &args, None)?;
    target.ready(lab)?;
    Ok((target, format!("sip:target@127.0.0.1:{port}")))
}

fn statuses(voip: &Voip) -> Result<Vec<f64>> {
    let steps = voip.events("transfer")?;
    Ok(steps.iter().filter_map(|step: &Json| step.at("status").number()).collect())
}

/// We hand baresip on; it calls the target, reports, and we hang up.
pub(crate) fn we_transfer_baresip(lab: &mut Lab) -> Result<String> {
    let (target, to) = target(lab)?;
    let mut baresip = Baresip::start(lab, 700, "pcmu", "")?;
    let uri = baresip.uri();
    let args = ["call", &uri, "--listen", "udp:127.0.0.1:0", "--transfer-to", &to];
    let voip = Voip::start(lab, "call", &args, None)?;
    baresip.wait(&["CALL_ESTABLISHED"], LIMIT)?;
    voip.finish(lab, LIMIT)?;
    target.finish(lab, LIMIT)?;
    let steps = statuses(&voip)?;
    if steps.last() != Some(&200.0) || target.events("answered")?.len() != 1 {
        return Err(format!("the steps were {steps:?}").into());
    }
    Ok(format!("baresip called the target, and reported {steps:?}"))
}

/// We talk to baresip first, and then connect another of our phones with it. (The other way round is not to be had: baresip
/// 1.0 writes the Replaces of a Refer-To into its Request-URI, where it must not stand.)
pub(crate) fn we_connect_baresip(lab: &mut Lab) -> Result<String> {
    let (transferee, address) = Voip::answer(lab, "udp", &["--max-calls", "1", "--hangup-after", "4"])?;
    let mut baresip = Baresip::start(lab, 700, "pcmu", "")?;
    let (transferee_uri, to) = (format!("sip:voip@{address}"), baresip.uri());
    let args = ["call", &transferee_uri, "--listen", "udp:127.0.0.1:0", "--transfer-to", &to, "--attended"];
    let voip = Voip::start(lab, "call", &args, None)?;
    baresip.wait(&["CALL_ESTABLISHED"], LIMIT)?;
    voip.finish(lab, LIMIT)?;
    transferee.finish(lab, LIMIT)?;
    let (steps, answered) = (statuses(&voip)?, transferee.events("answered")?.len());
    if steps.last() != Some(&200.0) || answered != 2 {
        return Err(format!("the steps were {steps:?}, {answered} calls").into());
    }
    Ok(format!("we talked to baresip, our other phone took our place, and reported {steps:?}"))
}

/// baresip hands us on: we call the target and tell baresip, which hangs up.
pub(crate) fn baresip_transfers_us(lab: &mut Lab) -> Result<String> {
    let (target, to) = target(lab)?;
    let (voip, address) = Voip::answer(lab, "udp", &["--max-calls", "1"])?;
    let mut baresip = Baresip::start(lab, 700, "pcmu", "")?;
    baresip.command("dial", &format!("sip:voip@{address}"))?;
    baresip.wait(&["CALL_ESTABLISHED"], LIMIT)?;
    thread::sleep(Duration::from_secs(1));
    baresip.command("transfer", &to)?;
    target.finish(lab, LIMIT)?;
    baresip.command("hangup", "")?;
    voip.finish(lab, LIMIT)?;
    let transfer = voip.event(lab, "transfer")?;
    let ended = voip.events("ended")?.len();
    if transfer.at("to").text() != to || ended != 2 || target.events("answered")?.len() != 1 {
        return Err(format!("to {:?}, {ended} calls ended", transfer.at("to").text()).into());
    }
    Ok("we called the target that baresip named, and both calls ended".into())
}
