//! Video is agreed by name and by the parameters that make a codec's identity (RFC 6184 §8.2.2 for H.264), and handed on.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use sdp::{AgreedCodec, Capabilities, Codec, MediaKind, Negotiation, SessionDescription, Stream};

fn codec(name: &str, fmtp: &str) -> Codec {
    let codec = Codec::new(name, 90_000).unwrap();
    if fmtp.is_empty() { codec } else { codec.fmtp(fmtp).unwrap() }
}

/// What a video offer of these formats, numbered from 96, and our codecs come to.
fn agree(offered: &[(&str, &str)], ours: &[Codec]) -> Option<Vec<AgreedCodec>> {
    let numbers: Vec<String> = (96..).take(offered.len()).map(|number: u8| number.to_string()).collect();
    let lines = numbers.iter().zip(offered).map(|(number, (name, fmtp))| {
        let fmtp = if fmtp.is_empty() { String::new() } else { format!("a=fmtp:{number} {fmtp}\r\n") };
        format!("a=rtpmap:{number} {name}/90000\r\n{fmtp}")
    });
    let text = format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=video 4000 RTP/AVP {}\r\n{}",
        numbers.join(" "),
        lines.collect::<String>()
    );
    let able = Capabilities::new([192, 0, 2, 1].into()).stream(Stream::video(5_000).codecs(ours.to_vec()));
    let answer = Negotiation::new(1).answer(&SessionDescription::parse(&text).unwrap(), &able).ok()?;
    Some(answer.agreement.first(MediaKind::Video)?.codecs.clone())
}

fn numbers(offered: &[(&str, &str)], ours: &[Codec]) -> Option<Vec<u8>> {
    Some(agree(offered, ours)?.iter().map(|codec| codec.send).collect())
}

// rfc: 6184 §8.2.2 — profile and packetization-mode must be equal
#[test]
fn h264_is_agreed_by_profile_and_packetization_mode() {
    let high = ("H264", "profile-level-id=64001f;packetization-mode=1");
    let baseline = ("H264", "packetization-mode=1;profile-level-id=42e01f;level-asymmetry-allowed=1");
    let single = ("h264", "profile-level-id=42e01f");
    let ours = [codec("H264", "profile-level-id=42e034;packetization-mode=1;level-asymmetry-allowed=1")];
    let agreed = agree(&[high, single, baseline], &ours).unwrap();
    assert_eq!(agreed.len(), 1);
    assert_eq!((agreed[0].send, agreed[0].remote_fmtp.as_deref()), (98, Some(baseline.1)));
    assert_eq!(agreed[0].local_fmtp, ours[0].fmtp);
    assert_eq!(numbers(&[high, single], &ours), None);
}

// rfc: 6184 §8.2.2 — without level-asymmetry-allowed the answer asks for no higher level than the offer
#[test]
fn the_level_of_the_answer_is_not_above_the_offers() {
    let ours = [codec("H264", "profile-level-id=42e034;packetization-mode=1")];
    let offered = ("H264", "profile-level-id=42e01f;packetization-mode=1");
    assert_eq!(agree(&[offered], &ours).unwrap()[0].local_fmtp.as_deref(), Some(offered.1));
    let higher = ("H264", "profile-level-id=42e03c;packetization-mode=1");
    assert_eq!(agree(&[higher], &ours).unwrap()[0].local_fmtp, ours[0].fmtp);
}

// rfc: 3264 §6.1 — parameters that configure a codec are the same in the answer
#[test]
fn other_codecs_are_agreed_by_name_and_profile() {
    let offered = [("VP8", ""), ("VP9", "profile-id=2"), ("VP9", ""), ("AV1", "profile=0"), ("H265", "")];
    let ours = [codec("AV1", ""), codec("vp9", "profile-id=0"), codec("VP8", "max-fr=30")];
    assert_eq!(numbers(&offered, &ours), Some(vec![96, 98, 99]));
    assert_eq!(agree(&offered, &ours).unwrap()[2].local_fmtp.as_deref(), Some("profile=0"));
}

// rfc: 6184 §8.2.2 — only the level is lowered: what the peer says of itself is not said by us
#[test]
fn the_peers_own_parameters_are_not_copied() {
    let ours = [codec("H264", "max-fs=3600;profile-level-id=42e034;packetization-mode=1")];
    let offered = (
        "H264",
        "profile-level-id=42e01f;packetization-mode=1;max-mbps=245760;sprop-parameter-sets=Z0IA,aM4=",
    );
    assert_eq!(
        agree(&[offered], &ours).unwrap()[0].local_fmtp.as_deref(),
        Some("max-fs=3600;profile-level-id=42e01f;packetization-mode=1")
    );
    let bare = ("H264", "packetization-mode=0;profile-level-id=42001f;max-mbps=245760");
    assert_eq!(
        agree(&[bare], &[codec("H264", "")]).unwrap()[0].local_fmtp.as_deref(),
        Some("packetization-mode=0"),
        "without a profile-level-id ours is baseline, level 1"
    );
    let vp9 = ("VP9", "profile-id=0;max-fr=30");
    assert_eq!(agree(&[vp9], &[codec("VP9", "")]).unwrap()[0].local_fmtp.as_deref(), Some("profile-id=0"));
}

// rfc: 6184 §8.1 — without profile-level-id it is baseline at level 1, and level 1b lies between 1 and 1.1
#[test]
fn the_default_level_is_1_and_1b_is_above_it() {
    let level = |ours: &str, theirs: &str| {
        let offered = format!("profile-level-id={theirs}");
        let ours = [codec("H264", &format!("profile-level-id={ours}"))];
        agree(&[("H264", offered.as_str())], &ours).unwrap()[0].local_fmtp.clone().unwrap().to_string()
    };
    assert_eq!(level("42000b", "42100b"), "profile-level-id=42100b", "1.1 is lowered to 1b");
    assert_eq!(level("42100b", "42000b"), "profile-level-id=42100b", "1b is below 1.1");
    assert_eq!(level("42100b", "42000a"), "profile-level-id=42000a", "1b is lowered to 1");
    let ours = [codec("H264", "profile-level-id=42001f")];
    let bare = agree(&[("H264", "")], &ours).unwrap();
    assert_eq!(bare[0].local_fmtp.as_deref(), Some("profile-level-id=42000a"));
}
