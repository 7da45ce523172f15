//! Servers that help players to find direct ways: who is told of them, as whom, and when anew.

use crate::hand::{House, Who, joining, secret, secs};
use webstar_core::server::{IceHelp, Input, ServerConfig};
use webstar_core::wire::signal::{ClientMessage, Credentials, Encoding, IceServer, ServerMessage};

const HOUR: u64 = 3_600;
/// When the tests take place.
const UNIX: u64 = 1_700_000_000;

fn help(url: &str, known_by: Option<&str>) -> IceHelp {
    IceHelp { url: url.into(), secret: known_by.map(secret) }
}

fn told(house: &mut House, who: Who) -> Vec<Vec<IceServer>> {
    let told = house.heard(who).into_iter().filter_map(|message| match message {
        ServerMessage::IceServers(told) => Some(told.servers),
        _ => None,
    });
    told.collect()
}

fn join(house: &mut House, encoding: Encoding) -> Who {
    let who = house.connect(encoding);
    if encoding == Encoding::Postcard {
        house.hello(who);
    }
    house.say(who, ClientMessage::JoinLobby(joining("den")));
    who
}

/// A house at a known time whose operator names a STUN and a TURN server.
fn house() -> House {
    let mut house = House::new(ServerConfig::default());
    house.tell(0, Input::WallClock { unix: secs(UNIX) });
    house.tell(0, Input::IceServers(vec![help("stun:a", None), help("turns:b", Some("north"))]));
    house
}

#[test]
fn every_player_is_told_with_credentials_of_its_own_and_guests_are_not() {
    let mut house = house();
    let [ann, bob] = [(); 2].map(|()| join(&mut house, Encoding::Postcard));
    let guest = join(&mut house, Encoding::Json);
    let mut names = Vec::new();
    for who in [ann, bob] {
        let all = told(&mut house, who);
        let [servers] = &all[..] else { panic!("once: {all:?}") };
        assert_eq!(servers[0], IceServer { urls: "stun:a".into(), username: None, credential: None });
        let user = servers[1].username.clone().unwrap();
        let (end, name) = user.split_once(':').unwrap();
        assert_eq!(end, (UNIX + 12 * HOUR).to_string());
        let known = Credentials::until(UNIX + 12 * HOUR, name, &secret("north")).unwrap();
        assert_eq!(servers[1].credential, Some(known.password));
        names.push(user);
    }
    assert_ne!(names[0], names[1]);
    assert_eq!(told(&mut house, guest), Vec::<Vec<IceServer>>::new());
}

#[test]
fn credentials_are_told_anew_before_they_end() {
    let mut house = house();
    let ann = join(&mut house, Encoding::Postcard);
    told(&mut house, ann);
    let pass = |house: &mut House, hours: u64| {
        for _ in 0..hours * 120 {
            // It lives, and says so.
            house.tell(0, Input::Control { connection: house.clients[ann].id });
            house.pass(secs(30));
        }
    };
    pass(&mut house, 5);
    house.tell(0, Input::WallClock { unix: secs(UNIX + 5 * HOUR) });
    assert_eq!(told(&mut house, ann).len(), 0);
    pass(&mut house, 1);
    house.tell(0, Input::WallClock { unix: secs(UNIX + 6 * HOUR) });
    let renewed = told(&mut house, ann);
    let end = (UNIX + 18 * HOUR).to_string();
    assert!(renewed.len() == 1 && renewed[0][1].username.as_ref().is_some_and(|user| user.starts_with(&end)));
}

#[test]
fn other_servers_take_the_place_of_those_before_and_of_too_many_some_are_left_out() {
    let mut house = house();
    let ann = join(&mut house, Encoding::Postcard);
    told(&mut house, ann);
    house.tell(0, Input::IceServers((0..20).map(|number| help(&format!("stun:{number}"), None)).collect()));
    let told = told(&mut house, ann);
    assert_eq!((told.len(), told[0].len(), told[0][7].urls.as_str()), (1, 8, "stun:7"));
}

#[test]
fn who_names_none_tells_nobody_anything() {
    let mut house = House::new(ServerConfig::default());
    let ann = join(&mut house, Encoding::Postcard);
    assert_eq!(told(&mut house, ann).len(), 0);
}
