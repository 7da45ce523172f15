//! Stories of those who show a ticket that is not theirs.

use crate::hosts::{TEAM, all_is_well, talk};
use crate::scene::{Join, Scene};
use webstar_core::id::PlayerId;
use webstar_core::peer::Ended;
use webstar_core::wire::signal::CloseReason;

#[test]
fn who_shows_a_token_that_was_used_is_a_stranger_and_its_owner_is_put_out() {
    let mut scene = Scene::settled(TEAM);
    let copied = scene.ticket("dan");
    scene.reconnect("dan");
    talk(&mut scene, &TEAM, "before", 300);
    all_is_well(&scene, &TEAM);
    scene.join_with("eve", Join::default(), Some(copied));
    scene.run(1_000);
    assert_eq!(scene.player("eve"), PlayerId(5), "anybody may come in, as a stranger");
    assert_eq!(scene.end("dan"), Some(&Ended::PutOut(CloseReason::TokenReused)), "one of the two is a thief");
    talk(&mut scene, &["ann", "bob", "cid"], "after", 300);
    all_is_well(&scene, &["ann", "bob", "cid"]);
}

#[test]
fn the_used_token_of_a_host_costs_it_its_place_and_the_others_nothing() {
    let mut scene = Scene::settled(TEAM);
    let copied = scene.ticket("ann");
    scene.reconnect("ann");
    scene.join_with("eve", Join::default(), Some(copied));
    scene.run(4_000);
    assert_eq!(scene.end("ann"), Some(&Ended::PutOut(CloseReason::TokenReused)));
    talk(&mut scene, &["bob", "cid", "dan"], "after", 300);
    all_is_well(&scene, &["bob", "cid", "dan"]);
}
