//! Line charts as SVG, written by hand: small multiples with a logarithmic scale, to be read on light and on dark.

use core::fmt::Write;

/// One chart of the page.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What it shows.
    pub title: String,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// One line of a chart, with a value for each label of the page.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it is of.
    pub name: String,
    /// Its values; nothing where there was nothing to measure.
    pub values: Vec<Option<f64>>,
}

/// A page of charts with the same axes.
#[derive(Clone, Debug)]
pub struct Page {
    /// What it shows.
    pub title: String,
    /// The labels along the horizontal axis.
    pub labels: Vec<String>,
    /// What they mean.
    pub axis: &'static str,
    /// What the values are.
    pub unit: Unit,
    /// The charts, from left to right and then down, two in a row.
    pub panels: Vec<Panel>,
}

/// What values are counted in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Milliseconds, from 1 on.
    Milliseconds,
    /// So many in an hour, from a hundredth on; what is less is drawn there.
    PerHour,
    /// Plain numbers, from 1 on.
    Plain,
}

impl Unit {
    /// What is less is drawn like this.
    fn least(self) -> f64 {
        if self == Unit::PerHour { 0.01 } else { 1.0 }
    }

    /// The name of a power of ten.
    fn decade(self, decade: i32) -> String {
        let value = 10f64.powi(decade);
        match self {
            Unit::Milliseconds if decade < 3 => format!("{value:.0} ms"),
            Unit::Milliseconds => format!("{:.0} s", value / 1e3),
            Unit::PerHour if decade < 0 => format!("{value}/h"),
            Unit::PerHour => format!("{value:.0}/h"),
            Unit::Plain if decade >= 6 => format!("{:.0} M", value / 1e6),
            Unit::Plain if decade >= 3 => format!("{:.0} k", value / 1e3),
            Unit::Plain => format!("{value:.0}"),
        }
    }

    fn value(self, value: f64) -> String {
        match self {
            Unit::Milliseconds => format!("{value:.0} ms"),
            Unit::PerHour => format!("{value:.2} an hour"),
            Unit::Plain => format!("{value:.0}"),
        }
    }
}

/// Of a chart without its margins.
const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 190.0;
const MARGIN_X: f64 = 62.0;
const MARGIN_Y: f64 = 64.0;
const TOP: f64 = 64.0;
/// Colours that are told apart on both grounds, and by most who see fewer colours.
const COLOURS: [&str; 5] = ["#2f7ed8", "#e0762b", "#3a9d5d", "#a05bc0", "#c2455f"];
const STYLE: &str = "svg{font:12px system-ui,sans-serif;background:#fff;color:#222}\
    text{fill:currentColor}.title{font-size:16px;font-weight:600}.panel{font-weight:600}\
    .grid{stroke:currentColor;stroke-opacity:.14}.dim{opacity:.62}.line{fill:none;stroke-width:2}\
    @media(prefers-color-scheme:dark){svg{background:#16181d;color:#e4e6ea}}";

impl Page {
    /// The page as SVG.
    pub fn svg(&self) -> String {
        let rows = self.panels.len().div_ceil(2) as f64;
        let (width, height) = (2.0 * (WIDTH + MARGIN_X) + 90.0, TOP + rows * (HEIGHT + MARGIN_Y) + 8.0);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
             height=\"{height:.0}\" role=\"img\"><style>{STYLE}</style><text class=\"title\" x=\"{MARGIN_X}\" y=\"30\">\
             {}</text>\n",
            self.title
        );
        let (low, high) = self.decades();
        for (at, panel) in self.panels.iter().enumerate() {
            let x = MARGIN_X + (at % 2) as f64 * (WIDTH + MARGIN_X + 28.0);
            let y = TOP + (at / 2) as f64 * (HEIGHT + MARGIN_Y);
            // Writing to a string cannot fail.
            let _ = writeln!(svg, "<g transform=\"translate({x:.0} {y:.0})\">");
            self.axes(&mut svg, low, high);
            self.panel(&mut svg, panel, low, high);
            svg.push_str("</g>\n");
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// The powers of ten between which all values lie.
    fn decades(&self) -> (i32, i32) {
        let values = self.panels.iter().flat_map(|panel| &panel.lines).flat_map(|line| &line.values);
        let (mut low, mut high) = (f64::MAX, f64::MIN);
        for value in values.flatten().map(|value| value.max(self.unit.least())) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            return (0, 1);
        }
        let low = low.log10().floor() as i32;
        (low, (high.log10().ceil() as i32).max(low + 1))
    }

    fn axes(&self, svg: &mut String, low: i32, high: i32) {
        for decade in low..=high {
            let y = self.height_of(10f64.powi(decade), low, high);
            let label = self.unit.decade(decade);
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"dim\" x=\"-8\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                y + 4.0
            );
        }
        for (at, label) in self.labels.iter().enumerate() {
            let x = self.place(at);
            let _ = writeln!(
                svg,
                "<text class=\"dim\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
                HEIGHT + 18.0
            );
        }
        let (x, y) = (WIDTH / 2.0, HEIGHT + 34.0);
        let _ = writeln!(svg, "<text class=\"dim\" x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{}</text>", self.axis);
    }

    fn panel(&self, svg: &mut String, panel: &Panel, low: i32, high: i32) {
        let _ = writeln!(svg, "<text class=\"panel\" x=\"0\" y=\"-12\">{}</text>", panel.title);
        let mut ends: Vec<(f64, usize)> = Vec::new();
        for (at, line) in panel.lines.iter().enumerate() {
            let colour = COLOURS[at % COLOURS.len()];
            let values = line.values.iter().enumerate();
            let points: Vec<(f64, f64, f64)> = values
                .filter_map(|(at, value)| Some((self.place(at), self.height_of((*value)?, low, high), (*value)?)))
                .collect();
            let path: Vec<String> = points.iter().map(|(x, y, _)| format!("{x:.1},{y:.1}")).collect();
            let _ = writeln!(svg, "<polyline class=\"line\" stroke=\"{colour}\" points=\"{}\"/>", path.join(" "));
            for (x, y, value) in &points {
                let _ = writeln!(
                    svg,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"><title>{} {}</title></circle>",
                    line.name,
                    self.unit.value(*value)
                );
            }
            ends.extend(points.last().map(|(_, y, _)| (*y, at)));
        }
        // Names that would lie on one another move apart.
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut free = f64::MIN;
        for (y, at) in ends {
            let y = y.max(free);
            free = y + 14.0;
            let colour = COLOURS[at % COLOURS.len()];
            let x = self.place(self.labels.len() - 1) + 9.0;
            let name = &panel.lines[at].name;
            let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{:.1}\" style=\"fill:{colour}\">{name}</text>", y + 4.0);
        }
    }

    fn place(&self, at: usize) -> f64 {
        let steps = self.labels.len().saturating_sub(1).max(1) as f64;
        14.0 + (WIDTH - 56.0) * at as f64 / steps
    }

    fn height_of(&self, value: f64, low: i32, high: i32) -> f64 {
        let share = (value.max(self.unit.least()).log10() - f64::from(low)) / f64::from((high - low).max(1));
        HEIGHT * (1.0 - share.clamp(0.0, 1.0))
    }
}
