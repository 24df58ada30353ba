//! `voip demo`: a registrar and two phones inside this process, on loopback, and a real call that is verified step by
//! step.

mod ladder;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use voip::measure::{compare, test_signal};
use voip::{
    Account, Call, CallEvent, Config, Direction, Endpoint, Impairment, Incoming, Listen, Registrar,
    Registration, Side, SrtpPolicy, Tls, Transport, Uri, wav,
};

use crate::common::{Common, Srtp};
use crate::interrupt::interrupted;
use crate::report::Reporter;
use crate::session::CallReport;
use crate::{Failure, Outcome};
use ladder::Ladder;

const DOMAIN: &str = "demo.voip.test";
const DIGITS: &str = "1234#";
/// No single step takes longer than this.
const PATIENCE: Duration = Duration::from_secs(10);
/// How alike what was sent and what was heard must be, on a line without loss; 1 is the same.
const SIMILARITY: f64 = 0.9;

/// No network, no account and no audio device needed; exit code 0 only if every step was verified.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Lose this share of the media packets
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=50))]
    loss: u8,
    /// Keep what both sides heard as alice.wav and bob.wav in this folder
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Falsify the audio on its way, to see that the demo notices
    #[arg(long, hide = true)]
    alter: bool,
}

/// One of the two phones.
struct Phone {
    endpoint: Endpoint,
    incoming: Incoming,
    account: Account,
}

impl Demo {
    pub(crate) async fn run(self, common: &Common, reporter: &Reporter) -> Outcome {
        tokio::select! {
            outcome = self.verify(common, reporter) => outcome,
            () = interrupted() => Err(Failure::failed("interrupted before every step was verified")),
        }
    }

    async fn verify(&self, common: &Common, reporter: &Reporter) -> Outcome {
        if let Some(dir) = &self.record {
            std::fs::create_dir_all(dir)
                .map_err(|error| Failure::usage(format!("{}: {error}", dir.display())))?;
        }
        let (authority, server) = certificates()?;
        let ladder = Ladder::default();
        let base = common.config()?.tls(server.trust(authority)).listen([loopback(Transport::Tls)]);
        let users = ["alice", "bob"].map(|user| (user.to_owned(), format!("secret of {user}")));
        let registrar = Registrar::bind(&base, DOMAIN, users.clone())
            .await
            .map_err(|error| failed("registrar", error))?;
        let proxy =
            registrar.local_addresses().first().map(|listen| listen.address.port()).unwrap_or_default();
        let media = base.srtp(srtp(common)?);
        let [alice, bob] = users;
        let alice = self.phone(&media, alice, proxy, &ladder, self.alter).await?;
        let mut bob = self.phone(&media, bob, proxy, &ladder, false).await?;

        let registrations = [register(&alice, reporter).await?, register(&bob, reporter).await?];
        let outcome = self.call(&alice, &mut bob, reporter).await;
        for registration in registrations {
            step(reporter, "unregister", registration.unregister()).await?;
        }
        if reporter.is_readable() {
            print!("\n{ladder}");
        }
        outcome
    }

    /// A phone that trusts the demo's authority and goes through the demo's proxy.
    async fn phone(
        &self,
        config: &Config,
        (user, password): (String, String),
        proxy: u16,
        ladder: &Ladder,
        alter: bool,
    ) -> Result<Phone, Failure> {
        let impairment = Impairment { drop_percent: self.loss, alter, ..Impairment::default() };
        let config = config.clone().impairment(impairment).tap(Arc::new(ladder.of(&user)));
        let (endpoint, incoming) = Endpoint::bind(config).await.map_err(|error| failed(&user, error))?;
        let proxy = Uri::parse(format!("sip:127.0.0.1:{proxy};transport=tls"))
            .map_err(|error| failed("proxy", error))?;
        let account = Account::new(&format!("sip:{user}@{DOMAIN}")).map_err(|error| failed(&user, error))?;
        let account = account.password(&password).registrar(proxy.clone()).proxy(proxy);
        Ok(Phone { endpoint, incoming, account })
    }

    /// Alice calls Bob; each step is checked.
    async fn call(&self, alice: &Phone, bob: &mut Phone, reporter: &Reporter) -> Outcome {
        let answering = async {
            let mut call = bob.incoming.next().await.ok_or(voip::CallError::ShutDown)?;
            call.ring().await?;
            call.answer().await
        };
        let target = format!("sip:bob@{DOMAIN}");
        let dialing = async { alice.endpoint.dial(&target).from(&alice.account).await };
        let (mut at_alice, mut at_bob) =
            step(reporter, "call", async { tokio::try_join!(dialing, answering) }).await?;
        let report = CallReport::new(reporter, 1, at_alice.call_id());
        report.answered(&at_alice);

        let heard = self.talk(reporter, "audio", &at_alice, &at_bob, Duration::from_secs(3)).await?;
        if let Some(dir) = &self.record {
            save(dir, heard)?;
        }
        step(reporter, "digits", digits(&at_alice, &mut at_bob)).await?;
        step(reporter, "hold", hold(&mut at_alice, &mut at_bob)).await?;
        step(reporter, "resume", resume(&mut at_alice, &mut at_bob)).await?;
        self.talk(reporter, "audio after hold", &at_alice, &at_bob, Duration::from_secs(1)).await?;

        for (call, name) in [(&at_alice, "alice"), (&at_bob, "bob")] {
            let statistics = call.statistics().await.map_err(|error| failed(name, error))?;
            CallReport::new(reporter, 1, &format!("{name}: {}", call.call_id())).media(&statistics);
        }
        let ended =
            step(reporter, "hang up", async { tokio::try_join!(at_alice.hang_up(), hung_up(&mut at_bob)) })
                .await?;
        report.ended(Some(&ended.0));
        Ok(())
    }

    /// Both speak at once, and each must hear what the other said.
    async fn talk(
        &self,
        reporter: &Reporter,
        name: &str,
        alice: &Call,
        bob: &Call,
        time: Duration,
    ) -> Result<[Vec<i16>; 2], Failure> {
        let said = [test_signal(time, 1), test_signal(time, 2)];
        let ears = [listen(alice), listen(bob)];
        let speaking = async { tokio::try_join!(alice.play_samples(&*said[0]), bob.play_samples(&*said[1])) };
        step(reporter, name, speaking).await?;
        // What is still on the line or in a jitter buffer.
        sleep(Duration::from_millis(500)).await;
        let mut heard = Vec::new();
        for ear in ears {
            ear.stop.notify_one();
            heard.push(ear.heard.await.map_err(|error| failed(name, error))?);
        }
        let [by_alice, by_bob] =
            <[Vec<i16>; 2]>::try_from(heard).map_err(|_| Failure::failed("two phones were heard"))?;
        for (listener, said, heard) in [("bob", &said[0], &by_bob), ("alice", &said[1], &by_alice)] {
            let found = compare(said, heard);
            // A lost packet is concealed, but not known.
            let wanted = SIMILARITY * (1.0 - 2.0 * f64::from(self.loss) / 100.0).max(0.1);
            let fields = json!({
                "listener": listener, "similarity": (found.similarity * 1000.0).round() / 1000.0,
                "delay_ms": found.delay.as_secs_f64() * 1000.0,
            });
            reporter.event("heard", fields);
            if found.similarity < wanted {
                return Err(Failure::failed(format!(
                    "{name}: {listener} did not hear what was said: similarity {:.3}, wanted {wanted:.3}",
                    found.similarity
                )));
            }
        }
        Ok([by_alice, by_bob])
    }
}

/// Somebody who writes down what a call sounds like.
struct Ear {
    stop: Arc<tokio::sync::Notify>,
    heard: JoinHandle<Vec<i16>>,
}

fn listen(call: &Call) -> Ear {
    let stop = Arc::new(tokio::sync::Notify::new());
    let (mut frames, stopped) = (call.media().frames(), Arc::clone(&stop));
    let heard = tokio::spawn(async move {
        let mut heard = Vec::new();
        loop {
            tokio::select! {
                frame = frames.read() => match frame {
                    Some(frame) => heard.extend(frame),
                    None => return heard,
                },
                () = stopped.notified() => return heard,
            }
        }
    });
    Ear { stop, heard }
}

/// Alice presses keys; Bob must see the same ones.
async fn digits(alice: &Call, bob: &mut Call) -> Outcome {
    let pressing = async { alice.send_digits(DIGITS).await.map_err(|error| failed("sending", error)) };
    let seeing = async {
        let mut seen = String::new();
        while seen.len() < DIGITS.len() {
            seen.push(bob.digit().await.ok_or_else(|| Failure::failed("the call ended"))?);
        }
        Ok(seen)
    };
    let ((), seen) = tokio::try_join!(pressing, seeing)?;
    if seen == DIGITS { Ok(()) } else { Err(Failure::failed(format!("sent {DIGITS}, but {seen} came"))) }
}

/// Alice puts Bob on hold: Bob must be told, and must fall silent.
async fn hold(alice: &mut Call, bob: &mut Call) -> Outcome {
    let (held, told) = tokio::join!(alice.hold(), changed(bob));
    held.map_err(|error| failed("hold", error))?;
    if told? != Direction::RecvOnly {
        return Err(Failure::failed("the other side does not know that it is on hold"));
    }
    let sent = || async { bob.statistics().await.map(|statistics| statistics.packets_sent) };
    let before = sent().await.map_err(|error| failed("hold", error))?;
    sleep(Duration::from_millis(300)).await;
    let after = sent().await.map_err(|error| failed("hold", error))?;
    if after == before { Ok(()) } else { Err(Failure::failed("the held side still sends audio")) }
}

async fn resume(alice: &mut Call, bob: &mut Call) -> Outcome {
    let (resumed, told) = tokio::join!(alice.resume(), changed(bob));
    resumed.map_err(|error| failed("resume", error))?;
    let direction = told?;
    if direction == Direction::SendRecv {
        return Ok(());
    }
    Err(Failure::failed(format!("the other side is {direction} after the end of the hold")))
}

/// The direction that the other side asked for.
async fn changed(call: &mut Call) -> Result<Direction, Failure> {
    while let Some(event) = call.next_event().await {
        if let CallEvent::MediaChanged { by: Side::Remote, direction } = event {
            return Ok(direction);
        }
    }
    Err(Failure::failed("the call ended"))
}

/// The other side must hear of the end.
async fn hung_up(call: &mut Call) -> Result<(), voip::CallError> {
    let ended = call.ended().await?;
    if ended.by == Side::Remote { Ok(()) } else { Err(voip::CallError::Ended(Box::new(ended))) }
}

async fn register(phone: &Phone, reporter: &Reporter) -> Result<Registration, Failure> {
    step(reporter, "register", phone.endpoint.register(&phone.account)).await
}

/// Does one step of the demo within its time and says so.
async fn step<T, E: ToString>(
    reporter: &Reporter,
    name: &str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    match timeout(PATIENCE, work).await {
        Ok(Ok(done)) => {
            reporter.event("step", json!({ "name": name, "ok": true }));
            Ok(done)
        }
        Ok(Err(error)) => Err(Failure::failed(format!("{name}: {}", error.to_string()))),
        Err(_) => Err(Failure::failed(format!("{name}: not done within {} s", PATIENCE.as_secs()))),
    }
}

fn failed(name: &str, error: impl std::fmt::Display) -> Failure {
    Failure::failed(format!("{name}: {error}"))
}

/// Encrypted unless something else is asked for.
fn srtp(common: &Common) -> Result<SrtpPolicy, Failure> {
    match common.srtp {
        None | Some(Srtp::Required) => Ok(SrtpPolicy::Required),
        Some(Srtp::Optional) => Ok(SrtpPolicy::Optional),
        Some(Srtp::Off) => Ok(SrtpPolicy::Off),
        Some(Srtp::Dtls) => Err(Failure::not_available_yet("--srtp dtls")),
    }
}

fn loopback(transport: Transport) -> Listen {
    Listen::new(transport, ([127, 0, 0, 1], 0).into())
}

/// A certificate authority for this run, and a certificate of it for 127.0.0.1 with which everybody listens.
fn certificates() -> Result<(rustls::pki_types::CertificateDer<'static>, Tls), Failure> {
    let made = || -> Result<_, rcgen::Error> {
        let mut parameters = rcgen::CertificateParams::new(Vec::new())?;
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority_key = rcgen::KeyPair::generate()?;
        let authority = parameters.self_signed(&authority_key)?;
        let issuer = rcgen::Issuer::new(parameters, authority_key);
        let key = rcgen::KeyPair::generate()?;
        let certificate =
            rcgen::CertificateParams::new(vec!["127.0.0.1".into()])?.signed_by(&key, &issuer)?;
        Ok((authority.der().clone(), certificate.der().clone(), key.serialize_der()))
    };
    let (authority, certificate, key) = made().map_err(|error| failed("certificates", error))?;
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key).into();
    Ok((authority, Tls::default().certificate(vec![certificate], key)))
}

fn save(dir: &Path, [alice, bob]: [Vec<i16>; 2]) -> Outcome {
    for (name, samples) in [("alice.wav", alice), ("bob.wav", bob)] {
        wav::save(dir.join(name), &samples).map_err(|error| Failure::failed(error.to_string()))?;
    }
    Ok(())
}
