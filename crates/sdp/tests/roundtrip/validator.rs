//! Judges an answer by the rules of RFC 3264 §6, RFC 4568 §5.1.2, RFC 5761 §5.1.1, RFC 5763 §5, RFC 8839 §4.2.2 and RFC 9143 §7.3,
//! from the texts alone: it shares no code with what it judges.

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

    fn mid(&self) -> Option<&'a str> {
        self.values("a=mid:").first().copied()
    }

    /// Encoding, clock rate and channels of a payload type, in lower case.
    fn meaning(&self, format: &str) -> Option<String> {
        let said = self.values("a=rtpmap:").into_iter().find_map(|map| {
            let (number, name) = map.split_once(' ')?;
            let name = name.trim_end().to_lowercase();
            let one_channel = name.matches('/').count() == 2;
            let name = name.strip_suffix("/1").filter(|_| one_channel).map_or(name.clone(), str::to_owned);
            (number == format && name.contains('/')).then_some(name)
        });
        let fixed = match format {
            "0" => "pcmu/8000",
            "3" => "gsm/8000",
            "8" => "pcma/8000",
            "9" => "g722/8000",
            "10" => "l16/44100/2",
            "13" => "cn/8000",
            "31" => "h261/90000",
            _ => "",
        };
        said.or_else(|| (!fixed.is_empty()).then(|| fixed.to_owned()))
    }

    /// The value of a parameter of a payload type, in lower case.
    fn parameter(&self, format: &str, name: &str) -> Option<String> {
        let own = self.values("a=fmtp:").into_iter().filter_map(|fmtp| fmtp.split_once(' '));
        let own = own.filter(|(number, _)| *number == format).map(|(_, parameters)| parameters).next()?;
        let pairs = own.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.to_lowercase()).next()
    }

    fn direction(&self, session: &[&str]) -> (bool, bool) {
        let own = self.lines.iter().find_map(flow);
        own.or_else(|| session.iter().find_map(flow)).unwrap_or((true, true))
    }

    /// The address of the first `c=` line that holds here.
    fn address(&self, session: &[&'a str]) -> Option<&'a str> {
        let line = self.lines.iter().chain(session).find(|line| line.starts_with("c="))?;
        line.split(' ').nth(2)
    }
}

/// Sends, receives.
fn flow(line: &&str) -> Option<(bool, bool)> {
    match *line {
        "a=sendrecv" => Some((true, true)),
        "a=sendonly" => Some((true, false)),
        "a=recvonly" => Some((false, true)),
        "a=inactive" => Some((false, false)),
        _ => None,
    }
}

/// The session's lines and the sections.
fn split(text: &str) -> (Vec<&str>, Vec<Section<'_>>) {
    let (mut session, mut sections) = (Vec::new(), Vec::<Section<'_>>::new());
    for line in text.split_terminator("\r\n") {
        if let Some(value) = line.strip_prefix("m=") {
            let words: Vec<&str> = value.split(' ').collect();
            let port = words[1].split('/').next().unwrap().parse().unwrap();
            let (kind, protocol) = (words[0], words[2]);
            // Some write 00 for 0.
            let number = |word: &&'_ str| word.len() > 1 && word.bytes().all(|byte| byte == b'0');
            let formats = words[3..].iter().map(|word| if number(word) { "0" } else { word }).collect();
            sections.push(Section { kind, port, protocol, formats, lines: Vec::new() });
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
    description(&answered)?;
    let lines = |session: &[&str], prefix: &str| -> Vec<String> {
        session.iter().filter(|line| line.starts_with(prefix)).map(ToString::to_string).collect()
    };
    require(lines(&offered, "t=") == lines(&answered, "t="), "t= is that of the offer")?;
    require(offer == answer || lines(&offered, "o=") != lines(&answered, "o="), "o= is the answerer's own")?;
    require(offers.len() == answers.len(), "as many m-lines as offered")?;
    let (bundle, joined) = (group(&offered), group(&answered));
    let order: Option<Vec<usize>> =
        joined.iter().map(|mid| bundle.iter().position(|other| other == mid)).collect();
    require(order.is_some(), "the bundle is a part of the offered one")?;
    let groups = answered.iter().filter(|line| line.starts_with("a=group:")).count();
    require(groups <= 1, "one group")?;
    let of = |mid: &&str, sections: &[Section<'_>]| sections.iter().position(|one| one.mid() == Some(mid));
    let places: Vec<usize> = joined.iter().filter_map(|mid| of(mid, &answers)).collect();
    let ports: Vec<u16> = places.iter().map(|place| answers[*place].port).collect();
    require(
        ports.len() == joined.len() && ports.iter().all(|port| *port == ports[0]),
        "one port for the bundle",
    )?;
    if let Some(tagged) = places.first() {
        // The first of the offered group that stands and has a port of its own, RFC 9143 §7.3.1.
        let accepted = |mid: &&&str| {
            of(mid, &answers).is_some_and(|place| answers[place].port != 0 && offers[place].port != 0)
        };
        let first = bundle.iter().find(accepted).and_then(|mid| of(mid, &answers));
        require(first == Some(*tagged), "the tagged section is the first that may be")?;
        require(answers[*tagged].has("a=rtcp-mux"), "a bundle multiplexes RTCP")?;
    }
    for (index, (offer, answer)) in offers.iter().zip(&answers).enumerate() {
        let place = |error: String| format!("m-line {index}: {error}");
        section((offer, &offered), (answer, &answered), &joined).map_err(place)?;
    }
    Ok(())
}

fn require(holds: bool, rule: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(rule.to_owned()) }
}

/// What RFC 3264 §5 asks of every description.
fn description(session: &[&str]) -> Result<(), String> {
    let letters: String = session.iter().filter_map(|line| line.chars().next()).collect();
    require(
        letters.starts_with("vos") && letters.matches(['v', 'o', 's', 'c']).count() == 4,
        "v=, o=, s=, c= once",
    )?;
    let origin: Vec<&str> = session[1].split(' ').collect();
    let number = |at: usize| origin.get(at).and_then(|word| word.parse::<i64>().ok());
    require(origin.len() == 6 && number(1).is_some() && number(2).is_some(), "o= has numbers of 63 bits")?;
    require(matches!(session[2], "s=-" | "s= "), "s= says nothing")
}

const TRANSPORT: [&str; 7] =
    ["a=crypto:", "a=fingerprint:", "a=setup:", "a=rtcp-mux", "a=rtcp:", "a=ice-ufrag:", "a=candidate:"];

/// The parameters that make a format what it is, and what holds without them.
const IDENTITY: [(&str, &[(&str, &str)]); 4] = [
    ("h264/90000", &[("packetization-mode", "0")]),
    ("vp9/90000", &[("profile-id", "0")]),
    ("av1/90000", &[("profile", "0")]),
    ("amr/8000", &[("octet-align", "0")]),
];

fn section(
    (offer, offered): (&Section<'_>, &[&str]),
    (answer, answered): (&Section<'_>, &[&str]),
    joined: &[&str],
) -> Result<(), String> {
    require(offer.kind == answer.kind, "the media type is the offered one")?;
    require(offer.protocol == answer.protocol, "the protocol is the offered one")?;
    require(!answer.formats.is_empty() && !answer.formats.contains(&""), "at least one format")?;
    require(answer.mid().is_none() || answer.mid() == offer.mid(), "the mid is the offered one")?;
    require(!answer.has("a=bundle-only") && !answer.has("a=rtcp-mux-only"), "not in an answer")?;
    let in_bundle = answer.mid().is_some_and(|mid| joined.contains(&mid));
    if answer.port == 0 {
        return require(!in_bundle, "a refused m-line is in no bundle");
    }
    require(offer.port != 0 || (offer.has("a=bundle-only") && in_bundle), "port 0 is answered with port 0")?;
    require(offer.mid() == answer.mid(), "the mid is said again")?;
    require(matches!(offer.kind, "audio" | "video"), "a media type we know")?;
    formats(offer, answer)?;

    let address =
        |section: &Section<'_>, session: &[&str]| section.address(session).unwrap_or_default().to_owned();
    let multicast = |address: &str| address.starts_with("233.") || address.to_lowercase().starts_with("ff");
    require(!multicast(&address(offer, offered)), "a multicast stream is refused")?;
    let own = address(answer, answered);
    require(own.contains(['.', ':']) && !multicast(&own), "a unicast address of our own")?;
    require(answer.lines.iter().filter_map(flow).count() == 1, "one direction")?;
    let ((sends, receives), (peer_sends, peer_receives)) =
        (answer.direction(answered), offer.direction(offered));
    require((!sends || peer_receives) && (!receives || peer_sends), "a direction that the offer allows")?;
    require(answer.values("a=ptime:").iter().all(|ms| *ms != "0"), "ptime is more than 0")?;
    if in_bundle && joined.first() != answer.mid().as_ref() {
        let none = TRANSPORT.iter().all(|prefix| answer.values(prefix).is_empty());
        return require(none, "the transport is the tagged one's");
    }
    transport((offer, offered), answer)
}

fn formats(offer: &Section<'_>, answer: &Section<'_>) -> Result<(), String> {
    let place = |format: &&str| offer.formats.iter().position(|other| other == format);
    let places: Option<Vec<usize>> = answer.formats.iter().map(place).collect();
    let places = places.ok_or("only offered payload types")?;
    require(places.is_sorted_by(|a, b| a < b), "formats in the offered order, each once")?;
    for format in &answer.formats {
        let meaning = offer.meaning(format);
        require(meaning.is_some(), "the offer gave the payload type a meaning")?;
        require(meaning == answer.meaning(format), "a payload type means what the offer says")?;
        let maps = answer.values("a=rtpmap:");
        let own = maps.iter().filter(|map| map.split(' ').next() == Some(format)).count();
        require(own == 1, "one rtpmap for each format, static ones too")?;
        let known = IDENTITY.iter().find(|(name, _)| meaning.as_deref() == Some(*name));
        for (name, default) in known.map(|(_, names)| *names).unwrap_or_default() {
            let value =
                |section: &Section<'_>| section.parameter(format, name).unwrap_or((*default).to_owned());
            require(
                value(offer) == value(answer),
                "the parameters of a codec's identity are the offered ones",
            )?;
        }
    }
    for line in answer.values("a=rtpmap:").iter().chain(&answer.values("a=fmtp:")) {
        let number = line.split(' ').next().unwrap_or_default();
        require(answer.formats.contains(&number), "nothing about formats that are not listed")?;
    }
    let meanings: Vec<String> = answer.formats.iter().filter_map(|format| answer.meaning(format)).collect();
    let rate = |meaning: &String| meaning.split('/').nth(1).map(str::to_owned);
    let (events, codecs): (Vec<_>, Vec<_>) =
        meanings.iter().partition(|meaning| meaning.starts_with("telephone-event/"));
    require(
        codecs.iter().any(|codec| !codec.starts_with("cn/")) || codecs.is_empty(),
        "a codec beside the noise",
    )?;
    let rates: Vec<_> = codecs.iter().map(|codec| rate(codec)).collect();
    let fits = events.iter().all(|event| rates.is_empty() || rates.contains(&rate(event)));
    require(fits, "telephone-event has the clock rate of a codec")
}

fn transport((offer, offered): (&Section<'_>, &[&str]), answer: &Section<'_>) -> Result<(), String> {
    let mux = answer.has("a=rtcp-mux");
    require(!mux || offer.has("a=rtcp-mux") || offer.has("a=rtcp-mux-only"), "rtcp-mux only when offered")?;
    require(mux || !offer.has("a=rtcp-mux-only"), "rtcp-mux when nothing else is offered")?;
    let rtcp = |format: &&str| format.parse().is_ok_and(|number: u8| (64..96).contains(&number));
    require(!mux || !answer.formats.iter().any(rtcp), "no payload type that RTCP would be taken for")?;
    let ice = |section: &Section<'_>| !section.values("a=ice-ufrag:").is_empty();
    let offered_ice = ice(offer) || offered.iter().any(|line| line.starts_with("a=ice-ufrag:"));
    require(!ice(answer) || offered_ice, "ICE only when offered")?;
    require(ice(answer) || answer.values("a=candidate:").is_empty(), "no candidates without ICE")?;
    let crypto = |section: &Section<'_>| -> Vec<Vec<String>> {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect();
        section.values("a=crypto:").into_iter().map(words).collect()
    };
    let dtls = !answer.values("a=fingerprint:").is_empty() || !answer.values("a=setup:").is_empty();
    match (answer.protocol, crypto(answer).as_slice()) {
        ("RTP/AVP" | "RTP/AVPF", keys) => require(keys.is_empty() && !dtls, "no keys without SRTP"),
        ("RTP/SAVP" | "RTP/SAVPF", [own]) => {
            let lines = crypto(offer);
            let named = lines.iter().filter(|line| line.len() > 2 && line[..2] == own[..2]).count();
            require(named > 0, "the crypto line has tag and suite of an offered one")?;
            require(lines.iter().all(|line| line.get(2) != Some(&own[2])), "the key is our own")?;
            require(!dtls, "SDES or DTLS, not both")
        }
        ("RTP/SAVP" | "RTP/SAVPF" | "UDP/TLS/RTP/SAVP" | "UDP/TLS/RTP/SAVPF", []) => {
            let setup = answer.values("a=setup:");
            let theirs = offer.values("a=setup:").first().copied();
            let theirs = theirs.or_else(|| offered.iter().find_map(|line| line.strip_prefix("a=setup:")));
            let role = match theirs {
                Some("actpass") => setup == ["active"] || setup == ["passive"],
                Some("passive") => setup == ["active"],
                _ => setup == ["passive"],
            };
            require(answer.values("a=fingerprint:").len() == 1 && role, "a fingerprint and the other role")
        }
        _ => Err("one crypto line, or DTLS".to_owned()),
    }
}

/// The judge is no use if it lets everything pass: each of these answers breaks one rule.
#[test]
fn the_validator_refuses_what_breaks_a_rule() {
    let head = |origin: &str| {
        format!("v=0\r\no=- {origin} IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n")
    };
    let audio = "a=group:BUNDLE x y\r\nm=audio 4000 RTP/AVP 8 96 0\r\na=mid:x\r\na=rtcp-mux\r\na=rtpmap:96 AMR/8000\r\n\
        a=fmtp:96 octet-align=1\r\na=sendonly\r\n";
    let video = "m=video 0 RTP/SAVP 31\r\na=mid:y\r\n";
    let offer = head("1 1") + audio + video;
    let good = head("2 2")
        + "m=audio 5000 RTP/AVP 8 96\r\na=mid:x\r\na=rtcp-mux\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:96 AMR/8000\r\n\
           a=fmtp:96 octet-align=1\r\na=recvonly\r\n"
        + "m=video 0 RTP/SAVP 31\r\na=mid:y\r\n";
    assert_eq!(check(&offer, &good), Ok(()));
    for (right, wrong) in [
        ("t=0 0", "t=0 1"),
        ("o=- 2 2", "o=- 1 1"),
        ("o=- 2 2", "o=- 9223372036854775808 2"),
        ("s=-", "s=call"),
        ("m=video 0 RTP/SAVP 31\r\na=mid:y\r\n", ""),
        ("m=video 0", "m=video 5002"),
        ("m=video 0", "m=audio 0"),
        ("RTP/AVP 8 96", "RTP/AVPF 8 96"),
        ("RTP/AVP 8 96", "RTP/AVP 96 8"),
        ("RTP/AVP 8 96", "RTP/AVP 8 97"),
        ("RTP/AVP 8 96", "RTP/AVP 8"),
        ("a=rtpmap:96 AMR/8000\r\n", ""),
        ("a=rtpmap:8 PCMA", "a=rtpmap:8 PCMU"),
        ("octet-align=1", "octet-align=0"),
        ("a=recvonly", "a=sendrecv"),
        ("a=recvonly", "a=sendonly"),
        ("a=recvonly\r\n", ""),
        ("a=mid:x", "a=mid:z"),
        ("a=recvonly", "a=recvonly\r\na=ptime:0"),
        ("a=recvonly", "a=recvonly\r\na=ice-ufrag:abcd"),
        ("a=recvonly", "a=recvonly\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x"),
        ("c=IN IP4 192.0.2.1\r\nt=", "c=IN IP4 233.252.0.1\r\nt="),
        ("t=0 0\r\n", "t=0 0\r\na=group:BUNDLE x y\r\n"),
        ("t=0 0\r\n", "t=0 0\r\na=group:BUNDLE z\r\n"),
    ] {
        let bad = good.replacen(right, wrong, 1);
        assert_ne!(bad, good, "{right}");
        assert!(check(&offer, &bad).is_err(), "{right} -> {wrong} is let pass");
    }
}
