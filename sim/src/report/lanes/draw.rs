//! A world with a server as a picture: a lane for the server and for each seat, time from left to right. A lane has the
//! colour of the host that its player follows, and is full of it where the player is host itself; above lie the faults,
//! below the busyness. Boxes and marks are elements whose places are shares of the width, so that the picture can be
//! stretched without stretching what is written in it; only lines are drawn as SVG.

use super::messages::{STEP, Stroke};
use super::{Floor, Mark, MarkKind, Standing};
use crate::check::Red;
use crate::profile::{LaneTelling, Nature, Telling};
use crate::report::timeline::escape;
use core::fmt::Write;
use std::collections::BTreeMap;

/// Heights: of the axis, of a lobby's heading, of a lane, and of what lies in a lane.
const AXIS: f64 = 26.0;
const HEADING: f64 = 34.0;
const LANE: f64 = 52.0;
const BAR_TOP: f64 = 17.0;
const BAR: f64 = 17.0;
const BUSY_TOP: f64 = 39.0;
const BUSY: f64 = 11.0;
/// Hosts have so many colours.
const COLOURS: usize = 8;

/// Where things lie from top to bottom.
struct Layout {
    /// By lobby.
    headings: BTreeMap<u8, f64>,
    /// By seat.
    lanes: Vec<f64>,
    /// By seat: its colour. Neighbours differ.
    colours: Vec<usize>,
    height: f64,
}

impl Layout {
    fn of(telling: &Telling) -> Layout {
        let mut y = AXIS + LANE;
        let count = telling.lanes.len();
        let (headings, lanes, colours) = (BTreeMap::new(), vec![0.0; count], vec![0; count]);
        let mut layout = Layout { headings, lanes, colours, height: 0.0 };
        let mut colour = 0;
        let lobbies: std::collections::BTreeSet<u8> = telling.lanes.iter().map(|lane| lane.lobby).collect();
        for lobby in lobbies {
            layout.headings.insert(lobby, y);
            y += HEADING;
            for (seat, _) in telling.lanes.iter().enumerate().filter(|(_, lane)| lane.lobby == lobby) {
                (layout.lanes[seat], layout.colours[seat]) = (y, colour % COLOURS);
                colour += 1;
                y += LANE;
            }
        }
        layout.height = y + 8.0;
        layout
    }

    fn lane(&self, seat: usize) -> f64 {
        self.lanes.get(seat).copied().unwrap_or(AXIS)
    }

    /// The colour of whoever sits there.
    fn colour(&self, seat: usize) -> String {
        format!("h{}", self.colours.get(seat).copied().unwrap_or(0))
    }

    /// Where the lanes of a lobby end.
    fn end_of(&self, lobby: u8) -> f64 {
        self.headings.range(lobby + 1..).next().map_or(self.height - 8.0, |(_, y)| *y)
    }
}

/// The whole stage: names that stay, and time that is scrolled.
pub(in crate::report) fn stage(floor: &Floor, telling: &Telling, red: Option<&Red>) -> String {
    let layout = Layout::of(telling);
    let mut paper = Paper { html: String::new(), end: floor.end, layout: &layout };
    paper.axis();
    paper.quiet(floor, telling);
    paper.lines(floor, telling);
    paper.faults(telling);
    paper.stretches(floor, telling);
    paper.gaps(floor);
    paper.views(floor);
    for mark in &floor.marks {
        paper.mark(mark);
    }
    if let Some(red) = red {
        let (x, tip) = (paper.share(floor.end - 0.2), escape(&format!("{}\n{}", red.check, red.why)));
        paper.put(format_args!("<b class=\"broken\" style=\"left:{x}\" data-tip=\"{tip}\">broken</b>"));
    }
    format!(
        "<input type=\"radio\" name=\"zoom\" id=\"z1\" checked><input type=\"radio\" name=\"zoom\" id=\"z4\"><input \
         type=\"radio\" name=\"zoom\" id=\"z16\"><div class=\"zoom\"><label for=\"z1\">all</label><label for=\"z4\">4×\
         </label><label for=\"z16\">16×</label></div><div class=\"stage\"><div class=\"names\" style=\"height:{0:.0}px\">{1}\
         </div><div class=\"scroll\"><div class=\"time\" style=\"height:{0:.0}px\" data-end=\"{2}\">{3}<i class=\"hair\"></i>\
         </div></div></div>",
        layout.height,
        names(telling, &layout),
        floor.end,
        paper.html
    )
}

fn names(telling: &Telling, layout: &Layout) -> String {
    let mut html =
        format!("<div class=\"name\" style=\"top:{AXIS}px\"><b>server</b><small>frames a second</small></div>");
    for (lobby, y) in &layout.headings {
        // Writing to a string cannot fail.
        let _ = write!(html, "<div class=\"lobby\" style=\"top:{y}px\">lobby {lobby}</div>");
    }
    for (seat, LaneTelling { part, .. }) in telling.lanes.iter().enumerate() {
        let (y, tip) = (layout.lane(seat), telling.wires.get(seat).map_or(String::new(), |wire| escape(wire)));
        let _ = write!(
            html,
            "<div class=\"name {}\" style=\"top:{y}px\" data-tip=\"{tip}\"><b>seat {seat}</b><small>{part}</small></div>",
            layout.colour(seat)
        );
    }
    html
}

/// What is being drawn.
struct Paper<'a> {
    html: String,
    end: f64,
    layout: &'a Layout,
}

impl Paper<'_> {
    fn put(&mut self, what: core::fmt::Arguments<'_>) {
        let _ = self.html.write_fmt(what);
        self.html.push('\n');
    }

    /// A moment as a share of the width.
    fn share(&self, at: f64) -> String {
        format!("{:.3}%", (at / self.end * 100.0).clamp(0.0, 100.0))
    }

    fn span(&self, from: f64, until: f64) -> String {
        let width = ((until - from) / self.end * 100.0).max(0.0);
        format!("left:{};width:{width:.3}%", self.share(from))
    }

    fn axis(&mut self) {
        let step = [1, 2, 5, 10, 20, 60].into_iter().find(|step| self.end / f64::from(*step) <= 26.0).unwrap_or(120);
        for second in (0..self.end as u32).step_by(step as usize) {
            let x = self.share(f64::from(second));
            self.put(format_args!("<i class=\"tick\" style=\"left:{x}\"><span>{second} s</span></i>"));
        }
        self.put(format_args!("<div class=\"row\" style=\"top:{AXIS}px;height:{LANE}px\"></div>"));
        for y in self.layout.lanes.clone() {
            self.put(format_args!("<div class=\"row\" style=\"top:{y}px;height:{LANE}px\"></div>"));
        }
        for y in self.layout.headings.values().copied().collect::<Vec<_>>() {
            self.put(format_args!("<div class=\"heading\" style=\"top:{y}px;height:{HEADING}px\"></div>"));
        }
    }

    fn quiet(&mut self, floor: &Floor, telling: &Telling) {
        let from = telling.quiet_at.as_secs_f64();
        let span = self.span(from, self.end);
        self.put(format_args!("<div class=\"calm\" style=\"{span}\"><span>no more faults</span></div>"));
        if let Some(at) = floor.settled_at {
            let x = self.share(at);
            self.put(format_args!("<i class=\"settled\" style=\"left:{x}\" data-tip=\"everything has arrived\"></i>"));
        }
    }

    fn faults(&mut self, telling: &Telling) {
        // By lane: when the labels that were set end. One that would lie on another is left to the hovering.
        let mut taken: BTreeMap<u16, f64> = BTreeMap::new();
        for fault in telling.faults.iter().filter(|fault| !fault.is_left_out && fault.nature != Nature::Relief) {
            let at = fault.at.as_secs_f64();
            let y = if fault.wire == Telling::SERVER { AXIS } else { self.layout.lane(fault.wire.into()) };
            let tip = escape(&fault.what);
            match (fault.until.map(|until| until.as_secs_f64()), fault.nature) {
                (Some(until), _) => {
                    let span = self.span(at, until.max(at));
                    let free = taken.get(&fault.wire).is_none_or(|taken| *taken <= at);
                    let label = if free { tip.as_str() } else { "" };
                    taken.entry(fault.wire).and_modify(|taken| *taken = taken.max(until)).or_insert(until);
                    self.put(format_args!(
                        "<div class=\"fault\" style=\"top:{y}px;height:{LANE}px;{span}\" data-tip=\"{tip}\nfrom {at:.2} s \
                         to {until:.2} s\"><span>{label}</span></div>"
                    ));
                }
                (None, nature) => {
                    let (x, top) = (self.share(at), y + 2.0);
                    let class = if nature == Nature::Weather { "weather" } else { "strike" };
                    self.put(format_args!(
                        "<i class=\"{class}\" style=\"top:{top}px;left:{x}\" data-tip=\"{at:.2} s: {tip}\"></i>"
                    ));
                }
            }
        }
    }

    /// Messages and busyness: all that is lines.
    fn lines(&mut self, floor: &Floor, telling: &Telling) {
        let (width, height) = (floor.end * 1e3, self.layout.height);
        let mut svg =
            format!("<svg viewBox=\"0 0 {width:.0} {height:.0}\" preserveAspectRatio=\"none\" height=\"{height:.0}\">");
        for seat in 0..telling.lanes.len() {
            let busy = floor.messages.busyness(seat);
            let y = self.layout.lane(seat);
            area(&mut svg, "heard", y, busy.iter().map(|[_, heard]| *heard));
            area(&mut svg, "said", y, busy.iter().map(|[said, _]| *said));
        }
        let relayed = &floor.messages.relayed;
        let most = f64::from(relayed.iter().copied().max().unwrap_or(0).max(1));
        area(&mut svg, "relayed", AXIS, relayed.iter().map(|count| f64::from(*count) / most));
        for stroke in floor.messages.strokes() {
            self.stroke(&mut svg, &stroke);
        }
        self.html.push_str(&svg);
        self.html.push_str("</svg>\n");
    }

    fn stroke(&self, svg: &mut String, stroke: &Stroke) {
        let middle = |seat: usize| self.layout.lane(seat) + BAR_TOP + BAR / 2.0;
        let ((from, said), (to, heard)) = (stroke.from, stroke.to);
        let channel = stroke.channel.map_or("server", crate::trace::channel_name);
        let late = if stroke.is_late { " late" } else { "" };
        let _ = writeln!(
            svg,
            "<path class=\"{channel} l{}{late}\" d=\"M{:.0} {}L{:.0} {}\" data-tip=\"{channel}, {} bytes\nseat {from} to seat \
             {to} in {:.0} ms\"/>",
            stroke.level,
            said * 1e3,
            middle(from),
            heard * 1e3,
            middle(to),
            stroke.bytes,
            (heard - said) * 1e3
        );
    }

    fn stretches(&mut self, floor: &Floor, telling: &Telling) {
        for stretch in &floor.stretches {
            let Standing { player, host, is_host, is_away, role, epoch } = stretch.state;
            let (y, span) = (self.layout.lane(stretch.seat) + BAR_TOP, self.span(stretch.from, stretch.until));
            let lobby = telling.lanes.get(stretch.seat).map_or(0, |lane| lane.lobby);
            let of = if is_host { Some(stretch.seat) } else { host.and_then(|host| floor.seat(lobby, host)) };
            let colour = of.map(|seat| self.layout.colour(seat)).unwrap_or_default();
            let kind = match (is_host, is_away) {
                (true, true) => "host away",
                (true, false) => "host",
                (false, true) => "away",
                (false, false) => "",
            };
            let role_class = role.unwrap_or_default();
            let role = role.map_or_else(|| if is_host { "host" } else { "in the lobby" }.to_string(), String::from);
            let away = if is_away { ", without the server" } else { "" };
            let is_wide = stretch.until - stretch.from > self.end * 0.05;
            let label = if is_host && is_wide { format!("host · {epoch}") } else { String::new() };
            self.put(format_args!(
                "<div class=\"bar {kind} {role_class} {colour}\" style=\"top:{y}px;height:{BAR}px;{span}\" data-tip=\"player {} \
                 {role}{away}\nepoch {epoch}, {:.2} s to {:.2} s\nlife {}\"><span>{label}</span></div>",
                player.0, stretch.from, stretch.until, stretch.life.0
            ));
        }
    }

    fn gaps(&mut self, floor: &Floor) {
        for gap in &floor.messages.gaps {
            let (y, span) = (self.layout.lane(gap.seat) + BAR_TOP + BAR + 1.0, self.span(gap.from, gap.until));
            let lasts = (gap.until - gap.from) * 1e3;
            self.put(format_args!(
                "<div class=\"gap\" style=\"top:{y}px;{span}\" data-tip=\"messages without acknowledgement\nfor {lasts:.0} ms\">\
                 </div>"
            ));
        }
    }

    fn views(&mut self, floor: &Floor) {
        // By lobby: where the last label was set, and in which of the two rows.
        let mut before: BTreeMap<u8, (f64, u8)> = BTreeMap::new();
        for view in &floor.views {
            let Some(top) = self.layout.headings.get(&view.lobby).copied() else { continue };
            let (x, height) = (self.share(view.at), self.layout.end_of(view.lobby) - top);
            let (last, row) = before.get(&view.lobby).copied().unwrap_or((f64::MIN, 1));
            let row = if (view.at - last) / self.end < 0.09 { 1 - row } else { 0 };
            before.insert(view.lobby, (view.at, row));
            let host = view.host.map_or_else(|| "no host".into(), |host| format!("player {}", host.0));
            let seat = view.host.and_then(|host| floor.seat(view.lobby, host));
            let colour = seat.map(|seat| self.layout.colour(seat)).unwrap_or_default();
            let seat = seat.map_or_else(String::new, |seat| format!(" at seat {seat}"));
            let round = if view.epoch.round == 0 { "" } else { " light" };
            self.put(format_args!(
                "<i class=\"view{round} r{row} {colour}\" style=\"top:{top}px;height:{height}px;left:{x}\" data-tip=\"epoch {}: \
                 {host}{seat} is host\nfirst heard of at {:.3} s\"><span>{} {host}</span></i>",
                view.epoch, view.at, view.epoch
            ));
        }
    }

    fn mark(&mut self, mark: &Mark) {
        let (x, y) = (self.share(mark.at), self.layout.lane(mark.seat) + BAR_TOP + BAR / 2.0);
        let class = match mark.kind {
            MarkKind::Joined => "joined",
            MarkKind::Resumed => "resumed",
            MarkKind::Doubt => "doubt",
            MarkKind::Lost => "lost",
            MarkKind::Ended => "ended",
            MarkKind::Full => "full",
            MarkKind::Promoted => "promoted",
            MarkKind::Paused => "paused",
        };
        let tip = escape(&format!("{:.3} s: {}", mark.at, mark.what));
        self.put(format_args!("<i class=\"mark {class}\" style=\"top:{y}px;left:{x}\" data-tip=\"{tip}\"></i>"));
    }
}

/// How busy a lane is, as an area above its bottom.
fn area(svg: &mut String, class: &str, lane: f64, shares: impl Iterator<Item = f64>) {
    let bottom = lane + BUSY_TOP + BUSY;
    let mut path = format!("M0 {bottom}");
    let mut last = 0.0;
    for (step, share) in shares.enumerate() {
        let (from, to, y) =
            (step as f64 * STEP * 1e3, (step + 1) as f64 * STEP * 1e3, bottom - share.clamp(0.0, 1.0) * BUSY);
        let _ = write!(path, "L{from:.0} {y:.1}L{to:.0} {y:.1}");
        last = to;
    }
    let _ = writeln!(svg, "<path class=\"area {class}\" d=\"{path}L{last:.0} {bottom}Z\"/>");
}

/// The run in figures.
pub(in crate::report) fn figures(floor: &Floor, telling: &Telling) -> String {
    let [said, heard] = floor.messages.counts();
    let lobbies = telling.lanes.iter().map(|lane| lane.lobby).max().map_or(0, |most| u32::from(most) + 1);
    let longest = floor.messages.gaps.iter().map(|gap| gap.until - gap.from).fold(0.0, f64::max);
    let faults = telling.faults.iter().filter(|fault| fault.nature == Nature::Harm && !fault.is_left_out).count();
    let mut html = String::from("<dl>");
    for (what, value) in [
        ("seconds", format!("{:.1}", floor.end - 0.2)),
        ("seats", telling.lanes.len().to_string()),
        ("lobbies", lobbies.to_string()),
        ("lives", floor.lives.to_string()),
        ("faults", faults.to_string()),
        ("host changes", floor.host_changes.to_string()),
        ("said", said.to_string()),
        ("heard", heard.to_string()),
        ("acknowledged", floor.messages.acked.to_string()),
        ("longest wait", format!("{longest:.2} s")),
    ] {
        let _ = write!(html, "<div><dd>{value}</dd><dt>{what}</dt></div>");
    }
    html + "</dl>"
}

/// What the shapes mean.
pub(in crate::report) fn legend() -> &'static str {
    "<p class=\"key\"><span><u class=\"bar host h0\"></u>host</span><span><u class=\"bar h0\"></u>follows that host</span>\
     <span><u class=\"bar away h0\"></u>without the server</span><span><u class=\"bar\"></u>no host</span><span><u \
     class=\"fault\"></u>fault</span><span><u class=\"gap\"></u>no acknowledgements</span><span><u class=\"ordered\"></u>\
     ordered</span><span><u class=\"reliable\"></u>reliable</span><span><u class=\"latest\"></u>latest</span><span><u \
     class=\"unreliable\"></u>unreliable</span><span><i class=\"mark joined\"></i>joins</span><span><i \
     class=\"mark resumed\"></i>is back</span><span><i class=\"mark doubt\"></i>misses somebody</span><span><i \
     class=\"mark lost\"></i>begins anew</span><span><i class=\"mark promoted\"></i>becomes host</span><span><i \
     class=\"mark ended\"></i>ends</span></p>"
}
