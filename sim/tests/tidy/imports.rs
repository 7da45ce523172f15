//! Who may import whom: between the packages, and between the modules of the core.
//! Which outside crates a package uses is no matter here, but for the one that stays behind its seam (see `words`).

use crate::source::{self, Named};
use crate::tree::{File, Finding};

/// A package of the workspace and the other packages that it may name.
struct Package {
    dir: &'static str,
    name: &'static str,
    knows: &'static [&'static str],
}

const PACKAGES: &[Package] = &[
    Package { dir: "core/", name: "webstar-core", knows: &[] },
    Package { dir: "sim/entropy/", name: "webstar-entropy", knows: &[] },
    Package { dir: "sim/", name: "webstar-sim", knows: &["webstar-core", "webstar-entropy"] },
    Package { dir: "runtime-smol/", name: "webstar-smol", knows: &["webstar-core"] },
    Package { dir: "web/", name: "webstar-web", knows: &["webstar-core"] },
    Package { dir: "fuzz/", name: "webstar-fuzz", knows: &["webstar-core", "webstar-sim", "webstar-smol"] },
    Package { dir: "benches/", name: "webstar-benches", knows: &["webstar-core", "webstar-sim", "webstar-smol"] },
];

/// A module of the core (one directly below `core/src/`) and the modules, or parts of modules, that it may name.
struct Module {
    name: &'static str,
    knows: &'static [&'static str],
}

/// What everything else stands on. These know each other and nobody above them.
const BASE: &[&str] = &["config", "error", "id", "outbox", "players", "rng", "time", "timer", "wire"];

/// The settings of a player speak of what they set.
const SETTINGS: &[&str] = &["path::PathKind", "session::MAX_PATHS", "star::StarConfig"];

const MODULES: &[Module] = &[
    Module { name: "session", knows: &[] },
    Module { name: "lan", knows: &[] },
    Module { name: "path", knows: &["session::pipe"] },
    Module { name: "star", knows: &["session"] },
    Module { name: "peer", knows: &["session", "path", "star"] },
    Module { name: "recording", knows: &["path", "peer"] },
    Module { name: "server", knows: &[] },
];

pub(crate) fn findings(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        if file.path.ends_with("/Cargo.toml") {
            manifest(file, &mut findings);
        }
        if file.is_rust() {
            let named = source::paths(&file.code);
            packages(file, &named, &mut findings);
            modules(file, &named, &mut findings);
        }
    }
    findings
}

/// The package that a file belongs to.
fn package_of(file: &File) -> Option<&'static Package> {
    PACKAGES.iter().find(|package| file.is_within(&[package.dir]))
}

fn is_known(package: &Package, other: &str) -> bool {
    package.name == other || package.knows.contains(&other)
}

/// A manifest names no package that its own may not know.
fn manifest(file: &File, findings: &mut Vec<Finding>) {
    let Some(package) = package_of(file) else {
        findings.push(file.finding(1, "this package has no row in the table of who may import whom"));
        return;
    };
    for (number, line) in file.text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        if line.starts_with("description") {
            continue;
        }
        let words = line.split(|c: char| !source::is_word(c) && c != '-');
        for other in PACKAGES.iter().filter(|other| words.clone().any(|word| word == other.name)) {
            if !is_known(package, other.name) {
                findings.push(file.finding(number + 1, format!("{} may not depend on {}", package.name, other.name)));
            }
        }
    }
}

/// Code names no package that its own may not know.
fn packages(file: &File, named: &[Named], findings: &mut Vec<Finding>) {
    let Some(package) = package_of(file) else { return };
    for Named { path, line, .. } in named {
        let first = path[0].replace('_', "-");
        if PACKAGES.iter().any(|other| other.name == first) && !is_known(package, &first) {
            findings.push(file.finding(*line, format!("{} may not import {first}", package.name)));
        }
    }
}

/// Inside the core a module names only what its row of the table grants. `lib.rs` shows all of them to the world.
fn modules(file: &File, named: &[Named], findings: &mut Vec<Finding>) {
    let Some(home) = home(&file.path) else { return };
    let Some(module) = home.first() else { return };
    let Some(knows) = knows(module) else {
        findings.push(file.finding(1, format!("the module `{module}` has no row in the table of who may import whom")));
        return;
    };
    for name in named {
        let Some(target) = absolute(&home, name) else { continue };
        let Some(first) = target.first() else { continue };
        if first == module {
            continue;
        }
        if self::knows(first).is_none() {
            let what = format!("`crate::{first}` goes through the root; name the module that it lives in");
            findings.push(file.finding(name.line, what));
        } else if !BASE.contains(&first.as_str()) && !knows.iter().any(|grant| is_below(&target, grant)) {
            findings.push(file.finding(name.line, format!("`{module}` may not know `{}`", target.join("::"))));
        }
    }
}

/// What a module may know beside the base; none if it has no row.
fn knows(module: &str) -> Option<&'static [&'static str]> {
    if module == "config" {
        return Some(SETTINGS);
    }
    if BASE.contains(&module) {
        return Some(&[]);
    }
    MODULES.iter().find(|row| row.name == module).map(|row| row.knows)
}

/// The module that a file of the core is, from the root of the crate; none for other files.
fn home(path: &str) -> Option<Vec<String>> {
    let path = path.strip_prefix("core/src/")?.strip_suffix(".rs")?;
    let path = path.strip_suffix("/mod").unwrap_or(path);
    Some(if path == "lib" { Vec::new() } else { path.split('/').map(Into::into).collect() })
}

/// A path from the root of the crate, if it is one that says so.
fn absolute(home: &[String], name: &Named) -> Option<Vec<String>> {
    let mut base = [home, &name.inside].concat();
    let mut rest = name.path.as_slice();
    match rest[0].as_str() {
        "crate" => base.clear(),
        "self" | "super" => {}
        _ => return None,
    }
    while let Some((first, tail)) = rest.split_first() {
        match first.as_str() {
            "crate" | "self" => {}
            "super" => {
                base.pop();
            }
            _ => break,
        }
        rest = tail;
    }
    base.extend_from_slice(rest);
    Some(base)
}

fn is_below(target: &[String], grant: &str) -> bool {
    let mut target = target.iter();
    grant.split("::").all(|part| target.next().is_some_and(|word| word == part))
}

/// What the rules say of a tree of one file.
#[cfg(test)]
fn of_one(path: &str, text: &str) -> Vec<String> {
    findings(&[File::new(path, text)]).into_iter().map(|finding| finding.what).collect()
}

#[test]
fn every_package_that_may_not_be_known_turns_red() {
    for package in PACKAGES {
        for other in PACKAGES {
            let word = other.name.replace('-', "_");
            let sources = [
                (format!("{}src/lib.rs", package.dir), format!("use {word}::thing;")),
                (format!("{}tests/t.rs", package.dir), format!("fn f() {{ {word}::thing() }}")),
                (format!("{}Cargo.toml", package.dir), format!("[dev-dependencies]\n{}.workspace = true", other.name)),
                (format!("{}Cargo.toml", package.dir), format!("[dependencies.{}]", other.name)),
            ];
            for (path, text) in sources {
                // The root of the core names modules only, so nothing but the package can be at fault there.
                let red = !of_one(&path, &text).is_empty();
                assert_eq!(red, !is_known(package, other.name), "{path}: {text}");
            }
        }
    }
    assert!(!of_one("elsewhere/Cargo.toml", "[package]").is_empty());
}

#[test]
fn every_module_that_may_not_be_known_turns_red() {
    let all = BASE.iter().copied().chain(MODULES.iter().map(|row| row.name));
    for module in all.clone() {
        for other in all.clone() {
            let granted = module == other || BASE.contains(&other) || knows(module).is_some_and(|k| k.contains(&other));
            for (path, text) in [
                (format!("core/src/{module}.rs"), format!("use crate::{other}::Thing;")),
                (format!("core/src/{module}/mod.rs"), format!("use crate::{{{other}::{{Thing, self}}}};")),
                (format!("core/src/{module}/deep.rs"), format!("fn f() {{ super::super::{other}::thing() }}")),
                (format!("core/src/{module}/deep.rs"), format!("mod m {{ use super::super::super::{other}; }}")),
            ] {
                assert_eq!(of_one(&path, &text).is_empty(), granted, "{path}: {text}");
            }
        }
    }
}

/// The tests above follow the tables; these are the sentences that the tables stand for.
#[test]
fn the_walls_of_the_house_stand() {
    for (from, to) in [
        ("wire", "session"),
        ("outbox", "peer"),
        ("session", "path"),
        ("session", "star"),
        ("path", "session"),
        ("path", "star"),
        ("star", "path"),
        ("star", "peer"),
        ("server", "session"),
        ("server", "star"),
        ("peer", "server"),
        ("peer", "recording"),
    ] {
        let text = format!("use crate::{to}::Thing;");
        assert!(!of_one(&format!("core/src/{from}/deep.rs"), &text).is_empty(), "{from} knows {to}");
    }
    for (from, to) in [
        ("core", "webstar_sim"),
        ("core", "webstar_smol"),
        ("sim", "webstar_smol"),
        ("runtime-smol", "webstar_sim"),
        ("web", "webstar_smol"),
        ("core", "webstar_fuzz"),
    ] {
        assert!(!of_one(&format!("{from}/src/deep.rs"), &format!("use {to};")).is_empty(), "{from} knows {to}");
    }
}

#[test]
fn a_path_knows_the_seam_of_the_session_and_no_more() {
    assert!(of_one("core/src/path/relay.rs", "use crate::session::pipe::PathState;").is_empty());
    assert!(of_one("core/src/path/relay.rs", "use crate::session::{pipe::{Control, PipeFacts}};").is_empty());
    assert!(!of_one("core/src/path/relay.rs", "use crate::session::{pipe, lanes};").is_empty());
    assert!(!of_one("core/src/path/relay.rs", "use crate::session;").is_empty());
    assert!(!of_one("core/src/path/relay.rs", "use crate::session::*;").is_empty());
}

#[test]
fn nobody_goes_round_by_the_root() {
    assert!(!of_one("core/src/session/mod.rs", "use crate::Thing;").is_empty());
    assert!(!of_one("core/src/session/mod.rs", "use crate::*;").is_empty());
    assert!(!of_one("core/src/unheard.rs", "").is_empty());
    assert!(of_one("core/src/lib.rs", "pub use crate::peer::Peer;").is_empty());
    assert!(of_one("core/src/session/mod.rs", "pub(crate) fn f() {} mod m { use super::*; }").is_empty());
    assert!(of_one("core/src/session/mod.rs", "// crate::star\nconst S: &str = \"crate::star\";").is_empty());
}
