//! Stories of a host behind a thin line.

use crate::scene::{Join, Scene};
use webstar_core::peer::{Channel, PeerEvent};

const MEMBERS: [&str; 8] = ["bob", "cid", "dan", "eve", "fay", "gus", "hal", "ida"];

/// So many milliseconds pass between two places that somebody tells.
const FRAME: u64 = 50;

/// The oldest place that anybody is told meanwhile, in frames, and how many are told.
fn oldest(scene: &Scene, seen: &mut [usize], frame: u64) -> (u64, usize) {
    let (mut oldest, mut count) = (0, 0);
    for (name, seen) in MEMBERS.iter().zip(seen) {
        let messages = scene.messages(name);
        for message in messages[*seen..].iter().filter(|message| message.channel == Channel::Latest) {
            let text = String::from_utf8_lossy(&message.payload);
            let said: u64 = text.split(' ').next().and_then(|number| number.parse().ok()).expect("a number");
            (oldest, count) = (oldest.max(frame - said), count + 1);
        }
        *seen = messages.len();
    }
    (oldest, count)
}

#[test]
fn behind_a_thin_line_places_stay_fresh_and_nothing_kept_is_lost() {
    let mut scene = Scene::new();
    scene.join("ann", Join { upload: Some(64_000), ..Join::default() });
    scene.run(300);
    for name in MEMBERS {
        scene.join(name, Join::default());
        scene.run(300);
    }
    scene.run(3_000);
    let host = scene.player("ann");
    let told_before = MEMBERS.map(|name| scene.hosts(name).len());
    let mut seen = MEMBERS.map(|name| scene.messages(name).len());
    let (mut age, mut told, mut said) = (0, 0, 0);
    // Eight members, seven listeners each, twenty places of 150 bytes a second: 168 kB a second and what it costs to say it.
    let place = "p".repeat(144);
    for frame in 0..400 {
        for name in MEMBERS {
            scene.say_as(name, Channel::Latest, "place", format!("{frame} {place}")).expect("it is replaced");
            if frame % 20 == 0 {
                scene.say_as(name, Channel::Ordered, "order", format!("{name} {frame}")).expect("there is room");
                said += 1;
            }
        }
        scene.run(FRAME);
        let (oldest, count) = oldest(&scene, &mut seen, frame);
        (age, told) = (age.max(oldest), told + count);
    }
    assert!(age * FRAME <= 1_000, "a place was {} ms old when it was told", age * FRAME);
    assert!((2_000..400 * 56 / 2).contains(&told), "{told} places: as many as the line bears, and not all");
    scene.run(5_000);
    for (name, before) in MEMBERS.into_iter().zip(told_before) {
        assert_eq!(scene.hosts(name).len(), before, "{name} knows no other host than {host:?}");
        assert_eq!(scene.texts(name, Channel::Ordered).len(), said - 20, "{name} hears all that the others say");
        assert_eq!(scene.count(name, |event| matches!(event, PeerEvent::Suspect { .. })), 0, "{name}");
        assert_eq!(scene.count(name, |event| matches!(event, PeerEvent::Resynced { .. })), 0, "{name}");
    }
    assert_eq!(scene.count("ann", |event| matches!(event, PeerEvent::PlayerLeft { .. })), 0);
}
