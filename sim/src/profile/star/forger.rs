//! A member without a machine that speaks the players' language and none of the truth: words of the star that only others
//! may say, with numbers that are likely enough to do harm. It is a player to the server, and has a conversation with
//! everybody, so that its words are heard.

use crate::seed::Draw;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use webstar_core::config::SessionConfig;
use webstar_core::id::{Incarnation, PathId, PlayerId, SessionId};
use webstar_core::path::relay::facts;
use webstar_core::session::{Outbound, Session, SessionEvent, SessionIds};
use webstar_core::star::{
    Beyond, Channel, Content, Copy, Destination, Entry, Frame, Kind, LogEnd, Mark, Position, Promise, Ruling, Span,
    Told,
};
use webstar_core::time::Instant;
use webstar_core::wire::frame::{Delivery, Priority};
use webstar_core::wire::relay;
use webstar_core::wire::signal::{Epoch, Frame as Signal, PlayerEntry, ServerMessage, SessionKey};
use webstar_core::wire::star::{KindTold, deliver, encode};
use webstar_core::wire::view::{Certified, Proof, PublicKey, SigningKey, StarId, Statement, View};

const PATH: PathId = PathId(0);

/// Somebody who only lies.
#[derive(Debug)]
pub(super) struct Forger {
    random: Draw,
    key: SigningKey,
    player: PlayerId,
    ours: SessionKey,
    star: StarId,
    view: Option<View>,
    /// The highest place and number of which it has heard.
    end: u64,
    victims: BTreeMap<PlayerId, Session>,
    /// A view that is in force in another lobby.
    foreign: Option<Certified>,
    /// What it has done since it was asked last, besides telling words of the star.
    tricks: BTreeSet<&'static str>,
}

impl Forger {
    pub(super) fn new(mut random: Draw) -> Self {
        Forger {
            key: SigningKey::from_seed(&random.key()),
            random,
            player: PlayerId(0),
            ours: SessionKey(0),
            star: StarId(0),
            view: None,
            end: 0,
            victims: BTreeMap::new(),
            foreign: None,
            tricks: BTreeSet::new(),
        }
    }

    /// A view that is in force in another lobby.
    pub(super) fn learn_of_others(&mut self, foreign: Option<Certified>) {
        self.foreign = foreign.or(self.foreign.take());
    }

    /// What it has done since it was asked last, besides telling words of the star.
    pub(super) fn take_tricks(&mut self) -> BTreeSet<&'static str> {
        core::mem::take(&mut self.tricks)
    }

    /// What its promises would be signed with.
    pub(super) fn key(&self) -> PublicKey {
        self.key.public()
    }

    /// Whether it goes by this number in this star.
    pub(super) fn is(&self, star: StarId, player: PlayerId) -> bool {
        (self.star, self.player) == (star, player)
    }

    /// The server says something.
    pub(super) fn learn(&mut self, now: Instant, message: &ServerMessage) {
        match message {
            ServerMessage::LobbyJoined(joined) => {
                (self.player, self.star) = (joined.player_id, joined.star);
                self.view = joined.view.as_ref().map(|certified| certified.view.clone());
                let own = joined.player_list.iter().find(|entry| entry.player_id == joined.player_id);
                self.ours = own.map_or(self.ours, |own| own.session);
                self.victims.clear();
                self.meet(now, &joined.player_list);
            }
            ServerMessage::PlayerListUpdated(list) => self.meet(now, &list.player_list),
            ServerMessage::ViewInForce(told) => self.view = Some(told.certified.view.clone()),
            _ => {}
        }
    }

    fn meet(&mut self, now: Instant, members: &[PlayerEntry]) {
        for entry in members.iter().filter(|entry| entry.key.is_some() && entry.player_id != self.player) {
            let ids = SessionIds { ours: SessionId(self.ours.0), theirs: SessionId(entry.session.0) };
            self.victims.entry(entry.player_id).or_insert_with(|| {
                let mut session = Session::new(SessionConfig::default(), ids, now).expect("the defaults are good");
                session.open_path(now, PATH, facts());
                session.use_path(Some(PATH));
                session
            });
        }
    }

    /// A relayed packet has come.
    pub(super) fn overhear(&mut self, now: Instant, frame: &[u8]) {
        let Ok((from, packet)) = relay::parse(frame) else { return };
        let Some(session) = self.victims.get_mut(&from) else { return };
        session.on_packet(now, PATH, packet);
        while let Some(event) = session.poll_event() {
            // Whoever talks longer has higher numbers.
            self.end += u64::from(matches!(event, SessionEvent::Message(_)));
        }
    }

    /// Lies to somebody, and keeps all conversations going: what leaves.
    pub(super) fn lie(&mut self, now: Instant) -> Vec<Signal> {
        let known: Vec<PlayerId> = self.victims.keys().copied().collect();
        if let Some(victim) = self.random.pick(&known).copied() {
            for _ in 0..self.random.between(1, 3) {
                let (payload, delivery) = self.utterance();
                let session = self.victims.get_mut(&victim).expect("it is one of them");
                // A full lane is no loss.
                let _ = session.send(now, Outbound { priority: Priority::Normal, delivery, key: 0, payload });
            }
        }
        let mut frames = Vec::new();
        for (player, session) in &mut self.victims {
            session.on_timeout(now);
            let mut envelope = |_: PathId, out: &mut Vec<u8>| relay::begin(*player, out);
            let mut packet = Vec::new();
            while session.poll_packet(now, &mut packet, &mut envelope).is_some() {
                frames.push(Signal::Binary(Bytes::from(core::mem::take(&mut packet))));
            }
        }
        frames
    }

    /// A message in bytes, and how it travels: a word of the star, or of the moment in another's name, now and then with
    /// bytes that nobody would write.
    fn utterance(&mut self) -> (Bytes, Delivery) {
        let (payload, delivery) = match self.random.below(8) {
            0 => (self.moment(), *self.random.pick(&[Delivery::Unreliable, Delivery::Latest]).expect("there are two")),
            _ => self.star_word(),
        };
        if self.random.chance(0.15) {
            self.tricks.insert("garbled_word");
            return (self.garbled(&payload), delivery);
        }
        (payload, delivery)
    }

    fn star_word(&mut self) -> (Bytes, Delivery) {
        let word = self.word();
        let delivery = match word {
            Frame::Mark { .. } | Frame::Stored { .. } => Delivery::Latest,
            Frame::Entry { .. } | Frame::Publish { .. } if self.random.chance(0.5) => Delivery::Reliable,
            _ => Delivery::Ordered,
        };
        (encode(&word, &mut |_| None), delivery)
    }

    /// What only a host hands on, said by somebody else.
    fn moment(&mut self) -> Bytes {
        self.tricks.insert("spoofed_sender");
        let (epoch, from) = (self.epoch(), PlayerId(1 + self.random.below(6) as u32));
        deliver(epoch, from, 1 + self.random.below(self.end + 9), KindTold::Name("move"), b"forged")
    }

    fn garbled(&mut self, payload: &Bytes) -> Bytes {
        let mut bytes = payload.to_vec();
        if self.random.chance(0.5) {
            bytes.truncate(self.random.below(bytes.len() as u64) as usize);
        } else {
            let at = self.random.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << self.random.below(8);
        }
        bytes.into()
    }

    fn epoch(&mut self) -> Epoch {
        let known = self.view.as_ref().map_or(Epoch { term: 1, round: 0 }, |view| view.epoch);
        match self.random.below(6) {
            0 => Epoch { term: known.term + 1, round: 0 },
            1 => Epoch { term: known.term, round: known.round + 1 },
            2 if known.round > 0 => self.old(Epoch { round: known.round - 1, ..known }),
            2 | 3 if known.term > 1 => {
                let round = self.random.below(4) as u32;
                self.old(Epoch { term: known.term - 1, round })
            }
            _ => known,
        }
    }

    fn old(&mut self, epoch: Epoch) -> Epoch {
        self.tricks.insert("old_epoch");
        epoch
    }

    fn position(&mut self) -> Position {
        Position(1 + self.random.below(self.end * 2 + 20))
    }

    fn kind(&mut self) -> Kind {
        Kind::new("move").expect("it is short")
    }

    fn entry(&mut self) -> Entry {
        let (position, epoch) = (self.position(), self.epoch());
        let player = PlayerId(1 + self.random.below(6) as u32);
        let content = match self.random.below(4) {
            0 => {
                Content::Joined { player, incarnation: Incarnation(self.random.below(3) as u32), taken: [self.end; 2] }
            }
            1 => Content::Left { player },
            2 => Content::Void,
            _ => Content::Message(Told {
                from: player,
                channel: Channel::Ordered,
                seq: 1 + self.random.below(self.end + 9),
                to: Destination::All,
                kind: self.kind(),
                payload: Bytes::from_static(b"forged"),
                ruling: Ruling::AsSent,
            }),
        };
        Entry { position, epoch, content }
    }

    /// A view in which it is host.
    fn wish(&mut self) -> Option<View> {
        let view = self.view.clone()?;
        let epoch = self.epoch().max(Epoch { round: view.epoch.round + 1, ..view.epoch });
        let since = if self.random.chance(0.3) { epoch } else { view.since };
        Some(View { epoch, base: view.epoch, since, host: self.player, backups: Vec::new(), ..view })
    }

    /// What another lobby has agreed to, or what nobody has.
    fn certificate(&mut self) -> Option<Certified> {
        if self.random.chance(0.2)
            && let Some(foreign) = self.foreign.clone()
        {
            self.tricks.insert("other_lobby");
            return Some(foreign);
        }
        self.certified()
    }

    fn certified(&mut self) -> Option<Certified> {
        let view = self.wish()?;
        let own = |said: Statement| said.sign(&self.key, self.star, &view);
        let proof = match self.random.below(3) {
            0 => Proof::Server(own(Statement::InForce)),
            1 => Proof::Fork(own(Statement::Forked(self.player))),
            _ => {
                let promise = own(Statement::Promised(self.player));
                let promises = view.voters.iter().map(|voter| (voter.player, promise)).collect();
                Proof::Quorum { server: Some(own(Statement::Granted)), promises }
            }
        };
        Some(Certified { view, proof })
    }

    /// Something that it has no right to say.
    fn word(&mut self) -> Frame {
        let (epoch, position) = (self.epoch(), self.position());
        match self.random.below(16) {
            0 => self.publish(),
            1 => Frame::Entry { epoch, entry: self.entry() },
            2 => {
                let (settled, cut) = (self.position(), self.position());
                Frame::Mark { epoch, mark: Mark { committed: position, settled, cut, acked: [self.end; 2] } }
            }
            3 => Frame::Stored { epoch, position },
            4 => Frame::Hold(true),
            5 => {
                let held = vec![Position(position.0 + 2)];
                let acked = [self.end; 2];
                Frame::Have { epoch, beyond: Beyond { settled: position, held, wants_snapshot: false, acked } }
            }
            6 => Frame::Start { epoch, position, is_joiner: self.random.chance(0.5), snapshot_bytes: 0 },
            7 => Frame::Snapshot {
                epoch,
                position,
                size: 6,
                hash: [7; 32],
                offset: 0,
                piece: Bytes::from_static(b"forged"),
            },
            8 => {
                let spans = vec![Span { epoch, end: position }];
                Frame::Copy {
                    epoch,
                    copy: Copy { cut: position, end: position, same: Position(0), table: Vec::new(), spans },
                }
            }
            9 => Frame::Fetch { epoch, log: None },
            10 | 11 => match self.wish() {
                Some(view) => Frame::Propose { view, is_dormant: self.random.chance(0.5) },
                None => Frame::Hold(false),
            },
            12 => self.promise(),
            13 => match self.certificate() {
                Some(certified) => Frame::Newer(Box::new(certified)),
                None => Frame::Hold(false),
            },
            14 => match self.certificate() {
                Some(certified) => {
                    let spans = vec![Span { epoch, end: position }];
                    Frame::Activate { certified: Box::new(certified), spans, voids: vec![position] }
                }
                None => Frame::Hold(false),
            },
            _ => Frame::Freeze { epoch, end: position },
        }
    }

    fn publish(&mut self) -> Frame {
        Frame::Publish {
            channel: if self.random.chance(0.5) { Channel::Ordered } else { Channel::Reliable },
            seq: 1 + self.random.below(40),
            to: Destination::All,
            kind: self.kind(),
            payload: Bytes::from_static(b"forged"),
        }
    }

    fn promise(&mut self) -> Frame {
        let epoch = self.epoch();
        let view = self.wish();
        let signature = view.as_ref().map(|view| Statement::Promised(self.player).sign(&self.key, self.star, view));
        let promised: Vec<View> = self.wish().into_iter().collect();
        let (end, beyond) = (self.position(), vec![self.entry()]);
        match signature {
            Some(signature) => Frame::Promise(Box::new(Promise {
                epoch,
                signature,
                active: epoch,
                promised,
                log: Some(LogEnd { whole_in: epoch, end }),
                settled: end,
                beyond,
            })),
            None => Frame::Hold(false),
        }
    }
}
