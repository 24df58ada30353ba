//! The conformance corpus, read where it lies beside the repository.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use sdp::SessionDescription;

/// Files whose verdict we do not share, each with the rule that makes us differ.
const DISAGREEMENTS: [(&str, &str); 0] = [];

fn corpus() -> Option<PathBuf> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    if corpus.join("MANIFEST.tsv").is_file() {
        return Some(corpus);
    }
    println!("skipped: no corpus at {}", corpus.display());
    None
}

/// File, verdict and octets of each description.
fn descriptions(corpus: &Path) -> Vec<(String, String, Vec<u8>)> {
    let manifest = fs::read_to_string(corpus.join("MANIFEST.tsv")).unwrap();
    let rows = manifest.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    rows.filter(|row| row.get(1) == Some(&"sdp"))
        .map(|row| (row[0].to_owned(), row[2].to_owned(), fs::read(corpus.join(row[0])).unwrap()))
        .collect()
}

#[test]
fn descriptions_are_taken_and_refused_as_the_corpus_says() {
    let Some(corpus) = corpus() else { return };
    let descriptions = descriptions(&corpus);
    assert!(descriptions.len() >= 532, "{} descriptions", descriptions.len());
    let mut wrong = Vec::new();
    for (file, verdict, octets) in descriptions {
        let result = SessionDescription::parse_bytes(&octets);
        let agrees = match verdict.split('(').next().unwrap() {
            "valid" | "tolerate" => result.is_ok(),
            "invalid" => result.is_err(),
            "either" => true,
            word => panic!("{file}: unknown verdict {word}"),
        };
        let listed = DISAGREEMENTS.iter().any(|(name, _)| *name == file);
        if agrees == listed {
            wrong.push(format!(
                "{file}: {verdict}, {}",
                result.map_or_else(|error| error.to_string(), |_| "read".into())
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of the corpus:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_was_read_is_written_and_read_the_same() {
    let Some(corpus) = corpus() else { return };
    for (file, _, octets) in descriptions(&corpus) {
        if let Ok(session) = SessionDescription::parse_bytes(&octets) {
            let written = session.to_string();
            assert_eq!(SessionDescription::parse(&written).as_ref(), Ok(&session), "{file}");
        }
    }
}
