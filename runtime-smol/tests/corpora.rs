//! What the fuzzer found worth keeping, on the stable compiler: every file of the corpora of this package goes through its
//! body. Searches for nothing new; that is `cargo fuzz`'s work.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use webstar_smol::bodies;

/// A corpus below this size is no corpus: it was not found, or lost.
const FEWEST: usize = 20;
/// What may be committed of one corpus, in bytes.
const LARGEST: u64 = 64 * 1024;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace").join("fuzz")
}

fn files(corpus: &str) -> Vec<PathBuf> {
    let dir = fuzz().join("corpus").join(corpus);
    let entries = fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a directory can be read").path()).collect();
    files.sort();
    files
}

#[test]
fn every_body_takes_every_file_of_the_corpora() {
    for (name, body) in bodies::ALL {
        for (corpus, _) in bodies::ALL {
            for file in files(corpus) {
                let data = fs::read(&file).expect("a file of the corpus can be read");
                assert!(catch_unwind(|| body(&data)).is_ok(), "{name} fails with {}", file.display());
            }
        }
    }
}

#[test]
fn bodies_have_targets_and_corpora_that_are_small() {
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).expect("the manifest of the fuzzer is there");
    for (name, _) in bodies::ALL {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is no target");
        let target = fs::read_to_string(fuzz().join(format!("fuzz_targets/{name}.rs"))).expect("the target is there");
        assert!(target.contains(&format!("webstar_smol::bodies::{name}")), "{name} runs another body");
        let files = files(name);
        let size: u64 = files.iter().map(|file| fs::metadata(file).expect("it can be read").len()).sum();
        assert!(files.len() >= FEWEST && size <= LARGEST, "{name} has {} files and {size} bytes", files.len());
    }
}

#[test]
fn corpora_reach_what_is_accepted() {
    let text = |file: &PathBuf| String::from_utf8_lossy(&fs::read(file).expect("it can be read")).into_owned();
    let targets = files("uris").iter().filter(|file| webstar_smol::uri::Target::parse(&text(file)).is_ok()).count();
    let settings =
        files("settings_files").iter().filter(|file| webstar_smol::settings::File::parse(&text(file)).is_ok()).count();
    assert!(targets >= 8 && settings >= 8, "{targets} targets, {settings} files of settings");
}
