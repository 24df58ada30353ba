//! What `cargo metadata` knows: members with their features, and the Rust version that each dependency wants.

use crate::{Result, json::Json, step::Outcome};
use xshell::{Shell, cmd};

/// One package of the dependency graph.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) licence: Option<String>,
    pub(crate) rust_version: Option<String>,
    pub(crate) features: Vec<String>,
    /// Part of this workspace.
    pub(crate) member: bool,
    /// Only used here, never released.
    pub(crate) unpublished: bool,
    /// Registry metadata that a release needs and that is missing.
    pub(crate) lacks: Vec<&'static str>,
}

/// All packages, with all features on.
pub(crate) fn packages(shell: &Shell) -> Result<Vec<Package>> {
    let text =
        cmd!(shell, "cargo metadata --format-version 1 --all-features").quiet().ignore_stderr().read()?;
    let metadata = Json::parse(&text)?;
    Ok(metadata.at("packages").list().iter().map(package).collect())
}

fn package(json: &Json) -> Package {
    let optional = |name| Some(json.at(name).text().to_owned()).filter(|text| !text.is_empty());
    let features = json.at("features").members().iter().map(|(name, _)| name.clone());
    let needed = ["description", "license", "readme"].into_iter().filter(|name| optional(name).is_none());
    let lists = ["keywords", "categories"].into_iter().filter(|name| json.at(name).list().is_empty());
    Package {
        name: json.at("name").text().to_owned(),
        version: json.at("version").text().to_owned(),
        licence: optional("license"),
        rust_version: optional("rust_version"),
        features: features.filter(|name| name != "default").collect(),
        member: json.at("source") == &Json::Null,
        unpublished: json.at("publish") != &Json::Null,
        lacks: needed.chain(lists).collect(),
    }
}

/// No dependency may want a newer Rust than the workspace declares, and every member declares the same.
///
/// That the code itself uses nothing newer is clippy's `incompatible_msrv`, in the clippy step.
pub(crate) fn msrv(shell: &Shell) -> Result<Outcome> {
    let packages = packages(shell)?;
    let declared = |package: &Package| package.rust_version.as_deref().map(version).unwrap_or_default();
    let (members, others): (Vec<_>, Vec<_>) = packages.iter().partition(|package| package.member);
    let ours = members.iter().map(|package| declared(package)).min().unwrap_or_default();
    let mut wrong: Vec<String> = members
        .iter()
        .filter(|package| declared(package) != ours || ours == (0, 0, 0))
        .map(|package| format!("{} declares another rust-version than the rest", package.name))
        .collect();
    wrong.extend(others.iter().filter(|package| declared(package) > ours).map(|package| {
        let wants = package.rust_version.as_deref().unwrap_or_default();
        format!("{} {} wants Rust {wants}", package.name, package.version)
    }));
    wrong.extend(
        members
            .iter()
            .filter(|package| !package.unpublished && !package.lacks.is_empty())
            .map(|package| format!("{} lacks {} in its Cargo.toml", package.name, package.lacks.join(", "))),
    );
    if wrong.is_empty() {
        let highest = others.iter().map(|package| declared(package)).max().unwrap_or_default();
        let show = |(a, b, _): (u32, u32, u32)| format!("{a}.{b}");
        Ok(format!("declared {}, the highest that a dependency wants is {}", show(ours), show(highest))
            .into())
    } else {
        Err(wrong.join("; ").into())
    }
}

fn version(text: &str) -> (u32, u32, u32) {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}
