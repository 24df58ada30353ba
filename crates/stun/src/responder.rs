//! Answering Binding requests ([RFC 8489 §6.3.1]).
//!
//! [RFC 8489 §6.3.1]: https://www.rfc-editor.org/rfc/rfc8489#section-6.3.1

use std::net::SocketAddr;

use crate::message::{Class, Message, MessageBuilder, Method};

/// The response to a Binding request from `source`; `None` for anything else, which is to be dropped.
///
/// It needs no state and no credentials; a request that has a FINGERPRINT gets one back. Attributes that must be
/// understood and are not give an error 420 that lists them.
#[must_use]
pub fn respond(datagram: &[u8], source: SocketAddr) -> Option<Vec<u8>> {
    let request = Message::parse(datagram).ok()?;
    if request.class() != Class::Request || request.method() != Method::BINDING {
        return None;
    }
    let answer = |class| MessageBuilder::new(class, Method::BINDING, request.transaction_id());
    let response = match request.unknown_required() {
        [] => answer(Class::Success).mapped_address(source),
        unknown => answer(Class::Error).error(420, "Unknown Attribute").unknown_attributes(unknown),
    };
    if request.has_fingerprint() { response.fingerprint() } else { response }.build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::TransactionId;
    use crate::wire;

    const SOURCE: &str = "192.0.2.1:32853";

    fn request() -> Vec<u8> {
        MessageBuilder::new(Class::Request, Method::BINDING, TransactionId([7; 12])).build().unwrap()
    }

    // rfc: 8489 §6.3.1.1 — XOR-MAPPED-ADDRESS is the source of the request
    #[test]
    fn a_request_is_answered_with_its_source() {
        let response = Message::parse(&respond(&request(), SOURCE.parse().unwrap()).unwrap()).unwrap();
        assert_eq!((response.class(), response.transaction_id()), (Class::Success, TransactionId([7; 12])));
        assert_eq!(response.mapped_address(), Some(SOURCE.parse().unwrap()));
        assert!(!response.has_fingerprint());
    }

    // rfc: 8489 §6.3.1 — unknown comprehension-required attributes are refused with 420
    #[test]
    fn unknown_required_attributes_are_listed_in_the_refusal_and_optional_ones_ignored() {
        let mut request = request();
        wire::append(&mut request, 0x7f01, b"x");
        wire::append(&mut request, 0x7f02, b"");
        wire::append(&mut request, 0xff03, b"x");
        wire::append_fingerprint(&mut request);
        let octets = respond(&request, SOURCE.parse().unwrap()).unwrap();
        let response = Message::parse(&octets).unwrap();
        assert_eq!(response.error(), Some((420, "Unknown Attribute")));
        assert_eq!(wire::find(&octets, 0x000a).unwrap().value, [0x7f, 1, 0x7f, 2]);
        assert!(response.has_fingerprint());
    }

    // rfc: 8489 §6.3.2 — an indication is not answered
    #[test]
    fn only_binding_requests_are_answered() {
        let source = SOURCE.parse().unwrap();
        let response = respond(&request(), source).unwrap();
        assert_eq!(respond(&response, source), None);
        let indication = MessageBuilder::new(Class::Indication, Method::BINDING, TransactionId([7; 12]));
        assert_eq!(respond(&indication.build().unwrap(), source), None);
        assert_eq!(respond(b"OPTIONS sip:x SIP/2.0\r\n\r\n", source), None);
        let mut altered = request();
        wire::append_fingerprint(&mut altered);
        *altered.last_mut().unwrap() ^= 1;
        assert_eq!(respond(&altered, source), None);
    }
}
