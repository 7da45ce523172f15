//! A small chat in the terminal: what is typed is heard by everybody in the lobby, in one order, whoever dies meanwhile.
//!
//! ```sh
//! cargo run --example chat                                       # with a lobby server of its own; tells how others come
//! cargo run --example chat -- webstar://127.0.0.1:8080/den bob   # into a lobby, under a name
//! ```

use async_channel::Receiver;
use futures_lite::future::{self, block_on, race};
use std::collections::BTreeMap;
use std::error::Error;
use std::{io, thread};
use webstar_core::id::PlayerId;
use webstar_core::peer::{Channel, Destination, PeerEvent};
use webstar_smol::client::{Client, Options};
use webstar_smol::server::{Server, ServerOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let target = arguments.next();
    let name = arguments.next().unwrap_or_else(|| "ann".into());
    let tell = |line: String| println!("{line}");
    block_on(async {
        let Some(target) = target else {
            let server = server()?;
            let target = format!("webstar://{}/den", server.local_addr());
            println!("others come by: cargo run --example chat -- {target} THEIR_NAME");
            chat(&target, &name, &typed(), tell).await?;
            server.close().await;
            return Ok(());
        };
        chat(&target, &name, &typed(), tell).await
    })
}

fn server() -> Result<Server, Box<dyn Error>> {
    Ok(Server::bind(ServerOptions { listen: ([127, 0, 0, 1], 0).into(), ..ServerOptions::default() })?)
}

/// The lines of standard input; the channel closes at its end.
fn typed() -> Receiver<String> {
    let (sender, lines) = async_channel::bounded(16);
    thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if sender.send_blocking(line).is_err() {
                break;
            }
        }
    });
    lines
}

/// Says the lines, tells what is heard, and leaves when the lines end.
async fn chat(target: &str, name: &str, lines: &Receiver<String>, tell: impl Fn(String)) -> Result<(), Box<dyn Error>> {
    enum Turn {
        Heard(Option<PeerEvent>),
        Typed(Option<String>),
    }
    let client = Client::join_with(Options::to(target)?.name(name)?).await?;
    let mut names: BTreeMap<PlayerId, String> = BTreeMap::new();
    let mut is_leaving = false;
    loop {
        let heard = async { Turn::Heard(client.next_event().await) };
        let typed = async {
            match is_leaving {
                true => future::pending().await,
                false => Turn::Typed(lines.recv().await.ok()),
            }
        };
        match race(heard, typed).await {
            Turn::Typed(Some(line)) => {
                // Ordered: all hear it at the same place, we too. What is taken arrives, whoever dies meanwhile.
                if let Err(why) = client.send(&Destination::All, Channel::Ordered, "chat", line) {
                    tell(format!("not sent: {why}"));
                }
            }
            Turn::Typed(None) => {
                is_leaving = true;
                client.begin_leaving();
            }
            Turn::Heard(Some(event)) => on_event(event, &mut names, &tell),
            Turn::Heard(None) => return Ok(()),
        }
    }
}

fn on_event(event: PeerEvent, names: &mut BTreeMap<PlayerId, String>, tell: &impl Fn(String)) {
    let name = |names: &BTreeMap<PlayerId, String>, player| names.get(&player).cloned().unwrap_or_default();
    match event {
        PeerEvent::Joined { members, .. } => {
            *names = members.iter().map(|one| (one.player_id, one.username.to_string())).collect();
            let here: Vec<&str> = names.values().map(String::as_str).collect();
            tell(format!("here: {}", here.join(", ")));
        }
        PeerEvent::PlayerJoined(entry) => {
            tell(format!("{} has come", entry.username));
            names.insert(entry.player_id, entry.username.to_string());
        }
        PeerEvent::PlayerLeft { player, .. } => {
            tell(format!("{} has gone", name(names, player)));
            names.remove(&player);
        }
        PeerEvent::Message(message) => {
            // What others have typed commands no terminal.
            let text = String::from_utf8_lossy(&message.payload).replace(char::is_control, " ");
            tell(format!("{}: {text}", name(names, message.from)));
        }
        PeerEvent::HostChanged { host, cause: Some(_), .. } => tell(format!("{} is host now", name(names, host))),
        PeerEvent::Closed(why) => tell(why.to_string()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn two_hear_each_other_and_the_host_may_go() {
        let server = server().expect("a port is free");
        let target = format!("webstar://{}/den", server.local_addr());
        let start = |name: &'static str| {
            let ((says, lines), (heard, hears)) = (async_channel::bounded(16), mpsc::channel());
            let target = target.clone();
            thread::spawn(move || {
                let tell = move |line| drop(heard.send(line));
                block_on(chat(&target, name, &lines, tell)).expect("it goes well");
            });
            (says, hears)
        };
        let hear = |hears: &mpsc::Receiver<String>, line: &str| {
            while hears.recv_timeout(Duration::from_secs(60)).expect(line) != line {}
        };
        let say =
            |says: &async_channel::Sender<String>, line: &str| says.send_blocking(line.into()).expect("it is here");
        let (ann_says, ann_hears) = start("ann");
        hear(&ann_hears, "here: ann");
        let (bob_says, bob_hears) = start("bob");
        hear(&bob_hears, "here: ann, bob");
        hear(&ann_hears, "bob has come");
        say(&ann_says, "hello");
        hear(&bob_hears, "ann: hello");
        say(&bob_says, "hello \u{1b}yourself");
        hear(&ann_hears, "bob: hello  yourself");
        drop(ann_says);
        hear(&bob_hears, "bob is host now");
        say(&bob_says, "alone");
        hear(&bob_hears, "bob: alone");
        drop(bob_says);
        hear(&bob_hears, "left");
    }
}
