//! Licences and bans from `deny.toml`, read without cargo-deny; with it, cargo-deny does the work.

use crate::{Result, metadata, step::Outcome, which};
use xshell::{Shell, cmd};

/// Every dependency's licence is allowed and none is banned.
pub(crate) fn check(shell: &Shell) -> Result<Outcome> {
    if which("cargo-deny").is_some() {
        cmd!(shell, "cargo deny check licenses bans sources").run()?;
        return Ok("cargo-deny: licences, bans, sources".into());
    }
    let config = shell.read_file("deny.toml")?;
    let (allowed, banned) = (list(&config, "allow = ["), list(&config, "deny = ["));
    let packages = metadata::packages(shell)?;
    let mut wrong = Vec::new();
    for package in &packages {
        match &package.licence {
            Some(licence) if permitted(licence, &allowed) => {}
            Some(licence) => wrong.push(format!("{}: {licence} is not allowed", package.name)),
            None => wrong.push(format!("{} names no licence", package.name)),
        }
        if banned.contains(&package.name) {
            wrong.push(format!("{} is banned", package.name));
        }
    }
    if wrong.is_empty() {
        Ok(format!("{} packages against deny.toml, without cargo-deny", packages.len()).into())
    } else {
        Err(wrong.join("; ").into())
    }
}

/// Known vulnerabilities; needs cargo-deny and its database.
pub(crate) fn advisories(shell: &Shell) -> Result<Outcome> {
    if which("cargo-deny").is_none() {
        return Ok(Outcome::LeftOut(
            "cargo-deny is not installed, so nobody looked for known vulnerabilities".into(),
        ));
    }
    if cmd!(shell, "cargo deny fetch").run().is_err() {
        return Ok(Outcome::LeftOut("the advisory database cannot be fetched from here".into()));
    }
    cmd!(shell, "cargo deny check advisories").run()?;
    Ok("cargo-deny: advisories".into())
}

/// The quoted strings of the first list in `config` that starts with `opening` at the start of a line.
fn list(config: &str, opening: &str) -> Vec<String> {
    let mut lines = config.lines().skip_while(|line| !line.starts_with(opening)).skip(1);
    let lines = lines.by_ref().take_while(|line| !line.starts_with(']'));
    lines.filter_map(|line| line.split('"').nth(1)).map(str::to_owned).collect()
}

/// Whether the SPDX expression can be satisfied with allowed licences.
fn permitted(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut tokens = spaced.split_whitespace().peekable();
    either(&mut tokens, allowed) && tokens.next().is_none()
}

type Tokens<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn either(tokens: &mut Tokens<'_>, allowed: &[String]) -> bool {
    let mut ok = both(tokens, allowed);
    while tokens.next_if_eq(&"OR").is_some() {
        ok |= both(tokens, allowed);
    }
    ok
}

fn both(tokens: &mut Tokens<'_>, allowed: &[String]) -> bool {
    let mut ok = single(tokens, allowed);
    while tokens.next_if_eq(&"AND").is_some() {
        ok &= single(tokens, allowed);
    }
    ok
}

fn single(tokens: &mut Tokens<'_>, allowed: &[String]) -> bool {
    if tokens.next_if_eq(&"(").is_some() {
        return either(tokens, allowed) & (tokens.next() == Some(")"));
    }
    let name = tokens.next().unwrap_or_default();
    let exception = tokens.next_if_eq(&"WITH").and_then(|_| tokens.next());
    let name = exception.map_or(name.to_owned(), |exception| format!("{name} WITH {exception}"));
    allowed.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_weighed() {
        let allowed = ["MIT".to_owned(), "Apache-2.0".to_owned()];
        for good in ["MIT", "MIT OR GPL-3.0", "GPL-3.0/MIT", "(MIT OR ISC) AND Apache-2.0"] {
            assert!(permitted(good, &allowed), "{good}");
        }
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT", "", "Apache-2.0 WITH LLVM-exception"] {
            assert!(!permitted(bad, &allowed), "{bad}");
        }
    }

    #[test]
    fn lists_are_read() {
        let config = "[a]\nallow = [\n    \"MIT\", # why\n    \"ISC\",\n]\ndeny = [\n]\n";
        assert_eq!(list(config, "allow = ["), ["MIT", "ISC"]);
        assert!(list(config, "deny = [").is_empty());
    }
}
