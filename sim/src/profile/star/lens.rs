//! What can stand between the machines of a world and their judges, to prove that these notice what is false.

use crate::check::star::{Holding, Life, News};
use webstar_core::peer::{PeerEvent, Position};

/// What stands between the machines and their judges.
pub trait Lens {
    /// Tells what is to be seen of an event of a life.
    fn pass(&mut self, life: Life, event: PeerEvent, tell: &mut dyn FnMut(Life, PeerEvent)) {
        tell(life, event);
    }

    /// What is to be seen of what has changed in a star.
    fn look(&mut self, _news: &mut News) {}

    /// What is to be seen of what is held.
    fn weigh(&mut self, holding: Holding) -> Holding {
        holding
    }

    /// What is to be seen of a drained machine: how many outputs there were and whether it wants more.
    fn rest(&mut self, _life: Life, outputs: usize, wants_more: bool) -> (usize, bool) {
        (outputs, wants_more)
    }

    /// Whether a token that was used before is seen to work.
    fn replay(&mut self, worked: bool) -> bool {
        worked
    }

    /// After which place the log of a host is seen to begin.
    fn cut(&self, cut: Position) -> Position {
        cut
    }
}

impl<L: Lens> Lens for &mut L {
    fn pass(&mut self, life: Life, event: PeerEvent, tell: &mut dyn FnMut(Life, PeerEvent)) {
        L::pass(self, life, event, tell);
    }

    fn look(&mut self, news: &mut News) {
        L::look(self, news);
    }

    fn weigh(&mut self, holding: Holding) -> Holding {
        L::weigh(self, holding)
    }

    fn rest(&mut self, life: Life, outputs: usize, wants_more: bool) -> (usize, bool) {
        L::rest(self, life, outputs, wants_more)
    }

    fn replay(&mut self, worked: bool) -> bool {
        L::replay(self, worked)
    }

    fn cut(&self, cut: Position) -> Position {
        L::cut(self, cut)
    }
}

/// Falsifies nothing.
#[derive(Clone, Copy, Debug)]
pub struct Clear;

impl Lens for Clear {}
