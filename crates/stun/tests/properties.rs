//! What must hold for every message.

use std::net::SocketAddr;

use proptest::prelude::*;
use stun::auth::{Integrity, Key, verify};
use stun::message::{Class, Message, MessageBuilder, Method, TransactionId};
use stun::responder;

fn messages() -> impl Strategy<Value = Vec<u8>> {
    let texts = ("[a-z:]{1,20}", "[a-z.]{1,20}", "[a-zA-Z0-9]{1,30}", "[ -~]{1,40}");
    (any::<[u8; 12]>(), any::<SocketAddr>(), texts, any::<(bool, bool, bool)>()).prop_map(
        |(id, address, (username, realm, nonce, software), (sha1, sha256, fingerprint))| {
            let key = Key::short_term("secret").expect("a plain password");
            let mut builder = MessageBuilder::new(Class::Success, Method::BINDING, TransactionId(id))
                .mapped_address(address)
                .plain_mapped_address(address)
                .username(&username)
                .realm(&realm)
                .nonce(&nonce)
                .software(&software);
            for (wanted, integrity) in [(sha1, Integrity::Sha1), (sha256, Integrity::Sha256)] {
                if wanted {
                    builder = builder.integrity(integrity, &key);
                }
            }
            if fingerprint { builder.fingerprint() } else { builder }.build().expect("plain texts")
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_was_written_is_read(id in any::<[u8; 12]>(), address in any::<SocketAddr>()) {
        let message = MessageBuilder::new(Class::Success, Method::BINDING, TransactionId(id));
        let octets = message.mapped_address(address).fingerprint().build().unwrap();
        let read = Message::parse(&octets).unwrap();
        prop_assert_eq!(read.transaction_id(), TransactionId(id));
        let mapped = read.mapped_address().unwrap();
        prop_assert_eq!((mapped.ip(), mapped.port()), (address.ip(), address.port()));
    }

    #[test]
    fn altered_messages_do_no_harm(
        message in messages(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut message = message;
        for (at, octet) in changes {
            let at = at.index(message.len());
            message[at] = octet;
        }
        if let Some(cut) = cut {
            message.truncate(cut.index(message.len()));
        }
        let _ = Message::parse(&message);
        let _ = verify(&message, &Key::short_term("secret").unwrap());
        let _ = responder::respond(&message, "192.0.2.1:1".parse().unwrap());
    }

    #[test]
    fn octets_from_anywhere_do_no_harm(
        kind in any::<u16>(), rest in prop::collection::vec(any::<u8>(), 0..30), attribute in 0_u16..0x40, value in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut octets = (kind & 0x3fff).to_be_bytes().to_vec();
        let length = 4 + value.len().next_multiple_of(4);
        octets.extend(u16::try_from(length).unwrap().to_be_bytes());
        octets.extend([0x21, 0x12, 0xa4, 0x42]);
        octets.extend([9; 12]);
        octets.extend((attribute | kind & 0x8000).to_be_bytes());
        octets.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        octets.extend(value);
        octets.resize(20 + length, 0);
        let _ = Message::parse(&octets);
        let _ = Message::parse(&rest);
        let _ = verify(&octets, &Key::short_term("secret").unwrap());
        let _ = responder::respond(&octets, "192.0.2.1:1".parse().unwrap());
    }
}

#[test]
fn a_nonce_that_is_cut_inside_a_character_does_no_harm() {
    use stun::{Config, Credentials, Input, Output, StunClient};
    let server: SocketAddr = "192.0.2.1:3478".parse().unwrap();
    let now = testkit::Clock::new().now();
    let config = Config::default().credentials(Credentials::long_term("alice", "secret"));
    let mut client = StunClient::new(config, [1; 32]);
    client.binding(now, server).unwrap();
    let Some(Output::Transmit(request)) = client.poll_output() else { panic!("a request is due") };
    let id = TransactionId(request.bytes[8..20].try_into().unwrap());
    let demand = MessageBuilder::new(Class::Error, Method::BINDING, id).error(401, "No").realm("example.org");
    let mut answer = demand.build().unwrap();
    let nonce = "obMatJos2gA\u{e9}\u{e9}x".as_bytes();
    answer.extend([0, 0x15, 0, u8::try_from(nonce.len()).unwrap()]);
    answer.extend(nonce);
    answer[3] += 4 + u8::try_from(nonce.len()).unwrap();
    assert!(Message::parse(&answer).is_ok());
    client.handle_input(now, Input::Datagram { from: server, bytes: &answer });
    // No second try: the nonce cannot be sent back, or promises password algorithms that are not there.
    assert!(matches!(client.poll_output(), Some(Output::Event(stun::Event::Failed { .. }))));
}
