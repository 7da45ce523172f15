//! The latency table over real connections: the cells whose figures are aimed for, the model of the same cell beside
//! them, and what a plain reliable data channel makes of the same traffic.

use super::{cells, round};
use crate::crypto::Carrying;
use crate::seed::Seed;
use crate::talk::{Carrier, Figures, Talk};
use core::fmt::Write;
use serde::Serialize;
use webstar_core::wire::frame::Delivery;

/// The shares of the messages whose latency is told.
const SHARES: [f64; 3] = [0.5, 0.99, 0.999];
/// Runs of each cell, whose messages are counted together ..
const RUNS: u64 = 31;
/// .. and of those at the edge of what SCTP bears, where one run is like no other.
const EDGY_RUNS: u64 = 151;
/// How far the model may be from the real thing at 99 of 100 messages.
pub const ALLOWED: f64 = 0.25;

/// What a cell is aimed at: milliseconds of 50, 99 and 99.9 of 100 messages. Nothing: no aim.
type Aims = [Option<f64>; 3];

/// What carries the messages of a cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Means {
    /// A pipe of ours.
    Pipe(Carrier),
    /// A reliable and ordered data channel, and nothing of ours.
    Bare,
}

/// A cell of the table.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    means: Means,
    channel: &'static str,
    delivery: Delivery,
    loss: f64,
    size: usize,
    aims: Aims,
}

/// One line of the table. Times are in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    event: &'static str,
    table: &'static str,
    stack: &'static str,
    /// Messages that arrived, both directions pooled.
    pub samples: usize,
    /// The kind of pipe; `bare` is a data channel without us.
    pub pipe: &'static str,
    /// The channel.
    pub channel: &'static str,
    /// The share of lost packets.
    pub loss: f64,
    /// The bytes of a message.
    pub size: usize,
    /// How long the way is.
    pub one_way_ms: f64,
    /// Messages a second, each way.
    pub hz: f64,
    /// 50, 99 and 99.9 of 100 messages arrive within this.
    pub latency: [f64; 3],
    /// What is aimed for.
    pub aims: Aims,
    /// All.
    pub max: f64,
    /// Messages that never arrived, or were refused.
    pub lost: usize,
    /// Deliveries beyond the first.
    pub duplicated: usize,
    /// The same on the model.
    pub model: Option<[f64; 3]>,
    /// The model over the real thing, at 99 of 100 messages of the run in the middle: at the edge a few runs make the 99th
    /// of 100 messages of all.
    pub ratio: Option<f64>,
}

impl Row {
    /// Whether every aim is met.
    pub fn is_met(&self) -> bool {
        self.aims.iter().zip(self.latency).all(|(aim, latency)| aim.is_none_or(|aim| latency <= aim))
    }

    /// Whether the model is close enough, if there is one.
    pub fn is_modelled(&self) -> bool {
        self.ratio.is_none_or(|ratio| (ratio - 1.0).abs() <= ALLOWED)
    }
}

/// All cells: those with aims, the load over SCTP from seven to 25 kB/s, and the plain channel.
pub fn all() -> Vec<Cell> {
    let aimed = [
        (Carrier::Srtp, 0.0, [None; 3]),
        (Carrier::Srtp, 0.02, [None; 3]),
        (Carrier::Srtp, 0.1, [Some(55.0), Some(125.0), Some(200.0)]),
        (Carrier::Srtp, 0.3, [None, Some(300.0), None]),
        (Carrier::Sctp, 0.0, [None, Some(60.0), None]),
        (Carrier::Sctp, 0.02, [None, Some(250.0), None]),
        (Carrier::Sctp, 0.1, [None; 3]),
    ];
    let ordered = |means, loss, size, aims| {
        let (channel, delivery) = ("ordered", Delivery::Ordered);
        Cell { means, channel, delivery, loss, size, aims }
    };
    let pipe = |(carrier, loss, aims)| ordered(Means::Pipe(carrier), loss, 200, aims);
    let mut cells = aimed.map(pipe).to_vec();
    cells.extend([120, 280, 350, 420].map(|size| ordered(Means::Pipe(Carrier::Sctp), 0.1, size, [None; 3])));
    cells.extend([0.0, 0.02, 0.1].map(|loss| ordered(Means::Bare, loss, 200, [None; 3])));
    cells.push(Cell {
        means: Means::Pipe(Carrier::Srtp),
        channel: "unreliable",
        delivery: Delivery::Unreliable,
        loss: 0.1,
        size: 1_000,
        aims: [None, Some(60.0), None],
    });
    cells
}

/// Measures these cells, so many messages each way and run, on so many threads; tells how many are done. The figures are the same
/// for any number of them. Nothing of a model.
pub fn measure(
    carrying: Carrying,
    cells: &[Cell],
    messages: usize,
    jobs: usize,
    tell: &(dyn Fn(u64) + Sync),
) -> Vec<Row> {
    cells::measure(cells, jobs, tell, |cell| cell.measure(carrying, messages))
}

impl Cell {
    /// Whether there is anything that it must come up to.
    pub fn is_aimed(&self) -> bool {
        self.aims.iter().any(Option::is_some)
    }

    fn runs(&self) -> u64 {
        let is_edgy = self.means == Means::Pipe(Carrier::Sctp) && self.loss >= 0.1;
        if is_edgy { EDGY_RUNS } else { RUNS }
    }

    fn measure(&self, carrying: Carrying, messages: usize) -> Row {
        let carrier = if let Means::Pipe(carrier) = self.means { carrier } else { Carrier::Sctp };
        let talk = Talk { messages, ..Talk::new(carrier, self.delivery, self.loss, self.size) };
        let real = |seed| {
            carrying.alone(seed, || match self.means {
                Means::Pipe(_) => talk.measure_on(carrying, seed),
                Means::Bare => talk.measure_bare(seed),
            })
        };
        let (figures, usual) = pooled(self.runs(), real);
        let latency = percentiles(&figures);
        let model = matches!(self.means, Means::Pipe(_)).then(|| pooled(self.runs(), |seed| talk.measure(seed)));
        let ratio = model.as_ref().map(|(_, modelled)| round(modelled / usual));
        Row {
            event: "row",
            table: "latency",
            stack: carrying.name(),
            samples: figures.latencies.len(),
            pipe: if self.means == Means::Bare { "bare" } else { carrier.name() },
            channel: self.channel,
            loss: self.loss,
            size: self.size,
            one_way_ms: talk.conditions.delay.as_secs_f64() * 1e3,
            hz: talk.hz,
            latency,
            aims: self.aims,
            max: round(figures.percentile(1.0)),
            lost: figures.lost,
            duplicated: figures.duplicated,
            model: model.map(|(figures, _)| percentiles(&figures)),
            ratio,
        }
    }
}

/// All runs together, and the time within which 99 of 100 messages arrive in the run in the middle.
fn pooled(runs: u64, run: impl Fn(Seed) -> Figures) -> (Figures, f64) {
    let (mut all, mut each) = (Figures::default(), Vec::new());
    for number in 1..=runs {
        let figures = run(Seed::new(number));
        each.push(figures.percentile(SHARES[1]));
        all.latencies.extend(figures.latencies);
        all.sent += figures.sent;
        all.lost += figures.lost;
        all.duplicated += figures.duplicated;
    }
    all.latencies.sort_by(f64::total_cmp);
    each.sort_by(f64::total_cmp);
    (all, each[each.len() / 2])
}

fn percentiles(figures: &Figures) -> [f64; 3] {
    SHARES.map(|share| round(figures.percentile(share)))
}

/// The table for people.
pub fn text(rows: &[Row]) -> String {
    let mut text = String::from(
        "pipe   channel     size  loss      p50      p99     p999      max    lost  aims              met   \
         model p50      p99     p999  ratio of middle runs\n",
    );
    for row in rows {
        let [p50, p99, p999] = row.latency;
        let aims = row.aims.map(|aim| aim.map_or_else(|| "-".into(), |aim| format!("{aim:.0}"))).join(" / ");
        let is_met = if row.aims == [None; 3] {
            ""
        } else if row.is_met() {
            "yes"
        } else {
            "NO"
        };
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "{:6} {:10} {:5} {:4.0} % {p50:8.1} {p99:8.1} {p999:8.1} {:8.1} {:7}  {aims:17} {is_met:3}",
            row.pipe,
            row.channel,
            row.size,
            row.loss * 100.0,
            row.max,
            row.lost,
        );
        if let Some(([p50, p99, p999], ratio)) = row.model.zip(row.ratio) {
            let _ = write!(text, "   {p50:9.1} {p99:8.1} {p999:8.1} {ratio:6.2}");
        }
        text.push('\n');
    }
    text
}
