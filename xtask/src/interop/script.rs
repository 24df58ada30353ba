//! SIPp scenarios written from steps: one dialog in which offers go both ways, and what our side said in it.

use super::{lab::Lab, sipp::MESSAGES};
use crate::Result;
use std::{collections::HashSet, fmt::Write, fs};

/// What SIPp does next. `media` and `answer` are the lines of its description from the first `m=` on; `PORT` is its media port.
pub(crate) enum Step<'a> {
    /// Sends an INVITE with an offer; this final status must come.
    Offer { media: &'a str, expect: u16 },
    /// Sends an INVITE without an offer: ours comes with the 2xx, and this answer goes with the ACK.
    Ask { answer: &'a str },
    /// Sends an offer in an UPDATE.
    Update { media: &'a str },
    /// Waits for a re-INVITE of ours and answers it.
    Answer { media: &'a str },
    /// Waits for a re-INVITE of ours and refuses it.
    Refuse { status: u16 },
}

/// Who sent the INVITE that began the dialog.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Role {
    Caller,
    Called,
}

pub(crate) struct Script {
    role: Role,
    xml: String,
    /// The CSeq of SIPp's last request, and of its last INVITE.
    sequence: u32,
    invited: u32,
    /// The 2xx has come or gone.
    established: bool,
    /// What `<ereg>` has put somewhere, and nobody may look at.
    variables: Vec<String>,
    /// The version of SIPp's last description, and its media.
    version: u32,
    media: String,
}

/// The end of a message without a body.
pub(crate) const NOTHING: &str = "Content-Length: 0\n\n";
/// What SIPp says in the dialogs it began, for its own tag.
pub(crate) const TAG: &str = "[pid]t[call_number]";
const CONTACT: &str = "Contact: <sip:tester@[local_ip]:[local_port];transport=[transport]>";

/// SIPp calls, takes the steps, and hangs up.
pub(crate) fn caller(lab: &Lab, name: &str, steps: &[Step]) -> Result {
    let mut script = Script::new(Role::Caller, name);
    steps.iter().for_each(|step| script.step(step));
    script.write(lab, name, steps.iter().any(|step| !matches!(step, Step::Offer { expect: 300.., .. })))
}

/// SIPp is called, answers with this description, takes the steps, and hangs up.
pub(crate) fn called(lab: &Lab, name: &str, answer: &str, steps: &[Step]) -> Result {
    let mut script = Script::new(Role::Called, name);
    script.take_invite(&[]);
    let body = script.body(answer);
    script.answer_invite("200 OK", TAG, &body);
    script.line(r#"<recv request="ACK"/>"#);
    steps.iter().for_each(|step| script.step(step));
    script.write(lab, name, true)
}

impl Script {
    pub(crate) fn new(role: Role, name: &str) -> Self {
        let xml = format!("<?xml version=\"1.0\" encoding=\"ISO-8859-1\" ?>\n<scenario name=\"{name}\">\n");
        Self {
            role,
            xml,
            sequence: 0,
            invited: 0,
            established: false,
            variables: Vec::new(),
            version: 0,
            media: String::new(),
        }
    }

    /// Waits for a response whose headers match these patterns; a pattern's match is kept under the name of its header.
    pub(crate) fn expect(&mut self, status: u16, headers: &[(&str, &str)]) {
        let checks = self.checks("", headers);
        self.established |= status == 200;
        self.line(&format!(r#"<recv response="{status}" rrs="true">{checks}</recv>"#));
    }

    /// Waits for a request whose headers match.
    pub(crate) fn take(&mut self, method: &str, headers: &[(&str, &str)]) {
        let checks = self.checks("", headers);
        self.line(&format!(r#"<recv request="{method}">{checks}</recv>"#));
    }

    fn checks(&mut self, prefix: &str, headers: &[(&str, &str)]) -> String {
        let checks: String = headers
            .iter()
            .map(|(name, pattern)| {
                let variable = format!("{prefix}{}", name.replace('-', ""));
                let check = format!(
                    r#"<ereg regexp="{pattern}" search_in="hdr" header="{name}:" check_it="true" assign_to="{variable}"/>"#
                );
                self.variables.push(variable);
                check
            })
            .collect();
        if checks.is_empty() { checks } else { format!("<action>{checks}</action>") }
    }

    /// Waits for an INVITE and keeps what a later answer to it needs.
    pub(crate) fn take_invite(&mut self, headers: &[(&str, &str)]) {
        let kept = [("From", ".*"), ("To", ".*"), ("Via", ".*"), ("CSeq", ".*")];
        let checks = self.checks("invite", &[&kept, headers].concat());
        self.line(&format!(r#"<recv request="INVITE" rrs="true">{checks}</recv>"#));
    }

    /// Answers the INVITE that was taken last, whatever came since, with this tag of our own.
    pub(crate) fn answer_invite(&mut self, status: &str, tag: &str, rest: &str) {
        self.established |= status.starts_with('2');
        self.send(&format!(
            "SIP/2.0 {status}\nVia:[$inviteVia]\nFrom:[$inviteFrom]\nTo:[$inviteTo];tag={tag}\n[last_Call-ID:]\nCSeq:[$inviteCSeq]\n{CONTACT}\n{rest}"
        ));
    }

    /// SIPp hangs up, and waits for the answer.
    pub(crate) fn hang_up(&mut self) {
        self.request("BYE", "bye", NOTHING);
        self.line(r#"<recv response="200"/>"#);
    }

    pub(crate) fn pause(&mut self, milliseconds: u32) {
        self.line(&format!(r#"<pause milliseconds="{milliseconds}"/>"#));
    }

    /// Writes it down for a transport; over TLS somebody else encrypts, at the port `public`.
    pub(crate) fn finish(mut self, lab: &Lab, name: &str, secure: Option<u16>) -> Result {
        self.variables.sort();
        self.variables.dedup();
        if !self.variables.is_empty() {
            let variables = self.variables.join(",");
            self.line(&format!(r#"<Reference variables="{variables}"/>"#));
        }
        self.line("</scenario>");
        if let Some(public) = secure {
            self.xml = self.xml.replace("[transport]", "TLS");
            if self.role == Role::Called {
                self.xml = self.xml.replace("[local_port]", &public.to_string());
            }
        }
        Ok(fs::write(lab.path(&format!("{name}.xml")), self.xml)?)
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Offer { media, expect } => {
                let body = self.body(media);
                self.request("INVITE", "invite", &body);
                self.provisionals();
                self.line(&format!(r#"<recv response="{expect}" rrs="true"/>"#));
                self.established |= *expect < 300;
                // The ACK of a refusal belongs to the INVITE's transaction, RFC 3261 §17.1.1.3.
                self.request("ACK", if *expect < 300 { "ack" } else { "invite" }, "Content-Length: 0\n\n");
            }
            Step::Ask { answer } => {
                self.request("INVITE", "invite", "Content-Length: 0\n\n");
                self.provisionals();
                self.line(r#"<recv response="200" rrs="true"/>"#);
                self.established = true;
                let body = self.body(answer);
                self.request("ACK", "ack", &body);
            }
            Step::Update { media } => {
                let body = self.body(media);
                self.request("UPDATE", "update", &body);
                self.line(r#"<recv response="200"/>"#);
            }
            Step::Answer { media } => {
                let body = self.body(media);
                self.line(r#"<recv request="INVITE"/>"#);
                self.respond("200 OK", &body);
                self.line(r#"<recv request="ACK"/>"#);
            }
            Step::Refuse { status } => {
                self.line(r#"<recv request="INVITE"/>"#);
                self.respond(&format!("{status} Not now"), "Content-Length: 0\n\n");
                self.line(r#"<recv request="ACK"/>"#);
            }
        }
        self.line(r#"<pause milliseconds="300"/>"#);
    }

    pub(crate) fn provisionals(&mut self) {
        for status in [100, 180] {
            self.line(&format!(r#"<recv response="{status}" optional="true"/>"#));
        }
    }

    /// A description, with a new version when it says something new.
    pub(crate) fn body(&mut self, media: &str) -> String {
        if self.media != media {
            self.version += 1;
            media.clone_into(&mut self.media);
        }
        let media = media.replace("PORT", "[media_port]");
        format!(
            "Content-Type: application/sdp\nContent-Length: [len]\n\nv=0\no=tester 7 {} IN IP4 [local_ip]\ns=-\n\
             c=IN IP4 [media_ip]\nt=0 0\n{}\n",
            self.version,
            media.trim()
        )
    }

    pub(crate) fn request(&mut self, method: &str, branch: &str, rest: &str) {
        match method {
            "ACK" => {}
            "INVITE" => {
                self.sequence += 1;
                self.invited = self.sequence;
            }
            _ => self.sequence += 1,
        }
        // An early dialog has its target too; what is sent to nobody yet goes where the call goes.
        let first = self.role == Role::Caller && !self.established && branch == "invite";
        let uri = if first { "sip:[service]@[remote_ip]:[remote_port]" } else { "[next_url]" };
        let (from, to) = match self.role {
            Role::Caller if first && method == "INVITE" => (
                "From: <sip:tester@[local_ip]:[local_port]>;tag=[pid]t[call_number]",
                "To: <sip:[service]@[remote_ip]:[remote_port]>",
            ),
            Role::Caller => (
                "From: <sip:tester@[local_ip]:[local_port]>;tag=[pid]t[call_number]",
                "To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]",
            ),
            Role::Called => ("From:[$inviteTo];tag=[pid]t[call_number]", "To:[$inviteFrom]"),
        };
        let number = if method == "ACK" { self.invited } else { self.sequence };
        self.send(&format!(
            "{method} {uri} SIP/2.0\nVia: SIP/2.0/[transport] [local_ip]:[local_port];rport;branch=z9hG4bK-[pid]-[call_number]-{branch}{number}\n\
             Max-Forwards: 70\n{from}\n{to}\nCall-ID: [call_id]\nCSeq: {number} {method}\n{CONTACT}\n{rest}"
        ));
    }

    /// Answers a request other than INVITE: nothing confirms that it came, so it is not repeated by itself.
    pub(crate) fn reply(&mut self, status: &str) {
        self.line(&format!(
            "<send><![CDATA[\n\nSIP/2.0 {status}\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\n{CONTACT}\n{NOTHING}\n]]></send>"
        ));
    }

    pub(crate) fn respond(&mut self, status: &str, rest: &str) {
        self.send(&format!(
            "SIP/2.0 {status}\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\n{CONTACT}\n{rest}"
        ));
    }

    pub(crate) fn send(&mut self, message: &str) {
        let retransmits = if message.starts_with("ACK") { "" } else { " retrans=\"500\"" };
        self.line(&format!("<send{retransmits}><![CDATA[\n\n{message}\n]]></send>"));
    }

    pub(crate) fn line(&mut self, line: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.xml, "{line}");
    }

    fn write(mut self, lab: &Lab, name: &str, established: bool) -> Result {
        if established {
            self.hang_up();
        }
        self.finish(lab, name, None)
    }
}

/// Each description that SIPp had from us, in order and once each, as one line: by how much its version is above the first one's,
/// and for each m-line type, `on` or port 0, protocol, formats and direction.
pub(crate) fn said(lab: &Lab) -> Result<Vec<String>> {
    read(&fs::read_to_string(lab.path(MESSAGES))?)
}

fn read(log: &str) -> Result<Vec<String>> {
    let (mut seen, mut said, mut first) = (HashSet::new(), Vec::new(), None);
    for entry in log
        .split("-----------------------------------------------")
        .filter(|one| one.contains("message received"))
    {
        let text = entry.replace('\r', "");
        let Some((head, body)) = text.split_once("\nv=0\n") else { continue };
        let number = head.lines().find(|line| line.starts_with("CSeq:")).unwrap_or_default();
        if !seen.insert(format!("{number} {}", head.contains("\nSIP/2.0"))) {
            continue; // A repetition.
        }
        let origin = body.lines().find_map(|line| line.strip_prefix("o=")).ok_or("no o= line")?;
        let words: Vec<&str> = origin.split(' ').collect();
        let [user, id, version, rest @ ..] = words.as_slice() else {
            return Err(format!("o={origin}").into());
        };
        let (session, version) = ((format!("{user} {id} {rest:?}")), version.parse::<u64>()?);
        let (before, base) = first.get_or_insert_with(|| (session.clone(), version));
        if *before != session {
            return Err(format!("o={origin} after {before}").into());
        }
        let raised = version.checked_sub(*base).ok_or("the version fell")?;
        said.push(format!("+{raised}{}", media(body)));
    }
    Ok(said)
}

fn media(body: &str) -> String {
    let section = |section: &str| {
        let line = section.lines().next().unwrap_or_default();
        let words: Vec<&str> = line.split(' ').collect();
        let [kind, port, protocol, formats @ ..] = words.as_slice() else { return line.to_owned() };
        let directions = ["sendrecv", "sendonly", "recvonly", "inactive"];
        let direction =
            directions.iter().find(|word| section.contains(&format!("\na={word}\n"))).unwrap_or(&"");
        match *port {
            "0" => format!(" | {kind} 0"),
            _ => format!(" | {kind} on {protocol} {} {direction}", formats.join(" ")),
        }
    };
    body.split("\nm=").skip(1).map(|text| section(&format!("{text}\n"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_read_once_each() {
        let entry = |number: u32, version: u32, media: &str| {
            format!(
                "----------------------------------------------- now\nUDP message received [1] bytes:\n\nSIP/2.0 200 OK\r\n\
                 CSeq: {number} INVITE\r\n\r\nv=0\r\no=- 9 {version} IN IP4 192.0.2.1\r\ns=-\r\n{media}\r\n\n"
            )
        };
        let audio = "m=audio 4000 RTP/AVP 0 101\r\na=sendonly";
        let log = [entry(1, 5, audio), entry(1, 5, audio), entry(2, 6, "m=audio 0 RTP/AVP 0")].concat();
        assert_eq!(read(&log).unwrap(), ["+0 | audio on RTP/AVP 0 101 sendonly", "+1 | audio 0"]);
        assert!(read(&(entry(1, 5, audio) + &entry(2, 4, audio))).is_err());
        assert!(read(&(entry(1, 5, audio) + &entry(2, 6, audio).replace("- 9", "- 8"))).is_err());
    }
}
