//! What becomes of a player that is named as host.

use crate::id::{Incarnation, PlayerId};
use crate::star::{
    Channel, Content, Copy, Delivered, Destination, Ear, Entry, Event, Frame, Kind, Mark, Me, Member, Out, Position,
    Role, ServerSays, Span, Star, StarConfig, Told, Word,
};
use crate::time::{Duration, Instant};
use crate::wire::signal::{Epoch, HostCause};
use crate::wire::view::{Certified, Proof, SigningKey, StarId, Statement, View, Voter};
use bytes::Bytes;

const STAR: StarId = StarId(7);
const NOW: Instant = Instant::ZERO;

fn key(player: u32) -> SigningKey {
    SigningKey::from_seed(&[player as u8; 32])
}

fn server() -> SigningKey {
    key(200)
}

/// The first view of a line, by the server.
fn first(epoch: Epoch, host: u32, backups: &[u32]) -> Certified {
    let voter = |player| Voter { player: PlayerId(player), incarnation: Incarnation(1), key: key(player).public() };
    let view = View {
        epoch,
        base: Epoch::default(),
        since: epoch,
        cause: None,
        host: PlayerId(host),
        backups: backups.iter().copied().map(PlayerId).collect(),
        voters: [1, 2].map(voter).into(),
    };
    Certified { proof: Proof::Server(Statement::InForce.sign(&server(), STAR, &view)), view }
}

/// Player 2, who knows of player 1.
fn second(out: &mut Out) -> Star {
    let mut star = Star::new(StarConfig::default(), [3; 32], NOW);
    let (player, incarnation) = (PlayerId(2), Incarnation(1));
    star.enter(NOW, Me { player, incarnation, key: key(2), star: STAR, server: server().public() }, out);
    let member = |player| Member {
        player: PlayerId(player),
        incarnation: Incarnation(1),
        key: key(player).public(),
        is_eligible: true,
        is_connected: true,
    };
    star.on_members(NOW, &[1, 2].map(member), out);
    star
}

#[test]
fn who_is_forced_with_a_log_that_was_not_kept_up_hears_what_is_said_at_its_places_again() {
    let (old, forced) = (Epoch { term: 1, round: 0 }, Epoch { term: 2, round: 70_000 });
    let mut out = Out::default();
    let mut star = second(&mut out);
    let say = |star: &mut Star, out: &mut Out, frame| star.on_frame(NOW, PlayerId(1), frame, out);
    let certified = Box::new(first(old, 1, &[2]));
    say(&mut star, &mut out, Frame::Activate { certified, spans: Vec::new(), voids: Vec::new() });
    let copy = Copy { cut: Position(0), end: Position(0), same: Position(0), table: Vec::new(), spans: Vec::new() };
    say(&mut star, &mut out, Frame::Copy { epoch: old, copy });
    say(&mut star, &mut out, Frame::Start { epoch: old, position: Position(0), is_joiner: true, snapshot_bytes: 0 });
    // It has heard all that was for it up to place 9; its copy ends before.
    let mark = Mark { committed: Position(9), settled: Position(9), cut: Position(0), acked: [0, 0] };
    say(&mut star, &mut out, Frame::Mark { epoch: old, mark });
    assert_eq!(star.glance().log.map(|(_, end)| end.end), Some(Position(0)));

    star.on_server(NOW, ServerSays::InForce(Box::new(first(forced, 2, &[]))), &mut out);
    let kind = Kind::new("k").expect("a name");
    star.send(NOW, &Destination::All, Channel::Ordered, kind.clone(), Bytes::from("here"), &mut out).expect("room");
    let heard: Vec<Event> = out.events.into_iter().filter(|event| matches!(event, Event::Message(_))).collect();
    let (position, payload) = (Position(2), Bytes::from("here"));
    let (from, channel, is_rewritten) = (PlayerId(2), Channel::Ordered, false);
    let wanted = Delivered { position, from, channel, seq: 1, kind, payload, is_rewritten };
    assert_eq!(heard, [Event::Message(wanted)], "places begin behind the copy");
}

/// What was said to the server.
fn words(out: &mut Out) -> Vec<Word> {
    core::mem::take(&mut out.words).into()
}

/// The next view of that one, promised by both.
fn next(of: &View, epoch: Epoch, host: u32) -> Certified {
    let (cause, backups) = (Some(HostCause::Voted), Vec::new());
    let view = View { epoch, base: of.epoch, host: PlayerId(host), cause, backups, ..of.clone() };
    let promise = |player| (PlayerId(player), Statement::Promised(PlayerId(player)).sign(&key(player), STAR, &view));
    Certified { proof: Proof::Quorum { server: None, promises: [1, 2].map(promise).into() }, view }
}

/// A hand-over that the server had not heard of hid the next one too: it could judge neither for ever.
#[test]
fn a_server_that_is_behind_is_told_every_view_since() {
    let mut out = Out::default();
    let mut star = second(&mut out);
    let old = first(Epoch { term: 1, round: 0 }, 1, &[2]);
    let middle = next(&old.view, Epoch { term: 2, round: 1 }, 2);
    let new = next(&middle.view, Epoch { term: 3, round: 1 }, 1);
    star.on_server(NOW, ServerSays::InForce(Box::new(old.clone())), &mut out);
    for certified in [&middle, &new] {
        star.on_frame(NOW, PlayerId(1), Frame::Newer(Box::new(certified.clone())), &mut out);
    }
    words(&mut out);
    star.on_server(NOW, ServerSays::InForce(Box::new(old)), &mut out);
    assert_eq!(words(&mut out), [middle, new].map(|certified| Word::InForce(Box::new(certified))));
}

/// The server forced a view below one that its host had promised: the host could not go on and nobody knew why.
#[test]
fn who_is_bound_beyond_what_the_server_forces_says_by_which_view() {
    let mut out = Out::default();
    let mut star = second(&mut out);
    let old = first(Epoch { term: 1, round: 0 }, 1, &[2]);
    star.on_server(NOW, ServerSays::InForce(Box::new(old.clone())), &mut out);
    let binding = next(&old.view, Epoch { term: 5, round: 0 }, 2).view;
    let signature = Some(Statement::Granted.sign(&server(), STAR, &binding));
    let proposed = ServerSays::Proposed { view: Box::new(binding.clone()), signature, promised: Vec::new() };
    star.on_server(NOW, proposed, &mut out);
    words(&mut out);
    let forced = |term| Box::new(first(Epoch { term, round: 70_000 }, 2, &[]));
    star.on_server(NOW, ServerSays::InForce(forced(4)), &mut out);
    assert_eq!(words(&mut out), [Word::Grant(Box::new(binding))]);
    assert_eq!(star.glance().role, Role::Barred);
    star.on_server(NOW, ServerSays::InForce(forced(6)), &mut out);
    assert_eq!(star.glance().role, Role::Hosting);
}

/// A view in which all three vote, by the server.
fn of_three(epoch: Epoch, base: Epoch, host: u32, backup: u32) -> Certified {
    let mut view = first(Epoch { term: 1, round: 0 }, host, &[backup]).view;
    (view.epoch, view.base) = (epoch, base);
    view.voters.push(Voter { player: PlayerId(3), incarnation: Incarnation(1), key: key(3).public() });
    Certified { proof: Proof::Server(Statement::InForce.sign(&server(), STAR, &view)), view }
}

/// A backup of the next host fell asleep and heard next of a view in which it was none any more: what only its copy had was
/// lost to it, and it delivered what its new host had given it behind that. And what had followed its copy seemed to be a
/// whole log.
#[test]
fn what_the_copy_of_a_former_backup_has_for_it_is_not_lost_to_the_member() {
    let [old, next, now] = [(1, 0), (2, 0), (2, 2)].map(|(term, round)| Epoch { term, round });
    let mut out = Out::default();
    let mut star = second(&mut out);
    let say = |star: &mut Star, out: &mut Out, from, frame| star.on_frame(NOW, PlayerId(from), frame, out);
    let spans = vec![Span { epoch: old, end: Position(3) }];
    let activate =
        |view: Certified| Frame::Activate { certified: Box::new(view), spans: spans.clone(), voids: Vec::new() };
    say(&mut star, &mut out, 1, activate(of_three(old, Epoch::default(), 1, 3)));
    say(&mut star, &mut out, 1, Frame::Start { epoch: old, position: Position(3), is_joiner: true, snapshot_bytes: 0 });

    let proposed = of_three(next, old, 3, 2).view;
    let signature = Some(Statement::Granted.sign(&server(), STAR, &proposed));
    let says = ServerSays::Proposed { view: Box::new(proposed), signature, promised: Vec::new() };
    star.on_server(NOW, says, &mut out);
    let kind = Kind::new("k").expect("a name");
    let entry = |position: u64, epoch| {
        let (channel, to, payload) = (Channel::Ordered, Destination::All, Bytes::from_static(b"said"));
        let (from, seq, kind, ruling) = (PlayerId(1), position - 3, kind.clone(), crate::star::Ruling::AsSent);
        let told = Told { from, channel, seq, to, kind, payload, ruling };
        let entry = Entry { position: Position(position), epoch: next, content: Content::Message(told) };
        Frame::Entry { epoch, entry }
    };
    let copy = |cut, end| Copy { cut, end, same: end.next(), table: Vec::new(), spans: Vec::new() };
    let late = copy(Position(3), Position(4));
    say(&mut star, &mut out, 3, Frame::Copy { epoch: next, copy: late });
    say(&mut star, &mut out, 3, entry(4, next));
    assert_eq!(star.glance().log.map(|(_, end)| end.end), Some(Position(4)));

    star.on_server(NOW, ServerSays::InForce(Box::new(of_three(now, Epoch { term: 2, round: 1 }, 3, 1))), &mut out);
    say(&mut star, &mut out, 3, activate(of_three(now, Epoch { term: 2, round: 1 }, 3, 1)));
    say(&mut star, &mut out, 3, Frame::Copy { epoch: next, copy: copy(Position(0), Position(3)) });
    say(&mut star, &mut out, 3, entry(5, now));
    let mark = Mark { committed: Position(5), settled: Position(3), cut: Position(0), acked: [0, 0] };
    say(&mut star, &mut out, 3, Frame::Mark { epoch: now, mark });
    let place = |event| if let Event::Message(told) = event { Some(told.position) } else { None };
    assert_eq!(out.events.into_iter().filter_map(place).collect::<Vec<_>>(), [4, 5].map(Position));
    assert_eq!(star.glance().log, None, "it keeps none, and says nothing of one");
}

/// The stream that carries the star was deaf for a while, so that the silence of the host on it meant nothing. When it was
/// heard again, the host's patience was over already: that moment was past, and nobody looked at it ever again.
#[test]
fn a_silence_that_meant_nothing_and_does_now_is_looked_at_at_once() {
    let epoch = Epoch { term: 1, round: 0 };
    let at = |s| NOW + Duration::from_secs(s);
    let mut out = Out::default();
    let mut star = second(&mut out);
    star.on_server_reachable(NOW, true, &mut out);
    star.on_server(NOW, ServerSays::InForce(Box::new(first(epoch, 1, &[]))), &mut out);
    let ear = |patience| Ear {
        is_open: true,
        heard_at: NOW,
        patience: Duration::from_secs(patience),
        rhythm: Duration::from_secs(5),
        rtt: None,
    };
    star.on_ear(at(1), PlayerId(1), ear(3600));
    star.on_timeout(at(8), &mut out);
    assert!(!star.is_due(at(9)) && out.words.is_empty());
    star.on_ear(at(9), PlayerId(1), ear(5));
    assert!(star.is_due(at(9)));
    star.on_timeout(at(9), &mut out);
    assert_eq!(out.words.pop_back(), Some(Word::Unheard { epoch }));
    assert!(!star.is_due(at(9)), "it was looked at");
}

/// The host went beyond what bound the others, by a long way, and its view was in force: meanwhile they had told the server
/// that it was gone, and it proposed the next one, and so on (swarm, seed 16856).
#[test]
fn a_host_that_goes_beyond_what_bars_it_is_given_as_long_once_more() {
    let [old, bar, beyond] = [(1, 0), (2, 0), (3, 0)].map(|(term, round)| Epoch { term, round });
    let at = |ms| NOW + Duration::from_millis(ms);
    let said_at = |goes_beyond: bool| {
        let mut out = Out::default();
        let mut star = second(&mut out);
        star.on_server_reachable(NOW, true, &mut out);
        let certified = of_three(old, Epoch::default(), 1, 3);
        star.on_server(NOW, ServerSays::InForce(Box::new(certified.clone())), &mut out);
        let view = |epoch, host| View {
            epoch,
            base: old,
            host: PlayerId(host),
            backups: Vec::new(),
            ..certified.view.clone()
        };
        let promised = view(bar, 3);
        let signature = Some(Statement::Granted.sign(&server(), STAR, &promised));
        star.on_server(
            NOW,
            ServerSays::Proposed { view: Box::new(promised), signature, promised: Vec::new() },
            &mut out,
        );
        let mut said = None;
        for ms in (0..10_000).step_by(100) {
            let (is_open, rtt) = (true, None);
            let ear = Ear {
                is_open,
                heard_at: at(ms),
                patience: Duration::from_secs(1),
                rhythm: Duration::from_secs(1),
                rtt,
            };
            star.on_ear(at(ms), PlayerId(1), ear);
            if goes_beyond && ms == 2_000 {
                let view = View { cause: Some(HostCause::Voted), ..view(beyond, 1) };
                star.on_frame(at(ms), PlayerId(1), Frame::Propose { view, is_dormant: false }, &mut out);
            }
            star.on_timeout(at(ms), &mut out);
            if said.is_none() && words(&mut out).contains(&Word::Unheard { epoch: old }) {
                said = Some(ms);
            }
        }
        said
    };
    assert_eq!((said_at(false), said_at(true)), (Some(3_000), Some(5_000)));
}

/// Who handed over is given no copy that tells where its own term ends. As host again it told its members nothing of that
/// term: what one of them had been given in it and not delivered was dropped (swarm, seed 19473).
#[test]
fn who_handed_over_learns_where_its_own_term_ends() {
    let mut out = Out::default();
    let mut star = second(&mut out);
    let old = first(Epoch { term: 1, round: 0 }, 2, &[1]);
    star.on_server(NOW, ServerSays::InForce(Box::new(old.clone())), &mut out);
    let view = View { backups: vec![PlayerId(2)], ..next(&old.view, Epoch { term: 2, round: 1 }, 1).view };
    let proof = Proof::Server(Statement::InForce.sign(&server(), STAR, &view));
    let span = Span { epoch: old.view.epoch, end: star.glance().log.expect("a host keeps one").1.end };
    let certified = Box::new(Certified { view, proof });
    star.on_frame(NOW, PlayerId(1), Frame::Activate { certified, spans: vec![span], voids: Vec::new() }, &mut out);
    assert_eq!(star.log.expect("it is a backup now").spans(), [span]);
}
