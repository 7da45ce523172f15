//! `webstar replay`: lives through a recording again and compares what the machine says with what it said.

use super::join::history::History;
use super::join::print::Printer;
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use webstar_core::id::CommandId;
use webstar_core::peer::{Command, CommandError, PeerEvent, SendError};
use webstar_core::recording::{Replay as Recording, ReplayError, Step, Tally};

/// Lives through a recording of `webstar join --record` in the same machine, and compares each of its outputs with what
/// was recorded, up to the first that differs.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  webstar join room --create --record room.rec\n  webstar replay room.rec\n  \
                        webstar replay room.rec --events\n\n\
                        Exit codes: 0 all the same, 1 an output differs or the recording is damaged, 2 usage, or no \
                        recording that can be read")]
pub(crate) struct Replay {
    /// The recording
    file: PathBuf,
    /// Tell the events of the session as `join --json` does, at the times when they happened
    #[arg(long)]
    events: bool,
    /// One JSON object a line on standard output
    #[arg(long)]
    json: bool,
}

impl Replay {
    pub(crate) fn go(self) -> ExitCode {
        let bytes = match std::fs::read(&self.file) {
            Ok(bytes) => bytes,
            Err(error) => {
                return self.unreadable(&format!(
                    "no recording can be read there ({error}); `webstar join --record FILE` makes one"
                ));
            }
        };
        let mut recording = match Recording::open(&bytes) {
            Ok(recording) => recording,
            Err(error) => return self.unreadable(&error.to_string()),
        };
        let ended = if self.events { told(&mut recording) } else { quietly(&mut recording) };
        let _ = self.close(recording.tally(), ended.as_ref().err());
        match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("webstar: {}: {error}", self.file.display());
                ExitCode::FAILURE
            }
        }
    }

    fn unreadable(&self, why: &str) -> ExitCode {
        eprintln!("webstar: {}: {why}", self.file.display());
        ExitCode::from(2)
    }

    /// What was compared.
    fn close(&self, tally: Tally, error: Option<&ReplayError>) -> io::Result<()> {
        let Tally { inputs, outputs, span, is_whole } = tally;
        let mut out = io::stdout().lock();
        if self.json || self.events {
            let difference = match error {
                Some(ReplayError::Differs(difference)) => json!({
                    "output": difference.output, "t_ms": difference.after.as_secs_f64() * 1e3,
                    "recorded": difference.recorded, "said": difference.said,
                }),
                _ => Value::Null,
            };
            let line = json!({
                "event": "summary", "same": error.is_none(), "inputs": inputs, "outputs": outputs,
                "span_ms": span.as_secs_f64() * 1e3, "whole": is_whole, "difference": difference,
                "error": error.map(ToString::to_string),
            });
            writeln!(out, "{line}")
        } else {
            let same = if error.is_none() { "all outputs are the same" } else { "the same so far" };
            let end =
                if is_whole || error.is_some() { "" } else { "; the recording ends in the middle of the session" };
            let seconds = span.as_secs_f64();
            writeln!(out, "{same}: {inputs} inputs, {outputs} outputs in {seconds:.3} s of the session{end}")
        }
    }
}

fn quietly(recording: &mut Recording<'_>) -> Result<(), ReplayError> {
    while recording.next()?.is_some() {}
    Ok(())
}

/// Every event is told as `join` tells it.
fn told(recording: &mut Recording<'_>) -> Result<(), ReplayError> {
    let mut teller = Teller { printer: Printer::new(true), history: History::default(), asked: BTreeMap::new() };
    let ended = loop {
        match recording.next() {
            Ok(Some((at, step))) => {
                teller.printer.at = Some(at);
                teller.tell(step);
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    teller.printer.flush();
    ended
}

struct Teller {
    printer: Printer,
    history: History,
    asked: BTreeMap<CommandId, &'static str>,
}

impl Teller {
    fn tell(&mut self, step: Step) {
        match step {
            Step::Event(event) => {
                if let PeerEvent::Done { command, outcome } = &event
                    && let (Some(name), Ok(())) = (self.asked.remove(command), outcome)
                {
                    self.printer.done(name);
                }
                if let Some(position) = self.history.on_event(&event) {
                    self.printer.history(position, &self.history);
                }
                self.printer.event(&event);
            }
            Step::Sent { outcome: Ok(sent), .. } => self.printer.sent(sent),
            Step::Sent { channel, outcome: Err(SendError::Full { queued }) } => self.printer.full(channel, queued),
            // It was said again when that was possible.
            Step::Sent { outcome: Err(SendError::NotJoined), .. } => {}
            Step::Sent { outcome: Err(error), .. } => self.printer.error("not_sent", &error.to_string()),
            Step::Asked { command, outcome } => self.asked(&command, outcome),
        }
    }

    fn asked(&mut self, command: &Command, outcome: Result<CommandId, CommandError>) {
        let Some(name) = name_of(command) else { return };
        match outcome {
            Ok(id) => {
                self.asked.insert(id, name);
            }
            Err(error) => self.printer.error("not_asked", &format!("/{name}: {error}")),
        }
    }
}

/// What a command is called in `join`; none if nobody types it, or nobody waits for what becomes of it.
fn name_of(command: &Command) -> Option<&'static str> {
    match command {
        Command::Ready(_) => Some("ready"),
        Command::Start => Some("start"),
        Command::Lock(_) => Some("lock"),
        Command::Kick(_) => Some("kick"),
        Command::Ban(_) => Some("ban"),
        Command::HandOver(_) => Some("handover"),
        Command::SetMetadata(_) | Command::Hidden(_) | Command::Leave => None,
    }
}
