//! The long-term key: in a file, so that tokens outlive the process, or drawn anew.

use super::BindError;
use crate::client::clock;
use std::fs::{self, File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Write};
use std::path::Path;

/// The key of the file, which is made if it is not there; without a file, a new one.
pub(super) fn load(file: Option<&Path>) -> Result<[u8; 32], BindError> {
    let Some(path) = file else { return draw().map_err(BindError::System) };
    let kept = match read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => match write(path, &draw().map_err(BindError::System)?) {
            // Another server that starts now was quicker.
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => read(path),
        },
        kept => kept,
    };
    kept.map_err(|source| BindError::KeyFile { file: path.into(), source })
}

fn read(path: &Path) -> Result<[u8; 32], Error> {
    let mut bytes = Vec::new();
    File::open(path)?.take(33).read_to_end(&mut bytes)?;
    bytes.try_into().map_err(|_| Error::new(ErrorKind::InvalidData, "it must hold exactly 32 bytes"))
}

fn draw() -> Result<[u8; 32], Error> {
    clock::seed().map_err(Error::other)
}

/// The file is there with all of the key or not at all, and never in place of another. Only its owner may read it.
fn write(path: &Path, key: &[u8; 32]) -> Result<(), Error> {
    let mark = u64::from_le_bytes(*draw()?.first_chunk().expect("a seed is longer"));
    let mut name = path.file_name().ok_or(ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{mark:016x}"));
    let fresh = path.with_file_name(name);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&fresh)?;
    let written = file.write_all(key).and_then(|()| file.sync_all()).and_then(|()| fs::hard_link(&fresh, path));
    let removed = fs::remove_file(&fresh);
    written.and(removed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::thread;

    #[test]
    fn servers_that_start_at_once_have_one_key_and_leave_one_file() {
        let folder = std::env::temp_dir().join(format!("webstar-one-key-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("server.key");
        let starts: Vec<_> = (0..8)
            .map(|_| {
                let file = file.clone();
                thread::spawn(move || load(Some(&file)).unwrap())
            })
            .collect();
        let keys: BTreeSet<[u8; 32]> = starts.into_iter().map(|start| start.join().unwrap()).collect();
        assert_eq!(keys.len(), 1);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }
}
