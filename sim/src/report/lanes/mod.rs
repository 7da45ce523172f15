//! What happened in a world with a server, read from its trace for a picture: who was in a lobby and followed whom, what
//! was said and heard, for how long acknowledgements were missing, and which views came. It judges nothing; how all that
//! looks is decided in `draw`.

mod draw;
mod look;
mod messages;

pub(super) use draw::{figures, legend, stage};
pub(super) use look::{SCRIPT, STYLE};

use super::timeline::seconds;
use crate::check::star::Life;
use crate::profile::Telling;
use crate::trace::{StarStep, Step, Trace};
use messages::Messages;
use std::collections::BTreeMap;
use webstar_core::id::PlayerId;
use webstar_core::wire::signal::Epoch;

/// Whether there is anything for lanes in a trace.
pub(super) fn are_in(trace: &Trace) -> bool {
    trace.records().iter().any(|record| matches!(record.step, Step::Star(_)))
}

/// Everything that the picture shows.
#[derive(Debug)]
pub(super) struct Floor {
    end: f64,
    settled_at: Option<f64>,
    stretches: Vec<Stretch>,
    marks: Vec<Mark>,
    views: Vec<ViewMark>,
    messages: Messages,
    /// Where the players of each lobby sit.
    seats: BTreeMap<(u8, PlayerId), usize>,
    host_changes: u32,
    lives: u32,
}

/// Somebody in a lobby, for as long as nothing about it changes.
#[derive(Clone, Debug)]
struct Stretch {
    seat: usize,
    from: f64,
    until: f64,
    life: Life,
    state: Standing,
}

/// What somebody in a lobby is for the time being.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Standing {
    player: PlayerId,
    /// The host that it follows.
    host: Option<PlayerId>,
    is_host: bool,
    /// Its connection to the server is lost.
    is_away: bool,
    role: Option<&'static str>,
    epoch: Epoch,
}

/// A moment of a life.
#[derive(Clone, Debug)]
struct Mark {
    seat: usize,
    at: f64,
    kind: MarkKind,
    what: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum MarkKind {
    Joined,
    Resumed,
    Doubt,
    Lost,
    Ended,
    Full,
    Promoted,
    Paused,
}

/// A view is heard of for the first time in a lobby.
#[derive(Clone, Debug)]
struct ViewMark {
    lobby: u8,
    at: f64,
    epoch: Epoch,
    host: Option<PlayerId>,
}

/// What is known of a life while the trace is read.
#[derive(Clone, Debug)]
struct Sitting {
    seat: usize,
    since: f64,
    standing: Option<Standing>,
}

/// Reads a trace from its beginning to its end.
struct Reader<'a> {
    telling: &'a Telling,
    sittings: BTreeMap<Life, Sitting>,
    newest: BTreeMap<u8, Epoch>,
    floor: Floor,
}

impl Floor {
    /// What a trace tells.
    pub(super) fn read(trace: &Trace, telling: &Telling) -> Floor {
        let last = trace.records().last().map_or(0.0, seconds);
        let end = last.max(telling.quiet_at.as_secs_f64()) + 0.2;
        let floor = Floor {
            end,
            settled_at: None,
            stretches: Vec::new(),
            marks: Vec::new(),
            views: Vec::new(),
            messages: Messages::new(end, telling.lanes.len()),
            seats: BTreeMap::new(),
            host_changes: 0,
            lives: 0,
        };
        let mut reader = Reader { telling, sittings: BTreeMap::new(), newest: BTreeMap::new(), floor };
        for record in trace.records() {
            match record.step {
                Step::Star(step) => reader.step(seconds(record), step),
                Step::Settled => reader.floor.settled_at = Some(seconds(record)),
                _ => {}
            }
        }
        reader.finish()
    }
}

impl Floor {
    /// Where a player of a lobby sits.
    fn seat(&self, lobby: u8, player: PlayerId) -> Option<usize> {
        self.seats.get(&(lobby, player)).copied()
    }
}

impl Reader<'_> {
    fn lobby(&self, seat: usize) -> u8 {
        self.telling.lanes.get(seat).map_or(0, |lane| lane.lobby)
    }

    fn step(&mut self, now: f64, step: StarStep) {
        match step {
            StarStep::Entered { seat, life } => {
                let seat = usize::from(seat.0);
                self.floor.lives += 1;
                self.sittings.insert(life, Sitting { seat, since: now, standing: None });
            }
            StarStep::Joined { life, player, host, epoch, resumed } => {
                self.joined(now, life, player, host, epoch, resumed);
            }
            StarStep::HostChanged { life, host, epoch } => {
                if let Some((seat, mut standing)) = self.standing(life) {
                    let lobby = self.lobby(seat);
                    (standing.host, standing.is_host, standing.epoch) = (Some(host), host == standing.player, epoch);
                    self.view(now, lobby, epoch, Some(host));
                    self.change(now, life, Some(standing));
                }
            }
            StarStep::Role { life, role, epoch, .. } => {
                if let Some((_, mut standing)) = self.standing(life) {
                    (standing.role, standing.epoch) = (Some(role), epoch);
                    standing.is_host = matches!(role, "hosting" | "frozen");
                    self.change(now, life, Some(standing));
                }
            }
            StarStep::Reconnecting { life, attempt } => {
                self.mark(life, now, MarkKind::Doubt, &format!("has lost the server, attempt {attempt}"));
                if let Some((_, mut standing)) = self.standing(life) {
                    standing.is_away = true;
                    self.change(now, life, Some(standing));
                }
            }
            StarStep::Ended { life, why } => {
                self.change(now, life, None);
                self.mark(life, now, MarkKind::Ended, &format!("is over: {why}"));
                self.floor.messages.over(now, life);
            }
            step => self.moment(now, step),
        }
    }

    /// What changes nobody's standing.
    fn moment(&mut self, now: f64, step: StarStep) {
        match step {
            StarStep::Suspects { life, player } => {
                self.mark(life, now, MarkKind::Doubt, &format!("no longer hears player {}", player.0));
            }
            StarStep::ContinuityLost { life } => {
                self.mark(life, now, MarkKind::Lost, "hears that continuity is lost");
            }
            StarStep::Resynced { life, position } => {
                self.mark(life, now, MarkKind::Lost, &format!("begins anew after place {position}"));
            }
            StarStep::Promoted { life, position, tail } => {
                let what = format!("goes on as host from place {position} with {tail} messages");
                self.mark(life, now, MarkKind::Promoted, &what);
            }
            StarStep::Paused { life } => self.mark(life, now, MarkKind::Paused, "nobody can be host now"),
            StarStep::Full { life } => self.mark(life, now, MarkKind::Full, "a channel is full"),
            StarStep::Said { life, number, channel, bytes, .. } => {
                if let Some(seat) = self.seat(life) {
                    self.floor.messages.said(now, life, seat, number, channel, bytes);
                }
            }
            StarStep::Heard { life, number: Some(number), .. } => {
                if let Some(seat) = self.seat(life) {
                    self.floor.messages.heard(now, seat, number);
                }
            }
            StarStep::Safe { life, number: Some(number) } => self.floor.messages.safe(now, life, number),
            StarStep::Frame { .. } => self.floor.messages.relayed(now),
            _ => {}
        }
    }

    fn joined(&mut self, now: f64, life: Life, player: PlayerId, host: Option<PlayerId>, epoch: Epoch, resumed: bool) {
        let Some(seat) = self.seat(life) else { return };
        let lobby = self.lobby(seat);
        self.floor.seats.insert((lobby, player), seat);
        let (kind, word) = if resumed { (MarkKind::Resumed, "is back") } else { (MarkKind::Joined, "has joined") };
        self.mark(life, now, kind, &format!("{word} as player {}", player.0));
        let role = self.standing(life).and_then(|(_, standing)| standing.role);
        let is_host = host == Some(player);
        if host.is_some() {
            self.view(now, lobby, epoch, host);
        }
        self.change(now, life, Some(Standing { player, host, is_host, is_away: false, role, epoch }));
    }

    fn seat(&self, life: Life) -> Option<usize> {
        self.sittings.get(&life).map(|sitting| sitting.seat)
    }

    fn standing(&self, life: Life) -> Option<(usize, Standing)> {
        self.sittings.get(&life).and_then(|sitting| Some((sitting.seat, sitting.standing?)))
    }

    /// From now on the life stands like this, or is in no lobby.
    fn change(&mut self, now: f64, life: Life, to: Option<Standing>) {
        let Some(sitting) = self.sittings.get_mut(&life) else { return };
        if sitting.standing == to {
            return;
        }
        let (seat, from) = (sitting.seat, core::mem::replace(&mut sitting.since, now));
        if let Some(state) = core::mem::replace(&mut sitting.standing, to) {
            self.floor.stretches.push(Stretch { seat, from, until: now, life, state });
        }
    }

    fn view(&mut self, now: f64, lobby: u8, epoch: Epoch, host: Option<PlayerId>) {
        let newest = self.newest.insert(lobby, epoch);
        if newest.is_some_and(|newest| newest >= epoch) {
            self.newest.extend(newest.map(|newest| (lobby, newest)));
            return;
        }
        self.floor.host_changes += u32::from(newest.is_some_and(|newest| newest.term != epoch.term));
        self.floor.views.push(ViewMark { lobby, at: now, epoch, host });
    }

    fn mark(&mut self, life: Life, at: f64, kind: MarkKind, what: &str) {
        if let Some(seat) = self.seat(life) {
            self.floor.marks.push(Mark { seat, at, kind, what: format!("life {} {what}", life.0) });
        }
    }

    fn finish(mut self) -> Floor {
        let end = self.floor.end;
        for life in self.sittings.keys().copied().collect::<Vec<_>>() {
            self.change(end, life, None);
            self.floor.messages.over(end, life);
        }
        self.floor
    }
}
