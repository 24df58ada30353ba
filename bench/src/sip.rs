//! The SIP libraries, one file each.

mod ezk;
mod ours;
mod rsipstack;
mod sip_core;
mod sipx;
#[cfg(sofia)]
mod sofia;

use crate::{
    Run,
    measure::{Mode, Sample, measure},
};
use bytes::Bytes;
use std::hint::black_box;

pub const PEERS: &[(&str, Run)] = &[
    ("sip-msg", run::<ours::Ours>),
    ("rsipstack", run::<rsipstack::Rsipstack>),
    ("sip-core", run::<sip_core::SipCore>),
    ("ezk-sip-types", run::<ezk::Ezk>),
    ("sipx-sip", run::<sipx::Sipx>),
    #[cfg(sofia)]
    ("sofia-sip", run::<sofia::Sofia>),
];

/// A library that reads and writes SIP, used as its documentation advises.
trait Peer {
    type Message;

    /// Reads a datagram.
    fn parse(datagram: &Bytes) -> Option<Self::Message>;

    /// Reads From, To, the top Via, CSeq and Contact (the first, if any) as values; gives how many it could. Zero when
    /// the library has no such values.
    fn read(message: &Self::Message) -> usize;

    /// Writes a message. A library that only makes new buffers puts a new one in the place of `out`, uncopied.
    fn write(message: &Self::Message, out: &mut Vec<u8>);

    /// A new request; nothing of it lies ready as received text.
    fn build(parts: &Parts) -> Option<Self::Message>;

    /// Writes what [`Peer::build`] gave.
    fn write_built(message: &Self::Message, out: &mut Vec<u8>) {
        Self::write(message, out);
    }
}

fn run<P: Peer>(name: &str, mode: &Mode, samples: &[Sample]) -> bool {
    let parsed = |sample: &Sample| P::parse(&sample.received());
    let built = |sample: &Sample| P::build(&Parts::of(sample)?);
    let mut out = Vec::with_capacity(8192);
    match name {
        "parse" => {
            let input = |sample: &Sample| parsed(sample).map(|_| sample.received());
            measure(mode, samples, input, |datagram| drop(black_box(P::parse(datagram))));
        }
        "parse+read" => {
            let readable =
                |sample: &Sample| parsed(sample).is_some_and(|message| P::read(&message) == to_read(sample));
            let input = |sample: &Sample| readable(sample).then(|| sample.received());
            measure(mode, samples, input, |datagram| {
                let message = P::parse(datagram);
                black_box(message.as_ref().map(P::read));
            });
        }
        "write untouched" => {
            let input = |sample: &Sample| parsed(sample).filter(|message| same(sample, message, P::write));
            measure(mode, samples, input, |message| {
                out.clear();
                P::write(message, black_box(&mut out));
            });
        }
        "write new" => {
            let input =
                |sample: &Sample| built(sample).filter(|message| same(sample, message, P::write_built));
            measure(mode, samples, input, |message| {
                out.clear();
                P::write_built(message, black_box(&mut out));
            });
        }
        _ => return false,
    }
    true
}

/// How many of the five headers the sample has.
fn to_read(sample: &Sample) -> usize {
    let message = ours::Ours::parse(&sample.received()).expect("we read our own samples");
    4 + usize::from(message.headers().contains(sip_msg::HeaderName::CONTACT))
}

/// Whether what is written is still this message: its Call-ID, Vias and body.
fn same<M>(sample: &Sample, message: &M, write: fn(&M, &mut Vec<u8>)) -> bool {
    let mut out = Vec::new();
    write(message, &mut out);
    let [before, after] = [sample.received(), out.into()].map(|bytes| ours::Ours::parse(&bytes));
    let (Some(before), Some(after)) = (before, after) else { return false };
    let call_id =
        |message: &sip_msg::Message| message.headers().raw(sip_msg::HeaderName::CALL_ID).map(<[u8]>::to_vec);
    let vias = |message: &sip_msg::Message| message.headers().all::<sip_msg::Via>().count();
    call_id(&before) == call_id(&after) && vias(&before) == vias(&after) && before.body() == after.body()
}

/// A request in pieces, to build it anew: without folds, Content-Length left to the library.
struct Parts {
    method: String,
    uri: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Parts {
    fn of(sample: &Sample) -> Option<Self> {
        let message = ours::Ours::parse(&sample.received())?;
        let request = message.as_request()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\r\n", "");
        let headers =
            request.headers().iter().filter(|(name, _)| **name != sip_msg::HeaderName::CONTENT_LENGTH);
        Some(Self {
            method: request.method().as_str().to_owned(),
            uri: request.uri_text().to_string(),
            headers: headers.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect(),
            body: request.body().to_vec(),
        })
    }
}
