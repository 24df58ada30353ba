//! [`Resolver`]: who answers the layer's questions to the DNS, and how many at a time.

use std::collections::HashMap;
use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use sip_msg::Uri;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Told, address_towards};
use crate::locate::{Locator, Step, Transports};
use crate::{Answer, QueryId, Question};

#[cfg(feature = "dns")]
mod hickory;

#[cfg(feature = "dns")]
pub use hickory::Dns;

/// How long an answer may take. A request may need several: NAPTR, SRV, addresses.
const ANSWER: Duration = Duration::from_secs(5);
/// Different questions that are asked at a time.
const AT_ONCE: usize = 64;
/// Records of one answer that are looked at.
const RECORDS: usize = 128;
/// Steps of one search: the DNS cannot lead us around for ever.
const STEPS: usize = 32;

/// An answer to come.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// Answers questions to the DNS: records, not failover, which the layer does.
///
/// The default is [`SystemResolver`]. Write your own to look elsewhere: in a service registry, in the table of a test.
///
/// ```
/// use sip_txn::driver::{Resolver, Resolving};
/// use sip_txn::{Answer, Question, SrvRecord};
///
/// /// Sends everybody to one host.
/// #[derive(Debug)]
/// struct OneHost;
///
/// impl Resolver for OneHost {
///     fn resolve<'a>(&'a self, question: &'a Question) -> Resolving<'a> {
///         Box::pin(async move {
///             match question {
///                 Question::Naptr(_) => Answer::Naptr(vec![]),
///                 Question::Srv(_) => Answer::Srv(vec![SrvRecord {
///                     priority: 0,
///                     weight: 0,
///                     port: 5070,
///                     target: "pbx.internal".into(),
///                 }]),
///                 Question::Addresses(_) => Answer::Addresses(vec!["192.0.2.7".parse().expect("an address")]),
///             }
///         })
///     }
/// }
/// ```
pub trait Resolver: Debug + Send + Sync {
    /// Answers one question. After 5 s the driver takes [`Answer::Failed`] for the answer and drops the future. The same
    /// question is not asked twice at a time, so a cache is the resolver's own affair.
    fn resolve<'a>(&'a self, question: &'a Question) -> Resolving<'a>;
}

/// Asks the system for the addresses of hosts (`getaddrinfo`), and finds no other records: `sip:bob@example.com` then leads
/// to the addresses of `example.com` alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostResolver;

impl Resolver for HostResolver {
    fn resolve<'a>(&'a self, question: &'a Question) -> Resolving<'a> {
        Box::pin(async move {
            match question {
                Question::Naptr(_) => Answer::Naptr(Vec::new()),
                Question::Srv(_) => Answer::Srv(Vec::new()),
                Question::Addresses(name) => match tokio::net::lookup_host((name.as_str(), 0)).await {
                    Ok(found) => Answer::Addresses(by_preference(found.map(|address| address.ip()))),
                    Err(error) => {
                        tracing::debug!(%name, %error, "no addresses");
                        Answer::Addresses(Vec::new())
                    }
                },
            }
        })
    }
}

/// What is used when no resolver is chosen: with the feature `dns` the name servers of the system ([`Dns::system`]), without
/// it, or when none are known, [`HostResolver`].
///
/// Nothing is read before the first question is asked. A change of `/etc/resolv.conf` is noticed at the next one: a laptop in
/// another network has other name servers, and what the former ones said need not hold there.
#[derive(Debug, Default)]
pub struct SystemResolver {
    #[cfg(feature = "dns")]
    servers: std::sync::Mutex<Option<NameServers>>,
}

/// The name servers of the system, and when its settings were written.
#[cfg(feature = "dns")]
#[derive(Debug)]
struct NameServers {
    dns: Option<Dns>,
    written: Option<std::time::SystemTime>,
}

#[cfg(feature = "dns")]
impl NameServers {
    fn read(written: Option<std::time::SystemTime>) -> Self {
        let none =
            |error: &_| tracing::warn!(%error, "no name servers are known, so no SRV records are found");
        Self { dns: Dns::system().inspect_err(none).ok(), written }
    }
}

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, question: &'a Question) -> Resolving<'a> {
        #[cfg(feature = "dns")]
        if let Some(dns) = self.current() {
            return Box::pin(async move { dns.resolve(question).await });
        }
        HostResolver.resolve(question)
    }
}

#[cfg(feature = "dns")]
impl SystemResolver {
    fn current(&self) -> Option<Dns> {
        let written = std::fs::metadata("/etc/resolv.conf").and_then(|file| file.modified()).ok();
        let mut servers = self.servers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let known = servers.take().filter(|known| known.written == written);
        servers.insert(known.unwrap_or_else(|| NameServers::read(written))).dns.clone()
    }
}

/// Where a request to `uri` would go first, as [RFC 3263 §4] finds it; `None` when nothing is found.
///
/// The layer finds targets by itself. This is for those who must know before which way packets will leave, as the writer of
/// a session description does.
///
/// [RFC 3263 §4]: https://www.rfc-editor.org/rfc/rfc3263#section-4
pub async fn locate(resolver: &dyn Resolver, uri: &Uri) -> Option<SocketAddr> {
    let all = Transports { udp: true, tcp: true, tls: true, ws: true };
    let mut locator = Locator::new(uri, false, all)?;
    // Which of several servers with weights comes out makes no difference here.
    let mut random = ChaCha20Rng::from_seed([0; 32]);
    for _ in 0..STEPS {
        match locator.step(|_| None) {
            Step::Ask(question) => {
                let answer = timeout(ANSWER, resolver.resolve(&question)).await.unwrap_or(Answer::Failed);
                locator.answer(bounded(answer), &mut random);
            }
            Step::Try(target) => return Some(target.address),
            Step::Exhausted => return None,
        }
    }
    None
}

/// The questions that are being asked.
#[derive(Debug)]
pub(super) struct Lookups {
    resolver: Arc<dyn Resolver>,
    /// Who waits for which answer: a question that is being asked is not asked again.
    waiting: HashMap<Question, Vec<QueryId>>,
    at_once: Arc<Semaphore>,
    tasks: JoinSet<()>,
}

impl Lookups {
    pub(super) fn new(resolver: Option<Arc<dyn Resolver>>) -> Self {
        let resolver = resolver.unwrap_or_else(|| Arc::new(SystemResolver::default()));
        let at_once = Arc::new(Semaphore::new(AT_ONCE));
        Self { resolver, waiting: HashMap::new(), at_once, tasks: JoinSet::new() }
    }

    /// Asks, and tells the answer to the driver.
    pub(super) fn ask(&mut self, query: QueryId, question: Question, tell: mpsc::Sender<Told>) {
        while self.tasks.try_join_next().is_some() {}
        if let Some(waiting) = self.waiting.get_mut(&question) {
            return waiting.push(query);
        }
        self.waiting.insert(question.clone(), vec![query]);
        let resolver = Arc::clone(&self.resolver);
        let at_once = Arc::clone(&self.at_once);
        self.tasks.spawn(async move {
            // In a task of its own, so that a resolver that panics still gives an answer.
            let mut lookup = JoinSet::new();
            let asked = question.clone();
            lookup.spawn(async move {
                let _permit = at_once.acquire_owned().await;
                resolver.resolve(&asked).await
            });
            // The time in the queue counts: when no name server answers, the queue must not grow without end.
            let answer = match timeout(ANSWER, lookup.join_next()).await {
                Ok(Some(Ok(answer))) => bounded(answer),
                Ok(Some(Err(_)) | None) | Err(_) => Answer::Failed,
            };
            // The next question may have the place of one that was given up.
            drop(lookup);
            if answer == Answer::Failed {
                tracing::debug!(?question, "the DNS does not answer");
            }
            // Nobody listens any more when the transports are gone.
            let _ = tell.send(Told::Resolved { question, answer }).await;
        });
    }

    /// Who waited for this answer.
    pub(super) fn take(&mut self, question: &Question) -> Vec<QueryId> {
        self.waiting.remove(question).unwrap_or_default()
    }
}

/// Cuts an answer that is too long.
fn bounded(mut answer: Answer) -> Answer {
    match &mut answer {
        Answer::Naptr(records) => records.truncate(RECORDS),
        Answer::Srv(records) => records.truncate(RECORDS),
        Answer::Addresses(addresses) => addresses.truncate(RECORDS),
        Answer::Failed => {}
    }
    answer
}

/// Addresses in the order to try, each once: first those that there is a way to, then those whose scope is that of the
/// address we would send from, then IPv6 before IPv4, then those near by ([RFC 6724 §6], rules 1, 2, 6 and 8, as
/// [RFC 7984 §4] wants it).
///
/// [RFC 6724 §6]: https://www.rfc-editor.org/rfc/rfc6724#section-6
/// [RFC 7984 §4]: https://www.rfc-editor.org/rfc/rfc7984#section-4
fn by_preference(found: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for address in found.take(RECORDS) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.len() > 1 {
        addresses.sort_by_cached_key(|address| {
            let source = address_towards(SocketAddr::new(*address, 9)).ok();
            let mismatch = source.map(scope) != Some(scope(*address));
            (source.is_none(), mismatch, address.is_ipv4(), scope(*address))
        });
    }
    addresses
}

/// How far an address reaches ([RFC 6724 §3.1]): 2 the link, 14 the world.
///
/// [RFC 6724 §3.1]: https://www.rfc-editor.org/rfc/rfc6724#section-3.1
fn scope(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(address) if address.is_loopback() || address.is_link_local() => 2,
        IpAddr::V6(address) if address.is_loopback() || address.is_unicast_link_local() => 2,
        IpAddr::V4(_) | IpAddr::V6(_) => 14,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 7984 §4 — addresses of both families are ordered as RFC 6724 says: those that can be reached first
    #[test]
    fn addresses_that_can_be_reached_come_first() {
        let order = |addresses: &[&str]| {
            let found = by_preference(addresses.iter().map(|address| address.parse().unwrap()));
            found.iter().map(IpAddr::to_string).collect::<Vec<_>>()
        };
        // To the first there is no way, or one from an address of another scope.
        assert_eq!(order(&["169.254.77.77", "127.0.0.1", "127.0.0.1"]), ["127.0.0.1", "169.254.77.77"]);
        assert_eq!(order(&["192.0.2.1", "127.0.0.1"]), ["127.0.0.1", "192.0.2.1"]);
        if address_towards("[::1]:9".parse().unwrap()).is_ok() {
            assert_eq!(order(&["127.0.0.1", "::1"]), ["::1", "127.0.0.1"]);
        }
    }

    /// Never answers.
    #[derive(Debug)]
    struct Silent;

    impl Resolver for Silent {
        fn resolve<'a>(&'a self, _: &'a Question) -> Resolving<'a> {
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_waits_for_its_turn_fails_in_time_too() {
        let mut lookups = Lookups::new(Some(Arc::new(Silent)));
        let (tell, mut told) = mpsc::channel(1);
        let start = tokio::time::Instant::now();
        let questions = 3 * AT_ONCE;
        for one in 0..questions {
            let question = Question::Addresses(format!("host{one}.example").into());
            lookups.ask(QueryId(one.try_into().unwrap()), question, tell.clone());
        }
        for _ in 0..questions {
            let Some(Told::Resolved { question, answer }) = told.recv().await else { panic!("an answer") };
            assert_eq!(answer, Answer::Failed);
            assert_eq!(lookups.take(&question).len(), 1);
        }
        assert_eq!(start.elapsed().as_secs(), ANSWER.as_secs());
        assert_eq!(lookups.at_once.available_permits(), AT_ONCE);
        assert!(lookups.waiting.is_empty());
    }
}
