//! Pong for two at sixty frames a second. The host moves the ball; when it dies, the other goes on with the score that
//! both have counted, and whoever comes back plays on.
//!
//! What travels how: paddles go to the host, and the court to everybody, on `Latest`, because only the newest counts. A
//! point is `Ordered`: all count the same points, and no crash takes one back. The score is the snapshot: who comes, or
//! takes over, starts from that.
//!
//! ```sh
//! cargo run --example pong                                         # a server and two bots, one cut off in mid-game
//! cargo run --example pong -- webstar://127.0.0.1:8080/court ann   # against whoever does the same with another name
//! ```
//!
//! In a terminal `w` and `s` with Enter steer, and Enter alone leaves it to the bot.

use async_io::Timer;
use futures_lite::StreamExt;
use futures_lite::future::{block_on, race, zip};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicI8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use webstar_core::id::PlayerId;
use webstar_core::peer::{Channel, Destination, PeerEvent, PeerMessage, Snapshot, Ticket};
use webstar_core::wire::signal::PlayerEntry;
use webstar_smol::client::{Client, Options};
use webstar_smol::server::{Server, ServerOptions};

const FRAME: Duration = Duration::from_nanos(1_000_000_000 / 60);
/// Who has so many points has won.
const GOAL: u32 = 5;
/// The host of the two bots is cut off after so many points.
const CUT_AFTER: u32 = 3;

/// Half a paddle; what a paddle moves and the ball flies in a frame. The court is 1 wide and 1 high.
const REACH: f32 = 0.1;
const PADDLE_STEP: f32 = 0.012;
const BALL_STEP: f32 = 0.02;

/// What the host moves.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug, Default)]
struct Court {
    /// How many points were made before this ball.
    rally: u32,
    ball: (f32, f32),
    flight: (f32, f32),
    paddles: [f32; 2],
}

impl Court {
    /// The ball leaves the middle.
    fn serve(rally: u32, paddles: [f32; 2]) -> Self {
        let slope = [0.9, -0.6, 0.4, -1.0, 0.7][rally as usize % 5];
        let to = if rally.is_multiple_of(2) { BALL_STEP } else { -BALL_STEP };
        Court { rally, ball: (0.5, 0.5), flight: (to, BALL_STEP * slope), paddles }
    }

    /// A frame: paddles move to where they are wished, as far as they can. Answers whose point it is, if the ball is out.
    fn step(&mut self, wishes: [f32; 2]) -> Option<usize> {
        for (paddle, wish) in self.paddles.iter_mut().zip(wishes) {
            *paddle = (*paddle + (wish - *paddle).clamp(-PADDLE_STEP, PADDLE_STEP)).clamp(0.0, 1.0);
        }
        let (x, y) = (self.ball.0 + self.flight.0, self.ball.1 + self.flight.1);
        if !(0.0..=1.0).contains(&y) {
            self.flight.1 = -self.flight.1;
        }
        let side = usize::from(x > 0.5);
        if (0.0..=1.0).contains(&x) || (y - self.paddles[side]).abs() <= REACH {
            if !(0.0..=1.0).contains(&x) {
                self.flight = (-self.flight.0, self.flight.1 + (y - self.paddles[side]) / 10.0);
            }
            self.ball = (x.clamp(0.0, 1.0), y.clamp(0.0, 1.0));
            return None;
        }
        Some(1 - side)
    }

    fn picture(&self, score: Score) -> String {
        let row = |y: f32| (y * 15.0) as usize;
        let mut rows = vec![vec![' '; 61]; 16];
        rows[row(self.ball.1)][(self.ball.0 * 60.0) as usize] = 'o';
        for (paddle, column) in self.paddles.iter().zip([0, 60]) {
            (row((paddle - REACH).max(0.0))..=row((paddle + REACH).min(1.0))).for_each(|at| rows[at][column] = '|');
        }
        let rows: Vec<String> = rows.into_iter().map(String::from_iter).collect();
        format!("\u{1b}[2J\u{1b}[H{:?}\n{}", score.points, rows.join("\n"))
    }
}

/// A point, as it is told to all. A new host may make it again, which then counts for nothing.
#[derive(Serialize, Deserialize)]
struct Point {
    rally: u32,
    side: usize,
}

/// What all agree about.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Score {
    points: [u32; 2],
}

impl Score {
    fn rally(self) -> u32 {
        self.points[0] + self.points[1]
    }

    fn is_final(self) -> bool {
        self.points.contains(&GOAL)
    }

    fn on_message(&mut self, message: &PeerMessage) {
        let point = postcard::from_bytes(&message.payload).ok().filter(|_| message.kind.as_str() == "point");
        let Some(Point { rally, side }) = point else { return };
        if rally == self.rally() && side < 2 {
            self.points[side] += 1;
        }
    }

    fn of(snapshot: &Snapshot) -> Self {
        snapshot.state.as_deref().and_then(|state| postcard::from_bytes(state).ok()).unwrap_or_default()
    }
}

/// How a life ends.
enum End {
    Over(Score),
    /// As if the process were killed. With this it can come back.
    Cut(Option<Ticket>),
}

/// What others have told on `Latest`.
#[derive(Default)]
struct Told {
    court: Court,
    paddles: BTreeMap<PlayerId, f32>,
}

struct Player {
    client: Client,
    me: Option<PlayerId>,
    /// Everybody who has a place, and whether it is there.
    here: BTreeMap<PlayerId, bool>,
    is_host: bool,
    told: Arc<Mutex<Told>>,
    court: Court,
    score: Score,
    frames: u32,
    /// Up, down, or as the bot likes.
    hand: Arc<AtomicI8>,
}

impl Player {
    async fn join(options: Options, hand: Arc<AtomicI8>) -> Result<Self, Box<dyn Error>> {
        let client = Client::join_with(options).await?;
        let told = Arc::new(Mutex::new(Told::default()));
        let (courts, paddles) = (told.clone(), told.clone());
        let lock = |told: &Arc<Mutex<Told>>, work: &dyn Fn(&mut Told)| {
            work(&mut told.lock().unwrap_or_else(PoisonError::into_inner));
        };
        client.on("court", move |_, court: Court| lock(&courts, &|told| told.court = court));
        client.on("paddle", move |from, at: f32| lock(&paddles, &|told| _ = told.paddles.insert(from, at)));
        let (here, court, score) = (BTreeMap::new(), Court::default(), Score::default());
        Ok(Player { client, me: None, here, is_host: false, told, court, score, frames: 0, hand })
    }

    fn on_event(&mut self, event: PeerEvent) {
        let mut note = |entry: &PlayerEntry| _ = self.here.insert(entry.player_id, entry.connected);
        match event {
            PeerEvent::Joined { player, members, host, .. } => {
                (self.me, self.is_host) = (Some(player), host == Some(player));
                members.iter().for_each(note);
            }
            PeerEvent::PlayerJoined(entry) | PeerEvent::PlayerChanged(entry) => note(&entry),
            PeerEvent::PlayerLeft { player, .. } => _ = self.here.remove(&player),
            PeerEvent::HostChanged { host, .. } => self.is_host = self.me == Some(host),
            PeerEvent::Message(message) => self.score.on_message(&message),
            PeerEvent::Started { snapshot } | PeerEvent::Resynced { snapshot } => self.score = Score::of(&snapshot),
            PeerEvent::Promoted { snapshot, tail } => {
                self.score = Score::of(&snapshot);
                tail.iter().for_each(|message| self.score.on_message(message));
                let court = self.told.lock().unwrap_or_else(PoisonError::into_inner).court;
                // A ball that was out for the old host is served again, unless its point counts.
                self.court = if (0.0..=1.0).contains(&court.ball.0) { court } else { Court::default() };
            }
            PeerEvent::SnapshotWanted { position } => {
                let state = postcard::to_stdvec(&self.score).unwrap_or_default();
                self.client.snapshot(position, state);
            }
            _ => {}
        }
    }

    /// Left plays who has the lowest number.
    fn side_of(&self, player: PlayerId) -> Option<usize> {
        self.here.keys().position(|here| *here == player).filter(|side| *side < 2)
    }

    /// Nobody minds what was not taken: the next frame says it again.
    fn on_frame(&mut self) {
        self.frames += 1;
        let (court, mut wishes) = {
            let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            (if self.is_host { self.court } else { told.court }, told.paddles.clone())
        };
        let Some((me, side)) = self.me.and_then(|me| Some((me, self.side_of(me)?))) else { return };
        let wish = match self.hand.load(Ordering::Relaxed) {
            // A bot is not always where it should be.
            0 => court.ball.1 + 0.2 * (self.frames as f32 / 20.0 + side as f32).sin(),
            hand => court.paddles[side] + f32::from(hand),
        };
        if !self.is_host {
            let _ = self.client.send_value(&Destination::Host, Channel::Latest, "paddle", &wish);
            return;
        }
        wishes.insert(me, wish);
        let sides: Vec<f32> = self.here.keys().map(|player| wishes.get(player).copied().unwrap_or(0.5)).collect();
        let ([left, right, ..], true) = (&sides[..], self.here.values().filter(|is_here| **is_here).count() > 1) else {
            return;
        };
        if court.rally != self.score.rally() || court == Court::default() {
            self.court = Court::serve(self.score.rally(), court.paddles);
        }
        let is_in = (0.0..=1.0).contains(&self.court.ball.0);
        if is_in && let Some(side) = self.court.step([*left, *right]) {
            let point = Point { rally: self.court.rally, side };
            // It counts when it comes back, for us as for the other. Until then the ball is nowhere.
            if self.client.send_value(&Destination::All, Channel::Ordered, "point", &point).is_ok() {
                self.court.ball.0 = -1.0;
            }
        }
        let _ = self.client.send_value(&Destination::Others, Channel::Latest, "court", &self.court);
    }

    /// Plays until somebody has won, or until it is cut off as host after so many points.
    async fn play(mut self, cut_after: Option<u32>, show: bool) -> Result<End, Box<dyn Error>> {
        let mut frames = Timer::interval(FRAME);
        loop {
            let event = async { Some(self.client.next_event().await) };
            let frame = async {
                frames.next().await;
                None
            };
            match race(event, frame).await {
                Some(Some(PeerEvent::Closed(why))) => return Err(why.into()),
                Some(Some(event)) => self.on_event(event),
                Some(None) => return Err("the player has ended".into()),
                None => {
                    self.on_frame();
                    if show && self.frames.is_multiple_of(4) {
                        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner).court;
                        println!("{}", if self.is_host { self.court } else { told }.picture(self.score));
                    }
                }
            }
            if self.score.is_final() {
                self.client.leave().await;
                return Ok(End::Over(self.score));
            }
            if self.is_host && cut_after.is_some_and(|points| self.score.rally() >= points) {
                let ticket = self.client.ticket();
                self.client.cut().await;
                return Ok(End::Cut(ticket));
            }
        }
    }
}

fn options(target: &str, name: &str, ticket: Option<Ticket>) -> Result<Options, Box<dyn Error>> {
    let mut options = Options::to(target)?.name(name)?;
    options.config.snapshots = true;
    options.request.ticket = ticket;
    Ok(options)
}

/// A bot that is cut off when it is host, and comes back with nothing but its ticket.
async fn bot_that_dies(ann: Player, target: &str) -> Result<Score, Box<dyn Error>> {
    let End::Cut(ticket) = ann.play(Some(CUT_AFTER), false).await? else { return Err("it was never cut off".into()) };
    println!("the host is cut off after {CUT_AFTER} points, and comes back");
    match Player::join(options(target, "ann", ticket)?, Arc::default()).await?.play(None, false).await? {
        End::Over(score) => Ok(score),
        End::Cut(_) => Err("it was cut off twice".into()),
    }
}

/// A whole game, through the death of its host: the score as each of the two has counted it.
fn two_bots() -> Result<(Score, Score), Box<dyn Error>> {
    block_on(async {
        let server = Server::bind(ServerOptions { listen: ([127, 0, 0, 1], 0).into(), ..ServerOptions::default() })?;
        let target = format!("webstar://{}/court", server.local_addr());
        let ann = Player::join(options(&target, "ann", None)?, Arc::default()).await?;
        let bob = Player::join(options(&target, "bob", None)?, Arc::default()).await?;
        let (ann, bob) = zip(bot_that_dies(ann, &target), bob.play(None, false)).await;
        let (ann, End::Over(bob)) = (ann?, bob?) else { return Err("nobody has cut bob off".into()) };
        server.close().await;
        Ok((ann, bob))
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let Some(target) = arguments.next() else {
        let (ann, bob) = two_bots()?;
        println!("ann has counted {:?}, bob {:?}", ann.points, bob.points);
        return if ann == bob { Ok(()) } else { Err("they do not agree".into()) };
    };
    let name = arguments.next().unwrap_or_else(|| "player".into());
    let hand = Arc::new(AtomicI8::new(0));
    let typed = hand.clone();
    thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            typed.store(i8::from(line.trim() == "s") - i8::from(line.trim() == "w"), Ordering::Relaxed);
        }
    });
    let show = io::stdout().is_terminal();
    block_on(async {
        let player = Player::join(options(&target, &name, None)?, hand).await?;
        if let End::Over(score) = player.play(None, show).await? {
            println!("it is over: {:?}", score.points);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_game_survives_its_host_and_both_count_the_same() {
        let (ann, bob) = two_bots().expect("it goes well");
        assert_eq!(ann, bob);
        assert!(ann.is_final(), "{ann:?}");
    }

    #[test]
    fn a_ball_that_no_paddle_meets_is_a_point() {
        let mut court = Court::serve(0, [0.5, 0.0]);
        let side = (0..100).find_map(|_| court.step([0.5, 0.0]));
        assert_eq!(side, Some(0));
        let mut court = Court::serve(0, [0.5; 2]);
        let is_met = (0..100).any(|_| {
            let ball = court.ball.1;
            court.step([ball; 2]).is_none() && court.flight.0 < 0.0
        });
        assert!(is_met);
    }
}
