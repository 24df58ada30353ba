//! A headless baresip, driven through its control port: netstrings of JSON, as in `5:{...},`.

use super::lab::{Lab, ports, until};
use crate::{Result, json::Json};
use std::{
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const START: Duration = Duration::from_secs(10);

/// A running baresip that answers every call, sends a tone, and records what it hears.
pub(crate) struct Baresip {
    control: TcpStream,
    unread: Vec<u8>,
    /// Every event so far.
    events: Vec<Json>,
    port: u16,
    recordings: PathBuf,
}

/// Where a baresip registers.
pub(crate) struct Account<'a> {
    pub(crate) domain: &'a str,
    pub(crate) proxy: &'a str,
    pub(crate) password: &'a str,
}

impl Baresip {
    /// Starts one; `media_encryption` is baresip's own word for it, empty for none.
    pub(crate) fn start(lab: &mut Lab, tone_hz: u32, codec: &str, media_encryption: &str) -> Result<Self> {
        Self::start_with(lab, tone_hz, codec, media_encryption, None)
    }

    /// The same, registered as `phone` somewhere.
    pub(crate) fn start_with(
        lab: &mut Lab,
        tone_hz: u32,
        codec: &str,
        media_encryption: &str,
        account: Option<&Account>,
    ) -> Result<Self> {
        // The port after its SIP port is its TLS port, whether used or not.
        let (port, rtp) = (ports(4)?, ports(10)?);
        let control = port + 2;
        let recordings = lab.path("rec");
        std::fs::create_dir_all(&recordings)?;
        let (domain, registration) = match account {
            Some(Account { domain, proxy, password }) => {
                let digest = format!("auth_user=phone;auth_pass={password}");
                (domain.to_string(), format!("regint=60;{digest};outbound=\"{proxy};transport=udp\""))
            }
            None => (format!("127.0.0.1:{port}"), "regint=0".to_owned()),
        };
        let values = [
            ("DOMAIN", domain),
            ("REGISTRATION", registration),
            ("PORT", port.to_string()),
            ("CONTROL", control.to_string()),
            ("RTP", rtp.to_string()),
            ("RTP_END", (rtp + 9).to_string()),
            ("TONE", tone_hz.to_string()),
            ("CODEC", codec.to_owned()),
            (
                "MEDIAENC",
                if media_encryption.is_empty() {
                    String::new()
                } else {
                    format!(";mediaenc={media_encryption}")
                },
            ),
            ("MODULES", modules()?.display().to_string()),
            ("DIR", lab.path("").display().to_string().trim_end_matches('/').to_owned()),
        ];
        let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
        lab.fill("baresip/config", "config", &values)?;
        lab.fill("baresip/accounts", "accounts", &values)?;
        std::fs::write(lab.path("contacts"), "")?;
        let dir = lab.path("");
        lab.spawn("baresip", std::process::Command::new("baresip").arg("-v").arg("-f").arg(&dir))?;
        lab.wait_for("baresip.out", "baresip is ready", START)
            .map_err(|why| format!("{why}: {}", lab.tail("baresip")))?;
        let mut connected = None;
        until(START, || {
            connected = TcpStream::connect(("127.0.0.1", control)).ok();
            connected.is_some()
        });
        let control = connected.ok_or("baresip has no control port")?;
        Ok(Self { control, unread: Vec::new(), events: Vec::new(), port, recordings })
    }

    /// Where it can be called.
    pub(crate) fn uri(&self) -> String {
        format!("sip:phone@127.0.0.1:{}", self.port)
    }

    /// Gives it a command, by its long name.
    pub(crate) fn command(&mut self, command: &str, params: &str) -> Result {
        let body = format!(r#"{{"command":"{command}","params":"{params}","token":"t"}}"#);
        write!(self.control, "{}:{body},", body.len())?;
        Ok(())
    }

    /// Waits for an event of one of these kinds, also one that came before.
    pub(crate) fn wait(&mut self, kinds: &[&str], limit: Duration) -> Result<Json> {
        let end = Instant::now() + limit;
        loop {
            if let Some(event) = self.events.iter().find(|event| kinds.contains(&event.at("type").text())) {
                return Ok(event.clone());
            }
            if Instant::now() >= end {
                let seen: Vec<_> = self.events.iter().map(|event| event.at("type").text()).collect();
                return Err(format!("baresip said {seen:?} and not {kinds:?}").into());
            }
            self.read()?;
        }
    }

    /// Presses keys one after the other.
    pub(crate) fn press(&mut self, digits: &str) -> Result {
        for digit in digits.chars() {
            self.command("sndcode", &digit.to_string())?;
            std::thread::sleep(Duration::from_millis(400));
        }
        Ok(())
    }

    /// The keys that the other side pressed, once there are `count` or the time is up.
    pub(crate) fn digits(&mut self, count: usize, limit: Duration) -> Result<String> {
        let end = Instant::now() + limit;
        loop {
            let starts = self.events.iter().filter(|event| event.at("type").text() == "CALL_DTMF_START");
            let digits: String = starts.map(|event| event.at("param").text()).collect();
            if digits.len() >= count || Instant::now() >= end {
                return Ok(digits);
            }
            self.read()?;
        }
    }

    /// The recording of what it heard.
    pub(crate) fn heard(&self) -> Result<PathBuf> {
        let files = std::fs::read_dir(&self.recordings)?.filter_map(|entry| Some(entry.ok()?.path()));
        let heard = files.filter(|path| path.to_string_lossy().ends_with("dec.wav")).max();
        heard.ok_or_else(|| "baresip recorded nothing".into())
    }

    /// Takes in what has come within a tenth of a second.
    fn read(&mut self) -> Result {
        self.control.set_read_timeout(Some(Duration::from_millis(100)))?;
        let mut buffer = [0; 4096];
        match self.control.read(&mut buffer) {
            Ok(0) => return Err("baresip has ended".into()),
            Ok(count) => self.unread.extend(buffer.iter().take(count)),
            Err(_) => return Ok(()), // nothing came in time
        }
        while let Some((event, used)) = netstring(&self.unread) {
            self.events.extend(Json::parse(&event).ok());
            self.unread.drain(..used);
        }
        Ok(())
    }
}

/// The first whole netstring and its length with frame.
fn netstring(bytes: &[u8]) -> Option<(String, usize)> {
    let colon = bytes.iter().position(|byte| *byte == b':')?;
    let length: usize = std::str::from_utf8(bytes.get(..colon)?).ok()?.parse().ok()?;
    let body = bytes.get(colon + 1..colon + 1 + length)?;
    bytes.get(colon + 1 + length)?;
    Some((String::from_utf8_lossy(body).into_owned(), colon + length + 2))
}

fn modules() -> Result<PathBuf> {
    let folders = ["/usr/lib/baresip/modules", "/usr/local/lib/baresip/modules"].map(PathBuf::from);
    let multiarch =
        std::fs::read_dir("/usr/lib")?.filter_map(|entry| Some(entry.ok()?.path().join("baresip/modules")));
    let found = folders.into_iter().chain(multiarch).find(|folder| Path::is_dir(folder));
    found.ok_or_else(|| "baresip's modules are not where they usually are".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn netstrings_are_cut_off_whole() {
        assert_eq!(netstring(b"2:{},3:abc"), Some(("{}".into(), 5)));
        assert_eq!(netstring(b"12:{"), None);
        assert_eq!(netstring(b"1"), None);
    }
}
