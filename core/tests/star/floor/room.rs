//! A small server: who is there, the birth of the star, the questions about the host, proposals, and force.

use super::Dice;
use crate::check::Life;
use std::collections::{BTreeMap, BTreeSet};
use webstar_core::id::PlayerId;
use webstar_core::star::{Member, ServerSays, Word};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::signal::{Epoch, HostCause};
use webstar_core::wire::view::{
    Certified, Proof, PublicKey, SigningKey, StarId, Statement, Trust, View, Voter, has_quorum,
};

/// A report that the host is not heard counts for so long.
const FRESH: Duration = Duration::from_secs(3);
/// In a lobby of two with the host's connection alive one report counts after so long.
const PATIENCE_OF_TWO: Duration = Duration::from_secs(3);
/// The server proposes again after so long ..
const AGAIN: Duration = Duration::from_secs(1);
/// .. and forces after so long.
const FORCE: Duration = Duration::from_millis(2500);
/// A host that asks in vain for so long goes on without those who do not promise, although they are there.
const FORCE_LATEST: Duration = Duration::from_secs(8);
/// That it asks counts for so long.
const PLEA_LASTS: Duration = Duration::from_secs(5);

/// What the server knows of a player.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) life: Life,
    pub(crate) key: PublicKey,
    pub(crate) is_eligible: bool,
    pub(crate) is_connected: bool,
    /// Its connection was closed, it did not fall silent.
    pub(crate) was_closed: bool,
}

/// A change of hosts that is under way.
struct Change {
    since: Instant,
    proposed_at: Instant,
    tried: BTreeSet<PlayerId>,
}

/// What it knows about the ears of the lobby, for one epoch.
#[derive(Default)]
struct Ears {
    epoch: Epoch,
    /// When each said last that it hears nothing, and when first in a row.
    unheard: BTreeMap<PlayerId, (Instant, Instant)>,
    asked_at: Option<Instant>,
    said_no: BTreeSet<PlayerId>,
    said_yes: BTreeSet<PlayerId>,
}

pub(crate) struct Room {
    pub(crate) star: StarId,
    key: SigningKey,
    dice: Dice,
    pub(crate) places: BTreeMap<PlayerId, Place>,
    pub(crate) view: Option<Certified>,
    /// Views that were in force, to judge those that follow them.
    known: Vec<View>,
    promised: Epoch,
    /// Views newer than the one in force that it has promised.
    granted: Vec<View>,
    change: Option<Change>,
    /// When the host asked for our weight first and last.
    plea: Option<(Instant, Instant)>,
    ears: Ears,
    /// For players.
    pub(crate) says: Vec<(PlayerId, ServerSays)>,
    /// The roster is to be told.
    pub(crate) is_roster_new: bool,
    pub(crate) is_up: bool,
}

impl Room {
    pub(crate) fn new(mut dice: Dice) -> Self {
        let key = SigningKey::from_seed(&dice.bytes());
        Room {
            star: StarId(dice.below(u64::MAX)),
            key,
            dice,
            places: BTreeMap::new(),
            view: None,
            known: Vec::new(),
            promised: Epoch::default(),
            granted: Vec::new(),
            change: None,
            plea: None,
            ears: Ears::default(),
            says: Vec::new(),
            is_roster_new: false,
            is_up: true,
        }
    }

    pub(crate) fn public(&self) -> PublicKey {
        self.key.public()
    }

    pub(crate) fn members(&self) -> Vec<Member> {
        let member = |place: &Place| Member {
            player: place.life.player,
            incarnation: place.life.incarnation,
            key: place.key,
            is_eligible: place.is_eligible,
            is_connected: place.is_connected,
        };
        self.places.values().map(member).collect()
    }

    pub(crate) fn enter(&mut self, place: Place) {
        self.places.insert(place.life.player, place);
        self.is_roster_new = true;
        if self.view.is_none() {
            self.give_birth();
        }
    }

    fn voters(&self) -> Vec<Voter> {
        let voter =
            |place: &Place| Voter { player: place.life.player, incarnation: place.life.incarnation, key: place.key };
        self.places.values().filter(|place| place.is_eligible && place.is_connected).map(voter).collect()
    }

    fn give_birth(&mut self) {
        let Some(first) = self.voters().first().copied() else { return };
        let epoch = Epoch { term: 1, round: 0 };
        self.promised = epoch;
        self.put_in_force(View {
            epoch,
            base: Epoch::default(),
            since: epoch,
            cause: None,
            host: first.player,
            backups: Vec::new(),
            voters: vec![first],
        });
    }

    fn know(&mut self, view: View) {
        if !self.known.contains(&view) {
            self.known.push(view);
        }
    }

    /// It was away: what it was about to do is of no use any more.
    pub(crate) fn forget_changes(&mut self) {
        self.change = None;
        self.plea = None;
        self.ears = Ears::default();
        self.says.clear();
    }

    /// Says to all that a view is in force.
    fn put_in_force(&mut self, view: View) {
        let signature = Statement::InForce.sign(&self.key, self.star, &view);
        let certified = Certified { view, proof: Proof::Server(signature) };
        for player in self.places.keys() {
            self.says.push((*player, ServerSays::InForce(Box::new(certified.clone()))));
        }
        self.promised = self.promised.max(certified.view.epoch);
        self.granted.retain(|granted| granted.epoch > certified.view.epoch);
        self.know(certified.view.clone());
        self.view = Some(certified);
        self.change = None;
        self.plea = None;
        self.ears = Ears::default();
    }

    /// A player's connection stands again, or no more.
    pub(crate) fn connect(&mut self, now: Instant, player: PlayerId, is_connected: bool, was_closed: bool) {
        let Some(place) = self.places.get_mut(&player) else { return };
        if place.is_connected == is_connected {
            return;
        }
        place.is_connected = is_connected;
        place.was_closed = was_closed;
        self.is_roster_new = true;
        if is_connected && let Some(view) = self.view.clone() {
            self.says.push((player, ServerSays::InForce(Box::new(view))));
        }
        if !is_connected && self.is_host(player) {
            self.ask(now);
        }
    }

    pub(crate) fn remove(&mut self, now: Instant, player: PlayerId) {
        self.is_roster_new |= self.places.remove(&player).is_some();
        if self.is_host(player) {
            self.ask(now);
        }
    }

    fn is_host(&self, player: PlayerId) -> bool {
        self.view.as_ref().is_some_and(|certified| certified.view.host == player)
    }

    fn ask(&mut self, now: Instant) {
        let Some(certified) = &self.view else { return };
        let epoch = certified.view.epoch;
        self.ears_of(epoch).asked_at = Some(now);
        self.ears.said_no.clear();
        self.ears.said_yes.clear();
        for place in self.places.values().filter(|place| place.is_connected) {
            self.says.push((place.life.player, ServerSays::Asked(epoch)));
        }
    }

    fn ears_of(&mut self, epoch: Epoch) -> &mut Ears {
        if self.ears.epoch != epoch {
            self.ears = Ears { epoch, ..Ears::default() };
        }
        &mut self.ears
    }

    /// Somebody brings a proof. What follows a view that we missed cannot be judged: we tell what we know.
    fn learn(&mut self, from: PlayerId, certified: &Certified) {
        let base = self.known.iter().find(|known| known.epoch == certified.view.base);
        let public = self.key.public();
        let trust = Trust { star: self.star, server: &public, base };
        let is_newer = self.view.as_ref().is_none_or(|known| known.view.epoch < certified.view.epoch);
        if certified.is_proven(&trust) {
            if is_newer {
                self.put_in_force(certified.view.clone());
            } else {
                self.know(certified.view.clone());
            }
        } else if let Some(known) = self.view.clone() {
            self.says.push((from, ServerSays::InForce(Box::new(known))));
        }
    }

    pub(crate) fn on_word(&mut self, now: Instant, from: PlayerId, word: &Word) {
        let epoch_in_force = self.view.as_ref().map_or(Epoch::default(), |certified| certified.view.epoch);
        match word {
            Word::InForce(certified) => self.learn(from, certified),
            Word::Grant(view) => self.on_grant(now, from, view),
            Word::Unheard { epoch } if *epoch == epoch_in_force => {
                let told = self.ears_of(*epoch).unheard.entry(from).or_insert((now, now));
                *told = (now, if now > told.0 + FRESH { now } else { told.1 });
                let is_away = self.is_host_away();
                if is_away && self.ears.asked_at.is_none() {
                    self.ask(now);
                }
            }
            Word::Heard { epoch, heard } if *epoch == epoch_in_force => {
                let ears = self.ears_of(*epoch);
                ears.said_no.remove(&from);
                ears.said_yes.remove(&from);
                if *heard {
                    ears.said_yes.insert(from)
                } else {
                    ears.said_no.insert(from)
                };
            }
            Word::Unheard { .. } | Word::Heard { .. } => {
                if let Some(certified) = self.view.clone() {
                    self.says.push((from, ServerSays::InForce(Box::new(certified))));
                }
            }
        }
    }

    fn on_grant(&mut self, now: Instant, from: PlayerId, view: &View) {
        let Some(known) = &self.view else { return };
        if known.view.host == from && view.base == known.view.epoch {
            let first = self.plea.filter(|(_, last)| *last + PLEA_LASTS >= now).map_or(now, |(first, _)| first);
            self.plea = Some((first, now));
        }
        if view.since != known.view.since && view.epoch > known.view.epoch {
            // Whoever we have forced may be bound to it.
            self.promised = self.promised.max(view.epoch);
            if from == known.view.host {
                self.force();
            }
            return;
        }
        let is_next = view.base == known.view.epoch && view.since == known.view.since && !view.begins_line();
        if is_next && view.is_well_formed() && view.epoch > self.promised {
            self.promised = view.epoch;
            let signature = Statement::Granted.sign(&self.key, self.star, view);
            let promised = self.granted.clone();
            self.granted.push(view.clone());
            self.says.push((from, ServerSays::Granted { epoch: view.epoch, signature, promised }));
        } else if view.base < known.view.epoch {
            self.says.push((from, ServerSays::InForce(Box::new(known.clone()))));
        }
    }

    fn is_host_away(&self) -> bool {
        let host = self.view.as_ref().and_then(|certified| certified.view.voter(certified.view.host));
        host.is_some_and(|host| {
            let place = self.places.get(&host.player);
            place.is_none_or(|place| !place.is_connected || place.life.incarnation != host.incarnation)
        })
    }

    /// Whether another host is due.
    fn is_change_due(&self, now: Instant) -> bool {
        let Some(certified) = &self.view else { return false };
        let view = &certified.view;
        if self.ears.epoch != view.epoch {
            return false;
        }
        let fresh = |player: &PlayerId| self.ears.unheard.get(player).is_some_and(|(last, _)| *last + FRESH >= now);
        let others = view.voters.iter().filter(|voter| voter.player != view.host);
        let unheard = others.filter(|voter| fresh(&voter.player)).count();
        if self.is_host_away() {
            let is_missed = !self.ears.said_no.is_empty() || self.ears.unheard.keys().any(fresh);
            let is_there = |player: &PlayerId| self.places.get(player).is_some_and(|place| place.is_connected);
            let hears = |player: &PlayerId| is_there(player) && !fresh(player);
            return is_missed && !self.ears.said_yes.iter().any(hears);
        }
        let long = |(last, first): &(Instant, Instant)| *last + FRESH >= now && *first + PATIENCE_OF_TWO <= now;
        let is_majority = view.voters.len() > 2 && 2 * unheard > view.voters.len();
        is_majority || (view.voters.len() == 2 && self.ears.unheard.values().any(long))
    }

    /// The host cannot go on: most of its voters are gone, and so are their promises.
    fn is_host_stuck(&self, now: Instant) -> bool {
        let Some(certified) = &self.view else { return false };
        let is_there = |voter: &Voter| {
            self.places
                .get(&voter.player)
                .is_some_and(|place| place.is_connected && place.life.incarnation == voter.incarnation)
        };
        let Some((first, _)) = self.plea.filter(|(_, last)| *last + PLEA_LASTS >= now) else { return false };
        let is_late = first + FORCE_LATEST <= now;
        is_late || first + FORCE <= now && !has_quorum(&certified.view.voters, is_there, true)
    }

    pub(crate) fn on_tick(&mut self, now: Instant) {
        if self.view.is_none() {
            self.give_birth();
        }
        if self.is_host_stuck(now) {
            return self.force();
        }
        let is_under_way = self.change.is_some();
        if !is_under_way && !self.is_change_due(now) {
            return;
        }
        let change = self.change.get_or_insert_with(|| Change { since: now, proposed_at: now, tried: BTreeSet::new() });
        if is_under_way && now < change.since + FORCE && now < change.proposed_at + AGAIN {
            return;
        }
        if now >= change.since + FORCE {
            self.force();
        } else {
            change.proposed_at = now;
            self.propose();
        }
    }

    /// Replicas of the view in force that could be host, backups first; and then those that were tried already.
    fn candidates(&self) -> Vec<PlayerId> {
        let Some(certified) = &self.view else { return Vec::new() };
        let view = &certified.view;
        let tried = self.change.as_ref().map(|change| change.tried.clone()).unwrap_or_default();
        let is_able = |player: &PlayerId| {
            self.places.get(player).is_some_and(|place| {
                let is_same = view.voter(*player).is_none_or(|voter| voter.incarnation == place.life.incarnation);
                place.is_connected && place.is_eligible && is_same
            })
        };
        let all: Vec<PlayerId> = view.backups.iter().copied().filter(is_able).collect();
        let (again, first): (Vec<_>, Vec<_>) = all.into_iter().partition(|player| tried.contains(player));
        first.into_iter().chain(again).collect()
    }

    fn propose(&mut self) {
        let Some(host) = self.candidates().first().copied() else { return };
        let Some(certified) = &self.view else { return };
        let was_closed = self.places.get(&certified.view.host).is_none_or(|place| place.was_closed);
        let cause = if was_closed { HostCause::CrashClosed } else { HostCause::CrashSilent };
        let mut backups = self.candidates();
        backups.retain(|backup| *backup != host);
        let view = View {
            epoch: Epoch { term: self.promised.term + 1, round: 0 },
            base: certified.view.epoch,
            since: certified.view.since,
            cause: Some(cause),
            host,
            backups,
            voters: certified.view.voters.clone(),
        };
        self.promised = view.epoch;
        let signature = Some(Statement::Granted.sign(&self.key, self.star, &view));
        let promised = self.granted.clone();
        for place in self.places.values().filter(|place| place.is_connected) {
            let (view, promised) = (Box::new(view.clone()), promised.clone());
            self.says.push((place.life.player, ServerSays::Proposed { view, signature, promised }));
        }
        self.granted.push(view);
        if let Some(change) = &mut self.change {
            change.tried.insert(host);
        }
    }

    fn force(&mut self) {
        let voters = self.voters();
        let present = self.view.as_ref().map(|certified| certified.view.host).filter(|_| !self.is_host_away());
        let present = present.filter(|present| voters.iter().any(|voter| voter.player == *present));
        let present = present.filter(|_| self.change.is_none());
        let host = present.or_else(|| self.candidates().first().copied()).or_else(|| {
            let old = self.view.as_ref().map(|certified| certified.view.host);
            let others = voters.iter().map(|voter| voter.player).find(|player| Some(*player) != old);
            others.or(voters.first().map(|voter| voter.player))
        });
        let Some(host) = host else { return };
        let round = 1 << 16 | self.dice.below(1 << 31) as u32;
        let epoch = Epoch { term: self.promised.term + 1, round };
        let base = self.view.as_ref().map_or(Epoch::default(), |certified| certified.view.epoch);
        let cause = Some(HostCause::Forced);
        self.put_in_force(View { epoch, base, since: epoch, cause, host, backups: Vec::new(), voters });
    }
}
