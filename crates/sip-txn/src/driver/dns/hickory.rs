//! [`Dns`]: the only file that names `hickory_resolver`.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use sip_msg::Text;

use super::{HostResolver, Resolver, Resolving, by_preference};
use crate::{Answer, NaptrRecord, Question, SrvRecord};

/// How long one name server may take: three attempts fit into the time of one answer.
const ATTEMPT: Duration = Duration::from_secs(1);
/// Answers in the cache.
const CACHED: u64 = 1024;

/// NAPTR, SRV, A and AAAA records from name servers, kept as long as their time to live says.
///
/// Addresses that the name servers do not know are asked of the system, which may know more ways to find a host: mDNS for
/// `.local`, the names of containers.
#[derive(Clone)]
pub struct Dns {
    resolver: TokioResolver,
    /// Whether the system is asked, too.
    system: bool,
}

impl fmt::Debug for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dns").field("system", &self.system).finish_non_exhaustive()
    }
}

impl Dns {
    /// Asks the name servers of the system (`/etc/resolv.conf`, the registry of Windows), which are read now, and looks into
    /// its file of hosts.
    ///
    /// # Errors
    /// What is wrong with the settings of the system, or that there are none.
    pub fn system() -> io::Result<Self> {
        let mut builder = TokioResolver::builder_tokio().map_err(io::Error::other)?;
        limit(builder.options_mut());
        let resolver = builder.build().map_err(io::Error::other)?;
        Ok(Self { resolver, system: true })
    }

    /// Asks these name servers, and nobody else.
    ///
    /// # Errors
    /// What the resolver says of them.
    pub fn servers(servers: &[SocketAddr]) -> io::Result<Self> {
        let server = |address: &SocketAddr| {
            let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
            udp.port = address.port();
            tcp.port = address.port();
            NameServerConfig::new(address.ip(), true, vec![udp, tcp])
        };
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.iter().map(server).collect());
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        limit(builder.options_mut());
        let resolver = builder.build().map_err(io::Error::other)?;
        Ok(Self { resolver, system: false })
    }

    async fn naptr(&self, name: &str) -> Result<Answer, NetError> {
        let found = self.resolver.lookup(whole(name)?, RecordType::NAPTR).await?;
        let records = found.answers().iter().filter_map(|record| {
            let RData::NAPTR(naptr) = &record.data else { return None };
            // RFC 3263 §4.1: a replacement to ask SRV records for, and no regular expression.
            if !naptr.flags.eq_ignore_ascii_case(b"s") || !naptr.regexp.is_empty() {
                return None;
            }
            let (order, preference) = (naptr.order, naptr.preference);
            let service = std::str::from_utf8(&naptr.services).ok()?.into();
            Some(NaptrRecord { order, preference, service, replacement: text(&naptr.replacement) })
        });
        Ok(Answer::Naptr(records.collect()))
    }

    async fn srv(&self, name: &str) -> Result<Answer, NetError> {
        let found = self.resolver.lookup(whole(name)?, RecordType::SRV).await?;
        let records = found.answers().iter().filter_map(|record| {
            let RData::SRV(srv) = &record.data else { return None };
            let (priority, weight, port) = (srv.priority, srv.weight, srv.port);
            Some(SrvRecord { priority, weight, port, target: text(&srv.target) })
        });
        Ok(Answer::Srv(records.collect()))
    }

    async fn addresses(&self, name: &str) -> Result<Answer, NetError> {
        // A name without a dot is one of the local network, which the search list may complete.
        let name = if name.contains('.') { whole(name)? } else { Name::from_utf8(name)? };
        let found = self.resolver.lookup_ip(name).await?;
        Ok(Answer::Addresses(by_preference(found.iter())))
    }
}

impl Resolver for Dns {
    fn resolve<'a>(&'a self, question: &'a Question) -> Resolving<'a> {
        Box::pin(async move {
            let (answer, nothing) = match question {
                Question::Naptr(name) => (self.naptr(name).await, Answer::Naptr(Vec::new())),
                Question::Srv(name) => (self.srv(name).await, Answer::Srv(Vec::new())),
                Question::Addresses(name) => (self.addresses(name).await, Answer::Addresses(Vec::new())),
            };
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) if error.is_no_records_found() => nothing.clone(),
                Err(error) => {
                    tracing::debug!(?question, %error, "the DNS could not be asked");
                    Answer::Failed
                }
            };
            let unknown = answer == Answer::Failed || answer == nothing;
            if unknown && self.system && matches!(question, Question::Addresses(_)) {
                return HostResolver.resolve(question).await;
            }
            answer
        })
    }
}

/// Bounds what one question may cost.
fn limit(options: &mut ResolverOpts) {
    options.timeout = options.timeout.min(ATTEMPT);
    options.cache_size = CACHED;
    // Off-path attackers must guess the case of each letter, too.
    options.case_randomization = true;
    // Each record only once, without the aliases that led to it.
    options.preserve_intermediates = false;
}

/// A name that no search list completes: domains in SIP URIs are whole.
fn whole(name: &str) -> Result<Name, NetError> {
    let mut name = Name::from_utf8(name)?;
    name.set_fqdn(true);
    Ok(name)
}

/// Without the dot of the root; the root itself is `.`.
fn text(name: &Name) -> Text {
    let name = name.to_ascii();
    match name.strip_suffix('.') {
        Some("") | None => name.as_str().into(),
        Some(name) => name.into(),
    }
}
