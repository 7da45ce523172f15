//! The settings of a link, gathered from those of its parts, and the paths it is set up with.

use crate::config::SessionConfig;
use crate::id::PathId;
use crate::path::{Keeper, LadderConfig, PathKind, Watch, WatchConfig};
use crate::session::pipe::PathReading;
use crate::time::{Duration, Instant};
use crate::wire::signal::Version;
use serde::{Deserialize, Serialize};

/// The settings of a link.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkConfig {
    /// Of its session.
    pub session: SessionConfig,
    /// Of the watches of its direct paths.
    pub watch: WatchConfig,
    /// Of the watch of its relay path. By default it is patient: a byte stream that stalls still delivers in the end,
    /// and opening it anew throws away what is on the way.
    pub relay_watch: WatchConfig,
    /// Of the ladders that mend its paths.
    pub ladder: LadderConfig,
    /// The version that both players speak. Before [`Version::CURRENT`] nobody tells of paths that are not heard.
    pub version: Version,
}

impl Default for LinkConfig {
    fn default() -> Self {
        LinkConfig {
            session: SessionConfig::default(),
            watch: WatchConfig::default(),
            relay_watch: WatchConfig { dead_after: Duration::from_secs(30), ..WatchConfig::default() },
            ladder: LadderConfig::default(),
            version: Version::CURRENT,
        }
    }
}

/// A path that a link may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PathSetup {
    /// Its name, the same on both sides.
    pub id: PathId,
    /// What it is made of.
    pub kind: PathKind,
    /// It may only use relayed (TURN) candidates.
    pub relayed_only: bool,
}

/// A path with what watches and mends it.
#[derive(Debug)]
pub(super) struct LinkPath {
    pub(super) setup: PathSetup,
    pub(super) watch: Watch,
    /// When the watch has something to do, as of the last input.
    pub(super) watch_at: Option<Instant>,
    /// What that was reckoned from; nothing once the watch has heard of anything since.
    pub(super) judged: Option<PathReading>,
    pub(super) keeper: Keeper,
    /// Its packets go over a TURN server.
    pub(super) is_turned: bool,
}

impl LinkPath {
    /// The watch has something to do at another time only if what is measured has changed. That time passes without a word
    /// changes nothing.
    pub(super) fn look_ahead(&mut self, reading: Option<PathReading>) {
        let timeless = |reading: PathReading| PathReading { unheard: Duration::ZERO, ..reading };
        let judged = reading.map(timeless);
        if self.judged.is_none() || self.judged != judged {
            self.watch_at = reading.and_then(|reading| self.watch.deadline(&reading));
            self.judged = judged;
        }
    }
}
