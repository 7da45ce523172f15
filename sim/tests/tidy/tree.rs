//! The files that the rules judge: those of the workspace, or a few made up for a canary. Knows no rule.

use crate::source;
use std::fmt;
use std::fs;
use std::path::Path;

/// One file, named by its path from the root of the workspace with `/` between the parts.
pub(crate) struct File {
    pub(crate) path: String,
    /// All of it; empty when it is not text.
    pub(crate) text: String,
    /// The same lines without comments and the insides of strings; empty when it is not Rust.
    pub(crate) code: String,
}

impl File {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = if path.ends_with(".rs") { source::code(text) } else { String::new() };
        File { path: path.into(), text: text.into(), code }
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether it lies below one of `places`, each the beginning of a path.
    pub(crate) fn is_within(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }

    pub(crate) fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into() }
    }
}

/// A rule that is broken, and where.
pub(crate) struct Finding {
    path: String,
    line: usize,
    pub(crate) what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Every file of the workspace but those in the directories which `.gitignore` names, in the order of their paths.
pub(crate) fn of_the_workspace() -> Vec<File> {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in a directory of the workspace");
    let ignored = fs::read_to_string(root.join(".gitignore")).expect(".gitignore stands at the root");
    let mut skipped = vec![".git"];
    skipped.extend(ignored.lines().filter_map(|line| line.strip_suffix('/')));
    let mut files = Vec::new();
    walk(root, "", &skipped, &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// A pattern with a slash means one directory, one without means every directory of that name.
fn walk(dir: &Path, prefix: &str, skipped: &[&str], files: &mut Vec<File>) {
    for entry in fs::read_dir(dir).expect("a directory of the workspace can be read") {
        let entry = entry.expect("a directory entry can be read");
        let name = entry.file_name().into_string().expect("names in the workspace are UTF-8");
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().expect("the kind of a file can be read");
        if kind.is_dir() {
            if !skipped.iter().any(|skip| *skip == path || *skip == name) {
                walk(&entry.path(), &format!("{path}/"), skipped, files);
            }
        } else if kind.is_file() && path != ".git" {
            // In a second work tree `.git` is a file. Any other can vanish between the listing and the reading: editors
            // and builds do that.
            let Ok(bytes) = fs::read(entry.path()) else { continue };
            files.push(File::new(&path, &String::from_utf8(bytes).unwrap_or_default()));
        }
    }
}

#[test]
fn the_walk_sees_the_sources_and_no_build_output() {
    let files = of_the_workspace();
    for expected in ["Cargo.toml", "core/src/lib.rs", "sim/tests/tidy/tree.rs", ".gitignore"] {
        assert!(files.iter().any(|file| file.path == expected), "{expected} was not seen");
    }
    assert!(!files.iter().any(|file| file.is_within(&[".git/", "target/"])));
}
