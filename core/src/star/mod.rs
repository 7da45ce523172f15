//! The star: who is host, who keeps copies, what the log says, and how another takes over when the host goes, without a
//! message lost. A pure part of a player: it is told what others say (as [`Frame`]s, whose links keep what is kept and
//! keep its order), how well they are heard, and what the server says; it says what goes to whom. Links, bytes and
//! latest-only or unreliable messages are not its business.
//!
//! # The log
//! Members publish to the host. The host gives each message the next **position**, stamps its sender, keeps it, and hands
//! it to everybody it is meant for and to the backups. A message counts once: the **table** knows for every sender
//! (incarnation and channel) what was taken, so whatever is said twice is taken once.
//!
//! What all backups have stored is **committed**: it is acknowledged to its sender, it may be delivered by those who want
//! it safe, and no crash takes it back. What is committed and has arrived at everybody who is connected is **settled**:
//! nobody needs to keep it, and the log is **cut** below it. For an absent player the log is kept up to a limit; beyond
//! it the player starts again from a snapshot.
//!
//! A host whose backups have not stored what is older than 250 ms, or more than 64 entries, hands on no entries until they
//! have: so a host that is cut off cannot tell its members much that a crash takes back.
//!
//! # Authority
//! Where the host's game has the last word, what a member publishes is a [`Proposal`] that waits outside of the log until
//! the game has decided ([`Star::decide`]). Then it gets its place: as it was sent, rewritten and marked so, or as a
//! rejection, which is an entry like any other but for its sender alone: it uses up the number, is committed and copied,
//! and no host after this one delivers what it rejects. What waits is not taken. When the host goes, its senders publish it
//! again, and the next host asks its own game.
//!
//! # Views
//! A [`View`] names host, backups and voters. It is in force when enough voters of the view it
//! follows, and of its own, have promised it (the server weighs half a voter), its host holds a log that has everything
//! that was ever committed, and its backups have copied that.
//!
//! - **Promising** a view bars every other view of its epoch and everything older: from a host of an older term nothing is
//!   taken any more. Promises of light views and dormant ones do not bar the host that goes on.
//! - A voter refuses a view whose base is older than the view it knows to be in force, and answers with that
//!   ([`Frame::Newer`]), so that whoever proposes learns.
//! - A promise tells all views promised before that may be in force. The new host counts each as if it were: it needs
//!   enough of its voters too, and the word of one of its replicas.
//! - **What the new host adopts**: its own log, or that of the replica with the greatest ([`LogEnd`]: epoch, length), of
//!   which it fetches what its own lacks, and behind it whatever the promises bring beyond it from the same epoch. A
//!   position that nobody brings is void; an ordered message whose predecessor is void is void too.
//! - Then it says [`Frame::Activate`] to everybody, with the proof. Each answers [`Frame::Have`] and gets what it lacks; who
//!   has delivered what the log does not have, or was told to begin at a place that came to nothing, starts again from a
//!   snapshot, and says [`Event::Resynced`] first.
//! - Members publish again what was not acknowledged. The table removes doubles.
//!
//! What everybody has who is there, and only absent players may still want, is not waited for: the copies of a new host's
//! backups begin behind it, and it follows once the view is in force. But no copy begins behind what the backup itself
//! has as a member, which its promise tells: what stands after a gap is delivered to nobody. The copies bear the first of
//! what the new host has to say itself, so that this is committed as soon as the view is in force.
//!
//! **Light views** keep the host and the term: they take in or let go voters and replace backups, at most one a second
//! except to get a first backup. Messages go on meanwhile; they count as committed when the backups of the view in force
//! have them. Who is to begin anew becomes backup once it has: entries may overtake the copy that they belong to, and it
//! would take them for its own. **A graceful change** is promised dormant while the host goes on; when the successor has enough promises and a
//! copy, the host freezes and the successor goes on from there: a frozen host never thaws in that epoch, and what it was
//! sent meanwhile is sent again to the next. **A forced view** (by the server, when no quorum is to be had) begins a new line:
//! everybody who comes to it from another line hears [`Event::ContinuityLost`] before anything else is delivered. Who has
//! promised a newer view of the old line cannot follow it and tells the server, which forces another one above that.
//!
//! What its link counts as arrived at a barred player is kept and judged by the next view, so nothing of it is lost. Who
//! is bound by a promise that comes to nothing says so to the host of the view in force, with its signature, and unasked
//! if that says nothing; that host then goes on in a newer view of its own, and so does one whose successor did not come.
//!
//! **Without the server** a backup that has not heard the host for long enough, nor the server for a second, proposes
//! itself. It promises its own view last, and voters who hear the host well do not answer: so nobody is barred in vain.
//! A lobby of two waits; with `allow_fork` the survivor goes on alone in a line of its own, and on meeting again the
//! line with the lower epoch gives way.
//!
//! # What a player is
//! | it is | and then | it is |
//! |---|---|---|
//! | waiting (no view yet, or its host not heard from yet) | the host's `Activate` and `Start` come | following |
//! | following | promises a view that names another | barred: takes and delivers nothing |
//! | following, barred | promises a view that names it as host | collecting |
//! | barred | `Activate` of a newer view comes | following, after `Have` |
//! | collecting | enough promises, a whole log, copies at the backups | hosting |
//! | collecting | hears of a newer view | barred, or following |
//! | hosting | proposes a graceful change and its successor is ready | frozen |
//! | hosting, frozen | hears of a newer view in force, or promises one | following, or barred |
//! | any | a forced view names it | hosting |

mod admitting;
mod aside;
mod ballot;
mod collecting;
mod config;
mod deciding;
mod ears;
mod event;
mod follower;
mod following;
mod handing;
mod hosting;
mod log;
mod proposals;
mod publishing;
mod reckoning;
mod replica;
mod rising;
mod rounds;
mod snapshots;
mod standing;
mod suspicion;
mod table;
mod taking;
mod views;
mod voting;

pub use crate::wire::star::{
    Beyond, Channel, Content, Copy, Destination, Entry, Frame, Kind, LogEnd, Mark, Position, Promise, Ruling, Span,
    TableRow, Told,
};
pub use config::StarConfig;
pub use event::{Delivered, Dropped, Ear, Event, Member, Out, ServerSays, Snapshot, To, Word};
pub use proposals::{Proposal, ProposalId, Verdict};
pub use standing::{Bond, Full, Glance, Me, Role};

use crate::id::{Incarnation, PlayerId};
use crate::players::Players;
use crate::time::{Instant, earlier};
use crate::wire::signal::Epoch;
use crate::wire::view::{Certified, View};
use aside::Aside;
use ballot::Ballot;
use bytes::Bytes;
use collecting::Collecting;
use ears::Ears;
use following::Following;
use handing::Handing;
use hosting::{Hosting, Ours};
use log::Log;
use proposals::Proposals;
use publishing::Publishing;
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use replica::{Intake, Serving, Withheld};
use rounds::Rounds;
use snapshots::Snapshots;
use suspicion::Suspicion;
use views::Answers;

/// The star as one player sees it.
#[derive(Debug)]
pub struct Star {
    config: StarConfig,
    rng: ChaCha8Rng,
    now: Instant,
    /// What follows from the time was done up to here.
    worked: Instant,
    me: Option<Me>,
    members: Players<Member>,
    ears: Ears,
    ballot: Ballot,
    /// The view in force whose host we have heard say so, or that we host ourselves.
    joined: Option<Epoch>,
    /// The line that our history belongs to.
    line: Option<Epoch>,
    /// The host that the application knows of.
    announced: Option<(PlayerId, Incarnation)>,
    log: Option<Log>,
    following: Following,
    publishing: Publishing,
    proposals: Proposals,
    snapshots: Snapshots,
    aside: Aside,
    intake: Intake,
    withheld: Withheld,
    serving: Option<Serving>,
    hosting: Option<Hosting>,
    rounds: Rounds,
    handing: Option<Handing>,
    collecting: Option<Collecting>,
    suspicion: Suspicion,
    answers: Answers,
}

impl Star {
    /// Nobody's star yet.
    pub fn new(config: StarConfig, seed: [u8; 32], now: Instant) -> Self {
        Star {
            rng: ChaCha8Rng::from_seed(seed),
            now,
            worked: now,
            me: None,
            members: Players::new(),
            ears: Ears::new(now),
            ballot: Ballot::default(),
            joined: None,
            line: None,
            announced: None,
            log: None,
            following: Following::new(&config),
            publishing: Publishing::new(&config),
            proposals: Proposals::new(&config),
            snapshots: Snapshots::new(&config),
            aside: Aside::default(),
            intake: Intake::default(),
            withheld: Withheld::default(),
            serving: None,
            hosting: None,
            rounds: Rounds::new(now),
            handing: None,
            collecting: None,
            suspicion: Suspicion::new(now),
            answers: Answers::default(),
            config,
        }
    }

    /// In the lobby for the first time, or without memory.
    pub fn enter(&mut self, now: Instant, me: Me, out: &mut Out) {
        let now = self.tick(now);
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let mut fresh = Star::new(self.config.clone(), seed, now);
        fresh.me = Some(me);
        fresh.ears.on_server(now, self.ears.has_server());
        fresh.proposals.go_on_after(&self.proposals);
        *self = fresh;
        self.work(now, out);
    }

    /// The roster has changed.
    pub fn on_members(&mut self, now: Instant, members: &[Member], out: &mut Out) {
        let now = self.tick(now);
        let known = core::mem::replace(
            &mut self.members,
            members.iter().map(|member| (member.player, member.clone())).collect(),
        );
        self.rounds.retain(|player| {
            let life = |members: &Players<Member>| members.get(&player).map(|member| member.incarnation);
            life(&known) == life(&self.members)
        });
        self.ears.on_members(now, &self.members);
        self.answers.retain(&self.members);
        if let Some((hosting, mut ours)) = self.hosts(out) {
            hosting.on_members(now, members, &mut ours);
        }
        self.work(now, out);
    }

    /// The server has said something.
    pub fn on_server(&mut self, now: Instant, says: ServerSays, out: &mut Out) {
        let now = self.tick(now);
        if self.me.is_some() {
            match says {
                ServerSays::Proposed { view, signature, promised } => {
                    self.on_server_proposal(now, *view, signature, &promised, out);
                }
                ServerSays::Granted { epoch, signature, promised } => self.on_granted(now, epoch, signature, &promised),
                ServerSays::InForce(certified) => self.on_server_view(now, &certified, out),
                ServerSays::Asked(epoch) => self.on_asked(now, epoch, out),
            }
        }
        self.work(now, out);
    }

    /// The server can be spoken to, or no more.
    pub fn on_server_reachable(&mut self, now: Instant, is_reachable: bool, out: &mut Out) {
        let now = self.tick(now);
        let is_back = is_reachable && !self.ears.has_server();
        self.ears.on_server(now, is_reachable);
        if is_back {
            self.suspicion.told = None;
            self.tell_server(now, out);
        }
        self.work(now, out);
    }

    /// How a player is heard. Told whenever something has come from it and when its paths open or close.
    pub fn on_ear(&mut self, now: Instant, player: PlayerId, ear: Ear) {
        let now = self.tick(now);
        let was_heard = self.ears.is_heard(player, now);
        self.ears.on_ear(player, ear);
        if was_heard && !self.ears.is_heard(player, now) {
            // We had more patience with it until now: what follows from its silence was due, and was not looked at.
            self.worked = self.worked.min(ear.heard_at);
            self.rounds.touch();
        }
    }

    /// A player has said something.
    pub fn on_frame(&mut self, now: Instant, from: PlayerId, frame: Frame, out: &mut Out) {
        let now = self.tick(now);
        if self.me.as_ref().is_none_or(|me| me.player == from) {
            out.dropped.malformed += 1;
            return;
        }
        self.take(now, from, frame, out);
        self.work(now, out);
    }

    /// An entry that was given out for a player by [`Star::poll_entry`], in the epoch of its frame, has arrived there.
    pub fn on_taken(&mut self, now: Instant, player: PlayerId, epoch: Epoch, position: Position, out: &mut Out) {
        let now = self.tick(now);
        if let Some((hosting, mut ours)) = self.hosts(out) {
            hosting.on_taken(now, player, epoch, position, &mut ours);
        }
        self.work(now, out);
    }

    /// The next entry, or piece of a snapshot, for a player. Asked for while its link has room, after every input; each is
    /// given out once.
    pub fn poll_entry(&mut self, player: PlayerId) -> Option<Frame> {
        if let Some(hosting) = &mut self.hosting {
            return hosting.poll(player, self.log.as_ref()?);
        }
        self.serve(player)
    }

    /// The next of our own messages, for the host that is told with it. Asked for while its link has room.
    pub fn poll_publish(&mut self) -> Option<(PlayerId, Frame)> {
        let host = if self.publishing.has_told_all() { None } else { self.present_host() }?;
        Some((host, self.publishing.poll()?))
    }

    /// Sends a kept message; tells its number.
    pub fn send(
        &mut self,
        now: Instant,
        to: &Destination,
        channel: Channel,
        kind: Kind,
        payload: Bytes,
        out: &mut Out,
    ) -> Result<u64, Full> {
        let now = self.tick(now);
        let sent = self.publishing.send(to, channel, kind, payload);
        self.work(now, out);
        sent
    }

    /// The host's game has decided. False: nothing waits under that name, as it was decided before, or another is host.
    pub fn decide(&mut self, now: Instant, proposal: ProposalId, verdict: Verdict, out: &mut Out) -> bool {
        let now = self.tick(now);
        let is_taken =
            self.hosts(out).is_some_and(|(hosting, mut ours)| hosting.decide(now, proposal, verdict, &mut ours));
        self.work(now, out);
        is_taken
    }

    /// The game's state after everything that was delivered up to `position`.
    pub fn on_snapshot(&mut self, now: Instant, position: Position, state: Bytes, out: &mut Out) {
        let now = self.tick(now);
        if let Some((hosting, mut ours)) = self.hosts(out) {
            hosting.on_state(now, position, state, &mut ours);
        }
        self.work(now, out);
    }

    /// The host wants another to be host: this one, or whoever is best. False: we are not host, or nobody can be.
    pub fn hand_over(&mut self, now: Instant, to: Option<PlayerId>, out: &mut Out) -> bool {
        let now = self.tick(now);
        let is_begun = self.begin_handing(now, to);
        self.work(now, out);
        is_begun
    }

    /// Time has passed.
    pub fn on_timeout(&mut self, now: Instant, out: &mut Out) {
        let now = self.tick(now);
        self.work(now, out);
    }

    /// Whether something is to be done because of the time.
    pub fn is_due(&self, now: Instant) -> bool {
        self.worked < now && self.deadline().is_some_and(|at| at <= now)
    }

    /// When something is to be done.
    pub fn deadline(&self) -> Option<Instant> {
        self.me.as_ref()?;
        let hosting = self.hosting.as_ref().and_then(|hosting| hosting.deadline(&self.snapshots));
        let own = earlier(self.suspicion_deadline(), self.rising_deadline());
        earlier(earlier(self.due(hosting), own), earlier(self.rounds_deadline(), self.handing_deadline()))
    }

    /// The view in force, as far as known.
    pub fn view(&self) -> Option<&View> {
        self.ballot.view()
    }

    /// The same with its proof.
    pub fn certified(&self) -> Option<&Certified> {
        self.ballot.certified()
    }

    /// Views that we have promised and that may come in force.
    pub fn promised(&self) -> Vec<View> {
        self.ballot.promised().cloned().collect()
    }

    /// What we do, the epoch in force, and the newest that is promised: whom we need links with follows from that.
    pub fn standing(&self) -> (Role, Epoch, Epoch) {
        (self.role(), self.ballot.epoch(), self.ballot.newest())
    }

    /// Whether [`Star::poll_entry`] can have anything for anybody.
    pub fn has_entries(&self) -> bool {
        let hosted = self.hosting.as_ref().zip(self.log.as_ref());
        self.serving.is_some() || hosted.is_some_and(|(hosting, log)| hosting.has_entries(log))
    }

    /// Whether we hold a log, or are about to.
    pub fn keeps_log(&self) -> bool {
        self.hosting.is_some() || self.has_log()
    }

    /// What is to be seen from outside.
    pub fn glance(&self) -> Glance {
        let log = self.log.as_ref().and_then(|log| Some((log.in_force().cut(), log.log_end()?)));
        let kept = self.log.as_ref().map_or(0, Log::bytes) + self.following.bytes() + self.publishing.bytes();
        Glance {
            role: self.role(),
            epoch: self.ballot.epoch(),
            promised: self.ballot.newest(),
            log,
            committed: self.following.committed(),
            bytes: kept + self.snapshots.bytes() + self.intake.bytes() + self.withheld.bytes() + self.proposals.bytes(),
        }
    }

    /// The entries of the log, if we hold one; while another is being copied, of the one before, which counts until then.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> + use<'_> {
        self.log.iter().flat_map(|log| log.in_force().entries())
    }

    /// Time never runs backwards.
    fn tick(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }

    /// What follows from what has happened, and from the time.
    fn work(&mut self, now: Instant, out: &mut Out) {
        if self.me.is_none() {
            return;
        }
        self.collect(now, out);
        self.hand(now, out);
        self.go_round(now, out);
        if let Some((hosting, mut ours)) = self.hosts(out) {
            hosting.work(now, &mut ours);
        }
        if self.hosting.is_none() {
            self.proposals.clear();
        }
        self.greet(now, out);
        self.suspect(now, out);
        self.worked = now;
    }

    /// The host's part and what it works with, if we are host.
    fn hosts<'a>(&'a mut self, out: &'a mut Out) -> Option<(&'a mut Hosting, Ours<'a>)> {
        let hosting = self.hosting.as_mut()?;
        let ours = Ours {
            log: self.log.as_mut().expect("a host holds the log"),
            following: &mut self.following,
            publishing: &mut self.publishing,
            proposals: &mut self.proposals,
            snapshots: &mut self.snapshots,
            out,
        };
        Some((hosting, ours))
    }
}
