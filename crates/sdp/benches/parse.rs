//! Reading, writing and answering descriptions of three sizes, with their allocations.

use divan::{Bencher, black_box, counter::BytesCount};
use sdp::{Capabilities, Negotiation, SessionDescription, Stream};

#[global_allocator]
static ALLOCATIONS: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}

const AUDIO: &str = include_str!("samples/audio.sdp");
const AUDIO_VIDEO: &str = include_str!("samples/audio-video.sdp");
const WEBRTC: &str = include_str!("samples/webrtc.sdp");

/// A call between phones, one with video and SDES keys, one from a browser.
const SAMPLES: [(&str, &str); 3] = [("audio", AUDIO), ("audio-video", AUDIO_VIDEO), ("webrtc", WEBRTC)];

fn sample(name: &str) -> &'static str {
    SAMPLES.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| text)
}

#[divan::bench(args = SAMPLES.map(|(name, _)| name))]
fn parse(bencher: Bencher<'_, '_>, name: &str) {
    let text = sample(name);
    bencher.counter(BytesCount::of_str(text)).bench_local(|| SessionDescription::parse(black_box(text)));
}

#[divan::bench(args = SAMPLES.map(|(name, _)| name))]
fn write(bencher: Bencher<'_, '_>, name: &str) {
    let text = sample(name);
    let Ok(session) = SessionDescription::parse(text) else { return };
    bencher.counter(BytesCount::of_str(text)).bench_local(|| black_box(&session).to_text());
}

#[divan::bench]
fn answer_an_audio_offer(bencher: Bencher<'_, '_>) {
    let Ok(offer) = SessionDescription::parse(AUDIO) else { return };
    let able = Capabilities::new(std::net::Ipv4Addr::LOCALHOST.into()).stream(Stream::audio(4_000));
    bencher.bench_local(|| Negotiation::new(1).answer(black_box(&offer), black_box(&able)));
}
