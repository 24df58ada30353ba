//! Time and allocations for a packet, each way, of 172 octets (20 ms of G.711) and of 1,200 octets.

use divan::{AllocProfiler, Bencher, black_box};
use srtp::{Context, MasterKey, Profile};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

const SIZES: [usize; 2] = [172, 1200];
/// Packets for each measured sample: sequence numbers then never repeat within a context.
const BATCH: u16 = 1000;

fn main() {
    divan::main();
}

fn context(profile: Profile) -> Context {
    let key = MasterKey::generate(profile, &[7; 46]).expect("enough octets");
    Context::new(profile, &key).expect("its own profile")
}

/// An RTP packet of this size with room for the tag.
fn packet(sequence: u16, size: usize) -> Vec<u8> {
    let mut packet = Vec::with_capacity(size + 64);
    packet.extend([0x80, 0]);
    packet.extend(sequence.to_be_bytes());
    packet.resize(size, 0x5a);
    packet
}

fn packets(size: usize) -> Vec<Vec<u8>> {
    (1..=BATCH).map(|sequence| packet(sequence, size)).collect()
}

fn protect(bencher: Bencher<'_, '_>, profile: Profile, size: usize) {
    // The context knows the SSRC already, as after the first packet of a call.
    let warm = || {
        let mut sender = context(profile);
        sender.protect_rtp(&mut packet(0, size)).expect("the first packet");
        (sender, packets(size))
    };
    bencher.counter(divan::counter::ItemsCount::new(BATCH)).with_inputs(warm).bench_values(
        |(mut context, mut packets)| {
            for packet in &mut packets {
                context.protect_rtp(black_box(packet)).expect("a new sequence number");
            }
            (context, packets)
        },
    );
}

fn unprotect(bencher: Bencher<'_, '_>, profile: Profile, size: usize) {
    let sealed = || {
        let (mut sender, mut receiver) = (context(profile), context(profile));
        let mut first = packet(0, size);
        sender.protect_rtp(&mut first).expect("the first packet");
        receiver.unprotect_rtp(&mut first).expect("the first packet");
        let mut packets = packets(size);
        packets.iter_mut().for_each(|packet| sender.protect_rtp(packet).expect("a new sequence number"));
        (receiver, packets)
    };
    bencher.counter(divan::counter::ItemsCount::new(BATCH)).with_inputs(sealed).bench_values(
        |(mut context, mut packets)| {
            for packet in &mut packets {
                context.unprotect_rtp(black_box(packet)).expect("authentic");
            }
            (context, packets)
        },
    );
}

macro_rules! benches {
    ($($name:ident: $profile:ident),* $(,)?) => {$(
        mod $name {
            use super::*;

            #[divan::bench(args = SIZES)]
            fn protect(bencher: Bencher<'_, '_>, size: usize) {
                super::protect(bencher, Profile::$profile, size);
            }

            #[divan::bench(args = SIZES)]
            fn unprotect(bencher: Bencher<'_, '_>, size: usize) {
                super::unprotect(bencher, Profile::$profile, size);
            }
        }
    )*};
}

benches! {
    aes_cm_128_hmac_sha1_80: AesCm128HmacSha1_80,
    aes_cm_256_hmac_sha1_80: AesCm256HmacSha1_80,
    aead_aes_128_gcm: AeadAes128Gcm,
    aead_aes_256_gcm: AeadAes256Gcm,
}
