//! What a call can do besides offers and answers, with SIPp on the other side, over UDP, TCP and TLS: reliable provisional responses,
//! session timers, transfers, redirections, messages, keys, forks.

use super::{
    lab::{Lab, certificate, ports},
    loads,
    script::{NOTHING, Role, Script, TAG},
    sipp::{Load, Sipp},
    voip::Voip,
};
use crate::Result;
use std::{process::Command, time::Duration};

const LIMIT: Duration = Duration::from_secs(40);
const ONE: Load = Load { calls: 1, per_second: 1 };
const PCMU: &str = "m=audio PORT RTP/AVP 0";
const TRANSPORTS: [&str; 3] = ["udp", "tcp", "tls"];

/// The same over each transport.
fn each(lab: &mut Lab, run: impl Fn(&mut Lab, &str) -> Result, what: &str) -> Result<String> {
    certificate(&lab.path(""), "voip", "IP:127.0.0.1")?;
    for transport in TRANSPORTS {
        run(lab, transport).map_err(|why| format!("{transport}: {why}"))?;
    }
    Ok(format!("{what}; over UDP, TCP and TLS"))
}

/// SIPp calls `voip answer` with these arguments and does what the script says.
fn they_call(lab: &mut Lab, transport: &str, args: &[&str], write: impl Fn(&mut Script)) -> Result<Voip> {
    let mut script = Script::new(Role::Caller, "call");
    write(&mut script);
    script.finish(lab, "call", (transport == "tls").then_some(0))?;
    let tls: &[&str] =
        if transport == "tls" { &["--tls-cert", "voip.pem", "--tls-key", "voip.key"] } else { &[] };
    let (voip, address) = Voip::answer(lab, transport, &[tls, args].concat())?;
    let (target, inner) = loads::through(lab, transport, &address)?;
    let file = lab.path("call.xml").display().to_string();
    Sipp::start(lab, &file, inner, Some(&target), &ONE)?.finish(lab, &ONE, LIMIT)?;
    Ok(voip)
}

/// `voip` with these arguments calls SIPp, whose URI takes the place of `{}`; gives its exit code too.
fn we_call(
    lab: &mut Lab,
    transport: &str,
    args: &[&str],
    write: impl Fn(&mut Script),
) -> Result<(Voip, i32)> {
    let mut script = Script::new(Role::Called, "call");
    write(&mut script);
    let public = ports(2)?;
    let secure = transport == "tls";
    script.finish(lab, "call", secure.then_some(public))?;
    let file = lab.path("call.xml").display().to_string();
    let sipp = Sipp::start(lab, &file, if secure { "tcp" } else { transport }, None, &ONE)?;
    let mut uri = sipp.uri(transport);
    if secure {
        let mut socat = Command::new("socat");
        let listen = format!("OPENSSL-LISTEN:{public},bind=127.0.0.1,reuseaddr,fork,verify=0");
        socat.arg(format!("{listen},cert=voip.pem,key=voip.key"));
        socat.arg(format!("TCP:127.0.0.1:{}", sipp.port()));
        lab.spawn("socat", &mut socat)?;
        uri = format!("sip:service@127.0.0.1:{public};transport=tls");
        std::thread::sleep(Duration::from_millis(300));
    }
    let args: Vec<String> = args.iter().map(|arg| arg.replace("{}", &uri)).collect();
    let listen = format!("{}:127.0.0.1:0", if secure { "udp" } else { transport });
    let mut all: Vec<&str> = args.iter().map(String::as_str).collect();
    all.extend(["--listen", &listen, "--tls-ca", "voip-ca.pem"]);
    let voip = Voip::start(lab, "call", &all, None)?;
    sipp.finish(lab, &ONE, LIMIT)?;
    let code = voip.code(lab, LIMIT)?;
    Ok((voip, code))
}

/// A call that we made and that went well.
fn good((voip, code): (Voip, i32), lab: &Lab) -> Result<Voip> {
    match code {
        0 => Ok(voip),
        code => Err(format!("exit code {code}: {}", lab.tail("call")).into()),
    }
}

fn check(so: bool, what: impl FnOnce() -> String) -> Result {
    if so { Ok(()) } else { Err(what().into()) }
}

impl Script {
    /// SIPp calls with an offer, and these headers.
    fn call(&mut self, headers: &str) {
        let body = self.body(PCMU);
        self.request("INVITE", "invite", &format!("{headers}{body}"));
        self.provisionals();
    }

    /// SIPp's call is answered.
    fn answered(&mut self, headers: &[(&str, &str)]) {
        self.expect(200, headers);
        self.request("ACK", "ack", NOTHING);
    }

    /// SIPp is called and answers.
    fn answer(&mut self, headers: &str) {
        self.take_invite(&[]);
        let body = self.body(PCMU);
        self.answer_invite("200 OK", TAG, &format!("{headers}{body}"));
        self.take("ACK", &[]);
    }

    /// We hang up on SIPp.
    fn hung_up(&mut self) {
        self.take("BYE", &[]);
        self.reply("200 OK");
        // For a BYE that comes again.
        self.pause(300);
    }

    /// SIPp reports on a transfer.
    fn report(&mut self, status: &str, state: &str) {
        self.request(
            "NOTIFY",
            "notify",
            &format!(
                "Event: refer\nSubscription-State: {state}\nContent-Type: message/sipfrag\nContent-Length: [len]\n\nSIP/2.0 {status}\n"
            ),
        );
        self.line(r#"<recv response="200"/>"#);
    }
}

/// Our 180 is reliable where the caller insists; SIPp's 183 with an answer gets its PRACK.
pub(crate) fn prack(lab: &mut Lab) -> Result<String> {
    let run = |lab: &mut Lab, transport: &str| {
        let ring = ["--ring-for", "0.6", "--reliable", "--max-calls", "1"];
        they_call(lab, transport, &ring, |script| {
            let body = script.body(PCMU);
            script.request("INVITE", "invite", &format!("Require: 100rel\n{body}"));
            script.line(r#"<recv response="100" optional="true"/>"#);
            script.expect(180, &[("Require", "100rel"), ("RSeq", ".*")]);
            script.request("PRACK", "prack", &format!("RAck:[$RSeq] 1 INVITE\n{NOTHING}"));
            script.expect(200, &[]);
            script.answered(&[]);
            script.hang_up();
        })?
        .finish(lab, LIMIT)?;
        let call = we_call(lab, transport, &["call", "{}", "--duration", "0.5"], |script| {
            script.take_invite(&[("Supported", "100rel")]);
            let body = script.body(PCMU);
            script.answer_invite("183 Progress", TAG, &format!("Require: 100rel\nRSeq: 71\n{body}"));
            script.take("PRACK", &[("RAck", "71 [0-9]+ INVITE")]);
            script.reply("200 OK");
            script.pause(300);
            script.answer_invite("200 OK", TAG, NOTHING);
            script.take("ACK", &[]);
            script.hung_up();
        })?;
        let voip = good(call, lab)?;
        let ringing = voip.event(lab, "ringing")?;
        check(ringing.at("status").number() == Some(183.0), || "no 183 was told".into())
    };
    each(lab, run, "a required 180 is sent until its PRACK, a reliable 183 gets one")
}

/// 422 both ways, and who refreshes.
pub(crate) fn session_timer(lab: &mut Lab) -> Result<String> {
    let run = |lab: &mut Lab, transport: &str| {
        they_call(lab, transport, &["--max-calls", "1"], |script| {
            script.call("Supported: timer\nSession-Expires: 30\n");
            script.expect(422, &[("Min-SE", "90")]);
            script.request("ACK", "invite", NOTHING);
            script.call("Supported: timer\nMin-SE: 90\nSession-Expires: 90;refresher=uac\n");
            script.answered(&[("Session-Expires", "90;refresher=uac"), ("Require", "timer")]);
            script.call("Supported: timer\nMin-SE: 90\nSession-Expires: 90;refresher=uac\n");
            script.answered(&[("Session-Expires", "90")]);
            script.hang_up();
        })?
        .finish(lab, LIMIT)?;
        let args = ["call", "{}", "--session-expires", "90", "--duration", "0.5"];
        let call = we_call(lab, transport, &args, |script| {
            script.take_invite(&[("Session-Expires", "90"), ("Supported", "timer")]);
            script.answer_invite("422 Too Small", TAG, &format!("Min-SE: 240\n{NOTHING}"));
            script.take("ACK", &[]);
            script.take_invite(&[("Session-Expires", "240"), ("Min-SE", "240")]);
            let body = script.body(PCMU);
            let timer = "Require: timer\nSession-Expires: 240;refresher=uac\n";
            script.answer_invite("200 OK", TAG, &format!("{timer}{body}"));
            script.take("ACK", &[]);
            script.hung_up();
        })?;
        good(call, lab).map(drop)
    };
    each(lab, run, "422 with Min-SE to 30 s, 240 s after a 422, the refresher named")
}

/// SIPp changes a call that we made by UPDATE.
pub(crate) fn update(lab: &mut Lab) -> Result<String> {
    let run = |lab: &mut Lab, transport: &str| {
        let call = we_call(lab, transport, &["call", "{}", "--duration", "20"], |script| {
            script.answer("Allow: INVITE, ACK, BYE, CANCEL, UPDATE\n");
            script.request("UPDATE", "update", NOTHING);
            script.expect(200, &[]);
            let body = script.body(&format!("{PCMU}\na=sendonly"));
            script.request("UPDATE", "update", &body);
            script.expect(200, &[]);
            script.pause(200);
            script.hang_up();
        })?;
        let voip = good(call, lab)?;
        let held = voip.event(lab, "held")?;
        check(held.at("direction").text() == "recvonly", || "not held".into())
    };
    each(lab, run, "an UPDATE without a body and one that holds are answered")
}

/// SIPp transfers us: to another of our phones, and to something that no REFER may ask for.
pub(crate) fn they_transfer(lab: &mut Lab) -> Result<String> {
    let run = |lab: &mut Lab, transport: &str| {
        let target_port = ports(2)?;
        let [udp, tcp] = ["udp", "tcp"].map(|transport| format!("{transport}:127.0.0.1:{target_port}"));
        let args = ["answer", "--listen", &udp, "--listen", &tcp, "--hangup-after", "1", "--max-calls", "1"];
        let target = Voip::start(lab, "target", &args, None)?;
        target.ready(lab)?;
        let refer_to =
            |uri: &str| format!("Refer-To: <{uri}>\nReferred-By: <sip:tester@example.test>\n{NOTHING}");
        let voip = they_call(lab, transport, &["--max-calls", "1"], |script| {
            script.call("");
            script.answered(&[]);
            script.request("REFER", "refer", &refer_to("sip:x@example.test;method=BYE"));
            script.expect(403, &[]);
            script.request("REFER", "refer", &refer_to(&format!("sip:target@127.0.0.1:{target_port}")));
            script.expect(202, &[]);
            for state in ["active", "terminated"] {
                script.take("NOTIFY", &[("Event", "refer"), ("Subscription-State", state)]);
                script.reply("200 OK");
            }
            script.hang_up();
        })?;
        target.finish(lab, LIMIT)?;
        voip.finish(lab, LIMIT)?;
        let transfer = voip.event(lab, "transfer")?;
        check(transfer.at("to").text().contains(&target_port.to_string()), || "no transfer was told".into())
    };
    each(lab, run, "202 and reports until the new call is answered, 403 to a REFER that asks for a BYE")
}

/// We transfer SIPp, which does it, declines, or fails.
pub(crate) fn we_transfer(lab: &mut Lab) -> Result<String> {
    let run = |lab: &mut Lab, transport: &str| {
        let args = ["call", "{}", "--transfer-to", "sip:carol@example.test"];
        let call = we_call(lab, transport, &args, |script| {
            script.answer("");
            script.take("REFER", &[("Refer-To", "sip:carol@example.test")]);
            script.reply("202 Accepted");
            script.report("100 Trying", "active;expires=60");
            script.report("200 OK", "terminated;reason=noresource");
            script.hung_up();
        })?;
        let voip = good(call, lab)?;
        let last = voip.events("transfer")?.pop().ok_or("no transfer was told")?;
        check(last.at("status").number() == Some(200.0), || "not told as done".into())?;
        let refused = |lab: &mut Lab, status: &str, write: &dyn Fn(&mut Script)| -> Result {
            let (voip, code) = we_call(lab, transport, &args, |script| {
                script.answer("");
                script.take("REFER", &[]);
                write(script);
                script.hung_up();
            })?;
            let message = voip.event(lab, "error")?;
            check(code == 1 && message.at("message").text().contains(status), || {
                format!("exit code {code}: {}", message.at("message").text())
            })
        };
        refused(lab, "603", &|script| script.reply("603 Decline"))?;
        refused(lab, "486", &|script| {
            script.reply("202 Accepted");
            script.report("486 Busy Here", "terminated;reason=noresource");
        })
    };
    each(lab, run, "done: 200 and our BYE; declined or not reached: exit code 1 and the reason")
}

/// 302: the same call goes to the new address; ours sends callers elsewhere too.
pub(crate) fn redirected(lab: &mut Lab) -> Result<String> {
    let run = |lab: &mut Lab, transport: &str| {
        let call = we_call(lab, transport, &["call", "{}", "--duration", "0.5"], |script| {
            script.take_invite(&[]);
            // Not by the usual Contact.
            script.send(
                "SIP/2.0 302 Moved\nVia:[$inviteVia]\nFrom:[$inviteFrom]\nTo:[$inviteTo];tag=moved\n[last_Call-ID:]\nCSeq:[$inviteCSeq]\n\
                 Contact: <sip:moved@[local_ip]:[local_port];transport=[transport]>\nContent-Length: 0\n\n",
            );
            script.take("ACK", &[]);
            script.answer("");
            script.hung_up();
        })?;
        let voip = good(call, lab)?;
        let to = voip.event(lab, "redirected")?;
        check(to.at("to").text().starts_with("sip:moved@"), || "no redirection was told".into())?;
        let elsewhere = ["--redirect", "sip:elsewhere@192.0.2.1", "--max-calls", "1"];
        they_call(lab, transport, &elsewhere, |script| {
            script.call("");
            script.expect(302, &[("Contact", "sip:elsewhere@192.0.2.1")]);
            script.request("ACK", "invite", NOTHING);
        })?
        .finish(lab, LIMIT)
    };
    each(lab, run, "a 302 is followed, and ours names the Contact")
}

/// MESSAGE and INFO, outside of calls and within.
pub(crate) fn messages_and_keys(lab: &mut Lab) -> Result<String> {
    let run = |lab: &mut Lab, transport: &str| {
        let text = "Content-Type: text/plain\nContent-Length: [len]\n\nhello\n";
        let voip = they_call(lab, transport, &["--max-calls", "1"], |script| {
            script.call("");
            script.answered(&[]);
            script.request("MESSAGE", "message", text);
            script.expect(200, &[]);
            for (key, kind) in [("Signal=5\nDuration=200", "dtmf-relay"), ("7", "dtmf")] {
                let body = format!("Content-Type: application/{kind}\nContent-Length: [len]\n\n{key}\n");
                script.request("INFO", "info", &body);
                script.expect(200, &[]);
            }
            script.hang_up();
        })?;
        voip.finish(lab, LIMIT)?;
        let (digits, said) = (voip.digits()?, voip.event(lab, "message")?);
        check(digits == "57" && said.at("text").text().trim() == "hello", || {
            format!("digits {digits:?}, message {:?}", said.at("text").text())
        })?;
        good(
            we_call(lab, transport, &["call", "{}", "--dtmf", "info:9#"], |script| {
                script.answer("");
                for _ in ["9", "#"] {
                    script.take("INFO", &[("Content-Type", "application/dtmf-relay")]);
                    script.reply("200 OK");
                }
                script.hung_up();
            })?,
            lab,
        )?;
        let sent = we_call(lab, transport, &["message", "{}", "hello"], |script| {
            script.take("MESSAGE", &[("Content-Type", "text/plain")]);
            script.reply("202 Accepted");
        })?;
        good(sent, lab).map(drop)
    };
    each(lab, run, "text messages and keys as INFO, both ways")
}

/// Two places answer: each 2xx gets its own ACK, the second one a BYE.
pub(crate) fn forked(lab: &mut Lab) -> Result<String> {
    let run = |lab: &mut Lab, transport: &str| {
        let call = we_call(lab, transport, &["call", "{}", "--duration", "2"], |script| {
            script.take_invite(&[]);
            let body = script.body(PCMU);
            script.answer_invite("200 OK", "first", &body);
            script.take("ACK", &[("To", "tag=first")]);
            script.answer_invite("200 OK", "second", &body);
            script.take("ACK", &[("To", "tag=second")]);
            script.take("BYE", &[("To", "tag=second")]);
            script.reply("200 OK");
            script.take("BYE", &[("To", "tag=first")]);
            script.reply("200 OK");
            script.pause(300);
        })?;
        good(call, lab).map(drop)
    };
    each(lab, run, "two 2xx, two ACKs; the second place is hung up at once, the first one at the end")
}

/// Both sides change the call at the same time: 491 both ways, and both changes are made after all ([RFC 3261 §14.1]).
///
/// [RFC 3261 §14.1]: https://www.rfc-editor.org/rfc/rfc3261#section-14.1
pub(crate) fn glare(lab: &mut Lab) -> Result<String> {
    let run = |lab: &mut Lab, transport: &str| {
        let args = ["call", "{}", "--hold-after", "0.5", "--hold-for", "30", "--duration", "30"];
        let call = we_call(lab, transport, &args, |script| {
            script.answer("");
            script.take("INVITE", &[("Via", ".*"), ("From", ".*"), ("To", ".*"), ("CSeq", ".*")]);
            let theirs = script.body(&format!("{PCMU}\na=inactive"));
            script.request("INVITE", "invite", &theirs);
            script.line(r#"<recv response="100" optional="true"/>"#);
            script.expect(491, &[]);
            script.request("ACK", "invite", NOTHING);
            script.send(&format!(
                "SIP/2.0 491 Request Pending\nVia:[$Via]\nFrom:[$From]\nTo:[$To]\n[last_Call-ID:]\nCSeq:[$CSeq]\n{NOTHING}"
            ));
            script.take("ACK", &[]);
            // Who did not begin the dialog waits for less than 2 s, and we for 2.1 to 4.
            script.pause(800);
            script.call("");
            script.answered(&[]);
            script.take("INVITE", &[]);
            let answer = script.body(&format!("{PCMU}\na=recvonly"));
            script.respond("200 OK", &answer);
            script.take("ACK", &[]);
            script.pause(200);
            script.hang_up();
        })?;
        let held = good(call, lab)?.event(lab, "held")?;
        check(held.at("direction").text() == "sendonly", || "not held".into())
    };
    each(lab, run, "491 both ways, then their change, then ours")
}
