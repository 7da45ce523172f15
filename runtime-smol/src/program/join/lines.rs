//! Standard input: lines as they come, and what each of them asks for. A line is at most [`MAX_LINE`] bytes.

use async_channel::Receiver;
use std::io::{self, BufRead, Read};
use std::thread;
use webstar_core::id::PlayerId;
use webstar_core::peer::{Command, Destination, ProposalId, Verdict};
use webstar_core::wire::limits::MAX_MESSAGE;

/// The longest message that any configuration allows.
const MAX_LINE: usize = MAX_MESSAGE;
/// Lines read ahead; the rest stays in the pipe.
const AHEAD: usize = 16;

/// What a line asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Line {
    /// A message.
    Say { to: Destination, kind: String, text: Vec<u8> },
    /// Something of the lobby.
    Ask(Command, &'static str),
    /// What becomes of a proposal.
    Decide(ProposalId, Verdict),
    /// The numbers.
    Stats,
    /// Out.
    Leave,
    /// Not understood: what would be.
    Hint(String),
}

/// The lines of standard input; the channel closes at its end.
pub(super) fn of_input() -> Receiver<Line> {
    let (lines, read) = async_channel::bounded(AHEAD);
    thread::spawn(move || {
        let mut input = io::stdin().lock();
        while let Some(line) = next(&mut input) {
            if lines.send_blocking(line).is_err() {
                break;
            }
        }
    });
    read
}

fn next(input: &mut impl BufRead) -> Option<Line> {
    let mut line = Vec::new();
    let limit = u64::try_from(MAX_LINE + 2).unwrap_or(u64::MAX);
    let count = input.by_ref().take(limit).read_until(b'\n', &mut line).ok()?;
    if count == 0 {
        return None;
    }
    let is_whole = line.last() == Some(&b'\n');
    if is_whole {
        line.pop();
        line.pop_if(|last| *last == b'\r');
    }
    if line.len() > MAX_LINE {
        if !is_whole {
            skip_line(input).ok()?;
        }
        return Some(Line::Hint(format!(
            "the line is longer than {MAX_LINE} bytes and was not sent; send less at once"
        )));
    }
    Some(parse(line))
}

fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let rest = input.fill_buf()?;
        let end = rest.iter().position(|byte| *byte == b'\n');
        let (skipped, is_last) = (end.map_or(rest.len(), |end| end + 1), end.is_some() || rest.is_empty());
        input.consume(skipped);
        if is_last {
            return Ok(());
        }
    }
}

fn say(to: Destination, kind: &str, text: impl Into<Vec<u8>>) -> Line {
    Line::Say { to, kind: kind.into(), text: text.into() }
}

fn parse(line: Vec<u8>) -> Line {
    let text = match std::str::from_utf8(&line) {
        Ok(text) if text.starts_with('/') => text,
        _ => return say(Destination::All, "chat", line),
    };
    let (command, rest) = text.split_once(' ').unwrap_or((text, ""));
    let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
    let player = |text: &str| text.trim().parse().ok().map(PlayerId);
    if let Some(line) = decision(command, first, second) {
        return line;
    }
    match (command, player(first)) {
        ("/as", _) if !first.is_empty() => say(Destination::All, first, second),
        ("/as", _) => hint("/as KIND text"),
        ("/to", Some(player)) => say(Destination::One(player), "chat", second),
        ("/to", None) => hint("/to ID text"),
        ("/ready", _) => switch(rest, Command::Ready, "ready"),
        ("/lock", _) => switch(rest, Command::Lock, "lock"),
        ("/start", _) => Line::Ask(Command::Start, "start"),
        ("/handover", None) if !rest.trim().is_empty() => hint("/handover [ID]"),
        ("/handover", successor) => Line::Ask(Command::HandOver(successor), "handover"),
        ("/kick", Some(player)) => Line::Ask(Command::Kick(player), "kick"),
        ("/kick", None) => hint("/kick ID"),
        ("/ban", Some(player)) => Line::Ask(Command::Ban(player), "ban"),
        ("/ban", None) => hint("/ban ID"),
        ("/stats", _) => Line::Stats,
        ("/leave", _) => Line::Leave,
        _ => Line::Hint(format!(
            "`{command}` is no command and was not sent; there are /as, /to, /ready, /start, /handover, /kick, /ban, \
             /lock, /accept, /rewrite, /reject, /stats, /leave (a message that begins with `/`: /as chat {command})"
        )),
    }
}

/// What becomes of a proposal, if that is said.
fn decision(command: &str, proposal: &str, text: &str) -> Option<Line> {
    let (verdict, usage) = match command {
        "/accept" => (Verdict::Accept, "/accept ID"),
        "/rewrite" => (Verdict::Rewrite(text.as_bytes().to_vec().into()), "/rewrite ID text"),
        "/reject" => (Verdict::Reject(text.into()), "/reject ID [why]"),
        _ => return None,
    };
    let id = proposal.trim().parse().ok().map(ProposalId);
    Some(id.map_or_else(|| hint(usage), |id| Line::Decide(id, verdict)))
}

fn switch(rest: &str, command: impl Fn(bool) -> Command, name: &'static str) -> Line {
    match rest.trim() {
        "" | "on" => Line::Ask(command(true), name),
        "off" => Line::Ask(command(false), name),
        _ => hint(&format!("/{name} [off]")),
    }
}

fn hint(usage: &str) -> Line {
    Line::Hint(format!("write it as {usage}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_lines() {
        let one = PlayerId(1);
        let table = [
            ("hello", say(Destination::All, "chat", "hello")),
            ("", say(Destination::All, "chat", "")),
            (" /ready", say(Destination::All, "chat", " /ready")),
            ("/as move 1 2", say(Destination::All, "move", "1 2")),
            ("/as chat /ready", say(Destination::All, "chat", "/ready")),
            ("/to 1 psst, you", say(Destination::One(one), "chat", "psst, you")),
            ("/ready", Line::Ask(Command::Ready(true), "ready")),
            ("/ready off", Line::Ask(Command::Ready(false), "ready")),
            ("/lock", Line::Ask(Command::Lock(true), "lock")),
            ("/lock off", Line::Ask(Command::Lock(false), "lock")),
            ("/start", Line::Ask(Command::Start, "start")),
            ("/handover", Line::Ask(Command::HandOver(None), "handover")),
            ("/handover 1", Line::Ask(Command::HandOver(Some(one)), "handover")),
            ("/kick 1", Line::Ask(Command::Kick(one), "kick")),
            ("/ban 1", Line::Ask(Command::Ban(one), "ban")),
            ("/accept 7", Line::Decide(ProposalId(7), Verdict::Accept)),
            ("/rewrite 7 a b", Line::Decide(ProposalId(7), Verdict::Rewrite("a b".into()))),
            ("/reject 7", Line::Decide(ProposalId(7), Verdict::Reject(String::new()))),
            ("/reject 7 too far", Line::Decide(ProposalId(7), Verdict::Reject("too far".into()))),
            ("/stats", Line::Stats),
            ("/leave", Line::Leave),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text.into()), expected, "{text}");
        }
        let wrong = ["/", "/as", "/to", "/to ann hi", "/kick", "/kick ann", "/ready maybe", "/handover ann", "/Leave"];
        for text in wrong.into_iter().chain(["/accept", "/rewrite x y", "/reject all"]) {
            assert!(matches!(parse(text.into()), Line::Hint(_)), "{text}");
        }
        assert_eq!(parse(vec![b'/', 0xff]), say(Destination::All, "chat", vec![b'/', 0xff]));
    }

    #[test]
    fn lines_end_as_people_end_them() {
        let mut input = &b"a\r\nb\n\nc"[..];
        let read: Vec<Line> = std::iter::from_fn(|| next(&mut input)).collect();
        assert_eq!(read, ["a", "b", "", "c"].map(|text| say(Destination::All, "chat", text)));
    }

    #[test]
    fn an_overlong_line_is_told_and_skipped() {
        let mut input = vec![b'x'; MAX_LINE + 100_000];
        input.extend(b"\nb\n");
        let mut input = &input[..];
        assert!(matches!(next(&mut input), Some(Line::Hint(_))));
        assert_eq!(next(&mut input), Some(say(Destination::All, "chat", "b")));
        assert_eq!(next(&mut input), None);
    }
}
