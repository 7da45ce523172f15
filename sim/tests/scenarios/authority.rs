//! Stories of games whose host has the last word: what it accepts, rewrites and rejects, and what becomes of it all when
//! hosts die.

use crate::scene::{Join, Scene};
use webstar_core::peer::{Channel, Destination, PeerEvent, Proposal, Sent, Verdict};

const NAMES: [&str; 5] = ["ann", "bob", "cid", "dan", "eve"];

/// Every third message is rejected, and every third is rewritten: the same at every host.
fn game(proposal: &Proposal) -> Verdict {
    match proposal.seq % 3 {
        0 => Verdict::Reject("no".into()),
        1 => Verdict::Accept,
        _ => Verdict::Rewrite([&proposal.payload[..], b"!"].concat().into()),
    }
}

fn settled() -> Scene {
    let mut scene = Scene::of_such(NAMES, Join { authority: true, ..Join::default() });
    scene.run(3_000);
    scene
}

fn host(scene: &Scene) -> &'static str {
    let (host, _) = *scene.hosts("eve").last().expect("there is another host");
    NAMES.into_iter().find(|name| scene.player(name) == host).expect("it is one of them")
}

fn rejected(scene: &Scene, name: &str) -> Vec<u64> {
    let told = scene.events(name).iter().filter_map(|event| match event {
        PeerEvent::Rejected { sent: Sent { seq, .. }, .. } => Some(*seq),
        _ => None,
    });
    told.collect()
}

/// Dan and eve have said so many, and everybody hears of each what the game makes of it, once and in one order.
fn all_is_ruled(scene: &Scene, listeners: &[&str], count: u64) {
    let first = scene.texts(listeners[0], Channel::Ordered);
    for name in listeners {
        assert_eq!(scene.texts(name, Channel::Ordered), first, "{name}");
    }
    for sender in ["dan", "eve"] {
        let own = first.iter().filter(|text| text.starts_with(sender));
        let wanted = (1..=count).filter(|seq| seq % 3 > 0);
        let wanted: Vec<String> =
            wanted.map(|seq| format!("{sender} {seq}{}", &"!"[..usize::from(seq % 3 == 2)])).collect();
        assert_eq!(own.cloned().collect::<Vec<_>>(), wanted, "{sender}");
        assert_eq!(rejected(scene, sender), (1..=count).filter(|seq| seq % 3 == 0).collect::<Vec<_>>(), "{sender}");
        assert_eq!(scene.acked(sender).len() as u64, count, "{sender}");
    }
    for name in &listeners[..listeners.len() - 2] {
        assert_eq!(rejected(scene, name), Vec::<u64>::new(), "{name}");
    }
    let marked = scene.messages("eve").into_iter().filter(|message| message.is_rewritten);
    assert!(
        marked.count() > 0
            && scene.messages("eve").iter().all(|message| message.payload.ends_with(b"!") == message.is_rewritten)
    );
}

/// Dan and eve each say something every 20 ms, and the game at one of them decides as often as it can.
fn talk(scene: &mut Scene, decides: Option<&str>, seqs: core::ops::RangeInclusive<u64>) {
    for seq in seqs {
        for name in ["dan", "eve"] {
            scene.try_say(name, format!("{name} {seq}"));
        }
        scene.run(20);
        if let Some(name) = decides {
            scene.decide(name, game);
        }
    }
}

/// They talk, and the game at this host decides until nothing waits.
fn reign(scene: &mut Scene, host: &str, seqs: core::ops::RangeInclusive<u64>) {
    talk(scene, Some(host), seqs);
    scene.run(500);
    scene.decide(host, game);
    scene.run(500);
}

#[test]
fn the_host_has_the_last_word() {
    let mut scene = settled();
    reign(&mut scene, "ann", 1..=30);
    all_is_ruled(&scene, &NAMES, 30);
}

#[test]
fn a_host_dies_while_proposals_wait_and_nothing_is_lost_or_doubled() {
    for (decided, is_told) in [(0, true), (0, false), (7, true), (7, false), (30, false)] {
        let mut scene = settled();
        talk(&mut scene, Some("ann"), 1..=decided);
        talk(&mut scene, None, decided + 1..=decided + 10);
        if is_told {
            scene.kill("ann");
        } else {
            scene.perish("ann");
        }
        talk(&mut scene, None, decided + 11..=decided + 15);
        scene.run(6_000);
        let next = host(&scene);
        assert!(["bob", "cid"].contains(&next), "{next}");
        scene.decide(next, game);
        scene.run(1_000);
        scene.decide(next, game);
        scene.run(1_000);
        all_is_ruled(&scene, &NAMES[1..], decided + 15);
        assert_eq!(scene.count("eve", |event| *event == PeerEvent::ContinuityLost), 0);
    }
}

#[test]
fn two_hosts_die_and_what_was_rejected_stays_so() {
    let mut scene = settled();
    reign(&mut scene, "ann", 1..=9);
    scene.kill("ann");
    scene.run(3_000);
    let next = host(&scene);
    reign(&mut scene, next, 10..=18);
    scene.perish(next);
    scene.run(6_000);
    let last = host(&scene);
    reign(&mut scene, last, 19..=27);
    let rest: Vec<&str> = NAMES.into_iter().filter(|name| *name != "ann" && *name != next).collect();
    all_is_ruled(&scene, &rest, 27);
}

#[test]
fn what_is_said_to_the_host_alone_is_decided_too() {
    let mut scene = settled();
    scene.say("dan", &Destination::Host, Channel::Reliable, "psst");
    scene.run(500);
    assert_eq!(scene.texts("ann", Channel::Reliable), Vec::<String>::new());
    assert_eq!(scene.decide("ann", |_| Verdict::Accept), 1);
    scene.run(500);
    assert_eq!(scene.texts("ann", Channel::Reliable), ["psst"]);
}
