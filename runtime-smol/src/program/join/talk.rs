//! The loop of `join`: events out, lines in, floods and numbers by the clock. Every line is sent, or told why not.

use super::ending::{code_of, reason_of, sentence};
use super::flood::Flooding;
use super::history::History;
use super::lines::{self, Line};
use super::print::Printer;
use super::settings::Settings;
use async_channel::Receiver;
use async_io::Timer;
use async_signal::{Signal, Signals};
use futures_lite::StreamExt;
use futures_lite::future::{self, race};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use webstar_core::id::{CommandId, PlayerId};
use webstar_core::path::{PathKind, Step};
use webstar_core::peer::{Destination, Ended, PeerEvent, SendError, Wish};
use webstar_core::session::pipe::PathState;
use webstar_smol::client::{Client, now};

/// Events told before the output is flushed.
const EVENTS_PER_FLUSH: usize = 256;
/// Messages of a flood sent before events are looked at again.
const FLOOD_PER_TURN: usize = 64;
/// After a second signal nobody waits any more: what a shell says of a program that was interrupted.
const INTERRUPTED: i32 = 130;

/// What may happen next.
enum Turn {
    Event(Option<PeerEvent>),
    Line(Option<Line>),
    Flood,
    Stats,
    Signal,
}

/// A conversation.
struct Talk {
    client: Client,
    settings: Settings,
    printer: Printer,
    lines: Receiver<Line>,
    /// The line that could not be sent yet.
    waiting: Option<Line>,
    flooding: Option<Flooding>,
    /// When the numbers are told next.
    stats_at: Option<Instant>,
    me: Option<PlayerId>,
    /// The input has not ended.
    is_open: bool,
    /// Nothing can be sent before something has happened.
    is_blocked: bool,
    is_leaving: bool,
    asked: BTreeMap<CommandId, &'static str>,
    history: History,
    /// Players of whom it was told that no way leads to them.
    unreached: BTreeSet<PlayerId>,
}

/// Talks until the end, and answers the exit code.
pub(super) fn talk(settings: Settings) -> u8 {
    let client = match Client::start(settings.options.clone()) {
        Ok(client) => client,
        Err(error) => {
            eprintln!("webstar: {error}");
            return 2;
        }
    };
    let mut signals = match Signals::new([Signal::Int, Signal::Term]) {
        Ok(signals) => signals,
        Err(error) => {
            eprintln!("webstar: the system grants no signals: {error}");
            return 2;
        }
    };
    let mut talk = Talk {
        client,
        printer: Printer::new(settings.json),
        lines: lines::of_input(),
        waiting: None,
        flooding: settings.flood.map(Flooding::new),
        stats_at: settings.stats.map(|every| Instant::now() + every),
        settings,
        me: None,
        is_open: true,
        is_blocked: true,
        is_leaving: false,
        asked: BTreeMap::new(),
        history: History::default(),
        unreached: BTreeSet::new(),
    };
    let ended = async_io::block_on(talk.run(&mut signals));
    talk.printer.flush();
    if ended != Ended::Left {
        eprintln!("webstar: {}: {}", reason_of(&ended), sentence(&ended));
    }
    code_of(&ended)
}

impl Talk {
    async fn run(&mut self, signals: &mut Signals) -> Ended {
        loop {
            self.printer.flush();
            if self.printer.is_broken() {
                self.leave();
            }
            match self.turn(signals).await {
                Turn::Event(event) => {
                    let mut event = event;
                    for _ in 0..EVENTS_PER_FLUSH {
                        match event {
                            Some(PeerEvent::Closed(ended)) => {
                                self.printer.event(&PeerEvent::Closed(ended.clone()));
                                return ended;
                            }
                            Some(happened) => self.on_event(&happened),
                            None => break,
                        }
                        event = self.client.try_next_event();
                    }
                    if let Some(event) = event {
                        self.on_event(&event);
                    }
                }
                Turn::Line(Some(line)) => self.on_line(line),
                Turn::Line(None) => self.is_open = false,
                Turn::Flood => self.flood(),
                Turn::Stats => {
                    self.stats_at = self.settings.stats.map(|every| Instant::now() + every);
                    self.stats().await;
                }
                Turn::Signal if self.is_leaving => {
                    self.printer.flush();
                    std::process::exit(INTERRUPTED);
                }
                Turn::Signal => self.leave(),
            }
            self.leave_when_done();
        }
    }

    /// Waits for whatever comes first.
    async fn turn(&mut self, signals: &mut Signals) -> Turn {
        let event = async { Turn::Event(self.client.next_event().await) };
        let may_talk = !self.is_blocked && !self.is_leaving;
        // What was asked before the next line is answered before it.
        let is_asked = self.stats_at.is_some_and(|at| at <= Instant::now());
        let line = async {
            match may_talk && !is_asked && self.is_open && self.waiting.is_none() {
                true => Turn::Line(self.lines.recv().await.ok()),
                false => future::pending().await,
            }
        };
        let flood_at = match &mut self.flooding {
            Some(flooding) if may_talk && !flooding.is_done() => Some(flooding.next_at(now())),
            _ => None,
        };
        let flood = async {
            match flood_at {
                Some(at) => sleep(at.since(now())).await,
                None => future::pending().await,
            }
            Turn::Flood
        };
        let stats_at = self.stats_at;
        let stats = async {
            match stats_at {
                Some(at) => Timer::at(at).await,
                None => future::pending().await,
            };
            Turn::Stats
        };
        let signal = async {
            signals.next().await;
            Turn::Signal
        };
        race(race(event, line), race(flood, race(stats, signal))).await
    }

    fn on_event(&mut self, event: &PeerEvent) {
        match event {
            PeerEvent::Joined { player, lobby, resumed, .. } => {
                self.me = Some(*player);
                if !resumed && self.settings.options.request.wish == Wish::New {
                    self.printer.code(lobby);
                }
                self.is_blocked = false;
            }
            PeerEvent::HostChanged { .. } => self.is_blocked = false,
            PeerEvent::Drained(channel) if *channel == self.settings.channel => self.is_blocked = false,
            PeerEvent::Done { command, outcome } => {
                if let (Some(name), Ok(())) = (self.asked.remove(command), outcome) {
                    self.printer.done(name);
                }
            }
            PeerEvent::Path { player, path, state: PathState::Usable, .. } if *path != PathKind::Relay => {
                self.unreached.remove(player);
            }
            PeerEvent::Mending { player, step, .. } => self.on_mending(*player, *step),
            PeerEvent::SnapshotWanted { position } => self.client.snapshot(*position, self.history.state()),
            _ => {}
        }
        if let Some(position) = self.history.on_event(event) {
            self.printer.history(position, &self.history);
        }
        self.printer.event(event);
        if !self.is_blocked
            && let Some(line) = self.waiting.take()
        {
            self.on_line(line);
        }
    }

    async fn stats(&mut self) {
        let direct = self.client.direct_stats().await;
        self.printer.stats(&self.client.stats(), self.client.landed(), &direct);
    }

    /// A player cannot be reached directly, and nothing goes through the server: only people can help.
    fn on_mending(&mut self, player: PlayerId, step: Step) {
        let is_lost = step == Step::Background && !self.settings.options.config.allow_relay;
        if is_lost && self.unreached.insert(player) {
            let who = player.0;
            let words = match self.settings.options.config.relayed_only {
                true => format!(
                    "no way to player {who} over a TURN server is found; it is tried on. Name one that works with --turn, \
                     or with `webstar serve --turn` for all; --mode hybrid goes through the server"
                ),
                false => format!(
                    "no direct way to player {who} is found; it is tried on. --mode hybrid goes through the server; \
                     servers of --stun and --turn find more ways"
                ),
            };
            self.printer.error("no_direct_path", &words);
        }
    }

    fn on_line(&mut self, line: Line) {
        match line {
            Line::Say { to, kind, text } => {
                if !self.send(&to, &kind, &text) {
                    self.waiting = Some(Line::Say { to, kind, text });
                }
            }
            Line::Ask(command, name) => match self.client.command(command) {
                Ok(id) => {
                    self.asked.insert(id, name);
                }
                Err(error) => self.printer.error("not_asked", &format!("/{name}: {error}")),
            },
            Line::Decide(proposal, verdict) => {
                if let Err(error) = self.client.decide(proposal, verdict) {
                    self.printer.error("not_decided", &error.to_string());
                }
            }
            Line::Stats => self.stats_at = Some(Instant::now()),
            Line::Leave => self.leave(),
            Line::Hint(hint) => self.printer.error("not_sent", &hint),
        }
    }

    /// False: it has to wait.
    fn send(&mut self, to: &Destination, kind: &str, text: &[u8]) -> bool {
        let channel = self.settings.channel;
        match self.client.send(to, channel, kind, text.to_vec()) {
            Ok(sent) => self.printer.sent(sent),
            Err(SendError::Full { queued }) => {
                self.is_blocked = true;
                self.printer.full(channel, queued);
                return false;
            }
            Err(SendError::NotJoined) => {
                self.is_blocked = true;
                return false;
            }
            Err(error) => self.printer.error("not_sent", &error.to_string()),
        }
        true
    }

    fn flood(&mut self) {
        let Some(mut flooding) = self.flooding.take() else { return };
        let me = self.me.unwrap_or(PlayerId(0));
        for _ in 0..FLOOD_PER_TURN {
            let is_due = !flooding.is_done() && flooding.next_at(now()) <= now();
            if !is_due || !self.send(&Destination::All, "flood", &flooding.payload(me)) {
                break;
            }
            flooding.on_sent();
            if flooding.is_done() {
                self.printer.flooded(flooding.sent());
            }
        }
        self.flooding = Some(flooding);
    }

    /// The end of the input is the end, once everything before it was taken.
    fn leave_when_done(&mut self) {
        let is_talking = self.is_open || self.waiting.is_some();
        let is_flooding = self.flooding.as_ref().is_some_and(|flooding| !flooding.is_done());
        if !self.settings.stay && !is_talking && !is_flooding {
            self.leave();
        }
    }

    fn leave(&mut self) {
        if !self.is_leaving {
            self.is_leaving = true;
            self.client.begin_leaving();
        }
    }
}

async fn sleep(duration: Duration) {
    if !duration.is_zero() {
        Timer::after(duration).await;
    }
}
