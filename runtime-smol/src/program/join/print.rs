//! Tells events: one JSON object a line for programs, sentences for people. The names and fields of the JSON events are
//! a contract; a field that does not apply is null, never absent.

use super::ending::{reason_of, sentence};
use super::history::{History, Said};
use data_encoding::BASE64;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufWriter, Stdout, Write};
use webstar_core::id::PlayerId;
use webstar_core::path::PathKind;
use webstar_core::peer::{Channel, Ended, Landed, PeerEvent, PeerMessage, PlayerStats, Position, Proposal, Sent};
use webstar_core::session::pipe::PathState;
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::signal::{HostCause, LobbyInfo, PlayerEntry};
use webstar_smol::client::{DirectStats, now};

/// Standard output, and what has to be remembered to tell things well.
pub(crate) struct Printer {
    out: BufWriter<Stdout>,
    json: bool,
    /// When that happened which is told next; none: now.
    pub(crate) at: Option<Instant>,
    is_broken: bool,
    names: BTreeMap<PlayerId, String>,
    me: Option<PlayerId>,
    /// What the numbers were when they were told last.
    told: Option<Told>,
}

/// Bytes in and out by player, and when.
struct Told {
    at: Instant,
    bytes: BTreeMap<PlayerId, (u64, u64)>,
}

impl Printer {
    pub(crate) fn new(json: bool) -> Self {
        Printer {
            out: BufWriter::new(io::stdout()),
            json,
            at: None,
            is_broken: false,
            names: BTreeMap::new(),
            me: None,
            told: None,
        }
    }

    /// Nobody reads any more.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken
    }

    pub(crate) fn flush(&mut self) {
        self.is_broken |= self.out.flush().is_err();
    }

    /// Tells one thing in the way that was asked for. No text: people are not told.
    fn tell(&mut self, mut event: Value, text: Option<String>) {
        if self.json {
            event["t_ms"] = millis(self.at.unwrap_or_else(now).since(Instant::ZERO));
            self.is_broken |= writeln!(self.out, "{event}").is_err();
        } else if let Some(text) = text {
            self.is_broken |= writeln!(self.out, "{}", printable(&text)).is_err();
        }
    }

    pub(crate) fn event(&mut self, event: &PeerEvent) {
        match event {
            PeerEvent::Joined { player, lobby, members, host, epoch, resumed } => {
                self.me = Some(*player);
                self.names = members.iter().map(|entry| (entry.player_id, entry.username.to_string())).collect();
                let listed: Vec<Value> = members.iter().map(member).collect();
                let event = json!({
                    "event": "joined", "lobby": lobby.lobby_id, "player": player, "host": host,
                    "epoch": epoch.to_string(), "members": listed, "resume": resumed,
                });
                let here: Vec<String> = members.iter().map(|entry| self.name(entry.player_id)).collect();
                let again = if *resumed { "back in" } else { "in" };
                let host = host.map_or("nobody".into(), |host| self.name(host));
                let name = &lobby.lobby_id;
                self.tell(event, Some(format!("{again} lobby {name}; host: {host}; here: {}", here.join(", "))));
                if *resumed {
                    self.tell(json!({"event": "resumed"}), None);
                }
            }
            PeerEvent::Message(message) => self.message(message),
            PeerEvent::PlayerJoined(entry) => {
                self.names.insert(entry.player_id, entry.username.to_string());
                let text = format!("{} has come", self.name(entry.player_id));
                self.tell(
                    json!({"event": "player_joined", "player": entry.player_id, "name": entry.username}),
                    Some(text),
                );
            }
            PeerEvent::PlayerLeft { player, reason } => {
                let text = format!("{} has gone ({})", self.name(*player), name_of(reason));
                self.tell(json!({"event": "player_left", "player": player, "reason": reason}), Some(text));
                self.names.remove(player);
            }
            PeerEvent::PlayerChanged(entry) => self.player_changed(entry),
            PeerEvent::LobbyChanged(lobby) => self.lobby_changed(lobby),
            PeerEvent::GameStarted { by } => {
                let text = format!("{} has started the game", self.name(*by));
                self.tell(json!({"event": "game_started", "by": by}), Some(text));
            }
            PeerEvent::ServerData(data) => {
                let value: Value = serde_json::from_slice(data.as_json()).unwrap_or_default();
                let text = format!("server: {value}");
                self.tell(json!({"event": "server_message", "data": value}), Some(text));
            }
            PeerEvent::Acked(sent) => self.tell(numbered("acked", *sent), None),
            PeerEvent::Drained(channel) => {
                self.tell(json!({"event": "drained", "channel": channel_name(*channel)}), None);
            }
            PeerEvent::Done { outcome: Err(refusal), .. } | PeerEvent::Refused(refusal) => {
                self.error(&name_of(&refusal.code), &refusal.message);
            }
            // The one who asked knows what it was; see `done`.
            PeerEvent::Done { outcome: Ok(()), .. } => {}
            PeerEvent::Proposal(_) | PeerEvent::Rejected { .. } | PeerEvent::Violation { .. } => self.judged(event),
            trouble => self.trouble(trouble),
        }
    }

    /// What the host's game is asked, and what it and the referee made of messages.
    fn judged(&mut self, event: &PeerEvent) {
        match event {
            PeerEvent::Proposal(proposal) => {
                let Proposal { id, from, channel, seq, kind, payload, .. } = proposal;
                let data = std::str::from_utf8(payload).ok();
                let event = json!({
                    "event": "proposal", "proposal": id.0, "from": from, "kind": kind.as_str(),
                    "channel": channel_name(*channel), "seq": seq, "data": data,
                    "data_b64": data.is_none().then(|| BASE64.encode(payload)),
                });
                let words = data.unwrap_or("bytes that are no text");
                let (id, who) = (id.0, self.name(*from));
                self.tell(
                    event,
                    Some(format!("{who} wants to say: {words} (/accept {id}, /rewrite {id}, /reject {id})")),
                );
            }
            PeerEvent::Rejected { sent, kind, reason } => {
                let mut event = numbered("rejected", *sent);
                (event["kind"], event["reason"]) = (json!(kind.as_str()), json!(reason));
                self.tell(event, Some(format!("the host has rejected what you said: {reason}")));
            }
            PeerEvent::Violation { player, rule, strikes } => {
                let (rule, who) = (rule.name(), self.name(*player));
                let event = json!({"event": "violation", "player": player, "rule": rule, "strikes": strikes});
                self.tell(event, Some(format!("{who} has broken the rule of {rule}; strikes: {strikes}")));
            }
            _ => {}
        }
    }

    /// Paths, hosts and connections.
    fn trouble(&mut self, event: &PeerEvent) {
        match event {
            PeerEvent::Path { player, path, is_turned, state } => {
                let (path, state) = (path_name(*path), state_name(*state));
                let text = format!("the path to {} by {path} is {state}", self.name(*player));
                let event = json!({"event": "path", "player": player, "path": path, "turn": is_turned, "state": state});
                self.tell(event, (state == "suspect" || state == "dead").then_some(text));
            }
            PeerEvent::Suspect { player } => {
                let text = format!("nothing is heard of {}", self.name(*player));
                self.tell(json!({"event": "suspect", "player": player}), Some(text));
            }
            PeerEvent::HostChanged { epoch, host, cause, gap } => {
                let is_me = self.me == Some(*host);
                let who = if is_me { "you are".into() } else { format!("{} is", self.name(*host)) };
                let text = format!("{who} host now{}", cause.map_or("", why_another));
                let event = json!({
                    "event": "host_changed", "epoch": epoch.to_string(), "host": host, "cause": cause,
                    "gap_ms": millis(*gap),
                });
                self.tell(event, Some(text));
            }
            PeerEvent::ViewChanged { epoch, host, backups, voters } => {
                let event = json!({
                    "event": "view", "epoch": epoch.to_string(), "host": host, "backups": backups, "voters": voters,
                });
                self.tell(event, None);
            }
            PeerEvent::ContinuityLost => {
                let text = "messages may be missing here, among them such as were acknowledged";
                self.tell(json!({"event": "continuity_lost"}), Some(text.into()));
            }
            PeerEvent::Resynced { snapshot } => {
                let text = "what was heard here is not what the others have heard; it goes on from what they have";
                self.tell(json!({"event": "resynced", "position": snapshot.position}), Some(text.into()));
            }
            PeerEvent::Paused => {
                let text = "nobody can be host now; waiting for the others, or for the server";
                self.tell(json!({"event": "paused"}), Some(text.into()));
            }
            PeerEvent::Reconnecting { attempt, after, why } => {
                let text =
                    format!("no connection to the server ({why}); attempt {attempt} in {} ms", after.as_millis());
                let event = json!({
                    "event": "reconnecting", "attempt": attempt, "in_ms": millis(*after), "why": why,
                });
                self.tell(event, Some(text));
            }
            PeerEvent::Closed(ended) => self.closed(ended),
            _ => {}
        }
    }

    fn message(&mut self, message: &PeerMessage) {
        let PeerMessage { from, channel, seq, kind, payload, is_rewritten, .. } = message;
        let data = std::str::from_utf8(payload).ok();
        let text = match data {
            Some(data) if kind.as_str() == "chat" => format!("{}: {data}", self.name(*from)),
            Some(data) => format!("{} [{}]: {data}", self.name(*from), kind.as_str()),
            None => format!("{} [{}]: {} bytes that are no text", self.name(*from), kind.as_str(), payload.len()),
        };
        let encoded = data.is_none().then(|| BASE64.encode(payload));
        let event = json!({
            "event": "message", "from": from, "kind": kind.as_str(), "channel": channel_name(*channel), "seq": seq,
            "data": data, "data_b64": encoded, "rewritten": is_rewritten,
        });
        self.tell(event, Some(text));
    }

    fn player_changed(&mut self, entry: &PlayerEntry) {
        let PlayerEntry { player_id, ready, connected, hidden, .. } = entry;
        let name = self.name(*player_id);
        let text = match (connected, ready) {
            (false, _) => format!("{name} is not connected"),
            (true, true) => format!("{name} is ready"),
            (true, false) => format!("{name} is here"),
        };
        let event = json!({
            "event": "player_changed", "player": player_id, "name": entry.username, "role": entry.role,
            "ready": ready, "connected": connected, "hidden": hidden,
        });
        self.tell(event, Some(text));
    }

    fn lobby_changed(&mut self, lobby: &LobbyInfo) {
        let text = match (lobby.locked, lobby.started) {
            (true, _) => "the lobby is locked",
            (false, true) => "the lobby is open; its game has started",
            (false, false) => "the lobby is open",
        };
        let event = json!({
            "event": "lobby_changed", "lobby": lobby.lobby_id, "public": lobby.public, "locked": lobby.locked,
            "started": lobby.started, "has_password": lobby.has_password, "max_players": lobby.max_players,
            "metadata": lobby.metadata,
        });
        self.tell(event, Some(text.into()));
    }

    /// What was said before we came, or came back.
    pub(crate) fn history(&mut self, position: Position, history: &History) {
        let lines: Vec<&Said> = history.lines().collect();
        if lines.is_empty() {
            return;
        }
        let told = lines.iter().map(|said| format!("  {}: {}", self.name(said.from), said.data));
        let text = format!("said before:\n{}", told.collect::<Vec<_>>().join("\n"));
        self.tell(json!({"event": "history", "position": position, "messages": lines}), Some(text));
    }

    /// A lobby was made on demand: how the others find it.
    pub(super) fn code(&mut self, lobby: &LobbyInfo) {
        let code = &lobby.lobby_id;
        if !self.json {
            self.tell(Value::Null, Some(format!("the lobby is {code}; others come by: webstar join {code}")));
        }
    }

    pub(crate) fn sent(&mut self, sent: Sent) {
        self.tell(numbered("sent", sent), None);
    }

    pub(crate) fn full(&mut self, channel: Channel, queued: usize) {
        self.tell(json!({"event": "full", "channel": channel_name(channel), "queued_bytes": queued}), None);
    }

    /// What was asked for is done.
    pub(crate) fn done(&mut self, command: &str) {
        self.tell(json!({"event": "done", "command": command}), Some(format!("done: {command}")));
    }

    pub(super) fn flooded(&mut self, count: u64) {
        let text = format!("the flood of {count} messages is sent");
        self.tell(json!({"event": "flooded", "sent": count}), Some(text));
    }

    pub(crate) fn error(&mut self, code: &str, message: &str) {
        self.tell(
            json!({"event": "error", "code": code, "message": message}),
            Some(format!("error: {code}: {message}")),
        );
    }

    fn closed(&mut self, ended: &Ended) {
        let reason = reason_of(ended);
        if *ended != Ended::Left {
            let event = json!({"event": "error", "code": reason, "message": sentence(ended)});
            self.tell(event, None);
        }
        let text = (*ended == Ended::Left).then(|| "left".to_owned());
        self.tell(json!({"event": "closed", "reason": reason}), text);
    }

    pub(super) fn stats(&mut self, stats: &[PlayerStats], landed: Landed, direct: &DirectStats) {
        let now = now();
        let before = self.told.take();
        let rate = |player: PlayerId, bytes: u64, which: fn(&(u64, u64)) -> u64| {
            let Some(before) = &before else { return 0.0 };
            let known = before.bytes.get(&player).map_or(0, which);
            let seconds = now.since(before.at).as_secs_f64().max(1e-9);
            (bytes.saturating_sub(known) as f64 * 8.0 / seconds).round()
        };
        let mut text = String::new();
        let players: Vec<Value> = stats
            .iter()
            .map(|one| {
                let _ = write!(text, "{}: ", self.name(one.player));
                let _ = match one.rtt {
                    Some(rtt) => {
                        let way = one.path.map_or("no path", path_name);
                        writeln!(text, "{:.1} ms by {way}, {:.1} % lost", rtt.as_secs_f64() * 1e3, one.loss * 100.0)
                    }
                    None => writeln!(text, "nothing measured yet"),
                };
                json!({
                    "player": one.player, "path": one.path.map(path_name),
                    "turn": one.is_turned,
                    "rtt_ms": one.rtt.map(millis), "jitter_ms": millis(one.jitter), "loss": one.loss,
                    "in_bps": rate(one.player, one.bytes_received, |known| known.0),
                    "out_bps": rate(one.player, one.bytes_sent, |known| known.1),
                    "queued_bytes": one.queued.iter().sum::<usize>(),
                })
            })
            .collect();
        let bytes = stats.iter().map(|one| (one.player, (one.bytes_received, one.bytes_sent))).collect();
        self.told = Some(Told { at: now, bytes });
        if text.is_empty() {
            text.push_str("no conversation yet");
        }
        let Landed { relay, sctp, srtp, .. } = landed;
        let delivered_by = json!({"srtp": srtp, "sctp": sctp, "relay": relay});
        for one in &direct.allocations {
            let _ = writeln!(
                text,
                "over the TURN server {}: {} bytes sent, {} received",
                one.server, one.bytes_sent, one.bytes_received
            );
        }
        let event = json!({
            "event": "stats", "players": players, "delivered_by": delivered_by,
            "turn_servers": direct.allocations,
            "candidates_refused": direct.dropped.candidates,
        });
        self.tell(event, Some(text.trim_end().into()));
    }

    fn name(&self, player: PlayerId) -> String {
        match self.names.get(&player) {
            Some(name) => format!("{name} ({})", player.0),
            None => format!("player {}", player.0),
        }
    }
}

fn member(entry: &PlayerEntry) -> Value {
    json!({"player": entry.player_id, "name": entry.username})
}

fn numbered(event: &str, sent: Sent) -> Value {
    json!({"event": event, "channel": channel_name(sent.channel), "seq": sent.seq})
}

/// What has become of the host before.
fn why_another(cause: HostCause) -> &'static str {
    match cause {
        HostCause::CrashSilent => ": nothing is heard of the one before",
        HostCause::CrashClosed => ": the one before is gone",
        HostCause::Graceful | HostCause::Chosen => ": the one before has handed over",
        HostCause::Voted => ": the players have agreed on it without the server",
        HostCause::Forced => ": too few were left to agree on one",
    }
}

/// A code in snake case, as it travels in JSON.
pub(super) fn name_of(code: &impl Serialize) -> String {
    match serde_json::to_value(code) {
        Ok(Value::String(name)) => name,
        _ => "unknown".into(),
    }
}

fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Unreliable => "unreliable",
        Channel::Latest => "latest",
        Channel::Reliable => "reliable",
        Channel::Ordered => "ordered",
    }
}

fn path_name(path: PathKind) -> &'static str {
    match path {
        PathKind::Relay => "relay",
        PathKind::External => "external",
        PathKind::Sctp => "sctp",
        PathKind::Srtp => "srtp",
    }
}

fn state_name(state: PathState) -> &'static str {
    match state {
        PathState::Opening => "opening",
        PathState::Usable => "usable",
        PathState::Suspect => "suspect",
        PathState::Dead => "dead",
    }
}

/// Milliseconds with three places.
fn millis(duration: Duration) -> Value {
    json!((duration.as_secs_f64() * 1e6).round() / 1e3)
}

/// What others have sent commands no terminal: control characters are shown, not obeyed.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' && c != '\t' {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_not_commanded() {
        assert_eq!(printable("a\u{1b}[2Jb\r\u{9b}c\td"), "a\\u{1b}[2Jb\\r\\u{9b}c\td");
    }

    #[test]
    fn millis_have_three_places() {
        assert_eq!(millis(Duration::from_nanos(1_234_567)).to_string(), "1.235");
    }
}
