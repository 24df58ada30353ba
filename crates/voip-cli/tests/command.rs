//! The built command, as scripts see it: exit codes, the last line on stderr, and nothing but JSON on stdout.

#![expect(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test waits in real time, and fails by panicking"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

/// No wait of these tests is longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a command that has ended leaves behind.
#[derive(Debug)]
struct Done {
    code: Option<i32>,
    events: Vec<Value>,
    last_error: String,
}

impl Done {
    fn names(&self) -> Vec<&str> {
        self.events.iter().filter_map(|event| event["event"].as_str()).collect()
    }

    fn event(&self, name: &str) -> &Value {
        self.events
            .iter()
            .find(|event| event["event"] == name)
            .unwrap_or_else(|| panic!("no {name}: {self:#?}"))
    }
}

/// A running command with `--json`; it is killed when the test is over, whatever became of it.
struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    events: Vec<Value>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, as a rule.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_voip"));
        command.arg("--json").args(arguments).env_remove("SIP_AOR").env_remove("SIP_PASSWORD");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = lines(child.stdout.take().unwrap());
        Self { child, lines, events: Vec::new() }
    }

    /// Reads on until this event has come.
    fn wait_for(&mut self, name: &str) -> Value {
        let start = Instant::now();
        while let Some(left) = PATIENCE.checked_sub(start.elapsed()) {
            let Ok(line) = self.lines.recv_timeout(left) else { break };
            let event: Value = serde_json::from_str(&line).unwrap();
            self.events.push(event.clone());
            if event["event"] == name {
                return event;
            }
        }
        panic!("no {name} event: {:#?}", self.events)
    }

    /// The port of the first listening address.
    fn port(&mut self) -> String {
        let listening = self.wait_for("listening");
        listening["addresses"][0].as_str().unwrap().rsplit(':').next().unwrap().to_owned()
    }

    /// `kill -INT`: what Ctrl-C sends.
    #[cfg(unix)]
    fn interrupt(&self) {
        assert!(
            Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap().success()
        );
    }

    fn end(mut self) -> Done {
        let start = Instant::now();
        while let Some(left) = PATIENCE.checked_sub(start.elapsed()) {
            let Ok(line) = self.lines.recv_timeout(left) else { break };
            self.events.push(serde_json::from_str(&line).unwrap());
        }
        assert!(start.elapsed() < PATIENCE, "it does not end: {:#?}", self.events);
        let code = self.child.wait().unwrap().code();
        let mut errors = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        let last_error = errors.lines().last().unwrap_or_default().to_owned();
        Done { code, events: std::mem::take(&mut self.events), last_error }
    }
}

fn lines(output: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // The test has seen enough.
            let _ = sender.send(line);
        }
    });
    lines
}

fn run(arguments: &[&str]) -> Done {
    Running::start(arguments).end()
}

fn answer(arguments: &[&str]) -> (Running, String) {
    let mut answering = Running::start(&[&["answer", "--listen", "udp:127.0.0.1:0"], arguments].concat());
    let port = answering.port();
    (answering, format!("sip:echo@127.0.0.1:{port}"))
}

#[test]
fn wrong_usage_is_told_in_one_line_with_exit_code_2() {
    for (arguments, told) in [
        (&["register"][..], "--aor is missing"),
        (&["call", "bob"], "bob"),
        (&["call", "http://example.com"], "only sip:"),
        (&["call", "sip:a@127.0.0.1", "--dtmf", "12x"], "'x' is no key"),
        (&["call", "sip:a@127.0.0.1", "--rate", "5"], "--repeat"),
        (&["call", "sip:a@127.0.0.1", "--repeat", "0"], "--repeat"),
        (&["call", "sip:a@127.0.0.1", "--session-expires", "60"], "90"),
        (&["call", "sip:a@127.0.0.1", "--attended"], "--transfer-to"),
        (&["call", "sip:a@127.0.0.1", "--play", "missing.wav"], "missing.wav"),
        (&["call", "sip:a@127.0.0.1", "--record", "missing/a.wav"], "missing"),
        (&["call", "sip:a@127.0.0.1", "--header", "X-A: 1\r\nX-B: 2"], "one line"),
        (&["call", "sip:a@127.0.0.1", "--header", "Via: x"], "written by the stack"),
        (&["answer", "--listen", "tls:127.0.0.1:0"], "certificate"),
        (&["answer", "--reject", "200"], "300 to 699"),
        (&["answer", "--media-ports", "9-8"], "LOW-HIGH"),
    ] {
        let done = run(arguments);
        assert_eq!(done.code, Some(2), "{arguments:?}: {done:?}");
        assert!(done.last_error.contains(told), "{arguments:?}: {done:?}");
        assert_eq!(done.names(), ["error"], "{arguments:?}: {done:?}");
        assert!(done.last_error.ends_with(done.event("error")["message"].as_str().unwrap()));
    }
}

#[test]
fn what_a_later_version_brings_is_not_available_yet() {
    let call = ["call", "sip:a@127.0.0.1"];
    for later in [
        &["--ice", "full"][..],
        &["--turn", "turn:x"],
        &["--stun", "x"],
        &["--srtp", "dtls"],
        &["--codec", "opus"],
        &["--codec", "pcmu,g722"],
        &["--report", "a.html"],
        &["--pcap", "a.pcapng"],
    ] {
        let done = run(&[&call, later].concat());
        assert_eq!(done.code, Some(2), "{later:?}: {done:?}");
        assert!(done.last_error.ends_with("not available yet"), "{later:?}: {done:?}");
    }
}

#[test]
fn a_message_is_taken_and_printed_by_who_waits_for_calls() {
    let (mut answering, target) = answer(&[]);
    let sent = run(&["message", &target, "grüß dich"]);
    assert_eq!((sent.code, sent.names()), (Some(0), vec!["message"]), "{sent:#?}");
    assert_eq!(sent.event("message")["status"], 200);
    let message = answering.wait_for("message");
    assert_eq!(
        (&message["text"], &message["from"]),
        (&"grüß dich".into(), &"****mous@anonymous.invalid".into())
    );
    assert!(message["content_type"].as_str().unwrap().starts_with("text/plain"), "{message}");
}

#[test]
fn a_message_that_nobody_takes_is_a_failure() {
    let mut registrar = Running::start(&[
        "registrar",
        "--domain",
        "example.test",
        "--user",
        "a:b",
        "--listen",
        "udp:127.0.0.1:0",
    ]);
    let done = run(&["message", &format!("sip:a@127.0.0.1:{}", registrar.port()), "hello"]);
    assert_eq!(done.code, Some(1), "{done:#?}");
    assert!(done.last_error.contains(&done.event("message")["status"].to_string()), "{done:#?}");
}

#[test]
fn many_calls_end_in_a_summary() {
    let (_answering, target) = answer(&[]);
    let many = ["call", &target, "--repeat", "20", "--rate", "40", "--duration", "0.5"];
    let done = run(&many);
    assert_eq!(done.code, Some(0), "{done:#?}");
    let summary = done.events.last().unwrap();
    assert_eq!(
        (&summary["event"], &summary["calls"], &summary["answered"]),
        (&"summary".into(), &20.into(), &20.into())
    );
    let delays = &summary["set_up_ms"];
    assert!(
        delays["p50"].as_f64() <= delays["max"].as_f64() && delays["max"].as_f64() < Some(5_000.0),
        "{summary}"
    );
    assert!(summary["media"]["packets_sent"].as_u64() > Some(20 * 10), "{summary}");
    // Twenty calls at forty a second: the last starts 475 ms after the first.
    assert!((450..5_000).contains(&summary["starting_ms"].as_u64().unwrap()), "{summary}");
    let numbers: std::collections::BTreeSet<_> =
        done.events.iter().filter_map(|event| event["call"].as_u64()).collect();
    assert_eq!(numbers, (1..=20).collect());
}

#[test]
fn failures_of_many_calls_are_counted_by_status() {
    let (_answering, target) = answer(&["--reject", "486"]);
    let done = run(&["call", &target, "--repeat", "3", "--rate", "100"]);
    assert_eq!(done.code, Some(1), "{done:#?}");
    let summary = done.event("summary");
    assert_eq!((&summary["failed"], &summary["failures"]["486 Busy Here"]), (&3.into(), &3.into()));
    assert_eq!(done.names().last(), Some(&"error"));
    assert!(done.last_error.contains("3 of 3 calls failed: 3 × 486"), "{done:#?}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_many_calls_in_good_order() {
    let (_answering, target) = answer(&[]);
    let mut calling =
        Running::start(&["call", &target, "--repeat", "1000", "--rate", "20", "--duration", "60"]);
    calling.wait_for("answered");
    calling.interrupt();
    let done = calling.end();
    assert_eq!(done.code, Some(0), "{done:#?}");
    let summary = done.event("summary");
    assert!(summary["calls"].as_u64() < Some(1_000) && summary["failed"] == 0, "{summary}");
}

#[test]
fn a_call_tells_its_events_on_both_sides() {
    let (answering, target) = answer(&["--max-calls", "1"]);
    let called = run(&["call", &target, "--dtmf", "12#", "--duration", "1.5"]);
    assert_eq!(called.code, Some(0), "{called:#?}");
    assert_eq!(called.names().first(), Some(&"dialing"));
    assert_eq!(called.names().last(), Some(&"ended"));
    for event in &called.events {
        assert_eq!(event["call"], 1);
        assert_eq!(event["call_id"], called.event("dialing")["call_id"]);
        assert!(event["time"].as_str().is_some_and(|time| time.len() == "2026-01-02T03:04:05.678Z".len()));
    }
    let answered = called.event("answered");
    assert_eq!((&answered["codec"], &answered["srtp"]), (&"PCMU".into(), &"off".into()));
    assert!(answered["local_media"].is_string() && answered["remote_media"].is_string());
    let media = called.event("media");
    for field in ["packets_sent", "packets_received", "lost", "late", "jitter_ms", "mos"] {
        assert!(media[field].is_number(), "{field}: {media}");
    }
    assert!(media.as_object().unwrap().contains_key("round_trip_ms"));
    assert!(media["packets_received"].as_u64() > Some(20), "{media}");
    let ended = called.event("ended");
    assert_eq!(ended["by"], "local");
    assert!(ended["duration_ms"].as_u64() >= Some(1_500) && ended["reason"].is_string(), "{ended}");

    let heard = answering.end();
    assert_eq!(heard.code, Some(0), "{heard:#?}");
    let digits: String = heard.events.iter().filter_map(|event| event["digit"].as_str()).collect();
    assert_eq!(digits, "12#");
    assert_eq!(heard.event("dtmf")["via"], "rtp");
    assert!(heard.event("dtmf")["duration_ms"].is_number());
    assert_eq!(heard.event("ended")["by"], "remote");
    assert_eq!(heard.event("incoming")["from"], "****mous@anonymous.invalid");
}

// rfc: 7118 §5.2 — a call to `transport=ws`, and its in-dialog requests back to a Contact that is the caller's end
#[test]
fn a_call_goes_over_a_web_socket() {
    let listen = ["--listen", "ws:127.0.0.1:0", "--listen", "udp:127.0.0.1:0"];
    for ends in [&["--duration", "0.3"][..], &[]] {
        let hang_up: &[&str] = if ends.is_empty() { &["--hangup-after", "0.3"] } else { &[] };
        let mut answering = Running::start(&[&["answer", "--max-calls", "1"], &listen[..], hang_up].concat());
        let target = format!("sip:echo@127.0.0.1:{};transport=ws", answering.port());
        let called = run(&[&["call", &target, "--listen", "udp:127.0.0.1:0"], ends].concat());
        assert_eq!(called.code, Some(0), "{called:#?}");
        let by = if ends.is_empty() { "remote" } else { "local" };
        assert_eq!(called.event("ended")["by"], by, "{called:#?}");
        assert_eq!(answering.end().code, Some(0));
    }
}

#[test]
fn keys_that_were_not_all_pressed_are_a_failure() {
    let (_answering, target) = answer(&[]);
    let done = run(&["call", &target, "--dtmf", "123456789", "--duration", "0.3"]);
    assert_eq!((done.code, &done.event("ended")["by"]), (Some(1), &"local".into()), "{done:#?}");
    assert!(done.last_error.contains("keys"), "{done:#?}");
}

#[test]
fn a_call_that_the_other_side_ends_still_gives_its_last_numbers() {
    let (_answering, target) = answer(&["--hangup-after", "0.5"]);
    let done = run(&["call", &target]);
    assert_eq!((done.code, &done.event("ended")["by"]), (Some(0), &"remote".into()), "{done:#?}");
    assert!(done.event("media")["packets_received"].as_u64() > Some(10), "{done:#?}");
}

#[test]
fn a_refused_call_fails_with_the_reason_in_the_last_event() {
    let (_answering, target) = answer(&["--reject", "486"]);
    let done = run(&["call", &target]);
    assert_eq!(done.code, Some(1), "{done:#?}");
    assert_eq!(done.event("ended")["status"], 486);
    assert!(done.events.last().unwrap()["message"].as_str().unwrap().contains("486"), "{done:#?}");
    assert!(done.last_error.contains("486"), "{done:#?}");
}

#[test]
fn a_redirected_call_goes_where_it_is_sent() {
    let (elsewhere, target) = answer(&["--max-calls", "1"]);
    let (_answering, first) = answer(&["--redirect", &target]);
    let done = run(&["call", &first, "--duration", "0.3"]);
    assert_eq!((done.code, &done.event("redirected")["status"]), (Some(0), &302.into()), "{done:#?}");
    assert_eq!(done.event("redirected")["to"], target.as_str());
    assert_eq!(elsewhere.end().code, Some(0));

    let (_nowhere, first) = answer(&["--redirect", "sip:carol@127.0.0.1:9;transport=tcp"]);
    let done = run(&["call", &first]);
    assert_eq!(done.code, Some(1), "{done:#?}");
}

#[test]
fn a_call_is_transferred_and_both_sides_tell_how_that_went() {
    for attended in [false, true] {
        let (target, to) =
            answer(&["--hangup-after", "1.5", "--max-calls", if attended { "2" } else { "1" }]);
        let (transferee, address) = answer(&["--max-calls", "1"]);
        let mut arguments = vec!["call", &address, "--transfer-to", &to];
        arguments.extend(attended.then_some("--attended"));
        let done = run(&arguments);
        assert_eq!(done.code, Some(0), "{done:#?}");
        let steps: Vec<_> = done.events.iter().filter(|event| event["event"] == "transfer").collect();
        let last = steps.last().unwrap();
        assert_eq!((&last["to"], &last["status"]), (&to.as_str().into(), &200.into()), "{done:#?}");
        let done = transferee.end();
        assert_eq!(done.code, Some(0), "{done:#?}");
        assert_eq!(done.event("transfer")["to"], to.as_str());
        let calls: std::collections::BTreeSet<_> = done
            .events
            .iter()
            .filter(|event| event["event"] == "ended")
            .map(|event| event["call"].as_u64())
            .collect();
        assert_eq!(calls, [Some(1), Some(2)].into());
        assert_eq!(target.end().code, Some(0));
    }
}

#[test]
fn a_transfer_that_fails_is_a_failure_and_says_why() {
    let (_busy, to) = answer(&["--reject", "486"]);
    let (_transferee, address) = answer(&[]);
    let done = run(&["call", &address, "--transfer-to", &to]);
    assert_eq!(done.code, Some(1), "{done:#?}");
    assert!(done.last_error.contains("486"), "{done:#?}");
}

#[test]
fn a_challenged_caller_needs_the_password() {
    let (_answering, target) = answer(&["--challenge", "alice:secret"]);
    let call = |aor| run(&["call", &target, "--duration", "0.2", "--aor", aor]);
    let refused = call("sip:alice:guess@example.test");
    assert_eq!((refused.code, &refused.event("ended")["status"]), (Some(1), &401.into()), "{refused:#?}");
    let taken = call("sip:alice:secret@example.test");
    assert_eq!(taken.code, Some(0), "{taken:#?}");
    let wrong = run(&["answer", "--challenge", "nobody"]);
    assert!(wrong.code == Some(2) && wrong.last_error.contains("USER:PASSWORD"), "{wrong:#?}");
}

#[test]
fn keys_go_by_info_and_by_rtp_in_order() {
    let (answering, target) = answer(&["--max-calls", "1"]);
    let done = run(&["call", &target, "--dtmf", "info:1", "--dtmf", "2", "--dtmf", "info:#"]);
    assert_eq!(done.code, Some(0), "{done:#?}");
    let heard = answering.end();
    let ways: Vec<_> = heard
        .events
        .iter()
        .filter(|event| event["event"] == "dtmf")
        .map(|event| (event["digit"].as_str().unwrap(), event["via"].as_str().unwrap()))
        .collect();
    assert_eq!(ways, [("1", "info"), ("2", "rtp"), ("#", "info")]);
}

#[test]
fn a_call_rings_reliably_and_has_early_media() {
    let wav = std::env::temp_dir().join(format!("voip-early-{}.wav", std::process::id()));
    let rate = 8_000_u32;
    let mut bytes = b"RIFF\x24\x3f\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00".to_vec();
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate * 2).to_le_bytes());
    bytes.extend(b"\x02\x00\x10\x00data\x00\x3f\x00\x00");
    bytes.extend(std::iter::repeat_n([0x10, 0x27, 0xf0, 0xd8], 4_032).flatten());
    std::fs::write(&wav, bytes).unwrap();
    let file = wav.display().to_string();
    let (_answering, target) = answer(&["--early-media", &file, "--reliable"]);
    let done = run(&["call", &target, "--duration", "0.2"]);
    assert_eq!(done.code, Some(0), "{done:#?}");
    let ringing = done.event("ringing");
    assert_eq!((&ringing["status"], &ringing["early_media"]), (&183.into(), &true.into()), "{done:#?}");
    let _ = std::fs::remove_file(wav);

    let (_answering, target) = answer(&["--reliable", "--ring-for", "0.3"]);
    let done = run(&["call", &target, "--duration", "0.2"]);
    assert_eq!((done.code, &done.event("ringing")["status"]), (Some(0), &180.into()), "{done:#?}");
}

#[test]
fn a_host_that_never_answers_is_given_up_after_the_ring_timeout() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let target = format!("sip:a@{}", silent.local_addr().unwrap());
    let start = Instant::now();
    let done = run(&["call", &target, "--ring-timeout", "0.2"]);
    assert_eq!(done.code, Some(1), "{done:#?}");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(done.names(), ["dialing", "ended", "error"]);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let listen = format!("udp:{}", taken.local_addr().unwrap());
    let done = run(&["answer", "--listen", &listen]);
    assert_eq!(done.code, Some(2), "{done:#?}");
    assert!(done.last_error.contains(&listen), "{done:#?}");
}

#[test]
fn a_phone_registers_once_with_the_right_password_only() {
    let mut registrar = Running::start(&[
        "registrar",
        "--domain",
        "example.test",
        "--user",
        "alice:secret",
        "--listen",
        "udp:127.0.0.1:0",
    ]);
    let server = format!("sip:127.0.0.1:{}", registrar.port());
    let register = |aor| run(&["register", "--once", "--aor", aor, "--registrar", &server]);

    let right = register("sip:alice:secret@example.test");
    assert_eq!(right.code, Some(0), "{right:#?}");
    assert_eq!(right.names(), ["registering", "registered", "binding", "unregistered"]);
    let registered = right.event("registered");
    assert_eq!(right.event("binding")["contact"], registered["contact"]);
    assert_eq!(registered["aor"], "sip:alice@example.test");
    assert!(registered["expires"].is_number() && registered["contact"].is_string());

    let wrong = register("sip:alice:guess@example.test");
    assert_eq!(wrong.code, Some(1), "{wrong:#?}");
    assert_eq!(wrong.event("registration_failed")["status"], 401);
    assert!(wrong.event("registration_failed")["reason"].is_string());
}

#[test]
fn a_registrar_that_is_away_is_tried_three_times_and_no_more_at_the_start() {
    let away = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = format!("sip:{away}");
    let done = run(&["register", "--aor", "sip:alice@example.test", "--registrar", &server]);
    assert_eq!(done.code, Some(1), "{done:#?}");
    let failed = done.names().iter().filter(|name| **name == "registration_failed").count();
    assert_eq!((failed, &done.event("registration_status")["status"]), (3, &"failed".into()), "{done:#?}");
}

#[cfg(unix)]
#[test]
fn many_accounts_are_counted() {
    let user = |number: u32| format!("user{number}:secret");
    let (first, second) = (user(1), user(2));
    let domain = ["registrar", "--domain", "example.test", "--listen", "udp:127.0.0.1:0"];
    let mut registrar = Running::start(&[&domain[..], &["--user", &first, "--user", &second]].concat());
    let server = format!("sip:127.0.0.1:{}", registrar.port());
    let aor = "sip:user:secret@example.test";
    let mut phones = Running::start(&["register", "--aor", aor, "--registrar", &server, "--accounts", "2"]);
    while phones.wait_for("accounts")["registered"] != 2 {}
    phones.interrupt();
    assert_eq!(phones.end().code, Some(0));
}

#[test]
fn a_message_is_read_from_standard_input() {
    let message = "OPTIONS sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
        From: <sip:a@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n";
    for (text, ok) in [(message.to_owned(), true), (message.replace("CSeq: 1", "CSeq: one"), false)] {
        let mut parsing = Running::start(&["parse", "-"]);
        parsing.child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let done = parsing.end();
        assert_eq!(done.code, Some(if ok { 0 } else { 1 }), "{done:#?}");
        assert_eq!(done.events.len(), 1, "{done:#?}");
        assert_eq!(done.events[0]["ok"], ok);
        assert_eq!(done.events[0]["method"], "OPTIONS");
        assert_eq!(done.last_error.contains("CSeq"), !ok, "{done:#?}");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_hangs_up_and_exits_0() {
    let (answering, target) = answer(&[]);
    let mut calling = Running::start(&["call", &target]);
    calling.wait_for("answered");
    calling.interrupt();
    let done = calling.end();
    assert_eq!((done.code, &done.event("ended")["by"]), (Some(0), &"local".into()), "{done:#?}");
    answering.interrupt();
    assert_eq!(answering.end().code, Some(0));
}

#[cfg(unix)]
#[test]
fn ctrl_c_is_heard_while_nobody_answers_and_a_second_one_exits_130() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let target = format!("sip:a@{}", silent.local_addr().unwrap());
    let mut calling = Running::start(&["call", &target]);
    calling.wait_for("dialing");
    calling.interrupt();
    let mut registering = Running::start(&["register", "--aor", &target]);
    registering.wait_for("registering");
    registering.interrupt();
    assert_eq!(calling.end().code, Some(0));
    assert_eq!(registering.end().code, Some(0));

    let mut impatient = Running::start(&["call", &target]);
    impatient.wait_for("dialing");
    impatient.interrupt();
    // Two signals at the same moment would be one.
    std::thread::sleep(Duration::from_millis(200));
    impatient.interrupt();
    assert_eq!(impatient.end().code, Some(130));
}
