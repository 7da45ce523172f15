//! Writes down what a player is told and says, into blocks of bytes for the embedder to store.

use super::blocks::{FORMAT, MAGIC, seal};
use super::digest::Digester;
use super::entry::{Entry, Raw, Told};
use super::header::{Header, RELEASE, hidden};
use super::secrets::Secrets;
use crate::config::PlayerConfig;
use crate::peer::{Input, JoinRequest, Origin, Output};
use crate::time::{Duration, Instant};
use crate::wire::relay;
use crate::wire::signal::{self, Encoding, Frame, SIGNAL_TAG};
use crate::wire::view::Signatures;
use bytes::Bytes;
use core::fmt::Debug;

/// A block with more than this is closed.
const MUCH: usize = 16 * 1024;
/// A block is closed when it is this old, or when nothing will happen for so long.
const LONG: Duration = Duration::from_millis(100);
/// Bytes that may wait to be stored. When nobody fetches them the recording ends here.
const MOST: usize = 64 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Recorder {
    /// Whole blocks.
    ready: Vec<u8>,
    /// The block that is being written, and when it was begun.
    block: Vec<u8>,
    began: Option<Instant>,
    last: Instant,
    digester: Digester,
    /// What the player has signed since it was told the last.
    signatures: Signatures,
    is_over: bool,
}

impl Recorder {
    /// Of a player that is made of these.
    pub(super) fn new(
        config: &PlayerConfig,
        request: &JoinRequest,
        origin: &Origin,
        signatures: &Signatures,
        now: Instant,
    ) -> Self {
        let mut secrets = Secrets::default();
        let header = Header {
            release: RELEASE.into(),
            began: now,
            dice: origin.dice,
            key: origin.key.public(),
            config: config.clone(),
            request: hidden(request.clone(), &mut secrets),
        };
        let mut ready = [MAGIC, &[FORMAT]].concat();
        seal(&serde_json::to_vec(&header).expect("settings are JSON"), &mut ready);
        let digester = Digester::new(Some(secrets));
        let (block, signatures) = (Vec::new(), signatures.clone());
        Recorder { ready, block, began: None, last: now, digester, signatures, is_over: false }
    }

    /// The player is about to be told this.
    pub(super) fn on_input(&mut self, now: Instant, input: &Input) {
        match input {
            Input::Opened { stream } => self.told(now, Told::Opened { stream: *stream }),
            Input::Failed { stream, why } => self.told(now, Told::Failed { stream: *stream, why }),
            Input::Closed { stream, reason } => self.told(now, Told::Closed { stream: *stream, reason }),
            Input::Frame { stream, frame } => {
                let frame = self.hidden(frame);
                let is_text = matches!(frame, Frame::Text(_));
                self.told(now, Told::Frame { stream: *stream, is_text, bytes: Raw(frame.bytes()) });
            }
            Input::Buffered { stream, bytes } => self.told(now, Told::Buffered { stream: *stream, bytes: *bytes }),
            Input::Pipe { player, path, attempt, fact } => {
                self.told(now, Told::Pipe { player: *player, path: *path, attempt: *attempt, fact: *fact });
            }
            Input::Packet { player, path, bytes } => {
                self.told(now, Told::Packet { player: *player, path: *path, bytes: Raw(bytes) });
            }
            Input::Signal { player, signal } => {
                let mut signal = signal.clone();
                if let Some(secrets) = &mut self.digester.secrets {
                    secrets.hide_signal(&mut signal);
                }
                self.told(now, Told::Signal { player: *player, signal });
            }
            Input::Timeout => self.told(now, Told::Timeout),
        }
    }

    /// The player is about to be told this, by one of its doors.
    pub(super) fn told(&mut self, now: Instant, what: Told<'_>) {
        let now = self.last.max(now);
        let after = u64::try_from(now.since(self.last).as_nanos()).unwrap_or(u64::MAX);
        self.last = now;
        self.began.get_or_insert(now);
        self.write(&Entry::Told { after, what });
    }

    /// What it has signed, and what the door has answered.
    pub(super) fn on_answer(&mut self, answer: &impl Debug) {
        while let Some(signature) = self.signatures.take() {
            self.write(&Entry::Signed(signature));
        }
        let digest = self.digester.of_answer(answer);
        self.write(&Entry::Said(digest));
    }

    /// It was polled.
    pub(super) fn on_output(&mut self, output: &Output<'_>) {
        let digest = self.digester.of_output(output);
        self.write(&Entry::Said(digest));
        if let Output::Timeout(next) = output {
            let is_old = self.began.is_some_and(|began| self.last.since(began) >= LONG);
            let rests = next.is_none_or(|(at, _)| at.since(self.last) >= LONG);
            if is_old || rests || self.block.len() >= MUCH {
                self.close();
            }
        }
    }

    /// Whole blocks that are to be stored behind the ones before.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        (!self.ready.is_empty()).then(|| core::mem::take(&mut self.ready))
    }

    /// What has not been stored yet, to the last output.
    pub(super) fn take_all(&mut self) -> Option<Vec<u8>> {
        self.close();
        self.take()
    }

    fn close(&mut self) {
        self.began = None;
        if !self.block.is_empty() {
            seal(&self.block, &mut self.ready);
            self.block.clear();
            self.is_over |= self.ready.len() > MOST;
        }
    }

    fn write(&mut self, entry: &Entry<'_>) {
        if !self.is_over {
            let block = core::mem::take(&mut self.block);
            self.block = postcard::to_extend(entry, block).expect("a vector takes all");
        }
    }

    /// A frame of a server with placeholders. What means nothing to a player becomes something shorter that means nothing.
    fn hidden(&mut self, frame: &Frame) -> Frame {
        match frame {
            Frame::Binary(bytes) if bytes.first() == Some(&relay::TAG) => frame.clone(),
            Frame::Binary(_) => match signal::decode_server(Encoding::Postcard, frame) {
                Ok(mut message) => {
                    let is_changed =
                        self.digester.secrets.as_mut().is_some_and(|secrets| secrets.hide_in_server(&mut message));
                    if is_changed { signal::encode_server(Encoding::Postcard, &message) } else { frame.clone() }
                }
                Err(_) => Frame::Binary(Bytes::from_static(&[SIGNAL_TAG])),
            },
            Frame::Text(_) => Frame::Text(Bytes::new()),
        }
    }
}
