//! The numbers of a server in Prometheus' text format.

use super::house::Counters;
use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::atomic::Ordering;
use std::time::Duration;
use webstar_core::server::ServerStats;

/// Sockets that are not, or no longer, connections of a machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sockets {
    pub(super) newcomers: usize,
    pub(super) closing: usize,
}

/// The page for collectors.
pub(super) fn text(stats: &ServerStats, counters: &Counters, sockets: Sockets, uptime: Duration) -> String {
    let mut text = String::new();
    let gauges = [
        ("newcomers", "Connections now that have not said what they want.", sockets.newcomers as u64),
        ("closing", "Connections that are being closed now.", sockets.closing as u64),
        ("connections", "Connections open now.", stats.connections),
        ("lobbies", "Lobbies now.", stats.lobbies),
        ("players", "Players in lobbies now, the disconnected ones too.", stats.players),
        ("queued_bytes", "Bytes that wait for slow receivers now.", stats.queued_bytes),
    ];
    for (name, help, value) in gauges {
        one(&mut text, name, "gauge", help, value);
    }
    one(&mut text, "uptime_seconds", "gauge", "For how long the server has run.", uptime.as_secs_f64());
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let totals = [
        ("connected_total", "Connections so far.", stats.connected),
        ("joins_total", "Joins so far.", stats.joins),
        ("resumes_total", "Resumes so far.", stats.resumes),
        ("host_changes_total", "Hosts replaced so far.", stats.host_changes),
        ("frames_in_total", "Frames from clients so far.", stats.frames_in),
        ("bytes_in_total", "Bytes from clients so far.", stats.bytes_in),
        ("frames_out_total", "Frames to clients so far.", stats.frames_out),
        ("bytes_out_total", "Bytes to clients so far.", stats.bytes_out),
        ("relayed_total", "Messages passed on so far.", stats.relayed),
        ("signals_total", "Steps of WebRTC negotiations passed on so far.", stats.signals),
        ("passwords_total", "Passwords computed so far.", stats.passwords),
        ("http_pages_total", "HTTP requests answered with a page so far.", count(&counters.pages)),
        ("handshakes_unfinished_total", "Connections that did not say what they want.", count(&counters.unfinished)),
        ("handshakes_crowded_total", "Connections that made room for newer ones.", count(&counters.crowded)),
        ("events_overlooked_total", "Events that the application did not fetch in time.", count(&counters.overlooked)),
    ];
    for (name, help, value) in totals {
        one(&mut text, name, "counter", help, value);
    }
    many(&mut text, "http_refused_total", "HTTP requests refused so far.", "status", &counters.refused());
    let by_cause = &stats.host_changes_by;
    many(&mut text, "host_changes_by_cause_total", "Hosts replaced so far, by cause.", "cause", by_cause);
    many(&mut text, "dropped_total", "Relayed messages dropped so far, by reason.", "reason", &stats.dropped);
    many(&mut text, "refused_total", "Requests refused so far, by code.", "code", &stats.refused);
    many(&mut text, "closed_total", "Connections closed by the server so far, by reason.", "reason", &stats.closed);
    text
}

fn one(text: &mut String, name: &str, kind: &str, help: &str, value: impl Display) {
    head(text, name, kind, help);
    let _ = writeln!(text, "webstar_{name} {value}");
}

fn many(text: &mut String, name: &str, help: &str, label: &str, values: &BTreeMap<String, u64>) {
    head(text, name, "counter", help);
    for (of, value) in values {
        let _ = writeln!(text, "webstar_{name}{{{label}=\"{of}\"}} {value}");
    }
}

/// Writing into a text never fails.
fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP webstar_{name} {help}\n# TYPE webstar_{name} {kind}");
}
