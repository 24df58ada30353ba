//! Calls through Kamailio: to several phones at once and one after the other, and through a proxy that loses and delays.

use super::{
    kamailio::{Faults, Kamailio},
    lab::Lab,
    voip::Voip,
};
use crate::Result;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(40);

/// A phone behind the proxy that waits for calls.
fn phone(lab: &mut Lab, kamailio: &Kamailio, name: &str, user: &str, args: &[&str]) -> Result<Voip> {
    let account = kamailio.phone(user, "udp");
    let account: Vec<&str> = account.iter().map(String::as_str).collect();
    let all = [&["answer", "--register", "--max-calls", "1"], args, &account].concat();
    let voip = Voip::start(lab, name, &all, Some(&format!("secret-{user}")))?;
    voip.ready(lab)?;
    Ok(voip)
}

/// Alice calls somebody; that must work.
fn call(lab: &mut Lab, kamailio: &Kamailio, target: &str, args: &[&str]) -> Result<Voip> {
    let account = kamailio.phone("alice", "udp");
    let account: Vec<&str> = account.iter().map(String::as_str).collect();
    let target = format!("sip:{target}@interop.test");
    let all = [&["call", &target], args, &account].concat();
    let alice = Voip::start(lab, "alice", &all, Some("secret-alice"))?;
    alice.finish(lab, LIMIT)?;
    Ok(alice)
}

/// Both phones of bob ring; the second one answers, and the first one is cancelled.
pub(crate) fn parallel(lab: &mut Lab) -> Result<String> {
    let kamailio = Kamailio::start(lab, "", false)?;
    let slow = phone(lab, &kamailio, "slow", "bob", &["--ring-for", "20"])?;
    let quick = phone(lab, &kamailio, "quick", "bob", &["--ring-for", "1"])?;
    call(lab, &kamailio, "bob", &["--duration", "1"])?;
    quick.finish(lab, LIMIT)?;
    slow.finish(lab, LIMIT)?;
    let (answered, cancelled) = (quick.events("answered")?.len(), slow.events("answered")?.len());
    let ended = slow.event(lab, "ended")?;
    if (answered, cancelled) != (1, 0) || ended.at("by").text() != "remote" {
        return Err(format!(
            "{answered} and {cancelled} phones answered; the other: {}",
            ended.at("reason").text()
        )
        .into());
    }
    Ok("two phones rang, one answered, the other was cancelled".into())
}

/// Bob is busy, so carol is asked.
pub(crate) fn serial(lab: &mut Lab) -> Result<String> {
    let kamailio = Kamailio::start(lab, "", false)?;
    let bob = phone(lab, &kamailio, "bob", "bob", &["--reject", "486"])?;
    let carol = phone(lab, &kamailio, "carol", "carol", &["--ring-for", "0.5"])?;
    call(lab, &kamailio, "hunt", &["--duration", "1"])?;
    bob.finish(lab, LIMIT)?;
    carol.finish(lab, LIMIT)?;
    let (next, answered) = (kamailio.count("next after 486"), carol.events("answered")?.len());
    if (next, answered) != (1, 1) {
        return Err(format!("{next} times on to carol, who answered {answered} times").into());
    }
    Ok("486 from the first phone, the second one answered".into())
}

/// INVITEs, a 200 and ACKs get lost, and everything is slow.
pub(crate) fn faults(lab: &mut Lab) -> Result<String> {
    let faults = [
        ("2 INVITEs", Faults { requests: Some(("INVITE", 2)), ..Faults::default() }, 2),
        ("a 200", Faults { responses: Some((200, 1)), ..Faults::default() }, 1),
        ("2 ACKs", Faults { requests: Some(("ACK", 2)), ..Faults::default() }, 2),
        ("nothing, 150 ms late", Faults { delay_ms: 150, ..Faults::default() }, 0),
    ];
    for (what, faults, count) in faults {
        let kamailio = Kamailio::start_with(lab, "", false, &faults)?;
        let bob = phone(lab, &kamailio, "bob", "bob", &[])?;
        let alice =
            call(lab, &kamailio, "bob", &["--duration", "3"]).map_err(|why| format!("{what}: {why}"))?;
        bob.finish(lab, LIMIT).map_err(|why| format!("{what}: {why}"))?;
        let lost = kamailio.count("lost");
        let (calls, ended) = (bob.events("incoming")?.len(), bob.event(lab, "ended")?);
        let heard = alice.events("media")?.pop().and_then(|media| media.at("packets_received").number());
        if lost != count || calls != 1 || ended.at("by").text() != "remote" || heard < Some(50.0) {
            let by = ended.at("by").text();
            return Err(format!(
                "{what}: {lost} lost, {calls} calls, ended by {by}, {heard:?} packets heard"
            )
            .into());
        }
    }
    Ok("a call each with 2 INVITEs, a 200, 2 ACKs lost, and with 150 ms more on each message".into())
}
