//! The settings of a link, gathered from those of its parts.

use crate::config::SessionConfig;
use crate::path::{LadderConfig, WatchConfig};
use crate::time::Duration;
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
