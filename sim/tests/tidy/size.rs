//! A file has one job, says it in its first line, and is short enough to be read in one go.
//! The length of functions is clippy's (`too-many-lines-threshold`).

use crate::tree::{File, Finding};

/// Longer files want to be two. The tests at the bottom do not count.
const LINES: usize = 500;

/// Files that may be longer, each with the reason why two would be worse.
const LONG: &[(&str, &str)] = &[];

/// Where every Rust file begins by telling its job.
const TOLD: &[&str] = &["benches/src/", "core/src/", "runtime-smol/src/", "sim/src/", "web/src/"];

pub(crate) fn findings(files: &[File]) -> Vec<Finding> {
    let mut findings = lengths(files, LONG);
    for file in files.iter().filter(|file| file.is_rust() && file.is_within(TOLD)) {
        let told = file.text.lines().next().and_then(|line| line.strip_prefix("//!"));
        if told.is_none_or(|told| told.trim().is_empty()) {
            findings.push(file.finding(1, "the first line tells what the file does: `//! ..`"));
        }
    }
    findings
}

/// `long` is the table of exceptions. One that is not needed any more is a finding too, so that the table stays true.
fn lengths(files: &[File], long: &[(&str, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let lines = lines(&file.text);
        let excused = long.iter().any(|(path, reason)| *path == file.path && !reason.is_empty());
        match (lines > LINES, excused) {
            (true, false) => {
                findings.push(file.finding(LINES, format!("{lines} lines; beyond {LINES} it wants to be two")));
            }
            (false, true) => findings.push(file.finding(1, "is short now; take it from the table of long files")),
            _ => {}
        }
    }
    for (path, _) in long.iter().filter(|(path, _)| !files.iter().any(|file| file.path == *path)) {
        findings.push(File::new(path, "").finding(1, "is gone; take it from the table of long files"));
    }
    findings
}

/// The number of lines before the test module at the bottom.
fn lines(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let is_tests = |at: &usize| {
        lines[*at] == "#[cfg(test)]"
            && lines.get(at + 1).is_some_and(|next| next.starts_with("mod ") && next.ends_with('{'))
    };
    (0..lines.len()).find(is_tests).unwrap_or(lines.len())
}

#[cfg(test)]
fn file(path: &str, lines: usize, tail: &str) -> File {
    File::new(path, &format!("//! Its job.\n{}{tail}", "//\n".repeat(lines - 1)))
}

#[test]
fn a_long_file_turns_red_unless_it_is_excused() {
    assert_eq!(lengths(&[file("a.rs", LINES + 1, "")], &[]).len(), 1);
    assert_eq!(lengths(&[file("a.rs", LINES, "")], &[]).len(), 0);
    assert_eq!(lengths(&[file("a.md", LINES + 1, "")], &[]).len(), 0);
    assert_eq!(lengths(&[file("a.rs", LINES + 1, "")], &[("a.rs", "one table")]).len(), 0);
    assert_eq!(lengths(&[file("a.rs", LINES + 1, "")], &[("a.rs", "")]).len(), 1);
}

#[test]
fn an_excuse_that_is_not_needed_turns_red() {
    assert_eq!(lengths(&[file("a.rs", LINES, "")], &[("a.rs", "one table")]).len(), 1);
    assert_eq!(lengths(&[], &[("a.rs", "one table")]).len(), 1);
}

#[test]
fn tests_at_the_bottom_do_not_count_and_other_test_code_does() {
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "//\n".repeat(LINES));
    assert_eq!(lengths(&[file("a.rs", LINES, &tests)], &[]).len(), 0);
    assert_eq!(lengths(&[file("a.rs", LINES + 1, &tests)], &[]).len(), 1);
    for item in ["mod tests;", "impl Thing {"] {
        let elsewhere = format!("#[cfg(test)]\n{item}\n{}", "//\n".repeat(LINES));
        assert_eq!(lengths(&[file("a.rs", 1, &elsewhere)], &[]).len(), 1);
    }
}

#[test]
fn a_file_that_does_not_tell_its_job_turns_red() {
    for dir in TOLD {
        let of_one = |text| findings(&[File::new(&format!("{dir}deep/thing.rs"), text)]).len();
        assert_eq!([of_one("//! Its job.\n"), of_one("use a;\n"), of_one("//!\n"), of_one("")], [0, 1, 1, 1]);
    }
}
