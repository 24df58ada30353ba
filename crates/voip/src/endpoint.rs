//! An endpoint: sockets, an agent, and everything that is made with them.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use media::Plan;
use media::driver::MediaSocket;
use sip_msg::{HeaderName, Method, NameAddr, Response, StatusCode, Text, Uri};
use sip_txn::driver::{Certificates, Settings, Transports, address_towards, locate};
use sip_ua::MediaPlan;
use sip_ua::auth::Verifier;
use sip_ua::driver::Handle;
use sip_ua::{Agent, CommandError, DialogId, OutOfDialog, RequestId};
use tokio::sync::{mpsc, oneshot, watch};

use crate::account::Account;
use crate::call::{CallMedia, Dial, IncomingCall};
use crate::config::{Config, Listen};
use crate::driver::{self, Route, Router};
use crate::error::{BindError, RegisterError, RequestError, TargetError};
use crate::message::{IncomingMessage, Messages};
use crate::plan::CallPlan;
use crate::registration::{News, Registration};
use crate::tls::{Tls, TlsError};

/// Where nobody listens: what a description names when there is no media ([RFC 863]).
///
/// [RFC 863]: https://www.rfc-editor.org/rfc/rfc863
const DISCARD: u16 = 9;

/// A SIP endpoint: it calls, is called, and registers. Clones are handles of the same one.
///
/// It lives until the last handle, call and registration made with it is dropped, or [`Endpoint::shut_down`].
#[derive(Clone, Debug)]
pub struct Endpoint {
    shared: Shared,
}

/// The calls that come in, from [`Endpoint::bind`]. When it is dropped, callers hear 486 Busy Here.
#[derive(Debug)]
pub struct Incoming {
    calls: mpsc::Receiver<IncomingCall>,
    /// Keeps the endpoint alive for those who keep only this.
    _shared: Shared,
}

impl Incoming {
    /// Waits for the next call; `None` after the endpoint was shut down. Cancel safe.
    pub async fn next(&mut self) -> Option<IncomingCall> {
        self.calls.recv().await
    }

    /// Gives each call to `handler`, in a task of its own, until the endpoint is shut down. A handler's error is logged.
    pub async fn serve<F, E>(mut self, handler: impl Fn(IncomingCall) -> F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        while let Some(call) = self.next().await {
            driver::spawn_logged(handler(call));
        }
    }
}

impl futures_core::Stream for Incoming {
    type Item = IncomingCall;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<IncomingCall>> {
        self.calls.poll_recv(context)
    }
}

impl Endpoint {
    /// Opens the sockets and starts the agent.
    ///
    /// # Errors
    /// [`BindError`] names the address that is in use, or what is wrong with the certificates.
    pub async fn bind(config: Config) -> Result<(Self, Incoming), BindError> {
        let (transports, transactions, addresses) = open_transports(&config).await?;
        let mut settings = sip_ua::Config::new(transactions).user_agent(config.user_agent.clone());
        if config.messages > 0 {
            settings = settings.takes([Method::MESSAGE]);
        }
        if let Some((realm, users)) = &config.challenge {
            let key = driver::seed().map_err(BindError::Random)?;
            let verifier = users
                .iter()
                .fold(Verifier::new(driver::now(), realm.as_str(), key), |verifier, (user, password)| {
                    verifier.user(user.as_str(), password.as_str())
                });
            settings = settings.challenge(verifier);
        }
        if config.provider.is_some() {
            settings = settings.ask_for_credentials(crate::credentials::PATIENCE);
        }
        let tuned = config.tune.iter().fold(settings, |settings, tune| tune(settings));
        let agent = Agent::new(tuned);
        let certificates = transports.certificates();
        let (agent, events) = sip_ua::driver::start(agent, transports);
        let (routes, route_receiver) = mpsc::unbounded_channel();
        let (incoming, calls) = mpsc::channel(config.incoming_calls.max(1));
        let (messages, message_receiver) = mpsc::channel(config.messages.max(1));
        let message_receiver = Mutex::new(Some(message_receiver));
        let shared =
            Arc::new(Handles { agent, routes, config, addresses, certificates, messages: message_receiver });
        let provider = shared.config.provider.clone();
        Router::start(Arc::downgrade(&shared), incoming, messages, provider, route_receiver, events);
        Ok((Self { shared: Arc::clone(&shared) }, Incoming { calls, _shared: shared }))
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Where it listens: the ports are those that were bound.
    #[must_use]
    pub fn local_addresses(&self) -> &[Listen] {
        &self.shared.addresses
    }

    /// Uses other certificates, or renewed ones, from now on. Open connections, and the calls on them, go on.
    ///
    /// # Errors
    /// [`TlsError`]: they cannot be used, and everything stays as it was.
    pub fn replace_tls(&self, tls: &Tls) -> Result<(), TlsError> {
        self.shared.certificates.replace(tls.build()?);
        Ok(())
    }

    /// Calls somebody: `sip:bob@example.com`, `sips:…`, `tel:+4912345`, or just `bob` at the domain of the account that
    /// calls.
    ///
    /// ```no_run
    /// # async fn example(endpoint: voip::Endpoint, alice: voip::Account) -> Result<(), voip::CallError> {
    /// let call = endpoint.dial("sip:bob@example.com").from(&alice).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn dial(&self, target: &str) -> Dial {
        Dial::new(self.shared.clone(), target)
    }

    /// Registers, waits until the registrar has said yes, and stays registered as long as the handle lives.
    ///
    /// # Errors
    /// [`RegisterError::Failed`] when the first attempt fails; nothing is tried again then.
    pub async fn register(&self, account: &Account) -> Result<Registration, RegisterError> {
        let mut registration = self.keep_registered(account).await?;
        registration.first().await?;
        Ok(registration)
    }

    /// Registers in the background and goes on trying: at once a handle, whose [`Registration::changed`] tells the rest.
    ///
    /// # Errors
    /// [`RegisterError::Command`] when there are too many registrations.
    pub async fn keep_registered(&self, account: &Account) -> Result<Registration, RegisterError> {
        let account = account.registration();
        let (sender, news) = watch::channel(News::new());
        let routes = self.shared.routes.clone();
        let id = self
            .shared
            .run(move |agent, now| {
                let id = agent.register(now, account)?;
                // The router only ends with the endpoint; then nobody listens anyway.
                let _ = routes.send(Route::Registration { id, news: sender });
                Ok::<_, CommandError>(id)
            })
            .await
            .ok_or(RegisterError::ShutDown)??;
        Ok(Registration::new(self.shared.clone(), id, news))
    }

    /// Asks what the target can do: a SIP ping ([RFC 3261 §11]). Any answer is an `Ok`, whatever its status.
    ///
    /// [RFC 3261 §11]: https://www.rfc-editor.org/rfc/rfc3261#section-11
    ///
    /// # Errors
    /// [`RequestError`] when the target is no URI, or nobody answers within 32 s.
    pub async fn options(&self, target: &str, account: Option<&Account>) -> Result<Response, RequestError> {
        self.request(self.prepare(Method::OPTIONS, target, account)?).await
    }

    /// Sends a text message ([RFC 3428]). Any answer is an `Ok`, whatever its status: 200 and 202 mean that it was taken.
    ///
    /// [RFC 3428]: https://www.rfc-editor.org/rfc/rfc3428#section-4
    ///
    /// # Errors
    /// As [`options`](Self::options).
    pub async fn message(
        &self,
        target: &str,
        text: &str,
        account: Option<&Account>,
    ) -> Result<Response, RequestError> {
        let request = self.prepare(Method::MESSAGE, target, account)?;
        self.request(request.body("text/plain;charset=UTF-8", text.as_bytes().to_vec())).await
    }

    /// The messages that come in outside of calls, for whoever asks first: `None` after that, and when the
    /// [`Config`] takes none.
    #[must_use]
    pub fn messages(&self) -> Option<Messages> {
        if self.shared.config.messages == 0 {
            return None;
        }
        let mut waiting = self.shared.messages.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.take().map(Messages::new)
    }

    /// A request outside of calls, with what the account says about it.
    fn prepare(
        &self,
        method: Method,
        target: &str,
        account: Option<&Account>,
    ) -> Result<OutOfDialog, TargetError> {
        let target = resolve(target, account)?;
        let from = account.map_or_else(|| self.shared.anonymous(), Account::from);
        let mut request = OutOfDialog::new(method, from, target);
        request.headers.clone_from(&self.shared.config.headers);
        if let Some(account) = account {
            request.credentials = account.credentials();
            request.route = account.route();
        }
        Ok(request)
    }

    /// Sends any request outside of calls and waits for its final answer.
    ///
    /// # Errors
    /// As [`options`](Self::options), and [`RequestError::Command`] for a method with a way of its own (INVITE, REGISTER …).
    pub async fn request(&self, request: OutOfDialog) -> Result<Response, RequestError> {
        self.shared.ask(move |agent, now| agent.request(now, request)).await
    }

    /// Hangs up every call, unregisters, and closes the sockets, whoever else has a handle; waits for the answers, at
    /// most 4 s. What is left of the endpoint then says so: [`Incoming`] ends, and commands fail.
    pub async fn shut_down(self) {
        let idle = async {
            self.shared.run(Agent::leave).await?;
            while !self.shared.run(|agent, _| agent.has_left()).await? {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Some(())
        };
        // Peers that do not answer by then learn it from their own timers.
        let _ = tokio::time::timeout(Duration::from_secs(4), idle).await;
        // Without a router the endpoint has ended already.
        let _ = self.shared.routes.send(Route::ShutDown);
        while self.shared.run(|_, _| ()).await.is_some() {
            tokio::task::yield_now().await;
        }
    }
}

/// The sockets of a configuration, and what the transaction layer must know of them.
pub(crate) async fn open_transports(
    config: &Config,
) -> Result<(Transports, sip_txn::Config, Vec<Listen>), BindError> {
    if let Some(listen) = config.listen.iter().find(|listen| listen.transport.is_secure())
        && !config.tls.has_certificate()
    {
        return Err(BindError::NoCertificate(*listen));
    }
    let listen: Vec<_> = config
        .listen
        .iter()
        .map(|listen| sip_txn::driver::Listen::new(listen.transport, listen.address))
        .collect();
    let settings = Settings::default()
        .tls(config.tls.build()?)
        .web_socket(config.web_socket.clone())
        .resolver(Arc::clone(&config.resolver));
    let transports = Transports::bind(&listen, settings).await.map_err(BindError::Listen)?;
    let addresses: Vec<_> = transports
        .local_addresses()
        .iter()
        .map(|&(transport, address)| Listen { transport, address })
        .collect();
    let mut transactions = sip_txn::Config::new(driver::seed().map_err(BindError::Random)?);
    for listen in &addresses {
        transactions = transactions.listen(listen.transport, listen.address);
    }
    if let Some(address) = config.advertise {
        transactions = transactions.advertise(address);
    }
    if let Some(tap) = &config.tap {
        transactions = transactions.tap(Arc::clone(tap));
    }
    Ok((transports, transactions, addresses))
}

/// What an endpoint, its calls and its registrations share; the agent runs as long as one of them lives.
pub(crate) type Shared = Arc<Handles>;

/// Ways to the tasks, and settings: no state.
pub(crate) struct Handles {
    pub(crate) agent: Handle,
    pub(crate) routes: mpsc::UnboundedSender<Route>,
    config: Config,
    addresses: Vec<Listen>,
    certificates: Certificates,
    /// Until somebody asks for them.
    messages: Mutex<Option<mpsc::Receiver<IncomingMessage>>>,
}

impl fmt::Debug for Handles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handles").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl Handles {
    /// Runs a command in the agent's task; `None` when the agent is gone.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        command: impl FnOnce(&mut Agent, Instant) -> R + Send + 'static,
    ) -> Option<R> {
        self.agent.run(command).await.ok()
    }

    /// Sends a request by a command and waits for its final answer.
    pub(crate) async fn ask(
        &self,
        command: impl FnOnce(&mut Agent, Instant) -> Result<RequestId, CommandError> + Send + 'static,
    ) -> Result<Response, RequestError> {
        let (answer, answered) = oneshot::channel();
        let routes = self.routes.clone();
        self.run(move |agent, now| {
            let id = command(agent, now)?;
            let _ = routes.send(Route::Request { id, answer });
            Ok::<_, CommandError>(())
        })
        .await
        .ok_or(RequestError::ShutDown)??;
        answered.await.map_err(|_| RequestError::ShutDown)?.map_err(RequestError::NoAnswer)
    }

    /// Hangs up from where nobody can wait. The call may be over already, and the agent too.
    pub(crate) fn abandon(&self, dialog: DialogId) {
        let _ = self.agent.send(move |agent, now| drop(agent.hang_up(now, dialog)));
    }

    /// Refuses a call from where nobody can wait.
    pub(crate) fn refuse(&self, dialog: DialogId, status: StatusCode) {
        let _ = self.agent.send(move |agent, now| drop(agent.reject(now, dialog, status)));
    }

    pub(crate) fn headers(&self) -> &[(HeaderName, Text)] {
        &self.config.headers
    }

    /// Who calls when no account is named ([RFC 3261 §8.1.1.3]).
    ///
    /// [RFC 3261 §8.1.1.3]: https://www.rfc-editor.org/rfc/rfc3261#section-8.1.1.3
    pub(crate) fn anonymous(&self) -> NameAddr {
        let uri = Uri::parse("sip:anonymous@anonymous.invalid").expect("a constant URI");
        NameAddr { display_name: Some("Anonymous".into()), uri }
    }

    /// Where a request to this URI goes first; `None` when that cannot be found.
    ///
    /// Packets to the servers that are tried when the first one is dead mostly leave by the same interface.
    pub(crate) async fn peer_address(&self, uri: &Uri) -> Option<SocketAddr> {
        locate(&*self.config.resolver, uri).await
    }

    /// A media socket with its session, and the plan that negotiates for it. `peer` is whom signalling goes to, if known:
    /// it decides which of our addresses to name.
    pub(crate) async fn open_media(
        &self,
        peer: Option<SocketAddr>,
    ) -> io::Result<(Box<dyn MediaPlan>, CallMedia)> {
        let config = &self.config;
        let local = local_address(&self.addresses, config, peer);
        let address = |port| SocketAddr::new(config.advertise.unwrap_or(local), port);
        let (handle, events) = if config.media {
            let socket = MediaSocket::bind(local, config.media_ports).await?;
            let settings = media::Config::default().impairment(config.impairment);
            let seed = driver::seed().map_err(io::Error::other)?;
            media::driver::start(socket, media::driver::session(settings, seed))
        } else {
            media::driver::none(address(DISCARD))
        };
        let advertised = address(handle.local_address().port());
        let plan =
            Plan::new(config.capabilities.clone(), advertised, driver::seed().map_err(io::Error::other)?);
        let (agreed, agreement) = watch::channel(None);
        Ok((Box::new(CallPlan::new(plan, handle.clone(), agreed)), CallMedia { handle, events, agreement }))
    }
}

/// The address of ours that a peer reaches us at: the one we listen at, or else the one the system would send from.
fn local_address(bound: &[Listen], config: &Config, peer: Option<SocketAddr>) -> IpAddr {
    let chosen =
        config.listen.iter().map(|listen| listen.address.ip()).find(|address| !address.is_unspecified());
    // Of a peer that cannot be found nothing is known but that it is somewhere in the world.
    let anywhere = || bound.first().map(|listen| listen.address.ip());
    chosen
        .or_else(|| address_towards(peer?).ok())
        .or_else(anywhere)
        .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// The URI that a target stands for: `sip:` and `sips:` as they are; `tel:`, and a bare user or number, at the domain of
/// the account.
///
/// # Errors
/// [`TargetError`] when it is no URI, and no account is given to make one of it.
pub fn resolve(target: &str, account: Option<&Account>) -> Result<Uri, TargetError> {
    let error = |reason| TargetError { target: target.into(), reason };
    let uri = match account {
        Some(account) if !target.contains(':') && !target.contains('@') => {
            account.aor().clone().with_user(target)
        }
        _ => Uri::parse(target.to_owned()).map_err(error)?,
    };
    let home = account.and_then(|account| account.aor().host_port());
    Ok(home.map_or_else(|| uri.clone(), |home| uri.tel_to_sip(home)))
}
