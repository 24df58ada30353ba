//! Test vectors that lie beside the project: the corpus folder, its manifest, `.kat` files.

use std::fs;
use std::path::{Path, PathBuf};

/// A folder of the corpus, `None` with a printed message when it is absent: the test then skips.
///
/// Pass `env!("CARGO_MANIFEST_DIR")`; the corpus lies at `../../../shared/corpus` from a crate.
///
/// ```no_run
/// let Some(folder) = testkit::vectors::corpus(env!("CARGO_MANIFEST_DIR"), "srtp") else { return };
/// let stanzas = testkit::vectors::stanzas(&folder.join("sessions.kat"));
/// ```
#[must_use]
pub fn corpus(manifest_dir: &str, folder: &str) -> Option<PathBuf> {
    let path = Path::new(manifest_dir).join("../../../shared/corpus").join(folder);
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: there is no corpus folder `{folder}` beside the project ({})", path.display());
    None
}

/// A file of the corpus, as text.
///
/// # Panics
/// When it cannot be read: the corpus is there, but not whole.
#[must_use]
pub fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A file of the corpus, as octets.
///
/// # Panics
/// When it cannot be read: the corpus is there, but not whole.
#[must_use]
pub fn octets(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One line of `MANIFEST.tsv`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// The path from the corpus folder, as `sip/rfc4475/wsinv.dat`.
    pub file: String,
    /// `sip`, `sdp`, `rtp`, `rtcp`, `stun` …
    pub kind: String,
    /// What a parser must do; begins with a word of the corpus' README.
    pub expected: String,
    /// What a server answers: a status code, `drop`, or nothing special.
    pub status: String,
    /// What is remarkable.
    pub note: String,
    /// The octets of the file.
    pub octets: Vec<u8>,
}

impl Entry {
    /// Does `expected` begin with this word?
    #[must_use]
    pub fn expects(&self, word: &str) -> bool {
        self.expected.starts_with(word)
    }
}

/// The manifest's files below `folder` (as `"sip/rfc4475"`), in its order, with their octets.
///
/// Empty, with a printed message, when there is no corpus.
///
/// # Panics
/// When a file that the manifest names cannot be read.
#[must_use]
pub fn manifest(manifest_dir: &str, folder: &str) -> Vec<Entry> {
    let Some(corpus) = corpus(manifest_dir, "") else { return Vec::new() };
    let prefix = format!("{}/", folder.trim_end_matches('/'));
    let lines = text(&corpus.join("MANIFEST.tsv"));
    let entries = lines.lines().filter(|line| line.starts_with(&prefix)).map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        let column = |at: usize| columns.get(at).copied().unwrap_or_default().to_owned();
        let octets = octets(&corpus.join(column(0)));
        Entry {
            file: column(0),
            kind: column(1),
            expected: column(2),
            status: column(3),
            note: column(13),
            octets,
        }
    });
    entries.collect()
}

/// A block of `name = value` lines.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Stanza {
    fields: Vec<(String, String)>,
}

impl Stanza {
    /// The value of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// The octets of a field that is there.
    ///
    /// # Panics
    /// When it is missing or is not hexadecimal: the file is broken.
    #[must_use]
    pub fn octets(&self, name: &str) -> Vec<u8> {
        hex(self.get(name).unwrap_or_else(|| panic!("no `{name}` in {self:?}")))
    }
}

/// Reads a `.kat` file: stanzas with an empty line between them; `#` starts a comment.
///
/// # Panics
/// When the file cannot be read.
#[must_use]
pub fn stanzas(path: &Path) -> Vec<Stanza> {
    parse_stanzas(&text(path))
}

/// Reads the text of a `.kat` file.
#[must_use]
pub fn parse_stanzas(text: &str) -> Vec<Stanza> {
    let mut stanzas = vec![Stanza::default()];
    for line in text.lines().map(str::trim) {
        if line.is_empty() {
            stanzas.push(Stanza::default());
        } else if let (false, Some((name, value)), Some(stanza)) =
            (line.starts_with('#'), line.split_once('='), stanzas.last_mut())
        {
            stanza.fields.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    stanzas.retain(|stanza| !stanza.fields.is_empty());
    stanzas
}

/// The octets that hexadecimal digits stand for; white space and colons between them are skipped.
///
/// # Panics
/// At a character that is no digit, or at half an octet: the vector is mistyped.
#[must_use]
pub fn hex(text: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len() / 2);
    let mut high: Option<u32> = None;
    for character in text.chars().filter(|c| !c.is_whitespace() && *c != ':') {
        let digit = character.to_digit(16).unwrap_or_else(|| panic!("`{character}` is no hexadecimal digit"));
        high = match high {
            None => Some(digit),
            Some(high) => {
                octets.push(u8::try_from(high << 4 | digit).unwrap_or_default());
                None
            }
        };
    }
    assert!(high.is_none(), "half an octet at the end of `{text}`");
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_are_split_at_empty_lines_and_comments_are_skipped() {
        let stanzas = parse_stanzas("# a = 1\n\nkey = 00 ff\nnote = a = b\n\n\nkey = 01\n");
        assert_eq!(stanzas.len(), 2);
        assert_eq!(stanzas[0].octets("key"), [0, 255]);
        assert_eq!(stanzas[0].get("note"), Some("a = b"));
        assert_eq!(stanzas[1].get("note"), None);
    }

    #[test]
    #[should_panic(expected = "half an octet")]
    fn half_an_octet_is_refused() {
        let _ = hex("abc");
    }
}
