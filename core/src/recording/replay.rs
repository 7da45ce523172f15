//! Lives through a recording again: tells the same machine the same things at the same times, and compares what it says
//! with what it said, one output after the other, up to the first difference.

use super::blocks::{BlockError, Blocks};
use super::digest::{Digest, Digester, in_words, shortened};
use super::entry::Entry;
use super::header::{Header, RELEASE};
use super::tell::{Answer, tell};
use crate::config::ConfigError;
use crate::id::CommandId;
use crate::peer::{Channel, Command, CommandError, Origin, Output, Peer, PeerEvent, SendError, Sent};
use crate::time::{Duration, Instant};
use crate::wire::view::{Signatures, SigningKey};
use core::fmt;
use thiserror::Error;

/// Times of a recording lie in the first half of time: at its very end every deadline has come.
const LATEST: i64 = 1 << 62;

/// A recording that is lived through.
#[derive(Debug)]
pub struct Replay<'a> {
    blocks: Blocks<'a>,
    /// What is left of the block that is being read, and where that begins.
    rest: &'a [u8],
    block_at: usize,
    release: String,
    peer: Peer,
    signatures: Signatures,
    now: Instant,
    began: Instant,
    digester: Digester,
    tally: Tally,
}

/// Something that the application did or heard.
#[derive(Clone, PartialEq, Debug)]
pub enum Step {
    /// It was told this.
    Event(PeerEvent),
    /// It sent a message.
    Sent {
        /// On this channel.
        channel: Channel,
        /// What it was answered.
        outcome: Result<Sent, SendError>,
    },
    /// It asked for something.
    Asked {
        /// What.
        command: Command,
        /// What it was answered.
        outcome: Result<CommandId, CommandError>,
    },
}

/// How much has been compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// What the player was told.
    pub inputs: u64,
    /// What it said, and was the same.
    pub outputs: u64,
    /// From its first moment to the last that is recorded.
    pub span: Duration,
    /// The last word was said: else the recording ends in the middle.
    pub is_whole: bool,
}

/// The first output that is not what was recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Which output, from 1.
    pub output: u64,
    /// After so long in the life of the player.
    pub after: Duration,
    /// The sort of output in the recording.
    pub recorded: &'static str,
    /// What the machine says instead.
    pub said: String,
    /// The release that made the recording.
    pub release: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { output, after, recorded, said, release } = self;
        let at = after.as_secs_f64();
        write!(f, "output {output}, after {at:.6} s, differs: recorded is {recorded}, the machine says {said}")?;
        if release != RELEASE {
            write!(f, "; the recording was made by release {release}, this is {RELEASE}")?;
        }
        Ok(())
    }
}

/// Why a recording cannot be lived through to its end.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ReplayError {
    /// The bytes are something else.
    #[error("this is no recording; one is made with: webstar join .. --record FILE")]
    NotARecording,
    /// It is written in another format.
    #[error("the recording has format {0}, and this release reads format {format}; use the release that made it", format = super::FORMAT)]
    OtherFormat(u8),
    /// The player in it cannot be made here.
    #[error("the player of this recording cannot be made: {0}; use the release that made the recording")]
    Settings(String),
    /// It is not as it was written.
    #[error("the recording is damaged at byte {0}; what comes before is sound, so it may be cut off there")]
    Damaged(usize),
    /// The machine does not say the same.
    #[error("{0}")]
    Differs(Box<Difference>),
}

impl From<BlockError> for ReplayError {
    fn from(error: BlockError) -> Self {
        match error {
            BlockError::Foreign => ReplayError::NotARecording,
            BlockError::Format(format) => ReplayError::OtherFormat(format),
            BlockError::Damaged(at) => ReplayError::Damaged(at),
        }
    }
}

impl From<ConfigError> for ReplayError {
    fn from(error: ConfigError) -> Self {
        ReplayError::Settings(error.to_string())
    }
}

impl<'a> Replay<'a> {
    /// Makes the player of a recording.
    pub fn open(recording: &'a [u8]) -> Result<Self, ReplayError> {
        let mut blocks = Blocks::open(recording)?;
        let header = blocks.next()?.ok_or(ReplayError::NotARecording)?;
        let header: Header =
            serde_json::from_slice(header).map_err(|error| ReplayError::Settings(error.to_string()))?;
        let Header { release, began, dice, key, config, request } = header;
        if !(-LATEST..=LATEST).contains(&began.as_nanos()) {
            return Err(ReplayError::Settings("it begins beyond all time".into()));
        }
        let signatures = Signatures::default();
        let origin = Origin { dice, key: SigningKey::told(key, &signatures) };
        let peer = Peer::of_origin(config, request, origin, began)?;
        let block_at = blocks.at();
        Ok(Replay {
            blocks,
            rest: &[],
            block_at,
            release,
            peer,
            signatures,
            now: began,
            began,
            digester: Digester::default(),
            tally: Tally::default(),
        })
    }

    /// Goes on to what the application did or heard next; nothing at the end of the recording. After an error there is no
    /// going on.
    #[expect(clippy::should_implement_trait, reason = "an iterator would go on after an error")]
    pub fn next(&mut self) -> Result<Option<(Instant, Step)>, ReplayError> {
        loop {
            let step = match self.entry()? {
                None => return Ok(None),
                Some(Entry::Told { after, what }) => {
                    let nanos = self.now.as_nanos().saturating_add_unsigned(after);
                    if nanos > LATEST {
                        return Err(self.damaged());
                    }
                    self.now = Instant::from_nanos(nanos);
                    self.tally.span = self.now.since(self.began);
                    let mut answered = self.entry()?;
                    while let Some(Entry::Signed(signature)) = answered {
                        self.signatures.add(signature);
                        answered = self.entry()?;
                    }
                    let Some(answered) = answered else { return Ok(None) };
                    let Entry::Said(digest) = answered else { return Err(self.damaged()) };
                    let Some(answer) = tell(&mut self.peer, self.now, what) else { return Err(self.damaged()) };
                    self.tally.inputs += 1;
                    self.on_answer(answer, digest)?
                }
                Some(Entry::Signed(_)) => return Err(self.damaged()),
                Some(Entry::Said(digest)) => self.on_said(digest)?,
            };
            if let Some(step) = step {
                return Ok(Some((self.now, step)));
            }
        }
    }

    /// How much has been compared so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    fn on_answer(&mut self, answer: Answer, recorded: Digest) -> Result<Option<Step>, ReplayError> {
        let digest = match &answer {
            Answer::Input(outcome) => self.digester.of_answer(outcome),
            Answer::Sent(_, outcome) => self.digester.of_answer(outcome),
            Answer::Snapshot => self.digester.of_answer(&()),
            Answer::Asked(_, outcome) => self.digester.of_answer(outcome),
            Answer::Decided(outcome) => self.digester.of_answer(outcome),
        };
        self.tally.outputs += 1;
        if digest != recorded {
            return Err(self.differs(recorded, shortened(format!("an answer: {answer:?}"))));
        }
        Ok(match answer {
            Answer::Input(_) | Answer::Snapshot | Answer::Decided(_) => None,
            Answer::Sent(channel, outcome) => Some(Step::Sent { channel, outcome }),
            Answer::Asked(command, outcome) => Some(Step::Asked { command, outcome }),
        })
    }

    fn on_said(&mut self, recorded: Digest) -> Result<Option<Step>, ReplayError> {
        let output = self.peer.poll();
        self.tally.outputs += 1;
        if self.digester.of_output(&output) != recorded {
            let said = in_words(&output);
            return Err(self.differs(recorded, said));
        }
        let Output::Event(event) = output else { return Ok(None) };
        self.tally.is_whole |= matches!(event, PeerEvent::Closed(_));
        Ok(Some(Step::Event(event)))
    }

    /// The next entry, of whichever block.
    fn entry(&mut self) -> Result<Option<Entry<'a>>, ReplayError> {
        while self.rest.is_empty() {
            self.block_at = self.blocks.at();
            match self.blocks.next()? {
                Some(block) => self.rest = block,
                None => return Ok(None),
            }
        }
        let (entry, rest) = postcard::take_from_bytes(self.rest).map_err(|_| self.damaged())?;
        self.rest = rest;
        Ok(Some(entry))
    }

    fn damaged(&self) -> ReplayError {
        ReplayError::Damaged(self.block_at)
    }

    fn differs(&mut self, recorded: Digest, said: String) -> ReplayError {
        let Tally { outputs, span, .. } = self.tally;
        // What differs was not the same.
        self.tally.outputs -= 1;
        ReplayError::Differs(Box::new(Difference {
            output: outputs,
            after: span,
            recorded: recorded.sort(),
            said,
            release: self.release.clone(),
        }))
    }
}
