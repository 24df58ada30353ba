//! Time and allocations for a packet, each way, of 172 octets (20 ms of G.711) and of 1,200 octets.
#![expect(missing_docs, reason = "the macros below make public items")]

use divan::{AllocProfiler, Bencher, black_box};
use srtp::{Config, Context, MasterKey, Profile};

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
    Context::with_config(profile, &key, Config::default()).expect("its own profile")
}

/// A thousand packets with room for the tag.
fn packets(size: usize) -> Vec<Vec<u8>> {
    let packet = |sequence: u16| {
        let mut packet = Vec::with_capacity(size + 64);
        packet.extend([0x80, 0]);
        packet.extend(sequence.to_be_bytes());
        packet.resize(size, 0x5a);
        packet
    };
    (0..BATCH).map(packet).collect()
}

fn protect(bencher: Bencher<'_, '_>, profile: Profile, size: usize) {
    bencher
        .counter(divan::counter::ItemsCount::new(BATCH))
        .with_inputs(|| (warm(profile), packets(size)))
        .bench_values(|(mut context, mut packets)| {
            for packet in &mut packets {
                context.protect_rtp(black_box(packet)).expect("a new sequence number");
            }
            (context, packets)
        });
}

/// A context that knows the SSRC already, as after the first packet of a call.
fn warm(profile: Profile) -> Context {
    let mut context = context(profile);
    let mut first = packets(172).swap_remove(0);
    first[2] = 0xff;
    first[3] = 0xff;
    context.protect_rtp(&mut first).expect("the first packet");
    context
}

fn unprotect(bencher: Bencher<'_, '_>, profile: Profile, size: usize) {
    let sealed = || {
        let mut sender = context(profile);
        let mut packets = packets(size);
        packets.iter_mut().for_each(|packet| sender.protect_rtp(packet).expect("a new sequence number"));
        let mut receiver = context(profile);
        receiver.unprotect_rtp(&mut packets[0].clone()).expect("the first packet");
        packets.remove(0);
        (receiver, packets)
    };
    bencher.counter(divan::counter::ItemsCount::new(BATCH - 1)).with_inputs(sealed).bench_values(
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
