//! What a session costs for each packet, and how often it allocates for one.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Instant;

use divan::{AllocProfiler, Bencher};
use media::session::Component;
use media::{Agreement, CodecId, Config, FRAME_DURATION, Input, Output, Session, Source, SrtpKeys};
use srtp::{MasterKey, Profile};
use testkit::Clock;

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// A caller that sends silence and a callee that echoes, without a network between.
struct Call {
    clock: Clock,
    sides: [Session; 2],
    addresses: [SocketAddr; 2],
    packet: Vec<u8>,
}

impl Call {
    fn new(secure: bool) -> Self {
        let clock = Clock::new();
        let addresses =
            [SocketAddr::from(([192, 0, 2, 1], 4_000)), SocketAddr::from(([192, 0, 2, 2], 4_000))];
        let side = |own: u8, remote: SocketAddr, other: u8| {
            let mut session = Session::new(clock.now(), Config::default(), [own; 32]);
            let mut agreement = Agreement::new(remote, CodecId::Pcmu);
            if secure {
                let key =
                    |seed| MasterKey::generate(Profile::AesCm128HmacSha1_80, &[seed; 30]).expect("30 octets");
                agreement = agreement.srtp(SrtpKeys::new(Profile::AesCm128HmacSha1_80, key(own), key(other)));
            }
            session.apply(clock.now(), agreement);
            session
        };
        let [alice, bob] = addresses;
        let mut sides = [side(1, bob, 2), side(2, alice, 1)];
        let [_, callee] = &mut sides;
        callee.set_source(Source::Echo);
        let mut call = Self { clock, sides, addresses, packet: Vec::new() };
        // Ten seconds, so that all buffers have grown and RTCP has flowed.
        for _ in 0..500 {
            call.frame();
        }
        call
    }

    /// 20 ms of the call: a packet each way, each received, decoded, encoded and sent.
    fn frame(&mut self) {
        self.clock.advance(FRAME_DURATION);
        let now: Instant = self.clock.now();
        for _ in 0..2 {
            let [here, there] = &mut self.sides;
            let [from, _] = self.addresses;
            here.handle_timeout(now);
            while let Some(output) = here.poll_output() {
                if let Output::Transmit(transmit) = output {
                    let rtcp = u16::from(transmit.component == Component::Rtcp);
                    let source = SocketAddr::new(from.ip(), from.port() + rtcp);
                    self.packet.clear();
                    self.packet.extend_from_slice(transmit.bytes);
                    let component = transmit.component;
                    there.handle_input(now, Input::Datagram { component, source, bytes: &self.packet });
                }
            }
            self.sides.reverse();
            self.addresses.reverse();
        }
        black_box(&self.sides);
    }
}

/// One frame each way: two packets sent, two received.
#[divan::bench(args = [false, true])]
fn frame_each_way(bencher: Bencher<'_, '_>, secure: bool) {
    let mut call = Call::new(secure);
    bencher.bench_local(|| call.frame());
}

/// 200 ms of a call, in which digits and reports may fall.
#[divan::bench(args = [false, true])]
fn ten_frames_each_way(bencher: Bencher<'_, '_>, secure: bool) {
    let mut call = Call::new(secure);
    bencher.bench_local(|| (0..10).for_each(|_| call.frame()));
}
