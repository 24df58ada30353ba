//! [`TransactionKey`]: which transaction a message belongs to ([RFC 3261 §17.1.3], [RFC 3261 §17.2.3]).
//!
//! A key is a digest under a secret of what must be equal: no peer can make two transactions collide, and none can make
//! the table slow.
//!
//! [RFC 3261 §17.1.3]: https://www.rfc-editor.org/rfc/rfc3261#section-17.1.3
//! [RFC 3261 §17.2.3]: https://www.rfc-editor.org/rfc/rfc3261#section-17.2.3

use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

use sip_msg::{CSeq, CallId, From, HeaderName, Host, Method, Request, To, Via};

/// What must be equal for two messages to belong to one transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TransactionKey(u64, u64);

impl Hash for TransactionKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

/// A key is evenly distributed already.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {}
    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

pub(crate) type KeyMap<V> = std::collections::HashMap<TransactionKey, V, BuildHasherDefault<AsItIs>>;

/// Makes keys under one secret.
#[derive(Clone)]
pub(crate) struct Keys {
    secret: [u64; 4],
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

/// Two digests at once: 128 bits.
struct Digest(DefaultHasher, DefaultHasher);

impl Digest {
    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.write_usize(bytes.len());
        self.0.write(bytes);
        self.1.write_usize(bytes.len());
        self.1.write(bytes);
        self
    }

    /// Tokens are compared without regard to case (RFC 3261 §7.3.1).
    fn token(self, text: &str) -> Self {
        let mut buffer = [0; 96];
        match buffer.get_mut(..text.len()) {
            Some(lower) => {
                lower.copy_from_slice(text.as_bytes());
                lower.make_ascii_lowercase();
                self.bytes(lower)
            }
            None => self.bytes(text.to_ascii_lowercase().as_bytes()),
        }
    }

    fn number(mut self, number: u64) -> Self {
        self.0.write_u64(number);
        self.1.write_u64(number);
        self
    }

    fn host(self, host: &Host) -> Self {
        match host {
            Host::Name(name) => self.number(0).token(name),
            Host::V4(address) => self.number(4).bytes(&address.octets()),
            Host::V6(address) => self.number(6).bytes(&address.octets()),
        }
    }

    fn key(self) -> TransactionKey {
        TransactionKey(self.0.finish(), self.1.finish())
    }
}

impl Keys {
    pub(crate) fn new(secret: [u64; 4]) -> Self {
        Self { secret }
    }

    /// `use_` keeps keys of different uses apart.
    fn digest(&self, use_: u64) -> Digest {
        let [a, b, c, d] = self.secret;
        let mut digest = Digest(DefaultHasher::new(), DefaultHasher::new());
        for (first, second) in [(a, c), (b, d), (use_, use_)] {
            digest.0.write_u64(first);
            digest.1.write_u64(second);
        }
        digest
    }

    /// The client transaction a response belongs to: branch and the method in CSeq.
    pub(crate) fn client(&self, branch: &str, method: &Method) -> TransactionKey {
        self.digest(1).token(branch).bytes(method.as_str().as_bytes()).key()
    }

    /// The server transaction a request belongs to, as if its method were `method`.
    ///
    /// `via` is its top Via as it came, before `received` and `rport` were written into it.
    pub(crate) fn server(&self, request: &Request, via: &Via, method: &Method) -> TransactionKey {
        let method = if *method == Method::ACK { &Method::INVITE } else { method };
        match via.branch() {
            Some(branch) if is_cookie(branch) => self
                .digest(2)
                .token(branch)
                .host(&via.sent_by.host)
                .number(via.sent_by.port.map_or(0, u64::from))
                .bytes(method.as_str().as_bytes())
                .key(),
            _ => self.server_of_rfc_2543(request, via, method),
        }
    }

    /// Without the cookie, all that tells requests apart (RFC 3261 §17.2.3). The To tag tells apart no INVITEs that the
    /// rest does not, and an ACK has another one; so it counts for other methods only.
    fn server_of_rfc_2543(&self, request: &Request, via: &Via, method: &Method) -> TransactionKey {
        let headers = request.headers();
        let from = headers.get::<From>().ok().flatten();
        let to = headers.get::<To>().ok().flatten().filter(|_| *method != Method::INVITE);
        self.digest(3)
            .bytes(request.uri_text().as_bytes())
            .bytes(to.as_ref().and_then(To::tag).map_or(&[], |tag| tag.as_bytes()))
            .bytes(from.as_ref().and_then(From::tag).map_or(&[], |tag| tag.as_bytes()))
            .bytes(headers.raw(HeaderName::CALL_ID).unwrap_or_default())
            .number(headers.get::<CSeq>().ok().flatten().map_or(0, |cseq| u64::from(cseq.number)))
            .bytes(method.as_str().as_bytes())
            .token(&via.to_string())
            .key()
    }

    /// What a request has in common with its copies on other paths (RFC 3261 §8.2.2.2): From tag, Call-ID, CSeq.
    ///
    /// `None` when it has a To tag: then it cannot be merged.
    pub(crate) fn merge(&self, request: &Request) -> Option<TransactionKey> {
        let headers = request.headers();
        if headers.get::<To>().ok()??.tag().is_some() {
            return None;
        }
        let from = headers.get::<From>().ok()??;
        let call_id = headers.get::<CallId>().ok()??;
        let cseq = headers.get::<CSeq>().ok()??;
        let key = self
            .digest(4)
            .bytes(from.tag()?.as_bytes())
            .bytes(call_id.as_str().as_bytes())
            .number(u64::from(cseq.number))
            .bytes(cseq.method.as_str().as_bytes())
            .key();
        Some(key)
    }

    /// The To tag of a response that is sent without a transaction: the same each time (RFC 3261 §8.2.7).
    pub(crate) fn stateless_tag(&self, request: &Request) -> String {
        let headers = request.headers();
        let via = headers.all::<Via>().next().and_then(Result::ok);
        let branch = via.as_ref().and_then(Via::branch).unwrap_or_default();
        let call_id = headers.raw(HeaderName::CALL_ID).unwrap_or_default();
        let TransactionKey(tag, _) = self.digest(5).token(branch).bytes(call_id).key();
        format!("{tag:016x}")
    }
}

fn is_cookie(branch: &str) -> bool {
    branch.get(..Via::MAGIC_COOKIE.len()).is_some_and(|start| start.eq_ignore_ascii_case(Via::MAGIC_COOKIE))
}

#[cfg(test)]
mod tests {
    use sip_msg::{Limits, Message};

    use super::*;

    fn request(method: &str, via: &str, to: &str) -> Request {
        let text = format!(
            "{method} sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP {via}\r\nFrom: <sip:a@a>;tag=1\r\n\
             To: <sip:b@b>{to}\r\nCall-ID: x@y\r\nCSeq: 7 {method}\r\n\r\n"
        );
        let Ok(Message::Request(request)) = Message::parse(text.into_bytes(), &Limits::default()) else {
            panic!("it parses")
        };
        request
    }

    fn key(method: &str, via: &str, to: &str) -> TransactionKey {
        let request = request(method, via, to);
        let via = request.headers().require::<Via>().unwrap();
        Keys::new([1, 2, 3, 4]).server(&request, &via, request.method())
    }

    // rfc: 3261 §17.2.3 — branch, sent-by and method tell server transactions apart; an ACK matches the INVITE
    #[test]
    fn branch_sent_by_and_method_make_the_key() {
        let invite = key("INVITE", "a.example:5060;branch=z9hG4bKx", "");
        assert_eq!(invite, key("INVITE", "A.Example:5060;branch=Z9hg4bkX;rport", ""));
        assert_eq!(invite, key("ACK", "a.example:5060;branch=z9hG4bKx", ";tag=2"));
        assert_ne!(invite, key("CANCEL", "a.example:5060;branch=z9hG4bKx", ""));
        assert_ne!(invite, key("INVITE", "a.example:5060;branch=z9hG4bKy", ""));
        assert_ne!(invite, key("INVITE", "b.example:5060;branch=z9hG4bKx", ""));
        assert_ne!(invite, key("INVITE", "a.example;branch=z9hG4bKx", ""), "no port is not 5060");
    }

    // rfc: 3261 §17.2.3 — without the magic cookie, Request-URI, tags, Call-ID, CSeq and Via are compared
    #[test]
    fn old_clients_are_told_apart_by_everything_else() {
        let invite = key("INVITE", "a.example", "");
        assert_eq!(invite, key("INVITE", "a.example", ""));
        assert_eq!(invite, key("ACK", "a.example", ";tag=2"));
        assert_ne!(invite, key("INVITE", "b.example", ""));
        assert_ne!(invite, key("INVITE", "a.example;branch=1", ""));
        assert_ne!(key("BYE", "a.example", ";tag=2"), key("BYE", "a.example", ";tag=3"));
    }

    // rfc: 3261 §8.2.2.2 — merged requests share From tag, Call-ID and CSeq, and have no To tag
    #[test]
    fn copies_on_other_paths_share_a_merge_key() {
        let keys = Keys::new([1, 2, 3, 4]);
        let merge = |method, via, to| keys.merge(&request(method, via, to));
        assert!(merge("INVITE", "a;branch=z9hG4bKx", "").is_some());
        assert_eq!(merge("INVITE", "a;branch=z9hG4bKx", ""), merge("INVITE", "b;branch=z9hG4bKy", ""));
        assert_ne!(merge("INVITE", "a;branch=z9hG4bKx", ""), merge("OPTIONS", "a;branch=z9hG4bKx", ""));
        assert_eq!(merge("INVITE", "a;branch=z9hG4bKx", ";tag=2"), None);
    }

    #[test]
    fn a_key_depends_on_the_secret() {
        let method = Method::INVITE;
        let key = |secret| Keys::new(secret).client("z9hG4bKx", &method);
        assert_eq!(key([1, 2, 3, 4]), key([1, 2, 3, 4]));
        assert_ne!(key([1, 2, 3, 4]), key([1, 2, 3, 5]));
    }
}
