//! The rules of the house that the compiler does not know, each a row of a table with a canary that turns it red.
//! Judges text, not types: what a lint can say is said in `clippy.toml` and `Cargo.toml`, not here.

mod imports;
mod size;
mod source;
mod tree;
mod words;

use tree::{File, Finding};

#[test]
fn imports_follow_the_architecture() {
    judge(imports::findings);
}

#[test]
fn words_stay_where_they_belong() {
    judge(words::findings);
}

#[test]
fn files_have_one_job_and_say_it() {
    judge(size::findings);
}

/// Fails with every finding at once, so that one run tells the whole work.
fn judge(rule: fn(&[File]) -> Vec<Finding>) {
    let findings = rule(&tree::of_the_workspace());
    let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "{} finding(s):\n{}\n", told.len(), told.join("\n"));
}
