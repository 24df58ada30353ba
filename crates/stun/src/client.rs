//! The STUN client, a core: it asks servers which address they see us at.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use crate::Timing;
use crate::auth::{self, Credentials, Integrity, Key, Mechanism, PasswordAlgorithm};
use crate::message::{Class, Message, MessageBuilder, Method, TransactionId};
use crate::request::{Due, Schedule};

/// How often one request is sent anew with what the server demanded: realm and nonce, then a fresh nonce or two.
const MAX_ATTEMPTS: u32 = 4;

/// How a client behaves.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Config {
    /// When requests are sent again.
    pub timing: Timing,
    /// Name and password, when the server wants them. Default none.
    pub credentials: Option<Credentials>,
    /// What to call ourselves in SOFTWARE. Default nothing.
    pub software: Option<String>,
    /// Ends requests with FINGERPRINT, and drops responses without. Default off.
    pub fingerprint: bool,
}

impl Config {
    /// Sets when requests are sent again.
    #[must_use]
    pub fn timing(self, timing: Timing) -> Self {
        Self { timing, ..self }
    }

    /// Sets name and password.
    #[must_use]
    pub fn credentials(self, credentials: Credentials) -> Self {
        Self { credentials: Some(credentials), ..self }
    }

    /// Sets what to call ourselves.
    #[must_use]
    pub fn software(self, software: &str) -> Self {
        Self { software: Some(software.to_owned()), ..self }
    }

    /// Uses FINGERPRINT.
    #[must_use]
    pub fn fingerprint(self) -> Self {
        Self { fingerprint: true, ..self }
    }
}

/// A request, through all its repetitions.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RequestId(u64);

/// What the outside world tells a client.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram came in.
    Datagram {
        /// Where it came from.
        from: SocketAddr,
        /// Its octets.
        bytes: &'a [u8],
    },
    /// The network says that a server cannot be reached (a hard ICMP error).
    Unreachable {
        /// The server.
        server: SocketAddr,
    },
}

/// Octets to be sent from the socket that the client stands for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transmit {
    /// Where to.
    pub to: SocketAddr,
    /// The datagram.
    pub bytes: Vec<u8>,
}

/// What became of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The server has said at which address it sees us.
    Mapped {
        /// Which request it answers.
        request: RequestId,
        /// Our address as the server sees it.
        address: SocketAddr,
    },
    /// The request has ended without an address.
    Failed {
        /// Which request has failed.
        request: RequestId,
        /// Why.
        failure: Failure,
    },
}

/// Why a request has failed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// No response came in time (39.5 s by default).
    #[error("no response")]
    TimedOut,
    /// The network says that the server cannot be reached.
    #[error("the server cannot be reached")]
    Unreachable,
    /// Responses came, none of them with a right signature: another password, or somebody in between.
    #[error("no response with a right signature")]
    IntegrityViolated,
    /// The server has refused, for good.
    #[error("the server refused: {code} {reason}")]
    Rejected {
        /// 300 to 699; 401 is a wrong name or password.
        code: u16,
        /// The server's words.
        reason: String,
    },
    /// The server wants another one to be asked.
    #[error("the server redirects to {0}")]
    Redirected(SocketAddr),
    /// The response holds no address, or an attribute that must be understood and is not.
    #[error("the response makes no sense")]
    BadResponse,
}

/// Why a request could not be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// 64 requests are under way.
    #[error("too many requests at once")]
    TooMany,
    /// The user name, the password or the name in SOFTWARE cannot be written.
    #[error("the credentials or the software name cannot be written into a message")]
    Unwritable,
}

/// The most requests at once.
const MAX_REQUESTS: usize = 64;

/// What the server demanded of long-term credentials.
#[derive(Clone, Debug)]
struct Challenge {
    realm: String,
    nonce: String,
    hide_username: bool,
    /// PASSWORD-ALGORITHMS as it came, and our choice.
    algorithms: Option<(Vec<u8>, PasswordAlgorithm)>,
}

/// With what a request was signed, and so its response must be.
#[derive(Debug)]
enum Signed {
    No,
    /// By one of the two attributes, or by either when the server may choose.
    With(Key, Option<Integrity>),
}

#[derive(Debug)]
struct Transaction {
    request: RequestId,
    id: TransactionId,
    server: SocketAddr,
    bytes: Vec<u8>,
    signed: Signed,
    schedule: Schedule,
    attempts: u32,
    integrity_violated: bool,
}

/// A STUN client on one UDP socket. It reads no clock and no socket: see the crate's example.
#[derive(Debug)]
pub struct StunClient {
    config: Config,
    ids: Ids,
    next_request: u64,
    transactions: Vec<Transaction>,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
}

/// Transaction ids that nobody can guess who does not know the seed.
struct Ids {
    keyed: Hmac<Sha1>,
    counter: u64,
}

impl Ids {
    fn new(seed: [u8; 32]) -> Self {
        Self { keyed: Hmac::new_from_slice(&seed).expect("HMAC takes keys of any length"), counter: 0 }
    }

    fn next(&mut self) -> TransactionId {
        self.counter += 1;
        let digest = self.keyed.clone().chain_update(self.counter.to_be_bytes()).finalize().into_bytes();
        let mut id = [0; 12];
        id.iter_mut().zip(digest).for_each(|(octet, random)| *octet = random);
        TransactionId(id)
    }
}

impl std::fmt::Debug for Ids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ids").finish_non_exhaustive()
    }
}

/// What a client wants done, in this order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Output {
    /// Send these octets.
    Transmit(Transmit),
    /// Tell the application.
    Event(Event),
}

impl StunClient {
    /// A client; the seed makes its transaction ids and comes from a cryptographic random source.
    #[must_use]
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        Self {
            config,
            ids: Ids::new(seed),
            next_request: 0,
            transactions: Vec::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Asks a server at which address it sees us; an [`Event`] with this id answers, in any case.
    ///
    /// # Errors
    /// [`RequestError::TooMany`] beyond 64 requests at once, [`RequestError::Unwritable`] when credentials or
    /// software name of the config do not fit a message.
    pub fn binding(&mut self, now: Instant, server: SocketAddr) -> Result<RequestId, RequestError> {
        if self.transactions.len() >= MAX_REQUESTS {
            return Err(RequestError::TooMany);
        }
        let request = RequestId(self.next_request);
        let transaction = self.transaction(now, request, server, None).ok_or(RequestError::Unwritable)?;
        self.next_request += 1;
        self.begin(transaction);
        Ok(request)
    }

    /// Ends a request without an event.
    pub fn cancel(&mut self, request: RequestId) {
        self.transactions.retain(|transaction| transaction.request != request);
    }

    /// Takes what the outside world says. Whatever is no response to a request under way, from the server that was
    /// asked, is dropped; other STUN and other protocols may share the socket.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Datagram { from, bytes } => self.handle_datagram(now, from, bytes),
            Input::Unreachable { server } => {
                while let Some(at) = self.transactions.iter().position(|found| found.server == server) {
                    let transaction = self.transactions.remove(at);
                    self.fail(transaction.request, Failure::Unreachable);
                }
            }
        }
    }

    /// Sends again what is due, and gives up what is overdue.
    pub fn handle_timeout(&mut self, now: Instant) {
        let mut at = 0;
        while let Some(transaction) = self.transactions.get_mut(at) {
            match transaction.schedule.advance(now) {
                Due::Nothing => at += 1,
                Due::Resend => {
                    let transmit = Transmit { to: transaction.server, bytes: transaction.bytes.clone() };
                    self.transmits.push_back(transmit);
                    at += 1;
                }
                Due::TimedOut => {
                    let ended = self.transactions.remove(at);
                    let violated = ended.integrity_violated;
                    let failure = if violated { Failure::IntegrityViolated } else { Failure::TimedOut };
                    self.fail(ended.request, failure);
                }
            }
        }
    }

    /// When [`StunClient::handle_timeout`] is to be called; `None` when idle.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.transactions.iter().map(|transaction| transaction.schedule.next()).min()
    }

    /// What to do next; to be called after each of the others until it gives `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        let transmit = self.transmits.pop_front().map(Output::Transmit);
        transmit.or_else(|| self.events.pop_front().map(Output::Event))
    }

    /// A new transaction; requests with long-term credentials are signed once there is a challenge.
    fn transaction(
        &mut self,
        now: Instant,
        request: RequestId,
        server: SocketAddr,
        challenge: Option<&Challenge>,
    ) -> Option<Transaction> {
        let id = self.ids.next();
        let mut builder = MessageBuilder::new(Class::Request, Method::BINDING, id);
        if let Some(software) = &self.config.software {
            builder = builder.software(software);
        }
        let (mut builder, signed) = sign(builder, self.config.credentials.as_ref(), challenge)?;
        if self.config.fingerprint {
            builder = builder.fingerprint();
        }
        let schedule = Schedule::new(now, self.config.timing);
        let bytes = builder.build().ok()?;
        let (attempts, integrity_violated) = (1, false);
        Some(Transaction { request, id, server, bytes, signed, schedule, attempts, integrity_violated })
    }

    fn begin(&mut self, transaction: Transaction) {
        self.transmits.push_back(Transmit { to: transaction.server, bytes: transaction.bytes.clone() });
        self.transactions.push(transaction);
    }

    fn fail(&mut self, request: RequestId, failure: Failure) {
        self.events.push_back(Event::Failed { request, failure });
    }

    fn handle_datagram(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let Ok(response) = Message::parse(bytes) else { return };
        if !matches!(response.class(), Class::Success | Class::Error) || response.method() != Method::BINDING
        {
            return;
        }
        let asked = |found: &Transaction| found.id == response.transaction_id() && found.server == from;
        let Some(at) = self.transactions.iter().position(asked) else { return };
        if self.config.fingerprint && !response.has_fingerprint() {
            return;
        }
        let Some(transaction) = self.transactions.get_mut(at) else { return };
        match judge(&response, bytes, transaction, self.config.credentials.as_ref()) {
            Verdict::Drop => {}
            Verdict::Forged => transaction.integrity_violated = true,
            Verdict::Retry(challenge) => {
                let old = self.transactions.remove(at);
                match self.transaction(now, old.request, old.server, Some(&challenge)) {
                    Some(new) => self.begin(Transaction { attempts: old.attempts + 1, ..new }),
                    None => self.fail(old.request, Failure::BadResponse),
                }
            }
            Verdict::Mapped(address) => {
                let request = self.transactions.remove(at).request;
                self.events.push_back(Event::Mapped { request, address });
            }
            Verdict::Failed(failure) => {
                let request = self.transactions.remove(at).request;
                self.fail(request, failure);
            }
        }
    }
}

/// Adds name and signature, as far as credentials and challenge say.
fn sign(
    builder: MessageBuilder,
    credentials: Option<&Credentials>,
    challenge: Option<&Challenge>,
) -> Option<(MessageBuilder, Signed)> {
    let Some(credentials) = credentials else { return Some((builder, Signed::No)) };
    let (username, password) = (&credentials.username, &credentials.password);
    match (credentials.mechanism, challenge) {
        // The server may know only the older attribute, so both are there (RFC 8489 §9.1.2).
        (Mechanism::ShortTerm, _) => {
            let key = Key::short_term(password).ok()?;
            let builder = builder.username(username);
            let builder = builder.integrity(Integrity::Sha1, &key).integrity(Integrity::Sha256, &key);
            Some((builder, Signed::With(key, None)))
        }
        (Mechanism::LongTerm, None) => Some((builder, Signed::No)),
        (Mechanism::LongTerm, Some(Challenge { realm, nonce, hide_username, algorithms })) => {
            let algorithm = algorithms.as_ref().map_or(PasswordAlgorithm::Md5, |(_, chosen)| *chosen);
            let key = Key::long_term(username, realm, password, algorithm).ok()?;
            let builder =
                if *hide_username { builder.user_hash(username, realm) } else { builder.username(username) };
            let mut builder = builder.realm(realm).nonce(nonce);
            let mut integrity = Integrity::Sha1;
            if let Some((offered, chosen)) = algorithms {
                builder = builder.password_algorithm(offered, *chosen);
                integrity = Integrity::Sha256;
            }
            Some((builder.integrity(integrity, &key), Signed::With(key, Some(integrity))))
        }
    }
}

/// What to do about a response.
enum Verdict {
    Drop,
    /// Not signed as it must be: dropped, and remembered.
    Forged,
    Retry(Challenge),
    Mapped(SocketAddr),
    Failed(Failure),
}

/// Judges a response in the order of [RFC 8489 §6.3, §9.1.4, §9.2.5].
///
/// [RFC 8489 §6.3, §9.1.4, §9.2.5]: https://www.rfc-editor.org/rfc/rfc8489#section-9.2.5
fn judge(
    response: &Message,
    bytes: &[u8],
    transaction: &Transaction,
    credentials: Option<&Credentials>,
) -> Verdict {
    let features = response.nonce().map(Features::of).unwrap_or_default();
    let downgraded = features.password_algorithms && response.password_algorithms().is_none();
    let code = response.error().map(|(code, _)| code);
    let long_term = credentials.is_some_and(|found| found.mechanism == Mechanism::LongTerm);
    if long_term && matches!(code, Some(401 | 438)) {
        // Neither of the two can be signed: the server has yet to learn, or has forgotten, who we are.
        let again = match (&transaction.signed, code) {
            (Signed::No, Some(401)) | (Signed::With(..), Some(438)) => transaction.attempts < MAX_ATTEMPTS,
            _ => false,
        };
        return match challenge(response, features).filter(|_| again && !downgraded) {
            Some(challenge) => Verdict::Retry(challenge),
            None => Verdict::Failed(rejected(response)),
        };
    }
    if downgraded {
        return Verdict::Drop;
    }
    if let Signed::With(key, integrity) = &transaction.signed {
        match auth::verify(bytes, key) {
            Some(found) if integrity.is_none_or(|expected| expected == found) => {}
            _ => return Verdict::Forged,
        }
    }
    if !response.unknown_required().is_empty() {
        return Verdict::Failed(Failure::BadResponse);
    }
    match (response.class(), response.mapped_address(), response.alternate_server()) {
        (Class::Success, Some(address), _) => Verdict::Mapped(address),
        (Class::Error, _, Some(server)) if code == Some(300) => Verdict::Failed(Failure::Redirected(server)),
        (Class::Error, _, _) => Verdict::Failed(rejected(response)),
        (Class::Success | Class::Request | Class::Indication, _, _) => Verdict::Failed(Failure::BadResponse),
    }
}

fn rejected(response: &Message) -> Failure {
    response.error().map_or(Failure::BadResponse, |(code, reason)| Failure::Rejected {
        code,
        reason: reason.chars().filter(|character| !character.is_control()).collect(),
    })
}

/// What the server demands, if it can be met: of its algorithms the first that we know.
fn challenge(response: &Message, features: Features) -> Option<Challenge> {
    let algorithms = match response.password_algorithms() {
        None => None,
        Some(offered) => Some((offered.to_vec(), first_known(offered)?)),
    };
    Some(Challenge {
        realm: response.realm()?.to_owned(),
        nonce: response.nonce()?.to_owned(),
        hide_username: features.username_anonymity,
        algorithms,
    })
}

/// The first algorithm that we know in a PASSWORD-ALGORITHMS attribute ([RFC 8489 §14.11]).
///
/// [RFC 8489 §14.11]: https://www.rfc-editor.org/rfc/rfc8489#section-14.11
fn first_known(mut offered: &[u8]) -> Option<PasswordAlgorithm> {
    loop {
        let ([high, low, length @ ..], rest) = offered.split_first_chunk::<4>()?;
        if let Some(algorithm) = PasswordAlgorithm::from_id(u16::from_be_bytes([*high, *low])) {
            return Some(algorithm);
        }
        offered = rest.get(usize::from(u16::from_be_bytes(*length)).next_multiple_of(4)..)?;
    }
}

/// The security features in a nonce ([RFC 8489 §9.2]): 24 bits in base64 behind a fixed word.
///
/// [RFC 8489 §9.2]: https://www.rfc-editor.org/rfc/rfc8489#section-9.2
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Features {
    password_algorithms: bool,
    username_anonymity: bool,
}

impl Features {
    /// The two features that are known are the first two bits, so in the first digit.
    fn of(nonce: &str) -> Self {
        let digits = nonce.as_bytes().strip_prefix(b"obMatJos2").and_then(|rest| rest.first_chunk::<4>());
        let value = |digit: u8| match digit {
            b'A'..=b'Z' => Some(digit - b'A'),
            b'a'..=b'z' => Some(digit - b'a' + 26),
            b'0'..=b'9' => Some(digit - b'0' + 52),
            b'+' => Some(62),
            b'/' => Some(63),
            _ => None,
        };
        let first = digits.and_then(|[first, ..]| value(*first)).unwrap_or(0);
        Self { password_algorithms: first & 0x20 != 0, username_anonymity: first & 0x10 != 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 8489 §9.2 — the nonce cookie and its security feature set
    #[test]
    fn security_features_are_read_out_of_the_nonce() {
        let features =
            |password_algorithms, username_anonymity| Features { password_algorithms, username_anonymity };
        assert_eq!(Features::of("obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA"), features(false, false));
        assert_eq!(Features::of("obMatJos2gAAAxyz"), features(true, false));
        assert_eq!(Features::of("obMatJos2wAAAxyz"), features(true, true));
        assert_eq!(Features::of("obMatJos2QAAA"), features(false, true));
        assert_eq!(Features::of("obMatJos2wAA"), features(false, false));
        assert_eq!(Features::of("obMatJos2wAé"), features(true, true));
        assert_eq!(Features::of("wAAA"), features(false, false));
    }

    #[test]
    fn the_first_known_algorithm_is_taken() {
        assert_eq!(
            first_known(&[0, 9, 0, 1, 7, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0]),
            Some(PasswordAlgorithm::Sha256)
        );
        assert_eq!(first_known(&[0, 9, 0, 1, 7, 0, 0, 0]), None);
        assert_eq!(first_known(&[0, 9, 0, 200, 7, 0, 0, 0]), None);
        assert_eq!(first_known(&[]), None);
    }
}
