//! A Kamailio of our own on loopback: registrar, digest, record-routing proxy.

use super::lab::{Lab, certificate, ports};
use crate::Result;
use std::{fs, path::PathBuf, process::Command, time::Duration};

/// A running Kamailio.
pub(crate) struct Kamailio {
    port: u16,
    tls_port: u16,
    log: PathBuf,
    authority: PathBuf,
}

/// Names that its certificate holds.
const GOOD_NAMES: &str = "DNS:interop.test,IP:127.0.0.1";
const WRONG_NAMES: &str = "DNS:elsewhere.test";

/// What it does to messages on purpose.
#[derive(Default)]
pub(crate) struct Faults {
    /// Loses the first so many requests of a method.
    pub(crate) requests: Option<(&'static str, u32)>,
    /// Loses the first so many responses to INVITEs with a status.
    pub(crate) responses: Option<(u16, u32)>,
    /// Holds every message back.
    pub(crate) delay_ms: u32,
}

impl Kamailio {
    pub(crate) fn start(lab: &mut Lab, algorithm: &str, wrong_name: bool) -> Result<Self> {
        Self::start_with(lab, algorithm, wrong_name, &Faults::default())
    }

    pub(crate) fn start_with(
        lab: &mut Lab,
        algorithm: &str,
        wrong_name: bool,
        faults: &Faults,
    ) -> Result<Self> {
        let (port, tls_port) = (ports(2)?, ports(2)?);
        let dir = lab.path("").display().to_string().trim_end_matches('/').to_owned();
        let names = if wrong_name { WRONG_NAMES } else { GOOD_NAMES };
        certificate(&lab.path(""), "proxy", names)?;
        let (udp, tls) = (port.to_string(), tls_port.to_string());
        let (method, requests) = faults.requests.unwrap_or(("NONE", 0));
        let (status, responses) = faults.responses.unwrap_or((0, 0));
        let [requests, responses, delay] = [requests, responses, faults.delay_ms].map(|n| n.to_string());
        let status = status.to_string();
        let values = [
            ("PORT", udp.as_str()),
            ("TLS_PORT", tls.as_str()),
            ("ALGORITHM", algorithm),
            ("DIR", &dir),
            ("CERT", "proxy"),
            ("LOSE_METHOD", method),
            ("LOSE_REQUESTS", &requests),
            ("LOSE_STATUS", &status),
            ("LOSE_REPLIES", &responses),
            ("DELAY_MS", &delay),
        ];
        lab.fill("kamailio/tls.cfg", "tls.cfg", &values)?;
        let config = lab.fill("kamailio/kamailio.cfg", "kamailio.cfg", &values)?;
        let mut command = Command::new("kamailio");
        command.arg("-DD").arg("-E").arg("-f").arg(config).arg("-Y").arg(&dir).args(["-m", "32", "-M", "8"]);
        lab.spawn("kamailio", &mut command)?;
        let up = super::lab::until(Duration::from_secs(10), || {
            std::net::TcpStream::connect(("127.0.0.1", tls_port)).is_ok()
        });
        if !up {
            return Err(format!("kamailio did not start: {}", lab.tail("kamailio")).into());
        }
        Ok(Self { port, tls_port, log: lab.path("kamailio.err"), authority: lab.path("proxy-ca.pem") })
    }

    /// Where to send requests over this transport.
    pub(crate) fn uri(&self, transport: &str) -> String {
        let port = if transport == "tls" { self.tls_port } else { self.port };
        format!("sip:127.0.0.1:{port};transport={transport}")
    }

    /// Options that make `voip` the phone of `user` behind this proxy.
    pub(crate) fn phone(&self, user: &str, transport: &str) -> Vec<String> {
        let mut args = vec![
            "--aor".to_owned(),
            format!("sip:{user}@interop.test"),
            "--registrar".into(),
            self.uri(transport),
            "--proxy".into(),
            format!("{};lr", self.uri(transport)),
            "--listen".into(),
            // Over TLS a phone has no certificate to listen with; it is called over the connection that it opened.
            format!("{}:127.0.0.1:0", if transport == "tls" { "udp" } else { transport }),
        ];
        if transport == "tls" {
            args.extend(["--tls-ca".to_owned(), self.authority.display().to_string()]);
        }
        args
    }

    /// How often it logged this.
    pub(crate) fn count(&self, what: &str) -> usize {
        fs::read_to_string(&self.log).unwrap_or_default().matches(&format!("TEST {what}")).count()
    }
}
