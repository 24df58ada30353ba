//! The code map is true, and certain words are not in the code.

use crate::{Result, step::Outcome};
use std::{collections::BTreeSet, path::PathBuf};
use xshell::Shell;

const MAP: &str = "docs/ARCHITECTURE.md";
/// Words that mean unfinished or hidden work; in halves, so that this file does not hold them.
const FORBIDDEN: &[(&str, &str)] = &[
    ("todo", "!("),
    ("unimplemented", "!("),
    ("dbg", "!("),
    ("#[", "ignore"),
    ("#[", "allow("),
    ("#![", "allow("),
];

pub(crate) fn run(shell: &Shell, _: &[String]) -> Result {
    let (Outcome::Passed(text) | Outcome::LeftOut(text)) = check(shell)?;
    println!("{text}");
    Ok(())
}

pub(crate) fn check(shell: &Shell) -> Result<Outcome> {
    let files = sources(shell)?;
    let mut wrong = Vec::new();
    for file in &files {
        let text = shell.read_file(file)?;
        for (number, line) in text.lines().enumerate() {
            let found = FORBIDDEN.iter().map(|(a, b)| format!("{a}{b}")).find(|word| line.contains(word));
            wrong.extend(found.map(|word| format!("{}:{}: {word}", file.display(), number + 1)));
        }
        if file.ends_with("mod.rs") {
            wrong.push(format!("{}: a module file is named after its module", file.display()));
        }
    }
    let there = files.iter().map(|file| file.to_string_lossy().into_owned());
    let there: BTreeSet<String> =
        there.filter(|file| file.starts_with("crates/") && file.contains("/src/")).collect();
    let map = shell.read_file(MAP)?;
    let mapped = mapped(&map);
    wrong.extend(there.difference(&mapped).map(|file| format!("{file} is not in the code map of {MAP}")));
    wrong.extend(mapped.difference(&there).map(|file| format!("{MAP} names {file}, which is gone")));
    wrong.extend(unlined(&map).into_iter().map(|file| format!("{MAP} says nothing about {file}")));
    if wrong.is_empty() {
        Ok(format!("{} source files, {} in the code map", files.len(), mapped.len()).into())
    } else {
        wrong.iter().for_each(|line| println!("{line}"));
        Err(format!("{} things to tidy, listed above", wrong.len()).into())
    }
}

/// Every Rust file of the project.
pub(crate) fn sources(shell: &Shell) -> Result<Vec<PathBuf>> {
    let root = shell.current_dir();
    let mut folders: Vec<_> = ["bench", "crates", "fuzz", "xtask"].map(|folder| root.join(folder)).into();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in shell.read_dir(&folder)? {
            if path.is_dir() && !path.ends_with("target") && !path.ends_with("corpus") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path.strip_prefix(&root)?.to_owned());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The lines of the map, as (crate folder, file, what it says).
fn entries(map: &str) -> impl Iterator<Item = (String, &str)> {
    let mut folder = "";
    map.lines().filter_map(move |line| {
        if line.starts_with("crates/") {
            folder = line.split_whitespace().next().unwrap_or_default().trim_end_matches('/');
            return None;
        }
        let entry = line.strip_prefix("  src/")?;
        let (file, says) = entry.split_once(' ').unwrap_or((entry, ""));
        Some((format!("{folder}/src/{file}"), says.trim()))
    })
}

fn mapped(map: &str) -> BTreeSet<String> {
    entries(map).map(|(file, _)| file).collect()
}

fn unlined(map: &str) -> Vec<String> {
    entries(map).filter(|(_, says)| says.is_empty()).map(|(file, _)| file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_is_read() {
        let map = "text src/x.rs\n```\ncrates/a/   what a is\n  src/lib.rs   docs\n  src/b/c.rs\ncrates/d/\n  src/e.rs  e\n```";
        let expected = ["crates/a/src/lib.rs", "crates/a/src/b/c.rs", "crates/d/src/e.rs"];
        assert_eq!(mapped(map), expected.iter().map(ToString::to_string).collect());
        assert_eq!(unlined(map), ["crates/a/src/b/c.rs"]);
    }
}
