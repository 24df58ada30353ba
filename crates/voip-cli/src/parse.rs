//! `voip parse`: reads a SIP message or a session description as the stack reads it, and says what is wrong with it.

use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};
use voip::crates::sdp::{ParseError as SdpError, SessionDescription};
use voip::crates::sip_msg::{Frame, Framer, Limits, Problem};
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
        if self.sdp {
            show(read_sdp(bytes), sdp_json);
        } else if self.stream {
            for reading in self.read_stream(&bytes) {
                show(reading, message_json);
            }
        } else {
            show(self.read_message(bytes), message_json);
        }
        refused.map_or(Ok(()), |reason| Err(Failure::Reported(reason)))
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
        match Message::parse(bytes.clone(), &Limits::default()) {
            Ok(message) => {
                let refused = message.check().err();
                let mut problems: Vec<Trouble> = message.problems().iter().map(Trouble::of).collect();
                if let Some(error) = &refused
                    && problems.is_empty()
                {
                    problems.push(Trouble::new(error.to_string(), Some(error.status())));
                }
                let ok = refused.is_none() && (!self.strict || problems.is_empty());
                Reading { message: Some(message), problems, ok, bytes }
            }
            Err(error) => {
                let trouble = Trouble::of(&Problem::from(&error));
                let message = Message::salvage(bytes.clone(), &Limits::default()).map(Message::Request);
                Reading { message, problems: vec![trouble], ok: false, bytes }
            }
        }
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

fn read_sdp(bytes: Vec<u8>) -> Reading {
    let problems = match SessionDescription::parse_bytes(&bytes) {
        Ok(_) => Vec::new(),
        Err(error) => vec![Trouble::of_sdp(&error, &bytes)],
    };
    Reading { message: None, ok: problems.is_empty(), problems, bytes }
}

impl Trouble {
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

    fn of_sdp(error: &SdpError, bytes: &[u8]) -> Self {
        let (line, letter, column, expected) = match error {
            SdpError::Malformed { line, letter, column, expected } => {
                (*line, *letter, *column, (*expected).to_owned())
            }
            SdpError::Repeated { line, letter } => (*line, *letter, 1, "a line that stands once".to_owned()),
            SdpError::Missing(letter) => return Self::new(format!("a {letter}= line"), None),
            SdpError::TooLarge { .. } | _ => return Self::new(error.to_string(), None),
        };
        let start: usize = bytes.split_inclusive(|&byte| byte == b'\n').take(line - 1).map(<[u8]>::len).sum();
        let header = Some(format!("{letter}= (line {line})"));
        Self { header, at: start + column - 1, expected, status: None, hint: "" }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}, byte {}: expected {}",
            self.header.as_deref().unwrap_or("message"),
            self.at,
            self.expected
        )?;
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

fn sdp_json(reading: &Reading) -> Value {
    json!({ "ok": reading.ok, "kind": "sdp", "problems": problems_json(&reading.problems) })
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
        Some(Message::Request(request)) => writeln!(out, "{} {}", request.method(), request.uri_text())?,
        Some(Message::Response(response)) => {
            writeln!(out, "{} {}", response.status().code(), response.reason())?
        }
        None => {}
    }
    if let Some(message) = &reading.message {
        for (name, value) in message.headers().iter() {
            writeln!(out, "  {:<24} {}", name.as_str(), String::from_utf8_lossy(value))?;
        }
        writeln!(out, "  body: {} bytes", message.body().len())?;
    }
    for trouble in &reading.problems {
        writeln!(out, "\n{trouble}")?;
        if let Some((line, column)) = line_at(&reading.bytes, trouble.at) {
            writeln!(out, "  {line}\n  {}^", " ".repeat(column))?;
        }
        if !trouble.hint.is_empty() {
            writeln!(out, "  hint: {}", trouble.hint)?;
        }
    }
    writeln!(out, "{}", if reading.ok { "ok" } else { "not acceptable" })
}

/// The line around a byte, as it can be shown, and the column of the byte in it.
fn line_at(bytes: &[u8], at: usize) -> Option<(String, usize)> {
    let at = at.min(bytes.len().checked_sub(1)?);
    let start = bytes.get(..at)?.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let line = bytes.get(start..)?.split(|&byte| byte == b'\n').next()?;
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(|c: char| c.is_control(), "·");
    let before = shown(bytes.get(start..at)?);
    Some((shown(line.strip_suffix(b"\r").unwrap_or(line)), before.chars().count()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &str = "OPTIONS sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
        From: <sip:a@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\
        Content-Length: 0\r\n\r\n";

    fn parse() -> Parse {
        Parse { file: "-".into(), sdp: false, stream: false, strict: false }
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

    #[test]
    fn a_broken_sdp_line_is_named_with_its_place() {
        let text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=soon\r\n";
        let value = sdp_json(&read_sdp(text.into()));
        assert_eq!(value["ok"], false);
        let at: usize = value["problems"][0]["at"].as_u64().unwrap().try_into().unwrap();
        assert!((text.find("t=").unwrap()..text.len()).contains(&at), "{value}");
    }

    #[test]
    fn the_caret_stands_under_the_byte() {
        assert_eq!(line_at(b"ab\r\ncde\r\n", 5), Some(("cde".into(), 1)));
        assert_eq!(line_at(b"ab", 99), Some(("ab".into(), 1)));
        assert_eq!(line_at(b"", 0), None);
    }
}
