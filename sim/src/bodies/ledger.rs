//! What one machine may tell its application whatever the other side does: each message acknowledged once, none too
//! long, and room announced only to those who were refused.

use super::script::Script;
use std::collections::BTreeSet;
use webstar_core::config::SessionConfig;
use webstar_core::id::MessageId;
use webstar_core::session::{Outbound, Received, SendError};
use webstar_core::time::Duration;
use webstar_core::wire::frame::{Delivery, Priority};

/// The account of one machine.
#[derive(Debug)]
pub(super) struct Ledger {
    max_message: usize,
    accepted: u64,
    acked: BTreeSet<MessageId>,
    refused: [bool; 4],
}

impl Ledger {
    pub(super) fn new(config: &SessionConfig) -> Self {
        Ledger { max_message: config.max_message, accepted: 0, acked: BTreeSet::new(), refused: [false; 4] }
    }

    pub(super) fn on_sent(&mut self, priority: Priority, length: usize, result: Result<MessageId, SendError>) {
        match result {
            Ok(id) => {
                assert_eq!(id, MessageId(self.accepted));
                assert!(length <= self.max_message);
                self.accepted += 1;
            }
            Err(SendError::Full { .. }) => self.refused[priority as usize] = true,
            Err(SendError::TooLong { .. }) => assert!(length > self.max_message),
            Err(SendError::TooManyKeys { .. } | SendError::Closed) => {}
        }
    }

    pub(super) fn on_acked(&mut self, id: MessageId) {
        assert!(id.0 < self.accepted, "{id:?} was never taken");
        assert!(self.acked.insert(id), "{id:?} was acknowledged twice");
    }

    pub(super) fn on_drained(&mut self, priority: Priority) {
        assert!(core::mem::take(&mut self.refused[priority as usize]), "{priority:?} was not refused");
    }

    pub(super) fn on_message(&mut self, message: &Received) {
        assert!(message.payload.len() <= self.max_message);
        assert!(message.delivery == Delivery::Latest || message.key == 0);
    }
}

/// Settings that reach their limits soon.
pub(super) fn config(script: &mut Script<'_>) -> SessionConfig {
    let max_message = script.pick(&[1, 300, 5_000, 64 * 1024]);
    let config = SessionConfig {
        max_message,
        send_buffer: max_message + script.pick(&[64, 128, 4096, 64 * 1024]),
        receive_buffer: 64 * 1024,
        max_keys: script.pick(&[1, 2, 8]),
        compression_threshold: script.pick(&[0, 64, 1024]),
        enable_compression: script.flag(),
        unreliable_expiry: Duration::from_millis(script.pick(&[0, 5, 1000])),
        tick: script.pick(&[None, Some(Duration::from_millis(1)), Some(Duration::from_millis(16))]),
        max_ack_delay: Duration::from_millis(script.pick(&[0, 10])),
        ack_every: script.pick(&[1, 8]),
        enable_protection: script.flag(),
        // Below zero: always.
        protect_above: script.pick(&[-1.0, 0.01, 0.2]),
        max_symbol: script.pick(&[60, 1100, 5_000]),
        stream_window: script.pick(&[4096, 64 * 1024]),
        ..SessionConfig::default()
    };
    config.check().expect("these settings are within their bounds");
    config
}

/// A message of any kind: short or long, plain or noisy.
pub(super) fn message(script: &mut Script<'_>) -> Outbound {
    let kind = script.byte();
    let length = match script.byte() {
        short @ 0..200 => usize::from(short),
        _ => usize::from(script.word()) + 1,
    };
    let mut state = u32::from(script.byte());
    let payload: Vec<u8> = (0..length)
        .map(|_| {
            // One in eight is noise: it does not compress.
            if kind >> 5 == 0 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            }
            (state >> 24) as u8 ^ state as u8
        })
        .collect();
    Outbound {
        priority: Priority::ALL[usize::from(kind & 3)],
        delivery: Delivery::ALL[usize::from(kind >> 2 & 3)],
        key: u32::from(script.byte() % 4),
        payload: payload.into(),
    }
}
