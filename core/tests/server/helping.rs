//! Servers that help players to find direct ways: who is told of them, as whom, and when anew.

use crate::hand::{House, Who, joining, secret, secs};
use webstar_core::server::{IceHelp, Input, ServerConfig};
use webstar_core::wire::signal::{ClientMessage, Credentials, Encoding, IceServer, ServerMessage};

const MINUTE: u64 = 60;
/// So long credentials hold.
const LIFETIME: u64 = 10 * MINUTE;
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
        assert_eq!(end, (UNIX + LIFETIME).to_string());
        let known = Credentials::until(UNIX + LIFETIME, name, &secret("north")).unwrap();
        assert_eq!(servers[1].credential, Some(known.password));
        names.push(user);
    }
    assert_ne!(names[0], names[1]);
    assert_eq!(told(&mut house, guest), Vec::<Vec<IceServer>>::new());
}

/// So much time passes, in which everybody lives and says so; the house is told the time of day every thirty seconds. When
/// each was told in between, in seconds.
fn moments(house: &mut House, members: &[Who], minutes: u64) -> Vec<Vec<u64>> {
    let mut moments = vec![Vec::new(); members.len()];
    for half in 1..=minutes * 2 {
        house.pass(secs(30));
        for &member in members {
            house.tell(0, Input::Control { connection: house.clients[member].id });
        }
        house.tell(0, Input::WallClock { unix: secs(UNIX + half * 30) });
        for (member, moments) in members.iter().zip(&mut moments) {
            for servers in told(house, *member) {
                let end: u64 = servers[1].username.as_ref().unwrap().split_once(':').unwrap().0.parse().unwrap();
                assert_eq!(end, UNIX + half * 30 + LIFETIME);
                moments.push(half * 30);
            }
        }
    }
    moments
}

#[test]
fn credentials_are_told_anew_before_they_end() {
    let mut house = house();
    let ann = join(&mut house, Encoding::Postcard);
    told(&mut house, ann);
    let moments = moments(&mut house, &[ann], 60).remove(0);
    let gaps = moments.windows(2).map(|pair| pair[1] - pair[0]);
    let longest = gaps.chain(moments.first().copied()).max().unwrap();
    assert!(longest <= LIFETIME - 4 * MINUTE, "with time to spare, if the house is away for a moment: {moments:?}");
    assert!(moments.len() <= 13, "and not more often than needed: {moments:?}");
}

#[test]
fn a_large_house_is_told_a_part_at_a_time() {
    let mut house = house();
    let members: Vec<Who> = (0..40)
        .map(|number| {
            let who = house.connect(Encoding::Postcard);
            house.hello(who);
            house.say(who, ClientMessage::JoinLobby(joining(&format!("den{number}"))));
            told(&mut house, who);
            who
        })
        .collect();
    let moments = moments(&mut house, &members, 20);
    for half in 1..=40 {
        let at_once = moments.iter().filter(|moments| moments.contains(&(half * 30))).count();
        assert!(at_once <= 4, "{at_once} of 40 at second {}", half * 30);
    }
    assert!(moments.iter().all(|moments| (3..=4).contains(&moments.len())), "nobody is forgotten: {moments:?}");
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
