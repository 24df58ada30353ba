//! Judges an answer by the rules of RFC 3264 §6, RFC 4568 §5.1.2, RFC 5761 §5.1.1 and RFC 9143 §7.3, from the text alone: it
//! shares no code with what it judges.

/// An m-line and the lines behind it, without their ends.
struct Section<'a> {
    kind: &'a str,
    port: u16,
    protocol: &'a str,
    formats: Vec<&'a str>,
    lines: Vec<&'a str>,
}

impl<'a> Section<'a> {
    fn has(&self, line: &str) -> bool {
        self.lines.contains(&line)
    }

    fn values(&self, prefix: &str) -> Vec<&'a str> {
        self.lines.iter().filter_map(|line| line.strip_prefix(prefix)).collect()
    }

    /// Encoding, clock rate and channels of a payload type, in lower case.
    fn meaning(&self, format: &str) -> Option<String> {
        let said = self.values("a=rtpmap:").into_iter().find_map(|map| {
            let (number, name) = map.split_once(' ')?;
            (number == format && name.contains('/')).then(|| name.to_lowercase())
        });
        let fixed = match format {
            "0" => "pcmu/8000",
            "8" => "pcma/8000",
            "9" => "g722/8000",
            "10" => "l16/44100/2",
            "13" => "cn/8000",
            "31" => "h261/90000",
            _ => "",
        };
        said.or_else(|| (!fixed.is_empty()).then(|| fixed.to_owned()))
    }

    fn direction(&self, session: &[&str]) -> (bool, bool) {
        let read = |line: &&str| match *line {
            "a=sendrecv" => Some((true, true)),
            "a=sendonly" => Some((true, false)),
            "a=recvonly" => Some((false, true)),
            "a=inactive" => Some((false, false)),
            _ => None,
        };
        let own = self.lines.iter().find_map(read);
        own.or_else(|| session.iter().find_map(read)).unwrap_or((true, true))
    }
}

/// The session's lines and the sections.
fn split(text: &str) -> (Vec<&str>, Vec<Section<'_>>) {
    let (mut session, mut sections) = (Vec::new(), Vec::<Section<'_>>::new());
    for line in text.split_terminator("\r\n") {
        if let Some(value) = line.strip_prefix("m=") {
            let words: Vec<&str> = value.split(' ').collect();
            let (kind, port, protocol) = (words[0], words[1].parse().unwrap(), words[2]);
            sections.push(Section { kind, port, protocol, formats: words[3..].to_vec(), lines: Vec::new() });
        } else if let Some(section) = sections.last_mut() {
            section.lines.push(line);
        } else {
            session.push(line);
        }
    }
    (session, sections)
}

fn group<'a>(session: &[&'a str]) -> Vec<&'a str> {
    let group = session.iter().find_map(|line| line.strip_prefix("a=group:BUNDLE "));
    group.map(|group| group.split(' ').collect()).unwrap_or_default()
}

/// `Ok` when the answer is valid for the offer, else the rule that it breaks.
pub(crate) fn check(offer: &str, answer: &str) -> Result<(), String> {
    let ((offered, offers), (answered, answers)) = (split(offer), split(answer));
    let times = |session: &[&str]| {
        session.iter().filter(|line| line.starts_with("t=")).map(ToString::to_string).collect::<Vec<_>>()
    };
    require(times(&offered) == times(&answered), "t= is that of the offer")?;
    require(offers.len() == answers.len(), "as many m-lines as offered")?;
    let (bundle, joined) = (group(&offered), group(&answered));
    require(joined.iter().all(|mid| bundle.contains(mid)), "the bundle is a part of the offered one")?;
    let tagged = |mid: &&str| answers.iter().find(|media| media.values("a=mid:").first() == Some(mid));
    let ports: Vec<_> = joined.iter().filter_map(tagged).map(|media| media.port).collect();
    require(
        ports.len() == joined.len() && ports.iter().all(|port| *port == ports[0]),
        "one port for the bundle",
    )?;
    for (index, (offer, answer)) in offers.iter().zip(&answers).enumerate() {
        let place = |error: String| format!("m-line {index}: {error}");
        section((offer, &offered), (answer, &answered), &joined).map_err(place)?;
    }
    Ok(())
}

fn require(holds: bool, rule: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(rule.to_owned()) }
}

fn section(
    (offer, offered): (&Section<'_>, &[&str]),
    (answer, answered): (&Section<'_>, &[&str]),
    joined: &[&str],
) -> Result<(), String> {
    require(offer.kind == answer.kind, "the media type is the offered one")?;
    require(offer.protocol == answer.protocol, "the protocol is the offered one")?;
    require(!answer.formats.is_empty() && !answer.formats.contains(&""), "at least one format")?;
    let mid = |section: &Section<'_>| section.values("a=mid:").first().map(ToString::to_string);
    if answer.port == 0 {
        return require(
            mid(answer).is_none_or(|mid| !joined.contains(&mid.as_str())),
            "a refused m-line is in no bundle",
        );
    }
    let in_bundle = mid(answer).is_some_and(|mid| joined.contains(&mid.as_str()));
    require(offer.port != 0 || (offer.has("a=bundle-only") && in_bundle), "port 0 is answered with port 0")?;
    require(!answer.has("a=bundle-only"), "no bundle-only in an answer")?;
    require(mid(offer) == mid(answer), "the mid is the offered one")?;

    let positions: Option<Vec<usize>> =
        answer.formats.iter().map(|format| offer.formats.iter().position(|other| other == format)).collect();
    let positions = positions.ok_or("only offered payload types")?;
    require(positions.is_sorted(), "formats in the offered order")?;
    for format in &answer.formats {
        require(offer.meaning(format).is_some(), "the offer gave the payload type a meaning")?;
        require(offer.meaning(format) == answer.meaning(format), "a payload type means what the offer says")?;
    }

    let ((sends, receives), (peer_sends, peer_receives)) =
        (answer.direction(answered), offer.direction(offered));
    require((!sends || peer_receives) && (!receives || peer_sends), "a direction that the offer allows")?;
    require(!answer.has("a=rtcp-mux") || offer.has("a=rtcp-mux"), "rtcp-mux only when offered")?;
    require(!answer.has("a=ptime:0"), "ptime is more than 0")?;

    let crypto = |section: &Section<'_>| -> Vec<Vec<String>> {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect();
        section.values("a=crypto:").into_iter().map(words).collect()
    };
    if in_bundle && joined.first().is_some_and(|first| Some((*first).to_owned()) != mid(answer)) {
        let transport = ["a=crypto:", "a=fingerprint:", "a=rtcp-mux", "a=ice-pwd:"];
        return require(
            transport.iter().all(|prefix| answer.values(prefix).is_empty()),
            "the transport is the tagged one's",
        );
    }
    match (answer.protocol, crypto(answer).as_slice()) {
        ("RTP/AVP" | "RTP/AVPF", keys) => require(keys.is_empty(), "no crypto without SRTP"),
        ("RTP/SAVP" | "RTP/SAVPF", [own]) => {
            let named = crypto(offer).into_iter().filter(|line| line.len() > 2 && line[..2] == own[..2]);
            let keys: Vec<String> = named.map(|line| line[2].clone()).collect();
            require(!keys.is_empty(), "the crypto line has tag and suite of an offered one")?;
            require(!keys.contains(&own[2]), "the key is our own")
        }
        ("RTP/SAVP" | "RTP/SAVPF" | "UDP/TLS/RTP/SAVPF", []) => {
            let dtls = answer.values("a=fingerprint:").len() == 1
                && (answer.has("a=setup:active") || answer.has("a=setup:passive"));
            require(dtls, "a fingerprint and a role")
        }
        _ => Err("exactly one crypto line".to_owned()),
    }
}
