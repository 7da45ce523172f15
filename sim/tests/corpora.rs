//! What the fuzzer found worth keeping, on the stable compiler: every file of `fuzz/corpus` goes through its body, under
//! an allocator that counts. Searches for nothing new; that is `cargo fuzz`'s work.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use webstar_sim::bodies;
use webstar_sim::bodies::meter::{self, Cost};

/// A corpus below this size is no corpus: it was not found, or lost.
const FEWEST: usize = 20;
/// What may be committed of one corpus, in bytes.
const LARGEST: u64 = 64 * 1024;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace").join("fuzz")
}

fn install_meter() {
    meter::install(|work| {
        let info = allocation_counter::measure(work);
        Cost { total: info.bytes_total, peak: info.bytes_max }
    });
}

/// The files of a directory, in the order of their names.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a directory can be read").path()).collect();
    files.sort();
    files
}

#[test]
fn every_file_of_the_corpora_passes_its_body() {
    install_meter();
    for (name, body) in bodies::ALL {
        let files = files(&fuzz().join("corpus").join(name));
        assert!(files.len() >= FEWEST, "{name} has {} files", files.len());
        for file in files {
            let data = fs::read(&file).expect("a file of the corpus can be read");
            assert!(catch_unwind(|| body(&data)).is_ok(), "{} fails", file.display());
        }
    }
}

#[test]
fn every_body_takes_the_input_of_every_other() {
    install_meter();
    for (name, body) in bodies::ALL {
        for (other, _) in bodies::ALL.into_iter().filter(|other| other.0 != name) {
            for file in files(&fuzz().join("corpus").join(other)) {
                let data = fs::read(&file).expect("a file of the corpus can be read");
                assert!(catch_unwind(|| body(&data)).is_ok(), "{name} fails with {}", file.display());
            }
        }
    }
}

#[test]
fn bodies_targets_and_corpora_have_the_same_names_and_corpora_are_small() {
    let names = bodies::ALL.map(|(name, _)| name);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).expect("the manifest of the fuzzer is there");
    for name in names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is no target");
        let target = fs::read_to_string(fuzz().join(format!("fuzz_targets/{name}.rs"))).expect("the target is there");
        assert!(target.contains(&format!("bodies::{name}")), "{name} runs another body");
        let size = |file: PathBuf| fs::metadata(file).expect("a file of the corpus can be read").len();
        let total: u64 = files(&fuzz().join("corpus").join(name)).into_iter().map(size).sum();
        assert!(total <= LARGEST, "the corpus of {name} has {total} bytes");
    }
    for corpus in files(&fuzz().join("corpus")) {
        let name = corpus.file_name().and_then(|name| name.to_str()).expect("corpora have plain names");
        // What belongs to the runtime is tested there.
        let target = fs::read_to_string(fuzz().join(format!("fuzz_targets/{name}.rs"))).unwrap_or_default();
        let is_elsewhere = target.contains(&format!("webstar_smol::bodies::{name}"));
        assert!(names.contains(&name) || is_elsewhere, "there is no body for the corpus {name}");
    }
}

#[test]
fn the_meter_turns_red() {
    install_meter();
    let spend = |bytes: usize| move || drop(std::hint::black_box(vec![1u8; bytes]));
    meter::total_within(2_000, spend(1_000));
    meter::peak_within(2_000, || (0..10).for_each(|_| spend(1_000)()));
    assert!(catch_unwind(|| meter::total_within(2_000, || (0..10).for_each(|_| spend(1_000)()))).is_err());
    assert!(catch_unwind(|| meter::peak_within(2_000, spend(3_000))).is_err());
}
