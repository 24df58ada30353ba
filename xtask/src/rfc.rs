//! `docs/RFC-COVERAGE.md`: which test proves which rule, from the `// rfc:` lines above the tests.
//!
//! Also checks that links to RFCs have one form, and, when `RFC_TEXTS` names a folder with `rfcNNNN.txt` files, that
//! each section named exists.

use crate::{Result, step::Outcome, tidy};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
};
use xshell::Shell;

const COVERAGE: &str = "docs/RFC-COVERAGE.md";
/// In halves, so that this file holds no such line and no such link itself.
const MARK: (&str, &str) = ("// rfc", ": ");
const HOST: (&str, &str) = ("www.rfc-editor", ".org/");

/// One rule that one test proves.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Proof {
    rfc: u32,
    order: Vec<u32>,
    section: String,
    item: String,
    test: String,
}

pub(crate) fn run(shell: &Shell, _: &[String]) -> Result {
    let (text, outcome) = survey(shell)?;
    shell.write_file(COVERAGE, text)?;
    println!("{COVERAGE}: {outcome}");
    Ok(())
}

/// The file is up to date, and every link and section is good.
pub(crate) fn check(shell: &Shell) -> Result<Outcome> {
    let (text, outcome) = survey(shell)?;
    if shell.read_file(COVERAGE).unwrap_or_default() == text {
        Ok(outcome.into())
    } else {
        Err(format!("{COVERAGE} is out of date: run `cargo xtask rfc`").into())
    }
}

fn survey(shell: &Shell) -> Result<(String, String)> {
    let (mut proofs, mut sections, mut wrong) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for file in tidy::sources(shell)? {
        let text = shell.read_file(&file)?;
        match proofs_in(&file, &text) {
            Ok(found) => proofs.extend(found),
            Err(why) => wrong.push(why),
        }
        for (number, line) in text.lines().enumerate() {
            match link_in(line) {
                Some(Ok(link)) => sections.extend(link.map(|(rfc, section)| (rfc, section, file.clone()))),
                Some(Err(())) => {
                    wrong.push(format!("{}:{}: a link of another form", file.display(), number + 1))
                }
                None => {}
            }
        }
        sections.extend(proofs.iter().map(|proof| (proof.rfc, proof.section.clone(), "a test".into())));
    }
    let (mut checked, mut unread) = (0, BTreeSet::new());
    if let Some(folder) = std::env::var_os("RFC_TEXTS") {
        let mut texts = BTreeMap::new();
        for (rfc, section, file) in &sections {
            let path = Path::new(&folder).join(format!("rfc{rfc}.txt"));
            let text = texts.entry(*rfc).or_insert_with(|| std::fs::read_to_string(path).ok());
            match text {
                Some(text) if has_section(text, section) => checked += 1,
                Some(_) => wrong.push(format!("{}: RFC {rfc} has no section {section}", file.display())),
                None => drop(unread.insert(*rfc)),
            }
        }
    }
    if !wrong.is_empty() {
        wrong.iter().for_each(|line| println!("{line}"));
        return Err(format!("{} faults, listed above", wrong.len()).into());
    }
    let tests: BTreeSet<_> = proofs.iter().map(|proof| &proof.test).collect();
    let rfcs: BTreeSet<_> = proofs.iter().map(|proof| proof.rfc).collect();
    let mut outcome = format!("{} rules of {} RFCs, {} tests", proofs.len(), rfcs.len(), tests.len());
    match (checked, unread.is_empty()) {
        (0, true) => outcome += "; sections not looked up, RFC_TEXTS is not set",
        (n, true) => write!(outcome, "; {n} sections looked up")?,
        (n, false) => write!(outcome, "; {n} sections looked up, but no text of RFC {unread:?}")?,
    }
    Ok((coverage(&proofs), outcome))
}

fn coverage(proofs: &BTreeSet<Proof>) -> String {
    let mut text = String::from(
        "# RFC coverage\n\nWhich test proves which rule. Written by `cargo xtask rfc` from the lines above the tests; do not edit.\n",
    );
    let mut rfc = 0;
    for proof in proofs {
        if proof.rfc != rfc {
            rfc = proof.rfc;
            text += &format!("\n## RFC {rfc}\n\n| section | item | test |\n| --- | --- | --- |\n");
        }
        let (section, item, test) = (&proof.section, &proof.item, &proof.test);
        text += &format!("| {} | {} | `{test}` |\n", anchor(rfc, section), item.replace('|', "\\|"));
    }
    text
}

fn anchor(rfc: u32, section: &str) -> String {
    let kind = if section.starts_with(|c: char| c.is_ascii_uppercase()) { "appendix" } else { "section" };
    if section.starts_with(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase()) {
        format!("[§{section}](https://{}{}rfc/rfc{rfc}#{kind}-{section})", HOST.0, HOST.1)
    } else {
        section.to_owned()
    }
}

/// The proofs of one file; the error names the line that is malformed.
fn proofs_in(file: &Path, text: &str) -> std::result::Result<Vec<Proof>, String> {
    let (mut proofs, mut waiting) = (Vec::new(), Vec::new());
    let mut modules: Vec<(usize, &str)> = Vec::new();
    let mark = format!("{}{}", MARK.0, MARK.1);
    for (number, line) in text.lines().enumerate() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        let wrong = |what: &str| format!("{}:{}: {what}", file.display(), number + 1);
        if !code.is_empty() {
            modules.retain(|(depth, _)| *depth < indent || (*depth == indent && code != "}"));
        }
        if let Some(rule) = code.strip_prefix(mark.as_str()) {
            let (rfc, rest) = rule.split_once(" §").ok_or_else(|| wrong("no ` §`"))?;
            let (section, item) = rest.split_once(" — ").ok_or_else(|| wrong("no ` — `"))?;
            let rfc: u32 = rfc.parse().map_err(|_| wrong("no RFC number"))?;
            waiting.push((rfc, section.to_owned(), item.trim().to_owned()));
        } else if let Some(name) = function(code).filter(|_| !waiting.is_empty()) {
            let inner = modules.iter().map(|(_, module)| *module);
            let test = path(file)
                .iter()
                .map(String::as_str)
                .chain(inner)
                .chain([name])
                .collect::<Vec<_>>()
                .join("::");
            proofs.extend(waiting.drain(..).map(|(rfc, section, item)| {
                let order = section.split('.').map(|part| part.parse().unwrap_or(u32::MAX)).collect();
                Proof { rfc, order, section, item, test: test.clone() }
            }));
        } else if !waiting.is_empty() && !code.starts_with("//") && !code.starts_with('#') {
            return Err(wrong("an rfc line must stand directly above a test"));
        }
        if let Some(module) = code.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(" {")) {
            modules.push((indent, module));
        }
    }
    if waiting.is_empty() {
        Ok(proofs)
    } else {
        Err(format!("{}: an rfc line without a test", file.display()))
    }
}

fn function(code: &str) -> Option<&str> {
    let rest = code.trim_start_matches("pub ").trim_start_matches("async ").strip_prefix("fn ")?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// `crates/sip-txn/src/driver/udp.rs` → sip_txn, driver, udp; `crates/rtp/tests/sim.rs` → rtp, sim.
fn path(file: &Path) -> Vec<String> {
    let mut parts: Vec<String> = file.iter().map(|part| part.to_string_lossy().replace('-', "_")).collect();
    parts.retain(|part| !matches!(part.as_str(), "crates" | "src" | "tests"));
    if let Some(last) = parts.last_mut() {
        *last = last.trim_end_matches(".rs").to_owned();
    }
    parts.retain(|part| !matches!(part.as_str(), "lib" | "main"));
    parts
}

/// A link to an RFC in this line: its number and section, if it names one; an error for any other form.
fn link_in(line: &str) -> Option<std::result::Result<Option<(u32, String)>, ()>> {
    let host = format!("https://{}{}", HOST.0, HOST.1);
    let bare = format!("{}{}", HOST.0.trim_start_matches("www."), HOST.1);
    let Some((_, link)) = line.split_once(host.as_str()) else {
        return line.contains(bare.as_str()).then_some(Err(()));
    };
    let link = link
        .split(|c: char| c.is_whitespace() || matches!(c, ')' | '>' | '"' | '`'))
        .next()
        .unwrap_or_default();
    let parse = || {
        let name = link.strip_prefix("rfc/rfc")?;
        let (rfc, anchor) = name.split_once('#').map_or((name, None), |(rfc, anchor)| (rfc, Some(anchor)));
        let rfc = rfc.parse().ok()?;
        let Some(anchor) = anchor else { return Some(None) };
        let section = anchor.strip_prefix("section-").or_else(|| anchor.strip_prefix("appendix-"))?;
        let good = !section.is_empty() && section.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
        good.then(|| Some((rfc, section.trim_end_matches('.').to_owned())))
    };
    Some(parse().ok_or(()))
}

/// Whether the plain text of an RFC has this section as a heading.
fn has_section(text: &str, section: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim_start();
        let line = line.strip_prefix("Appendix ").unwrap_or(line);
        let Some(rest) = line.strip_prefix(section) else { return false };
        let rest = rest.strip_prefix(['.', ':']).unwrap_or(rest);
        rest.is_empty() || rest.starts_with(' ')
    }) || !section.starts_with(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(lines: &[&str]) -> String {
        lines.iter().map(|line| line.replace('@', &format!("{}{}", MARK.0, MARK.1)) + "\n").collect()
    }

    #[test]
    fn a_proof_is_named_by_its_path() {
        let text = source(&[
            "mod tests {",
            "    @3261 §17.1.1.2 — Timer A doubles",
            "    @3550 §A.8 — jitter",
            "    #[test]",
            "    fn timer_a() {",
            "    }",
            "}",
            "@3261 §8 — outside",
            "fn outside() {}",
        ]);
        let proofs = proofs_in(Path::new("crates/sip-txn/src/driver/udp.rs"), &text).unwrap();
        let tests: Vec<_> =
            proofs.iter().map(|proof| (proof.rfc, proof.section.as_str(), proof.test.as_str())).collect();
        assert_eq!(tests[0], (3261, "17.1.1.2", "sip_txn::driver::udp::tests::timer_a"));
        assert_eq!(tests[1], (3550, "A.8", "sip_txn::driver::udp::tests::timer_a"));
        assert_eq!(tests[2], (3261, "8", "sip_txn::driver::udp::outside"));
    }

    #[test]
    fn a_rule_without_a_test_is_refused() {
        for lines in [
            &["@3261 §8 — item", "struct X;"][..],
            &["@3261 8 — item"],
            &["@3261 §8 item"],
            &["@3261 §8 — item"],
        ] {
            assert!(proofs_in(Path::new("crates/x/src/lib.rs"), &source(lines)).is_err(), "{lines:?}");
        }
    }

    #[test]
    fn links_have_one_form() {
        let link = |tail: &str| link_in(&format!("/// [x]: https://{}{}{tail}", HOST.0, HOST.1));
        assert_eq!(link("rfc/rfc3261#section-17.1"), Some(Ok(Some((3261, "17.1".into())))));
        assert_eq!(link("rfc/rfc3550#appendix-A.8)"), Some(Ok(Some((3550, "A.8".into())))));
        assert_eq!(link("rfc/rfc3261"), Some(Ok(None)));
        for bad in ["rfc/rfc3261.txt", "rfc/rfc3261#page-3", "rfc/rfc3261#", "info/rfc3261"] {
            assert_eq!(link(bad), Some(Err(())), "{bad}");
        }
        assert_eq!(link_in("nothing"), None);
    }

    #[test]
    fn headings_are_found_in_old_and_new_layouts() {
        let text = "17.1.1.2 Formal Description\n2.1.  Terms\nAppendix A.  Code\n A.8 Jitter\n";
        for section in ["17.1.1.2", "2.1", "A", "A.8"] {
            assert!(has_section(text, section), "{section}");
        }
        assert!(!has_section(text, "17.1.1") && !has_section(text, "2"));
    }
}
