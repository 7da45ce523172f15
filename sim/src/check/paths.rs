//! The story of the paths is told without gaps: each change begins where the last one ended, and packets are said to
//! leave only on a path that is not dead, each time on another than before.

use super::{Check, Seen, index};
use std::collections::BTreeMap;
use webstar_core::id::PathId;
use webstar_core::session::pipe::PathState;

/// Watches what is told of paths.
#[derive(Debug, Default)]
pub struct Paths {
    /// By side.
    states: [BTreeMap<PathId, PathState>; 2],
    using: [Option<PathId>; 2],
}

impl Check for Paths {
    fn name(&self) -> &'static str {
        "paths"
    }

    fn see(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        match *seen {
            Seen::Path { side, path, change } => {
                let before = self.states[index(side)].insert(path, change.to).unwrap_or(PathState::Opening);
                if before != change.from {
                    return Err(format!("{side:?} said {before:?} of path {}, and now {change:?}", path.0));
                }
            }
            Seen::Using { side, path } => {
                if core::mem::replace(&mut self.using[index(side)], path) == path {
                    return Err(format!("{side:?} said twice that it uses {path:?}"));
                }
                let state = path.and_then(|path| self.states[index(side)].get(&path));
                if path.is_some() && matches!(state, None | Some(PathState::Dead)) {
                    return Err(format!("{side:?} uses {path:?}, which is {state:?}"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
