//! What is seen of the demo: a table that is drawn again and again on a terminal, sentences elsewhere, JSON for programs.
//! The last line is the summary in JSON in any case.

use super::tally::Tally;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};
use webstar_core::id::PlayerId;
use webstar_core::path::PathKind;
use webstar_smol::client::Client;

/// How often the table is drawn.
const EVERY: Duration = Duration::from_millis(250);

/// How a terminal is told to write on.
const PLAIN: &str = "\x1b[0m";
const GREEN: &str = "\x1b[1;32m";
const RED: &str = "\x1b[31m";

/// Standard output.
pub(super) struct Screen {
    is_json: bool,
    is_terminal: bool,
    drawn_at: Option<Instant>,
    /// Lines of the table that stands there.
    lines: usize,
}

impl Screen {
    pub(super) fn new(is_json: bool) -> Self {
        let is_terminal = !is_json && io::stdout().is_terminal();
        Screen { is_json, is_terminal, drawn_at: None, lines: 0 }
    }

    /// Tells what has happened.
    pub(super) fn tell(&mut self, event: &Value, text: &str) {
        if self.is_json {
            self.write(&format!("{event}\n"));
        } else {
            self.write_over(&format!("{text}\n"));
        }
    }

    /// Draws the table, if there is a terminal and it is time.
    pub(super) fn show(
        &mut self,
        elapsed: Duration,
        players: &BTreeMap<PlayerId, Client>,
        tally: &Tally,
        hosts: &BTreeMap<PlayerId, PlayerId>,
    ) {
        if !self.is_terminal || self.drawn_at.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        self.drawn_at = Some(Instant::now());
        let table = draw(elapsed, players, tally, hosts);
        self.write_over(&table);
        self.lines = table.lines().count();
    }

    /// The last words.
    pub(super) fn end(&mut self, summary: &Value) {
        if !self.is_json {
            let number = |name: &str| summary[name].as_u64().unwrap_or_default();
            let text = format!(
                "{} messages were sent and {} heard: {} lost, {} doubled, {} out of order, {} altered\n",
                number("sent"),
                number("delivered"),
                number("lost"),
                number("duplicated"),
                number("reordered"),
                number("altered"),
            );
            self.write_over(&text);
        }
        self.write(&format!("{summary}\n"));
    }

    /// In place of the table.
    fn write_over(&mut self, text: &str) {
        let lines = std::mem::take(&mut self.lines);
        let up = if lines > 0 { format!("\x1b[{lines}A\x1b[J") } else { String::new() };
        self.write(&format!("{up}{text}"));
    }

    /// Nobody reads any more: the exit code still tells.
    fn write(&mut self, text: &str) {
        let mut out = io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

fn draw(
    elapsed: Duration,
    players: &BTreeMap<PlayerId, Client>,
    tally: &Tally,
    hosts: &BTreeMap<PlayerId, PlayerId>,
) -> String {
    let mut table = format!("{:>6.1} s       way to the host    round trip     sent    heard\n", elapsed.as_secs_f64());
    for (player, seat) in &tally.seats {
        let host = hosts.get(player).copied();
        let stats = players.get(player).filter(|_| host != Some(*player)).map(Client::stats).unwrap_or_default();
        let way = stats.iter().find(|other| Some(other.player) == host);
        let name = match way.and_then(|way| way.path) {
            Some(PathKind::Srtp) => "srtp",
            Some(PathKind::Sctp) => "sctp",
            Some(PathKind::Relay) => "relay",
            Some(PathKind::External) | None => "",
        };
        let (role, look) = if seat.is_gone {
            ("cut off", RED)
        } else if host == Some(*player) {
            ("HOST", GREEN)
        } else {
            (name, PLAIN)
        };
        let rtt = way.and_then(|way| way.rtt).filter(|_| !seat.is_gone);
        let rtt = rtt.map_or(String::new(), |rtt| format!("{:.1} ms", rtt.as_secs_f64() * 1e3));
        let sent: u64 = seat.sent.iter().sum();
        let _ =
            writeln!(table, "player {:<3} {look}{role:>19}{PLAIN} {rtt:>13} {sent:>8} {:>8}", player.0, seat.delivered);
    }
    table
}
