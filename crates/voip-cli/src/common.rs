//! The options that all subcommands share, and what they mean for the endpoint.

use std::io::IsTerminal;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::EnvFilter;
use voip::{
    Account, BindError, CodecId, Config, Endpoint, HeaderName, Incoming, Listen, Outbound, PortChoice,
    Registration, RegistrationId, RegistrationState, SessionTimer, SrtpPolicy, StatusCode, Tls, Uri,
};

use crate::interrupt::interrupted;
use crate::report::Reporter;
use crate::session::GOODBYE;
use crate::wire::WireLog;
use crate::{Failure, Outcome};

/// Who calls when nobody is named.
const ANONYMOUS: &str = "sip:anonymous@anonymous.invalid";

/// Calls that may wait for their tasks: a second of a heavy load, on a busy machine.
const CALLS_WAITING: usize = 10_000;

/// Without these, or with two of them, no request finds its way or its answer back.
const OUR_HEADERS: [HeaderName; 11] = [
    HeaderName::VIA,
    HeaderName::FROM,
    HeaderName::TO,
    HeaderName::CALL_ID,
    HeaderName::CSEQ,
    HeaderName::CONTACT,
    HeaderName::MAX_FORWARDS,
    HeaderName::ROUTE,
    HeaderName::RECORD_ROUTE,
    HeaderName::CONTENT_TYPE,
    HeaderName::CONTENT_LENGTH,
];

/// What can be said for every subcommand.
#[derive(Debug, Args)]
#[command(next_help_heading = "Common options")]
pub(crate) struct Common {
    /// Log more: -v says what happens, -vv why, -vvv shows every SIP message; on stderr
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Print one JSON object a line for each event, and nothing else, on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print nothing of single calls: for load tests
    #[arg(long, global = true)]
    pub(crate) quiet: bool,
    /// Show callers in full instead of only their last four characters
    #[arg(long, global = true)]
    pub(crate) show_callers: bool,
    /// Local address: udp:IP:PORT, tcp:, tls:, ws: or wss:IP:PORT; port 0 picks one [default: udp and tcp on 0.0.0.0:0]
    #[arg(long, global = true, value_name = "URI")]
    pub(crate) listen: Vec<String>,
    /// Who we are, for example sip:alice@example.com; a password in it is accepted and never printed
    #[arg(long, global = true, value_name = "URI", env = "SIP_AOR", hide_env_values = true)]
    pub(crate) aor: Option<String>,
    /// User name for digest authentication [default: the user of the AOR]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) auth_user: Option<String>,
    /// File whose first line is the password (or set SIP_PASSWORD)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Where to register [default: the domain of the AOR]
    #[arg(long, global = true, value_name = "URI")]
    pub(crate) registrar: Option<String>,
    /// Outbound proxy, a pre-loaded route
    #[arg(long, global = true, value_name = "URI")]
    pub(crate) proxy: Vec<String>,
    /// Proxy to register through and to be reached by over the same connection (RFC 5626), repeatable
    #[arg(long, global = true, value_name = "URI")]
    pub(crate) outbound: Vec<String>,
    /// Which device this is, for example urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6 [default: a random one]
    #[arg(long, global = true, value_name = "URN", value_parser = urn)]
    pub(crate) instance: Option<String>,
    /// For answer and call: register first, and stay registered
    #[arg(long, global = true)]
    pub(crate) register: bool,
    /// The address to write into Via, Contact and SDP instead of the bound one
    #[arg(long, global = true, value_name = "IP")]
    pub(crate) advertise: Option<IpAddr>,
    /// STUN server for media (not available yet)
    #[arg(long, global = true, value_name = "HOST[:PORT]")]
    pub(crate) stun: Option<String>,
    /// TURN server for media (not available yet)
    #[arg(long, global = true, value_name = "URI")]
    pub(crate) turn: Option<String>,
    /// ICE: off, lite or full (only off is available yet)
    #[arg(long, global = true, value_enum, default_value_t = Ice::Off)]
    pub(crate) ice: Ice,
    /// One UDP port for the media of all calls
    #[arg(long, global = true, value_name = "PORT", conflicts_with = "media_ports")]
    pub(crate) media_port: Option<u16>,
    /// Ports for media, one pair for each call [default: the system picks]
    #[arg(long, global = true, value_name = "LOW-HIGH")]
    pub(crate) media_ports: Option<String>,
    /// Calls without media, for load tests of signalling: no sockets, inactive streams
    #[arg(long, global = true, conflicts_with_all = ["media_port", "media_ports"])]
    pub(crate) no_media: bool,
    /// Codecs in order of preference, of pcmu and pcma (opus, g722 and l16 are not available yet)
    #[arg(long, global = true, value_name = "LIST", value_delimiter = ',', default_value = "pcmu,pcma")]
    pub(crate) codec: Vec<String>,
    /// Media encryption: optional takes it if offered, required refuses anything clear (dtls is not available yet) [default: optional; demo: required]
    #[arg(long, global = true, value_enum)]
    pub(crate) srtp: Option<Srtp>,
    /// File with the CA certificates to trust beside the system's
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// File with our certificate chain (PEM); needed to listen on tls: and wss:
    #[arg(long, global = true, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// File with the private key of our certificate (PEM)
    #[arg(long, global = true, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Accept any certificate: for tests only
    #[arg(long, global = true)]
    pub(crate) tls_insecure: bool,
    /// Session timer: how long a call may stand without a sign of life from the other side [default: 1800]
    #[arg(long, global = true, value_name = "SECS", value_parser = clap::value_parser!(u32).range(90..))]
    pub(crate) session_expires: Option<u32>,
    /// Extra header on requests, repeatable
    #[arg(long, global = true, value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
    /// Product name for User-Agent and Server
    #[arg(long, global = true, value_name = "TEXT")]
    pub(crate) user_agent: Option<String>,
    /// Threads that work on calls: one is the cheapest; for the media of more than some hundred calls at a time take more
    #[arg(long, global = true, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: u16,
    /// Write a report after the calls (not available yet)
    #[arg(long, global = true, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
    /// Write a capture of the calls (not available yet)
    #[arg(long, global = true, value_name = "FILE.pcapng")]
    pub(crate) pcap: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Ice {
    Off,
    Lite,
    Full,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Srtp {
    Off,
    Optional,
    Required,
    Dtls,
}

impl Common {
    /// Logs go to stderr; `RUST_LOG` overrules `-v`.
    pub(crate) fn start_logging(&self) {
        let default = match self.verbose {
            0 => "error",
            1 => "info",
            _ => "debug",
        };
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(colour_on_stderr())
            .init();
    }

    /// What the calls are worked on with.
    ///
    /// A second thread is not free: each step of a call that goes from one to another wakes it through the system.
    pub(crate) fn runtime(&self) -> std::io::Result<Runtime> {
        let mut builder = match self.threads {
            0 | 1 => Builder::new_current_thread(),
            threads => {
                let mut many = Builder::new_multi_thread();
                many.worker_threads(threads.into());
                many
            }
        };
        builder.enable_all().build()
    }

    /// Refuses what is not built yet, before any packet is sent.
    pub(crate) fn check(&self) -> Outcome {
        let wanted = [
            ("--stun", self.stun.is_some()),
            ("--turn", self.turn.is_some()),
            ("--ice", self.ice != Ice::Off),
            ("--srtp dtls", self.srtp == Some(Srtp::Dtls)),
            ("--media-port", self.media_port.is_some()),
            ("--report", self.report.is_some()),
            ("--pcap", self.pcap.is_some()),
        ];
        wanted
            .iter()
            .find(|(_, wanted)| *wanted)
            .map_or(Ok(()), |(flag, _)| Err(Failure::not_available_yet(flag)))
    }

    /// The endpoint's settings.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        let mut config = Config::default().codecs(self.codecs()?).srtp(self.srtp_policy()).tls(self.tls()?);
        if !self.listen.is_empty() {
            let listen: Result<Vec<_>, _> = self.listen.iter().map(|text| parse_listen(text)).collect();
            config = config.listen(listen?);
        }
        if let Some(address) = self.advertise {
            config = config.advertise(address);
        }
        if let Some(name) = &self.user_agent {
            if name.is_empty() || name.contains(char::is_control) {
                return Err(Failure::usage(format!("--user-agent {name:?}: expected one line of text")));
            }
            config = config.user_agent(name);
        }
        for header in &self.header {
            let (name, value) = parse_header(header)?;
            config = config.header(name, value);
        }
        if let Some(range) = &self.media_ports {
            config = config.media_ports(parse_ports(range)?);
        }
        config = config.incoming_calls(CALLS_WAITING);
        if self.no_media {
            config = config.without_media();
        }
        if let Some(seconds) = self.session_expires {
            let timer = SessionTimer::default().interval(Duration::from_secs(seconds.into()));
            config = config.tune(move |agent| agent.session_timer(timer));
        }
        if self.verbose >= 3 {
            config = config.tap(Arc::new(WireLog::new(colour_on_stderr())));
        }
        Ok(config)
    }

    /// Opens the endpoint.
    pub(crate) async fn endpoint(&self) -> Result<(Endpoint, Incoming), Failure> {
        Endpoint::bind(self.config()?).await.map_err(|error| unbound(&error))
    }

    /// Who we are, if that was said.
    pub(crate) fn account(&self) -> Result<Option<Account>, Failure> {
        let Some(aor) = &self.aor else {
            if self.register {
                return Err(Failure::usage("--register needs --aor: who is to be registered?"));
            }
            if self.proxy.is_empty() {
                return Ok(None);
            }
            let nobody = Account::new(ANONYMOUS).map(|account| account.display_name("Anonymous"));
            return self
                .through_proxies(nobody.map_err(|error| Failure::usage(error.to_string()))?)
                .map(Some);
        };
        let mut account = Account::new(aor).map_err(|error| Failure::usage(format!("--aor: {error}")))?;
        if let Some(password) = self.password()? {
            account = account.password(&password);
        }
        if let Some(user) = &self.auth_user {
            account = account.auth_user(user);
        }
        if let Some(registrar) = &self.registrar {
            account = account.registrar(parse_uri("--registrar", registrar)?);
        }
        if let Some(urn) = &self.instance {
            account = account.instance(urn);
        }
        if !self.outbound.is_empty() {
            let through = |outbound: Outbound, proxy: &String| {
                Ok::<_, Failure>(outbound.proxy(parse_uri("--outbound", proxy)?.with_param("lr", None)))
            };
            account = account.outbound(self.outbound.iter().try_fold(Outbound::new(), through)?);
        }
        self.through_proxies(account).map(Some)
    }

    fn through_proxies(&self, account: Account) -> Result<Account, Failure> {
        self.proxy.iter().try_fold(account, |account, proxy| Ok(account.proxy(parse_uri("--proxy", proxy)?)))
    }

    /// The account, where one is needed.
    pub(crate) fn required_account(&self) -> Result<Account, Failure> {
        self.account()?
            .ok_or_else(|| Failure::usage("--aor is missing: who are we? (sip:user@domain, or set SIP_AOR)"))
    }

    /// With `--register`: registers and says so.
    pub(crate) async fn registration(
        &self,
        endpoint: &Endpoint,
        account: Option<&Account>,
        reporter: &Reporter,
    ) -> Result<Standing, Failure> {
        match account {
            Some(account) if self.register => {
                let registration = register(endpoint, account, reporter).await?;
                Ok(Standing(Some((registration, account.clone()))))
            }
            _ => Ok(Standing(None)),
        }
    }

    fn password(&self) -> Result<Option<String>, Failure> {
        let Some(file) = &self.password_file else { return Ok(std::env::var("SIP_PASSWORD").ok()) };
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::usage(format!("--password-file {}: {error}", file.display())))?;
        Ok(Some(text.lines().next().unwrap_or_default().to_owned()))
    }

    fn codecs(&self) -> Result<Vec<CodecId>, Failure> {
        let codec = |name: &String| match name.to_ascii_lowercase().as_str() {
            "pcmu" => Ok(CodecId::Pcmu),
            "pcma" => Ok(CodecId::Pcma),
            "opus" | "g722" | "l16" => Err(Failure::not_available_yet(&format!("--codec {name}"))),
            _ => {
                Err(Failure::usage(format!("--codec {name}: the codecs are opus, g722, pcmu, pcma and l16")))
            }
        };
        self.codec.iter().map(codec).collect()
    }

    fn srtp_policy(&self) -> SrtpPolicy {
        match self.srtp {
            Some(Srtp::Off) => SrtpPolicy::Off,
            None | Some(Srtp::Optional) => SrtpPolicy::Optional,
            Some(Srtp::Required | Srtp::Dtls) => SrtpPolicy::Required,
        }
    }

    fn tls(&self) -> Result<Tls, Failure> {
        let usage = |error: voip::TlsError| Failure::usage(error.to_string());
        let mut tls = Tls::default();
        if let Some(file) = &self.tls_ca {
            tls = tls.trust_file(file).map_err(usage)?;
        }
        if let (Some(chain), Some(key)) = (&self.tls_cert, &self.tls_key) {
            tls = tls.certificate_files(chain, key).map_err(usage)?;
        }
        Ok(if self.tls_insecure { tls.insecure() } else { tls })
    }
}

/// The registration behind `--register`, if that was asked for.
#[derive(Debug)]
pub(crate) struct Standing(Option<(Registration, Account)>);

impl Standing {
    /// What calls go through.
    pub(crate) fn id(&self) -> Option<RegistrationId> {
        self.0.as_ref().map(|(registration, _)| registration.id())
    }

    /// Unregisters, when there is something to unregister.
    pub(crate) async fn done(self, reporter: &Reporter) {
        if let Some((registration, account)) = self.0 {
            unregister(registration, &account, reporter).await;
        }
    }
}

/// Registers and reports the outcome; [`Failure::Interrupted`] when Ctrl-C came first.
pub(crate) async fn register(
    endpoint: &Endpoint,
    account: &Account,
    reporter: &Reporter,
) -> Result<Registration, Failure> {
    reporter.event("registering", json!({ "aor": account.aor().to_string() }));
    let mut registration =
        endpoint.keep_registered(account).await.map_err(|error| Failure::failed(error.to_string()))?;
    let state = tokio::select! {
        state = registration.changed() => state,
        () = interrupted() => return Err(Failure::Interrupted),
    };
    match report_registration(account, state.as_ref(), reporter) {
        Some(failure) => Err(failure),
        None => Ok(registration),
    }
}

/// Takes the binding off, and says so.
pub(crate) async fn unregister(registration: Registration, account: &Account, reporter: &Reporter) {
    match tokio::time::timeout(GOODBYE, registration.unregister()).await {
        Err(_) => reporter
            .event("error", json!({ "message": "the registrar has not confirmed that we unregister" })),
        Ok(Ok(())) => reporter.event("unregistered", json!({ "aor": account.aor().to_string() })),
        Ok(Err(error)) => reporter.event("error", json!({ "message": error.to_string() })),
    }
}

/// Why no socket could be opened, and what to do about it.
pub(crate) fn unbound(error: &BindError) -> Failure {
    let advice = match error {
        BindError::NoCertificate(_) => ": give --tls-cert and --tls-key",
        BindError::Listen(reason) if reason.kind() == std::io::ErrorKind::AddrInUse => {
            "; choose another port, or end the program that has it"
        }
        BindError::Listen(_) | BindError::Tls(_) | BindError::Random(_) | _ => "",
    };
    Failure::usage(format!("{error}{advice}"))
}

/// Whom to call or ask, before a socket is opened.
pub(crate) fn check_target(target: &str, account: Option<&Account>) -> Outcome {
    let uri = voip::resolve(target, account).map_err(|error| Failure::usage(error.to_string()))?;
    if uri.is_sip() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{target}: only sip: and sips: can be reached, and tel: at the domain of --aor"
    )))
}

/// The samples of a WAV file to play, before anybody is called.
pub(crate) fn load_wav(file: &Path) -> Result<Arc<[i16]>, Failure> {
    voip::wav::load(file).map(Arc::from).map_err(|error| Failure::usage(error.to_string()))
}

/// Says how a registration stands; a failure comes back.
pub(crate) fn report_registration(
    account: &Account,
    state: Option<&RegistrationState>,
    reporter: &Reporter,
) -> Option<Failure> {
    match state? {
        RegistrationState::Registered { expires, contact } => {
            let fields = json!({
                "aor": account.aor().to_string(), "expires": expires.as_secs(), "contact": contact.to_string(),
            });
            reporter.event("registered", fields);
            None
        }
        RegistrationState::Failed { status, reason, will_retry_in } => {
            let fields = json!({
                "status": status.map(StatusCode::code), "reason": reason.as_str(),
                "retry_in": will_retry_in.map(|wait| wait.as_secs()),
            });
            reporter.event("registration_failed", fields);
            let status = status.map(|status| format!("{} ", status.code())).unwrap_or_default();
            Some(Failure::failed(format!("{} is not registered: {status}{reason}", account.aor())))
        }
        RegistrationState::Unregistered => {
            reporter.event("unregistered", json!({ "aor": account.aor().to_string() }));
            None
        }
        RegistrationState::Registering | _ => None,
    }
}

/// `--listen`; what comes with later transports is named as such.
fn parse_listen(text: &str) -> Result<Listen, Failure> {
    text.parse().map_err(|error: voip::ListenError| Failure::usage(format!("--listen {error}")))
}

pub(crate) fn parse_uri(flag: &str, text: &str) -> Result<Uri, Failure> {
    Uri::parse(text.to_owned()).map_err(|error| Failure::usage(format!("{flag} {text}: {error}")))
}

fn parse_header(text: &str) -> Result<(HeaderName, &str), Failure> {
    let error = || Failure::usage(format!("--header {text:?}: expected 'Name: value' on one line"));
    let (name, value) = text.split_once(':').ok_or_else(error)?;
    let name = HeaderName::parse(name.trim().to_owned()).map_err(|_| error())?;
    if value.contains(char::is_control) {
        return Err(error());
    }
    if OUR_HEADERS.contains(&name) {
        return Err(Failure::usage(format!("--header {name}: this one is written by the stack itself")));
    }
    Ok((name, value.trim()))
}

fn parse_ports(text: &str) -> Result<PortChoice, Failure> {
    let error =
        || Failure::usage(format!("--media-ports {text}: expected LOW-HIGH, for example 10000-20000"));
    let (low, high) = text.split_once('-').ok_or_else(error)?;
    let (low, high) = (low.parse().map_err(|_| error())?, high.parse().map_err(|_| error())?);
    if low >= high {
        return Err(error());
    }
    Ok(PortChoice::Range(low, high))
}

fn colour_on_stderr() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// A whole number of seconds, or with a fraction, from the command line.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let error = || format!("{text}: expected a number of seconds");
    let seconds: f64 = text.trim_end_matches('s').parse().map_err(|_| error())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| error())
}

/// A name that stays the same (RFC 8141); it is written between `<` and `>` in quotes.
fn urn(text: &str) -> Result<String, String> {
    let name = text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:"));
    if name && text.chars().all(|c| c.is_ascii_graphic() && !"<>\"\\".contains(c)) {
        Ok(text.to_owned())
    } else {
        Err("expected urn:…".into())
    }
}

/// A frequency below half the sampling rate.
pub(crate) fn frequency(text: &str) -> Result<f64, String> {
    let hz: Option<f64> = text.parse().ok().filter(|hz| (1.0..4000.0).contains(hz));
    hz.ok_or_else(|| format!("{text}: expected a frequency from 1 Hz to below 4,000 Hz"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_split_at_its_colon() {
        let (name, value) = parse_header("X-Room: 12:30").unwrap();
        assert_eq!((name.as_str(), value), ("X-Room", "12:30"));
        for wrong in
            ["no colon", "X-A: 1\r\nX-B: 2", "X-A: 1\n", "X A: 1", "v: SIP/2.0/UDP host", "content-length: 9"]
        {
            assert!(parse_header(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_instance_is_a_urn() {
        assert!(urn("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6").is_ok());
        for wrong in ["uuid:1", "urn:a b", "urn:a>", "urn:\"", "", "ü"] {
            assert!(urn(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_tone_lies_where_a_phone_can_carry_it() {
        assert_eq!(frequency("440"), Ok(440.0));
        for wrong in ["0", "-1", "4000", "nan", "inf", "a"] {
            assert!(frequency(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_port_range_needs_two_ports_in_order() {
        assert!(parse_ports("10000-20000").is_ok());
        for wrong in ["10000", "20000-10000", "a-b", "1-99999"] {
            assert!(parse_ports(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn seconds_may_have_a_fraction_but_no_sign() {
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(seconds("2s"), Ok(Duration::from_secs(2)));
        assert!(seconds("-1").is_err());
        assert!(seconds("soon").is_err());
    }
}
