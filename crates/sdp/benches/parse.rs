//! Reading, writing and answering descriptions of three sizes, with their allocations.

use divan::{Bencher, black_box, counter::BytesCount};
use sdp::{Capabilities, Negotiation, SessionDescription, Stream};

#[global_allocator]
static ALLOCATIONS: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}

const HEAD: &str =
    "v=0\r\no=- 3890844526 3890844526 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";

const AUDIO: &str = "m=audio 49170 RTP/AVP 0 8 9 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:9 G722/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

const CRYPTO: &str = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n\
    a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj\r\n";

const VIDEO: &str = "m=video 51372 RTP/SAVP 96 97\r\na=rtpmap:96 H264/90000\r\n\
    a=fmtp:96 profile-level-id=42e01f;packetization-mode=1\r\na=rtpmap:97 VP8/90000\r\na=sendrecv\r\n";

const WEB: &str = "a=ice-ufrag:8hhY\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\na=setup:actpass\r\na=rtcp-mux\r\na=rtcp-rsize\r\n\
    a=fingerprint:sha-256 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF\r\n\
    a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=extmap:2 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
    a=candidate:1 1 UDP 2130706431 192.0.2.1 49170 typ host\r\na=candidate:2 1 UDP 1694498815 198.51.100.1 49170 typ srflx raddr 192.0.2.1 rport 49170\r\n\
    a=rtcp-fb:111 transport-cc\r\na=msid:stream track\r\na=ssrc:1234567 cname:abcdefgh\r\na=ssrc:1234567 msid:stream track\r\n";

/// About 300 octets, 950 octets and 2.6 kB.
fn descriptions() -> [(&'static str, String); 3] {
    let secure = AUDIO.replace("RTP/AVP", "RTP/SAVP");
    [
        ("audio", format!("{HEAD}{AUDIO}")),
        ("audio and video with keys", format!("{HEAD}{secure}{CRYPTO}{VIDEO}{CRYPTO}")),
        ("web", format!("{HEAD}a=group:BUNDLE 0 1\r\n{AUDIO}a=mid:0\r\n{WEB}{VIDEO}a=mid:1\r\n{WEB}")),
    ]
}

const SIZES: [usize; 3] = [0, 1, 2];

#[divan::bench(args = SIZES)]
fn parse(bencher: Bencher<'_, '_>, which: usize) {
    let Some((_, text)) = descriptions().into_iter().nth(which) else { return };
    bencher.counter(BytesCount::of_str(&text)).bench_local(|| SessionDescription::parse(black_box(&text)));
}

#[divan::bench(args = SIZES)]
fn write(bencher: Bencher<'_, '_>, which: usize) {
    let Some((_, text)) = descriptions().into_iter().nth(which) else { return };
    let Ok(session) = SessionDescription::parse(&text) else { return };
    bencher.counter(BytesCount::of_str(&text)).bench_local(|| black_box(&session).to_text());
}

#[divan::bench]
fn answer_an_audio_offer(bencher: Bencher<'_, '_>) {
    let [(_, text), ..] = descriptions();
    let Ok(offer) = SessionDescription::parse(&text) else { return };
    let able = Capabilities::new(std::net::Ipv4Addr::LOCALHOST.into()).stream(Stream::audio(4_000));
    bencher.bench_local(|| Negotiation::new(1).answer(black_box(&offer), black_box(&able)));
}
