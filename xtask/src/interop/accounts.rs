//! Accounts: registrations that must survive what registrars do, and phones of others at our own registrar.

use super::{
    baresip::{Account, Baresip},
    lab::{Lab, finish, ports, until},
    scenarios::Scenario,
    script::{NOTHING, Role, Script},
    sipp::{Load, MESSAGES, Sipp},
    sound::Sound,
    voip::Voip,
};
use crate::Result;
use std::{fs, process::Command, time::Duration};

const KAMAILIO: &[&str] = &["kamailio", MODULES];
/// What comes in packages of its own.
pub(super) const MODULES: &str = "kamailio's modules for WebSocket and outbound";

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "accounts-short-and-stale", peers: KAMAILIO, run: short_and_stale },
    Scenario { name: "accounts-min-expires", peers: KAMAILIO, run: min_expires },
    Scenario { name: "accounts-restart", peers: KAMAILIO, run: restart },
    Scenario { name: "accounts-outbound", peers: KAMAILIO, run: outbound },
    Scenario { name: "accounts-web-socket", peers: KAMAILIO, run: web_socket },
    Scenario { name: "accounts-sipp-refuses", peers: &["sipp"], run: sipp_refuses },
    Scenario { name: "accounts-baresip-at-ours", peers: &["baresip"], run: baresip_at_ours },
    Scenario { name: "accounts-fork-at-ours", peers: &[], run: fork_at_ours },
];

const LIMIT: Duration = Duration::from_secs(40);
const PASSWORD: Option<&str> = Some("secret");
/// Accounts of the process that outlives its registrar.
const MANY: u32 = 1000;
/// REGISTER requests that our agent begins in a second, a challenged one being sent twice, and those that go together.
const BURST: usize = 2 * (500 + 16);

/// Whether the modules are there.
pub(super) fn has_modules() -> bool {
    let Ok(folders) = fs::read_dir("/usr/lib") else { return false };
    folders.flatten().any(|folder| {
        ["websocket.so", "outbound.so"]
            .iter()
            .all(|module| folder.path().join("kamailio/modules").join(module).exists())
    })
}

/// A Kamailio that can be stopped, and started again where it was.
struct Server {
    name: &'static str,
    port: u16,
    web_port: u16,
    index: usize,
    args: Vec<String>,
    /// What it logged before it was started anew.
    before: String,
}

#[derive(Clone, Copy)]
struct Settings {
    nonce_expire: u32,
    min_expires: u32,
    /// The proxy of this registrar.
    edge_of: Option<u16>,
}

const USUAL: Settings = Settings { nonce_expire: 300, min_expires: 0, edge_of: None };

impl Server {
    fn start(lab: &mut Lab, name: &'static str, settings: Settings) -> Result<Self> {
        let (port, web_port) = (ports(2)?, ports(2)?);
        let values = [
            ("PORT", port.to_string()),
            ("WS_PORT", web_port.to_string()),
            ("NONCE_EXPIRE", settings.nonce_expire.to_string()),
            ("MIN_EXPIRES", settings.min_expires.to_string()),
            ("REGISTRAR", settings.edge_of.unwrap_or(port).to_string()),
        ];
        let values = values.each_ref().map(|(key, value)| (*key, value.as_str()));
        let config = lab.fill("kamailio/accounts.cfg", &format!("{name}.cfg"), &values)?;
        let dir = lab.path(&format!("{name}-run"));
        fs::create_dir_all(&dir)?;
        let mut args = vec!["-DD".to_owned(), "-E".into(), "-m".into(), "32".into(), "-M".into(), "8".into()];
        args.extend(["-f".into(), config.display().to_string(), "-Y".into(), dir.display().to_string()]);
        if settings.edge_of.is_some() {
            args.extend(["-A".to_owned(), "EDGE".into()]);
        }
        let mut server = Self { name, port, web_port, index: 0, args, before: String::new() };
        server.run(lab)?;
        Ok(server)
    }

    fn run(&mut self, lab: &mut Lab) -> Result {
        self.before.push_str(&self.current(lab));
        self.index = lab.spawn(self.name, Command::new("kamailio").args(&self.args))?;
        let port = self.web_port;
        let up = until(Duration::from_secs(10), || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        if up { Ok(()) } else { Err(format!("kamailio did not start: {}", lab.tail(self.name)).into()) }
    }

    fn stop(&self, lab: &mut Lab) -> Result {
        lab.interrupt(self.index).map(drop)
    }

    /// What it logged since it was started.
    fn current(&self, lab: &Lab) -> String {
        fs::read_to_string(lab.path(&format!("{}.err", self.name))).unwrap_or_default()
    }

    fn count(&self, lab: &Lab, what: &str) -> usize {
        (self.before.clone() + &self.current(lab)).matches(&format!("TEST {what}")).count()
    }

    /// The REGISTER requests of its worst second since it was started.
    fn worst_second(&self, lab: &Lab) -> usize {
        let mut seconds = std::collections::BTreeMap::new();
        for second in self.current(lab).split("TEST got REGISTER ").skip(1) {
            let second: String = second.chars().take_while(char::is_ascii_digit).collect();
            *seconds.entry(second).or_insert(0) += 1;
        }
        seconds.into_values().max().unwrap_or(0)
    }

    fn uri(&self, transport: &str) -> String {
        let port = if transport == "ws" { self.web_port } else { self.port };
        format!("sip:127.0.0.1:{port};transport={transport}")
    }
}

/// Options that make `voip` the phone of a user.
fn phone(user: &str, registrar: &str) -> Vec<String> {
    let aor = format!("sip:{user}@interop.test");
    ["--aor", &aor, "--registrar", registrar, "--listen", "udp:127.0.0.1:0"].map(str::to_owned).into()
}

fn start(lab: &mut Lab, name: &str, args: &[&str], phone: &[String]) -> Result<Voip> {
    let phone: Vec<&str> = phone.iter().map(String::as_str).collect();
    Voip::start(lab, name, &[args, &phone].concat(), PASSWORD)
}

fn check(so: bool, what: impl FnOnce() -> String) -> Result {
    if so { Ok(()) } else { Err(what().into()) }
}

/// Waits until so many events of a kind have come.
fn wait_for(lab: &Lab, voip: &Voip, kind: &str, count: usize, limit: Duration) -> Result {
    let came = || voip.events(kind).is_ok_and(|events| events.len() >= count);
    if until(limit, came) {
        return Ok(());
    }
    Err(format!("{} of {count} {kind}: {}", voip.events(kind)?.len(), lab.tail("phone")).into())
}

/// Registrations of 5 s are refreshed in time, each with a nonce that has gone stale.
fn short_and_stale(lab: &mut Lab) -> Result<String> {
    let server = Server::start(lab, "kamailio", Settings { nonce_expire: 1, ..USUAL })?;
    let voip = start(lab, "phone", &["register", "--expires", "5"], &phone("alice", &server.uri("udp")))?;
    wait_for(lab, &voip, "registered", 3, LIMIT)?;
    voip.interrupt(lab)?;
    let (failed, stale) = (voip.events("registration_failed")?.len(), server.count(lab, "stale nonce"));
    let gone = voip.events("unregistered")?.len();
    check(failed == 0 && stale >= 2 && gone == 1, || {
        format!("{failed} failures, {stale} stale nonces, unregistered {gone} times")
    })?;
    Ok(format!("5 s long, refreshed twice, {stale} stale nonces, never refused"))
}

/// 423 with Min-Expires: asked again for as long as that.
fn min_expires(lab: &mut Lab) -> Result<String> {
    let server = Server::start(lab, "kamailio", Settings { min_expires: 120, ..USUAL })?;
    let mut command = lab.voip(&["register", "--once", "--expires", "30"]);
    command.args(phone("alice", &server.uri("udp"))).env("SIP_PASSWORD", "secret");
    let (code, out, err) = finish(&mut command, LIMIT)?;
    let brief = server.count(lab, "too brief");
    check(code == 0 && brief == 1 && out.contains("\"expires\":120"), || {
        format!("exit code {code}, 423 {brief} times: {err}{out}")
    })?;
    Ok("30 s refused with 423, 120 s asked for and granted".into())
}

/// The registrar forgets everything; a thousand accounts come back, and not at once.
fn restart(lab: &mut Lab) -> Result<String> {
    let mut server = Server::start(lab, "kamailio", USUAL)?;
    let many = MANY.to_string();
    let args = ["register", "--accounts", &many];
    let voip = start(lab, "phone", &args, &phone("user", &server.uri("tcp")))?;
    let standing =
        |voip: &Voip| -> Option<f64> { voip.events("accounts").ok()?.pop()?.at("registered").number() };
    let all = |voip: &Voip| standing(voip) == Some(MANY.into());
    check(until(LIMIT, || all(&voip)), || format!("{:?} accounts stood at first", standing(&voip)))?;
    server.stop(lab)?;
    check(until(Duration::from_secs(5), || !all(&voip)), || "nobody saw the registrar go".into())?;
    std::thread::sleep(Duration::from_secs(2));
    server.run(lab)?;
    let begun = std::time::Instant::now();
    // The wait after the failures of these seconds is at most 4 s.
    check(until(Duration::from_secs(20), || all(&voip)), || {
        format!("{:?} accounts came back", standing(&voip))
    })?;
    let (took, worst) = (begun.elapsed(), server.worst_second(lab));
    voip.interrupt(lab)?;
    check(worst <= BURST, || format!("{worst} REGISTER in a second"))?;
    Ok(format!(
        "{MANY} accounts, all back {:.1} s after the restart, at most {worst} REGISTER a second",
        took.as_secs_f64()
    ))
}

/// Alice keeps connections to two edge proxies; one goes away, and she is called over the other one.
fn outbound(lab: &mut Lab) -> Result<String> {
    let registrar = Server::start(lab, "registrar", USUAL)?;
    let behind = Settings { edge_of: Some(registrar.port), ..USUAL };
    let (first, second) = (Server::start(lab, "first", behind)?, Server::start(lab, "second", behind)?);
    let mut alice = phone("alice", &registrar.uri("udp"));
    for edge in [&first, &second] {
        alice.extend(["--outbound".to_owned(), edge.uri("tcp")]);
    }
    alice.extend(["--instance".to_owned(), "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6".into()]);
    let alice = wait_for_a_call(lab, &alice)?;
    let both = until(LIMIT, || registrar.count(lab, "path ") >= 2);
    check(both, || format!("{} flows", registrar.count(lab, "path ")))?;
    first.stop(lab)?;
    let bob = [phone("bob", &registrar.uri("udp")), vec!["--proxy".into(), registrar.uri("udp")]].concat();
    call(lab, &alice, &bob)?;
    let flow = second.count(lab, "by the flow INVITE");
    check(flow > 0, || "the INVITE came otherwise".into())?;
    Ok("two flows with Path; one proxy ended, called over the connection to the other, tones both ways"
        .into())
}

/// Alice is behind a WebSocket.
fn web_socket(lab: &mut Lab) -> Result<String> {
    let server = Server::start(lab, "kamailio", USUAL)?;
    let alice = phone("alice", &server.uri("ws"));
    let bob = [phone("bob", &server.uri("udp")), vec!["--proxy".into(), server.uri("udp")]].concat();
    talk(lab, &alice, &bob)?;
    let sockets = server.count(lab, "web socket");
    check(sockets == 1, || format!("{sockets} WebSocket handshakes"))?;
    Ok("registered over WebSocket, called over it from UDP, tones both ways".into())
}

/// Bob calls alice, and they hear each other.
fn talk(lab: &mut Lab, alice: &[String], bob: &[String]) -> Result {
    let alice = wait_for_a_call(lab, alice)?;
    call(lab, &alice, bob)
}

fn wait_for_a_call(lab: &mut Lab, phone: &[String]) -> Result<Voip> {
    let waiting = ["answer", "--register", "--tone", "1100", "--record", "alice.wav", "--max-calls", "1"];
    let alice = start(lab, "phone", &waiting, phone)?;
    alice.ready(lab)?;
    Ok(alice)
}

fn call(lab: &mut Lab, alice: &Voip, bob: &[String]) -> Result {
    let calling =
        ["call", "sip:alice@interop.test", "--tone", "700", "--record", "bob.wav", "--duration", "3"];
    let bob = start(lab, "caller", &calling, bob)?;
    bob.finish(lab, LIMIT)?;
    alice.finish(lab, LIMIT)?;
    heard(lab, "alice.wav", 700, 1100)?;
    heard(lab, "bob.wav", 1100, 700)
}

fn heard(lab: &Lab, file: &str, theirs: u32, own: u32) -> Result {
    Sound::load(&lab.path(file))?.hears(theirs, own).map_err(|why| format!("{file}: {why}").into())
}

/// A registrar that says no in every way before it says yes, and knows another phone of ours.
fn sipp_refuses(lab: &mut Lab) -> Result<String> {
    let mut script = Script::new(Role::Called, "register");
    let mut turn = |expected: &[(&str, &str)], status: &str, rest: &str| {
        script.take("REGISTER", expected);
        script.line(&format!(
            "<send><![CDATA[\n\nSIP/2.0 {status}\n[last_Via:]\n[last_From:]\n[last_To:];tag=t\n[last_Call-ID:]\n[last_CSeq:]\n{rest}{NOTHING}\n]]></send>"
        ));
    };
    let digest = |name: &str| {
        format!("{name}: Digest realm=\"lab\", nonce=\"n{name}\", qop=\"auth,auth-int\", algorithm=MD5\n")
    };
    let (www, proxy) = (("Authorization", "nWWW"), ("Proxy-Authorization", "nProxy"));
    let advertised = ("Contact", "sip:alice@192.0.2.7:[0-9]+");
    turn(&[("Expires", "60"), ("Via", "192.0.2.7")], "423 Interval Too Brief", "Min-Expires: 120\n");
    turn(&[("Expires", "120")], "401 Unauthorized", &digest("WWW-Authenticate"));
    turn(&[www], "407 Proxy Authentication Required", &digest("Proxy-Authenticate"));
    turn(&[www, proxy], "503 Service Unavailable", "Retry-After: 2\n");
    let other = "Contact: <sip:alice@192.0.2.9>;expires=7\n";
    let own = "Contact: <[$Contact]>;expires=90\n";
    turn(&[www, proxy, advertised], "200 OK", &format!("{other}{own}"));
    turn(&[("Expires", " 0")], "200 OK", other);
    script.finish(lab, "register", None)?;
    let once = Load { calls: 1, per_second: 1 };
    let file = lab.path("register.xml").display().to_string();
    let sipp = Sipp::start(lab, &file, "udp", None, &once)?;
    let registrar = format!("sip:127.0.0.1:{}", sipp.port());
    let args = ["register", "--expires", "60", "--advertise", "192.0.2.7"];
    let route = ["--proxy", &registrar, "--proxy", "sip:192.0.2.5"];
    let voip = start(lab, "phone", &[&args[..], &route].concat(), &phone("alice", &registrar))?;
    wait_for(lab, &voip, "registered", 1, LIMIT)?;
    voip.interrupt(lab)?;
    sipp.finish(lab, &once, LIMIT)?;
    let messages = fs::read_to_string(lab.path(MESSAGES))?.replace('\r', "");
    let routes = format!("Route: <{registrar};lr>\nRoute: <sip:192.0.2.5;lr>\n");
    check(messages.contains(&routes), || "the two proxies are not the route".into())?;
    let (failed, registered) = (voip.event(lab, "registration_failed")?, voip.event(lab, "registered")?);
    let (status, retry, expires) =
        (failed.at("status").number(), failed.at("retry_in").number(), registered.at("expires").number());
    check(status == Some(503.0) && retry >= Some(2.0) && expires == Some(90.0), || {
        format!("status {status:?}, tried again in {retry:?} s, granted {expires:?} s")
    })?;
    Ok("423, 401, 407, 503 with Retry-After: answered each; the 90 s of our own binding taken; through two proxies, advertised".into())
}

/// `voip registrar` and its address.
fn our_registrar(lab: &mut Lab, users: &[&str], more: &[&str]) -> Result<(Voip, String)> {
    let port = ports(2)?;
    let listen = format!("udp:127.0.0.1:{port}");
    let users: Vec<String> = users.iter().map(|user| format!("{user}:secret")).collect();
    let mut args = vec!["registrar", "--domain", "interop.test", "--listen", &listen];
    users.iter().for_each(|user| args.extend(["--user", user]));
    args.extend(more);
    let registrar = Voip::start(lab, "registrar", &args, None)?;
    registrar.ready(lab)?;
    Ok((registrar, format!("sip:127.0.0.1:{port}")))
}

/// baresip registers at our registrar with digest; calls go through it both ways. It gives up when an algorithm is offered that
/// it does not know.
fn baresip_at_ours(lab: &mut Lab) -> Result<String> {
    let (registrar, uri) = our_registrar(lab, &["alice", "phone"], &["--digest", "md5"])?;
    let account = Account { domain: "interop.test", proxy: &uri, password: "secret" };
    let mut baresip = Baresip::start_with(lab, 700, "pcmu", "", Some(&account))?;
    // It may have registered before it could tell us so.
    wait_for(lab, &registrar, "registered", 1, Duration::from_secs(10))?;
    let alice = [phone("alice", &uri), vec!["--proxy".into(), uri.clone()]].concat();

    let call =
        ["call", "sip:phone@interop.test", "--tone", "1100", "--record", "called.wav", "--duration", "3"];
    start(lab, "phone", &call, &alice)?.finish(lab, LIMIT)?;
    heard(lab, "called.wav", 700, 1100)?;
    Sound::load(&baresip.heard()?)?.hears(1100, 700).map_err(|why| format!("baresip, called: {why}"))?;

    let waiting = ["answer", "--register", "--tone", "1100", "--record", "waited.wav", "--max-calls", "1"];
    let waiting = start(lab, "phone", &[&waiting[..], &["--hangup-after", "3"]].concat(), &alice)?;
    waiting.ready(lab)?;
    baresip.command("dial", "sip:alice@interop.test")?;
    waiting.finish(lab, LIMIT)?;
    heard(lab, "waited.wav", 700, 1100)?;
    Sound::load(&baresip.heard()?)?.hears(1100, 700).map_err(|why| format!("baresip, calling: {why}"))?;
    let denied = registrar.events("denied")?.len();
    registrar.interrupt(lab)?;
    check(denied == 0, || format!("{denied} times denied"))?;
    Ok("registered with digest, called and calling through our proxy, tones both ways in both calls".into())
}

/// Two phones of bob behind our registrar: both ring, one answers.
fn fork_at_ours(lab: &mut Lab) -> Result<String> {
    let (registrar, uri) = our_registrar(lab, &["alice", "bob"], &[])?;
    let bob = phone("bob", &uri);
    let mut waiting = |name: &str, ring: &str| -> Result<Voip> {
        let args = ["answer", "--register", "--max-calls", "1", "--ring-for", ring];
        let voip = start(lab, name, &args, &bob)?;
        voip.ready(lab)?;
        Ok(voip)
    };
    let (slow, quick) = (waiting("slow", "20")?, waiting("quick", "1")?);
    let alice = [phone("alice", &uri), vec!["--proxy".into(), uri.clone()]].concat();
    start(lab, "phone", &["call", "sip:bob@interop.test", "--duration", "1"], &alice)?.finish(lab, LIMIT)?;
    quick.finish(lab, LIMIT)?;
    slow.finish(lab, LIMIT)?;
    let (answered, cancelled) = (quick.events("answered")?.len(), slow.events("answered")?.len());
    let forked = registrar.events("forwarded")?;
    let branches = forked.iter().filter_map(|event| event.at("branches").number()).fold(0.0, f64::max);
    registrar.interrupt(lab)?;
    check((answered, cancelled) == (1, 0) && branches == 2.0, || {
        format!("{answered} and {cancelled} phones answered, {branches} branches")
    })?;
    Ok("two phones rang, one answered, the other was cancelled".into())
}
