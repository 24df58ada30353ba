//! Many calls at once to an echo, made with nothing but sockets: every numbered packet must come back.

use crate::Result;
use std::{
    fmt,
    net::{SocketAddr, UdpSocket},
    thread::sleep,
    time::{Duration, Instant},
};

const CALLS: usize = 200;
/// Numbered packets for each call: ten seconds at 50 a second.
const PACKETS: u32 = 500;
/// Packets before and after them that are not counted: the answering side may start and end a little apart from us.
const MARGIN: u32 = 50;
const PERIOD: Duration = Duration::from_millis(20);
/// The calls do not all send at the same instant.
const GROUPS: usize = 10;
const RESEND: Duration = Duration::from_millis(500);
const SET_UP_LIMIT: Duration = Duration::from_secs(20);
const SIZE: usize = 160;

/// What came of it.
pub(crate) struct Counts {
    sent: usize,
    pub(crate) missing: usize,
    doubled: usize,
    out_of_order: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, missing, doubled, out_of_order } = self;
        write!(
            f,
            "{CALLS} calls, {sent} packets at 50/s each: {missing} did not come back, {doubled} doubled, {out_of_order} out of order"
        )
    }
}

/// One call and its media socket.
struct Call {
    number: usize,
    rtp: UdpSocket,
    /// The 2xx, once it came.
    accepted: Option<String>,
    remote: Option<SocketAddr>,
    ended: bool,
    seen: Vec<u8>,
    highest: u32,
    out_of_order: usize,
}

/// Calls the echo at `address`, sends, counts, hangs up.
pub(crate) fn run(address: &str) -> Result<Counts> {
    let signalling = UdpSocket::bind("127.0.0.1:0")?;
    signalling.connect(address)?;
    signalling.set_read_timeout(Some(Duration::from_millis(10)))?;
    let mut calls = (0..CALLS).map(Call::new).collect::<Result<Vec<_>>>()?;
    exchange(&signalling, &mut calls, "INVITE", |call| call.accepted.is_some())?;
    stream(&mut calls)?;
    exchange(&signalling, &mut calls, "BYE", |call| call.ended)?;
    let counted = || calls.iter().flat_map(|call| &call.seen);
    Ok(Counts {
        sent: counted().count(),
        missing: counted().filter(|times| **times == 0).count(),
        doubled: counted().filter(|times| **times > 1).count(),
        out_of_order: calls.iter().map(|call| call.out_of_order).sum(),
    })
}

/// Sends one request for each call, and again until it is answered.
fn exchange(signalling: &UdpSocket, calls: &mut [Call], method: &str, done: fn(&Call) -> bool) -> Result {
    let local = signalling.local_addr()?;
    let start = Instant::now();
    while !calls.iter().all(done) {
        if start.elapsed() > SET_UP_LIMIT {
            let open = calls.iter().filter(|call| !done(call)).count();
            return Err(format!("{open} calls without an answer to {method}").into());
        }
        let round = Instant::now();
        for i in 0..calls.len() {
            let request = calls.get(i).filter(|call| !done(call)).map(|call| call.request(method, local));
            if let Some(request) = request {
                signalling.send(request?.as_bytes())?;
                receive(signalling, calls, local)?;
            }
        }
        while round.elapsed() < RESEND && !calls.iter().all(done) {
            receive(signalling, calls, local)?;
        }
    }
    // A 2xx that is repeated because its ACK was late has its answer coming.
    let end = Instant::now() + RESEND;
    while Instant::now() < end {
        receive(signalling, calls, local)?;
    }
    Ok(())
}

/// Takes in one message, if one comes within the socket's time, and acknowledges a 2xx to an INVITE.
fn receive(signalling: &UdpSocket, calls: &mut [Call], local: SocketAddr) -> Result {
    let mut buffer = [0; 4096];
    let Ok(count) = signalling.recv(&mut buffer) else { return Ok(()) };
    let text = String::from_utf8_lossy(buffer.get(..count).unwrap_or_default()).into_owned();
    let number = header(&text, "Call-ID").and_then(|id| id.split('@').next()?.parse::<usize>().ok());
    let Some(call) = number.and_then(|number| calls.get_mut(number)) else { return Ok(()) };
    let status = text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)).unwrap_or_default();
    let invite = header(&text, "CSeq").is_some_and(|cseq| cseq.ends_with("INVITE"));
    match (status.as_bytes().first(), invite) {
        (Some(b'1'), _) => {}
        (Some(b'2'), true) => {
            call.remote = Some(media_address(&text).ok_or("a 2xx without an address for media")?);
            call.accepted = Some(text);
            signalling.send(call.request("ACK", local)?.as_bytes())?;
        }
        (Some(b'2'), false) => call.ended = true,
        _ => return Err(format!("call {}: {}", call.number, text.lines().next().unwrap_or_default()).into()),
    }
    Ok(())
}

/// Sends every packet at its own time and takes in what comes back.
fn stream(calls: &mut [Call]) -> Result {
    let start = Instant::now();
    let group = calls.len().div_ceil(GROUPS);
    let slot = PERIOD / u32::try_from(GROUPS)?;
    for tick in 0..PACKETS + 2 * MARGIN {
        for (index, group) in (0..).zip(calls.chunks_mut(group)) {
            let due = start + PERIOD * tick + slot * index;
            sleep(due.saturating_duration_since(Instant::now()));
            for call in group {
                call.send(tick)?;
                call.drain();
            }
        }
    }
    sleep(Duration::from_millis(300));
    calls.iter_mut().for_each(Call::drain);
    Ok(())
}

impl Call {
    fn new(number: usize) -> Result<Self> {
        let rtp = UdpSocket::bind("127.0.0.1:0")?;
        rtp.set_nonblocking(true)?;
        let seen = vec![0; PACKETS as usize];
        Ok(Self {
            number,
            rtp,
            accepted: None,
            remote: None,
            ended: false,
            seen,
            highest: 0,
            out_of_order: 0,
        })
    }

    fn request(&self, method: &str, local: SocketAddr) -> Result<String> {
        let Self { number, .. } = self;
        let port = self.rtp.local_addr()?.port();
        let accepted = self.accepted.as_deref();
        let to = accepted.and_then(|text| header(text, "To")).unwrap_or("<sip:echo@127.0.0.1>");
        let contact = accepted.and_then(|text| header(text, "Contact"));
        let contact = contact.map(|value| value.split(['<', '>']).nth(1).unwrap_or(value));
        let target = contact.unwrap_or("sip:echo@127.0.0.1");
        let cseq = if method == "BYE" { 2 } else { 1 };
        let body = if method == "INVITE" {
            format!(
                "v=0\r\no=- {number} 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\n"
            )
        } else {
            String::new()
        };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        Ok(format!(
            "{method} {target} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {local};rport;branch=z9hG4bK-load-{number}-{method}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:load@{local}>;tag=load{number}\r\nTo: {to}\r\n\
             Call-ID: {number}@load\r\nCSeq: {cseq} {method}\r\nContact: <sip:load@{local}>\r\n{kind}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    fn send(&self, tick: u32) -> Result {
        let remote = self.remote.ok_or("no address for media")?;
        let mut packet = vec![0x80, if tick == 0 { 0x80 } else { 0 }];
        let sequence = u16::try_from(tick)?;
        packet.extend(sequence.to_be_bytes());
        packet.extend((tick * 160).to_be_bytes());
        packet.extend(u32::try_from(self.number)?.to_be_bytes());
        packet.extend(payload(self.number, tick));
        self.rtp.send_to(&packet, remote)?;
        Ok(())
    }

    fn drain(&mut self) {
        let mut buffer = [0; 2048];
        while let Ok(count) = self.rtp.recv(&mut buffer) {
            let payload = buffer.get(12..count).unwrap_or_default();
            let Some((call, tick)) = number_in(payload) else { continue };
            let counted = tick.checked_sub(MARGIN).and_then(|index| self.seen.get_mut(index as usize));
            if let Some(times) = counted.filter(|_| call == self.number) {
                *times = times.saturating_add(1);
                self.out_of_order += usize::from(tick < self.highest);
                self.highest = self.highest.max(tick);
            }
        }
    }
}

/// Each half byte of the numbers as a µ-law code that survives a decoder and an encoder (the two codes of zero do not).
fn payload(call: usize, tick: u32) -> [u8; SIZE] {
    let mut payload = [0x55; SIZE];
    let number = (call as u64) << 32 | u64::from(tick);
    for (place, shift) in payload.iter_mut().zip((0..64).step_by(4).rev()) {
        *place = 0x10 + (number >> shift & 0xf) as u8;
    }
    payload
}

fn number_in(payload: &[u8]) -> Option<(usize, u32)> {
    let digits = payload.get(..16).filter(|_| payload.len() == SIZE)?;
    let digit = |code: &u8| code.checked_sub(0x10).filter(|digit| *digit < 16).map(u64::from);
    let number = digits.iter().try_fold(0, |number, code| Some(number << 4 | digit(code)?))?;
    Some((usize::try_from(number >> 32).ok()?, u32::try_from(number & u64::from(u32::MAX)).ok()?))
}

fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let lines = message.lines().take_while(|line| !line.is_empty());
    let mut values = lines
        .filter_map(|line| line.split_once(':'))
        .filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
    values.next().map(|(_, value)| value.trim())
}

fn media_address(message: &str) -> Option<SocketAddr> {
    let value = |start: &str| message.lines().find_map(|line| line.strip_prefix(start));
    let port = value("m=audio ")?.split(' ').next()?;
    format!("{}:{port}", value("c=IN IP4 ")?.trim()).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_survives_its_payload() {
        assert_eq!(number_in(&payload(199, 599)), Some((199, 599)));
        assert_eq!(number_in(&[0xff; SIZE]), None);
        assert_eq!(number_in(&payload(1, 1)[..80]), None);
    }

    #[test]
    fn an_answer_is_read() {
        let answer =
            "SIP/2.0 200 OK\r\nto: <sip:a@b>;tag=1\r\n\r\nc=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n";
        assert_eq!(header(answer, "To"), Some("<sip:a@b>;tag=1"));
        assert_eq!(media_address(answer), Some("127.0.0.1:4000".parse().unwrap()));
    }
}
