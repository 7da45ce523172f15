//! Our star: a host and members as any application has them, with a lobby server in this process.

use crate::member::{Beats, Talk, stamped};
use crate::process::Host;
use crate::{BEAT, Cost, MEMBERS, weigh};
use async_io::Timer;
use futures_lite::future::{block_on, race};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use webstar_core::path::webrtc::PathKind;
use webstar_core::peer::{Channel, Destination, PeerEvent};
use webstar_smol::client::{Client, Options};
use webstar_smol::server::{Server, ServerOptions};

/// A lobby server on this machine.
pub(crate) fn server() -> Server {
    let options = ServerOptions { listen: ([127, 0, 0, 1], 0).into(), ..ServerOptions::default() };
    Server::bind(options).expect("there is loopback")
}

/// The way into the lobby.
pub(crate) fn options(server: &str, name: &str) -> Options {
    let options = Options::to(server).and_then(|options| options.name(name));
    options.expect("the name and the address are usable")
}

/// Whether messages leave one by one, or together with every frame.
#[derive(Clone, Copy)]
pub(crate) enum Leaving {
    Apart,
    Together,
}

impl Leaving {
    /// As an argument of the host.
    fn name(self) -> &'static str {
        match self {
            Leaving::Apart => "apart",
            Leaving::Together => "together",
        }
    }

    pub(crate) fn of_name(name: &str) -> Self {
        if name == Leaving::Together.name() { Leaving::Together } else { Leaving::Apart }
    }

    fn tick(self) -> Option<Duration> {
        matches!(self, Leaving::Together).then_some(BEAT)
    }
}

/// The host: a game that looks at what it was told with every frame.
pub(crate) fn host(target: &str, leaving: Leaving) {
    let mut options = options(target, "host");
    options.config.tick = leaving.tick();
    let client = block_on(Client::join_with(options)).expect("the lobby is open");
    println!("in");
    loop {
        while client.try_next_event().is_some() {}
        thread::sleep(BEAT);
    }
}

enum Turn {
    Event(Option<PeerEvent>),
    Beat,
}

/// A member: says something by the clock, and counts what it hears. Returns how many packets came over `srtp`, and how
/// many in all, while everybody talked.
async fn take_part(client: Client, number: usize, talk: &Talk) -> (u64, u64) {
    let mut beats = Beats::new(number);
    let mut landed = None;
    while !talk.is_over() {
        let event = async { Turn::Event(client.next_event().await) };
        let beat = async {
            Timer::after(beats.wait()).await;
            Turn::Beat
        };
        match race(event, beat).await {
            Turn::Event(Some(PeerEvent::Message(message))) => talk.on_heard(&message.payload),
            Turn::Event(Some(_)) => {}
            Turn::Event(None) => panic!("a member has ended"),
            Turn::Beat if !beats.is_due() => {}
            Turn::Beat if talk.is_complete() => {
                landed.get_or_insert_with(|| client.landed());
                let said = client.send(&Destination::Others, Channel::Unreliable, "move", stamped().to_vec());
                if said.is_ok() {
                    talk.on_sent();
                }
            }
            Turn::Beat => {
                let is_there =
                    client.stats().iter().any(|other| other.player.0 == 1 && other.path == Some(PathKind::Srtp));
                if is_there && landed.is_none() {
                    landed = Some(client.landed());
                    talk.on_connected();
                }
            }
        }
    }
    let (before, after) = (landed.unwrap_or_default(), client.landed());
    let all = |landed: webstar_core::peer::Landed| landed.relay + landed.external + landed.sctp + landed.srtp;
    client.leave().await;
    (after.srtp - before.srtp, all(after) - all(before))
}

/// What a message costs our host, and the share of packets that came to members over `srtp`.
pub(crate) fn measure(leaving: Leaving) -> (Cost, f64) {
    let server = server();
    let target = format!("webstar://{}/star", server.local_addr());
    let mut host = Host::start(&["ours", &target, leaving.name()]);
    assert_eq!(host.hear(), "in", "the host is in the lobby");
    let talk = Arc::new(Talk::default());
    let mut members = Vec::new();
    for number in 0..MEMBERS {
        let (talk, mut options) = (talk.clone(), options(&target, "member"));
        options.config.tick = leaving.tick();
        members.push(thread::spawn(move || {
            block_on(async {
                let client = Client::join_with(options).await.expect("the lobby is open");
                take_part(client, number, &talk).await
            })
        }));
    }
    while !talk.is_complete() {
        thread::sleep(BEAT);
    }
    let cost = weigh(&host, &talk);
    talk.end();
    let (mut over_srtp, mut all) = (0, 0);
    for member in members {
        let (srtp, packets) = member.join().expect("the member ends well");
        over_srtp += srtp;
        all += packets;
    }
    block_on(server.close());
    (cost, over_srtp as f64 / all as f64)
}
