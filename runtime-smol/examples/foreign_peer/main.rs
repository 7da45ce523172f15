//! The native side of `interop/rtc`: a player that makes a direct path to the one other member of its lobby, by the
//! machine that all players of ours have, and exchanges bytes with it below the session. What happens is told in lines
//! of JSON.
//!
//! ```sh
//! foreign_peer ws://127.0.0.1:8080/ws LOBBY CLOSER BYTES..
//! ```
//!
//! The other side sends back every message as it is. CLOSER is who closes at the end: `us`, and then the other side must
//! leave the lobby when it sees that; or `them`, who are asked to through the server. It ends with 0 if everything came back unaltered and the close was seen.

mod native;

use futures_lite::future::block_on;
use native::{Happened, Native, Wanted, now};
use serde_json::json;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;
use webstar_core::id::PlayerId;
use webstar_core::path::webrtc::{Input, PathKind};
use webstar_core::path::{Attempt, Command, Fact, Order};
use webstar_core::time::Instant;
use webstar_core::wire::signal::{
    ClientMessage, CreateLobby, Data, Encoding, Hello, JoinLobby, LobbyName, PlayerEntry, RelayData, RtcSignal,
    ServerMessage, Username, Version, WebrtcSignal, encode_client,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A message that has not come back for so long is sent again: nothing repeats it on the way.
const AGAIN: Duration = Duration::from_secs(1);
/// What has not happened by then does not happen.
const LIMIT: Duration = Duration::from_secs(20);
const PIPES: [(PathKind, Attempt); 2] = [(PathKind::Srtp, Attempt(1)), (PathKind::Sctp, Attempt(2))];

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    TheOther,
    TheChannel,
    /// That the message of this number comes back, or it is sent again.
    Echo(usize, Instant),
    TheirClose,
    TheirLeave,
    Nothing,
}

struct Talk {
    native: Native,
    other: Option<PlayerId>,
    messages: Vec<Vec<u8>>,
    is_closer: bool,
    step: Step,
}

fn tell(line: &serde_json::Value) {
    println!("{line}");
}

fn usage() -> Box<dyn Error> {
    "usage: foreign_peer ws://HOST:PORT/ws LOBBY us|them BYTES..".into()
}

fn main() -> ExitCode {
    let outcome = run();
    if let Err(why) = &outcome {
        tell(&json!({"event": "failed", "why": why.to_string()}));
    }
    ExitCode::from(u8::from(outcome.is_err()))
}

fn run() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, lobby, closer, sizes @ ..] = &arguments[..] else { return Err(usage()) };
    let is_closer = match closer.as_str() {
        "us" => true,
        "them" => false,
        _ => return Err(usage()),
    };
    let sizes: Vec<usize> = sizes.iter().map(|size| size.parse()).collect::<Result<_, _>>()?;
    let messages = sizes.iter().map(|size| (0..*size).map(|at| (at * 31 + size) as u8).collect()).collect();
    block_on(async {
        let native = Native::connect(url).await?;
        let mut talk = Talk { native, other: None, messages, is_closer, step: Step::TheOther };
        talk.enter(lobby).await?;
        let until = now() + LIMIT;
        while talk.step != Step::Nothing {
            if now() >= until {
                return Err(format!("nothing came of it in {LIMIT:?}; it waited for {:?}", talk.step).into());
            }
            talk.go_on(until).await?;
        }
        talk.say(&ClientMessage::LeaveLobby).await?;
        tell(&json!({"event": "done"}));
        Ok(())
    })
}

impl Talk {
    /// Into the lobby as a player without a key: it takes part in signalling, and not in the star.
    async fn enter(&mut self, lobby: &str) -> Outcome<()> {
        self.say(&ClientMessage::Hello(Hello { versions: vec![Version::CURRENT], key: None })).await?;
        let join = JoinLobby {
            lobby_id: Some(LobbyName::new(lobby)?),
            username: Username::new("native")?,
            password: None,
            create: Some(CreateLobby::default()),
            spectator: false,
            peer: None,
            admission: None,
        };
        self.say(&ClientMessage::JoinLobby(join)).await
    }

    async fn say(&mut self, message: &ClientMessage) -> Outcome<()> {
        self.native.say(encode_client(Encoding::Postcard, message)).await
    }

    /// Takes in the next thing that happens, and does what follows from it.
    async fn go_on(&mut self, until: Instant) -> Outcome<()> {
        if let Step::Echo(number, again) = self.step
            && again <= now()
        {
            tell(&json!({"event": "again", "bytes": self.messages[number].len()}));
            self.send(number)?;
        }
        self.drain().await?;
        let due = match self.step {
            Step::Echo(_, again) => until.min(again),
            _ => until,
        };
        match self.native.next(due).await? {
            Happened::Told(message) => self.on_told(*message)?,
            Happened::Datagram => {}
            Happened::Time if self.native.player().is_some() => self.native.handle(Input::Timeout)?,
            Happened::Time => {}
        }
        self.drain().await
    }

    fn on_told(&mut self, message: ServerMessage) -> Outcome<()> {
        match message {
            ServerMessage::LobbyJoined(joined) => {
                tell(&json!({"event": "joined", "player": joined.player_id.0}));
                self.native.enter(joined.player_id)?;
                self.on_players(&joined.player_list)?;
            }
            ServerMessage::PlayerListUpdated(update) => self.on_players(&update.player_list)?,
            ServerMessage::WebrtcSignal(WebrtcSignal { from_player, signal, .. }) => {
                tell(&json!({"event": "signal", "from": "them", "type": name(&signal)}));
                self.native.handle(Input::Signal { player: from_player, signal })?;
            }
            ServerMessage::Error(error) => return Err(format!("the server refuses: {error:?}").into()),
            _ => {}
        }
        Ok(())
    }

    fn on_players(&mut self, players: &[PlayerEntry]) -> Outcome<()> {
        let me = self.native.player();
        let other = players.iter().map(|entry| entry.player_id).find(|id| Some(*id) != me);
        match (self.step, other) {
            (Step::TheOther, Some(player)) => {
                (self.other, self.step) = (Some(player), Step::TheChannel);
                self.order(Command::Open)?;
            }
            (Step::TheirLeave, None) => self.step = Step::Nothing,
            (Step::TheOther | Step::TheirClose | Step::TheirLeave, _) | (_, Some(_)) => {}
            (_, None) => return Err(format!("the other side has left while we waited for {:?}", self.step).into()),
        }
        Ok(())
    }

    fn order(&mut self, command: Command) -> Outcome<()> {
        let Some(player) = self.other else { return Ok(()) };
        for (kind, attempt) in PIPES {
            self.native.handle(Input::Order { player, kind, order: Order { attempt, command } })?;
        }
        Ok(())
    }

    fn send(&mut self, number: usize) -> Outcome<()> {
        let Some(player) = self.other else { return Ok(()) };
        self.step = Step::Echo(number, now() + AGAIN);
        self.native.handle(Input::Packet { player, kind: PathKind::Sctp, payload: &self.messages[number] })
    }

    /// Does what the machine wants.
    async fn drain(&mut self) -> Outcome<()> {
        while let Some(wanted) = self.native.poll() {
            match wanted {
                Wanted::Signal(to_player, signal) => {
                    tell(&json!({"event": "signal", "from": "us", "type": name(&signal)}));
                    let said = WebrtcSignal { from_player: PlayerId(0), to_player, signal };
                    self.say(&ClientMessage::WebrtcSignal(said)).await?;
                }
                Wanted::Fact(kind, fact) => self.on_fact(kind, fact).await?,
                Wanted::Packet(kind, bytes) => self.on_packet(kind, &bytes).await?,
            }
        }
        Ok(())
    }

    async fn on_fact(&mut self, kind: PathKind, fact: Fact) -> Outcome<()> {
        let word = match fact {
            Fact::Opened(_) => "opened",
            Fact::Failed => "failed",
            Fact::Closed => "closed",
            Fact::Buffered(_) | Fact::Turned(_) => return Ok(()),
        };
        tell(&json!({"event": "pipe", "kind": format!("{kind:?}").to_lowercase(), "is": word}));
        match (self.step, kind, fact) {
            (Step::TheChannel, PathKind::Sctp, Fact::Opened(_)) => self.after(None).await,
            (Step::TheirClose, PathKind::Sctp, Fact::Closed) => {
                self.step = Step::Nothing;
                Ok(())
            }
            (step, PathKind::Sctp, _) => {
                Err(format!("the data channel has {word} while we waited for {step:?}").into())
            }
            _ => Ok(()),
        }
    }

    async fn on_packet(&mut self, kind: PathKind, bytes: &[u8]) -> Outcome<()> {
        let Step::Echo(number, _) = self.step else { return Ok(()) };
        if self.messages[..number].iter().any(|earlier| earlier == bytes) {
            // It was sent twice, and has come back twice.
            return Ok(());
        }
        let is_whole = kind == PathKind::Sctp && self.messages[number] == bytes;
        tell(&json!({"event": "back", "bytes": bytes.len(), "unaltered": is_whole}));
        if !is_whole {
            return Err(format!("a message of {} bytes came back altered", bytes.len()).into());
        }
        self.after(Some(number)).await
    }

    /// The next message, or the close after the last.
    async fn after(&mut self, number: Option<usize>) -> Outcome<()> {
        let next = number.map_or(0, |number| number + 1);
        if next < self.messages.len() {
            return self.send(next);
        }
        let Some(to_player) = self.other else { return Ok(()) };
        if self.is_closer {
            self.step = Step::TheirLeave;
            return self.order(Command::Close);
        }
        self.step = Step::TheirClose;
        let please = RelayData { from_player: PlayerId(0), to_player, data: Data::of_bytes(b"close") };
        self.say(&ClientMessage::RelayData(please)).await
    }
}

fn name(signal: &RtcSignal) -> &'static str {
    match signal {
        RtcSignal::Offer { .. } => "offer",
        RtcSignal::Answer { .. } => "answer",
        RtcSignal::IceCandidate { .. } => "ice_candidate",
    }
}
