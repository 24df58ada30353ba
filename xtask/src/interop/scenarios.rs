//! The scenarios. Each gives, when it passed, a sentence that says what was verified.

use super::{
    baresip::Baresip,
    calls, echo_load,
    kamailio::Kamailio,
    lab::{Lab, finish, ports},
    loads, offers, proxied,
    sipp::{Load, MESSAGES, Sipp},
    sound::Sound,
    transfers,
    voip::Voip,
};
use crate::Result;
use std::{thread, time::Duration};

/// One scripted run.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Programs it needs.
    pub(crate) peers: &'static [&'static str],
    pub(crate) run: fn(&mut Lab) -> Result<String>,
}

const SIPP: &[&str] = &["sipp"];
const OVER_TLS: &[&str] = &["sipp", "socat", "openssl"];
const BARESIP: &[&str] = &["baresip"];
const KAMAILIO: &[&str] = &["kamailio", "openssl"];

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "sipp-calls-us-udp", peers: SIPP, run: |lab| sipp_calls_us(lab, "udp") },
    Scenario { name: "sipp-calls-us-tcp", peers: SIPP, run: |lab| sipp_calls_us(lab, "tcp") },
    Scenario { name: "we-call-sipp-udp", peers: SIPP, run: |lab| we_call_sipp(lab, "udp") },
    Scenario { name: "we-call-sipp-tcp", peers: SIPP, run: |lab| we_call_sipp(lab, "tcp") },
    Scenario { name: "sipp-cancels", peers: SIPP, run: sipp_cancels },
    Scenario { name: "sipp-loses-the-ack", peers: SIPP, run: sipp_loses_the_ack },
    Scenario { name: "sipp-is-busy", peers: SIPP, run: sipp_is_busy },
    Scenario { name: "sipp-offers-late", peers: SIPP, run: offers::late_offer },
    Scenario { name: "sipp-offers-many-streams", peers: SIPP, run: offers::many_streams },
    Scenario { name: "sipp-offers-its-numbers", peers: SIPP, run: offers::their_numbers },
    Scenario { name: "sipp-offers-nothing-we-have", peers: SIPP, run: offers::nothing_in_common },
    Scenario { name: "sipp-offers-nothing-later", peers: SIPP, run: offers::nothing_in_common_later },
    Scenario { name: "sipp-holds-us", peers: SIPP, run: offers::they_hold },
    Scenario { name: "sipp-holds-us-by-update", peers: SIPP, run: offers::they_hold_by_update },
    Scenario { name: "we-call-sipp-which-holds-us", peers: SIPP, run: offers::we_are_held },
    Scenario { name: "we-call-sipp-which-asks-again", peers: SIPP, run: offers::asked_in_a_call },
    Scenario { name: "we-hold-sipp", peers: SIPP, run: offers::we_hold },
    Scenario { name: "we-hold-sipp-which-refuses", peers: SIPP, run: offers::our_hold_is_refused },
    Scenario { name: "we-hold-sipp-which-holds-too", peers: SIPP, run: offers::our_hold_meets_theirs },
    Scenario { name: "calls-prack", peers: OVER_TLS, run: calls::prack },
    Scenario { name: "calls-session-timer", peers: OVER_TLS, run: calls::session_timer },
    Scenario { name: "calls-update", peers: OVER_TLS, run: calls::update },
    Scenario { name: "calls-they-transfer", peers: OVER_TLS, run: calls::they_transfer },
    Scenario { name: "calls-we-transfer", peers: OVER_TLS, run: calls::we_transfer },
    Scenario { name: "calls-redirected", peers: OVER_TLS, run: calls::redirected },
    Scenario { name: "calls-messages-and-keys", peers: OVER_TLS, run: calls::messages_and_keys },
    Scenario { name: "calls-forked", peers: OVER_TLS, run: calls::forked },
    Scenario { name: "calls-glare", peers: OVER_TLS, run: calls::glare },
    Scenario { name: "we-transfer-baresip", peers: BARESIP, run: transfers::we_transfer_baresip },
    Scenario { name: "we-connect-baresip", peers: BARESIP, run: transfers::we_connect_baresip },
    Scenario { name: "baresip-transfers-us", peers: BARESIP, run: transfers::baresip_transfers_us },
    Scenario { name: "baresip-holds-us", peers: BARESIP, run: offers::baresip_holds },
    Scenario { name: "we-hold-baresip", peers: BARESIP, run: offers::we_hold_baresip },
    Scenario { name: "load-transactions-udp", peers: SIPP, run: |lab| loads::transactions(lab, "udp") },
    Scenario { name: "load-transactions-tcp", peers: SIPP, run: |lab| loads::transactions(lab, "tcp") },
    Scenario {
        name: "load-transactions-tls",
        peers: &["sipp", "socat", "openssl"],
        run: |lab| loads::transactions(lab, "tls"),
    },
    Scenario {
        name: "load-calls-with-loss",
        peers: &["sipp", "ip", "iptables", loads::NAMESPACES],
        run: loads::calls_with_loss,
    },
    Scenario { name: "load-calls", peers: SIPP, run: load_calls },
    Scenario { name: "load-media", peers: &[], run: load_media },
    Scenario { name: "baresip-calls-us", peers: BARESIP, run: |lab| baresip_calls_us(lab, "pcmu", false) },
    Scenario {
        name: "baresip-calls-us-pcma",
        peers: BARESIP,
        run: |lab| baresip_calls_us(lab, "pcma", false),
    },
    Scenario {
        name: "baresip-calls-us-srtp",
        peers: BARESIP,
        run: |lab| baresip_calls_us(lab, "pcmu", true),
    },
    Scenario { name: "we-call-baresip", peers: BARESIP, run: |lab| we_call_baresip(lab, "pcmu", false) },
    Scenario { name: "we-call-baresip-pcma", peers: BARESIP, run: |lab| we_call_baresip(lab, "pcma", false) },
    Scenario { name: "we-call-baresip-srtp", peers: BARESIP, run: |lab| we_call_baresip(lab, "pcmu", true) },
    Scenario { name: "kamailio-register-md5", peers: KAMAILIO, run: |lab| kamailio_register(lab, "", "udp") },
    Scenario {
        name: "kamailio-register-sha256",
        peers: KAMAILIO,
        run: |lab| kamailio_register(lab, "SHA-256", "tcp"),
    },
    Scenario { name: "kamailio-wrong-password", peers: KAMAILIO, run: kamailio_wrong_password },
    Scenario { name: "kamailio-wrong-name", peers: KAMAILIO, run: kamailio_wrong_name },
    Scenario { name: "kamailio-call-udp", peers: KAMAILIO, run: |lab| kamailio_call(lab, "udp", "udp") },
    Scenario { name: "kamailio-call-tcp", peers: KAMAILIO, run: |lab| kamailio_call(lab, "tcp", "tcp") },
    Scenario { name: "kamailio-call-tls", peers: KAMAILIO, run: |lab| kamailio_call(lab, "tls", "tls") },
    Scenario { name: "kamailio-forks", peers: KAMAILIO, run: proxied::parallel },
    Scenario { name: "kamailio-hunts", peers: KAMAILIO, run: proxied::serial },
    Scenario { name: "kamailio-loses", peers: KAMAILIO, run: proxied::faults },
    Scenario { name: "kamailio-call-mixed", peers: KAMAILIO, run: |lab| kamailio_call(lab, "udp", "tls") },
];

const THOUSAND: Load = Load { calls: 1000, per_second: 100 };
const CALL_LIMIT: Duration = Duration::from_secs(30);

fn sipp_calls_us(lab: &mut Lab, transport: &str) -> Result<String> {
    let (voip, address) = Voip::answer(lab, transport, &["--echo", "--max-calls", "1000"])?;
    let sipp = Sipp::start(lab, "uac", transport, Some(&address), &THOUSAND)?;
    let counts = sipp.finish(lab, &THOUSAND, Duration::from_secs(120))?;
    voip.finish(lab, CALL_LIMIT)?;
    let ended = voip.events("ended")?.len();
    if ended != 1000 {
        return Err(format!("we saw {ended} calls end").into());
    }
    Ok(format!(
        "{} calls, 0 failures, {} retransmissions by SIPp, 1000 ends seen by us",
        counts.successful, counts.retransmissions
    ))
}

/// One process, which is the load generator too.
fn we_call_sipp(lab: &mut Lab, transport: &str) -> Result<String> {
    let sipp = Sipp::start(lab, "uas", transport, None, &THOUSAND)?;
    let (uri, listen) = (sipp.uri(transport), format!("{transport}:127.0.0.1:0"));
    let (calls, rate) = (THOUSAND.calls.to_string(), THOUSAND.per_second.to_string());
    let load = ["call", &uri, "--repeat", &calls, "--rate", &rate, "--duration", "0", "--listen", &listen];
    let voip = Voip::start(lab, "call", &load, None)?;
    let counts = sipp.finish(lab, &THOUSAND, Duration::from_secs(60))?;
    voip.finish(lab, CALL_LIMIT)?;
    let summary = voip.event(lab, "summary")?;
    let number = |name: &str| summary.at(name).number();
    if (number("answered"), number("failed")) != (Some(f64::from(THOUSAND.calls)), Some(0.0)) {
        return Err(format!("{:?} answered, {:?} failed", number("answered"), number("failed")).into());
    }
    let median = summary.at("set_up_ms").at("p50").number().unwrap_or_default();
    Ok(format!(
        "1000 calls, 0 failures, set up within {median} ms as a rule, {} retransmissions by SIPp",
        counts.retransmissions
    ))
}

fn sipp_cancels(lab: &mut Lab) -> Result<String> {
    let load = Load { calls: 20, per_second: 10 };
    let (voip, address) = Voip::answer(lab, "udp", &["--ring-for", "20", "--max-calls", "20"])?;
    Sipp::start(lab, "uac_cancel.xml", "udp", Some(&address), &load)?.finish(lab, &load, CALL_LIMIT)?;
    voip.finish(lab, CALL_LIMIT)?;
    let answered = voip.events("answered")?.len();
    if answered > 0 {
        return Err(format!("{answered} cancelled calls were answered").into());
    }
    Ok("20 calls cancelled while ringing: 200 for each CANCEL, 487 for each INVITE".into())
}

fn sipp_loses_the_ack(lab: &mut Lab) -> Result<String> {
    let load = Load { calls: 1, per_second: 1 };
    let (voip, address) = Voip::answer(lab, "udp", &["--max-calls", "1"])?;
    Sipp::start(lab, "uac_lost_ack.xml", "udp", Some(&address), &load)?.finish(lab, &load, CALL_LIMIT)?;
    voip.finish(lab, CALL_LIMIT)?;
    let messages = std::fs::read_to_string(lab.path(MESSAGES))?;
    // One of them answers the BYE.
    let copies = messages.matches("\nSIP/2.0 200 ").count().saturating_sub(1);
    if copies != 3 {
        return Err(format!("the 2xx came {copies} times, not 3").into());
    }
    Ok("the 2xx came at 0, 0.5 and 1.5 s, and not again after the ACK".into())
}

fn sipp_is_busy(lab: &mut Lab) -> Result<String> {
    let load = Load { calls: 1, per_second: 1 };
    let sipp = Sipp::start(lab, "uas_busy.xml", "udp", None, &load)?;
    let uri = sipp.uri("udp");
    let (code, out, err) = finish(&mut lab.voip(&["call", &uri, "--listen", "udp:127.0.0.1:0"]), CALL_LIMIT)?;
    sipp.finish(lab, &load, CALL_LIMIT)?;
    let reason = err.lines().last().unwrap_or_default();
    if code != 1 || !reason.contains("486") {
        return Err(format!("exit code {code}, last line {reason:?}: {out}").into());
    }
    Ok(format!("486 was ACKed, exit code 1, {reason:?}"))
}

fn load_calls(lab: &mut Lab) -> Result<String> {
    let load = Load { calls: 6000, per_second: 200 };
    let (voip, address) = Voip::answer(lab, "udp", &["--echo"])?;
    let counts = Sipp::start(lab, "uac", "udp", Some(&address), &load)?.finish(
        lab,
        &load,
        Duration::from_secs(120),
    )?;
    voip.interrupt(lab)?;
    let ended = voip.events("ended")?.len();
    if ended != 6000 {
        return Err(format!("we saw {ended} of 6000 calls end").into());
    }
    Ok(format!(
        "200 calls/s for 30 s: 6000 calls, 0 failed, {} retransmissions by SIPp",
        counts.retransmissions
    ))
}

fn load_media(lab: &mut Lab) -> Result<String> {
    let (voip, address) = Voip::answer(lab, "udp", &["--echo"])?;
    let counts = echo_load::run(&address)?;
    voip.interrupt(lab)?;
    let number = |name: &str| -> Result<f64> {
        // The last report of each call is its total.
        let mut last = std::collections::BTreeMap::new();
        for event in voip.events("media")? {
            last.insert(event.at("call_id").text().to_owned(), event.at(name).number().unwrap_or(0.0));
        }
        Ok(last.values().sum())
    };
    let (lost, late) = (number("lost")?, number("late")?);
    if counts.missing > 0 || lost > 0.0 || late > 0.0 {
        return Err(format!("{counts}; we counted {lost} lost and {late} late").into());
    }
    Ok(format!("{counts}; we counted 0 lost, 0 late"))
}

/// What baresip sends and what we send, far from each other's harmonics.
const THEIR_TONE: u32 = 700;
const OUR_TONE: u32 = 1100;
const MEDIA_ENCRYPTION: &str = "srtp-mand";

fn srtp_args(srtp: bool) -> (&'static str, &'static str) {
    if srtp { ("required", MEDIA_ENCRYPTION) } else { ("off", "") }
}

fn baresip_calls_us(lab: &mut Lab, codec: &str, srtp: bool) -> Result<String> {
    let (ours, theirs) = srtp_args(srtp);
    let args = ["--tone", "1100", "--record", "rx.wav", "--max-calls", "1", "--srtp", ours];
    let (voip, address) = Voip::answer(lab, "udp", &args)?;
    let mut baresip = Baresip::start(lab, THEIR_TONE, codec, theirs)?;
    baresip.command("dial", &format!("sip:voip@{address}"))?;
    baresip.wait(&["CALL_ESTABLISHED"], CALL_LIMIT)?;
    thread::sleep(Duration::from_secs(3));
    baresip.press("159#")?;
    thread::sleep(Duration::from_secs(1));
    baresip.command("hangup", "")?;
    voip.finish(lab, CALL_LIMIT)?;
    verify(lab, &voip, &baresip, codec, srtp)?;
    let digits = voip.digits()?;
    if digits != "159#" {
        return Err(format!("baresip pressed 159#, we heard {digits:?}").into());
    }
    Ok(format!("{}, tones heard on both sides, digits 159# to us", encryption(codec, srtp)))
}

fn we_call_baresip(lab: &mut Lab, codec: &str, srtp: bool) -> Result<String> {
    let (ours, theirs) = srtp_args(srtp);
    let mut baresip = Baresip::start(lab, THEIR_TONE, codec, theirs)?;
    let uri = baresip.uri();
    let args = [
        "call",
        &uri,
        "--listen",
        "udp:127.0.0.1:0",
        "--tone",
        "1100",
        "--record",
        "rx.wav",
        "--srtp",
        ours,
        "--dtmf",
        "2580*",
        "--duration",
        "8",
    ];
    let voip = Voip::start(lab, "call", &args, None)?;
    baresip.wait(&["CALL_ESTABLISHED"], CALL_LIMIT)?;
    let heard = baresip.digits(5, Duration::from_secs(6))?;
    baresip.press("37")?;
    voip.finish(lab, CALL_LIMIT)?;
    baresip.wait(&["CALL_CLOSED"], CALL_LIMIT)?;
    verify(lab, &voip, &baresip, codec, srtp)?;
    let digits = voip.digits()?;
    if heard != "2580*" || digits != "37" {
        return Err(format!("baresip heard {heard:?} of 2580*, we heard {digits:?} of 37").into());
    }
    Ok(format!(
        "{}, tones heard on both sides, digits 2580* to baresip and 37 to us",
        encryption(codec, srtp)
    ))
}

fn encryption(codec: &str, srtp: bool) -> String {
    format!("{codec} over {}", if srtp { "SRTP with SDES keys" } else { "plain RTP" })
}

/// Both recordings hold the other side's tone only, and what was agreed is what was wanted.
fn verify(lab: &mut Lab, voip: &Voip, baresip: &Baresip, codec: &str, srtp: bool) -> Result {
    let heard = |who: &str, sound: Result<Sound>, want, own| -> Result {
        sound?.hears(want, own).map_err(|why| format!("{who}: {why}").into())
    };
    heard("our recording", Sound::load(&lab.path("rx.wav")), THEIR_TONE, OUR_TONE)?;
    heard("baresip's recording", Sound::load(&baresip.heard()?), OUR_TONE, THEIR_TONE)?;
    let answered = voip.event(lab, "answered")?;
    let ended = voip.event(lab, "ended")?;
    if ended.at("by").text() == "error" {
        return Err(format!("our call ended by an error: {}", ended.at("reason").text()).into());
    }
    let (agreed, key) = (answered.at("codec").text().to_lowercase(), answered.at("srtp").text());
    if agreed.contains(codec) && (key != "off") == srtp {
        Ok(())
    } else {
        Err(format!("agreed on {agreed} with srtp {key:?}").into())
    }
}

fn kamailio_register(lab: &mut Lab, algorithm: &str, transport: &str) -> Result<String> {
    let kamailio = Kamailio::start(lab, algorithm, false)?;
    let (code, out, err) = register(lab, &kamailio, transport, "secret-alice")?;
    if code != 0 || !out.contains("\"registered\"") || !out.contains("\"unregistered\"") {
        return Err(format!("exit code {code}: {err}{out}").into());
    }
    let algorithm = if algorithm.is_empty() { "MD5" } else { algorithm };
    Ok(format!("registered and unregistered over {transport} with {algorithm}, exit code 0"))
}

fn kamailio_wrong_password(lab: &mut Lab) -> Result<String> {
    let kamailio = Kamailio::start(lab, "", false)?;
    let (code, _, err) = register(lab, &kamailio, "udp", "not-the-password")?;
    let (reason, tries) = (err.lines().last().unwrap_or_default(), kamailio.count("got REGISTER"));
    if code != 1 || !reason.contains("401") || tries > 2 {
        return Err(format!("exit code {code} after {tries} requests, last line {reason:?}").into());
    }
    Ok(format!("exit code 1 after {tries} requests, {reason:?}"))
}

fn kamailio_wrong_name(lab: &mut Lab) -> Result<String> {
    let kamailio = Kamailio::start(lab, "", true)?;
    let (code, _, err) = register(lab, &kamailio, "tls", "secret-alice")?;
    let (reason, tries) = (err.lines().last().unwrap_or_default(), kamailio.count("got REGISTER"));
    if code != 1 || tries > 0 || reason.is_empty() {
        return Err(format!("exit code {code}, {tries} requests got through, last line {reason:?}").into());
    }
    Ok(format!("a certificate of another name: nothing sent, exit code 1, {reason:?}"))
}

fn register(
    lab: &Lab,
    kamailio: &Kamailio,
    transport: &str,
    password: &str,
) -> Result<(i32, String, String)> {
    let mut command = lab.voip(&["register", "--once"]);
    command.args(kamailio.phone("alice", transport)).env("SIP_PASSWORD", password);
    finish(&mut command, Duration::from_secs(40))
}

/// Two of our phones call each other through the proxy, each over its own transport.
fn kamailio_call(lab: &mut Lab, caller: &str, called: &str) -> Result<String> {
    let kamailio = Kamailio::start(lab, "", false)?;
    let media = format!("{}-{}", ports(2)?, ports(2)? + 100);
    let bob = kamailio.phone("bob", called);
    let mut args = vec!["answer", "--register", "--tone", "1100", "--record", "bob.wav", "--max-calls", "1"];
    args.extend(bob.iter().map(String::as_str));
    args.extend(["--media-ports", &media]);
    let bob = Voip::start(lab, "bob", &args, Some("secret-bob"))?;
    bob.ready(lab)?;
    let alice = kamailio.phone("alice", caller);
    let mut args = vec![
        "call",
        "sip:bob@interop.test",
        "--tone",
        "700",
        "--record",
        "alice.wav",
        "--dtmf",
        "42",
        "--duration",
        "5",
    ];
    args.extend(alice.iter().map(String::as_str));
    let alice = Voip::start(lab, "alice", &args, Some("secret-alice"))?;
    alice.finish(lab, CALL_LIMIT)?;
    bob.finish(lab, CALL_LIMIT)?;
    Sound::load(&lab.path("alice.wav"))?.hears(1100, 700).map_err(|why| format!("alice: {why}"))?;
    Sound::load(&lab.path("bob.wav"))?.hears(700, 1100).map_err(|why| format!("bob: {why}"))?;
    for (who, voip, by) in [("alice", &alice, "local"), ("bob", &bob, "remote")] {
        let ended = voip.event(lab, "ended")?;
        if ended.at("by").text() != by {
            return Err(format!(
                "{who}'s call was ended by {:?}: {}",
                ended.at("by").text(),
                ended.at("reason").text()
            )
            .into());
        }
    }
    let digits = bob.digits()?;
    let (acks, byes) = (kamailio.count("in-dialog ACK"), kamailio.count("in-dialog BYE"));
    if digits != "42" || acks == 0 || byes == 0 || kamailio.count("unrouted") > 0 {
        return Err(format!("digits {digits:?}; through the proxy {acks} ACK and {byes} BYE").into());
    }
    Ok(format!(
        "{caller} to {called}: INVITE challenged, ACK and BYE record-routed, tones both ways, digits 42"
    ))
}
