//! STUN messages. The only file that names stun_rs.

use std::net::SocketAddr;

use stun_rs::attributes::stun::{
    AlternateServer, ErrorCode, MappedAddress, Nonce, Realm, Software, UnknownAttributes, UserHash, UserName,
    XorMappedAddress,
};
use stun_rs::error::{StunDecodeError, StunErrorLevel};
use stun_rs::{
    Algorithm, AlgorithmId, HMACKey, MessageClass, MessageDecoder, MessageEncoder, MessageMethod,
    StunAttribute, StunMessage, StunMessageBuilder,
};

use crate::auth::{self, Integrity, Key, KeyError, PasswordAlgorithm};
use crate::wire::{self, HEADER_LEN, attribute};

/// The longest message, in octets. Over UDP a message keeps below the path MTU ([RFC 8489 §6.1]); what is longer
/// costs more to read than it can be worth.
///
/// [RFC 8489 §6.1]: https://www.rfc-editor.org/rfc/rfc8489#section-6.1
const MAX_LEN: usize = 2048;

/// The 96 bits that join a response to its request.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TransactionId(pub [u8; 12]);

/// What kind of message it is ([RFC 8489 §5]).
///
/// [RFC 8489 §5]: https://www.rfc-editor.org/rfc/rfc8489#section-5
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// To be answered.
    Request,
    /// Not to be answered.
    Indication,
    /// The request was done.
    Success,
    /// The request was refused.
    Error,
}

/// What is asked for, 12 bits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Method(u16);

impl Method {
    /// Which address do you see me at?
    pub const BINDING: Self = Self(1);

    /// The number on the wire.
    #[must_use]
    pub fn code(self) -> u16 {
        self.0
    }
}

/// Why octets are no STUN message.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Shorter than a header, longer than 2,048 octets, or not as long as it says.
    #[error("wrong length")]
    Length,
    /// Not the first two bits or not the magic cookie of STUN, or an attribute that cannot be read.
    #[error("malformed")]
    Malformed,
    /// The FINGERPRINT is there and wrong.
    #[error("wrong fingerprint")]
    Fingerprint,
}

/// A received message, the attributes that this crate uses read out.
#[derive(Clone, Debug)]
pub struct Message {
    class: Class,
    method: Method,
    transaction_id: TransactionId,
    xor_mapped_address: Option<SocketAddr>,
    mapped_address: Option<SocketAddr>,
    alternate_server: Option<SocketAddr>,
    error: Option<(u16, String)>,
    username: Option<String>,
    realm: Option<String>,
    nonce: Option<String>,
    software: Option<String>,
    unknown_required: Vec<u16>,
    /// PASSWORD-ALGORITHMS, to be sent back octet for octet.
    password_algorithms: Option<Vec<u8>>,
    has_fingerprint: bool,
}

impl Message {
    /// Reads one message that fills the datagram.
    ///
    /// Integrity is a question of its own: [`auth::verify`].
    ///
    /// # Errors
    /// [`ParseError`]: it is not STUN, or altered on the way; to be dropped without an answer.
    pub fn parse(datagram: &[u8]) -> Result<Self, ParseError> {
        if !(HEADER_LEN..=MAX_LEN).contains(&datagram.len()) || !datagram.len().is_multiple_of(4) {
            return Err(ParseError::Length);
        }
        let decoded = MessageDecoder::default().decode(datagram);
        let (raw, readable) = match &decoded {
            Ok((raw, length)) if *length == datagram.len() => (raw, true),
            Ok(_) => return Err(ParseError::Length),
            Err(error) if is_inside_attribute(error) => (&bare(datagram)?, false),
            Err(_) => return Err(ParseError::Malformed),
        };
        let fingerprint = wire::check_fingerprint(datagram);
        if fingerprint == Some(false) {
            return Err(ParseError::Fingerprint);
        }
        let mut message = Self {
            class: match raw.class() {
                MessageClass::Request => Class::Request,
                MessageClass::Indication => Class::Indication,
                MessageClass::SuccessResponse => Class::Success,
                MessageClass::ErrorResponse => Class::Error,
            },
            method: Method(raw.method().as_u16()),
            transaction_id: TransactionId(*raw.transaction_id().as_bytes()),
            xor_mapped_address: None,
            mapped_address: None,
            alternate_server: None,
            error: None,
            username: None,
            realm: None,
            nonce: None,
            software: None,
            unknown_required: Vec::new(),
            password_algorithms: wire::find(datagram, attribute::PASSWORD_ALGORITHMS)
                .map(|found| found.value.to_vec()),
            has_fingerprint: fingerprint.is_some(),
        };
        if readable {
            raw.attributes().iter().for_each(|attribute| message.take(attribute));
        } else {
            message.take_readable(datagram);
        }
        Ok(message)
    }

    /// Takes the attributes one by one, since one that cannot be read does not spoil the others; if it must be
    /// understood, it counts as unknown. Behind a signature only another and the FINGERPRINT count
    /// ([RFC 8489 §14.5]).
    ///
    /// [RFC 8489 §14.5]: https://www.rfc-editor.org/rfc/rfc8489#section-14.5
    fn take_readable(&mut self, datagram: &[u8]) {
        let Some(header) = datagram.get(..HEADER_LEN) else { return };
        let unsigned = |found: &wire::RawAttribute<'_>| {
            !matches!(found.kind, attribute::MESSAGE_INTEGRITY | attribute::MESSAGE_INTEGRITY_SHA256)
        };
        for found in wire::attributes(datagram).take_while(unsigned) {
            let mut single = header.to_vec();
            wire::append(&mut single, found.kind, found.value);
            match MessageDecoder::default().decode(&single) {
                Ok((raw, _)) => raw.attributes().iter().for_each(|attribute| self.take(attribute)),
                Err(_) if found.kind < 0x8000 => self.unknown_required.push(found.kind),
                Err(_) => {}
            }
        }
    }

    /// Keeps the first attribute of each type; later ones are to be ignored ([RFC 8489 §14]).
    ///
    /// [RFC 8489 §14]: https://www.rfc-editor.org/rfc/rfc8489#section-14
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "known but unexpected attributes are ignored, RFC 8489 §6.3"
    )]
    fn take(&mut self, attribute: &StunAttribute) {
        fn keep<T>(place: &mut Option<T>, value: T) {
            place.get_or_insert(value);
        }
        match attribute {
            StunAttribute::XorMappedAddress(value) => {
                keep(&mut self.xor_mapped_address, *value.socket_address())
            }
            StunAttribute::MappedAddress(value) => keep(&mut self.mapped_address, *value.socket_address()),
            StunAttribute::AlternateServer(value) => {
                keep(&mut self.alternate_server, *value.socket_address())
            }
            StunAttribute::ErrorCode(value) => {
                let error = value.error_code();
                keep(&mut self.error, (error.error_code(), error.reason().to_owned()));
            }
            StunAttribute::UserName(value) => keep(&mut self.username, value.as_str().to_owned()),
            StunAttribute::Realm(value) => keep(&mut self.realm, value.as_str().to_owned()),
            StunAttribute::Nonce(value) => keep(&mut self.nonce, value.as_str().to_owned()),
            StunAttribute::Software(value) => keep(&mut self.software, value.as_str().to_owned()),
            StunAttribute::Unknown(value) if value.attribute_type().is_comprehension_required() => {
                self.unknown_required.push(value.attribute_type().as_u16());
            }
            _ => {}
        }
    }

    /// Request, indication or response.
    #[must_use]
    pub fn class(&self) -> Class {
        self.class
    }

    /// What is asked for.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// What joins a response to its request.
    #[must_use]
    pub fn transaction_id(&self) -> TransactionId {
        self.transaction_id
    }

    /// The address that the server saw: XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS of servers before RFC 5389,
    /// which NATs that rewrite addresses in payloads can falsify ([RFC 8489 §14.2]).
    ///
    /// [RFC 8489 §14.2]: https://www.rfc-editor.org/rfc/rfc8489#section-14.2
    #[must_use]
    pub fn mapped_address(&self) -> Option<SocketAddr> {
        self.xor_mapped_address.or(self.mapped_address)
    }

    /// Where to ask instead ([RFC 8489 §10](https://www.rfc-editor.org/rfc/rfc8489#section-10)).
    #[must_use]
    pub fn alternate_server(&self) -> Option<SocketAddr> {
        self.alternate_server
    }

    /// Code and reason of an error response.
    #[must_use]
    pub fn error(&self) -> Option<(u16, &str)> {
        self.error.as_ref().map(|(code, reason)| (*code, reason.as_str()))
    }

    /// The user name of a request.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// The realm that a server names.
    #[must_use]
    pub fn realm(&self) -> Option<&str> {
        self.realm.as_deref()
    }

    /// The nonce that a server names.
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    /// What the sender says it is.
    #[must_use]
    pub fn software(&self) -> Option<&str> {
        self.software.as_deref()
    }

    /// Attributes that must be understood and are not.
    #[must_use]
    pub fn unknown_required(&self) -> &[u16] {
        &self.unknown_required
    }

    /// Was there a FINGERPRINT? A wrong one is a [`ParseError`].
    #[must_use]
    pub fn has_fingerprint(&self) -> bool {
        self.has_fingerprint
    }

    pub(crate) fn password_algorithms(&self) -> Option<&[u8]> {
        self.password_algorithms.as_deref()
    }
}

/// Is only the value of an attribute at fault, not where attributes begin and end?
fn is_inside_attribute(error: &StunDecodeError) -> bool {
    match &error.0 {
        StunErrorLevel::Attribute(attribute) => attribute.attr_type.is_some(),
        StunErrorLevel::Message(_) => false,
    }
}

/// The message without its attributes, whose ends have to fit nevertheless.
fn bare(datagram: &[u8]) -> Result<StunMessage, ParseError> {
    let ends = wire::attributes(datagram).map(|found| found.before.len() + 4 + found.value.len()).last();
    if ends.map(|end| end.next_multiple_of(4)) != Some(datagram.len()) {
        return Err(ParseError::Malformed);
    }
    let mut header = datagram.get(..HEADER_LEN).ok_or(ParseError::Length)?.to_vec();
    wire::set_length(&mut header, 0);
    let (bare, _) = MessageDecoder::default().decode(&header).map_err(|_| ParseError::Malformed)?;
    Ok(bare)
}

/// Writes a message.
///
/// Attributes are written in the order of the calls; what cannot be written, such as a text of more than 763 octets,
/// is an error of [`MessageBuilder::build`].
#[derive(Debug)]
pub struct MessageBuilder {
    raw: Result<StunMessageBuilder, BuildError>,
    appended: Vec<(u16, Vec<u8>)>,
    integrity: Vec<(Integrity, Key)>,
    fingerprint: bool,
}

/// A text does not fit its attribute, or holds characters that are not allowed there.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a text does not fit its attribute")]
pub struct BuildError;

impl MessageBuilder {
    /// A message without attributes.
    #[must_use]
    pub fn new(class: Class, method: Method, transaction_id: TransactionId) -> Self {
        let class = match class {
            Class::Request => MessageClass::Request,
            Class::Indication => MessageClass::Indication,
            Class::Success => MessageClass::SuccessResponse,
            Class::Error => MessageClass::ErrorResponse,
        };
        let method = MessageMethod::try_from(method.0).map_err(|_| BuildError);
        let raw = method.map(|method| {
            StunMessageBuilder::new(method, class).with_transaction_id(transaction_id.0.into())
        });
        Self { raw, appended: Vec::new(), integrity: Vec::new(), fingerprint: false }
    }

    fn with<A: Into<StunAttribute>, E>(mut self, attribute: Result<A, E>) -> Self {
        self.raw = match (self.raw, attribute) {
            (Ok(raw), Ok(attribute)) => Ok(raw.with_attribute(attribute)),
            _ => Err(BuildError),
        };
        self
    }

    /// Adds XOR-MAPPED-ADDRESS.
    #[must_use]
    pub fn mapped_address(self, address: SocketAddr) -> Self {
        self.with(Ok::<_, BuildError>(XorMappedAddress::from(address)))
    }

    /// Adds MAPPED-ADDRESS, for clients of RFC 3489.
    #[must_use]
    pub fn plain_mapped_address(self, address: SocketAddr) -> Self {
        self.with(Ok::<_, BuildError>(MappedAddress::new(address.ip(), address.port())))
    }

    /// Adds ALTERNATE-SERVER.
    #[must_use]
    pub fn alternate_server(self, address: SocketAddr) -> Self {
        self.with(Ok::<_, BuildError>(AlternateServer::new(address.ip(), address.port())))
    }

    /// Adds ERROR-CODE; the code is 300 to 699.
    #[must_use]
    pub fn error(self, code: u16, reason: &str) -> Self {
        self.with(stun_rs::ErrorCode::new(code, reason).map(ErrorCode::new))
    }

    /// Adds UNKNOWN-ATTRIBUTES.
    #[must_use]
    pub fn unknown_attributes(self, kinds: &[u16]) -> Self {
        self.with(Ok::<_, BuildError>(UnknownAttributes::from(kinds)))
    }

    /// Adds USERNAME.
    #[must_use]
    pub fn username(self, username: &str) -> Self {
        self.with(UserName::new(username))
    }

    /// Adds USERHASH, which stands for the name ([RFC 8489 §14.4]).
    ///
    /// [RFC 8489 §14.4]: https://www.rfc-editor.org/rfc/rfc8489#section-14.4
    #[must_use]
    pub fn user_hash(self, username: &str, realm: &str) -> Self {
        self.with(UserHash::new(username, realm))
    }

    /// Adds REALM.
    #[must_use]
    pub fn realm(self, realm: &str) -> Self {
        self.with(Realm::new(realm))
    }

    /// Adds NONCE.
    #[must_use]
    pub fn nonce(self, nonce: &str) -> Self {
        self.with(Nonce::new(nonce))
    }

    /// Adds SOFTWARE.
    #[must_use]
    pub fn software(self, software: &str) -> Self {
        self.with(Software::new(software))
    }

    /// Adds the server's PASSWORD-ALGORITHMS as it came, and the one chosen from it.
    #[must_use]
    pub(crate) fn password_algorithm(mut self, offered: &[u8], chosen: PasswordAlgorithm) -> Self {
        let [high, low] = chosen.id().to_be_bytes();
        self.appended.push((attribute::PASSWORD_ALGORITHMS, offered.to_vec()));
        self.appended.push((attribute::PASSWORD_ALGORITHM, vec![high, low, 0, 0]));
        self
    }

    /// Signs the message; called twice, with both attributes.
    #[must_use]
    pub fn integrity(mut self, integrity: Integrity, key: &Key) -> Self {
        self.integrity.push((integrity, key.clone()));
        self
    }

    /// Ends the message with a FINGERPRINT.
    #[must_use]
    pub fn fingerprint(self) -> Self {
        Self { fingerprint: true, ..self }
    }

    /// The octets.
    ///
    /// # Errors
    /// [`BuildError`] when a text is too long for its attribute or holds characters that are not allowed there.
    pub fn build(self) -> Result<Vec<u8>, BuildError> {
        let mut octets = vec![0; MAX_LEN];
        let encoded = MessageEncoder::default().encode(&mut octets, &self.raw?.build());
        octets.truncate(encoded.map_err(|_| BuildError)?);
        for (kind, value) in &self.appended {
            wire::append(&mut octets, *kind, value);
        }
        for (integrity, key) in &self.integrity {
            auth::sign(&mut octets, key, *integrity);
        }
        if self.fingerprint {
            wire::append_fingerprint(&mut octets);
        }
        Ok(octets)
    }
}

/// The password prepared as RFC 8265 wants.
pub(crate) fn short_term_key(password: &str) -> Result<Vec<u8>, KeyError> {
    HMACKey::new_short_term(password).map(|key| key.as_bytes().to_vec()).map_err(|_| KeyError)
}

/// The hash of name, realm and password, the last two prepared as RFC 8265 wants.
pub(crate) fn long_term_key(
    username: &str,
    realm: &str,
    password: &str,
    algorithm: PasswordAlgorithm,
) -> Result<Vec<u8>, KeyError> {
    let algorithm = Algorithm::from(match algorithm {
        PasswordAlgorithm::Md5 => AlgorithmId::MD5,
        PasswordAlgorithm::Sha256 => AlgorithmId::SHA256,
    });
    let key = HMACKey::new_long_term(username, realm, password, algorithm);
    key.map(|key| key.as_bytes().to_vec()).map_err(|_| KeyError)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Vec<u8> {
        MessageBuilder::new(Class::Request, Method::BINDING, TransactionId([1; 12])).build().unwrap()
    }

    #[test]
    fn an_attribute_that_cannot_be_read_does_not_spoil_the_others() {
        let mut octets = request();
        wire::append(&mut octets, 0x8022, b"\xff\xfe");
        wire::append(&mut octets, 0x0006, b"\xff\xfe");
        wire::append(&mut octets, 0x0014, b"example.org");
        auth::sign(&mut octets, &Key::short_term("secret").unwrap(), Integrity::Sha1);
        wire::append(&mut octets, 0x0015, b"nonce");
        let message = Message::parse(&octets).unwrap();
        assert_eq!(
            (message.software(), message.username(), message.realm()),
            (None, None, Some("example.org"))
        );
        assert_eq!(message.unknown_required(), [0x0006]);
        assert_eq!(message.nonce(), None, "what follows the signature does not count");
    }

    // rfc: 8489 §14 — of an attribute that occurs twice the first counts
    #[test]
    fn the_first_of_two_attributes_counts() {
        let mut octets = request();
        wire::append(&mut octets, 0x0014, b"first");
        wire::append(&mut octets, 0x0014, b"second");
        assert_eq!(Message::parse(&octets).unwrap().realm(), Some("first"));
    }

    // rfc: 8489 §5 — length, magic cookie and the two zero bits
    #[test]
    fn what_does_not_begin_like_stun_is_refused() {
        let right = request();
        assert!(Message::parse(&right).is_ok());
        let altered = |at: usize, octet: u8| {
            let mut octets = right.clone();
            octets[at] = octet;
            Message::parse(&octets).unwrap_err()
        };
        assert_eq!(altered(0, 0x40), ParseError::Malformed);
        assert_eq!(altered(4, 0x22), ParseError::Malformed);
        assert_eq!(altered(3, 4), ParseError::Malformed);
        let longer = [right.clone(), vec![0; 4]].concat();
        assert_eq!(Message::parse(&longer).unwrap_err(), ParseError::Length);
        assert_eq!(Message::parse(&right[..19]).unwrap_err(), ParseError::Length);
        assert_eq!(Message::parse(&vec![0; 2052]).unwrap_err(), ParseError::Length);
    }
}
