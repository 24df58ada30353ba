//! The committed corpora on a stable compiler: each seed as it is, cut short everywhere, and with each byte changed.

use std::{fs, path::Path};

/// Longer seeds are only run as they are, to keep this quick.
const LONG: usize = 2048;

#[test]
fn every_target_survives_its_corpus_and_what_lies_near_it() {
    for (name, target) in voip_fuzz::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let entries = fs::read_dir(&folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "no seed for {name}");
        for file in &files {
            let seed = fs::read(file).unwrap();
            println!("{}: {} bytes", file.display(), seed.len());
            target(&seed);
            if seed.len() > LONG {
                continue;
            }
            for length in 0..seed.len() {
                target(&seed[..length]);
            }
            for place in 0..seed.len() {
                for change in [0x01, 0x80, 0xff] {
                    let mut near = seed.clone();
                    near[place] ^= change;
                    target(&near);
                }
            }
        }
    }
}

#[test]
fn every_target_has_its_binary() {
    let manifest = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
    assert_eq!(manifest.matches("[[bin]]").count(), voip_fuzz::TARGETS.len());
    for (name, _) in voip_fuzz::TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
}
