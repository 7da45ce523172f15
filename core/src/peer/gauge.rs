//! How the other side is heard over a link, as whoever holds it asks after every packet.

use super::link::Link;
use super::link_config::LinkPath;
use crate::id::PathId;
use crate::path::PathKind;
use crate::session::{Heard, Rtt};
use crate::time::{Duration, Instant};

impl Link {
    /// The paths that packets can leave on.
    fn up(&self) -> impl Iterator<Item = &LinkPath> {
        self.paths.iter().filter(|path| path.watch.is_up())
    }

    /// The same but for the relay.
    fn direct(&self) -> impl Iterator<Item = &LinkPath> {
        self.up().filter(|path| path.setup.kind != PathKind::Relay)
    }

    /// Whether packets can leave on any path.
    pub(super) fn is_up(&self) -> bool {
        self.up().next().is_some()
    }

    /// Whether packets can leave on any path but the relay.
    pub(super) fn is_direct(&self) -> bool {
        self.direct().next().is_some()
    }

    /// What the path in use is made of.
    pub(super) fn kind(&self) -> Option<PathKind> {
        let using = self.using()?;
        self.paths.iter().find(|path| path.setup.id == using).map(|path| path.setup.kind)
    }

    /// When something was last heard on a path.
    pub(super) fn heard_at(&self, path: PathId) -> Option<Instant> {
        self.session.heard(path).map(Heard::at)
    }

    /// The shortest gap that the other side has promised on a path that is up; zero if it has promised none.
    pub(super) fn promised(&self) -> Duration {
        let heard = self.up().filter_map(|path| self.session.heard(path.setup.id));
        heard.map(Heard::expected).filter(|expected| !expected.is_zero()).min().unwrap_or_default()
    }

    /// The largest deviation of the round trip on any path but the relay; none if no such path is up.
    pub(super) fn jitter(&self) -> Option<Duration> {
        self.direct().map(|path| self.session.rtt(path.setup.id).map_or(Duration::ZERO, Rtt::var)).max()
    }

    /// The round trip on the path in use, if it was measured.
    pub(super) fn rtt(&self) -> Option<Duration> {
        self.session.rtt(self.using()?)?.measured()
    }
}
