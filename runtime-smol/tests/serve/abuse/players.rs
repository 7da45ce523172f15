//! Those who only want to play: lobbies of three that talk all the time, people who come and go, and a lobby of sixteen
//! with one who sleeps.

use super::house::House;
use crate::clients::{Guest, PATIENCE};
use async_io::{Timer, block_on};
use futures_lite::future::or;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use webstar_core::config::Mode;
use webstar_core::id::PlayerId;
use webstar_core::peer::Wish;
use webstar_core::peer::{Channel, Destination, PeerEvent};
use webstar_core::wire::signal::{CreateLobby, LobbyName, Username};
use webstar_smol::client::{Client, Options};

const BEAT: Duration = Duration::from_millis(50);
const HERE: &str = "here";
const KIND: &str = "number";
/// In front of a player's last message.
const LAST: &[u8] = b"last";

/// Players who talk all the time.
pub(crate) struct Lobby {
    players: Vec<JoinHandle<u64>>,
    is_over: Arc<AtomicBool>,
}

impl Lobby {
    /// Three who play.
    pub(crate) fn begin(house: &House, number: usize) -> Self {
        Lobby::of(house, &format!("play-{number}"), 3)
    }

    fn of(house: &House, name: &str, players: usize) -> Self {
        let (is_over, all) = (Arc::new(AtomicBool::new(false)), Arc::new(Barrier::new(players + 1)));
        let ready = Arc::new(AtomicUsize::new(0));
        let players = (0..players).map(|number| {
            let options = options(house, name, number);
            let (is_over, all, ready) = (is_over.clone(), all.clone(), ready.clone());
            thread::spawn(move || block_on(play(options, players, &is_over, &all, &ready)))
        });
        let players = players.collect();
        all.wait();
        Lobby { players, is_over }
    }

    /// They say their last word, and each has heard all of each. Returns how many messages that were.
    pub(crate) fn end(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.players.into_iter().map(|player| player.join().expect("nothing was lost")).sum()
    }
}

fn options(house: &House, name: &str, number: usize) -> Options {
    let mut options = Options::to("new").unwrap();
    options.config.set_mode(Mode::Relay);
    options.config.signaling_server = format!("ws://{}/ws", house.address);
    options.request.wish = Wish::Named(LobbyName::new(name).unwrap());
    options.request.username = Username::new(format!("player {number}")).unwrap();
    options.request.create = Some(CreateLobby { max_players: 16, ..CreateLobby::default() });
    options
}

/// Waits until everybody has heard all others: from then on nothing is missed.
async fn meet(client: &Client, players: usize, ready: &AtomicUsize) {
    let mut met = BTreeSet::new();
    while ready.load(Ordering::SeqCst) < players {
        client.send(&Destination::Others, Channel::Ordered, HERE, Vec::new()).unwrap();
        let beat = Instant::now() + BEAT;
        let event = async || {
            Timer::at(beat).await;
            None
        };
        while let Some(event) = or(client.next_event(), event()).await {
            if let PeerEvent::Message(message) = event
                && message.kind.as_str() == HERE
                && met.insert(message.from)
                && met.len() == players - 1
            {
                ready.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

/// Says a number at each beat until the end, and hears those of the others, each once and in its order.
async fn play(options: Options, players: usize, is_over: &AtomicBool, all: &Barrier, ready: &AtomicUsize) -> u64 {
    let client = Client::join_with(options).await.unwrap();
    meet(&client, players, ready).await;
    all.wait();
    let (mut said, mut heard, mut gone) = (0_u64, BTreeMap::<PlayerId, u64>::new(), 0);
    let (mut is_silent, mut begun) = (false, Instant::now());
    while gone < players - 1 || !is_silent {
        let event = or(async { client.next_event().await.map(Some) }, async {
            Timer::after(BEAT).await;
            Some(None)
        });
        match event.await.expect("a player goes on to the end") {
            Some(PeerEvent::Message(message)) if message.kind.as_str() == KIND => {
                let number = message.payload.strip_prefix(LAST).unwrap_or(&message.payload);
                let number = u64::from_le_bytes(number.try_into().unwrap());
                let next = heard.entry(message.from).or_default();
                assert_eq!(number, *next, "of {:?}", message.from);
                *next += 1;
                gone += usize::from(message.payload.starts_with(LAST));
            }
            Some(PeerEvent::Closed(why)) => panic!("a player was closed: {why}"),
            Some(PeerEvent::ContinuityLost) => panic!("messages were lost"),
            _ => {}
        }
        if !is_silent && begun.elapsed() >= BEAT * u32::try_from(said).unwrap() {
            is_silent = is_over.load(Ordering::Relaxed);
            let mut payload = if is_silent { LAST.to_vec() } else { Vec::new() };
            payload.extend(said.to_le_bytes());
            client.send(&Destination::Others, Channel::Ordered, KIND, payload).unwrap();
            said += 1;
            if is_silent {
                begun = Instant::now();
            }
        }
        assert!(!is_silent || begun.elapsed() < PATIENCE, "the last words of {} do not come", players - 1 - gone);
    }
    client.leave().await;
    heard.values().sum()
}

/// People who come for a moment. None of them tries twice.
pub(crate) struct Newcomers {
    joining: JoinHandle<u64>,
    is_over: Arc<AtomicBool>,
}

impl Newcomers {
    pub(crate) fn begin(house: &House) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (address, told) = (house.address, is_over.clone());
        let joining = thread::spawn(move || {
            let mut joined = 0;
            while !told.load(Ordering::Relaxed) {
                let mut guest = Guest::join(address, "visitors", "new");
                guest.say(&json!({"type": "leave_lobby"}));
                guest.hear("lobby_left");
                joined += 1;
                thread::sleep(BEAT);
            }
            joined
        });
        Newcomers { joining, is_over }
    }

    /// How many have come in.
    pub(crate) fn end(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.joining.join().expect("everybody was let in")
    }
}

/// A guest that takes nothing of what it is sent.
pub(crate) struct Sleeper;

impl Sleeper {
    /// Fourteen play, one tells everybody stories, and one sleeps: it is put out, and the others lose nothing.
    pub(crate) fn sleeps(house: &House) {
        let lobby = Lobby::of(house, "sixteen", 14);
        let mut talker = Guest::join(house.address, "sixteen", "talker");
        let sleeper = Guest::join(house.address, "sixteen", "sleeper");
        let story = json!({"type": "broadcast_data", "data": "z".repeat(10_000)});
        let closed = |house: &House| house.metrics().get(r#"closed_total{reason="too_slow"}"#).copied().unwrap_or(0);
        let (before, begun) = (closed(house), Instant::now());
        while closed(house) == before {
            for _ in 0..10 {
                talker.say(&story);
                thread::sleep(Duration::from_millis(10));
            }
            assert!(begun.elapsed() < PATIENCE, "who sleeps is put out");
        }
        drop(sleeper);
        lobby.end();
    }
}
