//! What the server counts, kept so that counting costs no allocation, and told by name.

use super::ServerStats;
use crate::wire::signal::{CloseReason, ErrorCode, HostCause};
use serde::Serialize;
use std::collections::BTreeMap;

/// Why something was dropped without an answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Dropped {
    /// Its receiver is slow and newer ones came.
    SlowReceiver,
    /// Its sender sends too much.
    Rate,
    /// The connections of its sender's address send too much together.
    AddressRate,
    /// Its lobby sends too much.
    LobbyRate,
    /// Nobody of that number is in the lobby.
    NobodyThere,
    /// Its receiver's connection is broken.
    Away,
    /// Guests neither send nor get relayed packets.
    Guest,
    /// Its sender is in no lobby.
    NotInLobby,
    /// It is no relayed packet.
    Malformed,
    /// It has become longer than a frame may be.
    TooLong,
    /// A certificate that does not hold or cannot be judged, or a promise that the server does not give.
    Unproven,
}

/// The counters.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// What is not counted by name, and needs no sum over the connections.
    pub(super) stats: ServerStats,
    dropped: BTreeMap<Dropped, u64>,
    refused: BTreeMap<ErrorCode, u64>,
    closed: BTreeMap<CloseReason, u64>,
    host_changes: BTreeMap<HostCause, u64>,
}

impl Counts {
    pub(super) fn dropped(&mut self, why: Dropped) {
        *self.dropped.entry(why).or_default() += 1;
    }

    pub(super) fn refused(&mut self, code: ErrorCode) {
        *self.refused.entry(code).or_default() += 1;
    }

    pub(super) fn closed(&mut self, reason: CloseReason) {
        *self.closed.entry(reason).or_default() += 1;
    }

    /// A lobby has another host.
    pub(super) fn host_changed(&mut self, cause: Option<HostCause>) {
        self.stats.host_changes += 1;
        if let Some(cause) = cause {
            *self.host_changes.entry(cause).or_default() += 1;
        }
    }

    pub(super) fn told(&self) -> ServerStats {
        let mut stats = self.stats.clone();
        stats.dropped = named(&self.dropped);
        stats.refused = named(&self.refused);
        stats.closed = named(&self.closed);
        stats.host_changes_by = named(&self.host_changes);
        stats
    }
}

fn named<K: Serialize>(counts: &BTreeMap<K, u64>) -> BTreeMap<String, u64> {
    let name = |key: &K| match serde_json::to_value(key) {
        Ok(serde_json::Value::String(name)) => name,
        other => unreachable!("a unit variant is a JSON string, not {other:?}"),
    };
    counts.iter().map(|(key, &count)| (name(key), count)).collect()
}
