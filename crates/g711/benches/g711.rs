//! How long 20 ms of speech (160 samples) take, and a second of it.

use divan::{Bencher, black_box, counter::ItemsCount};
use g711::{alaw, ulaw};

#[global_allocator]
static ALLOCATIONS: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}

fn speech(len: usize) -> Vec<i16> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        i16::from_le_bytes([state.to_be_bytes()[1], state.to_be_bytes()[0]])
    };
    (0..len).map(|_| next()).collect()
}

type Encode = fn(&[i16], &mut [u8]) -> usize;
type Decode = fn(&[u8], &mut [i16]) -> usize;
type Convert = fn(&[u8], &mut [u8]) -> usize;

fn encode(bencher: Bencher<'_, '_>, len: usize, encode: Encode) {
    let (samples, mut codes) = (speech(len), vec![0; len]);
    bencher.counter(ItemsCount::new(len)).bench_local(|| encode(black_box(&samples), black_box(&mut codes)));
}

fn decode(bencher: Bencher<'_, '_>, len: usize, decode: Decode) {
    let mut codes = vec![0; len];
    ulaw::encode_slice(&speech(len), &mut codes);
    let mut samples = vec![0; len];
    bencher.counter(ItemsCount::new(len)).bench_local(|| decode(black_box(&codes), black_box(&mut samples)));
}

fn convert(bencher: Bencher<'_, '_>, len: usize, convert: Convert) {
    let mut codes = vec![0; len];
    ulaw::encode_slice(&speech(len), &mut codes);
    let mut converted = vec![0; len];
    bencher
        .counter(ItemsCount::new(len))
        .bench_local(|| convert(black_box(&codes), black_box(&mut converted)));
}

#[divan::bench(args = [160, 8_000])]
fn ulaw_encode(bencher: Bencher<'_, '_>, len: usize) {
    encode(bencher, len, ulaw::encode_slice);
}

#[divan::bench(args = [160, 8_000])]
fn alaw_encode(bencher: Bencher<'_, '_>, len: usize) {
    encode(bencher, len, alaw::encode_slice);
}

#[divan::bench(args = [160, 8_000])]
fn ulaw_decode(bencher: Bencher<'_, '_>, len: usize) {
    decode(bencher, len, ulaw::decode_slice);
}

#[divan::bench(args = [160, 8_000])]
fn alaw_decode(bencher: Bencher<'_, '_>, len: usize) {
    decode(bencher, len, alaw::decode_slice);
}

#[divan::bench(args = [160, 8_000])]
fn ulaw_to_alaw(bencher: Bencher<'_, '_>, len: usize) {
    convert(bencher, len, ulaw::to_alaw_slice);
}

#[divan::bench(args = [160, 8_000])]
fn alaw_to_ulaw(bencher: Bencher<'_, '_>, len: usize) {
    convert(bencher, len, alaw::to_ulaw_slice);
}
