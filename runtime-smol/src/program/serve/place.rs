//! Where the server keeps its key if nobody says: with what else programs keep for their user. So a server that is killed
//! and started again, without another word, knows its players and their lobbies.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// The file of the key.
pub(super) fn of_the_key() -> Option<PathBuf> {
    of_state(|variable| env::var_os(variable)).map(|place| place.join("webstar").join("server.key"))
}

/// Makes the directory that it is in. What goes wrong shows when the file is written.
pub(super) fn prepare(file: &std::path::Path) {
    let Some(folder) = file.parent() else { return };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let _ = builder.create(folder);
}

/// Where programs keep what they must know again, by the rules of the system. A variable that is empty counts as not set.
fn of_state(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    match cfg!(windows) {
        true => path("LOCALAPPDATA"),
        false => path("XDG_STATE_HOME").or_else(|| path("HOME").map(|home| home.join(".local").join("state"))),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn place(set: &[(&str, &str)]) -> Option<PathBuf> {
        of_state(|name| set.iter().find(|(variable, _)| *variable == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn the_place_is_where_the_system_says() {
        let home = ("HOME", "/users/ann");
        assert_eq!(place(&[home, ("XDG_STATE_HOME", "/state")]), Some("/state".into()));
        assert_eq!(place(&[home]), Some("/users/ann/.local/state".into()));
        assert_eq!(place(&[home, ("XDG_STATE_HOME", "")]), Some("/users/ann/.local/state".into()));
        assert_eq!(place(&[home, ("XDG_STATE_HOME", "here")]), Some("/users/ann/.local/state".into()));
        assert_eq!(place(&[]), None);
    }
}
