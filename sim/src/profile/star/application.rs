//! What the applications of a world do: they come, talk, do what players do in a lobby, and come again when they were
//! put out without asking for it.

use super::deeds::{Deed, What};
use super::forger::Forger;
use super::plan::Part;
use super::talk::{self, Ears, Voice};
use super::{Lens, Run};
use crate::check::star::{Life, Person, STAMP, Said, bit};
use crate::crypto::Carrying;
use crate::world::{KINDS, SeatId};
use core::time::Duration;
use webstar_core::config::PlayerConfig;
use webstar_core::id::PlayerId;
use webstar_core::path::PathKind;
use webstar_core::peer::{Channel, Command, Destination, Ended, JoinRequest, SendError, Wish};
use webstar_core::wire::signal::{
    BroadcastData, ClientMessage, CloseReason, CreateLobby, Data, Encoding, Hello, JoinLobby, LobbyName, Metadata,
    RelayData, Secret, Username, Version,
};

/// Whoever was put out comes again after this.
const COMEBACK: Duration = Duration::from_millis(1_000);
/// And so often.
const MOST_RETURNS: u32 = 8;

impl<L: Lens> Run<'_, L> {
    /// Somebody sits down and joins.
    pub(super) fn enter(&mut self, seat: u16) {
        let id = SeatId(seat);
        let index = usize::from(seat);
        self.wants_in[index] = true;
        if let Some(life) = self.eye.book().sitting(id)
            && !self.eye.book().cast.person(life).is_over
        {
            return;
        }
        let plan = &self.plan.seats[index];
        let now = self.world.now();
        if self.plan.is_forger && self.plan.hostile == Some(seat) {
            return self.enter_forger(seat);
        }
        self.eye.on_enter(now, id, plan.lobby, plan.part);
        if plan.part == Part::Guest {
            let greeting = ClientMessage::JoinLobby(self.guest_join(seat));
            self.world.enter_plain(id, Encoding::Json, vec![greeting]);
        } else {
            let config = self.config(seat);
            let ticket = self.tickets.remove(&id);
            if ticket.is_some() {
                self.eye.book_mut().tally.mark("back_without_memory");
            }
            let request = JoinRequest { ticket, ..self.request(seat) };
            self.world.enter(id, config, request, &mut self.eye).expect("settings are drawn within their bounds");
        }
    }

    /// Somebody without a machine, who speaks the players' language.
    fn enter_forger(&mut self, seat: u16) {
        let (now, lobby) = (self.world.now(), self.plan.seats[usize::from(seat)].lobby);
        self.eye.on_enter(now, SeatId(seat), lobby, Part::Guest);
        let key = self.eye.book().forger.as_ref().map(Forger::key);
        let hello = Hello { versions: vec![Version::CURRENT], key };
        // A spectator: nobody can tell a backup that lies about what it has stored from one that does not.
        let join = JoinLobby { spectator: true, ..self.guest_join(seat) };
        let greeting = vec![ClientMessage::Hello(hello), ClientMessage::JoinLobby(join)];
        self.world.enter_plain(SeatId(seat), Encoding::Postcard, greeting);
    }

    fn config(&mut self, seat: u16) -> PlayerConfig {
        let plan = &self.plan.seats[usize::from(seat)];
        let lobby = &self.plan.lobbies[usize::from(plan.lobby)];
        let [safe_ordered, safe_reliable] = lobby.is_safe;
        let mut config = PlayerConfig {
            signaling_server: "ws://server.example/ws".into(),
            safe_ordered,
            safe_reliable,
            snapshots: lobby.snapshots.is_some(),
            allow_fork: lobby.allow_fork,
            tick: lobby.tick,
            authority: lobby.authority.is_some(),
            enable_host_migration: lobby.survives,
            direct_paths: direct_paths(self.plan.carrying, plan.is_direct),
            ..PlayerConfig::default()
        };
        if let Some(timeout) = self.plan.heartbeat_timeout {
            config.heartbeat_timeout = timeout;
        }
        let (is_old, withholds, ticks) = (plan.is_old, plan.withholds, lobby.tick.is_some());
        let tally = &mut self.eye.book_mut().tally;
        if ticks {
            tally.mark("ticks");
        }
        if is_old {
            tally.mark("version_skew");
            config.versions = vec![Version::PREVIOUS];
        }
        if withholds {
            tally.mark("withholding");
        }
        config
    }

    fn rules(&self, lobby: u8) -> CreateLobby {
        let plan = &self.plan.lobbies[usize::from(lobby)];
        CreateLobby {
            public: plan.is_public,
            max_players: plan.max_players,
            metadata: Metadata::default(),
            join_in_progress: plan.join_in_progress,
            enable_host_migration: plan.survives,
        }
    }

    fn password(&self, lobby: u8) -> Option<Secret> {
        let plan = &self.plan.lobbies[usize::from(lobby)];
        plan.has_password.then(|| Secret::new(format!("password {lobby}")).expect("it is short"))
    }

    fn request(&self, seat: u16) -> JoinRequest {
        let plan = &self.plan.seats[usize::from(seat)];
        JoinRequest {
            username: username(plan.lobby, seat),
            wish: Wish::Named(lobby_name(plan.lobby)),
            password: self.password(plan.lobby),
            create: (plan.part == Part::Player).then(|| self.rules(plan.lobby)),
            spectator: plan.part == Part::Spectator,
            peer_id: None,
            admission: None,
            ticket: None,
        }
    }

    fn guest_join(&self, seat: u16) -> JoinLobby {
        let lobby = self.plan.seats[usize::from(seat)].lobby;
        JoinLobby {
            lobby_id: Some(lobby_name(lobby)),
            username: username(lobby, seat),
            password: self.password(lobby),
            create: None,
            spectator: false,
            peer: None,
            admission: None,
        }
    }

    /// Whoever ended without asking for it comes again.
    pub(super) fn look_after_ends(&mut self) {
        for end in core::mem::take(&mut self.eye.book_mut().ends) {
            let index = usize::from(end.seat.0);
            let is_wanted = !matches!(
                end.why,
                Some(Ended::Left | Ended::PutOut(CloseReason::Kicked | CloseReason::Banned | CloseReason::Left))
            );
            if !is_wanted {
                self.wants_in[index] = false;
            }
            if self.wants_in[index] && self.returns[index] < MOST_RETURNS {
                self.returns[index] += 1;
                self.comebacks.insert((self.world.now() + COMEBACK, end.seat.0));
            }
        }
    }

    /// Does a deed.
    pub(super) fn perform(&mut self, deed: Deed) {
        let seat = SeatId(deed.seat);
        let lobby = self.plan.seats[usize::from(deed.seat)].lobby;
        match deed.what {
            What::Enter => self.enter(deed.seat),
            What::Leave => self.leave(seat),
            What::Ready(is_ready) => self.ask(seat, Command::Ready(is_ready)),
            What::Hidden(is_hidden) => {
                self.hidden.insert(seat);
                self.ask(seat, Command::Hidden(is_hidden));
            }
            What::Start => self.ask_host(lobby, Command::Start),
            What::Lock(is_locked) => self.ask_host(lobby, Command::Lock(is_locked)),
            What::HandOver => self.ask_host(lobby, Command::HandOver(None)),
            What::HandOverTo(heir) => {
                if let Some(player) = self.player_at(SeatId(heir)) {
                    self.ask_host(lobby, Command::HandOver(Some(player)));
                }
            }
            What::Kick => {
                if let Some(player) = self.player_at(seat) {
                    self.ask_host(lobby, Command::Kick(player));
                }
            }
        }
    }

    fn player_at(&self, seat: SeatId) -> Option<PlayerId> {
        let book = self.eye.book();
        book.cast.person(book.sitting(seat)?).player
    }

    /// Somebody leaves for good.
    pub(super) fn leave(&mut self, seat: SeatId) {
        self.wants_in[usize::from(seat.0)] = false;
        if self.plan.seats[usize::from(seat.0)].part == Part::Guest {
            self.world.say(seat, &ClientMessage::LeaveLobby, &mut self.eye);
            self.world.vanish(seat);
            if let Some(life) = self.eye.book().sitting(seat) {
                let person = self.eye.book_mut().cast.person_mut(life);
                (person.is_over, person.is_joined) = (true, false);
            }
        } else {
            self.eye.on_leaves(self.world.now(), seat);
            self.ask(seat, Command::Leave);
        }
    }

    /// Somebody is gone for good without asking anybody.
    pub(super) fn leave_at_once(&mut self, seat: SeatId) {
        self.wants_in[usize::from(seat.0)] = false;
        self.eye.on_crash(self.world.now(), seat);
        self.world.vanish(seat);
    }

    fn ask(&mut self, seat: SeatId, command: Command) {
        if self.world.is_asleep(seat) {
            return;
        }
        let hands_over = matches!(command, Command::HandOver(_));
        let is_asked = self.world.command(seat, command, &mut self.eye).is_ok();
        if hands_over && is_asked {
            self.eye.on_hands_over(self.world.now(), seat);
        }
        self.eye.book_mut().tally.mark(if is_asked { "command" } else { "command_early" });
    }

    /// Whoever believes to be host asks for something.
    fn ask_host(&mut self, lobby: u8, command: Command) {
        if let Some(seat) = self.host(lobby) {
            self.ask(seat, command);
        }
    }

    /// Somebody's voices speak.
    pub(super) fn beat(&mut self, seat: u16) {
        let plan = self.plan;
        let mouth = &plan.talking.mouths[usize::from(seat)];
        for voice in &mouth.voices {
            if self.words.chance(voice.share) {
                let length = if mouth.is_steady { voice.longest } else { self.words.between(0, voice.longest) };
                self.speak(seat, voice, length as usize);
            }
        }
        self.world.flush(SeatId(seat), &mut self.eye);
    }

    /// Something large is said.
    pub(super) fn load(&mut self, number: usize) {
        let load = self.plan.talking.loads[number];
        let voice = Voice { channel: load.channel, to: Ears::All, kind: "chat", share: 1.0, longest: load.bytes };
        // The server's limit is for a frame, and players send in parts; a guest has one frame.
        let is_guest = self.plan.seats[usize::from(load.seat)].part == Part::Guest;
        let (length, times) = if is_guest { (load.bytes.min(30_000), 1) } else { (load.bytes, load.times) };
        for _ in 0..times {
            self.speak(load.seat, &voice, length as usize);
        }
        self.world.flush(SeatId(load.seat), &mut self.eye);
    }

    fn speak(&mut self, seat: u16, voice: &Voice, length: usize) {
        let id = SeatId(seat);
        let Some(life) = self.eye.book().sitting(id).filter(|_| !self.world.is_asleep(id)) else { return };
        let to = self.destination(life, voice.to);
        if self.eye.book().cast.person(life).is_guest {
            self.speak_as_guest(id, life, &to, length.max(STAMP));
        } else {
            self.say(id, life, &to, voice.channel, voice.kind, length);
        }
    }

    /// A player says something, if its machine takes it.
    pub(super) fn say(
        &mut self,
        seat: SeatId,
        life: Life,
        to: &Destination,
        channel: Channel,
        kind: &'static str,
        length: usize,
    ) {
        let now = self.world.now();
        // What has no room for its mark could not be told from another of its kind.
        let payload = talk::payload(self.eye.book().cast.next_number(), length);
        match self.world.send(seat, to, channel, kind, payload.clone()) {
            Ok(sent) => self.eye.on_said(life, Some(sent), Said { at: now, to: to.clone(), kind, payload }),
            Err(SendError::Full { .. }) => self.eye.on_refused(now, life, channel),
            Err(SendError::NotJoined | SendError::NoSuchPlayer(_) | SendError::Ended) => {
                self.eye.book_mut().tally.mark("nobody_to_send_to");
            }
            Err(misuse) => panic!("what is drawn is within the limits: {misuse}"),
        }
    }

    fn speak_as_guest(&mut self, seat: SeatId, life: Life, to: &Destination, length: usize) {
        if !self.eye.book().cast.person(life).is_joined {
            return;
        }
        let payload = talk::payload(self.eye.book().cast.next_number(), length);
        let data = Data::of_bytes(&payload);
        let (to, message) = match *to {
            Destination::One(player) => {
                let relay = RelayData { from_player: PlayerId(0), to_player: player, data };
                (Destination::One(player), ClientMessage::RelayData(relay))
            }
            _ => {
                let broadcast = BroadcastData { from_player: PlayerId(0), data };
                (Destination::Others, ClientMessage::BroadcastData(broadcast))
            }
        };
        // Noted first, for what is said is heard by others only after it has left.
        let said = Said { at: self.world.now(), to, kind: "relay", payload };
        self.eye.on_said(life, None, said);
        self.world.say(seat, &message, &mut self.eye);
    }

    fn destination(&mut self, life: Life, ears: Ears) -> Destination {
        let Person { player: own, knows, .. } = *self.eye.book().cast.person(life);
        let words = &mut self.words;
        let mut one = || {
            let known: Vec<PlayerId> = (1..128).map(PlayerId).filter(|player| knows & bit(*player) != 0).collect();
            words.pick(&known).copied()
        };
        match ears {
            Ears::All => Destination::All,
            Ears::Others => Destination::Others,
            Ears::Host => Destination::Host,
            Ears::One => one().map_or(Destination::Others, Destination::One),
            Ears::AllBut => {
                let mut left_out: Vec<PlayerId> =
                    [one(), one().filter(|player| Some(*player) != own)].into_iter().flatten().collect();
                left_out.sort();
                left_out.dedup();
                Destination::AllBut(left_out)
            }
        }
    }
}

fn lobby_name(lobby: u8) -> LobbyName {
    LobbyName::new(format!("lobby-{lobby}")).expect("it is short and plain")
}

/// Names begin with the number of the lobby, so that a stranger is noticed.
/// The direct paths that somebody has.
fn direct_paths(carrying: Carrying, is_direct: bool) -> Vec<PathKind> {
    match is_direct {
        false => Vec::new(),
        true if carrying.is_model() => vec![PathKind::Srtp],
        true => KINDS.to_vec(),
    }
}

fn username(lobby: u8, seat: u16) -> Username {
    Username::new(format!("{lobby}.{seat}")).expect("it is short and plain")
}
