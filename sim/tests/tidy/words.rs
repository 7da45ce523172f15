//! Words that may stand nowhere, or only in their place, and names that say nothing.
//! A word that must not stand even here is written in two halves.

use crate::source;
use crate::tree::{File, Finding};

/// Where a word is looked for.
enum Look {
    /// Among the paths that Rust code names, `use` groups taken apart.
    Path,
    /// In Rust code, without comments and strings.
    Code,
    /// In Rust files, comments and strings included.
    Rust,
    /// In every file.
    Text,
}

/// A word, where it may not stand, and why.
struct Word {
    word: &'static str,
    look: Look,
    /// The beginnings of the paths where the rule holds; empty: everywhere.
    within: &'static [&'static str],
    /// The beginnings of the paths where it does not.
    except: &'static [&'static str],
    why: &'static str,
    /// A line that breaks the rule.
    canary: &'static str,
}

/// The core is pure: the same inputs give the same outputs, on every machine.
const fn impure(word: &'static str, why: &'static str, canary: &'static str) -> Word {
    Word { word, look: Look::Path, within: &["core/src/"], except: &[], why, canary }
}

/// What is committed is finished.
const fn unfinished(word: &'static str, look: Look, why: &'static str, canary: &'static str) -> Word {
    Word { word, look, within: &[], except: CORPORA, why, canary }
}

/// Bytes found by a fuzzer are no prose.
const CORPORA: &[&str] = &["fuzz/corp"];

const CLOCK: &str = "time comes in with every input";
const CHANCE: &str = "draw from the seeded generator in `rng`";
const WORLD: &str = "the embedder owns threads, files, sockets and the environment";
const LOOP: &str = "the core has no event loop; the embedder has";
const LATER: &str = "do it, or write it down where work is planned";
const MACHINE: &str = "a path of one machine; the tree is checked out elsewhere too";

const WORDS: &[Word] = &[
    impure("Instant::now", CLOCK, "fn f() { std::time::Instant::now(); }"),
    impure("SystemTime", CLOCK, "use std::time::{Duration, SystemTime};"),
    impure("Instant::from_std", "reads the clock; use `from_nanos`", "fn f() { sans_io_time::Instant::from_std(i); }"),
    impure("thread_rng", CHANCE, "use rand::thread_rng;"),
    impure("rand::rng", CHANCE, "use rand::{Rng, rng};"),
    impure("rand::random", CHANCE, "fn f() -> u8 { rand::random() }"),
    impure("fastrand", CHANCE, "fn f() -> u8 { fastrand::u8(..) }"),
    impure("getrandom", CHANCE, "fn f() { getrandom::fill(&mut []); }"),
    impure("RandomState", CHANCE, "use std::hash::RandomState;"),
    impure("std::thread", WORLD, "use std::{fmt, thread};"),
    impure("thread::spawn", WORLD, "fn f() { thread::spawn(g); }"),
    impure("std::net", "addresses are in `core::net`; sockets are the embedder's", "use std::net::UdpSocket;"),
    impure("std::fs", WORLD, "use std::{fs::{self, File}};"),
    impure("std::env", WORLD, "fn f() { std::env::var(s); }"),
    impure("std::process", WORLD, "fn f() { std::process::exit(0); }"),
    impure("async", LOOP, "pub async fn f() {}"),
    impure("tokio", LOOP, "use tokio::select;"),
    impure("smol", LOOP, "fn f() { smol::block_on(g); }"),
    Word {
        word: concat!("str", "0m"),
        look: Look::Rust,
        within: &[],
        except: &[
            "core/src/path/webrtc/",
            "core/tests/path_webrtc/traps.rs",
            "sim/src/crypto",
            "sim/src/talk/bare.rs",
            "benches/",
        ],
        why: "stays behind the seam of `path/webrtc`, where its traps are tested, in the simulator's crypto provider, and \
              where it is measured alone",
        canary: concat!("//! What str", "0m wants."),
    },
    unfinished(concat!("TO", "DO"), Look::Text, LATER, concat!("# TO", "DO: later")),
    unfinished(concat!("FIX", "ME"), Look::Text, LATER, concat!("<!-- FIX", "ME -->")),
    unfinished(concat!("XX", "X"), Look::Text, LATER, concat!("/* XX", "X */")),
    unfinished("todo!", Look::Code, LATER, "fn f() { todo!() }"),
    unfinished("unimplemented!", Look::Code, LATER, "fn f() { unimplemented!(\"g\") }"),
    unfinished("dbg!", Look::Code, "an observation of one afternoon", "fn f() { dbg!(1); }"),
    unfinished("#[ignore", Look::Code, "a test that does not run keeps no promise", "#[ignore = \"slow\"]"),
    unfinished(concat!("/ro", "ot/"), Look::Text, MACHINE, concat!("cd /ro", "ot/it")),
    unfinished(concat!("/ho", "me/"), Look::Text, MACHINE, concat!("path = \"/ho", "me/me/it\"")),
    unfinished(concat!("/Us", "ers/"), Look::Text, MACHINE, concat!("(/Us", "ers/me/it)")),
    unfinished(concat!("/wo", "rk/"), Look::Text, MACHINE, concat!("`/wo", "rk/it`")),
];

/// Names that fit every content, and so say nothing of theirs.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc"];

pub(crate) fn findings(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        let mut parts = file.path.split('/').map(|part| part.split('.').next().unwrap_or_default());
        if let Some(name) = parts.find(|part| EMPTY_NAMES.contains(part)) {
            findings.push(file.finding(1, format!("the name `{name}` says nothing; name the one job that this does")));
        }
        let named = if file.is_within(&["core/src/"]) { source::paths(&file.code) } else { Vec::new() };
        for word in WORDS {
            let held = word.within.is_empty() || file.is_within(word.within);
            if !held || file.is_within(word.except) {
                continue;
            }
            let lines = match word.look {
                Look::Path => named.iter().filter(|name| is_on(&name.path, word.word)).map(|name| name.line).collect(),
                Look::Code => lines_with(&file.code, word.word),
                Look::Rust if !file.is_rust() => Vec::new(),
                Look::Rust | Look::Text => lines_with(&file.text, word.word),
            };
            findings.extend(lines.into_iter().map(|line| file.finding(line, format!("`{}`: {}", word.word, word.why))));
        }
    }
    findings
}

/// Whether the parts of `word` stand on `path`, side by side.
fn is_on(path: &[String], word: &str) -> bool {
    let parts: Vec<&str> = word.split("::").collect();
    path.windows(parts.len()).any(|window| window == parts)
}

/// The numbers of the lines on which `word` stands as a word of its own.
fn lines_with(text: &str, word: &str) -> Vec<usize> {
    let stands = |line: &str| {
        line.match_indices(word).any(|(at, _)| {
            let (before, after) = (line[..at].chars().next_back(), line[at + word.len()..].chars().next());
            let free = |c: Option<char>| c.is_none_or(|c| !source::is_word(c));
            match word {
                // The directory at the root, not one of the same name on a URL or below another.
                _ if word.starts_with('/') => before.is_none_or(|c| c.is_whitespace() || "\"'`(<[=:,".contains(c)),
                _ if word.ends_with(source::is_word) => free(before) && free(after),
                _ => free(before),
            }
        })
    };
    text.lines().enumerate().filter(|(_, line)| stands(line)).map(|(number, _)| number + 1).collect()
}

/// What the rules say of a tree of one file.
#[cfg(test)]
fn of_one(path: &str, text: &str) -> Vec<String> {
    findings(&[File::new(path, text)]).into_iter().map(|finding| finding.what).collect()
}

#[test]
fn every_word_turns_red_where_it_may_not_stand() {
    for word in WORDS {
        let path = format!("{}deep/thing.rs", word.within.first().unwrap_or(&"sim/src/"));
        let red = of_one(&path, word.canary);
        assert!(red.iter().any(|what| what.starts_with(&format!("`{}`", word.word))), "{}: {red:?}", word.canary);
        for place in word.except {
            assert!(of_one(&format!("{place}/thing.rs"), word.canary).is_empty(), "{place}: {}", word.canary);
        }
    }
}

#[test]
fn a_word_inside_another_or_outside_its_place_is_fine() {
    let fine = "//! An Instant::now() in prose.\nuse std::time::Instant;\nuse rand::rngs::StdRng;\nfn asynchronous() {}\n\
        const URL: &str = \"ws://a/home/b\";\nfn f(x: core::net::IpAddr) { smolder(); now(); crate::rng::draw(); }";
    assert_eq!(of_one("core/src/session/deep.rs", fine), Vec::<String>::new());
    assert_eq!(of_one("sim/src/wall.rs", "fn f() { std::time::Instant::now(); }"), Vec::<String>::new());
    assert_eq!(of_one("run.sh", concat!("mktemp /tmp/a.XX", "XXXX")), Vec::<String>::new());
    assert_eq!(of_one("sim/src/text.rs", "const S: &str = \"todo!()\"; // todo!()"), Vec::<String>::new());
}

#[test]
fn every_empty_name_turns_red() {
    for name in EMPTY_NAMES {
        assert!(!of_one(&format!("core/src/session/{name}.rs"), "").is_empty());
        assert!(!of_one(&format!("lab/{name}/run.sh"), "").is_empty());
    }
    assert!(of_one("core/src/session/commonplace.rs", "").is_empty());
}
