//! The default directory: a table in memory, shared by the shards of one process. A store shared by many servers answers
//! the same questions.

use super::{Claim, DirectoryAnswer, DirectoryAsk, Found, Owner};
use crate::id::ShardId;
use crate::wire::signal::{Filter, Listing, LobbyName, PeerId};
use core::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Who owns which lobby, what is listed, and which peer names are claimed. Bounded by what the servers hold.
#[derive(Debug, Default)]
pub struct Table {
    lobbies: BTreeMap<LobbyName, ShardId>,
    listed: BTreeMap<LobbyName, Listing>,
    peers: BTreeSet<PeerId>,
}

impl Table {
    /// An empty one.
    pub fn new() -> Self {
        Table::default()
    }

    /// Answers one question of a shard.
    pub fn answer(&mut self, asker: ShardId, ask: DirectoryAsk) -> DirectoryAnswer {
        match ask {
            DirectoryAsk::Lobby { name, create } => DirectoryAnswer::Lobby(match self.lobbies.get(&name) {
                Some(&owner) => Found::Owned(Owner::Shard(owner)),
                None if create => {
                    self.lobbies.insert(name, asker);
                    Found::Claimed
                }
                None => Found::Nobody,
            }),
            DirectoryAsk::Release { name } => {
                if self.lobbies.get(&name) == Some(&asker) {
                    self.lobbies.remove(&name);
                    self.listed.remove(&name);
                }
                DirectoryAnswer::Done
            }
            DirectoryAsk::Publish { name, listing } => {
                match listing {
                    Some(listing) if self.lobbies.get(&name) == Some(&asker) => {
                        self.listed.insert(name, listing);
                    }
                    _ => {
                        self.listed.remove(&name);
                    }
                }
                DirectoryAnswer::Done
            }
            DirectoryAsk::List { filter, limit } => DirectoryAnswer::Listed(self.list(&filter, limit)),
            DirectoryAsk::ClaimPeer { peer } => {
                let is_free = self.peers.insert(peer);
                DirectoryAnswer::Peer(if is_free { Claim::Granted } else { Claim::Taken })
            }
            DirectoryAsk::ReleasePeer { peer } => {
                self.peers.remove(&peer);
                DirectoryAnswer::Done
            }
        }
    }

    /// The public lobbies that fit: those with room first, the fullest first, then by name.
    pub fn list(&self, filter: &Filter, limit: usize) -> Vec<Listing> {
        let mut fitting: Vec<&Listing> = self.listed.values().filter(|listing| fits(filter, listing)).collect();
        // There may be far more than are wanted: only these are sorted.
        if limit < fitting.len() {
            fitting.select_nth_unstable_by(limit, |a, b| rank(a).cmp(&rank(b)));
            fitting.truncate(limit);
        }
        fitting.sort_unstable_by(|a, b| rank(a).cmp(&rank(b)));
        fitting.into_iter().cloned().collect()
    }
}

fn rank(listing: &Listing) -> (bool, Reverse<u16>, &LobbyName) {
    (free_places(listing) == 0, Reverse(listing.players), &listing.lobby_id)
}

/// Whether a lobby is one of those that are looked for.
pub fn fits(filter: &Filter, listing: &Listing) -> bool {
    let has = |key: &str, value: &str| listing.metadata.get(key) == Some(value);
    let skill = || listing.metadata.get("skill").and_then(|skill| skill.parse::<f64>().ok());
    filter.equal.iter().all(|(key, value)| has(key, value))
        && filter.skill.is_none_or(|(low, high)| skill().is_some_and(|skill| (low..=high).contains(&skill)))
        && free_places(listing) >= filter.free_places
        && !(filter.waiting_only && listing.started)
        && !(filter.open_only && listing.has_password)
}

fn free_places(listing: &Listing) -> u16 {
    listing.max_players.saturating_sub(listing.players)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::signal::Metadata;

    fn name(text: &str) -> LobbyName {
        LobbyName::new(text).unwrap()
    }

    fn listing(text: &str, players: u16, skill: &str) -> Listing {
        Listing {
            lobby_id: name(text),
            players,
            max_players: 4,
            started: text == "started",
            has_password: text == "secret",
            metadata: Metadata::new([("skill".into(), skill.into()), ("region".into(), "eu".into())].into()).unwrap(),
        }
    }

    #[test]
    fn a_name_belongs_to_one_shard_until_that_releases_it() {
        let (mut table, [a, b]) = (Table::new(), [ShardId(0), ShardId(1)]);
        let ask = |create| DirectoryAsk::Lobby { name: name("den"), create };
        let of = |shard| DirectoryAnswer::Lobby(Found::Owned(Owner::Shard(shard)));
        assert_eq!(table.answer(a, ask(false)), DirectoryAnswer::Lobby(Found::Nobody));
        assert_eq!(table.answer(a, ask(true)), DirectoryAnswer::Lobby(Found::Claimed));
        assert_eq!([table.answer(a, ask(true)), table.answer(b, ask(true))], [of(a), of(a)]);
        let release = || DirectoryAsk::Release { name: name("den") };
        table.answer(b, release());
        assert_eq!(table.answer(b, ask(false)), of(a), "only its owner lets it go");
        table.answer(a, release());
        assert_eq!(table.answer(b, ask(true)), DirectoryAnswer::Lobby(Found::Claimed));
    }

    #[test]
    fn a_peer_name_is_claimed_once() {
        let (mut table, [a, b]) = (Table::new(), [ShardId(0), ShardId(1)]);
        let peer = || PeerId::new("ada").unwrap();
        assert_eq!(table.answer(a, DirectoryAsk::ClaimPeer { peer: peer() }), DirectoryAnswer::Peer(Claim::Granted));
        assert_eq!(table.answer(a, DirectoryAsk::ClaimPeer { peer: peer() }), DirectoryAnswer::Peer(Claim::Taken));
        assert_eq!(table.answer(b, DirectoryAsk::ReleasePeer { peer: peer() }), DirectoryAnswer::Done);
        assert_eq!(table.answer(b, DirectoryAsk::ClaimPeer { peer: peer() }), DirectoryAnswer::Peer(Claim::Granted));
    }

    #[test]
    fn the_table_of_filters() {
        let mut table = Table::new();
        for (text, players, skill) in
            [("few", 1, "10"), ("many", 3, "20.5"), ("full", 4, "30"), ("secret", 2, "none"), ("started", 2, "-5")]
        {
            table.answer(ShardId(0), DirectoryAsk::Lobby { name: name(text), create: true });
            let listing = Some(listing(text, players, skill));
            table.answer(ShardId(0), DirectoryAsk::Publish { name: name(text), listing });
        }
        let all = Filter::default;
        let region = |text: &str| Metadata::new([("region".into(), text.into())].into()).unwrap();
        let cases: [(Filter, &[&str]); 8] = [
            (all(), &["many", "secret", "started", "few", "full"]),
            (Filter { free_places: 2, ..all() }, &["secret", "started", "few"]),
            (Filter { open_only: true, waiting_only: true, ..all() }, &["many", "few", "full"]),
            (Filter { skill: Some((10.0, 20.5)), ..all() }, &["many", "few"]),
            (Filter { skill: Some((-100.0, 0.0)), ..all() }, &["started"]),
            (Filter { skill: Some((f64::NAN, 5.0)), ..all() }, &[]),
            (Filter { equal: region("eu"), ..all() }, &["many", "secret", "started", "few", "full"]),
            (Filter { equal: region("us"), ..all() }, &[]),
        ];
        for (filter, expected) in cases {
            let found = table.list(&filter, 10);
            let names: Vec<&str> = found.iter().map(|listing| listing.lobby_id.as_str()).collect();
            assert_eq!(names, expected, "{filter:?}");
        }
        assert_eq!(table.list(&all(), 2).len(), 2);
        table.answer(ShardId(0), DirectoryAsk::Publish { name: name("many"), listing: None });
        table.answer(ShardId(0), DirectoryAsk::Release { name: name("few") });
        assert_eq!(table.list(&all(), 10).len(), 3);
    }
}
