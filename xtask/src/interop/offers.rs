//! Offers and answers with other people's software: what our descriptions say, word by word, while a call is held, resumed, refreshed
//! and changed.

use super::{
    baresip::Baresip,
    lab::Lab,
    script::{self, Step},
    sipp::{Load, Sipp},
    sound::Sound,
    voip::Voip,
};
use crate::Result;
use std::{thread, time::Duration};

const LIMIT: Duration = Duration::from_secs(40);
const ONE: Load = Load { calls: 1, per_second: 1 };

const AUDIO: &str = "m=audio PORT RTP/AVP 0 8 101\na=rtpmap:101 telephone-event/8000";
const SENDONLY: &str = "m=audio PORT RTP/AVP 0 8 101\na=rtpmap:101 telephone-event/8000\na=sendonly";
const INACTIVE: &str = "m=audio PORT RTP/AVP 0 8 101\na=rtpmap:101 telephone-event/8000\na=inactive";
const NOWHERE: &str = "m=audio PORT RTP/AVP 0 8 101\nc=IN IP4 0.0.0.0\na=rtpmap:101 telephone-event/8000";
const RECVONLY: &str = "m=audio PORT RTP/AVP 0\na=recvonly";
const PCMU: &str = "m=audio PORT RTP/AVP 0";

/// SIPp calls us and takes these steps; this is what we must have said, and these events must have come.
fn they_call(lab: &mut Lab, steps: &[Step], expected: &[&str], events: &[&str]) -> Result<String> {
    script::caller(lab, "offers", steps)?;
    let calls = if expected.is_empty() { &[][..] } else { &["--max-calls", "1"] };
    let (voip, address) = Voip::answer(lab, "udp", calls)?;
    let file = lab.path("offers.xml").display().to_string();
    Sipp::start(lab, &file, "udp", Some(&address), &ONE)?.finish(lab, &ONE, LIMIT)?;
    if expected.is_empty() {
        voip.interrupt(lab)?
    } else {
        voip.finish(lab, LIMIT)?
    }
    verify(lab, &voip, expected, events)
}

/// We call SIPp with these arguments; it answers with PCMU and takes these steps.
fn we_call(
    lab: &mut Lab,
    args: &[&str],
    steps: &[Step],
    expected: &[&str],
    events: &[&str],
) -> Result<String> {
    script::called(lab, "offers", PCMU, steps)?;
    let file = lab.path("offers.xml").display().to_string();
    let sipp = Sipp::start(lab, &file, "udp", None, &ONE)?;
    let uri = sipp.uri("udp");
    let args = [&["call", &uri, "--listen", "udp:127.0.0.1:0", "--duration", "30"], args].concat();
    let voip = Voip::start(lab, "call", &args, None)?;
    sipp.finish(lab, &ONE, LIMIT)?;
    voip.finish(lab, LIMIT)?;
    verify(lab, &voip, expected, events)
}

fn verify(lab: &Lab, voip: &Voip, expected: &[&str], events: &[&str]) -> Result<String> {
    let said = script::said(lab)?;
    if said != expected {
        return Err(format!("our descriptions said {said:#?}, not {expected:#?}").into());
    }
    let seen = changes(voip)?;
    if seen != events {
        return Err(format!("we reported {seen:?}, not {events:?}").into());
    }
    Ok(match said.as_slice() {
        [] => "refused, and no description sent".into(),
        said => format!("we said {}", said.join("; ")),
    })
}

/// `held recvonly`, `resumed` and errors, in order.
fn changes(voip: &Voip) -> Result<Vec<String>> {
    let events = voip.every_event()?.into_iter().filter_map(|event| match event.at("event").text() {
        "held" => Some(format!("held {}", event.at("direction").text())),
        "resumed" => Some("resumed".into()),
        "error" => Some(format!("error {}", event.at("message").text())),
        _ => None,
    });
    Ok(events.collect())
}

pub(crate) fn late_offer(lab: &mut Lab) -> Result<String> {
    let steps = [Step::Ask { answer: "m=audio PORT RTP/AVP 8 110\na=rtpmap:110 telephone-event/8000" }];
    they_call(lab, &steps, &["+0 | audio on RTP/AVP 0 8 101 sendrecv"], &[])
}

/// By direction, by address, both ways at once, refreshed in between, and resumed.
pub(crate) fn they_hold(lab: &mut Lab) -> Result<String> {
    let steps =
        [AUDIO, SENDONLY, SENDONLY, NOWHERE, INACTIVE, AUDIO].map(|media| Step::Offer { media, expect: 200 });
    let on = |raised: u8, direction: &str| format!("+{raised} | audio on RTP/AVP 0 8 101 {direction}");
    let expected = [
        on(0, "sendrecv"),
        on(1, "recvonly"),
        on(1, "recvonly"),
        on(2, "sendrecv"),
        on(3, "inactive"),
        on(4, "sendrecv"),
    ];
    let events = ["held recvonly", "held inactive", "resumed"];
    they_call(lab, &steps, &expected.each_ref().map(String::as_str), &events)
}

pub(crate) fn they_hold_by_update(lab: &mut Lab) -> Result<String> {
    let steps = [
        Step::Offer { media: AUDIO, expect: 200 },
        Step::Update { media: SENDONLY },
        Step::Update { media: AUDIO },
    ];
    let expected = [
        "+0 | audio on RTP/AVP 0 8 101 sendrecv",
        "+1 | audio on RTP/AVP 0 8 101 recvonly",
        "+2 | audio on RTP/AVP 0 8 101 sendrecv",
    ];
    they_call(lab, &steps, &expected, &["held recvonly", "resumed"])
}

/// Streams that we do not want have port 0, a list with fewer streams is refused, and a stream may move to another m-line.
pub(crate) fn many_streams(lab: &mut Lab) -> Result<String> {
    let more = "\nm=video 4002 RTP/AVP 31\nm=application 4004 udp wb";
    let streams = format!("{AUDIO}{more}");
    let moved = format!("{}{more}\n{PCMU}", AUDIO.replace("PORT", "0"));
    let steps = [
        Step::Offer { media: &streams, expect: 200 },
        Step::Offer { media: AUDIO, expect: 488 },
        Step::Offer { media: &moved, expect: 200 },
    ];
    let expected = [
        "+0 | audio on RTP/AVP 0 8 101 sendrecv | video 0 | application 0",
        "+1 | audio 0 | video 0 | application 0 | audio on RTP/AVP 0 sendrecv",
    ];
    they_call(lab, &steps, &expected, &[])
}

/// The offerer's numbers and order, also unusual ones.
pub(crate) fn their_numbers(lab: &mut Lab) -> Result<String> {
    let media = "m=audio PORT RTP/AVP 9 115 100 8 97\na=rtpmap:115 opus/48000/2\na=rtpmap:100 PCMU/8000\n\
        a=rtpmap:97 telephone-event/8000\na=fmtp:97 0-16\na=ptime:30";
    let steps = [Step::Offer { media, expect: 200 }];
    they_call(lab, &steps, &["+0 | audio on RTP/AVP 100 8 97 sendrecv"], &[])
}

pub(crate) fn nothing_in_common(lab: &mut Lab) -> Result<String> {
    let media = "m=audio PORT RTP/AVP 99\na=rtpmap:99 X-NONE/8000\nm=video 4002 RTP/AVP 31";
    let why = "error the offer was refused: nothing in common; audio m-line 1: X-NONE refused: not in our list; \
        audio m-line 1: refused: no codec in common; video m-line 2: refused: video not wanted";
    they_call(lab, &[Step::Offer { media, expect: 488 }], &[], &[why])
}

/// A re-INVITE that cannot be answered leaves the call as it was.
pub(crate) fn nothing_in_common_later(lab: &mut Lab) -> Result<String> {
    let steps = [
        Step::Offer { media: AUDIO, expect: 200 },
        Step::Offer { media: "m=audio PORT RTP/AVP 99\na=rtpmap:99 X-NONE/8000", expect: 488 },
        Step::Offer { media: AUDIO, expect: 200 },
    ];
    let said = "+0 | audio on RTP/AVP 0 8 101 sendrecv";
    they_call(lab, &steps, &[said, said], &[])
}

const OFFERED: &str = "+0 | audio on RTP/AVP 0 8 101 sendrecv";

pub(crate) fn we_are_held(lab: &mut Lab) -> Result<String> {
    let held = format!("{PCMU}\na=sendonly");
    let steps = [Step::Offer { media: &held, expect: 200 }, Step::Offer { media: PCMU, expect: 200 }];
    let expected = [OFFERED, "+1 | audio on RTP/AVP 0 recvonly", "+2 | audio on RTP/AVP 0 sendrecv"];
    we_call(lab, &[], &steps, &expected, &["held recvonly", "resumed"])
}

pub(crate) fn we_hold(lab: &mut Lab) -> Result<String> {
    let steps = [Step::Answer { media: RECVONLY }, Step::Answer { media: PCMU }];
    let expected =
        [OFFERED, "+1 | audio on RTP/AVP 0 8 101 sendonly", "+2 | audio on RTP/AVP 0 8 101 sendrecv"];
    we_call(lab, &["--hold-after", "1", "--hold-for", "1"], &steps, &expected, &["held sendonly", "resumed"])
}

/// SIPp's re-INVITE asks for our offer: it says what it said, with the version it had.
pub(crate) fn asked_in_a_call(lab: &mut Lab) -> Result<String> {
    let steps = [Step::Ask { answer: PCMU }, Step::Ask { answer: RECVONLY }];
    we_call(lab, &[], &steps, &[OFFERED, OFFERED, OFFERED], &["held sendonly"])
}

/// A refused hold leaves the call as it was; what is offered next has a version of its own.
pub(crate) fn our_hold_is_refused(lab: &mut Lab) -> Result<String> {
    let steps = [Step::Refuse { status: 488 }, Step::Ask { answer: PCMU }];
    let expected =
        [OFFERED, "+1 | audio on RTP/AVP 0 8 101 sendonly", "+2 | audio on RTP/AVP 0 8 101 sendrecv"];
    let events = ["error 488 Not Acceptable Here"];
    we_call(lab, &["--hold-after", "1", "--hold-for", "20"], &steps, &expected, &events)
}

/// 491: the same offer again, with the same version, after 2.1 to 4 seconds.
pub(crate) fn our_hold_meets_theirs(lab: &mut Lab) -> Result<String> {
    let steps = [Step::Refuse { status: 491 }, Step::Answer { media: RECVONLY }];
    let held = "+1 | audio on RTP/AVP 0 8 101 sendonly";
    we_call(
        lab,
        &["--hold-after", "1", "--hold-for", "20"],
        &steps,
        &[OFFERED, held, held],
        &["held sendonly"],
    )
}

/// baresip holds and resumes.
pub(crate) fn baresip_holds(lab: &mut Lab) -> Result<String> {
    let args = ["--tone", "1100", "--record", "rx.wav", "--max-calls", "1"];
    let (voip, address) = Voip::answer(lab, "udp", &args)?;
    let mut baresip = Baresip::start(lab, 700, "pcmu", "")?;
    baresip.command("dial", &format!("sip:voip@{address}"))?;
    baresip.wait(&["CALL_ESTABLISHED"], LIMIT)?;
    for command in ["hold", "resume"] {
        thread::sleep(Duration::from_secs(2));
        baresip.command(command, "")?;
    }
    thread::sleep(Duration::from_secs(2));
    baresip.command("hangup", "")?;
    voip.finish(lab, LIMIT)?;
    held_and_heard(lab, &voip, &baresip, "held recvonly")
}

/// We hold baresip and resume.
pub(crate) fn we_hold_baresip(lab: &mut Lab) -> Result<String> {
    let mut baresip = Baresip::start(lab, 700, "pcmu", "")?;
    let uri = baresip.uri();
    let call = ["call", &uri, "--listen", "udp:127.0.0.1:0", "--tone", "1100", "--record", "rx.wav"];
    let times = ["--hold-after", "2", "--hold-for", "2", "--duration", "6"];
    let voip = Voip::start(lab, "call", &[&call[..], &times].concat(), None)?;
    baresip.wait(&["CALL_ESTABLISHED"], LIMIT)?;
    voip.finish(lab, LIMIT)?;
    baresip.wait(&["CALL_CLOSED"], LIMIT)?;
    held_and_heard(lab, &voip, &baresip, "held sendonly")
}

fn held_and_heard(lab: &Lab, voip: &Voip, baresip: &Baresip, held: &str) -> Result<String> {
    let seen = changes(voip)?;
    if seen != [held, "resumed"] {
        return Err(format!("we reported {seen:?}").into());
    }
    Sound::load(&lab.path("rx.wav"))?.hears(700, 1100).map_err(|why| format!("our recording: {why}"))?;
    let theirs = Sound::load(&baresip.heard()?)?;
    theirs.hears(1100, 700).map_err(|why| format!("baresip's recording: {why}"))?;
    Ok(format!("{held}, resumed, tones heard on both sides"))
}
