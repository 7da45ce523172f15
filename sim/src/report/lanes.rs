//! A world with a server as a picture: a lane for each seat, time from left to right. A lane is filled while its player
//! is in its lobby, thick while it is host, and bears marks where it joins, comes back, loses its connection or ends;
//! what goes wrong with it is shaded. It shows what a trace holds and judges nothing.

use super::timeline::{SECOND, escape, seconds};
use crate::check::star::Life;
use crate::profile::Telling;
use crate::trace::{StarStep, Step, Trace};
use core::fmt::Write;
use std::collections::BTreeMap;
use webstar_core::id::PlayerId;

/// The height of the axis, and of a lane with the gap below it.
const AXIS: f64 = 26.0;
const LANE: f64 = 16.0;
const LANE_STEP: f64 = 26.0;

/// What a lane shows of whoever sits there.
#[derive(Clone, Copy, Debug, Default)]
struct Lane {
    player: Option<PlayerId>,
    joined_at: Option<f64>,
    hosts_since: Option<f64>,
}

/// What the colours mean.
pub(super) const LEGEND: &str = "<p class=\"legend\"><span class=\"box usable\">in the lobby</span>\
    <span class=\"box host\">believes to be host</span><span class=\"box opening\">comes</span>\
    <span class=\"box suspect\">loses something</span><span class=\"box dead\">is over</span>\
    <span class=\"box cut\">a fault</span><span class=\"box calm\">no faults</span>";

/// Whether there is anything for lanes in a trace.
pub(super) fn are_in(trace: &Trace) -> bool {
    trace.records().iter().any(|record| matches!(record.step, Step::Star(_)))
}

/// The names beside the lanes, and the lanes.
pub(super) fn draw(trace: &Trace, telling: &Telling) -> (String, String) {
    let seats = telling.wires.len();
    let last = trace.records().last().map_or(0.0, seconds);
    let end = last.max(telling.quiet_at.as_secs_f64()) + 0.1;
    let (width, height) = (end * SECOND, AXIS + seats as f64 * LANE_STEP + 6.0);
    let mut names = format!("<svg width=\"96\" height=\"{height:.0}\">");
    for (seat, wire) in telling.wires.iter().enumerate() {
        let what = wire.split_whitespace().next().unwrap_or_default();
        let y = y_of(seat) + LANE - 4.0;
        // Writing to a string cannot fail.
        let _ = write!(names, "<text x=\"90\" y=\"{y:.1}\" text-anchor=\"end\">{seat} {}</text>", escape(what));
    }
    let mut svg = format!("<svg width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\">\n");
    axis(&mut svg, end, height);
    faults(&mut svg, telling, width, height);
    let mut drawing = Drawing { svg, end, seats: BTreeMap::new(), lanes: BTreeMap::new() };
    for record in trace.records() {
        if let Step::Star(step) = record.step {
            drawing.step(seconds(record), step);
        }
    }
    drawing.finish();
    (names + "</svg>", drawing.svg + "</svg>")
}

fn y_of(seat: usize) -> f64 {
    AXIS + seat as f64 * LANE_STEP
}

fn axis(svg: &mut String, end: f64, height: f64) {
    for second in 0..=end as u32 {
        let x = f64::from(second) * SECOND;
        let _ = writeln!(
            svg,
            "<line class=\"tick\" x1=\"{x}\" x2=\"{x}\" y1=\"18\" y2=\"{height:.0}\"/><text class=\"dim\" x=\"{:.0}\" \
             y=\"13\">{second} s</text>",
            x + 3.0
        );
    }
}

fn faults(svg: &mut String, telling: &Telling, width: f64, height: f64) {
    let quiet = telling.quiet_at.as_secs_f64() * SECOND;
    let _ = writeln!(
        svg,
        "<rect class=\"calm\" x=\"{quiet:.1}\" y=\"18\" width=\"{:.1}\" height=\"{height:.0}\"><title>all faults are \
         over</title></rect>",
        (width - quiet).max(0.0)
    );
    for fault in &telling.faults {
        let x = fault.at.as_secs_f64() * SECOND;
        let lasts = fault.until.map_or(2.0, |until| (until.as_secs_f64() * SECOND - x).max(2.0));
        let y = y_of(usize::from(fault.wire)) - 4.0;
        let _ = writeln!(
            svg,
            "<rect class=\"cut\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{lasts:.1}\" height=\"{:.1}\"><title>{}</title></rect>",
            LANE + 8.0,
            escape(&fault.what)
        );
    }
}

struct Drawing {
    svg: String,
    end: f64,
    /// Where each life sits.
    seats: BTreeMap<Life, usize>,
    lanes: BTreeMap<Life, Lane>,
}

impl Drawing {
    fn step(&mut self, now: f64, step: StarStep) {
        match step {
            StarStep::Entered { seat, life } => {
                self.seats.insert(life, usize::from(seat.0));
                self.lanes.insert(life, Lane::default());
                self.mark(life, now, "opening", "sits down");
            }
            StarStep::Joined { life, player, host, resumed, .. } => {
                let lane = self.lanes.entry(life).or_default();
                lane.player = Some(player);
                lane.joined_at.get_or_insert(now);
                let word = if resumed { "is back" } else { "has joined" };
                self.mark(life, now, "usable", &format!("{word} as player {}", player.0));
                self.set_host(life, now, host);
            }
            StarStep::HostChanged { life, host, epoch } => {
                self.mark(life, now, "event", &format!("player {} is host, epoch {epoch}", host.0));
                self.set_host(life, now, Some(host));
            }
            StarStep::ContinuityLost { life, unacknowledged } => {
                self.mark(life, now, "suspect", &format!("gives up {unacknowledged} messages"));
            }
            StarStep::Reconnecting { life, attempt } => {
                self.bar(life, now);
                self.mark(life, now, "suspect", &format!("has lost the server, attempt {attempt}"));
            }
            StarStep::Full { life } => self.mark(life, now, "full", "a channel is full"),
            StarStep::Ended { life, why } => {
                self.set_host(life, now, None);
                self.bar(life, now);
                self.mark(life, now, "dead", why);
                self.lanes.remove(&life);
            }
            _ => {}
        }
    }

    /// The lane is filled up to now, and empty from here on.
    fn bar(&mut self, life: Life, now: f64) {
        let Some(since) = self.lanes.get_mut(&life).and_then(|lane| lane.joined_at.take()) else { return };
        self.rect(life, [since, now], "usable", "in the lobby");
    }

    fn set_host(&mut self, life: Life, now: f64, host: Option<PlayerId>) {
        let Some(lane) = self.lanes.get_mut(&life) else { return };
        let is_host = host.is_some() && host == lane.player;
        let since = if is_host {
            lane.hosts_since.get_or_insert(now);
            None
        } else {
            lane.hosts_since.take()
        };
        if let Some(since) = since {
            self.rect(life, [since, now], "host", "believes to be host");
        }
    }

    fn rect(&mut self, life: Life, [since, until]: [f64; 2], class: &str, title: &str) {
        let Some(seat) = self.seats.get(&life) else { return };
        // Who is host has a stripe below the lane.
        let (down, height) = if class == "host" { (LANE, 4.0) } else { (0.0, LANE) };
        let (x, width, y) = (since * SECOND, (until - since) * SECOND, y_of(*seat) + down);
        let _ = writeln!(
            self.svg,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height}\" rx=\"2\"><title>life \
             {} {title} {since:.3} to {until:.3} s</title></rect>",
            life.0
        );
    }

    fn mark(&mut self, life: Life, now: f64, class: &str, title: &str) {
        let Some(seat) = self.seats.get(&life) else { return };
        let (x, y) = (now * SECOND, y_of(*seat) + LANE / 2.0);
        let _ = writeln!(
            self.svg,
            "<g class=\"{class}\"><circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/><title>{now:.3} life {} {}</title></g>",
            life.0,
            escape(title)
        );
    }

    fn finish(&mut self) {
        for life in self.lanes.keys().copied().collect::<Vec<_>>() {
            let end = self.end;
            self.set_host(life, end, None);
            self.bar(life, end);
        }
    }
}
