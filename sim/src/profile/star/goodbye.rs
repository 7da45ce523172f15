//! The end of a run: stragglers have a moment to do harm, strangers try the tokens that were used, and everybody leaves.
//! Whoever has left must be silent, and a calm server must be empty.

use super::plan::Part;
use super::{Lens, Run};
use crate::world::{Clock, Line, SeatId};
use core::time::Duration;
use webstar_core::server::ServerConfig;
use webstar_core::wire::signal::{ClientMessage, Encoding, Hello, Version};

/// After everything has arrived, copies and stragglers have so long to do harm.
const LINGER: Duration = Duration::from_millis(1_500);
/// Tokens that are tried at most.
const MOST_REPLAYS: usize = 4;
/// A stranger is answered within this.
const ANSWERED: Duration = Duration::from_secs(3);
/// Whoever leaves has left within this: two seconds for what is under way, one for the goodbye, and what a slow clock
/// makes of them.
const PARTING: Duration = Duration::from_millis(3_100);
/// A goodbye that was lost again and again on its way to the server is there after so long more.
const STRAGGLING: Duration = Duration::from_secs(10);

impl<L: Lens> Run<'_, L> {
    /// Everything that happens after everything has arrived.
    pub(super) fn part(&mut self) {
        let now = self.world.now();
        self.advance(now + LINGER);
        self.replay_tokens();
        self.all_leave();
    }

    /// Strangers try used tokens. What a server without memory cannot know it must refuse when it lets no lobby come back
    /// any more: who has such a token waits for that.
    fn replay_tokens(&mut self) {
        let book = self.eye.book();
        let tokens = (0..book.tickets.used.len()).take(MOST_REPLAYS);
        let (forgotten, known): (Vec<usize>, Vec<usize>) = tokens.partition(|token| book.checks.is_forgotten(*token));
        self.replay(&known);
        if let (false, Some(restarted)) = (forgotten.is_empty(), self.restarted_at) {
            self.eye.book_mut().tally.mark("memory_lost");
            let by = restarted + ServerConfig::default().resume_timeout;
            self.advance(by.max(self.world.now()));
            self.replay(&forgotten);
        }
    }

    fn replay(&mut self, tokens: &[usize]) {
        if tokens.is_empty() || self.eye.red().is_some() {
            return;
        }
        let tried = tokens.len() as u64;
        let before = self.eye.book().replays;
        for token in tokens.iter().copied() {
            let resume = self.eye.book().tickets.used[token].resume.clone();
            let seat = self.world.seat(Line::new(self.plan.seats[0].calm.line), Clock::default());
            self.eye.book_mut().strangers.insert(seat, token);
            let hello = Hello { versions: vec![Version::CURRENT], key: None };
            let greeting = vec![ClientMessage::Hello(hello), ClientMessage::Resume(resume)];
            self.world.enter_plain(seat, Encoding::Postcard, greeting);
        }
        self.eye.book_mut().tally.marks_add("replayed_token", tried);
        let now = self.world.now();
        self.advance(now + ANSWERED);
        let answered = u64::from(self.eye.book().replays - before);
        if answered < tried {
            let why = format!("{} strangers with used tokens had no answer", tried - answered);
            self.eye.book_mut().checks.fail("tokens", why);
        }
    }

    fn all_leave(&mut self) {
        let seats = (0..).map(SeatId).zip(&self.plan.seats);
        let present: Vec<(SeatId, Part)> = seats.map(|(seat, plan)| (seat, plan.part)).collect();
        for (seat, _) in &present {
            self.comebacks.clear();
            self.leave(*seat);
        }
        let now = self.world.now();
        self.advance(now + PARTING);
        for (seat, part) in present {
            let Some(life) = self.eye.book().sitting(seat) else { continue };
            if part != Part::Guest && !self.eye.book().cast.person(life).is_over {
                self.eye.book_mut().checks.fail("ended", format!("{life:?} left and was never told that it has"));
            }
            self.world.poke(seat, &mut self.eye);
        }
        let stay = |run: &Self| run.world.server_stats().iter().map(|stats| stats.players).sum::<u64>();
        if self.plan.mood.is_gentle() && stay(self) > 0 {
            let now = self.world.now();
            self.advance(now + STRAGGLING);
        }
        let players = stay(self);
        if self.plan.mood.is_gentle() && players > 0 {
            let why = format!("all have left and the server still has {players} players");
            self.eye.book_mut().checks.fail("ended", why);
        }
    }
}
