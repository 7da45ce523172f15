//! What can be done to the floor, and what can be asked of it.

use super::room::Place;
use super::seat::{Seated, Sight};
use super::{Floor, Tell, What};
use crate::check::{Fact, Game, Life, Standing};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use webstar_core::id::{Incarnation, PlayerId};
use webstar_core::star::{Frame, Glance, Me, Out, Role, ServerSays, Star};
use webstar_core::time::Duration;
use webstar_core::wire::view::{SigningKey, View};

/// A cut from the server is noticed after so long.
const NOTICE: Duration = Duration::from_millis(1500);
/// Who does not come back for so long loses its place.
const GIVE_UP: Duration = Duration::from_secs(20);

impl Floor {
    /// A player comes to the lobby; the second time without memory.
    pub(crate) fn enter(&mut self, player: u32) -> Life {
        let player = PlayerId(player);
        let lives = self.seats.keys().chain(self.graves.keys());
        let before = lives.filter(|life| life.player == player).map(|life| life.incarnation.0).max();
        let life = Life { player, incarnation: Incarnation(before.map_or(0, |before| before + 1)) };
        let key = SigningKey::from_seed(&self.keys.bytes());
        let public = key.public();
        let star = Star::new(self.setup.config.clone(), self.keys.bytes(), self.now);
        let seat = Seated {
            life,
            star,
            out: Out::default(),
            roster: Vec::new(),
            asleep_until: self.now,
            backlog: VecDeque::new(),
            strangers: Vec::new(),
            wake: None,
            sight: Sight::default(),
            uncommitted: BTreeMap::new(),
            ears: BTreeMap::new(),
            entries_out: BTreeMap::new(),
            publishes_out: BTreeMap::new(),
            has_server: true,
            sent: [0; 2],
            acked: [0; 2],
            refused: 0,
            game: Game::default(),
            gives_snapshots: self.setup.config.has_snapshots,
            heard: Vec::new(),
            keeps_silent: false,
            unsaid: None,
        };
        let others: Vec<Life> = self.seats.keys().copied().collect();
        self.seats.insert(life, seat);
        let me = Me { player, incarnation: life.incarnation, key, star: self.room.star, server: self.room.public() };
        self.note(|| format!("{life:?} enters"));
        self.touch(life, |seat, now| {
            seat.star.enter(now, me, &mut seat.out);
            seat.star.on_server_reachable(now, true, &mut seat.out);
        });
        let place = Place { life, key: public, is_eligible: true, is_connected: true, was_closed: false };
        let had_view = self.room.view.clone();
        self.room.enter(place);
        self.serve();
        if let Some(view) = had_view {
            self.tell(player, Tell::Says(ServerSays::InForce(Box::new(view))));
        }
        for other in others {
            self.plan(Duration::ZERO, What::Beat { from: life, to: other });
            self.plan(Duration::ZERO, What::Beat { from: other, to: life });
        }
        let after = self.setup.talk_every;
        self.plan(after, What::Talk { life });
        life
    }

    pub(crate) fn has_way_to_server(&self, player: u32) -> bool {
        self.room.is_up && !self.cut.contains_key(&PlayerId(player))
    }

    pub(crate) fn life(&self, player: u32) -> Option<Life> {
        self.seats.keys().find(|life| life.player.0 == player).copied()
    }

    /// The process dies; `is_closed`: the server sees its connection close, else it falls silent.
    pub(crate) fn crash(&mut self, player: u32, is_closed: bool) {
        let Some(life) = self.life(player) else { return };
        self.note(|| format!("{life:?} crashes, closed {is_closed}"));
        let Some(seat) = self.seats.remove(&life) else { return };
        self.graves.insert(life, seat.star);
        self.links.forget(life);
        if is_closed && !self.cut.contains_key(&life.player) {
            let after = self.setup.far.draw(&mut self.net);
            self.plan(after, What::Notice { life, cut: 0 });
        } else {
            self.plan(NOTICE, What::Notice { life, cut: 0 });
        }
        self.plan(GIVE_UP, What::GiveUp { life });
    }

    /// It leaves, or is put out.
    pub(crate) fn leave(&mut self, player: u32) {
        self.crash(player, true);
        self.note(|| format!("{player} is put out"));
        let now = self.now;
        self.room.remove(now, PlayerId(player));
        self.serve();
    }

    pub(super) fn give_up(&mut self, life: Life) {
        let now = self.now;
        if !self.seats.contains_key(&life) && self.room.places.get(&life.player).is_some_and(|place| place.life == life)
        {
            self.room.remove(now, life.player);
            self.serve();
        }
    }

    /// It handles nothing for a while.
    pub(crate) fn sleep(&mut self, player: u32, time_ms: u64) {
        let Some(life) = self.life(player) else { return };
        self.note(|| format!("{life:?} sleeps for {time_ms} ms"));
        let until = self.now + Duration::from_millis(time_ms);
        if let Some(seat) = self.seats.get_mut(&life) {
            seat.asleep_until = until.max(seat.asleep_until);
        }
        self.plan_at(until, What::Rouse { life });
    }

    /// Frames between these two groups wait.
    pub(crate) fn part(&mut self, some: &[u32], others: &[u32]) {
        self.note(|| format!("{some:?} and {others:?} are parted"));
        for one in some {
            self.part_one_way(&[*one], others);
            self.part_one_way(others, &[*one]);
        }
    }

    pub(crate) fn part_one_way(&mut self, from: &[u32], to: &[u32]) {
        for one in from {
            self.blocked.extend(to.iter().filter(|other| *other != one).map(|to| (PlayerId(*one), PlayerId(*to))));
        }
    }

    /// Links are whole again.
    pub(crate) fn join_all(&mut self) {
        self.note(|| "links are whole".into());
        self.blocked.clear();
        self.release();
    }

    /// It does not reach the server.
    pub(crate) fn cut_off(&mut self, player: u32) {
        self.note(|| format!("{player} is cut from the server"));
        self.cuts += 1;
        self.cut.insert(PlayerId(player), self.cuts);
        let cut = self.cuts;
        if let Some(life) = self.life(player) {
            self.plan(NOTICE, What::Notice { life, cut });
        }
    }

    /// It reaches the server again.
    pub(crate) fn reach(&mut self, player: u32) {
        self.note(|| format!("{player} reaches the server"));
        let player_id = PlayerId(player);
        self.cut.remove(&player_id);
        let words = std::mem::take(&mut self.held_words);
        let (mine, rest) = words.into_iter().partition(|(life, _)| life.player == player_id);
        self.held_words = rest;
        for (life, word) in mine {
            self.tell_server(life, word);
        }
        let tells = std::mem::take(&mut self.held_tells);
        let (mine, rest): (Vec<_>, _) = tells.into_iter().partition(|(life, _)| life.player == player_id);
        self.held_tells = rest;
        for (life, tell) in mine {
            self.tell(life.player, tell);
        }
        if let Some(life) = self.life(player) {
            let after = self.setup.far.delay * 2;
            self.plan(after, What::Reconnect { life });
        }
    }

    pub(super) fn notice(&mut self, life: Life, cut: u64) {
        let is_cut = self.cut.get(&life.player).is_some_and(|now| *now == cut);
        if cut != 0 && !is_cut {
            return;
        }
        self.held_words.retain(|(from, _)| *from != life);
        self.held_tells.retain(|(to, _)| *to != life);
        let now = self.now;
        if self.room.places.get(&life.player).is_some_and(|place| place.life == life) && self.room.is_up {
            self.room.connect(now, life.player, false, cut == 0);
            self.serve();
        }
        self.lose_server(life);
    }

    fn lose_server(&mut self, life: Life) {
        if let Some(seat) = self.seats.get_mut(&life)
            && seat.has_server
        {
            seat.has_server = false;
            self.note(|| format!("{life:?} has no server"));
            self.touch(life, |seat, now| seat.star.on_server_reachable(now, false, &mut seat.out));
        }
    }

    pub(super) fn reconnect(&mut self, life: Life) {
        let is_able = self.room.is_up && !self.cut.contains_key(&life.player) && self.seats.contains_key(&life);
        if !is_able || self.seats[&life].has_server {
            return;
        }
        let is_there = self.room.places.get(&life.player).is_some_and(|place| place.life == life);
        if !is_there {
            return;
        }
        self.note(|| format!("{life:?} has the server again"));
        self.touch(life, |seat, now| {
            seat.has_server = true;
            seat.star.on_server_reachable(now, true, &mut seat.out);
        });
        let now = self.now;
        self.room.connect(now, life.player, true, false);
        self.serve();
    }

    /// The server is away; it keeps its memory.
    pub(crate) fn server_down(&mut self) {
        self.note(|| "the server is away".into());
        self.room.is_up = false;
        let players: Vec<PlayerId> = self.room.places.keys().copied().collect();
        for player in players {
            self.room.connect(self.now, player, false, false);
        }
        self.room.forget_changes();
        for life in self.seats.keys().copied().collect::<Vec<_>>() {
            self.lose_server(life);
        }
    }

    pub(crate) fn server_up(&mut self) {
        self.note(|| "the server is back".into());
        self.room.is_up = true;
        for life in self.seats.keys().copied().collect::<Vec<_>>() {
            let after = self.net.ms(100, 600);
            self.plan(after, What::Reconnect { life });
        }
    }

    /// Whether it may vote and be host.
    pub(crate) fn hide(&mut self, player: u32, is_hidden: bool) {
        self.note(|| format!("{player} is hidden {is_hidden}"));
        if let Some(place) = self.room.places.get_mut(&PlayerId(player)) {
            place.is_eligible = !is_hidden;
            self.room.is_roster_new = true;
        }
        self.serve();
    }

    pub(crate) fn hand_over(&mut self, to: Option<u32>) -> bool {
        let Some(host) = self.host() else { return false };
        let Some(life) = self.life(host) else { return false };
        let mut is_taken = false;
        self.note(|| format!("{life:?} hands over to {to:?}"));
        self.touch(life, |seat, now| is_taken = seat.star.hand_over(now, to.map(PlayerId), &mut seat.out));
        is_taken
    }

    /// Nothing of what it stores is told to the host any more.
    pub(crate) fn mute_store(&mut self, player: u32, is_muted: bool) {
        let Some(life) = self.life(player) else { return };
        let Some(seat) = self.seats.get_mut(&life) else { return };
        seat.keeps_silent = is_muted;
        if let Some((to, frame)) = seat.unsaid.take_if(|_| !is_muted) {
            self.say(life, to, frame);
        }
    }

    pub(crate) fn speak(&mut self, may: bool) {
        self.may_talk = may;
    }

    /// Everything works again.
    pub(crate) fn heal(&mut self) {
        self.note(|| "faults are over".into());
        self.blocked.clear();
        self.release();
        for player in self.cut.keys().map(|player| player.0).collect::<Vec<_>>() {
            self.reach(player);
        }
        if !self.room.is_up {
            self.server_up();
        }
        self.players().into_iter().for_each(|player| self.mute_store(player, false));
    }

    pub(crate) fn glance(&self, player: u32) -> Option<Glance> {
        self.life(player).map(|life| self.seats[&life].star.glance())
    }

    pub(crate) fn view(&self, player: u32) -> Option<&View> {
        self.life(player).and_then(|life| self.seats[&life].star.view())
    }

    /// The newest view that it has promised and that is not in force, as far as it knows.
    pub(crate) fn promised(&self, player: u32) -> Option<View> {
        self.life(player).and_then(|life| self.seats[&life].star.promised().pop())
    }

    /// What an application was told, in short.
    pub(crate) fn heard(&self, player: u32) -> &[String] {
        self.life(player).map_or(&[], |life| &self.seats[&life].heard)
    }

    /// The host with the newest epoch.
    pub(crate) fn host(&self) -> Option<u32> {
        let hosts = self.seats.values().filter(|seat| matches!(seat.sight.role, Role::Hosting | Role::Frozen));
        hosts.max_by_key(|seat| seat.sight.epoch).map(|seat| seat.life.player.0)
    }

    /// The first backup of the newest host.
    pub(crate) fn backup(&self) -> Option<u32> {
        let view = self.view(self.host()?)?;
        view.backups.first().map(|backup| backup.0)
    }

    pub(crate) fn players(&self) -> Vec<u32> {
        self.seats.keys().map(|life| life.player.0).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Lets everything heal and come to rest, and looks whether it has.
    pub(crate) fn settle(&mut self, time: Duration) {
        self.may_talk = false;
        if let Some(until) = self.seats.values().map(|seat| seat.asleep_until).max()
            && until > self.now
        {
            self.run(Duration::from_nanos((until.as_nanos() - self.now.as_nanos()) as u64));
        }
        self.heal();
        self.run(time);
        let standing = |seat: &Seated| Standing {
            life: seat.life,
            role: seat.sight.role,
            epoch: seat.sight.epoch,
            unacked: seat.unacked(),
        };
        let standings = self.seats.values().map(standing).collect();
        self.note(|| format!("quiet {standings:?}"));
        self.fact(&Fact::Quiet { standings });
    }

    pub(crate) fn verdict(&self) -> Result<(), String> {
        self.broken.clone().map_or(Ok(()), Err)
    }
}

impl Floor {
    /// A frame that its sender's machine did not say.
    pub(crate) fn slip(&mut self, from: u32, to: u32, frame: Frame) {
        if let Some(life) = self.life(from) {
            self.say(life, PlayerId(to), frame);
        }
    }

    /// Something that the server did not say.
    pub(crate) fn slip_from_server(&mut self, to: u32, says: ServerSays) {
        self.tell(PlayerId(to), Tell::Says(says));
    }
}
