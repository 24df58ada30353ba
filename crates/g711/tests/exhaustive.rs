//! Every sample and every code, against a reference written from the tables of G.711 and against the ITU-T's
//! own library where the corpus is at hand.

use std::path::PathBuf;

use g711::{alaw, ulaw};

/// Decision values of one law, in 16-bit units: code `i` (sign aside, counted from silence) stands for the
/// magnitudes from `starts[i]` up to the next.
struct Law {
    starts: Vec<i32>,
    values: Vec<i32>,
}

impl Law {
    /// G.711 table 2: sixteen steps of 2, 4, 8 … of 8,159, the very first of half a step.
    fn ulaw() -> Self {
        let (mut starts, mut values, mut at) = (vec![0], vec![0], 1);
        for segment in 0..8 {
            let step = 2 << segment;
            for _ in 0..if segment == 0 { 15 } else { 16 } {
                starts.push(4 * at);
                values.push(4 * at + 2 * step);
                at += step;
            }
        }
        Self { starts, values }
    }

    /// G.711 table 1: thirty-two steps of 1, then sixteen each of 2, 4, 8 … of 2,048.
    fn alaw() -> Self {
        let (mut starts, mut values, mut at) = (vec![], vec![], 0);
        for segment in 0..8 {
            let step = 16 << i32::max(segment - 1, 0);
            for _ in 0..16 {
                starts.push(at);
                values.push(at + step / 2);
                at += step;
            }
        }
        Self { starts, values }
    }

    /// The index of the interval that holds `magnitude`.
    fn index(&self, magnitude: i32) -> usize {
        self.starts.iter().rposition(|start| *start <= magnitude).expect("the first interval starts at zero")
    }
}

/// One's complement, as the ITU-T's library has it: −1 is as quiet as 0.
fn magnitude(sample: i16) -> i32 {
    i32::from(if sample < 0 { !sample } else { sample })
}

// rfc: 3551 §4.5.14 — PCMU and PCMA are G.711 with 14 and 13 significant bits
#[test]
fn all_samples_encode_by_the_tables_of_g711() {
    let (mu, a) = (Law::ulaw(), Law::alaw());
    for sample in i16::MIN..=i16::MAX {
        // µ-law cuts to 14 bits, and then decides, A-law likewise to 13.
        let index = u8::try_from(mu.index(magnitude(sample) & !3)).unwrap();
        let sign = if sample < 0 { 0 } else { 0x80 };
        assert_eq!(ulaw::encode(sample), !index & 0x7F | sign, "µ-law of {sample}");
        let index = u8::try_from(a.index(magnitude(sample))).unwrap();
        assert_eq!(alaw::encode(sample), (index | sign) ^ 0x55, "A-law of {sample}");
    }
}

#[test]
fn all_codes_decode_by_the_tables_of_g711() {
    let (mu, a) = (Law::ulaw(), Law::alaw());
    for code in 0..=255_u8 {
        let sign = if code & 0x80 == 0 { -1 } else { 1 };
        let value = sign * mu.values[usize::from(!code & 0x7F)];
        assert_eq!(i32::from(ulaw::decode(code)), value, "µ-law code {code:#x}");
        let value = sign * a.values[usize::from((code ^ 0x55) & 0x7F)];
        assert_eq!(i32::from(alaw::decode(code)), value, "A-law code {code:#x}");
    }
}

#[test]
fn a_decoded_code_encodes_to_itself() {
    for code in 0..=255 {
        assert_eq!(alaw::encode(alaw::decode(code)), code);
        // µ-law has two zeros, and a sample only one.
        assert_eq!(ulaw::encode(ulaw::decode(code)), if code == 0x7F { 0xFF } else { code });
    }
    assert_eq!(ulaw::encode(0), ulaw::SILENCE);
    assert_eq!(alaw::encode(0), alaw::SILENCE);
}

#[test]
fn conversion_between_the_laws_keeps_the_sign_and_stays_within_a_step() {
    for code in 0..=255 {
        let (before, after) = (i32::from(ulaw::decode(code)), i32::from(alaw::decode(ulaw::to_alaw(code))));
        assert!((before - after).abs() <= 8 + before.abs() / 32, "µ-law {code:#x}: {before} became {after}");
        let (before, after) = (i32::from(alaw::decode(code)), i32::from(ulaw::decode(alaw::to_ulaw(code))));
        assert!((before - after).abs() <= 8 + before.abs() / 32, "A-law {code:#x}: {before} became {after}");
        assert!(before.signum() * after.signum() >= 0);
    }
}

#[test]
fn slices_agree_with_single_samples_and_stop_at_the_shorter() {
    let samples: Vec<i16> = (i16::MIN..=i16::MAX).collect();
    let codes: Vec<u8> = (0..=255).collect();
    let mut encoded = vec![0; samples.len()];
    let mut decoded = vec![0; codes.len()];
    let mut converted = vec![0; codes.len()];
    assert_eq!(ulaw::encode_slice(&samples, &mut encoded), 65_536);
    assert!(samples.iter().zip(&encoded).all(|(sample, code)| ulaw::encode(*sample) == *code));
    assert_eq!(alaw::encode_slice(&samples, &mut encoded), 65_536);
    assert!(samples.iter().zip(&encoded).all(|(sample, code)| alaw::encode(*sample) == *code));
    assert_eq!(ulaw::decode_slice(&codes, &mut decoded), 256);
    assert!(codes.iter().zip(&decoded).all(|(code, sample)| ulaw::decode(*code) == *sample));
    assert_eq!(alaw::decode_slice(&codes, &mut decoded), 256);
    assert!(codes.iter().zip(&decoded).all(|(code, sample)| alaw::decode(*code) == *sample));
    assert_eq!(ulaw::to_alaw_slice(&codes, &mut converted), 256);
    assert!(codes.iter().zip(&converted).all(|(from, to)| ulaw::to_alaw(*from) == *to));
    assert_eq!(alaw::to_ulaw_slice(&codes, &mut converted), 256);
    assert!(codes.iter().zip(&converted).all(|(from, to)| alaw::to_ulaw(*from) == *to));

    let mut short = [7; 2];
    assert_eq!(ulaw::encode_slice(&samples[..3], &mut short), 2);
    assert_eq!(ulaw::encode_slice(&samples[..1], &mut short), 1);
    assert_eq!(short[1], ulaw::encode(samples[1]));
}

/// A law's name, encoder and decoder.
type Coding = (&'static str, fn(i16) -> u8, fn(u8) -> i16);

/// The folder of reference data, or `None` with a remark.
fn corpus() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/g711");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no corpus at {}", folder.display());
    None
}

#[test]
fn the_itu_library_encodes_and_decodes_alike() {
    let Some(folder) = corpus() else { return };
    let laws: [Coding; 2] = [("ulaw", ulaw::encode, ulaw::decode), ("alaw", alaw::encode, alaw::decode)];
    for (law, encode, decode) in laws {
        let codes = std::fs::read(folder.join(format!("{law}-encode.bin"))).unwrap();
        assert_eq!(codes.len(), 65_536);
        for (sample, code) in (i16::MIN..=i16::MAX).zip(codes) {
            assert_eq!(encode(sample), code, "{law} of {sample}");
        }
        let table = std::fs::read_to_string(folder.join(format!("{law}-decode.tsv"))).unwrap();
        let rows: Vec<&str> = table.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(rows.len(), 256);
        for row in rows {
            let (code, sample) = row.split_once('\t').unwrap();
            assert_eq!(decode(code.parse().unwrap()), sample.parse::<i16>().unwrap(), "{law} code {code}");
        }
    }
}

#[test]
fn the_itu_sweep_comes_out_alike() {
    let Some(folder) = corpus() else { return };
    let words = |name: &str| -> Vec<i16> {
        let octets = std::fs::read(folder.join("itu-g191").join(name)).unwrap();
        octets.chunks_exact(2).map(|word| i16::from_le_bytes([word[0], word[1]])).collect()
    };
    let laws: [Coding; 2] = [("u", ulaw::encode, ulaw::decode), ("a", alaw::encode, alaw::decode)];
    for (law, encode, decode) in laws {
        let codes = words(&format!("sweep-r.{law}"));
        let decoded = words(&format!("sweep-r.re{law}"));
        let source = words("sweep.src");
        assert!(source.len() == codes.len() && codes.len() == decoded.len() && !codes.is_empty());
        for ((sample, code), value) in source.iter().zip(&codes).zip(&decoded) {
            assert_eq!(i16::from(encode(*sample)), *code, "{law}-law of {sample}");
            assert_eq!(decode(u8::try_from(*code).unwrap()), *value, "{law}-law code {code}");
        }
    }
}
