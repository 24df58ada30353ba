//! Hundreds of messages from real devices and from other parsers' test suites, read where they lie.
//!
//! The folder is no part of this project; without it the test says so and passes.

use std::{fs, path::PathBuf};

use sip_msg::{Limits, Message, Problem};

/// Files whose expected verdict we do not share, with the RFC's reason.
const DISAGREEMENTS: &[(&str, &str)] = &[
    (
        "sip/fixtures/bakeoff-test25.sip",
        "RFC 3261 §19.1.1: headers may not stand in a Request-URI; RFC 4475 §3.1.2.11: 400",
    ),
    ("sip/fixtures/jsip-torture-005.sip", "as bakeoff-test25"),
];

/// An example of RFC 6913 with two lines of Expires, which RFC 3261 §7.3.1 forbids: read, but not without a problem.
const FLAWED: &str = "sip/rfc-examples/rfc6913-001.sip";

#[derive(Debug, PartialEq)]
enum Verdict {
    Accepted,
    Refused(u16),
}

fn verdict(bytes: &[u8]) -> (Verdict, String) {
    let message = match Message::parse(bytes.to_vec(), &Limits::default()) {
        Ok(message) => message,
        Err(error) => return (Verdict::Refused(error.status().code()), error.to_string()),
    };
    // The corpus checks the headers of RFC 3261 only.
    let own = |problem: &&Problem| problem.header.as_ref().is_none_or(|name| name.rfc() == Some(3261));
    let problems =
        message.problems().iter().filter(own).map(ToString::to_string).collect::<Vec<_>>().join("; ");
    match message.check() {
        Ok(()) => (Verdict::Accepted, problems),
        Err(error) => (Verdict::Refused(error.status().code()), error.to_string()),
    }
}

#[test]
fn verdicts_agree_with_the_corpus() {
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let Ok(manifest) = fs::read_to_string(corpus.join("MANIFEST.tsv")) else {
        println!("skipped: no corpus at {}", corpus.display());
        return;
    };
    let (mut read, mut wrong) = (0, Vec::new());
    for line in manifest.lines() {
        let mut columns = line.split('\t');
        let (Some(file), Some("sip"), Some(expected), Some(status)) =
            (columns.next(), columns.next(), columns.next(), columns.next())
        else {
            continue;
        };
        let bytes = fs::read(corpus.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        read += 1;
        let (found, why) = verdict(&bytes);
        let word = expected.split('(').next().unwrap_or_default();
        let agrees = match (word, &found) {
            ("valid" | "tolerate", Verdict::Accepted) | ("either", _) => true,
            ("invalid", Verdict::Refused(code)) => status == "drop" || status == code.to_string(),
            _ => false,
        };
        let listed = DISAGREEMENTS.iter().any(|(name, _)| *name == file);
        if agrees == listed {
            wrong.push(format!("{file}: {found:?} ({why}), expected {expected} {status}"));
        }
        if word == "valid" && found == Verdict::Accepted && why.is_empty() == (file == FLAWED) {
            wrong.push(format!("{file}: {why}"));
        }
        if found == Verdict::Accepted {
            let written =
                Message::parse(bytes.clone(), &Limits::default()).expect("accepted above").to_bytes();
            let again =
                Message::parse(written.clone(), &Limits::default()).expect("our own output").to_bytes();
            assert_eq!(written, again, "{file}");
        }
    }
    println!("{read} messages");
    assert!(read > 800, "the manifest lists only {read} messages");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
