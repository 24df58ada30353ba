//! `voip parse`: reads a SIP message or a session description as the stack reads it, and says what is wrong with it.

mod sdp;

use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};
use voip::crates::sip_msg::{CheckError, Frame, Framer, HeaderError, HeaderName, Limits, Problem};
use voip::{Message, StatusCode};

use crate::common::Common;
use crate::{Failure, Outcome};

/// Exit code 0 when a server would accept it, 1 otherwise.
#[derive(Debug, Args)]
pub(crate) struct Parse {
    /// The file to read; - for standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// It is a session description (SDP), not a SIP message
    #[arg(long, conflicts_with = "stream")]
    sdp: bool,
    /// Answer the description as a phone with these codecs would, and say why so: of opus, g722, pcmu, pcma, h264, vp8 …; --srtp counts
    #[arg(long, value_name = "CODECS", value_delimiter = ',', requires = "sdp")]
    answer_with: Vec<String>,
    /// It is a stream of messages, as on TCP, not one datagram
    #[arg(long)]
    stream: bool,
    /// Anything wrong counts, even what no server would refuse the message for
    #[arg(long)]
    strict: bool,
}

/// What was understood of one message.
struct Reading {
    message: Option<Message>,
    problems: Vec<Trouble>,
    ok: bool,
    bytes: Vec<u8>,
}

/// One thing that is wrong.
struct Trouble {
    header: Option<String>,
    at: usize,
    expected: String,
    status: Option<StatusCode>,
    hint: &'static str,
}

impl Parse {
    pub(crate) fn run(self, common: &Common) -> Outcome {
        let bytes =
            self.read().map_err(|error| Failure::usage(format!("{}: {error}", self.file.display())))?;
        if self.sdp {
            return self.run_sdp(bytes, common);
        }
        let mut refused = None;
        let mut show = |reading: Reading, to_json: fn(&Reading) -> Value| {
            let mut out = std::io::stdout().lock();
            // A reader that went away (`| head`) does not change the verdict.
            let _ = match common.json {
                true => writeln!(out, "{}", to_json(&reading)),
                false => print_reading(&mut out, &reading),
            };
            if !reading.ok && refused.is_none() {
                refused = Some(reading.problems.first().map(ToString::to_string).unwrap_or_default());
            }
        };
        if self.stream {
            for reading in self.read_stream(&bytes) {
                show(reading, message_json);
            }
        } else {
            show(self.read_message(bytes), message_json);
        }
        refused.map_or(Ok(()), |reason| Err(Failure::Reported(reason)))
    }

    fn run_sdp(&self, bytes: Vec<u8>, common: &Common) -> Outcome {
        let answering = match self.answer_with.as_slice() {
            [] => None,
            names => Some(sdp::Answering::new(names, common.srtp)?),
        };
        let sdp = sdp::Sdp::read(bytes, answering.as_ref());
        let mut out = std::io::stdout().lock();
        let _ = match common.json {
            true => writeln!(out, "{}", sdp.json()),
            false => sdp.print(&mut out),
        };
        sdp.failure().map_or(Ok(()), |reason| Err(Failure::Reported(reason)))
    }

    fn read(&self) -> std::io::Result<Vec<u8>> {
        if self.file.as_os_str() != "-" {
            return std::fs::read(&self.file);
        }
        if std::io::stdin().is_terminal() {
            eprintln!("reading standard input; end it with Ctrl-D");
        }
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn read_message(&self, bytes: Vec<u8>) -> Reading {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            let trouble = Trouble::new("a SIP message, found nothing".into(), Some(StatusCode::BAD_REQUEST));
            return Reading { message: None, problems: vec![trouble], ok: false, bytes };
        }
        let limits = Limits::default();
        let mut problems: Vec<Trouble> =
            Problem::find(bytes.clone(), &limits).iter().map(Trouble::of).collect();
        let Ok(message) = Message::parse(bytes.clone(), &limits) else {
            let message = Message::salvage(bytes.clone(), &limits).map(Message::Request);
            return Reading { message, problems, ok: false, bytes };
        };
        let refused = message.check().err();
        if let Some(error) = &refused {
            // What it is refused for comes first.
            let name = refused_header(error).map(HeaderName::as_str);
            match problems.iter().position(|trouble| trouble.header.as_deref() == name) {
                Some(at) => {
                    let trouble = problems.remove(at);
                    problems.insert(0, trouble);
                }
                None => problems.insert(0, Trouble::new(error.to_string(), Some(error.status()))),
            }
        } else if let Some(trouble) = Trouble::of_uas(&message, &bytes) {
            problems.insert(0, trouble);
            return Reading { message: Some(message), problems, ok: false, bytes };
        }
        let ok = refused.is_none() && (!self.strict || problems.is_empty());
        Reading { message: Some(message), problems, ok, bytes }
    }

    fn read_stream(&self, bytes: &[u8]) -> Vec<Reading> {
        let mut framer = Framer::new(Limits::default());
        framer.push(bytes);
        let mut readings = Vec::new();
        while let Some(frame) = framer.next() {
            match frame {
                Ok(Frame::Message(bytes)) => readings.push(self.read_message(bytes.to_vec())),
                Ok(Frame::Ping | Frame::Pong) => {}
                Err(error) => {
                    let problems = vec![Trouble::of(&Problem::from(&error.error))];
                    readings.push(Reading { message: None, problems, ok: false, bytes: error.head.to_vec() });
                }
            }
        }
        let pending = framer.pending();
        if pending > 0 && readings.last().is_none_or(|reading| reading.ok) {
            let rest = bytes.get(bytes.len().saturating_sub(pending)..).unwrap_or_default().to_vec();
            let trouble = Trouble::new(
                format!("the rest of a message: the stream ends after {pending} bytes of it"),
                None,
            );
            readings.push(Reading { message: None, problems: vec![trouble], ok: false, bytes: rest });
        }
        readings
    }
}

/// The header a message is refused for; `None` for its start line.
fn refused_header(error: &CheckError) -> Option<&HeaderName> {
    match error {
        CheckError::Header(HeaderError::Missing(name) | HeaderError::Malformed { name, .. })
        | CheckError::Repeated(name) => Some(name),
        CheckError::CSeqMethod => Some(&HeaderName::CSEQ),
        CheckError::Header(_)
        | CheckError::RequestUri(_)
        | CheckError::UriScheme
        | CheckError::Extension(_)
        | _ => None,
    }
}

/// The option tags that RFCs define: a server that supports more of them than another is no better judge of a message.
const OPTION_TAGS: [&str; 36] = [
    "100rel",
    "199",
    "answermode",
    "early-session",
    "eventlist",
    "explicitsub",
    "from-change",
    "geolocation-http",
    "geolocation-sip",
    "gin",
    "gruu",
    "histinfo",
    "ice",
    "join",
    "multiple-refer",
    "norefersub",
    "nosub",
    "outbound",
    "path",
    "policy",
    "precondition",
    "pref",
    "privacy",
    "recipient-list-invite",
    "recipient-list-message",
    "recipient-list-subscribe",
    "record-aware",
    "replaces",
    "resource-priority",
    "sdp-anat",
    "sec-agree",
    "siprec",
    "tdialog",
    "timer",
    "trickle-ice",
    "uui",
];

impl Trouble {
    /// Why a server refuses what is well formed: the scheme of the Request-URI, or an extension that no RFC defines.
    fn of_uas(message: &Message, bytes: &[u8]) -> Option<Self> {
        let request = message.as_request()?;
        let error = request.check_uas(&OPTION_TAGS).err()?;
        let find = |text: &str| bytes.windows(text.len().max(1)).position(|part| part == text.as_bytes());
        let (header, at, expected, hint) = match &error {
            CheckError::UriScheme => (
                None,
                find(request.uri_text()),
                "sip:, sips: or tel:".to_owned(),
                "send it to a SIP URI, or to a server that knows the scheme",
            ),
            CheckError::Extension(unsupported) => {
                let tag = unsupported.iter().next()?;
                let at = find(tag);
                let hint = "take the tag out, or spell it as its RFC does";
                (Some("Require".to_owned()), at, "option tags that RFCs define".to_owned(), hint)
            }
            CheckError::Header(_)
            | CheckError::Repeated(_)
            | CheckError::CSeqMethod
            | CheckError::RequestUri(_)
            | _ => (None, None, error.to_string(), ""),
        };
        Some(Self { header, at: at.unwrap_or(0), expected, status: Some(error.status()), hint })
    }

    /// Whether a header is not there, so that nothing can be pointed at.
    fn is_missing(&self) -> bool {
        self.expected == "this header"
    }

    fn new(expected: String, status: Option<StatusCode>) -> Self {
        Self { header: None, at: 0, expected, status, hint: "" }
    }

    fn of(problem: &Problem) -> Self {
        Self {
            header: problem.header.as_ref().map(|name| name.as_str().to_owned()),
            at: problem.at,
            expected: problem.expected.into(),
            status: Some(problem.status),
            hint: problem.hint,
        }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let header = self.header.as_deref().unwrap_or("message");
        match self.is_missing() {
            true => write!(f, "{header} is missing")?,
            false => write!(f, "{header}, byte {}: expected {}", self.at, self.expected)?,
        }
        if let Some(status) = self.status {
            write!(f, " ({})", status.code())?;
        }
        Ok(())
    }
}

fn message_json(reading: &Reading) -> Value {
    let mut object = Map::new();
    object.insert("ok".into(), reading.ok.into());
    let start = match &reading.message {
        Some(Message::Request(request)) => json!({
            "kind": "request", "method": request.method().as_str(), "uri": request.uri_text().as_str(),
        }),
        Some(Message::Response(response)) => json!({
            "kind": "response", "status": response.status().code(), "reason": response.reason().as_str(),
        }),
        None => json!({ "kind": null }),
    };
    if let Value::Object(start) = start {
        object.extend(start);
    }
    let headers = reading.message.iter().flat_map(|message| message.headers().iter());
    let headers = headers
        .map(|(name, value)| json!({ "name": name.as_str(), "value": String::from_utf8_lossy(value) }));
    object.insert("headers".into(), headers.collect());
    object
        .insert("body_len".into(), reading.message.as_ref().map_or(0, |message| message.body().len()).into());
    object.insert("problems".into(), problems_json(&reading.problems));
    Value::Object(object)
}

fn problems_json(problems: &[Trouble]) -> Value {
    let problem = |trouble: &Trouble| {
        json!({
            "header": trouble.header, "at": trouble.at, "expected": trouble.expected,
            "status": trouble.status.map(StatusCode::code),
        })
    };
    problems.iter().map(problem).collect()
}

fn print_reading(out: &mut impl Write, reading: &Reading) -> std::io::Result<()> {
    match &reading.message {
        Some(Message::Request(request)) => {
            writeln!(out, "{} {}", request.method(), shown(request.uri_text().as_bytes()))?
        }
        Some(Message::Response(response)) => {
            writeln!(out, "{} {}", response.status().code(), shown(response.reason().as_bytes()))?
        }
        None => {}
    }
    if let Some(message) = &reading.message {
        for (name, value) in message.headers().iter() {
            let lines: Vec<String> =
                value.split(|&byte| byte == b'\n').map(|line| shown(line.trim_ascii())).collect();
            writeln!(out, "  {:<24} {}", name.as_str(), lines.join(" "))?;
        }
        writeln!(out, "  body: {} bytes", message.body().len())?;
    }
    let missing: Vec<&str> = reading
        .problems
        .iter()
        .filter(|trouble| trouble.is_missing())
        .filter_map(|trouble| trouble.header.as_deref())
        .collect();
    let mut missing = Some(missing).filter(|names| names.len() > 1);
    for trouble in &reading.problems {
        match missing.as_ref().filter(|_| trouble.is_missing()) {
            // All at once: they have one cause, and one cure.
            Some(names) if names.is_empty() => continue,
            Some(names) => writeln!(out, "\n{} are missing (400)", names.join(", "))?,
            None => writeln!(out, "\n{trouble}")?,
        }
        if trouble.is_missing() {
            missing.iter_mut().for_each(Vec::clear);
        }
        if let Some((line, column)) = line_at(&reading.bytes, trouble.at).filter(|_| !trouble.is_missing()) {
            let before = reading.bytes.len().saturating_sub(1).min(trouble.at);
            let number = 1 + reading.bytes.iter().take(before).filter(|&&byte| byte == b'\n').count();
            let (line, column) = around(&line, column);
            let margin = format!("{number:>4} | ");
            writeln!(out, "{margin}{line}\n{}^", " ".repeat(margin.len() + column))?;
        }
        if !trouble.hint.is_empty() {
            writeln!(out, "  hint: {}", trouble.hint)?;
        }
    }
    match (reading.ok, reading.problems.first().and_then(|trouble| trouble.status)) {
        (true, None) => writeln!(out, "ok"),
        (true, Some(_)) => writeln!(out, "ok, though not without problems"),
        (false, Some(status)) if !reading.bytes.trim_ascii_start().starts_with(b"SIP/") => {
            writeln!(out, "not acceptable: a server answers {status}")
        }
        (false, _) => writeln!(out, "not acceptable"),
    }
}

/// What can be printed of it: no byte that moves the cursor or colours the terminal.
fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace(|c: char| c.is_control(), "·")
}

/// So much of a line as stands well on a terminal, with the column in it.
fn around(line: &str, column: usize) -> (String, usize) {
    const BEFORE: usize = 60;
    const WIDTH: usize = 100;
    let skipped = column.saturating_sub(BEFORE);
    let dots = if skipped > 0 { "…" } else { "" };
    let mut part: String = dots.chars().chain(line.chars().skip(skipped).take(WIDTH)).collect();
    if line.chars().count() > skipped + WIDTH {
        part.push('…');
    }
    (part, column - skipped + dots.chars().count())
}

/// The line around a byte, as it can be shown, and the column of the byte in it; behind the line for its end.
fn line_at(bytes: &[u8], at: usize) -> Option<(String, usize)> {
    let at = at.min(bytes.len().checked_sub(1)?);
    let start = bytes.get(..at)?.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let line = bytes.get(start..)?.split(|&byte| byte == b'\n').next()?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let before = shown(line.get(..at - start).unwrap_or(line));
    Some((shown(line), before.chars().count()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &str = "OPTIONS sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
        From: <sip:a@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\
        Content-Length: 0\r\n\r\n";

    fn parse() -> Parse {
        Parse { file: "-".into(), sdp: false, answer_with: Vec::new(), stream: false, strict: false }
    }

    #[test]
    fn a_good_message_is_ok() {
        let value = message_json(&parse().read_message(OPTIONS.into()));
        assert_eq!(value["ok"], true);
        assert_eq!(value["kind"], "request");
        assert_eq!(value["method"], "OPTIONS");
        assert_eq!(value["headers"][4]["name"], "CSeq");
        assert_eq!(value["problems"], json!([]));
    }

    #[test]
    fn a_bad_header_is_named_with_its_place_and_status() {
        let text = OPTIONS.replace("CSeq: 1", "CSeq: one");
        let value = message_json(&parse().read_message(text.clone().into()));
        assert_eq!(value["ok"], false);
        assert_eq!(value["problems"][0]["header"], "CSeq");
        assert_eq!(value["problems"][0]["status"], 400);
        assert_eq!(value["problems"][0]["at"], text.find("one").unwrap());
    }

    #[test]
    fn a_stream_gives_each_message_and_what_is_left() {
        let bytes = [OPTIONS, OPTIONS, "OPTIONS sip:"].concat();
        let readings = parse().read_stream(bytes.as_bytes());
        assert_eq!(readings.iter().map(|reading| reading.ok).collect::<Vec<_>>(), [true, true, false]);
    }

    /// What is printed for a message.
    fn printed(text: &str) -> String {
        let mut out = Vec::new();
        print_reading(&mut out, &parse().read_message(text.into())).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn everything_wrong_is_shown_with_its_line_and_what_it_is_refused_for_first() {
        let text = OPTIONS
            .replace("To: ", "Contact: <sip:a\r\nTo: \u{1b}[31m")
            .replace("SIP/2.0\r\nVia", "SIP/2.0\r\nx-y:z\r\nVia");
        let shown = printed(&text);
        let to = shown.find("\nTo, byte").unwrap();
        assert!(to < shown.find("\nContact, byte").unwrap(), "{shown}");
        let expected = "   6 | To: ·[31m<sip:bob@example.com>\n           ^\n  hint:";
        assert!(shown.contains(expected) && !shown.contains('\u{1b}'), "{shown}");
        assert!(shown.ends_with("not acceptable: a server answers 400 Bad Request\n"), "{shown}");
    }

    #[test]
    fn a_message_that_cannot_be_framed_is_shown_with_all_its_problems() {
        let text = OPTIONS.replace("CSeq: 1", "CSeq: one").replace("Length: 0", "Length: 9");
        let value = message_json(&parse().read_message(text.clone().into()));
        assert_eq!(value["problems"][0]["header"], "Content-Length");
        assert_eq!(value["problems"][0]["at"], text.find("9\r\n\r\n").unwrap());
        assert_eq!(value["problems"][1]["header"], "CSeq");
    }

    #[test]
    fn missing_headers_are_named_without_a_caret() {
        let shown = printed("OPTIONS sip:a SIP/2.0\r\nTo: <sip:a>\r\n\r\n");
        let end = "\n\nVia, From, Call-ID, CSeq are missing (400)\n  hint: every request and response needs it\nnot ";
        assert!(shown.contains(end) && !shown.contains('^'), "{shown}");
        let shown = printed(&OPTIONS.replace("CSeq", "X"));
        assert!(shown.contains("\nCSeq is missing (400)\n"), "{shown}");
        let shown = printed("SIP/2.0 200 OK\r\nTo: <sip:a>\r\n");
        assert!(
            shown.contains("   2 | To: <sip:a>\n                  ^"),
            "at the end of the last line: {shown}"
        );
        assert!(shown.ends_with("\nnot acceptable\n"), "nobody answers a response: {shown}");
        assert!(printed("").contains("expected a SIP message, found nothing"));
    }

    #[test]
    fn what_a_server_does_not_support_is_refused_as_it_would() {
        for (good, bad, status, at) in [
            ("sip:bob@example.com SIP", "http://example.com SIP", 416, "http://"),
            ("CSeq", "Require: 100rel, newest\r\nCSeq", 420, "newest"),
        ] {
            let text = OPTIONS.replace(good, bad);
            let value = message_json(&parse().read_message(text.clone().into()));
            assert_eq!((&value["ok"], &value["problems"][0]["status"]), (&json!(false), &json!(status)));
            assert_eq!(value["problems"][0]["at"], text.find(at).unwrap());
        }
        let known = OPTIONS.replace("CSeq", "Require: 100rel\r\nCSeq");
        assert_eq!(message_json(&parse().read_message(known.into()))["ok"], true);
    }

    #[test]
    fn long_lines_are_shown_around_the_caret() {
        let line = format!("{}x{}", "a".repeat(500), "b".repeat(500));
        let (part, column) = around(&line, 500);
        assert_eq!((part.chars().nth(column), part.chars().count()), (Some('x'), 102));
        assert_eq!(around("abc", 1), ("abc".to_owned(), 1));
    }

    #[test]
    fn the_caret_stands_under_the_byte() {
        assert_eq!(line_at(b"ab\r\ncde\r\n", 5), Some(("cde".into(), 1)));
        assert_eq!(line_at(b"ab", 99), Some(("ab".into(), 1)));
        assert_eq!(line_at(b"", 0), None);
    }
}
