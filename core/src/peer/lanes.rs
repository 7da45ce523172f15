//! How a message travels over a link: what its channel promises, and in which lane. Kept messages have one order, so they
//! have one lane; those of the moment go in the lane that the sender's game has named for their kind, and the host hands
//! them on in the lane in which they came.

use super::event::Channel;
use crate::config::PlayerConfig;
use crate::wire::frame::{Delivery, Priority};

/// What the session promises for a channel.
pub(super) fn delivery_of(channel: Channel) -> Delivery {
    match channel {
        Channel::Unreliable => Delivery::Unreliable,
        Channel::Latest => Delivery::Latest,
        Channel::Reliable => Delivery::Reliable,
        Channel::Ordered => Delivery::Ordered,
    }
}

/// The channel that a session's promise stands for.
pub(super) fn channel_of(delivery: Delivery) -> Channel {
    match delivery {
        Delivery::Unreliable => Channel::Unreliable,
        Delivery::Latest => Channel::Latest,
        Delivery::Reliable => Channel::Reliable,
        Delivery::Ordered => Channel::Ordered,
    }
}

/// The lane of a message of ours. What is of the moment goes before what waits to be sent again, unless the game says
/// otherwise.
pub(super) fn priority_of(config: &PlayerConfig, channel: Channel, kind: &str) -> Priority {
    match channel {
        Channel::Reliable | Channel::Ordered => Priority::Normal,
        Channel::Unreliable | Channel::Latest => config.priorities.get(kind).copied().unwrap_or(Priority::High),
    }
}

/// The lane in which a message of a member is handed on: that in which it came, but for the one of the star's own words.
pub(super) fn handed_on(came_in: Priority) -> Priority {
    came_in.max(Priority::High)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_the_lane_of_the_star() {
        assert_eq!(Priority::ALL.map(handed_on), [Priority::High, Priority::High, Priority::Normal, Priority::Low]);
    }
}
