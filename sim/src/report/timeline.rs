//! A run as a picture: a page of its own, with time from left to right. Two lanes face each other, every message is a
//! stroke from where it was submitted to where it arrived, the states of the paths lie as bands outside the lanes, and
//! faults are shaded through the whole height. It shows what a trace holds and judges nothing.

use super::lanes;
use crate::check::Red;
use crate::net::Side;
use crate::profile::{Nature, Telling};
use crate::trace::{Record, Step, Trace};
use core::fmt::Write;
use std::collections::BTreeMap;
use webstar_core::id::PathId;
use webstar_core::session::pipe::PathState;
use webstar_core::wire::frame::Delivery;

/// What a second takes.
pub(super) const SECOND: f64 = 320.0;
/// The height of the axis, of a band with the gap below it, and between the lanes.
const AXIS: f64 = 26.0;
const BAND: f64 = 13.0;
const BAND_STEP: f64 = 19.0;
const BETWEEN: f64 = 300.0;
const GAP: f64 = 16.0;

/// The page.
pub fn page(title: &str, trace: &Trace, telling: &Telling, red: Option<&Red>) -> String {
    let (looks, stage, script) = if lanes::are_in(trace) {
        let floor = lanes::Floor::read(trace, telling);
        let head = lanes::figures(&floor, telling) + lanes::legend();
        let stage = format!("<div class=\"lanes\">{head}{}</div>", lanes::stage(&floor, telling, red));
        (lanes::STYLE, stage, lanes::SCRIPT)
    } else {
        let picture = Picture::of(trace, telling);
        let (names, svg) = (picture.names(telling), picture.svg(trace, telling));
        let stage = format!(
            "{LEGEND}\n<div class=\"stage\"><div class=\"names\">{names}</div><div class=\"scroll\">{svg}</div></div>"
        );
        ("", stage, "")
    };
    let verdict = match red {
        None => "<b class=\"pill good\">nothing is broken</b>".to_string(),
        Some(red) => format!("<b class=\"pill bad\">{} is broken</b> {}", escape(red.check), escape(&red.why)),
    };
    let opening = escape(&super::story::opening(telling));
    let changes = escape(&super::story::changes(trace, telling));
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>{STYLE}{looks}</style>\n<header><h1>{title}</h1>\
         <p>{verdict}<span class=\"hash\">trace {:016x}</span></header>\n{stage}\n<details><summary>What was drawn</summary>\
         <pre>{opening}</pre></details>\n<details><summary>What happened</summary><pre>{changes}</pre></details>\n\
         <script>{script}</script></html>\n",
        trace.hash(),
    )
}

/// Where things lie.
struct Picture {
    wires: usize,
    width: f64,
    height: f64,
    end: f64,
}

impl Picture {
    fn of(trace: &Trace, telling: &Telling) -> Picture {
        let last = trace.records().last().map_or(0.0, seconds);
        let end = last.max(telling.quiet_at.as_secs_f64()) + 0.1;
        let wires = telling.wires.len();
        let mut picture = Picture { wires, width: end * SECOND, height: 0.0, end };
        picture.height = picture.band_y(Side::B, wires) + 6.0;
        picture
    }

    fn lane_y(&self, side: Side) -> f64 {
        let first = AXIS + self.wires as f64 * BAND_STEP + GAP;
        if side == Side::A { first } else { first + BETWEEN }
    }

    fn band_y(&self, side: Side, path: usize) -> f64 {
        let from = if side == Side::A { AXIS } else { self.lane_y(Side::B) + GAP };
        from + path as f64 * BAND_STEP
    }

    /// The names beside the bands and lanes; they stay where they are while time is scrolled.
    fn names(&self, telling: &Telling) -> String {
        let mut svg = format!("<svg width=\"96\" height=\"{:.0}\">", self.height);
        for side in Side::BOTH {
            for (path, wire) in telling.wires.iter().enumerate() {
                let name = wire.split(':').next().unwrap_or_default();
                let y = self.band_y(side, path) + BAND - 2.5;
                // Writing to a string cannot fail.
                let _ = write!(svg, "<text x=\"90\" y=\"{y:.1}\" text-anchor=\"end\" class=\"dim\">{name}</text>");
            }
            let y = self.lane_y(side) + 5.0;
            let _ = write!(svg, "<text x=\"90\" y=\"{y:.1}\" text-anchor=\"end\" class=\"lane\">{side:?}</text>");
        }
        svg + "</svg>"
    }

    fn svg(&self, trace: &Trace, telling: &Telling) -> String {
        let (width, height) = (self.width, self.height);
        let mut svg = format!("<svg width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\">\n");
        self.axis(&mut svg);
        self.faults(&mut svg, telling);
        self.bands(&mut svg, trace);
        self.messages(&mut svg, trace);
        for side in Side::BOTH {
            let y = self.lane_y(side);
            let _ = writeln!(svg, "<line class=\"rail\" x1=\"0\" x2=\"{width:.0}\" y1=\"{y}\" y2=\"{y}\"/>");
        }
        svg + "</svg>"
    }

    fn axis(&self, svg: &mut String) {
        for second in 0..=self.end as u32 {
            let x = f64::from(second) * SECOND;
            let _ = writeln!(
                svg,
                "<line class=\"tick\" x1=\"{x}\" x2=\"{x}\" y1=\"18\" y2=\"{:.0}\"/><text class=\"dim\" x=\"{:.0}\" \
                 y=\"13\">{second} s</text>",
                self.height,
                x + 3.0
            );
        }
    }

    fn faults(&self, svg: &mut String, telling: &Telling) {
        let quiet = telling.quiet_at.as_secs_f64() * SECOND;
        let _ = writeln!(
            svg,
            "<rect class=\"calm\" x=\"{quiet:.1}\" y=\"18\" width=\"{:.1}\" height=\"{:.0}\"><title>all faults are \
             over</title></rect>",
            (self.width - quiet).max(0.0),
            self.height
        );
        for fault in telling.faults.iter().filter(|fault| !fault.is_left_out) {
            let x = fault.at.as_secs_f64() * SECOND;
            let title = format!("wire {}: {}", fault.wire, escape(&fault.what));
            if let Some(until) = fault.until {
                let width = (until.as_secs_f64() * SECOND - x).max(1.0);
                let _ = writeln!(
                    svg,
                    "<rect class=\"cut\" x=\"{x:.1}\" y=\"18\" width=\"{width:.1}\" height=\"{:.0}\"><title>{title}\
                     </title></rect>",
                    self.height
                );
            } else if fault.nature != Nature::Relief {
                let _ = writeln!(
                    svg,
                    "<g class=\"event\"><line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"18\" y2=\"{:.0}\"/><circle cx=\"{x:.1}\" \
                     cy=\"21\" r=\"4\"/><title>{title}</title></g>",
                    self.height
                );
            }
        }
    }

    /// The states of each path as each side sees them, and a line below the one that is used.
    fn bands(&self, svg: &mut String, trace: &Trace) {
        let mut states: BTreeMap<(Side, usize), (f64, PathState)> = BTreeMap::new();
        let mut uses: BTreeMap<Side, (f64, Option<PathId>)> = BTreeMap::new();
        for record in trace.records() {
            let now = seconds(record);
            match record.step {
                Step::Path { side, path, from, to, .. } => {
                    let path = usize::from(path.0);
                    let (since, _) = states.insert((side, path), (now, to)).unwrap_or((0.0, from));
                    self.band(svg, side, path, since, now, from);
                }
                Step::Using { side, path } => {
                    let (since, before) = uses.insert(side, (now, path)).unwrap_or((now, None));
                    self.usage(svg, side, since, now, before);
                }
                _ => {}
            }
        }
        for ((side, path), (since, state)) in states {
            self.band(svg, side, path, since, self.end, state);
        }
        for (side, (since, path)) in uses {
            self.usage(svg, side, since, self.end, path);
        }
    }

    fn band(&self, svg: &mut String, side: Side, path: usize, since: f64, until: f64, state: PathState) {
        let (x, width, y) = (since * SECOND, (until - since) * SECOND, self.band_y(side, path));
        let class = match state {
            PathState::Opening => "opening",
            PathState::Usable => "usable",
            PathState::Suspect => "suspect",
            PathState::Dead => "dead",
        };
        let _ = writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAND}\" rx=\"2\"><title>{side:?} \
             path {path} {state:?} {since:.3} to {until:.3} s</title></rect>"
        );
    }

    fn usage(&self, svg: &mut String, side: Side, since: f64, until: f64, path: Option<PathId>) {
        let Some(path) = path else { return };
        let (from, to) = (since * SECOND, until * SECOND);
        let y = self.band_y(side, usize::from(path.0)) + BAND + 2.0;
        let _ = writeln!(svg, "<line class=\"used\" x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{y}\" y2=\"{y}\"/>");
    }

    fn messages(&self, svg: &mut String, trace: &Trace) {
        let mut underway: BTreeMap<(Side, u64), (f64, Delivery, u32)> = BTreeMap::new();
        for record in trace.records() {
            let now = seconds(record);
            match record.step {
                Step::Submitted { side, number, delivery, bytes, .. } => {
                    underway.insert((side, number), (now, delivery, bytes));
                }
                Step::Delivered { side, number: Some(number), .. } => {
                    if let Some(&(since, delivery, bytes)) = underway.get(&(side.other(), number)) {
                        underway.remove(&(side.other(), number));
                        self.stroke(svg, side.other(), since, now, delivery, bytes);
                    }
                }
                Step::Refused { side, .. } => {
                    let (x, y) = (now * SECOND, self.lane_y(side));
                    let _ = writeln!(svg, "<circle class=\"full\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>");
                }
                _ => {}
            }
        }
        for ((side, number), (since, delivery, bytes)) in underway {
            let (x, y) = (since * SECOND, self.lane_y(side));
            let end = if side == Side::A { y + 12.0 } else { y - 12.0 };
            let class = class_of(delivery);
            let _ = writeln!(
                svg,
                "<g class=\"{class} gone\"><line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{y}\" y2=\"{end}\"/><title>{side:?} \
                 {number}: {delivery:?}, {bytes} bytes, never delivered</title></g>"
            );
        }
    }

    fn stroke(&self, svg: &mut String, from: Side, since: f64, until: f64, delivery: Delivery, bytes: u32) {
        let (x1, x2) = (since * SECOND, until * SECOND);
        let (y1, y2) = (self.lane_y(from), self.lane_y(from.other()));
        // A message of a megabyte is six times as thick as an empty one.
        let thick = 0.8 + f64::from(u32::BITS - bytes.leading_zeros()) * 0.2;
        let late = (until - since) * 1e3;
        let class = class_of(delivery);
        let middle = (y1 + y2) / 2.0;
        let _ = writeln!(
            svg,
            "<path class=\"{class}\" stroke-width=\"{thick:.1}\" d=\"M{x1:.1} {y1}C{x1:.1} {middle} {x2:.1} {middle} \
             {x2:.1} {y2}\"><title>{delivery:?}, {bytes} bytes, {late:.0} ms</title></path>"
        );
    }
}

fn class_of(delivery: Delivery) -> &'static str {
    match delivery {
        Delivery::Ordered => "ordered",
        Delivery::Reliable => "reliable",
        Delivery::Latest => "latest",
        Delivery::Unreliable => "unreliable",
    }
}

pub(super) fn seconds(record: &Record) -> f64 {
    record.at.as_millis_f64() / 1e3
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const LEGEND: &str = "<p class=\"legend\"><span class=\"ordered\">ordered</span><span class=\"reliable\">reliable</span>\
    <span class=\"latest\">latest</span><span class=\"unreliable\">unreliable</span><i></i>\
    <span class=\"box opening\">opening</span><span class=\"box usable\">usable</span>\
    <span class=\"box suspect\">suspect</span><span class=\"box dead\">dead</span>\
    <span class=\"box cut\">cut</span><span class=\"box calm\">no faults</span>";

const STYLE: &str = ":root{color-scheme:light dark;--ground:#fbfbfa;--ink:#23262b;--ordered:#2563c9;--reliable:#12875a;\
    --latest:#b4690e;--unreliable:#8b5ac2;--opening:#9db4cf;--usable:#a5d3b6;--suspect:#eab54a;--dead:#d9625e;\
    --cut:#d9625e;--calm:#57b783}\
    @media(prefers-color-scheme:dark){:root{--ground:#15171b;--ink:#e3e6ea;--ordered:#6ba3f5;--reliable:#4cc795;\
    --latest:#e0a24c;--unreliable:#b78fe6;--opening:#5b7593;--usable:#2f6a4b;--suspect:#c08d2b;--dead:#b34a46}}\
    body{margin:28px;background:var(--ground);color:var(--ink);font:14px/1.5 system-ui,sans-serif}\
    h1{font-size:20px;margin:0}header p{margin:2px 0}.dim{opacity:.62}\
    .pill{display:inline-block;padding:1px 11px;border-radius:99px;margin-right:6px;font-size:12.5px}\
    .good{color:var(--reliable);background:color-mix(in srgb,var(--reliable) 14%,transparent)}\
    .bad{color:var(--dead);background:color-mix(in srgb,var(--dead) 14%,transparent)}\
    .hash{opacity:.55;font:12px ui-monospace,monospace;margin-left:8px}\
    .stage{display:flex;margin:14px 0;border:1px solid color-mix(in srgb,var(--ink) 14%,transparent);border-radius:8px;\
    overflow:hidden}.scroll{overflow-x:auto;flex:1}svg{display:block;font:11px system-ui,sans-serif}\
    text{fill:var(--ink)}.lane{font-size:15px;font-weight:600}.names{flex:none}\
    .tick{stroke:var(--ink);stroke-opacity:.09}.rail{stroke:var(--ink);stroke-width:2;stroke-opacity:.55}\
    path{fill:none;stroke-opacity:.5}path:hover{stroke-opacity:1;stroke-width:4}.gone line{stroke-width:1.4}\
    .ordered{stroke:var(--ordered)}.reliable{stroke:var(--reliable)}.latest{stroke:var(--latest)}\
    .unreliable{stroke:var(--unreliable)}.opening{fill:var(--opening)}.usable{fill:var(--usable)}\
    .suspect{fill:var(--suspect)}.dead{fill:var(--dead)}.host{fill:var(--ordered)}.used{stroke:var(--ink);stroke-width:2}\
    .cut{fill:var(--cut);fill-opacity:.11}.calm{fill:var(--calm);fill-opacity:.07}.full{fill:var(--dead)}\
    .event line{stroke:var(--cut);stroke-dasharray:3 4;stroke-opacity:.7}.event circle{fill:var(--cut)}\
    .legend{display:flex;flex-wrap:wrap;gap:4px 16px;margin:12px 0 0}.legend i{flex-basis:8px}\
    .legend span::before{content:'';display:inline-block;width:18px;height:3px;margin-right:6px;vertical-align:middle}\
    .legend .box::before{width:12px;height:12px;border-radius:2px}\
    .legend .ordered::before{background:var(--ordered)}.legend .reliable::before{background:var(--reliable)}\
    .legend .latest::before{background:var(--latest)}.legend .unreliable::before{background:var(--unreliable)}\
    .legend .opening::before{background:var(--opening)}.legend .usable::before{background:var(--usable)}\
    .legend .host::before{background:var(--ordered)}\
    .legend .suspect::before{background:var(--suspect)}.legend .dead::before{background:var(--dead)}\
    .legend .cut::before{background:var(--cut);opacity:.35}.legend .calm::before{background:var(--calm);opacity:.3}\
    pre{overflow-x:auto;font-size:12px}summary{cursor:pointer;margin:6px 0}";
