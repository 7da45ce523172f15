//! Bytes as a recording, and bytes as what is in a recording whose blocks are whole. Nothing panics, and nothing takes
//! memory beyond what is there.

use super::meter;
use super::script::Script;
use webstar_core::config::PlayerConfig;
use webstar_core::peer::{JoinRequest, Wish};
use webstar_core::recording::{Recorded, Replay, seal};
use webstar_core::time::Instant;
use webstar_core::wire::signal::Username;

/// What a player takes at most, without what it is told.
const PLAYER: usize = 256 * 1024;
/// What a byte of a recording may cost: the smallest entries are errors, and frames that make a table grow.
const A_BYTE: usize = 1024;

/// What comes of a recording.
pub fn recordings(data: &[u8]) {
    let mut script = Script::new(data);
    let bytes = match script.byte() % 4 {
        0 => script.rest().to_vec(),
        _ => {
            let mut bytes = beginning();
            seal(script.rest(), &mut bytes);
            bytes
        }
    };
    meter::peak_within(PLAYER + A_BYTE * bytes.len(), || {
        let Ok(mut replay) = Replay::open(&bytes) else { return };
        while let Ok(Some(_)) = replay.next() {}
        assert!(replay.tally().outputs <= bytes.len() as u64);
    });
}

/// Of a player that was told nothing yet.
fn beginning() -> Vec<u8> {
    let request = JoinRequest::new(Username::new("me").expect("it is plain"), Wish::New);
    let player = Recorded::watched(PlayerConfig::default(), request, [5; 32], Instant::ZERO);
    player.expect("the settings are good").take_recording().expect("it is recorded")
}
