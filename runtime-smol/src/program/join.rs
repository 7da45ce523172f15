//! `webstar join`: what can be said on its command line. What it does stands in the files below.

pub(crate) mod ending;
mod flood;
pub(crate) mod history;
pub(crate) mod ice;
mod lines;
pub(crate) mod print;
pub(crate) mod settings;
mod talk;
pub(crate) mod values;

use super::log;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use values::{Flood, KindPriority, Net, Pair, duration};
use webstar_core::config::Mode;
use webstar_core::peer::Channel;

/// Joins or makes a lobby and talks. Each line of standard input is a message to all, or a command:
/// `/as KIND text`, `/to ID text`, `/ready [off]`, `/start`, `/handover [ID]`, `/kick ID`, `/ban ID`, `/lock [off]`,
/// `/accept ID`, `/rewrite ID text`, `/reject ID [why]` (with --authority), `/stats`, `/leave`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  webstar join new --name ann\n  webstar join room --name bob --server \
                        ws://play.example.org:8080/ws\n  webstar join webstar://127.0.0.1:8080/room --create --json\n\n\
                        Environment: RUST_LOG (what is logged to standard error)\n\
                        Exit codes: 0 left, 2 usage, 3 refused by the server, 4 connection lost for good")]
pub(crate) struct Join {
    /// A lobby's name; `new` (makes a lobby and prints its code); or a URI: webstar://HOST:PORT/LOBBY, webstars:// (TLS),
    /// webrtc://HOST:PORT/LOBBY, webrtc://PEER, webrtc-game://PEER?room=R&region=G
    target: String,
    /// The lobby server, unless the target names it [default: ws://127.0.0.1:8080/ws]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// A relay apart from the lobby server
    #[arg(long, value_name = "URL")]
    relay: Option<String>,
    /// What the others see
    #[arg(long, default_value = "player")]
    name: String,
    /// A name to claim at the server, by which others can call
    #[arg(long, value_name = "ID")]
    peer_id: Option<String>,
    /// Make the lobby if it is not there
    #[arg(long)]
    create: bool,
    /// List the lobby that is made
    #[arg(long)]
    public: bool,
    /// The most members of the lobby that is made, 2 to 64
    #[arg(long, value_name = "N")]
    max: Option<u16>,
    /// What else is known of the lobby that is made
    #[arg(long, value_name = "KEY=VALUE")]
    meta: Vec<Pair>,
    /// The environment variable that holds the lobby's password
    #[arg(long, value_name = "VAR")]
    password_env: Option<String>,
    /// The environment variable that holds what the operator's admission asks for
    #[arg(long, value_name = "VAR")]
    token_env: Option<String>,
    /// How packets travel
    #[arg(long, value_enum, default_value = "hybrid")]
    mode: ModeName,
    /// A STUN server, which tells under which address the outside sees us: stun:HOST or stun:HOST:PORT
    #[arg(long, value_name = "URL")]
    stun: Vec<String>,
    /// A TURN server, which lends us an address of its own: turn:HOST or turn:HOST:PORT, over TCP with ?transport=tcp behind
    /// it, over TLS turns:HOST. With several, one that gets through to the outside is enough
    #[arg(long, value_name = "URL")]
    turn: Vec<String>,
    /// Who we are to the TURN servers
    #[arg(long, value_name = "USER", requires = "turn")]
    turn_user: Option<String>,
    /// The environment variable that holds the password for the TURN servers
    #[arg(long, value_name = "VAR", requires = "turn_user")]
    turn_password_env: Option<String>,
    /// What is promised for the messages
    #[arg(long, value_enum, default_value = "ordered")]
    channel: ChannelName,
    /// When a message is delivered: as soon as it comes, or when no crash can take it back [default: safe for ordered,
    /// fast for reliable]
    #[arg(long, value_enum)]
    delivery: Option<Delivery>,
    /// When the host of two is lost while the server is away: go on alone
    #[arg(long)]
    allow_fork: bool,
    /// Give out what was said lately to who comes late, or has to begin anew; hear it on coming. The same for all players
    /// of a lobby
    #[arg(long)]
    history: bool,
    /// As host: what members say on the kept channels is told as a proposal, and said when it was decided. The same for all
    /// players of a lobby
    #[arg(long)]
    authority: bool,
    /// As host: messages a second that each member may say
    #[arg(long, value_name = "RATE")]
    referee_rate: Option<f64>,
    /// As host: the longest message that a member may say
    #[arg(long, value_name = "BYTES")]
    referee_size: Option<usize>,
    /// As host: kick who has so many strikes, one for each message that breaks a rule, less one every 10 s
    #[arg(long, value_name = "STRIKES")]
    referee_kick_at: Option<u32>,
    /// Only watch
    #[arg(long)]
    spectator: bool,
    /// Stay when the input ends
    #[arg(long)]
    stay: bool,
    /// Let messages leave together, at most this often: fewer packets for a little delay, such as a game's frame time, 16ms
    #[arg(long, value_name = "EVERY", value_parser = duration)]
    tick: Option<Duration>,
    /// The most to send to all other players together, such as 64000 for a line of 512 kbit/s that others use too; what waits
    /// stays in order of priority
    #[arg(long, value_name = "BYTES_PER_S")]
    upload: Option<u64>,
    /// The priority of a kind on the channels latest and unreliable: high (which all others have), normal or low, such as
    /// chat=low. What waits leaves by it, at the host too
    #[arg(long, value_name = "KIND=PRIORITY")]
    priority: Vec<KindPriority>,
    /// Trouble for packets to other players, any of loss=0.1,latency=50ms,jitter=10ms,dup=0.01,reorder=0.01 (through the
    /// server nothing is doubled or reordered)
    #[arg(long, value_name = "TROUBLE")]
    net: Option<Net>,
    /// Send COUNT messages of SIZE bytes, RATE a second (0: as fast as they are taken), of kind `flood`
    #[arg(long, value_name = "RATE:SIZE:COUNT")]
    flood: Option<Flood>,
    /// Tell the numbers of the other players this often
    #[arg(long, value_name = "EVERY", value_parser = duration)]
    stats: Option<Duration>,
    /// Record the session into FILE, for `webstar replay`: what is said and by whom, but no password, token, key or
    /// address of a player
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Be patient: heartbeats every 2 s, and nobody is suspect before 8 s
    #[arg(long)]
    relaxed: bool,
    /// A PEM file with certificates that are trusted besides those of the system
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// One JSON object a line on standard output
    #[arg(long)]
    json: bool,
    /// Logs as JSON; RUST_LOG=debug tells what the server says and what is dropped
    #[arg(long)]
    log_json: bool,
}

/// How packets travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum ModeName {
    /// By WebRTC, and through the lobby server until that is there and when it breaks.
    Hybrid,
    /// By WebRTC alone.
    Webrtc,
    /// By WebRTC over TURN servers alone: others never learn of our addresses.
    Turn,
    /// Through the lobby server alone.
    Relay,
}

impl From<ModeName> for Mode {
    fn from(name: ModeName) -> Mode {
        match name {
            ModeName::Hybrid => Mode::Hybrid,
            ModeName::Webrtc => Mode::Webrtc,
            ModeName::Turn => Mode::Turn,
            ModeName::Relay => Mode::Relay,
        }
    }
}

/// When messages are delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Delivery {
    /// As soon as they come; a crash of the host may take something back, and says so.
    Fast,
    /// When no crash can take them back.
    Safe,
}

/// The four promises by their names on the command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum ChannelName {
    Ordered,
    Reliable,
    Latest,
    Unreliable,
}

impl From<ChannelName> for Channel {
    fn from(name: ChannelName) -> Channel {
        match name {
            ChannelName::Ordered => Channel::Ordered,
            ChannelName::Reliable => Channel::Reliable,
            ChannelName::Latest => Channel::Latest,
            ChannelName::Unreliable => Channel::Unreliable,
        }
    }
}

impl Join {
    pub(crate) fn go(self) -> ExitCode {
        // The time line of `t_ms` begins here.
        webstar_smol::client::now();
        match log::start(self.log_json, "warn").and_then(|()| settings::of(&self)) {
            Ok(settings) => ExitCode::from(talk::talk(settings)),
            Err(why) => {
                eprintln!("webstar: {why}");
                ExitCode::from(2)
            }
        }
    }
}
