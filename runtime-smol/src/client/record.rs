//! The file of a recording: takes bytes and puts them behind the ones before. Each write reaches the system at once, so
//! that a program that is killed leaves what it has recorded.

use super::options::StartError;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

pub(super) struct Tape {
    file: File,
    path: PathBuf,
}

impl Tape {
    /// A new file in place of any that is there; for nobody else to read.
    pub(super) fn open(path: PathBuf) -> Result<Self, StartError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(&path) {
            Ok(file) => Ok(Tape { file, path }),
            Err(error) => Err(StartError::Record { path, why: error.to_string() }),
        }
    }

    /// False: the rest cannot be stored, which was told.
    pub(super) fn write(&mut self, bytes: &[u8]) -> bool {
        let written = self.file.write_all(bytes);
        if let Err(error) = &written {
            tracing::warn!("the recording in {} ends here: {error}", self.path.display());
        }
        written.is_ok()
    }
}
