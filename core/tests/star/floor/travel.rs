//! How words get about: frames between players, signs of life, words to and from the server.

use super::links::{Flight, Lane};
use super::seat::Hearing;
use super::{Floor, Tell, What, short};
use crate::check::Life;
use webstar_core::id::PlayerId;
use webstar_core::star::Kind;
use webstar_core::star::{Bond, Ear, Frame, ServerSays, Word};
use webstar_core::time::Duration;
use webstar_core::wire::star::{KindTold, Message, decode, encode};

/// A path that was silent for so long is dead.
const DEAF: Duration = Duration::from_secs(10);
/// The rhythms of links.
const CLOSE: Duration = Duration::from_millis(100);
const STANDBY: Duration = Duration::from_millis(500);
const LOOSE: Duration = Duration::from_secs(15);
/// Nobody with whom a close link is wanted is waited for longer.
const LONGEST: Duration = Duration::from_secs(8);

impl Floor {
    /// Puts a frame on its way to a player, as the sender knows it.
    pub(super) fn say(&mut self, from: Life, to: PlayerId, frame: Frame) {
        let Some(seat) = self.seats.get_mut(&from) else { return };
        assert_ne!(from.player, to, "{from:?} speaks to itself: {}", short::frame(&frame));
        let Some(member) = seat.roster.iter().find(|member| member.player == to) else { return };
        if seat.keeps_silent && matches!(frame, Frame::Stored { .. }) {
            seat.unsaid = Some((to, frame));
            return;
        }
        let to = Life { player: to, incarnation: member.incarnation };
        self.note(|| format!("{from:?} -> {to:?} {}", short::frame(&frame)));
        let frame = if self.setup.by_bytes { through_bytes(&frame) } else { frame };
        self.launch(from, to, Lane::of(&frame), frame);
    }

    fn launch(&mut self, from: Life, to: Life, lane: Lane, frame: Frame) {
        let is_blocked = self.is_blocked(from, to);
        let delay = self.setup.weather.draw(&mut self.net);
        let flight = Flight { from, to, lane, number: 0, frame };
        if let Some((at, flight)) = self.links.send(self.now, flight, is_blocked, delay) {
            self.plan_at(at, What::Arrives(flight));
        }
    }

    pub(super) fn is_blocked(&self, from: Life, to: Life) -> bool {
        self.blocked.contains(&(from.player, to.player))
    }

    /// Lets go what waited on ways that are open again.
    pub(super) fn release(&mut self) {
        let blocked = self.blocked.clone();
        let released = self.links.release(|from, to| blocked.contains(&(from.player, to.player)));
        for (from, to, lane, frame) in released {
            self.launch(from, to, lane, frame);
        }
    }

    fn rhythm(&self, from: Life, to: Life) -> Duration {
        let bond = |one: Life, other: Life| {
            let bonds = self.seats.get(&one).map(|seat| seat.star.bonds()).unwrap_or_default();
            bonds.into_iter().find(|(player, _)| *player == other.player).map(|(_, bond)| bond)
        };
        match (bond(from, to), bond(to, from)) {
            (Some(Bond::Close), _) | (_, Some(Bond::Close)) => CLOSE,
            (Some(Bond::Standby), _) | (_, Some(Bond::Standby)) => STANDBY,
            (None, None) => LOOSE,
        }
    }

    /// A sign of life, and the next one. A slow rhythm is looked at more often than it beats.
    pub(super) fn beat(&mut self, from: Life, to: Life) {
        if !self.seats.contains_key(&to) {
            return;
        }
        let rhythm = self.rhythm(from, to);
        if rhythm < LOOSE || self.net.one_in(30) {
            let delay = self.setup.weather.draw(&mut self.net);
            if !self.is_blocked(from, to) {
                self.plan(delay, What::Sign { from, to });
            }
        }
        self.plan(rhythm.min(STANDBY), What::Beat { from, to });
    }

    /// Something has come from somebody.
    pub(super) fn hear(&mut self, at: Life, from: Life) {
        // What the dead have announced still counts.
        let is_alive = self.seats.contains_key(&from);
        let rhythm = if is_alive { self.rhythm(from, at) } else { CLOSE };
        let weather = self.setup.weather;
        let late = if weather.late_one_in < 1000 { Duration::from_secs(1) } else { Duration::ZERO };
        let patience = (Duration::from_millis(500) + 2 * weather.jitter + late).max(4 * rhythm);
        let ear = Ear {
            is_open: true,
            heard_at: self.now,
            patience,
            rhythm: patience,
            rtt: Some(2 * weather.delay + weather.jitter),
        };
        self.touch(at, |seat, now| {
            seat.ears.insert(from, Hearing { ear, is_open: true });
            if seat.knows(from) {
                seat.star.on_ear(now, from.player, ear);
            }
        });
    }

    /// Paths that were silent for too long are dead; the living look at that now and then.
    pub(super) fn listen(&mut self) {
        let lives: Vec<Life> = self.seats.keys().copied().collect();
        let now = self.now;
        for life in lives {
            if self.seats[&life].asleep_until > now {
                continue;
            }
            self.expect_the_close(life);
            let deaf: Vec<Life> = self.seats[&life]
                .ears
                .iter()
                .filter(|(_, hearing)| {
                    hearing.is_open && hearing.ear.heard_at + DEAF.max(2 * hearing.ear.patience) < now
                })
                .map(|(other, _)| *other)
                .collect();
            for other in deaf {
                self.touch(life, |seat, now| {
                    let Some(hearing) = seat.ears.get_mut(&other) else { return };
                    hearing.is_open = false;
                    let ear = Ear { is_open: false, ..hearing.ear };
                    if seat.roster.iter().any(|member| member.player == other.player) {
                        seat.star.on_ear(now, other.player, ear);
                    }
                });
            }
        }
        self.plan(Duration::from_secs(1), What::Listen);
    }

    /// With whom a close link is wanted, it may have been loose when it was heard last: nobody whom we need is so slow.
    fn expect_the_close(&mut self, life: Life) {
        let close = self.seats[&life].star.bonds().into_iter().filter(|(_, bond)| *bond == Bond::Close);
        for (player, _) in close.collect::<Vec<_>>() {
            self.touch(life, |seat, now| {
                for (other, hearing) in seat.ears.iter_mut().filter(|(other, _)| other.player == player) {
                    if hearing.ear.patience > LONGEST && seat.roster.iter().any(|member| member.player == other.player)
                    {
                        hearing.ear.patience = LONGEST;
                        seat.star.on_ear(now, player, hearing.ear);
                    }
                }
            });
        }
    }

    /// A word for the server.
    pub(super) fn tell_server(&mut self, from: Life, word: Word) {
        self.note(|| format!("{from:?} -> server {}", spoken(&word)));
        if !self.seats.get(&from).is_some_and(|seat| seat.has_server) || !self.room.is_up {
            return;
        }
        if self.cut.contains_key(&from.player) {
            return self.held_words.push((from, word));
        }
        let at = self.server_lane(from, true);
        self.plan_at(at, What::Word { from, word });
    }

    /// When a message to or from the server arrives: they stay in order.
    fn server_lane(&mut self, life: Life, is_up: bool) -> webstar_core::time::Instant {
        let at = self.now + self.setup.far.draw(&mut self.net);
        let last = self.server_lanes.entry((life, is_up)).or_insert(at);
        *last = at.max(*last);
        *last
    }

    pub(super) fn on_word(&mut self, from: Life, word: &Word) {
        let is_there = self.room.places.get(&from.player).is_some_and(|place| place.life == from && place.is_connected);
        if is_there && self.room.is_up {
            self.room.on_word(self.now, from.player, word);
            self.serve();
        }
    }

    /// Sends what the server wants to say.
    pub(super) fn serve(&mut self) {
        if std::mem::take(&mut self.room.is_roster_new) {
            let members = self.room.members();
            for place in self.room.places.values().cloned().collect::<Vec<_>>() {
                self.tell(place.life.player, Tell::Members(members.clone()));
            }
        }
        for (player, says) in std::mem::take(&mut self.room.says) {
            if let ServerSays::Proposed { view, .. } = &says {
                self.bars.insert(view.epoch, true);
            }
            self.tell(player, Tell::Says(says));
        }
    }

    pub(super) fn tell(&mut self, player: PlayerId, tell: Tell) {
        let Some(place) = self.room.places.get(&player).filter(|place| place.is_connected) else { return };
        let to = place.life;
        if self.cut.contains_key(&player) {
            return self.held_tells.push((to, tell));
        }
        let at = self.server_lane(to, false);
        self.plan_at(at, What::Tell { to, tell });
    }

    pub(super) fn on_tell(&mut self, to: Life, tell: Tell) {
        self.note(|| match &tell {
            Tell::Members(members) => {
                let who = |member: &webstar_core::star::Member| {
                    let (eligible, connected) = (member.is_eligible, member.is_connected);
                    let mark = |yes, letter| if yes { letter } else { "" };
                    let marks = [mark(eligible, "e"), mark(connected, "c")].concat();
                    format!("{}'{}{marks}", member.player.0, member.incarnation.0)
                };
                format!("{to:?} <- server members {:?}", members.iter().map(who).collect::<Vec<_>>())
            }
            Tell::Says(says) => format!("{to:?} <- server {}", said(says)),
        });
        self.touch(to, |seat, now| {
            if !seat.has_server {
                return;
            }
            match tell {
                Tell::Members(members) => {
                    for old in &seat.roster {
                        if !members.iter().any(|new| new.player == old.player && new.incarnation == old.incarnation) {
                            seat.entries_out.remove(&old.player);
                            seat.publishes_out.remove(&old.player);
                        }
                    }
                    seat.roster.clone_from(&members);
                    seat.star.on_members(now, &members, &mut seat.out);
                }
                Tell::Says(says) => seat.star.on_server(now, says, &mut seat.out),
            }
        });
        self.welcome(to);
    }
}

fn spoken(word: &Word) -> String {
    match word {
        Word::InForce(certified) => {
            format!("in force {} {}", short::view(&certified.view), short::proof(&certified.proof))
        }
        Word::Grant(view) => format!("grant {}", short::view(view)),
        Word::Unheard { .. } | Word::Heard { .. } => format!("{word:?}"),
    }
}

fn said(says: &ServerSays) -> String {
    match says {
        ServerSays::Proposed { view, .. } => format!("propose {}", short::view(view)),
        ServerSays::InForce(certified) => {
            format!("in force {} {}", short::view(&certified.view), short::proof(&certified.proof))
        }
        ServerSays::Granted { .. } | ServerSays::Asked(_) => format!("{says:?}"),
    }
}

/// What the other side reads of what this side writes.
fn through_bytes(frame: &Frame) -> Frame {
    let bytes = encode(frame, &mut |_| None);
    let mut kind = |told: KindTold<'_>| match told {
        KindTold::Name(name) => Kind::new(name),
        KindTold::Number(_) => None,
    };
    match decode(&bytes, &mut kind) {
        Ok(Message::Frame(frame)) => frame,
        other => panic!("{} is read as {other:?}", short::frame(frame)),
    }
}
