//! Ten thousand transactions over each transport, and calls over a network that loses.

use super::{
    lab::{Lab, certificate, finish, ports},
    sipp::{Load, Sipp},
    voip::Voip,
};
use crate::Result;
use std::{process::Command, time::Duration};

const TRANSACTIONS: Load = Load { calls: 10_000, per_second: 2000 };
const CALLS: Load = Load { calls: 1000, per_second: 100 };
const LIMIT: Duration = Duration::from_secs(60);

/// What [`calls_with_loss`] needs beside SIPp: an address space of its own for each side, with a link between them.
pub(crate) const NAMESPACES: &str = "network namespaces";

/// Whether we may make network namespaces: root may, and not in every container.
pub(crate) fn has_namespaces() -> bool {
    Network::new().is_ok()
}

/// OPTIONS and its 200, ten thousand times.
pub(crate) fn transactions(lab: &mut Lab, transport: &str) -> Result<String> {
    let tls = ["--tls-cert", "voip.pem", "--tls-key", "voip.key"];
    let (voip, address) = if transport == "tls" {
        certificate(&lab.path(""), "voip", "IP:127.0.0.1")?;
        Voip::answer(lab, transport, &tls)?
    } else {
        Voip::answer(lab, transport, &[])?
    };
    let (target, inner) = through(lab, transport, &address)?;
    let sipp = Sipp::start(lab, "uac_options.xml", inner, Some(&target), &TRANSACTIONS)?;
    let counts = sipp.finish(lab, &TRANSACTIONS, LIMIT)?;
    voip.interrupt(lab)?;
    Ok(format!(
        "{} transactions at {} a second, 0 unexpected, {} retransmissions",
        counts.successful, TRANSACTIONS.per_second, counts.retransmissions
    ))
}

/// Where SIPp sends to, and over what, so that it arrives at `address` over `transport`: Debian's SIPp is built without TLS, socat
/// puts its connection into one.
pub(crate) fn through<'a>(lab: &mut Lab, transport: &'a str, address: &str) -> Result<(String, &'a str)> {
    if transport != "tls" {
        return Ok((address.to_owned(), transport));
    }
    let port = ports(2)?;
    let mut socat = Command::new("socat");
    socat.arg(format!("TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr"));
    socat.arg(format!("OPENSSL:{address},cafile=voip-ca.pem"));
    lab.spawn("socat", &mut socat)?;
    std::thread::sleep(Duration::from_millis(300));
    Ok((format!("127.0.0.1:{port}"), "tcp"))
}

/// Both sides lose 5 % of what they should receive; no call fails.
pub(crate) fn calls_with_loss(lab: &mut Lab) -> Result<String> {
    let network = Network::new()?;
    for side in &network.sides {
        let rule = "iptables -A INPUT -p udp -m statistic --mode random --probability 0.05 -j DROP";
        network.run(&format!("ip netns exec {side} {rule}"))?;
    }
    let [ours, theirs] = &network.sides;
    let voip = lab.voip(&["answer", "--echo", "--listen", "udp:10.99.0.1:5060"]);
    lab.spawn("answer", &mut within(ours, &voip))?;
    lab.wait_for("answer.out", "\"listening\"", Duration::from_secs(15))?;

    let mut sipp = Command::new("sipp");
    sipp.args([
        "10.99.0.1:5060",
        "-sn",
        "uac",
        "-i",
        "10.99.0.2",
        "-p",
        "5060",
        "-mi",
        "10.99.0.2",
        "-t",
        "u1",
    ]);
    sipp.args(["-m", &CALLS.calls.to_string(), "-r", &CALLS.per_second.to_string(), "-l", "20000"]);
    let sipp = Sipp::run(lab, &mut within(theirs, &sipp))?;
    let counts = sipp.finish(lab, &CALLS, Duration::from_secs(120))?;
    let lost = network.sides.iter().map(|side| network.dropped(side)).collect::<Result<Vec<_>>>()?;
    if lost.contains(&0) {
        return Err(format!("the network lost nothing: {lost:?}").into());
    }
    Ok(format!(
        "{} calls, 0 failures; {} packets to us and {} to SIPp were lost, {} retransmissions by SIPp",
        counts.successful,
        lost.first().unwrap_or(&0),
        lost.last().unwrap_or(&0),
        counts.retransmissions
    ))
}

/// The same command in a network namespace.
fn within(namespace: &str, command: &Command) -> Command {
    let mut inside = Command::new("ip");
    inside.args(["netns", "exec", namespace]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => inside.env(name, value),
            None => inside.env_remove(name),
        };
    }
    inside
}

/// Two namespaces, 10.99.0.1 and 10.99.0.2, with a link between them; both are gone with it.
struct Network {
    sides: [String; 2],
}

impl Network {
    fn new() -> Result<Self> {
        let id = std::process::id();
        let network = Self { sides: [format!("voip{id}a"), format!("voip{id}b")] };
        let [a, b] = &network.sides;
        network.run(&format!("ip netns add {a}"))?;
        network.run(&format!("ip netns add {b}"))?;
        network.run(&format!("ip link add {a} netns {a} type veth peer name {b} netns {b}"))?;
        for (side, address) in [(a, "10.99.0.1/30"), (b, "10.99.0.2/30")] {
            network.run(&format!("ip -n {side} addr add {address} dev {side}"))?;
            network.run(&format!("ip -n {side} link set {side} up"))?;
            network.run(&format!("ip -n {side} link set lo up"))?;
        }
        Ok(network)
    }

    fn run(&self, line: &str) -> Result<String> {
        let mut words = line.split(' ');
        let mut command = Command::new(words.next().unwrap_or_default());
        match finish(command.args(words), Duration::from_secs(10)).map_err(|why| format!("{line}: {why}"))? {
            (0, out, _) => Ok(out),
            (_, _, err) => Err(format!("{line}: {err}").into()),
        }
    }

    /// Packets that the rule of a side has dropped.
    fn dropped(&self, side: &str) -> Result<u64> {
        let rules = self.run(&format!("ip netns exec {side} iptables -vnxL INPUT"))?;
        let rule = rules.lines().find(|line| line.contains("DROP")).ok_or("the rule is gone")?;
        Ok(rule.split_whitespace().next().unwrap_or_default().parse()?)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for side in &self.sides {
            // The first may be there without the second.
            let _ = self.run(&format!("ip netns del {side}"));
        }
    }
}
