//! What the handles of a client and its driver have in common: the machine behind a lock, and who waits for whom.

use super::direct::DirectStats;
use async_channel::{Receiver, Sender};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use webstar_core::peer::{Ended, PeerEvent, PeerMessage};
use webstar_core::recording::Recorded;

/// Takes a message, or gives it back.
pub(super) type Handler = Arc<Mutex<dyn FnMut(PeerMessage) -> Option<PeerMessage> + Send>>;

pub(super) struct Shared {
    state: Mutex<State>,
    /// The application has not read for so long that the driver waits for it.
    is_stalled: AtomicBool,
    /// Events kept for the application at most.
    event_queue: usize,
}

pub(super) struct State {
    pub(super) peer: Recorded,
    pub(super) handlers: BTreeMap<Box<str>, Handler>,
    /// Told once: in the lobby, or never.
    pub(super) first: Option<Sender<Result<(), Ended>>>,
    pub(super) ended: Option<Ended>,
    /// The application wants no more events.
    pub(super) is_leaving: bool,
    /// It is over without a word to anybody.
    pub(super) is_cut: bool,
    /// Who asks for the numbers of the direct paths.
    pub(super) asking: Vec<Sender<DirectStats>>,
    is_touched: bool,
    driver: Option<Waker>,
}

impl Shared {
    pub(super) fn new(peer: Recorded, first: Sender<Result<(), Ended>>, event_queue: usize) -> Self {
        let state = State {
            peer,
            handlers: BTreeMap::new(),
            first: Some(first),
            ended: None,
            is_leaving: false,
            is_cut: false,
            asking: Vec::new(),
            is_touched: false,
            driver: None,
        };
        Shared { state: Mutex::new(state), is_stalled: AtomicBool::new(false), event_queue }
    }

    /// A panic elsewhere leaves the machine as it was between two inputs, or ends the driver that would use it.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The driver waits for room among the events. Answers whether it did before.
    pub(super) fn stall(&self) -> bool {
        self.is_stalled.swap(true, Ordering::AcqRel)
    }

    pub(super) fn unstall(&self) {
        self.is_stalled.store(false, Ordering::Release);
    }

    /// Whether the application has room for one more event.
    pub(super) fn has_room(&self, events: &Sender<PeerEvent>) -> bool {
        events.len() < self.event_queue
    }

    /// An event was read. Once half of the queue is free the driver goes on.
    pub(super) fn on_read(&self, events: &Receiver<PeerEvent>) {
        let is_roomy = events.len() <= self.event_queue / 2;
        if is_roomy && self.is_stalled.load(Ordering::Acquire) {
            self.lock().touch();
        }
    }
}

impl State {
    /// The driver has something to drain.
    pub(super) fn touch(&mut self) {
        self.is_touched = true;
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    pub(super) fn take_touch(&mut self) -> bool {
        std::mem::take(&mut self.is_touched)
    }

    /// Whom to wake; false if something came in between.
    pub(super) fn wait(&mut self, driver: &Waker) -> bool {
        if self.is_touched {
            return false;
        }
        match &mut self.driver {
            Some(known) => known.clone_from(driver),
            None => self.driver = Some(driver.clone()),
        }
        true
    }
}
