//! The long-term key: in a file, so that tokens outlive the process, or drawn anew.

use super::BindError;
use crate::client::clock;
use std::fs::OpenOptions;
use std::io::{Error, ErrorKind, Read, Write};
use std::path::Path;

/// The key of the file, which is made if it is not there; without a file, a new one.
pub(super) fn load(file: Option<&Path>) -> Result<[u8; 32], BindError> {
    let Some(path) = file else { return draw().map_err(BindError::System) };
    let wrong = |source| BindError::KeyFile { file: path.into(), source };
    match OpenOptions::new().read(true).open(path) {
        Ok(mut file) => {
            let mut bytes = Vec::new();
            Read::by_ref(&mut file).take(33).read_to_end(&mut bytes).map_err(wrong)?;
            let length = || Error::new(ErrorKind::InvalidData, "it must hold exactly 32 bytes");
            bytes.try_into().map_err(|_| wrong(length()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let key = draw().map_err(BindError::System)?;
            write(path, &key).map_err(wrong)?;
            Ok(key)
        }
        Err(error) => Err(wrong(error)),
    }
}

fn draw() -> Result<[u8; 32], Error> {
    clock::seed().map_err(Error::other)
}

/// Only its owner may read it.
fn write(path: &Path, key: &[u8; 32]) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(key)?;
    file.sync_all()
}
