//! One place of a churn: a lobby, what happens to it, its end, and the next lobby.

use super::Stage;
use super::member::{Member, join};
use super::tally::Way;
use async_io::Timer;
use fastrand::Rng;
use std::sync::Arc;
use std::time::{Duration, Instant};
use webstar_core::time::Instant as Moment;
use webstar_smol::client::{now, spawn};

/// The most that a lobby can be made for. Who has crashed keeps its place for a while.
const PLACES: u32 = 64;
/// So many come into a lobby before it is closed: there is room for all that have crashed.
const MOST_BORN: u32 = 40;
/// How often it is looked whether everybody has heard everybody.
const LOOK: Duration = Duration::from_millis(200);
/// How many things happen at once.
const AT_ONCE: [u32; 6] = [1, 1, 1, 2, 2, 3];
/// Players come and go so many times in the mean life of a lobby, about.
const PAUSES: f64 = 5.0;

/// Keeps a lobby in this place until the end.
pub(super) async fn keep(stage: &Arc<Stage>, slot: u32) {
    let mut rng = Rng::with_seed(stage.churn.seed.wrapping_mul(1 << 32).wrapping_add(slot.into()));
    for generation in 0.. {
        if Instant::now() >= stage.end || stage.is_hopeless() {
            return;
        }
        let name = format!("churn-{:08x}-{slot}-{generation}", stage.load);
        let lobby = Lobby { stage, name, rng: rng.fork(), members: Vec::new(), born: 0 };
        lobby.live().await;
    }
}

struct Lobby<'a> {
    stage: &'a Arc<Stage>,
    name: String,
    rng: Rng,
    members: Vec<Member>,
    /// How many have come.
    born: u32,
}

impl Lobby<'_> {
    async fn live(mut self) {
        let life = self.stage.churn.life.mul_f64(0.5 + self.rng.f64());
        let until = (Instant::now() + life).min(self.stage.end);
        self.stage.tally.opened();
        // The first makes the lobby.
        self.change(1, Vec::new()).await;
        let others = self.rng.u32(..self.stage.plan.players);
        self.change(others, Vec::new()).await;
        let mut last = "all came".to_owned();
        loop {
            let is_last = Instant::now() >= until || self.born >= MOST_BORN;
            // One time in four the next thing happens before the lobby has come to rest.
            if (is_last || self.rng.u8(..4) > 0) && !self.settle(&last).await {
                break;
            }
            if is_last || self.stage.is_hopeless() {
                break;
            }
            let pause = self.stage.churn.life.mul_f64(self.rng.f64() * 2.0 / PAUSES);
            Timer::at((Instant::now() + pause).min(until)).await;
            last = self.stir().await;
        }
        self.close().await;
        self.stage.tally.closed();
    }

    /// Something happens, or several things at once. In words what it was.
    async fn stir(&mut self) -> String {
        let (mut joins, mut goers, mut words) = (0, Vec::new(), Vec::new());
        let at_once = AT_ONCE[self.rng.usize(..AT_ONCE.len())];
        for _ in 0..at_once {
            let is_full = self.members.len() as u32 + joins >= self.stage.plan.players;
            let word = match self.rng.u32(..100) {
                0..=34 if !is_full => {
                    joins += 1;
                    "one comes"
                }
                0..=54 => self.part(&mut goers, Way::Leaves, false),
                55..=74 => self.part(&mut goers, Way::Crashes, false),
                75..=84 => self.part(&mut goers, Way::Leaves, true),
                85..=97 => self.part(&mut goers, Way::Crashes, true),
                _ => {
                    goers.extend(self.members.drain(..).map(|member| (member, Way::Crashes)));
                    "all crash"
                }
            };
            words.push(word);
        }
        if self.members.is_empty() && joins == 0 {
            joins = 1;
            words.push("one comes");
        }
        self.change(joins, goers).await;
        words.join(", ")
    }

    /// One of them, or the host, is to go.
    fn part(&mut self, goers: &mut Vec<(Member, Way)>, way: Way, is_host: bool) -> &'static str {
        let at = match is_host {
            true => self.members.iter().position(Member::is_host),
            false => (!self.members.is_empty()).then(|| self.rng.usize(..self.members.len())),
        };
        let Some(at) = at else { return "nobody goes" };
        let member = self.members.swap_remove(at);
        let word = match (member.is_host(), way) {
            (true, Way::Leaves) => "the host leaves",
            (true, Way::Crashes) => "the host crashes",
            (false, Way::Leaves) => "one leaves",
            (false, Way::Crashes) => "one crashes",
        };
        goers.push((member, way));
        word
    }

    /// They come and go, all at the same time.
    async fn change(&mut self, joins: u32, goers: Vec<(Member, Way)>) {
        let comers: Vec<_> = (self.born..self.born + joins)
            .map(|serial| spawn(join(self.stage.clone(), self.name.clone(), serial, PLACES)))
            .collect();
        self.born += joins;
        let going: Vec<_> = goers.into_iter().map(|(member, way)| spawn(member.go(way))).collect();
        for comer in comers {
            self.members.extend(comer.await);
        }
        for goer in going {
            goer.await;
        }
    }

    /// Waits until everybody has heard what everybody says from now on. False: that took too long.
    async fn settle(&mut self, last: &str) -> bool {
        let (since, begun) = (now(), Instant::now());
        let patience = self.stage.churn.patience;
        loop {
            // Those who were put out are told of as errors.
            self.members.retain(|member| !member.has_ended());
            let Some((ear, mouth)) = deaf(&self.members, since) else {
                if self.members.is_empty() {
                    return true;
                }
                let change = format!("{last}; {} are there: {}", self.members.len(), self.name);
                self.stage.tally.settled(begun.elapsed(), &change);
                return true;
            };
            if begun.elapsed() > patience {
                let (ear, mouth, all) = (ear.told(), mouth.told(), self.members.len());
                let name = &self.name;
                let why =
                    format!("{name}: {ear} has not heard {mouth} for {patience:?} after: {last}; {all} are there");
                self.stage.counts.error(format!("a lobby is stuck: {why}"));
                self.stage.tally.stuck(why);
                return false;
            }
            self.members.iter().for_each(Member::probe);
            Timer::after(LOOK).await;
        }
    }

    /// The end of a lobby: all leave, all crash, or some do this and some that.
    async fn close(&mut self) {
        let kind = self.rng.u8(..3);
        let members = std::mem::take(&mut self.members);
        let goers = members.into_iter().map(|member| {
            let is_crash = kind == 2 || kind == 1 && self.rng.bool();
            (member, if is_crash { Way::Crashes } else { Way::Leaves })
        });
        let goers = goers.collect();
        self.change(0, goers).await;
    }
}

/// One who has not heard another, and that other.
fn deaf(members: &[Member], since: Moment) -> Option<(&Member, &Member)> {
    let mut pairs = members.iter().flat_map(|ear| members.iter().map(move |mouth| (ear, mouth)));
    pairs.find(|(ear, mouth)| !ear.has_heard(mouth, since))
}
