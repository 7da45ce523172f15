//! The sender's side of what arrives: acknowledgements, losses and the time-outs that find them, as QUIC does it.

use super::super::super::Ack;
use super::{Fate, Flow, MAX_ACK_DELAY, MS, World};
use crate::time::{Duration, Instant};

impl World {
    pub(super) fn on_ack(&mut self, f: usize, upto: usize, delay: i64) {
        let now = Instant::from_nanos(self.now);
        let flow = &mut self.flows[f];
        if upto <= flow.log_seen {
            return;
        }
        let mut fresh: Vec<u64> = flow.log[flow.log_seen..upto].to_vec();
        flow.log_seen = upto;
        fresh.sort_unstable();
        let newest = *fresh.last().expect("not empty");
        let is_new_largest = flow.largest.is_none_or(|l| newest > l);
        flow.largest = Some(flow.largest.map_or(newest, |l| l.max(newest)));
        for pn in fresh {
            let sent = flow.sent[pn as usize];
            if sent.state == Fate::Lost {
                let distance = flow.largest.unwrap_or(pn) - pn;
                flow.threshold = flow.threshold.max(distance + 1).min(256);
                flow.time_threshold = (flow.time_threshold + 0.05).min(2.0);
            }
            if sent.state != Fate::Flying {
                continue;
            }
            flow.sent[pn as usize].state = Fate::Acked;
            flow.in_flight -= sent.bytes;
            flow.last_progress = self.now;
            flow.backoff = 0;
            let rtt = (pn == newest && is_new_largest).then(|| (self.now - sent.at - delay).max(1));
            if let Some(rtt) = rtt {
                let rtt = rtt as f64;
                if flow.srtt == 0.0 {
                    (flow.srtt, flow.var) = (rtt, rtt / 2.0);
                }
                flow.var += ((flow.srtt - rtt).abs() - flow.var) / 4.0;
                flow.srtt += (rtt - flow.srtt) / 8.0;
            }
            flow.cc.on_ack(
                now,
                &Ack {
                    bytes: sent.bytes,
                    sent_at: Instant::from_nanos(sent.at),
                    mark: sent.mark,
                    rtt: rtt.map(|ns| Duration::from_nanos(ns as u64)),
                    in_flight: flow.in_flight,
                },
            );
        }
        self.detect_losses(f);
        self.send(f);
    }

    pub(super) fn detect_losses(&mut self, f: usize) {
        let now = Instant::from_nanos(self.now);
        let flow = &mut self.flows[f];
        let Some(largest) = flow.largest else { return self.on_probe_timeout(f) };
        let patience = (flow.srtt * flow.time_threshold) as i64;
        for pn in flow.first_open..flow.sent.len().min(largest as usize + 1) {
            let sent = flow.sent[pn];
            if sent.state != Fate::Flying {
                if pn == flow.first_open {
                    flow.first_open += 1;
                }
                continue;
            }
            if sent.at + patience > self.now && pn as u64 + flow.threshold > largest {
                break;
            }
            Self::lose(flow, pn, now);
        }
        self.on_probe_timeout(f);
    }

    fn lose(flow: &mut Flow, pn: usize, now: Instant) {
        let sent = flow.sent[pn];
        flow.sent[pn].state = Fate::Lost;
        flow.in_flight -= sent.bytes;
        flow.lost += 1;
        if !sent.critical {
            flow.bulk_left += sent.bytes as u64;
        }
        flow.cc.on_lost(now, sent.bytes, sent.mark, flow.in_flight);
    }

    pub(super) fn probe_timeout(flow: &Flow) -> i64 {
        let base = if flow.srtt == 0.0 { 1e9 } else { flow.srtt + 4.0 * flow.var + MAX_ACK_DELAY as f64 };
        (base as i64).max(20 * MS) << flow.backoff
    }

    /// The tail has gone unheard for too long: its oldest packet is given up, which sends it again.
    pub(super) fn on_probe_timeout(&mut self, f: usize) {
        let flow = &mut self.flows[f];
        if flow.in_flight == 0 || self.now - flow.last_progress < Self::probe_timeout(flow) {
            return;
        }
        flow.last_progress = self.now;
        flow.backoff = (flow.backoff + 1).min(6);
        for _ in 0..2 {
            if let Some(pn) = (flow.first_open..flow.sent.len()).find(|&pn| flow.sent[pn].state == Fate::Flying) {
                Self::lose(flow, pn, Instant::from_nanos(self.now));
            }
        }
    }

    pub(super) fn arm_loss_timer(&mut self, f: usize) {
        let flow = &self.flows[f];
        if flow.in_flight == 0 {
            return;
        }
        let mut due = flow.last_progress + Self::probe_timeout(flow);
        if let (Some(sent), Some(largest)) = (flow.sent.get(flow.first_open), flow.largest)
            && sent.state == Fate::Flying
            && (flow.first_open as u64) < largest
        {
            due = due.min(sent.at + (flow.srtt * flow.time_threshold) as i64);
        }
        self.wake(f, due.max(self.now + MS / 10));
    }
}
